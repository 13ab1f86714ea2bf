package clinic

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"time"
)

// What a label can say.
const (
	Incident = "incident" // misbehaviour
	Twin     = "twin"     // the same shape with a legitimate cause
)

// The scenarios that a history contains.
const (
	CrossTenant    = "cross_tenant"     // three or more ids of another clinic within an hour; twins: two memberships, each in its own session; a mistyped id
	Terminated     = "terminated"       // accesses after HR's last day; twins: leavers without, and one terminated that day
	ServiceOffList = "service_off_list" // an action, table or hour that the account has not declared; twins: reruns and backfills within the list
	Snooper        = "snooper"          // patients with whom nothing ties a clinician or nurse; twins: covering, by rows that somebody else wrote
	BulkReader     = "bulk_reader"      // many times one's own and one's peers' distinct patients in a day; twins: days on which the whole role is that busy
)

// Scenarios lists them.
func Scenarios() []string {
	return []string{CrossTenant, Terminated, ServiceOffList, Snooper, BulkReader}
}

// Label is one line of the answer key. Nothing but a scorer reads it.
type Label struct {
	Scenario string    `json:"scenario"`
	Tenant   string    `json:"tenant"` // slug
	Actor    string    `json:"actor"`  // slug
	Kind     string    `json:"kind"`   // incident or twin
	Live     bool      `json:"live"`   // happened in Live: it has no ordinals
	FirstAt  time.Time `json:"first_at"`
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

// WriteLabels writes the answer key as JSON lines.
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

// label completes the labels once the events have their ordinals.
func (h *History) label() {
	for i := range h.events {
		e := &h.events[i]
		if e.label < 0 {
			continue
		}
		l := &h.labels[e.label]
		if len(l.Events) == 0 {
			l.FirstAt = h.time(e.at)
		}
		l.LastAt = h.time(e.at)
		l.Events = append(l.Events, i+1)
	}
}
