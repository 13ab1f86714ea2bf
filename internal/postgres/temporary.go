package postgres

import (
	"context"
	"fmt"
	"os"
	"time"
)

// Temporary starts a cluster of its own for the length of one command. remove ends the server and deletes everything
// that it held, also after ctx was cancelled; it waits a minute at most.
func Temporary(ctx context.Context, name string, cfg Config) (c *Cluster, remove func(), err error) {
	if cfg.Dir, err = os.MkdirTemp("", "ward-"+name+"-"); err != nil {
		return nil, nil, fmt.Errorf("make a directory for a server: %w", err)
	}
	remove = func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		if c != nil {
			_ = c.Remove(ctx)
		}
		_ = os.RemoveAll(cfg.Dir)
	}
	if err = os.Chmod(cfg.Dir, 0o711); err != nil { //nolint:gosec // the server's user has to pass
		remove()
		return nil, nil, fmt.Errorf("open the directory of a server: %w", err)
	}
	if c, err = Open(cfg); err == nil {
		err = c.Start(ctx)
	}
	if err != nil {
		remove()
		return nil, nil, err
	}
	return c, remove, nil
}
