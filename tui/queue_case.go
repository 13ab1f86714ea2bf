package tui

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/ward-health/ward/review"
)

func beginTake(m *model) attempt {
	x, ok := m.anomaly()
	switch {
	case !ok:
		return attempt{why: nothingSelected}
	case x.row.AssignedTo == nil || m.mine(x.row.AssignedTo):
		return attempt{why: "it is nobody else's: c claims it"}
	case !x.row.Open() || x.row.State == "pending_approval" || x.row.State == "suppressed":
		return attempt{why: "it is " + state(x.row.State) + ": there is nothing to take over"}
	}
	f := x.form(m, "Take over", "Take over", true, reasonField(""))
	f.about = append(f.about, "It is "+value(x.row.AssignedTo)+"'s, who will be shown your reason.")
	return attempt{form: f, do: func(m *model, in answers) tea.Cmd {
		return x.decided(m, "taken over", func(ctx context.Context, version int) (review.Changed, error) {
			return review.Take(ctx, m.session, x.id, version, in["reason"])
		}, m.takes)
	}}
}

// factor is one of the four texts.
func factor(name, label, note string) *field {
	f := text(name, label, "", note)
	f.note = note
	f.check = func(s string) string {
		if len([]rune(s)) < 10 {
			return strings.ToLower(label) + ": ten characters at least"
		}
		return ""
	}
	return f
}

func beginAssess(m *model) attempt {
	x, ok := m.anomaly()
	if !ok {
		return attempt{why: nothingSelected}
	}
	if why := m.editing(x.row); why != "" {
		return attempt{why: why}
	}
	f := x.form(m, "Four factors of", "Record", true,
		factor("nature", "(i) Nature", "nature and extent of the PHI, its identifiers, re-identification"),
		factor("recipient", "(ii) Recipient", "who used it or to whom it was disclosed"),
		factor("acquired", "(iii) Acquired", "whether it was actually acquired or viewed"),
		factor("mitigated", "(iv) Mitigated", "how far the risk has been mitigated"),
		choices("outcome", "It comes to", []option{{value: "low_probability", label: "low probability of compromise",
			note: "not a breach (164.402(2))"}, {value: "breach", label: "a breach", note: "the clocks run"}}))
	f.load = loadDetails(func(_ *model, f *form, d *review.Details) {
		nature, recipient, acquired := d.LogFacts.Factors()
		for i, begun := range []string{nature, recipient, acquired} {
			if f.fields[i].in.value() == "" {
				f.fields[i].in.set(begun + " ")
			}
		}
		// of these two the log knows a part only
		for i, begun := range []string{nature, recipient} {
			f.fields[i].check = func(s string) string {
				if strings.HasPrefix(begun, s) || len([]rune(s)) < 10 {
					return "the log knows a part of this only: go on in your own words"
				}
				return ""
			}
		}
		f.hints = []string{"What the log says is filled in: go on from there."}
	})
	return attempt{form: f, do: func(m *model, in answers) tea.Cmd {
		return x.decided(m, "four factors of", func(ctx context.Context, version int) (review.Changed, error) {
			return review.Assess(ctx, m.session, x.id, version,
				review.Assessment{Nature: in["nature"], Recipient: in["recipient"], Acquired: in["acquired"],
					Mitigated: in["mitigated"], Outcome: in["outcome"]})
		}, nil)
	}}
}

// dayField asks for a day; the database says whether it will do.
func dayField(name, label, note string) *field {
	f := text(name, label, "", "")
	f.optional, f.note = false, note
	f.check = func(s string) string {
		if _, err := time.Parse(time.DateOnly, s); err != nil {
			return strings.ToLower(label) + ": a day like 2026-01-31"
		}
		return ""
	}
	return f
}

func beginDiscovered(m *model) attempt {
	x, ok := m.anomaly()
	if !ok {
		return attempt{why: nothingSelected}
	}
	f := x.form(m, "Date of discovery of", "Propose", true,
		dayField("on", "Discovered on", "first known, or knowable with reasonable diligence"), reasonField(""))
	f.about = append(f.about,
		"It is "+string(x.row.DiscoveredOn)+" (164.404(a)(2)). Another date counts once somebody else confirms it.")
	return attempt{form: f, do: func(m *model, in answers) tea.Cmd {
		return x.decided(m, "date proposed for", func(ctx context.Context, version int) (review.Changed, error) {
			return review.Discovered(ctx, m.session, x.id, version, review.Date(in["on"]), in["reason"])
		}, nil)
	}}
}

