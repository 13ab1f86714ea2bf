package tenancy_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/ward-health/ward/internal/wardtest"
	"github.com/ward-health/ward/tenancy"
)

// parts are a token's header and claims.
func parts(t *testing.T, token string) (head, claims map[string]any) {
	t.Helper()
	fields := strings.Split(token, ".")
	for i, into := range []*map[string]any{&head, &claims} {
		raw, err := base64.RawURLEncoding.DecodeString(fields[i])
		if err != nil {
			t.Fatalf("token: %v", err)
		}
		if err := json.Unmarshal(raw, into); err != nil {
			t.Fatalf("token: %v", err)
		}
	}
	return head, claims
}

// with is a copy of claims with one of them changed.
func with(claims map[string]any, name string, v any) map[string]any {
	out := maps.Clone(claims)
	out[name] = v
	return out
}

// forge makes a token signed with a key of the attacker's.
func forge(t *testing.T, head, claims map[string]any, key []byte) string {
	t.Helper()
	text := make([]string, 2)
	for i, part := range []map[string]any{head, claims} {
		raw, err := json.Marshal(part)
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 { // as the database writes it: another text is no key's, and nothing of the signature would be tried
			raw = []byte(strings.NewReplacer(":", ": ", ",", ", ").Replace(string(raw)))
		}
		text[i] = base64.RawURLEncoding.EncodeToString(raw)
	}
	signed := strings.Join(text, ".")
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(signed))
	return signed + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// unsigned is a token without its signature.
func unsigned(token string) string { return token[:strings.LastIndex(token, ".")] }

// signed has the database sign claims, as only its superuser can: what a bug in minting, or another region's database,
// might hand out.
func (s *scene) signed(claims map[string]any) string {
	s.t.Helper()
	raw, err := json.Marshal(claims)
	if err != nil {
		s.t.Fatal(err)
	}
	return wardtest.One[string](s.Env, "select tenancy.sign($1::jsonb)", string(raw))
}

