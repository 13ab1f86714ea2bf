package tenancy

import (
	"context"
	"encoding/json"
	"time"

	"github.com/google/uuid"

	"github.com/ward-health/ward/queries"
)

// Service is a service account: a program, who answers for it, and what it says it does. What it does beyond that rule
// A05 finds.
type Service struct {
	ID    uuid.UUID `json:"id"`
	Slug  string    `json:"slug"`
	Name  string    `json:"name"`
	Owner *string   `json:"owner"`
	// the owner is disabled, or has neither a live membership nor a grant
	Ownerless   bool             `json:"ownerless"`
	DisabledAt  *time.Time       `json:"disabled_at"`
	Memberships []UserMembership `json:"memberships"`
	Declared    []Declaration    `json:"declared"`
	Secrets     []ServiceSecret  `json:"secrets"` // the valid ones, two at most
}

// Declaration is a line of a service account's list. Hours are UTC, from inclusive, to exclusive.
type Declaration struct {
	Action      string  `json:"action"`
	RecordTable string  `json:"record_table"`
	Tenant      *string `json:"tenant"` // nil: every clinic
	FromHour    int     `json:"from_hour"`
	ToHour      int     `json:"to_hour"`
}

// ServiceSecret is what is known of a secret: not the secret.
type ServiceSecret struct {
	ID        uuid.UUID `json:"id"`
	CreatedAt time.Time `json:"created_at"`
	CreatedBy string    `json:"created_by"`
	ExpiresAt time.Time `json:"expires_at"`
}

// NewSecret is a secret on the one occasion that it can be read.
type NewSecret struct {
	ID            uuid.UUID  `json:"id"`
	User          string     `json:"user"`
	Secret        string     `json:"secret"`
	ExpiresAt     time.Time  `json:"expires_at"`
	BeforeUntil   *time.Time `json:"before_until"` // the secret before it is valid until then; nil: there is none
	SessionsEnded int        `json:"sessions_ended"`
}

// SignInService signs a program in to a tenant by its secret. A refusal is a *RefusedError, the same whatever was
// wrong; it is an event.
func (db *DB) SignInService(ctx context.Context, service, secret, tenant, audience string) (Tokens, error) {
	return db.answer(ctx, "sign in service", func(q *queries.Queries) (json.RawMessage, error) {
		return q.SignInService(ctx,
			queries.SignInServiceParams{Who: service, Secret: secret, Tenant: tenant, Audience: audience})
	})
}

// Services lists the service accounts within reach, or the one named.
func (s *Session) Services(ctx context.Context, service string) ([]Service, error) {
	return list[Service](ctx, s, "services", service, (*queries.Queries).ListServices)
}

// NewServiceSecret makes a secret that lasts so many days. The one before it stays valid for overlap; with none it ends
// at once, and the account's sessions too.
func (s *Session) NewServiceSecret(ctx context.Context, service string, days int,
	overlap time.Duration) (NewSecret, error) {
	return CallJSON[NewSecret](ctx, s, "new secret for "+service, func(q *queries.Queries) (json.RawMessage, error) {
		return q.NewServiceSecret(ctx,
			queries.NewServiceSecretParams{Who: service, Days: int32(days), OverlapSeconds: overlap.Seconds()})
	})
}

// DeclareService puts a line on an account's list.
func (s *Session) DeclareService(ctx context.Context, service string, d Declaration) error {
	return s.do(ctx, "declare for "+service, func(q *queries.Queries) error {
		return q.DeclareService(ctx, queries.DeclareServiceParams{Who: service, Action: d.Action,
			RecordTable: d.RecordTable, Tenant: d.Tenant, FromHour: int32(d.FromHour), ToHour: int32(d.ToHour)})
	})
}

// UndeclareService takes an action on a table off an account's list: at a clinic, or the line that says every clinic
// when tenant is empty. Returns how many lines.
func (s *Session) UndeclareService(ctx context.Context, service, action, table, tenant string) (int, error) {
	n, err := Call(ctx, s, "undeclare for "+service, func(q *queries.Queries) (int32, error) {
		return q.UndeclareService(ctx,
			queries.UndeclareServiceParams{Who: service, Action: action, RecordTable: table, Tenant: optional(tenant)})
	})
	return int(n), err
}

// OwnService names another person who answers for an account.
func (s *Session) OwnService(ctx context.Context, service, owner string) error {
	return s.do(ctx, "owner of "+service, func(q *queries.Queries) error {
		return q.OwnService(ctx, queries.OwnServiceParams{Who: service, Owner: owner})
	})
}
