package worker_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ward-health/ward/internal/wardtest"
	"github.com/ward-health/ward/internal/worker"
	"github.com/ward-health/ward/review"
)

// child names the variable that makes the test's program a worker on that database.
const child = "WARD_TEST_WORKER"

func TestMain(m *testing.M) {
	if dsn := os.Getenv(child); dsn != "" {
		if err := work(dsn); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// everyView finds every view, in batches of one and two seconds.
const everyView = `/*---
id: %s
version: 1
title: every view
status: stable
tier: B
kind: flag
severity: low
citations: ["164.308(a)(1)(ii)(D)"]
every: %s
settle: 0s
entity: [tenant_id, actor_id]
false_positives: ["a: one", "b: two"]
max_new_per_run: 100
---*/
select a.tenant_id, a.user_id, null::uuid, min(a.at), max(a.at), 'views', '{}'::jsonb, array_agg(a.event_id)
from review.access a where a.batch > :from and a.batch <= :to and a.action = 'view' and a.user_id is not null
group by 1, 2
`

func viewRules() ([]review.Rule, error) {
	var list []review.Rule
	for id, every := range map[string]string{"T01-second": "1s", "T02-two": "2s"} {
		r, err := review.ParseRule(id, fmt.Appendf(nil, everyView, id, every))
		if err != nil {
			return nil, err
		}
		list = append(list, r)
	}
	return list, nil
}

func work(dsn string) error {
	ctx := context.Background()
	rules, err := viewRules()
	if err != nil {
		return err
	}
	pool, err := pgxpool.New(ctx, dsn)
	if err != nil {
		return err
	}
	shipper, err := stallingShipper(pool)
	if err != nil {
		return err
	}
	targets, err := targetsOf(os.Getenv(childNotify), os.Getenv)
	if err != nil {
		return err
	}
	return worker.Run(ctx, worker.Config{Pool: pool, Rules: rules, Shipper: shipper, ShipEvery: time.Hour,
		HeadsEvery: time.Hour, Targets: targets, TellEvery: 100 * time.Millisecond,
		Log:       slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})),
		SealEvery: 50 * time.Millisecond, RulesEvery: 300 * time.Millisecond})
}

// process starts a worker; it is killed when the test ends, at the latest.
func (y *yard) process(env ...string) *exec.Cmd {
	y.t.Helper()
	program, err := os.Executable()
	if err != nil {
		y.t.Fatal(err)
	}
	c := exec.Command(program) //nolint:gosec // this test's own program, killed by hand
	c.Env = append(append(os.Environ(), child+"="+y.e.DB.DSN("ward_worker")), env...)
	c.Stderr = os.Stderr
	if err := c.Start(); err != nil {
		y.t.Fatal(err)
	}
	return c
}

func kill(c *exec.Cmd) {
	_ = c.Process.Kill()
	_ = c.Wait()
}

// TestWorkersAreKilled: three workers, killed without warning and started again at random while events keep arriving:
// every period ran exactly once in effect, and each event was examined once by each rule. Built with the tag long it
// takes five minutes.
func TestWorkersAreKilled(t *testing.T) {
	y := newYard(t)
	workers := make([]*exec.Cmd, 3)
	for i := range workers {
		workers[i] = y.process()
	}
	defer func() {
		for _, w := range workers {
			kill(w)
		}
	}()
	ctx, stop := context.WithTimeout(t.Context(), killingFor)
	defer stop()
	var written atomic.Int64
	writer := make(chan error, 1)
	conn := y.e.DB.Superuser()
	go func() { writer <- write(ctx, conn, &written) }()
	y.sql("both rules have run", "select count(distinct rule_id) = 2 from review.run where status = 'ok'")
	kills := 0
	for ctx.Err() == nil {
		timer := time.NewTimer(time.Duration(100+rand.IntN(1400)) * time.Millisecond)
		select {
		case <-ctx.Done():
		case <-timer.C:
			i := rand.IntN(len(workers))
			kill(workers[i])
			workers[i] = y.process()
			kills++
		}
		timer.Stop()
	}
	if err := <-writer; err != nil {
		t.Fatal(err)
	}
	ended := time.Now()
	y.sql("the rules have caught up", `select bool_and(r.cursor_batch >= (select batch from audit.chain c
		join audit.event e using (event_id) where e.action = 'view' order by event_id desc limit 1)
		and exists (select from review.run x where x.rule_id = r.id and x.status = 'ok' and x.period_end >= $1))
			and not exists (select from audit.event e where e.action = 'view' and not exists (select from audit.chain c
				where c.event_id = e.event_id)) from review.rule r`, ended)
	for _, w := range workers {
		kill(w)
	}
	y.covered(int64(kills), written.Load())
}

// write adds a view every few milliseconds until ctx ends, some of them in transactions that stay open for a while.
func write(ctx context.Context, dsn string, written *atomic.Int64) error {
	pool, err := pgxpool.New(context.WithoutCancel(ctx), dsn)
	if err != nil {
		return err
	}
	defer pool.Close()
	for ctx.Err() == nil {
		hold := "0.005"
		if written.Load()%100 == 0 {
			hold = "0.4"
		}
		tag, err := pool.Exec(context.WithoutCancel(ctx),
			`with e as (insert into audit.event (tenant_id, user_id, actor_kind, action)
			select t.id, u.id, 'human', 'view' from tenancy.tenant t, tenancy.users u where t.slug = 'cedar'
				and u.slug = 'casey' returning 1) select pg_sleep(`+hold+`) from e`)
		if err != nil {
			return err
		}
		written.Add(tag.RowsAffected())
	}
	return nil
}

