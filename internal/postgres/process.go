package postgres

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

func (c *Cluster) pidFile() string { return filepath.Join(c.dataDir(), "postmaster.pid") }

// serverPID is the process id of the cluster's own server, 0 when it does not
// run. The file outlives a server that was killed and its number may be
// another program's by now, so the process is asked for its command line.
func (c *Cluster) serverPID(ctx context.Context) int {
	text, err := os.ReadFile(c.pidFile())
	if err != nil {
		return 0
	}
	line, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil || pid <= 1 {
		return 0
	}
	if err := syscall.Kill(pid, 0); errors.Is(err, syscall.ESRCH) {
		return 0
	}
	if !strings.Contains(commandLine(ctx, pid), c.dataDir()) {
		return 0
	}
	return pid
}

// commandLine reads /proc, or asks ps where there is none (macOS).
func commandLine(ctx context.Context, pid int) string {
	if _, err := os.Stat("/proc/self/cmdline"); err == nil {
		text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cmdline"))
		if err != nil {
			return ""
		}
		return string(bytes.ReplaceAll(text, []byte{0}, []byte{' '}))
	}
	out, err := exec.CommandContext(ctx, "ps", "-ww", "-o", "args=", "-p", strconv.Itoa(pid)).Output()
	if err != nil {
		return ""
	}
	return string(out)
}

// command prepares a program of PostgreSQL: as the server's user, away from
// the terminal's signals, without the PG* variables that would redirect it,
// in a working directory that every user may enter.
func command(ctx context.Context, who account, path string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Credential: who.credential()}
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "PG") && !strings.HasPrefix(v, "LC_") && !strings.HasPrefix(v, "LANG") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(cmd.Env, "LC_ALL=C")
	return cmd
}
