//go:build long

package audit_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ward-health/ward/internal/needs"
	"github.com/ward-health/ward/internal/postgres"
	"github.com/ward-health/ward/internal/postgres/pgtest"
)

// What a standby that takes over knows of the PHI that the lost server had shown. docs/SECURITY.md says which setting
// to use.
func TestReplication(t *testing.T) {
	ctx := t.Context()
	primary, cedar := crashCluster(t, map[string]string{"wal_keep_size": "256MB"})
	tokens := signInTokens(t, primary)
	token := tokens.Access
	patients := insertPatients(t, primary, token, cedar, 20)
	asynchronous, synchronous, stopped := newStandby(t, primary), newStandby(t, primary), newStandby(t, primary)
	commitLocally := func(conn *pgx.Conn, d uuid.UUID, ids []uuid.UUID) {
		disclose(t, conn, token, d, ids, "set local synchronous_commit = local", "commit")
	}

	t.Run("a hot standby shows nothing", func(t *testing.T) {
		start(t, synchronous)
		conn := connectTo(t, synchronous, "ward_app", "ward")
		run(t, conn, "begin")
		_, err := conn.Exec(ctx, "select tenancy.begin($1)", token)
		refusedBy(t, err, "25006")
		run(t, conn, "rollback")
		_, err = conn.Exec(ctx, "select last_name from phi.patients")
		refusedBy(t, err, "28000")
	})
	t.Run("remains: with asynchronous replication a promoted standby may not know of PHI that was received",
		func(t *testing.T) {
			// the standby does not run: it is as far behind as one can be
			received, d := readThenKill(t, primary, token, patients, commitLocally)
			start(t, asynchronous)
			promote(t, asynchronous)
			if n := recorded(t, asynchronous, d); len(received) != len(patients) || n != 0 {
				t.Fatalf("no longer (%d received, %d on record): docs/SECURITY.md says it remains", len(received), n)
			}
		})
	start(t, primary)
	onCluster(t, primary, postgres.SuperuserRole, "ward", func(conn *pgx.Conn) {
		run(t, conn, "alter system set synchronous_standby_names = '*'")
		run(t, conn, "select pg_reload_conf()")
		until(t, conn, "the standby is synchronous",
			"select exists (select from pg_stat_replication where sync_state = 'sync')")
	})
	t.Run("with synchronous replication it knows", func(t *testing.T) {
		received, d := readThenKill(t, primary, token, patients, commitLocally)
		promote(t, synchronous)
		if n := recorded(t, synchronous, d); len(received) != len(patients) || n != len(received) {
			t.Fatalf("the client received %d records, the promoted standby has %d on record", len(received), n)
		}
	})
	start(t, primary)
	d := uuid.New()
	asker := connectTo(t, primary, "ward_app", "ward")
	disclose(t, asker, token, d, patients)
	committed := make(chan error, 1)
	go func() { _, err := asker.Exec(ctx, "commit"); committed <- err }()
	onCluster(t, primary, postgres.SuperuserRole, "ward", func(conn *pgx.Conn) {
		until(t, conn, "the commit waits", "select exists (select from pg_stat_activity where wait_event = 'SyncRep')")
	})
	t.Run("while the ask waits for the standby it permits nothing", func(t *testing.T) {
		_, err := lookOn(t, primary, token, d)
		refusedBy(t, err, "42501")
	})
	t.Run("remains: a client may cancel that wait", func(t *testing.T) {
		if err := asker.PgConn().CancelRequest(ctx); err != nil {
			t.Fatal(err)
		}
		if err := <-committed; err != nil { // a warning: the commit is durable here, and not there
			t.Fatal(err)
		}
		received, err := lookOn(t, primary, token, d)
		if err != nil {
			t.Fatalf("no longer (%v): docs/SECURITY.md says it remains", err)
		}
		if err := primary.Kill(ctx); err != nil {
			t.Fatal(err)
		}
		start(t, stopped)
		promote(t, stopped)
		if n := recorded(t, stopped, d); len(received) != len(patients) || n != 0 {
			t.Fatalf("no longer (%d received, %d on record): docs/SECURITY.md says it remains", len(received), n)
		}
	})
	start(t, primary)
	onCluster(t, primary, postgres.SuperuserRole, "ward", func(conn *pgx.Conn) {
		run(t, conn, "set synchronous_commit = local")
		run(t, conn, "drop trigger durable on tenancy.disclosure")
	})
	t.Run("works without the trigger: a client does not wait for any standby", func(t *testing.T) {
		d := uuid.New()
		commitLocally(connectTo(t, primary, "ward_app", "ward"), d, patients)
		if received, err := lookOn(t, primary, token, d); err != nil || len(received) != len(patients) {
			t.Fatalf("does not: %d received, %v", len(received), err)
		}
	})
}

