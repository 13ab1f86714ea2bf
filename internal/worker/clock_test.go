package worker_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ward-health/ward/audit"
	"github.com/ward-health/ward/internal/needs"
	"github.com/ward-health/ward/internal/postgres"
	"github.com/ward-health/ward/internal/postgres/pgtest"
	"github.com/ward-health/ward/internal/wardtest"
	"github.com/ward-health/ward/tenancy"
)

// moved is a server whose clock a test moves while it runs: libfaketime stands between PostgreSQL and the system's
// clock.
type moved struct {
	*testing.T
	cluster *postgres.Cluster
	file    string // what libfaketime adds to the time
	by      time.Duration
	super   *pgxpool.Pool
	worker  *pgxpool.Pool
	app     *tenancy.DB
	patient uuid.UUID
}

// newMoved starts the server and fills its database. Not parallel: what the server's environment is, is this process's
// for a moment.
func newMoved(t *testing.T) *moved {
	t.Helper()
	library := needs.Library(t)
	dir, err := os.MkdirTemp("/tmp", "ward-clock-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil { // the server's user reads the file
		t.Fatal(err)
	}
	c := &moved{T: t, file: filepath.Join(dir, "clock")}
	if time.Now().UTC().Day() == 1 {
		c.by = 48 * time.Hour // what is moved back by hours stays in a month that has a partition
	}
	c.write()
	pgtest.DataDir(t) // what watches over this run's servers starts before, with the system's clock
	fake := map[string]string{"LD_PRELOAD": library, "FAKETIME_TIMESTAMP_FILE": c.file, "FAKETIME_NO_CACHE": "1",
		"FAKETIME_DONT_FAKE_MONOTONIC": "1", "FAKETIME_DISABLE_SHM": "1"}
	defer func() {
		for name := range fake {
			if err := os.Unsetenv(name); err != nil {
				t.Error(err)
			}
		}
	}()
	for name, value := range fake {
		if err := os.Setenv(name, value); err != nil {
			t.Fatal(err)
		}
	}
	c.cluster = pgtest.NewCluster(t,
		pgtest.ClusterOptions{NoFsync: true, Settings: map[string]string{"autovacuum": "off"}})
	if err := wardtest.Prepare(t.Context(), c.cluster.Superuser()); err != nil {
		t.Fatal(err)
	}
	c.super, c.worker = c.pool(postgres.SuperuserRole), c.pool("ward_worker")
	if c.app, err = tenancy.Open(t.Context(), c.cluster.DSN("ward_app", "postgres")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.app.Close)
	c.tick(0)
	c.patient = wardtest.On(t, c.super).Patient(tenancy.NewSession(c.app, c.signIn("casey"), time.Now, nil),
		"cedar", "Canary")
	return c
}

func (c *moved) pool(role string) *pgxpool.Pool {
	c.Helper()
	pool, err := pgxpool.New(c.Context(), c.cluster.DSN(role, "postgres"))
	if err != nil {
		c.Fatal(err)
	}
	c.Cleanup(pool.Close)
	return pool
}

// write puts the file in place in one step: a backend that read half of it would see another time.
func (c *moved) write() {
	c.Helper()
	if err := os.WriteFile(c.file+".new", []byte(fmt.Sprintf("%+d", int64(c.by/time.Second))), 0o644); err != nil {
		c.Fatal(err)
	}
	if err := os.Rename(c.file+".new", c.file); err != nil {
		c.Fatal(err)
	}
}

func (c *moved) move(d time.Duration) {
	c.Helper()
	c.by += d
	c.write()
	if off := one[float64](c, "select extract(epoch "+
		"from clock_timestamp())::float8") - float64(time.Now().Add(c.by).UnixMilli())/1000; off < -5 || off > 5 {
		c.Fatalf("the server's clock is %.0f s away from where it was moved to", off)
	}
}

func one[T any](c *moved, sql string, args ...any) T {
	c.Helper()
	var v T
	if err := c.super.QueryRow(c.Context(), sql, args...).Scan(&v); err != nil {
		c.Fatalf("%s: %v", sql, err)
	}
	return v
}

