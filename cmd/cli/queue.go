package cli

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/ward-health/ward/review"
	"github.com/ward-health/ward/tenancy"
)

func (a *app) queueCmd() *cobra.Command {
	return noun("queue", "The anomaly queue", a.queueListCmd(), a.queueShowCmd(),
		a.dispositionsCmd(),
		a.changeCmd("claim ANOMALY", "Take an anomaly: yours until released, to be edited for 30 minutes", "claim", "",
			review0(review.Claim)),
		a.changeCmd("take ANOMALY", "Take over what is another reviewer's, also while they edit it", "claim", "reason",
			review1(review.Take)),
		a.changeCmd("release ANOMALY", "Give a claimed anomaly back", "assign", "reason", review1(review.Release)),
		a.assignCmd(), a.noteCmd(),
		a.changeCmd("wait ANOMALY", "Mark it as waiting for information", "note", "reason", review1(review.Wait)),
		a.assessCmd(), a.discoveredCmd(), a.confirmCmd(), a.holdCmd(), a.linkAnomaliesCmd(), a.attachCmd(), a.fileCmd(),
		a.closeCmd(), a.approveCmd(),
		a.changeCmd("escalate ANOMALY", "Hand it to the incident process", "escalate", "reason",
			review1(review.Escalate)),
		a.changeCmd("reopen ANOMALY", "Take a closed or merged anomaly up again", "reopen", "reason",
			review1(review.Reopen)))
}

// The words that the schema knows; a test holds them to it. A misspelt one would be an empty answer, which reads as
// "nothing wrong".
var (
	queueStates = review.States
	severities  = []string{"critical", "high", "medium", "low"}
)

// oneOf refuses a flag's values that are none of the known words.
func oneOf(flag string, values, known []string) error {
	for _, v := range values {
		if !slices.Contains(known, v) {
			return usagef("--%s %q: one of %s", flag, v, strings.Join(known, ", "))
		}
	}
	return nil
}

func (a *app) queueListCmd() *cobra.Command {
	var f review.QueueFilter
	var all bool
	var after string
	var due int
	c := &cobra.Command{
		Use: "list", Short: "Open anomalies, worst first", Args: cobra.NoArgs, Annotations: audited("browse"),
		Long: "Lists one page of the queue. Looking is recorded: one event with the ids shown, " +
			"and one in each clinic among them.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if after != "" {
				id, err := uuid.Parse(after)
				if err != nil {
					return usagef("--after takes a whole anomaly id")
				}
				f.After = &id
			}
			if err := checkQueueFilter(&f); err != nil {
				return err
			}
			if all {
				f.State = queueStates
			}
			if cmd.Flags().Changed("due") {
				f.Due = &due
			}
			return a.with(cmd.Context(), func(s *tenancy.Session) error {
				rows, err := review.Queue(cmd.Context(), s, f)
				if err != nil {
					return err
				}
				err = a.emitQueue(rows)
				if err == nil && len(rows) == f.Limit {
					a.say("%d shown, there may be more: --after %s", len(rows), rows[len(rows)-1].ID)
				}
				return err
			})
		},
	}
	c.Flags().StringSliceVar(&f.State, "state", nil, "states (default: all that are open)")
	c.Flags().StringVar(&f.Rule, "rule", "", "rules whose id starts so, e.g. A0")
	c.Flags().StringSliceVar(&f.Severity, "severity", nil, "critical, high, medium, low")
	c.Flags().StringVar(&f.Tenant, "tenant", "", "one clinic")
	c.Flags().StringVar(&f.Actor, "actor", "", "one user")
	c.Flags().BoolVar(&f.Mine, "mine", false, "mine or unclaimed")
	c.Flags().BoolVar(&all, "all", false, "closed ones too")
	c.Flags().IntVar(&f.Limit, "limit", 100, "page size, 1 to 500")
	c.Flags().StringVar(&f.Sort, "sort", "worst",
		"order: worst, due (the next legal date) or close (the day to close it by)")
	c.Flags().IntVar(&due, "due", 0, "somebody must be notified within so many days, if it is a breach")
	c.Flags().StringVar(&after, "after", "", "continue after this anomaly id")
	a.jsonFlag(c)
	return offerQueue(c)
}

