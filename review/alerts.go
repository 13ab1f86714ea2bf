package review

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ward-health/ward/queries"
	"github.com/ward-health/ward/tenancy"
)

// Alert is what one target is told of one matter: ids, words of ward's own and dates of ward's own work. No patient, no
// user and no text that anybody typed is in it, because a target is outside the BAA boundary.
type Alert struct {
	ID           uuid.UUID  `json:"id"`       // the same whenever it is sent again
	AlertID      uuid.UUID  `json:"alert_id"` // the same at every target
	Kind         string     `json:"kind"`     // anomaly, clock, late, failing, digest; test
	Target       string     `json:"target"`
	Installation string     `json:"installation"`
	Region       string     `json:"region,omitempty"`
	Tenant       string     `json:"tenant,omitempty"`
	Severity     string     `json:"severity"`
	Tier         string     `json:"tier,omitempty"`
	RuleID       string     `json:"rule_id,omitempty"`
	AnomalyID    *uuid.UUID `json:"anomaly_id,omitempty"`
	What         string     `json:"what,omitempty"` // late: a rule's id, or sealing; failing: a target
	FoundAt      *time.Time `json:"found_at,omitempty"`
	DiscoveredOn string     `json:"discovered_on,omitempty"` // dates, YYYY-MM-DD
	DueOn        string     `json:"due_on,omitempty"`
	DaysLeft     *int       `json:"days_left,omitempty"` // when the alert was entered; below 0: overdue
	Open         string     `json:"open,omitempty"`      // the command that shows it
	CreatedAt    time.Time  `json:"created_at"`
	Day          string     `json:"day,omitempty"`
	Digest       *Digest    `json:"digest,omitempty"`
}

// Digest is what a day's digest says of the queue of the whole installation.
type Digest struct {
	Since         time.Time           `json:"since"` // the digest before
	Open          OpenCounts          `json:"open"`
	Tenants       []TenantCounts      `json:"tenants"` // with open anomalies, the worst hundred first
	Oldest        *OldestOpen         `json:"oldest"`
	Clocks        []ClockLeft         `json:"clocks"` // the fifty that end first
	ClocksOverdue int                 `json:"clocks_overdue"`
	ClocksShort   int                 `json:"clocks_under_ten_days"`
	Late          []string            `json:"late"`   // rules that are late, and sealing
	Failed        []FailedDelivery    `json:"failed"` // since the digest before
	Waiting       int                 `json:"waiting"`
	Suppressions  []EndingSuppression `json:"suppressions"` // the fifty that end first, within two weeks
}

// SeverityCounts are open anomalies by severity.
type SeverityCounts struct {
	Critical int `json:"critical"`
	High     int `json:"high"`
	Medium   int `json:"medium"`
	Low      int `json:"low"`
}

// OpenCounts are those of the installation, and how many of them are new since the digest before.
type OpenCounts struct {
	SeverityCounts
	New int `json:"new"`
}

// TenantCounts are one clinic's.
type TenantCounts struct {
	Tenant string `json:"tenant"`
	SeverityCounts
}

// OldestOpen is the anomaly that has been open for longest.
type OldestOpen struct {
	Tenant    string    `json:"tenant"`
	AnomalyID uuid.UUID `json:"anomaly_id"`
	RuleID    string    `json:"rule_id"`
	Severity  string    `json:"severity"`
	FoundAt   time.Time `json:"found_at"`
}

// ClockLeft is a clock of 45 CFR 164.404(b) with fewer than ten days left, or none.
type ClockLeft struct {
	Tenant    string    `json:"tenant"`
	AnomalyID uuid.UUID `json:"anomaly_id"`
	DueOn     string    `json:"due_on"`
	DaysLeft  int       `json:"days_left"`
}

// FailedDelivery counts the alerts that did not reach a target.
type FailedDelivery struct {
	Target string `json:"target"`
	Alerts int    `json:"alerts"`
}

// EndingSuppression is one that ends soon.
type EndingSuppression struct {
	ID        uuid.UUID `json:"id"`
	RuleID    string    `json:"rule_id"`
	Tenant    string    `json:"tenant"`
	ExpiresAt time.Time `json:"expires_at"`
}

// AlertTarget is what the database knows of a target: no address and no secret.
type AlertTarget struct {
	Name     string `json:"name"`
	Kind     string `json:"kind"`
	Severity string `json:"severity"`
	Digest   bool   `json:"digest"`
}

// NameTargets tells the database whom this worker can tell, as ward_worker. What is found from then on, for an hour,
// has a delivery to each of them.
func NameTargets(ctx context.Context, pool *pgxpool.Pool, targets []AlertTarget) error {
	raw, err := json.Marshal(targets)
	if err != nil {
		return fmt.Errorf("encode targets: %w", err)
	}
	if err := queries.New(pool).NameTargets(ctx, raw); err != nil {
		return fmt.Errorf("name targets of alerts: %w", err)
	}
	return nil
}

