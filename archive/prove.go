package archive

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"slices"
)

// ErrNoRow says that the archive has no such row: it is not sealed or not shipped yet, or never was.
var ErrNoRow = errors.New("no such row in the archive")

// RowQuery names one row: by tenant and seq, which leads to its part at once, or, with Seq 0, by event id, for which
// parts are searched, newest first.
type RowQuery struct {
	Region  string // empty: every region
	Tenant  string // empty, with an event id: whichever
	Seq     int64
	EventID int64
}

// Prove makes a proof of one row. It trusts the store no further than a verifier does: the checkpoint must be signed by
// one of keys, the manifests must be those that it covers, and the part's file must be the one that was signed; else
// the error is ErrDamaged. progress (nil: nobody) is told how many of how many parts have been searched.
func Prove(ctx context.Context, store Store, q RowQuery, progress func(done, all int), keys ...Key) (*Proof, error) {
	prefix := layout + "/"
	if q.Region != "" {
		prefix = regionPrefix(q.Region)
	}
	regions, _, err := listRegions(ctx, store, prefix)
	if err != nil {
		return nil, err
	}
	for _, r := range regions {
		if len(r.checkpoints) == 0 {
			continue
		}
		p := prover{store: store, query: q, progress: progress}
		if err := p.load(ctx, r, keys); err != nil {
			return nil, fmt.Errorf("proving a row of region %s: %w", r.region, err)
		}
		proof, err := p.prove(ctx)
		if err != nil && !errors.Is(err, ErrNoRow) {
			return nil, fmt.Errorf("proving a row of region %s: %w", r.region, err)
		}
		if proof != nil {
			return proof, nil
		}
	}
	return nil, ErrNoRow
}

type prover struct {
	store    Store
	query    RowQuery
	progress func(done, all int)

	head    Head
	notes   []string
	entries []entry
}

// load reads the newest checkpoint and the manifests that it covers.
func (p *prover) load(ctx context.Context, r *regionObjects, keys []Key) error {
	head, known, err := newestHead(ctx, p.store, r, keys...)
	if err != nil {
		return err
	}
	p.head, p.notes = head, known.notes
	if p.entries, err = loadEntries(ctx, p.store, r, p.head.Size); err != nil {
		return err
	}
	if resolve(p.entries, map[int64]Hash{p.head.Size: p.head.root}) != p.head.Size {
		return fmt.Errorf("%w: the manifests are not those that checkpoint %d covers", ErrDamaged, p.head.Size)
	}
	return nil
}

// prove finds the part and proves the row in it. A part that cannot be read is passed over only where another one may
// have the row; if none has, its error is the answer.
func (p *prover) prove(ctx context.Context) (*Proof, error) {
	var parts []*Manifest
	var failed error
	for i := range slices.Backward(p.entries) {
		m := p.entries[i].manifest
		switch {
		case m == nil:
			failed = fmt.Errorf("%w: manifest %d: %w", ErrDamaged, p.entries[i].number,
				firstError(p.entries[i].err, fs.ErrNotExist))
		case m.Path == "":
		case p.query.in(m):
			parts = append(parts, m)
		}
	}
	for i, m := range parts {
		proof, err := p.inPart(ctx, m)
		if p.progress != nil {
			p.progress(i+1, len(parts))
		}
		if proof != nil || ctx.Err() != nil {
			return proof, err
		}
		failed = cmp.Or(failed, err)
	}
	return nil, cmp.Or(failed, ErrNoRow)
}

// in reports whether the part may have the row.
func (q *RowQuery) in(m *Manifest) bool {
	if q.Seq != 0 {
		_, ok := m.index(q.Tenant, q.Seq)
		return ok
	}
	_, ok := m.span(q.Tenant)
	return ok || q.Tenant == ""
}

// inPart proves the row in a part; nil: it is not there.
func (p *prover) inPart(ctx context.Context, m *Manifest) (*Proof, error) {
	sp, err := spool(ctx, p.store, m.Path, m.Bytes, nil)
	if err != nil {
		return nil, err
	}
	defer sp.Close()
	if HexHash(sp.sum) != m.SHA256 {
		return nil, fmt.Errorf("%w: %s is not the file that was signed", ErrDamaged, m.Path)
	}
	file, err := openPart(sp, sp.size)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", m.Path, err)
	}
	index, ok := m.index(p.query.Tenant, p.query.Seq)
	if p.query.Seq == 0 {
		if index, ok, err = findEvent(ctx, file, &p.query); err != nil {
			return nil, fmt.Errorf("reading %s: %w", m.Path, err)
		}
	}
	if !ok {
		return nil, nil
	}
	return p.at(ctx, file, m, index)
}

