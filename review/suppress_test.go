package review_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/ward-health/ward/internal/wardtest"
	"github.com/ward-health/ward/review"
	"github.com/ward-health/ward/tenancy"
)

// TestSuppression: two people hold back what a rule finds about a matter; it is stored as suppressed, counted, and over
// when it ends.
func TestSuppression(t *testing.T) {
	t.Parallel()
	w, s, rule := newLedger(t)
	dana, eli := w.e.Reviewer("dana"), w.e.Reviewer("eli")
	ask := review.NewSuppression{Rule: ruleID, Tenant: "cedar-0", Actor: "casey-0", Reason: "a recall",
		Ticket: "T-1", Days: 20}
	got, err := review.Suppress(t.Context(), dana, ask)
	if err != nil || got.State != "pending" || got.Hits != 0 {
		t.Fatalf("%+v, %v", got, err)
	}
	s.views(2, "casey", "carla")
	if res := w.mustRun(rule); res.Suppressed != 0 || res.Created != 2 {
		t.Errorf("what nobody approved holds back: %+v", res)
	}
	if _, err := review.ApproveSuppression(t.Context(), dana, got.ID.String(),
		"my own"); !errors.Is(err, tenancy.ErrSeparation) {
		t.Errorf("the one who asked approves: %v", err)
	}
	if got, err = review.ApproveSuppression(t.Context(), eli, got.ID.String()[:8], "read the ticket"); err != nil ||
		got.State != "active" {
		t.Fatalf("%+v, %v", got, err)
	}
	s.views(3, "casey", "carla")
	if res := w.mustRun(rule); res.Suppressed != 1 || res.Merged != 1 || res.Created != 0 || res.Matched != 2 {
		t.Errorf("%+v", res)
	}
	w.do("update review.rule set cursor_batch = 0 where id = $1", ruleID)
	if res := w.mustRun(rule); res.Suppressed != 0 {
		t.Errorf("found again: %+v", res)
	}
	s.views(1, "casey")
	w.mustRun(rule)
	state := wardtest.One[string](w.e, `select string_agg(a.state || ' ' || (select count(*) from review.evidence e
			where e.anomaly_id = a.id), ', ' order by a.state) from review.anomaly a join tenancy.users u
				on u.id = a.actor_id where u.slug = 'casey-0'`)
	list, err := review.Suppressions(t.Context(), dana)
	if state != "new 2, suppressed 4" || err != nil || len(list) != 1 || list[0].Hits != 2 {
		t.Errorf("in the queue %q, of %+v, %v", state, list, err)
	}
	again, err := review.Suppress(t.Context(), dana,
		review.NewSuppression{Renews: got.ID.String(), Reason: "the second wave", Ticket: "T-2", Days: 10})
	if err != nil || again.Actor == nil || *again.Actor != "casey-0" || !again.StartsAt.Equal(got.ExpiresAt) {
		t.Errorf("a renewal: %+v, %v", again, err)
	}
	if _, err := review.EndSuppression(t.Context(), dana, got.ID.String(), "over"); err != nil {
		t.Fatal(err)
	}
	s.views(1, "casey")
	if res := w.mustRun(rule); res.Suppressed != 0 || res.Merged != 1 {
		t.Errorf("after the end: %+v", res)
	}
	if n := wardtest.One[int](w.e, "select count(*) from audit.event where action = 'suppress' "+
		"and detail::jsonb ->> 'suppression' is not null"); n != 4 {
		t.Errorf("%d events, want 4", n)
	}
}