// checkQueueFilter refuses a word that the schema does not know and a page that is too large.
func checkQueueFilter(f *review.QueueFilter) error {
	if f.Limit < 1 || f.Limit > 500 {
		return usagef("--limit is 1 to 500; --after continues")
	}
	if err := oneOf("state", f.State, queueStates); err != nil {
		return err
	}
	if err := oneOf("severity", f.Severity, severities); err != nil {
		return err
	}
	return oneOf("sort", []string{f.Sort}, review.Sorts())
}

// offerQueue completes what narrows and sorts the queue.
func offerQueue(c *cobra.Command) *cobra.Command {
	offer(c, "state", queueStates...)
	offer(c, "severity", severities...)
	offer(c, "sort", review.Sorts()...)
	offerRules(c, "rule")
	return c
}

func (a *app) emitQueue(rows []review.Anomaly) error {
	now := a.Now()
	return emit(a, rows, []string{"ANOMALY", "SEV", "RULE", "TENANT", "ACTOR", "AGE", "DUE", "STATE", "ASSIGNED",
		"SUMMARY"}, func(x review.Anomaly) []string {
		state := x.State
		if late := x.Late(now); late != "" {
			state += " (late)"
		}
		return []string{shortID(x.ID), x.Severity, x.RuleID, x.Tenant, or(x.Actor, "-"), age(now.Sub(x.LastAt)),
			dueIn(x.DueOn, now), state, or(x.AssignedTo, "-"), x.Summary}
	})
}

// dueIn is how many days are left until a legal date, as a list shows it.
func dueIn(d *review.Date, now time.Time) string {
	switch {
	case d == nil:
		return "-"
	case d.Days(now) < 0:
		return fmt.Sprintf("OVERDUE %dd", -d.Days(now))
	}
	return fmt.Sprintf("%dd", d.Days(now))
}

