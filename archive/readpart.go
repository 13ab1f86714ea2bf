package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
)

// ReadPart calls f with the rows of a stored part in batches, those of one tenant or, for tenant "", all. It proves
// nothing: it is for showing rows of a part that was verified. f may keep the rows. Of a part that holds several row
// groups only those with the tenant's rows are read, by ranges: where they are, the part's manifest says.
func ReadPart(ctx context.Context, store Store, path, tenant string, f func([]Row) error) error {
	r, size, done, err := openForReading(ctx, store, path, tenant)
	if err != nil {
		return err
	}
	defer done()
	file, err := openPart(r, size)
	if err != nil {
		return fmt.Errorf("reading %s: %w", path, err)
	}
	groups := file.groups()
	if tenant != "" {
		groups = groupsOf(ctx, store, path, tenant, groups)
	}
	b := rowBatch{tenant: tenant, f: f}
	for _, g := range groups {
		if err := scanGroup(ctx, g, b.add); err != nil {
			return fmt.Errorf("reading %s: %w", path, err)
		}
	}
	return b.flush()
}

// openForReading copies a part that is read whole, and leaves where it is one of which little is wanted.
func openForReading(ctx context.Context, store Store, path, tenant string) (io.ReaderAt, int64, func(), error) {
	if tenant == "" {
		sp, err := spool(ctx, store, path, -1, nil)
		if err != nil {
			return nil, 0, nil, err
		}
		return sp, sp.size, sp.Close, nil
	}
	b, err := store.Open(ctx, path)
	if err != nil {
		return nil, 0, nil, fmt.Errorf("opening %s: %w", path, err)
	}
	return &blockReader{r: b, size: b.Size()}, b.Size(), func() { b.Close() }, nil
}

// groupsOf leaves out the row groups that the manifest says hold nothing of the tenant: rows stand in the order of
// tenants, and all groups but the last have rowGroupRows. Without a manifest that can be read all are kept; the
// statistics in the file are not asked, since no verification looks at them.
func groupsOf(ctx context.Context, store Store, path, tenant string, groups []partGroup) []partGroup {
	o := parsePath(path, 0)
	data, err := readObject(ctx, store, manifestPath(o.region, o.month, o.number))
	if err != nil {
		return groups
	}
	m, err := ParseManifest(data)
	if err != nil || m.Path != path {
		return groups
	}
	first := int64(0)
	for _, s := range m.Tenants {
		if s.TenantID != tenant {
			first += s.Rows
			continue
		}
		from, to := first/rowGroupRows, (first+s.Rows-1)/rowGroupRows+1
		return groups[min(from, int64(len(groups))):min(to, int64(len(groups)))]
	}
	return nil
}

// rowBatch collects rows for a caller.
type rowBatch struct {
	tenant string
	f      func([]Row) error
	rows   []Row
}

func (b *rowBatch) add(r *Row) error {
	const size = 1024
	if b.tenant != "" && r.TenantID != b.tenant {
		return nil
	}
	if b.rows = append(b.rows, r.Clone()); len(b.rows) < size {
		return nil
	}
	return b.flush()
}

func (b *rowBatch) flush() error {
	if len(b.rows) == 0 {
		return nil
	}
	full := b.rows
	b.rows = nil
	return b.f(full)
}

// blockReader reads in blocks and keeps the last few of them, because Parquet is read in small pieces side by side and
// each request to a distant store costs a journey. It is for one goroutine.
type blockReader struct {
	r      io.ReaderAt
	size   int64
	blocks []block // the one used last at the end
}

type block struct {
	at   int64
	data []byte
}

const (
	blockSize = 256 << 10
	blockKeep = 64 // 16 MiB
)

// ReadAt reads from the blocks.
func (b *blockReader) ReadAt(p []byte, off int64) (int, error) {
	n := 0
	for n < len(p) {
		at := off + int64(n)
		if at >= b.size {
			return n, io.EOF
		}
		data, err := b.block(at / blockSize * blockSize)
		if err != nil {
			return n, err
		}
		n += copy(p[n:], data[at%blockSize:])
	}
	return n, nil
}

func (b *blockReader) block(at int64) ([]byte, error) {
	if i := slices.IndexFunc(b.blocks, func(x block) bool { return x.at == at }); i >= 0 {
		found := b.blocks[i]
		b.blocks = append(slices.Delete(b.blocks, i, i+1), found)
		return found.data, nil
	}
	data := make([]byte, min(blockSize, b.size-at))
	if n, err := b.r.ReadAt(data, at); n != len(data) {
		if err == nil || errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	if len(b.blocks) == blockKeep {
		b.blocks = slices.Delete(b.blocks, 0, 1)
	}
	b.blocks = append(b.blocks, block{at, data})
	return data, nil
}
