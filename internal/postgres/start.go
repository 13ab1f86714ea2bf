package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/ward-health/ward/internal/postgres/filelock"
)

const (
	startTimeout = 5 * time.Minute  // a start with crash recovery may take long
	leaveTimeout = 30 * time.Second // what an earlier server gets to be gone
	// what its children get that outlived it: one that computes takes note at the end of its statement, and a review
	// rule may take two minutes
	orphanWait = 3 * time.Minute
	maxLogSize = 16 << 20 // then the log is set aside at the next start
)

// Start makes sure that the server runs: it creates the cluster where there is
// none, recovers it after a crash, and leaves a running server alone. The
// server outlives this process and the terminal it was started from.
func (c *Cluster) Start(ctx context.Context) error {
	if err := c.start(ctx); err != nil {
		return fmt.Errorf("start PostgreSQL in %s: %w", c.cfg.Dir, err)
	}
	return nil
}

func (c *Cluster) start(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if c.probe(ctx) == ready {
		return nil
	}
	who, err := serverAccount(c.dataDir())
	if err != nil {
		return err
	}
	if err := c.makeBase(who); err != nil {
		return err
	}
	lock, err := filelock.Acquire(ctx, filepath.Join(c.base, "lock"))
	if err != nil {
		return err
	}
	defer lock.Release()
	if err := c.leaveToOwner(lock.File().Name()); err != nil {
		return err
	}
	if up, err := c.settle(ctx); up || err != nil {
		return err
	}
	bin, err := c.binaries(ctx, who)
	if err != nil {
		return err
	}
	if err := c.initialise(ctx, bin, who); err != nil {
		return err
	}
	return c.launch(ctx, bin, who)
}

// makeBase creates the cluster's directory: for root one that the server's
// user may pass through and not write to, for others a private one.
func (c *Cluster) makeBase(who account) error {
	mode := fs.FileMode(0o700)
	if who.switched {
		mode = 0o711
		if err := checkReachable(who, c.base); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(c.base, mode); err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	return nil
}

// settle waits for a server that is on its way up or down, started by somebody
// else, and says whether one serves. A process id left by a server that is
// gone is removed: PostgreSQL would take another program of that number for
// it.
func (c *Cluster) settle(ctx context.Context) (up bool, err error) {
	limit, cancel := context.WithTimeout(ctx, leaveTimeout)
	defer cancel()
	var now condition
	err = waitFor(limit, func() bool {
		now = c.probe(limit)
		if now == busy {
			return false
		}
		return now == ready || c.serverPID(limit) == 0
	})
	if err != nil {
		return false, fmt.Errorf("its server (process %d) neither serves nor stops: %w; see %s",
			c.serverPID(ctx), err, c.LogFile())
	}
	if now == ready {
		return true, nil
	}
	if err := os.Remove(c.pidFile()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, fmt.Errorf("remove a dead server's process id: %w", err)
	}
	return false, nil
}

// binaries finds the programs that fit the cluster's data.
func (c *Cluster) binaries(ctx context.Context, who account) (Binaries, error) {
	made, err := c.dataMajor()
	if err != nil {
		return Binaries{}, err
	}
	bin, err := findBinaries(ctx, made, func(b Binaries) string {
		if closed := who.unreachable(b.Dir); closed != "" {
			return fmt.Sprintf("cannot be run by user %s, who may not enter %s", who.name, closed)
		}
		return ""
	})
	if err != nil && made != 0 {
		return bin, fmt.Errorf("%s was made by PostgreSQL %d: %w", c.dataDir(), made, err)
	}
	return bin, err
}

// dataMajor is the PostgreSQL version that made the data, 0 where there are
// none.
func (c *Cluster) dataMajor() (int, error) {
	path := filepath.Join(c.dataDir(), "PG_VERSION")
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read version of the data: %w", err)
	}
	major, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return 0, fmt.Errorf("read version of the data in %s: %w", path, err)
	}
	return major, nil
}

