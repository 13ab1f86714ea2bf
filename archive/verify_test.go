package archive

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
	"testing"
)

func TestVerifyValid(t *testing.T) { onStores(t, testVerifyValid) }

func testVerifyValid(t *testing.T) {
	f := build(t)
	r := f.verify(t)
	wants(t, r, Valid)
	if r.Rows != 83 || r.Tenants != 3 || len(r.Parts) != 6 || r.FreshnessProven || len(r.Findings) != 0 {
		t.Errorf("got %d rows, %d tenants, %d parts\n%s", r.Rows, r.Tenants, len(r.Parts), describe(r))
	}
	if r.Head.Size != 6 || r.Head.Checkpoint != f.last().Checkpoint ||
		r.Head.KeyFingerprint != f.signer.Key().Fingerprint() {
		t.Errorf("head %+v", r.Head)
	}
	if !strings.Contains(strings.Join(r.NotCovered, "\n"), "freshness not proven") {
		t.Errorf("no word about freshness: %q", r.NotCovered)
	}
	for _, h := range f.heads {
		if r := f.verify(t, expect(h)); r.Verdict != Valid || !r.FreshnessProven {
			t.Errorf("expecting head %d: %s", h.Size, describe(r))
		}
	}
	wants(t, f.verify(t, func(o *VerifyOptions) { o.Strict = true }), NotProven)
	wants(t, f.verify(t, expect(f.last()), func(o *VerifyOptions) { o.Strict = true }), Valid)
}

func TestVerifyFilters(t *testing.T) { onStores(t, testVerifyFilters) }

func testVerifyFilters(t *testing.T) {
	f := build(t)
	for _, test := range []struct {
		name   string
		change func(*VerifyOptions)
		parts  int
		rows   int64
	}{
		{"month", func(o *VerifyOptions) { o.Months = []string{"2026-03"} }, 2, 38},
		{"tenant", func(o *VerifyOptions) { o.Tenant = tenantC }, 2, 44},
		{"both", func(o *VerifyOptions) { o.Tenant, o.Months = tenantB, []string{"2026-01"} }, 2, 40},
		{"region", func(o *VerifyOptions) { o.Region = testRegion }, 6, 83},
	} {
		r := f.verify(t, test.change)
		if r.Verdict != Valid || len(r.Parts) != test.parts || r.Rows != test.rows {
			t.Errorf("%s: %d parts, %s", test.name, len(r.Parts), describe(r))
		}
	}
}

// reform writes part n anew from changed rows, with a manifest that fits them, and returns that manifest. check is off,
// as it would be for an attacker.
func (f *fixture) reform(t *testing.T, n int, change func([]Row) []Row) []byte {
	t.Helper()
	m := f.parts[n-1]
	var rows []Row
	err := ReadPart(t.Context(), f.store, m.Path, "", func(b []Row) error { rows = append(rows, b...); return nil })
	if err != nil {
		t.Fatal(err)
	}
	data, fake := forge(t, m, change(rows))
	f.overwrite(t, m.Path, data)
	return must(fake.Marshal())(t)
}

// forge writes rows without the checks of PartWriter.Write and makes the manifest that fits the file.
func forge(t *testing.T, m Manifest, rows []Row) ([]byte, Manifest) {
	t.Helper()
	var buf bytes.Buffer
	w := must(NewPartWriter(&buf, PartInfo{Region: m.Region, Month: m.Month, Part: m.Part, Previous: Hash(m.Previous),
		RetainUntil: m.RetainUntil, CreatedAt: m.CreatedAt}))(t)
	for i := range rows {
		if err := w.groups.add(&rows[i]); err != nil {
			t.Fatal(err)
		}
	}
	w.manifest.Tenants, w.manifest.Rows = m.Tenants, int64(len(rows))
	for i := range rows {
		w.tree.add(&rows[i].Hash)
	}
	w.manifest.MinSealedAt, w.manifest.MaxSealedAt = m.MinSealedAt, m.MaxSealedAt
	w.manifest.MinRecordedAt, w.manifest.MaxRecordedAt = m.MinRecordedAt, m.MaxRecordedAt
	fake, err := w.Close()
	if err != nil {
		t.Fatal(err)
	}
	return buf.Bytes(), fake
}

