package audit_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"

	"github.com/google/uuid"

	"github.com/ward-health/ward/archive"
	"github.com/ward-health/ward/audit"
	"github.com/ward-health/ward/internal/wardtest"
	"github.com/ward-health/ward/queries"
	"github.com/ward-health/ward/review"
)

// harbour is where a ledger's rows are shipped to.
type harbour struct {
	*ledger
	dir    string
	store  archive.Store
	signer *archive.Signer
	key    string // the signer's, as text
	now    time.Time
	sealer *audit.Sealer
}

func newHarbour(t *testing.T) *harbour {
	t.Helper()
	h := &harbour{ledger: newLedger(t), dir: t.TempDir(), now: time.Date(2026, 5, 20, 12, 0, 0, 0, time.UTC)}
	text, _, err := archive.GenerateKey(archive.Origin("test", wardtest.Region))
	if err != nil {
		t.Fatal(err)
	}
	h.key = text
	if h.signer, err = archive.NewSigner(text); err != nil {
		t.Fatal(err)
	}
	h.store = h.open(h.dir)
	h.sealer = h.lead()
	return h
}

func (h *harbour) open(dir string) archive.Store {
	h.t.Helper()
	store, err := archive.CreateDir(dir)
	if err != nil {
		h.t.Fatal(err)
	}
	return store
}

func (h *harbour) shipper(store archive.Store) *audit.Shipper {
	return &audit.Shipper{Pool: h.pool, Store: store, Signer: h.signer, Origin: archive.Origin("test", wardtest.Region),
		Now: func() time.Time { return h.now }}
}

// sealAt seals what is there at a time.
func (h *harbour) sealAt(at time.Time) int {
	h.t.Helper()
	h.sealer.Now = func() time.Time { return at }
	return h.seal(h.sealer).Rows
}

func (h *harbour) ship() []archive.Manifest {
	h.t.Helper()
	done, err := h.shipper(h.store).Ship(h.t.Context())
	if err != nil {
		h.t.Fatal(err)
	}
	return done
}

func (h *harbour) verify(store archive.Store, options ...func(*archive.VerifyOptions)) *archive.Report {
	h.t.Helper()
	opts := archive.VerifyOptions{Keys: []archive.Key{h.signer.Key()},
		Origin: archive.Origin("test", wardtest.Region), Now: h.now}
	for _, o := range options {
		o(&opts)
	}
	report, err := archive.NewVerification(store, opts).Run(h.t.Context())
	if err != nil {
		h.t.Fatal(err)
	}
	return report
}

// expecting holds the archive against a head that was seen before.
func expecting(head archive.Head) func(*archive.VerifyOptions) {
	return func(o *archive.VerifyOptions) { o.ExpectHeads = [][]byte{[]byte(head.Checkpoint)} }
}

// arrived checks that the store holds exactly the sealed rows, each once, as they stand in the database.
func (h *harbour) arrived(store archive.Store) {
	h.t.Helper()
	want := map[string]string{}
	rows, err := h.e.Super.Query(h.t.Context(),
		"select c.tenant_id::text, c.seq, c.event_id, encode(c.hash, 'hex') from audit.chain c")
	if err != nil {
		h.t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var tenant, hash string
		var seq, event int64
		if err := rows.Scan(&tenant, &seq, &event, &hash); err != nil {
			h.t.Fatal(err)
		}
		want[fmt.Sprintf("%s %d", tenant, seq)] = fmt.Sprintf("%d %s", event, hash)
	}
	if rows.Err() != nil || len(want) == 0 {
		h.t.Fatalf("%d rows are sealed, %v", len(want), rows.Err())
	}
	for _, p := range h.verify(store).Parts {
		if p.Rows == 0 {
			continue
		}
		for _, r := range h.rowsOf(store, p.Path) {
			at := fmt.Sprintf("%s %d", r.TenantID, r.Seq)
			if got := fmt.Sprintf("%d %x", r.EventID, r.Hash); got != want[at] {
				h.t.Fatalf("%s in %s: %s, in the database %q (missing: shipped twice)", at, p.Path, got, want[at])
			}
			delete(want, at)
		}
	}
	if len(want) > 0 {
		h.t.Fatalf("%d sealed rows did not arrive", len(want))
	}
}

func (h *harbour) rowsOf(store archive.Store, part string) []archive.Row {
	h.t.Helper()
	var all []archive.Row
	if err := archive.ReadPart(h.t.Context(), store, part, "",
		func(b []archive.Row) error { all = append(all, b...); return nil }); err != nil {
		h.t.Fatal(err)
	}
	return all
}

