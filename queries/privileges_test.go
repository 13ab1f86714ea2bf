package queries_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/ward-health/ward/internal/wardtest"
)

func list(t *testing.T, e *wardtest.Env, sql string, args ...any) []string {
	t.Helper()
	rows, err := e.Super.Query(t.Context(), sql, args...)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	out, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return out
}

// What ward_app can call, all of it: a function that appears here by accident is an attack surface.
func TestWhatTheApplicationCanCall(t *testing.T) {
	e := wardtest.New(t)
	got := list(t, e, `select p.oid::regproc::text from pg_proc p join pg_namespace n on n.oid = p.pronamespace
		where n.nspname in ('core', 'tenancy', 'audit', 'review', 'auth', 'phi', 'boundary', 'river')
			and has_function_privilege('ward_app', p.oid, 'execute') and has_schema_privilege('ward_app', n.oid,
				'usage') order by 1`)
	want := []string{"audit.disclose", "audit.evaluate", "audit.export", "audit.find", "auth.jwt", "tenancy.ask",
		"tenancy.begin", "tenancy.claims", "tenancy.cover", "tenancy.disclosed", "tenancy.issuers", "tenancy.refresh",
		"tenancy.sign_in", "tenancy.sign_in_oidc", "tenancy.sign_in_service", "tenancy.sign_out",
		"tenancy.sign_out_everywhere", "tenancy.signed_in", "tenancy.tenant_id", "tenancy.totp_confirm",
		"tenancy.totp_enroll", "tenancy.uncover", "tenancy.user_id", "tenancy.whoami", "tenancy.wipe"}
	if !slices.Equal(got, want) {
		t.Fatalf("ward_app can call\n%v, want\n%v", got, want)
	}
	page, err := os.ReadFile("../docs/ROLES.md")
	if err != nil {
		t.Fatal(err)
	}
	if said := fmt.Sprintf("| the application: %d functions,", len(want)); !strings.Contains(string(page), said) {
		t.Errorf("docs/ROLES.md does not say %q", said)
	}
}

// No function of ward's is PUBLIC's, and each pins a search_path with pg_temp last.
func TestFunctions(t *testing.T) {
	e := wardtest.New(t)
	const ours = "from pg_proc p join pg_namespace n on n.oid = p.pronamespace where n.nspname " +
		"in ('core', 'tenancy', 'audit', 'review', 'auth', 'phi', 'boundary')"
	if n := wardtest.One[int](e, "select count(*) "+ours); n < 50 {
		t.Fatalf("%d functions", n)
	}
	if open := list(t, e, "select p.oid::regprocedure::text "+ours+" and exists (select "+
		"from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a where a.grantee = 0)"); len(open) > 0 {
		t.Errorf("PUBLIC may call %v", open)
	}
	if loose := list(t, e, "select p.oid::regprocedure::text "+ours+
		" and not coalesce(p.proconfig @> array['search_path=pg_catalog, pg_temp'], false)"); len(loose) > 0 {
		t.Errorf("no pinned search_path: %v", loose)
	}
	if super := list(t, e, "select p.oid::regprocedure::text "+ours+" and p.prosecdef and "+
		"pg_get_userbyid(p.proowner) not in ('ward_owner', 'ward_keys', 'ward_reader', 'ward_rule')"); len(super) > 0 {
		t.Errorf("definer functions of another owner: %v", super)
	}
}

