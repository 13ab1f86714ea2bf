package archive

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// counted is a store that notes which Parquet files are opened.
type counted struct {
	Store
	files []string
}

func (c *counted) Open(ctx context.Context, path string) (Blob, error) {
	if strings.HasSuffix(path, ".parquet") {
		c.files = append(c.files, path)
	}
	return c.Store.Open(ctx, path)
}

// TestSelectReadsWhatItMust: of two parts, one of them of three row groups, a page opens the parts that it needs and
// decodes the row groups that it needs.
func TestSelectReadsWhatItMust(t *testing.T) {
	f := newFixture(t)
	l := f.open(t)
	const long = 2 * rowGroupRows
	big := f.chains.next(tenantA, "2026-01", long)
	f.append(t, l, "2026-01", big, f.chains.next(tenantB, "2026-01", 1000))
	f.append(t, l, "2026-02", f.chains.next(tenantA, "2026-02", 100), f.chains.next(tenantB, "2026-02", 100))
	middle := big[rowGroupRows+500]
	for name, c := range map[string]struct {
		sel    Selection
		rows   int
		parts  []int
		groups int // decoded
	}{
		"newest":                   {Selection{Tenant: tenantB, Limit: 50}, 50, []int{1}, 1},
		"newest of the long one":   {Selection{Tenant: tenantA, Limit: 100}, 100, []int{1}, 1},
		"beyond the newest part":   {Selection{Tenant: tenantB, Limit: 150}, 150, []int{1, 0}, 2},
		"one more of the long one": {Selection{Tenant: tenantA, Limit: 101}, 101, []int{1, 0}, 2},
		"oldest of the long one":   {Selection{Tenant: tenantA, Oldest: true, Limit: 10}, 10, []int{0}, 1},
		"a time in its middle": {Selection{Tenant: tenantA, From: middle.RecordedAt, To: middle.RecordedAt + 1,
			Limit: 10}, 1, []int{0}, 1},
		"before a place in its middle": {Selection{Tenant: tenantA, Beyond: &Place{middle.RecordedAt, middle.EventID},
			Limit: 10}, 10, []int{0}, 1},
		"an event of its middle": {Selection{Tenant: tenantA, EventIDs: []int64{middle.EventID}, Limit: 1}, 1,
			[]int{1, 0}, 2},
		"nobody": {Selection{Tenant: tenantC, Limit: 10}, 0, nil, 0},
	} {
		t.Run(name, func(t *testing.T) {
			store := &counted{Store: f.store}
			r := must(OpenReader(t.Context(), store, testRegion, f.signer.Key()))(t)
			defer r.Close()
			found := must(r.Select(t.Context(), &c.sel))(t)
			var files []string
			var bytes int64
			for _, i := range c.parts {
				files, bytes = append(files, f.parts[i].Path), bytes+f.parts[i].Bytes
			}
			stats := r.Stats()
			if len(found) != c.rows || !slices.Equal(store.files, files) || stats.Bytes != bytes ||
				stats.Parts != len(files) || stats.RowGroups != c.groups {
				t.Errorf("%d rows, want %d; opened %q, want %q; %+v, want %d row groups and %d bytes", len(found),
					c.rows, store.files, files, stats, c.groups, bytes)
			}
		})
	}
	t.Run("the next page reads no file again", func(t *testing.T) {
		store := &counted{Store: f.store}
		r := must(OpenReader(t.Context(), store, testRegion, f.signer.Key()))(t)
		defer r.Close()
		page := must(r.Select(t.Context(), &Selection{Tenant: tenantA, Limit: 200}))(t)
		last := page[len(page)-1].place()
		must(r.Select(t.Context(), &Selection{Tenant: tenantA, Limit: 200, Beyond: &last}))(t)
		if len(store.files) != 2 {
			t.Errorf("opened %q", store.files)
		}
	})
}

