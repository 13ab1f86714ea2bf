package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"time"
)

var errInjected = errors.New("injected")

// failingStore fails its nth call and all later ones, as a crash would. With after, a Put takes effect before it fails.
type failingStore struct {
	Store
	n     int
	after bool
	calls []string
}

func (s *failingStore) step(what string) bool {
	s.calls = append(s.calls, what)
	return s.n > 0 && len(s.calls) >= s.n
}

func (s *failingStore) Put(ctx context.Context, p string, data io.Reader, size int64, retain time.Time) error {
	if s.step("put " + p) {
		if s.after && len(s.calls) == s.n {
			if err := s.Store.Put(ctx, p, data, size, retain); err != nil {
				return err
			}
		}
		return errInjected
	}
	return s.Store.Put(ctx, p, data, size, retain)
}

func (s *failingStore) Open(ctx context.Context, p string) (Blob, error) {
	if s.step("open " + p) {
		return nil, errInjected
	}
	return s.Store.Open(ctx, p)
}

// drain appends until everything in want is shipped, as a caller does, and returns how many parts that took.
func (f *fixture) drain(t *testing.T, month string, want []Row) {
	t.Helper()
	for range 5 {
		l := f.open(t)
		tail := l.Tail()
		rest := slices.DeleteFunc(slices.Clone(want), func(r Row) bool { return r.Seq <= tail[r.TenantID].LastSeq })
		if len(rest) == 0 {
			return
		}
		if _, err := l.Append(t.Context(), month, seqOf(rest), testRetain); err != nil {
			t.Fatal(err)
		}
	}
	t.Fatal("not everything was shipped")
}

