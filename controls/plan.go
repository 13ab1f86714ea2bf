package controls

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ward-health/ward/queries"
)

// Wish is what a person says about tables that are to be protected. Nothing of it is guessed: without it the plan says
// what is missing.
type Wish struct {
	Tables []string // as regclass reads them
	// For each table, by its schema-qualified name, or for all others under "": the patient's column, the columns that
	// are not PHI, and the column that names the clinic or refers to a table of the plan whose row does.
	Subject      map[string]string
	Open         map[string][]string
	TenantColumn map[string]string
	Tenant       string     // slug or id of the clinic that every row belongs to
	TenantMap    *TenantMap // translates what TenantColumn holds; nil: that is the clinic's id
	Permit       []Permission
}

// TenantMap is a table of the customer's own that says which clinic of ward's each of theirs is.
type TenantMap struct {
	Table, From, To string // To is of type uuid
}

// Permission is what a role may do with the tables of the plan.
type Permission struct {
	Role    string
	Actions []string
}

// Obstacle is one thing that has to change before a table can be protected.
type Obstacle struct {
	Table string `json:"table"` // schema-qualified
	// table, tenant, subject, key, reference, unique, index, function, policy, rule, view, inheritance, publication,
	// sequence, schema, owner, grant
	Kind string `json:"kind"`
	Why  string `json:"why"` // for a person
	// statements of the migration that remove it; none: a person has to do or to say something first
	Remedy []string `json:"remedy"`
}

// Remark is what a plan does or leaves, and what a person should know about it.
type Remark struct {
	Table string `json:"table"`
	Text  string `json:"text"`
}

// Plan is the way from tables as they are to tables protected.
type Plan struct {
	Tables    []string   `json:"tables"` // those asked for and those that refer to them, in the order of the migration
	Obstacles []Obstacle `json:"obstacles"`
	Notes     []Remark   `json:"notes"`
	// the migration, without BEGIN and COMMIT; empty while an obstacle has no remedy
	Statements []string `json:"statements"`
}

// Unsolved are the obstacles that no statement removes.
func (p *Plan) Unsolved() []Obstacle {
	var open []Obstacle
	for _, o := range p.Obstacles {
		if len(o.Remedy) == 0 {
			open = append(open, o)
		}
	}
	return open
}

// SQL is the migration as one file, which psql runs as it is. For goose, which opens the transaction itself, it begins
// with goose's header instead.
func (p *Plan) SQL(goose bool) string {
	var b strings.Builder
	b.WriteString("-- Made by ward protect for " + strings.Join(p.Tables, ", ") +
		`. Read it, then run it as the tables' owner or a superuser.
-- One transaction: all of it holds or nothing has changed. It locks the tables while it runs; ` +
		`where they are large, take a quiet hour. It gives up after 10 s
-- when something else holds one of them (lock_timeout); then run it again.
`)
	first, last := "begin;\n", "\ncommit;\n"
	if goose {
		first, last = "-- +goose Up\n", ""
	}
	b.WriteString(first)
	for _, s := range p.Statements {
		switch {
		case strings.HasPrefix(s, "--"):
			b.WriteString("\n" + s + "\n")
		case goose && strings.HasPrefix(s, "do $"):
			b.WriteString("-- +goose StatementBegin\n" + s + ";\n-- +goose StatementEnd\n")
		default:
			b.WriteString(s + ";\n")
		}
	}
	b.WriteString(last)
	return b.String()
}

// planner puts a plan together. Statements are kept by phase, because what removes one obstacle needs what removes
// another.
type planner struct {
	tx     pgx.Tx
	q      *queries.Queries
	wish   Wish
	plan   Plan
	tables []*table
	byName map[string]*table
	phases [phaseCount][]string
}

const (
	phaseLock = iota
	phaseOpen // what else sees or copies the rows goes
	phaseTenant
	phaseID
	phaseReference
	phaseKey
	phaseLink
	phaseProtect
	phaseCount
)

