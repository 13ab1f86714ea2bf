package tenancy_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/ward-health/ward/internal/wardtest"
)

// Entries 21 to 35: the identity of a transaction, roles, partitions and grants.

func forgedSetting(t *testing.T, s *scene) {
	_, hugo := parts(t, s.token("hugo@harbor"))
	tenant := func() (uuid.UUID, error) {
		a := s.conn(t)
		a.must("begin")
		a.must(`select set_config('request.jwt.claims', jsonb_build_object('tid', $1::text, 'sid', $2::text)::text,
				true), set_config('request.jwt.deadline', (extract(epoch from clock_timestamp()) + 30)::text, true),
				set_config('request.jwt.mac', 'none', true)`, s.harbor.String(), hugo["sid"])
		var got uuid.UUID
		err := a.QueryRow(t.Context(), "select tenancy.tenant_id()").Scan(&got)
		return got, err
	}
	_, err := tenant()
	refused(t, err, "28000", "unsigned claims")
	restore := s.without(t, "tenancy.claims", macCheck, "false")
	defer restore()
	if got, err := tenant(); err != nil || got != s.harbor {
		t.Fatalf("does not work without the MAC: %v", err)
	}
}

func readKeys(t *testing.T, s *scene) {
	s.asEach(t, func(_ string, a *attacker) {
		a.cannot(t, "select * from tenancy.signing_key", "select * from tenancy.mac_key", "select tenancy.proven('a')",
			"select tenancy.sign('{}')", "select tenancy.fingerprint('a')", "select tenancy.rotate_key()",
			"select nextval('tenancy.begun')", "select setval('tenancy.begun', 1)",
			"update tenancy.signing_key set retired_at = null",
			"insert into tenancy.signing_key values ('k', repeat('x', 32)::bytea)",
			"select password_hash from tenancy.users", "select * from tenancy.refresh_token")
	})
}

func replayedToken(t *testing.T, s *scene) {
	session := s.App("casey", "cedar")
	token := session.Tokens().Access
	a, b := s.conn(t), s.conn(t)
	a.accepted(token, uuid.Nil)
	if why := b.begin(token, uuid.Nil); why != "" {
		t.Fatalf("no longer accepted a second time (%s): docs/SECURITY.md says it remains", why)
	}
	b.must("rollback")
	a.must("rollback")
	if err := session.SignOut(t.Context()); err != nil {
		t.Fatal(err)
	}
	if why := b.begin(token, uuid.Nil); why != "session_revoked" {
		t.Fatalf("after the session's end: %q", why)
	}
}

func sessionSetting(t *testing.T, s *scene) {
	a := s.conn(t)
	d := a.asked(s.token("casey@cedar"), s.mine)
	left := func() string {
		a.accepted(s.token("casey@cedar"), d)
		a.must("commit")
		return value[string](a, "select concat_ws('', current_setting('request.jwt.claims', true), "+
			"current_setting('request.jwt.mac', true), current_setting('ward.disclosure', true))")
	}
	if got := left(); got != "" {
		t.Fatalf("%d characters of an identity outlast its transaction", len(got))
	}
	refused(t, a.try(readNames), "28000", "no identity")
	a.accepted(s.token("casey@cedar"), uuid.Nil)
	a.must("commit and chain")
	if v := value[*string](a, "select tenancy.claims()::text"); v != nil {
		t.Fatal("an identity outlasts COMMIT AND CHAIN")
	}
	a.must("rollback")
	restore := s.without(t, "tenancy.begin", "set_config('request.jwt.claims', proof.claims, true)",
		"set_config('request.jwt.claims', proof.claims, false)")
	defer restore()
	if left() == "" {
		t.Fatal("does not outlast it without SET LOCAL either")
	}
	refused(t, a.try(readNames), "28000", "unsigned claims") // the second defence: the MAC is of that transaction
}

func heldCursor(t *testing.T, s *scene) {
	a := s.conn(t)
	a.accepted(s.token("casey@cedar"), a.asked(s.token("casey@cedar"), s.mine))
	a.must("declare h cursor with hold for select last_name from phi.patients")
	a.must("commit")
	if why := a.begin(s.token("hugo@harbor"), uuid.Nil); !strings.Contains(a.why, "WITH HOLD") {
		t.Fatalf("%q", why)
	}
	a.must("rollback")
	restore := s.without(t, "tenancy.begin", "exists (select from pg_cursors where is_holdable)", "false")
	defer restore()
	a.accepted(s.token("hugo@harbor"), uuid.Nil)
	if got, err := a.names("fetch all from h"); err != nil || len(got) != 1 {
		t.Fatalf("does not work without it: %d rows, %v", len(got), err)
	}
}

// switched opens a cursor as hugo, begins anew as casey in the same transaction, and reads on.
func (s *scene) switched(t *testing.T, query string) ([]string, error) {
	t.Helper()
	casey, hugo := s.token("casey@cedar"), s.token("hugo@harbor")
	a := s.conn(t)
	crossing := a.asked(casey, s.theirs) // of another clinic: to be classified as denied, and to show nothing
	nobody := a.asked(hugo, uuid.New())
	a.accepted(hugo, nobody)
	defer a.must("rollback")
	a.must("set local enable_material = off")
	a.must("declare c cursor for " + query)
	a.must("fetch 1 from c")
	a.must("select set_config('request.jwt.claims', '', true)")
	if why := a.identify(casey, crossing); why != "" {
		t.Fatalf("no longer (%s): docs/SECURITY.md, point 7, says that one identity may follow another", why)
	}
	return a.names("fetch all from c")
}