// Tokens that tenancy.begin refuses. Each refusal is committed as an event with its reason and leaves no identity.
func TestRefusedTokens(t *testing.T) {
	s := newScene(t)
	a := s.conn(t)
	good := s.App("casey", "cedar").Tokens().Access
	head, claims := parts(t, good)
	other := s.App("casey", "cedar").Tokens().Access
	_, otherClaims := parts(t, other)
	hugo := s.App("hugo", "harbor").Tokens().Access
	_, hugoClaims := parts(t, hugo)
	last := good[len(good)-2:]
	flipped := map[string]string{"A": "B"}[last[:1]]
	if flipped == "" {
		flipped = "A"
	}
	cases := []struct{ name, token, why string }{
		{"N1 unknown kid, any signature", forge(t, with(head, "kid", "nope"), claims, []byte("x")), "bad_signature"},
		{"N1 no kid, signature of 43 A",
			unsigned(forge(t, map[string]any{"alg": "HS256"}, with(claims, "tid", s.harbor.String()), nil)) + "." +
				strings.Repeat("A", 43), "bad_signature"},
		{"N1 kid null", forge(t, with(head, "kid", nil), claims, nil), "bad_signature"},
		{"another key's signature", forge(t, head, claims, []byte("another key of thirty-two bytes.")),
			"bad_signature"},
		{"alg none, no signature", unsigned(forge(t, map[string]any{"alg": "none"}, claims, nil)) + ".",
			"bad_signature"},
		{"alg none, with the real kid", forge(t, with(head, "alg", "none"), claims, nil), "bad_signature"},
		{"alg HS512", forge(t, with(head, "alg", "HS512"), claims, nil), "bad_signature"},
		{"claims changed under a real signature",
			unsigned(forge(t, head, with(claims, "tid", s.harbor.String()), nil)) + good[len(good)-44:],
			"bad_signature"},
		{"one character of the signature changed", good[:len(good)-2] + flipped + last[1:], "bad_signature"},
		// as every text has the empty one in it
		{"empty", "", "secret_in_query"},
		{"not a token", "no token", "bad_signature"},
		{"too long", strings.Repeat("A", 5000), "bad_signature"},
		{"not UTF-8 inside",
			base64.RawURLEncoding.EncodeToString([]byte{0xff, 0xfe}) + ".e30." + strings.Repeat("A", 43),
			"bad_signature"},
		{"expired", s.signed(with(claims, "exp", time.Now().Add(-time.Second).Unix())), "token_expired"},
		{"another region's", s.signed(with(claims, "rgn", "eu-central")), "wrong_region"},
		{"X1 another tenant on this session", s.signed(with(claims, "tid", s.harbor.String())),
			"token_mismatch"},
		{"another user on this session", s.signed(with(claims, "sub", hugoClaims["sub"])), "token_mismatch"},
		{"another membership on this session", s.signed(with(claims, "mid", hugoClaims["mid"])),
			"token_mismatch"},
		{"another audience on this session", s.signed(with(claims, "aud", "review")), "token_mismatch"},
		{"a session that is not there", s.signed(with(claims, "sid", uuid.NewString())), "token_mismatch"},
		{"a reviewer's token", s.Reviewer("dana").Tokens().Access, "wrong_application"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { s.refusal(t, a, c.token, c.why) })
	}
	if len(otherClaims) == 0 || a.begin(good, uuid.Nil) != "" {
		t.Fatal("the token that all of these were made from is not accepted")
	}
	a.must("rollback")

	s.super("update tenancy.signing_key set retired_at = clock_timestamp()")
	t.Run("a retired key's", func(t *testing.T) { s.refusal(t, a, good, "bad_signature") })
	s.super("update tenancy.signing_key set retired_at = null")
	s.super("update tenancy.session set revoked_at = clock_timestamp() where session_id = $1", claims["sid"])
	t.Run("revoked session", func(t *testing.T) { s.refusal(t, a, good, "session_revoked") })
	s.super("update tenancy.session set expires_at = clock_timestamp() where session_id = $1", otherClaims["sid"])
	t.Run("expired session", func(t *testing.T) { s.refusal(t, a, other, "session_expired") })
	s.super("update tenancy.users set disabled_at = clock_timestamp() where slug = 'hugo'")
	t.Run("disabled user", func(t *testing.T) { s.refusal(t, a, hugo, "user_disabled") })
	frank := s.App("frank", "cedar").Tokens().Access
	s.super("update tenancy.membership set terminated_at = clock_timestamp(), reason = 'left' " +
		"where user_id = (select id from tenancy.users where slug = 'frank')")
	t.Run("terminated membership", func(t *testing.T) { s.refusal(t, a, frank, "membership_ended") })
	away := s.App("carla", "cedar")
	carla := away.Tokens().Access
	t.Run("what is not looked up again stays as it is", func(t *testing.T) {
		for _, sql := range []string{"update tenancy.tenant set region = 'eu-central' where slug = 'cedar'",
			"update tenancy.application set login_role = 'ward_reviewer' where aud = 'app'"} {
			if _, err := s.Super.Exec(t.Context(), sql); err == nil ||
				!strings.Contains(err.Error(), "cannot be changed") {
				t.Errorf("%s: %v", sql, err)
			}
		}
		s.super("update tenancy.session set login_role = 'ward_reviewer'")
		if n := wardtest.One[int](s.Env,
			"select count(*) from tenancy.session where login_role <> 'ward_app' and aud = 'app'"); n != 0 {
			t.Errorf("%d sessions have another login than their application", n)
		}
	})
	// as it would be after a dump of another region was restored here
	s.super("insert into tenancy.region (name) values ('eu-central')")
	s.super("update tenancy.instance set region = 'eu-central'")
	t.Run("the clinic lives in another region", func(t *testing.T) {
		s.refusal(t, a, carla, "wrong_region")
		if _, err := away.DB().Refresh(t.Context(), away.Tokens().Refresh); err == nil {
			t.Error("a refresh")
		}
		if _, err := away.DB().SignIn(t.Context(),
			tenancy.Credentials{User: "carla", Password: wardtest.Password, Tenant: "cedar"}); err == nil {
			t.Error("a sign-in")
		}
	})
	s.super("update tenancy.instance set region = $1", wardtest.Region)

	reviewer := s.connAs(t, "ward_reviewer")
	t.Run("an application's token as ward_reviewer",
		func(t *testing.T) { s.refusal(t, reviewer, carla, "wrong_application") })
	ana := s.Reviewer("ana").Tokens().Access
	s.super("update tenancy.reviewer_grant set ended_at = clock_timestamp() where user_id = (select id " +
		"from tenancy.users where slug = 'ana')")
	t.Run("a reviewer whose grant ended",
		func(t *testing.T) { s.refusal(t, reviewer, ana, "no_grant") })
}

