package tui

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	tea "charm.land/bubbletea/v2"
	"github.com/google/uuid"

	"github.com/ward-health/ward/review"
)

func beginClose(m *model) attempt {
	if len(m.queue.marked) > 0 {
		return beginCloseMany(m)
	}
	x, ok := m.anomaly()
	if !ok {
		return attempt{why: nothingSelected}
	}
	if why := m.editing(x.row); why != "" {
		return attempt{why: why}
	}
	var list []review.Disposition
	f := x.form(m, "Close", "Close it", true, choices("disposition", "As", nil), reasonField(""))
	if d := m.queue.details; d != nil && d.Anomaly.ID == x.row.ID {
		list = d.Dispositions
		offerDispositions(f, list, assessedAs(d))
	} else {
		f.fields[0].loading = true
		f.load = loadDetails(func(_ *model, f *form, d *review.Details) {
			list = d.Dispositions
			offerDispositions(f, list, assessedAs(d))
		})
	}
	return attempt{form: f, do: func(m *model, in answers) tea.Cmd {
		return x.decided(m, "closing of", func(ctx context.Context, version int) (review.Changed, error) {
			return review.Close(ctx, m.session, x.id, version, in["disposition"], in["reason"], closingFields(in)...)
		}, func(a *review.Anomaly) {
			as, why := in["disposition"], in["reason"]
			a.Disposition, a.CloseReason, a.ClosedBy = &as, &why, &m.who.Slug
		})
	}}
}

// closingFields are the answers that belong to a disposition.
func closingFields(in answers) []review.Field {
	var out []review.Field
	for _, name := range slices.Sorted(maps.Keys(in)) {
		if name != "disposition" && name != "reason" && name != "count" && in[name] != "" {
			out = append(out, review.Field{Name: name, Value: in[name]})
		}
	}
	return out
}

// assessedAs is what stands of the four factors.
func assessedAs(d *review.Details) string {
	if n := len(d.Assessments); n > 0 {
		return "four factors: " + d.Assessments[n-1].Outcome + ", by " + d.Assessments[n-1].By
	}
	return "four factors: not assessed yet (f)"
}

// offerDispositions fills a form's first field, and asks for what the picked one demands.
func offerDispositions(f *form, list []review.Disposition, assessed string) {
	f.fields[0].options, f.fields[0].loading = dispositions(list), false
	shaped := ""
	f.shape = func(f *form) {
		picked := f.fields[0].value()
		if picked == shaped {
			return
		}
		shaped = picked
		kept := map[string]*field{}
		for _, x := range f.fields {
			kept[x.name] = x
		}
		f.hints = nil
		fields := []*field{f.fields[0]}
		for _, d := range list {
			if d.Name != picked {
				continue
			}
			for _, asks := range d.Fields {
				switch {
				case asks.Kind == "assessment":
					f.hints = append(f.hints, assessed)
				case !asks.Known() && kept[asks.Name] != nil:
					fields = append(fields, kept[asks.Name])
				case !asks.Known():
					fields = append(fields, asking(asks))
				}
			}
		}
		for _, x := range f.fields[1:] {
			if x.name == "reason" || x.name == "count" {
				fields = append(fields, x)
			}
		}
		f.fields = fields
	}
}

// asking is the field for one thing that a disposition demands. The database checks the answer.
func asking(d review.DispositionField) *field {
	label := strings.ReplaceAll(d.Name, "_", " ")
	label = strings.ToUpper(label[:1]) + label[1:]
	optional := d.Alternative != nil || !d.Needed
	if len(d.Choices) > 0 {
		var list []option
		if optional {
			list = append(list, option{value: "", label: dash, note: "not this"})
		}
		for _, c := range d.Choices {
			list = append(list, option{value: c, label: strings.ReplaceAll(c, "_", " "), note: d.Note})
		}
		f := choices(d.Name, label, list)
		if optional {
			f.optional, f.picked = true, 0
		}
		return f
	}
	f := text(d.Name, label, "", "")
	f.note = d.Note
	if d.Alternative != nil {
		f.note += "; or another of these"
	}
	if !optional {
		f.optional = false
		f.check = func(s string) string {
			if s == "" {
				return strings.ToLower(label) + ": " + d.Note
			}
			return ""
		}
	}
	return f
}

func dispositions(list []review.Disposition) []option {
	var out []option
	for _, x := range list {
		o := option{value: x.Name, label: x.Name, note: x.Note}
		if x.SecondPerson {
			o.mark, o.note = "◑ 2nd person", o.note+"; a second person approves the closing"
		}
		out = append(out, o)
	}
	return out
}

