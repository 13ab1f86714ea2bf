package review_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ward-health/ward/internal/wardtest"
	"github.com/ward-health/ward/review"
)

// newLedger is a world with one scene, and the rule of rule_test.go registered: every view of somebody at a clinic.
func newLedger(t *testing.T) (*world, *scene, *review.Rule) {
	t.Helper()
	w := newWorld(t, []review.RuleTest{{Name: "ledger"}})
	rule := parse(t, goodRule)
	w.register(rule)
	return w, w.scenes[0], rule
}

func parse(t *testing.T, text string) *review.Rule {
	t.Helper()
	r, err := review.ParseRule(ruleID, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return &r
}

// unchecked is a rule whose SQL nobody has looked at: what holds up the run itself.
func unchecked(t *testing.T, text string) *review.Rule {
	t.Helper()
	_, good, _ := strings.Cut(goodRule, "---*/\n")
	head, sql, ok := strings.Cut(text, "---*/\n")
	if !ok {
		t.Fatal("no front matter")
	}
	r, ok := parse(t, head+"---*/\n"+good).Mutant(sql)
	if !ok {
		t.Fatal("no window")
	}
	return &r
}

func (w *world) register(rules ...*review.Rule) {
	w.t.Helper()
	for _, r := range rules {
		if err := review.Register(w.t.Context(), w.worker, []review.Rule{*r}); err != nil {
			w.t.Fatal(err)
		}
	}
}

// views has people view n patients at cedar, sealed.
func (s *scene) views(n int, users ...string) {
	s.world.t.Helper()
	s.Events = nil
	for _, u := range users {
		s.Events = append(s.Events, review.TestEvent{User: u, Record: uuid.NewString(), Times: n, At: "-1h"})
	}
	s.world.arrange(first)
	s.world.seal(s.world.Now)
}

func (w *world) mustRun(rule *review.Rule) review.Result {
	w.t.Helper()
	res, err := review.Run(w.t.Context(), w.worker, rule, w.Now, review.RunRequest{})
	if err != nil {
		w.t.Fatal(err)
	}
	return res
}

// entry is a row of the ledger with its event.
type entry struct {
	Status, Error, Event     string
	From, To, Matched, Found int
	Actor                    string
}

func (w *world) ledger(run uuid.UUID) entry {
	w.t.Helper()
	var l entry
	err := w.e.Super.QueryRow(w.t.Context(),
		`select r.status, coalesce(r.error, ''), r.from_batch, r.to_batch, r.matched, r.created, e.detail, u.slug
		from review.run r join audit.event e on e.action = 'rule_run' and e.detail::jsonb ->> 'run' = r.run_id::text
			join tenancy.users u on u.id = e.user_id where r.run_id = $1`, run).
		Scan(&l.Status, &l.Error, &l.From, &l.To, &l.Matched, &l.Found, &l.Event, &l.Actor)
	if err != nil {
		w.t.Fatalf("run %s is not in the ledger with one event: %v", run, err)
	}
	return l
}

func (w *world) cursor() int {
	return wardtest.One[int](w.e, "select cursor_batch from review.rule where id = $1", ruleID)
}

func (w *world) anomalies() int { return wardtest.One[int](w.e, "select count(*) from review.anomaly") }

// TestZeroMatchRunIsKept: 45 CFR 164.308(a)(1)(ii)(D) asks for the examining, not only the finds.
func TestZeroMatchRunIsKept(t *testing.T) {
	t.Parallel()
	w, _, rule := newLedger(t)
	w.seal(w.Now) // the sign-ups of the template: nobody viewed anything
	res := w.mustRun(rule)
	if got, want := w.ledger(res.RunID),
		(entry{Status: "ok", From: 0, To: 1, Actor: "ward-worker"}); got.Status != want.Status || got.To != want.To ||
		got.Matched != 0 || got.Actor != want.Actor ||
		!strings.Contains(got.Event, `"matched":0`) {
		t.Errorf("%+v, want %+v", got, want)
	}
	if w.cursor() != 1 || w.anomalies() != 0 {
		t.Errorf("cursor %d, %d anomalies", w.cursor(), w.anomalies())
	}
}

// TestFailedRunIsKept: what went wrong is in the ledger, nothing else has changed, and the mended rule examines what
// the broken one did not.
func TestFailedRunIsKept(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]struct{ old, new, want string }{
		"a query that fails": {"count(*) >=", "1 / (count(*) - count(*)) >=", "division by zero"},
		"more matches than the bound": {"max_new_per_run: 10", "max_new_per_run: 1",
			"more than 1 matches, the bound of the rule: nothing was kept"},
		"a column too many":        {"array_agg(a.event_id)", "array_agg(a.event_id), 1", "query:"},
		"a match without evidence": {"array_agg(a.event_id)", "array[]::bigint[]", "a match without evidence"},
		"events of another clinic": {"select a.tenant_id",
			"select (select t.id from tenancy.tenant t where t.slug = 'harbor-0')", "not of its own tenant"},
		"events that are none": {"array_agg(a.event_id)", "array[-1::bigint]", "not of its own tenant"},
		"writing through a function": {"'{}'::jsonb",
			"jsonb_build_object('x', audit.write_worker(null, 'ship', '{}'))", "read-only transaction"},
		"making the transaction writable": {"'{}'::jsonb",
			"jsonb_build_object('x', set_config('transaction_read_only', 'off', true))", "read-write mode"},
		"a number taken from a sequence": {"'{}'::jsonb",
			"jsonb_build_object('x', nextval('tenancy.begun'))", "42501"},
		"reading what is not the worker's": {"from review.access a", "from tenancy.session s, review.access a",
			"permission denied"},
		"reading records through the owner": {"from review.access a", "from public.patients s, review.access a",
			"permission denied"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, s, good := newLedger(t)
			s.views(2, "casey", "carla")
			bad := unchecked(t, strings.Replace(goodRule, change.old, change.new, 1))
			if bad.SQL == good.SQL && bad.MaxNewPerRun == good.MaxNewPerRun {
				t.Fatal("nothing was replaced")
			}
			failed, err := review.Run(t.Context(), w.worker, bad, w.Now, review.RunRequest{})
			if err == nil || !strings.Contains(err.Error(), change.want) || !strings.Contains(err.Error(), ruleID) {
				t.Fatalf("%v, want %q in it", err, change.want)
			}
			if l := w.ledger(failed.RunID); l.Status != "error" || l.Error != err.Error() || l.Matched != 0 ||
				!strings.Contains(l.Event, `"failed":true`) {
				t.Errorf("in the ledger: %+v", l)
			}
			// of a rule that finds too much, the queue tells
			told := 0
			if strings.Contains(change.want, "more than") {
				told = wardtest.One[int](w.e, "select count(*) from review.anomaly where tier = 'S' "+
					"and severity = 'high' and tenant_id = tenancy.installation() and facts ->> 'what' = $1", ruleID)
				if _, err := review.Run(t.Context(), w.worker, bad, w.Now, review.RunRequest{}); err == nil ||
					told != 1 {
					t.Errorf("told %d times of an overflow; again: %v", told, err)
				}
			}
			if w.cursor() != 0 || w.anomalies() != told ||
				wardtest.One[int](w.e, "select count(*) from audit.event where action = 'ship'") != 0 {
				t.Errorf("cursor %d, %d anomalies", w.cursor(), w.anomalies())
			}
			if res := w.mustRun(good); res.Created != 2 || w.cursor() != 1 {
				t.Errorf("the mended rule: %+v, cursor %d", res, w.cursor())
			}
		})
	}
}