func flip(data []byte) []byte {
	data = bytes.Clone(data)
	data[len(data)/2] ^= 1
	return data
}

func without(i int) func([]Row) []Row {
	return func(rows []Row) []Row { return append(rows[:i:i], rows[i+1:]...) }
}

func TestTamper(t *testing.T) { onStores(t, testTamper) }

func testTamper(t *testing.T) {
	const dir = "v1/region=eu/month=2026-01/"
	p2, m2, m3 := dir+"part-000002.parquet", dir+"part-000002.manifest.json", dir+"part-000003.manifest.json"
	p3 := dir + "part-000003.parquet"
	p1, cp6 := dir+"part-000001.parquet", "v1/region=eu/checkpoints/000000000006"
	last := "v1/region=eu/month=2026-03/part-000006.parquet"
	tests := []struct {
		name   string
		tamper func(*testing.T, *fixture)
		want   []string
	}{
		{"flipped byte", func(t *testing.T, f *fixture) { f.overwrite(t, p2, flip(f.read(t, p2))) },
			[]string{"FILE_MODIFIED " + p2}},
		{"truncated file", func(t *testing.T, f *fixture) { f.overwrite(t, p2, f.read(t, p2)[:100]) },
			[]string{"FILE_MODIFIED " + p2}},
		{"emptied file", func(t *testing.T, f *fixture) { f.overwrite(t, p2, nil) }, []string{"FILE_MODIFIED " + p2}},
		{"lengthened file", func(t *testing.T, f *fixture) { f.overwrite(t, p2, append(f.read(t, p2), 0)) },
			[]string{"FILE_MODIFIED " + p2}},
		{"removed row", func(t *testing.T, f *fixture) { f.reform(t, 1, without(3)) }, []string{"FILE_MODIFIED " + p1}},
		{"removed row, manifest made anew", func(t *testing.T, f *fixture) {
			f.overwrite(t, f.parts[0].ManifestPath(), f.reform(t, 1, without(3)))
		}, []string{"MANIFEST_MODIFIED " + p1}},
		{"removed row in the last part, manifest made anew", func(t *testing.T, f *fixture) {
			f.overwrite(t, f.parts[5].ManifestPath(), f.reform(t, 6, without(1)))
		}, []string{"MANIFEST_MODIFIED " + last}},
		{"removed file", func(t *testing.T, f *fixture) { f.remove(t, p2) }, []string{"PART_MISSING " + p2}},
		{"removed part", func(t *testing.T, f *fixture) { f.remove(t, p2, m2) }, []string{"PART_MISSING " + p2}},
		{"removed manifest", func(t *testing.T, f *fixture) { f.remove(t, m2) }, []string{"PART_MISSING " + p2}},
		{"removed empty month", func(t *testing.T, f *fixture) { f.remove(t, f.parts[3].ManifestPath()) },
			[]string{"PART_MISSING v1/region=eu/month=?/part-000004.parquet"}},
		{"exchanged files", func(t *testing.T, f *fixture) { f.swap(t, p2, p3) },
			[]string{"FILE_MODIFIED " + p2, "FILE_MODIFIED " + p3}},
		{"exchanged files and manifests", func(t *testing.T, f *fixture) { f.swap(t, p2, p3); f.swap(t, m2, m3) },
			[]string{"MANIFEST_MODIFIED " + p2, "MANIFEST_MODIFIED " + p3}},
		{"stripped signature", func(t *testing.T, f *fixture) {
			text, _, _ := strings.Cut(string(f.read(t, cp6)), "\n\n")
			f.overwrite(t, cp6, []byte(text+"\n"))
		}, []string{"UNSIGNED " + cp6}},
		{"removed checkpoints", func(t *testing.T, f *fixture) {
			if err := os.RemoveAll(f.path("v1/region=eu/checkpoints")); err != nil {
				t.Fatal(err)
			}
		}, []string{"UNSIGNED " + p1, "UNSIGNED " + last}},
		{"newest checkpoint by another key", func(t *testing.T, f *fixture) {
			h := must(signCheckpoint(testOrigin, 6, f.last().root, newSigner(t)))(t)
			f.overwrite(t, cp6, []byte(h.Checkpoint))
		}, []string{"UNTRUSTED_KEY " + cp6}},
		{"checkpoint under another name", func(t *testing.T, f *fixture) {
			f.overwrite(t, "v1/region=eu/checkpoints/000000000007", f.read(t, cp6))
		}, []string{"WRONG_LOG v1/region=eu/checkpoints/000000000007"}},
		{"checkpoint of another region", func(t *testing.T, f *fixture) {
			h := must(signCheckpoint(Origin("test", "us"), 6, f.last().root, f.signer))(t)
			f.overwrite(t, cp6, []byte(h.Checkpoint))
		}, []string{"WRONG_LOG " + cp6}},
		{"old checkpoint over other manifests", func(t *testing.T, f *fixture) {
			h := must(signCheckpoint(testOrigin, 3, Hash{1}, f.signer))(t)
			f.overwrite(t, "v1/region=eu/checkpoints/000000000003", []byte(h.Checkpoint))
		}, []string{"FORKED v1/region=eu/checkpoints/000000000003"}},
		{"extra part", func(t *testing.T, f *fixture) { f.overwrite(t, dir+"part-000009.parquet", f.read(t, p2)) },
			[]string{"PART_EXTRA " + dir + "part-000009.parquet"}},
		{"second file of a number", func(t *testing.T, f *fixture) {
			f.overwrite(t, "v1/region=eu/month=2026-02/part-000002.parquet", f.read(t, p2))
		}, []string{"PART_EXTRA v1/region=eu/month=2026-02/part-000002.parquet"}},
		{"second manifest of a number", func(t *testing.T, f *fixture) {
			f.overwrite(t, "v1/region=eu/month=2026-02/part-000002.manifest.json", f.read(t, m2))
		}, []string{"PART_EXTRA v1/region=eu/month=2026-02/part-000002.manifest.json"}},
		{"unknown object", func(t *testing.T, f *fixture) { f.overwrite(t, dir+"notes.txt", []byte("x")) },
			[]string{"PART_EXTRA " + dir + "notes.txt"}},
		{"object of no region", func(t *testing.T, f *fixture) { f.overwrite(t, "v1/readme", []byte("x")) },
			[]string{"PART_EXTRA v1/readme"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := build(t)
			test.tamper(t, f)
			r := f.verify(t, expect(f.heads[0]))
			wants(t, r, Invalid, test.want...)
			for _, want := range test.want {
				if strings.HasSuffix(want, ".parquet") {
					namesPart(t, r, want[strings.Index(want, " ")+1:])
				}
			}
		})
	}
}