// loadDetails opens the anomaly that a form is about, which is an event, and gives the form what it needs of it.
func loadDetails(then func(*model, *form, *review.Details)) func(*model, *form) tea.Cmd {
	return func(m *model, f *form) tea.Cmd {
		id := f.subject
		return reading(m, f,
			func(ctx context.Context) (review.Details, error) { return review.Open(ctx, m.session, id) },
			func(m *model, d review.Details) tea.Cmd {
				m.queue.details = &d
				m.queue.update(d.Anomaly)
				then(m, f, &d)
				m.queue.tell(m, d)
				return nil
			})
	}
}

func beginMark(m *model) attempt {
	x, ok := m.anomaly()
	if !ok {
		return attempt{why: nothingSelected}
	}
	return attempt{do: func(m *model, _ answers) tea.Cmd {
		s := m.queue
		if s.marked[x.id] {
			delete(s.marked, x.id)
			return nil
		}
		s.marked[x.id] = true
		return s.move(m, navDown)
	}}
}

func beginMarkAlike(m *model) attempt {
	x, ok := m.anomaly()
	if !ok {
		return attempt{why: nothingSelected}
	}
	return attempt{do: func(m *model, _ answers) tea.Cmd {
		s := m.queue
		if len(s.marked) > 0 {
			clear(s.marked)
			return nil
		}
		for _, a := range s.list.rows {
			if a.RuleID == x.row.RuleID && a.Tenant == x.row.Tenant && a.Open() && len(s.marked) < review.MostAtOnce {
				s.marked[a.ID.String()] = true
			}
		}
		return nil
	}}
}

// several are the marked anomalies, in the order of the list, or why they cannot be closed together.
func (s *queueScreen) several() (list []review.Anomaly, why string) {
	for _, a := range s.list.rows {
		if s.marked[a.ID.String()] {
			list = append(list, a)
		}
	}
	if len(list) == 0 || len(list) > review.MostAtOnce {
		return nil, fmt.Sprintf("%d are marked: 1 to %d can be closed at once (M unmarks)", len(list),
			review.MostAtOnce)
	}
	for _, a := range list {
		switch {
		case a.RuleID != list[0].RuleID || a.Tenant != list[0].Tenant:
			return nil, "what is closed together is of one rule and one clinic (M unmarks)"
		case a.Tier == "A":
			return nil, "an anomaly of tier A is decided by itself (M unmarks)"
		}
	}
	return list, ""
}

// beginCloseMany closes what is marked: it shows what that is, and asks how many they are.
func beginCloseMany(m *model) attempt {
	list, why := m.queue.several()
	if why != "" {
		return attempt{why: why}
	}
	count := text("count", "How many", "", "")
	count.optional, count.note = false, "type how many these are"
	count.check = func(s string) string {
		if s != strconv.Itoa(len(list)) {
			return fmt.Sprintf("these are not %q anomalies: count them again", s)
		}
		return ""
	}
	f := &form{title: "Close " + plural(len(list), "anomaly", "anomalies"), yes: "Close them", danger: true,
		fields: []*field{choices("disposition", "As", nil), reasonField(""), count}}
	f.about = []string{m.st.bold.Render(ruleName(list[0])) + " at " + tenantName(list[0])}
	const most = 4
	for i, a := range list {
		if i == most {
			f.about = append(f.about, m.st.dim.Render(fmt.Sprintf("… %d more", len(list)-most)))
			break
		}
		f.about = append(f.about, m.st.dim.Render(fit(m.queue.label(a.ID)+"  "+a.Summary, max(20, min(m.w, 84)-8))))
	}
	f.fields[0].loading = true
	f.load = func(m *model, f *form) tea.Cmd {
		return reading(m, f, func(ctx context.Context) ([]review.Disposition, error) {
			return review.Dispositions(ctx, m.session)
		}, func(_ *model, all []review.Disposition) tea.Cmd {
			offerDispositions(f, slices.DeleteFunc(all, func(d review.Disposition) bool { return !d.Bulk }), "")
			return nil
		})
	}
	version := map[uuid.UUID]int{}
	for _, a := range list {
		version[a.ID] = a.Version
	}
	return attempt{form: f, do: func(m *model, in answers) tea.Cmd {
		n, err := strconv.Atoi(in["count"])
		if err != nil {
			n = 0
		}
		return send(m, &m.change, func(ctx context.Context) ([]review.Changed, error) {
			return review.CloseMany(ctx, m.session, version, n, in["disposition"], in["reason"], closingFields(in)...)
		}, func(m *model, done []review.Changed) tea.Cmd {
			clear(m.queue.marked)
			m.say(fmt.Sprintf("%s closed as %s · event %s", plural(len(done), "anomaly", "anomalies"),
				in["disposition"], thousands(done[len(done)-1].EventID)))
			return m.queue.load(m)
		}, nil)
	}}
}