// TestSuppressionIsNarrow: evidence beyond the matter is an anomaly as before.
func TestSuppressionIsNarrow(t *testing.T) {
	t.Parallel()
	w, s, rule := newLedger(t)
	patient := s.ID("p")
	got, err := review.Suppress(t.Context(), w.e.Reviewer("dana"), review.NewSuppression{Rule: ruleID,
		Tenant: "cedar-0", Patient: &patient, Reason: "a recall", Ticket: "T-1", Days: 1})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := review.ApproveSuppression(t.Context(), w.e.Reviewer("eli"), got.ID.String(),
		"read the ticket"); err != nil {
		t.Fatal(err)
	}
	s.Events = []review.TestEvent{{User: "casey", Record: "p", At: "-1h"}, {User: "carla", Record: "p", At: "-1h"},
		{User: "carla", Record: "q", At: "-1h"}, {User: "hugo", Tenant: "harbor", Record: "p", At: "-1h"}}
	w.arrange(first)
	w.seal(w.Now)
	if res := w.mustRun(rule); res.Suppressed != 1 || res.Created != 2 {
		t.Errorf("%+v", res)
	}
}

// TestSuppressionIsNotForItsOwn: what the one who asked or approved does, under whatever account, is found as ever.
func TestSuppressionIsNotForItsOwn(t *testing.T) {
	t.Parallel()
	w, s, rule := newLedger(t)
	patient := s.ID("p")
	got, err := review.Suppress(t.Context(), w.e.Reviewer("dana"), review.NewSuppression{Rule: ruleID,
		Tenant: "cedar-0", Patient: &patient, Reason: "a recall", Ticket: "T-1", Days: 1})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := review.ApproveSuppression(t.Context(), w.e.Reviewer("eli"), got.ID.String(),
		"read the ticket"); err != nil {
		t.Fatal(err)
	}
	w.do(`insert into tenancy.account_link (user_id, same_as, linked_by, reason) select c.id, e.id, r.id, 'one person'
			from tenancy.users c, tenancy.users e, tenancy.users r where c.slug = 'carla-0' and e.slug = 'eli'
				and r.slug = 'root'`)
	s.Events = []review.TestEvent{{User: "casey", Record: "p", At: "-1h"}, {User: "carla", Record: "p", At: "-1h"}}
	w.arrange(first)
	w.seal(w.Now)
	if res := w.mustRun(rule); res.Suppressed != 1 || res.Created != 1 {
		t.Errorf("%+v", res)
	}
}

