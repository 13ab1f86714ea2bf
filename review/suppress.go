package review

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/ward-health/ward/queries"
	"github.com/ward-health/ward/tenancy"
)

// NewSuppression asks that what a rule finds about a matter at one clinic goes into the queue as suppressed for a time.
// At least one of Actor, Patient, Record and Action says what the matter is; all of a match's evidence must be about
// it.
type NewSuppression struct {
	Rule    string     `json:"rule,omitempty"` // id, or its beginning
	Tenant  string     `json:"tenant,omitempty"`
	Actor   string     `json:"actor,omitempty"`
	Patient *uuid.UUID `json:"patient,omitempty"`
	Record  *uuid.UUID `json:"record,omitempty"`
	Action  string     `json:"action,omitempty"`
	Reason  string     `json:"reason"`
	Ticket  string     `json:"ticket"`
	Days    int        `json:"days"` // at most 90, of a rule of tier A 7
	// the id of one whose rule, clinic and matter this one takes over, from its end on
	Renews string `json:"renews,omitempty"`
}

// Suppression is one as the installation has it.
type Suppression struct {
	ID         uuid.UUID  `json:"id"`
	RuleID     string     `json:"rule_id"`
	Tier       string     `json:"tier"`
	TenantID   uuid.UUID  `json:"tenant_id"`
	Tenant     string     `json:"tenant"`
	Actor      *string    `json:"actor"`
	PatientID  *uuid.UUID `json:"patient_id"`
	RecordID   *uuid.UUID `json:"record_id"`
	Action     *string    `json:"action"`
	Reason     string     `json:"reason"`
	Ticket     string     `json:"ticket"`
	CreatedBy  string     `json:"created_by"`
	CreatedAt  time.Time  `json:"created_at"`
	ApprovedBy *string    `json:"approved_by"`
	ApprovedAt *time.Time `json:"approved_at"`
	StartsAt   time.Time  `json:"starts_at"`
	ExpiresAt  time.Time  `json:"expires_at"`
	EndedBy    *string    `json:"ended_by"`
	EndedAt    *time.Time `json:"ended_at"`
	Renews     *uuid.UUID `json:"renews"`
	Hits       int        `json:"hits"` // matches that it held back
	LastHitAt  *time.Time `json:"last_hit_at"`
	// pending, approved (to begin), active, expiring (within 14 days), expired, ended
	State   string `json:"state"`
	EventID int64  `json:"event_id"`
}

// Suppress asks for a suppression; somebody else approves it. Errors to act on: tenancy.ErrSeparation.
func Suppress(ctx context.Context, s *tenancy.Session, n NewSuppression) (Suppression, error) {
	raw, err := json.Marshal(n)
	if err != nil {
		return Suppression{}, fmt.Errorf("encode suppression: %w", err)
	}
	return tenancy.CallJSON[Suppression](ctx, s, "suppress",
		func(q *queries.Queries) (json.RawMessage, error) { return q.Suppress(ctx, raw) })
}

// ApproveSuppression lets what somebody else asked for (id or its first characters) begin.
func ApproveSuppression(ctx context.Context, s *tenancy.Session, id, reason string) (Suppression, error) {
	what := "approve suppression " + id
	return tenancy.CallJSON[Suppression](ctx, s, what, func(q *queries.Queries) (json.RawMessage, error) {
		return q.ApproveSuppression(ctx, queries.ApproveSuppressionParams{ID: id, Reason: reason})
	})
}

// EndSuppression ends one before its time, or withdraws it.
func EndSuppression(ctx context.Context, s *tenancy.Session, id, reason string) (Suppression, error) {
	what := "end suppression " + id
	return tenancy.CallJSON[Suppression](ctx, s, what, func(q *queries.Queries) (json.RawMessage, error) {
		return q.EndSuppression(ctx, queries.EndSuppressionParams{ID: id, Reason: reason})
	})
}

// Suppressions lists those within reach, live ones first; recorded.
func Suppressions(ctx context.Context, s *tenancy.Session) ([]Suppression, error) {
	return list[Suppression](ctx, s, "suppressions", "", (*queries.Queries).ListSuppressions)
}
