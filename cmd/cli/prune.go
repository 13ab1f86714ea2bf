package cli

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ward-health/ward/audit"
	"github.com/ward-health/ward/tenancy"
)

type pruneFlags struct {
	reason           string
	dryRun, unlocked bool
	timeout          time.Duration
}

func (a *app) archivePruneCmd() *cobra.Command {
	var f pruneFlags
	c := &cobra.Command{
		Use: "prune MONTH", Short: "Drop a month of events that the archive holds from the database",
		Args: cobra.ExactArgs(1), Annotations: audited("prune"),
		Long: `Asks the worker to drop the events of a month (YYYY-MM, by the time of recording in UTC) from the
database. The request is recorded under your name; it takes an administrator over all clinics. The worker first finds
every event of the month, to the byte, in parts that are what was signed and are locked. Where anything is amiss
nothing is dropped, the reasons are listed, and the exit code is 3. Months go from the oldest on, three whole months
after their end at the earliest (tenancy.setting.prune_after). ward audit list reads on in the archive.

A store that cannot lock its objects, such as a directory, cannot promise that what is dropped here is still there
tomorrow: it needs --unlocked-store.`,
		Example: `  ward archive prune 2026-05 --reason "retention in the database is six months" --dry-run
  ward archive prune 2026-05 --reason "retention in the database is six months"`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, err := time.Parse("2006-01", args[0]); err != nil {
				return usagef("MONTH is YYYY-MM, not %q", args[0])
			}
			if len(strings.TrimSpace(f.reason)) < 4 {
				return usagef("--reason is needed, at least four characters: pruning is recorded with it")
			}
			return a.with(cmd.Context(), func(s *tenancy.Session) error {
				event, err := audit.RequestPrune(cmd.Context(), s, args[0], f.reason, f.dryRun, f.unlocked)
				if err != nil {
					return err
				}
				a.say("asked for; recorded as event %d", event)
				if f.timeout == 0 {
					return nil
				}
				answer, err := audit.Await(cmd.Context(), s, event, f.timeout)
				if err != nil {
					return err
				}
				var done audit.Pruned
				if err := answer.Into(&done); err != nil {
					return err
				}
				return a.pruned(&done)
			})
		},
	}
	c.Flags().StringVar(&f.reason, "reason", "", "why (needed; recorded)")
	c.Flags().BoolVar(&f.dryRun, "dry-run", false, "check everything and drop nothing")
	c.Flags().BoolVar(&f.unlocked, "unlocked-store", false,
		"allow a store that cannot lock its objects: whoever reaches it can delete the only copy")
	c.Flags().DurationVar(&f.timeout, "timeout", time.Hour, "how long to wait for the worker; 0 only asks")
	a.jsonFlag(c)
	return c
}

func (a *app) pruned(p *audit.Pruned) error {
	var text string
	switch {
	case len(p.Refused) > 0:
		lines := make([]string, len(p.Refused))
		for i, r := range p.Refused {
			lines[i] = "  " + clean(r)
		}
		text = fmt.Sprintf("%s was not pruned:\n%s", p.Month, strings.Join(lines, "\n"))
	case p.DryRun:
		text = fmt.Sprintf("%s would be pruned: its %d events are all in %d parts, as they are here", p.Month,
			p.Rows, len(p.Parts))
	default:
		text = fmt.Sprintf("%s is pruned: %d events are in the archive alone now, in %d parts; event %d", p.Month,
			p.Rows, len(p.Parts), p.EventID)
	}
	if err := one(a, p, text); err != nil {
		return err
	}
	if len(p.Refused) > 0 {
		return codeError{code: exitProblem}
	}
	return nil
}
