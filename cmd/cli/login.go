package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ward-health/ward/queries/migrate"
	"github.com/ward-health/ward/tenancy"
)

func (a *app) loginCmd() *cobra.Command {
	var issuer string
	c := &cobra.Command{
		Use: "login [USER]", Short: "Sign in as a reviewer", Args: cobra.MaximumNArgs(1),
		Annotations: audited("sign_in"),
		Long: `With USER: by password, asked for on the terminal or read from standard input, and by the code of a
second factor where one is enrolled (the next line of standard input). Without: at the identity provider of --issuer,
of the settings, or the one that is declared (ward oidc add): confirm the code that is shown in any browser.

The tokens are kept in the operating system's keyring, or in a file that only you can read (token_store in ward.yaml;
WARD_TOKEN_FILE, or ward/tokens.json in your configuration directory). Who you are afterwards, the database takes from
the token alone.`,
		Example: "  ward login dana\n  ward login --issuer https://id.example.org",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 && issuer != "" {
				return usagef("USER signs in by password, --issuer at a provider: give one of them")
			}
			s, err := a.settings()
			if err != nil {
				return err
			}
			return a.login(cmd.Context(), &s, strings.Join(args, ""), issuer)
		},
	}
	c.Flags().StringVar(&issuer, "issuer", "",
		"sign in at this identity provider (or issuer in ward.yaml, WARD_ISSUER)")
	return c
}

func (a *app) login(ctx context.Context, s *Settings, user, issuer string) error {
	store, err := a.tokens(s)
	if err != nil {
		return err
	}
	db, err := a.database(ctx, s)
	if err != nil {
		return err
	}
	defer db.Close()
	name, err := databaseName(s.Database)
	if err != nil {
		return err
	}
	if err := store.usable(name); err != nil {
		return err
	}
	var tokens tenancy.Tokens
	if user != "" {
		tokens, err = a.byPassword(ctx, db, user)
	} else {
		tokens, err = a.byProvider(ctx, db, or(&issuer, s.Issuer))
	}
	if err != nil {
		return err
	}
	if err := store.change(ctx, name, &tokens); err != nil {
		return err
	}
	a.say("signed in%s; ward whoami tells what you may do", map[bool]string{true: " as " + user}[user != ""])
	return nil
}

// byPassword signs in with a password and, where the database asks for it, a code. Both may stand on standard input.
func (a *app) byPassword(ctx context.Context, db *tenancy.DB, user string) (tenancy.Tokens, error) {
	password, err := a.password("Password for " + user)
	if err != nil {
		return tenancy.Tokens{}, err
	}
	return a.withCode(func(code string) (tenancy.Tokens, error) {
		tokens, err := db.SignIn(ctx,
			tenancy.Credentials{User: user, Password: password, Code: code, Audience: tenancy.ReviewAudience})
		var refused *tenancy.RefusedError
		if errors.As(err, &refused) {
			return tokens, errors.New("not signed in: user or password not accepted, or no reviewer's grant is in " +
				"force (an administrator's ward grant add). After several failures even the right " +
				"password is refused for a while, at most 15 minutes: wait, then try again")
		}
		return tokens, err
	})
}

// withCode signs in, and once more with a code when one is needed. Choices, which a reviewer's session has none of, are
// listed.
func (a *app) withCode(signIn func(code string) (tenancy.Tokens, error)) (tenancy.Tokens, error) {
	tokens, err := signIn("")
	if errors.Is(err, tenancy.ErrSecondFactor) {
		code, asked := a.password("Code of your second factor, or a recovery code")
		if asked != nil {
			return tokens, asked
		}
		tokens, err = signIn(code)
	}
	var choice *tenancy.ChoiceError
	switch {
	case errors.Is(err, tenancy.ErrSecondFactor):
		return tokens, errors.New("not signed in: the code was not accepted; each works once, " +
			"wait for the next one (a recovery code works too)")
	case errors.As(err, &choice):
		return tokens, fmt.Errorf("not signed in: %s", clean(choice.Error()))
	}
	return tokens, err
}

// byProvider signs in at an identity provider by device flow.
func (a *app) byProvider(ctx context.Context, db *tenancy.DB, issuer string) (tenancy.Tokens, error) {
	declared, err := db.Providers(ctx)
	if err != nil {
		return tenancy.Tokens{}, err
	}
	p, err := chooseProvider(declared, issuer)
	if err != nil {
		return tenancy.Tokens{}, err
	}
	token, err := tenancy.DeviceFlow(ctx, p, func(c tenancy.DeviceCode) {
		a.say("Open %s in a browser, on any machine, and confirm this code within %s: %s", clean(c.URL),
			c.Expires.Sub(a.Now()).Round(time.Minute), clean(c.UserCode))
		if c.CompleteURL != "" {
			a.say("or open %s", clean(c.CompleteURL))
		}
	})
	if err != nil {
		return tenancy.Tokens{}, err
	}
	return a.withCode(func(code string) (tenancy.Tokens, error) {
		tokens, err := db.SignInOIDC(ctx,
			tenancy.OIDCSignIn{IDToken: token, Audience: tenancy.ReviewAudience, Code: code})
		var refused *tenancy.RefusedError
		if errors.As(err, &refused) {
			return tokens, fmt.Errorf("not signed in: %s", clean(refused.Why))
		}
		return tokens, err
	})
}

