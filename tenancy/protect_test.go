package tenancy_test

import (
	"testing"

	"github.com/google/uuid"

	"github.com/ward-health/ward/internal/wardtest"
)

const key = "tenant_id uuid not null, id uuid not null, primary key (tenant_id, id)"

// owner is ward_migrate acting as the owner, as a migration does.
func (s *scene) owner(t *testing.T) *attacker {
	t.Helper()
	a := s.connAs(t, "ward_migrate")
	a.must("set role ward_owner")
	return a
}

// What protect refuses, and that nothing of it stays.
func TestProtectRefuses(t *testing.T) {
	s := newScene(t)
	a := s.owner(t)
	a.must("create function public.unpinned() returns trigger language plpgsql as $$ begin insert into history " +
		"values (old.body); return null; end $$")
	a.must("create function public.temp_first() returns trigger language plpgsql set search_path = pg_temp, public " +
		"as $$ begin return null; end $$")
	a.must("create function public.path_empty(text) returns boolean language sql immutable set search_path = '' " +
		"as $$ select true $$")
	s.super("create extension if not exists btree_gist")
	cases := []struct{ name, ddl, words string }{
		{"a primary key of the id alone",
			"create table public.t (tenant_id uuid not null, id uuid primary key, body text)",
			"must be exactly (tenant_id uuid, id uuid)"},
		{"a natural key", "create table public.t (tenant_id uuid, mrn text, body text, id uuid, " +
			"primary key (tenant_id, mrn))", "must be exactly"},
		{"the key the other way round", "create table public.t (tenant_id uuid, id uuid, primary key (id, tenant_id))",
			"must be exactly"},
		{"an id of another type", "create table public.t (tenant_id uuid, id bigint, primary key (tenant_id, id))",
			"must be exactly"},
		{"no primary key", "create table public.t (tenant_id uuid, id uuid)", "must be exactly"},
		{"a foreign key that leaves out the tenant", "create table public.t (" + key +
			", a uuid, patient_id uuid, foreign key (a, patient_id) references public.patients (tenant_id, id))",
			"must be composite"},
		{"I1 a trigger function without a pinned search_path", "create table public.t (" + key +
			", body text); create trigger h after update on public.t for each row execute function public.unpinned()",
			"must pin its search_path"},
		{"I1 a search_path with pg_temp first", "create table public.t (" + key +
			"); create trigger h after update on public.t for each row execute function public.temp_first()",
			"must pin its search_path"},
		{"I1 a check through an empty search_path", "create table public.t (" + key +
			", body text check (public.path_empty(body)))", "must pin its search_path"},
		{"I1 a default", "create table public.t (" + key + ", ok boolean default public.path_empty(''))",
			"must pin its search_path"},
		{"I1 an index", "create table public.t (" + key +
			", body text); create index on public.t (public.path_empty(body))", "must pin its search_path"},
		{"a unique index over all clinics", "create table public.t (" + key + ", mrn text unique)",
			"must start with tenant_id"},
		{"an exclusion constraint over all clinics", "create table public.t (" + key +
			", room int, exclude using gist (room with =))", "must start with tenant_id"},
		{"O1 an index by a PHI column",
			"create table public.t (" + key + ", seen date); create index on public.t (tenant_id, seen)",
			"its predicate must begin with where (num_nulls(seen) <> 2)"},
		{"O1 an index by a reference",
			"create table public.t (" + key + ", patient_id uuid); create index on public.t (tenant_id, patient_id)",
			"where (num_nulls(patient_id) <> 2)"},
		{"O1 a unique constraint", "create table public.t (" + key + ", mrn text, unique (tenant_id, mrn))",
			"where (num_nulls(mrn) <> 2)"},
		{"a view", "create view public.t as select tenant_id, id from public.patients", "is not a table"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if err := a.raw(c.ddl); err != nil {
				t.Fatal(err)
			}
			const state = `select concat_ws(' ', relrowsecurity, relforcerowsecurity, relacl::text,
				(select count(*) from pg_policy where polrelid = c.oid), (select count(*) from pg_trigger
				where tgrelid = c.oid and tgname = 'audit_write'),
				to_regclass('phi.t'), (select count(*) from tenancy.phi_table where record_table = 'public.t'))
				from pg_class c where oid = 'public.t'::regclass`
			before := wardtest.One[string](s.Env, state)
			refused(t, a.try("select tenancy.protect('public.t')"), "55000", c.words)
			if after := wardtest.One[string](s.Env, state); after != before {
				t.Fatalf("half done: %q, before %q", after, before)
			}
			if c.name == "a view" {
				a.must("drop view public.t")
			} else {
				a.must("drop table public.t")
			}
		})
	}
	t.Run("a column that is not there", func(t *testing.T) {
		a.must("create table public.t (" + key + ")")
		refused(t, a.try("select tenancy.protect('public.t', 'patient')"), "42703", "no column patient")
		refused(t, a.try("select tenancy.protect('public.t', null, array['version'])"), "42703", "no column version")
		a.must("drop table public.t")
	})
	t.Run("every obstacle at once", func(t *testing.T) {
		if err := a.raw("create table public.t (tenant_id uuid, id uuid primary key, mrn text unique)"); err != nil {
			t.Fatal(err)
		}
		if n := wardtest.One[int](s.Env, "select count(*) from tenancy.obstacles('public.t')"); n != 3 {
			t.Fatalf("%d obstacles named, want 3", n)
		}
	})
}

