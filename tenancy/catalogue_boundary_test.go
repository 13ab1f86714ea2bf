package tenancy_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/ward-health/ward/controls"
	"github.com/ward-health/ward/internal/wardtest"
)

// Entries 1 to 20 of the catalogue: who is bound by row security, and what reaches past it.

// found holds that the controls report a table with these words.
func (s *scene) found(t *testing.T, table, words string) {
	t.Helper()
	findings, err := controls.Unprotected(t.Context(), s.Super)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(findings,
		func(f controls.Finding) bool { return f.Table == table && strings.Contains(f.Why, words) }) {
		t.Fatalf("the controls do not say %q of %s: %v", words, table, findings)
	}
}

func ownerWithoutForce(t *testing.T, s *scene) {
	owner := s.owner(t)
	if n := value[int](owner, "select count(*) from public.patients"); n != 0 {
		t.Fatalf("the owner sees %d rows", n)
	}
	s.super("alter table public.patients no force row level security")
	if n := value[int](owner, "select count(*) from public.patients"); n != 2 {
		t.Fatalf("%d rows without FORCE: what else hides them?", n)
	}
	s.found(t, "public.patients", "not forced")
}

func privilegedLogin(t *testing.T, s *scene) {
	s.asEach(t, func(role string, a *attacker) {
		if value[bool](a, "select rolsuper or rolbypassrls or rolcreaterole or rolreplication from pg_roles "+
			"where rolname = session_user") {
			t.Fatalf("%s is more than a login", role)
		}
		a.cannot(t, "alter role "+role+" bypassrls", "alter role "+role+" superuser", "create role x bypassrls")
	})
	name := "x_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	s.super("create role " + name + " login bypassrls in role ward_app")
	defer s.super("drop role " + name)
	if n := value[int](s.connAs(t, name), "select count(id) from public.patients"); n != 2 {
		t.Fatalf("%d rows with BYPASSRLS: what else hides them?", n)
	}
}

func becomeAnother(t *testing.T, s *scene) {
	s.asEach(t, func(role string, a *attacker) {
		for _, other := range []string{"ward_owner", "ward_keys", "ward_reader", "ward_migrate", "postgres", "ward_app",
			"ward_worker", "ward_reviewer"} {
			if other != role {
				a.cannot(t, "set role "+other, "set session authorization "+other)
			}
		}
		a.must("reset role")
		a.must("set role none")
		a.must("set session authorization default")
		if who := value[string](a, "select current_user::text"); who != role {
			t.Fatalf("%s has become %s", role, who)
		}
	})
	if n := wardtest.One[int](s.Env, "select count(*) from pg_auth_members where member::regrole::text = any ($1)",
		logins); n != 0 {
		t.Fatalf("logins are members of %d roles", n)
	}
}

func definerFunctionOfTheOwner(t *testing.T, s *scene) {
	if n := wardtest.One[int](s.Env, "select count(*) from pg_proc p join pg_roles r on r.oid = p.proowner "+
		"where p.prosecdef and (r.rolsuper or r.rolbypassrls) and p.oid >= 16384"); n != 0 {
		t.Fatalf("%d definer functions of a privileged owner", n)
	}
	owner := s.owner(t)
	owner.must("create function public.loose() returns setof text language sql security definer " +
		"set search_path = pg_catalog, pg_temp as 'select last_name from public.patients'")
	owner.must("grant execute on function public.loose to ward_app")
	a := s.conn(t)
	a.accepted(s.token("casey@cedar"), uuid.Nil)
	if got, err := a.names("select public.loose()"); err != nil || len(got) != 0 {
		t.Fatalf("%d rows, %v", len(got), err)
	}
	a.must("rollback")
	s.super("alter table public.patients no force row level security")
	if got, err := a.names("select public.loose()"); err != nil || len(got) != 2 {
		t.Fatalf("%d rows without FORCE, %v: what else hides them?", len(got), err)
	}
}

