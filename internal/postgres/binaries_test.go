package postgres_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ward-health/ward/internal/postgres"
)

// fakeInstallation makes programs that only tell a version.
func fakeInstallation(t *testing.T, version string, programs ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, p := range programs {
		script := "#!/bin/sh\necho '" + p + " (PostgreSQL) " + version + "'\n"
		if err := os.WriteFile(filepath.Join(dir, p), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestFindBinaries(t *testing.T) {
	bin, err := postgres.FindBinaries(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if bin.Major < postgres.MinimumMajor || !strings.HasPrefix(bin.Version, "1") {
		t.Errorf("found %+v", bin)
	}
	if _, err := os.Stat(bin.Path("initdb")); err != nil {
		t.Error(err)
	}
}

func TestFindBinariesFollowsLinksInPATH(t *testing.T) {
	real := fakeInstallation(t, "99.1", "postgres", "initdb", "pg_ctl")
	links := t.TempDir()
	if err := os.Symlink(filepath.Join(real, "postgres"), filepath.Join(links, "postgres")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", links+":"+os.Getenv("PATH"))
	t.Setenv("WARD_PG_BIN", "")
	bin, err := postgres.FindBinaries(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if bin.Dir != real || bin.Major != 99 || bin.Version != "99.1" {
		t.Errorf("found %+v, want 99.1 in %s", bin, real)
	}
}

func TestNotFoundSaysWhatToDo(t *testing.T) {
	all := []string{"postgres", "initdb", "pg_ctl"}
	for name, c := range map[string]struct {
		dir  string
		want string
	}{
		"empty":      {t.TempDir(), "searched WARD_PG_BIN="},
		"old":        {fakeInstallation(t, "14.11", all...), "PostgreSQL 14.11 is older than 15"},
		"incomplete": {fakeInstallation(t, "17.2", "postgres", "pg_ctl"), "has no initdb beside postgres"},
		"unreadable": {fakeInstallation(t, "devel", all...), `says "postgres (PostgreSQL) devel"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("WARD_PG_BIN", c.dir)
			_, err := postgres.FindBinaries(t.Context())
			if notFound := (*postgres.NotFoundError)(nil); !errors.As(err, &notFound) {
				t.Fatalf("got %v, want a NotFoundError", err)
			}
			for _, want := range []string{c.want, "apt install postgresql", "brew install postgresql@17",
				"WARD_PG_BIN"} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error lacks %q:\n%v", want, err)
				}
			}
		})
	}
}
