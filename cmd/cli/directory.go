package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ward-health/ward/tenancy"
)

func (a *app) tenantCmd() *cobra.Command {
	list := &cobra.Command{
		Use: "list", Short: "The clinics within your reach", Args: cobra.NoArgs, Annotations: audited("browse"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd.Context(), func(s *tenancy.Session) error {
				rows, err := s.Tenants(cmd.Context())
				if err != nil {
					return err
				}
				return emit(a, rows, []string{"TENANT", "NAME", "REGION", "KIND", "MEMBERS", "OPEN ANOMALIES",
					"KEPT FOR"}, func(t tenancy.Tenant) []string {
					return []string{t.Slug, t.Name, t.Region, t.Kind, fmt.Sprint(t.Members),
						fmt.Sprint(t.OpenAnomalies), fmt.Sprintf("%d years", t.RetainYears)}
				})
			})
		},
	}
	a.jsonFlag(list)
	add := &cobra.Command{
		Use: "add SLUG NAME", Short: "Add a clinic in this region", Args: cobra.ExactArgs(2),
		Annotations: audited("configure"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd.Context(), func(s *tenancy.Session) error {
				id, err := s.AddTenant(cmd.Context(), args[0], args[1])
				return a.added("tenant "+args[0], id, err)
			})
		},
	}
	return noun("tenant", "Clinics", list, add, a.tenantRetentionCmd())
}

func (a *app) tenantRetentionCmd() *cobra.Command {
	var years int
	var reason string
	c := &cobra.Command{
		Use: "retention CLINIC", Short: "Keep a clinic's archived history for more years", Args: cobra.ExactArgs(1),
		Annotations: audited("configure"),
		Long: `Archived history is kept for six years and ninety days from the end of its month, or longer where a
clinic wants it. A part holds the rows of several clinics and is kept for the longest. The worker makes the locks of
parts that exist already longer within a minute. A retention never shrinks.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd.Context(), func(s *tenancy.Session) error {
				if err := s.SetRetention(cmd.Context(), args[0], years, reason); err != nil {
					return err
				}
				a.say("archived history of %s is kept for %d years and ninety days", args[0], years)
				return nil
			})
		},
	}
	c.Flags().IntVar(&years, "years", 0, "how many, 6 to 100")
	c.Flags().StringVar(&reason, "reason", "", "why (needed)")
	_ = c.MarkFlagRequired("years")
	_ = c.MarkFlagRequired("reason")
	return c
}

// added says what was made.
func (a *app) added(what string, id fmt.Stringer, err error) error {
	if err != nil {
		return err
	}
	a.say("%s added", what)
	_, err = fmt.Fprintln(a.Out, id)
	return err
}

func (a *app) userCmd() *cobra.Command {
	list := &cobra.Command{
		Use: "list", Short: "Users within your reach", Args: cobra.NoArgs, Annotations: audited("browse"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd.Context(), func(s *tenancy.Session) error {
				rows, err := s.Users(cmd.Context())
				if err != nil {
					return err
				}
				return a.emitUsers(rows)
			})
		},
	}
	show := &cobra.Command{
		Use: "show USER", Short: "One user and every membership they ever had", Args: cobra.ExactArgs(1),
		Annotations: audited("browse"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd.Context(), func(s *tenancy.Session) error {
				rows, err := s.Users(cmd.Context())
				if err != nil {
					return err
				}
				for _, u := range rows {
					if u.Slug == args[0] || u.ID.String() == args[0] {
						return a.emitUsers([]tenancy.User{u})
					}
				}
				return fmt.Errorf("no user %q within your reach: ward user list shows them", args[0])
			})
		},
	}
	a.jsonFlag(list, show)
	var kind, owner string
	var withPassword bool
	add := &cobra.Command{
		Use: "add SLUG NAME", Short: "Add a person or a service account", Args: cobra.ExactArgs(2),
		Annotations: audited("configure"),
		Long: `Adds a user: one per person, for life. A second clinic is a second membership (ward member add), not a
second user. With --password the password is asked for, or read from standard input.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			u := tenancy.NewUser{Slug: args[0], Name: args[1], Kind: kind, Owner: owner}
			if withPassword {
				var err error
				if u.Password, err = a.password("Password for " + args[0]); err != nil {
					return err
				}
			}
			return a.with(cmd.Context(), func(s *tenancy.Session) error {
				id, err := s.AddUser(cmd.Context(), u)
				return a.added("user "+args[0], id, err)
			})
		},
	}
	add.Flags().StringVar(&kind, "kind", "human", "human or service")
	add.Flags().StringVar(&owner, "owner", "", "user who answers for a service account")
	add.Flags().BoolVar(&withPassword, "password", false, "give a password")
	return noun("user", "People and service accounts",
		append(append(a.linkCmds(), a.sameCmds()...), list, show, add, a.userDisableCmd(), a.userEnableCmd())...)
}

