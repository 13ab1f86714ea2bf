package audit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/ward-health/ward/archive"
	"github.com/ward-health/ward/queries"
	"github.com/ward-health/ward/tenancy"
)

// Examine tries out the archive's store for a reviewer: the intent is an event that commits before the store is
// touched, what was found is another, and the checks are returned only when both are durable.
func Examine(ctx context.Context, s *tenancy.Session, store archive.Store) ([]archive.StoreCheck, error) {
	record := func(ctx context.Context, found []byte) error {
		return s.Tx(ctx, uuid.Nil, func(tx tenancy.Tx) error {
			return queries.New(tx).ExamineStore(ctx, queries.ExamineStoreParams{Store: store.String(), Found: found})
		})
	}
	if err := record(ctx, nil); err != nil {
		return nil, fmt.Errorf("begin examining %s: %w", store, err)
	}
	checks, failed := archive.Examine(ctx, store)
	found := map[string]string{}
	for _, c := range checks {
		found[c.Check] = c.State
	}
	detail, err := json.Marshal(found)
	if err != nil {
		return nil, fmt.Errorf("encode what was found: %w", err)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), verdictTime)
	defer cancel()
	err = record(ctx, detail)
	if failed != nil {
		return nil, failed
	}
	if err != nil {
		return nil, fmt.Errorf("record what was found of %s: %w", store, err)
	}
	return checks, nil
}

// Hold is a legal hold on archived history: of a clinic, of a month, or of a clinic's month.
type Hold struct {
	ID         uuid.UUID  `json:"id"`
	Tenant     *string    `json:"tenant"` // slug; null: every clinic
	Month      *string    `json:"month"`  // YYYY-MM of sealing; null: every month
	Reason     string     `json:"reason"`
	PlacedBy   string     `json:"placed_by"`
	PlacedAt   time.Time  `json:"placed_at"`
	LiftedBy   *string    `json:"lifted_by"`
	LiftedAt   *time.Time `json:"lifted_at"`
	LiftReason *string    `json:"lift_reason"`
}

// PlaceHold places a legal hold. Empty tenant or month: every one. The worker carries it to the store within a minute.
func PlaceHold(ctx context.Context, s *tenancy.Session, tenant, month, reason string) (uuid.UUID, error) {
	return tenancy.Call(ctx, s, "place a legal hold", func(q *queries.Queries) (uuid.UUID, error) {
		return q.PlaceHold(ctx, queries.PlaceHoldParams{Tenant: filled(tenant), Month: filled(month), Reason: reason})
	})
}

// LiftHold lifts a legal hold, by its id or the first eight digits of it.
func LiftHold(ctx context.Context, s *tenancy.Session, hold, reason string) (uuid.UUID, error) {
	return tenancy.Call(ctx, s, "lift legal hold "+hold, func(q *queries.Queries) (uuid.UUID, error) {
		return q.LiftHold(ctx, queries.LiftHoldParams{Hold: hold, Reason: reason})
	})
}

// Holds lists the legal holds within reach, those in force first.
func Holds(ctx context.Context, s *tenancy.Session) ([]Hold, error) {
	return tenancy.List[Hold](ctx, s, "legal holds", func(q *queries.Queries, ask uuid.UUID) error {
		return q.BrowseAuditList(ctx, queries.BrowseAuditListParams{Ask: ask, What: "archive"})
	}, (*queries.Queries).ListHolds)
}

func filled(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// keepRules says how long a part has to be kept, and whether a legal hold keeps it.
type keepRules struct {
	years map[string]int // by tenant's id
	holds []queries.HoldsInForceRow
}

func (s *Shipper) keepRules(ctx context.Context) (*keepRules, error) {
	q := queries.New(s.Pool)
	tenants, err := q.Tenants(ctx)
	if err != nil {
		return nil, fmt.Errorf("read retention of tenants: %w", err)
	}
	k := &keepRules{years: map[string]int{}}
	for _, t := range tenants {
		k.years[t.ID.String()] = int(t.RetainYears)
	}
	if k.holds, err = q.HoldsInForce(ctx); err != nil {
		return nil, fmt.Errorf("read legal holds: %w", err)
	}
	return k, nil
}

// longest is the most years of the tenants given by id.
func (k *keepRules) longest(tenants []archive.TenantSpan) int {
	years := 0
	for _, t := range tenants {
		years = max(years, k.years[t.TenantID])
	}
	return years
}

func (k *keepRules) held(m *archive.Manifest) bool {
	for _, h := range k.holds {
		if h.Month != nil && *h.Month != m.Month {
			continue
		}
		if h.TenantID == nil {
			return true
		}
		for _, t := range m.Tenants {
			if t.TenantID == h.TenantID.String() {
				return true
			}
		}
	}
	return false
}

// Rules is a text that changes when a retention or a legal hold does; held says that a hold is in force.
func (s *Shipper) Rules(ctx context.Context) (text string, held bool, err error) {
	k, err := s.keepRules(ctx)
	if err != nil {
		return "", false, err
	}
	data, err := json.Marshal([]any{k.years, k.holds})
	if err != nil {
		return "", false, fmt.Errorf("encode retentions: %w", err)
	}
	return string(data), len(k.holds) > 0, nil
}

// Extend carries retentions and legal holds that came after shipping to the parts that exist, and with notes to the
// published chain heads too: a lock is made longer, never shorter. Where something was changed, an event says how much.
func (s *Shipper) Extend(ctx context.Context, notes bool) (archive.Extended, error) {
	k, err := s.keepRules(ctx)
	if err != nil {
		return archive.Extended{}, err
	}
	done, err := archive.Extend(ctx, s.Store, s.Origin, s.Signer.Key(), notes,
		func(m *archive.Manifest) (time.Time, bool) {
			until := s.retain(m.Month, k.longest(m.Tenants))
			if m.RetainUntil.After(until) {
				until = m.RetainUntil
			}
			return until, k.held(m)
		})
	if errors.Is(err, archive.ErrNoLocks) {
		return done, nil // a directory holds its files to nothing
	}
	if err != nil {
		return done, err
	}
	if done.Locks+done.Holds > 0 {
		detail := fmt.Sprintf(`{"what":"archive extend","locks":%d,"holds":%d}`, done.Locks, done.Holds)
		if _, err := queries.New(s.Pool).WriteWorker(ctx,
			queries.WriteWorkerParams{Action: "ship", Detail: detail}); err != nil {
			return done, fmt.Errorf("record extending of %s: %w", s.Store, err)
		}
	}
	return done, nil
}
