package review_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"testing"

	"github.com/google/uuid"

	"github.com/ward-health/ward/internal/wardtest"
	"github.com/ward-health/ward/queries"
	"github.com/ward-health/ward/review"
	"github.com/ward-health/ward/tenancy"
)

func idsOf(list []review.Anomaly) []string {
	ids := make([]string, len(list))
	for i := range list {
		ids[i] = list[i].ID.String()
	}
	slices.Sort(ids)
	return ids
}

func sorted(list ...string) []string {
	slices.Sort(list)
	return list
}

func (d *desk) queue(s *tenancy.Session, f review.QueueFilter) []review.Anomaly {
	d.t.Helper()
	list, err := review.Queue(d.t.Context(), s, f)
	if err != nil {
		d.t.Fatal(err)
	}
	return list
}

// TestLookingIsRecorded at the grain at which a person looks: a page of the queue is one event that names the screen
// and one in each clinic shown that lists the ids; an anomaly opened is one.
func TestLookingIsRecorded(t *testing.T) {
	d := newDesk(t)
	dana := d.e.Reviewer("dana")
	c1, c2, h1 := d.anomaly("cedar", "A", "casey"), d.anomaly("cedar", "B", "carla"), d.anomaly("harbor", "B", "hugo")

	last := d.lastEvent()
	if got := idsOf(d.queue(dana, review.QueueFilter{})); !slices.Equal(got, sorted(c1, c2, h1)) {
		t.Fatalf("the queue is %q", got)
	}
	if got := sorted(d.events(last)...); !slices.Equal(got,
		[]string{"dana browse@cedar", "dana browse@harbor", "dana browse@installation"}) {
		t.Errorf("a page of two clinics: events %q", got)
	}
	d.listed(last, "cedar", c1, c2)
	d.listed(last, "harbor", h1)

	// pages: the first of two, then the rest
	last = d.lastEvent()
	page := d.queue(dana, review.QueueFilter{Limit: 2})
	d.listed(last, page[0].Tenant, idsOf(slices.DeleteFunc(slices.Clone(page),
		func(a review.Anomaly) bool { return a.Tenant != page[0].Tenant }))...)
	last = d.lastEvent()
	rest := d.queue(dana, review.QueueFilter{Limit: 2, After: &page[1].ID})
	if !slices.Equal(sorted(append(idsOf(page), idsOf(rest)...)...), sorted(c1, c2, h1)) || len(rest) != 1 ||
		len(d.events(last)) != 2 {
		t.Errorf("pages %q and %q, events %q", idsOf(page), idsOf(rest), d.events(last))
	}

	// a page that shows nothing is on record too, and no clinic is told of it
	last = d.lastEvent()
	if got := d.queue(dana, review.QueueFilter{Severity: []string{"low"}}); len(got) != 0 ||
		!slices.Equal(d.events(last), []string{"dana browse@installation"}) {
		t.Errorf("%d anomalies, events %q", len(got), d.events(last))
	}

	last = d.lastEvent()
	details, err := review.Open(t.Context(), dana, h1)
	if err != nil || details.Anomaly.ID.String() != h1 || len(details.History) != 1 || len(details.Dispositions) == 0 {
		t.Fatalf("%+v, %v", details, err)
	}
	if got := d.events(last); !slices.Equal(got, []string{"dana open@harbor"}) {
		t.Errorf("an anomaly opened: events %q", got)
	}
	d.listed(last, "harbor", h1)
}

// listed checks that the one event in a clinic since names exactly these ids.
func (d *desk) listed(since int64, tenant string, want ...string) {
	d.t.Helper()
	raw := wardtest.One[[]byte](d.e, `select coalesce(jsonb_agg(e.detail::jsonb -> 'ids'), '[]') from audit.event e
			join tenancy.tenant t on t.id = e.tenant_id where t.slug = $1 and e.event_id > $2`, tenant, since)
	var lists [][]string
	if err := json.Unmarshal(raw, &lists); err != nil {
		d.t.Fatal(err)
	}
	if len(lists) != 1 || !slices.Equal(sorted(lists[0]...), sorted(want...)) {
		d.t.Errorf("on record at %s: %q, want %q once", tenant, lists, want)
	}
}

