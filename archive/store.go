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
//
// A store that keeps versions shows the first one of every object: it is the one that Put made, and no later one and no
// delete marker can take its place.
type Store interface {
	// Put creates an object of exactly size bytes, durably and all or nothing, and keeps it from being deleted until
	// retainUntil where the store can. It never replaces one: it returns ErrExists.
	Put(ctx context.Context, path string, data io.Reader, size int64, retainUntil time.Time) error
	// Open opens an object for reading. A [Streamer] is read from end to end in one piece, a [LockedBlob] says what
	// the store holds it to.
	Open(ctx context.Context, path string) (Blob, error)
	// List returns the objects whose path begins with prefix, hidden ones too, in the order of their paths.
	List(ctx context.Context, prefix string) ([]Object, error)
	// String names the store for people, such as "dir:/srv/archive".
	String() string
}

// Holder is a Store that can place a legal hold with the object itself. One that is placed afterwards comes late where
// whoever places it ends in between.
type Holder interface {
	// PutHeld is Put of an object that has a legal hold from the beginning.
	PutHeld(ctx context.Context, path string, data io.Reader, size int64, retainUntil time.Time) error
}

// Held is s, with a legal hold on whatever is put through it. A store that knows none is returned as it is.
func Held(s Store) Store {
	if h, ok := s.(Holder); ok {
		return heldStore{s, h}
	}
	return s
}

type heldStore struct {
	Store
	holder Holder
}

// Put creates an object with a legal hold.
func (h heldStore) Put(ctx context.Context, path string, data io.Reader, size int64, retainUntil time.Time) error {
	return h.holder.PutHeld(ctx, path, data, size, retainUntil)
}

// Blob is an open object.
type Blob interface {
	io.ReaderAt
	io.Closer
	// Size is the object's length in bytes.
	Size() int64
}

// Streamer is a Blob that is read from its beginning better in one piece than in many.
type Streamer interface {
	// Stream returns the blob's bytes in order. The caller closes it.
	Stream() (io.ReadCloser, error)
}

// Object is an entry of a store's listing.
type Object struct {
	Path string
	Size int64
	// Version is the pinned version, where the store has versions.
	Version string
	// Hidden says what stands over the pinned version, so that others who read the path do not see it: a delete marker
	// or a later version. It is empty where nothing does.
	Hidden string
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
