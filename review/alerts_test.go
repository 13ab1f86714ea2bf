package review_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/ward-health/ward/internal/wardtest"
	"github.com/ward-health/ward/review"
)

const insertAnomaly = `insert into review.anomaly (tenant_id, rule_id, rule_version, tier, severity, actor_id,
	subject_id, key, summary, first_at, last_at)
	values ((select id from tenancy.tenant where slug = $1), $2, 1, 'A', $3, (select id from tenancy.users
	where slug = 'carla'), gen_random_uuid(), sha256(gen_random_uuid()::text::bytea), 'Canary', now(), now())
		returning id`

func alertWorld(t *testing.T) *wardtest.Env {
	t.Helper()
	e := wardtest.New(t)
	if _, err := e.Super.Exec(t.Context(), "insert into review.rule (id, version, tier, severity, title, "+
		"content_hash, front_matter) values ('R1', 1, 'A', 'high', 't', 'h', '{}')"); err != nil {
		t.Fatal(err)
	}
	return e
}

func name(t *testing.T, e *wardtest.Env, targets ...review.AlertTarget) {
	t.Helper()
	if err := review.NameTargets(t.Context(), e.Open("ward_worker").Pool(), targets); err != nil {
		t.Fatal(err)
	}
}

// TestOutboxIsOneWithItsAnomaly: what is rolled back is told to nobody, what commits has its deliveries, each once, and
// only to those who want it.
func TestOutboxIsOneWithItsAnomaly(t *testing.T) {
	e := alertWorld(t)
	name(t, e, review.AlertTarget{Name: "all", Kind: "mail", Severity: "low"}, review.AlertTarget{Name: "grave",
		Kind: "webhook", Severity: "critical"}, review.AlertTarget{Name: "gone", Kind: "webhook", Severity: "low"})
	if _, err := e.Super.Exec(t.Context(),
		"update review.alert_target set seen_at = now() - interval '61 minutes' where name = 'gone'"); err != nil {
		t.Fatal(err)
	}
	tx, err := e.Super.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), insertAnomaly, "cedar", "R1", "critical"); err != nil {
		t.Fatal(err)
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := wardtest.One[int](e, "select count(*) from review.alert"); n != 0 {
		t.Fatalf("%d alerts of what never was", n)
	}
	for severity, want := range map[string]string{"critical": "all grave", "high": "all", "low": "all"} {
		id := wardtest.One[uuid.UUID](e, insertAnomaly, "cedar", "R1", severity)
		if got := wardtest.One[string](e, "select coalesce(string_agg(d.target, ' ' order by d.target), '') from "+
			"review.alert n join review.delivery d on d.alert_id = n.id where n.anomaly_id = $1", id); got != want {
			t.Errorf("%s went to %q, want %q", severity, got, want)
		}
		// the same matter, entered again
		if n := wardtest.One[*uuid.UUID](e, "select review.tell('anomaly/' || $1, 'anomaly', tenant_id, id, "+
			"severity, '{}') from review.anomaly where id = $2", id.String(), id); n != nil {
			t.Errorf("%s is told twice", severity)
		}
	}
	if n := wardtest.One[int](e, "select count(*) from review.delivery"); n != 4 {
		t.Errorf("%d deliveries", n)
	}
}

