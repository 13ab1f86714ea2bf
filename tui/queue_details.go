package tui

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/ward-health/ward/review"
)

// evidencePreview is how much evidence stands beside the list; details show all.
const evidencePreview = 5

// preview draws the selected anomaly beside the list: in full once its opening is recorded, until then what the list
// says.
func (s *queueScreen) preview(m *model, w, h int) []string {
	a, ok := s.list.selected()
	if !ok {
		return nil
	}
	if s.shown() {
		lines := s.lines(m, *s.details, w, true)
		if len(lines) > h {
			lines = append(lines[:h-1], m.st.dim.Render("… enter shows the rest"))
		}
		return lines
	}
	p := &pane{st: m.st, w: w}
	s.title(m, p, a)
	p.text(a.Summary)
	p.gap()
	switch {
	case s.opening.busy:
		p.add(m.st.dim.Render("opening …"))
	case s.opening.err != nil && s.wanted == a.ID.String():
		p.add(m.st.dim.Render("could not be opened: enter tries again"))
	}
	return p.lines
}

// whole draws the details over the list.
func (s *queueScreen) whole(m *model, w, h int) []string {
	margin := 1
	if w > 110 {
		margin = (w - 108) / 2
	}
	if !s.shown() {
		text := "opening …"
		if s.opening.err != nil {
			text = "could not be opened: r tries again, esc goes back"
		}
		return pad([]string{"", " " + m.st.dim.Render(text)}, w, h)
	}
	lines := s.lines(m, *s.details, w-2*margin, false)
	for i := range lines {
		lines[i] = strings.Repeat(" ", margin) + lines[i]
	}
	return s.text.draw(lines, w, h)
}

func (s *queueScreen) title(m *model, p *pane, a review.Anomaly) {
	glyph, _, look := m.st.severity(a.Severity)
	id := "anomaly " + s.label(a.ID)
	p.add(ends(look.Render(glyph+" "+a.Severity)+"  "+m.st.bold.Render(fit(ruleName(a),
		max(0, min(len(ruleName(a)), p.w-len(a.Severity)-len(id)-6)))), m.st.dim.Render(id), p.w))
	p.gap()
}

// lines are the details of an anomaly; brief leaves out what stands in the whole view only.
func (s *queueScreen) lines(m *model, d review.Details, w int, brief bool) []string {
	p := &pane{st: m.st, w: w}
	a := d.Anomaly
	s.title(m, p, a)
	p.text(a.Summary)
	p.gap()
	p.pair("State", stateWords(m, a))
	facts(p, a.Facts, m.zone())
	clocks(m, p, d)
	p.pair("Seen before",
		fmt.Sprintf("%d closed for this rule, %d for this actor", d.ClosedSameRule, d.ClosedSameActor))
	if a.RecurrenceOf != nil {
		p.pair("Recurrence of", a.RecurrenceOf.String())
	}
	if !brief {
		s.ids(m, p, a)
	}
	most := len(d.Evidence)
	if brief {
		most = evidencePreview
	}
	evidence(m, p, d, most, !brief)
	casework(m, p, d)
	rule(p, d.Rule)
	notes(m, p, d.Notes)
	history(m, p, d.History)
	return p.lines
}

// ids are what is shortened elsewhere.
func (s *queueScreen) ids(m *model, p *pane, a review.Anomaly) {
	p.pair("Anomaly", a.ID.String())
	p.pair("Clinic", a.TenantName+" ("+a.Tenant+", "+a.Region+")")
	if a.ActorID != nil {
		p.pair("Actor", value(a.ActorName)+" ("+value(a.Actor)+") "+a.ActorID.String())
	}
	if a.SubjectID != nil {
		p.pair("Patient", a.SubjectID.String())
		p.pair("Chart", s.details.ChartURL)
	}
	p.pair("First, last", full(a.FirstAt, m.zone())+" to "+full(a.LastAt, m.zone()))
	p.pair("Found", full(a.CreatedAt, m.zone())+" by version "+fmt.Sprint(a.RuleVersion)+" of the rule")
}

