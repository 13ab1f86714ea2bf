package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ward-health/ward/review"
	"github.com/ward-health/ward/tenancy"
)

func (a *app) ruleCmd() *cobra.Command {
	list := &cobra.Command{
		Use: "list", Short: "The review rules, with those that this installation cannot run", Args: cobra.NoArgs,
		Annotations: audited("browse"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd.Context(), func(s *tenancy.Session) error {
				rows, err := review.Rules(cmd.Context(), s)
				if err != nil {
					return err
				}
				return emit(a, rows, []string{"RULE", "VERSION", "TIER", "SEVERITY", "ENABLED", "LAST RUN", "OPEN",
					"EXPLAINED"}, func(r review.Registered) []string {
					enabled := "yes"
					if !r.Enabled {
						enabled = "NOT ENABLED, needs " + strings.Join(r.Missing, ", ")
					}
					found, explained := fmt.Sprint(r.Open), ""
					if r.Kind == "filter" {
						found, explained = "", fmt.Sprint(r.Explained)
					}
					return []string{r.ID, fmt.Sprint(r.Version), r.Tier, r.Severity, enabled,
						whenOr(r.LastRunAt, "never"), found, explained}
				})
			})
		},
	}
	show := &cobra.Command{
		Use: "show RULE", Short: "What a rule looks for, whom it cites, and how to triage it", Args: cobra.ExactArgs(1),
		Annotations: audited("browse"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd.Context(), func(s *tenancy.Session) error {
				rows, err := review.Rules(cmd.Context(), s)
				if err != nil {
					return err
				}
				for i := range rows {
					if strings.HasPrefix(rows[i].ID, args[0]) {
						return one(a, rows[i], ruleText(&rows[i]))
					}
				}
				return fmt.Errorf("no rule %q: ward rule list shows them", args[0])
			})
		},
	}
	run, retire, test, history := a.ruleRunCmd(), a.ruleRetireCmd(), a.ruleTestCmd(), a.ruleHistoryCmd()
	a.jsonFlag(list, show, history, run, retire, test)
	return noun("rule", "Review rules",
		append([]*cobra.Command{list, show, test, run, history, retire}, a.ruleInputCmds()...)...)
}

func (a *app) ruleHistoryCmd() *cobra.Command {
	return &cobra.Command{
		Use: "history [RULE]", Short: "The ledger: the newest runs, also those that found nothing",
		Args: cobra.MaximumNArgs(1), Annotations: audited("browse"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd.Context(), func(s *tenancy.Session) error {
				rows, err := review.History(cmd.Context(), s, strings.Join(args, ""))
				if err != nil {
					return err
				}
				return emit(a, rows, []string{"FINISHED", "RULE", "BATCHES", "MATCHED", "NEW", "MERGED", "STATUS",
					"BY"}, func(r review.RunRow) []string {
					status := r.Status
					if r.Error != nil {
						status += ": " + *r.Error
					}
					return []string{when(r.FinishedAt), r.RuleID, fmt.Sprintf("%d..%d", r.FromBatch, r.ToBatch),
						fmt.Sprint(r.Matched), fmt.Sprint(r.Created), fmt.Sprint(r.Merged), status,
						or(r.RequestedBy, "schedule")}
				})
			})
		},
	}
}

func ruleText(r *review.Registered) string {
	f := &r.FrontMatter
	about := "false positives:\n  " + clean(strings.Join(f.FalsePositives, "; ")) + "\ntriage: " + clean(f.Triage)
	if r.Kind == "filter" {
		about = fmt.Sprintf("has explained %d accesses\ndoes not explain:\n  %s", r.Explained,
			clean(strings.Join(f.Limits, "; ")))
	}
	return fmt.Sprintf("%s  version %d, %s of tier %s, %s\n%s\n\ncites 45 CFR %s\n"+
		"runs every %s, over events older than %s\n%s\ncontent %s",
		r.ID, r.Version, r.Kind, r.Tier, r.Severity, clean(f.Description), strings.Join(f.Citations, ", "),
		time.Duration(f.Every), time.Duration(f.Settle), about, r.ContentHash)
}

