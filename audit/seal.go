package audit

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ward-health/ward/archive"
	"github.com/ward-health/ward/queries"
)

// sealLock is the session advisory lock of the one sealer of a database ("ward seal" in ASCII, as a number).
const sealLock int64 = 0x77617264_7365616c

// ErrFenced says that another sealer took the lead since: this one must stop.
var ErrFenced = errors.New("another sealer has taken the lead")

// ErrNotLeader says that another process seals.
var ErrNotLeader = errors.New("another process is the sealer")

// Sealer gives committed events their place in their tenant's chain. There is one at a time: it holds a session
// advisory lock, and an epoch fences it off if it lost that lock without noticing.
type Sealer struct {
	// Now is the clock of sealing.
	Now func() time.Time
	// Simulated, where it is set, is the clock for the past of a demo: rows whose source is not ward itself. No
	// installation sets it.
	Simulated func() time.Time

	conn  *pgxpool.Conn
	epoch int64
	moved *queries.StrangeSnapshotRow // the snapshot of the last batch says nothing here; nil: it does
}

// Sealed is what one batch did.
type Sealed struct {
	Batch int64 // 0: there was nothing to seal
	Rows  int
}

// Lead takes the lead, or fails with ErrNotLeader. pool is ward_worker's; the sealer keeps one connection of it until
// Close.
func Lead(ctx context.Context, pool *pgxpool.Pool) (*Sealer, error) {
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return nil, fmt.Errorf("connect sealer: %w", err)
	}
	s := &Sealer{Now: time.Now, conn: conn}
	var got bool
	if err = conn.QueryRow(ctx, "select pg_try_advisory_lock($1)", sealLock).Scan(&got); err == nil && !got {
		err = ErrNotLeader
	}
	if err == nil {
		s.epoch, err = queries.New(conn).TakeSealLead(ctx)
	}
	if err == nil {
		err = s.recognise(ctx)
	}
	if err != nil {
		if got {
			s.Close(ctx) // or the lock would stay with a connection that goes back to the pool
		} else {
			conn.Release()
		}
		return nil, fmt.Errorf("lead sealing: %w", err)
	}
	return s, nil
}

// Close gives up the lead, also when ctx has ended. A second call does nothing.
func (s *Sealer) Close(ctx context.Context) {
	if s.conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	// a connection that cannot unlock is closed, which unlocks too
	if _, err := s.conn.Exec(ctx, "select pg_advisory_unlock($1)", sealLock); err != nil {
		_ = s.conn.Conn().Close(ctx)
	}
	s.conn.Release()
	s.conn = nil
}

// Seal seals everything that is committed and not sealed, as one batch in one transaction. Membership of a batch is
// decided by a bracket of two snapshots, so a transaction that stays open for long delays nobody and loses nothing: its
// rows come in the batch after its commit. The first batch on a server that the last one was not sealed on, after a
// dump was restored, takes every event that has no place instead, and leaves a seal_recover event.
func (s *Sealer) Seal(ctx context.Context) (Sealed, error) {
	for again := 0; ; again++ {
		done, err := s.sealOnce(ctx)
		var pg *pgconn.PgError
		// the shipper has closed a month just then
		if again < 3 && errors.As(err, &pg) && pg.Code == serializationFailure {
			continue
		}
		return done, err
	}
}

// serializationFailure is PostgreSQL's code for a row that changed since the snapshot was taken.
const serializationFailure = "40001"

func (s *Sealer) sealOnce(ctx context.Context) (Sealed, error) {
	var done Sealed
	err := pgx.BeginTxFunc(ctx, s.conn, pgx.TxOptions{IsoLevel: pgx.RepeatableRead}, func(tx pgx.Tx) error {
		q := queries.New(tx)
		state, err := q.SealState(ctx)
		if err != nil {
			return err
		}
		if state.Epoch != s.epoch {
			return ErrFenced
		}
		if done, err = s.sealBatch(ctx, tx, state); err != nil {
			return err
		}
		n, err := q.SaveSealState(ctx, queries.SaveSealStateParams{Batch: max(state.Batch, done.Batch), Epoch: s.epoch})
		if err == nil && n != 1 {
			err = ErrFenced
		}
		if err != nil {
			return err
		}
		return s.settle(ctx, q, done.Rows)
	})
	if err != nil {
		return Sealed{}, fmt.Errorf("seal: %w", err)
	}
	s.moved = nil
	return done, nil
}

// sealBatch seals the batch after state's, a piece after the other: memory does not grow with it.
func (s *Sealer) sealBatch(ctx context.Context, tx pgx.Tx, state queries.SealStateRow) (Sealed, error) {
	unsealed, err := s.unsealed(ctx, tx, state)
	if err != nil {
		return Sealed{}, err
	}
	var done Sealed
	c := chainer{s: s, tx: tx, batch: state.Batch + 1}
	for {
		events, err := unsealed.Fetch(ctx)
		if err != nil || len(events) == 0 {
			return done, err
		}
		if done.Batch == 0 {
			if c.now, err = s.clock(ctx, queries.New(tx), state); err != nil {
				return done, err
			}
			done.Batch = c.batch
		}
		if err := c.chain(ctx, events); err != nil {
			return done, err
		}
		done.Rows += len(events)
	}
}

