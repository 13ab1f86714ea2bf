package archive

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
)

// resign makes a log of one part of the given rows, validly signed: what somebody with the signing key could do. The
// manifest keeps what m says about the rows.
func resign(t *testing.T, f *fixture, m Manifest, rows []Row) {
	t.Helper()
	data, fake := forge(t, m, rows)
	root := fake.MerkleRoot
	fake.Rows, fake.MerkleRoot = m.Rows, m.MerkleRoot
	if len(rows) == int(m.Rows) {
		fake.MerkleRoot = root
	}
	f.overwrite(t, m.Path, data)
	text := must(fake.Marshal())(t)
	f.overwrite(t, m.ManifestPath(), text)
	h := must(signCheckpoint(testOrigin, 1, manifestLeaf(text), f.signer))(t)
	f.overwrite(t, checkpointPath(testRegion, 1), []byte(h.Checkpoint))
}

// TestRowsAgainstTheKey checks what the rows alone betray, even under a valid signature.
func TestRowsAgainstTheKey(t *testing.T) {
	edit := func(i int, f func(*Row)) func([]Row) []Row {
		return func(rows []Row) []Row { f(&rows[i]); return rows }
	}
	for _, test := range []struct {
		name   string
		change func([]Row) []Row
		want   string
		seq    int64
	}{
		{"changed row", edit(3, func(r *Row) { r.Action = "delete" }), RowModified, 4},
		{"changed first row", edit(0, func(r *Row) { r.Outcome = "denied" }), RowModified, 1},
		{"changed last row", edit(9, func(r *Row) { r.Outcome = "denied" }), RowModified, 10},
		{"NULL became empty", edit(0, func(r *Row) { r.Purpose = ptr("") }), RowModified, 1},
		{"empty became NULL", edit(2, func(r *Row) { r.Purpose = nil }), RowModified, 3},
		{"changed hash", edit(3, func(r *Row) { r.Hash[31] ^= 1 }), RowModified, 4},
		{"changed row with its hash made anew", edit(3, func(r *Row) { r.Action = "delete"; r.Hash = Hash{1} }),
			RowModified, 5},
		{"missing row", without(4), RowMissing, 5},
		{"missing first row", without(0), RowMissing, 1},
		{"missing last row", without(9), RowCountMismatch, 0},
		{"double row", func(rows []Row) []Row { return append(rows[:5:5], rows[4:]...) }, RowExtra, 5},
		{"exchanged rows", func(rows []Row) []Row { rows[4], rows[5] = rows[5], rows[4]; return rows },
			RowReordered, 5},
		{"foreign tenant", edit(9, func(r *Row) { r.TenantID = tenantC }), WrongTenant, 10},
		{"tenants out of order", func(rows []Row) []Row { return append(rows[8:10:10], rows[:8]...) }, RowReordered, 1},
		{"sealed in another month", edit(3, func(r *Row) { r.SealedAt = 0 }), WrongPeriod, 4},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newFixture(t)
			rows := f.chains.next(tenantA, "2026-01", 10)
			f.append(t, f.open(t), "2026-01", rows)
			resign(t, f, f.parts[0], rows)
			wants(t, f.verify(t), Valid)
			resign(t, f, f.parts[0], test.change(rows))
			r := f.verify(t)
			wants(t, r, Invalid, test.want+" "+f.parts[0].Path)
			for _, x := range r.Findings {
				if x.Status == test.want && x.Seq == test.seq {
					return
				}
			}
			t.Errorf("no %s of row %d\n%s", test.want, test.seq, describe(r))
		})
	}
}

func TestTenantsOutOfOrder(t *testing.T) {
	f := newFixture(t)
	a, b := f.chains.next(tenantA, "2026-01", 3), f.chains.next(tenantB, "2026-01", 3)
	f.append(t, f.open(t), "2026-01", a, b)
	resign(t, f, f.parts[0], slices.Concat(b, a))
	r := f.verify(t)
	wants(t, r, Invalid, "ROW_REORDERED "+f.parts[0].Path)
	if len(r.Findings) != 1 || r.Findings[0].Tenant != tenantA {
		t.Error(describe(r))
	}
}

