package tenancy_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ward-health/ward/internal/wardtest"
	"github.com/ward-health/ward/tenancy"
)

// sleep is a poison that an attack is in the middle of until it is cut off.
const sleep = "select pg_sleep(60)"

// poisons are what a hostile user of a connection leaves in it, or does to it, in a transaction of their own.
var poisons = []string{
	"prepare ward_begin2 as select 1", "prepare loot(uuid) as select last_name from phi.patients where id = $1",
	"deallocate all", "deallocate ward_begin", "deallocate ward_ask",
	"declare h cursor with hold for select last_name from phi.patients", "set search_path = pg_temp",
	"set session_replication_role = replica", "set synchronous_commit = off",
	"set default_transaction_isolation = 'serializable'", "set default_transaction_read_only = on",
	"set row_security = off", "set role ward_app",
	"set session authorization ward_app", "select set_config('request.jwt.claims', '{\"tid\": \"x\"}', false)",
	"select set_config('ward.disclosure', gen_random_uuid()::text, false)", "select pg_advisory_lock(7)", "listen loot",
	"create temp table patients (tenant_id uuid, id uuid, last_name text)", "select nextval('tenancy.begun')",
	"commit and chain", "rollback", "begin", "select 1/0", sleep, "set statement_timeout = 1",
	"set plan_cache_mode = force_generic_plan", "set enable_indexscan = off", "set datestyle = 'sql, dmy'",
	"set jit_above_cost = 0",
}

// Two clinics share two connections. One reads 100 times, the other attacks 108 times, all at once: the reads show
// their own record, every record seen has its event, and the attacker sees nothing of the other clinic. Every attack
// gets as far as its poison, and each one that sleeps is cut off in its sleep, however busy the machine is.
func TestPoolKeepsClinicsApart(t *testing.T) {
	s := newScene(t)
	db, err := tenancy.Open(t.Context(), s.DB.DSN("ward_app")+"&pool_max_conns=2")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	session := func(user, tenant string) *tenancy.Session {
		tokens, err := db.SignIn(t.Context(),
			tenancy.Credentials{User: user, Password: wardtest.Password, Tenant: tenant})
		if err != nil {
			t.Fatal(err)
		}
		return tenancy.NewSession(db, tokens, time.Now, nil)
	}
	casey, hugo := session("casey", "cedar"), session("hugo", "harbor")
	reads := make([]uuid.UUID, 100)
	var wg sync.WaitGroup
	for i := range reads {
		reads[i] = uuid.New()
		wg.Go(func() {
			a := ask(s.mine, s.theirs)
			a.ID = reads[i]
			var got []string
			err := casey.Read(t.Context(), a, tenancy.Collect(&got, pgx.RowTo[string], readNames))
			if err != nil || strings.Join(got, ",") != "Canarycedar" {
				t.Errorf("casey saw %d records: %v", len(got), err)
			}
		})
	}
	const sleepers = 8
	var begun, slept, cutOff atomic.Int64
	for i := range len(reads) + sleepers {
		poison := poisons[i%len(poisons)]
		if i >= len(reads) {
			poison = sleep
		}
		if poison == sleep {
			slept.Add(1)
		}
		wg.Go(func() {
			began, err := s.hostile(t, hugo, i, poison)
			if !began {
				t.Errorf("attempt %d, %s: never began: %v", i, poison, err)
				return
			}
			begun.Add(1)
			if errors.Is(err, context.Canceled) {
				cutOff.Add(1)
			}
		})
	}
	wg.Wait()
	t.Logf("%d attempts began, %d of %d that slept were cut off", begun.Load(), cutOff.Load(), slept.Load())
	if begun.Load() != int64(len(reads)+sleepers) || cutOff.Load() != slept.Load() {
		t.Error("not all that was to happen did")
	}
	if n := db.Pool().Stat().MaxConns(); n != 2 {
		t.Fatalf("%d connections, the test is about 2", n)
	}
	for _, id := range reads {
		if n := s.events("action = 'view' and disclosure_id = $1 and record_id = $2", id, s.mine); n != 1 {
			t.Fatalf("%d events of a record that was seen", n)
		}
	}
}