// refusal holds that begin refuses the token with this reason, that nothing works after it, and that the event stays.
func (s *scene) refusal(t *testing.T, a *attacker, token, why string) {
	t.Helper()
	before := s.events("action = 'refuse' and outcome = 'denied' and detail::jsonb->>'code' = $1", why)
	if got := a.begin(token, uuid.Nil); got != why {
		a.must("rollback")
		t.Fatalf("begin says %q, want %q", got, why)
	}
	if claims := value[*string](a, "select tenancy.claims()::text"); claims != nil {
		t.Fatal("an identity after a refusal")
	}
	a.must("commit")
	if n := s.events("action = 'refuse' and outcome = 'denied' and detail::jsonb->>'code' = $1", why); n != before+1 {
		t.Fatalf("%d refuse events with code %q, want 1", n-before, why)
	}
}

// Termination and revocation through the packages bite on the next transaction.
func TestTerminationBitesAtOnce(t *testing.T) {
	s := newScene(t)
	session := s.App("frank", "cedar")
	tokens := session.Tokens()
	member := wardtest.One[string](s.Env,
		"select m.id::text from tenancy.membership m join tenancy.users u on u.id = m.user_id where u.slug = 'frank'")
	user := wardtest.One[string](s.Env, "select id::text from tenancy.users where slug = 'frank'")
	a := s.conn(t)
	a.accepted(tokens.Access, uuid.Nil) // open while the other happens
	done, err := s.Reviewer("dana").Terminate(t.Context(), member, user[:8], "left the clinic", nil)
	if err != nil || done.SessionsEnded != 1 {
		t.Fatalf("terminate: %+v, %v", done, err)
	}
	refused(t, a.try("select tenancy.tenant_id()"), "28000", "session has ended")
	a.must("rollback")
	if why := a.begin(tokens.Access, uuid.Nil); why != "session_revoked" {
		t.Fatalf("begin says %q", why)
	}
	a.must("commit")
	if _, err := session.DB().Refresh(t.Context(),
		tokens.Refresh); fmt.Sprint(err) != "identity refused: this session cannot be refreshed: sign in again" {
		t.Fatalf("refresh: %v", err)
	}
	if _, err := session.DB().SignIn(t.Context(),
		tenancy.Credentials{User: "frank", Password: wardtest.Password, Tenant: "cedar"}); err == nil {
		t.Fatal("signed in to a terminated membership")
	}
}

