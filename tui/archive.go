package tui

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/ward-health/ward/archive"
	"github.com/ward-health/ward/audit"
	"github.com/ward-health/ward/tenancy"
)

// progressTime is how often a verification's progress is drawn.
const progressTime = 100 * time.Millisecond

// findingsShown is how many findings stand under a month; the report has all.
const findingsShown = 100

// verification is one row of the list of verifications.
type verification struct {
	By         string     `json:"by"`
	StartedAt  time.Time  `json:"started_at"`
	FinishedAt *time.Time `json:"finished_at"`
	Region     string     `json:"region"`
	Months     []string   `json:"months"`
	Verdict    *string    `json:"verdict"`
	HeadSize   *int64     `json:"head_size"`
	Breaks     *int       `json:"breaks"`
}

// covers says whether a verification was about a month.
func (v verification) covers(region, month string) bool {
	return v.FinishedAt != nil && v.Verdict != nil && v.Region == region && (len(v.Months) == 0 || slices.Contains(v.Months, month))
}

// archiveRow is a month, or a line under one.
type archiveRow struct {
	month archive.MonthSummary
	under string // a line of its own; empty: the month itself
	nth   int
	bad   bool
}

// archiveRun is a verification under way. The store's side is an atomic, since its Cmd runs beside Update.
type archiveRun struct {
	months  []string
	region  string
	current atomic.Pointer[archive.Verification]
}

// archiveScreen is what the write-once store holds.
type archiveScreen struct {
	months   []archive.MonthSummary
	heads    []archive.Head
	past     []verification
	findings map[string][]archive.Finding // by region/month; "" is the log itself
	known    map[string][]byte            // heads that were verified in this session, by region
	list     pager[archiveRow]
	page     slot
	verify   slot
	run      *archiveRun
	loaded   bool
}

func newArchiveScreen() *archiveScreen {
	return &archiveScreen{findings: map[string][]archive.Finding{}, known: map[string][]byte{}, list: pager[archiveRow]{id: archiveRowID}}
}

func archiveRowID(r archiveRow) string {
	return fmt.Sprintf("%s/%s/%d", r.month.Region, r.month.Month, r.nth)
}

func monthKey(region, month string) string { return region + "/" + month }

func (s *archiveScreen) name() string          { return ScreenArchive }
func (s *archiveScreen) heading(*model) string { return "" }
func (s *archiveScreen) running() bool         { return s.run != nil }
func (s *archiveScreen) selectedID() string {
	if r, ok := s.list.selected(); ok {
		return monthKey(r.month.Region, r.month.Month)
	}
	return ""
}

func (s *archiveScreen) count() string {
	if !s.loaded {
		return ""
	}
	return fmt.Sprint(len(s.months))
}

func (s *archiveScreen) scope(m *model) string {
	if m.cfg.Store == nil {
		return "no store"
	}
	text := m.cfg.StoreName
	if text == "" {
		text = m.cfg.Store.String()
	}
	for _, h := range s.heads {
		text += " · log head " + thousands(h.Size) + " signed by " + h.KeyName
	}
	return text
}

func (s *archiveScreen) status(m *model) string {
	switch {
	case m.cfg.Store == nil:
		return "no archive is configured"
	case s.page.busy:
		return "reading the store …"
	case s.run != nil:
		return "verifying" + s.pace() + " · esc cancels · the verdict is shown once it is recorded"
	case !s.loaded:
		return "not loaded: r tries again"
	}
	return plural(len(s.months), "month", "months") + " · what is listed is what the signed log says; only verifying proves it"
}

func (s *archiveScreen) show(m *model) tea.Cmd {
	if s.loaded || s.page.busy || m.cfg.Store == nil {
		return nil
	}
	return s.load(m)
}

// archiveData is what the screen shows, read after both looks are recorded.
type archiveData struct {
	Months []archive.MonthSummary
	Heads  []archive.Head
	Past   []verification
}

func (s *archiveScreen) load(m *model) tea.Cmd {
	key, err := archive.ParseKey(m.cfg.VerifyKey)
	if err != nil {
		m.warn("the public key of the archive is not usable: " + errorWords(err))
		return nil
	}
	return perform(m, &s.page, func(ctx context.Context) (archiveData, error) {
		var d archiveData
		if _, err := tenancy.List[json.RawMessage](ctx, m.session, "archive", ""); err != nil {
			return d, err
		}
		var err error
		if d.Past, err = tenancy.List[verification](ctx, m.session, "verifications", ""); err != nil {
			return d, err
		}
		if d.Months, d.Heads, err = archive.Summarize(ctx, m.cfg.Store, key); err != nil {
			return d, fmt.Errorf("read the archive: %w", err)
		}
		return d, nil
	}, func(_ *model, d archiveData) tea.Cmd {
		slices.SortFunc(d.Months, func(a, b archive.MonthSummary) int {
			return strings.Compare(b.Month+b.Region, a.Month+a.Region)
		})
		s.months, s.heads, s.past, s.loaded = d.Months, d.Heads, d.Past, true
		s.layout()
		return nil
	})
}

