package review

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/ward-health/ward/queries"
	"github.com/ward-health/ward/tenancy"
)

// Breach is one line of the list of breaches, and of the log that 45 CFR 164.408(c) asks for.
type Breach struct {
	ID           uuid.UUID              `json:"id"`
	Tenant       string                 `json:"tenant"`
	TenantName   string                 `json:"tenant_name"`
	Region       string                 `json:"region"`
	RuleID       string                 `json:"rule_id"`
	Actor        *string                `json:"actor"`
	State        string                 `json:"state"` // closed, or pending_approval
	DiscoveredOn Date                   `json:"discovered_on"`
	FirstAt      time.Time              `json:"first_at"`
	LastAt       time.Time              `json:"last_at"`
	Affected     *int                   `json:"affected"`
	Residents    *string                `json:"residents"` // "CA:12,NV:3"
	Summary      string                 `json:"summary"`
	CloseReason  *string                `json:"close_reason"`
	Nature       *string                `json:"nature"`    // factor (i); nil: notified without an assessment
	Mitigated    *string                `json:"mitigated"` // factor (iv)
	ClosedBy     *string                `json:"closed_by"`
	ApprovedBy   *string                `json:"approved_by"`
	DueOn        *Date                  `json:"due_on"` // the next notice; nil: all are made
	Deadlines    []NotificationDeadline `json:"deadlines"`
}

// Breaches records a look at the breaches within the session's reach and returns them by their date of discovery. With
// a year it is the log of those that were discovered in it and are closed: an export.
func Breaches(ctx context.Context, s *tenancy.Session, year *int) ([]Breach, error) {
	var in *int32
	if year != nil {
		y := int32(*year)
		in = &y
	}
	return tenancy.List[Breach](ctx, s, "breaches", func(q *queries.Queries, ask uuid.UUID) error {
		return q.BrowseBreaches(ctx, queries.BrowseBreachesParams{Ask: ask, Year: in})
	}, (*queries.Queries).Breaches)
}

// Term is how many days a contract with a clinic, or the law of a State, leaves for a notice.
type Term struct {
	Tenant *string   `json:"tenant"` // nil: a State's
	State  *string   `json:"state"`  // a clinic's: where its patients live, until it is known of each
	Days   *int      `json:"days"`
	Why    string    `json:"why"`
	By     string    `json:"by"`
	At     time.Time `json:"at"`
}

// Terms records a look at the terms and returns the present ones. ward ships none.
func Terms(ctx context.Context, s *tenancy.Session) ([]Term, error) {
	return tenancy.List[Term](ctx, s, "terms", func(q *queries.Queries, ask uuid.UUID) error {
		return q.BrowseReviewSettings(ctx, queries.BrowseReviewSettingsParams{Ask: ask, What: "terms"})
	}, (*queries.Queries).Terms)
}

// SetTenantTerm sets where a clinic's patients live ("" unknown) and in how many days its contract wants to be told (0:
// it says nothing). It returns the event.
func SetTenantTerm(ctx context.Context, s *tenancy.Session, tenant, state string, days int,
	reason string) (int64, error) {
	p := queries.SetTenantTermParams{Tenant: tenant, ContractDays: some(days), Reason: reason}
	if state != "" {
		p.State = &state
	}
	return tenancy.Call(ctx, s, "set the term of "+tenant,
		func(q *queries.Queries) (int64, error) { return q.SetTenantTerm(ctx, p) })
}

// SetStateTerm sets how many days the law of a State leaves (0: no other than the federal 60). It returns the event.
func SetStateTerm(ctx context.Context, s *tenancy.Session, state string, days int, citation string) (int64, error) {
	return tenancy.Call(ctx, s, "set the term of "+state, func(q *queries.Queries) (int64, error) {
		return q.SetStateTerm(ctx, queries.SetStateTermParams{State: state, Days: some(days), Citation: citation})
	})
}

func some(n int) *int32 {
	if n == 0 {
		return nil
	}
	v := int32(n)
	return &v
}

// AccountLink says that two accounts are one person's.
type AccountLink struct {
	User      string     `json:"user"`
	SameAs    string     `json:"same_as"`
	Reason    string     `json:"reason"`
	LinkedBy  string     `json:"linked_by"`
	LinkedAt  time.Time  `json:"linked_at"`
	EndedBy   *string    `json:"ended_by"`
	EndedAt   *time.Time `json:"ended_at"`
	EndReason *string    `json:"end_reason"`
}

// AccountLinks records a look at the linked accounts and returns them, ended ones too.
func AccountLinks(ctx context.Context, s *tenancy.Session) ([]AccountLink, error) {
	return tenancy.List[AccountLink](ctx, s, "linked accounts", func(q *queries.Queries, ask uuid.UUID) error {
		return q.BrowseReviewSettings(ctx, queries.BrowseReviewSettingsParams{Ask: ask, What: "accounts"})
	}, (*queries.Queries).ListLinkedAccounts)
}

// LinkAccounts says that two accounts are one person's: from then on a conflict of interest that
// one of them has in an anomaly is both accounts'. It returns the event.
func LinkAccounts(ctx context.Context, s *tenancy.Session, account, sameAs, reason string) (int64, error) {
	return tenancy.Call(ctx, s, "link accounts", func(q *queries.Queries) (int64, error) {
		return q.LinkAccounts(ctx, queries.LinkAccountsParams{Account: account, SameAs: sameAs, Reason: reason})
	})
}

// UnlinkAccounts ends such a link, never one of the caller's own accounts. It returns the event.
func UnlinkAccounts(ctx context.Context, s *tenancy.Session, account, sameAs, reason string) (int64, error) {
	return tenancy.Call(ctx, s, "unlink accounts", func(q *queries.Queries) (int64, error) {
		return q.LinkAccounts(ctx,
			queries.LinkAccountsParams{Account: account, SameAs: sameAs, Reason: reason, Ending: true})
	})
}