// archived reads every row of every part that the log lists.
func (f *fixture) archived(t *testing.T) []string {
	t.Helper()
	r := f.verify(t)
	wants(t, r, Valid)
	var list []string
	for _, p := range r.Parts {
		if p.Rows == 0 {
			continue
		}
		err := ReadPart(t.Context(), f.store, p.Path, "", func(rows []Row) error {
			for _, row := range rows {
				list = append(list, fmt.Sprintf("%s/%d/%x", row.TenantID, row.Seq, row.Hash))
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	slices.Sort(list)
	return list
}

func names(rows []Row) []string {
	var list []string
	for _, r := range rows {
		list = append(list, fmt.Sprintf("%s/%d/%x", r.TenantID, r.Seq, r.Hash))
	}
	slices.Sort(list)
	return list
}

// byTenant sorts rows as a part wants them.
func byTenant(rows []Row) []Row {
	slices.SortStableFunc(rows, func(a, b Row) int { return strings.Compare(a.TenantID, b.TenantID) })
	return rows
}

// TestCrash stops an append at every call to the store, before and after the call takes effect, and then runs it again,
// with the same rows or with more of them.
func TestCrash(t *testing.T) { onStores(t, testCrash) }

func testCrash(t *testing.T) {
	crashes := 0
	for _, after := range []bool{false, true} {
		for _, more := range []bool{false, true} {
			for n := 1; ; n++ {
				f := newFixture(t)
				all := f.chains.next(tenantA, "2026-01", 6)
				f.append(t, f.open(t), "2026-01", all)
				second := slices.Concat(f.chains.next(tenantA, "2026-01", 5), f.chains.next(tenantB, "2026-01", 4))
				all = append(all, second...)
				l := f.open(t)
				s := &failingStore{Store: f.store, n: n, after: after}
				l.store = s
				_, err := l.Append(t.Context(), "2026-01", seqOf(second), testRetain)
				if err != nil && !errors.Is(err, errInjected) {
					t.Fatal(err)
				}
				finished := err == nil
				if !finished {
					crashes++
					if _, err := l.Append(t.Context(), "2026-01", seqOf(second),
						testRetain); !errors.Is(err, errInjected) {
						t.Errorf("a failed log went on: %v", err)
					}
				}
				if more {
					second = byTenant(append(second, f.chains.next(tenantA, "2026-01", 3)...))
					all = append(all, second[5:8]...)
				}
				f.drain(t, "2026-01", second)
				if got, want := f.archived(t), names(all); !slices.Equal(got, want) {
					t.Fatalf("after %v, crash at %d %v: got %d rows, want %d", after, n, s.calls, len(got), len(want))
				}
				if voids(t, f) != 0 {
					t.Errorf("crash at %d: a good part was declared void", n)
				}
				if finished {
					break
				}
			}
		}
	}
	if crashes < 20 {
		t.Fatalf("only %d crashes", crashes)
	}
}

func voids(t *testing.T, f *fixture) int {
	n := 0
	for _, p := range f.files(t) {
		if strings.HasSuffix(p, ".json") {
			if m, err := ParseManifest(f.read(t, p)); err != nil || m.Void {
				n++
			}
		}
	}
	return n
}

// TestCrashEmpty does the same for a month without rows.
func TestCrashEmpty(t *testing.T) { onStores(t, testCrashEmpty) }

func testCrashEmpty(t *testing.T) {
	for n := 1; n < 20; n++ {
		f := newFixture(t)
		l := f.open(t)
		s := &failingStore{Store: f.store, n: n, after: true}
		l.store = s
		_, err := l.AppendEmpty(t.Context(), "2026-01", testRetain)
		if err == nil {
			if n < 3 {
				t.Fatalf("done after %d calls", n)
			}
			return
		}
		if l := f.open(t); l.Head().Size == 0 {
			l.Now = func() time.Time { return testNow.Add(time.Hour) }
			must(l.AppendEmpty(t.Context(), "2026-01", testRetain))(t)
		}
		r := f.verify(t)
		wants(t, r, Valid)
		if r.Head.Size != 1 {
			t.Errorf("crash at %d: %s", n, describe(r))
		}
	}
	t.Fatal("never done")
}

// TestPlantedPart puts a well-formed part, which continues the chain with rows that never were, where the next one
// goes.
func TestPlantedPart(t *testing.T) { onStores(t, testPlantedPart) }

func testPlantedPart(t *testing.T) {
	for _, crash := range []int{0, 1, 2, 3, 4, 5, 6, 7, 8} {
		f := newFixture(t)
		first := f.chains.next(tenantA, "2026-01", 3)
		f.append(t, f.open(t), "2026-01", first)
		fake := chains{tenantA: f.chains[tenantA]}.next(tenantA, "2026-01", 2)
		fake[1].Action = "export"
		fake[1].Hash = RowHash(fake[0].Hash, &fake[1])
		path := parquetPath(testRegion, "2026-01", 2)
		m := f.parts[0]
		m.Part = 2
		data, _ := forge(t, m, fake)
		f.overwrite(t, path, data)
		real := f.chains.next(tenantA, "2026-01", 4)
		if crash > 0 {
			l := f.open(t)
			l.store = &failingStore{Store: f.store, n: crash, after: true}
			_, _ = l.Append(t.Context(), "2026-01", seqOf(real), testRetain) // drain finishes it
		}
		f.drain(t, "2026-01", real)
		if got, want := f.archived(t), names(append(first, real...)); !slices.Equal(got, want) {
			t.Fatalf("got %v, want %v", got, want)
		}
		if voids(t, f) != 1 {
			t.Errorf("%d voids, want 1", voids(t, f))
		}
	}
}

func TestBlockedByManifest(t *testing.T) { onStores(t, testBlockedByManifest) }

func testBlockedByManifest(t *testing.T) {
	f := newFixture(t)
	f.append(t, f.open(t), "2026-01", f.chains.next(tenantA, "2026-01", 3))
	f.overwrite(t, manifestPath(testRegion, "2026-01", 2), []byte("{}"))
	rows := f.chains.next(tenantA, "2026-01", 1)
	if _, err := f.open(t).Append(t.Context(), "2026-01", seqOf(rows), testRetain); !errors.Is(err, ErrBlocked) {
		t.Errorf("got %v, want ErrBlocked", err)
	}
	if _, err := f.open(t).AppendEmpty(t.Context(), "2026-01", testRetain); !errors.Is(err, ErrBlocked) {
		t.Errorf("got %v, want ErrBlocked", err)
	}
}

func TestTwoWriters(t *testing.T) { onStores(t, testTwoWriters) }

func testTwoWriters(t *testing.T) {
	f := newFixture(t)
	a, b := f.open(t), f.open(t)
	rows := f.chains.next(tenantA, "2026-01", 3)
	must(a.Append(t.Context(), "2026-01", seqOf(rows), testRetain))(t)
	if _, err := b.Append(t.Context(), "2026-01", seqOf(rows[:2]), testRetain); !errors.Is(err, ErrExists) {
		t.Errorf("got %v, want ErrExists", err)
	}
	if got := f.archived(t); !slices.Equal(got, names(rows)) {
		t.Errorf("got %v", got)
	}
}

func TestOpenLogRefusesDamage(t *testing.T) { onStores(t, testOpenLogRefusesDamage) }

func testOpenLogRefusesDamage(t *testing.T) {
	for name, tamper := range map[string]func(*testing.T, *fixture){
		"manifest changed": func(t *testing.T, f *fixture) {
			p := f.parts[2].ManifestPath()
			f.overwrite(t, p, flip(f.read(t, p)))
		},
		"manifest missing": func(t *testing.T, f *fixture) { f.remove(t, f.parts[2].ManifestPath()) },
		"checkpoint of another key": func(t *testing.T, f *fixture) {
			h := must(signCheckpoint(testOrigin, 6, f.last().root, newSigner(t)))(t)
			f.overwrite(t, checkpointPath(testRegion, 6), []byte(h.Checkpoint))
		},
		"newest checkpoint changed": func(t *testing.T, f *fixture) {
			p := checkpointPath(testRegion, 6)
			f.overwrite(t, p, flip(f.read(t, p)))
		},
	} {
		f := build(t)
		tamper(t, f)
		if _, err := OpenLog(t.Context(), f.store, testRegion, testOrigin, f.signer); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: got %v, want ErrDamaged", name, err)
		}
	}
}

func TestCheckExtends(t *testing.T) { onStores(t, testCheckExtends) }

func testCheckExtends(t *testing.T) {
	f := build(t)
	l := f.open(t)
	for _, h := range f.heads {
		if err := l.CheckExtends([]byte(h.Checkpoint)); err != nil {
			t.Errorf("head %d: %v", h.Size, err)
		}
	}
	for name, h := range map[string]Head{
		"later":   must(signCheckpoint(testOrigin, 7, Hash{}, f.signer))(t),
		"forked":  must(signCheckpoint(testOrigin, 4, Hash{}, f.signer))(t),
		"another": must(signCheckpoint(Origin("x", testRegion), 6, f.last().root, f.signer))(t),
	} {
		if err := l.CheckExtends([]byte(h.Checkpoint)); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: got %v, want ErrDamaged", name, err)
		}
	}
}

func TestAppendRefuses(t *testing.T) {
	change := func(f func(r *Row)) func([]Row) []Row {
		return func(rows []Row) []Row { f(&rows[1]); return rows }
	}
	for name, bad := range map[string]func([]Row) []Row{
		"changed row":   change(func(r *Row) { r.Action = "delete" }),
		"changed hash":  change(func(r *Row) { r.Hash[0] ^= 1 }),
		"gap":           without(1),
		"double":        func(rows []Row) []Row { return append(rows[:2:2], rows[1:]...) },
		"wrong month":   change(func(r *Row) { r.SealedAt = 0 }),
		"wrong order":   func(rows []Row) []Row { rows[0], rows[1] = rows[1], rows[0]; return rows },
		"tenants mixed": func(rows []Row) []Row { return append(rows, chains{}.next("0", "2026-01", 1)...) },
	} {
		f := newFixture(t)
		var want *RowError
		_, err := f.open(t).Append(t.Context(), "2026-01", seqOf(bad(f.chains.next(tenantA, "2026-01", 4))), testRetain)
		if !errors.As(err, &want) {
			t.Errorf("%s: got %v, want a RowError", name, err)
		}
		if list := must(f.store.List(t.Context(), ""))(t); len(list) != 0 {
			t.Errorf("%s: %v was stored", name, list)
		}
	}
	f := build(t)
	l := f.open(t)
	if _, err := l.Append(t.Context(), "2026-02", seqOf(f.chains.next(tenantA, "2026-02", 1)), testRetain); err == nil {
		t.Error("an earlier month was accepted")
	}
	if _, err := l.Append(t.Context(), "2026-04", seqOf(nil), testRetain); !errors.Is(err, ErrNoRows) {
		t.Errorf("got %v, want ErrNoRows", err)
	}
}

func TestSummarize(t *testing.T) { onStores(t, testSummarize) }

func testSummarize(t *testing.T) {
	f := build(t)
	months, heads, err := Summarize(t.Context(), f.store, f.signer.Key())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range months {
		got = append(got, fmt.Sprintf("%s %s %d parts %d rows %d tenants %v", m.Region, m.Month, m.Parts, m.Rows,
			m.Tenants, m.Empty))
	}
	want := []string{"eu 2026-01 3 parts 45 rows 3 tenants false", "eu 2026-02 0 parts 0 rows 0 tenants true",
		"eu 2026-03 2 parts 38 rows 3 tenants false"}
	if !slices.Equal(got, want) || len(heads) != 1 || heads[0].Size != 6 {
		t.Errorf("got %q, %v", got, heads)
	}
	if months[0].Newest != f.parts[2].Path || months[1].Newest != "" {
		t.Errorf("newest %q, %q", months[0].Newest, months[1].Newest)
	}
	parts := must(months[0].ListParts(t.Context(), f.store))(t)
	if len(parts) != 3 || parts[1].Path != f.parts[1].Path || parts[1].Rows != 5 || parts[1].Tenants != 1 ||
		parts[1].Part != 2 || !parts[1].RetainUntil.Equal(f.parts[1].RetainUntil) || parts[1].SealedTo.IsZero() {
		t.Errorf("parts %+v", parts)
	}
	// what changed since then is not shown as the log's word
	longer := f.parts[1]
	longer.RetainUntil = longer.RetainUntil.AddDate(1, 0, 0)
	f.overwrite(t, longer.ManifestPath(), must(longer.Marshal())(t))
	if parts = must(months[0].ListParts(t.Context(), f.store))(t); parts[1].Damaged == "" && !onS3(t) ||
		parts[1].RetainUntil.Equal(longer.RetainUntil) || parts[0].Damaged != "" {
		t.Errorf("after a change: %+v", parts)
	}
}

func TestDirStore(t *testing.T) {
	dir := t.TempDir()
	if _, err := OpenDir(dir + "/none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("opening nothing: %v", err)
	}
	s := must(OpenDir(dir))(t)
	put := func(p, data string, size int64) error {
		return s.Put(t.Context(), p, strings.NewReader(data), size, testRetain)
	}
	if err := put("a/b/c", "one", 3); err != nil {
		t.Fatal(err)
	}
	if err := put("a/b/c", "two", 3); !errors.Is(err, ErrExists) {
		t.Errorf("got %v, want ErrExists", err)
	}
	for _, p := range []string{"", "../x", "/x", "a/../../x", "a//b", `a\b`} {
		if err := put(p, "one", 3); err == nil {
			t.Errorf("%q was accepted", p)
		}
	}
	if err := put("a/short", "one", 4); err == nil {
		t.Error("a short object was accepted")
	}
	list := must(s.List(t.Context(), "a/"))(t)
	if len(list) != 1 || list[0] != (Object{Path: "a/b/c", Size: 3}) {
		t.Errorf("got %v", list)
	}
	if got := string(must(readObject(t.Context(), s, "a/b/c"))(t)); got != "one" {
		t.Errorf("got %q", got)
	}
	if _, err := s.Open(t.Context(), "a/none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want ErrNotExist", err)
	}
	store, ok := s.(*dirStore)
	if !ok {
		t.Fatalf("got a %T", s)
	}
	info := must(fs.Stat(store.root.FS(), "a/b/c"))(t)
	if info.Mode().Perm() != 0o444 {
		t.Errorf("mode %v", info.Mode())
	}
}
