package audit

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ward-health/ward/archive"
	"github.com/ward-health/ward/queries"
)

// Loss is what the database lacks of a tenant's chain.
type Loss struct {
	TenantID  uuid.UUID
	Database  int64 // the last row that the database has
	Archived  int64 // the last row that the archive has
	Published int64 // the last row that a published chain head names; 0: none beyond Archived
	Other     bool  // the database has another row where the archive has one
}

// LostError says that the archive's log or its published chain heads name sealed rows that the database does not have:
// it was restored to an earlier time, or a standby that was behind took over. Nothing may be sealed or shipped on top
// before an administrator has looked.
type LostError struct{ Losses []Loss }

// Error names the tenants and rows.
func (e *LostError) Error() string {
	var b strings.Builder
	b.WriteString("the database has lost sealed rows, or has others than the archive")
	for _, l := range e.Losses {
		fmt.Fprintf(&b, "; tenant %s: the database ends at row %d", l.TenantID, l.Database)
		if l.Archived > 0 {
			fmt.Fprintf(&b, ", the archive at row %d", l.Archived)
		}
		if l.Published > 0 {
			fmt.Fprintf(&b, ", row %d was published", l.Published)
		}
		if l.Other {
			b.WriteString(", and the database has another row there")
		}
	}
	b.WriteString("; nothing is sealed or shipped until ward archive recover --reason TEXT says why")
	return b.String()
}

// ErrNothingLost says that there is nothing to recover from.
var ErrNothingLost = errors.New("the database has every row that the archive and its published heads name")

// Check compares the ends of all chains in the archive, and the newest published heads, with the database. The error is
// a *LostError where they contradict.
func (s *Shipper) Check(ctx context.Context) error {
	log, err := s.open(ctx)
	if err != nil {
		return err
	}
	return s.check(ctx, log)
}

func (s *Shipper) check(ctx context.Context, log *archive.Log) error {
	lost, _, err := s.compare(ctx, log)
	if err != nil {
		return fmt.Errorf("compare database and archive: %w", err)
	}
	if len(lost) == 0 {
		return nil
	}
	e := &LostError{}
	for _, l := range lost {
		e.Losses = append(e.Losses, l.Loss)
	}
	return e
}

// lost is a loss with what is needed to recover from it.
type lost struct {
	Loss
	head    archive.Position // the end of the database's chain
	archive archive.Position
	claim   *archive.ChainHead // the published head that the database contradicts
}

// compare lists the tenants whose chain in the database contradicts the archive, by id, and the time of the newest note
// of heads.
func (s *Shipper) compare(ctx context.Context, log *archive.Log) ([]lost, int64, error) {
	claims, until, err := log.Published(ctx)
	if err != nil {
		return nil, 0, err
	}
	all := map[string]*lost{}
	of := func(tenant string) (*lost, error) {
		if l := all[tenant]; l != nil {
			return l, nil
		}
		id, err := uuid.Parse(tenant)
		if err != nil {
			return nil, fmt.Errorf("tenant of the archive: %w", err)
		}
		l := &lost{Loss: Loss{TenantID: id}, archive: archive.Position{Hash: archive.Genesis(tenant)}}
		all[tenant] = l
		return l, nil
	}
	for tenant, span := range log.Tail() {
		l, err := of(tenant)
		if err != nil {
			return nil, 0, err
		}
		l.Archived, l.archive = span.LastSeq, archive.Position{Seq: span.LastSeq, Hash: archive.Hash(span.LastHash)}
	}
	for i := range claims {
		l, err := of(claims[i].TenantID)
		if err != nil {
			return nil, 0, err
		}
		if claims[i].Seq > l.Archived {
			l.claim = &claims[i]
		}
	}
	contradicted, err := s.contradicted(ctx, all)
	return contradicted, until, err
}

