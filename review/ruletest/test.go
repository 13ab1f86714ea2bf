package ruletest

import (
	"context"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/ward-health/ward/review"
)

// Subject is a rule with its files.
type Subject struct {
	Rule  review.Rule
	Tests review.RuleTests
	sql   string // the text below its head
}

// Load reads the files of a rule that LoadRules or LoadOwn accepted from that directory.
func Load(dir fs.FS, rule *review.Rule) (Subject, error) {
	s := Subject{Rule: *rule}
	text, err := fs.ReadFile(dir, rule.ID+".sql")
	if err != nil {
		return s, fmt.Errorf("read rule %s: %w", rule.ID, err)
	}
	var ok bool
	if _, s.sql, ok = strings.Cut(string(text), "---*/\n"); !ok {
		return s, fmt.Errorf("rule %s: does not start with /*--- front matter ---*/", rule.ID)
	}
	tests, err := fs.ReadFile(dir, rule.ID+".test.yaml")
	if err != nil {
		return s, fmt.Errorf("read tests of rule %s: %w", rule.ID, err)
	}
	s.Tests, err = review.ParseTests(rule, tests)
	return s, err
}

// Report is what came of a rule's tests.
type Report struct {
	RuleID  string `json:"rule_id"`
	Version int    `json:"version"`
	Own     bool   `json:"own"` // of the installation, not shipped
	Passed  bool   `json:"passed"`
	// Problems are those of no one case: a rule that does not run, what a second run changed, a case that cannot be
	// arranged, a term that is spared and is none.
	Problems []string   `json:"problems"`
	Cases    []RuleCase `json:"cases"`
	Terms    []RuleTerm `json:"terms"`
}

// RuleCase is one case.
type RuleCase struct {
	Name    string `json:"name"`
	Passed  bool   `json:"passed"`
	Problem string `json:"problem"` // empty: none
}

// RuleTerm is one term of the rule's conditions and what the cases say of the rule without it.
type RuleTerm struct {
	Term   string `json:"term"`
	Passed bool   `json:"passed"`
	// Needed says that a case fails without it, or that the rule does not end; otherwise it is spared, or a case is
	// missing.
	Needed  bool   `json:"needed"`
	Spared  string `json:"spared"`  // why no case can need it; empty: one has to
	Problem string `json:"problem"` // empty: none
}

// Test runs a rule's cases and its mutants in an empty database. others are the rules that the installation has; what
// the rule reads of their work they do before it. An error says that the tests could not be run; what they find is in
// the report.
func Test(ctx context.Context, db Database, subject *Subject, others []review.Rule) (Report, error) {
	rule := &subject.Rule
	out := Report{RuleID: rule.ID, Version: rule.Version, Own: rule.Own, Problems: []string{}, Cases: []RuleCase{},
		Terms: []RuleTerm{}}
	mutants, err := subject.mutants()
	if err != nil {
		return out, err
	}
	if rule.Watches() {
		err = out.watched(ctx, db, subject, mutants)
	} else {
		err = out.examined(ctx, db, subject, mutants, others)
	}
	if err != nil && ctx.Err() == nil && db.Super.Ping(ctx) == nil {
		// the server is there, so it is what the rule or a case says
		out.Problems, err = append(out.Problems, err.Error()), nil
	}
	out.Passed = err == nil && len(out.Problems) == 0
	for _, c := range out.Cases {
		out.Passed = out.Passed && c.Passed
	}
	for _, t := range out.Terms {
		out.Passed = out.Passed && t.Passed
	}
	return out, err
}

// examined is Test of a flag or filter.
func (out *Report) examined(ctx context.Context, db Database, subject *Subject, mutants []*mutant,
	others []review.Rule) error {
	rule := &subject.Rule
	w, err := NewWorld(ctx, db, withSuppressed(rule, subject.Tests.Tests))
	if err != nil {
		return err
	}
	defer w.Close(ctx)
	w.do(ctx, "inputs")
	var before []review.Rule
	for _, r := range others {
		if r.Stage() < rule.Stage() && rule.ReadsExplained() {
			before = append(before, r)
		}
	}
	if err := review.Register(ctx, db.Worker, append(before, *rule)); err != nil {
		return err
	}
	if err := w.history(ctx, out, subject, mutants, before); err != nil {
		return err
	}
	found, err := w.found(ctx, rule)
	if err != nil {
		return err
	}
	for _, s := range w.Scenes {
		problem := s.compare(ctx, found)
		out.Cases = append(out.Cases, RuleCase{Name: s.Name, Passed: problem == "", Problem: problem})
	}
	out.Terms = w.judge(ctx, out, subject, mutants)
	return w.err
}

