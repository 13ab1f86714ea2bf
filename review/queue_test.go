package review_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/ward-health/ward/internal/wardtest"
	"github.com/ward-health/ward/review"
	"github.com/ward-health/ward/tenancy"
)

// desk is a database with a queue to work on.
type desk struct {
	t *testing.T
	e *wardtest.Env
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	t.Parallel()
	d := &desk{t: t, e: wardtest.New(t)}
	for _, tier := range []string{"A", "B"} {
		d.do("insert into review.rule (id, version, tier, severity, title, content_hash, front_matter) "+
			"values ($1, 1, $2, 'high', 'a rule', 'h', '{}')", "T-"+tier, tier)
	}
	return d
}

func (d *desk) do(sql string, args ...any) {
	d.t.Helper()
	if _, err := d.e.Super.Exec(d.t.Context(), sql, args...); err != nil {
		d.t.Fatalf("%s: %v", sql, err)
	}
}

// anomaly puts one into the queue, about somebody, and returns its id.
func (d *desk) anomaly(tenant, tier, actor string) string {
	d.t.Helper()
	id := wardtest.One[uuid.UUID](d.e, `insert into review.anomaly (tenant_id, rule_id, rule_version, tier, severity,
		actor_id, key, summary, first_at, last_at)
		select t.id, 'T-' || $2, 1, $2, 'high', u.id, sha256(convert_to(gen_random_uuid()::text, 'utf8')),
			'what happened', now(), now() from tenancy.tenant t, tenancy.users u where t.slug = $1 and u.slug = $3
			returning id`, tenant, tier, actor)
	d.do("insert into review.transition (anomaly_id, version, to_state) values ($1, 1, 'new')", id)
	return id.String()
}

// now is an anomaly as it stands, in one line.
func (d *desk) now(anomaly string) string {
	d.t.Helper()
	return wardtest.One[string](d.e, `select
		format('%s v%s assigned %s lease %s %s by %s approved %s, %s transitions, %s notes', a.state, a.version,
		coalesce(s.slug, '-'), coalesce(a.lease_until > clock_timestamp(), false),
		coalesce(a.disposition, '-'), coalesce(c.slug, '-'), coalesce(p.slug, '-'),
		(select count(*) from review.transition t where t.anomaly_id = a.id), (select count(*) from review.note n
		where n.anomaly_id = a.id))
		from review.anomaly a left join tenancy.users s on s.id = a.assigned_to left join tenancy.users c
			on c.id = a.closed_by left join tenancy.users p on p.id = a.approved_by where a.id = $1`, anomaly)
}

// lastEvent is the newest event of all.
func (d *desk) lastEvent() int64 {
	d.t.Helper()
	return wardtest.One[int64](d.e, "select coalesce(max(event_id), 0) from audit.event")
}

// events are the events since, each as "who action@tenant", without those of signing in.
func (d *desk) events(since int64) []string {
	d.t.Helper()
	return wardtest.One[[]string](d.e, `select coalesce(array_agg(format('%s %s@%s', coalesce(u.slug, '?'), e.action,
		case t.kind when 'clinic' then t.slug else t.kind end) order by e.event_id), '{}') from audit.event e
		left join tenancy.users u on u.id = e.user_id join tenancy.tenant t on t.id = e.tenant_id where e.event_id > $1
			and e.action <> 'sign_in'`, since)
}

// step is one thing that somebody does to an anomaly whose version they have seen.
type step struct {
	who    string
	what   func(ctx context.Context, s *tenancy.Session, id string, seen int) (review.Changed, error)
	action string // what is on record of it
	now    string // how the anomaly stands then, or
	fails  error  // why it is refused
}

