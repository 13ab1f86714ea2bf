package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ward-health/ward/tenancy"
)

func (a *app) sessionCmd() *cobra.Command {
	var user string
	list := &cobra.Command{
		Use: "list", Short: "Live sessions within your reach, newest first", Args: cobra.NoArgs,
		Annotations: audited("browse"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd.Context(), func(s *tenancy.Session) error {
				rows, err := s.Sessions(cmd.Context(), user)
				if err != nil {
					return err
				}
				return emit(a, rows, []string{"SESSION", "USER", "TENANT", "ROLE", "APPLICATION", "BY", "SINCE",
					"REFRESHED", "UNTIL"}, func(l tenancy.LiveSession) []string {
					by := l.Method
					if l.SecondFactor {
						by += " and second factor"
					}
					return []string{shortID(l.ID), l.User, or(l.Tenant, "-"), or(l.Role, "reviewer"), l.Audience, by,
						when(l.CreatedAt), whenOr(l.RefreshedAt, "-"), when(l.ExpiresAt)}
				})
			})
		},
	}
	list.Flags().StringVar(&user, "user", "", "of one user")
	revoke := a.revokeCmd()
	a.jsonFlag(list, revoke)
	return noun("session", "Who is signed in", list, revoke)
}

func (a *app) revokeCmd() *cobra.Command {
	var user, reason string
	c := &cobra.Command{
		Use: "revoke [SESSION]", Short: "End a live session, or all of a user", Args: cobra.MaximumNArgs(1),
		Annotations: audited("revoke"),
		Long: `Ends one live session, named by its id or its first characters, or with --user all of a user within
your reach. The next transaction under it is refused, and so is its refresh token. The person may sign in again: ward
member terminate ends that.`,
		Example: `  ward session revoke 4f21ab09 --reason "lost telephone"
  ward session revoke --user casey --reason "lost telephone"`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if (len(args) == 1) == (user != "") {
				return usagef("name a session, or a user with --user")
			}
			if len(strings.TrimSpace(reason)) < 4 {
				return usagef("--reason is needed, at least four characters")
			}
			return a.with(cmd.Context(), func(s *tenancy.Session) error {
				var done tenancy.Revoked
				var err error
				if user != "" {
					done, err = s.RevokeSessions(cmd.Context(), user, reason)
				} else {
					done, err = s.RevokeSession(cmd.Context(), args[0], reason)
				}
				if err != nil {
					return err
				}
				return one(a, done, fmt.Sprintf("%d live sessions ended", done.SessionsEnded))
			})
		},
	}
	c.Flags().StringVar(&user, "user", "", "all sessions of this user")
	c.Flags().StringVar(&reason, "reason", "", "why (needed)")
	return c
}

func (a *app) keyCmd() *cobra.Command {
	list := &cobra.Command{
		Use: "list", Short: "The keys that sign access tokens, newest first", Args: cobra.NoArgs,
		Annotations: audited("browse"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd.Context(), func(s *tenancy.Session) error {
				rows, err := s.SigningKeys(cmd.Context())
				if err != nil {
					return err
				}
				return emit(a, rows, []string{"KEY", "STATE", "SINCE", "VERIFIES UNTIL", "RETIRED"},
					func(k tenancy.SigningKey) []string {
						return []string{k.ID, k.State, when(k.CreatedAt), whenOr(k.RetireAt, "-"),
							whenOr(k.RetiredAt, "-")}
					})
			})
		},
	}
	var now bool
	rotate := &cobra.Command{
		Use: "rotate", Short: "Sign with a new key from now on", Args: cobra.NoArgs, Annotations: audited("configure"),
		Long: `A new key signs every access token from now on. The old one verifies until the tokens that it signed
have run out, ten minutes at most, and loses its secret then. With --now it does so at once: every access token ends,
yours too, and sessions go on with a refresh.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd.Context(), func(s *tenancy.Session) error {
				done, err := s.RotateKey(cmd.Context(), now)
				if err != nil {
					return err
				}
				return one(a, done, done.ID+" signs now")
			})
		},
	}
	rotate.Flags().BoolVar(&now, "now", false, "end all access tokens: the old key is not trusted any more")
	a.jsonFlag(list, rotate)
	return noun("key", "The keys that sign access tokens", list, rotate)
}

func (a *app) applicationCmd() *cobra.Command {
	list := &cobra.Command{
		Use: "list", Short: "The applications that share the database", Args: cobra.NoArgs,
		Annotations: audited("browse"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd.Context(), func(s *tenancy.Session) error {
				rows, err := s.Applications(cmd.Context())
				if err != nil {
					return err
				}
				return emit(a, rows, []string{"APPLICATION", "LOGIN", "SINCE", "NOTE"},
					func(p tenancy.Application) []string {
						return []string{p.Audience, p.LoginRole, when(p.CreatedAt), p.Note}
					})
			})
		},
	}
	a.jsonFlag(list)
	var note string
	add := &cobra.Command{
		Use: "add AUDIENCE LOGIN", Short: "Add an application with a login of its own", Args: cobra.ExactArgs(2),
		Annotations: audited("configure"),
		Long: `AUDIENCE is what its tokens say in "aud" and what it signs people in with. LOGIN is its database login,
made beforehand: create role portal login in role ward_app. Its tokens are refused from any other login, and that
login uses no other audience.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd.Context(), func(s *tenancy.Session) error {
				if err := s.AddApplication(cmd.Context(), args[0], args[1], note); err != nil {
					return err
				}
				a.say("application %s added", args[0])
				return nil
			})
		},
	}
	add.Flags().StringVar(&note, "note", "", "what it is")
	return noun("application", "Applications that share the database", list, add)
}
