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
	"github.com/ward-health/ward/audit"
	"github.com/ward-health/ward/review"
)

func archiveActions() []Action {
	act := func(a Action) Action { a.Screen = ScreenArchive; return a }
	return []Action{
		act(Action{Name: "verify", Keys: bind("v"),
			Help:  "verify the months that are marked, or the one under the cursor",
			Audit: "verify", Needs: "verify", hint: true, begin: func(m *model) attempt {
				t, ok := m.archive.chosen()
				return m.archive.attempt(m, t, ok, "no month is selected")
			}}),
		act(Action{Name: "verify all", Keys: bind("V"), Help: "verify every month of every region", Audit: "verify",
			Needs: "verify", hint: true, begin: func(m *model) attempt {
				return m.archive.attempt(m, target{}, true, "")
			}}),
		act(Action{Name: "diagnose", Keys: bind("d"),
			Help: "verify the month again and name the rows of files that are not " +
				"the signed ones", Audit: "verify", Needs: "verify", hint: true, begin: beginDiagnose}),
		act(Action{Name: "details", Keys: bind("enter"), Help: "a month's findings and parts; " +
			"what a finding means and what to do", Audit: "browse", hint: true, begin: func(m *model) attempt {
			r, ok := m.archive.row()
			if m.archive.close != nil || !ok || m.archive.inside != nil && r.finding == nil {
				return attempt{why: "there is nothing more to open here"}
			}
			return attempt{do: func(m *model, _ answers) tea.Cmd { return m.archive.look(m, r) }}
		}}),
		act(Action{Name: "mark", Keys: bind("m"), Help: "mark the month, to verify several",
			Exempt: "marks what a recorded look returned", Needs: "verify", hint: true, begin: func(m *model) attempt {
				if r, ok := m.archive.list.selected(); !ok || r.month.Region == "" || m.archive.inside != nil ||
					m.archive.close != nil {
					return attempt{why: "no month is selected"}
				}
				return attempt{do: func(m *model, _ answers) tea.Cmd { m.archive.mark(); return nil }}
			}}),
		act(Action{Name: "by workers", Keys: bind("w"),
			Help: "verify as v does, with the rows recomputed by the workers, " +
				"a job for each part", Audit: "verify", Needs: "verify", hint: true, begin: func(m *model) attempt {
				t, ok := m.archive.chosen()
				t.workers = true
				return m.archive.attempt(m, t, ok, "no month is selected")
			}}),
		act(Action{Name: "all workers", Keys: bind("W"), Help: "verify every month of every region by the workers",
			Audit: "verify", Needs: "verify", begin: func(m *model) attempt {
				return m.archive.attempt(m, target{workers: true}, true, "")
			}}),
		act(Action{Name: "ship", Keys: bind("s"), Help: "ask the worker to ship what is sealed now", Audit: "ship",
			Needs: "ship", hint: true, begin: atOnce(func(m *model) tea.Cmd { return m.ship() })}),
		act(Action{Name: "refresh", Keys: bind("r"), Help: "read the store again", Audit: "browse", hint: true,
			begin: func(m *model) attempt {
				if m.cfg.Store == nil {
					return attempt{why: "no archive is configured"}
				}
				return attempt{do: func(m *model, _ answers) tea.Cmd { return m.archive.load(m) }}
			}}),
	}
}

// attempt verifies a target unless something stands against it.
func (s *archiveScreen) attempt(m *model, t target, ok bool, otherwise string) attempt {
	switch {
	case m.cfg.Store == nil:
		return attempt{why: "no archive is configured"}
	case s.run != nil:
		return attempt{why: "a verification is under way: esc cancels it"}
	case !ok:
		return attempt{why: otherwise}
	}
	return attempt{do: func(m *model, _ answers) tea.Cmd { return m.archive.start(m, t) }}
}

