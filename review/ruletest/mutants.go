package ruletest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/ward-health/ward/review"
)

// mutant is a rule with one term taken out; the first of a rule's is the rule itself.
type mutant struct {
	rule   review.Rule
	term   string // of terms that read the same the second is "... (2)"
	found  findings
	upto   int64
	failed error
}

// token is a word, a literal, or a sign of SQL.
var token = regexp.MustCompile(`'(?:[^']|'')*'|--[^\n]*|(?s:/\*.*?\*/)|:{0,2}[A-Za-z_][A-Za-z0-9_.]*|[()]|\S`)

// boundaries end a term.
var boundaries = []string{"select", "from", "where", "and", "or", "group", "order", "having", "join", "left", "cross",
	"on", "union", "then", "when", "else", "end", "limit", "using", "case", "offset", ","}

// part is a run of tokens between two boundaries.
type part struct {
	start, end int
	before     string // the boundary that it stands after
}

// level is what stands between two parentheses.
type level struct {
	parts   []part
	opened  bool
	between bool
	last    string // boundary
	word    string
}

// close ends the part that is open, and says whether it is a term of its own.
func (l *level) close(boundary string) (term [2]int, ok bool) {
	if n := len(l.parts); l.opened && n > 0 {
		p := l.parts[n-1]
		alone := p.before == "where" || p.before == "on" || p.before == "and"
		term, ok = [2]int{p.start, p.end}, alone && boundary != "or" ||
			boundary == "and" && (p.before == "(" || p.before == "then")
	}
	l.opened, l.last = false, boundary
	return term, ok
}

// terms finds what stands between where, on and and, at every depth, as ranges of the text.
func terms(sql string) [][2]int {
	var out [][2]int
	stack := []*level{{last: "("}}
	end := func(l *level, boundary string) {
		if term, ok := l.close(boundary); ok {
			out = append(out, term)
		}
	}
	for _, at := range token.FindAllStringIndex(sql, -1) {
		text, l := strings.ToLower(sql[at[0]:at[1]]), stack[len(stack)-1]
		switch {
		case strings.HasPrefix(text, "--"), strings.HasPrefix(text, "/*"):
			continue
		case text == "and" && l.between:
			l.between = false
		case text == ")" && len(stack) > 1:
			end(l, ")")
			stack = stack[:len(stack)-1]
			up := stack[len(stack)-1]
			up.parts[len(up.parts)-1].end = at[1]
			continue
		case slices.Contains(boundaries, text) && (text != "from" || l.word != "distinct") &&
			(text != "case" || !l.opened):
			// "is distinct from" and "and case" end nothing
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

// How long a rule without one of its terms may take in a world of a few hundred events, and how long the rule itself
// may, on a busy machine too.
const (
	patience     = 2 * time.Second
	ownPatience  = 30 * time.Second
	cancelled    = "57014" // query_canceled: the time limit
	laterSummary = "; by now "
)

// mutants are the rule itself and, for each term of its conditions, the rule without it. Without the bounds of its
// window no rule runs, so these are not taken out where they stand once.
func (s *Subject) mutants() ([]*mutant, error) {
	itself := s.Rule
	itself.Timeout = review.Duration(ownPatience)
	whole := []*mutant{{rule: itself, found: findings{}}}
	seen := map[string]int{}
	for _, at := range terms(s.sql) {
		term := strings.Join(strings.Fields(s.sql[at[0]:at[1]]), " ")
		without, ok := s.Rule.Mutant(s.sql[:at[0]] + "true" + s.sql[at[1]:])
		if seen[term]++; seen[term] > 1 {
			term = fmt.Sprintf("%s (%d)", term, seen[term])
		}
		if ok {
			without.Timeout = review.Duration(patience)
			whole = append(whole, &mutant{rule: without, term: term, found: findings{}})
		}
	}
	if len(whole) < 2 {
		return nil, fmt.Errorf("tests of rule %s: its SQL has no condition that could be taken out", s.Rule.ID)
	}
	return whole, nil
}

// evaluate asks the mutants about what was sealed since the last time and has settled, and keeps nothing in the
// database.
func (w *World) evaluate(ctx context.Context, mutants []*mutant) error {
	for _, m := range mutants {
		if m.failed != nil {
			continue
		}
		m.failed = pgx.BeginTxFunc(ctx, w.Worker, pgx.TxOptions{AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
			var to int64
			if err := tx.QueryRow(ctx, statement("settled"),
				w.Now.Add(-time.Duration(m.rule.Settle))).Scan(&to); err != nil {
				return fmt.Errorf("find what has settled: %w", err)
			}
			answers, err := m.rule.Try(ctx, tx, m.upto, to, w.Now)
			m.upto = to
			for _, a := range answers {
				m.found.add(who{tenant: a.Tenant, actor: of(a.Actor), patient: of(a.Patient)}, a.Summary, a.Events...)
			}
			return err
		})
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

// judge holds every mutant against the cases that the rule's run passed: the rule itself passes them, a mutant fails
// one.
func (w *World) judge(ctx context.Context, out *Report, subject *Subject, mutants []*mutant) []RuleTerm {
	list := []RuleTerm{}
	for _, m := range mutants {
		var failing []string
		for _, s := range w.Scenes {
			c := *s
			c.Expect = slices.Clone(s.Expect)
			for i := range c.Expect {
				c.Expect[i].Summary, _, _ = strings.Cut(c.Expect[i].Summary, laterSummary)
			}
			if c.compare(ctx, m.found) != "" && !out.fails(s.Name) {
				failing = append(failing, s.Name)
			}
		}
		if m.term != "" {
			list = append(list, m.verdict(failing, subject.Tests.Spared))
		} else if m.failed != nil || len(failing) > 0 {
			out.Problems = append(out.Problems,
				fmt.Sprintf("the rule's text, asked and not run: %v %q", m.failed, failing))
		}
	}
	out.unused(subject.Tests.Spared, mutants)
	return list
}

// fails says whether a case failed already.
func (out *Report) fails(name string) bool {
	return slices.ContainsFunc(out.Cases, func(c RuleCase) bool { return c.Name == name && !c.Passed })
}

// unused tells of what is spared and is no term.
func (out *Report) unused(spared map[string]string, mutants []*mutant) {
	rest := maps.Clone(spared)
	for _, m := range mutants {
		delete(rest, m.term)
	}
	for _, term := range slices.Sorted(maps.Keys(rest)) {
		out.Problems = append(out.Problems, fmt.Sprintf("%q is spared and is no term of the rule", term))
	}
}

// verdict judges a term by the cases that fail without it.
func (m *mutant) verdict(failing []string, spared map[string]string) RuleTerm {
	why, spare := spared[m.term]
	var pg *pgconn.PgError
	away := errors.As(m.failed, &pg) && pg.Code == cancelled
	t := RuleTerm{Term: m.term, Spared: why, Needed: len(failing) > 0 || away}
	switch {
	case m.failed != nil && !away:
		t.Problem = fmt.Sprintf("without it the rule does not run: %v", m.failed)
	case !t.Needed && !spare:
		t.Problem = "no case fails without it"
	case len(failing) > 0 && m.failed == nil && spare:
		// one that ran away has found a part only, and spared terms are those that save work
		t.Problem = fmt.Sprintf("it is spared (%s), yet without it these fail: %q", why, failing)
	}
	t.Passed = t.Problem == ""
	return t
}
