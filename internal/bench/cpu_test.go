package bench

import (
	"os"
	"os/exec"
	"testing"
	"time"
)

// TestOfProcess: a process that works is seen to use CPU time, and its parent is this one.
func TestOfProcess(t *testing.T) {
	if _, err := os.Stat(schedstat("self")); err != nil {
		t.Skip("this system does not tell a process's CPU time: Linux does")
	}
	busy := exec.CommandContext(t.Context(), "/bin/sh", "-c", "while :; do :; done")
	if err := busy.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = busy.Process.Kill()
		_ = busy.Wait()
	}()
	parent, _, err := parentage(busy.Process.Pid)
	if err != nil || parent != os.Getpid() {
		t.Fatalf("parent %d, %v, want %d", parent, err, os.Getpid())
	}
	for end := time.Now().Add(time.Minute); ; {
		used, err := ofProcess(busy.Process.Pid)
		if err != nil || time.Now().After(end) {
			t.Fatalf("used %s, %v", used, err)
		}
		if used > 20*time.Millisecond {
			return
		}
	}
}
