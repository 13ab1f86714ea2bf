package postgres_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ward-health/ward/internal/postgres"
	"github.com/ward-health/ward/internal/postgres/pgtest"
)

func TestDefaultDataDir(t *testing.T) {
	open := pgtest.DataDir(t)
	closed := filepath.Join(open, "closed")
	if err := os.Mkdir(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	root := os.Getuid() == 0
	whereClosed := filepath.Join(closed, "share", "ward")
	if root {
		whereClosed = "/var/lib/ward"
	}
	for name, c := range map[string]struct {
		ward, xdg, home string
		want            string
	}{
		"WARD_DATA first":        {ward: open + "/mine", xdg: open, want: open + "/mine"},
		"XDG_DATA_HOME":          {xdg: open, want: open + "/ward"},
		"relative XDG_DATA_HOME": {xdg: "share", home: open, want: open + "/.local/share/ward"},
		"home":                   {home: open, want: open + "/.local/share/ward"},
		"closed XDG_DATA_HOME":   {xdg: closed + "/share", want: whereClosed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("WARD_DATA", c.ward)
			t.Setenv("XDG_DATA_HOME", c.xdg)
			t.Setenv("HOME", c.home)
			got, err := postgres.DefaultDataDir()
			if err != nil || got != c.want {
				t.Errorf("got %q, %v; want %q", got, err, c.want)
			}
		})
	}
	t.Run("closed WARD_DATA", func(t *testing.T) {
		t.Setenv("WARD_DATA", closed+"/ward")
		got, err := postgres.DefaultDataDir()
		if !root {
			if err != nil || got != closed+"/ward" {
				t.Errorf("got %q, %v", got, err)
			}
			return
		}
		if err == nil || !strings.Contains(err.Error(), "may not enter "+closed) ||
			!strings.Contains(err.Error(), "chmod a+x "+closed) {
			t.Errorf("got %q, %v; want an error that says what to do", got, err)
		}
	})
}
