package tui

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
	"github.com/google/uuid"

	"github.com/ward-health/ward/archive"
	"github.com/ward-health/ward/audit"
	"github.com/ward-health/ward/review"
	"github.com/ward-health/ward/tenancy"
)

var update = flag.Bool("update", false, "write the golden files anew")

func goldenNow() time.Time {
	return time.Date(2026, 11, 22, 16, 5, 0, 0, time.FixedZone("EST", -5*3600))
}

func gid(n int) uuid.UUID {
	return uuid.MustParse(fmt.Sprintf("%08x-0000-4000-8000-%012x", uint32(n)*0x9E3779B9, n))
}

func ptr[T any](v T) *T { return &v }

func goldenAgo(d time.Duration) time.Time { return goldenNow().Add(-d) }

// goldenModel is a compliance officer's, with a fixed clock and no timers.
func goldenModel(w, h int) *model {
	who := tenancy.Principal{UserID: gid(900), Slug: "dana", Name: "Dana Okafor", Region: "us-west",
		SessionExpires: goldenNow().Add(41 * time.Minute),
		Grants:         []tenancy.Grant{{Role: "compliance_officer"}},
		Actions: strings.Fields(
			"approve assign browse claim close escalate export note open reopen rule_run search ship terminate verify")}
	return testModel(Config{Now: goldenNow}, who, w, h)
}

func testModel(cfg Config, who tenancy.Principal, w, h int) *model {
	m := newModel(context.Background(), cfg, who, slog.New(slog.DiscardHandler))
	m.after = func(time.Duration, tea.Msg) tea.Cmd { return nil }
	m.w, m.h = w, h
	return m
}

// answer gives a slot data as if its call had returned.
func answer[T any](m *model, s *slot, v T, apply func(*model, T) tea.Cmd) tea.Cmd {
	msg := perform(m, s, func(context.Context) (T, error) { return v, nil }, apply)()
	_, cmd := m.Update(msg)
	return cmd
}

// goldenDay is a day after now.
func goldenDay(d time.Duration) *review.Date {
	return ptr(review.Date(goldenNow().Add(d).UTC().Format(time.DateOnly)))
}

func goldenAnomalies() []review.Anomaly {
	row := func(n int, rule, title, severity, tenant, name, actor, state string, age time.Duration) review.Anomaly {
		return review.Anomaly{ID: gid(n), TenantID: gid(500), Tenant: tenant, TenantName: name, Region: "us-west",
			RuleID: rule, RuleVersion: 1, Title: title, Tier: rule[:1], Severity: severity,
			ActorID: ptr(gid(600 + n)), Actor: &actor, State: state, Version: 1, CreatedAt: goldenAgo(age),
			DiscoveredOn: review.Date(goldenAgo(age).UTC().Format(time.DateOnly)),
			DueOn:        goldenDay(60*24*time.Hour - age), ClaimBy: goldenDay(2*24*time.Hour - age),
			CloseBy: goldenDay(20*24*time.Hour - age), FirstAt: goldenAgo(age + time.Hour),
			LastAt: goldenAgo(age + 40*time.Minute), Summary: actor + " did what the rule says."}
	}
	rows := []review.Anomaly{
		row(1, "A03_terminated_access", "terminated user", "critical", "cedar", "Cedar Clinic", "m.reyes",
			"claimed", 2*time.Hour),
		row(2, "A05_service_list", "service off its list", "high", "harbor", "Harbor Peds", "svc-etl",
			"new", 5*time.Hour),
		row(3, "A02_cross_tenant", "cross-tenant denied", "high", "cedar", "Cedar Clinic", "j.lund", "pending_approval",
			26*time.Hour),
		row(4, "B01_no_relationship", "no relationship", "medium", "cedar", "Cedar Clinic", "t.osei", "waiting_info",
			49*time.Hour),
		row(5, "B04_cancelled_only", "cancelled only", "low", "alder", "Alder Health", "p.varga", "escalated",
			24*24*time.Hour),
	}
	rows[0].AssignedTo, rows[0].LeaseUntil, rows[0].SubjectID = ptr("dana"),
		ptr(goldenNow().Add(23*time.Minute)), ptr(gid(700))
	rows[0].Summary = "m.reyes read 14 records of 9 patients at Cedar Clinic between 14:02 and 14:19 EST, " +
		"3 days after HR ended the contract. The membership was terminated only at 14:20."
	rows[0].Facts = map[string]any{"usual": []any{1.0, 2.0, 3.0, 1.0, 1.0, 0.0, 2.0, 1.0, 2.0, 1.0, 1.0, 2.0, 1.0,
		14.0}, "median": 2.0, "patients": 9.0}
	rows[0].EvidenceCount = 14
	rows[2].ClosedBy, rows[2].Disposition, rows[2].CloseReason = ptr("eli"), ptr("explained_operations"),
		ptr("one-off migration, ticket OPS-12")
	return rows
}