// layout lists the months with what was found under each.
func (s *archiveScreen) layout() {
	var rows []archiveRow
	under := func(month archive.MonthSummary, list []archive.Finding) {
		for i, f := range list {
			if i == findingsShown {
				rows = append(rows, archiveRow{month: month, nth: i + 1, under: fmt.Sprintf("… %d more: ward archive verify lists all", len(list)-i)})
				return
			}
			rows = append(rows, archiveRow{month: month, nth: i + 1, under: findingText(f), bad: f.Verdict() == archive.Invalid})
		}
	}
	for _, month := range s.months {
		rows = append(rows, archiveRow{month: month})
		under(month, s.findings[monthKey(month.Region, month.Month)])
	}
	if list := s.findings[""]; len(list) > 0 {
		under(archive.MonthSummary{Month: "log"}, list)
	}
	s.list.set(rows, true)
}

// findingText is a finding on one line: what, where, and what was expected.
func findingText(f archive.Finding) string {
	text := f.Status
	if f.Part != "" {
		text += "  " + f.Part[strings.LastIndex(f.Part, "/")+1:]
	}
	if f.Tenant != "" {
		text += "  tenant " + f.Tenant
	}
	if f.Seq != 0 {
		text += "  #" + thousands(f.Seq)
	}
	if f.Expected != "" || f.Found != "" {
		text += "  expected " + brief(f.Expected) + "  found " + brief(f.Found)
	}
	return text + "  " + f.Message
}

// brief shortens a hash.
func brief(s string) string {
	if len(s) > 12 {
		return s[:8] + "…"
	}
	if s == "" {
		return "nothing"
	}
	return s
}

func (s *archiveScreen) move(m *model, n nav) tea.Cmd {
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

// back cancels a verification that is under way.
func (s *archiveScreen) back(*model) bool {
	if s.run == nil {
		return false
	}
	if s.verify.cancel != nil {
		s.verify.cancel()
	}
	return true
}

// progressMsg draws how far a verification is.
type progressMsg struct{ run *archiveRun }

func (s *archiveScreen) message(m *model, msg tea.Msg) tea.Cmd {
	if p, ok := msg.(progressMsg); ok && p.run == s.run && s.run != nil {
		return m.later(progressTime, p)
	}
	return nil
}

// start verifies a month of a region, or all months of all.
func (s *archiveScreen) start(m *model, region, month string) tea.Cmd {
	key, err := archive.ParseKey(m.cfg.VerifyKey)
	if err != nil {
		m.warn("the public key of the archive is not usable: " + errorWords(err))
		return nil
	}
	run := &archiveRun{region: region}
	opts := archive.VerifyOptions{Keys: []archive.Key{key}, Region: region, Now: m.now()}
	if month != "" {
		run.months = []string{month}
		opts.Months = run.months
	}
	for _, checkpoint := range s.known {
		opts.ExpectHeads = append(opts.ExpectHeads, checkpoint)
	}
	s.run = run
	s.verify.failed = func(*model, error) tea.Cmd { s.run = nil; return nil }
	cmd := perform(m, &s.verify, func(ctx context.Context) (*archive.Report, error) {
		return audit.Verify(ctx, m.session, m.cfg.Store, opts, run.current.Store)
	}, func(m *model, r *archive.Report) tea.Cmd {
		s.run = nil
		s.took(m, run, r)
		return nil
	})
	return tea.Batch(cmd, m.later(progressTime, progressMsg{run}))
}

// took files a report under the months that it is about.
func (s *archiveScreen) took(m *model, run *archiveRun, r *archive.Report) {
	now, me := m.now(), m.who.Slug
	delete(s.findings, "")
	perMonth := map[string]archive.Verdict{}
	for _, month := range s.months {
		if run.region != "" && month.Region != run.region || len(run.months) > 0 && !slices.Contains(run.months, month.Month) {
			continue
		}
		delete(s.findings, monthKey(month.Region, month.Month))
		perMonth[monthKey(month.Region, month.Month)] = archive.Valid
	}
	for _, f := range r.Findings {
		key := monthKey(f.Region, f.Month)
		if _, ok := perMonth[key]; !ok {
			key = ""
		} else if f.Verdict() == archive.Invalid || perMonth[key] == archive.Valid {
			perMonth[key] = f.Verdict()
		}
		s.findings[key] = append(s.findings[key], f)
	}
	for key, verdict := range perMonth {
		region, month, _ := strings.Cut(key, "/")
		word, breaks := string(verdict), len(s.findings[key])
		s.past = append([]verification{{By: me, StartedAt: now, FinishedAt: &now, Region: region, Months: []string{month}, Verdict: &word, Breaks: &breaks}}, s.past...)
	}
	if r.Verdict == archive.Valid {
		for _, h := range r.Heads {
			s.known[h.Region] = []byte(h.Checkpoint)
		}
	}
	s.layout()
	m.concluded(r)
}

// concluded says what a verification ended with, and keeps the worst for the exit code.
func (m *model) concluded(r *archive.Report) {
	if m.verdict == "" || m.verdict == archive.Valid || r.Verdict == archive.Invalid {
		m.verdict = r.Verdict
	}
	text := fmt.Sprintf("%s: %s rows in %s", verdictWord(string(r.Verdict)), thousands(r.Rows), r.Duration.Round(time.Millisecond))
	if n := len(r.Findings); n > 0 {
		text += ", " + plural(n, "finding", "findings")
	}
	if r.Verdict == archive.Valid && !r.FreshnessProven {
		text += " · freshness not proven: no earlier head is known here"
	}
	if r.Verdict == archive.Invalid {
		m.warn(strings.TrimPrefix(text, "✕ "))
		return
	}
	m.say(text)
}
