package archive

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"
	"golang.org/x/mod/sumdb/note"
)

// attacker has the golden archive in his hands, and for some attacks a key.
type attacker struct {
	t           testing.TB
	store       hostile
	first, next *Signer // the log's keys; next signs from size 7 on
	stranger    *Signer
	manifests   []Manifest // of part 1 and on
	head        []byte
}

const goldenOrigin = "ward/golden/eu"

func newAttacker(t testing.TB) *attacker {
	t.Helper()
	g := &attacker{t: t, store: loadGolden(t)}
	// the keys of testdata/archive/make
	g.first = must(NewSigner("PRIVATE+KEY+ward/golden/eu+87902929+AaWdmMhc0ufzSQvRUicgLMHeb17/LrARRGtv+rvM10dU"))(t)
	g.next = must(NewSigner("PRIVATE+KEY+ward/golden/eu+976e0956+Aa27z3qYlUSzNnzKYQDsprpCV8BglOarTH/+0yuvCVAJ"))(t)
	skey, _, err := GenerateKey(goldenOrigin)
	if err != nil {
		t.Fatal(err)
	}
	g.stranger = must(NewSigner(skey))(t)
	paths := g.store.kinds(objectManifest)
	slices.SortFunc(paths, func(a, b string) int { return cmp.Compare(parsePath(a, 0).number, parsePath(b, 0).number) })
	for _, p := range paths {
		g.manifests = append(g.manifests, must(ParseManifest(g.store[p]))(t))
	}
	g.head = g.store[checkpointPath("eu", 8)]
	if len(g.manifests) != 8 || !g.manifests[2].Void || !g.manifests[4].Empty || g.head == nil {
		t.Fatalf("the golden archive is another: %d manifests", len(g.manifests))
	}
	return g
}

func (g *attacker) attacks() iter.Seq[attack] {
	return concat(g.flips(), g.cuts(), g.swaps(), g.renames(), g.replays(), g.removals(), g.resigned(), g.rewrites())
}

// kindOf names what an object is.
func (g *attacker) kindOf(p string) string {
	switch o := parsePath(p, 0); o.kind {
	case objectParquet:
		if o.number == 3 {
			return "void file"
		}
		return "file"
	case objectManifest:
		return "manifest"
	case objectCheckpoint:
		if o.number == int64(len(g.manifests)) {
			return "newest checkpoint"
		}
		return "checkpoint"
	case objectHeads:
		return "heads"
	case objectKeys:
		return "keys"
	}
	g.t.Fatalf("%s is no object", p)
	return ""
}

// nameOf is what a finding about an object calls it: the part, for its manifest.
func (g *attacker) nameOf(p string) string {
	o := parsePath(p, 0)
	switch o.kind {
	case objectManifest:
		m := g.manifests[o.number-1]
		return cmp.Or(m.VoidPath, m.Name())
	case objectKeys, objectCheckpoint, objectHeads:
		return p
	}
	if o.number == 3 {
		return ""
	}
	return p
}

func (g *attacker) paths() []string {
	return slices.Concat(g.store.kinds(objectParquet), g.store.kinds(objectManifest), g.store.kinds(objectCheckpoint),
		g.store.kinds(objectHeads), g.store.kinds(objectKeys))
}

func diagnose(o *VerifyOptions) { o.Diagnose = DiagnoseHere }

// flips changes a bit of every byte, of Parquet files also for an auditor who diagnoses, so that the changed file is
// parsed.
func (g *attacker) flips() iter.Seq[attack] {
	return func(yield func(attack) bool) {
		step := 1
		if !everyByte {
			step = 23
		}
		for _, p := range g.paths() {
			kind := g.kindOf(p)
			for i := 0; i < len(g.store[p]); i += step {
				bad := bytes.Clone(g.store[p])
				bad[i] ^= 1 << (i % 8)
				a := attack{kind: "flip " + kind, store: g.store.with(hostile{p: bad}), name: g.nameOf(p),
					known: g.head, options: g.only(p)}
				if !yield(a) {
					return
				}
				if a.kind += ", diagnosed"; kind == "keys" { // to an auditor who needs no note
					a.kind = "flip keys that are trusted"
					a.options = func(o *VerifyOptions) { g.only(p)(o); g.bothKeys(o) }
					if !yield(a) {
						return
					}
				}
				if kind == "file" {
					a.options = func(o *VerifyOptions) { g.only(p)(o); o.Diagnose = DiagnoseHere }
					if !yield(a) {
						return
					}
				}
			}
		}
	}
}

