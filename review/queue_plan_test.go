package review_test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ward-health/ward/internal/wardtest"
	"github.com/ward-health/ward/review"
	"github.com/ward-health/ward/tenancy"
)

// manyAnomalies makes open ones of six rules at both clinics about everybody there, a tenth of them closed since.
const manyAnomalies = `
	insert into review.rule (id, version, tier, severity, title, content_hash, front_matter)
	select 'B9' || i || '-many', 1, 'B', (array['high', 'medium', 'low'])[1 + i % 3], 'a rule', 'h', '{}'
		from generate_series(1, 6) i on conflict do nothing;
	insert into review.anomaly (tenant_id, rule_id, rule_version, tier, severity, actor_id, key, summary, first_at,
		last_at, created_at)
	select m.tenant_id, r.id, 1, r.tier, r.severity, m.user_id, sha256(convert_to(gen_random_uuid()::text, 'utf8')),
		'many', now(), now(), now() - i * interval '1 minute'
	from generate_series(1, 4000) i join (select *, row_number() over (order by id) n from review.rule
		where id like '%-many') r on r.n = 1 + i % 6
	  join (select *, row_number() over (order by id) n, count(*) over () as of from tenancy.membership
	  	where patient_id is null) m on m.n = 1 + (i / 6) % m.of;
	update review.anomaly set state = 'closed', disposition = 'test_data', close_reason = 'no real patient',
		closed_by = (select id from tenancy.users where slug = 'root')
	where open and summary = 'many' and hashtext(id::text) % 10 = 0;
	update review.anomaly set state = 'claimed', assigned_to = (select id from tenancy.users where slug = 'dana')
		where id in (select id from review.anomaly where open and tenant_id = (select id from tenancy.tenant
			where slug = 'cedar') limit 12)`

// TestPageIsByIndex: a page of the queue, however filtered and sorted, reads about as many anomalies as it shows,
// however many are open.
func TestPageIsByIndex(t *testing.T) {
	d := newDesk(t)
	const page = 10
	pages := map[string]review.QueueFilter{
		"worst first": {}, "mine": {Mine: true}, "by legal date": {Sort: "due"}, "by the day to close": {Sort: "close"},
		"of a severity":               {Severity: []string{"medium"}},
		"of a severity by legal date": {Severity: []string{"medium"}, Sort: "due"},
		"of a severity and clinic":    {Severity: []string{"low"}, Tenant: "cedar"},
		"of a clinic":                 {Tenant: "cedar"}, "of a clinic by legal date": {Tenant: "cedar", Sort: "due"},
		"of a clinic by the day to close": {Tenant: "cedar", Sort: "close"},
		"in work":                         {State: []string{"claimed"}}, "of a rule": {Rule: "B92"},
		"of a rule by legal date":       {Rule: "B92", Sort: "due"},
		"of a rule by the day to close": {Rule: "B92", Sort: "close"},
	}
	db, err := tenancy.Open(t.Context(), d.e.DB.DSN("ward_reviewer")+"&pool_max_conns=1")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	// what was read of the anomalies and their indexes; a backend says so at the end of a transaction when told to
	read := func() int {
		err := db.Pool().AcquireFunc(t.Context(), func(conn *pgxpool.Conn) error {
			_, err := conn.Exec(t.Context(), "select pg_stat_force_next_flush()")
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return wardtest.One[int](d.e, `select (s.seq_tup_read + (select sum(i.idx_tup_read) from pg_stat_user_indexes i
				where i.relid = s.relid))::int from pg_stat_user_tables s where s.relid = 'review.anomaly'::regclass`)
	}
	d.do(manyAnomalies)
	d.do("vacuum analyze review.anomaly")
	for _, who := range []string{"dana", "omar"} { // one reviews every clinic, the other cedar
		tokens, err := db.SignIn(t.Context(),
			tenancy.Credentials{User: who, Password: wardtest.Password, Audience: tenancy.ReviewAudience})
		if err != nil {
			t.Fatal(err)
		}
		session := tenancy.NewSession(db, tokens, time.Now, nil)
		for name, filter := range pages {
			filter.Limit = page
			before := read()
			if got := d.queue(session, filter); len(got) != page {
				t.Fatalf("%s %s: a page of %d", who, name, len(got))
			}
			most := 10 * page
			if who == "omar" && filter.Rule != "" && filter.Sort != "" { // what is of one rule at one clinic is sorted
				most = 4000/6 + page
			}
			if n := read() - before; n < page || n > most {
				t.Errorf("%s %s: read %d anomalies and index entries to show %d", who, name, n, page)
			}
		}
	}
}
