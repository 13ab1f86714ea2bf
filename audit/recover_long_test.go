//go:build long

package audit_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ward-health/ward/archive"
	"github.com/ward-health/ward/audit"
	"github.com/ward-health/ward/internal/needs"
	"github.com/ward-health/ward/internal/postgres"
	"github.com/ward-health/ward/internal/postgres/pgtest"
	"github.com/ward-health/ward/internal/wardtest"
)

// site is a server of its own with ward on it.
type site struct {
	*harbour
	cluster *postgres.Cluster
}

// newSite makes a server and a harbour on it.
func newSite(t *testing.T) *site {
	t.Helper()
	t.Parallel()
	cluster := pgtest.NewCluster(t,
		pgtest.ClusterOptions{Settings: map[string]string{"autovacuum": "off", "wal_keep_size": "256MB"}})
	onCluster(t, cluster, postgres.SuperuserRole, "postgres",
		func(conn *pgx.Conn) { run(t, conn, "create database ward") })
	if err := wardtest.Prepare(t.Context(), cluster.DSN(postgres.SuperuserRole, "ward")); err != nil {
		t.Fatal(err)
	}
	h := &harbour{ledger: &ledger{t: t, e: &wardtest.Env{}}, dir: t.TempDir(),
		now: time.Date(2026, 5, 20, 12, 0, 0, 0, time.UTC)}
	text, _, err := archive.GenerateKey(archive.Origin("test", wardtest.Region))
	if err == nil {
		h.key = text
		h.signer, err = archive.NewSigner(text)
	}
	if err != nil {
		t.Fatal(err)
	}
	h.store = h.open(h.dir)
	s := &site{harbour: h}
	s.move(cluster)
	return s
}

// move goes on at another server.
func (s *site) move(cluster *postgres.Cluster) {
	s.t.Helper()
	s.cluster = cluster
	open := func(role string) *pgxpool.Pool {
		pool, err := pgxpool.New(s.t.Context(), cluster.DSN(role, "ward"))
		if err != nil {
			s.t.Fatal(err)
		}
		s.t.Cleanup(pool.Close)
		return pool
	}
	s.e, s.pool = wardtest.On(s.t, open(postgres.SuperuserRole)), open("ward_worker")
	s.cedar, s.harbor = s.e.TenantID("cedar"), s.e.TenantID("harbor")
	s.sealer = s.lead()
}

