package migrate_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/jackc/pgx/v5"

	"github.com/ward-health/ward/internal/needs"
	"github.com/ward-health/ward/internal/postgres"
	"github.com/ward-health/ward/internal/postgres/pgtest"
	"github.com/ward-health/ward/internal/worker"
	"github.com/ward-health/ward/queries"
	"github.com/ward-health/ward/queries/migrate"
)

// site is a customer's server with a database in use.
type site struct {
	t       *testing.T
	cluster *postgres.Cluster
	super   *pgx.Conn
	url     string // the superuser's
	remover string // the URL of the login that removes ward; "": url
}

// newSite is an application that has tables by the names of the field, a login that uses temporary tables, advisory
// locks and large objects, and an audit trigger of its own in a schema audit.
func newSite(t *testing.T) *site {
	t.Helper()
	return siteOf(t, &pgtest.ClusterTemplate{Key: "site", Build: buildSite})
}

// newInstalled is such an application with ward beside it, and a clinic.
func newInstalled(t *testing.T) *site {
	t.Helper()
	return siteOf(t, &pgtest.ClusterTemplate{
		Key: "installed site " + migrate.Sum(),
		Build: func(ctx context.Context, cluster *postgres.Cluster) error {
			if err := buildSite(ctx, cluster); err != nil {
				return err
			}
			return initialise(ctx, cluster.DSN(postgres.SuperuserRole, "clinic"))
		},
	})
}

func siteOf(t *testing.T, template *pgtest.ClusterTemplate) *site {
	t.Helper()
	cluster := pgtest.NewCluster(t, pgtest.ClusterOptions{NoFsync: true, Template: template})
	s := &site{t: t, cluster: cluster, url: cluster.DSN(postgres.SuperuserRole, "clinic")}
	s.super = connect(t, s.url)
	return s
}

func buildSite(ctx context.Context, cluster *postgres.Cluster) error {
	if err := execAt(ctx, cluster.Superuser(), "create role clinic_app login", "create role reports",
		"create database clinic"); err != nil {
		return err
	}
	return execAt(ctx, cluster.DSN(postgres.SuperuserRole, "clinic"), `
		create table public.patients (id bigserial primary key, name text);
		create table public.appointments (id bigserial primary key, patient_id bigint references public.patients);
		create table public.claims (id int); create table public.notes (id int);
		insert into public.patients (name) values ('Canary');
		grant select, insert on all tables in schema public to clinic_app;
		grant usage on all sequences in schema public to clinic_app;
		create schema audit;
		create table audit.record_version (id bigserial primary key, op text not null, at timestamptz not null
			default now(),
		  record jsonb);
		create function audit.insert_update_delete_trigger() returns trigger language plpgsql security definer as $$
		begin insert into audit.record_version (op, record) values (tg_op, to_jsonb(new)); return new; end $$;
		create trigger audit_i_u_d after insert or update on public.patients
		  for each row execute function audit.insert_update_delete_trigger();
		grant usage on schema audit to reports; grant select on audit.record_version to reports;
		create schema core; create table core.clinic (id int primary key)`)
}

// execAt runs statements on a connection of their own.
func execAt(ctx context.Context, url string, statements ...string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	for _, s := range statements {
		if _, err := conn.Exec(ctx, s, pgx.QueryExecModeSimpleProtocol); err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
	}
	return nil
}

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	c, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close(context.Background()) })
	return c
}

func exec1(t *testing.T, c *pgx.Conn, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if _, err := c.Exec(t.Context(), s, pgx.QueryExecModeSimpleProtocol); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// snapshot is everything that an installation could change: the schema with its grants as pg_dump sees it, the rights
// on the database and on the server's own functions, and the cluster's roles.
func (s *site) snapshot() string {
	s.t.Helper()
	lines := s.dump()
	rows, err := s.super.Query(s.t.Context(), `
		select 'role ' || to_jsonb(r)::text from (select rolname, rolsuper, rolinherit, rolcreaterole, rolcreatedb,
		  rolcanlogin, rolreplication, rolbypassrls, rolconnlimit from pg_roles) r
		union all
		select format('%s in %s %s', m.member::regrole, m.roleid::regrole,
		  to_jsonb(m) - '{oid,roleid,member,grantor}'::text[])
		from pg_auth_members m
		union all
		select format('database %s %s', d.datname, (select string_agg(concat_ws(' ', a.grantee::regrole,
		    a.privilege_type, a.is_grantable), ', ' order by a.grantee, a.privilege_type)
		  from aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) a)) from pg_database d
		union all
		select format('tablespace %s %s', spcname, spcacl) from pg_tablespace
		union all
		select format('parameter %s %s', parname, (select string_agg(a::text, ' ' order by a::text)
		  from aclexplode(paracl) a where a.grantee <> 10)) from pg_parameter_acl
		union all
		select format('function %s %s', p.oid::regprocedure, (select string_agg(a::text, ' ' order by a::text)
		  from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a)) from pg_proc p
		where p.pronamespace = 'pg_catalog'::regnamespace
		union all
		select format('schema %s %s', n.nspname, (select string_agg(a::text, ' ' order by a::text)
		  from aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) a)) from pg_namespace n
		where n.nspname !~ '^pg_'
		order by 1`)
	if err != nil {
		s.t.Fatal(err)
	}
	catalog, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		s.t.Fatal(err)
	}
	return strings.Join(append(lines, catalog...), "\n")
}