// TestReachOfALook: an engineer sees one clinic, an auditor every one, and who has lost their grant nothing, also of
// what they had opened.
func TestReachOfALook(t *testing.T) {
	d := newDesk(t)
	ctx := t.Context()
	cedar, harbor := d.anomaly("cedar", "B", "casey"), d.anomaly("harbor", "B", "hugo")
	omar, ana := d.e.Reviewer("omar"), d.e.Reviewer("ana")
	if got := idsOf(d.queue(omar, review.QueueFilter{})); !slices.Equal(got, []string{cedar}) {
		t.Errorf("omar's queue: %q", got)
	}
	if got := idsOf(d.queue(ana, review.QueueFilter{})); !slices.Equal(got, sorted(cedar, harbor)) {
		t.Errorf("ana's queue: %q", got)
	}
	if _, err := review.Open(ctx, ana, harbor); err != nil {
		t.Error(err)
	}
	last := d.lastEvent()
	if _, err := review.Open(ctx, omar, harbor); err == nil {
		t.Error("omar opened another clinic's anomaly")
	}
	if _, err := review.Queue(ctx, omar, review.QueueFilter{Tenant: "harbor"}); err == nil {
		t.Error("omar asked for another clinic's queue")
	}
	after := uuid.MustParse(harbor)
	if _, err := review.Queue(ctx, omar, review.QueueFilter{After: &after}); err == nil {
		t.Error("omar turned the page at another clinic's anomaly")
	}
	if got := d.events(last); len(got) != 0 {
		t.Errorf("refused looks: %q", got)
	}

	opened, paged := uuid.New(), uuid.New()
	d.ask(omar, opened, func(tx tenancy.Tx) error {
		return queries.New(tx).OpenAnomaly(ctx, queries.OpenAnomalyParams{Ask: opened, Anomaly: cedar})
	})
	d.ask(omar, paged, func(tx tenancy.Tx) error {
		return browseQueue(ctx, tx, paged)
	})
	if n, err := d.read(omar, paged, "select review.page()"); err != nil || n != 1 {
		t.Fatalf("%d rows, %v", n, err)
	}
	// he still reviews somewhere, so he is still let in
	d.do(`insert into tenancy.reviewer_grant (user_id, role, tenant_id, reason, ticket, expires_at) select u.id,
			'on_call_engineer', t.id, 'r', 'T-2', now() + interval '1 hour' from tenancy.users u, tenancy.tenant t
			where u.slug = 'omar' and t.slug = 'harbor'`)
	d.do("update tenancy.reviewer_grant set ended_at = now() where ticket = 'T-1'")
	if n, err := d.read(omar, paged, "select review.page()"); err != nil || n != 0 {
		t.Errorf("a page of a clinic out of reach by now: %d rows, %v", n, err)
	}
	if n, err := d.read(omar, opened, "select review.details()"); err == nil {
		t.Errorf("an anomaly out of reach by now: %d rows", n)
	}
}

// ask commits a look.
func (d *desk) ask(s *tenancy.Session, id uuid.UUID, fn func(tenancy.Tx) error) {
	d.t.Helper()
	if err := s.Tx(d.t.Context(), id, fn); err != nil {
		d.t.Fatal(err)
	}
}

// browseQueue asks for the first page of the queue.
func browseQueue(ctx context.Context, tx tenancy.Tx, id uuid.UUID) error {
	_, err := tx.Exec(ctx, queries.BrowseQueue, id, json.RawMessage("{}"))
	return err
}

// read counts the rows that a reading function gives under an ask.
func (d *desk) read(s *tenancy.Session, ask uuid.UUID, sql string) (n int, err error) {
	ctx := d.t.Context()
	err = s.Tx(ctx, ask, func(tx tenancy.Tx) error {
		rows, err := tx.Query(ctx, sql)
		if err != nil {
			return err
		}
		for rows.Next() {
			n++
		}
		rows.Close()
		return rows.Err()
	})
	return n, err
}

