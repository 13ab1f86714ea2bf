package review_test

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/ward-health/ward/audit"
	"github.com/ward-health/ward/internal/wardtest"
	"github.com/ward-health/ward/queries"
	"github.com/ward-health/ward/review"
	"github.com/ward-health/ward/tenancy"
)

// office is a desk with a quarter's work behind it: something for every list of a bundle.
type office struct {
	*desk
	dana, eli *tenancy.Session
	dir       string
	began     time.Time
	rules     []review.Rule
}

func newOffice(t *testing.T) *office {
	t.Helper()
	o := &office{desk: newDesk(t), dir: t.TempDir(), began: time.Now().Add(-time.Minute)}
	rules, err := review.LoadRules(queries.Rules())
	if err != nil {
		t.Fatal(err)
	}
	o.rules = rules
	if err := review.Register(t.Context(), o.e.Open("ward_worker").Pool(), rules); err != nil {
		t.Fatal(err)
	}
	o.dana, o.eli = o.e.Reviewer("dana"), o.e.Reviewer("eli")
	return o
}

func (o *office) must(err error) {
	o.t.Helper()
	if err != nil {
		o.t.Fatal(err)
	}
}

// work leaves something for every list.
func (o *office) work() {
	o.t.Helper()
	ctx := o.t.Context()
	casey, carla := o.e.App("casey", "cedar"), o.e.App("carla", "cedar")
	patient := o.e.Patient(casey, "cedar", "Somebody")
	o.must(carla.Read(ctx, tenancy.Ask{Table: "public.patients", IDs: []uuid.UUID{patient}, Purpose: "break_glass"}))
	if _, err := o.e.Open("ward_app").SignIn(ctx, tenancy.Credentials{User: "hugo", Password: "not his password",
		Tenant: "harbor", Audience: "app"}); err == nil {
		o.t.Fatal("hugo signed in by a wrong password")
	}
	root := o.e.Reviewer("root")
	_, err := root.ChangeRole(ctx, o.membership("cedar", "carla"), "nurse", "another job")
	o.must(err)
	frank := o.membership("cedar", "frank")
	o.do("update tenancy.membership set ended_on = current_date - 3 where id = $1", frank)
	_, err = o.dana.Terminate(ctx, frank, wardtest.One[string](o.e,
		"select left(id::text, 8) from tenancy.users where slug = 'frank'"), "=left on Friday", nil)
	o.must(err)
	for _, disposition := range []string{"breach", "impermissible_low_probability", "policy_violation_no_breach",
		"explained_treatment"} {
		o.closed(o.anomaly("cedar", "B", "casey"), disposition)
	}
	incident := o.anomaly("cedar", "B", "casey")
	o.evidence(incident)
	o.claim(incident)
	_, err = review.AddNote(ctx, o.dana, incident, "+asked the clinic")
	o.must(err)
	_, err = review.Escalate(ctx, o.dana, incident, 2, "to the incident process")
	o.must(err)
	o.anomaly("harbor", "A", "hugo")
	o.seal()
	o.run("A02-cross-tenant-denied")
	o.supervised(root, patient)
	o.do("insert into audit.pruned (month, request, event_id, rows, digest, parts, head_size) " +
		"values ('2020-01-01', 1, 2, 3, sha256('x'), '{part}', 1)")
	o.seal()
}

func (o *office) membership(tenant, user string) string {
	return wardtest.One[string](o.e,
		"select m.id::text from tenancy.membership m join tenancy.tenant t on t.id = m.tenant_id join tenancy.users "+
			"u on u.id = m.user_id where t.slug = $1 and u.slug = $2 and m.terminated_at is null", tenant, user)
}

// evidence gives an anomaly the newest sealed event of its clinic.
func (o *office) evidence(anomaly string) {
	o.seal()
	o.do(`insert into review.evidence (anomaly_id, event_id, recorded_at, at, action, outcome, seq, hash, added_by_run)
		select $1, c.event_id, c.recorded_at, c.recorded_at, 'view', 'ok', c.seq, c.hash, gen_random_uuid()
			from audit.chain c join review.anomaly a on a.tenant_id = c.tenant_id where a.id = $1 order by c.seq desc
				limit 1`, anomaly)
}

