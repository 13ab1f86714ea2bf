package controls

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/ward-health/ward/queries"
)

// table is what the catalog says of one table (queries/plan.sql), and what the plan decides about it.
type table struct {
	Name        string // schema-qualified and quoted
	Owner       string
	RowSecurity bool `json:"row_security"`
	Schema      string
	KeptOut     []string `json:"kept_out"` // ward's roles that may not enter the schema yet
	Rows        int64
	Registered  bool
	Partitioned bool
	Columns     []column
	Key         *struct {
		Name    string
		Columns []string
	}
	References []reference
	Uniques    []unique
	Triggers   []trigger

	id     string            // the column that is or becomes id; empty: a new one is made
	moved  map[string]string // columns that make room for another of their name, and how they are called from then on
	source source            // where a row's clinic stands
}

type column struct {
	Name, Type          string
	NotNull             bool `json:"not_null"`
	Generated, Identity bool
	FromDefault         *string `json:"from_default"`
}

type reference struct {
	Name, Target         string
	Columns              []string
	TargetColumns        []string `json:"target_columns"`
	OnDelete             string   `json:"on_delete"` // pg_constraint.confdeltype
	OnUpdate             string   `json:"on_update"`
	Deferrable, Deferred bool
	Validated            bool
}

type unique struct {
	Name        string
	Constraint  *string
	Exclusion   bool
	Definition  string
	TenantFirst bool `json:"tenant_first"`
}

type trigger struct {
	Name, Enabled, Function string
}

// source says where the clinic of a row stands. Exactly one of its ways is set; none: the person has not said.
type source struct {
	constant string     // one clinic's id, of every row
	column   string     // a column of the table: the clinic's id, or what the map translates
	through  *reference // the row of another table in the plan
	kept     bool       // tenant_id is there already
}

func loadTable(ctx context.Context, q *queries.Queries, name string) (*table, error) {
	raw, err := q.Anatomy(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("read the shape of %s: %w", name, err)
	}
	t := &table{Name: name, moved: map[string]string{}}
	if err := json.Unmarshal(raw, t); err != nil {
		return nil, fmt.Errorf("read the shape of %s: %w", name, err)
	}
	t.Name = name
	return t, nil
}

// col is the column of that name, or nil.
func (t *table) col(name string) *column {
	for i := range t.Columns {
		if t.Columns[i].Name == name {
			return &t.Columns[i]
		}
	}
	return nil
}

// now is what a column is called once others have taken their places.
func (t *table) now(name string) string {
	if n, ok := t.moved[name]; ok {
		return n
	}
	return name
}

// move lets a column make room, under a name that no other has.
func (t *table) move(name string) string {
	to := "old_" + name
	for t.col(to) != nil {
		to = "old_" + to
	}
	t.moved[name] = to
	return to
}

// from names the table's own rows: those of children are their own tables'.
func (t *table) from() string {
	if t.Partitioned {
		return t.Name
	}
	return "only " + t.Name
}

// keyed says that the primary key is exactly (tenant_id uuid, id uuid).
func (t *table) keyed() bool {
	return t.Key != nil && slices.Equal(t.Key.Columns, []string{"tenant_id", "id"}) &&
		t.col("tenant_id").Type == "uuid" && t.col("id").Type == "uuid"
}

// carried is the position at which a reference names the id that its target keeps, or -1.
func (r *reference) carried(target *table) int {
	if target.id == "" {
		return -1
	}
	return slices.Index(r.TargetColumns, target.id)
}

// composite says that a reference carries the tenant already.
func (r *reference) composite() bool {
	return slices.Equal(r.TargetColumns, []string{"tenant_id", "id"}) && r.Columns[0] == "tenant_id"
}

// quoted is a name as SQL writes it.
func quoted(name string) string { return pgx.Identifier{name}.Sanitize() }

// texts is a list of texts as SQL writes it.
func texts(list []string) string {
	quoted := make([]string, len(list))
	for i, s := range list {
		quoted[i] = literal(s)
	}
	return "array[" + strings.Join(quoted, ", ") + "]::text[]"
}

// literal is a text as SQL writes it; standard_conforming_strings is on in every statement of a plan.
func literal(s string) string {
	b := []byte{'\''}
	for _, c := range []byte(s) {
		if c == '\'' {
			b = append(b, '\'')
		}
		b = append(b, c)
	}
	return string(append(b, '\''))
}
