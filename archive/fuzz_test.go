package archive

import (
	"bytes"
	"context"
	"testing"
)

func FuzzManifest(f *testing.F) {
	x := build(f)
	for _, m := range x.parts {
		f.Add(must(m.Marshal())(f))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := ParseManifest(data)
		if err != nil {
			return
		}
		if again := must(m.Marshal())(t); !bytes.Equal(again, data) {
			t.Errorf("%q became %q", data, again)
		}
	})
}

func FuzzCheckpoint(f *testing.F) {
	x := build(f)
	for _, h := range x.heads {
		f.Add([]byte(h.Checkpoint))
	}
	signed := map[string]bool{}
	for _, h := range x.heads {
		signed[h.Checkpoint] = true
	}
	key := x.signer.Key()
	f.Fuzz(func(t *testing.T, data []byte) {
		h, err := parseCheckpointText(string(data))
		if err == nil && formatCheckpoint(h.Origin, h.Size, h.root) != string(data) {
			t.Errorf("%q is not in canonical form", data)
		}
		if h, err := ParseCheckpoint(data, key); err == nil && !knownText(signed, h) {
			t.Errorf("%q was accepted", data)
		}
	})
}

// knownText reports whether a checkpoint says what a signed one says; others may have added signatures of theirs.
func knownText(signed map[string]bool, h Head) bool {
	for s := range signed {
		if bytes.HasPrefix([]byte(s), []byte(formatCheckpoint(h.Origin, h.Size, h.root))) {
			return true
		}
	}
	return false
}

func FuzzHeads(f *testing.F) {
	f.Add("ward-heads/v1\nward/test/eu\n5\na 1 " + HexHash{}.String() + "\n")
	f.Fuzz(func(t *testing.T, text string) {
		if p, err := parseHeadsText(text); err == nil && p.text() != text {
			t.Errorf("%q became %q", text, p.text())
		}
	})
}

// FuzzPart reads arbitrary bytes as a part: it may refuse them, and must not panic.
func FuzzPart(f *testing.F) {
	x := build(f)
	for _, m := range x.parts {
		if !m.Empty {
			f.Add(must(readObject(context.Background(), x.store, m.Path))(f))
		}
	}
	m := x.parts[0]
	f.Fuzz(func(t *testing.T, data []byte) {
		check := must(newPartCheck(m.Month, manifestPositions(&m), 1))(t)
		facts, found, err := check.run(t.Context(), bytes.NewReader(data), int64(len(data)))
		if err == nil {
			facts.compare(&m, found)
			_ = verdictOf(found.done()) // what counts is that it returns
		}
	})
}

// FuzzCanonical checks that two rows that differ have different canonical bytes, however text is spread over columns.
func FuzzCanonical(f *testing.F) {
	f.Add("a", "b", "c", true, "a", "b", "c", false)
	f.Add("ab", "", "c", true, "a", "b", "c", true)
	f.Fuzz(func(t *testing.T, a1, a2, a3 string, aNull bool, b1, b2, b3 string, bNull bool) {
		row := func(x, y, z string, null bool) Row {
			r := Row{TenantID: x, Action: y, Purpose: &z, Source: x}
			if null {
				r.Purpose = nil
			}
			return r
		}
		a, b := row(a1, a2, a3, aNull), row(b1, b2, b3, bNull)
		same := a1 == b1 && a2 == b2 && aNull == bNull && (aNull || a3 == b3)
		if equal := bytes.Equal(AppendCanonical(nil, Hash{}, &a), AppendCanonical(nil, Hash{}, &b)); equal != same {
			t.Errorf("same row %v, same bytes %v", same, equal)
		}
	})
}

// FuzzPage reads arbitrary bytes as a page's header: what is let through fits into the limits.
func FuzzPage(f *testing.F) {
	x := build(f)
	data := must(readObject(context.Background(), x.store, x.parts[0].Path))(f)
	f.Add(data[4:])
	f.Add(data[4:200])
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := checkPage(data, int64(len(data)))
		if err == nil && (p.uncompressed > maxPage || p.uncompressed < 0 || p.compressed < 0 || p.header < 1 ||
			p.levels < 0 || p.levels > p.compressed || p.header+p.compressed > int64(len(data))) {
			t.Errorf("%+v of %d bytes", p, len(data))
		}
	})
}
