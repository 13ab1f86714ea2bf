package audit_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/ward-health/ward/archive"
	"github.com/ward-health/ward/audit"
	"github.com/ward-health/ward/internal/wardtest"
)

// old is the month that these tests prune.
const old = "2026-05"

// attic is a harbour with an old month, sealed and shipped.
type attic struct {
	*harbour
	reconciler *audit.Reconciler
}

func newAttic(t *testing.T) *attic {
	t.Helper()
	a := &attic{harbour: newHarbour(t)}
	super(t, a.e, "select audit.ensure_month('2026-05-01')")
	for i := range 3 {
		for _, tenant := range []uuid.UUID{a.cedar, a.harbor} {
			a.record(tenant, time.Date(2026, 5, 2+i, 0, 0, 0, 0, time.UTC), 5)
		}
		a.sealAt(a.now.Add(time.Duration(i) * time.Second))
		a.ship()
	}
	a.settle()
	a.reconciler = &audit.Reconciler{Pool: a.pool, Store: a.store, Region: wardtest.Region,
		Keys: []archive.Key{a.signer.Key()}, Now: time.Now}
	return a
}

// record writes events at a time, as a function of ward's would have then.
func (a *attic) record(tenant uuid.UUID, at time.Time, n int) {
	a.t.Helper()
	super(a.t, a.e, `insert into audit.event (tenant_id, user_id, actor_kind, action, record_table, record_id,
		subject_id, purpose, recorded_at, detail)
		select $1, (select id from tenancy.users where slug = 'casey'), 'human', 'view', 'public.patients',
			gen_random_uuid(), gen_random_uuid(), 'treatment', $2::timestamptz + n * interval '1 minute',
			'{"n": ' || n || '}'
		from generate_series(1, $3) n`, tenant, at, n)
}

// settle seals, classifies and ships until nothing is left but the event of shipping.
func (a *attic) settle() {
	a.t.Helper()
	a.sealAt(a.now.Add(time.Minute))
	if _, err := audit.Classify(a.t.Context(), a.pool); err != nil {
		a.t.Fatal(err)
	}
	a.sealAt(a.now.Add(time.Minute))
	a.ship()
}

func (a *attic) ask(dry, unlocked bool) int64 {
	a.t.Helper()
	event, err := audit.RequestPrune(a.t.Context(), a.e.Reviewer("root"), old, "disk is full", dry, unlocked)
	if err != nil {
		a.t.Fatal(err)
	}
	return event
}

func (a *attic) prune(r *audit.Reconciler, dry, unlocked bool) audit.Pruned {
	a.t.Helper()
	done, err := r.Prune(a.t.Context(),
		audit.PruneRequest{Month: old, Event: a.ask(dry, unlocked), DryRun: dry, UnlockedStore: unlocked})
	if err != nil {
		a.t.Fatal(err)
	}
	return done
}

// rows is how many events of the old month the database has, -1 for none and no partition.
func (a *attic) rows() int {
	a.t.Helper()
	return wardtest.One[int](a.e, "select case when to_regclass('audit.event_2026_05') is null then -1 else (select "+
		"count(*) from audit.event where recorded_at >= '2026-05-01Z' and recorded_at < '2026-06-01Z') end")
}

