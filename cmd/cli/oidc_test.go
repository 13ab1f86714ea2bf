package cli

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ward-health/ward/internal/needs"
)

// A provider process of testdata/oidcprovider: zitadel/oidc, on a port of its own.
type providerProcess struct {
	t      *testing.T
	issuer string
	stop   func()
}

var providerBinary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "oidcprovider-")
	if err != nil {
		return "", err
	}
	file := filepath.Join(dir, "oidcprovider")
	cmd := exec.Command("go", "build", "-o", file, ".")
	cmd.Dir = "../../testdata/oidcprovider"
	return file, needs.Build(context.Background(), cmd, "github.com/zitadel/oidc/v3")
})

func startProvider(t *testing.T, args ...string) *providerProcess {
	t.Helper()
	binary, err := providerBinary()
	binary = needs.Given(t, binary, err)
	cmd := exec.CommandContext(t.Context(), binary, args...)
	in, err := cmd.StdinPipe() // it stops when this closes, so also when this process dies
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("start the provider: %v", err)
	}
	p := &providerProcess{t: t, issuer: strings.TrimSpace(line)}
	p.stop = sync.OnceFunc(func() { _ = in.Close(); _ = cmd.Wait() })
	t.Cleanup(p.stop)
	return p
}

func (p *providerProcess) post(path string, form url.Values) {
	p.t.Helper()
	resp, err := http.PostForm(p.issuer+path, form)
	if err != nil {
		p.t.Error(err)
		return
	}
	defer resp.Body.Close()
	if text, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusOK {
		p.t.Errorf("provider %s: %s %s", path, resp.Status, text)
	}
}

// browser is standard error with a person before it: who reads the code there and confirms it, or denies it.
type browser struct {
	bytes.Buffer
	p      *providerProcess
	action string
	once   sync.Once
}

var shownCode = regexp.MustCompile(`confirm this code within [^:]+: (\S+)`)

func (b *browser) Write(text []byte) (int, error) {
	if m := shownCode.FindSubmatch(text); m != nil && b.action != "" {
		b.once.Do(func() {
			b.p.post("/device", url.Values{"user_code": {string(m[1])}, "username": {"test-user2"},
				"password": {"verysecure"}, "action": {b.action}})
		})
	}
	return b.Buffer.Write(text)
}

// login runs ward login at a provider. args come after it.
func (s *scene) loginAt(ctx context.Context, p *providerProcess, user, action, input string, args ...string) outcome {
	s.t.Helper()
	vars := s.vars(user)
	var out bytes.Buffer
	b := &browser{p: p, action: action}
	env := &Env{In: strings.NewReader(input), Out: &out, Err: b, Getenv: func(k string) string { return vars[k] },
		Now: time.Now, Terminal: func() bool { return false }}
	code := run(ctx, append([]string{"login"}, args...), env)
	return outcome{code, out.String(), b.String()}
}

