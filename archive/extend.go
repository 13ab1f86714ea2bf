package archive

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
)

// Extended counts the objects whose lock or legal hold was changed.
type Extended struct {
	Locks int
	Holds int
}

// ErrNoLocks says that a store holds its objects to nothing.
var ErrNoLocks = errors.New("this store has no locks")

// Extend makes the locks of a region's parts longer and places or lifts legal holds, as keep says of each part. All
// manifests, checkpoints and notes about keys are kept as long as the longest part, since the signature is over all of
// them. So are notes of chain heads, where notes says so: there is one for each minute. A store without locks is
// ErrNoLocks.
func Extend(ctx context.Context, store Store, origin string, key Key, notes bool,
	keep func(*Manifest) (until time.Time, hold bool)) (Extended, error) {
	var done Extended
	locker, ok := store.(Locker)
	if !ok {
		return done, fmt.Errorf("extending locks in %s: %w", store, ErrNoLocks)
	}
	region, err := OriginRegion(origin)
	if err != nil {
		return done, err
	}
	regions, _, err := listRegions(ctx, store, regionPrefix(region))
	if err != nil || len(regions) == 0 || len(regions[0].checkpoints) == 0 {
		return done, err // nothing is signed yet
	}
	objects := regions[0]
	head, _, err := newestHead(ctx, store, objects, key)
	if err != nil {
		return done, err
	}
	entries, err := loadEntries(ctx, store, objects, head.Size)
	if err != nil {
		return done, err
	}
	if resolve(entries, map[int64]Hash{head.Size: head.root}) != head.Size {
		return done, fmt.Errorf("%w: the manifests of region %s are not those that checkpoint %d covers", ErrDamaged,
			region, head.Size)
	}
	if !notes {
		objects.heads = nil
	}
	return extendAll(ctx, locker, plan(entries, objects, keep))
}

// want is what an object is to be held to.
type want struct {
	path  string
	until time.Time
	hold  bool
}

func plan(entries []entry, objects *regionObjects, keep func(*Manifest) (time.Time, bool)) []want {
	var parts, log []want
	var longest time.Time
	held := false
	for i := range entries {
		m := entries[i].manifest
		if m == nil {
			continue // its format is not known here
		}
		until, hold := keep(m)
		if until.After(longest) {
			longest = until
		}
		held = held || hold
		if m.Path != "" {
			parts = append(parts, want{m.Path, until, hold})
		}
		log = append(log, want{path: m.ManifestPath()})
	}
	for _, o := range slices.Concat(objects.checkpoints, objects.keys, objects.heads) {
		log = append(log, want{path: o.path})
	}
	for i := range log {
		log[i].until, log[i].hold = longest, held
	}
	return append(parts, log...)
}

func extendAll(ctx context.Context, locker Locker, list []want) (Extended, error) {
	var done Extended
	locks, holds := make([]bool, len(list)), make([]bool, len(list))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(readers)
	for i, w := range list {
		g.Go(func() error {
			lock, err := locker.Lock(gctx, w.path)
			if err != nil {
				return fmt.Errorf("extending lock of %s: %w", w.path, err)
			}
			if lock.Mode != LockCompliance || lock.Until.Before(w.until.Truncate(time.Second)) {
				if err := locker.Extend(gctx, w.path, w.until); err != nil {
					return fmt.Errorf("extending lock of %s: %w", w.path, err)
				}
				locks[i] = true
			}
			if lock.Hold != w.hold {
				if err := locker.Hold(gctx, w.path, w.hold); err != nil {
					return fmt.Errorf("changing legal hold on %s: %w", w.path, err)
				}
				holds[i] = true
			}
			return nil
		})
	}
	err := g.Wait()
	for i := range list {
		if locks[i] {
			done.Locks++
		}
		if holds[i] {
			done.Holds++
		}
	}
	return done, err
}
