package tenancy_test

import (
	"errors"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/ward-health/ward/tenancy"
)

// TestTxExplains: by whatever method a statement is sent, its error is a DeniedError without the server's DETAIL, which
// may hold a row's values.
func TestTxExplains(t *testing.T) {
	s := newScene(t)
	session := s.App("casey", "cedar")
	const again = "insert into public.patients (tenant_id, id, mrn, first_name, last_name) " +
		"values ($1, $2, 'MRN', 'Test', 'Canarytwice')"
	ways := map[string]func(tx tenancy.Tx) error{
		"Exec": func(tx tenancy.Tx) error {
			_, err := tx.Exec(t.Context(), again, s.cedar, s.mine)
			return err
		},
		"Query": func(tx tenancy.Tx) error {
			rows, err := tx.Query(t.Context(), again, s.cedar, s.mine)
			if err != nil {
				return err
			}
			_, err = pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
			return err
		},
		"QueryRow": func(tx tenancy.Tx) error {
			var id uuid.UUID
			return tx.QueryRow(t.Context(), again, s.cedar, s.mine).Scan(&id)
		},
		"Prepare": func(tx tenancy.Tx) error {
			_, err := tx.Prepare(t.Context(), "twice", "insert into public.patients (nothing) values (1)")
			return err
		},
		"CopyFrom": func(tx tenancy.Tx) error {
			columns := []string{"tenant_id", "id", "mrn", "first_name", "last_name"}
			_, err := tx.CopyFrom(t.Context(), pgx.Identifier{"public", "patients"}, columns,
				pgx.CopyFromRows([][]any{{s.cedar, s.mine, "MRN", "Test", "Canarytwice"}}))
			return err
		},
		"SendBatch": func(tx tenancy.Tx) error {
			b := &pgx.Batch{}
			b.Queue(again, s.cedar, s.mine)
			answers := tx.SendBatch(t.Context(), b)
			_, err := answers.Exec()
			if closing := answers.Close(); !explained(closing) {
				t.Errorf("close: %v", closing)
			}
			return err
		},
		"nested": func(tx tenancy.Tx) error {
			return pgx.BeginFunc(t.Context(), tx, func(nested pgx.Tx) error {
				_, err := nested.Exec(t.Context(), again, s.cedar, s.mine)
				return err
			})
		},
		"Begin after an error": func(tx tenancy.Tx) error {
			_, _ = tx.Exec(t.Context(), again, s.cedar, s.mine)
			_, err := tx.Begin(t.Context())
			return err
		},
	}
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			if err := session.Tx(t.Context(), uuid.Nil, way); !explained(err) {
				t.Errorf("%#v", err)
			}
		})
	}
}

func explained(err error) bool {
	var denied *tenancy.DeniedError
	var pg *pgconn.PgError
	return errors.As(err, &denied) && denied.SQLSTATE != "" &&
		errors.As(err, &pg) && pg.Detail == "" && pg.ConstraintName == ""
}