func (o *office) claim(anomaly string) {
	_, err := review.Claim(o.t.Context(), o.dana, anomaly, 1)
	o.must(err)
}

func (o *office) closed(anomaly, disposition string) {
	o.t.Helper()
	o.evidence(anomaly)
	o.claim(anomaly)
	seen := 2
	if outcome, ok := map[string]string{"breach": "breach",
		"impermissible_low_probability": "low_probability"}[disposition]; ok {
		done, err := review.Assess(o.t.Context(), o.dana, anomaly, seen,
			review.Assessment{Nature: "=the whole chart of one patient", Recipient: "a colleague of another ward",
				Acquired: "opened, says the log", Mitigated: "deleted, in writing", Outcome: outcome})
		o.must(err)
		seen = done.Version
	}
	today := time.Now().UTC().Format(time.DateOnly)
	with := map[string][]review.Field{
		"breach":                     fields("affected=3", "discovered_on="+today),
		"policy_violation_no_breach": fields("exception=unintentional_access", "sanction=HR file 17"),
		"explained_treatment":        fields("asked=the ward", "asked_on="+today),
	}[disposition]
	done, err := review.Close(o.t.Context(), o.dana, anomaly, seen, disposition,
		"what was found: "+disposition, with...)
	o.must(err)
	if done.State == "pending_approval" {
		_, err = review.Approve(o.t.Context(), o.eli, anomaly, done.Version, true, "read the file")
		o.must(err)
	}
}

func (o *office) seal() {
	o.t.Helper()
	o.must(audit.SealAll(o.t.Context(), o.e.Open("ward_worker").Pool()))
}

func (o *office) run(id string) {
	o.t.Helper()
	for i := range o.rules {
		if o.rules[i].ID == id {
			period := time.Now().Truncate(time.Duration(o.rules[i].Every))
			if _, err := review.Run(o.t.Context(), o.e.Open("ward_worker").Pool(), &o.rules[i], time.Now(),
				review.RunRequest{Period: &period}); err != nil && !errors.Is(err, review.ErrRan) {
				o.t.Fatal(err)
			}
			return
		}
	}
	o.t.Fatalf("no rule %s", id)
}

func (o *office) bundle(s *tenancy.Session, name string, p review.Period) *review.Bundle {
	o.t.Helper()
	if p.From.IsZero() {
		p.From = o.began
	}
	b, err := review.MakeEvidence(o.t.Context(), s, p, filepath.Join(o.dir, name), nil)
	o.must(err)
	return b
}

// list reads one list as maps.
func (o *office) list(b *review.Bundle, name string) []map[string]string {
	o.t.Helper()
	file, err := os.Open(filepath.Join(b.Dir, name+".csv"))
	o.must(err)
	defer file.Close()
	all, err := csv.NewReader(file).ReadAll()
	o.must(err)
	var rows []map[string]string
	for _, r := range all[1:] {
		m := map[string]string{}
		for i, c := range all[0] {
			m[c] = r[i]
		}
		rows = append(rows, m)
	}
	return rows
}

