package archive

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"time"
)

// ErrBlocked says that an object stands where the log has to go on, that this log did not write it, and that a
// write-once store cannot be rid of it. A person has to look at it.
var ErrBlocked = errors.New("an object that this log did not write is in the way")

// ErrDamaged says that the store does not hold what the log's newest checkpoint covers. Nothing may be signed on top.
var ErrDamaged = errors.New("the archive is damaged")

// Log is the writing side of one region's archive. One process at a time appends; a second one fails, and harms
// nothing. It is not safe for concurrent use.
//
// An append stores the Parquet file, reads it back and checks every row, stores the manifest, and then signs the
// checkpoint; what no checkpoint covers is not part of the archive. After an error the Log refuses further appends:
// open it again, and repeat the append with the same month. See [Log.Append] for what becomes of the unfinished part.
type Log struct {
	// Now is the clock for created_at.
	Now func() time.Time

	store  Store
	region string
	origin string
	signer *Signer

	keys     *ring
	from     *Signer // whom signer takes over from at the next append; nil: it has signed before
	head     Head
	tree     tree
	leaves   []Hash
	month    string
	tail     map[string]TenantSpan
	leftover leftover
	broken   error

	heads      []object // the notes of chain heads, in the order of time
	recoveries []*Recovery
}

// leftover is what an interrupted run stored beyond the head.
type leftover struct {
	parquet, manifest *object
}

// OpenLog opens the log of a region, whose origin is ward/<installation>/<region>. It checks the newest checkpoint and
// every manifest that it covers, so that a damaged log is never extended: the error then is ErrDamaged. A log without a
// checkpoint is new. Whether the store was rolled back as a whole only the caller can know: see [Log.CheckExtends].
//
// A signer other than the one of the newest checkpoint takes over with the next append where that one is among
// previous: a note that both sign says from which size on. Without it the error is ErrReplaced, as it is for a signer
// that another one has followed.
func OpenLog(ctx context.Context, store Store, region, origin string, signer *Signer,
	previous ...*Signer) (*Log, error) {
	if r, err := OriginRegion(origin); err != nil || r != region {
		return nil, fmt.Errorf("opening log of region %s: %w", region,
			firstError(err, fmt.Errorf("origin %s is of region %s", origin, r)))
	}
	l := &Log{Now: time.Now, store: store, region: region, origin: origin, signer: signer,
		keys: newRing([]Key{signer.Key()}), tail: map[string]TenantSpan{}}
	regions, _, err := listRegions(ctx, store, regionPrefix(region))
	if err == nil && len(regions) > 0 {
		l.heads = regions[0].heads
		err = l.load(ctx, regions[0], previous)
	}
	if err != nil {
		return nil, fmt.Errorf("opening log %s: %w", origin, err)
	}
	return l, nil
}

func (l *Log) load(ctx context.Context, objects *regionObjects, previous []*Signer) error {
	if err := l.loadKeys(ctx, objects, previous); err != nil {
		return err
	}
	if n := len(objects.checkpoints); n > 0 {
		o := objects.checkpoints[n-1]
		data, err := readObject(ctx, l.store, o.path)
		if err != nil {
			return err
		}
		if l.head, err = l.keys.checkpoint(data); errors.Is(err, errUntrustedKey) {
			return fmt.Errorf("%w, or %w: %s: %w", ErrDamaged, ErrReplaced, o.path, err)
		} else if err != nil {
			return fmt.Errorf("%w: %s: %w", ErrDamaged, o.path, err)
		}
		if l.head.Origin != l.origin || l.head.Size != o.number {
			return fmt.Errorf("%w: %s is signed for %s, size %d", ErrDamaged, o.path, l.head.Origin, l.head.Size)
		}
		if err := l.loadManifests(ctx, objects); err != nil {
			return err
		}
		if err := l.mayGoOn(l.keys, previous); err != nil {
			return err
		}
	}
	return l.findLeftover(objects)
}

