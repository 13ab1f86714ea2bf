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

func day(offset int) string { return time.Now().UTC().AddDate(0, 0, offset).Format(time.DateOnly) }

// fields are a closing's answers, written as name=value.
func fields(list ...string) []review.Field {
	var out []review.Field
	for _, f := range list {
		name, value, _ := strings.Cut(f, "=")
		out = append(out, review.Field{Name: name, Value: value})
	}
	return out
}

// claimedBy puts an anomaly about somebody into the queue and claims it; its version is 2.
func (d *desk) claimedBy(s *tenancy.Session, tier, actor string) string {
	d.t.Helper()
	id := d.anomaly("cedar", tier, actor)
	d.must(review.Claim(d.t.Context(), s, id, 1))
	return id
}

// refused checks that something failed with words and left no trace: no event, the anomaly as it was, no row of
// casework.
func (d *desk) refused(name, id, words string, what func() error) {
	d.t.Helper()
	const rows = `select concat_ws(' ', (select count(*) from review.disposition_value),
		(select count(*) from review.assessment), (select count(*) from review.discovery),
		(select count(*) from review.law_hold),
		(select count(*) from review.notice), (select count(*) from review.link),
		(select count(*) from review.attachment))`
	before, last, was := d.now(id), d.lastEvent(), wardtest.One[string](d.e, rows)
	err := what()
	if err == nil || !strings.Contains(err.Error(), words) {
		d.t.Errorf("%s: %v, want %q", name, err, words)
	}
	if d.now(id) != before || len(d.events(last)) != 0 || wardtest.One[string](d.e, rows) != was {
		d.t.Errorf("%s left a trace: %s, was %s; events %q", name, d.now(id), before, d.events(last))
	}
}

func assessed(outcome string) review.Assessment {
	return review.Assessment{Nature: "names and visit dates of one patient", Recipient: "a clinician bound by HIPAA",
		Acquired: "viewed once, on a screen", Mitigated: "attested that nothing was kept", Outcome: outcome}
}

