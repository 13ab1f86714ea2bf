package clinic

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

var eventColumns = []string{"event_id", "recorded_at", "occurred_at", "tenant_id", "user_id", "actor_kind",
	"session_id", "membership_id", "disclosure_id", "action", "outcome", "record_table", "record_id", "subject_id",
	"purpose", "detail", "source"}

// loadDay copies events from first up to last, all of one day, in one transaction. Event ids, times and source are
// explicit, which only a superuser can do.
func (h *History) loadDay(ctx context.Context, conn *pgx.Conn, first, last int, ids map[int]int) error {
	day := h.time(h.events[first].in)
	err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "select audit.ensure_month($1::date)", day); err != nil {
			return err
		}
		source := pgx.CopyFromSlice(last-first, func(i int) ([]any, error) {
			return h.eventValues(first+i, ids), nil
		})
		_, err := tx.CopyFrom(ctx, pgx.Identifier{"audit", "event"}, eventColumns, source)
		return err
	})
	if err != nil {
		return fmt.Errorf("copy %d events of %s: %w", last-first, day.Format("2006-01-02"), err)
	}
	h.Config.tell("events", int64(last), int64(len(h.events)))
	return nil
}

// ordinals maps an event's number of generation to its place, for the events that others are about.
func (h *History) ordinals() map[int]int {
	wanted := map[int]int{}
	for i := range h.events {
		if h.events[i].cause >= 0 {
			wanted[h.events[i].cause] = 0
		}
	}
	for i := range h.events {
		if _, ok := wanted[h.events[i].seq]; ok {
			wanted[h.events[i].seq] = i
		}
	}
	return wanted
}

func (h *History) eventValues(i int, ordinals map[int]int) []any {
	e := &h.events[i]
	m := &h.members[e.member]
	var disclosure, record, subject *uuid.UUID
	var name, purpose, detail *string
	if e.ask >= 0 {
		disclosure = &h.asks[e.ask]
	}
	if e.table != noTable {
		name = &tableNames[e.table]
	}
	if e.row >= 0 {
		r := &h.rows[e.row]
		record = &r.id
		if e.subject {
			if subject = record; r.table != patients {
				subject = &h.rows[h.charts[r.chart].row].id
			}
		}
	}
	if e.purpose != "" {
		purpose = &e.purpose
	}
	if d := h.detail(e, ordinals); d != "" {
		detail = &d
	}
	outcome := "ok"
	if e.denied {
		outcome = "denied"
	}
	source := "simulation"
	var occurred *time.Time
	var session *uuid.UUID
	if e.other {
		at := h.time(e.at)
		source, occurred = "import", &at
	} else {
		session = &h.logins[e.session]
	}
	return []any{h.firstID + int64(i), h.time(e.in), occurred, h.Tenants[m.tenant].ID, h.Users[m.user].ID,
		h.Users[m.user].Kind, session, m.id, disclosure, e.action, outcome, name, record, subject, purpose,
		detail, source}
}

// detail is the JSON text that ward's functions write, as jsonb prints it.
func (h *History) detail(e *event, ordinals map[int]int) string {
	switch {
	case e.denied:
		reason := "the record belongs to another clinic"
		if h.rows[e.row].nobody {
			reason = "no such record"
		}
		return fmt.Sprintf(`{"event": %d, "reason": %q}`, h.firstID+int64(ordinals[e.cause]), reason)
	case e.action == "sign_in":
		return `{"aud": "app"}`
	case e.other:
		return `{"system": "outside viewer"}`
	case e.action == "search":
		// stands for the keyed hash of a name
		term := sha256.Sum256(h.asks[e.ask][:])
		return `{"limit": 20, "where": [{"op": "starts_with", "value": "` + hex.EncodeToString(term[:]) +
			`", "column": "last_name"}, {"op": "order", "value": "asc", "column": "id"}]}`
	case e.action == "export" && e.row < 0:
		return fmt.Sprintf(`{"records": %d}`, e.records)
	}
	return ""
}

// Span is the time from the first event to the last.
func (h *History) Span() (first, last time.Time) {
	return h.time(h.events[0].in), h.time(h.events[len(h.events)-1].in)
}
