// Package ruletest holds a rule against its test file: the cases that the file describes, a second run over the same
// events, and the rule's mutants, each the rule with one term of its conditions taken out, of which a case must fail.
// All of it runs in a real database as the real roles, which is thrown away afterwards: the superuser arranges the
// clinics and their history, and the rule runs as ward_worker, an installation's own one as ward_rule.
package ruletest

import (
	"context"
	_ "embed" // for world.sql
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ward-health/ward/audit"
	"github.com/ward-health/ward/review"
)

//go:embed world.sql
var worldSQL string

// statement finds one of world.sql by its name.
func statement(name string) string {
	_, rest, ok := strings.Cut(worldSQL, "-- name: "+name+"\n")
	if !ok {
		return "select no_such_statement('" + name + "')"
	}
	text, _, _ := strings.Cut(rest, "-- name: ")
	return text
}

// Database is a migrated and initialised database (administrator root) that nobody will miss.
type Database struct {
	Super  *pgxpool.Pool // a superuser's
	Worker *pgxpool.Pool // ward_worker's
}

// person is somebody of each case: kind, and the roles at the clinics.
type person struct {
	kind  string
	roles map[string]string
}

// people of a case, by slug.
var people = map[string]person{
	"casey":   {"human", map[string]string{"cedar": "clinician", "harbor": "clinician"}},
	"carla":   {"human", map[string]string{"cedar": "clinician"}},
	"hugo":    {"human", map[string]string{"harbor": "clinician"}},
	"frank":   {"human", map[string]string{"cedar": "front_desk"}},
	"bill":    {"human", map[string]string{"cedar": "billing"}},
	"rita":    {"human", map[string]string{"cedar": "records"}},
	"rosa":    {"human", map[string]string{"cedar": "records"}},
	"dana":    {"human", nil},
	"eve":     {"human", nil},
	"pia":     {"human", map[string]string{"cedar": "patient"}}, // of the record "own"
	"svc-etl": {"service", map[string]string{"cedar": "service"}},
}

// World is a database in which the cases of a rule stand side by side, each with clinics and people of its own.
type World struct {
	Database
	Now    time.Time
	Scenes []*Scene

	sealer  *audit.Sealer
	err     error // the first thing that went wrong; what comes after it does nothing
	records struct {
		tables       []string
		ids, tenants []uuid.UUID
		subjects     []*uuid.UUID
	}
}

// Scene is one case, arranged.
type Scene struct {
	review.RuleTest
	Tenants map[string]uuid.UUID
	Users   map[string]uuid.UUID

	world   *World
	members map[string]uuid.UUID // "casey@cedar"
	ids     uuid.UUID            // the name space of its records
	number  int                  // of the case, which ends the slugs of its people
}

// NewWorld makes the clinics and people of the cases. It takes the sealer's lead of the database until it is closed.
func NewWorld(ctx context.Context, db Database, tests []review.RuleTest) (*World, error) {
	w := &World{Database: db, Now: time.Now().UTC().Truncate(time.Microsecond)}
	var err error
	if w.sealer, err = audit.Lead(ctx, db.Worker); err != nil {
		return nil, err
	}
	w.do(ctx, "months")
	for i, c := range tests {
		s := &Scene{RuleTest: c, world: w, Tenants: map[string]uuid.UUID{}, Users: map[string]uuid.UUID{},
			members: map[string]uuid.UUID{}, ids: uuid.New(), number: i}
		s.people(ctx)
		w.Scenes = append(w.Scenes, s)
	}
	if w.err != nil {
		w.Close(ctx)
		return nil, w.err
	}
	return w, nil
}

// Close gives the sealer's lead back.
func (w *World) Close(ctx context.Context) { w.sealer.Close(context.WithoutCancel(ctx)) }

// fail keeps the first failure.
func (w *World) fail(format string, args ...any) {
	if w.err == nil {
		w.err = fmt.Errorf(format, args...)
	}
}

// do runs a statement of world.sql as the superuser.
func (w *World) do(ctx context.Context, name string, args ...any) {
	if w.err != nil {
		return
	}
	if _, err := w.Super.Exec(ctx, statement(name), args...); err != nil {
		w.fail("arrange the cases (%s): %w", name, explained(err))
	}
}

// explained adds what the server said beside the message.
func explained(err error) error {
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Detail != "" {
		return fmt.Errorf("%w (%s)", err, pg.Detail)
	}
	return err
}

// get is do with an answer of one value.
func get[T any](ctx context.Context, w *World, name string, args ...any) (v T) {
	if w.err != nil {
		return v
	}
	if err := w.Super.QueryRow(ctx, statement(name), args...).Scan(&v); err != nil {
		w.fail("arrange the cases (%s): %w", name, explained(err))
	}
	return v
}

