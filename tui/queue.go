package tui

import (
	"context"
	"fmt"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"
	"github.com/google/uuid"

	"github.com/ward-health/ward/review"
)

const (
	queuePage = 100
	// queueMost is how many anomalies are held; a filter narrows what is more.
	queueMost = 2000
	// restTime is how long the cursor rests before the details beside the list are opened, which is an event.
	restTime = 400 * time.Millisecond
	// editTime is how long a claim lets edit; the database decides.
	editTime = 30 * time.Minute
)

// queueScreen is the anomaly queue.
type queueScreen struct {
	list    pager[review.Anomaly]
	filter  review.QueueFilter
	typed   string // the filter as it was typed
	page    slot
	loaded  bool
	details *review.Details // the last one opened
	opening slot
	wanted  string   // id that is being opened
	rest    int      // counts the cursor's stops
	open    bool     // the details lie over the list
	text    scroller // of the details
	marked  map[string]bool
}

func newQueueScreen() *queueScreen {
	return &queueScreen{list: pager[review.Anomaly]{id: anomalyID}, marked: map[string]bool{}}
}

func anomalyID(a review.Anomaly) string { return a.ID.String() }

func (s *queueScreen) name() string          { return ScreenQueue }
func (s *queueScreen) heading(*model) string { return "" }

func (s *queueScreen) count() string {
	if !s.loaded {
		return ""
	}
	if !s.list.atEnd {
		return fmt.Sprintf("%d+", len(s.list.rows))
	}
	return fmt.Sprint(len(s.list.rows))
}

func (s *queueScreen) scope(*model) string {
	order := map[string]string{"": "worst first", "worst": "worst first", "due": "next legal date first",
		"close": "to close first"}[s.filter.Sort]
	if s.typed == "" {
		return "open · " + order
	}
	return s.typed + " · " + order
}

func (s *queueScreen) selectedID() string { return s.list.selectID }

func (s *queueScreen) status(*model) string {
	switch {
	case s.page.busy && !s.loaded:
		return "loading …"
	case !s.loaded:
		return "not loaded: r tries again"
	case len(s.list.rows) == 0:
		return "no anomalies"
	}
	text := fmt.Sprintf("%d of %d loaded", s.list.cursor+1, len(s.list.rows))
	switch {
	case s.page.busy:
		text += " · loading …"
	case s.list.atEnd:
		text += ", no more"
	case len(s.list.rows) >= queueMost:
		text += ", more exist: narrow with /"
	default:
		text += ", more exist"
	}
	if n := len(s.marked); n > 0 {
		text += fmt.Sprintf(" · %d marked, x closes them", n)
	}
	if s.page.err != nil {
		text += " · not the present: r tries again"
	}
	return text
}

func (s *queueScreen) show(m *model) tea.Cmd {
	if s.loaded || s.page.busy {
		return nil
	}
	return s.load(m)
}

// load reads the first page; each page shown is an event.
func (s *queueScreen) load(m *model) tea.Cmd {
	filter := s.filter
	filter.Limit = queuePage
	return perform(m, &s.page,
		func(ctx context.Context) ([]review.Anomaly, error) { return review.Queue(ctx, m.session, filter) }, s.took)
}

func (s *queueScreen) took(m *model, rows []review.Anomaly) tea.Cmd {
	if gone := s.list.set(rows, len(rows) < queuePage); gone && s.loaded {
		m.say("what was selected is no longer in this list")
	}
	s.loaded = true
	return s.rested(m)
}

// more reads the next page.
func (s *queueScreen) more(m *model) tea.Cmd {
	filter := s.filter
	filter.Limit = queuePage
	last := s.list.rows[len(s.list.rows)-1].ID
	filter.After = &last
	return perform(m, &s.page,
		func(ctx context.Context) ([]review.Anomaly, error) { return review.Queue(ctx, m.session, filter) },
		func(_ *model, rows []review.Anomaly) tea.Cmd {
			s.list.add(after, rows, len(rows) < queuePage)
			return nil
		})
}

func (s *queueScreen) mayMore() bool {
	return len(s.list.rows) > 0 && !s.list.atEnd && len(s.list.rows) < queueMost && !s.page.busy
}

func (s *queueScreen) move(m *model, n nav) tea.Cmd {
	if s.open && n != navStay {
		s.text.move(n)
		return nil
	}
	h := m.bodyHeight() - 1
	switch n {
	case navFirst:
		s.list.move(-len(s.list.rows))
	case navLast:
		s.list.move(len(s.list.rows))
	default:
		s.list.move(n.rows(h))
	}
	cmd := s.rested(m)
	// The next page is another look: it is read when its first row is about to be reached, not sooner.
	if s.mayMore() && s.list.cursor == len(s.list.rows)-1 && n != navStay {
		cmd = tea.Batch(cmd, s.more(m))
	}
	return cmd
}

// restMsg says that the cursor stopped a while ago.
type restMsg struct{ stop int }

// rested starts the clock after which the details beside the list are opened.
func (s *queueScreen) rested(m *model) tea.Cmd {
	s.rest++
	if !m.split() || s.open || s.list.selectID == "" || s.shown() {
		return nil
	}
	return m.later(restTime, restMsg{s.rest})
}

// shown says whether the details held are those of the selected row.
func (s *queueScreen) shown() bool {
	return s.details != nil && s.details.Anomaly.ID.String() == s.list.selectID
}

func (s *queueScreen) message(m *model, msg tea.Msg) tea.Cmd {
	if r, ok := msg.(restMsg); ok && r.stop == s.rest && m.screen() == screen(s) && !s.shown() && m.top() == nil &&
		m.trouble == nil {
		return s.look(m, s.list.selectID)
	}
	return nil
}

