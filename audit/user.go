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
	var rows []UserEvent
	err = s.Look(ctx, func(tx tenancy.Tx, id uuid.UUID) error {
		arg := queries.OpenUserEventsParams{Ask: id, Who: user, Reason: reason, Filter: raw}
		if ticket != "" {
			arg.Ticket = &ticket
		}
		if err := queries.New(tx).OpenUserEvents(ctx, arg); err != nil {
			return fmt.Errorf("open events of %s: %w", user, tenancy.Explain(err))
		}
		return nil
	}, func(tx tenancy.Tx) error {
		found, err := queries.New(tx).UserEvents(ctx, queries.UserEventsParams{MaxRows: int32(limit)})
		if err != nil {
			return fmt.Errorf("events of %s: %w", user, tenancy.Explain(err))
		}
		rows, err = tenancy.Decode[UserEvent](found)
		return err
	})
	return rows, err
}
