package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"go.yaml.in/yaml/v3"
	"golang.org/x/sync/errgroup"

	"github.com/ward-health/ward/archive"
	"github.com/ward-health/ward/audit"
	"github.com/ward-health/ward/internal/clinic"
	"github.com/ward-health/ward/internal/clinic/tables"
	"github.com/ward-health/ward/internal/worker"
	"github.com/ward-health/ward/queries/migrate"
	"github.com/ward-health/ward/review"
	"github.com/ward-health/ward/tenancy"
)

// installation is the demo's name in the origin of its archive.
const installation = "demo"

// maker is what making a demo passes from step to step.
type maker struct {
	dir     string
	dsn     func(role string) string
	opts    Options
	made    record
	history *clinic.History
	super   *tenancy.DB // the private cluster's superuser
	work    *tenancy.DB // ward_worker
	app     *tenancy.DB // ward_app
	root    *tenancy.Session
	signer  *archive.Signer
	store   archive.Store
}

// make builds the demo from nothing: schema, people, history, seals, archive, review.
func (d *Demo) make(ctx context.Context) error {
	m := &maker{dir: d.Dir, dsn: d.Database, opts: d.opts}
	defer m.close()
	if err := d.removeFiles(); err != nil {
		return err
	}
	if err := d.emptyDatabase(ctx); err != nil {
		return err
	}
	if err := m.build(ctx); err != nil {
		return err
	}
	if err := m.finish(); err != nil {
		return err
	}
	d.made = m.made
	return nil
}

// build makes everything but the files that say that it is there.
func (m *maker) build(ctx context.Context) error {
	for _, step := range []func(context.Context) error{m.prepare, m.load, m.people, m.live, m.examine} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (m *maker) close() {
	for _, db := range []*tenancy.DB{m.super, m.work, m.app} {
		if db != nil {
			db.Close()
		}
	}
}

// prepare makes the schema while the history is being invented.
func (m *maker) prepare(ctx context.Context) error {
	var err error
	if m.made.Password, err = newPassword(); err != nil {
		return err
	}
	var g errgroup.Group
	g.Go(func() error {
		m.history = clinic.Generate(clinic.Config{Seed: m.opts.Seed, Now: m.opts.Now(), Password: m.made.Password,
			Progress: m.opts.Progress})
		return nil
	})
	g.Go(func() error {
		m.opts.Progress("migrating", 0, 0)
		if _, err := worker.Migrate(ctx, m.dsn("postgres"), migrate.Options{}); err != nil {
			return err
		}
		if err := tables.Install(ctx, m.dsn("postgres")); err != nil {
			return err
		}
		return m.connect(ctx)
	})
	if err := g.Wait(); err != nil {
		return err
	}
	return m.keys()
}

func (m *maker) connect(ctx context.Context) error {
	for _, c := range []struct {
		db   **tenancy.DB
		role string
	}{{&m.super, "postgres"}, {&m.work, "ward_worker"}, {&m.app, "ward_app"}} {
		db, err := tenancy.Open(ctx, m.dsn(c.role))
		if err != nil {
			return err
		}
		*c.db = db
	}
	if _, err := m.super.Init(ctx, tenancy.Installation{Region: Region, Slug: "rosa", Name: "Rosa Ibarra",
		Password: m.made.Password}); err != nil {
		return err
	}
	reviewer, err := tenancy.Open(ctx, m.dsn("ward_reviewer"))
	if err != nil {
		return err
	}
	tokens, err := reviewer.SignIn(ctx,
		tenancy.Credentials{User: "rosa", Password: m.made.Password, Audience: tenancy.ReviewAudience})
	if err != nil {
		return err
	}
	m.root = tenancy.NewSession(reviewer, tokens, time.Now, nil)
	return nil
}

// keys makes the archive's key and directory.
func (m *maker) keys() error {
	if err := os.MkdirAll(filepath.Join(m.dir, keysDir), 0o700); err != nil {
		return fmt.Errorf("make key directory: %w", err)
	}
	signer, public, err := archive.GenerateKey("ward-demo")
	if err != nil {
		return err
	}
	if err := archive.WriteSigner(filepath.Join(m.dir, keysDir, "log.key"), signer); err != nil {
		return err
	}
	if m.signer, err = archive.NewSigner(signer); err != nil {
		return err
	}
	m.made.VerifyKey = public
	m.store, err = archive.CreateDir(filepath.Join(m.dir, archiveDir))
	return err
}

// load puts the past into the database and seals each day as it would have been sealed then.
func (m *maker) load(ctx context.Context) error {
	sealer, err := audit.Lead(ctx, m.work.Pool())
	if err != nil {
		return err
	}
	defer sealer.Close(ctx)
	err = m.history.Load(ctx, m.dsn("postgres"), func(ctx context.Context, end time.Time) error {
		sealer.Simulated = func() time.Time { return end }
		_, err := sealer.Seal(ctx)
		return err
	})
	if err != nil {
		return err
	}
	if _, err := sealer.Seal(ctx); err != nil {
		return err
	}
	// the rules join the chain with everything; where the planner takes it for empty, the first of them run for half a
	// minute each
	if _, err := m.super.Pool().Exec(ctx, "analyze audit.chain, tenancy.membership, tenancy.users"); err != nil {
		return fmt.Errorf("gather statistics of the chain: %w", err)
	}
	return nil
}

// people lets the demo's reviewers review.
func (m *maker) people(ctx context.Context) error {
	for user, role := range map[string]string{"dana": "compliance_officer", "eli": "compliance_officer",
		"ana": "auditor"} {
		if _, err := m.root.AddGrant(ctx, tenancy.NewGrant{User: user, Role: role, Reason: "demo"}); err != nil {
			return err
		}
	}
	_, err := m.root.AddOnCall(ctx, "omar", "", "demo: the on-call engineer")
	return err
}

// live adds today, through the application's own way in.
func (m *maker) live(ctx context.Context) error {
	if err := m.history.Live(ctx, m.app, 24,
		func(done, total int) { m.opts.Progress("simulating today", int64(done), int64(total)) }); err != nil {
		return err
	}
	m.opts.Progress("sealing today", 0, 0)
	return audit.SealAll(ctx, m.work.Pool())
}

// examine ships and runs the rules, which need nothing of each other.
func (m *maker) examine(ctx context.Context) error {
	m.opts.Progress("shipping and reviewing", 0, 0)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		s := &audit.Shipper{Pool: m.work.Pool(), Store: m.store, Signer: m.signer,
			Origin: archive.Origin(installation, Region), Now: m.opts.Now}
		return worker.Ship(ctx, m.work.Pool(), s, func(string, int64) {})
	})
	g.Go(func() error { return m.review(ctx) })
	return g.Wait()
}

