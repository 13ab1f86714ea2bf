package tenancy_test

import (
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/uuid"
)

// rank is how many rows EXPLAIN says a statement passed over before it came to the record that is disclosed.
func (s *scene) rank(t *testing.T, d uuid.UUID, name, sql string) int {
	t.Helper()
	a := s.conn(t)
	a.accepted(s.token("casey@cedar"), d)
	defer a.must("rollback")
	a.must("set local enable_seqscan = off")
	a.must("set local enable_bitmapscan = off")
	a.must("set local enable_sort = off")
	a.must("set local jit = off")
	a.must("update public.patients set last_name = $1", name) // the attacker's own record, under its disclosure
	lines, err := a.names("explain (analyze, costs off, timing off, summary off) " + sql)
	if err != nil {
		t.Fatal(err)
	}
	total := 0
	for _, m := range regexp.MustCompile(`Rows Removed by Filter: (\d+)`).FindAllStringSubmatch(strings.Join(lines, "\n"), -1) {
		n, err := strconv.Atoi(m[1])
		if err != nil {
			t.Fatal(err)
		}
		total += n
	}
	return total
}

// O1 by EXPLAIN: an index that goes on with a PHI column after tenant_id orders the clinic's records by it. A scan of it that stops at a disclosed record tells how many
// stand before it, and its own name, set to this and that, bisects the names of the others.
func TestAttackO1Rank(t *testing.T) {
	s := newScene(t)
	dummy := s.Patient(s.App("casey", "cedar"), "cedar", "Dummy")
	d := s.conn(t).asked(s.token("casey@cedar"), dummy)
	const throughView, throughTable = "select id from phi.patients limit 1", "select id from public.patients limit 1"
	tells := func(sql string) bool {
		return s.rank(t, d, "Canaryceda", sql) != s.rank(t, d, "Canarycedaz", sql) // the victim, Canarycedar, is between them
	}
	t.Run("O1 the rank in an index, through the view", func(t *testing.T) {
		if tells(throughView) {
			t.Fatal("EXPLAIN tells how many undisclosed records stand before a disclosed one")
		}
	})
	t.Run("O1 remains: the rank in an index, through the table's keys", func(t *testing.T) {
		if !tells(throughTable) {
			t.Fatal("no longer: docs/SECURITY.md says it remains")
		}
	})
	t.Run("O1 remains no longer without an index of PHI behind the clinic", func(t *testing.T) {
		s.super("begin; drop index public.patients_last_name; commit")
		if tells(throughTable) {
			t.Fatal("EXPLAIN tells more than the order of random ids")
		}
		s.super("create index patients_last_name on public.patients (tenant_id, last_name)")
	})
	s.super("do $$ begin execute replace('create or replace view phi.patients with (security_barrier) as ' || pg_get_viewdef('phi.patients'), 'ORDER BY patients.id', ''); end $$")
	t.Run("O1 works through the view without its ORDER BY", func(t *testing.T) {
		if !tells(throughView) {
			t.Fatal("does not")
		}
	})
}