func identityBeforeFetch(t *testing.T, s *scene) {
	a := s.conn(t)
	d := a.asked(s.token("casey@cedar"), s.mine)
	a.accepted(s.token("hugo@harbor"), a.asked(s.token("hugo@harbor"), s.theirs))
	a.must("declare c cursor for " + readNames)
	a.must("select set_config('request.jwt.claims', '', true)")
	if why := a.identify(s.token("casey@cedar"), d); why != "" {
		t.Fatal(why)
	}
	if got, err := a.names("fetch all from c"); err != nil || strings.Join(got, " ") != "Canarycedar" {
		t.Fatalf("%d rows, %v, want those of the identity that fetches, by its own disclosure", len(got), err)
	}
}

func cachedPlan(t *testing.T, s *scene) {
	a := s.conn(t)
	a.must("set plan_cache_mode = force_generic_plan")
	if _, err := a.Prepare(t.Context(), "look", readNames); err != nil {
		t.Fatal(err)
	}
	mine, theirs := a.asked(s.token("casey@cedar"), s.mine), a.asked(s.token("hugo@harbor"), s.theirs)
	for range 3 {
		for _, who := range []struct {
			token, want string
			d           uuid.UUID
		}{{s.token("casey@cedar"), "Canarycedar", mine}, {s.token("hugo@harbor"), "Canaryharbor", theirs}} {
			a.accepted(who.token, who.d)
			if got, err := a.names("look"); err != nil || strings.Join(got, " ") != who.want {
				t.Fatalf("%d rows of one plan, %v", len(got), err)
			}
			a.must("commit")
		}
	}
}

func sessionAuthorization(t *testing.T, s *scene) {
	s.asEach(t, func(_ string, a *attacker) {
		a.cannot(t, "set session authorization ward_owner", "set session authorization postgres",
			"select set_config('session_authorization', 'ward_owner', false)",
			"select set_config('role', 'ward_owner', false)")
	})
	if v := s.serverVersion(); v < 150009 || v >= 160000 && v < 160005 || v >= 170000 && v < 170001 {
		t.Fatalf("server %d is older than the fix of CVE-2024-10978", v)
	}
}

// vitals is a protected, partitioned table with one row of each clinic.
func (s *scene) vitals(t *testing.T) *attacker {
	t.Helper()
	owner := s.owner(t)
	owner.must("create table public.vitals (" + key + ", pulse int check (pulse < 300)) partition by hash (id)")
	owner.must("create table public.vitals_0 partition of public.vitals for values with (modulus 1, remainder 0)")
	s.super("insert into public.vitals values ($1, gen_random_uuid(), 71), ($2, gen_random_uuid(), 72)",
		s.cedar, s.harbor)
	owner.must("select tenancy.protect('public.vitals')")
	owner.must("select tenancy.permit('clinician', 'public.vitals', array['view', 'create', 'modify'])")
	return owner
}

func partitionDirectly(t *testing.T, s *scene) {
	s.vitals(t)
	month := wardtest.One[string](s.Env, "select tableoid::regclass::text from audit.event limit 1")
	s.asEach(t, func(_ string, a *attacker) {
		a.cannot(t, "select pulse from public.vitals_0", "select * from "+month)
	})
	a := s.conn(t)
	s.super("grant select on public.vitals_0 to ward_app")
	a.accepted(s.token("casey@cedar"), uuid.Nil)
	if n := value[int](a, "select count(*) from public.vitals_0"); n != 0 {
		t.Fatalf("%d rows of a partition that somebody granted", n)
	}
	a.must("rollback")
	s.found(t, "public.vitals", "on its partition vitals_0 is granted to ward_app")
	s.super("alter table public.vitals_0 disable row level security")
	if n := value[int](a, "select count(*) from public.vitals_0"); n != 2 {
		t.Fatalf("%d rows without the partition's own row security: what else hides them?", n)
	}
}

func newPartition(t *testing.T, s *scene) {
	if n := wardtest.One[int](s.Env,
		"select count(*) from pg_default_acl d cross join lateral aclexplode(d.defaclacl) a where "+
			"a.grantee::regrole::text = any ($1) and d.defaclnamespace <> 'river'::regnamespace", logins); n != 0 {
		t.Fatalf("%d default privileges for logins outside of river", n)
	}
	s.super("alter default privileges for role ward_owner in schema audit, public grant all on tables to ward_app")
	s.super("select audit.ensure_month('2031-05-01')")
	if n := wardtest.One[int](s.Env, "select count(*) from pg_class where oid = 'audit.event_2031_05'::regclass "+
		"and relrowsecurity and relforcerowsecurity and not has_table_privilege('ward_app', oid, 'select, insert, "+
		"update, delete, truncate')"); n != 1 {
		t.Fatal("a month took default privileges")
	}
	owner := s.vitals(t)
	owner.must("create table public.parts (" + key + ", x int) partition by hash (id)")
	owner.must("select tenancy.protect('public.parts')")
	owner.must("create table public.parts_1 partition of public.parts for values with (modulus 1, remainder 0)")
	s.found(t, "public.parts", "on its partition parts_1 is granted to ward_app")
	s.found(t, "public.parts", "row level security of its partition parts_1 is not enabled and forced")
	owner.must("select tenancy.protect('public.parts')")
	s.conn(t).cannot(t, "select * from public.parts_1", "truncate public.parts_1")
}

