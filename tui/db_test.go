package tui

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/google/uuid"

	"github.com/ward-health/ward/internal/wardtest"
)

const evidenceOf = `insert into review.evidence (anomaly_id, event_id, recorded_at, at, action, outcome, record_table,
	record_id, seq, hash, added_by_run)
	values ($1, 1, now(), now(), 'view', 'ok', 'public.patients', gen_random_uuid(), 1, sha256('x'), gen_random_uuid())`

// addAnomaly makes one about a person at a clinic, as a rule would.
func addAnomaly(e *wardtest.Env, tenant, actor, tier, severity, summary string) uuid.UUID {
	wardtest.One[string](e, `insert into review.rule (id, version, tier, severity, title, content_hash, front_matter)
		values ($1, 1, $1, $2, 'a test rule', 'x',
		'{"id": "A01-test", "title": "a test rule", "every": "1h", "settle": "0s"}')
		on conflict (id) do update set version = 1 returning id`, tier, severity)
	id := wardtest.One[uuid.UUID](e, `insert into review.anomaly (tenant_id, rule_id, rule_version, tier, severity,
		actor_id, key, summary, first_at, last_at)
		values ((select id from tenancy.tenant where slug = $1), $3, 1, $3, $4, (select id from tenancy.users
		where slug = $2), sha256(gen_random_uuid()::text::bytea), $5, now(), now()) returning id`,
		tenant, actor, tier, severity, summary)
	wardtest.One[int64](e, "with x as ("+evidenceOf+" returning 1) select count(*) from x", id)
	return id
}

// dbModel is the application of a reviewer on a test's database.
func dbModel(t testing.TB, e *wardtest.Env, who string, w, h int) *model {
	t.Helper()
	s := e.Reviewer(who)
	p, err := s.Whoami(t.Context())
	if err != nil {
		t.Fatalf("whoami of %s: %v", who, err)
	}
	m := newModel(t.Context(), Config{Session: s, Now: time.Now}, p, slog.New(slog.DiscardHandler))
	m.w, m.h = w, h
	m.after = func(_ time.Duration, msg tea.Msg) tea.Cmd {
		if _, resting := msg.(restMsg); resting {
			return func() tea.Msg { return msg }
		}
		return nil // nothing else is waited for in a test
	}
	return m
}

// settle runs a Cmd and all that follow from it.
func settle(t testing.TB, m *model, cmd tea.Cmd) {
	t.Helper()
	if cmd == nil {
		return
	}
	switch msg := cmd().(type) {
	case tea.BatchMsg:
		for _, c := range msg {
			settle(t, m, c)
		}
	case nil, tea.QuitMsg:
	default:
		_, next := m.Update(msg)
		settle(t, m, next)
	}
}

// do presses keys and waits for what each of them asks for.
func do(t testing.TB, m *model, keys ...string) {
	t.Helper()
	for _, k := range keys {
		_, cmd := m.Update(keyPress(k))
		settle(t, m, cmd)
	}
}

func mustShow(t testing.TB, m *model, want ...string) {
	t.Helper()
	for _, s := range want {
		if text := screenText(m); !strings.Contains(text, s) {
			t.Fatalf("%q is not on the screen:\n%s", s, text)
		}
	}
}

