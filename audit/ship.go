package audit

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ward-health/ward/archive"
	"github.com/ward-health/ward/queries"
)

// Shipper takes sealed rows to the archive as parts.
type Shipper struct {
	Pool   *pgxpool.Pool // ward_worker's
	Store  archive.Store
	Signer *archive.Signer
	// Previous are signing keys that Signer may take over from: the one that the log had, until it has gone on once.
	Previous []*archive.Signer
	Origin   string // ward/<installation>/<region>
	Now      func() time.Time
	// Retention is how long a part is kept from the end of its month on.
	Retention time.Duration

	mu        sync.Mutex
	published map[uuid.UUID]int64 // the last row that this shipper published of each tenant
}

// Ship ships every sealed row that the log does not have yet, oldest month first, and returns the parts' manifests. A
// closed month in which nothing was sealed is recorded as empty, so that a hole cannot pass for one. Where the archive
// or its published heads name rows that the database lacks, the error is a *LostError. What was interrupted is resumed:
// the log, not the database, says how far shipping came.
func (s *Shipper) Ship(ctx context.Context) ([]archive.Manifest, error) {
	log, err := s.open(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.check(ctx, log); err != nil {
		return nil, err
	}
	now := monthStart(s.Now())
	if err := s.closeMonths(ctx, now); err != nil {
		return nil, err
	}
	// Decided once: what is sealed from now on, the events of this shipping among it, is the next call's.
	pending, err := s.pending(ctx, log)
	if err != nil {
		return nil, err
	}
	var shipped []archive.Manifest
	for _, month := range slices.Sorted(maps.Keys(pending)) {
		done, err := s.shipMonth(ctx, log, month, pending[month])
		shipped = append(shipped, done...)
		if err != nil {
			return shipped, errors.Join(err, s.hold(ctx, shipped))
		}
	}
	empty, err := s.fillEmpty(ctx, log, archive.MonthOf(now.UnixMicro()))
	shipped = append(shipped, empty...)
	return shipped, errors.Join(err, s.hold(ctx, shipped))
}

// hold carries the legal holds in force to parts that were just shipped.
func (s *Shipper) hold(ctx context.Context, shipped []archive.Manifest) error {
	locker, ok := s.Store.(archive.Locker)
	if !ok || len(shipped) == 0 {
		return nil
	}
	k, err := s.keepRules(ctx)
	if err != nil {
		return err
	}
	for i := range shipped {
		m := &shipped[i]
		if m.Path == "" || !k.held(m) {
			continue
		}
		for _, path := range []string{m.Path, m.ManifestPath()} {
			if err := locker.Hold(ctx, path, true); err != nil {
				return fmt.Errorf("place legal hold on %s: %w", path, err)
			}
		}
	}
	return nil
}

func (s *Shipper) open(ctx context.Context) (*archive.Log, error) {
	region, err := archive.OriginRegion(s.Origin)
	if err != nil {
		return nil, err
	}
	return archive.OpenLog(ctx, s.Store, region, s.Origin, s.Signer, s.Previous...)
}

// shipMonth appends a month's rows. An append that finds what an interrupted run left behind finishes that first, so it
// is repeated until the log has every row.
func (s *Shipper) shipMonth(ctx context.Context, log *archive.Log, month string,
	spans []span) ([]archive.Manifest, error) {
	shipped, err := s.fillEmpty(ctx, log, month)
	for err == nil {
		tail := log.Tail()
		left := spans[:0:0]
		for _, sp := range spans {
			sp.from = max(sp.from, tail[sp.tenant.ID.String()].LastSeq+1)
			if sp.from <= sp.to {
				left = append(left, sp)
			}
		}
		if len(left) == 0 {
			return shipped, nil
		}
		var m archive.Manifest
		if m, err = log.Append(ctx, month, s.rows(ctx, left), s.retain(month, longest(left))); err == nil {
			shipped = append(shipped, m)
			err = s.record(ctx, &m)
		}
	}
	return shipped, err
}

// span is a tenant's run of sealed rows of one month.
type span struct {
	tenant   queries.TenantsRow
	from, to int64
	// the least and greatest recorded_at
	recordedFrom, recordedTo time.Time
}

func (s *span) rows() int64 { return s.to - s.from + 1 }

// pending lists what is sealed and not shipped, by month.
func (s *Shipper) pending(ctx context.Context, log *archive.Log) (map[string][]span, error) {
	q := queries.New(s.Pool)
	tenants, err := q.Tenants(ctx)
	if err != nil {
		return nil, fmt.Errorf("list tenants to ship: %w", err)
	}
	tail := log.Tail()
	months := map[string][]span{}
	for _, t := range tenants {
		rows, err := q.MonthsToShip(ctx, queries.MonthsToShipParams{TenantID: t.ID, After: tail[t.ID.String()].LastSeq})
		if err != nil {
			return nil, fmt.Errorf("find rows of tenant %s to ship: %w", t.Slug, err)
		}
		for _, r := range rows {
			months[r.Month] = append(months[r.Month], span{tenant: t, from: r.FirstSeq, to: r.LastSeq,
				recordedFrom: r.RecordedFrom, recordedTo: r.RecordedTo})
		}
	}
	return months, nil
}

// closeMonths sees to it that nothing more is sealed in the months before now, before the rows to ship are looked for:
// otherwise a batch that was sealed in the last moment of a month, or by a clock that is behind this one, could never
// follow into a month that is on record as empty.
func (s *Shipper) closeMonths(ctx context.Context, now time.Time) error {
	if err := queries.New(s.Pool).RaiseFloor(ctx, now); err != nil {
		return fmt.Errorf("close the months before %s: %w", now.Format("2006-01"), err)
	}
	return nil
}

// monthStart is the first moment of t's month.
func monthStart(t time.Time) time.Time {
	t = t.UTC()
	return time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC)
}

