// Package needs skips a test whose program is not installed, in one line that says which program and how to install
// it. `go test ./...` has to pass where only Go, PostgreSQL and the POSIX utilities are; .ci/run installs every program
// and fails where a test is skipped. TestEveryProgramIsDeclared holds that no test runs a program past this package.
//
// `go test` prints nothing about a skipped test unless -v is given. `go run ./internal/needs/gotest ./...` runs the
// same tests and names at the end what was missing.
package needs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Missing says that something outside this repository is not on this machine.
type Missing struct {
	What string // the program
	How  string // how to install it
}

// prefix begins the reason of a skip; gotest looks for it.
const prefix = "needs "

func (m *Missing) Error() string { return prefix + m.What + ", which is not installed here: " + m.How }

// programs are all that tests run beside Go, PostgreSQL's server and the POSIX utilities.
var programs = map[string]string{
	"dbus-daemon":          "apt install dbus-daemon",
	"dbus-send":            "apt install dbus-bin",
	"g++":                  "apt install g++ (macOS: xcode-select --install)",
	"gcc":                  "apt install gcc libc6-dev (macOS: xcode-select --install)",
	"gnome-keyring-daemon": "apt install gnome-keyring",
	"npm":                  "apt install npm (macOS: brew install node)",
	"pgbouncer":            "apt install pgbouncer (macOS: brew install pgbouncer)",
	"tmux":                 "apt install tmux (macOS: brew install tmux)",
}

// Program is the file of a program of the list above. The test is skipped where it is not installed.
func Program(t testing.TB, name string) string {
	t.Helper()
	file, err := find(name)
	return Given(t, file, err)
}

// find looks in PATH and where Debian puts servers, which is not in an ordinary user's PATH.
func find(name string) (string, error) {
	how, ok := programs[name]
	if !ok {
		return "", fmt.Errorf("%s is not listed in internal/needs", name)
	}
	for _, candidate := range []string{name, filepath.Join("/usr/sbin", name), filepath.Join("/usr/local/sbin", name)} {
		if file, err := exec.LookPath(candidate); err == nil {
			return file, nil
		}
	}
	return "", &Missing{What: name, How: how}
}

// Library is the file of libfaketime, which a test preloads into a server. The test is skipped where it is not
// installed.
func Library(t testing.TB) string {
	t.Helper()
	files, err := filepath.Glob("/usr/lib/*/faketime/libfaketime.so.1")
	if err == nil && len(files) == 0 {
		return Given(t, "", &Missing{What: "libfaketime", How: "apt install libfaketime"})
	}
	return Given(t, files[0], err)
}

// HasClient says whether the PostgreSQL installation in dir has a client program. It is for a test that is worth
// running without, on that version of the server.
func HasClient(dir, name string) bool {
	_, err := os.Stat(filepath.Join(dir, name))
	return err == nil
}

// Client is the file of a client program of the PostgreSQL installation in dir, such as psql. A package of the server
// alone has none; then the test is skipped.
func Client(t testing.TB, dir, name string) string {
	t.Helper()
	file := filepath.Join(dir, name)
	_, err := os.Stat(file)
	if errors.Is(err, os.ErrNotExist) {
		err = &Missing{What: name, How: "PostgreSQL in " + dir + " is the server alone; apt install postgresql " +
			"(macOS: brew install postgresql@17), or set WARD_PG_BIN to an installation that has " + name}
	}
	return Given(t, file, err)
}

// Given passes a value on that something needed gave. The test is skipped if that was missing, and fails at any other
// error.
func Given[T any](t testing.TB, value T, err error) T {
	t.Helper()
	if missing := (*Missing)(nil); errors.As(err, &missing) {
		t.Skip(missing)
	}
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// Build runs a go command that builds a program of another module. Where it fails and the module proxy does not answer
// a question about module, which the build needs, the error is a *Missing.
func Build(ctx context.Context, cmd *exec.Cmd, module string) error {
	out, err := cmd.CombinedOutput()
	if err == nil {
		return nil
	}
	ask := exec.CommandContext(ctx, "go", "list", "-m", module+"@latest")
	ask.Dir, ask.Env = os.TempDir(), append(os.Environ(), "GOFLAGS=-mod=mod")
	if ask.Run() != nil {
		return &Missing{What: module, How: "the Go module proxy is not reached; run the test once where it is, " +
			"and Go's cache keeps the module"}
	}
	return fmt.Errorf("%s: %w: %s", cmd, err, out)
}
