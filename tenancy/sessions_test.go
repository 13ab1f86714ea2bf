package tenancy_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/ward-health/ward/internal/wardtest"
	"github.com/ward-health/ward/tenancy"
)

// works says whether a session's identity is accepted.
func works(t *testing.T, s *tenancy.Session) error {
	t.Helper()
	return s.Tx(t.Context(), uuid.Nil, func(tenancy.Tx) error { return nil })
}

// Signing out everywhere ends each session of the person, in every clinic and application, and nobody else's; each is
// an event in its clinic.
func TestSignOutEverywhere(t *testing.T) {
	s := newScene(t)
	s.super("insert into tenancy.reviewer_grant (user_id, role, reason) select id, 'auditor', 'second line' " +
		"from tenancy.users where slug = 'casey'")
	mine := []*tenancy.Session{s.App("casey", "cedar"), s.App("casey", "cedar"), s.App("casey", "harbor"),
		s.Reviewer("casey")}
	other := s.App("carla", "cedar")
	live := wardtest.One[int](s.Env, "select count(*) from tenancy.session s join tenancy.users u "+
		"on u.id = s.user_id where u.slug = 'casey' and revoked_at is null")
	const where = "action = 'sign_out' and user_id = (select id from tenancy.users where slug = 'casey')"
	before := s.events(where)
	a := s.conn(t)
	a.accepted(mine[2].Tokens().Access, uuid.Nil) // open meanwhile
	n, err := mine[0].SignOutEverywhere(t.Context())
	if err != nil || n != live || n < len(mine) {
		t.Fatalf("%d sessions ended, %v; want %d", n, err, live)
	}
	refused(t, a.try("select tenancy.tenant_id()"), "28000", "session has ended")
	a.must("rollback")
	for i, session := range mine {
		if err := works(t, session); fmt.Sprint(err) != "identity refused: this session was revoked" {
			t.Errorf("session %d: %v", i, err)
		}
		if _, err := session.DB().Refresh(t.Context(), session.Tokens().Refresh); err == nil {
			t.Errorf("session %d refreshes", i)
		}
	}
	if err := works(t, other); err != nil {
		t.Errorf("somebody else: %v", err)
	}
	if n := s.events(where) - before; n != live {
		t.Errorf("%d events, want %d", n, live)
	}
	if n := s.events(where+" and tenant_id = $1", s.harbor); n != 1 {
		t.Errorf("%d events at harbor, want 1", n)
	}
}

