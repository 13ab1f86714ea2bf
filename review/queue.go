package review

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ward-health/ward/queries"
	"github.com/ward-health/ward/tenancy"
)

// Anomaly is one (tenant, rule, actor[, patient]) that a rule found.
type Anomaly struct {
	ID            uuid.UUID      `json:"id"`
	TenantID      uuid.UUID      `json:"tenant_id"`
	Tenant        string         `json:"tenant"`
	TenantName    string         `json:"tenant_name"`
	Region        string         `json:"region"`
	RuleID        string         `json:"rule_id"`
	RuleVersion   int            `json:"rule_version"`
	Title         string         `json:"title"`
	Tier          string         `json:"tier"`
	Severity      string         `json:"severity"` // critical, high, medium, low
	ActorID       *uuid.UUID     `json:"actor_id"`
	Actor         *string        `json:"actor"`
	ActorName     *string        `json:"actor_name"`
	SubjectID     *uuid.UUID     `json:"subject_id"`
	Summary       string         `json:"summary"`
	Facts         map[string]any `json:"facts"` // numbers and times of the rule's own, e.g. usual: daily counts
	FirstAt       time.Time      `json:"first_at"`
	LastAt        time.Time      `json:"last_at"`
	State         string         `json:"state"`
	Version       int            `json:"version"` // to be given back with every change
	AssignedTo    *string        `json:"assigned_to"`
	LeaseUntil    *time.Time     `json:"lease_until"`
	Disposition   *string        `json:"disposition"`
	ClosedBy      *string        `json:"closed_by"`
	ClosedAt      *time.Time     `json:"closed_at"`
	CloseReason   *string        `json:"close_reason"`
	ApprovedBy    *string        `json:"approved_by"`
	RecurrenceOf  *uuid.UUID     `json:"recurrence_of"`
	CreatedAt     time.Time      `json:"created_at"`
	EvidenceCount int            `json:"evidence_count"`
	DiscoveredOn  Date           `json:"discovered_on"` // 45 CFR 164.404(a)(2)
	// the earliest day by which somebody must be notified, if it is a breach; nil: no clock runs
	DueOn    *Date `json:"due_on"`
	ClaimBy  *Date `json:"claim_by"` // in business days after it was found, by its severity; no law says so
	CloseBy  *Date `json:"close_by"`
	ReviewOn *Date `json:"review_on"` // when a closed undetermined one comes back
}

// Date is a day of UTC as 2006-01-02.
type Date string

// Days says how many days a date is away; negative: it has passed.
func (d Date) Days(now time.Time) int {
	at, err := time.Parse(time.DateOnly, string(d))
	if err != nil {
		return 0
	}
	return int(at.Sub(now.UTC().Truncate(24*time.Hour)) / (24 * time.Hour))
}

// Open says whether an anomaly is still to be decided.
func (a *Anomaly) Open() bool {
	return a.State != "closed" && a.State != "merged"
}

// Late says which time of the review's own has passed: "claim", "close" or none.
func (a *Anomaly) Late(now time.Time) string {
	switch {
	case !a.Open() || a.State == "pending_approval":
	case a.CloseBy != nil && a.CloseBy.Days(now) < 0:
		return "close"
	case a.State == "new" && a.ClaimBy != nil && a.ClaimBy.Days(now) < 0:
		return "claim"
	}
	return ""
}

// Evidence is one event as it was when a rule found it.
type Evidence struct {
	EventID     int64      `json:"event_id"`
	RecordedAt  time.Time  `json:"recorded_at"`
	At          time.Time  `json:"at"`
	Action      string     `json:"action"`
	Outcome     string     `json:"outcome"`
	RecordTable *string    `json:"record_table"`
	RecordID    *uuid.UUID `json:"record_id"`
	PatientID   *uuid.UUID `json:"patient_id"`
	SessionID   *uuid.UUID `json:"session_id"`
	Purpose     *string    `json:"purpose"`
	Seq         int64      `json:"seq"`
	// of the record in the customer's own application; Link sets it
	RecordURL string `json:"record_url,omitempty"`
}

// Note is a reviewer's remark, never changed.
type Note struct {
	By   string    `json:"by"`
	At   time.Time `json:"at"`
	Text string    `json:"text"`
}

