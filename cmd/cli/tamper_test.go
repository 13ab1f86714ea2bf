package cli

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/mod/sumdb/note"

	"github.com/ward-health/ward/archive"
	"github.com/ward-health/ward/internal/wardtest"
)

// tamperings are what somebody who can write to a store might do to it. Each returns the path of what it touched, as
// ward names it.
var tamperings = map[string]func(t testing.TB, dir string) string{
	"flip": func(t testing.TB, dir string) string { // one bit in the middle of a part
		file := only(t, dir, "part-000001.parquet")
		b := read(t, file)
		b[len(b)/2] ^= 1
		write(t, file, b)
		return name(dir, file)
	},
	"rewrite": func(t testing.TB, dir string) string { // another outcome in the first row, in a file that is well made
		file := only(t, dir, "part-000001.parquet")
		rows, err := parquet.ReadFile[archive.Row](file)
		check(t, err)
		rows[0].Outcome = "denied"
		var buf bytes.Buffer
		w := parquet.NewGenericWriter[archive.Row](&buf, parquet.Compression(&parquet.Zstd))
		_, err = w.Write(rows)
		check(t, err)
		check(t, w.Close())
		write(t, file, buf.Bytes())
		return name(dir, file)
	},
	"remove": func(t testing.TB, dir string) string {
		file := only(t, dir, "part-000001.parquet")
		check(t, os.Remove(file))
		return name(dir, file)
	},
	"manifest": func(t testing.TB, dir string) string {
		file := only(t, dir, "part-000001.manifest.json")
		write(t, file, []byte(strings.Replace(string(read(t, file)), `"rows":`, `"rows":1`, 1)))
		return strings.TrimSuffix(name(dir, file), ".manifest.json") // the part is what is named
	},
	"swap": func(t testing.TB, dir string) string { // a part in another one's place
		first, second := only(t, dir, "part-000001.parquet"), only(t, dir, "part-000002.parquet")
		b := read(t, second)
		write(t, first, b)
		return name(dir, first)
	},
	"resign": func(t testing.TB, dir string) string { // the newest head, signed with a key of the attacker's
		heads, err := filepath.Glob(filepath.Join(dir, "v1", "region=*", "checkpoints", "*"))
		check(t, err)
		file := heads[len(heads)-1]
		text, _, _ := strings.Cut(string(read(t, file)), "\n\n")
		key, _, err := archive.GenerateKey("ward-test")
		check(t, err)
		other, err := note.NewSigner(key)
		check(t, err)
		signed, err := note.Sign(&note.Note{Text: text + "\n"}, other)
		check(t, err)
		write(t, file, signed)
		return name(dir, file)
	},
	// the newest part and the head that names it: nothing in the store is wrong then, only short
	"cut": func(t testing.TB, dir string) string {
		for _, pattern := range []string{"month=*/part-000002.*", "checkpoints/000000000002"} {
			files, err := filepath.Glob(filepath.Join(dir, "v1", "region=*", pattern))
			if err != nil || len(files) == 0 {
				t.Fatalf("%d files %s, %v", len(files), pattern, err)
			}
			for _, f := range files {
				check(t, os.Remove(f))
			}
		}
		return ""
	},
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func name(dir, file string) string { return strings.TrimPrefix(file, dir+"/") }

func only(t testing.TB, dir, base string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "v1", "region=*", "month=*", base))
	if err != nil || len(files) != 1 {
		t.Fatalf("%d files %s, %v", len(files), base, err)
	}
	return files[0]
}

func read(t testing.TB, file string) []byte {
	t.Helper()
	b, err := os.ReadFile(file)
	check(t, err)
	return b
}

func write(t testing.TB, file string, b []byte) {
	t.Helper()
	check(t, os.Remove(file))
	check(t, os.WriteFile(file, b, 0o444))
}

// tamper KIND DIR: does it, and puts the path of what was touched into $TOUCHED.
func (s *scene) tamper(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 || tamperings[args[0]] == nil {
		ts.Fatalf("usage: tamper KIND DIR")
	}
	ts.Setenv("TOUCHED", tamperings[args[0]](s.t, ts.MkAbs(args[1])))
}

// Ctrl-C ends a verification and a wait with 130, and leaves nothing half-done.
func TestInterrupted(t *testing.T) {
	s := newScene(t)
	report := filepath.Join(s.dir, "report.json")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	got := s.ward(ctx, "dana", "", "archive", "verify", "--offline", "--report", report)
	if got.code != exitInterrupted || got.out != "" || got.errors != "ward: interrupted\n" {
		t.Errorf("verify: %s", got)
	}
	if _, err := os.Lstat(report); err == nil {
		t.Error("an interrupted verification left a report")
	}
	s.signIn("dana")
	ctx, cancel = context.WithCancel(t.Context())
	ended := make(chan outcome, 1)
	go func() { ended <- s.ward(ctx, "dana", "", "rule", "run", "A02") }()
	for wardtest.One[int](s.Env, "select count(*) from river.river_job where kind = 'rule_run'") == 0 {
		select {
		case got := <-ended:
			t.Fatalf("rule run did not wait: %s", got)
		case <-time.After(10 * time.Millisecond):
		}
	}
	cancel()
	if got := <-ended; got.code != exitInterrupted || got.out != "" ||
		!strings.HasSuffix(got.errors, "ward: interrupted\n") {
		t.Errorf("rule run: %s", got)
	}
}

// full is a disk without room.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, os.ErrInvalid }

// A result that could not be written is no success.
func TestOutputThatCannotBeWritten(t *testing.T) {
	s := newScene(t)
	s.signIn("dana")
	s.anomaly("cedar", "carla", "A")
	vars := s.vars("dana")
	for _, args := range [][]string{{"whoami"}, {"queue", "list"}, {"queue", "list", "--json"},
		{"audit", "export", "cedar", "--reason", "full disk"}, {"version"}} {
		var errs strings.Builder
		env := &Env{In: strings.NewReader(""), Out: full{}, Err: &errs,
			Getenv: func(k string) string { return vars[k] }, Now: time.Now, Terminal: func() bool { return false }}
		if code := run(t.Context(), args, env); code != exitFailed || !strings.Contains(errs.String(), "write") {
			t.Errorf("ward %s: exit %d, %q", strings.Join(args, " "), code, errs.String())
		}
	}
}
