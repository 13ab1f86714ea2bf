package migrate_test

import (
	"strings"
	"testing"

	"github.com/ward-health/ward/internal/worker"
	"github.com/ward-health/ward/queries/migrate"
)

// become is the body of a function that makes a role a superuser, where whoever runs it may.
func become(role string) string {
	return "begin execute 'alter role " + role + " superuser'; exception when others then null; end"
}

// TestNothingPlantedRuns: a superuser looks at a database and installs ward in it. Neither runs what the database's
// owner, or any login that may create in schema public, has put there before.
func TestNothingPlantedRuns(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	exec1(t, s.super, "create role eve login", "alter database clinic owner to eve",
		"grant create on schema public to public")
	eve := connect(t, s.cluster.DSN("eve", "clinic"))
	for name, plant := range map[string][]string{
		"a function that matches a call better": {
			"create function public.quote_ident(name) returns text language plpgsql as $$ " +
				"begin " + become("eve") + "; return pg_catalog.quote_ident($1::text); end $$",
		},
		"views of the catalog first in the path": {
			"create schema evil",
			"create function evil.hashtext(text) returns int language plpgsql as $$ begin " + become("eve") +
				"; return 1; end $$",
			"create function evil.run() returns boolean language plpgsql as $$ begin " + become("eve") +
				"; return true; end $$",
			"create view evil.pg_roles as select * from pg_catalog.pg_roles where evil.run()",
			"create view evil.pg_namespace as select * from pg_catalog.pg_namespace where evil.run()",
			"grant usage on schema evil to public", "grant select on evil.pg_roles, evil.pg_namespace to public",
			"alter database clinic set search_path = evil, pg_catalog, public",
		},
	} {
		t.Run(name, func(t *testing.T) {
			exec1(t, eve, plant...)
			_, _, err := worker.Look(t.Context(), s.url, migrate.Options{})
			t.Logf("look: %v", err)
			_, err = worker.Migrate(t.Context(), s.url, migrate.Options{})
			t.Logf("migrate: %v", err)
			if one[bool](t, s.super, "select rolsuper from pg_catalog.pg_roles where rolname = 'eve'") {
				t.Error("eve is a superuser")
			}
			exec1(t, s.super, "alter role eve nosuperuser")
		})
	}
}

// TestHostileDefaults: what a database or a login is set to by default reaches nothing that migrate does.
func TestHostileDefaults(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for _, set := range []string{
		"default_transaction_read_only = on", "statement_timeout = '5ms'",
		"idle_in_transaction_session_timeout = '1ms'", "standard_conforming_strings = off", "row_security = off",
		"plpgsql.extra_errors = 'all'", "default_tablespace = 'pg_default'", "quote_all_identifiers = on",
		"client_encoding = 'LATIN1'", "default_transaction_isolation = 'serializable'", "datestyle = 'SQL, DMY'",
		"timezone = 'Asia/Kolkata'",
		"check_function_bodies = off", "lock_timeout = '1ms'",
		"default_transaction_deferrable = on", "bytea_output = 'escape'", "array_nulls = off",
		"transform_null_equals = on", "backslash_quote = on", "extra_float_digits = -15",
	} {
		exec1(t, s.super, "alter database clinic set "+set)
	}
	p := s.look(s.url)
	if len(p.Obstacles) > 0 {
		t.Fatalf("in the way: %v", p.Obstacles)
	}
	s.install(s.url)
	if p := s.look(s.url); !p.Empty() {
		t.Errorf("after the installation: %v", p.Lines())
	}
	if from := one[string](t, s.super, "select min(pg_get_expr(c.relpartbound, c.oid)) from pg_class c "+
		"where c.relispartition and c.relname like 'event\\_%'"); !strings.Contains(from, "-01 00:00:00+00") {
		exec1(t, s.super, "set timezone = 'UTC'; set datestyle = 'ISO'")
		from = one[string](t, s.super, "select min(pg_get_expr(c.relpartbound, c.oid)) from pg_class c "+
			"where c.relispartition and c.relname ~ '^event_[0-9]'")
		if !strings.Contains(from, "-01 00:00:00+00") {
			t.Errorf("a month begins at %s", from)
		}
	}
}

// TestRolesOfOthers: a role of ward's name that somebody else could act as, or hand on, is told before.
func TestRolesOfOthers(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	exec1(t, s.super, "create role dev login createrole")
	dev := connect(t, s.cluster.DSN("dev", "clinic"))
	exec1(t, dev, "create role ward_keys nologin", "create role ward_migrate login password 'mine'")
	exec1(t, s.super, "grant ward_keys, ward_migrate to dev with admin option")
	p := s.look(s.url)
	var all []string
	for _, o := range p.Obstacles {
		all = append(all, o.What)
		exec1(t, s.super, o.Mend...)
	}
	for _, want := range []string{"ward_keys", "ward_migrate"} {
		if !strings.Contains(strings.Join(all, "\n"), want) {
			t.Errorf("dev may hand on %s, and nothing says so: %q", want, all)
		}
	}
	if p := s.look(s.url); len(p.Obstacles) > 0 {
		t.Errorf("after the mends: %v", p.Obstacles)
	}
	if !strings.Contains(strings.Join(p.Lines(), "\n"), "role ward_migrate is there already") {
		t.Errorf("not told that a role is there already: %q", p.Lines())
	}
}
