package tenancy_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ward-health/ward/internal/wardtest"
	"github.com/ward-health/ward/tenancy"
)

// Ask, commit, then look.
func TestDisclosure(t *testing.T) {
	s := newScene(t)
	a := s.conn(t)
	casey := s.token("casey@cedar")

	t.Run("a PHI column of the table itself is denied", func(t *testing.T) {
		d := a.asked(casey, s.mine) // disclosed or not
		for _, sql := range []string{
			"select last_name from public.patients", "select * from public.patients",
			"select patients from public.patients", "select id from public.patients where last_name = 'x'",
			"select ctid from public.patients", "copy public.patients to stdout",
			"copy (select last_name from public.patients) to stdout", "update public.patients set phone = last_name",
			"update public.patients set phone = '1' returning last_name",
			"delete from public.patients returning last_name",
		} {
			a.accepted(casey, d)
			refused(t, a.raw(sql), "42501", "permission denied")
			a.must("rollback")
		}
	})
	t.Run("no disclosure raises, which an empty chart would not", func(t *testing.T) {
		a.accepted(casey, uuid.Nil)
		refused(t, a.try(readNames), "42501", "no committed disclosure")
		a.must("rollback")
		a.must("begin")
		refused(t, a.try(readNames), "28000", "no identity")
		a.must("rollback")
	})
	t.Run("ask and look in one transaction, then rollback", func(t *testing.T) {
		before := s.events("action = 'view'")
		d := uuid.New()
		a.accepted(casey, d)
		a.must("select audit.disclose($1, 'public.patients', $2)", d, []uuid.UUID{s.mine})
		refused(t, a.try(readNames), "42501", "no committed disclosure")
		a.must("rollback")
		a.accepted(casey, d)
		refused(t, a.try(readNames), "42501", "no committed disclosure")
		a.must("rollback")
		if n := s.events("action = 'view'"); n != before {
			t.Fatalf("%d view events of a rolled back ask", n-before)
		}
	})
	t.Run("ask in a savepoint, look in the same transaction", func(t *testing.T) {
		d := uuid.New()
		a.accepted(casey, d)
		a.must("savepoint s")
		a.must("select audit.disclose($1, 'public.patients', $2)", d, []uuid.UUID{s.mine})
		a.must("release s")
		refused(t, a.try(readNames), "42501", "no committed disclosure")
		a.must("rollback")
	})
	t.Run("ask, commit, look", func(t *testing.T) {
		d := a.asked(casey, s.mine, s.theirs, uuid.New())
		if n := s.events("action = 'view' and disclosure_id = $1", d); n != 3 {
			t.Fatalf("%d events for 3 ids", n)
		}
		a.accepted(casey, d)
		a.sees("Canarycedar")
		a.must("commit")
	})
	t.Run("of another session, user, tenant or table", func(t *testing.T) {
		d := a.asked(casey, s.mine)
		again := s.App("casey", "cedar").Tokens().Access // the same person, another session
		for _, token := range []string{s.token("carla@cedar"), s.token("casey@harbor"), s.token("hugo@harbor"), again} {
			a.accepted(token, d)
			refused(t, a.try(readNames), "42501", "no committed disclosure")
			a.must("rollback")
		}
		a.accepted(casey, d)
		refused(t, a.try("select body from phi.notes"), "42501", "no committed disclosure for public.notes")
		a.must("rollback")
		a.accepted(casey, uuid.New())
		refused(t, a.try(readNames), "42501", "no committed disclosure")
		a.must("rollback")
	})
	t.Run("another tenant's record, disclosed", func(t *testing.T) {
		d := a.asked(casey, s.theirs)
		a.accepted(casey, d)
		a.sees() // an ask of ours, no record of ours
		a.must("rollback")
	})
	t.Run("an undisclosed row can be neither changed nor deleted", func(t *testing.T) {
		a.accepted(casey, uuid.Nil)
		refused(t, a.try("update public.patients set phone = '1' where id = $1", s.mine), "42501",
			"no committed disclosure")
		a.must("rollback")
		d := a.asked(casey, uuid.New())
		a.accepted(casey, d)
		for _, sql := range []string{"update public.patients set phone = '1'", "delete from public.patients"} {
			tag, err := a.Exec(t.Context(), sql)
			if err != nil || tag.RowsAffected() != 0 {
				t.Fatalf("%s: %d rows, %v", sql, tag.RowsAffected(), err)
			}
		}
		a.must("rollback")
	})
	t.Run("what an ask refuses", func(t *testing.T) {
		many := make([]uuid.UUID, 10001)
		for _, bad := range []struct {
			args []any
			code string
		}{
			{[]any{uuid.New(), "public.patients", []uuid.UUID{}}, "22023"},
			{[]any{uuid.New(), "public.patients", many}, "22023"},
			{[]any{uuid.New(), "public.patients", []*uuid.UUID{nil}}, "22023"},
			{[]any{nil, "public.patients", []uuid.UUID{s.mine}}, "22004"},
			{[]any{uuid.New(), "tenancy.users", []uuid.UUID{s.mine}}, "42704"},
		} {
			a.accepted(casey, uuid.Nil)
			refused(t, a.try("select audit.disclose($1, $2::text::regclass, $3)", bad.args...), bad.code, "")
			a.must("rollback")
		}
	})
	t.Run("an ask under a savepoint rolled back is none", func(t *testing.T) {
		d := uuid.New()
		a.accepted(casey, uuid.Nil)
		a.must("savepoint s")
		a.must("select audit.disclose($1, 'public.patients', $2)", d, []uuid.UUID{s.mine})
		a.must("rollback to s")
		a.must("commit")
		a.accepted(casey, d)
		refused(t, a.try(readNames), "42501", "no committed disclosure")
		a.must("rollback")
	})
}