// TestPrune: a trial drops nothing; then the month is gone, its chain and a record of it stay, and everything goes on.
func TestPrune(t *testing.T) {
	a := newAttic(t)
	chain := wardtest.One[int](a.e, "select count(*) from audit.chain")
	if done := a.prune(a.reconciler, true, true); len(done.Refused) > 0 || done.Rows != 30 || done.EventID != 0 ||
		len(done.Parts) == 0 || a.rows() != 30 {
		t.Fatalf("a trial: %+v, %d rows left", done, a.rows())
	}
	if done := a.prune(a.reconciler, false, false); len(done.Refused) != 1 ||
		!strings.Contains(done.Refused[0], "--unlocked-store") || a.rows() != 30 {
		t.Fatalf("a store without locks: %+v", done)
	}
	done := a.prune(a.reconciler, false, true)
	if len(done.Refused) > 0 || done.Rows != 30 || done.EventID == 0 || a.rows() != -1 {
		t.Fatalf("%+v, %d rows left", done, a.rows())
	}
	got := wardtest.One[string](a.e, `select concat_ws(' ', u.slug, e.detail::jsonb->>'what', e.detail::jsonb->>'month',
			e.detail::jsonb->>'rows') from audit.event e join tenancy.users u on u.id = e.user_id
			where e.event_id = $1`, done.EventID)
	if got != "ward-worker pruned 2026-05 30" {
		t.Errorf("recorded: %q", got)
	}
	if n := wardtest.One[int](a.e, "select count(*) from audit.pruned where month = '2026-05-01' and rows = 30 "+
		"and parts = $1", done.Parts); n != 1 {
		t.Error("audit.pruned does not say so")
	}
	if n := wardtest.One[int](a.e, "select count(*) from audit.chain"); n != chain {
		t.Errorf("%d rows of the chain, there were %d", n, chain)
	}
	// a worker that did not live to answer finds it done
	again, err := a.reconciler.Prune(t.Context(), audit.PruneRequest{Month: old,
		Event: wardtest.One[int64](a.e, "select request from audit.pruned"), UnlockedStore: true})
	if err != nil || again.EventID != done.EventID || len(again.Refused) > 0 {
		t.Errorf("once more: %+v, %v", again, err)
	}
	// sealing, classifying, shipping and verifying go on
	a.insert(a.cedar, 3)
	a.settle()
	a.valid(a.verify(a.store))
	if report, err := a.reconciler.Live(t.Context()); err != nil || report.Verdict != archive.Valid ||
		report.Pruned != 30 || report.Rows == 0 {
		t.Errorf("%+v, %v", report, err)
	}
	super(t, a.e, "select audit.ensure_months()")
}

// TestPruneRefuses: whatever is not as it should be, the month stays and the reason names it.
func TestPruneRefuses(t *testing.T) {
	victim := "(select event_id from audit.event where recorded_at >= '2026-05-03Z' and recorded_at < '2026-06-01Z' " +
		"order by event_id limit 1)"
	for name, c := range map[string]struct {
		spoil func(a *attic)
		why   string
	}{
		"an unsealed event": {func(a *attic) { a.record(a.cedar, time.Date(2026, 5, 9, 0, 0, 0, 0, time.UTC), 1) },
			"1 events of 2026-05 have no place in the chain"},
		"an unshipped event": {func(a *attic) {
			a.record(a.cedar, time.Date(2026, 5, 9, 0, 0, 0, 0, time.UTC), 1)
			a.sealAt(a.now.Add(2 * time.Minute))
			super(a.t, a.e, "update audit.classified set batch = (select batch from audit.seal_state)")
		}, "1 of the 31 events of 2026-05 are in no part"},
		"a changed event": {func(a *attic) {
			a.rewrite("update audit.event set outcome = 'denied' where event_id = " + victim)
		}, "LIVE_MODIFIED"},
		"a changed detail": {func(a *attic) {
			a.rewrite(`update audit.event set detail = '{"n":1}' where event_id = ` + victim)
		}, "is not as it was archived: detail"},
		"a removed event": {func(a *attic) { a.rewrite("delete from audit.event where event_id = " + victim) },
			"LIVE_MISSING"},
		"a changed chain hash": {func(a *attic) {
			a.rewriteChain("update audit.chain set hash = sha256('x') where event_id = " + victim)
		}, "the chain's hash is not the archived one"},
		"a missing part": {func(a *attic) { a.remove(a.dir, a.parts()[1].Path) }, "PART_MISSING"},
		"a modified part": {func(a *attic) {
			a.change(a.dir, a.parts()[1].Path, func(b []byte) []byte { b[len(b)/2] ^= 1; return b })
		}, "is not the file that was signed"},
		"a missing manifest": {func(a *attic) { a.remove(a.dir, a.parts()[0].ManifestPath()) }, "damaged"},
		"a retention that is over": {func(a *attic) {
			a.reconciler.Now = func() time.Time { return time.Date(2040, 1, 1, 0, 0, 0, 0, time.UTC) }
		}, "which is over"},
		"a rule behind": {func(a *attic) {
			super(a.t, a.e, "insert into review.rule (id, version, tier, severity, title, content_hash, "+
				"front_matter) values ('T01', 1, 'A', 'high', 't', 'h', '{}')")
		}, "rules have not read this month yet: T01"},
		"ids not classified": {func(a *attic) { super(a.t, a.e, "update audit.classified set batch = 0") },
			"not classified"},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAttic(t)
			c.spoil(a)
			before := a.rows()
			for _, dry := range []bool{true, false} {
				done := a.prune(a.reconciler, dry, true)
				if !strings.Contains(strings.Join(done.Refused, "\n"), c.why) || done.EventID != 0 ||
					a.rows() != before || before < 29 {
					t.Fatalf("dry %t: refused for %q, %d rows left of %d", dry, done.Refused, a.rows(), before)
				}
			}
		})
	}
}

