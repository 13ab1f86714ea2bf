package tenancy_test

import (
	"context"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ward-health/ward/internal/wardtest"
	"github.com/ward-health/ward/tenancy"
)

const askSQL = "select coalesce(tenancy.ask($1, $2, 'public.patients', $3), '')"

// tenancy.ask records who wants which records, and gives the client nothing: no identity, no look in its own
// transaction, no ask for a token that begin refuses.
func TestAttackAsk(t *testing.T) {
	s := newScene(t)
	a, casey, d := s.conn(t), s.token("casey@cedar"), uuid.New()
	ids := []uuid.UUID{s.mine}
	asks := func(d uuid.UUID) (n [2]int) {
		return [2]int{s.events("action = 'view' and outcome = 'ok' and disclosure_id = $1", d),
			wardtest.One[int](s.Env, "select count(*) from tenancy.disclosure where disclosure_id = $1", d)}
	}
	t.Run("it leaves no identity", func(t *testing.T) {
		a.must("begin")
		if why := value[string](a, askSQL, casey, d, ids); why != "" {
			t.Fatal(why)
		}
		if c := value[*string](a, "select tenancy.claims()::text"); c != nil {
			t.Fatal("an identity")
		}
		a.must("savepoint s")
		refused(t, a.try(readNames), "28000", "no identity")
		a.must("rollback to s")
		if why := a.identify(casey, d); why != "" { // an identity of the same transaction sees nothing by it either
			t.Fatal(why)
		}
		refused(t, a.try(readNames), "42501", "no committed disclosure")
		a.must("rollback")
		if got := asks(d); got != [2]int{} {
			t.Fatalf("%v events and asks of a transaction that was rolled back", got)
		}
	})
	t.Run("committed, it is what disclose is", func(t *testing.T) {
		a.must("begin")
		a.must(askSQL, casey, d, ids)
		a.must("commit")
		if got := asks(d); got != [2]int{1, 1} {
			t.Fatalf("%v events and asks", got)
		}
		a.accepted(casey, d)
		a.sees("Canarycedar")
		a.must("rollback")
		if who := wardtest.One[string](s.Env, "select u.slug || '@' || t.slug from audit.event e join tenancy.users "+
			"u on u.id = e.user_id join tenancy.tenant t on t.id = e.tenant_id where e.disclosure_id = $1",
			d); who != "casey@cedar" {
			t.Fatalf("recorded under %s", who)
		}
	})
	t.Run("a refused token asks for nothing and is on record", func(t *testing.T) {
		for why, c := range map[string]struct{ token, begin, sql string }{
			"bad_signature":     {casey[:len(casey)-43] + strings.Repeat("A", 43), "begin", askSQL},
			"transaction_unfit": {casey, "begin isolation level repeatable read", askSQL},
			"secret_in_query": {casey, "begin",
				"select coalesce(tenancy.ask($1, $2, 'public.patients', $3), '') /* " + casey + " */"},
		} {
			d, before := uuid.New(), s.events("action = 'refuse'")
			a.must(c.begin)
			if got, _, _ := strings.Cut(value[string](a, c.sql, c.token, d, ids), ": "); got != why {
				t.Fatalf("%q, want %q", got, why)
			}
			a.must("commit")
			if got := asks(d); got != [2]int{} || s.events("action = 'refuse'") != before+1 {
				t.Fatalf("%s: %v events and asks", why, got)
			}
		}
	})
	t.Run("a role that may not", func(t *testing.T) {
		refused(t, a.try("select tenancy.ask($1, gen_random_uuid(), 'public.notes', $2)", s.token("frank@cedar"), ids),
			"42501", "may not view")
		refused(t, a.try("select tenancy.ask($1, gen_random_uuid(), 'tenancy.users', $2)", casey, ids), "42704",
			"is not a protected table")
		defer s.without(t, "tenancy.ask_records", "p.role = claims->>'role' and ", "p.role = 'clinician' and ")()
		if err := a.try("select tenancy.ask($1, gen_random_uuid(), 'public.notes', $2)", s.token("frank@cedar"),
			ids); err != nil {
			t.Fatalf("does not work without its defence: %v", err)
		}
	})
	t.Run("nothing rests on a refused ask", func(t *testing.T) {
		session := s.narrow()
		s.super("update tenancy.session set revoked_at = clock_timestamp() where session_id = $1",
			session.Tokens().SessionID)
		before := s.events("action = 'refuse'")
		var n int
		if err := session.Write(t.Context(), ask(s.mine), tenancy.Do("select 1").Scan(&n)); err == nil || n != 0 {
			t.Fatalf("ran: %v", err)
		}
		if got := s.events("action = 'refuse'") - before; got != 1 {
			t.Fatalf("%d events of the refusal", got)
		}
	})
}