// A lease ends by the database's clock, in the middle of a transaction too.
func TestLeaseExpires(t *testing.T) {
	s := newScene(t)
	a := s.conn(t)
	s.super("update tenancy.setting set disclosure_lease = '1 second'")
	d := a.asked(s.token("casey@cedar"), s.mine)
	a.accepted(s.token("casey@cedar"), d)
	a.sees("Canarycedar")
	var err error
	eventually(t, "the lease ends", func() bool {
		a.must("savepoint s")
		_, err = a.names(readNames)
		if err != nil {
			a.must("rollback to s")
		}
		a.must("release s")
		return err != nil
	})
	refused(t, err, "42501", "no committed disclosure")
	a.must("rollback")
}

// A transaction that asks and rolls back learns nothing: what it does is the same for an id of this clinic, of another
// one and of nobody.
func TestAskTeachesNothing(t *testing.T) {
	s := newQuietScene(t)
	casey := s.token("casey@cedar")
	const counters = `select coalesce(string_agg(format('%s.%s %s %s %s %s %s', schemaname, relname, seq_scan,
		seq_tup_read, idx_scan, idx_tup_fetch, n_tup_ins), E'\n' order by schemaname, relname), '')
		from pg_stat_xact_all_tables where schemaname not in ('pg_catalog', 'information_schema', 'pg_toast')
			and coalesce(seq_scan, 0) + coalesce(idx_scan, 0) + n_tup_ins > 0`
	measure := func(id uuid.UUID) (wal int64, stats string) {
		a := s.conn(t) // the counters of a session add up over its transactions
		a.accepted(casey, uuid.Nil)
		a.must("select audit.disclose($1, 'public.patients', $2)", uuid.New(), []uuid.UUID{id}) // warms pages and plans
		before := value[string](a, "select pg_current_wal_insert_lsn()::text")
		a.must("select audit.disclose($1, 'public.patients', $2)", uuid.New(), []uuid.UUID{id})
		wal = value[int64](a, "select (pg_current_wal_insert_lsn() - $1::pg_lsn)::bigint", before)
		stats = value[string](a, counters)
		a.must("rollback")
		if !strings.Contains(stats, "audit.event") || wal == 0 {
			t.Fatalf("the measure sees nothing: %d bytes, %q", wal, stats)
		}
		if strings.Contains(stats, "public.patients") || strings.Contains(stats, "tenancy.record") {
			t.Fatalf("an ask reads a PHI table:\n%s", stats)
		}
		return wal, stats
	}
	// Others on this server write WAL too, and a page fills now and then: the smallest of several is the ask's own.
	least := func(id uuid.UUID) string {
		best, stats := measure(id)
		for range 6 {
			wal, again := measure(id)
			if again != stats {
				t.Fatalf("two asks of one id differ:\n%s\n%s", stats, again)
			}
			best = min(best, wal)
		}
		return fmt.Sprintf("%d bytes of WAL\n%s", best, stats)
	}
	mine, theirs, nobody := least(s.mine), least(s.theirs), least(uuid.New())
	if mine != theirs || theirs != nobody {
		t.Fatalf("an ask tells whose an id is\nmine:\n%s\ntheirs:\n%s\nnobody's:\n%s", mine, theirs, nobody)
	}
}