// TestDispositionsDemand: what a disposition demands is asked for, each answer is of its kind, and a closing that lacks
// one changes nothing.
func TestDispositionsDemand(t *testing.T) {
	d := newDesk(t)
	dana := d.e.Reviewer("dana")
	target, merged, elsewhere := d.anomaly("cedar", "B", "carla"), d.claimedBy(dana, "B", "carla"),
		d.anomaly("harbor", "B", "hugo")
	d.must(review.Close(t.Context(), dana, merged, 2, "duplicate", "the same visit",
		fields("duplicate_of="+target[:8])...))
	event := d.lastEvent()
	const low, grave = "impermissible_low_probability", "breach"
	for _, c := range []struct{ disposition, with, words, assess string }{
		{"false_positive_rule", "", "needs: cause", ""},
		{"false_positive_rule", "cause=whatever", "cause must be one of these: data_missing,", ""},
		{"false_positive_rule", "cause=data_late", "", ""},
		{"explained_treatment", "", "needs: row, or asked and asked_on", ""},
		{"explained_treatment", "asked=the manager", "needs: row, or asked and asked_on", ""},
		{"explained_payment", "asked=the manager asked_on=" + day(1), "asked_on must be a day like 2026-01-31", ""},
		{"explained_operations", "asked=the manager asked_on=" + day(-1), "", ""},
		{"explained_payment", "asked=the manager asked_on=" + day(0), "", ""},
		{"explained_treatment", "row=public.appointments/" + uuid.NewString(), "row must be a row of this clinic", ""},
		{"explained_treatment", "row=event:999999999", "row must be a row of this clinic", ""},
		{"explained_treatment", "row=event:" + fmt.Sprint(event), "", ""},
		{"authorised_service", "", "needs: manifest, or ticket", ""},
		{"authorised_service", "manifest=view public.notes", "manifest must be an entry that is declared", ""},
		{"authorised_service", "manifest=view public.appointments", "", ""},
		{"authorised_service", "ticket=OPS-12", "", ""},
		{"duplicate", "", "needs: duplicate_of", ""},
		{"duplicate", "duplicate_of=" + merged, "duplicate_of must be another anomaly of the same clinic", ""},
		{"duplicate", "duplicate_of=" + elsewhere, "duplicate_of must be another anomaly of the same clinic", ""},
		{"duplicate", "duplicate_of=" + target[:8], "", ""},
		{"policy_violation_no_breach", "exception=not_retained", "needs: sanction", ""},
		{"policy_violation_no_breach", "exception=whatever sanction=HR-14",
			"exception must be one of these: unintentional_access,", ""},
		{"policy_violation_no_breach", "exception=not_retained sanction=HR-14", "", ""},
		{low, "", "needs: assessment", ""},
		{low, "", "newest four-factor assessment of this anomaly, and say low_probability", "breach"},
		{low, "", "", "low_probability"},
		{grave, "affected=3", "needs: assessment, or unassessed", ""},
		{grave, "affected=none unassessed=notify_without_assessment",
			"affected must be a whole number of at least 1", ""},
		{grave, "unassessed=notify_without_assessment", "needs: affected", ""},
		{grave, "affected=3 unassessed=notify_without_assessment residents=CA:4",
			"the residents of all States are more than", ""},
		{grave, "affected=3 unassessed=notify_without_assessment residents=CA:1,CA:1",
			"residents must list each State once", ""},
		{grave, "affected=3 unassessed=notify_without_assessment discovered_on=" + day(-3),
			"discovered_on must be " + day(0), ""},
		{grave, "affected=3", "newest four-factor assessment of this anomaly, and say breach", "low_probability"},
		{grave, "affected=3 residents=CA:2,NV:1", "", "breach"},
		{"undetermined", "review_on=" + day(30), "needs: missing", ""},
		{"undetermined", "missing=the badge log review_on=" + day(0), "review_on must be a day like 2026-01-31", ""},
		{"undetermined", "missing=the badge log review_on=" + day(30), "", ""},
		{"test_data", "cause=data_late", "test_data does not ask for cause", ""},
	} {
		id, seen := d.claimedBy(dana, "B", "svc-etl"), 2
		if c.assess != "" {
			d.must(review.Assess(t.Context(), dana, id, seen, assessed(c.assess)))
			seen++
		}
		var given []string
		for _, f := range strings.Fields(c.with) {
			if strings.Contains(f, "=") || len(given) == 0 {
				given = append(given, f)
			} else {
				given[len(given)-1] += " " + f
			}
		}
		close := func() error {
			_, err := review.Close(t.Context(), dana, id, seen, c.disposition, "a good reason", fields(given...)...)
			return err
		}
		name := c.disposition + " with " + c.with
		if c.words != "" {
			d.refused(name, id, c.words, close)
			continue
		}
		if err := close(); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		details, err := review.Open(t.Context(), dana, id)
		if err != nil || len(details.Closing) < len(given) || details.Anomaly.Disposition == nil ||
			*details.Anomaly.Disposition != c.disposition {
			t.Errorf("%s: %+v, %v", name, details.Closing, err)
		}
	}
	if n := wardtest.One[int](d.e, "select count(*) from review.disposition d where not exists (select "+
		"from review.anomaly a where a.disposition = d.name) and d.name <> 'test_data'"); n > 0 {
		t.Errorf("%d dispositions never closed one", n)
	}
}

// sqlRefused checks that the superuser's statement fails in one of ward's triggers or checks.
func (d *desk) sqlRefused(words, sql string, args ...any) {
	d.t.Helper()
	_, err := d.e.Super.Exec(d.t.Context(), sql, args...)
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || !strings.Contains(pg.Message+" "+pg.ConstraintName, words) {
		d.t.Errorf("%s: %v, want %q", sql, err, words)
	}
}

