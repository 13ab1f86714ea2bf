package archive

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// Verdict is one of three: nothing that could not be checked is ever called valid.
type Verdict string

const (
	// Valid says that everything in scope was checked and holds.
	Valid Verdict = "valid"
	// Invalid says that something was changed, removed or added.
	Invalid Verdict = "INVALID"
	// NotProven says that nothing wrong was found, but not everything in scope could be checked.
	NotProven Verdict = "not proven"
)

func (v Verdict) rank() int { return slices.Index([]Verdict{Valid, NotProven, Invalid}, v) }

// worse returns the worse of two verdicts: INVALID beats not proven, which beats valid.
func worse(a, b Verdict) Verdict {
	if b.rank() > a.rank() {
		return b
	}
	return a
}

// The status words of findings. The first group makes a verdict INVALID. The second is about the store, whose locks are
// no part of what was signed, and the third about what could not be checked: both leave it not proven.
const (
	RowModified      = "ROW_MODIFIED"       // a row's content or its link to the row before it was changed
	RowMissing       = "ROW_MISSING"        // a gap in a tenant's chain
	RowExtra         = "ROW_EXTRA"          // a place in a chain that is taken twice
	RowReordered     = "ROW_REORDERED"      // rows not in the order of tenant and seq
	RowCountMismatch = "ROW_COUNT_MISMATCH" // another number of rows than the manifest says
	RootMismatch     = "ROOT_MISMATCH"      // another Merkle root over the rows than the manifest says
	WrongTenant      = "WRONG_TENANT"       // rows of a tenant that the manifest does not list
	WrongPeriod      = "WRONG_PERIOD"       // times outside the month, or other ones than the manifest says
	FileModified     = "FILE_MODIFIED"      // the file is not the one whose SHA-256 was signed
	ManifestModified = "MANIFEST_MODIFIED"  // the manifest is not the one that was signed
	PartMissing      = "PART_MISSING"       // the log lists the part, the store lacks its file or manifest
	PartExtra        = "PART_EXTRA"         // an object that the log does not list
	Unsigned         = "UNSIGNED"           // no checkpoint, or a note without a valid signature
	UntrustedKey     = "UNTRUSTED_KEY"      // a note signed by another key
	KeyOutOfRange    = "KEY_OUT_OF_RANGE"   // a checkpoint signed by a key of the log that was not its key at that size
	WrongLog         = "WRONG_LOG"          // a signed note of another log, or under another name than its own
	RolledBack       = "ROLLED_BACK"        // the log ends before a head that is known
	Forked           = "FORKED"             // the log does not contain a head that is known
	HeadMismatch     = "HEAD_MISMATCH"      // a row is not the one that a published chain head names

	Hidden = "HIDDEN" // a delete marker or a later version stands over the object

	LockMissing    = "LOCK_MISSING"    // the store does not keep the object from being deleted
	LockGovernance = "LOCK_GOVERNANCE" // the store lets somebody with a permission delete it
	LockShort      = "LOCK_SHORT"      // the lock ends before the retention that was signed
	LockUnknown    = "LOCK_UNKNOWN"    // the store does not tell

	Unreadable  = "UNREADABLE"  // could not be read, which proves nothing
	Unsupported = "UNSUPPORTED" // written in a format that this version does not know
	NotChecked  = "NOT_CHECKED" // could not be checked because of another finding
	Unfinished  = "UNFINISHED"  // newer than the head: a shipping run that has not finished
	Expired     = "EXPIRED"     // absent, and its retention has ended
	Recovered   = "RECOVERED"   // rows that were published and lost, as a signed recovery says
)

// Finding is one thing that is wrong or could not be checked.
type Finding struct {
	Status string `json:"status"`
	Region string `json:"region"`
	Month  string `json:"month,omitempty"`
	// Part is the path of the object.
	Part   string `json:"part,omitempty"`
	Tenant string `json:"tenant,omitempty"`
	Seq    int64  `json:"seq,omitempty"`
	// Expected is what was signed, Found is what stands there.
	Expected string `json:"expected,omitempty"`
	Found    string `json:"found,omitempty"`
	Message  string `json:"message"`
}

// Verdict is what the finding alone makes of a report.
func (f Finding) Verdict() Verdict {
	switch f.Status {
	case Unreadable, Unsupported, NotChecked, Unfinished, Expired, Recovered, Unsealed, LockMissing, LockGovernance,
		LockShort, LockUnknown:
		return NotProven
	}
	return Invalid
}

