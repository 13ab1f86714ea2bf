package audit

import (
	"slices"
	"strconv"

	"github.com/google/uuid"
)

// OCSFVersion is the version of the Open Cybersecurity Schema Framework that ward writes.
const OCSFVersion = "1.8.0"

// OCSF says what every class of it has; docs/EVENT_FORMATS.md has the table of fields. Times are milliseconds
// since 1970.
type (
	// OCSFMetadata is the metadata object.
	OCSFMetadata struct {
		Version    string      `json:"version"`
		Product    OCSFProduct `json:"product"`
		UID        string      `json:"uid,omitempty"`
		TenantUID  string      `json:"tenant_uid,omitempty"`
		LoggedTime int64       `json:"logged_time,omitempty"`
		Profiles   []string    `json:"profiles,omitempty"`
	}
	// OCSFProduct is the product object.
	OCSFProduct struct {
		Name       string `json:"name"`
		VendorName string `json:"vendor_name"`
	}
	// OCSFUser is the user object.
	OCSFUser struct {
		UID    string      `json:"uid,omitempty"`
		Name   string      `json:"name,omitempty"`
		TypeID int         `json:"type_id"`
		Groups []OCSFGroup `json:"groups,omitempty"`
	}
	// OCSFGroup is the group object.
	OCSFGroup struct {
		Name string `json:"name"`
	}
	// OCSFActor is the actor object.
	OCSFActor struct {
		User    OCSFUser     `json:"user"`
		Session *OCSFSession `json:"session,omitempty"`
	}
	// OCSFSession is the session object.
	OCSFSession struct {
		UID string `json:"uid"`
	}
	// OCSFResource is the resource_details object.
	OCSFResource struct {
		UID   string     `json:"uid"`
		Type  string     `json:"type"`
		Owner *OCSFOwner `json:"owner,omitempty"`
	}
	// OCSFOwner is a user object that stands for a clinic.
	OCSFOwner struct {
		UID string `json:"uid"`
	}
)

// APIActivity is an event as OCSF's class 6003.
type APIActivity struct {
	ActivityID   int            `json:"activity_id"`
	ActivityName string         `json:"activity_name"`
	CategoryUID  int            `json:"category_uid"`
	ClassUID     int            `json:"class_uid"`
	TypeUID      int            `json:"type_uid"`
	SeverityID   int            `json:"severity_id"`
	Time         int64          `json:"time"`
	StatusID     int            `json:"status_id"`
	StatusDetail string         `json:"status_detail,omitempty"`
	Metadata     OCSFMetadata   `json:"metadata"`
	Actor        OCSFActor      `json:"actor"`
	API          ocsfAPI        `json:"api"`
	SrcEndpoint  ocsfEndpoint   `json:"src_endpoint"`
	Resources    []OCSFResource `json:"resources,omitempty"`
	Unmapped     map[string]any `json:"unmapped,omitempty"`
}

type ocsfAPI struct {
	Operation string `json:"operation"`
}

type ocsfEndpoint struct {
	SvcName string `json:"svc_name,omitempty"`
	Name    string `json:"name,omitempty"`
}

// The classes that ward writes.
const (
	classAPIActivity = 6003

	ocsfInformational = 1
	ocsfOther         = 99
)

// activities by action; anything else is "other" under its own name.
var activities = map[string]struct {
	id   int
	name string
}{"create": {1, "Create"}, "view": {2, "Read"}, "open": {2, "Read"}, "browse": {2, "Read"}, "search": {2, "Read"},
	"modify": {3, "Update"}, "delete": {4, "Delete"}}

// administrative are actions by which the place is run.
var administrative = []string{"configure", "grant", "revoke", "terminate", "prune", "seal_recover",
	"import", "backfill"}

// OCSFProductOf names what recorded an event.
func OCSFProductOf(name string) OCSFProduct {
	if name == "" {
		name = "ward"
	}
	return OCSFProduct{Name: name, VendorName: "ward"}
}

