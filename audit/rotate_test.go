package audit_test

import (
	"errors"
	"testing"
	"time"

	"github.com/ward-health/ward/archive"
	"github.com/ward-health/ward/internal/wardtest"
)

// A shipper with a new key takes over with the old one at hand; from then on the old one ships nothing.
func TestShipperTakesANewKey(t *testing.T) {
	h := newHarbour(t)
	h.sealAt(h.now)
	h.ship()
	old := h.signer
	text, _, err := archive.GenerateKey(archive.Origin("test", wardtest.Region))
	if err != nil {
		t.Fatal(err)
	}
	if h.signer, err = archive.NewSigner(text); err != nil {
		t.Fatal(err)
	}
	h.insert(h.e.TenantID("cedar"), 3)
	h.sealAt(h.now.Add(time.Second))
	if _, err := h.shipper(h.store).Ship(t.Context()); !errors.Is(err, archive.ErrReplaced) {
		t.Fatalf("a new key alone: %v", err)
	}
	s := h.shipper(h.store)
	s.Previous = []*archive.Signer{old}
	if done, err := s.Ship(t.Context()); err != nil || len(done) != 1 {
		t.Fatalf("%d parts, %v", len(done), err)
	}
	h.arrived(h.store)
	h.insert(h.e.TenantID("cedar"), 1)
	h.sealAt(h.now.Add(2 * time.Second))
	late := h.shipper(h.store)
	late.Signer = old
	if _, err := late.Ship(t.Context()); !errors.Is(err, archive.ErrReplaced) {
		t.Fatalf("the old key: %v", err)
	}
	h.ship()
	h.arrived(h.store)
	for _, key := range []archive.Key{old.Key(), h.signer.Key()} {
		h.valid(h.verify(h.store, func(o *archive.VerifyOptions) { o.Keys = []archive.Key{key} }))
	}
}
