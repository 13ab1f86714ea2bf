package cli

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/ward-health/ward/archive"
	"github.com/ward-health/ward/audit"
	"github.com/ward-health/ward/controls"
	"github.com/ward-health/ward/internal/bench"
	"github.com/ward-health/ward/queries/migrate"
	"github.com/ward-health/ward/review"
	"github.com/ward-health/ward/review/ruletest"
	"github.com/ward-health/ward/tenancy"
)

// requested is what a command prints that asked the worker for something.
type requested struct {
	EventID int64 `json:"event_id"`
}

// results are what each command with --json prints, one object a line.
var results = map[string]any{
	"ward whoami": tenancy.Principal{}, "ward version": version{}, "ward bench tenancy": bench.Figure{},
	"ward bench archive": bench.Figure{}, "ward bench review": bench.Figure{},
	"ward queue list": review.Anomaly{}, "ward queue show": review.Details{}, "ward queue claim": review.Changed{},
	"ward queue release": review.Changed{}, "ward queue assign": review.Changed{},
	"ward queue note": review.Changed{}, "ward queue wait": review.Changed{}, "ward queue close": review.Changed{},
	"ward queue approve": review.Changed{}, "ward queue escalate": review.Changed{},
	"ward queue reopen": review.Changed{}, "ward queue take": review.Changed{}, "ward queue assess": review.Changed{},
	"ward queue discovered": review.Changed{}, "ward queue confirm": review.Changed{},
	"ward queue hold": review.Changed{}, "ward queue link": review.Changed{}, "ward queue attach": review.Changed{},
	"ward queue dispositions": review.Disposition{},
	"ward breach list":        review.Breach{}, "ward breach log": review.Breach{},
	"ward breach notified": review.Changed{}, "ward breach terms": review.Term{},
	"ward user accounts": review.AccountLink{},
	"ward audit list":    audit.Event{}, "ward audit show": audit.Event{},
	"ward archive list": archive.MonthSummary{}, "ward archive verify": archive.Report{},
	"ward archive ship": requested{}, "ward archive check-proof": archive.ProofReport{},
	"ward archive doctor": archive.StoreCheck{}, "ward archive holds": audit.Hold{},
	"ward archive prune": audit.Pruned{},
	"ward suppress list": review.Suppression{}, "ward suppress add": review.Suppression{},
	"ward suppress approve": review.Suppression{}, "ward suppress end": review.Suppression{},
	"ward rule list": review.Registered{}, "ward rule show": review.Registered{}, "ward rule history": review.RunRow{},
	"ward rule run": review.Requested{}, "ward rule retire": requested{}, "ward rule test": ruletest.Report{},
	"ward worker jobs":     review.Job{},
	"ward archive recover": requested{},
	"ward tenant list":     tenancy.Tenant{}, "ward user list": tenancy.User{}, "ward user show": tenancy.User{},
	"ward member list": tenancy.Membership{}, "ward member show": tenancy.Consequences{},
	"ward member terminate": tenancy.Termination{}, "ward grant list": tenancy.Grant{}, "ward protect": controls.Plan{},
	"ward unprotect": unprotected{}, "ward migrate": migration{},
	"ward session list": tenancy.LiveSession{}, "ward session revoke": tenancy.Revoked{},
	"ward key list": tenancy.SigningKey{}, "ward key rotate": tenancy.Rotated{},
	"ward application list": tenancy.Application{},
	"ward audit user":       audit.UserEvent{}, "ward member role": tenancy.RoleChange{},
	"ward user disable": tenancy.Disabled{}, "ward role list": tenancy.Role{}, "ward role show": tenancy.Role{},
	"ward service list": tenancy.Service{}, "ward service show": tenancy.Service{},
	"ward oncall list": tenancy.OnCall{}, "ward oncall take": tenancy.Taken{},
	"ward oidc list":   tenancy.Issuer{},
	"ward notify list": review.AlertRow{}, "ward notify test": told{},
	"ward evidence": review.Bundle{}, "ward evidence verify": review.EvidenceReport{},
	"ward evidence certify": review.Signed{}, "ward evidence approve": review.Signed{},
	"ward evidence list": review.Certification{},
	"ward audit import":  audit.Imported{},
}

var marshaler = reflect.TypeFor[interface{ MarshalText() ([]byte, error) }]()

// kind is a type's name in the documentation.
func kind(t reflect.Type) string {
	switch {
	case t.Kind() == reflect.Pointer:
		return kind(t.Elem()) + " or null"
	case t == reflect.TypeFor[uuid.UUID]():
		return "id"
	case t == reflect.TypeFor[time.Time]():
		return "time"
	case t.Implements(marshaler):
		return "text"
	case t.Kind() == reflect.Slice:
		return "list of " + kind(t.Elem())
	case t.Kind() == reflect.Struct && t.Name() == "":
		return "object"
	case t == reflect.TypeFor[migrate.Obstacle](): // controls has an Obstacle of its own
		return "object MigrateObstacle"
	case t.Kind() == reflect.Struct:
		return "object " + t.Name()
	case t.Kind() == reflect.Map:
		return "object"
	case t.Kind() == reflect.Bool:
		return "true or false"
	case t.Kind() == reflect.String:
		return "text"
	}
	return "number"
}

// fields lists a struct's JSON fields as "name: kind", and the structs that they hold.
func fields(t reflect.Type) (list []string, inner []reflect.Type) {
	for f := range fieldsOf(t) {
		tag, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous && tag == "":
			l, in := fields(f.Type)
			list, inner = append(list, l...), append(inner, in...)
			continue
		case tag == "-" || !f.IsExported():
			continue
		}
		list = append(list, tag+": "+kind(f.Type))
		e := f.Type
		for e.Kind() == reflect.Slice || e.Kind() == reflect.Pointer {
			e = e.Elem()
		}
		if e.Kind() == reflect.Struct && e.Name() != "" && strings.HasPrefix(kind(e), "object ") {
			inner = append(inner, e)
		}
	}
	return list, inner
}

