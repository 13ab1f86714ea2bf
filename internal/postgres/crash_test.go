package postgres_test

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

	"github.com/ward-health/ward/internal/postgres"
)

// serverPID is what the server wrote into its lock file.
func serverPID(t *testing.T, c *postgres.Cluster) (pid int, file string) {
	t.Helper()
	file = filepath.Join(c.Dir(), "postgres", "data", "postmaster.pid")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(text), "\n")
	pid, err = strconv.Atoi(first)
	if err != nil {
		t.Fatal(err)
	}
	return pid, file
}

func TestRecoversFromKill(t *testing.T) {
	c := open(t, postgres.Config{Fsync: true})
	start(t, c)
	exec(t, c, "create table kept as select generate_series(1, 1000) as id")
	if err := c.Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	start(t, c)
	if n := query[int](t, c, "select count(*) from kept"); n != 1000 {
		t.Errorf("%d rows after recovery, want 1000", n)
	}
	if err := c.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !c.Running(t.Context()) {
		t.Error("does not run after Restart")
	}
}

func TestStartsAfterSIGKILL(t *testing.T) {
	c := open(t, postgres.Config{Fsync: true})
	start(t, c)
	exec(t, c, "create table kept as select 1 as id")
	session := connect(t, c) // its process holds the shared memory for a moment
	pid, file := serverPID(t, c)
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	start(t, c)
	if err := session.Ping(t.Context()); err == nil {
		t.Error("a session survived its server")
	}
	if n := query[int](t, c, "select count(*) from kept"); n != 1 {
		t.Errorf("%d rows after recovery, want 1", n)
	}

	// The number in a dead server's lock file is another program's by now,
	// one of the same user: this test's.
	pid, _ = serverPID(t, c)
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the server's end", func() bool { return !c.Running(t.Context()) })
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "\n")
	if err := os.WriteFile(file, fmt.Appendf(nil, "%d\n%s", os.Getpid(), rest), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := c.Kill(t.Context()); err != nil { // must not hit this test
		t.Fatal(err)
	}
	start(t, c)
}

// starterDir tells a re-executed test binary to start a cluster there and to
// wait for its end.
const starterDir = "WARD_TEST_STARTER_DIR"

func TestServerOutlivesItsStarter(t *testing.T) {
	if dir := os.Getenv(starterDir); dir != "" {
		startAndWait(t, dir)
		return
	}
	c := open(t, postgres.Config{})
	starter := osexec.Command(os.Args[0], "-test.run=^TestServerOutlivesItsStarter$")
	starter.Env = append(os.Environ(), starterDir+"="+c.Dir())
	starter.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := starter.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := starter.Start(); err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(out); lines.Scan() && lines.Text() != "started"; {
		t.Log(lines.Text())
	}
	if !c.Running(t.Context()) {
		t.Fatal("the starter has not started the server")
	}
	before, _ := serverPID(t, c)
	// Ctrl-C goes to the terminal's whole foreground process group.
	if err := syscall.Kill(-starter.Process.Pid, syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if err := starter.Wait(); err == nil {
		t.Error("the starter ended well though it was interrupted")
	}
	if err := connect(t, c).Ping(t.Context()); err != nil {
		t.Error(err)
	}
	if after, _ := serverPID(t, c); after != before {
		t.Errorf("server %d was replaced by %d", before, after)
	}
}

func startAndWait(t *testing.T, dir string) {
	c, err := postgres.Open(postgres.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	start(t, c)
	fmt.Println("started")
	<-context.Background().Done() // never: the parent interrupts
}

func TestRootStartsAnOrdinaryUsersCluster(t *testing.T) {
	c := open(t, postgres.Config{})
	start(t, c)
	if os.Getuid() != 0 {
		return // there is no second user to be
	}
	if err := c.Stop(t.Context(), postgres.Fast); err != nil {
		t.Fatal(err)
	}
	// As if user 65534 had made it: everything below belongs to that user.
	err := filepath.WalkDir(c.Dir(), func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, 65534, 65534)
	})
	if err != nil {
		t.Fatal(err)
	}
	start(t, c)
	pid, _ := serverPID(t, c)
	var log, process syscall.Stat_t
	if err := errors.Join(syscall.Stat(c.LogFile(), &log),
		syscall.Stat(fmt.Sprint("/proc/", pid), &process)); err != nil {
		t.Fatal(err)
	}
	if log.Uid != 65534 || process.Uid != 65534 {
		t.Errorf("log of user %d, server of user %d: the cluster's owner cannot start it again", log.Uid, process.Uid)
	}
}