// age is a duration as people say it.
func age(d time.Duration) string {
	switch {
	case d < time.Minute:
		return "now"
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}

func (a *app) queueShowCmd() *cobra.Command {
	c := &cobra.Command{
		Use: "show ANOMALY", Short: "One anomaly with its evidence, notes and history", Args: cobra.ExactArgs(1),
		Annotations: audited("open"),
		RunE: func(cmd *cobra.Command, args []string) error {
			settings, err := a.settings()
			if err != nil {
				return err
			}
			charts, err := settings.recordURL()
			if err != nil {
				return err
			}
			return a.with(cmd.Context(), func(s *tenancy.Session) error {
				d, err := review.Open(cmd.Context(), s, args[0])
				if err != nil {
					return err
				}
				d.Link(charts)
				return one(a, d, describe(&d, a.Now()))
			})
		},
	}
	a.jsonFlag(c)
	return c
}

func describe(d *review.Details, now time.Time) string {
	var b strings.Builder
	x := &d.Anomaly
	fmt.Fprintf(&b, "%s  %s %s  at %s\n%s\n", x.ID, x.Severity, x.RuleID, clean(x.TenantName), clean(x.Summary))
	fmt.Fprintf(&b, "state %s, version %d, assigned to %s\n", x.State, x.Version, or(x.AssignedTo, "nobody"))
	if x.Disposition != nil {
		fmt.Fprintf(&b, "closed as %s by %s: %s; approved by %s\n", *x.Disposition, or(x.ClosedBy, "-"),
			clean(or(x.CloseReason, "")), or(x.ApprovedBy, "nobody yet"))
		for _, f := range d.Closing {
			fmt.Fprintf(&b, "  %s: %s\n", f.Name, clean(f.Value))
		}
	}
	fmt.Fprintf(&b, "rule: %s (45 CFR %s)\ntriage: %s\nseen before: %d closed for this rule here, %d for this actor\n",
		d.Rule.Title, strings.Join(d.Rule.Citations, ", "), d.Rule.Triage, d.ClosedSameRule, d.ClosedSameActor)
	describeClocks(&b, d, now)
	if d.ChartURL != "" {
		fmt.Fprintf(&b, "chart: %s\n", d.ChartURL)
	}
	fmt.Fprintf(&b, "\nEVIDENCE  %s\n", review.Counted(x.EvidenceCount, "event", "events"))
	for i := range d.Evidence {
		e := &d.Evidence[i]
		record := "-"
		if e.RecordID != nil {
			record = e.RecordID.String()
		}
		fmt.Fprintf(&b, "  %s  %-7s %-14s %s  %-6s #%d\n", when(e.At), e.Action, plain(or(e.RecordTable, "-")), record,
			e.Outcome, e.Seq)
		if e.RecordURL != "" {
			fmt.Fprintf(&b, "    %s\n", e.RecordURL)
		}
	}
	if x.EvidenceCount > len(d.Evidence) {
		fmt.Fprintf(&b, "  %d more\n", x.EvidenceCount-len(d.Evidence))
	}
	describeCase(&b, d)
	for _, n := range d.Notes {
		fmt.Fprintf(&b, "note  %s %s: %s\n", when(n.At), n.By, clean(n.Text))
	}
	for _, t := range d.History {
		fmt.Fprintf(&b, "%s  %s by %s %s\n", when(t.At), t.To, or(t.By, "ward worker"), clean(or(t.Reason, "")))
	}
	return strings.TrimRight(b.String(), "\n")
}

// describeClocks says who must be notified by when, and what the review's own times are.
func describeClocks(b *strings.Builder, d *review.Details, now time.Time) {
	x := &d.Anomaly
	fmt.Fprintf(b, "discovered %s", x.DiscoveredOn)
	for _, p := range d.Discoveries {
		if p.Accepted == nil {
			fmt.Fprintf(b, " (%s proposes %s: %s; somebody else confirms it)", p.By, p.DiscoveredOn, clean(p.Reason))
		}
	}
	fmt.Fprintln(b)
	for _, u := range d.Deadlines {
		left := dueIn(&u.DueOn, now)
		if u.MadeOn != nil {
			left = "made " + string(*u.MadeOn)
		}
		fmt.Fprintf(b, "notify %s by %s (%s; %s)\n", u.Recipient, u.DueOn, left, clean(u.Why))
	}
	for _, h := range d.Holds {
		fmt.Fprintf(b, "held until %s for %s\n", h.Until, clean(h.Official))
	}
	if x.Open() && x.ClaimBy != nil && x.CloseBy != nil {
		fmt.Fprintf(b, "to be claimed by %s and closed by %s", *x.ClaimBy, *x.CloseBy)
		if late := x.Late(now); late != "" {
			fmt.Fprintf(b, ": late to %s", late)
		}
		fmt.Fprintln(b)
	}
	if x.ReviewOn != nil {
		fmt.Fprintf(b, "comes back on %s\n", *x.ReviewOn)
	}
}

// describeCase is what reviewers have put together: assessments, files, links.
func describeCase(b *strings.Builder, d *review.Details) {
	for i := range d.Assessments {
		s := &d.Assessments[i]
		fmt.Fprintf(b, "four factors  %s %s: %s\n  (i)   %s\n  (ii)  %s\n  (iii) %s\n  (iv)  %s\n", when(s.At), s.By,
			s.Outcome, clean(s.Nature), clean(s.Recipient), clean(s.Acquired), clean(s.Mitigated))
	}
	if len(d.Assessments) == 0 {
		nature, recipient, acquired := d.LogFacts.Factors()
		fmt.Fprintf(b, "the log says to the four factors\n  (i)   %s\n  (ii)  %s\n  (iii) %s\n", clean(nature),
			clean(recipient), clean(acquired))
	}
	for _, n := range d.Notices {
		fmt.Fprintf(b, "notice  %s %s: %s, %s\n", n.MadeOn, n.By, n.Recipient, clean(n.Reference))
	}
	for _, f := range d.Files {
		fmt.Fprintf(b, "file  %s %s: %s, %d bytes, %s\n", when(f.At), f.By, f.SHA256[:12], f.Bytes, clean(f.Name))
	}
	for _, l := range d.Links {
		fmt.Fprintf(b, "%s  %s %s (%s)\n", strings.ReplaceAll(l.Kind, "_", " "), shortID(l.ID), l.RuleID, l.State)
	}
}