// Transition is one change of an anomaly's state.
type Transition struct {
	Version     int       `json:"version"`
	From        *string   `json:"from"`
	To          string    `json:"to"`
	By          *string   `json:"by"` // nil: the worker
	At          time.Time `json:"at"`
	Reason      *string   `json:"reason"`
	Disposition *string   `json:"disposition"`
}

// Explained is how many of a person's accesses a filter explained, about the time of an anomaly.
type Explained struct {
	Filter    string `json:"filter"`
	Title     string `json:"title"`
	Reason    string `json:"reason"`
	Accesses  int    `json:"accesses"`
	Inherited int    `json:"inherited"` // of these: repeats of an explained access
}

// Disposition is what an anomaly can be closed as.
type Disposition struct {
	Name         string             `json:"name"`
	SecondPerson bool               `json:"second_person"` // somebody else must approve the closing
	Bulk         bool               `json:"bulk"`          // may be given to several anomalies at once
	Note         string             `json:"note"`
	Fields       []DispositionField `json:"fields"`
}

// DispositionField is one thing that closing with a disposition demands.
type DispositionField struct {
	Name string `json:"name"`
	// text, choice, past and future (days), count, anomaly (id or its beginning), row ("public.appointments/ID" or
	// "event:NUMBER"), manifest ("view public.appointments"), states ("CA:12,NV:3"); assessment and discovery are known
	// to the database and need not be given
	Kind        string   `json:"kind"`
	Alternative *string  `json:"alternative"` // of those with one, the fields of one alternative are needed
	Needed      bool     `json:"needed"`
	Choices     []string `json:"choices"`
	Note        string   `json:"note"`
}

// Known says that the database fills the field by itself.
func (f *DispositionField) Known() bool { return f.Kind == "assessment" || f.Kind == "discovery" }

// Field is an answer to a DispositionField.
type Field struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Details is an anomaly opened.
type Details struct {
	Anomaly         Anomaly                `json:"anomaly"`
	Rule            FrontMatter            `json:"rule"`
	Evidence        []Evidence             `json:"evidence"`
	Notes           []Note                 `json:"notes"`
	History         []Transition           `json:"history"`
	Explained       []Explained            `json:"explained"`
	ClosedSameRule  int                    `json:"closed_same_rule"`
	ClosedSameActor int                    `json:"closed_same_actor"`
	Dispositions    []Disposition          `json:"dispositions"`
	LogFacts        LogFacts               `json:"log_facts"`
	Assessments     []Assessment           `json:"assessments"` // the last one counts
	Closing         []Field                `json:"closing"`     // what it was closed with
	Deadlines       []NotificationDeadline `json:"deadlines"`   // if it is a breach
	Discoveries     []Discovery            `json:"discoveries"`
	Holds           []Hold                 `json:"holds"`
	Notices         []Notice               `json:"notices"`
	Links           []Link                 `json:"links"`
	Files           []File                 `json:"files"`
	ChartURL        string                 `json:"chart_url,omitempty"` // of the patient; Link sets it
}

// QueueFilter narrows the queue. Empty fields do not; without State it shows what is open.
type QueueFilter struct {
	State    []string   `json:"state,omitempty"`
	Rule     string     `json:"rule,omitempty"` // prefix of the rule id
	Severity []string   `json:"severity,omitempty"`
	Tenant   string     `json:"tenant,omitempty"`
	Actor    string     `json:"actor,omitempty"`
	Mine     bool       `json:"mine,omitempty"`  // mine or unclaimed
	Due      *int       `json:"due,omitempty"`   // somebody must be notified within so many days
	IDs      []string   `json:"ids,omitempty"`   // whole ids, whatever their state
	Sort     string     `json:"sort,omitempty"`  // worst (default), due, close
	After    *uuid.UUID `json:"after,omitempty"` // the last one of the previous page
	Limit    int        `json:"limit,omitempty"` // 1 to 500; 0: 100
}

// Sorts are the orders of the queue: worst first, the nearest legal date first, the nearest day to close it by first.
func Sorts() []string { return []string{"worst", "due", "close"} }

