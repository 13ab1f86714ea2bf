package tenancy_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/ward-health/ward/internal/wardtest"
	"github.com/ward-health/ward/tenancy"
)

func app(user, password, tenant string) tenancy.Credentials {
	return tenancy.Credentials{User: user, Password: password, Tenant: tenant}
}

const wrong = "wrong password here"

const notAccepted = "identity refused: user, password or clinic not accepted"

// signIn is what signing in says: "" when it worked.
func signIn(t *testing.T, db *tenancy.DB, c tenancy.Credentials) string {
	t.Helper()
	_, err := db.SignIn(t.Context(), c)
	if err == nil {
		return ""
	}
	var refused *tenancy.RefusedError
	if !errors.As(err, &refused) {
		t.Fatalf("sign in: %v", err)
	}
	return err.Error()
}

// cheap makes everybody's password cheap to check, also nobody's, so that what is measured or run in parallel is the
// rest.
func (s *scene) cheap() { s.costing(4) }

func (s *scene) costing(cost int) {
	s.super("update tenancy.users set password_hash = public.crypt($1, public.gen_salt('bf', $2)) "+
		"where password_hash is not null", wardtest.Password, cost)
	s.super("create or replace function tenancy.nobodys_hash() returns text language sql immutable " +
		"set search_path = pg_catalog, pg_temp as $$ select '" +
		wardtest.One[string](s.Env, "select public.crypt(gen_random_uuid()::text, public.gen_salt('bf', $1))",
			cost) + "' $$")
}

// throttled sets the level and delay of a name.
func (s *scene) throttled(name string, level float64, delay string) {
	s.super(`insert into tenancy.throttle values (tenancy.fingerprint('sign-in name|' || $1), 'name', $2,
			clock_timestamp(), clock_timestamp() + $3::text::interval, clock_timestamp() + '1 hour')
			on conflict (key) do update set level = excluded.level, level_at = excluded.level_at,
			until = excluded.until`,
		name, level, delay)
}

// closed holds that a delay of this kind was set, and prolongs it, so that a slow machine does not outlast it.
func (s *scene) closed(kind string) {
	s.t.Helper()
	if n := wardtest.One[int](s.Env, "with x as (update tenancy.throttle set until = clock_timestamp() + interval '1 "+
		"hour' where kind = $1 and until > level_at returning 1) select count(*) from x", kind); n != 1 {
		s.t.Fatalf("%d delays of kind %s, want 1", n, kind)
	}
}

// tries counts denied sign-ins by code.
func (s *scene) tries(code string) int {
	return s.events("action = 'sign_in' and outcome = 'denied' and detail::jsonb->>'code' = $1", code)
}

// Signing in says the same to whatever is wrong, and each refusal is an event.
func TestSignInRefusals(t *testing.T) {
	s := newScene(t)
	db := s.Open("ward_app")
	before := s.events("action = 'sign_in' and outcome = 'denied'")
	s.throttled("frank", 10, "1 hour")
	s.super("update tenancy.users set disabled_at = clock_timestamp() where slug = 'svc-etl'")
	cases := []tenancy.Credentials{
		app("casey", wrong, "cedar"), app("nobody", wardtest.Password, "cedar"), app("", wardtest.Password, "cedar"),
		app("casey", wardtest.Password, "nowhere"), app("hugo", wardtest.Password, "cedar"),
		app("casey", wardtest.Password, "installation"), app("casey", "", "cedar"),
		app("frank", wardtest.Password, "cedar"), app("svc-etl", wardtest.Password, "cedar"),
		{User: "dana", Password: wardtest.Password, Audience: tenancy.ReviewAudience},
		{User: "carla", Password: wardtest.Password, Audience: "nothing"},
		{User: "carla", Password: wardtest.Password, Tenant: "cedar", Role: "billing"},
	}
	for _, c := range cases {
		if said := signIn(t, db, c); said != notAccepted {
			t.Fatalf("%s at %q as %q: %q", c.User, c.Tenant, c.Audience, said)
		}
	}
	if signIn(t, s.Open("ward_reviewer"), app("casey", wardtest.Password, "cedar")) == "" {
		t.Fatal("ward_reviewer got an application's token")
	}
	if n := s.events("action = 'sign_in' and outcome = 'denied'") - before; n != len(cases)+1 {
		t.Fatalf("%d events of %d refusals", n, len(cases)+1)
	}
	if n := s.events("detail like '%' || $1 || '%' or detail like '%nobody%'", wrong); n != 0 {
		t.Fatal("a password or a name as typed is on record")
	}
	if n := wardtest.One[int](s.Env, "select count(*) from tenancy.attempt"); n != 0 {
		t.Fatalf("%d answered tries are kept", n)
	}
	a := s.conn(t)
	ticket := value[string](a, "select tenancy.sign_in('carla', '"+wardtest.Password+"', 'cedar')")
	if said := value[string](a, "select reason from tenancy.signed_in($1)",
		ticket); !strings.Contains(said, "stood in the query text") {
		t.Fatalf("a password in the query text: %q", said)
	}
}

