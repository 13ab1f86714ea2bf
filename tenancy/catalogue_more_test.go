package tenancy_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ward-health/ward/internal/wardtest"
)

// Attacks that the catalogue does not have.

// A cursor WITH HOLD is read to its end by COMMIT itself, after the deferred triggers.
func heldCursorAtCommit(t *testing.T, s *scene) {
	asyncAfter := func() (string, error) {
		a, d := s.conn(t), uuid.New()
		a.accepted(s.token("casey@cedar"), uuid.Nil)
		a.must("select audit.disclose($1, 'public.patients', $2)", d, []uuid.UUID{s.mine})
		a.must("declare h cursor with hold for select set_config('synchronous_commit', 'off', false)")
		if err := a.try("commit"); err != nil {
			return "", err
		}
		return value[string](a, "show synchronous_commit"), nil
	}
	_, err := asyncAfter()
	refused(t, err, "25000", "WITH HOLD")
	a, d := s.conn(t), uuid.New() // an ask that such a cursor writes while it is read
	a.accepted(s.token("casey@cedar"), d)
	a.must("declare h cursor with hold for select audit.disclose('" + d.String() + "', 'public.patients', array['" +
		s.mine.String() + "'::uuid])")
	refused(t, a.try("commit"), "25000", "WITH HOLD")
	restore := s.without(t, "tenancy.durable", "exists (select from pg_cursors where is_holdable)", "false")
	defer restore()
	if after, err := asyncAfter(); err != nil || after != "off" {
		t.Fatalf("does not work without it: %q, %v", after, err)
	}
}

// acrossRescans reads a view again for each of several rows, so that what it asks of the identity is asked again.
const acrossRescans = "select coalesce(q.last_name, '') from generate_series(1, 4) g left " +
	"join lateral (select p.last_name, g from phi.patients p offset 0) q on true"

// looseView is the view as it was: the clinic by the policy alone, whose answer is kept for the whole statement.
const looseView = `create or replace view phi.patients with (security_barrier) as select x.*
		from (select tenancy.disclosed('public.patients') as r offset 0) d cross
			join lateral (select * from public.patients where id = any ((d.r).ids) offset 0) x offset 0`

func identityBetweenRows(t *testing.T, s *scene) {
	got, err := s.switched(t, acrossRescans)
	if err != nil || len(got) != 3 || strings.Join(got, "") != "" {
		t.Fatalf("a record of the one clinic under an ask of the other: %d rows, %v", len(got), err)
	}
	s.super(looseView)
	if got, err := s.switched(t, acrossRescans); err != nil ||
		!strings.Contains(strings.Join(got, " "), "Canaryharbor") {
		t.Fatalf("does not work without it: %v", err)
	}
}

// begin looks at the text of the statement; a function that runs a text of its own, or a cursor, hides one in it.
func beginInsideXML(t *testing.T, s *scene) {
	casey, hugo := s.token("casey@cedar"), s.token("hugo@harbor")
	read := func() string {
		a := s.conn(t)
		defer a.try("rollback") //nolint:errcheck // it may have failed
		crossing, nobody := a.asked(casey, s.theirs), a.asked(hugo, uuid.New())
		a.accepted(hugo, nobody)
		a.must("select set_config('x.casey', $1, true), set_config('x.crossing', $2::text, true)", casey,
			crossing.String())
		a.must("set local enable_material = off")
		a.must("declare c cursor for select q.last_name from generate_series(1, 3) g left " +
			"join lateral (select p.last_name, g.g as h from phi.patients p offset 0) q on true " +
			"where q.last_name is not null or (select set_config('request.jwt.claims', '', " +
			"true) || coalesce(tenancy.begin(current_setting('x.casey'), current_setting('x.crossing')::uuid), " +
			"'') || g.g) is not null")
		var got string
		if err := a.QueryRow(t.Context(),
			"select cursor_to_xml('c', 10, true, true, '')::text").Scan(&got); err != nil {
			return err.Error()
		}
		return got
	}
	if strings.Contains(read(), "Canary") {
		t.Fatal("a record of the one clinic under an ask of the other")
	}
	defer s.without(t, "tenancy.unfit", "regexp_replace(current_query()", "regexp_replace(''")()
	if strings.Contains(read(), "Canary") {
		t.Fatal("the view alone does not stop it")
	}
	s.super(looseView)
	if got := read(); !strings.Contains(got, "Canaryharbor") {
		t.Fatalf("does not work without it: %d characters", len(got))
	}
}