// PatientName is what a patient is called in what leaves: their id, or the receiving system's own name for them.
func (n *Names) PatientName(id uuid.UUID) string {
	if n.Patients == nil {
		return id.String()
	}
	return n.Patients[id] // of one that has no name, nothing is said
}

// OCSF is an event as class 6003, API Activity. An event's detail is not in it: what reviewers wrote and searched for
// stays inside.
func OCSF(e *Event, n *Names) *APIActivity {
	s := e.said()
	act, ok := activities[e.Action]
	if !ok {
		act.id, act.name = ocsfOther, e.Action
	}
	a := &APIActivity{
		ActivityID: act.id, ActivityName: act.name, CategoryUID: 6, ClassUID: classAPIActivity,
		TypeUID: classAPIActivity*100 + act.id, SeverityID: ocsfInformational, Time: e.at().UnixMilli(), StatusID: 1,
		Metadata: OCSFMetadata{Version: OCSFVersion, Product: OCSFProductOf(s.System),
			UID: strconv.FormatInt(e.EventID, 10), TenantUID: n.TenantID.String(),
			LoggedTime: e.RecordedAt.UnixMilli()},
		API:         ocsfAPI{Operation: e.Action},
		SrcEndpoint: ocsfEndpoint{SvcName: "ward"},
		Unmapped:    map[string]any{"source": e.Source},
	}
	if s.Client != "" {
		a.SrcEndpoint = ocsfEndpoint{Name: s.Client}
	}
	if e.Outcome != "ok" {
		a.StatusID, a.SeverityID, a.StatusDetail = 2, 2, "denied"
	}
	a.Actor = ocsfActor(e, n, &s)
	a.Resources = ocsfResources(e, n, &s)
	if e.Purpose != nil {
		a.Unmapped["purpose"] = *e.Purpose
	}
	if s.OwnerTenant != "" {
		a.Unmapped["owner_tenant"] = s.OwnerTenant
	}
	if e.Seq != nil {
		a.Unmapped["seq"] = *e.Seq
	}
	return a
}

func ocsfActor(e *Event, n *Names, s *said) OCSFActor {
	u := OCSFUser{TypeID: 0, Name: "unknown"}
	switch {
	case e.ActorID != nil:
		u = OCSFUser{UID: e.ActorID.String(), TypeID: 1}
		if e.Actor != nil {
			u.Name = *e.Actor
		}
	case s.Actor != "":
		u.Name = s.Actor
	}
	switch {
	case e.ActorKind == "service":
		u.TypeID = 4
	case e.ActorID != nil && slices.Contains(administrative, e.Action):
		u.TypeID = 2
	}
	if e.MembershipID != nil {
		if role, ok := n.Roles[*e.MembershipID]; ok {
			u.Groups = []OCSFGroup{{role}}
		}
	}
	a := OCSFActor{User: u}
	if e.SessionID != nil {
		a.Session = &OCSFSession{e.SessionID.String()}
	}
	return a
}

// ocsfResources are the record and the patient. The patient's own record has the patient's id, and goes by the same
// name.
func ocsfResources(e *Event, n *Names, s *said) []OCSFResource {
	var list []OCSFResource
	owner := &OCSFOwner{n.TenantID.String()}
	if s.OwnerTenant != "" {
		owner = &OCSFOwner{s.OwnerTenant}
	}
	if e.RecordTable != nil && e.RecordID != nil {
		uid := e.RecordID.String()
		if e.PatientID != nil && *e.PatientID == *e.RecordID {
			uid = n.PatientName(*e.PatientID)
		}
		if uid != "" {
			list = append(list, OCSFResource{UID: uid, Type: *e.RecordTable, Owner: owner})
		}
	}
	if e.PatientID != nil {
		if uid := n.PatientName(*e.PatientID); uid != "" {
			list = append(list, OCSFResource{UID: uid, Type: "Patient", Owner: owner})
		}
	}
	return list
}