func shadowedSearchPath(t *testing.T, s *scene) {
	s.super(grantTemp)
	chosen := func() uuid.UUID {
		a := s.conn(t)
		a.accepted(s.token("casey@cedar"), uuid.Nil)
		if err := shadowUUID(a, s.harbor); err != nil {
			t.Fatal(err)
		}
		a.must("create temp table session (session_id uuid, revoked_at timestamptz)")
		a.must("set local search_path = public")
		return value[uuid.UUID](a, "select tenancy.tenant_id()")
	}
	if chosen() != s.cedar {
		t.Fatal("temporary objects chose the clinic")
	}
	s.super("alter function tenancy.tenant_id() reset search_path")
	if chosen() != s.harbor {
		t.Fatal("does not work without the pinned search_path: what else stops it?")
	}
}

func createSchema(t *testing.T, s *scene) {
	s.asEach(t, func(_ string, a *attacker) {
		a.cannot(t, "create schema mine", "create schema authorization current_user",
			"create schema mine create table t (id int)")
	})
	s.super("do $$ begin execute format('grant create on database %I to ward_app', current_database()); end $$")
	s.conn(t).must("create schema mine")
}

func viewOfTheOwner(t *testing.T, s *scene) {
	s.asEach(t, func(_ string, a *attacker) {
		a.cannot(t, "create view public.loose as select 1 as x", "create view phi.loose as select 1 as x",
			"create or replace view phi.patients as select 1 as x")
	})
	s.owner(t).must("create view public.loose as select last_name from public.patients")
	s.super("grant select on public.loose to ward_app")
	a := s.conn(t)
	a.accepted(s.token("casey@cedar"), uuid.Nil)
	if got, err := a.names("table public.loose"); err != nil || len(got) != 0 {
		t.Fatalf("%d rows, %v", len(got), err)
	}
	a.must("rollback")
	s.found(t, "public.patients", "loose reads it without asking")
	s.super("alter view public.loose owner to postgres")
	if got, err := a.names("table public.loose"); err != nil || len(got) != 2 {
		t.Fatalf("%d rows of a superuser's view, %v: docs/SECURITY.md, point 12, says that it shows them",
			len(got), err)
	}
}

func materialisedView(t *testing.T, s *scene) {
	if n := wardtest.One[int](s.Env, "select count(*) from pg_class where relkind = 'm'"); n != 0 {
		t.Fatalf("%d materialised views", n)
	}
	s.asEach(t, func(_ string, a *attacker) {
		a.cannot(t, "create materialized view public.loose as select 1 as x",
			"create materialized view phi.loose as select 1 as x")
	})
	owner := s.owner(t)
	owner.must("create materialized view public.loose as select last_name from public.patients")
	if n := value[int](owner, "select count(*) from public.loose"); n != 0 {
		t.Fatalf("the owner's holds %d rows", n)
	}
	s.found(t, "public.patients", "loose reads it without asking")
}

func foreignTable(t *testing.T, s *scene) {
	if n := wardtest.One[int](s.Env, "select (select count(*) from pg_foreign_server) + (select count(*) "+
		"from pg_foreign_table) + (select count(*) from pg_user_mapping)"); n != 0 {
		t.Fatalf("%d foreign servers, tables and mappings", n)
	}
	s.asEach(t, func(_ string, a *attacker) {
		a.cannot(t, "create foreign data wrapper x", "create extension postgres_fdw")
	})
	s.super("create extension postgres_fdw schema public")
	s.super("create server elsewhere foreign data wrapper postgres_fdw")
	s.super("create foreign table public.loose (tenant_id uuid, id uuid) server elsewhere")
	s.conn(t).cannot(t, "create server mine foreign data wrapper postgres_fdw",
		"create user mapping for current_user server elsewhere", "select * from public.loose")
	refused(t, s.owner(t).try("select tenancy.protect('public.loose')"), "55000", "is not a table")
}

// loot collects what a function of the attacker's own, cheaper than anything else, is shown in a condition.
func (s *scene) loot(t *testing.T) string {
	t.Helper()
	a := s.conn(t)
	d := a.asked(s.token("casey@cedar"), s.mine)
	a.accepted(s.token("casey@cedar"), d)
	a.must(`create function pg_temp.leak(text) returns boolean
			language plpgsql cost 0.0000001 as
			$$ begin
				perform set_config('x.loot', concat_ws(' ', nullif(current_setting('x.loot', true), ''), $1), false);
				return true;
			end $$`)
	a.must("set local enable_indexscan = off")
	a.must("set local enable_bitmapscan = off")
	a.must("select count(*) from phi.patients where pg_temp.leak(last_name)")
	defer a.must("rollback")
	return value[string](a, "select current_setting('x.loot', true)")
}

