package archive

import (
	"context"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

const (
	testRegion = "eu"
	tenantA    = "0a000000-0000-4000-8000-000000000001"
	tenantB    = "0b000000-0000-4000-8000-000000000002"
	tenantC    = "0c000000-0000-4000-8000-000000000003"
)

var (
	testOrigin = Origin("test", testRegion)
	testRetain = time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC)
	testNow    = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
)

func ptr[T any](v T) *T { return &v }

// chains makes sealed rows as the sequencer would.
type chains map[string]Position

func (c chains) next(tenant, month string, n int) []Row {
	from, _, err := monthRange(month)
	if err != nil {
		panic(err)
	}
	pos, ok := c[tenant]
	if !ok {
		pos.Hash = Genesis(tenant)
	}
	rows := make([]Row, n)
	for i := range rows {
		seq := pos.Seq + 1
		r := &rows[i]
		*r = Row{TenantID: tenant, Seq: seq, SealedAt: from + seq*1000, EventID: seq * 7, RecordedAt: from + seq*999,
			ActorKind: "human", Action: "view", Outcome: "ok", Source: "test",
			Nonce: Nonce{byte(seq), byte(seq >> 8), byte(seq >> 16), 7}, UserID: ptr(fmt.Sprintf("user-%d", seq%17))}
		if seq%2 == 0 {
			r.Detail, r.RecordTable = ptr(fmt.Sprintf(`{"n": %d}`, seq)), ptr("patients")
			r.RecordID, r.SubjectID = ptr(fmt.Sprintf("record-%d", seq)), ptr(fmt.Sprintf("subject-%d", seq%101))
		}
		if seq%3 == 0 {
			r.OccurredAt, r.Purpose = ptr(from-seq), ptr("")
		}
		if seq%5 == 0 {
			r.SessionID, r.MembershipID, r.DisclosureID = ptr("s"), ptr("m"), ptr("d")
		}
		r.Hash = RowHash(pos.Hash, r)
		pos = Position{seq, r.Hash}
	}
	c[tenant] = pos
	return rows
}

func (c chains) heads() []ChainHead {
	var list []ChainHead
	for t, p := range c {
		list = append(list, ChainHead{t, p.Seq, p.Hash})
	}
	return list
}

func seqOf(rows []Row) iter.Seq2[*Row, error] {
	return func(yield func(*Row, error) bool) {
		for i := range rows {
			if !yield(&rows[i], nil) {
				return
			}
		}
	}
}

