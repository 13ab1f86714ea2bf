package postgres

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// StopMode says what happens to the sessions of a server that is stopped.
type StopMode string

// The modes are those of pg_ctl.
const (
	Smart     StopMode = "smart"     // wait for clients to disconnect
	Fast      StopMode = "fast"      // roll back and disconnect clients, then stop cleanly
	Immediate StopMode = "immediate" // abort: the next start recovers from the log
)

// pollEvery is how often a change of the server's condition is looked for.
const pollEvery = 10 * time.Millisecond

// Stop ends the server and waits until it is gone. A server that does not run
// is no error.
func (c *Cluster) Stop(ctx context.Context, mode StopMode) error {
	pid := c.serverPID(ctx)
	if pid == 0 {
		return nil
	}
	who, err := serverAccount(c.dataDir())
	if err != nil {
		return err
	}
	bin, err := c.binaries(ctx, who)
	if err != nil {
		return fmt.Errorf("stop PostgreSQL in %s: %w", c.cfg.Dir, err)
	}
	out, err := command(ctx, who, bin.Path("pg_ctl"), "stop", "-D", c.dataDir(), "-m", string(mode), "--no-wait").
		CombinedOutput()
	if err != nil && c.serverPID(ctx) != 0 {
		return fmt.Errorf("stop PostgreSQL in %s: %w: %s", c.cfg.Dir, err, strings.TrimSpace(string(out)))
	}
	err = waitFor(ctx, func() bool { return c.serverPID(ctx) != pid })
	if err != nil {
		return fmt.Errorf("stop PostgreSQL in %s (process %d, mode %s): %w", c.cfg.Dir, pid, mode, err)
	}
	return nil
}

// Kill stops the server as a crash would: nothing is flushed or rolled back,
// and the next start recovers from the log.
func (c *Cluster) Kill(ctx context.Context) error { return c.Stop(ctx, Immediate) }

// Restart stops the server, disconnecting its clients, and starts it with the
// settings of this Cluster's Config.
func (c *Cluster) Restart(ctx context.Context) error {
	if err := c.Stop(ctx, Fast); err != nil {
		return err
	}
	return c.Start(ctx)
}

// waitFor polls until done says so or ctx ends.
func waitFor(ctx context.Context, done func() bool) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for !done() {
		select {
		case <-ctx.Done():
			return fmt.Errorf("gave up waiting: %w", ctx.Err())
		case <-tick.C:
		}
	}
	return nil
}