// TestManifestAgainstRows signs manifests that say something else than the rows do.
func TestManifestAgainstRows(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*Manifest)
		want   []string // all findings
	}{
		{"nothing", func(*Manifest) {}, nil},
		{"root", func(m *Manifest) { m.MerkleRoot[0] ^= 1 }, []string{RootMismatch}},
		{"least time", func(m *Manifest) { m.MinSealedAt-- }, []string{WrongPeriod}},
		{"greatest time", func(m *Manifest) { m.MaxRecordedAt++ }, []string{WrongPeriod}},
		{"last hash", func(m *Manifest) { m.Tenants[0].LastHash[0] ^= 1 }, []string{RowModified}},
		{"one row more", func(m *Manifest) { m.Rows++; m.Tenants[0].Rows++; m.Tenants[0].LastSeq++ },
			[]string{RowCountMismatch, RowCountMismatch}},
	} {
		f := newFixture(t)
		f.append(t, f.open(t), "2026-01", f.chains.next(tenantA, "2026-01", 10))
		m := f.parts[0]
		test.change(&m)
		text := must(m.Marshal())(t)
		f.overwrite(t, m.ManifestPath(), text)
		h := must(signCheckpoint(testOrigin, 1, manifestLeaf(text), f.signer))(t)
		f.overwrite(t, checkpointPath(testRegion, 1), []byte(h.Checkpoint))
		var got []string
		for _, x := range f.verify(t).Findings {
			got = append(got, x.Status)
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: got %v, want %v", test.name, got, test.want)
		}
	}
}

// TestDiagnose names the row in a file that is not the signed one.
func TestDiagnose(t *testing.T) {
	f := build(t)
	f.reform(t, 1, func(rows []Row) []Row { rows[4].Action = "delete"; return rows })
	r := f.verify(t, func(o *VerifyOptions) { o.Diagnose = DiagnoseHere })
	wants(t, r, Invalid, "FILE_MODIFIED "+f.parts[0].Path, "ROW_MODIFIED "+f.parts[0].Path)
}

// TestContinuity signs logs whose parts do not continue each other.
func TestContinuity(t *testing.T) {
	for _, test := range []struct {
		name   string
		second func(c chains) (Position, []Row)
		want   string
	}{
		{"valid", func(c chains) (Position, []Row) { pos := c[tenantA]; return pos, c.next(tenantA, "2026-01", 2) },
			""},
		{"gap", func(c chains) (Position, []Row) {
			c.next(tenantA, "2026-01", 1)
			pos := c[tenantA]
			return pos, c.next(tenantA, "2026-01", 2)
		}, RowMissing},
		{"overlap", func(c chains) (Position, []Row) {
			d := chains{}
			d.next(tenantA, "2026-01", 2)
			pos := d[tenantA]
			return pos, d.next(tenantA, "2026-01", 2)
		}, RowExtra},
		{"another chain", func(c chains) (Position, []Row) {
			pos := Position{3, Hash{9}}
			return pos, chains{tenantA: pos}.next(tenantA, "2026-01", 2)
		}, RowModified},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newFixture(t)
			l := f.open(t)
			f.append(t, l, "2026-01", f.chains.next(tenantA, "2026-01", 3))
			pos, rows := test.second(f.chains)
			l.tail[tenantA] = TenantSpan{LastSeq: pos.Seq, LastHash: HexHash(pos.Hash)}
			f.append(t, l, "2026-01", rows)
			r := f.verify(t)
			if test.want == "" {
				wants(t, r, Valid)
				return
			}
			wants(t, r, Invalid, test.want+" "+f.parts[1].Path)
		})
	}
}

