package tui

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"
	"github.com/google/uuid"

	"github.com/ward-health/ward/archive"
	"github.com/ward-health/ward/audit"
	"github.com/ward-health/ward/tenancy"
)

const (
	eventPage = 200
	// eventMost is how many events are held at once, however long the log is.
	eventMost = 600
	// pollTime is how often newer events are counted while a log is open; within its lease that adds none itself.
	pollTime = 5 * time.Second
	pollMost = 100
)

// auditScreen is one clinic's events, open for a reason and for a quarter of an hour.
type auditScreen struct {
	lease  *audit.Lease
	typed  string // the filter as it was typed
	reason string
	list   pager[audit.Event]
	page   slot
	tail   slot
	newer  int  // events since the first row
	over   bool // the lease ended by itself
	open   bool
	text   scroller // of the open event
}

func newAuditScreen() *auditScreen {
	return &auditScreen{list: pager[audit.Event]{id: eventID, limit: eventMost}}
}

func eventID(e audit.Event) string { return fmt.Sprint(e.EventID) }

func (s *auditScreen) name() string  { return ScreenAudit }
func (s *auditScreen) count() string { return "" }

func (s *auditScreen) heading(*model) string {
	if s.lease == nil {
		return ""
	}
	return s.lease.Tenant
}

func (s *auditScreen) scope(m *model) string {
	if s.lease == nil {
		return "no log open"
	}
	text := s.lease.Tenant + ", “" + s.lease.Reason + "”, " + minutes(s.lease.Expires.Sub(m.now())) + " left"
	if s.typed != "" {
		text = s.typed + " · " + text
	}
	return text
}

// selectedID is the record's id, which is what one looks up elsewhere; without one the event's.
func (s *auditScreen) selectedID() string {
	e, ok := s.list.selected()
	if !ok {
		return ""
	}
	if e.RecordID != nil {
		return e.RecordID.String()
	}
	return eventID(e)
}

func (s *auditScreen) status(m *model) string {
	switch {
	case s.page.busy && len(s.list.rows) == 0:
		return "opening …"
	case s.lease == nil:
		return "opening a log asks for a reason and is an event itself"
	case len(s.list.rows) == 0:
		return "no events match"
	}
	rows, first := s.list.visible(m.bodyHeight() - 1)
	text := fmt.Sprintf("rows %s to %s", thousands(int64(s.list.skipped+first+1)),
		thousands(int64(s.list.skipped+first+len(rows))))
	if !s.list.counted {
		text = "near the oldest end"
	}
	if s.list.atEnd {
		text += " · no older ones"
	} else {
		text += " · more below"
	}
	if s.newer > 0 {
		text += fmt.Sprintf(" · %s newer, r to load", countText(s.newer, pollMost))
	}
	if s.page.err != nil {
		text += " · not the present: r tries again"
	}
	return text
}

func countText(n, most int) string {
	if n >= most {
		return fmt.Sprintf("%d+", most)
	}
	return fmt.Sprint(n)
}

// show asks for clinic and reason where no log is open.
func (s *auditScreen) show(m *model) tea.Cmd {
	if s.lease != nil {
		return m.later(pollTime, pollMsg{s.lease})
	}
	if !m.who.May("open") || m.top() != nil {
		return nil
	}
	return m.start(openAction())
}

// opened is a lease with its first page.
type opened struct {
	Lease  *audit.Lease
	Events []audit.Event
}

// unlock opens a clinic's log: the reason is recorded, then the first page read.
func (s *auditScreen) unlock(m *model, tenant, reason, typed string) tea.Cmd {
	filter, err := parseAuditFilter(typed, m.now(), m.who.Slug)
	if err != nil {
		m.warn(err.Error())
		return nil
	}
	return send(m, &s.page, func(ctx context.Context) (opened, error) {
		l, err := audit.Open(ctx, m.session, tenant, reason, "", filter)
		if err != nil {
			return opened{}, err
		}
		return firstPage(ctx, l.WithArchive(m.openArchive))
	}, func(m *model, o opened) tea.Cmd { return s.took(m, o, typed) }, nil)
}

func firstPage(ctx context.Context, l *audit.Lease) (opened, error) {
	events, err := fromDatabase(l.Older(ctx, nil, eventPage))
	if err != nil {
		return opened{}, err
	}
	return opened{Lease: l, Events: events}, nil
}

// openArchive opens the archive for rows that only it has.
func (m *model) openArchive() (archive.Store, []archive.Key, error) {
	if m.cfg.Store == nil {
		return nil, nil, errors.New("no store is configured")
	}
	key, err := archive.ParseKey(m.cfg.VerifyKey)
	return m.cfg.Store, []archive.Key{key}, err
}

// fromDatabase shows what the database has where no archive is configured.
func fromDatabase(events []audit.Event, err error) ([]audit.Event, error) {
	if errors.Is(err, audit.ErrNoArchive) {
		return events, nil
	}
	return events, err
}

