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

func (a *app) suppressCmd() *cobra.Command {
	list := &cobra.Command{
		Use: "list", Short: "Suppressions within your reach, and what they held back", Args: cobra.NoArgs,
		Annotations: audited("browse"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd.Context(), func(s *tenancy.Session) error {
				rows, err := review.Suppressions(cmd.Context(), s)
				if err != nil {
					return err
				}
				for _, x := range rows {
					if x.State == "expiring" {
						a.say("suppression %s of %s ends at %s: ward suppress add --renew %s asks for another",
							shortID(x.ID), x.RuleID, when(x.ExpiresAt), shortID(x.ID))
					}
				}
				return emit(a, rows, []string{"ID", "RULE", "TENANT", "ABOUT", "STATE", "EXPIRES", "HITS", "BY",
					"APPROVED", "TICKET"}, func(x review.Suppression) []string {
					return []string{shortID(x.ID), x.RuleID, x.Tenant, matterOf(&x), x.State, when(x.ExpiresAt),
						fmt.Sprint(x.Hits), x.CreatedBy, or(x.ApprovedBy, "-"), x.Ticket}
				})
			})
		},
	}
	add, approve, end := a.suppressAddCmd(),
		a.suppressDecideCmd("approve", "Let what somebody else asked for begin", review.ApproveSuppression),
		a.suppressDecideCmd("end", "End a suppression before its time, or withdraw it", review.EndSuppression)
	a.jsonFlag(list, add, approve, end)
	return noun("suppress", "Hold back what a rule finds, for a time, by two people", list, add, approve, end)
}

// matterOf says what a suppression is about.
func matterOf(x *review.Suppression) string {
	var about []string
	for _, p := range []struct {
		what  string
		value *string
	}{{"", x.Actor}, {"action ", x.Action}} {
		if p.value != nil {
			about = append(about, p.what+*p.value)
		}
	}
	if x.PatientID != nil {
		about = append(about, "patient "+shortID(*x.PatientID))
	}
	if x.RecordID != nil {
		about = append(about, "record "+shortID(*x.RecordID))
	}
	return strings.Join(about, ", ")
}

func (a *app) suppressAddCmd() *cobra.Command {
	var n review.NewSuppression
	var patient, record string
	c := &cobra.Command{
		Use: "add [RULE]", Short: "Ask for a suppression; somebody else approves it", Args: cobra.MaximumNArgs(1),
		Annotations: audited("suppress"),
		Long: `While it is in force, what the rule finds about the matter goes into the queue as suppressed, with its
evidence, and is counted. It ends by itself: after 90 days at most, of a rule of tier A after 7. All of a match's
evidence must be about the matter: what goes beyond it is an anomaly as before.`,
		Example: `  ward suppress add C01 --tenant cedar --actor bill --days 14 --ticket REC-12 \
    --reason "yearly recall, 2,000 letters"
  ward suppress add --renew 1f3a --days 14 --ticket REC-13 --reason "second wave"`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := needReason(n.Reason); err != nil {
				return err
			}
			n.Rule = strings.Join(args, "")
			if (n.Renews == "") == (n.Rule == "" || n.Tenant == "") {
				return usagef("RULE and --tenant, or --renew alone, say what it is of")
			}
			for _, p := range []struct {
				text string
				id   **uuid.UUID
			}{{patient, &n.Patient}, {record, &n.Record}} {
				if p.text == "" {
					continue
				}
				id, err := uuid.Parse(p.text)
				if err != nil {
					return usagef("%q is no id", p.text)
				}
				*p.id = &id
			}
			return a.with(cmd.Context(), func(s *tenancy.Session) error {
				got, err := review.Suppress(cmd.Context(), s, n)
				if err != nil {
					return err
				}
				return one(a, got, fmt.Sprintf("%s  pending: somebody else approves it with ward suppress approve "+
					"%s; recorded as event %d", got.ID, shortID(got.ID), got.EventID))
			})
		},
	}
	f := c.Flags()
	f.StringVar(&n.Tenant, "tenant", "", "the clinic")
	f.StringVar(&n.Actor, "actor", "", "what this person does")
	f.StringVar(&patient, "patient", "", "what is done to this patient's records (id)")
	f.StringVar(&record, "record", "", "what is done to this record (id)")
	f.StringVar(&n.Action, "action", "", "this action")
	f.StringVar(&n.Reason, "reason", "", "why (needed)")
	f.StringVar(&n.Ticket, "ticket", "", "the ticket that says so (needed)")
	f.IntVar(&n.Days, "days", 0, "for how long (needed)")
	f.StringVar(&n.Renews, "renew", "", "the suppression that this one follows")
	return c
}

type suppressDecision = func(ctx context.Context, s *tenancy.Session, id, reason string) (review.Suppression, error)

func (a *app) suppressDecideCmd(verb, short string, do suppressDecision) *cobra.Command {
	var reason string
	c := &cobra.Command{
		Use: verb + " ID", Short: short, Args: cobra.ExactArgs(1), Annotations: audited("suppress"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := needReason(reason); err != nil {
				return err
			}
			return a.with(cmd.Context(), func(s *tenancy.Session) error {
				got, err := do(cmd.Context(), s, args[0], reason)
				if err != nil {
					return err
				}
				return one(a, got, fmt.Sprintf("%s  %s until %s; recorded as event %d", got.ID, got.State,
					when(got.ExpiresAt), got.EventID))
			})
		},
	}
	c.Flags().StringVar(&reason, "reason", "", "why (needed)")
	return c
}
