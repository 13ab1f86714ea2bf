package main_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/parquet-go/parquet-go"

	"github.com/ward-health/ward/archive"
	"github.com/ward-health/ward/internal/wardtest"
	"github.com/ward-health/ward/tenancy"
)

// world is one installation with something to find: a database, an archive, a running worker, and the built program.
type world struct {
	*wardtest.Env
	t       *testing.T
	program string
	dir     string
	key     string // public
}

// patience bounds every wait for a condition.
const patience = 40 * time.Second

func newWorld(t *testing.T) *world {
	w := &world{Env: wardtest.New(t), t: t, dir: t.TempDir()}
	w.program = filepath.Join(w.dir, "ward")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", w.program, ".").CombinedOutput(); err != nil {
		t.Fatalf("build ward: %v\n%s", err, out)
	}
	if err := os.Mkdir(filepath.Join(w.dir, "archive"), 0o755); err != nil {
		t.Fatal(err)
	}
	w.key = strings.TrimSpace(w.ward("root", "", "archive", "keygen", "ward-test", filepath.Join(w.dir, "log.key")))
	for _, who := range []string{"dana", "eli"} {
		w.ward(who, wardtest.Password+"\n", "login", who)
	}
	w.startWorker()
	return w
}

// environ is the environment of one person: their own token file, the same installation. The clock of the machine
// decides nothing but labels.
func (w *world) environ(who string) []string {
	return append(os.Environ(), "WARD_DATABASE_URL="+w.DB.DSN("ward_reviewer"),
		"WARD_WORKER_DATABASE_URL="+w.DB.DSN("ward_worker"), "WARD_STORE="+filepath.Join(w.dir, "archive"),
		"WARD_SIGNING_KEY="+filepath.Join(w.dir, "log.key"), "WARD_VERIFY_KEY="+w.key,
		"WARD_TOKEN_FILE="+filepath.Join(w.dir, who+".tokens"),
		"XDG_STATE_HOME="+filepath.Join(w.dir, who+".state"), "XDG_CONFIG_HOME="+filepath.Join(w.dir, who+".config"),
		"WARD_CONFIG=", "LC_ALL=C.UTF-8", "NO_COLOR=1")
}

// ward runs one command as somebody and returns its output.
func (w *world) ward(who, input string, args ...string) string {
	w.t.Helper()
	cmd := exec.CommandContext(w.t.Context(), w.program, args...)
	cmd.Env, cmd.Dir, cmd.Stdin = w.environ(who), w.dir, strings.NewReader(input)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		w.t.Fatalf("ward %s: %v\n%s", strings.Join(args, " "), err, errs.String())
	}
	return out.String()
}

func (w *world) startWorker() {
	log, err := os.Create(filepath.Join(w.dir, "worker.log"))
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, w.program, "worker")
	cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr = w.environ("worker"), w.dir, log, log
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		cancel()
		_ = cmd.Wait() // ended by us
		_ = log.Close()
		if w.t.Failed() {
			b, err := os.ReadFile(log.Name())
			w.t.Logf("worker said (%v):\n%s", err, b)
		}
	})
}

// misbehave makes one tier A anomaly: casey of cedar asks for a record of harbor.
func (w *world) misbehave() {
	w.t.Helper()
	theirs := w.Patient(w.App("hugo", "harbor"), "harbor", "Canary")
	casey := w.App("casey", "cedar")
	ask := tenancy.Ask{Table: "public.patients", IDs: []uuid.UUID{theirs}, Purpose: "treatment"}
	n := -1
	if err := casey.Read(w.t.Context(), ask, tenancy.Do("select count(*) from phi.patients").Scan(&n)); err != nil ||
		n != 0 {
		w.t.Fatalf("%d records of another clinic, %v", n, err)
	}
}

// awaitAnomaly waits until the worker has put it into the queue.
func (w *world) awaitAnomaly(rule string) string {
	w.t.Helper()
	var id string
	await(w.t, "an anomaly of "+rule, func() bool {
		w.ward("dana", "", "rule", "run", rule) // as a reviewer may who does not want to wait for the schedule
		for _, line := range strings.Split(w.ward("dana", "", "queue", "list", "--json"), "\n") {
			var a struct {
				ID     string `json:"id"`
				RuleID string `json:"rule_id"`
			}
			if json.Unmarshal([]byte(line), &a) == nil && strings.HasPrefix(a.RuleID, rule) {
				id = a.ID
			}
		}
		return id != ""
	})
	return id
}

