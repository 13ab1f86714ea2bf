package tenancy_test

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ward-health/ward/internal/wardtest"
)

// columnsOf is what a row of each reference table needs besides its key and its patient.
var columnsOf = map[string]string{
	"public.patients": "insert into public.patients (tenant_id, id, mrn, first_name, last_name) " +
		"values ($1, $2, 'm', 'f', coalesce($3::text, 'l'))",
	"public.appointments": "insert into public.appointments (tenant_id, id, patient_id, provider_id, scheduled_at) " +
		"values ($1, $2, $3, tenancy.user_id(), now())",
	"public.encounters": "insert into public.encounters (tenant_id, id, patient_id, provider_id, started_at) " +
		"values ($1, $2, $3, tenancy.user_id(), now())",
	"public.notes": "insert into public.notes (tenant_id, id, patient_id, body) values ($1, $2, $3, 'b')",
	"public.attachments": "insert into public.attachments (tenant_id, id, patient_id, file_name, media_type, " +
		"storage_key) values ($1, $2, $3, 'f', 'm', 'k')",
	"public.messages": "insert into public.messages (tenant_id, id, patient_id, provider_id, sender, body) " +
		"values ($1, $2, $3, tenancy.user_id(), 'patient', 'b')",
	"public.care_team": "insert into public.care_team (tenant_id, id, patient_id, member_id, from_at) " +
		"values ($1, $2, $3, tenancy.user_id(), now())",
	"public.claims": "insert into public.claims (tenant_id, id, patient_id, payer, code, amount_cents) " +
		"values ($1, $2, $3, 'p', 'c', 1)",
}

