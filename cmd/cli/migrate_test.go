package cli

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/ward-health/ward/archive"
	"github.com/ward-health/ward/internal/postgres"
	"github.com/ward-health/ward/internal/postgres/pgtest"
	"github.com/ward-health/ward/queries/migrate"
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
		if err := a.confirmTakes(takes, false); (err == nil) != want {
			t.Errorf("%q: %v", answer, err)
		}
		if !strings.Contains(said.String(), "lost by clinic_app") || strings.Contains(said.String(), "advisory") {
			t.Errorf("said %q", said.String())
		}
		if err := a.confirmTakes(takes[1:], false); err != nil {
			t.Errorf("asks for what stays: %v", err)
		}
	}
}