// A channel has no privileges: whoever may connect may notify. internal/worker's TestForgedNotification shows that
// nothing listens.
func forgedNotification(t *testing.T, s *scene) {
	s.asEach(t, func(_ string, a *attacker) {
		a.must(`select pg_notify('river.river_control', '{"action": "pause", "queue": "*"}')`)
	})
	if n := wardtest.One[int](s.Env, "select count(*) from river.river_queue where paused_at is not null"); n != 0 {
		t.Fatalf("%d queues are paused", n)
	}
}

func returningOldAndNew(t *testing.T, s *scene) {
	second := s.undisclosed()
	a := s.conn(t)
	a.accepted(s.token("casey@cedar"), a.asked(s.token("casey@cedar"), s.mine))
	upsert := fmt.Sprintf("insert into public.patients (tenant_id, id, mrn, first_name, last_name) "+
		"values ('%s', '%s', 'm', 'f', 'l') on conflict (tenant_id, id) do update set phone = 'x'", s.cedar, second)
	for _, sql := range []string{"update public.patients set phone = 'x' returning old.last_name",
		"update public.patients set phone = 'x' returning old.*",
		"update public.patients set phone = 'x' returning with (old as o) o.last_name",
		"delete from public.patients returning old.last_name", "delete from public.patients returning old",
		"update public.patients set phone = 'x' returning new.phone", upsert + " returning old.last_name",
		upsert + " returning new.*"} {
		a.must("savepoint s")
		err := a.raw(sql)
		a.must("rollback to s")
		if err == nil || strings.Contains(err.Error(), "Canary") {
			t.Fatalf("%s: %v", sql, err)
		}
		if s.serverVersion() >= 180000 { // before 18 these are no syntax or no table
			refused(t, err, "42501", "permission denied")
		}
	}
	if s.serverVersion() >= 180000 {
		a.must("commit")
		s.super("grant select on public.patients to ward_app")
		a.accepted(s.token("casey@cedar"), a.asked(s.token("casey@cedar"), s.mine))
		if got, err := a.names("update public.patients set phone = 'x' where id = $1 returning old.last_name",
			s.mine); err != nil || len(got) != 1 {
			t.Fatalf("does not work with the column granted: %v", err)
		}
	}
}

func mergeReturning(t *testing.T, s *scene) {
	s.undisclosed()
	a := s.conn(t)
	a.accepted(s.token("casey@cedar"), a.asked(s.token("casey@cedar"), s.mine))
	const on = "merge into public.patients p using (select 1) v on false "
	bySource := on + "when not matched by source then delete"
	a.must("savepoint s")
	tag, err := a.Exec(t.Context(), bySource)
	if s.serverVersion() < 170000 {
		refused(t, err, "42601", "")
		a.must("rollback to s")
		return
	}
	if err != nil {
		refused(t, err, "42501", "row-level security") // 18 refuses the whole statement
	} else if tag.RowsAffected() != 1 {
		t.Fatalf("%d rows, want the disclosed one", tag.RowsAffected())
	}
	a.must("rollback to s")
	a.cannot(t, bySource+" returning p.last_name", bySource+" returning merge_action(), p.*",
		on+"when not matched by source and p.last_name = 'Canarysecond' then delete")
}

