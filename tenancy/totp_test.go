package tenancy_test

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // what RFC 6238 authenticators use
	"encoding/base32"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/ward-health/ward/internal/wardtest"
	"github.com/ward-health/ward/tenancy"
)

const (
	codeNeeded = "a second factor is needed"
	codeWrong  = "the second factor was not accepted"
)

// danas are dana's credentials as a reviewer.
func danas(password, code string) tenancy.Credentials {
	return tenancy.Credentials{User: "dana", Password: password, Code: code, Audience: tenancy.ReviewAudience}
}

// reason is the code of a sign-in that was refused, or what is said of a second factor; "" when it was accepted.
func reason(t testing.TB, err error) string {
	t.Helper()
	var refused *tenancy.RefusedError
	switch {
	case err == nil:
		return ""
	case errors.Is(err, tenancy.ErrSecondFactor):
		return strings.TrimPrefix(err.Error(), "second factor: ")
	case errors.As(err, &refused):
		return string(refused.Code)
	}
	t.Fatal(err)
	return ""
}

// unthrottled lets everybody fail as often as they like, so that what is tried is the rest.
func (s *scene) unthrottled() { s.super("update tenancy.throttle_limit set free = 10000") }

// totp is RFC 6238 in Go: the code of a secret at a step.
func totp(t testing.TB, secret string, step int64) string {
	t.Helper()
	key, err := base32.StdEncoding.DecodeString(secret)
	if err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha1.New, key)
	_ = binary.Write(mac, binary.BigEndian, step)
	h := mac.Sum(nil)
	at := h[19] & 15
	return fmt.Sprintf("%06d", (binary.BigEndian.Uint32(h[at:])&0x7fffffff)%1000000)
}

func step() int64 { return time.Now().Unix() / 30 }

// notTOTP is a code that is not one of the secret's, now or soon.
func notTOTP(t testing.TB, secret string) string {
	t.Helper()
	for n := 0; ; n++ {
		code, right := fmt.Sprintf("%06d", n), false
		for i := step() - 1; i <= step()+20; i++ {
			right = right || totp(t, secret, i) == code
		}
		if !right {
			return code
		}
	}
}

// enrolled enrols a user and gives secret and recovery codes. The step that confirmed is forgotten, so that tests can
// use the current one.
func (s *scene) enrolled(session *tenancy.Session, user string) (secret string, recovery []string) {
	s.t.Helper()
	e, err := session.EnrollTOTP(s.t.Context(), "")
	if err != nil {
		s.t.Fatal(err)
	}
	if recovery, err = session.ConfirmTOTP(s.t.Context(), totp(s.t, e.Secret, step())); err != nil {
		s.t.Fatal(err)
	}
	s.forget(user)
	return e.Secret, recovery
}

// forget makes every step unused.
func (s *scene) forget(user string) {
	s.super("update tenancy.totp set last_step = 0 where ended_at is null and user_id = (select id "+
		"from tenancy.users where slug = $1)", user)
}

// The test vectors of RFC 6238 appendix B (SHA-1), of which six digits are the last six, and those of RFC 4226 appendix
// D.
func TestTOTPVectors(t *testing.T) {
	t.Parallel()
	e := wardtest.New(t)
	secret := []byte("12345678901234567890")
	for at, want := range map[int64]string{59: "94287082", 1111111109: "07081804", 1111111111: "14050471",
		1234567890: "89005924", 2000000000: "69279037", 20000000000: "65353130"} {
		if got := wardtest.One[string](e, "select core.hotp($1, $2)", secret, at/30); got != want[2:] {
			t.Errorf("at %d: %s, want %s", at, got, want[2:])
		}
	}
	for i, want := range []string{"755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583",
		"399871", "520489"} {
		if got := wardtest.One[string](e, "select core.hotp($1, $2)", secret, i); got != want {
			t.Errorf("count %d: %s, want %s", i, got, want)
		}
	}
	for range 50 {
		id := uuid.New()
		b := slices.Concat(id[:], id[:4])
		if got := wardtest.One[string](e, "select core.base32($1)", b); got != base32.StdEncoding.EncodeToString(b) {
			t.Fatalf("base32 of %x: %s", b, got)
		}
	}
}

