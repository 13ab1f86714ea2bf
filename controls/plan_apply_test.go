package controls_test

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ward-health/ward/controls"
	"github.com/ward-health/ward/internal/wardtest"
	"github.com/ward-health/ward/tenancy"
)

// The migration as psql runs it: every row is kept under its clinic, the controls find nothing, a second plan has
// nothing to do, references act as before, and the other clinic stays out of reach.
func TestPlanApplied(t *testing.T) {
	c := newCustomer(t)
	name := c.database(t)
	plan := c.whole(t, name)
	super := c.connect(t, "postgres", name)
	before := rows(t, super)
	total := 0
	for _, n := range before {
		total += n
	}
	if total < 200 {
		t.Fatalf("%d rows: the test is about rows", total)
	}
	touched := get[string](t, super, "select md5(string_agg(updated_at::text, ',' order by mrn)) from public.clients")
	if err := c.psql(t, name, plan.SQL(false)); err != nil {
		t.Fatal(err)
	}
	if after := rows(t, super); !maps.Equal(after, before) {
		t.Fatalf("rows %v, before %v", after, before)
	}
	if got := get[string](t, super,
		"select md5(string_agg(updated_at::text, ',' order by mrn)) from public.clients"); got != touched {
		t.Error("the customer's triggers ran for rows that nobody wrote")
	}
	if n := get[int](t, super, "select count(*) from pg_trigger where tgname = 'touch' and tgenabled = 'O'"); n != 2 {
		t.Errorf("%d of the customer's triggers are on", n)
	}
	for what, sql := range map[string]string{
		"a client's clinic": "select count(*) from public.clients c join public.orgs o on o.id = c.org_id " +
			"where o.ward_tenant = c.tenant_id",
		"a booking's client": "select count(*) from public.bookings b join public.clients c " +
			"on (c.tenant_id, c.id) = (b.tenant_id, b.patient_id) where c.old_id = b.old_patient_id",
		"a note's booking": "select count(*) from public.chart_notes n join public.bookings b " +
			"on (b.tenant_id, b.id) = (n.tenant_id, n.appointment_id)",
		"a prescription's note": "select count(*) from public.prescriptions r join public.chart_notes n " +
			"on (n.tenant_id, n.id) = (r.tenant_id, r.note_id) where n.old_id = r.old_note_id",
		"a reading's client": "select count(*) from public.readings r join public.clients c " +
			"on (c.tenant_id, c.id) = (r.tenant_id, r.device_patient)",
		"an event's record": "select count(*) from tenancy.record where record_table = 'public.clients'",
		"a thread's, both sides": "select (select count(*) from public.threads) + (select count(*) " +
			"from public.threads_2025)",
	} {
		if n := get[int](t, super, sql); n != 40 {
			t.Errorf("%s: %d, want 40", what, n)
		}
	}
	if n := get[int](t, super, "select count(*) from public.clients c join public.clients g "+
		"on (g.tenant_id, g.id) = (c.tenant_id, c.guardian_id) where g.old_id = c.old_guardian_id"); n != 10 {
		t.Errorf("%d guardians, want 10", n)
	}
	found, err := controls.Unprotected(t.Context(), c.connect(t, "ward_migrate", name))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range found {
		t.Error(f)
	}
	w := wish()
	again, err := controls.PlanProtect(t.Context(), c.connect(t, "postgres", name), w)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range again.Obstacles {
		t.Errorf("still there: %+v", o)
	}
	if err := c.psql(t, name, again.SQL(false)); err != nil {
		t.Errorf("a second time: %v", err)
	}
	if found, err := controls.Unprotected(t.Context(), c.connect(t, "ward_migrate", name)); err != nil ||
		len(found) > 0 {
		t.Errorf("after a second time: %v, %v", found, err)
	}
	t.Run("references act as before", func(t *testing.T) { c.actions(t, name) })
	t.Run("the other clinic", func(t *testing.T) { c.attack(t, name) })
}

