package audit

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"sync/atomic"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/ward-health/ward/archive"
	"github.com/ward-health/ward/queries"
)

// shipChunk is how many rows go from the reading to the encoding side at a time, readRows how many one statement asks
// for: each of the readers is that far ahead at most. They are all that is in memory besides row groups.
const (
	shipChunk = 4096
	readRows  = 8 * shipChunk
)

// readers is how many connections read at once, where the pool has enough: a server's process does as much work for a
// row as the encoding side.
const readers = 2

// reading is what one statement reads.
type reading struct {
	spans  []queries.SealedSpan
	first  string // slug of the first span's tenant; last: of the last one's
	last   string
	rows   int64
	chunks chan []archive.Row // closed behind the last row
}

// readings cuts and puts together the spans, which are in the order of tenant.
func readings(spans []span) []*reading {
	var list []*reading
	for _, sp := range spans {
		for sp.from <= sp.to {
			if n := len(list); n == 0 || list[n-1].rows == readRows {
				list = append(list,
					&reading{first: sp.tenant.Slug, chunks: make(chan []archive.Row, readRows/shipChunk)})
			}
			r := list[len(list)-1]
			part := sp
			part.to = min(sp.to, sp.from+readRows-r.rows-1)
			r.spans = append(r.spans, queries.SealedSpan{Tenant: sp.tenant.ID, First: part.from, Last: part.to,
				From: sp.recordedFrom, To: sp.recordedTo})
			r.rows, r.last = r.rows+part.rows(), sp.tenant.Slug
			sp.from = part.to + 1
		}
	}
	return list
}

// rows yields the rows of the spans, which are in the order of tenant, in the order of seq. The database is read on
// while the caller encodes.
func (s *Shipper) rows(ctx context.Context, spans []span) iter.Seq2[*archive.Row, error] {
	n := 1
	if stat := s.Pool.Stat(); stat.MaxConns()-stat.AcquiredConns() > readers {
		n = readers // others want connections too
	}
	return pumped(ctx, readings(spans), n, s.read)
}

// pumped yields what n readers read, in the order of the readings. A reader takes the next reading that none has taken,
// so that the one whose rows are wanted is always being read.
func pumped(ctx context.Context, list []*reading, n int,
	read func(ctx context.Context, next func() *reading) error) iter.Seq2[*archive.Row, error] {
	return func(yield func(*archive.Row, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		g, ctx := errgroup.WithContext(ctx)
		defer func() {
			cancel()
			_ = g.Wait() // until the readers have given their connections back
		}()
		var taken atomic.Int64
		for range n {
			g.Go(func() error {
				return read(ctx, func() *reading {
					if i := taken.Add(1) - 1; i < int64(len(list)) {
						return list[i]
					}
					return nil
				})
			})
		}
		for _, r := range list {
			for open := true; open; {
				var chunk []archive.Row
				select {
				case chunk, open = <-r.chunks:
				case <-ctx.Done():
					yield(nil, cmp.Or(g.Wait(), ctx.Err()))
					return
				}
				for i := range chunk {
					if !yield(&chunk[i], nil) {
						return
					}
				}
			}
		}
	}
}

// read sends the rows of the readings that it takes.
func (s *Shipper) read(ctx context.Context, next func() *reading) error {
	conn, err := s.Pool.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("connect to read sealed rows: %w", err)
	}
	defer conn.Release()
	for r := next(); r != nil; r = next() {
		c := copyReader{ctx: ctx, to: r.chunks}
		err := pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
			if _, err := tx.Conn().PgConn().Exec(ctx, queries.LookUpEach).ReadAll(); err != nil {
				return err
			}
			if _, err := tx.Conn().PgConn().CopyTo(ctx, &c, queries.CopySealedRows(r.spans)); err != nil {
				return err
			}
			return c.end(r.rows)
		})
		if err != nil {
			return fmt.Errorf("read sealed rows of tenants %s to %s: %w", r.first, r.last, err)
		}
		close(r.chunks)
	}
	return nil
}

// copyColumns is how many columns raw/sealed_rows.sql has.
const copyColumns = 21

// copyHead begins the binary format of COPY: a signature, no flags, no extension.
var copyHead = []byte("PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00")

var errCopy = errors.New("not the rows that were asked for")

// copyReader parses the binary format of COPY (PostgreSQL documentation, COPY, File Formats) into rows.
type copyReader struct {
	ctx   context.Context
	to    chan<- []archive.Row
	texts [copyColumns][recent]*string // what comes again soon is kept once
	ids   [copyColumns][recent]recentID
	begun bool
	ended bool
	rest  []byte // of a row that is not complete yet
	chunk []archive.Row
	rows  int64
}

// Write takes the stream in, in whatever pieces.
func (r *copyReader) Write(p []byte) (int, error) {
	n := len(p)
	if len(r.rest) > 0 {
		r.rest = append(r.rest, p...)
		p = r.rest
	}
	if !r.begun {
		if len(p) < len(copyHead) {
			r.rest = append(r.rest[:0], p...)
			return n, nil
		}
		if !bytes.HasPrefix(p, copyHead) {
			return 0, fmt.Errorf("%w: no binary COPY", errCopy)
		}
		p, r.begun = p[len(copyHead):], true
	}
	for !r.ended {
		size, err := r.next(p)
		if err != nil {
			return 0, err
		}
		if size == 0 {
			break
		}
		p = p[size:]
	}
	r.rest = append(r.rest[:0], p...)
	return n, nil
}