func leakyFunction(t *testing.T, s *scene) {
	s.undisclosed()
	s.asEach(t, func(_ string, a *attacker) {
		a.cannot(t, "create function public.leak(text) returns boolean language sql as 'select true'",
			"create function pg_temp.leak(text) returns boolean language sql as 'select true'")
	})
	s.super(grantTemp)
	if loot := s.loot(t); loot != "Canarycedar" {
		t.Fatal("the function was shown another row than the disclosed one")
	}
	s.super(openView)
	if loot := s.loot(t); !strings.Contains(loot, "Canarysecond") {
		t.Fatal("does not work without the barrier: what else stops it?")
	}
}

func errorSideChannel(t *testing.T, s *scene) {
	s.undisclosed()
	try := func(name string) error {
		a := s.conn(t)
		d := a.asked(s.token("casey@cedar"), s.mine)
		a.accepted(s.token("casey@cedar"), d)
		defer a.must("rollback")
		a.must("set local enable_indexscan = off")
		a.must("set local enable_bitmapscan = off")
		return a.try("select count(*) from phi.patients where 1 / (case when last_name = '" + name +
			"' then 0 else 1 end) = 1")
	}
	refused(t, try("Canarycedar"), "22012", "division by zero") // the disclosed one: it does ask
	for _, name := range []string{"Canarysecond", "Canaryharbor"} {
		if err := try(name); err != nil {
			t.Fatalf("an error tells of an undisclosed row: %v", err)
		}
	}
	s.super(openView)
	refused(t, try("Canarysecond"), "22012", "division by zero")
}

func leakproofFunction(t *testing.T, s *scene) {
	if n := wardtest.One[int](s.Env, "select count(*) from pg_proc where proleakproof and oid >= 16384"); n != 0 {
		t.Fatalf("%d functions beyond PostgreSQL's own say that they are leakproof", n)
	}
	s.super(grantTemp)
	s.conn(t).cannot(t, "create function pg_temp.leak(text) returns boolean language sql leakproof as 'select true'")
}

func foreignKeyOracle(t *testing.T, s *scene) {
	a := s.conn(t)
	a.accepted(s.token("casey@cedar"), uuid.Nil)
	note := func(patient uuid.UUID) error {
		a.must("savepoint n")
		err := a.try("insert into public.notes (tenant_id, id, patient_id, body) "+
			"values ($1, gen_random_uuid(), $2, 'b')", s.cedar, patient)
		a.must("rollback to n")
		return err
	}
	refused(t, note(s.theirs), "23503", "notes_tenant_id_patient_id_fkey")
	refused(t, note(uuid.New()), "23503", "notes_tenant_id_patient_id_fkey")
	a.must("rollback")
	s.super("create unique index loose on public.patients (id)")
	s.super("alter table public.notes drop constraint notes_tenant_id_patient_id_fkey, add constraint loose foreign " +
		"key (patient_id) references public.patients (id)")
	s.found(t, "public.notes", "must be composite")
	a.accepted(s.token("casey@cedar"), uuid.Nil)
	if err := note(s.theirs); err != nil {
		t.Fatalf("does not work with a single-column key: %v", err)
	}
	refused(t, note(uuid.New()), "23503", "loose")
}

