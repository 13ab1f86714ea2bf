package tenancy_test

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// shows looks under a disclosure on a connection of its own and says whether the patient is shown; what is shown must
// have its committed event, and what is not must be refused rather than look empty.
func (s *scene) shows(t *testing.T, token string, d, patient uuid.UUID, name string) bool {
	t.Helper()
	a := s.conn(t)
	defer a.Close(t.Context()) // many of them would be more than the server takes
	a.accepted(token, d)
	names, err := a.names(readNames)
	if err != nil {
		refused(t, err, "42501", "no committed disclosure")
		if n := s.events("action = 'view' and disclosure_id = $1", d); n != 0 {
			t.Fatalf("%d events of an ask that shows nothing", n)
		}
		return false
	}
	if n := s.events("action = 'view' and disclosure_id = $1 and record_id = $2", d,
		patient); slices.Contains(names, name) && n != 1 {
		t.Fatalf("a record is shown and %d events say so", n)
	}
	return slices.Contains(names, name)
}

// pipeline sends statements up to one Sync and gives the first error.
func (a *attacker) pipeline(statements ...[]any) error {
	batch := &pgx.Batch{}
	for _, s := range statements {
		batch.Queue(s[0].(string), s[1:]...) //nolint:errcheck // the test's own literals
	}
	return a.SendBatch(a.t.Context(), batch).Close()
}