func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// terminal is a real one: tmux, with ward in it.
type terminal struct {
	t      *testing.T
	socket string
}

func (w *world) terminal(who string, columns, rows int) *terminal {
	w.t.Helper()
	x := &terminal{t: w.t, socket: filepath.Join(w.dir, fmt.Sprintf("tmux-%s-%d", who, columns))}
	cmd := exec.CommandContext(w.t.Context(), "tmux", "-S", x.socket, "-f", "/dev/null", "new-session", "-d", "-x",
		fmt.Sprint(columns), "-y", fmt.Sprint(rows), w.program+"; echo exit status $?; exec cat")
	cmd.Env, cmd.Dir = w.environ(who), w.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		w.t.Fatalf("start tmux (apt install tmux): %v\n%s", err, out)
	}
	w.t.Cleanup(func() { _ = exec.Command("tmux", "-S", x.socket, "kill-server").Run() })
	return x
}

func (x *terminal) tmux(args ...string) string {
	x.t.Helper()
	out, err := exec.CommandContext(x.t.Context(), "tmux",
		append([]string{"-S", x.socket}, args...)...).CombinedOutput()
	if err != nil {
		x.t.Fatalf("tmux %v: %v\n%s", args, err, out)
	}
	return string(out)
}

func (x *terminal) screen() string { return x.tmux("capture-pane", "-p") }

// sees waits until the screen matches.
func (x *terminal) sees(pattern string) string {
	x.t.Helper()
	re := regexp.MustCompile(pattern)
	last := ""
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if last = x.screen(); re.MatchString(last) {
			return last
		}
	}
	x.t.Fatalf("the screen never showed %q:\n%s", pattern, last)
	return ""
}

func (x *terminal) keys(names ...string) {
	x.t.Helper()
	x.tmux(append([]string{"send-keys"}, names...)...)
}

func (x *terminal) types(text string) {
	x.t.Helper()
	x.tmux("send-keys", "-l", text)
}

// confirm goes from the last field past Cancel to the other button and presses it.
func (x *terminal) confirm(button string) {
	x.t.Helper()
	x.keys("Tab")
	x.sees(`▸ +Cancel`)
	x.keys("Tab")
	x.sees(`▸ +` + button)
	x.keys("Enter")
}

// The reviewers' whole job in a real terminal: claim, look at the evidence, close; approve as the second person; find
// one's own actions; verify; terminate.
func TestTheReviewersJob(t *testing.T) {
	w := newWorld(t)
	w.misbehave()
	anomaly := w.awaitAnomaly("A02-cross-tenant-denied")
	short := anomaly[:4]

	dana := w.terminal("dana", 120, 40)
	dana.sees(`dana surname · compliance officer`)
	dana.sees(`A02 cross-tenant`)
	dana.keys("c")
	dana.sees(`claimed ` + short)
	dana.keys("Enter")
	dana.sees(`(?s)EVIDENCE.*patients .*denied.*HISTORY`)
	dana.keys("Escape")
	dana.sees(`SEV +RULE`)
	dana.keys("x")
	dana.sees(`Close ` + short)
	dana.keys("Tab")
	dana.types("policy_viol")
	dana.sees(`policy_violation_no_breach`)
	dana.keys("Enter") // the disposition demands an exception and a sanction, so the form asks for both
	dana.types("not_ret")
	dana.sees(`▸ not retained`)
	dana.keys("Enter")
	dana.sees(`where the sanction or the training is on record`)
	dana.types("training of today, file 12")
	dana.keys("Enter")
	dana.types("a stale link of the portal; nothing was shown")
	dana.confirm("Close it")
	dana.sees(`closing of ` + short + `: now .*to approve`)
	// four eyes: the one who closed has no key to approve
	dana.keys("a")
	dana.sees(`q quit`)
	if s := dana.screen(); strings.Contains(s, "Approve "+short) {
		t.Fatalf("dana may approve her own closing:\n%s", s)
	}

	eli := w.terminal("eli", 80, 24)
	eli.sees(`A02 cross`)
	eli.keys("a")
	eli.sees(`Approve`)
	eli.keys("Tab")
	eli.types("evidence read, agreed")
	eli.confirm("Approve")
	await(t, "the anomaly to be closed", func() bool {
		return wardtest.One[string](w.Env, "select state from review.anomaly where id = $1", anomaly) == "closed"
	})
	if by := wardtest.One[string](w.Env, "select u.slug from review.anomaly a join tenancy.users u "+
		"on u.id = a.approved_by where a.id = $1", anomaly); by != "eli" {
		t.Fatalf("approved by %s", by)
	}

	// dana finds what she did herself
	dana.keys("2")
	dana.sees(`(?s)Clinic.*cedar clinic`)
	dana.types("cedar")
	dana.sees(`Clinic +cedar`)
	dana.keys("Enter")
	dana.types("looking at my own work")
	dana.confirm("Open")
	dana.sees(`RECORDED`)
	dana.keys("m")
	dana.sees(`actor:me`)
	dana.sees(`dana +close`)
	dana.sees(`dana +claim`)

	w.verifyAndTerminate(dana)

	dana.keys("q")
	dana.sees(`exit status 3`) // an INVALID archive was found
}

