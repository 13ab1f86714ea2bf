package tui

import (
	"context"
	"errors"
	"fmt"
	"slices"

	tea "charm.land/bubbletea/v2"

	"github.com/ward-health/ward/review"
	"github.com/ward-health/ward/tenancy"
)

func queueActions() []Action {
	all := slices.Concat(queueWork(), queueRecords(), queuePages())
	for i := range all {
		all[i].Screen = ScreenQueue
	}
	return all
}

// queueWork is what moves an anomaly through the queue.
func queueWork() []Action {
	return []Action{
		{Name: "claim", Keys: bind("c"), Help: "take it: assigned to you, yours to edit for 30 minutes",
			Audit: "claim", Needs: "claim", Dangerous: true, hint: true, begin: beginClaim},
		{Name: "take over", Keys: bind("t"), Help: "take what is another's, also while they edit it", Audit: "claim",
			Needs: "claim", Dangerous: true, hint: true, begin: beginTake},
		{Name: "approve", Keys: bind("a"), Help: "approve somebody else's closing", Audit: "approve",
			Needs: "approve", Dangerous: true, hint: true, begin: beginDecision(true)},
		{Name: "send back", Keys: bind("b"), Help: "refuse somebody else's closing: it goes back to them",
			Audit: "reopen", Needs: "approve", Dangerous: true, hint: true, begin: beginDecision(false)},
		{Name: "note", Keys: bind("n"), Help: "add a remark; it stays as it is", Audit: "note", Needs: "note",
			Dangerous: true, hint: true, begin: beginNote},
		{Name: "close", Keys: bind("x"), Help: "close it, or those that are marked, with a disposition and what " +
			"that demands", Audit: "close", Needs: "close", Dangerous: true, hint: true, begin: beginClose},
		{Name: "mark", Keys: bind("m"), Help: "mark it, to close several at once",
			Exempt: "marks what is on the screen", Needs: "close", begin: beginMark},
		{Name: "mark alike", Keys: bind("M"), Help: "mark what is loaded of its rule and clinic, " +
			"50 at most; again: none", Exempt: "marks what is on the screen", Needs: "close", begin: beginMarkAlike},
		{Name: "four factors", Keys: bind("f"), Help: "assess the four factors of 164.402(2)", Audit: "note",
			Needs: "note", Dangerous: true, hint: true, begin: beginAssess},
		{Name: "escalate", Keys: bind("e"), Help: "hand it to the incident process", Audit: "escalate",
			Needs: "escalate", Dangerous: true, hint: true,
			begin: beginReason("Escalate", "Escalate", true, review.Escalate, nil)},
		{Name: "reopen", Keys: bind("R"), Help: "take a closed one up again", Audit: "reopen", Needs: "reopen",
			Dangerous: true, hint: true, begin: beginReopen},
		{Name: "pivot", Keys: bind("p"), Help: "see the actor's events in the Audit screen",
			Exempt: "prefills a form; opening the log is the event", Needs: "open", hint: true, begin: beginPivot},
		{Name: "chart", Keys: bind("v"), Help: "copy the address of the patient's chart, or of the first record",
			Exempt: "copies what a recorded look returned", begin: beginChart},
		{Name: "details", Keys: bind("enter"), Help: "open it: rule, evidence, notes, history", Audit: "open",
			hint: true, begin: beginDetails},
		{Name: "filter", Keys: bind("/"), Help: "narrow or sort the queue: state: rule: tenant: actor: sev: " +
			"due: sort: mine", Audit: "browse", hint: true, begin: beginQueueFilter},
		{Name: "wait", Keys: bind("w"), Help: "mark it as waiting for information", Audit: "note", Needs: "note",
			Dangerous: true, hint: true,
			begin: beginReason("Wait for information", "Wait", false, review.Wait, nil)},
		{Name: "release", Keys: bind("u"), Help: "give a claimed one back", Audit: "assign", Needs: "assign",
			Dangerous: true, hint: true,
			begin: beginReason("Release", "Release", false, review.Release,
				func(a *review.Anomaly) { a.AssignedTo, a.LeaseUntil = nil, nil })},
		{Name: "assign", Keys: bind("o"), Help: "give it to another reviewer", Audit: "assign", Needs: "assign",
			Dangerous: true, hint: true, begin: beginAssign},
	}
}