// TestAnAlertHoldsNoText: its content has ids, words of the schema and dates of ward's own work. A rule's free text,
// also in the fact that names what is late, is not in it.
func TestAnAlertHoldsNoText(t *testing.T) {
	e := alertWorld(t)
	name(t, e, review.AlertTarget{Name: "all", Kind: "mail", Severity: "low", Digest: true})
	if _, err := e.Super.Exec(t.Context(), "insert into review.rule (id, version, tier, severity, title, "+
		"content_hash, front_matter) values ('S02-late-rule', 1, 'S', 'high', 't', 'h', '{}')"); err != nil {
		t.Fatal(err)
	}
	for what, want := range map[string]string{"R1": "R1", "sealing": "sealing", "Canary": ""} {
		id := wardtest.One[uuid.UUID](e,
			strings.Replace(strings.Replace(insertAnomaly, "summary,", "summary, facts,", 1), "'Canary',",
				"'Canary', jsonb_build_object('what', $4::text),", 1), "cedar", "S02-late-rule", "high", what)
		if got := wardtest.One[string](e, "select kind || ' ' || coalesce(content ->> 'what', '') from review.alert "+
			"where anomaly_id = $1", id); got != "late "+want {
			t.Errorf("late %s: %q", what, got)
		}
	}
	pool := e.Open("ward_worker").Pool()
	if err := review.TellDue(t.Context(), pool, "2026-11-27"); err != nil {
		t.Fatal(err)
	}
	ids, err := review.DueDeliveries(t.Context(), pool)
	if err != nil || len(ids) != 4 {
		t.Fatalf("%d deliveries, %v", len(ids), err)
	}
	if n := wardtest.One[int](e, "select count(*) from review.alert where content::text ilike '%canary%' "+
		"or content::text ~ (select string_agg(id::text || '|' || slug, '|') from tenancy.users)"); n != 0 {
		t.Errorf("%d alerts name somebody, or say what a rule said", n)
	}
}

// TestClocks: the one under ten days is told, the one that ran out too, once each; the one with ten days and the one
// that nobody looked at and that is not grave are not.
func TestAlertsOfClocks(t *testing.T) {
	e := alertWorld(t)
	name(t, e, review.AlertTarget{Name: "grave", Kind: "mail", Severity: "critical"})
	pool := e.Open("ward_worker").Pool()
	ids := map[string]uuid.UUID{}
	for _, c := range []struct {
		what, severity, state string
		days                  int
	}{{"nine left", "high", "new", 51}, {"ten left", "high", "new", 50}, {"the last day", "critical", "new", 60},
		{"overdue", "high", "new", 61}, {"low, nobody looked", "low", "new", 61},
		{"low, an incident", "low", "escalated", 52}} {
		ids[c.what] = wardtest.One[uuid.UUID](e, insertAnomaly, "cedar", "R1", c.severity)
		if _, err := e.Super.Exec(t.Context(), "update review.anomaly set state = $2, "+
			"discovered_on = review.today() - $3::int, due_on = review.today() + 60 - $3::int where id = $1",
			ids[c.what], c.state, c.days); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		if err := review.TellDue(t.Context(), pool, ""); err != nil {
			t.Fatal(err)
		}
	}
	want := map[string]string{"nine left": "clock 9", "the last day": "clock 0", "overdue": "overdue -1",
		"low, an incident": "clock 8"}
	for what, id := range ids {
		got := wardtest.One[string](e, "select coalesce(string_agg(split_part(matter, '/', 1) || ' ' || (content ->> "+
			"'days_left'), ', '), '') from review.alert where kind = 'clock' and anomaly_id = $1", id)
		if got != want[what] {
			t.Errorf("%s: %q, want %q", what, got, want[what])
		}
	}
	// a day later
	if _, err := e.Super.Exec(t.Context(), "update review.anomaly set due_on = due_on - 1 where id = $1",
		ids["the last day"]); err != nil {
		t.Fatal(err)
	}
	if err := review.TellDue(t.Context(), pool, ""); err != nil {
		t.Fatal(err)
	}
	if got := wardtest.One[int](e, "select count(*) from review.alert where kind = 'clock' and anomaly_id = $1",
		ids["the last day"]); got != 2 {
		t.Errorf("a clock that ran out was told %d times", got)
	}
}

func denied(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == "42501"
}