// TestCancelledRunIsKept: a worker that is stopped in the middle of a rule says so.
func TestCancelledRunIsKept(t *testing.T) {
	t.Parallel()
	w, s, _ := newLedger(t)
	s.views(1, "casey")
	slow := unchecked(t, strings.Replace(goodRule, "'{}'::jsonb", "jsonb_build_object('x', pg_sleep(60)::text)", 1))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	var res review.Result
	go func() {
		var err error
		res, err = review.Run(ctx, w.worker, slow, w.Now, review.RunRequest{})
		done <- err
	}()
	w.waitFor("select exists (select from pg_stat_activity where datname = current_database() " +
		"and wait_event = 'PgSleep')")
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if l := w.ledger(res.RunID); l.Status != "error" || w.cursor() != 0 {
		t.Errorf("%+v, cursor %d", l, w.cursor())
	}
}

// TestCursorNeverGoesBack: a run that fails before it knows where it stands is recorded after another one has moved on.
func TestCursorNeverGoesBack(t *testing.T) {
	t.Parallel()
	w, s, rule := newLedger(t)
	s.views(1, "casey")
	other, err := w.e.Super.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Rollback(context.WithoutCancel(t.Context())) }()
	if _, err := other.Exec(t.Context(), "update review.rule set cursor_batch = 1 where id = $1", ruleID); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() {
		_, err := review.Run(ctx, w.worker, rule, w.Now, review.RunRequest{})
		done <- err
	}()
	blocked := "select exists (select from pg_stat_activity where datname = current_database() " +
		"and usename = 'ward_worker' and wait_event_type = 'Lock' and query ~* '%s')"
	w.waitFor(fmt.Sprintf(blocked, "for update"))
	cancel()
	w.waitFor(fmt.Sprintf(blocked, "cursor_batch = greatest|update review.rule"))
	if err := other.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if w.cursor() != 1 {
		t.Errorf("cursor %d, want 1", w.cursor())
	}
}