func goldenDetails() review.Details {
	d := review.Details{Anomaly: goldenAnomalies()[0], ClosedSameRule: 2,
		Rule: review.FrontMatter{ID: "A03_terminated_access", Title: "Terminated user read PHI",
			Description:    "Access after the date on which HR ended the contract.",
			Citations:      []string{"164.308(a)(3)(ii)(C)"},
			Triage:         "Ask HR for the true last day, then the clinic whether the work was agreed.",
			FalsePositives: []string{"HR entered a wrong date"}},
		Notes: []review.Note{{By: "eli", At: goldenAgo(time.Hour), Text: "HR confirms 16 November."}},
		History: []review.Transition{{Version: 1, To: "new", At: goldenAgo(2 * time.Hour)},
			{Version: 2, From: ptr("new"), To: "claimed", By: ptr("dana"), At: goldenAgo(7 * time.Minute)}},
		Deadlines: []review.NotificationDeadline{
			{Recipient: "covered_entity", DueOn: *goldenDay(9 * 24 * time.Hour), Why: "164.410 and the contract"},
			{Recipient: "individuals", DueOn: *goldenDay(60*24*time.Hour - 2*time.Hour), Why: "164.404(b)"}},
		LogFacts: review.LogFacts{Events: 14, Shown: 13, Denied: 1, Patients: 9, Records: 14,
			Tables: []string{"public.encounters", "public.patients"}, Sessions: 1, Actor: "m.reyes",
			Roles: []string{"clinician"}},
		Files: []review.File{{SHA256: strings.Repeat("9f3c", 16), Name: "hr-letter.pdf", Bytes: 48211, By: "eli",
			At: goldenAgo(time.Hour)}},
		Links: []review.Link{{ID: gid(4), Kind: "related", State: "waiting_info", RuleID: "B01_no_relationship",
			Reason: "the same evening", By: "eli", At: goldenAgo(time.Hour)}},
		Dispositions: goldenDispositions()}
	d.Anomaly.ActorName = ptr("Maria Reyes")
	for i := range 14 {
		e := review.Evidence{EventID: int64(i), At: goldenAgo(2*time.Hour - time.Duration(i)*time.Minute),
			Action: "view", Outcome: "ok", RecordTable: ptr("public.patients"), RecordID: ptr(gid(20 + i)),
			Seq: int64(88400 + i)}
		if i == 3 {
			e.Action, e.Outcome, e.RecordTable = "export", "denied", ptr("public.encounters")
		}
		d.Evidence = append(d.Evidence, e)
	}
	return d
}

func goldenDispositions() []review.Disposition {
	return []review.Disposition{
		{Name: "breach", SecondPerson: true, Note: "a breach: the clocks of 164.404 run",
			Fields: []review.DispositionField{
				{Name: "affected", Kind: "count", Needed: true, Note: "how many individuals"},
				{Name: "discovered_on", Kind: "discovery", Needed: true, Note: "the date of discovery, as it stands"},
				{Name: "assessment", Kind: "assessment", Alternative: ptr("assessed"), Needed: true,
					Note: "the four factors, assessed as a breach"},
				{Name: "unassessed", Kind: "choice", Alternative: ptr("unassessed"), Needed: true,
					Choices: []string{"notify_without_assessment"},
					Note:    "notify without an assessment, which 164.402 permits"},
				{Name: "residents", Kind: "states", Note: "how many residents of which State: \"CA:12,NV:3\""}}},
		{Name: "explained_treatment", SecondPerson: true, Bulk: true,
			Note: "treatment explains it; say which row, or who was asked and when", Fields: []review.DispositionField{
				{Name: "row", Kind: "row", Alternative: ptr("row"), Needed: true,
					Note: "the row that explains it: \"public.appointments/ID\" or \"event:NUMBER\""},
				{Name: "asked", Kind: "text", Alternative: ptr("asked"), Needed: true, Note: "who was asked"},
				{Name: "asked_on", Kind: "past", Alternative: ptr("asked"), Needed: true,
					Note: "when they were asked"}}},
	}
}