// valid fails unless a verification finds everything in order.
func (h *harbour) valid(r *archive.Report) {
	h.t.Helper()
	if r.Verdict != archive.Valid || len(r.Findings) > 0 || r.Rows == 0 {
		h.t.Fatalf("%s over %d rows: %v", r.Verdict, r.Rows, r.Findings)
	}
}

// TestShip: what is sealed arrives whole and once, by month of sealing; a month without rows is on record, and a second
// shipping has nothing to do.
func TestShip(t *testing.T) {
	h := newHarbour(t)
	h.insert(h.cedar, 4)
	march := h.sealAt(time.Date(2026, 3, 31, 23, 59, 59, 999999000, time.UTC))
	h.insert(h.cedar, 3)
	h.insert(h.harbor, 2)
	may := h.sealAt(time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC))
	parts := h.ship()
	var got []string
	for _, p := range parts {
		got = append(got, fmt.Sprintf("%s %d", p.Month, p.Rows))
	}
	if want := []string{fmt.Sprintf("2026-03 %d", march), "2026-04 0",
		fmt.Sprintf("2026-05 %d", may)}; !slices.Equal(got, want) {
		t.Fatalf("parts %q, want %q", got, want)
	}
	h.valid(h.verify(h.store))
	h.arrived(h.store)
	if n := wardtest.One[int](h.e, "select count(*) from audit.event e join tenancy.users u on u.id = e.user_id "+
		"where e.action = 'ship' and u.slug = 'ward-worker' and detail::jsonb ->> 'part' <> ''"); n != 2 {
		t.Errorf("%d ship events for two parts with rows", n)
	}
	if again := h.ship(); len(again) != 0 {
		t.Errorf("shipped again: %v", again)
	}
	// the events of shipping are the next part's
	rows := h.sealAt(h.now)
	if next := h.ship(); len(next) != 1 || next[0].Rows != int64(rows) || rows != 2 {
		t.Errorf("%d parts of %d rows", len(next), rows)
	}
	h.arrived(h.store)
	// time passes and nothing is sealed
	h.now = h.now.AddDate(0, 3, 0)
	if empty := h.ship(); len(empty) == 0 || empty[len(empty)-1].Rows != 0 {
		t.Errorf("after three months: %v", empty)
	}
	h.valid(h.verify(h.store))
}

// TestClockThatGoesBack: a machine's clock falls back over a month's end after that month was shipped for one tenant; a
// new tenant's rows still follow.
func TestClockThatGoesBack(t *testing.T) {
	h := newHarbour(t)
	june := time.Date(2026, 6, 1, 0, 1, 0, 0, time.UTC)
	h.now = june
	h.insert(h.cedar, 3)
	h.sealAt(june)
	h.ship()
	young := wardtest.One[uuid.UUID](h.e, "insert into tenancy.tenant (slug, name, region) "+
		"values ('young', 'Young Clinic', $1) returning id", wardtest.Region)
	h.insert(young, 2) // its first rows: its own chain says nothing of the time
	if n := h.sealAt(june.Add(-time.Hour)); n < 2 {
		t.Fatalf("%d rows were sealed", n)
	}
	h.ship()
	h.arrived(h.store)
	h.valid(h.verify(h.store))
}

// TestReviewersDecisionsAreShipped: a closing is in the archive, under who closed.
func TestReviewersDecisionsAreShipped(t *testing.T) {
	h := newHarbour(t)
	super(t, h.e, "insert into review.rule (id, version, tier, severity, title, content_hash, front_matter) "+
		"values ('T01', 1, 'B', 'high', 't', 'h', '{}')")
	id := wardtest.One[string](h.e,
		"insert into review.anomaly (tenant_id, rule_id, rule_version, tier, severity, key, summary, first_at, "+
			"last_at) values ($1, 'T01', 1, 'B', 'high', sha256('k'), 's', now(), now()) returning id::text", h.cedar)
	dana := h.e.Reviewer("dana")
	if _, err := review.Claim(t.Context(), dana, id, 1); err != nil {
		t.Fatal(err)
	}
	closed, err := review.Close(t.Context(), dana, id, 2, "test_data", "no real patient")
	if err != nil {
		t.Fatal(err)
	}
	h.sealAt(h.now)
	parts := h.ship()
	user := wardtest.One[string](h.e, "select id::text from tenancy.users where slug = 'dana'")
	for _, r := range h.rowsOf(h.store, parts[0].Path) {
		if r.EventID == closed.EventID {
			if r.Action != "close" || r.UserID == nil || *r.UserID != user || r.TenantID != h.cedar.String() ||
				!strings.Contains(*r.Detail, `"test_data"`) {
				t.Errorf("%+v", r)
			}
			return
		}
	}
	t.Error("the closing is not in the archive")
}

