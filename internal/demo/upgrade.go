package demo

import (
	"context"
	"fmt"

	"github.com/ward-health/ward/internal/worker"
	"github.com/ward-health/ward/queries/migrate"
)

// upgrade brings a demo that another build of ward has made to this one's schema. Its worker is of that other build and
// would refuse the new schema, so it ends first.
func (d *Demo) upgrade(ctx context.Context) error {
	url := d.Database("postgres")
	plan, err := migrate.Look(ctx, url, migrate.Options{})
	if err == nil && plan.Empty() {
		return nil
	}
	if err == nil {
		if err = d.stopWorker(ctx); err != nil {
			return err
		}
		var done []string
		done, err = worker.Migrate(ctx, url, migrate.Options{})
		for _, line := range done {
			d.opts.Progress("upgraded "+line, 0, 0)
		}
	}
	if err != nil {
		return fmt.Errorf("bring the demo in %s to this version of ward (ward demo reset, then ward demo, "+
			"makes a new one): %w",
			d.Dir, err)
	}
	return nil
}