func foreignKeyCascade(t *testing.T, s *scene) {
	owner := s.owner(t)
	owner.must("create table public.labs (" + key + ", patient_id uuid, foreign key (tenant_id, " +
		"patient_id) references public.patients (tenant_id, id) on delete cascade)")
	s.super("insert into public.labs values ($1, gen_random_uuid(), $2), ($3, gen_random_uuid(), $4)", s.cedar, s.mine,
		s.harbor, s.theirs)
	owner.must("select tenancy.protect('public.labs', 'patient_id')")
	owner.must("select tenancy.permit('clinician', 'public.labs', array['delete'])")
	left := func(table string) int {
		return wardtest.One[int](s.Env, "select count(*) from public."+table+" where tenant_id = $1", s.harbor)
	}
	remove := func(id uuid.UUID) {
		a := s.conn(t)
		d := a.asked(s.token("casey@cedar"), id)
		a.accepted(s.token("casey@cedar"), d)
		a.must("delete from public.patients where id = $1", id)
		a.must("commit")
	}
	second := s.undisclosed()
	remove(s.mine)
	if left("labs") != 1 || wardtest.One[int](s.Env, "select count(*) from public.labs") != 1 {
		t.Fatal("the cascade did not stay within its clinic")
	}
	if n := s.events("action = 'delete' and record_table = 'public.labs'"); n != 1 {
		t.Fatalf("%d events of the cascade", n)
	}
	s.super("create unique index loose_id on public.patients (id)")
	s.super("create table public.loose (" + key +
		", patient_id uuid references public.patients (id) on delete cascade)")
	s.super("insert into public.loose values ($1, gen_random_uuid(), $2)", s.harbor, second)
	s.super("alter table public.loose owner to ward_owner")
	refused(t, owner.try("select tenancy.protect('public.loose')"), "55000", "must be composite")
	remove(second)
	if left("loose") != 0 {
		t.Fatal("does not work with a single-column key: what else stops it?")
	}
}

func uniqueOracle(t *testing.T, s *scene) {
	insert := func(id uuid.UUID, mrn string) error {
		a := s.conn(t)
		a.accepted(s.token("casey@cedar"), uuid.Nil)
		defer a.must("rollback")
		return a.try("insert into public.patients (tenant_id, id, mrn, first_name, last_name) "+
			"values ($1, $2, $3, 'f', 'l')", s.cedar, id, mrn)
	}
	theirs := "MRN-" + s.theirs.String()[:8]
	if err := insert(s.theirs, theirs); err != nil {
		t.Fatalf("another clinic's id and number are told from nobody's: %v", err)
	}
	refused(t, s.owner(t).try("create table public.patients (id uuid)"), "42P07", "")
	owner := s.owner(t)
	owner.must("create table public.loose (" + key + ", mrn text unique)")
	refused(t, owner.try("select tenancy.protect('public.loose')"), "55000", "must start with tenant_id")
	s.super("create unique index loose_mrn on public.patients (mrn)")
	err := insert(uuid.New(), theirs)
	refused(t, err, "23505", "loose_mrn") // without the tenant it tells
	s.found(t, "public.patients", "must start with tenant_id")
}

func onConflict(t *testing.T, s *scene) {
	second := s.undisclosed()
	const upsert = "insert into public.patients (tenant_id, id, mrn, first_name, last_name) " +
		"values ($1, $2, 'm', 'f', 'l') on conflict "
	a := s.conn(t)
	d := a.asked(s.token("casey@cedar"), s.mine)
	try := func(id uuid.UUID, action string) (int64, error) {
		a.accepted(s.token("casey@cedar"), d)
		defer a.must("rollback")
		tag, err := a.Exec(t.Context(), upsert+action, s.cedar, id)
		return tag.RowsAffected(), err
	}
	const update = "(tenant_id, id) do update set phone = 'x'"
	for _, id := range []uuid.UUID{s.theirs, uuid.New()} {
		if n, err := try(id, "do nothing"); err != nil || n != 1 {
			t.Fatalf("%d rows, %v; another clinic's id is told from nobody's", n, err)
		}
	}
	for _, id := range []uuid.UUID{s.theirs, uuid.New(), second} { // nothing undisclosed, there or not
		_, err := try(id, update)
		refused(t, err, "42501", "row-level security")
	}
	if n, err := try(second, "do nothing"); err != nil || n != 0 {
		t.Fatalf("no longer: docs/SECURITY.md, point 2, says that a random id's being taken in the same clinic is "+
			"told (%d, %v)", n, err)
	}
	s.super(openRows)
	if n, err := try(second, update); err != nil || n != 1 {
		t.Fatalf("does not work without the disclosed policy: %v", err)
	}
}

func merge(t *testing.T, s *scene) {
	second := s.undisclosed()
	a := s.conn(t)
	d := a.asked(s.token("casey@cedar"), s.mine)
	try := func(id uuid.UUID) (int64, error) {
		a.accepted(s.token("casey@cedar"), d)
		defer a.must("rollback")
		tag, err := a.Exec(t.Context(), "merge into public.patients p using (values ($1::uuid)) v(i) on p.id = v.i "+
			"when matched then update set phone = 'x'", id)
		return tag.RowsAffected(), err
	}
	for id, want := range map[uuid.UUID]int64{s.mine: 1, second: 0, s.theirs: 0} {
		if n, err := try(id); err != nil || n != want {
			t.Fatalf("%d rows merged, %v, want %d", n, err, want)
		}
	}
	s.super(openRows)
	if n, err := try(second); err != nil || n != 1 {
		t.Fatalf("does not work without the disclosed policy: %v", err)
	}
}

