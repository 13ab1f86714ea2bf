package queries_test

import (
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/ward-health/ward/internal/sqlfmt"
)

// TestReadable walks over every function: a parameter or variable of one letter says nothing, and what a null or a
// fifth argument means cannot be seen at the call.
func TestReadable(t *testing.T) {
	functions := 0
	err := fs.WalkDir(os.DirFS("."), "functions", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		functions++
		for _, riddle := range riddles(t, string(text)) {
			t.Errorf("%s: %s", name, riddle)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if functions < 300 {
		t.Errorf("%d functions: is the walk right?", functions)
	}
}

// TestReadableReader: what counts as a riddle, and what does not.
func TestReadableReader(t *testing.T) {
	for _, c := range []struct{ parameters, body, want string }{
		{"claims jsonb, out ids uuid[]",
			"declare rows int := 0; begin for line in select 1 loop null; end loop; end", ""},
		{"c jsonb default tenancy.claims()", "begin end", "parameter c"},
		{"numeric(1, 2), a text, out b int", "begin end", "parameter a, parameter b"},
		{"", "declare\n  n int;\n  who uuid := f(a, b);\n  t tenancy.users;\nbegin end", "variable n, variable t"},
		{"", "begin for i in 1..10 loop end loop; perform from t for update; end", "variable i"},
		{"", "begin declare e text; begin foreach x in array y loop end loop; end; end", "variable e, variable x"},
		{"", "begin perform audit.write(t, 'view', 'ok', f(null, 1), record_id => null); end", ""},
		{"", "begin perform audit.write(t, 'view', 'ok', null, null, u); end",
			"audit.write with 2 nulls or more than four without names"},
		{"", "begin perform audit.write_as(t, null, session => null, action => 'view'); end",
			"audit.write_as with 1 nulls or more than four without names"},
		{"", "begin n := audit.write(a, b, c, d, e); end", "audit.write with 0 nulls or more than four without names"},
	} {
		sql := "create or replace function tenancy.f(" + c.parameters + ")\n  returns void language plpgsql as $$\n" +
			c.body + " $$;\ngrant execute on function tenancy.f to ward_app;\n"
		if got := strings.Join(riddles(t, sql), ", "); got != c.want {
			t.Errorf("(%s) %s\nhas  %s\nwant %s", c.parameters, c.body, got, c.want)
		}
	}
}

// riddles are the names of one letter in the functions of a text, and the calls that write events without saying which
// value is what.
func riddles(t *testing.T, sql string) []string {
	t.Helper()
	tokens, err := sqlfmt.Tokens(sql)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	short := func(what string, token sqlfmt.Token) {
		if token.Kind == sqlfmt.Word && len(token.Text) == 1 {
			found = append(found, what+" "+token.Text)
		}
	}
	declaring, first := false, false
	for i, token := range tokens {
		rest := tokens[i+1:]
		switch {
		case !token.Body && token.Is("function") && len(rest) > 4 && rest[3].Is("(") && i > 0 &&
			(tokens[i-1].Is("create") || tokens[i-1].Is("replace")):
			for _, parameter := range arguments(rest[3:]) {
				short("parameter", named(parameter))
			}
		case !token.Body:
		case token.Is("declare"):
			declaring, first = true, true
			continue
		case token.Is("begin"):
			declaring = false
		case (token.Is("for") || token.Is("foreach")) && len(rest) > 1 && rest[1].Is("in"):
			short("variable", rest[0])
		case token.Is("audit") && len(rest) > 2 && (rest[1].Is("write") || rest[1].Is("write_as")) && rest[2].Is("("):
			if nulls, bare := unnamed(arguments(rest[2:])); nulls > 0 || bare > 4 {
				found = append(found, fmt.Sprintf("audit.%s with %d nulls or more than four without names",
					rest[1].Text, nulls))
			}
		}
		if declaring && first {
			short("variable", token)
		}
		first = token.Is(";")
	}
	return found
}

// named is the name of a parameter; none where it has a type alone.
func named(parameter []sqlfmt.Token) sqlfmt.Token {
	for len(parameter) > 2 && slices.ContainsFunc([]string{"in", "out", "inout", "variadic"}, parameter[0].Is) {
		parameter = parameter[1:]
	}
	if len(parameter) < 2 {
		return sqlfmt.Token{}
	}
	return parameter[0]
}

// arguments splits what stands between tokens' first bracket and its end at the commas.
func arguments(tokens []sqlfmt.Token) [][]sqlfmt.Token {
	depth, start := 0, 1
	var found [][]sqlfmt.Token
	for i, token := range tokens {
		switch {
		case token.Is("("), token.Is("["):
			depth++
		case token.Is(")"), token.Is("]"):
			depth--
		}
		if depth == 0 || depth == 1 && token.Is(",") {
			if i > start {
				found = append(found, tokens[start:i])
			}
			start = i + 1
		}
		if depth == 0 {
			break
		}
	}
	return found
}

// unnamed counts the arguments without a name, and the nulls among them.
func unnamed(arguments [][]sqlfmt.Token) (nulls, bare int) {
	for _, argument := range arguments {
		if len(argument) > 1 && argument[1].Is("=>") {
			continue
		}
		bare++
		if len(argument) == 1 && argument[0].Is("null") {
			nulls++
		}
	}
	return nulls, bare
}
