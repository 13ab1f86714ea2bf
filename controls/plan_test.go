package controls_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/ward-health/ward/controls"
	"github.com/ward-health/ward/internal/needs"
	"github.com/ward-health/ward/internal/postgres"
	"github.com/ward-health/ward/internal/postgres/pgtest"
	"github.com/ward-health/ward/internal/wardtest"
)

// customer is a server with a customer's application on it, testdata/telehealth.sql, and ward installed beside it. It
// is a server of its own: the application's login is a role of the whole server.
type customer struct {
	*postgres.Cluster
	databases int
}

var customersTables = []string{"public.bookings", "public.chart_notes", "public.clients", "public.devices",
	"public.prescriptions", "public.readings", "public.threads", "public.threads_2025"}

func newCustomer(t *testing.T) *customer {
	t.Helper()
	c := &customer{Cluster: pgtest.NewCluster(t, pgtest.ClusterOptions{NoFsync: true,
		Settings: map[string]string{"wal_level": "logical", "max_connections": "60"}})}
	run(t, c.Superuser(), "create database legacy template template0", "create role telehealth login")
	dsn := c.DSN("postgres", "legacy")
	if err := wardtest.Prepare(t.Context(), dsn); err != nil {
		t.Fatal(err)
	}
	schema, err := os.ReadFile("../testdata/telehealth.sql")
	if err != nil {
		t.Fatal(err)
	}
	run(t, dsn, string(schema),
		"update public.orgs o set ward_tenant = t.id from tenancy.tenant t where t.name ilike o.title",
		"grant select, insert, update, delete on all tables in schema public to telehealth",
		"revoke all on public.patients, public.appointments, public.encounters, public.notes, public.attachments, "+
			"public.messages, public.claims, public.care_team from telehealth",
		"grant usage on all sequences in schema public to telehealth")
	for _, table := range customersTables {
		run(t, dsn, "alter table "+table+" owner to telehealth")
	}
	return c
}

// database is a clone of the customer's.
func (c *customer) database(t *testing.T) string {
	t.Helper()
	c.databases++
	name := fmt.Sprintf("copy_%d", c.databases)
	run(t, c.Superuser(), "create database "+name+" template legacy",
		"revoke temporary, create on database "+name+" from public")
	return name
}

func (c *customer) connect(t *testing.T, role, database string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), c.DSN(role, database))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.WithoutCancel(t.Context())) })
	return conn
}

func run(t *testing.T, dsn string, statements ...string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	for _, s := range statements {
		if _, err := conn.PgConn().Exec(t.Context(), s).ReadAll(); err != nil {
			t.Fatalf("%.200s: %v", s, err)
		}
	}
}

