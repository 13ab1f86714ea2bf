package tenancy_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/ward-health/ward/internal/wardtest"
)

// Entries 36 to 63: what the server tells on the side, and what it lets a login do.

// crowd adds patients to a clinic, as somebody who works there, and has the planner's statistics made.
func (s *scene) crowd(t *testing.T, who string, tenant uuid.UUID, n int, lastName string) {
	t.Helper()
	a := s.conn(t)
	a.accepted(s.token(who), uuid.Nil)
	a.must("insert into public.patients (tenant_id, id, mrn, first_name, last_name) select $1, gen_random_uuid(), "+
		"'m' || n, 'f', $3 from generate_series(1, $2::int) n", tenant, n, lastName)
	a.must("commit")
	s.super("analyze public.patients")
}

func statistics(t *testing.T, s *scene) {
	s.crowd(t, "casey@cedar", s.cedar, 300, "Canarycommon")
	if n := wardtest.One[int](s.Env, "select count(*) from pg_stats where schemaname = 'public' and tablename = "+
		"'patients' and attname = 'last_name' and most_common_vals::text like '%Canarycommon%'"); n != 1 {
		t.Fatal("there are no statistics to read")
	}
	s.asEach(t, func(role string, a *attacker) {
		if n := value[int](a, "select count(*) from pg_stats where schemaname in ('public', 'tenancy', 'audit') and "+
			"not (schemaname = 'audit' and $1 = 'ward_worker' or schemaname = 'tenancy')", role); n != 0 {
			t.Fatalf("%s reads %d statistics", role, n)
		}
		if n := value[int](a,
			"select (select count(*) from pg_stats_ext) + (select count(*) from pg_stats_ext_exprs)"); n != 0 {
			t.Fatalf("%s reads extended statistics", role)
		}
		a.cannot(t, "select * from pg_statistic", "select * from pg_statistic_ext_data",
			"create statistics public.x on tenant_id, id from public.patients")
	})
	s.super("alter table public.patients disable row level security")
	s.super("grant select on public.patients to ward_app")
	if n := value[int](s.conn(t), "select count(*) from pg_stats where tablename = 'patients' "+
		"and most_common_vals::text like '%Canarycommon%'"); n != 1 {
		t.Fatal("are not readable without row security and the column grants either")
	}
}

func estimates(t *testing.T, s *scene) {
	s.crowd(t, "hugo@harbor", s.harbor, 1500, "Canarycommon")
	a := s.conn(t)
	a.accepted(s.token("casey@cedar"), uuid.Nil)
	harbor := a.plan(t, "format text", fmt.Sprintf("select id from public.patients where tenant_id = '%s'", s.harbor))
	nobody := a.plan(t, "format text", fmt.Sprintf("select id from public.patients where tenant_id = '%s'", uuid.New()))
	if strings.Contains(harbor, " rows=1 width=16)\n  One-Time") || !strings.Contains(nobody, " rows=1 ") {
		t.Fatalf("no longer: docs/SECURITY.md says that estimates tell how large a clinic is\n%s\n%s", harbor, nobody)
	}
	plan := func(name string) string {
		return strings.ReplaceAll(a.plan(t, "format text", "select 1 from phi.patients where last_name = '"+name+"'"),
			name, "NAME")
	}
	if plan("Canarycommon") != plan("Canarynobody") {
		t.Fatal("an estimate tells a PHI value that is common from one that is not there")
	}
}