// hostile leaves or does one poison, in a look or in a transaction, and says whether the poison was sent: of a look its
// ask was committed, which goes in the same message. One that sleeps is cut off while it does.
func (s *scene) hostile(t *testing.T, hugo *tenancy.Session, i int, poison string) (began bool, err error) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if poison == sleep {
		poison += fmt.Sprintf(" /* attempt %d */", i)
		go s.onceAsleep(ctx, poison, cancel)
	}
	if i%2 == 1 {
		err = hugo.Tx(ctx, uuid.Nil, func(tx tenancy.Tx) error {
			began = true
			_, err := tx.Conn().PgConn().Exec(ctx, poison).ReadAll()
			return err
		})
		return began, err
	}
	a := ask(s.theirs, s.mine)
	a.ID = uuid.New()
	var got []string
	err = hugo.Read(ctx, a, tenancy.Do(poison), tenancy.Collect(&got, pgx.RowTo[string], readNames))
	if slices.Contains(got, "Canarycedar") {
		t.Error("the hostile clinic saw another's record")
	}
	return s.events("disclosure_id = $1", a.ID) > 0, err
}

// onceAsleep calls then when a backend sleeps in this statement, or not at all if ctx ends first.
func (s *scene) onceAsleep(ctx context.Context, statement string, then func()) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for asleep := false; !asleep; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		err := s.Super.QueryRow(ctx, "select exists (select from pg_stat_activity where wait_event = 'PgSleep' "+
			"and query = $1)", statement).Scan(&asleep)
		if err != nil {
			return // ctx has ended, or the attempt will fail as one that was not cut off
		}
	}
	then()
}

// leftovers says what a connection still holds of an earlier user.
const leftovers = `select concat_ws(', ', (select string_agg('prepared ' || name, ', ') from pg_prepared_statements
	where from_sql), (select 'cursor ' || string_agg(name, ', ') from pg_cursors where name <> '' having count(*) > 0),
	nullif(current_setting('x.loot', true), ''), nullif(current_setting('request.jwt.claims', true), ''),
	(select 'listens ' || c from pg_listening_channels() c),
	(select 'lock' from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()), case
	when pg_my_temp_schema() <> 0 and exists (select from pg_class where relnamespace = pg_my_temp_schema()) then
		'temporary objects' end,
	case when current_user <> session_user then 'a role' end, (select string_agg(name, ', ') from pg_settings
	where source = 'session' and name not in ('transaction_isolation', 'transaction_read_only',
		'transaction_deferrable')))`

