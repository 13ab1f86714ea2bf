package review_test

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ward-health/ward/internal/wardtest"
	"github.com/ward-health/ward/review"
	"github.com/ward-health/ward/tenancy"
)

// TestCertification: a named reviewer signs over what was made, another approves, and neither the program nor the
// database lets one person be both.
func TestCertification(t *testing.T) {
	o := newOffice(t)
	ctx := t.Context()
	o.work()
	b := o.bundle(o.dana, "q", review.Period{})
	const statement = "I reviewed every finding of this period and their outcomes."
	if _, err := review.Certify(ctx, o.e.Reviewer("ana"), b.Dir, statement); err == nil {
		t.Error("an auditor certified")
	}
	if _, err := review.Certify(ctx, o.dana, b.Dir, "  yes  "); err == nil {
		t.Error("a statement that says nothing")
	}
	last := o.lastEvent()
	signed, err := review.Certify(ctx, o.dana, b.Dir, statement)
	o.must(err)
	if got := o.events(last); !slices.Equal(got, []string{"dana close@installation"}) {
		t.Errorf("on record: %q", got)
	}
	var detail struct{ Manifest, Statement, What string }
	o.must(json.Unmarshal([]byte(wardtest.One[string](o.e, "select detail from audit.event where event_id = $1",
		signed.EventID)), &detail))
	if detail.Manifest != b.ManifestSHA256 || detail.Statement != statement || detail.What != "certification" {
		t.Errorf("the event says %+v", detail)
	}
	if _, err := review.Certify(ctx, o.dana, b.Dir, statement); err == nil {
		t.Error("certified twice by one")
	}
	if _, err := review.ApproveCertification(ctx, o.dana, signed.ID.String(),
		"my own work"); !errors.Is(err, tenancy.ErrSeparation) {
		t.Errorf("approved by the one who certified: %v", err)
	}
	// past the function: the table itself refuses it
	if _, err := o.e.Super.Exec(ctx,
		"insert into review.certification_approval (certification_id, reviewer_id, approver_id, reason, event_id) "+
			"select id, reviewer_id, reviewer_id, 'mine', 1 from review.certification"); err == nil ||
		!strings.Contains(err.Error(), "somebody_else_approves") {
		t.Errorf("the table takes one's own approval: %v", err)
	}
	if _, err := o.e.Super.Exec(ctx, `insert into review.certification_approval (certification_id, reviewer_id,
			approver_id, reason, event_id) select c.id, u.id, c.reviewer_id, 'mine', 1 from review.certification c,
			tenancy.users u where u.slug = 'eli'`); err == nil {
		t.Error("the table takes an approval that names another reviewer")
	}
	// nor under another account
	o.do(`insert into tenancy.account_link (user_id, same_as, linked_by, reason) select u.id, d.id, r.id, 'one person'
			from tenancy.users u, tenancy.users d, tenancy.users r where u.slug = 'eli' and d.slug = 'dana'
				and r.slug = 'root'`)
	if _, err := review.ApproveCertification(ctx, o.eli, signed.ID.String(),
		"read the bundle"); !errors.Is(err, tenancy.ErrSeparation) {
		t.Errorf("approved under another account: %v", err)
	}
	if _, err := o.e.Super.Exec(ctx, `insert into review.certification_approval (certification_id, reviewer_id,
			approver_id, reason, event_id) select c.id, c.reviewer_id, u.id, 'mine', 1 from review.certification c,
			tenancy.users u where u.slug = 'eli'`); err == nil {
		t.Error("the table takes an approval under another account")
	}
	o.do("update tenancy.account_link set ended_at = clock_timestamp(), ended_by = linked_by, " +
		"end_reason = 'two people after all'")
	approved, err := review.ApproveCertification(ctx, o.eli, signed.ID.String()[:8], "read the bundle")
	o.must(err)
	if _, err := review.ApproveCertification(ctx, o.eli, signed.ID.String(), "read it again"); err == nil {
		t.Error("approved twice")
	}
	for _, sql := range []string{"update review.certification set statement = 'another statement altogether'",
		"delete from review.certification_approval", "truncate review.certification cascade",
		"update review.bundle_manifest set sha256 = sha256('x')", "delete from review.bundle"} {
		if _, err := o.e.Super.Exec(ctx, sql); err == nil {
			t.Errorf("%s: not refused", sql)
		}
	}
	list, err := review.Certifications(ctx, o.e.Reviewer("ana"))
	o.must(err)
	if len(list) != 1 || list[0].Reviewer != "dana" || *list[0].Approver != "eli" ||
		*list[0].ApprovedAs != approved.EventID || list[0].Manifest != b.ManifestSHA256 ||
		list[0].Statement != statement {
		t.Errorf("%+v", list)
	}
	// a bundle that nobody made here: the files fit their manifest, and the database does not know it
	forged := filepath.Join(o.dir, "forged")
	o.must(os.CopyFS(forged, os.DirFS(b.Dir)))
	raw, err := os.ReadFile(filepath.Join(forged, review.ManifestName))
	o.must(err)
	o.must(os.WriteFile(filepath.Join(forged, review.ManifestName),
		[]byte(strings.Replace(string(raw), `"us-west"`, `"us-east"`, 1)), 0o600))
	if _, err := review.Certify(ctx, o.eli, forged, statement); err == nil ||
		!strings.Contains(err.Error(), "no bundle with this manifest") {
		t.Errorf("a forged bundle: %v", err)
	}
	sum, err := hex.DecodeString(b.ManifestSHA256)
	o.must(err)
	if _, err := o.e.Conn("ward_reviewer").Exec(ctx, "select review.evidence_end(gen_random_uuid(), $1)",
		sum); err == nil {
		t.Error("a manifest recorded without an identity")
	}
}