// TestLooksAreWriteAhead: nothing is shown before the event of the look is committed, by this session, and while its
// lease holds.
func TestLooksAreWriteAhead(t *testing.T) {
	d := newDesk(t)
	ctx := t.Context()
	anomaly := d.anomaly("cedar", "B", "casey")
	dana, twin, eli := d.e.Reviewer("dana"), d.e.Reviewer("dana"), d.e.Reviewer("eli")
	looks := map[string]struct {
		ask  func(tenancy.Tx, uuid.UUID) error
		read string
	}{
		"queue": {func(tx tenancy.Tx, id uuid.UUID) error {
			return browseQueue(ctx, tx, id)
		}, "select review.page()"},
		"anomaly": {func(tx tenancy.Tx, id uuid.UUID) error {
			return queries.New(tx).OpenAnomaly(ctx, queries.OpenAnomalyParams{Ask: id, Anomaly: anomaly})
		}, "select review.details()"},
		"events": {func(tx tenancy.Tx, id uuid.UUID) error {
			return queries.New(tx).OpenEvents(ctx,
				queries.OpenEventsParams{Ask: id, Tenant: "cedar", Reason: "a test", Filter: json.RawMessage("{}")})
		}, "select * from audit.events()"},
		"list": {func(tx tenancy.Tx, id uuid.UUID) error {
			return queries.New(tx).Browse(ctx, queries.BrowseParams{Ask: id, What: "tenants"})
		}, "select review.list_tenants()"},
	}
	for name, look := range looks {
		t.Run(name, func(t *testing.T) {
			refused := func(what string, n int, err error) {
				t.Helper()
				var denied *tenancy.DeniedError
				if n != 0 || !errors.As(err, &denied) ||
					denied.Code != tenancy.CodeNoLease && denied.Code != tenancy.CodeNotPermitted {
					t.Errorf("%s: %d rows, %v", what, n, err)
				}
			}
			n, err := d.read(dana, uuid.Nil, look.read)
			refused("without an ask", n, err)
			n, err = d.read(dana, uuid.New(), look.read)
			refused("with an id that nobody asked under", n, err)

			early := uuid.New()
			n, err = d.together(dana, early, look.ask, look.read)
			refused("in the transaction of the ask", n, err)
			n, err = d.read(dana, early, look.read)
			refused("after that transaction was rolled back", n, err)

			id := uuid.New()
			d.ask(dana, id, func(tx tenancy.Tx) error { return look.ask(tx, id) })
			if n, err := d.read(dana, id, look.read); err != nil || n == 0 {
				t.Fatalf("after the ask: %d rows, %v", n, err)
			}
			n, err = d.read(eli, id, look.read)
			refused("by somebody else", n, err)
			n, err = d.read(twin, id, look.read)
			refused("in another session of the same person", n, err)
			for other := range looks {
				if other != name {
					n, err = d.read(dana, id, looks[other].read)
					refused("the "+other, n, err)
				}
			}
			d.do("update tenancy.disclosure set expires_at = clock_timestamp() where disclosure_id = $1", id)
			n, err = d.read(dana, id, look.read)
			refused("after the lease", n, err)
		})
	}
}

// together asks and reads in one transaction.
func (d *desk) together(s *tenancy.Session, id uuid.UUID, ask func(tenancy.Tx, uuid.UUID) error,
	sql string) (n int, err error) {
	ctx := d.t.Context()
	err = s.Tx(ctx, id, func(tx tenancy.Tx) error {
		if err := ask(tx, id); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, sql)
		if err != nil {
			return err
		}
		for rows.Next() {
			n++
		}
		rows.Close()
		return rows.Err()
	})
	return n, err
}

// TestRequest: what a reviewer asks the worker for is their own event, and theirs to ask after.
func TestRequest(t *testing.T) {
	d := newDesk(t)
	ctx := t.Context()
	dana, eli, ana := d.e.Reviewer("dana"), d.e.Reviewer("eli"), d.e.Reviewer("ana")
	last := d.lastEvent()
	event, err := review.Request(ctx, dana, "rule_run", map[string]any{"rule": "T-A"})
	if err != nil {
		t.Fatal(err)
	}
	if got := d.events(last); !slices.Equal(got, []string{"dana rule_run@installation"}) {
		t.Errorf("events %q", got)
	}
	if got, err := review.Outcome(ctx, dana, event); err != nil || got.Done || got.State != "available" ||
		len(got.Runs) != 0 {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := review.Outcome(ctx, eli, event); err != nil || got.State != "" {
		t.Errorf("somebody else's request: %+v, %v", got, err)
	}
	last = d.lastEvent()
	for name, err := range map[string]error{
		"an auditor runs a rule": third(review.Request(ctx, ana, "rule_run", nil)),
		"an auditor ships":       third(review.Request(ctx, ana, "ship", nil)),
		"a rule that is none":    third(review.Request(ctx, dana, "rule_run", map[string]any{"rule": "T-Z"})),
		"work that is none":      third(review.Request(ctx, dana, "close", nil)),
	} {
		if err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if got := d.events(last); len(got) != 0 || wardtest.One[int](d.e, "select count(*) from river.river_job") != 1 {
		t.Errorf("refused requests left events %q, or jobs", got)
	}
}

func third(_ int64, err error) error { return err }
