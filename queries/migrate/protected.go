package migrate

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// olderThan are the protected tables that another generator has made.
func olderThan(ctx context.Context, db querier, generator string) ([]string, error) {
	rows, err := db.Query(ctx, "select record_table from tenancy.phi_table where generator <> $1 order by 1", generator)
	if err != nil {
		return nil, fmt.Errorf("list the protected tables: %w", err)
	}
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("list the protected tables: %w", err)
	}
	return tables, nil
}

// protectAgain makes anew what tenancy.protect and tenancy.relate made for the application's tables, each table in a
// transaction of its own: policies, triggers and view change together or not at all.
func protectAgain(ctx context.Context, db *pgx.Conn, tables []string, o Options) error {
	for _, t := range tables {
		err := o.patiently(ctx, func() error {
			return pgx.BeginFunc(ctx, db, func(tx pgx.Tx) error {
				if _, err := tx.Exec(ctx,
					fmt.Sprintf("set local lock_timeout = %d", LockTimeout.Milliseconds())); err != nil {
					return fmt.Errorf("bound the wait for locks: %w", err)
				}
				if _, err := tx.Exec(ctx, "select tenancy.protect_again($1::regclass)", t); err != nil {
					return fmt.Errorf("protect %s anew: %w", t, err)
				}
				return nil
			})
		})
		if err != nil {
			return err
		}
	}
	return nil
}
