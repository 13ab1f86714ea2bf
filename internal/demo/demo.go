// Package demo is the embedded default: a whole installation in one directory, with simulated clinics in it.
package demo

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ward-health/ward/internal/postgres"
	"github.com/ward-health/ward/internal/postgres/filelock"
	"github.com/ward-health/ward/queries"
	"github.com/ward-health/ward/tenancy"
)

// Region is the demo's one region.
const Region = "us-west"

// database is the demo's database in its cluster.
const database = "ward"

// Options say where and how.
type Options struct {
	Dir     string // data root; empty: postgres.DefaultDataDir
	Seed    uint64
	Program string // this program's file, to start the worker from
	Now     func() time.Time
	// Progress is told what is going on: a stage, and how far it is where that is known (total 0: not).
	Progress func(stage string, done, total int64)
}

// Demo is a demo installation on this machine.
type Demo struct {
	Dir     string
	cluster *postgres.Cluster
	opts    Options
	made    record
}

// record is what the demo remembers of itself; it is written last, so that one without it was never finished.
type record struct {
	Seed      uint64    `json:"seed"`
	Password  string    `json:"password"` // everybody's, in this demo only
	VerifyKey string    `json:"verify_key"`
	Digest    string    `json:"digest"` // of the simulated history
	MadeAt    time.Time `json:"made_at"`
	Schema    string    `json:"schema"` // of the migrations that it was made with
}

// names of what a demo puts into its directory; Reset removes these and nothing else.
const (
	recordFile   = "demo.json"
	settingsFile = "ward.yaml"
	labelsFile   = "answers.jsonl" // which misbehaviour was simulated; nothing reads it but tests
	tokensFile   = "tokens.json"
	workerLock   = "worker.lock"
	workerLog    = "worker.log"
	demoLock     = "demo.lock"
	archiveDir   = "archive"
	keysDir      = "keys"
)

// Open looks at a demo directory without starting anything.
func Open(opts Options) (*Demo, error) {
	if opts.Dir == "" {
		dir, err := postgres.DefaultDataDir()
		if err != nil {
			return nil, err
		}
		opts.Dir = dir
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Progress == nil {
		opts.Progress = func(string, int64, int64) {}
	}
	cluster, err := postgres.Open(postgres.Config{Dir: opts.Dir, Fsync: true,
		Progress: func(s string) { opts.Progress(s, 0, 0) }})
	if err != nil {
		return nil, err
	}
	return &Demo{Dir: opts.Dir, cluster: cluster, opts: opts}, nil
}

// Start brings the demo up: makes it if there is none, or none that was finished, and sees to it that server and worker
// run. It says whether it was made now.
func (d *Demo) Start(ctx context.Context) (bool, error) {
	if err := os.MkdirAll(d.Dir, 0o755); err != nil {
		return false, fmt.Errorf("make data directory: %w", err)
	}
	lock, err := d.lock(ctx)
	if err != nil {
		return false, err
	}
	defer lock.Release()
	found, err := d.load()
	if err != nil {
		return false, err
	}
	if err := d.cluster.Start(ctx); err != nil {
		return false, err
	}
	if !found {
		if err := d.make(ctx); err != nil {
			return false, err
		}
	}
	if err := d.onCall(ctx); err != nil {
		return false, err
	}
	return !found, d.startWorker(ctx)
}

// load reads the record; false when there is none.
func (d *Demo) load() (bool, error) {
	b, err := os.ReadFile(d.path(recordFile))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read demo record: %w", err)
	}
	if err := json.Unmarshal(b, &d.made); err != nil {
		return false, fmt.Errorf("demo record %s is damaged: ward demo reset, then ward demo, makes a new one",
			d.path(recordFile))
	}
	if d.made.Schema != queries.SchemaHash() {
		return false, fmt.Errorf("the demo in %s was made by another version of ward, with another schema: "+
			"ward demo reset, then ward demo, makes a new one", d.Dir)
	}
	return true, nil
}

func (d *Demo) path(name string) string { return filepath.Join(d.Dir, name) }

// Settings is the settings file that the demo's commands use.
func (d *Demo) Settings() string { return d.path(settingsFile) }

