package tui

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"

	"github.com/ward-health/ward/archive"
	"github.com/ward-health/ward/review"
)

func archiveActions() []Action {
	act := func(a Action) Action { a.Screen = ScreenArchive; return a }
	return []Action{
		act(Action{Name: "verify", Key: "v", Help: "verify the month under the cursor", Audit: "verify", Needs: "verify", hint: true, begin: func(m *model) attempt {
			r, ok := m.archive.list.selected()
			if why := m.archive.idle(m); why != "" || !ok || r.month.Region == "" {
				return attempt{why: strings.TrimSuffix("no month is selected: "+why, ": ")}
			}
			return attempt{do: func(m *model, _ answers) tea.Cmd { return m.archive.start(m, r.month.Region, r.month.Month) }}
		}}),
		act(Action{Name: "verify all", Key: "V", Help: "verify every month", Audit: "verify", Needs: "verify", hint: true, begin: func(m *model) attempt {
			if why := m.archive.idle(m); why != "" {
				return attempt{why: why}
			}
			return attempt{do: func(m *model, _ answers) tea.Cmd { return m.archive.start(m, "", "") }}
		}}),
		act(Action{Name: "ship", Key: "s", Help: "ask the worker to ship what is sealed now", Audit: "ship", Needs: "ship", hint: true, begin: atOnce(func(m *model) tea.Cmd { return m.ship() })}),
		act(Action{Name: "refresh", Key: "r", Help: "read the store again", Audit: "browse", hint: true, begin: func(m *model) attempt {
			if m.cfg.Store == nil {
				return attempt{why: "no archive is configured"}
			}
			return attempt{do: func(m *model, _ answers) tea.Cmd { return m.archive.load(m) }}
		}}),
	}
}

// idle says why nothing can be verified now.
func (s *archiveScreen) idle(m *model) string {
	switch {
	case m.cfg.Store == nil:
		return "no archive is configured"
	case s.run != nil:
		return "a verification is under way: esc cancels it"
	}
	return ""
}

// ship asks the worker; the event is the person's, the work the worker's.
func (m *model) ship() tea.Cmd {
	m.change.failed = nil
	return perform(m, &m.change, func(ctx context.Context) (int64, error) { return review.Request(ctx, m.session, "ship", nil) }, func(m *model, event int64) tea.Cmd {
		m.say("asked the worker to ship · event " + thousands(event) + " · r shows it when it is done")
		return nil
	})
}

func (s *archiveScreen) body(m *model, w, h int) []string {
	switch {
	case m.cfg.Store == nil:
		p := &pane{st: m.st, w: w - 4}
		p.add("", "No archive is configured.", "")
		p.text("Name the store that ward ships to (a directory, or an S3 bucket with Object Lock) and its public key in ward.yaml or the environment, then start again.")
		for i := range p.lines {
			p.lines[i] = "  " + p.lines[i]
		}
		return pad(p.lines, w, h)
	case !s.loaded && s.page.err != nil:
		return pad([]string{"", "  " + m.st.bad.Render("✕") + " The archive could not be read. " + errorWords(s.page.err)}, w, h)
	case s.loaded && len(s.months) == 0:
		return pad([]string{"", "  Nothing is shipped yet."}, w, h)
	}
	return drawTable(m.st, s.columns(m), &s.list, w, h, s.page.err != nil)
}

func (s *archiveScreen) columns(m *model) []column[archiveRow] {
	month := func(f func(archive.MonthSummary) string) func(archiveRow) string {
		return func(r archiveRow) string { return f(r.month) }
	}
	name := func(x archive.MonthSummary) string { return x.Month }
	width := 8
	if len(s.heads) > 1 {
		name, width = func(x archive.MonthSummary) string { return x.Month + " " + x.Region }, 18
	}
	return []column[archiveRow]{
		{title: "MONTH", width: width, cell: month(name), span: func(r archiveRow) (string, bool) { return "  " + r.under, r.under != "" },
			look: func(r archiveRow) lipgloss.Style {
				if r.bad {
					return m.st.bad
				}
				return m.st.plain
			}},
		{title: "PARTS", width: 5, right: true, drop: 2, cell: month(func(x archive.MonthSummary) string { return thousands(int64(x.Parts)) })},
		{title: "ROWS", width: 10, grow: 1, right: true, cell: month(func(x archive.MonthSummary) string { return thousands(x.Rows) })},
		{title: "SIZE", width: 7, right: true, drop: 3, cell: month(func(x archive.MonthSummary) string { return bytesText(x.Bytes) })},
		{title: "LOCKED UNTIL", width: 12, drop: 1, cell: month(func(x archive.MonthSummary) string { return lockedUntil(x.RetainUntil) })},
		{title: "LAST VERIFIED", width: 16, grow: 2, cell: func(r archiveRow) string { return s.lastVerified(m, r.month) }},
		{title: "VERDICT", width: 17, grow: 3, cell: func(r archiveRow) string { return s.verdictOf(r.month) }, look: func(r archiveRow) lipgloss.Style {
			return verdictLook(m.st, s.verdictOf(r.month))
		}},
	}
}