// next takes one row from p and returns how long it was; 0: it is not all there.
func (r *copyReader) next(p []byte) (int, error) {
	if len(p) < 2 {
		return 0, nil
	}
	switch n := int16(binary.BigEndian.Uint16(p)); n {
	case -1:
		r.ended = true
		return 2, nil
	case copyColumns:
	default:
		return 0, fmt.Errorf("%w: %d columns", errCopy, n)
	}
	var f [copyColumns][]byte
	at := 2
	for i := range f {
		if len(p) < at+4 {
			return 0, nil
		}
		size := int(int32(binary.BigEndian.Uint32(p[at:])))
		at += 4
		if size < 0 {
			continue
		}
		if len(p) < at+size {
			return 0, nil
		}
		f[i] = p[at : at+size : at+size]
		at += size
	}
	if r.chunk == nil {
		r.chunk = make([]archive.Row, 0, shipChunk)
	}
	var d decoding
	r.chunk = append(r.chunk, r.row(&f, &d))
	if d.err != nil {
		return 0, d.err
	}
	if r.rows++; len(r.chunk) == shipChunk {
		return at, r.send()
	}
	return at, nil
}

func (r *copyReader) send() error {
	chunk := r.chunk
	r.chunk = nil
	select {
	case r.to <- chunk:
		return nil
	case <-r.ctx.Done():
		return r.ctx.Err()
	}
}

// end sends what is left, and checks that the stream came to its end.
func (r *copyReader) end(rows int64) error {
	if !r.ended || len(r.rest) > 0 || r.rows != rows {
		return fmt.Errorf("%w: %d of %d rows", errCopy, r.rows, rows)
	}
	if len(r.chunk) == 0 {
		return nil
	}
	return r.send()
}

func (r *copyReader) row(f *[copyColumns][]byte, d *decoding) archive.Row {
	ids := r.rowIDs(f, d)
	row := archive.Row{Seq: d.int(f[1]), SealedAt: d.time(f[2]), EventID: d.int(f[5]), RecordedAt: d.time(f[6]),
		UserID: r.id(f, 8, d), ActorKind: *r.text(f, 9),
		SessionID: r.id(f, 10, d), MembershipID: r.id(f, 11, d), DisclosureID: ids[0], Action: *r.text(f, 13),
		Outcome: *r.text(f, 14), RecordTable: r.optional(f, 15), RecordID: ids[1],
		SubjectID: ids[2], Purpose: r.optional(f, 18), Source: *r.text(f, 20)}
	if tenant := r.id(f, 0, d); tenant != nil {
		row.TenantID = *tenant
	}
	if f[7] != nil {
		at := d.time(f[7])
		row.OccurredAt = &at
	}
	if f[19] != nil {
		detail := string(f[19])
		row.Detail = &detail
	}
	d.fixed(row.Nonce[:], f[3])
	d.fixed(row.Hash[:], f[4])
	return row
}

// rowIDs decodes the ids that few rows have in common, all three into one text.
func (r *copyReader) rowIDs(f *[copyColumns][]byte, d *decoding) [3]*string {
	const size = 36
	var buf [3 * size]byte
	var ids [3]*string
	for i, b := range [3][]byte{f[12], f[16], f[17]} {
		if b == nil || d.wrong(b, len(uuid.UUID{})) {
			continue
		}
		text, _ := uuid.UUID(b).MarshalText() // which never fails
		copy(buf[i*size:], text)
	}
	text, list := string(buf[:]), new([3]string)
	for i, b := range [3][]byte{f[12], f[16], f[17]} {
		if b != nil {
			list[i] = text[i*size : (i+1)*size]
			ids[i] = &list[i]
		}
	}
	return ids
}

// recent is how many values of a column are kept for those that come after them.
const recent = 256

type recentID struct {
	id   uuid.UUID
	text *string
}

// text is the value of a column of few texts.
func (r *copyReader) text(f *[copyColumns][]byte, column int) *string {
	b := f[column]
	at := len(b)
	if at > 0 {
		at += 31*int(b[0]) + 7*int(b[len(b)-1])
	}
	kept := &r.texts[column][at%recent]
	if *kept == nil || **kept != string(b) {
		s := string(b)
		*kept = &s
	}
	return *kept
}

func (r *copyReader) optional(f *[copyColumns][]byte, column int) *string {
	if f[column] == nil {
		return nil
	}
	return r.text(f, column)
}

// id is the value of a column of ids of which many rows have the same.
func (r *copyReader) id(f *[copyColumns][]byte, column int, d *decoding) *string {
	b := f[column]
	if len(b) != len(uuid.UUID{}) {
		return d.id(b)
	}
	kept := &r.ids[column][b[len(b)-1]]
	if kept.text == nil || kept.id != uuid.UUID(b) {
		*kept = recentID{uuid.UUID(b), d.id(b)}
	}
	return kept.text
}

// decoding remembers the first value that is not of its type. A column that may not be NULL and is has no bytes, and so
// is not of its type either.
type decoding struct{ err error }

func (d *decoding) wrong(b []byte, want int) bool {
	if len(b) != want && d.err == nil {
		d.err = fmt.Errorf("%w: a value of %d bytes, want %d", errCopy, len(b), want)
	}
	return len(b) != want
}

func (d *decoding) int(b []byte) int64 {
	if d.wrong(b, 8) {
		return 0
	}
	return int64(binary.BigEndian.Uint64(b))
}

// postgresEpoch is 2000-01-01 in microseconds since 1970: PostgreSQL counts from there.
const postgresEpoch = 946_684_800_000_000

func (d *decoding) time(b []byte) int64 { return d.int(b) + postgresEpoch }

func (d *decoding) id(b []byte) *string {
	if b == nil || d.wrong(b, len(uuid.UUID{})) {
		return nil
	}
	s := uuid.UUID(b).String()
	return &s
}

func (d *decoding) fixed(to, b []byte) {
	if !d.wrong(b, len(to)) {
		copy(to, b)
	}
}