func explainAnalyze(t *testing.T, s *scene) {
	second := s.undisclosed()
	a := s.conn(t)
	d := a.asked(s.token("casey@cedar"), s.mine)
	plan := func(sql, value string) string {
		a.accepted(s.token("casey@cedar"), d)
		defer a.must("rollback")
		a.must("set local enable_seqscan = off")
		return strings.ReplaceAll(a.plan(t, "analyze, buffers off, costs off, timing off, summary off",
			fmt.Sprintf(sql, value)), value, "VALUE")
	}
	const byID, byName = "select id from public.patients where id = '%s'",
		"select 1 from phi.patients where last_name = '%s'"
	if theirs, nobody := plan(byID, s.theirs.String()), plan(byID, uuid.NewString()); theirs != nobody {
		t.Fatalf("EXPLAIN ANALYZE tells another clinic's id from nobody's:\n%s\n%s", theirs, nobody)
	}
	if there, not := plan(byName, "Canarysecond"), plan(byName, "Canarynobody"); there != not {
		t.Fatalf("EXPLAIN ANALYZE tells an undisclosed name:\n%s\n%s", there, not)
	}
	if second == s.mine {
		t.Fatal("the undisclosed patient is the disclosed one")
	}
	s.super(openView)
	// without it, nothing looks for a name before the rows are there
	s.super("create index loose_name on public.patients (tenant_id, last_name)")
	if there, not := plan(byName, "Canarysecond"), plan(byName, "Canarynobody"); there == not {
		t.Fatal("does not without the barrier: what else hides it?")
	}
}

func sizes(t *testing.T, s *scene) {
	s.crowd(t, "hugo@harbor", s.harbor, 50, "Canarycommon")
	a := s.conn(t)
	if n := value[float64](a,
		"select reltuples::float8 from pg_class where oid = 'public.patients'::regclass"); n != 52 {
		t.Fatalf("%v rows of all clinics: docs/SECURITY.md says that everybody sees how many there are", n)
	}
	if n := value[int64](a, "select pg_relation_size('public.patients')"); n == 0 {
		t.Fatal("no size: docs/SECURITY.md says that everybody sees it")
	}
	// and who is connected, not what they say
	if n := value[int](a, "select count(pg_stat_get_backend_pid(i)) from pg_stat_get_backend_idset() i"); n == 0 {
		t.Fatal("no sessions: docs/SECURITY.md says that everybody sees that they are there")
	}
}

func physicalPlace(t *testing.T, s *scene) {
	s.asEach(t, func(_ string, a *attacker) {
		a.cannot(t, "select currtid2('public.patients', '(0,1)')", "select ctid from public.patients",
			"select tableoid from public.patients", "select xmin from public.patients",
			"select id from public.patients where ctid = '(0,1)'",
			"delete from public.patients where ctid = '(0,1)'")
	})
	s.super("grant execute on function pg_catalog.currtid2(text, tid) to public")
	s.conn(t).cannot(t, "select currtid2('public.patients', '(0,1)')") // the second defence: SELECT on the whole table
	s.super("grant select on public.patients to ward_app")
	s.conn(t).must("select currtid2('public.patients', '(0,1)')")
}

// Time is told by work: the same plan over the same pages leaves nothing to measure.
func timing(t *testing.T, s *scene) {
	a := s.conn(t)
	work := func(id uuid.UUID) string {
		d := a.asked(s.token("casey@cedar"), id)
		a.accepted(s.token("casey@cedar"), d)
		defer a.must("rollback")
		a.must("set local enable_seqscan = off")
		return a.plan(t, "analyze, buffers, costs off, timing off, summary off", readNames)
	}
	same := func(x, y uuid.UUID) (alike bool) {
		work(x)
		for range 5 { // a vacuum beside it may touch a page
			alike = alike || work(x) == work(y)
		}
		return alike
	}
	if !same(s.theirs, uuid.New()) {
		t.Fatal("a look at another clinic's record does other work than one at nobody's")
	}
	s.super("create index loose on public.patients (id)")
	s.super("drop policy tenant_boundary on public.patients; create policy tenant_boundary on public.patients " +
		"as restrictive to ward_reader using (tenant_id || '' = (select tenancy.tenant_id()) || '')")
	s.super("create or replace view phi.patients with (security_barrier) as select * from public.patients " +
		"where id = any ((select (tenancy.disclosed('public.patients')).ids)::uuid[])")
	if same(s.theirs, uuid.New()) {
		t.Fatal("does not with a policy that no index serves: is the measure blind?")
	}
}

