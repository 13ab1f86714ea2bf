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
	Kind        string      `json:"kind"` // flag, filter, watch
	Own         bool        `json:"own"`  // of the installation, not shipped
	Enabled     bool        `json:"enabled"`
	Missing     []string    `json:"missing"` // what it requires and the installation lacks: NOT ENABLED
	ContentHash string      `json:"content_hash"`
	FrontMatter FrontMatter `json:"front_matter"`
	LastRunAt   *time.Time  `json:"last_run_at"`
	CursorBatch int64       `json:"cursor_batch"`
	Open        int         `json:"open"`      // open anomalies
	Explained   int64       `json:"explained"` // of a filter: accesses explained so far
	LoadedAt    time.Time   `json:"loaded_at"` // when a worker last said that it has the rule's file
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
	Suppressed   int       `json:"suppressed"` // matches that a suppression holds back
	StartedAt    time.Time `json:"started_at"`
	FinishedAt   time.Time `json:"finished_at"`
	Status       string    `json:"status"`
	Error        *string   `json:"error"`
	RequestedBy  *string   `json:"requested_by"` // nil: the schedule
	RequestEvent *int64    `json:"request_event"`
	// RecordedAs is the run's own event.
	RecordedAs *int64 `json:"recorded_as"`
	// PeriodStart and PeriodEnd are what a scheduled run was for: several periods where none ran for a while. nil: a
	// run that was asked for.
	PeriodStart *time.Time `json:"period_start"`
	PeriodEnd   *time.Time `json:"period_end"`
}

// Job is one of the worker's that is not done: waiting, running, to be tried again, or dead.
type Job struct {
	ID          int64      `json:"id"`
	Queue       string     `json:"queue"`
	Kind        string     `json:"kind"`
	RuleID      *string    `json:"rule_id"`
	Dead        bool       `json:"dead"` // every attempt failed, and nobody tries again
	State       string     `json:"state"`
	Attempt     int        `json:"attempt"`
	MaxAttempts int        `json:"max_attempts"`
	CreatedAt   time.Time  `json:"created_at"`
	NextAt      *time.Time `json:"next_at"`
	FinishedAt  *time.Time `json:"finished_at"`
	Error       *string    `json:"error"` // of the last attempt
}

// Rules lists the rules that the worker has registered; recorded.
func Rules(ctx context.Context, s *tenancy.Session) ([]Registered, error) {
	return tenancy.List[Registered](ctx, s, "rules", "")
}

// History lists the newest runs, of the rules whose id starts with rule; recorded.
func History(ctx context.Context, s *tenancy.Session, rule string) ([]RunRow, error) {
	return tenancy.List[RunRow](ctx, s, "runs", rule)
}

// Jobs lists the worker's jobs that are not done, the dead ones first; recorded.
func Jobs(ctx context.Context, s *tenancy.Session) ([]Job, error) {
	return tenancy.List[Job](ctx, s, "jobs", "")
}
