package archive

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"time"
)

// rowGroupLevel makes every row group but the last 1<<17 rows, whole blocks and a complete subtree of the part's Merkle
// tree.
const (
	rowGroupLevel = 17
	rowGroupRows  = 1 << rowGroupLevel
)

// fileFormat is stored in the Parquet footer for people who come upon a file alone; nothing trusts it.
const fileFormat = "ward-part/v1"

// Position is a place in a tenant's chain: the last row before it.
type Position struct {
	Seq  int64
	Hash Hash
}

// PartInfo says which part a [PartWriter] writes.
type PartInfo struct {
	Region   string
	Month    string
	Part     int64
	Previous Hash
	// Prev returns where a tenant's chain stood before this part. A nil Prev, or false, is the start of the chain.
	Prev        func(tenant string) (Position, bool)
	RetainUntil time.Time
	CreatedAt   time.Time
}

func (p *PartInfo) prev(tenant string) Position {
	if p.Prev != nil {
		if pos, ok := p.Prev(tenant); ok {
			return pos
		}
	}
	return Position{0, Genesis(tenant)}
}

// PartWriter writes one part as a stream and refuses every row that a verifier would.
type PartWriter struct {
	info     PartInfo
	from, to int64
	out      *countingWriter
	groups   *groupWriter
	tree     rowTree
	manifest Manifest
	err      error
	// unhashed leaves the rows' hashes to a check of what was written.
	unhashed bool
}

// NewPartWriter begins a part. The caller keeps w.
func NewPartWriter(w io.Writer, info PartInfo) (*PartWriter, error) {
	from, to, err := monthRange(info.Month)
	if err = errors.Join(err, validateRegion(info.Region)); err != nil {
		return nil, fmt.Errorf("beginning part %d: %w", info.Part, err)
	}
	if info.Part < 1 || info.Part > maxPart {
		return nil, fmt.Errorf("beginning part %d: out of range", info.Part)
	}
	out := &countingWriter{w: w, sum: sha256.New()}
	return &PartWriter{
		info: info, from: from, to: to, out: out,
		groups: newGroupWriter(out),
		manifest: Manifest{
			Version: ManifestVersion, Region: info.Region, Month: info.Month, Part: info.Part,
			Previous: HexHash(info.Previous), Path: parquetPath(info.Region, info.Month, info.Part),
			RetainUntil: info.RetainUntil.UTC().Truncate(time.Second),
			CreatedAt:   info.CreatedAt.UTC().Truncate(time.Microsecond),
		},
	}, nil
}

// Write appends rows, which must be in the order of tenant and seq, continue each tenant's chain without a gap, carry
// the hash that follows from the row before, and be sealed in the part's month. After an error the part is lost.
func (w *PartWriter) Write(rows []Row) error {
	for i := range rows {
		if err := w.add(&rows[i]); err != nil {
			return err
		}
	}
	return w.err
}

func (w *PartWriter) add(r *Row) error {
	if w.err != nil {
		return w.err
	}
	if w.err = w.check(r); w.err != nil {
		return w.err
	}
	if err := w.groups.add(r); err != nil {
		w.err = fmt.Errorf("writing part %d: %w", w.info.Part, err)
	}
	return w.err
}

func (w *PartWriter) check(r *Row) error {
	m := &w.manifest
	n := len(m.Tenants)
	if n == 0 || m.Tenants[n-1].TenantID != r.TenantID {
		if n > 0 && m.Tenants[n-1].TenantID > r.TenantID {
			return w.refuse(r, "comes after tenant %s", m.Tenants[n-1].TenantID)
		}
		pos := w.info.prev(r.TenantID)
		m.Tenants = append(m.Tenants, TenantSpan{
			TenantID: r.TenantID, FirstSeq: pos.Seq + 1, LastSeq: pos.Seq,
			PrevHash: HexHash(pos.Hash), LastHash: HexHash(pos.Hash),
		})
		n++
	}
	t := &m.Tenants[n-1]
	if r.Seq != t.LastSeq+1 {
		return w.refuse(r, "comes after seq %d", t.LastSeq)
	}
	if r.SealedAt < w.from || r.SealedAt >= w.to {
		return w.refuse(r, "was sealed in %s, not in %s", MonthOf(r.SealedAt), w.info.Month)
	}
	if !w.unhashed {
		if want := RowHash(Hash(t.LastHash), r); want != r.Hash {
			return w.refuse(r, "has hash %x, but its content gives %x", r.Hash, want)
		}
	}
	t.Rows, t.LastSeq, t.LastHash = t.Rows+1, r.Seq, HexHash(r.Hash)
	w.tree.add(&r.Hash)
	if m.Rows++; m.Rows == 1 {
		m.MinSealedAt, m.MaxSealedAt, m.MinRecordedAt, m.MaxRecordedAt = r.SealedAt, r.SealedAt,
			r.RecordedAt, r.RecordedAt
	}
	m.MinSealedAt, m.MaxSealedAt = min(m.MinSealedAt, r.SealedAt), max(m.MaxSealedAt, r.SealedAt)
	m.MinRecordedAt, m.MaxRecordedAt = min(m.MinRecordedAt, r.RecordedAt), max(m.MaxRecordedAt, r.RecordedAt)
	return nil
}

// RowError is a row that does not belong where it was written.
type RowError struct {
	TenantID string
	Seq      int64
	Reason   string
}

// Error names the row.
func (e *RowError) Error() string {
	return fmt.Sprintf("row %s/%d %s", e.TenantID, e.Seq, e.Reason)
}

func (w *PartWriter) refuse(r *Row, format string, args ...any) error {
	return fmt.Errorf("writing part %d: %w", w.info.Part, &RowError{r.TenantID, r.Seq, fmt.Sprintf(format, args...)})
}

// Close finishes the file and returns its manifest. A part without rows is an error.
func (w *PartWriter) Close() (Manifest, error) {
	if w.err == nil && w.manifest.Rows == 0 {
		w.err = fmt.Errorf("writing part %d: %w", w.info.Part, ErrNoRows)
	}
	if w.err != nil {
		return Manifest{}, w.err
	}
	if err := w.groups.close(); err != nil {
		w.err = fmt.Errorf("closing part %d: %w", w.info.Part, err)
		return Manifest{}, w.err
	}
	m := w.manifest
	m.Bytes, m.SHA256, m.MerkleRoot = w.out.n, HexHash(w.out.sum.Sum(nil)), HexHash(w.tree.root())
	w.err = errors.New("part is closed")
	return m, nil
}

// ErrNoRows is a part without rows.
var ErrNoRows = errors.New("no rows")

type countingWriter struct {
	w   io.Writer
	sum hash.Hash
	n   int64
}

func (c *countingWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.sum.Write(p[:n])
	c.n += int64(n)
	return n, err
}
