package worker_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ward-health/ward/internal/wardtest"
	"github.com/ward-health/ward/internal/worker"
	"github.com/ward-health/ward/review"
)

func scrape(t *testing.T, addr string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+addr+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %v", resp.Status, err)
	}
	return string(body)
}

// TestMetrics: a worker that seals, ships and runs says so to Prometheus, with a rule that fails until its job is dead;
// and it names no user, no clinic and no patient.
func TestMetrics(t *testing.T) {
	y := newYard(t)
	// few rules: with all of them each second, an attempt of the broken one would wait behind hundreds of jobs
	list := slices.DeleteFunc(rules(t),
		func(r review.Rule) bool { return r.ID != "A02-cross-tenant-denied" && r.ID != "S02-late-rule" })
	bad, err := review.ParseRule("T03-broken", []byte(strings.Replace(fmt.Sprintf(everyView, "T03-broken", "1000h"),
		"min(a.at)", "min(a.at) + make_interval(secs => 1 / (count(*) - count(*)))", 1)))
	if err != nil {
		t.Fatal(err)
	}
	for i := range list {
		list[i].Every = review.Duration(time.Second)
	}
	list = append(list, bad)
	if _, err := y.e.Super.Exec(t.Context(), "insert into river.river_job (args, kind, max_attempts, queue, state, "+
		"scheduled_at) values ('{}', 'ship', 3, 'requests', 'scheduled', now() + interval '1 day')"); err != nil {
		t.Fatal(err)
	}
	pool := y.pool("measured")
	l, err := worker.Listen(t.Context(), ":0")
	if err != nil {
		t.Fatal(err)
	}
	if host, _, _ := strings.Cut(l.Addr().String(), ":"); host != "127.0.0.1" {
		t.Errorf("an address without a host is %s", l.Addr())
	}
	m := worker.NewMetrics(pool, time.Now)
	ctx, cancel := context.WithCancel(t.Context())
	served, ran := make(chan error, 1), make(chan error, 1)
	go func() { served <- m.Serve(ctx, l) }()
	patient := y.e.Patient(y.e.App("casey", "cedar"), "cedar", "Canary")
	if _, err := y.e.Super.Exec(t.Context(), `insert into audit.event (tenant_id, user_id, actor_kind, action,
			record_table, record_id) select t.id, u.id, 'human', 'view', 'public.patients', $1 from tenancy.tenant t,
			tenancy.users u where t.slug = 'cedar' and u.slug = 'casey'`, patient); err != nil {
		t.Fatal(err)
	}
	if got := scrape(t, l.Addr().String()); strings.Contains(got, "ward_seal_lag_seconds 0\n") ||
		strings.Contains(got, "ward_ship_lag_seconds") {
		t.Errorf("before a worker ran:\n%s", got)
	}
	go func() {
		ran <- worker.Run(ctx, worker.Config{Pool: pool, Rules: list, Shipper: y.shipper(pool), Metrics: m,
			SealEvery: 20 * time.Millisecond, ShipEvery: 100 * time.Millisecond, RulesEvery: 200 * time.Millisecond})
	}()
	y.sql("the broken rule has failed", "select exists (select from review.run where rule_id = 'T03-broken')")
	want := []string{
		`ward_up 1`, `ward_dead_jobs 1`, `ward_rule_runs_total\{rule="T03-broken",status="error"\} 5`,
		`ward_rule_runs_total\{rule="A02-cross-tenant-denied",status="ok"\} [1-9]\d*`,
		`ward_rule_lag_seconds\{rule="T03-broken"\} [0-9.e-]+`,
		`ward_rule_lag_seconds\{rule="S02-late-rule"\} [0-9.e-]+`, `ward_seal_lag_seconds [0-9.e-]+`,
		`ward_ship_lag_seconds [0-9.e-]+`,
		`ward_failures_total\{what="seal"\} 0`, `ward_failures_total\{what="ship"\} 0`,
		`ward_failures_total\{what="scrape"\} 0`, `ward_jobs\{queue="requests",state="scheduled"\} 1`,
	}
	var got string
	t.Cleanup(func() { t.Log(got) })
	y.until("every figure is there", func() bool {
		// nobody waits for the next attempt
		if _, err := y.e.Super.Exec(t.Context(), "update river.river_job "+
			"set state = 'available', scheduled_at = now() where state = 'retryable'"); err != nil {
			t.Fatal(err)
		}
		got = scrape(t, l.Addr().String())
		return !slices.ContainsFunc(want,
			func(w string) bool { return !regexp.MustCompile(`(?m)^` + w + `$`).MatchString(got) })
	})
	for _, secret := range wardtest.One[[]string](y.e, "select array_agg(x) from (select slug as x "+
		"from tenancy.users union select id::text from tenancy.users union select slug from tenancy.tenant union "+
		"select id::text from tenancy.tenant union select $1) y", patient.String()) {
		if strings.Contains(got, `"`+secret+`"`) {
			t.Errorf("the metrics name %q", secret)
		}
	}
	dead, err := review.Jobs(t.Context(), y.e.Reviewer("dana"))
	if err != nil || len(dead) == 0 || !dead[0].Dead || dead[0].RuleID == nil || *dead[0].RuleID != "T03-broken" ||
		dead[0].Error == nil || !strings.Contains(*dead[0].Error, "division by zero") || dead[0].Attempt != 5 {
		t.Errorf("dead jobs: %+v, %v", dead, err)
	}
	if n := wardtest.One[int](y.e, "select count(*) from audit.event where action = 'browse' "+
		"and detail::jsonb ->> 'screen' = 'list:jobs'"); n != 1 {
		t.Errorf("the look at the jobs is %d events", n)
	}
	cancel()
	if err := <-ran; err != nil {
		t.Error(err)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
}