// TestSelectOrders: rows that were recorded in another order than they were sealed, over parts that overlap in time,
// come in the order of time, whatever the page.
func TestSelectOrders(t *testing.T) {
	f := newFixture(t)
	l := f.open(t)
	random := rand.New(rand.NewPCG(1, 2))
	var all []Row
	pos := Position{0, Genesis(tenantA)}
	for range 8 {
		rows := f.chains.next(tenantA, "2026-01", 40)
		for i := range rows {
			rows[i].RecordedAt = rows[0].SealedAt + int64(random.IntN(60)) // some at the same time
			rows[i].Hash = RowHash(pos.Hash, &rows[i])
			pos = Position{rows[i].Seq, rows[i].Hash}
		}
		f.chains[tenantA] = pos
		f.append(t, l, "2026-01", rows)
		all = append(all, rows...)
	}
	slices.SortFunc(all, func(a, b Row) int {
		return cmp.Or(cmp.Compare(a.RecordedAt, b.RecordedAt), cmp.Compare(a.EventID, b.EventID))
	})
	r := must(OpenReader(t.Context(), f.store, testRegion, f.signer.Key()))(t)
	defer r.Close()
	for _, size := range []int{1, 7, 1000} {
		for _, oldest := range []bool{true, false} {
			var got []int64
			s := Selection{Tenant: tenantA, Oldest: oldest, Limit: size}
			for {
				page := must(r.Select(t.Context(), &s))(t)
				for i := range page {
					got = append(got, page[i].Row.Seq)
					s.Beyond = ptr(page[i].place())
				}
				if len(page) < size {
					break
				}
			}
			if !oldest {
				slices.Reverse(got)
			}
			var want []int64
			for i := range all {
				want = append(want, all[i].Seq)
			}
			if !slices.Equal(got, want) {
				t.Errorf("pages of %d, oldest first %t: %v, want %v", size, oldest, got, want)
			}
		}
	}
}

// TestReaderTrustsNothing: a reader opens no archive that another key signed or that lacks a manifest, and parses no
// file that was not signed.
func TestReaderTrustsNothing(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(f *fixture)
		opens bool
		want  error
	}{
		"another key": {func(f *fixture) { f.signer = newSigner(t) }, false, errUntrustedKey},
		"no manifest": {func(f *fixture) { f.remove(t, f.parts[0].ManifestPath()) }, false, ErrDamaged},
		"no file":     {func(f *fixture) { f.remove(t, f.parts[0].Path) }, true, ErrDamaged},
		"a changed file": {func(f *fixture) {
			b := f.read(t, f.parts[0].Path)
			b[len(b)/2] ^= 1
			f.overwrite(t, f.parts[0].Path, b)
		}, true, ErrDamaged},
		"a longer file": {func(f *fixture) {
			f.overwrite(t, f.parts[0].Path, append(f.read(t, f.parts[0].Path), 0))
		}, true, ErrDamaged},
		"another's file":   {func(f *fixture) { f.swap(t, f.parts[0].Path, f.parts[1].Path) }, true, ErrDamaged},
		"nothing is there": {func(f *fixture) { f.remove(t, f.files(t)...) }, false, fs.ErrNotExist},
	} {
		t.Run(name, func(t *testing.T) {
			f := build(t)
			c.spoil(f)
			r, err := OpenReader(t.Context(), f.store, testRegion, f.signer.Key())
			if (err == nil) != c.opens {
				t.Fatalf("opened: %v", err)
			}
			if err == nil {
				defer r.Close()
				var found []Found
				if found, err = r.Select(t.Context(),
					&Selection{Tenant: tenantA, Oldest: true, Limit: 1}); found != nil {
					t.Errorf("%d rows", len(found))
				}
			}
			if !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
		})
	}
}

// TestDiffers names every column in which rows differ, and no value.
func TestDiffers(t *testing.T) {
	a := chains{}.next(tenantA, "2026-01", 1)[0]
	b := a.Clone()
	if got := a.Differs(&b); got != nil {
		t.Errorf("a copy differs in %q", got)
	}
	b.Outcome, b.UserID, b.Nonce[3], b.Hash[0] = "denied", nil, b.Nonce[3]+1, b.Hash[0]+1
	if got := fmt.Sprint(a.Differs(&b)); got != "[user_id outcome nonce]" {
		t.Errorf("differs in %s", got)
	}
}
