package audit_test

import (
	"errors"
	"testing"
	"time"

	"github.com/ward-health/ward/archive"
	"github.com/ward-health/ward/audit"
	"github.com/ward-health/ward/internal/wardtest"
)

// A proof is a look at an event: recorded in the event's clinic before the store is read, within the reviewer's reach
// only.
func TestProve(t *testing.T) {
	h := newHarbour(t)
	h.sealAt(h.now)
	h.ship()
	newest := "select max(event_id) from audit.chain c join tenancy.tenant t on t.id = c.tenant_id where t.slug = $1"
	event := wardtest.One[int64](h.e, newest, "harbor")
	ana := h.e.Reviewer("ana")
	prove := func(event int64, tenant string) (*archive.Proof, error) {
		return audit.Prove(t.Context(), ana, h.store, event, tenant, nil, h.signer.Key())
	}
	p, err := prove(event, "")
	if err != nil {
		t.Fatal(err)
	}
	data, err := p.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if r, err := archive.CheckProof(data, h.signer.Key()); err != nil || r.Verdict != archive.Valid ||
		r.Row.EventID != event {
		t.Fatalf("%+v, %v", r, err)
	}
	looks := "select count(*) from audit.event e join tenancy.tenant t on t.id = e.tenant_id join tenancy.users u " +
		"on u.id = e.user_id where u.slug = $1 and e.action = 'prove' and t.slug = 'harbor'"
	if n := wardtest.One[int](h.e, looks, "ana"); n != 1 {
		t.Fatalf("%d prove events at harbor, want 1", n)
	}
	// an event that is sealed and not shipped
	h.insert(h.e.TenantID("harbor"), 1)
	h.sealAt(h.now.Add(time.Second))
	if _, err := prove(wardtest.One[int64](h.e, newest, "harbor"), ""); !errors.Is(err, archive.ErrNoRow) {
		t.Fatalf("not shipped: %v", err)
	}
	// an event that the database does not have, for which the clinic is named
	if _, err := prove(1<<40, ""); err == nil {
		t.Fatal("an event of nowhere was proven")
	}
	if _, err := prove(1<<40, "harbor"); !errors.Is(err, archive.ErrNoRow) {
		t.Fatalf("of a pruned month: %v", err)
	}
	// beyond reach: omar's is cedar, and his role proves nothing even there
	if _, err := audit.Prove(t.Context(), h.e.Reviewer("omar"), h.store, event, "", nil, h.signer.Key()); err == nil {
		t.Fatal("omar proved an event")
	}
	if n := wardtest.One[int](h.e, looks, "omar"); n != 0 {
		t.Fatalf("%d prove events of omar's", n)
	}
}
