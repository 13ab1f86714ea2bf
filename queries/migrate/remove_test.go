package migrate_test

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/ward-health/ward/internal/postgres"
	"github.com/ward-health/ward/internal/worker"
	"github.com/ward-health/ward/queries/migrate"
	"github.com/ward-health/ward/tenancy"
)

// initialised makes the site an installation with a clinic.
func (s *site) initialised() {
	s.t.Helper()
	if err := initialise(s.t.Context(), s.url); err != nil {
		s.t.Fatal(err)
	}
}

func initialise(ctx context.Context, url string) error {
	if _, err := worker.Migrate(ctx, url, migrate.Options{}); err != nil {
		return err
	}
	db, err := tenancy.Open(ctx, url)
	if err != nil {
		return err
	}
	defer db.Close()
	_, err = db.Init(ctx, tenancy.Installation{
		Region: "us-west", Slug: "root", Name: "Root", Password: "correct horse battery",
	})
	return err
}

func (s *site) remove(o migrate.Removal) (*migrate.Removed, error) {
	s.t.Helper()
	if o.Reason == "" {
		o.Reason = "the trial is over"
	}
	return migrate.Remove(s.t.Context(), cmp.Or(s.remover, s.url), o)
}

// refused requires a refusal that says every one of these, and that changed nothing.
func (s *site) refused(o migrate.Removal, want ...string) []migrate.Obstacle {
	s.t.Helper()
	before := s.snapshot()
	_, err := s.remove(o)
	if err == nil {
		s.t.Fatal("ward is removed")
	}
	for _, w := range want {
		if !strings.Contains(err.Error(), w) {
			s.t.Errorf("does not say %q: %v", w, err)
		}
	}
	s.same(before, s.snapshot(), "after a refusal")
	var stands *migrate.ObstaclesError
	if !errors.As(err, &stands) {
		return nil
	}
	return stands.Obstacles
}

// TestRemoveTouchesNothingOfOthers: whatever needs an object of ward's, or belongs to a role of ward's, is named with
// the statement that ends it, and stays.
func TestRemoveTouchesNothingOfOthers(t *testing.T) {
	t.Parallel()
	s := newInstalled(t)
	exec1(t, s.super, `
		create schema rx; create table rx.fills (tenant_id uuid not null references tenancy.tenant, id uuid not null,
		  patient_id uuid, primary key (tenant_id, id));
		create view public.clinics as select slug from tenancy.tenant;
		create table public.visits (id uuid default tenancy.installation(), who audit.actor);
		create policy mine on public.patients using (tenancy.claims() is not null);
		create trigger told after truncate on public.claims execute function core.append_only();
		create function public.latest(audit.event) returns int language sql as 'select 1';
		create table public.given (id int); alter table public.given owner to ward_owner;
		create table core.chart (id int); alter table core.chart owner to ward_owner;
		create table tenancy.strange (id int)`)
	worker := connect(t, s.cluster.DSN("ward_worker", "clinic"))
	stands := s.refused(migrate.Removal{DropHistory: true},
		"ward_worker is connected", "constraint fills_tenant_id_fkey on table rx.fills",
		"alter table rx.fills drop constraint fills_tenant_id_fkey", "drop view public.clinics",
		"alter table public.visits alter id drop default", "alter table public.visits alter who type text",
		"drop policy mine on public.patients", "drop trigger told on public.claims",
		"drop function public.latest(audit.event)",
		"table public.given belongs to a role of ward's", "table core.chart belongs to a role of ward's",
		"table tenancy.strange is in a schema of ward's")
	if stands == nil {
		t.Fatal("no list")
	}
	if n := one[int](t, s.super, "select count(*) from audit.event where detail like '%remove ward%'"); n != 0 {
		t.Error("a removal is recorded that was refused")
	}
	_ = worker.Close(t.Context())
	for _, o := range stands {
		exec1(t, s.super, o.Mend...)
	}
	exec1(t, s.super, "alter table public.given owner to postgres", "alter table core.chart owner to postgres",
		"alter table tenancy.strange set schema public")
	if _, err := s.remove(migrate.Removal{DropHistory: true}); err != nil {
		t.Fatal(err)
	}
	for _, table := range []string{
		"rx.fills", "public.visits", "public.given", "core.chart", "public.strange", "core.clinic",
		"audit.record_version",
	} {
		if one[bool](t, s.super, "select to_regclass($1) is null", table) {
			t.Errorf("%s is gone", table)
		}
	}
}

