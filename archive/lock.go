package archive

import (
	"context"
	"errors"
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
