package audit_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/ward-health/ward/archive"
	"github.com/ward-health/ward/audit"
	"github.com/ward-health/ward/internal/wardtest"
)

// counting is a store that says whether it was looked at, and may be broken.
type counting struct {
	archive.Store
	looks  int
	broken error
	onList func()
}

func (c *counting) List(ctx context.Context, prefix string) ([]archive.Object, error) {
	c.looks++
	if c.onList != nil {
		c.onList()
	}
	if c.broken != nil {
		return nil, c.broken
	}
	return c.Store.List(ctx, prefix)
}

func (c *counting) Open(ctx context.Context, path string) (archive.Blob, error) {
	c.looks++
	return c.Store.Open(ctx, path)
}

// verifications are the events of verifying so far: "who what".
func (l *ledger) verifications() []string {
	l.t.Helper()
	return wardtest.One[[]string](l.e, `select
		coalesce(array_agg(u.slug || ' ' || coalesce(e.detail::jsonb ->> 'verdict', 'begins') order by e.event_id),
		'{}')
		from audit.event e join tenancy.users u on u.id = e.user_id where e.action = 'verify'`)
}

// TestVerifyIsRecorded: two events under the auditor, the first committed before the store is looked at.
func TestVerifyIsRecorded(t *testing.T) {
	h := newHarbour(t)
	h.insert(h.cedar, 5)
	h.sealAt(h.now)
	h.ship()
	ana := h.e.Reviewer("ana")
	opts := archive.VerifyOptions{Keys: []archive.Key{h.signer.Key()}, Months: []string{"2026-05"}, Now: h.now}
	store := &counting{Store: h.store}
	var early []string
	store.onList = func() {
		if early == nil {
			early = h.verifications()
		}
	}
	followed := false
	report, err := audit.Verify(t.Context(), ana, store, opts,
		func(*archive.Verification) { followed = store.looks == 0 })
	if err != nil || report.Verdict != archive.Valid || report.Rows == 0 || !followed {
		t.Fatalf("%+v, %v", report, err)
	}
	if !slices.Equal(early, []string{"ana begins"}) {
		t.Errorf("when the store was first looked at: %q", early)
	}
	if got := h.verifications(); !slices.Equal(got, []string{"ana begins", "ana valid"}) {
		t.Errorf("events %q", got)
	}
	if got := wardtest.One[string](h.e, "select concat_ws(' ', verdict, head_size, breaks, months, "+
		"finished_at >= started_at, store = '"+h.store.String()+
		"', region is null, tenant is null, found) from audit.verification"); got != "valid 1 0 {2026-05} t t t t {}" {
		t.Errorf("on record: %s", got)
	}

	h.remove(h.dir, h.verify(h.store).Parts[0].Path)
	if report, err := audit.Verify(t.Context(), ana, h.store, opts, nil); err != nil ||
		report.Verdict != archive.Invalid {
		t.Fatalf("%+v, %v", report, err)
	}
	if got := h.verifications(); !slices.Equal(got[2:], []string{"ana begins", "ana INVALID"}) {
		t.Errorf("events %q", got)
	}
	const last = "select %s from audit.verification order by started_at desc limit 1"
	if got := wardtest.One[string](h.e, fmt.Sprintf(last, "found::text")); got != `{"us-west/2026-05": "INVALID"}` {
		t.Errorf("found: %s", got)
	}
	// what is narrower than the month says so: it proves nothing about the rest
	opts.Tenant, opts.Region, opts.Months = h.cedar.String(), wardtest.Region, nil
	if _, err := audit.Verify(t.Context(), ana, h.store, opts, nil); err != nil {
		t.Fatal(err)
	}
	if got := wardtest.One[string](h.e, fmt.Sprintf(last, "tenant || ' ' || region")); got != opts.Tenant+" us-west" {
		t.Errorf("scope: %s", got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := audit.Verify(ctx, ana, h.store, opts, func(*archive.Verification) { cancel() }); err == nil {
		t.Fatal("a cancelled verification gave a report")
	}
	if got := wardtest.One[string](h.e,
		fmt.Sprintf(last, "verdict || ' ' || found")); got != `not proven {"": "not proven"}` {
		t.Errorf("cancelled: %s", got)
	}
}

// TestVerifyShowsNothingUnrecorded: without its beginning on record the store is not looked at, without its verdict no
// report is given.
func TestVerifyShowsNothingUnrecorded(t *testing.T) {
	h := newHarbour(t)
	h.insert(h.cedar, 5)
	h.sealAt(h.now)
	h.ship()
	opts := archive.VerifyOptions{Keys: []archive.Key{h.signer.Key()}, Now: h.now}
	verify := func(who string) (*archive.Report, int, error) {
		store := &counting{Store: h.store}
		report, err := audit.Verify(t.Context(), h.e.Reviewer(who), store, opts, nil)
		return report, store.looks, err
	}
	if report, looks, err := verify("omar"); err == nil || report != nil || looks != 0 {
		t.Errorf("an engineer: %v, %d looks, %v", report, looks, err)
	}
	super(t, h.e, "alter table audit.event add constraint full_disk check (action <> 'verify') not valid")
	if report, looks, err := verify("ana"); err == nil || report != nil || looks != 0 ||
		!strings.Contains(err.Error(), "begin verification") {
		t.Errorf("the beginning is not on record: %v, %d looks, %v", report, looks, err)
	}
	super(t, h.e, "alter table audit.event drop constraint full_disk, add constraint full_disk "+
		"check (action <> 'verify' or detail not like '%verdict%') not valid")
	if report, looks, err := verify("ana"); err == nil || report != nil || looks == 0 ||
		!strings.Contains(err.Error(), "record verdict") {
		t.Errorf("the verdict is not on record: %v, %d looks, %v", report, looks, err)
	}
	if got := h.verifications(); !slices.Equal(got, []string{"ana begins"}) {
		t.Errorf("events %q", got)
	}
}

// TestVerifyThatFails is on record as not proven.
func TestVerifyThatFails(t *testing.T) {
	h := newHarbour(t)
	opts := archive.VerifyOptions{Keys: []archive.Key{h.signer.Key()}, Now: h.now}
	ana := h.e.Reviewer("ana")
	if report, err := audit.Verify(t.Context(), ana, &counting{Store: h.store, broken: errStore}, opts,
		nil); !errors.Is(err, errStore) || report != nil {
		t.Errorf("a store that cannot be read: %v, %v", report, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	if report, err := audit.Verify(ctx, ana, &counting{Store: h.store, onList: cancel, broken: context.Canceled}, opts,
		nil); !errors.Is(err, context.Canceled) || report != nil {
		t.Errorf("cancelled: %v, %v", report, err)
	}
	if got := h.verifications(); !slices.Equal(got,
		[]string{"ana begins", "ana not proven", "ana begins", "ana not proven"}) {
		t.Errorf("events %q", got)
	}
}