// namesPart fails unless exactly the parts that were tampered with are INVALID, this one among them.
func namesPart(t *testing.T, r *Report, path string) {
	t.Helper()
	for _, p := range r.Parts {
		if p.Path == path {
			if p.Verdict != Invalid {
				t.Errorf("%s is %s", path, p.Verdict)
			}
			return
		}
	}
	t.Errorf("%s is not among the parts", path)
}

func TestTamperWithBadManifestBlamesOnlyThatPart(t *testing.T) {
	onStores(t, testTamperWithBadManifestBlamesOnlyThatPart)
}

func testTamperWithBadManifestBlamesOnlyThatPart(t *testing.T) {
	f := build(t)
	m := f.parts[1].ManifestPath()
	f.overwrite(t, m, flip(f.read(t, m)))
	r := f.verify(t)
	invalid := 0
	for _, p := range r.Parts {
		if p.Verdict == Invalid {
			invalid++
		}
	}
	if invalid != 1 || len(r.Findings) != 1 {
		t.Errorf("%d parts are INVALID, want 1\n%s", invalid, describe(r))
	}
}

func TestCutTail(t *testing.T) { onStores(t, testCutTail) }

func testCutTail(t *testing.T) {
	f := build(t)
	f.remove(t, f.parts[4].Path, f.parts[4].ManifestPath(), f.parts[5].Path, f.parts[5].ManifestPath(),
		checkpointPath(testRegion, 5), checkpointPath(testRegion, 6))
	r := f.verify(t)
	wants(t, r, Valid)
	if r.FreshnessProven || r.Rows != 45 {
		t.Errorf("freshness must not be proven\n%s", describe(r))
	}
	r = f.verify(t, expect(f.last()))
	wants(t, r, Invalid, RolledBack)
	if r.FreshnessProven {
		t.Error("freshness must not be proven")
	}
}