// Five failures are free, then a delay doubles up to a quarter of an hour; meanwhile the right password is refused in
// the same words; time unlocks, success resets. A name that there is not behaves the same.
func TestSignInDelayGrows(t *testing.T) {
	s := newScene(t)
	s.cheap()
	db := s.Open("ward_app")
	for _, user := range []string{"carla", "no-such-user"} {
		delay := func() float64 {
			return wardtest.One[float64](s.Env, "select extract(epoch from until - level_at)::float8 "+
				"from tenancy.throttle where key = tenancy.fingerprint('sign-in name|' || $1)", user)
		}
		for i := range 18 {
			if said := signIn(t, db, app(user, wrong, "cedar")); said != notAccepted {
				t.Fatalf("%q", said)
			}
			want := 0.0
			if i >= 5 {
				want = min(900, float64(int(1)<<(i-5)))
			}
			if got := delay(); got != want {
				t.Fatalf("%s: after failure %d a delay of %v s, want %v", user, i+1, got, want)
			}
			if i >= 5 { // within the delay: not counted, so that trying does not prolong it
				s.super("update tenancy.throttle set until = clock_timestamp() + interval '1 hour' " +
					"where kind = 'name' and until > level_at")
				before := wardtest.One[float64](s.Env,
					"select level from tenancy.throttle where key = tenancy.fingerprint('sign-in name|' || $1)", user)
				if said := signIn(t, db, app(user, wardtest.Password, "cedar")); said != notAccepted {
					t.Fatalf("the right password within the delay: %q", said)
				}
				if after := wardtest.One[float64](s.Env, "select level from tenancy.throttle "+
					"where key = tenancy.fingerprint('sign-in name|' || $1)", user); after > before {
					t.Fatalf("a try within the delay was counted: %v, %v", before, after)
				}
			}
			s.super("update tenancy.throttle set until = clock_timestamp() where kind = 'name'")
		}
	}
	if n := wardtest.One[int](s.Env,
		"select count(*) from tenancy.throttle t where t::text like '%carla%' or t::text like '%no-such%'"); n != 0 {
		t.Fatal("the throttle keeps names as typed")
	}
	if said := signIn(t, db, app("carla", wardtest.Password, "cedar")); said != "" {
		t.Fatalf("after the delay: %q", said)
	}
	if n := wardtest.One[int](s.Env,
		"select count(*) from tenancy.throttle where key = tenancy.fingerprint('sign-in name|carla')"); n != 0 {
		t.Fatal("a success does not reset")
	}
	t.Run("unlocked by time alone", func(t *testing.T) {
		s.super("delete from tenancy.throttle")
		for range 6 {
			signIn(t, db, app("frank", wrong, "cedar"))
		}
		s.closed("name")
		if said := signIn(t, db, app("frank", wardtest.Password, "cedar")); said != notAccepted {
			t.Fatalf("%q", said)
		}
		s.super("update tenancy.throttle set until = clock_timestamp() + interval '1 second' where kind = 'name'")
		eventually(t, "the delay's end",
			func() bool { return signIn(t, db, app("frank", wardtest.Password, "cedar")) == "" })
	})
}

