package archive

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"testing"
)

// pageHeader is a data page's header in Thrift's compact protocol, and the beginning of a zstd frame of 5 bytes.
func pageHeader(uncompressed, compressed, values int64) []byte {
	b := []byte{0x15, 0}                                   // 1: i32 type
	b = binary.AppendVarint(append(b, 0x15), uncompressed) // 2
	b = binary.AppendVarint(append(b, 0x15), compressed)   // 3
	b = binary.AppendVarint(append(b, 0x2c, 0x15), values) // 5: struct, 1
	return append(b, 0, 0, 0x28, 0xb5, 0x2f, 0xfd, 0x20, 5, 0x29, 0, 0, 1, 2, 3, 4, 5)
}

// pageHeaderV2 is the same for a data page of version 2, whose levels of as many bytes stand before the frame and are
// not compressed.
func pageHeaderV2(compressed, definition, repetition int64) []byte {
	b := []byte{0x15, 6, 0x15, 10} // 1: i32 type, 2: i32
	b = binary.AppendVarint(append(b, 0x15), compressed)
	b = append(b, 0x5c, 0x15, 10) // 8: struct, 1
	b = binary.AppendVarint(append(b, 0x45), definition)
	b = binary.AppendVarint(append(b, 0x15), repetition)
	b = append(b, 0, 0)
	b = append(b, make([]byte, max(0, min(definition+repetition, 9000)))...)
	return append(b, 0x28, 0xb5, 0x2f, 0xfd, 0x20, 5, 0x29, 0, 0, 1, 2, 3, 4, 5)
}

// claims looks at a page as checkChunk does.
func claims(b []byte, room int64) (pageSizes, error) {
	p, err := checkPage(b, room)
	if err == nil {
		err = checkFrame(bytes.NewReader(b), p.header+p.levels, p.compressed-p.levels)
	}
	return p, err
}

// A page that claims more than there is, or than it may have, is refused before anything is allocated for it.
func TestPageClaims(t *testing.T) {
	const frame = 14
	if p, err := claims(pageHeader(5, frame, 5), 1000); err != nil || p.uncompressed != 5 || p.compressed != frame {
		t.Fatalf("%+v, %v", p, err)
	}
	// Levels may be longer than what is read of a header.
	if p, err := claims(pageHeaderV2(9000+frame, 8990, 10), 10000); err != nil || p.levels != 9000 ||
		p.compressed != 9000+frame {
		t.Fatalf("%+v, %v", p, err)
	}
	small, large := []byte{0x20, 5}, []byte{0xa0, 0xff, 0xff, 0xff, 0x7f}
	for name, b := range map[string][]byte{
		"2 GB uncompressed":     pageHeader(1<<31-1, frame, 5),
		"negative":              pageHeader(-1, frame, 5),
		"longer than the file":  pageHeader(5, 10001, 5),
		"more values than rows": pageHeader(5, frame, rowGroupRows+1),
		"less than no values":   pageHeader(5, frame, -1<<40),
		"nothing":               {},
		"cut":                   pageHeader(5, frame, 5)[:5],
		"a text of 2 GB":        {0x18, 0xff, 0xff, 0xff, 0xff, 0x07, 0},
		"a list of 2 G structs": {0x19, 0xfc, 0xff, 0xff, 0xff, 0xff, 0x07, 0},
		"structs without end":   bytes.Repeat([]byte{0x1c}, 100),
		"a map":                 {0x1b, 0, 0},
		"a frame of 2 GB":       bytes.Replace(pageHeader(5, frame, 5), small, large, 1),
		"2 GB behind levels":    bytes.Replace(pageHeaderV2(9000+frame, 8990, 10), small, large, 1),
		"levels before it":      pageHeaderV2(frame, -5, 5),
		"levels beyond it":      pageHeaderV2(frame, 10, 5),
		"a number without end":  []byte("\x15" + strings.Repeat("\xff", 20)),
	} {
		if p, err := claims(b, 10000); !errors.Is(err, errStructure) {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
	}
}

// Rows with long details make small pages, which a reader takes.
func TestLongDetails(t *testing.T) {
	rows := chains{}.next(tenantA, "2026-01", 40)
	pos := Position{0, Genesis(tenantA)}
	for i := range rows {
		rows[i].Detail = ptr(`"` + strings.Repeat("x", 3<<20) + `"`)
		rows[i].Hash = RowHash(pos.Hash, &rows[i])
		pos = Position{rows[i].Seq, rows[i].Hash}
	}
	var file bytes.Buffer
	w := must(NewPartWriter(&file, PartInfo{Region: "eu", Month: "2026-01", Part: 1}))(t)
	if err := w.Write(rows); err != nil {
		t.Fatal(err)
	}
	m := must(w.Close())(t)
	check := must(newPartCheck(m.Month, manifestPositions(&m), 1))(t)
	facts, found, err := check.run(t.Context(), bytes.NewReader(file.Bytes()), int64(file.Len()))
	if err != nil || len(found.list) > 0 || facts.rows != 40 {
		t.Errorf("%v, %v", found, err)
	}
}
