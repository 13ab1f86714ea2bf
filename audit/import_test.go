package audit_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/ward-health/ward/audit"
	"github.com/ward-health/ward/internal/wardtest"
	"github.com/ward-health/ward/tenancy"
)

// tuples are a clinic's events as far as other systems can tell them: who, what, when, on whose record, and how it
// ended.
const tuples = `select coalesce(jsonb_agg(t order by t::text), '[]')::text
	from (select jsonb_build_array(coalesce(e.occurred_at, e.recorded_at), e.user_id, e.action, e.outcome,
		e.record_table, e.record_id, coalesce(e.subject_id, r.subject_id), e.purpose, e.detail::jsonb->>'owner_tenant')
		as t
	from audit.event e left join tenancy.record r on r.record_id = e.record_id and r.record_table = e.record_table
		and r.tenant_id = e.tenant_id
	where e.tenant_id = (select id from tenancy.tenant where slug = $1) and e.action = any ($2) and e.source = any ($3))
		x`

// imports are actions of clinics' people; an export is a reviewer's here.
var imports = []string{"view", "create", "modify", "delete", "search", "sign_in", "sign_out"}

// files is a test's directory.
type files struct {
	t   *testing.T
	dir string
}

func (f files) write(name, text string) string {
	f.t.Helper()
	name = filepath.Join(f.dir, name)
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		f.t.Fatal(err)
	}
	return name
}

