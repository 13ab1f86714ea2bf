package review

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5"
)

// LoadOwn reads an installation's own rules beside the shipped ones, under the same refusals. They run as ward_rule:
// flags and filters that read events and relationships. None takes the id or uuid of a shipped one.
func LoadOwn(dir fs.FS, shipped []Rule) ([]Rule, error) {
	own, err := LoadRules(dir)
	if err != nil {
		return nil, err
	}
	for i := range own {
		r := &own[i]
		if r.Watches() {
			return nil, fmt.Errorf("rule %s: a watch is ward's own: write a flag or a filter", r.ID)
		}
		for _, s := range shipped {
			if s.ID == r.ID {
				return nil, fmt.Errorf("rule %s is one of ward's: give yours another id", r.ID)
			}
		}
		if err := r.inline(); err != nil {
			return nil, fmt.Errorf("rule %s: %w", r.ID, err)
		}
		r.Own = true
	}
	all := append(append([]Rule{}, shipped...), own...)
	inOrder(all)
	return all, distinct(all)
}

// inline writes the rule's own parameters into its text as literals, and numbers :from, :to and :now as review.ask_rule
// does.
func (r *Rule) inline() error {
	values := map[string]string{"from": "$1", "to": "$2", "now": "$3"}
	for name, v := range r.Params {
		switch v := v.(type) {
		case int:
			values[name] = fmt.Sprintf("(%d)", v)
		case float64:
			values[name] = fmt.Sprintf("(%g)", v)
		case string:
			values[name] = "'" + strings.ReplaceAll(v, "'", "''") + "'"
		case bool:
			values[name] = fmt.Sprint(v)
		default:
			return fmt.Errorf("params has %s, which is neither a number, a text nor true or false", name)
		}
	}
	binds := append([]string{}, r.Binds...)
	r.SQL = placeholder.ReplaceAllStringFunc(r.SQL, func(s string) string {
		var n int
		if _, err := fmt.Sscanf(s, "$%d", &n); err != nil || n < 1 || n > len(binds) { // what is quoted
			return s
		}
		return values[binds[n-1]]
	})
	return nil
}

// placeholder is a parameter that bindAll numbered, or something quoted.
var placeholder = regexp.MustCompile(quotes + `|\$[0-9]+`)

// called are names before a parenthesis: of functions, among them.
var called = regexp.MustCompile(`(?i)([a-z_][a-z0-9_]*)[\s\v]*\(`)

var literalOrComment = regexp.MustCompile(quotes)

// calls are the names of what the rule's text may call.
func (r *Rule) calls() []string {
	code := literalOrComment.ReplaceAllStringFunc(r.SQL, func(s string) string {
		if strings.HasPrefix(s, "'") {
			return "''"
		}
		return " "
	})
	seen := map[string]bool{}
	var names []string
	for _, m := range called.FindAllStringSubmatch(code, -1) {
		if name := strings.ToLower(m[1]); !seen[name] {
			seen[name] = true
			names = append(names, name)
		}
	}
	return names
}

// confinedSQL runs the text of an installation's own rule as ward_rule.
const confinedSQL = "select review.ask_rule($1, $2, $3, $4, $5, $6)"

func (r *Rule) confined(w window, most int) []any {
	return []any{r.SQL, r.calls(), w.from, w.to, w.now, most + 1}
}

// decoded is a row of such an answer.
func decoded[T any](row pgx.CollectableRow) (T, error) {
	var raw []byte
	var v T
	if err := row.Scan(&raw); err != nil {
		return v, err
	}
	decoder := json.NewDecoder(strings.NewReader(string(raw)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&v); err != nil {
		return v, fmt.Errorf("its columns: %w", err)
	}
	return v, nil
}
