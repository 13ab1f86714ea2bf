package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ward-health/ward/controls"
)

// unprotected is what ward unprotect --json prints.
type unprotected struct {
	Table   string `json:"table"`
	EventID int64  `json:"event_id"`
}

func (a *app) unprotectCmd() *cobra.Command {
	var reason string
	c := &cobra.Command{
		Use: "unprotect TABLE", Short: "Undo ward protect for a table", Args: cobra.ExactArgs(1),
		Annotations: exempt("a change of the schema by the privileged login: tenancy.unprotect writes its event"),
		Long: `As the table's owner or a superuser. Drops the policies, triggers, view and grants that ward protect
made, and its registration with its permissions and relationships, and switches row security off
unless a policy of yours is left. Who may read the table then is what PostgreSQL's own grants say.
The history of its records stays. What ward protect revoked, such as a grant to PUBLIC, and the
table's owner do not come back by themselves.`,
		Example: `  ward unprotect public.visits --reason "the trial is over" --database postgres://postgres@/clinic`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(strings.TrimSpace(reason)) < 4 {
				return usagef("--reason is needed, at least four characters: it is recorded")
			}
			url, err := a.privileged()
			if err != nil {
				return err
			}
			db, err := known(cmd.Context(), url)
			if err != nil {
				return err
			}
			defer db.Close()
			event, err := controls.Unprotect(cmd.Context(), db.Pool(), args[0], reason)
			if err != nil {
				return err
			}
			return one(a, unprotected{args[0], event},
				fmt.Sprintf("%s is no longer protected; recorded as event %d", args[0], event))
		},
	}
	c.Flags().StringVar(&reason, "reason", "", "why (needed; recorded)")
	a.jsonFlag(c)
	return c
}
