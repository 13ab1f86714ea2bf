package cli

import (
	"context"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/ward-health/ward/internal/wardtest"
	"github.com/ward-health/ward/tenancy"
)

// visit is the body that docs/ADOPTING.md shows, to the letter: TestAdoptingInGo compares the two and runs it.
func visit(ctx context.Context, url, password string, patient uuid.UUID) (string, error) {
	db, err := tenancy.Open(ctx, url) // postgres://ward_app@host/clinic
	if err != nil {
		return "", err
	}
	defer db.Close()

	tokens, err := db.SignIn(ctx, tenancy.Credentials{User: "casey", Password: password, Tenant: "cedar"})
	if err != nil {
		return "", err // *tenancy.RefusedError: not accepted; *tenancy.ChoiceError: name one of several clinics
	}
	session := tenancy.NewSession(db, tokens, time.Now, nil)

	// Write: the caller chooses the id, and nothing comes back.
	id := uuid.New()
	err = session.Write(ctx, tenancy.Ask{}, tenancy.Do(
		`insert into public.visits (tenant_id, id, patient_id, provider_id, reason)
		values (tenancy.tenant_id(), $1, $2, tenancy.user_id(), $3)`, id, patient, "Synthetic headache"))
	if err != nil {
		return "", err
	}

	// Ask, commit, then look, in one round trip. reason is set once all of it has committed.
	ask := tenancy.Ask{Table: "public.visits", IDs: []uuid.UUID{id}, Purpose: "treatment"}
	var reason string
	look := tenancy.Do("select reason from phi.visits where id = $1", id).Scan(&reason)
	if err := session.Read(ctx, ask, look); err != nil {
		return "", err
	}

	// Change what was asked for; any other row stays as it is.
	var changed int64
	err = session.Write(ctx, ask,
		tenancy.Do("update public.visits set reason = $2 where id = $1", id, "Synthetic migraine").Affected(&changed))
	if err != nil || changed != 1 {
		return "", err
	}

	// Search: columns and operators are recorded, values as keyed hashes.
	search := tenancy.Search{Table: "public.visits",
		Where: []tenancy.Condition{{Column: "patient_id", Op: "=", Value: patient}}, Purpose: "treatment"}
	err = session.Find(ctx, search, look)
	return reason, err
}

// schema is testdata/adopt_schema.sql, which psql reads, without psql's own commands.
func schema(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("../../testdata/adopt_schema.sql")
	if err != nil {
		t.Fatal(err)
	}
	return regexp.MustCompile(`(?m)^\\.*$`).ReplaceAllString(string(b), "")
}

// The Go of docs/ADOPTING.md is the function above, and works on the table that its SQL makes.
func TestAdoptingInGo(t *testing.T) {
	doc, err := os.ReadFile("../../docs/ADOPTING.md")
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile("adopting_test.go")
	if err != nil {
		t.Fatal(err)
	}
	body := regexp.MustCompile("(?s)\n```go\n(.*?)```").FindSubmatch(doc)
	if len(body) != 2 || !strings.Contains(unindented(string(source)), string(body[1])) {
		t.Error("docs/ADOPTING.md shows other Go than the function visit of this file")
	}

	s := newScene(t)
	s.exec(schema(t))
	s.ok("root", "protect", "public.visits", "--database", s.DB.Superuser(), "--subject", "patient_id", "--permit",
		"clinician=view,create,modify")
	if !strings.Contains(string(doc),
		"ward protect public.visits --subject patient_id --permit clinician=view,create,modify") {
		t.Error("docs/ADOPTING.md protects the table in another way than this test")
	}
	reason, err := visit(t.Context(), s.DB.DSN("ward_app"), wardtest.Password, uuid.New())
	if err != nil || reason != "Synthetic migraine" {
		t.Fatalf("%q, %v", reason, err)
	}
	for action, want := range map[string]int{"create": 1, "modify": 1, "search": 1, "view": 3} {
		n := wardtest.One[int](s.Env, "select count(*) from audit.event e join tenancy.users u on u.id = e.user_id "+
			"where u.slug = 'casey' and e.record_table like '%visits' and e.action = $1", action)
		if n != want {
			t.Errorf("%d events %q, want %d", n, action, want)
		}
	}
}

// unindented takes one tab off every line.
func unindented(s string) string { return regexp.MustCompile(`(?m)^\t`).ReplaceAllString(s, "") }

// The SQL blocks of docs/ADOPTING.md are lines of the scripts that adopt.sh plays.
func TestAdoptingInSQL(t *testing.T) {
	doc, err := os.ReadFile("../../docs/ADOPTING.md")
	if err != nil {
		t.Fatal(err)
	}
	var played strings.Builder
	for _, file := range []string{"adopt.sql", "adopt_schema.sql", "adopt.sh"} {
		b, err := os.ReadFile("../../testdata/" + file)
		if err != nil {
			t.Fatal(err)
		}
		played.WriteString(strings.Join(strings.Fields(strings.ReplaceAll(string(b), `\"`, `"`)), " ") + " ")
	}
	blocks := regexp.MustCompile("(?s)\n```sql\n(.*?)```").FindAllSubmatch(doc, -1)
	if len(blocks) < 4 {
		t.Fatalf("%d blocks of SQL", len(blocks))
	}
	for _, b := range blocks {
		for statement := range strings.SplitSeq(string(b[1]), ";\n") {
			text := strings.Join(strings.Fields(regexp.MustCompile(`(?m)^--.*$`).ReplaceAllString(statement, "")), " ")
			if text != "" && !strings.Contains(played.String(), text) {
				t.Errorf("docs/ADOPTING.md shows SQL that adopt.sh does not play: %s", text)
			}
		}
	}
}

// The JavaScript and the Python of docs/ADOPTING.md are part of the programs that testdata/languages.sh runs.
func TestAdoptingInOtherLanguages(t *testing.T) {
	doc, err := os.ReadFile("../../docs/ADOPTING.md")
	if err != nil {
		t.Fatal(err)
	}
	for language, file := range map[string]string{"js": "visits.mjs", "python": "visits.py"} {
		program, err := os.ReadFile("../../testdata/languages/" + file)
		if err != nil {
			t.Fatal(err)
		}
		shown := regexp.MustCompile("(?s)\n```"+language+"\n(.*?)```").FindAllSubmatch(doc, -1)
		if len(shown) != 1 || !strings.Contains(string(program), string(shown[0][1])) {
			t.Errorf("docs/ADOPTING.md shows other %s than %s", language, file)
		}
	}
}