// parts are the manifests of the parts with rows.
func (a *attic) parts() []*archive.Manifest {
	a.t.Helper()
	r, err := archive.OpenReader(a.t.Context(), a.store, wardtest.Region, a.signer.Key())
	if err != nil {
		a.t.Fatal(err)
	}
	defer r.Close()
	return r.Parts()
}

// rewriteChain changes the chain as a superuser could.
func (a *attic) rewriteChain(sql string) {
	a.t.Helper()
	for _, s := range []string{"alter table audit.chain disable trigger all", sql,
		"alter table audit.chain enable trigger all"} {
		super(a.t, a.e, s)
	}
}

// TestPruneChangedMeanwhile: an event that is changed between the comparison and the drop.
func TestPruneChangedMeanwhile(t *testing.T) {
	a := newAttic(t)
	changed := false
	a.reconciler.Store = &watching{Store: a.store, onOpen: func(path string) {
		if !changed && strings.HasSuffix(path, "part-000004.parquet") { // the last part: everything before is compared
			changed = true
			a.rewrite("update audit.event set outcome = 'denied' where event_id = (select min(event_id) " +
				"from audit.event where recorded_at >= '2026-05-01Z' and recorded_at < '2026-06-01Z')")
		}
	}}
	a.record(a.cedar, time.Date(2026, 5, 20, 0, 0, 0, 0, time.UTC), 1)
	a.settle()
	done := a.prune(a.reconciler, false, true)
	if !changed || len(done.Refused) != 1 ||
		!strings.Contains(done.Refused[0], "have changed since they were reconciled") || a.rows() != 31 {
		t.Fatalf("changed %t: %+v, %d rows left", changed, done, a.rows())
	}
}

// watching is a store that tells which objects are opened, and may fail.
type watching struct {
	archive.Store
	onOpen func(path string)
	failAt int

	mu    sync.Mutex // manifests are read side by side
	opens int
}

func (w *watching) Open(ctx context.Context, path string) (archive.Blob, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.onOpen != nil {
		w.onOpen(path)
	}
	if w.opens++; w.opens == w.failAt {
		return nil, errStore
	}
	return w.Store.Open(ctx, path)
}