func movingRows(t *testing.T, s *scene) {
	a := s.conn(t)
	d := a.asked(s.token("casey@cedar"), s.mine)
	a.accepted(s.token("casey@cedar"), d)
	a.cannot(t, fmt.Sprintf("update public.patients set tenant_id = '%s'", s.harbor),
		"update public.patients set phone = '1' returning last_name",
		"update public.patients set phone = '1' returning patients",
		"delete from public.patients returning *", fmt.Sprintf("insert into public.patients (tenant_id, id, mrn, "+
			"first_name, last_name) values ('%s', gen_random_uuid(), 'm', 'f', 'l')", s.harbor),
		fmt.Sprintf("insert into public.patients (tenant_id, id, mrn, first_name, last_name) "+
			"values ('%s', gen_random_uuid(), 'm', 'f', 'l') returning last_name", s.cedar))
	a.must("rollback")
	s.super("grant update (tenant_id) on public.patients to ward_app")
	move := func() error {
		b := s.conn(t)
		b.accepted(s.token("casey@cedar"), d)
		defer b.must("rollback")
		return b.try("update public.patients set tenant_id = $1 where id = $2", s.harbor, s.mine)
	}
	refused(t, move(), "42501", "row-level security") // the second defence
	s.super("drop policy tenant_boundary on public.patients")
	refused(t, move(), "42501", "another clinic") // the third, in the trigger
	s.super("alter table public.patients disable trigger audit_write")
	if err := move(); err != nil {
		t.Fatalf("does not work without all three: %v", err)
	}
}

func permissivePolicy(t *testing.T, s *scene) {
	second := s.undisclosed()
	a := s.conn(t)
	d := a.asked(s.token("casey@cedar"), s.mine)
	s.super("create policy wide on public.patients to public using (true)")
	seen := func() string {
		a.accepted(s.token("casey@cedar"), d)
		defer a.must("rollback")
		a.sees("Canarycedar") // the view's filter is its own
		a.cannot(t, "select last_name from public.patients")
		return a.ids(t, "select id from public.patients")
	}
	if got := seen(); strings.Contains(got, s.theirs.String()) || !strings.Contains(got, second.String()) {
		t.Fatalf("keys seen through a careless policy: %q, want this clinic's", got)
	}
	s.found(t, "public.patients", "policy wide lets ward_app reach rows that nobody disclosed")
	s.super("drop policy tenant_boundary on public.patients")
	if got := seen(); !strings.Contains(got, s.theirs.String()) {
		t.Fatal("does not work without the restrictive policy: what else stops it?")
	}
}

func emptyClaims(t *testing.T, s *scene) {
	a := s.conn(t)
	for _, claims := range []string{"", "{}", "null", "[]", "garbage", `{"tid": ""}`, `{"tid": null}`} {
		for _, sql := range []string{readNames, "select id from public.patients", "delete from public.patients",
			"insert into public.patients (tenant_id, id, mrn, first_name, last_name) " +
				"values (null, gen_random_uuid(), 'm', 'f', 'l')",
			"select audit.disclose(gen_random_uuid(), 'public.patients', array[gen_random_uuid()])"} {
			a.must("begin")
			a.must("select set_config('request.jwt.claims', $1, true)", claims)
			tag, err := a.Exec(t.Context(), sql)
			// of keys, nothing; of a chart, an error rather than an empty one
			if err == nil && (tag.RowsAffected() != 0 || sql == readNames) {
				t.Fatalf("under the claims %q: %s works", claims, sql)
			}
			a.must("rollback")
		}
	}
	if n := wardtest.One[int](s.Env, "select count(*) from tenancy.phi_table p join pg_attribute a "+
		"on a.attrelid = p.record_table::regclass where a.attname = 'tenant_id' and not a.attnotnull"); n != 0 {
		t.Fatalf("%d protected tables take rows of no tenant", n)
	}
}
