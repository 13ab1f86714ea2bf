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

	"github.com/ward-health/ward/queries"
)

// match is one row of a rule's answer. A rule selects exactly these columns, in this order:
// tenant_id, actor_id, patient_id, first_at, last_at, summary, facts, event_ids.
type match struct {
	Tenant   uuid.UUID       `json:"tenant_id"`
	Actor    *uuid.UUID      `json:"actor_id"`
	Patient  *uuid.UUID      `json:"patient_id"`
	First    time.Time       `json:"first_at"`
	Last     time.Time       `json:"last_at"`
	Summary  string          `json:"summary"`
	Facts    json.RawMessage `json:"facts"`
	EventIDs []int64         `json:"event_ids"`
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

// keep turns a match into an anomaly, or into more evidence for the one that is open. What a re-run finds again changes
// nothing; what is suppressed is stored as that, and counted.
func (r *Rule) keep(ctx context.Context, q *queries.Queries, m *match, res *Result) error {
	res.Matched++
	key := r.key(m)
	seen, err := r.seen(ctx, q, m, key)
	if err != nil || seen {
		return err
	}
	suppression, err := q.SuppressedBy(ctx,
		queries.SuppressedByParams{Rule: r.ID, Tenant: m.Tenant, Actor: m.Actor, Events: m.EventIDs})
	if err != nil {
		return fmt.Errorf("look for a suppression: %w", err)
	}
	if suppression != uuid.Nil {
		return r.holdBack(ctx, q, m, key, suppression, res)
	}
	open, err := q.OpenAnomalyByKey(ctx, key)
	switch {
	case err == nil:
		res.Merged++
		return r.merge(ctx, q, &open, m, key, res)
	case !errors.Is(err, pgx.ErrNoRows):
		return fmt.Errorf("look for an open anomaly: %w", err)
	}
	last, err := q.LastClosedByKey(ctx,
		queries.LastClosedByKeyParams{Key: key, WindowSeconds: r.dedupWindow().Seconds()})
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return r.raise(ctx, q, m, key, nil, nil, res)
	case err != nil:
		return fmt.Errorf("look for a closed anomaly: %w", err)
	case last.Within && r.Dedup.OnClosed == absorb:
		res.Merged++
		return r.merge(ctx, q, &queries.OpenAnomalyByKeyRow{ID: last.ID, Summary: last.Summary, Facts: last.Facts,
			Evidence: last.Evidence}, m, key, res)
	}
	return r.raise(ctx, q, m, key, &last.ID, nil, res)
}

// absorb as dedup.on_closed lets a closed anomaly take evidence, within the window.
const absorb = "absorb"

func (r *Rule) dedupWindow() time.Duration {
	if r.Dedup == nil {
		return 0
	}
	return time.Duration(r.Dedup.Window)
}

// holdBack stores a match that a suppression covers.
func (r *Rule) holdBack(ctx context.Context, q *queries.Queries, m *match, key []byte, suppression uuid.UUID,
	res *Result) error {
	res.Suppressed++
	if err := q.CountHit(ctx, suppression); err != nil {
		return fmt.Errorf("count a hit of suppression %s: %w", suppression, err)
	}
	held, err := q.SuppressedAnomaly(ctx, queries.SuppressedAnomalyParams{Key: key, Suppression: suppression})
	if err == nil {
		open := queries.OpenAnomalyByKeyRow(held)
		return r.merge(ctx, q, &open, m, key, res)
	}
	if !errors.Is(err, pgx.ErrNoRows) {
		return fmt.Errorf("look for what suppression %s holds back: %w", suppression, err)
	}
	return r.raise(ctx, q, m, key, nil, &suppression, res)
}