// newStandby copies a running server into a standby of it, not started.
func newStandby(t *testing.T, primary *postgres.Cluster) *postgres.Cluster {
	t.Helper()
	ctx := t.Context()
	bin, err := postgres.FindBinaries(ctx)
	if err != nil {
		t.Fatal(err)
	}
	dir := pgtest.DataDir(t)
	data := filepath.Join(dir, "postgres", "data")
	if err := os.MkdirAll(data, 0o711); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(data, 0o700); err != nil {
		t.Fatal(err)
	}
	backup := exec.CommandContext(ctx, needs.Client(t, bin.Dir, "pg_basebackup"), "--pgdata="+data,
		"--dbname="+primary.Superuser(), "--checkpoint=fast", "--no-sync", "--write-recovery-conf")
	backup.Dir = "/"
	info, err := os.Stat(filepath.Join(primary.Dir(), "postgres", "data"))
	if err != nil {
		t.Fatal(err)
	}
	// root gives its servers to another user
	if owner, ok := info.Sys().(*syscall.Stat_t); ok && int(owner.Uid) != os.Getuid() {
		if err := os.Chown(data, int(owner.Uid), int(owner.Gid)); err != nil {
			t.Fatal(err)
		}
		backup.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: owner.Uid, Gid: owner.Gid}}
	}
	if out, err := backup.CombinedOutput(); err != nil {
		t.Fatalf("copy the server: %v: %s", err, out)
	}
	standby, err := postgres.Open(postgres.Config{Dir: dir, Fsync: true,
		Settings: map[string]string{"shared_buffers": "64MB", "wal_retrieve_retry_interval": "100ms"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
		defer cancel()
		if err := standby.Remove(ctx); err != nil {
			t.Errorf("remove a standby: %v", err)
		}
	})
	return standby
}

func start(t *testing.T, cluster *postgres.Cluster) {
	t.Helper()
	if err := cluster.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func promote(t *testing.T, standby *postgres.Cluster) {
	t.Helper()
	onCluster(t, standby, postgres.SuperuserRole, "ward", func(conn *pgx.Conn) {
		var done bool
		if err := conn.QueryRow(t.Context(), "select pg_promote()").Scan(&done); err != nil || !done {
			t.Fatalf("promote: %v %v", done, err)
		}
	})
}

// lookOn reads under a disclosure on a connection of its own.
func lookOn(t *testing.T, cluster *postgres.Cluster, token string, d uuid.UUID) ([]string, error) {
	t.Helper()
	conn := connectTo(t, cluster, "ward_app", "ward")
	defer conn.Close(t.Context())
	var why *string
	run(t, conn, "begin")
	if err := conn.QueryRow(t.Context(), "select tenancy.begin($1, $2)", token, d).Scan(&why); err != nil ||
		why != nil {
		t.Fatalf("begin: %v %v", why, err)
	}
	rows, err := conn.Query(t.Context(), "select last_name from phi.patients")
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// until polls a condition in SQL.
func until(t *testing.T, conn *pgx.Conn, what, condition string) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); <-tick.C {
		var yes bool
		if err := conn.QueryRow(t.Context(), condition).Scan(&yes); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if yes {
			return
		}
	}
	t.Fatalf("%s: has not happened in 20 s", what)
}
