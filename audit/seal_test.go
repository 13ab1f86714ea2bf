package audit_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ward-health/ward/archive"
	"github.com/ward-health/ward/audit"
	"github.com/ward-health/ward/internal/wardtest"
	"github.com/ward-health/ward/queries"
)

// ledger is a database and the worker's pool on it.
type ledger struct {
	t      *testing.T
	e      *wardtest.Env
	pool   *pgxpool.Pool
	cedar  uuid.UUID
	harbor uuid.UUID
}

func newLedger(t *testing.T) *ledger {
	t.Helper()
	t.Parallel()
	e := wardtest.New(t)
	return &ledger{t: t, e: e, pool: e.Open("ward_worker").Pool(), cedar: e.TenantID("cedar"),
		harbor: e.TenantID("harbor")}
}

func (l *ledger) lead() *audit.Sealer {
	l.t.Helper()
	s, err := audit.Lead(l.t.Context(), l.pool)
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { s.Close(context.WithoutCancel(l.t.Context())) })
	return s
}

func (l *ledger) seal(s *audit.Sealer) audit.Sealed {
	l.t.Helper()
	done, err := s.Seal(l.t.Context())
	if err != nil {
		l.t.Fatal(err)
	}
	return done
}

// insert writes n events, as a function of ward's would.
func insert(ctx context.Context, db queries.DBTX, tenant uuid.UUID, n int) error {
	_, err := db.Exec(ctx, `insert into audit.event (tenant_id, user_id, actor_kind, action, record_table, record_id,
		subject_id, purpose, occurred_at, detail)
		select $1, gen_random_uuid(), 'human', 'view', 'public.patients', gen_random_uuid(), gen_random_uuid(),
			'treatment', now() - interval '1 day', '{"a": "b"}' from generate_series(1, $2)`, tenant, n)
	return err
}

func (l *ledger) insert(tenant uuid.UUID, n int) {
	l.t.Helper()
	if err := insert(l.t.Context(), l.e.Super, tenant, n); err != nil {
		l.t.Fatal(err)
	}
}

// unsealed is how many committed events have no place yet.
func (l *ledger) unsealed() int {
	l.t.Helper()
	return wardtest.One[int](l.e,
		"select count(*) from audit.event e where not exists (select from audit.chain c where c.event_id = e.event_id)")
}

// audit recomputes every tenant's chain from the events and returns how many rows it has, and the first place that does
// not hold.
func (l *ledger) audit() (rows int, wrong string) {
	l.t.Helper()
	tenants, err := queries.New(l.pool).Tenants(l.t.Context())
	if err != nil {
		l.t.Fatal(err)
	}
	for _, tenant := range tenants {
		prev, seq, sealed := archive.Genesis(tenant.ID.String()), int64(0), time.Time{}
		list, err := queries.New(l.pool).SealedRows(l.t.Context(),
			queries.SealedRowsParams{TenantID: tenant.ID, FirstSeq: 1, LastSeq: 1 << 60})
		if err != nil {
			l.t.Fatal(err)
		}
		for _, r := range list {
			row := rowOf(&r)
			seq++
			hash := archive.RowHash(prev, &row)
			if r.Seq != seq || archive.Hash(r.Hash) != hash || r.SealedAt.Before(sealed) {
				return rows, fmt.Sprintf("%s row %d, expected %d", tenant.Slug, r.Seq, seq)
			}
			prev, sealed = hash, r.SealedAt
			rows++
		}
	}
	return rows, ""
}

// rowOf spells the row out once more, so that a field that the sealer forgot shows.
func rowOf(r *queries.SealedRowsRow) archive.Row {
	id := func(u *uuid.UUID) *string {
		if u == nil {
			return nil
		}
		s := u.String()
		return &s
	}
	row := archive.Row{TenantID: r.TenantID.String(), Seq: r.Seq, SealedAt: r.SealedAt.UnixMicro(), EventID: r.EventID,
		RecordedAt: r.RecordedAt.UnixMicro(), UserID: id(r.UserID),
		ActorKind: r.ActorKind, SessionID: id(r.SessionID), MembershipID: id(r.MembershipID),
		DisclosureID: id(r.DisclosureID), Action: r.Action, Outcome: r.Outcome, RecordTable: r.RecordTable,
		RecordID: id(r.RecordID), SubjectID: id(r.SubjectID), Purpose: r.Purpose, Detail: r.Detail, Source: r.Source,
		Nonce: archive.Nonce(r.Nonce)}
	if r.OccurredAt != nil {
		at := r.OccurredAt.UnixMicro()
		row.OccurredAt = &at
	}
	return row
}

func (l *ledger) holds(rows int) {
	l.t.Helper()
	if got, wrong := l.audit(); wrong != "" || got != rows || rows == 0 {
		l.t.Fatalf("%d rows are sealed, want %d; the chain breaks at %q", got, rows, wrong)
	}
	if n := wardtest.One[int](l.e, "select count(*) - count(distinct event_id) from audit.chain"); n != 0 {
		l.t.Fatalf("%d events are sealed twice", n)
	}
}

