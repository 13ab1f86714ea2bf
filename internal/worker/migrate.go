// Package worker runs what nobody waits for: sealing, shipping, and the review rules as River jobs. It alone knows
// River.
package worker

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"

	"github.com/ward-health/ward/queries/migrate"
	"github.com/ward-health/ward/review"
)

// Schema is where River's tables live.
const Schema = "river"

// Migrate brings a database to the newest schema: ward's own, then River's. It returns what it applied, a line each,
// also with an error that is migrate.ErrUnfinished: River's migrations are applied all the same. Each of those is a
// transaction, since one of them adds a value to an enum and a later one uses it, which PostgreSQL allows in two
// transactions only; a call after an interruption goes on with the next.
func Migrate(ctx context.Context, url string, o migrate.Options) ([]string, error) {
	plan, err := migrate.Run(ctx, url, o)
	if err != nil && !errors.Is(err, migrate.ErrUnfinished) {
		return nil, err
	}
	rivers, failed := migrateRiver(ctx, url, &rivermigrate.MigrateOpts{})
	return append(plan.Lines(), rivers...), errors.Join(err, failed)
}

// Look returns what Migrate would do, and changes nothing: ward's part, and River's migrations a line each.
func Look(ctx context.Context, url string, o migrate.Options) (plan *migrate.Plan, rivers []string, err error) {
	if plan, err = migrate.Look(ctx, url, o); err != nil {
		return nil, nil, err
	}
	if plan.From == "" { // then no table of River's is there to be asked
		migrator, err := rivermigrate.New(riverpgxv5.New(nil), &rivermigrate.Config{Schema: Schema})
		if err != nil {
			return nil, nil, fmt.Errorf("read River's migrations: %w", err)
		}
		for _, v := range migrator.AllVersions() {
			rivers = append(rivers, riverLine(v.Version, v.Name))
		}
		return plan, rivers, nil
	}
	if len(plan.Obstacles) > 0 {
		return plan, nil, nil
	}
	rivers, err = migrateRiver(ctx, url, &rivermigrate.MigrateOpts{DryRun: true})
	return plan, rivers, err
}

func migrateRiver(ctx context.Context, url string, o *rivermigrate.MigrateOpts) ([]string, error) {
	pool, err := asOwner(ctx, url)
	if err != nil {
		return nil, err
	}
	defer pool.Close()
	// River's own migrations know nothing of another one that runs
	one, err := pool.Acquire(ctx)
	if err != nil {
		return nil, fmt.Errorf("connect as ward_owner: %w", err)
	}
	defer one.Release()
	if _, err := one.Exec(ctx, "select pg_advisory_lock(hashtext('ward river'))"); err != nil {
		return nil, fmt.Errorf("wait for another migration: %w", err)
	}
	defer func() { _, _ = one.Exec(context.WithoutCancel(ctx), "select pg_advisory_unlock_all()") }()
	migrator, err := rivermigrate.New(riverpgxv5.New(pool), &rivermigrate.Config{Schema: Schema})
	if err != nil {
		return nil, fmt.Errorf("read River's migrations: %w", err)
	}
	result, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, o)
	if err != nil {
		return nil, fmt.Errorf("apply River's migrations: %w", err)
	}
	var lines []string
	for _, v := range result.Versions {
		lines = append(lines, riverLine(v.Version, v.Name))
	}
	return lines, nil
}

func riverLine(version int, name string) string { return fmt.Sprintf("river %03d %s", version, name) }

// asOwner connects as ward_owner: River's tables belong to it, and its default privileges give the worker what it
// needs.
func asOwner(ctx context.Context, url string) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("parse database URL: %w", err)
	}
	maps.Copy(config.ConnConfig.RuntimeParams, migrate.Settings())
	config.ConnConfig.RuntimeParams["role"] = "ward_owner"
	config.MaxConns = 2
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("connect as ward_owner: %w", err)
	}
	return pool, nil
}

// Register stores the heads of the rules, as a worker does when it starts: so that they are known before one has.
func Register(ctx context.Context, url string, rules []review.Rule) error {
	pool, err := asOwner(ctx, url)
	if err != nil {
		return err
	}
	defer pool.Close()
	return review.Register(ctx, pool, rules)
}
