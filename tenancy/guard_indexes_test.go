package tenancy_test

import (
	"strings"
	"testing"

	"github.com/ward-health/ward/internal/wardtest"
)

// Every kind of index is made anew as tenancy.unguarded wants it, and goes on doing what it did.
func TestGuardIndexes(t *testing.T) {
	s := newScene(t)
	s.super("create extension if not exists btree_gist")
	a := s.owner(t)
	a.must("create table public.labs (" + key +
		`, a text, "B" text, c int, day date, room int, during tstzrange, version int,
		constraint one_a unique (tenant_id, a), constraint one_c unique nulls not distinct (tenant_id, c),
		constraint one_day unique (tenant_id, day) deferrable initially deferred,
		constraint one_room exclude using gist (tenant_id with =, room with =, during with &&)
			where (room > 0) deferrable)`)
	for _, ddl := range []string{
		"create index labs_desc on public.labs (tenant_id, a desc nulls last, version)",
		"create index labs_lower on public.labs (tenant_id, lower(\"B\" || a))",
		"create index labs_part on public.labs (tenant_id, \"B\") include (c) with (fillfactor = 70) where c > 3 " +
			"or c is null",
		"create index labs_hash on public.labs using hash (a)",
		"create index labs_pattern on public.labs (tenant_id, a text_pattern_ops)",
		"create index labs_version on public.labs (tenant_id, version)",
		"create index labs_keys on public.labs (id, tenant_id) include (a)",
		"create unique index labs_guarded on public.labs (tenant_id, c) where num_nulls(c) <> 2 and a is null",
	} {
		a.must(ddl)
	}
	const unguarded = "select count(*) from tenancy.unguarded('public.labs', array['version'])"
	if n := wardtest.One[int](s.Env, unguarded); n != 9 {
		t.Fatalf("%d named, want 9", n)
	}
	a.must("select tenancy.guard_indexes('public.labs', array['version'])")
	if n := wardtest.One[int](s.Env, unguarded); n != 0 {
		t.Fatalf("%d left", n)
	}
	for name, want := range map[string]string{
		"one_a": "CREATE UNIQUE INDEX one_a ON public.labs USING btree (tenant_id, a) WHERE (num_nulls(a) <> 2)",
		"one_c": "CREATE UNIQUE INDEX one_c ON public.labs USING btree (tenant_id, c) NULLS NOT DISTINCT " +
			"WHERE (num_nulls(c) <> 2)",
		"one_day": "CREATE INDEX one_day ON public.labs USING btree (tenant_id, day) WHERE (num_nulls(day) <> 2)",
		"one_room": "CREATE INDEX one_room ON public.labs USING gist (tenant_id, room, during) " +
			"WHERE ((num_nulls(during) <> 2) AND (num_nulls(room) <> 2) AND (room > 0))",
		"labs_desc": "CREATE INDEX labs_desc ON public.labs USING btree (tenant_id, a DESC NULLS LAST, version) " +
			"WHERE (num_nulls(a) <> 2)",
		"labs_lower": `CREATE INDEX labs_lower ON public.labs USING btree (tenant_id, lower(("B" || a))) ` +
			`WHERE ((num_nulls("B") <> 2) AND (num_nulls(a) <> 2))`,
		"labs_part": `CREATE INDEX labs_part ON public.labs USING btree (tenant_id, "B") INCLUDE (c) ` +
			`WITH (fillfactor='70') WHERE ((num_nulls("B") <> 2) AND ((c > 3) OR (c IS NULL)))`,
		"labs_hash": "CREATE INDEX labs_hash ON public.labs USING hash (a) WHERE (num_nulls(a) <> 2)",
		"labs_pattern": "CREATE INDEX labs_pattern ON public.labs USING btree (tenant_id, a text_pattern_ops) " +
			"WHERE (num_nulls(a) <> 2)",
		"labs_version": "CREATE INDEX labs_version ON public.labs USING btree (tenant_id, version)",
		"labs_keys":    "CREATE INDEX labs_keys ON public.labs USING btree (id, tenant_id) INCLUDE (a)",
		"labs_guarded": "CREATE UNIQUE INDEX labs_guarded ON public.labs USING btree (tenant_id, c) " +
			"WHERE ((num_nulls(c) <> 2) AND (a IS NULL))",
	} {
		if got := wardtest.One[string](s.Env, "select pg_get_indexdef(to_regclass('public.' || $1))",
			name); got != want {
			t.Errorf("%s\nwant %s", got, want)
		}
	}
	if got := wardtest.One[string](s.Env, `select string_agg(conname || case when condeferrable then ' deferrable'
			else '' end || case when condeferred then ' deferred' else '' end, ', ' order by conname) from pg_constraint
			where conrelid = 'public.labs'::regclass
				and contype in ('u', 'x')`); got != "one_day deferrable deferred, one_room deferrable" {
		t.Errorf("constraints: %s", got)
	}
	insert := func(column, value string) error {
		return a.raw("insert into public.labs (tenant_id, id, " + column + ") select '" + s.cedar.String() +
			"', gen_random_uuid(), " + value + " from generate_series(1, 2)")
	}
	refused(t, insert("a", "'x'"), "23505", "one_a")
	refused(t, insert("a, c", "generate_series::text, null"), "23505", "one_c")
	refused(t, insert("c, day", "generate_series, date '2026-01-01'"), "23P01", "one_day")
	a.must("select tenancy.protect('public.labs', null, array['version'])")

	t.Run("on partitions", func(t *testing.T) {
		a.must("create table public.vitals (" + key + ", pulse int, patient_id uuid) partition by hash (id)")
		a.must("create table public.vitals_0 partition of public.vitals for values with (modulus 1, remainder 0)")
		a.must("create index on public.vitals (tenant_id, pulse)")
		a.must("create index own on public.vitals_0 (tenant_id, patient_id)")
		if n := wardtest.One[int](s.Env, "select count(*) from tenancy.unguarded('public.vitals')"); n != 2 {
			t.Fatalf("%d named, want 2", n)
		}
		a.must("select tenancy.guard_indexes('public.vitals')")
		if n := wardtest.One[int](s.Env, "select count(*) from pg_index where indrelid = 'public.vitals_0'::regclass "+
			"and indisvalid and pg_get_expr(indpred, indrelid) like '(num_nulls(%) <> 2)'"); n != 2 {
			t.Fatalf("%d of the partition's indexes are guarded, want 2", n)
		}
		a.must("select tenancy.protect('public.vitals')")
	})
	t.Run("what a person decides", func(t *testing.T) {
		a.must("create table public.devices (" + key + ", serial text not null, unique (tenant_id, serial))")
		a.must("create table public.readings (" + key +
			", serial text, foreign key (tenant_id, serial) references public.devices (tenant_id, serial))")
		err := a.try("select tenancy.guard_indexes('public.devices')")
		refused(t, err, "55000", "a foreign key, a replica identity")
		if !strings.Contains(err.Error(), "devices_tenant_id_serial_key") {
			t.Fatal("the index is not named")
		}
	})
}