func membershipInOneself(t *testing.T, s *scene) {
	s.asEach(t, func(role string, a *attacker) {
		for _, other := range logins {
			if other != role {
				a.cannot(t, "grant "+role+" to "+other, "grant "+other+" to "+role,
					"reassign owned by "+other+" to "+role)
			}
		}
		a.cannot(t, "grant pg_read_all_data to "+role)
	})
	if n := wardtest.One[int](s.Env, "select count(*) from pg_auth_members where roleid::regrole::text = any ($1)",
		logins); n != 0 {
		t.Fatalf("%d roles are members of logins", n)
	}
}

func defaultPrivileges(t *testing.T, s *scene) {
	s.asEach(t, func(_ string, a *attacker) {
		a.must("alter default privileges grant all on tables to public") // of what it makes, which is nothing
		a.cannot(t, "alter default privileges for role ward_owner grant all on tables to public",
			"alter default privileges for role ward_owner in schema public grant all on tables to ward_app")
	})
}

func maintain(t *testing.T, s *scene) {
	s.asEach(t, func(role string, a *attacker) {
		a.must("begin")
		a.cannot(t, "lock table audit.event in exclusive mode", "lock table tenancy.session in share mode")
		a.must("rollback")
		// a warning, and nothing done
		for _, sql := range []string{"vacuum public.patients", "analyze public.patients"} {
			a.must(sql)
		}
		a.cannot(t, "cluster public.patients using patients_pkey", "reindex table public.patients")
		if s.serverVersion() >= 170000 {
			if n := wardtest.One[int](s.Env, `select count(*) from pg_class c where c.relkind in ('r', 'p', 'm')
					and c.relnamespace::regnamespace::text in ('public', 'core', 'audit', 'tenancy', 'review')
						and has_table_privilege($1, c.oid, 'maintain')`, role); n != 0 {
				t.Fatalf("%s maintains %d tables", role, n)
			}
		} else if n := wardtest.One[int](s.Env, "select count(*) from pg_roles where rolname = 'pg_maintain'"); n != 0 {
			t.Fatal("MAINTAIN is here before 17")
		}
	})
	if n := wardtest.One[int](s.Env, "select count(*) from pg_stat_user_tables where relname = 'patients' "+
		"and (last_vacuum is not null or last_analyze is not null)"); n != 0 {
		t.Fatal("a login's VACUUM or ANALYZE was done")
	}
}

func filesAndPrograms(t *testing.T, s *scene) {
	s.asEach(t, func(_ string, a *attacker) {
		a.cannot(t, "select pg_read_file('PG_VERSION')", "select pg_read_binary_file('global/pg_control')",
			"select * from pg_ls_dir('.')", "select * from pg_ls_waldir()", "select * from pg_ls_logdir()",
			"select pg_stat_file('PG_VERSION')",
			"select * from pg_hba_file_rules", "select * from pg_file_settings", "select * from pg_authid",
			"select * from pg_shadow", "select * from pg_config", "select pg_current_logfile()",
			"select pg_reload_conf()", "select pg_switch_wal()",
			"select pg_rotate_logfile()", "select pg_create_restore_point('x')",
			"select pg_log_backend_memory_contexts(pg_backend_pid())", "select * from pg_backend_memory_contexts",
			"select * from pg_shmem_allocations",
			"copy (select 1) to program 'true'", "copy (select 1) to '/tmp/x'", "select pg_stat_reset()",
			"select pg_promote()", "checkpoint")
	})
}

func signals(t *testing.T, s *scene) {
	victim, a := s.conn(t), s.conn(t)
	pid := value[int](victim, "select pg_backend_pid()")
	s.connAs(t, "ward_reviewer").cannot(t, fmt.Sprintf("select pg_terminate_backend(%d)", pid),
		fmt.Sprintf("select pg_cancel_backend(%d)", pid))
	a.must("select pg_terminate_backend($1)", pid)
	eventually(t, "the other session of the same role is gone", func() bool { return victim.try("select 1") != nil })
}