// only leaves out the rows of months that have nothing to do with an object; the log is checked whole.
func (g *attacker) only(p string) func(*VerifyOptions) {
	return func(o *VerifyOptions) { o.Months = []string{cmp.Or(parsePath(p, 0).month, "2026-02")} }
}

// cuts truncates Parquet files where a page or a column chunk begins or ends, and text where a line does.
func (g *attacker) cuts() iter.Seq[attack] {
	return func(yield func(attack) bool) {
		for _, p := range g.paths() {
			kind := g.kindOf(p)
			ends := lineEnds(g.store[p])
			if kind == "file" {
				ends = g.boundaries(p)
			}
			for _, n := range ends {
				a := attack{kind: "cut " + kind, store: g.store.with(hostile{p: g.store[p][:n:n]}), name: g.nameOf(p),
					known: g.head}
				if !yield(a) {
					return
				}
				if a.kind, a.options = a.kind+", diagnosed", diagnose; kind == "file" && !yield(a) {
					return
				}
			}
		}
	}
}

func lineEnds(data []byte) []int {
	list := []int{0}
	for i, b := range data {
		if b == '\n' && i+1 < len(data) {
			list = append(list, i, i+1)
		}
	}
	return list
}

// boundaries are the ends of the pages and column chunks of a file, by its own metadata, and the parts of its footer.
func (g *attacker) boundaries(p string) []int {
	data := g.store[p]
	f := must(parquet.OpenFile(bytes.NewReader(data), int64(len(data))))(g.t)
	at := []int{0, 4, len(data) - 8, len(data) - 4, len(data) - 1}
	pages := 0
	add := func(list ...int64) {
		for _, n := range list {
			if n > 0 && n < int64(len(data)) {
				at = append(at, int(n))
			}
		}
	}
	for i, rg := range f.Metadata().RowGroups {
		for j := range rg.Columns {
			c := &rg.Columns[j].MetaData
			add(c.DictionaryPageOffset, c.DataPageOffset, max(c.DictionaryPageOffset, 0),
				c.DataPageOffset+c.TotalCompressedSize)
			index := must(f.RowGroups()[i].ColumnChunks()[j].OffsetIndex())(g.t)
			for k := range index.NumPages() {
				add(index.Offset(k), index.Offset(k)+index.CompressedPageSize(k))
				pages++
			}
			add(rg.Columns[j].ColumnIndexOffset, rg.Columns[j].OffsetIndexOffset)
		}
	}
	if pages < numColumns {
		g.t.Fatalf("%s: %d pages", p, pages)
	}
	slices.Sort(at)
	return slices.Compact(at)
}

// swaps exchanges any two files, any two manifests, both of any two parts, and any two notes.
func (g *attacker) swaps() iter.Seq[attack] {
	exchange := func(h hostile, a, b string) hostile { return h.with(hostile{a: h[b], b: h[a]}) }
	return func(yield func(attack) bool) {
		for kind, paths := range map[string][]string{"swap files": g.store.kinds(objectParquet),
			"swap manifests":   g.store.kinds(objectManifest),
			"swap checkpoints": g.store.kinds(objectCheckpoint), "swap heads": g.store.kinds(objectHeads)} {
			for i, a := range paths {
				for _, b := range paths[:i] {
					if !yield(attack{kind: kind, store: exchange(g.store, a, b), name: cmp.Or(g.nameOf(a), b),
						known: g.head}) {
						return
					}
				}
			}
		}
		for i := range g.manifests {
			for j := range i {
				a, b := &g.manifests[i], &g.manifests[j]
				h := exchange(g.store, a.ManifestPath(), b.ManifestPath())
				if fa, fb := cmp.Or(a.Path, a.VoidPath), cmp.Or(b.Path, b.VoidPath); fa != "" && fb != "" {
					h = exchange(h, fa, fb)
				}
				if !yield(attack{kind: "swap parts", store: h, name: g.nameOf(a.ManifestPath()), known: g.head}) {
					return
				}
			}
		}
	}
}

// renames exchanges months, as their folders.
func (g *attacker) renames() iter.Seq[attack] {
	months := []string{"2026-01", "2026-02", "2026-03"}
	return func(yield func(attack) bool) {
		for i, a := range months {
			for _, b := range months[:i] {
				for which, kind := range map[string]string{"part-": "swap months", ".parquet": "swap months of files",
					".manifest.json": "swap months of manifests"} {
					h := hostile{}
					for p, data := range g.store {
						if strings.Contains(p, which) {
							p = strings.NewReplacer("month="+a, "month="+b, "month="+b, "month="+a).Replace(p)
						}
						h[p] = data
					}
					if !yield(attack{kind: kind, store: h, known: g.head}) {
						return
					}
				}
			}
		}
	}
}

