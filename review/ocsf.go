package review

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/ward-health/ward/audit"
	"github.com/ward-health/ward/tenancy"
)

// Finding is an anomaly as OCSF 1.8.0 has it: class 2004, Detection Finding, or, once it is with the incident process,
// class 2005, Incident Finding. docs/EVENT_FORMATS.md has the table of fields.
type Finding struct {
	ActivityID        int                  `json:"activity_id"`
	CategoryUID       int                  `json:"category_uid"`
	ClassUID          int                  `json:"class_uid"`
	TypeUID           int                  `json:"type_uid"`
	SeverityID        int                  `json:"severity_id"`
	Time              int64                `json:"time"`
	StartTime         int64                `json:"start_time"`
	EndTime           int64                `json:"end_time"`
	Metadata          audit.OCSFMetadata   `json:"metadata"`
	FindingInfo       *findingInfo         `json:"finding_info,omitempty"`      // 2004
	FindingInfoList   []findingInfo        `json:"finding_info_list,omitempty"` // 2005
	StatusID          int                  `json:"status_id"`
	VerdictID         int                  `json:"verdict_id,omitempty"`
	IsSuspectedBreach bool                 `json:"is_suspected_breach,omitempty"`
	Evidences         []findingEvidence    `json:"evidences,omitempty"` // 2004
	Resources         []audit.OCSFResource `json:"resources,omitempty"` // 2004
	Assignee          *audit.OCSFUser      `json:"assignee,omitempty"`
	AssigneeGroup     *audit.OCSFGroup     `json:"assignee_group,omitempty"`
}

type findingInfo struct {
	UID           string   `json:"uid"`
	Title         string   `json:"title"`
	Desc          string   `json:"desc"`
	CreatedTime   int64    `json:"created_time"`
	FirstSeenTime int64    `json:"first_seen_time"`
	LastSeenTime  int64    `json:"last_seen_time"`
	Analytic      analytic `json:"analytic"`
}

type analytic struct {
	TypeID  int    `json:"type_id"` // 1: a rule
	UID     string `json:"uid"`
	Name    string `json:"name"`
	Version string `json:"version"`
}

type findingEvidence struct {
	Actor *audit.OCSFActor `json:"actor,omitempty"`
	Data  map[string]any   `json:"data,omitempty"`
}

const (
	classDetection = 2004
	classIncident  = 2005
)

// States are all that an anomaly can be in.
var States = []string{"new", "claimed", "in_review", "waiting_info", "pending_approval", "closed", "suppressed",
	"merged", "escalated"}

// verdicts are verdict_id by disposition: 1 false positive, 2 true positive, 5 benign, 6 test, 7 insufficient data, 10
// duplicate.
var verdicts = map[string]int{
	"false_positive_rule": 1, "explained_treatment": 5, "explained_payment": 5, "explained_operations": 5,
	"authorised_service": 5, "test_data": 6, "duplicate": 10,
	"policy_violation_no_breach": 2, "impermissible_low_probability": 2, "breach": 2, "undetermined": 7,
}

// OCSF is the anomaly as a finding, with the patient under the name that the export has for them.
func (a *Anomaly) OCSF(n *audit.Names) *Finding {
	incident := a.State == "escalated"
	f := &Finding{
		ActivityID: 1, CategoryUID: 2, ClassUID: classDetection,
		SeverityID: map[string]int{"low": 2, "medium": 3, "high": 4, "critical": 5}[a.Severity],
		Time:       a.CreatedAt.UnixMilli(), StartTime: a.FirstAt.UnixMilli(), EndTime: a.LastAt.UnixMilli(),
		StatusID: detectionStatus(a.State),
		Metadata: audit.OCSFMetadata{Version: audit.OCSFVersion, Product: audit.OCSFProductOf(""), UID: a.ID.String(),
			TenantUID: a.TenantID.String(), LoggedTime: a.CreatedAt.UnixMilli(), Profiles: []string{"incident"}},
	}
	if a.Version > 1 {
		f.ActivityID = 2
	}
	if a.State == "closed" {
		f.ActivityID = 3
	}
	if a.Disposition != nil && a.State == "closed" {
		f.VerdictID, f.IsSuspectedBreach = verdicts[*a.Disposition], *a.Disposition == "breach"
	}
	desc := a.Summary
	if a.SubjectID != nil {
		desc = strings.ReplaceAll(desc, a.SubjectID.String(), n.PatientName(*a.SubjectID))
	}
	info := findingInfo{UID: a.ID.String(), Title: a.Title, Desc: desc, CreatedTime: a.CreatedAt.UnixMilli(),
		FirstSeenTime: a.FirstAt.UnixMilli(), LastSeenTime: a.LastAt.UnixMilli(),
		Analytic: analytic{1, a.RuleID, a.Title, fmt.Sprint(a.RuleVersion)}}
	if a.AssignedTo != nil {
		f.Assignee = &audit.OCSFUser{Name: *a.AssignedTo, TypeID: 1}
	}
	if incident {
		f.ClassUID, f.StatusID, f.FindingInfoList = classIncident, 1, []findingInfo{info}
		if f.Assignee == nil {
			f.AssigneeGroup = &audit.OCSFGroup{Name: "compliance"}
		} else {
			f.StatusID = 2
		}
	} else {
		f.FindingInfo, f.Evidences = &info,
			[]findingEvidence{{Actor: a.ocsfActor(), Data: map[string]any{"events": a.EvidenceCount}}}
		if a.SubjectID != nil {
			f.Resources = []audit.OCSFResource{{UID: n.PatientName(*a.SubjectID), Type: "Patient",
				Owner: &audit.OCSFOwner{UID: a.TenantID.String()}}}
		}
	}
	f.TypeUID = f.ClassUID*100 + f.ActivityID
	return f
}

func (a *Anomaly) ocsfActor() *audit.OCSFActor {
	if a.ActorID == nil {
		return nil
	}
	u := audit.OCSFUser{UID: a.ActorID.String(), TypeID: 1}
	if a.Actor != nil {
		u.Name = *a.Actor
	}
	return &audit.OCSFActor{User: u}
}

// detectionStatus is status_id: 1 new, 2 in progress, 3 suppressed, 4 resolved.
func detectionStatus(state string) int {
	switch state {
	case "new":
		return 1
	case "suppressed":
		return 3
	case "closed", "merged":
		return 4
	}
	return 2
}

// findingsPage is how many anomalies are looked at at a time.
const findingsPage = 500

// WriteFindings writes the clinic's anomalies, also the closed ones, as findings, one a line, under an export of its
// events. Each page is a look at the queue, recorded as such.
func WriteFindings(ctx context.Context, s *tenancy.Session, lease *audit.Lease, tenant string,
	w io.Writer) (int, error) {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	f := QueueFilter{Tenant: tenant, State: States, Limit: findingsPage}
	for total := 0; ; {
		page, err := Queue(ctx, s, f)
		if err != nil {
			return total, err
		}
		var patients []uuid.UUID
		for i := range page {
			if id := page[i].SubjectID; id != nil && !slices.Contains(patients, *id) {
				patients = append(patients, *id)
			}
		}
		names, err := lease.Names(ctx, nil, patients)
		if err != nil {
			return total, err
		}
		for i := range page {
			if err := enc.Encode(page[i].OCSF(names)); err != nil {
				return total, fmt.Errorf("write finding: %w", err)
			}
		}
		if total += len(page); len(page) < findingsPage {
			return total, nil
		}
		f.After = &page[len(page)-1].ID
	}
}
