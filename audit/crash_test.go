package audit_test

import (
	"context"
	"maps"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ward-health/ward/internal/postgres"
	"github.com/ward-health/ward/internal/postgres/pgtest"
	"github.com/ward-health/ward/internal/wardtest"
	"github.com/ward-health/ward/tenancy"
)

// crashRounds is enough to show that it holds; many random rounds are the load suite's.
const crashRounds = 3

// A client that turns synchronous commit off in every way it can, reads PHI, and sees the server die at once: each
// record that it received has its event after recovery. The WAL writer sleeps ten seconds, so nothing but the commit
// itself flushes.
func TestCrash(t *testing.T) {
	cluster, cedar := crashCluster(t, map[string]string{"max_prepared_transactions": "5"})
	ctx := t.Context()
	token := signIn(t, cluster)
	// Q3: a role may change its own settings, and keeps them after the attacker is gone. The password too:
	// docs/SECURITY.md says that it remains.
	onCluster(t, cluster, "ward_app", "ward", func(conn *pgx.Conn) {
		run(t, conn, "alter role ward_app set synchronous_commit = off")
		run(t, conn, "alter role ward_app set search_path = pg_temp, public")
		run(t, conn, "alter role ward_app password 'mine'")
	})
	patients := insertPatients(t, cluster, token, cedar, 20)
	onCluster(t, cluster, postgres.SuperuserRole, "ward", func(conn *pgx.Conn) { run(t, conn, "checkpoint") })

	asks := map[string]func(*pgx.Conn, uuid.UUID, []uuid.UUID){
		"commit": func(conn *pgx.Conn, d uuid.UUID, ids []uuid.UUID) { disclose(t, conn, token, d, ids, "commit") },
		"set local before commit": func(conn *pgx.Conn, d uuid.UUID, ids []uuid.UUID) {
			disclose(t, conn, token, d, ids, "set local synchronous_commit = off", "commit")
		},
		"at the Sync of a pipeline without BEGIN": func(conn *pgx.Conn, d uuid.UUID, ids []uuid.UUID) {
			batch := &pgx.Batch{}
			batch.Queue("select tenancy.begin($1)", token)
			batch.Queue("select audit.disclose($1, 'public.patients', $2)", d, ids)
			if err := conn.SendBatch(ctx, batch).Close(); err != nil {
				t.Fatal(err)
			}
		},
	}
	for name, how := range asks {
		t.Run("D1 "+name, func(t *testing.T) {
			for range crashRounds {
				received, disclosure := readThenKill(t, cluster, token, patients, how)
				if err := cluster.Start(ctx); err != nil {
					t.Fatal(err)
				}
				if n := recorded(t, cluster, disclosure); len(received) == 0 || n != len(received) {
					t.Fatalf("the client received %d records, %d are on record after the crash", len(received), n)
				}
			}
		})
	}
	t.Run("D1 an ask is not prepared for later", func(t *testing.T) {
		conn := connectTo(t, cluster, "ward_app", "ward")
		disclose(t, conn, token, uuid.New(), patients)
		if _, err := conn.Exec(ctx, "prepare transaction 'p'"); err == nil ||
			!strings.Contains(err.Error(), "COMMIT of its own") {
			t.Fatalf("prepare transaction: %v", err)
		}
	})
	t.Run("D1 works without the refusal of cursors WITH HOLD and of temporary objects", func(t *testing.T) {
		restore := withoutLeftovers(t, cluster)
		for name, how := range leftovers(t, cluster, token) {
			works(t, cluster, token, name, patients, how)
		}
		restore()
	})
	onCluster(t, cluster, postgres.SuperuserRole, "ward",
		func(conn *pgx.Conn) { run(t, conn, "drop trigger durable on audit.ask"); run(t, conn, "checkpoint") })
	t.Run("D1 works without the trigger", func(t *testing.T) {
		works(t, cluster, token, "commit", patients, asks["commit"])
	})
}

