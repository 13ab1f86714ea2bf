package tenancy

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgtype"
)

// Ask names the records that a session wants to see, and why.
type Ask struct {
	ID      uuid.UUID   // of the disclosure, for a later Again; uuid.Nil: a random one
	Table   string      // protected table, schema-qualified
	IDs     []uuid.UUID // 1 to 10,000
	Purpose string      // treatment, payment, operations, break_glass, patient_request, research
	Export  bool        // bulk reading: recorded as export
}

// Read asks for records, commits, and runs the statements in a transaction that sees those records through the phi
// views: one round trip for all of it. What the statements read is handed out once that transaction has committed too;
// when Read fails, nothing was. No statement sees another's result, and none may be begin, commit or rollback.
//
// Errors: *RefusedError (no identity; its event is committed), *DeniedError (the ask or a statement), *UnreachableError
// (also for a connection lost on the way: whether a Write was committed is then unknown), the context's, and what a
// statement's own function returned.
func (s *Session) Read(ctx context.Context, ask Ask, look ...Statement) error {
	id := ask.ID
	if id == uuid.Nil {
		id = uuid.New()
	}
	if err := s.pipelined(ctx, id, [][]step{{ask.step(id)}}, look); err != nil {
		return fmt.Errorf("read %d of %s: %w", len(ask.IDs), ask.Table, err)
	}
	return nil
}

// Again runs statements in one transaction under a disclosure that an earlier Read or Write of this session asked for,
// and only for the seconds that it lasts: to save what was just opened, say. Otherwise it is as Read.
func (s *Session) Again(ctx context.Context, disclosure uuid.UUID, statements ...Statement) error {
	if err := s.pipelined(ctx, disclosure, nil, statements); err != nil {
		return fmt.Errorf("under a disclosure: %w", err)
	}
	return nil
}

// step is the ask as it goes to the server.
func (a Ask) step(id uuid.UUID) step {
	ids := make([]byte, 0, 2+37*len(a.IDs))
	ids = append(ids, '{')
	for i, x := range a.IDs {
		if i > 0 {
			ids = append(ids, ',')
		}
		ids = append(ids, x.String()...)
	}
	ids = append(ids, '}')
	oids, params := []uint32{pgtype.UUIDOID, pgtype.TextOID, pgtype.UUIDArrayOID, pgtype.TextOID},
		[][]byte{[]byte(id.String()), []byte(a.Table), ids, []byte(a.Purpose)}
	if a.Export {
		return own("export", oids, params...)
	}
	ask := own("ask", append([]uint32{pgtype.TextOID}, oids...), append([][]byte{nil}, params...)...)
	ask.proves = true
	return ask
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

// Find records the search and commits; evaluates it and writes one view event per record found, and commits; then runs
// the statements, which see those records through the phi view. All in one round trip, and otherwise as Read. A search
// that finds nothing is on record too.
func (s *Session) Find(ctx context.Context, search Search, look ...Statement) error {
	id := uuid.New()
	where := search.Where
	if where == nil {
		where = []Condition{}
	}
	filter, err := json.Marshal(where)
	if err != nil {
		return fmt.Errorf("encode search of %s: %w", search.Table, err)
	}
	order, limit := search.Order, search.Limit
	if order == "" {
		order = "id"
	}
	if limit == 0 {
		limit = 50
	}
	table, by, rows := []byte(search.Table), []byte(order), strconv.AppendInt(nil, int64(limit), 10)
	find := own("find", []uint32{pgtype.UUIDOID, pgtype.TextOID, pgtype.JSONBOID, pgtype.TextOID, pgtype.Int4OID,
		pgtype.TextOID}, []byte(id.String()), table, filter, by, rows, []byte(search.Purpose))
	evaluate := own("evaluate", []uint32{pgtype.TextOID, pgtype.JSONBOID, pgtype.TextOID, pgtype.Int4OID}, table,
		filter, by, rows)
	if err := s.pipelined(ctx, id, [][]step{{find}, {evaluate}}, look); err != nil {
		return fmt.Errorf("search %s: %w", search.Table, err)
	}
	return nil
}

// Write runs the statements in one transaction in which they may insert records, and change or delete those of ask,
// which is disclosed and committed first. An empty ask (no IDs) is for inserts alone. Otherwise it is as Read; a
// statement that fails undoes the others.
func (s *Session) Write(ctx context.Context, ask Ask, statements ...Statement) error {
	if len(ask.IDs) > 0 {
		return s.Read(ctx, ask, statements...)
	}
	if err := s.pipelined(ctx, uuid.Nil, nil, statements); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	return nil
}
