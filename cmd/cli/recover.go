package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/ward-health/ward/review"
	"github.com/ward-health/ward/tenancy"
)

func (a *app) archiveRecoverCmd() *cobra.Command {
	var reason string
	c := &cobra.Command{
		Use: "recover", Short: "Go on after the database lost rows that the archive names", Args: cobra.NoArgs,
		Annotations: audited("seal_recover"),
		Long: `A failover to a standby that was behind, or a restore to an earlier time, loses sealed rows. The archive
and the chain heads published in it still name them. The worker then neither seals nor ships,
and its log says what is missing. An administrator's order lets it go on. The order signs a recovery into the
archive, which names what was lost and why. Every chain goes on after what is archived. From then on a verification says
RECOVERED for rows that were published and never shipped; they are lost.

Nothing changes where nothing was lost.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if reason == "" {
				return usagef("--reason says what happened to the database: it is signed into the archive")
			}
			return a.with(cmd.Context(), func(s *tenancy.Session) error {
				event, err := review.Request(cmd.Context(), s, "seal_recover", map[string]any{"reason": reason})
				if err != nil {
					return err
				}
				return one(a, map[string]int64{"event_id": event}, fmt.Sprintf(
					"ordered; recorded as event %d; the worker's log and ward archive verify say what was lost", event))
			})
		},
	}
	c.Flags().StringVar(&reason, "reason", "",
		"what happened to the database; no names of people, it is signed into the archive")
	a.jsonFlag(c)
	return c
}