// TestCasesAreHeldBelowTheFunctions: whoever has the tables in hand closes nothing without its answers, rewrites none,
// and a reviewer's own login has no table in hand.
func TestCasesAreHeldBelowTheFunctions(t *testing.T) {
	d := newDesk(t)
	dana := d.e.Reviewer("dana")
	id := d.claimedBy(dana, "B", "casey")
	d.must(review.Assess(t.Context(), dana, id, 2, assessed("breach")))
	d.must(review.Attach(t.Context(), dana, id, "a.txt", []byte("what the manager wrote")))
	closing := "update review.anomaly set state = '%s', disposition = '%s', closed_by = (select id " +
		"from tenancy.users where slug = 'dana'), close_reason = 'why', closed_version = 7 where id = $1"
	d.sqlRefused("closing as duplicate needs: duplicate_of", fmt.Sprintf(closing, "merged", "duplicate"), id)
	d.sqlRefused("closing as undetermined needs: missing, review_on",
		fmt.Sprintf(closing, "closed", "undetermined"), id)
	d.sqlRefused("closing as breach needs: affected, discovered_on",
		fmt.Sprintf(closing, "pending_approval", "breach"), id)
	value := "insert into review.disposition_value (anomaly_id, version, disposition, field, value, by_user) " +
		"select $1, 7, $2, $3, $4, id from tenancy.users where slug = 'dana'"
	d.sqlRefused("affected must be a whole number of at least 1", value, id, "breach", "affected", "many")
	d.sqlRefused("disposition_value_disposition_field_fkey", value, id, "breach", "cause", "data_late")
	d.must(closeAs("breach")(t.Context(), dana, id, 3))
	tierA := d.claimedBy(dana, "A", "casey")
	d.must(review.Close(t.Context(), dana, tierA, 2, "duplicate", "the same visit", fields("duplicate_of="+id)...))
	// merging is no way around the second person
	d.sqlRefused("tier_a_is_approved", "update review.anomaly set state = 'merged' where id = $1", tierA)
	for _, table := range []string{"disposition_value", "assessment", "attachment"} {
		for _, sql := range []string{"update review.%s set at = now()", "delete from review.%s",
			"truncate review.%s cascade"} {
			d.sqlRefused("history is append-only", fmt.Sprintf(sql, table))
		}
	}
	d.sqlRefused("attachment_check", "insert into review.attachment (anomaly_id, sha256, name, bytes, content, "+
		"by_user, event_id) select $1, sha256('a'), 'b', 1, 'b', id, 1 from tenancy.users where slug = 'dana'", id)
	conn := d.e.Conn("ward_reviewer")
	for _, sql := range []string{"insert into review.disposition_value select", "select * from review.attachment",
		"select * from review.assessment", "update review.anomaly set due_on = 'infinity'",
		"select * from review.anomaly_row", "insert into review.notice select", "select review.settle(null, null)",
		"select review.unclose(null)", "select review.close_anomaly(null, 1, 'test_data', 'a reason', '{}', null)",
		"select review.fill(null, 1, 'test_data', '{}', null)",
		"select review.change(null, 1, 'note', 'closed', null, 'a reason')", "select review.tidy()",
		"select tenancy.accounts_of(null)", "select * from tenancy.account_link", "select review.casework(null)",
		"select review.breach_row(null)"} {
		var pg *pgconn.PgError
		if _, err := conn.Exec(t.Context(), sql); !errors.As(err, &pg) || pg.Code != "42501" {
			t.Errorf("a reviewer's login: %s: %v", sql, err)
		}
	}
}