// waitFor waits until a condition in the database holds.
func (w *world) waitFor(sql string) {
	w.t.Helper()
	wardtest.Eventually(w.t, sql, func() bool { return wardtest.One[bool](w.e, sql) })
}

// TestMergeAndRecurrence: while an anomaly is open what happens again is evidence; after closing it is a new one,
// linked.
func TestMergeAndRecurrence(t *testing.T) {
	t.Parallel()
	w, s, rule := newLedger(t)
	s.views(2, "casey")
	w.mustRun(rule)
	anomaly := func() (id uuid.UUID, version, evidence int, summary string, recurrence *uuid.UUID) {
		t.Helper()
		err := w.e.Super.QueryRow(t.Context(), `select a.id, a.version, (select count(*) from review.evidence e
			where e.anomaly_id = a.id), a.summary, a.recurrence_of
			from review.anomaly a order by a.created_at desc limit 1`).Scan(&id, &version, &evidence,
			&summary, &recurrence)
		if err != nil {
			t.Fatal(err)
		}
		return id, version, evidence, summary, recurrence
	}
	first, version, evidence, summary, _ := anomaly()
	if version != 1 || evidence != 2 || summary != "update of :from" {
		t.Fatalf("version %d, evidence %d, %q", version, evidence, summary)
	}
	for i, more := range []int{1, 1} {
		s.views(more, "casey")
		if res := w.mustRun(rule); res.Merged != 1 || res.Created != 0 {
			t.Fatalf("%+v", res)
		}
		id, version, evidence, summary, _ := anomaly()
		if id != first || version != i+2 || evidence != 3+i ||
			summary != fmt.Sprintf("update of :from; by now %d events", 3+i) {
			t.Errorf("id %s, version %d, evidence %d, %q", id, version, evidence, summary)
		}
	}
	w.do("update review.anomaly set state = 'closed', disposition = 'test_data', closed_by = (select id "+
		"from tenancy.users where slug = 'eli'), closed_at = now(), close_reason = 'why' where id = $1", first)
	w.do("update review.rule set cursor_batch = 0 where id = $1", ruleID)
	if res := w.mustRun(rule); res.Matched != 1 || res.Created != 0 || res.Merged != 0 || w.anomalies() != 1 {
		t.Fatalf("what was closed is found again: %+v", res)
	}
	s.views(1, "casey")
	if res := w.mustRun(rule); res.Created != 1 {
		t.Fatalf("%+v", res)
	}
	second, _, evidence, _, recurrence := anomaly()
	if second == first || evidence != 1 || recurrence == nil || *recurrence != first {
		t.Errorf("a recurrence of %v with evidence %d, want of %s with 1", recurrence, evidence, first)
	}
}

// TestConcurrentRuns of one rule do not double what they find, on a pool of one connection each and on one that they
// share.
func TestConcurrentRuns(t *testing.T) {
	t.Parallel()
	w, s, rule := newLedger(t)
	s.views(3, "casey", "carla", "frank")
	config := w.worker.Config()
	config.MaxConns = 2
	small, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer small.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	results := make([]review.Result, 6)
	errs := make([]error, len(results))
	var all sync.WaitGroup
	for i := range results {
		all.Go(func() { results[i], errs[i] = review.Run(ctx, small, rule, w.Now, review.RunRequest{}) })
	}
	all.Wait()
	created := 0
	for _, r := range results {
		created += r.Created
	}
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	if n := wardtest.One[int](w.e, "select count(*) from review.run where status = 'ok'"); created != 3 ||
		w.anomalies() != 3 || n != len(results) {
		t.Errorf("%d created, %d anomalies, %d runs", created, w.anomalies(), n)
	}
	if n := wardtest.One[int](w.e, "select count(*) from review.evidence"); n != 9 {
		t.Errorf("evidence %d, want 9", n)
	}
}