// PlanProtect says what stands in the way of protecting tables with the rows that are in them, and writes the migration
// that removes it and protects them. It changes nothing and names no value of a row. The role needs what ward_migrate
// has, and to read the tables past their own row security (their owner, or a superuser).
func PlanProtect(ctx context.Context, db DB, wish Wish) (*Plan, error) {
	var plan *Plan
	err := inCatalog(ctx, db, func(q *queries.Queries, tx pgx.Tx) error {
		// names come out qualified; rows that a policy of the customer's hides are an error, not a wrong count
		for _, s := range []string{"set local search_path = pg_catalog", "set local row_security = off"} {
			if _, err := tx.Exec(ctx, s); err != nil {
				return err
			}
		}
		p := &planner{tx: tx, q: q, wish: wish, byName: map[string]*table{},
			plan: Plan{Obstacles: []Obstacle{}, Notes: []Remark{}, Statements: []string{}}}
		if err := p.make(ctx); err != nil {
			return err
		}
		plan = &p.plan
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("plan the protection of %s: %w", strings.Join(wish.Tables, ", "), err)
	}
	return plan, nil
}

func (p *planner) make(ctx context.Context) error {
	if err := p.resolve(ctx); err != nil {
		return err
	}
	for _, step := range []func(context.Context) error{p.catalogObstacles, p.sources, p.keys, p.references, p.uniques,
		p.counts, p.notes} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	if len(p.plan.Unsolved()) > 0 {
		return nil
	}
	p.lock()
	p.guards()
	p.protect()
	heads := [phaseCount]string{"-- Nobody writes while the tables change.",
		"-- What reads or copies the rows past the boundary goes.", "-- Each row gets its clinic.",
		"-- Each row gets a random id.", "-- References carry the clinic.", "-- Keys begin with the clinic.",
		"-- References are checked again, as they were.", "-- Protected."}
	for i, s := range p.phases {
		if len(s) > 0 {
			p.plan.Statements = append(append(p.plan.Statements, heads[i]), s...)
		}
	}
	return nil
}

// resolve finds the tables: those asked for and those that depend on them.
func (p *planner) resolve(ctx context.Context) error {
	var asked []string
	for _, name := range p.wish.Tables {
		full, err := p.q.TableNamed(ctx, name)
		if err != nil {
			return err
		}
		if full == "" && !strings.Contains(name, ".") {
			if full, err = p.q.TableNamed(ctx, "public."+name); err != nil {
				return err
			}
		}
		if full == "" {
			return fmt.Errorf("there is no table %s", name)
		}
		asked = append(asked, full)
	}
	all, err := p.q.Dependents(ctx, asked)
	if err != nil {
		return err
	}
	for _, name := range all {
		t, err := loadTable(ctx, p.q, name)
		if err != nil {
			return err
		}
		p.byName[name] = t
		if !slices.Contains(asked, name) {
			p.note(t, "refers to a table of this plan, so it is protected with it")
		}
	}
	p.order(all)
	return nil
}

// order puts a table behind those that it refers to, as far as that goes.
func (p *planner) order(names []string) {
	done := map[string]bool{}
	var visit func(string)
	visit = func(name string) {
		t := p.byName[name]
		if t == nil || done[name] {
			return
		}
		done[name] = true
		for _, r := range t.References {
			visit(r.Target)
		}
		p.tables = append(p.tables, t)
		p.plan.Tables = append(p.plan.Tables, name)
	}
	for _, n := range names {
		visit(n)
	}
}

func (p *planner) note(t *table, format string, args ...any) {
	p.plan.Notes = append(p.plan.Notes, Remark{t.Name, fmt.Sprintf(format, args...)})
}

// step is a statement and when it runs.
type step struct {
	phase int
	sql   string
}

func in(phase int, format string, args ...any) step { return step{phase, fmt.Sprintf(format, args...)} }

// obstacle adds one with the steps that remove it; without any, a person has to.
func (p *planner) obstacle(t *table, kind, why string, steps ...step) {
	remedy := make([]string, len(steps))
	for i, s := range steps {
		p.phases[s.phase] = append(p.phases[s.phase], s.sql)
		remedy[i] = s.sql
	}
	p.plan.Obstacles = append(p.plan.Obstacles, Obstacle{t.Name, kind, why, remedy})
}

// enterSchema lets ward's roles into a table's schema, as tenancy.protect does: the migration needs it before. Where
// the login may not grant that, tenancy.hindrances has the same statement.
func (p *planner) enterSchema(t *table, said map[string]bool) {
	if len(t.KeptOut) == 0 {
		return
	}
	p.note(t, "USAGE on its schema %s is granted to %s", t.Schema, strings.Join(t.KeptOut, ", "))
	grant := fmt.Sprintf("grant usage on schema %s to %s", t.Schema, strings.Join(t.KeptOut, ", "))
	if !said["note "+grant] {
		said["note "+grant] = true
		p.phases[phaseOpen] = append(p.phases[phaseOpen], grant)
	}
}

// catalogObstacles are those that tenancy.hindrances can say how to remove. A view may read several of the tables, and
// is dropped once.
func (p *planner) catalogObstacles(ctx context.Context) error {
	names := p.plan.Tables
	readers, err := p.q.Readers(ctx, names)
	if err != nil {
		return err
	}
	for _, r := range readers {
		kind := "view"
		if r.Materialised {
			kind = "materialized view"
		}
		definition := "-- It was: " + strings.ReplaceAll(strings.TrimSpace(r.Definition), "\n", "\n--          ")
		p.phases[phaseOpen] = append(p.phases[phaseOpen], definition, fmt.Sprintf("drop %s %s", kind, r.Reader))
	}
	said := map[string]bool{}
	for _, t := range p.tables {
		p.enterSchema(t, said)
		found, err := p.q.Hindrances(ctx, queries.HindrancesParams{RecordTable: t.Name, OpenColumns: p.openOf(t)})
		if err != nil {
			return err
		}
		for _, h := range found {
			switch h.Kind {
			case "key", "reference", "unique": // made with knowledge of all the tables
				continue
			case "index": // made anew all at once, when the columns have their last names
				p.plan.Obstacles = append(p.plan.Obstacles, Obstacle{t.Name, h.Kind, h.Why, []string{p.guard(t)}})
				continue
			case "view":
				p.plan.Obstacles = append(p.plan.Obstacles, Obstacle{t.Name, h.Kind, h.Why, []string{h.Remedy}})
				continue
			}
			if h.Remedy == "" {
				p.obstacle(t, h.Kind, h.Why)
				continue
			}
			phase := phaseOpen
			if h.Kind == "owner" {
				phase = phaseLink // before, the old owner's rights are needed
			}
			if said[h.Remedy] {
				continue
			}
			said[h.Remedy] = true
			if h.Kind == "schema" {
				p.plan.Obstacles = append(p.plan.Obstacles, Obstacle{t.Name, h.Kind, h.Why, []string{h.Remedy}})
				continue
			}
			p.obstacle(t, h.Kind, h.Why, step{phase, h.Remedy})
		}
		if t.Owner != "ward_owner" && !slices.Contains(p.phases[phaseLink], ownerOf(t)) {
			p.phases[phaseLink] = append(p.phases[phaseLink], ownerOf(t))
		}
	}
	return nil
}

func ownerOf(t *table) string { return fmt.Sprintf("alter table %s owner to ward_owner", t.Name) }

// tenantID reads a slug or an id.
func (p *planner) tenantID(ctx context.Context, name string) (string, error) {
	var id uuid.UUID
	err := p.tx.QueryRow(ctx, "select id from tenancy.tenant where kind = 'clinic' and (slug = $1 or id::text = $1)",
		name).Scan(&id)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", fmt.Errorf("there is no clinic %s: ward tenant list names them", name)
	}
	return id.String(), err
}

