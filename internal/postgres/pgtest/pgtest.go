// Package pgtest gives tests a real PostgreSQL: a database of their own each,
// on one server per run of `go test`.
//
//	func TestSomething(t *testing.T) {
//		db := pgtest.New(t, pgtest.Template{Key: migrationsHash, Build: migrate})
//		pool, err := pgxpool.New(t.Context(), db.DSN("ward_app"))
//		...
//	}
//
// The first test that asks starts the server; packages that `go test ./...`
// runs side by side share it; it ends by itself some seconds after the run
// (reaper.sh). A template database is built once per run and cloned for each
// test. Where there is no PostgreSQL tests fail and say what to install; they
// are never skipped.
//
// Databases are cloned but roles belong to the whole server: a test that
// creates, alters or grants roles beyond what its template does would change
// them for every other test. Give such a test a server of its own with
// NewCluster.
//
// Commits do not survive a crash of this server (fsync is off) though clients
// see synchronous_commit as they set it. A test about durability needs
// NewCluster as well.
package pgtest

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ward-health/ward/internal/postgres"
	"github.com/ward-health/ward/internal/postgres/filelock"
)

// provisionTimeout bounds how long one test waits for its database, other
// packages' templates that are built first included.
const provisionTimeout = 5 * time.Minute

// Template is what a test's database contains at the start.
type Template struct {
	// Key stands for the content: equal keys share one template, so let it be
	// a hash of what Build does. Empty means an empty database.
	Key string
	// Build fills the database that the DSN names, as superuser. Builds run
	// one at a time, so that they may create roles where those are missing.
	Build func(ctx context.Context, superuserDSN string) error
}

// DB is one test's database.
type DB struct {
	name    string
	cluster *postgres.Cluster
}

// New clones the template into a database for this test. The database is
// dropped when the test passes; when it fails it stays until the server ends,
// and its connection string is logged.
func New(t testing.TB, template Template) *DB {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), provisionTimeout)
	defer cancel()
	r, err := join(ctx)
	if err != nil {
		t.Fatalf("provide a PostgreSQL server for tests: %v", err)
	}
	cluster, err := r.startShared(ctx)
	if err != nil {
		t.Fatalf("provide a PostgreSQL server for tests: %v", err)
	}
	db := &DB{name: databaseName(t.Name()), cluster: cluster}
	if err := db.clone(ctx, template); err != nil {
		t.Fatalf("provide a database: %v", err)
	}
	t.Cleanup(func() { db.leave(t) })
	return db
}

// Name is the database's name.
func (db *DB) Name() string { return db.name }

// DSN is the connection string for a role in the test's database.
func (db *DB) DSN(role string) string { return db.cluster.DSN(role, db.name) }

// Superuser is the connection string of the server's superuser in the test's
// database.
func (db *DB) Superuser() string { return db.DSN(postgres.SuperuserRole) }

func (db *DB) leave(t testing.TB) {
	if t.Failed() {
		afterRun, _ := patience()
		t.Logf("database kept: psql '%s' (until the test server stops, %s after the run; "+
			"run again with %s=10m to keep it longer)",
			db.Superuser(), afterRun, keepVariable)
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
	defer cancel()
	err := onServer(ctx, db.cluster, func(conn *pgx.Conn) error {
		return run(ctx, conn, "drop database if exists "+quote(db.name)+" with (force)")
	})
	if err != nil {
		t.Errorf("drop database of a passed test: %v", err)
	}
}

func (db *DB) clone(ctx context.Context, template Template) error {
	return onServer(ctx, db.cluster, func(conn *pgx.Conn) error {
		source := "template1"
		if template.Key != "" {
			var err error
			if source, err = ensureTemplate(ctx, conn, db.cluster, template); err != nil {
				return err
			}
		}
		return run(ctx, conn, "create database "+quote(db.name)+" template "+quote(source)+
			" strategy file_copy") // a third faster here than wal_log, which the default is
	})
}

// ensureTemplate builds the template unless somebody has. datistemplate marks
// it as complete: a half-built one is built anew.
func ensureTemplate(ctx context.Context, conn *pgx.Conn, cluster *postgres.Cluster, template Template) (string, error) {
	sum := sha256.Sum256([]byte(template.Key))
	name := "template_" + hex.EncodeToString(sum[:8])
	if done, err := isTemplate(ctx, conn, name); done || err != nil {
		return name, err
	}
	// One lock for all templates: two builds at once would get in each
	// other's way over roles, which they share.
	const buildLock = 0x77617264 // "ward"
	if err := run(ctx, conn, "select pg_advisory_lock($1)", buildLock); err != nil {
		return "", err
	}
	// The lock ends with the connection, which nobody else uses.
	if done, err := isTemplate(ctx, conn, name); done || err != nil {
		return name, err
	}
	for _, statement := range []string{
		"drop database if exists " + quote(name) + " with (force)",
		"create database " + quote(name) + " template template1",
	} {
		if err := run(ctx, conn, statement); err != nil {
			return "", err
		}
	}
	if err := template.Build(ctx, cluster.DSN(postgres.SuperuserRole, name)); err != nil {
		return "", fmt.Errorf("build template %q: %w", template.Key, err)
	}
	return name, run(ctx, conn, "alter database "+quote(name)+" is_template true allow_connections false")
}

func isTemplate(ctx context.Context, conn *pgx.Conn, name string) (bool, error) {
	var done bool
	err := conn.QueryRow(ctx,
		"select exists (select from pg_database where datname = $1 and datistemplate)", name).Scan(&done)
	if err != nil {
		return false, fmt.Errorf("look for template database %s: %w", name, err)
	}
	return done, nil
}

// onServer runs f on a connection to the maintenance database.
func onServer(ctx context.Context, cluster *postgres.Cluster, f func(*pgx.Conn) error) error {
	conn, err := pgx.Connect(ctx, cluster.Superuser())
	if err != nil {
		return fmt.Errorf("connect to test server: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	return f(conn)
}

func run(ctx context.Context, conn *pgx.Conn, statement string, args ...any) error {
	if _, err := conn.Exec(ctx, statement, args...); err != nil {
		return fmt.Errorf("%s: %w", statement, err)
	}
	return nil
}

func quote(name string) string { return pgx.Identifier{name}.Sanitize() }

// databaseName makes a unique name in which a person recognises the test.
func databaseName(test string) string {
	readable := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '_':
			return r
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		}
		return '_'
	}, test)
	if len(readable) > 40 { // a name has at most 63 bytes
		h := fnv.New32a()
		h.Write([]byte(readable))
		readable = fmt.Sprintf("%s_%08x", readable[:31], h.Sum32())
	}
	return "t_" + readable + "_" + strings.ToLower(rand.Text()[:8])
}

