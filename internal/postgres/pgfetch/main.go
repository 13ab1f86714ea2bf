// Command pgfetch fetches PostgreSQL into the cache unless it is there, and prints the directory of its programs. With
// it, tests run on that PostgreSQL beside an installed one:
//
//	WARD_PG_BIN=$(go run ./internal/postgres/pgfetch) go test ./tenancy
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"

	"github.com/ward-health/ward/internal/postgres"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	b, err := postgres.Fetch(ctx, postgres.FetchOptions{Progress: func(s string) { fmt.Fprintln(os.Stderr, s) }})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1) //nolint:gocritic // stop has nothing left to do
	}
	fmt.Println(b.Dir)
}
