package review

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ward-health/ward/queries"
	"github.com/ward-health/ward/tenancy"
)

// Register stores the rules' heads in the database, so that reviewers see them, also those that are NOT ENABLED for
// want of something they require.
func Register(ctx context.Context, pool *pgxpool.Pool, rules []Rule) error {
	q := queries.New(pool)
	have, err := q.Inputs(ctx)
	if err != nil {
		return fmt.Errorf("list inputs: %w", err)
	}
	for i := range rules {
		r := &rules[i]
		head, err := json.Marshal(r.FrontMatter)
		if err != nil {
			return fmt.Errorf("encode rule %s: %w", r.ID, err)
		}
		missing := []string{}
		for _, need := range r.Requires {
			if !oneOf(need, have...) {
				missing = append(missing, need)
			}
		}
		if r.Status == "deprecated" {
			missing = append(missing, "a successor: it is deprecated")
		}
		err = q.SaveRule(ctx, queries.SaveRuleParams{ID: r.ID, Version: int32(r.Version), Tier: r.Tier,
			Severity: r.Severity, Title: r.Title, ContentHash: r.Hash, FrontMatter: head, Missing: missing,
			Kind: r.Kind, Stage: int32(r.Stage()), Own: r.Own})
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

// Loaded says that this process has the files of these rules. One whose file no worker has is late, and S02 says why.
func Loaded(ctx context.Context, pool *pgxpool.Pool, rules []Rule) error {
	ids := make([]string, len(rules))
	for i := range rules {
		ids[i] = rules[i].ID
	}
	if err := queries.New(pool).RulesLoaded(ctx, ids); err != nil {
		return fmt.Errorf("say which rules are loaded: %w", err)
	}
	return nil
}

// Retire says that a rule whose file no worker has is meant to be gone; the event's id. It is NOT ENABLED from then on,
// until a worker has the file again.
func Retire(ctx context.Context, s *tenancy.Session, rule, reason string) (int64, error) {
	return tenancy.Call(ctx, s, "retire rule "+rule, func(q *queries.Queries) (int64, error) {
		return q.RetireRule(ctx, queries.RetireRuleParams{Rule: rule, Reason: reason})
	})
}
