package cli

import (
	"context"
	"encoding/csv"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ward-health/ward/review"
	"github.com/ward-health/ward/tenancy"
)

func (a *app) breachCmd() *cobra.Command {
	return noun("breach", "Breaches: whom to notify by when, and the yearly log", a.breachListCmd(), a.breachLogCmd(),
		a.notifiedCmd(), a.termsCmd(), a.tenantTermCmd(), a.stateTermCmd())
}

func (a *app) breachListCmd() *cobra.Command {
	c := &cobra.Command{
		Use: "list", Short: "Breaches, with the next legal date of each", Args: cobra.NoArgs,
		Annotations: audited("browse"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd.Context(), func(s *tenancy.Session) error {
				rows, err := review.Breaches(cmd.Context(), s, nil)
				if err != nil {
					return err
				}
				now := a.Now()
				return emit(a, rows, []string{"ANOMALY", "TENANT", "DISCOVERED", "AFFECTED", "STATE", "NEXT", "BY",
					"LEFT", "SUMMARY"}, func(b review.Breach) []string {
					next := nextNotice(b.Deadlines)
					by := "-"
					if b.DueOn != nil {
						by = string(*b.DueOn)
					}
					return []string{shortID(b.ID), b.Tenant, string(b.DiscoveredOn), number(b.Affected), b.State, next,
						by, dueIn(b.DueOn, now), b.Summary}
				})
			})
		},
	}
	a.jsonFlag(c)
	return c
}

// nextNotice is whom to notify next; the deadlines come by date.
func nextNotice(list []review.NotificationDeadline) string {
	for _, d := range list {
		if d.MadeOn == nil {
			return d.Recipient
		}
	}
	return "all made"
}

func number(n *int) string {
	if n == nil {
		return "-"
	}
	return fmt.Sprint(*n)
}

