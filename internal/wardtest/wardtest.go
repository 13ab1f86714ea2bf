// Package wardtest gives a test a real, migrated and initialised database of its own, with two clinics and their
// people, and sessions on it as the real roles over real connections.
package wardtest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ward-health/ward/internal/clinic/tables"
	"github.com/ward-health/ward/internal/postgres/pgtest"
	"github.com/ward-health/ward/internal/worker"
	"github.com/ward-health/ward/queries/migrate"
	"github.com/ward-health/ward/tenancy"
)

// Password is everybody's in a test database.
const Password = "correct horse battery"

// The people of a test database:
//
//	root        administrator, every tenant
//	dana, eli   compliance officers, every tenant
//	ana         auditor, every tenant
//	omar        on-call engineer, cedar only, four hours
//	casey       clinician at cedar; also a second membership at harbor
//	carla       clinician at cedar
//	hugo        clinician at harbor
//	frank       front desk at cedar
//	svc-etl     service account at cedar, owned by root, declared: view of public.appointments
var people = []struct{ slug, tenant, role, kind string }{
	{"dana", "", "compliance_officer", "human"},
	{"eli", "", "compliance_officer", "human"},
	{"ana", "", "auditor", "human"},
	{"omar", "cedar", "on_call_engineer", "human"},
	{"casey", "cedar", "clinician", "human"},
	{"carla", "cedar", "clinician", "human"},
	{"hugo", "harbor", "clinician", "human"},
	{"frank", "cedar", "front_desk", "human"},
	{"svc-etl", "cedar", "service", "service"},
}

// Env is one test's database.
type Env struct {
	t     testing.TB
	DB    *pgtest.DB
	Super *pgxpool.Pool // the cluster's superuser, for arranging and for attacks that need one
}

// Region of every test database.
const Region = "us-west"

// New clones the template for a test. The clone is dropped when the test passes.
func New(t testing.TB) *Env {
	t.Helper()
	return From(t, pgtest.Template{Key: templateKey(t), Build: build})
}

// From clones another template, which makes the same people.
func From(t testing.TB, template pgtest.Template) *Env {
	t.Helper()
	db := pgtest.New(t, template)
	pool, err := pgxpool.New(t.Context(), db.Superuser())
	if err != nil {
		t.Fatalf("connect as superuser: %v", err)
	}
	t.Cleanup(pool.Close)
	// What the first migration takes from PUBLIC on the database itself does not come along with a clone.
	if _, err := pool.Exec(t.Context(), fmt.Sprintf("revoke temporary, create on database %s from public",
		pgx.Identifier{db.Name()}.Sanitize())); err != nil {
		t.Fatalf("close the clone to PUBLIC: %v", err)
	}
	return &Env{t: t, DB: db, Super: pool}
}

// templateKey changes with every migration and with the people above.
func templateKey(t testing.TB) string {
	t.Helper()
	h := sha256.New()
	if _, err := fmt.Fprint(h, migrate.Sum(), tables.SQL(), people, Password, Region,
		time.Now().UTC().Format("2006-01-02T15")); err != nil {
		t.Fatal(err)
	}
	return "ward-" + hex.EncodeToString(h.Sum(nil))[:16]
}

// Prepare migrates and populates the empty database that dsn names as its superuser: for a test with a server of its
// own.
func Prepare(ctx context.Context, dsn string) error { return build(ctx, dsn) }

func build(ctx context.Context, dsn string) error {
	if _, err := worker.Migrate(ctx, dsn, migrate.Options{}); err != nil {
		return err
	}
	if err := tables.Install(ctx, dsn); err != nil {
		return err
	}
	db, err := tenancy.Open(ctx, dsn)
	if err != nil {
		return err
	}
	defer db.Close()
	if _, err := db.Init(ctx,
		tenancy.Installation{Region: Region, Slug: "root", Name: "Root Admin", Password: Password}); err != nil {
		return err
	}
	tokens, err := db.SignIn(ctx,
		tenancy.Credentials{User: "root", Password: Password, Audience: tenancy.ReviewAudience})
	if err != nil {
		return err
	}
	return populate(ctx, tenancy.NewSession(db, tokens, time.Now, nil))
}

func populate(ctx context.Context, root *tenancy.Session) error {
	for _, t := range []string{"cedar", "harbor"} {
		if _, err := root.AddTenant(ctx, t, t+" clinic"); err != nil {
			return err
		}
	}
	for _, p := range people {
		user := tenancy.NewUser{Slug: p.slug, Name: p.slug + " surname", Kind: p.kind, Password: Password}
		if p.kind == "service" {
			user.Owner, user.Password = "root", ""
		}
		if _, err := root.AddUser(ctx, user); err != nil {
			return err
		}
		var err error
		switch p.role {
		case "compliance_officer", "auditor":
			_, err = root.AddGrant(ctx, tenancy.NewGrant{User: p.slug, Role: p.role, Reason: "test people"})
		case "on_call_engineer":
			_, err = root.AddGrant(ctx, tenancy.NewGrant{User: p.slug, Role: p.role, Tenant: p.tenant,
				Reason: "test people", Ticket: "T-1", Hours: 4})
		default:
			_, err = root.AddMember(ctx, p.tenant, p.slug, p.role)
		}
		if err != nil {
			return err
		}
	}
	if _, err := root.AddMember(ctx, "harbor", "casey", "clinician"); err != nil {
		return err
	}
	return root.DeclareService(ctx, "svc-etl",
		tenancy.Declaration{Action: "view", RecordTable: "public.appointments", ToHour: 24})
}

