package tui

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"
	"github.com/google/uuid"

	"github.com/ward-health/ward/tenancy"
)

// memberScreen is who works where.
type memberScreen struct {
	tenant  string // empty: every clinic within reach
	all     []tenancy.Membership
	list    pager[tenancy.Membership]
	typed   string
	page    slot
	loaded  bool
	details *tenancy.Consequences
	opening slot
	open    bool
	text    scroller // of the details
}

func newMemberScreen() *memberScreen {
	return &memberScreen{
		list: pager[tenancy.Membership]{id: func(x tenancy.Membership) string { return x.ID.String() }}}
}

func (s *memberScreen) name() string { return ScreenMembers }

func (s *memberScreen) count() string {
	if !s.loaded {
		return ""
	}
	return fmt.Sprint(len(s.list.rows))
}

func (s *memberScreen) heading(*model) string { return s.tenant }

func (s *memberScreen) scope(*model) string {
	where := "every clinic within reach"
	if s.tenant != "" {
		where = s.tenant
	}
	if s.typed != "" {
		where = s.typed + " · " + where
	}
	return where
}

// selectedID is the user's id: what termination asks for.
func (s *memberScreen) selectedID() string {
	if x, ok := s.list.selected(); ok {
		return x.UserID.String()
	}
	return ""
}

func (s *memberScreen) status(*model) string {
	switch {
	case s.page.busy && !s.loaded:
		return "loading …"
	case !s.loaded:
		return "not loaded: r tries again"
	}
	text := plural(len(s.list.rows), "membership", "memberships")
	if len(s.list.rows) != len(s.all) {
		text += fmt.Sprintf(" of %d", len(s.all))
	}
	if s.page.err != nil {
		text += " · not the present: r tries again"
	}
	return text
}

func (s *memberScreen) show(m *model) tea.Cmd {
	if s.loaded || s.page.busy {
		return nil
	}
	return s.load(m, s.tenant)
}

// load reads the memberships of a clinic, or of all; the list is an event at each clinic shown.
func (s *memberScreen) load(m *model, tenant string) tea.Cmd {
	return send(m, &s.page, func(ctx context.Context) ([]tenancy.Membership, error) {
		return m.session.Members(ctx, tenant)
	}, func(_ *model, rows []tenancy.Membership) tea.Cmd {
		s.tenant, s.all, s.loaded, s.details, s.open = tenant, rows, true, nil, false
		s.sift()
		return nil
	}, nil)
}

// sift applies the filter to what is loaded: words that must all be found.
func (s *memberScreen) sift() {
	var kept []tenancy.Membership
	for _, x := range s.all {
		text := strings.ToLower(
			strings.Join([]string{x.Tenant, x.TenantName, x.User, x.Name, x.Role, x.Kind, memberState(x)}, " "))
		ok := true
		for _, word := range strings.Fields(strings.ToLower(s.typed)) {
			ok = ok && strings.Contains(text, word)
		}
		if ok {
			kept = append(kept, x)
		}
	}
	s.list.set(kept, true)
}

func memberState(x tenancy.Membership) string {
	if x.TerminatedAt != nil {
		return "✕ terminated"
	}
	return "· live"
}

func (s *memberScreen) move(m *model, n nav) tea.Cmd {
	if s.open && n != navStay {
		s.text.move(n)
		return nil
	}
	switch n {
	case navFirst:
		s.list.move(-len(s.list.rows))
	case navLast:
		s.list.move(len(s.list.rows))
	default:
		s.list.move(n.rows(m.bodyHeight() - 1))
	}
	return nil
}

func (s *memberScreen) back(*model) bool {
	was := s.open
	s.open = false
	return was
}

func (s *memberScreen) message(*model, tea.Msg) tea.Cmd { return nil }

func (s *memberScreen) body(m *model, w, h int) []string {
	switch {
	case s.open:
		return s.whole(m, w, h)
	case s.loaded && len(s.list.rows) == 0 && s.typed != "":
		return pad([]string{"", "  No membership matches " + s.typed + "."}, w, h)
	case s.loaded && len(s.list.rows) == 0:
		return pad([]string{"", "  No memberships within your reach."}, w, h)
	}
	return drawTable(m.st, s.columns(m), &s.list, w, h, s.page.err != nil)
}

func (s *memberScreen) columns(m *model) []column[tenancy.Membership] {
	type row = tenancy.Membership
	return []column[row]{
		{title: "TENANT", width: 10, grow: 2, cell: func(x row) string { return x.TenantName }},
		{title: "USER", width: 9, grow: 1, cell: func(x row) string { return x.User }},
		{title: "NAME", width: 10, grow: 3, drop: 1, cell: func(x row) string { return x.Name }},
		{title: "ROLE", width: 10, grow: 1, cell: func(x row) string { return strings.ReplaceAll(x.Role, "_", " ") }},
		{title: "SINCE", width: 5, right: true, drop: 2,
			cell: func(x row) string { return ago(m.now().Sub(x.StartedAt)) }},
		{title: "STATE", width: 12, cell: memberState, look: func(x row) lipgloss.Style {
			if x.TerminatedAt != nil {
				return m.st.dim
			}
			return m.st.plain
		}},
		{title: "SESSIONS", width: 8, right: true, cell: func(x row) string {
			if x.LiveSessions == 0 {
				return dash
			}
			return fmt.Sprint(x.LiveSessions)
		}},
	}
}

