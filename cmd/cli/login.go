package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ward-health/ward/tenancy"
)

func (a *app) loginCmd() *cobra.Command {
	return &cobra.Command{
		Use: "login USER", Short: "Sign in as a reviewer", Args: cobra.ExactArgs(1), Annotations: audited("sign_in"),
		Long: `Signs in with a password, asked for on the terminal or read from standard input, and keeps the tokens in a file that only you can read
(WARD_TOKEN_FILE, or ward/tokens.json in your configuration directory). Who you are afterwards, the database takes from the token alone.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := a.settings()
			if err != nil {
				return err
			}
			file, err := s.tokens()
			if err != nil {
				return err
			}
			db, err := a.database(cmd.Context(), &s)
			if err != nil {
				return err
			}
			defer db.Close()
			if _, err := file.load(); err != nil { // before there is a session that it cannot keep
				return err
			}
			password, err := a.password("Password for " + args[0])
			if err != nil {
				return err
			}
			tokens, err := db.SignIn(cmd.Context(), tenancy.Credentials{User: args[0], Password: password, Audience: tenancy.ReviewAudience})
			var refused *tenancy.RefusedError
			if errors.As(err, &refused) {
				return errors.New("not signed in: user or password not accepted, or no reviewer's grant is in force (an administrator's ward grant add)")
			}
			if err != nil {
				return err
			}
			name, err := databaseName(s.Database)
			if err != nil {
				return err
			}
			if err := file.change(cmd.Context(), name, &tokens); err != nil {
				return err
			}
			a.say("signed in as %s; ward whoami tells what you may do", args[0])
			return nil
		},
	}
}

// password reads a secret: from the terminal without echo, or the first line of standard input.
func (a *app) password(prompt string) (string, error) {
	if a.ReadPassword != nil {
		a.tell("%s: ", prompt)
		p, err := a.ReadPassword()
		if err == nil {
			a.say("")
			return p, nil
		}
		if !errors.Is(err, errNoTerminal) {
			return "", fmt.Errorf("read password: %w", err)
		}
		a.say("(from standard input)")
	}
	line, err := bufio.NewReader(io.LimitReader(a.In, 4096)).ReadString('\n')
	line = strings.TrimRight(line, "\r\n")
	if line == "" {
		return "", usagef("no password on standard input")
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read password: %w", err)
	}
	return line, nil
}

func (a *app) logoutCmd() *cobra.Command {
	var everywhere bool
	c := &cobra.Command{
		Use: "logout", Short: "End the session, here and in the database", Args: cobra.NoArgs, Annotations: audited("sign_out"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			session, s, done, err := a.session(cmd.Context())
			if err != nil {
				return err
			}
			defer done()
			if everywhere {
				_, err = session.SignOutEverywhere(cmd.Context())
			} else {
				err = session.SignOut(cmd.Context())
			}
			var refused *tenancy.RefusedError
			if err != nil && !errors.As(err, &refused) { // a session that is over already is signed out
				return err
			}
			name, err := databaseName(s.Database)
			if err != nil {
				return err
			}
			if err := (tokenFile{s.TokenFile}).change(cmd.Context(), name, nil); err != nil {
				return err
			}
			a.say("signed out")
			return nil
		},
	}
	c.Flags().BoolVar(&everywhere, "everywhere", false, "end all your sessions, in every clinic and application")
	return c
}

func (a *app) whoamiCmd() *cobra.Command {
	c := &cobra.Command{
		Use: "whoami", Short: "Who the database takes you for, and what you may do", Args: cobra.NoArgs, Annotations: audited("browse"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd.Context(), func(s *tenancy.Session) error {
				p, err := s.Whoami(cmd.Context())
				if err != nil {
					return err
				}
				var b strings.Builder
				fmt.Fprintf(&b, "%s (%s)  user %s\nregion %s, session %s until %s\n", clean(p.Name), p.Slug, p.UserID, p.Region, shortID(p.SessionID), when(p.SessionExpires))
				for _, g := range p.Grants {
					fmt.Fprintf(&b, "%s at %s until %s (%s)\n", strings.ReplaceAll(g.Role, "_", " "), or(g.Tenant, "every clinic"), whenOr(g.ExpiresAt, "further notice"), clean(g.Reason))
				}
				if len(p.OnCall) > 0 {
					fmt.Fprintf(&b, "on call for %s: ward oncall take TENANT --ticket T --reason R\n", strings.ReplaceAll(strings.Join(p.OnCall, ", "), "*", "any clinic"))
				}
				fmt.Fprintf(&b, "may %s", strings.Join(p.Actions, ", "))
				return one(a, p, b.String())
			})
		},
	}
	a.jsonFlag(c)
	return c
}

// version is what this program is.
type version struct {
	Version string `json:"version"`
	Go      string `json:"go"`
}

func (a *app) versionCmd() *cobra.Command {
	c := &cobra.Command{
		Use: "version", Short: "The version of this program", Args: cobra.NoArgs, Annotations: exempt("touches no data"),
		RunE: func(*cobra.Command, []string) error {
			v := version{Version: "devel"}
			if info, ok := debug.ReadBuildInfo(); ok {
				v.Version, v.Go = info.Main.Version, info.GoVersion
			}
			return one(a, v, "ward "+v.Version+" "+v.Go)
		},
	}
	a.jsonFlag(c)
	return c
}
