package archive

import (
	"bytes"
	"fmt"
	"io"
	"unsafe"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress/zstd"
)

// groupWriter writes a part's Parquet file. Each row group becomes a file of its own in memory first, which can be
// checked while the next one is encoded, and then goes into the part as it is, byte for byte but for its place.
type groupWriter struct {
	part *parquet.GenericWriter[Row]
	one  *parquet.GenericWriter[Row]
	file *bytes.Buffer // what one writes to
	rows int           // in one, with those of the step
	// step is the rows that one is still to be given: how many, the bytes of their details, and their values column by
	// column.
	step struct {
		rows, details int
		values        [numColumns][pageStep]parquet.Value
		nonces        [pageStep]Nonce
		hashes        [pageStep]Hash
	}
	// ended, where it is not nil, is handed every row group's file, which it may keep: it returns another buffer.
	ended func(file *bytes.Buffer) (*bytes.Buffer, error)
}

// pageStep is how many rows a column is given at once: a page ends only between steps.
const pageStep = 64

func newGroupWriter(out io.Writer) *groupWriter {
	file, options := &bytes.Buffer{}, append(partOptions(), writeSchema())
	return &groupWriter{part: parquet.NewGenericWriter[Row](out, options...),
		one: parquet.NewGenericWriter[Row](file, options...), file: file}
}

func partOptions() []parquet.WriterOption {
	return []parquet.WriterOption{
		parquet.MaxRowsPerRowGroup(rowGroupRows),
		parquet.Compression(&zstd.Codec{Level: zstd.SpeedDefault}),
		parquet.DataPageVersion(1),
		parquet.DataPageStatistics(false),
		parquet.SkipPageBounds("detail"), parquet.SkipPageBounds("nonce"), parquet.SkipPageBounds("hash"),
		parquet.SkipPageStatistics("detail"), parquet.SkipPageStatistics("nonce"), parquet.SkipPageStatistics("hash"),
		parquet.SortingWriterConfig(parquet.SortingColumns(parquet.Ascending("tenant_id"), parquet.Ascending("seq"))),
		parquet.CreatedBy("ward", "v1", ""),
		parquet.KeyValueMetadata("ward.format", fileFormat),
	}
}

// add takes a row in, whose texts must stay as they are.
func (w *groupWriter) add(r *Row) error {
	detail := 0
	if r.Detail != nil {
		detail = len(*r.Detail)
	}
	// readers refuse a page of more than maxPage
	if w.step.rows == pageStep || w.step.rows > 0 && w.step.details+detail > maxPage/16 {
		if err := w.endStep(); err != nil {
			return err
		}
	}
	w.take(w.step.rows, r)
	w.step.rows, w.step.details = w.step.rows+1, w.step.details+detail
	if w.rows++; w.rows == rowGroupRows {
		return w.endGroup()
	}
	return nil
}

// endStep gives the columns their values.
func (w *groupWriter) endStep() error {
	for c, to := range w.one.ColumnWriters() {
		if _, err := to.WriteRowValues(w.step.values[c][:w.step.rows]); err != nil {
			return fmt.Errorf("column %d: %w", c, err)
		}
	}
	w.step.rows, w.step.details = 0, 0
	return nil
}

// take lays row i of the step out by columns.
func (w *groupWriter) take(i int, r *Row) {
	v := &w.step.values
	v[0][i] = textValue(r.TenantID)
	v[1][i], v[2][i], v[3][i], v[4][i] = parquet.Int64Value(r.Seq), parquet.Int64Value(r.SealedAt),
		parquet.Int64Value(r.EventID), parquet.Int64Value(r.RecordedAt)
	v[5][i] = parquet.Value{}
	if r.OccurredAt != nil {
		v[5][i] = parquet.Int64Value(*r.OccurredAt).Level(0, 1, 5)
	}
	v[7][i], v[11][i], v[12][i], v[18][i] = textValue(r.ActorKind), textValue(r.Action), textValue(r.Outcome),
		textValue(r.Source)
	for _, o := range [...]struct {
		column int
		text   *string
	}{{6, r.UserID}, {8, r.SessionID}, {9, r.MembershipID}, {10, r.DisclosureID}, {13, r.RecordTable}, {14, r.RecordID},
		{15, r.SubjectID}, {16, r.Purpose}, {17, r.Detail}} {
		v[o.column][i] = parquet.Value{}
		if o.text != nil {
			v[o.column][i] = textValue(*o.text).Level(0, 1, o.column)
		}
	}
	w.step.nonces[i], w.step.hashes[i] = r.Nonce, r.Hash
	v[19][i], v[20][i] = parquet.FixedLenByteArrayValue(w.step.nonces[i][:]),
		parquet.FixedLenByteArrayValue(w.step.hashes[i][:])
}

func textValue(s string) parquet.Value {
	return parquet.ByteArrayValue(unsafe.Slice(unsafe.StringData(s), len(s)))
}

// endGroup puts the row group that was written into the part.
func (w *groupWriter) endGroup() error {
	if w.rows == 0 {
		return nil
	}
	if err := firstError(w.endStep(), w.one.Close()); err != nil {
		return fmt.Errorf("row group: %w", err)
	}
	file, err := parquet.OpenFile(bytes.NewReader(w.file.Bytes()), int64(w.file.Len()), parquet.SkipBloomFilters(true))
	if err != nil {
		return fmt.Errorf("row group: %w", err)
	}
	if _, err := w.part.WriteRowGroup(file.RowGroups()[0]); err != nil {
		return fmt.Errorf("row group: %w", err)
	}
	if w.ended != nil {
		if w.file, err = w.ended(w.file); err != nil {
			return err
		}
	}
	w.file.Reset()
	w.one.Reset(w.file)
	w.rows = 0
	return nil
}

func (w *groupWriter) close() error {
	if err := w.endGroup(); err != nil {
		return err
	}
	return w.part.Close()
}
