package bench

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ward-health/ward/audit"
	sim "github.com/ward-health/ward/internal/clinic"
	"github.com/ward-health/ward/internal/clinic/tables"
	"github.com/ward-health/ward/internal/postgres"
	"github.com/ward-health/ward/internal/worker"
	"github.com/ward-health/ward/queries/migrate"
	"github.com/ward-health/ward/review"
	"github.com/ward-health/ward/tenancy"
)

// past is one simulated history while it is examined day by day, as the worker would have done it then.
type past struct {
	history *sim.History
	super   *pgxpool.Pool
	work    *tenancy.DB
	rules   []*review.Rule // that are enabled, filters first
	desk    desk
}

// settleDays is how long after a history's end the rules still run: what explains an access may be days late.
const settleDays = 4

// examine simulates, loads, seals and examines one history in a database of its own, and scores it against the key that
// is in a file by then.
func (s *server) examine(ctx context.Context, o Options, cfg sim.Config) (scored, error) {
	kind := "with incidents"
	if cfg.Clean {
		kind = "clean"
	}
	o.say("synthetic history of %d people, seed %d, %s", cfg.Staff, cfg.Seed, kind)
	p, err := s.past(ctx, fmt.Sprintf("past_%d_%t", cfg.Seed, cfg.Clean), cfg)
	if err != nil {
		return scored{}, err
	}
	defer p.closeAll()
	dsn := p.super.Config().ConnString()
	sealer, err := audit.Lead(ctx, p.work.Pool())
	if err != nil {
		return scored{}, err
	}
	defer sealer.Close(ctx)
	last := time.Time{}
	err = p.history.Load(ctx, dsn, func(ctx context.Context, end time.Time) error {
		// what the runs themselves wrote is sealed by that clock too
		sealer.Now = func() time.Time { return end }
		sealer.Simulated = sealer.Now
		if _, err := sealer.Seal(ctx); err != nil {
			return err
		}
		last = end
		return p.day(ctx, end)
	})
	if err != nil {
		return scored{}, err
	}
	for range settleDays {
		last = last.AddDate(0, 0, 1)
		if err := p.day(ctx, last); err != nil {
			return scored{}, err
		}
	}
	key := filepath.Join(s.dir, fmt.Sprintf("answers-%d.jsonl", cfg.Seed))
	if err := p.history.WriteLabels(key); err != nil {
		return scored{}, err
	}
	defer func() { _ = os.Remove(key) }()
	labels, err := sim.ReadLabels(key)
	if err != nil {
		return scored{}, err
	}
	var all []*finding
	for _, f := range p.desk.findings {
		all = append(all, f)
	}
	return score(labels, all, p.history.ActorDays()), nil
}

func (s *server) past(ctx context.Context, name string, cfg sim.Config) (_ *past, err error) {
	if err := s.exec(ctx, s.cluster.Superuser(), "create database "+pgx.Identifier{name}.Sanitize()); err != nil {
		return nil, err
	}
	super := s.cluster.DSN(postgres.SuperuserRole, name)
	if _, err := worker.Migrate(ctx, super, migrate.Options{}); err != nil {
		return nil, err
	}
	if err := tables.Install(ctx, super); err != nil {
		return nil, err
	}
	p := &past{history: sim.Generate(cfg),
		desk: desk{budget: 20 * float64(cfg.Staff) / 1000, findings: map[string]*finding{}}}
	defer func() {
		if err != nil {
			p.closeAll()
		}
	}()
	admin, err := tenancy.Open(ctx, super)
	if err != nil {
		return nil, err
	}
	_, err = admin.Init(ctx, tenancy.Installation{Region: "bench", Slug: "root", Name: "Root", Password: cfg.Password})
	admin.Close()
	if err != nil {
		return nil, err
	}
	if p.super, err = pgxpool.New(ctx, super); err != nil {
		return nil, fmt.Errorf("connect as superuser: %w", err)
	}
	if p.work, err = tenancy.Open(ctx, s.cluster.DSN("ward_worker", name)); err != nil {
		return nil, err
	}
	return p, nil
}

// register finds out which rules are enabled, once the records are there and with them what rules require.
func (p *past) register(ctx context.Context) error {
	list, err := review.ShippedRules()
	if err != nil {
		return err
	}
	if err := review.Register(ctx, p.work.Pool(), list); err != nil {
		return err
	}
	p.rules, err = review.Enabled(ctx, p.work.Pool(), list)
	return err
}

func (p *past) closeAll() {
	if p.work != nil {
		p.work.Close()
	}
	if p.super != nil {
		p.super.Close()
	}
}

// day runs every rule once with the clock at the end of a simulated day, and lets the reviewer work.
func (p *past) day(ctx context.Context, end time.Time) error {
	if p.rules == nil {
		if err := p.register(ctx); err != nil {
			return err
		}
	}
	var runs []uuid.UUID
	for _, rule := range p.rules {
		if rule.Tier == "S" { // supervision: samples, and lateness by the real clock
			continue
		}
		res, err := review.Run(ctx, p.work.Pool(), rule, end, review.RunRequest{})
		if err != nil {
			return err
		}
		runs = append(runs, res.RunID)
	}
	if err := p.gather(ctx, runs, end); err != nil {
		return err
	}
	return p.decide(ctx, p.desk.day(end))
}

// gather takes what today's runs found.
func (p *past) gather(ctx context.Context, runs []uuid.UUID, end time.Time) error {
	rows, err := p.super.Query(ctx, `select a.id::text, a.rule_id, a.tier, a.rank, e.event_id from review.evidence e
			join review.anomaly a on a.id = e.anomaly_id where e.added_by_run = any ($1)`, runs)
	if err != nil {
		return fmt.Errorf("read what was found: %w", err)
	}
	var id, rule, tier string
	var rank int
	var event int64
	_, err = pgx.ForEachRow(rows, []any{&id, &rule, &tier, &rank, &event}, func() error {
		f := p.desk.findings[id]
		if f == nil {
			f = &finding{rule: rule, tier: tier, rank: rank, made: end, evidence: map[int64]time.Time{}}
			p.desk.findings[id] = f
			p.desk.open = append(p.desk.open, id)
		}
		f.evidence[event] = end
		return nil
	})
	if err != nil {
		return fmt.Errorf("read what was found: %w", err)
	}
	return nil
}

// decide closes anomalies in the database, so that what happens again is a new one. It is done by the superuser, who
// stands for two reviewers.
func (p *past) decide(ctx context.Context, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	_, err := p.super.Exec(ctx, `update review.anomaly a set state = 'closed', disposition = 'test_data',
		close_reason = 'simulated', closed_at = clock_timestamp(), version = version + 1,
		closed_by = (select id from tenancy.users where slug = 'dana'), approved_by = (select id from tenancy.users
		where slug = 'eli') where a.id = any ($1::uuid[])`, ids)
	if err != nil {
		return fmt.Errorf("close what was reviewed: %w", err)
	}
	return nil
}
