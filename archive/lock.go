package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// LockCompliance is the only mode of a lock that nobody can lift: in GOVERNANCE somebody with a permission can.
const LockCompliance = "COMPLIANCE"

// Lock is what a store holds an object to.
type Lock struct {
	// Mode is "COMPLIANCE", "GOVERNANCE" or, for no lock, empty.
	Mode string
	// Until is when the lock ends.
	Until time.Time
	// Hold says that a legal hold keeps the object, whatever Until says.
	Hold bool
}

// ErrLockUnknown says that the store did not tell what it holds an object to: the credentials may not ask.
var ErrLockUnknown = errors.New("the store does not tell the object's lock")

// Locker is a Store that holds objects to a time, and can be asked to hold them longer.
type Locker interface {
	// Lock returns what holds an object. An error that wraps ErrLockUnknown says nothing about it.
	Lock(ctx context.Context, path string) (Lock, error)
	// Extend locks an object until a later time. A lock that is long enough already is left as it is.
	Extend(ctx context.Context, path string, until time.Time) error
	// Hold places a legal hold on an object, or lifts it.
	Hold(ctx context.Context, path string, on bool) error
}

// LockedBlob is a Blob that learns, with its first byte read, what the store holds it to.
type LockedBlob interface {
	// Lock returns the lock, and false where nothing was read yet or the store did not say.
	Lock() (Lock, bool)
}

// lockRecorder remembers the locks of all objects that are read through it, so that knowing them costs no request.
type lockRecorder struct {
	Store
	locker Locker

	mu   sync.Mutex
	seen map[string]Lock
	mute map[string]bool // read, and the store did not say
}

// watchLocks wraps a store that has locks; another comes back as it is, with a nil recorder.
func watchLocks(s Store) (Store, *lockRecorder) {
	locker, ok := s.(Locker)
	if !ok {
		return s, nil
	}
	r := &lockRecorder{Store: s, locker: locker, seen: map[string]Lock{}, mute: map[string]bool{}}
	return r, r
}

// Open opens an object and remembers its lock when it is closed.
func (r *lockRecorder) Open(ctx context.Context, path string) (Blob, error) {
	b, err := r.Store.Open(ctx, path)
	if err != nil {
		return nil, err
	}
	locked, ok := b.(LockedBlob)
	if !ok {
		return b, nil
	}
	return &watchedBlob{Blob: b, done: func() {
		lock, known := locked.Lock()
		r.mu.Lock()
		defer r.mu.Unlock()
		if known {
			r.seen[path] = lock
		} else {
			r.mute[path] = true
		}
	}}, nil
}

// lock returns what is known about an object that was read; one that the store was mute about is asked for by itself.
// False says that the object was not read.
func (r *lockRecorder) lock(ctx context.Context, path string) (Lock, bool, error) {
	r.mu.Lock()
	lock, seen := r.seen[path]
	mute := r.mute[path]
	r.mu.Unlock()
	if seen || !mute {
		return lock, seen, nil
	}
	lock, err := r.locker.Lock(ctx, path)
	return lock, err == nil, err
}

type watchedBlob struct {
	Blob
	done func()
}

// Stream passes on to the blob.
func (b *watchedBlob) Stream() (io.ReadCloser, error) {
	return streamOf(b.Blob)
}

// Close takes note of the lock.
func (b *watchedBlob) Close() error {
	b.done()
	return b.Blob.Close()
}

// checkHidden reports what stands over an object: it is there and is read, but others do not see it.
func (r *regionRun) checkHidden() {
	for _, o := range r.objects.hidden {
		r.add(Finding{Status: Hidden, Month: o.month, Part: o.path,
			Message: o.hidden + "; the version that was written first is read"})
	}
}

// checkLocks holds the locks of what was read against the retention that was signed. Checkpoints and chain heads have
// none of their own, nor have notes about keys: they must be locked, for now.
func (r *regionRun) checkLocks(ctx context.Context) error {
	if r.v.locks == nil || r.v.opts.SkipLocks {
		return nil
	}
	signed := map[string]time.Time{}
	for i := range r.entries {
		if m := r.entries[i].manifest; m != nil && r.entries[i].authentic && !m.Void {
			signed[m.ManifestPath()] = m.RetainUntil
			if m.Path != "" {
				signed[m.Path] = m.RetainUntil
			}
		}
	}
	c := lockCheck{run: r}
	for path, until := range signed {
		if err := c.check(ctx, path, until); err != nil {
			return err
		}
	}
	for _, list := range [][]object{r.objects.checkpoints, r.objects.keys, r.objects.heads} {
		for _, o := range list {
			if err := c.check(ctx, o.path, time.Time{}); err != nil {
				return err
			}
		}
	}
	if c.unknown > 0 {
		r.add(Finding{Status: LockUnknown, Part: c.first, Message: fmt.Sprintf(
			"the locks of %d objects could not be told: give these credentials s3:GetObjectRetention, "+
				"or leave locks out (--no-locks)", c.unknown)})
	}
	return nil
}

type lockCheck struct {
	run     *regionRun
	unknown int
	first   string
}

// check compares one object's lock. Zero until is any time to come.
func (c *lockCheck) check(ctx context.Context, path string, until time.Time) error {
	r, now := c.run, c.run.v.opts.Now
	lock, read, err := r.v.locks.lock(ctx, path)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		if c.unknown++; c.first == "" || path < c.first {
			c.first = path
		}
		return nil
	case !read || !until.IsZero() && !now.Before(until) || lock.Hold && lock.Mode == "":
		return nil // not in scope, or its time is over, or kept without a date
	}
	f := Finding{Part: path, Month: parsePath(path, 0).month, Expected: LockCompliance, Found: lock.Mode}
	if !until.IsZero() {
		f.Expected += " until " + until.UTC().Format(time.RFC3339)
	}
	if lock.Mode != "" {
		f.Found += " until " + lock.Until.UTC().Format(time.RFC3339)
	}
	switch {
	case lock.Mode == "":
		f.Status, f.Found, f.Message = LockMissing, "no lock", "nothing keeps this object from being deleted"
	case lock.Mode != LockCompliance:
		f.Status, f.Message = LockGovernance, "whoever has the permission can lift this lock"
	case lock.Until.Before(until.Truncate(time.Second)) || until.IsZero() && !lock.Until.After(now):
		f.Status, f.Message = LockShort, "the lock ends before the retention that was signed"
	default:
		return nil
	}
	r.add(f)
	return nil
}
