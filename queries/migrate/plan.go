package migrate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
	"golang.org/x/mod/semver"
)

// Reasons for which an object is made anew.
const (
	New           = "new"
	Changed       = "changed"
	ChangedByHand = "changed by hand"
	Missing       = "missing"
	// What was remembered of these cannot be compared with the catalog.
	AnotherServer  = "made on another version of PostgreSQL"
	AnotherRelease = "remembered in the way of another release"
)

// A Change is an object that Run makes anew.
type Change struct {
	Kind string `json:"kind"`
	Name string `json:"name"`
	Why  string `json:"why"`
}

// A Plan is what lies between a database and this release.
type Plan struct {
	From      string   `json:"from"`      // the release that the database is at; "" is a database without ward
	To        string   `json:"to"`        // this release
	Tables    []string `json:"tables"`    // the numbered files to apply
	Make      []Change `json:"make"`      // objects made anew
	Drop      []Change `json:"drop"`      // objects that no file defines any more
	Protected []string `json:"protected"` // protected tables of the application's whose protection is made anew
	Lost      []Lost   `json:"lost"`      // tables that are registered as protected, and are not

	Roles     []string   `json:"roles"`     // roles that are there already, and stay as they are
	Takes     []Take     `json:"takes"`     // what PUBLIC loses
	Obstacles []Obstacle `json:"obstacles"` // what stands in the way; Run refuses then

	release *release
	state   *state
	notOurs []Obstacle // owners of Protected, as whom the login may not act
}

// listed makes the lists of a plan lists also where they are empty, for JSON.
func (p *Plan) listed() {
	p.Tables, p.Protected = append([]string{}, p.Tables...), append([]string{}, p.Protected...)
	p.Make, p.Drop = append([]Change{}, p.Make...), append([]Change{}, p.Drop...)
	p.Lost = append([]Lost{}, p.Lost...)
	p.Roles = append([]string{}, p.Roles...)
	p.Takes, p.Obstacles = append([]Take{}, p.Takes...), append([]Obstacle{}, p.Obstacles...)
	for i := range p.Obstacles {
		p.Obstacles[i].Mend = append([]string{}, p.Obstacles[i].Mend...)
	}
}

// Empty says that the database is at this release.
func (p *Plan) Empty() bool {
	return len(p.Tables)+len(p.Make)+len(p.Drop)+len(p.Protected) == 0 && p.state.sum == p.release.Sum
}

func (c Change) key() key { return key{c.Kind, c.Name} }

// makes says whether the plan makes an object anew.
func (p *Plan) makes(k key) bool { return has(p.Make, k) }

// drops says whether the plan drops an object.
func (p *Plan) drops(k key) bool { return has(p.Drop, k) }

func has(changes []Change, k key) bool {
	return slices.ContainsFunc(changes, func(c Change) bool { return c.key() == k })
}

// alsoMake has an object made anew that rests on another one.
func (p *Plan) alsoMake(k key, on string) {
	_, ours := p.state.objects[k]
	if ours && !p.makes(k) && !p.drops(k) {
		p.Make = append(p.Make, Change{k.kind, k.name, "it rests on " + on})
	}
}

// A made is a row of core.object, with what the catalog says now.
type made struct {
	Kind, Name, Signature, Sum, Live, Now string
}

// state is what the database says of itself.
type state struct {
	version   string // "": no ward here
	sum       string
	generator string
	tables    map[int]tableFile
	objects   map[key]made
}

// ErrNewer is a database that a later release of ward has migrated.
var ErrNewer = errors.New("the database is at a later release of ward")

// readState asks the database which release it is at.
func readState(ctx context.Context, db querier) (*state, error) {
	s := &state{tables: map[int]tableFile{}, objects: map[key]made{}}
	there, err := isInstalled(ctx, db)
	if err != nil || !there {
		return s, err
	}
	err = db.QueryRow(ctx, "select version, sum, generator from core.release").Scan(&s.version, &s.sum, &s.generator)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return nil, fmt.Errorf("read the release of the database: %w", err)
	}
	rows, err := db.Query(ctx, "select version, name, sum from core.table_file")
	if err != nil {
		return nil, fmt.Errorf("read which tables were made: %w", err)
	}
	tables, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (t tableFile, err error) {
		err = row.Scan(&t.Version, &t.Name, &t.Sum)
		return t, err
	})
	if err != nil {
		return nil, fmt.Errorf("read which tables were made: %w", err)
	}
	for _, t := range tables {
		s.tables[t.Version] = t
	}
	rows, err = db.Query(ctx, "select kind, name, coalesce(signature, ''), sum, live, '' from core.object")
	if err != nil {
		return nil, fmt.Errorf("read which objects were made: %w", err)
	}
	objects, err := pgx.CollectRows(rows, pgx.RowToStructByPos[made])
	if err != nil {
		return nil, fmt.Errorf("read which objects were made: %w", err)
	}
	live, err := readLive(ctx, db)
	if err != nil {
		return nil, err
	}
	for _, o := range objects {
		o.Now = live[key{o.Kind, cmp.Or(o.Signature, o.Name)}]
		s.objects[key{o.Kind, o.Name}] = o
	}
	return s, nil
}