func fieldsOf(t reflect.Type) func(func(reflect.StructField) bool) {
	return func(yield func(reflect.StructField) bool) {
		for i := range t.NumField() {
			if !yield(t.Field(i)) {
				return
			}
		}
	}
}

// documented reads docs/SCRIPTING.md: under every heading of the level the fields of its table.
func documented(t *testing.T) map[string][]string {
	t.Helper()
	b, err := os.ReadFile("../../docs/SCRIPTING.md")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string][]string{}
	row := regexp.MustCompile("^\\| `([a-z_0-9]+)` \\| ([^|]+?) \\|")
	var heading []string
	for line := range strings.Lines(string(b)) {
		if strings.HasPrefix(line, "## ") {
			heading = nil
		}
		if h, ok := strings.CutPrefix(strings.TrimSpace(line), "### "); ok {
			heading = nil
			for name := range strings.SplitSeq(h, ", ") {
				name = strings.Trim(name, "`")
				heading = append(heading, name)
				found[name] = []string{}
			}
		}
		if m := row.FindStringSubmatch(line); m != nil {
			for _, name := range heading {
				found[name] = append(found[name], m[1]+": "+m[2])
			}
		}
	}
	return found
}

// The documentation lists every command with --json, and of each every field with its kind: no more and no fewer.
func TestScriptingNamesEveryField(t *testing.T) {
	docs := documented(t)
	wanted := map[string]reflect.Type{"error": reflect.TypeFor[errorLine]()}
	for path, c := range commands(t) {
		if c.Flags().Lookup("json") == nil {
			continue
		}
		if results[path] == nil {
			t.Errorf("%s has --json and is not in the table of this test", path)
			continue
		}
		wanted[path] = reflect.TypeOf(results[path])
	}
	if len(wanted) < 25 || len(wanted) != len(results)+1 {
		t.Errorf("%d commands with --json, %d in the table", len(wanted)-1, len(results))
	}
	for todo := maps.Clone(wanted); len(todo) > 0; {
		next := map[string]reflect.Type{}
		for name, typ := range todo {
			list, inner := fields(typ)
			if got := docs[name]; !slices.Equal(got, list) {
				t.Errorf("docs/SCRIPTING.md, %s:\n has   %q\n wants %q", name, got, list)
			}
			wanted[name] = typ
			for _, in := range inner {
				if _, seen := wanted[kind(in)]; !seen {
					next[kind(in)] = in
				}
			}
		}
		todo = next
	}
	for name := range docs {
		if _, ok := wanted[name]; !ok {
			t.Errorf("docs/SCRIPTING.md describes %q, which there is not", name)
		}
	}
}

// The exit codes of the documentation are those of exit.go.
func TestScriptingNamesEveryExitCode(t *testing.T) {
	b, err := os.ReadFile("../../docs/SCRIPTING.md")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range regexp.MustCompile(`(?m)^\| (\d+) \|`).FindAllStringSubmatch(string(b), -1) {
		got = append(got, m[1])
	}
	var want []string
	for _, code := range []int{exitOK, exitFailed, exitUsage, exitProblem, exitUnreachable, exitNotProven,
		exitInterrupted} {
		want = append(want, fmt.Sprint(code))
	}
	if !slices.Equal(got, want) {
		t.Errorf("docs/SCRIPTING.md has the exit codes %q, want %q", got, want)
	}
}

// What commands print has the documented fields: the types above are the ones that are printed.
func TestJSONHasTheDocumentedFields(t *testing.T) {
	s := newScene(t)
	id := s.anomaly("cedar", "carla", "B")
	s.signIn("dana")
	for path, args := range map[string][]string{
		"ward whoami": {"whoami"}, "ward version": {"version"}, "ward queue list": {"queue", "list"},
		"ward queue show": {"queue", "show", id}, "ward queue claim": {"queue", "claim", id},
		"ward audit list":   {"audit", "list", "cedar", "--reason", "documentation", "--limit", "1"},
		"ward archive list": {"archive", "list"}, "ward archive verify": {"archive", "verify"},
		"ward archive ship": {"archive", "ship"}, "ward rule list": {"rule", "list"},
		"ward tenant list": {"tenant", "list"}, "ward user show": {"user", "show", "casey"},
		"ward member show": {"member", "show", s.membership("cedar", "carla")}, "ward grant list": {"grant", "list"},
		"ward protect":    {"protect", "public.notes", "--plan", "--database", s.DB.Superuser()},
		"ward audit user": {"audit", "user", "casey", "--reason", "documentation"},
		"ward role list":  {"role", "list"}, "ward service list": {"service", "list"},
		"ward migrate": {"migrate", "--dry-run", "--database", s.DB.Superuser()},
	} {
		line, _, _ := strings.Cut(s.ok("dana", append(args, "--json")...), "\n")
		var got map[string]json.RawMessage
		if err := json.Unmarshal([]byte(line), &got); err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		list, _ := fields(reflect.TypeOf(results[path]))
		var names []string
		for _, f := range list {
			name, _, _ := strings.Cut(f, ": ")
			names = append(names, name)
		}
		for name := range got {
			if !slices.Contains(names, name) {
				t.Errorf("%s prints %q, which is not documented", path, name)
			}
		}
		if len(got) == 0 {
			t.Errorf("%s prints nothing", path)
		}
	}
}