func (a *app) userDisableCmd() *cobra.Command {
	var reason string
	var yes bool
	c := &cobra.Command{
		Use: "disable USER", Short: "End a person everywhere: memberships, grants, sessions", Args: cobra.ExactArgs(1),
		Annotations: audited("terminate"),
		Long: `Shows what it ends and, on a terminal, asks for the user's short name; with --yes it does not ask.
Every membership is terminated, every grant ended, the person is taken off the on-call roster, a service account's
secrets end, and every session is revoked: the next transaction is refused. The user_id and all history stay. ward
user enable lets the person sign in again, without what was ended.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(strings.TrimSpace(reason)) < 4 {
				return usagef("--reason is needed, at least four characters")
			}
			return a.with(cmd.Context(), func(s *tenancy.Session) error {
				p, err := s.Person(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				if err := a.confirmDisable(cmd.Context(), &p, yes); err != nil {
					return err
				}
				done, err := s.DisableUser(cmd.Context(), p.Slug, reason)
				if err != nil {
					return err
				}
				return one(a, done, fmt.Sprintf("disabled; %d memberships, %d grants and %d live sessions ended; "+
					"recorded as event %d", done.MembershipsEnded, done.GrantsEnded, done.SessionsEnded, done.EventID))
			})
		},
	}
	c.Flags().StringVar(&reason, "reason", "", "why (needed)")
	c.Flags().BoolVar(&yes, "yes", false, "show what it ends and do it without asking")
	a.jsonFlag(c)
	return c
}

// confirmDisable shows what would end and, unless yes, reads the person's short name.
func (a *app) confirmDisable(ctx context.Context, p *tenancy.Person, yes bool) error {
	if !yes && !a.Terminal() {
		return usagef("no terminal to confirm on: look at it with ward user show %s, then give --yes", p.Slug)
	}
	if !a.asJSON {
		live := 0
		for _, m := range p.Memberships {
			if m.TerminatedAt == nil {
				live++
			}
		}
		a.say("%s", clean(fmt.Sprintf("%s (%s, user %s)", p.Name, p.Slug, p.ID))+
			fmt.Sprintf("\n  this will end      %d memberships, %d live sessions", live, p.LiveSessions)+
			stays(p.Services, p.Grants, p.OnCall))
	}
	if yes {
		return nil
	}
	line, err := a.ask(ctx, "Type %s to disable, nothing to leave it: ", p.Slug)
	if err != nil {
		return err
	}
	if line != p.Slug {
		return codeError{exitFailed, "left as it is"}
	}
	return nil
}

func (a *app) userEnableCmd() *cobra.Command {
	var reason string
	c := &cobra.Command{
		Use: "enable USER", Short: "Let a disabled person sign in again", Args: cobra.ExactArgs(1),
		Annotations: audited("configure"),
		Long:        `What disabling ended stays ended: give memberships and grants anew.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd.Context(), func(s *tenancy.Session) error {
				if err := s.EnableUser(cmd.Context(), args[0], reason); err != nil {
					return err
				}
				a.say("%s enabled", args[0])
				return nil
			})
		},
	}
	c.Flags().StringVar(&reason, "reason", "", "why (needed)")
	return c
}

