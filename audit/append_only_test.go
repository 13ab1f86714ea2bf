package audit_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/ward-health/ward/archive"
	"github.com/ward-health/ward/internal/wardtest"
	"github.com/ward-health/ward/tenancy"
)

// history is every table whose rows stay as they were written, with a column to try to change.
var history = map[string]string{
	"audit.event": "outcome = 'denied'", "audit.chain": "batch = 0", "review.run": "matched = 0",
	"review.evidence": "seq = 0", "review.transition": "reason = 'another'", "review.note": "text = 'another'",
	"audit.pruned": "rows = 0", "audit.answer": "state = 'failed'",
}

// withHistory is a database with at least one row in each of those tables.
func withHistory(t *testing.T) *wardtest.Env {
	t.Helper()
	e := wardtest.New(t)
	super(t, e, `insert into audit.chain (tenant_id, seq, event_id, recorded_at, batch, sealed_at, nonce, hash)
		select tenant_id, row_number() over (partition by tenant_id order by event_id), event_id, recorded_at, 1,
			clock_timestamp(), decode(repeat('00', 16), 'hex'), sha256('x') from audit.event`)
	super(t, e, "insert into review.rule (id, version, tier, severity, title, content_hash, front_matter) "+
		"values ('T01', 1, 'A', 'high', 't', 'h', '{}')")
	super(t, e, "insert into review.run (run_id, rule_id, rule_version, content_hash, from_batch, to_batch, "+
		"started_at, status) values (gen_random_uuid(), 'T01', 1, 'h', 0, 1, now(), 'ok')")
	super(t, e, `insert into review.anomaly (tenant_id, rule_id, rule_version, tier, severity, key, summary, first_at,
			last_at) select id, 'T01', 1, 'A', 'high', sha256('k'), 's', now(), now() from tenancy.tenant
			where slug = 'cedar'`)
	super(t, e, "insert into review.evidence (anomaly_id, event_id, recorded_at, at, action, outcome, seq, hash, "+
		"added_by_run) select id, 1, now(), now(), 'view', 'ok', 1, sha256('x'), gen_random_uuid() from review.anomaly")
	super(t, e, "insert into review.transition (anomaly_id, version, to_state) select id, 1, 'new' from review.anomaly")
	super(t, e, "insert into audit.pruned (month, request, event_id, rows, digest, parts, head_size) "+
		"values ('2026-01-01', 1, 1, 1, sha256('x'), '{p}', 1)")
	super(t, e, "insert into audit.answer (request, state, report) values (1, 'done', '{}')")
	super(t, e, "insert into review.note (anomaly_id, by_user, text) select a.id, u.id, 'n' "+
		"from review.anomaly a, tenancy.users u where u.slug = 'dana'")
	return e
}

