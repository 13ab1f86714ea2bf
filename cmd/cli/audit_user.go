package cli

import (
	"github.com/spf13/cobra"

	"github.com/ward-health/ward/audit"
	"github.com/ward-health/ward/tenancy"
)

func (a *app) auditUserCmd() *cobra.Command {
	var f auditFlags
	c := &cobra.Command{
		Use: "user USER", Short: "One person's rows at every clinic within your reach, newest first",
		Args: cobra.ExactArgs(1), Annotations: audited("open"),
		Long: `A person has one user_id for life, so what they did at one clinic and the next reads as one trail.
Opening it is recorded at each clinic that is shown, and once for the installation.`,
		Example: `  ward audit user m.reyes --reason "left on Friday" --since 720h --json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			filter, err := f.filter(a.Now())
			if err != nil {
				return err
			}
			if len(f.actors) > 0 {
				return usagef("--actor and USER both say whose rows: give USER alone")
			}
			if f.limit < 1 || f.limit > 5000 {
				return usagef("--limit is 1 to 5000")
			}
			return a.with(cmd.Context(), func(s *tenancy.Session) error {
				rows, err := audit.OfUser(cmd.Context(), s, args[0], f.reason, f.ticket, filter, f.limit)
				if err != nil {
					return err
				}
				head := append([]string{"TENANT"}, eventHead...)
				if err := emit(a, rows, head, func(e audit.UserEvent) []string {
					return append([]string{e.Tenant}, eventColumns(e.Event)...)
				}); err != nil {
					return err
				}
				if len(rows) == f.limit {
					a.say("newest %d shown, there may be more: --limit, or --to the last one's time", len(rows))
				}
				return nil
			})
		},
	}
	f.add(c)
	_ = c.Flags().MarkHidden("actor") // USER is the actor
	c.Flags().IntVar(&f.limit, "limit", 100, "how many, 1 to 5000")
	a.jsonFlag(c)
	return c
}
