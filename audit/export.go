package audit

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/google/uuid"

	"github.com/ward-health/ward/queries"
	"github.com/ward-health/ward/tenancy"
)

// The forms in which events leave.
const (
	FormJSONL = "jsonl" // Event, one object a line
	FormCSV   = "csv"   // with a header
	FormFHIR  = "fhir"  // FHIR R4 AuditEvent, one resource a line
	FormOCSF  = "ocsf"  // OCSF 1.8.0, one event a line
)

// Form is how events leave a clinic, as it is recorded. Events for a system outside carry other names for patients, by
// which that system alone knows them.
type Form struct {
	Format        string `json:"format"`
	System        string `json:"system,omitempty"`          // who receives them; needed for FormOCSF
	RawPatientIDs bool   `json:"raw_patient_ids,omitempty"` // patients under their own ids all the same
}

// hides says that patients go by other names.
func (f Form) hides() bool { return f.Format == FormOCSF && !f.RawPatientIDs }

// Names are what an export says beside the events: the roles of memberships, and what patients are called for the
// system that receives it.
type Names struct {
	TenantID uuid.UUID            `json:"tenant_id"`
	Region   string               `json:"region"`
	Roles    map[uuid.UUID]string `json:"roles"`
	Patients map[uuid.UUID]string `json:"patients"`
}

// Export records that the events of filter are exported in a form and returns the lease to page through them with.
func (l *Lease) Export(ctx context.Context, filter Filter, form Form) (*Lease, error) {
	raw, err := json.Marshal(filter)
	if err != nil {
		return nil, fmt.Errorf("encode filter: %w", err)
	}
	as, err := json.Marshal(form)
	if err != nil {
		return nil, fmt.Errorf("encode form: %w", err)
	}
	next := &Lease{session: l.session, id: uuid.New(), Tenant: l.Tenant, Reason: l.Reason, Filter: filter,
		Expires: l.Expires, archive: l.archive, form: form}
	err = l.session.Tx(ctx, l.id, func(tx tenancy.Tx) error {
		if err := queries.New(tx).ExportAs(ctx,
			queries.ExportAsParams{Ask: next.id, Filter: raw, Form: as}); err != nil {
			return fmt.Errorf("export events of %s: %w", l.Tenant, err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return next, nil
}

// exportPage is how many events are read at a time.
const exportPage = 5000

// Write writes the events of an export, newest first, and returns how many. Memory is bounded by a page of them.
func (l *Lease) Write(ctx context.Context, w io.Writer) (int, error) {
	write, flush, err := eventWriter(w, l.form)
	if err != nil {
		return 0, err
	}
	var pos *Position
	total := 0
	for {
		page, err := l.Older(ctx, pos, exportPage)
		if err != nil {
			return total, err
		}
		names, err := l.names(ctx, page)
		if err != nil {
			return total, err
		}
		for i := range page {
			if err := write(&page[i], names); err != nil {
				return total, fmt.Errorf("write export: %w", err)
			}
		}
		total += len(page)
		if len(page) < exportPage {
			return total, flush()
		}
		pos = after(page, pos)
	}
}

// names asks for the names of a page, where the form needs any.
func (l *Lease) names(ctx context.Context, page []Event) (*Names, error) {
	if l.form.Format != FormFHIR && l.form.Format != FormOCSF {
		return nil, nil
	}
	memberships, patients := map[uuid.UUID]bool{}, map[uuid.UUID]bool{}
	for i := range page {
		if id := page[i].MembershipID; id != nil {
			memberships[*id] = true
		}
		if id := page[i].PatientID; id != nil {
			patients[*id] = true
		}
	}
	return l.Names(ctx, keys(memberships), keys(patients))
}

// Names asks for the names of memberships and patients under an export: at most 5,000 and 10,000.
func (l *Lease) Names(ctx context.Context, memberships, patients []uuid.UUID) (*Names, error) {
	var names Names
	err := l.session.Tx(ctx, l.id, func(tx tenancy.Tx) error {
		raw, err := queries.New(tx).ExportNames(ctx,
			queries.ExportNamesParams{Memberships: memberships, Patients: patients})
		if err != nil {
			return fmt.Errorf("names for an export of %s: %w", l.Tenant, err)
		}
		return json.Unmarshal(raw, &names)
	})
	if !l.form.hides() {
		names.Patients = nil
	}
	return &names, err
}

func keys(set map[uuid.UUID]bool) []uuid.UUID {
	list := make([]uuid.UUID, 0, len(set))
	for id := range set {
		list = append(list, id)
	}
	return list
}

// eventWriter writes one event at a time in a form; flush comes last.
func eventWriter(w io.Writer, form Form) (write func(*Event, *Names) error, flush func() error, err error) {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	none := func() error { return nil }
	switch form.Format {
	case FormJSONL:
		return func(e *Event, _ *Names) error { return enc.Encode(e) }, none, nil
	case FormFHIR:
		return func(e *Event, n *Names) error { return enc.Encode(FHIR(e, n)) }, none, nil
	case FormOCSF:
		return func(e *Event, n *Names) error { return enc.Encode(OCSF(e, n)) }, none, nil
	case FormCSV:
		write, flush = csvWriter(w)
		return write, flush, nil
	}
	return nil, nil, fmt.Errorf("no form %q: jsonl, csv, fhir or ocsf", form.Format)
}
