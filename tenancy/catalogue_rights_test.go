package tenancy_test

import (
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/ward-health/ward/internal/wardtest"
)

// Entries 53 to 63: what only an owner or a superuser may do.

func triggersAndRules(t *testing.T, s *scene) {
	s.asEach(t, func(_ string, a *attacker) {
		a.cannot(t, "create rule r as on select to public.patients do instead select 1", "create trigger x after "+
			"insert on public.patients for each row execute function suppress_redundant_updates_trigger()",
			"create policy p on public.patients using (true)", "alter policy disclosed on public.patients using (true)",
			"drop policy disclosed on public.patients", "alter table public.patients disable trigger all",
			"alter table public.patients disable row level security",
			"alter table public.patients no force row level security", "drop trigger audit_write on public.patients",
			"alter view phi.patients set (security_barrier = false)",
			"alter table audit.event disable trigger append_only",
			"drop table public.patients", "alter table public.patients owner to current_user",
			"comment on table public.patients is 'x'")
	})
}

func extensions(t *testing.T, s *scene) {
	if got := wardtest.One[string](s.Env,
		"select string_agg(extname, ' ' order by extname) from pg_extension"); got != "pgcrypto plpgsql" {
		t.Fatalf("extensions %s", got)
	}
	if got := wardtest.One[string](s.Env,
		"select string_agg(lanname, ' ' order by lanname) from pg_language"); got != "c internal plpgsql sql" {
		t.Fatalf("languages %s", got)
	}
	s.asEach(t, func(_ string, a *attacker) {
		a.cannot(t, "create extension dblink", "create extension postgres_fdw",
			"create trusted language x handler plpgsql_call_handler",
			"create event trigger x on ddl_command_end execute function suppress_redundant_updates_trigger()",
			"load 'auto_explain'")
	})
}

func publications(t *testing.T, s *scene) {
	if n := wardtest.One[int](s.Env,
		"select (select count(*) from pg_publication) + (select count(*) from pg_subscription)"); n != 0 {
		t.Fatalf("%d publications and subscriptions", n)
	}
	s.asEach(t, func(_ string, a *attacker) {
		a.cannot(t, "create publication p", "create publication p for table public.patients",
			"create publication p for all tables", "select pg_create_logical_replication_slot('x', 'test_decoding')",
			"select pg_create_logical_replication_slot('x', 'pgoutput')",
			"select * from pg_logical_slot_get_changes('x', null, null)",
			"select pg_create_physical_replication_slot('x')",
			"create subscription x connection 'dbname=x' publication y with (connect = false)",
			"select pg_replication_origin_create('x')")
		if value[bool](a, "select rolreplication from pg_roles where rolname = current_user") {
			t.Fatal("a login may replicate")
		}
	})
}

func dumps(t *testing.T, s *scene) {
	s.asEach(t, func(_ string, a *attacker) { // what pg_dump sends first
		a.must("begin isolation level repeatable read, read only")
		a.must("set local row_security = off")
		a.cannot(t, "copy public.patients to stdout", "copy tenancy.signing_key to stdout",
			"copy tenancy.users (password_hash) to stdout", "select * from pg_authid")
		a.must("rollback")
	})
	if n := wardtest.One[int](s.Env, "select count(*) from tenancy.signing_key where length(secret) >= 32"); n == 0 {
		t.Fatal("no longer: docs/SECURITY.md says that a backup has the keys")
	}
}

func readAllData(t *testing.T, s *scene) {
	const predefined = "select count(*) from pg_auth_members m where m.roleid::regrole::text like 'pg\\_%' " +
		"and m.member::regrole::text like 'ward\\_%'"
	if n := wardtest.One[int](s.Env, predefined); n != 0 {
		t.Fatalf("%d of ward's roles are members of predefined ones", n)
	}
	name := "x_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	s.super("create role " + name + " login in role pg_read_all_data, pg_read_all_stats, pg_monitor")
	defer s.super("drop role " + name)
	a := s.connAs(t, name)
	for _, table := range []string{"public.patients", "audit.event", "tenancy.signing_key", "tenancy.mac_key"} {
		if n := value[int](a, "select count(*) from "+table); n != 0 {
			t.Errorf("pg_read_all_data reads %d rows of %s", n, table)
		}
	}
	a.cannot(t, readNames)
	s.super("alter table tenancy.signing_key disable row level security")
	if n := value[int](a, "select count(*) from tenancy.signing_key"); n == 0 {
		t.Fatal("does not read keys without their row security: what else hides them?")
	}
}

func deleteInPartition(t *testing.T, s *scene) {
	child := wardtest.One[string](s.Env, "select tableoid::regclass::text from audit.event limit 1")
	s.asEach(t, func(_ string, a *attacker) {
		a.cannot(t, "delete from "+child, "update "+child+" set action = 'view'", "truncate "+child,
			"delete from audit.event", "update audit.event set action = 'view'",
			"insert into audit.event (tenant_id, actor_kind, action) values (gen_random_uuid(), 'human', 'view')")
	})
	owner := s.owner(t)
	for _, sql := range []string{"delete from " + child, "update " + child + " set action = 'view'",
		"truncate " + child, "truncate audit.event", "delete from audit.event", "truncate audit.chain"} {
		refused(t, owner.try(sql), "42501", "append-only")
	}
	s.super("alter table " + child + " disable trigger append_only_truncate")
	owner.must("truncate " + child)
}