// Queue records a look at one page of the queue and returns it.
func Queue(ctx context.Context, s *tenancy.Session, filter QueueFilter) ([]Anomaly, error) {
	raw, err := json.Marshal(filter)
	if err != nil {
		return nil, fmt.Errorf("encode filter: %w", err)
	}
	var out []Anomaly
	err = s.LookAt(ctx,
		func(id uuid.UUID) tenancy.Statement { return tenancy.Do(queries.BrowseQueue, id, json.RawMessage(raw)) },
		tenancy.Collect(&out, pgx.RowToStructByName[Anomaly], queries.QueuePage))
	if err != nil {
		return nil, fmt.Errorf("browse queue: %w", err)
	}
	return out, nil
}

// Open records that an anomaly (id or its first characters) is opened, and returns it with its evidence.
func Open(ctx context.Context, s *tenancy.Session, anomaly string) (Details, error) {
	var d Details
	err := s.Look(ctx, func(tx tenancy.Tx, id uuid.UUID) error {
		if err := queries.New(tx).OpenAnomaly(ctx, queries.OpenAnomalyParams{Ask: id, Anomaly: anomaly}); err != nil {
			return fmt.Errorf("open anomaly %s: %w", anomaly, err)
		}
		return nil
	}, func(tx tenancy.Tx) error {
		raw, err := queries.New(tx).AnomalyDetails(ctx)
		if err != nil {
			return fmt.Errorf("read anomaly %s: %w", anomaly, err)
		}
		return json.Unmarshal(raw, &d)
	})
	return d, err
}

// Changed is what a change of an anomaly did.
type Changed struct {
	ID      uuid.UUID `json:"id"`
	State   string    `json:"state"`
	Version int       `json:"version"`
	EventID int64     `json:"event_id"`
}

// Each of the following changes an anomaly (id or its first characters) that is at the version expected, in
// one transaction with its event. Errors to act on: tenancy.ErrConflict, and those of the package comment.

// Claim takes an anomaly: assigned until released, and to be edited for 30 minutes.
func Claim(ctx context.Context, s *tenancy.Session, anomaly string, expectedVersion int) (Changed, error) {
	return change(ctx, s, "claim", anomaly, func(q *queries.Queries) (json.RawMessage, error) {
		return q.Claim(ctx, queries.ClaimParams{Anomaly: anomaly, ExpectedVersion: int32(expectedVersion)})
	})
}

// Take takes over what is somebody else's, also while they edit it. They see who did and why.
func Take(ctx context.Context, s *tenancy.Session, anomaly string, expectedVersion int,
	reason string) (Changed, error) {
	return change(ctx, s, "take", anomaly, func(q *queries.Queries) (json.RawMessage, error) {
		return q.Take(ctx, queries.TakeParams{Anomaly: anomaly, ExpectedVersion: int32(expectedVersion),
			Reason: reason})
	})
}

// Release gives a claimed anomaly back.
func Release(ctx context.Context, s *tenancy.Session, anomaly string, expectedVersion int,
	reason string) (Changed, error) {
	return change(ctx, s, "release", anomaly, func(q *queries.Queries) (json.RawMessage, error) {
		return q.Release(ctx,
			queries.ReleaseParams{Anomaly: anomaly, ExpectedVersion: int32(expectedVersion), Reason: reason})
	})
}

// Assign gives an anomaly to another reviewer, who claims it to edit.
func Assign(ctx context.Context, s *tenancy.Session, anomaly string, expectedVersion int,
	to, reason string) (Changed, error) {
	return change(ctx, s, "assign", anomaly, func(q *queries.Queries) (json.RawMessage, error) {
		return q.Assign(ctx, queries.AssignParams{Anomaly: anomaly, ExpectedVersion: int32(expectedVersion), ToUser: to,
			Reason: reason})
	})
}

// AddNote appends a note; it needs no claim and changes no version.
func AddNote(ctx context.Context, s *tenancy.Session, anomaly, text string) (Changed, error) {
	return change(ctx, s, "note", anomaly, func(q *queries.Queries) (json.RawMessage, error) {
		return q.Note(ctx, queries.NoteParams{Anomaly: anomaly, Said: text})
	})
}

