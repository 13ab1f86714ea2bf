package tenancy_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ward-health/ward/internal/wardtest"
	"github.com/ward-health/ward/tenancy"
)

// scene is a database with one patient in each clinic and the tokens of those who work there. The attacker speaks SQL
// as ward_app, logged in as that role, and holds whatever tokens a test gives them.
type scene struct {
	*wardtest.Env
	t             *testing.T
	cedar, harbor uuid.UUID
	mine, theirs  uuid.UUID // patients of cedar and harbor, of last name Canarycedar and Canaryharbor
	tokens        map[string]string
}

// newScene runs its test beside others, each in a database of its own.
func newScene(t *testing.T) *scene {
	t.Helper()
	t.Parallel()
	return newQuietScene(t)
}

// newQuietScene runs its test alone in this package, for one that measures the server.
func newQuietScene(t *testing.T) *scene {
	t.Helper()
	e := wardtest.New(t)
	s := &scene{Env: e, t: t, cedar: e.TenantID("cedar"), harbor: e.TenantID("harbor"), tokens: map[string]string{}}
	s.mine = e.Patient(e.App("casey", "cedar"), "cedar", "Canarycedar")
	s.theirs = e.Patient(e.App("hugo", "harbor"), "harbor", "Canaryharbor")
	return s
}

// token is an access token of somebody, written "user@tenant".
func (s *scene) token(who string) string {
	s.t.Helper()
	if tok, ok := s.tokens[who]; ok {
		return tok
	}
	user, tenant, _ := strings.Cut(who, "@")
	s.tokens[who] = s.App(user, tenant).Tokens().Access
	return s.tokens[who]
}

// conn is a connection as ward_app, closed with the test.
func (s *scene) conn(t *testing.T) *attacker {
	t.Helper()
	return s.connAs(t, "ward_app")
}

func (s *scene) connAs(t *testing.T, role string) *attacker {
	t.Helper()
	return connect(t, s.DB.DSN(role))
}

// attacker is one bare connection: nothing is wiped, refreshed or retried for it.
type attacker struct {
	t *testing.T
	*pgx.Conn
	why string // the sentence of the last refusal
}

func connect(t *testing.T, dsn string) *attacker {
	t.Helper()
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		t.Fatalf("parse connection string: %v", err)
	}
	// no statement that DISCARD ALL could take from the driver
	config.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
	conn, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	t.Cleanup(func() { conn.Close(context.WithoutCancel(t.Context())) })
	return &attacker{t: t, Conn: conn}
}

// try runs a statement and gives its error.
func (a *attacker) try(sql string, args ...any) error {
	_, err := a.Exec(a.t.Context(), sql, args...)
	return err
}

// must runs a statement that has to work.
func (a *attacker) must(sql string, args ...any) {
	a.t.Helper()
	if err := a.try(sql, args...); err != nil {
		a.t.Fatalf("%s: %v", sql, err)
	}
}

// raw sends text as one message of the simple protocol, several statements and all.
func (a *attacker) raw(sql string) error {
	_, err := a.PgConn().Exec(a.t.Context(), sql).ReadAll()
	return err
}

// begin opens a transaction under a token and a disclosure (uuid.Nil: none) and gives the reason of a refusal, "" when
// accepted.
func (a *attacker) begin(token string, disclosure uuid.UUID) string {
	a.t.Helper()
	a.must("begin")
	return a.identify(token, disclosure)
}

func (a *attacker) identify(token string, disclosure uuid.UUID) string {
	a.t.Helper()
	why, err := a.tryIdentify(token, disclosure)
	if err != nil {
		a.t.Fatalf("tenancy.begin: %v", err)
	}
	return why
}

// tryIdentify begins an identity; why is the code of a refusal, "" when there was none.
func (a *attacker) tryIdentify(token string, disclosure uuid.UUID) (why string, err error) {
	var d *uuid.UUID
	if disclosure != uuid.Nil {
		d = &disclosure
	}
	err = a.QueryRow(a.t.Context(), "select coalesce(tenancy.begin($1, $2), '')", token, d).Scan(&why)
	why, a.why, _ = strings.Cut(why, ": ")
	return why, err
}

// accepted opens a transaction that must be accepted.
func (a *attacker) accepted(token string, disclosure uuid.UUID) {
	a.t.Helper()
	if why := a.begin(token, disclosure); why != "" {
		a.t.Fatalf("begin refused: %s", why)
	}
}

// asked is a committed disclosure of patients.
func (a *attacker) asked(token string, ids ...uuid.UUID) uuid.UUID {
	a.t.Helper()
	d := uuid.New()
	a.accepted(token, uuid.Nil)
	a.must("select audit.disclose($1, 'public.patients', $2)", d, ids)
	a.must("commit")
	return d
}

// names reads the last names that a query gives.
func (a *attacker) names(sql string, args ...any) ([]string, error) {
	rows, err := a.Query(a.t.Context(), sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

const readNames = "select last_name from phi.patients order by 1"

// sees fails unless the query gives exactly these names.
func (a *attacker) sees(want ...string) {
	a.t.Helper()
	got, err := a.names(readNames)
	if err != nil || strings.Join(got, ",") != strings.Join(want, ",") {
		a.t.Fatalf("sees %d records (%v), want %v", len(got), err, want)
	}
}

// refused fails unless err is one of PostgreSQL's with this SQLSTATE and, in its message, these words; it also holds
// that no canary is in it.
func refused(t *testing.T, err error, code, words string) {
	t.Helper()
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		t.Fatalf("not refused (%v), want %s %q", err, code, words)
	}
	if pg.Code != code || !strings.Contains(pg.Message, words) {
		t.Fatalf("refused by %s %q, want %s %q", pg.Code, pg.Message, code, words)
	}
	if strings.Contains(pg.Message+pg.Detail+pg.Hint, "Canary") {
		t.Fatalf("the refusal repeats a value: %s", pg.Code)
	}
}

// value reads one value.
func value[T any](a *attacker, sql string, args ...any) T {
	a.t.Helper()
	var v T
	if err := a.QueryRow(a.t.Context(), sql, args...).Scan(&v); err != nil {
		a.t.Fatalf("%s: %v", sql, err)
	}
	return v
}

// super runs a statement as the superuser: to arrange, or to take a defence away and see the attack work.
func (s *scene) super(sql string, args ...any) {
	s.t.Helper()
	err := s.Super.AcquireFunc(s.t.Context(), func(conn *pgxpool.Conn) error {
		// the test itself may hold what this waits for
		if _, err := conn.Exec(s.t.Context(), "set lock_timeout = '10s'"); err != nil {
			return err
		}
		_, err := conn.Exec(s.t.Context(), sql, args...)
		return err
	})
	if err != nil {
		s.t.Fatalf("%s: %v", sql, err)
	}
}

// events counts events, as superuser.
func (s *scene) events(where string, args ...any) int {
	s.t.Helper()
	return wardtest.One[int](s.Env, "select count(*) from audit.event where "+where, args...)
}

// eventually polls a condition.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	limit := time.NewTimer(20 * time.Second)
	defer limit.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-limit.C:
			t.Fatalf("%s: has not happened in 20 s", what)
		case <-tick.C:
		}
	}
}

func ask(ids ...uuid.UUID) tenancy.Ask {
	return tenancy.Ask{Table: "public.patients", IDs: ids, Purpose: "treatment"}
}
