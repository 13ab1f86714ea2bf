package tenancy_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ward-health/ward/internal/wardtest"
)

// Attacks that worked on earlier forms of this design, by the labels of docs/design/write-ahead-audit.md. Where a
// sub-test says "works without", it takes the defence away in a database of its own and shows that the attack is real.

// shadowUUID makes pg_temp.uuid, a type whose every value casts to one clinic's id.
func shadowUUID(a *attacker, tenant uuid.UUID) error {
	for _, sql := range []string{
		"create type pg_temp.uuid as enum ('x')",
		"create function pg_temp.t2u(text) returns pg_temp.uuid language sql immutable as $$ " +
			"select 'x'::pg_temp.uuid $$",
		"create function pg_temp.u2u(pg_temp.uuid) returns pg_catalog.uuid language sql immutable as $$ select '" +
			tenant.String() + "'::pg_catalog.uuid $$",
		"create cast (text as pg_temp.uuid) with function pg_temp.t2u(text)",
		"create cast (pg_temp.uuid as pg_catalog.uuid) with function pg_temp.u2u(pg_temp.uuid) as assignment",
	} {
		if err := a.try(sql); err != nil {
			return err
		}
	}
	return nil
}

func TestAttackA1(t *testing.T) {
	s := newScene(t)
	casey := s.token("casey@cedar")
	t.Run("A1 temp type shadows uuid", func(t *testing.T) {
		refused(t, shadowUUID(s.conn(t), s.harbor), "42501", "temporary")
	})
	s.super("do $$ begin execute format('grant temporary on database %I to ward_app', current_database()); end $$")
	t.Run("A1 with TEMP granted, before begin", func(t *testing.T) {
		a := s.conn(t)
		if err := shadowUUID(a, s.harbor); err != nil {
			t.Fatal(err)
		}
		if why := a.begin(casey, uuid.Nil); !strings.Contains(a.why, "temporary objects") {
			t.Fatalf("%q", why)
		}
	})
	attack := func(t *testing.T) uuid.UUID {
		a := s.conn(t)
		a.accepted(casey, uuid.Nil)
		if err := shadowUUID(a, s.harbor); err != nil {
			t.Fatal(err)
		}
		a.must("set local search_path = public")
		return value[uuid.UUID](a, "select tenancy.tenant_id()")
	}
	t.Run("A1 with TEMP granted, after begin", func(t *testing.T) {
		if got := attack(t); got != s.cedar {
			t.Fatal("the clinic was chosen")
		}
	})
	s.super("alter function tenancy.tenant_id() reset search_path")
	t.Run("A1 works without the pinned search_path", func(t *testing.T) {
		if got := attack(t); got != s.harbor {
			t.Fatal("does not: what else defends?")
		}
	})
	t.Run("Q2 temp table in the application's way", func(t *testing.T) {
		a := s.conn(t) // TEMP is granted still
		a.must("create temp table patients (tenant_id uuid, id uuid)")
		if why := a.begin(casey, uuid.Nil); !strings.Contains(a.why, "temporary objects") {
			t.Fatalf("%q", why)
		}
		a.must("rollback")
		s.super("do $$ begin execute format('revoke temporary on database %I " +
			"from ward_app', current_database()); end $$")
		refused(t, s.conn(t).try("create temp table patients (tenant_id uuid, id uuid)"), "42501", "temporary")
		refused(t, s.conn(t).try("create table public.patients2 (id uuid)"), "42501", "permission denied")
	})
}

// openRows lets ward_app see rows that nobody disclosed: the defence against S1 and O1.
const openRows = "drop policy disclosed on public.patients; create policy disclosed on public.patients to ward_app " +
	"using (true) with check (true)"

