// Package tables makes the reference clinical tables, which the demo and the tests protect. A customer protects their
// own.
package tables

import (
	"context"
	_ "embed" // for the tables
	"fmt"

	"github.com/jackc/pgx/v5"
)

//go:embed tables.sql
var text string

// SQL is their text.
func SQL() string { return text }

// Install makes and protects the reference clinical tables, all or nothing, in the migrated database at url. The
// login is one that may act as ward_owner.
func Install(ctx context.Context, url string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return fmt.Errorf("connect to make the clinical tables: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "set local role ward_owner;\n"+text, pgx.QueryExecModeSimpleProtocol)
		return err
	})
	if err != nil {
		return fmt.Errorf("make the clinical tables: %w", err)
	}
	return nil
}
