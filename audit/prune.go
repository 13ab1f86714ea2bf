package audit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/ward-health/ward/archive"
	"github.com/ward-health/ward/queries"
)

// PruneRequest is what an administrator asked for.
type PruneRequest struct {
	Month string // YYYY-MM, by recorded_at in UTC
	Event int64  // the administrator's
	// DryRun checks everything and drops nothing.
	DryRun bool
	// UnlockedStore allows a store that cannot keep its objects from being deleted, and so cannot promise that the
	// archive outlives the database's rows.
	UnlockedStore bool
}

// Pruned is what became of a request.
type Pruned struct {
	Month string `json:"month"`
	// Rows is how many events the month has, each of which was found in the archive.
	Rows   int64    `json:"rows"`
	Parts  []string `json:"parts"`
	DryRun bool     `json:"dry_run"`
	// EventID is the worker's event; 0 where nothing was dropped.
	EventID int64 `json:"event_id"`
	// Refused says why nothing was dropped; empty where nothing stood in the way.
	Refused []string `json:"refused"`
}

// refusal is a reason not to prune that another try will not take away.
type refusal struct{ reasons []string }

func (r *refusal) Error() string { return fmt.Sprintf("refused: %d reasons", len(r.reasons)) }

func refuse(format string, args ...any) error {
	return &refusal{[]string{fmt.Sprintf(format, args...)}}
}

// Prune drops a month of events when the archive holds all of it: every event is sealed, the parts that hold the rows
// are what was signed, locked and to be kept, and each event is, to the byte, the archived row. The database then
// repeats what it can check, and drops the month in the transaction of the prune event. An error says that it could not
// be done now and may be tried again; a reason against it is in Refused.
func (r *Reconciler) Prune(ctx context.Context, req PruneRequest) (Pruned, error) {
	done := Pruned{Month: req.Month, DryRun: req.DryRun, Parts: []string{}, Refused: []string{}}
	err := r.prune(ctx, req, &done)
	var no *refusal
	if errors.As(err, &no) {
		done.Refused = no.reasons
		return done, nil
	}
	if err != nil {
		return done, fmt.Errorf("prune %s: %w", req.Month, err)
	}
	return done, nil
}

func (r *Reconciler) prune(ctx context.Context, req PruneRequest, done *Pruned) error {
	from, err := time.Parse("2006-01", req.Month)
	if err != nil {
		return refuse("%q is not a month", req.Month)
	}
	q := queries.New(r.Pool)
	if gone, err := q.IsPruned(ctx, req.Month); err != nil || gone {
		return r.prunedBefore(ctx, q, req, done, err)
	}
	if err := q.MayPrune(ctx, req.Month); err != nil {
		return reason(err)
	}
	// Before anything is compared, so that a change after the comparison shows.
	digest, err := q.MonthDigest(ctx, req.Month)
	if err != nil {
		return err
	}
	if digest.Unsealed > 0 {
		return refuse("%d events of %s have no place in the chain: nothing can be said about them until "+
			"they are sealed", digest.Unsealed, req.Month)
	}
	behind, err := q.NotRead(ctx, digest.NewestBatch)
	if err != nil {
		return err
	}
	if behind != "" {
		return refuse("%s", behind)
	}
	c, err := r.open(ctx)
	if errors.Is(err, archive.ErrDamaged) {
		return refuse("%v", err)
	} else if err != nil {
		return err
	}
	defer c.reader.Close()
	c.from, c.to = from, from.AddDate(0, 1, 0)
	if err := r.reconcileMonth(ctx, c, digest.Rows, req, done); err != nil {
		return err
	}
	done.Rows = digest.Rows
	if req.DryRun {
		return nil
	}
	done.EventID, err = q.PruneMonth(ctx, queries.PruneMonthParams{Request: req.Event, ExpectedRows: digest.Rows,
		ExpectedDigest: digest.Digest, Parts: done.Parts, HeadSize: c.report.HeadSize})
	return reason(err)
}

