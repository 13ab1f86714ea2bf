package tenancy_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ward-health/ward/internal/wardtest"
	"github.com/ward-health/ward/queries"
	"github.com/ward-health/ward/tenancy"
)

// narrow is a session of casey's on a pool of one connection, so that what a failure leaves in it shows.
func (s *scene) narrow() *tenancy.Session {
	s.t.Helper()
	db, err := tenancy.Open(s.t.Context(), s.DB.DSN("ward_app")+"&pool_max_conns=1")
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(db.Close)
	tokens, err := db.SignIn(s.t.Context(),
		tenancy.Credentials{User: "casey", Password: wardtest.Password, Tenant: "cedar"})
	if err != nil {
		s.t.Fatal(err)
	}
	return tenancy.NewSession(db, tokens, time.Now, nil)
}

// works fails unless the session reads as ever.
func (s *scene) works(t *testing.T, session *tenancy.Session) {
	t.Helper()
	var name string
	if err := session.Read(t.Context(), ask(s.mine), tenancy.Do(readNames).Scan(&name)); err != nil ||
		name != "Canarycedar" {
		t.Fatalf("the read after it: %v", err)
	}
}

func (s *scene) insert(id uuid.UUID) tenancy.Statement {
	return tenancy.Do("insert into public.patients (tenant_id, id, mrn, first_name, last_name) "+
		"values ($1, $2, 'm', 'f', 'Canarynew')", s.cedar, id)
}

// What a pipeline does when something fails in it: the right error, nothing shown, nothing half done, and the
// connection as good as before.
func TestPipelineFailures(t *testing.T) {
	s := newScene(t)
	casey := s.narrow()
	shown := false
	look := tenancy.Do(readNames).Rows(func(pgx.Rows) error { shown = true; return nil })
	var denied *tenancy.DeniedError
	exists := func(id uuid.UUID) bool {
		return wardtest.One[bool](s.Env, "select exists (select from public.patients where id = $1)", id)
	}
	t.Run("a denied ask stops what comes after it", func(t *testing.T) {
		id := uuid.New()
		a := ask(s.mine)
		a.Table = "tenancy.users"
		if err := casey.Write(t.Context(), a, s.insert(id)); !errors.As(err, &denied) || denied.SQLSTATE != "42704" {
			t.Fatalf("%v", err)
		}
		if exists(id) {
			t.Fatal("the write of a denied ask was committed")
		}
		s.works(t, casey)
	})
	t.Run("a failing statement undoes the others and shows nothing, and the ask stays on record", func(t *testing.T) {
		id, a := uuid.New(), ask(s.mine)
		a.ID = uuid.New()
		if err := casey.Read(t.Context(), a, look, s.insert(id), tenancy.Do("select 1/0"),
			look); !errors.As(err, &denied) || denied.SQLSTATE != "22012" {
			t.Fatalf("%v", err)
		}
		if shown || exists(id) || s.events("action = 'view' and disclosure_id = $1", a.ID) != 1 {
			t.Fatal("shown, half done, or not on record")
		}
		s.works(t, casey)
	})
	t.Run("a statement that ends the transaction", func(t *testing.T) {
		for _, sql := range []string{"commit", "rollback"} {
			if err := casey.Read(t.Context(), ask(s.mine), look, tenancy.Do(sql)); err == nil || shown {
				t.Fatalf("%s: %v", sql, err)
			}
			s.works(t, casey)
		}
	})
	t.Run("a parameter that does not fit is not repeated", func(t *testing.T) {
		err := casey.Read(t.Context(), ask(s.mine),
			tenancy.Do("select last_name from phi.patients where birth_date = $1", "Canary"))
		if err == nil || strings.Contains(err.Error(), "Canary") {
			t.Fatal("accepted, or the error repeats the value")
		}
		s.works(t, casey)
	})
	t.Run("a search that is denied", func(t *testing.T) {
		if err := casey.Find(t.Context(), tenancy.Search{Table: "public.patients",
			Where: []tenancy.Condition{{Column: "nope", Op: "="}}}, look); !errors.As(err, &denied) || shown {
			t.Fatalf("%v", err)
		}
		s.works(t, casey)
	})
	t.Run("a context that ends on the way", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- casey.Read(ctx, ask(s.mine), look, tenancy.Do("select pg_sleep(60)")) }()
		s.sleeping(t)
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) || shown {
			t.Fatalf("%v", err)
		}
		s.works(t, casey)
		eventually(t, "the server has stopped too", func() bool { return s.asleep() == 0 })
	})
	for name, run := range map[string]func() error{
		"Read": func() error { return casey.Read(t.Context(), ask(s.mine), look, tenancy.Do("select pg_sleep(60)")) },
		"Tx": func() error {
			return casey.Tx(t.Context(), uuid.Nil, func(tx tenancy.Tx) error {
				_, err := tx.Exec(t.Context(), "select pg_sleep(60)")
				return err
			})
		},
	} {
		t.Run("a connection lost in "+name, func(t *testing.T) {
			done := make(chan error)
			go func() { done <- run() }()
			s.super("select pg_terminate_backend($1)", s.sleeping(t))
			var unreachable *tenancy.UnreachableError
			if err := <-done; !errors.As(err, &unreachable) || shown {
				t.Fatalf("%v", err)
			}
			s.works(t, casey)
		})
	}
}

