package main_test

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/ward-health/ward/internal/needs"
)

// TestInTmux: a terminal that is not of this repository shows the same, passes keys on, and is left as it was.
func TestInTmux(t *testing.T) {
	tmux := needs.Program(t, "tmux")
	w := newWorld(t)
	w.misbehave()
	w.awaitAnomaly("A02-cross-tenant-denied")
	socket := filepath.Join(w.dir, "tmux")
	run := func(args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), tmux, append([]string{"-S", socket, "-f", "/dev/null"}, args...)...)
		cmd.Env, cmd.Dir = w.environ("dana"), w.dir
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("tmux %q: %v\n%s", args, err, out)
		}
		return string(out)
	}
	sees := func(pattern string) {
		t.Helper()
		re := regexp.MustCompile(pattern)
		await(t, "the screen to show "+pattern, func() bool { return re.MatchString(run("capture-pane", "-p")) })
	}
	run("new-session", "-d", "-x", "120", "-y", "40",
		fmt.Sprintf("echo before; %s; echo exit status $?; exec cat", w.program))
	t.Cleanup(func() { _ = exec.Command(tmux, "-S", socket, "kill-server").Run() })
	sees(`(?s)dana surname · compliance officer.*A02 cross-tenant`)
	run("send-keys", "Enter")
	sees(`(?s)EVIDENCE.*patients .*denied.*HISTORY`)
	run("send-keys", "Escape")
	sees(`SEV +RULE`)
	run("send-keys", "q")
	sees(`(?s)^before\nexit status 0\n`)
}