// stateAt is the archive as it was when its log had n manifests.
func (g *attacker) stateAt(n int64) hostile {
	h := hostile{}
	for p, data := range g.store {
		o := parsePath(p, 0)
		at := o.number
		if o.kind == objectHeads {
			at = 2
			if p == g.store.kinds(objectHeads)[1] {
				at = 8
			}
		}
		if at <= n {
			h[p] = data
		}
	}
	return h
}

// replays shows every older state, to auditors who know no head, an older or the same one, or a later one.
func (g *attacker) replays() iter.Seq[attack] {
	return func(yield func(attack) bool) {
		for n := int64(0); n <= 8; n++ {
			for known := int64(0); known <= 8; known++ {
				a := attack{kind: "replay, known head", store: g.stateAt(n)}
				if known > 0 {
					a.known = g.store[checkpointPath("eu", known)]
				}
				switch {
				case n == 0 && known == 0:
					a.kind = "replay, nothing left"
				case known > n:
					a.kind = "replay"
				case known == 0:
					a.kind = "replay, no known head"
				}
				if known >= 7 && n < 7 {
					a.kind = "replay from before the newer key" // to an auditor to whom nothing leads to it any more
					if !yield(a) {
						return
					}
					a.kind, a.options = "replay", g.bothKeys
				}
				if !yield(a) {
					return
				}
			}
		}
	}
}

// bothKeys is for an auditor who needs no note to trust the newer key.
func (g *attacker) bothKeys(o *VerifyOptions) { o.Keys = []Key{g.first.Key(), g.next.Key()} }

// removals takes away the last objects of the store, of each kind and of all.
func (g *attacker) removals() iter.Seq[attack] {
	return func(yield func(attack) bool) {
		for kind, list := range map[string][]string{"files": g.store.kinds(objectParquet),
			"manifests": g.store.kinds(objectManifest), "checkpoints": g.store.kinds(objectCheckpoint),
			"heads": g.store.kinds(objectHeads), "keys": g.store.kinds(objectKeys),
			"parts": slices.Concat(g.store.kinds(objectParquet), g.store.kinds(objectManifest))} {
			slices.SortStableFunc(list,
				func(a, b string) int { return cmp.Compare(parsePath(a, 0).number, parsePath(b, 0).number) })
			h := g.store
			for _, p := range slices.Backward(list) {
				h = h.with(hostile{p: nil})
				a := attack{kind: "remove " + kind, store: h, known: g.head}
				if kind == "keys" {
					if !yield(a) {
						return
					}
					a.kind, a.options = "remove keys that are trusted", g.bothKeys
				}
				if !yield(a) {
					return
				}
			}
		}
	}
}

// resign is a note with its text signed by others.
func (g *attacker) resign(p string, signers ...note.Signer) []byte {
	text, _, _ := strings.Cut(string(g.store[p]), "\n\n")
	return must(note.Sign(&note.Note{Text: text + "\n"}, signers...))(g.t)
}

// resigned signs every note with a stranger's key of the log's name, and with the log's other key.
func (g *attacker) resigned() iter.Seq[attack] {
	return func(yield func(attack) bool) {
		for _, p := range slices.Concat(g.store.kinds(objectCheckpoint), g.store.kinds(objectHeads),
			g.store.kinds(objectKeys)) {
			other := g.next
			if parsePath(p, 0).number >= 7 {
				other = g.first
			}
			for who, s := range map[string]*Signer{"a stranger": g.stranger, "the other key": other} {
				if !yield(attack{kind: fmt.Sprintf("%s signed by %s", g.kindOf(p), who),
					store: g.store.with(hostile{p: g.resign(p, s)}), name: p, known: g.head}) {
					return
				}
			}
		}
		for from := int64(2); from <= 9; from++ { // the old key's thief names a successor of his own
			s := succession{origin: goldenOrigin, from: from, micros: 1, old: g.first.Key(), next: g.stranger.Key()}
			p := keysPath("eu", from)
			kind, name := "a successor of the thief's, earlier", ""
			if from > 7 {
				kind, name = "a successor of the thief's, later", p
			}
			if !yield(attack{kind: kind,
				store: g.store.with(hostile{p: must(signSuccession(&s, g.first, g.stranger))(g.t)}), name: name,
				known: g.head}) {
				return
			}
		}
	}
}

// rowsOf reads a part's rows.
func (g *attacker) rowsOf(m *Manifest) []Row {
	var rows []Row
	if err := ReadPart(context.Background(), g.store, m.Path, "",
		func(b []Row) error { rows = append(rows, b...); return nil }); err != nil {
		g.t.Fatal(err)
	}
	return rows
}
