package review

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ward-health/ward/queries"
)

// Result is one run of one rule as the ledger keeps it.
type Result struct {
	RunID      uuid.UUID `json:"run_id"`
	RuleID     string    `json:"rule_id"`
	FromBatch  int64     `json:"from_batch"`
	ToBatch    int64     `json:"to_batch"`
	Matched    int       `json:"matched"`
	Created    int       `json:"created"`
	Merged     int       `json:"merged"`
	Suppressed int       `json:"suppressed"` // matches that a suppression holds back
}

// RunRequest says who asked for a run; the zero value is the schedule.
type RunRequest struct {
	By    *uuid.UUID
	Event *int64
	// Period is the end of the period that a scheduled run is for: one that the ledger has run already is not run
	// again. nil: a run outside the schedule.
	Period *time.Time
	// Night is the day of a second look: the rule is run over what was sealed since its Reconcile before the day's
	// beginning, up to where it stands, and moves no cursor. nil: an ordinary run.
	Night *time.Time
	start *time.Time // of that period, as the ledger says
}

// recordTime is how long recording a failed run may take after the run itself was cancelled.
const recordTime = 10 * time.Second

// ErrNotEnabled says that a rule requires something that this installation lacks: it must not run, for what it does not
// see explains nothing.
var ErrNotEnabled = errors.New("the rule is NOT ENABLED")

// ErrRan says that the period is one that has run.
var ErrRan = errors.New("the period has run")

// Run runs one rule over what was sealed since its last run and has settled, as ward_worker. Anomalies, evidence,
// explanations, the ledger's row, the event and the cursor commit together; a failed run moves no cursor and is in the
// ledger too. Two runs of one rule wait for each other. A period that has run already gives ErrRan and leaves nothing.
func Run(ctx context.Context, pool *pgxpool.Pool, rule *Rule, now time.Time, by RunRequest) (Result, error) {
	res := Result{RunID: uuid.New(), RuleID: rule.ID}
	started := time.Now()
	err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		q := queries.New(tx)
		if err := rule.begin(ctx, q, now, &by, &res); err != nil {
			return err
		}
		if err := rule.examine(ctx, tx, q, now, &res); err != nil {
			return err
		}
		return rule.record(ctx, q, &res, started, now, by, nil)
	})
	if err == nil || errors.Is(err, ErrRan) {
		return res, err
	}
	err = fmt.Errorf("run rule %s: %w", rule.ID, err)
	failed := Result{RunID: res.RunID, RuleID: rule.ID, FromBatch: res.FromBatch, ToBatch: res.ToBatch}
	// A run that was cancelled is on record too.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTime)
	defer cancel()
	if lost := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		q := queries.New(tx)
		var over *OverflowError
		if errors.As(err, &over) {
			if err := rule.tellOverflow(ctx, q, over, now); err != nil {
				return err
			}
		}
		return rule.record(ctx, q, &failed, started, now, by, err)
	}); lost != nil {
		err = errors.Join(err, fmt.Errorf("record the failed run: %w", lost))
	}
	return failed, err
}

// begin takes the rule's lock and finds what the run is over.
func (r *Rule) begin(ctx context.Context, q *queries.Queries, now time.Time, by *RunRequest, res *Result) error {
	if err := q.BoundIdle(ctx); err != nil {
		return fmt.Errorf("bound the run: %w", err)
	}
	state, err := q.RuleForRun(ctx, r.ID)
	if err != nil {
		return fmt.Errorf("find rule: %w", err)
	}
	if err := r.take(ctx, q, by); err != nil {
		return err
	}
	res.FromBatch, res.ToBatch = state.CursorBatch, state.CursorBatch
	if len(state.Missing) > 0 {
		return fmt.Errorf("%w: this installation has no %s", ErrNotEnabled, strings.Join(state.Missing, ", "))
	}
	if r.Watches() {
		return nil
	}
	if by.Night != nil {
		return r.lookBack(ctx, q, *by.Night, res)
	}
	settled, err := q.SealedUpTo(ctx,
		queries.SealedUpToParams{At: now.Add(-time.Duration(r.Settle)), Low: res.FromBatch})
	if err != nil {
		return fmt.Errorf("find what has settled: %w", err)
	}
	if r.ReadsExplained() {
		if settled, err = q.FilteredUpTo(ctx,
			queries.FilteredUpToParams{Upto: settled, Stage: int32(r.Stage())}); err != nil {
			return fmt.Errorf("find what has been explained: %w", err)
		}
	}
	res.ToBatch = max(settled, res.FromBatch)
	return nil
}

// examine finds what the rule is about, and keeps it.
func (r *Rule) examine(ctx context.Context, tx pgx.Tx, q *queries.Queries, now time.Time, res *Result) error {
	if res.FromBatch == res.ToBatch && !r.Watches() {
		return nil
	}
	if r.ReadsActivity() {
		if err := count(ctx, q, res.ToBatch); err != nil {
			return err
		}
	}
	if r.Explains() {
		return r.explain(ctx, tx, q, now, res)
	}
	matches, err := ask(ctx, tx, r, window{res.FromBatch, res.ToBatch, now}, r.MaxNewPerRun,
		pgx.RowToStructByPos[match])
	if err != nil {
		return err
	}
	for i := range matches {
		if err := r.keep(ctx, q, &matches[i], res); err != nil {
			return err
		}
	}
	return nil
}

