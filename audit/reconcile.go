package audit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ward-health/ward/archive"
	"github.com/ward-health/ward/queries"
)

// Reconciler holds the events in the database against the archive. It runs as ward_worker: a reviewer may not read
// every clinic's events, and the database cannot compare for one, since the canonical row is made in Go and nowhere
// else.
type Reconciler struct {
	Pool   *pgxpool.Pool // ward_worker's
	Store  archive.Store
	Region string
	Keys   []archive.Key
	Now    func() time.Time
	// Due is how old a sealed event may become before it has to be archived, and an event before it has to be sealed; 0
	// is an hour.
	Due time.Duration
}

// Reconciler compares the database with the archive that the shipper writes.
func (s *Shipper) Reconciler() (*Reconciler, error) {
	region, err := archive.OriginRegion(s.Origin)
	if err != nil {
		return nil, err
	}
	keys := []archive.Key{s.Signer.Key()}
	for _, p := range s.Previous {
		keys = append(keys, p.Key())
	}
	return &Reconciler{Pool: s.Pool, Store: s.Store, Region: region, Keys: keys, Now: s.Now}, nil
}

// compareChunk is how many rows are read from the database at a time.
const compareChunk = 10_000

// The bounds of all time, for queries about no month.
var (
	allTimeFrom = time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC)
	allTimeTo   = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
)

// comparison is one run.
type comparison struct {
	q        *queries.Queries
	reader   *archive.Reader
	report   *archive.LiveReport
	from, to time.Time
	// moved are events that stand elsewhere than the chain says: they are reported once, as what they are.
	moved map[int64]bool
}

func (r *Reconciler) open(ctx context.Context) (*comparison, error) {
	reader, err := archive.OpenReader(ctx, r.Store, r.Region, r.Keys...)
	if err != nil {
		return nil, err
	}
	return &comparison{q: queries.New(r.Pool), reader: reader, report: &archive.LiveReport{Verdict: archive.Valid,
		Findings: []archive.Finding{}, HeadSize: reader.Head().Size},
		from: allTimeFrom, to: allTimeTo, moved: map[int64]bool{}}, nil
}

// Live compares everything, part by part, and goes on after a difference. An error says that there is no report.
func (r *Reconciler) Live(ctx context.Context) (*archive.LiveReport, error) {
	c, err := r.open(ctx)
	if err != nil {
		return nil, fmt.Errorf("compare the database with the archive: %w", err)
	}
	defer c.reader.Close()
	due := r.Now().Add(-cmp.Or(r.Due, time.Hour))
	if err := c.strays(ctx, due); err != nil {
		return nil, err
	}
	last := map[string]archive.Position{}
	for _, m := range c.reader.Parts() {
		if err := c.part(ctx, m); err != nil {
			return nil, err
		}
		for _, s := range m.Tenants {
			last[s.TenantID] = archive.Position{Seq: s.LastSeq, Hash: archive.Hash(s.LastHash)}
		}
	}
	return c.report, c.beyond(ctx, last, due)
}

func (c *comparison) add(status string, m *archive.Manifest, tenant string, seq int64, format string, args ...any) {
	f := archive.Finding{Status: status, Tenant: tenant, Seq: seq, Message: fmt.Sprintf(format, args...)}
	if m != nil {
		f.Region, f.Month, f.Part = m.Region, m.Month, m.Path
	}
	c.report.Add(f)
}

// part compares one part. A part that is not what was signed is reported, and nothing of it compared.
func (c *comparison) part(ctx context.Context, m *archive.Manifest) error {
	p, err := c.reader.Open(ctx, m)
	if errors.Is(err, archive.ErrDamaged) {
		status := archive.FileModified
		if errors.Is(err, fs.ErrNotExist) {
			status = archive.PartMissing
		}
		c.add(status, m, "", 0, "%v", err)
		return nil
	}
	if err != nil {
		return err
	}
	found, err := p.Verify(ctx, runtime.GOMAXPROCS(0))
	if err != nil {
		return err
	}
	for _, f := range found {
		c.report.Add(f)
	}
	if len(found) > 0 {
		return nil
	}
	c.report.Parts++
	live := liveRows{c: c}
	err = p.Rows(ctx, func(prev *archive.Hash, r *archive.Row) error {
		at := time.UnixMicro(r.RecordedAt)
		if at.Before(c.from) || !at.Before(c.to) {
			return nil
		}
		row, err := live.at(ctx, r)
		if err != nil {
			return err
		}
		c.compare(m, prev, r, row)
		return nil
	})
	return err
}

