package tenancy_test

import (
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ward-health/ward/internal/wardtest"
	"github.com/ward-health/ward/tenancy"
)

const (
	issuer   = "https://id.example.org"
	clientID = "ward-cli"
)

// provider is an identity provider whose keys the test holds, declared in a database of its own; dana is linked.
type provider struct {
	*scene
	key  *rsa.PrivateKey
	kid  string
	root *tenancy.Session
	db   *tenancy.DB // ward_reviewer's
}

func newProvider(t *testing.T, amr ...string) *provider {
	t.Helper()
	s := newScene(t)
	p := &provider{scene: s, key: newKey(t, 2048), kid: "one", root: s.Reviewer("root"), db: s.Open("ward_reviewer")}
	in := tenancy.NewIssuer{Provider: tenancy.Provider{Issuer: issuer, ClientID: clientID}, RequiredAMR: amr}
	if _, err := p.root.AddIssuer(t.Context(), in,
		tenancy.Discovery{Endpoints: map[string]string{}, Keys: p.keys()}); err != nil {
		t.Fatal(err)
	}
	if _, err := p.root.LinkIdentity(t.Context(), "dana", issuer, "sub-dana"); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *provider) keys() []tenancy.ProviderKey {
	return []tenancy.ProviderKey{tenancy.ProviderKeyOf(p.kid, p.key.N, p.key.E)}
}

// claims are those of a token for dana that is accepted.
func claims() map[string]any {
	now := time.Now().Unix()
	return map[string]any{"iss": issuer, "sub": "sub-dana", "aud": clientID, "iat": now, "exp": now + 300,
		"email": "dana@example.org"}
}

func (p *provider) head() map[string]any {
	return map[string]any{"alg": "RS256", "typ": "JWT", "kid": p.kid}
}

// token signs claims as the provider would.
func (p *provider) idToken(head, c map[string]any) string {
	p.t.Helper()
	text := make([]string, 2)
	for i, part := range []map[string]any{head, c} {
		raw, err := json.Marshal(part)
		if err != nil {
			p.t.Fatal(err)
		}
		text[i] = base64.RawURLEncoding.EncodeToString(raw)
	}
	signed := strings.Join(text, ".")
	return signed + "." + base64.RawURLEncoding.EncodeToString(sign(p.t, p.key, []byte(signed)))
}

// why signs in with a token and gives the reason of the refusal, "" when accepted.
func (p *provider) why(token string) string {
	p.t.Helper()
	_, err := p.db.SignInOIDC(p.t.Context(), tenancy.OIDCSignIn{IDToken: token, Audience: tenancy.ReviewAudience})
	return reason(p.t, err)
}

func without(c map[string]any, name string) map[string]any {
	c = maps.Clone(c)
	delete(c, name)
	return c
}

func TestOIDCSignIn(t *testing.T) {
	p := newProvider(t)
	tokens, err := p.db.SignInOIDC(t.Context(),
		tenancy.OIDCSignIn{IDToken: p.idToken(p.head(), claims()), Audience: tenancy.ReviewAudience})
	if err != nil {
		t.Fatal(err)
	}
	who, err := tenancy.NewSession(p.db, tokens, time.Now, nil).Whoami(t.Context())
	if err != nil || who.Slug != "dana" {
		t.Fatalf("signed in as %q, %v", who.Slug, err)
	}
	if n := p.events("action = 'sign_in' and outcome = 'ok' and detail::jsonb->>'method' = 'oidc' and user_id = " +
		"(select id from tenancy.users where slug = 'dana')"); n != 1 {
		t.Errorf("%d events", n)
	}
	// an application's user, by the same identity
	if _, err := p.root.LinkIdentity(t.Context(), "casey", issuer, "sub-casey"); err != nil {
		t.Fatal(err)
	}
	app := p.Open("ward_app")
	tokens, err = app.SignInOIDC(t.Context(), tenancy.OIDCSignIn{
		IDToken: p.idToken(p.head(), with(claims(), "sub", "sub-casey")), Tenant: "cedar", Audience: "app"})
	if err != nil {
		t.Fatal(err)
	}
	if why := p.connAs(t, "ward_app").begin(tokens.Access, [16]byte{}); why != "" {
		t.Errorf("begin: %s", why)
	}
}