func goldenQueue(w, h int) *model {
	m := goldenModel(w, h)
	answer(m, &m.queue.page, goldenAnomalies(), m.queue.took)
	if m.split() {
		answer(m, &m.queue.opening, goldenDetails(),
			func(_ *model, d review.Details) tea.Cmd { m.queue.details = &d; return nil })
	}
	return m
}

func goldenAudit(w, h int) *model {
	m := goldenModel(w, h)
	m.active = 1
	var events []audit.Event
	for i := range 40 {
		e := audit.Event{EventID: int64(918223 - i), RecordedAt: goldenAgo(time.Duration(i) * 31 * time.Second),
			Actor: ptr("m.reyes"), ActorID: ptr(gid(601)), ActorKind: "human", Action: "view", Outcome: "ok",
			RecordTable: ptr("public.patients"), RecordID: ptr(gid(40 + i)), PatientID: ptr(gid(40 + i)),
			Purpose: ptr("treatment"), SessionID: ptr(gid(800)), Source: "ward", Detail: ptr(`{"n":1}`),
			Seq: ptr(int64(88412 - i))}
		switch i {
		case 0:
			e.Seq = nil
		case 2:
			e.Outcome = "denied"
		case 3:
			e.Action, e.RecordTable, e.RecordID, e.PatientID = "sign_in", nil, nil, nil
		}
		events = append(events, e)
	}
	lease := &audit.Lease{Tenant: "cedar", Reason: "triage of 9e37", Expires: goldenNow().Add(12 * time.Minute)}
	answer(m, &m.audit.page, opened{Lease: lease, Events: events},
		func(m *model, o opened) tea.Cmd { return m.audit.took(m, o, "actor:m.reyes") })
	m.audit.newer = 3
	return m
}

func goldenArchive(w, h int) *model {
	m := goldenModel(w, h)
	m.active = 2
	m.cfg.StoreName, m.cfg.Store = "s3://phi-audit", noStore{}
	m.cfg.Diagnose = archive.DiagnoseHere
	s := m.archive
	month := func(name string, parts int, rows, bytes int64) archive.MonthSummary {
		at, _ := time.Parse("2006-01", name)
		return archive.MonthSummary{Region: "us-west", Month: name, Parts: parts, Rows: rows, Bytes: bytes, Tenants: 14,
			RetainUntil: at.AddDate(6, 3, 0), Newest: "v1/region=us-west/month=" + name + "/part-000117.parquet"}
	}
	s.loaded = true
	s.months = []archive.MonthSummary{month("2026-11", 231, 9120334, 612e6), month("2026-10", 310, 12480120, 841e6),
		month("2026-09", 304, 12011902, 808e6), month("2026-08", 299, 11870004, 799e6)}
	s.heads = []archive.Head{{Size: 1204, KeyName: "ward/main/us-west"}}
	s.past = []audit.Verification{
		{By: "dana", FinishedAt: ptr(goldenAgo(7 * time.Hour)), Store: "s3://phi-audit", Whole: true,
			Region: ptr("us-west"), Months: []string{"2026-11"}, Verdict: ptr("valid")},
		{By: "auditor", FinishedAt: ptr(goldenAgo(10 * 24 * time.Hour)), Store: "s3://phi-audit", Whole: true,
			Months: []string{"2026-09", "2026-10"}, Verdict: ptr("INVALID"),
			Found: map[string]archive.Verdict{"us-west/2026-09": archive.Invalid}},
		// of another store, and of one clinic: neither is a verification of a month here
		{By: "eli", FinishedAt: ptr(goldenAgo(time.Hour)), Store: "dir:/mnt/copy", Whole: true, Verdict: ptr("valid")},
		{By: "eli", FinishedAt: ptr(goldenAgo(time.Hour)), Store: "s3://phi-audit", Verdict: ptr("valid")},
	}
	for i, x := range s.months {
		s.locks[x.Newest] = keeping{archive.Lock{Mode: []string{"COMPLIANCE", "COMPLIANCE", "GOVERNANCE", ""}[i],
			Until: x.RetainUntil}, true}
	}
	s.findings["us-west/2026-09"] = []archive.Finding{{Status: archive.FileModified, Region: "us-west",
		Month: "2026-09", Part: "v1/region=us-west/month=2026-09/part-000117.parquet",
		Expected: strings.Repeat("9f3c", 16), Found: strings.Repeat("77ab", 16),
		Message: "not the file that was signed"},
		{Status: archive.RowModified, Region: "us-west", Month: "2026-09",
			Part: "v1/region=us-west/month=2026-09/part-000117.parquet", Tenant: gid(500).String(), Seq: 88412,
			Expected: strings.Repeat("01ef", 16), Found: strings.Repeat("c4d2", 16),
			Message: "the row's content, or the hash of the row before it, is not what its hash was made from"}}
	s.found["us-west/2026-09"] = 2
	s.layout()
	return m
}