// steps that reviewers take.
func claim(ctx context.Context, s *tenancy.Session, id string, seen int) (review.Changed, error) {
	return review.Claim(ctx, s, id, seen)
}
func note(ctx context.Context, s *tenancy.Session, id string, _ int) (review.Changed, error) {
	return review.AddNote(ctx, s, id, "asked the manager")
}
func wait(ctx context.Context, s *tenancy.Session, id string, seen int) (review.Changed, error) {
	return review.Wait(ctx, s, id, seen, "waiting for HR")
}
func release(ctx context.Context, s *tenancy.Session, id string, seen int) (review.Changed, error) {
	return review.Release(ctx, s, id, seen, "not mine to judge")
}
func escalate(ctx context.Context, s *tenancy.Session, id string, seen int) (review.Changed, error) {
	return review.Escalate(ctx, s, id, seen, "an incident")
}
func approve(ctx context.Context, s *tenancy.Session, id string, seen int) (review.Changed, error) {
	return review.Approve(ctx, s, id, seen, true, "I agree")
}
func reject(ctx context.Context, s *tenancy.Session, id string, seen int) (review.Changed, error) {
	return review.Approve(ctx, s, id, seen, false, "ask the manager first")
}
func reopen(ctx context.Context, s *tenancy.Session, id string, seen int) (review.Changed, error) {
	return review.Reopen(ctx, s, id, seen, "new facts")
}
func assign(to string) func(context.Context, *tenancy.Session, string, int) (review.Changed, error) {
	return func(ctx context.Context, s *tenancy.Session, id string, seen int) (review.Changed, error) {
		return review.Assign(ctx, s, id, seen, to, "you know them")
	}
}
func closeAs(disposition string) func(context.Context, *tenancy.Session, string, int) (review.Changed, error) {
	return func(ctx context.Context, s *tenancy.Session, id string, seen int) (review.Changed, error) {
		return review.Close(ctx, s, id, seen, disposition, "the schedule shows it", answers(disposition)...)
	}
}

// answers are what a disposition demands, where no other row is needed for it.
func answers(disposition string) []review.Field {
	today := time.Now().UTC().Format(time.DateOnly)
	switch disposition {
	case "breach":
		return []review.Field{{Name: "affected", Value: "3"}, {Name: "unassessed", Value: "notify_without_assessment"}}
	case "explained_treatment", "explained_payment", "explained_operations":
		return []review.Field{{Name: "asked", Value: "the practice manager"}, {Name: "asked_on", Value: today}}
	case "authorised_service":
		return []review.Field{{Name: "ticket", Value: "OPS-12"}}
	case "false_positive_rule":
		return []review.Field{{Name: "cause", Value: "data_late"}}
	case "policy_violation_no_breach":
		return []review.Field{{Name: "exception", Value: "unintentional_access"},
			{Name: "sanction", Value: "HR-2026-14"}}
	}
	return nil
}

