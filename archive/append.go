package archive

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"time"
)

func (l *Log) appendRows(ctx context.Context, month string, rows iter.Seq2[*Row, error],
	retain time.Time) (Manifest, error) {
	if l.leftover.parquet == nil && l.leftover.manifest == nil {
		return l.ship(ctx, month, rows, retain, nil)
	}
	if l.leftover.parquet == nil {
		return Manifest{}, fmt.Errorf("%w: %s", ErrBlocked, l.leftover.manifest.path)
	}
	old, err := l.readLeftover(ctx, month)
	if err != nil {
		return Manifest{}, err
	}
	return l.ship(ctx, month, rows, retain, old)
}

// leftoverPart is a readable file beyond the head, whose rows are still to be found among the caller's.
type leftoverPart struct {
	facts *partFacts // nil: no part that could be finished
	bytes int64
	sum   Hash

	tree rowTree // over those rows of the caller's that the part should have
}

// readLeftover reads the file beyond the head. Only a store that cannot be read is an error.
func (l *Log) readLeftover(ctx context.Context, month string) (*leftoverPart, error) {
	o := l.leftover.parquet
	sp, err := spool(ctx, l.store, o.path, -1, nil)
	if err != nil {
		return nil, err
	}
	defer sp.Close()
	old := &leftoverPart{bytes: sp.size, sum: sp.sum}
	if voided, err := l.leftoverIsVoid(ctx); err != nil || voided || o.month != month {
		return old, err
	}
	check, err := newPartCheck(month, l.prev, 1)
	if err != nil {
		return nil, err
	}
	facts, found, err := check.run(ctx, sp, sp.size)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err == nil && len(found.list) == 0 {
		old.facts = facts
	}
	return old, nil
}

// leftoverIsVoid reports whether an interrupted run had already decided against the file.
func (l *Log) leftoverIsVoid(ctx context.Context) (bool, error) {
	if l.leftover.manifest == nil {
		return false, nil
	}
	data, err := readObject(ctx, l.store, l.leftover.manifest.path)
	if err != nil {
		return false, err
	}
	m, err := ParseManifest(data)
	return err == nil && m.Void, nil // one that cannot be parsed is refused later, by adoptManifest
}

// take counts r in where the leftover part should have it.
func (o *leftoverPart) take(r *Row) {
	if o.facts == nil {
		return
	}
	m := Manifest{Tenants: o.facts.spans}
	if s, ok := m.span(r.TenantID); ok && r.Seq <= s.LastSeq {
		o.tree.add(&r.Hash)
	}
}

func (o *leftoverPart) matches() bool {
	return o.facts != nil && o.tree.rows == o.facts.rows && o.tree.root() == o.facts.tree.root()
}

// ship writes rows to a temporary file and makes it the next part; where there is a leftover part it is finished
// instead, or declared void first.
func (l *Log) ship(ctx context.Context, month string, rows iter.Seq2[*Row, error], retain time.Time,
	old *leftoverPart) (Manifest, error) {
	f, err := os.CreateTemp("", "ward-part-*")
	if err != nil {
		return Manifest{}, fmt.Errorf("making a temporary file: %w", err)
	}
	defer f.Close()
	defer os.Remove(f.Name())
	info := PartInfo{Region: l.region, Month: month, Part: l.tree.size + 1, Previous: l.previous(), Prev: l.prev,
		RetainUntil: retain, CreatedAt: l.Now()}
	if old != nil {
		info.Part++ // should the leftover part be void
	}
	m, err := writeRows(ctx, f, info, rows, old)
	if err != nil {
		return Manifest{}, err
	}
	if old != nil {
		if old.matches() {
			return l.adopt(ctx, month, retain, old)
		}
		if err := l.void(ctx, month, retain); err != nil {
			return Manifest{}, err
		}
		m.Previous = HexHash(l.previous())
	}
	if err := l.upload(ctx, &m, f); err != nil {
		return Manifest{}, err
	}
	if err := l.readBack(ctx, &m); err != nil {
		return Manifest{}, err
	}
	err = l.finish(ctx, &m, retain)
	return m, err
}

// writeRows writes the rows to a file and checks what it has written.
func writeRows(ctx context.Context, f *os.File, info PartInfo, rows iter.Seq2[*Row, error],
	old *leftoverPart) (Manifest, error) {
	w, err := NewPartWriter(f, info)
	if err != nil {
		return Manifest{}, err
	}
	checks, err := newGroupChecks(ctx, &info)
	if err != nil {
		return Manifest{}, err
	}
	defer func() { _ = checks.wait() }() // what it says, finish said, unless writing failed
	w.unhashed, w.groups.ended = true, checks.take
	for r, err := range rows {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return Manifest{}, fmt.Errorf("reading rows: %w", err)
		}
		if old != nil {
			old.take(r)
		}
		if err := w.add(r); err != nil {
			return Manifest{}, err
		}
	}
	m, err := w.Close()
	if err == nil {
		err = checks.finish(f, &m)
	}
	return m, err
}

// upload stores the file. A name that is taken is another process's.
func (l *Log) upload(ctx context.Context, m *Manifest, f *os.File) error {
	if _, err := f.Seek(0, 0); err != nil {
		return fmt.Errorf("reading the temporary file: %w", err)
	}
	if err := l.store.Put(ctx, m.Path, f, m.Bytes, m.RetainUntil); err != nil {
		return fmt.Errorf("storing %s: %w", m.Path, err)
	}
	return nil
}

