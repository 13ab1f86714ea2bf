package archive

import "testing"

const golden = "../testdata/archive/golden"

// The golden archive, which testdata/archive.sh rebuilds, is valid under either of its keys and has one of everything.
func TestGolden(t *testing.T) {
	store := must(OpenDir(golden))(t)
	for _, text := range []string{
		"ward/golden/eu+87902929+AWL1NdCSHqyfEVgWD322UDE/mHo2UlkOcUajTsQVecAV",
		"ward/golden/eu+976e0956+AZENt56XTTVTuWiLFHItB+M6vGBez5mzzju6SFwXhPFd",
	} {
		key := must(ParseKey(text))(t)
		r := must(NewVerification(store, VerifyOptions{Keys: []Key{key}}).Run(t.Context()))(t)
		wants(t, r, Valid)
		if r.Rows != 116 || r.Tenants != 3 || r.Head.Size != 8 {
			t.Errorf("under %s: %s", key.Fingerprint(), describe(r))
		}
	}
}