// queueRecords is what is put on record about an anomaly: dates, notices, links and files.
func queueRecords() []Action {
	return []Action{
		{Name: "discovery", Keys: bind("d"), Help: "propose another date of discovery; somebody else confirms it",
			Audit: "note", Needs: "note", Dangerous: true, begin: beginDiscovered},
		{Name: "confirm date", Keys: bind("D"), Help: "confirm the date of discovery that somebody else proposed, " +
			"or refuse it", Audit: "approve", Needs: "approve", Dangerous: true, begin: beginConfirm},
		{Name: "hold", Keys: bind("h"), Help: "delay the notices because a law-enforcement official asks",
			Audit: "note", Needs: "note", Dangerous: true, begin: beginHold},
		{Name: "notice", Keys: bind("N"), Help: "record that a notice of a breach was made", Audit: "note",
			Needs: "note", Dangerous: true, begin: beginNotice},
		{Name: "link", Keys: bind("l"), Help: "link it with another anomaly", Audit: "note", Needs: "note",
			Dangerous: true, begin: beginLink},
		{Name: "attach", Keys: bind("A"), Help: "attach a file; it stays as it is", Audit: "note", Needs: "note",
			Dangerous: true, begin: beginAttach},
		{Name: "save file", Keys: bind("s"), Help: "read an attached file into one of yours", Audit: "open",
			begin: beginSaveFile},
	}
}

// queuePages reads the queue.
func queuePages() []Action {
	return []Action{
		{Name: "refresh", Keys: bind("r"), Help: "read the queue again; nothing refreshes by itself, " +
			"since each page shown is an event", Audit: "browse", hint: true,
			begin: atOnce(func(m *model) tea.Cmd { return m.queue.refresh(m) })},
		{Name: "next page", Help: "read on, when the cursor reaches the end", Audit: "browse",
			begin: func(m *model) attempt {
				if !m.queue.mayMore() {
					return attempt{why: "there is no further page"}
				}
				return attempt{do: func(m *model, _ answers) tea.Cmd { return m.queue.more(m) }}
			}},
	}
}

// beginChart takes the address from the details, whose opening is on record.
func beginChart(m *model) attempt {
	s := m.queue
	if m.cfg.RecordURL == "" {
		return attempt{why: "record_url in ward.yaml says where charts are; it is not set"}
	}
	if !s.shown() {
		return attempt{why: "open it first: enter"}
	}
	address := s.details.ChartURL
	for i := 0; address == "" && i < len(s.details.Evidence); i++ {
		address = s.details.Evidence[i].RecordURL
	}
	if address == "" {
		return attempt{why: "it is about no record"}
	}
	return attempt{do: func(m *model, _ answers) tea.Cmd {
		m.say("copied " + address)
		return tea.SetClipboard(address)
	}}
}

// refresh reads again what is shown.
func (s *queueScreen) refresh(m *model) tea.Cmd {
	if s.open && s.list.selectID != "" {
		return s.look(m, s.list.selectID)
	}
	s.details = nil
	return s.load(m)
}

// on is the anomaly an action is about, as it was when the action began.
type on struct {
	id      string
	label   string
	version int // the version that the person saw
	row     review.Anomaly
}

const nothingSelected = "no anomaly is selected"

func (m *model) anomaly() (*on, bool) {
	a, ok := m.queue.list.selected()
	if !ok {
		return nil, false
	}
	return &on{id: a.ID.String(), label: m.queue.label(a.ID), version: a.Version, row: a}, true
}

// about is the head of a form about an anomaly.
func (x *on) about(m *model) []string {
	glyph, _, look := m.st.severity(x.row.Severity)
	return []string{look.Render(glyph+" "+x.row.Severity) + "  " + m.st.bold.Render(ruleName(x.row)),
		m.st.dim.Render(value(x.row.Actor) + " at " + tenantName(x.row))}
}

// form makes a form about an anomaly, which learns when somebody else changes it.
func (x *on) form(m *model, title, yes string, danger bool, fields ...*field) *form {
	return &form{title: title + " " + x.label, about: x.about(m), fields: fields, yes: yes, danger: danger,
		subject: x.id, version: &x.version}
}

// decided performs a change and shows what it did. patch brings the row to what the change made of it besides state and
// version (nil: nothing).
func (x *on) decided(m *model, word string, fn func(ctx context.Context, version int) (review.Changed, error),
	patch func(*review.Anomaly)) tea.Cmd {
	version := x.version // may change in Update while the call is under way
	return send(m, &m.change, func(ctx context.Context) (review.Changed, error) { return fn(ctx, version) },
		func(m *model, c review.Changed) tea.Cmd {
			m.say(fmt.Sprintf("%s %s: now %s · event %s", word, x.label, state(c.State), thousands(c.EventID)))
			return m.queue.changed(m, c, patch)
		}, func(m *model, err error) tea.Cmd { return m.queue.afterConflict(m, err, x.id) })
}

