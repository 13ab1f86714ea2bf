package audit

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/ward-health/ward/archive"
	"github.com/ward-health/ward/queries"
	"github.com/ward-health/ward/tenancy"
)

// ErrNoArchive says that there are rows that only the archive has, and the lease was given none. What the database has
// comes with it.
var ErrNoArchive = errors.New("older rows are in the archive only")

// ArchiveOpener opens the archive and names the public keys that its log is trusted by.
type ArchiveOpener func() (archive.Store, []archive.Key, error)

// archived is the archive behind a lease. One page is read at a time.
type archived struct {
	open ArchiveOpener

	mu     sync.Mutex
	reader *archive.Reader
	region string
}

// WithArchive lets the lease, and those narrowed from it, read on in the archive where the database's rows end. It is
// opened when that is needed. Close the lease afterwards.
func (l *Lease) WithArchive(open ArchiveOpener) *Lease {
	l.archive = &archived{open: open}
	return l
}

// Close frees what was read of the archive.
func (l *Lease) Close() {
	if l.archive == nil {
		return
	}
	l.archive.mu.Lock()
	defer l.archive.mu.Unlock()
	l.archive.close()
}

func (a *archived) close() {
	if a.reader != nil {
		a.reader.Close()
	}
	a.reader = nil
}

// ArchiveStats says what was read of the archive so far under this lease and those narrowed from it.
func (l *Lease) ArchiveStats() archive.ReadStats {
	if l.archive == nil {
		return archive.ReadStats{}
	}
	l.archive.mu.Lock()
	defer l.archive.mu.Unlock()
	if l.archive.reader == nil {
		return archive.ReadStats{}
	}
	return l.archive.reader.Stats()
}

// archiveLease is what the database says about reading on in the archive: the filter is the one that was recorded.
type archiveLease struct {
	TenantID uuid.UUID  `json:"tenant_id"`
	Region   string     `json:"region"`
	HeadSize int64      `json:"head_size"`
	Before   *time.Time `json:"before"` // rows recorded before are in the archive only; null: nothing is pruned
	Filter   struct {
		ActorIDs    []string   `json:"actor_ids"`
		Action      []string   `json:"action"`
		Outcome     *string    `json:"outcome"`
		RecordTable *string    `json:"record_table"`
		RecordID    *uuid.UUID `json:"record_id"`
		SubjectID   *uuid.UUID `json:"subject_id"`
		SessionID   *uuid.UUID `json:"session_id"`
		Purpose     *string    `json:"purpose"`
		From        *time.Time `json:"from"`
		To          *time.Time `json:"to"`
		EventIDs    []int64    `json:"event_ids"`
	} `json:"filter"`
	SubjectRecords []string `json:"subject_records"` // of the patient in the filter
}

// archived reads a page of rows that only the archive has. The lease is asked for first: one that is over shows
// nothing.
func (l *Lease) archived(ctx context.Context, older bool, pos *Position, n int) ([]Event, error) {
	var lease archiveLease
	err := l.session.Tx(ctx, l.id, func(tx tenancy.Tx) error {
		raw, err := queries.New(tx).ArchiveLease(ctx)
		if err != nil {
			return err
		}
		return json.Unmarshal(raw, &lease)
	})
	if err != nil {
		return nil, fmt.Errorf("read archived events of %s: %w", l.Tenant, err)
	}
	if lease.Before == nil {
		return nil, nil
	}
	s := lease.selection(*lease.Before, older, pos, n)
	if s.To <= s.From {
		return nil, nil
	}
	if l.archive == nil {
		return nil, ErrNoArchive
	}
	found, err := l.archive.read(ctx, &lease, s)
	if err != nil {
		return nil, fmt.Errorf("read archived events of %s: %w", l.Tenant, err)
	}
	return l.named(ctx, found)
}

func (a *archived) read(ctx context.Context, lease *archiveLease, s *archive.Selection) ([]archive.Found, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.reader != nil && (a.region != lease.Region || a.reader.Head().Size < lease.HeadSize) {
		a.close()
	}
	if a.reader == nil {
		store, keys, err := a.open()
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrNoArchive, err)
		}
		reader, err := archive.OpenReader(ctx, store, lease.Region, keys...)
		if err != nil {
			return nil, err
		}
		a.reader, a.region = reader, lease.Region
	}
	if size := a.reader.Head().Size; size < lease.HeadSize {
		return nil, fmt.Errorf("%w: its log ends at %d, and reached %d when a month was pruned: it was rolled back, "+
			"or is another archive", archive.ErrDamaged, size, lease.HeadSize)
	}
	return a.reader.Select(ctx, s)
}