func (a *app) ruleRunCmd() *cobra.Command {
	var timeout time.Duration
	c := &cobra.Command{
		Use: "run [RULE]", Short: "Ask the worker to run a rule, or all, now", Args: cobra.MaximumNArgs(1),
		Annotations: audited("rule_run"),
		Long: "The request is recorded under your name, the run is the worker's. Waits for the result; " +
			"with --timeout 0 only asks.",
		RunE: func(cmd *cobra.Command, args []string) error {
			detail := map[string]any{}
			if len(args) == 1 {
				detail["rule"] = args[0]
			}
			return a.with(cmd.Context(), func(s *tenancy.Session) error {
				event, err := review.Request(cmd.Context(), s, "rule_run", detail)
				if err != nil {
					return err
				}
				a.say("asked for; recorded as event %d", event)
				if timeout == 0 {
					return one(a, map[string]int64{"event_id": event}, "ward rule history shows the run")
				}
				out, err := awaitRequest(cmd.Context(), s, event, timeout)
				if err != nil {
					return err
				}
				return a.requestOutcome(&out)
			})
		},
	}
	c.Flags().DurationVar(&timeout, "timeout", 2*time.Minute, "how long to wait for the worker")
	return c
}

func (a *app) ruleRetireCmd() *cobra.Command {
	var reason string
	c := &cobra.Command{
		Use: "retire RULE", Short: "Say that a rule without a file is meant to be gone", Args: cobra.ExactArgs(1),
		Annotations: audited("configure"),
		Long: "A rule whose file no worker has any more is late, and S02 tells. Retired, " +
			"it is listed NOT ENABLED, keeps its history, and starts again where it stopped when a worker " +
			"has its file.",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := needReason(reason); err != nil {
				return err
			}
			return a.with(cmd.Context(), func(s *tenancy.Session) error {
				event, err := review.Retire(cmd.Context(), s, args[0], reason)
				if err != nil {
					return err
				}
				return one(a, map[string]int64{"event_id": event},
					fmt.Sprintf("%s is retired; recorded as event %d", args[0], event))
			})
		},
	}
	c.Flags().StringVar(&reason, "reason", "", "why (needed)")
	return c
}

func (a *app) requestOutcome(out *review.Requested) error {
	var lines []string
	failed := false
	for _, r := range out.Runs {
		lines = append(lines, strings.TrimSpace(fmt.Sprintf("%s  %s, %d matched, %d new anomalies, %d merged %s",
			r.RuleID, r.Status, r.Matched, r.Created, r.Merged, clean(or(r.Error, "")))))
		failed = failed || r.Status != "ok"
	}
	if len(lines) == 0 {
		lines = []string{"the worker ran nothing: job " + out.State}
		failed = true
	}
	if err := one(a, out, strings.Join(lines, "\n")); err != nil {
		return err
	}
	if failed {
		return errors.New("not every run succeeded")
	}
	return nil
}

func awaitRequest(ctx context.Context, s *tenancy.Session, event int64,
	timeout time.Duration) (review.Requested, error) {
	deadline := time.NewTimer(timeout)
	defer deadline.Stop()
	tick := time.NewTicker(300 * time.Millisecond)
	defer tick.Stop()
	for {
		out, err := review.Outcome(ctx, s, event)
		if err != nil || out.Done {
			return out, err
		}
		select {
		case <-ctx.Done():
			return out, ctx.Err()
		case <-deadline.C:
			return out, fmt.Errorf("the worker has not answered within %s: is ward worker running? ward rule history "+
				"will show the run", timeout)
		case <-tick.C:
		}
	}
}

// rules are the shipped ones, with those of the installation's own directory.
func (s *Settings) rules() ([]review.Rule, error) {
	shipped, err := review.ShippedRules()
	if err != nil || s.RulesDir == "" {
		return shipped, err
	}
	if info, err := os.Stat(s.RulesDir); err != nil || !info.IsDir() {
		return nil, usagef("rules_dir %s is no directory that can be read: without it the installation's own rules "+
			"would not run", s.RulesDir)
	}
	all, err := review.LoadOwn(os.DirFS(s.RulesDir), shipped)
	if err != nil {
		return nil, fmt.Errorf("rules_dir %s: %w", s.RulesDir, err)
	}
	return all, nil
}