func detachPartition(t *testing.T, s *scene) {
	child := wardtest.One[string](s.Env, "select tableoid::regclass::text from audit.event limit 1")
	s.asEach(t, func(_ string, a *attacker) {
		a.cannot(t, "alter table audit.event detach partition "+child, "drop table "+child)
	})
	owner := s.owner(t)
	owner.must("begin")
	if err := owner.try("alter table audit.event detach partition " + child); err != nil {
		t.Fatalf("no longer: docs/SECURITY.md says that an owner can: %v", err)
	}
	owner.must("rollback")
}

func erasedByRollback(t *testing.T, s *scene) {
	a := s.conn(t)
	casey := s.token("casey@cedar")
	for _, how := range []string{"", "savepoint s"} {
		d := uuid.New()
		a.accepted(casey, d)
		if how != "" {
			a.must(how)
		}
		a.must("select audit.disclose($1, 'public.patients', $2)", d, []uuid.UUID{s.mine})
		refused(t, a.try(readNames), "42501", "no committed disclosure")
		a.must("rollback")
	}
	restore := s.without(t, "tenancy.disclosed", " and d.xid is distinct from pg_current_xact_id_if_assigned()", "")
	defer restore()
	before, d := s.events("action = 'view'"), uuid.New()
	a.accepted(casey, d)
	a.must("select audit.disclose($1, 'public.patients', $2)", d, []uuid.UUID{s.mine})
	a.sees("Canarycedar")
	a.must("rollback")
	if s.events("action = 'view'") != before {
		t.Fatal("the event outlasts the rollback")
	}
}

func errorsOfPartitions(t *testing.T, s *scene) {
	s.vitals(t)
	s.crowdOfVitals(t)
	a := s.conn(t)
	a.accepted(s.token("casey@cedar"), uuid.Nil)
	a.must("savepoint s")
	err := a.try("insert into public.vitals values ($1, gen_random_uuid(), 999)", s.cedar)
	refused(t, err, "23514", "vitals")
	if strings.Contains(err.Error(), "Failing row") {
		t.Fatal("an error of a partition shows the row")
	}
	a.must("rollback to s")
	a.cannot(t, "select pulse from public.vitals", "update public.vitals set pulse = pulse + 1")
}

// crowdOfVitals adds a row as the application does.
func (s *scene) crowdOfVitals(t *testing.T) {
	t.Helper()
	a := s.conn(t)
	a.accepted(s.token("casey@cedar"), uuid.Nil)
	a.must("insert into public.vitals values ($1, gen_random_uuid(), 80)", s.cedar)
	a.must("commit")
}

// nowhereToCreate: every schema, every login.
func nowhereToCreate(t *testing.T, s *scene) {
	if n := wardtest.One[int](s.Env, "select count(*) from pg_namespace n cross join unnest($1::text[]) r "+
		"where has_schema_privilege(r, n.oid, 'create')", logins); n != 0 {
		t.Fatalf("logins may create in %d schemas", n)
	}
	if n := wardtest.One[int](s.Env, "select count(*) from unnest($1::text[]) r where has_database_privilege(r, "+
		"current_database(), 'create') or has_database_privilege(r, current_database(), 'temporary')", logins); n != 0 {
		t.Fatalf("%d logins may create schemas or temporary objects", n)
	}
	s.asEach(t, func(role string, a *attacker) {
		if n := value[int](a, "select count(*) from pg_class where relowner = current_user::regrole"); n != 0 {
			t.Fatalf("%s owns %d relations", role, n)
		}
		a.cannot(t, "refresh materialized view public.patients", "create table public.x as select 1 as a",
			"select 1 as a into public.x", "create index on public.patients (mrn)", "reindex table public.patients")
	})
}

func ownOperators(t *testing.T, s *scene) {
	s.asEach(t, func(_ string, a *attacker) {
		for _, schema := range []string{"public", "core", "tenancy", "audit", "phi", "review",
			"pg_catalog", "pg_temp"} {
			err := a.raw("create operator " + schema +
				".=== (leftarg = text, rightarg = text, function = texteq, restrict = eqsel)")
			if err == nil {
				t.Fatalf("an operator in %s", schema)
			}
		}
		a.cannot(t, "create type public.x as enum ('a')", "create domain public.x as text",
			"create aggregate public.x (text) (sfunc = textcat, stype = text)",
			"create collation public.x (locale = 'C')", "create text search dictionary public.x (template = simple)",
			"create cast (text as uuid) with inout",
			"create operator class public.x for type text using btree as operator 1 <",
			"create conversion public.x for 'LATIN1' to 'UTF8' from iso8859_1_to_utf8")
	})
}

// W26: what the view shows may be written, and to disclosed rows only.
func copyOutOfView(t *testing.T, s *scene) {
	second := s.undisclosed()
	a := s.conn(t)
	d := a.asked(s.token("casey@cedar"), s.mine)
	a.accepted(s.token("casey@cedar"), d)
	tag, err := a.Exec(t.Context(), "update public.patients p set address = q.last_name from phi.patients q where true")
	if err != nil || tag.RowsAffected() != 1 {
		t.Fatalf("%d rows, %v", tag.RowsAffected(), err)
	}
	a.must("commit")
	if n := wardtest.One[int](s.Env,
		"select count(*) from public.patients where id in ($1, $2) and address is not null", second, s.theirs); n != 0 {
		t.Fatalf("%d undisclosed rows were written", n)
	}
}
