package clinic

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// columns of each table, in the order that values gives them.
var columns = [...][]string{
	{"tenant_id", "id", "mrn", "first_name", "last_name", "birth_date", "phone", "email", "address", "state",
		"created_at"},
	{"tenant_id", "id", "patient_id", "provider_id", "scheduled_at", "cancelled_at", "reason", "booked_by",
		"created_at"},
	{"tenant_id", "id", "patient_id", "provider_id", "started_at", "ended_at", "reason", "recorded_by", "created_at"},
	{"tenant_id", "id", "patient_id", "encounter_id", "author_id", "body", "created_at"},
	{"tenant_id", "id", "patient_id", "provider_id", "sender", "body", "sent_at"},
	{"tenant_id", "id", "patient_id", "encounter_id", "payer", "code", "amount_cents", "handled_by", "submitted_at"},
	{"tenant_id", "id", "patient_id", "member_id", "from_at", "to_at", "added_by", "created_at"},
}

// loadRecords copies the clinical tables. The triggers that would write events and relationships of now are off until
// the end of the transaction; what they keep (which record is whose, who is tied to whom) is filled by tenancy.reindex
// with the rows' own times.
func (h *History) loadRecords(ctx context.Context, tx pgx.Tx) error {
	byTable := h.byTable()
	done, total := 0, 0
	for _, list := range byTable {
		total += len(list)
	}
	for t, list := range byTable {
		name := tableNames[t]
		if _, err := tx.Exec(ctx, "alter table "+name+" disable trigger user"); err != nil {
			return fmt.Errorf("switch off the triggers of %s: %w", name, err)
		}
		source := pgx.CopyFromSlice(len(list), func(i int) ([]any, error) { return h.values(list[i]), nil })
		if _, err := tx.CopyFrom(ctx, strings.Split(name, "."), columns[t], source); err != nil {
			return fmt.Errorf("copy %d of %s: %w", len(list), name, err)
		}
		done += len(list)
		h.Config.tell("records", int64(done), int64(total))
	}
	for _, name := range tableNames {
		// audit_write fires always, also for a replication role, as protect() set it
		for _, sql := range []string{"alter table " + name + " enable trigger user",
			"alter table " + name + " enable always trigger audit_write"} {
			if _, err := tx.Exec(ctx, sql); err != nil {
				return fmt.Errorf("switch on the triggers of %s: %w", name, err)
			}
		}
		if _, err := tx.Exec(ctx, "select tenancy.reindex($1::text::regclass)", name); err != nil {
			return fmt.Errorf("index the records of %s: %w", name, err)
		}
	}
	if err := h.loadLinks(ctx, tx); err != nil {
		return err
	}
	return h.loadCovers(ctx, tx)
}

// loadLinks says which of the staff are patients, as a clinic that knows it would.
func (h *History) loadLinks(ctx context.Context, tx pgx.Tx) error {
	links := h.Links()
	source := pgx.CopyFromSlice(len(links), func(i int) ([]any, error) {
		return []any{links[i].Tenant, links[i].User, links[i].Patient, h.Start}, nil
	})
	_, err := tx.CopyFrom(ctx, pgx.Identifier{"review", "person_link"},
		[]string{"tenant_id", "user_id", "patient_id", "known_at"}, source)
	if err == nil {
		_, err = tx.Exec(ctx, "update review.input set ready = true where name = 'person_link'")
	}
	if err != nil {
		return fmt.Errorf("write %d links of staff to patients: %w", len(links), err)
	}
	return nil
}

// loadCovers copies the roster of who stands in for whom.
func (h *History) loadCovers(ctx context.Context, tx pgx.Tx) error {
	source := pgx.CopyFromSlice(len(h.covers), func(i int) ([]any, error) {
		c := &h.covers[i]
		return []any{h.Tenants[c.tenant].ID, h.Users[c.user].ID, h.Users[c.covered].ID, h.time(c.from), h.time(c.to),
			h.user(c.author), h.time(c.known)}, nil
	})
	if _, err := tx.CopyFrom(ctx, pgx.Identifier{"review", "coverage"}, []string{"tenant_id", "user_id", "covered_id",
		"from_at", "to_at", "author_id", "known_at"}, source); err != nil {
		return fmt.Errorf("copy %d lines of the roster: %w", len(h.covers), err)
	}
	return nil
}

// byTable lists what is known by the end, in order of time: a record's place in its table says nothing of what it was
// made for.
func (h *History) byTable() [][]int {
	out := make([][]int, len(tableNames))
	for i := range h.rows {
		if r := &h.rows[i]; h.loadable(r) {
			out[r.table] = append(out[r.table], i)
		}
	}
	for _, list := range out {
		slices.SortFunc(list, func(a, b int) int {
			return cmp.Or(cmp.Compare(h.rows[a].created, h.rows[b].created), cmp.Compare(a, b))
		})
	}
	return out
}

// values are a record's columns. What they say is made of nothing but the row's number: the history does not depend on
// it.
func (h *History) values(i int) []any {
	r := &h.rows[i]
	c := &h.charts[r.chart]
	tenant, patient := h.Tenants[r.tenant].ID, h.rows[c.row].id
	pick := func(list []string) string { return list[(i*31+7)%len(list)] }
	switch r.table {
	case patients:
		return []any{tenant, r.id, fmt.Sprintf("M%07d", 1_000_000+r.chart), c.first, c.last, c.born,
			fmt.Sprintf("555-01%02d", r.chart%100), fmt.Sprintf("p%d@example.net", r.chart),
			fmt.Sprintf("%d Sample Street", 1+r.chart%900), states[r.tenant%len(states)], h.time(r.created)}
	case appointments:
		return []any{tenant, r.id, patient, h.user(r.provider), h.time(r.at), h.timeOrNull(r.until), pick(visitReasons),
			h.user(r.author), h.time(r.created)}
	case encounters:
		return []any{tenant, r.id, patient, h.user(r.provider), h.time(r.at), h.timeOrNull(r.until), pick(visitReasons),
			h.user(r.author), h.time(r.created)}
	case notes:
		return []any{tenant, r.id, patient, h.record(r.encounter), h.user(r.provider),
			"Simulated note: " + pick(visitReasons) + ".", h.time(r.created)}
	case messages:
		sender := "provider"
		if r.fromPatient {
			sender = "patient"
		}
		return []any{tenant, r.id, patient, h.user(r.provider), sender,
			"Simulated message about " + pick(visitReasons) + ".", h.time(r.at)}
	case careTeam:
		return []any{tenant, r.id, patient, h.user(r.provider), h.time(r.at), h.timeOrNull(r.until), h.user(r.author),
			h.time(r.created)}
	default:
		return []any{tenant, r.id, patient, h.record(r.encounter), pick(payers), pick(codes),
			int64(4000 + (i*37)%21000), h.user(r.provider), h.time(r.at)}
	}
}

func (h *History) user(i int) *uuid.UUID {
	if i < 0 {
		return nil
	}
	return &h.Users[i].ID
}

func (h *History) record(i int) *uuid.UUID {
	if i < 0 {
		return nil
	}
	return &h.rows[i].id
}

// timeOrNull is null for what has not happened by the end of the history.
func (h *History) timeOrNull(t micro) any {
	if t > h.end {
		return nil
	}
	return h.time(t)
}