// TestFourFactors: four texts, by who has the claim, on what they saw; the log's own facts go with them.
func TestFourFactors(t *testing.T) {
	d := newDesk(t)
	ctx := t.Context()
	dana, eli := d.e.Reviewer("dana"), d.e.Reviewer("eli")
	id := d.claimedBy(dana, "B", "casey")
	for i := range 3 {
		d.do(`insert into review.evidence (anomaly_id, event_id, recorded_at, at, action, outcome, record_table,
			record_id, subject_id, seq, hash, added_by_run)
			values ($1, $2, now(), now(), $3, $4, 'public.notes', gen_random_uuid(), gen_random_uuid(), 1, sha256('x'),
			gen_random_uuid())`, id, i+1, []string{"view", "export", "view"}[i], []string{"ok", "ok", "denied"}[i])
	}
	thin := assessed("breach")
	thin.Mitigated = "   nothing  "
	d.refused("three factors", id, "mitigated", func() error { return second(review.Assess(ctx, dana, id, 2, thin)) })
	d.refused("no outcome", id, "low_probability or breach",
		func() error { return second(review.Assess(ctx, dana, id, 2, assessed("perhaps"))) })
	d.refused("somebody else", id, "dana's",
		func() error { return second(review.Assess(ctx, eli, id, 2, assessed("breach"))) })
	d.refused("stale", id, "somebody changed",
		func() error { return second(review.Assess(ctx, dana, id, 1, assessed("breach"))) })
	d.refused("an auditor", id, "do not let you",
		func() error { return second(review.Assess(ctx, d.e.Reviewer("ana"), id, 2, assessed("breach"))) })

	won := d.atOnce(func(s *tenancy.Session) error { return second(review.Assess(ctx, s, id, 2, assessed("breach"))) },
		d.e.Reviewer("dana"), d.e.Reviewer("dana"))
	if n := wardtest.One[int](d.e, "select count(*) from review.assessment where anomaly_id = $1", id); won != 1 ||
		n != 1 {
		t.Fatalf("%d of two won, %d assessments", won, n)
	}
	details, err := review.Open(ctx, eli, id)
	if err != nil || len(details.Assessments) != 1 {
		t.Fatalf("%+v, %v", details.Assessments, err)
	}
	f := details.Assessments[0].Facts
	if f.Events != 3 || f.Shown != 2 || f.Exported != 1 || f.Denied != 1 || f.Patients != 3 ||
		!slices.Equal(f.Tables, []string{"public.notes"}) || f.Actor != "casey" ||
		!slices.Equal(f.Roles, []string{"clinician"}) {
		t.Errorf("the log's facts: %+v", f)
	}
	nature, recipient, acquired := f.Factors()
	if nature != "3 records of 3 patients in notes." || recipient != "casey (clinician) in 0 sessions." ||
		acquired != "The log has 2 accesses that returned data, 1 of them exports; 1 denied." {
		t.Errorf("%s %s %s", nature, recipient, acquired)
	}
	if d.now(id) != "in_review v3 assigned dana lease t - by - approved -, 3 transitions, 0 notes" ||
		details.Anomaly.EvidenceCount != 3 {
		t.Errorf("%s, %d events", d.now(id), details.Anomaly.EvidenceCount)
	}
}

// atOnce runs the same as several sessions at the same time and returns how many succeeded. Those that did not were
// told why.
func (d *desk) atOnce(what func(*tenancy.Session) error, sessions ...*tenancy.Session) int {
	d.t.Helper()
	errs := make([]error, len(sessions))
	var all sync.WaitGroup
	for i, s := range sessions {
		all.Go(func() { errs[i] = what(s) })
	}
	all.Wait()
	won := 0
	for _, err := range errs {
		var denied *tenancy.DeniedError
		switch {
		case err == nil:
			won++
		case !errors.As(err, &denied) ||
			(!errors.Is(err, tenancy.ErrConflict) && !errors.Is(err, tenancy.ErrNotYours) &&
				denied.SQLSTATE != "23505"):
			d.t.Error(err)
		}
	}
	return won
}