// TestSealGapless: whatever writers do at once, roll back, or take back with savepoints, every committed event has one
// place and no place is empty.
func TestSealGapless(t *testing.T) {
	l := newLedger(t)
	s := l.lead()
	ctx, cancel := context.WithCancel(t.Context())
	var writers sync.WaitGroup
	errs := make(chan error, 8)
	for i := range 4 {
		writers.Go(func() {
			conn, err := pgx.Connect(t.Context(), l.e.DB.Superuser())
			for n := 0; err == nil && n < 60; n++ {
				tenant := []uuid.UUID{l.cedar, l.harbor}[(i+n)%2]
				err = writeOddly(t.Context(), conn, tenant, n%4)
			}
			if conn != nil {
				_ = conn.Close(t.Context())
			}
			errs <- err
		})
	}
	sealed := make(chan error, 1)
	go func() {
		for ctx.Err() == nil {
			if _, err := s.Seal(t.Context()); err != nil {
				sealed <- err
				return
			}
		}
		sealed <- nil
	}()
	writers.Wait()
	cancel()
	if err := <-sealed; err != nil {
		t.Fatal(err)
	}
	for range 4 {
		if err := <-errs; err != nil {
			t.Fatal(err)
		}
	}
	l.seal(s)
	if l.unsealed() != 0 {
		t.Errorf("%d events have no place", l.unsealed())
	}
	l.holds(wardtest.One[int](l.e, "select count(*) from audit.event"))
	if n := wardtest.One[int](l.e, "select count(distinct batch) from audit.chain"); n < 3 {
		t.Fatalf("only %d batches: the writers and the sealer did not meet", n)
	}
}

// writeOddly commits, rolls back, or does both within one transaction.
func writeOddly(ctx context.Context, conn *pgx.Conn, tenant uuid.UUID, how int) error {
	taken := errors.New("taken back")
	err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if err := insert(ctx, tx, tenant, 2); err != nil {
			return err
		}
		switch how {
		case 1:
			return taken
		case 2, 3:
			err := pgx.BeginFunc(ctx, tx, func(inner pgx.Tx) error {
				if err := insert(ctx, inner, tenant, 1); err != nil || how == 3 {
					return err
				}
				return taken
			})
			if err != nil && !errors.Is(err, taken) {
				return err
			}
			return insert(ctx, tx, tenant, 1)
		}
		return nil
	})
	if errors.Is(err, taken) {
		return nil
	}
	return err
}

// TestLongTransaction: one that is held open over a thousand batches delays nobody, and its rows have their place in
// the batch after its commit, though their ids are lower and their times earlier.
func TestLongTransaction(t *testing.T) {
	l := newLedger(t)
	s := l.lead()
	ctx := t.Context()
	base := l.seal(s).Rows
	long, err := l.e.Super.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = long.Rollback(context.WithoutCancel(ctx)) }()
	if err := insert(ctx, long, l.cedar, 2); err != nil {
		t.Fatal(err)
	}
	const batches = 1000
	for batch := range batches {
		l.insert(l.cedar, 2)
		if done := l.seal(s); done.Rows != 2 || done.Batch != int64(batch+2) {
			t.Fatalf("beside the long transaction: %+v", done)
		}
	}
	if err := insert(ctx, long, l.cedar, 1); err != nil {
		t.Fatal(err)
	}
	if err := long.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	if done := l.seal(s); done.Rows != 3 || done.Batch != batches+2 {
		t.Fatalf("after its commit: %+v", done)
	}
	if done := l.seal(s); done.Rows != 0 || done.Batch != 0 {
		t.Fatalf("with nothing new: %+v", done)
	}
	l.holds(base + 2*batches + 3)
	if wardtest.One[bool](l.e, "select min(event_id) > (select min(event_id) from audit.chain where batch = 2) "+
		"from audit.chain where batch = $1", batches+2) {
		t.Error("the long transaction's ids are not the lower ones: the test shows nothing")
	}
}

// TestOneSealer: a second leader is refused, one that lost its lead without noticing is fenced off, and whoever comes
// next continues the chain.
func TestOneSealer(t *testing.T) {
	l := newLedger(t)
	ctx := t.Context()
	s := l.lead()
	rows := l.seal(s).Rows
	if other, err := audit.Lead(ctx, l.pool); !errors.Is(err, audit.ErrNotLeader) || other != nil {
		t.Fatalf("a second leader: %v", err)
	}
	super(t, l.e, "update audit.seal_state set epoch = epoch + 1")
	l.insert(l.cedar, 3)
	if done, err := s.Seal(ctx); !errors.Is(err, audit.ErrFenced) || done.Rows != 0 || l.unsealed() != 3 {
		t.Fatalf("a fenced leader: %+v, %v", done, err)
	}
	s.Close(ctx)
	next := l.lead()
	if done := l.seal(next); done.Rows != 3 || done.Batch != 2 {
		t.Fatalf("the next leader: %+v", done)
	}
	l.holds(rows + 3)
}

