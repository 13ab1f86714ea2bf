package filelock

import (
	"context"
	"errors"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

func TestLockExcludesOthers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	held, err := Try(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Try(path); !errors.Is(err, ErrHeld) {
		t.Fatalf("second Try: %v, want ErrHeld", err)
	}
	held.Release()
	again, err := Try(path)
	if err != nil {
		t.Fatalf("Try after Release: %v", err)
	}
	again.Release()
}

func TestAcquireEndsWithItsContext(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	held, err := Try(path)
	if err != nil {
		t.Fatal(err)
	}
	defer held.Release()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := Acquire(ctx, path); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("Acquire: %v, want the context's error", err)
	}
}

func TestChildThatInheritsKeepsTheLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	held, err := Try(path)
	if err != nil {
		t.Fatal(err)
	}
	child := exec.Command("cat") // lives until its input ends
	input, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	child.ExtraFiles = append(child.ExtraFiles, held.File())
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	held.Release()
	if _, err := Try(path); !errors.Is(err, ErrHeld) {
		t.Fatalf("Try while the child lives: %v, want ErrHeld", err)
	}
	if err := input.Close(); err != nil {
		t.Fatal(err)
	}
	if err := child.Wait(); err != nil {
		t.Fatal(err)
	}
	after, err := Try(path)
	if err != nil {
		t.Fatalf("Try after the child's end: %v", err)
	}
	after.Release()
}