// What one user leaves in a connection, the next does not find: after a transaction of statements, wiped in the same
// message, and after one of calls, wiped when the connection is given back. With "closed" the connection is not given
// to anybody again.
func TestPoolWipesConnections(t *testing.T) {
	s := newScene(t)
	s.super("do $$ begin execute format('grant temporary on database %I to ward_app', current_database()); end $$")
	// as an application that uses them has it
	s.super("grant execute on function pg_catalog.pg_advisory_lock(bigint) to ward_app")
	db, err := tenancy.Open(t.Context(), s.DB.DSN("ward_app")+"&pool_max_conns=1")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	tokens, err := db.SignIn(t.Context(),
		tenancy.Credentials{User: "casey", Password: wardtest.Password, Tenant: "cedar"})
	if err != nil {
		t.Fatal(err)
	}
	casey := tenancy.NewSession(db, tokens, time.Now, nil)
	pid := func() (pid int, left string) {
		if err := db.Pool().QueryRow(t.Context(),
			"select pg_backend_pid(), ("+leftovers+")").Scan(&pid, &left); err != nil {
			t.Fatal(err)
		}
		return pid, left
	}
	for _, poison := range []struct {
		sql    string
		closed bool
	}{
		{"declare h cursor with hold for select last_name from phi.patients", false},
		{"set search_path = pg_temp", false}, {"set synchronous_commit = off", false},
		{"set default_transaction_isolation = 'serializable'", false}, {"select set_config('x.loot', 'loot', false)",
			false}, {"select set_config('request.jwt.claims', 'x', false)", false}, {"listen loot", false},
		{"select pg_advisory_lock(7)", false}, {"set role ward_app", false},
		{"set session authorization ward_app", false}, {"create temp table patients (id uuid)", true},
		{"set datestyle = 'sql, dmy'", false},
		{"prepare loot(uuid) as select 1", true}, {"deallocate all", true}, {"deallocate ward_begin", true},
	} {
		for _, how := range []string{"statements", "calls"} {
			t.Run(how+" "+poison.sql, func(t *testing.T) {
				// the connection keeps ward's statements
				if err := casey.Read(t.Context(), ask(s.mine), tenancy.Do("select 1")); err != nil {
					t.Fatal(err)
				}
				before, left := pid()
				if left != "" {
					t.Fatalf("left over beforehand: %s", left)
				}
				var err error
				if how == "statements" {
					err = casey.Read(t.Context(), ask(s.mine), tenancy.Do(poison.sql))
				} else {
					err = casey.Look(t.Context(), func(tx tenancy.Tx, d uuid.UUID) error {
						_, err := tx.Exec(t.Context(), "select audit.disclose($1, 'public.patients', $2)", d,
							[]uuid.UUID{s.mine})
						return err
					}, func(tx tenancy.Tx) error {
						_, err := tx.Conn().PgConn().Exec(t.Context(), poison.sql).ReadAll()
						return err
					})
				}
				if err != nil && !poison.closed {
					t.Fatal(err)
				}
				after, left := pid()
				if left != "" || (after != before) != poison.closed {
					t.Fatalf("left over: %q; another connection: %v, want %v", left, after != before, poison.closed)
				}
				if err := casey.Read(t.Context(), ask(s.mine), tenancy.Do("select 1")); err != nil {
					t.Fatalf("the next read: %v", err)
				}
			})
		}
	}
}

// A login that is a member of ward_app takes its role on, and the next user is the login again.
func TestPoolResetsRoles(t *testing.T) {
	s := newScene(t)
	login := "login_" + s.DB.Name()[len(s.DB.Name())-8:]
	s.super("create role " + login + " login in role ward_app")
	t.Cleanup(func() {
		_, _ = s.Super.Exec(context.WithoutCancel(t.Context()), "drop role "+login)
	})
	db, err := tenancy.Open(t.Context(), s.DB.DSN(login)+"&pool_max_conns=1")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	tokens, err := db.SignIn(t.Context(),
		tenancy.Credentials{User: "casey", Password: wardtest.Password, Tenant: "cedar"})
	if err != nil {
		t.Fatal(err)
	}
	casey := tenancy.NewSession(db, tokens, time.Now, nil)
	for range 2 {
		var user string
		if err := casey.Read(t.Context(), ask(s.mine), tenancy.Do("select current_user::text").Scan(&user),
			tenancy.Do("set role ward_app")); err != nil || user != login {
			t.Fatalf("as %q, want %q: %v", user, login, err)
		}
	}
}

// A connection given back in the middle of a transaction is closed, not reused.
func TestPoolClosesOpenTransactions(t *testing.T) {
	s := newScene(t)
	db, err := tenancy.Open(t.Context(), s.DB.DSN("ward_app")+"&pool_max_conns=1")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	conn, err := db.Pool().Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	left := conn.Conn()
	(&attacker{t: t, Conn: left}).accepted(s.token("casey@cedar"), uuid.Nil)
	conn.Release()
	if err := db.Pool().Ping(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
	if !left.IsClosed() {
		t.Fatal("a connection with an open transaction went back to the pool")
	}
}
