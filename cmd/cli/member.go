package cli

import (
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/ward-health/ward/tenancy"
)

func (a *app) memberCmd() *cobra.Command {
	list := &cobra.Command{
		Use: "list [TENANT]", Short: "Memberships of a clinic, or of all within reach; live ones first",
		Args: cobra.MaximumNArgs(1), Annotations: audited("browse"),
		RunE: func(cmd *cobra.Command, args []string) error {
			tenant := ""
			if len(args) == 1 {
				tenant = args[0]
			}
			return a.with(cmd.Context(), func(s *tenancy.Session) error {
				rows, err := s.Members(cmd.Context(), tenant)
				if err != nil {
					return err
				}
				return emit(a, rows, []string{"MEMBERSHIP", "TENANT", "USER", "NAME", "ROLE", "SINCE", "HR END",
					"TERMINATED", "SESSIONS"}, func(m tenancy.Membership) []string {
					return []string{shortID(m.ID), m.Tenant, m.User, m.Name, m.Role,
						m.StartedAt.UTC().Format("2006-01-02"), or(m.EndedOn, "-"), whenOr(m.TerminatedAt, "-"),
						fmt.Sprint(m.LiveSessions)}
				})
			})
		},
	}
	show := &cobra.Command{
		Use: "show MEMBERSHIP", Short: "One membership, and what terminating it would do", Args: cobra.ExactArgs(1),
		Annotations: audited("browse"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd.Context(), func(s *tenancy.Session) error {
				c, err := s.Consequences(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				return one(a, c, consequences(&c))
			})
		},
	}
	a.jsonFlag(list, show)
	return noun("member", "Memberships: who works where", list, show, a.memberAddCmd(), a.memberRoleCmd(),
		a.terminateCmd())
}

func (a *app) memberAddCmd() *cobra.Command {
	var patient string
	c := &cobra.Command{
		Use: "add TENANT USER ROLE", Short: "Give a user a role in a clinic", Args: cobra.ExactArgs(3),
		Annotations: audited("configure"),
		Long: `The role patient is a portal identity: with --patient it names whose records it reaches, and it reaches
no others. A parent of two has two memberships, one for each child.`,
		Example: `  ward member add cedar m.reyes nurse
  ward member add cedar p.lopez patient --patient 31d0c8e2-7f5b-4a60-9a53-0d3c5e4b8f11`,
		RunE: func(cmd *cobra.Command, args []string) error {
			tenant, user, role := args[0], args[1], args[2]
			if (role == "patient") != (patient != "") {
				return usagef("the role patient takes --patient ID, and no other role does")
			}
			return a.with(cmd.Context(), func(s *tenancy.Session) error {
				if role != "patient" {
					id, err := s.AddMember(cmd.Context(), tenant, user, role)
					return a.added("membership", id, err)
				}
				of, err := uuid.Parse(patient)
				if err != nil {
					return usagef("--patient takes a whole id")
				}
				id, err := s.AddPatient(cmd.Context(), tenant, user, of)
				return a.added("portal identity", id, err)
			})
		},
	}
	c.Flags().StringVar(&patient, "patient", "", "for the role patient: whose records")
	return c
}