func hiddenAttempts(t *testing.T, s *scene) {
	a := s.conn(t)
	before := s.events("action = 'refuse'")
	if why := a.begin("no token", uuid.Nil); why != "bad_signature" {
		t.Fatalf("%q", why)
	}
	a.must("rollback")
	if n := s.events("action = 'refuse'"); n != before {
		t.Fatalf("no longer (%d events): docs/SECURITY.md says that a refusal rolled back is on no record", n-before)
	}
	ticket := value[string](a, "select tenancy.sign_in('casey', $1, 'cedar')", wardtest.Password)
	a.must("begin") // and a session rolled back is none
	token := value[string](a, "select access_token from tenancy.signed_in($1)", ticket)
	a.must("rollback")
	if why := a.begin(token, uuid.Nil); why != "token_mismatch" {
		t.Fatalf("a session that was never committed: %q", why)
	}
}

func columnsByOtherWays(t *testing.T, s *scene) {
	s.undisclosed()
	a := s.conn(t)
	a.accepted(s.token("casey@cedar"), a.asked(s.token("casey@cedar"), s.mine))
	a.cannot(t, "select 1 from public.patients natural join (values ('Canarycedar')) v(last_name)",
		"select 1 from public.patients join (values ('x')) v(last_name) using (last_name)",
		"select count(p) from public.patients p", "select to_jsonb(p) from public.patients p",
		"select p::text from public.patients p", "select (p).last_name from public.patients p",
		"select 1 from public.patients order by last_name", "select count(*) from public.patients group by last_name",
		"select id from public.patients p where p is null",
		"update public.patients p set phone = (select q.last_name from public.patients q limit 1)",
		"select row_number() over (order by last_name) from public.patients",
		"select distinct on (last_name) id from public.patients",
		"select last_name from public.patients tablesample system (100)",
		"select id from public.notes where exists (select from public.patients where last_name = 'x')",
		"select xmin from public.patients", "select tableoid from public.patients",
		"select id from public.patients where patients.* = patients.*",
		"select table_to_xml('public.patients', true, true, '')",
		"select query_to_xml('select last_name from public.patients', true, true, '')")
	for _, sql := range []string{"select id from public.patients tablesample system (100)",
		"select id from public.patients"} {
		if got := a.ids(t, sql); got != s.mine.String() {
			t.Fatalf("%s: %q, want the disclosed key", sql, got)
		}
	}
	if err := a.raw("select * from phi.patients tablesample system (100)"); err == nil {
		t.Fatal("a sample of a view")
	}
}

func lockingRows(t *testing.T, s *scene) {
	second := s.undisclosed()
	a := s.conn(t)
	d := a.asked(s.token("casey@cedar"), s.mine)
	a.accepted(s.token("casey@cedar"), d)
	a.cannot(t, "select last_name from phi.patients for update", "select last_name from phi.patients for key share")
	for _, strength := range []string{"update", "no key update", "share", "key share"} {
		if got := a.names2(t, "select id::text from public.patients for "+strength); got != s.mine.String() {
			t.Fatalf("for %s: %q, want the disclosed row", strength, got)
		}
	}
	b := s.conn(t) // nobody's row but the disclosed one is locked
	b.must("set lock_timeout = '5s'")
	other := b.asked(s.token("carla@cedar"), second)
	b.accepted(s.token("carla@cedar"), other)
	b.must("update public.patients set phone = 'x' where id = $1", second)
}

// names2 reads the texts that a query gives as one.
func (a *attacker) names2(t *testing.T, sql string) string {
	t.Helper()
	got, err := a.names(sql)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return strings.Join(got, " ")
}

func earlierIdentity(t *testing.T, s *scene) {
	a := s.conn(t)
	a.accepted(s.token("casey@cedar"), uuid.Nil)
	a.must("savepoint first")
	a.must("select set_config('request.jwt.claims', '', true)")
	if why := a.identify(s.token("carla@cedar"), uuid.Nil); why != "" {
		t.Fatal(why)
	}
	a.must("rollback to first") // the settings are the first one's again
	refused(t, a.try("select tenancy.claims()"), "28000", "unsigned claims")
	a.must("rollback")
	a.accepted(s.token("casey@cedar"), uuid.Nil)
	a.must("discard sequences") // the count of begins with them
	if err := a.try("select tenancy.claims()"); err == nil {
		t.Fatal("an identity without the count of begins")
	}
}