func (s *auditScreen) took(m *model, o opened, typed string) tea.Cmd {
	s.page.drop()
	s.tail.drop()
	s.lease, s.typed, s.reason, s.over, s.newer, s.open = o.Lease, typed, o.Lease.Reason, false, 0, false
	s.list.reset()
	s.list.set(o.Events, len(o.Events) < eventPage)
	return m.later(pollTime, pollMsg{s.lease})
}

// search narrows the open log; an event.
func (s *auditScreen) search(m *model, typed string) tea.Cmd {
	filter, err := parseAuditFilter(typed, m.now(), m.who.Slug)
	if err != nil {
		m.warn(err.Error())
		return nil
	}
	lease := s.lease
	return send(m, &s.page, func(ctx context.Context) (opened, error) {
		l, err := lease.Search(ctx, filter)
		if err != nil {
			return opened{}, err
		}
		return firstPage(ctx, l)
	}, func(m *model, o opened) tea.Cmd { return s.took(m, o, typed) }, s.ended)
}

// read gets one page within the lease: no event, since the look was recorded when it was opened.
func (s *auditScreen) read(m *model, fn func(context.Context, *audit.Lease) ([]audit.Event, error),
	take func([]audit.Event)) tea.Cmd {
	lease := s.lease
	s.page.failed = s.ended
	return perform(m, &s.page, func(ctx context.Context) ([]audit.Event, error) { return fromDatabase(fn(ctx, lease)) },
		func(_ *model, events []audit.Event) tea.Cmd {
			take(events)
			return nil
		})
}

func position(e audit.Event) *audit.Position { return &audit.Position{At: e.RecordedAt, ID: e.EventID} }

func (s *auditScreen) first(m *model) tea.Cmd {
	return s.read(m, func(ctx context.Context, l *audit.Lease) ([]audit.Event, error) {
		return l.Older(ctx, nil, eventPage)
	}, func(events []audit.Event) {
		s.list.set(events, len(events) < eventPage)
		s.newer = 0
	})
}

func (s *auditScreen) last(m *model) tea.Cmd {
	return s.read(m, func(ctx context.Context, l *audit.Lease) ([]audit.Event, error) {
		return l.Newer(ctx, nil, eventPage)
	}, func(events []audit.Event) {
		slices.Reverse(events)
		s.list.setEnd(events, len(events) < eventPage)
	})
}

// extend reads the page beyond an edge of the window.
func (s *auditScreen) extend(m *model, at edge) tea.Cmd {
	if at == after {
		pos := position(s.list.rows[len(s.list.rows)-1])
		return s.read(m,
			func(ctx context.Context, l *audit.Lease) ([]audit.Event, error) { return l.Older(ctx, pos, eventPage) },
			func(events []audit.Event) { s.list.add(after, events, len(events) < eventPage) })
	}
	pos := position(s.list.rows[0])
	return s.read(m, func(ctx context.Context, l *audit.Lease) ([]audit.Event, error) {
		return l.Newer(ctx, pos, eventPage)
	}, func(events []audit.Event) {
		slices.Reverse(events)
		s.list.add(before, events, len(events) < eventPage)
	})
}

func (s *auditScreen) move(m *model, n nav) tea.Cmd {
	if s.open && n != navStay {
		s.text.move(n)
		return nil
	}
	if s.lease == nil {
		return nil
	}
	switch {
	case n == navFirst && !s.list.atStart:
		s.list.selectID, s.list.cursor = "", 0
		return s.first(m)
	case n == navFirst:
		s.list.move(-len(s.list.rows))
	case n == navLast && !s.list.atEnd:
		return s.last(m)
	case n == navLast:
		s.list.move(len(s.list.rows))
	default:
		s.list.move(n.rows(m.bodyHeight() - 1))
	}
	if at := s.list.need(m.bodyHeight()); at != nowhere && !s.page.busy {
		return s.extend(m, at)
	}
	return nil
}

// pollMsg says that it is time to count what is newer.
type pollMsg struct{ lease *audit.Lease }

func (s *auditScreen) message(m *model, msg tea.Msg) tea.Cmd {
	p, ok := msg.(pollMsg)
	if !ok || p.lease != s.lease || s.lease == nil || m.screen() != screen(s) || m.trouble != nil {
		return nil
	}
	next := m.later(pollTime, p)
	if !s.list.atStart || len(s.list.rows) == 0 || s.page.busy || s.tail.busy {
		return next
	}
	lease, pos := s.lease, position(s.list.rows[0])
	s.tail.failed = s.ended
	return perform(m, &s.tail, func(ctx context.Context) (int, error) {
		events, err := lease.Newer(ctx, pos, pollMost)
		return len(events), err
	}, func(_ *model, n int) tea.Cmd {
		s.newer = n
		return next
	})
}