func beginConfirm(m *model) attempt {
	x, ok := m.anomaly()
	if !ok {
		return attempt{why: nothingSelected}
	}
	f := x.form(m, "Proposed date for", "Answer", true, choices("answer", "Answer",
		[]option{{value: "confirm", label: "confirm it"}, {value: "refuse", label: "refuse it"}}), reasonField(""))
	f.load = loadDetails(func(_ *model, f *form, d *review.Details) {
		f.wrong = "no other date is proposed"
		for _, p := range d.Discoveries {
			if p.Accepted == nil {
				f.wrong = ""
				f.about = append(f.about, p.By+" proposes "+string(p.DiscoveredOn)+" instead of "+
					string(d.Anomaly.DiscoveredOn)+": “"+p.Reason+"”")
			}
		}
	})
	return attempt{form: f, do: func(m *model, in answers) tea.Cmd {
		return x.decided(m, "date answered for", func(ctx context.Context, version int) (review.Changed, error) {
			return review.ConfirmDiscovery(ctx, m.session, x.id, version, in["answer"] == "confirm", in["reason"])
		}, nil)
	}}
}

func beginHold(m *model) attempt {
	x, ok := m.anomaly()
	if !ok {
		return attempt{why: nothingSelected}
	}
	f := x.form(m, "Hold the notices of", "Hold", true,
		dayField("until", "Until", "a written statement's day; an official's word: 30 days at most"),
		choices("written", "Statement", []option{{value: "written", label: "in writing"},
			{value: "said", label: "said"}}), text("official", "Official", "", "name the official who asks for it"))
	f.about = append(f.about, "164.412: the federal dates wait. Those of a contract or a State's law do not.")
	return attempt{form: f, do: func(m *model, in answers) tea.Cmd {
		return x.decided(m, "notices held of", func(ctx context.Context, version int) (review.Changed, error) {
			return review.LawHold(ctx, m.session, x.id, version, review.Date(in["until"]), in["written"] == "written",
				in["official"])
		}, nil)
	}}
}

func beginNotice(m *model) attempt {
	x, ok := m.anomaly()
	switch {
	case !ok:
		return attempt{why: nothingSelected}
	case x.row.State != "closed" || value(x.row.Disposition) != "breach":
		return attempt{why: "notices are made of what is closed as a breach"}
	}
	var list []option
	for _, d := range review.NotificationRecipients() {
		list = append(list, option{value: d, label: recipientName(d)})
	}
	f := x.form(m, "Notice of", "Record", true, choices("recipient", "To", list),
		dayField("on", "Made on", "the day on which it went out"),
		text("reference", "Proof", "", "say where it is proven: a letter, a number of the HHS portal"))
	return attempt{form: f, do: func(m *model, in answers) tea.Cmd {
		return x.decided(m, "notice of", func(ctx context.Context, version int) (review.Changed, error) {
			return review.Notified(ctx, m.session, x.id, version, in["recipient"], review.Date(in["on"]),
				in["reference"])
		}, nil)
	}}
}

func beginLink(m *model) attempt {
	x, ok := m.anomaly()
	if !ok {
		return attempt{why: nothingSelected}
	}
	f := x.form(m, "Link", "Link", false,
		text("other", "With", "", "name the other anomaly: its first characters will do"), reasonField(""))
	return attempt{form: f, do: func(m *model, in answers) tea.Cmd {
		return x.decided(m, "linked", func(ctx context.Context, _ int) (review.Changed, error) {
			return review.LinkAnomalies(ctx, m.session, x.id, in["other"], in["reason"])
		}, nil)
	}}
}

func beginAttach(m *model) attempt {
	x, ok := m.anomaly()
	if !ok {
		return attempt{why: nothingSelected}
	}
	f := x.form(m, "Attach to", "Attach", false, text("path", "File", "", "name a file of this machine"))
	f.about = append(f.about, "At most 5 MiB. It is never changed nor removed, and nothing looks into it.")
	return attempt{form: f, do: func(m *model, in answers) tea.Cmd {
		return x.decided(m, "attached to", func(ctx context.Context, _ int) (review.Changed, error) {
			content, err := readSmall(in["path"])
			if err != nil {
				return review.Changed{}, err
			}
			return review.Attach(ctx, m.session, x.id, filepath.Base(in["path"]), content)
		}, nil)
	}}
}

// readSmall reads a file that can be attached.
func readSmall(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("read the file: %w", err)
	}
	if !info.Mode().IsRegular() || info.Size() > review.MaxFile {
		return nil, fmt.Errorf("%s is no file of at most %s", path, bytesText(review.MaxFile))
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the file: %w", err)
	}
	return content, nil
}