// Tokens that are refused, each with its reason in the event, by ward_reviewer over a connection of its own: which is
// what the laptop has.
func TestOIDCRefusals(t *testing.T) {
	p := newProvider(t)
	now := time.Now().Unix()
	good := p.idToken(p.head(), claims())
	stranger := &provider{scene: p.scene, key: newKey(t, 2048), kid: p.kid}
	head := p.head()
	fields := strings.Split(good, ".")
	forged, err := json.Marshal(with(claims(), "sub", "sub-eli"))
	if err != nil {
		t.Fatal(err)
	}
	p.super("insert into tenancy.identity (issuer, subject, user_id, linked_by) select $1, 'sub-eli', id, id "+
		"from tenancy.users where slug = 'eli'", issuer)
	for _, c := range []struct{ name, token, want string }{
		{"claims changed", fields[0] + "." + base64.RawURLEncoding.EncodeToString(forged) + "." +
			fields[2], "bad_signature"},
		{"another's key under the same kid", stranger.idToken(head, claims()), "bad_signature"},
		{"alg none", p.idToken(with(head, "alg", "none"), claims()), "bad_signature"},
		{"alg none, no signature", strings.Join(strings.Split(p.idToken(with(head, "alg", "none"), claims()), ".")[:2],
			".") + ".", "not_an_identity_token"},
		{"HS256 with the public key as secret",
			forge(t, with(head, "alg", "HS256"), claims(), p.key.N.Bytes()), "bad_signature"},
		{"RS512", p.idToken(with(head, "alg", "RS512"), claims()), "bad_signature"},
		{"unknown kid", p.idToken(with(head, "kid", "two"), claims()), "unknown_key"},
		{"no kid", p.idToken(without(head, "kid"), claims()), "unknown_key"},
		{"kid null", p.idToken(with(head, "kid", nil), claims()), "unknown_key"},
		{"another issuer", p.idToken(head, with(claims(), "iss", "https://evil.example.org")), "unknown_issuer"},
		{"the issuer with a slash", p.idToken(head, with(claims(), "iss", issuer+"/")), "unknown_issuer"},
		{"no issuer", p.idToken(head, without(claims(), "iss")), "unknown_issuer"},
		{"another client", p.idToken(head, with(claims(), "aud", "another")), "wrong_client"},
		{"no audience", p.idToken(head, without(claims(), "aud")), "wrong_client"},
		{"several audiences, no azp", p.idToken(head, with(claims(), "aud", []string{clientID, "another"})),
			"wrong_client"},
		{"several audiences, another's azp", p.idToken(head,
			with(with(claims(), "aud", []string{clientID, "another"}), "azp", "another")), "wrong_client"},
		{"another's azp", p.idToken(head, with(claims(), "azp", "another")), "wrong_client"},
		{"an audience that contains ours", p.idToken(head, with(claims(), "aud", clientID+"-2")), "wrong_client"},
		{"expired", p.idToken(head, with(claims(), "exp", now-1)), "token_expired"},
		{"no exp", p.idToken(head, without(claims(), "exp")), "not_an_identity_token"},
		{"exp as text", p.idToken(head, with(claims(), "exp", "9999999999")), "not_an_identity_token"},
		{"old", p.idToken(head, with(claims(), "iat", now-700)), "token_expired"},
		{"no iat", p.idToken(head, without(claims(), "iat")), "not_an_identity_token"},
		{"of the future", p.idToken(head, with(claims(), "iat", now+3600)), "clock_wrong"},
		{"not before tomorrow", p.idToken(head, with(claims(), "nbf", now+86400)), "clock_wrong"},
		{"iat beyond any date", p.idToken(head, with(claims(), "iat", 1e300)), "clock_wrong"},
		{"no subject", p.idToken(head, without(claims(), "sub")), "not_an_identity_token"},
		{"subject a number", p.idToken(head, with(claims(), "sub", 7)), "not_an_identity_token"},
		{"an unlinked subject", p.idToken(head, with(claims(), "sub", "nobody")), "not_linked"},
		{"a mail address as subject", p.idToken(head, with(claims(), "sub", "dana@example.org")), "not_linked"},
		{"an access token (RFC 9068)", p.idToken(with(head, "typ", "at+jwt"), claims()), "not_an_identity_token"},
		{"a logout token", p.idToken(head, with(claims(), "events", map[string]any{})), "not_an_identity_token"},
		{"a critical extension", p.idToken(with(head, "crit", []string{"b64"}), claims()), "not_an_identity_token"},
		{"not base64", "a!.b.c", "not_an_identity_token"},
		{"not JSON", "YWJj.YWJj.YWJj", "not_an_identity_token"},
		{"not UTF-8", "_____w._____w._____w", "not_an_identity_token"},
		{"empty", "", ""},
		{"enormous", strings.Repeat("a", 20000) + ".b.c", "not_an_identity_token"},
	} {
		before := p.events("action = 'sign_in' and outcome = 'denied'")
		if got := p.why(c.token); got == "" || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
		if n := p.events("action = 'sign_in' and outcome = 'denied'"); n != before+1 {
			t.Errorf("%s: %d events", c.name, n-before)
		}
	}
	if got := p.why(good); got != "" {
		t.Errorf("the token that the others were made of is refused: %s", got)
	}
}

