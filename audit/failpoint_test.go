package audit_test

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ward-health/ward/archive"
	"github.com/ward-health/ward/audit"
	"github.com/ward-health/ward/internal/wardtest"
)

var errStore = errors.New("the store went away")

// fuse burns through at the n-th step.
type fuse struct {
	mu   sync.Mutex
	left int
}

// step says whether this is the one.
func (f *fuse) step() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.left--
	return f.left == 0
}

// failing is a store one call of which fails: before anything is done, or after, when the answer is lost.
type failing struct {
	archive.Store
	fuse *fuse
	done bool
}

// around runs a call, or fails instead of it or after it.
func (f *failing) around(call func() error) error {
	now := f.fuse.step()
	if now && !f.done {
		return errStore
	}
	if err := call(); err != nil || !now {
		return err
	}
	return errStore
}

func (f *failing) Put(ctx context.Context, path string, data io.Reader, size int64, retain time.Time) error {
	return f.around(func() error { return f.Store.Put(ctx, path, data, size, retain) })
}

func (f *failing) Open(ctx context.Context, path string) (b archive.Blob, err error) {
	err = f.around(func() error { b, err = f.Store.Open(ctx, path); return err })
	if err != nil && b != nil {
		_ = b.Close()
		b = nil
	}
	return b, err
}

func (f *failing) List(ctx context.Context, prefix string) (list []archive.Object, err error) {
	err = f.around(func() error { list, err = f.Store.List(ctx, prefix); return err })
	return list, err
}

// cut is a connection that breaks: a statement does not arrive, or is done and its answer does not come back.
type cut struct {
	net.Conn
	fuse  *fuse
	reads bool
}

func (c *cut) Write(p []byte) (int, error) {
	if !c.reads && c.fuse.step() {
		_ = c.Close()
		return 0, net.ErrClosed
	}
	return c.Conn.Write(p)
}

func (c *cut) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if c.reads && err == nil && c.fuse.step() {
		_ = c.Close()
		return 0, net.ErrClosed
	}
	return n, err
}

// cutPool is a worker's pool whose connections share a fuse.
func (h *harbour) cutPool(f *fuse, reads bool) *pgxpool.Pool {
	h.t.Helper()
	config, err := pgxpool.ParseConfig(h.e.DB.DSN("ward_worker"))
	if err != nil {
		h.t.Fatal(err)
	}
	dial := config.ConnConfig.DialFunc
	config.ConnConfig.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return &cut{conn, f, reads}, nil
	}
	pool, err := pgxpool.NewWithConfig(h.t.Context(), config)
	if err != nil {
		h.t.Fatal(err)
	}
	return pool
}

// resumes checks that an interrupted shipping left nothing wrong, and that the next one finishes.
func (h *harbour) resumes(store archive.Store, what string, n int) {
	h.t.Helper()
	if r := h.verify(store); r.Verdict == archive.Invalid {
		h.t.Fatalf("%s %d: what is left is INVALID: %v", what, n, r.Findings)
	}
	if _, err := h.shipper(store).Ship(h.t.Context()); err != nil {
		h.t.Fatalf("%s %d: resume: %v", what, n, err)
	}
	h.valid(h.verify(store))
	h.arrived(store)
}

// TestShipSurvivesEveryStep: interrupted at each call of the store and at each message to and from the database, before
// and after it was done, the next shipping finishes what was begun, and every row is in the archive once.
func TestShipSurvivesEveryStep(t *testing.T) {
	h := newHarbour(t)
	h.insert(h.cedar, 5)
	h.sealAt(time.Date(2026, 3, 10, 0, 0, 0, 0, time.UTC))
	h.insert(h.harbor, 5)
	h.sealAt(time.Date(2026, 5, 10, 0, 0, 0, 0, time.UTC))
	for _, done := range []bool{false, true} {
		steps := 0
		for n := 1; ; n++ {
			store := h.open(t.TempDir())
			_, err := h.shipper(&failing{store, &fuse{left: n}, done}).Ship(t.Context())
			if err == nil {
				break
			}
			steps++
			if !errors.Is(err, errStore) {
				t.Fatalf("call %d, done %t: %v", n, done, err)
			}
			h.resumes(store, "call of the store", n)
		}
		// two parts of three objects and an empty month of two, each but the checkpoints read back, and the listing
		if steps < 14 {
			t.Fatalf("only %d calls failed", steps)
		}
	}
	for _, reads := range []bool{false, true} {
		cuts := 0
		for n := 1; ; n++ {
			store := h.open(t.TempDir())
			pool := h.cutPool(&fuse{left: n}, reads)
			s := h.shipper(store)
			s.Pool = pool
			_, err := s.Ship(t.Context())
			pool.Close()
			if err == nil {
				break
			}
			cuts++
			h.resumes(store, "message of the database", n)
		}
		if cuts < 10 { // signing in, the floor, the tenants, their months, their rows, two events
			t.Fatalf("only %d messages were cut", cuts)
		}
	}
}