func TestTOTPSignIn(t *testing.T) {
	s := newScene(t)
	s.cheap()
	s.unthrottled()
	db := s.Open("ward_reviewer")
	try := func(code string) string {
		t.Helper()
		_, err := db.SignIn(t.Context(), danas(wardtest.Password, code))
		return reason(t, err)
	}
	dana := s.Reviewer("dana")
	e, err := dana.EnrollTOTP(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	if got := try(""); got != "" {
		t.Fatalf("an enrolment that nobody confirmed counts: %s", got)
	}
	if _, err := dana.ConfirmTOTP(t.Context(), totp(t, e.Secret, step()+10)); err == nil {
		t.Fatal("confirmed with a code of another time")
	}
	recovery, err := dana.ConfirmTOTP(t.Context(), totp(t, e.Secret, step()))
	if err != nil || len(recovery) != 10 {
		t.Fatalf("%d recovery codes, %v", len(recovery), err)
	}
	if got := try(totp(t, e.Secret, step())); got != codeWrong {
		t.Errorf("the code that confirmed works again: %q", got)
	}
	s.forget("dana")
	if got := try(""); got != codeNeeded {
		t.Errorf("without a code: %q", got)
	}
	if _, err := db.SignIn(t.Context(), danas("wrong password", totp(t, e.Secret, step()))); err == nil ||
		err.Error() != notAccepted {
		t.Errorf("a wrong password with a right code: %v", err)
	}
	for _, c := range []struct{ name, code, want string }{
		{"two steps ago", totp(t, e.Secret, step()-3), codeWrong},
		{"far ahead", totp(t, e.Secret, step()+3), codeWrong},
		{"another secret's", totp(t, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", step()), codeWrong},
		{"letters", "abcdef", codeWrong}, {"spaces alone", "  ", codeNeeded},
		{"seven digits", totp(t, e.Secret, step()) + "0", codeWrong},
	} {
		if got := try(c.code); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	now := step()
	if got := try(totp(t, e.Secret, now)); got != "" {
		t.Errorf("the code of now: %q", got)
	}
	if got := try(totp(t, e.Secret, now)); got != codeWrong {
		t.Errorf("the same code again: %q", got)
	}
	if got := try(totp(t, e.Secret, now-1)); got != codeWrong {
		t.Errorf("an older code after a newer one: %q", got)
	}
	s.forget("dana")
	if got := try(strings.ToUpper(strings.ReplaceAll(recovery[3], "-", " "))); got != "" {
		t.Errorf("a recovery code: %q", got)
	}
	if got := try(recovery[3]); got != codeWrong {
		t.Errorf("a recovery code twice: %q", got)
	}
	if n := wardtest.One[int](s.Env,
		"select count(*) from tenancy.recovery_code where length(sha256) = 32 and used_at is null"); n != 9 {
		t.Errorf("%d recovery codes left", n)
	}
}

// Of many sign-ins with one code at the same time, one succeeds.
func TestTOTPCodeWorksOnce(t *testing.T) {
	s := newScene(t)
	s.cheap()
	s.unthrottled()
	secret, recovery := s.enrolled(s.Reviewer("dana"), "dana")
	db := s.Open("ward_reviewer")
	for what, code := range map[string]string{"code": totp(t, secret, step()), "recovery code": recovery[0]} {
		var wg sync.WaitGroup
		results := make(chan string, 20)
		for range 20 {
			wg.Go(func() {
				_, err := db.SignIn(t.Context(), danas(wardtest.Password, code))
				results <- reason(t, err)
			})
		}
		wg.Wait()
		close(results)
		n := 0
		for r := range results {
			if r == "" {
				n++
			} else if r != codeWrong {
				t.Errorf("%s: %s", what, r)
			}
		}
		if n != 1 {
			t.Errorf("%s: %d of 20 succeeded", what, n)
		}
	}
}

// Guessing in transactions that are rolled back: what is counted does not come back with them. With an identity token,
// because nothing else slows such guesses down; those with a password are tries on record (TestSecondFactorIsAsked).
func TestTOTPGuessingByRollback(t *testing.T) {
	p := newProvider(t)
	secret, recovery := p.enrolled(p.Reviewer("dana"), "dana")
	a, token := p.connAs(t, "ward_reviewer"), p.idToken(p.head(), claims())
	guess := func(code string) {
		t.Helper()
		a.must("begin")
		if got := value[string](a, "select reason from tenancy.sign_in_oidc($1, audience => 'review', code => $2)",
			token, code); got != "second_factor_wrong: "+codeWrong {
			t.Fatalf("%q", got)
		}
		a.must("rollback")
	}
	for range 101 {
		guess("000000x")
	}
	if _, err := p.db.SignIn(t.Context(), danas(wardtest.Password, totp(t, secret, step()))); err != nil {
		t.Fatalf("what is not six digits counts as a guess: %v", err)
	}
	p.forget("dana")
	wrong := notTOTP(t, secret)
	for range 101 {
		guess(wrong)
	}
	for _, try := range []struct{ name, code, want string }{
		{"after 101 guesses that were rolled back, a right code", totp(t, secret, step()), codeWrong},
		{"a recovery code", recovery[0], ""}, {"a right code after it", totp(t, secret, step()), ""},
	} {
		if _, err := p.db.SignIn(t.Context(), danas(wardtest.Password, try.code)); reason(t, err) != try.want {
			t.Errorf("%s: %v", try.name, err)
		}
	}
}

// An old snapshot does not see an enrolment; and a sign-in that ends while one begins has shown nothing.
func TestTOTPOldSnapshot(t *testing.T) {
	s := newScene(t)
	a := s.connAs(t, "ward_reviewer")
	root, dana := s.Reviewer("root"), s.Reviewer("dana")
	ticket := value[string](a, "select tenancy.sign_in('root', $1, audience => 'review')", wardtest.Password)
	a.must("begin isolation level repeatable read")
	a.must("select 1 from pg_class limit 1")
	s.enrolled(root, "root")
	refused(t, a.try("select tenancy.signed_in($1)", ticket), "25001", "READ COMMITTED")
	a.must("rollback")
	if got := value[string](a, "select needs from tenancy.signed_in($1)", ticket); got != "second_factor" {
		t.Errorf("afterwards it needs %q", got)
	}

	ticket = value[string](a, "select tenancy.sign_in('dana', $1, audience => 'review')", wardtest.Password)
	a.must("begin")
	open := value[string](a, "select access_token from tenancy.signed_in($1)", ticket)
	s.enrolled(dana, "dana")
	a.must("commit")
	if err := root.RequireSecondFactor(t.Context(), "required"); err != nil {
		t.Fatal(err)
	}
	a.accepted(open, uuid.Nil)
	refused(t, a.try("select tenancy.browse(gen_random_uuid(), 'tenants')"), "WARD4", "second factor")
	a.must("rollback")
}

// A code that waits for the end of its enrolment is worth nothing once that is committed.
func TestTOTPEndOvertakesCode(t *testing.T) {
	s := newScene(t)
	secret, recovery := s.enrolled(s.Reviewer("dana"), "dana")
	db := s.Open("ward_reviewer")
	for what, code := range map[string]string{"code": totp(t, secret, step()), "recovery code": recovery[0]} {
		s.forget("dana")
		admin := s.connAs(t, "postgres")
		admin.must("begin")
		admin.must("update tenancy.totp set ended_at = clock_timestamp() where ended_at is null")
		done := make(chan error, 1)
		go func() {
			_, err := db.SignIn(t.Context(), danas(wardtest.Password, code))
			done <- err
		}()
		eventually(t, "the code waits", func() bool {
			return wardtest.One[int](s.Env, "select count(*) from pg_stat_activity "+
				"where datname = current_database() and usename = 'ward_reviewer' and wait_event_type = 'Lock'") > 0
		})
		admin.must("commit")
		if err := <-done; reason(t, err) != codeWrong {
			t.Errorf("a %s of an enrolment that ended: %v", what, err)
		}
		s.super("update tenancy.totp set ended_at = null")
	}
}

// Where a second factor is required, a reviewer's session without one enrols and does nothing else: every function that
// reviewers can call is tried.
func TestSecondFactorRequired(t *testing.T) {
	s := newScene(t)
	root, dana, eli := s.Reviewer("root"), s.Reviewer("dana"), s.Reviewer("eli")
	if err := root.RequireSecondFactor(t.Context(), "required"); err == nil ||
		!strings.Contains(err.Error(), "lock you out") {
		t.Fatalf("an administrator locked themself out: %v", err)
	}
	s.enrolled(root, "root")
	if err := root.RequireSecondFactor(t.Context(), "required"); err != nil {
		t.Fatal(err)
	}
	for _, session := range []*tenancy.Session{dana, s.Reviewer("ana")} { // one from before, one from after
		p, err := session.Whoami(t.Context())
		if err != nil || !p.MustEnroll {
			t.Errorf("whoami: %v, %v", p.MustEnroll, err)
		}
		if _, err := session.Tenants(t.Context()); !errors.Is(err, tenancy.ErrMustEnroll) {
			t.Errorf("tenants: %v", err)
		}
	}
	s.everyReviewersFunctionRefuses(t, dana.Tokens().Access)
	s.enrolled(dana, "dana")
	if _, err := dana.Tenants(t.Context()); err != nil {
		t.Errorf("after enrolling: %v", err)
	}
	if _, err := eli.Tenants(t.Context()); !errors.Is(err, tenancy.ErrMustEnroll) {
		t.Errorf("another one's enrolment counted: %v", err)
	}
	if err := dana.RemoveTOTP(t.Context(), "root", "not an administrator"); err == nil {
		t.Error("a compliance officer removed a second factor")
	}
	if err := root.RemoveTOTP(t.Context(), "root", "my own"); !errors.Is(err, tenancy.ErrSeparation) {
		t.Errorf("an administrator removed their own: %v", err)
	}
	if err := root.RemoveTOTP(t.Context(), "dana", "lost the phone"); err != nil {
		t.Fatal(err)
	}
	if _, err := dana.Tenants(t.Context()); !errors.Is(err, tenancy.ErrMustEnroll) {
		t.Errorf("after the removal: %v", err)
	}
}

// everyReviewersFunctionRefuses calls each function that ward_reviewer may with arguments of nothing.
func (s *scene) everyReviewersFunctionRefuses(t *testing.T, token string) {
	t.Helper()
	free := map[string]bool{"tenancy.begin": true, "tenancy.sign_in": true, "tenancy.signed_in": true,
		"tenancy.sign_in_oidc": true, "tenancy.refresh": true, "tenancy.sign_out": true,
		"tenancy.sign_out_everywhere": true, "tenancy.whoami": true, "tenancy.issuers": true,
		"tenancy.totp_enroll": true, "tenancy.totp_confirm": true, "tenancy.claims": true, "tenancy.tenant_id": true,
		"tenancy.user_id": true, "auth.jwt": true, "tenancy.wipe": true}
	rows, err := s.Super.Query(t.Context(), `select p.oid::regproc::text, array(select 'null::' || format_type(a, null)
		from unnest(p.proargtypes) a)::text[] from pg_proc p join pg_namespace n on n.oid = p.pronamespace
		where n.nspname in ('core', 'tenancy', 'audit', 'review', 'auth', 'boundary')
			and has_function_privilege('ward_reviewer', p.oid, 'execute')`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	calls := map[string]string{}
	for rows.Next() {
		var name string
		var args []string
		if err := rows.Scan(&name, &args); err != nil {
			t.Fatal(err)
		}
		calls[name] = "select " + name + "(" + strings.Join(args, ", ") + ")"
	}
	if len(calls) < 40 {
		t.Fatalf("%d functions", len(calls))
	}
	a := s.connAs(t, "ward_reviewer")
	for name, call := range calls {
		if free[name] {
			continue
		}
		a.accepted(token, uuid.Nil)
		// what only reads a committed look finds none: committing one is refused
		if err := a.try(call); err == nil ||
			!strings.Contains(err.Error(), "WARD4") && !strings.Contains(err.Error(), "this look was not recorded") {
			t.Errorf("%s: %v", name, err)
		}
		a.must("rollback")
	}
}

// Replacing takes a recovery code: a session that somebody left open can neither replace an authenticator nor guess its
// way to it.
func TestTOTPReplacement(t *testing.T) {
	s := newScene(t)
	dana := s.Reviewer("dana")
	secret, recovery := s.enrolled(dana, "dana")
	for name, code := range map[string]string{"nothing": "", "a code": totp(t, secret, step()),
		"another word": "aaaa-bbbb-cccc-dddd"} {
		if _, err := dana.EnrollTOTP(t.Context(), code); err == nil {
			t.Errorf("replaced with %s", name)
		}
	}
	e, err := dana.EnrollTOTP(t.Context(), recovery[0])
	if err != nil {
		t.Fatal(err)
	}
	other := s.connAs(t, "ward_reviewer")
	session, err := s.Open("ward_reviewer").SignIn(t.Context(), danas(wardtest.Password, totp(t, secret, step())))
	if err != nil {
		t.Fatalf("the old one counts until the new one is confirmed: %v", err)
	}
	other.accepted(session.Access, uuid.Nil)
	refused(t, other.try("select tenancy.totp_confirm($1)", totp(t, e.Secret, step())), "02000", "this session")
	other.must("rollback")
	if _, err := dana.ConfirmTOTP(t.Context(), totp(t, e.Secret, step())); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Open("ward_reviewer").SignIn(t.Context(),
		danas(wardtest.Password, recovery[1])); !errors.Is(err, tenancy.ErrSecondFactor) {
		t.Errorf("a recovery code of the old one: %v", err)
	}
	// where one is required, what was shown counts as long as it was not replaced
	s.super("update tenancy.setting set second_factor = 'required'")
	for name, c := range map[string]struct {
		session *tenancy.Session
		must    bool
	}{"that enrolled": {dana, false},
		"opened with the old one": {tenancy.NewSession(s.Open("ward_reviewer"), session, time.Now, nil), true}} {
		if p, err := c.session.Whoami(t.Context()); err != nil || p.MustEnroll != c.must {
			t.Errorf("the session %s must enrol: %v, %v", name, p.MustEnroll, err)
		}
	}
}

// Nobody reads secrets, hashes or codes.
func TestTOTPSecretsAreNobodys(t *testing.T) {
	s := newScene(t)
	s.enrolled(s.Reviewer("dana"), "dana")
	for _, role := range []string{"ward_app", "ward_worker", "ward_reviewer", "ward_identity"} {
		a := s.connAs(t, role)
		for _, sql := range []string{"select secret from tenancy.totp", "select sha256 from tenancy.recovery_code",
			"select tenancy.totp_step('x', 0, '000000')", "select tenancy.spend_code(null, null)",
			"select tenancy.totp_new(null, null)",
			"select tenancy.totp_activate(null, null, null)", "select tenancy.second_factor(null, null, null)",
			"select tenancy.totp_end(null)", "update tenancy.setting set second_factor = 'optional'"} {
			refused(t, a.try(sql), "42501", "permission denied")
		}
	}
	var n int
	err := s.Super.QueryRow(t.Context(), `select count(*) from pg_class c where c.oid in ('tenancy.totp'::regclass,
		'tenancy.recovery_code'::regclass) and pg_get_userbyid(c.relowner) = 'ward_keys'
		and not exists (select from aclexplode(c.relacl) a where a.grantee <> c.relowner)`).Scan(&n)
	if err != nil || n != 2 {
		t.Errorf("%d of 2 tables are ward_keys' alone, %v", n, err)
	}
}