func otherSessions(t *testing.T, s *scene) {
	s.asEach(t, func(_ string, a *attacker) {
		a.cannot(t, "select query from pg_stat_activity", "select * from pg_stat_get_activity(null)",
			"select pg_stat_get_backend_activity(1)")
		other := connect(t, strings.Replace(s.DB.DSN("ward_app"), "/"+s.DB.Name()+"?", "/postgres?", 1))
		if n := value[int](other, "select count(*) from pg_stat_activity where datname = $1 and query <> ''",
			s.DB.Name()); n == 0 {
			t.Fatal("no longer: docs/SECURITY.md says that other databases of the cluster show statements")
		}
	})
}

func serverLog(t *testing.T, s *scene) {
	if n := wardtest.One[int](s.Env,
		"select count(*) from pg_extension where extname in ('pg_stat_statements', 'auto_explain')"); n != 0 {
		t.Fatal("an extension keeps statements")
	}
	log := filepath.Join(filepath.Dir(wardtest.One[string](s.Env, "show data_directory")), "server.log")
	written := func(marker string) bool {
		text, err := os.ReadFile(log)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Contains(string(text), marker)
	}
	// ward's own cluster logs no errors at all; this database does what PostgreSQL does by default
	for _, set := range []string{"log_min_messages = warning", "log_min_error_statement = error",
		"log_error_verbosity = default"} {
		s.super("do $$ begin execute format('alter database %I set " + set + "', current_database()); end $$")
	}
	a := s.conn(t)
	quiet, loud, end := "Canary"+uuid.NewString(), "Canary"+uuid.NewString(), "end"+uuid.NewString()
	a.accepted(s.token("casey@cedar"), a.asked(s.token("casey@cedar"), s.mine))
	a.must("savepoint s")
	err := a.try("update public.patients set last_name = null, phone = $1", quiet)
	refused(t, err, "23502", "last_name")
	var pg *pgconn.PgError
	if refusedBy(err, &pg); pg.Detail != "" {
		t.Fatal("an error shows the failing row")
	}
	a.must("rollback to s")
	a.must("select audit.find($1, 'public.patients', $2)", uuid.New(),
		`[{"column": "birth_date", "op": "=", "value": "`+quiet+`"}]`)
	a.must("rollback")
	for _, given := range []string{loud, end} { // the client's own cast repeats what it was given
		if err := a.try("select $1::text::date", given); err == nil {
			t.Fatal("not an error")
		}
	}
	eventually(t, "the log is written", func() bool { return written(end) })
	if written(quiet) {
		t.Fatal("a bound value is in the server's log")
	}
	if !written(loud) {
		t.Fatal("no longer: docs/SECURITY.md says that a failing cast repeats its value in the log")
	}
}

func largeObjects(t *testing.T, s *scene) {
	s.asEach(t, func(_ string, a *attacker) {
		a.cannot(t, "select lo_create(0)", "select lo_creat(-1)", "select lo_from_bytea(0, 'x')", "select lo_get(1)",
			"select lo_get(1, 0, 1)", "select lo_open(1, 262144)", "select lo_import('/etc/passwd')",
			"select lo_export(1, '/tmp/x')",
			"select data from pg_largeobject")
	})
	if n := wardtest.One[int](s.Env, "select count(*) from tenancy.phi_table p join pg_attribute a "+
		"on a.attrelid = p.record_table::regclass where a.attnum > 0 and a.atttypid in ('oid'::regtype)"); n != 0 {
		t.Fatalf("%d columns of protected tables name large objects", n)
	}
	s.super("grant execute on function pg_catalog.lo_from_bytea(oid, bytea), pg_catalog.lo_get(oid) to public")
	id := value[uint32](s.conn(t), "select lo_from_bytea(0, 'Canary')")
	if got := value[string](s.conn(t), "select convert_from(lo_get($1), 'utf8')", id); got != "Canary" {
		t.Fatal("another session of the role cannot read it: what else hides it?")
	}
}

