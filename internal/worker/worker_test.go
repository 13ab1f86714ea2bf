package worker_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ward-health/ward/archive"
	"github.com/ward-health/ward/audit"
	"github.com/ward-health/ward/internal/wardtest"
	"github.com/ward-health/ward/internal/worker"
	"github.com/ward-health/ward/queries"
	"github.com/ward-health/ward/review"
	"github.com/ward-health/ward/tenancy"
)

// yard is a database, a store, and workers on them.
type yard struct {
	t      *testing.T
	e      *wardtest.Env
	store  archive.Store
	signer *archive.Signer
	key    string // the signer's private one
}

func newYard(t *testing.T) *yard {
	t.Helper()
	t.Parallel()
	y := &yard{t: t, e: wardtest.New(t)}
	text, _, err := archive.GenerateKey(archive.Origin("test", wardtest.Region))
	if y.key = text; err == nil {
		y.signer, err = archive.NewSigner(text)
	}
	if err == nil {
		y.store, err = archive.CreateDir(t.TempDir())
	}
	if err != nil {
		t.Fatal(err)
	}
	return y
}

// pool is the worker's, under a name by which the database tells one worker from another.
func (y *yard) pool(name string) *pgxpool.Pool {
	y.t.Helper()
	config, err := pgxpool.ParseConfig(y.e.DB.DSN("ward_worker"))
	if err != nil {
		y.t.Fatal(err)
	}
	config.ConnConfig.RuntimeParams["application_name"] = name
	pool, err := pgxpool.NewWithConfig(y.t.Context(), config)
	if err != nil {
		y.t.Fatal(err)
	}
	y.t.Cleanup(pool.Close)
	return pool
}

func (y *yard) shipper(pool *pgxpool.Pool) *audit.Shipper {
	return &audit.Shipper{Pool: pool, Store: y.store, Signer: y.signer, Origin: archive.Origin("test", wardtest.Region),
		Now: time.Now}
}

// start runs a worker and returns what stops it and waits for it.
func (y *yard) start(name string, rules []review.Rule) (stop func()) {
	y.t.Helper()
	pool := y.pool(name)
	ctx, cancel := context.WithCancel(y.t.Context())
	done := make(chan error, 1)
	go func() {
		done <- worker.Run(ctx, worker.Config{Pool: pool, Rules: rules, Shipper: y.shipper(pool),
			SealEvery: 20 * time.Millisecond, ShipEvery: time.Hour, HeadsEvery: 100 * time.Millisecond,
			RulesEvery: time.Second, LocksEvery: 100 * time.Millisecond})
	}()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			select {
			case err := <-done:
				if err != nil {
					y.t.Errorf("worker %s ended with %v", name, err)
				}
			case <-time.After(30 * time.Second):
				y.t.Errorf("worker %s does not stop", name)
			}
		})
	}
	y.t.Cleanup(stop)
	return stop
}

// rules are the shipped ones that a new installation can run, due at every look.
func rules(t *testing.T) []review.Rule {
	t.Helper()
	list, err := review.LoadRules(queries.Rules())
	if err != nil {
		t.Fatal(err)
	}
	known := []string{"appointment", "encounter", "message", "claim", "care_team"}
	list = slices.DeleteFunc(list, func(r review.Rule) bool {
		return slices.ContainsFunc(r.Requires, func(need string) bool { return !slices.Contains(known, need) })
	})
	if len(list) < 30 {
		t.Fatalf("only %d rules", len(list))
	}
	for i := range list {
		list[i].Every = review.Duration(time.Millisecond)
	}
	return list
}

// until waits for a condition.
func (y *yard) until(what string, holds func() bool) {
	y.t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(30 * time.Second)
	for !holds() {
		select {
		case <-deadline:
			y.t.Fatalf("never: %s", what)
		case <-tick.C:
		}
	}
}

func (y *yard) sql(what, sql string, args ...any) {
	y.t.Helper()
	y.until(what, func() bool { return wardtest.One[bool](y.e, sql, args...) })
}

