package clinic

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"time"
)

// What a label can say.
const (
	Incident = "incident" // misbehaviour
	Twin     = "twin"     // the same shape with a legitimate cause
)

// The scenarios that a history contains.
const (
	// three or more ids of another clinic within an hour; twins: two memberships, each in its own session; a mistyped
	// id
	CrossTenant = "cross_tenant"
	// accesses after HR's last day; twins: leavers without, and one terminated that day
	Terminated = "terminated"
	// an action, table or hour that the account has not declared; twins: reruns and backfills within the list
	ServiceOffList = "service_off_list"
	// patients with whom nothing ties a clinician or nurse; twins: covering, by rows that somebody else wrote
	Snooper = "snooper"
	// many times one's own and one's peers' distinct patients in a day; twins: days on which the whole role is that
	// busy
	BulkReader = "bulk_reader"
	// another system's log: another clinic's records shown; twins: somebody of both clinics, under the right membership
	ForeignLog = "foreign_log"
	// another system's log: an action that the role does not have; twins: the same action by a role that has it
	NoRight = "no_right"
	// an account within its list, at one patient, at no job's rhythm; twins: a rerun that has the patient among many
	ServicePerson = "service_person"
	// patients of old, long gone and not coming; twins: they wrote, or the records office checks a late claim
	FormerPatient = "former_patient"
	Emergency     = "emergency"    // emergency access that nothing follows; twins: an encounter within the day
	VoidedVisit   = "voided_visit" // the one tie is a cancelled appointment; twins: it was made anew
	// many who have nothing to do with one patient, within a day; twins: a case conference, by the desk's appointments
	Crowd       = "crowd"
	OwnChart    = "own_chart"    // staff in their own chart; twins: a patient of the same name, with an appointment
	Coworker    = "coworker"     // a colleague's chart; twins: the colleague is the actor's patient
	Enumerator  = "enumerator"   // patient after patient, one a second; twins: one list that shows as many
	NightReader = "night_reader" // own patients in the small hours, for nothing; twins: calls of that night
	// the account of somebody who is away for weeks; twins: the first day back, with appointments
	Dormant = "dormant"
	// exports of what was never exported before, or that nobody asked for; twins: patients' requests, the warehouse's
	// extra run
	Exporter = "exporter"
	// searches that find nothing, one after the other; twins: as many that find who calls
	EmptySearches = "empty_searches"
)

// How an actor keeps from being noticed.
const (
	AtWork        = "working_hours"   // within the shift
	InDepartment  = "own_department"  // patients of a close colleague only
	UnderCounters = "under_threshold" // a little every day
)

// Scenarios lists them.
func Scenarios() []string {
	return []string{CrossTenant, Terminated, ServiceOffList, Snooper, BulkReader, ForeignLog, NoRight, ServicePerson,
		FormerPatient, Emergency, VoidedVisit, Crowd, OwnChart, Coworker, Enumerator, NightReader, Dormant, Exporter,
		EmptySearches}
}

// Label is one line of the answer key. Nothing but a scorer reads it.
type Label struct {
	Scenario string    `json:"scenario"`
	Tenant   string    `json:"tenant"`            // slug
	Actor    string    `json:"actor"`             // slug
	Others   []string  `json:"others,omitempty"`  // further actors
	Kind     string    `json:"kind"`              // incident or twin
	Stealth  string    `json:"stealth,omitempty"` // how the actor keeps from being noticed
	Live     bool      `json:"live"`              // happened in Live: it has no ordinals
	FirstAt  time.Time `json:"first_at"`          // when it happened, which another system's log may have said later
	LastAt   time.Time `json:"last_at"`
	// Events are ordinals in the history; EventIDs the same in the database, once loaded.
	Events   []int   `json:"events,omitempty"`
	EventIDs []int64 `json:"event_ids,omitempty"`
	Dose     int     `json:"dose"` // records, ids or patients, as the note says
	Note     string  `json:"note"`
}

// Labels gives the answer key as it stands: after Load with event ids, after Live with the live ones.
func (h *History) Labels() []Label {
	out := make([]Label, len(h.labels))
	copy(out, h.labels)
	if h.firstID == 0 {
		return out
	}
	for i := range out {
		out[i].EventIDs = make([]int64, len(out[i].Events))
		for j, ordinal := range out[i].Events {
			out[i].EventIDs[j] = h.firstID + int64(ordinal) - 1
		}
	}
	return out
}

// WriteLabels writes the answer key as JSON lines that its owner alone can read.
func (h *History) WriteLabels(file string) (err error) {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("write labels: %w", err)
	}
	defer func() {
		if cerr := f.Close(); err == nil && cerr != nil {
			err = fmt.Errorf("write labels: %w", cerr)
		}
	}()
	if err := f.Chmod(0o600); err != nil { // one that was there keeps its rights otherwise
		return fmt.Errorf("write labels: %w", err)
	}
	w := bufio.NewWriter(f)
	lines := json.NewEncoder(w)
	for _, l := range h.Labels() {
		if err := lines.Encode(l); err != nil {
			return fmt.Errorf("write labels: %w", err)
		}
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("write labels: %w", err)
	}
	return nil
}

// ReadLabels reads an answer key.
func ReadLabels(file string) ([]Label, error) {
	f, err := os.Open(file) //nolint:gosec // a scorer names its own file
	if err != nil {
		return nil, fmt.Errorf("read labels: %w", err)
	}
	defer func() { _ = f.Close() }()
	var out []Label
	for d := json.NewDecoder(f); d.More(); {
		var l Label
		if err := d.Decode(&l); err != nil {
			return nil, fmt.Errorf("read labels: line %d of %s: %w", len(out)+1, file, err)
		}
		out = append(out, l)
	}
	return out, nil
}

// label completes the labels once the events have their ordinals.
func (h *History) label() {
	for i := range h.events {
		e := &h.events[i]
		if e.label < 0 {
			continue
		}
		l := &h.labels[e.label]
		at := h.time(e.at)
		if len(l.Events) == 0 || at.Before(l.FirstAt) {
			l.FirstAt = at
		}
		if at.After(l.LastAt) {
			l.LastAt = at
		}
		if who := h.Users[h.members[e.member].user].Slug; who != l.Actor && !slices.Contains(l.Others, who) {
			l.Others = append(l.Others, who)
		}
		l.Events = append(l.Events, i+1)
	}
}
