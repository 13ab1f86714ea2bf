package worker_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ward-health/ward/archive"
	"github.com/ward-health/ward/audit"
	"github.com/ward-health/ward/internal/wardtest"
	"github.com/ward-health/ward/tenancy"
)

// The variables that give a worker process a store, and the file that says that it has begun to read a part, which it
// then never ends.
const (
	childStore = "WARD_TEST_STORE"
	childKey   = "WARD_TEST_KEY"
	childStall = "WARD_TEST_STALL"
)

// stallingStore is a directory whose files a process begins to read and never comes through with.
type stallingStore struct {
	archive.Store
	mark string
}

func (s stallingStore) Open(ctx context.Context, path string) (archive.Blob, error) {
	if !strings.HasSuffix(path, ".parquet") {
		return s.Store.Open(ctx, path)
	}
	if err := os.WriteFile(s.mark, []byte(path), 0o600); err != nil {
		return nil, err
	}
	<-ctx.Done()
	return nil, ctx.Err()
}

func stallingShipper(pool *pgxpool.Pool) (*audit.Shipper, error) {
	dir := os.Getenv(childStore)
	if dir == "" {
		return nil, nil
	}
	store, err := archive.OpenDir(dir)
	if err != nil {
		return nil, err
	}
	signer, err := archive.LoadSigner(os.Getenv(childKey))
	if err != nil {
		return nil, err
	}
	return &audit.Shipper{Pool: pool, Store: stallingStore{readOnly{store}, os.Getenv(childStall)}, Signer: signer,
		Origin: archive.Origin("test", wardtest.Region), Now: time.Now}, nil
}

// readOnly is a store that takes nothing more, so that workers which lead do not ship into what is being verified.
type readOnly struct{ archive.Store }

func (readOnly) Put(context.Context, string, io.Reader, int64, time.Time) error {
	return errors.New("read only")
}

// parts ships n parts, and then nothing more.
func (y *yard) parts(n int) {
	y.t.Helper()
	pool := y.pool("shipper")
	sealer, err := audit.Lead(y.t.Context(), pool)
	if err != nil {
		y.t.Fatal(err)
	}
	defer sealer.Close(y.t.Context())
	shipper := y.shipper(pool)
	for range n {
		if _, err := y.e.Super.Exec(y.t.Context(), "insert into audit.event (tenant_id, actor_kind, action) "+
			"select id, 'human', 'view' from tenancy.tenant, generate_series(1, 20)"); err != nil {
			y.t.Fatal(err)
		}
		if _, err := sealer.Seal(y.t.Context()); err != nil {
			y.t.Fatal(err)
		}
		if err := shipper.PublishHeads(y.t.Context()); err != nil {
			y.t.Fatal(err)
		}
		if _, err := shipper.Ship(y.t.Context()); err != nil {
			y.t.Fatal(err)
		}
	}
	y.store = readOnly{y.store}
}

func (y *yard) opts() archive.VerifyOptions {
	return archive.VerifyOptions{Keys: []archive.Key{y.signer.Key()}, Now: time.Now()}
}

// alike holds a report that workers contributed to against one that was made here.
func (y *yard) alike(by, here *archive.Report) {
	y.t.Helper()
	if !strings.Contains(strings.Join(by.Covered, " "), "workers of the installation, whose word is taken") {
		y.t.Errorf("the report does not say whose word it takes: %q", by.Covered)
	}
	a, b := *by, *here
	a.Duration, b.Duration, a.Covered, b.Covered = 0, 0, nil, nil
	if !reflect.DeepEqual(a, b) || a.Rows == 0 && a.Verdict == archive.Valid {
		y.t.Errorf("by workers\n%+v\nhere\n%+v", a, b)
	}
}