// shown says whether the details held are those of the selected row.
func (s *memberScreen) shown() bool {
	return s.details != nil && s.details.ID.String() == s.list.selectID
}

func (s *memberScreen) whole(m *model, w, h int) []string {
	if !s.shown() {
		text := "opening …"
		if s.opening.err != nil {
			text = "could not be opened: r tries again, esc goes back"
		}
		return pad([]string{"", " " + m.st.dim.Render(text)}, w, h)
	}
	c := *s.details
	p := &pane{st: m.st, w: min(w-2, 100)}
	p.add(ends(m.st.bold.Render(c.Name)+"  "+strings.ReplaceAll(c.Role, "_", " ")+" at "+c.TenantName,
		m.st.dim.Render(memberState(c.Membership)), p.w))
	p.gap()
	p.pair("User", c.User+", "+c.Kind+", "+c.UserID.String())
	p.pair("Membership", c.ID.String())
	p.pair("Clinic", c.TenantName+" ("+c.Tenant+", "+c.Region+")")
	p.pair("Since", full(c.StartedAt, m.zone()))
	if c.TerminatedAt != nil {
		p.pair("Terminated", full(*c.TerminatedAt, m.zone())+" by "+value(c.TerminatedBy)+": “"+value(c.Reason)+"”")
		p.pair("HR's end date", value(c.EndedOn))
	} else {
		p.head("IF IT WERE TERMINATED", "")
		p.add(consequences(m.st, c)...)
	}
	for i := range p.lines {
		p.lines[i] = " " + p.lines[i]
	}
	return s.text.draw(p.lines, w, h)
}

// consequences are what terminating a membership ends, leaves and does not touch.
func consequences(st *styles, c tenancy.Consequences) []string {
	row := func(label, text string) string { return st.dim.Render(fit(label, 19)) + text }
	ends := "no live session"
	if c.LiveSessions > 0 {
		ends = plural(c.LiveSessions, "live session", "live sessions") + ", now"
	}
	leaves := plural(c.UpcomingAppointments, "upcoming appointment", "upcoming appointments") + ", " +
		plural(c.OpenAnomalies, "open anomaly", "open anomalies") + " about them"
	others := make([]string, 0, len(c.OtherMemberships))
	for _, o := range c.OtherMemberships {
		name := o.TenantName
		if name == "" {
			name = o.Tenant
		}
		others = append(others, strings.ReplaceAll(o.Role, "_", " ")+" at "+name)
	}
	touches := "the user id; any history"
	if len(others) > 0 {
		touches = strings.Join(others, ", ") + "; " + touches
	}
	lines := []string{row("This will end", ends), row("It leaves behind", leaves), row("It does not touch", touches)}
	if len(c.Services) > 0 {
		lines = append(lines, row("Left ownerless", strings.Join(c.Services, ", ")+", unless they work elsewhere"))
	}
	if keeps := slices.Concat(c.Grants, prefixed("on call for ", c.OnCall)); len(keeps) > 0 {
		lines = append(lines, row("Still reviews", strings.ReplaceAll(strings.Join(keeps, ", "), "*", "any clinic")))
	}
	return lines
}

func prefixed(with string, list []string) []string {
	out := make([]string, len(list))
	for i, x := range list {
		out[i] = with + x
	}
	return out
}

// look reads one membership with what terminating it would do; an event.
func (s *memberScreen) look(m *model, id string, then func(*model, tenancy.Consequences) tea.Cmd) tea.Cmd {
	return perform(m, &s.opening,
		func(ctx context.Context) (tenancy.Consequences, error) { return m.session.Consequences(ctx, id) },
		func(m *model, c tenancy.Consequences) tea.Cmd {
			s.details = &c
			s.text.top()
			return then(m, c)
		})
}

// day reads HR's end date.
func day(s string) (*time.Time, error) {
	if s == "" {
		return nil, nil
	}
	t, err := time.Parse("2006-01-02", s)
	if err != nil {
		return nil, fmt.Errorf("%q is no date: write it as 2026-11-19, or leave it empty", s)
	}
	return &t, nil
}

// typedID says what is wrong with the beginning of a user id typed as a check.
func typedID(id uuid.UUID, typed string) string {
	if len(typed) < 6 || !strings.HasPrefix(id.String(), strings.ToLower(typed)) {
		return "that is not the start of this person's user id: type " + short(id, 6)
	}
	return ""
}
