package clinic

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ward-health/ward/internal/wardtest"
)

// nearNow is a small history that ends now, as far as the database is concerned.
func nearNow(seed uint64) Config {
	cfg := small(seed)
	cfg.Now, cfg.Password = time.Now(), wardtest.Password
	return cfg
}

func load(t *testing.T, e *wardtest.Env, h *History) []time.Time {
	t.Helper()
	var ends []time.Time
	err := h.Load(t.Context(), e.DB.Superuser(), func(ctx context.Context, end time.Time) error {
		ends = append(ends, end)
		n := wardtest.One[int](e,
			"select count(*) from audit.event where source in ('simulation', 'import') and recorded_at >= $1", end)
		if n > 0 {
			t.Errorf("%d events after %s are there before that day is sealed", n, end)
		}
		// the sealer writes events of its own
		_, err := e.Super.Exec(ctx, "select audit.write_worker(null, 'ship', '{}')")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return ends
}

func TestLoad(t *testing.T) {
	e := wardtest.New(t)
	h := Generate(nearNow(11))
	before := triggers(t, e.Super)
	ends := load(t, e, h)
	// Early in the day nothing has happened yet since the end of the last one.
	now := h.Config.Now
	last := ends[len(ends)-1]
	if len(ends) < h.Config.Days || !slices.IsSortedFunc(ends, time.Time.Compare) ||
		!last.Equal(now) && !last.Equal(now.UTC().Truncate(24*time.Hour)) {
		t.Errorf("%d days ended at %v", len(ends), ends)
	}
	counts := h.Counts()
	for table, want := range counts.Records {
		if got := wardtest.One[int](e, "select count(*) from "+table); got != want || want == 0 {
			t.Errorf("%s has %d rows, want %d", table, got, want)
		}
	}
	if got := wardtest.One[int](e,
		"select count(*) from audit.event where source in ('simulation', 'import')"); got != counts.Events {
		t.Errorf("%d events, want %d", got, counts.Events)
	}
	if after := triggers(t, e.Super); len(before) < 10 || len(after) != len(before) {
		t.Errorf("triggers before %v, after %v", before, after)
	} else {
		for name, state := range before {
			if after[name] != state {
				t.Errorf("trigger %s is %q, was %q", name, after[name], state)
			}
		}
	}
	// Each finds what must not be there.
	for what, sql := range map[string]string{
		"rows without an entry in tenancy.record": `select count(*) from public.notes n
				where not exists (select from tenancy.record r where r.record_id = n.id and r.tenant_id = n.tenant_id
					and r.record_table = 'public.notes' and r.subject_id = n.patient_id)`,
		"events outside their month's partition": `select count(*) from audit.event
				where tableoid::regclass::text <> 'audit.event_' || to_char(recorded_at at time zone 'UTC', 'YYYY_MM')`,
		"ids given twice": `select count(*) - count(distinct event_id) from audit.event`,
		"ids out of the order of time": `select count(*) from (select recorded_at, lag(recorded_at)
				over (order by event_id) b from audit.event where source in ('simulation', 'import')) x
				where recorded_at < b`,
		"events of members of another clinic": `select count(*) from audit.event e where source = 'simulation'
				and not exists (select from tenancy.membership m where m.id = e.membership_id and m.user_id = e.user_id
					and m.tenant_id = e.tenant_id)`,
		"events that roles do not permit": `select count(*) from audit.event e join tenancy.membership m
			on m.id = e.membership_id where source = 'simulation' and action in ('view', 'create', 'modify', 'delete',
			'export')
			and not exists (select from tenancy.permission p where p.role = m.role and p.record_table = e.record_table
				and p.action = e.action)`,
		"sessions of two people": `select count(*) from (select session_id from audit.event where source = 'simulation'
				group by 1 having count(distinct membership_id) <> 1 or count(*) filter (where action = 'sign_in') <> 1)
					x`,
		"denials that name no view of the same id": `select count(*) from audit.event d where source = 'simulation'
			and outcome = 'denied' and not exists (select from audit.event e
				where e.event_id = (d.detail::jsonb->>'event')::bigint
			and e.record_id = d.record_id and e.user_id = d.user_id and e.outcome = 'ok' and e.action = 'view'
				and d.detail = jsonb_build_object('event', e.event_id, 'reason', d.detail::jsonb->>'reason')::text)`,
		"details that jsonb would print otherwise": `select count(*) from audit.event
				where source = 'simulation' and detail is not null and detail <> detail::jsonb::text`,
		"imported events that were recorded before they happened": `select count(*) from audit.event
				where source = 'import' and (occurred_at is null or occurred_at >= recorded_at
					or session_id is not null)`,
		"relationships of no row": `select count(*) from review.relationship where record_table = 'public.appointments'
				and record_id not in (select id from public.appointments)`,
	} {
		if n := wardtest.One[int](e, sql); n != 0 {
			t.Errorf("%s: %d", what, n)
		}
	}
	for _, kind := range []string{"appointment", "encounter", "message", "claim"} {
		if n := wardtest.One[int](e, "select count(*) from review.relationship where kind = $1 and known_at < $2", kind,
			h.Config.Now); n < 50 {
			t.Errorf("%d relationships of kind %s with a time of the past", n, kind)
		}
	}
	strangersAreLabelled(t, e, h)
	answersAreSealed(t, e, h)
}

// strangersAreLabelled: an event on a record that is another clinic's belongs to an incident across clinics, and each
// such incident has some.
func strangersAreLabelled(t *testing.T, e *wardtest.Env, h *History) {
	t.Helper()
	rows, err := e.Super.Query(t.Context(), `select event_id from audit.event e where source in ('simulation', 'import')
		and exists (select from tenancy.record r where r.record_id = e.record_id)
		and not exists (select from tenancy.record r where r.record_id = e.record_id and r.record_table = e.record_table
			and r.tenant_id = e.tenant_id)`)
	if err != nil {
		t.Fatal(err)
	}
	foreign := map[int64]bool{}
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			t.Fatal(err)
		}
		foreign[id] = true
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	total := len(foreign)
	for _, l := range h.Labels() {
		least := map[string]int{CrossTenant: 6, ForeignLog: 1}[l.Scenario] // asked for and denied; shown
		n := 0
		for _, id := range l.EventIDs {
			if foreign[id] {
				n++
				delete(foreign, id)
			}
		}
		if l.Kind == Incident && n < least || n > 0 && least == 0 {
			t.Errorf("the %s incident of %s has %d events on others' records", l.Scenario, l.Actor, n)
		}
	}
	if total == 0 || len(foreign) > 0 {
		t.Errorf("of %d events on records that are not their clinic's, %d are not labelled", total, len(foreign))
	}
}

func triggers(t *testing.T, pool *pgxpool.Pool) map[string]string {
	t.Helper()
	rows, err := pool.Query(t.Context(), "select tgrelid::regclass || ' ' || tgname, tgenabled::text from pg_trigger "+
		"where not tgisinternal and tgrelid in (select record_table::regclass from tenancy.phi_table)")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	out := map[string]string{}
	for rows.Next() {
		var name, state string
		if err := rows.Scan(&name, &state); err != nil {
			t.Fatal(err)
		}
		out[name] = state
	}
	return out
}

// A history twice in one database would double everybody's past: the first tenant is in the way, and nothing is left
// behind.
func TestLoadTwice(t *testing.T) {
	e := wardtest.New(t)
	load(t, e, Generate(nearNow(12)))
	n := wardtest.One[int](e, "select count(*) from public.notes")
	if err := Generate(nearNow(13)).Load(t.Context(), e.DB.Superuser(), nil); err == nil ||
		!strings.Contains(err.Error(), "a history is loaded once") {
		t.Errorf("loading twice: %v", err)
	}
	if again := wardtest.One[int](e, "select count(*) from public.notes"); again != n || n == 0 {
		t.Errorf("%d notes, then %d", n, again)
	}
}

func TestLive(t *testing.T) {
	e := wardtest.New(t)
	h := Generate(nearNow(14))
	load(t, e, h)
	const n = 24
	app := e.Open("ward_app")
	told := make(chan int, n)
	if err := h.Live(t.Context(), app, n, func(done, total int) { told <- total }); err != nil {
		t.Fatal(err)
	}
	if len(told) != n {
		t.Errorf("progress was told %d times", len(told))
	}
	for what, want := range map[string]int{"sign_in": n, "sign_out": n, "view": 50, "create": 3, "search": 3} {
		got := wardtest.One[int](e, "select count(*) from audit.event where source = 'ward' and action = $1 and "+
			"outcome = 'ok' and tenant_id = any (select id from tenancy.tenant where slug = any ($2))", what, slugs(h))
		if got < want {
			t.Errorf("%d live events %s, want %d or more", got, what, want)
		}
	}
	if empty := wardtest.One[int](e,
		"select count(*) from audit.event s where source = 'ward' and action = 'search' and not exists (select "+
			"from audit.event v where v.disclosure_id = s.disclosure_id and v.action = 'view')"); empty > 0 {
		t.Errorf("%d live searches found nothing", empty)
	}
	live := map[string]int{}
	for _, l := range h.Labels() {
		if l.Live {
			live[l.Scenario+" "+l.Kind]++
			got := wardtest.One[int](e,
				"select count(distinct record_id) from audit.event e join tenancy.users u on u.id = e.user_id "+
					"where source = 'ward' and u.slug = $1 and action = 'view' and recorded_at between $2 and $3",
				l.Actor, l.FirstAt.Add(-time.Second), l.LastAt.Add(time.Second))
			if got < l.Dose {
				t.Errorf("live %s %s of %s has %d records, want %d", l.Scenario, l.Kind, l.Actor, got, l.Dose)
			}
		}
	}
	for _, s := range []string{CrossTenant, Terminated, ServiceOffList} {
		if live[s+" "+Incident] == 0 || live[s+" "+Twin] == 0 {
			t.Errorf("live %s: %d incidents, %d twins", s, live[s+" "+Incident], live[s+" "+Twin])
		}
	}
	foreign := wardtest.One[int](e, `select count(*) from audit.event e where source = 'ward' and action = 'view'
			and not exists (select from tenancy.record r where r.record_id = e.record_id
				and r.record_table = e.record_table and r.tenant_id = e.tenant_id)`)
	if foreign < 3 {
		t.Errorf("%d live views of another clinic's ids", foreign)
	}
}

func slugs(h *History) []string {
	var out []string
	for _, t := range h.Tenants {
		out = append(out, t.Slug)
	}
	return out
}
