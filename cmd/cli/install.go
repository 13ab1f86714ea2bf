package cli

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strconv"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/ward-health/ward/archive"
	"github.com/ward-health/ward/audit"
	"github.com/ward-health/ward/internal/postgres/filelock"
	"github.com/ward-health/ward/internal/worker"
	"github.com/ward-health/ward/review"
	"github.com/ward-health/ward/tenancy"
)

// privileged is the url that migrate, init and protect use: never the reviewer's by accident.
func (a *app) privileged() (string, error) {
	if a.flags.database != "" {
		return a.flags.database, nil
	}
	if v := a.Getenv("WARD_MIGRATE_DATABASE_URL"); v != "" {
		return v, nil
	}
	return "", usagef("this needs a privileged login: --database, or WARD_MIGRATE_DATABASE_URL")
}

func (a *app) initCmd() *cobra.Command {
	var in tenancy.Installation
	c := &cobra.Command{
		Use: "init SLUG NAME", Short: "Make a migrated, empty database an installation", Args: cobra.ExactArgs(2),
		Annotations: audited("configure"),
		Long: "As ward_migrate or a superuser. The administrator's password is asked for, " +
			"or read from standard input.",
		Example: `  ward init --database postgres://ward_migrate@/clinic --region us-west root "Rosa Ibarra"`,
		RunE: func(cmd *cobra.Command, args []string) error {
			url, err := a.privileged()
			if err != nil {
				return err
			}
			in.Slug, in.Name = args[0], args[1]
			if in.Password, err = a.password("Password for " + in.Slug + " (12 characters or more)"); err != nil {
				return err
			}
			db, err := known(cmd.Context(), url)
			if err != nil {
				return err
			}
			defer db.Close()
			id, err := db.Init(cmd.Context(), in)
			if err != nil {
				return err
			}
			return a.added("administrator "+in.Slug, id, nil)
		},
	}
	c.Flags().StringVar(&in.Region, "region", "", "the region that this database serves (needed)")
	_ = c.MarkFlagRequired("region")
	return c
}

func (a *app) workerCmd() *cobra.Command {
	var lockFile, metrics string
	c := &cobra.Command{
		Use: "worker", Short: "Seal, ship and run the rules, until stopped; any number may run", Args: cobra.NoArgs,
		Annotations: exempt("its events are the worker's own"),
		Long: "Connects as ward_worker (worker_database in ward.yaml, or WARD_WORKER_DATABASE_URL). " +
			"Without a store and a signing key it seals and reviews, and says that it does not ship.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := a.settings()
			if err != nil {
				return err
			}
			if lockFile != "" {
				lock, err := filelock.Acquire(cmd.Context(), lockFile)
				if err != nil {
					return err
				}
				defer lock.Release()
				if err := os.WriteFile(lockFile, []byte(strconv.Itoa(os.Getpid())), 0o600); err != nil {
					return fmt.Errorf("write process id: %w", err)
				}
			}
			return a.work(cmd.Context(), &s, metrics)
		},
	}
	c.Flags().StringVar(&lockFile, "lock", "", "hold this file locked while running, with the process id in it")
	c.Flags().StringVar(&metrics, "metrics", "", "serve metrics for Prometheus at http://ADDR/metrics, "+
		"without a sign-in; \":9464\" is 127.0.0.1 only (default: none)")
	jobs := &cobra.Command{
		Use: "jobs", Short: "The worker's jobs that are not done: waiting, tried again, and dead", Args: cobra.NoArgs,
		Annotations: audited("browse"),
		Long: "A dead job failed at every attempt; it stays in the list for a week. " +
			"What failed in a rule's runs is in ward rule history too.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd.Context(), func(s *tenancy.Session) error {
				rows, err := review.Jobs(cmd.Context(), s)
				if err != nil {
					return err
				}
				return emit(a, rows, []string{"JOB", "KIND", "RULE", "STATE", "ATTEMPT", "NEXT", "ERROR"},
					func(j review.Job) []string {
						state := j.State
						if j.Dead {
							state = "DEAD"
						}
						return []string{strconv.FormatInt(j.ID, 10), j.Kind, or(j.RuleID, ""), state,
							fmt.Sprintf("%d of %d", j.Attempt, j.MaxAttempts), whenOr(j.NextAt, "never"),
							clean(or(j.Error, ""))}
					})
			})
		},
	}
	a.jsonFlag(jobs)
	c.AddCommand(jobs)
	return c
}

func (a *app) work(ctx context.Context, s *Settings, metrics string) error {
	if s.WorkerDatabase == "" {
		return usagef("no database for the worker: set worker_database in ward.yaml, or WARD_WORKER_DATABASE_URL")
	}
	rules, err := s.rules()
	if err != nil {
		return err
	}
	targets, err := s.targets(a)
	if err != nil {
		return err
	}
	db, err := known(ctx, s.WorkerDatabase)
	if err != nil {
		return err
	}
	defer db.Close()
	log := slog.New(slog.NewTextHandler(a.Err, &slog.HandlerOptions{Level: slog.LevelInfo}))
	c := worker.Config{Pool: db.Pool(), Rules: rules, Log: log, Now: a.Now, Installation: s.Installation,
		Targets: targets, Digest: s.Notify.Digest}
	if s.Store == "" || s.SigningKey == "" {
		log.WarnContext(ctx, "no archive: set store and signing_key; history is sealed but leaves the database nowhere")
	} else if c.Shipper, err = shipper(ctx, s, db, a); err != nil {
		return err
	}
	if metrics == "" {
		return worker.Run(ctx, c)
	}
	l, err := worker.Listen(ctx, metrics)
	if err != nil {
		return err
	}
	c.Metrics = worker.NewMetrics(c.Pool, a.Now)
	log.InfoContext(ctx, "serving metrics", slog.String("at", l.Addr().String()))
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return c.Metrics.Serve(ctx, l) })
	g.Go(func() error { return worker.Run(ctx, c) })
	return g.Wait()
}

func shipper(ctx context.Context, s *Settings, db *tenancy.DB, a *app) (*audit.Shipper, error) {
	store, err := s.store()
	if err != nil {
		return nil, err
	}
	signer, err := archive.LoadSigner(s.SigningKey)
	if err != nil {
		return nil, err
	}
	var previous []*archive.Signer
	if s.PreviousKey != "" {
		old, err := archive.LoadSigner(s.PreviousKey)
		if err != nil {
			return nil, fmt.Errorf("previous key: %w", err)
		}
		previous = append(previous, old)
	}
	region, err := db.Region(ctx)
	if err != nil {
		return nil, err
	}
	return &audit.Shipper{Pool: db.Pool(), Store: store, Signer: signer, Previous: previous,
		Origin: archive.Origin(s.Installation, region), Now: a.Now}, nil
}
