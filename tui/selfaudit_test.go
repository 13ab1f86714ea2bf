package tui

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/ward-health/ward/archive"
	"github.com/ward-health/ward/internal/wardtest"
)

// rehearsal is how one action of the registry is performed in a test: the screen it needs, made ready while events can
// be written, and what a person would answer.
type rehearsal struct {
	ready func(*stage)
	in    answers
	// shows is what it puts on the screen when all is well; empty: a change, whose event is said.
	shows string
}

// stage is one action's database, archive and application.
type stage struct {
	t     *testing.T
	e     *wardtest.Env
	m     *model
	id    uuid.UUID
	store archive.Store
	key   string
}

// canary is in every text of the database that an action might show; each is another.
var canary = regexp.MustCompile(`canary-[a-z]+`)

func newStage(t *testing.T, e *wardtest.Env, store archive.Store, key string) *stage {
	s := &stage{t: t, e: e, store: store, key: key}
	s.id = addAnomaly(e, "cedar", "casey", "B", "high", "canary-summary")
	exec(t, e, "update review.rule set title = 'canary-title', front_matter = front_matter || '{\"description\": "+
		"\"canary-description\"}'")
	s.m = s.as("dana")
	return s
}

func (s *stage) as(who string) *model {
	m := dbModel(s.t, s.e, who, 80, 24)
	m.cfg.Store, m.cfg.VerifyKey = s.store, s.key
	return m
}

