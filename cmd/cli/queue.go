package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/ward-health/ward/review"
	"github.com/ward-health/ward/tenancy"
)

func (a *app) queueCmd() *cobra.Command {
	return noun("queue", "The anomaly queue", a.queueListCmd(), a.queueShowCmd(),
		a.changeCmd("claim ANOMALY", "Take an anomaly: yours until released, to be edited for 30 minutes", "claim", "", review0(review.Claim)),
		a.changeCmd("release ANOMALY", "Give a claimed anomaly back", "assign", "reason", review1(review.Release)),
		a.assignCmd(), a.noteCmd(),
		a.changeCmd("wait ANOMALY", "Mark it as waiting for information", "note", "reason", review1(review.Wait)),
		a.closeCmd(), a.approveCmd(),
		a.changeCmd("escalate ANOMALY", "Hand it to the incident process", "escalate", "reason", review1(review.Escalate)),
		a.changeCmd("reopen ANOMALY", "Take a closed anomaly up again", "reopen", "reason", review1(review.Reopen)))
}

// The words that the schema knows; a test holds them to it. A misspelt one would be an empty answer, which reads as "nothing wrong".
var (
	queueStates = review.States
	severities  = []string{"critical", "high", "medium", "low"}
)

// oneOf refuses a flag's values that are none of the known words.
func oneOf(flag string, values, known []string) error {
	for _, v := range values {
		if !slices.Contains(known, v) {
			return usagef("--%s %q: one of %s", flag, v, strings.Join(known, ", "))
		}
	}
	return nil
}

func (a *app) queueListCmd() *cobra.Command {
	var f review.QueueFilter
	var all bool
	var after string
	c := &cobra.Command{
		Use: "list", Short: "Open anomalies, worst first", Args: cobra.NoArgs, Annotations: audited("browse"),
		Long: "Lists one page of the queue. Looking is recorded: one event with the ids shown, and one in each clinic among them.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if after != "" {
				id, err := uuid.Parse(after)
				if err != nil {
					return usagef("--after takes a whole anomaly id")
				}
				f.After = &id
			}
			if f.Limit < 1 || f.Limit > 500 {
				return usagef("--limit is 1 to 500; --after continues")
			}
			if err := oneOf("state", f.State, queueStates); err != nil {
				return err
			}
			if err := oneOf("severity", f.Severity, severities); err != nil {
				return err
			}
			if all {
				f.State = queueStates
			}
			return a.with(cmd.Context(), func(s *tenancy.Session) error {
				rows, err := review.Queue(cmd.Context(), s, f)
				if err != nil {
					return err
				}
				now := a.Now()
				err = emit(a, rows, []string{"ANOMALY", "SEV", "RULE", "TENANT", "ACTOR", "AGE", "STATE", "ASSIGNED", "SUMMARY"}, func(x review.Anomaly) []string {
					return []string{shortID(x.ID), x.Severity, x.RuleID, x.Tenant, or(x.Actor, "-"), age(now.Sub(x.LastAt)), x.State, or(x.AssignedTo, "-"), x.Summary}
				})
				if err == nil && len(rows) == f.Limit {
					a.say("%d shown, there may be more: --after %s", len(rows), rows[len(rows)-1].ID)
				}
				return err
			})
		},
	}
	c.Flags().StringSliceVar(&f.State, "state", nil, "states (default: all that are open)")
	c.Flags().StringVar(&f.Rule, "rule", "", "rules whose id starts so, e.g. A0")
	c.Flags().StringSliceVar(&f.Severity, "severity", nil, "critical, high, medium, low")
	c.Flags().StringVar(&f.Tenant, "tenant", "", "one clinic")
	c.Flags().StringVar(&f.Actor, "actor", "", "one user")
	c.Flags().BoolVar(&f.Mine, "mine", false, "mine or unclaimed")
	c.Flags().BoolVar(&all, "all", false, "closed ones too")
	c.Flags().IntVar(&f.Limit, "limit", 100, "page size, 1 to 500")
	c.Flags().StringVar(&after, "after", "", "continue after this anomaly id")
	a.jsonFlag(c)
	return c
}

// age is a duration as people say it.
func age(d time.Duration) string {
	switch {
	case d < time.Minute:
		return "now"
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}

func (a *app) queueShowCmd() *cobra.Command {
	c := &cobra.Command{
		Use: "show ANOMALY", Short: "One anomaly with its evidence, notes and history", Args: cobra.ExactArgs(1), Annotations: audited("open"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd.Context(), func(s *tenancy.Session) error {
				d, err := review.Open(cmd.Context(), s, args[0])
				if err != nil {
					return err
				}
				return one(a, d, describe(&d))
			})
		},
	}
	a.jsonFlag(c)
	return c
}

