package tui

import (
	"context"
	"fmt"
	"strings"

	tea "charm.land/bubbletea/v2"

	"github.com/ward-health/ward/tenancy"
)

func memberActions() []Action {
	act := func(a Action) Action { a.Screen = ScreenMembers; return a }
	return []Action{
		act(Action{Name: "details", Keys: bind("enter"),
			Help: "who it is, and what terminating would do", Audit: "browse",
			hint: true, begin: beginMember}),
		act(Action{Name: "terminate", Keys: bind("t"),
			Help: "end a membership: its sessions end at once", Audit: "terminate",
			Needs: "terminate", Dangerous: true, hint: true, begin: beginTerminate}),
		act(Action{Name: "clinic", Keys: bind("o"), Help: "one clinic's members, or every clinic's", Audit: "browse",
			hint: true, begin: beginMemberTenant}),
		act(Action{Name: "filter", Keys: bind("/"), Help: "words that must be found in a row",
			Exempt: "sifts the rows that are on the screen already", hint: true, begin: beginMemberFilter}),
		act(Action{Name: "refresh", Keys: bind("r"), Help: "read the list again", Audit: "browse", hint: true,
			begin: atOnce(func(m *model) tea.Cmd {
				s := m.members
				if x, ok := s.list.selected(); ok && s.open {
					return s.look(m, x.ID.String(), func(*model, tenancy.Consequences) tea.Cmd { return nil })
				}
				return s.load(m, s.tenant)
			})}),
	}
}

func beginMember(m *model) attempt {
	x, ok := m.members.list.selected()
	if !ok || m.members.open {
		return attempt{why: "no membership is selected"}
	}
	return attempt{do: func(m *model, _ answers) tea.Cmd {
		m.members.open, m.members.details = true, nil
		return m.members.look(m, x.ID.String(), func(*model, tenancy.Consequences) tea.Cmd { return nil })
	}}
}

func beginMemberTenant(*model) attempt {
	f := &form{title: "Whose members", yes: "Show", fields: []*field{
		choices("tenant", "Clinic", []option{{value: "*", label: "every clinic", mark: "an event at each"}})}}
	f.fields[0].picked = 0
	f.load = loadTenants
	return attempt{form: f,
		do: func(m *model, in answers) tea.Cmd { return m.members.load(m, strings.TrimSuffix(in["tenant"], "*")) }}
}

func beginMemberFilter(m *model) attempt {
	l := newFilterLine(m.members.typed, "words that must all be found: cedar clinician live",
		func(string) error { return nil })
	return attempt{line: l, do: func(m *model, in answers) tea.Cmd {
		m.members.typed, m.members.open = in["filter"], false
		m.members.sift()
		return nil
	}}
}

// beginTerminate holds on to the membership that was selected. Its consequences are read before anything is asked.
func beginTerminate(m *model) attempt {
	x, ok := m.members.list.selected()
	switch {
	case !ok:
		return attempt{why: "no membership is selected"}
	case x.TerminatedAt != nil:
		return attempt{why: "it is terminated already"}
	case x.UserID == m.who.UserID:
		return attempt{why: "nobody terminates their own membership"}
	}
	f := &form{title: "Terminate membership", yes: "Terminate", danger: true}
	check := text("typed", "Type "+short(x.UserID, 6), "", "")
	check.optional = false
	check.check = func(s string) string { return typedID(x.UserID, s) }
	hr := text("ended", "HR end date", "", "")
	hr.check = func(s string) string {
		if _, err := day(s); err != nil {
			return err.Error()
		}
		return ""
	}
	f.fields = []*field{reasonField(""), hr, check}
	f.about = []string{memberLine(m.st, x), "", m.st.dim.Render("reading what it would do …")}
	f.load = func(m *model, f *form) tea.Cmd {
		return reading(m, f, func(ctx context.Context) (tenancy.Consequences, error) {
			return m.session.Consequences(ctx, x.ID.String())
		},
			func(m *model, c tenancy.Consequences) tea.Cmd {
				f.about = append([]string{memberLine(m.st, c.Membership), ""}, consequences(m.st, c)...)
				return nil
			})
	}
	return attempt{form: f, do: func(m *model, in answers) tea.Cmd { return m.terminate(x, in) }}
}

func memberLine(st *styles, x tenancy.Membership) string {
	return st.bold.Render(x.Name) + "  " + st.dim.Render("(user "+short(x.UserID, 6)+"…)") + "  " +
		strings.ReplaceAll(x.Role, "_", " ") + " at " + st.bold.Render(x.TenantName) +
		" since " + x.StartedAt.Format("2006-01-02")
}

func (m *model) terminate(x tenancy.Membership, in answers) tea.Cmd {
	ended, err := day(in["ended"])
	if err != nil {
		m.warn(err.Error())
		return nil
	}
	return send(m, &m.change, func(ctx context.Context) (tenancy.Termination, error) {
		return m.session.Terminate(ctx, x.ID.String(), in["typed"], in["reason"], ended)
	}, func(m *model, t tenancy.Termination) tea.Cmd {
		m.say(fmt.Sprintf("terminated: %s at %s · %s · event %s", x.Name, x.TenantName,
			plural(t.SessionsEnded, "session ended", "sessions ended"), thousands(t.EventID)))
		s := m.members
		now := m.now()
		for i := range s.all {
			if s.all[i].ID == x.ID {
				s.all[i].TerminatedAt, s.all[i].LiveSessions = &now, 0
			}
		}
		s.sift()
		s.details, s.open = nil, false
		return nil
	}, nil)
}
