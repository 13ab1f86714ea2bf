package main_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"iter"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/ward-health/ward/archive"
)

// bigArchive has many parts of one clinic; it returns the directory and the public key.
func bigArchive(t *testing.T, parts, rows int) (dir, key string) {
	t.Helper()
	dir = t.TempDir()
	store, err := archive.OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	origin := archive.Origin("test", "us-west")
	private, public, err := archive.GenerateKey(origin)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := archive.NewSigner(private)
	if err != nil {
		t.Fatal(err)
	}
	log, err := archive.OpenLog(t.Context(), store, "us-west", origin, signer)
	if err != nil {
		t.Fatal(err)
	}
	const tenant = "0a000000-0000-4000-8000-000000000001"
	at := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC).UnixMicro()
	prev, seq := archive.Genesis(tenant), int64(0)
	for range parts {
		part := iter.Seq2[*archive.Row, error](func(yield func(*archive.Row, error) bool) {
			for range rows {
				seq++
				r := &archive.Row{TenantID: tenant, Seq: seq, SealedAt: at + seq, EventID: seq, RecordedAt: at + seq,
					ActorKind: "human", Action: "view", Outcome: "ok", Source: "test"}
				r.Hash = archive.RowHash(prev, r)
				prev = r.Hash
				if !yield(r, nil) {
					return
				}
			}
		})
		if _, err := log.Append(t.Context(), "2026-05", part, time.Now().AddDate(6, 0, 0)); err != nil {
			t.Fatal(err)
		}
	}
	return dir, public
}

// Ctrl-C, after the first part of many: the program ends at once with 130, says how far it came and claims nothing.
func TestCtrlCDuringAVerification(t *testing.T) {
	const parts = 150
	store, key := bigArchive(t, parts, 4000)
	dir := t.TempDir()
	program := filepath.Join(dir, "ward")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("build ward: %v\n%s", err, out)
	}
	report := filepath.Join(dir, "report.json")
	cmd := exec.CommandContext(t.Context(), program, "archive", "verify", "--offline", "--store", store, "--key", key,
		"--report", report, "--progress")
	cmd.Env = append(os.Environ(), "WARD_CONFIG="+os.DevNull, "HOME="+dir, "XDG_STATE_HOME=", "GOMAXPROCS=1")
	var out bytes.Buffer
	cmd.Stdout = &out
	errs, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var said []string
	for lines := bufio.NewScanner(errs); lines.Scan(); {
		if said = append(said, lines.Text()); len(said) == 1 {
			if err := cmd.Process.Signal(os.Interrupt); err != nil {
				t.Fatal(err)
			}
		}
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != 130 || out.Len() != 0 {
		t.Fatalf("ended with %v, and said %q", err, out.String())
	}
	var first struct {
		Type      string `json:"type"`
		PartsDone int    `json:"parts_done"`
		PartsAll  int    `json:"parts_all"`
	}
	if err := json.Unmarshal([]byte(said[0]), &first); err != nil || first.Type != "part" || first.PartsDone != 1 ||
		first.PartsAll != parts {
		t.Errorf("the first line is %s (%v)", said[0], err)
	}
	end := strings.Join(said[max(0, len(said)-2):], "\n")
	if !regexp.MustCompile(`^ended after [0-9]+ of 150 parts, [0-9]+ of 600000 rows: nothing is proven by a part of ` +
		`a verification\nward: interrupted$`).MatchString(end) {
		t.Errorf("it ended with %q", end)
	}
	t.Logf("%d parts were told of before %s", len(said)-2, end)
	for _, left := range []string{report, filepath.Join(dir, ".local", "state", "ward", "heads.json")} {
		if _, err := os.Lstat(left); err == nil {
			t.Errorf("an interrupted verification left %s", left)
		}
	}
}
