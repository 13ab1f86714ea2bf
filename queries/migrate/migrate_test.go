package migrate_test

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/ward-health/ward/internal/postgres/pgtest"
	"github.com/ward-health/ward/internal/wardtest"
	"github.com/ward-health/ward/queries"
	"github.com/ward-health/ward/queries/migrate"
)

// other is next under the version of the program.
func other(t *testing.T, changes map[string]string) migrate.Options {
	t.Helper()
	o := next(t, changes)
	o.Version = migrate.Version
	return o
}

// next is a copy of the schema's files under a later version, with some replaced, added (a name with a text) or removed
// (a name with "").
func next(t *testing.T, changes map[string]string) migrate.Options {
	t.Helper()
	files := fstest.MapFS{}
	err := fs.WalkDir(queries.Schema(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := fs.ReadFile(queries.Schema(), name)
		files[name] = &fstest.MapFile{Data: text}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range changes {
		if text == "" {
			if files[name] == nil {
				t.Fatalf("there is no %s to remove", name)
			}
			delete(files, name)
			continue
		}
		files[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return migrate.Options{Files: files, Version: "9.9.9"}
}

func file(t *testing.T, name string) string {
	t.Helper()
	text, err := fs.ReadFile(queries.Schema(), name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// edited is a file with one text replaced.
func edited(t *testing.T, name, was, now string) string {
	t.Helper()
	text := file(t, name)
	if strings.Count(text, was) == 0 {
		t.Fatalf("%s does not hold %q", name, was)
	}
	return strings.Replace(text, was, now, 1)
}

func run(t *testing.T, e *wardtest.Env, o migrate.Options) *migrate.Plan {
	t.Helper()
	p, err := migrate.Run(t.Context(), e.DB.Superuser(), o)
	if err != nil {
		t.Fatalf("migrate: %v", err)
	}
	return p
}

func names(changes []migrate.Change) string {
	var all []string
	for _, c := range changes {
		all = append(all, c.Kind+" "+c.Name+" "+c.Why)
	}
	slices.Sort(all)
	return strings.Join(all, "; ")
}

// A database at this release has nothing to do, and a second run does nothing.
func TestRunTwice(t *testing.T) {
	t.Parallel()
	e := wardtest.New(t)
	p := run(t, e, migrate.Options{})
	if !p.Empty() {
		t.Errorf("on a migrated database: %v", p.Lines())
	}
}

// A function whose file changed is made anew, that one alone; its grants are those of the file afterwards.
func TestChangedFunction(t *testing.T) {
	t.Parallel()
	e := wardtest.New(t)
	const name = "functions/tenancy/whoami.sql"
	const granted = "select has_function_privilege('ward_worker', 'tenancy.whoami()', 'execute')"
	was := wardtest.One[bool](e, granted)
	o := other(t, map[string]string{
		name: file(t, name) + "\n-- changed\ngrant execute on function tenancy.whoami to ward_worker;\n",
	})
	p := run(t, e, o)
	if got := names(p.Make); got != "function tenancy.whoami changed" || len(p.Tables)+len(p.Drop) > 0 {
		t.Errorf("made anew: %s, %v, %v", got, p.Tables, p.Drop)
	}
	if was || !wardtest.One[bool](e, granted) {
		t.Errorf("the grant of the changed file: before %v, after %v", was, wardtest.One[bool](e, granted))
	}
	run(t, e, migrate.Options{})
	if wardtest.One[bool](e, granted) {
		t.Error("a grant that its file no longer has is still there")
	}
}

// What somebody changed by hand is told and put back: a body, a grant, an owner, a trigger that was dropped, disabled
// or added, also that of a month alone, a view, a function that was dropped.
func TestChangedByHand(t *testing.T) {
	t.Parallel()
	e := wardtest.New(t)
	const remembered = "select md5(string_agg(kind || name || live, ',' order by kind, name)) from core.object"
	was := wardtest.One[string](e, remembered)
	month := wardtest.One[string](e, "select max(inhrelid::regclass::text) from pg_inherits "+
		"where inhparent = 'audit.event'::regclass")
	const event = "triggers audit.event changed by hand"
	for _, c := range []struct{ sql, want string }{
		{"create or replace function core.no_delete() returns trigger language plpgsql set search_path = pg_catalog, " +
			"pg_temp as 'begin return old; end'", "function core.no_delete changed by hand"},
		{"grant execute on function tenancy.add_user to ward_app", "function tenancy.add_user changed by hand"},
		{"grant execute on function tenancy.sign to public", "function tenancy.sign changed by hand"},
		{"alter function tenancy.sign_in security invoker", "function tenancy.sign_in changed by hand"},
		{"alter function audit.disclose reset all", "function audit.disclose changed by hand"},
		{"alter table tenancy.users disable trigger no_delete", "triggers tenancy.users changed by hand"},
		{"drop trigger append_only on audit.chain", "triggers audit.chain changed by hand"},
		{"create trigger more before insert on tenancy.users for each row execute function " +
			"pg_catalog.suppress_redundant_updates_trigger()", "triggers tenancy.users changed by hand"},
		{"alter table " + month + " disable trigger append_only", event},
		{"alter table " + month + " enable trigger append_only_truncate", event},
		{"drop trigger append_only_truncate on " + month, event},
		{"create trigger zz before insert on " + month + " for each row execute function " +
			"pg_catalog.suppress_redundant_updates_trigger()", event},
		{"grant select on review.access to ward_app", "view review.access changed by hand"},
		{"grant select (tenant_id) on review.access to ward_app", "view review.access changed by hand"},
		{"alter view review.access owner to postgres", "view review.access changed by hand"},
		{"alter view review.access owner to ward_keys", "view review.access changed by hand"},
		{"alter function tenancy.whoami() owner to postgres", "function tenancy.whoami changed by hand"},
		{"drop function tenancy.whoami()", "function tenancy.whoami missing"},
	} {
		if _, err := e.Super.Exec(t.Context(), c.sql); err != nil {
			if strings.Contains(err.Error(), "does not exist") {
				t.Fatalf("%s: %v", c.sql, err)
			}
			t.Errorf("%s: %v", c.sql, err)
			continue
		}
		look, err := migrate.Look(t.Context(), e.DB.Superuser(), migrate.Options{})
		if err != nil || names(look.Make) != c.want {
			t.Errorf("%s: seen as %q, %v", c.sql, names(look.Make), err)
		}
		run(t, e, migrate.Options{})
		if wardtest.One[string](e, remembered) != was {
			t.Errorf("%s: not put back", c.sql)
		}
		if again := run(t, e, migrate.Options{}); !again.Empty() {
			t.Errorf("%s: not put back: %v", c.sql, again.Lines())
		}
	}
}

// A function with another signature takes the old one's place; one without a file is dropped; a new one is made.
func TestSignatureChangesAndFunctionsGo(t *testing.T) {
	t.Parallel()
	e := wardtest.New(t)
	o := next(t, map[string]string{
		"functions/tenancy/whoami.sql": edited(t, "functions/tenancy/whoami.sql", "tenancy.whoami()",
			"tenancy.whoami(more text default null)"),
		"functions/core/business_day.sql": "",
		"functions/tenancy/added.sql": "create or replace function tenancy.added() returns int " +
			"language sql immutable " +
			"set search_path = pg_catalog, pg_temp as $$ select 1 $$;\n\n" +
			"grant execute on function tenancy.added to ward_app;\n",
	})
	p := run(t, e, o)
	if got := names(p.Make); got != "function tenancy.added new; function tenancy.whoami changed" {
		t.Errorf("made: %s", got)
	}
	if got := names(p.Drop); !strings.HasPrefix(got, "function core.business_day") {
		t.Errorf("dropped: %s", got)
	}
	for sql, want := range map[string]int{
		"select count(*)::int from pg_proc where proname = 'whoami'":                    1,
		"select pronargs::int from pg_proc where proname = 'whoami'":                    1,
		"select count(*)::int from pg_proc where proname = 'business_day'":              0,
		"select has_function_privilege('ward_app', 'tenancy.added()', 'execute')::int":  1,
		"select has_function_privilege('public', 'tenancy.added()', 'execute')::int":    0,
		"select count(*)::int from core.object where name = 'core.business_day'":        0,
		"select count(*)::int from core.release where version = '9.9.9' and tables > 0": 1,
	} {
		if got := wardtest.One[int](e, sql); got != want {
			t.Errorf("%s: %d, want %d", sql, got, want)
		}
	}
}

// A view whose columns change is dropped and made, with the views that rest on it.
func TestViewsThatCannotBeReplaced(t *testing.T) {
	t.Parallel()
	e := wardtest.New(t)
	const access = "views/review/access.sql"
	o := next(t, map[string]string{access: edited(t, access, "c.batch,", "c.batch as batch, 1 as first_of_all,")})
	p := run(t, e, o)
	for _, name := range []string{"review.access", "review.staff_access", "review.unexplained"} {
		if !strings.Contains(names(p.Make), "view "+name) {
			t.Errorf("%s was not made anew: %s", name, names(p.Make))
		}
	}
	const columns = "select count(*)::int from information_schema.columns where table_schema = 'review' and " +
		"table_name = 'access' and column_name = 'first_of_all'"
	if got := wardtest.One[int](e, columns); got != 1 {
		t.Error("the view has the old columns")
	}
	const readers = "select count(*)::int from unnest(array['access', 'staff_access', 'unexplained']) v " +
		"where has_table_privilege('ward_worker', 'review.' || v, 'select')"
	if got := wardtest.One[int](e, readers); got != 3 {
		t.Errorf("ward_worker reads %d of the views", got)
	}
	if again := run(t, e, o); !again.Empty() {
		t.Errorf("a second run: %v", again.Lines())
	}
}

// A new numbered file, and everything else of the release, is one transaction: where the last function fails, nothing
// has happened.
func TestAllOrNothing(t *testing.T) {
	t.Parallel()
	e := wardtest.New(t)
	table := "-- More.\n\nset local role ward_owner;\n" +
		"alter table tenancy.tenant add column more text;\nreset role;\n"
	good := "create or replace function tenancy.zz() returns int language plpgsql " +
		"set search_path = pg_catalog, pg_temp " +
		"as $$ begin return 1; end $$;\n"
	for name, bad := range map[string]string{
		"a body that does not parse": strings.Replace(good, "return 1;", "returned 1;", 1),
		"a file with another's name": strings.Replace(good, "tenancy.zz", "tenancy.yy", 1),
		"a statement that fails":     good + "grant execute on function tenancy.zz to nobody_there;\n",
		"another type of result":     "",
		"the body of an sql function": strings.Replace(strings.Replace(good, "plpgsql", "sql", 1),
			"begin return 1; end", "select nothing", 1),
		"a type that is not there": strings.Replace(good, "returns int", "returns tenancy.none", 1),
		"a function that needs itself?": strings.Replace(good, "tenancy.zz()",
			"tenancy.zz(x int default tenancy.none())", 1),
	} {
		changes := map[string]string{"tables/00099_more.sql": table, "functions/tenancy/zz.sql": bad}
		if bad == "" {
			delete(changes, "functions/tenancy/zz.sql")
			changes["functions/tenancy/user_id.sql"] = edited(t, "functions/tenancy/user_id.sql", "returns uuid",
				"returns text")
		}
		_, err := migrate.Run(t.Context(), e.DB.Superuser(), next(t, changes))
		if err == nil {
			t.Errorf("%s: no error", name)
			continue
		}
		if bad == "" && !strings.Contains(err.Error(), "add a numbered file") {
			t.Errorf("%s: does not say what to do: %v", name, err)
		}
		if look, err := migrate.Look(t.Context(), e.DB.Superuser(), migrate.Options{}); err != nil || !look.Empty() {
			t.Errorf("%s: something stayed: %v, %v", name, look, err)
		}
		const columns = "select count(*)::int from information_schema.columns where column_name = 'more'"
		if wardtest.One[int](e, columns)+
			wardtest.One[int](e, "select count(*)::int from core.table_file where version = 99") != 0 {
			t.Errorf("%s: the numbered file stayed", name)
		}
	}
	p := run(t, e, next(t, map[string]string{"tables/00099_more.sql": table, "functions/tenancy/zz.sql": good}))
	if len(p.Tables) != 1 || p.Tables[0] != "00099_more.sql" {
		t.Errorf("applied %v", p.Tables)
	}
}

// A released file does not change: not in the tree, and not under a database that has it.
func TestFrozenTables(t *testing.T) {
	t.Parallel()
	e := wardtest.New(t)
	o := next(t, map[string]string{"tables/00002_tenancy.sql": file(t, "tables/00002_tenancy.sql") + "-- more\n"})
	_, err := migrate.Run(t.Context(), e.DB.Superuser(), o)
	if err == nil || !strings.Contains(err.Error(), "00002_tenancy.sql") {
		t.Errorf("a database with another 00002: %v", err)
	}
	o = next(t, map[string]string{"tables/SUMS": strings.Repeat("0", 64) + "  00002_tenancy.sql\n"})
	_, err = migrate.Look(t.Context(), e.DB.Superuser(), o)
	if err == nil || !strings.Contains(err.Error(), "frozen") {
		t.Errorf("a tree with another 00002 than was released: %v", err)
	}
}

// A database of a later release is refused, and so is one of an earlier; both say what to do.
func TestUnknownSchema(t *testing.T) {
	t.Parallel()
	e := wardtest.New(t)
	check := func(role string) error {
		conn := e.Conn(role)
		return migrate.Check(t.Context(), conn)
	}
	roles := []string{"ward_app", "ward_worker", "ward_reviewer", "ward_identity"}
	for _, role := range roles {
		if err := check(role); err != nil {
			t.Errorf("%s at the same release: %v", role, err)
		}
	}
	run(t, e, next(t, map[string]string{
		"tables/00099_more.sql": "-- More.\n\nset local role ward_owner;\n" +
			"create table tenancy.more (id int);\nreset role;\n",
	}))
	for _, role := range roles {
		var other *migrate.SchemaError
		if err := check(role); !errors.As(err, &other) || !strings.Contains(err.Error(), "use ward 9.9.9") {
			t.Errorf("%s at a later release: %v", role, err)
		}
	}
	if _, err := migrate.Run(t.Context(), e.DB.Superuser(), migrate.Options{}); !errors.Is(err, migrate.ErrNewer) {
		t.Errorf("an earlier program migrates: %v", err)
	}
	for sql, want := range map[string]string{
		"update core.release set tables = 1, version = '0.0.1'":  "run ward migrate",
		"update core.release set tables = 99, version = '9.0.0'": "use ward 9.0.0",
		"update core.release set tables = 1, version = '9.0.1'":  "use ward 9.0.1 or a later one",
		"delete from core.release":                               "run ward migrate",
	} {
		if _, err := e.Super.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
		if err := check("ward_worker"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", sql, err)
		}
		if _, err := e.Super.Exec(t.Context(), "insert into core.release (version, tables, sum, generator) "+
			"values ('0.0.0', 1, '', '') on conflict do nothing"); err != nil {
			t.Fatal(err)
		}
	}
}

// While an upgrade waits for a transaction that reads a table, nobody waits behind it for longer than LockTimeout at a
// time, neither for that table nor for one whose lock it has; and it changes nothing until it has every lock.
func TestUpgradeBlocksNobody(t *testing.T) {
	e := wardtest.New(t)
	table := "-- More.\n\nset local role ward_owner;\nalter table tenancy.tenant add column more text;\n" +
		"alter table tenancy.users add column more text;\nreset role;\n"
	o := next(t, map[string]string{"tables/00099_more.sql": table})
	holder, err := e.Super.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := holder.Exec(t.Context(), "select count(*) from tenancy.users"); err != nil {
		t.Fatal(err)
	}
	tries := make(chan struct{}, 100)
	o.Said = func(string) { tries <- struct{}{} }
	done := make(chan error, 1)
	go func() {
		_, err := migrate.Run(context.WithoutCancel(t.Context()), e.DB.Superuser(), o)
		done <- err
	}()
	longest := map[string]time.Duration{}
	reads := 0
	for seen := 0; seen < 2; {
		select {
		case <-tries:
			seen++
		case err := <-done:
			t.Fatalf("it ended while a transaction held the table: %v", err)
		default:
			for _, table := range []string{"tenancy.tenant", "tenancy.users"} {
				began := time.Now()
				if n := wardtest.One[int](e, "select count(*)::int from "+table); n < 2 {
					t.Fatalf("%d rows of %s", n, table)
				}
				longest[table] = max(longest[table], time.Since(began))
			}
			reads++
		}
	}
	if err := holder.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Errorf("once the lock is free: %v", err)
	}
	if reads < 5 {
		t.Errorf("%d reads", reads)
	}
	for table, wait := range longest {
		if wait > migrate.LockTimeout+500*time.Millisecond {
			t.Errorf("a read of %s waited %v", table, wait)
		}
	}
}

// What protect and relate made for an application's table follows the generator: policies, triggers and view are made
// anew under the same names.
func TestProtectedTablesFollowTheGenerator(t *testing.T) {
	t.Parallel()
	e := wardtest.New(t)
	const policies = "select count(*)::int from pg_policy where polname = 'tenant_boundary_two'"
	changed := edited(t, "functions/tenancy/protect.sql", "create policy through_view on",
		"create policy tenant_boundary_two on %1$s as restrictive to ward_app using (true)', t);\n"+
			"  execute format('create policy through_view on")
	p := run(t, e, next(t, map[string]string{"functions/tenancy/protect.sql": changed}))
	tables := wardtest.One[int](e, "select count(*)::int from tenancy.phi_table")
	if len(p.Protected) != tables || wardtest.One[int](e, policies) != tables {
		t.Errorf("%d of %d tables have the new policy: %v", wardtest.One[int](e, policies), tables, p.Protected)
	}
	const triggers = "select count(*)::int from pg_trigger where tgrelid = 'public.appointments'::regclass and " +
		"not tgisinternal"
	if n := wardtest.One[int](e, triggers); n != 2 {
		t.Errorf("%d triggers on appointments", n)
	}
}

// Two migrations at once wait for each other.
func TestRunAtOnce(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t, pgtest.Template{})
	errs := make(chan error, 3)
	for range 3 {
		go func() {
			_, err := migrate.Run(t.Context(), db.Superuser(), migrate.Options{})
			errs <- err
		}()
	}
	for range 3 {
		if err := <-errs; err != nil {
			t.Errorf("one of three: %v", err)
		}
	}
}

// A database that ward does not know says so to every caller.
func TestNoSchema(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t, pgtest.Template{})
	conn, err := pgx.Connect(t.Context(), db.Superuser())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	var none *migrate.SchemaError
	if err := migrate.Check(t.Context(), conn); !errors.As(err, &none) || none.Database != "" {
		t.Errorf("an empty database: %v", err)
	}
	// tables of an application's own by the same name are not ward's, whatever their columns
	for _, columns := range []string{"version text, sum text", "version text, tables int, sum text"} {
		exec1(t, conn, "drop schema if exists core cascade", "create schema core",
			"create table core.release ("+columns+")", "insert into core.release (version) values ('7')")
		if err := migrate.Check(t.Context(), conn); !errors.As(err, &none) || none.Database != "" {
			t.Errorf("a release table with %s: %v", columns, err)
		}
	}
	var e *pgconn.PgError
	if _, err := migrate.Run(t.Context(), "postgres://nobody@127.0.0.1:1/none?connect_timeout=1",
		migrate.Options{}); err == nil ||
		errors.As(err, &e) {
		t.Errorf("no server: %v", err)
	}
}
