package archive

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// tempPrefix marks files that a crash may leave behind; they are no objects.
const tempPrefix = ".ward-tmp-"

// dirStore keeps objects as read-only files below a directory, which no symbolic link can leave. The file system cannot
// hold a retention: who owns the directory can delete.
type dirStore struct {
	root *os.Root
	name string
}

// OpenDir opens the archive in a local directory, which must exist, so that a misspelt path is not an empty archive.
func OpenDir(dir string) (Store, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("opening archive %s: %w", dir, err)
	}
	root, err := os.OpenRoot(abs)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("opening archive: no directory %s: make it, or correct the store: %w", abs,
			fs.ErrNotExist)
	}
	if err != nil {
		return nil, fmt.Errorf("opening archive %s: %w", dir, err)
	}
	return &dirStore{root: root, name: abs}, nil
}

// CreateDir opens the archive in a local directory and makes the directory where there is none.
func CreateDir(dir string) (Store, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("creating archive %s: %w", dir, err)
	}
	return OpenDir(dir)
}

// String returns "dir:" and the absolute path.
func (d *dirStore) String() string { return "dir:" + d.name }

// Put writes a temporary file, flushes it and links it to its name, which fails where the name is taken.
func (d *dirStore) Put(ctx context.Context, name string, data io.Reader, size int64, _ time.Time) error {
	if err := validateStorePath(name); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if _, err := d.root.Lstat(name); err == nil {
		return ErrExists
	}
	folder := path.Dir(name)
	if err := d.makeFolders(folder); err != nil {
		return err
	}
	temp := path.Join(folder, tempPrefix+rand.Text())
	defer func() { _ = d.root.Remove(temp) }() // gone already where the link was made
	if err := d.writeFile(ctx, temp, data, size); err != nil {
		return err
	}
	if err := d.root.Link(temp, name); errors.Is(err, fs.ErrExist) {
		return ErrExists
	} else if err != nil {
		return err
	}
	return d.sync(folder)
}

// makeFolders makes folder and what is above it, each flushed into its parent.
func (d *dirStore) makeFolders(folder string) error {
	if folder == "." {
		return nil
	}
	if _, err := d.root.Stat(folder); err == nil {
		return nil
	}
	if err := d.makeFolders(path.Dir(folder)); err != nil {
		return err
	}
	if err := d.root.Mkdir(folder, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return d.sync(path.Dir(folder))
}

func (d *dirStore) writeFile(ctx context.Context, name string, data io.Reader, size int64) (err error) {
	f, err := d.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o444)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := f.Close(); err == nil {
			err = cerr
		}
	}()
	n, err := io.Copy(f, readerWithContext{ctx, data})
	if err != nil {
		return err
	}
	if n != size {
		return fmt.Errorf("got %d bytes of %d", n, size)
	}
	return f.Sync()
}

func (d *dirStore) sync(folder string) error {
	f, err := d.root.Open(folder)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// Open opens a regular file.
func (d *dirStore) Open(ctx context.Context, name string) (Blob, error) {
	if err := validateStorePath(name); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f, err := d.root.Open(name)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a regular file", name)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return &fileBlob{f, info.Size()}, nil
}

// List walks the folder that prefix names.
func (d *dirStore) List(ctx context.Context, prefix string) ([]Object, error) {
	start := strings.TrimSuffix(prefix, "/")
	if !strings.HasSuffix(prefix, "/") {
		start = path.Dir(prefix)
	}
	if start == "" {
		start = "."
	}
	var list []Object
	err := fs.WalkDir(d.root.FS(), start, func(p string, e fs.DirEntry, err error) error {
		if err != nil {
			if p == start && errors.Is(err, fs.ErrNotExist) {
				return fs.SkipAll
			}
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if e.IsDir() || strings.HasPrefix(e.Name(), tempPrefix) || !strings.HasPrefix(p, prefix) {
			return nil
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		list = append(list, Object{Path: p, Size: info.Size()})
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("listing %s: %w", prefix, err)
	}
	slices.SortFunc(list, func(a, b Object) int { return strings.Compare(a.Path, b.Path) })
	return list, nil
}

type fileBlob struct {
	*os.File
	size int64
}

func (b *fileBlob) Size() int64 { return b.size }

// readerWithContext makes a long copy stop when ctx does.
type readerWithContext struct {
	ctx context.Context
	r   io.Reader
}

func (r readerWithContext) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}