func TestChainHeads(t *testing.T) {
	f := build(t)
	good := f.chains[tenantA]
	publish := func(name string, at int64, h ChainHead) (string, *Report) {
		g := build(t)
		l := g.open(t)
		now := testNow.UnixMicro() + at
		if h.Hash == good.Hash {
			h.Hash = g.chains[tenantA].Hash
		}
		if err := l.PublishHeads(t.Context(), []ChainHead{h}, microTime(now)); err != nil {
			t.Fatal(err)
		}
		return g.parts[5].Path, g.verify(t)
	}
	const later = 3600e6
	_, r := publish("ahead", later, ChainHead{tenantA, good.Seq + 1, Hash{1}})
	wants(t, r, Valid)
	_, r = publish("same", later, ChainHead{tenantA, good.Seq, good.Hash})
	wants(t, r, Valid)
	path, r := publish("other hash", later, ChainHead{tenantA, good.Seq, Hash{1}})
	wants(t, r, Invalid, "HEAD_MISMATCH "+path)
	_, r = publish("shorter", later, ChainHead{tenantA, 1, Hash{1}})
	wants(t, r, Invalid, "HEAD_MISMATCH "+f.parts[0].Path)
	_, r = publish("inner row, before the others", -later, ChainHead{tenantA, 21, Hash{1}})
	wants(t, r, Invalid, "HEAD_MISMATCH "+f.parts[1].Path)

	p := headsPath(testRegion, testNow.UnixMicro())
	data := f.read(t, p)
	f.overwrite(t, p, flip(data))
	wants(t, f.verify(t), Invalid, "UNSIGNED "+p)
	f.remove(t, p)
	wants(t, f.verify(t), Valid) // which docs/ARCHIVE_FORMAT.md says: a removed note of heads leaves no trace
	p = headsPath(testRegion, 5)
	f.overwrite(t, p, data)
	wants(t, f.verify(t), Invalid, "WRONG_LOG "+p)
}

// TestRowGroups checks links and the Merkle tree across row groups, and damage at their borders.
func TestRowGroups(t *testing.T) {
	f := newFixture(t)
	a := f.chains.next(tenantA, "2026-01", rowGroupRows+rowGroupRows/2)
	b := f.chains.next(tenantB, "2026-01", rowGroupRows/2)
	c := f.chains.next(tenantC, "2026-01", 1000)
	f.append(t, f.open(t), "2026-01", a, b, c)
	r := f.verify(t)
	wants(t, r, Valid)
	m := f.parts[0]
	if r.Rows != 2*rowGroupRows+1000 {
		t.Fatalf("%d rows", r.Rows)
	}
	rows := append(append(append([]Row(nil), a...), b...), c...)
	for _, i := range []int{rowGroupRows - 1, rowGroupRows, rowGroupRows + 1, rowGroupRows*2 - 1, rowGroupRows * 2} {
		changed := append([]Row(nil), rows...)
		changed[i].Action = "delete"
		data, _ := forge(t, m, changed)
		check := must(newPartCheck(m.Month, manifestPositions(&m), 2))(t)
		facts, found, err := check.run(t.Context(), bytes.NewReader(data), int64(len(data)))
		if err != nil {
			t.Fatal(err)
		}
		facts.compare(&m, found)
		if len(found.list) != 1 || found.list[0].Status != RowModified || found.list[0].Seq != rows[i].Seq ||
			found.list[0].Tenant != rows[i].TenantID {
			t.Errorf("row %d: %v", i, found.list)
		}
	}
}

func TestFindingsAreBounded(t *testing.T) {
	var c findings
	for i := range maxFindings + 5 {
		c.addf(RowMissing, "row %d", i)
	}
	list := c.done()
	if len(list) != maxFindings+1 || list[maxFindings].Message != fmt.Sprintf("and %d more findings", 5) {
		t.Errorf("%d findings, last %q", len(list), list[len(list)-1].Message)
	}
}