// selection is the recorded filter as the archive understands it: the same fields with the same meaning as in
// audit.events.
func (a *archiveLease) selection(before time.Time, older bool, pos *Position, n int) *archive.Selection {
	f := &a.Filter
	s := &archive.Selection{Tenant: a.TenantID.String(), Oldest: !older, To: before.UnixMicro(), EventIDs: f.EventIDs,
		Limit: n, Keep: a.keep}
	if pos != nil {
		s.Beyond = &archive.Place{RecordedAt: pos.At.UnixMicro(), EventID: pos.ID}
	}
	if f.From != nil {
		s.From = ceilMicro(*f.From)
	}
	if f.To != nil {
		s.To = min(s.To, ceilMicro(*f.To))
	}
	// what lies beyond the position is not asked for
	if pos != nil && older {
		s.To = min(s.To, pos.At.UnixMicro()+1)
	}
	if pos != nil && !older {
		s.From = max(s.From, pos.At.UnixMicro())
	}
	return s
}

// ceilMicro is the first whole microsecond not before t.
func ceilMicro(t time.Time) int64 {
	return t.Add(time.Microsecond - 1).UnixMicro()
}

func (a *archiveLease) keep(r *archive.Row) bool {
	f := &a.Filter
	same := func(want, got *string) bool { return want == nil || got != nil && *got == *want }
	sameID := func(want *uuid.UUID, got *string) bool { return want == nil || got != nil && *got == want.String() }
	switch {
	case f.Outcome != nil && r.Outcome != *f.Outcome,
		!same(f.RecordTable, r.RecordTable), !same(f.Purpose, r.Purpose),
		!sameID(f.RecordID, r.RecordID), !sameID(f.SessionID, r.SessionID),
		len(f.Action) > 0 && !slices.Contains(f.Action, r.Action),
		len(f.ActorIDs) > 0 && (r.UserID == nil || !slices.Contains(f.ActorIDs, *r.UserID)):
		return false
	}
	if f.SubjectID == nil || sameID(f.SubjectID, r.SubjectID) {
		return true
	}
	return r.RecordTable != nil && r.RecordID != nil &&
		slices.Contains(a.SubjectRecords, *r.RecordTable+" "+*r.RecordID)
}

// archiveNames are short names of users and patients of records.
type archiveNames struct {
	Users   map[string]string    `json:"users"`
	Records map[string]uuid.UUID `json:"records"` // "table id"
}

// named makes events of archived rows, with the names that the database has for their ids.
func (l *Lease) named(ctx context.Context, found []archive.Found) ([]Event, error) {
	if len(found) == 0 {
		return nil, nil
	}
	events := make([]Event, len(found))
	var arg queries.ArchiveNamesParams
	for i := range found {
		if err := fromArchive(&events[i], &found[i]); err != nil {
			return nil, fmt.Errorf("row %d of %s: %w", found[i].Row.Seq, found[i].Part, err)
		}
		if id := events[i].ActorID; id != nil && !slices.Contains(arg.Users, *id) {
			arg.Users = append(arg.Users, *id)
		}
		if id := events[i].RecordID; id != nil {
			arg.Records = append(arg.Records, *id)
		}
	}
	var names archiveNames
	err := l.session.Tx(ctx, l.id, func(tx tenancy.Tx) error {
		raw, err := queries.New(tx).ArchiveNames(ctx, arg)
		if err != nil {
			return err
		}
		return json.Unmarshal(raw, &names)
	})
	if err != nil {
		return nil, fmt.Errorf("name archived events of %s: %w", l.Tenant, err)
	}
	for i := range events {
		names.put(&events[i])
	}
	return events, nil
}

func (n *archiveNames) put(e *Event) {
	if e.ActorID != nil {
		if slug, ok := n.Users[e.ActorID.String()]; ok {
			e.Actor = &slug
		}
	}
	if e.PatientID == nil && e.RecordTable != nil && e.RecordID != nil {
		if id, ok := n.Records[*e.RecordTable+" "+e.RecordID.String()]; ok {
			e.PatientID = &id
		}
	}
}

// fromArchive spells an archived row out as an event.
func fromArchive(e *Event, f *archive.Found) error {
	r := &f.Row
	seq, hash, part := r.Seq, fmt.Sprintf(`\x%x`, r.Hash), strings.Clone(f.Part)
	*e = Event{EventID: r.EventID, RecordedAt: time.UnixMicro(r.RecordedAt).UTC(), ActorKind: r.ActorKind,
		Action: r.Action, Outcome: r.Outcome, RecordTable: r.RecordTable,
		Purpose: r.Purpose, Detail: r.Detail, Source: r.Source, Seq: &seq, Hash: &hash, From: FromArchive, Part: &part}
	if r.OccurredAt != nil {
		at := time.UnixMicro(*r.OccurredAt).UTC()
		e.OccurredAt = &at
	}
	var failed error
	for _, id := range []struct {
		text *string
		to   **uuid.UUID
	}{{r.UserID, &e.ActorID}, {r.RecordID, &e.RecordID}, {r.SubjectID, &e.PatientID}, {r.SessionID, &e.SessionID},
		{r.MembershipID, &e.MembershipID}, {r.DisclosureID, &e.DisclosureID}} {
		if id.text == nil {
			continue
		}
		v, err := uuid.Parse(*id.text)
		failed = cmp.Or(failed, err)
		*id.to = &v
	}
	return failed
}
