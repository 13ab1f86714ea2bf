package archive

import (
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go/format"
)

// parquet-go and its decompressor allocate what a length in the file claims before they look at what is there, so that
// one changed bit may cost gigabytes. What follows reads those lengths first, and lets through only what fits into the
// file and into these limits.
const (
	maxFooter  = 4 << 20   // a row group takes some 4 KiB
	maxPage    = 64 << 20  // uncompressed: a dictionary of 131,072 texts of 512 bytes
	maxAtOnce  = 256 << 20 // of a row group: the largest page of every column
	headerRead = 4 << 10   // more than a page header has
)

// checkPages walks over the headers of all pages of a row group, which must come before any of them is read.
func (g *partGroup) checkPages() error {
	var sum int64
	for i := range g.columns {
		largest, err := checkChunk(g.file.r, g.file.size, &g.columns[i].MetaData)
		if err != nil {
			return fmt.Errorf("column %d: %w", i, err)
		}
		sum += largest
	}
	if sum > maxAtOnce {
		return fmt.Errorf("%w: a row group takes %d bytes at once", errStructure, sum)
	}
	return nil
}

// checkChunk returns the uncompressed size of a column chunk's largest page.
func checkChunk(r io.ReaderAt, size int64, m *format.ColumnMetaData) (int64, error) {
	at := chunkStart(m)
	if at < 4 || m.TotalCompressedSize < 0 || m.TotalCompressedSize > size-at {
		return 0, fmt.Errorf("%w: %d bytes at %d", errStructure, m.TotalCompressedSize, at)
	}
	end := at + m.TotalCompressedSize
	var largest int64
	for at < end {
		b := make([]byte, min(headerRead, end-at))
		if n, err := r.ReadAt(b, at); n != len(b) {
			return 0, fmt.Errorf("reading page header: %w", err)
		}
		p, err := checkPage(b, end-at)
		if err != nil {
			return 0, err
		}
		if err := checkFrame(r, at+p.header+p.levels, p.compressed-p.levels); err != nil {
			return 0, err
		}
		largest, at = max(largest, p.uncompressed), at+p.header+p.compressed
	}
	return largest, nil
}

// chunkStart is where a column chunk's first page begins.
func chunkStart(m *format.ColumnMetaData) int64 {
	if m.DictionaryPageOffset > 0 {
		return min(m.DataPageOffset, m.DictionaryPageOffset)
	}
	return m.DataPageOffset
}

// pageSizes is what a page's header says. Behind the header stand the levels, which only a page of version 2 keeps
// outside of what is compressed.
type pageSizes struct{ header, levels, uncompressed, compressed int64 }

const dataPageV2 = int64(format.DataPageV2)

// checkPage reads the header at the beginning of b, of a page for which the file has room bytes.
func checkPage(b []byte, room int64) (pageSizes, error) {
	var p pageSizes
	var kind, definition, repetition int64
	most := int64(0) // values, rows or NULLs
	w := thriftWalk{data: b, number: func(parent, id int, v int64) {
		switch {
		case parent == 0 && id == 1:
			kind = v
		case parent == 0 && id == 2:
			p.uncompressed = v
		case parent == 0 && id == 3:
			p.compressed = v
		case parent == 8 && id == 5:
			definition = v
		case parent == 8 && id == 6:
			repetition = v
		case (parent == 5 || parent == 7) && id == 1, parent == 8 && id <= 3: // the counts of PageHeader's three kinds
			if v < 0 || v > most {
				most = max(v, -v)
			}
		}
	}}
	if err := w.structure(0, 0); err != nil {
		return p, err
	}
	p.header = int64(w.at)
	if p.uncompressed < 0 || p.uncompressed > maxPage || p.compressed < 0 || p.compressed > room-p.header ||
		most > rowGroupRows {
		return p, fmt.Errorf("%w: a page of %d bytes, %d uncompressed, %d values", errStructure, p.compressed,
			p.uncompressed, most)
	}
	if kind == dataPageV2 {
		if definition < 0 || repetition < 0 || definition+repetition > p.compressed {
			return p, fmt.Errorf("%w: a page of %d bytes with levels of %d and %d", errStructure, p.compressed,
				definition, repetition)
		}
		p.levels = definition + repetition
	}
	return p, nil
}