// prunedBefore is the outcome of a request that was carried out by a worker which did not live to say so.
func (r *Reconciler) prunedBefore(ctx context.Context, q *queries.Queries, req PruneRequest, done *Pruned,
	err error) error {
	if err != nil {
		return err
	}
	p, err := q.PrunedBy(ctx, req.Event)
	if err != nil {
		return err
	}
	if len(p) == 0 {
		return refuse("the events of %s are pruned already", req.Month)
	}
	done.Rows, done.Parts, done.EventID = p[0].Rows, p[0].Parts, p[0].EventID
	return nil
}

// reason tells what the database refuses from what went wrong on the way to it.
func reason(err error) error {
	var pg *pgconn.PgError
	if errors.As(err, &pg) && (pg.Code == "55000" || pg.Code == "42501" || pg.Code == "22023") {
		text := pg.Message
		if pg.Hint != "" {
			text += " (" + pg.Hint + ")"
		}
		return refuse("%s", text)
	}
	return err
}

// reconcileMonth finds every event of the month in the parts that hold them.
func (r *Reconciler) reconcileMonth(ctx context.Context, c *comparison, rows int64, req PruneRequest,
	done *Pruned) error {
	spans, err := c.q.SpansOfMonth(ctx, queries.SpansOfMonthParams{FromAt: c.from, ToAt: c.to})
	if err != nil {
		return err
	}
	parts := c.partsOf(spans)
	var reasons []string
	for _, m := range parts {
		why, err := r.kept(ctx, m, req.UnlockedStore)
		if err != nil {
			return err
		}
		if why != "" && !slices.Contains(reasons, why) {
			reasons = append(reasons, why)
		}
	}
	for _, m := range parts {
		done.Parts = append(done.Parts, m.Path)
		if err := c.part(ctx, m); err != nil {
			return err
		}
	}
	reasons = append(reasons, wrong(c.report)...)
	if found := c.report.Rows; found < rows && len(reasons) == 0 {
		reasons = append(reasons,
			fmt.Sprintf("%d of the %d events of %s are in no part yet: ward archive ship", rows-found, rows, req.Month))
	}
	if len(reasons) > 0 {
		return &refusal{reasons}
	}
	return nil
}

// partsOf are the parts that hold any of the spans.
func (c *comparison) partsOf(spans []queries.SpansOfMonthRow) []*archive.Manifest {
	var list []*archive.Manifest
	for _, m := range c.reader.Parts() {
		if slices.ContainsFunc(m.Tenants, func(t archive.TenantSpan) bool {
			return slices.ContainsFunc(spans, func(s queries.SpansOfMonthRow) bool {
				return s.TenantID.String() == t.TenantID && s.FirstSeq <= t.LastSeq && t.FirstSeq <= s.LastSeq
			})
		}) {
			list = append(list, m)
		}
	}
	return list
}

// kept says why a part may not outlive the database's rows, or nothing.
func (r *Reconciler) kept(ctx context.Context, m *archive.Manifest, unlocked bool) (string, error) {
	now := r.Now()
	if !m.RetainUntil.After(now) {
		return fmt.Sprintf("%s is to be kept until %s only, which is over", m.Path,
			m.RetainUntil.UTC().Format(time.DateOnly)), nil
	}
	locker, ok := r.Store.(archive.Locker)
	if !ok && unlocked {
		return "", nil
	}
	if !ok {
		return fmt.Sprintf("%s cannot lock its objects: whoever reaches it can delete the only copy; "+
			"use a store with Object Lock, or say --unlocked-store if something else protects it", r.Store), nil
	}
	for _, path := range []string{m.Path, m.ManifestPath()} {
		lock, err := locker.Lock(ctx, path)
		if errors.Is(err, archive.ErrLockUnknown) {
			return fmt.Sprintf("the lock of %s cannot be told: %v", path, err), nil
		}
		if err != nil {
			return "", fmt.Errorf("ask for the lock of %s: %w", path, err)
		}
		switch {
		case lock.Mode != archive.LockCompliance:
			return fmt.Sprintf("%s is not locked in %s mode: it can be deleted", path, archive.LockCompliance), nil
		case lock.Until.Before(m.RetainUntil.Truncate(time.Second)):
			return fmt.Sprintf("%s is locked until %s, and was to be kept until %s", path,
				lock.Until.UTC().Format(time.DateOnly), m.RetainUntil.UTC().Format(time.DateOnly)), nil
		}
	}
	return "", nil
}
