package tenancy_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ward-health/ward/internal/wardtest"
	"github.com/ward-health/ward/tenancy"
)

// A hundred goroutines of two clinics over two connections: each sees its own clinic's records and no other's.
func TestPoolKeepsClinicsApart(t *testing.T) {
	s := newScene(t)
	db, err := tenancy.Open(t.Context(), s.DB.DSN("ward_app")+"&pool_max_conns=2")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	session := func(user, tenant string) *tenancy.Session {
		tokens, err := db.SignIn(t.Context(), user, wardtest.Password, tenant, "app")
		if err != nil {
			t.Fatal(err)
		}
		return tenancy.NewSession(db, tokens, time.Now, nil)
	}
	sides := []struct {
		session *tenancy.Session
		name    string
	}{{session("casey", "cedar"), "Canarycedar"}, {session("hugo", "harbor"), "Canaryharbor"}}
	var wg sync.WaitGroup
	failures := make(chan error, 100)
	for i := range 100 {
		wg.Go(func() {
			side := sides[i%2]
			var got []string
			err := side.session.Read(t.Context(), ask(s.mine, s.theirs), tenancy.Collect(&got, pgx.RowTo[string], readNames))
			if err != nil || strings.Join(got, ",") != side.name {
				failures <- fmt.Errorf("%s's side saw %d records: %w", side.name, len(got), errors.Join(err))
			}
		})
	}
	wg.Wait()
	close(failures)
	for err := range failures {
		t.Error(err)
	}
	if n := db.Pool().Stat().TotalConns(); n > 2 {
		t.Fatalf("%d connections, the test is about 2", n)
	}
	if n := s.events("action = 'view'"); n != 200 {
		t.Fatalf("%d view events, want 200", n)
	}
}

// What one user leaves in a connection, the next does not find.
func TestPoolWipesConnections(t *testing.T) {
	s := newScene(t)
	db, err := tenancy.Open(t.Context(), s.DB.DSN("ward_app")+"&pool_max_conns=1")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	pid := func() int {
		var n int
		if err := db.Pool().QueryRow(t.Context(), "select pg_backend_pid()").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	casey, hugo := s.token("casey@cedar"), s.token("hugo@harbor")
	before := pid()
	a := s.conn(t)
	d := a.asked(casey, s.mine)
	conn, err := db.Pool().Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	poison := &attacker{t: t, Conn: conn.Conn()}
	poison.accepted(casey, d)
	poison.must("declare h cursor with hold for select last_name from phi.patients")
	poison.must("commit")
	for _, sql := range []string{"prepare stmtcache_1(uuid) as select 1", "set search_path = pg_temp", "set synchronous_commit = off", "set default_transaction_isolation = 'serializable'",
		"select set_config('x.loot', 'Canary', false)", "listen loot", "select pg_advisory_lock(7)"} {
		poison.must(sql)
	}
	conn.Release()
	conn, err = db.Pool().Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	next := &attacker{t: t, Conn: conn.Conn()}
	if now := value[int](next, "select pg_backend_pid()"); now != before {
		t.Fatal("another connection: the test is about this one")
	}
	left := value[string](next, `select concat_ws(', ', (select 'prepared ' || name from pg_prepared_statements where from_sql), (select 'cursor ' || name from pg_cursors where is_holdable),
		nullif(current_setting('x.loot', true), ''), (select 'listens ' || c from pg_listening_channels() c), (select 'lock' from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()),
		case when current_setting('synchronous_commit') <> 'on' then 'synchronous_commit' end, case when current_setting('search_path') like '%temp%' then 'search_path' end)`)
	if left != "" {
		t.Fatalf("left over: %s", strings.ReplaceAll(left, "Canary", "[value]"))
	}
	next.accepted(hugo, uuid.Nil)
	next.must("rollback")
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