// export writes a clinic's events to a file.
func export(t *testing.T, s *tenancy.Session, tenant, name string, form audit.Form) {
	t.Helper()
	lease, err := audit.Open(t.Context(), s, tenant, "to be taken elsewhere", "", audit.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	if lease, err = lease.Export(t.Context(), audit.Filter{Action: imports}, form); err != nil {
		t.Fatal(err)
	}
	file, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lease.Write(t.Context(), file); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
}

func load(t *testing.T, s *tenancy.Session, m audit.Import) (*audit.Imported, error) {
	t.Helper()
	m.Reason, m.Now = "moving to ward", time.Now()
	if m.System == "" {
		m.System = "old-ehr"
	}
	return m.Run(t.Context(), s)
}

// TestImportOfAnExport: what another clinic's log says comes in as it went out, in either format, once, and as what it
// is.
func TestImportOfAnExport(t *testing.T) {
	l := newLedger(t)
	f := files{t, t.TempDir()}
	casey, root, ana := l.e.App("casey", "harbor"), l.e.Reviewer("root"), l.e.Reviewer("ana")
	patient := l.e.Patient(casey, "harbor", "Somebody")
	for _, purpose := range []string{"treatment", "break_glass", "payment"} {
		if err := casey.Read(t.Context(),
			tenancy.Ask{Table: "public.patients", IDs: []uuid.UUID{patient}, Purpose: purpose}); err != nil {
			t.Fatal(err)
		}
	}
	_ = casey.Read(t.Context(),
		tenancy.Ask{Table: "public.patients", IDs: []uuid.UUID{uuid.New()}, Purpose: "treatment"})
	super(t, l.e, `insert into audit.event (tenant_id, user_id, actor_kind, action, outcome, record_table, record_id,
			subject_id, detail, occurred_at, source) select $1, id, 'human', 'view', 'denied', 'public.notes',
			gen_random_uuid(), gen_random_uuid(), $2, now() - interval '1 year', 'import' from tenancy.users
			where slug = 'casey'`,
		l.harbor, `{"owner_tenant": "cedar"}`)
	if err := audit.SealAll(t.Context(), l.pool); err != nil {
		t.Fatal(err)
	}
	want := wardtest.One[string](l.e, tuples, "harbor", imports, []string{"ward", "import"})
	if strings.Count(want, "public.") < 6 || !strings.Contains(want, `"cedar"]`) {
		t.Fatalf("too little to compare: %s", want)
	}
	for i, format := range []string{audit.FormFHIR, audit.FormCSV} {
		name := filepath.Join(f.dir, format)
		export(t, ana, "harbor", name, audit.Form{Format: format})
		system := "copy-" + format
		last := l.newest()
		r, err := load(t, root, audit.Import{Path: name, Format: format, Tenant: "cedar", System: system})
		if err != nil || r.Refused(false) || r.Added != r.Events || r.AlreadyImported != 0 {
			t.Fatalf("%s: %+v, %v", format, r, err)
		}
		if got := l.since(last); len(got) < 5 || got[0] != "root import@cedar" ||
			got[len(got)-1] != "root backfill@cedar" {
			t.Errorf("%s on record: %q", format, got)
		}
		got := wardtest.One[string](l.e, strings.Replace(tuples, "e.source = any ($3)",
			"e.source = any ($3) and e.detail::jsonb->>'system' = $4", 1), "cedar", imports, []string{"import"}, system)
		if got != want {
			t.Errorf("%s\nout %s\nin  %s", format, want, got)
		}
		again, err := load(t, root, audit.Import{Path: name, Format: format, Tenant: "cedar", System: system})
		if err != nil || again.Added != 0 || again.AlreadyImported != r.Added {
			t.Errorf("%s again: %+v, %v", format, again, err)
		}
		// the same lines in another order, in another file: not the same file, and still nothing new
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		head, body := "", string(text)
		if format == audit.FormCSV {
			head, body, _ = strings.Cut(body, "\n")
			head += "\n"
		}
		lines := strings.SplitAfter(body, "\n")
		turned := head
		for i := len(lines) - 1; i >= 0; i-- {
			turned += lines[i]
		}
		again, err = load(t, root,
			audit.Import{Path: f.write("turned", turned), Format: format, Tenant: "cedar", System: system})
		if err != nil || again.Added != 0 || again.AlreadyImported != r.Added || again.AfterLine != 0 {
			t.Errorf("%s turned round: %+v, %v", format, again, err)
		}
		if n := wardtest.One[int](l.e, "select count(*) from audit.event where source = 'import' and tenant_id = $1",
			l.cedar); n != r.Added*(i+1) {
			t.Errorf("%s: %d imported events, want %d", format, n, r.Added*(i+1))
		}
	}
	// sealed, and seen by rules at the time when they happened
	if err := audit.SealAll(t.Context(), l.pool); err != nil {
		t.Fatal(err)
	}
	var sealed, seen int
	if err := l.pool.QueryRow(t.Context(), `select count(*), count(*) filter (where a.at = e.occurred_at
			and a.membership_id is not null) from review.access a join audit.event e on e.event_id = a.event_id
				where e.source = 'import' and a.tenant_id = $1
					and a.user_id is not null`, l.cedar).Scan(&sealed, &seen); err != nil || seen == 0 ||
		sealed != seen {
		t.Errorf("rules see %d of %d, %v", seen, sealed, err)
	}
}

const csvLine = "%d,2025-01-02T03:04:05Z,%s,%s,ok,door.log,%d,%d,treatment,\n"

func csvOf(lines ...string) string {
	return "source_id,occurred_at,actor,action,outcome,record_table,record_id,patient_id,purpose,owner_tenant\n" +
		strings.Join(lines, "")
}

// TestImportRefusesAsAWhole: one bad line or unknown person, and nothing is imported; the lines are named, and nothing
// that they say is.
func TestImportRefusesAsAWhole(t *testing.T) {
	l := newLedger(t)
	f := files{t, t.TempDir()}
	root := l.e.Reviewer("root")
	good := fmt.Sprintf(csvLine, 1, "casey", "view", 4711, 4712)
	for name, bad := range map[string]string{
		"no time": "2,SECRET,casey,view,ok,,,,,\n", "no action": "2,2025-01-02T03:04:05Z,casey,SECRET,ok,,,,,\n",
		"a reviewer's action": "2,2025-01-02T03:04:05Z,casey,approve,ok,,,,,SECRET\n",
		"the future":          "2,2999-01-02T03:04:05Z,casey,view,ok,,,,,SECRET\n",
		"outcome":             "2,2025-01-02T03:04:05Z,casey,view,SECRET,,,,,\n",
		"purpose":             "2,2025-01-02T03:04:05Z,casey,view,ok,,,,SECRET,\n",
		"table":               "2,2025-01-02T03:04:05Z,casey,view,ok,SECRET'; drop,1,,,\n", "columns": "2,SECRET\n",
		"quote":   "2,2025-01-02T03:04:05Z,ca\"SECRET,view,ok,,,,,\n",
		"control": "2,2025-01-02T03:04:05Z,casey,view,ok,,,SECRET\x01,,\n",
		"long":    "2,2025-01-02T03:04:05Z," + strings.Repeat("SECRET", 50) + ",view,ok,,,,,\n",
	} {
		r, err := load(t, root, audit.Import{Path: f.write("bad.csv", csvOf(good, good, bad, good)),
			Format: audit.FormCSV, Tenant: "cedar"})
		if err != nil || r.BadLines != 1 || r.Bad[0].Line != 4 || r.EventID != 0 {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
		if raw, _ := json.Marshal(r); strings.Contains(string(raw), "SECRET") {
			t.Errorf("%s: the report says what the line says: %s", name, raw)
		}
	}
	for name, bad := range map[string]string{
		"no JSON":          `{"resourceType": "AuditEvent", SECRET`,
		"another resource": `{"resourceType": "Patient", "id": "SECRET"}`,
		"no time":          `{"resourceType": "AuditEvent", "action": "R", "recorded": "SECRET"}`,
		"no action":        `{"resourceType": "AuditEvent", "action": "SECRET", "recorded": "2025-01-02T03:04:05Z"}`,
		"outcome": `{"resourceType": "AuditEvent", "action": "R", "outcome": "SECRET", ` +
			`"recorded": "2025-01-02T03:04:05Z"}`,
		"a reviewer's action": `{"resourceType": "AuditEvent", "subtype": [{"system": "urn:ward:action", ` +
			`"code": "close"}], "outcomeDesc": "SECRET", "recorded": "2025-01-02T03:04:05Z"}`,
		"long": `{"SECRET": "` + strings.Repeat("x", 1<<20) + `"}`,
	} {
		ok := `{"resourceType": "AuditEvent", "id": "1", "action": "R", "recorded": "2025-01-02T03:04:05Z"}`
		r, err := load(t, root,
			audit.Import{Path: f.write("bad.ndjson", ok+"\n\n"+bad+"\n"+ok), Format: audit.FormFHIR, Tenant: "cedar"})
		if err != nil || r.BadLines != 1 || r.Bad[0].Line != 3 || r.EventID != 0 {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
		if raw, _ := json.Marshal(r); strings.Contains(string(raw), "SECRET") {
			t.Errorf("%s: the report says what the line says: %s", name, raw)
		}
	}
	for name, text := range map[string]string{"no header": "", "a header of others": "a,b\n",
		"a column twice":               "action,action,occurred_at\n",
		"a quote that is never closed": csvOf(good, `2,"`+strings.Repeat("x\n", 1<<20))} {
		if r, err := load(t, root, audit.Import{Path: f.write("broken.csv", text), Format: audit.FormCSV,
			Tenant: "cedar"}); err == nil && r.BadLines == 0 {
			t.Errorf("%s: %+v", name, r)
		}
	}
	// hugo is a user, and no member of cedar
	unknown := csvOf(good, fmt.Sprintf(csvLine, 2, "jdoe", "view", 1, 1), fmt.Sprintf(csvLine, 3, "hugo", "view", 1, 1))
	last := l.newest()
	r, err := load(t, root, audit.Import{Path: f.write("unknown.csv", unknown), Format: audit.FormCSV, Tenant: "cedar"})
	if err != nil || !r.Refused(false) || strings.Join(r.UnknownActors, " ") != "hugo jdoe" || r.Added != 0 {
		t.Errorf("%+v, %v", r, err)
	}
	dry, err := load(t, root,
		audit.Import{Path: f.write("good.csv", csvOf(good)), Format: audit.FormCSV, Tenant: "cedar", DryRun: true})
	if err != nil || dry.Refused(false) || dry.Events != 1 || dry.Added != 0 || dry.EventID == 0 {
		t.Errorf("a trial: %+v, %v", dry, err)
	}
	if n := wardtest.One[int](l.e, "select (select count(*) from audit.event "+
		"where source = 'import') + (select count(*) from audit.imported)"); n != 0 {
		t.Errorf("%d events were imported", n)
	}
	if got := l.since(last); strings.Join(got, " ") != "root import@cedar root import@cedar" {
		t.Errorf("on record: %q", got)
	}
	// mapped, and nobody's
	r, err = load(t, root, audit.Import{Path: f.write("unknown.csv", unknown), Format: audit.FormCSV, Tenant: "cedar",
		Actors: map[string]string{"jdoe": "carla"}, KeepUnknown: true})
	if err != nil || r.Added != 3 {
		t.Fatalf("%+v, %v", r, err)
	}
	if got := wardtest.One[string](l.e, `select string_agg(coalesce(u.slug, '?' || (e.detail::jsonb->>'actor')) || ' '
			|| e.actor_kind, ', ' order by e.event_id) from audit.event e left join tenancy.users u on u.id = e.user_id
			where e.source = 'import'`); got != "casey human, carla human, ?hugo unknown" {
		t.Errorf("imported as %s", got)
	}
	// ids that are no uuids are keyed hashes: the same for the same, and not the plain hash of the number
	if got := wardtest.One[int](l.e,
		"select count(distinct record_id) from audit.event where source = 'import'"); got != 2 {
		t.Errorf("%d record ids, want 2", got)
	}
	if n := wardtest.One[int](l.e, "select count(*) from audit.event where source = 'import' "+
		"and (detail ~ '4711|4712' or record_id::text like '4711%' or md5('4711')::uuid = record_id)"); n != 0 {
		t.Error("an id of the other system is in the log")
	}
}

// TestImportGoesOn: an import that was interrupted goes on where it was, and nothing is there twice.
func TestImportGoesOn(t *testing.T) {
	l := newLedger(t)
	f := files{t, t.TempDir()}
	root := l.e.Reviewer("root")
	var lines []string
	for i := range 3500 {
		lines = append(lines, fmt.Sprintf(csvLine, i, "casey", "view", i, i%10))
	}
	m := audit.Import{Path: f.write("big.csv", csvOf(lines...)), Format: audit.FormCSV, Tenant: "cedar",
		System: "old-ehr", Reason: "moving to ward", Now: time.Now()}
	ctx, cancel := context.WithCancel(t.Context())
	m.Progress = func(done, _ int) {
		if done > 1500 {
			cancel()
		}
	}
	if r, err := m.Run(ctx, root); !errors.Is(err, context.Canceled) || r.Added == 0 {
		t.Fatalf("%+v, %v", r, err)
	}
	cancel()
	before := wardtest.One[int](l.e, "select count(*) from audit.event where source = 'import'")
	if before == 0 || before >= 3500 {
		t.Fatalf("%d events before it was interrupted", before)
	}
	m.Progress = nil
	r, err := m.Run(t.Context(), root)
	if err != nil || r.AfterLine < 2 || r.Added != 3500-before || r.AlreadyImported != before {
		t.Errorf("%+v, %v", r, err)
	}
	if n := wardtest.One[int](l.e,
		"select count(distinct record_id) from audit.event where source = 'import'"); n != 3500 {
		t.Errorf("%d records, want 3500", n)
	}
	for table, change := range map[string]string{"audit.import": "system = 'other'", "audit.import_batch": "added = 0",
		"audit.imported": "system = 'other'"} {
		for _, sql := range attempts(table, change) {
			if _, err := l.e.Super.Exec(t.Context(), sql); err == nil {
				t.Errorf("%s: not refused", sql)
			}
		}
	}
}

// TestImportAttacks: nobody but an administrator of the clinic imports, and no import can say that it is ward's own
// history, another time of recording, or a decision.
func TestImportAttacks(t *testing.T) {
	l := newLedger(t)
	f := files{t, t.TempDir()}
	ctx := t.Context()
	root := l.e.Reviewer("root")
	name := f.write("one.csv", csvOf(fmt.Sprintf(csvLine, 1, "casey", "view", 1, 1)))
	if _, err := root.AddUser(ctx, tenancy.NewUser{Slug: "elsewhere", Name: "Harbor Admin", Kind: "human",
		Password: wardtest.Password}); err != nil {
		t.Fatal(err)
	}
	if _, err := root.AddGrant(ctx, tenancy.NewGrant{User: "elsewhere", Role: "administrator", Tenant: "harbor",
		Reason: "one clinic"}); err != nil {
		t.Fatal(err)
	}
	if _, err := root.AddUser(ctx,
		tenancy.NewUser{Slug: "second", Name: "Second Admin", Kind: "human", Password: wardtest.Password}); err != nil {
		t.Fatal(err)
	}
	if _, err := root.AddGrant(ctx,
		tenancy.NewGrant{User: "second", Role: "administrator", Reason: "another one"}); err != nil {
		t.Fatal(err)
	}
	last := l.newest()
	for _, who := range []string{"dana", "ana", "omar", "elsewhere"} {
		if r, err := load(t, l.e.Reviewer(who),
			audit.Import{Path: name, Format: audit.FormCSV, Tenant: "cedar"}); err == nil {
			t.Errorf("%s imported: %+v", who, r)
		}
	}
	if got := l.since(last); len(got) > 0 {
		t.Errorf("on record: %q", got)
	}
	begin := func(s *tenancy.Session, tenant string) uuid.UUID {
		id := uuid.New()
		if err := s.Tx(ctx, uuid.Nil, func(tx tenancy.Tx) error {
			_, err := tx.Exec(ctx, "select audit.import_begin($1, $2, 'old-ehr', sha256('x'), 'moving to ward', false)",
				id, tenant)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		return id
	}
	line := 0
	send := func(s *tenancy.Session, id uuid.UUID, row map[string]any) error {
		rows, err := json.Marshal([]map[string]any{row})
		if err != nil {
			t.Fatal(err)
		}
		return s.Tx(ctx, uuid.Nil, func(tx tenancy.Tx) error {
			line++ // a checkpoint of its own: else each after the first would be refused for that
			_, err := tx.Exec(ctx, "select audit.import_events($1, $2, $3)", id, line, rows)
			return err
		})
	}
	row := func(change map[string]any) map[string]any {
		r := map[string]any{"source": uuid.NewString(), "at": "2025-01-02T03:04:05Z", "action": "view", "outcome": "ok",
			"user": wardtest.One[string](l.e, "select id::text from tenancy.users where slug = 'casey'")}
		for k, v := range change {
			r[k] = v
		}
		return r
	}
	id := begin(root, "cedar")
	// what a row says of itself that is not its to say is not heard
	if err := send(root, id, row(map[string]any{"recorded_at": "2020-01-01T00:00:00Z", "event_id": 1,
		"tenant_id": l.harbor.String(), "session_id": uuid.NewString(), "disclosure_id": uuid.NewString(),
		"detail": `{"system": "ward"}`, "import": "x", "system": "ward"})); err != nil {
		t.Fatal(err)
	}
	var at time.Time
	var got string
	if err := l.e.Super.QueryRow(ctx, `select recorded_at, concat_ws(' ', source, t.slug, session_id, disclosure_id,
			detail::jsonb->>'system', detail::jsonb->>'import' = $1) from audit.event e join tenancy.tenant t
			on t.id = e.tenant_id where e.source <> 'ward'`, id.String()).Scan(&at, &got); err != nil ||
		got != "import cedar old-ehr t" || time.Since(at) > time.Hour {
		t.Errorf("recorded %s as %q, %v", at, got, err)
	}
	if err := send(root, id, row(nil)); err != nil {
		t.Errorf("what may be imported is not: %v", err)
	}
	for name, try := range map[string]error{
		"a decision":      send(root, id, row(map[string]any{"action": "approve"})),
		"a run of a rule": send(root, id, row(map[string]any{"action": "rule_run"})),
		"a purge":         send(root, id, row(map[string]any{"action": "prune"})),
		"somebody of another clinic": send(root, id, row(map[string]any{
			"user": wardtest.One[string](l.e, "select id::text from tenancy.users where slug = 'hugo'")})),
		"a reviewer": send(root, id, row(map[string]any{
			"user": wardtest.One[string](l.e, "select id::text from tenancy.users where slug = 'dana'")})),
		"the future":                  send(root, id, row(map[string]any{"at": "2999-01-01T00:00:00Z"})),
		"no time":                     send(root, id, row(map[string]any{"at": nil})),
		"a purpose of its own":        send(root, id, row(map[string]any{"purpose": "curiosity"})),
		"no id":                       send(root, id, row(map[string]any{"source": ""})),
		"too long":                    send(root, id, row(map[string]any{"actor": strings.Repeat("x", 9000)})),
		"another's import":            send(l.e.Reviewer("second"), id, row(nil)),
		"another clinic's import":     send(l.e.Reviewer("elsewhere"), id, row(nil)),
		"an import that nobody began": send(root, uuid.New(), row(nil)),
	} {
		if try == nil {
			t.Errorf("%s was imported", name)
		}
	}
	// the reach ends in the middle
	elsewhere := l.e.Reviewer("elsewhere")
	other := begin(elsewhere, "harbor")
	casey := row(nil)
	if err := send(elsewhere, other, casey); err != nil {
		t.Fatal(err)
	}
	super(t, l.e, "update tenancy.reviewer_grant set ended_at = clock_timestamp() where user_id = (select id "+
		"from tenancy.users where slug = 'elsewhere')")
	if err := send(elsewhere, other, row(nil)); err == nil {
		t.Error("imported after the grant had ended")
	}
	if n := wardtest.One[int](l.e, "select count(*) from audit.event where source = 'import'"); n != 3 {
		t.Errorf("%d imported events, want 3", n)
	}
	// nor without an identity
	for _, role := range []string{"ward_reviewer", "ward_app", "ward_worker"} {
		if _, err := l.e.Conn(role).Exec(ctx, "select audit.import_events($1, 1, '[]')", id); err == nil {
			t.Errorf("%s imports without an identity", role)
		}
	}
}