// A token works once, however it is written and however many try at the same time.
func TestOIDCTokenWorksOnce(t *testing.T) {
	p := newProvider(t)
	token := p.idToken(p.head(), claims())
	var wg sync.WaitGroup
	answers := make(chan string, 20)
	for range 20 {
		wg.Go(func() { answers <- p.why(token) })
	}
	wg.Wait()
	close(answers)
	count := map[string]int{}
	for answer := range answers {
		count[answer]++
	}
	if count[""] != 1 || count["token_used"] != 19 {
		t.Fatalf("of 20 at once one is to be accepted: %v", count)
	}
	// the last character of a 256-byte signature carries two bits that decode to nothing
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := strings.IndexByte(alphabet, token[len(token)-1])
	for i := range 4 {
		again := token[:len(token)-1] + string(alphabet[last/16*16+i])
		if got := p.why(again); got != "token_used" && got != "bad_signature" {
			t.Errorf("the same signature written otherwise: %q", got)
		}
	}
	if got := p.why(token); got != "token_used" {
		t.Errorf("again: %q", got)
	}
	h := sha256.Sum256([]byte(token[:strings.LastIndex(token, ".")]))
	if until := wardtest.One[time.Time](p.Env, "select until from tenancy.used_token where sha256 = $1",
		h[:]); time.Until(until) > 12*time.Minute {
		t.Errorf("kept until %s", until)
	}
	// a day beyond their end, since the clock may go back
	for _, age := range []struct {
		since string
		left  int
	}{{"23 hours", 2}, {"1 day 1 second", 1}} {
		p.super("update tenancy.used_token set until = now() - $1::text::interval", age.since)
		p.why(p.idToken(p.head(), with(claims(), "jti", age.since)))
		if n := wardtest.One[int](p.Env, "select count(*) from tenancy.used_token"); n != age.left {
			t.Errorf("%d tokens are remembered %s after their end, want %d with the last one", n, age.since, age.left)
		}
	}
}

