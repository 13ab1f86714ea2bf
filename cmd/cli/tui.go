package cli

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/ward-health/ward/tui"
)

func (a *app) tuiCmd() *cobra.Command {
	return &cobra.Command{
		Use: "tui", Short: "The terminal application (ward alone does the same)", Args: cobra.NoArgs,
		Annotations: exempt("opens the terminal application, whose own actions are recorded"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !a.Terminal() {
				return usagef("no terminal here: every screen has a command, see ward --help")
			}
			return a.runTUI(cmd.Context())
		},
	}
}

func (a *app) runTUI(ctx context.Context) error {
	session, s, done, err := a.session(ctx)
	if err != nil {
		return err
	}
	defer done()
	config := tui.Config{Session: session, Now: a.Now}
	if config.RecordURL, err = s.recordURL(); err != nil {
		return err
	}
	if s.Store != "" {
		if config.Store, err = s.store(); err != nil {
			return err
		}
		config.StoreName = config.Store.String()
	}
	if s.VerifyKey != "" {
		key, err := s.verifyKey()
		if err != nil {
			return err
		}
		config.VerifyKey = key.Text
		if a.stateDir() != "" {
			if config.Heads, err = a.headMemory("", false, key); err != nil {
				return err
			}
		}
	}
	if config.Diagnose, err = diagnoser(); err != nil {
		return err
	}
	if config.LogFile, err = a.logFile(); err != nil {
		return err
	}
	return explained(tui.Run(ctx, config, a.In, a.Out))
}

// logFile is where the terminal application logs to, since the screen is taken.
func (a *app) logFile() (string, error) {
	dir := a.stateDir()
	if dir == "" {
		return "", nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("make log directory: %w", err)
	}
	return filepath.Join(dir, "tui.log"), nil
}
