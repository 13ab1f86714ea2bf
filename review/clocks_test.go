package review_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/ward-health/ward/internal/wardtest"
	"github.com/ward-health/ward/review"
	"github.com/ward-health/ward/tenancy"
)

// deadlines are an anomaly's, each as "recipient +days why made", days after its discovery.
func (d *desk) deadlines(s *tenancy.Session, id string) (review.Details, []string) {
	d.t.Helper()
	details, err := review.Open(d.t.Context(), s, id)
	if err != nil {
		d.t.Fatal(err)
	}
	from, err := time.Parse(time.DateOnly, string(details.Anomaly.DiscoveredOn))
	if err != nil {
		d.t.Fatal(err)
	}
	var out []string
	for _, x := range details.Deadlines {
		text := fmt.Sprintf("%s +%d %s", x.Recipient, x.DueOn.Days(from), x.Why)
		if x.MadeOn != nil {
			text += " made"
		}
		out = append(out, text)
	}
	slices.Sort(out)
	return details, out
}

func (d *desk) clocks(s *tenancy.Session, id string, want ...string) {
	d.t.Helper()
	details, got := d.deadlines(s, id)
	if !slices.Equal(got, want) {
		d.t.Errorf("deadlines %q, want %q", got, want)
	}
	var earliest *review.Date
	for _, x := range details.Deadlines {
		if x.MadeOn == nil && (earliest == nil || x.DueOn < *earliest) {
			earliest = &x.DueOn
		}
	}
	if due := details.Anomaly.DueOn; (due == nil) != (earliest == nil) || (due != nil && *due != *earliest) {
		d.t.Errorf("the queue says %v, the deadlines %v", due, earliest)
	}
}

// found sets when an anomaly was found, so that its dates do not depend on the day of the test.
func (d *desk) found(id, on string) {
	d.t.Helper()
	d.do("update review.anomaly set discovered_on = $2::date, first_at = $2::date where id = $1", id, on)
	d.do("select review.settle($1, null)", id)
}

