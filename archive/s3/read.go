package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/ward-health/ward/archive"
)

func validatePath(p string) error {
	if p == "" || path.Clean(p) != p || path.IsAbs(p) || p == ".." || strings.HasPrefix(p, "../") ||
		strings.ContainsAny(p, "\\\x00") {
		return fmt.Errorf("%w %q", errPath, p)
	}
	return nil
}

// List returns the first version of every object below prefix, page by page from the server.
func (s *Store) List(ctx context.Context, prefix string) ([]archive.Object, error) {
	list, err := s.list(ctx, prefix)
	if err != nil {
		return nil, s.explain("listing", prefix, err)
	}
	for _, o := range list {
		s.setPin(o.Path, pin{o.Version, o.Size})
	}
	return list, nil
}

// history is what a listing says about one key.
type history struct {
	first            archive.Object
	latest           bool // nothing stands over first
	versions, marker int
}

func (s *Store) list(ctx context.Context, prefix string) ([]archive.Object, error) {
	ctx, stop := context.WithCancel(ctx) // or an early return would leave the lister running
	defer stop()
	found := map[string]*history{}
	opts := minio.ListObjectsOptions{Prefix: s.key(prefix), Recursive: true, WithVersions: true}
	for o := range s.client.Client.ListObjects(ctx, s.bucket, opts) {
		if o.Err != nil {
			return nil, o.Err
		}
		name, ok := strings.CutPrefix(o.Key, s.prefix)
		if !ok || strings.HasSuffix(name, "/") {
			continue // the server's own folders
		}
		h := found[name]
		if h == nil {
			h = &history{}
			found[name] = h
		}
		if o.IsDeleteMarker {
			h.marker++
			continue
		}
		// Versions come newest first, so that the last one is the first that was written.
		h.versions++
		h.first, h.latest = archive.Object{Path: name, Size: o.Size, Version: o.VersionID}, o.IsLatest
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var list []archive.Object
	for _, h := range found {
		if h.versions == 0 {
			continue // a delete marker over nothing
		}
		if !h.latest {
			h.first.Hidden = h.over()
		}
		list = append(list, h.first)
	}
	slices.SortFunc(list, func(a, b archive.Object) int { return strings.Compare(a.Path, b.Path) })
	return list, nil
}

// over says what stands over the first version.
func (h *history) over() string {
	switch h.versions {
	case 1:
		return "a delete marker stands over it"
	case 2:
		return "a later version stands over it"
	}
	return fmt.Sprintf("%d later versions stand over it", h.versions-1)
}

// first returns the first version of one object.
func (s *Store) first(ctx context.Context, path string) (archive.Object, error) {
	list, err := s.list(ctx, path)
	if err != nil {
		return archive.Object{}, s.explain("looking for", path, err)
	}
	i := slices.IndexFunc(list, func(o archive.Object) bool { return o.Path == path })
	if i < 0 {
		return archive.Object{}, fmt.Errorf("%w in %s", fs.ErrNotExist, s.name)
	}
	s.setPin(path, pin{list[i].Version, list[i].Size})
	return list[i], nil
}

// pinOf returns the first version's id and size, from memory where it was seen before.
func (s *Store) pinOf(ctx context.Context, path string) (pin, error) {
	if err := validatePath(path); err != nil {
		return pin{}, err
	}
	if p, ok := s.pinned(path); ok {
		return p, nil
	}
	o, err := s.first(ctx, path)
	return pin{o.Version, o.Size}, err
}

// Open opens the first version of an object. Its bytes are asked for when they are read.
func (s *Store) Open(ctx context.Context, path string) (archive.Blob, error) {
	p, err := s.pinOf(ctx, path)
	if err != nil {
		return nil, err
	}
	return s.blob(ctx, path, p), nil
}

func (s *Store) blob(ctx context.Context, path string, p pin) *blob {
	return &blob{ctx: ctx, store: s, path: path, pin: p}
}

// blob is one version of one object.
type blob struct {
	ctx   context.Context // of Open: io.ReaderAt has none
	store *Store
	path  string
	pin   pin

	mu    sync.Mutex
	lock  archive.Lock
	known bool
}

// Size is what the server said when it listed the version.
func (b *blob) Size() int64 { return b.pin.size }

// Close has nothing to free.
func (b *blob) Close() error { return nil }

// Lock returns what the answers to reads said.
func (b *blob) Lock() (archive.Lock, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.lock, b.known
}

// ReadAt reads a range with a request of its own.
func (b *blob) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, errors.New("reading before the beginning")
	}
	if off >= b.pin.size {
		return 0, io.EOF
	}
	short := int64(len(p)) > b.pin.size-off
	if short {
		p = p[:b.pin.size-off]
	}
	if len(p) == 0 {
		return 0, nil
	}
	n, err := io.ReadFull(&stream{blob: b, at: off, end: off + int64(len(p))}, p)
	if err == nil && short {
		err = io.EOF
	}
	return n, err
}

// Stream reads all of it with one request, and goes on with another where the connection breaks.
func (b *blob) Stream() (io.ReadCloser, error) {
	return &stream{blob: b, end: b.pin.size}, nil
}

// stream reads the bytes from at to end.
type stream struct {
	blob    *blob
	at, end int64
	body    io.ReadCloser
	broken  int
}

// Read reads on. A connection that breaks off is made anew, at the byte where it broke: it is a version's bytes, which
// do not change.
func (r *stream) Read(p []byte) (int, error) {
	for {
		if r.at >= r.end {
			return 0, io.EOF
		}
		if r.body == nil {
			body, err := r.blob.get(r.at, r.end)
			if err != nil {
				return 0, err
			}
			r.body = body
		}
		n, err := r.body.Read(p[:min(int64(len(p)), r.end-r.at)])
		r.at += int64(n)
		if n > 0 {
			r.broken = 0
		}
		if err != nil {
			r.body.Close()
			r.body = nil
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			if r.at < r.end && n == 0 {
				if r.broken++; r.broken >= attempts || !pause(r.blob.ctx, r.broken) {
					return 0, r.blob.store.explain("reading", r.blob.path, err)
				}
				continue
			}
		}
		return n, nil
	}
}

// Close ends the request.
func (r *stream) Close() error {
	if r.body != nil {
		return r.body.Close()
	}
	return nil
}

// get asks for a range.
func (b *blob) get(from, to int64) (io.ReadCloser, error) {
	opts := minio.GetObjectOptions{VersionID: b.pin.version}
	if from > 0 || to < b.pin.size {
		if err := opts.SetRange(from, to-1); err != nil {
			return nil, fmt.Errorf("reading %s: %w", b.path, err)
		}
	}
	body, _, header, err := b.store.client.GetObject(b.ctx, b.store.bucket, b.store.key(b.path), opts)
	if err != nil {
		return nil, b.store.explain("reading", b.path, err)
	}
	lock, known := lockOf(header)
	b.mu.Lock()
	b.lock, b.known = lock, known
	b.mu.Unlock()
	return body, nil
}

// lockOf reads a lock from an answer. An answer without one says nothing: S3 leaves it out also where the credentials
// may not know.
func lockOf(h http.Header) (archive.Lock, bool) {
	l := archive.Lock{Mode: h.Get("X-Amz-Object-Lock-Mode"), Hold: h.Get("X-Amz-Object-Lock-Legal-Hold") == "ON"}
	if l.Mode == "" {
		return l, l.Hold
	}
	until, err := time.Parse(time.RFC3339, h.Get("X-Amz-Object-Lock-Retain-Until-Date"))
	l.Until = until
	return l, err == nil
}
