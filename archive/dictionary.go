package archive

import (
	"bytes"
	"hash/maphash"
	"unsafe"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding"
)

// writeSchema is the schema of Row whose columns with a dictionary look entries up by a [dictionary] of ours:
// parquet-go's map of texts took a quarter of what shipping a row costs. The pages and all that is written are
// parquet-go's.
func writeSchema() *parquet.Schema {
	s := parquet.SchemaOf(Row{})
	return parquet.NewSchema(s.Name(), writeNode{s})
}

type writeNode struct{ parquet.Node }

func (n writeNode) Fields() []parquet.Field {
	fields := n.Node.Fields()
	for i, f := range fields {
		if e := f.Encoding(); e != nil && e.Encoding() == parquet.RLEDictionary.Encoding() {
			fields[i] = dictionaryField{f}
		}
	}
	return fields
}

type dictionaryField struct{ parquet.Field }

func (f dictionaryField) Type() parquet.Type { return dictionaryType{f.Field.Type()} }

type dictionaryType struct{ parquet.Type }

func (t dictionaryType) NewDictionary(column, _ int, _ encoding.Values) parquet.Dictionary {
	d := &dictionary{text: t.Type, column: column, seed: maphash.MakeSeed()}
	d.Reset()
	return d
}

// dictionary is the different texts of a column in a row group, each with its number. The methods that it does not have
// stay nil: the writer of columns does not call them.
type dictionary struct {
	parquet.Dictionary
	text    parquet.Type
	column  int
	values  []byte
	offsets []uint32
	seed    maphash.Seed
	slots   []slot // open addressing; a power of two, at most half full
	recent  [256]recentText
}

type slot struct {
	hash  uint32
	entry uint32 // one more than its number; 0: none
}

// recentText is a text by where it lies. Rows that are written keep their texts, so that the same place is the same
// text.
type recentText struct {
	at    *byte
	size  int
	entry int32
}

func (d *dictionary) Type() parquet.Type { return indexType{d.text, d} }
func (d *dictionary) Len() int           { return len(d.offsets) - 1 }
func (d *dictionary) Size() int64        { return int64(len(d.values)) }

func (d *dictionary) Reset() {
	d.values, d.offsets = d.values[:0], append(d.offsets[:0], 0)
	if d.slots == nil {
		d.slots = make([]slot, 1024)
	}
	clear(d.slots)
	clear(d.recent[:])
}

func (d *dictionary) Page() parquet.Page {
	return d.text.NewPage(d.column, d.Len(), encoding.ByteArrayValues(d.values, d.offsets))
}

// index is the number of a text, which is a new one where there was none.
func (d *dictionary) index(text []byte) int32 {
	at := unsafe.SliceData(text)
	r := &d.recent[uintptr(unsafe.Pointer(at))>>3%uintptr(len(d.recent))]
	if r.at != at || r.size != len(text) || at == nil {
		*r = recentText{at, len(text), d.find(text)}
	}
	return r.entry
}

func (d *dictionary) find(text []byte) int32 {
	h := uint32(maphash.Bytes(d.seed, text))
	mask := uint32(len(d.slots) - 1)
	for i := h & mask; ; i = (i + 1) & mask {
		s := &d.slots[i]
		if s.entry == 0 {
			return d.add(text, h)
		}
		if e := s.entry - 1; s.hash == h && bytes.Equal(d.values[d.offsets[e]:d.offsets[e+1]], text) {
			return int32(e)
		}
	}
}

func (d *dictionary) add(text []byte, h uint32) int32 {
	d.values = append(d.values, text...)
	d.offsets = append(d.offsets, uint32(len(d.values)))
	n := d.Len()
	if 2*n > len(d.slots) {
		old := d.slots
		d.slots = make([]slot, 2*len(old))
		for _, s := range old {
			if s.entry != 0 {
				d.put(s)
			}
		}
	}
	d.put(slot{h, uint32(n)})
	return int32(n - 1)
}

func (d *dictionary) put(s slot) {
	mask := uint32(len(d.slots) - 1)
	i := s.hash & mask
	for d.slots[i].entry != 0 {
		i = (i + 1) & mask
	}
	d.slots[i] = s
}

type indexType struct {
	parquet.Type
	d *dictionary
}

func (t indexType) NewColumnBuffer(_, n int) parquet.ColumnBuffer {
	return &indexBuffer{d: t.d, indexes: make([]int32, 0, n)}
}

// indexBuffer collects a page of numbers of entries.
type indexBuffer struct {
	parquet.ColumnBuffer
	d       *dictionary
	indexes []int32
}

func (b *indexBuffer) Type() parquet.Type             { return b.d.text }
func (b *indexBuffer) Dictionary() parquet.Dictionary { return b.d }
func (b *indexBuffer) NumValues() int64               { return int64(len(b.indexes)) }
func (b *indexBuffer) Len() int                       { return len(b.indexes) }
func (b *indexBuffer) Cap() int                       { return cap(b.indexes) }
func (b *indexBuffer) Size() int64                    { return 4 * int64(len(b.indexes)) }
func (b *indexBuffer) Reset()                         { b.indexes = b.indexes[:0] }

func (b *indexBuffer) WriteValues(values []parquet.Value) (int, error) {
	for i := range values {
		b.indexes = append(b.indexes, b.d.index(values[i].ByteArray()))
	}
	return len(values), nil
}

// Page is parquet-go's, of a dictionary of parquet-go's that has the entries.
func (b *indexBuffer) Page() parquet.Page {
	d := b.d.text.NewDictionary(b.d.column, b.d.Len(), encoding.ByteArrayValues(b.d.values, b.d.offsets))
	return d.Type().NewPage(b.d.column, len(b.indexes), encoding.Int32Values(b.indexes))
}
