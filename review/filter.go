package review

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ward-health/ward/queries"
)

// explained is one row of a filter's answer: the columns tenant_id, actor_id, event_id, reason, valid_until and, of
// what it inherits, inherited_from, by name. The event is one of review.staff_access; reason is one word for a machine
// (appointment, covering); valid_until is until when an access of the same person to the same patient inherits it,
// null: none does.
type explained struct {
	Tenant        uuid.UUID  `db:"tenant_id" json:"tenant_id"`
	Actor         uuid.UUID  `db:"actor_id" json:"actor_id"`
	Event         int64      `db:"event_id" json:"event_id"`
	Reason        string     `db:"reason" json:"reason"`
	ValidUntil    *time.Time `db:"valid_until" json:"valid_until"`
	InheritedFrom *int64     `db:"inherited_from" json:"inherited_from"`
}

// slice is how many sealed rows a filter looks at in one statement: it explains most of them, and its answer is held in
// memory.
const slice = 100_000

// explain runs a filter over its window and stores what it explains.
func (r *Rule) explain(ctx context.Context, tx pgx.Tx, q *queries.Queries, now time.Time, res *Result) error {
	for from := res.FromBatch; from < res.ToBatch; {
		to, err := q.SliceEnd(ctx, queries.SliceEndParams{After: from, Upto: res.ToBatch, N: slice})
		if err != nil {
			return fmt.Errorf("find a slice of batches: %w", err)
		}
		// a batch may be longer than a slice, and an access has one row of a filter
		answer, err := ask(ctx, tx, r, window{from, to, now}, longestAnswer, pgx.RowToStructByNameLax[explained])
		if err != nil {
			return err
		}
		res.Matched += len(answer)
		for len(answer) > 0 {
			n := min(len(answer), storedAtOnce)
			created, err := r.store(ctx, q, answer[:n], res.RunID)
			if err != nil {
				return err
			}
			res.Created += created
			answer = answer[n:]
		}
		from = to
	}
	if err := q.CountExplained(ctx, queries.CountExplainedParams{More: int64(res.Created), ID: r.ID}); err != nil {
		return fmt.Errorf("count what was explained: %w", err)
	}
	return nil
}

// storedAtOnce is how many explanations one statement stores. It may pass over all events to find theirs, so that a
// long answer is not to be many of them.
const storedAtOnce = 50_000

// longestAnswer bounds what a filter may answer at once: some 300 MB.
const longestAnswer = 3_000_000

// store returns how many explanations are new. A filter that names another clinic's event, or one that is no access of
// the person named, explains nothing: it fails.
func (r *Rule) store(ctx context.Context, q *queries.Queries, answer []explained, run uuid.UUID) (int, error) {
	p := queries.ExplainParams{Filter: r.ID, FilterVersion: int32(r.Version), RunID: run}
	for _, x := range answer {
		until, from := time.Unix(0, 0), int64(0)
		if x.ValidUntil != nil {
			until = *x.ValidUntil
		}
		if x.InheritedFrom != nil {
			from = *x.InheritedFrom
		}
		p.Tenants, p.Actors, p.EventIds, p.Reasons = append(p.Tenants, x.Tenant), append(p.Actors, x.Actor),
			append(p.EventIds, x.Event), append(p.Reasons, x.Reason)
		p.ValidUntil, p.InheritedFrom = append(p.ValidUntil, until), append(p.InheritedFrom, from)
	}
	created, err := q.Explain(ctx, p)
	if err != nil {
		return 0, fmt.Errorf("store explanations: %w", err)
	}
	if int(created) == len(answer) {
		return int(created), nil
	}
	// what was there before is no fault; what is not there now is
	known, err := q.Explained(ctx, queries.ExplainedParams{Filter: r.ID, EventIds: p.EventIds})
	if err != nil {
		return 0, fmt.Errorf("look explanations over: %w", err)
	}
	if int(known) != len(answer) {
		return 0, fmt.Errorf("a filter explains %d events, of which %d are accesses of the clinic and person that it "+
			"names, each once", len(answer), known)
	}
	return int(created), nil
}
