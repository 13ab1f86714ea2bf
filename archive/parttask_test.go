package archive

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// byOthers checks parts as another process would: all that passes between are bytes.
func (f *fixture) byOthers(t testing.TB, lie func(*PartOutcome)) func(*VerifyOptions) {
	through := func(from, to any) {
		data, err := json.Marshal(from)
		if err == nil {
			err = json.Unmarshal(data, to)
		}
		if err != nil {
			t.Error(err)
		}
	}
	return func(o *VerifyOptions) {
		o.Elsewhere = func(ctx context.Context, task PartTask) (*PartOutcome, error) {
			var there PartTask
			through(task, &there)
			out, err := CheckPart(ctx, f.store, &there)
			if err != nil {
				return nil, err
			}
			out.Worker = "w1"
			if lie != nil {
				lie(out)
			}
			back := &PartOutcome{}
			through(out, back)
			return back, nil
		}
	}
}

// A verification whose parts were checked elsewhere says what one does that checks them here, of a good archive and of
// every kind of bad one.
func TestElsewhereSaysTheSame(t *testing.T) {
	attacks := map[string]func(f *fixture){
		"nothing":          func(*fixture) {},
		"changed file":     func(f *fixture) { f.overwrite(t, f.parts[0].Path, flip(f.read(t, f.parts[0].Path))) },
		"cut file":         func(f *fixture) { f.overwrite(t, f.parts[0].Path, f.read(t, f.parts[0].Path)[:100]) },
		"longer file":      func(f *fixture) { f.overwrite(t, f.parts[0].Path, append(f.read(t, f.parts[0].Path), 0)) },
		"another's file":   func(f *fixture) { f.overwrite(t, f.parts[0].Path, f.read(t, f.parts[1].Path)) },
		"missing file":     func(f *fixture) { f.remove(t, f.parts[1].Path) },
		"missing manifest": func(f *fixture) { f.remove(t, f.parts[1].ManifestPath()) },
		"no checkpoint":    func(f *fixture) { f.remove(t, checkpointPath(testRegion, 1)) },
		"contradicting head": func(f *fixture) {
			if err := f.open(t).PublishHeads(t.Context(), []ChainHead{{tenantA, 21, Hash{1}}},
				microTime(testNow.UnixMicro()-3600e6)); err != nil {
				t.Fatal(err)
			}
		},
	}
	worst := map[Verdict]int{}
	for name, attack := range attacks {
		f := build(t)
		attack(f)
		here, there := f.verify(t), f.verify(t, f.byOthers(t, nil))
		worst[here.Verdict]++
		if !slices.ContainsFunc(there.Covered, func(s string) bool { return strings.Contains(s, "w1 (") }) &&
			name != "no checkpoint" {
			t.Errorf("%s: the report does not say whose word it takes: %q", name, there.Covered)
		}
		here.Duration, there.Duration, here.Covered, there.Covered = 0, 0, nil, nil
		if !reflect.DeepEqual(here, there) {
			t.Errorf("%s: here\n%s\nelsewhere\n%s", name, describe(here), describe(there))
		}
	}
	if worst[Valid] == 0 || worst[Invalid] < 5 {
		t.Errorf("the attacks came out as %v", worst)
	}
	f := newFixture(t)
	rows := f.chains.next(tenantA, "2026-01", 10)
	f.append(t, f.open(t), "2026-01", rows)
	rows[3].Action = "delete"
	resign(t, f, f.parts[0], rows)
	wants(t, f.verify(t, f.byOthers(t, nil)), Invalid, "ROW_MODIFIED "+f.parts[0].Path)
}

// What another process says about rows is held against what was signed, and against the parts before.
func TestElsewhereIsHeldAgainstTheLog(t *testing.T) {
	for name, c := range map[string]struct {
		lie  func(*PartRows)
		want string
	}{
		"a row less":         {func(r *PartRows) { r.Rows-- }, RowCountMismatch},
		"another root":       {func(r *PartRows) { r.MerkleRoot[0]++ }, RootMismatch},
		"another last hash":  {func(r *PartRows) { r.Tenants[0].LastHash[0]++ }, RowModified},
		"another last seq":   {func(r *PartRows) { r.Tenants[0].LastSeq++ }, RowModified},
		"another first seq":  {func(r *PartRows) { r.Tenants[0].FirstSeq++ }, RowModified},
		"another row before": {func(r *PartRows) { r.Tenants[0].PrevHash[0]++ }, RowModified},
		"another tenant":     {func(r *PartRows) { r.Tenants[0].TenantID = "nobody" }, WrongTenant},
		"no tenant":          {func(r *PartRows) { r.Tenants = nil }, RowCountMismatch},
		"another time":       {func(r *PartRows) { r.MaxSealedAt++ }, WrongPeriod},
		"a tenant's rows twice over": {func(r *PartRows) { r.Tenants = append(r.Tenants, r.Tenants[0]) },
			RowCountMismatch},
	} {
		f := build(t)
		r := f.verify(t, f.byOthers(t, func(out *PartOutcome) {
			if out.Rows != nil && out.Rows.Tenants[0].FirstSeq > 1 {
				c.lie(out.Rows)
			}
		}))
		if r.Verdict != Invalid ||
			!slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Status == c.want }) {
			t.Errorf("%s: want %s\n%s", name, c.want, describe(r))
		}
	}
	f := build(t)
	r := f.verify(t, f.byOthers(t, func(out *PartOutcome) { out.Rows, out.Findings = nil, nil }))
	wants(t, r, NotProven, "UNREADABLE "+f.parts[0].Path)
	r = f.verify(t, func(o *VerifyOptions) {
		o.Elsewhere = func(context.Context, PartTask) (*PartOutcome, error) { return nil, errors.New("nobody there") }
	})
	wants(t, r, NotProven, "UNREADABLE "+f.parts[0].Path)
}

// A task comes over a wire: what is no task is an error.
func TestCheckPartRefuses(t *testing.T) {
	f := build(t)
	for _, text := range []string{"", "{}", "null", `{"version": "ward-manifest/v9"}`} {
		if out, err := CheckPart(t.Context(), f.store, &PartTask{Manifest: text}); err == nil {
			t.Errorf("%q: %+v", text, out)
		}
	}
}

// What a store holds a part to is told by whoever read it.
func TestElsewhereTellsLocks(t *testing.T) {
	onStores(t, func(t *testing.T) {
		f := build(t)
		here, there := f.verify(t), f.verify(t, f.byOthers(t, nil))
		here.Duration, there.Duration, here.Covered, there.Covered = 0, 0, nil, nil
		if !reflect.DeepEqual(here, there) || here.Rows == 0 {
			t.Errorf("here\n%s\nelsewhere\n%s", describe(here), describe(there))
		}
		if !onS3(t) {
			return
		}
		r := f.verify(t, f.byOthers(t, func(out *PartOutcome) {
			if out.Lock == nil {
				t.Error("the store's lock is not told")
				return
			}
			out.Lock.Mode = "GOVERNANCE"
		}))
		wants(t, r, NotProven, "LOCK_GOVERNANCE "+f.parts[0].Path)
	})
}