// ended looks whether an error says that the lease is over.
func (s *auditScreen) ended(m *model, err error) tea.Cmd {
	if s.lease != nil && errors.Is(err, tenancy.ErrNoLease) {
		return s.close(m)
	}
	return nil
}

// expire closes the log when its lease is over.
func (s *auditScreen) expire(m *model) tea.Cmd {
	if s.lease == nil || m.now().Before(s.lease.Expires) {
		return nil
	}
	return s.close(m)
}

// close takes the events off the screen, since the permission to see them is over, and asks again.
func (s *auditScreen) close(m *model) tea.Cmd {
	tenant := s.lease.Tenant
	s.lease, s.over, s.open = nil, true, false
	s.page.drop()
	s.tail.drop()
	s.list.reset()
	if m.screen() != screen(s) || m.top() != nil {
		return nil
	}
	return s.ask(m, tenant, s.typed, s.reason)
}

func (s *auditScreen) back(*model) bool {
	was := s.open
	s.open = false
	return was
}

func (s *auditScreen) body(m *model, w, h int) []string {
	switch {
	case s.lease == nil:
		return pad(s.closed(m), w, h)
	case s.open:
		return s.details(m, w, h)
	case len(s.list.rows) == 0:
		return pad([]string{"", "  No event of " + s.lease.Tenant + " matches " + s.typed + "."}, w, h)
	}
	return drawTable(m.st, s.columns(m), &s.list, w, h, s.page.err != nil)
}

func (s *auditScreen) closed(m *model) []string {
	if !m.who.May("open") {
		return []string{"", "  Your role does not open clinics' logs."}
	}
	if s.over {
		return []string{"", "  The look is over: a log stays open for a quarter of an hour.", "",
			"  " + m.st.accent.Render("o") + "  opens it again, with a reason"}
	}
	return []string{"", "  No log is open.", "",
		"  " + m.st.accent.Render("o") + "  opens a clinic's log, with a reason that has to hold years later"}
}

func (s *auditScreen) columns(m *model) []column[audit.Event] {
	var records, patients, sessions []uuid.UUID
	for _, e := range s.list.rows {
		records, patients, sessions = collect(records, e.RecordID), collect(patients, e.PatientID),
			collect(sessions, e.SessionID)
	}
	nr, np, ns := shortLength(records), shortLength(patients), shortLength(sessions)
	zone := m.zone()
	layout, wide, title := "2006-01-02 15:04:05", 19, "RECORDED "
	switch {
	case m.w < 70:
		layout, wide, title = "15:04:05", 8, "AT "
	case m.w < 100:
		layout, wide = "01-02 15:04:05", 14
	}
	return []column[audit.Event]{
		{title: title + m.now().Format("MST"), width: wide,
			cell: func(e audit.Event) string { return e.RecordedAt.In(zone).Format(layout) }},
		{title: "ACTOR", width: 8, grow: 2, cell: func(e audit.Event) string { return value(e.Actor) }},
		{title: "ACTION", width: 8, grow: 1, cell: func(e audit.Event) string { return e.Action }},
		{title: "RECORD", width: 13, grow: 3, cell: func(e audit.Event) string { return recordName(e, nr) }},
		{title: "PATIENT", width: max(7, np+1), drop: 2,
			cell: func(e audit.Event) string { return shortOr(e.PatientID, np) }},
		{title: "OUTCOME", width: 8, cell: func(e audit.Event) string {
			return strings.Replace(e.Outcome, "denied", "✕ denied", 1)
		}, look: func(e audit.Event) lipgloss.Style {
			if e.Outcome == "denied" {
				return m.st.bad
			}
			return m.st.plain
		}},
		{title: "PURPOSE", width: 9, grow: 1, drop: 3, cell: func(e audit.Event) string { return value(e.Purpose) }},
		{title: "SESSION", width: max(7, ns), drop: 4,
			cell: func(e audit.Event) string { return shortOr(e.SessionID, ns) }},
		{title: "SEAL", width: 8, drop: 1, right: true, cell: seal, look: func(e audit.Event) lipgloss.Style {
			if e.Seq == nil {
				return m.st.warn
			}
			return m.st.dim
		}},
	}
}

func collect(ids []uuid.UUID, id *uuid.UUID) []uuid.UUID {
	if id == nil {
		return ids
	}
	return append(ids, *id)
}

func recordName(e audit.Event, n int) string {
	switch {
	case e.RecordTable == nil:
		return dash
	case e.RecordID == nil:
		return bare(*e.RecordTable)
	}
	return bare(*e.RecordTable) + "/" + short(*e.RecordID, n)
}

func shortOr(id *uuid.UUID, n int) string {
	if id == nil {
		return dash
	}
	return short(*id, n)
}

// seal is an event's place in its clinic's chain. One that has none yet is not called valid.
func seal(e audit.Event) string {
	if e.Seq == nil {
		return "UNSEALED"
	}
	return "#" + thousands(*e.Seq)
}