func stateWords(m *model, a review.Anomaly) string {
	text := state(a.State)
	if a.AssignedTo != nil {
		text += ", assigned to " + *a.AssignedTo
	}
	if a.LeaseUntil != nil && a.LeaseUntil.After(m.now()) {
		text += ", " + minutes(a.LeaseUntil.Sub(m.now())) + " to edit"
	}
	if a.Disposition != nil {
		text += ": " + *a.Disposition + " by " + value(a.ClosedBy)
		if a.CloseReason != nil {
			text += ", “" + *a.CloseReason + "”"
		}
	}
	if a.ApprovedBy != nil {
		text += ", approved by " + *a.ApprovedBy
	}
	return text + timeLeft(m, a)
}

// facts shows what the rule measured. A list of daily counts becomes a sparkline.
func facts(p *pane, all map[string]any, zone *time.Location) {
	counts := floats(all["usual"])
	if len(counts) > 0 {
		text := sparkline(counts) + "  " + number(counts[len(counts)-1])
		if median, ok := all["median"]; ok {
			text += ", median " + number(median)
		}
		p.pair("Usual day", text)
	}
	for _, k := range slices.Sorted(maps.Keys(all)) {
		if len(counts) > 0 && (k == "usual" || k == "median") {
			continue
		}
		label := strings.ReplaceAll(k, "_", " ")
		if label != "" {
			label = strings.ToUpper(label[:1]) + label[1:]
		}
		text := number(all[k])
		if at, err := time.Parse(time.RFC3339, text); err == nil {
			text = full(at, zone)
		}
		p.pair(fit(label, labelWidth-1), text)
	}
}

func floats(v any) []float64 {
	list, _ := v.([]any)
	var out []float64
	for _, x := range list {
		f, ok := x.(float64)
		if !ok {
			return nil
		}
		out = append(out, f)
	}
	return out
}

func evidence(m *model, p *pane, d review.Details, most int, links bool) {
	var ids []uuid.UUID
	wide := 0
	for _, e := range d.Evidence {
		wide = max(wide, len(bare(value(e.RecordTable))))
		if e.RecordID != nil {
			ids = append(ids, *e.RecordID)
		}
	}
	n, day := shortLength(ids), ""
	p.head("EVIDENCE", plural(d.Anomaly.EvidenceCount, "event, sealed", "events, sealed"))
	linked := map[string]bool{"": true} // each record's address once
	for i, e := range d.Evidence {
		if i == most {
			p.add(p.st.dim.Render(fmt.Sprintf("… %d more", d.Anomaly.EvidenceCount-most)))
			break
		}
		at := e.At.In(m.zone())
		if d := at.Format("2006-01-02"); d != day {
			day = d
			p.add(p.st.dim.Render(at.Format("2006-01-02 MST")))
		}
		record := dash
		if e.RecordID != nil {
			record = short(*e.RecordID, n)
		}
		p.add(at.Format("15:04:05") + "  " + fit(e.Action, 8) + fit(bare(value(e.RecordTable)), wide+2) +
			fit(record, n+2) + outcome(p.st, e.Outcome))
		if links && !linked[e.RecordURL] {
			linked[e.RecordURL] = true
			p.add(p.st.dim.Render("  " + e.RecordURL))
		}
	}
}

// outcome is a word; what was denied has a mark too.
func outcome(st *styles, s string) string {
	if s == "denied" {
		return st.bad.Render("✕ denied")
	}
	return s
}

func rule(p *pane, r review.FrontMatter) {
	if r.ID == "" {
		return
	}
	p.head("RULE", r.ID)
	p.text(r.Title + ". " + r.Description)
	p.pair("To check", r.Triage)
	for _, f := range r.FalsePositives {
		p.pair("May be false", f)
	}
	p.pair("Cites", strings.Join(r.Citations, ", "))
}

func notes(m *model, p *pane, list []review.Note) {
	if len(list) == 0 {
		return
	}
	p.head("NOTES", "")
	for _, n := range list {
		p.pair(fit(n.By, labelWidth-1), n.Text+" ("+full(n.At, m.zone())+")")
	}
}

func history(m *model, p *pane, list []review.Transition) {
	if len(list) == 0 {
		return
	}
	p.head("HISTORY", "")
	for _, t := range list {
		by := "worker"
		if t.By != nil {
			by = *t.By
		}
		text := state(t.To)
		if t.Disposition != nil {
			text += ": " + *t.Disposition
		}
		if t.Reason != nil {
			text += ", “" + *t.Reason + "”"
		}
		p.pair(fit(by, labelWidth-1), text+" ("+full(t.At, m.zone())+")")
	}
}
