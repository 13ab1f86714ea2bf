package archive

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
)

// Place is a place between rows in the order of time: recorded_at, in microseconds since 1970 UTC, then event id.
type Place struct {
	RecordedAt, EventID int64
}

func (p Place) compare(o Place) int {
	return cmp.Or(cmp.Compare(p.RecordedAt, o.RecordedAt), cmp.Compare(p.EventID, o.EventID))
}

// Selection asks for a page of one tenant's rows in the order of time.
type Selection struct {
	Tenant string
	// Oldest begins at the oldest row; otherwise the newest comes first.
	Oldest bool
	// Beyond is the last row seen, which the page begins after; nil is the beginning.
	Beyond *Place
	// From and To bound recorded_at, [From, To), in microseconds since 1970 UTC. A To of 0 is no bound.
	From, To int64
	// EventIDs, where there are any, are the only ones wanted.
	EventIDs []int64
	// Keep says whether a row is wanted; nil wants all. The row is valid until it returns.
	Keep func(*Row) bool
	// Limit is how many rows a page has.
	Limit int
}

// Found is a row of the archive and the path of the part that holds it.
type Found struct {
	Row  Row
	Part string
}

func (f *Found) place() Place { return Place{f.Row.RecordedAt, f.Row.EventID} }

// Select returns a page of rows. Of parts it opens those that may have a row of the page, by their manifests: nearest
// in time first, until no other part can reach into the page. Of those it decodes the row groups that have the tenant's
// rows, by the manifest, at the right times, by their statistics. It keeps twice the page in memory.
func (r *Reader) Select(ctx context.Context, s *Selection) ([]Found, error) {
	if s.Limit < 1 {
		return nil, fmt.Errorf("selecting %d rows", s.Limit)
	}
	page := &page{Selection: s, to: cmp.Or(s.To, math.MaxInt64)}
	var parts []*Manifest
	for _, m := range r.parts {
		if _, ok := m.span(s.Tenant); ok && page.mayReach(m.MinRecordedAt, m.MaxRecordedAt) {
			parts = append(parts, m)
		}
	}
	slices.SortStableFunc(parts, func(a, b *Manifest) int {
		if s.Oldest {
			return cmp.Compare(a.MinRecordedAt, b.MinRecordedAt)
		}
		return cmp.Compare(b.MaxRecordedAt, a.MaxRecordedAt)
	})
	for _, m := range parts {
		if !page.mayReach(m.MinRecordedAt, m.MaxRecordedAt) {
			continue
		}
		if err := r.selectFrom(ctx, m, page); err != nil {
			return nil, fmt.Errorf("reading rows of tenant %s: %w", s.Tenant, err)
		}
	}
	page.cut()
	return page.rows, nil
}

// selectFrom takes the rows of one part into the page.
func (r *Reader) selectFrom(ctx context.Context, m *Manifest, page *page) error {
	p, err := r.Open(ctx, m)
	if err != nil {
		return err
	}
	first, last := tenantGroups(m, page.Tenant)
	groups := p.file.groups()
	if last >= int64(len(groups)) {
		return fmt.Errorf("%w: %s has %d row groups", ErrDamaged, m.Path, len(groups))
	}
	order := make([]int64, 0, last-first+1)
	for i := first; i <= last; i++ {
		order = append(order, i)
	}
	if !page.Oldest {
		slices.Reverse(order)
	}
	read := 0
	for _, i := range order {
		stats := p.file.Metadata().RowGroups[i].Columns
		if lo, hi, ok := intBounds(stats[recordedColumn].MetaData.Statistics.MinValue,
			stats[recordedColumn].MetaData.Statistics.MaxValue); ok && !page.mayReach(lo, hi) {
			continue
		}
		if lo, hi, ok := intBounds(stats[eventColumn].MetaData.Statistics.MinValue,
			stats[eventColumn].MetaData.Statistics.MaxValue); ok && !page.mayHave(lo, hi) {
			continue
		}
		read++
		err := scanGroup(ctx, groups[i], func(row *Row) error {
			page.offer(row, m.Path)
			return nil
		})
		if err != nil {
			return fmt.Errorf("%s: %w", m.Path, err)
		}
		page.cut()
	}
	r.stats.RowGroups, r.stats.Skipped = r.stats.RowGroups+read, r.stats.Skipped+len(groups)-read
	return nil
}

// The columns whose statistics are used, by their places in Row.
const (
	eventColumn    = 3
	recordedColumn = 4
)

// intBounds reads the statistics of an INT64 column. The file was signed, so they are what its writer stated.
func intBounds(lo, hi []byte) (int64, int64, bool) {
	if len(lo) != 8 || len(hi) != 8 {
		return 0, 0, false
	}
	return int64(binary.LittleEndian.Uint64(lo)), int64(binary.LittleEndian.Uint64(hi)), true
}

// tenantGroups returns the first and last row group with rows of a tenant: rows stand in the order of tenants, and all
// groups but the last are full.
func tenantGroups(m *Manifest, tenant string) (first, last int64) {
	at := int64(0)
	for _, s := range m.Tenants {
		if s.TenantID == tenant {
			return at / rowGroupRows, (at + s.Rows - 1) / rowGroupRows
		}
		at += s.Rows
	}
	return 0, -1
}

// page collects the rows nearest to where it begins.
type page struct {
	*Selection
	to    int64
	rows  []Found
	worst *Place // of the rows kept, once there are enough
}

// mayReach reports whether a row recorded between two times, both inclusive, may be of the page.
func (p *page) mayReach(lo, hi int64) bool {
	if hi < p.From || lo >= p.to {
		return false
	}
	if p.Oldest {
		return (p.Beyond == nil || hi >= p.Beyond.RecordedAt) && (p.worst == nil || lo <= p.worst.RecordedAt)
	}
	return (p.Beyond == nil || lo <= p.Beyond.RecordedAt) && (p.worst == nil || hi >= p.worst.RecordedAt)
}

// mayHave reports whether an event id between two may be wanted.
func (p *page) mayHave(lo, hi int64) bool {
	return len(p.EventIDs) == 0 || slices.ContainsFunc(p.EventIDs, func(id int64) bool { return id >= lo && id <= hi })
}

// nearer compares two places by how near to the page's beginning they are.
func (p *page) nearer(a, b Place) int {
	if p.Oldest {
		return a.compare(b)
	}
	return b.compare(a)
}

func (p *page) offer(r *Row, part string) {
	at := Place{r.RecordedAt, r.EventID}
	switch {
	case r.TenantID != p.Tenant, r.RecordedAt < p.From, r.RecordedAt >= p.to:
		return
	case p.Beyond != nil && p.nearer(at, *p.Beyond) <= 0, p.worst != nil && p.nearer(at, *p.worst) >= 0:
		return
	case len(p.EventIDs) > 0 && !slices.Contains(p.EventIDs, r.EventID), p.Keep != nil && !p.Keep(r):
		return
	}
	if p.rows = append(p.rows, Found{r.Clone(), part}); len(p.rows) >= 2*p.Limit {
		p.cut()
	}
}

// cut keeps the nearest rows.
func (p *page) cut() {
	slices.SortFunc(p.rows, func(a, b Found) int { return p.nearer(a.place(), b.place()) })
	if len(p.rows) >= p.Limit {
		p.rows = p.rows[:p.Limit]
		at := p.rows[p.Limit-1].place()
		p.worst = &at
	}
}
