package worker_test

import (
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/ward-health/ward/internal/postgres/pgtest"
	"github.com/ward-health/ward/internal/worker"
)

// A platform that keeps the superuser to itself gives a login with CREATEROLE that owns the database: the schema is
// made all the same.
func TestMigrateWithoutSuperuser(t *testing.T) {
	cluster := pgtest.NewCluster(t, pgtest.ClusterOptions{NoFsync: true})
	conn, err := pgx.Connect(t.Context(), cluster.Superuser())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	for _, sql := range []string{"create role platform login createrole", "create database clinic owner platform"} {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	applied, err := worker.Migrate(t.Context(), cluster.DSN("platform", "clinic"))
	if err != nil || len(applied) < 12 {
		t.Fatalf("%d migrations: %v", len(applied), err)
	}
}
