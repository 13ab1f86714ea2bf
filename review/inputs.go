package review

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"

	"github.com/ward-health/ward/queries"
	"github.com/ward-health/ward/tenancy"
)

// InputRow is one row of an input: who it is about (a user's slug, a patient's or a session's id; of person_link a user
// and a patient), and, as the input needs it, a value, which is kept as a keyed hash only, or a time (RFC 3339). Remove
// takes the row away.
type InputRow struct {
	User    string `json:"user,omitempty"`
	Patient string `json:"patient,omitempty"`
	Session string `json:"session,omitempty"`
	Value   string `json:"value,omitempty"`
	At      string `json:"at,omitempty"`
	Remove  bool   `json:"remove,omitempty"`
}

// DeclareInput says that this installation fills an input (person_link, surname, address_hash, vip, deceased_at,
// source_ip), or no longer does; recorded. The rules that require it are enabled, or NOT ENABLED, from then on.
func DeclareInput(ctx context.Context, s *tenancy.Session, input string, ready bool, reason string) error {
	return s.Tx(ctx, uuid.Nil, func(tx tenancy.Tx) error {
		if err := queries.New(tx).DeclareInput(ctx,
			queries.DeclareInputParams{Input: input, Ready: ready, Reason: reason}); err != nil {
			return fmt.Errorf("declare input %s: %w", input, err)
		}
		return nil
	})
}

// supplyAtOnce is how many rows one call of SupplyInput takes.
const supplyAtOnce = 10_000

// SupplyInput fills an input of one clinic, a row that is there replaced; recorded with the number of rows, in calls of
// 10,000. It returns how many rows were taken: all, or, with an error, those of the calls before.
func SupplyInput(ctx context.Context, s *tenancy.Session, input, tenant string, rows []InputRow) (int, error) {
	done := 0
	for len(rows) > 0 {
		next := rows[:min(len(rows), supplyAtOnce)]
		text, err := json.Marshal(next)
		if err != nil {
			return done, fmt.Errorf("encode rows of %s: %w", input, err)
		}
		arg := queries.SupplyInputParams{Input: input, Tenant: tenant, Rows: text}
		_, err = tenancy.Call(ctx, s, "supply "+input+" at "+tenant,
			func(q *queries.Queries) (int32, error) { return q.SupplyInput(ctx, arg) })
		if err != nil {
			return done, err
		}
		done, rows = done+len(next), rows[len(next):]
	}
	return done, nil
}