// rulesAtOnce is as many as a worker runs.
const rulesAtOnce = 2

// review runs every rule over the past: those of a stage at the same time, since they do not read what each other
// found.
func (m *maker) review(ctx context.Context) error {
	rules, err := review.ShippedRules()
	if err != nil {
		return err
	}
	if err := review.Register(ctx, m.work.Pool(), rules); err != nil {
		return err
	}
	enabled, err := review.Enabled(ctx, m.work.Pool(), rules)
	if err != nil {
		return err
	}
	for len(enabled) > 0 {
		stage := enabled[0].Stage()
		g, running := errgroup.WithContext(ctx)
		g.SetLimit(rulesAtOnce)
		for ; len(enabled) > 0 && enabled[0].Stage() == stage; enabled = enabled[1:] {
			rule := enabled[0]
			g.Go(func() error {
				_, err := review.Run(running, m.work.Pool(), rule, m.opts.Now(), review.RunRequest{})
				return err
			})
		}
		if err := g.Wait(); err != nil {
			return err
		}
		// of what this stage explained, which the next asks for each access
		if _, err := m.super.Pool().Exec(ctx, "analyze review.explanation"); err != nil {
			return fmt.Errorf("gather statistics of what is explained: %w", err)
		}
	}
	return nil
}

// finish writes what the demo's commands read, and the record last.
func (m *maker) finish() error {
	m.made.Seed, m.made.Digest, m.made.MadeAt = m.opts.Seed, m.history.Digest(), m.opts.Now()
	if err := m.history.WriteLabels(filepath.Join(m.dir, labelsFile)); err != nil {
		return err
	}
	settings, err := yaml.Marshal(map[string]string{
		"database": m.dsn("ward_reviewer"), "worker_database": m.dsn("ward_worker"),
		"store": filepath.Join(m.dir, archiveDir), "installation": installation,
		"signing_key": filepath.Join(m.dir, keysDir) + "/log.key", "verify_key": m.made.VerifyKey,
		"token_file": filepath.Join(m.dir, tokensFile),
	})
	if err != nil {
		return fmt.Errorf("encode settings: %w", err)
	}
	if err := os.WriteFile(filepath.Join(m.dir, settingsFile), append([]byte("# Written by ward demo.\n"), settings...),
		0o600); err != nil {
		return fmt.Errorf("write settings: %w", err)
	}
	b, err := json.MarshalIndent(m.made, "", "  ")
	if err != nil {
		return fmt.Errorf("encode demo record: %w", err)
	}
	if err := os.WriteFile(filepath.Join(m.dir, recordFile), b, 0o600); err != nil {
		return fmt.Errorf("write demo record: %w", err)
	}
	return nil
}

// onCall has the on-call engineer take a grant, which lasts four hours, on the clinic with the most trouble.
func (d *Demo) onCall(ctx context.Context) error {
	super, err := tenancy.Open(ctx, d.Database("postgres"))
	if err != nil {
		return err
	}
	defer super.Close()
	var live, ending bool
	var slug string
	err = super.Pool().QueryRow(ctx,
		`select coalesce(bool_or(g.expires_at > clock_timestamp() + interval '10 minutes'), false), count(*) > 0,
		(select t.slug from tenancy.tenant t left join review.anomaly a on a.tenant_id = t.id where t.kind = 'clinic'
		group by t.slug order by count(a.id) desc, t.slug limit 1)
		from tenancy.reviewer_grant g join tenancy.users u on u.id = g.user_id where u.slug = 'omar'
			and g.ended_at is null and g.expires_at > clock_timestamp()`).Scan(&live, &ending, &slug)
	if err != nil {
		return fmt.Errorf("look for the on-call grant: %w", err)
	}
	if live {
		return nil
	}
	tokens, err := d.SignIn(ctx, "omar")
	if err != nil {
		return err
	}
	reviewer, err := tenancy.Open(ctx, d.Database("ward_reviewer"))
	if err != nil {
		return err
	}
	defer reviewer.Close()
	omar := tenancy.NewSession(reviewer, tokens, time.Now, nil)
	if ending {
		if _, err := omar.EndOnCall(ctx, "demo: about to run out"); err != nil {
			return err
		}
	}
	_, err = omar.TakeOnCall(ctx, slug, "demo: on call tonight", "DEMO-1", 4)
	return err
}
