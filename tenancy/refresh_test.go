package tenancy_test

import (
	"encoding/json"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"

	"github.com/ward-health/ward/internal/wardtest"
	"github.com/ward-health/ward/tenancy"
)

// aged moves the use of every refresh token into the past.
func (s *scene) aged(by string) {
	s.super("update tenancy.refresh_token set used_at = used_at - $1::text::interval where used_at is not null", by)
}

const refreshRefused = "identity refused: this session cannot be refreshed: sign in again"

// reused holds that the token is refused as a second use, that the session is revoked by that, and that it stands.
func (s *scene) reused(t *testing.T, db *tenancy.DB, token string, newest tenancy.Tokens) {
	t.Helper()
	before := s.events("action = 'refresh' and outcome = 'denied' and detail::jsonb->>'code' = 'token_reused'")
	if _, err := db.Refresh(t.Context(), token); err == nil || err.Error() != refreshRefused {
		t.Fatalf("a used refresh token: %v", err)
	}
	if n := s.events("action = 'refresh' and outcome = 'denied' and detail::jsonb->>'code' = "+
		"'token_reused'") - before; n != 1 {
		t.Fatalf("%d events of the reuse, want 1", n)
	}
	a := s.conn(t)
	if why := a.begin(newest.Access, uuid.Nil); why != "session_revoked" {
		t.Fatalf("the newest access token: %q", why)
	}
	a.must("rollback")
	if _, err := db.Refresh(t.Context(), newest.Refresh); err == nil {
		t.Fatal("the newest refresh token lives on")
	}
}

func (s *scene) refresh(t *testing.T, db *tenancy.DB, token string) tenancy.Tokens {
	t.Helper()
	tokens, err := db.Refresh(t.Context(), token)
	if err != nil {
		t.Fatalf("refresh: %v", err)
	}
	return tokens
}

// A refresh token that comes back after its time: somebody holds a copy. The session ends, although the call is
// refused.
func TestRefreshTokenReuse(t *testing.T) {
	s := newScene(t)
	t.Run("no exceptions", func(t *testing.T) {
		s.super("update tenancy.setting set refresh_grace = '0', refresh_parent = '0'")
		first := s.App("casey", "cedar")
		second := s.refresh(t, first.DB(), first.Tokens().Refresh)
		s.reused(t, first.DB(), first.Tokens().Refresh, second)
		s.super("update tenancy.setting set refresh_grace = default, refresh_parent = default")
	})
	t.Run("two tabs at once, within seconds", func(t *testing.T) {
		first := s.App("casey", "cedar")
		second := s.refresh(t, first.DB(), first.Tokens().Refresh)
		third := s.refresh(t, first.DB(), second.Refresh)
		s.aged("9 seconds")
		if again := s.refresh(t, first.DB(), first.Tokens().Refresh); again.Refresh != second.Refresh {
			t.Fatal("a second branch")
		}
		s.aged("2 seconds")
		s.reused(t, first.DB(), first.Tokens().Refresh, third)
	})
	t.Run("the answer was lost, within a minute", func(t *testing.T) {
		first := s.App("casey", "cedar")
		second := s.refresh(t, first.DB(), first.Tokens().Refresh)
		s.aged("58 seconds")
		if again := s.refresh(t, first.DB(), first.Tokens().Refresh); again.Refresh != second.Refresh {
			t.Fatal("a second branch")
		}
		s.aged("3 seconds")
		s.reused(t, first.DB(), first.Tokens().Refresh, second)
	})
	t.Run("the answer was not lost", func(t *testing.T) {
		first := s.App("casey", "cedar")
		second := s.refresh(t, first.DB(), first.Tokens().Refresh)
		s.aged("11 seconds")
		third := s.refresh(t, first.DB(), second.Refresh)
		s.reused(t, first.DB(), first.Tokens().Refresh, third)
	})
	t.Run("a token so old that its row is gone", func(t *testing.T) {
		first := s.App("casey", "cedar")
		newest := first.Tokens()
		for range 40 {
			newest = s.refresh(t, first.DB(), newest.Refresh)
			s.aged("2 minutes")
		}
		if n := wardtest.One[int](s.Env, "select count(*) from tenancy.refresh_token where session_id = $1",
			newest.SessionID); n > 3 {
			t.Errorf("%d rows of one session after forty refreshes", n)
		}
		if n := wardtest.One[int](s.Env, "select cardinality(issued) from tenancy.session where session_id = $1",
			newest.SessionID); n != 32 {
			t.Errorf("%d ids of access tokens are kept, want 32", n)
		}
		s.reused(t, first.DB(), first.Tokens().Refresh, newest)
	})
	t.Run("made up", func(t *testing.T) {
		first := s.App("casey", "cedar")
		good := first.Tokens().Refresh
		for _, token := range []string{"", "x", good + "0", strings.Repeat("0", len(good)),
			good[:97] + strings.Repeat("0", 32), good[:33] + strings.Repeat("0", 64) + good[97:]} {
			if _, err := first.DB().Refresh(t.Context(), token); err == nil {
				t.Fatalf("accepted")
			}
		}
		s.refresh(t, first.DB(), good) // none of it ended the session
	})
	t.Run("settings have a maximum", func(t *testing.T) {
		for _, set := range []string{"refresh_grace = '61 seconds'", "refresh_parent = '301 seconds'",
			"refresh_parent = '-1 second'", "access_token = '11 minutes'"} {
			if _, err := s.Super.Exec(t.Context(), "update tenancy.setting set "+set); err == nil {
				t.Errorf("%s is accepted", set)
			}
		}
	})
	if n := wardtest.One[int](s.Env,
		"select count(*) from tenancy.refresh_token where octet_length(sha256) <> 32"); n != 0 {
		t.Error("something else than a hash is kept")
	}
}