// works fails unless an attack leaves PHI received without an event, in one of some rounds: a commit that crosses into
// a new page of the WAL wakes its writer, which then saves what the attack would have lost.
func works(t *testing.T, cluster *postgres.Cluster, token, name string, patients []uuid.UUID,
	how func(*pgx.Conn, uuid.UUID, []uuid.UUID)) {
	t.Helper()
	for range 10 {
		received, disclosure := readThenKill(t, cluster, token, patients, how)
		if err := cluster.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(received) > 0 && recorded(t, cluster, disclosure) == 0 {
			return
		}
	}
	t.Fatalf("%s: each of ten rounds left its events on record", name)
}

// leftovers are what a client can have run at the commit of an ask after the durable trigger: the query of a cursor
// WITH HOLD, and, where TEMP is granted, a deferred trigger of a temporary table. Each sets synchronous_commit off
// again.
func leftovers(t *testing.T, cluster *postgres.Cluster,
	token string) map[string]func(*pgx.Conn, uuid.UUID, []uuid.UUID) {
	return map[string]func(*pgx.Conn, uuid.UUID, []uuid.UUID){
		"cursor": func(conn *pgx.Conn, d uuid.UUID, ids []uuid.UUID) {
			disclose(t, conn, token, d, ids,
				"declare c cursor with hold for select set_config('synchronous_commit', 'off', false)",
				"commit", "close all")
		},
		"temporary trigger": func(_ *pgx.Conn, d uuid.UUID, ids []uuid.UUID) {
			onCluster(t, cluster, postgres.SuperuserRole, "ward", func(conn *pgx.Conn) {
				run(t, conn, "grant temporary on database ward to ward_app")
				run(t, conn, "checkpoint")
			})
			// left open: at its end a session drops its temporary objects, and that commit would flush
			disclose(t, connectTo(t, cluster, "ward_app", "ward"), token, d, ids, "create temp table x (i int)",
				"create function pg_temp.f() returns trigger language plpgsql "+
					"as $$ begin perform set_config('synchronous_commit', 'off', true); return null; end $$",
				"create constraint trigger z after insert on pg_temp.x deferrable initially deferred for each row "+
					"execute function pg_temp.f()", "insert into pg_temp.x values (1)", "commit")
		},
	}
}

func withoutLeftovers(t *testing.T, cluster *postgres.Cluster) (restore func()) {
	t.Helper()
	const part = "exists (select from pg_cursors where is_holdable) or pg_my_temp_schema() <> 0"
	var text string
	replace := func(text string) {
		onCluster(t, cluster, postgres.SuperuserRole, "ward", func(conn *pgx.Conn) { run(t, conn, text) })
	}
	onCluster(t, cluster, postgres.SuperuserRole, "ward", func(conn *pgx.Conn) {
		if err := conn.QueryRow(t.Context(),
			"select pg_get_functiondef('audit.durable'::regproc)").Scan(&text); err != nil ||
			!strings.Contains(text, part) {
			t.Fatalf("audit.durable no longer says %q: %v", part, err)
		}
	})
	replace(strings.Replace(text, part, "false", 1))
	return func() { replace(text) }
}

// crashCluster is a server with fsync whose WAL writer sleeps, prepared and populated, and the clinic cedar.
func crashCluster(t *testing.T, more map[string]string) (*postgres.Cluster, uuid.UUID) {
	t.Helper()
	settings := map[string]string{"wal_writer_delay": "10s", "wal_writer_flush_after": "0", "autovacuum": "off"}
	maps.Copy(settings, more)
	cluster := pgtest.NewCluster(t, pgtest.ClusterOptions{Settings: settings})
	ctx := t.Context()
	onCluster(t, cluster, postgres.SuperuserRole, "postgres",
		func(conn *pgx.Conn) { run(t, conn, "create database ward") })
	if err := wardtest.Prepare(ctx, cluster.DSN(postgres.SuperuserRole, "ward")); err != nil {
		t.Fatal(err)
	}
	var cedar uuid.UUID
	onCluster(t, cluster, postgres.SuperuserRole, "ward", func(conn *pgx.Conn) {
		if err := conn.QueryRow(ctx, "select id from tenancy.tenant where slug = 'cedar'").Scan(&cedar); err != nil {
			t.Fatal(err)
		}
	})
	return cluster, cedar
}