// covered holds the ledger against the clock and the events.
func (y *yard) covered(kills, written int64) {
	y.t.Helper()
	for id, every := range map[string]float64{"T01-second": 1, "T02-two": 2} {
		var runs, periods, span, gaps, failed, holes, evidence, twice, beyond int64
		err := y.e.Super.QueryRow(y.t.Context(), `with ran as (
				select *, lag(period_end) over w as before, lag(to_batch) over w as upto from review.run
					where rule_id = $1 and status = 'ok' window w as (order by period_end))
			select count(*), sum(extract(epoch from period_end - period_start) / $2)::bigint,
				(extract(epoch from max(period_end) - min(period_start)) / $2)::bigint,
				count(*) filter (where before is distinct from period_start and before is not null),
				(select count(*) from review.run where rule_id = $1 and status <> 'ok'),
				count(*) filter (where from_batch <> coalesce(upto, 0)),
				(select count(*) from review.evidence e join review.anomaly a on a.id = e.anomaly_id
				where a.rule_id = $1),
				(select count(*) - count(distinct event_id) from review.evidence e join review.anomaly a
				on a.id = e.anomaly_id where a.rule_id = $1),
				(select cursor_batch from review.rule where id = $1) - max(to_batch)
			from ran`, id, every).Scan(&runs, &periods, &span, &gaps, &failed, &holes, &evidence, &twice, &beyond)
		if err != nil {
			y.t.Fatal(err)
		}
		least := int64(killingFor.Seconds() / every)
		y.t.Logf("%s: %d runs for %d periods, %d views, %d kills", id, runs, periods, evidence, kills)
		if periods != span || gaps != 0 || periods < least-2 || periods > least+120 || runs == 0 || runs > periods {
			y.t.Errorf("%s: %d runs for %d periods in %d, %d gaps, want about %d", id, runs, periods, span, gaps, least)
		}
		if holes != 0 || beyond != 0 || failed != 0 {
			y.t.Errorf("%s: %d holes between batches, cursor %d beyond the ledger, %d failed runs", id, holes,
				beyond, failed)
		}
		if evidence != written || twice != 0 || written == 0 {
			y.t.Errorf("%s examined %d of %d views, %d twice", id, evidence, written, twice)
		}
	}
	if kills < int64(killingFor.Seconds()/3) {
		y.t.Errorf("only %d kills", kills)
	}
	if n := wardtest.One[int64](y.e, "select count(*) - count(distinct event_id) + count(*) - (select sum(n) "+
		"from (select max(seq) as n from audit.chain group by tenant_id) x) from audit.chain"); n != 0 {
		y.t.Errorf("the chain has %d rows twice or too many", n)
	}
}

// TestLateWhileTheLeaderIsStuck: the worker that leads stops in the middle, its lock and its connections open. The
// other one says that sealing stands still, and that a rule is late that nobody runs.
func TestLateWhileTheLeaderIsStuck(t *testing.T) {
	y := newYard(t)
	leader := y.process()
	defer kill(leader)
	y.sql("the process leads", `select count(*) = 1 from pg_locks l where l.locktype = 'advisory' and l.objsubid = 1
			and l.classid = x'77617264'::int::oid and l.objid = x'7365616c'::int::oid and l.granted
				and l.database = (select oid from pg_database where datname = current_database())`)
	y.sql("and runs rules", "select count(*) > 0 from review.run")
	if err := leader.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if _, err := y.e.Super.Exec(t.Context(), `insert into review.rule (id, version, tier, severity, title, content_hash,
			front_matter, known_since) values ('Z99', 1, 'A', 'high', 't', 'h', '{"every": "1s"}',
			now() - interval '1 minute')`); err != nil {
		t.Fatal(err)
	}
	if _, err := y.e.Super.Exec(t.Context(), "insert into audit.event (tenant_id, actor_kind, action, recorded_at) "+
		"select id, 'human', 'view', now() - interval '1 minute' from tenancy.tenant"); err != nil {
		t.Fatal(err)
	}
	var watch []review.Rule
	for _, r := range rules(t) {
		if r.Watches() {
			r.Params = map[string]any{"grace_minutes": 0}
			watch = append(watch, r)
		}
	}
	if len(watch) != 1 {
		t.Fatalf("%d rules watch", len(watch))
	}
	y.start("other", watch)
	for _, what := range []string{"Z99", "sealing"} {
		y.sql("an item about "+what, "select exists (select from review.anomaly a join tenancy.tenant t "+
			"on t.id = a.tenant_id where a.rule_id = $1 and a.facts ->> 'what' = $2 and t.slug = 'installation')",
			watch[0].ID, what)
	}
	if got := wardtest.One[string](y.e,
		"select string_agg(facts ->> 'what', ' ') from review.anomaly"); strings.Contains(got, watch[0].ID) {
		t.Errorf("about itself: %s", got)
	}
}
