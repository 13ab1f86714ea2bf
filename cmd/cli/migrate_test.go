package cli

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/ward-health/ward/archive"
	"github.com/ward-health/ward/internal/postgres"
	"github.com/ward-health/ward/internal/postgres/pgtest"
	"github.com/ward-health/ward/internal/wardtest"
	"github.com/ward-health/ward/queries/migrate"
	"github.com/ward-health/ward/tenancy"
)

// TestMigrateScripts run on a server of their own, since an installation and its removal change the cluster's roles.
func TestMigrateScripts(t *testing.T) {
	cluster := pgtest.NewCluster(t, pgtest.ClusterOptions{NoFsync: true})
	server, err := pgx.Connect(t.Context(), cluster.Superuser())
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close(context.WithoutCancel(t.Context()))
	if _, err := server.Exec(t.Context(), "create database live"); err != nil {
		t.Fatal(err)
	}
	live := cluster.DSN(postgres.SuperuserRole, "live")
	_, key, err := archive.GenerateKey("ward-test")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/live",
		Setup: func(env *testscript.Env) error {
			settings := filepath.Join(env.WorkDir, "ward.yaml")
			for k, v := range map[string]string{
				"LIVE": live, "KEY": key, "HOME": env.WorkDir, "WARD_CONFIG": settings,
				"WARD_TOKEN_FILE": filepath.Join(env.WorkDir, "tokens.json"), "GORACE": "atexit_sleep_ms=0",
			} {
				env.Setenv(k, v)
			}
			return os.WriteFile(settings, nil, 0o600)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "oneline": oneLineOnly,
			"sql": func(ts *testscript.TestScript, neg bool, args []string) {
				if neg || len(args) != 1 {
					ts.Fatalf("usage: sql STATEMENT")
				}
				conn, err := pgx.Connect(t.Context(), live)
				ts.Check(err)
				defer conn.Close(t.Context())
				_, err = conn.Exec(t.Context(), args[0])
				ts.Check(err)
			},
		},
	})
}

// TestRightsAreTakenOnAYes: on a terminal the person is asked, and nothing but yes takes anything.
func TestRightsAreTakenOnAYes(t *testing.T) {
	takes := []migrate.Take{
		{Kind: "temporary tables", What: "TEMPORARY on the database", Losers: []string{"clinic_app"}},
		{Kind: "advisory locks", What: "EXECUTE on function pg_advisory_lock(bigint)", Refused: true},
	}
	for answer, want := range map[string]bool{"yes\n": true, "y\n": false, "\n": false, "": false} {
		var said strings.Builder
		a := &app{Env: &Env{In: strings.NewReader(answer), Err: &said, Terminal: func() bool { return true }}}
		if err := a.confirmTakes(t.Context(), takes, false); (err == nil) != want {
			t.Errorf("%q: %v", answer, err)
		}
		if !strings.Contains(said.String(), "lost by clinic_app") || strings.Contains(said.String(), "advisory") {
			t.Errorf("said %q", said.String())
		}
		if err := a.confirmTakes(t.Context(), takes[1:], false); err != nil {
			t.Errorf("asks for what stays: %v", err)
		}
	}
}

// TestProtectOutsidePublic: the migration that --write makes for tables of another schema runs, and the tables are
// read.
func TestProtectOutsidePublic(t *testing.T) {
	s := newScene(t)
	s.signIn("dana")
	run := func(sql string) {
		t.Helper()
		if _, err := s.Super.Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	run(`create schema rx; create table rx.charts (id bigserial primary key, body text);
		create table rx.fills (id bigserial primary key, chart_id bigint references rx.charts, drug text);
		insert into rx.charts (body) values ('a'); insert into rx.fills (chart_id, drug) values (1, 'b')`)
	migration := s.ok("dana", "protect", "rx.charts", "--write", "-", "--tenant", "cedar", "--subject", "rx.charts=id",
		"--subject", "chart_id", "--permit", "clinician=view", "--database", s.DB.Superuser())
	if !strings.Contains(migration, "grant usage on schema rx to ward_app, ward_reader, ward_owner") {
		t.Errorf("no grant in\n%s", migration)
	}
	run(migration)
	id := wardtest.One[uuid.UUID](s.Env, "select id from rx.fills")
	var drugs []string
	ask := tenancy.Ask{Table: "rx.fills", IDs: []uuid.UUID{id}, Purpose: "treatment"}
	err := s.App("casey", "cedar").Read(t.Context(), ask,
		tenancy.Collect(&drugs, pgx.RowTo[string], "select drug from phi.rx_fills"))
	if err != nil || !slices.Equal(drugs, []string{"b"}) {
		t.Errorf("read %q: %v", drugs, err)
	}
	run("select tenancy.unprotect('rx.fills', 'the trial is over')")
}