func exec(t testing.TB, e *wardtest.Env, sql string, args ...any) {
	t.Helper()
	if _, err := e.Super.Exec(t.Context(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func (s *stage) queue()   { settle(s.t, s.m, s.m.goTo(ScreenQueue)) }
func (s *stage) members() { settle(s.t, s.m, s.m.goTo(ScreenMembers)) }
func (s *stage) archive() { settle(s.t, s.m, s.m.goTo(ScreenArchive)) }

// spoiled shows an archive whose first part was found to be another file.
func (s *stage) spoiled() {
	dir, key := newArchiveDir(s.t)
	store, err := archive.OpenDir(dir)
	if err != nil {
		s.t.Fatal(err)
	}
	spoil(s.t, dir)
	s.m.cfg.Store, s.m.cfg.VerifyKey, s.m.cfg.Diagnose = store, key, archive.DiagnoseHere
	s.archive()
	do(s.t, s.m, "V")
	mustShow(s.t, s.m, "✕ FILE_MODIFIED")
	do(s.t, s.m, "j")
}

func (s *stage) claimed() {
	s.queue()
	do(s.t, s.m, "c")
}

func (s *stage) pending() {
	s.claimed()
	s.perform(ScreenQueue, "close", answers{"disposition": "breach", "affected": "3",
		"unassessed": "notify_without_assessment", "reason": "canary-reason"})
	s.m = s.as("eli")
	s.queue()
}

func (s *stage) closed() {
	s.claimed()
	s.perform(ScreenQueue, "close", answers{"disposition": "test_data", "reason": "canary-reason"})
}

func (s *stage) openLog() {
	s.m.active = 1
	s.e.App("casey", "cedar")
	s.perform(ScreenAudit, "open", answers{"tenant": "cedar", "reason": "a rehearsal"})
}

func (s *stage) manyRows() {
	for i := range queuePage + 1 {
		addAnomaly(s.e, "harbor", "hugo", "C", "low", fmt.Sprintf("canary-more%s", strings.Repeat("x", i%3)))
	}
	s.queue()
}

func (s *stage) perform(screen, name string, in answers) {
	s.t.Helper()
	for _, a := range s.m.actions {
		if a.Screen == screen && a.Name == name {
			settle(s.t, s.m, a.run(s.m, in))
			return
		}
	}
	s.t.Fatalf("no action %s on %s", name, screen)
}

// onCall makes the application that of somebody who stands on the roster and holds no grant.
func (s *stage) onCall() {
	if _, err := s.e.Reviewer("root").AddOnCall(s.t.Context(), "frank", "", "a rehearsal"); err != nil {
		s.t.Fatal(err)
	}
	s.m = s.as("frank")
	settle(s.t, s.m, s.m.Init())
}

func nothing(*stage) {}

// rehearsals has an entry for every action that writes an event.
func rehearsals() map[string]rehearsal {
	reason := answers{"reason": "a good reason"}
	q, a, r, m := ScreenQueue+" ", ScreenAudit+" ", ScreenArchive+" ", ScreenMembers+" "
	return map[string]rehearsal{
		" take on-call": {ready: (*stage).onCall,
			in: answers{"tenant": "harbor", "ticket": "OPS-1", "reason": "a good reason"}},
		" queue":    {ready: nothing, shows: "canary-title"},
		" audit":    {ready: nothing, shows: "cedar"},
		" archive":  {ready: nothing, shows: "2026-05"},
		" members":  {ready: nothing, shows: "casey"},
		q + "claim": {ready: (*stage).queue},
		q + "note":  {ready: (*stage).queue, in: answers{"text": "a remark"}},
		q + "close": {ready: (*stage).claimed,
			in: answers{"disposition": "test_data", "reason": "a good reason"}},
		q + "take over": {ready: func(s *stage) { s.claimed(); s.m = s.as("eli"); s.queue() }, in: reason},
		q + "four factors": {ready: (*stage).claimed,
			in: answers{"nature": "names and visits", "recipient": "a colleague", "acquired": "seen on a screen",
				"mitigated": "attested in writing", "outcome": "breach"}},
		q + "discovery": {ready: (*stage).queue,
			in: answers{"on": time.Now().UTC().Format(time.DateOnly), "reason": "a good reason"}},
		q + "confirm date": {ready: func(s *stage) {
			s.queue()
			s.perform(ScreenQueue, "discovery",
				answers{"on": time.Now().UTC().Format(time.DateOnly), "reason": "a good reason"})
			s.m = s.as("eli")
			s.queue()
		}, in: answers{"answer": "confirm", "reason": "a good reason"}},
		q + "hold": {ready: (*stage).queue, in: answers{"until": time.Now().UTC().AddDate(0, 0,
			9).Format(time.DateOnly), "written": "said", "official": "Agent Smith, FBI"}},
		q + "notice": {ready: func(s *stage) {
			s.pending()
			s.perform(ScreenQueue, "approve", reason)
		}, in: answers{"recipient": "hhs", "on": time.Now().UTC().Format(time.DateOnly), "reference": "portal 4711"}},
		q + "link":   {ready: (*stage).queue, in: answers{"reason": "a good reason"}},
		q + "attach": {ready: (*stage).queue, in: answers{"path": "../LICENSE"}},
		q + "save file": {ready: func(s *stage) {
			s.queue()
			exec(s.t, s.e, "insert into review.attachment (anomaly_id, sha256, name, bytes, content, by_user, "+
				"event_id) select $1, sha256('x'), 'canary-file', 1, 'x', id, 1 from tenancy.users where slug = 'dana'",
				s.id)
		}, in: answers{}, shows: "on record"},
		q + "escalate":  {ready: (*stage).claimed, in: reason},
		q + "wait":      {ready: (*stage).claimed, in: reason},
		q + "release":   {ready: (*stage).claimed, in: reason},
		q + "assign":    {ready: (*stage).queue, in: answers{"to": "eli", "reason": "a good reason"}},
		q + "approve":   {ready: (*stage).pending, in: reason},
		q + "send back": {ready: (*stage).pending, in: reason},
		q + "reopen":    {ready: (*stage).closed, in: reason},
		q + "details":   {ready: (*stage).queue, shows: "canary-description"},
		q + "filter":    {ready: nothing, in: answers{"filter": "sev:high"}, shows: "canary-title"},
		q + "refresh":   {ready: nothing, shows: "canary-title"},
		q + "next page": {ready: (*stage).manyRows, shows: "102"},
		a + "open": {ready: func(s *stage) { s.m.active = 1; s.e.App("casey", "cedar") },
			in: answers{"tenant": "cedar", "reason": "a good reason"}, shows: "sign_in"},
		a + "filter":      {ready: (*stage).openLog, in: answers{"filter": "action:open"}, shows: "row"},
		a + "mine":        {ready: (*stage).openLog, shows: "actor:me"},
		r + "verify":      {ready: (*stage).archive, shows: "✓ valid"},
		r + "verify all":  {ready: (*stage).archive, shows: "✓ valid"},
		r + "by workers":  {ready: (*stage).atParts, shows: "✓ valid"},
		r + "all workers": {ready: (*stage).atParts, shows: "✓ valid"},
		r + "diagnose":    {ready: (*stage).spoiled, shows: "2 findings"},
		r + "details":     {ready: (*stage).archive, shows: "part-000002"},
		r + "ship":        {ready: (*stage).archive},
		r + "refresh":     {ready: func(s *stage) { s.m.active = 2 }, shows: "2026-05"},
		m + "details":     {ready: (*stage).members, shows: "IF IT WERE TERMINATED"},
		m + "clinic":      {ready: func(s *stage) { s.m.active = 3 }, in: answers{"tenant": "cedar"}, shows: "casey"},
		m + "refresh":     {ready: func(s *stage) { s.m.active = 3 }, shows: "casey"},
		m + "terminate":   {ready: (*stage).members, in: answers{"reason": "a good reason"}},
	}
}

// Every action of the registry that shows or changes data: when its event cannot be written, nothing is shown but the
// error, and nothing is changed; when it can, the event is there, under the person's own id.
func TestNothingWithoutItsEvent(t *testing.T) {
	plays := rehearsals()
	store, key := newArchive(t)
	played := 0
	for _, a := range Actions() {
		if a.Audit == "" {
			continue
		}
		name := a.Screen + " " + a.Name
		play, ok := plays[name]
		if !ok {
			t.Errorf("%q has no rehearsal: what it does without its event is not known", name)
			continue
		}
		played++
		t.Run(name, func(t *testing.T) {
			e := wardtest.New(t)
			s := newStage(t, e, store, key)
			play.ready(s)
			if name == ScreenMembers+" terminate" {
				row, _ := s.m.members.list.selected()
				play.in = answers{"reason": "a good reason", "typed": short(row.UserID, 6)}
			}
			switch name {
			case ScreenQueue + " link":
				play.in["other"] = addAnomaly(e, "cedar", "carla", "B", "high", "another").String()
			case ScreenQueue + " save file":
				play.in["file"], play.in["path"] = wardtest.One[string](e, "select encode(sha256('x'), 'hex')"),
					filepath.Join(t.TempDir(), "read")
			}
			withoutEvent(t, s, a, play)
			if _, err := os.Stat(play.in["path"]); name == ScreenQueue+" save file" && err == nil {
				t.Error("the file was written although the event was not")
			}
			withEvent(t, s, a, play)
		})
	}
	if played == 0 {
		t.Fatal("no action of the registry writes an event")
	}
	for name := range plays {
		if !slices.ContainsFunc(Actions(),
			func(a Action) bool { return a.Screen+" "+a.Name == name && a.Audit != "" }) {
			t.Errorf("%q is no action", name)
		}
	}
}

func withoutEvent(t *testing.T, s *stage, a Action, play rehearsal) {
	t.Helper()
	exec(t, s.e, fmt.Sprintf(`create function public.refuse_event() returns trigger
		language plpgsql as $$ begin raise exception 'no event can be written'; end $$;
		create trigger a_refused before insert on audit.event for each row
			when (new.action = %s) execute function public.refuse_event()`, "'"+a.Audit+"'"))
	before, data := shownNow(s.m), dataNow(s.e)
	events := wardtest.One[int](s.e, "select count(*) from audit.event where action = $1", a.Audit)
	settle(t, s.m, a.run(s.m, play.in))
	if f := s.m.form(); f != nil && strings.Contains(f.wrong, "no event can be written") {
		s.m.warn(f.wrong)
	}
	if !s.m.warned || !strings.Contains(s.m.said, "no event can be written") {
		t.Errorf("the error is not shown; it says %q", s.m.said)
	}
	s.m.dialogs = nil
	for c := range shownNow(s.m) {
		if !before[c] {
			t.Errorf("%q is shown although its event was not written", c)
		}
	}
	if now := dataNow(s.e); now != data {
		t.Errorf("data changed although the event was not written: %s, was %s", now, data)
	}
	if n := wardtest.One[int](s.e, "select count(*) from audit.event where action = $1", a.Audit); n != events {
		t.Errorf("%d events got through: the test proves nothing", n-events)
	}
	exec(t, s.e, "drop trigger a_refused on audit.event; drop function public.refuse_event()")
	s.m.say("")
	s.m.queue.open, s.m.members.open = false, false
}

func withEvent(t *testing.T, s *stage, a Action, play rehearsal) {
	t.Helper()
	const mine = "select count(*) from audit.event where action = $1 and user_id = $2"
	events := wardtest.One[int](s.e, mine, a.Audit, s.m.who.UserID)
	settle(t, s.m, a.run(s.m, play.in))
	if s.m.warned && !strings.HasPrefix(s.m.said, "INVALID: ") {
		t.Errorf("with its event it fails: %s", s.m.said)
	}
	if n := wardtest.One[int](s.e, mine, a.Audit, s.m.who.UserID); n <= events {
		t.Errorf("no event %q of this person", a.Audit)
	}
	want := play.shows
	if want == "" {
		want = "· event "
	}
	mustShow(t, s.m, want)
}

// shownNow are the words of the database on the screen: canaries, and what the fixtures are called.
func shownNow(m *model) map[string]bool {
	said, warned := m.said, m.warned
	m.said = ""
	text := screenText(m)
	m.said, m.warned = said, warned
	out := map[string]bool{}
	for _, w := range canary.FindAllString(text, -1) {
		out[w] = true
	}
	for _, w := range []string{"casey", "hugo", "carla", "2026-05", "sign_in", "cedar", "✓ valid",
		"IF IT WERE TERMINATED", "102", "part-000002", "2 findings"} {
		if strings.Contains(text, w) {
			out[w] = true
		}
	}
	return out
}

// dataNow stands for everything that an action could change, but for events.
func dataNow(e *wardtest.Env) string {
	return wardtest.One[string](e, `select concat_ws(' ', (select md5(string_agg(a::text, '|' order by id))
		from review.anomaly a), (select count(*) from review.note), (select count(*) from review.transition),
		(select count(*) from tenancy.membership where terminated_at is not null), (select count(*) from tenancy.session
		where revoked_at is not null), (select count(*) from audit.verification where verdict is not null),
		(select count(*) from river.river_job), (select count(*) from tenancy.reviewer_grant),
		(select count(*) from review.assessment), (select count(*) from review.discovery),
		(select count(*) from review.law_hold), (select count(*) from review.notice),
		(select count(*) from review.link), (select count(*) from review.attachment))`)
}

// What is exempt writes no event indeed.
func TestExemptActionsWriteNone(t *testing.T) {
	e := wardtest.New(t)
	store, key := newArchive(t)
	for _, screen := range []string{ScreenQueue, ScreenAudit, ScreenArchive, ScreenMembers} {
		s := newStage(t, e, store, key)
		s.openLog()
		settle(t, s.m, s.m.goTo(screen))
		s.m.dialogs = nil
		tried := 0
		for _, a := range s.m.actions {
			if a.Exempt == "" || !s.m.allowed(a) || a.begin(s.m).why != "" {
				continue
			}
			tried++
			events := wardtest.One[int](e, "select count(*) from audit.event")
			settle(t, s.m, a.run(s.m, answers{"filter": ""}))
			if n := wardtest.One[int](e, "select count(*) from audit.event"); n != events {
				t.Errorf("%s on %s is exempt (%s) and writes %d events", a.Name, screen, a.Exempt, n-events)
			}
			s.m.dialogs = nil
			for i, x := range s.m.screens {
				if x.name() == screen {
					s.m.active = i
				}
			}
		}
		if tried < 5 {
			t.Errorf("%d exempt actions tried on %s", tried, screen)
		}
	}
}

// What a form offers is a look too: without its event the form offers nothing, and cannot be performed.
func TestFormsOfferNothingWithoutTheEvent(t *testing.T) {
	forms := map[string]struct {
		ready               func(*stage)
		key, refuses, shows string
	}{
		"clinics":      {ready: func(s *stage) { s.m.active = 1 }, key: "o", refuses: "browse", shows: "harbor"},
		"dispositions": {ready: (*stage).claimed, key: "x", refuses: "open", shows: "explained_treatment"},
		"consequences": {ready: (*stage).members, key: "t", refuses: "browse", shows: "This will end"},
	}
	for name, c := range forms {
		t.Run(name, func(t *testing.T) {
			e := wardtest.New(t)
			s := newStage(t, e, nil, "")
			c.ready(s)
			do(t, s.m, c.key)
			s.m.form().on = 0 // where choices are drawn
			mustShow(t, s.m, c.shows)
			s.m.dialogs = nil
			s.m.queue.details = nil

			exec(t, e, fmt.Sprintf(`create function public.refuse_event() returns trigger
				language plpgsql as $$ begin raise exception 'no event can be written'; end $$;
				create trigger a_refused before insert on audit.event for each row
					when (new.action = '%s') execute function public.refuse_event()`, c.refuses))
			do(t, s.m, c.key)
			f := s.m.form()
			if f == nil || !f.reading || !strings.Contains(f.wrong, "no event can be written") {
				t.Fatalf("the form does not say what is missing:\n%s", screenText(s.m))
			}
			f.on = 0
			if strings.Contains(screenText(s.m), c.shows) {
				t.Errorf("%q is offered although its event was not written", c.shows)
			}
			f.on = f.cancelAt() + 1
			if cmd := press(t, s.m, "enter"); cmd != nil {
				t.Error("it can be performed all the same")
			}
		})
	}
}

// A verification whose verdict cannot be recorded shows none.
func TestNoVerdictWithoutItsRecord(t *testing.T) {
	e := wardtest.New(t)
	store, key := newArchive(t)
	s := newStage(t, e, store, key)
	s.archive()
	exec(t, e, `create function public.refuse_event() returns trigger
		language plpgsql as $$ begin raise exception 'no event can be written'; end $$;
		create trigger a_refused before insert on audit.event for each row
			when (new.action = 'verify' and new.detail like '%verdict%') execute function public.refuse_event()`)
	do(t, s.m, "V")
	if text := screenText(s.m); strings.Contains(text, "✓ valid") ||
		!strings.Contains(text, "no event can be written") {
		t.Errorf("a verdict without its record:\n%s", text)
	}
	if n := wardtest.One[int](e, "select count(*) from audit.verification where finished_at is null"); n != 1 {
		t.Errorf("%d verifications begun, want 1", n)
	}
}

// A changed file is named under its month, and the program ends with what was found.
func TestVerifyFindsAChangedFile(t *testing.T) {
	e := wardtest.New(t)
	dir, key := newArchiveDir(t)
	store, err := archive.OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	s := newStage(t, e, store, key)
	s.archive()
	do(t, s.m, "v")
	mustShow(t, s.m, "✓ valid", "freshness not proven")
	if err := s.m.outcome(); err != nil {
		t.Errorf("leaving after a valid verification: %v", err)
	}
	spoil(t, dir)
	do(t, s.m, "V")
	mustShow(t, s.m, "✕ INVALID", archive.FileModified, "part-000001")
	if err := s.m.outcome(); err == nil || err.Error() != "the archive is INVALID" {
		t.Errorf("leaving after an INVALID verification: %v", err)
	}
	verdicts := wardtest.One[[]string](e, "select array_agg(verdict order by started_at) from audit.verification")
	if !slices.Equal(verdicts, []string{"valid", "INVALID"}) {
		t.Errorf("recorded: %v", verdicts)
	}
}

// A verification can be cancelled, and that is on record as not proven.
func TestVerifyIsCancelled(t *testing.T) {
	e := wardtest.New(t)
	store, key := newArchive(t)
	s := newStage(t, e, stuckStore{store}, key)
	s.archive()
	cmd := s.m.archive.start(s.m, target{})
	done := make(chan struct{})
	go func() { defer close(done); settleQuietly(s.m, cmd) }()
	for wardtest.One[int](e, "select count(*) from audit.verification") == 0 {
		select {
		case <-t.Context().Done():
			t.Fatal("never begun")
		case <-time.After(10 * time.Millisecond):
		}
	}
	for v := s.m.archive.run.current.Load(); v == nil ||
		v.Status().Phase != "parts"; v = s.m.archive.run.current.Load() {
		select {
		case <-t.Context().Done():
			t.Fatal("it never came to the parts")
		case <-time.After(time.Millisecond):
		}
	}
	s.m.archive.verify.cancel()
	<-done
	if s.m.archive.running() ||
		!strings.Contains(s.m.said, "cancelled after 0 of 2 parts, 0 of 40 rows: nothing is proven by a part") {
		t.Errorf("after esc it says %q", s.m.said)
	}
	if v := wardtest.One[string](e, "select verdict from audit.verification"); v != "not proven" {
		t.Errorf("recorded as %q", v)
	}
	do(t, s.m, "r")
	mustShow(t, s.m, "· not proven", "dana")
}

func TestRehearsalNames(t *testing.T) {
	if n := len(slices.Collect(maps.Keys(rehearsals()))); n < 25 {
		t.Errorf("only %d rehearsals", n)
	}
}