// TestQueueWorkflow works anomalies through as real reviewers: each change leaves one event of its own under who made
// it, a refused one none and no trace.
func TestQueueWorkflow(t *testing.T) {
	flows := map[string]struct {
		tier  string
		steps []step
	}{
		"explained at once": {"B", []step{
			{"dana", closeAs("test_data"), "", "", tenancy.ErrNoLease},
			{"dana", claim, "claim", "claimed v2 assigned dana lease t - by - approved -, 2 transitions, 0 notes", nil},
			{"eli", claim, "", "", tenancy.ErrNotYours},
			{"eli", closeAs("test_data"), "", "", tenancy.ErrNotYours},
			{"eli", wait, "", "", tenancy.ErrNotYours},
			{"eli", note, "note", "claimed v2 assigned dana lease t - by - approved -, 2 transitions, 1 notes", nil},
			{"dana", wait, "note",
				"waiting_info v3 assigned dana lease t - by - approved -, 3 transitions, 1 notes", nil},
			{"dana", closeAs("explained_treatment"), "close",
				"closed v4 assigned dana lease f explained_treatment by dana approved -, 4 transitions, 1 notes", nil},
			{"dana", claim, "", "", tenancy.ErrWrongState},
			{"eli", approve, "", "", tenancy.ErrWrongState},
			{"eli", reopen, "reopen",
				"in_review v5 assigned eli lease t - by - approved -, 5 transitions, 1 notes", nil},
			{"eli", reopen, "", "", tenancy.ErrWrongState},
		}},
		"tier A needs a second person": {"A", []step{
			{"dana", claim, "claim", "claimed v2 assigned dana lease t - by - approved -, 2 transitions, 0 notes", nil},
			{"dana", closeAs("explained_treatment"), "close", "pending_approval v3 assigned dana lease f " +
				"explained_treatment by dana approved -, 3 transitions, 0 notes", nil},
			{"dana", approve, "", "", tenancy.ErrSeparation},
			{"eli", claim, "", "", tenancy.ErrWrongState},
			{"eli", reject, "reopen",
				"in_review v4 assigned dana lease f - by - approved -, 4 transitions, 0 notes", nil},
			{"dana", closeAs("explained_treatment"), "", "", tenancy.ErrNoLease}, // the lease is over
			{"dana", claim, "claim",
				"in_review v5 assigned dana lease t - by - approved -, 5 transitions, 0 notes", nil},
			{"dana", closeAs("explained_treatment"), "close", "pending_approval v6 assigned dana lease f " +
				"explained_treatment by dana approved -, 6 transitions, 0 notes", nil},
			{"eli", approve, "approve", "closed v7 assigned dana lease f explained_treatment by dana approved eli, " +
				"7 transitions, 0 notes", nil},
			{"eli", reopen, "reopen",
				"in_review v8 assigned eli lease t - by - approved -, 8 transitions, 0 notes", nil},
		}},
		"a breach needs a second person in every tier": {"B", []step{
			{"dana", claim, "claim", "claimed v2 assigned dana lease t - by - approved -, 2 transitions, 0 notes", nil},
			{"dana", escalate, "escalate",
				"escalated v3 assigned dana lease t - by - approved -, 3 transitions, 0 notes", nil},
			{"dana", closeAs("breach"), "close",
				"pending_approval v4 assigned dana lease f breach by dana approved -, 4 transitions, 0 notes", nil},
			{"dana", approve, "", "", tenancy.ErrSeparation},
			{"eli", approve, "approve",
				"closed v5 assigned dana lease f breach by dana approved eli, 5 transitions, 0 notes", nil},
		}},
		"an incident stays one": {"B", []step{
			{"dana", claim, "claim", "claimed v2 assigned dana lease t - by - approved -, 2 transitions, 0 notes", nil},
			{"dana", escalate, "escalate",
				"escalated v3 assigned dana lease t - by - approved -, 3 transitions, 0 notes", nil},
			{"dana", wait, "", "", tenancy.ErrWrongState},
			{"dana", release, "assign",
				"escalated v4 assigned - lease f - by - approved -, 4 transitions, 0 notes", nil},
			{"eli", claim, "claim", "escalated v5 assigned eli lease t - by - approved -, 5 transitions, 0 notes", nil},
		}},
		"passed on and given back": {"B", []step{
			{"dana", assign("eli"), "assign",
				"claimed v2 assigned eli lease f - by - approved -, 2 transitions, 0 notes", nil},
			{"dana", assign("casey"), "", "", errAny},
			{"dana", assign("ana"), "", "", errAny}, // an auditor reviews nothing
			{"eli", wait, "", "", tenancy.ErrNoLease},
			{"eli", claim, "claim", "claimed v3 assigned eli lease t - by - approved -, 3 transitions, 0 notes", nil},
			{"dana", release, "", "", tenancy.ErrNotYours},
			{"eli", release, "assign", "new v4 assigned - lease f - by - approved -, 4 transitions, 0 notes", nil},
			{"dana", claim, "claim", "claimed v5 assigned dana lease t - by - approved -, 5 transitions, 0 notes", nil},
		}},
		"who may look and not touch": {"B", []step{
			{"ana", claim, "", "", errAny}, {"ana", note, "", "", errAny}, {"omar", claim, "", "", errAny},
			{"omar", note, "", "", errAny}, {"root", claim, "", "", errAny},
			{"dana", claim, "claim", "claimed v2 assigned dana lease t - by - approved -, 2 transitions, 0 notes", nil},
			{"ana", closeAs("test_data"), "", "", errAny},
		}},
	}
	for name, flow := range flows {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t)
			id, seen := d.anomaly("cedar", flow.tier, "casey"), 1
			people := map[string]*tenancy.Session{}
			for i, s := range flow.steps {
				if people[s.who] == nil {
					people[s.who] = d.e.Reviewer(s.who)
				}
				before, last := d.now(id), d.lastEvent()
				changed, err := s.what(t.Context(), people[s.who], id, seen)
				events := d.events(last)
				if s.fails != nil {
					if err == nil || (!errors.Is(s.fails, errAny) && !errors.Is(err, s.fails)) || d.now(id) != before ||
						len(events) != 0 {
						t.Fatalf("step %d of %s: %v, want it refused with %v; %s, events %q", i, s.who, err, s.fails,
							d.now(id), events)
					}
					continue
				}
				if err != nil || d.now(id) != s.now ||
					!slices.Equal(events, []string{s.who + " " + s.action + "@cedar"}) {
					t.Fatalf("step %d of %s: %v\n     %s\nwant %s\nevents %q", i, s.who, err, d.now(id), s.now, events)
				}
				if named := wardtest.One[string](d.e, "select detail::jsonb ->> 'anomaly' from audit.event "+
					"where event_id = $1", changed.EventID); named != id || changed.EventID <= last {
					t.Fatalf("step %d of %s names event %d, about %s", i, s.who, changed.EventID, named)
				}
				seen = changed.Version
			}
			d.chained(id)
		})
	}
}

