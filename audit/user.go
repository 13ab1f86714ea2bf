package audit

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"

	"github.com/ward-health/ward/queries"
	"github.com/ward-health/ward/tenancy"
)

// UserEvent is an event of one person, with the tenant (slug) that it belongs to.
type UserEvent struct {
	Tenant string `json:"tenant"`
	Event
}

// OfUser records that the session looks at one person's (slug or id) events at every tenant within its reach, and why,
// commits that, and returns the newest limit (1 to 5000) of them. The person is filter's actor; ticket is optional.
func OfUser(ctx context.Context, s *tenancy.Session, user, reason, ticket string, filter Filter,
	limit int) ([]UserEvent, error) {
	raw, err := json.Marshal(filter)
	if err != nil {
		return nil, fmt.Errorf("encode filter: %w", err)
	}
	arg := queries.OpenUserEventsParams{Who: user, Reason: reason, Filter: raw, Ticket: filled(ticket)}
	return tenancy.List[UserEvent](ctx, s, "events of "+user, func(q *queries.Queries, id uuid.UUID) error {
		arg.Ask = id
		return q.OpenUserEvents(ctx, arg)
	}, func(q *queries.Queries, ctx context.Context) ([]json.RawMessage, error) {
		return q.UserEvents(ctx, queries.UserEventsParams{MaxRows: int32(limit)})
	})
}