// tick is what the worker does every second; want is how far the clock is found to have gone back, less what has passed
// since the tick before.
func (c *moved) tick(want time.Duration) {
	c.Helper()
	back, err := audit.Tick(c.Context(), c.worker)
	if err != nil || back > want || back < want-15*time.Second || want == 0 && back != 0 {
		c.Fatalf("the clock went back by %v (%v), want %v", back, err, want)
	}
}

func (c *moved) signIn(user string) tenancy.Tokens {
	c.Helper()
	tokens, err := c.app.SignIn(c.Context(),
		tenancy.Credentials{User: user, Password: wardtest.Password, Tenant: "cedar"})
	if err != nil {
		c.Fatalf("sign in %s: %v", user, err)
	}
	return tokens
}

// begin opens a transaction on a connection of its own and gives the reason of a refusal; the transaction ends with the
// test.
func (c *moved) begin(token string, disclosure *uuid.UUID) (*pgx.Conn, string) {
	c.Helper()
	conn, err := pgx.Connect(c.Context(), c.cluster.DSN("ward_app", "postgres"))
	if err != nil {
		c.Fatal(err)
	}
	c.Cleanup(func() { _ = conn.Close(context.WithoutCancel(c.Context())) })
	if _, err := conn.Exec(c.Context(), "begin"); err != nil {
		c.Fatal(err)
	}
	var why string
	if err := conn.QueryRow(c.Context(), "select coalesce(tenancy.begin($1, $2), '')", token,
		disclosure).Scan(&why); err != nil {
		c.Fatal(err)
	}
	return conn, why
}

// refused holds that a token is refused, for this reason.
func (c *moved) refused(token, want string) {
	c.Helper()
	if _, why := c.begin(token, nil); !strings.Contains(why, want) || why == "" {
		c.Fatalf("begin: %q, want %q", why, want)
	}
}

// sees is how many patients a look shows, or why none.
func (c *moved) sees(token string, disclosure uuid.UUID) (int, error) {
	c.Helper()
	conn, why := c.begin(token, &disclosure)
	if why != "" {
		return 0, errors.New(why)
	}
	var n int
	err := conn.QueryRow(c.Context(), "select count(*) from phi.patients").Scan(&n)
	return n, err
}

func failsWith(err error, words string) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && strings.Contains(pg.Message, words)
}

// The clock of a running server is moved, mostly back, and what had ended by it stays ended: with the worker's note of
// the time at once, without it within the length of what it was. What remains is in docs/SECURITY.md (29).
func TestClockMoved(t *testing.T) {
	c := newMoved(t)
	for _, sub := range []struct {
		name string
		test func(c *moved)
	}{
		{"an access token that has run out", (*moved).tokenRunsOut},
		{"a token from the future, where no worker noted the time", (*moved).tokenFromTheFuture},
		{"an identity in an open transaction", (*moved).identityRunsOut},
		{"a lease", (*moved).leaseRunsOut},
		{"a refresh token's second use", (*moved).refreshComesLate},
		{"a delay after failures", (*moved).delayStays},
		{"an on-call grant", (*moved).grantRunsOut},
		{"a session", (*moved).sessionRunsOut},
		{"a small step is none", (*moved).smallStep},
		{"the chain", (*moved).chainKeepsItsOrder},
		{"a time before every partition", (*moved).noPartition},
	} {
		t.Run(sub.name, func(t *testing.T) {
			at := *c
			at.T = t
			defer func() { c.by = at.by }()
			sub.test(&at)
		})
	}
}

func (c *moved) tokenRunsOut() {
	tokens := c.signIn("casey")
	c.move(11 * time.Minute)
	c.refused(tokens.Access, "token_expired: ")
	c.tick(0)
	before := one[int](c,
		"select count(*) from audit.event where action = 'revoke' and detail like '%clock went back%'")
	c.move(-8 * time.Minute)
	c.refused(tokens.Access, "clock_back: the clock of the server")
	if _, err := c.app.Refresh(c.Context(), tokens.Refresh); err == nil {
		c.Fatal("a refresh is accepted while the clock is behind")
	}
	if _, err := c.app.SignIn(c.Context(),
		tenancy.Credentials{User: "casey", Password: wardtest.Password, Tenant: "cedar"}); err == nil {
		c.Fatal("a sign-in is accepted while the clock is behind")
	}
	c.tick(8 * time.Minute)
	c.tick(0)
	c.refused(tokens.Access, "bad_signature: ")
	if n := one[int](c, "select count(*) from audit.event where action = 'revoke' "+
		"and detail like '%clock went back%'") - before; n != 1 {
		c.Fatalf("%d events of the step, want 1", n)
	}
	again, err := c.app.Refresh(c.Context(), tokens.Refresh) // the session itself has hours left
	if err != nil {
		c.Fatal(err)
	}
	if _, why := c.begin(again.Access, nil); why != "" {
		c.Fatalf("a fresh token: %s", why)
	}
}