// TestShipStopsAtTampering: a row rewritten in the database does not become a signed part.
func TestShipStopsAtTampering(t *testing.T) {
	h := newHarbour(t)
	h.insert(h.cedar, 5)
	h.sealAt(h.now)
	h.rewrite(fmt.Sprintf("update audit.event set outcome = 'denied' where event_id = (select max(event_id) "+
		"from audit.chain where tenant_id = '%s')", h.cedar))
	if parts, err := h.shipper(h.store).Ship(t.Context()); err == nil || len(parts) != 0 {
		t.Errorf("%d parts, %v", len(parts), err)
	}
	if r := h.verify(h.store); r.Rows != 0 {
		t.Errorf("%d rows were archived", r.Rows)
	}
}

// TestPublishHeads: a history rewritten before it was shipped contradicts the heads that were published.
func TestPublishHeads(t *testing.T) {
	h := newHarbour(t)
	if err := h.shipper(h.store).PublishHeads(t.Context()); !errors.Is(err, audit.ErrNoHeads) {
		t.Fatalf("before anything is sealed: %v", err)
	}
	h.insert(h.cedar, 4)
	h.insert(h.cedar, 1) // in a transaction of its own
	h.sealAt(h.now)
	if err := h.shipper(h.store).PublishHeads(t.Context()); err != nil {
		t.Fatal(err)
	}
	last := wardtest.One[int64](h.e, "select max(seq) from audit.chain where tenant_id = $1", h.cedar)
	h.rewrite(fmt.Sprintf("update audit.event set outcome = 'denied' where event_id = (select event_id "+
		"from audit.chain where tenant_id = '%s' and seq = %d)", h.cedar, last))
	h.reseal(last)
	var lost *audit.LostError
	if parts, err := h.shipper(h.store).Ship(t.Context()); !errors.As(err, &lost) || len(parts) != 0 {
		t.Fatalf("shipped against a published head: %d parts, %v", len(parts), err)
	}
	h.shipRegardless(h.store)
	r := h.verify(h.store)
	if r.Verdict != archive.Invalid || !slices.ContainsFunc(r.Findings, func(f archive.Finding) bool {
		return f.Status == archive.HeadMismatch && f.Tenant == h.cedar.String() && f.Seq == last
	}) {
		t.Errorf("%s: %v", r.Verdict, r.Findings)
	}
}

// reseal computes a tenant's last hash anew, as an owner who knows the format would.
func (h *harbour) reseal(seq int64) {
	h.t.Helper()
	for _, s := range []string{"alter table audit.chain disable trigger all",
		fmt.Sprintf("delete from audit.chain where tenant_id = '%s' and seq = %d", h.cedar, seq),
		"alter table audit.chain enable trigger all"} {
		super(h.t, h.e, s)
	}
	row := wardtest.One[int64](h.e, "select e.event_id from audit.event e where not exists (select "+
		"from audit.chain c where c.event_id = e.event_id)")
	super(h.t, h.e, fmt.Sprintf("update audit.seal_state set snapshot = (select format('%%s:%%s:%%s', xid, "+
		"pg_snapshot_xmax(pg_current_snapshot()), xid)::pg_snapshot from audit.event where event_id = %d)", row))
	h.sealAt(h.now)
}

