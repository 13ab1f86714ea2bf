package migrate_test

import (
	"context"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ward-health/ward/internal/needs"
	"github.com/ward-health/ward/internal/postgres"
	"github.com/ward-health/ward/internal/wardtest"
	"github.com/ward-health/ward/queries/migrate"
)

// nothingDiffers requires that a database is what ward made it.
func nothingDiffers(t *testing.T, when, url string) {
	t.Helper()
	p, err := migrate.Look(t.Context(), url, migrate.Options{})
	if err != nil {
		t.Errorf("%s: %v", when, err)
	} else if !p.Empty() {
		t.Errorf("%s: %d objects differ (%.300s)", when, len(p.Make), names(p.Make))
	}
}

// TestNothingChangedByHand: a month that comes or goes, and settings of the database, change no object.
func TestNothingChangedByHand(t *testing.T) {
	e := wardtest.New(t)
	super(t, e, "select audit.ensure_month('2031-05-01')", "select audit.ensure_month('2031-06-01')",
		"drop table audit.event_2031_05")
	nothingDiffers(t, "another month", e.DB.Superuser())
	for _, setting := range []string{
		"search_path = core, tenancy, public", "quote_all_identifiers = on", "intervalstyle = iso_8601",
		"datestyle = 'SQL, DMY'", "bytea_output = escape",
	} {
		super(t, e, "alter database "+e.DB.Name()+" set "+setting)
		nothingDiffers(t, setting, e.DB.Superuser())
		super(t, e, "alter database "+e.DB.Name()+" reset all")
	}
}

// TestRestoredDump: in a database where plpgsql has another OID, as on another host, nobody is accused.
func TestRestoredDump(t *testing.T) {
	e := wardtest.New(t)
	copied := e.DB.Name() + "_copy"
	super(t, e, "create database "+copied+" template template0")
	url := strings.Replace(e.DB.Superuser(), e.DB.Name(), copied, 1)
	to := connect(t, url)
	t.Cleanup(func() {
		_ = to.Close(context.WithoutCancel(t.Context()))
		super(t, e, "drop database "+copied)
	})
	exec1(t, to, "drop extension plpgsql", "create extension plpgsql")
	b, err := postgres.FindBinaries(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	program := needs.Client(t, filepath.Dir(b.Path("postgres")), "pg_dump")
	dump, err := exec.CommandContext(t.Context(), program, "--rows-per-insert=500",
		"--dbname="+e.DB.Superuser()).Output()
	if err != nil {
		t.Fatalf("pg_dump: %v", err)
	}
	var sql strings.Builder
	for line := range strings.Lines(string(dump)) {
		if !strings.HasPrefix(line, `\`) {
			sql.WriteString(line)
		}
	}
	exec1(t, to, sql.String())
	const oid = "select oid::int8 from pg_language where lanname = 'plpgsql'"
	if was, is := wardtest.One[int64](e, oid), one[int64](t, to, oid); was == is {
		t.Fatalf("plpgsql is %d in both", is)
	}
	nothingDiffers(t, "a restored dump", url)
}

// TestAnotherServer: after an upgrade of PostgreSQL, and where another release remembered the objects in another way,
// they are made anew, and nobody is accused.
func TestAnotherServer(t *testing.T) {
	e := wardtest.New(t)
	for change, why := range map[string]string{
		"regexp_replace(live, '^([^:]*):[0-9]*:', '\\1:14:')": migrate.AnotherServer,
		"md5(live)": migrate.AnotherRelease,
	} {
		super(t, e, "update core.object set live = "+change)
		p, err := migrate.Look(t.Context(), e.DB.Superuser(), migrate.Options{})
		if err != nil {
			t.Fatal(err)
		}
		objects := wardtest.One[int](e, "select count(*) from core.object")
		if len(p.Make) != objects ||
			slices.ContainsFunc(p.Make, func(c migrate.Change) bool { return c.Why != why }) {
			t.Errorf("%s: %.300s", change, names(p.Make))
		}
		run(t, e, migrate.Options{})
		if again := run(t, e, migrate.Options{}); !again.Empty() {
			t.Errorf("%s: %v", change, again.Lines())
		}
	}
}

// TestOwnerChangedByHand: a login that may not act as the new owner is told the statement.
func TestOwnerChangedByHand(t *testing.T) {
	s := newSite(t)
	exec1(t, s.super, "drop schema audit cascade", "drop schema core cascade")
	s.install(s.url)
	exec1(t, s.super, "create role deploy login in role ward_migrate")
	for _, give := range []string{"view review.access", "function tenancy.whoami()"} {
		exec1(t, s.super, "alter "+give+" owner to postgres")
		_, err := migrate.Run(t.Context(), s.cluster.DSN("deploy", "clinic"), migrate.Options{})
		mend := "alter " + give + " owner to "
		if err == nil || !strings.Contains(err.Error(), mend) {
			t.Fatalf("%s: %v", give, err)
		}
		_, after, _ := strings.Cut(err.Error(), "run ")
		mend, _, _ = strings.Cut(after, ";")
		exec1(t, s.super, mend)
		_, err = migrate.Run(t.Context(), s.cluster.DSN("deploy", "clinic"), migrate.Options{})
		if err != nil {
			t.Errorf("%s: %v", give, err)
		}
	}
}
