package audit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/ward-health/ward/queries"
	"github.com/ward-health/ward/tenancy"
)

// Event is one audit row as a reviewer sees it: ids and times, no clinical or demographic value.
type Event struct {
	EventID      int64      `json:"event_id"`
	RecordedAt   time.Time  `json:"recorded_at"`
	OccurredAt   *time.Time `json:"occurred_at"`
	Actor        *string    `json:"actor"` // slug
	ActorID      *uuid.UUID `json:"actor_id"`
	ActorKind    string     `json:"actor_kind"`
	Action       string     `json:"action"`
	Outcome      string     `json:"outcome"`
	RecordTable  *string    `json:"record_table"`
	RecordID     *uuid.UUID `json:"record_id"`
	PatientID    *uuid.UUID `json:"patient_id"`
	Purpose      *string    `json:"purpose"`
	SessionID    *uuid.UUID `json:"session_id"`
	MembershipID *uuid.UUID `json:"membership_id"`
	DisclosureID *uuid.UUID `json:"disclosure_id"`
	Detail       *string    `json:"detail"` // exact JSON text
	Source       string     `json:"source"`
	Seq          *int64     `json:"seq"`  // place in the tenant's chain; nil: UNSEALED
	Hash         *string    `json:"hash"` // PostgreSQL's hex form of the chain hash
	From         string     `json:"from"` // FromDatabase or FromArchive
	Part         *string    `json:"part"` // of the archive that the row was read from
}

// Where a row was read from.
const (
	FromDatabase = "database"
	FromArchive  = "archive"
)

// Filter narrows a tenant's events. Empty fields do not.
type Filter struct {
	Actor       []string   `json:"actor,omitempty"` // slugs or user ids
	Action      []string   `json:"action,omitempty"`
	Outcome     string     `json:"outcome,omitempty"`
	RecordTable string     `json:"record_table,omitempty"`
	RecordID    *uuid.UUID `json:"record_id,omitempty"`
	SubjectID   *uuid.UUID `json:"subject_id,omitempty"`
	SessionID   *uuid.UUID `json:"session_id,omitempty"`
	Purpose     string     `json:"purpose,omitempty"`
	From        *time.Time `json:"from,omitempty"`
	To          *time.Time `json:"to,omitempty"`
	EventIDs    []int64    `json:"event_ids,omitempty"`
}

// Position is a place between two events of a tenant's log, by time and id.
type Position struct {
	At time.Time
	ID int64
}

// Lease is a tenant's log opened by a reviewer: recorded with its reason, valid for a quarter of an hour. Paging and
// following within it add no events; each new filter adds one.
type Lease struct {
	session *tenancy.Session
	id      uuid.UUID
	Tenant  string
	Reason  string
	Filter  Filter
	Expires time.Time // as this machine's clock has it; the database's decides

	archive *archived // nil: rows are read from the database alone
	form    Form      // of an export
}

// ReviewLease is how long an opened log stays open.
const ReviewLease = 15 * time.Minute

// Open records that the session looks at a tenant's events and why, commits that, and returns the lease under which
// pages can be read. ticket is optional.
func Open(ctx context.Context, s *tenancy.Session, tenant, reason, ticket string, filter Filter) (*Lease, error) {
	raw, err := json.Marshal(filter)
	if err != nil {
		return nil, fmt.Errorf("encode filter: %w", err)
	}
	l := &Lease{session: s, id: uuid.New(), Tenant: tenant, Reason: reason, Filter: filter,
		Expires: time.Now().Add(ReviewLease)}
	err = s.Tx(ctx, uuid.Nil, func(tx tenancy.Tx) error {
		arg := queries.OpenEventsParams{Ask: l.id, Tenant: tenant, Reason: reason, Filter: raw}
		if ticket != "" {
			arg.Ticket = &ticket
		}
		if err := queries.New(tx).OpenEvents(ctx, arg); err != nil {
			return fmt.Errorf("open events of %s: %w", tenant, err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return l, nil
}

// Search narrows the lease by another filter; recorded. The lease ends when the first one does.
func (l *Lease) Search(ctx context.Context, filter Filter) (*Lease, error) {
	raw, err := json.Marshal(filter)
	if err != nil {
		return nil, fmt.Errorf("encode filter: %w", err)
	}
	next := &Lease{session: l.session, id: uuid.New(), Tenant: l.Tenant, Reason: l.Reason, Filter: filter,
		Expires: l.Expires, archive: l.archive}
	err = l.session.Tx(ctx, l.id, func(tx tenancy.Tx) error {
		if err := queries.New(tx).SearchEvents(ctx, queries.SearchEventsParams{Ask: next.id, Filter: raw}); err != nil {
			return fmt.Errorf("search events of %s: %w", l.Tenant, err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return next, nil
}

// Older reads up to n events before pos, newest first; nil: from the newest end. Where the database's rows end it goes
// on in the archive. With ErrNoArchive come those that the database has.
func (l *Lease) Older(ctx context.Context, pos *Position, n int) ([]Event, error) {
	events, err := l.page(ctx, true, pos, n)
	if err != nil || len(events) == n {
		return events, err
	}
	older, err := l.archived(ctx, true, after(events, pos), n-len(events))
	if err != nil && !errors.Is(err, ErrNoArchive) {
		return nil, err
	}
	return append(events, older...), err
}

// Newer reads up to n events after pos, oldest first; nil: from the oldest end, which may be in the archive. With
// ErrNoArchive come those that the database has.
func (l *Lease) Newer(ctx context.Context, pos *Position, n int) ([]Event, error) {
	var events []Event
	var missing error
	if pos == nil || time.Since(pos.At) > prunedAfter {
		var err error
		events, err = l.archived(ctx, false, pos, n)
		if errors.Is(err, ErrNoArchive) {
			missing, err = err, nil
		}
		if err != nil || len(events) == n {
			return events, err
		}
	}
	newer, err := l.page(ctx, false, after(events, pos), n-len(events))
	if err != nil {
		return nil, err
	}
	return append(events, newer...), missing
}

// after is the place of the last event, or pos where there is none.
func after(events []Event, pos *Position) *Position {
	if len(events) == 0 {
		return pos
	}
	last := &events[len(events)-1]
	return &Position{At: last.RecordedAt, ID: last.EventID}
}

// prunedAfter is the least age of a row that was pruned: the schema keeps a month for another one.
const prunedAfter = 28 * 24 * time.Hour

func (l *Lease) page(ctx context.Context, older bool, pos *Position, n int) ([]Event, error) {
	arg := queries.EventsParams{Older: older, MaxRows: int32(n)}
	if pos != nil {
		arg.PosAt, arg.PosID = &pos.At, &pos.ID
	}
	var events []Event
	err := l.session.Tx(ctx, l.id, func(tx tenancy.Tx) error {
		rows, err := queries.New(tx).Events(ctx, arg)
		if err != nil {
			return fmt.Errorf("read events of %s: %w", l.Tenant, err)
		}
		events, err = tenancy.Decode[Event](rows)
		return err
	})
	for i := range events {
		events[i].From = FromDatabase
	}
	return events, err
}
