package main_test

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/ward-health/ward/internal/wardtest"
)

// browser speaks to the running service; key is what signing in gave.
type browser struct {
	t         *testing.T
	base, key string
}

// call gives the status and the body.
func (b browser) call(method, path, body string) (int, string) {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), method, b.base+path, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	if b.key != "" {
		r.Header.Set("Authorization", "Bearer "+b.key)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

func (b browser) want(status int, words, method, path, body string) string {
	b.t.Helper()
	got, text := b.call(method, path, body)
	if got != status || !strings.Contains(text, words) {
		b.t.Fatalf("%s %s: %d %q, want %d %q", method, strings.SplitN(path, "?", 2)[0], got, text, status, words)
	}
	return text
}

func (b browser) signIn(user, password, clinic string) browser {
	b.t.Helper()
	var out struct{ Key string }
	text := b.want(http.StatusOK, "key", "POST", "/session",
		`{"user":"`+user+`","password":"`+password+`","clinic":"`+clinic+`"}`)
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		b.t.Fatal(err)
	}
	b.key = out.Key
	return b
}

// start runs the binary that `go build` makes, against a test's database, until the test ends.
func start(t *testing.T, url string) browser {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "clinic")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", binary,
		".").CombinedOutput(); err != nil {
		t.Fatalf("build: %v: %s", err, out)
	}
	cmd := exec.CommandContext(t.Context(), binary)
	cmd.Env = append(os.Environ(), "DATABASE_URL="+url, "LISTEN=127.0.0.1:0")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	base, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the service did not say where it listens: %v", err)
	}
	return browser{t: t, base: strings.TrimSpace(base)}
}

// A morning at two clinics, through the binary.
func TestClinic(t *testing.T) {
	e := wardtest.New(t)
	mine := e.Patient(e.App("casey", "cedar"), "cedar", "Canarycedar")
	theirs := e.Patient(e.App("hugo", "harbor"), "harbor", "Canaryharbor")
	b := start(t, e.DB.DSN("ward_app"))
	const nowhere = http.StatusUnauthorized
	b.want(nowhere, "sign in first", "GET", "/patients?last_name=C", "")
	b.want(nowhere, "sign in first", "POST", "/session",
		`{"user":"casey","password":"wrong horse battery","clinic":"cedar"}`)
	// not their clinic
	b.want(nowhere, "sign in first", "POST", "/session",
		`{"user":"hugo","password":"`+wardtest.Password+`","clinic":"cedar"}`)

	casey, hugo := b.signIn("casey", wardtest.Password, "cedar"), b.signIn("hugo", wardtest.Password, "harbor")
	var found []struct {
		ID   uuid.UUID
		Name string
	}
	if err := json.Unmarshal([]byte(casey.want(http.StatusOK, "Canarycedar", "GET", "/patients?last_name=Canary", "")),
		&found); err != nil || len(found) != 1 || found[0].ID != mine {
		t.Fatalf("cedar's search found %d patients: %v", len(found), err)
	}
	chart := "/patients/" + mine.String()
	casey.want(http.StatusOK, `"id"`, "POST", chart+"/notes", `{"body":"Synthetic note one"}`)
	casey.want(http.StatusOK, `"id"`, "POST", chart+"/notes", `{"body":"Synthetic note two"}`)
	casey.want(http.StatusOK, `"notes":["Synthetic note one","Synthetic note two"]`, "GET", chart, "")

	// the wrong clinic: the other's chart is nobody's, and no note can be put into it
	hugo.want(http.StatusNotFound, "not found", "GET", chart, "")
	casey.want(http.StatusNotFound, "not found", "GET", "/patients/"+theirs.String(), "")
	if status, text := casey.call("POST", "/patients/"+theirs.String()+"/notes",
		`{"body":"Synthetic"}`); status == http.StatusOK || strings.Contains(text, "Synthetic") {
		t.Fatalf("a note in another clinic's chart: %d", status)
	}
	// front desk opens patients, not notes
	frank := b.signIn("frank", wardtest.Password, "cedar")
	frank.want(http.StatusOK, "Canarycedar", "GET", "/patients?last_name=Canary", "")
	frank.want(http.StatusForbidden, "not permitted", "GET", chart, "")

	// a session that is over: signed out, expired, terminated
	casey.want(http.StatusOK, "{}", "DELETE", "/session", "")
	casey.want(nowhere, "sign in first", "GET", chart, "")
	if _, err := e.Super.Exec(t.Context(), "update tenancy.session set expires_at = clock_timestamp() "+
		"where user_id = (select id from tenancy.users where slug = 'hugo')"); err != nil {
		t.Fatal(err)
	}
	hugo.want(nowhere, "sign in first", "GET", "/patients?last_name=Canary", "")
	for action, want := range map[string]int{"sign_in": 4, "sign_out": 1, "search": 3} {
		if n := wardtest.One[int](e, "select count(*) from audit.event e join tenancy.users u on u.id = e.user_id "+
			"where e.action = $1 and e.outcome = 'ok' and u.slug in ('casey', 'hugo', 'frank')", action); n < want {
			t.Errorf("%d events %q, want %d or more", n, action, want)
		}
	}
	if n := wardtest.One[int](e, "select count(*) from audit.event where action = 'view' and record_id = $1",
		theirs); n == 0 {
		t.Error("looking for another clinic's chart left no event")
	}
}
