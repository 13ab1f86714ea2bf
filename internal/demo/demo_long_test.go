//go:build long

package demo_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ward-health/ward/archive"
	"github.com/ward-health/ward/cmd/cli"
	"github.com/ward-health/ward/internal/demo"
	"github.com/ward-health/ward/internal/postgres"
	"github.com/ward-health/ward/internal/postgres/pgtest"
	"github.com/ward-health/ward/queries/migrate"
	"github.com/ward-health/ward/review"
	"github.com/ward-health/ward/tenancy"
)

// TestMain lets this binary be the program that a demo starts its worker from.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "worker" {
		os.Exit(cli.Main(os.Args[1:], cli.System()))
	}
	os.Exit(m.Run())
}

func open(t *testing.T, dir string) *demo.Demo {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	d, err := demo.Open(demo.Options{Dir: dir, Seed: 1, Program: program})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// start brings a demo up and says whether it was made, and how long that took.
func start(t *testing.T, d *demo.Demo) (bool, time.Duration) {
	t.Helper()
	begun := time.Now()
	made, err := d.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return made, time.Since(begun)
}

// queue is what a reviewer sees, which needs the server, the people and their grants.
func queue(t *testing.T, d *demo.Demo, who string) []review.Anomaly {
	t.Helper()
	tokens, err := d.SignIn(t.Context(), who)
	if err != nil {
		t.Fatal(err)
	}
	db, err := tenancy.Open(t.Context(), d.Database("ward_reviewer"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows, err := review.Queue(t.Context(), tenancy.NewSession(db, tokens, time.Now, nil),
		review.QueueFilter{Limit: 500})
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// running is the process id of a demo's worker or server, 0 when it is gone.
func running(file string) int {
	b, err := os.ReadFile(file)
	if err != nil {
		return 0
	}
	line, _, _ := strings.Cut(string(b), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil || syscall.Kill(pid, 0) != nil {
		return 0
	}
	return pid
}

func worker(dir string) int { return running(filepath.Join(dir, "worker.lock")) }
func server(dir string) int {
	return running(filepath.Join(dir, "postgres", "data", "postmaster.pid"))
}

// jobs counts what the worker has done of what nobody asked for.
func jobs(t *testing.T, d *demo.Demo) int {
	t.Helper()
	db, err := tenancy.Open(t.Context(), d.Database(postgres.SuperuserRole))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var n int
	if err := db.Pool().QueryRow(t.Context(),
		"select count(*) from river.river_job where kind = 'rule' and state = 'completed'").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func eventually(t *testing.T, what string, limit time.Duration, done func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	for !done() {
		select {
		case <-ctx.Done():
			t.Fatalf("waited in vain for %s", what)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// left is what is in a directory.
func left(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// reuseLimit is what starting a demo that is there may take.
const reuseLimit = 3 * time.Second

// A demo is made once, interrupted or not, used again in no time, survives the death of its processes, stops, and goes
// without a trace.
func TestDemo(t *testing.T) {
	dir := filepath.Join(pgtest.DataDir(t), "demo")
	d := open(t, dir)
	// a test that fails leaves nothing running; the test's own context has ended by then
	t.Cleanup(func() {
		if err := d.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	interruptedStart(t, d)
	if made, _ := start(t, d); !made {
		t.Error("an interrupted start left a demo that passes for whole")
	}
	ready(t, d, dir)
	reused(t, dir)
	killed(t, dir)
	ofAnotherVersion(t, dir)
	stoppedAndRemoved(t, dir)
}

// interruptedStart ends the making of a demo once its server runs.
func interruptedStart(t *testing.T, d *demo.Demo) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		_, err := d.Start(ctx)
		ended <- err
	}()
	eventually(t, "the first server", time.Minute,
		func() bool { return server(d.Dir) != 0 && len(left(t, filepath.Join(d.Dir, "keys"))) > 0 })
	cancel()
	if err := <-ended; err == nil {
		t.Fatal("an interrupted start succeeded")
	}
}

func ready(t *testing.T, d *demo.Demo, dir string) {
	t.Helper()
	for _, who := range []string{"dana", "eli", "ana", "omar", "rosa"} {
		if len(queue(t, d, who)) == 0 {
			t.Errorf("%s has nothing to look at", who)
		}
	}
	if _, err := d.SignIn(t.Context(), "nobody"); err == nil ||
		!strings.Contains(err.Error(), "dana and eli are compliance officers") {
		t.Errorf("an unknown reviewer: %v", err)
	}
	if worker(dir) == 0 {
		t.Error("no worker runs")
	}
	eventually(t, "the worker's first scheduled job", 30*time.Second, func() bool { return jobs(t, d) > 0 })
	store, err := archive.OpenDir(d.Archive())
	if err != nil {
		t.Fatal(err)
	}
	key, err := archive.ParseKey(d.VerifyKey())
	if err != nil {
		t.Fatal(err)
	}
	report, err := archive.NewVerification(store,
		archive.VerifyOptions{Keys: []archive.Key{key}, Now: time.Now()}).Run(t.Context())
	if err != nil || report.Verdict != archive.Valid || report.Rows == 0 {
		t.Errorf("the archive: %v, %v", report, err)
	}
	for _, secret := range []string{"demo.json", "ward.yaml", "worker.log", "keys/log.key"} {
		info, err := os.Stat(filepath.Join(dir, secret))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v; want mode 600", secret, info, err)
		}
	}
}

// reused starts twice at once what runs already: neither makes it anew.
func reused(t *testing.T, dir string) {
	t.Helper()
	before := [2]int{server(dir), worker(dir)}
	second := make(chan error, 1)
	go func() {
		_, err := open(t, dir).Start(t.Context())
		second <- err
	}()
	d := open(t, dir)
	if made, took := start(t, d); made || took > reuseLimit {
		t.Errorf("made %v in %s: want it used again within %s", made, took, reuseLimit)
	}
	if err := <-second; err != nil {
		t.Error(err)
	}
	if after := [2]int{server(dir), worker(dir)}; before != after {
		t.Errorf("processes %v became %v", before, after)
	}
	if len(queue(t, d, "dana")) == 0 {
		t.Error("the queue is empty now")
	}
}

// killed ends worker and server as a crash would.
func killed(t *testing.T, dir string) {
	t.Helper()
	for name, pid := range map[string]func(string) int{"worker": worker, "server": server} {
		was := pid(dir)
		if was == 0 {
			t.Fatalf("no %s to kill", name)
		}
		if err := syscall.Kill(was, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the killed "+name+" to be gone", 10*time.Second,
			func() bool { return syscall.Kill(was, 0) != nil })
		d := open(t, dir)
		if made, _ := start(t, d); made {
			t.Errorf("a killed %s had the demo made anew", name)
		}
		if now := pid(dir); now == 0 || now == was {
			t.Errorf("%s %d was killed, %d runs now", name, was, now)
		}
		if len(queue(t, d, "dana")) == 0 {
			t.Errorf("the queue is empty after a killed %s", name)
		}
	}
}

// ofAnotherVersion: a demo that another build of ward has made is brought to this one's schema, and one of a later
// release says what to do.
func ofAnotherVersion(t *testing.T, dir string) {
	t.Helper()
	d := open(t, dir)
	conn, err := pgx.Connect(t.Context(), d.Database("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	change := func(sql string) {
		t.Helper()
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	change("alter function core.today() set work_mem = '1MB'")
	change("update core.release set sum = 'of another build'")
	if err := migrate.Check(t.Context(), conn); err == nil {
		t.Error("another build's schema is taken for this one's")
	}
	if _, err := open(t, dir).Start(t.Context()); err != nil {
		t.Errorf("a demo of another build: %v", err)
	}
	if err := migrate.Check(t.Context(), conn); err != nil {
		t.Errorf("after the upgrade: %v", err)
	}
	// a later River under the same schema of ward's
	change("delete from river.river_migration where version = 6")
	change("create index river_job_kind_unique_key_idx on river.river_job (kind)")
	if _, err := open(t, dir).Start(t.Context()); err != nil {
		t.Errorf("a demo with an earlier River: %v", err)
	}
	var again bool
	err = conn.QueryRow(t.Context(), "select exists (select from river.river_migration where version = 6)").Scan(&again)
	if err != nil || !again {
		t.Errorf("River's migration was not applied: %v", err)
	}
	change("insert into core.table_file (version, name, sum) values (99999, '99999_later.sql', '')")
	if _, err := open(t, dir).Start(t.Context()); err == nil || !strings.Contains(err.Error(), "ward demo reset") {
		t.Errorf("a demo of a later release: %v", err)
	}
	change("delete from core.table_file where version = 99999")
}

func stoppedAndRemoved(t *testing.T, dir string) {
	t.Helper()
	w, s := worker(dir), server(dir)
	if err := open(t, dir).Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	for name, pid := range map[string]int{"worker": w, "server": s} {
		if pid == 0 {
			t.Errorf("no %s ran before stop", name)
		}
		// a process that has ended may wait a moment for its parent to take note
		eventually(t, name+" to be gone after stop", 10*time.Second, func() bool { return syscall.Kill(pid, 0) != nil })
	}
	if made, took := start(t, open(t, dir)); made || took > reuseLimit {
		t.Errorf("after stop: made %v in %s", made, took)
	}
	// what the demo did not make is not its to remove
	kept := filepath.Join(dir, "mine.txt")
	if err := os.WriteFile(kept, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time there is nothing, which is no error
		if err := open(t, dir).Reset(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if names := left(t, dir); len(names) != 1 || names[0] != "mine.txt" {
		t.Errorf("reset left %q", names)
	}
	if worker(dir) != 0 || server(dir) != 0 {
		t.Error("something runs after reset")
	}
}