// checkFrame reads the header of the compressed frame of n bytes at offset at.
func checkFrame(r io.ReaderAt, at, n int64) error {
	if n == 0 {
		return nil
	}
	b := make([]byte, min(n, zstd.HeaderMaxSize))
	if k, err := r.ReadAt(b, at); k != len(b) {
		return fmt.Errorf("reading page: %w", err)
	}
	var h zstd.Header
	if err := h.Decode(b); err != nil {
		return fmt.Errorf("%w: a page that is not compressed with zstd: %w", errStructure, err)
	}
	if h.FrameContentSize > maxPage || h.WindowSize > maxPage || h.Skippable {
		return fmt.Errorf("%w: a page whose frame becomes %d bytes through a window of %d", errStructure,
			h.FrameContentSize, h.WindowSize)
	}
	return nil
}

// thriftWalk steps over a value in Thrift's compact protocol, in which Parquet keeps its metadata, and checks that
// every length and count fits into the data.
type thriftWalk struct {
	data []byte
	at   int
	// number is told the integers, with the ids of their field and of the field that the struct around it is, 0 for the
	// outermost one; it may be nil.
	number func(parent, id int, v int64)
}

var errThrift = fmt.Errorf("%w: metadata that is cut or has wrong lengths", errStructure)

func (w *thriftWalk) byte() (byte, error) {
	if w.at >= len(w.data) {
		return 0, errThrift
	}
	w.at++
	return w.data[w.at-1], nil
}

func (w *thriftWalk) varint() (uint64, error) {
	var v uint64
	for shift := 0; shift < 64; shift += 7 {
		b, err := w.byte()
		if err != nil {
			return 0, err
		}
		v |= uint64(b&0x7f) << shift
		if b < 0x80 {
			return v, nil
		}
	}
	return 0, errThrift
}

func (w *thriftWalk) skip(n uint64) error {
	if n > uint64(len(w.data)-w.at) {
		return errThrift
	}
	w.at += int(n)
	return nil
}

// The types of the compact protocol.
const (
	thriftTrue, thriftFalse, thriftByte, thriftI16, thriftI32, thriftI64 = 1, 2, 3, 4, 5, 6
	thriftDouble, thriftBinary, thriftList, thriftSet, thriftStruct      = 7, 8, 9, 10, 12
)

// structure steps over a struct that is the value of field parent.
func (w *thriftWalk) structure(parent, depth int) error {
	if depth > 16 {
		return errThrift
	}
	for id := 0; ; {
		b, err := w.byte()
		if err != nil || b == 0 {
			return err
		}
		if delta := int(b >> 4); delta > 0 {
			id += delta
		} else {
			v, err := w.varint()
			if err != nil {
				return err
			}
			id = int(int16(v>>1) ^ -int16(v&1))
		}
		if err := w.value(b&15, parent, id, depth, false); err != nil {
			return err
		}
	}
}

func (w *thriftWalk) value(kind byte, parent, id, depth int, element bool) error {
	switch kind {
	case thriftTrue, thriftFalse:
		if element {
			return w.skip(1)
		}
		return nil
	case thriftByte:
		return w.skip(1)
	case thriftI16, thriftI32, thriftI64:
		v, err := w.varint()
		if err == nil && w.number != nil && !element {
			w.number(parent, id, int64(v>>1)^-int64(v&1))
		}
		return err
	case thriftDouble:
		return w.skip(8)
	case thriftBinary:
		n, err := w.varint()
		if err != nil {
			return err
		}
		return w.skip(n)
	case thriftList, thriftSet:
		return w.list(id, depth)
	case thriftStruct:
		return w.structure(id, depth+1)
	}
	return errThrift // Parquet has no maps
}

func (w *thriftWalk) list(id, depth int) error {
	b, err := w.byte()
	if err != nil {
		return err
	}
	n := uint64(b >> 4)
	if n == 15 {
		if n, err = w.varint(); err != nil {
			return err
		}
	}
	if n > uint64(len(w.data)-w.at) || depth > 16 {
		return errThrift
	}
	for range n {
		if err := w.value(b&15, 0, id, depth+1, true); err != nil {
			return err
		}
	}
	return nil
}

// checkMetadata reads a file's footer, n bytes that end 8 bytes before the file does.
func checkMetadata(r io.ReaderAt, size, n int64) error {
	if n > maxFooter {
		return fmt.Errorf("%w: a footer of %d bytes", errStructure, n)
	}
	footer := make([]byte, n)
	if got, err := r.ReadAt(footer, size-8-n); int64(got) != n && !errors.Is(err, io.EOF) {
		return fmt.Errorf("reading footer: %w", err)
	}
	return (&thriftWalk{data: footer}).structure(0, 0)
}