func TestOIDCTokenInQueryText(t *testing.T) {
	p := newProvider(t)
	a := p.connAs(t, "ward_reviewer")
	token := p.idToken(p.head(), claims())
	got := value[string](a, "select reason from tenancy.sign_in_oidc('"+token+"', audience => 'review')")
	if !strings.Contains(got, "query text") {
		t.Errorf("%q", got)
	}
	a.must("begin isolation level repeatable read")
	refused(t, a.try("select tenancy.sign_in_oidc($1, audience => 'review')", token), "25001", "READ COMMITTED")
	a.must("rollback")
	if got := p.why(token); got != "" {
		t.Errorf("then %q", got)
	}
}

// A subject is one user's for ever; links and issuers are ended, never removed; only administrators do any of it.
func TestIdentityLinks(t *testing.T) {
	p := newProvider(t)
	if _, err := p.root.LinkIdentity(t.Context(), "eli", issuer, "sub-dana"); err == nil ||
		!strings.Contains(err.Error(), "linked to another user, and cannot") {
		t.Errorf("linked to a second user: %v", err)
	}
	if err := p.root.UnlinkIdentity(t.Context(), "dana", issuer, "sub-dana", "left the company"); err != nil {
		t.Fatal(err)
	}
	if got := p.why(p.idToken(p.head(), claims())); !strings.Contains(got, "not_linked") {
		t.Errorf("unlinked, and %q", got)
	}
	if _, err := p.root.LinkIdentity(t.Context(), "eli", issuer, "sub-dana"); err == nil ||
		!strings.Contains(err.Error(), "linked to another user, and cannot") {
		t.Errorf("linked to another user after unlinking: %v", err)
	}
	if _, err := p.root.LinkIdentity(t.Context(), "dana", issuer, "sub-dana"); err != nil {
		t.Errorf("linked again: %v", err)
	}
	if _, err := p.root.LinkIdentity(t.Context(), "svc-etl", issuer, "sub-etl"); err == nil {
		t.Error("a service account was linked")
	}
	for _, sql := range []string{"delete from tenancy.identity", "truncate tenancy.identity",
		"delete from tenancy.issuer",
		"update tenancy.identity set user_id = (select id from tenancy.users where slug = 'eli')",
		"insert into tenancy.identity (issuer, subject, user_id, linked_by) select issuer, subject, linked_by, " +
			"linked_by from tenancy.identity"} {
		if _, err := p.Super.Exec(t.Context(), sql); err == nil {
			t.Errorf("the owner could: %s", sql)
		}
	}
	dana := p.Reviewer("dana")
	if _, err := dana.LinkIdentity(t.Context(), "eli", issuer, "sub-mine"); err == nil {
		t.Error("a compliance officer linked an identity")
	}
	if _, err := dana.AddIssuer(t.Context(),
		tenancy.NewIssuer{Provider: tenancy.Provider{Issuer: "https://mine.example.org", ClientID: "x"}},
		tenancy.Discovery{Keys: p.keys()}); err == nil {
		t.Error("a compliance officer declared an issuer")
	}
	if err := p.root.EndIssuer(t.Context(), issuer, "moved elsewhere"); err != nil {
		t.Fatal(err)
	}
	if got := p.why(p.idToken(p.head(), claims())); !strings.Contains(got, "unknown_issuer") {
		t.Errorf("removed, and %q", got)
	}
}