// contradicted keeps those of whose places the database has nothing, or something else.
func (s *Shipper) contradicted(ctx context.Context, all map[string]*lost) ([]lost, error) {
	q := queries.New(s.Pool)
	var arg queries.ChainAtParams
	for _, l := range all {
		for _, seq := range l.places() {
			arg.Tenants, arg.Seqs = append(arg.Tenants, l.TenantID), append(arg.Seqs, seq)
		}
	}
	rows, err := q.ChainAt(ctx, arg)
	if err != nil {
		return nil, fmt.Errorf("read the chains' ends: %w", err)
	}
	have := make(map[string]archive.Hash, len(rows))
	at := func(tenant uuid.UUID, seq int64) string { return fmt.Sprintf("%s %d", tenant, seq) }
	for _, r := range rows {
		have[at(r.TenantID, r.Seq)] = archive.Hash(r.Hash)
	}
	var list []lost
	for _, l := range all {
		archived, ok := have[at(l.TenantID, l.Archived)]
		l.Other = ok && archived != l.archive.Hash
		missing := l.Archived > 0 && !ok
		if l.claim != nil {
			if got, ok := have[at(l.TenantID, l.claim.Seq)]; ok && got == l.claim.Hash {
				l.claim = nil
			} else {
				l.Published = l.claim.Seq
			}
		}
		if !missing && !l.Other && l.claim == nil {
			continue
		}
		head, err := headOf(ctx, q, l.TenantID)
		if err != nil {
			return nil, err
		}
		l.Database, l.head = head.seq, archive.Position{Seq: head.seq, Hash: head.hash}
		l.Other = l.Other || missing && head.seq >= l.Archived
		list = append(list, *l)
	}
	slices.SortFunc(list, func(a, b lost) int { return cmp.Compare(a.TenantID.String(), b.TenantID.String()) })
	return list, nil
}

func (l *lost) places() (seqs []int64) {
	if l.Archived > 0 {
		seqs = append(seqs, l.Archived)
	}
	if l.claim != nil {
		seqs = append(seqs, l.claim.Seq)
	}
	return seqs
}

// recovered is what the archive's log is to say about it. The archive is the truth: a chain goes on after what is
// archived, or after what the database has of the same chain beyond that.
func (l *lost) recovered() archive.RecoveredTenant {
	t := archive.RecoveredTenant{TenantID: l.TenantID.String(), ArchivedSeq: l.Archived,
		ArchivedHash: archive.HexHash(l.archive.Hash), DatabaseSeq: l.Database, ResumedSeq: l.Archived}
	if l.claim != nil && l.Database < l.claim.Seq { // otherwise the database has sealed other rows there
		t.ResumedSeq = max(l.Archived, l.Database)
	}
	if t.LostSeq = t.ResumedSeq; l.claim != nil {
		t.LostSeq, t.LostHash = l.claim.Seq, archive.HexHash(l.claim.Hash)
	}
	return t
}

// Recovery is what a recovery did.
type Recovery struct {
	Manifest archive.Manifest
	Restored int // events that have the place again that the archive says
}

// Recover makes it possible to go on after the database lost sealed rows: it signs a recovery into the archive's log,
// which names what was lost, and lets the chains go on after what the archive has. Events that the database still has
// get back the place that the archive knows them by. sealer leads; order is the administrator's event. It may be
// repeated. The error is ErrNothingLost where nothing is.
func (s *Shipper) Recover(ctx context.Context, sealer *Sealer, order int64, reason string) (Recovery, error) {
	var done Recovery
	log, err := s.open(ctx)
	if err != nil {
		return done, err
	}
	list, until, err := s.compare(ctx, log)
	if err == nil && len(list) == 0 {
		err = ErrNothingLost
	}
	if err != nil {
		return done, fmt.Errorf("recover: %w", err)
	}
	defer s.forget()
	leaf := archive.Recovery{Reason: reason, EventID: order, HeadsUntil: until}
	after := map[string]archive.Position{}
	for _, l := range list {
		if l.Other {
			return done, fmt.Errorf("recover: %w: a person has to find out which of the two is right",
				&LostError{Losses: []Loss{l.Loss}})
		}
		leaf.Tenants = append(leaf.Tenants, l.recovered())
		if l.Database < l.Archived {
			after[l.TenantID.String()] = l.head
		}
	}
	err = pgx.BeginFunc(ctx, sealer.conn, func(tx pgx.Tx) error {
		r := restoring{q: queries.New(tx), at: after, order: order}
		if err := r.run(ctx, log, sealer.epoch); err != nil {
			return err
		}
		done.Restored = r.restored
		month := cmp.Or(log.Month(), archive.MonthOf(s.Now().UnixMicro()))
		if done.Manifest, err = log.AppendRecovery(ctx, month, s.retain(month, 0), leaf); err != nil {
			return err
		}
		detail, err := json.Marshal(map[string]any{"order": order, "part": done.Manifest.Name(),
			"tenants": len(leaf.Tenants), "restored": r.restored})
		if err != nil {
			return fmt.Errorf("encode recovery: %w", err)
		}
		_, err = r.q.WriteWorker(ctx, queries.WriteWorkerParams{Action: "seal_recover", Detail: string(detail)})
		return err
	})
	if err != nil {
		return Recovery{}, fmt.Errorf("recover: %w", err)
	}
	return done, nil
}