func notifications(t *testing.T, s *scene) {
	if n := wardtest.One[string](s.Env, `select coalesce(string_agg(p.oid::regproc::text, ' '), '') from pg_proc p
			join pg_namespace n on n.oid = p.pronamespace where n.nspname in ('core', 'tenancy', 'audit', 'review',
				'auth', 'phi') and p.prosrc ~* '\mpg_notify\M|(?<!ward )\mnotify +[a-z]'`); n != "" {
		t.Fatalf("%s notify", n)
	}
	if n := wardtest.One[int](s.Env, `select count(*) from pg_trigger t join pg_proc p on p.oid = t.tgfoid
			where p.prosrc ~* '\mpg_notify\M|(?<!ward )\mnotify +[a-z]'`); n != 0 {
		t.Fatalf("%d triggers notify", n)
	}
}

func advisoryLocks(t *testing.T, s *scene) {
	s.asEach(t, func(role string, a *attacker) {
		if role != "ward_worker" {
			a.cannot(t, "select pg_advisory_lock(1)", "select pg_advisory_lock(1, 2)",
				"select pg_advisory_lock_shared(1)", "select pg_advisory_xact_lock(1)",
				"select pg_try_advisory_lock(1)", "select pg_try_advisory_xact_lock_shared(1, 2)")
		}
	})
	const seal = int64(0x77617264_7365616c)
	s.super("grant execute on function pg_catalog.pg_advisory_lock(bigint) to ward_app")
	s.conn(t).must("select pg_advisory_lock($1)", seal)
	if value[bool](s.connAs(t, "ward_worker"), "select pg_try_advisory_lock($1)", seal) {
		t.Fatal("the application cannot keep the sealer out: what else stops it?")
	}
}

func sequences(t *testing.T, s *scene) {
	names := strings.Fields(wardtest.One[string](s.Env, "select string_agg(oid::regclass::text, ' ') from pg_class "+
		"where relkind = 'S' and relnamespace::regnamespace::text in ('core', 'audit', 'tenancy', 'review', 'public')"))
	if len(names) < 2 {
		t.Fatalf("sequences: %v", names)
	}
	s.asEach(t, func(role string, a *attacker) {
		for _, n := range names {
			a.cannot(t, "select last_value from "+n, "select nextval('"+n+"')", "select setval('"+n+"', 1)")
		}
		if n := value[int](a,
			"select count(*) from pg_sequences where last_value is not null and schemaname <> 'river'"); n != 0 {
			t.Fatalf("%s reads the state of %d sequences", role, n)
		}
	})
	if n := wardtest.One[int](s.Env,
		"select count(*) from tenancy.phi_table p join pg_attribute a on a.attrelid = p.record_table::regclass where "+
			"a.attname = 'id' and (a.atttypid <> 'uuid'::regtype or a.attidentity <> '' or a.atthasdef)"); n != 0 {
		t.Fatalf("%d protected tables have ids that are not random uuids of the client's", n)
	}
}

func temporaryTable(t *testing.T, s *scene) {
	s.asEach(t, func(_ string, a *attacker) {
		a.cannot(t, "create temp table patients (id uuid)", "create temp view patients as select 1 as x",
			"create temp sequence x")
	})
	s.super(grantTemp)
	a := s.conn(t)
	a.must("create temp table patients (id uuid)")
	if why := a.begin(s.token("casey@cedar"), uuid.Nil); !strings.Contains(a.why, "temporary objects") {
		t.Fatalf("%q", why)
	}
	a.must("rollback")
	restore := s.without(t, "tenancy.begin", "pg_my_temp_schema() <> 0", "false")
	defer restore()
	a.accepted(s.token("casey@cedar"), uuid.Nil)
	if n := value[int](a, "select count(*) from pg_temp.patients"); n != 0 {
		t.Fatal("not empty")
	}
	a.must("rollback")
	a.must("set search_path = public")
	if !value[bool](a, "select 'patients'::regclass = 'pg_temp.patients'::regclass") {
		t.Fatal("does not shadow without the refusal")
	}
}

