package tui

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"charm.land/bubbles/v2/progress"
	tea "charm.land/bubbletea/v2"

	"github.com/ward-health/ward/archive"
	"github.com/ward-health/ward/audit"
)

// progressTime is how often a verification's progress is drawn.
const progressTime = 100 * time.Millisecond

// target is what is to be verified: nothing in it is everything.
type target struct {
	region   string
	months   []string
	diagnose bool
	workers  bool // the installation's workers recompute the rows
}

// covers says whether a month is to be verified.
func (t target) covers(region, month string) bool {
	return (t.region == "" || t.region == region) && (len(t.months) == 0 || slices.Contains(t.months, month))
}

// archiveRun is a verification under way. The store's side is an atomic, since its Cmd runs beside Update.
type archiveRun struct {
	target
	current atomic.Pointer[archive.Verification]
}

// progressMsg draws how far a verification is.
type progressMsg struct{ run *archiveRun }

// newBar is ten cells with the share beside them, in the look of the row that they stand in.
func newBar() progress.Model {
	b := progress.New(progress.WithWidth(10+len(" 100 %")),
		progress.WithFillCharacters(progress.DefaultFullCharFullBlock, progress.DefaultEmptyCharBlock))
	b.FullColor, b.EmptyColor, b.PercentFormat = nil, nil, " %3.0f %%"
	return b
}

func (s *archiveScreen) running() bool { return s.run != nil }

func (s *archiveScreen) message(m *model, msg tea.Msg) tea.Cmd {
	if p, ok := msg.(progressMsg); ok && p.run == s.run && s.run != nil {
		// Bubbles' spinner keeps no timer of its own here: it turns with what it stands beside, and stops with it.
		s.spin, _ = s.spin.Update(s.spin.Tick())
		return m.later(progressTime, p)
	}
	return nil
}

// chosen is what v verifies: the months that are marked, or the one that the cursor is in.
func (s *archiveScreen) chosen() (target, bool) {
	if len(s.marked) > 0 && s.inside == nil {
		var t target
		regions := map[string]bool{}
		for key := range s.marked {
			region, month, _ := strings.Cut(key, "/")
			t.region, regions[region] = region, true
			if !slices.Contains(t.months, month) {
				t.months = append(t.months, month)
			}
		}
		if slices.Sort(t.months); len(regions) > 1 {
			t.region = "" // these months in every region: more than was marked, never less
		}
		return t, true
	}
	month := archive.MonthSummary{}
	if r, ok := s.row(); ok {
		month = r.month
	}
	if s.inside != nil {
		month = s.inside.month
	}
	return target{region: month.Region, months: []string{month.Month}}, month.Region != ""
}

// mark marks the month under the cursor, or takes its mark away.
func (s *archiveScreen) mark() {
	r, _ := s.list.selected()
	key := s.keyOf(r.month)
	if s.marked[key] {
		delete(s.marked, key)
	} else if key != "" {
		s.marked[key] = true
	}
}

// verified is a report, and what became of remembering its heads.
type verified struct {
	Report *archive.Report
	memory error
}

// start verifies a target. It is an event before the store is read, and shown when its verdict is one too.
func (s *archiveScreen) start(m *model, t target) tea.Cmd {
	key, err := archive.ParseKey(m.cfg.VerifyKey)
	if err != nil {
		m.warn("the public key of the archive is not usable: " + errorWords(err))
		return nil
	}
	run := &archiveRun{target: t}
	opts := archive.VerifyOptions{Keys: []archive.Key{key}, Region: t.region, Months: t.months, Now: m.now()}
	if t.diagnose {
		opts.Diagnose = m.cfg.Diagnose
	}
	s.run = run
	s.verify.failed = func(m *model, err error) tea.Cmd {
		s.run = nil
		if errors.Is(err, context.Canceled) {
			m.say(run.came())
		}
		return nil
	}
	cmd := perform(m, &s.verify, func(ctx context.Context) (verified, error) {
		var err error
		if opts.ExpectHeads, err = s.memory.Load(); err != nil {
			return verified{}, err
		}
		r, err := t.verify(ctx, m, opts, run.current.Store)
		if err != nil {
			return verified{}, err
		}
		v := verified{Report: r}
		if r.Verdict == archive.Valid {
			v.memory = s.memory.Save(r.Heads)
		}
		return v, nil
	}, func(m *model, v verified) tea.Cmd {
		s.run = nil
		s.took(m, run, v.Report)
		m.concluded(run, v)
		return nil
	})
	return tea.Batch(cmd, m.later(progressTime, progressMsg{run}))
}

// workersTime is how long no worker may be at a part before a verification by workers ends.
const workersTime = 5 * time.Minute

// verify runs here or by the workers: the functions of the command.
func (t target) verify(ctx context.Context, m *model, opts archive.VerifyOptions,
	onStart func(*archive.Verification)) (*archive.Report, error) {
	if t.workers {
		return audit.VerifyByWorkers(ctx, m.session, m.cfg.Store, opts, workersTime, onStart)
	}
	return audit.Verify(ctx, m.session, m.cfg.Store, opts, onStart)
}