// errAny stands for a refusal of whatever kind.
var errAny = errors.New("any refusal")

// chained checks that an anomaly's history has no gap: each transition begins where the one before it ended, and names
// its event.
func (d *desk) chained(id string) {
	d.t.Helper()
	if bad := wardtest.One[int](d.e, `select count(*) from (select t.*, lag(t.to_state) over w as was, lag(t.version)
		over w as before from review.transition t where t.anomaly_id = $1 window w as (order by t.version)) x
		where version > 1 and (was <> from_state or before <> version - 1 or by_user is null or not exists (select
			from audit.event e where e.event_id = x.event_id and e.user_id = x.by_user))`, id); bad > 0 {
		d.t.Errorf("%d transitions do not follow from the one before, or have no event of their author", bad)
	}
}

// TestStaleVersion: whoever decides on what has changed since they saw it is told, and nothing happens.
func TestStaleVersion(t *testing.T) {
	d := newDesk(t)
	id := d.anomaly("cedar", "A", "casey")
	dana, eli := d.e.Reviewer("dana"), d.e.Reviewer("eli")
	stale := func(name string, s *tenancy.Session,
		what func(context.Context, *tenancy.Session, string, int) (review.Changed, error), seen int) {
		t.Helper()
		before, last := d.now(id), d.lastEvent()
		_, err := what(t.Context(), s, id, seen)
		if !errors.Is(err, tenancy.ErrConflict) || d.now(id) != before || len(d.events(last)) != 0 {
			t.Errorf("%s: %v; %s, events %q", name, err, d.now(id), d.events(last))
		}
	}
	stale("claim", dana, claim, 2)
	stale("assign", dana, assign("eli"), 0)
	d.must(review.Claim(t.Context(), dana, id, 1))
	for name, what := range map[string]func(context.Context, *tenancy.Session, string, int) (review.Changed, error){
		"claim again": claim, "wait": wait, "close": closeAs("test_data"), "close for approval": closeAs("breach"),
		"release": release, "escalate": escalate,
	} {
		stale(name, dana, what, 1)
	}
	d.must(closeAs("breach")(t.Context(), dana, id, 2))
	stale("approve", eli, approve, 2)
	stale("reject", eli, reject, 2)
	d.must(review.Approve(t.Context(), eli, id, 3, true, "it is one"))
	stale("reopen", eli, reopen, 3)
	// evidence that arrives counts as a change: nobody closes what they have not seen
	other := d.anomaly("cedar", "B", "casey")
	d.must(review.Claim(t.Context(), dana, other, 1))
	d.do("update review.anomaly set version = version + 1 where id = $1", other)
	if _, err := review.Close(t.Context(), dana, other, 2, "test_data",
		"no real patient"); !errors.Is(err, tenancy.ErrConflict) {
		t.Errorf("closing without having seen the newest evidence: %v", err)
	}
}

