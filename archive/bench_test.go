package archive

import (
	"fmt"
	"testing"
)

// BenchmarkVerify verifies a directory of two parts of 524,288 rows as an installation would have them: ids as uuid
// text, most rows with a record, a patient and a short detail.
func BenchmarkVerify(b *testing.B) {
	f := newFixture(b)
	l := f.open(b)
	const rows = 4 * rowGroupRows
	for range 2 {
		batch := f.chains.next(tenantA, "2026-01", rows)
		pos := Position{0, Genesis(tenantA)}
		if s, ok := l.tail[tenantA]; ok {
			pos = Position{s.LastSeq, Hash(s.LastHash)}
		}
		for i := range batch {
			r := &batch[i]
			id := func(kind, n int64) *string { return ptr(fmt.Sprintf("%08d-0000-4000-8000-%012d", kind, n)) }
			r.UserID, r.SessionID, r.MembershipID = id(1, r.Seq%200), id(2, r.Seq/50), id(3, r.Seq%300)
			r.DisclosureID, r.RecordID, r.SubjectID = id(4, r.Seq/3), id(5, r.Seq*7919%1000003), id(6, r.Seq*31%20011)
			r.RecordTable, r.Purpose = ptr("encounters"), ptr("treatment")
			r.Hash = RowHash(pos.Hash, r)
			pos = Position{r.Seq, r.Hash}
		}
		f.chains[tenantA] = pos
		f.append(b, l, "2026-01", batch)
	}
	for _, workers := range []int{1, 2} {
		b.Run(fmt.Sprintf("workers=%d", workers), func(b *testing.B) {
			var n, bytes int64
			for b.Loop() {
				r := f.verify(b, func(o *VerifyOptions) { o.Workers = workers })
				if r.Verdict != Valid {
					b.Fatal(describe(r))
				}
				n, bytes = n+r.Rows, bytes+r.Bytes
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "rows/s")
			b.ReportMetric(float64(bytes)/float64(n), "B/row")
		})
	}
}
