package tenancy_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/ward-health/ward/internal/wardtest"
	"github.com/ward-health/ward/tenancy"
)

// A person who is about to lose their access keeps a transaction open that holds the row of their session (a refresh
// locks it) and, by an uncommitted sign-in, shares of the rows that name them. Whoever ends their access does not wait
// for that, and the end holds when the transaction commits.
func TestEndDoesNotWaitForWhoIsEnded(t *testing.T) {
	s := newScene(t)
	root := s.Reviewer("root")
	member := func(user string) string {
		return wardtest.One[string](s.Env, "select m.id::text from tenancy.membership m join tenancy.users u "+
			"on u.id = m.user_id where u.slug = $1 and m.tenant_id = $2 and m.terminated_at is null", user, s.cedar)
	}
	id := func(user string) string {
		return wardtest.One[string](s.Env, "select id::text from tenancy.users where slug = $1", user)
	}
	for _, end := range []struct {
		name, user, why string
		do              func(ctx context.Context, session *tenancy.Session) error
	}{
		{"a revoked session", "casey", "session_revoked", func(ctx context.Context, held *tenancy.Session) error {
			_, err := root.RevokeSession(ctx, held.Tokens().SessionID.String(), "lost telephone")
			return err
		}},
		{"every session of a person", "casey", "session_revoked", func(ctx context.Context, _ *tenancy.Session) error {
			_, err := root.RevokeSessions(ctx, "casey", "lost telephone")
			return err
		}},
		{"signing out everywhere", "carla", "session_revoked", func(ctx context.Context, _ *tenancy.Session) error {
			_, err := s.App("carla", "cedar").SignOutEverywhere(ctx)
			return err
		}},
		{"a terminated membership", "carla", "membership_ended",
			func(ctx context.Context, _ *tenancy.Session) error {
				_, err := root.Terminate(ctx, member("carla"), id("carla"), "left", nil)
				return err
			}},
		{"a disabled person", "casey", "user_disabled", func(ctx context.Context, _ *tenancy.Session) error {
			_, err := root.DisableUser(ctx, "casey", "left")
			return err
		}},
	} {
		t.Run(end.name, func(t *testing.T) {
			held := s.App(end.user, "cedar")
			tokens := held.Tokens()
			a := s.conn(t)
			ticket := value[string](a, "select tenancy.sign_in($1, $2, 'cedar')", end.user, wardtest.Password)
			a.must("begin")
			a.must("select tenancy.signed_in($1)", ticket)
			next := value[string](a, "select (tenancy.refresh($1)).access_token", tokens.Refresh)
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			if err := end.do(ctx, held); err != nil {
				t.Fatalf("with the session's row held: %v", err)
			}
			a.must("commit")
			for _, token := range []string{tokens.Access, next} {
				if why := a.begin(token, uuid.Nil); why != end.why {
					t.Errorf("a token of the ended session: %q, want %q", why, end.why)
				}
				a.must("rollback")
			}
			_, err := held.DB().Refresh(t.Context(), tokens.Refresh)
			if refused := (*tenancy.RefusedError)(nil); !errors.As(err, &refused) {
				t.Errorf("a refresh of the ended session: %v", err)
			}
		})
	}
}
