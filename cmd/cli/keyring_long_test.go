//go:build linux && long

package cli

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ward-health/ward/internal/needs"
	"github.com/ward-health/ward/internal/wardtest"
)

// secretService starts a session bus and GNOME's keyring on it, unlocked, both of this test alone, and gives the bus's
// address. Debian: dbus-daemon, gnome-keyring.
func secretService(t *testing.T) string {
	t.Helper()
	keyring, send := needs.Program(t, "gnome-keyring-daemon"), needs.Program(t, "dbus-send")
	dir := shortDir(t)
	env := []string{"HOME=" + dir, "XDG_RUNTIME_DIR=" + dir, "PATH=" + os.Getenv("PATH")}
	bus := exec.CommandContext(t.Context(), needs.Program(t, "dbus-daemon"), "--session", "--nofork", "--nopidfile",
		"--print-address", "--address=unix:path="+filepath.Join(dir, "bus"))
	bus.Env = env
	out, err := bus.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	start(t, bus)
	address, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("start dbus-daemon: %v", err)
	}
	address = strings.TrimSpace(address)
	ring := exec.CommandContext(t.Context(), keyring, "--foreground", "--unlock", "--components=secrets")
	ring.Env, ring.Stdin = append(slices.Clone(env), "DBUS_SESSION_BUS_ADDRESS="+address),
		strings.NewReader("keyring password\n")
	start(t, ring)
	// the bus can tell when the name has an owner
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); <-tick.C {
		ask := exec.CommandContext(t.Context(), send, "--bus="+address, "--dest=org.freedesktop.DBus",
			"--print-reply", "/org/freedesktop/DBus", "org.freedesktop.DBus.GetNameOwner",
			"string:org.freedesktop.secrets")
		if ask.Run() == nil {
			return address
		}
	}
	t.Fatal("gnome-keyring-daemon has not appeared on the bus")
	return ""
}

func start(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if err := cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", cmd.Path, err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
}

// Tokens in a real Secret Service: kept, used, refreshed by several processes, and removed; no file has them.
func TestTokensInKeyring(t *testing.T) {
	s := newScene(t)
	bus := secretService(t)
	home := t.TempDir()
	nothing := func() {
		t.Helper()
		if _, err := os.Stat(filepath.Join(home, ".config", "ward", "tokens.json")); err == nil {
			t.Fatal("a token file was written")
		}
	}
	if got := s.process(t.Context(), home, bus, wardtest.Password+"\n", "login", "dana"); got.code != exitOK {
		t.Fatalf("%s", got)
	}
	nothing()
	if got := s.process(t.Context(), home, bus, "", "whoami"); got.code != exitOK ||
		!strings.Contains(got.out, "(dana)") {
		t.Fatalf("%s", got)
	}
	if got := s.process(t.Context(), home, "", "", "whoami"); got.code != exitFailed ||
		!strings.Contains(got.errors, "nobody is signed in") {
		t.Errorf("without the bus: %s", got)
	}
	s.refreshSideBySide(t, home, bus)
	nothing()
	if got := s.process(t.Context(), home, bus, "", "logout"); got.code != exitOK {
		t.Errorf("%s", got)
	}
	if got := s.process(t.Context(), home, bus, "", "whoami"); got.code != exitFailed ||
		!strings.Contains(got.errors, "nobody is signed in") {
		t.Errorf("after signing out: %s", got)
	}
}
