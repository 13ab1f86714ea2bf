package queries

import (
	_ "embed" // for the statement
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
)

//go:embed raw/sealed_rows.sql
var copySealedRows string

// EvidenceRows is the statement that reads one list of a bundle, whose name is $1. A list may be long, so its rows are
// taken as they come.
//
//go:embed raw/evidence_rows.sql
var EvidenceRows string

// BrowseQueue records a look at a page of the queue ($1 its ask, $2 the filter), QueuePage reads it: a column for each
// field of an anomaly, by name, days as text. They travel together, in one round trip.
var (
	//go:embed raw/browse_queue.sql
	BrowseQueue string
	//go:embed raw/queue_page.sql
	QueuePage string
)

// LookUpEach keeps a transaction that runs [CopySealedRows] to plans that look up row by row in the order of the chain:
// the planner takes a tenant's run for a few rows or for most of the month, and would hash, sort or remember what is
// asked for once.
const LookUpEach = "set local enable_bitmapscan = off; set local enable_memoize = off; set local jit = off; " +
	"set local max_parallel_workers_per_gather = 0"

// SealedSpan is a run of a tenant's sealed rows.
type SealedSpan struct {
	Tenant      uuid.UUID
	First, Last int64     // seq
	From, To    time.Time // the least and greatest recorded_at
}

// CopySealedRows is the statement that sends the sealed rows of one span or more in PostgreSQL's binary COPY format, in
// the order of the spans and of seq, with the columns of raw/sealed_rows.sql.
func CopySealedRows(spans []SealedSpan) string {
	at := func(t time.Time) string { return t.UTC().Format("'2006-01-02 15:04:05.000000+00'::timestamptz") }
	var values strings.Builder
	from, to := spans[0].From, spans[0].To
	for i, s := range spans {
		if i > 0 {
			values.WriteString(", ")
		}
		fmt.Fprintf(&values, "('%s'::uuid, %d::bigint, %d::bigint)", s.Tenant, s.First, s.Last)
		if s.From.Before(from) {
			from = s.From
		}
		if s.To.After(to) {
			to = s.To
		}
	}
	return strings.NewReplacer("(values $1)", "(values "+values.String()+")", "between $2 and $3",
		"between "+at(from)+" and "+at(to)).Replace(copySealedRows)
}