// said is what a person said for one table, or for all others.
func said[T any](m map[string]T, t *table) (v T, own bool) {
	if v, ok := m[t.Name]; ok {
		return v, true
	}
	return m[""], false
}

// lock keeps everybody else out, all tables at once and in one order, so that no writer is in the middle of two of
// them.
func (p *planner) lock() {
	p.phases[phaseLock] = append(p.phases[phaseLock], "set local lock_timeout = '10s'",
		"set local search_path = pg_catalog, pg_temp", "set local client_min_messages = warning",
		"set constraints all immediate", // a check still pending would stop the next ALTER TABLE
		"lock table "+strings.Join(p.plan.Tables, ", ")+" in access exclusive mode")
	for _, t := range p.tables {
		if t.RowSecurity { // its own policies would hide rows from its owner
			p.phases[phaseLock] = append(p.phases[phaseLock], fmt.Sprintf("alter table %s no force row level security",
				t.Name), fmt.Sprintf("alter table %s disable row level security", t.Name))
		}
	}
}

// protect ends the migration, a table behind those that it refers to.
func (p *planner) protect() {
	for _, t := range p.tables {
		subject := "null"
		if s := p.subjectOf(t); s != "" {
			subject = literal(s)
		}
		p.phases[phaseProtect] = append(p.phases[phaseProtect],
			fmt.Sprintf("select tenancy.protect(%s, %s, %s)", literal(t.Name), subject, texts(p.openOf(t))))
		for _, m := range p.wish.Permit {
			p.phases[phaseProtect] = append(p.phases[phaseProtect],
				fmt.Sprintf("select tenancy.permit(%s, %s, %s)", literal(m.Role), literal(t.Name), texts(m.Actions)))
		}
	}
}

// openOf are the columns that the person said are not PHI, of those that the table has.
func (p *planner) openOf(t *table) []string {
	open, _ := said(p.wish.Open, t)
	return slices.DeleteFunc(append([]string{}, open...), func(c string) bool { return t.col(c) == nil })
}

// guard makes the indexes of a table unusable to a scan of its keys: tenancy.unguarded says which and why.
func (p *planner) guard(t *table) string {
	return fmt.Sprintf("select tenancy.guard_indexes(%s, %s)", literal(t.Name), texts(p.openOf(t)))
}

// guards come last of what makes the keys: a column that was tenant_id or id is PHI by then, and an index by it has to
// follow.
func (p *planner) guards() {
	for _, t := range p.tables {
		if len(t.moved) > 0 || slices.ContainsFunc(p.plan.Obstacles,
			func(o Obstacle) bool { return o.Table == t.Name && o.Kind == "index" }) {
			p.phases[phaseKey] = append(p.phases[phaseKey], p.guard(t))
		}
	}
}

// guarded is the predicate of an index that is ordered by these columns (tenancy.unguarded), in the order of their
// names; empty if none is PHI.
func (p *planner) guarded(t *table, columns ...string) string {
	var terms []string
	for _, c := range slices.Sorted(slices.Values(columns)) {
		if c != "id" && c != "tenant_id" && !slices.Contains(p.openOf(t), c) {
			terms = append(terms, "num_nulls("+quoted(c)+") <> 2")
		}
	}
	if len(terms) == 0 {
		return ""
	}
	return " where " + strings.Join(terms, " and ")
}

// subjectOf is the patient's column, where the person named one that the table has or gets.
func (p *planner) subjectOf(t *table) string {
	s, own := said(p.wish.Subject, t)
	if own || s != "" && t.col(s) != nil {
		return s
	}
	return ""
}