func lockedUntil(t time.Time) string {
	if t.IsZero() {
		return dash
	}
	return t.Format("2006-01-02")
}

// latest is the newest finished verification of a month.
func (s *archiveScreen) latest(month archive.MonthSummary) (verification, bool) {
	i := slices.IndexFunc(s.past, func(v verification) bool { return v.covers(month.Region, month.Month) })
	if i < 0 {
		return verification{}, false
	}
	return s.past[i], true
}

// verifying says whether the run under way is about a month.
func (s *archiveScreen) verifying(month archive.MonthSummary) bool {
	return s.run != nil && (s.run.region == "" || s.run.region == month.Region) && (len(s.run.months) == 0 || slices.Contains(s.run.months, month.Month))
}

func (s *archiveScreen) lastVerified(m *model, month archive.MonthSummary) string {
	if s.verifying(month) {
		return "verifying"
	}
	v, ok := s.latest(month)
	if !ok {
		return "never"
	}
	at := v.FinishedAt.In(m.zone())
	when := at.Format("02 Jan 2006")
	if at.Format(time.DateOnly) == m.now().Format(time.DateOnly) {
		when = "today " + at.Format("15:04")
	}
	return when + " " + v.By
}

func (s *archiveScreen) verdictOf(month archive.MonthSummary) string {
	if s.verifying(month) {
		return s.progress()
	}
	v, ok := s.latest(month)
	if !ok {
		return "· not proven"
	}
	text := verdictWord(*v.Verdict)
	if *v.Verdict == string(archive.Invalid) && v.Breaks != nil && *v.Breaks > 0 {
		text += " " + plural(*v.Breaks, "break", "breaks")
	}
	return text
}

// verdictWord is a verdict with its mark.
func verdictWord(v string) string {
	switch archive.Verdict(v) {
	case archive.Valid:
		return "✓ valid"
	case archive.Invalid:
		return "✕ INVALID"
	case archive.NotProven:
		return "· not proven"
	}
	return v
}

func verdictLook(st *styles, text string) lipgloss.Style {
	switch {
	case strings.HasPrefix(text, "✓"):
		return st.good
	case strings.HasPrefix(text, "✕"):
		return st.bad
	}
	return st.plain
}

// progress is how far the run under way is. It counts what was read, and says nothing of what was found: that is shown once it is recorded.
func (s *archiveScreen) progress() string {
	v := s.run.current.Load()
	if v == nil {
		return "recording …"
	}
	st := v.Status()
	if st.Phase != "parts" || st.RowsAll == 0 {
		return "reading the log …"
	}
	part := float64(st.Rows) / float64(st.RowsAll)
	return fmt.Sprintf("%s %3.0f %%", bar(part, 10), part*100)
}

// pace is how fast the run under way is, and how long it will take.
func (s *archiveScreen) pace() string {
	v := s.run.current.Load()
	if v == nil {
		return ""
	}
	st := v.Status()
	if st.RowsPerSecond < 1 {
		return ""
	}
	text := " · " + rate(st.RowsPerSecond) + " rows/s"
	if st.Remaining > 0 {
		text += ", " + st.Remaining.Round(time.Second).String() + " left"
	}
	return text
}

func bar(part float64, w int) string {
	n := max(0, min(w, int(part*float64(w))))
	return strings.Repeat("█", n) + strings.Repeat("░", w-n)
}

func rate(perSecond float64) string {
	if perSecond >= 1e6 {
		return fmt.Sprintf("%.1f M", perSecond/1e6)
	}
	return thousands(int64(perSecond))
}