// Tokens is the file of the demo's signed-in session.
func (d *Demo) Tokens() string { return d.path(tokensFile) }

// Archive is the directory of the demo's store.
func (d *Demo) Archive() string { return d.path(archiveDir) }

// VerifyKey is the public key of the demo's archive.
func (d *Demo) VerifyKey() string { return d.made.VerifyKey }

// Password is everybody's in the demo.
func (d *Demo) Password() string { return d.made.Password }

// Database is the url for a role.
func (d *Demo) Database(role string) string { return d.cluster.DSN(role, database) }

// SignIn signs a demo reviewer in.
func (d *Demo) SignIn(ctx context.Context, who string) (tenancy.Tokens, error) {
	db, err := tenancy.Open(ctx, d.Database("ward_reviewer"))
	if err != nil {
		return tenancy.Tokens{}, err
	}
	defer db.Close()
	tokens, err := db.SignIn(ctx,
		tenancy.Credentials{User: who, Password: d.made.Password, Audience: tenancy.ReviewAudience})
	var refused *tenancy.RefusedError
	if errors.As(err, &refused) {
		return tokens, fmt.Errorf("no reviewer %q in the demo: dana and eli are compliance officers, ana audits, "+
			"omar is on call, rosa administers", who)
	}
	return tokens, err
}

// Stop stops worker and server; what they hold stays.
func (d *Demo) Stop(ctx context.Context) error {
	lock, err := d.lock(ctx)
	if lock == nil {
		return err
	}
	defer lock.Release()
	return d.stop(ctx)
}

// lock keeps two processes from starting, stopping or removing the demo at once. Both results are nil where there is no
// directory, hence no demo.
func (d *Demo) lock(ctx context.Context) (*filelock.Lock, error) {
	if _, err := os.Stat(d.Dir); errors.Is(err, fs.ErrNotExist) {
		return nil, nil //nolint:nilnil // as said
	}
	lock, err := filelock.Acquire(ctx, d.path(demoLock))
	if err != nil {
		return nil, fmt.Errorf("wait for another ward demo: %w", err)
	}
	return lock, nil
}

func (d *Demo) stop(ctx context.Context) error {
	if err := d.stopWorker(ctx); err != nil {
		return err
	}
	if !d.cluster.Running(ctx) {
		return nil
	}
	return d.cluster.Stop(ctx, postgres.Fast)
}

// Reset stops the demo and removes everything that it made.
func (d *Demo) Reset(ctx context.Context) error {
	lock, err := d.lock(ctx)
	if lock == nil {
		return err
	}
	defer lock.Release()
	if err := d.stop(ctx); err != nil {
		return err
	}
	if err := d.cluster.Remove(ctx); err != nil {
		return err
	}
	if err := d.removeFiles(); err != nil {
		return err
	}
	// The lock last, and the directory only where nothing else is in it.
	if err := os.Remove(d.path(demoLock)); err != nil {
		return fmt.Errorf("remove demo: %w", err)
	}
	_ = os.Remove(d.Dir)
	return nil
}

func (d *Demo) removeFiles() error {
	for _, name := range []string{recordFile, settingsFile, labelsFile, tokensFile, tokensFile + ".lock", workerLock,
		workerLog, archiveDir, keysDir} {
		if err := os.RemoveAll(d.path(name)); err != nil {
			return fmt.Errorf("remove demo: %w", err)
		}
	}
	return nil
}

// emptyDatabase makes the demo's database anew, also after a run that was interrupted.
func (d *Demo) emptyDatabase(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, d.cluster.Superuser())
	if err != nil {
		return fmt.Errorf("connect to the demo's server: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	for _, sql := range []string{"drop database if exists " + database + " with (force)",
		"create database " + database} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return fmt.Errorf("make the demo's database: %w", err)
		}
	}
	return nil
}

func newPassword() (string, error) {
	var b [9]byte
	if _, err := rand.Read(b[:]); err != nil {
		return "", fmt.Errorf("make a password: %w", err)
	}
	return "demo-" + hex.EncodeToString(b[:]), nil
}
