package archive

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// proofOutcomes is what each kind of change to a proof comes out as: refused is an error, all else are statuses.
var proofOutcomes = map[string]string{
	"flip": "refused ROW_MODIFIED ROOT_MISMATCH WRONG_TENANT ROW_REORDERED WRONG_PERIOD " +
		"MANIFEST_MODIFIED UNSIGNED UNTRUSTED_KEY UNSUPPORTED",
	"cut":                          "refused",
	"another row":                  "ROW_MODIFIED ROOT_MISMATCH ROW_REORDERED WRONG_TENANT WRONG_PERIOD",
	"another previous hash":        "ROW_MODIFIED",
	"another place":                "ROOT_MISMATCH ROW_REORDERED",
	"another block":                "ROOT_MISMATCH",
	"another path":                 "ROOT_MISMATCH",
	"another manifest":             "MANIFEST_MODIFIED ROOT_MISMATCH WRONG_TENANT WRONG_PERIOD",
	"another log path":             "MANIFEST_MODIFIED",
	"another checkpoint":           "MANIFEST_MODIFIED",
	"checkpoint by a stranger":     "UNTRUSTED_KEY",
	"checkpoint by the other key":  "KEY_OUT_OF_RANGE",
	"no note about keys":           "UNTRUSTED_KEY",
	"a stranger's note about keys": "UNTRUSTED_KEY",
}

// hostileProofs shows an auditor, who has the log's first key, proofs of rows under either key with every kind of
// change.
func hostileProofs(t *testing.T, g *attacker) {
	proofs := []Proof{}
	for _, q := range []RowQuery{{Tenant: g.manifests[0].Tenants[0].TenantID, Seq: 3},
		{Tenant: g.manifests[0].Tenants[0].TenantID, Seq: 4},
		{Tenant: g.manifests[7].Tenants[1].TenantID, Seq: g.manifests[7].Tenants[1].LastSeq}} {
		proofs = append(proofs, *must(Prove(t.Context(), g.store, q, nil, g.first.Key()))(t))
	}
	older := must(Prove(t.Context(), g.stateAt(6), RowQuery{Tenant: proofs[0].Row.TenantID, Seq: 3}, nil,
		g.first.Key()))(t)
	seen := map[string]map[string]bool{}
	attacks, step, least := 0, 7, 3000
	if everyByte {
		step, least = 1, 20000
	}
	check := func(kind string, data []byte) {
		attacks++
		if seen[kind] == nil {
			seen[kind] = map[string]bool{}
		}
		allowed := strings.Fields(proofOutcomes[kind])
		r, err := CheckProof(data, g.first.Key())
		statuses := []string{"refused"}
		if err == nil {
			statuses = nil
			for _, f := range r.Findings {
				statuses = append(statuses, f.Status)
			}
			if r.Verdict == Valid || len(statuses) == 0 {
				t.Errorf("%s: %s", kind, r.Verdict)
			}
		}
		for _, s := range statuses {
			if seen[kind][s] = true; !slices.Contains(allowed, s) {
				t.Errorf("%s: %s %v", kind, s, r)
			}
		}
	}
	for _, p := range append(proofs, *older) {
		data := must(p.Marshal())(t)
		if r := must(CheckProof(data, g.first.Key()))(t); r.Verdict != Valid {
			t.Fatalf("the proof itself: %s %v", r.Verdict, r.Findings)
		}
		for i := 0; i < len(data); i += step {
			for _, bit := range []byte{1, 0x20} {
				bad := bytes.Clone(data)
				bad[i] ^= bit
				check("flip", bad)
			}
		}
		for _, n := range lineEnds(data) {
			check("cut", data[:n])
		}
	}
	for name, change := range proofChanges(g, older) {
		for i := range proofs {
			for j := range proofs {
				p := proofs[i]
				if i != j && change(&p, &proofs[j]) {
					check(name, must(p.Marshal())(t))
				}
			}
		}
	}
	for kind, list := range proofOutcomes {
		for s := range strings.FieldsSeq(list) {
			if !seen[kind][s] && everyByte {
				t.Errorf("proof, %s: never came out as %s", kind, s)
			}
		}
	}
	if t.Logf("%d changed proofs", attacks); attacks < least {
		t.Errorf("only %d changed proofs", attacks)
	}
}

// proofChanges are the lies that take a part from another proof or a signature from another key. False: there is no
// such lie about p.
func proofChanges(g *attacker, older *Proof) map[string]func(p, other *Proof) bool {
	resigned := func(p *Proof, s *Signer) bool {
		text, _, _ := strings.Cut(p.Checkpoint, "\n\n")
		h, err := parseCheckpointText(text + "\n")
		if err != nil {
			g.t.Fatal(err)
		}
		p.Checkpoint = must(signCheckpoint(h.Origin, h.Size, h.root, s))(g.t).Checkpoint
		return true
	}
	return map[string]func(p, other *Proof) bool{
		"another row":           func(p, o *Proof) bool { p.Row = o.Row; return true },
		"another previous hash": func(p, o *Proof) bool { p.PrevHash = o.PrevHash; return true },
		"another place": func(p, o *Proof) bool {
			p.Index = o.Index
			return p.Index != o.Index || p.Manifest != o.Manifest
		},
		"another block": func(p, o *Proof) bool { p.Beside = o.Beside; return true },
		"another path": func(p, o *Proof) bool {
			same := slices.Equal(p.Path, o.Path)
			p.Path = o.Path
			return !same
		},
		"another manifest": func(p, o *Proof) bool {
			same := p.Manifest == o.Manifest
			p.Manifest = o.Manifest
			return !same
		},
		"another log path": func(p, o *Proof) bool {
			same := p.Manifest == o.Manifest
			p.LogPath = o.LogPath
			return !same
		},
		"another checkpoint":          func(p, _ *Proof) bool { p.Checkpoint = older.Checkpoint; return true },
		"checkpoint by a stranger":    func(p, _ *Proof) bool { return resigned(p, g.stranger) },
		"checkpoint by the other key": func(p, _ *Proof) bool { return resigned(p, g.first) },
		"no note about keys":          func(p, _ *Proof) bool { p.Keys = nil; return true },
		"a stranger's note about keys": func(p, _ *Proof) bool {
			s := succession{origin: goldenOrigin, from: 7, micros: 1, old: g.first.Key(), next: g.stranger.Key()}
			data, err := signSuccession(&s, g.stranger, g.stranger)
			if err != nil {
				data = fmt.Append(nil, err)
			}
			p.Keys = []string{string(data)}
			return true
		},
	}
}
