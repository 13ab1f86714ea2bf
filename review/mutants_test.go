package review_test

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ward-health/ward/queries"
	"github.com/ward-health/ward/review"
)

// spared are the terms that no case can need, with the reason. A spared term that a case does need is an error too.
var spared = map[string]map[string]string{
	"A03-terminated-user":         {"t.batch > :from": again},
	"S03-on-call-access":          {"a.batch > :from": again, "a.batch > :from (2)": again},
	"A06-service-like-a-person":   {"a.batch <= :to": looked},
	"A07-log-gap":                 {"a.batch > :from": again, "c.batch > :from": again, "c.batch <= :to": "what is wrong with the chain is so from the first seal on"},
	"B05-crowd":                   {"a.batch <= :to": looked, "a.tenant_id = r.tenant_id": reads, "a.recorded_at >= r.first_at": reads, "a.recorded_at <= r.last_at": reads},
	"C07-two-places":              {"a.batch <= :to": looked, "a.session_id is not null": looked},
	"C05-export":                  {"a.batch <= :to": looked, "a.action = 'export'": looked},
	"C02-enumeration":             {"a.batch <= :to": looked, "a.action = 'view'": looked},
	"C04-dormant":                 {"a.batch <= :to": looked, "a.patient_id is not null": looked, "a.recorded_at >= t.since": reads},
	"C06-searches-without-a-find": {"a.batch <= :to": looked, "a.action = 'search'": looked},
	"C01-high-volume": {
		"a.batch <= :to": looked, "d.patients >= :floor::int": reads, "a.recorded_at >= h.day::timestamp at time zone 'UTC'": reads,
		"a.at >= h.day::timestamp at time zone 'UTC'": "an imported event may be recorded a day after it happened; those of the cases are recorded when they happen",
	},
}

// again is why a lower bound is spared: what is found again is known evidence and changes nothing; the bound keeps the cost to what is new. looked: C01's first
// list says which days to judge again. reads: it saves reading what no day needs.
const (
	again  = "a lower bound of the window saves work only"
	looked = "a day, hour or minute that is judged again for no reason is judged the same"
	reads  = "it saves work only"
)

// mutant is a rule with one term taken out.
type mutant struct {
	rule   review.Rule
	term   string
	nth    int // of the terms that read the same
	found  map[who]*finding
	upto   int64
	failed error
}

// token is a word, a literal, or a sign of SQL.
var token = regexp.MustCompile(`'(?:[^']|'')*'|--[^\n]*|:{0,2}[A-Za-z_][A-Za-z0-9_.]*|[()]|\S`)

// boundaries end a term.
var boundaries = []string{"select", "from", "where", "and", "or", "group", "order", "having", "join", "left", "cross", "on", "union", "then", "when", "else", "end", "limit", "using", "case", "offset", ","}

// terms finds what stands between where, on and and, at every depth, as ranges of the text.
func terms(sql string) [][2]int {
	type part struct {
		start, end int
		before     string // the boundary that it stands after
	}
	type level struct {
		parts   []part
		opened  bool
		between bool
		last    string // boundary
		word    string
	}
	var out [][2]int
	stack := []*level{{last: "("}}
	end := func(l *level, boundary string) {
		if n := len(l.parts); l.opened && n > 0 {
			p := l.parts[n-1]
			alone := p.before == "where" || p.before == "on" || p.before == "and"
			if (alone && boundary != "or") || (boundary == "and" && (p.before == "(" || p.before == "then")) {
				out = append(out, [2]int{p.start, p.end})
			}
		}
		l.opened, l.last = false, boundary
	}
	for _, at := range token.FindAllStringIndex(sql, -1) {
		text, l := strings.ToLower(sql[at[0]:at[1]]), stack[len(stack)-1]
		switch {
		case strings.HasPrefix(text, "--"):
			continue
		case text == "and" && l.between:
			l.between = false
		case text == ")":
			end(l, ")")
			stack = stack[:len(stack)-1]
			up := stack[len(stack)-1]
			up.parts[len(up.parts)-1].end = at[1]
			continue
		case slices.Contains(boundaries, text) && (text != "from" || l.word != "distinct") && (text != "case" || !l.opened): // "is distinct from" and "and case" end nothing
			end(l, text)
			continue
		}
		l.between = l.between || text == "between"
		if !l.opened {
			l.parts, l.opened = append(l.parts, part{start: at[0], before: l.last}), true
		}
		l.parts[len(l.parts)-1].end, l.word = at[1], text
		if text == "(" {
			stack = append(stack, &level{last: "("})
		}
	}
	end(stack[0], "")
	return out
}