// readThenKill asks and looks as ward_app with synchronous_commit off, kills the server, and gives what the client had
// received.
func readThenKill(t *testing.T, cluster *postgres.Cluster, token string, ids []uuid.UUID,
	how func(*pgx.Conn, uuid.UUID, []uuid.UUID)) ([]string, uuid.UUID) {
	t.Helper()
	ctx, d := t.Context(), uuid.New()
	conn := connectTo(t, cluster, "ward_app", "ward")
	run(t, conn, "set synchronous_commit = off")
	how(conn, d, ids)
	var why *string
	run(t, conn, "begin")
	if err := conn.QueryRow(ctx, "select tenancy.begin($1, $2)", token, d).Scan(&why); err != nil || why != nil {
		t.Fatalf("begin: %v %v", why, err)
	}
	rows, err := conn.Query(ctx, "select last_name from phi.patients")
	if err != nil {
		t.Fatal(err)
	}
	received, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	if err := cluster.Kill(ctx); err != nil {
		t.Fatal(err)
	}
	return received, d
}

func recorded(t *testing.T, cluster *postgres.Cluster, disclosure uuid.UUID) (n int) {
	t.Helper()
	onCluster(t, cluster, postgres.SuperuserRole, "ward", func(conn *pgx.Conn) {
		if err := conn.QueryRow(t.Context(), "select count(*) from audit.event where action = 'view' "+
			"and disclosure_id = $1", disclosure).Scan(&n); err != nil {
			t.Fatal(err)
		}
	})
	return n
}

// disclose begins, asks, and runs what follows; without anything it leaves the transaction open.
func disclose(t *testing.T, conn *pgx.Conn, token string, d uuid.UUID, ids []uuid.UUID, then ...string) {
	t.Helper()
	run(t, conn, "begin")
	run(t, conn, "select tenancy.begin($1)", token)
	run(t, conn, "select audit.disclose($1, 'public.patients', $2)", d, ids)
	for _, sql := range then {
		run(t, conn, sql)
	}
}

func signIn(t *testing.T, cluster *postgres.Cluster) string {
	t.Helper()
	return signInTokens(t, cluster).Access
}

func signInTokens(t *testing.T, cluster *postgres.Cluster) tenancy.Tokens {
	t.Helper()
	db, err := tenancy.Open(t.Context(), cluster.DSN("ward_app", "ward"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	tokens, err := db.SignIn(t.Context(),
		tenancy.Credentials{User: "casey", Password: wardtest.Password, Tenant: "cedar"})
	if err != nil {
		t.Fatal(err)
	}
	return tokens
}

func insertPatients(t *testing.T, cluster *postgres.Cluster, token string, tenant uuid.UUID, n int) []uuid.UUID {
	t.Helper()
	ids := make([]uuid.UUID, n)
	onCluster(t, cluster, "ward_app", "ward", func(conn *pgx.Conn) {
		run(t, conn, "begin")
		run(t, conn, "select tenancy.begin($1)", token)
		for i := range ids {
			ids[i] = uuid.New()
			run(t, conn, "insert into public.patients (tenant_id, id, mrn, first_name, last_name) "+
				"values ($1, $2, 'm', 'f', 'Canary')", tenant, ids[i])
		}
		run(t, conn, "commit")
	})
	return ids
}

func connectTo(t *testing.T, cluster *postgres.Cluster, role, database string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), cluster.DSN(role, database))
	if err != nil {
		t.Fatalf("connect as %s: %v", role, err)
	}
	t.Cleanup(func() { conn.Close(context.WithoutCancel(t.Context())) })
	return conn
}

func onCluster(t *testing.T, cluster *postgres.Cluster, role, database string, fn func(*pgx.Conn)) {
	t.Helper()
	conn := connectTo(t, cluster, role, database)
	defer conn.Close(t.Context())
	fn(conn)
}

func run(t *testing.T, conn *pgx.Conn, sql string, args ...any) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}