// initialise runs initdb beside the final place and renames, so that an
// interrupted one leaves no half a cluster.
func (c *Cluster) initialise(ctx context.Context, bin Binaries, who account) error {
	if _, err := os.Stat(c.dataDir()); err == nil {
		return nil
	}
	c.progress("creating a PostgreSQL %s cluster in %s", bin.Version, c.base)
	fresh := c.dataDir() + ".new"
	if err := os.RemoveAll(fresh); err != nil {
		return fmt.Errorf("remove an interrupted initdb: %w", err)
	}
	if err := makePrivateDir(fresh, who); err != nil {
		return err
	}
	args := []string{"-D", fresh, "-U", SuperuserRole, "-E", "UTF8", "--no-locale",
		"--auth-local=trust", "--auth-host=reject", "--no-instructions"}
	if c.cfg.Fsync {
		args = append(args, "--data-checksums")
	} else {
		args = append(args, "--no-sync")
	}
	out, err := command(ctx, who, bin.Path("initdb"), args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("run initdb as user %s: %w: %s", who.name, err, lastLines(string(out)))
	}
	if err := os.Rename(fresh, c.dataDir()); err != nil {
		return fmt.Errorf("put new cluster in place: %w", err)
	}
	return nil
}

// launch starts the server and waits until it serves. After a SIGKILL of the
// old server its children may hold its shared memory for a moment, and its
// process id, which stands in the socket's lock file, may not be free yet; then
// it tries again.
func (c *Cluster) launch(ctx context.Context, bin Binaries, who account) error {
	socketDir, err := c.ensureSocketDir(who)
	if err != nil {
		return err
	}
	text, err := configuration(c.cfg, socketDir)
	if err != nil {
		return err
	}
	conf := filepath.Join(c.base, "server.conf")
	if err := c.writeFile(conf, []byte(text)); err != nil {
		return err
	}
	c.progress("starting PostgreSQL %s", bin.Version)
	limit, cancel := context.WithTimeout(ctx, orphanWait)
	defer cancel()
	var failure error
	told := false
	err = waitFor(limit, func() bool {
		failure = c.launchOnce(ctx, bin, who, conf)
		again := failure != nil && (strings.Contains(failure.Error(), "is still in use") ||
			strings.Contains(failure.Error(), `.lock" already exists`))
		if again && !told {
			c.progress("waiting for processes that the earlier server left behind")
			told = true
		}
		return !again
	})
	if failure != nil {
		return failure
	}
	return err
}

func (c *Cluster) launchOnce(ctx context.Context, bin Binaries, who account, conf string) error {
	log, err := c.openLog()
	if err != nil {
		return err
	}
	defer log.Close()
	from, err := log.Seek(0, io.SeekEnd)
	if err != nil {
		return fmt.Errorf("open server's log: %w", err)
	}
	// Not bound to ctx: the server outlives its starter.
	cmd := command(context.WithoutCancel(ctx), who, bin.Path("postgres"), "-D", c.dataDir(), "-c", "config_file="+conf)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("run %s as user %s: %w", cmd.Path, who.name, err)
	}
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	return c.awaitReady(ctx, cmd, exited, from)
}

func (c *Cluster) awaitReady(ctx context.Context, cmd *exec.Cmd, exited <-chan error, logFrom int64) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		select {
		case err := <-exited:
			if err == nil {
				err = errors.New("exit status 0")
			}
			return fmt.Errorf("server ended with %w; the end of %s:\n%s", err, c.LogFile(), c.logTail(logFrom))
		case <-ctx.Done():
			killErr := cmd.Process.Signal(os.Interrupt) // fast shutdown
			return errors.Join(fmt.Errorf("server not ready: %w; the end of %s:\n%s",
				ctx.Err(), c.LogFile(), c.logTail(logFrom)), killErr)
		case <-tick.C:
			if c.probe(ctx) == ready {
				return nil
			}
		}
	}
}

func (c *Cluster) openLog() (*os.File, error) {
	if info, err := os.Lstat(c.LogFile()); err == nil && info.Size() > maxLogSize {
		if err := os.Rename(c.LogFile(), c.LogFile()+".1"); err != nil {
			return nil, fmt.Errorf("set full log aside: %w", err)
		}
	}
	log, err := os.OpenFile(c.LogFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open server's log: %w", err)
	}
	if err := c.leaveToOwner(c.LogFile()); err != nil {
		log.Close()
		return nil, err
	}
	return log, nil
}

func (c *Cluster) logTail(from int64) string {
	f, err := os.Open(c.LogFile())
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	text, err := io.ReadAll(io.NewSectionReader(f, from, maxLogSize))
	if err != nil {
		return err.Error()
	}
	return lastLines(string(text))
}

// lastLines is the end of a text that is worth showing in an error.
func lastLines(text string) string {
	const most = 12
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-most):], "\n")
}