// beginDiagnose is possible where a file is known to be another one than was signed.
func beginDiagnose(m *model) attempt {
	s := m.archive
	month := archive.MonthSummary{}
	if r, ok := s.row(); ok {
		month = r.month
	}
	if s.close != nil {
		month = archive.MonthSummary{Region: s.close.finding.Region, Month: s.close.finding.Month}
	}
	changed := slices.ContainsFunc(s.findings[s.keyOf(month)],
		func(f archive.Finding) bool { return f.Status == archive.FileModified })
	return s.attempt(m, target{region: month.Region, months: []string{month.Month}, diagnose: true},
		m.cfg.Diagnose != nil && month.Region != "" && changed,
		"verify it first: no file of this month is known to be another one than was signed")
}

// ship asks the worker; the event is the person's, the work the worker's.
func (m *model) ship() tea.Cmd {
	m.change.failed = nil
	return perform(m, &m.change, func(ctx context.Context) (int64, error) {
		return review.Request(ctx, m.session, "ship", nil)
	}, func(m *model, event int64) tea.Cmd {
		m.say("asked the worker to ship · event " + thousands(event) + " · r shows it when it is done")
		return nil
	})
}

func (s *archiveScreen) body(m *model, w, h int) []string {
	switch {
	case m.cfg.Store == nil:
		p := &pane{st: m.st, w: w - 4}
		p.add("", "No archive is configured.", "")
		p.text("Name the store that ward ships to (a directory, or an S3 bucket with Object Lock) and its public key " +
			"in ward.yaml or the environment, then start again.")
		return pad(indent(p.lines), w, h)
	case s.close != nil:
		return s.closeUp(m, w, h)
	case s.inside != nil:
		return s.monthBody(m, w, h)
	case !s.loaded && s.page.err != nil && len(s.list.rows) == 0:
		p := &pane{st: m.st, w: w - 4}
		p.add("", m.st.bad.Render("✕")+" The archive could not be read.", "")
		p.text(errorWords(s.page.err))
		p.gap()
		p.text("V verifies it all the same: that names everything that is wrong, and is on record.")
		return pad(indent(p.lines), w, h)
	case s.loaded && len(s.list.rows) == 0:
		return pad([]string{"", "  Nothing is shipped yet."}, w, h)
	}
	return drawTable(m.st, s.columns(m), &s.list, w, h, s.page.err != nil)
}

func indent(lines []string) []string {
	for i := range lines {
		lines[i] = "  " + lines[i]
	}
	return lines
}

func (s *archiveScreen) columns(m *model) []column[archiveRow] {
	month := func(f func(archive.MonthSummary) string) func(archiveRow) string {
		return func(r archiveRow) string {
			if r.month.Region == "" {
				return ""
			}
			return f(r.month)
		}
	}
	name := func(r archiveRow) string {
		text := r.month.Month
		if len(s.heads) > 1 && r.month.Region != "" {
			text += " " + r.month.Region
		}
		if s.marked[s.keyOf(r.month)] {
			text = "+ " + text
		}
		return text
	}
	width := 9
	if len(s.heads) > 1 {
		width = 20
	}
	lock := func(part int) func(archive.MonthSummary) string {
		return func(x archive.MonthSummary) string {
			until, mode := s.lockCells(m, x.Newest)
			if _, ok := m.cfg.Store.(archive.Locker); !ok {
				until = dateOf(x.RetainUntil)
			}
			return []string{until, mode}[part]
		}
	}
	until := "LOCKED UNTIL"
	if _, ok := m.cfg.Store.(archive.Locker); !ok {
		until = "KEEP UNTIL" // nothing locks a file in a directory
	}
	return []column[archiveRow]{
		{title: "MONTH", width: width, cell: name, span: findingSpan,
			look: func(r archiveRow) lipgloss.Style { return findingLook(m.st, r) }},
		{title: "PARTS", width: 5, right: true, drop: 3,
			cell: month(func(x archive.MonthSummary) string { return thousands(int64(x.Parts)) })},
		{title: "ROWS", width: 10, grow: 1, right: true,
			cell: month(func(x archive.MonthSummary) string { return thousands(x.Rows) })},
		{title: "SIZE", width: 7, right: true, drop: 4,
			cell: month(func(x archive.MonthSummary) string { return bytesText(x.Bytes) })},
		{title: until, width: 12, drop: 1, cell: month(lock(0))},
		{title: "LOCK", width: 15, drop: 2, cell: month(lock(1))},
		{title: "LAST VERIFIED", width: 16, grow: 2,
			cell: month(func(x archive.MonthSummary) string { return s.lastVerified(m, x) })},
		{title: "VERDICT", width: 17, grow: 3, cell: func(r archiveRow) string { return s.verdictOf(m, r.month) },
			look: func(r archiveRow) lipgloss.Style {
				return verdictLook(m.st, s.verdictOf(m, r.month))
			}},
	}
}