// TestTwiceAtOnce: of two who close, or move the date, at once, one wins, with one event.
func TestTwiceAtOnce(t *testing.T) {
	d := newDesk(t)
	ctx := t.Context()
	pair := func() []*tenancy.Session { return []*tenancy.Session{d.e.Reviewer("dana"), d.e.Reviewer("dana")} }
	two := pair()
	for name, what := range map[string]func(context.Context, *tenancy.Session, string) error{
		"close": func(ctx context.Context, s *tenancy.Session, id string) error {
			return second(closeAs("breach")(ctx, s, id, 2))
		},
		"several": func(ctx context.Context, s *tenancy.Session, id string) error {
			_, err := review.CloseMany(ctx, s, map[uuid.UUID]int{uuid.MustParse(id): 2}, 1, "test_data",
				"no real patient")
			return err
		},
		"discovery": func(ctx context.Context, s *tenancy.Session, id string) error {
			return second(review.Discovered(ctx, s, id, 2, review.Date(day(0)), "read in the log"))
		},
		"hold": func(ctx context.Context, s *tenancy.Session, id string) error {
			return second(review.LawHold(ctx, s, id, 2, review.Date(day(20)), false, "Agent Smith, FBI"))
		},
		"attach": func(ctx context.Context, s *tenancy.Session, id string) error {
			return second(review.Attach(ctx, s, id, "x.txt", []byte("x")))
		},
		"wait": func(ctx context.Context, s *tenancy.Session, id string) error {
			return second(review.Wait(ctx, s, id, 2, "for the badge log"))
		},
	} {
		id := d.claimedBy(two[0], "B", "casey")
		last := d.lastEvent()
		if won := d.atOnce(func(s *tenancy.Session) error { return what(ctx, s, id) }, two...); won != 1 ||
			len(d.events(last)) != 1 {
			t.Errorf("%s: %d won, events %q", name, won, d.events(last))
		}
	}
}

// TestCloseMany: alike, few, ungraded ones together; all or none; one event each in one batch.
func TestCloseMany(t *testing.T) {
	d := newDesk(t)
	ctx := t.Context()
	dana, eli := d.e.Reviewer("dana"), d.e.Reviewer("eli")
	ids := []string{d.anomaly("cedar", "B", "casey"), d.anomaly("cedar", "B", "carla"), d.claimedBy(dana, "B", "frank")}
	seen := func(list ...string) map[uuid.UUID]int {
		m := map[uuid.UUID]int{}
		for _, id := range list {
			m[uuid.MustParse(id)] = wardtest.One[int](d.e, "select version from review.anomaly where id = $1", id)
		}
		return m
	}
	try := func(s *tenancy.Session, m map[uuid.UUID]int, n int, disposition string, list ...string) func() error {
		return func() error {
			_, err := review.CloseMany(ctx, s, m, n, disposition, "a nightly job, seen by the manager",
				fields(list...)...)
			return err
		}
	}
	first := ids[0]
	d.refused("another count", first, "these are 3 anomalies, not 2", try(dana, seen(ids...), 2, "test_data"))
	d.refused("breach", first, "closed as breach one at a time",
		try(dana, seen(ids...), 3, "breach", "affected=3", "unassessed=notify_without_assessment"))
	d.refused("low probability", first, "one at a time",
		try(dana, seen(ids...), 3, "impermissible_low_probability"))
	d.refused("tier A among them", first, "one rule and one clinic",
		try(dana, seen(append(ids, d.anomaly("cedar", "A", "carla"))...), 4, "test_data"))
	d.refused("tier A alone", first, "tier A is closed by itself",
		try(dana, seen(d.anomaly("cedar", "A", "carla")), 1, "test_data"))
	d.refused("two clinics", first, "one rule and one clinic",
		try(dana, seen(append(ids, d.anomaly("harbor", "B", "hugo"))...), 4, "test_data"))
	d.refused("another's", first, "is dana's: nothing was closed", try(eli, seen(ids...), 3, "test_data"))
	d.refused("about oneself", first, "about yourself",
		try(dana, seen(append(ids, d.anomaly("cedar", "B", "dana"))...), 4, "test_data"))
	d.refused("no answers", first, "needs: cause", try(dana, seen(ids...), 3, "false_positive_rule"))
	d.refused("an auditor", first, "do not let you", try(d.e.Reviewer("ana"), seen(ids...), 3, "test_data"))
	stale := seen(ids...)
	stale[uuid.MustParse(ids[2])] = 1
	d.refused("one of them stale", first, "somebody changed", try(dana, stale, 3, "test_data"))
	many := map[uuid.UUID]int{}
	for range review.MostAtOnce + 1 {
		many[uuid.New()] = 1
	}
	d.refused("too many", first, "1 to 50 anomalies, not 51", try(dana, many, 51, "test_data"))
	d.refused("none", first, "1 to 50 anomalies, not 0", try(dana, nil, 0, "test_data"))

	last := d.lastEvent()
	if err := try(dana, seen(ids...), 3, "false_positive_rule", "cause=threshold")(); err != nil {
		t.Fatal(err)
	}
	if got := d.events(last); !slices.Equal(got, []string{"dana close@cedar", "dana close@cedar", "dana close@cedar"}) {
		t.Errorf("events %q", got)
	}
	batches := wardtest.One[string](d.e, `select format('%s %s %s', count(*), count(distinct t.batch_id),
			bool_and(t.batch_id::text = e.detail::jsonb->>'batch_id')) from review.transition t join audit.event e
			using (event_id) where t.to_state = 'closed'`)
	if batches != "3 1 t" {
		t.Errorf("transitions, batches, in the event: %s", batches)
	}
	for _, id := range ids {
		if !strings.HasPrefix(d.now(id), "closed ") || !strings.Contains(d.now(id), "false_positive_rule by dana") {
			t.Error(d.now(id))
		}
	}
}

