// Package filelock takes advisory locks on files with flock(2). The kernel
// releases such a lock when its holder dies, however it dies, so that no lock
// is ever left behind.
package filelock

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// ErrHeld says that somebody else holds the lock.
var ErrHeld = errors.New("lock is held by another process")

// retryEvery is how often Acquire asks again. flock can block by itself, but
// then neither a cancelled context nor a signal would end the wait.
const retryEvery = 20 * time.Millisecond

// Lock is a held lock.
type Lock struct {
	file *os.File
}

// Acquire waits for the exclusive lock on path, creating the file where there
// is none, until ctx ends.
func Acquire(ctx context.Context, path string) (*Lock, error) {
	tick := time.NewTicker(retryEvery)
	defer tick.Stop()
	for {
		lock, err := Try(path)
		if !errors.Is(err, ErrHeld) {
			return lock, err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for lock %s: %w", path, ctx.Err())
		case <-tick.C:
		}
	}
}

// Try takes the exclusive lock on path or returns an error that wraps ErrHeld.
func Try(path string) (*Lock, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lock file: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = ErrHeld
		}
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	// The file may have been removed between the open and the lock, by a
	// holder that cleaned up; such a lock excludes nobody.
	onDisk, err := os.Lstat(path)
	if err == nil {
		if held, statErr := f.Stat(); statErr == nil && os.SameFile(onDisk, held) {
			return &Lock{file: f}, nil
		}
	}
	f.Close()
	return nil, fmt.Errorf("lock %s: file was replaced: %w", path, ErrHeld)
}

// File is the locked file. A child process that inherits it holds the lock
// too, until it exits.
func (l *Lock) File() *os.File { return l.file }

// Release gives this process's hold up. A child that inherited the file keeps
// its own.
func (l *Lock) Release() { l.file.Close() }
