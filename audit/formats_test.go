package audit_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/ward-health/ward/audit"
	"github.com/ward-health/ward/internal/wardtest"
)

// samples are events of every action and purpose, with everything and with nothing.
func samples(t *testing.T) ([]audit.Event, *audit.Names) {
	t.Helper()
	e := wardtest.New(t)
	list := func(domain string) []string {
		return wardtest.One[[]string](e,
			"select array_agg(m[1]) from pg_constraint c, regexp_matches(pg_get_constraintdef(c.oid), "+
				"'''([a-z_]+)''', 'g') m where c.contypid = $1::regtype", domain)
	}
	names := &audit.Names{TenantID: uuid.New(), Region: "us-west", Roles: map[uuid.UUID]string{}}
	var events []audit.Event
	actions, purposes := list("audit.action"), list("audit.purpose")
	if len(actions) < 30 || len(purposes) < 8 {
		t.Fatalf("%d actions, %d purposes", len(actions), len(purposes))
	}
	for i, action := range actions {
		at := time.Date(2026, 3, 4, 5, 6, 7, 123456000, time.UTC)
		member := uuid.New()
		names.Roles[member] = "clinician"
		bare := audit.Event{EventID: int64(i + 1), RecordedAt: at, ActorKind: "unknown", Action: action,
			Outcome: "denied", Source: "ward"}
		full := audit.Event{
			EventID: int64(i + 1000), RecordedAt: at, OccurredAt: ptr(at.Add(-time.Hour)), Actor: ptr("casey"),
			ActorID: ptr(uuid.New()), ActorKind: "human", Action: action, Outcome: "ok",
			RecordTable: ptr("public.notes"), RecordID: ptr(uuid.New()),
			PatientID: ptr(uuid.New()), Purpose: ptr(purposes[i%len(purposes)]), SessionID: ptr(uuid.New()),
			MembershipID: &member, DisclosureID: ptr(uuid.New()),
			Detail: ptr(`{"reason": "because", "filter": {"subject_id": "x"}}`), Source: "ward",
			Seq: ptr(int64(7)), Hash: ptr(`\x00ff`),
		}
		imported := full
		imported.EventID, imported.ActorKind, imported.Source = int64(i+2000), "service", "import"
		imported.Detail = ptr(`{"system": "old-ehr", "owner_tenant": "` + uuid.NewString() +
			`", "client": "192.0.2.7", "server": "https://ehr.example.org/fhir"}`)
		foreign := bare
		foreign.EventID, foreign.Source, foreign.Detail = int64(i+3000), "import",
			ptr(`{"system": "old-ehr", "actor": "jdoe"}`)
		odd := bare
		odd.EventID, odd.Detail = int64(i+4000), ptr(`{"reason": ["a list"]}`)
		events = append(events, bare, full, imported, foreign, odd)
	}
	return events, names
}

