// Package cli is ward's command line: one file per noun. Commands parse, call one domain function and render what it
// returns; results go to standard output, narration and progress to standard error, and exit.go alone decides exit
// codes.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// Env is what a command may touch of the world. Tests build one with buffers.
type Env struct {
	In       io.Reader
	Out, Err io.Writer
	Getenv   func(string) string
	Now      func() time.Time
	// Terminal says whether standard input and output are a terminal.
	Terminal func() bool
	// ReadPassword reads a line without echo; nil where there is no terminal.
	ReadPassword func() (string, error)
}

// System is the real world.
func System() *Env {
	in, out := int(os.Stdin.Fd()), int(os.Stdout.Fd())
	return &Env{
		In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Getenv: os.Getenv, Now: time.Now,
		Terminal: func() bool { return term.IsTerminal(in) && term.IsTerminal(out) && os.Getenv("TERM") != "dumb" },
		ReadPassword: func() (string, error) {
			if !term.IsTerminal(in) {
				return "", errNoTerminal
			}
			b, err := term.ReadPassword(in)
			return string(b), err
		},
	}
}

var errNoTerminal = errors.New("no terminal to ask on")

// say writes narration to standard error.
func (e *Env) say(format string, args ...any) { e.tell(format+"\n", args...) }

// tell is say without the end of line. Narration that cannot be written is lost: the result is what counts.
func (e *Env) tell(format string, args ...any) { _, _ = fmt.Fprintf(e.Err, format, args...) }

// app is one invocation: the world, the settings, and the flags that every command has.
type app struct {
	*Env
	flags  rootFlags
	asJSON bool
}

type rootFlags struct {
	config, database string
}

// Main runs ward and returns its exit code. The first signal asks it to end, a second one ends it.
func Main(args []string, env *Env) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	context.AfterFunc(ctx, stop)
	return run(ctx, args, env)
}

func run(ctx context.Context, args []string, env *Env) int {
	a := &app{Env: env}
	root := a.root() //nolint:contextcheck // commands get theirs from ExecuteContext
	root.SetArgs(args)
	root.SetIn(env.In)
	root.SetOut(env.Out)
	root.SetErr(env.Err)
	err := root.ExecuteContext(ctx)
	if decided := (codeError{}); err != nil && ctx.Err() != nil && !errors.As(err, &decided) {
		err = errInterrupted // whatever it was in the middle of failed for that reason
	}
	a.asJSON = a.asJSON || slices.Contains(args, "--json") // also where the arguments were not understood
	return a.exit(err)
}

// root builds the command tree.
func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "ward",
		Short: "Tenancy, audit and compliance review for multi-tenant telehealth",
		Long: `ward keeps clinics apart in one PostgreSQL database, records every access to patient data before it
happens, and gives reviewers a queue of what looks wrong.

  ward demo            a whole installation on this machine, with three months of simulated work in it
  ward                 the terminal application
  ward queue list      the same queue on the command line

Exit status: 0 ok; 1 could not run; 2 usage; 3 ran and found a problem; 4 database unreachable; 5 not proven; 130
interrupted.`,
		SilenceErrors: true, SilenceUsage: true,
		Args:        cobra.NoArgs,
		Annotations: exempt("opens the terminal application, whose own actions are recorded"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !a.Terminal() {
				return cmd.Help()
			}
			return a.runTUI(cmd.Context())
		},
	}
	root.PersistentFlags().StringVar(&a.flags.config, "config", "",
		"settings file (default: ./ward.yaml, then the user's, then the demo's)")
	root.PersistentFlags().StringVar(&a.flags.database, "database", "", "database URL (or WARD_DATABASE_URL)")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usageError{fmt.Errorf("%w; see %s --help", err, cmd.CommandPath())}
	})
	for _, group := range [][2]string{{"work", "Review:"}, {"directory", "Directory:"}, {"install", "Installation:"}} {
		root.AddGroup(&cobra.Group{ID: group[0], Title: group[1]})
	}
	add := func(group string, commands ...*cobra.Command) {
		for _, c := range commands {
			c.GroupID = group
			root.AddCommand(c)
		}
	}
	add("work", a.tuiCmd(), a.queueCmd(), a.breachCmd(), a.auditCmd(), a.archiveCmd(), a.ruleCmd(), a.suppressCmd(),
		a.evidenceCmd(), a.notifyCmd())
	add("directory", a.loginCmd(), a.logoutCmd(), a.whoamiCmd(), a.tenantCmd(), a.userCmd(), a.memberCmd(), a.roleCmd(),
		a.serviceCmd(), a.grantCmd(), a.oncallCmd(), a.sessionCmd(), a.keyCmd(), a.applicationCmd(),
		a.oidcCmd(), a.totpCmd())
	add("install", a.demoCmd(), a.migrateCmd(), a.initCmd(), a.protectCmd(), a.unprotectCmd(),
		a.workerCmd(), a.benchCmd(),
		a.versionCmd())
	checkArgs(root)
	readable(root)
	return root
}

// checkArgs makes wrong arguments usage errors, and a noun without a verb its help.
func checkArgs(cmd *cobra.Command) {
	if validate := cmd.Args; validate != nil {
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			err := validate(cmd, args)
			switch {
			case err == nil:
				return nil
			case cmd.HasSubCommands(): // a verb that there is not
				return usageError{fmt.Errorf("%w; see %s --help", err, cmd.CommandPath())}
			}
			return usageError{fmt.Errorf("%d arguments given; the form is: %s; see %s --help", len(args), cmd.UseLine(),
				cmd.CommandPath())}
		}
	}
	for _, sub := range cmd.Commands() {
		checkArgs(sub)
	}
}

// noun is a command that only holds verbs.
func noun(use, short string, verbs ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short, Args: cobra.NoArgs, Annotations: exempt("shows help"),
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	c.AddCommand(verbs...)
	return c
}

// What a command leaves in the audit log is written beside it, and a test holds every command to it: the action of its
// event, or why there is none.
const (
	annotationAudit  = "audit"
	annotationExempt = "audit-exempt"
)

func audited(action string) map[string]string { return map[string]string{annotationAudit: action} }
func exempt(why string) map[string]string     { return map[string]string{annotationExempt: why} }

// jsonFlag gives a reading command --json.
func (a *app) jsonFlag(cmds ...*cobra.Command) {
	for _, c := range cmds {
		c.Flags().BoolVar(&a.asJSON, "json", false, "one JSON object per line (docs/SCRIPTING.md)")
	}
}