func attachedTable(t *testing.T, s *scene) {
	s.asEach(t, func(_ string, a *attacker) { a.cannot(t, "create table public.child () inherits (public.patients)") })
	owner := s.owner(t)
	owner.must("create table public.parts (" + key + ", x int) partition by hash (id)")
	owner.must("create table public.parts_0 partition of public.parts for values with (modulus 2, remainder 0)")
	owner.must("select tenancy.protect('public.parts')")
	owner.must("create table public.parts_1 (" + key + ", x int)")
	owner.must("grant select on public.parts_1 to ward_app")
	owner.must("alter table public.parts attach partition public.parts_1 for values with (modulus 2, remainder 1)")
	s.found(t, "public.parts", "row level security of its partition parts_1 is not enabled and forced")
	s.conn(t).cannot(t, "alter table public.parts attach partition public.parts_1 default",
		"alter table public.parts detach partition public.parts_0")
	owner.must("select tenancy.protect('public.parts')")
	s.conn(t).cannot(t, "select * from public.parts_1")
}

func truncate(t *testing.T, s *scene) {
	s.asEach(t, func(_ string, a *attacker) {
		for table := range columnsOf {
			a.cannot(t, "truncate "+table+" cascade")
		}
		a.cannot(t, "truncate audit.event", "truncate audit.chain", "truncate tenancy.disclosure",
			"truncate tenancy.record", "truncate tenancy.users cascade", "truncate review.anomaly cascade")
	})
	before := s.events("true")
	s.super("grant truncate on public.messages to ward_app")
	s.found(t, "public.messages", "TRUNCATE on it is granted to ward_app")
	s.conn(t).must("truncate public.messages")
	if s.events("true") != before {
		t.Fatal("a TRUNCATE is audited now: say so in docs/ATTACKS.md")
	}
}

func references(t *testing.T, s *scene) {
	s.asEach(t, func(role string, a *attacker) {
		a.cannot(t, "create table public.x (a uuid, b uuid, foreign key (a, b) references public.patients)",
			"alter table public.patients add unique (mrn)")
		if n := wardtest.One[int](s.Env, "select count(*) from tenancy.phi_table where has_any_column_privilege($1, "+
			"record_table, 'references') or has_table_privilege($1, record_table, 'trigger')", role); n != 0 {
			t.Fatalf("%s may refer to, or hang triggers on, %d tables", role, n)
		}
	})
}

func copying(t *testing.T, s *scene) {
	s.undisclosed()
	a := s.conn(t)
	a.accepted(s.token("casey@cedar"), a.asked(s.token("casey@cedar"), s.mine))
	a.cannot(t, "copy public.patients to stdout", "copy public.patients (last_name) to stdout",
		"copy (select * from public.patients) to stdout", "copy public.patients to program 'true'",
		"copy public.patients to '/tmp/x'",
		"copy (select 1) to program 'true'", "copy public.notes from program 'true'")
	var out strings.Builder
	if _, err := a.PgConn().CopyTo(t.Context(), &out,
		"copy (select last_name from phi.patients) to stdout"); err != nil || out.String() != "Canarycedar\n" {
		t.Fatalf("%d bytes, %v, want the disclosed record", out.Len(), err)
	}
	_, err := a.PgConn().CopyFrom(t.Context(),
		strings.NewReader(fmt.Sprintf("%s\t%s\tm\tf\tl\n", s.harbor, uuid.New())),
		"copy public.patients (tenant_id, id, mrn, first_name, last_name) from stdin")
	refused(t, err, "0A000", "row-level security")
}

func rowSecurityOff(t *testing.T, s *scene) {
	a := s.conn(t)
	d := a.asked(s.token("casey@cedar"), s.mine)
	a.accepted(s.token("casey@cedar"), d)
	a.must("set local row_security = off")
	for _, sql := range []string{"select id from public.patients", readNames, "delete from public.patients",
		"update public.patients set phone = 'x'"} {
		a.must("savepoint s")
		refused(t, a.try(sql), "42501", "row-level security")
		a.must("rollback to s")
	}
	a.must("rollback")
	a.must("set row_security = off") // the definer functions write events to a table with row security forced
	a.must("begin")
	if _, err := a.tryIdentify("no token", uuid.Nil); err == nil {
		t.Fatal("a refusal without its event")
	}
	a.must("rollback")
	a.must("reset row_security")
	a.accepted(s.token("casey@cedar"), d)
	a.sees("Canarycedar")
}