func (c *moved) tokenFromTheFuture() {
	token := c.signIn("casey").Access
	c.move(-time.Minute)
	defer c.move(time.Minute)
	if _, err := c.super.Exec(c.Context(), "update tenancy.instance set seen_at = '-infinity'"); err != nil {
		c.Fatal(err)
	}
	c.refused(token, "clock_back: this token was issued in the future")
}

func (c *moved) identityRunsOut() {
	conn, why := c.begin(c.signIn("casey").Access, nil)
	if why != "" {
		c.Fatal(why)
	}
	c.move(-2 * time.Minute)
	defer c.move(2 * time.Minute)
	if _, err := conn.Exec(c.Context(), "select tenancy.tenant_id()"); !failsWith(err, "this identity has run out") {
		c.Fatalf("an identity of 60 s with three minutes left: %v", err)
	}
}

func (c *moved) leaseRunsOut() {
	tokens, look := c.signIn("casey"), uuid.New()
	var why *string
	conn, err := pgx.Connect(c.Context(), c.cluster.DSN("ward_app", "postgres"))
	if err != nil {
		c.Fatal(err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(c.Context())) }()
	if err := conn.QueryRow(c.Context(), "select tenancy.ask($1, $2, 'public.patients', $3)", tokens.Access, look,
		[]uuid.UUID{c.patient}).Scan(&why); err != nil || why != nil {
		c.Fatal(err, why)
	}
	if n, err := c.sees(tokens.Access, look); n != 1 {
		c.Fatal(n, err)
	}
	c.move(40 * time.Second)
	if _, err := c.sees(tokens.Access, look); !failsWith(err, "no committed disclosure") {
		c.Fatalf("after its 30 seconds: %v", err)
	}
	c.tick(0)
	c.move(-20 * time.Second)
	if n, err := c.sees(tokens.Access, look); n != 0 || err == nil ||
		err.Error() != "clock_back: the clock of the server has gone back" {
		c.Fatalf("while the clock is behind: %d, %v", n, err)
	}
	c.tick(20 * time.Second)
	tokens, err = c.app.Refresh(c.Context(), tokens.Refresh)
	if err != nil {
		c.Fatal(err)
	}
	if _, err := c.sees(tokens.Access, look); !failsWith(err, "no committed disclosure") {
		c.Fatalf("a lease that had run out lives again: %v", err)
	}
}

func (c *moved) refreshComesLate() {
	first := c.signIn("casey")
	second, err := c.app.Refresh(c.Context(), first.Refresh)
	if err != nil {
		c.Fatal(err)
	}
	c.move(2 * time.Minute)
	c.tick(0)
	c.move(-2 * time.Minute)
	c.tick(2 * time.Minute)
	if _, err := c.app.Refresh(c.Context(), first.Refresh); err == nil {
		c.Fatal("a refresh token whose time was over works again")
	}
	if _, err := c.app.Refresh(c.Context(), second.Refresh); err == nil {
		c.Fatal("its second use has not ended the session")
	}
}

func (c *moved) delayStays() {
	try := func(password string) error {
		_, err := c.app.SignIn(c.Context(), tenancy.Credentials{User: "carla", Password: password, Tenant: "cedar"})
		return err
	}
	for n := range 9 { // five are free, then each closes for longer: 1 s, 2 s, 4 s, 8 s
		if try("wrong horse battery") == nil {
			c.Fatal("a wrong password")
		}
		if n >= 5 && n < 8 {
			c.move(time.Second<<(n-5) + time.Second)
		}
	}
	c.tick(0)
	c.move(-6 * time.Hour)
	c.tick(6 * time.Hour)
	if try(wardtest.Password) == nil {
		c.Fatal("the delay after failures is gone because the clock went back")
	}
	c.move(10 * time.Second)
	if err := try(wardtest.Password); err != nil {
		c.Fatalf("the delay grew with the step of the clock: %v", err)
	}
	c.tick(0)
}

