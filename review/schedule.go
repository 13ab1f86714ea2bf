package review

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ward-health/ward/queries"
)

// Turn is a rule with the end of the period that it is to be run for.
type Turn struct {
	*Rule
	Period time.Time
}

// Due lists the enabled rules that have a period to run at now. Periods are of the length Every and end at its
// multiples, so that every worker names them alike; a rule's runs begin a little after, each rule's at another time.
// What was missed is part of the next: one run covers it.
func Due(ctx context.Context, pool *pgxpool.Pool, rules []Rule, now time.Time) ([]Turn, error) {
	list, err := enabled(ctx, pool, rules)
	var due []Turn
	for _, e := range list {
		if end := e.PeriodAt(now); e.last == nil || end.After(*e.last) {
			due = append(due, Turn{Rule: e.Rule, Period: end})
		}
	}
	return due, err
}

// PeriodAt is the end of the newest period whose turn has come at now.
func (r *Rule) PeriodAt(now time.Time) time.Time {
	return now.Add(-r.offset()).Truncate(time.Duration(r.Every)).UTC()
}

// take fills in where the period begins: where the one before ended. The rule's row is locked, hence nobody else
// decides that at the same time.
func (r *Rule) take(ctx context.Context, q *queries.Queries, by *RunRequest) error {
	if by.Period == nil {
		return nil
	}
	last, err := q.LastPeriod(ctx, r.ID)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		start := by.Period.Add(-time.Duration(r.Every))
		last = &start
	case err != nil:
		return fmt.Errorf("find the last period: %w", err)
	case !by.Period.After(*last):
		return ErrRan
	}
	by.start = last
	return nil
}

// Watches says whether the rule is about the review itself. Such a rule waits for no other job.
func (r *Rule) Watches() bool { return r.Kind == kindWatch }

// TimeLimit bounds one run.
func (r *Rule) TimeLimit() time.Duration {
	if r.Timeout > 0 {
		return time.Duration(r.Timeout)
	}
	return 2 * time.Minute
}

// offset is how long after the end of a period the rule's run begins: always the same for one rule, so that every
// worker knows it.
func (r *Rule) offset() time.Duration {
	jitter := time.Duration(r.Jitter)
	if jitter == 0 {
		jitter = min(time.Duration(r.Every)/10, time.Minute)
	}
	if jitter == 0 {
		return 0
	}
	h := sha256.Sum256([]byte(r.ID))
	return jitter / (1 << 16) * time.Duration(binary.BigEndian.Uint16(h[:]))
}

// what names what a match of a watching rule is about; empty where its facts do not say.
func (m *match) what() string {
	var facts struct {
		What string `json:"what"`
	}
	if json.Unmarshal(m.Facts, &facts) != nil {
		return ""
	}
	return facts.What
}

// placed is an enabled rule with the end of the last period that ran.
type placed struct {
	*Rule
	last *time.Time
}

func enabled(ctx context.Context, pool *pgxpool.Pool, rules []Rule) ([]placed, error) {
	rows, err := queries.New(pool).DueRules(ctx)
	if err != nil {
		return nil, fmt.Errorf("list rules: %w", err)
	}
	last := map[string]*time.Time{}
	for _, r := range rows {
		last[r.ID] = r.PeriodEnd
	}
	var list []placed
	for i := range rules {
		if at, ok := last[rules[i].ID]; ok {
			list = append(list, placed{&rules[i], at})
		}
	}
	return list, nil
}
