package tenancy

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"

	"github.com/ward-health/ward/queries"
)

// Ask names the records that a session wants to see, and why.
type Ask struct {
	Table   string      // protected table, schema-qualified
	IDs     []uuid.UUID // 1 to 10,000
	Purpose string      // treatment, payment, operations, break_glass, patient_request, research
	Export  bool        // bulk reading: recorded as export
}

// Read asks for records, commits, and runs look in a transaction that sees them through the phi views. Nothing that look read may be used
// before Read has returned nil.
func (s *Session) Read(ctx context.Context, ask Ask, look func(Tx) error) error {
	return s.Look(ctx, func(tx Tx, id uuid.UUID) error { return Disclose(ctx, tx, id, ask) }, look)
}

// Disclose writes an ask in a transaction of the caller's, for a client that pipelines. It is to be committed before anything is read.
func Disclose(ctx context.Context, tx Tx, disclosure uuid.UUID, ask Ask) error {
	q := queries.New(tx)
	var err error
	if ask.Export {
		err = q.Export(ctx, queries.ExportParams{Disclosure: disclosure, RecordTable: ask.Table, Ids: ask.IDs, Purpose: ask.Purpose})
	} else {
		err = q.Disclose(ctx, queries.DiscloseParams{Disclosure: disclosure, RecordTable: ask.Table, Ids: ask.IDs, Purpose: ask.Purpose})
	}
	if err != nil {
		return fmt.Errorf("disclose %d of %s: %w", len(ask.IDs), ask.Table, explain(err))
	}
	return nil
}

// Condition is one term of a search. Op is =, <, <=, >, >=, starts_with or is_null.
type Condition struct {
	Column string `json:"column"`
	Op     string `json:"op"`
	Value  any    `json:"value,omitempty"`
}

// Search finds records without raw SQL. Its values are PHI: only keyed hashes of them are recorded.
type Search struct {
	Table   string
	Where   []Condition
	Order   string // column, optionally followed by " desc"; empty: id
	Limit   int    // 1 to 500; 0: 50
	Purpose string
}

// Find records the search and commits; evaluates it and writes one view event per record found, and commits; then runs look, which sees
// those records through the phi view. A search that finds nothing is on record too.
func (s *Session) Find(ctx context.Context, search Search, look func(Tx) error) error {
	id := uuid.New()
	where := search.Where
	if where == nil {
		where = []Condition{}
	}
	filter, err := json.Marshal(where)
	if err != nil {
		return fmt.Errorf("encode search of %s: %w", search.Table, err)
	}
	order, limit := search.Order, int32(search.Limit)
	if order == "" {
		order = "id"
	}
	if limit == 0 {
		limit = 50
	}
	ask := func(tx Tx) error {
		return queries.New(tx).Find(ctx, queries.FindParams{Disclosure: id, RecordTable: search.Table, Filter: filter, Ordering: order, MaxRows: limit, Purpose: search.Purpose})
	}
	evaluate := func(tx Tx) error {
		return queries.New(tx).Evaluate(ctx, queries.EvaluateParams{RecordTable: search.Table, Filter: filter, Ordering: order, MaxRows: limit})
	}
	for _, step := range []func(Tx) error{ask, evaluate} {
		if err := s.Tx(ctx, id, step); err != nil {
			return fmt.Errorf("search %s: %w", search.Table, explain(err))
		}
	}
	return s.Tx(ctx, id, look)
}

// Write runs fn in one transaction in which it may insert records, and change or delete those of ask, which is disclosed and committed first. An empty
// ask (no IDs) is for inserts alone.
func (s *Session) Write(ctx context.Context, ask Ask, fn func(Tx) error) error {
	if len(ask.IDs) == 0 {
		return s.Tx(ctx, uuid.Nil, fn)
	}
	return s.Read(ctx, ask, fn)
}