// TestVerifyByWorkers: two workers recompute the parts of a verification, of an archive that is whole and of one that
// is not, and the report is the one that one process makes.
func TestVerifyByWorkers(t *testing.T) {
	y := newYard(t)
	y.parts(6)
	y.start("one", nil)
	y.start("two", nil)
	ana := y.e.Reviewer("ana")
	by, err := audit.VerifyByWorkers(t.Context(), ana, y.store, y.opts(), time.Minute, nil)
	if err != nil {
		t.Fatal(err)
	}
	here, err := archive.NewVerification(y.store, y.opts()).Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	y.alike(by, here)
	if by.Verdict != archive.Valid || len(by.Parts) != 6 {
		t.Errorf("%s, %d parts", by.Verdict, len(by.Parts))
	}
	if n := wardtest.One[int](y.e,
		"select count(*) from audit.part_check where outcome ? 'outcome' and tries = 1"); n != 6 {
		t.Errorf("%d outcomes", n)
	}
	file := filepath.Join(strings.TrimPrefix(y.store.String(), "dir:"), filepath.FromSlash(by.Parts[2].Path))
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 1
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, data, 0o444); err != nil {
		t.Fatal(err)
	}
	if by, err = audit.VerifyByWorkers(t.Context(), ana, y.store, y.opts(), time.Minute, nil); err != nil {
		t.Fatal(err)
	}
	if here, err = archive.NewVerification(y.store, y.opts()).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	y.alike(by, here)
	if by.Verdict != archive.Invalid || by.Findings[0].Status != archive.FileModified {
		t.Errorf("%s %v", by.Verdict, by.Findings)
	}
	if n := wardtest.One[int](y.e, "select count(*) from audit.event e join audit.verification v on e.detail::jsonb "+
		"->> 'verification' = v.id::text where e.action = 'verify' and e.user_id = v.user_id"); n != 4 {
		t.Errorf("%d events of two verifications, want the intent and the verdict of each", n)
	}
}

// TestVerifyWithoutWorkers: nobody takes the parts. That is an error after a while, and on record as not proven.
func TestVerifyWithoutWorkers(t *testing.T) {
	y := newYard(t)
	y.parts(1)
	_, err := audit.VerifyByWorkers(t.Context(), y.e.Reviewer("ana"), y.store, y.opts(), 500*time.Millisecond, nil)
	if err == nil || !strings.Contains(err.Error(), "is ward worker running") {
		t.Errorf("%v", err)
	}
	if got := wardtest.One[string](y.e, "select verdict from audit.verification"); got != string(archive.NotProven) {
		t.Errorf("recorded as %q", got)
	}
	// what was handed out is nobody's any more: a worker that starts now leaves it alone
	y.start("late", nil)
	y.sql("the job is done",
		"select count(*) = 1 from river.river_job where kind = 'verify_part' and state = 'completed'")
	if n := wardtest.One[int](y.e,
		"select count(*) from audit.part_check where tries > 0 or outcome is not null"); n != 0 {
		t.Errorf("%d parts were checked for nobody", n)
	}
}

// as runs a statement under somebody's identity.
func (y *yard) as(who, sql string) error {
	y.t.Helper()
	return y.e.Reviewer(who).Tx(y.t.Context(), uuid.Nil, func(tx tenancy.Tx) error {
		_, err := tx.Exec(y.t.Context(), sql)
		return err
	})
}

// TestPartsAreTheAskersOwn: nobody hands out parts, or reads what was found, but in a verification of their own that
// goes on; and no reviewer writes outcomes.
func TestPartsAreTheAskersOwn(t *testing.T) {
	y := newYard(t)
	y.parts(1)
	_, _ = audit.VerifyByWorkers(t.Context(), y.e.Reviewer("ana"), y.store, y.opts(), 500*time.Millisecond, nil)
	id := wardtest.One[uuid.UUID](y.e, "select id from audit.verification")
	if _, err := y.e.Super.Exec(t.Context(), "update audit.verification set finished_at = null"); err != nil {
		t.Fatal(err)
	}
	for _, who := range []string{"ana", "dana", "root"} { // dana verifies too, root does not
		for what, sql := range map[string]string{
			"hand out": fmt.Sprintf("select audit.check_part('%s', 'of %s', '{}')", id, who),
			"read":     fmt.Sprintf("select audit.parts_checked('%s', '{}', '20 s')", id),
		} {
			err := y.as(who, sql)
			if own := who == "ana"; (err == nil) != own {
				t.Errorf("%s, %s: %v", who, what, err)
			}
		}
		if err := y.as(who, "update audit.part_check set outcome = '{}'"); err == nil {
			t.Errorf("%s writes an outcome", who)
		}
		if err := y.as(who, fmt.Sprintf("select audit.enter_part('%s', 'p')", id)); err == nil {
			t.Errorf("%s enters a job", who)
		}
	}
	if _, err := y.e.Super.Exec(t.Context(), "update audit.verification set finished_at = now()"); err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{fmt.Sprintf("select audit.check_part('%s', 'q', '{}')", id),
		fmt.Sprintf("select audit.parts_checked('%s', '{}', '20 s')", id)} {
		if err := y.as("ana", sql); err == nil {
			t.Errorf("in a verification that has ended: %s", sql)
		}
	}
}
