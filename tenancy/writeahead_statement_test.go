package tenancy_test

import (
	"strings"
	"testing"

	"github.com/google/uuid"
)

// Asking inside the looking statement, code of the caller's own, and reading what only the server should.
func TestWriteAheadCallersCode(t *testing.T) {
	s := newScene(t)
	casey := s.token("casey@cedar")
	for _, sql := range []string{
		"select last_name from phi.patients, lateral (select audit.disclose('D', 'public.patients', " +
			"array['ID']::uuid[]) offset 0) x",
		"with x as materialized (select audit.disclose('D', 'public.patients', array['ID']::uuid[])) " +
			"select last_name from x, phi.patients",
		"select last_name from (select audit.disclose('D', 'public.patients', array['ID']::uuid[]) offset 0) x, " +
			"lateral (select * from phi.patients, (select x) y) p",
		"select (select audit.disclose('D', 'public.patients', array['ID']::uuid[])), (select max(last_name) " +
			"from phi.patients)",
		"copy (select last_name from phi.patients, (select audit.disclose('D', 'public.patients', " +
			"array['ID']::uuid[]) offset 0) x) to stdout",
		"do $$ begin perform audit.disclose('D', 'public.patients', array['ID']::uuid[]); raise notice '%', " +
			"(select max(last_name) from phi.patients); end $$",
	} {
		t.Run(sql, func(t *testing.T) {
			a, d := s.conn(t), uuid.New()
			a.accepted(casey, d)
			refused(t, a.raw(strings.NewReplacer("'D'", "'"+d.String()+"'", "'ID'",
				"'"+s.mine.String()+"'").Replace(sql)), "42501", "no committed disclosure")
			a.must("rollback")
			if s.shows(t, casey, d, s.mine, "Canarycedar") {
				t.Fatal("shown afterwards")
			}
		})
	}
	for _, sql := range []string{
		"create function f(text) returns text language sql as 'select $1'",
		"create function public.f(text) returns text language sql as 'select $1'",
		"create operator public.=== (leftarg = text, rightarg = text, function = texteq)",
		"create aggregate public.g(text) (sfunc = textcat, stype = text)",
		"create function pg_temp.f(text) returns text language sql as 'select $1'", "copy public.patients from stdin",
		"create publication p for all tables", "select pg_create_logical_replication_slot('r1', 'test_decoding')",
		"select pg_read_file('postgresql.conf')",
	} {
		t.Run("R1 and own code: "+sql, func(t *testing.T) {
			a := s.conn(t)
			a.accepted(casey, uuid.Nil)
			code := "42501"
			if strings.HasPrefix(sql, "copy") {
				code = "0A000" // COPY FROM is not supported with row security
			}
			refused(t, a.raw(sql), code, "")
		})
	}
}