// gone ends a server and what is connected to it.
func (s *site) gone() {
	s.t.Helper()
	if err := s.cluster.Kill(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
}

// takeOver starts a standby, whose server is gone, and promotes it.
func (s *site) takeOver(standby *postgres.Cluster) {
	s.t.Helper()
	if err := standby.Start(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	onCluster(s.t, standby, postgres.SuperuserRole, "ward",
		func(conn *pgx.Conn) { run(s.t, conn, "select pg_promote()") })
	s.move(standby)
}

func (s *site) publish() {
	s.t.Helper()
	if err := s.shipper(s.store).PublishHeads(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
}

// TestRestoredDump: a dump that is restored into a new server brings transaction numbers that lie in that one's future.
// What was not sealed is, what is written there is too, and when the numbers come again nothing gets a second place.
func TestRestoredDump(t *testing.T) {
	s := newSite(t)
	ctx := t.Context()
	// so that the new server's numbers are the lower ones
	onCluster(t, s.cluster, postgres.SuperuserRole, "ward", func(conn *pgx.Conn) {
		for range 3000 {
			run(t, conn, "select pg_current_xact_id()")
		}
	})
	s.insert(s.cedar, 20)
	rows := s.sealAt(s.now)
	s.ship()
	rows += s.sealAt(s.now)
	s.publish()
	s.insert(s.harbor, 7) // not sealed when the dump is made
	bin, err := postgres.FindBinaries(ctx)
	if err != nil {
		t.Fatal(err)
	}
	dump := filepath.Join(t.TempDir(), "ward.dump")
	tool := func(name string, args ...string) {
		t.Helper()
		if out, err := exec.CommandContext(ctx, needs.Client(t, bin.Dir, name), args...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", name, err, out)
		}
	}
	tool("pg_dump", "--format=custom", "--file="+dump, "--dbname="+s.cluster.DSN(postgres.SuperuserRole, "ward"))
	roles := filepath.Join(t.TempDir(), "roles.sql")
	tool("pg_dumpall", "--roles-only", "--file="+roles, "--dbname="+s.cluster.Superuser())
	old := wardtest.One[string](s.e, "select max(xid)::text from audit.event")
	s.gone()
	cluster := pgtest.NewCluster(t, pgtest.ClusterOptions{})
	onCluster(t, cluster, postgres.SuperuserRole, "postgres", func(conn *pgx.Conn) {
		sql, err := os.ReadFile(roles)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.PgConn().Exec(ctx,
			"do $$ begin set client_min_messages = error; end $$").ReadAll(); err != nil {
			t.Fatal(err)
		}
		for _, line := range slices.Collect(statements(string(sql))) {
			_, _ = conn.Exec(ctx, line) // the superuser exists
		}
		run(t, conn, "create database ward")
	})
	tool("pg_restore", "--dbname="+cluster.DSN(postgres.SuperuserRole, "ward"), dump)
	s.move(cluster)
	if !wardtest.One[bool](s.e, "select $1::xid8 > pg_snapshot_xmax(pg_current_snapshot())", old) {
		t.Fatal("the new server's transaction numbers are not the lower ones: the test shows nothing")
	}
	s.insert(s.cedar, 3) // before the sealer starts, and before it knows
	if n := s.sealAt(s.now); n != 10 {
		t.Fatalf("%d events were sealed, not the 7 of the dump and 3 since", n)
	}
	rows += 10
	if n := wardtest.One[int](s.e, "select count(*) from audit.event where action = 'seal_recover' "+
		"and detail::jsonb ->> 'why' = 'another server'"); n != 1 {
		t.Errorf("%d events of the recovery", n)
	}
	next := func(n int) {
		t.Helper()
		s.insert(s.harbor, n)
		if got := s.sealAt(s.now); got < n {
			t.Fatalf("%d of %d events were sealed", got, n)
		} else {
			rows += got
		}
		s.holds(rows)
	}
	next(4)
	onCluster(t, cluster, postgres.SuperuserRole, "ward", func(conn *pgx.Conn) { // until the old numbers come again
		for !wardtest.One[bool](s.e, "select $1::xid8 < pg_snapshot_xmax(pg_current_snapshot())", old) {
			for range 100 {
				run(t, conn, "select pg_current_xact_id()")
			}
			next(1)
		}
	})
	next(2)
	if s.unsealed() != 0 {
		t.Errorf("%d events have no place", s.unsealed())
	}
	s.sealer.Close(ctx)
	s.sealer = s.lead()
	next(2) // known by now
	s.ship()
	s.arrived(s.store)
	s.valid(s.verify(s.store))
}

// statements splits a script that has no semicolon within a statement.
func statements(sql string) func(func(string) bool) {
	return func(yield func(string) bool) {
		start := 0
		for i := range len(sql) {
			if sql[i] == ';' {
				if !yield(sql[start:i]) {
					return
				}
				start = i + 1
			}
		}
	}
}

// TestFailover: a standby that was behind takes over, and lacks rows that are archived and others whose heads were
// published.
func TestFailover(t *testing.T) {
	s := newSite(t)
	ctx := t.Context()
	s.insert(s.cedar, 5)
	s.sealAt(s.now)
	s.ship()
	s.sealAt(s.now)
	s.insert(s.cedar, 2) // the standby has them, and not yet their places
	kept := wardtest.One[[]int64](s.e, "select array_agg(e.event_id order by e.event_id) from audit.event e where "+
		"not exists (select from audit.chain c where c.event_id = e.event_id)")
	standby := newStandby(s.t, s.cluster)
	s.sealAt(s.now)
	s.insert(s.cedar, 4) // lost, and in the archive
	s.sealAt(s.now)
	s.ship()
	s.sealAt(s.now)
	s.insert(s.harbor, 6) // lost, and published only
	s.sealAt(s.now)
	same := s.shipper(s.store)
	if err := same.PublishHeads(ctx); err != nil {
		t.Fatal(err)
	}
	end := func(tenant uuid.UUID) int64 {
		return wardtest.One[int64](s.e, "select max(seq) from audit.chain where tenant_id = $1", tenant)
	}
	archived, published := end(s.cedar), end(s.harbor)
	s.gone()
	s.takeOver(standby)
	if len(kept) != 2 || end(s.cedar) >= archived || end(s.harbor) >= published {
		t.Fatalf("the standby was not behind: rows %d and %d of %d and %d, %d kept", end(s.cedar), end(s.harbor),
			archived, published, len(kept))
	}
	// the defence: nothing is sealed or shipped on top, and it is said what is missing
	shipper := s.shipper(s.store)
	var lost *audit.LostError
	if err := shipper.Check(ctx); !errors.As(err, &lost) {
		t.Fatalf("what was lost is not noticed: %v", err)
	}
	for _, l := range lost.Losses {
		if l.TenantID == s.cedar && (l.Archived != archived || l.Database >= archived) ||
			l.TenantID == s.harbor && l.Published != published || l.Other {
			t.Errorf("%+v", l)
		}
	}
	if parts, err := shipper.Ship(ctx); !errors.As(err, &lost) || len(parts) != 0 {
		t.Fatalf("shipped on top: %d parts, %v", len(parts), err)
	}
	before := s.verify(s.store)
	s.valid(before)
	same.Pool = s.pool
	if err := same.PublishHeads(ctx); !errors.As(err, &lost) {
		t.Fatalf("a shipper that had published more publishes less: %v", err)
	}

	s.now = s.now.Add(time.Hour)
	done, err := shipper.Recover(ctx, s.sealer, 4711, "the first server burnt down")
	if err != nil {
		t.Fatal(err)
	}
	if done.Restored < 2 ||
		wardtest.One[int](s.e, "select count(*) from audit.chain where event_id = any ($1)", kept) != 2 {
		t.Errorf("%d events have their archived places again", done.Restored)
	}
	if err := shipper.Check(ctx); err != nil {
		t.Fatalf("afterwards: %v", err)
	}
	if _, err := shipper.Recover(ctx, s.sealer, 4712, "again"); !errors.Is(err, audit.ErrNothingLost) {
		t.Errorf("a second recovery: %v", err)
	}
	s.insert(s.cedar, 3)
	s.insert(s.harbor, 3)
	s.sealAt(s.now)
	s.ship()
	s.publish()
	if first := wardtest.One[int64](s.e, "select min(seq) from audit.chain where tenant_id = $1 and seq > $2", s.cedar,
		archived); first != archived+1 {
		t.Errorf("the chain goes on at row %d after row %d of the archive", first, archived)
	}
	r := s.verify(s.store, expecting(before.Head))
	if r.Verdict != archive.NotProven || r.Rows <= before.Rows || len(r.Findings) == 0 ||
		!slices.ContainsFunc(r.Findings, func(f archive.Finding) bool {
			return f.Status == archive.Recovered && f.Tenant == s.harbor.String() &&
				f.Part == done.Manifest.ManifestPath()
		}) {
		t.Errorf("%s: %v", r.Verdict, r.Findings)
	}
	for _, f := range r.Findings {
		if f.Status != archive.Recovered || f.Tenant == s.cedar.String() {
			t.Errorf("%s", f)
		}
	}
	if !slices.ContainsFunc(r.NotCovered,
		func(n string) bool { return len(n) > 0 && slices.Contains([]byte(n), ':') }) {
		t.Errorf("what the archive has and the database lost is not said: %q", r.NotCovered)
	}
}

// TestWithoutRecovery: shipped on top without a recovery, the lost heads are what they look like.
func TestWithoutRecovery(t *testing.T) {
	s := newSite(t)
	s.insert(s.cedar, 5)
	s.sealAt(s.now)
	s.ship()
	standby := newStandby(s.t, s.cluster)
	s.insert(s.cedar, 5)
	s.sealAt(s.now)
	s.publish()
	s.gone()
	s.takeOver(standby)
	s.insert(s.cedar, 6)
	s.sealAt(s.now)
	for name, recover := range map[string]bool{"without": false, "with": true} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.CopyFS(dir, os.DirFS(s.dir)); err != nil {
				t.Fatal(err)
			}
			store := s.open(dir)
			if recover { // sealed on top already: that the database has other rows than were published is said too
				if _, err := s.shipper(store).Recover(t.Context(), s.sealer, 1,
					"sealed before anybody looked"); err != nil {
					t.Fatal(err)
				}
			}
			s.shipRegardless(store)
			r := s.verify(store)
			if want := map[bool]string{false: archive.HeadMismatch,
				true: archive.Recovered}[recover]; !finds(r, want, "") || recover && r.Verdict != archive.NotProven ||
				!recover && r.Verdict != archive.Invalid {
				t.Errorf("%s: %v, want %s", r.Verdict, r.Findings, want)
			}
		})
	}
}