func (y *yard) done(s *tenancy.Session, action string, detail map[string]any) review.Requested {
	y.t.Helper()
	event, err := review.Request(y.t.Context(), s, action, detail)
	if err != nil {
		y.t.Fatal(err)
	}
	var out review.Requested
	y.until(action+" is done", func() bool {
		if out, err = review.Outcome(y.t.Context(), s, event); err != nil {
			y.t.Fatal(err)
		}
		return out.Done
	})
	if n := wardtest.One[int](y.e, "select count(*) from review.run r join tenancy.users u on u.id = r.requested_by "+
		"where r.event_id = $1 and u.slug = 'dana'", event); n != len(out.Runs) {
		y.t.Errorf("%d runs name the request and who made it, %d came back", n, len(out.Runs))
	}
	return out
}

// TestWorker: from an attempt in the application to an anomaly in the queue, and what a reviewer asks for, without
// anybody else's doing.
func TestWorker(t *testing.T) {
	y := newYard(t)
	ctx := t.Context()
	stop := y.start("one", rules(t))
	patient := y.e.Patient(y.e.App("hugo", "harbor"), "harbor", "Canary")

	casey := y.e.App("casey", "cedar")
	seen := -1
	err := casey.Read(ctx, tenancy.Ask{Table: "public.patients", IDs: []uuid.UUID{patient}, Purpose: "treatment"},
		tenancy.Do("select count(*) from phi.patients").Scan(&seen))
	if err != nil || seen != 0 {
		t.Fatalf("another clinic's patient: %d rows, %v", seen, err)
	}
	y.sql("the attempt is on record as denied", `select exists (select from audit.event e join tenancy.users u
		on u.id = e.user_id where u.slug = 'casey' and e.outcome = 'denied' and e.record_id = $1
		and e.tenant_id = (select id from tenancy.tenant where slug = 'cedar'))`, patient)
	y.sql("an anomaly about it", `select exists (select from review.anomaly a join tenancy.users u on u.id = a.actor_id
		join tenancy.tenant t on t.id = a.tenant_id
		where u.slug = 'casey' and t.slug = 'cedar' and a.rule_id = 'A02-cross-tenant-denied' and (select count(*)
			from review.evidence e where e.anomaly_id = a.id) = 1)`)
	y.sql("every rule has run",
		"select count(distinct rule_id) = $1 from review.run where status = 'ok' and requested_by is null",
		len(rules(t)))

	dana := y.e.Reviewer("dana")
	if out := y.done(dana, "rule_run", map[string]any{"rule": "A02-cross-tenant-denied"}); len(out.Runs) != 1 ||
		out.Runs[0].Status != "ok" || out.State != "completed" {
		t.Errorf("one rule asked for: %+v", out)
	}
	if out := y.done(dana, "rule_run", nil); len(out.Runs) != len(rules(t)) {
		t.Errorf("every rule asked for: %+v", out)
	}
	if out := y.done(dana, "ship", nil); out.State != "completed" {
		t.Errorf("shipping asked for: %+v", out)
	}
	report, err := archive.NewVerification(y.store, archive.VerifyOptions{Keys: []archive.Key{y.signer.Key()}}).Run(ctx)
	if err != nil || report.Verdict != archive.Valid || report.Rows == 0 {
		t.Errorf("what was shipped: %+v, %v", report, err)
	}
	stop()
	// the server may notice a moment later that a query was cancelled
	y.sql("no connection of a stopped worker is busy", "select count(*) = 0 from pg_stat_activity "+
		"where datname = current_database() and application_name = 'one' and state <> 'idle'")
	if n := wardtest.One[int](y.e, "select count(*) from review.run where status <> 'ok'"); n != 0 {
		t.Errorf("%d runs failed, the last: %s", n, wardtest.One[string](y.e,
			"select error from review.run where status <> 'ok' order by finished_at desc limit 1"))
	}
}

