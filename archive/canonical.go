package archive

import (
	"context"
	"encoding/binary"
	"strings"
)

// Offsets in the canonical bytes of a row, and behind tenant_id, where whatever stands up to recorded_at has a fixed
// length.
const (
	atPrev   = len(rowDomain)
	atTenant = atPrev + len(Hash{})

	afterTenantSeq        = 0
	afterTenantSealedAt   = 8 + 5
	afterTenantEventID    = afterTenantSealedAt + 8 + 5
	afterTenantRecordedAt = afterTenantEventID + 8 + 5
	afterTenantRest       = afterTenantRecordedAt + 8
)

// scannedRow is what checking needs of a row. All of it is valid only until the next one.
type scannedRow struct {
	tenant     string
	seq        int64
	sealedAt   int64
	recordedAt int64
	hash       *Hash
	// canonical is what AppendCanonical gives, but for the hash of the row before, which is for the caller to fill in.
	canonical []byte
}

// chain fills in the hash of the row before and returns the canonical bytes.
func (r *scannedRow) chain(prev *Hash) []byte {
	copy(r.canonical[atPrev:atTenant], prev[:])
	return r.canonical
}

func (r *scannedRow) clone() scannedRow {
	c, hash := *r, *r.hash
	c.tenant, c.canonical, c.hash = strings.Clone(r.tenant), append([]byte(nil), r.canonical...), &hash
	return c
}

// canonicalScanner reads rows as their canonical bytes, from page to hash without a [Row] between: what a tenant's rows
// have in common is written once, and an entry of a dictionary is put into its hashed form once, however many rows it
// stands in.
type canonicalScanner struct {
	columns [numColumns]column
	row     scannedRow
	buf     []byte
	base    int // where what follows the tenant begins in buf; 0: no tenant yet
}

// scanCanonical calls f with every row of a row group.
func scanCanonical(ctx context.Context, g partGroup, f func(*scannedRow)) error {
	return guard(func() error {
		if err := g.checkPages(); err != nil {
			return err
		}
		var s canonicalScanner
		s.buf = make([]byte, 0, 4096)
		defer s.close()
		for i, chunk := range g.ColumnChunks() {
			s.columns[i].pages = chunk.Pages()
			s.columns[i].encode = isHashedText(i)
		}
		for left := g.NumRows(); left > 0; {
			if err := ctx.Err(); err != nil {
				return err
			}
			n, err := s.fill(int(min(left, 4096)))
			if err != nil {
				return err
			}
			for range n {
				s.next()
				f(&s.row)
			}
			left -= int64(n)
		}
		return endOf(&s.columns)
	})
}

// isHashedText reports whether column i of Row is text with a tag.
func isHashedText(i int) bool { return i >= 6 && i <= 18 }

func (s *canonicalScanner) close() {
	for i := range s.columns {
		s.columns[i].close()
	}
}

// fill gives every column a page and returns how many rows all of them have, at most n.
func (s *canonicalScanner) fill(n int) (int, error) {
	if err := loadPages(&s.columns); err != nil {
		return 0, err
	}
	for i := range s.columns {
		n = min(n, s.columns[i].rows-s.columns[i].row)
	}
	return n, nil
}

// next moves to the next row.
func (s *canonicalScanner) next() {
	c, r := &s.columns, &s.row
	if tenant := c[0].bytes(); s.base == 0 || tenant != r.tenant {
		s.begin(tenant)
	}
	r.seq, r.sealedAt, r.recordedAt = c[1].int(), c[2].int(), 0
	event := c[3].int()
	r.recordedAt = c[4].int()
	fixed := s.buf[s.base : s.base+afterTenantRest]
	binary.BigEndian.PutUint64(fixed[afterTenantSeq:], uint64(r.seq))
	binary.BigEndian.PutUint64(fixed[afterTenantSealedAt:], uint64(r.sealedAt))
	binary.BigEndian.PutUint64(fixed[afterTenantEventID:], uint64(event))
	binary.BigEndian.PutUint64(fixed[afterTenantRecordedAt:], uint64(r.recordedAt))
	buf := s.buf[:s.base+afterTenantRest]
	if c[5].present() {
		buf = appendInt(buf, c[5].int())
	} else {
		buf = append(buf, 0)
	}
	for i := 6; i <= 18; i++ {
		buf = c[i].appendText(buf)
	}
	buf = append(buf, 1, 0, 0, 0, byte(len(Nonce{})))
	buf = append(buf, c[19].fixed()...)
	r.hash = (*Hash)(c[20].fixed())
	s.buf, r.canonical = buf, buf
}

// begin writes what the rows of a tenant have in common.
func (s *canonicalScanner) begin(tenant string) {
	s.row.tenant = strings.Clone(tenant)
	b := s.buf[:0]
	b = append(b, rowDomain...)
	b = append(b, make([]byte, len(Hash{}))...)
	b = binary.BigEndian.AppendUint32(b, uint32(len(tenant)))
	b = append(b, tenant...)
	s.base = len(b)
	b = binary.BigEndian.AppendUint64(b, 0)
	for range 3 {
		b = appendInt(b, 0)
	}
	s.buf = b
}