func TestAttackS1O1(t *testing.T) {
	s := newScene(t)
	a := s.conn(t)
	casey := s.token("casey@cedar")
	dummy := s.Patient(s.App("casey", "cedar"), "cedar", "Dummy")
	d := a.asked(casey, dummy)
	rename := func() ([]string, error) {
		a.accepted(casey, d)
		defer func() { a.must("rollback") }()
		a.must("delete from public.patients where id = $1", dummy)
		if err := a.try("update public.patients set id = $1 where id = $2", dummy, s.mine); err != nil {
			return nil, err
		}
		return a.names(readNames)
	}
	t.Run("S1 rename a victim onto a disclosed dummy", func(t *testing.T) {
		_, err := rename()
		refused(t, err, "42501", "permission denied")
		for _, sql := range []string{
			"update public.patients set tenant_id = $1 where id = $2",
			"insert into public.patients (tenant_id, id, mrn, first_name, last_name) values ($1, $2, 'm', 'f', 'l') " +
				"on conflict (tenant_id, id) do update set id = gen_random_uuid()",
		} {
			a.accepted(casey, d)
			refused(t, a.try(sql, s.cedar, s.mine), "42501", "permission denied")
			a.must("rollback")
		}
	})
	ids := func() []uuid.UUID {
		a.accepted(casey, d)
		defer a.must("rollback")
		a.must("set local enable_seqscan = off")
		rows, err := a.Query(t.Context(),
			"with o as (select id, row_number() over () n from public.patients) select id from o")
		if err != nil {
			t.Fatal(err)
		}
		got, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	t.Run("O1 the order of a scan", func(t *testing.T) {
		if got := ids(); !slices.Equal(got, []uuid.UUID{dummy}) {
			t.Fatalf("%d rows in a scan, want the disclosed one", len(got))
		}
	})
	s.super(openRows)
	t.Run("O1 works without the disclosed policy", func(t *testing.T) {
		if got := ids(); !slices.Contains(got, s.mine) {
			t.Fatal("does not")
		}
	})
	s.super("grant update (id) on public.patients to ward_app")
	t.Run("S1 works without the disclosed policy and the key's column grant", func(t *testing.T) {
		if names, err := rename(); err != nil || !slices.Contains(names, "Canarycedar") {
			t.Fatalf("does not: %v", err)
		}
	})
}

func TestAttackP1(t *testing.T) {
	s := newScene(t)
	a := s.conn(t)
	casey := s.token("casey@cedar")
	dummy := s.Patient(s.App("casey", "cedar"), "cedar", "Dummy")
	explain := func(name string) string {
		d := a.asked(casey, dummy)
		a.accepted(casey, d)
		defer a.must("rollback")
		a.must("set local enable_seqscan = off")
		lines, err := a.names("explain (analyze, buffers, costs off, timing off, summary off) select 1 " +
			"from phi.patients where last_name = '" + name + "'")
		if err != nil {
			t.Fatal(err)
		}
		return strings.ReplaceAll(strings.Join(lines, "\n"), name, "NAME")
	}
	// A leak differs every time; what a concurrent vacuum or a cache that was just emptied adds to BUFFERS does not.
	same := func() bool {
		explain("Canarycedar")
		for range 5 {
			if explain("Canarycedar") == explain("Canarycedaz") {
				return true
			}
		}
		return false
	}
	t.Run("P1 without a disclosure", func(t *testing.T) {
		a.accepted(casey, uuid.Nil)
		refused(t, a.try("explain (analyze) select 1 from phi.patients where last_name = 'Canarycedar'"), "42501",
			"no committed disclosure")
		a.must("rollback")
		a.accepted(casey, uuid.Nil)
		refused(t, a.try("explain select id from public.patients where last_name = 'Canarycedar'"), "42501",
			"permission denied")
		a.must("rollback")
	})
	t.Run("P1 leakproof condition under the disclosure filter", func(t *testing.T) {
		if !same() {
			t.Fatal("EXPLAIN tells a name that is there from one that is not")
		}
	})
	t.Run("P1 estimates", func(t *testing.T) {
		s.super("analyze public.patients")
		plan := func(name string) string {
			lines, err := a.names("explain select 1 from phi.patients where last_name = '" + name + "'")
			if err != nil {
				t.Fatal(err)
			}
			return strings.ReplaceAll(strings.Join(lines, "\n"), name, "NAME")
		}
		if plan("Canarycedar") != plan("Canarycedaz") {
			t.Fatal("the planner's estimate tells a name that is there from one that is not")
		}
		if n := value[int](a,
			"select count(*) from pg_stats where tablename = 'patients' and attname = 'last_name'"); n != 0 {
			t.Fatal("statistics of a PHI column are readable")
		}
	})
	s.super(openView)
	t.Run("P1 works without OFFSET 0", func(t *testing.T) {
		if same() {
			t.Fatal("does not")
		}
	})
}

func TestAttackC1(t *testing.T) {
	s := newScene(t)
	a := s.conn(t)
	casey := s.token("casey@cedar")
	claim, note := uuid.New(), uuid.New()
	a.accepted(casey, uuid.Nil)
	a.must("insert into public.claims (tenant_id, id, patient_id, payer, code, amount_cents) "+
		"values ($1, $2, $3, 'p', 'c', 777)", s.cedar, claim, s.mine)
	a.must("insert into public.notes (tenant_id, id, patient_id, body) values ($1, $2, $3, 'Canary')",
		s.cedar, note, s.mine)
	a.must("commit")
	t.Run("C1 a check on an undisclosed row", func(t *testing.T) {
		a.accepted(casey, uuid.Nil)
		refused(t, a.try("update public.claims set amount_cents = -1 where id = $1", claim), "42501",
			"no committed disclosure")
		a.must("rollback")
	})
	t.Run("C1 remains: constraints on disclosed rows and on random ids of the same clinic", func(t *testing.T) {
		d := a.asked(casey, s.mine)
		a.accepted(casey, d)
		// that the patient has a note
		refused(t, a.try("delete from public.patients where id = $1", s.mine), "23503", "on table \"notes\"")
		a.must("rollback")
		a.accepted(casey, uuid.Nil)
		// that the id is taken here
		refused(t, a.try("insert into public.patients (tenant_id, id, mrn, first_name, last_name) "+
			"values ($1, $2, 'm', 'f', 'l')", s.cedar, s.mine), "23505", "")
		a.must("rollback")
	})
	t.Run("C1 the same of another clinic tells nothing", func(t *testing.T) {
		a.accepted(casey, uuid.Nil)
		for _, id := range []uuid.UUID{s.theirs, uuid.New()} { // a foreign key to a patient of theirs, and of nobody's
			a.must("savepoint s")
			refused(t, a.try("insert into public.notes (tenant_id, id, patient_id, body) "+
				"values ($1, gen_random_uuid(), $2, 'b')", s.cedar, id), "23503", "notes_tenant_id_patient_id_fkey")
			a.must("rollback to s")
		}
		// the same id as theirs
		a.must("insert into public.patients (tenant_id, id, mrn, first_name, last_name) values ($1, $2, 'm', 'f', 'l')",
			s.cedar, s.theirs)
		refused(t, a.try("insert into public.patients (tenant_id, id, mrn, first_name, last_name) "+
			"values ($1, gen_random_uuid(), 'm', 'f', 'l')", s.harbor), "42501", "row-level security")
		a.must("rollback")
	})
}

func TestAttackF1F2(t *testing.T) {
	s := newScene(t)
	casey := s.token("casey@cedar")
	const counters = `select coalesce(string_agg(relname || coalesce(seq_tup_read, 0) || '/' || coalesce(idx_tup_fetch,
			0) || '/' || n_tup_ins, ' ' order by relname), '') from pg_stat_xact_all_tables
			where schemaname in ('public', 'audit') or schemaname = 'tenancy' and relname = 'disclosure'`
	ask := func(t *testing.T, name string) (*attacker, uuid.UUID, string) {
		a, d, filter := s.conn(t), uuid.New(), `[{"column": "last_name", "op": "=", "value": "`+name+`"}]`
		a.accepted(casey, d)
		a.must("select audit.find($1, 'public.patients', $2)", d, filter)
		return a, d, filter
	}
	t.Run("F1 a search asked and rolled back", func(t *testing.T) {
		hit, _, _ := ask(t, "Canarycedar")
		miss, _, _ := ask(t, "Canarycedaz")
		h, m := value[string](hit, counters), value[string](miss, counters)
		if h != m || !strings.Contains(h, "event") {
			t.Fatalf("counters differ:\n%s\n%s", h, m)
		}
	})
	t.Run("F2 remains: how many a recorded search would find", func(t *testing.T) {
		inserted := func(name string) int {
			a, d, filter := ask(t, name)
			a.must("commit")
			a.accepted(casey, d)
			a.must("select audit.evaluate('public.patients', $1)", filter)
			n := value[int](a, "select sum(n_tup_ins)::int from pg_stat_xact_all_tables where schemaname = 'audit' "+
				"and relname like 'event%'")
			a.must("rollback")
			if s.events("action = 'search' and disclosure_id = $1", d) != 1 {
				t.Fatal("the search is not on record")
			}
			return n
		}
		if inserted("Canarycedar") != inserted("Canarycedaz")+1 {
			t.Fatal("no longer: docs/SECURITY.md says it remains")
		}
	})
}

func TestAttackE1E3(t *testing.T) {
	s := newScene(t)
	_, claims := parts(t, s.token("casey@cedar"))
	t.Run("E1 a transaction older than the token's end", func(t *testing.T) {
		end := time.Now().Add(1500 * time.Millisecond).Unix()
		short := s.signed(with(claims, "exp", end))
		a := s.conn(t)
		a.must("begin")
		a.must("select 1")
		eventually(t, "the token's end", func() bool {
			return value[bool](a, "select clock_timestamp() > to_timestamp($1::bigint)", end)
		})
		if why := a.identify(short, uuid.Nil); why != "token_expired" {
			t.Fatalf("%q", why)
		}
	})
	t.Run("E3 an exported snapshot", func(t *testing.T) {
		keeper, a := s.conn(t), s.conn(t)
		keeper.must("begin isolation level repeatable read")
		snapshot := value[string](keeper, "select pg_export_snapshot()")
		a.must("begin isolation level repeatable read")
		a.must("set transaction snapshot '" + snapshot + "'")
		if why := a.identify(s.token("casey@cedar"), uuid.Nil); why != "transaction_unfit" {
			t.Fatalf("%q", why)
		}
	})
}

func TestAttackL1L2(t *testing.T) {
	s := newScene(t)
	second := s.Patient(s.App("casey", "cedar"), "cedar", "Second")
	session := s.App("casey", "cedar")
	token := session.Tokens()
	a := s.conn(t)
	d := a.asked(token.Access, s.mine, second)
	t.Run("L2 a WITH HOLD cursor read under the next identity", func(t *testing.T) {
		b := s.conn(t)
		b.accepted(token.Access, d)
		b.must("declare h cursor with hold for select last_name from phi.patients")
		b.must("commit")
		if why := b.begin(s.token("hugo@harbor"), uuid.Nil); !strings.Contains(b.why, "WITH HOLD") {
			t.Fatalf("%q", why)
		}
	})
	a.accepted(token.Access, d)
	a.must("declare c cursor for select last_name from phi.patients order by id")
	a.must("fetch 1 from c")
	a.sees("Canarycedar", "Second")
	if err := session.SignOut(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Run("L1 remains: a cursor opened in time gives its snapshot's rows, which were disclosed", func(t *testing.T) {
		if got, err := a.names("fetch all from c"); err != nil || len(got) != 1 {
			t.Fatalf("%d rows, %v", len(got), err)
		}
	})
	t.Run("L1 a second look after the session's end", func(t *testing.T) {
		refused(t, a.try(readNames), "28000", "session has ended")
	})
}

// D1: every text by which an ask's commit could be made without its flush. audit.TestCrash kills the server.
func TestAttackD1(t *testing.T) {
	s := newScene(t)
	casey := s.token("casey@cedar")
	asking := func(t *testing.T) (*attacker, uuid.UUID) {
		a, d := s.conn(t), uuid.New()
		a.must("set synchronous_commit = off")
		a.accepted(casey, d)
		a.must("select audit.disclose($1, 'public.patients', $2)", d, []uuid.UUID{s.mine})
		return a, d
	}
	for _, sql := range []string{
		"set constraints all immediate", "set constraints tenancy.durable immediate", "prepare transaction 'p'",
		"commit; set synchronous_commit = off", "set local synchronous_commit = off; commit",
		"/* /* */ commit */ set constraints all immediate", "--\rset constraints all immediate /*\ncommit */",
		"do 'begin commit; end'",
	} {
		t.Run("D1 "+strings.NewReplacer("\r", "CR", "\n", "NL").Replace(sql), func(t *testing.T) {
			a, d := asking(t)
			if err := a.raw(sql); err == nil {
				t.Fatal("accepted")
			}
			a.try("rollback") //nolint:errcheck // the failed message may have ended the transaction already
			a.accepted(casey, d)
			refused(t, a.try(readNames), "42501", "no committed disclosure")
		})
	}
	for _, sql := range []string{"commit", "COMMIT;", "end", "end transaction", "/* traceparent='00-ab' */ commit",
		"-- why\n commit work ;", "commit and chain"} {
		t.Run("commits: "+sql, func(t *testing.T) {
			a, d := asking(t)
			if err := a.raw(sql); err != nil {
				t.Fatal(err)
			}
			if strings.HasSuffix(sql, "chain") {
				a.must("rollback")
			}
			a.accepted(casey, d)
			a.sees("Canarycedar")
		})
	}
	s.super("drop trigger durable on tenancy.disclosure")
	t.Run("D1 works without the trigger", func(t *testing.T) {
		a, _ := asking(t)
		a.must("set constraints all immediate")
		a.must("set local synchronous_commit = off")
		a.must("commit")
	})
}

func TestAttackT1(t *testing.T) {
	s := newScene(t)
	victim := s.conn(t)
	victim.accepted(s.token("hugo@harbor"), uuid.Nil)
	a := s.conn(t)
	t.Run("T1 another session's statements", func(t *testing.T) {
		for _, sql := range []string{"select query from pg_stat_activity", "select * from pg_stat_get_activity(null)",
			"select pg_stat_get_backend_activity(1)"} {
			refused(t, a.try(sql), "42501", "permission denied")
		}
	})
	s.super("grant execute on function pg_catalog.pg_stat_get_activity(integer) to public")
	t.Run("T1 texts hold no token even where they are readable", func(t *testing.T) {
		n := value[int](a,
			"select count(*) from pg_stat_activity where query like '%tenancy.begin%' and pid <> pg_backend_pid()")
		leaks := value[int](a, "select count(*) from pg_stat_activity where position($1 in query) > 0",
			s.token("hugo@harbor"))
		if n == 0 || leaks != 0 {
			t.Fatalf("%d statements seen, %d with the token", n, leaks)
		}
	})
	t.Run("T1 remains: other databases of the cluster show statement texts", func(t *testing.T) {
		other := connect(t, strings.Replace(s.DB.DSN("ward_app"), "/"+s.DB.Name()+"?", "/postgres?", 1))
		if n := value[int](other, "select count(*) from pg_stat_activity where datname = $1 and query <> ''",
			s.DB.Name()); n == 0 {
			t.Fatal("no longer: docs/SECURITY.md says it remains")
		}
	})
}

func TestAttackM1M2(t *testing.T) {
	s := newScene(t)
	a := s.conn(t)
	casey, carla := s.token("casey@cedar"), s.token("carla@cedar")
	a.must("select set_config('x.casey', $1, false), set_config('x.carla', $2, false)", casey, carla)
	d := a.asked(casey, s.mine)
	t.Run("M1 begin and use in one message, so that now() stands still", func(t *testing.T) {
		for _, sql := range []string{
			"begin; select tenancy.begin(current_setting('x.casey')); " +
				"select tenancy.require('public.patients', 'view')",
			"select tenancy.begin(current_setting('x.casey')); table phi.patients",
			"select tenancy.begin(current_setting('x.casey'), '" + d.String() +
				"'); select last_name from phi.patients",
		} {
			if err := a.raw(sql); err == nil {
				t.Fatalf("%s: accepted", sql)
			}
			a.raw("rollback") //nolint:errcheck // there may be no transaction
		}
	})
	modified := func() string {
		return wardtest.One[string](s.Env, "select coalesce(string_agg(u.slug, ','), '') from audit.event e "+
			"join tenancy.users u on u.id = e.user_id where e.action = 'modify'")
	}
	t.Run("M2 begin inside the write", func(t *testing.T) {
		for _, sql := range []string{
			"update public.patients set phone = 'm2' returning set_config('request.jwt.claims', '', true), " +
				"tenancy.begin(current_setting('x.carla'))",
			"/* /* */ select */ do $x$ begin execute 'upd' || 'ate public.patients set phone = ''m2'' returning " +
				"set_config(''request.jwt.claims'', '''', true), tenancy.begin(current_setting(''x.carla''))'; end $x$",
		} {
			a.accepted(casey, d)
			if err := a.raw(sql); err == nil {
				t.Fatal("accepted")
			}
			a.must("rollback")
		}
	})
	swap := func() error {
		a.accepted(carla, uuid.Nil)
		a.must(`select set_config('x.c', current_setting('request.jwt.claims'), true),
				set_config('x.m', current_setting('request.jwt.mac'), true),
				set_config('x.d', current_setting('request.jwt.deadline'), true), set_config('request.jwt.claims', '',
				true)`)
		if why := a.identify(casey, d); why != "" {
			t.Fatal(why)
		}
		err := a.try(`update public.patients set phone = 'm2' returning set_config('request.jwt.claims',
				current_setting('x.c'), true), set_config('request.jwt.mac', current_setting('x.m'), true),
				set_config('request.jwt.deadline', current_setting('x.d'), true)`)
		a.must("commit") // a failed transaction rolls back
		return err
	}
	t.Run("M2 two identities in one transaction, swapped inside the write", func(t *testing.T) {
		refused(t, swap(), "28000", "unsigned claims")
		if who := modified(); who != "" {
			t.Fatalf("modified by %s", who)
		}
	})
	t.Run("M2 remains: one after the other, each recorded as itself", func(t *testing.T) {
		a.accepted(carla, uuid.Nil)
		a.must("select set_config('request.jwt.claims', '', true)")
		if why := a.identify(casey, d); why != "" {
			t.Fatalf("no longer (%s): docs/SECURITY.md says it remains", why)
		}
		a.must("update public.patients set phone = 'm2'")
		a.must("commit")
		if who := modified(); who != "casey" {
			t.Fatalf("modified by %s", who)
		}
	})
	s.without(t, "tenancy.begin", ", nextval('tenancy.begun')", "")
	s.without(t, "tenancy.claims", ", currval('tenancy.begun')", "")
	t.Run("M2 works without the count of begins in the MAC", func(t *testing.T) {
		if err := swap(); err != nil || modified() != "casey,carla" {
			t.Fatalf("does not: %v, modified by %s", err, modified())
		}
	})
}