// TestRecoverySurvivesEveryStep: interrupted at each call of the store and each message of the database, it can be
// repeated.
func TestRecoverySurvivesEveryStep(t *testing.T) {
	h := newHarbour(t)
	ctx := t.Context()
	h.insert(h.cedar, 5)
	h.sealAt(h.now)
	if err := h.shipper(h.store).PublishHeads(ctx); err != nil {
		t.Fatal(err)
	}
	h.ship()
	h.insert(h.cedar, 1)
	h.sealAt(h.now)
	h.now = h.now.Add(time.Minute)
	if err := h.shipper(h.store).PublishHeads(ctx); err != nil {
		t.Fatal(err)
	}
	lose := fmt.Sprintf("delete from audit.chain where tenant_id = '%s' and seq > (select max(seq) - 2 "+
		"from audit.chain where tenant_id = '%[1]s')", h.cedar)
	for name, try := range map[string]func(archive.Store, *fuse) error{
		"call of the store": func(store archive.Store, f *fuse) error {
			_, err := h.shipper(&failing{store, f, false}).Recover(ctx, h.sealer, 1, "first")
			return err
		},
		"answer of the store": func(store archive.Store, f *fuse) error {
			_, err := h.shipper(&failing{store, f, true}).Recover(ctx, h.sealer, 1, "first")
			return err
		},
		"message to the database": func(store archive.Store, f *fuse) error {
			return h.recoverOver(store, h.cutPool(f, false))
		},
		"answer of the database": func(store archive.Store, f *fuse) error {
			return h.recoverOver(store, h.cutPool(f, true))
		},
	} {
		failed := 0
		for n := 1; ; n++ {
			dir := t.TempDir()
			if err := os.CopyFS(dir, os.DirFS(h.dir)); err != nil {
				t.Fatal(err)
			}
			store := h.open(dir)
			for _, s := range []string{"alter table audit.chain disable trigger all", "alter table audit.resume " +
				"disable trigger all", lose, "delete from audit.resume", "alter table audit.chain enable trigger all"} {
				super(t, h.e, s)
			}
			var lost *audit.LostError
			if err := h.shipper(store).Check(ctx); !errors.As(err, &lost) {
				t.Fatalf("%s %d: nothing is lost: %v", name, n, err)
			}
			h.sealer.Close(ctx)
			h.sealer = h.follow()
			if err := try(store, &fuse{left: n}); err == nil {
				break
			}
			failed++
			h.sealer.Close(ctx)
			h.sealer = h.follow()
			// where the answer to the commit was lost, nothing is left to do
			if _, err := h.shipper(store).Recover(ctx, h.sealer, 2, "again"); err != nil &&
				!errors.Is(err, audit.ErrNothingLost) {
				t.Fatalf("%s %d: repeated: %v", name, n, err)
			}
			if err := h.shipper(store).Check(ctx); err != nil {
				t.Fatalf("%s %d: afterwards: %v", name, n, err)
			}
			if r := h.verify(store); r.Verdict != archive.NotProven || !finds(r, archive.Recovered, "") {
				t.Fatalf("%s %d: %s: %v", name, n, r.Verdict, r.Findings)
			}
		}
		if failed < 5 {
			t.Fatalf("only %d times a %s failed", failed, name)
		}
	}
}

// recoverOver recovers with a sealer and a shipper of a pool's, which it closes.
func (h *harbour) recoverOver(store archive.Store, pool *pgxpool.Pool) error {
	h.sealer.Close(h.t.Context())
	defer pool.Close()
	sealer, err := audit.Lead(h.t.Context(), pool)
	if err != nil {
		return err
	}
	defer sealer.Close(h.t.Context())
	s := h.shipper(store)
	s.Pool = pool
	_, err = s.Recover(h.t.Context(), sealer, 1, "first")
	return err
}