// goldenMonth is the month with the break, opened.
func goldenMonth(w, h int) *model {
	m := goldenArchive(w, h)
	s := m.archive
	o := &openMonth{month: s.months[2], list: pager[archiveRow]{id: archiveRowID}}
	for i := range 30 {
		at := time.Date(2026, 9, 30, 23-i%24, 0, 0, 0, time.UTC)
		path := fmt.Sprintf("v1/region=us-west/month=2026-09/part-%06d.parquet", 304-i)
		o.parts = append(o.parts,
			archive.PartSummary{Path: path, Part: int64(304 - i), Rows: 39000 + int64(i)*7, Bytes: 2_700_000,
				Tenants: 14, SealedFrom: at.Add(-5 * time.Minute), SealedTo: at, RetainUntil: o.month.RetainUntil})
		s.locks[path] = keeping{archive.Lock{Mode: archive.LockCompliance, Until: o.month.RetainUntil}, true}
	}
	o.parts[1].Damaged = "the manifest is not the one that was signed"
	delete(s.locks, o.parts[2].Path) // still to be answered
	s.inside = o
	s.layoutMonth(o)
	return m
}

// goldenVerifying is a run that the database has on record and that has not reached the store yet.
func goldenVerifying(w, h int) *model {
	m := goldenArchive(w, h)
	m.archive.marked["us-west/2026-08"] = true
	m.archive.run = &archiveRun{target: target{region: "us-west", months: []string{"2026-10"}}}
	return m
}

type noStore struct {
	archive.Store
	archive.Locker
}

func (noStore) String() string { return "s3://phi-audit" }

func goldenMembers(w, h int) *model {
	m := goldenModel(w, h)
	m.active = 3
	row := func(n int, tenant, user, name, role string, sessions int, since time.Duration) tenancy.Membership {
		return tenancy.Membership{ID: gid(n), Tenant: strings.ToLower(strings.Fields(tenant)[0]), TenantName: tenant,
			Region: "us-west", UserID: gid(600 + n), User: user, Name: name, Kind: "human", Role: role,
			StartedAt: goldenAgo(since), LiveSessions: sessions}
	}
	rows := []tenancy.Membership{
		row(1, "Cedar Clinic", "m.reyes", "Maria Reyes", "clinician", 2, 620*24*time.Hour),
		row(2, "Cedar Clinic", "f.desk", "Frank Desk", "front_desk", 0, 40*24*time.Hour),
		row(3, "Harbor Peds", "svc-etl", "Nightly export", "service", 1, 9*24*time.Hour),
		row(4, "Alder Health", "k.ito", "Ken Ito", "clinician", 0, 3*time.Hour),
	}
	rows[3].TerminatedAt = ptr(goldenAgo(time.Hour))
	answer(m, &m.members.page, rows, func(m *model, rows []tenancy.Membership) tea.Cmd {
		m.members.all, m.members.loaded = rows, true
		m.members.sift()
		return nil
	})
	return m
}

