package pgtest

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/ward-health/ward/internal/postgres"
	"github.com/ward-health/ward/internal/postgres/filelock"
)

const (
	// keepVariable names the environment variable that says how long the
	// server outlives the run, to look into a failed test's database.
	// The reaper reads it once, when the run begins.
	keepVariable = "WARD_PGTEST_KEEP"

	idleAfterRun  = 10 * time.Second // nobody there and `go test` gone
	idleDuringRun = time.Minute      // `go test` compiles the next package
)

//go:embed reaper.sh
var reaperScript string

// testRun is one run of `go test` (or of a test binary by hand): the directory
// that the test processes with the same parent share.
//
//	BASE/lock               held while a process joins
//	BASE/holders/PID        one file per living test process
//	BASE/reaper             locked by the reaper for as long as it lives; its process id
//	BASE/reaper.log         what it has to say
//	BASE/shared/postgres/   the shared server
//	BASE/own/*/postgres/    servers of single tests
type testRun struct {
	base string
}

// sharedSettings suit many small databases that are soon dropped.
var sharedSettings = map[string]string{
	"shared_buffers":     "64MB",
	"max_connections":    "300",
	"max_wal_size":       "1GB",
	"checkpoint_timeout": "30min",
	"autovacuum":         "off", // hundreds of databases, each gone within seconds
}

// join registers this process with the run it belongs to and makes sure that
// a reaper watches the run. It may be called any number of times.
func join(ctx context.Context) (*testRun, error) {
	// /tmp and not os.TempDir: on macOS that is too long for a socket's path.
	prefix := fmt.Sprintf("/tmp/ward-pgtest-%d-", os.Getuid())
	r := &testRun{base: prefix + strconv.Itoa(os.Getppid())}
	sweep(ctx, prefix, r.base)
	for {
		joined, err := r.tryJoin(ctx)
		if joined || err != nil {
			return r, err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for %s to be cleaned up: %w", r.base, ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// tryJoin returns false where the reaper is just closing the directory.
func (r *testRun) tryJoin(ctx context.Context) (bool, error) {
	if err := r.makeBase(); err != nil {
		return false, err
	}
	lock, err := filelock.Acquire(ctx, filepath.Join(r.base, "lock"))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer lock.Release()

	reaperLock, err := filelock.Try(filepath.Join(r.base, "reaper"))
	switch {
	case errors.Is(err, filelock.ErrHeld):
		return r.register()
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, err
	}
	// No reaper: a new directory, or one whose reaper was killed.
	defer reaperLock.Release()
	if err := r.prepare(ctx); err != nil {
		return false, err
	}
	if joined, err := r.register(); !joined || err != nil {
		return false, err
	}
	return true, r.startReaper(ctx, reaperLock)
}

// makeBase makes the directory, which as root the server's user has to pass
// through, and refuses one that somebody else has put there.
func (r *testRun) makeBase() error {
	mode := fs.FileMode(0o700)
	if os.Getuid() == 0 {
		mode = 0o711
	}
	err := os.Mkdir(r.base, mode)
	if err == nil || !errors.Is(err, fs.ErrExist) {
		return err
	}
	info, err := os.Lstat(r.base)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // removed just now: opening the lock will tell
	}
	if err != nil {
		return fmt.Errorf("join test run: %w", err)
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || !info.IsDir() || int(st.Uid) != os.Getuid() {
		return fmt.Errorf("join test run: %s belongs to somebody else: remove it", r.base)
	}
	return nil
}

// prepare makes the directory fit for a new reaper. Where nobody lives it is
// either new or left by a run whose process ids have come round; then what it
// holds may be half removed.
func (r *testRun) prepare(ctx context.Context) error {
	if !r.inhabited() {
		for _, name := range []string{"shared", "own", "holders", "closed"} {
			if err := removeTree(ctx, filepath.Join(r.base, name)); err != nil {
				return fmt.Errorf("clean up after a killed test run: %w", err)
			}
		}
	}
	if err := os.MkdirAll(filepath.Join(r.base, "holders"), 0o700); err != nil {
		return fmt.Errorf("join test run: %w", err)
	}
	return nil
}

// inhabited says whether a process that registered still lives.
func (r *testRun) inhabited() bool {
	for _, place := range []string{"holders", "closed"} {
		entries, err := os.ReadDir(filepath.Join(r.base, place))
		if err != nil {
			continue // most often there is none
		}
		for _, e := range entries {
			if pid, err := strconv.Atoi(e.Name()); err == nil && syscall.Kill(pid, 0) == nil {
				return true
			}
		}
	}
	return false
}

func (r *testRun) register() (bool, error) {
	f, err := os.OpenFile(filepath.Join(r.base, "holders", strconv.Itoa(os.Getpid())), os.O_CREATE|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("join test run: %w", err)
	}
	return true, f.Close()
}

// startReaper starts reaper.sh as a session of its own. It inherits the locked
// file, so the lock tells whether it lives.
func (r *testRun) startReaper(ctx context.Context, lock *filelock.Lock) error {
	log, err := os.OpenFile(filepath.Join(r.base, "reaper.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("start reaper of test server: %w", err)
	}
	defer log.Close()
	script := filepath.Join(r.base, "reaper.sh")
	if err := os.WriteFile(script, []byte(reaperScript), 0o600); err != nil {
		return fmt.Errorf("start reaper of test server: %w", err)
	}
	afterRun, duringRun := patience()
	// Not bound to ctx: it outlives this process.
	cmd := exec.CommandContext(context.WithoutCancel(ctx), "/bin/sh", script, r.base, strconv.Itoa(os.Getppid()),
		strconv.Itoa(int(afterRun.Seconds())), strconv.Itoa(int(duringRun.Seconds())))
	cmd.Dir = "/"
	cmd.Stdout, cmd.Stderr = log, log
	cmd.ExtraFiles = []*os.File{lock.File()}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start reaper of test server: %w", err)
	}
	return cmd.Process.Release()
}

// patience is how long the reaper waits with nobody there: after the end of
// `go test` and while that still lives.
func patience() (afterRun, duringRun time.Duration) {
	if keep, err := time.ParseDuration(os.Getenv(keepVariable)); err == nil {
		return keep, keep
	}
	return idleAfterRun, idleDuringRun
}

func (r *testRun) startShared(ctx context.Context) (*postgres.Cluster, error) {
	cluster, err := postgres.Open(postgres.Config{Dir: filepath.Join(r.base, "shared"), Settings: sharedSettings})
	if err != nil {
		return nil, err
	}
	if err := start(ctx, cluster); err != nil {
		return nil, err
	}
	return cluster, nil
}

func (r *testRun) makeOwnDir() (string, error) {
	own := filepath.Join(r.base, "own")
	if err := os.MkdirAll(own, 0o711); err != nil {
		return "", fmt.Errorf("make directory: %w", err)
	}
	dir, err := os.MkdirTemp(own, "")
	if err != nil {
		return "", fmt.Errorf("make directory: %w", err)
	}
	if err := os.Chmod(dir, 0o711); err != nil {
		return "", fmt.Errorf("make directory: %w", err)
	}
	return dir, nil
}
