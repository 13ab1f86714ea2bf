package archive

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// MonthSummary is what the archive says it holds of one region's month.
type MonthSummary struct {
	Region      string    `json:"region"`
	Month       string    `json:"month"`
	Parts       int       `json:"parts"`
	Rows        int64     `json:"rows"`
	Bytes       int64     `json:"bytes"`
	Tenants     int       `json:"tenants"`
	RetainUntil time.Time `json:"retain_until"`
	// Empty says that the log records the month as one without rows.
	Empty bool `json:"empty"`
}

// Summarize lists the months of all regions, with the head of each region's log. It checks the newest checkpoints'
// signatures and the manifests against them, and no rows: it shows what is there, and proves nothing about it.
func Summarize(ctx context.Context, store Store, key Key) ([]MonthSummary, []Head, error) {
	regions, _, err := listRegions(ctx, store, layout+"/")
	if err != nil {
		return nil, nil, err
	}
	var months []MonthSummary
	var heads []Head
	for _, r := range regions {
		if len(r.checkpoints) == 0 {
			continue
		}
		h, _, err := newestHead(ctx, store, r, key)
		if err != nil {
			return nil, nil, err
		}
		list, err := summarizeRegion(ctx, store, r, h)
		if err != nil {
			return nil, nil, err
		}
		months, heads = append(months, list...), append(heads, h)
	}
	return months, heads, nil
}

func summarizeRegion(ctx context.Context, store Store, r *regionObjects, h Head) ([]MonthSummary, error) {
	entries, err := loadEntries(ctx, store, r, h.Size)
	if err != nil {
		return nil, err
	}
	if resolve(entries, map[int64]Hash{h.Size: h.root}) != h.Size {
		return nil, fmt.Errorf("%w: the manifests of region %s are not those that checkpoint %d covers", ErrDamaged, r.region, h.Size)
	}
	byMonth := map[string]*MonthSummary{}
	tenants := map[[2]string]bool{}
	for i := range entries {
		m := entries[i].manifest
		if m == nil {
			return nil, fmt.Errorf("%w: manifest %d: %w", ErrDamaged, entries[i].number, firstError(entries[i].err, errors.New("missing")))
		}
		s := byMonth[m.Month]
		if s == nil {
			s = &MonthSummary{Region: r.region, Month: m.Month}
			byMonth[m.Month] = s
		}
		s.Empty = s.Empty || m.Empty
		if m.Rows > 0 {
			s.Parts++
		}
		s.Rows, s.Bytes = s.Rows+m.Rows, s.Bytes+m.Bytes
		if m.RetainUntil.After(s.RetainUntil) {
			s.RetainUntil = m.RetainUntil
		}
		for _, t := range m.Tenants {
			if k := [2]string{m.Month, t.TenantID}; !tenants[k] {
				tenants[k] = true
				s.Tenants++
			}
		}
	}
	var list []MonthSummary
	for _, s := range byMonth {
		list = append(list, *s)
	}
	slices.SortFunc(list, func(a, b MonthSummary) int { return cmp.Compare(a.Month, b.Month) })
	return list, nil
}
