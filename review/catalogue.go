package review

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/ward-health/ward/tenancy"
)

// Registered is a rule as the installation has it.
type Registered struct {
	ID          string      `json:"id"`
	Version     int         `json:"version"`
	Tier        string      `json:"tier"`
	Severity    string      `json:"severity"`
	Title       string      `json:"title"`
	Enabled     bool        `json:"enabled"`
	Missing     []string    `json:"missing"` // what it requires and the installation lacks: NOT ENABLED
	ContentHash string      `json:"content_hash"`
	FrontMatter FrontMatter `json:"front_matter"`
	LastRunAt   *time.Time  `json:"last_run_at"`
	CursorBatch int64       `json:"cursor_batch"`
	Open        int         `json:"open"` // open anomalies
}

// RunRow is one row of the ledger.
type RunRow struct {
	RunID        uuid.UUID `json:"run_id"`
	RuleID       string    `json:"rule_id"`
	RuleVersion  int       `json:"rule_version"`
	FromBatch    int64     `json:"from_batch"`
	ToBatch      int64     `json:"to_batch"`
	Matched      int       `json:"matched"`
	Created      int       `json:"created"`
	Merged       int       `json:"merged"`
	StartedAt    time.Time `json:"started_at"`
	FinishedAt   time.Time `json:"finished_at"`
	Status       string    `json:"status"`
	Error        *string   `json:"error"`
	RequestedBy  *string   `json:"requested_by"` // nil: the schedule
	RequestEvent *int64    `json:"request_event"`
}

// Rules lists the rules that the worker has registered; recorded.
func Rules(ctx context.Context, s *tenancy.Session) ([]Registered, error) {
	return tenancy.List[Registered](ctx, s, "rules", "")
}

// History lists the newest runs, of the rules whose id starts with rule; recorded.
func History(ctx context.Context, s *tenancy.Session, rule string) ([]RunRow, error) {
	return tenancy.List[RunRow](ctx, s, "runs", rule)
}
