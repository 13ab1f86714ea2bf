package main_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/parquet-go/parquet-go"

	"github.com/ward-health/ward/archive"
	"github.com/ward-health/ward/internal/wardtest"
	"github.com/ward-health/ward/internal/wardtest/ptytest"
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
	await(w.t, "the worker to register "+rule, func() bool {
		return wardtest.One[bool](w.Env, "select exists (select from review.rule where id = $1)", rule)
	})
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

// terminal is one of the test's own, with ward in it.
func (w *world) terminal(who string, columns, rows int) *ptytest.Terminal {
	w.t.Helper()
	cmd := exec.CommandContext(w.t.Context(), w.program)
	cmd.Env, cmd.Dir = append(w.environ(who), "TERM=xterm-256color"), w.dir
	return ptytest.Start(w.t, cmd, columns, rows)
}

// confirm goes from the last field past Cancel to the other button and presses it.
func confirm(x *ptytest.Terminal, button string) {
	x.Keys("Tab")
	x.Sees(`▸ +Cancel`)
	x.Keys("Tab")
	x.Sees(`▸ +` + button)
	x.Keys("Enter")
}

// The reviewers' whole job in a real terminal: claim, look at the evidence, close; approve as the second person; find
// one's own actions; verify; terminate.
func TestTheReviewersJob(t *testing.T) {
	w := newWorld(t)
	w.misbehave()
	anomaly := w.awaitAnomaly("A02-cross-tenant-denied")
	short := anomaly[:4]

	dana := w.terminal("dana", 120, 40)
	dana.Sees(`dana surname · compliance officer`)
	dana.Sees(`A02 cross-tenant`)
	dana.Keys("c")
	dana.Sees(`claimed ` + short)
	dana.Keys("Enter")
	dana.Sees(`(?s)EVIDENCE.*patients .*denied.*HISTORY`)
	dana.Keys("Escape")
	dana.Sees(`SEV +RULE`)
	dana.Keys("x")
	dana.Sees(`Close ` + short)
	dana.Keys("Tab")
	dana.Types("policy_viol")
	dana.Sees(`policy_violation_no_breach`)
	dana.Keys("Enter") // the disposition demands an exception and a sanction, so the form asks for both
	dana.Types("not_ret")
	dana.Sees(`▸ not retained`)
	dana.Keys("Enter")
	dana.Sees(`where the sanction or the training is on record`)
	dana.Types("training of today, file 12")
	dana.Keys("Enter")
	dana.Types("a stale link of the portal; nothing was shown")
	confirm(dana, "Close it")
	dana.Sees(`closing of ` + short + `: now .*to approve`)
	// four eyes: the one who closed has no key to approve
	dana.Keys("a")
	dana.Sees(`q quit`)
	if s := dana.Screen(); strings.Contains(s, "Approve "+short) {
		t.Fatalf("dana may approve her own closing:\n%s", s)
	}

	eli := w.terminal("eli", 80, 24)
	eli.Sees(`A02 cross`)
	eli.Keys("a")
	eli.Sees(`Approve`)
	eli.Keys("Tab")
	eli.Types("evidence read, agreed")
	confirm(eli, "Approve")
	await(t, "the anomaly to be closed", func() bool {
		return wardtest.One[string](w.Env, "select state from review.anomaly where id = $1", anomaly) == "closed"
	})
	if by := wardtest.One[string](w.Env, "select u.slug from review.anomaly a join tenancy.users u "+
		"on u.id = a.approved_by where a.id = $1", anomaly); by != "eli" {
		t.Fatalf("approved by %s", by)
	}

	// dana finds what she did herself
	dana.Keys("2")
	dana.Sees(`(?s)Clinic.*cedar clinic`)
	dana.Types("cedar")
	dana.Sees(`Clinic +cedar`)
	dana.Keys("Enter")
	dana.Types("looking at my own work")
	confirm(dana, "Open")
	dana.Sees(`RECORDED`)
	dana.Keys("m")
	dana.Sees(`actor:me`)
	dana.Sees(`dana +close`)
	dana.Sees(`dana +claim`)

	w.verifyAndTerminate(dana)

	dana.Keys("q")
	dana.Sees(`exit status 3`) // an INVALID archive was found
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

func (w *world) verifyAndTerminate(dana *ptytest.Terminal) {
	w.t.Helper()
	w.ward("dana", "", "archive", "ship")
	await(w.t, "a part", func() bool { return strings.Contains(w.ward("dana", "", "archive", "list"), "us-west") })
	w.ward("dana", "", "archive", "verify") // what she saw on the command line counts on the screen
	dana.Keys("3")
	dana.Sees(`today [0-9:]+ dana`)
	dana.Keys("V")
	dana.Sees(`✓ valid: [0-9].* the log only grew since it was last seen`)
	w.breakAPart()
	dana.Keys("V")
	dana.Sees(`✕ INVALID`)
	dana.Keys("j")
	dana.Keys("d") // a process of the program's own parses it
	dana.Sees(`✕ ROW_MODIFIED +part-[0-9]+.parquet +clinic [0-9a-f]+… +row #1 `)
	dana.Keys("j")
	dana.Keys("Enter")
	dana.Sees(`(?s)Means.*Row +#1 of the clinic's chain.*Expected +[0-9a-f]{64}.*Found +[0-9a-f]{64}.*To do`)
	dana.Keys("Escape")

	casey := w.App("casey", "cedar")
	user := wardtest.One[uuid.UUID](w.Env, "select id from tenancy.users where slug = 'casey'").String()
	dana.Keys("4")
	dana.Sees(`Casey|casey`)
	dana.Keys("/")
	dana.Types("casey")
	dana.Keys("Enter")
	dana.Sees(`(?m)^▸ cedar clinic +casey`)
	dana.Keys("t")
	dana.Sees(`Terminate membership`)
	dana.Sees(`Type ` + user[:6])
	dana.Keys("Enter") // Cancel has the focus
	dana.Sees(`t terminate`)
	if wardtest.One[bool](w.Env, "select exists (select from tenancy.membership where terminated_at is not null)") {
		w.t.Fatal("Enter on a dialog that just opened terminated somebody")
	}
	dana.Keys("t")
	dana.Sees(`Type ` + user[:6])
	dana.Keys("Tab")
	dana.Types("left the practice")
	dana.Keys("Tab")
	dana.Keys("Tab")
	dana.Types(user[:6])
	confirm(dana, "Terminate")
	dana.Sees(`terminated|sessions? ended`)
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
