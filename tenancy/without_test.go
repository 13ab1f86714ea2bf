package tenancy_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/ward-health/ward/internal/wardtest"
)

// macCheck is what tenancy.claims refuses unsigned claims by.
const macCheck = "length(mac) is distinct from 64 or encode(public.hmac(convert_to(concat_ws('|', length(claimed), " +
	"claimed, deadline, pg_backend_pid(), extract(epoch from now()), currval('tenancy.begun')), 'utf8'), key, " +
	"'sha256'), " +
	"'hex') is distinct from mac"

// without replaces a part of one of ward's functions, as if the defence had never been written, and gives what puts it
// back.
func (s *scene) without(t *testing.T, function, part, instead string) (restore func()) {
	t.Helper()
	text := wardtest.One[string](s.Env, "select pg_get_functiondef($1::text::regproc)", function)
	found := wardtest.SQLText(part)
	if !found.MatchString(text) {
		t.Fatalf("%s no longer says %q", function, part)
	}
	s.super(found.ReplaceAllLiteralString(text, instead))
	return func() { s.super(text) }
}

// Each attack here is refused by a test elsewhere; here it works once one defence is gone, which shows that the attack
// is real and that this defence, not luck, is what stops it.
func TestWithoutTheDefence(t *testing.T) {
	s := newScene(t)
	casey, carla, hugo := s.token("casey@cedar"), s.token("carla@cedar"), s.token("hugo@harbor")
	head, claims := parts(t, casey)
	shown := func(a *attacker, token string, d uuid.UUID) bool {
		if a.begin(token, d) != "" {
			return false
		}
		names, err := a.names(readNames)
		return err == nil && len(names) == 1
	}
	cases := []struct {
		name, function, part, instead string
		attack                        func(a *attacker) bool
	}{
		{"ask and look in one transaction", "tenancy.disclosed",
			" and d.xid is distinct from pg_current_xact_id_if_assigned()", "", func(a *attacker) bool {
				d := uuid.New()
				a.accepted(casey, d)
				a.must("select audit.disclose($1, 'public.patients', $2)", d, []uuid.UUID{s.mine})
				names, err := a.names(readNames)
				return err == nil && len(names) == 1
			}},
		{"another session's disclosure", "tenancy.disclosed",
			" and d.session_id = (claims->>'sid')::uuid and d.user_id = (claims->>'sub')::uuid", "",
			func(a *attacker) bool {
				return shown(a, carla, a.asked(casey, s.mine))
			}},
		{"an expired lease", "tenancy.disclosed", " and d.expires_at > clock_timestamp()", "", func(a *attacker) bool {
			d := a.asked(casey, s.mine)
			s.super("update tenancy.disclosure set expires_at = clock_timestamp() - interval '1 second' "+
				"where disclosure_id = $1", d)
			return shown(a, casey, d)
		}},
		{"E2 an old snapshot", "tenancy.begin", "current_setting('transaction_isolation') <> 'read committed'", "false",
			func(a *attacker) bool {
				a.must("begin isolation level repeatable read")
				return a.identify(casey, uuid.Nil) == ""
			}},
		{"Q1 a prepared statement left behind", "tenancy.begin",
			"exists (select from pg_prepared_statements where from_sql)", "false", func(a *attacker) bool {
				a.must("prepare stmtcache_1(uuid) as select 1")
				return a.begin(casey, uuid.Nil) == ""
			}},
		{"L2 a WITH HOLD cursor left behind", "tenancy.begin", "exists (select from pg_cursors where is_holdable)",
			"false", func(a *attacker) bool {
				a.accepted(casey, a.asked(casey, s.mine))
				a.must("rollback")
				a.accepted(casey, a.asked(casey, s.mine))
				a.must("declare h cursor with hold for select last_name from phi.patients")
				a.must("commit")
				a.accepted(hugo, uuid.Nil)
				names, err := a.names("fetch all from h")
				return err == nil && len(names) == 1
			}},
		{"T1 a token in the query text", "tenancy.unfit", "position(token in current_query()) > 0", "false",
			func(a *attacker) bool {
				a.must("begin")
				return value[string](a, "select coalesce(tenancy.begin('"+casey+"'), '')") == ""
			}},
		{"another region's token", "tenancy.proven", "claims->>'rgn' is distinct from session.region", "false",
			func(a *attacker) bool {
				return a.begin(s.signed(with(claims, "rgn", "eu-central")), uuid.Nil) == ""
			}},
		{"X1 another tenant's token on a session", "tenancy.proven",
			" or session.tenant_id is distinct from (claims->>'tid')::uuid", "", func(a *attacker) bool {
				return a.begin(s.signed(with(claims, "tid", s.harbor.String())), uuid.Nil) == "" &&
					value[uuid.UUID](a, "select tenancy.tenant_id()") == s.harbor
			}},
		{"E1 an expired token", "tenancy.proven", "(claims->>'exp')::numeric <= extract(epoch from now_at)",
			"(claims->>'exp')::numeric <= extract(epoch from now() - interval '1 hour')", func(a *attacker) bool {
				// the identity itself would have run out already: a second defence
				return a.begin(s.signed(with(claims, "exp", time.Now().Add(-10*time.Second).Unix())), uuid.Nil) == ""
			}},
		{"N1 a forged signature", "tenancy.proven", "where sha256(substr(raw, size - 43))",
			"where true or sha256(substr(raw, size - 43))", func(a *attacker) bool {
				return a.begin(forge(t, head, claims, []byte("x")), uuid.Nil) == ""
			}},
		{"another search than the recorded one", "audit.evaluate",
			"search - 'purpose' <> audit.search_terms(record_table::text, filter, ordering, max_rows)", "false",
			func(a *attacker) bool {
				d := uuid.New()
				a.accepted(casey, d)
				a.must("select audit.find($1, 'public.patients', '[{\"column\": \"last_name\", \"op\": \"=\", "+
					"\"value\": \"x\"}]')", d)
				a.must("commit")
				a.accepted(casey, d)
				return a.try("select audit.evaluate('public.patients', '[]')") == nil
			}},
		{"a front desk opens notes", "tenancy.ask_records", "p.role = claims->>'role' and ",
			"p.role = 'clinician' and ",
			func(a *attacker) bool {
				a.accepted(s.token("frank@cedar"), uuid.Nil)
				return a.try("select audit.disclose(gen_random_uuid(), 'public.notes', "+
					"array[gen_random_uuid()])") == nil
			}},
		{"forged claims", "tenancy.claims", macCheck, "false", func(a *attacker) bool {
			_, forged := parts(t, hugo)
			a.must("begin")
			a.must("select set_config('request.jwt.claims', jsonb_build_object('tid', $1::text, 'sid', "+
				"$2::text)::text, true), set_config('request.jwt.deadline', (extract(epoch "+
				"from clock_timestamp()) + 30)::text, true)", s.harbor.String(), forged["sid"])
			return value[uuid.UUID](a, "select tenancy.tenant_id()") == s.harbor
		}},
		{"L1 a look after the session's end", "tenancy.claims", " and s.revoked_at is null", "",
			func(a *attacker) bool {
				session := s.App("casey", "cedar")
				token := session.Tokens().Access
				d := a.asked(token, s.mine)
				a.accepted(token, d)
				if err := session.SignOut(t.Context()); err != nil {
					t.Fatal(err)
				}
				names, err := a.names(readNames)
				return err == nil && len(names) == 1
			}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			restore := s.without(t, c.function, c.part, c.instead)
			if !c.attack(s.conn(t)) {
				t.Error("does not work without its defence: what else stops it?")
			}
			restore()
		})
	}
}