// TestDuplicatesAreMerged: into one that goes on, never in a ring, and with the second person where the tier asks for
// one.
func TestDuplicatesAreMerged(t *testing.T) {
	d := newDesk(t)
	ctx := t.Context()
	dana, eli := d.e.Reviewer("dana"), d.e.Reviewer("eli")
	target, grave := d.anomaly("cedar", "B", "casey"), d.claimedBy(dana, "A", "casey")
	d.must(review.Close(ctx, dana, grave, 2, "duplicate", "the same afternoon", fields("duplicate_of="+target)...))
	if got := d.now(grave); !strings.HasPrefix(got, "pending_approval") {
		t.Fatal(got)
	}
	// a ring: the target is merged into it while it waits
	d.must(review.Claim(ctx, eli, target, 1))
	d.must(review.Close(ctx, eli, target, 2, "duplicate", "the same afternoon", fields("duplicate_of="+grave)...))
	d.refused("a ring", grave, "was merged itself meanwhile",
		func() error { return second(review.Approve(ctx, eli, grave, 3, true, "I agree")) })
	d.must(review.Reopen(ctx, eli, target, 3, "the other one goes on elsewhere"))
	d.must(review.Approve(ctx, eli, grave, 3, true, "I agree"))
	if got := d.now(grave); !strings.HasPrefix(got, "merged v4") || !strings.Contains(got, "approved eli") {
		t.Error(got)
	}
	details, err := review.Open(ctx, dana, target)
	if err != nil || !slices.ContainsFunc(details.Links, func(l review.Link) bool {
		return l.ID.String() == grave && l.Kind == "merged_here" && l.State == "merged"
	}) {
		t.Errorf("%+v, %v", details.Links, err)
	}
	d.must(review.Reopen(ctx, dana, grave, 4, "it was another afternoon"))
	other := d.anomaly("harbor", "B", "hugo")
	d.must(review.LinkAnomalies(ctx, dana, grave, other, "the same laptop"))
	d.refused("linked twice", grave, "linked already",
		func() error { return second(review.LinkAnomalies(ctx, dana, grave, other, "the same laptop")) })
	d.refused("to itself", grave, "linked to itself",
		func() error { return second(review.LinkAnomalies(ctx, dana, grave, grave, "the same laptop")) })
}