func press(t testing.TB, m *model, keys ...string) tea.Cmd {
	t.Helper()
	var last tea.Cmd
	for _, k := range keys {
		_, last = m.Update(keyPress(k))
	}
	return last
}

func keyPress(k string) tea.KeyPressMsg {
	special := map[string]rune{
		"enter": tea.KeyEnter, "esc": tea.KeyEscape, "tab": tea.KeyTab, "up": tea.KeyUp, "down": tea.KeyDown,
		"left": tea.KeyLeft, "right": tea.KeyRight, "backspace": tea.KeyBackspace, "delete": tea.KeyDelete,
		"home": tea.KeyHome, "end": tea.KeyEnd, "pgup": tea.KeyPgUp, "pgdown": tea.KeyPgDown,
	}
	var msg tea.KeyPressMsg
	for name, mod := range map[string]tea.KeyMod{"ctrl+": tea.ModCtrl, "alt+": tea.ModAlt, "shift+": tea.ModShift} {
		if strings.Contains(k, name) {
			msg.Mod |= mod
			k = strings.Replace(k, name, "", 1)
		}
	}
	if msg.Code = special[k]; msg.Code != 0 {
		return msg
	}
	if msg.Code = []rune(k)[0]; msg.Mod == 0 {
		msg.Text = k
	}
	return msg
}

func goldenConsequences() tenancy.Consequences {
	m := goldenMembers(80, 24)
	return tenancy.Consequences{Membership: m.members.all[0], UpcomingAppointments: 6, OpenAnomalies: 1,
		OtherMemberships: []tenancy.UserMembership{{Tenant: "alder", TenantName: "Alder Health", Role: "clinician"}}}
}

// goldenTerminate opens the terminate dialog with what it would do.
func goldenTerminate(t testing.TB, w, h int) *model {
	m := goldenMembers(w, h)
	press(t, m, "t")
	f := m.form()
	answer(m, &f.reads, goldenConsequences(), func(m *model, c tenancy.Consequences) tea.Cmd {
		f.reading = false
		f.about = append([]string{memberLine(m.st, c.Membership), ""}, consequences(m.st, c)...)
		return nil
	})
	return m
}