func (a *app) breachLogCmd() *cobra.Command {
	var year int
	c := &cobra.Command{
		Use: "log", Short: "The yearly log of 45 CFR 164.408(c), as CSV", Args: cobra.NoArgs,
		Annotations: audited("export"),
		Long: `Writes the breaches that were discovered in a year (of UTC) and are closed, as CSV to standard output.
Those of 500 individuals and more are in it too: the column hhs_due tells them apart. A cell that a spreadsheet would
take for a formula begins with an apostrophe; --json has the values as they are.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if year == 0 {
				return usagef("--year is needed")
			}
			return a.with(cmd.Context(), func(s *tenancy.Session) error {
				rows, err := review.Breaches(cmd.Context(), s, &year)
				if err != nil {
					return err
				}
				if a.asJSON {
					err = emit(a, rows, nil, nil)
				} else {
					err = a.breachCSV(rows)
				}
				if err == nil {
					a.say("%s discovered in %d", review.Counted(len(rows), "breach", "breaches"), year)
				}
				return err
			})
		},
	}
	c.Flags().IntVar(&year, "year", 0, "year of the discovery (needed)")
	a.jsonFlag(c)
	return c
}

func (a *app) breachCSV(rows []review.Breach) error {
	w := csv.NewWriter(a.Out)
	_ = w.Write([]string{"anomaly", "clinic", "region", "discovered_on", "first_access", "last_access", "individuals",
		"residents", "what_happened", "phi_involved", "mitigation", "reason", "closed_by", "approved_by",
		"individuals_due", "individuals_notified", "hhs_due", "hhs_notified", "media_due", "media_notified",
		"covered_entity_due", "covered_entity_notified"})
	for i := range rows {
		b := &rows[i]
		line := []string{b.ID.String(), b.TenantName, b.Region, string(b.DiscoveredOn),
			b.FirstAt.UTC().Format(time.RFC3339), b.LastAt.UTC().Format(time.RFC3339), number(b.Affected),
			or(b.Residents, ""), b.Summary,
			or(b.Nature, ""), or(b.Mitigated, ""), or(b.CloseReason, ""), or(b.ClosedBy, ""), or(b.ApprovedBy, "")}
		for _, recipient := range []string{"individuals", "hhs", "media", "covered_entity"} {
			due, made := "", ""
			for _, d := range b.Deadlines {
				if d.Recipient == recipient {
					due = string(d.DueOn)
					if d.MadeOn != nil {
						made = string(*d.MadeOn)
					}
				}
			}
			line = append(line, due, made)
		}
		for i := range line {
			line[i] = noFormula(line[i])
		}
		_ = w.Write(line)
	}
	w.Flush()
	if err := w.Error(); err != nil {
		return fmt.Errorf("write result: %w", err)
	}
	return nil
}

// noFormula keeps a spreadsheet from computing what somebody typed.
func noFormula(s string) string {
	if s = clean(s); s != "" && strings.ContainsRune("=+-@", rune(s[0])) && s != "-" {
		return "'" + s
	}
	return s
}

func (a *app) notifiedCmd() *cobra.Command {
	var recipient, on string
	c := a.changeCmd("notified ANOMALY", "Record that a notice was made: its clock stops", "note", "reference",
		func(ctx context.Context, s *tenancy.Session, anomaly string, expectedVersion int,
			reference string) (review.Changed, error) {
			if err := oneOf("to", []string{recipient}, review.NotificationRecipients()); err != nil {
				return review.Changed{}, err
			}
			if on == "" {
				return review.Changed{}, usagef("--on is needed: a day like 2026-01-31")
			}
			return review.Notified(ctx, s, anomaly, expectedVersion, recipient, review.Date(on), reference)
		})
	c.Flags().Lookup("reference").Usage = "where that is proven: a letter, a number of the HHS portal (needed)"
	c.Flags().StringVar(&recipient, "to", "", "individuals, covered_entity, hhs or media (needed)")
	c.Flags().StringVar(&on, "on", "", "the day (needed)")
	offer(c, "to", review.NotificationRecipients()...)
	return c
}

func (a *app) termsCmd() *cobra.Command {
	c := &cobra.Command{
		Use: "terms", Short: "Days that contracts and the laws of States leave", Args: cobra.NoArgs,
		Annotations: audited("browse"),
		Long:        "ward ships no term of any State or contract: what stands here was set by an administrator.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd.Context(), func(s *tenancy.Session) error {
				rows, err := review.Terms(cmd.Context(), s)
				if err != nil {
					return err
				}
				return emit(a, rows, []string{"TENANT", "STATE", "DAYS", "WHY", "BY", "SINCE"},
					func(t review.Term) []string {
						return []string{or(t.Tenant, "-"), or(t.State, "-"), number(t.Days), t.Why, t.By, when(t.At)}
					})
			})
		},
	}
	a.jsonFlag(c)
	return c
}

func (a *app) tenantTermCmd() *cobra.Command {
	var state, reason string
	var days int
	c := &cobra.Command{
		Use: "term CLINIC", Short: "Set what a clinic's contract says of notices", Args: cobra.ExactArgs(1),
		Annotations: audited("configure"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd.Context(), func(s *tenancy.Session) error {
				event, err := review.SetTenantTerm(cmd.Context(), s, args[0], state, days, reason)
				return a.set(event, err)
			})
		},
	}
	c.Flags().StringVar(&state, "state", "", "two letters; counts until residents are known of a breach")
	c.Flags().IntVar(&days, "days", 0, "1 to 60 (45 CFR 164.410); left out: no contract says")
	c.Flags().StringVar(&reason, "reason", "", "the contract (needed)")
	return c
}

func (a *app) stateTermCmd() *cobra.Command {
	var days int
	var citation string
	c := &cobra.Command{
		Use: "state STATE", Short: "Set in how many days a State's law wants individuals notified",
		Args: cobra.ExactArgs(1), Annotations: audited("configure"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd.Context(), func(s *tenancy.Session) error {
				event, err := review.SetStateTerm(cmd.Context(), s, args[0], days, citation)
				return a.set(event, err)
			})
		},
	}
	c.Flags().IntVar(&days, "days", 0, "1 to 60 calendar days; left out: the federal 60")
	c.Flags().StringVar(&citation, "citation", "", "the law (needed)")
	return c
}

// set says that something was set.
func (a *app) set(event int64, err error) error {
	if err != nil {
		return err
	}
	a.say("set; recorded as event %d", event)
	return nil
}

// sameCmds say which accounts are one person's.
func (a *app) sameCmds() []*cobra.Command {
	list := &cobra.Command{
		Use: "accounts", Short: "Accounts that are one person's", Args: cobra.NoArgs, Annotations: audited("browse"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd.Context(), func(s *tenancy.Session) error {
				rows, err := review.AccountLinks(cmd.Context(), s)
				if err != nil {
					return err
				}
				return emit(a, rows, []string{"USER", "SAME AS", "SINCE", "BY", "REASON", "ENDED"},
					func(l review.AccountLink) []string {
						return []string{l.User, l.SameAs, when(l.LinkedAt), l.LinkedBy, l.Reason,
							whenOr(l.EndedAt, "-")}
					})
			})
		},
	}
	a.jsonFlag(list)
	change := func(use, short, long string,
		fn func(context.Context, *tenancy.Session, string, string, string) (int64, error)) *cobra.Command {
		var reason string
		c := &cobra.Command{
			Use: use, Short: short, Long: long, Args: cobra.ExactArgs(2), Annotations: audited("configure"),
			RunE: func(cmd *cobra.Command, args []string) error {
				return a.with(cmd.Context(), func(s *tenancy.Session) error {
					event, err := fn(cmd.Context(), s, args[0], args[1], reason)
					return a.set(event, err)
				})
			},
		}
		c.Flags().StringVar(&reason, "reason", "", "why (needed)")
		return c
	}
	return []*cobra.Command{list,
		change("same USER USER", "Say that two accounts are one person's",
			"From then on whoever may not review an anomaly under one of them may not under the other, "+
				"and does not approve there what was closed here.", review.LinkAccounts),
		change("apart USER USER", "End that; never between your own accounts", "", review.UnlinkAccounts)}
}
