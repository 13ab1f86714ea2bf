package ruletest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ward-health/ward/review"
)

// watched is Test of a rule that watches the review itself: each case is arranged in a transaction of its own that is
// taken back.
func (out *Report) watched(ctx context.Context, db Database, subject *Subject, mutants []*mutant) error {
	w, err := NewWorld(ctx, db, nil)
	if err != nil {
		return err
	}
	defer w.Close(ctx)
	w.do(ctx, "first event", w.Now.Add(-time.Hour))
	if err := w.Seal(ctx, w.Now); err != nil {
		return err
	}
	for _, m := range mutants {
		var failing []string
		for i := range subject.Tests.Tests {
			c := &subject.Tests.Tests[i]
			problem, err := w.watch(ctx, &m.rule, c)
			if err != nil && m.term == "" {
				return err
			}
			if err != nil {
				m.failed = err
			}
			if problem != "" && !out.fails(c.Name) {
				failing = append(failing, c.Name)
			}
			if m.term == "" {
				out.Cases = append(out.Cases, RuleCase{Name: c.Name, Passed: problem == "", Problem: problem})
			}
		}
		if m.term != "" && m.term != "true" {
			out.Terms = append(out.Terms, m.verdict(failing, subject.Tests.Spared))
		}
	}
	out.unused(subject.Tests.Spared, mutants)
	return nil
}

// errBack takes a case back.
var errBack = errors.New("taken back")

// watch arranges one case, asks the rule, and says what is wrong with the answer.
func (w *World) watch(ctx context.Context, rule *review.Rule, c *review.RuleTest) (problem string, err error) {
	s := &Scene{RuleTest: *c, world: w}
	err = pgx.BeginFunc(ctx, w.Super, func(tx pgx.Tx) error {
		if err := s.installation(ctx, tx); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, statement("worker")); err != nil {
			return fmt.Errorf("become ward_worker: %w", err)
		}
		answers, err := rule.Try(ctx, tx, 0, 0, w.Now)
		if err != nil {
			return err
		}
		problem = s.late(answers)
		return errBack
	})
	if errors.Is(err, errBack) {
		err = w.err
	}
	return problem, err
}

// installation writes the rules and runs of a case, each run with its event, and the events that wait.
func (s *Scene) installation(ctx context.Context, tx pgx.Tx) (err error) {
	do := func(name string, args ...any) {
		if err == nil {
			if _, err = tx.Exec(ctx, statement(name), args...); err != nil {
				err = fmt.Errorf("arrange case %q (%s): %w", s.Name, name, explained(err))
			}
		}
	}
	do("snapshot")
	for _, r := range s.Rules {
		head, encodeErr := json.Marshal(map[string]any{"every": r.Every})
		if encodeErr != nil {
			return fmt.Errorf("arrange case %q: %w", s.Name, encodeErr)
		}
		missing := []string{}
		if r.Missing != "" {
			missing = append(missing, r.Missing)
		}
		do("rule", r.ID, head, missing, s.at(or(r.Known, "-8760h")))
		for _, x := range r.Runs {
			var event int64
			if err == nil {
				err = tx.QueryRow(ctx, statement("run event")).Scan(&event)
			}
			if !x.Unsealed {
				do("seal run event", event)
			}
			do("run", uuid.New(), r.ID, s.at(x.At), or(x.Status, "ok"), event)
		}
	}
	for _, at := range s.Unsealed {
		do("waits", s.at(at))
	}
	return err
}

// late compares the answer with what the case expects.
func (s *Scene) late(answers []review.Answer) string {
	var got, want []string
	for _, a := range answers {
		line := fmt.Sprintf("%s since %s, evidence %d", a.What, a.Since.UTC(), len(a.Events))
		for _, x := range s.Expect {
			if x.What == a.What && strings.Contains(a.Summary, x.Summary) {
				line += " " + x.Summary
			}
		}
		got = append(got, line)
	}
	for _, x := range s.Expect {
		want = append(want, fmt.Sprintf("%s since %s, evidence %d %s", x.What, s.at(x.Since), x.Evidence, x.Summary))
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		return fmt.Sprintf("found %q, want %q", got, want)
	}
	return ""
}
