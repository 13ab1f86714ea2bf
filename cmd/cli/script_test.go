package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/ward-health/ward/internal/wardtest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"ward": func() { os.Exit(guarded(os.Args[1:])) }})
}

// exitLeak is what a command ends with that wrote a secret.
const exitLeak = 99

// secret is what no output may hold, whoever asks: a token of ward's, a private key. Passwords and refresh tokens are
// looked for by value.
var secret = regexp.MustCompile(`eyJ[A-Za-z0-9_-]{20,}\.|PRIVATE\+KEY\+[^ ]+\+[0-9a-f]{8}\+`)

// guarded runs a command and looks through everything that it writes for secrets, before and after it.
func guarded(args []string) int {
	var written bytes.Buffer
	env := System()
	env.Out, env.Err = io.MultiWriter(env.Out, &written), io.MultiWriter(env.Err, &written)
	hidden := append(storedSecrets(), wardtest.Password)
	code := Main(args, env)
	for _, s := range append(hidden, storedSecrets()...) {
		if strings.Contains(written.String(), s) {
			fmt.Fprintln(os.Stderr, "a password or token was written")
			return exitLeak
		}
	}
	if secret.Match(written.Bytes()) {
		fmt.Fprintln(os.Stderr, "something that looks like a token or a private key was written")
		return exitLeak
	}
	return code
}

// storedSecrets are the values in the token file, whatever else is wrong with it.
func storedSecrets() []string {
	b, err := os.ReadFile(os.Getenv("WARD_TOKEN_FILE"))
	if err != nil {
		return nil
	}
	var found []string
	for _, m := range regexp.MustCompile(`"(?:access|refresh)_token": "([^"]{8,})"`).FindAllSubmatch(b, -1) {
		found = append(found, string(m[1]))
	}
	return found
}

// TestScripts runs every script of testdata against an installation of its own. README.md there lists the commands and
// variables they have.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) < 8 {
		t.Fatalf("%d scripts, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			s := newScene(t)
			testscript.Run(t, testscript.Params{
				Files: []string{file}, RequireExplicitExec: false,
				Setup: func(env *testscript.Env) error { return s.setup(env) },
				Cmds: map[string]func(*testscript.TestScript, bool, []string){
					"exits": exits, "as": as, "jsonl": jsonl, "oneline": oneLineOnly, "tamper": s.tamper, "sql": s.sql,
					"ship": func(*testscript.TestScript, bool, []string) { s.ship() },
				},
			})
		})
	}
}

// setup gives a script its variables.
func (s *scene) setup(env *testscript.Env) error {
	vars := s.vars("nobody")
	vars["HOME"] = env.WorkDir
	vars["XDG_STATE_HOME"], vars["XDG_CONFIG_HOME"] = filepath.Join(env.WorkDir, ".state"),
		filepath.Join(env.WorkDir, ".config")
	vars["WARD_TOKEN_FILE"] = filepath.Join(env.WorkDir, "tokens.json")
	// else each of some hundred commands sleeps before it ends, under the race detector
	vars["GORACE"] = "atexit_sleep_ms=0"
	vars["WARD_DATA"] = filepath.Join(env.WorkDir, "no-demo")
	maps.Copy(vars, map[string]string{
		"WARD_KEY_NAME": databaseKey(s), "SUPERUSER": s.DB.Superuser(), "SIGNING_KEY": s.signingKey(),
		"CEDAR": s.TenantID("cedar").String(), "PASSWORD": wardtest.Password, "SHIPPED": s.shipped(),
		"ABOUT_CARLA": s.anomaly("cedar", "carla", "A"), "ABOUT_HUGO": s.anomaly("harbor", "hugo", "B"),
		"TODAY": time.Now().UTC().Format(time.DateOnly), "YEAR": time.Now().UTC().Format("2006"),
		"FRANK": s.userID("frank"), "FRANK_CEDAR": s.membership("cedar", "frank"),
		"CARLA_CEDAR": s.membership("cedar", "carla"),
	})
	for k, v := range vars {
		env.Setenv(k, v)
	}
	return nil
}

// databaseKey is what the token file knows a scene's database by.
func databaseKey(s *scene) string {
	name, err := databaseName(s.DB.DSN("ward_reviewer"))
	s.must(err)
	return name
}

// exits CODE COMMAND...: runs a command and requires its exit code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	code := 0
	var failed *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &failed) {
		code = failed.ExitCode()
	} else {
		ts.Check(err)
	}
	if code != want {
		ts.Fatalf("exit %d, want %d", code, want)
	}
}

// as USER: from here on the script is this user, signed in by password the first time.
func as(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: as USER")
	}
	file := filepath.Join(ts.Getenv("WORK"), args[0]+".tokens")
	ts.Setenv("WARD_TOKEN_FILE", file)
	if _, err := os.Stat(file); err == nil {
		return
	}
	cmd := exec.Command("ward", "login", args[0])
	cmd.Path = filepath.Join(strings.Split(ts.Getenv("PATH"), ":")[0], "ward")
	cmd.Stdin = strings.NewReader(wardtest.Password + "\n")
	for _, k := range []string{"WARD_DATABASE_URL", "WARD_CONFIG", "WARD_TOKEN_FILE", "HOME", "PATH"} {
		cmd.Env = append(cmd.Env, k+"="+ts.Getenv(k))
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		ts.Fatalf("sign in %s: %v\n%s", args[0], err, out)
	}
}

// jsonl stdout|stderr COUNT [FIELD...]: that many lines, each a JSON object that has the fields.
func jsonl(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: jsonl stdout|stderr COUNT FIELD...")
	}
	want, err := strconv.Atoi(args[1])
	ts.Check(err)
	lines := strings.Split(strings.TrimRight(ts.ReadFile(args[0]), "\n"), "\n")
	if len(lines) != want {
		ts.Fatalf("%d lines, want %d", len(lines), want)
	}
	for _, l := range lines {
		var object map[string]any
		ts.Check(json.Unmarshal([]byte(l), &object))
		for _, field := range args[2:] {
			if _, ok := object[field]; !ok {
				ts.Fatalf("no field %q in %s", field, l)
			}
		}
	}
}

// oneline TEXT: standard error is one line, begins with "ward: " and has the text; standard output is empty.
func oneLineOnly(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: oneline TEXT")
	}
	out, errs := ts.ReadFile("stdout"), ts.ReadFile("stderr")
	errs = strings.TrimPrefix(errs, "Password for "+ts.Getenv("PROMPTED")+": (from standard input)\n")
	if out != "" || strings.Count(errs, "\n") != 1 || !strings.HasPrefix(errs, "ward: ") ||
		!strings.Contains(errs, args[0]) {
		ts.Fatalf("standard output %q, standard error %q: want nothing and one line with %q", out, errs, args[0])
	}
}

// sql STATEMENT: as superuser.
func (s *scene) sql(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: sql STATEMENT")
	}
	_, err := s.Super.Exec(s.t.Context(), args[0])
	ts.Check(err)
}