func (s *site) same(before, after, when string) {
	s.t.Helper()
	same(s.t, strings.Split(before, "\n"), strings.Split(after, "\n"), when+", the database is another")
}

// dump is the schema as pg_dump sees it, or nothing where the server's package has no pg_dump: the rest of a snapshot
// is compared all the same, and the tests run with the dump too, on a server that has it.
func (s *site) dump() []string {
	s.t.Helper()
	b, err := postgres.FindBinaries(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	if !needs.HasClient(b.Dir, "pg_dump") {
		return nil
	}
	program := needs.Client(s.t, b.Dir, "pg_dump")
	dump, err := exec.CommandContext(s.t.Context(), program, "--schema-only", "--dbname="+s.url).CombinedOutput()
	if err != nil {
		s.t.Fatalf("pg_dump: %v\n%s", err, dump)
	}
	var lines []string
	for line := range strings.Lines(string(dump)) {
		if !strings.HasPrefix(line, `\restrict`) && !strings.HasPrefix(line, `\unrestrict`) { // random in each dump
			lines = append(lines, strings.TrimRight(line, "\n"))
		}
	}
	return lines
}

// same fails with what one snapshot has and the other has not.
func same(t *testing.T, before, after []string, when string) {
	t.Helper()
	var differ []string
	for _, l := range before {
		if !slices.Contains(after, l) {
			differ = append(differ, "- "+l)
		}
	}
	for _, l := range after {
		if !slices.Contains(before, l) {
			differ = append(differ, "+ "+l)
		}
	}
	if !slices.Equal(before, after) {
		t.Errorf("%s:\n%s", when, strings.Join(differ[:min(len(differ), 40)], "\n"))
	}
}

func (s *site) look(url string) *migrate.Plan {
	s.t.Helper()
	p, err := migrate.Look(s.t.Context(), url, migrate.Options{})
	if err != nil {
		s.t.Fatal(err)
	}
	return p
}

func (s *site) install(url string) {
	s.t.Helper()
	if _, err := worker.Migrate(s.t.Context(), url, migrate.Options{}); err != nil {
		s.t.Fatal(err)
	}
}

func one[T any](t *testing.T, c *pgx.Conn, sql string, args ...any) T {
	t.Helper()
	var v T
	if err := c.QueryRow(t.Context(), sql, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}

// TestInstallBesideAnApplication: what PUBLIC loses is said before, with who loses it; the application's schemas are
// shared and its audit trigger goes on; and a removal leaves everything as it was.
func TestInstallBesideAnApplication(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	before := s.snapshot()
	uses := []string{"create temp table x (i int)", "select pg_try_advisory_xact_lock(1)", "select lo_create(0)",
		"insert into public.patients (name) values ('Second')"}
	app := connect(t, s.cluster.DSN("clinic_app", "clinic"))
	exec1(t, app, append(uses, "drop table x", "select lo_unlink(oid) from pg_largeobject_metadata")...)

	p := s.look(s.url)
	if len(p.Obstacles) > 0 {
		t.Fatalf("in the way: %v", p.Obstacles)
	}
	kinds := map[string][]string{}
	for _, take := range p.Takes {
		kinds[take.Kind] = take.Losers
	}
	for _, kind := range []string{
		"temporary tables", "advisory locks", "large objects", "statements of other sessions",
		"rows by their physical place",
	} {
		if !slices.Equal(kinds[kind], []string{"clinic_app"}) {
			t.Errorf("%s: lost by %v", kind, kinds[kind])
		}
	}
	if _, there := kinds["objects in schema public"]; there {
		t.Error("takes what PUBLIC has not had since PostgreSQL 15")
	}
	s.same(before, s.snapshot(), "after a look")

	s.install(s.url)
	for _, u := range uses[:3] {
		if _, err := app.Exec(t.Context(), u); err == nil {
			t.Errorf("still can: %s", u)
		}
	}
	exec1(t, app, uses[3])
	if n := one[int](t, s.super, "select count(*) from audit.record_version"); n != 2 {
		t.Errorf("the application's own audit has %d rows", n)
	}
	if n := one[int](t, s.super, "select count(*) from core.taken"); n != len(p.Takes)+1 { // and pgcrypto
		t.Errorf("%d takes remembered, %d listed", n, len(p.Takes))
	}
	if p := s.look(s.url); !p.Empty() || len(p.Takes) > 0 || len(p.Obstacles) > 0 {
		t.Errorf("after the installation: %q, %v", p.Lines(), p.Obstacles)
	}

	done, err := migrate.Remove(t.Context(), s.url, migrate.Removal{Reason: "the trial is over", DropHistory: true})
	if err != nil {
		t.Fatal(err)
	}
	if len(done.RolesKept) > 0 || len(done.RolesDropped) != 9 || len(done.Kept) > 0 {
		t.Errorf("%+v", done)
	}
	exec1(t, s.super, "delete from public.patients where name = 'Second'")
	s.same(before, s.snapshot(), "after the removal")
	exec1(t, app, uses...)
}

// TestObstacles: everything in the way is said at once, each with what mends it; the mending works; and nothing changes
// before that.
func TestObstacles(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	exec1(t, s.super, `
		create role boss login superuser; create role ward_app login superuser; create role ward_owner login;
		create role ward_worker login; create table public.theirs (id int); alter table public.theirs owner
			to ward_worker;
		create role ward_reader; grant ward_reader to clinic_app; create role ward_rule; grant reports to ward_rule;
		create schema extensions; create extension pgcrypto schema extensions;
		create table audit.event (id int); create index event_tenant on audit.event (id);
		create table audit.event_2099_01 (id int);
		create table audit.actor (id int); create type audit.outcome as enum ('good');
		create function audit.write(uuid) returns int language sql as 'select 1';
		create table core.release (version text, sum text);
		create schema review authorization clinic_app;
		create schema tenancy; grant create on schema tenancy to clinic_app;
		create schema river; create table river.river_job (id int);
		create schema phi; create view phi.patients as select 1 as one`)
	before := s.snapshot()
	p := s.look(s.url)
	var said []string
	for _, o := range p.Obstacles {
		said = append(said, o.What)
		if len(o.Mend) == 0 {
			t.Errorf("no mending: %s", o.What)
		}
	}
	for _, want := range []string{
		"role ward_app has superuser", "role ward_owner can log in", "role ward_worker is in use",
		"clinic_app may act as ward_reader", "role ward_rule is in use", "pgcrypto is in schema extensions",
		"table audit.event has a name", "index audit.event_tenant", "table audit.event_2099_01", "table audit.actor",
		"type audit.outcome", "function audit.write(uuid)", "table core.release", "schema review belongs to clinic_app",
		"clinic_app may create in schema tenancy", "table river.river_job",
	} {
		if !slices.ContainsFunc(said, func(o string) bool { return strings.Contains(o, want) }) {
			t.Errorf("does not say %q", want)
		}
	}
	for _, o := range said {
		if strings.Contains(o, "phi") || strings.Contains(o, "core.clinic") {
			t.Errorf("says too much: %q", o)
		}
	}
	_, err := worker.Migrate(t.Context(), s.url, migrate.Options{})
	var stands *migrate.ObstaclesError
	if !errors.As(err, &stands) || len(stands.Obstacles) != len(said) {
		t.Fatalf("migrates all the same: %v", err)
	}
	s.same(before, s.snapshot(), "after a refusal")

	for _, o := range p.Obstacles {
		exec1(t, s.super, o.Mend...)
	}
	if p := s.look(s.url); len(p.Obstacles) > 0 {
		t.Fatalf("still in the way: %v", p.Obstacles)
	}
	mended := s.snapshot()
	s.install(s.url)
	if _, err := migrate.Remove(t.Context(), s.url,
		migrate.Removal{Reason: "and back", DropHistory: true}); err != nil {
		t.Fatal(err)
	}
	// the roles that were there before ward are not ward's to know
	for _, role := range []string{"ward_app login", "ward_owner", "ward_reader"} {
		exec1(t, s.super, "create role "+role)
	}
	s.same(mended, s.snapshot(), "after the removal")
}

// TestLogins: a login that may not install is told what it lacks, and one that may needs no superuser.
func TestLogins(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	exec1(t, s.super, "create role platform login", "drop schema audit cascade", "drop schema core cascade")
	before := s.snapshot()
	url := s.cluster.DSN("platform", "clinic")
	p := s.look(url)
	if len(p.Obstacles) != 2 || p.Obstacles[0].Mend[0] != "alter role platform createrole" ||
		p.Obstacles[1].Mend[0] != "alter database clinic owner to platform" {
		t.Fatalf("%+v", p.Obstacles)
	}
	if !slices.ContainsFunc(p.Takes, func(x migrate.Take) bool { return x.Refused }) {
		t.Error("a login that is no superuser takes advisory locks")
	}
	if _, err := worker.Migrate(t.Context(), url, migrate.Options{}); err == nil {
		t.Fatal("installs all the same")
	}
	s.same(before, s.snapshot(), "after a refusal")
	exec1(t, s.super, "alter role platform createrole", "alter database clinic owner to platform")
	before = s.snapshot()
	var said []string
	hear := func(text string) { said = append(said, text) }
	applied, err := worker.Migrate(t.Context(), url, migrate.Options{Said: hear})
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Join(applied, "\n")
	if !strings.Contains(lines, "taken from PUBLIC: temporary tables") || strings.Contains(lines, "advisory") {
		t.Errorf("applied: %s", lines)
	}
	if !slices.ContainsFunc(said, func(x string) bool { return strings.Contains(x, "pg_advisory_lock") }) {
		t.Errorf("no word that the platform keeps advisory locks: %q", said)
	}
	said = nil
	if _, err := worker.Migrate(t.Context(), url, migrate.Options{Said: hear}); err != nil || len(said) > 0 {
		t.Errorf("an upgrade says again what was refused: %q, %v", said, err)
	}
	if p := s.look(url); !p.Empty() || len(p.Takes)+len(p.Obstacles) > 0 {
		t.Errorf("asks again for what was refused: %v", p.Takes)
	}
	_, err = migrate.Look(t.Context(), s.cluster.DSN("clinic_app", "clinic"), migrate.Options{})
	if err == nil || err.Error() != "clinic_app may not act as ward_owner: migrate as ward_migrate" {
		t.Errorf("the application's login: %v", err)
	}
	_, err = migrate.Remove(t.Context(), url, migrate.Removal{Reason: "the trial is over", DropHistory: true})
	if err != nil {
		t.Fatal(err)
	}
	s.same(before, s.snapshot(), "after the removal")
}

// TestInstallFailsInTheMiddle: nothing of it stays, in the database or in the cluster.
func TestInstallFailsInTheMiddle(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	before := s.snapshot()
	for name, text := range map[string]string{
		"tables/99999_bad.sql": "select 1/0;\n",
		"functions/tenancy/begin.sql": "create function tenancy.begin() returns int language sql " +
			"as 'select nothing';\n",
	} {
		files := fstest.MapFS{}
		err := fs.WalkDir(queries.Schema(), ".", func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			b, err := fs.ReadFile(queries.Schema(), path)
			files[path] = &fstest.MapFile{Data: b}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		files[name] = &fstest.MapFile{Data: []byte(text)}
		if _, err := worker.Migrate(t.Context(), s.url, migrate.Options{Files: files, Version: "0.1.0"}); err == nil {
			t.Fatalf("%s: installs", name)
		}
		s.same(before, s.snapshot(), "after "+name)
	}
}

// TestSupabase: schema auth is Supabase's, and is not touched; pgcrypto moves when its owner says so.
func TestSupabase(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	exec1(t, s.super, `
		create role authenticator login noinherit; create role supabase_auth_admin;
		create schema auth authorization supabase_auth_admin; create schema extensions;
		create extension pgcrypto schema extensions;
		create function auth.jwt() returns jsonb language sql stable as
		  $$ select coalesce(nullif(current_setting('request.jwt.claims', true), '')::jsonb, '{}') $$;
		create function auth.uid() returns uuid language sql stable as $$ select (auth.jwt()->>'sub')::uuid $$;
		grant usage on schema auth to public;
		alter table public.patients enable row level security;
		create policy own on public.patients using (auth.uid() is not null)`)
	theirs := `select string_agg(pg_get_functiondef(p.oid) || coalesce(p.proacl::text, ''), E'\n' order by p.proname)
		|| (select nspacl::text from pg_namespace where nspname = 'auth')
		from pg_proc p where p.pronamespace = 'auth'::regnamespace`
	was := one[string](t, s.super, theirs)
	p := s.look(s.url)
	if len(p.Obstacles) != 1 || p.Obstacles[0].Mend[0] != "alter extension pgcrypto set schema public" {
		t.Fatalf("%v", p.Obstacles)
	}
	exec1(t, s.super, p.Obstacles[0].Mend...)
	before := s.snapshot()
	s.install(s.url)
	if is := one[string](t, s.super, theirs); is != was {
		t.Errorf("schema auth is another:\n%s\nwas\n%s", is, was)
	}
	if p := s.look(s.url); !p.Empty() {
		t.Errorf("wants more: %q", p.Lines())
	}
	if n := one[int](t, s.super, "select count(*) from core.object where name like 'auth.%'"); n != 0 {
		t.Errorf("%d objects in schema auth", n)
	}
	if _, err := s.remove(migrate.Removal{DropHistory: true}); err != nil {
		t.Fatal(err)
	}
	s.same(before, s.snapshot(), "after the removal")
}