// TestUnprotect undoes what protect and relate made: afterwards the table is as it was, and ward can go.
func TestUnprotect(t *testing.T) {
	t.Parallel()
	s := newInstalled(t)
	exec1(t, s.super, `create schema rx;
		create table rx.fills (tenant_id uuid not null, id uuid not null, patient_id uuid, user_id uuid, at timestamptz,
		  note text, primary key (tenant_id, id));
		create table rx.parts (tenant_id uuid not null, id uuid not null, at date not null, primary key (tenant_id, id))
			;
		grant usage on schema rx to clinic_app`)
	before := s.snapshot()
	exec1(t, s.super,
		"select tenancy.protect('rx.fills', 'patient_id', '{at}')", "select tenancy.protect('rx.parts')",
		`select tenancy.relate('rx.fills', 'filled', '{"user": "user_id", "patient": "patient_id", "from": "at"}')`,
		"select tenancy.permit('clinician', 'rx.fills', '{view}')")
	s.refused(migrate.Removal{DropHistory: true}, "rx.fills is protected",
		"select tenancy.unprotect('rx.fills', 'REASON')", "rx.parts is protected")
	if s.snapshot() == before {
		t.Fatal("protect leaves no trace")
	}
	for _, refusal := range []string{
		"select tenancy.unprotect('rx.fills', ' no ')", "select tenancy.unregister('rx.fills', 'a good reason')",
	} {
		if _, err := s.super.Exec(t.Context(), refusal); err == nil {
			t.Errorf("does: %s", refusal)
		}
	}
	exec1(t, s.super, "set role clinic_app")
	if _, err := s.super.Exec(t.Context(), "select tenancy.unprotect('rx.fills', 'a good reason')"); err == nil {
		t.Error("anybody unprotects")
	}
	exec1(t, s.super, "reset role", "set role ward_migrate")
	if _, err := s.super.Exec(t.Context(), "select tenancy.unprotect('rx.fills', 'a good reason')"); err == nil {
		t.Error("ward_migrate unprotects what it does not own")
	}
	exec1(t, s.super, "reset role", "select tenancy.unprotect('rx.parts', 'not needed')")
	if !one[bool](t, s.super, "select has_schema_privilege('ward_reader', 'rx', 'usage')") {
		t.Error("ward_reader is put out while a table is protected")
	}
	event := one[int64](t, s.super, "select tenancy.unprotect('rx.fills', 'the trial is over')")
	s.same(before, s.snapshot(), "after unprotect")
	detail := one[string](t, s.super, "select action || detail from audit.event where event_id = $1", event)
	for _, want := range []string{"configure", "unprotect", "rx.fills", "the trial is over", "postgres"} {
		if !strings.Contains(detail, want) {
			t.Errorf("the event lacks %q: %s", want, detail)
		}
	}
	left := one[int](t, s.super,
		`select (select count(*) from tenancy.phi_table) + (select count(*) from tenancy.relation)
		+ (select count(*) from tenancy.permission)`)
	if left != 0 {
		t.Errorf("%d registrations left", left)
	}
	// with a policy of somebody's, row security stays
	exec1(t, s.super, "select tenancy.protect('rx.fills')",
		"create policy narrow on rx.fills as restrictive using (true)",
		"select tenancy.unprotect('rx.fills', 'and again')")
	if !one[bool](t, s.super, "select relrowsecurity from pg_class where oid = 'rx.fills'::regclass") {
		t.Error("switches another's row security off")
	}
	if _, err := s.remove(migrate.Removal{DropHistory: true}); err != nil {
		t.Fatal(err)
	}
}