// A refresh token is kept as its SHA-256 only, and its successor cannot be made from what is kept.
func TestRefreshTokenIsNotStored(t *testing.T) {
	s := newScene(t)
	session := s.App("casey", "cedar")
	tokens := s.refresh(t, session.DB(), session.Tokens().Refresh)
	for _, token := range []string{session.Tokens().Refresh, tokens.Refresh} {
		secret := strings.Split(token, ".")[1]
		for _, table := range []string{"tenancy.refresh_token", "tenancy.session", "audit.event"} {
			if n := wardtest.One[int](s.Env, "select count(*) from "+table+" x where x::text like '%' || $1 || '%'",
				secret); n != 0 {
				t.Errorf("%s holds a refresh token", table)
			}
		}
		if n := wardtest.One[int](s.Env,
			"select count(*) from tenancy.refresh_token where sha256 = sha256(convert_to($1, 'utf8'))", token); n != 1 {
			t.Errorf("%d rows by its SHA-256", n)
		}
	}
}

// Twenty processes refresh one token at once: all get the same successor, nobody is signed out, and there is one
// family, which goes on.
func TestParallelRefreshes(t *testing.T) {
	s := newScene(t)
	session := s.App("casey", "cedar")
	token := session.Tokens().Refresh
	const many = 20
	conns := make([]*attacker, many)
	for i := range conns {
		conns[i] = s.conn(t)
	}
	for round := range 3 {
		answers := make([]tenancy.Tokens, many)
		var wg sync.WaitGroup
		start := make(chan struct{})
		for i, a := range conns {
			wg.Go(func() {
				<-start
				var raw []byte
				err := a.QueryRow(t.Context(), "select to_jsonb(s) from tenancy.refresh($1) s", token).Scan(&raw)
				if err == nil {
					err = json.Unmarshal(raw, &answers[i])
				}
				if err != nil {
					t.Errorf("refresh: %v", err)
				}
			})
		}
		close(start)
		wg.Wait()
		for i, got := range answers {
			if got.Refresh == "" || got.Refresh != answers[0].Refresh {
				t.Fatalf("round %d: two successors, or none", round)
			}
			if why := conns[i].begin(got.Access, uuid.Nil); why != "" {
				t.Fatalf("round %d: the access token of call %d is refused: %s", round, i, why)
			}
			conns[i].must("rollback")
		}
		token = answers[0].Refresh
	}
	if n := wardtest.One[int](s.Env, "select count(*) from tenancy.refresh_token where session_id = $1 "+
		"and used_at is null", session.Tokens().SessionID); n != 1 {
		t.Errorf("%d refresh tokens of the session can be used for the first time, want 1", n)
	}
	if n := s.events("action = 'refresh' and outcome = 'ok' and session_id = $1",
		session.Tokens().SessionID); n != 3*many {
		t.Errorf("%d events of %d refreshes", n, 3*many)
	}
}

// A refresh that is rolled back, so that it is neither on record nor counted as a use, gives nothing that works.
func TestRolledBackRefresh(t *testing.T) {
	s := newScene(t)
	session := s.App("casey", "cedar")
	a := s.conn(t)
	stolen := session.Tokens().Refresh
	a.must("begin")
	access := value[string](a, "select access_token from tenancy.refresh($1)", stolen)
	a.must("rollback")
	s.refusal(t, a, access, "not_issued")
	s.refresh(t, session.DB(), stolen) // its owner's own refresh commits
	s.refusal(t, a, access, "not_issued")
	a.must("begin")
	access = value[string](a, "select access_token from tenancy.refresh($1)", stolen) // within the grace
	a.must("rollback")
	s.refusal(t, a, access, "not_issued")
}