// look opens an anomaly, which is an event.
func (s *queueScreen) look(m *model, id string) tea.Cmd {
	s.wanted = id
	return perform(m, &s.opening,
		func(ctx context.Context) (review.Details, error) { return review.Open(ctx, m.session, id) },
		func(m *model, d review.Details) tea.Cmd {
			d.Link(m.cfg.RecordURL)
			s.details = &d
			s.text.top()
			s.update(d.Anomaly)
			s.tell(m, d)
			return nil
		})
}

// update replaces a row by what is known of it now.
func (s *queueScreen) update(a review.Anomaly) {
	for i := range s.list.rows {
		if s.list.rows[i].ID == a.ID {
			s.list.rows[i] = a
		}
	}
}

// tell gives a form about this anomaly what was done since it was opened.
func (s *queueScreen) tell(m *model, d review.Details) {
	f := m.form()
	if f == nil || f.version == nil || f.subject != d.Anomaly.ID.String() || *f.version == d.Anomaly.Version {
		return
	}
	for _, t := range d.History {
		if t.Version > *f.version {
			f.news = append(f.news,
				fmt.Sprintf("%s, %s: %s %s", value(t.By), ago(m.now().Sub(t.At)), state(t.To), value(t.Reason)))
		}
	}
	if len(f.news) == 0 {
		f.news = []string{"it is " + stateWords(m, d.Anomaly) + " now"}
	}
	*f.version = d.Anomaly.Version
}

// back closes the details.
func (s *queueScreen) back(*model) bool {
	was := s.open
	s.open = false
	return was
}

func (s *queueScreen) body(m *model, w, h int) []string {
	if s.open {
		return s.whole(m, w, h)
	}
	if s.loaded && len(s.list.rows) == 0 {
		return pad([]string{"", "  " + m.st.good.Render("✓") +
			" Nothing here: no anomaly " + s.scopeWords() + "."}, w,
			h)
	}
	return m.beside(
		func(w, h int) []string {
			return drawTable(m.st, s.columns(m), &s.list, w, h, s.page.err != nil)
		},
		func(w, h int) []string { return s.preview(m, w, h) }, h)
}

func (s *queueScreen) scopeWords() string {
	if s.typed == "" {
		return "is open within your reach"
	}
	return "matches " + s.typed
}

func (s *queueScreen) columns(m *model) []column[review.Anomaly] {
	return []column[review.Anomaly]{
		{title: "SEV", width: 6, cell: func(a review.Anomaly) string {
			glyph, word, _ := m.st.severity(a.Severity)
			if s.marked[a.ID.String()] {
				glyph = "✓"
			}
			return glyph + " " + word
		}, look: func(a review.Anomaly) lipgloss.Style {
			_, _, look := m.st.severity(a.Severity)
			return look
		}},
		{title: "RULE", width: 14, grow: 12, cell: ruleName},
		{title: "TENANT", width: 12, grow: 1, cell: tenantName},
		{title: "ACTOR", width: 8, grow: 1, cell: func(a review.Anomaly) string { return value(a.Actor) }},
		{title: "AGE", width: 3, right: true,
			cell: func(a review.Anomaly) string { return ago(m.now().Sub(a.LastAt)) }},
		{title: "DUE", width: 3, right: true, cell: func(a review.Anomaly) string { return dueShort(m, a) },
			look: func(a review.Anomaly) lipgloss.Style {
				if a.DueOn != nil && a.DueOn.Days(m.now()) < clockShort {
					return m.st.bad
				}
				return m.st.plain
			}},
		{title: "STATE", width: 10, drop: 1, cell: func(a review.Anomaly) string { return stateOf(m, a) },
			look: func(a review.Anomaly) lipgloss.Style {
				if a.State == "new" {
					return m.st.dim
				}
				return m.st.plain
			}},
	}
}

// ruleName is a rule as the list shows it: its short id and title.
func ruleName(a review.Anomaly) string {
	id, _, _ := strings.Cut(strings.ReplaceAll(a.RuleID, "_", "-"), "-")
	if a.Title == "" {
		return a.RuleID
	}
	return id + " " + a.Title
}

func tenantName(a review.Anomaly) string {
	if a.TenantName != "" {
		return a.TenantName
	}
	return a.Tenant
}

// stateOf is the state, with who has it where that is somebody.
func stateOf(m *model, a review.Anomaly) string {
	switch {
	case a.State == "pending_approval":
		return "◑ approve"
	case a.State == "escalated":
		return "! incident"
	case a.State == "in_review":
		return "◐ review"
	case a.State == "suppressed":
		return "– silenced"
	case a.State != "claimed" || a.AssignedTo == nil:
		return state(a.State)
	case m.mine(a.AssignedTo):
		return "◐ yours"
	}
	return "◐ " + *a.AssignedTo
}

// clockShort is how many days before a legal date it stands out.
const clockShort = 10

// dueShort is how many days are left until somebody must be notified, if it is a breach; "!" with how many it is
// overdue.
func dueShort(m *model, a review.Anomaly) string {
	switch {
	case a.DueOn == nil:
		return dash
	case a.DueOn.Days(m.now()) < 0:
		return fmt.Sprintf("!%d", -a.DueOn.Days(m.now()))
	}
	return fmt.Sprintf("%dd", a.DueOn.Days(m.now()))
}

// labels are how anomalies are called on the screen.
func (s *queueScreen) label(id uuid.UUID) string {
	ids := make([]uuid.UUID, 0, len(s.list.rows))
	for _, a := range s.list.rows {
		ids = append(ids, a.ID)
	}
	return short(id, shortLength(ids))
}
