package audit

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
)

// asEvent is what an imported event becomes, for one whose ids are uuids.
func (f *Foreign) asEvent() (*Event, bool) {
	e := &Event{EventID: 1, RecordedAt: f.At.Add(time.Hour), OccurredAt: &f.At, ActorKind: "unknown", Action: f.Action,
		Outcome: f.Outcome, Source: "import"}
	for _, id := range []struct {
		text string
		to   **uuid.UUID
	}{{f.Actor, &e.ActorID}, {f.RecordID, &e.RecordID}, {f.PatientID, &e.PatientID}} {
		if id.text == "" {
			continue
		}
		u, err := uuid.Parse(id.text)
		if err != nil || u.String() != id.text {
			return nil, false
		}
		*id.to = &u
	}
	if f.RecordTable != "" {
		e.RecordTable = &f.RecordTable
	}
	if f.Purpose != "" {
		e.Purpose = &f.Purpose
	}
	raw, err := json.Marshal(map[string]string{"system": "old-ehr", "owner_tenant": f.OwnerTenant, "client": f.Client,
		"server": f.Server})
	if err != nil {
		return nil, false
	}
	detail := string(raw)
	e.Detail = &detail
	return e, true
}

// again writes an event in a form and reads it back.
func again(t *testing.T, e *Event, form string) Foreign {
	t.Helper()
	var out bytes.Buffer
	write, flush, err := eventWriter(&out, Form{Format: form})
	if err != nil {
		t.Fatal(err)
	}
	if err := write(e, &Names{TenantID: uuid.New(), Region: "us-west"}); err != nil {
		t.Fatal(err)
	}
	if err := flush(); err != nil {
		t.Fatal(err)
	}
	parse := map[string]parser{FormFHIR: parseFHIR, FormCSV: parseCSV}[form]
	var got []Foreign
	if err := parse(&out, func(_ int64, f *Foreign, wrong error) error {
		if wrong != nil {
			t.Fatalf("%s: %v", form, wrong)
		}
		got = append(got, *f)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if len(got) != 1 {
		t.Fatalf("%s: %d events of one: %s", form, len(got), out.String())
	}
	return got[0]
}

// examineParsed: whatever was read is either refused or can be written and read back as the same.
func examineParsed(t *testing.T, parse parser, data []byte) {
	last := int64(0)
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	_ = parse(bytes.NewReader(data), func(line int64, f *Foreign, wrong error) error {
		if line < last || line < 1 || (f == nil) == (wrong == nil) {
			t.Fatalf("line %d after %d: %v, %v", line, last, f, wrong)
		}
		last = line
		if f == nil || f.check(now) != nil {
			return nil
		}
		f.identify()
		if f.Source == "" {
			t.Fatal("an event without an id")
		}
		e, ok := f.asEvent()
		if !ok {
			return nil
		}
		want := *f
		want.Source = "1"
		if got := again(t, e, FormFHIR); !reflect.DeepEqual(got, want) {
			t.Fatalf("FHIR\nout %+v\nin  %+v", want, got)
		}
		want.Client, want.Server = "", "" // CSV has no columns for them
		if got := again(t, e, FormCSV); !reflect.DeepEqual(got, want) {
			t.Fatalf("CSV\nout %+v\nin  %+v", want, got)
		}
		return nil
	})
}

const exampleID = "6d0c9f4c-1e5b-4c7a-9b0e-0123456789ab"

// seeds are lines that are nearly right.
var seeds = []string{
	`{"resourceType":"AuditEvent","id":"x","type":{"system":"http://terminology.hl7.org/CodeSystem/audit-event-type",` +
		`"code":"rest"},"subtype":[{"system":"http://hl7.org/fhir/restful-interaction","code":"read"}],"action":"R",` +
		`"recorded":"2020-04-29T09:49:00.000Z","outcome":"0",` +
		`"agent":[{"type":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ParticipationType",` +
		`"code":"IRCP"}]},"who":{"identifier":{"value":"` + exampleID +
		`"}},"requestor":true}],"source":{"observer":{"display":"x"}},"entity":[{"what":{"reference":"Patient/` +
		exampleID + `"},"type":{"code":"1"},"role":{"code":"1"}},{"what":{"reference":"List/` + exampleID +
		`"},"type":{"code":"2"},"role":{"code":"4"},"detail":[{"type":"owner-tenant","valueString":"harbor"}]}]}`,
	`{"resourceType":"AuditEvent","subtype":[{"system":"urn:ward:action","code":"view"}],` +
		`"recorded":"2020-04-29T09:49:00Z","agent":[{"name":"unknown","requestor":true}]}`,
	`{"resourceType":"AuditEvent","action":"C","recorded":"2020-04-29T09:49:00Z",` +
		`"agent":[{"type":{"coding":[{"system":"http://dicom.nema.org/resources/ontology/DCM","code":"110153"}]},` +
		`"network":{"address":"192.0.2.1"},"requestor":false}]}`,
	"{}", "[]", "null", `{"resourceType":"AuditEvent","entity":null,"agent":null}`, "\n\n{", "",
}

func FuzzParseFHIR(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) { examineParsed(t, parseFHIR, data) })
}