// Fifty tries at once, over fifty connections, count as fifty: none of them slips past. Answers that nobody fetches
// count as well.
func TestParallelTriesAreCounted(t *testing.T) {
	s := newScene(t)
	s.cheap()
	const tries = 50
	conns := make([]*attacker, tries)
	for i := range conns {
		conns[i] = s.conn(t)
	}
	for _, fetch := range []bool{true, false} {
		s.throttled("carla", 20, "-1 second") // the next failure closes for a quarter of an hour
		before, late := s.tries("wrong_password"), s.tries("too_many_failures")
		var wg sync.WaitGroup
		start := make(chan struct{})
		tickets := make([]string, tries)
		for i, a := range conns {
			wg.Go(func() {
				<-start
				err := a.QueryRow(t.Context(), "select tenancy.sign_in('carla', $1, 'cedar')", wrong).Scan(&tickets[i])
				if err == nil && fetch {
					err = a.try("select tenancy.signed_in($1)", tickets[i])
				}
				if err != nil {
					t.Errorf("try: %v", err)
				}
			})
		}
		close(start)
		wg.Wait()
		if !fetch {
			if n := wardtest.One[int](s.Env, "select count(*) from tenancy.attempt where allowed"); n != 1 {
				t.Errorf("%d of %d tries were evaluated before anybody fetched an answer, want 1", n, tries)
			}
			for _, ticket := range tickets {
				conns[0].must("select tenancy.signed_in($1)", ticket)
			}
		}
		if n, m := s.tries("wrong_password")-before, s.tries("too_many_failures")-late; n != 1 || m != tries-1 {
			t.Errorf("fetched at once %v: %d tries were evaluated and %d refused, want 1 and %d", fetch, n, m, tries-1)
		}
	}
}

// A try that is rolled back teaches nothing: there is no answer within the transaction, and its WAL is as long for the
// right password as for a wrong one.
func TestRolledBackTryTeachesNothing(t *testing.T) {
	s := newQuietScene(t)
	s.cheap()
	a := s.conn(t)
	const counters = `select array_agg(n order by relname, x) from pg_stat_xact_user_tables,
			unnest(array[seq_scan, seq_tup_read, idx_scan, idx_tup_fetch, n_tup_ins, n_tup_upd, n_tup_del])
			with ordinality u(n, x) where schemaname in ('tenancy', 'audit') and n is not null`
	measure := func(password string) (wal []int, did []int64) {
		for range 30 {
			a.must("begin")
			counted, before := value[[]int64](a, counters), value[string](a, "select pg_current_wal_insert_lsn()::text")
			ticket := value[string](a, "select tenancy.sign_in('carla', $1, 'cedar')", password)
			wal = append(wal, value[int](a, "select (pg_current_wal_insert_lsn() - $1::text::pg_lsn)::int", before))
			did = value[[]int64](a, counters)
			for i, n := range counted {
				did[i] -= n
			}
			if said := value[string](a, "select reason from tenancy.signed_in($1)",
				ticket); !strings.HasPrefix(said, "unknown_ticket: no committed sign-in has this ticket") {
				t.Fatalf("an answer before the commit: %q", said)
			}
			a.must("rollback")
		}
		slices.Sort(wal)
		return wal, did
	}
	measure(wrong) // warm
	rightWAL, right := measure(wardtest.Password)
	wrongWAL, other := measure(wrong)
	if mostOften(rightWAL) != mostOften(wrongWAL) || rightWAL[0] == 0 {
		t.Errorf("WAL of the right password %v, of a wrong one %v", rightWAL, wrongWAL)
	}
	if !slices.Equal(right, other) || slices.Max(right) == 0 {
		t.Errorf("the server's counters of the right password %v, of a wrong one %v", right, other)
	}

	// the other half: committed, its answer read and rolled back, never fetched again
	s.super("delete from tenancy.throttle")
	before := s.tries("wrong_password")
	ticket := value[string](a, "select tenancy.sign_in('carla', $1, 'cedar')", wrong)
	a.must("begin")
	a.must("select tenancy.signed_in($1)", ticket)
	a.must("rollback")
	s.super("update tenancy.attempt set tried_at = tried_at - interval '2 minutes'")
	if said := signIn(t, s.Open("ward_app"), app("hugo", wardtest.Password, "harbor")); said != "" {
		t.Fatal(said)
	}
	if n := s.tries("wrong_password") - before; n != 1 {
		t.Errorf("%d events of a try whose answer was rolled back, want 1", n)
	}
	if level := wardtest.One[float64](s.Env,
		"select level from tenancy.throttle where key = tenancy.fingerprint('sign-in name|carla')"); level != 1 {
		t.Errorf("it counts %v failures, want 1", level)
	}
	if r := value[string](a, "select reason from tenancy.signed_in($1)",
		ticket); !strings.HasPrefix(r, "unknown_ticket: no committed sign-in") {
		t.Errorf("its ticket still says %q", r)
	}
}

