package review

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ward-health/ward/queries"
	"github.com/ward-health/ward/tenancy"
)

// LogFacts is what the log itself says to the factors (i) to (iii) of 45 CFR 164.402(2).
type LogFacts struct {
	Events   int        `json:"events"`
	Shown    int        `json:"shown"`    // views and exports that were not denied
	Exported int        `json:"exported"` // of these
	Denied   int        `json:"denied"`
	Patients int        `json:"patients"`
	Records  int        `json:"records"`
	Tables   []string   `json:"tables"`
	Sessions int        `json:"sessions"`
	FirstAt  *time.Time `json:"first_at"`
	LastAt   *time.Time `json:"last_at"`
	Actor    string     `json:"actor"`
	Roles    []string   `json:"roles"`
}

// Factors begins the texts of an assessment with what the log says. (iv) is not in any log.
func (f *LogFacts) Factors() (nature, recipient, acquired string) {
	tables := make([]string, len(f.Tables))
	for i, t := range f.Tables {
		tables[i] = strings.TrimPrefix(t, "public.")
	}
	nature = fmt.Sprintf("%s of %s in %s.", Counted(f.Records, "record", "records"),
		Counted(f.Patients, "patient", "patients"), either(tables))
	recipient = fmt.Sprintf("%s (%s) in %s.", f.Actor, either(f.Roles), Counted(f.Sessions, "session", "sessions"))
	acquired = fmt.Sprintf("The log has %s that returned data, %d of them exports; %d denied.",
		Counted(f.Shown, "access", "accesses"), f.Exported, f.Denied)
	return nature, recipient, acquired
}

func either(list []string) string {
	if len(list) == 0 {
		return "none known"
	}
	return strings.Join(list, ", ")
}

// Counted is a number with its noun: "1 record", "3 records".
func Counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// Assessment is the four factors of 45 CFR 164.402(2), each in words.
type Assessment struct {
	ID int64 `json:"id"`
	// (i) nature and extent of the PHI, its identifiers, the likelihood of re-identification
	Nature    string    `json:"nature"`
	Recipient string    `json:"recipient"` // (ii) who used it or to whom it was disclosed
	Acquired  string    `json:"acquired"`  // (iii) whether it was actually acquired or viewed
	Mitigated string    `json:"mitigated"` // (iv) how far the risk has been mitigated
	Outcome   string    `json:"outcome"`   // low_probability or breach
	Facts     LogFacts  `json:"facts"`     // what the log said when it was made
	By        string    `json:"by"`
	At        time.Time `json:"at"`
}

// NotificationDeadline is the day by which somebody must be notified of a breach.
type NotificationDeadline struct {
	Recipient string `json:"recipient"` // one of NotificationRecipients
	DueOn     Date   `json:"due_on"`
	Why       string `json:"why"`
	MadeOn    *Date  `json:"made_on"` // when the notice was made; nil: not yet
}

// Discovery is a date of discovery that somebody proposed, and what a second person said.
type Discovery struct {
	DiscoveredOn Date      `json:"discovered_on"`
	Reason       string    `json:"reason"`
	By           string    `json:"by"`
	At           time.Time `json:"at"`
	Accepted     *bool     `json:"accepted"` // nil: nobody has answered yet
	Answer       *string   `json:"answer"`
	AnsweredBy   *string   `json:"answered_by"`
}

// Hold is a law-enforcement delay, 45 CFR 164.412.
type Hold struct {
	Until    Date      `json:"until"`
	Written  bool      `json:"written"`
	Official string    `json:"official"`
	By       string    `json:"by"`
	At       time.Time `json:"at"`
}

// Notice is a notice that was made, and where that is proven (45 CFR 164.414(b)).
type Notice struct {
	Recipient string    `json:"recipient"`
	MadeOn    Date      `json:"made_on"`
	Reference string    `json:"reference"`
	By        string    `json:"by"`
	At        time.Time `json:"at"`
}

// Link leads to another anomaly.
type Link struct {
	ID uuid.UUID `json:"id"`
	// related, duplicate (this one is merged into that), merged_here (that one into this)
	Kind   string    `json:"kind"`
	State  string    `json:"state"`
	RuleID string    `json:"rule_id"`
	Reason string    `json:"reason"`
	By     string    `json:"by"`
	At     time.Time `json:"at"`
}

// fieldsJSON is a closing's answers as the database takes them.
func fieldsJSON(fields []Field) (json.RawMessage, error) {
	m := map[string]string{}
	for _, f := range fields {
		if _, twice := m[f.Name]; twice {
			return nil, fmt.Errorf("field %s is given twice", f.Name)
		}
		m[f.Name] = f.Value
	}
	raw, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("encode fields: %w", err)
	}
	return raw, nil
}

// MostAtOnce is how many anomalies one closing takes.
const MostAtOnce = 50