// raise makes an anomaly: new, after one that was closed, or suppressed.
func (r *Rule) raise(ctx context.Context, q *queries.Queries, m *match, key []byte, after, suppression *uuid.UUID,
	res *Result) error {
	state := "suppressed"
	if suppression == nil {
		state = "new"
		res.Created++
	}
	id, err := q.NewAnomaly(ctx, queries.NewAnomalyParams{
		TenantID: m.Tenant, RuleID: r.ID, RuleVersion: int32(r.Version), Tier: r.Tier, Severity: r.Severity,
		ActorID: m.Actor, SubjectID: m.Patient, Key: key,
		Summary: m.Summary, Facts: m.Facts, FirstAt: m.First, LastAt: m.Last, RecurrenceOf: after,
		SuppressionID: suppression,
	})
	if err != nil {
		return fmt.Errorf("store anomaly: %w", err)
	}
	if _, err := r.addEvidence(ctx, q, id, m, key, res); err != nil {
		return err
	}
	if err := q.NewTransition(ctx, queries.NewTransitionParams{AnomalyID: id, ToState: state, Reason: &m.Summary,
		Evidence: int32(len(m.EventIDs))}); err != nil {
		return fmt.Errorf("store history of anomaly %s: %w", id, err)
	}
	return nil
}

// seen says whether the queue tells of a match already: of its events, or, where a rule watches the review, of what has
// been so since then.
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

// merge adds a match to the anomaly that is open. Where the match tells of a part of the evidence only, the summary and
// the facts of the first one stand.
func (r *Rule) merge(ctx context.Context, q *queries.Queries, open *queries.OpenAnomalyByKeyRow, m *match, key []byte,
	res *Result) error {
	added, err := r.addEvidence(ctx, q, open.ID, m, key, res)
	if err != nil {
		return err
	}
	merged := queries.MergeAnomalyParams{Summary: m.Summary, Facts: m.Facts, FirstAt: m.First,
		LastAt: m.Last, ID: open.ID}
	if total := open.Evidence + added; int64(len(m.EventIDs)) < total && r.Kind != kindWatch {
		first, _, _ := strings.Cut(open.Summary, soFar)
		merged.Summary, merged.Facts = fmt.Sprintf("%s%s%d events", first, soFar, total), open.Facts
	}
	if err := q.MergeAnomaly(ctx, merged); err != nil {
		return fmt.Errorf("merge into anomaly %s: %w", open.ID, err)
	}
	return nil
}

// addEvidence returns how many of the match's events are new. A rule that mixes up clinics must not show one's events
// to the other's reviewer: it fails.
func (r *Rule) addEvidence(ctx context.Context, q *queries.Queries, id uuid.UUID, m *match, key []byte,
	res *Result) (int64, error) {
	added, err := q.AddEvidence(ctx,
		queries.AddEvidenceParams{AnomalyID: id, RunID: res.RunID, EventIds: m.EventIDs, TenantID: m.Tenant})
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

// tellOverflow puts one item of tier S into the queue, of the installation, as long as it is open: a rule that stands
// still because it finds too much.
func (r *Rule) tellOverflow(ctx context.Context, q *queries.Queries, over *OverflowError, now time.Time) error {
	h := sha256.Sum256([]byte("ward-overflow/v1\x00" + r.ID))
	if _, err := q.OpenAnomalyByKey(ctx, h[:]); !errors.Is(err, pgx.ErrNoRows) {
		return err
	}
	facts, err := json.Marshal(map[string]any{"what": r.ID, "bound": over.Max})
	if err != nil {
		return fmt.Errorf("encode facts: %w", err)
	}
	home, err := q.Installation(ctx)
	if err != nil {
		return fmt.Errorf("find the installation: %w", err)
	}
	summary := fmt.Sprintf("rule %s finds more than %d at once: nothing of it was kept, and the rule stands still",
		r.ID, over.Max)
	id, err := q.NewAnomaly(ctx, queries.NewAnomalyParams{TenantID: home, RuleID: r.ID, RuleVersion: int32(r.Version),
		Tier: "S", Severity: "high", Key: h[:],
		Summary: summary, Facts: facts, FirstAt: now, LastAt: now})
	if err != nil {
		return fmt.Errorf("store overflow: %w", err)
	}
	if err := q.NewTransition(ctx,
		queries.NewTransitionParams{AnomalyID: id, ToState: "new", Reason: &summary}); err != nil {
		return fmt.Errorf("store history of overflow %s: %w", id, err)
	}
	return nil
}
