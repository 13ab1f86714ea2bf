package cli

import (
	"bytes"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/ward-health/ward/internal/wardtest"
)

// authenticator is standard error with a device before it, which answers on standard input with the code of the secret
// that is shown there. The database computes it: package tenancy holds its computation against the RFC's vectors.
type authenticator struct {
	bytes.Buffer
	s *scene
	w io.Writer
}

var shownSecret = regexp.MustCompile(`type the secret into it: ([A-Z2-7]{32})\n`)

func (d *authenticator) Write(text []byte) (int, error) {
	if shownSecret.Match(text) {
		go func() { _, _ = io.WriteString(d.w, d.s.code("0")+"\n") }()
	}
	return d.Buffer.Write(text)
}

// code is that of the newest enrolment, some steps from now.
func (s *scene) code(steps string) string {
	return wardtest.One[string](s.Env,
		"select core.hotp(secret, floor(extract(epoch from clock_timestamp()) / 30)::bigint + "+steps+
			") from tenancy.totp where ended_at is null order by created_at desc limit 1")
}

func (s *scene) enroll(user string) outcome {
	s.t.Helper()
	vars := s.vars(user)
	in, w := io.Pipe()
	defer func() { _ = in.Close() }()
	var out bytes.Buffer
	d := &authenticator{s: s, w: w}
	code := run(s.t.Context(), []string{"totp", "enroll"}, &Env{In: in, Out: &out, Err: d,
		Getenv: func(k string) string { return vars[k] }, Now: time.Now, Terminal: func() bool { return false }})
	return outcome{code, out.String(), d.String()}
}

func TestTOTPCommands(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.signIn("root")
	s.signIn("dana")
	if got := s.ward(t.Context(), "root", "", "totp", "policy", "required"); got.code != exitFailed ||
		!strings.Contains(got.errors, "lock you out") {
		t.Errorf("%s", got)
	}
	got := s.enroll("root")
	if got.code != exitOK || len(strings.Fields(got.out)) != 10 ||
		!strings.Contains(got.errors, "otpauth://totp/ward:root?secret=") || !strings.Contains(got.errors, "▀") {
		t.Fatalf("%s", got)
	}
	recovery := strings.Fields(got.out)
	s.ok("root", "totp", "policy", "required")
	for _, args := range [][]string{{"tenant", "list"}, {"queue", "list"}} {
		if got := s.ward(t.Context(), "dana", "", args...); got.code != exitFailed ||
			!strings.Contains(got.errors, "ward totp enroll") || got.out != "" {
			t.Errorf("%s", got)
		}
	}
	if who := s.ok("dana", "whoami"); !strings.Contains(who, "ward totp enroll") {
		t.Errorf("%s", who)
	}
	if got := s.enroll("dana"); got.code != exitOK {
		t.Fatalf("%s", got)
	}
	s.ok("dana", "tenant", "list")
	// signing in asks for a code: the next line of standard input
	if got := s.ward(t.Context(), "again", wardtest.Password+"\n", "login", "dana"); got.code == exitOK {
		t.Errorf("without a code: %s", got)
	}
	if got := s.ward(t.Context(), "again", wardtest.Password+"\n000000\n", "login", "dana"); got.code != exitFailed ||
		!strings.Contains(got.errors, "each works once") {
		t.Errorf("%s", got)
	}
	if got := s.ward(t.Context(), "again", wardtest.Password+"\n"+s.code("1")+"\n", "login",
		"dana"); got.code != exitOK {
		t.Errorf("%s", got)
	}
	if got := s.ward(t.Context(), "root2", wardtest.Password+"\n"+recovery[4]+"\n", "login",
		"root"); got.code != exitOK {
		t.Errorf("with a recovery code: %s", got)
	}
	s.ok("root", "totp", "remove", "dana", "--reason", "lost the phone")
	if got := s.ward(t.Context(), "dana", "", "tenant", "list"); got.code != exitFailed ||
		!strings.Contains(got.errors, "ward totp enroll") {
		t.Errorf("%s", got)
	}
}

// Neither the secret nor the recovery codes are shown before what they are for is on record.
func TestEnrolmentIsRecorded(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.signIn("dana")
	s.exec(fault)
	for allowed := range 4 {
		s.allow(allowed)
		got := s.enroll("dana")
		n := 0
		s.must(s.Super.QueryRow(t.Context(), "select count(*) from audit.event where action = 'configure' "+
			"and detail::jsonb->>'what' in ('totp enroll', 'totp confirm')").Scan(&n))
		shown := strings.Contains(got.errors, "otpauth://")
		if got.code == exitOK {
			if n < 2 || allowed == 0 {
				t.Errorf("enrolled with %d events: %s", n, got)
			}
			return
		}
		if shown && n == 0 || got.out != "" || !strings.Contains(got.errors, "takes no more events") {
			t.Errorf("%d events: %s", n, got)
		}
	}
	t.Error("never succeeded")
}

// The picture is the code: margin, finder patterns, and a line for every two rows.
func TestQRText(t *testing.T) {
	text, err := qrText(
		"otpauth://totp/ward:dana?secret=ABCDEFGHIJKLMNOPQRSTUVWXYZ234567" +
			"&issuer=ward&algorithm=SHA1&digits=6&period=30")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	width := len([]rune(strings.TrimSuffix(strings.TrimPrefix(lines[0], "\x1b[30;107m"), "\x1b[0m")))
	if len(lines) != (width+1)/2 || width > 80 || !strings.Contains(lines[2], "    █▀▀▀▀▀█ ") {
		t.Errorf("%d lines of %d characters, the third %q", len(lines), width, lines[2])
	}
}
