package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ward-health/ward/tenancy"
)

func (a *app) memberCmd() *cobra.Command {
	list := &cobra.Command{
		Use: "list [TENANT]", Short: "Memberships of a clinic, or of all within reach; live ones first", Args: cobra.MaximumNArgs(1), Annotations: audited("browse"),
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
				return emit(a, rows, []string{"MEMBERSHIP", "TENANT", "USER", "NAME", "ROLE", "SINCE", "HR END", "TERMINATED", "SESSIONS"}, func(m tenancy.Membership) []string {
					return []string{shortID(m.ID), m.Tenant, m.User, m.Name, m.Role, m.StartedAt.UTC().Format("2006-01-02"), or(m.EndedOn, "-"), whenOr(m.TerminatedAt, "-"), fmt.Sprint(m.LiveSessions)}
				})
			})
		},
	}
	show := &cobra.Command{
		Use: "show MEMBERSHIP", Short: "One membership, and what terminating it would do", Args: cobra.ExactArgs(1), Annotations: audited("browse"),
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
	add := &cobra.Command{
		Use: "add TENANT USER ROLE", Short: "Give a user a role in a clinic", Args: cobra.ExactArgs(3), Annotations: audited("configure"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd.Context(), func(s *tenancy.Session) error {
				id, err := s.AddMember(cmd.Context(), args[0], args[1], args[2])
				return a.added("membership", id, err)
			})
		},
	}
	return noun("member", "Memberships: who works where", list, show, add, a.terminateCmd())
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
	return clean(fmt.Sprintf("%s (%s, user %s)  %s at %s since %s", c.Name, c.User, c.UserID, c.Role, c.TenantName, c.StartedAt.UTC().Format("2006-01-02"))) + "\n" +
		fmt.Sprintf("  this will end      %d live sessions, now\n", c.LiveSessions) +
		fmt.Sprintf("  it leaves behind   %d upcoming appointments, %d open anomalies\n", c.UpcomingAppointments, c.OpenAnomalies) +
		clean("  it does not touch  "+others+"; the user_id; any history")
}

func (a *app) terminateCmd() *cobra.Command {
	var reason, confirm, ended string
	c := &cobra.Command{
		Use: "terminate MEMBERSHIP", Short: "End a membership and its live sessions, now", Args: cobra.ExactArgs(1), Annotations: audited("terminate"),
		Long: `Shows what terminating the membership ends, leaves behind and does not touch, and asks for the first six or more characters of the person's user id.
Live sessions are revoked; the next transaction under any of them is refused. Undoing it is a new membership, never an edit.`,
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
					if typed, err = a.confirmTermination(cmd, s, args[0]); err != nil {
						return err
					}
				}
				done, err := s.Terminate(cmd.Context(), args[0], typed, reason, endedOn)
				if err != nil {
					return err
				}
				return one(a, done, fmt.Sprintf("terminated; %d live sessions ended; recorded as event %d", done.SessionsEnded, done.EventID))
			})
		},
	}
	c.Flags().StringVar(&reason, "reason", "", "why (needed)")
	c.Flags().StringVar(&ended, "ended-on", "", "HR's last day, YYYY-MM-DD")
	c.Flags().StringVar(&confirm, "confirm", "", "the beginning of the person's user id, instead of being asked")
	a.jsonFlag(c)
	return c
}

// confirmTermination shows what would happen and reads the id.
func (a *app) confirmTermination(cmd *cobra.Command, s *tenancy.Session, membership string) (string, error) {
	if !a.Terminal() {
		return "", usagef("no terminal to confirm on: give --confirm with the first six characters of the person's user id (ward member show %s)", membership)
	}
	c, err := s.Consequences(cmd.Context(), membership)
	if err != nil {
		return "", err
	}
	a.say("%s", consequences(&c))
	a.tell("Type %s to terminate, nothing to leave it: ", c.UserID.String()[:6])
	line, err := bufio.NewReader(a.In).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read confirmation: %w", err)
	}
	if line = strings.TrimSpace(line); line == "" {
		return "", codeError{exitFailed, "left as it is"}
	}
	return line, nil
}
