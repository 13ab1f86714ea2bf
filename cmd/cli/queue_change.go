package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/ward-health/ward/review"
	"github.com/ward-health/ward/tenancy"
)

// changeFn changes an anomaly whose version was seen; text is the reason, where one is asked for.
type changeFn func(ctx context.Context, s *tenancy.Session, anomaly string, expectedVersion int,
	text string) (review.Changed, error)

func review0(fn func(context.Context, *tenancy.Session, string, int) (review.Changed, error)) changeFn {
	return func(ctx context.Context, s *tenancy.Session, anomaly string, expectedVersion int,
		_ string) (review.Changed, error) {
		return fn(ctx, s, anomaly, expectedVersion)
	}
}

func review1(fn func(context.Context, *tenancy.Session, string, int, string) (review.Changed, error)) changeFn {
	return fn
}

// changeCmd is a command that changes an anomaly. --version is the version that was seen; without it the anomaly is
// opened first (recorded), and its present one counts.
func (a *app) changeCmd(use, short, action, textFlag string, fn changeFn) *cobra.Command {
	var expectedVersion int
	var text string
	c := &cobra.Command{
		Use: use, Short: short, Args: cobra.ExactArgs(1), Annotations: audited(action),
		RunE: func(cmd *cobra.Command, args []string) error {
			if textFlag != "" && strings.TrimSpace(text) == "" {
				return usagef("--%s is needed", textFlag)
			}
			return a.change(cmd.Context(), args[0], expectedVersion, text, fn)
		},
	}
	c.Flags().IntVar(&expectedVersion, "version", 0, "the version that you saw (default: the present one)")
	if textFlag != "" {
		c.Flags().StringVar(&text, textFlag, "", "why (needed)")
	}
	a.jsonFlag(c)
	return c
}

func (a *app) change(ctx context.Context, anomaly string, expectedVersion int, text string, fn changeFn) error {
	return a.with(ctx, func(s *tenancy.Session) error {
		if expectedVersion == 0 {
			d, err := review.Open(ctx, s, anomaly)
			if err != nil {
				return err
			}
			anomaly, expectedVersion = d.Anomaly.ID.String(), d.Anomaly.Version
		}
		done, err := fn(ctx, s, anomaly, expectedVersion, text)
		if err != nil {
			return err
		}
		return one(a, done, fmt.Sprintf("%s is %s, version %d; recorded as event %d", shortID(done.ID), done.State,
			done.Version, done.EventID))
	})
}

func (a *app) noteCmd() *cobra.Command {
	c := &cobra.Command{
		Use: "note ANOMALY TEXT", Short: "Add a note; notes are never changed", Args: cobra.ExactArgs(2),
		Annotations: audited("note"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.change(cmd.Context(), args[0], 1, args[1], func(ctx context.Context, s *tenancy.Session,
				anomaly string, _ int, text string) (review.Changed, error) {
				return review.AddNote(ctx, s, anomaly, text)
			})
		},
	}
	a.jsonFlag(c)
	return c
}

func (a *app) assignCmd() *cobra.Command {
	var to string
	c := a.changeCmd("assign ANOMALY", "Give an anomaly to another reviewer", "assign", "reason",
		func(ctx context.Context, s *tenancy.Session, anomaly string, expectedVersion int,
			reason string) (review.Changed, error) {
			if to == "" {
				return review.Changed{}, usagef("--to is needed")
			}
			return review.Assign(ctx, s, anomaly, expectedVersion, to, reason)
		})
	c.Flags().StringVar(&to, "to", "", "user (needed)")
	return c
}

// closing is what a closing is given.
type closing struct {
	as, reason string
	fields     []string
	count      int
}

func (c *closing) answers() ([]review.Field, error) {
	var out []review.Field
	for _, f := range c.fields {
		name, value, ok := strings.Cut(f, "=")
		if !ok {
			return nil, usagef("--field %q: the form is NAME=VALUE; ward queue dispositions lists them", f)
		}
		out = append(out, review.Field{Name: strings.TrimSpace(name), Value: value})
	}
	return out, nil
}