func shadowedPolicyFunction(t *testing.T, s *scene) {
	s.asEach(t, func(_ string, a *attacker) {
		a.cannot(t, "create function pg_temp.tenant_id() returns uuid language sql as 'select null::uuid'",
			"create function tenancy.tenant_id(int) returns uuid language sql as 'select null::uuid'",
			"create or replace function tenancy.tenant_id() returns uuid language sql as 'select null::uuid'")
	})
	s.super(grantTemp)
	a := s.conn(t)
	d := a.asked(s.token("casey@cedar"), s.mine, s.theirs)
	a.accepted(s.token("casey@cedar"), d)
	a.must("create function pg_temp.tenant_id() returns uuid language sql as $$ select '" +
		s.harbor.String() + "'::uuid $$")
	a.must("create function pg_temp.disclosed(text) returns uuid[] language sql as $$ select array['" +
		s.theirs.String() + "']::uuid[] $$")
	a.must("set local search_path = pg_temp, tenancy, audit, public")
	a.sees("Canarycedar")
}

func preparedTransaction(t *testing.T, s *scene) {
	a := s.conn(t)
	if n := value[string](a, "show max_prepared_transactions"); n != "0" {
		t.Fatalf("max_prepared_transactions = %s", n)
	}
	d := uuid.New()
	a.accepted(s.token("casey@cedar"), uuid.Nil)
	a.must("select audit.disclose($1, 'public.patients', $2)", d, []uuid.UUID{s.mine})
	refused(t, a.try("prepare transaction 'p'"), "25000", "COMMIT of its own") // before the setting is looked at
	a.accepted(s.token("casey@cedar"), d)
	refused(t, a.try(readNames), "42501", "no committed disclosure")
}

func ownSettings(t *testing.T, s *scene) {
	a, token := s.conn(t), s.token("casey@cedar")
	database := value[string](a, "select quote_ident(current_database())")
	for _, set := range []string{"search_path = pg_temp, public", "synchronous_commit = off", "row_security = off",
		"default_transaction_isolation = 'serializable'"} {
		a.must("alter role ward_app in database " + database + " set " + set)
	}
	if err := a.try("alter role ward_app in database " + database +
		` set request.jwt.claims = '{"tid": "x"}'`); err == nil {
		b := s.conn(t) // allowed or not, it is no identity
		refused(t, b.try("select tenancy.claims()"), "28000", "unsigned claims")
		a.must("alter role ward_app in database " + database + " reset request.jwt.claims")
	}
	b := s.conn(t)
	if v := value[string](b,
		"select current_setting('synchronous_commit') || current_setting('row_security')"); v != "offoff" {
		t.Fatalf("no longer (%s): docs/SECURITY.md says that a login may change its own defaults", v)
	}
	b.must("begin isolation level read committed")
	b.must("set local row_security = on")
	if why := b.identify(token, uuid.Nil); why != "" {
		t.Fatal(why)
	}
	if v := value[uuid.UUID](b, "select tenancy.tenant_id()"); v != s.cedar {
		t.Fatal("its defaults chose the clinic")
	}
	s.asEach(t, func(role string, a *attacker) {
		for _, other := range logins {
			if other != role {
				a.cannot(t, "alter role "+other+" set search_path = x")
			}
		}
		a.cannot(t, "alter role all set search_path = x", "alter database "+database+" set search_path = x",
			"alter system set fsync = off")
	})
}

func replicaRole(t *testing.T, s *scene) {
	s.asEach(t, func(_ string, a *attacker) {
		a.cannot(t, "set session_replication_role = replica", "set local session_replication_role = replica",
			"select set_config('session_replication_role', 'replica', false)")
	})
	if n := wardtest.One[int](s.Env, "select count(*) from pg_parameter_acl"); n != 0 {
		t.Fatalf("%d parameters are granted", n)
	}
	if n := wardtest.One[int](s.Env, `select count(*) from pg_trigger where tgname in ('audit_write', 'append_only',
			'append_only_truncate') and tgrelid::regclass::text ~
			'^(public|audit|patients|notes|messages|claims|appointments|encounters|attachments)'
			and tgenabled <> 'A'`); n != 0 {
		t.Fatalf("%d triggers do not fire for a replica", n)
	}
}

func refusedBy(err error, into **pgconn.PgError) {
	*into, _ = err.(*pgconn.PgError) //nolint:errorlint // the test has just held it against refused
}
