package archive

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
)

// rotated is an archive of six parts, of which the first three checkpoints are signed by one key, the next two by
// another, the last by a third.
func rotated(t testing.TB) (f *fixture, signers [3]*Signer) {
	t.Helper()
	f = newFixture(t)
	signers = [3]*Signer{f.signer, newSigner(t), newSigner(t)}
	for i, parts := range []int{3, 2, 1} {
		var previous []*Signer
		if i > 0 {
			previous = signers[i-1 : i]
		}
		l := must(OpenLog(t.Context(), f.store, testRegion, testOrigin, signers[i], previous...))(t)
		l.Now = func() time.Time { return testNow }
		for range parts {
			f.append(t, l, "2026-01", f.chains.next(tenantA, "2026-01", 4), f.chains.next(tenantB, "2026-01", 2))
		}
		if err := l.PublishHeads(t.Context(), f.chains.heads(), testNow.Add(time.Duration(i)*time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	return f, signers
}

func keys(s ...*Signer) func(*VerifyOptions) {
	return func(o *VerifyOptions) {
		o.Keys = nil
		for _, x := range s {
			o.Keys = append(o.Keys, x.Key())
		}
	}
}

// Whichever of a log's keys an auditor was given, it leads through the whole log, and a head seen under one key is
// known under the others.
func TestRotation(t *testing.T) {
	f, signers := rotated(t)
	for i, s := range signers {
		for _, h := range f.heads {
			r := f.verify(t, keys(s), expect(h))
			wants(t, r, Valid)
			if !r.FreshnessProven || r.Rows != 36 || r.Head.KeyFingerprint != signers[2].Key().Fingerprint() {
				t.Errorf("key %d, head %d: %s", i, h.Size, describe(r))
			}
		}
		months, heads, err := Summarize(t.Context(), f.store, s.Key())
		if err != nil || len(months) != 1 || heads[0].Size != 6 {
			t.Errorf("key %d: %v %v, %v", i, months, heads, err)
		}
		p := must(Prove(t.Context(), f.store, RowQuery{Tenant: tenantA, Seq: 2}, nil, s.Key()))(t)
		for j, checker := range signers {
			if r := must(CheckProof(must(p.Marshal())(t), checker.Key()))(t); r.Verdict != Valid {
				t.Errorf("key %d: proof checked with key %d: %s", i, j, r.Verdict)
			}
		}
		p.Keys = p.Keys[:1]
		if r := must(CheckProof(must(p.Marshal())(t), signers[0].Key()))(t); r.Verdict != Invalid {
			t.Errorf("key %d: a proof with a note left out is %s", i, r.Verdict)
		}
	}
	wants(t, f.verify(t, keys(newSigner(t))), Invalid, "UNTRUSTED_KEY")
}

// An old key signs nothing more, and a new one nothing before its time.
func TestKeyOutOfRange(t *testing.T) {
	sign := func(t *testing.T, f *fixture, size int64, s *Signer) {
		h := must(signCheckpoint(testOrigin, size, f.heads[size-1].root, s))(t)
		f.overwrite(t, checkpointPath(testRegion, size), []byte(h.Checkpoint))
	}
	for name, c := range map[string]struct {
		size int64
		key  int
	}{"the first key, after the second took over": {4, 0}, "the second key, at the head": {6, 1},
		"the second key, before it took over": {3, 1}, "the third, before": {5, 2}} {
		for i := range 3 {
			f, signers := rotated(t)
			sign(t, f, c.size, signers[c.key])
			if r := f.verify(t, keys(signers[i])); r.Verdict != Invalid || r.Findings[0].Status != KeyOutOfRange ||
				r.Findings[0].Part != checkpointPath(testRegion, c.size) {
				t.Errorf("%s, to one who trusts key %d: %s", name, i, describe(r))
			}
		}
	}
	// without the note nothing says that the later key is the log's
	f, signers := rotated(t)
	f.remove(t, keysPath(testRegion, 4))
	wants(t, f.verify(t, keys(signers[0])), Invalid, "UNTRUSTED_KEY")
	// the first key's thief writes a note of his own, by which his key would have followed earlier
	f, signers = rotated(t)
	thief := newSigner(t)
	for _, from := range []int64{3, 5} {
		s := succession{origin: testOrigin, from: from, micros: 1, old: signers[0].Key(), next: thief.Key()}
		f.overwrite(t, keysPath(testRegion, from), must(signSuccession(&s, signers[0], thief))(t))
		wants(t, f.verify(t, keys(signers[0])), Invalid, "KEY_OUT_OF_RANGE")
		f.remove(t, keysPath(testRegion, from))
	}
}

// A note about keys counts as it was written, signed by both.
func TestChangedSuccession(t *testing.T) {
	f, signers := rotated(t)
	path := keysPath(testRegion, 4)
	data := f.read(t, path)
	for i := range data {
		bad := bytes.Clone(data)
		bad[i] ^= 1
		f.overwrite(t, path, bad)
		if r := f.verify(t, keys(signers[0])); r.Verdict != Invalid {
			t.Fatalf("byte %d, %q: %s", i, data[i], describe(r))
		}
	}
	s := must(openSuccession(data))(t)
	for name, other := range map[string][]byte{
		"by the old key alone": must(note.Sign(&note.Note{Text: s.text()}, signers[0]))(t),
		"by the new key alone": must(note.Sign(&note.Note{Text: s.text()}, signers[1]))(t),
		"of another log":       []byte(strings.Replace(string(data), testOrigin, "ward/other/eu", 1)),
		"empty":                nil,
	} {
		f.overwrite(t, path, other)
		if r := f.verify(t, keys(signers[0])); r.Verdict != Invalid {
			t.Errorf("%s: %s", name, describe(r))
		}
	}
	// at another place than it speaks of
	f.overwrite(t, path, data)
	f.overwrite(t, keysPath(testRegion, 5), data)
	wants(t, f.verify(t, keys(signers[0])), Invalid, "WRONG_LOG "+keysPath(testRegion, 5))
}

// Who may go on writing.
func TestSuccession(t *testing.T) {
	f, signers := rotated(t)
	open := func(s *Signer, previous ...*Signer) error {
		_, err := OpenLog(t.Context(), f.store, testRegion, testOrigin, s, previous...)
		return err
	}
	if err := open(signers[2]); err != nil {
		t.Errorf("the log's key: %v", err)
	}
	if err := open(signers[2], signers[1]); err != nil {
		t.Errorf("with the one before it still at hand: %v", err)
	}
	for name, err := range map[string]error{
		"a key that was replaced":           open(signers[1]),
		"one that was replaced before that": open(signers[0]),
		"back to a replaced one":            open(signers[1], signers[2]),
		"a new key without the log's":       open(newSigner(t)),
		"a new key with an old one":         open(newSigner(t), signers[0]),
	} {
		if !errors.Is(err, ErrReplaced) {
			t.Errorf("%s: %v, want ErrReplaced", name, err)
		}
	}
	// a note whose run ended before it signed anything is taken up
	next := newSigner(t)
	for range 2 {
		l := must(OpenLog(t.Context(), f.store, testRegion, testOrigin, next, signers[2]))(t)
		if err := l.takeOver(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := open(newSigner(t), signers[2]); !errors.Is(err, ErrReplaced) {
		t.Errorf("a second successor: %v", err)
	}
	l := must(OpenLog(t.Context(), f.store, testRegion, testOrigin, next))(t)
	f.append(t, l, "2026-01", f.chains.next(tenantA, "2026-01", 1))
	wants(t, f.verify(t, keys(signers[0])), Valid)
}

func FuzzSuccession(f *testing.F) {
	x, _ := rotated(f)
	f.Add(x.read(f, keysPath(testRegion, 4)))
	f.Add([]byte("ward-key/v1\nward/test/eu\n4\n5\na\nb\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if s, err := parseSuccessionText(string(data)); err == nil && s.text() != string(data) {
			t.Errorf("%q became %q", data, s.text())
		}
		if s, err := openSuccession(data); err == nil && !bytes.HasPrefix(data, []byte(s.text())) {
			t.Errorf("%q was taken for %q", data, s.text())
		}
	})
}