func mutantsOf(t *testing.T, rule *review.Rule) []*mutant {
	t.Helper()
	text, err := fs.ReadFile(queries.Rules(), rule.ID+".sql")
	if err != nil {
		t.Fatal(err)
	}
	_, sql, ok := strings.Cut(string(text), "---*/\n")
	if !ok {
		t.Fatal("no front matter")
	}
	whole := []*mutant{{rule: *rule}}
	seen := map[string]int{}
	for _, at := range terms(sql) {
		term := strings.Join(strings.Fields(sql[at[0]:at[1]]), " ")
		without, ok := rule.Mutant(sql[:at[0]] + "true" + sql[at[1]:])
		seen[term]++
		if ok {
			whole = append(whole, &mutant{rule: without, term: term, nth: seen[term]})
		}
	}
	if len(whole) < 2 {
		t.Fatalf("only %d terms found", len(whole)-1)
	}
	for _, m := range whole {
		m.found = map[who]*finding{}
	}
	return whole
}

// evaluate runs the mutants' text over what was sealed since the last time and has settled, and keeps nothing in the database.
func (w *world) evaluate(mutants []*mutant) {
	w.t.Helper()
	for _, m := range mutants {
		if m.failed == nil {
			m.failed = w.run(m)
		}
	}
}

func (w *world) run(m *mutant) error {
	ctx := w.t.Context()
	return pgx.BeginTxFunc(ctx, w.worker, pgx.TxOptions{AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		patience := "2s"
		if m.term == "" {
			patience = "30s" // the rule itself has to end, on a busy machine too
		}
		if _, err := tx.Exec(ctx, "select set_config('statement_timeout', $1, true)", patience); err != nil {
			return err
		}
		var to int64
		if err := tx.QueryRow(ctx, "select coalesce(max(batch), 0) from audit.chain where sealed_at <= $1", w.now.Add(-time.Duration(m.rule.Settle))).Scan(&to); err != nil {
			return err
		}
		args := make([]any, len(m.rule.Binds))
		for i, b := range m.rule.Binds {
			args[i] = map[string]any{"from": m.upto, "to": to, "now": w.now}[b]
			if v, ok := m.rule.Params[b]; ok {
				args[i] = v
			}
		}
		m.upto = to
		rows, err := tx.Query(ctx, m.rule.SQL, args...)
		if err != nil {
			return err
		}
		return m.collect(rows)
	})
}

// collect adds the rows of an answer to what the mutant found.
func (m *mutant) collect(rows pgx.Rows) error {
	if m.rule.Explains() {
		type row struct {
			Tenant uuid.UUID  `db:"tenant_id"`
			Actor  uuid.UUID  `db:"actor_id"`
			Event  int64      `db:"event_id"`
			Reason string     `db:"reason"`
			Until  *time.Time `db:"valid_until"`
			From   *int64     `db:"inherited_from"`
		}
		answer, err := pgx.CollectRows(rows, pgx.RowToStructByNameLax[row])
		for _, x := range answer {
			add(m.found, who{tenant: x.Tenant, actor: x.Actor}, x.Reason, x.Event)
		}
		return err
	}
	var (
		about       who
		actor, ofID *uuid.UUID
		first, last time.Time
		summary     string
		facts       json.RawMessage
		events      []int64
	)
	_, err := pgx.ForEachRow(rows, []any{&about.tenant, &actor, &ofID, &first, &last, &summary, &facts, &events}, func() error {
		about.actor, about.patient = maybe(actor), maybe(ofID)
		add(m.found, about, summary, events...)
		return nil
	})
	return err
}

// report holds every mutant against the cases: the rule itself passes them all, a mutant fails one.
func (w *world) report(t *testing.T, rule string, mutants []*mutant) {
	t.Helper()
	unused := maps.Clone(spared[rule])
	for _, m := range mutants {
		var failing []string
		for _, s := range w.scenes {
			c := *s
			c.Expect = slices.Clone(s.Expect)
			for i := range c.Expect {
				c.Expect[i].Summary, _, _ = strings.Cut(c.Expect[i].Summary, "; by now")
			}
			if c.compare(m.found) != "" {
				failing = append(failing, s.Name)
			}
		}
		name := m.term
		if m.nth > 1 {
			name = fmt.Sprintf("%s (%d)", m.term, m.nth)
		}
		why, spare := spared[rule][name]
		delete(unused, name)
		switch {
		case m.term == "":
			if m.failed != nil || len(failing) > 0 {
				t.Errorf("the rule itself: %v %v", m.failed, failing)
			}
		case m.failed != nil && !strings.Contains(m.failed.Error(), "57014"): // it ran away
			t.Errorf("without %q it does not run: %v", name, m.failed)
		case len(failing) == 0 && m.failed == nil && !spare:
			t.Errorf("no case fails without %q", name)
		case len(failing) > 0 && m.failed == nil && spare: // one that ran away has found a part only, and spared terms are those that save work
			t.Errorf("%q is spared (%s), yet without it these fail: %q", name, why, failing)
		}
	}
	for name := range unused {
		t.Errorf("%q is spared and is no term of the rule", name)
	}
}