// breakAPart writes the first part anew, with another outcome in its first row.
func (w *world) breakAPart() {
	w.t.Helper()
	files, err := filepath.Glob(filepath.Join(w.dir, "archive", "v1", "region=*", "month=*", "part-*.parquet"))
	if err != nil || len(files) == 0 {
		w.t.Fatalf("no part: %v", err)
	}
	rows, err := parquet.ReadFile[archive.Row](files[0])
	if err != nil {
		w.t.Fatal(err)
	}
	rows[0].Outcome = "denied"
	var buf bytes.Buffer
	p := parquet.NewGenericWriter[archive.Row](&buf, parquet.Compression(&parquet.Zstd))
	if _, err = p.Write(rows); err == nil {
		err = p.Close()
	}
	if err = errors.Join(err, os.Remove(files[0])); err == nil {
		err = os.WriteFile(files[0], buf.Bytes(), 0o444)
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) verifyAndTerminate(dana *terminal) {
	w.t.Helper()
	w.ward("dana", "", "archive", "ship")
	await(w.t, "a part", func() bool { return strings.Contains(w.ward("dana", "", "archive", "list"), "us-west") })
	w.ward("dana", "", "archive", "verify") // what she saw on the command line counts on the screen
	dana.keys("3")
	dana.sees(`today [0-9:]+ dana`)
	dana.keys("V")
	dana.sees(`✓ valid: [0-9].* the log only grew since it was last seen`)
	w.breakAPart()
	dana.keys("V")
	dana.sees(`✕ INVALID`)
	dana.keys("j")
	dana.keys("d") // a process of the program's own parses it
	dana.sees(`✕ ROW_MODIFIED +part-[0-9]+.parquet +clinic [0-9a-f]+… +row #1 `)
	dana.keys("j")
	dana.keys("Enter")
	dana.sees(`(?s)Means.*Row +#1 of the clinic's chain.*Expected +[0-9a-f]{64}.*Found +[0-9a-f]{64}.*To do`)
	dana.keys("Escape")

	casey := w.App("casey", "cedar")
	user := wardtest.One[uuid.UUID](w.Env, "select id from tenancy.users where slug = 'casey'").String()
	dana.keys("4")
	dana.sees(`Casey|casey`)
	dana.keys("/")
	dana.types("casey")
	dana.keys("Enter")
	dana.sees(`(?m)^▸ cedar clinic +casey`)
	dana.keys("t")
	dana.sees(`Terminate membership`)
	dana.sees(`Type ` + user[:6])
	dana.keys("Enter") // Cancel has the focus
	dana.sees(`t terminate`)
	if wardtest.One[bool](w.Env, "select exists (select from tenancy.membership where terminated_at is not null)") {
		w.t.Fatal("Enter on a dialog that just opened terminated somebody")
	}
	dana.keys("t")
	dana.sees(`Type ` + user[:6])
	dana.keys("Tab")
	dana.types("left the practice")
	dana.keys("Tab")
	dana.keys("Tab")
	dana.types(user[:6])
	dana.confirm("Terminate")
	dana.sees(`terminated|sessions? ended`)
	tenant := wardtest.One[string](w.Env, "select t.slug from tenancy.membership m join tenancy.tenant t "+
		"on t.id = m.tenant_id where m.terminated_at is not null")
	if tenant != "cedar" {
		w.t.Fatalf("terminated at %s", tenant)
	}
	err := casey.Tx(w.t.Context(), uuid.Nil, func(tenancy.Tx) error { return nil })
	if refused := (*tenancy.RefusedError)(nil); !errors.As(err, &refused) {
		w.t.Fatalf("a session of the terminated membership: %v", err)
	}
}
