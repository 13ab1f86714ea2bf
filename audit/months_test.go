package audit_test

import (
	"testing"

	"github.com/ward-health/ward/internal/wardtest"
)

// TestMonthsFollowNoSetting: a worker whose session writes times another way makes the same months, and not without
// end.
func TestMonthsFollowNoSetting(t *testing.T) {
	t.Parallel()
	e := wardtest.New(t)
	worker := e.Conn("ward_worker")
	for _, sql := range []string{"set datestyle = 'SQL, DMY'", "set timezone = 'Asia/Kolkata'",
		"select audit.ensure_months(1000000)"} {
		if _, err := worker.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	if n := wardtest.One[int](e,
		`select count(*) from pg_inherits where inhparent = 'audit.event'::regclass`); n != 25 {
		t.Errorf("%d months, want 25", n)
	}
	wrong := wardtest.One[int](e, `select count(*) from (select c.relname, pg_get_expr(c.relpartbound, c.oid) as bound
		from pg_inherits i join pg_class c on c.oid = i.inhrelid where i.inhparent = 'audit.event'::regclass) m
		where (regexp_match(bound, '\(''(.*?)''\) TO'))[1]::timestamptz at time zone 'UTC'
		  <> to_date(substr(relname, 7), 'YYYY_MM')`)
	if wrong != 0 {
		t.Errorf("%d months do not begin at midnight UTC", wrong)
	}
}