func (c *moved) grantRunsOut() {
	review, err := tenancy.Open(c.Context(), c.cluster.DSN("ward_reviewer", "postgres"))
	if err != nil {
		c.Fatal(err)
	}
	c.Cleanup(review.Close)
	// on call for four hours since the database was filled
	omar := tenancy.Credentials{User: "omar", Password: wardtest.Password, Audience: tenancy.ReviewAudience}
	if _, err := c.super.Exec(c.Context(), "update tenancy.reviewer_grant set starts_at = n, "+
		"expires_at = n + interval '4 hours' from clock_timestamp() n where role = 'on_call_engineer'"); err != nil {
		c.Fatal(err)
	}
	if _, err := review.SignIn(c.Context(), omar); err != nil {
		c.Fatal(err)
	}
	c.move(4*time.Hour + time.Minute)
	if _, err := review.SignIn(c.Context(), omar); err == nil {
		c.Fatal("the grant holds after four hours")
	}
	c.tick(0)
	c.move(-2 * time.Hour)
	c.tick(2 * time.Hour)
	if _, err := review.SignIn(c.Context(), omar); err == nil {
		c.Fatal("an on-call grant that was over holds again")
	}
}

func (c *moved) sessionRunsOut() {
	tokens := c.signIn("casey")
	c.move(12*time.Hour + time.Minute)
	c.tick(0)
	c.move(-10 * time.Hour)
	c.tick(10 * time.Hour)
	if _, err := c.app.Refresh(c.Context(), tokens.Refresh); err == nil {
		c.Fatal("a session that had run out is refreshed")
	}
}

// A clock that is set right by a few seconds ends nobody's work.
func (c *moved) smallStep() {
	token := c.signIn("casey").Access
	c.tick(0)
	c.move(-3 * time.Second)
	defer c.move(3 * time.Second)
	c.tick(0)
	if _, why := c.begin(token, nil); why != "" {
		c.Fatal(why)
	}
}

// The chain goes by what was committed when, not by what a clock said.
func (c *moved) chainKeepsItsOrder() {
	write := func() {
		env := wardtest.On(c.T, c.super)
		env.Patient(tenancy.NewSession(c.app, c.signIn("casey"), time.Now, nil), "cedar", "Canary")
		if err := audit.SealAll(c.Context(), c.worker); err != nil {
			c.Fatal(err)
		}
	}
	write()
	c.move(-time.Hour)
	c.tick(time.Hour)
	write()
	back := one[int](c, "select count(*) from (select recorded_at < lag(recorded_at) over (partition by tenant_id "+
		"order by seq) - interval '50 minutes' as back from audit.chain) x where back")
	wrong := one[int](c, `select count(*) from (select event_id < lag(event_id) over w or sealed_at < lag(sealed_at)
		over w or seq <> lag(seq) over w + 1 as wrong
		from audit.chain window w as (partition by tenant_id order by seq)) x where wrong`)
	if back == 0 || wrong != 0 {
		c.Fatalf("the clock went back within %d chains; %d places are out of order", back, wrong)
	}
	if n := one[int](c, "select count(*) from audit.event e where not exists (select from audit.chain c "+
		"where c.event_id = e.event_id)"); n != 0 {
		c.Fatalf("%d events have no place", n)
	}
}

// Before the first partition and after the last, an event cannot be written; hence nothing is shown.
func (c *moved) noPartition() {
	tokens, look := c.signIn("casey"), uuid.New()
	for _, by := range []time.Duration{-100 * 24 * time.Hour, 300 * 24 * time.Hour} {
		c.move(by)
		err := c.super.QueryRow(c.Context(), "select tenancy.ask($1, $2, 'public.patients', $3)", tokens.Access, look,
			[]uuid.UUID{c.patient}).Scan(new(any))
		if !failsWith(err, "no partition of relation") {
			c.Errorf("an ask where no month is: %v", err)
		}
		c.move(-by)
	}
}
