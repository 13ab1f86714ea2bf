package archive

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/parquet-go/parquet-go"
)

// manyTexts are rows of two tenants over a row group's border, with columns of one text, of a few, of as many as there
// are rows, of the empty text, and of none.
func manyTexts() []Row {
	c := chains{}
	rows := append(c.next(tenantA, "2026-01", rowGroupRows-1000), c.next(tenantB, "2026-01", 3000)...)
	var pos Position
	for i := range rows {
		r := &rows[i]
		if r.Seq == 1 {
			pos = Position{0, Genesis(r.TenantID)}
		}
		r.DisclosureID, r.SubjectID, r.Purpose = ptr(fmt.Sprintf("%032d", i)), ptr(fmt.Sprint(i*7919%1009)), nil
		if i%11 == 0 {
			r.SubjectID = ptr("")
		}
		r.Hash = RowHash(pos.Hash, r)
		pos = Position{r.Seq, r.Hash}
	}
	return rows
}

// What is written column by column, through dictionaries of our own and in one file for each row group first, is to the
// byte what parquet-go makes of the rows.
func TestWrittenAsByParquet(t *testing.T) {
	rows := manyTexts()
	var ours, theirs bytes.Buffer
	w := must(NewPartWriter(&ours, PartInfo{Region: "eu", Month: "2026-01", Part: 1}))(t)
	if err := w.Write(rows); err != nil {
		t.Fatal(err)
	}
	must(w.Close())(t)
	p := parquet.NewGenericWriter[Row](&theirs, partOptions()...)
	must(p.Write(rows))(t)
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if ours.Len() < 100_000 || !bytes.Equal(ours.Bytes(), theirs.Bytes()) {
		t.Errorf("%d bytes, parquet-go makes %d others", ours.Len(), theirs.Len())
	}
}

// A part that is not what was checked while it was written is refused before it is stored: with a bit changed in each
// column of each row group, with a row group less, and with the rows of another part.
func TestWrittenIsChecked(t *testing.T) {
	rows := manyTexts()
	info := PartInfo{Region: "eu", Month: "2026-01", Part: 1}
	name := filepath.Join(t.TempDir(), "part")
	f := must(os.Create(name))(t)
	defer f.Close()
	w := must(NewPartWriter(f, info))(t)
	checks := must(newGroupChecks(t.Context(), &info))(t)
	w.unhashed, w.groups.ended = true, checks.take
	if err := w.Write(rows); err != nil {
		t.Fatal(err)
	}
	m := must(w.Close())(t)
	if err := checks.finish(f, &m); err != nil {
		t.Fatal("as it was written: ", err)
	}
	data := must(os.ReadFile(name))(t)
	refused := func(what string, data []byte) {
		t.Helper()
		changed := m
		changed.Bytes = int64(len(data))
		if err := checks.finish(bytes.NewReader(data), &changed); !errors.Is(err, errStructure) {
			t.Errorf("%s: %v", what, err)
		}
	}
	groups := must(openPart(f, m.Bytes))(t).groups()
	if len(groups) != 2 {
		t.Fatalf("%d row groups", len(groups))
	}
	for i, g := range groups {
		for c := range g.columns {
			other := bytes.Clone(data)
			other[chunkStart(&g.columns[c].MetaData)+g.columns[c].MetaData.TotalCompressedSize-1] ^= 1
			refused(fmt.Sprintf("row group %d, column %d", i, c), other)
		}
	}
	for what, rows := range map[string][]Row{"fewer rows": rows[:rowGroupRows],
		"other rows": append(rows[:rowGroupRows:rowGroupRows], rows[:2000]...)} {
		other, _ := forge(t, m, rows)
		refused(what, other)
	}
}
