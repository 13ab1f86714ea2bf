// Package notify tells people outside: it turns an alert into a message and sends it to a webhook or by mail. A
// receiver is outside the BAA boundary and may be hostile: nothing of what it answers is kept but a status, and no
// answer is read further than that. docs/design/notifications.md says what a message may hold.
package notify

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/ward-health/ward/review"
)

// Target is a receiver of alerts.
type Target interface {
	// Send delivers one message, or says why not: *RefusedError where it is of no use to try again. The error holds
	// words of ward's own only: no address, no secret, nothing that the receiver said.
	Send(ctx context.Context, m Message) error
	// Describe is what the database knows of it.
	Describe() review.AlertTarget
}

// Message is an alert in the forms that targets send.
type Message struct {
	ID      string // the same whenever the same matter is sent to the same target again
	At      time.Time
	Subject string // one line of printable ASCII
	Text    string
	JSON    []byte
}

// RefusedError is a receiver's answer that will be the same next time.
type RefusedError struct{ Why string }

// Error says what was refused.
func (e *RefusedError) Error() string { return e.Why }

// sendTime bounds one attempt, however slowly a receiver answers.
const sendTime = 20 * time.Second

// Render makes the message of an alert.
func Render(n *review.Alert) (Message, error) {
	body, err := json.Marshal(n)
	if err != nil {
		return Message{}, fmt.Errorf("encode alert: %w", err)
	}
	subject, text := words(n)
	return Message{ID: n.ID.String(), At: n.CreatedAt, Subject: line(subject), Text: text, JSON: body}, nil
}

// line keeps what may stand in a header: printable ASCII. Every part of a subject is checked where it is made; this
// holds where a check was forgotten.
func line(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
}

func words(n *review.Alert) (subject, text string) {
	var b strings.Builder
	head := "[" + n.Installation + "] "
	switch n.Kind {
	case "digest":
		subject = fmt.Sprintf("%sdigest of %s: critical %d, high %d, clocks overdue %d", head, n.Day,
			n.Digest.Open.Critical, n.Digest.Open.High, n.Digest.ClocksOverdue)
		digest(&b, n)
	case "clock":
		left := fmt.Sprintf("%d days left", *n.DaysLeft)
		if *n.DaysLeft < 0 {
			left = "OVERDUE"
		}
		subject = fmt.Sprintf("%s60-day clock, %s: %s at %s", head, left, n.RuleID, n.Tenant)
		fmt.Fprintf(&b, "The clock of 45 CFR 164.404(b) for this anomaly, if it is a breach: %s.\n\nDiscovered: %s\n"+
			"Due:        %s\n", left, n.DiscoveredOn, n.DueOn)
	case "late":
		subject = fmt.Sprintf("%slate: %s", head, n.What)
		fmt.Fprintf(&b, "The review is late: %s. While it is, nobody examines what it looks at.\n\n"+
			"ward rule history and ward worker jobs say more.\n", n.What)
	case "failing":
		subject = fmt.Sprintf("%starget %s is not reached", head, n.What)
		fmt.Fprintf(&b, "An alert did not reach the target %s, and is not tried again.\n\n"+
			"ward notify list shows it; ward notify retry sends it once the cause is gone.\n", n.What)
	case "test":
		subject = head + "test message"
		b.WriteString("This is what ward notify test sends. Nothing has happened.\n")
	default:
		subject = fmt.Sprintf("%s%s: %s at %s", head, n.Severity, n.RuleID, n.Tenant)
		b.WriteString("A rule found something that a reviewer has to look at.\n")
	}
	b.WriteString("\n")
	for _, p := range [][2]string{{"Severity", n.Severity}, {"Rule", n.RuleID}, {"Clinic", n.Tenant},
		{"Region", n.Region}, {"Found", stamp(n.FoundAt)}, {"Open it", n.Open}, {"Alert", n.AlertID.String()}} {
		if p[1] != "" && n.Kind != "digest" {
			fmt.Fprintf(&b, "%-10s %s\n", p[0]+":", p[1])
		}
	}
	return subject, b.String()
}

func stamp(at *time.Time) string {
	if at == nil {
		return ""
	}
	return at.UTC().Format("2006-01-02 15:04 UTC")
}

func digest(b *strings.Builder, n *review.Alert) {
	d := n.Digest
	fmt.Fprintf(b, "Since %s.\n\n", stamp(&d.Since))
	fmt.Fprintf(b, "%-20s %8s %6s %6s %6s\n", "OPEN ANOMALIES", "critical", "high", "medium", "low")
	for _, t := range d.Tenants {
		fmt.Fprintf(b, "%-20s %8d %6d %6d %6d\n", t.Tenant, t.Critical, t.High, t.Medium, t.Low)
	}
	fmt.Fprintf(b, "%-20s %8d %6d %6d %6d   %d new\n\n", "all", d.Open.Critical, d.Open.High, d.Open.Medium,
		d.Open.Low, d.Open.New)
	if o := d.Oldest; o != nil {
		fmt.Fprintf(b, "Oldest: %s at %s, found %s: ward queue show %s\n", o.RuleID, o.Tenant,
			stamp(&o.FoundAt), o.AnomalyID)
	}
	fmt.Fprintf(b, "60-day clocks: %d overdue, %d under ten days\n", d.ClocksOverdue, d.ClocksShort)
	for _, c := range d.Clocks {
		fmt.Fprintf(b, "  due %s (%d days) at %s: ward queue show %s\n", c.DueOn, c.DaysLeft, c.Tenant, c.AnomalyID)
	}
	if len(d.Late) > 0 {
		fmt.Fprintf(b, "LATE: %s\n", strings.Join(d.Late, ", "))
	} else {
		b.WriteString("Every rule ran in time.\n")
	}
	for _, f := range d.Failed {
		fmt.Fprintf(b, "NOT DELIVERED to %s: %d of its alerts (ward notify list)\n", f.Target, f.Alerts)
	}
	for _, s := range d.Suppressions {
		fmt.Fprintf(b, "Suppression of %s at %s ends %s.\n", s.RuleID, s.Tenant, stamp(&s.ExpiresAt))
	}
	if d.Waiting > 0 {
		fmt.Fprintf(b, "Deliveries that wait: %d\n", d.Waiting)
	}
	b.WriteString("\nA digest comes every day. One that does not come says that no worker runs, " +
		"or that this target is not reached.\n")
}