// Device flow from end to end, against a provider process and through the command line.
func TestLoginAtProvider(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	p := startProvider(t)
	fails := func(got outcome, code int, want string) {
		t.Helper()
		if got.code != code || got.out != "" || !strings.Contains(got.errors, want) {
			t.Errorf("%s\nwant exit %d and %q", got, code, want)
		}
	}
	fails(s.ward(t.Context(), "dana", "", "login"), exitUsage, "ward login USER")
	fails(s.ward(t.Context(), "dana", "", "login", "--issuer", p.issuer), exitFailed, "ward oidc add")
	s.signIn("root")
	s.ok("root", "oidc", "add", p.issuer, "ward")
	fails(s.loginAt(t.Context(), p, "dana", "allow", ""), exitFailed,
		"subject id2 of "+p.issuer+" is linked to no user")
	s.ok("root", "user", "link", "dana", p.issuer, "id2")
	got := s.loginAt(t.Context(), p, "dana", "allow", "", "--issuer", p.issuer)
	if got.code != exitOK || got.out != "" {
		t.Fatalf("%s", got)
	}
	if who := s.ok("dana", "whoami"); !strings.Contains(who, "(dana)") {
		t.Errorf("signed in as %s", who)
	}
	fails(s.loginAt(t.Context(), p, "other", "deny", ""), exitFailed, "denied at the provider")
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	fails(s.loginAt(ctx, p, "other", "", ""), exitInterrupted, "interrupted")

	// rotation: the database does not take the new key before it is fetched as ward_identity
	p.post("/rotate", nil)
	fails(s.loginAt(t.Context(), p, "other", "allow", ""), exitFailed, "ward oidc refresh")
	fails(s.ward(t.Context(), "other", "", "oidc", "refresh"), exitUsage, "WARD_IDENTITY_DATABASE_URL")
	fails(s.refresh("ward_reviewer"), exitFailed, "permission denied")
	if got := s.refresh("ward_identity"); got.code != exitOK || !strings.Contains(got.errors, "2 came or went") {
		t.Errorf("%s", got)
	}
	if got := s.loginAt(t.Context(), p, "other", "allow", ""); got.code != exitOK {
		t.Errorf("after the refresh: %s", got)
	}
	if list := s.ok("root", "oidc", "list", "--json"); !strings.Contains(list, `"subject":"id2","user":"dana"`) {
		t.Errorf("list: %s", list)
	}
	s.ok("root", "user", "unlink", "dana", p.issuer, "id2", "--reason", "left the company")
	fails(s.loginAt(t.Context(), p, "third", "allow", ""), exitFailed, "linked to no user")

	p.stop()
	fails(s.loginAt(t.Context(), p, "third", "allow", ""), exitFailed, "ask identity provider "+p.issuer)
	fails(s.refresh("ward_identity"), exitFailed, "ask identity provider "+p.issuer)
}

// refresh runs ward oidc refresh as a role.
func (s *scene) refresh(role string) outcome {
	vars := s.vars("identity")
	vars["WARD_IDENTITY_DATABASE_URL"] = s.DB.DSN(role)
	var out, errs bytes.Buffer
	code := run(s.t.Context(), []string{"oidc", "refresh"}, &Env{In: strings.NewReader(""), Out: &out, Err: &errs,
		Getenv: func(k string) string { return vars[k] }, Now: time.Now, Terminal: func() bool { return false }})
	return outcome{code, out.String(), errs.String()}
}

// A code that nobody confirms in time, a token for another client, and a provider that has to vouch for a second
// factor.
func TestLoginAtStrictProvider(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.signIn("root")
	hasty := startProvider(t, "-lifetime", "2s")
	s.ok("root", "oidc", "add", hasty.issuer, "ward")
	if got := s.loginAt(t.Context(), hasty, "dana", "", ""); got.code != exitFailed ||
		!strings.Contains(got.errors, "ran out before anybody confirmed it") {
		t.Errorf("%s", got)
	}
	s.ok("root", "oidc", "remove", hasty.issuer, "--reason", "too hasty")

	p := startProvider(t)
	s.ok("root", "oidc", "add", p.issuer, "ward", "--require-amr", "mfa")
	s.ok("root", "user", "link", "dana", p.issuer, "id2")
	if got := s.loginAt(t.Context(), p, "dana", "allow", ""); got.code != exitFailed ||
		!strings.Contains(got.errors, "second factor that is required") {
		t.Errorf("%s", got)
	}
	p.post("/amr", url.Values{"amr": {"pwd,mfa"}})
	s.exec("update tenancy.setting set second_factor = 'required'")
	if got := s.loginAt(t.Context(), p, "dana", "allow", ""); got.code != exitOK {
		t.Errorf("%s", got)
	}
	s.ok("dana", "tenant", "list") // the provider's second factor counts
	s.exec("update tenancy.issuer set client_id = 'elsewhere' where ended_at is null")
	if got := s.loginAt(t.Context(), p, "other", "allow", ""); got.code != exitFailed {
		t.Errorf("as a client that the provider does not know: %s", got)
	}
	// the event of a sign-in that was not kept: nothing is shown and nothing is stored
	s.exec("update tenancy.issuer set client_id = 'ward' where ended_at is null")
	s.exec(fault)
	s.allow(0)
	if got := s.loginAt(t.Context(), p, "unrecorded", "allow", ""); got.code != exitFailed ||
		!strings.Contains(got.errors, "takes no more events") {
		t.Errorf("%s", got)
	}
	if _, err := os.Stat(s.tokenFile("unrecorded")); err == nil {
		t.Error("tokens of a sign-in that is not on record were kept")
	}
}
