package archive

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"sync/atomic"
	"testing"
)

// countingStore counts the bytes that are read.
type countingStore struct {
	Store
	read atomic.Int64
}

func (s *countingStore) Open(ctx context.Context, path string) (Blob, error) {
	b, err := s.Store.Open(ctx, path)
	if err != nil {
		return nil, err
	}
	return &countingBlob{b, s}, nil
}

type countingBlob struct {
	Blob
	s *countingStore
}

func (b *countingBlob) ReadAt(p []byte, off int64) (int, error) {
	n, err := b.Blob.ReadAt(p, off)
	b.s.read.Add(int64(n))
	return n, err
}

// TestReadTenant reads one tenant of a part of three row groups: its rows, all of them, and of the file little more
// than them.
func TestReadTenant(t *testing.T) { onStores(t, testReadTenant) }

func testReadTenant(t *testing.T) {
	f := newFixture(t)
	a, b, c := f.chains.next(tenantA, "2026-01", 2*rowGroupRows), f.chains.next(tenantB, "2026-01", 5),
		f.chains.next(tenantC, "2026-01", 3)
	f.append(t, f.open(t), "2026-01", a, b, c)
	m := f.parts[0]
	for _, test := range []struct {
		tenant string
		want   []Row
		most   int64
	}{{tenantA, a, m.Bytes * 2}, {tenantB, b, m.Bytes / 4}, {tenantC, c, m.Bytes / 4}, {"nobody", nil, m.Bytes / 4}} {
		s := &countingStore{Store: f.auditors(t)}
		var got []Row
		if err := ReadPart(t.Context(), s, m.Path, test.tenant,
			func(rows []Row) error { got = append(got, rows...); return nil }); err != nil {
			t.Fatal(err)
		}
		if !slices.EqualFunc(got, test.want, func(x, y Row) bool { return x.Hash == y.Hash }) {
			t.Errorf("%s: %d rows, want %d", test.tenant, len(got), len(test.want))
		}
		if n := s.read.Load(); n > test.most {
			t.Errorf("%s: read %d bytes of %d, want at most %d", test.tenant, n, m.Bytes, test.most)
		}
	}
}

func TestBlockReader(t *testing.T) {
	data := make([]byte, 3*blockSize+100)
	for i := range data {
		data[i] = byte(i * 31 >> 5)
	}
	r := &blockReader{r: bytes.NewReader(data), size: int64(len(data))}
	for _, at := range [][2]int{{0, 10}, {blockSize - 5, 10}, {blockSize - 1, 2*blockSize + 2}, {3 * blockSize, 100},
		{len(data) - 1, 1}} {
		p := make([]byte, at[1])
		if n, err := r.ReadAt(p, int64(at[0])); n != at[1] || err != nil || !bytes.Equal(p, data[at[0]:at[0]+at[1]]) {
			t.Errorf("%v: %d, %v", at, n, err)
		}
	}
	if n, err := r.ReadAt(make([]byte, 10), int64(len(data)-3)); n != 3 || !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %d, %v", n, err)
	}
}
