package queries_test

import (
	"io/fs"
	"maps"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/ward-health/ward/internal/sqlfmt"
)

// floors are ward's schemas, from the bottom up. What stands on a floor uses its own floor and those below.
var floors = []string{
	// pure helpers: reasons, dates, encodings, signatures, triggers that keep history; uses nothing of ward's
	"core",
	"tenancy", // who works where, proven identity, protected tables, disclosures
	"audit",   // reading, sealing, shipping, finding and pruning events
	"review",  // rules, the queue, evidence
}

// beside are the schemas next to the floors, each with the highest floor that it uses. No floor uses them.
var beside = map[string]string{
	"auth":     "tenancy", // the names that PostgREST's and Supabase's policies use
	"boundary": "audit",   // the BAA boundary: no object yet
	"controls": "review",  // the release audit: no object yet
}

// upward are the only names above its own floor that a schema may use. Every guard writes an event, so writing one
// counts as the lowest floor; reading one does not.
var upward = map[string]string{
	"audit.write":             "writes one event under the transaction's identity",
	"audit.write_as":          "writes one event for somebody whose identity is not proven yet, or is refused",
	"insert into audit.event": "writes the events of many records in one statement: a call for each costs a multiple",
}

var (
	qualified = regexp.MustCompile(`(?i)(insert\s+into\s+)?\b(core|tenancy|audit|review|auth|boundary|controls)\.(\w+)`)
	objects   = regexp.MustCompile(`(?i)^\s*(create|alter table|insert)\b`)
)

// TestFloors reads the body of every function, view and trigger, and every table with its checks, defaults and
// policies: none uses what stands above it. Literals count, since they may be dynamic SQL or name a table; comments
// and the messages of RAISE do not.
func TestFloors(t *testing.T) {
	used := map[string]bool{}
	seen := map[string]int{}
	for _, dir := range []string{"tables", "functions", "views", "triggers"} {
		err := fs.WalkDir(os.DirFS("."), dir, func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || path.Ext(name) != ".sql" {
				return err
			}
			text, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			for _, statement := range statements(t, string(text)) {
				schema := path.Base(path.Dir(name))
				if dir == "tables" {
					if !objects.MatchString(statement) {
						continue // a grant, a role, a setting
					}
					first := qualified.FindStringSubmatch(statement)
					if first == nil {
						continue
					}
					schema = strings.ToLower(first[2])
				}
				seen[dir+" "+schema]++
				for _, up := range above(schema, statement, used) {
					t.Errorf("%s: %s uses %s, which stands above it", name, schema, up)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, why := range upward {
		if !used[name] {
			t.Errorf("nothing below uses %s any more: take it off the list (%s)", name, why)
		}
	}
	for _, want := range []string{
		"tables core", "tables tenancy", "tables audit", "tables review", "functions core", "functions tenancy",
		"functions audit", "functions review", "functions auth", "views review", "triggers tenancy",
	} {
		if seen[want] == 0 {
			t.Errorf("no statement of %s was read: %v", want, slices.Sorted(maps.Keys(seen)))
		}
	}
}

// TestFloorsReader: what counts as a use, and what does not.
func TestFloorsReader(t *testing.T) {
	function := func(body string) string {
		return "-- review.rule is read elsewhere\n" +
			"create function tenancy.f() returns void language plpgsql as $$\nbegin\n" +
			body + "\nend $$;\ngrant execute on function tenancy.f to ward_app;\n"
	}
	for _, c := range []struct{ body, want string }{
		{"  perform review.tidy();", "review.tidy"},
		{"  execute format('select count(*) from review.%I', x);", ""}, // no name in it
		{"  execute format('select count(*) from review.rule where %I', x);", "review.rule"},
		{"  execute 'select ''it''''s'' from audit.chain';", "audit.chain"},
		{"  raise exception 'no rule; audit.find comes first' using hint = format('see review.run %s', 'audit.open');",
			""},
		{"  raise exception '%: see review.rule', (select max(r.id) from review.run r);", "review.run"},
		{"  if x then raise notice 'audit.open'; end if; select 'audit.open';", "audit.open"},
		{"  -- perform review.tidy();\n  /* review.run /* audit.chain */ x */ perform tenancy.g(), core.today();", ""},
		{"  perform audit.write(t, 'view'); insert into audit.event (tenant_id) values (t);", ""},
		{"  select from audit.event e; insert\n  into audit.event select * from audit.chain;",
			"audit.event audit.chain"},
		{"  x := $re$^--[^\\n']*$re$; perform AUDIT.seal();", "audit.seal"},
		{"  x := E'\\'' || review.run_of('--');", "review.run_of"},
		{"  perform auth.jwt();", "auth.jwt"},
	} {
		var got []string
		for _, s := range statements(t, function(c.body)) {
			got = append(got, above("tenancy", s, map[string]bool{})...)
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s\nuses %v, want %s", c.body, got, c.want)
		}
	}
	if got := above("auth", "select tenancy.claims(), audit.write(1)", map[string]bool{}); len(got) != 0 {
		t.Errorf("auth uses %v", got)
	}
	if got := above("auth", "select audit.events()", map[string]bool{}); len(got) != 1 {
		t.Errorf("auth uses %v, want audit.events", got)
	}
	if got := above("phi", "select 1", map[string]bool{}); len(got) != 1 {
		t.Errorf("an unknown schema: %v", got)
	}
}

// above are the names in a statement of a schema that stand above it, but for those that may be used, which it notes
// in used.
func above(schema, statement string, used map[string]bool) []string {
	highest, known := beside[schema]
	if !known {
		highest = schema
	}
	level := slices.Index(floors, highest)
	if level < 0 {
		return []string{schema + " (of which no floor is known)"}
	}
	var out []string
	for _, m := range qualified.FindAllStringSubmatch(statement, -1) {
		to, name := strings.ToLower(m[2]), strings.ToLower(m[2]+"."+m[3])
		if to == schema || slices.Index(floors, to) >= 0 && slices.Index(floors, to) <= level {
			continue
		}
		allowed := name
		if m[1] != "" {
			allowed = "insert into " + name
		}
		if upward[allowed] != "" {
			used[allowed] = true
			continue
		}
		out = append(out, name)
	}
	return out
}

// statements splits SQL at its semicolons, the bodies of functions left whole, without comments and without the texts
// that RAISE says.
func statements(t *testing.T, sql string) []string {
	tokens, err := sqlfmt.Tokens(sql)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	var b strings.Builder
	raising, joined := false, true
	for _, token := range tokens {
		switch {
		case token.Is(";"):
			if raising = false; !token.Body {
				out = append(out, b.String())
				b.Reset()
				continue
			}
		case token.Is("raise"):
			raising = true
		case token.Kind == sqlfmt.Text && raising:
			continue
		}
		dot := token.Is(".")
		if !dot && !joined {
			b.WriteByte(' ')
		}
		joined = dot
		b.WriteString(token.Text)
	}
	return append(out, b.String())
}