// TestLeadThatFails gives the lock back: the pool's connection would hold it for good.
func TestLeadThatFails(t *testing.T) {
	l := newLedger(t)
	plain, err := pgxpool.New(t.Context(), l.e.DB.DSN("ward_worker")) // does not wipe what is given back
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	super(t, l.e, "alter table audit.seal_state add constraint stuck check (epoch < 1)")
	if _, err := audit.Lead(t.Context(), plain); err == nil {
		t.Fatal("leads without an epoch")
	}
	super(t, l.e, "alter table audit.seal_state drop constraint stuck")
	l.seal(l.lead())
}

// TestSealIsOneTransaction: a batch that fails half-way leaves nothing, and is sealed when it can be.
func TestSealIsOneTransaction(t *testing.T) {
	l := newLedger(t)
	s := l.lead()
	base := l.seal(s).Rows
	l.insert(l.cedar, 3)
	l.insert(l.harbor, 3)
	super(t, l.e, fmt.Sprintf("alter table audit.chain add constraint stuck check (tenant_id <> '%s' or batch < 2)",
		max(l.cedar.String(), l.harbor.String())))
	if done, err := s.Seal(t.Context()); err == nil || done.Rows != 0 || l.unsealed() != 6 {
		t.Fatalf("%+v, %v, %d unsealed", done, err, l.unsealed())
	}
	super(t, l.e, "alter table audit.chain drop constraint stuck")
	if done := l.seal(s); done.Rows != 6 {
		t.Fatalf("%+v", done)
	}
	l.holds(base + 6)
}

// TestSealingTimeNeverGoesBack, whatever the machine's clock does.
func TestSealingTimeNeverGoesBack(t *testing.T) {
	l := newLedger(t)
	s := l.lead()
	now := time.Now()
	rows := 0
	for i, at := range []time.Time{now, now.Add(-time.Hour), now.Add(time.Hour), now.Add(-24 * time.Hour)} {
		s.Now = func() time.Time { return at }
		l.insert(l.cedar, i+1)
		rows += l.seal(s).Rows
	}
	l.holds(rows)
}

// TestRewrittenEventIsFound: what an owner can do by DDL cannot be prevented (K1); the chain shows it.
func TestRewrittenEventIsFound(t *testing.T) {
	l := newLedger(t)
	s := l.lead()
	l.insert(l.cedar, 5)
	l.holds(l.seal(s).Rows)
	victim := wardtest.One[int64](l.e,
		"select event_id from audit.chain where tenant_id = $1 order by seq desc offset 2 limit 1", l.cedar)
	seq := wardtest.One[int64](l.e, "select seq from audit.chain where event_id = $1", victim)
	for column, value := range map[string]string{
		"user_id": "gen_random_uuid()", "actor_kind": "'service'", "session_id": "gen_random_uuid()",
		"membership_id": "gen_random_uuid()", "disclosure_id": "gen_random_uuid()", "action": "'export'",
		"outcome": "'denied'", "record_table": "null", "record_id": "null", "subject_id": "gen_random_uuid()",
		"purpose": "null", "detail": `'{"a":"b"}'`, "source": "'import'",
		"occurred_at": "occurred_at + interval '1 microsecond'",
	} {
		before := wardtest.One[*string](l.e,
			fmt.Sprintf("select %s::text from audit.event where event_id = $1", column), victim)
		l.rewrite(fmt.Sprintf("update audit.event set %s = %s where event_id = %d", column, value, victim))
		if _, wrong := l.audit(); wrong != fmt.Sprintf("cedar row %d, expected %d", seq, seq) {
			t.Errorf("%s of row %d was changed; found: %q", column, seq, wrong)
		}
		restored := "null"
		if before != nil {
			restored = "'" + *before + "'"
		}
		l.rewrite(fmt.Sprintf("update audit.event set %s = %s where event_id = %d", column, restored, victim))
		if _, wrong := l.audit(); wrong != "" {
			t.Fatalf("%s was put back, yet %q", column, wrong)
		}
	}
	l.rewrite(fmt.Sprintf("delete from audit.event where event_id = %d", victim))
	if _, wrong := l.audit(); wrong != fmt.Sprintf("cedar row %d, expected %d", seq+1, seq) {
		t.Errorf("row %d was removed; found: %q", seq, wrong)
	}
}

// rewrite does what no role may: it takes the triggers off first.
func (l *ledger) rewrite(sql string) {
	l.t.Helper()
	for _, s := range []string{"alter table audit.event disable trigger all", sql,
		"alter table audit.event enable trigger all", "alter table audit.event enable always trigger append_only",
		"alter table audit.event enable always trigger append_only_truncate"} {
		super(l.t, l.e, s)
	}
}