// The whole way of an anomaly: claimed and closed by one officer, approved by another.
func TestClaimCloseApprove(t *testing.T) {
	e := wardtest.New(t)
	id := addAnomaly(e, "cedar", "casey", "A", "critical", "casey did what nobody should")
	dana := dbModel(t, e, "dana", 120, 40)
	settle(t, dana, dana.Init())
	mustShow(t, dana, "▲ crit", "a test rule", "casey did what nobody should", "EVIDENCE")
	do(t, dana, "x")
	mustShow(t, dana, "claim it first")
	do(t, dana, "c")
	mustShow(t, dana, "claimed "+short(id, 4), "◐ yours")
	other := addAnomaly(e, "cedar", "carla", "A", "critical", "the same evening")
	do(t, dana, "x", "tab", "d", "u", "p", "l")
	mustShow(t, dana, "Duplicate of")
	do(t, dana, "tab", "tab")
	typing(t, dana, "the same as another one")
	do(t, dana, "tab", "tab") // over Cancel to what is missing
	mustShow(t, dana, "the anomaly that goes on with it")
	typing(t, dana, other.String())
	do(t, dana, "tab", "tab", "tab", "enter")
	mustShow(t, dana, "◑ approve", "to approve · event")
	if got := wardtest.One[string](e, "select state || ' ' || disposition from review.anomaly where id = $1",
		id); got != "pending_approval duplicate" {
		t.Fatalf("the anomaly is %s", got)
	}
	do(t, dana, "a")
	mustShow(t, dana, "you closed it: somebody else approves")

	eli := dbModel(t, e, "eli", 80, 24)
	settle(t, eli, eli.Init())
	do(t, eli, "a", "tab")
	typing(t, eli, "agreed, looked at it")
	do(t, eli, "tab", "tab", "enter")
	mustShow(t, eli, "merged · event")
	if got := wardtest.One[string](e, "select state || ' ' || (select slug from tenancy.users "+
		"where id = approved_by) from review.anomaly where id = $1", id); got != "merged eli" {
		t.Errorf("the anomaly is %s", got)
	}
}

// Somebody else was faster: what they did is shown, the text stays, and a hasty Enter does nothing.
func TestConflictKeepsTheDraft(t *testing.T) {
	e := wardtest.New(t)
	id := addAnomaly(e, "cedar", "casey", "A", "critical", "a matter of two")
	m := dbModel(t, e, "dana", 120, 40)
	settle(t, m, m.Init())
	do(t, m, "c", "w")
	typing(t, m, "waiting for the clinic")
	if _, err := e.Super.Exec(t.Context(),
		`with x as (update review.anomaly set version = version + 1 where id = $1 returning version)
		insert into review.transition (anomaly_id, version, from_state, to_state, by_user, reason) select $1, version,
			'claimed', 'in_review', (select id from tenancy.users where slug = 'eli'), 'seen by eli'
			from x`, id); err != nil {
		t.Fatal(err)
	}
	do(t, m, "enter")
	mustShow(t, m, "somebody changed it since you looked", "waiting for the clinic", "eli", "seen by eli")
	f := m.form()
	if f == nil || f.fields[0].value() != "waiting for the clinic" || f.on != f.cancelAt() {
		t.Fatal("the draft is gone, or Enter would send it again")
	}
	do(t, m, "right", "enter")
	if got := wardtest.One[string](e, "select state from review.anomaly where id = $1", id); got != "waiting_info" ||
		m.form() != nil {
		t.Errorf("after deciding again it is %s", got)
	}
}

func TestTerminate(t *testing.T) {
	e := wardtest.New(t)
	app := e.App("frank", "cedar")
	m := dbModel(t, e, "dana", 120, 40)
	settle(t, m, m.goTo(ScreenMembers))
	do(t, m, "/")
	typing(t, m, "frank")
	do(t, m, "enter", "t")
	mustShow(t, m, "frank surname", "1 live session, now", "▸  Cancel")
	f := m.form()
	user := m.members.list.rows[0].UserID
	f.fields[0].in.set("left the clinic")
	f.fields[2].in.set(short(user, 8))
	f.on = f.cancelAt() + 1
	do(t, m, "enter")
	mustShow(t, m, "1 session ended · event", "✕ terminated")
	if _, err := app.Whoami(t.Context()); err == nil {
		t.Error("the session of a terminated membership still works")
	}
}

