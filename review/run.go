package review

import (
	"context"
	"crypto/sha256"
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
	RunID     uuid.UUID `json:"run_id"`
	RuleID    string    `json:"rule_id"`
	FromBatch int64     `json:"from_batch"`
	ToBatch   int64     `json:"to_batch"`
	Matched   int       `json:"matched"`
	Created   int       `json:"created"`
	Merged    int       `json:"merged"`
}

// RunRequest says who asked for a run; the zero value is the schedule.
type RunRequest struct {
	By    *uuid.UUID
	Event *int64
	// Period is the end of the period that a scheduled run is for: one that the ledger has run already is not run again. nil: a run outside the schedule.
	Period *time.Time
	start  *time.Time // of that period, as the ledger says
}

// match is one row of a rule's answer. A rule selects exactly these columns, in this order:
// tenant_id, actor_id, patient_id, first_at, last_at, summary, facts, event_ids.
type match struct {
	Tenant      uuid.UUID
	Actor       *uuid.UUID
	Patient     *uuid.UUID
	First, Last time.Time
	Summary     string
	Facts       json.RawMessage
	EventIDs    []int64
}

// key identifies the anomaly: SHA-256 of the rule and its entity. No time is in it.
func (r *Rule) key(m *match) []byte {
	h := sha256.New()
	h.Write([]byte("ward-anomaly/v1\x00" + r.ID + "\x00"))
	for _, e := range r.Entity {
		switch e {
		case "tenant_id":
			h.Write(m.Tenant[:])
		case "actor_id":
			writeID(h.Write, m.Actor)
		case "patient_id":
			writeID(h.Write, m.Patient)
		case "what":
			h.Write([]byte(m.what()))
		}
	}
	return h.Sum(nil)
}

func writeID(write func([]byte) (int, error), id *uuid.UUID) {
	if id == nil {
		_, _ = write([]byte{0})
		return
	}
	_, _ = write(append([]byte{1}, id[:]...))
}

// recordTime is how long recording a failed run may take after the run itself was cancelled.
const recordTime = 10 * time.Second

// ErrNotEnabled says that a rule requires something that this installation lacks: it must not run, for what it does not see explains nothing.
var ErrNotEnabled = errors.New("the rule is NOT ENABLED")

// ErrRan says that the period is one that has run.
var ErrRan = errors.New("the period has run")

// Run runs one rule over what was sealed since its last run and has settled, as ward_worker. Anomalies, evidence, the ledger's row, the event and the cursor
// commit together; a failed run moves no cursor and is in the ledger too. Two runs of one rule wait for each other. A period that has run already gives
// ErrRan and leaves nothing.
func Run(ctx context.Context, pool *pgxpool.Pool, rule *Rule, now time.Time, by RunRequest) (Result, error) {
	res := Result{RunID: uuid.New(), RuleID: rule.ID}
	started := time.Now()
	err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		q := queries.New(tx)
		if err := q.BoundIdle(ctx); err != nil {
			return fmt.Errorf("bound the run: %w", err)
		}
		state, err := q.RuleForRun(ctx, rule.ID)
		if err != nil {
			return fmt.Errorf("find rule: %w", err)
		}
		if err := rule.take(ctx, q, &by); err != nil {
			return err
		}
		res.FromBatch, res.ToBatch = state.CursorBatch, state.CursorBatch
		if len(state.Missing) > 0 {
			return fmt.Errorf("%w: this installation has no %s", ErrNotEnabled, strings.Join(state.Missing, ", "))
		}
		settled, err := q.SealedUpTo(ctx, now.Add(-time.Duration(rule.Settle)))
		if err != nil {
			return fmt.Errorf("find what has settled: %w", err)
		}
		if rule.Kind != kindWatch {
			res.ToBatch = max(settled, res.FromBatch)
		}
		matches, err := rule.find(ctx, tx, res.FromBatch, res.ToBatch, now)
		if err != nil {
			return err
		}
		for i := range matches {
			if err := rule.keep(ctx, q, &matches[i], &res); err != nil {
				return err
			}
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
		return rule.record(ctx, queries.New(tx), &failed, started, now, by, err)
	}); lost != nil {
		err = errors.Join(err, fmt.Errorf("record the failed run: %w", lost))
	}
	return failed, err
}

