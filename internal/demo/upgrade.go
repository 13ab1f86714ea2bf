package demo

import (
	"context"
	"fmt"

	"github.com/ward-health/ward/internal/worker"
	"github.com/ward-health/ward/queries/migrate"
)

// upgrade brings a demo that another build of ward has made to this one's schema.
func (d *Demo) upgrade(ctx context.Context) error {
	plan, rivers, err := worker.Look(ctx, d.Database("postgres"), migrate.Options{})
	if err == nil && (!plan.Empty() || len(rivers) > 0) {
		err = d.migrate(ctx)
	}
	if err != nil {
		return fmt.Errorf("bring the demo in %s to this version of ward: %w "+
			"(ward demo reset, then ward demo, makes a new one)", d.Dir, err)
	}
	return nil
}

// migrate ends the worker first, which is of the other build and would refuse the new schema.
func (d *Demo) migrate(ctx context.Context) error {
	if err := d.stopWorker(ctx); err != nil {
		return err
	}
	done, err := worker.Migrate(ctx, d.Database("postgres"), migrate.Options{})
	for _, line := range done {
		d.opts.Progress("upgraded "+line, 0, 0)
	}
	return err
}