// compare holds one archived row against the database. The hash of the chain is compared first; the content is hashed
// anew whatever it says.
func (c *comparison) compare(m *archive.Manifest, prev *archive.Hash, r *archive.Row, row *queries.LiveRowsRow) {
	switch {
	case row == nil:
		c.add(archive.LiveMissing, m, strings.Clone(r.TenantID), r.Seq,
			"the archived row has no place in the database's chain")
		return
	case archive.Hash(row.Hash) != r.Hash:
		c.add(archive.LiveModified, m, strings.Clone(r.TenantID), r.Seq,
			"event %d: the chain's hash is not the archived one", r.EventID)
		return
	case row.Gone && row.Pruned:
		c.report.Pruned++
		return
	case row.Gone && c.moved[row.ChainEventID]:
		return
	case row.Gone:
		c.add(archive.LiveMissing, m, strings.Clone(r.TenantID), r.Seq,
			"event %d is archived and not in the database, and its month was not pruned", r.EventID)
		return
	}
	live := liveRow(row)
	if archive.RowHash(*prev, &live) == r.Hash {
		c.report.Rows++
		return
	}
	c.add(archive.LiveModified, m, strings.Clone(r.TenantID), r.Seq, "event %d is not as it was archived: %s",
		r.EventID, strings.Join(live.Differs(r), ", "))
}

// liveRow is an event of the database as the archive's row.
func liveRow(r *queries.LiveRowsRow) archive.Row {
	row := rowOf(&queries.UnsealedEventsRow{
		EventID: r.EventID, RecordedAt: r.RecordedAt, OccurredAt: r.OccurredAt, TenantID: r.TenantID, UserID: r.UserID,
		ActorKind: r.ActorKind, SessionID: r.SessionID,
		MembershipID: r.MembershipID, DisclosureID: r.DisclosureID, Action: r.Action, Outcome: r.Outcome,
		RecordTable: r.RecordTable, RecordID: r.RecordID,
		SubjectID: r.SubjectID, Purpose: r.Purpose, Detail: r.Detail, Source: r.Source,
	})
	row.Seq, row.SealedAt, row.Nonce, row.Hash = r.Seq, r.SealedAt.UnixMicro(), archive.Nonce(r.Nonce),
		archive.Hash(r.Hash)
	return row
}

// liveRows reads the database's rows beside those of a part, a chunk in memory at a time.
type liveRows struct {
	c      *comparison
	tenant string
	rows   []queries.LiveRowsRow
	upTo   int64 // what has been read of the tenant
}

// at returns the database's row at an archived row's place, or nil.
func (l *liveRows) at(ctx context.Context, r *archive.Row) (*queries.LiveRowsRow, error) {
	if r.TenantID != l.tenant {
		l.tenant, l.rows, l.upTo = strings.Clone(r.TenantID), nil, 0
	}
	for len(l.rows) > 0 && l.rows[0].Seq < r.Seq {
		l.rows = l.rows[1:]
	}
	if r.Seq > l.upTo {
		id, err := uuid.Parse(l.tenant)
		if err != nil {
			return nil, nil //nolint:nilerr // the database cannot have a row of such a tenant
		}
		if l.rows, err = l.c.read(ctx, id, r.Seq, r.Seq+compareChunk-1); err != nil {
			return nil, err
		}
		l.upTo = r.Seq + compareChunk - 1
	}
	if len(l.rows) > 0 && l.rows[0].Seq == r.Seq {
		return &l.rows[0], nil
	}
	return nil, nil
}

func (c *comparison) read(ctx context.Context, tenant uuid.UUID, first, last int64) ([]queries.LiveRowsRow, error) {
	rows, err := c.q.LiveRows(ctx,
		queries.LiveRowsParams{TenantID: tenant, FirstSeq: first, LastSeq: last, FromAt: c.from, ToAt: c.to})
	if err != nil {
		return nil, fmt.Errorf("read rows %d to %d of tenant %s: %w", first, last, tenant, err)
	}
	return rows, nil
}

// maxStrays bounds how many events without a place are looked at one by one.
const maxStrays = 10_000

