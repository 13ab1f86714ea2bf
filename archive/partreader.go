package archive

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"
)

var errStructure = errors.New("not a part in format v1")

// guard turns a panic into an error: parquet-go panics on some malformed files. It reads in the caller's goroutine, so
// that recover sees them all.
func guard(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: reading Parquet: %v", errStructure, p)
		}
	}()
	return f()
}

// partFile is an open part.
type partFile struct {
	*parquet.File
	r    io.ReaderAt
	size int64
}

// partGroup is a row group of a part. Its pages are still to be checked.
type partGroup struct {
	parquet.RowGroup
	file    *partFile
	columns []format.ColumnChunk
}

func (p *partFile) groups() []partGroup {
	list := make([]partGroup, len(p.Metadata().RowGroups))
	for i, g := range p.RowGroups() {
		list[i] = partGroup{g, p, p.Metadata().RowGroups[i].Columns}
	}
	return list
}

// openPart opens a Parquet file and checks that it has the columns and row groups of a part.
func openPart(r io.ReaderAt, size int64) (*partFile, error) {
	var f *parquet.File
	err := guard(func() (err error) {
		if err := checkFooter(r, size); err != nil {
			return err
		}
		f, err = parquet.OpenFile(r, size, parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true),
			parquet.FileReadMode(parquet.ReadModeSync), parquet.ReadBufferSize(64<<10))
		if err != nil {
			return fmt.Errorf("%w: %w", errStructure, err)
		}
		return checkStructure(f)
	})
	if err != nil {
		return nil, err
	}
	return &partFile{f, r, size}, nil
}

// checkFooter compares the footer's length with the file's, because parquet-go allocates what the footer claims.
func checkFooter(r io.ReaderAt, size int64) error {
	if size < 12 {
		return fmt.Errorf("%w: %d bytes are too few", errStructure, size)
	}
	var tail [8]byte
	if n, err := r.ReadAt(tail[:], size-8); n != len(tail) {
		return fmt.Errorf("reading footer: %w", err)
	}
	if string(tail[4:]) != "PAR1" {
		return fmt.Errorf("%w: no Parquet footer", errStructure)
	}
	n := int64(binary.LittleEndian.Uint32(tail[:4]))
	if n > size-12 {
		return fmt.Errorf("%w: footer of %d bytes in a file of %d", errStructure, n, size)
	}
	return checkMetadata(r, size, n)
}

// maxChunk bounds a column chunk in memory: 131,072 rows of 8 KiB.
const maxChunk = 1 << 30

func checkStructure(f *parquet.File) error {
	want, got := parquet.SchemaOf(Row{}).Fields(), f.Schema().Fields()
	if len(want) != len(got) {
		return fmt.Errorf("%w: %d columns, want %d", errStructure, len(got), len(want))
	}
	for i, w := range want {
		g := got[i]
		if g.Name() != w.Name() || !g.Leaf() || g.Repeated() || g.Optional() != w.Optional() ||
			g.Type().Kind() != w.Type().Kind() || g.Type().Length() != w.Type().Length() {
			return fmt.Errorf("%w: column %d is %s, want %s", errStructure, i, g, w)
		}
	}
	for _, g := range f.Metadata().RowGroups {
		for i := range g.Columns {
			// Other codecs of parquet-go grow their buffers without bound on malformed input.
			if m := &g.Columns[i].MetaData; m.Codec != format.Zstd || m.TotalUncompressedSize > maxChunk ||
				m.NumValues > rowGroupRows {
				return fmt.Errorf("%w: column %d has codec %s, %d bytes and %d values", errStructure, i, m.Codec,
					m.TotalUncompressedSize, m.NumValues)
			}
		}
	}
	groups := f.RowGroups()
	if len(groups) == 0 {
		return fmt.Errorf("%w: no row groups", errStructure)
	}
	for i, g := range groups {
		n := g.NumRows()
		if n < 1 || n > rowGroupRows || i < len(groups)-1 && n != rowGroupRows {
			return fmt.Errorf("%w: row group %d has %d rows", errStructure, i, n)
		}
	}
	return nil
}

// scanGroup calls f with every row of a row group. The row and all it points to are valid only until f returns.
func scanGroup(ctx context.Context, g partGroup, f func(*Row) error) error {
	return guard(func() error {
		if err := g.checkPages(); err != nil {
			return err
		}
		var s rowScanner
		defer s.close()
		for i, chunk := range g.ColumnChunks() {
			s.columns[i].pages = chunk.Pages()
		}
		for n := g.NumRows(); n > 0; n-- {
			if n%4096 == 0 {
				if err := ctx.Err(); err != nil {
					return err
				}
			}
			if err := s.next(); err != nil {
				return err
			}
			if err := f(&s.row); err != nil {
				return err
			}
		}
		return endOf(&s.columns)
	})
}

// numColumns is the number of fields of Row.
const numColumns = 21

// rowScanner reads the columns side by side from their pages, without reflection and without copying text: the strings
// of row lie in the pages.
type rowScanner struct {
	columns [numColumns]column
	row     Row
	time    int64
	text    [numColumns]string
}

func (s *rowScanner) close() {
	for i := range s.columns {
		s.columns[i].close()
	}
}

// next moves to the next row, in the order of the fields of Row.
func (s *rowScanner) next() error {
	if err := loadPages(&s.columns); err != nil {
		return err
	}
	c, r := &s.columns, &s.row
	r.TenantID = c[0].bytes()
	r.Seq, r.SealedAt, r.EventID, r.RecordedAt = c[1].int(), c[2].int(), c[3].int(), c[4].int()
	r.OccurredAt = nil
	if c[5].present() {
		s.time = c[5].int()
		r.OccurredAt = &s.time
	}
	r.UserID = s.optional(6)
	r.ActorKind = c[7].bytes()
	r.SessionID, r.MembershipID, r.DisclosureID = s.optional(8), s.optional(9), s.optional(10)
	r.Action, r.Outcome = c[11].bytes(), c[12].bytes()
	r.RecordTable, r.RecordID, r.SubjectID = s.optional(13), s.optional(14), s.optional(15)
	r.Purpose, r.Detail = s.optional(16), s.optional(17)
	r.Source = c[18].bytes()
	r.Nonce, r.Hash = Nonce(c[19].fixed()), Hash(c[20].fixed())
	return nil
}

func (s *rowScanner) optional(i int) *string {
	if !s.columns[i].present() {
		return nil
	}
	s.text[i] = s.columns[i].bytes()
	return &s.text[i]
}

// loadPages gives every column that is at the end of its page the next one.
func loadPages(columns *[numColumns]column) error {
	for i := range columns {
		c := &columns[i]
		if c.row == c.rows {
			if err := c.nextPage(); err != nil {
				return fmt.Errorf("column %d: %w", i, err)
			}
		}
	}
	return nil
}

// endOf checks that no column goes on after the row group's last row.
func endOf(columns *[numColumns]column) error {
	for i := range columns {
		c := &columns[i]
		if c.row != c.rows {
			return fmt.Errorf("%w: column %d has more rows than its row group", errStructure, i)
		}
		if err := c.nextPage(); err == nil {
			return fmt.Errorf("%w: column %d has more pages than its row group", errStructure, i)
		} else if !errors.Is(err, io.ErrUnexpectedEOF) {
			return fmt.Errorf("column %d: %w", i, err)
		}
	}
	return nil
}
