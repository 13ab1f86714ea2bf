package review_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ward-health/ward/audit"
	"github.com/ward-health/ward/internal/wardtest"
	"github.com/ward-health/ward/review"
)

// people of a case, by slug: kind and the roles that they have at the clinics.
var people = map[string]struct {
	kind  string
	roles map[string]string
}{
	"casey":   {"human", map[string]string{"cedar": "clinician", "harbor": "clinician"}},
	"carla":   {"human", map[string]string{"cedar": "clinician"}},
	"hugo":    {"human", map[string]string{"harbor": "clinician"}},
	"frank":   {"human", map[string]string{"cedar": "front_desk"}},
	"bill":    {"human", map[string]string{"cedar": "billing"}},
	"rita":    {"human", map[string]string{"cedar": "records"}},
	"dana":    {"human", nil},
	"pia":     {"human", map[string]string{"cedar": "patient"}}, // of the record "own"
	"svc-etl": {"service", map[string]string{"cedar": "service"}},
}

// world is a database in which the cases of a rule stand side by side, each with clinics and people of its own.
type world struct {
	t      *testing.T
	e      *wardtest.Env
	worker *pgxpool.Pool
	sealer *audit.Sealer
	now    time.Time
	scenes []*scene

	records struct { // to be registered: columns of tenancy.record
		tables       []string
		ids, tenants []uuid.UUID
		subjects     []*uuid.UUID
	}
}

// scene is one case, arranged.
type scene struct {
	review.RuleTest
	world   *world
	tenants map[string]uuid.UUID
	users   map[string]uuid.UUID
	members map[string]uuid.UUID // "casey@cedar"
	ids     uuid.UUID            // the name space of its records
}

func newWorld(t *testing.T, tests []review.RuleTest) *world {
	t.Helper()
	e := wardtest.New(t)
	w := &world{t: t, e: e, worker: e.Open("ward_worker").Pool(), now: time.Now().UTC().Truncate(time.Microsecond)}
	var err error
	if w.sealer, err = audit.Lead(t.Context(), w.worker); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.sealer.Close(context.WithoutCancel(t.Context())) })
	w.do("select audit.ensure_month((current_date - n * interval '1 month')::date) from generate_series(1, 3) n")
	for i, c := range tests {
		s := &scene{RuleTest: c, world: w, tenants: map[string]uuid.UUID{}, users: map[string]uuid.UUID{}, members: map[string]uuid.UUID{}, ids: uuid.New()}
		s.people(i)
		w.scenes = append(w.scenes, s)
	}
	return w
}

func (w *world) do(sql string, args ...any) {
	w.t.Helper()
	if _, err := w.e.Super.Exec(w.t.Context(), sql, args...); err != nil {
		w.t.Fatalf("%s: %v", sql, err)
	}
}

func (s *scene) people(n int) {
	w := s.world
	w.t.Helper()
	for _, t := range []string{"cedar", "harbor"} {
		s.tenants[t] = wardtest.One[uuid.UUID](w.e, "insert into tenancy.tenant (slug, name, region) values ($1, 'clinic', $2) returning id", fmt.Sprintf("%s-%d", t, n), wardtest.Region)
	}
	for slug, p := range people {
		s.users[slug] = wardtest.One[uuid.UUID](w.e, "insert into tenancy.users (slug, name, kind, owner_id) values ($1, 'person', $2, (select id from tenancy.users where slug = 'root')) returning id",
			fmt.Sprintf("%s-%d", slug, n), p.kind)
		for tenant, role := range p.roles {
			var patient *uuid.UUID
			if role == "patient" {
				own := s.id("own")
				patient = &own
			}
			s.members[slug+"@"+tenant] = wardtest.One[uuid.UUID](w.e, "insert into tenancy.membership (tenant_id, user_id, role, patient_id, started_at) values ($1, $2, $3, $4, now() - interval '1 year') returning id",
				s.tenants[tenant], s.users[slug], role, patient)
		}
	}
}