// TestClocks: 60 days, a shorter contract, a State's law, a hold, HHS and the media by numbers, and the end of each
// with its notice.
func TestClocks(t *testing.T) {
	d := newDesk(t)
	ctx := t.Context()
	dana, eli, root := d.e.Reviewer("dana"), d.e.Reviewer("eli"), d.e.Reviewer("root")
	ok := func(_ int64, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	id := d.claimedBy(dana, "B", "casey")
	d.clocks(dana, id, "individuals +60 164.404(b)")
	for name, err := range map[string]error{
		"officer":  third(review.SetTenantTerm(ctx, dana, "cedar", "CA", 10, "BAA of 2026")),
		"too long": third(review.SetTenantTerm(ctx, root, "cedar", "CA", 61, "BAA of 2026")),
		"no State": third(review.SetStateTerm(ctx, root, "Calif", 15, "H&S 1280.15")),
		"no law":   third(review.SetStateTerm(ctx, root, "CA", 15, "")),
	} {
		if err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	ok(review.SetTenantTerm(ctx, root, "cedar", "CA", 10, "BAA of 2026"))
	d.clocks(dana, id, "covered_entity +10 164.410 and the contract", "individuals +60 164.404(b)")
	ok(review.SetStateTerm(ctx, root, "CA", 15, "a law of CA"))
	ok(review.SetStateTerm(ctx, root, "NV", 5, "a law of NV"))
	d.clocks(dana, id, "covered_entity +10 164.410 and the contract", "individuals +15 CA: a law of CA")
	elsewhere := d.anomaly("harbor", "B", "hugo")
	d.clocks(dana, elsewhere, "individuals +60 164.404(b)")

	// waiting for information stops nothing
	d.must(review.Wait(ctx, dana, id, 2, "the clinic answers on Monday"))
	d.clocks(dana, id, "covered_entity +10 164.410 and the contract", "individuals +15 CA: a law of CA")
	// an undecided one goes; nothing but a breach has a clock after it is closed
	d.must(review.Close(ctx, dana, id, 3, "test_data", "no real patient"))
	d.clocks(dana, id)
	d.must(review.Reopen(ctx, dana, id, 4, "it was one"))
	d.clocks(dana, id, "covered_entity +10 164.410 and the contract", "individuals +15 CA: a law of CA")

	// a breach: whose residents they are is known now, and how many
	d.found(id, "2026-03-10")
	d.must(review.Close(ctx, dana, id, 5, "breach", "a laptop was stolen",
		fields("affected=600", "residents=NY:501,TX:99", "unassessed=notify_without_assessment")...))
	federal := []string{"covered_entity +10 164.410 and the contract", "hhs +60 164.408(b)",
		"individuals +60 164.404(b)", "media +60 164.406"}
	d.clocks(dana, id, federal...)
	d.refused("a notice before it is decided", id, "closed as a breach", func() error {
		return second(review.Notified(ctx, dana, id, 6, "hhs", review.Date(day(0)), "portal 4711"))
	})
	d.must(review.Approve(ctx, eli, id, 6, true, "I agree"))
	small := d.claimedBy(dana, "B", "carla")
	d.found(small, "2026-03-10")
	d.must(review.Close(ctx, dana, small, 2, "breach", "a letter went astray",
		fields("affected=1", "residents=NV:1", "unassessed=notify_without_assessment")...))
	// 1 March 2027, 60 days after the year's end
	d.clocks(dana, small, "covered_entity +10 164.410 and the contract", fmt.Sprintf("hhs +%d 164.408(c)",
		review.Date("2027-03-01").Days(time.Date(2026, 3, 10, 0, 0, 0, 0, time.UTC))), "individuals +5 NV: a law of NV")

	// an official asks to wait: the federal dates wait, the contract's does not
	d.do("update review.anomaly set discovered_on = $2::date where id = $1", id, day(-50))
	d.do("select review.settle($1, null)", id)
	d.refused("a word for too long", id, "30 days at most", func() error {
		return second(review.LawHold(ctx, dana, id, 7, review.Date(day(31)), false, "Agent Smith, FBI"))
	})
	d.refused("a hold that is over", id, "must end after today", func() error {
		return second(review.LawHold(ctx, dana, id, 7, review.Date(day(0)), true, "Agent Smith, FBI"))
	})
	d.refused("by nobody", id, "needs the name of the official",
		func() error { return second(review.LawHold(ctx, dana, id, 7, review.Date(day(20)), true, " ")) })
	d.must(review.LawHold(ctx, dana, id, 7, review.Date(day(40)), true, "Agent Smith, FBI"))
	d.clocks(dana, id, "covered_entity +10 164.410 and the contract", "hhs +90 164.408(b)",
		"individuals +90 164.404(b)", "media +90 164.406")
	d.sqlRefused("law_hold_check", "insert into review.law_hold (anomaly_id, until, written, official, by_user, "+
		"event_id) select $1, current_date + 40, false, 'somebody', id, 1 from tenancy.users where slug = 'dana'", id)

	for i, duty := range review.NotificationRecipients() {
		d.refused("tomorrow's notice", id, "and today, not on", func() error {
			return second(review.Notified(ctx, dana, id, 8+i, duty, review.Date(day(1)), "letter of 3 May"))
		})
		d.must(review.Notified(ctx, dana, id, 8+i, duty, review.Date(day(-1)), "letter of 3 May"))
	}
	d.clocks(dana, id, "covered_entity +10 164.410 and the contract made", "hhs +90 164.408(b) made",
		"individuals +90 164.404(b) made", "media +90 164.406 made")
	d.refused("no such duty", small, "closed as a breach", func() error {
		return second(review.Notified(ctx, dana, small, 3, "media", review.Date(day(-1)), "press release"))
	})
	ok(review.SetStateTerm(ctx, root, "NV", 0, "that law was repealed"))
	if got := wardtest.One[string](d.e, "select (due_on - discovered_on)::text from review.anomaly where id = $1",
		small); got != "10" {
		t.Errorf("without the State's law %s days are left", got)
	}
	if terms, err := review.Terms(ctx, eli); err != nil || len(terms) != 2 || terms[0].Tenant == nil ||
		*terms[0].Days != 10 || terms[1].State == nil || *terms[1].State != "CA" {
		t.Errorf("%+v, %v", terms, err)
	}
}

// TestDiscovery: it is the day on which it was found, until one says otherwise with a reason and another agrees.
func TestDiscovery(t *testing.T) {
	d := newDesk(t)
	ctx := t.Context()
	dana, eli := d.e.Reviewer("dana"), d.e.Reviewer("eli")
	id := d.anomaly("cedar", "B", "casey")
	d.do("update review.anomaly set first_at = $2::date where id = $1", id, day(-9))
	propose := func(s *tenancy.Session, seen int, on, why string) func() error {
		return func() error { return second(review.Discovered(ctx, s, id, seen, review.Date(on), why)) }
	}
	answer := func(s *tenancy.Session, seen int, accept bool) func() error {
		return func() error { return second(review.ConfirmDiscovery(ctx, s, id, seen, accept, "read it too")) }
	}
	d.refused("nothing proposed", id, "no other date", answer(eli, 1, true))
	d.refused("before it happened", id, "is before what happened", propose(dana, 1, day(-10), "read in the log"))
	d.refused("in the future", id, "in the future", propose(dana, 1, day(1), "read in the log"))
	d.refused("no reason", id, "a reason", propose(dana, 1, day(-5), ""))
	d.refused("no day", id, "", propose(dana, 1, "soon", "read in the log"))
	d.refused("an auditor", id, "do not let you", propose(d.e.Reviewer("ana"), 1, day(-5), "read in the log"))
	d.refused("stale", id, "somebody changed", propose(dana, 2, day(-5), "read in the log"))
	if err := propose(dana, 1, day(-5), "a nurse told her manager")(); err != nil {
		t.Fatal(err)
	}
	if details, _ := d.deadlines(eli, id); string(details.Anomaly.DiscoveredOn) != day(0) ||
		len(details.Discoveries) != 1 || details.Discoveries[0].Accepted != nil {
		t.Errorf("one person alone moved it: %s, %+v", details.Anomaly.DiscoveredOn, details.Discoveries)
	}
	d.refused("another while one waits", id, "is proposed already: a second person",
		propose(eli, 2, day(-4), "read in the log"))
	d.refused("oneself", id, "you proposed", answer(dana, 2, true))
	d.refused("stale answer", id, "somebody changed", answer(eli, 1, true))
	proposal := wardtest.One[int64](d.e, "select id from review.discovery")
	const byHand = "insert into review.discovery (anomaly_id, answers, accepted, reason, by_user, event_id) " +
		"select $1, $2, true, 'why not', id, 1 from tenancy.users where slug = 'dana'"
	d.sqlRefused("you proposed this date", byHand, id, proposal)
	d.must(review.Claim(ctx, dana, id, 2))
	d.refused("closing while it waits", id, "refuse it before the closing",
		func() error { return second(closeAs("breach")(ctx, dana, id, 3)) })
	if err := answer(eli, 3, false)(); err != nil {
		t.Fatal(err)
	}
	if err := propose(dana, 4, day(-5), "a nurse told her manager, in writing")(); err != nil {
		t.Fatal(err)
	}
	if won := d.atOnce(func(s *tenancy.Session) error {
		return second(review.ConfirmDiscovery(ctx, s, id, 5, true, "seen"))
	}, d.e.Reviewer("eli"), d.e.Reviewer("eli")); won != 1 {
		t.Errorf("%d of two confirmed it", won)
	}
	details, got := d.deadlines(eli, id)
	if string(details.Anomaly.DiscoveredOn) != day(-5) || string(*details.Anomaly.DueOn) != day(55) ||
		!slices.Equal(got, []string{"individuals +60 164.404(b)"}) {
		t.Errorf("confirmed: %s, due %s, %q", details.Anomaly.DiscoveredOn, *details.Anomaly.DueOn, got)
	}
	if n := len(details.Discoveries); n != 2 || *details.Discoveries[0].Accepted || !*details.Discoveries[1].Accepted ||
		*details.Discoveries[1].AnsweredBy != "eli" {
		t.Errorf("%+v", details.Discoveries)
	}
	d.chained(id)
}

// TestQueueOrders: by the legal clock and by the time to close, page by page, and what is due within days.
func TestQueueOrders(t *testing.T) {
	d := newDesk(t)
	dana := d.e.Reviewer("dana")
	var ids []string
	for i := range 5 {
		id := d.anomaly("cedar", "B", "casey")
		d.do("update review.anomaly set due_on = $2::date, close_by = $3::date where id = $1", id, day(50-10*i),
			day([]int{3, 1, 4, 0, 2}[i]))
		ids = append(ids, id)
	}
	for sort, want := range map[string][]string{"due": {ids[4], ids[3], ids[2], ids[1], ids[0]},
		"close": {ids[3], ids[1], ids[4], ids[0], ids[2]}, "worst": ids} {
		var got []string
		var after *uuid.UUID
		for range 3 {
			page := d.queue(dana, review.QueueFilter{Sort: sort, Limit: 2, After: after})
			for _, a := range page {
				got = append(got, a.ID.String())
				after = &a.ID
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", sort, got, want)
		}
	}
	within := 25
	if got := idsOf(d.queue(dana, review.QueueFilter{Due: &within})); !slices.Equal(got, sorted(ids[3], ids[4])) {
		t.Errorf("due within %d days: %q", within, got)
	}
	d.must(review.Claim(t.Context(), dana, ids[0], 1))
	d.must(review.Close(t.Context(), dana, ids[0], 2, "test_data", "no real patient"))
	if got := idsOf(d.queue(dana, review.QueueFilter{IDs: ids[:2]})); !slices.Equal(got, sorted(ids[:2]...)) {
		t.Errorf("by id: %q", got)
	}
	if _, err := review.Queue(t.Context(), dana, review.QueueFilter{Sort: "random"}); err == nil {
		t.Error("an order that there is not")
	}
}

// TestTimeToAct: claim and close within business days by severity, and how late an anomaly is.
func TestTimeToAct(t *testing.T) {
	d := newDesk(t)
	for _, c := range []struct {
		from string
		days int
		want string
	}{{"2026-11-27", 1, "2026-11-30"}, {"2026-11-27", 3, "2026-12-02"}, {"2026-11-28", 1, "2026-11-30"},
		{"2026-11-25", 2, "2026-11-27"}, {"2026-11-27", 10, "2026-12-11"}, {"2026-11-27", 60, "2027-02-19"}} {
		if got := wardtest.One[string](d.e, "select core.business_day($1::date, $2)::text", c.from,
			c.days); got != c.want {
			t.Errorf("%d business days after %s: %s, want %s", c.days, c.from, got, c.want)
		}
	}
	id := d.anomaly("cedar", "B", "casey") // high: 2 and 10
	got := wardtest.One[bool](d.e, "select claim_by = core.business_day(discovered_on, 2) "+
		"and close_by = core.business_day(discovered_on, 10) from review.anomaly where id = $1", id)
	if !got {
		t.Error("the times of a high one are not 2 and 10 business days")
	}
	now := time.Now()
	for _, c := range []struct {
		state            string
		claimBy, closeBy int
		want             string
	}{{"new", 0, 0, ""}, {"new", -1, 5, "claim"}, {"claimed", -1, 5, ""}, {"claimed", -9, -1, "close"},
		{"new", -9, -1, "close"}, {"waiting_info", -9, -1, "close"}, {"pending_approval", -9, -1, ""},
		{"closed", -9, -1, ""}} {
		claimBy, closeBy := review.Date(day(c.claimBy)), review.Date(day(c.closeBy))
		a := review.Anomaly{State: c.state, ClaimBy: &claimBy, CloseBy: &closeBy}
		if late := a.Late(now); late != c.want {
			t.Errorf("%+v: late to %q", c, late)
		}
	}
}

// TestBreachLog: those discovered in a year, closed and approved, within the reach; each look on record, the year's as
// an export.
func TestBreachLog(t *testing.T) {
	d := newDesk(t)
	ctx := t.Context()
	dana, eli, ana := d.e.Reviewer("dana"), d.e.Reviewer("eli"), d.e.Reviewer("ana")
	id := d.claimedBy(dana, "B", "casey")
	d.found(id, "2025-12-30")
	d.must(review.Assess(ctx, dana, id, 2, assessed("breach")))
	d.must(review.Close(ctx, dana, id, 3, "breach", "it left the clinic", fields("affected=3", "residents=CA:3")...))
	d.must(review.Approve(ctx, eli, id, 4, true, "I agree"))
	pending := d.claimedBy(dana, "B", "carla")
	d.found(pending, "2025-12-31")
	d.must(closeAs("breach")(ctx, dana, pending, 2))
	next := d.claimedBy(dana, "B", "frank")
	d.found(next, "2026-01-01")
	d.must(closeAs("breach")(ctx, dana, next, 2))
	d.must(review.Approve(ctx, eli, next, 3, true, "I agree"))
	last := d.lastEvent()
	year := 2025
	log, err := review.Breaches(ctx, ana, &year)
	if err != nil || len(log) != 1 || log[0].ID.String() != id {
		t.Fatalf("%+v, %v", log, err)
	}
	b := log[0]
	if *b.Affected != 3 || *b.Residents != "CA:3" || *b.Nature == "" || *b.ClosedBy != "dana" ||
		*b.ApprovedBy != "eli" || b.DiscoveredOn != "2025-12-30" || len(b.Deadlines) != 2 ||
		b.Deadlines[0].DueOn != "2026-02-28" || b.Deadlines[1].DueOn != "2026-03-01" {
		t.Errorf("%+v", b)
	}
	if got := sorted(d.events(last)...); !slices.Equal(got, []string{"ana export@cedar", "ana export@installation"}) {
		t.Errorf("events %q", got)
	}
	d.listed(last, "cedar", id)
	all, err := review.Breaches(ctx, ana, nil)
	if err != nil || len(all) != 3 || all[1].State != "pending_approval" {
		t.Errorf("%+v, %v", all, err)
	}
	last = d.lastEvent()
	if _, err := review.Breaches(ctx, d.e.Reviewer("omar"), &year); err == nil || len(d.events(last)) != 0 {
		t.Errorf("an engineer exports the log: %v, events %q", err, d.events(last))
	}
}

// TestAttachments: kept by hash, bounded, read by a look of its own, changed by nobody.
func TestAttachments(t *testing.T) {
	d := newDesk(t)
	ctx := t.Context()
	dana, ana := d.e.Reviewer("dana"), d.e.Reviewer("ana")
	id, about := d.anomaly("cedar", "B", "casey"), d.anomaly("cedar", "B", "dana")
	last := d.lastEvent()
	d.must(review.Attach(ctx, dana, id, "letter.txt", []byte("signed\x00by the manager")))
	if got := d.events(last); !slices.Equal(got, []string{"dana note@cedar"}) {
		t.Errorf("events %q", got)
	}
	attach := func(s *tenancy.Session, to, name string, content []byte) func() error {
		return func() error { return second(review.Attach(ctx, s, to, name, content)) }
	}
	d.refused("the same again", id, "attached to this anomaly already",
		attach(dana, id, "again.txt", []byte("signed\x00by the manager")))
	d.refused("empty", id, "1 byte to 5 MiB", attach(dana, id, "empty.txt", nil))
	d.refused("too large", id, "at most", attach(dana, id, "large.bin", make([]byte, review.MaxFile+1)))
	d.refused("a path", id, "no slash", attach(dana, id, "../x", []byte("x")))
	d.refused("an escape", id, "no control", attach(dana, id, "a\x1b[2Jb", []byte("x")))
	d.refused("an auditor", id, "do not let you", attach(ana, id, "x.txt", []byte("x")))
	d.refused("about oneself", about, "about yourself", attach(dana, about, "x.txt", []byte("x")))
	details, err := review.Open(ctx, ana, id)
	if err != nil || len(details.Files) != 1 || details.Files[0].Name != "letter.txt" || details.Files[0].Bytes != 21 {
		t.Fatalf("%+v, %v", details.Files, err)
	}
	last = d.lastEvent()
	file, err := review.OpenAttachment(ctx, ana, id, details.Files[0].SHA256[:8])
	if err != nil || string(file.Content) != "signed\x00by the manager" || file.SHA256 != details.Files[0].SHA256 {
		t.Errorf("%+v, %v", file, err)
	}
	if got := d.events(last); !slices.Equal(got, []string{"ana open@cedar"}) {
		t.Errorf("events %q", got)
	}
	d.refused("no such file", id, "no file",
		func() error { _, err := review.OpenAttachment(ctx, ana, id, "0000"); return err })
	d.refused("no hash", id, "SHA-256", func() error { _, err := review.OpenAttachment(ctx, ana, id, "%"); return err })
	d.refused("another clinic's engineer", id, "no anomaly", func() error {
		d.do("update tenancy.reviewer_grant set tenant_id = (select id from tenancy.tenant where slug = 'harbor') " +
			"where role = 'on_call_engineer'")
		_, err := review.OpenAttachment(ctx, d.e.Reviewer("omar"), id, details.Files[0].SHA256[:8])
		return err
	})
	// without a look of its own nothing is read
	err = ana.Tx(ctx, uuid.New(), func(tx tenancy.Tx) error {
		rows, err := tx.Query(ctx, "select content from review.attachment_opened()")
		if err != nil {
			return err
		}
		rows.Close()
		return rows.Err()
	})
	if err == nil || !strings.Contains(err.Error(), "was not recorded") {
		t.Errorf("read without a look: %v", err)
	}
	for i := range review.MaxFiles - 1 {
		d.must(review.Attach(ctx, dana, id, fmt.Sprintf("%d.txt", i), []byte{byte(i)}))
	}
	d.refused("one too many", id, "has 20 files", attach(dana, id, "x.txt", []byte("x")))
	if large := d.anomaly("cedar", "B", "casey"); large != "" {
		d.must(review.Attach(ctx, dana, large, "large.bin", make([]byte, review.MaxFile)))
	}
}

// TestOnePersonTwoAccounts: a conflict of interest under one account is one under the others, through every function,
// by hand in the tables, and as a patient.
func TestOnePersonTwoAccounts(t *testing.T) {
	d := newDesk(t)
	ctx := t.Context()
	dana, eli, root := d.e.Reviewer("dana"), d.e.Reviewer("eli"), d.e.Reviewer("root")
	for name, err := range map[string]error{
		"an officer links": third(review.LinkAccounts(ctx, dana, "casey", "eli", "the same person")),
		"one account":      third(review.LinkAccounts(ctx, root, "casey", "casey", "the same person")),
		"no reason":        third(review.LinkAccounts(ctx, root, "casey", "dana", "")),
		"nobody":           third(review.LinkAccounts(ctx, root, "casey", "nobody", "the same person")),
	} {
		if err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	before := d.claimedBy(dana, "B", "casey") // claimed while nobody knew
	d.must(closeAs("breach")(ctx, dana, d.claimedBy(dana, "B", "carla"), 2))
	closedByDana := wardtest.One[string](d.e, "select id::text from review.anomaly where state = 'pending_approval'")
	link := func(a, b string) {
		t.Helper()
		if _, err := review.LinkAccounts(ctx, root, a, b, "HR says it is one person"); err != nil {
			t.Fatal(err)
		}
	}
	link("casey", "frank") // over two links
	link("dana", "frank")
	fresh := d.anomaly("cedar", "B", "casey")
	today := review.Date(day(0))
	interested := func(s *tenancy.Session, id string, seen int) map[string]func() error {
		return map[string]func() error{
			"claim":      func() error { return second(review.Claim(ctx, s, id, seen)) },
			"note":       func() error { return second(review.AddNote(ctx, s, id, "it was nothing")) },
			"take":       func() error { return second(review.Take(ctx, s, id, seen, "in a hurry")) },
			"assign":     func() error { return second(review.Assign(ctx, s, id, seen, "eli", "you know them")) },
			"attach":     func() error { return second(review.Attach(ctx, s, id, "x.txt", []byte("x"))) },
			"link":       func() error { return second(review.LinkAnomalies(ctx, s, id, closedByDana, "alike")) },
			"wait":       func() error { return second(review.Wait(ctx, s, id, seen, "for HR")) },
			"close":      func() error { return second(closeAs("test_data")(ctx, s, id, seen)) },
			"assess":     func() error { return second(review.Assess(ctx, s, id, seen, assessed("breach"))) },
			"discovered": func() error { return second(review.Discovered(ctx, s, id, seen, today, "I know best")) },
			"hold": func() error {
				return second(review.LawHold(ctx, s, id, seen, review.Date(day(9)), true, "Agent Smith, FBI"))
			},
			"escalate": func() error { return second(review.Escalate(ctx, s, id, seen, "an incident")) },
			"several": func() error {
				_, err := review.CloseMany(ctx, s, map[uuid.UUID]int{uuid.MustParse(id): seen}, 1, "test_data",
					"no real patient")
				return err
			},
		}
	}
	for _, c := range []struct {
		id   string
		seen int
	}{{fresh, 1}, {before, 2}} {
		for name, what := range interested(dana, c.id, c.seen) {
			if err := what(); !errors.Is(err, tenancy.ErrConflictOfInterest) {
				t.Errorf("%s of an anomaly about one's other account: %v", name, err)
			}
		}
	}
	if _, err := review.Assign(ctx, eli, fresh, 1, "dana",
		"you know them"); !errors.Is(err, tenancy.ErrConflictOfInterest) ||
		!strings.Contains(err.Error(), "about dana") {
		t.Errorf("assigning it to them: %v", err)
	}
	user := func(slug string) string { return fmt.Sprintf("(select id from tenancy.users where slug = '%s')", slug) }
	for _, set := range []string{"assigned_to", "closed_by", "approved_by"} {
		d.sqlRefused("this anomaly is about dana",
			"update review.anomaly set "+set+" = "+user("dana")+" where id = $1", fresh)
	}
	d.sqlRefused("this anomaly is about dana",
		"insert into review.note (anomaly_id, by_user, text) select $1, "+user("dana")+", 'it was nothing'", fresh)
	d.sqlRefused("this anomaly is about dana", "insert into review.notice (anomaly_id, recipient, made_on, reference, "+
		"by_user, event_id) select $1, 'hhs', current_date, 'letter', "+user("dana")+", 1", fresh)

	// four eyes are of two persons
	link("eli", "hugo")
	link("hugo", "carla") // eli's other account is the actor of what dana closed
	if _, err := review.Approve(ctx, eli, closedByDana, 3, true,
		"I agree"); !errors.Is(err, tenancy.ErrConflictOfInterest) {
		t.Errorf("approving about one's other account: %v", err)
	}
	if _, err := review.UnlinkAccounts(ctx, root, "carla", "hugo", "another Carla"); err != nil {
		t.Fatal(err)
	}
	link("eli", "dana")
	if _, err := review.Approve(ctx, eli, closedByDana, 3, true, "I agree"); !errors.Is(err, tenancy.ErrSeparation) {
		t.Errorf("approving what one closed under another account: %v", err)
	}
	d.sqlRefused("nobody approves an anomaly that they closed",
		"update review.anomaly set approved_by = "+user("eli")+" where id = $1", closedByDana)
	if err := third(review.LinkAccounts(ctx, root, "casey", "eli", "the same person")); err == nil {
		t.Error("linked although they are linked already, over others")
	}
	link("root", "frank")
	if err := third(review.UnlinkAccounts(ctx, root, "dana", "frank", "not the same")); !errors.Is(err,
		tenancy.ErrSeparation) {
		t.Errorf("an administrator parts their own accounts: %v", err)
	}
	if links, err := review.AccountLinks(ctx, d.e.Reviewer("ana")); err != nil || len(links) != 6 ||
		links[3].EndedBy == nil || *links[3].EndedBy != "root" {
		t.Errorf("%+v, %v", links, err)
	}
	d.sqlRefused("never removed", "delete from tenancy.account_link")

	// a patient's portal account
	d.do("update tenancy.account_link set ended_at = now(), ended_by = linked_by, end_reason = 'start anew' " +
		"where ended_at is null")
	d.do(`insert into tenancy.membership (tenant_id, user_id, role, patient_id) select t.id, u.id, 'patient',
			'00000000-0000-4000-8000-000000000001' from tenancy.tenant t, tenancy.users u where t.slug = 'cedar'
			and u.slug = 'hugo'`)
	link("dana", "hugo")
	d.do("update review.anomaly set subject_id = '00000000-0000-4000-8000-000000000001', version = 1, state = 'new', "+
		"assigned_to = null, lease_until = null where id = $1", fresh)
	if _, err := review.Claim(ctx, dana, fresh, 1); !errors.Is(err, tenancy.ErrConflictOfInterest) {
		t.Errorf("claiming what is about oneself as a patient: %v", err)
	}
	several := d.anomaly("cedar", "B", "casey")
	d.do(`insert into review.evidence (anomaly_id, event_id, recorded_at, at, action, outcome, subject_id, seq, hash,
			added_by_run) values ($1, 1, now(), now(), 'view', 'ok', '00000000-0000-4000-8000-000000000001', 1,
			sha256('x'), gen_random_uuid())`, several)
	if _, err := review.Claim(ctx, dana, several, 1); !errors.Is(err, tenancy.ErrConflictOfInterest) {
		t.Errorf("claiming what is about oneself among other patients: %v", err)
	}
	d.must(review.Claim(ctx, eli, several, 1))
	// and a reviewer whom the clinic knows as a patient, without a portal account
	d.do("create table if not exists review.person_link (tenant_id uuid not null, user_id uuid " +
		"not null, patient_id uuid not null); alter table review.person_link owner to ward_owner")
	d.do("insert into review.person_link (tenant_id, user_id, patient_id) " +
		"select t.id, u.id, '00000000-0000-4000-8000-000000000002' from tenancy.tenant t, tenancy.users u " +
		"where t.slug = 'cedar' and u.slug = 'eli'")
	treated := d.anomaly("cedar", "B", "casey")
	d.do("update review.anomaly set subject_id = '00000000-0000-4000-8000-000000000002' where id = $1", treated)
	if _, err := review.Claim(ctx, eli, treated, 1); !errors.Is(err, tenancy.ErrConflictOfInterest) {
		t.Errorf("claiming what is about oneself as a patient of the clinic: %v", err)
	}
	d.must(review.Claim(ctx, d.e.Reviewer("dana"), treated, 1))
}
