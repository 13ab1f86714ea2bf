package review

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ward-health/ward/queries"
)

// Register stores the rules' heads in the database, so that reviewers see them, also those that are NOT ENABLED for want of something they require.
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
		err = q.SaveRule(ctx, queries.SaveRuleParams{ID: r.ID, Version: int32(r.Version), Tier: r.Tier, Severity: r.Severity, Title: r.Title, ContentHash: r.Hash, FrontMatter: head, Missing: missing, Kind: r.Kind, Stage: int32(r.Stage()), Own: r.Own})
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