// TestSuppressionRefuses what would make a hole: in the functions, and in the table itself.
func TestSuppressionRefuses(t *testing.T) {
	t.Parallel()
	w, s, _ := newLedger(t)
	dana := w.e.Reviewer("dana")
	good := review.NewSuppression{Rule: ruleID, Tenant: "cedar-0", Actor: "casey-0", Reason: "a recall",
		Ticket: "T-1", Days: 20}
	for want, change := range map[string]func(*review.NewSuppression){
		"reason":                    func(n *review.NewSuppression) { n.Reason = " no " },
		"ticket":                    func(n *review.NewSuppression) { n.Ticket = " " },
		"1 to 90":                   func(n *review.NewSuppression) { n.Days = 91 },
		"lasts 1 to 90 days":        func(n *review.NewSuppression) { n.Days = 0 },
		"no clinic":                 func(n *review.NewSuppression) { n.Tenant = "nowhere" },
		"must say what it is about": func(n *review.NewSuppression) { n.Actor = "" },
		"0 rules begin":             func(n *review.NewSuppression) { n.Rule = "Z99" },
		"about yourself":            func(n *review.NewSuppression) { n.Actor = "dana" },
		"keeps the rule, clinic":    func(n *review.NewSuppression) { n.Renews = uuid.NewString() },
	} {
		n := good
		change(&n)
		if want == "keeps the rule, clinic" {
			first, err := review.Suppress(t.Context(), dana, good)
			if err != nil {
				t.Fatal(err)
			}
			n.Renews = first.ID.String()
		}
		if _, err := review.Suppress(t.Context(), dana, n); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q in it", err, want)
		}
	}
	if _, err := review.Suppress(t.Context(), w.e.Reviewer("ana"), good); err == nil {
		t.Error("an auditor suppresses")
	}
	for want, sql := range map[string]string{
		"ends": `insert into review.suppression (rule_id, tier, tenant_id, actor_id, reason,
				ticket, created_by, starts_at, expires_at, event_id) select $1, 'B', $2, $3, 'a recall', 'T', $3, now(),
				now() + interval '91 days', 1`,
		"tier": `insert into review.suppression (rule_id, tier, tenant_id, actor_id, reason,
				ticket, created_by, starts_at, expires_at, event_id) select $1, 'A', $2, $3, 'a recall', 'T', $3, now(),
				now() + interval '8 days', 1`,
		"expires_at": "insert into review.suppression (rule_id, tier, tenant_id, patient_id, " +
			"reason, ticket, created_by, starts_at, event_id) select $1, 'B', $2, $3, 'a recall', 'T', $3, now(), 1",
		"not_backdated": `insert into review.suppression (rule_id, tier, tenant_id, patient_id,
				reason, ticket, created_by, starts_at, expires_at, event_id) select $1, 'B', $2, $3, 'a recall', 'T',
				$3, now() - interval '2 days', now(), 1`,
		"says_whom": "insert into review.suppression (rule_id, tier, tenant_id, reason, " +
			"ticket, created_by, starts_at, expires_at, event_id) select $1, 'B', $2, 'a recall', 'T', $3, now(), " +
			"now() + interval '1 day', 1",
		"nobody_suppresses_about_themself": `insert into review.suppression (rule_id, tier, tenant_id, actor_id, reason,
				ticket, created_by, starts_at, expires_at, event_id) select $1, 'B', $2, $3, 'a recall', 'T', $3, now(),
				now() + interval '1 day', 1`,
		"inserted without approval": `insert into review.suppression (rule_id, tier, tenant_id, patient_id, reason,
				ticket, created_by, approved_by, approved_at, starts_at, expires_at, event_id) select $1, 'B', $2, $3,
				'a recall', 'T', $3, $3, now(), now(), now() + interval '1 day', 1`,
		"cannot be changed": "update review.suppression set expires_at = expires_at + interval '1 day' " +
			"where $1 <> '' " +
			"and $2 <> $3::uuid",
		"second_person": "update review.suppression set approved_by = created_by, approved_at = now() where $1 <> '' " +
			"and $2 <> $3::uuid",
		"never removed": "delete from review.suppression where $1 <> '' and $2 <> $3::uuid",
	} {
		if _, err := w.e.Super.Exec(t.Context(), sql, ruleID, s.Tenants["cedar"], s.Users["casey"]); err == nil ||
			!strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	for _, sql := range []string{"update review.suppression set expires_at = 'infinity'",
		"update review.suppression set approved_by = gen_random_uuid()",
		"insert into review.suppression default values", "update review.suppression set hits = 0, actor_id = null"} {
		if _, err := w.worker.Exec(t.Context(), sql); err == nil ||
			!strings.Contains(err.Error(), "permission denied") {
			t.Errorf("the worker: %s: %v", sql, err)
		}
	}
}

// TestDedupWindow: within the window of an anomaly a rule may let its closed one take more evidence; closing it moves
// no window.
func TestDedupWindow(t *testing.T) {
	t.Parallel()
	w, s, _ := newLedger(t)
	absorbing := parse(t,
		strings.Replace(goodRule, "every: 1m", "dedup: {window: 1h, on_closed: absorb}\nevery: 1m", 1))
	linking := parse(t, strings.Replace(goodRule, "every: 1m",
		"dedup: {window: 1h, on_closed: new_linked}\nevery: 1m", 1))
	step := func(what string, rule *review.Rule, created, merged int) {
		t.Helper()
		s.views(1, "casey")
		if res := w.mustRun(rule); res.Created != created || res.Merged != merged {
			t.Errorf("%s: %+v", what, res)
		}
		w.do("update review.anomaly set state = 'closed', disposition = 'test_data', closed_by = (select id " +
			"from tenancy.users where slug = 'eli'), closed_at = now(), close_reason = 'why'")
	}
	step("the first", absorbing, 1, 0)
	step("closed within the window", absorbing, 0, 1)
	w.do("update review.anomaly set created_at = created_at - interval '61 minutes'")
	step("closed just now, made an hour ago", absorbing, 1, 0)
	step("linked", linking, 1, 0)
}