// No SQL of the client's names the actor: settings without a MAC are no identity, and a MAC holds for its own backend,
// transaction and begin.
func TestForgedClaims(t *testing.T) {
	s := newScene(t)
	a := s.conn(t)
	casey := s.token("casey@cedar")
	_, claims := parts(t, s.token("hugo@harbor"))
	forged, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	uses := []string{"select count(*) from public.patients", readNames, "insert into public.patients (tenant_id, id, " +
		"mrn, first_name, last_name) select $1::uuid, gen_random_uuid(), 'm', 'f', 'l'",
		"select audit.disclose(gen_random_uuid(), 'public.patients', array[gen_random_uuid()])",
		"select tenancy.sign_out()", "select tenancy.whoami()"}
	before := s.events("true")
	t.Run("settings alone", func(t *testing.T) {
		for _, sql := range uses {
			a.must("begin")
			a.must(`select set_config('request.jwt.claims', $1, true), set_config('request.jwt.deadline',
					(extract(epoch from clock_timestamp()) + 30)::text, true), set_config('request.jwt.mac',
					repeat('0', 64), true), set_config('ward.user', 'hugo', true), set_config('ward.disclosure',
					gen_random_uuid()::text, true)`, string(forged))
			if err := a.try(strings.ReplaceAll(sql, "$1::uuid", "'"+s.harbor.String()+"'")); err == nil {
				t.Fatalf("%s works under forged claims", sql)
			}
			a.must("rollback")
			a.must("begin")
			a.must("select set_config('request.jwt.claims', $1, true)", string(forged))
			refused(t, a.try("select tenancy.claims()"), "28000", "unsigned claims")
			a.must("rollback")
		}
	})
	t.Run("claims changed after begin", func(t *testing.T) {
		for _, change := range []string{
			"select set_config('request.jwt.claims', replace(current_setting('request.jwt.claims'), $1, $2), true)",
			"select set_config('request.jwt.deadline', current_setting('request.jwt.deadline') || '9', true) " +
				"where $1 <> $2",
			"select set_config('request.jwt.mac', reverse(current_setting('request.jwt.mac')), true) where $1 <> $2",
		} {
			a.accepted(casey, uuid.Nil)
			a.must(change, s.cedar.String(), s.harbor.String())
			refused(t, a.try("select tenancy.claims()"), "28000", "unsigned claims")
			a.must("rollback")
		}
	})
	const take = "select current_setting('request.jwt.claims') || '~' || current_setting('request.jwt.deadline') || " +
		"'~' || current_setting('request.jwt.mac')"
	put := func(a *attacker, stolen string) {
		f := strings.Split(stolen, "~")
		a.must("select set_config('request.jwt.claims', $1, true), set_config('request.jwt.deadline', $2, true), "+
			"set_config('request.jwt.mac', $3, true)", f[0], f[1], f[2])
	}
	t.Run("a MAC of an earlier transaction", func(t *testing.T) {
		a.accepted(casey, uuid.Nil)
		stolen := value[string](a, take)
		put(a, stolen) // it is the right one
		a.must("select tenancy.tenant_id()")
		a.must("rollback")
		a.must("begin")
		put(a, stolen)
		refused(t, a.try("select tenancy.claims()"), "28000", "unsigned claims")
		a.must("rollback")
	})
	t.Run("a MAC of another backend", func(t *testing.T) {
		a.accepted(casey, uuid.Nil)
		stolen := value[string](a, take)
		b := s.conn(t)
		b.accepted(s.token("hugo@harbor"), uuid.Nil)
		put(b, stolen)
		refused(t, b.try("select tenancy.claims()"), "28000", "unsigned claims")
		b.must("rollback")
		a.must("rollback")
	})
	if n := s.events("true and user_id = (select id from tenancy.users where slug = 'hugo') and action not in " +
		"('sign_in', 'create')"); n != 0 || s.events("true") > before+1 {
		t.Fatalf("%d events name somebody who did nothing", n)
	}
	t.Run("the identity runs out within the transaction", func(t *testing.T) {
		s.super("update tenancy.setting set identity = '300 milliseconds'")
		a.accepted(casey, uuid.Nil)
		var err error
		eventually(t, "the identity's end", func() bool { err = a.try("select tenancy.claims()"); return err != nil })
		refused(t, err, "28000", "has run out")
		a.must("rollback")
	})
	t.Run("J1 a customer's policy on auth.jwt", func(t *testing.T) {
		a.must("begin")
		a.must("select set_config('request.jwt.claims', '{\"role\": \"psychiatrist\"}', true)")
		refused(t, a.try("select auth.jwt()->>'role'"), "28000", "unsigned claims")
		a.must("rollback")
		// what remains open, and why ward ships auth.jwt(): the setting itself says what it was told
		a.must("begin")
		a.must("select set_config('request.jwt.claims', '{\"role\": \"psychiatrist\"}', true)")
		if v := value[string](a, "select current_setting('request.jwt.claims')::jsonb->>'role'"); v != "psychiatrist" {
			t.Fatal("the setting has become unforgeable: docs/SECURITY.md says it is forgeable")
		}
		a.must("rollback")
	})
}