// readBack checks that the store gives back what was checked and stored, to the byte.
func (l *Log) readBack(ctx context.Context, m *Manifest) error {
	b, err := l.store.Open(ctx, m.Path)
	if err != nil {
		return fmt.Errorf("opening %s: %w", m.Path, err)
	}
	defer b.Close()
	stream, err := streamOf(b)
	if err != nil {
		return fmt.Errorf("reading %s: %w", m.Path, err)
	}
	defer stream.Close()
	sum := sha256.New()
	if _, err := io.CopyBuffer(sum, readerWithContext{ctx, io.LimitReader(stream, m.Bytes+1)},
		make([]byte, 256<<10)); err != nil {
		return fmt.Errorf("reading %s: %w", m.Path, err)
	}
	if got := HexHash(sum.Sum(nil)); got != m.SHA256 {
		return fmt.Errorf("%w: %s came back with SHA-256 %s, stored was %s", ErrDamaged, m.Path, got, m.SHA256)
	}
	return nil
}

// adopt finishes the leftover part, whose rows were found to be the caller's.
func (l *Log) adopt(ctx context.Context, month string, retain time.Time, old *leftoverPart) (Manifest, error) {
	facts, number := old.facts, l.tree.size+1
	m := Manifest{Version: ManifestVersion, Region: l.region, Month: month, Part: number,
		Previous: HexHash(l.previous()),
		Path:     parquetPath(l.region, month, number), Bytes: old.bytes, SHA256: HexHash(old.sum), Rows: facts.rows,
		MerkleRoot: HexHash(facts.tree.root()), MinSealedAt: facts.minSealed, MaxSealedAt: facts.maxSealed,
		MinRecordedAt: facts.minRecorded, MaxRecordedAt: facts.maxRecorded,
		RetainUntil: retain.UTC().Truncate(time.Second),
		CreatedAt:   l.Now().UTC().Truncate(time.Microsecond), Tenants: facts.spans}
	if err := l.adoptManifest(ctx, &m); err != nil {
		return Manifest{}, err
	}
	err := l.finish(ctx, &m, retain)
	return m, err
}

// adoptManifest takes the two times of m from a leftover manifest, which must say the same as m in everything else.
func (l *Log) adoptManifest(ctx context.Context, m *Manifest) error {
	o := l.leftover.manifest
	if o == nil {
		return nil
	}
	data, err := readObject(ctx, l.store, o.path)
	if err != nil {
		return err
	}
	found, err := ParseManifest(data)
	if err != nil || o.path != m.ManifestPath() {
		return fmt.Errorf("%w: %s: %w", ErrBlocked, o.path, firstError(err, errors.New("another month")))
	}
	m.RetainUntil, m.CreatedAt = found.RetainUntil, found.CreatedAt
	if want, err := m.Marshal(); err != nil || !bytes.Equal(want, data) {
		return fmt.Errorf("%w: %s describes other rows", ErrBlocked, o.path)
	}
	return nil
}

// void spends the leftover part's number.
func (l *Log) void(ctx context.Context, month string, retain time.Time) error {
	if o := l.leftover.manifest; o != nil {
		month = o.month
	}
	m := l.bare(month, retain)
	m.Void, m.VoidPath = true, l.leftover.parquet.path
	if err := l.adoptManifest(ctx, &m); err != nil {
		return err
	}
	return l.finish(ctx, &m, retain)
}

func (l *Log) appendEmpty(ctx context.Context, month string, retain time.Time) (Manifest, error) {
	if l.leftover.parquet != nil {
		if err := l.void(ctx, month, retain); err != nil {
			return Manifest{}, err
		}
	}
	m := l.bare(month, retain)
	m.Empty = true
	if err := l.adoptManifest(ctx, &m); err != nil {
		return Manifest{}, err
	}
	err := l.finish(ctx, &m, retain)
	return m, err
}

// bare returns a manifest of a number that has no file.
func (l *Log) bare(month string, retain time.Time) Manifest {
	return Manifest{Version: ManifestVersion, Region: l.region, Month: month, Part: l.tree.size + 1,
		Previous:   HexHash(l.previous()),
		MerkleRoot: emptyRoot, RetainUntil: retain.UTC().Truncate(time.Second),
		CreatedAt: l.Now().UTC().Truncate(time.Microsecond)}
}

// finish stores the manifest, reads it back, and signs it into the log.
func (l *Log) finish(ctx context.Context, m *Manifest, retain time.Time) error {
	if err := firstError(m.validate(), l.follow(m)); err != nil {
		return err
	}
	data, err := m.Marshal()
	if err != nil {
		return err
	}
	if err := putObject(ctx, l.store, m.ManifestPath(), data, retain); err != nil {
		return err
	}
	back, err := readObject(ctx, l.store, m.ManifestPath())
	if errors.Is(err, fs.ErrNotExist) || err == nil && !bytes.Equal(back, data) {
		return fmt.Errorf("%w: %s did not come back as it was stored", ErrDamaged, m.ManifestPath())
	}
	if err != nil {
		return err
	}
	if err := l.takeOver(ctx); err != nil {
		return err
	}
	leaf := manifestLeaf(data)
	next := l.tree.clone()
	next.addLeaf(leaf)
	head, err := signCheckpoint(l.origin, next.size, next.root(), l.signer)
	if err != nil {
		return err
	}
	if err := putObject(ctx, l.store, checkpointPath(l.region, head.Size), []byte(head.Checkpoint),
		retain); err != nil {
		return err
	}
	l.advance(m, leaf)
	l.head, l.leftover = head, leftover{}
	return nil
}