// Wait marks an anomaly as waiting for information.
func Wait(ctx context.Context, s *tenancy.Session, anomaly string, expectedVersion int,
	reason string) (Changed, error) {
	return change(ctx, s, "wait", anomaly, func(q *queries.Queries) (json.RawMessage, error) {
		return q.Wait(ctx, queries.WaitParams{Anomaly: anomaly, ExpectedVersion: int32(expectedVersion),
			Reason: reason})
	})
}

// Close closes an anomaly, or leaves it pending_approval where the tier or the disposition asks for a second person.
// fields: what the disposition demands. One closed as a duplicate is merged into the one that its field names.
func Close(ctx context.Context, s *tenancy.Session, anomaly string, expectedVersion int, disposition, reason string,
	fields ...Field) (Changed, error) {
	answers, err := fieldsJSON(fields)
	if err != nil {
		return Changed{}, err
	}
	return change(ctx, s, "close", anomaly, func(q *queries.Queries) (json.RawMessage, error) {
		return q.Close(ctx, queries.CloseParams{Anomaly: anomaly, ExpectedVersion: int32(expectedVersion),
			Disposition: disposition, Reason: reason, Fields: answers})
	})
}

// Approve accepts somebody else's closing, or sends it back.
func Approve(ctx context.Context, s *tenancy.Session, anomaly string, expectedVersion int, accept bool,
	reason string) (Changed, error) {
	return change(ctx, s, "approve", anomaly, func(q *queries.Queries) (json.RawMessage, error) {
		return q.Approve(ctx,
			queries.ApproveParams{Anomaly: anomaly, ExpectedVersion: int32(expectedVersion), Accept: accept,
				Reason: reason})
	})
}

// Escalate hands an anomaly to the incident process.
func Escalate(ctx context.Context, s *tenancy.Session, anomaly string, expectedVersion int,
	reason string) (Changed, error) {
	return change(ctx, s, "escalate", anomaly, func(q *queries.Queries) (json.RawMessage, error) {
		return q.Escalate(ctx,
			queries.EscalateParams{Anomaly: anomaly, ExpectedVersion: int32(expectedVersion), Reason: reason})
	})
}

// Reopen takes a closed or merged anomaly up again.
func Reopen(ctx context.Context, s *tenancy.Session, anomaly string, expectedVersion int,
	reason string) (Changed, error) {
	return change(ctx, s, "reopen", anomaly, func(q *queries.Queries) (json.RawMessage, error) {
		return q.Reopen(ctx,
			queries.ReopenParams{Anomaly: anomaly, ExpectedVersion: int32(expectedVersion), Reason: reason})
	})
}

func change(ctx context.Context, s *tenancy.Session, what, anomaly string,
	fn func(*queries.Queries) (json.RawMessage, error)) (Changed, error) {
	return tenancy.CallJSON[Changed](ctx, s, what+" anomaly "+anomaly, fn)
}

// Request asks the worker for something under the reviewer's own event: action rule_run with {"rule": id} ({} : all
// that are enabled) or ship with {}. It returns the event's id, which the run then names.
func Request(ctx context.Context, s *tenancy.Session, action string, detail map[string]any) (int64, error) {
	if detail == nil {
		detail = map[string]any{}
	}
	raw, err := json.Marshal(detail)
	if err != nil {
		return 0, fmt.Errorf("encode request: %w", err)
	}
	return tenancy.Call(ctx, s, "request "+action, func(q *queries.Queries) (int64, error) {
		return q.Request(ctx, queries.RequestParams{Action: action, Detail: raw})
	})
}

// Requested is what became of a request.
type Requested struct {
	Done  bool   `json:"done"` // the worker is through with it
	State string `json:"state"`
	Runs  []struct {
		RuleID  string  `json:"rule_id"`
		Matched int     `json:"matched"`
		Created int     `json:"created"`
		Merged  int     `json:"merged"`
		Status  string  `json:"status"`
		Error   *string `json:"error"`
	} `json:"runs"`
}

// Outcome asks what became of the session's own request.
func Outcome(ctx context.Context, s *tenancy.Session, event int64) (Requested, error) {
	return tenancy.CallJSON[Requested](ctx, s, fmt.Sprintf("ask after request %d", event),
		func(q *queries.Queries) (json.RawMessage, error) { return q.Requested(ctx, event) })
}
