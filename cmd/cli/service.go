package cli

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ward-health/ward/tenancy"
)

func (a *app) serviceCmd() *cobra.Command {
	list := &cobra.Command{
		Use: "list", Short: "Service accounts within your reach", Args: cobra.NoArgs, Annotations: audited("browse"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd.Context(), func(s *tenancy.Session) error {
				rows, err := s.Services(cmd.Context(), "")
				if err != nil {
					return err
				}
				return emit(a, rows, []string{"SERVICE", "NAME", "OWNER", "STATE", "DECLARED", "SECRETS"},
					func(x tenancy.Service) []string {
						return []string{x.Slug, x.Name, or(x.Owner, "-"), serviceState(&x), fmt.Sprint(len(x.Declared)),
							fmt.Sprint(len(x.Secrets))}
					})
			})
		},
	}
	show := &cobra.Command{
		Use: "show SERVICE", Short: "One service account: owner, list, secrets", Args: cobra.ExactArgs(1),
		Annotations: audited("browse"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd.Context(), func(s *tenancy.Session) error {
				rows, err := s.Services(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				if len(rows) == 0 {
					return fmt.Errorf("no service account %q within your reach: ward service list shows them", args[0])
				}
				return one(a, rows[0], serviceText(&rows[0]))
			})
		},
	}
	a.jsonFlag(list, show)
	own := &cobra.Command{
		Use: "own SERVICE OWNER", Short: "Name the person who answers for an account", Args: cobra.ExactArgs(2),
		Annotations: audited("configure"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd.Context(), func(s *tenancy.Session) error {
				if err := s.OwnService(cmd.Context(), args[0], args[1]); err != nil {
					return err
				}
				a.say("%s answers for %s", args[1], args[0])
				return nil
			})
		},
	}
	return noun("service", "Service accounts: secrets, and what they declare to do", list, show, own, a.declareCmd(),
		a.undeclareCmd(), a.secretCmd())
}

func serviceState(x *tenancy.Service) string {
	switch {
	case x.DisabledAt != nil:
		return "disabled"
	case x.Ownerless:
		return "OWNERLESS"
	}
	return "ok"
}

func serviceText(x *tenancy.Service) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s (%s)  owner %s, %s", clean(x.Name), x.Slug, or(x.Owner, "nobody"), serviceState(x))
	for _, m := range x.Memberships {
		if m.TerminatedAt == nil {
			fmt.Fprintf(&b, "\n  works at  %s as %s", m.Tenant, m.Role)
		}
	}
	for _, d := range x.Declared {
		fmt.Fprintf(&b, "\n  declared  %s %s at %s, %d to %d h UTC", d.Action, plain(d.RecordTable),
			or(d.Tenant, "every clinic"), d.FromHour, d.ToHour)
	}
	for _, c := range x.Secrets {
		fmt.Fprintf(&b, "\n  secret    %s of %s by %s, until %s", shortID(c.ID), c.CreatedAt.UTC().Format("2006-01-02"),
			c.CreatedBy, when(c.ExpiresAt))
	}
	return b.String()
}

// parseHours reads "0-6".
func parseHours(text string) (from, to int, err error) {
	a, b, ok := strings.Cut(text, "-")
	from, errA := strconv.Atoi(a)
	to, errB := strconv.Atoi(b)
	if !ok || errA != nil || errB != nil || from < 0 || to > 24 || from >= to {
		return 0, 0,
			usagef("--hours is like 0-6: from one hour to another of the same day in UTC; a night is two lines")
	}
	return from, to, nil
}

func (a *app) declareCmd() *cobra.Command {
	var tenant, hours string
	c := &cobra.Command{
		Use: "declare SERVICE ACTION TABLE", Short: "Put a line on an account's list", Args: cobra.ExactArgs(3),
		Annotations: audited("configure"),
		Long: `What an account does that is not on its list is a finding (rule A05), not an error: the role of
its membership is what bounds it.`,
		Example: `  ward service declare svc-claims create claims --hours 3-6
  ward service declare svc-etl view appointments --tenant cedar`,
		RunE: func(cmd *cobra.Command, args []string) error {
			from, to, err := parseHours(hours)
			if err != nil {
				return err
			}
			if err := oneOf("action", args[1:2], roleActions); err != nil {
				return usagef("ACTION is one of %s", strings.Join(roleActions, ", "))
			}
			d := tenancy.Declaration{Action: args[1], RecordTable: args[2], FromHour: from, ToHour: to}
			if tenant != "" {
				d.Tenant = &tenant
			}
			return a.with(cmd.Context(), func(s *tenancy.Session) error {
				if err := s.DeclareService(cmd.Context(), args[0], d); err != nil {
					return err
				}
				a.say("declared")
				return nil
			})
		},
	}
	c.Flags().StringVar(&tenant, "tenant", "", "one clinic (default: every clinic)")
	c.Flags().StringVar(&hours, "hours", "0-24", "hours of the day, UTC")
	return c
}

func (a *app) undeclareCmd() *cobra.Command {
	var tenant string
	c := &cobra.Command{
		Use: "undeclare SERVICE ACTION TABLE", Short: "Take an action on a table off an account's list",
		Args: cobra.ExactArgs(3), Annotations: audited("configure"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd.Context(), func(s *tenancy.Session) error {
				n, err := s.UndeclareService(cmd.Context(), args[0], args[1], args[2], tenant)
				if err != nil {
					return err
				}
				a.say("%d lines taken off", n)
				return nil
			})
		},
	}
	c.Flags().StringVar(&tenant, "tenant", "", "the lines of one clinic (default: those that say every clinic)")
	return c
}

func (a *app) secretCmd() *cobra.Command {
	var days int
	var overlap time.Duration
	c := &cobra.Command{
		Use: "secret SERVICE", Short: "Make a new secret for an account and print it, this once",
		Args: cobra.ExactArgs(1), Annotations: audited("configure"),
		Long: `Prints the secret alone on standard output; ward keeps its hash only. The secret before it stays valid
for --overlap, older ones end at once, so at most two are valid. After a leak use --overlap 0s: the old ones end now,
and so do the account's live sessions.`,
		Example: `  ward service secret svc-claims > /run/secrets/claims
  ward service secret svc-claims --overlap 0s`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if days < 1 || days > 366 {
				return usagef("--days is 1 to 366")
			}
			if overlap < 0 || overlap > 7*24*time.Hour {
				return usagef("--overlap is 0s to 168h")
			}
			return a.with(cmd.Context(), func(s *tenancy.Session) error {
				made, err := s.NewServiceSecret(cmd.Context(), args[0], days, overlap)
				if err != nil {
					return err
				}
				before := "no other one is valid"
				if made.BeforeUntil != nil {
					before = "the one before it until " + when(*made.BeforeUntil)
				}
				a.say("new secret of %s, until %s; %s; live sessions ended: %d", made.User, when(made.ExpiresAt),
					before, made.SessionsEnded)
				_, err = fmt.Fprintln(a.Out, made.Secret)
				return err
			})
		},
	}
	c.Flags().IntVar(&days, "days", 90, "how long it lasts, 1 to 366")
	c.Flags().DurationVar(&overlap, "overlap", 24*time.Hour, "how long the one before it goes on")
	return c
}
