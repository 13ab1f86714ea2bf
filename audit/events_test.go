package audit_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ward-health/ward/audit"
	"github.com/ward-health/ward/internal/wardtest"
)

// since lists the events after one, as "who action@tenant", without signing in.
func (l *ledger) since(event int64) []string {
	l.t.Helper()
	return wardtest.One[[]string](l.e, `select coalesce(array_agg(format('%s %s@%s', coalesce(u.slug, '?'), e.action,
		t.slug) order by e.event_id), '{}') from audit.event e
		left join tenancy.users u on u.id = e.user_id join tenancy.tenant t on t.id = e.tenant_id where e.event_id > $1
			and e.action <> 'sign_in'`, event)
}

func (l *ledger) newest() int64 {
	l.t.Helper()
	return wardtest.One[int64](l.e, "select max(event_id) from audit.event")
}

func idsOf(events []audit.Event) []int64 {
	ids := make([]int64, len(events))
	for i := range events {
		ids[i] = events[i].EventID
	}
	return ids
}

// TestOpenIsRecorded: opening a clinic's log is one event with its reason, paging and following within the lease add
// none, each search and export one.
func TestOpenIsRecorded(t *testing.T) {
	l := newLedger(t)
	ctx := t.Context()
	ana := l.e.Reviewer("ana")
	l.insert(l.cedar, 30)
	l.insert(l.harbor, 5)
	start := l.newest()
	lease, err := audit.Open(ctx, ana, "cedar", "yearly audit", "T-9", audit.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	if got := l.since(start); !slices.Equal(got, []string{"ana open@cedar"}) {
		t.Fatalf("opening: events %q", got)
	}
	if got := wardtest.One[string](l.e, "select concat_ws(' ', detail::jsonb ->> 'reason', detail::jsonb ->> "+
		"'ticket') from audit.event where event_id > $1 and action = 'open'", start); got != "yearly audit T-9" {
		t.Errorf("on record: %q", got)
	}

	opened := l.newest()
	want := wardtest.One[[]int64](l.e, "select array_agg(event_id order by recorded_at desc, event_id desc) "+
		"from audit.event where tenant_id = $1", l.cedar)
	var got []int64
	var pos *audit.Position
	for {
		page, err := lease.Older(ctx, pos, 7)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		got = append(got, idsOf(page)...)
		last := page[len(page)-1]
		pos = &audit.Position{At: last.RecordedAt, ID: last.EventID}
	}
	if !slices.Equal(got, want) {
		t.Errorf("paged through %d events, want cedar's %d in their order", len(got), len(want))
	}
	// following the tail: nothing new, then what was written since
	newest, err := lease.Older(ctx, nil, 1)
	if err != nil || len(newest) != 1 {
		t.Fatal(err)
	}
	tail := audit.Position{At: newest[0].RecordedAt, ID: newest[0].EventID}
	if page, err := lease.Newer(ctx, &tail, 10); err != nil || len(page) != 0 {
		t.Errorf("%d events after the newest, %v", len(page), err)
	}
	if got := l.since(opened); len(got) != 0 {
		t.Errorf("paging left events %q", got)
	}
	l.insert(l.cedar, 2)
	l.insert(l.harbor, 2)
	if page, err := lease.Newer(ctx, &tail, 10); err != nil || len(page) != 2 {
		t.Errorf("%d events after the newest, want 2, %v", len(page), err)
	}

	before := l.newest()
	narrow, err := lease.Search(ctx, audit.Filter{Action: []string{"open"}, Actor: []string{"ana"}})
	if err != nil {
		t.Fatal(err)
	}
	if page, err := narrow.Older(ctx, nil, 100); err != nil || len(page) != 1 || page[0].Action != "open" ||
		*page[0].Actor != "ana" {
		t.Errorf("searched: %+v, %v", page, err)
	}
	export, err := narrow.Export(ctx, audit.Filter{}, audit.Form{Format: audit.FormJSONL})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := export.Newer(ctx, nil, 5000); err != nil {
		t.Error(err)
	}
	if got := l.since(before); !slices.Equal(got, []string{"ana search@cedar", "ana export@cedar"}) {
		t.Errorf("a search and an export: events %q", got)
	}
}

// TestLeaseEnds a quarter of an hour after the opening, however it was narrowed since, and when the reach does.
func TestLeaseEnds(t *testing.T) {
	l := newLedger(t)
	ctx := t.Context()
	omar := l.e.Reviewer("omar")
	lease, err := audit.Open(ctx, omar, "cedar", "a ticket", "T-1", audit.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	super(t, l.e, "update audit.ask set expires_at = expires_at - interval '10 minutes'")
	narrow, err := lease.Search(ctx, audit.Filter{Outcome: "ok"})
	if err != nil {
		t.Fatal(err)
	}
	if left := wardtest.One[float64](l.e,
		"select extract(epoch from max(expires_at) - clock_timestamp())::float8 from audit.ask where session_id = "+
			"(select session_id from audit.event where action = 'search')"); left > (5 * time.Minute).Seconds() {
		t.Errorf("a search made the lease last another %.0f s", left)
	}
	super(t, l.e, "update audit.ask set expires_at = clock_timestamp()")
	for name, err := range map[string]error{"page": fails(lease.Older(ctx, nil, 10)),
		"page of a search": fails(narrow.Newer(ctx, nil, 10)), "search": fails(lease.Search(ctx, audit.Filter{}))} {
		if err == nil || !strings.Contains(err.Error(), "open it again") {
			t.Errorf("%s after the lease: %v", name, err)
		}
	}
	again, err := audit.Open(ctx, omar, "cedar", "a ticket", "T-1", audit.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	// he keeps a reach somewhere else, so he is still let in
	super(t, l.e, "insert into tenancy.reviewer_grant (user_id, role, tenant_id, reason, ticket, expires_at) "+
		"select u.id, 'on_call_engineer', $1, 'r', 'T-2', now() + interval '1 hour' from tenancy.users u "+
		"where u.slug = 'omar'", l.harbor)
	super(t, l.e, "update tenancy.reviewer_grant set ended_at = now() where ticket = 'T-1'")
	if page, err := again.Older(ctx, nil, 10); err == nil {
		t.Errorf("a clinic out of reach by now: %d events", len(page))
	}
}

func fails[T any](_ T, err error) error { return err }

// TestOpenRefuses leaves no event and shows nothing.
func TestOpenRefuses(t *testing.T) {
	l := newLedger(t)
	ctx := t.Context()
	omar, root := l.e.Reviewer("omar"), l.e.Reviewer("root")
	lease, err := audit.Open(ctx, omar, "cedar", "a ticket", "T-1", audit.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	start := l.newest()
	for name, err := range map[string]error{
		"another clinic":        fails(audit.Open(ctx, omar, "harbor", "a ticket", "T-1", audit.Filter{})),
		"a clinic that is none": fails(audit.Open(ctx, omar, "nowhere", "a ticket", "T-1", audit.Filter{})),
		"an administrator":      fails(audit.Open(ctx, root, "cedar", "curiosity", "", audit.Filter{})),
		"no reason":             fails(audit.Open(ctx, omar, "cedar", " \t \n ", "", audit.Filter{})),
		"an unknown actor": fails(audit.Open(ctx, omar, "cedar", "a ticket", "",
			audit.Filter{Actor: []string{"nobody"}})),
		// not an engineer's to do
		"an export":       fails(lease.Export(ctx, audit.Filter{}, audit.Form{Format: audit.FormJSONL})),
		"too long a page": fails(lease.Older(ctx, nil, 5001)),
	} {
		if err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if got := l.since(start); len(got) != 0 {
		t.Errorf("refusals left events %q", got)
	}
}
