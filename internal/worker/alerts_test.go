package worker_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.yaml.in/yaml/v3"

	"github.com/ward-health/ward/internal/notify"
	"github.com/ward-health/ward/internal/notify/notifytest"
	"github.com/ward-health/ward/internal/wardtest"
	"github.com/ward-health/ward/internal/worker"
	"github.com/ward-health/ward/review"
)

// childNotify holds, for a worker that is a process of its own, the part notify of its settings.
const childNotify = "WARD_TEST_NOTIFY"

// targetsOf opens the targets of settings as they stand in ward.yaml.
func targetsOf(settings string, getenv func(string) string) ([]notify.Target, error) {
	var c notify.Config
	if err := yaml.Unmarshal([]byte(settings), &c); err != nil {
		return nil, err
	}
	return c.Open(notify.World{Getenv: getenv, Now: time.Now, Read: os.ReadFile})
}

// teller starts workers that tell.
type teller struct {
	*yard
	secret   string
	settings string // a target without digest: false gets one at once, for the hour is 0
}

func newTeller(t *testing.T, settings string) *teller {
	t.Helper()
	return &teller{yard: newYard(t), secret: notifytest.Secret(), settings: settings}
}

func (y *teller) getenv(string) string { return y.secret }

func (y *teller) start(name string, rules []review.Rule, now func() time.Time) (stop func()) {
	y.t.Helper()
	pool := y.pool(name)
	targets, err := targetsOf(y.settings, y.getenv)
	if err != nil {
		y.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(y.t.Context())
	done := make(chan error, 1)
	go func() {
		done <- worker.Run(ctx,
			worker.Config{Pool: pool, Rules: rules, Now: now, Targets: targets, Installation: "acme",
				SealEvery: 20 * time.Millisecond, RulesEvery: 300 * time.Millisecond, TellEvery: 50 * time.Millisecond})
	}()
	stop = sync.OnceFunc(func() {
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
	y.t.Cleanup(stop)
	y.sql("the targets are named", "select count(*) = $1 from review.alert_target", len(targets))
	return stop
}

// anomaly makes one as a rule would, with what must not leave the database in its free text.
func (y *yard) anomaly(rule, severity string) uuid.UUID {
	y.t.Helper()
	return wardtest.One[uuid.UUID](y.e, `with r as (insert into review.rule (id, version, tier, severity, title,
		content_hash, front_matter) values ($1, 1, 'A', $2, 't', 'h', '{}') on conflict do nothing)
		insert into review.anomaly (tenant_id, rule_id, rule_version, tier, severity, actor_id, subject_id, key,
			summary, facts, first_at, last_at)
		values ((select id from tenancy.tenant where slug = 'cedar'), $1, 1, 'A', $2, (select id from tenancy.users
		where slug = 'carla'), gen_random_uuid(), sha256(gen_random_uuid()::text::bytea),
			'Canary Patient was read', '{"what": "Canary Patient", "patient": "Canary"}', '1961-02-03', '1961-02-03')
			returning id`, rule, severity)
}

// tryAgain makes what waits for its next attempt due now.
func (y *yard) tryAgain() {
	y.t.Helper()
	if _, err := y.e.Super.Exec(y.t.Context(), "update river.river_job set state = 'available', scheduled_at = now() "+
		"where kind = 'alert' and state = 'retryable'"); err != nil {
		y.t.Fatal(err)
	}
}

func (y *yard) told(what string) {
	y.t.Helper()
	y.until(what, func() bool {
		y.tryAgain()
		return wardtest.One[bool](y.e, "select count(*) > 0 and bool_and(state <> 'waiting') from review.delivery")
	})
}

// events holds the events against the deliveries: one for each, in its clinic, by ward itself.
func (y *yard) events() {
	y.t.Helper()
	wrong := wardtest.One[int](y.e, `select count(*) from review.delivery d join review.alert n on n.id = d.alert_id
		left join audit.event e on e.event_id = d.event_id
		where d.state <> 'waiting' and (e.action, e.tenant_id, e.user_id, e.actor_kind, e.detail::jsonb ->> 'state',
			e.detail::jsonb ->> 'delivery') is distinct from
			('ship', n.tenant_id, (select id from tenancy.users where slug = 'ward-worker'), 'service', d.state,
			d.id::text)`)
	done := wardtest.One[int](y.e, "select count(*) from review.delivery where state <> 'waiting'")
	events := wardtest.One[int](y.e,
		"select count(*) from audit.event where action = 'ship' and detail::jsonb ->> 'what' = 'alert'")
	if wrong != 0 || events != done || done == 0 {
		y.t.Errorf("%d deliveries are done, %d events tell of it, %d wrongly", done, events, wrong)
	}
}

func alerts(t *testing.T, posts []notifytest.Post) []review.Alert {
	t.Helper()
	list := make([]review.Alert, len(posts))
	for i, p := range posts {
		if err := json.Unmarshal(p.Body, &list[i]); err != nil {
			t.Fatal(err)
		}
		if list[i].ID.String() != p.Header.Get("Webhook-Id") {
			t.Errorf("id %s, header %s", list[i].ID, p.Header.Get("Webhook-Id"))
		}
	}
	return list
}

// TestSomebodyIsTold: of a critical anomaly, a late rule and a short clock, by webhook and by mail, each once and each
// an event; what is less severe goes to who asked for it.
func TestSomebodyIsTold(t *testing.T) {
	a := notifytest.NewAuthority(t)
	hook, server := notifytest.NewHook(t, a, nil), notifytest.NewMailServer(t, a)
	y := newTeller(t, fmt.Sprintf("targets:\n- {name: hook, webhook: %q, ca_file: %q, severity: high, digest: "+
		"false}\n- {name: officer, mail: officer@clinic.test, from: ward@clinic.test, smtp: %q, ca_file: %q, "+
		"digest: false}", hook.URL, a.CAFile, server.Addr, a.CAFile))
	// a clock that is short already when the worker starts, and one that has ten days
	short, long := y.anomaly("T01-medium", "medium"), y.anomaly("T01-medium", "medium")
	for id, days := range map[uuid.UUID]int{short: 51, long: 50} {
		if _, err := y.e.Super.Exec(t.Context(), "update review.anomaly set state = 'escalated', discovered_on = "+
			"review.today() - $2::int, due_on = review.today() + 60 - $2::int where id = $1", id, days); err != nil {
			t.Fatal(err)
		}
	}
	y.start("one", rules(t), time.Now)
	critical, high, medium := y.anomaly("T02-critical", "critical"), y.anomaly("T03-high", "high"),
		y.anomaly("T01-medium", "medium")
	if _, err := y.e.Super.Exec(t.Context(), `insert into review.rule (id, version, tier, severity, title, content_hash,
			front_matter, known_since) values ('T04-late', 1, 'A', 'high', 't', 'h', '{"every": "1s"}',
			now() - interval '1 hour')`); err != nil {
		t.Fatal(err)
	}
	y.sql("four matters", "select count(*) = 4 from review.alert")
	y.told("everything is told")
	if posts := hook.Posts(); len(posts) != 4 {
		t.Fatalf("%d requests", len(posts))
	}
	got := map[string]review.Alert{}
	for _, n := range alerts(t, hook.Posts()) {
		got[n.Kind+" "+n.RuleID] = n
		if n.Installation != "acme" || n.Region != wardtest.Region || n.Target != "hook" ||
			(n.AnomalyID != nil && n.Open != "ward queue show "+n.AnomalyID.String()) {
			t.Errorf("%+v", n)
		}
	}
	if n := got["anomaly T02-critical"]; n.AnomalyID == nil || *n.AnomalyID != critical || n.Severity != "critical" ||
		n.Tenant != "cedar" {
		t.Errorf("critical: %+v", n)
	}
	if n := got["anomaly T03-high"]; n.AnomalyID == nil || *n.AnomalyID != high {
		t.Errorf("high: %+v", n)
	}
	if n := got["late S02-late-rule"]; n.What != "T04-late" {
		t.Errorf("late: %+v", n)
	}
	if n := got["clock T01-medium"]; n.AnomalyID == nil || *n.AnomalyID != short || n.DaysLeft == nil ||
		*n.DaysLeft != 9 || n.DueOn == "" {
		t.Errorf("clock: %+v", n)
	}
	y.until("three mails", func() bool { return len(server.Mails()) == 3 })
	for _, m := range server.Mails() {
		if strings.Contains(m.Data, "T03-high") || !m.TLS {
			t.Errorf("mail: %+v", m)
		}
	}
	y.events()
	if n := wardtest.One[int](y.e, "select count(*) from review.alert where anomaly_id = any ($1)",
		[]uuid.UUID{medium, long}); n != 0 {
		t.Errorf("%d alerts that nobody asked for", n)
	}
	rows, err := review.Alerts(t.Context(), y.e.Reviewer("dana"), 100)
	if err != nil || len(rows) != 7 || slices.ContainsFunc(rows,
		func(r review.AlertRow) bool { return r.State != "delivered" || r.Attempts != 1 || r.EventID == nil }) {
		t.Errorf("%+v, %v", rows, err)
	}
}

// TestAlertIsTriedAgain: what fails is tried again under the same id; what is refused is not, is a dead job, a failed
// delivery with an event, and news for the other targets; and once the cause is gone a reviewer has it sent.
func TestAlertIsTriedAgain(t *testing.T) {
	a := notifytest.NewAuthority(t)
	var mu sync.Mutex
	closed := true
	tries := map[string]int{}
	busy := notifytest.NewHook(t, a, func(_ int, w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		id := r.Header.Get("Webhook-Id")
		tries[id]++
		w.WriteHeader(map[bool]int{true: http.StatusInternalServerError, false: http.StatusOK}[tries[id] <= 2])
	})
	strict := notifytest.NewHook(t, a, func(_ int, w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		w.WriteHeader(map[bool]int{true: http.StatusForbidden, false: http.StatusOK}[closed])
	})
	y := newTeller(t, fmt.Sprintf("targets:\n- {name: busy, webhook: %q, ca_file: %q, digest: false}\n"+
		"- {name: strict, webhook: %q, ca_file: %q, digest: false}", busy.URL, a.CAFile, strict.URL, a.CAFile))
	y.start("one", nil, time.Now)
	y.anomaly("T02-critical", "critical")
	y.sql("the other target is told that one is not reached",
		"select exists (select from review.alert where kind = 'failing' and content ->> 'what' = 'strict')")
	y.told("everything is told or has failed")
	// the matter, and that strict is not reached
	if n := len(alerts(t, busy.Posts())); n != 6 || len(tries) != 2 || len(strict.Posts()) != 1 {
		t.Errorf("%d requests of %v, and %d", n, tries, len(strict.Posts()))
	}
	if n := wardtest.One[int](y.e, "select min(attempts) * 10 + max(attempts) from review.delivery "+
		"where target = 'busy' and state = 'delivered'"); n != 33 {
		t.Errorf("delivered at attempts %d", n)
	}
	y.events()
	dana := y.e.Reviewer("dana")
	dead, err := review.Jobs(t.Context(), dana)
	if err != nil || len(dead) != 1 || !dead[0].Dead || dead[0].Kind != "alert" || dead[0].Error == nil ||
		*dead[0].Error != "tell strict: it answered 403" {
		t.Errorf("dead jobs: %+v, %v", dead, err)
	}
	m := worker.NewMetrics(y.pool("metrics"), time.Now)
	l, err := worker.Listen(t.Context(), ":0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- m.Serve(ctx, l) }()
	if got := scrape(t, l.Addr().String()); !strings.Contains(got, "ward_alerts_failed 1\n") ||
		!strings.Contains(got, "ward_alerts_waiting 0\n") || !strings.Contains(got, "ward_dead_jobs 1\n") {
		t.Errorf("metrics:\n%s", got)
	}
	cancel()
	if err := <-served; err != nil {
		t.Error(err)
	}
	mu.Lock()
	closed = false
	mu.Unlock()
	failed := wardtest.One[uuid.UUID](y.e, "select alert_id from review.delivery where state = 'failed'")
	if n, err := review.RetryAlert(t.Context(), dana, failed.String()[:8]); err != nil || n != 1 {
		t.Fatalf("%d, %v", n, err)
	}
	y.told("it is told in the end")
	if posts := alerts(t, strict.Posts()); len(posts) != 2 || posts[0].ID != posts[1].ID {
		t.Errorf("%+v", posts)
	}
	if _, err := review.RetryAlert(t.Context(), dana, failed.String()); err == nil ||
		!strings.Contains(err.Error(), "has failed") {
		t.Errorf("again: %v", err)
	}
}

// TestAlertOfADeadWorker: a worker is killed when the receiver has the message and nobody has recorded it. Another one
// sends it again, under the same id, and the record says once.
func TestAlertOfADeadWorker(t *testing.T) {
	a := notifytest.NewAuthority(t)
	var first *exec.Cmd
	killed := make(chan struct{})
	hook := notifytest.NewHook(t, a, func(n int, w http.ResponseWriter, r *http.Request) {
		if n == 1 {
			kill(first)
			close(killed)
			<-r.Context().Done()
			return
		}
		w.WriteHeader(http.StatusOK)
	})
	y := newTeller(t, fmt.Sprintf("targets:\n- {name: hook, webhook: %q, ca_file: %q, digest: false}",
		hook.URL, a.CAFile))
	first = y.process(childNotify+"="+y.settings, notify.SecretVariable("hook")+"="+y.secret)
	defer kill(first)
	y.sql("the worker has named its target", "select exists (select from review.alert_target)")
	y.anomaly("T02-critical", "critical")
	select {
	case <-killed:
	case <-time.After(30 * time.Second):
		t.Fatal("nothing was sent")
	}
	y.start("second", nil, time.Now)
	if n := wardtest.One[int](y.e,
		"select count(*) from river.river_job where kind = 'alert' and state = 'running'"); n != 1 {
		t.Fatalf("%d jobs are the dead worker's", n)
	}
	// what River's rescuer does with a job that has been running for a quarter of an hour
	if _, err := y.e.Super.Exec(t.Context(),
		"update river.river_job set state = 'retryable' where kind = 'alert' and state = 'running'"); err != nil {
		t.Fatal(err)
	}
	y.told("it is told")
	posts := alerts(t, hook.Posts())
	if len(posts) != 2 || posts[0].ID != posts[1].ID || string(hook.Posts()[0].Body) == "" {
		t.Errorf("%+v", posts)
	}
	y.events()
}

// TestThreeWorkersTellOnce: of many matters, of a clock and of the day, whoever of three workers comes first, and with
// workers that start anew.
func TestThreeWorkersTellOnce(t *testing.T) {
	a := notifytest.NewAuthority(t)
	hook, server := notifytest.NewHook(t, a, nil), notifytest.NewMailServer(t, a)
	y := newTeller(t, fmt.Sprintf("targets:\n- {name: hook, webhook: %q, ca_file: %q}\n"+
		"- {name: officer, mail: officer@clinic.test, from: ward@clinic.test, smtp: %q, ca_file: %q, digest: false}",
		hook.URL, a.CAFile, server.Addr, a.CAFile))
	id := y.anomaly("T01-medium", "medium")
	if _, err := y.e.Super.Exec(t.Context(), "update review.anomaly set state = 'escalated', "+
		"discovered_on = review.today() - 70, due_on = review.today() - 10 where id = $1", id); err != nil {
		t.Fatal(err)
	}
	noon := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	clock := func() time.Time { return noon }
	var stops []func()
	for i := range 3 {
		stops = append(stops, y.start(fmt.Sprint("worker ", i), nil, clock))
	}
	for i := range 40 {
		y.anomaly("T02-critical", "critical")
		if i == 20 {
			stops[0]()
			stops[0] = y.start("worker 0 again", nil, clock)
		}
	}
	y.sql("everything is entered", "select count(*) = 42 from review.alert")
	y.told("everything is told")
	for _, stop := range stops {
		stop()
	}
	y.start("the next one", nil, clock)
	y.sql("it has looked", "select seen_at > now() - interval '5 seconds' from review.alert_target where name = 'hook'")
	kinds := map[string]int{}
	ids := map[uuid.UUID]int{}
	for _, n := range alerts(t, hook.Posts()) {
		kinds[n.Kind]++
		ids[n.ID]++
	}
	if kinds["digest"] != 1 || kinds["clock"] != 1 || kinds["anomaly"] != 40 || len(ids) != 42 {
		t.Errorf("%v by webhook, %d ids", kinds, len(ids))
	}
	mails := map[string]int{}
	for _, m := range server.Mails() {
		_, rest, _ := strings.Cut(m.Data, "Message-ID: ")
		id, _, _ := strings.Cut(rest, "\n")
		mails[id]++
	}
	if len(server.Mails()) != 41 || len(mails) != 41 {
		t.Errorf("%d mails, %d different ones, want 41", len(server.Mails()), len(mails))
	}
	y.events()
	// and the next day has one more
	y.start("the day after", nil, func() time.Time { return noon.Add(24 * time.Hour) })
	y.sql("another digest", "select count(*) = 2 from review.alert n join review.delivery d on d.alert_id = n.id "+
		"where n.kind = 'digest' and d.state = 'delivered'")
}

// TestDigest says what is open, what is late and what ran out.
func TestDigest(t *testing.T) {
	a := notifytest.NewAuthority(t)
	server := notifytest.NewMailServer(t, a)
	y := newTeller(t, fmt.Sprintf("targets:\n- {name: officer, mail: officer@clinic.test, from: ward@clinic.test, "+
		"smtp: %q, ca_file: %q}", server.Addr, a.CAFile))
	overdue := y.anomaly("T02-critical", "critical") // before anybody was to be told
	y.anomaly("T03-high", "high")
	y.anomaly("T01-medium", "medium")
	if _, err := y.e.Super.Exec(t.Context(), "update review.anomaly set state = 'escalated', "+
		"discovered_on = review.today() - 70, due_on = review.today() - 10 where id = $1", overdue); err != nil {
		t.Fatal(err)
	}
	y.start("one", nil, time.Now)
	y.until("the clock and the digest", func() bool { return len(server.Mails()) == 2 })
	i := slices.IndexFunc(server.Mails(), func(m notifytest.Mail) bool { return strings.Contains(m.Data, "digest of") })
	if i < 0 {
		t.Fatalf("%+v", server.Mails())
	}
	got := server.Mails()[i].Data
	for _, want := range []string{"Subject: [acme] digest of " + time.Now().UTC().Format(time.DateOnly) +
		": critical 1, high 1, clocks overdue\n 1", "cedar                       1      1      1      0\n",
		"all                         1      1      1      0   3 new\n",
		"Oldest: T02-critical at cedar", "ward queue show " + overdue.String(),
		"60-day clocks: 1 overdue, 0 under ten days", "Every rule ran in time."} {
		if !strings.Contains(strings.ReplaceAll(got, "=\n", ""), want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if n := wardtest.One[int](y.e, "select count(*) from review.alert n where not exists (select "+
		"from review.delivery d where d.alert_id = n.id)"); n != 1 {
		t.Errorf("%d alerts went to nobody, want the one of before", n)
	}
}