// clock is the time of the next batch. It never goes back, whatever the machine's clock does, and not for any tenant:
// the archive ships month by month, and a row sealed into a month that is shipped already could not follow.
func (s *Sealer) clock(ctx context.Context, q *queries.Queries, state queries.SealStateRow) (time.Time, error) {
	now := s.Now()
	if s.Simulated != nil {
		return now, nil // a demo's past is sealed before anything else
	}
	newest, err := q.NewestSealing(ctx, state.Batch)
	if err != nil {
		return now, fmt.Errorf("read time of batch %d: %w", state.Batch, err)
	}
	if newest.Before(state.Floor) {
		newest = state.Floor
	}
	if newest.After(now) {
		return newest, nil
	}
	return now, nil
}

// chainer puts the events of one batch onto their tenants' chains.
type chainer struct {
	s     *Sealer
	tx    pgx.Tx
	batch int64
	now   time.Time

	tenant uuid.UUID // whose chain is being written; head is its end
	head   chainHead
}

// chain hashes events, which come sorted by tenant, onto their tenants' chains and stores the links.
func (c *chainer) chain(ctx context.Context, events []queries.UnsealedEventsRow) error {
	columns := []string{"tenant_id", "seq", "event_id", "recorded_at", "batch", "sealed_at", "nonce", "hash"}
	for i := 0; i < len(events); {
		if tenant := events[i].TenantID; c.head.hash == (archive.Hash{}) || tenant != c.tenant {
			head, err := headOf(ctx, queries.New(c.tx), tenant)
			if err != nil {
				return err
			}
			c.tenant, c.head = tenant, head
		}
		ofTenant := pgx.CopyFromFunc(func() ([]any, error) {
			if i == len(events) || events[i].TenantID != c.tenant {
				return nil, nil
			}
			i++
			return c.link(&events[i-1]), nil
		})
		if _, err := c.tx.CopyFrom(ctx, pgx.Identifier{"audit", "chain"}, columns, ofTenant); err != nil {
			return fmt.Errorf("store chain of tenant %s: %w", c.tenant, err)
		}
	}
	return nil
}

// link makes the event the next row of its tenant's chain.
func (c *chainer) link(e *queries.UnsealedEventsRow) []any {
	row := rowOf(e)
	rand.Read(row.Nonce[:])
	at := c.now
	if e.Source != "ward" && c.s.Simulated != nil {
		at = c.s.Simulated()
	}
	// nor do simulated times go back within a chain
	c.head.sealedAt = max(c.head.sealedAt, at.UnixMicro())
	c.head.seq++
	row.Seq, row.SealedAt = c.head.seq, c.head.sealedAt
	c.head.hash = archive.RowHash(c.head.hash, &row)
	return []any{e.TenantID, row.Seq, e.EventID, e.RecordedAt, c.batch, time.UnixMicro(row.SealedAt), row.Nonce[:],
		c.head.hash[:]}
}

// chainHead is where a tenant's chain ends.
type chainHead struct {
	seq      int64
	hash     archive.Hash
	sealedAt int64
}

func headOf(ctx context.Context, q *queries.Queries, tenant uuid.UUID) (chainHead, error) {
	row, err := q.ChainHead(ctx, tenant)
	if errors.Is(err, pgx.ErrNoRows) {
		return chainHead{hash: archive.Genesis(tenant.String())}, nil
	}
	if err != nil {
		return chainHead{}, fmt.Errorf("read head of tenant %s: %w", tenant, err)
	}
	return chainHead{seq: row.Seq, hash: archive.Hash(row.Hash), sealedAt: row.SealedAt.UnixMicro()}, nil
}

// rowOf is an event as the archive's row, still without its place.
func rowOf(e *queries.UnsealedEventsRow) archive.Row {
	return archive.Row{
		TenantID: e.TenantID.String(), EventID: e.EventID, RecordedAt: e.RecordedAt.UnixMicro(),
		OccurredAt: micros(e.OccurredAt),
		UserID:     text(e.UserID), ActorKind: e.ActorKind, SessionID: text(e.SessionID),
		MembershipID: text(e.MembershipID), DisclosureID: text(e.DisclosureID),
		Action: e.Action, Outcome: e.Outcome, RecordTable: e.RecordTable, RecordID: text(e.RecordID),
		SubjectID: text(e.SubjectID),
		Purpose:   e.Purpose, Detail: e.Detail, Source: e.Source,
	}
}

func micros(t *time.Time) *int64 {
	if t == nil {
		return nil
	}
	m := t.UnixMicro()
	return &m
}

func text(id *uuid.UUID) *string {
	if id == nil {
		return nil
	}
	s := id.String()
	return &s
}