// OverflowError says that a rule's answer is longer than it may be. Nothing of it is kept and the cursor stays: what is
// left out would never be examined.
type OverflowError struct {
	Rule string
	Max  int
}

func (e *OverflowError) Error() string {
	return fmt.Sprintf("more than %d matches, the bound of the rule: nothing was kept; "+
		"narrow the rule or raise max_new_per_run", e.Max)
}

// window is what one statement of a rule is about: the batches after from up to to, at a time.
type window struct {
	from, to int64
	now      time.Time
}

// args are the values of the rule's parameters.
func (r *Rule) args(w window) []any {
	args := make([]any, len(r.Binds))
	for i, b := range r.Binds {
		switch b {
		case "from":
			args[i] = w.from
		case "to":
			args[i] = w.to
		case "now":
			args[i] = w.now
		default:
			args[i] = r.Params[b]
		}
	}
	return args
}

// ask runs the rule's query below a read-only savepoint, which no statement can make writable again: a rule cannot
// write, whatever its text says. It is in the run's own transaction because a second connection would let a few runs at
// once wait for each other's on a small pool. Everything that it may have set is taken back. An answer of more than
// most rows is an OverflowError; the rest of it is not read.
func ask[T any](ctx context.Context, run pgx.Tx, r *Rule, w window, most int,
	scan pgx.RowToFunc[T]) (answer []T, err error) {
	tx, err := run.Begin(ctx)
	if err != nil {
		return nil, fmt.Errorf("query: %w", err)
	}
	defer func() { err = errors.Join(err, tx.Rollback(ctx)) }()
	for _, setting := range []string{
		"transaction_read_only = on", fmt.Sprintf("statement_timeout = %d", r.TimeLimit().Milliseconds()),
		// a day is 24 hours everywhere: make_interval(days => 1) would otherwise follow the time zone that somebody set
		// for the role
		"timezone = 'UTC'",
		// what a run costs follows what is new: it looks everything up by key and passes over no history, whatever the
		// planner knows of its size
		"enable_seqscan = off", "enable_hashjoin = off", "enable_mergejoin = off",
		"random_page_cost = 1.1", "jit = off",
	} {
		if _, err := tx.Exec(ctx, "set local "+setting); err != nil {
			return nil, fmt.Errorf("query: %w", err)
		}
	}
	// no LIMIT: it would change the plan. What is too much is not kept here, and the time limit bounds it there.
	query, args := r.SQL, r.args(w)
	if r.Own {
		query, args, scan = confinedSQL, r.confined(w, most), decoded[T]
	}
	rows, err := tx.Query(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("query: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		if len(answer) == most {
			return nil, &OverflowError{Rule: r.ID, Max: most}
		}
		row, err := scan(rows)
		if err != nil {
			return nil, fmt.Errorf("query: %w", err)
		}
		answer = append(answer, row)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("query: %w", err)
	}
	return answer, nil
}

// record writes the run's event and its row in the ledger, also for a run that found nothing or failed, and moves the
// cursor of one that did not.
func (r *Rule) record(ctx context.Context, q *queries.Queries, res *Result, started, now time.Time, by RunRequest,
	failure error) error {
	detail, err := json.Marshal(map[string]any{"rule": r.ID, "version": r.Version, "run": res.RunID,
		"from": res.FromBatch, "to": res.ToBatch, "matched": res.Matched, "created": res.Created,
		"suppressed": res.Suppressed, "failed": failure != nil})
	if err != nil {
		return fmt.Errorf("encode run: %w", err)
	}
	event, err := q.WriteWorker(ctx, queries.WriteWorkerParams{Action: "rule_run", Detail: string(detail)})
	if err != nil {
		return fmt.Errorf("record run: %w", err)
	}
	row := queries.RecordRunParams{
		RunID: res.RunID, RuleID: r.ID, RuleVersion: int32(r.Version), ContentHash: r.Hash, FromBatch: res.FromBatch,
		ToBatch: res.ToBatch, Matched: int32(res.Matched),
		Created: int32(res.Created), Merged: int32(res.Merged), Suppressed: int32(res.Suppressed), StartedAt: started,
		Status: "ok", RequestedBy: by.By, EventID: by.Event, RecordedAs: &event,
		PeriodStart: by.start, PeriodEnd: by.Period, SecondLook: by.Night,
	}
	if failure != nil {
		text := failure.Error()
		row.Status, row.Error = "error", &text
	}
	if err := q.RecordRun(ctx, row); err != nil {
		return fmt.Errorf("store run: %w", err)
	}
	cursor := res.ToBatch
	if failure != nil {
		cursor = res.FromBatch
	}
	if err := q.AdvanceRule(ctx, queries.AdvanceRuleParams{CursorBatch: cursor, At: now, ID: r.ID}); err != nil {
		return fmt.Errorf("advance rule: %w", err)
	}
	return nil
}
