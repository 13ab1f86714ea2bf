//go:build release

package migrate_test

import (
	"compress/gzip"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/ward-health/ward/internal/needs"
	"github.com/ward-health/ward/internal/postgres"
	"github.com/ward-health/ward/internal/wardtest"
	"github.com/ward-health/ward/queries"
)

// TestWriteRelease writes the dump of this release, which TestUpgradeFromEachRelease upgrades from then on:
//
//	go test -tags release -run TestWriteRelease ./queries/migrate
func TestWriteRelease(t *testing.T) {
	e := wardtest.New(t)
	_, err := e.Super.Exec(t.Context(), `
		set role ward_owner;
		create table public.visits (tenant_id uuid not null, id uuid not null, patient_id uuid not null, note text,
			primary key (tenant_id, id), foreign key (tenant_id, patient_id) references public.patients (tenant_id,
			id));
		select tenancy.protect('public.visits', 'patient_id');
		select tenancy.permit('clinician', 'public.visits', array['view', 'create', 'modify']);
		reset role`)
	if err != nil {
		t.Fatal(err)
	}
	newWork(t, e).does("before the release")
	b, err := postgres.FindBinaries(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	dump := needs.Client(t, filepath.Dir(b.Path("postgres")), "pg_dump")
	text, err := exec.CommandContext(t.Context(), dump, "--rows-per-insert=500", "--dbname="+e.DB.Superuser()).Output()
	if err != nil {
		t.Fatalf("pg_dump: %v", err)
	}
	f, err := os.Create(filepath.Join(releases, queries.Version+".sql.gz"))
	if err != nil {
		t.Fatal(err)
	}
	z := gzip.NewWriter(f)
	if _, err := z.Write(text); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}
