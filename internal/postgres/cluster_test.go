package postgres_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ward-health/ward/internal/postgres"
	"github.com/ward-health/ward/internal/postgres/pgtest"
)

// open names a cluster that is removed when the test ends.
func open(t *testing.T, cfg postgres.Config) *postgres.Cluster {
	t.Helper()
	if cfg.Dir == "" {
		cfg.Dir = pgtest.DataDir(t)
	}
	c, err := postgres.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Remove(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return c
}

func start(t *testing.T, c *postgres.Cluster) {
	t.Helper()
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func connect(t *testing.T, c *postgres.Cluster) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), c.Superuser())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.WithoutCancel(t.Context())) })
	return conn
}

func exec(t *testing.T, c *postgres.Cluster, sql string) {
	t.Helper()
	conn := connect(t, c)
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	if err := conn.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func query[T any](t *testing.T, c *postgres.Cluster, sql string) T {
	t.Helper()
	conn := connect(t, c)
	var v T
	if err := conn.QueryRow(t.Context(), sql).Scan(&v); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}

// eventually polls, since a server's end is seen from outside only.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-ctx.Done():
			t.Fatalf("%s: not within 30 s", what)
		case <-tick.C:
		}
	}
}

func TestLifecycle(t *testing.T) {
	c := open(t, postgres.Config{Fsync: true})
	if c.Running(t.Context()) {
		t.Fatal("runs before Start")
	}
	if err := c.Stop(t.Context(), postgres.Fast); err != nil {
		t.Fatalf("Stop of a cluster that is not there: %v", err)
	}
	start(t, c)
	start(t, c)
	exec(t, c, "create table kept as select 1 as id")

	second, err := postgres.Open(postgres.Config{Dir: c.Dir()})
	if err != nil {
		t.Fatal(err)
	}
	if !second.Running(t.Context()) {
		t.Error("a second process does not see the server")
	}
	for _, mode := range []postgres.StopMode{postgres.Smart, postgres.Fast, postgres.Immediate} {
		if err := second.Stop(t.Context(), mode); err != nil {
			t.Fatal(err)
		}
		if c.Running(t.Context()) {
			t.Fatalf("runs after Stop(%s)", mode)
		}
		start(t, c)
		if n := query[int](t, c, "select count(*) from kept"); n != 1 {
			t.Errorf("after Stop(%s): %d rows", mode, n)
		}
	}
}

func TestServerIsPrivateAndDiscreet(t *testing.T) {
	c := open(t, postgres.Config{Fsync: true, Settings: map[string]string{
		"listen_addresses": "*", // not for the caller to open
		"work_mem":         "7MB",
	}})
	start(t, c)
	for name, want := range map[string]string{
		"listen_addresses": "", "wal_level": "replica", "fsync": "on", "work_mem": "7MB", "data_checksums": "on",
		"password_encryption": "scram-sha-256", "timezone": "UTC", "log_parameter_max_length_on_error": "0",
	} {
		if got := query[string](t, c, "select current_setting('"+name+"')"); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	for _, dir := range []string{"data", "run"} {
		info, err := os.Stat(filepath.Join(c.Dir(), "postgres", dir))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o700 {
			t.Errorf("%s has mode %o, want 0700", dir, info.Mode().Perm())
		}
	}

	conn := connect(t, c)
	for _, failing := range []string{"select 'Jane Roe'::date", "select 1/0 as \"Jane Roe\"",
		"do $$ begin raise warning 'Jane Roe'; end $$"} {
		_, err := conn.Exec(t.Context(), failing)
		t.Logf("%s: %v", failing, err)
	}
	log, err := os.ReadFile(c.LogFile())
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(log), "ready to accept connections") || strings.Contains(string(log), "Jane Roe") {
		t.Errorf("the log should tell of the start and of no value:\n%s", log)
	}
}

func TestConcurrentStartsMakeOneServer(t *testing.T) {
	dir := pgtest.DataDir(t)
	var group sync.WaitGroup
	errs := make([]error, 6)
	for i := range errs {
		c := open(t, postgres.Config{Dir: dir})
		group.Go(func() { errs[i] = c.Start(t.Context()) })
	}
	group.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	log, err := os.ReadFile(open(t, postgres.Config{Dir: dir}).LogFile())
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(log), "starting PostgreSQL"); n != 1 {
		t.Errorf("server was started %d times:\n%s", n, log)
	}
}

func TestLongPathMovesTheSocket(t *testing.T) {
	dir := filepath.Join(pgtest.DataDir(t), strings.Repeat("long", 25), "it's here")
	c := open(t, postgres.Config{Dir: dir})
	start(t, c)
	second, err := postgres.Open(postgres.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if second.DSN("a", "b") != c.DSN("a", "b") || !second.Running(t.Context()) {
		t.Fatal("a second process does not find the socket")
	}
	sockets := query[string](t, c, "select current_setting('unix_socket_directories')")
	sockets = strings.Trim(sockets, `"`)
	if err := c.Stop(t.Context(), postgres.Fast); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(sockets); err != nil { // as a reboot does to /tmp
		t.Fatal(err)
	}
	start(t, c)
	if !second.Running(t.Context()) {
		t.Fatal("a second process does not find the new socket")
	}
}

func TestFailedStartShowsTheLog(t *testing.T) {
	c := open(t, postgres.Config{Settings: map[string]string{"shared_buffers": "plenty"}})
	err := c.Start(t.Context())
	if err == nil || !strings.Contains(err.Error(), `invalid value for parameter "shared_buffers": "plenty"`) ||
		!strings.Contains(err.Error(), c.Dir()) {
		t.Fatalf("error does not show what the server said: %v", err)
	}
}

func TestStartRefusesDataOfAnotherVersion(t *testing.T) {
	c := open(t, postgres.Config{})
	start(t, c)
	if err := c.Stop(t.Context(), postgres.Fast); err != nil {
		t.Fatal(err)
	}
	version := filepath.Join(c.Dir(), "postgres", "data", "PG_VERSION")
	if err := os.WriteFile(version, []byte("97\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	err := c.Start(t.Context())
	if notFound := (*postgres.NotFoundError)(nil); !errors.As(err, &notFound) ||
		!strings.Contains(err.Error(), "apt install postgresql-97") {
		t.Fatalf("got %v, want a NotFoundError that asks for 97", err)
	}
}

func TestInterruptedInitdbIsRepeated(t *testing.T) {
	c := open(t, postgres.Config{})
	if err := os.MkdirAll(filepath.Join(c.Dir(), "postgres", "data.new", "base"), 0o711); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(c.Dir(), "postgres"), 0o711); err != nil {
		t.Fatal(err)
	}
	start(t, c)
}
