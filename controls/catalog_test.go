package controls_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/ward-health/ward/controls"
	"github.com/ward-health/ward/internal/wardtest"
)

const testKey = "tenant_id uuid not null, id uuid not null, primary key (tenant_id, id)"

// The shipped schema is protected, and there was something to look at.
func TestShippedSchemaIsProtected(t *testing.T) {
	e := wardtest.New(t)
	conn := e.Conn("ward_migrate")
	tables, err := controls.Examined(t.Context(), conn)
	if err != nil || len(tables) < 7 || !slices.Contains(tables, "public.notes") {
		t.Fatalf("examined %v, %v", tables, err)
	}
	found, err := controls.Unprotected(t.Context(), conn)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range found {
		t.Error(f)
	}
}

// Each protection taken away, as a migration might, is found, with the table and the reason. Every case is undone by a
// rollback.
func TestEachMissingProtectionIsFound(t *testing.T) {
	e := wardtest.New(t)
	conn := e.Conn("postgres")
	for _, c := range []struct{ ddl, table, why string }{
		{"alter table public.notes disable row level security", "public.notes", "not enabled"},
		{"alter table public.notes no force row level security", "public.notes", "not forced"},
		{"drop policy tenant_boundary on public.notes", "public.notes", "no restrictive policy"},
		{"alter policy tenant_boundary on public.notes using (true)", "public.notes", "no restrictive policy"},
		{"alter policy tenant_boundary on public.notes with check (true)", "public.notes", "no restrictive policy"},
		{"alter policy tenant_boundary on public.notes to ward_app", "public.notes", "no restrictive policy"},
		{`drop policy tenant_boundary on public.notes; create policy tenant_boundary on public.notes to ward_app,
				ward_reader using (tenant_id = (select tenancy.tenant_id()))
				with check (tenant_id = (select tenancy.tenant_id()))`, "public.notes", "no restrictive policy"},
		{"create policy feature on public.notes for select to ward_app using (true)", "public.notes",
			"policy feature lets ward_app reach rows"},
		{"create policy feature on public.notes using (true)", "public.notes",
			"policy feature lets ward_app reach rows"},
		{"alter policy disclosed on public.notes using (true)", "public.notes",
			"policy disclosed lets ward_app reach rows"},
		{"drop trigger audit_write on public.notes", "public.notes", "writes are not audited"},
		{"alter table public.notes disable trigger audit_write", "public.notes", "writes are not audited"},
		{"alter table public.notes enable trigger audit_write", "public.notes", "writes are not audited"},
		{`drop trigger audit_write on public.notes; create trigger audit_write after
				insert on public.notes for each row execute function audit.on_write('patient_id');
					alter table public.notes enable always trigger
						audit_write`, "public.notes", "writes are not audited"},
		{"drop trigger audit_write on public.notes; create trigger audit_write after insert or update or delete " +
			"on public.notes for each row when (false) execute function audit.on_write('patient_id')", "public.notes",
			"writes are not audited"},
		{"grant select (body) on public.notes to ward_app", "public.notes",
			"SELECT of its column body is granted to ward_app"},
		{"grant select on public.notes to ward_app", "public.notes", "SELECT on it is granted to ward_app"},
		{"grant update (id) on public.notes to ward_app", "public.notes",
			"UPDATE of its column id is granted to ward_app"},
		{"grant truncate on public.notes to ward_app", "public.notes", "TRUNCATE on it is granted to ward_app"},
		{"grant select on public.notes to ward_worker", "public.notes", "SELECT on it is granted to ward_worker"},
		{"grant select on public.notes to public", "public.notes", "SELECT on it is granted to public"},
		{"grant insert on public.notes to ward_app with grant option", "public.notes",
			"INSERT on it is granted to ward_app"},
		{"drop view phi.notes", "public.notes", "view phi.notes is missing"},
		{"alter view phi.notes set (security_barrier = false)", "public.notes", "view phi.notes is not"},
		{"alter view phi.notes owner to postgres", "public.notes", "view phi.notes is not"},
		{"create or replace view phi.notes with (security_barrier) as select * from public.notes", "public.notes",
			"shows more than what was disclosed"},
		{"grant select on phi.notes to ward_worker", "public.notes", "view phi.notes is granted to ward_worker"},
		{"create view public.notes_all as select * from public.notes", "public.notes",
			"notes_all reads it without asking"},
		{"create materialized view tenancy.notes_copy as select * from public.patients", "public.patients",
			"notes_copy reads it without asking"},
		{"create table public.intake (" + testKey + ")", "public.intake",
			"has a column tenant_id and is not protected"},
		{"create table public.leads (id int, last_name text)", "public.leads",
			"has a column last_name and is not protected"},
		{"create table public.vault (id int, patient_ssn text)", "public.vault",
			"has a column patient_ssn and is not protected"},
		{"delete from tenancy.phi_table where record_table = 'public.patients'; delete from review.relation",
			"public.patients", "is not protected"},
		{"delete from review.relation; alter table public.notes rename to notes2", "public.notes", "does not exist"},
		{"create function public.h() returns trigger language plpgsql as 'begin return null; " +
			"end'; create trigger h after update on public.notes for each row execute function public.h()",
			"public.notes", "must pin its search_path"},
		{"create unique index on public.patients (mrn)", "public.patients", "must start with tenant_id"},
		{"create index on public.notes (tenant_id, created_at)", "public.notes", "orders records by created_at"},
		{"create index on public.notes (tenant_id, patient_id)", "public.notes", "orders records by patient_id"},
		{"create index on public.notes (tenant_id, lower(body))", "public.notes", "orders records by body"},
		{"create index on public.notes using brin (created_at, id)", "public.notes", "orders records by created_at"},
		{"create index on public.notes (tenant_id, (notes is null))", "public.notes",
			"orders records by author_id, body, created_at, encounter_id, patient_id"},
		{"create index on public.notes (tenant_id, body) where body is not null", "public.notes",
			"orders records by body"},
		{"create index on public.notes (tenant_id, body) where num_nulls(body) <> 2 or tenant_id is not null",
			"public.notes", "orders records by body"},
		{"create index on public.notes (tenant_id, body, created_at) where num_nulls(body) <> 2", "public.notes",
			"orders records by body, created_at"},
		{"create function public.num_nulls(text) returns int immutable language sql set search_path = pg_catalog, " +
			"pg_temp return 0; create index on public.notes (tenant_id, body) where public.num_nulls(body) <> 2",
			"public.notes", "orders records by body"},
		{"create table public.vitals (" + testKey + ", pulse int) partition by hash (id); " +
			"create table public.vitals_0 partition of public.vitals for values with (modulus 1, remainder 0); " +
			"select tenancy.protect('public.vitals'); create index on public.vitals_0 (pulse)", "public.vitals",
			"orders records by pulse"},
		{"create table public.vitals (" + testKey +
			") partition by hash (id); select tenancy.protect('public.vitals'); " +
			"create table public.vitals_0 partition of public.vitals for values with (modulus 1, remainder 0)",
			"public.vitals", "partition vitals_0 is not enabled and forced"},
		{"create table public.vitals (" + testKey + ") partition by hash (id); " +
			"create table public.vitals_0 partition of public.vitals for values with (modulus 1, remainder 0); " +
			"select tenancy.protect('public.vitals'); grant select on public.vitals_0 to ward_app", "public.vitals",
			"SELECT on its partition vitals_0 is granted to ward_app"},
		{"create table public.vitals (" + testKey + ") partition by hash (id); " +
			"create table public.vitals_0 partition of public.vitals for values with (modulus 1, remainder 0); " +
			"select tenancy.protect('public.vitals'); alter table public.vitals_0 disable trigger audit_write",
			"public.vitals", "writes to its partition vitals_0 are not audited"},
		{"grant create on schema public to public", controls.Database, "schema public"},
		{"do $$ begin execute format('grant temporary on database %I to public', current_database()); end $$",
			controls.Database, "temporary objects"},
	} {
		t.Run(c.ddl, func(t *testing.T) {
			tx, err := conn.Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer tx.Rollback(t.Context())
			if _, err := tx.Exec(t.Context(), c.ddl, pgx.QueryExecModeSimpleProtocol); err != nil {
				t.Fatal(err)
			}
			found, err := controls.Unprotected(t.Context(), tx)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.ContainsFunc(found,
				func(f controls.Finding) bool { return f.Table == c.table && strings.Contains(f.Why, c.why) }) {
				t.Fatalf("found %v, want %s: %s", found, c.table, c.why)
			}
		})
	}
	t.Run("a partitioned table protected as a whole", func(t *testing.T) {
		tx, err := conn.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer tx.Rollback(t.Context())
		if _, err := tx.Exec(t.Context(), "create table public.vitals ("+testKey+") partition by hash (id); "+
			"create table public.vitals_0 partition of public.vitals for values with (modulus 1, remainder 0); "+
			"select tenancy.protect('public.vitals')", pgx.QueryExecModeSimpleProtocol); err != nil {
			t.Fatal(err)
		}
		if found, err := controls.Unprotected(t.Context(), tx); err != nil || len(found) != 0 {
			t.Fatalf("found %v, %v", found, err)
		}
	})
}