// forget lets heads be published that are behind those before the recovery.
func (s *Shipper) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.published = nil
}

// restoring takes the places of archived rows back into the database.
type restoring struct {
	q        *queries.Queries
	at       map[string]archive.Position // by tenant: the row before the next
	order    int64
	batch    int64
	pending  []archive.Row // of one tenant
	last     map[string]archive.Row
	restored int
}

func (r *restoring) run(ctx context.Context, log *archive.Log, epoch int64) error {
	state, err := r.q.SealState(ctx)
	if err != nil {
		return err
	}
	if state.Epoch != epoch {
		return ErrFenced
	}
	r.batch, r.last = state.Batch+1, map[string]archive.Row{}
	if len(r.at) > 0 {
		err = log.RowsAfter(ctx, r.at, func(row *archive.Row) error {
			if len(r.pending) == 1000 || len(r.pending) > 0 && r.pending[0].TenantID != row.TenantID {
				if err := r.flush(ctx); err != nil {
					return err
				}
			}
			r.pending = append(r.pending, row.Clone())
			return nil
		})
		if err == nil {
			err = r.flush(ctx)
		}
	}
	if err != nil {
		return err
	}
	for tenant, row := range r.last {
		id, err := uuid.Parse(tenant)
		if err != nil {
			return fmt.Errorf("tenant of the archive: %w", err)
		}
		at := time.UnixMicro(row.SealedAt)
		err = r.q.Resume(ctx,
			queries.ResumeParams{TenantID: id, Seq: row.Seq, Hash: row.Hash[:], SealedAt: at, EventID: r.order})
		if err == nil {
			err = r.q.RaiseFloor(ctx, at)
		}
		if err != nil {
			return fmt.Errorf("resume chain of tenant %s: %w", tenant, err)
		}
	}
	if r.restored == 0 {
		return nil
	}
	if n, err := r.q.AdvanceBatch(ctx, queries.AdvanceBatchParams{Batch: r.batch, Epoch: epoch}); err != nil || n != 1 {
		return errors.Join(ErrFenced, err)
	}
	return nil
}

// flush gives the pending rows' events their places back, where the database has the very events.
func (r *restoring) flush(ctx context.Context) error {
	if len(r.pending) == 0 {
		return nil
	}
	rows := r.pending
	r.pending = nil
	tenant := rows[0].TenantID
	id, err := uuid.Parse(tenant)
	if err != nil {
		return fmt.Errorf("tenant of the archive: %w", err)
	}
	arg := queries.UnplacedEventsParams{TenantID: id}
	for i := range rows {
		arg.Ids, arg.Times = append(arg.Ids, rows[i].EventID), append(arg.Times, time.UnixMicro(rows[i].RecordedAt))
	}
	events, err := r.q.UnplacedEvents(ctx, arg)
	if err != nil {
		return fmt.Errorf("find archived events of tenant %s: %w", tenant, err)
	}
	have := make(map[int64]archive.Row, len(events))
	for _, e := range events {
		event := queries.UnsealedEventsRow(e)
		have[e.EventID] = rowOf(&event)
	}
	prev := r.at[tenant].Hash
	for i := range rows {
		row := &rows[i]
		if same, ok := have[row.EventID]; ok {
			if same.Seq, same.SealedAt, same.Nonce = row.Seq, row.SealedAt,
				row.Nonce; archive.RowHash(prev, &same) == row.Hash {
				err := r.q.Replace(ctx, queries.ReplaceParams{TenantID: id, Seq: row.Seq, EventID: row.EventID,
					RecordedAt: time.UnixMicro(row.RecordedAt),
					Batch:      r.batch, SealedAt: time.UnixMicro(row.SealedAt), Nonce: row.Nonce[:],
					Hash: row.Hash[:]})
				if err != nil {
					return fmt.Errorf("restore row %d of tenant %s: %w", row.Seq, tenant, err)
				}
				r.restored++
			}
		}
		prev = row.Hash
	}
	last := &rows[len(rows)-1]
	r.at[tenant], r.last[tenant] = archive.Position{Seq: last.Seq, Hash: last.Hash}, *last
	return nil
}