func pipelineInOneTransaction(t *testing.T, s *scene) {
	a, d := s.conn(t), uuid.New()
	batch := &pgx.Batch{}
	batch.Queue("select tenancy.begin($1, $2)", s.token("casey@cedar"), d)
	batch.Queue("select audit.disclose($1, 'public.patients', $2)", d, []uuid.UUID{s.mine})
	batch.Queue(readNames)
	refused(t, a.SendBatch(t.Context(), batch).Close(), "42501", "no committed disclosure")
	if n := s.events("disclosure_id = $1", d); n != 0 {
		t.Fatal("half of it was committed")
	}
}

func arguments(t *testing.T, s *scene) {
	a := s.conn(t)
	a.accepted(s.token("casey@cedar"), uuid.Nil)
	deep := strings.Repeat("[", 20000) + strings.Repeat("]", 20000)
	long := strings.Repeat("x", 1<<20)
	for _, c := range []struct {
		sql  string
		args []any
	}{
		{"select audit.find(gen_random_uuid(), 'public.patients', '[]', 'id', 2147483647)", nil},
		{"select audit.find(gen_random_uuid(), 'public.patients', '[]', 'id', -2147483648)", nil},
		{"select audit.find(gen_random_uuid(), 'public.patients', '[]', 'id', null)", nil},
		{"select audit.find(gen_random_uuid(), 'public.patients', '[]', 'id; drop table x', 5)", nil},
		{"select audit.find(gen_random_uuid(), 'public.patients', '[]', '', 5)", nil},
		{"select audit.find(gen_random_uuid(), 'public.patients', $1::text::jsonb)", []any{deep}},
		{"select audit.find(gen_random_uuid(), 'public.patients', null)", nil},
		{"select audit.find(gen_random_uuid(), null, '[]')", nil},
		{"select audit.disclose(gen_random_uuid(), 'public.patients', null)", nil},
		{"select audit.disclose(gen_random_uuid(), null, array[gen_random_uuid()])", nil},
		{"select audit.disclose(gen_random_uuid(), 'public.patients', array[[null]]::uuid[])", nil},
		{"select audit.disclose(gen_random_uuid(), 'public.patients', array[gen_random_uuid()], $1)", []any{long}},
		{"select audit.disclose(gen_random_uuid(), 'public.patients', array[gen_random_uuid()], 'no purpose')", nil},
		{"select audit.disclose(gen_random_uuid(), 'pg_catalog.pg_class', array[gen_random_uuid()])", nil},
		{"select audit.disclose(gen_random_uuid(), 0::oid::regclass, array[gen_random_uuid()])", nil},
		{"select tenancy.disclosed(null)", nil}, {"select tenancy.disclosed($1)", []any{long}},
		{"select audit.evaluate('public.patients', '[]', 'id', 2147483647)", nil},
	} {
		a.must("savepoint s")
		if err := a.try(c.sql, c.args...); err == nil {
			t.Errorf("works: %s", c.sql)
		}
		a.must("rollback to s")
	}
	a.must("rollback")
	for _, token := range []string{long, "..", "a.b.c", strings.Repeat(".", 4000),
		"\u00e9.\u00e9." + strings.Repeat("A", 43), strings.Repeat("A", 4000) + ".A." + strings.Repeat("A", 43)} {
		if why := a.begin(token, uuid.Nil); why != "bad_signature" {
			t.Errorf("a token of %d characters: %q", len(token), why)
		}
		a.must("rollback")
	}
	a.must("begin")
	if why, err := a.tryIdentify("a\x00b", uuid.Nil); err == nil {
		t.Errorf("a NUL byte: %q", why)
	}
	a.must("rollback")
	// a Cyrillic letter, a line break, an invisible space
	for _, slug := range []string{"c\u0435dar", "cedar\n", "CEDAR", "cedar\u200b", "", "c\u00e9dar"} {
		if _, err := s.Super.Exec(t.Context(), "insert into tenancy.tenant (slug, name, region) values ($1, 'x', $2)",
			slug, wardtest.Region); err == nil {
			t.Errorf("a clinic may be called %q", slug)
		}
	}
}

