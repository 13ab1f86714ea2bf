package review_test

import (
	"errors"
	"testing"

	"github.com/google/uuid"

	"github.com/ward-health/ward/internal/wardtest"
	"github.com/ward-health/ward/review"
	"github.com/ward-health/ward/tenancy"
)

// supervised leaves what the lists about the reviewers' own doings have: a suppression in force that held something
// back and one that waits, a person who is a patient, two accounts of one.
func (o *office) supervised(root *tenancy.Session, patient uuid.UUID) {
	o.t.Helper()
	ctx := o.t.Context()
	var ids []string
	for _, ticket := range []string{"=T-1", "T-2"} {
		s, err := review.Suppress(ctx, o.dana, review.NewSuppression{Rule: "A02", Tenant: "cedar", Actor: "carla",
			Reason: "a recall", Ticket: ticket, Days: 5})
		o.must(err)
		ids = append(ids, s.ID.String())
	}
	_, err := review.ApproveSuppression(ctx, o.eli, ids[0], "read the ticket")
	o.must(err)
	o.heldBack(ids[0])
	_, err = review.SupplyInput(ctx, root, "person_link", "cedar",
		[]review.InputRow{{User: "carla", Patient: patient.String()}})
	o.must(err)
	_, err = review.LinkAccounts(ctx, root, "carla", "hugo", "she moved and has his desk")
	o.must(err)
}

// heldBack makes a finding that a suppression holds back, on the newest sealed event of the clinic.
func (o *office) heldBack(suppression string) {
	o.t.Helper()
	id := o.anomaly("cedar", "B", "carla")
	o.do("update review.anomaly set state = 'suppressed', suppression_id = $2 where id = $1", id, suppression)
	o.evidence(id)
}

// takenBack ends, withdraws and parts all that supervised left; and approves what waited.
func (o *office) takenBack(root *tenancy.Session) {
	o.t.Helper()
	ctx := o.t.Context()
	id := wardtest.One[string](o.e, "select id::text from review.suppression where approved_at is not null")
	o.heldBack(id)
	_, err := review.EndSuppression(ctx, o.dana, id, "the recall is over")
	o.must(err)
	_, err = review.ApproveSuppression(ctx, o.eli, wardtest.One[string](o.e,
		"select id::text from review.suppression where approved_at is null"), "read the ticket")
	o.must(err)
	link := review.InputRow{User: "carla",
		Patient: wardtest.One[string](o.e, "select patient_id::text from review.person_link")}
	for _, link.Remove = range []bool{false, true} { // said again, which changes nothing, then withdrawn
		_, err = review.SupplyInput(ctx, root, "person_link", "cedar", []review.InputRow{link})
		o.must(err)
	}
	_, err = review.UnlinkAccounts(ctx, root, "carla", "hugo", "two persons after all")
	o.must(err)
}

// supervisedSince checks what a bundle of now says after TestEvidenceIsTheSameAgain took all of it back.
func (o *office) supervisedSince(now *review.Bundle) {
	o.t.Helper()
	rows := o.list(now, "308a1iiD-suppressions")
	if len(rows) != 2 || rows[0]["state"] != "ended" || rows[0]["held_back"] != "2" || rows[0]["ended_by"] != "dana" ||
		rows[0]["ended_as"] == "" || rows[0]["ticket"] != "'=T-1" || rows[1]["approved_by"] != "eli" ||
		rows[1]["approved_as"] == "" {
		o.t.Errorf("suppressions: %v", rows)
	}
	if rows := o.list(now, "308a1iiD-person-links"); len(rows) != 1 || rows[0]["withdrawn_by"] != "root" ||
		rows[0]["withdrawn_as"] == "" || rows[0]["declared_at"] == rows[0]["withdrawn_at"] {
		o.t.Errorf("person links: %v", rows)
	}
	if rows := o.list(now, "312a2i-account-links"); len(rows) != 1 || rows[0]["ended_by"] != "root" ||
		rows[0]["ended_as"] == "" {
		o.t.Errorf("account links: %v", rows)
	}
}