// TestForgedNotification: a channel has no privileges, so any login could notify River of a pause or a cancellation.
// The worker listens to none and goes on.
func TestForgedNotification(t *testing.T) {
	y := newYard(t)
	y.start("one", rules(t))
	y.sql("a rule has run", "select count(*) > 0 from review.run")
	if n := wardtest.One[int](y.e,
		"select count(*) from pg_stat_activity where datname = current_database() and query ~* '^\\s*listen'"); n != 0 {
		t.Fatalf("%d connections listen", n)
	}
	if _, err := y.e.Conn("ward_app").Exec(t.Context(),
		`select pg_notify('river.river_control', '{"action": "pause", "queue": "*"}')`); err != nil {
		t.Fatal(err)
	}
	if out := y.done(y.e.Reviewer("dana"), "rule_run",
		map[string]any{"rule": "A02-cross-tenant-denied"}); out.State != "completed" {
		t.Fatalf("a rule asked for: %+v", out)
	}
}

// TestRulesThatLackSomething are not run by the schedule, nor when everything is asked for, and say why when they are
// asked for by name.
func TestRulesThatLackSomething(t *testing.T) {
	y := newYard(t)
	list := rules(t)
	list[0].Requires = []string{"referral"}
	lacking := list[0].ID
	y.start("one", list)
	dana := y.e.Reviewer("dana")
	if out := y.done(dana, "rule_run", nil); len(out.Runs) != len(list)-1 {
		t.Errorf("every rule asked for: %+v", out)
	}
	if n := wardtest.One[int](y.e, "select count(*) from review.run where rule_id = $1", lacking); n != 0 {
		t.Errorf("%d runs of a rule that is not enabled", n)
	}
	if _, err := review.Request(t.Context(), dana, "rule_run", map[string]any{"rule": lacking}); err != nil {
		t.Fatal(err)
	}
	y.sql("the ledger says why", "select exists (select from review.run where rule_id = $1 and status = 'error' "+
		"and error like '%NOT ENABLED%referral%')", lacking)
	y.sql("nothing was found by it", "select not exists (select from review.anomaly where rule_id = $1)", lacking)
	// a rule that the database knows and this worker does not
	if _, err := y.e.Super.Exec(t.Context(), "insert into review.rule (id, version, tier, severity, title, "+
		"content_hash, front_matter) values ('Z99', 1, 'A', 'high', 't', 'h', '{}')"); err != nil {
		t.Fatal(err)
	}
	if out := y.done(dana, "rule_run", map[string]any{"rule": "Z99"}); out.State != "cancelled" || len(out.Runs) != 0 {
		t.Errorf("a rule of another worker: %+v", out)
	}
}

// TestTwoWorkers: one seals; when it ends, or is fenced off, sealing goes on, and nothing is sealed twice.
func TestTwoWorkers(t *testing.T) {
	y := newYard(t)
	leads := func(name string) string {
		return "select count(*) = 1 and bool_and(a.application_name = '" + name + "') from pg_locks l join " +
			"pg_stat_activity a using (pid) where l.locktype = 'advisory' and l.objsubid = 1 and l.classid = " +
			"x'77617264'::int::oid and l.objid = x'7365616c'::int::oid and l.granted and a.datname = current_database()"
	}
	write := func() {
		t.Helper()
		if _, err := y.e.Super.Exec(t.Context(), "insert into audit.event (tenant_id, actor_kind, action) "+
			"select id, 'human', 'view' from tenancy.tenant"); err != nil {
			t.Fatal(err)
		}
		y.sql("everything is sealed", "select not exists (select from audit.event e where not exists (select "+
			"from audit.chain c where c.event_id = e.event_id) and e.action = 'view')")
	}
	stop := y.start("first", nil)
	y.sql("the first leads", leads("first"))
	y.start("second", nil)
	write()
	y.sql("the first leads still", leads("first"))
	stop()
	y.sql("the second leads", leads("second"))
	write()
	if _, err := y.e.Super.Exec(t.Context(), "update audit.seal_state set epoch = epoch + 1"); err != nil {
		t.Fatal(err)
	}
	write()
	if n := wardtest.One[int](y.e, "select count(*) - count(distinct event_id) from audit.chain"); n != 0 {
		t.Errorf("%d events are sealed twice", n)
	}
}