func encodings(t *testing.T, s *scene) {
	for _, encoding := range []string{"LATIN1", "SQL_ASCII", "WIN1252", "EUC_JP"} {
		a := s.conn(t)
		d := a.asked(s.token("casey@cedar"), s.mine)
		a.must("set client_encoding = '" + encoding + "'")
		a.accepted(s.token("casey@cedar"), d)
		a.sees("Canarycedar")
		a.must("rollback")
		a.must("begin")
		if why, err := a.tryIdentify("\xa0\xff\xfe.\x80.x", uuid.Nil); err == nil && why != "bad_signature" {
			t.Fatalf("%s: %q", encoding, why)
		}
		a.must("rollback")
		a.accepted(s.token("casey@cedar"), uuid.Nil)
		a.must("select audit.disclose($1, 'public.patients', $2)", uuid.New(), []uuid.UUID{s.mine})
		if err := a.raw("\xa0commit"); err == nil { // a space to a pattern, a letter to the lexer
			t.Fatal("committed")
		}
		a.must("rollback")
	}
}

func snapshots(t *testing.T, s *scene) {
	keeper := s.conn(t)
	keeper.must("begin isolation level repeatable read")
	snapshot := value[string](keeper, "select pg_export_snapshot()")
	for _, level := range []string{"repeatable read", "serializable"} {
		a := s.conn(t)
		a.must("begin isolation level " + level)
		if level == "repeatable read" {
			a.must("set transaction snapshot '" + snapshot + "'")
		}
		if why := a.identify(s.token("casey@cedar"), uuid.Nil); why != "transaction_unfit" {
			t.Fatalf("%q", why)
		}
	}
	a := s.conn(t)
	a.accepted(s.token("casey@cedar"), uuid.Nil)
	if err := a.try("set transaction isolation level repeatable read"); err == nil {
		t.Fatal("the level of a transaction changes in its middle")
	}
}

func limits(t *testing.T, s *scene) {
	ids := make([]uuid.UUID, 10000)
	for i := range ids {
		ids[i] = uuid.New()
	}
	ids[0] = s.mine
	for _, limit := range []string{"statement_timeout = '1ms'", "work_mem = '64kB'", "lock_timeout = '1ms'"} {
		a, d := s.conn(t), uuid.New()
		a.accepted(s.token("casey@cedar"), uuid.Nil)
		a.must("set local " + limit)
		failed := a.try("select audit.disclose($1, 'public.patients', $2)", d, ids) != nil
		if !failed && limit == "statement_timeout = '1ms'" {
			t.Fatal("ten thousand records in a millisecond: the limit was not met")
		}
		committed := a.try("commit") == nil // of a failed transaction: a rollback
		events := s.events("disclosure_id = $1", d)
		a.must("reset all")
		a.accepted(s.token("casey@cedar"), d)
		got, err := a.names(readNames)
		if failed || !committed {
			refused(t, err, "42501", "no committed disclosure")
		}
		if whole := err == nil && len(got) == 1 && events == len(ids); whole == (events == 0) {
			t.Fatalf("%s: %d events, %d rows, %v: neither all nor nothing", limit, events, len(got), err)
		}
	}
}

func invokerView(t *testing.T, s *scene) {
	s.owner(t).must("create view public.invoker with (security_invoker) as select * from public.patients")
	s.super("grant select on public.invoker to ward_app, ward_worker, ward_reviewer")
	s.asEach(t, func(_ string, a *attacker) {
		a.cannot(t, "table public.invoker", "select id from public.invoker where last_name = 'x'")
	})
}

