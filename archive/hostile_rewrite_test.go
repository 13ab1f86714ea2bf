package archive

import (
	"bytes"
	"cmp"
	"iter"
	"slices"
)

// rewrite makes the archive anew with other rows, and with every hash that takes no key: of the rows, the files and the
// manifests of all parts from the changed one on. The signed notes stay as they are.
func (g *attacker) rewrite(change func(part int64, rows []Row) []Row) hostile {
	h := hostile{}
	tail := map[string]Position{}
	var previous Hash
	for i := range g.manifests {
		m := g.manifests[i]
		m.Previous = HexHash(previous)
		if m.Path != "" {
			info := PartInfo{Region: m.Region, Month: m.Month, Part: m.Part, Previous: previous,
				RetainUntil: m.RetainUntil, CreatedAt: m.CreatedAt,
				Prev: func(t string) (Position, bool) { p, ok := tail[t]; return p, ok }}
			rows := change(m.Part, g.rowsOf(&m))
			slices.SortStableFunc(rows, func(a, b Row) int { return cmp.Compare(a.TenantID, b.TenantID) })
			next := map[string]Position{}
			for j := range rows {
				r := &rows[j]
				pos, ok := next[r.TenantID]
				if !ok {
					pos = info.prev(r.TenantID)
				}
				r.Seq = pos.Seq + 1
				r.Hash = RowHash(pos.Hash, r)
				next[r.TenantID] = Position{r.Seq, r.Hash}
			}
			var file bytes.Buffer
			w := must(NewPartWriter(&file, info))(g.t)
			if err := w.Write(rows); err != nil {
				g.t.Fatal(err)
			}
			m = must(w.Close())(g.t)
			h[m.Path] = file.Bytes()
			for t, p := range next {
				tail[t] = p
			}
		}
		data := must(m.Marshal())(g.t)
		h[m.ManifestPath()], previous = data, manifestLeaf(data)
	}
	return g.store.with(h)
}

// sign signs the log of a rewritten archive.
func (g *attacker) sign(h hostile, signer func(size int64) *Signer) hostile {
	h = h.with(nil)
	var t tree
	for i := range g.manifests {
		t.addLeaf(manifestLeaf(h[g.manifests[i].ManifestPath()]))
		head := must(signCheckpoint(goldenOrigin, t.size, t.root(), signer(t.size)))(g.t)
		h[checkpointPath("eu", t.size)] = []byte(head.Checkpoint)
	}
	return h
}

// rewrites exchanges any two tenants of a part, removes a row and changes one, each with more of the rest made to fit.
func (g *attacker) rewrites() iter.Seq[attack] {
	return func(yield func(attack) bool) {
		same := g.rewrite(func(_ int64, rows []Row) []Row { return rows })
		for p, data := range g.store {
			if !bytes.Equal(same[p], data) {
				g.t.Fatalf("the same rows make another %s", p)
			}
		}
		for i := range g.manifests {
			m := &g.manifests[i]
			for name, change := range g.changes(m) {
				h := g.rewrite(func(part int64, rows []Row) []Row {
					if part == m.Part {
						return change(rows)
					}
					return rows
				})
				if !g.levels(m, name, h, yield) {
					return
				}
			}
		}
	}
}

// changes are the lies about a part's rows.
func (g *attacker) changes(m *Manifest) iter.Seq2[string, func([]Row) []Row] {
	return func(yield func(string, func([]Row) []Row) bool) {
		for j := range m.Tenants {
			for k := range j {
				a, b := m.Tenants[j].TenantID, m.Tenants[k].TenantID
				if !yield("tenants exchanged", func(rows []Row) []Row {
					for i := range rows {
						switch rows[i].TenantID {
						case a:
							rows[i].TenantID = b
						case b:
							rows[i].TenantID = a
						}
					}
					return rows
				}) {
					return
				}
			}
		}
		if m.Rows > 1 {
			_ = yield("a row removed", without(int(m.Rows/2))) &&
				yield("a row changed",
					func(rows []Row) []Row { rows[0].Outcome, rows[0].Action = "denied", "refuse"; return rows })
		}
	}
}

// levels shows a rewritten archive with the file alone replaced, with its manifest, with everything that follows, and
// with the log signed anew by whoever.
func (g *attacker) levels(m *Manifest, name string, h hostile, yield func(attack) bool) bool {
	file := hostile{m.Path: h[m.Path]}
	both := hostile{m.Path: h[m.Path], m.ManifestPath(): h[m.ManifestPath()]}
	stolen := func(size int64) *Signer {
		if size < 7 {
			return g.first
		}
		return g.next
	}
	for _, a := range []attack{
		{kind: ", the file", store: g.store.with(file), name: m.Path},
		{kind: ", the file, diagnosed", store: g.store.with(file), name: m.Path, options: diagnose},
		{kind: ", file and manifest", store: g.store.with(both), name: m.Path},
		{kind: ", all that needs no key", store: h, name: m.Path},
		{kind: ", signed by a stranger", store: g.sign(h, func(int64) *Signer { return g.stranger })},
		{kind: ", signed by the old key", store: g.sign(h, func(int64) *Signer { return g.first })},
		{kind: ", signed with stolen keys", store: g.sign(h, stolen)},
		{kind: ", signed with stolen keys, no known head", store: g.sign(h, stolen)},
	} {
		if a.known = g.head; a.kind == ", signed with stolen keys, no known head" {
			if a.known = nil; name == "a row removed" {
				continue // valid, to somebody who knows no head: ARCHIVE_FORMAT.md, section 10
			}
		}
		if a.kind = name + a.kind; !yield(a) {
			return false
		}
	}
	return true
}