// From an anomaly to its actor's events, with the reason filled in.
func TestPivotOpensTheActorsEvents(t *testing.T) {
	e := wardtest.New(t)
	id := addAnomaly(e, "cedar", "casey", "A", "critical", "look at casey")
	e.App("casey", "cedar")
	e.App("carla", "cedar")
	m := dbModel(t, e, "dana", 120, 40)
	settle(t, m, m.Init())
	do(t, m, "p")
	mustShow(t, m, "triage of "+short(id, 4), "actor:casey")
	do(t, m, "enter")
	mustShow(t, m, "sign_in", "UNSEALED", "casey")
	if strings.Contains(screenText(m), "carla") {
		t.Error("the filter does not hold")
	}
	reason := wardtest.One[string](e, "select detail::jsonb->>'reason' from audit.event where action = 'open' "+
		"and detail::jsonb->>'screen' = 'events'")
	if reason != "triage of "+short(id, 4) {
		t.Errorf("the event says %q", reason)
	}
	events := wardtest.One[int](e, "select count(*) from audit.event")
	do(t, m, "enter", "esc", "j", "G", "g", "r")
	if n := wardtest.One[int](e, "select count(*) from audit.event"); n != events {
		t.Errorf("%d events written by paging within the lease", n-events)
	}
	do(t, m, "m")
	mustShow(t, m, "actor:me", "dana")
	do(t, m, "/")
	typing(t, m, " actor:nobody")
	do(t, m, "enter")
	mustShow(t, m, `no user "nobody"`, "actor:me actor:nobody")
}

// When the lease is over the events leave the screen, and a reason is asked for again.
func TestLeaseEnds(t *testing.T) {
	e := wardtest.New(t)
	addAnomaly(e, "cedar", "casey", "A", "critical", "look at casey")
	e.App("casey", "cedar")
	m := dbModel(t, e, "dana", 120, 40)
	settle(t, m, m.Init())
	do(t, m, "p", "enter")
	mustShow(t, m, "sign_in")
	m.now = func() time.Time { return time.Now().Add(16 * time.Minute) }
	_, cmd := m.Update(minuteMsg{})
	settle(t, m, cmd)
	if strings.Contains(screenText(m), "sign_in") {
		t.Error("the events are still on the screen")
	}
	mustShow(t, m, "Open a clinic's log", "triage of")

	// The database decides, whatever this machine's clock says.
	m = dbModel(t, e, "eli", 120, 40)
	settle(t, m, m.Init())
	do(t, m, "p", "enter")
	mustShow(t, m, "sign_in")
	if _, err := e.Super.Exec(t.Context(),
		"update tenancy.disclosure set expires_at = clock_timestamp() - interval '1 second'"); err != nil {
		t.Fatal(err)
	}
	do(t, m, "r")
	if strings.Contains(screenText(m), "sign_in") || len(m.audit.list.rows) > 0 {
		t.Error("the events are still held")
	}
	mustShow(t, m, "Open a clinic's log")
}

// The database goes away and comes back: the last rows stay, dimmed, r tries again, and the exit is the domain's error
// until then.
func TestRefusedSessionIsSaid(t *testing.T) {
	e := wardtest.New(t)
	addAnomaly(e, "cedar", "casey", "A", "critical", "still to be seen")
	m := dbModel(t, e, "dana", 80, 24)
	settle(t, m, m.Init())
	if _, err := e.Super.Exec(t.Context(),
		"update tenancy.session set revoked_at = now(), revoke_reason = 'test' where aud = 'review'"); err != nil {
		t.Fatal(err)
	}
	do(t, m, "r")
	mustShow(t, m, "identity refused", "ward login", "a test rule")
	if err := m.outcome(); err == nil {
		t.Error("leaving now is no error")
	}
}

// A closing that is refused goes back to who closed it.
func TestSendBack(t *testing.T) {
	e := wardtest.New(t)
	s := &stage{t: t, e: e, id: addAnomaly(e, "cedar", "casey", "A", "critical", "look again")}
	s.m = s.as("dana")
	s.pending()
	do(t, s.m, "b", "tab")
	typing(t, s.m, "the reason is thin")
	do(t, s.m, "tab", "tab", "enter")
	mustShow(t, s.m, "sent back", "◐ in review · event")
	if got := wardtest.One[string](e, "select state || ' ' || coalesce(closed_by::text, 'by nobody') "+
		"from review.anomaly where id = $1", s.id); got != "in_review by nobody" {
		t.Errorf("the anomaly is %s", got)
	}
}