// TellDue enters what no transaction of its own tells of: clocks under ten days and, where day is not empty, that day's
// digest. Once for each matter, however many workers ask.
func TellDue(ctx context.Context, pool *pgxpool.Pool, day string) error {
	q := queries.New(pool)
	if _, err := q.TellClocks(ctx); err != nil {
		return fmt.Errorf("look for clocks under ten days: %w", err)
	}
	if day == "" {
		return nil
	}
	if _, err := q.TellDigest(ctx, day); err != nil {
		return fmt.Errorf("enter the digest of %s: %w", day, err)
	}
	return nil
}

// dueAtOnce bounds what one look hands on; the next one follows in seconds.
const dueAtOnce = 500

// DueDeliveries lists the deliveries that wait and that no job is about.
func DueDeliveries(ctx context.Context, pool *pgxpool.Pool) ([]uuid.UUID, error) {
	ids, err := queries.New(pool).DueDeliveries(ctx, dueAtOnce)
	if err != nil {
		return nil, fmt.Errorf("look for deliveries that wait: %w", err)
	}
	return ids, nil
}

// WaitingAlert is what is to be delivered; nil: nothing any more.
func WaitingAlert(ctx context.Context, pool *pgxpool.Pool, delivery uuid.UUID) (*Alert, error) {
	raw, err := queries.New(pool).DeliveryMessage(ctx, delivery)
	if err != nil {
		return nil, fmt.Errorf("read delivery %s: %w", delivery, err)
	}
	var n *Alert
	if err := json.Unmarshal(raw, &n); err != nil {
		return nil, fmt.Errorf("decode delivery %s: %w", delivery, err)
	}
	if n != nil && n.AnomalyID != nil {
		n.Open = "ward queue show " + n.AnomalyID.String()
	}
	return n, nil
}

// Delivered records in tx that the receiver has it: the delivery's state and its event.
func Delivered(ctx context.Context, tx pgx.Tx, delivery uuid.UUID) error {
	if _, err := queries.New(tx).Delivered(ctx, delivery); err != nil {
		return fmt.Errorf("record delivery %s: %w", delivery, err)
	}
	return nil
}

// Undelivered records a failed attempt. finally: nobody tries again; that is an event, and the other targets are told.
func Undelivered(ctx context.Context, pool *pgxpool.Pool, delivery uuid.UUID, why string, finally bool) error {
	if err := queries.New(pool).Undelivered(ctx,
		queries.UndeliveredParams{Delivery: delivery, Why: why, Finally: finally}); err != nil {
		return fmt.Errorf("record failed delivery %s: %w", delivery, err)
	}
	return nil
}

// AlertRow is one delivery of an alert as a reviewer sees it, or an alert that went to nobody.
type AlertRow struct {
	ID        uuid.UUID  `json:"id"` // of the alert
	Kind      string     `json:"kind"`
	Tenant    string     `json:"tenant"`
	AnomalyID *uuid.UUID `json:"anomaly_id"`
	RuleID    *string    `json:"rule_id"`
	What      *string    `json:"what"`
	Severity  string     `json:"severity"`
	CreatedAt time.Time  `json:"created_at"`
	Target    *string    `json:"target"`
	State     string     `json:"state"` // waiting, delivered, failed, nobody
	Attempts  int        `json:"attempts"`
	Error     *string    `json:"error"` // of the last attempt
	DoneAt    *time.Time `json:"done_at"`
	EventID   *int64     `json:"event_id"`
}

// Alerts lists the newest alerts with their deliveries, by write-ahead look; limit counts alerts, 1 to 500.
func Alerts(ctx context.Context, s *tenancy.Session, limit int) ([]AlertRow, error) {
	return tenancy.List[AlertRow](ctx, s, "alerts", func(q *queries.Queries, id uuid.UUID) error {
		return q.BrowseAlerts(ctx, queries.BrowseAlertsParams{Ask: id, MaxRows: int32(limit)})
	}, (*queries.Queries).ListedAlerts)
}

// RetryAlert makes the failed deliveries of an alert wait again, and says how many; recorded.
func RetryAlert(ctx context.Context, s *tenancy.Session, alert string) (int, error) {
	n, err := tenancy.Call(ctx, s, "retry alert",
		func(q *queries.Queries) (int32, error) { return q.RetryAlert(ctx, alert) })
	return int(n), err
}

// TestAlert records that the session is about to send a test message to these targets, and returns the event's id.
func TestAlert(ctx context.Context, s *tenancy.Session, targets []string) (int64, error) {
	return tenancy.Call(ctx, s, "test alerts",
		func(q *queries.Queries) (int64, error) { return q.TestAlert(ctx, targets) })
}