func super(t *testing.T, e *wardtest.Env, sql string, args ...any) {
	t.Helper()
	if _, err := e.Super.Exec(t.Context(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// attempts are the statements that would rewrite a table.
func attempts(table, change string) []string {
	return []string{"update " + table + " set " + change, "delete from " + table, "truncate " + table,
		"truncate " + table + " cascade"}
}

// fingerprint is the contents of a table, as superuser.
func fingerprint(t *testing.T, e *wardtest.Env, table string) string {
	t.Helper()
	n := wardtest.One[int](e, "select count(*) from "+table)
	if n == 0 {
		t.Fatalf("%s is empty: the test would hold of anything", table)
	}
	return fmt.Sprint(n,
		wardtest.One[string](e, "select md5(string_agg(x::text, '|' order by x::text)) from "+table+" x"))
}

func mustRefuse(t *testing.T, conn *pgx.Conn, who, sql string) {
	t.Helper()
	_, err := conn.Exec(t.Context(), sql)
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || pg.Code != "42501" {
		t.Errorf("%s: %s: %v, want it refused (42501)", who, sql, err)
	}
}

// UPDATE, DELETE and TRUNCATE of history, on a parent and on a partition, as every role there is.
func TestHistoryIsAppendOnly(t *testing.T) {
	e := withHistory(t)
	child := wardtest.One[string](e, "select 'audit.event_' || to_char(now() at time zone 'utc', 'YYYY_MM')")
	tables := map[string]string{child: history["audit.event"]}
	for table, change := range history {
		tables[table] = change
	}
	before := map[string]string{}
	for table := range tables {
		before[table] = fingerprint(t, e, table)
	}
	roles := map[string][]string{"ward_app": nil, "ward_worker": nil, "ward_reviewer": nil,
		"ward_migrate": {"", "ward_owner", "ward_keys", "ward_reader"}, "postgres": nil}
	for login, as := range roles {
		conn := e.Conn(login)
		for _, role := range append([]string{""}, as...) {
			if role != "" {
				if _, err := conn.Exec(t.Context(), "set role "+role); err != nil {
					t.Fatal(err)
				}
			}
			for table, change := range tables {
				for _, sql := range attempts(table, change) {
					mustRefuse(t, conn, login+" "+role, sql)
				}
			}
		}
	}
	t.Run("as a session that says it is a replica", func(t *testing.T) {
		conn := e.Conn("postgres")
		if _, err := conn.Exec(t.Context(), "set session_replication_role = replica"); err != nil {
			t.Fatal(err)
		}
		for _, table := range []string{"audit.event", child, "audit.chain", "audit.pruned", "audit.answer"} {
			for _, sql := range attempts(table, tables[table]) {
				mustRefuse(t, conn, "replica", sql)
			}
		}
	})
	for table := range tables {
		if after := fingerprint(t, e, table); after != before[table] {
			t.Errorf("%s has changed", table)
		}
	}
}

// Nobody writes events but ward's functions, and a partition is reachable through its parent alone.
func TestEventsAreWrittenByFunctionsOnly(t *testing.T) {
	e := wardtest.New(t)
	child := wardtest.One[string](e, "select 'audit.event_' || to_char(now() at time zone 'utc', 'YYYY_MM')")
	// ward_migrate may act as the owner, who may add events and change none
	for _, login := range []string{"ward_app", "ward_worker", "ward_reviewer"} {
		conn := e.Conn(login)
		mustRefuse(t, conn, login,
			"insert into audit.event (tenant_id, actor_kind, action) select gen_random_uuid(), 'human', 'view'")
		mustRefuse(t, conn, login, "select * from "+child)
		mustRefuse(t, conn, login,
			"insert into "+child+" (tenant_id, actor_kind, action) select gen_random_uuid(), 'human', 'view'")
		mustRefuse(t, conn, login, "select audit.write(gen_random_uuid(), 'view')")
		mustRefuse(t, conn, login, "select audit.write_as(gen_random_uuid(), null, null, null, 'view', 'ok', null)")
	}
	t.Run("a partition that somebody granted", func(t *testing.T) {
		super(t, e, "grant select on "+child+" to ward_worker")
		var seen, all int
		conn := e.Conn("ward_worker")
		if err := conn.QueryRow(t.Context(), "select (select count(*) from "+child+
			"), (select count(*) from audit.event)").Scan(&seen, &all); err != nil || seen != 0 || all == 0 {
			t.Fatalf("the partition shows %d of %d rows, %v", seen, all, err)
		}
	})
	t.Run("a partition made later", func(t *testing.T) {
		super(t, e, "select audit.ensure_month('2031-05-01')")
		state := wardtest.One[string](e, `select concat_ws(' ', relrowsecurity, relforcerowsecurity,
			(select count(*) from pg_policy where polrelid = c.oid),
			(select string_agg(format('%s%s', tgname, tgenabled), ' ' order by tgname) from pg_trigger
			where tgrelid = c.oid)) from pg_class c where oid = 'audit.event_2031_05'::regclass`)
		if state != "t t 0 append_onlyA append_only_truncateA" {
			t.Fatalf("row security, force, policies, triggers: %s", state)
		}
		if n := wardtest.One[int](e, "select count(*) from information_schema.role_table_grants "+
			"where table_schema = 'audit' and table_name = 'event_2031_05' and grantee <> 'ward_owner'"); n != 0 {
			t.Fatal("somebody was granted it")
		}
	})
	t.Run("months ahead", func(t *testing.T) {
		if n := wardtest.One[int](e, "select count(*) from generate_series(0, 3) n where to_regclass('audit.event_' "+
			"|| to_char((now() at time zone 'utc') + n * interval '1 month', 'YYYY_MM')) is not null"); n != 4 {
			t.Fatalf("%d months, want this one and three ahead", n)
		}
	})
}

// B2: what an owner or superuser does by DDL cannot be prevented, only detected: here against the chain, in
// audit.Verify against a published head.
func TestAttackB2K1(t *testing.T) {
	e := wardtest.New(t)
	s := e.App("casey", "cedar")
	e.Patient(s, "cedar", "Canary")
	rows := chainRows(t, e)
	head := rows[len(rows)-1].Hash
	owner := e.Conn("ward_migrate")
	t.Run("B2 remains: an owner takes the triggers away", func(t *testing.T) {
		for _, sql := range []string{"set role ward_owner", "begin", "alter table audit.event disable trigger user",
			"alter table audit.event no force row level security", "delete from audit.event where action = 'create'",
			"alter table audit.event force row level security",
			"alter table audit.event enable always trigger append_only",
			"alter table audit.event enable always trigger append_only_truncate", "commit"} {
			if _, err := owner.Exec(t.Context(), sql); err != nil {
				t.Fatalf("no longer (%s: %v): docs/SECURITY.md says it remains", sql, err)
			}
		}
	})
	t.Run("B2 is seen: the chain no longer leads to the head that was noted", func(t *testing.T) {
		after := chainRows(t, e)
		if len(after) != len(rows)-1 || after[len(after)-1].Hash == head {
			t.Fatal("the rest of the log has the same head")
		}
	})
	t.Run("K1 a row changed with hash and link left: links hold, recomputing does not", func(t *testing.T) {
		changed := rows[len(rows)/2]
		changed.Outcome = "denied"
		var prev archive.Hash
		if i := len(rows) / 2; i > 0 {
			prev = rows[i-1].Hash
		}
		if archive.RowHash(prev, &changed) == changed.Hash ||
			archive.RowHash(prev, &rows[len(rows)/2]) != changed.Hash {
			t.Fatal("recomputation does not see it")
		}
	})
}

// chainRows is a clinic's log with its chain computed from the rows as they are.
func chainRows(t *testing.T, e *wardtest.Env) []archive.Row {
	t.Helper()
	got, err := e.Super.Query(t.Context(),
		"select tenant_id::text, event_id, user_id::text, actor_kind, action, outcome from audit.event "+
			"where tenant_id = (select id from tenancy.tenant where slug = 'cedar') order by event_id")
	if err != nil {
		t.Fatal(err)
	}
	var out []archive.Row
	var r archive.Row
	var prev archive.Hash
	_, err = pgx.ForEachRow(got, []any{&r.TenantID, &r.EventID, &r.UserID, &r.ActorKind, &r.Action, &r.Outcome},
		func() error {
			r.Seq = int64(len(out) + 1)
			r.Hash = archive.RowHash(prev, &r)
			prev = r.Hash
			out = append(out, r)
			return nil
		})
	if err != nil || len(out) < 2 {
		t.Fatalf("%d rows, %v", len(out), err)
	}
	return out
}

// Users, memberships and tenants end; they are not removed, and an ended membership stays as it is.
func TestDirectoryKeepsItsPast(t *testing.T) {
	e := withHistory(t)
	super(t, e, "update tenancy.membership set terminated_at = clock_timestamp(), reason = 'left' "+
		"where user_id = (select id from tenancy.users where slug = 'frank')")
	super(t, e, "insert into tenancy.users (slug, name, kind) values ('nobody', 'without a membership', 'human')")
	for _, login := range []string{"postgres", "ward_migrate"} {
		conn := e.Conn(login)
		if login == "ward_migrate" {
			if _, err := conn.Exec(t.Context(), "set role ward_owner"); err != nil {
				t.Fatal(err)
			}
		}
		for _, sql := range []string{"delete from tenancy.users where slug = 'nobody'",
			"delete from tenancy.membership", "delete from tenancy.tenant where slug = 'cedar'",
			"truncate tenancy.users cascade", "truncate tenancy.membership cascade",
			"delete from review.anomaly", "truncate review.anomaly cascade",
			"update tenancy.membership set terminated_at = null, reason = null where terminated_at is not null",
			"update tenancy.membership set reason = 'another' where terminated_at is not null",
			"update tenancy.membership set role = 'billing' where terminated_at is null", "update tenancy.membership " +
				"set user_id = (select id from tenancy.users where slug = 'nobody') where terminated_at is null"} {
			mustRefuse(t, conn, login, sql)
		}
	}
}

// An id of another clinic and one of nobody's, asked for: the asker learns nothing, the worker writes both down as
// denied.
func TestClassify(t *testing.T) {
	e := wardtest.New(t)
	casey, hugo := e.App("casey", "cedar"), e.App("hugo", "harbor")
	mine, theirs, nobodys := e.Patient(casey, "cedar", "Canary"), e.Patient(hugo, "harbor", "Canary"), uuid.New()
	err := casey.Read(t.Context(),
		tenancy.Ask{Table: "public.patients", IDs: []uuid.UUID{mine, theirs, nobodys}, Purpose: "treatment"},
		tenancy.Do("select count(*) from phi.patients"))
	if err != nil {
		t.Fatal(err)
	}
	super(t, e, `insert into audit.chain (tenant_id, seq, event_id, recorded_at, batch, sealed_at, nonce, hash)
		select tenant_id, row_number() over (partition by tenant_id order by event_id), event_id, recorded_at, 1,
			clock_timestamp(), decode(repeat('00', 16), 'hex'), sha256('x') from audit.event`)
	super(t, e, "update audit.seal_state set batch = 1")
	worker := e.Conn("ward_worker")
	for _, want := range []int{2, 0} {
		var n int
		if err := worker.QueryRow(t.Context(), "select audit.classify()").Scan(&n); err != nil || n != want {
			t.Fatalf("classified %d, %v, want %d", n, err, want)
		}
	}
	for id, reason := range map[uuid.UUID]string{theirs: "the record belongs to another clinic",
		nobodys: "no such record"} {
		got := wardtest.One[string](e, `select string_agg(u.slug || ' at ' || t.slug || ': ' ||
				(e.detail::jsonb->>'reason'), ',') from audit.event e join tenancy.users u on u.id = e.user_id
				join tenancy.tenant t on t.id = e.tenant_id where e.outcome = 'denied' and e.record_id = $1`, id)
		if got != "casey at cedar: "+reason {
			t.Errorf("recorded %q, want %q", got, "casey at cedar: "+reason)
		}
	}
	if n := wardtest.One[int](e, "select count(*) from audit.event where outcome = 'denied' and record_id = $1",
		mine); n != 0 {
		t.Error("a record of one's own is denied")
	}
}
