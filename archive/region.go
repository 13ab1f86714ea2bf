package archive

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"golang.org/x/sync/errgroup"
)

// readers is how many small objects are read at once.
const readers = 16

// regionObjects is a region's listing, by kind.
type regionObjects struct {
	region      string
	parquet     map[int64][]object
	manifests   map[int64][]object
	checkpoints []object // in the order of size
	heads       []object // in the order of time
	keys        []object // in the order of size
	unknown     []object
	hidden      []object // of any kind
}

func newRegionObjects(region string) *regionObjects {
	return &regionObjects{region: region, parquet: map[int64][]object{}, manifests: map[int64][]object{}}
}

func (r *regionObjects) add(o object) {
	if o.hidden != "" {
		r.hidden = append(r.hidden, o)
	}
	switch o.kind {
	case objectParquet:
		r.parquet[o.number] = append(r.parquet[o.number], o)
	case objectManifest:
		r.manifests[o.number] = append(r.manifests[o.number], o)
	case objectCheckpoint:
		r.checkpoints = append(r.checkpoints, o)
	case objectHeads:
		r.heads = append(r.heads, o)
	case objectKeys:
		r.keys = append(r.keys, o)
	default:
		r.unknown = append(r.unknown, o)
	}
}

// listRegions lists the store and returns the regions in it, in the order of their names. Objects that belong to no
// region come back apart.
func listRegions(ctx context.Context, s Store, prefix string) ([]*regionObjects, []object, error) {
	list, err := s.List(ctx, prefix)
	if err != nil {
		return nil, nil, fmt.Errorf("listing %s: %w", s, err)
	}
	byName := map[string]*regionObjects{}
	var regions []*regionObjects
	var stray []object
	for _, entry := range list {
		o := parsePath(entry.Path, entry.Size)
		o.hidden = entry.Hidden
		if validateRegion(o.region) != nil {
			stray = append(stray, o)
			continue
		}
		r := byName[o.region]
		if r == nil {
			r = newRegionObjects(o.region)
			byName[o.region], regions = r, append(regions, r)
		}
		r.add(o)
	}
	byNumber := func(a, b object) int { return cmp.Compare(a.number, b.number) }
	for _, r := range regions {
		slices.SortFunc(r.checkpoints, byNumber)
		slices.SortFunc(r.heads, byNumber)
		slices.SortFunc(r.keys, byNumber)
	}
	slices.SortFunc(regions, func(a, b *regionObjects) int { return cmp.Compare(a.region, b.region) })
	return regions, stray, nil
}

// readAll reads objects, some at a time, and calls f with each, in order and from one goroutine. An object that cannot
// be read comes with its error.
func readAll(ctx context.Context, s Store, list []object, f func(o object, data []byte, err error)) error {
	const window = 256
	for len(list) > 0 {
		batch := list[:min(window, len(list))]
		list = list[len(batch):]
		data, errs := make([][]byte, len(batch)), make([]error, len(batch))
		var g errgroup.Group
		g.SetLimit(readers)
		for i, o := range batch {
			g.Go(func() error {
				data[i], errs[i] = readObject(ctx, s, o.path)
				return nil
			})
		}
		_ = g.Wait() // every read keeps its own error
		if err := ctx.Err(); err != nil {
			return err
		}
		for i, o := range batch {
			f(o, data[i], errs[i])
		}
	}
	return nil
}

// entry is one leaf of a region's log.
type entry struct {
	number int64
	// leaf is the leaf's hash; it is authentic where the log's signature was found to cover it.
	leaf      Hash
	authentic bool
	// candidates are the objects that stand where the manifest should.
	candidates []candidate
	// manifest is the authentic one, where it is among the candidates and can be parsed.
	manifest *Manifest
	err      error // why it cannot be parsed
}

// candidate is an object that stands in the place of a manifest.
type candidate struct {
	object object
	leaf   Hash
	parsed *Manifest
	err    error // of reading it
	perr   error // of parsing it
}