// R1 and its kind: no role of ward's is more than it should be, nor can become it.
func TestRoles(t *testing.T) {
	e := wardtest.New(t)
	roles := list(t, e, "select rolname from pg_roles where rolname like 'ward\\_%' order by 1")
	if strings.Join(roles, " ") != "ward_app ward_identity ward_keys ward_migrate ward_owner ward_reader "+
		"ward_reviewer ward_rule ward_worker" {
		t.Fatalf("roles %v", roles)
	}
	if over := list(t, e, "select rolname from pg_roles where rolname like 'ward\\_%' and (rolsuper or rolbypassrls "+
		"or rolreplication or rolcreaterole or rolcreatedb)"); len(over) > 0 {
		t.Errorf("more than they should be: %v", over)
	}
	if logins := list(t, e, "select rolname from pg_roles where rolname in ('ward_owner', 'ward_keys', "+
		"'ward_reader', 'ward_rule') and rolcanlogin"); len(logins) > 0 {
		t.Errorf("may log in: %v", logins)
	}
	if members := list(t, e,
		"select m.member::regrole::text || ' in ' || m.roleid::regrole::text from pg_auth_members m "+
			"where m.member::regrole::text like 'ward\\_%' and m.member <> 'ward_migrate'::regrole"); len(members) > 0 {
		t.Errorf("memberships: %v", members)
	}
	for _, role := range []string{"ward_app", "ward_worker", "ward_reviewer", "ward_identity"} {
		conn := e.Conn(role)
		for _, sql := range []string{"select pg_create_logical_replication_slot('x', 'test_decoding')",
			"set role ward_owner", "set session authorization postgres", "set session_replication_role = replica",
			"create schema mine", "create table public.mine (id int)",
			"create function public.f() returns int language sql as 'select 1'", "create extension dblink",
			"select lo_create(0)", "create temp table t (id int)", "select secret from tenancy.signing_key",
			"select secret from tenancy.mac_key",
			"select secret from tenancy.totp", "select sha256 from tenancy.recovery_code",
			"update tenancy.issuer_key set e = 65539", "select password_hash from tenancy.users",
			"select sha256 from tenancy.refresh_token", "select tenancy.sign('{}')",
			"select tenancy.proven('a')", "select tenancy.fingerprint('a')", "select tenancy.rotate_key()",
			"select tenancy.open_session(null, 'app', null, null, 'oidc')", "select tenancy.conclude(null, true)",
			"select ticket from tenancy.attempt", "delete from tenancy.throttle", "select nextval('tenancy.begun')",
			"alter table public.patients disable row level security", "create policy p on public.patients using (true)",
			"create rule r as on select to public.patients do instead select 1", "truncate public.patients",
			"select tenancy.remember_ask(gen_random_uuid(), 'public.patients', '{}', null, '1 hour')",
			"copy public.patients to program 'true'", "alter system set fsync = off"} {
			if _, err := conn.Exec(t.Context(), sql); err == nil {
				t.Errorf("%s can: %s", role, sql)
			}
		}
	}
}

// What each login may read of ward's own tables and views, all of it.
func TestWhatLoginsRead(t *testing.T) {
	e := wardtest.New(t)
	for role, want := range map[string]string{
		"ward_app": "core.release phi.appointments phi.attachments phi.care_team phi.claims phi.encounters " +
			"phi.messages phi.notes phi.patients tenancy.phi_table",
		"ward_reviewer": "core.release tenancy.phi_table",
		"ward_identity": "core.release",
	} {
		got := strings.Join(list(t, e, `select c.oid::regclass::text from pg_class c join pg_namespace n
			on n.oid = c.relnamespace where n.nspname in ('core', 'tenancy', 'audit', 'review', 'phi', 'boundary',
			'river', 'public')
			and c.relkind in ('r', 'p', 'v', 'm') and has_schema_privilege($1, n.oid, 'usage')
				and has_table_privilege($1, c.oid, 'select') order by 1`, role), " ")
		if got != want {
			t.Errorf("%s reads %s, want %s", role, got, want)
		}
	}
	if phi := list(t, e, "select record_table from tenancy.phi_table where has_any_column_privilege('ward_worker', "+
		"record_table, 'select') or has_any_column_privilege('ward_reviewer', record_table, 'select')"); len(phi) > 0 {
		t.Errorf("worker or reviewer read %v", phi)
	}
}