func newSigner(t testing.TB) *Signer {
	t.Helper()
	skey, _, err := GenerateKey(testOrigin)
	if err != nil {
		t.Fatal(err)
	}
	s, err := NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func must[T any](v T, err error) func(t testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// TestStore is a store on which the suite runs besides the directory. Its objects are files in dir too, which an
// attacker who runs the server can change.
type TestStore interface {
	// New makes an empty store.
	New(t testing.TB) (dir string, store Store)
	// Reopen opens it as somebody who has never seen it.
	Reopen(t testing.TB, dir string) Store
}

// S3 is set by the external tests of this package, since archive/s3 imports it.
var S3 TestStore

// onStores runs a test over a directory and over S3.
func onStores(t *testing.T, f func(*testing.T)) {
	t.Run("dir", f)
	t.Run("s3", f)
}

// onS3 says which of the two it is.
func onS3(t testing.TB) bool { return slices.Contains(strings.Split(t.Name(), "/"), "s3") }

// fixture is an archive in a directory, or in a bucket whose objects are the files of that directory.
type fixture struct {
	dir    string
	store  Store
	signer *Signer
	chains chains
	parts  []Manifest
	heads  []Head // after each part
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	f := &fixture{signer: newSigner(t), chains: chains{}}
	if onS3(t) {
		f.dir, f.store = S3.New(t)
	} else {
		f.dir = t.TempDir()
		f.store = must(OpenDir(f.dir))(t)
	}
	return f
}

func (f *fixture) open(t testing.TB) *Log {
	t.Helper()
	l := must(OpenLog(t.Context(), f.auditors(t), testRegion, testOrigin, f.signer))(t)
	l.Now = func() time.Time { return testNow }
	return l
}

func (f *fixture) append(t testing.TB, l *Log, month string, rows ...[]Row) {
	t.Helper()
	m := must(l.Append(t.Context(), month, seqOf(slices.Concat(rows...)), testRetain))(t)
	f.parts, f.heads = append(f.parts, m), append(f.heads, l.Head())
}

// build makes six parts over three months, one of them empty, of three tenants; chain heads are published twice.
func build(t testing.TB) *fixture {
	t.Helper()
	f := newFixture(t)
	l, c := f.open(t), f.chains
	f.append(t, l, "2026-01", c.next(tenantA, "2026-01", 20), c.next(tenantB, "2026-01", 10))
	f.append(t, l, "2026-01", c.next(tenantA, "2026-01", 5))
	if err := l.PublishHeads(t.Context(), c.heads(), testNow); err != nil {
		t.Fatal(err)
	}
	f.append(t, l, "2026-01", c.next(tenantB, "2026-01", 7), c.next(tenantC, "2026-01", 3))
	m := must(l.AppendEmpty(t.Context(), "2026-02", testRetain))(t)
	f.parts, f.heads = append(f.parts, m), append(f.heads, l.Head())
	f.append(t, l, "2026-03", c.next(tenantA, "2026-03", 30), c.next(tenantC, "2026-03", 4))
	f.append(t, l, "2026-03", c.next(tenantA, "2026-03", 2), c.next(tenantB, "2026-03", 2))
	if err := l.PublishHeads(t.Context(), c.heads(), testNow.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	return f
}

func (f *fixture) verify(t testing.TB, change ...func(*VerifyOptions)) *Report {
	t.Helper()
	o := VerifyOptions{Keys: []Key{f.signer.Key()}, Now: testNow, Workers: 2}
	for _, c := range change {
		c(&o)
	}
	return must(NewVerification(f.auditors(t), o).Run(t.Context()))(t)
}

// auditors is the store as somebody opens it who remembers nothing.
func (f *fixture) auditors(t testing.TB) Store {
	t.Helper()
	if onS3(t) {
		return S3.Reopen(t, f.dir)
	}
	return f.store
}

func expect(h Head) func(*VerifyOptions) {
	return func(o *VerifyOptions) { o.ExpectHeads = [][]byte{[]byte(h.Checkpoint)} }
}

func (f *fixture) last() Head { return f.heads[len(f.heads)-1] }

func (f *fixture) path(p string) string { return filepath.Join(f.dir, filepath.FromSlash(p)) }

func (f *fixture) read(t testing.TB, p string) []byte {
	t.Helper()
	return must(os.ReadFile(f.path(p)))(t)
}

// overwrite does what no store should allow.
func (f *fixture) overwrite(t testing.TB, p string, data []byte) {
	t.Helper()
	if err := os.Remove(f.path(p)); err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(f.path(p)), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(f.path(p), data, 0o644); err != nil {
		t.Fatal(err)
	}
}

func (f *fixture) remove(t testing.TB, paths ...string) {
	t.Helper()
	for _, p := range paths {
		if err := os.Remove(f.path(p)); err != nil {
			t.Fatal(err)
		}
	}
}

func (f *fixture) swap(t testing.TB, a, b string) {
	t.Helper()
	x, y := f.read(t, a), f.read(t, b)
	f.overwrite(t, a, y)
	f.overwrite(t, b, x)
}

// files lists every object.
func (f *fixture) files(t testing.TB) []string {
	t.Helper()
	var list []string
	for _, o := range must(f.store.List(context.Background(), ""))(t) {
		list = append(list, o.Path)
	}
	if len(list) == 0 {
		t.Fatal("the archive is empty")
	}
	return list
}

func describe(r *Report) string {
	var b strings.Builder
	fmt.Fprintf(&b, "verdict %s, fresh %v, %d rows\n", r.Verdict, r.FreshnessProven, r.Rows)
	for _, f := range r.Findings {
		fmt.Fprintln(&b, " ", f)
	}
	for _, n := range r.NotCovered {
		fmt.Fprintln(&b, "  not covered:", n)
	}
	return b.String()
}

// wants fails unless the report has the verdict and, for each want "STATUS path", such a finding.
func wants(t testing.TB, r *Report, verdict Verdict, list ...string) {
	t.Helper()
	if r.Verdict != verdict {
		t.Errorf("verdict %s, want %s\n%s", r.Verdict, verdict, describe(r))
	}
	for _, want := range list {
		status, path, _ := strings.Cut(want, " ")
		if !slices.ContainsFunc(r.Findings,
			func(f Finding) bool { return f.Status == status && (path == "" || f.Part == path) }) {
			t.Errorf("no finding %q\n%s", want, describe(r))
		}
	}
}