func TestGolden(t *testing.T) {
	screens := map[string]func(w, h int) *model{
		"queue":   goldenQueue,
		"audit":   goldenAudit,
		"archive": goldenArchive,
		"month":   goldenMonth,
		"verify":  goldenVerifying,
		"finding": func(w, h int) *model { m := goldenMonth(w, h); press(t, m, "j", "enter"); return m },
		"members": goldenMembers,
		"close": func(w, h int) *model {
			m := goldenQueue(w, h)
			d := goldenDetails()
			m.queue.details = &d
			press(t, m, "x", "tab", "down", "down")
			return m
		},
		"breach": func(w, h int) *model {
			m := goldenQueue(w, h)
			d := goldenDetails()
			m.queue.details = &d
			press(t, m, "x", "tab", "b", "tab")
			return m
		},
		"factors": func(w, h int) *model {
			m := goldenQueue(w, h)
			press(t, m, "f", "tab")
			f := m.form()
			d := goldenDetails()
			nature, recipient, acquired := d.LogFacts.Factors()
			answer(m, &f.reads, d, func(*model, review.Details) tea.Cmd {
				f.reading = false
				for i, s := range []string{nature, recipient, acquired} {
					f.fields[i].in.set(s)
				}
				return nil
			})
			return m
		},
		"several": func(w, h int) *model {
			m := goldenQueue(w, h)
			for i := range m.queue.list.rows {
				a := &m.queue.list.rows[i]
				a.Tier, a.RuleID, a.Title, a.Tenant, a.TenantName, a.State = "B", "B01_no_relationship",
					"no relationship", "cedar", "Cedar Clinic", "new"
			}
			press(t, m, "M", "x")
			f := m.form()
			answer(m, &f.reads, goldenDispositions()[1:], func(_ *model, all []review.Disposition) tea.Cmd {
				f.reading = false
				offerDispositions(f, all, "")
				return nil
			})
			press(t, m, "tab", "down")
			return m
		},
		"details": func(w, h int) *model {
			m := goldenQueue(w, h)
			d := goldenDetails()
			m.queue.details = &d
			press(t, m, "enter")
			return m
		},
		"event":     func(w, h int) *model { m := goldenAudit(w, h); press(t, m, "j", "enter"); return m },
		"terminate": func(w, h int) *model { return goldenTerminate(t, w, h) },
		"help":      func(w, h int) *model { m := goldenQueue(w, h); press(t, m, "?"); return m },
		"command":   func(w, h int) *model { m := goldenQueue(w, h); press(t, m, ":"); typing(t, m, "re"); return m },
		"filter": func(w, h int) *model {
			m := goldenQueue(w, h)
			press(t, m, "/")
			typing(t, m, "sev:critical,high tenant:cedar actor:m.reyes state:closed rule:A03 due:10 sort:due")
			return m
		},
		"note": func(w, h int) *model {
			m := goldenQueue(w, h)
			press(t, m, "n")
			typing(t, m, "HR was asked:")
			const pasted = "\r- the last day was 16 November, and nobody told the clinic of it\r- 李 agreed"
			m.Update(tea.PasteMsg{Content: pasted})
			return m
		},
		"unreachable": func(w, h int) *model {
			m := goldenQueue(w, h)
			m.Update(perform(m, &m.queue.page, func(context.Context) ([]review.Anomaly, error) {
				return nil, &tenancy.UnreachableError{Where: "db port 5432", Err: context.DeadlineExceeded}
			}, m.queue.took)())
			return m
		},
	}
	for name, screen := range screens {
		for _, size := range [][2]int{{60, 20}, {80, 24}, {120, 40}} {
			base := fmt.Sprintf("%s-%dx%d", name, size[0], size[1])
			t.Run(base, func(t *testing.T) {
				view := screen(size[0], size[1]).View().Content
				plain := ansi.Strip(view)
				checkShape(t, plain, size[0], size[1])
				compare(t, filepath.Join("testdata", base+".ansi"), view)
				compare(t, filepath.Join("testdata", base+".txt"), plain)
			})
		}
	}
}

// checkShape holds what every screen must be: as many lines as the terminal has, none wider, and the last one answering
// what can be pressed.
func checkShape(t *testing.T, view string, w, h int) {
	t.Helper()
	lines := strings.Split(view, "\n")
	if len(lines) != h {
		t.Errorf("%d lines, want %d", len(lines), h)
	}
	for i, l := range lines {
		if n := ansi.StringWidth(l); n > w {
			t.Errorf("line %d is %d cells wide, want at most %d", i+1, n, w)
		}
	}
	if last := lines[len(lines)-1]; !strings.Contains(last, "? help") && !strings.Contains(last, "esc") {
		t.Errorf("the last line does not say what can be pressed: %q", last)
	}
}

func compare(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("no golden file: %v (run with -update)", err)
	}
	if got+"\n" != string(want) {
		t.Errorf("%s differs from what is drawn:\n%s", file, got)
	}
}

func TestTooSmall(t *testing.T) {
	for _, size := range [][2]int{{59, 40}, {120, 14}, {0, 0}} {
		m := goldenQueue(size[0], size[1])
		if view := m.View().Content; !strings.HasPrefix(view, "too small") || strings.Contains(view, "\n") {
			t.Errorf("%v: %q", size, view)
		}
	}
}

// An anomaly is as old as the last access in it, whenever a rule came to find it.
func TestAgeIsOfTheLastAccess(t *testing.T) {
	m := goldenModel(80, 24)
	a := review.Anomaly{CreatedAt: goldenNow(), LastAt: goldenAgo(35 * 24 * time.Hour)}
	for _, c := range m.queue.columns(m) {
		if c.title == "AGE" {
			if got := c.cell(a); got != "5w" {
				t.Errorf("found now, happened five weeks ago: %s", got)
			}
			return
		}
	}
	t.Fatal("no column AGE")
}