// Searching: recorded, then evaluated, then read; the values nowhere in clear.
func TestFind(t *testing.T) {
	s := newScene(t)
	a := s.conn(t)
	casey := s.token("casey@cedar")
	const wanted = `[{"column": "last_name", "op": "=", "value": "Canarycedar"}]`
	find := func(filter string) uuid.UUID {
		d := uuid.New()
		a.accepted(casey, uuid.Nil)
		a.must("select audit.find($1, 'public.patients', $2)", d, filter)
		a.must("commit")
		return d
	}
	t.Run("find, evaluate, read", func(t *testing.T) {
		d := find(wanted)
		a.accepted(casey, d)
		refused(t, a.try(readNames), "42501", "no committed disclosure")
		a.must("rollback")
		a.accepted(casey, d)
		a.must("select audit.evaluate('public.patients', $1)", wanted)
		refused(t, a.try(readNames), "42501", "no committed disclosure") // still this transaction's own
		a.must("rollback")
		a.accepted(casey, d)
		a.must("select audit.evaluate('public.patients', $1)", wanted)
		a.must("commit")
		a.accepted(casey, d)
		a.sees("Canarycedar")
		a.must("commit")
		if n := s.events("action = 'view' and disclosure_id = $1 and record_id = $2", d, s.mine); n != 1 {
			t.Fatalf("%d view events, want 1", n)
		}
	})
	t.Run("another search than the recorded one", func(t *testing.T) {
		d := find(wanted)
		for _, other := range []struct {
			filter, order string
			limit         int
		}{
			{`[{"column": "last_name", "op": "=", "value": "Canaryharbor"}]`, "id", 50},
			{`[{"column": "last_name", "op": ">=", "value": "Canarycedar"}]`, "id", 50},
			{`[{"column": "first_name", "op": "=", "value": "Canarycedar"}]`, "id", 50},
			{`[]`, "id", 50}, {wanted, "last_name", 50}, {wanted, "id desc", 50}, {wanted, "id", 51},
		} {
			a.accepted(casey, d)
			refused(t, a.try("select audit.evaluate('public.patients', $1, $2, $3)", other.filter, other.order,
				other.limit), "42501", "this is not the search of public.patients that was committed")
			a.must("rollback")
		}
		a.accepted(casey, uuid.New())
		refused(t, a.try("select audit.evaluate('public.patients', $1)", wanted), "42501", "no committed search")
		a.must("rollback")
		a.accepted(s.token("carla@cedar"), d)
		refused(t, a.try("select audit.evaluate('public.patients', $1)", wanted), "42501", "no committed search")
		a.must("rollback")
	})
	t.Run("of another clinic's name it finds nothing, and that is on record", func(t *testing.T) {
		const theirs = `[{"column": "last_name", "op": "=", "value": "Canaryharbor"}]`
		d := find(theirs)
		a.accepted(casey, d)
		a.must("select audit.evaluate('public.patients', $1)", theirs)
		a.must("commit")
		a.accepted(casey, d)
		a.sees()
		a.must("commit")
		if search, view := s.events("action = 'search' and disclosure_id = $1", d),
			s.events("action = 'view' and disclosure_id = $1", d); search != 1 || view != 0 {
			t.Fatalf("%d search and %d view events, want 1 and 0", search, view)
		}
	})
	t.Run("values are stored nowhere in clear", func(t *testing.T) {
		n := wardtest.One[int](s.Env,
			"select count(*) from audit.event where action = 'search' and detail like '%last_name%'")
		clear := wardtest.One[int](s.Env, "select (select count(*) from audit.event e where e::text ilike "+
			"'%canary%') + (select count(*) from tenancy.disclosure k where k::text ilike '%canary%')")
		if n == 0 || clear != 0 {
			t.Fatalf("%d searches on record, %d rows repeat a value", n, clear)
		}
	})
	t.Run("what a search refuses, without repeating a value", func(t *testing.T) {
		for _, filter := range []string{
			`{"last_name": "Canary"}`, `[{"column": "nope", "op": "=", "value": "Canary"}]`,
			`[{"column": "last_name", "op": "like", "value": "Canary"}]`,
			`[{"column": "ctid", "op": "=", "value": "Canary"}]`, `["Canary"]`, `[["Canary"]]`,
			`[{"column": "last_name\" = '' or true --", "op": "=", "value": "Canary"}]`,
		} {
			a.accepted(casey, uuid.Nil)
			if err := a.try("select audit.find($1, 'public.patients', $2)", uuid.New(), filter); err == nil ||
				strings.Contains(err.Error(), "Canary") {
				t.Fatalf("%s: %v", filter, err)
			}
			a.must("rollback")
		}
		const misfit = `[{"column": "birth_date", "op": "=", "value": "Canary"}]`
		d := find(misfit)
		a.accepted(casey, d)
		refused(t, a.try("select audit.evaluate('public.patients', $1)", misfit), "22023", "does not fit")
		a.must("rollback")
	})
	t.Run("through the Go package", func(t *testing.T) {
		var names []string
		err := s.App("casey", "cedar").Find(t.Context(), tenancy.Search{Table: "public.patients",
			Where:   []tenancy.Condition{{Column: "last_name", Op: "starts_with", Value: "Canary"}},
			Purpose: "treatment"},
			tenancy.Collect(&names, pgx.RowTo[string], readNames))
		if err != nil || strings.Join(names, ",") != "Canarycedar" {
			t.Fatalf("found %d, %v", len(names), err)
		}
		var denied *tenancy.DeniedError
		err = s.App("frank", "cedar").Find(t.Context(), tenancy.Search{Table: "public.notes"})
		if !errors.As(err, &denied) || denied.SQLSTATE != "42501" {
			t.Fatalf("front desk searched notes: %v", err)
		}
	})
}

