package bench

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ward-health/ward/internal/postgres"
	"github.com/ward-health/ward/internal/worker"
	"github.com/ward-health/ward/review"
	"github.com/ward-health/ward/tenancy"
)

// queueSQL makes bench.anomalies open anomalies of twelve rules at twenty clinics about four hundred people, and a
// tenth as many closed ones, with three events each.
const queueSQL = `
	insert into tenancy.tenant (slug, name, region) select 'clinic-' || i, 'Clinic ' || i, 'bench'
		from generate_series(1, 20) i;
	insert into tenancy.users (slug, name, kind) select 'user-' || i, 'User ' || i, 'human'
		from generate_series(1, 400) i;
	insert into review.rule (id, version, tier, severity, title, content_hash, front_matter)
	select format('B%s-bench', lpad(i::text, 2, '0')), 1, 'B', (array['critical', 'high', 'medium', 'low'])[1 + i % 4],
		'a rule', 'h', '{}' from generate_series(1, 12) i;
	insert into review.anomaly (tenant_id, rule_id, rule_version, tier, severity, actor_id, key, summary, facts,
		first_at, last_at, created_at)
	select (array(select id from tenancy.tenant where kind = 'clinic' order by slug))[1 + (i / 12) % 20], r.id, 1,
		r.tier, r.severity, (array(select id from tenancy.users where slug like 'user-%' order by slug))[1 + i % 400],
	  sha256(convert_to(i::text, 'utf8')),
	  'user reached 14 records of 9 patients with nothing on record that connects them',
	  '{"patients": 9, "records": 14}', now() - i * interval '1 minute', now(), now() - i * interval '1 minute'
	from generate_series(1, current_setting('bench.anomalies')::int * 11 / 10) i
		join (select *, row_number() over (order by id) n from review.rule) r on r.n = 1 + i % 12;
	update review.anomaly set state = 'closed', disposition = 'test_data', close_reason = 'no real patient',
		closed_by = (select id from tenancy.users where slug = 'root')
	where id in (select id from (select id, row_number() over (order by id) n from review.anomaly) x where n % 11 = 0);
	insert into review.evidence (anomaly_id, event_id, recorded_at, at, action, outcome, seq, hash, added_by_run)
	select id, n, now(), now(), 'view', 'ok', n, sha256('x'), gen_random_uuid() from review.anomaly,
		generate_series(1, 3) n;
	create table public.look (id bigint generated always as identity primary key, at timestamptz not null
		default clock_timestamp(), detail text not null);`

// longQueue is a queue to look at: a reviewer's session, and the other side's pool.
type longQueue struct {
	session *tenancy.Session
	naive   *pgxpool.Pool
	close   func()
}

func (s *server) longQueue(ctx context.Context, o Options, anomalies int) (_ *longQueue, err error) {
	o.say("%d open anomalies", anomalies)
	if err := s.exec(ctx, s.cluster.Superuser(), "create database queue"); err != nil {
		return nil, err
	}
	super := s.cluster.DSN(postgres.SuperuserRole, "queue")
	if _, err := worker.Migrate(ctx, super); err != nil {
		return nil, err
	}
	admin, err := tenancy.Open(ctx, super)
	if err != nil {
		return nil, err
	}
	password := uuid.NewString()
	_, err = admin.Init(ctx, tenancy.Installation{Region: "bench", Slug: "root", Name: "Root", Password: password})
	admin.Close()
	if err != nil {
		return nil, err
	}
	for _, sql := range []string{fmt.Sprintf("set bench.anomalies = %d; %s", anomalies, queueSQL), "vacuum analyze",
		"checkpoint"} {
		if err := s.exec(ctx, super, sql); err != nil {
			return nil, fmt.Errorf("fill the queue: %w", err)
		}
	}
	reviewers, err := tenancy.Open(ctx, s.cluster.DSN("ward_reviewer", "queue"))
	if err != nil {
		return nil, err
	}
	d := &longQueue{close: reviewers.Close}
	tokens, err := reviewers.SignIn(ctx,
		tenancy.Credentials{User: "root", Password: password, Audience: tenancy.ReviewAudience})
	if err == nil {
		d.session = tenancy.NewSession(reviewers, tokens, time.Now, nil)
		d.naive, err = pgxpool.New(ctx, super+"&pool_max_conns="+strconv.Itoa(connections))
	}
	if err != nil {
		reviewers.Close()
		return nil, err
	}
	d.close = func() { reviewers.Close(); d.naive.Close() }
	return d, nil
}

// reviewQueue: a first page of the queue, filtered and sorted, its own event included, against a plain indexed select
// of as many rows and one INSERT.
func reviewQueue(ctx context.Context, o Options) ([]Figure, error) {
	s, err := start(ctx, o)
	if err != nil {
		return nil, err
	}
	defer s.remove()
	d, err := s.longQueue(ctx, o, o.size(100_000, 20_000))
	if err != nil {
		return nil, err
	}
	defer d.close()
	const open = "select * from review.anomaly where open"
	var out []Figure
	for _, page := range []struct {
		name   string
		filter review.QueueFilter
		plain  string
	}{
		{"worst first", review.QueueFilter{}, open + " order by rank, created_at, id limit 100"},
		{"of one severity and clinic", review.QueueFilter{Severity: []string{"high"}, Tenant: "clinic-7"},
			open + " and rank = 2 and tenant_id = (select id from tenancy.tenant where slug = 'clinic-7') " +
				"order by rank, created_at, id limit 100"},
		{"of one rule, by legal date", review.QueueFilter{Rule: "B07", Sort: "due"},
			open + " and rule_id = 'B07-bench' order by due_on, rank, id limit 100"},
	} {
		o.say("first page, %s", page.name)
		rows := 0
		c := comparison{figure: "first page of the queue, " + page.name, unit: "ms",
			against: "an indexed select of as many rows and one INSERT", target: 1.0 / 3, less: true,
			note: "its event included; at most 3 times as long",
			ward: func(ctx context.Context) (float64, error) {
				return latency(ctx, o.round(), func(ctx context.Context, _, _ int) error {
					list, err := review.Queue(ctx, d.session, page.filter)
					rows = len(list)
					return err
				})
			},
			other: func(ctx context.Context) (float64, error) {
				return latency(ctx, o.round(),
					func(ctx context.Context, _, _ int) error { return d.plain(ctx, page.plain) })
			}}
		f, err := c.run(ctx, o)
		if err == nil && rows != 100 {
			err = fmt.Errorf("%s: a page of %d", page.name, rows)
		}
		if err != nil {
			return out, err
		}
		out = append(out, f)
	}
	return out, nil
}

// plain is what somebody would write who records one row for each page shown.
func (d *longQueue) plain(ctx context.Context, sql string) error {
	rows, err := d.naive.Query(ctx, sql)
	if err != nil {
		return fmt.Errorf("plain select: %w", err)
	}
	n := 0
	for rows.Next() {
		if _, err := rows.Values(); err != nil {
			return fmt.Errorf("plain select: %w", err)
		}
		n++
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("plain select: %w", err)
	}
	if n != 100 {
		return fmt.Errorf("the plain select has %d rows", n)
	}
	if _, err := d.naive.Exec(ctx, "insert into public.look (detail) values ($1)", sql); err != nil {
		return fmt.Errorf("plain insert: %w", err)
	}
	return nil
}