// findEvent returns the place of an event, reading only the row groups whose statistics allow for it.
func findEvent(ctx context.Context, file *partFile, q *RowQuery) (index int64, found bool, err error) {
	id := q.EventID
	at := int64(0)
	for i, g := range file.groups() {
		stats := file.Metadata().RowGroups[i].Columns[eventColumn].MetaData.Statistics
		if len(stats.MinValue) == 8 && len(stats.MaxValue) == 8 &&
			(id < int64(binary.LittleEndian.Uint64(stats.MinValue)) ||
				id > int64(binary.LittleEndian.Uint64(stats.MaxValue))) {
			at += g.NumRows()
			continue
		}
		err := scanGroup(ctx, g, func(r *Row) error {
			if r.EventID == id && (q.Tenant == "" || r.TenantID == q.Tenant) {
				index, found = at, true
			}
			at++
			return nil
		})
		if err != nil || found {
			return index, found, err
		}
	}
	return 0, false, nil
}

// at makes the proof of the row at a place of a part, in one pass over the part.
func (p *prover) at(ctx context.Context, file *partFile, m *Manifest, index int64) (*Proof, error) {
	path := newPathTo(index/blockRows, blocksOf(m.Rows))
	proof := &Proof{Version: ProofVersion, Index: index, Beside: []HexHash{}, Checkpoint: p.head.Checkpoint,
		Keys: append([]string{}, p.notes...)}
	var prev Position
	var tenant string
	n, block := int64(0), make([]Hash, 0, blockRows)
	for _, g := range file.groups() {
		err := scanGroup(ctx, g, func(r *Row) error {
			if r.TenantID != tenant {
				s, _ := m.span(r.TenantID)
				tenant, prev = s.TenantID, Position{s.FirstSeq - 1, Hash(s.PrevHash)}
			}
			if n == index {
				row := r.Clone()
				proof.Row, proof.PrevHash = proofRow(&row), HexHash(prev.Hash)
			} else if n/blockRows == index/blockRows {
				proof.Beside = append(proof.Beside, HexHash(r.Hash))
			}
			prev = Position{r.Seq, r.Hash}
			if block, n = append(block, r.Hash), n+1; len(block) == blockRows || n == m.Rows {
				path.add((n-1)/blockRows, leafHash(block))
				block = block[:0]
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", m.Path, err)
		}
	}
	proof.Path = path.hashes()
	logPath := newPathTo(m.Part-1, p.head.Size)
	for i := range p.entries {
		logPath.add(int64(i), p.entries[i].leaf)
	}
	proof.LogPath = logPath.hashes()
	e := &p.entries[m.Part-1]
	data, err := e.manifest.Marshal()
	if err != nil {
		return nil, err
	}
	proof.Manifest = string(data)
	return proof, nil
}

// pathTo collects the audit path to one leaf while all leaves pass by: of each subtree beside the path it keeps the
// right edge only, so that it needs no more memory for a large part than for a small one.
type pathTo struct {
	index  int64
	beside []besides // leaf first
}

// besides is a subtree beside the path: leaves from lo to hi.
type besides struct {
	lo, hi int64
	tree   tree
}

func newPathTo(index, size int64) *pathTo {
	p := &pathTo{index: index}
	lo, hi := int64(0), size
	for hi-lo > 1 {
		k := int64(1)
		for k*2 < hi-lo {
			k *= 2
		}
		if index < lo+k {
			p.beside = append(p.beside, besides{lo: lo + k, hi: hi})
			hi = lo + k
		} else {
			p.beside = append(p.beside, besides{lo: lo, hi: lo + k})
			lo += k
		}
	}
	slices.Reverse(p.beside)
	return p
}

func (p *pathTo) add(i int64, leaf Hash) {
	if i == p.index {
		return
	}
	for j := range slices.Backward(p.beside) { // the largest first: most leaves are there
		if b := &p.beside[j]; i >= b.lo && i < b.hi {
			b.tree.addLeaf(leaf)
			return
		}
	}
}

func (p *pathTo) hashes() []HexHash {
	list := make([]HexHash, len(p.beside))
	for i := range p.beside {
		list[i] = HexHash(p.beside[i].tree.root())
	}
	return list
}