// ward_identity replaces keys of declared issuers and does nothing else; nobody else replaces them.
func TestIdentityRole(t *testing.T) {
	p := newProvider(t)
	old := p.idToken(p.head(), claims())
	identity := p.Open("ward_identity")
	p.key, p.kid = newKey(t, 2048), "two"
	if n, err := identity.ReplaceKeys(t.Context(), issuer, p.keys()); err != nil || n != 2 {
		t.Fatalf("%d changes, %v; want one that came and one that went", n, err)
	}
	if n, err := identity.ReplaceKeys(t.Context(), issuer, p.keys()); err != nil || n != 0 {
		t.Fatalf("the same keys: %d changes, %v", n, err)
	}
	if n := p.events("action = 'configure' and detail::jsonb->>'what' = 'oidc refresh' and detail::jsonb->>'login' = " +
		"'ward_identity'"); n != 1 {
		t.Errorf("%d events of one change", n)
	}
	if got := p.why(old); !strings.Contains(got, "unknown_key") {
		t.Errorf("a token under the old key: %q", got)
	}
	if got := p.why(p.idToken(p.head(), claims())); got != "" {
		t.Errorf("a token under the new key: %q", got)
	}
	for name, keys := range map[string][]tenancy.ProviderKey{
		"none": {}, "1024 bits": {tenancy.ProviderKeyOf("k", newKey(t, 1024).N, 65537)},
		"exponent 3": {tenancy.ProviderKeyOf("k", p.key.N, 3)},
		"two of one name": {tenancy.ProviderKeyOf("k", p.key.N, 65537),
			tenancy.ProviderKeyOf("k", newKey(t, 2048).N, 65537)},
		"no name": {tenancy.ProviderKeyOf("", p.key.N, 65537)},
	} {
		if _, err := identity.ReplaceKeys(t.Context(), issuer, keys); err == nil {
			t.Errorf("accepted keys: %s", name)
		}
	}
	if got := p.why(p.idToken(p.head(), with(claims(), "jti", "after refused keys"))); got != "" {
		t.Errorf("refused keys took the good ones away: %q", got)
	}
	if _, err := identity.ReplaceKeys(t.Context(), "https://evil.example.org", p.keys()); err == nil {
		t.Error("keys of an undeclared issuer")
	}
	for _, role := range []string{"ward_app", "ward_reviewer", "ward_worker"} {
		refused(t, p.connAs(t, role).try("select tenancy.replace_keys($1, '[]')", issuer), "42501", "permission denied")
	}
	a := p.connAs(t, "ward_identity")
	for _, sql := range []string{"select tenancy.sign_in('dana', 'x')", "select tenancy.sign_in_oidc('x')",
		"select tenancy.begin('x')", "select * from tenancy.issuer_key", "select * from tenancy.identity",
		"update tenancy.issuer set client_id = 'x'", "select tenancy.add_issuer('https://x', 'x', '{}', '[]')",
		"select tenancy.link_identity('dana', 'x', 'y')", "select * from audit.event", "select * from public.patients",
		"select tenancy.put_keys(gen_random_uuid(), '[]')"} {
		refused(t, a.try(sql), "42501", "permission denied")
	}
	callable := value[int](&attacker{t: t, Conn: p.Conn("postgres")},
		`select count(*)::int from pg_proc f join pg_namespace n on n.oid = f.pronamespace
		where n.nspname in ('core', 'tenancy', 'audit', 'review', 'auth', 'phi', 'boundary', 'river')
			and has_function_privilege('ward_identity', f.oid, 'execute') and has_schema_privilege('ward_identity',
				n.oid, 'usage')`)
	if callable != 3 {
		t.Errorf("ward_identity can call %d functions, want replace_keys, issuers and wipe", callable)
	}
}

// A provider that has to vouch for a second factor: it counts, and no code of ward's is asked for.
func TestOIDCRequiredFactor(t *testing.T) {
	p := newProvider(t, "mfa", "hwk")
	p.enrolled(p.Reviewer("dana"), "dana")
	for _, c := range []struct {
		amr  any
		want string
	}{{nil, "provider_factor_missing"}, {"mfa", "provider_factor_missing"},
		{[]string{"pwd", "mfa"}, "provider_factor_missing"}, {[]string{"pwd", "hwk", "mfa"}, ""}} {
		if got := p.why(p.idToken(p.head(), with(claims(), "amr", c.amr))); (got == "") != (c.want == "") ||
			!strings.Contains(got, c.want) {
			t.Errorf("amr %v: %q", c.amr, got)
		}
	}
	p.lastSession(true)
}