// loadEntries reads the manifests 1 to n.
func loadEntries(ctx context.Context, s Store, r *regionObjects, n int64) ([]entry, error) {
	entries := make([]entry, n)
	var list []object
	for i := range entries {
		entries[i].number = int64(i) + 1
		list = append(list, r.manifests[int64(i)+1]...)
	}
	err := readAll(ctx, s, list, func(o object, data []byte, err error) {
		c := candidate{object: o, err: err}
		if err == nil {
			c.leaf = manifestLeaf(data)
			m, perr := ParseManifest(data)
			if c.perr = perr; perr == nil {
				c.parsed = &m
			}
		} else if errors.Is(err, fs.ErrNotExist) {
			return // gone since it was listed
		}
		e := &entries[o.number-1]
		e.candidates = append(e.candidates, c)
	})
	return entries, err
}

// resolve finds out, for every entry, which leaf the signed roots cover, although manifests may have been changed,
// removed or exchanged: what a manifest's leaf must have been is also stated by the manifest after it, and every size
// of the log was signed. It returns how many entries, from the first, are authentic.
func resolve(entries []entry, roots map[int64]Hash) int64 {
	r := resolver{entries: entries, roots: roots, budget: 1 << 20}
	n := r.run()
	for i := range entries {
		e := &entries[i]
		if e.authentic = int64(i) < n; !e.authentic {
			continue
		}
		for _, c := range e.candidates {
			if c.err != nil || c.leaf != e.leaf || e.manifest != nil && e.err == nil {
				continue
			}
			if e.manifest, e.err = c.parsed, c.perr; e.manifest != nil {
				e.err = e.place(c.object)
			}
		}
	}
	return n
}

// place checks that a signed manifest is about the place it stands in.
func (e *entry) place(o object) error {
	if m := e.manifest; m.Part != e.number || m.Region != o.region || m.Month != o.month {
		return fmt.Errorf("%w: it describes %s", errMalformed, m.ManifestPath())
	}
	return nil
}

type resolver struct {
	entries []entry
	roots   map[int64]Hash
	pool    []Hash
	budget  int // how many guesses are left
}

func (r *resolver) run() int64 {
	if r.allAsFound() {
		return int64(len(r.entries))
	}
	for _, e := range r.entries {
		for _, c := range e.candidates {
			r.pool = append(r.pool, c.leaf)
			if c.parsed != nil {
				r.pool = append(r.pool, Hash(c.parsed.Previous))
			}
		}
	}
	var t tree
	proven := int64(0)
	for i := range r.entries {
		e := &r.entries[i]
		want, signed := r.roots[e.number]
		guesses := r.guesses(i, signed)
		if !signed {
			// Which guess is right shows at the next size whose root is signed.
			if len(guesses) == 0 {
				return proven
			}
			e.leaf = guesses[0]
			t.addLeaf(e.leaf)
			continue
		}
		if !r.match(&t, e, want, guesses) {
			return proven
		}
		proven = e.number
	}
	return proven
}

// allAsFound tries what stands in the store as it is.
func (r *resolver) allAsFound() bool {
	var t tree
	for i := range r.entries {
		e := &r.entries[i]
		if len(e.candidates) != 1 || e.candidates[0].err != nil {
			return false
		}
		e.leaf = e.candidates[0].leaf
		t.addLeaf(e.leaf)
	}
	want, ok := r.roots[t.size]
	return ok && t.root() == want
}

// guesses returns what entry i's leaf may be, the likeliest first; the whole pool only where a root can tell.
func (r *resolver) guesses(i int, all bool) []Hash {
	var list []Hash
	for _, c := range r.entries[i].candidates {
		if c.err == nil {
			list = append(list, c.leaf)
		}
	}
	if i+1 < len(r.entries) {
		for _, c := range r.entries[i+1].candidates {
			if c.parsed != nil {
				list = append(list, Hash(c.parsed.Previous))
			}
		}
	}
	if all {
		list = append(list, r.pool...)
	}
	return list
}

func (r *resolver) match(t *tree, e *entry, want Hash, guesses []Hash) bool {
	for _, leaf := range guesses {
		if r.budget--; r.budget < 0 {
			return false
		}
		next := t.clone()
		next.addLeaf(leaf)
		if next.root() == want {
			*t, e.leaf = next, leaf
			return true
		}
	}
	return false
}