// mostOften is the value that stands most often in a sorted list. What the server writes for itself meanwhile (pruned
// pages, whole pages after a checkpoint) only adds, now this much and now that, so neither the mean nor, on a busy
// machine, the median is what the call itself wrote.
func mostOften(sorted []int) int {
	best, most, run := 0, 0, 0
	for i, v := range sorted {
		if i > 0 && v != sorted[i-1] {
			run = 0
		}
		if run++; run > most {
			best, most = v, run
		}
	}
	return best
}

// Who tries many names meets the count of where they are, as the application says, and of the database client; a
// success of theirs in between does not help.
func TestSprayingIsThrottled(t *testing.T) {
	s := newScene(t)
	s.cheap()
	db := s.Open("ward_app")
	from := func(source, user, password, tenant string) string {
		return signIn(t, db, tenancy.Credentials{User: user, Password: password, Tenant: tenant, Source: source})
	}
	for i := range 21 {
		from("198.51.100.7", fmt.Sprintf("user%d", i), "Winter2026!", "cedar")
	}
	s.closed("source")
	if said := from("198.51.100.7", "carla", wardtest.Password, "cedar"); said != notAccepted {
		t.Errorf("the right password from where the spraying comes: %q", said)
	}
	if said := from("203.0.113.9", "carla", wardtest.Password, "cedar"); said != "" {
		t.Errorf("from elsewhere: %q", said)
	}
	if n := wardtest.One[int](s.Env, "select count(*) from tenancy.throttle t where t::text like '%198.51%'"); n != 0 {
		t.Error("the throttle keeps addresses as given")
	}
	// sources that are made up do not get round the count of the connection
	s.super("update tenancy.throttle_limit set free = 5, drain = '1 hour' where kind = 'connection'")
	for i := range 10 {
		from(fmt.Sprintf("made-up-%d", i), fmt.Sprintf("other%d", i), "Winter2026!", "cedar")
	}
	s.closed("connection")
	if said := from("made-up", "hugo", wardtest.Password, "harbor"); said != notAccepted {
		t.Errorf("the right password over the same connections: %q", said)
	}
}

// The throttle forgets: what has drained is removed as others fail.
func TestThrottleStaysSmall(t *testing.T) {
	s := newScene(t)
	s.cheap()
	db := s.Open("ward_app")
	s.super("insert into tenancy.throttle select 'old' || n, 'name', 1, now() - interval '1 hour', " +
		"now() - interval '1 hour', now() - interval '45 minutes' from generate_series(1, 250) n")
	for range 3 {
		signIn(t, db, app("carla", wrong, "cedar"))
	}
	if n := wardtest.One[int](s.Env, "select count(*) from tenancy.throttle"); n > 3 {
		t.Errorf("%d rows, want those of one name and one connection", n)
	}
	if forget := wardtest.One[float64](s.Env,
		"select max(extract(epoch from forget_at - level_at))::float8 from tenancy.throttle"); forget > 3*900+60 {
		t.Errorf("three failures are kept for %v s", forget)
	}
}

