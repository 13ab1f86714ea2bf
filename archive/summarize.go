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
	// Newest is the path of the newest file, which stands for the others where one is asked how the store keeps them;
	// empty where there is none.
	Newest string `json:"-"`

	parts []partRef // in the order of the log
}

// partRef is a manifest in a month, by its number and its leaf in the signed log.
type partRef struct {
	number int64
	leaf   Hash
}

// PartSummary is what the signed log says of one part.
type PartSummary struct {
	Path        string    `json:"path"` // of the file, or of the manifest of a part without one
	Part        int64     `json:"part"`
	Rows        int64     `json:"rows"`
	Bytes       int64     `json:"bytes"`
	Tenants     int       `json:"tenants"`
	SealedFrom  time.Time `json:"sealed_from,omitzero"`
	SealedTo    time.Time `json:"sealed_to,omitzero"`
	RetainUntil time.Time `json:"retain_until"`
	Void        bool      `json:"void,omitempty"` // declared to be no part of the archive
	// Damaged says that the manifest is not the one that the log covered when the month was summarized, or is gone;
	// nothing else is known then.
	Damaged string `json:"damaged,omitempty"`
}

// ListParts lists the parts of a month, reading the manifests of this month alone and holding each against the log that
// was summarized. It looks at no file.
func (m *MonthSummary) ListParts(ctx context.Context, store Store) ([]PartSummary, error) {
	list := make([]object, len(m.parts))
	at := map[string]int{}
	for i, p := range m.parts {
		list[i] = object{path: manifestPath(m.Region, m.Month, p.number)}
		at[list[i].path] = i
	}
	out := make([]PartSummary, len(m.parts))
	err := readAll(ctx, store, list, func(o object, data []byte, err error) {
		p, s := m.parts[at[o.path]], &out[at[o.path]]
		s.Path, s.Part = o.path, p.number
		if err != nil {
			s.Damaged = err.Error()
			return
		}
		manifest, err := ParseManifest(data)
		if manifestLeaf(data) != p.leaf || err != nil {
			s.Damaged = "the manifest is not the one that was signed"
			return
		}
		s.Path, s.Rows, s.Bytes, s.Tenants, s.RetainUntil, s.Void = manifest.Name(), manifest.Rows, manifest.Bytes,
			len(manifest.Tenants), manifest.RetainUntil, manifest.Void
		if manifest.Rows > 0 {
			s.SealedFrom, s.SealedTo = time.UnixMicro(manifest.MinSealedAt).UTC(),
				time.UnixMicro(manifest.MaxSealedAt).UTC()
		}
	})
	if err != nil {
		return nil, fmt.Errorf("listing the parts of %s: %w", m.Month, err)
	}
	return out, nil
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
		return nil, fmt.Errorf("%w: the manifests of region %s are not those that checkpoint %d covers", ErrDamaged,
			r.region, h.Size)
	}
	byMonth := map[string]*MonthSummary{}
	tenants := map[[2]string]bool{}
	for i := range entries {
		m := entries[i].manifest
		if m == nil {
			return nil, fmt.Errorf("%w: manifest %d: %w", ErrDamaged, entries[i].number,
				firstError(entries[i].err, errors.New("missing")))
		}
		s := byMonth[m.Month]
		if s == nil {
			s = &MonthSummary{Region: r.region, Month: m.Month}
			byMonth[m.Month] = s
		}
		s.Empty = s.Empty || m.Empty
		s.parts = append(s.parts, partRef{m.Part, entries[i].leaf})
		if m.Rows > 0 {
			s.Newest = m.Path
		}
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
