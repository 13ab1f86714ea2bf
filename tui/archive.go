package tui

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"charm.land/bubbles/v2/progress"
	"charm.land/bubbles/v2/spinner"
	tea "charm.land/bubbletea/v2"

	"github.com/ward-health/ward/archive"
	"github.com/ward-health/ward/audit"
)

// How many findings are kept of a month, and how many stand under it in the list of months; the command's report has
// all.
const (
	findingsKept  = 500
	findingsUnder = 3
)

// archiveRow is a month, a finding under one, a part of one, or a line of its own.
type archiveRow struct {
	month   archive.MonthSummary
	finding *archive.Finding
	part    *archive.PartSummary
	line    string
	nth     int
}

func archiveRowID(r archiveRow) string {
	if r.part != nil {
		return r.part.Path
	}
	return fmt.Sprintf("%s/%s/%d", r.month.Region, r.month.Month, r.nth)
}

// openMonth is a month whose findings and parts are looked at.
type openMonth struct {
	month archive.MonthSummary
	parts []archive.PartSummary
	list  pager[archiveRow]
}

// openFinding is a finding that is looked at.
type openFinding struct {
	finding archive.Finding
	text    scroller
}

// archiveScreen is what the write-once store holds: months, the parts and findings of one, one finding.
type archiveScreen struct {
	months   []archive.MonthSummary
	heads    []archive.Head
	past     []audit.Verification
	findings map[string][]archive.Finding // by region/month; "" is what is about no month
	found    map[string]int               // how many there are, where not all are kept
	marked   map[string]bool
	locks    map[string]keeping // by path
	memory   *archive.HeadMemory

	list    pager[archiveRow]
	inside  *openMonth
	close   *openFinding // looked at closely
	page    slot
	opening slot
	locking slot
	verify  slot
	run     *archiveRun
	bar     progress.Model
	spin    spinner.Model
	loaded  bool
}

func newArchiveScreen(memory *archive.HeadMemory) *archiveScreen {
	if memory == nil {
		memory = archive.NewHeadMemory("", "")
	}
	return &archiveScreen{
		findings: map[string][]archive.Finding{}, found: map[string]int{}, marked: map[string]bool{},
		locks: map[string]keeping{}, memory: memory, list: pager[archiveRow]{id: archiveRowID},
		bar: newBar(), spin: spinner.New(),
	}
}

func monthKey(region, month string) string { return region + "/" + month }

func (s *archiveScreen) name() string { return ScreenArchive }

func (s *archiveScreen) heading(*model) string {
	if s.inside != nil {
		return s.inside.month.Month
	}
	return ""
}

// row is what the cursor is on.
func (s *archiveScreen) row() (archiveRow, bool) {
	if s.inside != nil {
		return s.inside.list.selected()
	}
	return s.list.selected()
}

// selectedID is what a person might want to copy: where the thing under the cursor stands.
func (s *archiveScreen) selectedID() string {
	r, ok := s.row()
	switch {
	case s.close != nil:
		return s.close.finding.Part
	case !ok:
		return ""
	case r.finding != nil:
		return r.finding.Part
	case r.part != nil:
		return r.part.Path
	}
	return monthKey(r.month.Region, r.month.Month)
}

func (s *archiveScreen) count() string {
	if !s.loaded {
		return ""
	}
	return fmt.Sprint(len(s.months))
}

func (s *archiveScreen) scope(m *model) string {
	if m.cfg.Store == nil {
		return "no store"
	}
	text := m.cfg.StoreName
	if text == "" {
		text = m.cfg.Store.String()
	}
	if _, ok := m.cfg.Store.(archive.Locker); !ok {
		text += " (" + readOnlyFiles + ")"
	}
	for _, h := range s.heads {
		text += " · log head " + thousands(h.Size) + " signed by " + h.KeyName
	}
	return text
}

func (s *archiveScreen) status(m *model) string {
	switch {
	case m.cfg.Store == nil:
		return "no archive is configured"
	case s.page.busy:
		return "reading the store …"
	case s.opening.busy:
		return "reading the month's manifests …"
	case s.run != nil:
		return s.pace()
	case !s.loaded:
		return "not loaded: r tries again"
	case s.close != nil:
		return "j and k scroll · esc goes back to the list"
	case s.inside != nil:
		return plural(len(s.inside.parts), "part", "parts") +
			" · esc goes back · what is listed is what the signed log says; only verifying proves it"
	case len(s.marked) > 0:
		return plural(len(s.marked), "month", "months") + " marked: v verifies them, m takes a mark away"
	}
	return plural(len(s.months), "month", "months") +
		" · what is listed is what the signed log says; only verifying proves it"
}

func (s *archiveScreen) show(m *model) tea.Cmd {
	if s.loaded || s.page.busy || m.cfg.Store == nil {
		return nil
	}
	return s.load(m)
}

// archiveData is what the screen shows, read after both looks are recorded.
type archiveData struct {
	Months []archive.MonthSummary
	Heads  []archive.Head
	Past   []audit.Verification
}