// TestEvidence: every list says what was done, each row names events or runs that there are, and a text that a
// spreadsheet would take for a formula is none.
func TestEvidence(t *testing.T) {
	o := newOffice(t)
	o.work()
	last := o.lastEvent()
	b := o.bundle(o.dana, "q", review.Period{})
	if got := o.events(last); !slices.Equal(sorted(got...),
		[]string{"dana export@cedar", "dana export@harbor", "dana export@installation", "dana export@installation"}) {
		t.Errorf("on record: %q", got)
	}
	want := map[string]string{ // column=value of some row; "" : at least one row
		"312b-sources": "tenant=cedar", "312b-tables": "record_table=public.patients", "312b-fields": "field=event_id",
		"312b-rules": "rule_id=A02-cross-tenant-denied", "312b-runs": "rule_id=A02-cross-tenant-denied",
		"312b-gaps": "kind=rule not run to the end", "308a1iiD-runs": "done=1", "308a1iiD-queue": "closed=4",
		"308a1iiD-items": "state=escalated", "308a1iiD-sample": "disposition=breach",
		"308a1iiD-suppressions": "held_back=1", "308a1iiD-person-links": "declared_by=root",
		"312a2i-account-links": "same_as=hugo", "308a3iiC-leavers": "user=frank", "308a3iiC-roles": "to_role=nurse",
		"312a2i-users": "user=casey", "312a2i-services": "owner=root", "308a5iiC-denied": "user=hugo",
		"308a6ii-incidents": "state=escalated", "308a6ii-timeline": "kind=note", "312a2ii-break-glass": "user=carla",
		"308a1iiC-sanctions": "closed_by=dana", "402-low-probability": "approved_by=eli",
		"402-breaches": "approved_by=eli", "316b2i-oldest": "kind=event in the database",
		"316b2i-prunes": "month=2020-01", "316b2i-rules": "rule_id=A02-cross-tenant-denied",
	}
	empty := []string{"308a1iiD-certifications", "312a2i-shared-logins"}
	events := wardtest.One[[]int64](o.e, "select array_agg(event_id) from audit.event")
	runs := wardtest.One[[]string](o.e, "select array_agg(run_id::text) from review.run")
	for _, f := range b.Files {
		name := strings.TrimSuffix(f.Name, ".csv")
		rows := o.list(b, name)
		if slices.Contains(empty, name) {
			if len(rows) != 0 || !strings.HasPrefix(f.Note, "empty: ") {
				t.Errorf("%s: %d rows, note %q", name, len(rows), f.Note)
			}
			continue
		}
		column, value, _ := strings.Cut(want[name], "=")
		if column == "" || !slices.ContainsFunc(rows, func(r map[string]string) bool { return r[column] == value }) {
			t.Errorf("%s: no row with %q among %d: %v", name, want[name], len(rows), rows)
		}
		if len(rows) != f.Rows || f.Note != "" {
			t.Errorf("%s: %d rows, the manifest says %d and %q", name, len(rows), f.Rows, f.Note)
		}
		for _, r := range rows {
			o.rests(name, r, events, runs)
		}
	}
	if len(b.Files) != len(want)+len(empty) {
		t.Errorf("%d files, the test knows %d", len(b.Files), len(want)+len(empty))
	}
	if r := o.list(b, "402-breaches")[0]; r["nature"] != "'=the whole chart of one patient" ||
		r["mitigated"] != "deleted, in writing" || !strings.Contains(r["fields"], "affected=3") ||
		r["discovered_on"] != time.Now().UTC().Format(time.DateOnly) || r["assessment_event_id"] == "" {
		t.Errorf("a breach: %v", r)
	}
	if r := o.list(b, "308a1iiC-sanctions")[0]; !strings.Contains(r["fields"], "sanction=HR file 17") {
		t.Errorf("a sanction: %v", r)
	}
	all := ""
	for _, r := range append(o.list(b, "308a3iiC-leavers"), o.list(b, "308a6ii-timeline")...) {
		all += fmt.Sprint(r)
	}
	if !strings.Contains(all, "'=left on Friday") || !strings.Contains(all, "'+asked the clinic") ||
		strings.Contains(all, ":=left") || strings.Contains(all, ":+asked") {
		t.Errorf("formulas are not disarmed: %s", all)
	}
	if info, err := os.Stat(filepath.Join(b.Dir, "402-breaches.csv")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

// rests checks that the events and runs of a row exist, and that a row of what was done names any.
func (o *office) rests(list string, r map[string]string, events []int64, runs []string) {
	o.t.Helper()
	named := 0
	for column, value := range r {
		switch {
		case strings.HasSuffix(column, "event_ids") || strings.HasSuffix(column, "event_id") ||
			strings.HasSuffix(column, "_as") && column != "same_as" && column != "assessed_as":
			for _, id := range strings.Fields(value) {
				var n int64
				if _, err := fmt.Sscan(id, &n); err != nil || !slices.Contains(events, n) && list != "316b2i-prunes" {
					o.t.Errorf("%s: %s names event %q, which there is not", list, column, id)
				}
				named++
			}
		case column == "run_id" && value != "":
			if !slices.Contains(runs, value) {
				o.t.Errorf("%s names run %q, which there is not", list, value)
			}
			named++
		}
	}
	switch list {
	case "312b-tables", "312b-fields", "312b-rules", "312b-gaps", "308a1iiD-runs", "316b2i-rules", "308a1iiD-queue",
		"316b2i-oldest", "312b-sources", "312a2i-users", "312a2i-services", "308a1iiD-items":
		// some rows are about what did not happen, or count another list
	default:
		if named == 0 && r["what"] != "new" { // the test's own anomalies were found by no run
			o.t.Errorf("%s: a row rests on nothing: %v", list, r)
		}
	}
}

// TestEvidenceIsTheSameAgain: a past time shows the same to the byte, whatever was decided, ended, run, registered and
// found since.
func TestEvidenceIsTheSameAgain(t *testing.T) {
	o := newOffice(t)
	ctx := t.Context()
	o.work()
	open := o.anomaly("cedar", "B", "casey")
	o.seal()
	first := o.bundle(o.dana, "first", review.Period{})

	// everything that could leak into the past
	o.closed(open, "explained_treatment")
	closed := wardtest.One[string](o.e, "select id::text from review.anomaly where disposition = 'breach'")
	_, err := review.Reopen(ctx, o.dana, closed,
		wardtest.One[int](o.e, "select version from review.anomaly where id = $1", closed), "there is more")
	o.must(err)
	o.anomaly("cedar", "A", "casey")
	root := o.e.Reviewer("root")
	_, err = root.DisableUser(ctx, "carla", "left on Friday")
	o.must(err)
	o.must(root.OwnService(ctx, "svc-etl", "dana"))
	o.must(root.DeclareService(ctx, "svc-etl",
		tenancy.Declaration{Action: "view", RecordTable: "public.claims", ToHour: 24}))
	_, err = root.UndeclareService(ctx, "svc-etl", "view", "public.appointments", "")
	o.must(err)
	if _, err := root.AddUser(ctx, tenancy.NewUser{Slug: "later", Name: "Later On", Kind: "human"}); err != nil {
		t.Fatal(err)
	}
	o.e.Patient(o.e.App("casey", "cedar"), "cedar", "Another")
	_, _ = o.e.Open("ward_app").SignIn(ctx,
		tenancy.Credentials{User: "hugo", Password: "not his password", Tenant: "harbor", Audience: "app"})
	o.do("update review.rule set version = 99, content_hash = 'other', title = 'another' " +
		"where id = 'A02-cross-tenant-denied'")
	o.takenBack(root)
	_, err = review.Certify(ctx, o.dana, first.Dir, "I reviewed what was found in this period.")
	o.must(err)
	o.run("A03-terminated-user")
	o.seal()

	again := o.bundle(o.eli, "again", review.Period{From: first.From, To: first.To, AsOf: first.AsOf})
	if again.Queries != first.Queries {
		t.Errorf("queries %s and %s", first.Queries, again.Queries)
	}
	for i := range first.Files {
		if first.Files[i].SHA256 != again.Files[i].SHA256 {
			t.Errorf("%s differs:\n%v\n%v", first.Files[i].Name,
				o.list(first, strings.TrimSuffix(first.Files[i].Name, ".csv")),
				o.list(again, strings.TrimSuffix(first.Files[i].Name, ".csv")))
		}
	}
	// and today shows all of it
	now := o.bundle(o.dana, "now", review.Period{})
	changed := 0
	for i := range first.Files {
		if first.Files[i].SHA256 != now.Files[i].SHA256 {
			changed++
		}
	}
	if changed < 12 {
		t.Errorf("only %d lists show what was done since", changed)
	}
	o.supervisedSince(now)
	if rows := o.list(now, "308a1iiD-certifications"); len(rows) != 1 || rows[0]["manifest"] != first.ManifestSHA256 {
		t.Errorf("certifications: %v", rows)
	}
}

// TestEvidenceVerify: whatever is changed in a bundle's directory is found, without the database.
func TestEvidenceVerify(t *testing.T) {
	o := newOffice(t)
	o.work()
	b := o.bundle(o.dana, "q", review.Period{})
	r, err := review.VerifyEvidence(b.Dir)
	o.must(err)
	if !r.Valid || r.ManifestSHA256 != b.ManifestSHA256 || r.Files != len(review.EvidenceFiles) || r.Rows == 0 {
		t.Fatalf("%+v", r)
	}
	if got := wardtest.One[string](o.e,
		"select encode(sha256, 'hex') from review.bundle_manifest"); got != b.ManifestSHA256 {
		t.Errorf("recorded %s, is %s", got, b.ManifestSHA256)
	}
	names, err := filepath.Glob(filepath.Join(b.Dir, "*"))
	o.must(err)
	if len(names) != len(review.EvidenceFiles)+1 {
		t.Fatalf("%d files", len(names))
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		o.must(err)
		for what, damaged := range map[string][]byte{"a bit": flip(text), "cut": text[:len(text)/2],
			"longer": append(slices.Clone(text), '\n'), "empty": {}} {
			o.must(os.WriteFile(name, damaged, 0o600))
			if r, err := review.VerifyEvidence(b.Dir); err == nil && r.Valid && r.ManifestSHA256 == b.ManifestSHA256 {
				t.Errorf("%s, %s: not noticed", filepath.Base(name), what)
			}
		}
		o.must(os.Remove(name))
		if r, err := review.VerifyEvidence(b.Dir); err == nil && r.Valid {
			t.Errorf("%s removed: not noticed", filepath.Base(name))
		}
		o.must(os.WriteFile(name, text, 0o600))
	}
	extra := filepath.Join(b.Dir, "402-breaches-2.csv")
	o.must(os.WriteFile(extra, []byte("x\n"), 0o600))
	if r, err := review.VerifyEvidence(b.Dir); err != nil || r.Valid || r.Findings[0].State != review.FileExtra {
		t.Errorf("%+v, %v", r, err)
	}
	o.must(os.Remove(extra))
	// a manifest made to fit: its own hash is another, and nobody recorded it
	breaches := filepath.Join(b.Dir, "402-breaches.csv")
	o.must(os.WriteFile(breaches, []byte("anomaly_id\n"), 0o600))
	if _, err := review.Certify(t.Context(), o.dana, b.Dir, "I reviewed what was found in this period."); err == nil ||
		!strings.Contains(err.Error(), "not what was made") {
		t.Errorf("a changed bundle was certified: %v", err)
	}
}

func flip(text []byte) []byte {
	b := slices.Clone(text)
	b[len(b)/2] ^= 1
	return b
}

// TestEvidenceReach: nothing of a clinic out of reach is in any list, and who may not export takes out nothing.
func TestEvidenceReach(t *testing.T) {
	o := newOffice(t)
	ctx := t.Context()
	o.work()
	o.e.Patient(o.e.App("hugo", "harbor"), "harbor", "Elsewhere")
	o.closed(o.anomaly("harbor", "B", "hugo"), "breach")
	o.seal()
	root := o.e.Reviewer("root")
	if _, err := root.AddUser(ctx,
		tenancy.NewUser{Slug: "local", Name: "Local Officer", Kind: "human", Password: wardtest.Password}); err != nil {
		t.Fatal(err)
	}
	if _, err := root.AddGrant(ctx,
		tenancy.NewGrant{User: "local", Role: "auditor", Tenant: "cedar", Reason: "one clinic"}); err != nil {
		t.Fatal(err)
	}
	local := o.e.Reviewer("local")
	all := o.bundle(o.dana, "all", review.Period{})
	b := o.bundle(local, "local", review.Period{})
	elsewhere := regexp.MustCompile(`\bharbor\b|\bhugo\b|` + wardtest.One[string](o.e,
		"select id::text from tenancy.users where slug = 'hugo'") + `|` + o.e.TenantID("harbor").String())
	found := false
	for _, f := range b.Files {
		text, err := os.ReadFile(filepath.Join(b.Dir, f.Name))
		o.must(err)
		if m := elsewhere.Find(text); m != nil {
			t.Errorf("%s of cedar's auditor has %q", f.Name, m)
		}
		text, err = os.ReadFile(filepath.Join(all.Dir, f.Name))
		o.must(err)
		found = found || elsewhere.Match(text)
	}
	if !found {
		t.Error("nothing of harbor is in anybody's lists")
	}
	if len(b.Tenants) != 1 || b.Tenants[0].Slug != "cedar" || !b.Restricted ||
		len(o.list(b, "308a1iiC-sanctions")) != 0 || len(o.list(all, "308a1iiC-sanctions")) == 0 {
		t.Errorf("%+v", b.Scope)
	}
	for name, try := range map[string]struct {
		s *tenancy.Session
		p review.Period
	}{
		"an engineer":          {o.e.Reviewer("omar"), review.Period{}},
		"another clinic":       {local, review.Period{Tenants: []string{"harbor"}}},
		"one of two":           {local, review.Period{Tenants: []string{"cedar", "harbor"}}},
		"an administrator":     {root, review.Period{}},
		"a time to come":       {o.dana, review.Period{AsOf: time.Now().Add(time.Hour)}},
		"a period to come":     {o.dana, review.Period{To: time.Now().Add(time.Hour)}},
		"a period without end": {o.dana, review.Period{To: o.began.Add(-time.Hour)}},
	} {
		try.p.From = o.began
		last := o.lastEvent()
		dir := filepath.Join(o.dir, name)
		if _, err := review.MakeEvidence(ctx, try.s, try.p, dir, nil); err == nil {
			t.Errorf("%s took out evidence", name)
		}
		if _, err := os.Lstat(dir); err == nil || len(o.events(last)) > 0 {
			t.Errorf("%s: left %v, events %q", name, err == nil, o.events(last))
		}
	}
	// somebody else's bundle, and one's own after the reach has ended
	if _, err := o.e.Super.Exec(ctx, "update tenancy.reviewer_grant set ended_at = clock_timestamp() "+
		"where user_id = (select id from tenancy.users where slug = 'local')"); err != nil {
		t.Fatal(err)
	}
	if _, err := review.Certifications(ctx, local); err == nil {
		t.Error("a reviewer without a grant lists certifications")
	}
}

// TestEvidenceIsWholeOrNotThere: a making that is cut short at any list leaves no directory, nothing under a name of
// its own, and one that exists is not touched.
func TestEvidenceIsWholeOrNotThere(t *testing.T) {
	o := newOffice(t)
	o.work()
	for _, at := range []int{1, 7, len(review.EvidenceFiles)} {
		ctx, cancel := context.WithCancel(t.Context())
		_, err := review.MakeEvidence(ctx, o.dana, review.Period{From: o.began}, filepath.Join(o.dir, "q"),
			func(_ string, n, _ int) {
				if n == at {
					cancel()
				}
			})
		cancel()
		left, _ := filepath.Glob(filepath.Join(o.dir, "*"))
		if !errors.Is(err, context.Canceled) || len(left) > 0 {
			t.Errorf("cut short at list %d: %v, left %q", at, err, left)
		}
	}
	taken := filepath.Join(o.dir, "taken")
	o.must(os.Mkdir(taken, 0o700))
	last := o.lastEvent()
	if _, err := review.MakeEvidence(t.Context(), o.dana, review.Period{From: o.began}, taken, nil); err == nil ||
		!strings.Contains(err.Error(), "exists") || len(o.events(last)) > 0 {
		t.Errorf("into a directory that exists: %v, events %q", err, o.events(last))
	}

	// a month that only the archive has: what rests on its events is missing, and that is said
	o.do("insert into audit.pruned (month, request, event_id, rows, digest, parts, head_size) " +
		"values (date_trunc('month', clock_timestamp() at time zone 'UTC'), 3, 4, 3, sha256('x'), '{part}', 1)")
	b := o.bundle(o.dana, "pruned", review.Period{})
	month := time.Now().UTC().Format("2006-01")
	if !slices.Equal(b.ArchiveOnly, []string{month}) ||
		!slices.ContainsFunc(o.list(b, "312b-gaps"), func(r map[string]string) bool { return r["subject"] == month }) {
		t.Errorf("archive only: %q", b.ArchiveOnly)
	}
	noted := 0
	for i := range b.Files {
		if strings.Contains(b.Files[i].Note, "events of "+month+" are in the archive only") {
			noted++
		}
	}
	if noted != 7 {
		t.Errorf("%d lists say what is missing, want 7", noted)
	}
}