// TestNotEnabled: a rule whose relationships this installation does not know would find everything; it is not run, and
// says so.
func TestNotEnabled(t *testing.T) {
	t.Parallel()
	w, s, good := newLedger(t)
	needy := parse(t, strings.Replace(goodRule, "every: 1m", "requires: [appointment, referral]\nevery: 1m", 1))
	w.register(needy)
	s.views(1, "casey")
	failed, err := review.Run(t.Context(), w.worker, needy, w.Now, review.RunRequest{})
	if !errors.Is(err, review.ErrNotEnabled) || !strings.Contains(err.Error(), "referral") ||
		strings.Contains(err.Error(), "appointment") {
		t.Fatal(err)
	}
	if l := w.ledger(failed.RunID); l.Status != "error" || w.anomalies() != 0 {
		t.Errorf("%+v", l)
	}
	rules := []review.Rule{*needy}
	for name, list := range map[string]func() ([]*review.Rule, error){
		"due": func() (list []*review.Rule, err error) {
			turns, err := review.Due(t.Context(), w.worker, rules, w.Now.Add(time.Hour))
			for _, turn := range turns {
				list = append(list, turn.Rule)
			}
			return list, err
		},
		"enabled": func() ([]*review.Rule, error) { return review.Enabled(t.Context(), w.worker, rules) },
	} {
		if got, err := list(); err != nil || len(got) != 0 {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	w.register(good)
	if got, err := review.Enabled(t.Context(), w.worker, rules); err != nil || len(got) != 1 {
		t.Errorf("enabled: %v, %v", got, err)
	}
}

// TestDue: a rule is due once a period has ended and its own moment after that has come; a run that was asked for takes
// no period.
func TestDue(t *testing.T) {
	t.Parallel()
	w, _, rule := newLedger(t)
	rule.Jitter = review.Duration(time.Microsecond) // its own moment: at once
	due := func(at time.Time) []review.Turn {
		t.Helper()
		got, err := review.Due(t.Context(), w.worker, []review.Rule{*rule}, at)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	end := w.Now.Truncate(time.Minute)
	if got := due(w.Now); len(got) != 1 || !got[0].Period.Equal(end) {
		t.Errorf("a rule that never ran: %+v", got)
	}
	w.mustRun(rule)
	if got := due(w.Now); len(got) != 1 {
		t.Error("a run outside the schedule took a period")
	}
	if _, err := review.Run(t.Context(), w.worker, rule, w.Now, review.RunRequest{Period: &end}); err != nil {
		t.Fatal(err)
	}
	for after, want := range map[time.Duration]time.Time{0: {}, time.Minute - time.Microsecond: {},
		time.Minute + time.Microsecond: end.Add(time.Minute), 10*time.Minute + time.Second: end.Add(10 * time.Minute)} {
		got := due(end.Add(after))
		if len(got) != 0 == want.IsZero() || len(got) == 1 && !got[0].Period.Equal(want) {
			t.Errorf("%s after a period: %+v, want %s", after, got, want)
		}
	}
	begins := map[time.Time]bool{} // of ten rules that are due at the same time
	for i := range 10 {
		r := *rule
		r.ID, r.Jitter = fmt.Sprintf("J%02d", i), review.Duration(time.Minute)
		w.register(&r)
		for after := range 60 {
			at := end.Add(time.Hour).Add(time.Duration(after) * time.Second)
			got, err := review.Due(t.Context(), w.worker, []review.Rule{r}, at)
			if err != nil {
				t.Fatal(err)
			}
			if got[0].Period.Equal(end.Add(time.Hour)) {
				begins[at] = true
				break
			}
		}
	}
	if len(begins) < 5 {
		t.Errorf("ten rules begin at %d moments", len(begins))
	}
}

// TestRunDoesNotFollowTheTimeZone: a day is 24 hours, whatever zone somebody set for the worker's role.
func TestRunDoesNotFollowTheTimeZone(t *testing.T) {
	t.Parallel()
	w, s, _ := newLedger(t)
	s.views(1, "casey")
	config := w.worker.Config()
	config.ConnConfig.RuntimeParams["timezone"] = "America/New_York"
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	rule := parse(t, strings.Replace(goodRule, "'update of :from'",
		"('2026-03-09 00:00+00'::timestamptz - make_interval(days => 2))::text", 1))
	if _, err := review.Run(t.Context(), pool, rule, w.Now, review.RunRequest{}); err != nil {
		t.Fatal(err)
	}
	if got := wardtest.One[string](w.e, "select summary from review.anomaly"); got != "2026-03-07 00:00:00+00" {
		t.Error(got)
	}
}
