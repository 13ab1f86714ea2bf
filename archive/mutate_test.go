package archive

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/parquet-go/parquet-go"
)

// TestMutatedParts parses parts with a few bits changed, as --diagnose does: each is refused or reported, never
// believed.
func TestMutatedParts(t *testing.T) {
	f := build(t)
	m := f.parts[0]
	data := f.read(t, m.Path)
	rnd := rand.New(rand.NewPCG(1, 2))
	refused, reported := 0, 0
	for range 1500 {
		bad := bytes.Clone(data)
		for range 1 + rnd.IntN(3) {
			bad[rnd.IntN(len(bad))] ^= 1 << rnd.IntN(8)
		}
		check := must(newPartCheck(m.Month, manifestPositions(&m), 1))(t)
		facts, found, err := check.run(t.Context(), bytes.NewReader(bad), int64(len(bad)))
		if err != nil {
			refused++
			continue
		}
		if facts.compare(&m, found); len(found.list) > 0 {
			reported++
		} else if facts.tree.root() != Hash(m.MerkleRoot) {
			t.Fatal("other rows were believed")
		}
	}
	if refused == 0 {
		t.Errorf("%d refused, %d reported", refused, reported)
	}
	t.Logf("%d refused, %d reported", refused, reported)
}

// TestOtherCodec refuses compression whose decoder can be made to exhaust memory, before anything is decoded.
func TestOtherCodec(t *testing.T) {
	var buf bytes.Buffer
	w := parquet.NewGenericWriter[Row](&buf, parquet.Compression(&parquet.Lz4Raw))
	if _, err := w.Write(chains{}.next(tenantA, "2026-01", 3)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := openPart(bytes.NewReader(buf.Bytes()), int64(buf.Len())); !errors.Is(err, errStructure) {
		t.Errorf("got %v, want errStructure", err)
	}
}