func (d *desk) must(_ review.Changed, err error) {
	d.t.Helper()
	if err != nil {
		d.t.Fatal(err)
	}
}

// TestClaimRace: of those who claim at once, one wins, and the others are told.
func TestClaimRace(t *testing.T) {
	d := newDesk(t)
	sessions := []*tenancy.Session{d.e.Reviewer("dana"), d.e.Reviewer("eli"), d.e.Reviewer("dana"), d.e.Reviewer("eli")}
	for round := range 5 {
		id, last := d.anomaly("cedar", "B", "casey"), d.lastEvent()
		errs := make([]error, len(sessions))
		var all sync.WaitGroup
		for i, s := range sessions {
			all.Go(func() { _, errs[i] = review.Claim(t.Context(), s, id, 1) })
		}
		all.Wait()
		won := 0
		for _, err := range errs {
			if err == nil {
				won++
			} else if !errors.Is(err, tenancy.ErrConflict) && !errors.Is(err, tenancy.ErrNotYours) {
				t.Error(err)
			}
		}
		if won != 1 || len(d.events(last)) != 1 || !strings.HasPrefix(d.now(id), "claimed v2 ") {
			t.Errorf("round %d: %d won, events %q, %s", round, won, d.events(last), d.now(id))
		}
	}
}

// TestSeparationOfDuties: by the functions, and by the constraints below them when somebody with the database in hand
// tries.
func TestSeparationOfDuties(t *testing.T) {
	d := newDesk(t)
	ctx := t.Context()
	dana, eli := d.e.Reviewer("dana"), d.e.Reviewer("eli")
	about := d.anomaly("cedar", "B", "dana")
	for name, what := range map[string]func(context.Context, *tenancy.Session, string,
		int) (review.Changed, error){"claim": claim, "note": note, "assign": assign("eli")} {
		before, last := d.now(about), d.lastEvent()
		if _, err := what(ctx, dana, about, 1); !errors.Is(err, tenancy.ErrConflictOfInterest) ||
			d.now(about) != before ||
			len(d.events(last)) != 0 {
			t.Errorf("%s of an anomaly about oneself: %v; %s", name, err, d.now(about))
		}
	}
	if _, err := review.Assign(ctx, eli, about, 1, "dana",
		"you know best"); !errors.Is(err, tenancy.ErrConflictOfInterest) {
		t.Errorf("assigning an anomaly to whom it is about: %v", err)
	}
	d.must(review.Claim(ctx, eli, about, 1))
	d.must(closeAs("breach")(ctx, eli, about, 2))
	for name, what := range map[string]func(context.Context, *tenancy.Session, string,
		int) (review.Changed, error){"approve": approve, "reject": reject} {
		if _, err := what(ctx, dana, about, 3); !errors.Is(err, tenancy.ErrConflictOfInterest) {
			t.Errorf("%s of a closing about oneself: %v", name, err)
		}
	}
	if _, err := review.Approve(ctx, eli, about, 3, true,
		"I agree with myself"); !errors.Is(err, tenancy.ErrSeparation) {
		t.Errorf("approving one's own closing: %v", err)
	}
	tierA := d.anomaly("cedar", "A", "casey")
	user := func(slug string) string { return fmt.Sprintf("(select id from tenancy.users where slug = '%s')", slug) }
	for constraint, change := range map[string]struct{ id, set string }{
		"four_eyes":                      {about, "approved_by = " + user("eli")},
		"nobody_approves_about_themself": {about, "approved_by = " + user("dana")},
		"nobody_closes_about_themself":   {about, "closed_by = " + user("dana")},
		"nobody_reviews_themself":        {about, "assigned_to = " + user("dana")},
		"tier_a_is_approved": {tierA,
			"state = 'closed', disposition = 'breach', close_reason = 'r', closed_by = " + user("eli")},
		"closed_says_why":          {tierA, "state = 'pending_approval'"},
		"anomaly_disposition_fkey": {tierA, "disposition = 'whatever'"},
		"anomaly_state_check":      {tierA, "state = 'forgotten'"},
		"anomaly_open":             {tierA, "key = (select key from review.anomaly where id = '" + about + "')"},
	} {
		_, err := d.e.Super.Exec(ctx, "update review.anomaly set "+change.set+" where id = $1", change.id)
		var pg *pgconn.PgError
		if !errors.As(err, &pg) || pg.ConstraintName != constraint {
			t.Errorf("%s: %v", constraint, err)
		}
	}
	for _, sql := range []string{"delete from review.anomaly", "truncate review.anomaly cascade"} {
		if _, err := d.e.Super.Exec(ctx, sql); err == nil {
			t.Errorf("%s went through", sql)
		}
	}
}

