package tui

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"

	tea "charm.land/bubbletea/v2"

	"github.com/ward-health/ward/audit"
	"github.com/ward-health/ward/tenancy"
)

func openAction() Action {
	return Action{Name: "open", Keys: bind("o"), Screen: ScreenAudit,
		Help: "open a clinic's log for a quarter of an hour, with a reason", Audit: "open", Needs: "open", hint: true,
		begin: func(m *model) attempt { return m.audit.beginOpen(m, "", "", "") }}
}

func auditActions() []Action {
	const inLease = "within the lease whose opening is an event"
	act := func(a Action) Action { a.Screen = ScreenAudit; return a }
	leased := func(do func(*model) tea.Cmd) func(*model) attempt {
		return func(m *model) attempt {
			if m.audit.lease == nil {
				return attempt{why: "no log is open: o opens one"}
			}
			return attempt{do: func(m *model, _ answers) tea.Cmd { return do(m) }}
		}
	}
	return []Action{
		openAction(),
		act(Action{Name: "details", Keys: bind("enter"),
			Help: "all fields of the event", Exempt: inLease, Needs: "open",
			hint: true, begin: func(m *model) attempt {
				if _, ok := m.audit.list.selected(); !ok || m.audit.open {
					return attempt{why: "no event is selected"}
				}
				return attempt{do: func(m *model, _ answers) tea.Cmd {
					m.audit.open = true
					m.audit.text.top()
					return nil
				}}
			}}),
		act(Action{Name: "filter", Keys: bind("/"),
			Help: "narrow the log: " + auditTerms, Audit: "search", Needs: "search",
			hint: true, begin: beginAuditFilter}),
		act(Action{Name: "mine", Keys: bind("m"),
			Help: "what I did myself here (actor:me); again shows all", Audit: "search",
			Needs: "search", hint: true, begin: leased(func(m *model) tea.Cmd {
				typed := "actor:me"
				if m.audit.typed == typed {
					typed = ""
				}
				return m.audit.search(m, typed)
			})}),
		act(Action{Name: "newer", Keys: bind("r"), Help: "read from the newest event again", Exempt: inLease,
			Needs: "open", hint: true,
			begin: leased(func(m *model) tea.Cmd { return m.audit.first(m) })}),
	}
}

// beginOpen asks for clinic and reason. A clinic that is known already is not asked for.
func (s *auditScreen) beginOpen(_ *model, tenant, typed, reason string) attempt {
	clinic := choices("tenant", "Clinic", nil)
	f := &form{title: "Open a clinic's log", yes: "Open", fields: []*field{clinic, reasonField(reason)}}
	if tenant == "" {
		clinic.loading = true
		f.load = loadTenants
	} else {
		clinic.options, clinic.picked, f.on = []option{{value: tenant, label: tenant}}, 0, 1
	}
	if typed != "" {
		f.about = append(f.about, "filter  "+typed)
	}
	f.about = append(f.about,
		"Clinic, reason and filter become an event first; the log then stays open for a quarter of an hour.")
	return attempt{form: f,
		do: func(m *model, in answers) tea.Cmd { return m.audit.unlock(m, in["tenant"], in["reason"], typed) }}
}

// ask opens the form again.
func (s *auditScreen) ask(m *model, tenant, typed, reason string) tea.Cmd {
	a := openAction()
	a.begin = func(m *model) attempt { return s.beginOpen(m, tenant, typed, reason) }
	return m.start(a)
}

// pivot goes from an anomaly to its actor's events.
func (m *model) pivot(tenant, typed, reason string) tea.Cmd {
	for i, s := range m.screens {
		if s == screen(m.audit) {
			m.active = i
		}
	}
	return m.audit.ask(m, tenant, typed, reason)
}

// loadTenants reads the clinics within reach; the list is an event.
func loadTenants(m *model, f *form) tea.Cmd {
	return reading(m, f, func(ctx context.Context) ([]tenancy.Tenant, error) { return m.session.Tenants(ctx) },
		func(_ *model, list []tenancy.Tenant) tea.Cmd {
			x := f.fields[0]
			x.loading = false
			x.options = append(x.options, tenantOptions(list)...)
			if len(x.options) == 1 {
				x.picked = 0
			}
			return nil
		})
}

func tenantOptions(list []tenancy.Tenant) []option {
	var out []option
	for _, t := range list {
		note := t.Region + ", " + plural(t.Members, "member", "members")
		if t.OpenAnomalies > 0 {
			note += ", " + plural(t.OpenAnomalies, "open anomaly", "open anomalies")
		}
		out = append(out, option{value: t.Slug, label: t.Slug + "  " + t.Name, mark: note})
	}
	return out
}

func beginAuditFilter(m *model) attempt {
	if m.audit.lease == nil {
		return attempt{why: "no log is open: o opens one"}
	}
	now, me := m.now(), m.who.Slug
	l := newFilterLine(m.audit.typed, "actor:me action:view,export outcome:denied table:patients patient:UUID "+
		"since:2h from:2026-11-19", func(s string) error {
		_, err := parseAuditFilter(s, now, me)
		return err
	})
	return attempt{line: l, do: func(m *model, in answers) tea.Cmd { return m.audit.search(m, in["filter"]) }}
}

// details shows every field of the selected event.
func (s *auditScreen) details(m *model, w, h int) []string {
	e, ok := s.list.selected()
	if !ok {
		return nil
	}
	p := &pane{st: m.st, w: min(w-2, 108)}
	p.add(ends(m.st.bold.Render(e.Action+" ")+outcome(m.st, e.Outcome),
		m.st.dim.Render("event "+thousands(e.EventID)), p.w))
	p.gap()
	p.pair("Recorded", full(e.RecordedAt, m.zone()))
	if e.OccurredAt != nil {
		p.pair("Occurred", full(*e.OccurredAt, m.zone())+" (another system's clock)")
	}
	p.pair("Clinic", s.lease.Tenant)
	p.pair("Actor", value(e.Actor)+", "+e.ActorKind+", "+value(e.ActorID))
	p.pair("Record", value(e.RecordTable)+" "+value(e.RecordID))
	p.pair("Patient", value(e.PatientID))
	if e.RecordID != nil && e.RecordTable != nil {
		p.pair("Chart", m.recordURL(s.lease.Tenant, *e.RecordTable, *e.RecordID))
	}
	p.pair("Purpose", value(e.Purpose))
	p.pair("Session", value(e.SessionID))
	p.pair("Membership", value(e.MembershipID))
	p.pair("Disclosure", value(e.DisclosureID))
	p.pair("Source", e.Source)
	p.pair("Seal", sealWords(e))
	if e.Detail != nil {
		p.head("DETAIL", "")
		p.add(prettyJSON(*e.Detail, p.w)...)
	}
	for i := range p.lines {
		p.lines[i] = " " + p.lines[i]
	}
	return s.text.draw(p.lines, w, h)
}

func sealWords(e audit.Event) string {
	if e.Seq == nil {
		return "UNSEALED: it has no place in the chain yet, which takes seconds"
	}
	words := "#" + thousands(*e.Seq) + " " + strings.TrimPrefix(value(e.Hash), `\x`)
	if e.Part != nil {
		words += ", from the archive alone: " + *e.Part
	}
	return words
}

// prettyJSON indents JSON text; text that is none is shown as it is.
func prettyJSON(s string, w int) []string {
	var b bytes.Buffer
	if err := json.Indent(&b, []byte(s), "", "  "); err != nil {
		return wrap(s, w)
	}
	var out []string
	for _, l := range strings.Split(b.String(), "\n") {
		out = append(out, wrapStyled(l, w)...)
	}
	return out
}