func (a *app) closeCmd() *cobra.Command {
	var expectedVersion int
	var in closing
	c := &cobra.Command{
		Use: "close ANOMALY...", Short: "Close it; what is grave then waits for a second person",
		Args: cobra.MinimumNArgs(1), Annotations: audited("close"),
		Long: `Closes an anomaly with a disposition and what that demands: ward queue dispositions lists both. One
closed as a duplicate is merged into the one that duplicate_of names.

Several at once must be of one rule and one clinic, none of tier A, and at most 50. They are listed first, which is
recorded; --count then says how many they are, and closes all or none. They need no claim.`,
		Example: "  ward queue close 4f21 --as explained_treatment --field asked='Dr. " +
			"Lund' --field asked_on=2026-11-24 --reason 'covered the ward'\n" +
			"  ward queue close 4f21 88aa 9c3e --as false_positive_rule --field cause=threshold --reason 'the " +
			"nightly batch' --count 3",
		RunE: func(cmd *cobra.Command, args []string) error {
			if in.as == "" {
				return usagef("--as is needed: a disposition, e.g. explained_treatment, false_positive_rule, breach")
			}
			if strings.TrimSpace(in.reason) == "" {
				return usagef("--reason is needed")
			}
			answers, err := in.answers()
			if err != nil {
				return err
			}
			if len(args) > 1 {
				return a.closeMany(cmd.Context(), args, in, answers)
			}
			closing := func(ctx context.Context, s *tenancy.Session, anomaly string, expectedVersion int,
				reason string) (review.Changed, error) {
				return review.Close(ctx, s, anomaly, expectedVersion, in.as, reason, answers...)
			}
			return a.change(cmd.Context(), args[0], expectedVersion, in.reason, closing)
		},
	}
	c.Flags().IntVar(&expectedVersion, "version", 0, "the version that you saw (default: the present one)")
	c.Flags().StringVar(&in.reason, "reason", "", "why (needed)")
	c.Flags().StringVar(&in.as, "as", "", "disposition (needed)")
	c.Flags().StringArrayVar(&in.fields, "field", nil, "NAME=VALUE of what the disposition demands; several times")
	c.Flags().IntVar(&in.count, "count", 0, "how many they are, to close several")
	offer(c, "as", dispositionNames...)
	a.jsonFlag(c)
	return c
}

// closeMany lists what would be closed, which is a look, and closes what was listed once the person says how many that
// is.
func (a *app) closeMany(ctx context.Context, args []string, in closing, answers []review.Field) error {
	return a.with(ctx, func(s *tenancy.Session) error {
		for _, id := range args {
			if uuid.Validate(id) != nil {
				return usagef("several anomalies are named by their whole ids: ward queue list --json has them")
			}
		}
		rows, err := review.Queue(ctx, s, review.QueueFilter{IDs: args, Limit: 500})
		if err != nil {
			return err
		}
		expectedVersions := map[uuid.UUID]int{}
		for i := range rows {
			expectedVersions[rows[i].ID] = rows[i].Version
		}
		if in.count == 0 {
			if err := a.emitQueue(rows); err != nil {
				return err
			}
			a.say("nothing was closed: --count %d closes these as %s", len(rows), in.as)
			return nil
		}
		if len(expectedVersions) != len(args) {
			return fmt.Errorf("%d of the %d anomalies are within your reach: nothing was closed",
				len(expectedVersions), len(args))
		}
		done, err := review.CloseMany(ctx, s, expectedVersions, in.count, in.as, in.reason, answers...)
		if err != nil {
			return err
		}
		return emit(a, done, []string{"ANOMALY", "STATE", "VERSION", "EVENT"}, func(c review.Changed) []string {
			return []string{shortID(c.ID), c.State, fmt.Sprint(c.Version), fmt.Sprint(c.EventID)}
		})
	})
}

func (a *app) approveCmd() *cobra.Command {
	var reject bool
	c := a.changeCmd("approve ANOMALY", "Approve somebody else's closing, or send it back", "approve", "reason",
		func(ctx context.Context, s *tenancy.Session, anomaly string, expectedVersion int,
			reason string) (review.Changed, error) {
			return review.Approve(ctx, s, anomaly, expectedVersion, !reject, reason)
		})
	c.Flags().BoolVar(&reject, "reject", false, "send it back instead")
	return c
}