func virtualColumn(t *testing.T, s *scene) {
	owner := s.owner(t)
	err := owner.raw("create table public.loose (" + key +
		", who uuid, patient_id uuid generated always as (who) virtual)")
	if s.serverVersion() < 180000 {
		refused(t, err, "42601", "")
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	refused(t, owner.try("select tenancy.protect('public.loose', 'patient_id')"), "55000", "make it STORED")
	owner.must("select tenancy.protect('public.loose', 'who')")
	refused(t, owner.try(
		`select tenancy.relate('public.loose', 'visit', '{"user": "who", "patient": "patient_id", "from": "who"}')`),
		"22023", "wrong: patient_id")
	s.conn(t).cannot(t, "select patient_id from public.loose",
		"insert into public.loose (tenant_id, id) values (null, null) returning patient_id")
}

func temporalConstraint(t *testing.T, s *scene) {
	s.super("create extension if not exists btree_gist")
	owner := s.owner(t)
	err := owner.raw("create table public.loose (" + key +
		", room int, during tstzrange, unique (room, during without overlaps))")
	if s.serverVersion() < 180000 {
		refused(t, err, "42601", "")
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	refused(t, owner.try("select tenancy.protect('public.loose')"), "55000", "must start with tenant_id")
	owner.must("create table public.bookings (" + key +
		", room int, during tstzrange, constraint no_overlap unique (tenant_id, room, during without overlaps))")
	owner.must("select tenancy.guard_indexes('public.bookings')")
	owner.must("select tenancy.protect('public.bookings')")
	if n := wardtest.One[int](s.Env, "select count(*) from tenancy.phi_table where record_table = 'public.bookings' "+
		"and oracles = array['no_overlap']"); n != 1 {
		t.Fatal("a temporal constraint is not listed among the accepted oracles")
	}
}

func histogramOfIDs(t *testing.T, s *scene) {
	s.crowd(t, "hugo@harbor", s.harbor, 1500, "Canarycommon")
	a := s.conn(t)
	a.accepted(s.token("casey@cedar"), uuid.Nil)
	rows := func(below string) string {
		plan := a.plan(t, "format text",
			"select id from public.patients where id < '"+below+"-0000-0000-0000-000000000000'")
		_, after, _ := strings.Cut(plan, "rows=")
		n, _, _ := strings.Cut(after, " ")
		return n
	}
	if few, many := rows("01000000"), rows("f0000000"); few == many {
		t.Fatalf("no longer (%s, %s rows): docs/SECURITY.md says that estimates tell about record ids", few, many)
	}
}

func anonymousBlocks(t *testing.T, s *scene) {
	a := s.conn(t)
	a.must("select set_config('x.t', $1, false), set_config('x.d', $2::text, false), set_config('x.id', "+
		"$3::text, false)", s.token("casey@cedar"), uuid.NewString(), s.mine.String())
	const whole = `do $x$ declare n text; begin
		perform tenancy.begin(current_setting('x.t'), current_setting('x.d')::uuid); %s
		perform audit.disclose(current_setting('x.d')::uuid, 'public.patients',
			array[current_setting('x.id')::uuid]); %s
		perform tenancy.begin(current_setting('x.t'), current_setting('x.d')::uuid);
		select last_name into n from phi.patients; perform set_config('x.loot', n, false); end $x$`
	for _, between := range []string{"", "commit;"} {
		if err := a.raw(fmt.Sprintf(whole, "", between)); err == nil {
			t.Fatal("a block asked, committed and looked")
		}
		a.raw("rollback") //nolint:errcheck // there may be no transaction
	}
	a.accepted(s.token("casey@cedar"), uuid.Nil)
	refused(t, a.raw(
		`do $x$ begin perform audit.disclose(current_setting('x.d')::uuid, 'public.patients',
			array[current_setting('x.id')::uuid]); commit; end $x$`),
		"2D000", "")
	a.must("rollback")
	a.cannot(t, "set plpgsql.variable_conflict = use_column", "set max_stack_depth = '100kB'")
	a.must("set plpgsql.extra_warnings = 'all'")
	a.accepted(s.token("casey@cedar"), a.asked(s.token("casey@cedar"), s.mine))
	a.sees("Canarycedar")
}
