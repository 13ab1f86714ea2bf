package migrate_test

import (
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ward-health/ward/archive"
	"github.com/ward-health/ward/audit"
	"github.com/ward-health/ward/internal/needs"
	"github.com/ward-health/ward/internal/postgres"
	"github.com/ward-health/ward/internal/postgres/pgtest"
	"github.com/ward-health/ward/internal/wardtest"
	"github.com/ward-health/ward/internal/worker"
	"github.com/ward-health/ward/queries/migrate"
	"github.com/ward-health/ward/review"
	"github.com/ward-health/ward/tenancy"
)

// releases are dumps of databases that each release has made, with people, sealed events, an anomaly, and a protected
// table public.visits of a customer's. TestWriteRelease writes one.
const releases = "../../testdata/releases"

// restored is the database of a release.
func restored(t *testing.T, dump string) *wardtest.Env {
	t.Helper()
	wardtest.New(t) // makes the cluster's roles, which no dump holds
	return wardtest.From(t, pgtest.Template{Key: "ward-release-" + filepath.Base(dump),
		Build: func(ctx context.Context, dsn string) error { return restore(ctx, dsn, dump) }})
}

func restore(ctx context.Context, dsn, dump string) error {
	f, err := os.Open(dump)
	if err != nil {
		return err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return fmt.Errorf("read %s: %w", dump, err)
	}
	text, err := io.ReadAll(z)
	if err != nil {
		return fmt.Errorf("read %s: %w", dump, err)
	}
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	var sql strings.Builder
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, `\`) { // psql's own, which guard a restore against a hostile dump
			continue
		}
		// from PostgreSQL 17 on a month's ids are generated too
		if strings.HasPrefix(line, "INSERT INTO audit.event_") {
			line = strings.Replace(line, " VALUES", " OVERRIDING SYSTEM VALUE VALUES", 1)
		}
		sql.WriteString(line)
	}
	if _, err := conn.Exec(ctx, sql.String(), pgx.QueryExecModeSimpleProtocol); err != nil {
		return fmt.Errorf("restore %s: %w", dump, err)
	}
	return nil
}

// later is a copy of the tree in which everything that a release changes has changed once: a function's body, a
// signature, a table's column, an index that is made anew under its name, a function that is gone, a view that is new,
// and what protect makes for a customer's table.
func later(t *testing.T) migrate.Options {
	return next(t, map[string]string{
		"functions/core/today.sql": edited(t, "functions/core/today.sql", "begin", "begin  -- another body"),
		"functions/tenancy/whoami.sql": edited(t, "functions/tenancy/whoami.sql", "tenancy.whoami()",
			"tenancy.whoami(more text default null)"),
		"tables/00099_more.sql": "-- More.\n\nset local role ward_owner;\n" +
			"alter table review.anomaly add column more text;\n" +
			"alter table audit.event add column more text;\n" +
			"drop index audit.event_actor;\n" +
			"create index event_actor on audit.event (tenant_id, user_id);\nreset role;\n",
		"views/review/access.sql": edited(t, "views/review/access.sql", "e.disclosure_id, e.source",
			"e.disclosure_id, e.source, e.more"),
		"views/review/more.sql": "create or replace view review.more as\n" +
			"  select id, more from review.anomaly;\n\ngrant select on review.more to ward_worker;\n",
		"functions/tenancy/list_keys.sql": "",
		"functions/tenancy/protect.sql": edited(t, "functions/tenancy/protect.sql",
			"  execute format('create policy through_view on",
			"  execute format('drop policy if exists more on %s', target);\n"+
				"  execute format('create policy more on %s as restrictive to ward_app using (true)', target);\n"+
				"  execute format('create policy through_view on"),
	})
}

// TestUpgradeFromEachRelease upgrades the database of each release to this tree and from there to a later one, as
// ward_migrate. After each step the customer's table is read and written through ward, an anomaly is claimed and
// closed, the whole history verifies offline, and ward's schemas are those of a new installation of the same tree.
func TestUpgradeFromEachRelease(t *testing.T) {
	dumps, err := filepath.Glob(filepath.Join(releases, "*.sql.gz"))
	if err != nil || len(dumps) == 0 {
		t.Fatalf("no releases: %v", err)
	}
	for _, dump := range dumps {
		t.Run(strings.TrimSuffix(filepath.Base(dump), ".sql.gz"), func(t *testing.T) {
			t.Parallel()
			e := restored(t, dump)
			work := newWork(t, e)
			work.does("as it was restored")
			for _, step := range []struct {
				when string
				to   migrate.Options
			}{{"at this tree", migrate.Options{}}, {"at a later tree", later(t)}} {
				if _, err := worker.Migrate(t.Context(), e.DB.DSN("ward_migrate"), step.to); err != nil {
					t.Fatalf("%s: %v", step.when, err)
				}
				work.does(step.when)
				fresh := pgtest.New(t, pgtest.Template{})
				if _, err := worker.Migrate(t.Context(), fresh.Superuser(), step.to); err != nil {
					t.Fatalf("%s: a new installation: %v", step.when, err)
				}
				same(t, schema(t, fresh.Superuser()), schema(t, e.DB.Superuser()), "upgraded, "+step.when)
				if p, err := migrate.Look(t.Context(), e.DB.DSN("ward_migrate"), step.to); err != nil || !p.Empty() {
					t.Errorf("%s: a second look: %v, %v", step.when, p.Lines(), err)
				}
			}
			const policies = "select count(*)::int from pg_policy where polrelid = 'public.visits'::regclass " +
				"and polname = 'more'"
			if wardtest.One[int](e, policies) != 1 {
				t.Error("the customer's table has the old protection")
			}
		})
	}
}

// schema is what pg_dump says of ward's schemas, an object and its grants a string each. Months of the audit log are
// left out: they are as many as have been since the database was made.
func schema(t *testing.T, url string) []string {
	t.Helper()
	b, err := postgres.FindBinaries(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !needs.HasClient(b.Dir, "pg_dump") { // then the tests run on a server that has it, too
		return nil
	}
	program := needs.Client(t, b.Dir, "pg_dump")
	dump, err := exec.CommandContext(t.Context(), program, "--schema-only", "--exclude-schema=public",
		"--exclude-schema=phi", "--exclude-table=audit.event_20*", "--dbname="+url).Output()
	if err != nil {
		t.Fatalf("pg_dump: %v", err)
	}
	objects := strings.Split(string(dump), "\n--\n-- ")[1:]
	for i, o := range objects {
		switch head, _, _ := strings.Cut(o, "\n"); {
		case strings.Contains(head, "Type: ACL"): // grants have no order
			lines := strings.Split(o, "\n")
			slices.Sort(lines)
			objects[i] = head + strings.Join(lines, "\n")
		case strings.Contains(head, "Type: TABLE;"): // (a AND b) AND c of a CHECK is a AND b AND c after a restore
			objects[i] = strings.NewReplacer("(", "", ")", "").Replace(o)
		}
	}
	return objects[:len(objects)-1] // the end, which is random
}

// work is what people do with a database, whichever release it is at.
type work struct {
	t     *testing.T
	e     *wardtest.Env
	pool  *pgxpool.Pool // ward_worker's
	key   *archive.Signer
	store archive.Store
}

func newWork(t *testing.T, e *wardtest.Env) *work {
	t.Helper()
	w := &work{t: t, e: e, pool: e.Open("ward_worker").Pool()}
	text, _, err := archive.GenerateKey(archive.Origin("test", wardtest.Region))
	if err == nil {
		w.key, err = archive.NewSigner(text)
	}
	if err == nil {
		w.store, err = archive.CreateDir(t.TempDir())
	}
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *work) does(when string) {
	w.t.Helper()
	w.visits(when)
	w.decides(when)
	w.verifies(when)
}

// visits writes a row of the customer's table, and reads it by a committed disclosure.
func (w *work) visits(when string) {
	w.t.Helper()
	app := w.e.App("carla", "cedar")
	patient, visit := w.e.Patient(app, "cedar", "Upgrade"), uuid.New()
	err := app.Write(w.t.Context(), tenancy.Ask{},
		tenancy.Do("insert into public.visits (tenant_id, id, patient_id, note) "+
			"values ($1, $2, $3, 'a note')", w.e.TenantID("cedar"), visit, patient))
	if err != nil {
		w.t.Fatalf("%s: write a visit: %v", when, err)
	}
	var note string
	ask := tenancy.Ask{Table: "public.visits", IDs: []uuid.UUID{visit}, Purpose: "treatment"}
	err = app.Read(w.t.Context(), ask, tenancy.Do("select note from phi.visits where id = $1", visit).Scan(&note))
	if err != nil || note != "a note" {
		w.t.Errorf("%s: read a visit: %q, %v", when, note, err)
	}
	const events = "select count(*)::int from audit.event where record_id = $1 and action in ('create', 'view')"
	if n := wardtest.One[int](w.e, events, visit); n != 2 {
		w.t.Errorf("%s: %d events of the visit", when, n)
	}
}

// decides claims and closes an anomaly.
func (w *work) decides(when string) {
	w.t.Helper()
	id := anomaly(w.t, w.e)
	dana := w.e.Reviewer("dana")
	claimed, err := review.Claim(w.t.Context(), dana, id, 1)
	if err != nil {
		w.t.Fatalf("%s: claim: %v", when, err)
	}
	if _, err := review.Close(w.t.Context(), dana, id, claimed.Version, "test_data", "not a real record"); err != nil {
		w.t.Errorf("%s: close: %v", when, err)
	}
}

// verifies seals and ships what there is, and verifies the whole archive offline.
func (w *work) verifies(when string) {
	w.t.Helper()
	sealer, err := audit.Lead(w.t.Context(), w.pool)
	if err != nil {
		w.t.Fatalf("%s: lead: %v", when, err)
	}
	defer sealer.Close(w.t.Context())
	if _, err := sealer.Seal(w.t.Context()); err != nil {
		w.t.Fatalf("%s: seal: %v", when, err)
	}
	shipper := &audit.Shipper{Pool: w.pool, Store: w.store, Signer: w.key, Now: time.Now,
		Origin: archive.Origin("test", wardtest.Region)}
	if _, err := shipper.Ship(w.t.Context()); err != nil {
		w.t.Fatalf("%s: ship: %v", when, err)
	}
	v := archive.NewVerification(w.store, archive.VerifyOptions{Keys: []archive.Key{w.key.Key()}, Now: time.Now()})
	report, err := v.Run(w.t.Context())
	if err != nil {
		w.t.Fatalf("%s: verify: %v", when, err)
	}
	rows := wardtest.One[int64](w.e, "select count(*) from audit.chain")
	if report.Verdict == archive.Invalid || len(report.Findings) > 0 || report.Rows != rows {
		w.t.Errorf("%s: %d of %d rows verified, findings %v", when, report.Rows, rows, report.Findings)
	}
}

// anomaly puts one into the queue.
func anomaly(t *testing.T, e *wardtest.Env) string {
	t.Helper()
	const insert = `
		with r as (
			insert into review.rule (id, version, tier, severity, title, content_hash, front_matter)
			values ('T-B', 1, 'B', 'high', 'a rule', 'h', '{}') on conflict do nothing
		), a as (
			insert into review.anomaly (tenant_id, rule_id, rule_version, tier, severity, actor_id, key, summary,
				first_at,
				last_at)
			select t.id, 'T-B', 1, 'B', 'high', u.id, sha256(convert_to(gen_random_uuid()::text, 'utf8')),
				'what happened',
				now(), now() from tenancy.tenant t, tenancy.users u where t.slug = 'cedar' and u.slug = 'carla'
			returning id
		)
		insert into review.transition (anomaly_id, version, to_state) select id, 1, 'new' from a
			returning anomaly_id::text`
	return wardtest.One[string](e, insert)
}