// Open opens a pool as a role, closed at the end of the test.
func (e *Env) Open(role string) *tenancy.DB {
	e.t.Helper()
	db, err := tenancy.Open(e.t.Context(), e.DB.DSN(role))
	if err != nil {
		e.t.Fatalf("open as %s: %v", role, err)
	}
	e.t.Cleanup(db.Close)
	return db
}

// Conn is a bare connection as a role: no wiping, no identity.
func (e *Env) Conn(role string) *pgx.Conn {
	e.t.Helper()
	conn, err := pgx.Connect(e.t.Context(), e.DB.DSN(role))
	if err != nil {
		e.t.Fatalf("connect as %s: %v", role, err)
	}
	e.t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// App signs a user in to a tenant, as the application would: a service account by a secret that is made for it.
func (e *Env) App(user, tenant string) *tenancy.Session {
	e.t.Helper()
	if strings.HasPrefix(user, "svc-") {
		made, err := e.Reviewer("root").NewServiceSecret(e.t.Context(), user, 1, time.Hour)
		if err != nil {
			e.t.Fatalf("secret of %s: %v", user, err)
		}
		db := e.Open("ward_app")
		tokens, err := db.SignInService(e.t.Context(), user, made.Secret, tenant, "app")
		if err != nil {
			e.t.Fatalf("sign in %s: %v", user, err)
		}
		return tenancy.NewSession(db, tokens, time.Now, nil)
	}
	return e.session(e.Open("ward_app"), user, tenant, "app")
}

// Reviewer signs a user in as a reviewer.
func (e *Env) Reviewer(user string) *tenancy.Session {
	e.t.Helper()
	return e.session(e.Open("ward_reviewer"), user, "", tenancy.ReviewAudience)
}

func (e *Env) session(db *tenancy.DB, user, tenant, audience string) *tenancy.Session {
	e.t.Helper()
	tokens, err := db.SignIn(e.t.Context(),
		tenancy.Credentials{User: user, Password: Password, Tenant: tenant, Audience: audience})
	if err != nil {
		e.t.Fatalf("sign in %s: %v", user, err)
	}
	return tenancy.NewSession(db, tokens, time.Now, nil)
}

// TenantID is a tenant's id.
func (e *Env) TenantID(slug string) uuid.UUID {
	e.t.Helper()
	return One[uuid.UUID](e, "select id from tenancy.tenant where slug = $1", slug)
}

// Patient inserts a patient with the given last name through a session and returns its id.
func (e *Env) Patient(s *tenancy.Session, tenant, lastName string) uuid.UUID {
	e.t.Helper()
	id := uuid.New()
	tenantID := e.TenantID(tenant)
	err := s.Write(e.t.Context(), tenancy.Ask{},
		tenancy.Do("insert into public.patients (tenant_id, id, mrn, first_name, last_name) "+
			"values ($1, $2, $3, 'Test', $4)", tenantID, id, "MRN-"+id.String()[:8], lastName))
	if err != nil {
		e.t.Fatalf("insert patient: %v", err)
	}
	return id
}

// One reads one value as superuser.
func One[T any](e *Env, sql string, args ...any) T {
	e.t.Helper()
	var v T
	if err := e.Super.QueryRow(e.t.Context(), sql, args...).Scan(&v); err != nil {
		e.t.Fatalf("%s: %v", sql, err)
	}
	return v
}

// On is a test's database that was prepared on a server of its own. It has no DB.
func On(t testing.TB, super *pgxpool.Pool) *Env { return &Env{t: t, Super: super} }

// SQLText finds a part of a function's text however it is laid out: a blank stands for any blanks and line ends, and
// there may be some inside brackets.
func SQLText(part string) *regexp.Regexp {
	p := regexp.QuoteMeta(part)
	p = strings.NewReplacer(`\(`, `\(\s*`, `\)`, `\s*\)`).Replace(p)
	return regexp.MustCompile(regexp.MustCompile(` +`).ReplaceAllString(p, `\s+`))
}

// Eventually waits until a condition holds, for half a minute at most, and looks a hundred times a second.
func Eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	limit := time.After(30 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-limit:
			t.Fatalf("has not happened in 30 s: %s", what)
		case <-tick.C:
		}
	}
}
