package audit

import (
	"encoding/json"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// AuditEvent is what ward writes and reads of a FHIR R4 AuditEvent (hl7.org/fhir/R4/auditevent.html);
// docs/EVENT_FORMATS.md has the table of fields. Of other systems' resources it reads what is here and leaves the rest.
type AuditEvent struct {
	ResourceType   string            `json:"resourceType"`
	ID             string            `json:"id,omitempty"`
	Meta           *fhirMeta         `json:"meta,omitempty"`
	Type           coding            `json:"type"`
	Subtype        []coding          `json:"subtype,omitempty"`
	Action         string            `json:"action,omitempty"`
	Recorded       string            `json:"recorded"`
	Outcome        string            `json:"outcome,omitempty"`
	OutcomeDesc    string            `json:"outcomeDesc,omitempty"`
	PurposeOfEvent []codeableConcept `json:"purposeOfEvent,omitempty"`
	Agent          []fhirAgent       `json:"agent"`
	Source         fhirSource        `json:"source"`
	Entity         []fhirEntity      `json:"entity,omitempty"`
}

type fhirMeta struct {
	Profile []string `json:"profile,omitempty"`
	Tag     []coding `json:"tag,omitempty"`
}

type coding struct {
	System  string `json:"system,omitempty"`
	Code    string `json:"code,omitempty"`
	Display string `json:"display,omitempty"`
}

type codeableConcept struct {
	Coding []coding `json:"coding,omitempty"`
}

type reference struct {
	Reference  string      `json:"reference,omitempty"`
	Identifier *identifier `json:"identifier,omitempty"`
	Display    string      `json:"display,omitempty"`
}

type identifier struct {
	System string `json:"system,omitempty"`
	Value  string `json:"value,omitempty"`
}

type fhirAgent struct {
	Type         *codeableConcept  `json:"type,omitempty"`
	Role         []codeableConcept `json:"role,omitempty"`
	Who          *reference        `json:"who,omitempty"`
	AltID        string            `json:"altId,omitempty"`
	Name         string            `json:"name,omitempty"`
	Requestor    bool              `json:"requestor"`
	Network      *fhirNetwork      `json:"network,omitempty"`
	PurposeOfUse []codeableConcept `json:"purposeOfUse,omitempty"`
}

type fhirNetwork struct {
	Address string `json:"address,omitempty"`
	Type    string `json:"type,omitempty"`
}

type fhirSource struct {
	Site     string    `json:"site,omitempty"`
	Observer reference `json:"observer"`
	Type     []coding  `json:"type,omitempty"`
}

type fhirEntity struct {
	What   *reference   `json:"what,omitempty"`
	Type   *coding      `json:"type,omitempty"`
	Role   *coding      `json:"role,omitempty"`
	Name   string       `json:"name,omitempty"`
	Detail []fhirDetail `json:"detail,omitempty"`
}

type fhirDetail struct {
	Type        string `json:"type"`
	ValueString string `json:"valueString"`
}

// Code systems. Those of ward say exactly what an event says, so that what was exported can be read back; the others
// say it to a reader who does not know ward.
const (
	sysWardTenant  = "urn:ward:tenant"
	sysWardAction  = "urn:ward:action"
	sysWardPurpose = "urn:ward:purpose"
	sysWardRole    = "urn:ward:role"
	sysWardTable   = "urn:ward:table:"
	sysWardRegion  = "urn:ward:region"
	sysWardSystem  = "urn:ward:system"
	sysDCM         = "http://dicom.nema.org/resources/ontology/DCM"
	sysEventType   = "http://terminology.hl7.org/CodeSystem/audit-event-type"
	sysRestful     = "http://hl7.org/fhir/restful-interaction"
	sysActReason   = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
	sysPartType    = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
	sysEntityType  = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
	sysObjectRole  = "http://terminology.hl7.org/CodeSystem/object-role"
	sysSourceType  = "http://terminology.hl7.org/CodeSystem/security-source-type"
	profileBALP    = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.Patient"

	detailOwner = "owner-tenant"
)

// fhirKind is how an action is said in FHIR: type, subtype, and the letter of action.
type fhirKind struct {
	typ, subtype coding
	letter       string
}

var (
	restful = coding{sysEventType, "rest", "Restful Operation"}
	logUsed = coding{sysDCM, "110101", "Audit Log Used"}
	authn   = coding{sysDCM, "110114", "User Authentication"}

	fhirKinds = map[string]fhirKind{
		"view":     {restful, coding{sysRestful, "read", "read"}, "R"},
		"create":   {restful, coding{sysRestful, "create", "create"}, "C"},
		"modify":   {restful, coding{sysRestful, "update", "update"}, "U"},
		"delete":   {restful, coding{sysRestful, "delete", "delete"}, "D"},
		"search":   {restful, coding{sysRestful, "search", "search"}, "E"},
		"export":   {coding{sysDCM, "110106", "Export"}, coding{}, "R"},
		"import":   {coding{sysDCM, "110107", "Import"}, coding{}, "C"},
		"sign_in":  {authn, coding{sysDCM, "110122", "Login"}, "E"},
		"refresh":  {authn, coding{sysDCM, "110122", "Login"}, "E"},
		"refuse":   {authn, coding{sysDCM, "110122", "Login"}, "E"},
		"sign_out": {authn, coding{sysDCM, "110123", "Logout"}, "E"},
		"open":     {logUsed, coding{}, "R"},
		"browse":   {logUsed, coding{}, "R"},
		"verify":   {logUsed, coding{}, "R"},
		"prove":    {logUsed, coding{}, "R"},
	}
	otherKind = fhirKind{coding{sysDCM, "110100", "Application Activity"}, coding{}, "E"}

	// purposes as v3-ActReason has them
	actReasons = map[string]string{"treatment": "TREAT", "payment": "HPAYMT", "operations": "HOPERAT",
		"break_glass": "BTG", "patient_request": "PATRQT", "research": "HRESCH", "audit": "HCOMPL",
		"system": "HSYSADMIN"}
)

// said is what of an event's detail has a place of its own in other systems' formats.
type said struct {
	Reason      string `json:"reason"`
	OwnerTenant string `json:"owner_tenant"`
	Client      string `json:"client"`
	Server      string `json:"server"`
	System      string `json:"system"`
	Actor       string `json:"actor"`
}

func (e *Event) said() said {
	var s said
	if e.Detail != nil && json.Unmarshal([]byte(*e.Detail), &s) != nil {
		return said{} // a field of another kind: nothing of it is used
	}
	return s
}

// at is when the event happened: for imported history as the other system has it.
func (e *Event) at() time.Time {
	if e.OccurredAt != nil {
		return e.OccurredAt.UTC()
	}
	return e.RecordedAt.UTC()
}

// FHIR is an event as an R4 AuditEvent. It claims a profile of IHE's Basic Audit Log Patterns only where it fulfils
// one: a read, creation, change or deletion of a patient's record that succeeded, with the network addresses of both
// ends. Ward records no addresses, so only an imported event can have them.
func FHIR(e *Event, n *Names) *AuditEvent {
	kind, ok := fhirKinds[e.Action]
	if !ok {
		kind = otherKind
	}
	s := e.said()
	a := &AuditEvent{
		ResourceType: "AuditEvent", ID: strconv.FormatInt(e.EventID, 10),
		Meta: &fhirMeta{Tag: []coding{{System: sysWardTenant, Code: n.TenantID.String()}}},
		Type: kind.typ, Action: kind.letter, Recorded: e.at().Format(time.RFC3339Nano), Outcome: "0",
		Source: fhirSource{Site: n.TenantID.String(),
			Observer: reference{Identifier: &identifier{sysWardRegion, n.Region}, Display: "ward"},
			Type:     []coding{{sysSourceType, "4", "Application Server"}}},
	}
	if kind.subtype.Code != "" {
		a.Subtype = append(a.Subtype, kind.subtype)
	}
	a.Subtype = append(a.Subtype, coding{System: sysWardAction, Code: e.Action})
	if e.Outcome != "ok" {
		a.Outcome, a.OutcomeDesc = "4", "denied"
		if s.Reason != "" {
			a.OutcomeDesc += ": " + s.Reason
		}
	}
	if s.System != "" {
		a.Source.Observer = reference{Identifier: &identifier{sysWardSystem, s.System}, Display: s.System}
	}
	a.Agent = fhirAgents(e, n, &s)
	a.Entity = fhirEntities(e, &s)
	if s.Client != "" && s.Server != "" && e.PatientID != nil && e.RecordID != nil && e.Outcome == "ok" {
		if name, ok := map[string]string{"view": "Read", "create": "Create", "modify": "Update",
			"delete": "Delete"}[e.Action]; ok {
			a.Meta.Profile = []string{profileBALP + name}
		}
	}
	return a
}

func concept(codings ...coding) *codeableConcept { return &codeableConcept{Coding: codings} }

func fhirAgents(e *Event, n *Names, s *said) []fhirAgent {
	user := fhirAgent{Type: concept(coding{sysPartType, "IRCP", "information recipient"}), Requestor: true,
		Name: "unknown"}
	switch {
	case e.ActorID != nil:
		user.Who = &reference{Identifier: &identifier{sysWardTenant + ":" + n.TenantID.String() + ":user",
			e.ActorID.String()}}
		user.Name = ""
		if e.Actor != nil {
			user.Name = *e.Actor
		}
	case s.Actor != "":
		user.Who, user.Name = &reference{Identifier: &identifier{Value: s.Actor}}, s.Actor
	}
	if e.MembershipID != nil {
		if role, ok := n.Roles[*e.MembershipID]; ok {
			user.Role = []codeableConcept{*concept(coding{System: sysWardRole, Code: role})}
		}
	}
	if e.Purpose != nil {
		user.PurposeOfUse = []codeableConcept{*concept(coding{System: sysActReason, Code: actReasons[*e.Purpose]},
			coding{System: sysWardPurpose, Code: *e.Purpose})}
	}
	agents := []fhirAgent{user}
	client, server := ends(e.Action)
	if s.Client != "" {
		agents = append(agents, fhirAgent{Type: concept(client), Who: &reference{Display: s.Client},
			Network: &fhirNetwork{s.Client, networkType(s.Client)}})
	}
	if s.Server != "" {
		agents = append(agents, fhirAgent{Type: concept(server), Who: &reference{Display: s.Server},
			Network: &fhirNetwork{s.Server, networkType(s.Server)}})
	}
	return agents
}

// networkType is a code of hl7.org/fhir/network-type: 1 a name, 2 an IP address, 5 a URI.
func networkType(address string) string {
	if _, err := netip.ParseAddr(address); err == nil {
		return "2"
	}
	if strings.Contains(address, "://") {
		return "5"
	}
	return "1"
}

// ends are the roles of client and server: a read brings data to the client, a write to the server.
func ends(action string) (client, server coding) {
	from, to := coding{sysDCM, "110153", "Source Role ID"}, coding{sysDCM, "110152", "Destination Role ID"}
	if action == "create" || action == "modify" {
		return from, to
	}
	return to, from
}

func fhirEntities(e *Event, s *said) []fhirEntity {
	var list []fhirEntity
	if e.PatientID != nil {
		list = append(list, fhirEntity{What: &reference{Reference: "Patient/" + e.PatientID.String()},
			Type: &coding{sysEntityType, "1", "Person"}, Role: &coding{sysObjectRole, "1", "Patient"}})
	}
	if e.RecordTable != nil || s.OwnerTenant != "" {
		data := fhirEntity{Type: &coding{sysEntityType, "2", "System Object"},
			Role: &coding{sysObjectRole, "4", "Domain Resource"}}
		if e.RecordTable != nil {
			data.Name = *e.RecordTable
			data.What = &reference{Identifier: &identifier{System: sysWardTable + *e.RecordTable}}
			if e.RecordID != nil {
				data.What.Identifier.Value = e.RecordID.String()
			}
		}
		if s.OwnerTenant != "" {
			data.Detail = []fhirDetail{{detailOwner, s.OwnerTenant}}
		}
		list = append(list, data)
	}
	log := fhirEntity{Type: &coding{sysEntityType, "4", "Other"}, Name: "ward"}
	add := func(name, value string) {
		if value != "" {
			log.Detail = append(log.Detail, fhirDetail{name, value})
		}
	}
	add("recorded-at", e.RecordedAt.UTC().Format(time.RFC3339Nano))
	add("source", e.Source)
	if e.SessionID != nil {
		add("session", e.SessionID.String())
	}
	if e.DisclosureID != nil {
		add("disclosure", e.DisclosureID.String())
	}
	if e.Seq != nil {
		add("seq", strconv.FormatInt(*e.Seq, 10))
	}
	if e.Hash != nil {
		add("hash", *e.Hash)
	}
	if e.Detail != nil {
		add("detail", *e.Detail)
	}
	return append(list, log)
}