func get[T any](t *testing.T, conn *pgx.Conn, sql string, args ...any) T {
	t.Helper()
	var v T
	if err := conn.QueryRow(t.Context(), sql, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}

// wish is what the customer's engineer has to say: where the clinic of a row stands, and who the patient is.
func wish() controls.Wish {
	return controls.Wish{
		Tables: []string{"public.clients"},
		TenantColumn: map[string]string{"": "org_id", "public.chart_notes": "patient_id",
			"public.prescriptions": "patient_id", "public.devices": "patient_id", "public.readings": "device_patient",
			"public.threads": "patient_id", "public.threads_2025": "tenant_org"},
		TenantMap: &controls.TenantMap{Table: "public.orgs", From: "id", To: "ward_tenant"},
		Subject:   map[string]string{"": "patient_id", "public.clients": "id", "public.readings": "device_patient"},
		Permit:    []controls.Permission{{Role: "clinician", Actions: []string{"view", "create", "modify", "delete"}}},
	}
}

// whole is a wish that a plan can carry out: the child table has no reference, so its rows first get a column that says
// their clinic.
func (c *customer) whole(t *testing.T, database string) *controls.Plan {
	t.Helper()
	conn := c.connect(t, "postgres", database)
	if _, err := conn.Exec(t.Context(), `alter table public.threads_2025 add tenant_org int;
			update public.threads_2025 x set tenant_org = c.org_id from public.clients c where c.id = x.patient_id;
				alter table public.threads_2025 add foreign key (patient_id) references public.clients on
					delete cascade`,
		pgx.QueryExecModeSimpleProtocol); err != nil {
		t.Fatal(err)
	}
	plan, err := controls.PlanProtect(t.Context(), conn, wish())
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range plan.Unsolved() {
		t.Errorf("no remedy: %s %s: %s", o.Table, o.Kind, o.Why)
	}
	if len(plan.Statements) == 0 {
		t.Fatal("no statements")
	}
	return plan
}

// psql runs a file as it is.
func (c *customer) psql(t *testing.T, database, sql string) error {
	t.Helper()
	file := t.TempDir() + "/migration.sql"
	if err := os.WriteFile(file, []byte(sql), 0o600); err != nil {
		t.Fatal(err)
	}
	bin, err := postgres.FindBinaries(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), needs.Client(t, bin.Dir, "psql"), "-X", "-q",
		"-v", "ON_ERROR_STOP=1", "-f", file, c.DSN("postgres", database)).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// rows counts every table's, as superuser.
func rows(t *testing.T, conn *pgx.Conn) map[string]int {
	t.Helper()
	n := map[string]int{}
	for _, table := range customersTables {
		n[table] = get[int](t, conn, "select count(*) from only "+table)
	}
	return n
}

// Every class of obstacle of the customer's schema is named, with the statement that removes it.
func TestPlanNamesEveryObstacle(t *testing.T) {
	c := newCustomer(t)
	plan := c.whole(t, c.database(t))
	if got := slices.Sorted(slices.Values(plan.Tables)); !slices.Equal(got, customersTables) {
		t.Fatalf("tables %v", got)
	}
	for _, want := range []struct{ table, kind, why, remedy string }{
		{"public.clients", "tenant", "does not say which clinic", "add tenant_id uuid"},
		{"public.clients", "key", "a number or a natural key tells", "add id uuid not null default gen_random_uuid()"},
		{"public.bookings", "key", "its ids are random and stay", "primary key (tenant_id, id)"},
		{"public.prescriptions", "key", "a number or a natural key tells",
			"create unique index on public.prescriptions (tenant_id, code) where num_nulls(code) <> 2"},
		{"public.devices", "key", "a number or a natural key tells", "create unique index on public.devices " +
			"(tenant_id, patient_id, serial) where num_nulls(patient_id) <> 2 and num_nulls(serial) <> 2"},
		{"public.readings", "key", "its ids are random and stay", "rename reading_key to id"},
		{"public.threads", "key", "20 id(s) of public.threads are not random", "add id uuid"},
		{"public.clients", "reference", "clients_guardian_id_fkey",
			"on delete set null (guardian_id) deferrable initially deferred"},
		{"public.bookings", "reference", "bookings_patient_id_fkey", "on delete cascade"},
		{"public.chart_notes", "reference", "chart_notes_patient_id_fkey", "on delete restrict"},
		{"public.chart_notes", "reference", "chart_notes_appointment_id_fkey", "on delete set null (appointment_id)"},
		{"public.prescriptions", "reference", "prescriptions_note_id_fkey",
			"on update cascade on delete cascade deferrable initially deferred"},
		{"public.clients", "unique", "clients_mrn_key", "UNIQUE (tenant_id, mrn)"},
		{"public.clients", "unique", "patients_email", "(tenant_id, lower(email)) WHERE (email IS NOT NULL)"},
		{"public.bookings", "unique", "one_room", "EXCLUDE USING gist (tenant_id WITH =, room WITH ="},
		{"public.clients", "index", "public.clients_mrn_key orders records by mrn",
			"select tenancy.guard_indexes('public.clients'"},
		{"public.clients", "index", "public.patients_email orders records by email",
			"select tenancy.guard_indexes('public.clients'"},
		{"public.bookings", "index", "public.one_room orders records by during, room",
			"select tenancy.guard_indexes('public.bookings'"},
		{"public.clients", "function", "public.touch()", "alter function public.touch() set search_path"},
		{"public.chart_notes", "function", "public.short_title(text)",
			"alter function public.short_title(text) set search_path"},
		{"public.clients", "policy", "policy org_isolation", "drop policy org_isolation"},
		{"public.chart_notes", "rule", "rule keep_copy", "drop rule keep_copy"},
		{"public.clients", "view", "public.patient_list reads", "drop view public.patient_list"},
		{"public.clients", "view", "public.patient_names reads", "drop view public.patient_names"},
		{"public.prescriptions", "view", "public.drug_counts reads", "drop materialized view public.drug_counts"},
		{"public.threads", "inheritance", "public.threads_2025 inherits", "no inherit public.threads"},
		{"public.clients", "publication", "telehealth_feed",
			"alter publication telehealth_feed drop table public.clients"},
		{"public.clients", "sequence", "column id", "drop default"},
		{"public.prescriptions", "sequence", "column number", "drop identity"},
		{"public.clients", "owner", "telehealth may act", "owner to ward_owner"},
	} {
		if !slices.ContainsFunc(plan.Obstacles, func(o controls.Obstacle) bool {
			return o.Table == want.table && o.Kind == want.kind && strings.Contains(o.Why, want.why) &&
				strings.Contains(strings.ReplaceAll(strings.Join(o.Remedy, "\n"), `"`, ""), want.remedy)
		}) {
			t.Errorf("not named: %+v", want)
			for _, o := range plan.Obstacles {
				if o.Table == want.table && o.Kind == want.kind {
					t.Logf("  %s: %q", o.Why, o.Remedy)
				}
			}
		}
	}
	for _, o := range plan.Obstacles {
		if strings.Contains(o.Why, "policy working_hours") {
			t.Error("a restrictive policy can only narrow, and stays")
		}
	}
	text := plan.SQL(false)
	for _, n := range plan.Notes {
		text += n.Text
	}
	if strings.Contains(strings.ToLower(text), "canary") {
		t.Error("a row's value stands in the plan")
	}
	for _, want := range []string{"patient_count() names it and runs as postgres", "trigger touch runs",
		"old_id, a plain column", "providers, which is not in this plan"} {
		if !slices.ContainsFunc(plan.Notes, func(n controls.Remark) bool { return strings.Contains(n.Text, want) }) {
			t.Errorf("no note %q in %v", want, plan.Notes)
		}
	}
}

// A grant, a table for all, a publication of everything: what the customer's application does not have, each in a
// database of its own.
func TestPlanOfOddities(t *testing.T) {
	c := newCustomer(t)
	for _, o := range []struct{ ddl, kind, why, remedy string }{
		{"alter table public.readings owner to postgres; grant select on public.readings to telehealth", "grant",
			"granted to telehealth", "revoke all on public.readings from telehealth"},
		{"create publication all_of_it for all tables", "publication", "all_of_it", ""},
		{"create publication all_of_public for tables in schema public", "publication", "all_of_public", ""},
		{"create statistics public.s on (public.short_title(pulse::text)), pulse from public.readings", "function",
			"short_title", "set search_path"},
		{"create policy p on public.readings as restrictive using (public.short_title(pulse::text) <> '')", "function",
			"short_title", "set search_path"},
		{"create policy p on public.readings to telehealth using (true)", "policy", "let telehealth reach",
			"drop policy p"},
		{"create table public.x (k int, at date, primary key (k, at)) partition by range (at); " +
			"alter table public.x add r uuid references public.readings", "key", "it is partitioned", ""},
	} {
		t.Run(o.ddl, func(t *testing.T) {
			name := c.database(t)
			run(t, c.DSN("postgres", name), o.ddl)
			w := wish()
			w.Tables = []string{"public.readings"}
			plan, err := controls.PlanProtect(t.Context(), c.connect(t, "postgres", name), w)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.ContainsFunc(plan.Obstacles, func(x controls.Obstacle) bool {
				return x.Kind == o.kind && strings.Contains(x.Why, o.why) && (o.remedy == "") == (len(x.Remedy) == 0) &&
					strings.Contains(strings.Join(x.Remedy, "\n"), o.remedy)
			}) {
				t.Fatalf("not named: %+v", plan.Obstacles)
			}
			// the same stands in the way of protect itself
			if _, err := c.connect(t, "postgres", name).Exec(t.Context(),
				"select tenancy.protect('public.readings')"); err == nil {
				t.Fatal("protect did not refuse")
			}
		})
	}
}

// Nothing is guessed: without a word about the clinic there is no migration, and rows of no known clinic or of two are
// refused with their number.
func TestPlanRefusesWhatItCannotKnow(t *testing.T) {
	c := newCustomer(t)
	unsolved := func(t *testing.T, ddl string, change func(*controls.Wish), want ...string) {
		t.Helper()
		name := c.database(t)
		run(t, c.DSN("postgres", name), "alter table public.threads_2025 add tenant_org int; update "+
			"public.threads_2025 x set tenant_org = c.org_id from public.clients c where c.id = x.patient_id; "+ddl)
		w := wish()
		change(&w)
		plan, err := controls.PlanProtect(t.Context(), c.connect(t, "postgres", name), w)
		if err != nil {
			t.Fatal(err)
		}
		if len(plan.Statements) > 0 {
			t.Error("a migration all the same")
		}
		for _, words := range want {
			if !slices.ContainsFunc(plan.Unsolved(), func(o controls.Obstacle) bool {
				return strings.Contains(o.Why, words) && !strings.Contains(o.Why, "anary")
			}) {
				t.Errorf("not said: %q in %+v", words, plan.Unsolved())
			}
		}
	}
	same := func(*controls.Wish) {}
	t.Run("no word", func(t *testing.T) {
		unsolved(t, "", func(w *controls.Wish) { w.TenantColumn = nil },
			"nobody said which clinic a row of public.clients belongs to")
	})
	t.Run("a number without a map", func(t *testing.T) {
		unsolved(t, "", func(w *controls.Wish) { w.TenantMap = nil },
			"column org_id of public.clients is no clinic's id but of type integer")
	})
	t.Run("a column that is not there", func(t *testing.T) {
		unsolved(t, "", func(w *controls.Wish) { w.TenantColumn["public.devices"] = "clinic" },
			"public.devices has no column clinic")
	})
	t.Run("unknown clinics", func(t *testing.T) {
		unsolved(t, "update public.orgs set ward_tenant = gen_random_uuid() where id = 2", same,
			"20 row(s) of public.clients belong to no clinic")
	})
	t.Run("unmapped", func(t *testing.T) {
		unsolved(t, "update public.orgs set ward_tenant = null where id = 2", same,
			"20 row(s) of public.clients belong to no clinic")
	})
	t.Run("a row of two clinics", func(t *testing.T) {
		unsolved(t, "update public.bookings set patient_id = 2 where patient_id = 1", same,
			"1 row(s) of public.bookings refer to another clinic's row of public.clients")
	})
	t.Run("a clinic that is not there", func(t *testing.T) {
		_, err := controls.PlanProtect(t.Context(), c.connect(t, "postgres", "legacy"),
			controls.Wish{Tables: []string{"public.clients"}, Tenant: "nowhere"})
		if err == nil || !strings.Contains(err.Error(), "there is no clinic nowhere") {
			t.Fatal(err)
		}
	})
	t.Run("rows that came after the plan", func(t *testing.T) {
		name := c.database(t)
		plan := c.whole(t, name)
		run(t, c.DSN("postgres", name), "insert into public.orgs (title) values ('Third')",
			"insert into public.clients (org_id, mrn, first_name, last_name) values (3, 'late', 'Synthetic', 'Canary')")
		before := fingerprint(t, c.connect(t, "postgres", name))
		err := c.psql(t, name, plan.SQL(false))
		if err == nil ||
			!strings.Contains(err.Error(), "1 row(s) of public.clients belong to no clinic that ward knows") {
			t.Fatalf("%v", err)
		}
		if after := fingerprint(t, c.connect(t, "postgres", name)); after != before {
			t.Fatal("half done")
		}
	})
	t.Run("protect by itself", func(t *testing.T) {
		name := c.database(t)
		run(t, c.DSN("postgres", name), "create table public.t (tenant_id uuid, id uuid, primary key (tenant_id, id))",
			"insert into public.t select gen_random_uuid(), gen_random_uuid() from generate_series(1, 3)")
		_, err := c.connect(t, "postgres", name).Exec(t.Context(), "select tenancy.protect('public.t')")
		if err == nil || !strings.Contains(err.Error(), "3 row(s) of public.t belong to no clinic that ward knows") {
			t.Fatal(err)
		}
	})
}

// fingerprint is all that the catalog says about the customer's tables, and their contents.
func fingerprint(t *testing.T, conn *pgx.Conn) string {
	t.Helper()
	return get[string](t, conn, `select md5(string_agg(x, E'\n' order by x)) from (
		select concat_ws(' ', c.oid, c.relname, c.relkind, c.relowner, c.relrowsecurity, c.relforcerowsecurity,
			c.relacl::text, c.reloptions::text) from pg_class c where c.relnamespace in ('public'::regnamespace,
			'phi'::regnamespace) and c.relkind <> 't'
		union all select concat_ws(' ', a.attrelid, a.attname, a.atttypid, a.attnum, a.attnotnull, a.attidentity,
			a.attacl::text) from pg_attribute a join pg_class c on c.oid = a.attrelid
			where c.relnamespace = 'public'::regnamespace and a.attnum > 0
		union all select concat_ws(' ', oid, polname, polrelid, polqual::text) from pg_policy
		union all select concat_ws(' ', oid, conname, pg_get_constraintdef(oid)) from pg_constraint
		union all select concat_ws(' ', oid, tgname, tgenabled) from pg_trigger where not tgisinternal
		union all select concat_ws(' ', oid, proname, proconfig::text) from pg_proc
			where pronamespace = 'public'::regnamespace
		union all select concat_ws(' ', prpubid, prrelid) from pg_publication_rel union all
			select concat_ws(' ', inhrelid, inhparent) from pg_inherits union all select record_table
				from tenancy.phi_table
		union all select (select string_agg(c::text, ',' order by c::text) from public.clients c) union all
			select (select string_agg(c::text, ',' order by c::text) from public.chart_notes c)) f(x)`)
}