func TestRewrittenHistory(t *testing.T) { onStores(t, testRewrittenHistory) }

func testRewrittenHistory(t *testing.T) {
	f := build(t)
	g := newFixture(t)
	g.signer = f.signer // a stolen key
	l := g.open(t)
	for range 7 {
		g.append(t, l, "2026-01", g.chains.next(tenantA, "2026-01", 3))
	}
	wants(t, g.verify(t), Valid)
	for _, h := range f.heads {
		r := g.verify(t, expect(h))
		wants(t, r, Invalid, Forked)
	}
}

func TestWholeArchiveGone(t *testing.T) { onStores(t, testWholeArchiveGone) }

func testWholeArchiveGone(t *testing.T) {
	f := build(t)
	h := f.last()
	empty := newFixture(t)
	empty.signer = f.signer
	wants(t, empty.verify(t), NotProven)
	wants(t, empty.verify(t, expect(h)), Invalid, RolledBack)
}

func TestOtherKey(t *testing.T) { onStores(t, testOtherKey) }

func testOtherKey(t *testing.T) {
	f := build(t)
	r := f.verify(t, func(o *VerifyOptions) { o.Keys = []Key{newSigner(t).Key()} })
	wants(t, r, Invalid, "UNTRUSTED_KEY v1/region=eu/checkpoints/000000000006")
	namesPart(t, r, f.parts[0].Path)
	if r.Rows != 0 || r.Head.Size != 0 {
		t.Errorf("something was accepted\n%s", describe(r))
	}
}

func TestOrphan(t *testing.T) { onStores(t, testOrphan) }

func testOrphan(t *testing.T) {
	f := build(t)
	p := "v1/region=eu/month=2026-03/part-000007.parquet"
	f.overwrite(t, p, f.read(t, f.parts[5].Path))
	wants(t, f.verify(t), NotProven, "UNFINISHED "+p)
}

// TestEveryByte flips every bit position of every byte of a tiny archive, one byte at a time.
func TestEveryByte(t *testing.T) { onStores(t, testEveryByte) }

func testEveryByte(t *testing.T) {
	f := newFixture(t)
	l := f.open(t)
	f.append(t, l, "2026-01", f.chains.next(tenantA, "2026-01", 2))
	if err := l.PublishHeads(t.Context(), f.chains.heads(), testNow); err != nil {
		t.Fatal(err)
	}
	wants(t, f.verify(t), Valid)
	flips := 0
	for _, p := range f.files(t) {
		data := f.read(t, p)
		step := 1
		if testing.Short() || onS3(t) {
			step = 13
		}
		for i := 0; i < len(data); i += step {
			bad := bytes.Clone(data)
			bad[i] ^= 1 << (i % 8)
			f.overwrite(t, p, bad)
			if r := f.verify(t); r.Verdict != Invalid ||
				!strings.Contains(describe(r), "part-000001") && !strings.Contains(describe(r), p) {
				t.Fatalf("%s, byte %d: %s", p, i, describe(r))
			}
			flips++
		}
		f.overwrite(t, p, data)
	}
	if flips < 400/13 {
		t.Fatalf("only %d bytes flipped", flips)
	}
	t.Logf("%d bytes flipped", flips)
	// what was put back under the server has no lock any more
	wants(t, f.verify(t, func(o *VerifyOptions) { o.SkipLocks = true }), Valid)
}