func beginSaveFile(m *model) attempt {
	x, ok := m.anomaly()
	if !ok {
		return attempt{why: nothingSelected}
	}
	f := x.form(m, "Read a file of", "Read", false, choices("file", "File", nil),
		text("path", "Into", "", "name a file that does not exist yet"))
	f.fields[0].loading = true
	f.load = loadDetails(func(_ *model, f *form, d *review.Details) {
		f.fields[0].loading = false
		for _, file := range d.Files {
			f.fields[0].options = append(f.fields[0].options, option{value: file.SHA256, label: file.Name,
				mark: bytesText(int64(file.Bytes)),
				note: "SHA-256 " + file.SHA256[:16] + "…, attached by " + file.By})
		}
	})
	return attempt{form: f, do: func(m *model, in answers) tea.Cmd {
		return send(m, &m.change, func(ctx context.Context) (string, error) {
			file, err := review.OpenAttachment(ctx, m.session, x.id, in["file"])
			if err != nil {
				return "", err
			}
			return file.Name, saveNew(in["path"], file.Content)
		}, func(m *model, name string) tea.Cmd {
			m.say("read, on record: " + name + ", now in " + in["path"])
			return nil
		}, nil)
	}}
}

// saveNew writes a file that nobody else reads; it replaces none.
func saveNew(path string, content []byte) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("write the file: %w", err)
	}
	_, err = file.Write(content)
	if err = errors.Join(err, file.Close()); err != nil {
		_ = os.Remove(path)
		return fmt.Errorf("write the file: %w", err)
	}
	return nil
}

// recipientName is whom a notice goes to.
func recipientName(s string) string {
	if s == "hhs" {
		return "HHS"
	}
	return strings.ReplaceAll(s, "_", " ")
}

// clocks shows whom to notify by when, and the review's own times.
func clocks(m *model, p *pane, d review.Details) {
	a := d.Anomaly
	label := "Legal clock"
	for _, u := range d.Deadlines {
		days := u.DueOn.Days(m.now())
		text := fmt.Sprintf("%s to notify %s", plural(days, "day", "days"), recipientName(u.Recipient))
		switch {
		case u.MadeOn != nil:
			text = "✓ " + recipientName(u.Recipient) + " notified " + string(*u.MadeOn)
		case days < 0:
			text = fmt.Sprintf("✕ OVERDUE since %s: notify %s", u.DueOn, recipientName(u.Recipient))
		}
		if value(a.Disposition) != "breach" {
			text += ", if a breach"
		}
		p.pair(label, text+" ("+u.Why+")")
		label = ""
	}
	for _, x := range d.Discoveries {
		if x.Accepted == nil {
			p.pair("Discovery", x.By+" proposes "+string(x.DiscoveredOn)+" instead of "+string(a.DiscoveredOn)+
				": D answers")
		}
	}
	for _, h := range d.Holds {
		p.pair("Held until", string(h.Until)+" for "+h.Official)
	}
	if a.ReviewOn != nil {
		p.pair("Comes back", string(*a.ReviewOn))
	}
}

// timeLeft says by when the review itself wants an anomaly claimed or closed.
func timeLeft(m *model, a review.Anomaly) string {
	switch late := a.Late(m.now()); {
	case late == "claim":
		return ", ! late: to claim by " + value(a.ClaimBy)
	case late == "close":
		return ", ! late: to close by " + value(a.CloseBy)
	case a.State == "new" && a.ClaimBy != nil:
		return ", claim by " + string(*a.ClaimBy)
	case a.Open() && a.CloseBy != nil:
		return ", close by " + string(*a.CloseBy)
	}
	return ""
}

// casework shows what reviewers have put together.
func casework(m *model, p *pane, d review.Details) {
	for _, f := range d.Closing {
		p.pair(fit(strings.ReplaceAll(f.Name, "_", " "), labelWidth-1), f.Value)
	}
	if n := len(d.Assessments); n > 0 {
		a := d.Assessments[n-1]
		p.head("FOUR FACTORS", strings.ReplaceAll(a.Outcome, "_", " ")+", by "+a.By+", "+full(a.At, m.zone()))
		for _, x := range [][2]string{{"(i) nature", a.Nature}, {"(ii) who", a.Recipient}, {"(iii) seen", a.Acquired},
			{"(iv) mitigated", a.Mitigated}} {
			p.pair(fit(x[0], labelWidth-1), x[1])
		}
	}
	if len(d.Notices)+len(d.Files)+len(d.Links) == 0 {
		return
	}
	p.head("CASE", "")
	for _, n := range d.Notices {
		p.pair("Notice", recipientName(n.Recipient)+" "+string(n.MadeOn)+": "+n.Reference+" ("+n.By+")")
	}
	for _, f := range d.Files {
		p.pair("File", f.Name+", "+bytesText(int64(f.Bytes))+", SHA-256 "+f.SHA256[:12]+"… ("+f.By+")")
	}
	for _, l := range d.Links {
		p.pair(strings.ReplaceAll(strings.ToUpper(l.Kind[:1])+l.Kind[1:], "_", " "),
			l.ID.String()[:8]+" "+l.RuleID+", "+state(l.State)+": "+l.Reason)
	}
}