// TestPruneSurvivesEveryStep: cut off at each look at the store, and in the midst of the drop, the month is whole; then
// it can be pruned.
func TestPruneSurvivesEveryStep(t *testing.T) {
	a := newAttic(t)
	event := a.ask(false, true)
	request := audit.PruneRequest{Month: old, Event: event, UnlockedStore: true}
	count := &watching{Store: a.store}
	trial := *a.reconciler
	trial.Store = count
	if done := a.prune(&trial, true, true); len(done.Refused) > 0 || count.opens < 6 { // a checkpoint, manifests, parts
		t.Fatalf("%+v after %d looks at the store", done, count.opens)
	}
	for n := 1; n <= count.opens; n++ {
		r := *a.reconciler
		r.Store = &watching{Store: a.store, failAt: n}
		if done, err := r.Prune(t.Context(), request); !errors.Is(err, errStore) || a.rows() != 30 {
			t.Fatalf("look %d: %+v, %v, %d rows left", n, done, err, a.rows())
		}
	}
	// the drop waits for a reader, and its session is ended there
	reader := a.e.Conn("postgres")
	for _, sql := range []string{"begin", "select count(*) from audit.event"} {
		if _, err := reader.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	failed := make(chan error, 1)
	go func() {
		_, err := a.reconciler.Prune(t.Context(), request)
		failed <- err
	}()
	waiting := "select pid from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock' " +
		"and query like '%prune_month%' and pid <> pg_backend_pid()"
	for wardtest.One[int](a.e, "select count(*) from ("+waiting+") x") == 0 {
		select {
		case err := <-failed:
			t.Fatalf("did not wait: %v", err)
		default:
		}
	}
	super(t, a.e, "select pg_terminate_backend(pid) from ("+waiting+") x")
	if err := <-failed; err == nil {
		t.Fatal("a session that was ended has pruned")
	}
	if _, err := reader.Exec(t.Context(), "rollback"); err != nil {
		t.Fatal(err)
	}
	if n := wardtest.One[int](a.e, "select count(*) from audit.pruned"); n != 0 || a.rows() != 30 {
		t.Fatalf("%d months are pruned, %d rows left", n, a.rows())
	}
	if done, err := a.reconciler.Prune(t.Context(), request); err != nil || len(done.Refused) > 0 || a.rows() != -1 {
		t.Fatalf("afterwards: %+v, %v, %d rows left", done, err, a.rows())
	}
}

// TestPruneNeedsAnAdministrator: the worker by itself, other reviewers, and requests about something else drop nothing.
func TestPruneNeedsAnAdministrator(t *testing.T) {
	a := newAttic(t)
	worker := a.e.Conn("ward_worker")
	refused := func(what string, event int64, code string) {
		t.Helper()
		_, err := worker.Exec(t.Context(), "select review.prune_month($1, (d).rows, (d).digest, array['x'], 1) "+
			"from (select audit.month_digest('2026-05-01') as d) x", event)
		var pg *pgconn.PgError
		if !errors.As(err, &pg) || pg.Code != code || a.rows() != 30 {
			t.Errorf("%s: %v, %d rows left", what, err, a.rows())
		}
	}
	refused("no request", 1<<40, "42501")
	var own int64
	detail := `{"what": "request", "month": "2026-05", "dry_run": false}`
	if err := worker.QueryRow(t.Context(), "select audit.write_worker(null, 'prune', $1)",
		detail).Scan(&own); err != nil {
		t.Fatal(err)
	}
	refused("the worker's own request", own, "42501")
	refused("a trial", a.ask(true, true), "42501")
	for _, sql := range []string{"drop table audit.event_2026_05",
		"alter table audit.event detach partition audit.event_2026_05", "truncate audit.event_2026_05",
		"insert into audit.pruned values ('2026-05-01', 1, 1, 1, '', '{}', 1)"} {
		mustRefuse(t, worker, "ward_worker", sql)
	}
	event := a.ask(false, true)
	super(t, a.e, "update tenancy.reviewer_grant set ended_at = clock_timestamp() where role = 'administrator'")
	refused("an administrator no longer", event, "42501")
	super(t, a.e, "update tenancy.reviewer_grant set ended_at = null where role = 'administrator'")
	super(t, a.e, "update tenancy.reviewer_grant set tenant_id = $1 where role = 'administrator'", a.cedar)
	refused("an administrator of one clinic", event, "42501")
	if _, err := audit.RequestPrune(t.Context(), a.e.Reviewer("root"), old, "disk is full", false, true); err == nil {
		t.Error("an administrator of one clinic may ask")
	}
	super(t, a.e, "update tenancy.reviewer_grant set tenant_id = null where role = 'administrator'")
	super(t, a.e, "update tenancy.setting set prune_after = 120")
	refused("too early", event, "55000")
	super(t, a.e, "update tenancy.setting set prune_after = 3")
	super(t, a.e, "select audit.ensure_month('2026-04-01')")
	refused("not the oldest", event, "55000")
	super(t, a.e, "drop table audit.event_2026_04")
	super(t, a.e, "update audit.classified set batch = 0")
	refused("asked ids not classified", event, "55000")
	super(t, a.e, "update audit.classified set batch = (select batch from audit.seal_state)")
	super(t, a.e, "insert into review.rule (id, version, tier, severity, title, content_hash, front_matter) "+
		"values ('T01', 1, 'A', 'high', 't', 'h', '{}')")
	refused("a rule behind", event, "55000")
	past := "select audit.prune_month($1, (d).rows, (d).digest, array['x'], 1) " +
		"from (select audit.month_digest('2026-05-01') as d) x"
	if _, err := worker.Exec(t.Context(), past, event); err == nil ||
		!strings.Contains(err.Error(), "permission denied for function prune_month") || a.rows() != 30 {
		t.Errorf("past the rules: %v, %d rows left", err, a.rows())
	}
	super(t, a.e, "update review.rule set last_run_at = clock_timestamp() - interval '31 days'") // retired
	a.record(a.cedar, time.Date(2026, 5, 9, 0, 0, 0, 0, time.UTC), 1)
	if _, err := worker.Exec(t.Context(), "select review.prune_month($1, (d).rows, (d).digest, array['x'], 1) "+
		"from (select audit.month_digest('2026-05-01') as d) x", event); err == nil ||
		!strings.Contains(err.Error(), "no place in the chain") || a.rows() != 31 {
		t.Errorf("an unsealed event: %v", err)
	}
	a.rewrite("delete from audit.event where recorded_at >= '2026-05-09Z' and recorded_at < '2026-06-01Z'")
	if _, err := worker.Exec(t.Context(), "select review.prune_month($1, 30, sha256('x'), array['x'], 1)",
		event); err == nil || !strings.Contains(err.Error(), "have changed since") || a.rows() != 30 {
		t.Errorf("another digest: %v", err)
	}
	// today may be the first of a month
	super(t, a.e, "select audit.ensure_month((clock_timestamp() - interval '25 hours')::date)")
	a.rewrite(fmt.Sprintf("update audit.event set recorded_at = recorded_at - interval '25 hours' where event_id = %d",
		event))
	refused("a request of yesterday", event, "42501")
	for _, who := range []string{"dana", "ana", "omar"} {
		if _, err := audit.RequestPrune(t.Context(), a.e.Reviewer(who), old, "disk is full", false, true); err == nil {
			t.Errorf("%s may ask", who)
		}
	}
	for month, why := range map[string]string{"2026-13": "YYYY-MM", "2025-01": "not the oldest",
		time.Now().UTC().Format("2006-01"): "may be pruned from"} {
		if _, err := audit.RequestPrune(t.Context(), a.e.Reviewer("root"), month, "disk is full", false,
			true); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: %v", month, err)
		}
	}
	if _, err := a.e.Super.Exec(t.Context(), "update tenancy.setting set prune_after = 0"); err == nil {
		t.Error("a month may be pruned at once")
	}
}

