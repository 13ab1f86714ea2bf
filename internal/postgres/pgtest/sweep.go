package pgtest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/ward-health/ward/internal/postgres"
	"github.com/ward-health/ward/internal/postgres/filelock"
)

// sweep removes what earlier runs left when they were killed together with
// their reaper: directories in which nobody holds the reaper's lock. It is a
// courtesy, so what it cannot remove it leaves.
func sweep(ctx context.Context, prefix, except string) {
	left, err := filepath.Glob(prefix + "*")
	if err != nil {
		return
	}
	for _, base := range left {
		if base != except {
			sweepOne(ctx, base)
		}
	}
}

func sweepOne(ctx context.Context, base string) {
	if info, err := os.Lstat(base); err != nil || !info.IsDir() {
		return
	}
	joining, err := filelock.Try(filepath.Join(base, "lock"))
	if err != nil {
		return // a run that begins right now
	}
	defer joining.Release()
	reaper, err := filelock.Try(filepath.Join(base, "reaper"))
	if err != nil {
		return // watched
	}
	defer reaper.Release()
	_ = removeTree(ctx, base) // the next run tries again
}

// removeTree stops the servers below dir and removes it.
func removeTree(ctx context.Context, dir string) error {
	var roots []string
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if root, ok := strings.CutSuffix(path, "/postgres/data"); ok && err == nil {
			roots = append(roots, root)
			return fs.SkipDir // thousands of files, none of which is a server's
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("look for servers below %s: %w", dir, err)
	}
	for _, root := range roots {
		cluster, err := postgres.Open(postgres.Config{Dir: root})
		if err != nil {
			return err
		}
		if err := cluster.Remove(ctx); err != nil {
			return err
		}
	}
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("remove %s: %w", dir, err)
	}
	return nil
}
