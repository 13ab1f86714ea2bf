package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/ward-health/ward/review"
	"github.com/ward-health/ward/tenancy"
)

// ruleInputCmds are what an administrator says for the rules that need more than ward knows.
func (a *app) ruleInputCmds() []*cobra.Command {
	supply := &cobra.Command{
		Use: "supply INPUT CLINIC FILE", Short: "Fill an input of a clinic", Args: cobra.ExactArgs(3),
		Annotations: audited("configure"),
		Long: `FILE has one JSON object a line ("-" reads standard input), each with whom it is about.
For person_link: {"user": "j.doe", "patient": ID}. For surname and address_hash:
{"user": "j.doe", "value": "Doe"} or {"patient": ID, "value": "Doe"}. For vip: {"patient": ID}.
For deceased_at: {"patient": ID, "at": "2026-03-01T00:00:00Z"}. For source_ip:
{"session": ID, "value": "192.0.2.7"}. A row that is there is replaced, with "remove": true taken
away. A value is kept as a keyed hash and stands in no event. See docs/RULES.md.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			rows, err := inputRows(args[2], cmd.InOrStdin())
			if err != nil {
				return err
			}
			return a.with(cmd.Context(), func(s *tenancy.Session) error {
				n, err := review.SupplyInput(cmd.Context(), s, args[0], args[1], rows)
				if err != nil {
					return err
				}
				a.say("%s of %s: %d rows taken", args[0], args[1], n)
				return nil
			})
		},
	}
	return []*cobra.Command{
		a.inputCmd("declare INPUT", "Say that this installation fills an input: its rules are enabled", true),
		a.inputCmd("withdraw INPUT", "Say that an input is filled no longer: its rules are NOT ENABLED", false), supply,
	}
}

func (a *app) inputCmd(use, short string, ready bool) *cobra.Command {
	var reason string
	c := &cobra.Command{
		Use: use, Short: short, Args: cobra.ExactArgs(1), Annotations: audited("configure"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd.Context(), func(s *tenancy.Session) error {
				if err := review.DeclareInput(cmd.Context(), s, args[0], ready, reason); err != nil {
					return err
				}
				a.say("ward rule list shows which rules are enabled now")
				return nil
			})
		},
	}
	c.Flags().StringVar(&reason, "reason", "", "why; it stands in the audit log")
	return c
}

// inputRows reads JSON lines. An error names the line and nothing of what stands in it.
func inputRows(file string, stdin io.Reader) (rows []review.InputRow, err error) {
	from := stdin
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, fmt.Errorf("read rows: %w", err)
		}
		defer f.Close()
		from = f
	}
	lines := json.NewDecoder(from)
	lines.DisallowUnknownFields()
	for {
		var r review.InputRow
		switch err := lines.Decode(&r); {
		case errors.Is(err, io.EOF) && len(rows) > 0:
			return rows, nil
		case errors.Is(err, io.EOF):
			return nil, errors.New("read rows: the file has none")
		case err != nil:
			return nil, fmt.Errorf("read rows: object %d is not {\"user\", \"patient\", \"session\", \"value\", "+
				"\"at\", \"remove\"}, each but the last a text", len(rows)+1)
		}
		rows = append(rows, r)
	}
}