// TestTamperedArchive: each way of tampering with what was shipped is INVALID and names the part.
func TestTamperedArchive(t *testing.T) {
	h := newHarbour(t)
	var parts []archive.Manifest
	var first archive.Head
	for range 3 {
		h.insert(h.cedar, 6)
		h.insert(h.harbor, 6)
		h.sealAt(h.now)
		parts = append(parts, h.ship()...)
		if first.Size == 0 {
			first = h.verify(h.store).Head
		}
	}
	last := h.verify(h.store).Head
	if len(parts) != 3 || first.Size != 1 || last.Size != 3 {
		t.Fatalf("%d parts, heads %d and %d", len(parts), first.Size, last.Size)
	}
	victim := parts[1]
	cases := map[string]struct {
		tamper func(dir string)
		status string
		part   string
		row    string // what --diagnose finds
	}{
		"flipped byte": {func(dir string) {
			h.change(dir, victim.Path, func(b []byte) []byte { b[len(b)/2] ^= 1; return b })
		}, archive.FileModified, victim.Path, ""},
		"removed row": {func(dir string) {
			h.rewriteRows(dir, victim.Path, func(rows []archive.Row) []archive.Row { return slices.Delete(rows, 3, 4) })
		}, archive.FileModified, victim.Path, archive.RowMissing},
		"swapped pair": {func(dir string) {
			h.rewriteRows(dir, victim.Path,
				func(rows []archive.Row) []archive.Row { rows[3], rows[4] = rows[4], rows[3]; return rows })
		}, archive.FileModified, victim.Path, archive.RowReordered},
		"removed part": {func(dir string) { h.remove(dir, victim.Path, victim.ManifestPath()) }, archive.PartMissing,
			victim.Path, ""},
		"cut tail": {func(dir string) {
			h.remove(dir, parts[2].Path, parts[2].ManifestPath(),
				"v1/region="+wardtest.Region+"/checkpoints/000000000003")
		}, archive.RolledBack, "", ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.CopyFS(dir, os.DirFS(h.dir)); err != nil {
				t.Fatal(err)
			}
			store := h.open(dir)
			h.valid(h.verify(store, expecting(last)))
			c.tamper(dir)
			r := h.verify(store, expecting(last))
			if r.Verdict != archive.Invalid || !finds(r, c.status, c.part) {
				t.Errorf("%s: %v", r.Verdict, r.Findings)
			}
			for _, p := range r.Parts {
				if c.part != "" && (p.Verdict == archive.Invalid) != (p.Path == c.part) {
					t.Errorf("%s is %s", p.Path, p.Verdict)
				}
			}
			if c.row != "" {
				if r := h.verify(store,
					func(o *archive.VerifyOptions) { o.Diagnose = archive.DiagnoseHere }); !finds(r, c.row, c.part) {
					t.Errorf("diagnosed: %v", r.Findings)
				}
			}
			if name == "cut tail" {
				if r := h.verify(store, expecting(first)); r.Verdict != archive.Valid {
					t.Errorf("against a head before the cut: %s", r.Verdict)
				}
			}
		})
	}
}

func finds(r *archive.Report, status, part string) bool {
	return slices.ContainsFunc(r.Findings, func(f archive.Finding) bool {
		return f.Status == status && f.Part == part || part == "" && f.Status == status
	})
}

// change replaces a file, which is read-only for everybody else.
func (h *harbour) change(dir, path string, fn func([]byte) []byte) {
	h.t.Helper()
	file := filepath.Join(dir, path)
	b, err := os.ReadFile(file)
	if err == nil {
		h.remove(dir, path)
		err = os.WriteFile(file, fn(b), 0o600)
	}
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *harbour) remove(dir string, paths ...string) {
	h.t.Helper()
	for _, p := range paths {
		if err := os.Remove(filepath.Join(dir, p)); err != nil {
			h.t.Fatal(err)
		}
	}
}

// rewriteRows writes a part anew with other rows.
func (h *harbour) rewriteRows(dir, path string, fn func([]archive.Row) []archive.Row) {
	h.t.Helper()
	rows := fn(h.rowsOf(h.open(dir), path))
	h.change(dir, path, func([]byte) []byte {
		var b bytes.Buffer
		w := parquet.NewGenericWriter[archive.Row](&b, parquet.Compression(&parquet.Zstd), parquet.DataPageVersion(1),
			parquet.KeyValueMetadata("ward.format", "1"))
		if _, err := w.Write(rows); err != nil {
			h.t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			h.t.Fatal(err)
		}
		return b.Bytes()
	})
}

// shipRegardless ships what is sealed without asking whether it may, as a shipper would that does not compare.
func (h *harbour) shipRegardless(store archive.Store) {
	h.t.Helper()
	ctx := h.t.Context()
	log, err := archive.OpenLog(ctx, store, wardtest.Region, archive.Origin("test", wardtest.Region), h.signer)
	if err != nil {
		h.t.Fatal(err)
	}
	tenants, err := queries.New(h.pool).Tenants(ctx)
	if err != nil {
		h.t.Fatal(err)
	}
	var rows []archive.Row
	for _, tenant := range tenants {
		list, err := queries.New(h.pool).SealedRows(ctx, queries.SealedRowsParams{TenantID: tenant.ID,
			FirstSeq: log.Tail()[tenant.ID.String()].LastSeq + 1, LastSeq: 1 << 60})
		if err != nil {
			h.t.Fatal(err)
		}
		for _, r := range list {
			row := rowOf(&r)
			row.Hash = archive.Hash(r.Hash)
			rows = append(rows, row)
		}
	}
	if _, err := log.Append(ctx, archive.MonthOf(rows[0].SealedAt), func(yield func(*archive.Row, error) bool) {
		for i := range rows {
			if !yield(&rows[i], nil) {
				return
			}
		}
	}, h.now.AddDate(7, 0, 0)); err != nil {
		h.t.Fatal(err)
	}
}