// fillEmpty records the months between the last one shipped and next in which nothing was sealed.
func (s *Shipper) fillEmpty(ctx context.Context, log *archive.Log, next string) ([]archive.Manifest, error) {
	if log.Month() == "" {
		return nil, nil
	}
	var done []archive.Manifest
	for {
		t, err := time.Parse("2006-01", log.Month())
		if err != nil {
			return done, fmt.Errorf("read month of log: %w", err)
		}
		after := t.AddDate(0, 1, 0).Format("2006-01")
		if after >= next {
			return done, nil
		}
		m, err := log.AppendEmpty(ctx, after, s.retain(after, 0))
		if err != nil {
			return done, err
		}
		done = append(done, m)
	}
}

// longest is the most years that one of the spans' tenants wants its history kept.
func longest(spans []span) int {
	years := 0
	for _, sp := range spans {
		years = max(years, int(sp.tenant.RetainYears))
	}
	return years
}

// retain is when a month's parts may go: years after its end and ninety days, but not before what this shipper keeps
// everything for.
func (s *Shipper) retain(month string, years int) time.Time {
	t, err := time.Parse("2006-01", month)
	if err != nil {
		t = s.Now()
	}
	keep := s.Retention
	if keep == 0 {
		keep = archive.DefaultRetention
	}
	end := t.AddDate(0, 1, 0)
	least, wanted := end.Add(keep), end.AddDate(years, 0, 90)
	if wanted.After(least) {
		return wanted
	}
	return least
}

// record writes the worker's ship event. It comes after the part is safe: an event about something that did not happen
// would be worse than a part whose event is missing, which the log itself lists.
func (s *Shipper) record(ctx context.Context, m *archive.Manifest) error {
	detail := fmt.Sprintf(`{"part":%q,"rows":%d,"sha256":%q}`, m.Name(), m.Rows, m.SHA256.String())
	if _, err := queries.New(s.Pool).WriteWorker(ctx,
		queries.WriteWorkerParams{Action: "ship", Detail: detail}); err != nil {
		return fmt.Errorf("record shipping of %s: %w", m.Name(), err)
	}
	return nil
}

// ErrNoHeads says that nothing is sealed yet.
var ErrNoHeads = errors.New("nothing is sealed yet")

// PublishHeads signs every tenant's chain head into the store, so that a history rewritten in the database afterwards
// contradicts a note beyond its reach.
func (s *Shipper) PublishHeads(ctx context.Context) error {
	rows, err := queries.New(s.Pool).ChainHeads(ctx)
	if err != nil {
		return fmt.Errorf("read chain heads: %w", err)
	}
	if len(rows) == 0 {
		return ErrNoHeads
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.published == nil {
		s.published = map[uuid.UUID]int64{}
	}
	heads := make([]archive.ChainHead, len(rows))
	for i, r := range rows {
		if last := s.published[r.TenantID]; r.Seq < last { // another server answers since
			return fmt.Errorf("publish chain heads: %w",
				&LostError{Losses: []Loss{{TenantID: r.TenantID, Database: r.Seq, Published: last}}})
		}
		heads[i] = archive.ChainHead{TenantID: r.TenantID.String(), Seq: r.Seq, Hash: archive.Hash(r.Hash)}
	}
	k, err := s.keepRules(ctx)
	if err != nil {
		return err
	}
	years := 0
	for _, y := range k.years {
		years = max(years, y)
	}
	now, store := s.Now(), s.Store
	if len(k.holds) > 0 {
		store = archive.Held(store)
	}
	// as long as a part of this month of the clinic that wants its history longest
	if err := archive.PublishHeads(ctx, store, s.Origin, s.Signer, heads, now,
		s.retain(archive.MonthOf(now.UnixMicro()), years)); err != nil {
		return err
	}
	for _, r := range rows {
		s.published[r.TenantID] = r.Seq
	}
	return nil
}
