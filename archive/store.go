package archive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// ErrExists is what [Store.Put] returns, wrapped, where the path is taken.
var ErrExists = errors.New("object exists")

// Store is write-once storage for the archive. An object that cannot be found is reported by an error that wraps
// [io/fs.ErrNotExist]; any other error means that nothing is known.
type Store interface {
	// Put creates an object of exactly size bytes, durably and all or nothing, and keeps it from being deleted until
	// retainUntil where the store can. It never replaces one: it returns ErrExists.
	Put(ctx context.Context, path string, data io.Reader, size int64, retainUntil time.Time) error
	// Open opens an object for reading.
	Open(ctx context.Context, path string) (Blob, error)
	// List returns the objects whose path begins with prefix, in the order of their paths.
	List(ctx context.Context, prefix string) ([]Object, error)
	// String names the store for people, such as "dir:/srv/archive".
	String() string
}

// Blob is an open object.
type Blob interface {
	io.ReaderAt
	io.Closer
	// Size is the object's length in bytes.
	Size() int64
}

// Object is an entry of a store's listing.
type Object struct {
	Path string
	Size int64
}

// maxSmallObject bounds what is read into memory whole: manifests, checkpoints and heads.
const maxSmallObject = 64 << 20

var errTooLarge = errors.New("object too large")

// readObject reads a small object whole.
func readObject(ctx context.Context, s Store, path string) ([]byte, error) {
	b, err := s.Open(ctx, path)
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", path, err)
	}
	defer b.Close()
	if b.Size() > maxSmallObject {
		return nil, fmt.Errorf("reading %s: %w: %d bytes", path, errTooLarge, b.Size())
	}
	data := make([]byte, b.Size())
	if n, err := b.ReadAt(data, 0); err != nil && (!errors.Is(err, io.EOF) || n != len(data)) {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	return data, nil
}

// putObject creates a small object. One that stands there already with the same bytes is success, so that a run may be
// repeated; other bytes are ErrExists.
func putObject(ctx context.Context, s Store, path string, data []byte, retain time.Time) error {
	err := s.Put(ctx, path, bytes.NewReader(data), int64(len(data)), retain)
	if errors.Is(err, ErrExists) {
		found, rerr := readObject(ctx, s, path)
		if rerr != nil {
			return rerr
		}
		if bytes.Equal(found, data) {
			return nil
		}
	}
	if err != nil {
		return fmt.Errorf("storing %s: %w", path, err)
	}
	return nil
}
