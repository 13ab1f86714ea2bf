package archive

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
)

func (f *fixture) prove(t testing.TB, q RowQuery) []byte {
	t.Helper()
	p := must(Prove(t.Context(), f.store, q, nil, f.signer.Key()))(t)
	return must(p.Marshal())(t)
}

// rows are all rows of the archive.
func (f *fixture) rows(t testing.TB) []Row {
	t.Helper()
	var all []Row
	for _, m := range f.parts {
		if m.Path == "" {
			continue
		}
		err := ReadPart(t.Context(), f.store, m.Path, "", func(rows []Row) error {
			all = append(all, rows...)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(all) != 83 {
		t.Fatalf("%d rows", len(all))
	}
	return all
}

func TestEveryRowIsProven(t *testing.T) {
	f := build(t)
	for _, row := range f.rows(t) {
		data := f.prove(t, RowQuery{Tenant: row.TenantID, Seq: row.Seq})
		r := must(CheckProof(data, f.signer.Key()))(t)
		if r.Verdict != Valid || len(r.Findings) != 0 {
			t.Fatalf("row %s/%d: %s %v", row.TenantID, row.Seq, r.Verdict, r.Findings)
		}
		if got := r.Row.row(); RowHash(Hash{}, &got) != RowHash(Hash{}, &row) || r.Row.Hash != HexHash(row.Hash) {
			t.Fatalf("row %s/%d: another row was proven", row.TenantID, row.Seq)
		}
	}
}

// An event id alone leads to its row, in whatever part.
func TestProveByEvent(t *testing.T) {
	f := build(t)
	c := f.rows(t)[82] // the newest part's last row
	a := f.rows(t)[0]
	for _, row := range []Row{a, c} {
		r := must(CheckProof(f.prove(t, RowQuery{EventID: row.EventID}), f.signer.Key()))(t)
		if r.Verdict != Valid || r.Row.EventID != row.EventID {
			t.Errorf("event %d: %s, event %d", row.EventID, r.Verdict, r.Row.EventID)
		}
	}
	for _, q := range []RowQuery{{EventID: 5}, {Tenant: tenantA, Seq: 58}, {Tenant: tenantC, EventID: 7 * 30},
		{Tenant: "nobody", Seq: 1}, {Region: "us", EventID: 7}} {
		if _, err := Prove(t.Context(), f.store, q, nil, f.signer.Key()); !errors.Is(err, ErrNoRow) {
			t.Errorf("%+v: %v, want ErrNoRow", q, err)
		}
	}
}

// Every byte of a proof counts.
func TestChangedProofs(t *testing.T) {
	f := build(t)
	data := f.prove(t, RowQuery{Tenant: tenantB, Seq: 10})
	checked := 0
	for i := range data {
		for _, bit := range []byte{1, 0x20} {
			bad := bytes.Clone(data)
			bad[i] ^= bit
			if r, err := CheckProof(bad, f.signer.Key()); err == nil && r.Verdict == Valid {
				t.Fatalf("byte %d, %q, may be %q", i, data[i], bad[i])
			}
			checked++
		}
	}
	if checked < 5000 {
		t.Errorf("only %d changes", checked)
	}
	for n := range 40 {
		if r, err := CheckProof(data[:len(data)*n/40], f.signer.Key()); err == nil {
			t.Errorf("cut to %d of 40: %v", n, r)
		}
	}
}

// What each lie is called. The liar can compute every hash, and cannot sign.
func TestFalseProofs(t *testing.T) {
	f := build(t)
	other := build(t)
	valid := must(ParseProof(f.prove(t, RowQuery{Tenant: tenantA, Seq: 7})))(t)
	next := must(ParseProof(f.prove(t, RowQuery{Tenant: tenantA, Seq: 8})))(t)
	later := must(ParseProof(f.prove(t, RowQuery{Tenant: tenantA, Seq: 40})))(t)
	foreign := must(ParseProof(other.prove(t, RowQuery{Tenant: tenantA, Seq: 7})))(t)
	rehash := func(p *Proof) {
		row := p.Row.row()
		p.Row.Hash = HexHash(RowHash(Hash(p.PrevHash), &row))
	}
	for name, c := range map[string]struct {
		change func(*Proof)
		want   string
	}{
		"another content":                 {func(p *Proof) { p.Row.Outcome = "denied" }, RowModified},
		"another content, hashed anew":    {func(p *Proof) { p.Row.Outcome = "denied"; rehash(p) }, RootMismatch},
		"another row before, hashed anew": {func(p *Proof) { p.PrevHash[0]++; rehash(p) }, RootMismatch},
		"another tenant, hashed anew":     {func(p *Proof) { p.Row.TenantID = "nobody"; rehash(p) }, WrongTenant},
		"another seq, hashed anew":        {func(p *Proof) { p.Row.Seq++; rehash(p) }, RowReordered},
		"another month, hashed anew": {func(p *Proof) { p.Row.SealedAt += 40 * 86400 * 1e6; rehash(p) },
			WrongPeriod},
		"the block of another row":     {func(p *Proof) { p.Beside = next.Beside }, RootMismatch},
		"a block of one row more":      {func(p *Proof) { p.Beside = append(p.Beside, p.Row.Hash) }, RootMismatch},
		"a block of one row less":      {func(p *Proof) { p.Beside = p.Beside[1:] }, RootMismatch},
		"the path of another row":      {func(p *Proof) { p.Path, p.Index = next.Path, next.Index }, RootMismatch},
		"a place beyond the part":      {func(p *Proof) { p.Index = 1 << 40 }, RootMismatch},
		"a negative place":             {func(p *Proof) { p.Index = -1 }, RootMismatch},
		"no path":                      {func(p *Proof) { p.Path = nil }, RootMismatch},
		"the manifest of another part": {func(p *Proof) { p.Manifest = later.Manifest }, ManifestModified},
		"another part altogether": {func(p *Proof) { p.Manifest, p.LogPath = later.Manifest, later.LogPath },
			RootMismatch},
		"a changed manifest": {func(p *Proof) {
			p.Manifest = strings.Replace(p.Manifest, `"rows": 30`, `"rows": 31`, 1)
		}, ManifestModified},
		"the checkpoint of another log": {func(p *Proof) { p.Checkpoint = foreign.Checkpoint }, UntrustedKey},
		"no signature": {func(p *Proof) { p.Checkpoint, _, _ = strings.Cut(p.Checkpoint, "—") },
			Unsigned},
	} {
		p := valid
		p.Beside, p.Path, p.LogPath = slices.Clone(valid.Beside), slices.Clone(valid.Path), slices.Clone(valid.LogPath)
		c.change(&p)
		r := must(CheckProof(must(p.Marshal())(t), f.signer.Key()))(t)
		if r.Verdict != Invalid ||
			!slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Status == c.want }) {
			t.Errorf("%s: %s %v, want %s", name, r.Verdict, r.Findings, c.want)
		}
	}
	if r := must(CheckProof(must(valid.Marshal())(t), other.signer.Key()))(t); r.Verdict != Invalid ||
		r.Findings[0].Status != UntrustedKey {
		t.Errorf("under another key: %s %v", r.Verdict, r.Findings)
	}
	valid.Version = "ward-proof/v2"
	if _, err := CheckProof(must(valid.Marshal())(t), f.signer.Key()); !errors.Is(err, errUnsupported) {
		t.Errorf("another version: %v", err)
	}
}

// A proof has hashes of other rows in it. Somebody who guesses all of such a row but its nonce cannot tell that the
// guess is right.
func TestProofHidesItsNeighbours(t *testing.T) {
	f := build(t)
	rows := f.rows(t)
	confirmed := func(p *Proof, guess Row, prev Hash) bool {
		hash := RowHash(prev, &guess)
		m := must(ParseManifest([]byte(p.Manifest)))(t)
		return slices.Contains(p.Beside, HexHash(hash)) ||
			slices.ContainsFunc(m.Tenants, func(s TenantSpan) bool { return s.LastHash == HexHash(hash) })
	}
	known := 0
	for i := range rows[:len(rows)-1] {
		next := rows[i+1]
		if next.TenantID != rows[i].TenantID || next.Seq != rows[i].Seq+1 {
			continue
		}
		p := must(ParseProof(f.prove(t, RowQuery{Tenant: rows[i].TenantID, Seq: rows[i].Seq})))(t)
		if confirmed(&p, next, rows[i].Hash) {
			known++ // with the nonce the guess would be confirmed: that is what it is for
		}
		next.Nonce = Nonce{}
		if confirmed(&p, next, rows[i].Hash) {
			t.Fatalf("row %d: the row after it is confirmed by a guess", i)
		}
		if data := must(p.Marshal())(t); bytes.Contains(data, []byte(fmt.Sprintf("%x", rows[i+1].Nonce))) {
			t.Fatalf("row %d: the next row's nonce is in the proof", i)
		}
	}
	if known < 20 {
		t.Errorf("only %d proofs have the hash of the next row: the test is about those", known)
	}
}

// Of a store that was changed no proof is made.
func TestProveFromDamagedStore(t *testing.T) {
	f := build(t)
	first := f.parts[0]
	data := f.read(t, first.Path)
	data[len(data)/2] ^= 1
	f.overwrite(t, first.Path, data)
	for _, q := range []RowQuery{{Tenant: tenantA, Seq: 3}, {EventID: 7 * 20}} {
		if _, err := Prove(t.Context(), f.store, q, nil, f.signer.Key()); !errors.Is(err, ErrDamaged) {
			t.Errorf("%+v: %v, want ErrDamaged", q, err)
		}
	}
	f.remove(t, first.ManifestPath())
	if _, err := Prove(t.Context(), f.store, RowQuery{Tenant: tenantA, Seq: 3}, nil,
		f.signer.Key()); !errors.Is(err, ErrDamaged) {
		t.Errorf("manifest gone: %v", err)
	}
	// what the missing manifest was, the next one says: rows elsewhere can still be proven
	if r := must(CheckProof(f.prove(t, RowQuery{Tenant: tenantA, Seq: 40}), f.signer.Key()))(t); r.Verdict != Valid {
		t.Errorf("manifest gone, a row of another part: %s", r.Verdict)
	}
	if _, err := Prove(t.Context(), f.store, RowQuery{Tenant: tenantA, Seq: 40}, nil,
		newSigner(t).Key()); !errors.Is(err, errUntrustedKey) {
		t.Errorf("another key: %v", err)
	}
}

// Paths are tlog's, for every size and place.
func TestPaths(t *testing.T) {
	var stored []tlog.Hash
	reader := tlog.HashReaderFunc(func(ix []int64) ([]tlog.Hash, error) {
		var out []tlog.Hash
		for _, i := range ix {
			out = append(out, stored[i])
		}
		return out, nil
	})
	var leaves []Hash
	for size := int64(1); size < 40; size++ {
		h := Hash{byte(size)}
		leaves = append(leaves, manifestLeaf(h[:]))
		stored = append(stored, must(tlog.StoredHashes(size-1, h[:], reader))(t)...)
		for index := range size {
			p := newPathTo(index, size)
			for i, leaf := range leaves {
				p.add(int64(i), leaf)
			}
			want := must(tlog.ProveRecord(size, index, reader))(t)
			got := p.hashes()
			if len(got) != len(want) {
				t.Fatalf("%d of %d: %d hashes, want %d", index, size, len(got), len(want))
			}
			for i := range want {
				if Hash(got[i]) != Hash(want[i]) {
					t.Fatalf("%d of %d: another hash at %d", index, size, i)
				}
			}
		}
	}
}

func FuzzProof(f *testing.F) {
	x := build(f)
	f.Add(x.prove(f, RowQuery{Tenant: tenantA, Seq: 1}))
	f.Add(x.prove(f, RowQuery{Tenant: tenantC, Seq: 7}))
	key := x.signer.Key()
	proven := map[HexHash]bool{}
	for _, r := range x.rows(f) {
		proven[HexHash(r.Hash)] = true
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if r, err := CheckProof(data, key); err == nil && r.Verdict == Valid && !proven[r.Row.Hash] {
			t.Errorf("proves row %s", r.Row.Hash)
		}
	})
}