// locking is a directory with locks as a store with Object Lock has them.
type locking struct {
	archive.Store
	lock archive.Lock
	err  error
}

func (l *locking) Lock(context.Context, string) (archive.Lock, error) { return l.lock, l.err }
func (l *locking) Extend(context.Context, string, time.Time) error    { return fs.ErrPermission }
func (l *locking) Hold(context.Context, string, bool) error           { return fs.ErrPermission }

// TestPruneAsksForLocks: a part counts as locked by what the store says.
func TestPruneAsksForLocks(t *testing.T) {
	a := newAttic(t)
	far := time.Date(2050, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		lock archive.Lock
		err  error
		why  string
	}{
		{archive.Lock{}, nil, "is not locked in COMPLIANCE mode"},
		{archive.Lock{Mode: "GOVERNANCE", Until: far}, nil, "is not locked in COMPLIANCE mode"},
		{archive.Lock{Hold: true}, nil, "is not locked in COMPLIANCE mode"},
		{archive.Lock{Mode: archive.LockCompliance, Until: time.Now().AddDate(1, 0, 0)}, nil, "was to be kept until"},
		{archive.Lock{}, archive.ErrLockUnknown, "cannot be told"},
	} {
		r := *a.reconciler
		r.Store = &locking{a.store, c.lock, c.err}
		// --unlocked-store does not excuse a store that could lock and did not
		if done := a.prune(&r, false, true); !slices.ContainsFunc(done.Refused,
			func(s string) bool { return strings.Contains(s, c.why) }) || a.rows() != 30 {
			t.Errorf("%+v: %q", c.lock, done.Refused)
		}
	}
	r := *a.reconciler
	r.Store = &locking{a.store, archive.Lock{Mode: archive.LockCompliance, Until: far}, nil}
	if done := a.prune(&r, false, false); len(done.Refused) > 0 || a.rows() != -1 {
		t.Errorf("locked: %q, %d rows left", done.Refused, a.rows())
	}
}