func (s *Scene) people(ctx context.Context) {
	w := s.world
	for _, t := range []string{"cedar", "harbor"} {
		s.Tenants[t] = get[uuid.UUID](ctx, w, "tenant", fmt.Sprintf("%s-%d", t, s.number))
	}
	for slug, p := range people {
		s.Users[slug] = get[uuid.UUID](ctx, w, "user", fmt.Sprintf("%s-%d", slug, s.number), p.kind)
		for tenant, role := range p.roles {
			var patient *uuid.UUID
			if role == "patient" {
				own := s.ID("own")
				patient = &own
			}
			s.members[slug+"@"+tenant] = get[uuid.UUID](ctx, w, "member", s.Tenants[tenant], s.Users[slug],
				role, patient)
		}
	}
}

// Seal seals what stands there as one batch of a time.
func (w *World) Seal(ctx context.Context, at time.Time) error {
	if w.err != nil {
		return w.err
	}
	w.sealer.Now = func() time.Time { return at }
	w.sealer.Simulated = w.sealer.Now
	_, err := w.sealer.Seal(ctx)
	return err
}

// Phase is when something of a case comes.
type Phase int

// What comes before the first run, after it, and too late to have settled at the second.
const (
	First Phase = iota
	Late
	Unsettled
)

func phaseOf(late, unsettled bool) Phase {
	switch {
	case unsettled:
		return Unsettled
	case late:
		return Late
	}
	return First
}

// eventColumns are what the rows of Scene.events have.
var eventColumns = []string{"recorded_at", "tenant_id", "user_id", "actor_kind", "membership_id", "action", "outcome",
	"record_table", "record_id", "subject_id", "purpose", "detail", "source", "occurred_at",
	"disclosure_id", "session_id"}

// Arrange writes what comes in a phase.
func (w *World) Arrange(ctx context.Context, p Phase) error {
	var events [][]any
	for _, s := range w.Scenes {
		if p == First {
			s.permissions(ctx)
			s.relations(ctx)
			s.inputs(ctx)
			s.coverages(ctx)
		}
		for _, m := range s.Memberships {
			if phaseOf(m.Late, m.Unsettled) == p {
				s.end(ctx, m)
			}
		}
		for _, e := range s.Events {
			if phaseOf(e.Late, e.Unsettled) == p {
				events = append(events, s.events(ctx, e)...)
			}
		}
	}
	w.do(ctx, "records", w.records.tables, w.records.ids, w.records.tenants, w.records.subjects)
	if w.err != nil {
		return w.err
	}
	if _, err := w.Super.CopyFrom(ctx, pgx.Identifier{"audit", "event"}, eventColumns,
		pgx.CopyFromRows(events)); err != nil {
		w.fail("arrange the cases: write events: %w", explained(err))
	}
	w.do(ctx, "analyze")
	return w.err
}

// ID is what a label of the case stands for.
func (s *Scene) ID(label string) uuid.UUID { return uuid.NewSHA1(s.ids, []byte(label)) }

func (s *Scene) user(slug string) uuid.UUID {
	id, ok := s.Users[slug]
	if !ok {
		s.world.fail("case %q: nobody is called %q", s.Name, slug)
	}
	return id
}

func (s *Scene) tenant(ctx context.Context, slug string) uuid.UUID {
	if slug == "installation" {
		return get[uuid.UUID](ctx, s.world, "installation")
	}
	id, ok := s.Tenants[or(slug, "cedar")]
	if !ok {
		s.world.fail("case %q: no clinic is called %q", s.Name, slug)
	}
	return id
}

func (s *Scene) maybe(when string) *time.Time {
	if when == "" {
		return nil
	}
	at := s.at(when)
	return &at
}

// at reads "-50m", or "day-2 12:00:00".
func (s *Scene) at(when string) time.Time {
	if rest, ok := strings.CutPrefix(when, "day"); ok {
		day, clock, _ := strings.Cut(rest, " ")
		n, err := strconv.Atoi(day)
		at, clockErr := time.Parse(time.TimeOnly, clock)
		if err == nil && clockErr == nil {
			midnight := s.world.Now.Truncate(24 * time.Hour)
			return midnight.AddDate(0, 0, n).Add(at.Sub(at.Truncate(24 * time.Hour)))
		}
	}
	d, err := time.ParseDuration(when)
	if err != nil {
		s.world.fail(`case %q: %q is no time: write "-50m", or "day-2 12:00:00"`, s.Name, when)
	}
	return s.world.Now.Add(d)
}

// labels are what a line with times stands for: label-1 to label-N.
func labels(label string, times int) []string {
	if times == 0 {
		return []string{label}
	}
	list := make([]string, times)
	for i := range list {
		list[i] = label + "-" + strconv.Itoa(i+1)
	}
	return list
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

var idOf = regexp.MustCompile(`\$(user|slug|record|anomaly|tenant)\.([a-z0-9-]+)`)

// expand puts ids into a text.
func (s *Scene) expand(ctx context.Context, text string) string {
	return idOf.ReplaceAllStringFunc(text, func(found string) string {
		m := idOf.FindStringSubmatch(found)
		switch m[1] {
		case "user":
			return s.user(m[2]).String()
		case "slug":
			return fmt.Sprintf("%s-%d", m[2], s.number)
		case "tenant":
			return s.tenant(ctx, m[2]).String()
		case "anomaly":
			return s.ID("anomaly " + m[2]).String()
		}
		return s.ID(m[2]).String()
	})
}