// afterConflict reads what somebody else did, so that the person decides on that.
func (s *queueScreen) afterConflict(m *model, err error, id string) tea.Cmd {
	if errors.Is(err, tenancy.ErrConflict) {
		return s.look(m, id)
	}
	return nil
}

// changed brings the row up to date. Where details are on the screen they are opened again; else the answer alone says
// enough, and no further look is recorded.
func (s *queueScreen) changed(m *model, c review.Changed, patch func(*review.Anomaly)) tea.Cmd {
	for i := range s.list.rows {
		if a := &s.list.rows[i]; a.ID == c.ID {
			a.State, a.Version = c.State, c.Version
			if patch != nil {
				patch(a)
			}
		}
	}
	if s.open || m.split() {
		return s.look(m, c.ID.String())
	}
	if s.details != nil && s.details.Anomaly.ID == c.ID {
		s.details = nil
	}
	return nil
}

// editing says why an anomaly cannot be worked now; empty: it can.
func (m *model) editing(a review.Anomaly) string {
	switch {
	case !slices.Contains([]string{"claimed", "in_review", "waiting_info", "escalated"}, a.State):
		if a.State == "new" {
			return "claim it first: c"
		}
		return "it is " + state(a.State) + ": nothing to edit"
	case !m.mine(a.AssignedTo):
		return "it is " + value(a.AssignedTo) + "'s: t takes it over"
	}
	return ""
}

func beginClaim(m *model) attempt {
	x, ok := m.anomaly()
	if !ok {
		return attempt{why: nothingSelected}
	}
	if slices.Contains([]string{"closed", "merged", "suppressed", "pending_approval"}, x.row.State) {
		return attempt{why: "it is " + state(x.row.State) + ": there is nothing to claim"}
	}
	return attempt{do: func(m *model, _ answers) tea.Cmd {
		return x.decided(m, "claimed", func(ctx context.Context, version int) (review.Changed, error) {
			return review.Claim(ctx, m.session, x.id, version)
		}, m.takes)
	}}
}

func beginNote(m *model) attempt {
	x, ok := m.anomaly()
	if !ok {
		return attempt{why: nothingSelected}
	}
	f := x.form(m, "Note on", "Add note", false, noteField("text", "Note", "a note needs text"))
	return attempt{form: f, do: func(m *model, in answers) tea.Cmd {
		return x.decided(m, "note on", func(ctx context.Context, _ int) (review.Changed, error) {
			return review.AddNote(ctx, m.session, x.id, in["text"])
		}, nil)
	}}
}

// beginDecision approves a closing or sends it back: two actions, since they are two events.
func beginDecision(accept bool) func(*model) attempt {
	return func(m *model) attempt {
		x, ok := m.anomaly()
		switch {
		case !ok:
			return attempt{why: nothingSelected}
		case x.row.State != "pending_approval":
			return attempt{why: "there is no closing to approve"}
		case m.mine(x.row.ClosedBy):
			return attempt{why: "you closed it: somebody else approves"}
		}
		title, yes, word := "Approve the closing of", "Approve", "approved"
		if !accept {
			title, yes, word = "Send back", "Send back", "sent back"
		}
		f := x.form(m, title, yes, true, reasonField(""))
		f.about = append(f.about,
			value(x.row.ClosedBy)+" closes it as "+value(x.row.Disposition)+": “"+value(x.row.CloseReason)+"”")
		return attempt{form: f, do: func(m *model, in answers) tea.Cmd {
			return x.decided(m, word, func(ctx context.Context, version int) (review.Changed, error) {
				return review.Approve(ctx, m.session, x.id, version, accept, in["reason"])
			}, func(a *review.Anomaly) {
				if accept {
					a.ApprovedBy = &m.who.Slug
				} else {
					a.Disposition, a.CloseReason, a.ClosedBy = nil, nil, nil
				}
			})
		}}
	}
}

