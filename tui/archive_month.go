package tui

import (
	"strings"

	"charm.land/lipgloss/v2"

	"github.com/ward-health/ward/archive"
)

// monthHead is how many lines stand above the list of a month.
const monthHead = 3

// verdictWords say what a verdict on a month means.
func verdictWords(v archive.Verdict) string {
	switch v {
	case archive.Valid:
		return "nothing was changed, removed, added or reordered since it was sealed"
	case archive.Invalid:
		return "something was changed, removed or added"
	case archive.NotProven:
		return "nothing wrong was found, but not everything could be checked"
	}
	return ""
}

// monthBody draws the findings and parts of the month that is open.
func (s *archiveScreen) monthBody(m *model, w, h int) []string {
	o := s.inside
	title, verdict := o.month.Month+" · "+o.month.Region, s.monthVerdict(m, o.month)
	if o.month.Region == "" {
		title = "the log itself, and what is about no month"
	}
	look := verdictLook(m.st, verdict)
	lines := []string{
		fit(" "+m.st.bold.Render(title)+"  "+monthFacts(o.month), w),
		fit(" "+look.Render(verdict), w),
		"",
	}
	return append(lines, drawTable(m.st, s.partColumns(m), &o.list, w, h-monthHead, false)...)
}

func monthFacts(x archive.MonthSummary) string {
	if x.Region == "" {
		return ""
	}
	return strings.Join([]string{plural(x.Parts, "part", "parts"), thousands(x.Rows) + " rows",
		plural(x.Tenants, "clinic", "clinics"), bytesText(x.Bytes), "keep until " + dateOf(x.RetainUntil)}, " · ")
}

// monthVerdict is the verdict on a month in words, with who and when.
func (s *archiveScreen) monthVerdict(m *model, month archive.MonthSummary) string {
	if month.Region == "" {
		return plural(s.found[""], "finding", "findings") + ", about every month"
	}
	if s.verifying(month) {
		return s.progress()
	}
	v, ok := s.latest(m, month)
	if !ok {
		return verdictWord(string(archive.NotProven)) + ": nobody has verified it yet"
	}
	verdict := v.Of(month.Region, month.Month)
	text := verdictWord(string(verdict)) + ", " + s.lastVerified(m, month) + ": "
	if v.ByWorkers {
		text = verdictWord(string(verdict)) + ", " + s.lastVerified(m, month) + ", by the workers' word: "
	}
	switch {
	case verdict == archive.Valid || s.found[s.keyOf(month)] > 0:
		text += verdictWords(verdict)
	case s.found[""] > 0:
		text += "see what is said about the log, in the list of months"
	default:
		text += "what was found is kept in that run's report only; v verifies again"
	}
	return text
}

func (s *archiveScreen) partColumns(m *model) []column[archiveRow] {
	part := func(f func(archive.PartSummary) string) func(archiveRow) string {
		return func(r archiveRow) string {
			if r.part == nil {
				return ""
			}
			return f(*r.part)
		}
	}
	lock := func(i int) func(archive.PartSummary) string {
		return func(p archive.PartSummary) string {
			if p.Rows == 0 || p.Damaged != "" {
				return dash
			}
			until, mode := s.lockCells(m, p.Path)
			if until == dash && mode == readOnlyFiles {
				until = dateOf(p.RetainUntil)
			}
			return []string{until, mode}[i]
		}
	}
	until := "LOCKED UNTIL"
	if _, ok := m.cfg.Store.(archive.Locker); !ok {
		until = "KEEP UNTIL"
	}
	sealed := func(p archive.PartSummary) string {
		if p.SealedFrom.IsZero() {
			return dash
		}
		return p.SealedFrom.In(m.zone()).Format("02 Jan 15:04") + " to " +
			p.SealedTo.In(m.zone()).Format("02 Jan 15:04")
	}
	return []column[archiveRow]{
		{title: "PART", width: 11, cell: part(partName), span: partSpan, look: func(r archiveRow) lipgloss.Style {
			if r.part != nil && r.part.Damaged != "" {
				return m.st.bad
			}
			return findingLook(m.st, r)
		}},
		{title: "ROWS", width: 10, right: true,
			cell: part(func(p archive.PartSummary) string { return thousands(p.Rows) })},
		{title: "CLINICS", width: 7, right: true, drop: 4,
			cell: part(func(p archive.PartSummary) string { return thousands(int64(p.Tenants)) })},
		{title: "SIZE", width: 7, right: true, drop: 2,
			cell: part(func(p archive.PartSummary) string { return bytesText(p.Bytes) })},
		{title: "SEALED " + m.now().Format("MST"), width: 28, drop: 3, cell: part(sealed)},
		{title: until, width: 12, cell: part(lock(0))},
		{title: "LOCK", width: 15, drop: 1, cell: part(lock(1))},
	}
}

// partName is what a part is called in its month.
func partName(p archive.PartSummary) string {
	name := p.Path[strings.LastIndex(p.Path, "/")+1:]
	name, _, _ = strings.Cut(name, ".")
	return name
}

// partSpan draws what has no columns: findings, and parts of which nothing is known or which have no rows.
func partSpan(r archiveRow) (string, bool) {
	switch {
	case r.part == nil:
		return findingSpan(r)
	case r.part.Damaged != "":
		return "✕ " + partName(*r.part) + "  " + r.part.Damaged + ": v verifies", true
	case r.part.Void:
		return partName(*r.part) + "  declared void: the object of this number is no part of the archive", true
	case r.part.Rows == 0:
		return partName(*r.part) + "  the month's record that no row was sealed in it", true
	}
	return "", false
}

// closeUp draws one finding: where it is, down to the row; what was expected and found; what it means, and what to do
// next.
func (s *archiveScreen) closeUp(m *model, w, h int) []string {
	f := s.close.finding
	p := &pane{st: m.st, w: w - 2}
	look, verdict := m.st.plain, f.Verdict()
	if verdict == archive.Invalid {
		look = m.st.bad
	}
	p.add(look.Bold(true).Render(f.Status) + "  " + m.st.dim.Render("makes the archive "+string(verdict)))
	p.gap()
	means, next := f.Explain()
	p.pair("Means", means)
	p.gap()
	if f.Tenant != "" {
		p.pair("Clinic", f.Tenant)
	}
	if f.Seq != 0 {
		p.pair("Row", "#"+thousands(f.Seq)+" of the clinic's chain")
	}
	if f.Expected != "" || f.Found != "" {
		p.pair("Expected", orNothing(f.Expected))
		p.pair("Found", orNothing(f.Found))
	}
	if f.Part != "" {
		p.pair("Object", f.Part)
	}
	p.gap()
	p.pair("To do", next)
	p.gap()
	p.pair("Says", f.Message)
	p.pair("Region, month", strings.Trim(f.Region+" "+f.Month, " "))
	for i := range p.lines {
		p.lines[i] = " " + p.lines[i]
	}
	return s.close.text.draw(p.lines, w, h)
}

func orNothing(s string) string {
	if s == "" {
		return "nothing"
	}
	return s
}