// TestTakeOver: what is another's is taken with a reason, which the one it was taken from is shown when they go on.
func TestTakeOver(t *testing.T) {
	d := newDesk(t)
	ctx := t.Context()
	dana, eli := d.e.Reviewer("dana"), d.e.Reviewer("eli")
	id := d.claimedBy(dana, "B", "casey")
	d.refused("no reason", id, "a reason", func() error { return second(review.Take(ctx, eli, id, 2, " ")) })
	d.refused("one's own", id, "nobody else's",
		func() error { return second(review.Take(ctx, dana, id, 2, "in a hurry")) })
	d.refused("about oneself", id, "about yourself", func() error {
		d.do("update review.anomaly set actor_id = (select id from tenancy.users where slug = 'eli') where id = $1", id)
		defer d.do("update review.anomaly set actor_id = (select id from tenancy.users where slug = 'casey') "+
			"where id = $1", id)
		return second(review.Take(ctx, eli, id, 2, "in a hurry"))
	})
	d.must(review.Take(ctx, eli, id, 2, "dana is on leave"))
	if got := d.now(id); got != "claimed v3 assigned eli lease t - by - approved -, 3 transitions, 0 notes" {
		t.Error(got)
	}
	d.refused("going on", id, "eli's", func() error { return second(review.Wait(ctx, dana, id, 2, "waiting for HR")) })
	if from := wardtest.One[string](d.e, "select detail::jsonb->>'taken_from' || ': ' || (detail::jsonb->>'reason') "+
		"from audit.event where action = 'claim' order by event_id desc limit 1"); from != "dana: dana is on leave" {
		t.Error(from)
	}
	// work that somebody has begun, or was given, is not claimed away when the time to edit is over
	d.must(review.Wait(ctx, eli, id, 3, "waiting for HR"))
	d.do("update review.anomaly set lease_until = clock_timestamp() where id = $1", id)
	d.refused("begun", id, "eli's", func() error { return second(review.Claim(ctx, dana, id, 4)) })
	given := d.anomaly("cedar", "B", "casey")
	d.must(review.Assign(ctx, dana, given, 1, "eli", "knows the clinic"))
	d.refused("given", given, "eli's", func() error { return second(review.Claim(ctx, dana, given, 2)) })
}

// TestTimeAloneChanges: an idle claim is new again, visibly and still assigned; an undetermined one comes back on its
// day. Each by the worker, once, with its event.
func TestTimeAloneChanges(t *testing.T) {
	d := newDesk(t)
	ctx := t.Context()
	dana := d.e.Reviewer("dana")
	idle, busy, begun, later := d.claimedBy(dana, "B", "casey"), d.claimedBy(dana, "B", "carla"),
		d.claimedBy(dana, "B", "frank"), d.claimedBy(dana, "B", "hugo")
	d.must(review.Wait(ctx, dana, begun, 2, "waiting for HR"))
	d.must(review.Close(ctx, dana, later, 2, "undetermined", "the badge log is lost",
		fields("missing=the badge log", "review_on="+day(30))...))
	d.must(review.Approve(ctx, d.e.Reviewer("eli"), later, 3, true, "so be it"))
	d.do("update review.anomaly set lease_until = clock_timestamp() - interval '1 second' where id = any ($1)",
		[]string{idle, begun})
	worker := d.e.Open("ward_worker").Pool()
	tidy := func(want int, events ...string) {
		t.Helper()
		last := d.lastEvent()
		n, err := review.Tidy(ctx, worker)
		if err != nil || n != want || !slices.Equal(d.events(last), events) {
			t.Errorf("%d changed, %v; events %q, want %q", n, err, d.events(last), events)
		}
	}
	tidy(1, "ward-worker assign@cedar")
	if got := d.now(idle); got != "new v3 assigned dana lease f - by - approved -, 3 transitions, 0 notes" {
		t.Error(got)
	}
	if !strings.HasPrefix(d.now(busy), "claimed v2") || !strings.HasPrefix(d.now(begun), "waiting_info v3") {
		t.Errorf("%s; %s", d.now(busy), d.now(begun))
	}
	tidy(0)
	mine := d.queue(d.e.Reviewer("eli"), review.QueueFilter{Mine: true})
	if got := idsOf(mine); !slices.Equal(got, []string{idle}) {
		t.Errorf("eli may take %q", got)
	}
	// a newer one of the same matter is open: it waits for that
	d.do("update review.anomaly set review_on = $2::date where id = $1", later, day(0))
	newer := d.claimedBy(dana, "B", "hugo")
	d.do("update review.anomaly set key = (select key from review.anomaly where id = $2) where id = $1", newer, later)
	tidy(0)
	d.must(review.Close(ctx, dana, newer, 2, "test_data", "no real patient"))
	tidy(1, "ward-worker reopen@cedar")
	if got := d.now(later); got != "new v5 assigned - lease f - by - approved -, 5 transitions, 0 notes" {
		t.Error(got)
	}
	tidy(0)
}
