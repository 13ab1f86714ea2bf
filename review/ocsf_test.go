package review_test

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/ward-health/ward/audit"
	"github.com/ward-health/ward/internal/wardtest"
	"github.com/ward-health/ward/review"
)

// TestFindingsAreTheSchemas: an anomaly in every state and with every disposition is a finding by the published schema
// of OCSF 1.8.0, and names no patient.
func TestFindingsAreTheSchemas(t *testing.T) {
	e := wardtest.New(t)
	dispositions := wardtest.One[[]string](e, "select array_agg(name) from review.disposition")
	if len(dispositions) < 10 || len(review.States) < 9 {
		t.Fatalf("%d dispositions, %d states", len(dispositions), len(review.States))
	}
	patient, actor, slug := uuid.New(), uuid.New(), "casey"
	classes := map[int]int{}
	for _, state := range review.States {
		for i, disposition := range append([]string{""}, dispositions...) {
			a := review.Anomaly{ID: uuid.New(), TenantID: uuid.New(), RuleID: "B01-no-treatment-relationship",
				RuleVersion: 2, Title: "no treatment relationship",
				Severity: []string{"critical", "high", "medium", "low"}[i%4], Summary: "read " + patient.String(),
				FirstAt: time.Now(), LastAt: time.Now(), CreatedAt: time.Now(), State: state, Version: 1 + i%2,
				EvidenceCount: 3}
			if i%2 == 0 {
				a.SubjectID, a.ActorID, a.Actor, a.AssignedTo = &patient, &actor, &slug, &slug
			}
			if a.Summary = "counts alone"; a.SubjectID != nil {
				a.Summary = "read " + patient.String()
			}
			if disposition != "" {
				a.Disposition = &disposition
			}
			f := a.OCSF(&audit.Names{TenantID: a.TenantID, Patients: map[uuid.UUID]string{patient: "pseudonym"}})
			raw, err := json.Marshal(f)
			if err != nil {
				t.Fatal(err)
			}
			if wrong := wardtest.OCSF(t, raw); len(wrong) > 0 {
				t.Errorf("%s %s: %q\n%s", state, disposition, wrong, raw)
			}
			if bytes.Contains(raw, []byte(patient.String())) {
				t.Errorf("%s: a patient's own id leaves: %s", state, raw)
			}
			if state == "closed" && disposition != "" &&
				(f.VerdictID == 0 || f.IsSuspectedBreach != (disposition == "breach")) {
				t.Errorf("%s: verdict %d, breach %v", disposition, f.VerdictID, f.IsSuspectedBreach)
			}
			classes[f.ClassUID]++
		}
	}
	if classes[2004] == 0 || classes[2005] == 0 || len(classes) != 2 {
		t.Errorf("classes %v", classes)
	}
}