// find runs the rule's query below a read-only savepoint, which no statement can make writable again: a rule cannot write, whatever its text says. It is in
// the run's own transaction because a second connection would let a few runs at once wait for each other's on a small pool.
func (r *Rule) find(ctx context.Context, run pgx.Tx, from, to int64, now time.Time) ([]match, error) {
	if from == to && r.Kind != kindWatch {
		return nil, nil
	}
	args := make([]any, len(r.Binds))
	for i, b := range r.Binds {
		switch b {
		case "from":
			args[i] = from
		case "to":
			args[i] = to
		case "now":
			args[i] = now
		default:
			args[i] = r.Params[b]
		}
	}
	matches, err := r.query(ctx, run, args)
	if err != nil {
		return nil, fmt.Errorf("query: %w", err)
	}
	if len(matches) > r.MaxNewPerRun {
		return nil, fmt.Errorf("%d matches, more than max_new_per_run %d: nothing was kept; narrow the rule or raise the bound", len(matches), r.MaxNewPerRun)
	}
	return matches, nil
}

// query runs the rule's text and takes back everything that it may have set.
func (r *Rule) query(ctx context.Context, run pgx.Tx, args []any) (matches []match, err error) {
	tx, err := run.Begin(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, tx.Rollback(ctx)) }()
	// a day is 24 hours everywhere: make_interval(days => 1) would otherwise follow the time zone that somebody set for the role
	for _, setting := range []string{"transaction_read_only = on", "timezone = 'UTC'", fmt.Sprintf("statement_timeout = %d", r.TimeLimit().Milliseconds())} {
		if _, err := tx.Exec(ctx, "set local "+setting); err != nil {
			return nil, err
		}
	}
	rows, err := tx.Query(ctx, r.SQL, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[match])
}

// keep turns a match into an anomaly, or into more evidence for the one that is open. What a re-run finds again changes nothing.
func (r *Rule) keep(ctx context.Context, q *queries.Queries, m *match, res *Result) error {
	res.Matched++
	key := r.key(m)
	seen, err := r.seen(ctx, q, m, key)
	if err != nil || seen {
		return err
	}
	open, err := q.OpenAnomalyByKey(ctx, key)
	switch {
	case err == nil:
		res.Merged++
		return r.merge(ctx, q, &open, m, key, res)
	case !errors.Is(err, pgx.ErrNoRows):
		return fmt.Errorf("look for an open anomaly: %w", err)
	}
	res.Created++
	fresh := queries.NewAnomalyParams{
		TenantID: m.Tenant, RuleID: r.ID, RuleVersion: int32(r.Version), Tier: r.Tier, Severity: r.Severity, ActorID: m.Actor, SubjectID: m.Patient, Key: key,
		Summary: m.Summary, Facts: m.Facts, FirstAt: m.First, LastAt: m.Last,
	}
	if last, err := q.LastClosedByKey(ctx, key); err == nil {
		fresh.RecurrenceOf = &last
	} else if !errors.Is(err, pgx.ErrNoRows) {
		return fmt.Errorf("look for a closed anomaly: %w", err)
	}
	id, err := q.NewAnomaly(ctx, fresh)
	if err != nil {
		return fmt.Errorf("store anomaly: %w", err)
	}
	if _, err := r.addEvidence(ctx, q, id, m, key, res); err != nil {
		return err
	}
	if err := q.NewTransition(ctx, queries.NewTransitionParams{AnomalyID: id, Reason: &m.Summary, Evidence: int32(len(m.EventIDs))}); err != nil {
		return fmt.Errorf("store history of anomaly %s: %w", id, err)
	}
	return nil
}

// seen says whether the queue tells of a match already: of its events, or, where a rule watches the review, of what has been so since then.
func (r *Rule) seen(ctx context.Context, q *queries.Queries, m *match, key []byte) (bool, error) {
	if r.Kind == kindWatch {
		if m.what() == "" {
			return false, fmt.Errorf("a match whose facts do not say what (%s)", m.Summary)
		}
		seen, err := q.KnownLateness(ctx, queries.KnownLatenessParams{Key: key, Since: m.First})
		if err != nil {
			return false, fmt.Errorf("look for a known anomaly: %w", err)
		}
		return seen, nil
	}
	if len(m.EventIDs) == 0 {
		return false, fmt.Errorf("a match without evidence (%s)", m.Summary)
	}
	seen, err := q.SeenEvidence(ctx, queries.SeenEvidenceParams{EventIds: m.EventIDs, Key: key})
	if err != nil {
		return false, fmt.Errorf("look for known evidence: %w", err)
	}
	return seen, nil
}

// soFar parts what an anomaly's first match said from how much evidence there is by now.
const soFar = "; by now "

