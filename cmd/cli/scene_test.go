package cli

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/ward-health/ward/archive"
	"github.com/ward-health/ward/audit"
	"github.com/ward-health/ward/internal/wardtest"
	"github.com/ward-health/ward/queries"
	"github.com/ward-health/ward/review"
)

// scene is an installation with something to look at: registered rules, anomalies, a sealed and shipped history, and
// people who sign in when they are needed.
type scene struct {
	*wardtest.Env
	t     testing.TB
	dir   string // home of everybody; the store, the keys and the token files are in it
	store string
	key   string // public
}

func newScene(t testing.TB) *scene {
	t.Helper()
	s := &scene{Env: wardtest.New(t), t: t, dir: t.TempDir()}
	s.store = filepath.Join(s.dir, "archive")
	signer, public, err := archive.GenerateKey("ward-test")
	s.must(err)
	s.key = public
	s.must(archive.WriteSigner(s.signingKey(), signer))
	_, err = archive.CreateDir(s.store)
	s.must(err)
	rules, err := review.LoadRules(queries.Rules())
	s.must(err)
	s.must(review.Register(t.Context(), s.Open("ward_worker").Pool(), rules))
	// two parts, so that there is a tail to cut
	s.Patient(s.App("casey", "cedar"), "cedar", "Shipped-First")
	s.ship()
	s.Patient(s.App("hugo", "harbor"), "harbor", "Shipped-Second")
	s.ship()
	return s
}

func (s *scene) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *scene) signingKey() string { return filepath.Join(s.dir, "log.key") }

func (s *scene) tokenFile(user string) string { return filepath.Join(s.dir, user+".tokens") }

// ship seals and ships everything that is committed.
func (s *scene) ship() {
	s.t.Helper()
	ctx, pool := s.t.Context(), s.Open("ward_worker").Pool()
	s.must(audit.SealAll(ctx, pool))
	store, err := archive.OpenDir(s.store)
	s.must(err)
	signer, err := archive.LoadSigner(s.signingKey())
	s.must(err)
	shipper := &audit.Shipper{Pool: pool, Store: store, Signer: signer, Origin: archive.Origin("test", wardtest.Region),
		Now: time.Now}
	parts, err := shipper.Ship(ctx)
	s.must(err)
	if len(parts) == 0 {
		s.t.Fatal("nothing was shipped")
	}
}

// anomaly makes one about a person at a clinic, with evidence, as a rule would.
func (s *scene) anomaly(tenant, actor, tier string) string {
	s.t.Helper()
	rule := map[string]string{"A": "A02-cross-tenant-denied", "B": "B01-no-treatment-relationship"}[tier]
	id := wardtest.One[uuid.UUID](s.Env, `insert into review.anomaly (tenant_id, rule_id, rule_version, tier, severity,
		actor_id, key, summary, first_at, last_at)
		values ((select id from tenancy.tenant where slug = $1), $2, 1, $3, 'high', (select id from tenancy.users
		where slug = $4), sha256(gen_random_uuid()::text::bytea), 'asked for records', now(), now()) returning id`,
		tenant, rule, tier, actor)
	wardtest.One[int64](s.Env, `with x as (insert into review.evidence (anomaly_id, event_id, recorded_at, at, action,
		outcome, record_table, record_id, seq, hash, added_by_run)
		values ($1, 1, now(), now(), 'view', 'denied', 'public.patients', gen_random_uuid(), 1, sha256('x'),
		gen_random_uuid()) returning 1) select count(*) from x`, id)
	return id.String()
}

// shipped is the event of cedar's first patient, which is in the archive.
func (s *scene) shipped() string {
	return wardtest.One[string](s.Env, "select event_id::text from audit.event e join tenancy.tenant t "+
		"on t.id = e.tenant_id where t.slug = 'cedar' and e.action = 'create' order by event_id limit 1")
}

func (s *scene) membership(tenant, user string) string {
	s.t.Helper()
	return wardtest.One[uuid.UUID](s.Env, `select m.id from tenancy.membership m join tenancy.tenant t
		on t.id = m.tenant_id join tenancy.users u on u.id = m.user_id
		where t.slug = $1 and u.slug = $2 and m.terminated_at is null`, tenant, user).String()
}

func (s *scene) userID(slug string) string {
	s.t.Helper()
	return wardtest.One[uuid.UUID](s.Env, "select id from tenancy.users where slug = $1", slug).String()
}

// vars are the environment of one user's commands. WARD_CONFIG names an empty file, so that no settings of this machine
// count.
func (s *scene) vars(user string) map[string]string {
	settings := filepath.Join(s.dir, "ward.yaml")
	s.must(os.WriteFile(settings, nil, 0o600))
	return map[string]string{"WARD_DATABASE_URL": s.DB.DSN("ward_reviewer"), "WARD_STORE": s.store,
		"WARD_VERIFY_KEY": s.key, "WARD_TOKEN_FILE": s.tokenFile(user),
		"WARD_CONFIG": settings, "HOME": s.dir, "XDG_STATE_HOME": filepath.Join(s.dir, user+".state")}
}

// outcome is what a command left behind.
type outcome struct {
	code        int
	out, errors string
}

func (o outcome) String() string {
	return fmt.Sprintf("exit %d\nstandard output: %q\nstandard error: %q", o.code, o.out, o.errors)
}

// ward runs one command as a user, in this process and without a terminal.
func (s *scene) ward(ctx context.Context, user, input string, args ...string) outcome {
	s.t.Helper()
	vars := s.vars(user)
	var out, errs bytes.Buffer
	env := &Env{In: strings.NewReader(input), Out: &out, Err: &errs, Getenv: func(k string) string { return vars[k] },
		Now: time.Now, Terminal: func() bool { return false }}
	code := run(ctx, args, env)
	return outcome{code, out.String(), errs.String()}
}

// ok runs a command that has to succeed.
func (s *scene) ok(user string, args ...string) string {
	s.t.Helper()
	got := s.ward(s.t.Context(), user, "", args...)
	if got.code != exitOK {
		s.t.Fatalf("ward %s as %s: %s", strings.Join(args, " "), user, got)
	}
	return got.out
}

// signIn signs a user in by the command, unless they are.
func (s *scene) signIn(user string) {
	s.t.Helper()
	if _, err := os.Stat(s.tokenFile(user)); err == nil {
		return
	}
	if got := s.ward(s.t.Context(), user, wardtest.Password+"\n", "login", user); got.code != exitOK {
		s.t.Fatalf("sign in %s: %s", user, got)
	}
}