// Role x table x action: what tenancy.permission allows works through a real session, what it does not is refused.
func TestPermissions(t *testing.T) {
	s := newScene(t)
	allowed := map[string]bool{}
	rows, err := s.Super.Query(t.Context(),
		"select role || ' ' || record_table || ' ' || action from tenancy.permission")
	if err != nil {
		t.Fatal(err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(list) == 0 {
		t.Fatalf("%d permissions, %v", len(list), err)
	}
	for _, p := range list {
		allowed[p] = true
	}
	rows, err = s.Super.Query(t.Context(), "select name from tenancy.role order by name")
	if err != nil {
		t.Fatal(err)
	}
	roles, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(roles) < 7 {
		t.Fatalf("roles %v, %v", roles, err)
	}
	if n := wardtest.One[int](s.Env, "select count(*) from tenancy.phi_table"); n != len(columnsOf) {
		t.Fatalf("%d protected tables, the test knows %d", n, len(columnsOf))
	}
	a := s.conn(t)
	casey := s.token("casey@cedar")
	tried := 0
	for _, role := range roles {
		s.super("update tenancy.membership set terminated_at = clock_timestamp(), reason = 'another role' " +
			"where terminated_at is null and user_id = (select id from tenancy.users where slug = 'carla')")
		s.super("insert into tenancy.membership (tenant_id, user_id, role, patient_id) select $1, id, $2, case "+
			"when $2 = 'patient' then $3::uuid end from tenancy.users where slug = 'carla'", s.cedar, role, s.mine)
		token := s.App("carla", "cedar").Tokens().Access
		if _, claims := parts(t, token); claims["role"] != role {
			t.Fatalf("signed in as %v, want %s", claims["role"], role)
		}
		for table, insert := range columnsOf {
			var patient any = s.mine
			if table == "public.patients" {
				patient = nil
			}
			row := uuid.New()
			if role == "patient" && table == "public.patients" {
				row = s.mine // the only one that it reaches
			} else {
				a.accepted(casey, uuid.Nil)
				a.must(insert, s.cedar, row, patient)
				a.must("commit")
			}
			view := strings.Replace(table, "public.", "phi.", 1)
			for _, action := range []string{"view", "find", "create", "modify", "delete", "export"} {
				tried++
				want := allowed[role+" "+table+" "+strings.Replace(action, "find", "view", 1)]
				err := s.perform(a, token, action, table, view, insert, row, patient)
				if want != (err == nil) {
					t.Errorf("%s may %s %s: %v; the database says %v", role, action, table, want, err)
				} else if err != nil && (role != "patient" || table != "public.patients" || action != "delete") {
					// there its records stand in the way before that
					refused(t, err, "42501", "may not")
				}
			}
		}
	}
	if tried != len(roles)*len(columnsOf)*6 || allowed["front_desk public.notes view"] {
		t.Fatalf("%d combinations tried", tried)
	}
}

// perform does one action on one record and undoes what it changed. Changing and deleting take a disclosure first, so a
// role that may not view is refused there.
func (s *scene) perform(a *attacker, token, action, table, view, insert string, row uuid.UUID, patient any) error {
	d := uuid.New()
	ask := func(fn string) error {
		a.accepted(token, uuid.Nil)
		if err := a.try("select "+fn+"($1, $2::text::regclass, $3, 'operations')", d, table,
			[]uuid.UUID{row}); err != nil {
			a.must("rollback")
			return err
		}
		a.must("commit")
		a.accepted(token, d)
		defer a.must("rollback")
		if n := value[int](a, "select count(*) from "+view); n != 1 {
			s.t.Errorf("%s of %s shows %d records", action, table, n)
		}
		return nil
	}
	switch action {
	case "view":
		return ask("audit.disclose")
	case "find":
		const filter = `[{"column": "id", "op": "=", "value": "%s"}]`
		a.accepted(token, d)
		if err := a.try("select audit.find($1, $2::text::regclass, $3::text::jsonb)", d, table,
			fmt.Sprintf(filter, row)); err != nil {
			a.must("rollback")
			return err
		}
		a.must("commit")
		a.accepted(token, d)
		a.must("select audit.evaluate($1::text::regclass, $2::text::jsonb)", table, fmt.Sprintf(filter, row))
		a.must("commit")
		a.accepted(token, d)
		defer a.must("rollback")
		if n := value[int](a, "select count(*) from "+view); n != 1 {
			s.t.Errorf("a search of %s shows %d records", table, n)
		}
		return nil
	case "export":
		return ask("audit.export")
	case "create":
		a.accepted(token, uuid.Nil)
		defer a.must("rollback")
		return a.try(insert, s.cedar, uuid.New(), patient)
	}
	if err := ask("audit.disclose"); err != nil {
		return err // no row without its disclosure
	}
	a.accepted(token, d)
	defer a.must("rollback")
	if action == "delete" {
		return a.try("delete from "+table+" where id = $1", row)
	}
	column := "created_at"
	switch table {
	case "public.messages":
		column = "sent_at"
	case "public.claims":
		column = "submitted_at"
	}
	return a.try("update "+table+" set "+column+" = now() where id = $1", row)
}

// reviewerCalls is, for each action of tenancy.reviewer_action, a call that needs it. "" as SQLSTATE: it works;
// otherwise the call gets past the question who may, and is refused for what it names.
var reviewerCalls = map[string]struct{ sql, code string }{
	"browse": {"select tenancy.browse(gen_random_uuid(), 'tenants')", ""},
	"open":   {"select audit.open(gen_random_uuid(), 'cedar', 'a test of who may')", ""},
	"search": {"select audit.search(gen_random_uuid(), '{}')", ""},
	"export": {"select audit.export_as(gen_random_uuid(), '{}', '{}')", ""},
	"import": {
		"select audit.import_begin(gen_random_uuid(), 'cedar', 'old-ehr', sha256(''), 'a test of who may', true)", ""},
	"configure": {"select tenancy.add_tenant('t-' || left(gen_random_uuid()::text, 8), 'a clinic')", ""},
	"grant":     {"select tenancy.end_grant('ffffffff', 'no such grant')", "02000"},
	"terminate": {"select tenancy.terminate('ffffffff', 'ffffff', 'no such membership')", "02000"},
	"claim":     {"select review.claim('ffffffff', 1)", "02000"},
	"assign":    {"select review.assign('ffffffff', 1, 'dana', 'no such anomaly')", "02000"},
	"note":      {"select review.note('ffffffff', 'no such anomaly')", "02000"},
	"close":     {"select review.close('ffffffff', 1, 'breach', 'no such anomaly')", "02000"},
	"approve":   {"select review.approve('ffffffff', 1, true, 'no such anomaly')", "02000"},
	"reopen":    {"select review.reopen('ffffffff', 1, 'no such anomaly')", "02000"},
	"escalate":  {"select review.escalate('ffffffff', 1, 'no such anomaly')", "02000"},
	"suppress":  {"select review.approve_suppression('ffffffff', 'no such suppression')", "02000"},
	"rule_run":  {"select review.request('rule_run', '{\"rule\": \"none\"}')", "02000"},
	"ship":      {"select review.request('ship', '{}')", ""},
	"verify":    {"select audit.verify_begin(gen_random_uuid(), 'store', null, null, '{}')", ""},
	// that month is not there
	"prune":        {"select audit.request_prune('2000-01', 'a test of who may', true, false)", "55000"},
	"prove":        {"select audit.prove(gen_random_uuid(), -1)", "02000"},
	"revoke":       {"select tenancy.revoke_sessions('ffffffff', null, 'no such session')", "02000"},
	"seal_recover": {"select review.request('seal_recover', '{\"reason\": \"a test of who may\"}')", ""},
}

// Reviewer's role x action, driven from the table.
func TestReviewerActions(t *testing.T) {
	s := newScene(t)
	allowed := s.reviewerActions(t)
	people := map[string]string{"administrator": "root", "compliance_officer": "dana", "auditor": "ana",
		"on_call_engineer": "omar"}
	a := s.connAs(t, "ward_reviewer")
	for role, user := range people {
		token := s.Reviewer(user).Tokens().Access
		for action, call := range reviewerCalls {
			if call.sql == "" {
				continue
			}
			lease := uuid.Nil
			if (action == "search" || action == "export") && slices.Contains(allowed[role], "open") {
				lease = uuid.New() // both narrow a lease that is open
				a.accepted(token, uuid.Nil)
				a.must("select audit.open($1, 'cedar', 'a test of who may')", lease)
				a.must("commit")
			}
			a.accepted(token, lease)
			err := a.try(call.sql)
			a.must("rollback")
			switch want := slices.Contains(allowed[role], action); {
			case !want && err == nil:
				t.Errorf("%s did %s", role, action)
			case !want && action != "search" && action != "export" && action != "open":
				// those two find no lease, open no clinic within reach
				refused(t, err, "42501", "your grants do not let you "+action)
			case want && call.code == "" && err != nil:
				t.Errorf("%s may %s and is refused: %v", role, action, err)
			case want && call.code != "":
				refused(t, err, call.code, "")
			}
		}
	}
	t.Run("an engineer's reach ends at the clinic", func(t *testing.T) {
		token := s.Reviewer("omar").Tokens().Access
		a.accepted(token, uuid.Nil)
		refused(t, a.try("select audit.open(gen_random_uuid(), 'harbor', 'out of reach')"), "02000",
			"within your reach")
		a.must("rollback")
	})
	t.Run("an application's user is no reviewer", func(t *testing.T) {
		app := s.conn(t)
		app.accepted(s.token("casey@cedar"), uuid.Nil)
		refused(t, app.try("select audit.open(gen_random_uuid(), 'cedar', 'not a reviewer')"), "42501",
			"permission denied")
	})
}

func (s *scene) reviewerActions(t *testing.T) map[string][]string {
	t.Helper()
	rows, err := s.Super.Query(t.Context(), "select role, action from tenancy.reviewer_action order by 1, 2")
	if err != nil {
		t.Fatal(err)
	}
	allowed := map[string][]string{}
	var role, action string
	_, err = pgx.ForEachRow(rows, []any{&role, &action}, func() error {
		allowed[role] = append(allowed[role], action)
		if _, ok := reviewerCalls[action]; !ok {
			t.Errorf("no call known that needs %s", action)
		}
		return nil
	})
	if err != nil || len(allowed) != 4 {
		t.Fatalf("%d reviewer roles, %v", len(allowed), err)
	}
	return allowed
}

// The table in docs/SECURITY.md is the database's.
func TestSecurityPageShowsReviewerActions(t *testing.T) {
	s := newScene(t)
	text, err := os.ReadFile("../docs/SECURITY.md")
	if err != nil {
		t.Fatal(err)
	}
	said := map[string][]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| "+
		"([a-z_, ]+) \\|$").FindAllStringSubmatch(string(text), -1) {
		said[m[1]] = strings.Split(m[2], ", ")
		slices.Sort(said[m[1]])
	}
	allowed := s.reviewerActions(t)
	for role, actions := range allowed {
		if !slices.Equal(said[role], actions) {
			t.Errorf("docs/SECURITY.md lets %s %v; the database %v", role, said[role], actions)
		}
	}
	if len(said) != len(allowed) {
		t.Errorf("docs/SECURITY.md names %d roles, the database has %d", len(said), len(allowed))
	}
}

// A reviewer's session reads no clinical table and an application's no reviewer's.
func TestReviewerSeesNoPHI(t *testing.T) {
	s := newScene(t)
	for _, role := range []string{"ward_reviewer", "ward_worker"} {
		a := s.connAs(t, role)
		for table := range columnsOf {
			refused(t, a.try("select id from "+table), "42501", "permission denied")
			refused(t, a.try("select * from "+strings.Replace(table, "public.", "phi.", 1)), "42501",
				"permission denied")
		}
		refused(t, a.try("select audit.disclose(gen_random_uuid(), 'public.patients', array[gen_random_uuid()])"),
			"42501", "permission denied")
	}
	if err := s.Reviewer("dana").Read(t.Context(), ask(s.mine)); err == nil {
		t.Fatal("a reviewer disclosed a patient")
	}
}
