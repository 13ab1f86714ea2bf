package notify_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/ward-health/ward/internal/notify"
	"github.com/ward-health/ward/internal/notify/notifytest"
	"github.com/ward-health/ward/review"
)

// open makes the one target of a configuration.
func open(t *testing.T, c notify.TargetConfig, secret string) notify.Target {
	t.Helper()
	list, err := targets(c, secret)
	if err != nil || len(list) != 1 {
		t.Fatalf("%d targets, %v", len(list), err)
	}
	return list[0]
}

func targets(c notify.TargetConfig, secret string) ([]notify.Target, error) {
	config := notify.Config{Targets: []notify.TargetConfig{c}}
	return config.Open(notify.World{Getenv: func(name string) string {
		if name == notify.SecretVariable(c.Name) {
			return secret
		}
		return ""
	}, Now: time.Now, Read: os.ReadFile})
}

func message(t *testing.T, n review.Alert) notify.Message {
	t.Helper()
	if n.ID == uuid.Nil {
		n.ID, n.CreatedAt = uuid.New(), time.Now()
	}
	m, err := notify.Render(&n)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func critical() review.Alert {
	id := uuid.New()
	return review.Alert{Kind: "anomaly", Installation: "ward", Tenant: "cedar", Severity: "critical",
		RuleID: "A01-cross-tenant", AnomalyID: &id}
}

// verified checks a request as a receiver would.
func verified(t *testing.T, p notifytest.Post, secret string) {
	t.Helper()
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		t.Fatal(err)
	}
	at := p.Header.Get("Webhook-Timestamp")
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(p.Header.Get("Webhook-Id") + "." + at + "." + string(p.Body)))
	if got, want := p.Header.Get("Webhook-Signature"), "v1,"+
		base64.StdEncoding.EncodeToString(mac.Sum(nil)); got != want {
		t.Errorf("signature %q, want %q", got, want)
	}
	if s, err := strconv.ParseInt(at, 10, 64); err != nil || time.Since(time.Unix(s, 0)).Abs() > time.Minute {
		t.Errorf("timestamp %q, %v", at, err)
	}
}

