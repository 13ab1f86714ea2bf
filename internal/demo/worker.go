package demo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/ward-health/ward/internal/postgres/filelock"
)

// startWorker starts ward worker as a process of its own, which outlives this one, unless it runs.
func (d *Demo) startWorker(ctx context.Context) error {
	running, _, err := d.workerRunning(ctx)
	if err != nil || running {
		return err
	}
	log, err := os.OpenFile(d.path(workerLog), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("open worker log: %w", err)
	}
	defer log.Close()
	//nolint:noctx // it is to outlive ctx
	cmd := exec.Command(d.opts.Program, "worker", "--config", d.Settings(), "--lock", d.path(workerLock))
	cmd.Stdout, cmd.Stderr, cmd.Dir = log, log, d.Dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start worker: %w", err)
	}
	gone := make(chan error, 1)
	go func() { gone <- cmd.Wait() }()
	for {
		if running, _, err := d.workerRunning(ctx); err != nil || running {
			return err
		}
		select {
		case err := <-gone:
			return fmt.Errorf("the worker ended at once (%w): see %s", err, d.path(workerLog))
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// workerRunning asks the lock that a running worker holds, and reads its process id out of the file.
func (d *Demo) workerRunning(ctx context.Context) (bool, int, error) {
	if _, err := os.Stat(d.path(workerLock)); errors.Is(err, os.ErrNotExist) {
		return false, 0, nil
	}
	lock, err := filelock.Try(d.path(workerLock))
	if err == nil {
		lock.Release()
		return false, 0, nil
	}
	if !errors.Is(err, filelock.ErrHeld) {
		return false, 0, fmt.Errorf("look for the worker: %w", err)
	}
	b, err := os.ReadFile(d.path(workerLock))
	if err != nil {
		return false, 0, fmt.Errorf("look for the worker: %w", err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		return false, 0, nil // it has the lock and has not written its id yet
	}
	return true, pid, ctx.Err()
}

// stopWorker asks the worker to end and waits until it has.
func (d *Demo) stopWorker(ctx context.Context) error {
	running, pid, err := d.workerRunning(ctx)
	if err != nil || !running {
		return err
	}
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("stop worker (process %d): %w", pid, err)
	}
	deadline := time.Now().Add(20 * time.Second)
	for {
		running, _, err := d.workerRunning(ctx)
		if err != nil || !running {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the worker (process %d) does not end: see %s", pid, d.path(workerLog))
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}
