package audit

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"
)

// parseFHIR hands each event of a file of AuditEvents, one a line, to each: one for every record that a resource names.
// The error is of the file as a whole.
func parseFHIR(r io.Reader, each func(line int64, f *Foreign, wrong error) error) error {
	lines := bufio.NewReaderSize(r, 64<<10)
	for n := int64(1); ; n++ {
		line, err := readLine(lines)
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, errTooLong) {
			return fmt.Errorf("line %d: %w", n, err)
		}
		if errors.Is(err, errTooLong) {
			if err := each(n, nil, errTooLong); err != nil {
				return err
			}
			continue
		}
		if len(bytes.TrimSpace(line)) > 0 {
			events, wrong := fromFHIR(line)
			if wrong != nil {
				events = []*Foreign{nil}
			}
			for _, f := range events {
				if err := each(n, f, wrong); err != nil {
					return err
				}
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
	}
}

// readLine reads a line of at most maxEvent bytes; of a longer one it reads the rest and says so.
func readLine(r *bufio.Reader) ([]byte, error) {
	var line []byte
	for long := false; ; {
		part, err := r.ReadSlice('\n')
		if long = long || len(line)+len(part) > maxEvent; !long {
			line = append(line, part...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case long && (err == nil || errors.Is(err, io.EOF)):
			return nil, errTooLong
		}
		return line, err
	}
}

// fromFHIR reads one AuditEvent. What is wrong with it is said without what it says.
func fromFHIR(line []byte) ([]*Foreign, error) {
	var a AuditEvent
	if err := json.Unmarshal(line, &a); err != nil {
		return nil, errors.New("it is no JSON, or its fields are not of their kinds")
	}
	if a.ResourceType != "AuditEvent" {
		return nil, errors.New("it is no AuditEvent")
	}
	at, err := time.Parse(time.RFC3339, a.Recorded)
	if err != nil {
		return nil, errors.New("recorded is no instant")
	}
	action := a.wardAction()
	if action == "" {
		return nil, errors.New("its type, subtype and action say nothing that can be imported")
	}
	base := Foreign{Source: a.ID, At: at.UTC().Truncate(time.Microsecond), Action: action, Outcome: "ok"}
	switch a.Outcome {
	case "0", "":
	case "4", "8", "12":
		base.Outcome = "denied"
	default:
		return nil, errors.New("its outcome is none of 0, 4, 8 and 12")
	}
	a.readAgents(&base)
	return a.readEntities(base)
}

// wardAction is what the resource says was done, "" if that is nothing known. Ward's own word comes first.
func (a *AuditEvent) wardAction() string {
	for _, s := range a.Subtype {
		if s.System == sysWardAction {
			return s.Code
		}
	}
	for _, s := range append(slices.Clone(a.Subtype), a.Type) {
		switch {
		case s.System == sysDCM && s.Code == "110106":
			return "export"
		case s.System == sysDCM && s.Code == "110122":
			return "sign_in"
		case s.System == sysDCM && s.Code == "110123":
			return "sign_out"
		case s.System == sysDCM && s.Code == "110112", s.System == sysRestful && strings.HasPrefix(s.Code, "search"):
			return "search"
		}
	}
	return map[string]string{"C": "create", "R": "view", "U": "modify", "D": "delete"}[a.Action]
}

func (a *AuditEvent) readAgents(f *Foreign) {
	var user *fhirAgent
	for i := range a.Agent {
		g := &a.Agent[i]
		switch {
		case g.Type.has(sysDCM, "110152") || g.Type.has(sysDCM, "110153"):
			client, _ := ends(f.Action)
			if g.Network == nil {
				continue
			}
			if g.Type.has(sysDCM, client.Code) {
				f.Client = g.Network.Address
			} else {
				f.Server = g.Network.Address
			}
		case user == nil && (g.Requestor || g.Type.has(sysPartType, "IRCP")):
			user = g
		}
	}
	if user == nil {
		return
	}
	f.Actor = user.called()
	for _, p := range append(slices.Clone(user.PurposeOfUse), a.PurposeOfEvent...) {
		for _, c := range p.Coding {
			if c.System == sysWardPurpose {
				f.Purpose = c.Code
				return
			}
			for ours, theirs := range actReasons {
				if c.System == sysActReason && c.Code == theirs {
					f.Purpose = ours
				}
			}
		}
	}
}

func (c *codeableConcept) has(system, code string) bool {
	return c != nil &&
		slices.ContainsFunc(c.Coding, func(x coding) bool { return x.System == system && x.Code == code })
}

// called is what the other system calls somebody: by the surest name that is there.
func (g *fhirAgent) called() string {
	if g.Who != nil {
		if id := g.Who.id(); id != "" {
			return id
		}
	}
	for _, name := range []string{g.AltID, g.Name} {
		if name != "" && (name != "unknown" || g.Who != nil) {
			return name
		}
	}
	if g.Who != nil {
		return g.Who.Display
	}
	return ""
}

// id is what a reference points to: an identifier's value, or the id at the end of Type/id.
func (r *reference) id() string {
	if r.Identifier != nil && r.Identifier.Value != "" {
		return r.Identifier.Value
	}
	_, id := r.typeAndID()
	return id
}

// literal is the end of a reference: type and id, and perhaps a version.
var literal = regexp.MustCompile(`(?:^|/)([A-Za-z]+)/([A-Za-z0-9.-]{1,64})(?:/_history/[A-Za-z0-9.-]{1,64})?$`)

func (r *reference) typeAndID() (string, string) {
	if m := literal.FindStringSubmatch(r.Reference); m != nil {
		return m[1], m[2]
	}
	return "", r.Reference
}

// most is how many records one resource may name.
const most = 1000

// readEntities makes an event for each record that is named, or one where none is. A patient alone is their own record.
func (a *AuditEvent) readEntities(base Foreign) ([]*Foreign, error) {
	var list []*Foreign
	if len(a.Entity) > most {
		return nil, errors.New("it names more than 1,000 entities")
	}
	for i := range a.Entity {
		if e := &a.Entity[i]; e.isPatient() && e.What != nil {
			if base.PatientID = e.What.id(); base.PatientID != "" {
				break
			}
		}
	}
	for i := range a.Entity {
		e := &a.Entity[i]
		if e.isPatient() || e.Role == nil || !slices.Contains([]string{"3", "4", "20"}, e.Role.Code) {
			continue
		}
		f := base
		f.RecordTable, f.RecordID = e.record()
		for _, d := range e.Detail {
			if d.Type == detailOwner {
				f.OwnerTenant = d.ValueString
			}
		}
		if len(list) > 0 && f.Source != "" {
			f.Source = fmt.Sprintf("%s#%d", f.Source, len(list)+1)
		}
		list = append(list, &f)
	}
	if len(list) == 0 {
		list = append(list, &base)
	}
	return list, nil
}

func (e *fhirEntity) isPatient() bool { return e.Role != nil && e.Role.Code == "1" }

// record is the table and id of a record. A resource's type is a table of the schema fhir.
func (e *fhirEntity) record() (table, id string) {
	if e.What == nil {
		return "", ""
	}
	if i := e.What.Identifier; i != nil {
		if table, ok := strings.CutPrefix(i.System, sysWardTable); ok {
			return table, i.Value
		}
	}
	kind, _ := e.What.typeAndID()
	if kind == "" {
		kind = "record"
	}
	return "fhir." + strings.ToLower(kind), e.What.id()
}