// An administrator sees and ends live sessions within reach; a look and an end are events in the clinic concerned.
func TestRevokeSessions(t *testing.T) {
	s := newScene(t)
	root, dana := s.Reviewer("root"), s.Reviewer("dana")
	one, two, hugo := s.App("carla", "cedar"), s.App("carla", "cedar"), s.App("hugo", "harbor")
	list, err := root.Sessions(t.Context(), "carla")
	if err != nil || len(list) != 2 || list[0].Tenant == nil || *list[0].Tenant != "cedar" ||
		list[0].Method != "password" {
		t.Fatalf("%+v, %v", list, err)
	}
	if n := s.events("action = 'browse' and tenant_id = $1 and detail::jsonb->'ids' @> to_jsonb(array[$2::text])",
		s.cedar, one.Tokens().SessionID.String()); n != 1 {
		t.Errorf("%d events at cedar name the session that was shown, want 1", n)
	}
	// an administrator of one clinic reaches that clinic's sessions and no reviewer's
	s.super("insert into tenancy.reviewer_grant (user_id, role, tenant_id, reason) select id, 'administrator', $1, "+
		"'branch' from tenancy.users where slug = 'frank'", s.cedar)
	frank := s.Reviewer("frank")
	all, err := frank.Sessions(t.Context(), "")
	if err != nil || len(all) < 2 {
		t.Fatalf("%d sessions, %v", len(all), err)
	}
	for _, l := range all {
		if l.Tenant == nil || *l.Tenant != "cedar" {
			t.Errorf("frank, of cedar, sees a session of %s", l.User)
		}
	}
	if n := s.events("action = 'browse' and tenant_id = $1 and user_id = (select id from tenancy.users where "+
		"slug = 'frank')", s.harbor); n != 0 {
		t.Errorf("frank's look, of cedar, left %d events at harbor", n)
	}
	for _, target := range []*tenancy.Session{hugo, dana, root} {
		if _, err := frank.RevokeSession(t.Context(), target.Tokens().SessionID.String(), "out of reach"); err == nil ||
			works(t, target) != nil {
			t.Errorf("frank ended a session out of reach: %v", err)
		}
	}
	if done, err := frank.RevokeSessions(t.Context(), "hugo", "out of reach"); err != nil || done.SessionsEnded != 0 ||
		works(t, hugo) != nil {
		t.Errorf("frank ended sessions of hugo: %+v, %v", done, err)
	}
	if _, err := dana.RevokeSession(t.Context(), one.Tokens().SessionID.String(), "not an administrator"); err == nil {
		t.Error("a compliance officer ended a session")
	}
	if _, err := frank.RevokeSession(t.Context(), one.Tokens().SessionID.String(), ""); err == nil {
		t.Error("ended without a reason")
	}
	done, err := frank.RevokeSession(t.Context(), one.Tokens().SessionID.String()[:13], "lost telephone")
	if err != nil || done.SessionsEnded != 1 || done.Sessions[0] != one.Tokens().SessionID {
		t.Fatalf("%+v, %v", done, err)
	}
	if err := works(t, one); fmt.Sprint(err) != "identity refused: this session was revoked" || works(t, two) != nil {
		t.Fatalf("%v", err)
	}
	if n := s.events("action = 'revoke' and tenant_id = $1 and detail::jsonb->>'session' = $2 and "+
		"detail::jsonb->>'reason' = 'lost telephone'", s.cedar, one.Tokens().SessionID.String()); n != 1 {
		t.Errorf("%d events, want 1", n)
	}
	// the scene's and this one
	if done, err = root.RevokeSessions(t.Context(), "hugo", "left his desk"); err != nil || done.SessionsEnded != 2 ||
		works(t, hugo) == nil {
		t.Errorf("%+v, %v", done, err)
	}
	if list, err = root.Sessions(t.Context(), "hugo"); err != nil || len(list) != 0 {
		t.Errorf("%d sessions of hugo, %v", len(list), err)
	}
}

// Keys rotate with an overlap: the new one signs at once, the old one verifies until its tokens have run out and loses
// its secret; at once, it verifies nothing any more, and sessions go on with a refresh.
func TestKeyRotation(t *testing.T) {
	s := newScene(t)
	root := s.Reviewer("root")
	a := s.conn(t)
	old := s.App("casey", "cedar").Tokens().Access
	oldHead, _ := parts(t, old)
	done, err := root.RotateKey(t.Context(), false)
	if err != nil || done.ID == "" || done.ID == oldHead["kid"] {
		t.Fatalf("%+v, %v", done, err)
	}
	next := s.App("casey", "cedar")
	if head, _ := parts(t, next.Tokens().Access); head["kid"] != done.ID {
		t.Fatalf("signed with %v, want the new key", head["kid"])
	}
	a.accepted(old, uuid.Nil)
	a.must("rollback")
	if d := wardtest.One[float64](s.Env, "select extract(epoch from retire_at - clock_timestamp())::float8 "+
		"from tenancy.signing_key where kid = $1", oldHead["kid"]); d < 500 || d > 600 {
		t.Errorf("the old key verifies for %v s more, want the life of an access token", d)
	}
	s.super("update tenancy.signing_key set retire_at = clock_timestamp() where kid = $1", oldHead["kid"])
	s.refusal(t, a, old, "bad_signature")
	s.refresh(t, next.DB(), next.Tokens().Refresh) // the next token that is signed
	if n := wardtest.One[int](s.Env, "select count(*) from tenancy.signing_key where kid = $1 and secret is null "+
		"and retired_at is not null", oldHead["kid"]); n != 1 {
		t.Error("a retired key keeps its secret")
	}

	before := next.Tokens().Access
	again, err := root.RotateKey(t.Context(), true)
	if err != nil {
		t.Fatal(err)
	}
	s.refusal(t, a, before, "bad_signature")
	if n := wardtest.One[int](s.Env, "select count(*) from tenancy.signing_key where secret is not null"); n != 1 {
		t.Errorf("%d keys have a secret, want 1", n)
	}
	if err := works(t, next); err != nil || next.Tokens().Access == before {
		t.Errorf("the session does not go on: %v", err)
	}
	keys, err := root.SigningKeys(t.Context()) // root's own token was of the old key
	if err != nil || len(keys) != 3 || keys[0].ID != again.ID || keys[0].State != "signs" ||
		keys[1].State != "retired" || keys[1].RetiredAt == nil {
		t.Errorf("%+v, %v", keys, err)
	}
	if n := s.events("action = 'configure' and detail::jsonb->>'what' = 'key rotate' and "+
		"detail::jsonb->>'kid' in ($1, $2)", done.ID, again.ID); n != 2 {
		t.Errorf("%d events, want 2", n)
	}
	dana := s.Reviewer("dana")
	if _, err := dana.RotateKey(t.Context(), true); err == nil {
		t.Error("a compliance officer rotated the key")
	}
	if _, err := dana.SigningKeys(t.Context()); err == nil {
		t.Error("a compliance officer listed the keys")
	}
}

