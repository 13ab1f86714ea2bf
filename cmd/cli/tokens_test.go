package cli

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ward-health/ward/internal/wardtest"
)

// process runs ward as a process of its own: the D-Bus library keeps one connection for each. Nobody names a token
// file. bus is the address of a session bus.
func (s *scene) process(ctx context.Context, home, bus, input string, args ...string) outcome {
	s.t.Helper()
	exe, err := os.Executable()
	s.must(err)
	cmd := exec.CommandContext(ctx, exe)
	cmd.Args = append([]string{"ward"}, args...) // TestMain
	cmd.Env = []string{"HOME=" + home, "WARD_DATABASE_URL=" + s.DB.DSN("ward_reviewer"),
		"WARD_CONFIG=" + s.vars("nobody")["WARD_CONFIG"], "PATH=" + os.Getenv("PATH"), "GORACE=atexit_sleep_ms=0"}
	if bus != "" {
		cmd.Env = append(cmd.Env, "DBUS_SESSION_BUS_ADDRESS="+bus)
	}
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(input), &out, &errs
	err = cmd.Run()
	var failed *exec.ExitError
	if err != nil && !errors.As(err, &failed) {
		s.t.Fatal(err)
	}
	return outcome{cmd.ProcessState.ExitCode(), out.String(), errs.String()}
}

// shortDir is a directory whose path leaves room for a socket's name.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "ward-bus-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// On a server there is no session bus, and on a broken desktop one that does not answer: the file is where tokens go,
// and no command hangs.
func TestTokensWithoutKeyring(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	dir := shortDir(t)
	var listen net.ListenConfig
	silent, err := listen.Listen(t.Context(), "unix", filepath.Join(dir, "bus"))
	s.must(err)
	t.Cleanup(func() { _ = silent.Close() })
	for name, bus := range map[string]string{"no bus": "", "a bus that does not answer": "unix:path=" +
		filepath.Join(dir, "bus"), "a bus that is gone": "unix:path=" + filepath.Join(dir, "gone")} {
		home := t.TempDir()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		if got := s.process(ctx, home, bus, wardtest.Password+"\n", "login", "dana"); got.code != exitOK {
			t.Errorf("%s: %s", name, got)
		}
		info, err := os.Stat(filepath.Join(home, ".config", "ward", "tokens.json"))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: token file %v, %v", name, info, err)
		}
		if got := s.process(ctx, home, bus, "", "whoami"); got.code != exitOK {
			t.Errorf("%s: %s", name, got)
		}
		cancel()
	}
	vars := s.vars("dana")
	for store, want := range map[string]string{"keyring": "no D-Bus session bus", "drawer": "keyring, file or auto"} {
		vars["WARD_TOKEN_STORE"] = store
		var out, errs bytes.Buffer
		code := run(t.Context(), []string{"whoami"}, &Env{In: strings.NewReader(""), Out: &out, Err: &errs,
			Getenv: func(k string) string { return vars[k] }, Now: time.Now, Terminal: func() bool { return false }})
		if code != exitUsage || !strings.Contains(errs.String(), want) {
			t.Errorf("token_store %s: exit %d, %s", store, code, errs.String())
		}
	}
}

// Processes that share a session refresh one after the other. Without a grace a refresh token that two of them used
// would end it.
func (s *scene) refreshSideBySide(t *testing.T, home, bus string) {
	t.Helper()
	s.exec("update tenancy.setting set access_token = '30 seconds', refresh_grace = '0'") // every command refreshes
	if got := s.process(t.Context(), home, bus, wardtest.Password+"\n", "login", "dana"); got.code != exitOK {
		t.Fatalf("%s", got)
	}
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			if got := s.process(t.Context(), home, bus, "", "whoami"); got.code != exitOK {
				t.Errorf("%s", got)
			}
		})
	}
	wg.Wait()
}

func TestTokenFileIsRefreshedByOneAtATime(t *testing.T) {
	t.Parallel()
	newScene(t).refreshSideBySide(t, t.TempDir(), "")
}
