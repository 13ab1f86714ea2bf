package controls

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/ward-health/ward/queries"
	"github.com/ward-health/ward/tenancy"
)

// Protect protects the tables of a wish in one transaction: all of them or none. It is for tables to which nothing
// stands in the way; PlanProtect says what does. The role needs what ward_migrate has.
func Protect(ctx context.Context, db DB, wish Wish) error {
	return pgx.BeginFunc(ctx, db, func(begun pgx.Tx) error {
		q := queries.New(tenancy.Explaining(begun))
		for _, table := range wish.Tables {
			if err := protect(ctx, q, table, wish); err != nil {
				return fmt.Errorf("protect %s: %w", table, err)
			}
		}
		return nil
	})
}

func protect(ctx context.Context, q *queries.Queries, table string, wish Wish) error {
	var subject *string
	for _, key := range []string{"", table} {
		if s, ok := wish.Subject[key]; ok {
			subject = &s
		}
	}
	open := append(append([]string{}, wish.Open[""]...), wish.Open[table]...)
	if err := q.Protect(ctx, queries.ProtectParams{RecordTable: table, Subject: subject, Open: open}); err != nil {
		return err
	}
	for _, p := range wish.Permit {
		arg := queries.PermitParams{Role: p.Role, RecordTable: table, Actions: p.Actions}
		if err := q.Permit(ctx, arg); err != nil {
			return err
		}
	}
	return nil
}

// Unprotect undoes what Protect made for a table, as the table's owner or a superuser, and returns the event that
// records it. What row security then keeps from whom is what policies of the application's own say.
func Unprotect(ctx context.Context, db DB, table, reason string) (event int64, err error) {
	err = pgx.BeginFunc(ctx, db, func(begun pgx.Tx) error {
		event, err = queries.New(tenancy.Explaining(begun)).Unprotect(ctx,
			queries.UnprotectParams{RecordTable: table, Reason: reason})
		if err != nil {
			return fmt.Errorf("unprotect %s: %w", table, err)
		}
		return nil
	})
	return event, err
}
