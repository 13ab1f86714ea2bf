package cli

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ward-health/ward/internal/wardtest"
	"github.com/ward-health/ward/queries"
	"github.com/ward-health/ward/review"
	"github.com/ward-health/ward/tenancy"
)

// canaries are what is planted in the columns of the reference tables, by type; none of it may reach a reviewer.
var canaries = []string{"canary", "1931-07-13", "987654321987", "2031-03-04", "deadbeefcafe", "3q2+78r+"}

// plant fills every column of every protected table with something recognisable and gives the patient's id.
func (s *scene) plant(t *testing.T) uuid.UUID {
	t.Helper()
	rows, err := s.Super.Query(t.Context(), `select p.record_table, a.attname::text, format_type(a.atttypid, null)
		from tenancy.phi_table p join pg_attribute a on a.attrelid = p.record_table::regclass
		where a.attnum > 0 and not a.attisdropped and a.attgenerated = '' and a.attname not in ('tenant_id', 'id')
			order by p.record_table = 'public.patients' desc, p.record_table = 'public.encounters' desc, 1, a.attnum`)
	s.must(err)
	type column struct{ Table, Name, Kind string }
	columns, err := pgx.CollectRows(rows, pgx.RowToStructByPos[column])
	s.must(err)
	patient, encounter, planted := uuid.New(), uuid.New(), 0
	var order []string
	names, values := map[string][]string{}, map[string][]any{}
	for _, c := range columns {
		if names[c.Table] == nil {
			order = append(order, c.Table)
		}
		var v any
		switch {
		case c.Name == "created_at" || c.Name == "sent_at" || c.Name == "submitted_at":
			// when it was written, which events say too
			continue
		case c.Name == "patient_id":
			v = patient
		case c.Name == "encounter_id":
			v = encounter
		case c.Kind == "uuid":
			v = uuid.MustParse(s.userID("casey"))
		case c.Name == "sender":
			v = "patient" // from a closed list
		case c.Kind == "text":
			v = fmt.Sprintf("Canary %s %s", c.Table, c.Name)
		case c.Kind == "date":
			v = time.Date(1931, 7, 13, 0, 0, 0, 0, time.UTC)
		case c.Kind == "bigint":
			v = int64(987654321987)
		case c.Kind == "bytea":
			v = []byte{0xde, 0xad, 0xbe, 0xef, 0xca, 0xfe}
		case c.Kind == "timestamp with time zone":
			v = time.Date(2031, 3, 4, 5, 6, 7, 0, time.UTC)
		default:
			t.Fatalf("%s.%s is a %s: nothing to plant", c.Table, c.Name, c.Kind)
		}
		if c.Kind != "uuid" {
			planted++
		}
		names[c.Table], values[c.Table] = append(names[c.Table], c.Name), append(values[c.Table], v)
	}
	if len(order) != 8 || planted < 26 {
		t.Fatalf("%d columns of %d tables planted", planted, len(order))
	}
	casey := s.App("casey", "cedar")
	var inserts []tenancy.Statement
	for _, table := range order {
		id := uuid.New()
		switch table {
		case "public.patients":
			id = patient
		case "public.encounters":
			id = encounter
		}
		params := ""
		for i := range names[table] {
			params += fmt.Sprintf(", $%d", i+3)
		}
		inserts = append(inserts, tenancy.Do(fmt.Sprintf("insert into %s (tenant_id, id, %s) values ($1, $2%s)", table,
			strings.Join(names[table], ", "), params), append([]any{s.TenantID("cedar"), id}, values[table]...)...))
	}
	s.must(casey.Write(t.Context(), tenancy.Ask{}, inserts...))
	s.must(casey.Find(t.Context(), tenancy.Search{Table: "public.patients",
		Where: []tenancy.Condition{{Column: "last_name", Op: "starts_with", Value: "Canary"}}, Purpose: "treatment"},
		tenancy.Do("update public.patients set first_name = 'Canary changed', email = 'canary@example.org'")))
	if err := casey.Find(t.Context(), tenancy.Search{Table: "public.patients",
		Where: []tenancy.Condition{{Column: "birth_date", Op: "=", Value: "Canary no date"}}}); err == nil {
		t.Fatal("a search that cannot be evaluated was")
	}
	return patient
}

// showsCanary names the first canary in a text.
func showsCanary(text string) string {
	text = strings.ToLower(text)
	for _, c := range canaries {
		if strings.Contains(text, c) {
			return c
		}
	}
	return ""
}

