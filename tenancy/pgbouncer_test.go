package tenancy_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ward-health/ward/internal/needs"
	"github.com/ward-health/ward/internal/wardtest"
	"github.com/ward-health/ward/tenancy"
)

// pgbouncer starts one in transaction mode with two server connections before the scene's database, and gives the
// connection string through it. reset is the setting server_reset_query_always.
func (s *scene) pgbouncer(t *testing.T, reset int) string {
	t.Helper()
	program := needs.Program(t, "pgbouncer")
	server, err := url.Parse(s.DB.DSN("ward_app"))
	if err != nil {
		t.Fatal(err)
	}
	sockets := server.Query().Get("host")
	dir, err := os.MkdirTemp("/tmp", "ward-bouncer-") // a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	account := ""
	if os.Geteuid() == 0 { // it refuses to run as root, and becomes who the server runs as
		info, err := os.Stat(filepath.Join(sockets, ".s.PGSQL."+server.Query().Get("port")))
		if err != nil {
			t.Fatal(err)
		}
		stat, ok := info.Sys().(*syscall.Stat_t)
		if !ok {
			t.Fatal("no owner of the server's socket")
		}
		owner, err := user.LookupId(strconv.Itoa(int(stat.Uid)))
		if err != nil {
			t.Fatal(err)
		}
		account = "user = " + owner.Username + "\n"
		if err := os.Chown(dir, int(stat.Uid), -1); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	config := fmt.Sprintf("[databases]\nclinic = host=%s port=%s dbname=%s user=ward_app\n[pgbouncer]\n"+
		"%sauth_type = any\npool_mode = transaction\ndefault_pool_size = 2\nmax_client_conn = 400\n"+
		"unix_socket_dir = %s\nlisten_addr =\nlisten_port = 6432\nserver_reset_query = DISCARD ALL\n"+
		"server_reset_query_always = %d\nlogfile = %s/log\npidfile =\n", sockets, server.Query().Get("port"),
		s.DB.Name(), account, dir, reset, dir)
	ini := filepath.Join(dir, "pgbouncer.ini")
	if err := os.WriteFile(ini, []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), program, ini)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	dsn := "postgres://ward_app@/clinic?host=" + url.QueryEscape(dir) + "&port=6432&sslmode=disable"
	eventually(t, "PgBouncer answers", func() bool {
		conn, err := pgx.Connect(t.Context(), dsn)
		if err != nil {
			return false
		}
		return conn.Close(t.Context()) == nil
	})
	return dsn
}

// poison leaves what a hostile client can in whatever server connection it gets: a cursor over a record, a prepared
// statement, a setting, a lock.
func (s *scene) poison(ctx context.Context, a *attacker, token string) error {
	d := uuid.New()
	for _, step := range []struct {
		sql  string
		args []any
	}{
		{"begin", nil}, {"select tenancy.begin($1)", []any{token}},
		{"select audit.disclose($1, 'public.patients', $2)", []any{d, []uuid.UUID{s.theirs}}}, {"commit", nil},
		{"begin", nil}, {"select tenancy.begin($1, $2)", []any{token, d}},
		{"declare loot cursor with hold for select last_name from phi.patients", nil}, {"commit", nil},
		{"prepare stolen as select 1", nil},
		{"select set_config('search_path', 'pg_temp', false), set_config('x.loot', 'Canary', false)", nil},
	} {
		if _, err := a.Exec(ctx, step.sql, step.args...); err != nil {
			return fmt.Errorf("%s: %w", step.sql, err)
		}
	}
	return nil
}

// Two clinics through PgBouncer in transaction mode, over two server connections; one of them poisons what it touches.
// With server_reset_query_always each sees its own records and nothing is left over.
func TestPgBouncer(t *testing.T) {
	s := newScene(t)
	hostile := s.token("hugo@harbor")
	const connections = "select count(*) from pg_stat_activity where datname = current_database() " +
		"and usename = 'ward_app'"
	direct := wardtest.One[int](s.Env, connections)
	dsn := s.pgbouncer(t, 1)
	db, err := tenancy.Open(t.Context(), dsn+"&pool_max_conns=20")
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
	var wg sync.WaitGroup
	var poisoned atomic.Int64
	failures := make(chan error, 300)
	for range 5 {
		a := connect(t, dsn)
		wg.Go(func() {
			for range 10 {
				// between its transactions the connection is somebody else's: prepare may fail because it has prepared
				// there before
				err := s.poison(t.Context(), a, hostile)
				if err != nil && !strings.Contains(err.Error(), "already exists") {
					failures <- err
				}
				if err == nil {
					poisoned.Add(1)
				}
			}
		})
	}
	for range 100 {
		wg.Go(func() {
			var got []string
			err := casey.Read(t.Context(), ask(s.mine, s.theirs), tenancy.Collect(&got, pgx.RowTo[string], readNames))
			if err != nil || strings.Join(got, ",") != "Canarycedar" {
				failures <- fmt.Errorf("cedar saw %d records: %w", len(got), errors.Join(err))
			}
		})
	}
	wg.Wait()
	close(failures)
	for err := range failures {
		t.Error(err)
	}
	if n := poisoned.Load(); n < 25 {
		t.Errorf("only %d of 50 poisonings were whole", n)
	}
	for range 20 {
		if left := bounced(connect(t, dsn)); left != "" {
			t.Fatalf("left over: %s", left)
		}
	}
	if n := wardtest.One[int](s.Env, connections) - direct; n < 1 || n > 2 {
		t.Fatalf("%d server connections through PgBouncer, the test is about 2", n)
	}
}

// bounced names what a client finds that it did not bring.
func bounced(a *attacker) string {
	a.t.Helper()
	return strings.ReplaceAll(value[string](a, `select concat_ws(', ', (select 'prepared ' || name
		from pg_prepared_statements where from_sql limit 1), (select 'cursor ' || name from pg_cursors where is_holdable
			limit 1),
		nullif(current_setting('x.loot', true), ''), case
		when current_setting('search_path') like '%temp%' then 'search_path' end)`), "Canary", "[value]")
}

// What happens without it, so that nobody takes the setting for a habit: the next client, of another clinic, reads the
// cursor that the last one left. tenancy.begin refuses such a connection, which is how a pool that forgets shows.
func TestPgBouncerThatForgets(t *testing.T) {
	s := newScene(t)
	dsn := s.pgbouncer(t, 0)
	hostile, token := s.token("hugo@harbor"), s.token("casey@cedar")
	if err := s.poison(t.Context(), connect(t, dsn), hostile); err != nil {
		t.Fatal(err)
	}
	next := connect(t, dsn)
	if left := bounced(next); !strings.Contains(left, "prepared stolen") || !strings.Contains(left, "cursor loot") ||
		!strings.Contains(left, "[value]") {
		t.Fatalf("left over %q: without server_reset_query_always everything should be", left)
	}
	if names, err := next.names("fetch all from loot"); err != nil || len(names) != 1 {
		t.Fatalf("another client's cursor: %d records, %v", len(names), err)
	}
	next.must("begin")
	why, err := next.tryIdentify(token, uuid.Nil)
	if err == nil && why == "" {
		t.Fatal("tenancy.begin accepted a connection that carries another client's cursor")
	}
}
