package archive

import (
	"context"
	"fmt"
)

// The outcomes of a [StoreCheck].
const (
	CheckOK   = "ok"
	CheckWarn = "warn" // works, but promises less than it could
	CheckFail = "fail" // the store is not safe
)

// StoreCheck is one thing that a store was tried on.
type StoreCheck struct {
	// Check names it, such as "delete is refused".
	Check string `json:"check"`
	// State is ok, warn or fail.
	State string `json:"state"`
	// Detail says what was seen and, where it is not ok, what to do.
	Detail string `json:"detail"`
}

// Examiner is a Store that can be tried out.
type Examiner interface {
	// Examine tries what the archive relies on. Where the store is write-once this leaves small objects behind, locked
	// for a day, outside the archive's own layout. An error says that nothing could be tried.
	Examine(ctx context.Context) ([]StoreCheck, error)
}

// Examine tries out a store.
func Examine(ctx context.Context, s Store) ([]StoreCheck, error) {
	e, ok := s.(Examiner)
	if !ok {
		return nil, fmt.Errorf("examining %s: this kind of store cannot be tried out", s)
	}
	return e.Examine(ctx)
}

// Examine says what a directory cannot promise. It tries nothing: whoever owns the directory can delete.
func (d *dirStore) Examine(ctx context.Context) ([]StoreCheck, error) {
	if _, err := d.List(ctx, layout+"/"); err != nil {
		return nil, fmt.Errorf("examining %s: %w", d, err)
	}
	return []StoreCheck{
		{"readable", CheckOK, d.String()},
		{"write-once", CheckWarn,
			"not write-once: files are read-only, but who owns the directory can delete and replace them; " +
				"verify shows it only where a head is kept elsewhere. Use S3 with Object Lock (docs/ADOPTING.md)"},
	}, nil
}