// Who works at one clinic goes there; who works at several is told which, once the password is proven and not before.
func TestChoiceOfTenant(t *testing.T) {
	s := newScene(t)
	s.super("insert into tenancy.membership (tenant_id, user_id, role) select $1, id, 'billing' from tenancy.users "+
		"where slug = 'casey'", s.harbor)
	db := s.Open("ward_app")
	claims := func(c tenancy.Credentials) map[string]any {
		t.Helper()
		tokens, err := db.SignIn(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		_, claims := parts(t, tokens.Access)
		return claims
	}
	if c := claims(app("carla", wardtest.Password, "")); c["tid"] != s.cedar.String() {
		t.Errorf("carla, who works at cedar alone, is at %v", c["tid"])
	}
	before := s.tries("clinic_needed")
	var choice *tenancy.ChoiceError
	_, err := db.SignIn(t.Context(), app("casey", wardtest.Password, ""))
	want := []tenancy.Choice{{Tenant: "cedar", Name: "cedar clinic", Role: "clinician"}, {Tenant: "harbor",
		Name: "harbor clinic", Role: "billing"}, {Tenant: "harbor", Name: "harbor clinic", Role: "clinician"}}
	if !errors.As(err, &choice) || !slices.Equal(choice.Choices, want) {
		t.Fatalf("casey, who works at two: %v", err)
	}
	if n := s.tries("clinic_needed") - before; n != 1 {
		t.Errorf("%d events", n)
	}
	if said := signIn(t, db, app("casey", wrong, "")); said != notAccepted {
		t.Errorf("without the password: %q", said)
	}
	if c := claims(app("casey", wardtest.Password, "harbor")); c["tid"] != s.harbor.String() || c["role"] != "billing" {
		t.Errorf("at harbor casey is %v, want the newest role", c["role"])
	}
	if c := claims(tenancy.Credentials{User: "casey", Password: wardtest.Password, Tenant: "harbor",
		Role: "clinician"}); c["role"] != "clinician" {
		t.Errorf("at harbor casey is %v, want the role asked for", c["role"])
	}
	if c := claims(tenancy.Credentials{User: "casey", Password: wardtest.Password,
		Role: "billing"}); c["tid"] != s.harbor.String() || c["role"] != "billing" {
		t.Error("the role alone does not decide where one clinic has it")
	}
	s.super("update tenancy.membership set terminated_at = clock_timestamp(), reason = 'left' where tenant_id = $1 "+
		"and user_id = (select id from tenancy.users where slug = 'casey')", s.harbor)
	if c := claims(app("casey", wardtest.Password, "")); c["tid"] != s.cedar.String() {
		t.Error("a terminated membership is still a choice")
	}
	if said := signIn(t, db, app("svc-etl", wardtest.Password, "cedar")); said != notAccepted {
		t.Errorf("a service account with a password: %q", said)
	}
}

// A second factor, where one is demanded: asked for after the password alone, guessed as slowly as a password, and on
// record with the session.
func TestSecondFactorIsAsked(t *testing.T) {
	s := newScene(t)
	s.cheap()
	secret, _ := s.enrolled(s.App("carla", "cedar"), "carla")
	wrongCode := notTOTP(t, secret)
	right := func() string {
		s.forget("carla")
		return totp(t, secret, step())
	}
	db := s.Open("ward_app")
	with := func(password, code string) error {
		_, err := db.SignIn(t.Context(), tenancy.Credentials{User: "carla", Password: password, Code: code})
		return err
	}
	if err := with(wardtest.Password, ""); !errors.Is(err, tenancy.ErrSecondFactor) ||
		err.Error() != "second factor: a second factor is needed" {
		t.Fatalf("without a code: %v", err)
	}
	for _, code := range []string{"", right(), wrongCode} {
		if err := with(wrong, code); err == nil || err.Error() != notAccepted {
			t.Fatalf("a wrong password with code %q: %v", code, err)
		}
	}
	if err := with(wardtest.Password, right()); err != nil {
		t.Fatal(err)
	}
	if !wardtest.One[bool](s.Env,
		"select second_factor and method = 'password' from tenancy.session order by created_at desc limit 1") {
		t.Error("the session does not say that there was a second factor")
	}
	for i := range 6 {
		if err := with(wardtest.Password, wrongCode); !errors.Is(err, tenancy.ErrSecondFactor) {
			t.Fatalf("wrong code %d: %v", i+1, err)
		}
	}
	s.closed("name")
	if err := with(wardtest.Password, right()); err == nil || err.Error() != notAccepted {
		t.Fatalf("after six wrong codes: %v", err)
	}
	// answers that are read and rolled back count too
	s.throttled("carla", 20, "-1 second") // the next failure closes for a quarter of an hour
	a := s.conn(t)
	for range 3 {
		ticket := value[string](a, "select tenancy.sign_in('carla', $1, code => $2)", wardtest.Password, wrongCode)
		a.must("begin")
		a.must("select tenancy.signed_in($1)", ticket)
		a.must("rollback")
	}
	if err := with(wardtest.Password, right()); err == nil || err.Error() != notAccepted {
		t.Fatalf("codes can be guessed by rolling back: %v", err)
	}
}
