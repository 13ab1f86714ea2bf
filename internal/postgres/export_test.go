package postgres

import (
	"context"
	"time"
)

// Limits bound what an archive may hold.
type Limits struct {
	Bytes   int64
	Entries int
}

// Unpack is unpack with bounds of a test's own.
func Unpack(file, dir string, most Limits) (string, error) {
	return unpack(file, dir, limits{bytes: most.Bytes, entries: most.Entries})
}

// WithRetry makes a fetch wait so long before it tries again.
func (o FetchOptions) WithRetry(d time.Duration) FetchOptions {
	o.retry = d
	return o
}

// FindMajor is FindBinaries for data that a major version made.
func FindMajor(ctx context.Context, major int) (Binaries, error) {
	return findBinaries(ctx, major, func(Binaries) string { return "" })
}