func (a *app) emitUsers(rows []tenancy.User) error {
	return emit(a, rows, []string{"USER", "NAME", "KIND", "STATE", "ID", "MEMBERSHIPS"}, func(u tenancy.User) []string {
		var at []string
		for _, m := range u.Memberships {
			s := m.Role + " at " + m.Tenant
			if m.TerminatedAt != nil {
				s += " (until " + m.TerminatedAt.UTC().Format("2006-01-02") + ")"
			}
			at = append(at, s)
		}
		state := "live"
		if u.DisabledAt != nil {
			state = "disabled"
		}
		return []string{u.Slug, u.Name, u.Kind, state, u.ID.String(), strings.Join(at, ", ")}
	})
}

// maxHours is a decade: what lasts longer has no end.
const maxHours = 87600

func (a *app) grantCmd() *cobra.Command {
	list := &cobra.Command{
		Use: "list", Short: "Who may review what", Args: cobra.NoArgs, Annotations: audited("browse"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd.Context(), func(s *tenancy.Session) error {
				rows, err := s.Grants(cmd.Context())
				if err != nil {
					return err
				}
				return emit(a, rows, []string{"GRANT", "USER", "ROLE", "TENANT", "BY", "UNTIL", "ENDED", "REASON"},
					func(g tenancy.Grant) []string {
						return []string{shortID(g.ID), g.User, g.Role, or(g.Tenant, "every clinic"),
							or(g.GrantedBy, "init"), whenOr(g.ExpiresAt, "-"), whenOr(g.EndedAt, "-"), g.Reason}
					})
			})
		},
	}
	a.jsonFlag(list)
	var g tenancy.NewGrant
	add := &cobra.Command{
		Use: "add USER ROLE", Short: "Let a user review", Args: cobra.ExactArgs(2), Annotations: audited("grant"),
		Long: `ROLE is administrator, compliance_officer, auditor or on_call_engineer. An on-call grant names one
clinic and a ticket and lasts at most 4 hours.`,
		Example: `  ward grant add dana compliance_officer --reason "privacy office"
  ward grant add omar on_call_engineer --tenant cedar --ticket OPS-812 --hours 4 --reason "portal down"`,
		RunE: func(cmd *cobra.Command, args []string) error {
			g.User, g.Role = args[0], args[1]
			if cmd.Flags().Changed("hours") && (g.Hours <= 0 || g.Hours > maxHours) {
				return usagef("--hours is more than 0 and at most %d", maxHours)
			}
			return a.with(cmd.Context(), func(s *tenancy.Session) error {
				id, err := s.AddGrant(cmd.Context(), g)
				return a.added("grant", id, err)
			})
		},
	}
	add.Flags().StringVar(&g.Tenant, "tenant", "", "one clinic (default: every clinic)")
	add.Flags().StringVar(&g.Reason, "reason", "", "why (needed)")
	add.Flags().StringVar(&g.Ticket, "ticket", "", "ticket, for on-call grants")
	add.Flags().Float64Var(&g.Hours, "hours", 0, "how long (default: no end)")
	var reason string
	end := &cobra.Command{
		Use: "end GRANT", Short: "End a grant", Args: cobra.ExactArgs(1), Annotations: audited("revoke"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd.Context(), func(s *tenancy.Session) error {
				if _, err := s.EndGrant(cmd.Context(), args[0], reason); err != nil {
					return err
				}
				a.say("grant ended")
				return nil
			})
		},
	}
	end.Flags().StringVar(&reason, "reason", "", "why (needed)")
	return noun("grant", "Who may review what", list, add, end)
}