func (a *app) memberRoleCmd() *cobra.Command {
	var reason string
	c := &cobra.Command{
		Use: "role MEMBERSHIP NEWROLE", Short: "Give a member another role: a new membership instead of the old one",
		Args: cobra.ExactArgs(2), Annotations: audited("terminate"),
		Long: `The old membership is terminated with its live sessions and a new one begins, in one transaction. The
person signs in again; history keeps both.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(strings.TrimSpace(reason)) < 4 {
				return usagef("--reason is needed, at least four characters")
			}
			return a.with(cmd.Context(), func(s *tenancy.Session) error {
				done, err := s.ChangeRole(cmd.Context(), args[0], args[1], reason)
				if err != nil {
					return err
				}
				return one(a, done, fmt.Sprintf("now %s, membership %s; %d live sessions ended", done.Role,
					done.NewMembership, done.SessionsEnded))
			})
		},
	}
	c.Flags().StringVar(&reason, "reason", "", "why (needed)")
	a.jsonFlag(c)
	return c
}

func consequences(c *tenancy.Consequences) string {
	others := "no other membership"
	if len(c.OtherMemberships) > 0 {
		var at []string
		for _, m := range c.OtherMemberships {
			at = append(at, m.Role+" at "+m.TenantName)
		}
		others = "the membership as " + strings.Join(at, ", ")
	}
	return clean(fmt.Sprintf("%s (%s, user %s)  %s at %s since %s", c.Name, c.User, c.UserID, c.Role, c.TenantName,
		c.StartedAt.UTC().Format("2006-01-02"))) + "\n" +
		fmt.Sprintf("  this will end      %d live sessions, now\n", c.LiveSessions) +
		fmt.Sprintf("  it leaves behind   %d upcoming appointments, %d open anomalies\n", c.UpcomingAppointments,
			c.OpenAnomalies) +
		clean("  it does not touch  "+others+"; the user_id; any history") + stays(c.Services, c.Grants, c.OnCall)
}

// stays names what a person keeps besides memberships.
func stays(services, grants, onCall []string) string {
	text := ""
	for _, x := range []struct {
		label string
		list  []string
	}{{"service accounts they answer for", services}, {"reviews", grants}, {"on call for", onCall}} {
		if len(x.list) > 0 {
			text += "\n                     " +
				clean(x.label+": "+strings.ReplaceAll(strings.Join(x.list, ", "), "*", "any clinic"))
		}
	}
	return text
}

func (a *app) terminateCmd() *cobra.Command {
	var reason, confirm, ended string
	var yes bool
	c := &cobra.Command{
		Use: "terminate MEMBERSHIP", Short: "End a membership and its live sessions, now", Args: cobra.ExactArgs(1),
		Annotations: audited("terminate"),
		Long: `Shows what terminating the membership ends, leaves behind and does not touch, and asks for the first
six or more characters of the person's user id. With --yes it shows the same and does not ask. Live sessions are
revoked; the next transaction under any of them is refused. Undoing it is a new membership, never an edit.`,
		Example: `  ward member terminate 4f21ab --reason "left on Friday" --ended-on 2026-11-20
  ward member terminate 4f21ab --reason "left" --confirm 7c0e41`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(strings.TrimSpace(reason)) < 4 {
				return usagef("--reason is needed, at least four characters")
			}
			var endedOn *time.Time
			if ended != "" {
				t, err := time.Parse("2006-01-02", ended)
				if err != nil {
					return usagef("--ended-on is a date, YYYY-MM-DD")
				}
				endedOn = &t
			}
			return a.with(cmd.Context(), func(s *tenancy.Session) error {
				typed := confirm
				if typed == "" {
					var err error
					if typed, err = a.confirmTermination(cmd, s, args[0], yes); err != nil {
						return err
					}
				}
				done, err := s.Terminate(cmd.Context(), args[0], typed, reason, endedOn)
				if err != nil {
					return err
				}
				return one(a, done, fmt.Sprintf("terminated; %d live sessions ended; recorded as event %d",
					done.SessionsEnded, done.EventID))
			})
		},
	}
	c.Flags().StringVar(&reason, "reason", "", "why (needed)")
	c.Flags().StringVar(&ended, "ended-on", "", "HR's last day, YYYY-MM-DD")
	c.Flags().BoolVar(&yes, "yes", false, "show what it ends and do it without asking")
	c.Flags().StringVar(&confirm, "confirm", "", "the beginning of the person's user id, instead of being asked")
	a.jsonFlag(c)
	return c
}

// confirmTermination shows what would happen and reads the id.
func (a *app) confirmTermination(cmd *cobra.Command, s *tenancy.Session, membership string, yes bool) (string, error) {
	if !yes && !a.Terminal() {
		return "", usagef("no terminal to confirm on: give --confirm with the first six characters of the person's "+
			"user id (ward member show %s), or --yes", membership)
	}
	c, err := s.Consequences(cmd.Context(), membership)
	if err != nil {
		return "", err
	}
	if !a.asJSON {
		a.say("%s", consequences(&c))
	}
	if yes {
		return c.UserID.String(), nil
	}
	line, err := a.ask(cmd.Context(), "Type %s to terminate, nothing to leave it: ", c.UserID.String()[:6])
	if err != nil {
		return "", err
	}
	if line == "" {
		return "", codeError{exitFailed, "left as it is"}
	}
	return line, nil
}