func describe(d *review.Details) string {
	var b strings.Builder
	x := &d.Anomaly
	fmt.Fprintf(&b, "%s  %s %s  at %s\n%s\n", x.ID, x.Severity, x.RuleID, clean(x.TenantName), clean(x.Summary))
	fmt.Fprintf(&b, "state %s, version %d, assigned to %s\n", x.State, x.Version, or(x.AssignedTo, "nobody"))
	if x.Disposition != nil {
		fmt.Fprintf(&b, "closed as %s by %s: %s; approved by %s\n", *x.Disposition, or(x.ClosedBy, "-"), clean(or(x.CloseReason, "")), or(x.ApprovedBy, "nobody yet"))
	}
	fmt.Fprintf(&b, "rule: %s (45 CFR %s)\ntriage: %s\nseen before: %d closed for this rule here, %d for this actor\n", d.Rule.Title, strings.Join(d.Rule.Citations, ", "), d.Rule.Triage, d.ClosedSameRule, d.ClosedSameActor)
	fmt.Fprintf(&b, "\nEVIDENCE  %d events\n", x.EvidenceCount)
	for i := range d.Evidence {
		e := &d.Evidence[i]
		record := "-"
		if e.RecordID != nil {
			record = e.RecordID.String()
		}
		fmt.Fprintf(&b, "  %s  %-7s %-14s %s  %-6s #%d\n", when(e.At), e.Action, plain(or(e.RecordTable, "-")), record, e.Outcome, e.Seq)
	}
	if x.EvidenceCount > len(d.Evidence) {
		fmt.Fprintf(&b, "  %d more\n", x.EvidenceCount-len(d.Evidence))
	}
	for _, n := range d.Notes {
		fmt.Fprintf(&b, "note  %s %s: %s\n", when(n.At), n.By, clean(n.Text))
	}
	for _, t := range d.History {
		fmt.Fprintf(&b, "%s  %s by %s %s\n", when(t.At), t.To, or(t.By, "ward worker"), clean(or(t.Reason, "")))
	}
	return strings.TrimRight(b.String(), "\n")
}

// changeFn changes an anomaly whose version was seen; text is the reason, where one is asked for.
type changeFn func(ctx context.Context, s *tenancy.Session, anomaly string, seen int, text string) (review.Changed, error)

func review0(fn func(context.Context, *tenancy.Session, string, int) (review.Changed, error)) changeFn {
	return func(ctx context.Context, s *tenancy.Session, anomaly string, seen int, _ string) (review.Changed, error) {
		return fn(ctx, s, anomaly, seen)
	}
}

func review1(fn func(context.Context, *tenancy.Session, string, int, string) (review.Changed, error)) changeFn {
	return fn
}

// changeCmd is a command that changes an anomaly. --version is the version that was seen; without it the anomaly is opened first (recorded), and its present one counts.
func (a *app) changeCmd(use, short, action, textFlag string, fn changeFn) *cobra.Command {
	var seen int
	var text string
	c := &cobra.Command{
		Use: use, Short: short, Args: cobra.ExactArgs(1), Annotations: audited(action),
		RunE: func(cmd *cobra.Command, args []string) error {
			if textFlag != "" && strings.TrimSpace(text) == "" {
				return usagef("--%s is needed", textFlag)
			}
			return a.change(cmd.Context(), args[0], seen, text, fn)
		},
	}
	c.Flags().IntVar(&seen, "version", 0, "the version that you saw (default: the present one)")
	if textFlag != "" {
		c.Flags().StringVar(&text, textFlag, "", "why (needed)")
	}
	a.jsonFlag(c)
	return c
}

func (a *app) change(ctx context.Context, anomaly string, seen int, text string, fn changeFn) error {
	return a.with(ctx, func(s *tenancy.Session) error {
		if seen == 0 {
			d, err := review.Open(ctx, s, anomaly)
			if err != nil {
				return err
			}
			anomaly, seen = d.Anomaly.ID.String(), d.Anomaly.Version
		}
		done, err := fn(ctx, s, anomaly, seen, text)
		if err != nil {
			return err
		}
		return one(a, done, fmt.Sprintf("%s is %s, version %d; recorded as event %d", shortID(done.ID), done.State, done.Version, done.EventID))
	})
}

func (a *app) noteCmd() *cobra.Command {
	c := &cobra.Command{
		Use: "note ANOMALY TEXT", Short: "Add a note; notes are never changed", Args: cobra.ExactArgs(2), Annotations: audited("note"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.change(cmd.Context(), args[0], 1, args[1], func(ctx context.Context, s *tenancy.Session, anomaly string, _ int, text string) (review.Changed, error) {
				return review.AddNote(ctx, s, anomaly, text)
			})
		},
	}
	a.jsonFlag(c)
	return c
}

func (a *app) assignCmd() *cobra.Command {
	var to string
	c := a.changeCmd("assign ANOMALY", "Give an anomaly to another reviewer", "assign", "reason", func(ctx context.Context, s *tenancy.Session, anomaly string, seen int, reason string) (review.Changed, error) {
		if to == "" {
			return review.Changed{}, usagef("--to is needed")
		}
		return review.Assign(ctx, s, anomaly, seen, to, reason)
	})
	c.Flags().StringVar(&to, "to", "", "user (needed)")
	return c
}

func (a *app) closeCmd() *cobra.Command {
	var as string
	c := a.changeCmd("close ANOMALY", "Close it; what is grave then waits for a second person", "close", "reason", func(ctx context.Context, s *tenancy.Session, anomaly string, seen int, reason string) (review.Changed, error) {
		if as == "" {
			return review.Changed{}, usagef("--as is needed: a disposition, e.g. explained_treatment, false_positive_rule, breach")
		}
		return review.Close(ctx, s, anomaly, seen, as, reason)
	})
	c.Flags().StringVar(&as, "as", "", "disposition (needed)")
	return c
}

func (a *app) approveCmd() *cobra.Command {
	var reject bool
	c := a.changeCmd("approve ANOMALY", "Approve somebody else's closing, or send it back", "approve", "reason", func(ctx context.Context, s *tenancy.Session, anomaly string, seen int, reason string) (review.Changed, error) {
		return review.Approve(ctx, s, anomaly, seen, !reject, reason)
	})
	c.Flags().BoolVar(&reject, "reject", false, "send it back instead")
	return c
}
