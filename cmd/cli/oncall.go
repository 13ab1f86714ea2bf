package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ward-health/ward/tenancy"
)

func (a *app) oncallCmd() *cobra.Command {
	list := &cobra.Command{
		Use: "list", Short: "Who may take an on-call grant, and who holds one", Args: cobra.NoArgs,
		Annotations: audited("browse"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd.Context(), func(s *tenancy.Session) error {
				rows, err := s.OnCallRoster(cmd.Context())
				if err != nil {
					return err
				}
				return emit(a, rows, []string{"USER", "NAME", "FOR", "SINCE", "BY", "TOOK", "UNTIL", "REASON"},
					func(o tenancy.OnCall) []string {
						return []string{o.User, o.Name, or(o.Tenant, "any clinic"),
							o.AddedAt.UTC().Format("2006-01-02"), o.AddedBy, or(o.Took, "-"),
							whenOr(o.Until, "-"), o.Reason}
					})
			})
		},
	}
	a.jsonFlag(list)
	var tenant, reason string
	add := &cobra.Command{
		Use: "add USER", Short: "Let a person take on-call grants by themself", Args: cobra.ExactArgs(1),
		Annotations: audited("configure"),
		Example:     `  ward oncall add omar --tenant cedar --reason "platform rota, November"`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd.Context(), func(s *tenancy.Session) error {
				id, err := s.AddOnCall(cmd.Context(), args[0], tenant, reason)
				return a.added(args[0]+" on call:", id, err)
			})
		},
	}
	remove := &cobra.Command{
		Use: "remove USER", Short: "Take a person off the roster; what they took under it ends",
		Args: cobra.ExactArgs(1), Annotations: audited("configure"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd.Context(), func(s *tenancy.Session) error {
				n, err := s.RemoveOnCall(cmd.Context(), args[0], tenant, reason)
				if err != nil {
					return err
				}
				a.say("%s is off call; %d grants ended", args[0], n)
				return nil
			})
		},
	}
	for _, c := range []*cobra.Command{add, remove} {
		c.Flags().StringVar(&tenant, "tenant", "", "one clinic (default: any clinic)")
		c.Flags().StringVar(&reason, "reason", "", "why (needed)")
	}
	return noun("oncall", "On-call access to one clinic, taken by the engineer", list, add, remove, a.oncallTakeCmd(),
		a.oncallEndCmd())
}

func (a *app) oncallTakeCmd() *cobra.Command {
	var reason, ticket string
	var hours float64
	c := &cobra.Command{
		Use: "take TENANT", Short: "Take an on-call grant: one clinic, four hours at most", Args: cobra.ExactArgs(1),
		Annotations: audited("grant"),
		Long: `For whoever stands on the on-call roster. The grant lets you read the clinic's audit rows and its
queue, and ends by itself. It is an item of the queue at once: a compliance officer reads what you looked at against
the ticket.`,
		Example: `  ward oncall take cedar --ticket OPS-812 --reason "portal down" --hours 2`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := needReason(reason); err != nil {
				return err
			}
			if strings.TrimSpace(ticket) == "" {
				return usagef("--ticket is needed: the grant is read against it")
			}
			if hours <= 0 || hours > 4 {
				return usagef("--hours is more than 0 and at most 4")
			}
			return a.with(cmd.Context(), func(s *tenancy.Session) error {
				got, err := s.TakeOnCall(cmd.Context(), args[0], reason, ticket, hours)
				if err != nil {
					return err
				}
				return one(a, got, fmt.Sprintf("you reach %s until %s; recorded as event %d, for a compliance "+
					"officer to read; ward oncall end gives it back", got.Tenant, when(got.ExpiresAt), got.EventID))
			})
		},
	}
	c.Flags().StringVar(&reason, "reason", "", "why (needed)")
	c.Flags().StringVar(&ticket, "ticket", "", "ticket (needed)")
	c.Flags().Float64Var(&hours, "hours", 4, "how long, at most 4")
	a.jsonFlag(c)
	return c
}

func (a *app) oncallEndCmd() *cobra.Command {
	var reason string
	c := &cobra.Command{
		Use: "end", Short: "Give your on-call grant back", Args: cobra.NoArgs, Annotations: audited("revoke"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd.Context(), func(s *tenancy.Session) error {
				n, err := s.EndOnCall(cmd.Context(), reason)
				if err != nil {
					return err
				}
				a.say("%d on-call grant ended", n)
				return nil
			})
		},
	}
	c.Flags().StringVar(&reason, "reason", "the work is done", "why")
	return c
}
