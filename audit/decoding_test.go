package audit_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/ward-health/ward/internal/postgres"
)

// What a server allows that is configured for more than ward needs: logical decoding, prepared transactions, parallel
// plans for everything.
func TestGenerousServer(t *testing.T) {
	ctx := t.Context()
	cluster, cedar := crashCluster(t, map[string]string{"wal_level": "logical", "max_prepared_transactions": "5"})
	token := signIn(t, cluster)
	patients := insertPatients(t, cluster, token, cedar, 20)
	super := connectTo(t, cluster, postgres.SuperuserRole, "ward")
	count := func(sql string, args ...any) (n int) {
		t.Helper()
		if err := super.QueryRow(ctx, sql, args...).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	run(t, super, "select pg_create_logical_replication_slot('theirs', 'test_decoding')")
	for _, role := range []string{"ward_app", "ward_worker", "ward_reviewer"} {
		for _, sql := range []string{
			"select pg_create_logical_replication_slot('mine', 'test_decoding')",
			"select pg_create_physical_replication_slot('mine')",
			"select pg_copy_logical_replication_slot('theirs', 'mine')",
			"select data from pg_logical_slot_get_changes('theirs', null, null)",
			"select data from pg_logical_slot_peek_changes('theirs', null, null)",
			"select pg_drop_replication_slot('theirs')",
		} {
			t.Run("R1 "+role+": "+sql, func(t *testing.T) {
				_, err := connectTo(t, cluster, role, "ward").Exec(ctx, sql)
				refusedBy(t, err, "42501")
			})
		}
	}
	t.Run("R1 works for a superuser", func(t *testing.T) {
		insertPatients(t, cluster, token, cedar, 1)
		if count("select count(*) from pg_logical_slot_peek_changes('theirs', null, null) "+
			"where data like '%Canary%'") == 0 {
			t.Fatal("does not: the slot shows nothing")
		}
	})
	t.Run("a write prepared in one session and committed by another", func(t *testing.T) {
		for _, end := range []string{"commit", "rollback"} {
			writer, other, id := connectTo(t, cluster, "ward_app", "ward"),
				connectTo(t, cluster, "ward_app", "ward"), uuid.New()
			run(t, writer, "begin")
			run(t, writer, "select tenancy.begin($1)", token)
			run(t, writer, "insert into public.patients (tenant_id, id, mrn, first_name, last_name) "+
				"values ($1, $2, 'm', 'f', 'l')", cedar, id)
			run(t, writer, "prepare transaction 'w'")
			if err := writer.Close(ctx); err != nil {
				t.Fatal(err)
			}
			run(t, other, end+" prepared 'w'")
			rows, events := count("select count(*) from public.patients where id = $1", id), count("select count(*) "+
				"from audit.event where action = 'create' and record_id = $1 and user_id is not null", id)
			if rows != events || (rows == 1) != (end == "commit") {
				t.Fatalf("%s prepared: %d rows and %d events", end, rows, events)
			}
		}
	})
	t.Run("parallel plans", func(t *testing.T) { parallelPlans(t, cluster, super, token, cedar, patients[0]) })
}

func parallelPlans(t *testing.T, cluster *postgres.Cluster, super *pgx.Conn, token string, cedar, disclosed uuid.UUID) {
	t.Helper()
	ctx := t.Context()
	run(t, super, "alter table public.patients disable trigger user")
	run(t, super, "insert into public.patients (tenant_id, id, mrn, first_name, last_name) "+
		"select $1, gen_random_uuid(), 'm', 'f', 'Canary' || i from generate_series(1, 5000) i", cedar)
	run(t, super, "analyze public.patients")
	reader, d := connectTo(t, cluster, "ward_app", "ward"), uuid.New()
	force := "force_parallel_mode"
	if super.PgConn().ParameterStatus("server_version") >= "16" {
		force = "debug_parallel_query"
	}
	for _, sql := range []string{"set " + force + " = on", "set parallel_setup_cost = 0", "set parallel_tuple_cost = 0",
		"set min_parallel_table_scan_size = 0", "set min_parallel_index_scan_size = 0",
		"set max_parallel_workers_per_gather = 4"} {
		run(t, reader, sql)
	}
	if !parallel(t, reader, "select count(*) from pg_class") {
		t.Fatal("control: nothing is planned in parallel")
	}
	disclose(t, reader, token, d, []uuid.UUID{disclosed}, "commit")
	for _, sql := range []string{"select count(*) from phi.patients", "select count(distinct last_name) " +
		"from phi.patients where last_name like 'Canary%'", "select count(*) from public.patients",
		"select count(*) from public.patients p join phi.patients q using (id)"} {
		for _, scans := range []string{"on", "off"} {
			run(t, reader, "begin")
			run(t, reader, fmt.Sprintf("set local enable_indexscan = %s; set local enable_bitmapscan = %[1]s", scans),
				pgx.QueryExecModeSimpleProtocol)
			run(t, reader, "select tenancy.begin($1)", token)
			_, err := reader.Exec(ctx, sql)
			refusedBy(t, err, "42501")
			run(t, reader, "rollback")
			run(t, reader, "begin")
			run(t, reader, fmt.Sprintf("set local enable_indexscan = %s; set local enable_bitmapscan = %[1]s", scans),
				pgx.QueryExecModeSimpleProtocol)
			run(t, reader, "select tenancy.begin($1, $2)", token, d)
			if parallel(t, reader, sql) {
				t.Fatalf("%s: a worker looks, who has no identity: audit.disclosed is no longer parallel unsafe", sql)
			}
			var n int
			if err := reader.QueryRow(ctx, sql).Scan(&n); err != nil || n != 1 {
				t.Fatalf("%s: %d, %v; want the one disclosed", sql, n, err)
			}
			run(t, reader, "rollback")
		}
	}
}

// parallel says whether a statement's plan has workers.
func parallel(t *testing.T, conn *pgx.Conn, sql string) bool {
	t.Helper()
	rows, err := conn.Query(t.Context(), "explain "+sql)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return strings.Contains(strings.Join(lines, "\n"), "Gather")
}

func refusedBy(t *testing.T, err error, code string) {
	t.Helper()
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || pg.Code != code {
		t.Fatalf("%v, want %s", err, code)
	}
}