// lastSession holds that the newest session came by a provider, and whether with a second factor.
func (p *provider) lastSession(factor bool) {
	p.t.Helper()
	if !wardtest.One[bool](p.Env,
		"select second_factor = $1 and method = 'oidc' from tenancy.session order by created_at desc limit 1", factor) {
		p.t.Errorf("the session does not say method oidc, second factor %v", factor)
	}
}

// A provider that vouches for none: ward's own is asked for. Asking leaves the token usable, a wrong code does not.
func TestOIDCSecondFactor(t *testing.T) {
	p := newProvider(t)
	if got := p.why(p.idToken(p.head(), claims())); got != "" {
		t.Fatal(got)
	}
	p.lastSession(false)
	secret, _ := p.enrolled(p.Reviewer("dana"), "dana")
	try := func(token, code string) string {
		t.Helper()
		_, err := p.db.SignInOIDC(t.Context(),
			tenancy.OIDCSignIn{IDToken: token, Audience: tenancy.ReviewAudience, Code: code})
		return reason(t, err)
	}
	first, second := p.idToken(p.head(), with(claims(), "jti", "first")),
		p.idToken(p.head(), with(claims(), "jti", "second"))
	for _, c := range []struct{ name, token, code, want string }{
		{"no code", first, "", codeNeeded}, {"spaces", first, "  ", codeNeeded},
		{"a wrong code", first, notTOTP(t, secret), codeWrong},
		{"a right one after it", first, totp(t, secret, step()), "token_used"},
		{"no code", second, "", codeNeeded}, {"a right one", second, totp(t, secret, step()), ""},
		{"again", second, totp(t, secret, step()+1), "token_used"},
	} {
		if got := try(c.token, c.code); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	p.lastSession(true)
}

// Who works at several clinics is asked which; the same token will do then, once. Who works at none of those that are
// asked for is refused.
func TestOIDCChoiceOfTenant(t *testing.T) {
	p := newProvider(t)
	p.super("insert into tenancy.identity (issuer, subject, user_id, linked_by) select $1, 'sub-casey', id, id "+
		"from tenancy.users where slug = 'casey'", issuer)
	app, token := p.Open("ward_app"), p.idToken(p.head(), with(claims(), "sub", "sub-casey"))
	try := func(tenant, role string) error {
		_, err := app.SignInOIDC(t.Context(), tenancy.OIDCSignIn{IDToken: token, Tenant: tenant, Role: role})
		return err
	}
	var choice *tenancy.ChoiceError
	if err := try("", ""); !errors.As(err, &choice) || len(choice.Choices) != 2 ||
		choice.Choices[1].Tenant != "harbor" {
		t.Fatalf("without a clinic: %v", err)
	}
	if err := try("harbor", ""); err != nil {
		t.Errorf("with the same token and a clinic: %v", err)
	}
	if got := reason(t, try("cedar", "")); got != "token_used" {
		t.Errorf("and again: %q", got)
	}
	token = p.idToken(p.head(), with(with(claims(), "sub", "sub-casey"), "jti", "another"))
	if got := reason(t, try("cedar", "billing")); got != "not_accepted" {
		t.Errorf("in a role that casey has not: %q", got)
	}
}

// A sign-in that is rolled back is none: its tokens are refused, and the identity token has not been used.
func TestOIDCRolledBack(t *testing.T) {
	p := newProvider(t)
	a, token := p.connAs(t, "ward_reviewer"), p.idToken(p.head(), claims())
	for range 2 {
		a.must("begin")
		access := value[string](a, "select access_token from tenancy.sign_in_oidc($1, audience => 'review')", token)
		a.must("rollback")
		if why := a.begin(access, [16]byte{}); why != "token_mismatch" {
			t.Errorf("begin says %q", why)
		}
	}
	if got := p.why(token); got != "" {
		t.Errorf("committed: %q", got)
	}
}
