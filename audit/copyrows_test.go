package audit

import (
	"context"
	"errors"
	"testing"

	"github.com/google/uuid"

	"github.com/ward-health/ward/archive"
	"github.com/ward-health/ward/queries"
)

// Spans are cut and put together to statements of readRows rows, in their order, each row once.
func TestReadings(t *testing.T) {
	var spans []span
	for i, rows := range []int64{1, readRows - 1, 3*readRows + 5, 7, readRows, 1} {
		spans = append(spans, span{tenant: queries.TenantsRow{ID: uuid.UUID{byte(i)}, Slug: string(rune('a' + i))},
			from: 10, to: 9 + rows})
	}
	list := readings(spans)
	at, next := 0, int64(10)
	for i, r := range list {
		rows := int64(0)
		for _, s := range r.spans {
			if s.Tenant != spans[at].tenant.ID || s.First != next || s.Last < s.First || s.Last > spans[at].to {
				t.Fatalf("reading %d: rows %d to %d of tenant %x", i, s.First, s.Last, s.Tenant[0])
			}
			rows += s.Last - s.First + 1
			if next = s.Last + 1; s.Last == spans[at].to {
				at, next = at+1, 10
			}
		}
		if rows != r.rows || rows > readRows || rows < readRows && i < len(list)-1 {
			t.Errorf("reading %d has %d rows, says %d", i, rows, r.rows)
		}
	}
	if at != len(spans) || len(list) != 6 || list[0].first != "a" || list[5].last != "f" {
		t.Errorf("%d readings end in span %d: %+v", len(list), at, list)
	}
}

// What a second reader has read first comes behind what the first one reads, and an error ends the rows wherever they
// are.
func TestReadersKeepTheOrder(t *testing.T) {
	list := func(n int) (all []*reading) {
		for range n {
			all = append(all, &reading{chunks: make(chan []archive.Row, 2)})
		}
		return all
	}
	const n = 9
	all := list(n)
	second := make(chan struct{}) // the second reading is complete
	read := func(_ context.Context, next func() *reading) error {
		for r := next(); r != nil; r = next() {
			at := int64(0)
			for all[at] != r {
				at++
			}
			if at == 0 {
				<-second
			}
			for i := range int64(2) {
				r.chunks <- []archive.Row{{Seq: 4*at + 2*i}, {Seq: 4*at + 2*i + 1}}
			}
			if close(r.chunks); at == 1 {
				close(second)
			}
		}
		return nil
	}
	want := int64(0)
	for r, err := range pumped(t.Context(), all, 2, read) {
		if err != nil || r.Seq != want {
			t.Fatalf("row %d, want %d; %v", r.Seq, want, err)
		}
		want++
	}
	if want != 4*n {
		t.Errorf("%d rows", want)
	}
	broken := errors.New("broken")
	var got error
	for _, err := range pumped(t.Context(), list(3), 2,
		func(_ context.Context, next func() *reading) error { next(); return broken }) {
		got = err
	}
	if !errors.Is(got, broken) {
		t.Errorf("got %v", got)
	}
}
