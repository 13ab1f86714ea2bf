package review

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Answer is one row of what a rule finds or explains, as far as a test of the rule looks at it.
type Answer struct {
	Tenant         uuid.UUID
	Actor, Patient *uuid.UUID // nil: nobody's, or of no one patient
	Since          time.Time  // of a watch: since when it has been so
	What           string     // of a watch
	Summary        string     // of a filter: the reason
	Events         []int64
}

// mostTried bounds what a rule that is tried out may answer.
const mostTried = 100_000

// Try asks the rule about the batches after from up to to, under the same limits as a run of it, and keeps nothing. The
// transaction is one of ward_worker's.
func (r *Rule) Try(ctx context.Context, tx pgx.Tx, from, to int64, now time.Time) ([]Answer, error) {
	w := window{from, to, now}
	var answers []Answer
	if r.Explains() {
		rows, err := ask(ctx, tx, r, w, mostTried, pgx.RowToStructByNameLax[explained])
		for _, x := range rows {
			answers = append(answers,
				Answer{Tenant: x.Tenant, Actor: &x.Actor, Summary: x.Reason, Events: []int64{x.Event}})
		}
		return answers, err
	}
	rows, err := ask(ctx, tx, r, w, mostTried, pgx.RowToStructByPos[match])
	for i := range rows {
		m := &rows[i]
		a := Answer{Tenant: m.Tenant, Actor: m.Actor, Patient: m.Patient, Since: m.First, Summary: m.Summary,
			Events: m.EventIDs}
		if r.Watches() {
			a.What = m.what()
		}
		answers = append(answers, a)
	}
	return answers, err
}