// login makes a login role of its own for a test.
func (s *scene) login(t *testing.T, member string) string {
	t.Helper()
	name := "t_" + uuid.NewString()[:8]
	s.super("create role " + name + " login in role " + member)
	t.Cleanup(func() {
		if _, err := s.Super.Exec(context.WithoutCancel(t.Context()), "drop role "+name); err != nil {
			t.Errorf("drop role: %v", err)
		}
	})
	return name
}

// Each application has its audience and its login: what one signed in, another neither uses nor refreshes, and it signs
// nobody in as the other.
func TestAudiences(t *testing.T) {
	s := newScene(t)
	portal, kiosk := s.login(t, "ward_app"), s.login(t, "ward_app")
	root := s.Reviewer("root")
	for role, want := range map[string]string{"ward_worker": "is no login that has ward_app's rights",
		"postgres":      "is no login that has ward_app's rights",
		"nobody_at_all": "is no login that has ward_app's rights"} {
		if err := root.AddApplication(t.Context(), "bad", role, ""); err == nil {
			t.Errorf("an application for %s, want %q", role, want)
		}
	}
	if err := s.Reviewer("dana").AddApplication(t.Context(), "portal", portal, ""); err == nil {
		t.Error("a compliance officer added an application")
	}
	for aud, role := range map[string]string{"portal": portal, "kiosk": kiosk} {
		if err := root.AddApplication(t.Context(), aud, role, "for patients"); err != nil {
			t.Fatal(err)
		}
	}
	list, err := root.Applications(t.Context())
	if err != nil || len(list) != 4 || list[0].Audience != "app" || list[0].LoginRole != "ward_app" {
		t.Fatalf("%+v, %v", list, err)
	}
	if n := s.events("action = 'configure' and detail::jsonb->>'what' = 'application add'"); n != 2 {
		t.Errorf("%d events, want 2", n)
	}

	logins := map[string]string{"app": "ward_app", "portal": portal, "kiosk": kiosk}
	tokens := map[string]tenancy.Tokens{}
	for login, role := range logins {
		db := s.Open(role)
		for aud := range logins {
			got, err := db.SignIn(t.Context(),
				tenancy.Credentials{User: "carla", Password: wardtest.Password, Audience: aud})
			if (err == nil) != (aud == login) {
				t.Errorf("%s signing in to %s: %v", login, aud, err)
			}
			if err == nil {
				tokens[aud] = got
			}
		}
	}
	for login, role := range logins {
		a, db := s.connAs(t, role), s.Open(role)
		for aud := range logins {
			if aud == login {
				continue
			}
			s.refusal(t, a, tokens[aud].Access, "wrong_application")
			if _, err := db.Refresh(t.Context(), tokens[aud].Refresh); err == nil {
				t.Errorf("%s refreshed a token of %s", login, aud)
			}
		}
	}
	for aud, role := range logins { // none of that spoiled them
		session := tenancy.NewSession(s.Open(role), s.refresh(t, s.Open(role), tokens[aud].Refresh), time.Now, nil)
		if err := works(t, session); err != nil {
			t.Errorf("%s: %v", aud, err)
		}
	}
	if n := s.events("action = 'refresh' and outcome = 'denied' and detail::jsonb->>'code' = " +
		"'wrong_application'"); n != 6 {
		t.Errorf("%d events of refused refreshes, want 6", n)
	}
	if _, err := s.Super.Exec(t.Context(), "insert into tenancy.session (user_id, aud, expires_at) "+
		"select id, 'none', now() from tenancy.users limit 1"); err == nil {
		t.Error("a session of an application that there is not")
	}
}