// CloseMany closes anomalies that are alike: one rule, one clinic, a disposition that permits it, none of tier A; all
// or none. expectedVersions has their whole ids with the versions that the caller saw; expected is how many the person
// says they are. New ones and the caller's own need no claim. The batch's id is in each one's event.
func CloseMany(ctx context.Context, s *tenancy.Session, expectedVersions map[uuid.UUID]int, expected int,
	disposition, reason string, fields ...Field) ([]Changed, error) {
	answers, err := fieldsJSON(fields)
	if err != nil {
		return nil, err
	}
	type item struct {
		ID      uuid.UUID `json:"id"`
		Version int       `json:"version"`
	}
	items := []item{}
	for _, id := range slices.SortedFunc(maps.Keys(expectedVersions),
		func(a, b uuid.UUID) int { return strings.Compare(a.String(), b.String()) }) {
		items = append(items, item{id, expectedVersions[id]})
	}
	raw, err := json.Marshal(items)
	if err != nil {
		return nil, fmt.Errorf("encode anomalies: %w", err)
	}
	arg := queries.CloseManyParams{Batch: uuid.New(), Items: raw, Expected: int32(expected), Disposition: disposition,
		Reason: reason, Fields: answers}
	what := fmt.Sprintf("close %d anomalies", len(items))
	return tenancy.Call(ctx, s, what, func(q *queries.Queries) ([]Changed, error) {
		rows, err := q.CloseMany(ctx, arg)
		if err != nil {
			return nil, err
		}
		return tenancy.Decode[Changed](rows)
	})
}

// Assess records the four factors; the anomaly must be the caller's to edit.
func Assess(ctx context.Context, s *tenancy.Session, anomaly string, expectedVersion int,
	a Assessment) (Changed, error) {
	return change(ctx, s, "assess", anomaly, func(q *queries.Queries) (json.RawMessage, error) {
		return q.Assess(ctx,
			queries.AssessParams{Anomaly: anomaly, ExpectedVersion: int32(expectedVersion), Nature: a.Nature,
				Recipient: a.Recipient, Acquired: a.Acquired, Mitigated: a.Mitigated, Outcome: a.Outcome})
	})
}

// Discovered proposes another date of discovery; it counts once somebody else confirms it.
func Discovered(ctx context.Context, s *tenancy.Session, anomaly string, expectedVersion int, on Date,
	reason string) (Changed, error) {
	return change(ctx, s, "propose discovery of", anomaly, func(q *queries.Queries) (json.RawMessage, error) {
		return q.Discovered(ctx, queries.DiscoveredParams{Anomaly: anomaly, ExpectedVersion: int32(expectedVersion),
			DiscoveredOn: string(on), Reason: reason})
	})
}

// ConfirmDiscovery accepts the date that somebody else proposed, or refuses it.
func ConfirmDiscovery(ctx context.Context, s *tenancy.Session, anomaly string, expectedVersion int, accept bool,
	reason string) (Changed, error) {
	return change(ctx, s, "answer discovery of", anomaly, func(q *queries.Queries) (json.RawMessage, error) {
		return q.ConfirmDiscovery(ctx,
			queries.ConfirmDiscoveryParams{Anomaly: anomaly, ExpectedVersion: int32(expectedVersion),
				Accept: accept, Reason: reason})
	})
}

// LawHold records that an official asks to delay the notices until a day; said and not written, for 30 days at most.
func LawHold(ctx context.Context, s *tenancy.Session, anomaly string, expectedVersion int, until Date, written bool,
	official string) (Changed, error) {
	return change(ctx, s, "hold notices of", anomaly, func(q *queries.Queries) (json.RawMessage, error) {
		return q.LawHold(ctx, queries.LawHoldParams{Anomaly: anomaly, ExpectedVersion: int32(expectedVersion),
			Until: string(until), Written: written, Official: official})
	})
}

// Notified records that a notice of a breach was made to a recipient; its clock stops.
func Notified(ctx context.Context, s *tenancy.Session, anomaly string, expectedVersion int, recipient string,
	on Date, reference string) (Changed, error) {
	return change(ctx, s, "record notice of", anomaly, func(q *queries.Queries) (json.RawMessage, error) {
		return q.Noticed(ctx,
			queries.NoticedParams{Anomaly: anomaly, ExpectedVersion: int32(expectedVersion), Recipient: recipient,
				MadeOn: string(on), Reference: reference})
	})
}

// NotificationRecipients are those whom a breach can have to be notified to.
func NotificationRecipients() []string {
	return []string{"individuals", "covered_entity", "hhs", "media"}
}

// LinkAnomalies links two anomalies as related.
func LinkAnomalies(ctx context.Context, s *tenancy.Session, anomaly, other, reason string) (Changed, error) {
	return change(ctx, s, "link", anomaly, func(q *queries.Queries) (json.RawMessage, error) {
		return q.Link(ctx, queries.LinkParams{Anomaly: anomaly, Other: other, Reason: reason})
	})
}

// Tidy does what time alone changes: a claim that nothing came of for 30 minutes is new again, an undetermined anomaly
// comes back on its day. Each leaves the worker's event. Returns how many.
func Tidy(ctx context.Context, pool *pgxpool.Pool) (int, error) {
	n, err := queries.New(pool).Tidy(ctx)
	if err != nil {
		return 0, fmt.Errorf("tidy the queue: %w", err)
	}
	return int(n), nil
}

// Dispositions records a look at what an anomaly can be closed as, and returns it as it is for a tier other than A,
// where every closing needs a second person.
func Dispositions(ctx context.Context, s *tenancy.Session) ([]Disposition, error) {
	return tenancy.List[Disposition](ctx, s, "dispositions", func(q *queries.Queries, ask uuid.UUID) error {
		return q.BrowseReviewSettings(ctx, queries.BrowseReviewSettingsParams{Ask: ask, What: "dispositions"})
	}, (*queries.Queries).DispositionList)
}