func beginReopen(m *model) attempt {
	x, ok := m.anomaly()
	if !ok {
		return attempt{why: nothingSelected}
	}
	if x.row.Open() {
		return attempt{why: "only a closed one can be reopened"}
	}
	f := x.form(m, "Reopen", "Reopen", true, reasonField(""))
	return attempt{form: f, do: func(m *model, in answers) tea.Cmd {
		return x.decided(m, "reopened", func(ctx context.Context, version int) (review.Changed, error) {
			return review.Reopen(ctx, m.session, x.id, version, in["reason"])
		}, m.takes)
	}}
}

// reasoned is a change that takes nothing but a reason.
type reasoned func(ctx context.Context, s *tenancy.Session, anomaly string, version int,
	reason string) (review.Changed, error)

// takes makes a row the person's own.
func (m *model) takes(a *review.Anomaly) {
	until := m.now().Add(editTime)
	a.AssignedTo, a.LeaseUntil = &m.who.Slug, &until
	a.Disposition, a.CloseReason, a.ClosedBy, a.ApprovedBy = nil, nil, nil, nil
}

// beginReason is an action of who has the claim that needs nothing but a reason.
func beginReason(title, yes string, danger bool, fn reasoned, patch func(*review.Anomaly)) func(*model) attempt {
	return func(m *model) attempt {
		x, ok := m.anomaly()
		if !ok {
			return attempt{why: nothingSelected}
		}
		if why := m.editing(x.row); why != "" {
			return attempt{why: why}
		}
		return attempt{form: x.form(m, title, yes, danger, reasonField("")), do: func(m *model, in answers) tea.Cmd {
			return x.decided(m, yes+":", func(ctx context.Context, version int) (review.Changed, error) {
				return fn(ctx, m.session, x.id, version, in["reason"])
			}, patch)
		}}
	}
}

func beginAssign(m *model) attempt {
	x, ok := m.anomaly()
	if !ok {
		return attempt{why: nothingSelected}
	}
	if slices.Contains([]string{"closed", "merged", "pending_approval"}, x.row.State) {
		return attempt{why: "it is " + state(x.row.State) + ": nobody works on it"}
	}
	to := text("to", "To (user)", "", "")
	to.check = func(s string) string {
		if s == "" {
			return "name the reviewer by their short name"
		}
		return ""
	}
	return attempt{form: x.form(m, "Assign", "Assign", false, to, reasonField("")),
		do: func(m *model, in answers) tea.Cmd {
			return x.decided(m, "assigned", func(ctx context.Context, version int) (review.Changed, error) {
				return review.Assign(ctx, m.session, x.id, version, in["to"], in["reason"])
			}, func(a *review.Anomaly) {
				to := in["to"]
				a.AssignedTo, a.LeaseUntil = &to, nil
			})
		}}
}

func beginDetails(m *model) attempt {
	x, ok := m.anomaly()
	if !ok {
		return attempt{why: nothingSelected}
	}
	if m.queue.open {
		return attempt{why: "these are the details: esc goes back"}
	}
	return attempt{do: func(m *model, _ answers) tea.Cmd {
		s := m.queue
		s.open = true
		s.text.top()
		if s.shown() && s.opening.err == nil {
			return nil
		}
		return s.look(m, x.id)
	}}
}

func beginPivot(m *model) attempt {
	x, ok := m.anomaly()
	if !ok {
		return attempt{why: nothingSelected}
	}
	if x.row.Actor == nil {
		return attempt{why: "nobody is named: there is no actor to look at"}
	}
	return attempt{do: func(m *model, _ answers) tea.Cmd {
		return m.pivot(x.row.Tenant, "actor:"+*x.row.Actor, "triage of "+x.label)
	}}
}

func beginQueueFilter(m *model) attempt {
	f := newFilterLine(m.queue.typed, "state:closed rule:A0 tenant:cedar actor:x sev:critical due:10 sort:due mine",
		func(s string) error {
			_, err := parseQueueFilter(s)
			return err
		})
	return attempt{line: f, do: func(m *model, in answers) tea.Cmd {
		filter, err := parseQueueFilter(in["filter"])
		if err != nil {
			m.warn(err.Error())
			return nil
		}
		s := m.queue
		first := filter
		first.Limit = queuePage
		return send(m, &s.page,
			func(ctx context.Context) ([]review.Anomaly, error) { return review.Queue(ctx, m.session, first) },
			func(m *model, rows []review.Anomaly) tea.Cmd {
				s.page.drop()
				s.filter, s.typed, s.details, s.open = filter, in["filter"], nil, false
				clear(s.marked)
				s.list.reset()
				return s.took(m, rows)
			}, nil)
	}}
}