// merge adds a match to the anomaly that is open. Where the match tells of a part of the evidence only, the summary and the facts of the first one stand.
func (r *Rule) merge(ctx context.Context, q *queries.Queries, open *queries.OpenAnomalyByKeyRow, m *match, key []byte, res *Result) error {
	added, err := r.addEvidence(ctx, q, open.ID, m, key, res)
	if err != nil {
		return err
	}
	merged := queries.MergeAnomalyParams{Summary: m.Summary, Facts: m.Facts, FirstAt: m.First, LastAt: m.Last, ID: open.ID}
	if total := open.Evidence + added; int64(len(m.EventIDs)) < total && r.Kind != kindWatch {
		first, _, _ := strings.Cut(open.Summary, soFar)
		merged.Summary, merged.Facts = fmt.Sprintf("%s%s%d events", first, soFar, total), open.Facts
	}
	if err := q.MergeAnomaly(ctx, merged); err != nil {
		return fmt.Errorf("merge into anomaly %s: %w", open.ID, err)
	}
	return nil
}

// addEvidence returns how many of the match's events are new. A rule that mixes up clinics must not show one's events to the other's reviewer: it fails.
func (r *Rule) addEvidence(ctx context.Context, q *queries.Queries, id uuid.UUID, m *match, key []byte, res *Result) (int64, error) {
	added, err := q.AddEvidence(ctx, queries.AddEvidenceParams{AnomalyID: id, RunID: res.RunID, EventIds: m.EventIDs, TenantID: m.Tenant})
	if err != nil {
		return 0, fmt.Errorf("store evidence of anomaly %s: %w", id, err)
	}
	complete, err := q.SeenEvidence(ctx, queries.SeenEvidenceParams{EventIds: m.EventIDs, Key: key})
	if err != nil {
		return 0, fmt.Errorf("look evidence of anomaly %s over: %w", id, err)
	}
	if !complete {
		return 0, fmt.Errorf("a match names events that are not of its own tenant %s", m.Tenant)
	}
	return added, nil
}

// record writes the run's event and its row in the ledger, also for a run that found nothing or failed, and moves the cursor of one that did not.
func (r *Rule) record(ctx context.Context, q *queries.Queries, res *Result, started, now time.Time, by RunRequest, failure error) error {
	detail, err := json.Marshal(map[string]any{"rule": r.ID, "version": r.Version, "run": res.RunID, "from": res.FromBatch, "to": res.ToBatch, "matched": res.Matched, "created": res.Created, "failed": failure != nil})
	if err != nil {
		return fmt.Errorf("encode run: %w", err)
	}
	event, err := q.WriteWorker(ctx, queries.WriteWorkerParams{Action: "rule_run", Detail: string(detail)})
	if err != nil {
		return fmt.Errorf("record run: %w", err)
	}
	row := queries.RecordRunParams{
		RunID: res.RunID, RuleID: r.ID, RuleVersion: int32(r.Version), ContentHash: r.Hash, FromBatch: res.FromBatch, ToBatch: res.ToBatch, Matched: int32(res.Matched),
		Created: int32(res.Created), Merged: int32(res.Merged), StartedAt: started, Status: "ok", RequestedBy: by.By, EventID: by.Event, RecordedAs: &event,
		PeriodStart: by.start, PeriodEnd: by.Period,
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

// Register stores the rules' heads in the database, so that reviewers see them, also those that are NOT ENABLED for want of something they require.
func Register(ctx context.Context, pool *pgxpool.Pool, rules []Rule) error {
	q := queries.New(pool)
	kinds, err := q.RelationKinds(ctx)
	if err != nil {
		return fmt.Errorf("list relations: %w", err)
	}
	for i := range rules {
		r := &rules[i]
		head, err := json.Marshal(r.FrontMatter)
		if err != nil {
			return fmt.Errorf("encode rule %s: %w", r.ID, err)
		}
		missing := []string{}
		for _, need := range r.Requires {
			if !oneOf(need, kinds...) {
				missing = append(missing, need)
			}
		}
		err = q.SaveRule(ctx, queries.SaveRuleParams{ID: r.ID, Version: int32(r.Version), Tier: r.Tier, Severity: r.Severity, Title: r.Title, ContentHash: r.Hash, FrontMatter: head, Missing: missing})
		if err != nil {
			return fmt.Errorf("store rule %s: %w", r.ID, err)
		}
	}
	return nil
}

// Enabled lists the rules that lack nothing here.
func Enabled(ctx context.Context, pool *pgxpool.Pool, rules []Rule) ([]*Rule, error) {
	list, err := enabled(ctx, pool, rules)
	var all []*Rule
	for _, e := range list {
		all = append(all, e.Rule)
	}
	return all, err
}