// What every transaction looks up is found by index, also by a connection that planned its look-ups when the tables
// were small: the 10,000th ask of a minute costs what the first did.
func TestLookUpsAreByIndex(t *testing.T) {
	s := newScene(t)
	casey := s.narrow()
	s.super("delete from tenancy.disclosure")
	for _, table := range []string{"tenancy.disclosure", "tenancy.session", "tenancy.membership", "tenancy.users",
		"tenancy.tenant", "tenancy.permission"} {
		s.super("vacuum analyze " + table)
	}
	update := tenancy.Do("update public.patients set phone = '555' where id = $1", s.mine)
	for range 10 { // until the plans are generic
		if err := casey.Write(t.Context(), ask(s.mine), tenancy.Do(readNames), update); err != nil {
			t.Fatal(err)
		}
	}
	scans := func() (seq int) {
		// the backend's own counts, which it reports at the end of its transactions when told to
		err := casey.DB().Pool().AcquireFunc(t.Context(), func(conn *pgxpool.Conn) error {
			_, err := conn.Exec(t.Context(), "select pg_stat_force_next_flush()")
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return wardtest.One[int](s.Env,
			`select sum(seq_scan)::int from pg_stat_user_tables where schemaname || '.' || relname in
			('tenancy.disclosure', 'tenancy.session', 'tenancy.membership', 'tenancy.users', 'tenancy.tenant',
			'tenancy.permission', 'tenancy.phi_table', 'tenancy.record',
			'tenancy.signing_key', 'tenancy.instance', 'tenancy.application')`)
	}
	before := scans()
	for range 5 {
		if err := casey.Write(t.Context(), ask(s.mine), tenancy.Do(readNames), update); err != nil {
			t.Fatal(err)
		}
	}
	if n := scans() - before; n != 0 {
		t.Errorf("%d sequential scans in 5 reads", n)
	}
	s.super("alter function tenancy.disclosed set enable_seqscan = on")
	if err := casey.Read(t.Context(), ask(s.mine), tenancy.Do(readNames)); err != nil {
		t.Fatal(err)
	}
	if scans() == before {
		t.Error("none without the setting either: this test sees nothing")
	}
}

// A caller's statement is kept prepared only where no setting of an earlier user can have changed what it means.
func TestKeptStatements(t *testing.T) {
	s := newScene(t)
	casey := s.narrow()
	kept := func() (names []string) {
		err := casey.DB().Pool().AcquireFunc(t.Context(), func(conn *pgxpool.Conn) error {
			return conn.QueryRow(t.Context(), "select coalesce(array_agg(statement order by name), '{}') "+
				"from pg_prepared_statements where name like 'ward\\_call%'").Scan(&names)
		})
		if err != nil {
			t.Fatal(err)
		}
		return names
	}
	const settled, unsettled = "select last_name from phi.patients where id = $1 limit 1",
		"select last_name from phi.patients where (birth_date = null) is not true"
	read := func(hostile bool) (names []string) {
		look := []tenancy.Statement{}
		if hostile {
			look = append(look, tenancy.Do("select set_config('transform_null_equals', 'on', false)"))
		}
		var one, two string
		look = append(look, tenancy.Do(settled, s.mine).Scan(&one))
		if !hostile { // whose own statements may mean what they like
			look = append(look, tenancy.Do(unsettled).Scan(&two))
		}
		if err := casey.Read(t.Context(), ask(s.mine), look...); err != nil {
			t.Fatal(err)
		}
		return []string{one, two}
	}
	for range 5 {
		read(false)
	}
	if got := kept(); len(got) != 1 || got[0] != settled {
		t.Fatalf("kept %q", got)
	}
	// the statement is analysed again, under the hostile setting
	s.super("alter table public.patients alter mrn set statistics 100")
	for _, hostile := range []bool{true, false, false} {
		if got := read(hostile); got[0] != "Canarycedar" || !hostile && got[1] != "Canarycedar" {
			t.Fatalf("reads %d records", len(got))
		}
	}
	t.Run("a table that changes", func(t *testing.T) {
		s.super("drop view phi.patients")
		s.super("alter table public.patients alter last_name type varchar(40)")
		s.super("select tenancy.protect('public.patients', 'id')")
		for range 2 { // the first may say that the table changed
			_ = casey.Read(t.Context(), ask(s.mine), tenancy.Do(settled, s.mine))
		}
		if got := read(false); got[0] != "Canarycedar" {
			t.Fatal("no longer reads")
		}
	})
	t.Run("a hostile client under the same name", func(t *testing.T) {
		for range 5 {
			read(false)
		}
		// it deallocates and prepares within its own transaction; the connection does not come back
		err := casey.Read(t.Context(), ask(s.mine), tenancy.Do("deallocate ward_call0"),
			tenancy.Do("prepare ward_call0(uuid) as select 'stolen'"))
		if err != nil {
			t.Fatal(err)
		}
		if got := read(false); got[0] != "Canarycedar" {
			t.Fatal("ran what another user had prepared")
		}
		err = casey.DB().Pool().AcquireFunc(t.Context(), func(conn *pgxpool.Conn) error {
			var from int
			if err := conn.QueryRow(context.WithoutCancel(t.Context()),
				"select count(*) from pg_prepared_statements where from_sql").Scan(&from); err != nil || from > 0 {
				t.Errorf("%d left over: %v", from, err)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}