func FuzzParseCSV(f *testing.F) {
	const head = "event_id,occurred_at,actor_id,action,outcome,record_table,record_id,patient_id,purpose,owner_tenant\n"
	for _, s := range []string{"", head, head + "1,2020-01-02T03:04:05Z," + exampleID + ",view,ok,public.notes," +
		exampleID + "," + exampleID + ",treatment,harbor\n",
		head + "1,2020-01-02T03:04:05.123456Z,,delete,denied,,,,,\n2,\n\"", "action,recorded_at\nview,x\n\"a\"b,c\n",
		"\ufeffaction,occurred_at\r\nsearch,2020-01-02T03:04:05+02:00\r\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) { examineParsed(t, parseCSV, data) })
}

// TestForeignAuditEvents: resources as IHE's Basic Audit Log Patterns have them (a read of a patient's list, recorded
// by the server), and as others do, say to ward what they say.
func TestForeignAuditEvents(t *testing.T) {
	names, err := filepath.Glob("../testdata/fhir/*.json")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string][]Foreign{
		"balp-read.json": {{Source: "ex-balp-read", At: time.Date(2020, 4, 29, 9, 49, 0, 0, time.UTC),
			Actor: "John Smith", Action: "view", Outcome: "ok", RecordTable: "fhir.list", RecordID: "ex-list",
			PatientID: "ex-patient", Client: "2001:db8::7334", Server: "http://server.example.com/fhir"}},
		"two-records.json": {
			{Source: "two", At: time.Date(2024, 2, 3, 4, 5, 6, 700000000, time.UTC), Actor: "u-17", Action: "modify",
				Outcome: "denied", RecordTable: "fhir.observation", RecordID: "a", PatientID: "p.1",
				Purpose: "break_glass"},
			{Source: "two#2", At: time.Date(2024, 2, 3, 4, 5, 6, 700000000, time.UTC), Actor: "u-17", Action: "modify",
				Outcome: "denied", RecordTable: "fhir.observation", RecordID: "b", PatientID: "p.1",
				Purpose: "break_glass"},
		},
		"login.json": {{Source: "l1", At: time.Date(2024, 2, 3, 4, 5, 6, 0, time.UTC), Actor: "Practitioner-9",
			Action: "sign_in", Outcome: "ok"}},
		"query.json": {{Source: "q1", At: time.Date(2024, 2, 3, 4, 5, 6, 0, time.UTC), Actor: "grahame",
			Action: "search", Outcome: "ok"}},
	}
	seen := 0
	for _, name := range names {
		events, ok := want[filepath.Base(name)]
		if !ok {
			continue
		}
		seen++
		raw, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var line bytes.Buffer
		if err := json.Compact(&line, raw); err != nil {
			t.Fatal(err)
		}
		var got []Foreign
		if err := parseFHIR(&line, func(_ int64, f *Foreign, wrong error) error {
			if wrong != nil {
				t.Fatalf("%s: %v", name, wrong)
			}
			if err := f.check(time.Now()); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			got = append(got, *f)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, events) {
			t.Errorf("%s\ngot  %+v\nwant %+v", name, got, events)
		}
	}
	if seen != len(want) {
		t.Errorf("%d of %d files", seen, len(want))
	}
}

// TestLongLinesTakeNoMemory: a line that is too long is passed over without being kept.
func TestLongLinesTakeNoMemory(t *testing.T) {
	r := strings.NewReader(strings.Repeat("x", 3<<20) + "\n{}\n")
	var lines []int64
	if err := parseFHIR(r, func(line int64, _ *Foreign, wrong error) error {
		if wrong == nil {
			t.Errorf("line %d is an event", line)
		}
		lines = append(lines, line)
		return nil
	}); err != nil || !reflect.DeepEqual(lines, []int64{1, 2}) {
		t.Errorf("lines %v, %v", lines, err)
	}
}