// ClusterOptions shape a server of a test's own.
type ClusterOptions struct {
	// Settings are added to the server's configuration.
	Settings map[string]string
	// NoFsync trades durability for speed where the test is about something
	// else, such as roles.
	NoFsync bool
	// Template is what the server contains at the start; an empty server where it is nil.
	Template *ClusterTemplate
}

// ClusterTemplate is Template for a whole server: it is built once per run, and its files are copied.
type ClusterTemplate struct {
	// Key stands for the content, as Template.Key does. Servers of one template have the same ClusterOptions otherwise.
	Key string
	// Build fills a server that is empty. It closes its connections.
	Build func(ctx context.Context, cluster *postgres.Cluster) error
}

// NewCluster starts a server for this test alone, with fsync on, and removes
// it at the end. It shares nothing with others: use it for crash tests
// (Kill, then Start) and for tests that change roles or settings.
func NewCluster(t testing.TB, options ClusterOptions) *postgres.Cluster {
	t.Helper()
	settings := map[string]string{"shared_buffers": "64MB"}
	maps.Copy(settings, options.Settings)
	config := postgres.Config{Dir: DataDir(t), Fsync: !options.NoFsync, Settings: settings}
	cluster, err := postgres.Open(config)
	if err != nil {
		t.Fatalf("provide a PostgreSQL server for one test: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
		defer cancel()
		if err := cluster.Remove(ctx); err != nil {
			t.Errorf("remove a test's server: %v", err)
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), provisionTimeout)
	defer cancel()
	if options.Template != nil {
		if err := options.Template.copyTo(ctx, config); err != nil {
			t.Fatalf("provide a PostgreSQL server for one test: %v", err)
		}
	}
	if err := start(ctx, cluster); err != nil {
		t.Fatalf("provide a PostgreSQL server for one test: %v", err)
	}
	return cluster
}

// copyTo copies the template's files to where a server that was never started will look for its own.
func (template *ClusterTemplate) copyTo(ctx context.Context, config postgres.Config) error {
	r, err := join(ctx)
	if err != nil {
		return err
	}
	source := config
	sum := sha256.Sum256([]byte(template.Key))
	source.Dir = filepath.Join(r.base, "own", "template_"+hex.EncodeToString(sum[:8]))
	lock, err := filelock.Acquire(ctx, source.Dir+".lock")
	if err != nil {
		return err
	}
	defer lock.Release()
	done := filepath.Join(source.Dir, "done")
	if _, err := os.Stat(done); err != nil {
		if err := template.make(ctx, source); err != nil {
			return fmt.Errorf("build server %q: %w", template.Key, err)
		}
		if err := os.WriteFile(done, nil, 0o600); err != nil {
			return fmt.Errorf("build server %q: %w", template.Key, err)
		}
	}
	to := filepath.Join(config.Dir, "postgres")
	if err := os.Mkdir(to, 0o711); err != nil {
		return fmt.Errorf("copy a server: %w", err)
	}
	data := filepath.Join(source.Dir, "postgres", "data")
	out, err := exec.CommandContext(ctx, "cp", "-Rp", data, to).CombinedOutput()
	if err != nil {
		return fmt.Errorf("copy a server: %w: %s", err, out)
	}
	return nil
}

// make builds the template's server anew and leaves its files.
func (template *ClusterTemplate) make(ctx context.Context, config postgres.Config) error {
	if err := removeTree(ctx, config.Dir); err != nil {
		return err
	}
	if err := os.MkdirAll(config.Dir, 0o711); err != nil {
		return err
	}
	cluster, err := postgres.Open(config)
	if err != nil {
		return err
	}
	if err := start(ctx, cluster); err != nil {
		return err
	}
	if err := template.Build(ctx, cluster); err != nil {
		return errors.Join(err, cluster.Remove(context.WithoutCancel(ctx)))
	}
	return cluster.Stop(ctx, postgres.Fast)
}

// DataDir makes a directory for a test that starts servers itself, say through
// $WARD_DATA. Unlike t.TempDir it can be entered by the user that root gives
// its servers to. At the end servers in it are stopped and it is removed.
func DataDir(t testing.TB) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), provisionTimeout)
	defer cancel()
	r, err := join(ctx)
	if err != nil {
		t.Fatalf("provide a directory for a PostgreSQL server: %v", err)
	}
	dir, err := r.makeOwnDir()
	if err != nil {
		t.Fatalf("provide a directory for a PostgreSQL server: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
		defer cancel()
		if err := removeTree(ctx, dir); err != nil {
			t.Errorf("remove a test's server: %v", err)
		}
	})
	return dir
}
