package migrate_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/ward-health/ward/internal/postgres/pgtest"
	"github.com/ward-health/ward/internal/wardtest"
	"github.com/ward-health/ward/internal/worker"
	"github.com/ward-health/ward/queries/migrate"
)

// function is the file of a function of ward's.
func function(head, body string) string {
	return "create or replace function " + head + "\n  language plpgsql\n" +
		"  set search_path = pg_catalog, pg_temp\nas $$\n" + body + "\n$$;\n"
}

func super(t *testing.T, e *wardtest.Env, statements ...string) {
	t.Helper()
	for _, sql := range statements {
		if _, err := e.Super.Exec(context.WithoutCancel(t.Context()), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
}

// changedGenerator is a later release whose protect makes something else.
func changedGenerator(t *testing.T) migrate.Options {
	t.Helper()
	return next(t, map[string]string{"functions/tenancy/protect.sql": file(t, "functions/tenancy/protect.sql") +
		"-- another release\n"})
}

// A numbered file may drop an index, a table or a type of ward's and make it anew. An object of somebody else's that
// has the name is in the way.
func TestNumberedFileRebuilds(t *testing.T) {
	t.Parallel()
	e := wardtest.New(t)
	first := "set local role ward_owner;\ncreate table core.spare (id int);\ncreate type core.sort as enum ('a');\n" +
		"create view core.seen as select 1 as one;\nreset role;\n"
	again := "set local role ward_owner;\n" +
		"drop index audit.event_actor; create index event_actor on audit.event (user_id);\n" +
		"drop table core.spare; create table core.spare (id int, more text);\n" +
		"drop type core.sort; create type core.sort as enum ('a', 'b');\n" +
		"drop view core.seen; create table core.seen (id int);\nreset role;\n"
	run(t, e, next(t, map[string]string{"tables/00098_first.sql": first}))
	run(t, e, next(t, map[string]string{"tables/00098_first.sql": first, "tables/00099_again.sql": again}))
	super(t, e, "create table core.theirs (id int)")
	_, err := migrate.Run(t.Context(), e.DB.Superuser(), next(t, map[string]string{
		"tables/00098_first.sql": first, "tables/00099_again.sql": again,
		"tables/00100_theirs.sql": "create table core.theirs (id int);\n",
	}))
	if err == nil || !strings.Contains(err.Error(), "table core.theirs has a name that ward needs") {
		t.Errorf("somebody else's table: %v", err)
	}
}

// What no file defines any more goes, whatever of it uses what: a trigger its function, a view a function or another
// view, a function another one. What is left of ward's is made anew where it used an old signature.
func TestGoneObjects(t *testing.T) {
	t.Parallel()
	e := wardtest.New(t)
	kept := map[string]string{
		"tables/00099_spare.sql": "set local role ward_owner;\ncreate table core.spare (id int);\n" +
			"create table core.used (id int);\nreset role;\n",
		"functions/core/rank.sql": function("core.rank(x int) returns int", "begin return x; end"),
		"functions/core/rank_more.sql": function("core.rank_more(x int default core.rank(1)) returns int",
			"begin return x; end"),
		"functions/core/stamp.sql": function("core.stamp() returns trigger", "begin return new; end"),
		"triggers/core/used.sql": "create trigger stamp before insert on core.used for each row " +
			"execute function core.stamp();\n",
		"views/core/ranked.sql": "create or replace view core.ranked as select core.rank(1) as rank;\n",
		"views/core/base.sql":   "create or replace view core.base as select 1 as one, 2 as two;\n",
	}
	all := map[string]string{
		"functions/core/gone_stamp.sql": function("core.gone_stamp() returns trigger", "begin return new; end"),
		"triggers/core/spare.sql": "create trigger stamp before insert on core.spare for each row " +
			"execute function core.gone_stamp();\n",
		"functions/core/a_gone.sql": function("core.a_gone() returns int", "begin return 1; end"),
		"functions/core/b_gone.sql": function("core.b_gone(x int default core.a_gone()) returns int",
			"begin return x; end"),
		"views/core/v_gone.sql":    "create or replace view core.v_gone as select core.a_gone() as one;\n",
		"views/core/b_gone.sql":    "create or replace view core.b_gone as select one from core.v_gone;\n",
		"views/core/w_gone.sql":    "create or replace view core.w_gone as select one from core.v_gone;\n",
		"views/core/on_base.sql":   "create or replace view core.on_base as select two from core.base;\n",
		"views/core/on_ranked.sql": "create or replace view core.on_ranked as select core.rank(2) as rank;\n",
	}
	for name, text := range kept {
		all[name] = text
	}
	run(t, e, next(t, all))
	if n := wardtest.One[int](e, "select count(*)::int from pg_class where oid = to_regclass('core.b_gone')"); n != 1 {
		t.Error("a view that has the name of a function was not made")
	}
	kept["functions/core/rank.sql"] = function("core.rank(x int, more int default 0) returns int",
		"begin return x; end")
	kept["views/core/base.sql"] = "create or replace view core.base as select 1 as one;\n"
	run(t, e, next(t, kept))
	for sql, want := range map[string]int{
		"select count(*)::int from pg_proc where pronamespace = 'core'::regnamespace and proname ~ '_before_|gone'": 0,
		"select count(*)::int from pg_class where relnamespace = 'core'::regnamespace and relname ~ 'gone|^on_'":    0,
		"select count(*)::int from pg_trigger where tgrelid = 'core.spare'::regclass":                               0,
		"select count(*)::int from pg_trigger where tgrelid = 'core.used'::regclass":                                1,
		"select rank + core.rank_more() from core.ranked":                                                           2,
		"select count(*)::int from core.object where name ~ '_before_|gone|on_base|on_ranked' or name ~ '.spare'":   0,
	} {
		if got := wardtest.One[int](e, sql); got != want {
			t.Errorf("%s: %d, want %d", sql, got, want)
		}
	}
	if again := run(t, e, next(t, kept)); !again.Empty() {
		t.Errorf("a second run: %v", again.Lines())
	}
}

// A function that the policies, triggers and views of protected tables use may get another signature: the tables use
// the old one until they are protected anew, and then it goes.
func TestSignatureThatPoliciesUse(t *testing.T) {
	t.Parallel()
	e := wardtest.New(t)
	o := next(t, map[string]string{
		"functions/tenancy/disclosed.sql": edited(t, "functions/tenancy/disclosed.sql", "record_table text,",
			"record_table text, more text default null,"),
	})
	p := run(t, e, o)
	if len(p.Protected) == 0 || !strings.Contains(names(p.Drop), "tenancy.disclosed_before_") {
		t.Errorf("%q", p.Lines())
	}
	if n := wardtest.One[int](e, "select count(*)::int from pg_proc where proname ~ '^disclosed'"); n != 1 {
		t.Errorf("%d functions", n)
	}
	app := e.App("carla", "cedar")
	e.Patient(app, "cedar", "Signature")
	if again := run(t, e, o); !again.Empty() {
		t.Errorf("a second run: %v", again.Lines())
	}
}

// A function that somebody uses stays, and the error says who; everything else is done. Once nobody uses it, it goes.
func TestGoneFunctionThatSomebodyUses(t *testing.T) {
	t.Parallel()
	e := wardtest.New(t)
	super(t, e, "create view public.mine as select case when false then tenancy.whoami() end as who, "+
		"core.business_day('2024-01-01', 1) as day")
	o := next(t, map[string]string{
		"functions/core/business_day.sql": "",
		"functions/tenancy/whoami.sql": edited(t, "functions/tenancy/whoami.sql", "tenancy.whoami()",
			"tenancy.whoami(more text default null)"),
		"functions/tenancy/list_keys.sql": "",
	})
	p, err := migrate.Run(t.Context(), e.DB.Superuser(), o)
	if !errors.Is(err, migrate.ErrUnfinished) || !strings.Contains(err.Error(), "view mine depends on function") &&
		!strings.Contains(err.Error(), "view public.mine depends on function") {
		t.Fatalf("%v", err)
	}
	if got := names(p.Drop); !strings.HasPrefix(got, "function tenancy.list_keys") || strings.Contains(got, ";") {
		t.Errorf("dropped %s", got)
	}
	if n := wardtest.One[int](e, "select count(day)::int from public.mine"); n != 1 {
		t.Error("the view works no longer")
	}
	super(t, e, "drop view public.mine")
	if p = run(t, e, o); len(p.Drop) != 2 {
		t.Errorf("dropped %s", names(p.Drop))
	}
	if again := run(t, e, o); !again.Empty() {
		t.Errorf("a third run: %v", again.Lines())
	}
}

// A protected table that is gone, renamed, or made anew under its name is told of, keeps nothing from being done, and
// can be forgotten.
func TestLostTables(t *testing.T) {
	t.Parallel()
	e := wardtest.New(t)
	for _, table := range []string{"gone", "renamed", "anew"} {
		super(t, e, "set role ward_owner; create table public."+table+" (tenant_id uuid, id uuid, "+
			"primary key (tenant_id, id)); select tenancy.protect('public."+table+"'); reset role")
	}
	super(t, e, "drop table public.gone cascade; alter table public.renamed rename to other; "+
		"drop table public.anew cascade; create table public.anew (id int)")
	p := run(t, e, changedGenerator(t))
	var lost []string
	for _, l := range p.Lost {
		lost = append(lost, l.Table+": "+l.Why)
	}
	if !slices.Equal(lost, []string{
		"public.anew: nothing protects it any more: protect it again, or forget it",
		"public.gone: it was dropped or renamed", "public.renamed: it was dropped or renamed",
	}) ||
		!slices.Contains(p.Protected, "public.patients") {
		t.Errorf("lost %v, protected %v", lost, p.Protected)
	}
	if wardtest.One[bool](e, "select relrowsecurity from pg_class where oid = 'public.anew'::regclass") {
		t.Error("another table of the same name was put under protection")
	}
	for _, l := range p.Lost {
		super(t, e, "set role ward_owner; "+strings.Replace(l.Forget, "REASON", "it is gone", 1)+"; reset role")
	}
	if p = run(t, e, changedGenerator(t)); !p.Empty() || len(p.Lost) > 0 {
		t.Errorf("a second run: %v, %v", p.Lines(), p.Lost)
	}
	if wardtest.One[bool](e, "select to_regclass('phi.renamed') is not null") {
		t.Error("the view of a table that was forgotten is there")
	}
}

// What ward knows of a table's rows is filled in batches when it is protected, and not read again at an upgrade.
func TestReindex(t *testing.T) {
	t.Parallel()
	e := wardtest.New(t)
	const rows = 20_001 // two batches and a row
	super(t, e, `set role ward_owner;
		create table public.visits (tenant_id uuid, id uuid, patient_id uuid, user_id uuid, at timestamptz,
			primary key (tenant_id, id));
		insert into public.visits select t.id, gen_random_uuid(), gen_random_uuid(), u.id, now()
			from tenancy.tenant t, tenancy.users u, generate_series(1, 20001)
			where t.slug = 'cedar' and u.slug = 'carla';
		select tenancy.protect('public.visits', 'patient_id');
		select tenancy.relate('public.visits', 'visit', '{"user": "user_id", "patient": "patient_id", "from": "at"}');
		reset role`)
	for _, table := range []string{"tenancy.record", "tenancy.relationship"} {
		n := wardtest.One[int](e, "select count(*)::int from "+table+" where record_table = 'public.visits'")
		if n != rows {
			t.Errorf("%d rows in %s", n, table)
		}
	}
	const written = "select count(distinct xmin::text) || ' ' || max(xmin::text::bigint) from tenancy.record " +
		"where record_table = 'public.visits'"
	before := wardtest.One[string](e, written)
	if p := run(t, e, changedGenerator(t)); !slices.Contains(p.Protected, "public.visits") {
		t.Errorf("protected %v", p.Protected)
	}
	if after := wardtest.One[string](e, written); after != before {
		t.Errorf("the rows were written again: %s, %s", before, after)
	}
}

// A program that is older than the database changes nothing, though it knows every table.
func TestOlderProgram(t *testing.T) {
	t.Parallel()
	e := wardtest.New(t)
	newer := map[string]string{"functions/core/today.sql": file(t, "functions/core/today.sql") + "-- mended\n"}
	run(t, e, next(t, newer))
	if _, err := migrate.Run(t.Context(), e.DB.Superuser(), migrate.Options{}); !errors.Is(err, migrate.ErrNewer) {
		t.Errorf("an older program migrates: %v", err)
	}
	if _, err := migrate.Look(t.Context(), e.DB.Superuser(), migrate.Options{}); !errors.Is(err, migrate.ErrNewer) {
		t.Errorf("an older program looks: %v", err)
	}
	if p := run(t, e, next(t, newer)); !p.Empty() {
		t.Errorf("it has changed: %v", p.Lines())
	}
}

// Where a table cannot be protected anew, everything else is done: the other tables, River's migrations, and the
// answer says what was done. Migrating again goes on with it.
func TestUnfinished(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t, pgtest.Template{})
	if _, err := migrate.Run(t.Context(), db.Superuser(), migrate.Options{}); err != nil {
		t.Fatal(err)
	}
	super := connect(t, db.Superuser())
	for _, table := range []string{"public.a_visits", "public.b_visits"} {
		exec1(t, super, "create table "+table+" (tenant_id uuid, id uuid, primary key (tenant_id, id))",
			"select tenancy.protect('"+table+"')")
	}
	exec1(t, super, "create policy mine on public.a_visits using (true)")
	done, err := worker.Migrate(t.Context(), db.Superuser(), changedGenerator(t))
	if !errors.Is(err, migrate.ErrUnfinished) || !strings.Contains(err.Error(), "public.a_visits") {
		t.Fatalf("%v", err)
	}
	all := strings.Join(done, "\n")
	for _, want := range []string{
		"function tenancy.protect (changed)", "protected table public.b_visits", "river 001",
	} {
		if !strings.Contains(all, want) {
			t.Errorf("does not say %q: %s", want, all)
		}
	}
	if strings.Contains(all, "a_visits") {
		t.Errorf("says that it did what failed: %s", all)
	}
	exec1(t, super, "drop policy mine on public.a_visits")
	done, err = worker.Migrate(t.Context(), db.Superuser(), changedGenerator(t))
	if err != nil || !slices.Equal(done, []string{"protected table public.a_visits"}) {
		t.Errorf("the second time: %q, %v", done, err)
	}
}

// An installation by a platform's login, with CREATEROLE and no superuser, is upgraded by that login, and by a login in
// ward_migrate. A table whose owner such a login may not act as is in the way, with the statement that mends it.
func TestUpgradeWithoutSuperuser(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	exec1(t, s.super, "drop schema audit cascade", "drop schema core cascade", "create role platform login createrole",
		"create role clinic_owner", "create role ops login", "alter database clinic owner to platform")
	platform := s.cluster.DSN("platform", "clinic")
	s.install(platform)
	exec1(t, s.super, "grant ward_migrate to ops", "set role clinic_owner; reset role", `
		create table public.visits (tenant_id uuid, id uuid, primary key (tenant_id, id));
		select tenancy.protect('public.visits'); alter table public.visits owner to clinic_owner`)
	ops := s.cluster.DSN("ops", "clinic")
	p, err := migrate.Look(t.Context(), ops, later(t))
	if err != nil || len(p.Obstacles) != 1 || p.Obstacles[0].Mend[0] != "grant clinic_owner to ward_migrate" {
		t.Fatalf("%+v, %v", p, err)
	}
	var stands *migrate.ObstaclesError
	if _, err := worker.Migrate(t.Context(), ops, later(t)); !errors.As(err, &stands) {
		t.Fatalf("it migrates all the same: %v", err)
	}
	exec1(t, s.super, p.Obstacles[0].Mend...)
	for _, login := range []string{ops, platform} {
		if _, err := worker.Migrate(t.Context(), login, later(t)); err != nil {
			t.Errorf("%s: %v", login, err)
		}
		if p, err := migrate.Look(t.Context(), login, later(t)); err != nil || !p.Empty() || len(p.Obstacles) > 0 {
			t.Errorf("%s: a second look: %+v, %v", login, p, err)
		}
		o := later(t)
		o.Version = "9.9.10"
		exec1(t, s.super, "update core.object set sum = 'another' where name ~ '\\.(begin|protect|sign|users|access)$'",
			"update tenancy.phi_table set generator = 'another'", "update core.release set sum = 'another'")
		if p, err := migrate.Run(t.Context(), login, o); err != nil || len(p.Make) < 5 || len(p.Protected) != 1 {
			t.Errorf("%s: what has changed: %+v, %v", login, p, err)
		}
		exec1(t, s.super, "update core.release set version = '9.9.9'")
	}
}