// seal seals what stands there as one batch of a time.
func (w *world) seal(at time.Time) {
	w.t.Helper()
	w.sealer.Now = func() time.Time { return at }
	w.sealer.Simulated = w.sealer.Now
	if _, err := w.sealer.Seal(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

// phase is when something of a case comes.
type phase int

const (
	first phase = iota
	late
	unsettled
)

func phaseOf(isLate, isUnsettled bool) phase {
	switch {
	case isUnsettled:
		return unsettled
	case isLate:
		return late
	}
	return first
}

// arrange writes what comes in a phase.
func (w *world) arrange(p phase) {
	w.t.Helper()
	var events [][]any
	for _, s := range w.scenes {
		if p == first {
			s.permissions()
			s.relations()
			s.coverages()
		}
		for _, m := range s.Memberships {
			if phaseOf(m.Late, m.Unsettled) == p {
				s.end(m)
			}
		}
		for _, e := range s.Events {
			if phaseOf(e.Late, e.Unsettled) == p {
				events = append(events, s.events(e)...)
			}
		}
	}
	w.do("insert into tenancy.record (record_table, record_id, tenant_id, subject_id) select * from unnest($1::text[], $2::uuid[], $3::uuid[], $4::uuid[]) on conflict do nothing",
		w.records.tables, w.records.ids, w.records.tenants, w.records.subjects)
	defer w.do("analyze audit.event, audit.chain, tenancy.record, review.relationship")
	columns := []string{"recorded_at", "tenant_id", "user_id", "actor_kind", "membership_id", "action", "outcome", "record_table", "record_id", "subject_id", "purpose", "detail", "source"}
	if _, err := w.e.Super.CopyFrom(w.t.Context(), pgx.Identifier{"audit", "event"}, columns, pgx.CopyFromRows(events)); err != nil {
		w.t.Fatal(err)
	}
}

func (s *scene) permissions() {
	for _, p := range s.Permissions {
		to := p.ToHour
		if to == 0 {
			to = 24
		}
		var tenant *uuid.UUID
		if p.Tenant != "" {
			id := s.tenant(p.Tenant)
			tenant = &id
		}
		s.world.do("insert into tenancy.service_permission (user_id, tenant_id, action, record_table, from_hour, to_hour) values ($1, $2, $3, $4, $5, $6)", s.user(p.User), tenant, p.Action, p.Table, p.FromHour, to)
	}
}

func (s *scene) relations() {
	for _, r := range s.Relations {
		known, author := s.at(r.From), uuid.New()
		if r.Known != "" {
			known = s.at(r.Known)
		}
		if r.Author != "" {
			author = s.user(r.Author)
		}
		for _, patient := range labels(r.Patient, r.Times) {
			s.world.do(`insert into review.relationship (record_table, record_id, kind, tenant_id, user_id, patient_id, from_at, to_at, author_id, void_at, known_at)
				values ('test', gen_random_uuid(), $1, $2, $3, $4, $5, $6, $7, $8, $9)`, r.Kind, s.tenant(r.Tenant), s.user(r.User), s.id(patient), s.at(r.From), s.maybe(r.To), author, s.maybe(r.Void), known)
		}
	}
}

func (s *scene) coverages() {
	for _, c := range s.Coverages {
		author := s.user(or(c.Author, "dana"))
		s.world.do("insert into review.coverage (tenant_id, user_id, covered_id, from_at, to_at, author_id, void_at, known_at) values ($1, $2, $3, $4, $5, $6, $7, $8)",
			s.tenant(c.Tenant), s.user(c.User), s.user(c.Covered), s.at(c.From), s.at(c.To), author, s.maybe(c.Void), s.at(or(c.Known, c.From)))
	}
}

func (s *scene) end(m review.TestMembership) {
	id, ok := s.members[m.User+"@"+m.Tenant]
	if !ok {
		s.world.t.Fatalf("%s: %s is no member of %s", s.Name, m.User, m.Tenant)
	}
	var day *time.Time
	if m.EndedOn != "" {
		d := s.at(m.EndedOn + " 00:00:00")
		day = &d
	}
	s.world.do("update tenancy.membership set ended_on = $2, terminated_at = $3, reason = 'left' where id = $1", id, day, s.maybe(m.Terminated))
}

// events are the rows of audit.event that a line of a case stands for; the records that it names are registered.
func (s *scene) events(e review.TestEvent) [][]any {
	e.Tenant, e.Action, e.Outcome, e.Purpose = or(e.Tenant, "cedar"), or(e.Action, "view"), or(e.Outcome, "ok"), or(e.Purpose, "treatment")
	var member *uuid.UUID
	if m, ok := s.members[e.User+"@"+e.Tenant]; ok && e.Membership == "" {
		member = &m
	}
	detail := s.detail(e)
	var rows [][]any
	for day := range max(e.Days, 1) {
		for i, label := range labels(e.Record, e.Times) {
			at := s.at(e.At).AddDate(0, 0, -day).Add(time.Duration(i) * time.Second)
			var table *string
			var record, subject *uuid.UUID
			if label != "" {
				name, id := or(e.Table, "public.patients"), s.id(label)
				table, record = &name, &id
				if name == "public.patients" {
					subject = &id
				}
				s.register(e, name, label)
			}
			rows = append(rows, []any{at, s.tenant(e.Tenant), s.user(e.User), people[e.User].kind, member, e.Action, e.Outcome, table, record, subject, e.Purpose, detail, "simulation"})
		}
	}
	return rows
}

func (s *scene) detail(e review.TestEvent) *string {
	var d string
	switch {
	case e.Grant != "":
		d = fmt.Sprintf(`{"user":%q,"role":%q,"ticket":"T-1","hours":4}`, s.user(e.Grant), or(e.GrantRole, "on_call_engineer"))
	case e.Reason != "":
		d = fmt.Sprintf(`{"reason":%q}`, e.Reason)
	case e.Membership != "" && e.Membership != "none":
		d = fmt.Sprintf(`{"membership":%q}`, s.members[e.Membership+"@"+e.Tenant])
	default:
		return nil
	}
	return &d
}

func (s *scene) register(e review.TestEvent, table, label string) {
	home := or(e.Home, e.Tenant)
	if home == "none" {
		return
	}
	patient := s.id(or(e.Patient, label))
	subject := &patient
	if e.Patient == "none" {
		subject = nil
	}
	r := &s.world.records
	r.tables, r.ids, r.tenants, r.subjects = append(r.tables, table), append(r.ids, s.id(label)), append(r.tenants, s.tenant(home)), append(r.subjects, subject)
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

func (s *scene) id(label string) uuid.UUID { return uuid.NewSHA1(s.ids, []byte(label)) }

func (s *scene) user(slug string) uuid.UUID {
	id, ok := s.users[slug]
	if !ok {
		s.world.t.Fatalf("%s: nobody is called %q", s.Name, slug)
	}
	return id
}

func (s *scene) tenant(slug string) uuid.UUID {
	id, ok := s.tenants[or(slug, "cedar")]
	if !ok {
		s.world.t.Fatalf("%s: no clinic is called %q", s.Name, slug)
	}
	return id
}

func (s *scene) maybe(when string) *time.Time {
	if when == "" {
		return nil
	}
	at := s.at(when)
	return &at
}

// at reads "-50m", or "day-2 12:00:00".
func (s *scene) at(when string) time.Time {
	if rest, ok := strings.CutPrefix(when, "day"); ok {
		day, clock, _ := strings.Cut(rest, " ")
		n, err := strconv.Atoi(day)
		at, clockErr := time.Parse(time.TimeOnly, clock)
		if err == nil && clockErr == nil {
			midnight := s.world.now.Truncate(24 * time.Hour)
			return midnight.AddDate(0, 0, n).Add(at.Sub(at.Truncate(24 * time.Hour)))
		}
	}
	d, err := time.ParseDuration(when)
	if err != nil {
		s.world.t.Fatalf("%s: %q is no time", s.Name, when)
	}
	return s.world.now.Add(d)
}
