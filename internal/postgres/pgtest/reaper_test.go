package pgtest_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	osexec "os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ward-health/ward/internal/postgres/pgtest"
)

// scenario tells a re-executed test binary what to be.
const scenario = "WARD_PGTEST_SCENARIO"

// TestScenario is what the tests below run as a run of its own: a shell in the
// place of `go test`, and a test of which they want to see the end.
func TestScenario(t *testing.T) {
	switch os.Getenv(scenario) {
	case "fail":
		db := pgtest.New(t, pgtest.Template{})
		fmt.Println("\ndsn", db.Superuser())
		t.Error("failed as it was told to")
	case "bad template":
		pgtest.New(t, pgtest.Template{Key: "bad", Build: func(context.Context, string) error {
			return errors.New("migration 7 is wrong")
		}})
	case "unprovided":
		pgtest.New(t, pgtest.Template{})
	case "hold":
		own := pgtest.NewCluster(t, pgtest.ClusterOptions{NoFsync: true})
		fmt.Println("\nown", own.Dir())
		<-context.Background().Done() // never: the parent kills
	}
}

// runScenario begins a run. Its base directory carries the shell's pid.
func runScenario(t *testing.T, name string, env ...string) *osexec.Cmd {
	t.Helper()
	// Not exec'd by the shell ("; exit"), so that the shell is the parent.
	cmd := osexec.Command("/bin/sh", "-c", `"$0" -test.run='^TestScenario$' -test.v; exit $?`, os.Args[0])
	cmd.Env = append(append(os.Environ(), scenario+"="+name), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd
}

func baseOf(cmd *osexec.Cmd) string {
	return fmt.Sprintf("/tmp/ward-pgtest-%d-%d", os.Getuid(), cmd.Process.Pid)
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-ctx.Done():
			t.Fatalf("%s: not within a minute", what)
		case <-tick.C:
		}
	}
}

func gone(path string) bool {
	_, err := os.Lstat(path)
	return errors.Is(err, os.ErrNotExist)
}

func pidIn(t *testing.T, path string) int {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(first)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return pid
}

func TestFailedTestKeepsItsDatabaseUntilTheReaperComes(t *testing.T) {
	cmd := runScenario(t, "fail", "WARD_PGTEST_KEEP=3s")
	out, err := cmd.Output()
	if err == nil {
		t.Fatal("the scenario did not fail")
	}
	base := baseOf(cmd)
	_, dsn, _ := strings.Cut(string(out), "\ndsn ")
	dsn, _, _ = strings.Cut(dsn, "\n")
	if n := query[int](t, dsn, "select 1"); n != 1 {
		t.Error("the failed test's database cannot be looked into")
	}
	for _, want := range []string{"database kept: psql '" + dsn, "3s after the run", "WARD_PGTEST_KEEP=10m"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("output lacks %q:\n%s", want, out)
		}
	}
	server := pidIn(t, base+"/shared/postgres/data/postmaster.pid")
	eventually(t, "the run's removal", func() bool { return gone(base) })
	if err := syscall.Kill(server, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("server %d after the reaper: %v", server, err)
	}
}

func TestWithoutAServerTestsFail(t *testing.T) {
	for name, c := range map[string]struct{ env, want string }{
		"bad template": {"WARD_PGTEST_KEEP=0s", `build template "bad": migration 7 is wrong`},
		"unprovided":   {"WARD_PG_BIN=/nonexistent", "apt install postgresql"},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := runScenario(t, name, c.env).Output()
			if err == nil || !strings.Contains(string(out), c.want) || strings.Contains(string(out), "SKIP") {
				t.Errorf("got %v, want a failure that says %q:\n%s", err, c.want, out)
			}
		})
	}
}

func TestKilledRunIsCleanedUp(t *testing.T) {
	for name, c := range map[string]struct {
		reaperToo bool
		next      func(base string)
	}{
		"by its reaper": {false, func(string) {}},
		"by the next run": {true, func(base string) {
			eventually(t, "the sweep", func() bool { pgtest.DataDir(t); return gone(base) })
		}},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := runScenario(t, "hold", "WARD_PGTEST_KEEP=0s")
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			var own string
			for lines := bufio.NewScanner(out); own == "" && lines.Scan(); {
				own, _ = strings.CutPrefix(lines.Text(), "own ")
				if own == lines.Text() {
					own = ""
				}
			}
			base := baseOf(cmd)
			server := pidIn(t, filepath.Join(own, "postgres/data/postmaster.pid"))
			if c.reaperToo {
				if err := syscall.Kill(pidIn(t, base+"/reaper"), syscall.SIGKILL); err != nil {
					t.Fatal(err)
				}
			}
			if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			if err := cmd.Wait(); err == nil {
				t.Fatal("killed, and ended well")
			}
			c.next(base)
			eventually(t, "the run's removal", func() bool { return gone(base) })
			eventually(t, "the server's end", func() bool {
				return errors.Is(syscall.Kill(server, 0), syscall.ESRCH)
			})
		})
	}
}
