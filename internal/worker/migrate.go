// Package worker runs what nobody waits for: sealing, shipping, and the review rules as River jobs. It alone knows
// River.
package worker

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"

	"github.com/ward-health/ward/queries"
	"github.com/ward-health/ward/review"
)

// Schema is where River's tables live.
const Schema = "river"

// Migrate brings a database to the newest schema: ward's own migrations, then River's. It returns what it applied.
func Migrate(ctx context.Context, url string) ([]string, error) {
	applied, err := queries.Migrate(ctx, url)
	if err != nil {
		return nil, err
	}
	pool, err := asOwner(ctx, url)
	if err != nil {
		return nil, err
	}
	defer pool.Close()
	migrator, err := rivermigrate.New(riverpgxv5.New(pool), &rivermigrate.Config{Schema: Schema})
	if err != nil {
		return nil, fmt.Errorf("read River's migrations: %w", err)
	}
	result, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil)
	if err != nil {
		return nil, fmt.Errorf("apply River's migrations: %w", err)
	}
	for _, v := range result.Versions {
		applied = append(applied, fmt.Sprintf("river %03d %s", v.Version, v.Name))
	}
	return applied, nil
}

// asOwner connects as ward_owner: River's tables belong to it, and its default privileges give the worker what it
// needs.
func asOwner(ctx context.Context, url string) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("parse database url: %w", err)
	}
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