// A table with rows is protected: their ids are known afterwards, the columns closed, the open ones readable, the
// oracles listed.
func TestProtectTableWithRows(t *testing.T) {
	s := newScene(t)
	a := s.owner(t)
	a.must("create table public.labs (" + key + ", patient_id uuid not null, result text, version int, " +
		"unique (tenant_id, result), foreign key (tenant_id, patient_id) references public.patients (tenant_id, id))")
	a.must("create unique index labs_version on public.labs (tenant_id, version)")
	a.must("select tenancy.guard_indexes('public.labs', array['version'])")
	lab := uuid.New()
	s.super("insert into public.labs values ($1, $2, $3, 'Canaryresult', 1)", s.cedar, lab, s.mine)
	a.must("select tenancy.protect('public.labs', 'patient_id', array['version'])")
	a.must("select tenancy.permit('clinician', 'public.labs', array['view', 'modify'])")
	if n := wardtest.One[int](s.Env, "select count(*) from tenancy.record where record_table = 'public.labs' "+
		"and record_id = $1 and tenant_id = $2 and subject_id = $3", lab, s.cedar, s.mine); n != 1 {
		t.Fatal("the row that was there is not in tenancy.record")
	}
	if got := wardtest.One[string](s.Env, "select array_to_string(oracles, ' ') from tenancy.phi_table "+
		"where record_table = 'public.labs'"); got != "labs_tenant_id_result_key labs_version" {
		t.Fatalf("oracles listed: %q", got)
	}
	app := s.conn(t)
	casey := s.token("casey@cedar")
	d := uuid.New()
	app.accepted(casey, uuid.Nil)
	app.must("select audit.disclose($1, 'public.labs', $2)", d, []uuid.UUID{lab})
	app.must("commit")
	app.accepted(casey, d)
	if got, err := app.names("select result from phi.labs"); err != nil || len(got) != 1 {
		t.Fatalf("%d rows, %v", len(got), err)
	}
	if v := value[int](app, "select version from public.labs where id = $1", lab); v != 1 {
		t.Fatal("an open column is not readable")
	}
	app.must("savepoint s")
	refused(t, app.try("select result from public.labs"), "42501", "permission denied")
	app.must("rollback to s")
	app.must("update public.labs set version = 2 where id = $1", lab)
	app.must("commit")
	if n := s.events("action = 'modify' and record_table = 'public.labs' and record_id = $1 and subject_id = $2", lab,
		s.mine); n != 1 {
		t.Fatalf("%d modify events", n)
	}
	t.Run("again, after a column was added", func(t *testing.T) {
		a.must("alter table public.labs add unit text")
		a.must("select tenancy.protect('public.labs', 'patient_id', array['version'])")
		app.accepted(casey, d)
		if _, err := app.names("select coalesce(unit, '') from phi.labs"); err != nil {
			t.Fatal(err)
		}
		app.must("rollback")
	})
}