// loadKeys learns which keys the log has had.
func (l *Log) loadKeys(ctx context.Context, objects *regionObjects, previous []*Signer) error {
	for _, p := range previous {
		if l.keys.find(p.Key()) == nil {
			l.keys.keys = append(l.keys.keys, newRing([]Key{p.Key()}).keys...)
		}
	}
	var failed error
	err := l.keys.follow(ctx, l.store, objects, func(o object, err error) {
		if !errors.Is(err, errUntrustedKey) { // whether it matters, the newest checkpoint shows
			failed = fmt.Errorf("%w: %s: %w", ErrDamaged, o.path, err)
		}
	})
	return firstError(err, failed)
}

// loadManifests checks the manifests against the head and learns where every tenant's chain stands.
func (l *Log) loadManifests(ctx context.Context, objects *regionObjects) error {
	entries, err := loadEntries(ctx, l.store, objects, l.head.Size)
	if err != nil {
		return err
	}
	for i := range entries {
		for _, c := range entries[i].candidates {
			if c.err != nil {
				return c.err
			}
		}
	}
	if resolve(entries, map[int64]Hash{l.head.Size: l.head.root}) != l.head.Size {
		return fmt.Errorf("%w: the manifests are not those that checkpoint %d covers", ErrDamaged, l.head.Size)
	}
	for i := range entries {
		e := &entries[i]
		if e.manifest == nil || e.err != nil {
			return fmt.Errorf("%w: manifest %d: %w", ErrDamaged, e.number, firstError(e.err, errors.New("missing")))
		}
		if err := l.follow(e.manifest); err != nil {
			return fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		l.advance(e.manifest, e.leaf)
	}
	return nil
}

// follow checks that m continues the log.
func (l *Log) follow(m *Manifest) error {
	if m.Month < l.month {
		return fmt.Errorf("part %d is of %s, after one of %s", m.Part, m.Month, l.month)
	}
	if Hash(m.Previous) != l.previous() {
		return fmt.Errorf("manifest %d does not follow manifest %d", m.Part, m.Part-1)
	}
	for _, s := range m.Tenants {
		if pos := l.position(s.TenantID); s.FirstSeq != pos.Seq+1 || Hash(s.PrevHash) != pos.Hash {
			return fmt.Errorf("part %d: tenant %s goes on at row %d, after row %d", m.Part, s.TenantID,
				s.FirstSeq, pos.Seq)
		}
	}
	if m.Recovery != nil {
		for _, t := range m.Recovery.Tenants {
			if pos := l.position(t.TenantID); t.ArchivedSeq != pos.Seq || Hash(t.ArchivedHash) != pos.Hash {
				return fmt.Errorf("manifest %d recovers tenant %s after row %d, which ends at row %d", m.Part,
					t.TenantID, t.ArchivedSeq, pos.Seq)
			}
		}
	}
	return nil
}

// advance takes m in as the log's last manifest.
func (l *Log) advance(m *Manifest, leaf Hash) {
	l.tree.addLeaf(leaf)
	l.leaves = append(l.leaves, leaf)
	l.month = m.Month
	if m.Recovery != nil {
		l.recoveries = append(l.recoveries, m.Recovery)
	}
	for _, s := range m.Tenants {
		if old, ok := l.tail[s.TenantID]; ok {
			s.Rows, s.FirstSeq, s.PrevHash = s.Rows+old.Rows, old.FirstSeq, old.PrevHash
		}
		l.tail[s.TenantID] = s
	}
}

func (l *Log) previous() Hash {
	if len(l.leaves) == 0 {
		return Hash{}
	}
	return l.leaves[len(l.leaves)-1]
}

func (l *Log) position(tenant string) Position {
	if s, ok := l.tail[tenant]; ok {
		return Position{s.LastSeq, Hash(s.LastHash)}
	}
	return Position{0, Genesis(tenant)}
}

func (l *Log) prev(tenant string) (Position, bool) { return l.position(tenant), true }

func (l *Log) findLeftover(objects *regionObjects) error {
	next := l.tree.size + 1
	for _, side := range []struct {
		objects map[int64][]object
		out     **object
	}{{objects.parquet, &l.leftover.parquet}, {objects.manifests, &l.leftover.manifest}} {
		for n, list := range side.objects {
			if n > next || n == next && len(list) > 1 {
				return fmt.Errorf("%w: %s, while the log ends at part %d", ErrBlocked, list[len(list)-1].path, next-1)
			}
			if n == next {
				*side.out = &list[0]
			}
		}
	}
	return nil
}

// Head returns the log's head; its Size is 0 for a new log. Whoever appends should keep the checkpoint somewhere else.
func (l *Log) Head() Head { return l.head }

// Month returns the month of the last part, or "" for a new log. Nothing of an earlier month can be appended.
func (l *Log) Month() string { return l.month }

// Tail returns, for every tenant, all of its chain that was shipped: LastSeq and LastHash are where shipping goes on.
func (l *Log) Tail() map[string]TenantSpan { return maps.Clone(l.tail) }

// CheckExtends checks that the log contains the head that a checkpoint states which one of the log's keys signed. A
// store that was rolled back or exchanged fails here, before anything is signed on top of it.
func (l *Log) CheckExtends(checkpoint []byte) error {
	h, err := l.keys.checkpoint(checkpoint)
	if err != nil {
		return err
	}
	var t tree
	if h.Origin == l.origin && h.Size <= l.tree.size {
		for _, leaf := range l.leaves[:h.Size] {
			t.addLeaf(leaf)
		}
	}
	if t.size != h.Size || t.root() != h.root {
		return fmt.Errorf("%w: log %s, size %d, does not extend %s, size %d", ErrDamaged, l.origin, l.tree.size,
			h.Origin, h.Size)
	}
	return nil
}

// PublishHeads is [PublishHeads] for this log, with DefaultRetention.
func (l *Log) PublishHeads(ctx context.Context, heads []ChainHead, now time.Time) error {
	return PublishHeads(ctx, l.store, l.origin, l.signer, heads, now, now.Add(DefaultRetention))
}

// Append ships rows as the next part and returns its manifest. The rows must be all of one month, in the order of
// tenant and seq, and continue Tail; what a yielded Row points to must not be reused. No rows is ErrNoRows, and changes
// nothing.
//
// A part that an interrupted run left behind has the next number. It is finished where every row in it is, to the hash,
// one of rows: Append then returns that part's manifest, and rows beyond it are for the next call, so callers repeat
// until Tail is where they want it. Otherwise that number is spent: a void manifest says so in the log, and rows become
// the part after it. The file's own word is never enough, since row hashes are unkeyed and anybody who can write to the
// store could have made it. A leftover manifest that is not about the same rows cannot be replaced: ErrBlocked.
func (l *Log) Append(ctx context.Context, month string, rows iter.Seq2[*Row, error],
	retain time.Time) (Manifest, error) {
	return l.guardAppend(month, func() (Manifest, error) { return l.appendRows(ctx, month, rows, retain) })
}

// AppendEmpty records that no row was sealed in month.
func (l *Log) AppendEmpty(ctx context.Context, month string, retain time.Time) (Manifest, error) {
	return l.guardAppend(month, func() (Manifest, error) { return l.appendEmpty(ctx, month, retain) })
}

func (l *Log) guardAppend(month string, f func() (Manifest, error)) (Manifest, error) {
	if l.broken != nil {
		return Manifest{}, fmt.Errorf("appending to log %s: an earlier append failed, open it again: %w",
			l.origin, l.broken)
	}
	err := validateMonth(month)
	if err == nil && month < l.month {
		err = fmt.Errorf("month %s is before %s, the last one", month, l.month)
	}
	if err != nil {
		return Manifest{}, fmt.Errorf("appending to log %s: %w", l.origin, err)
	}
	m, err := f()
	if err != nil {
		if !errors.Is(err, ErrNoRows) {
			l.broken = err
		}
		return Manifest{}, fmt.Errorf("appending to log %s: %w", l.origin, err)
	}
	return m, nil
}