// history lets the cases happen: what comes first, what comes late, and what has not settled; the rule and its mutants
// look twice.
func (w *World) history(ctx context.Context, out *Report, subject *Subject, mutants []*mutant,
	before []review.Rule) error {
	rule := &subject.Rule
	look := func() error {
		for i := range before {
			if _, err := review.Run(ctx, w.Worker, &before[i], w.Now, review.RunRequest{}); err != nil {
				return err
			}
		}
		if err := w.runTwice(ctx, out, rule); err != nil {
			return err
		}
		return w.evaluate(ctx, mutants)
	}
	w.suppress(ctx, rule)
	settled := w.Now.Add(-time.Duration(rule.Settle))
	step := func(p Phase, at time.Time) error {
		if err := w.Arrange(ctx, p); err != nil {
			return err
		}
		return w.Seal(ctx, at)
	}
	if err := step(First, settled.Add(-2*time.Hour)); err != nil {
		return err
	}
	w.tamper(ctx)
	if err := look(); err != nil {
		return err
	}
	if err := step(Late, settled); err != nil {
		return err
	}
	if err := step(Unsettled, settled.Add(time.Microsecond)); err != nil {
		return err
	}
	return look()
}

// suppressed begins the name of a case that stands beside its like: what the rule finds in it is suppressed, and
// recorded all the same.
const suppressed = "suppressed: "

// withSuppressed adds such a case, the first that finds something about somebody once more: a suppression names a
// person or a patient.
func withSuppressed(rule *review.Rule, tests []review.RuleTest) []review.RuleTest {
	for _, c := range tests {
		if len(c.Expect) > 0 && c.Expect[0].Actor+c.Expect[0].Patient != "" && !rule.Explains() {
			c.Name = suppressed + c.Name
			return append(tests[:len(tests):len(tests)], c)
		}
	}
	return tests
}

// suppress has two people suppress what the rule finds in that case.
func (w *World) suppress(ctx context.Context, rule *review.Rule) {
	for _, s := range w.Scenes {
		if !strings.HasPrefix(s.Name, suppressed) {
			continue
		}
		second := get[uuid.UUID](ctx, w, "user", fmt.Sprintf("second-%d", s.number), "human")
		for _, x := range s.Expect {
			about := s.about(ctx, x)
			id := get[uuid.UUID](ctx, w, "suppress", rule.ID, rule.Tier, about.tenant, orNil(about.actor),
				orNil(about.patient))
			w.do(ctx, "approve", id, second)
		}
	}
}

// runTwice runs the rule as its schedule does, once more, and once more over the same batches: only the first time may
// anything change.
func (w *World) runTwice(ctx context.Context, out *Report, rule *review.Rule) error {
	run := func() (review.Result, error) { return review.Run(ctx, w.Worker, rule, w.Now, review.RunRequest{}) }
	done, err := run()
	if err != nil {
		return err
	}
	if done.ToBatch == done.FromBatch || done.Created+done.Merged+done.Suppressed == 0 {
		out.Problems = append(out.Problems,
			"a run examined or found nothing: no case finds something in what comes first, or in what comes late")
		return nil
	}
	before := get[string](ctx, w, "everything")
	again, err := run()
	if err != nil {
		return err
	}
	if again.Created+again.Merged+again.Suppressed+again.Matched != 0 || again.FromBatch != done.ToBatch ||
		again.ToBatch != done.ToBatch {
		out.Problems = append(out.Problems, fmt.Sprintf("a second run, with nothing new, "+
			"found %d and changed %d anomalies", again.Matched, again.Created+again.Merged+again.Suppressed))
	}
	w.do(ctx, "rewind", rule.ID, done.FromBatch)
	if again, err = run(); err != nil {
		return err
	}
	if again.Created+again.Merged+again.Suppressed != 0 || again.Matched != done.Matched ||
		again.ToBatch != done.ToBatch {
		out.Problems = append(out.Problems, fmt.Sprintf("a run over the same events found %d and not %d, "+
			"and changed %d anomalies", again.Matched, done.Matched, again.Created+again.Merged+again.Suppressed))
	}
	if get[string](ctx, w, "everything") != before {
		out.Problems = append(out.Problems,
			"a run over what was examined already changed anomalies, evidence or explanations")
	}
	return w.err
}

func orNil(id uuid.UUID) *uuid.UUID {
	if id == uuid.Nil {
		return nil
	}
	return &id
}