// String returns the finding on one line.
func (f Finding) String() string {
	s := f.Status
	if f.Part != "" {
		s += " " + f.Part
	}
	if f.Tenant != "" {
		s += fmt.Sprintf(" tenant %s", f.Tenant)
	}
	if f.Seq != 0 {
		s += fmt.Sprintf(" row %d", f.Seq)
	}
	return s + ": " + f.Message
}

// PartResult is the outcome for one part that the log lists, or for one object that it does not.
type PartResult struct {
	Path     string    `json:"path"`
	Region   string    `json:"region"`
	Month    string    `json:"month"`
	Part     int64     `json:"part"`
	Rows     int64     `json:"rows"`
	Bytes    int64     `json:"bytes"`
	Verdict  Verdict   `json:"verdict"`
	Findings []Finding `json:"findings,omitempty"`
}

// Report is the outcome of a verification.
type Report struct {
	Verdict Verdict `json:"verdict"`
	// FreshnessProven says that the log extends a head that was known before, for every region.
	FreshnessProven bool `json:"freshness_proven"`
	// Heads are the checkpoints that were verified, one a region; Head is the first.
	Head  Head   `json:"head"`
	Heads []Head `json:"heads"`
	// Parts are all parts in scope, in the order of region and number.
	Parts    []PartResult `json:"parts"`
	Findings []Finding    `json:"findings"`
	// Rows and Bytes count what was read and checked in parts that are valid.
	Rows    int64 `json:"rows"`
	Bytes   int64 `json:"bytes"`
	Tenants int   `json:"tenants"`
	// SealedFrom and SealedTo bound the times of sealing of those rows; both are zero for no rows.
	SealedFrom time.Time `json:"sealed_from,omitzero"`
	SealedTo   time.Time `json:"sealed_to,omitzero"`
	// Covered and NotCovered say in sentences what the verdict is about.
	Covered    []string      `json:"covered"`
	NotCovered []string      `json:"not_covered"`
	Duration   time.Duration `json:"duration_ns"`
	// Live is the comparison with the database, where one was asked for.
	Live *LiveReport `json:"live"`
}

// Status is a snapshot of a running verification.
type Status struct {
	// Phase is what is being done: "listing", "log", "parts" or "done".
	Phase               string
	PartsDone, PartsAll int64
	// PartsOut are with other processes ([VerifyOptions.Elsewhere]), PartsBusy those of them that one says it is at.
	PartsOut, PartsBusy int64
	Rows, RowsAll       int64
	Bytes, BytesAll     int64
	Findings            int64
	Current             string
	Elapsed             time.Duration
	RowsPerSecond       float64
	// Remaining is an estimate, or zero where there is none yet.
	Remaining time.Duration
}

// PartDone is a part that a running verification is done with, as the log lists it, and how many it is done with.
type PartDone struct {
	Path      string `json:"path"`
	Region    string `json:"region"`
	Month     string `json:"month"`
	Part      int64  `json:"part"`
	Rows      int64  `json:"rows"`
	Bytes     int64  `json:"bytes"`
	PartsDone int64  `json:"parts_done"`
	PartsAll  int64  `json:"parts_all"`
}

// maxFindings bounds what is kept for one part: a file of millions of bad rows is named in full by the first of them.
const maxFindings = 1000

// findings collects those of one object.
type findings struct {
	about Finding
	list  []Finding
	limit int // 0 is maxFindings
	more  int64
}

func (c *findings) add(f Finding) {
	if len(c.list) >= cmp.Or(c.limit, maxFindings) {
		c.more++
		return
	}
	f.Region = c.about.Region
	if f.Month == "" {
		f.Month = c.about.Month
	}
	if f.Part == "" {
		f.Part = c.about.Part
	}
	c.list = append(c.list, f)
}

func (c *findings) addf(status, format string, args ...any) {
	c.add(Finding{Status: status, Message: fmt.Sprintf(format, args...)})
}

// take adds another collection's findings.
func (c *findings) take(o *findings) {
	for _, f := range o.list {
		c.add(f)
	}
	c.more += o.more
}

// done returns the findings, with one more that counts those left out.
func (c *findings) done() []Finding {
	if c.more > 0 {
		last := c.list[len(c.list)-1]
		last.Tenant, last.Seq, last.Expected, last.Found = "", 0, "", ""
		last.Message = fmt.Sprintf("and %d more findings", c.more)
		return append(c.list, last)
	}
	return c.list
}

func verdictOf(list []Finding) Verdict {
	v := Valid
	for _, f := range list {
		v = worse(v, f.Verdict())
	}
	return v
}