func (s *archiveScreen) load(m *model) tea.Cmd {
	key, err := archive.ParseKey(m.cfg.VerifyKey)
	if err != nil {
		m.warn("the public key of the archive is not usable: " + errorWords(err))
		return nil
	}
	return perform(m, &s.page, func(ctx context.Context) (archiveData, error) {
		var d archiveData
		if err := audit.BrowseArchive(ctx, m.session, ""); err != nil {
			return d, err
		}
		var err error
		if d.Past, err = audit.Verifications(ctx, m.session); err != nil {
			return d, err
		}
		if d.Months, d.Heads, err = archive.Summarize(ctx, m.cfg.Store, key); err != nil {
			return d, fmt.Errorf("read the archive: %w", err)
		}
		return d, nil
	}, func(m *model, d archiveData) tea.Cmd {
		slices.SortFunc(d.Months, func(a, b archive.MonthSummary) int {
			return strings.Compare(b.Month+b.Region, a.Month+a.Region)
		})
		s.months, s.heads, s.past, s.loaded, s.inside, s.close = d.Months, d.Heads, d.Past, true, nil, nil
		clear(s.locks)
		s.layout()
		return s.askLocks(m)
	})
}

// layout lists the months with the first findings under each, and an open month anew.
func (s *archiveScreen) layout() {
	var rows []archiveRow
	months := s.months
	if len(s.findings[""]) > 0 {
		months = append([]archive.MonthSummary{{Month: "log"}}, months...)
	}
	for _, month := range months {
		key := s.keyOf(month)
		rows = append(rows, archiveRow{month: month})
		rows = append(rows, s.findingRows(month, findingsUnder)...)
		if n := s.found[key] - findingsUnder; n > 0 {
			rows = append(rows, archiveRow{month: month, nth: findingsUnder + 1,
				line: "… " + plural(n, "more finding", "more findings") + ": enter lists them"})
		}
	}
	s.list.set(rows, true)
	if s.inside != nil {
		s.layoutMonth(s.inside)
	}
}

// keyOf is where the findings of a month are kept; what is about no month stands under a month of no region.
func (s *archiveScreen) keyOf(month archive.MonthSummary) string {
	if month.Region == "" {
		return ""
	}
	return monthKey(month.Region, month.Month)
}

// findingRows are the first findings of a month as rows.
func (s *archiveScreen) findingRows(month archive.MonthSummary, most int) []archiveRow {
	list := s.findings[s.keyOf(month)]
	var rows []archiveRow
	for i := range list[:min(len(list), most)] {
		rows = append(rows, archiveRow{month: month, nth: i + 1, finding: &list[i]})
	}
	return rows
}

func (s *archiveScreen) layoutMonth(o *openMonth) {
	rows := s.findingRows(o.month, findingsKept)
	if n := s.found[s.keyOf(o.month)] - len(rows); n > 0 {
		rows = append(rows, archiveRow{month: o.month, nth: len(rows) + 1,
			line: "… " + plural(n, "more finding", "more findings") + ": the report of ward archive verify has all"})
	}
	for i := range o.parts {
		rows = append(rows, archiveRow{month: o.month, part: &o.parts[i]})
	}
	o.list.set(rows, true)
}

func (s *archiveScreen) move(m *model, n nav) tea.Cmd {
	list, h := &s.list, m.bodyHeight()-1
	switch {
	case s.close != nil:
		if n != navStay {
			s.close.text.move(n)
		}
		return nil
	case s.inside != nil:
		list, h = &s.inside.list, h-monthHead
	}
	switch n {
	case navFirst:
		list.move(-len(list.rows))
	case navLast:
		list.move(len(list.rows))
	default:
		list.move(n.rows(h))
	}
	return s.askLocks(m)
}

// back leaves the finding, then the month, then cancels a verification that is under way.
func (s *archiveScreen) back(*model) bool {
	switch {
	case s.close != nil:
		s.close = nil
	case s.inside != nil:
		s.inside = nil
	case s.run != nil:
		if s.verify.cancel != nil {
			s.verify.cancel()
		}
	default:
		return false
	}
	return true
}

// look opens what the cursor is on: a finding, which is on the screen already, or a month's parts, which is another
// look.
func (s *archiveScreen) look(m *model, r archiveRow) tea.Cmd {
	if r.finding != nil {
		s.close = &openFinding{finding: *r.finding}
		return nil
	}
	month := r.month
	if month.Region == "" {
		s.inside = &openMonth{month: month, list: pager[archiveRow]{id: archiveRowID}}
		s.layoutMonth(s.inside)
		return nil
	}
	return perform(m, &s.opening, func(ctx context.Context) ([]archive.PartSummary, error) {
		if err := audit.BrowseArchive(ctx, m.session, monthKey(month.Region, month.Month)); err != nil {
			return nil, err
		}
		return month.ListParts(ctx, m.cfg.Store)
	}, func(m *model, parts []archive.PartSummary) tea.Cmd {
		slices.Reverse(parts) // the newest first, as months are
		s.inside = &openMonth{month: month, parts: parts, list: pager[archiveRow]{id: archiveRowID}}
		s.layoutMonth(s.inside)
		return s.askLocks(m)
	})
}