// TestFHIRIsTheSchemas: every event is an AuditEvent by HL7's own JSON schema of R4, and by the cardinalities of the
// resource that a JSON schema of its cannot say. It claims IHE's profile only where it has what that asks for.
func TestFHIRIsTheSchemas(t *testing.T) {
	file, err := os.Open("../testdata/fhir/AuditEvent.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(file)
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("http://hl7.org/fhir/json-schema/4.0", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("http://hl7.org/fhir/json-schema/4.0")
	if err != nil {
		t.Fatal(err)
	}
	if schema.Validate(map[string]any{"resourceType": "AuditEvent", "outcome": "5"}) == nil {
		t.Fatal("the schema takes anything")
	}
	events, names := samples(t)
	profiles := 0
	for i := range events {
		raw, err := json.Marshal(audit.FHIR(&events[i], names))
		if err != nil {
			t.Fatal(err)
		}
		value, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(value); err != nil {
			t.Errorf("%s: %v\n%s", events[i].Action, err, raw)
		}
		profiles += resource(t, raw)
	}
	if profiles != 4 {
		t.Errorf("%d events claim a profile, want those of view, create, modify and delete", profiles)
	}
}

// resource checks what hl7.org/fhir/R4/auditevent.html demands beside the schema, and IHE's profile where it is
// claimed. It returns how many profiles are.
func resource(t *testing.T, raw []byte) int {
	t.Helper()
	var a struct {
		Meta struct {
			Profile []string
			Tag     []struct{ System, Code string }
		}
		Type     struct{ System, Code string }
		Recorded *string
		Outcome  string
		Agent    []struct {
			Type      struct{ Coding []struct{ Code string } }
			Requestor *bool
			Who       map[string]any
			Network   *struct{ Address, Type string }
		}
		Source struct{ Observer map[string]any }
		Entity []struct {
			Type, Role *struct{ Code string }
			What       *struct{ Reference string }
		}
	}
	if err := json.Unmarshal(raw, &a); err != nil {
		t.Fatal(err)
	}
	if a.Type.Code == "" || a.Recorded == nil || len(a.Agent) == 0 || len(a.Source.Observer) == 0 ||
		len(a.Meta.Tag) != 1 {
		t.Errorf("lacks what is 1..1: %s", raw)
	}
	ends := map[string]bool{}
	for _, g := range a.Agent {
		if g.Requestor == nil {
			t.Errorf("an agent does not say whether it asked: %s", raw)
		}
		if g.Network != nil && len(g.Who) > 0 && !*g.Requestor {
			ends[g.Type.Coding[0].Code] = true
		}
	}
	if len(a.Meta.Profile) == 0 {
		return 0
	}
	patient, data := 0, 0
	for _, e := range a.Entity {
		switch {
		case e.Type.Code == "1" && e.Role.Code == "1" && strings.HasPrefix(e.What.Reference, "Patient/"):
			patient++
		case e.Type.Code == "2" && e.Role.Code == "4" && e.What != nil:
			data++
		}
	}
	if a.Outcome != "0" || !ends["110152"] || !ends["110153"] || patient != 1 || data != 1 || a.Type.Code != "rest" ||
		!strings.HasPrefix(a.Meta.Profile[0],
			"https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.Patient") {
		t.Errorf("claims %s, which it does not fulfil: %s", a.Meta.Profile, raw)
	}
	return len(a.Meta.Profile)
}

// TestOCSFIsTheSchema: every event is of class 6003 by the published schema of 1.8.0, and no patient's own id is in it
// unless that was asked for.
func TestOCSFIsTheSchema(t *testing.T) {
	events, names := samples(t)
	if wrong := wardtest.OCSF(t, []byte(`{"class_uid": 6003, "category_uid": 6, "type_uid": 600301, `+
		`"activity_id": 77, "nonsense": 1}`)); len(wrong) < 4 {
		t.Fatalf("the schema takes anything: %q", wrong)
	}
	patients := map[uuid.UUID]string{}
	for i := range events {
		if id := events[i].PatientID; id != nil {
			patients[*id] = "pseudonym-" + fmt.Sprint(i)
		}
	}
	own := events[1] // a patient's own row: its id is the patient's
	own.RecordTable, own.RecordID = ptr("public.patients"), own.PatientID
	events = append(events, own)
	for _, hidden := range []bool{true, false} {
		if names.Patients = nil; hidden {
			names.Patients = patients
		}
		for i := range events {
			e := &events[i]
			raw, err := json.Marshal(audit.OCSF(e, names))
			if err != nil {
				t.Fatal(err)
			}
			if wrong := wardtest.OCSF(t, raw); len(wrong) > 0 {
				t.Errorf("%s: %q\n%s", e.Action, wrong, raw)
			}
			if e.PatientID != nil && bytes.Contains(raw, []byte(e.PatientID.String())) == hidden {
				t.Errorf("%s, hidden %v: %s", e.Action, hidden, raw)
			}
			if bytes.Contains(raw, []byte("because")) {
				t.Errorf("what a reviewer wrote leaves: %s", raw)
			}
		}
	}
	// of a patient that has no name there, nothing is said
	names.Patients = map[uuid.UUID]string{}
	if raw, _ := json.Marshal(audit.OCSF(&own, names)); bytes.Contains(raw, []byte(own.PatientID.String())) ||
		slices.Contains(wardtest.OCSF(t, raw), "x") {
		t.Errorf("%s", raw)
	}
}
