package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/ward-health/ward/archive"
	"github.com/ward-health/ward/archive/diagnose"
)

// parseCommand is how ward starts itself to parse a file that may do harm.
const parseCommand = "parse-part"

// partFile is the descriptor under which that process finds the file.
const partFile = 3

// diagnoser has files parsed by this very program in a process of its own.
func diagnoser() (func(context.Context, *archive.Diagnosis) ([]archive.Finding, error), error) {
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program, which --diagnose starts again: %w", err)
	}
	return diagnose.InChild(diagnose.DefaultLimits(), program, "archive", parseCommand), nil
}

func (a *app) archiveParseCmd() *cobra.Command {
	return &cobra.Command{
		Use: parseCommand, Short: "Parse a part for ward archive verify --diagnose, which starts this",
		Args: cobra.NoArgs, Hidden: true,
		Annotations: exempt("parses a file that it is handed by a verification, which is an event"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return diagnose.Child(cmd.Context(), a.In, os.NewFile(partFile, "part"), a.Out, os.Exit)
		},
	}
}

// progressLine is what --progress writes for a part.
type progressLine struct {
	Type string `json:"type"`
	archive.PartDone
}

// partLine writes a part that was looked at to standard error. What was found is not in it: that is shown once the
// verdict is on record.
func (a *app) partLine(p archive.PartDone) {
	b, err := json.Marshal(progressLine{"part", p})
	if err != nil {
		return
	}
	a.say("%s", b)
}

// stateDir is where ward keeps what one person's verifications and screens remember; empty where no place is known.
func (a *app) stateDir() string {
	if dir := a.Getenv("XDG_STATE_HOME"); dir != "" {
		return filepath.Join(dir, "ward")
	}
	if home := a.Getenv("HOME"); home != "" {
		return filepath.Join(home, ".local", "state", "ward")
	}
	return ""
}

// headMemory is where the heads seen under a key are remembered: in a named file, in the person's own, or, off,
// nowhere. Commands and screens share it.
func (a *app) headMemory(path string, off bool, key archive.Key) (*archive.HeadMemory, error) {
	if off {
		return nil, nil //nolint:nilnil // a nil memory keeps nothing
	}
	if path == "" {
		dir := a.stateDir()
		if dir == "" {
			return nil, usagef("no place to remember the heads: set HOME, or give --state FILE or --no-state")
		}
		path = filepath.Join(dir, "heads.json")
	}
	return archive.NewHeadMemory(path, key.Fingerprint()), nil
}