// TestLease: the right to edit runs out, to whom it is assigned does not, and somebody else may then take it.
func TestLease(t *testing.T) {
	d := newDesk(t)
	ctx := t.Context()
	dana, eli := d.e.Reviewer("dana"), d.e.Reviewer("eli")
	id := d.anomaly("cedar", "B", "casey")
	d.must(review.Claim(ctx, dana, id, 1))
	if left := time.Until(wardtest.One[time.Time](d.e, "select lease_until from review.anomaly where id = $1",
		id)); left < 29*time.Minute || left > 30*time.Minute {
		t.Errorf("a lease of %s", left)
	}
	d.do("update review.anomaly set lease_until = clock_timestamp() where id = $1", id)
	for name, what := range map[string]func(context.Context, *tenancy.Session, string, int) (review.Changed, error){
		"wait": wait, "close": closeAs("test_data"), "release": release, "escalate": escalate} {
		if _, err := what(ctx, dana, id, 2); !errors.Is(err, tenancy.ErrNoLease) ||
			!strings.Contains(err.Error(), "claim it again") {
			t.Errorf("%s after the lease: %v", name, err)
		}
	}
	if got := d.now(id); !strings.HasPrefix(got, "claimed v2 assigned dana lease f") {
		t.Error(got)
	}
	d.must(review.Claim(ctx, eli, id, 2))
	if _, err := review.Claim(ctx, dana, id, 3); !errors.Is(err, tenancy.ErrNotYours) ||
		!strings.Contains(err.Error(), "eli is editing") {
		t.Errorf("claiming what another edits: %v", err)
	}
}

// TestReasonsAreAsked: what has to hold years later is not left empty.
func TestReasonsAreAsked(t *testing.T) {
	d := newDesk(t)
	ctx := t.Context()
	dana := d.e.Reviewer("dana")
	id := d.anomaly("cedar", "B", "casey")
	d.must(review.Claim(ctx, dana, id, 1))
	for name, err := range map[string]error{
		"wait":        second(review.Wait(ctx, dana, id, 2, " ")),
		"release":     second(review.Release(ctx, dana, id, 2, "ok")),
		"assign":      second(review.Assign(ctx, dana, id, 2, "eli", "")),
		"close":       second(review.Close(ctx, dana, id, 2, "test_data", "   x ")),
		"escalate":    second(review.Escalate(ctx, dana, id, 2, "")),
		"note":        second(review.AddNote(ctx, dana, id, "\n")),
		"disposition": second(review.Close(ctx, dana, id, 2, "whatever", "a good reason")),
	} {
		if err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if got := d.now(id); !strings.HasPrefix(got,
		"claimed v2 assigned dana lease t - by - approved -, 2 transitions, 0 notes") {
		t.Error(got)
	}
}

func second(_ review.Changed, err error) error { return err }