// later says whether one release follows another.
func later(version, other string) bool { return semver.Compare("v"+version, "v"+other) > 0 }

// newPlan compares a release with the database. Errors: ErrNewer, and a numbered file that is not the one that was
// applied.
func newPlan(ctx context.Context, db querier, r *release) (*Plan, error) {
	if err := mayMigrate(ctx, db); err != nil {
		return nil, err
	}
	s, err := readState(ctx, db)
	if err != nil {
		return nil, err
	}
	if r, err = r.withoutAuth(ctx, db); err != nil {
		return nil, err
	}
	p := &Plan{From: s.version, To: r.Version, release: r, state: s}
	if later(p.From, p.To) {
		return nil, fmt.Errorf("%w: it is at %s, and this program is %s: use that release or a later one", ErrNewer,
			p.From, p.To)
	}
	if err := p.compareTables(); err != nil {
		return nil, err
	}
	p.compareObjects()
	if s.version == "" {
		return p, nil
	}
	err = p.readProtected(ctx, db)
	return p, err
}

func (p *Plan) compareTables() error {
	known := map[int]bool{}
	last := 0
	for version := range p.state.tables {
		last = max(last, version)
	}
	for _, t := range p.release.Tables {
		known[t.Version] = true
		was, applied := p.state.tables[t.Version]
		switch {
		case !applied && t.Version < last:
			return fmt.Errorf("the database has %s and not %s, which comes before it: give that file the next number",
				p.state.tables[last].Name, t.Name)
		case !applied:
			p.Tables = append(p.Tables, t.Name)
		case was.Sum != t.Sum:
			return fmt.Errorf("the database was made by another %s than this program has (SHA-256 %s there, %s here): "+
				"migrate with the release that made it, %s, or one that follows it", t.Name, was.Sum, t.Sum, p.From)
		}
	}
	for version, t := range p.state.tables {
		if !known[version] {
			return fmt.Errorf("%w: it is at %s and has %s, which this program of %s does not know: use the program "+
				"that migrated last", ErrNewer, p.From, t.Name, p.To)
		}
	}
	return nil
}

func (p *Plan) compareObjects() {
	defined := map[key]bool{}
	for _, o := range p.release.Objects {
		defined[o.key()] = true
		was, there := p.state.objects[o.key()]
		why := ""
		switch {
		case !there:
			why = New
		case was.Now == "":
			why = Missing
		case was.differs() == ChangedByHand:
			why = ChangedByHand
		case was.Sum != o.Sum:
			why = Changed
		case was.differs() != "":
			why = was.differs()
		default:
			continue
		}
		p.Make = append(p.Make, Change{o.Kind, o.Name, why})
	}
	for k := range p.state.objects {
		if !defined[k] {
			p.Drop = append(p.Drop, Change{Kind: k.kind, Name: k.name, Why: "no file defines it any more"})
		}
	}
	slices.SortFunc(p.Drop, func(a, b Change) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name))
	})
}

// Lines says a plan a line for each change, as a person reads it.
func (p *Plan) Lines() []string { return append(p.Changes(), takenLines(p.Takes)...) }

// Changes are the Lines about ward's own objects.
func (p *Plan) Changes() []string {
	var lines []string
	for _, t := range p.Tables {
		lines = append(lines, "tables "+t)
	}
	for _, r := range p.Roles {
		lines = append(lines, fmt.Sprintf("role %s is there already: its password and settings stay as they are", r))
	}
	if p.From == "" {
		return append(lines, fmt.Sprintf("%d functions, views and tables' triggers", len(p.Make)))
	}
	for _, c := range p.Make {
		lines = append(lines, fmt.Sprintf("%s %s (%s)", c.Kind, c.Name, c.Why))
	}
	for _, c := range p.Drop {
		lines = append(lines, fmt.Sprintf("dropped %s %s (%s)", c.Kind, c.Name, c.Why))
	}
	for _, t := range p.Protected {
		lines = append(lines, "protected table "+t)
	}
	return lines
}