// The same record id in two clinics: nothing of the one shows in, or changes, what is kept about the other's.
func TestSameIDInTwoClinics(t *testing.T) {
	s := newScene(t)
	a := s.conn(t)
	visit := uuid.New()
	book := func(token string, tenant, patient uuid.UUID, when string) {
		a.accepted(token, uuid.Nil)
		a.must("insert into public.appointments (tenant_id, id, patient_id, provider_id, scheduled_at) "+
			"values ($1, $2, $3, tenancy.user_id(), $4::timestamptz)", tenant, visit, patient, when)
		a.must("commit")
	}
	book(s.token("casey@cedar"), s.cedar, s.mine, "2026-01-01")
	const kept = "select (user_id, patient_id, from_at, void_at)::text from tenancy.relationship " +
		"where tenant_id = $1 and record_id = $2"
	before := wardtest.One[string](s.Env, kept, s.cedar, visit)
	book(s.token("hugo@harbor"), s.harbor, s.theirs, "2030-01-01")
	if after := wardtest.One[string](s.Env, kept, s.cedar, visit); after != before {
		t.Fatal("one clinic changed what is kept of another's appointment")
	}
	if n := wardtest.One[int](s.Env, "select count(*) from tenancy.relationship r join tenancy.record x "+
		"using (record_table, record_id, tenant_id) where record_id = $1", visit); n != 2 {
		t.Fatalf("%d appointments of that id are known, want both clinics'", n)
	}
}
