package audit

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/ward-health/ward/archive"
	"github.com/ward-health/ward/queries"
	"github.com/ward-health/ward/tenancy"
)

// Prove makes a proof, for a reviewer, that one event is in the archive. The look at the event commits before the store
// is read. tenant, a slug or an id, is needed only for an event of a month that the database no longer has. progress
// (nil: nobody) is told how many of how many parts were searched. The error is archive.ErrNoRow for an event that is
// sealed and not shipped yet.
func Prove(ctx context.Context, s *tenancy.Session, store archive.Store, event int64, tenant string,
	progress func(done, all int), keys ...archive.Key) (*archive.Proof, error) {
	ask := func(tx tenancy.Tx, id uuid.UUID) error {
		arg := queries.ProveParams{Ask: id, Event: event}
		if tenant != "" {
			arg.Tenant = &tenant
		}
		return queries.New(tx).Prove(ctx, arg)
	}
	var at queries.ProvingRow
	err := s.Look(ctx, ask, func(tx tenancy.Tx) (err error) {
		at, err = queries.New(tx).Proving(ctx)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("prove event %d: %w", event, err)
	}
	query := archive.RowQuery{Tenant: at.TenantID.String(), Seq: at.Seq, EventID: event}
	proof, err := archive.Prove(ctx, store, query, progress, keys...)
	if err != nil {
		return nil, fmt.Errorf("prove event %d: %w", event, err)
	}
	return proof, nil
}
