package tui

import (
	"context"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"github.com/ward-health/ward/tenancy"
)

// waiting says whether this person is on call and holds no grant: the one thing that they can do is take one.
func (m *model) waiting() bool { return len(m.who.Actions) == 0 && len(m.who.OnCall) > 0 }

// noGrant is what a waiting engineer sees on every screen.
func noGrant(m *model, w, h int) []string {
	st := m.st
	lines := []string{"", "  " + st.bold.Render("You hold no grant."), "",
		"  You are on call for " + onCallFor(m.who.OnCall) + ". To look at a clinic take a",
		"  grant: one clinic, a reason and a ticket, four hours at most.", "",
		"  " + st.accent.Render("T") + "  takes one, as does: ward oncall take TENANT --ticket T --reason R", "",
		st.dim.Render("  It is an item of the queue at once: a compliance officer reads"),
		st.dim.Render("  what you looked at against the ticket.")}
	return pad(lines, w, h)
}

func onCallFor(tenants []string) string {
	if slices.Contains(tenants, "*") {
		return "any clinic"
	}
	return strings.Join(tenants, ", ")
}

// beginOnCall asks for which clinic, why and under which ticket.
func beginOnCall(m *model) attempt {
	clinic := text("tenant", "Clinic", "", "")
	if len(m.who.OnCall) == 1 && m.who.OnCall[0] != "*" {
		clinic = text("tenant", "Clinic", m.who.OnCall[0], "")
	}
	clinic.optional = false
	clinic.check = func(s string) string {
		if s == "" {
			return "which clinic, by its short name"
		}
		return ""
	}
	ticket := text("ticket", "Ticket", "", "")
	ticket.optional = false
	ticket.check = func(s string) string {
		if s == "" {
			return "the grant is read against its ticket"
		}
		return ""
	}
	f := &form{title: "Take an on-call grant", yes: "Take", fields: []*field{clinic, ticket, reasonField("")}}
	f.about = []string{"Four hours, on call for " + onCallFor(m.who.OnCall) + "."}
	return attempt{form: f, do: func(m *model, in answers) tea.Cmd { return m.takeOnCall(in) }}
}

func (m *model) takeOnCall(in answers) tea.Cmd {
	type taken struct {
		tenancy.Taken
		Who tenancy.Principal
	}
	return send(m, &m.change, func(ctx context.Context) (taken, error) {
		got, err := m.session.TakeOnCall(ctx, in["tenant"], in["reason"], in["ticket"], 4)
		if err != nil {
			return taken{}, err
		}
		who, err := m.session.Whoami(ctx)
		return taken{got, who}, err
	}, func(m *model, t taken) tea.Cmd {
		m.who = t.Who
		m.say("on call for " + t.Tenant + " until " + full(t.ExpiresAt, m.zone()) + " · event " + thousands(t.EventID))
		return m.showScreen()
	}, nil)
}