// A partitioned table: its partitions are closed with it, and writes name the table.
func TestProtectPartitioned(t *testing.T) {
	s := newScene(t)
	a := s.owner(t)
	a.must("create table public.vitals (" + key + ", pulse int) partition by hash (id)")
	a.must("create table public.vitals_0 partition of public.vitals for values with (modulus 1, remainder 0)")
	a.must("grant select on public.vitals_0 to ward_app")
	a.must("select tenancy.protect('public.vitals')")
	a.must("select tenancy.permit('clinician', 'public.vitals', array['view', 'create'])")
	app := s.conn(t)
	id := uuid.New()
	app.accepted(s.token("casey@cedar"), uuid.Nil)
	app.must("insert into public.vitals values ($1, $2, 70)", s.cedar, id)
	app.must("commit")
	if n := s.events("action = 'create' and record_table = 'public.vitals' and record_id = $1", id); n != 1 {
		t.Fatalf("%d create events name the table", n)
	}
	app.accepted(s.token("casey@cedar"), uuid.Nil)
	refused(t, app.try("select pulse from public.vitals_0"), "42501", "permission denied")
	app.must("rollback")
	s.super("grant select on public.vitals_0 to ward_app")
	app.accepted(s.token("casey@cedar"), uuid.Nil)
	if n := value[int](app, "select count(*) from public.vitals_0"); n != 0 {
		t.Fatal("a partition that somebody granted shows its rows")
	}
}

// relate keeps who cares for whom, and a cancelled appointment means nothing.
func TestRelate(t *testing.T) {
	s := newScene(t)
	a := s.conn(t)
	casey := s.token("casey@cedar")
	visit := uuid.New()
	a.accepted(casey, uuid.Nil)
	a.must("insert into public.appointments (tenant_id, id, patient_id, provider_id, scheduled_at) "+
		"values ($1, $2, $3, tenancy.user_id(), now() + interval '1 day')", s.cedar, visit, s.mine)
	a.must("commit")
	const known = `select count(*) from tenancy.relationship r join tenancy.users u on u.id = r.user_id
			where r.record_id = $1 and r.patient_id = $2 and r.kind = 'appointment' and u.slug = 'casey'
				and r.author_id = u.id and (r.void_at is null) = $3`
	if n := wardtest.One[int](s.Env, known, visit, s.mine, true); n != 1 {
		t.Fatalf("%d relationships of an appointment", n)
	}
	d := uuid.New()
	a.accepted(casey, uuid.Nil)
	a.must("select audit.disclose($1, 'public.appointments', $2)", d, []uuid.UUID{visit})
	a.must("commit")
	a.accepted(casey, d)
	a.must("update public.appointments set cancelled_at = now() where id = $1", visit)
	a.must("commit")
	if n := wardtest.One[int](s.Env, known, visit, s.mine, false); n != 1 {
		t.Fatal("a cancelled appointment is not void")
	}
	owner := s.owner(t)
	refused(t, owner.try(`select tenancy.relate('public.appointments', 'appointment', '{"user": "provider_id"}')`),
		"22023", "the columns of public.appointments need")
	refused(t, owner.try(`select tenancy.relate('public.appointments', 'appointment',
			'{"user": "provider_id", "patient": "patient_id", "from": "nope"}')`), "22023", "wrong: nope")
	refused(t, owner.try(
		`select tenancy.relate('tenancy.users', 'user', '{"user": "id", "patient": "id", "from": "created_at"}')`),
		"55000", "not a protected table")
	t.Run("for rows that were there", func(t *testing.T) {
		s.super("delete from tenancy.relationship")
		owner.must(`select tenancy.relate('public.appointments', 'appointment',
				'{"user": "provider_id", "patient": "patient_id", "from": "scheduled_at",
				"author": "provider_id", "void": "cancelled_at", "known": "created_at"}')`)
		if n := wardtest.One[int](s.Env, known, visit, s.mine, false); n != 1 {
			t.Fatal("not filled")
		}
	})
}