// Whatever a reviewer runs, no clinical or demographic value comes out: every command, as table and as JSON, with the
// rules having read what was planted.
func TestNoCommandShowsPHI(t *testing.T) {
	s := newScene(t)
	patient := s.plant(t)
	s.must(s.App("carla", "cedar").Read(t.Context(),
		tenancy.Ask{Table: "public.patients", IDs: []uuid.UUID{patient}, Purpose: "treatment"}))
	s.ship()
	rules, err := review.LoadRules(queries.Rules())
	s.must(err)
	worker := s.Open("ward_worker").Pool()
	for _, input := range wardtest.One[[]string](s.Env, "select array_agg(name) from review.input") {
		s.must(review.DeclareInput(t.Context(), s.Reviewer("root"), input, true, "so that every rule runs"))
	}
	for i := range rules {
		_, err := review.Run(t.Context(), worker, &rules[i], time.Now().AddDate(0, 0, 3), review.RunRequest{})
		s.must(err)
	}
	if n := wardtest.One[int](s.Env, "select count(*) from review.anomaly"); n == 0 {
		t.Fatal("the rules found nothing to show")
	}
	all, worked, shown := commands(t), 0, 0
	paths := make([]string, 0, len(calls))
	for path := range calls {
		paths = append(paths, path)
	}
	slices.Sort(paths)
	// others need eli's
	slices.SortStableFunc(paths,
		func(a, b string) int { return strings.Count(a, "grant end") - strings.Count(b, "grant end") })
	for _, path := range paths {
		c := calls[path]
		// the last has a test of its own that answers its question
		if path == "ward init" || path == "ward login" || path == "ward totp enroll" {
			continue
		}
		s.signIn(c.user)
		args := c.prepare(s)
		runs := [][]string{args}
		if all[path].Flags().Lookup("json") != nil {
			runs = append(runs, append(slices.Clone(args), "--json"))
		}
		for _, run := range runs {
			got := s.ward(t.Context(), c.user, c.input, run...)
			if c := showsCanary(got.out + got.errors); c != "" {
				t.Errorf("ward %s shows %q", strings.Join(run, " "), c)
			}
			if got.code == exitOK {
				worked++
			}
			if strings.Contains(got.out, patient.String()) {
				shown++ // the id is no secret: what was planted was looked at
			}
		}
		if path == "ward logout" {
			s.must(removeTokens(s, c.user))
		}
	}
	if worked < 60 || shown < 2 {
		t.Errorf("%d commands worked, %d of them showed the patient's id", worked, shown)
	}
}

func removeTokens(s *scene, user string) error {
	return (tokenFile{s.tokenFile(user)}).put(databaseKey(s), nil)
}

// What a reviewer's functions could show: none of them runs as a role that reads a protected table, and no table that
// they do read holds what was planted.
func TestNoReviewerFunctionReachesPHI(t *testing.T) {
	s := newScene(t)
	s.plant(t)
	functions := rowsOf(s, `select p.oid::regprocedure::text || ' of ' || p.proowner::regrole from pg_proc p
		join pg_namespace n on n.oid = p.pronamespace
		where n.nspname in ('tenancy', 'audit', 'review', 'auth', 'phi', 'river')
			and has_function_privilege('ward_reviewer', p.oid, 'execute') order by 1`)
	if len(functions) < 40 {
		t.Fatalf("%d functions", len(functions))
	}
	for _, f := range functions {
		if !strings.HasSuffix(f, " of ward_owner") && f != "tenancy.claims() of ward_keys" &&
			f != "tenancy.begin(text,uuid,boolean) of ward_keys" {
			t.Errorf("%s", f)
		}
	}
	for _, table := range rowsOf(s, "select record_table from tenancy.phi_table") {
		if n := wardtest.One[int](s.Env, "select count(*) from "+table); n == 0 {
			t.Fatalf("nothing planted in %s", table)
		}
		if wardtest.One[bool](s.Env, "select has_any_column_privilege('ward_keys', $1, 'select')", table) {
			t.Errorf("ward_keys may read %s", table)
		}
		tx, err := s.Super.Begin(t.Context())
		s.must(err)
		var seen int
		_, err = tx.Exec(t.Context(), "set local role ward_owner")
		s.must(err)
		// forced row security, and no policy for the owner
		s.must(tx.QueryRow(t.Context(), "select count(*) from "+table).Scan(&seen))
		s.must(tx.Rollback(t.Context()))
		if seen != 0 {
			t.Errorf("the owner of the functions sees %d rows of %s", seen, table)
		}
	}
	tables := rowsOf(s, `select c.oid::regclass::text from pg_class c join pg_namespace n on n.oid = c.relnamespace
			where n.nspname in ('tenancy', 'audit', 'review', 'river') and c.relkind = 'r' order by 1`)
	if len(tables) < 25 {
		t.Fatalf("%d tables", len(tables))
	}
	for _, table := range tables {
		if table == "review.relationship" {
			continue // ids and times of care, which no function of a reviewer's shows: only counts
		}
		for _, row := range rowsOf(s, "select x::text from "+table+" x") {
			if c := showsCanary(row); c != "" && table != "audit.chain" {
				t.Errorf("%s holds %q", table, c)
				break
			}
		}
	}
}

func rowsOf(s *scene, sql string) []string {
	s.t.Helper()
	rows, err := s.Super.Query(s.t.Context(), sql)
	s.must(err)
	list, err := pgx.CollectRows(rows, pgx.RowTo[string])
	s.must(err)
	return list
}