// TestRemoveKeepsTheHistory, append-only and readable by its owner, and the roles that it needs; what was not shipped
// is in the way; and a later installation is told how to free the schema.
func TestRemoveKeepsTheHistory(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	exec1(t, s.super, "drop schema audit cascade")
	s.initialised()
	var asked []migrate.Head
	no := func(_ context.Context, region string, heads []migrate.Head) error {
		if region != "us-west" {
			t.Errorf("region %s", region)
		}
		asked = heads
		return errors.New("2 rows are not shipped")
	}
	exec1(t, s.super, `insert into audit.chain
		select tenant_id, 1, event_id, recorded_at, 1, now(), substr(sha256('a'), 1, 16), sha256('b')
		from (select * from audit.event order by event_id limit 1) e`)
	if _, err := s.remove(migrate.Removal{Shipped: no}); err == nil || err.Error() != "2 rows are not shipped" {
		t.Fatalf("%v", err)
	}
	if len(asked) != 1 || asked[0].Seq != 1 {
		t.Errorf("asked for %v", asked)
	}
	rows := one[int](t, s.super, "select count(*) from audit.event")
	yes := func(context.Context, string, []migrate.Head) error { return nil }
	done, err := s.remove(migrate.Removal{Shipped: yes})
	if err != nil {
		t.Fatal(err)
	}
	if !done.HistoryKept || done.Event == nil || len(done.RolesKept) != 1 ||
		!strings.HasPrefix(done.RolesKept[0], "ward_owner: ") {
		t.Errorf("%+v", done)
	}
	detail := one[string](t, s.super, "select detail from audit.event where event_id = $1", *done.Event)
	if !strings.Contains(detail, "the trial is over") || !strings.Contains(detail, "remove ward") {
		t.Errorf("event %s", detail)
	}
	exec1(t, s.super, "set role ward_owner")
	if n := one[int](t, s.super, "select count(*) from audit.event"); n != rows+1 {
		t.Errorf("the owner reads %d of %d events", n, rows+1)
	}
	month := one[string](t, s.super, `select min(inhrelid::regclass::text) from pg_inherits
		where inhparent = 'audit.event'::regclass`)
	for _, sql := range []string{
		"delete from audit.event", "update audit.event set detail = ''", "truncate audit.event",
		"delete from audit.chain",
		"truncate audit.chain", "delete from " + month,
	} {
		var e *pgconn.PgError
		if _, err := s.super.Exec(t.Context(), sql); !errors.As(err, &e) ||
			!strings.Contains(e.Message, "append-only") {
			t.Errorf("%s: %v", sql, err)
		}
	}
	exec1(t, s.super, "reset role")
	left := one[string](t, s.super, `select coalesce(string_agg(nspname, ' '), '') from pg_namespace
		where nspname in ('tenancy', 'review', 'river', 'phi', 'auth', 'core')`)
	if left != "core" {
		t.Errorf("schemas %q are left", left)
	}
	if n := one[int](t, s.super, "select count(*) from pg_proc where pronamespace = 'audit'::regnamespace"); n != 1 {
		t.Errorf("%d functions are left", n)
	}
	p := s.look(s.url)
	if len(p.Obstacles) != 1 || p.Obstacles[0].Mend[0] != "alter schema audit rename to audit_removed" {
		t.Fatalf("%v", p.Obstacles)
	}
	exec1(t, s.super, p.Obstacles[0].Mend...)
	s.install(s.url)
	exec1(t, s.super, "set role ward_owner")
	if n := one[int](t, s.super, "select count(*) from audit_removed.event"); n != rows+1 {
		t.Errorf("%d events in the old history", n)
	}
}

// TestRemoveWhereRolesAreShared: another database of the cluster has ward, and keeps its roles and their rights.
func TestRemoveWhereRolesAreShared(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	exec1(t, s.super, "create database second")
	second := s.cluster.DSN(postgres.SuperuserRole, "second")
	s.install(second)
	exec1(t, s.super, "revoke connect on database second from public",
		"grant create on database second to ward_app with grant option",
		"set role ward_app", "grant create on database second to clinic_app", "reset role",
		"grant create on tablespace pg_default to ward_worker", "grant set on parameter work_mem to ward_worker")
	before := s.snapshot()
	s.initialised()
	done, err := s.remove(migrate.Removal{DropHistory: true})
	if err != nil {
		t.Fatal(err)
	}
	kept := strings.Join(done.RolesKept, "\n")
	if len(done.RolesDropped) > 0 || len(done.RolesKept) != 9 ||
		!strings.Contains(kept, "the database second needs it") {
		t.Errorf("%+v", done)
	}
	s.same(before, s.snapshot(), "after the removal")
	if p := s.look(second); !p.Empty() {
		t.Errorf("the other database: %q", p.Lines())
	}
	if _, err := pgx.Connect(t.Context(), s.cluster.DSN("ward_app", "second")); err != nil {
		t.Error(err)
	}
}

// TestRemoveOfNothing, of a schema that this program does not know, and without a reason.
func TestRemoveOfNothing(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	if _, err := s.remove(migrate.Removal{}); !errors.Is(err, migrate.ErrNotInstalled) {
		t.Errorf("%v", err)
	}
	s = newInstalled(t)
	s.refused(migrate.Removal{Reason: " no ", DropHistory: true}, "reason")
	exec1(t, s.super, `create function public.sealing() returns bytea language plpgsql as
		  $$ begin return public.digest('a'::bytea, 'sha256'); end $$`,
		"update core.release set sum = 'another'")
	s.refused(migrate.Removal{DropHistory: true}, "another schema")
	exec1(t, s.super, "update core.release set sum = '"+migrate.Sum()+"'")
	// a function of the application's calls pgcrypto by now
	done, err := s.remove(migrate.Removal{DropHistory: true})
	if err != nil {
		t.Fatal(err)
	}
	if len(done.Kept) != 1 || !strings.Contains(done.Kept[0], "public.sealing()") {
		t.Errorf("%q", done.Kept)
	}
	exec1(t, s.super, "select public.sealing()")
	if slices.Contains(done.RolesKept, "ward_owner") {
		t.Error("keeps ward_owner")
	}
}