// Every odd way to get an ask committed, or to look before it is: what a later look shows has its event, and what was
// taken back shows nothing.
func TestWriteAheadCommit(t *testing.T) {
	s := newScene(t)
	casey := s.token("casey@cedar")
	ask := func(a *attacker, d uuid.UUID) {
		a.must("select audit.disclose($1, 'public.patients', $2)", d, []uuid.UUID{s.mine})
	}
	early := func(a *attacker) {
		a.t.Helper()
		a.must("savepoint early")
		refused(a.t, a.try(readNames), "42501", "no committed disclosure")
		a.must("rollback to early")
	}
	cases := []struct {
		name   string
		attack func(a *attacker, d uuid.UUID)
		shown  bool
	}{
		{"savepoint released", func(a *attacker, d uuid.UUID) {
			a.accepted(casey, d)
			a.must("savepoint a")
			a.must("savepoint b")
			ask(a, d)
			a.must("release b")
			a.must("release a")
			early(a)
			a.must("commit")
		}, true},
		{"savepoint rolled back", func(a *attacker, d uuid.UUID) {
			a.accepted(casey, d)
			a.must("savepoint a")
			ask(a, d)
			a.must("savepoint b")
			a.must("release b")
			a.must("rollback to a")
			early(a)
			a.must("commit")
		}, false},
		{"subtransaction aborted by an error", func(a *attacker, d uuid.UUID) {
			a.accepted(casey, d)
			ask(a, d)
			a.must("savepoint a")
			ask(a, d)
			refused(a.t, a.try("select 1 / 0"), "22012", "")
			a.must("rollback to a")
			a.must("commit")
		}, true},
		{"constraints set immediate, taken back by a savepoint", func(a *attacker, d uuid.UUID) {
			a.accepted(casey, d)
			ask(a, d)
			a.must("savepoint a")
			refused(a.t, a.try("set constraints all immediate"), "25000", "COMMIT of its own")
			a.must("rollback to a")
			a.must("set local synchronous_commit = off")
			early(a)
			a.must("commit")
		}, true},
		{"constraints set immediate before the ask", func(a *attacker, d uuid.UUID) {
			a.accepted(casey, d)
			a.must("set constraints all immediate")
			refused(a.t, a.try("select audit.disclose($1, 'public.patients', $2)", d, []uuid.UUID{s.mine}), "25000",
				"COMMIT of its own")
			a.must("commit") // of a failed transaction: a rollback
		}, false},
		{"commit of a failed transaction", func(a *attacker, d uuid.UUID) {
			a.accepted(casey, d)
			ask(a, d)
			refused(a.t, a.try("select 1 / 0"), "22012", "")
			a.must("commit")
		}, false},
		{"commit and chain", func(a *attacker, d uuid.UUID) {
			a.accepted(casey, d)
			ask(a, d)
			a.must("commit and chain")
			refused(a.t, a.try(readNames), "28000", "no identity") // it ended with its transaction
			a.must("rollback and chain")
			if why := a.identify(casey, d); why != "" {
				a.t.Fatal(why)
			}
			a.sees("Canarycedar")
			a.must("commit")
		}, true},
		{"rollback and chain", func(a *attacker, d uuid.UUID) {
			a.accepted(casey, d)
			ask(a, d)
			a.must("rollback and chain")
			if why := a.identify(casey, d); why != "" {
				a.t.Fatal(why)
			}
			early(a)
			a.must("commit")
		}, false},
		{"SET LOCAL between everything", func(a *attacker, d uuid.UUID) {
			a.must("begin")
			for range 2 {
				a.must("set local synchronous_commit = off")
				a.must("set local session_authorization = default")
				a.must("set local row_security = on")
				a.must("set local search_path = pg_temp")
				if d2 := a.identify(casey, d); d2 != "" && !strings.Contains(a.why, "already") {
					a.t.Fatal(d2)
				}
			}
			a.must("rollback") // the second begin took the identity away
			a.accepted(casey, d)
			a.must("set local synchronous_commit = local")
			ask(a, d)
			a.must("set local synchronous_commit = remote_write")
			a.must("commit")
		}, true},
		{"a read-only transaction", func(a *attacker, d uuid.UUID) {
			a.accepted(casey, d)
			a.must("set transaction read only")
			refused(a.t, a.try("select audit.disclose($1, 'public.patients', $2)", d, []uuid.UUID{s.mine}),
				"25006", "read-only")
			a.must("rollback")
			a.must("begin read only")
			_, err := a.tryIdentify(casey, d)
			refused(a.t, err, "25006", "read-only")
			a.must("rollback")
		}, false},
		{"REPEATABLE READ", func(a *attacker, d uuid.UUID) {
			a.must("begin isolation level repeatable read")
			if why := a.identify(casey, d); !strings.Contains(a.why, "READ COMMITTED") {
				a.t.Fatalf("%q", why)
			}
			refused(a.t, a.try("select audit.disclose($1, 'public.patients', $2)", d, []uuid.UUID{s.mine}), "28000",
				"no identity")
			a.must("rollback")
		}, false},
		{"a pipeline that asks and looks before its Sync", func(a *attacker, d uuid.UUID) {
			refused(a.t, a.pipeline([]any{"select tenancy.begin($1, $2)", casey, d},
				[]any{"select audit.disclose($1, 'public.patients', $2)", d, []uuid.UUID{s.mine}}, []any{readNames}),
				"42501", "no committed disclosure")
		}, false},
		{"a pipeline that commits between", func(a *attacker, d uuid.UUID) {
			err := a.pipeline([]any{"begin"}, []any{"select tenancy.begin($1)", casey},
				[]any{"select audit.disclose($1, 'public.patients', $2)", d, []uuid.UUID{s.mine}}, []any{"commit"},
				[]any{"begin"}, []any{"select tenancy.begin($1, $2)", casey, d}, []any{readNames}, []any{"commit"})
			if err != nil {
				a.t.Fatal(err)
			}
		}, true},
		{"one message of the simple protocol", func(a *attacker, d uuid.UUID) {
			a.must("select set_config('x.casey', $1, false)", casey)
			a.accepted(casey, d)
			refused(a.t, a.raw("select audit.disclose('"+d.String()+"', 'public.patients', array['"+s.mine.String()+
				"']::uuid[]); commit; begin; select last_name from phi.patients"), "25000", "COMMIT of its own")
			a.must("rollback")
		}, false},
		{"a cursor opened before the commit", func(a *attacker, d uuid.UUID) {
			a.accepted(casey, d)
			a.must("declare c cursor for select last_name from phi.patients")
			ask(a, d)
			refused(a.t, a.try("fetch all from c"), "42501", "no committed disclosure")
			a.must("rollback")
		}, false},
		{"a cursor WITH HOLD that looks at the ask's commit", func(a *attacker, d uuid.UUID) {
			a.accepted(casey, d)
			a.must("declare h cursor with hold for select last_name from phi.patients")
			ask(a, d)
			refused(a.t, a.try("commit"), "25000", "WITH HOLD")
			refused(a.t, a.try("fetch all from h"), "34000", "")
		}, false},
		{"a cursor WITH HOLD that asks at its commit", func(a *attacker, d uuid.UUID) {
			a.accepted(casey, d)
			a.must("declare h cursor with hold for select audit.disclose('" + d.String() +
				"', 'public.patients', array['" + s.mine.String() + "']::uuid[])")
			refused(a.t, a.try("commit"), "25000", "WITH HOLD")
		}, false},
		{"a cursor WITH HOLD at the Sync of a pipeline", func(a *attacker, d uuid.UUID) {
			err := a.pipeline([]any{"select tenancy.begin($1, $2)", casey, d},
				[]any{"select audit.disclose($1, 'public.patients', $2)", d, []uuid.UUID{s.mine}},
				[]any{"declare h cursor with hold for select set_config('synchronous_commit', 'off', false)"})
			refused(a.t, err, "25000", "WITH HOLD")
		}, false},
		{"idle_in_transaction_session_timeout", func(a *attacker, d uuid.UUID) {
			a.accepted(casey, d)
			ask(a, d)
			a.must("set local idle_in_transaction_session_timeout = '1ms'")
			gone := s.conn(a.t)
			eventually(a.t, "the server hangs up", func() bool {
				return value[int](gone, "select count(*) from pg_locks where pid = $1", a.PgConn().PID()) == 0
			})
			if a.try("commit") == nil {
				a.t.Fatal("committed")
			}
		}, false},
		{"the backend terminated before COMMIT", func(a *attacker, d uuid.UUID) {
			a.accepted(casey, d)
			ask(a, d)
			if !value[bool](s.conn(a.t), "select pg_terminate_backend($1, 20000)", a.PgConn().PID()) {
				a.t.Fatal("not terminated")
			}
			if a.try("commit") == nil {
				a.t.Fatal("committed")
			}
		}, false},
		{"an identity by a fastpath call, which has no text", func(a *attacker, d uuid.UUID) {
			a.must("begin")
			why, err := a.fastpath("tenancy.begin(text,uuid,boolean)", casey, d.String(), "false")
			if err != nil || !strings.Contains(why, "select of its own") {
				a.t.Fatalf("%q, %v", why, err)
			}
			a.must("rollback")
		}, false},
		{"an ask by a fastpath call", func(a *attacker, d uuid.UUID) {
			a.accepted(casey, d)
			if _, err := a.fastpath("audit.disclose(uuid,regclass,uuid[],text)", d.String(), "public.patients",
				"{"+s.mine.String()+"}", "treatment"); err != nil {
				a.t.Fatal(err)
			}
			a.must("commit")
		}, true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			d := uuid.New()
			c.attack(s.conn(t), d)
			if got := s.shows(t, casey, d, s.mine, "Canarycedar"); got != c.shown {
				t.Fatalf("shown: %v, want %v", got, c.shown)
			}
		})
	}
}

