package archive

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"unsafe"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding"
)

// column reads one column chunk value by value from the typed slices of its pages. Its methods index those slices
// without further checks: a page that lies about its lengths panics, which guard turns into an error.
type column struct {
	pages parquet.Pages
	page  parquet.Page

	rows, row int    // of the page
	defs      []byte // 1 for a value, 0 for NULL; nil for a column that has no NULL
	value     int    // the next value

	ints    []int64
	data    []byte
	offsets []uint32
	indexes []int32 // into data and offsets, for a page with a dictionary
	width   int     // bytes of a value of fixed length
	dict    bool

	encode  bool    // give data the form in which text is hashed
	few     bool    // with it: the dictionary has few entries
	encoded []byte  // then its entries in that form
	ends    []int32 // and where each begins; one more than there are entries
	of      parquet.Dictionary
	last    appended
}

// appended is the entry of a dictionary that appendText wrote last, and where: neighbouring rows have much in common,
// and what is there need not be copied there again.
type appended struct{ index, at, end, cap int }

// nextPage moves to the next page that has rows; after the last one it returns io.ErrUnexpectedEOF.
func (c *column) nextPage() error {
	for {
		c.release()
		p, err := c.pages.ReadPage()
		if errors.Is(err, io.EOF) {
			return fmt.Errorf("%w: too few rows: %w", errStructure, io.ErrUnexpectedEOF)
		}
		if err != nil {
			return fmt.Errorf("%w: %w", errStructure, err)
		}
		c.page = p
		if p.NumRows() == 0 {
			continue
		}
		return c.load()
	}
}

// load takes the slices out of the page.
func (c *column) load() error {
	p := c.page
	c.rows, c.row, c.value = int(p.NumRows()), 0, 0
	c.defs = p.DefinitionLevels()
	values := c.rows
	if len(c.defs) > 0 {
		if len(c.defs) != c.rows {
			return fmt.Errorf("%w: %d definition levels for %d rows", errStructure, len(c.defs), c.rows)
		}
		values -= int(p.NumNulls())
	} else {
		c.defs = nil
	}
	c.ints, c.data, c.offsets, c.indexes, c.dict = nil, nil, nil, nil, false
	v := p.Data()
	if d := p.Dictionary(); d != nil {
		c.indexes, c.dict = v.Int32(), true
		if len(c.indexes) != values {
			return fmt.Errorf("%w: %d values for %d", errStructure, len(c.indexes), values)
		}
		v = d.Page().Data()
		if c.encode && c.of != d {
			if c.few = d.Len() <= fewEntries; c.few {
				c.encodeEntries(v)
			}
			c.of, c.last = d, appended{index: -1}
		}
	}
	count := 0
	switch p.Type().Kind() {
	case parquet.Int64:
		c.ints = v.Int64()
		count = len(c.ints)
	case parquet.FixedLenByteArray:
		c.data, c.width = v.FixedLenByteArray()
		count = len(c.data) / c.width
	default:
		c.data, c.offsets = v.ByteArray()
		count = max(0, len(c.offsets)-1)
	}
	if !c.dict && count != values {
		return fmt.Errorf("%w: %d values for %d", errStructure, count, values)
	}
	return nil
}

// present moves to the next row of a column that may be NULL and reports whether it has a value, which must then be
// read.
func (c *column) present() bool {
	if len(c.defs) > 0 && c.defs[c.row] == 0 {
		c.row++
		return false
	}
	return true
}

// index returns the place of the next value.
func (c *column) index() int {
	i := c.value
	c.value++
	c.row++
	if c.dict {
		return int(c.indexes[i])
	}
	return i
}

func (c *column) int() int64 { return c.ints[c.index()] }

// fixed returns the next value of fixed length, which lies in the page.
func (c *column) fixed() []byte {
	i := c.index() * c.width
	return c.data[i : i+c.width]
}

// bytes returns the next value as a string that lies in the page.
func (c *column) bytes() string {
	i := c.index()
	b := c.data[c.offsets[i]:c.offsets[i+1]]
	return unsafe.String(unsafe.SliceData(b), len(b))
}

// encodeEntries puts the entries of a dictionary into the form in which they are hashed.
func (c *column) encodeEntries(v encoding.Values) {
	data, offsets := v.ByteArray()
	n := max(0, len(offsets)-1)
	c.encoded, c.ends = slices.Grow(c.encoded[:0], len(data)+5*n), append(slices.Grow(c.ends[:0], n+1), 0)
	for i := range n {
		b := data[offsets[i]:offsets[i+1]]
		size := uint32(len(b))
		c.encoded = append(append(c.encoded, 1, byte(size>>24), byte(size>>16), byte(size>>8), byte(size)), b...)
		c.ends = append(c.ends, int32(len(c.encoded)))
	}
}

// appendText appends the next value of a text column that has encode set, in the form in which it is hashed. What dst
// has behind its end must be what the last call left there.
func (c *column) appendText(dst []byte) []byte {
	if !c.present() {
		c.last.index = -1 // what comes next overwrites it
		return append(dst, 0)
	}
	i := c.index()
	if c.dict {
		if last := &c.last; i == last.index && len(dst) == last.at && cap(dst) == last.cap {
			return dst[:last.end]
		}
		at := len(dst)
		if c.few {
			dst = append(dst, c.encoded[c.ends[i]:c.ends[i+1]]...)
		} else {
			dst = c.appendEntry(dst, i)
		}
		c.last = appended{i, at, len(dst), cap(dst)}
		return dst
	}
	c.last.index = -1
	return c.appendEntry(dst, i)
}

func (c *column) appendEntry(dst []byte, i int) []byte {
	b := c.data[c.offsets[i]:c.offsets[i+1]]
	n := uint32(len(b))
	return append(append(dst, 1, byte(n>>24), byte(n>>16), byte(n>>8), byte(n)), b...)
}

// fewEntries is up to how many entries of a dictionary are put into the form in which they are hashed before they are
// used: of more, most stand in few rows, and the copy would fill the cache.
const fewEntries = 4096

func (c *column) release() {
	if c.page != nil {
		parquet.Release(c.page)
		c.page = nil
	}
	c.rows, c.row = 0, 0
}

func (c *column) close() {
	c.release()
	if c.pages != nil {
		c.pages.Close()
	}
}