// What tenancy.begin wants of the call itself.
func TestBeginsConditions(t *testing.T) {
	s := newScene(t)
	casey := s.token("casey@cedar")
	const own = "statement_unfit"
	refusal := func(t *testing.T, a *attacker, sql, why string, args ...any) {
		t.Helper()
		var got string
		err := a.QueryRow(t.Context(), sql, args...).Scan(&got)
		if code, _, _ := strings.Cut(got, ": "); err != nil || code != why {
			t.Fatalf("%s: %q, %v, want %q", sql, got, err, why)
		}
	}
	for _, level := range []string{"repeatable read", "serializable"} {
		t.Run("E2 "+level, func(t *testing.T) {
			a := s.conn(t)
			a.must("begin isolation level " + level)
			if why := a.identify(casey, uuid.Nil); why != "transaction_unfit" {
				t.Fatalf("%q", why)
			}
			a.must("commit")
			if n := s.events("action = 'refuse' and detail like '%READ COMMITTED%'"); n == 0 {
				t.Fatal("no event")
			}
		})
	}
	t.Run("the token in the query text", func(t *testing.T) {
		a := s.conn(t)
		a.must("begin")
		refusal(t, a, "select tenancy.begin('"+casey+"')",
			"secret_in_query")
		a.must("commit")
		if n := s.events("action = 'refuse' and detail like '%query text%'"); n != 1 {
			t.Fatalf("%d events, want 1", n)
		}
	})
	t.Run("a second begin", func(t *testing.T) {
		a := s.conn(t)
		a.accepted(casey, uuid.Nil)
		if why := a.identify(casey, uuid.Nil); why != "transaction_unfit" {
			t.Fatalf("%q", why)
		}
		if c := value[*string](a, "select tenancy.claims()::text"); c != nil {
			t.Fatal("the first identity is left")
		}
		a.must("rollback")
	})
	t.Run("begin inside another statement", func(t *testing.T) {
		a := s.conn(t)
		a.must("select set_config('x.t', $1, false)", casey)
		for _, sql := range []string{
			"with x as materialized (select 1) select tenancy.begin($1)",
			"select tenancy.begin($1) from (select 1) x",
			"/* /* */ select */ values (tenancy.begin($1))", // a comment in a comment
			"--\rvalues (tenancy.begin($1)) /*\nselect */",  // a carriage return ends a comment
			"values (tenancy.begin($1))",
		} {
			a.must("begin")
			refusal(t, a, sql, own, casey)
			a.must("rollback")
		}
		a.must("begin")
		refusal(t, a, "/* a driver's note */ -- and a line\n SELECT coalesce(tenancy.begin($1), '') ;", "", casey)
	})
	t.Run("standard_conforming_strings off, in a fresh backend", func(t *testing.T) {
		a := s.conn(t) // function bodies are parsed at their first call and stay so
		a.must("set standard_conforming_strings = off")
		a.must("begin")
		refusal(t, a, "select tenancy.begin($1) from (select 1) x", own, casey)
		a.must("rollback")
		a.must("discard all")
		d := a.asked(casey, s.mine)
		a.accepted(casey, d)
		a.sees("Canarycedar")
	})
	for _, left := range []struct{ name, sql, why string }{
		{"Q1 a statement prepared by SQL", "prepare stmtcache_1(uuid) as select 1", "prepared by SQL"},
		{"L2 a WITH HOLD cursor", "declare h cursor with hold for select 1", "WITH HOLD cursor"},
	} {
		t.Run(left.name, func(t *testing.T) {
			a := s.conn(t)
			a.must(left.sql)
			if why := a.begin(casey, uuid.Nil); why != "session_unfit" || !strings.Contains(a.why, left.why) {
				t.Fatalf("%s: %q", why, a.why)
			}
			a.must("rollback")
			a.must("discard all")
			a.accepted(casey, uuid.Nil)
		})
	}
}