// strays looks for events that the chain does not have where they stand.
func (c *comparison) strays(ctx context.Context, due time.Time) error {
	list, err := c.q.StrayEvents(ctx, maxStrays)
	if err != nil {
		return fmt.Errorf("look for events outside the chain: %w", err)
	}
	for _, e := range list {
		switch {
		case e.Seq > 0 && !e.Original:
			c.moved[e.EventID] = true
			c.add(archive.LiveModified, nil, e.ChainTenantID.String(), e.Seq,
				"event %d is not as it was sealed: recorded_at", e.EventID)
		case e.Seq > 0:
			c.add(archive.LiveExtra, nil, e.TenantID.String(), 0,
				"event %d is there twice: the chain has the other one", e.EventID)
		case !e.Pending:
			c.add(archive.LiveExtra, nil, e.TenantID.String(), 0, "event %d, recorded at %s, "+
				"has no place in the chain and can get none: the sealer has passed its transaction", e.EventID,
				e.RecordedAt.UTC().Format(time.RFC3339))
		case e.RecordedAt.Before(due):
			c.report.Unsealed++
			c.add(archive.Unsealed, nil, e.TenantID.String(), 0,
				"event %d, recorded at %s, is not sealed: is ward worker running?", e.EventID,
				e.RecordedAt.UTC().Format(time.RFC3339))
		default:
			c.report.Unsealed++
		}
	}
	if len(list) == maxStrays {
		c.report.Add(archive.Finding{Status: archive.NotChecked, Message: fmt.Sprintf(
			"more than %d events are outside the chain: the others were not looked at", maxStrays-1)})
	}
	return nil
}

// beyond goes through what is sealed and in no part: every tenant's chain from the archived end on.
func (c *comparison) beyond(ctx context.Context, last map[string]archive.Position, due time.Time) error {
	tenants, err := c.q.ChainTenants(ctx)
	if err != nil {
		return fmt.Errorf("list tenants of the chain: %w", err)
	}
	for _, id := range tenants {
		pos, ok := last[id.String()]
		if !ok {
			pos.Hash = archive.Genesis(id.String())
		}
		if err := c.onward(ctx, id, pos, due); err != nil {
			return err
		}
	}
	return nil
}

// onward goes through a tenant's rows from pos on, and reports a row that stands beyond a gap. Meanwhile the sealer
// goes on: a row right after the end may have come since the end was read, so that it is read for before it is
// reported.
func (c *comparison) onward(ctx context.Context, tenant uuid.UUID, pos archive.Position, due time.Time) error {
	for again := false; ; {
		rows, err := c.read(ctx, tenant, pos.Seq+1, pos.Seq+compareChunk)
		if err != nil {
			return err
		}
		for i := range rows {
			c.unshipped(&rows[i], &pos, due)
		}
		if len(rows) > 0 {
			again = false
		}
		if len(rows) == compareChunk {
			continue
		}
		next, err := c.q.FirstRowAfter(ctx,
			queries.FirstRowAfterParams{TenantID: tenant, After: min(pos.Seq, math.MaxInt64-1)})
		if err != nil {
			return fmt.Errorf("look for rows after the end of tenant %s: %w", tenant, err)
		}
		if len(next) == 1 && next[0].Seq == pos.Seq+1 && !again {
			again = true
			continue
		}
		for _, r := range next {
			c.add(archive.LiveExtra, nil, tenant.String(), r.Seq,
				"event %d stands after a gap in the chain, which ends at row %d", r.EventID, pos.Seq)
		}
		return nil
	}
}

// unshipped looks at a row that no part has, and moves pos to it.
func (c *comparison) unshipped(row *queries.LiveRowsRow, pos *archive.Position, due time.Time) {
	live := liveRow(row)
	tenant := row.ChainTenantID.String()
	switch {
	case row.Gone && c.moved[row.ChainEventID]:
	case row.Gone:
		c.add(archive.LiveMissing, nil, tenant, row.Seq, "event %d is sealed and not in the database", row.ChainEventID)
	case row.Seq != pos.Seq+1:
		c.add(archive.LiveMissing, nil, tenant, pos.Seq+1, "the chain goes on at row %d", row.Seq)
	case archive.RowHash(pos.Hash, &live) != archive.Hash(row.Hash):
		c.add(archive.LiveModified, nil, tenant, row.Seq, "event %d is not what the chain's hash was made from",
			row.ChainEventID)
	case row.SealedAt.Before(due):
		c.add(archive.LiveExtra, nil, tenant, row.Seq,
			"event %d was sealed at %s and is in no part: was it added to the chain, or does shipping fail?",
			row.ChainEventID, row.SealedAt.UTC().Format(time.RFC3339))
	default:
		c.report.Waiting++
	}
	pos.Seq, pos.Hash = row.Seq, archive.Hash(row.Hash)
}

// wrong says whether nothing was found, in words that a person can act on.
func wrong(l *archive.LiveReport) []string {
	lines := make([]string, 0, len(l.Findings))
	for _, f := range l.Findings {
		lines = append(lines, f.String())
	}
	if l.More > 0 {
		lines = append(lines, fmt.Sprintf("and %d more findings", l.More))
	}
	return slices.Clip(lines)
}