func TestStatusAndCancel(t *testing.T) {
	f := build(t)
	v := NewVerification(f.store, VerifyOptions{Keys: []Key{f.signer.Key()}, Now: testNow})
	if s := v.Status(); s.Phase != "" || s.PartsAll != 0 {
		t.Errorf("before the run: %+v", s)
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() { // polls as a screen does, for the race detector
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
				v.Status()
			}
		}
	}()
	r := must(v.Run(t.Context()))(t)
	close(stop)
	<-stopped
	s := v.Status()
	if s.Phase != "done" || s.PartsDone != 6 || s.PartsAll != 6 || s.Rows != 83 || s.RowsAll != 83 ||
		s.Bytes != s.BytesAll || s.Elapsed != r.Duration {
		t.Errorf("after the run: %+v", s)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := NewVerification(f.store,
		VerifyOptions{Keys: []Key{f.signer.Key()}}).Run(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
	if _, err := NewVerification(f.store, VerifyOptions{}).Run(t.Context()); err == nil {
		t.Error("verified without a key")
	}
}

// unreadableStore cannot read some objects, which proves nothing about them.
type unreadableStore struct {
	Store
	part string
}

func (s unreadableStore) Open(ctx context.Context, p string) (Blob, error) {
	if strings.Contains(p, s.part) {
		return nil, errInjected
	}
	return s.Store.Open(ctx, p)
}

func TestUnreadableIsNotProven(t *testing.T) { onStores(t, testUnreadableIsNotProven) }

func testUnreadableIsNotProven(t *testing.T) {
	f := build(t)
	for _, part := range []string{"part-000002.parquet", "part-000002.manifest.json", "part-", "checkpoints/",
		"checkpoints/000000000006", "heads/", "/"} {
		o := VerifyOptions{Keys: []Key{f.signer.Key()}, Now: testNow,
			ExpectHeads: [][]byte{[]byte(f.last().Checkpoint)}}
		r := must(NewVerification(unreadableStore{f.store, part}, o).Run(t.Context()))(t)
		wants(t, r, NotProven, Unreadable)
		if part != "part-000002.parquet" && part != "heads/" && part != "part-000002.manifest.json" &&
			r.FreshnessProven {
			t.Errorf("%s: freshness is not proven\n%s", part, describe(r))
		}
	}
}

func TestExpired(t *testing.T) { onStores(t, testExpired) }

func testExpired(t *testing.T) {
	f := build(t)
	f.remove(t, f.parts[0].Path)
	wants(t, f.verify(t), Invalid, "PART_MISSING "+f.parts[0].Path)
	r := f.verify(t, func(o *VerifyOptions) { o.Now = testRetain.AddDate(0, 0, 1) })
	wants(t, r, NotProven, "EXPIRED "+f.parts[0].Path)
}

// TestRegionRenamed shows one region's archive as another's, which no earlier head contradicts.
func TestRegionRenamed(t *testing.T) {
	f := build(t)
	if err := os.Rename(f.path("v1/region=eu"), f.path("v1/region=us")); err != nil {
		t.Fatal(err)
	}
	r := f.verify(t)
	wants(t, r, Invalid, "WRONG_LOG v1/region=us/checkpoints/000000000006")
	if r.Rows != 0 {
		t.Error(describe(r))
	}
}