// fastpath calls a function by the protocol's own message, which carries no statement. Arguments and result are text.
func (a *attacker) fastpath(signature string, args ...string) (string, error) {
	a.t.Helper()
	call := &pgproto3.FunctionCall{Function: value[uint32](a, "select $1::text::regprocedure::oid", signature),
		ArgFormatCodes: []uint16{}}
	for _, arg := range args {
		call.Arguments = append(call.Arguments, []byte(arg))
	}
	a.PgConn().Frontend().Send(call)
	if err := a.PgConn().Frontend().Flush(); err != nil {
		a.t.Fatal(err)
	}
	var result string
	var failed error
	for {
		message, err := a.PgConn().ReceiveMessage(a.t.Context())
		if pg := (*pgconn.PgError)(nil); errors.As(err, &pg) {
			failed = err
		} else if err != nil {
			a.t.Fatal(err)
		}
		switch m := message.(type) {
		case *pgproto3.FunctionCallResponse:
			result = string(m.Result)
		case *pgproto3.ErrorResponse:
			failed = pgconn.ErrorResponseToPgError(m)
		case *pgproto3.ReadyForQuery:
			return result, failed
		}
	}
}

// A COMMIT that is cancelled, timed out, or whose backend ends, at any moment of it: the ask is either there with its
// event or not there.
func TestWriteAheadInterrupted(t *testing.T) {
	s := newScene(t)
	casey := s.token("casey@cedar")
	asking := func(t *testing.T) (*attacker, uuid.UUID) {
		a, d := s.conn(t), uuid.New()
		a.accepted(casey, d)
		a.must("select audit.disclose($1, 'public.patients', $2)", d, []uuid.UUID{s.mine})
		return a, d
	}
	// a commit that lasts up to 20 ms before it is one, and moments that spread from before its end to well after
	s.super("create function public.slow() returns trigger language plpgsql as " +
		"$$ begin perform pg_sleep(random() * 0.02); return null; end $$")
	s.super("create constraint trigger slow after insert on tenancy.disclosure deferrable initially deferred " +
		"for each row execute function public.slow()")
	moment := func() time.Duration { return time.Millisecond << rand.IntN(9) }
	other := s.conn(t)
	interruptions := map[string]struct {
		interrupt func(a *attacker) func()
		rare      bool // hardly ever meets a commit
	}{
		"cancel request": {func(a *attacker) func() {
			return func() {
				<-time.After(moment())
				a.PgConn().CancelRequest(a.t.Context()) //nolint:errcheck // the answer says nothing about the commit
			}
		}, false},
		// the server stops this clock before it commits, so only the moment before is met
		"statement_timeout": {func(a *attacker) func() {
			a.must("set local statement_timeout = 1")
			return func() {}
		}, true},
		"terminated": {func(a *attacker) func() {
			pid := a.PgConn().PID()
			return func() {
				<-time.After(moment())
				//nolint:errcheck // whether it was in time is what varies
				other.try("select pg_terminate_backend($1)", pid)
			}
		}, false},
	}
	for name, interruption := range interruptions {
		t.Run(name, func(t *testing.T) {
			const enough, most = 5, 300
			committed, hit, n := 0, 0, 0
			for ; n < 25 || !interruption.rare && (committed < enough || hit < enough) && n < most; n++ {
				a, d := asking(t)
				interrupt := interruption.interrupt(a)
				var done sync.WaitGroup
				done.Go(interrupt)
				err := a.try("commit")
				done.Wait()
				_ = a.Close(t.Context()) // it may be cut off
				shown := s.shows(t, casey, d, s.mine, "Canarycedar")
				if err == nil && !shown {
					t.Fatal("acknowledged, and not there")
				}
				if shown {
					committed++
				}
				if err != nil {
					hit++
				}
			}
			t.Logf("%d commits, %d hit, %d committed", n, hit, committed)
			if committed < enough || !interruption.rare && hit < enough {
				t.Error("the interruptions did not meet the commits")
			}
		})
	}
	s.super("drop trigger slow on tenancy.disclosure")
	t.Run("a lock held against the ask", func(t *testing.T) {
		a, d := s.conn(t), uuid.New()
		tx, err := s.Super.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer tx.Rollback(t.Context())
		if _, err := tx.Exec(t.Context(), "lock table tenancy.disclosure in share mode"); err != nil {
			t.Fatal(err)
		}
		a.accepted(casey, d)
		a.must("set local lock_timeout = '50ms'")
		refused(t, a.try("select audit.disclose($1, 'public.patients', $2)", d, []uuid.UUID{s.mine}), "55P03",
			"lock timeout")
		a.must("commit")
		if s.shows(t, casey, d, s.mine, "Canarycedar") {
			t.Fatal("shown")
		}
	})
	t.Run("a deadlock takes one ask with its events", func(t *testing.T) {
		// as an application that uses them has it
		s.super("grant execute on function pg_catalog.pg_advisory_xact_lock(bigint) to ward_app")
		a, d := asking(t)
		b, e := asking(t)
		a.must("select pg_advisory_xact_lock(1)")
		b.must("select pg_advisory_xact_lock(2)")
		errs := make(chan error, 1)
		go func() { errs <- a.try("select pg_advisory_xact_lock(2)") }()
		errB := b.try("select pg_advisory_xact_lock(1)")
		b.must("commit") // frees the other one, whichever failed
		errA := <-errs
		a.must("commit")
		if (errA == nil) == (errB == nil) {
			t.Fatalf("not one of the two failed: %v, %v", errA, errB)
		}
		if s.shows(t, casey, d, s.mine, "Canarycedar") != (errA == nil) ||
			s.shows(t, casey, e, s.mine, "Canarycedar") != (errB == nil) {
			t.Fatal("what is shown is not what was committed")
		}
	})
}