// chooseProvider finds the declared provider to sign in at.
func chooseProvider(declared []tenancy.Provider, issuer string) (tenancy.Provider, error) {
	for _, p := range declared {
		if p.Issuer == issuer || issuer == "" && len(declared) == 1 {
			return p, nil
		}
	}
	switch {
	case issuer != "":
		return tenancy.Provider{}, fmt.Errorf(
			"issuer %s is not declared in this database: an administrator does that with ward oidc add", issuer)
	case len(declared) == 0:
		return tenancy.Provider{}, usagef("no identity provider is declared here, so say who you are: ward login USER")
	}
	return tenancy.Provider{},
		usagef("%d identity providers are declared: ward login --issuer URL, or issuer in ward.yaml", len(declared))
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
	line, err := readLine(a.In)
	line = strings.TrimRight(line, "\r\n")
	if line == "" {
		return "", usagef("nothing on standard input, and no terminal to ask on: a password is its first line, " +
			"a code the next")
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read password: %w", err)
	}
	return line, nil
}

// readLine reads to the end of a line and no further, so that a second one can be asked for.
func readLine(r io.Reader) (string, error) {
	var line []byte
	for b := make([]byte, 1); len(line) < 4096; {
		n, err := r.Read(b)
		if n == 1 {
			line = append(line, b[0])
			if b[0] == '\n' {
				return string(line), nil
			}
		}
		if err != nil {
			return string(line), err //nolint:wrapcheck // the caller says what for
		}
	}
	return string(line), nil
}

// ask reads the answer to a question: one line, and no more of what is typed ahead. An answer that the end of the input
// cuts off is none, and so "". It ends with ctx, since a read from a terminal does not end by itself.
func (a *app) ask(ctx context.Context, question string, args ...any) (string, error) {
	a.tell(question, args...)
	type answer struct {
		line string
		err  error
	}
	read := make(chan answer, 1)
	go func() {
		line, err := readLine(a.In)
		if errors.Is(err, io.EOF) {
			line, err = "", nil
		}
		read <- answer{strings.TrimSpace(line), err}
	}()
	select {
	case <-ctx.Done():
		return "", fmt.Errorf("wait for an answer: %w", ctx.Err())
	case got := <-read:
		if got.err != nil {
			return "", fmt.Errorf("read the answer: %w", got.err)
		}
		return got.line, nil
	}
}

func (a *app) logoutCmd() *cobra.Command {
	var everywhere bool
	c := &cobra.Command{
		Use: "logout", Short: "End the session, here and in the database", Args: cobra.NoArgs,
		Annotations: audited("sign_out"),
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
			store, err := a.tokens(&s)
			if err != nil {
				return err
			}
			if err := store.change(cmd.Context(), name, nil); err != nil {
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
		Use: "whoami", Short: "Who the database takes you for, and what you may do", Args: cobra.NoArgs,
		Annotations: audited("browse"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd.Context(), func(s *tenancy.Session) error {
				p, err := s.Whoami(cmd.Context())
				if err != nil {
					return err
				}
				var b strings.Builder
				fmt.Fprintf(&b, "%s (%s)  user %s\nregion %s, session %s until %s\n", clean(p.Name), p.Slug, p.UserID,
					p.Region, shortID(p.SessionID), when(p.SessionExpires))
				for _, g := range p.Grants {
					fmt.Fprintf(&b, "%s at %s until %s (%s)\n", strings.ReplaceAll(g.Role, "_", " "),
						or(g.Tenant, "every clinic"), whenOr(g.ExpiresAt, "further notice"), clean(g.Reason))
				}
				if len(p.OnCall) > 0 {
					fmt.Fprintf(&b, "on call for %s: ward oncall take TENANT --ticket T --reason R\n",
						strings.ReplaceAll(strings.Join(p.OnCall, ", "), "*", "any clinic"))
				}
				if p.MustEnroll {
					b.WriteString("may only enrol a second factor before anything else (ward totp enroll); then ")
				}
				may := strings.Join(p.Actions, ", ")
				if may == "" {
					may = "look at nothing: no grant is in force"
				}
				b.WriteString("may " + may)
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
	Schema  string `json:"schema"` // SHA-256 over the files of the schema
	Go      string `json:"go"`
}

func (a *app) versionCmd() *cobra.Command {
	c := &cobra.Command{
		Use: "version", Short: "The version of this program", Args: cobra.NoArgs,
		Annotations: exempt("touches no data"),
		RunE: func(*cobra.Command, []string) error {
			v := version{Version: migrate.Version, Go: runtime.Version(), Schema: migrate.Sum()}
			return one(a, v, fmt.Sprintf("ward %s, schema %.12s, %s", v.Version, v.Schema, v.Go))
		},
	}
	a.jsonFlag(c)
	return c
}