// TestAlertRights: what the worker may do goes through functions; nobody changes what was told, or deletes that it was.
func TestAlertRights(t *testing.T) {
	e := alertWorld(t)
	name(t, e, review.AlertTarget{Name: "all", Kind: "mail", Severity: "low"})
	wardtest.One[uuid.UUID](e, insertAnomaly, "cedar", "R1", "critical")
	for _, role := range []string{"ward_worker", "ward_reviewer", "ward_app", "ward_identity"} {
		conn := e.Conn(role)
		for _, sql := range []string{"update review.delivery set attempts = 5", "delete from review.delivery",
			"delete from review.alert", "insert into review.alert (matter, kind, tenant_id, severity, content) " +
				"select 'x', 'anomaly', id, 'low', '{}' from tenancy.tenant",
			"select review.tell('x', 'anomaly', tenancy.installation(), null, 'critical', '{\"a\": 1}')",
			"select review.delivery_event(d, 'delivered') from review.delivery d", "truncate review.delivery",
			"insert into review.alert_target values ('x', 'mail', 'low', true)"} {
			if _, err := conn.Exec(t.Context(), sql); !denied(err) {
				t.Errorf("%s: %s: %v", role, sql, err)
			}
		}
		if role != "ward_worker" {
			for _, sql := range []string{"select review.delivered(gen_random_uuid())",
				"select review.undelivered(gen_random_uuid(), '', true)", "select review.message(gen_random_uuid())",
				"select review.name_targets('[]')", "select review.tell_digest('2026-11-27')"} {
				if _, err := conn.Exec(t.Context(), sql); !denied(err) {
					t.Errorf("%s: %s: %v", role, sql, err)
				}
			}
		}
	}
	for _, sql := range []string{"update review.alert set content = '{}'", "delete from review.alert",
		"truncate review.alert cascade", "delete from review.delivery", "truncate review.delivery"} {
		if _, err := e.Super.Exec(t.Context(), sql); err == nil {
			t.Errorf("the superuser can without taking a trigger away: %s", sql)
		}
	}
	pool := e.Open("ward_worker").Pool()
	if err := review.NameTargets(t.Context(), pool,
		[]review.AlertTarget{{Name: "a\r\nb", Kind: "mail", Severity: "low"}}); err == nil {
		t.Error("a target with a line break in its name")
	}
}

// TestReachOfAlerts: a reviewer sees what is of a clinic within reach, and leaves an event there; what is of the
// installation is for who reaches every clinic.
func TestReachOfAlerts(t *testing.T) {
	e := alertWorld(t)
	name(t, e, review.AlertTarget{Name: "all", Kind: "mail", Severity: "low", Digest: true})
	for _, tenant := range []string{"cedar", "harbor"} {
		wardtest.One[uuid.UUID](e, insertAnomaly, tenant, "R1", "critical")
	}
	if err := review.TellDue(t.Context(), e.Open("ward_worker").Pool(),
		time.Now().UTC().Format(time.DateOnly)); err != nil {
		t.Fatal(err)
	}
	for who, want := range map[string]int{"dana": 3, "omar": 1} {
		rows, err := review.Alerts(t.Context(), e.Reviewer(who), 10)
		if err != nil || len(rows) != want || rows[len(rows)-1].State != "waiting" {
			t.Errorf("%s: %+v, %v", who, rows, err)
		}
		for _, r := range rows {
			if who == "omar" && r.Tenant != "cedar" {
				t.Errorf("omar sees %+v", r)
			}
		}
	}
	if n := wardtest.One[int](e, `select count(*) from audit.event e join tenancy.users u on u.id = e.user_id
			join tenancy.tenant t on t.id = e.tenant_id where u.slug = 'omar' and e.action = 'browse'
				and e.detail::jsonb ->> 'screen' = 'alerts' and t.slug = 'cedar'`); n != 1 {
		t.Errorf("omar's look is %d events at cedar", n)
	}
	if _, err := review.TestAlert(t.Context(), e.Reviewer("omar"), []string{"all"}); err == nil {
		t.Error("an engineer of one clinic sends test messages")
	}
	if _, err := review.RetryAlert(t.Context(), e.Reviewer("omar"),
		wardtest.One[uuid.UUID](e, "select id from review.alert where kind = 'digest'").String()); err == nil {
		t.Error("an engineer of one clinic sends again")
	}
}