// came says how far a run came that was cancelled.
func (r *archiveRun) came() string {
	text := "cancelled"
	if v := r.current.Load(); v != nil {
		if st := v.Status(); st.Phase == "parts" {
			text += fmt.Sprintf(" after %s of %s parts, %s of %s rows", thousands(st.PartsDone), thousands(st.PartsAll),
				thousands(st.Rows), thousands(st.RowsAll))
		}
	}
	return text + ": nothing is proven by a part of a verification; it is recorded as not proven"
}

// took files a report under the months that it is about.
func (s *archiveScreen) took(m *model, run *archiveRun, r *archive.Report) {
	listed := map[string]bool{}
	s.forget("")
	for _, month := range s.months {
		if run.covers(month.Region, month.Month) {
			key := s.keyOf(month)
			listed[key] = true
			s.forget(key)
			delete(s.marked, key)
		}
	}
	for _, f := range r.Findings {
		key := monthKey(f.Region, f.Month)
		if !listed[key] {
			key = ""
		}
		if s.found[key]++; s.found[key] <= findingsKept {
			s.findings[key] = append(s.findings[key], f)
		}
	}
	now, word := m.now(), string(r.Verdict)
	v := audit.Verification{By: m.who.Slug, StartedAt: now, FinishedAt: &now, Store: m.cfg.Store.String(), Whole: true,
		Months: run.months, Verdict: &word, ByWorkers: run.workers, Found: audit.Worse(r)}
	if run.region != "" {
		v.Region = &run.region
	}
	s.past = append([]audit.Verification{v}, s.past...)
	s.layout()
}

func (s *archiveScreen) forget(key string) {
	delete(s.findings, key)
	delete(s.found, key)
}

// concluded says what a verification ended with, and keeps the worst for the exit code.
func (m *model) concluded(run *archiveRun, v verified) {
	r := v.Report
	if m.verdict == "" || m.verdict == archive.Valid || r.Verdict == archive.Invalid {
		m.verdict = r.Verdict
	}
	text := fmt.Sprintf("%s: %s rows in %s", verdictWord(string(r.Verdict)), thousands(r.Rows),
		r.Duration.Round(time.Millisecond))
	if run.workers {
		text += " by the workers' word"
	}
	if n := len(r.Findings); n > 0 {
		text += ", " + plural(n, "finding", "findings") + ": enter on one says what it means"
	}
	if r.Verdict == archive.Valid {
		if text += " · the log only grew since it was last seen"; !r.FreshnessProven {
			text = strings.TrimSuffix(text, " · the log only grew since it was last seen") +
				" · freshness not proven: no earlier head is known here"
		}
	}
	switch {
	case r.Verdict == archive.Invalid:
		m.warn(strings.TrimPrefix(text, "✕ "))
	case v.memory != nil:
		m.warn(strings.TrimPrefix(text, "✓ ") + " · the heads are not remembered: " + errorWords(v.memory))
	default:
		m.say(text)
	}
}

// progress is how far the run under way is. It counts what was read, and says nothing of what was found: that is shown
// once it is recorded.
func (s *archiveScreen) progress() string {
	v := s.run.current.Load()
	if v == nil {
		return s.spin.View() + " recording …"
	}
	st := v.Status()
	if st.Phase != "parts" || st.RowsAll == 0 {
		return s.spin.View() + " reading the log …"
	}
	return s.bar.ViewAs(float64(st.Rows) / float64(st.RowsAll))
}

// pace is how far the run under way is, how fast, and how long it will take.
func (s *archiveScreen) pace() string {
	text, left, v := "verifying", "", s.run.current.Load()
	if s.run.workers {
		text += " by workers"
	}
	if v != nil {
		if st := v.Status(); st.Phase == "parts" {
			text += fmt.Sprintf(" · %s of %s parts", thousands(st.PartsDone), thousands(st.PartsAll))
			if s.run.workers {
				text += workersPace(st)
			} else {
				text += fmt.Sprintf(" · %s of %s rows", thousands(st.Rows), thousands(st.RowsAll))
			}
			if st.RowsPerSecond >= 1 {
				text += " · " + rate(st.RowsPerSecond) + " rows/s"
			}
			if st.Remaining > 0 {
				left = " · " + st.Remaining.Round(time.Second).String() + " left"
			}
		}
	}
	return text + left + " · esc cancels"
}

// workersPace is how many parts workers are at and how many wait for one.
func workersPace(st archive.Status) string {
	switch {
	case st.PartsOut == 0:
		return ""
	case st.PartsBusy == 0:
		return " · none at work: is ward worker running?"
	}
	return fmt.Sprintf(" · %d at work, %d waiting", st.PartsBusy, max(0, st.PartsOut-st.PartsBusy))
}

func rate(perSecond float64) string {
	if perSecond >= 1e6 {
		return fmt.Sprintf("%.1f M", perSecond/1e6)
	}
	return thousands(int64(perSecond))
}