func dateOf(t time.Time) string {
	if t.IsZero() {
		return dash
	}
	return t.UTC().Format("2006-01-02")
}

// findingSpan draws a finding, or a line of its own, over all columns.
func findingSpan(r archiveRow) (string, bool) {
	switch {
	case r.line != "":
		return "  " + r.line, true
	case r.finding != nil:
		return "  " + findingText(*r.finding), true
	}
	return "", false
}

func findingLook(st *styles, r archiveRow) lipgloss.Style {
	if r.finding != nil && r.finding.Verdict() == archive.Invalid {
		return st.bad
	}
	return st.plain
}

// findingText is a finding on one line: what, where, and what was expected.
func findingText(f archive.Finding) string {
	mark := "·"
	if f.Verdict() == archive.Invalid {
		mark = "✕"
	}
	text := mark + " " + f.Status
	if f.Part != "" {
		text += "  " + f.Part[strings.LastIndex(f.Part, "/")+1:]
	}
	if f.Tenant != "" {
		text += "  clinic " + brief(f.Tenant)
	}
	if f.Seq != 0 {
		text += "  row #" + thousands(f.Seq)
	}
	if f.Expected != "" || f.Found != "" {
		text += "  expected " + brief(f.Expected) + "  found " + brief(f.Found)
	}
	return text + "  " + f.Message
}

// brief shortens a hash or an id.
func brief(s string) string {
	if len(s) > 12 {
		return s[:8] + "…"
	}
	if s == "" {
		return "nothing"
	}
	return s
}

// latest is the newest finished verification of all of a month.
func (s *archiveScreen) latest(m *model, month archive.MonthSummary) (audit.Verification, bool) {
	store := m.cfg.Store.String()
	i := slices.IndexFunc(s.past, func(v audit.Verification) bool { return v.Covers(store, month.Region, month.Month) })
	if i < 0 {
		return audit.Verification{}, false
	}
	return s.past[i], true
}

// verifying says whether the run under way is about a month.
func (s *archiveScreen) verifying(month archive.MonthSummary) bool {
	return s.run != nil && s.run.covers(month.Region, month.Month)
}

func (s *archiveScreen) lastVerified(m *model, month archive.MonthSummary) string {
	if s.verifying(month) {
		return "verifying"
	}
	v, ok := s.latest(m, month)
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

func (s *archiveScreen) verdictOf(m *model, month archive.MonthSummary) string {
	if month.Region == "" {
		return plural(s.found[""], "finding", "findings")
	}
	if s.verifying(month) {
		return s.progress()
	}
	v, ok := s.latest(m, month)
	if !ok {
		return verdictWord(string(archive.NotProven))
	}
	text := verdictWord(string(v.Of(month.Region, month.Month)))
	if n := s.found[s.keyOf(month)]; n > 0 {
		text += fmt.Sprintf(" %s", plural(n, "finding", "findings"))
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
