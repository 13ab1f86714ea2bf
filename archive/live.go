package archive

import (
	"cmp"
	"reflect"
	"slices"
	"strings"
)

// The status words of a comparison of the archive with the database.
const (
	// the event in the database, or its place in the chain, is not the row that was archived
	LiveModified = "LIVE_MODIFIED"
	LiveMissing  = "LIVE_MISSING" // the row was archived and is not in the database, although its month was not pruned
	LiveExtra    = "LIVE_EXTRA"   // an event that should have been archived by now, or can never be
	// an event that has no place in the chain, although it should by now: neither valid nor not
	Unsealed = "UNSEALED"
)

// LiveReport is what comparing the archive with the database found.
type LiveReport struct {
	Verdict Verdict `json:"verdict"`
	// Rows is how many events in the database are what the archive says; their contents were hashed anew.
	Rows int64 `json:"rows"`
	// Pruned is how many archived rows are no longer in the database, as recorded.
	Pruned int64 `json:"pruned"`
	// Waiting is how many sealed events are to be shipped next, Unsealed how many are to be sealed next. Nothing is
	// said about them.
	Waiting  int64 `json:"waiting"`
	Unsealed int64 `json:"unsealed"`
	// Parts is how many parts the database was held against, HeadSize the size of the log that lists them.
	Parts    int       `json:"parts"`
	HeadSize int64     `json:"head_size"`
	Findings []Finding `json:"findings"`
	More     int64     `json:"more"` // findings beyond those listed
}

// maxLiveFindings bounds what a report names.
const maxLiveFindings = 1000

// Add takes a finding in.
func (l *LiveReport) Add(f Finding) {
	l.Verdict = worse(cmp.Or(l.Verdict, Valid), f.Verdict())
	if len(l.Findings) >= maxLiveFindings {
		l.More++
		return
	}
	l.Findings = append(l.Findings, f)
}

// Include makes the comparison part of a report: its findings and its verdict are the report's.
func (r *Report) Include(l *LiveReport) {
	r.Live = l
	r.Verdict = worse(r.Verdict, l.Verdict)
	r.Findings = append(r.Findings, l.Findings...)
}

// Differs names the columns in which two rows differ, hash apart. It tells no values.
func (r *Row) Differs(o *Row) []string {
	var names []string
	a, b := reflect.ValueOf(r).Elem(), reflect.ValueOf(o).Elem()
	for i := range a.NumField() {
		name, _, _ := strings.Cut(a.Type().Field(i).Tag.Get("parquet"), ",")
		if name != "hash" && !reflect.DeepEqual(a.Field(i).Interface(), b.Field(i).Interface()) {
			names = append(names, name)
		}
	}
	return slices.Clip(names)
}
