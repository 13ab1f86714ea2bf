package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/ward-health/ward/archive"
	"github.com/ward-health/ward/queries/migrate"
)

// AllShipped says whether a region's archive holds every row up to the heads. It believes what a key has signed.
func AllShipped(ctx context.Context, store archive.Store, region string, heads []migrate.Head,
	keys ...archive.Key,
) error {
	tail := map[string]archive.TenantSpan{}
	r, err := archive.OpenReader(ctx, store, region, keys...)
	switch {
	case errors.Is(err, fs.ErrNotExist): // nothing was shipped yet
	case err != nil:
		return fmt.Errorf("look what was shipped: %w", err)
	default:
		defer r.Close()
		for _, m := range r.Parts() {
			for _, t := range m.Tenants {
				tail[t.TenantID] = t
			}
		}
	}
	var missing []string
	for _, h := range heads {
		t := tail[h.Tenant]
		switch {
		case t.LastSeq < h.Seq:
			missing = append(missing,
				fmt.Sprintf("clinic %s: %d sealed rows are not in the archive", h.Tenant, h.Seq-t.LastSeq))
		case t.LastSeq > h.Seq || !bytes.Equal(t.LastHash[:], h.Hash):
			missing = append(missing,
				fmt.Sprintf("clinic %s: the archive has another history than the database", h.Tenant))
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("not everything was shipped: run a worker until it is\n  %s", strings.Join(missing, "\n  "))
	}
	return nil
}