func (c *customer) session(t *testing.T, name, user, tenant string) *tenancy.Session {
	t.Helper()
	db, err := tenancy.Open(t.Context(), c.DSN("ward_app", name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	tokens, err := db.SignIn(t.Context(), tenancy.Credentials{User: user, Password: wardtest.Password, Tenant: tenant})
	if err != nil {
		t.Fatal(err)
	}
	return tenancy.NewSession(db, tokens, time.Now, nil)
}

// actions: cascade, restrict and set null, through the application, at cedar (org 1: even numbers).
func (c *customer) actions(t *testing.T, name string) {
	super := c.connect(t, "postgres", name)
	casey := c.session(t, name, "casey", "cedar")
	del := func(table string, id uuid.UUID) error {
		return casey.Write(t.Context(), tenancy.Ask{Table: table, IDs: []uuid.UUID{id}, Purpose: "treatment"},
			tenancy.Do("delete from "+table+" where id = $1", id))
	}
	client := get[uuid.UUID](t, super, "select id from public.clients where old_id = 40")
	guarded := get[uuid.UUID](t, super, "select guardian_id from public.clients where old_id = 40")
	if err := del("public.clients", client); err == nil ||
		!strings.Contains(err.Error(), "chart_notes_patient_id_fkey") {
		t.Fatalf("restrict: %v", err)
	}
	booking := get[uuid.UUID](t, super, "select id from public.bookings where patient_id = $1", client)
	if err := del("public.bookings", booking); err != nil {
		t.Fatal(err)
	}
	if n := get[int](t, super, "select count(*) from public.chart_notes where patient_id = $1 "+
		"and appointment_id is null and tenant_id is not null", client); n != 1 {
		t.Fatal("set null: the note still names its booking, or lost its clinic")
	}
	note := get[uuid.UUID](t, super, "select id from public.chart_notes where patient_id = $1", client)
	if err := del("public.chart_notes", note); err != nil {
		t.Fatal(err)
	}
	if n := get[int](t, super, "select count(*) from public.prescriptions where patient_id = $1", client); n != 0 {
		t.Fatal("cascade: a prescription outlived its note")
	}
	// 38 is 40's guardian
	note38 := get[uuid.UUID](t, super, "select id from public.chart_notes where patient_id = $1", guarded)
	if err := del("public.chart_notes", note38); err != nil {
		t.Fatal(err)
	}
	if err := del("public.clients", guarded); err != nil {
		t.Fatal(err)
	}
	if n := get[int](t, super,
		"select count(*) from public.clients where old_id = 40 and guardian_id is null"); n != 1 {
		t.Fatal("deferred set null: a guardian who is gone is still named")
	}
	for _, table := range []string{"bookings", "devices", "threads", "threads_2025"} {
		if n := get[int](t, super, "select count(*) from public."+table+" where patient_id = $1", guarded); n != 0 {
			t.Errorf("cascade: %s outlived their patient", table)
		}
	}
	if n := get[int](t, super, "select count(*) from audit.event where action = 'delete'"); n != 10 {
		t.Errorf("%d delete events, want 10: four asked for and what went with them", n)
	}
	if n := get[int](t, super, "select count(*) from public.clients where tenant_id <> (select id "+
		"from tenancy.tenant where slug = 'cedar')"); n != 20 {
		t.Errorf("harbor has %d clients left, want 20", n)
	}
}

// attack: what cedar's session can do to harbor's rows.
func (c *customer) attack(t *testing.T, name string) {
	super := c.connect(t, "postgres", name)
	casey, hugo := c.session(t, name, "casey", "cedar"), c.session(t, name, "hugo", "harbor")
	theirs := get[uuid.UUID](t, super, "select id from public.clients where old_id = 1")
	harbor := get[uuid.UUID](t, super, "select id from tenancy.tenant where slug = 'harbor'")
	count := func(s *tenancy.Session) (n int) {
		t.Helper()
		err := s.Read(t.Context(), tenancy.Ask{Table: "public.clients", IDs: []uuid.UUID{theirs}, Purpose: "treatment"},
			tenancy.Do("select count(*) from phi.clients where last_name like 'Canary%'").Scan(&n))
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := count(hugo); n != 1 {
		t.Fatalf("harbor's own session sees %d", n)
	}
	if n := count(casey); n != 0 {
		t.Fatalf("cedar sees %d of harbor's", n)
	}
	attempt := func(what, words, sql string, args ...any) {
		t.Helper()
		err := casey.Tx(t.Context(), uuid.Nil, func(tx tenancy.Tx) error {
			_, err := tx.Exec(t.Context(), sql, args...)
			return err
		})
		if err == nil || !strings.Contains(err.Error(), words) || strings.Contains(err.Error(), "anary") {
			t.Errorf("%s: not refused with %q", what, words)
		}
	}
	attempt("read past the view", "permission denied", "select last_name from public.clients")
	attempt("write into harbor", "row-level security",
		"insert into public.devices (tenant_id, id, patient_id, serial, model) values ($1, $2, $3, 'x', 'x')", harbor,
		uuid.New(), theirs)
	attempt("point at harbor's client", "foreign key", "insert into public.devices (tenant_id, id, patient_id, "+
		"serial, model) values (tenancy.tenant_id(), $1, $2, 'x', 'x')", uuid.New(), theirs)
	attempt("the customer's own functions", "permission denied", "select public.patient_count() from public.orgs")
	// a number of harbor's is no conflict at cedar
	err := casey.Tx(t.Context(), uuid.Nil, func(tx tenancy.Tx) error {
		_, err := tx.Exec(t.Context(),
			"insert into public.clients (tenant_id, id, org_id, mrn, first_name, last_name, email) "+
				"values (tenancy.tenant_id(), $1, 1, 'M1', 'Synthetic', 'Other', 'canary1@example.org')", uuid.New())
		return err
	})
	if err != nil {
		t.Errorf("harbor's values conflict with cedar's: %v", err)
	}
	legacy := c.connect(t, "telehealth", name)
	for _, sql := range []string{"select * from public.clients",
		"alter table public.clients disable row level security", "select * from phi.clients"} {
		if _, err := legacy.Exec(t.Context(), sql); err == nil {
			t.Errorf("the application's old login may still: %s", sql)
		}
	}
}

// The application goes on writing while the migration runs: what it committed is kept and protected, what comes later
// is refused.
func TestPlanUnderWriters(t *testing.T) {
	c := newCustomer(t)
	name := c.database(t)
	plan := c.whole(t, name)
	// the customer's policy wants a setting
	run(t, c.DSN("postgres", name), "alter table public.clients disable row level security")
	type outcome struct {
		written int
		err     error
	}
	started, outcomes := make(chan struct{}, 4), make(chan outcome, 4)
	for w := range 4 {
		conn := c.connect(t, "telehealth", name)
		go func() {
			var o outcome
			for o.err == nil {
				_, o.err = conn.Exec(context.WithoutCancel(t.Context()), "insert into public.clients (org_id, mrn, "+
					"first_name, last_name) values (1 + $1::int % 2, $2, 'Synthetic', 'Writer')", o.written,
					uuid.NewString())
				if o.err == nil {
					o.written++
				}
				if o.written == 5 {
					started <- struct{}{}
				}
			}
			outcomes <- o
		}()
		_ = w
	}
	for range 4 {
		select {
		case <-started:
		case o := <-outcomes:
			t.Fatalf("a writer ended early: %v", o.err)
		}
	}
	if err := c.psql(t, name, plan.SQL(false)); err != nil {
		t.Fatal(err)
	}
	total := 40
	for range 4 {
		o := <-outcomes
		total += o.written
		if !strings.Contains(o.err.Error(), "permission denied") && !strings.Contains(o.err.Error(), "tenant_id") {
			t.Errorf("a writer ended with %v", o.err)
		}
	}
	super := c.connect(t, "postgres", name)
	if n := get[int](t, super, "select count(*) from public.clients c join public.orgs o on o.id = c.org_id "+
		"and o.ward_tenant = c.tenant_id"); n != total {
		t.Fatalf("%d clients under their clinic, %d were committed", n, total)
	}
	if found, err := controls.Unprotected(t.Context(), c.connect(t, "ward_migrate", name)); err != nil ||
		len(found) > 0 {
		t.Fatalf("%v, %v", found, err)
	}
}

// Somebody holds a table for long: the migration gives up and has changed nothing.
func TestPlanGivesUpOnALock(t *testing.T) {
	c := newCustomer(t)
	name := c.database(t)
	plan := c.whole(t, name)
	super := c.connect(t, "postgres", name)
	before := fingerprint(t, super)
	holder := c.connect(t, "telehealth", name)
	if _, err := holder.Exec(t.Context(), "begin; lock table public.devices in row exclusive mode",
		pgx.QueryExecModeSimpleProtocol); err != nil {
		t.Fatal(err)
	}
	if i := slices.Index(plan.Statements, "set local lock_timeout = '10s'"); i < 0 {
		t.Fatal("the plan waits for ever")
	}
	err := c.psql(t, name, strings.Replace(plan.SQL(false), "lock_timeout = '10s'", "lock_timeout = '50ms'", 1))
	if err == nil || !strings.Contains(err.Error(), "lock timeout") {
		t.Fatal(err)
	}
	if after := fingerprint(t, super); after != before {
		t.Fatal("half protected")
	}
}
