// Package postgres finds or starts a private PostgreSQL server: the embedded
// default of ward and the server of its tests.
//
// A cluster lives in one directory:
//
//	DIR/postgres/data/            the database files, of the server's user, mode 0700
//	DIR/postgres/run/             the socket, likewise, unless its path would be too long
//	DIR/postgres/server.conf      settings, written at every start
//	DIR/postgres/server.log       what the server says
//	DIR/postgres/state.json       where the socket is when not in run/
//	DIR/postgres/lock             serialises starts
//
// There is no TCP port. Whoever may open the socket's directory, which is the
// server's user and root, may connect as any role: authentication is "trust"
// there and "reject" elsewhere. When root starts a cluster everything of
// PostgreSQL runs as an unprivileged user (postgres, else nobody).
//
// All state is on disk, so any number of processes may Open one directory. The
// package needs a Unix system.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

const (
	// SuperuserRole is the name of the superuser in every cluster.
	SuperuserRole = "postgres"

	port = "5432" // only part of the socket's name
)

// Config says where a cluster is and how it runs.
type Config struct {
	// Dir is the data root; the cluster keeps to Dir/postgres.
	Dir string
	// Fsync makes commits survive a crash of the machine. Off only for data
	// that nobody will miss.
	Fsync bool
	// Settings are added to the server's configuration at its next start.
	Settings map[string]string
	// Progress is told what takes a moment. It may be nil.
	Progress func(message string)
}

// Cluster is a private PostgreSQL server, running or not.
type Cluster struct {
	cfg  Config
	base string
}

// Open names the cluster in cfg.Dir. It touches no file; Start creates what is
// missing.
func Open(cfg Config) (*Cluster, error) {
	if cfg.Dir == "" {
		return nil, errors.New("open cluster: no directory given")
	}
	dir, err := filepath.Abs(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("open cluster in %s: %w", cfg.Dir, err)
	}
	cfg.Dir = dir
	return &Cluster{cfg: cfg, base: filepath.Join(dir, "postgres")}, nil
}

// Dir is the data root that the cluster was opened with, absolute.
func (c *Cluster) Dir() string { return c.cfg.Dir }

// LogFile is where the server's messages go.
func (c *Cluster) LogFile() string { return filepath.Join(c.base, "server.log") }

// DSN is the connection string for a role and a database of the cluster, for
// pgx and for psql.
func (c *Cluster) DSN(role, database string) string {
	u := url.URL{Scheme: "postgres", User: url.User(role), Path: "/" + database}
	q := url.Values{"host": {c.socketDir()}, "port": {port}, "sslmode": {"disable"}}
	u.RawQuery = q.Encode()
	return u.String()
}

// Superuser is the connection string of the superuser in the database
// postgres.
func (c *Cluster) Superuser() string { return c.DSN(SuperuserRole, "postgres") }

// Running says whether the server accepts connections.
func (c *Cluster) Running(ctx context.Context) bool { return c.probe(ctx) == ready }

// Remove stops the server at once and deletes the cluster and everything in
// it.
func (c *Cluster) Remove(ctx context.Context) error {
	if err := c.Kill(ctx); err != nil {
		return err
	}
	if dir := c.socketDir(); dir != "" && !strings.HasPrefix(dir, c.base+"/") {
		if err := os.RemoveAll(dir); err != nil {
			return fmt.Errorf("remove cluster's socket directory: %w", err)
		}
	}
	if err := os.RemoveAll(c.base); err != nil {
		return fmt.Errorf("remove cluster: %w", err)
	}
	return nil
}

func (c *Cluster) dataDir() string { return filepath.Join(c.base, "data") }

func (c *Cluster) progress(format string, args ...any) {
	if c.cfg.Progress != nil {
		c.cfg.Progress(fmt.Sprintf(format, args...))
	}
}

// condition is what a server looks like from outside.
type condition int

const (
	down  condition = iota // nobody listens
	busy                   // starting, recovering or stopping
	ready                  // accepts connections
)

// probe asks the socket, which unlike a process id cannot be somebody else's.
func (c *Cluster) probe(ctx context.Context) condition {
	dir := c.socketDir()
	if dir == "" {
		return down
	}
	if _, err := os.Lstat(filepath.Join(dir, ".s.PGSQL."+port)); errors.Is(err, fs.ErrNotExist) {
		return down
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	conn, err := pgconn.Connect(ctx, c.Superuser())
	if err == nil {
		closeErr := conn.Close(ctx)
		_ = closeErr // the server has answered, which is all that was asked
		return ready
	}
	if refusal := (*pgconn.PgError)(nil); errors.As(err, &refusal) {
		if refusal.Code == "53300" { // too many connections: it does serve
			return ready
		}
		return busy
	}
	return down
}