// TestWebhook: over real TLS, signed, and the same matter under the same id.
func TestWebhook(t *testing.T) {
	a, secret := notifytest.NewAuthority(t), notifytest.Secret()
	hook := notifytest.NewHook(t, a, nil)
	target := open(t, notify.TargetConfig{Name: "on-call", Webhook: hook.URL, CAFile: a.CAFile}, secret)
	m := message(t, critical())
	for range 2 {
		if err := target.Send(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	posts := hook.Posts()
	if len(posts) != 2 || posts[0].Header.Get("Webhook-Id") != m.ID || posts[1].Header.Get("Webhook-Id") != m.ID {
		t.Fatalf("%+v", posts)
	}
	for _, p := range posts {
		verified(t, p, secret)
		var n review.Alert
		if err := json.Unmarshal(p.Body, &n); err != nil || n.Tenant != "cedar" || n.Kind != "anomaly" ||
			p.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: %+v, %v", p.Body, n, err)
		}
	}
	// a receiver whose certificate is of nobody's that this machine trusts
	stranger := open(t, notify.TargetConfig{Name: "on-call", Webhook: hook.URL}, secret)
	var refused *notify.RefusedError
	if err := stranger.Send(t.Context(), m); err == nil || errors.As(err, &refused) ||
		!strings.Contains(err.Error(), "not trusted") {
		t.Errorf("an unknown authority: %v", err)
	}
	_, port, _ := net.SplitHostPort(strings.TrimSuffix(strings.TrimPrefix(hook.URL, "https://"), "/ward"))
	other := open(t, notify.TargetConfig{Name: "on-call", Webhook: "https://localhost:" + port + "/ward",
		CAFile: a.CAFile}, secret)
	if err := other.Send(t.Context(), m); err == nil || !strings.Contains(err.Error(), "another host") {
		t.Errorf("a certificate of another host: %v", err)
	}
	if n := len(hook.Posts()); n != 2 {
		t.Errorf("%d requests reached a receiver that was not verified", n-2)
	}
}

// TestWebhookAnswers: what is tried again and what is not; and no answer leads anywhere else.
func TestWebhookAnswers(t *testing.T) {
	var elsewhere atomic.Int32
	plain := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
	t.Cleanup(plain.Close)
	a := notifytest.NewAuthority(t)
	for code, again := range map[int]bool{200: false, 202: false, 204: false, 301: false, 302: false, 307: false,
		308: false, 400: false, 401: false, 403: false, 404: false, 410: false, 422: false, 408: true, 425: true,
		429: true, 500: true, 502: true, 503: true} {
		hook := notifytest.NewHook(t, a, func(_ int, w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", plain.URL)
			w.WriteHeader(code)
			_, _ = w.Write([]byte("SECRET-OF-THE-RECEIVER"))
		})
		target := open(t, notify.TargetConfig{Name: "on-call", Webhook: hook.URL, CAFile: a.CAFile},
			notifytest.Secret())
		err := target.Send(t.Context(), message(t, critical()))
		var refused *notify.RefusedError
		switch {
		case code < 300 && err != nil:
			t.Errorf("%d: %v", code, err)
		case code >= 300 && (err == nil || errors.As(err, &refused) == again):
			t.Errorf("%d: %v, to be tried again: %v", code, err, again)
		case err != nil &&
			(!strings.Contains(err.Error(), strconv.Itoa(code)) || strings.Contains(err.Error(), "SECRET")):
			t.Errorf("%d: %v", code, err)
		}
		if n := len(hook.Posts()); n != 1 {
			t.Errorf("%d: %d requests", code, n)
		}
	}
	if n := elsewhere.Load(); n != 0 {
		t.Errorf("%d redirects were followed, in clear text", n)
	}
}

// TestWebhookHostileAnswers: one that answers without end costs nothing, one that does not answer ends with the
// context, and no error names the address, which may hold a secret.
func TestWebhookHostileAnswers(t *testing.T) {
	a := notifytest.NewAuthority(t)
	var sent atomic.Int64
	flood := func(w http.ResponseWriter, code int) {
		w.WriteHeader(code)
		chunk := []byte(strings.Repeat("x", 64<<10))
		for range 1 << 14 { // a GiB
			n, err := w.Write(chunk)
			if sent.Add(int64(n)); err != nil {
				return
			}
		}
	}
	for name, c := range map[string]struct {
		answer func(int, http.ResponseWriter, *http.Request)
		want   string // empty: delivered
	}{
		"a body without end": {func(_ int, w http.ResponseWriter, _ *http.Request) { flood(w, 200) }, ""},
		"an error without end": {func(_ int, w http.ResponseWriter, _ *http.Request) { flood(w, 500) },
			"answered 500"},
		"a header of a megabyte": {func(_ int, w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X", strings.Repeat("x", 1<<20))
		}, "connection broke"},
		"no answer": {func(_ int, _ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
			"did not answer"},
		"a connection that is broken": {func(int, http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
			"connection broke"},
	} {
		hook := notifytest.NewHook(t, a, c.answer)
		target := open(t, notify.TargetConfig{Name: "on-call", Webhook: hook.URL + "/T00/B00/hidden", CAFile: a.CAFile},
			notifytest.Secret())
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		err := target.Send(ctx, message(t, critical()))
		cancel()
		if (err == nil) != (c.want == "") || (err != nil && (!strings.Contains(err.Error(), c.want) ||
			strings.Contains(err.Error(), "hidden") || strings.Contains(err.Error(), "127.0.0.1"))) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	if n := sent.Load(); n == 0 || n > 64<<20 {
		t.Errorf("%d bytes of an answer without end were taken", n)
	}
	gone := open(t, notify.TargetConfig{Name: "on-call", Webhook: "https://127.0.0.1:1/hidden"}, notifytest.Secret())
	if err := gone.Send(t.Context(), message(t, critical())); err == nil || err.Error() != "it cannot be reached" {
		t.Errorf("nobody there: %v", err)
	}
}