// asleep is the process of a backend in pg_sleep, 0 when there is none.
func (s *scene) asleep() int {
	return wardtest.One[int](s.Env, "select coalesce(max(pid), 0) from pg_stat_activity "+
		"where datname = current_database() and wait_event = 'PgSleep'")
}

// sleeping waits for that.
func (s *scene) sleeping(t *testing.T) (pid int) {
	t.Helper()
	eventually(t, "a statement sleeps", func() bool { pid = s.asleep(); return pid != 0 })
	return pid
}

// A refused identity is one committed event, whatever was to happen under it, and nothing happens.
func TestPipelineRefusals(t *testing.T) {
	s := newScene(t)
	casey := s.narrow()
	s.super("update tenancy.session set revoked_at = clock_timestamp() where session_id = $1", casey.Tokens().SessionID)
	id, shown := uuid.New(), false
	look := tenancy.Do(readNames).Rows(func(pgx.Rows) error { shown = true; return nil })
	for name, call := range map[string]func() error{
		"Read":         func() error { return casey.Read(t.Context(), ask(s.mine), look) },
		"Read, no SQL": func() error { return casey.Read(t.Context(), ask(s.mine)) },
		"Find":         func() error { return casey.Find(t.Context(), tenancy.Search{Table: "public.patients"}, look) },
		"Write": func() error {
			return casey.Write(t.Context(), ask(s.mine), tenancy.Do("delete from public.patients"))
		},
		"an insert": func() error { return casey.Write(t.Context(), tenancy.Ask{}, s.insert(id)) },
		"Again":     func() error { return casey.Again(t.Context(), uuid.New(), look) },
	} {
		t.Run(name, func(t *testing.T) {
			before := s.events("action = 'refuse'")
			var refused *tenancy.RefusedError
			if err := call(); !errors.As(err, &refused) || refused.Code != tenancy.RefusedRevoked || shown {
				t.Fatalf("%v", err)
			}
			if n := s.events("action = 'refuse'") - before; n != 1 {
				t.Fatalf("%d events of the refusal, want 1", n)
			}
		})
	}
	if wardtest.One[bool](s.Env, "select exists (select from public.patients where id = $1) or not exists (select "+
		"from public.patients where id = $2)", id, s.mine) {
		t.Fatal("something was written under a refused identity")
	}
}

// What was read may be changed under the same disclosure, while it lasts, and by nobody else.
func TestAgain(t *testing.T) {
	s := newScene(t)
	casey := s.narrow()
	a := ask(s.mine)
	a.ID = uuid.New()
	if err := casey.Read(t.Context(), a, tenancy.Do(readNames)); err != nil {
		t.Fatal(err)
	}
	update := "update public.patients set phone = '555' where id = $1"
	var n int64
	if err := casey.Again(t.Context(), a.ID, tenancy.Do(update, s.mine).Affected(&n)); err != nil || n != 1 {
		t.Fatalf("%d changed, %v", n, err)
	}
	var denied *tenancy.DeniedError
	if err := s.App("carla", "cedar").Again(t.Context(), a.ID, tenancy.Do(update, s.mine)); !errors.As(err, &denied) ||
		denied.SQLSTATE != "42501" {
		t.Fatalf("another's disclosure: %v", err)
	}
}

// tenancy.begin and tenancy.durable know ward's own statements by their whole text and do not search those.
func TestOwnTextsAreKnown(t *testing.T) {
	s := newScene(t)
	for function, text := range map[string]string{"tenancy.begin": "$own$" + queries.Pipelined("begin") + "$own$",
		"tenancy.durable": "'" + queries.Pipelined("commit") + "'"} {
		if !strings.Contains(wardtest.One[string](s.Env, "select prosrc from pg_proc where oid = $1::text::regproc",
			function), text) {
			t.Errorf("%s does not know %s", function, text)
		}
	}
}