// TestMonthsClose: the year's end, several empty months, and a clock that jumps.
func TestMonthsClose(t *testing.T) {
	h := newHarbour(t)
	at := func(year int, month time.Month, day int) time.Time {
		return time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
	}
	months := func(parts []archive.Manifest) (list []string) {
		for _, p := range parts {
			s := p.Month
			if p.Empty {
				s += " empty"
			}
			list = append(list, s)
		}
		return list
	}
	want := func(what string, parts []archive.Manifest, list ...string) {
		t.Helper()
		if got := months(parts); len(got) != len(list) {
			t.Fatalf("%s: %q, want %q", what, got, list)
		} else {
			for i := range got {
				if got[i] != list[i] {
					t.Fatalf("%s: %q, want %q", what, got, list)
				}
			}
		}
		h.arrived(h.store)
		h.valid(h.verify(h.store))
	}
	h.now = at(2026, 12, 31).Add(24*time.Hour - time.Microsecond)
	h.insert(h.cedar, 1)
	h.sealAt(h.now)
	want("the last moment of a year", h.ship(), "2026-12")
	h.now = at(2027, 1, 1)
	want("the first of the next", h.ship())
	h.now = at(2027, 4, 1)
	want("several empty months", h.ship(), "2027-01 empty", "2027-02 empty", "2027-03 empty")
	// the sealer's clock is behind the shipper's: what it seals is of the month that is open
	h.insert(h.cedar, 2)
	if n := h.sealAt(at(2027, 3, 31)); n == 0 {
		t.Fatal("nothing was sealed")
	}
	want("a sealer whose clock is behind", h.ship(), "2027-04")
	// and one that jumps ahead over two months, then falls back
	h.insert(h.harbor, 2)
	h.sealAt(at(2027, 7, 9))
	h.insert(h.cedar, 2)
	h.sealAt(at(2027, 4, 2))
	want("a clock that jumps", h.ship(), "2027-05 empty", "2027-06 empty", "2027-07")
	h.insert(h.cedar, 2)
	h.sealAt(at(2027, 4, 3))
	want("afterwards", h.ship(), "2027-07")
}

// TestMonthClosesWhileSealing: a batch that is being sealed as the month closes is in the month that is open, also of a
// tenant without rows so far.
func TestMonthClosesWhileSealing(t *testing.T) {
	h := newHarbour(t)
	h.insert(h.cedar, 1)
	h.sealAt(time.Date(2026, 4, 30, 0, 0, 0, 0, time.UTC))
	h.ship()
	h.now = time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	young := wardtest.One[uuid.UUID](h.e, "insert into tenancy.tenant (slug, name, region) "+
		"values ('young', 'Young Clinic', $1) returning id", wardtest.Region)
	h.insert(young, 3)
	h.sealer.Now = func() time.Time { // its snapshot is taken and its state locked: only now does the shipper come
		return time.Date(2026, 5, 31, 23, 59, 59, 0, time.UTC)
	}
	shipped := make(chan error, 1)
	var once sync.Once
	inner := h.sealer.Now
	h.sealer.Now = func() time.Time {
		once.Do(func() {
			go func() { _, err := h.shipper(h.store).Ship(t.Context()); shipped <- err }()
			h.waits("the shipper waits for the batch", "update audit.seal_state set floor")
		})
		return inner()
	}
	h.seal(h.sealer)
	if err := <-shipped; err != nil {
		t.Fatal(err)
	}
	h.arrived(h.store)
	h.valid(h.verify(h.store))
	if n := wardtest.One[int](h.e,
		"select count(*) from audit.chain where tenant_id = $1 and sealed_at < '2026-06-01Z'", young); n != 3 {
		t.Fatalf("%d rows were sealed in the month that closed: the test shows nothing", n)
	}
}

// waits waits until a statement waits for a lock.
func (l *ledger) waits(what, statement string) {
	l.t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); <-tick.C {
		if wardtest.One[bool](l.e, "select exists (select from pg_stat_activity where datname = current_database() "+
			"and wait_event_type = 'Lock' and strpos(query, $1) > 0)", statement) {
			return
		}
	}
	l.t.Fatalf("never: %s", what)
}

// TestSealSurvivesEveryStep: a sealer whose connection breaks at each message, before and after it was done, leaves
// whole batches only, and whoever follows seals the rest.
func TestSealSurvivesEveryStep(t *testing.T) {
	h := newHarbour(t)
	rows := h.seal(h.sealer).Rows
	h.sealer.Close(t.Context())
	for _, reads := range []bool{false, true} {
		cuts := 0
		for n := 1; ; n++ {
			h.insert(h.cedar, 2)
			h.insert(h.harbor, 2)
			rows += 4
			pool := h.cutPool(&fuse{left: n}, reads)
			err := sealOnce(t.Context(), pool)
			pool.Close()
			if err == nil {
				break
			}
			cuts++
			next := h.follow()
			h.seal(next)
			next.Close(t.Context())
			h.holds(rows)
		}
		// signing in, the lock, the epoch, the server, begin, the state, the events, two heads, two chains, the state,
		// commit
		if cuts < 12 {
			t.Fatalf("only %d messages were cut", cuts)
		}
	}
}

func sealOnce(ctx context.Context, pool *pgxpool.Pool) error {
	s, err := audit.Lead(ctx, pool)
	if err != nil {
		return err
	}
	defer s.Close(ctx)
	_, err = s.Seal(ctx)
	return err
}