// TestShipOneAtATime: two that ship at once ship each row once.
func TestShipOneAtATime(t *testing.T) {
	y := newYard(t)
	pool := y.pool("one")
	if err := audit.SealAll(t.Context(), pool); err != nil {
		t.Fatal(err)
	}
	want := wardtest.One[int64](y.e, "select count(*) from audit.chain")
	var (
		all    sync.WaitGroup
		mu     sync.Mutex
		rows   int64
		failed error
	)
	for range 2 {
		all.Go(func() {
			err := worker.Ship(t.Context(), pool, y.shipper(pool), func(_ string, n int64) {
				mu.Lock()
				defer mu.Unlock()
				rows += n
			})
			mu.Lock()
			defer mu.Unlock()
			failed = errors.Join(failed, err)
		})
	}
	all.Wait()
	if failed != nil || rows != want || want == 0 {
		t.Errorf("%d of %d rows, %v", rows, want, failed)
	}
}

// TestMigrateTwice applies nothing the second time, and says by name what it applied the first.
func TestMigrateTwice(t *testing.T) {
	y := newYard(t)
	applied, err := worker.Migrate(t.Context(), y.e.DB.Superuser())
	if err != nil || len(applied) != 0 {
		t.Errorf("on a migrated database: %q, %v", applied, err)
	}
	if _, err := worker.Migrate(t.Context(), "postgres://:bad"); err == nil || strings.Contains(err.Error(), "panic") {
		t.Errorf("a url that is none: %v", err)
	}
}

// TestRecoveryIsOrdered: a worker whose database lost what its archive has neither seals nor ships; an administrator's
// order lets it go on, and nobody else's does.
func TestRecoveryIsOrdered(t *testing.T) {
	y := newYard(t)
	ctx := t.Context()
	pool := y.pool("before")
	if err := audit.SealAll(ctx, pool); err != nil {
		t.Fatal(err)
	}
	if _, err := y.shipper(pool).Ship(ctx); err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{"alter table audit.chain disable trigger all", "delete from audit.chain where seq > 1",
		"alter table audit.chain enable trigger all"} {
		if _, err := y.e.Super.Exec(ctx, s); err != nil {
			t.Fatal(err)
		}
	}
	sealed := func() int { return wardtest.One[int](y.e, "select count(*) from audit.chain") }
	before := sealed()
	y.start("one", nil)
	y.sql("the worker has looked", "select epoch >= 3 from audit.seal_state") // twice: with the one that sealed above
	if n := sealed(); n != before {
		t.Fatalf("%d rows were sealed on top", n-before)
	}
	for who, code := range map[string]string{"dana": "let you", "ana": "let you"} {
		if _, err := review.Request(ctx, y.e.Reviewer(who), "seal_recover",
			map[string]any{"reason": "mine"}); err == nil || !strings.Contains(err.Error(), code) {
			t.Errorf("%s orders a recovery: %v", who, err)
		}
	}
	root := y.e.Reviewer("root")
	if _, err := review.Request(ctx, root, "seal_recover", map[string]any{"reason": " "}); err == nil {
		t.Error("a recovery without a reason")
	}
	event, err := review.Request(ctx, root, "seal_recover", map[string]any{"reason": "restored from a backup"})
	if err != nil {
		t.Fatal(err)
	}
	y.sql("sealing goes on", "select not exists (select from audit.event e where not exists (select "+
		"from audit.chain c where c.event_id = e.event_id))")
	y.sql("the order has its place", "select exists (select from audit.chain where event_id = "+fmt.Sprint(event)+")")
	if n := wardtest.One[int](y.e, "select count(*) from audit.event where action = 'seal_recover' "+
		"and (detail::jsonb ->> 'order')::bigint = $1", event); n != 1 {
		t.Errorf("%d events of the recovery", n)
	}
	report, err := archive.NewVerification(y.store, archive.VerifyOptions{Keys: []archive.Key{y.signer.Key()}}).Run(ctx)
	if err != nil || report.Verdict != archive.Valid || len(report.NotCovered) < 2 {
		t.Errorf("%+v, %v", report, err)
	}
}
