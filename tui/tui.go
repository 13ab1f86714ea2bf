// Package tui is ward's terminal application: the anomaly queue, one clinic's events, the archive, the memberships. It
// shows what the domain packages return and knows nothing else; whatever it does has a command too.
//
// Bubbles does the typing, the scrolling and the keys. Tables, layout, dialogs and forms are this package's own:
// docs/design/terminal-toolkit.md says why.
package tui

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"

	"github.com/ward-health/ward/archive"
	"github.com/ward-health/ward/review"
	"github.com/ward-health/ward/tenancy"
)

// Config is what the terminal application stands on.
type Config struct {
	Session   *tenancy.Session
	Store     archive.Store // nil: the Archive screen says how to configure it
	StoreName string
	VerifyKey string // the text of the public key
	// Heads remembers the heads of logs that were verified, for the commands too; nil: until the program ends.
	Heads *archive.HeadMemory
	// Diagnose names the rows of a file that is not the signed one (archive.VerifyOptions); nil: that is not offered.
	Diagnose func(context.Context, *archive.Diagnosis) ([]archive.Finding, error)
	LogFile  string // empty: nothing is logged; never the screen
	// RecordURL leads from a record to the customer's own chart. Optional.
	RecordURL review.RecordURL
	Now       func() time.Time // nil: time.Now
}

// VerdictError says that a verification made in this session did not end valid: the program did its work and found
// something.
type VerdictError struct {
	Verdict archive.Verdict
}

func (e *VerdictError) Error() string { return "the archive is " + string(e.Verdict) }

// Run shows the screens until the user leaves. Its error is the domain's: nobody signed in (*tenancy.RefusedError), no
// second factor where one is required (tenancy.ErrMustEnroll), no database (*tenancy.UnreachableError), an archive that
// is not valid (*VerdictError), or ctx's.
func Run(ctx context.Context, cfg Config, in io.Reader, out io.Writer) error {
	log, closeLog, err := openLog(cfg.LogFile)
	if err != nil {
		return err
	}
	defer closeLog()
	who, err := cfg.Session.Whoami(ctx)
	if err != nil {
		return err
	}
	if who.MustEnroll {
		return fmt.Errorf("open the screens: %w: ward totp enroll, or sign in again where you have one",
			tenancy.ErrMustEnroll)
	}
	scrub(&who)
	m := newModel(ctx, cfg, who, log)
	_, err = tea.NewProgram(m, programOptions(ctx, in, out, os.Getenv("NO_COLOR"))...).Run()
	m.stop()
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, tea.ErrInterrupted):
		return context.Canceled
	case err != nil:
		return fmt.Errorf("run terminal application: %w", err)
	}
	return m.outcome()
}

// programOptions are what Bubble Tea is told. Any value of NO_COLOR counts, see no-color.org; the library itself takes
// "yes" for no.
func programOptions(ctx context.Context, in io.Reader, out io.Writer, noColor string) []tea.ProgramOption {
	options := []tea.ProgramOption{tea.WithContext(ctx), tea.WithInput(in), tea.WithOutput(out)}
	if noColor != "" {
		options = append(options, tea.WithColorProfile(colorprofile.Ascii))
	}
	return options
}

// openLog opens the log file, or a log that keeps nothing.
func openLog(name string) (*slog.Logger, func(), error) {
	if name == "" {
		return slog.New(slog.DiscardHandler), func() {}, nil
	}
	f, err := os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, nil, fmt.Errorf("open log file: %w", err)
	}
	return slog.New(slog.NewTextHandler(f, nil)), func() { _ = f.Close() }, nil
}

// slogError is an error as the log keeps it: in a person's words, which hold no record's contents.
func slogError(err error) slog.Attr { return slog.String("error", errorWords(err)) }
