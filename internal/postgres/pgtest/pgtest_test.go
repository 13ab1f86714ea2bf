package pgtest_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/ward-health/ward/internal/postgres"
	"github.com/ward-health/ward/internal/postgres/pgtest"
)

func exec(ctx context.Context, dsn, sql string) error {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, sql)
	return err
}

func query[T any](t *testing.T, dsn, sql string, args ...any) T {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	var v T
	if err := conn.QueryRow(t.Context(), sql, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}

// notes is a template with one table, which counts how often it was built.
func notes(builds *atomic.Int32) pgtest.Template {
	return pgtest.Template{Key: "notes " + rand.Text(), Build: func(ctx context.Context, dsn string) error {
		builds.Add(1)
		return exec(ctx, dsn, "create table note (id int)")
	}}
}

func TestEveryTestHasItsOwnClone(t *testing.T) {
	var builds atomic.Int32
	template := notes(&builds)
	var server *pgtest.DB
	var names []string
	t.Run("clones", func(t *testing.T) {
		server = pgtest.New(t, pgtest.Template{})
		t.Run("parallel", func(t *testing.T) {
			for i := range 4 {
				db := pgtest.New(t, template)
				names = append(names, db.Name())
				t.Run(fmt.Sprint("Clone ", i), func(t *testing.T) {
					t.Parallel()
					if err := exec(t.Context(), db.Superuser(), "insert into note values (1)"); err != nil {
						t.Fatal(err)
					}
					if n := query[int](t, db.DSN("postgres"), "select count(*) from note"); n != 1 {
						t.Errorf("%d rows, want this test's own", n)
					}
				})
			}
		})
		if n := query[int](t, server.Superuser(), "select count(*) from pg_database where datname = any($1)",
			names); n != 0 {
			t.Errorf("%d databases of passed tests are left", n)
		}
	})
	if n := builds.Load(); n != 1 {
		t.Errorf("template was built %d times", n)
	}
}

func TestTemplateIsBuiltOnceByManyAtATime(t *testing.T) {
	var builds atomic.Int32
	template := notes(&builds)
	t.Run("group", func(t *testing.T) {
		for i := range 6 {
			t.Run(fmt.Sprint(i), func(t *testing.T) {
				t.Parallel()
				db := pgtest.New(t, template)
				if n := query[int](t, db.Superuser(), "select count(*) from note"); n != 0 {
					t.Errorf("%d rows in a fresh clone", n)
				}
			})
		}
	})
	if n := builds.Load(); n != 1 {
		t.Errorf("template was built %d times", n)
	}
}

func TestPassedTestMayLeaveConnections(t *testing.T) {
	var db *pgtest.DB
	t.Run("leaves one", func(t *testing.T) {
		db = pgtest.New(t, pgtest.Template{})
		if _, err := pgx.Connect(context.WithoutCancel(t.Context()), db.Superuser()); err != nil {
			t.Fatal(err)
		}
	})
	if err := exec(t.Context(), db.Superuser(), "select 1"); err == nil {
		t.Error("the database was not dropped")
	}
}

func TestServerSettings(t *testing.T) {
	db := pgtest.New(t, pgtest.Template{})
	own := pgtest.NewCluster(t, pgtest.ClusterOptions{Settings: map[string]string{"wal_level": "logical"}})
	for _, c := range []struct{ dsn, setting, want string }{
		{db.Superuser(), "fsync", "off"},
		{db.Superuser(), "full_page_writes", "off"},
		{db.Superuser(), "synchronous_commit", "on"},
		{own.Superuser(), "fsync", "on"},
		{own.Superuser(), "wal_level", "logical"},
	} {
		if got := query[string](t, c.dsn, "select current_setting($1)", c.setting); got != c.want {
			t.Errorf("%s = %s, want %s", c.setting, got, c.want)
		}
	}
}

func TestOwnClusterSurvivesACrash(t *testing.T) {
	c := pgtest.NewCluster(t, pgtest.ClusterOptions{})
	if err := exec(t.Context(), c.DSN(postgres.SuperuserRole, "postgres"),
		"create table kept as select 1"); err != nil {
		t.Fatal(err)
	}
	if err := c.Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := query[int](t, c.Superuser(), "select count(*) from kept"); n != 1 {
		t.Errorf("%d rows, want 1", n)
	}
}

// Servers of one template begin with what it holds, and with nothing of each other's.
func TestClustersOfOneTemplate(t *testing.T) {
	built := 0
	template := &pgtest.ClusterTemplate{
		Key: rand.Text(),
		Build: func(ctx context.Context, cluster *postgres.Cluster) error {
			built++
			return exec(ctx, cluster.Superuser(), "create role of_template; create table kept (i int)")
		},
	}
	for range 2 {
		c := pgtest.NewCluster(t, pgtest.ClusterOptions{NoFsync: true, Template: template})
		if err := exec(t.Context(), c.Superuser(), "create role mine; insert into kept values (1)"); err != nil {
			t.Fatal(err)
		}
		if n := query[int](t, c.Superuser(), "select count(*) from kept"); n != 1 {
			t.Errorf("%d rows", n)
		}
		if !query[bool](t, c.Superuser(), "select exists (select from pg_roles where rolname = 'of_template')") {
			t.Error("the template's role is not there")
		}
	}
	if built != 1 {
		t.Errorf("built %d times", built)
	}
}
