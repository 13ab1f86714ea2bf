package cli

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"

	"github.com/ward-health/ward/internal/notify/notifytest"
	"github.com/ward-health/ward/internal/wardtest"
)

// telling writes settings with one webhook, which the handler answers, and returns their file.
func (s *scene) telling(h http.Handler) string {
	s.t.Helper()
	server := httptest.NewServer(h)
	s.t.Cleanup(server.Close)
	return s.settings(fmt.Sprintf("notify:\n  targets:\n  - {name: hook, webhook: %q, secret_file: %q}\n",
		server.URL+"/hidden", s.file("secret", notifytest.Secret())))
}

func (s *scene) settings(text string) string { return s.file("ward-"+uuid.NewString()+".yaml", text) }

func (s *scene) file(name, text string) string {
	s.t.Helper()
	file := filepath.Join(s.dir, name)
	s.must(os.WriteFile(file, []byte(text), 0o600))
	return file
}

// failedAlert makes an alert that did not reach its target and returns the beginning of its id.
func (s *scene) failedAlert() string {
	s.t.Helper()
	s.exec(`select review.name_targets('[{"name": "hook", "kind": "webhook", "severity": "high", "digest": false}]')`)
	anomaly := s.anomaly("cedar", "carla", "A")
	s.exec("select review.undelivered(d.id, 'it answered 403', true) from review.delivery d join review.alert n "+
		"on n.id = d.alert_id where n.anomaly_id = $1", anomaly)
	return wardtest.One[string](s.Env, "select id::text from review.alert where anomaly_id = $1", anomaly)
}

// TestNotify: a test message reaches each target, or the command says which it did not reach and ends with 3; the list
// says what failed; and a reviewer has it sent again.
func TestNotify(t *testing.T) {
	s := newScene(t)
	s.signIn("dana")
	var body atomic.Value
	config := s.telling(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		body.Store(string(b))
		w.WriteHeader(map[bool]int{true: http.StatusNotFound,
			false: http.StatusOK}[strings.Contains(r.Host, "localhost")])
	}))
	if got := s.ward(t.Context(), "dana", "", "--config", config, "notify", "test"); got.code != exitOK ||
		!strings.Contains(got.out, "hook    webhook  taken\n") {
		t.Errorf("%s", got)
	}
	if b, _ := body.Load().(string); !strings.Contains(b, `"kind":"test"`) || strings.Contains(b, "dana") {
		t.Errorf("the message: %s", b)
	}
	text, err := os.ReadFile(config)
	s.must(err)
	strict := s.settings(strings.Replace(string(text), "127.0.0.1", "localhost", 1))
	if got := s.ward(t.Context(), "dana", "", "--config", strict, "notify", "test", "hook",
		"--json"); got.code != exitProblem ||
		!strings.Contains(got.out, `{"target":"hook","kind":"webhook","ok":false,"error":"it answered 404"}`) ||
		strings.Contains(got.String(), "hidden") {
		t.Errorf("%s", got)
	}
	for _, args := range [][]string{{"--config", config, "notify", "test", "nobody"}, {"notify", "test"}} {
		if got := s.ward(t.Context(), "dana", "", args...); got.code != exitUsage || got.out != "" {
			t.Errorf("%q: %s", args, got)
		}
	}
	if got := s.ward(t.Context(), "dana", "", "--config",
		s.settings("notify:\n  targets:\n  - {name: hook, webhoook: x}\n"), "notify", "test"); got.code != exitUsage ||
		!strings.Contains(got.errors, "field webhoook not found, which is no setting") {
		t.Errorf("a typing error: %s", got)
	}
	if n := wardtest.One[int](s.Env, "select count(*) from audit.event e join tenancy.users u on u.id = e.user_id "+
		"where u.slug = 'dana' and e.action = 'ship' and e.detail::jsonb ->> 'what' = 'alert test'"); n != 2 {
		t.Errorf("%d events of 2 tests", n)
	}
	id := s.failedAlert()
	if got := s.ok("dana", "notify", "list"); !strings.Contains(got, "FAILED") ||
		!strings.Contains(got, "it answered 403") || !strings.Contains(got, id[:8]) {
		t.Errorf("list: %s", got)
	}
	s.ok("dana", "notify", "retry", id[:8])
	if got := s.ok("dana", "notify", "list"); strings.Contains(got, "FAILED") || !strings.Contains(got, "waiting") {
		t.Errorf("list: %s", got)
	}
}

// TestRecordURL leads from an anomaly to the charts, on the command line as in JSON; a template that leads nowhere is
// refused.
func TestRecordURL(t *testing.T) {
	s := newScene(t)
	s.signIn("dana")
	id := s.anomaly("cedar", "carla", "A")
	patient := uuid.New()
	s.exec("update review.anomaly set subject_id = $2 where id = $1", id, patient)
	record := wardtest.One[uuid.UUID](s.Env, "select record_id from review.evidence where anomaly_id = $1", id)
	config := s.settings("record_url: https://ehr.example.org/{tenant}/{table}/{id}?from=ward\n")
	got := s.ok("dana", "--config", config, "queue", "show", id)
	chart, address := fmt.Sprintf("https://ehr.example.org/cedar/patients/%s?from=ward", patient),
		fmt.Sprintf("https://ehr.example.org/cedar/patients/%s?from=ward", record)
	if !strings.Contains(got, "chart: "+chart+"\n") || !strings.Contains(got, "    "+address+"\n") {
		t.Errorf("%s", got)
	}
	got = s.ok("dana", "--config", config, "queue", "show", id, "--json")
	if !strings.Contains(got, `"chart_url":"`+chart+`"`) || !strings.Contains(got, `"record_url":"`+address+`"`) {
		t.Errorf("%s", got)
	}
	for _, bad := range []string{"http://ehr.example.org/{id}", "https://{tenant}.example.org/{id}",
		"ehr.example.org/{id}", "https://ehr.example.org/{tenant}", "https://ehr.example.org/{patient}/{id}",
		"javascript:alert({id})", "https://ehr.example.org@evil.test/{id}", "https://ehr.example.org?{tenant}/{id}"} {
		if got := s.ward(t.Context(), "dana", "", "--config", s.settings(fmt.Sprintf("record_url: %q\n", bad)), "queue",
			"show", id); got.code != exitUsage || !strings.Contains(got.errors, "record_url") {
			t.Errorf("%s: %s", bad, got)
		}
	}
}