// TestSupervisionIsKept: what was said of people cannot be unsaid in the database, and the lists stay within reach.
func TestSupervisionIsKept(t *testing.T) {
	o := newOffice(t)
	root := o.e.Reviewer("root")
	patient := o.e.Patient(o.e.App("casey", "cedar"), "cedar", "Somebody")
	o.supervised(root, patient)
	o.seal()
	for _, sql := range []string{"update review.person_link_log set removed = true",
		"delete from review.person_link_log", "truncate review.person_link_log"} {
		o.sqlRefused("append-only", sql)
	}
	o.sqlRefused("never removed", "truncate review.person_link")
	worker := o.e.Conn("ward_worker")
	for _, sql := range []string{"delete from review.person_link", "insert into review.person_link_log (tenant_id, " +
		"user_id, patient_id, removed) select gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), false",
		"select * from review.person_link_log"} {
		if _, err := worker.Exec(t.Context(), sql); err == nil {
			t.Errorf("the worker: %s", sql)
		}
	}
	// of another clinic: a header
	harbor := o.bundle(o.dana, "harbor", review.Period{Tenants: []string{"harbor"}})
	for _, name := range []string{"308a1iiD-suppressions", "308a1iiD-person-links"} {
		if rows := o.list(harbor, name); len(rows) != 0 {
			t.Errorf("harbor's %s: %v", name, rows)
		}
	}
	if rows := o.list(o.bundle(o.dana, "cedar", review.Period{Tenants: []string{"cedar"}}),
		"308a1iiD-person-links"); len(rows) != 1 {
		t.Errorf("cedar's person links: %v", rows)
	}
}

// TestNobodySuppressesForThemself, nor approves what they asked for: under a second account, as the patient whom it is
// about, by the function and below it.
func TestNobodySuppressesForThemself(t *testing.T) {
	o := newOffice(t)
	ctx := t.Context()
	root := o.e.Reviewer("root")
	ask := review.NewSuppression{Rule: "A02", Tenant: "cedar", Actor: "casey", Reason: "a recall",
		Ticket: "T-1", Days: 5}
	pending, err := review.Suppress(ctx, o.dana, ask)
	o.must(err)
	patient := o.e.Patient(o.e.App("casey", "cedar"), "cedar", "Dana")
	_, err = review.SupplyInput(ctx, root, "person_link", "cedar",
		[]review.InputRow{{User: "dana", Patient: patient.String()}})
	o.must(err)
	o.seal()

	refused := func(what string, err error, kind error) {
		t.Helper()
		if !errors.Is(err, kind) {
			t.Errorf("%s: %v", what, err)
		}
	}
	asks := func(s *tenancy.Session, change func(*review.NewSuppression)) error {
		n := ask
		change(&n)
		_, err := review.Suppress(ctx, s, n)
		return err
	}
	refused("about a patient who dana is",
		asks(o.dana, func(n *review.NewSuppression) { n.Actor, n.Patient = "", &patient }),
		tenancy.ErrConflictOfInterest)
	refused("about that patient's record",
		asks(o.dana, func(n *review.NewSuppression) { n.Actor, n.Record = "", &patient }),
		tenancy.ErrConflictOfInterest)
	_, err = review.LinkAccounts(ctx, root, "dana", "eli", "one person")
	o.must(err)
	_, err = review.ApproveSuppression(ctx, o.eli, pending.ID.String(), "read the ticket")
	refused("approved under the second account", err, tenancy.ErrSeparation)
	refused("asked about the second account", asks(o.dana, func(n *review.NewSuppression) { n.Actor = "eli" }),
		tenancy.ErrConflictOfInterest)
	ids := wardtest.One[[]uuid.UUID](o.e,
		"select array_agg(id order by slug) from tenancy.users where slug in ('dana', 'eli')")
	o.sqlRefused("nobody approves a suppression",
		"update review.suppression set approved_by = $1, approved_at = now()", ids[1])
	o.sqlRefused("somebody else must ask for it",
		`insert into review.suppression (rule_id, tier, tenant_id, actor_id, reason,
			ticket, created_by, starts_at, expires_at, event_id) select 'A02-cross-tenant-denied', 'A', tenant_id, $1,
			'a recall', 'T', $2, now(), now() + interval '1 day', 1 from review.suppression limit 1`, ids[1], ids[0])
	o.sqlRefused("somebody else must ask for it",
		`insert into review.suppression (rule_id, tier, tenant_id, patient_id, reason,
			ticket, created_by, starts_at, expires_at, event_id) select 'A02-cross-tenant-denied', 'A', tenant_id, $1,
			'a recall', 'T', $2, now(), now() + interval '1 day', 1 from review.suppression limit 1`, patient, ids[1])
}
