package audit_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/ward-health/ward/archive"
	"github.com/ward-health/ward/audit"
	"github.com/ward-health/ward/internal/wardtest"
	"github.com/ward-health/ward/queries"
	"github.com/ward-health/ward/tenancy"
)

// archived opens the archive of an attic under a lease.
func (a *attic) archived(l *audit.Lease) *audit.Lease {
	a.t.Cleanup(l.Close)
	return l.WithArchive(
		func() (archive.Store, []archive.Key, error) { return a.store, []archive.Key{a.signer.Key()}, nil })
}

func (a *attic) lease(s *tenancy.Session, f audit.Filter) *audit.Lease {
	a.t.Helper()
	l, err := audit.Open(a.t.Context(), s, "cedar", "an old matter", "", f)
	if err != nil {
		a.t.Fatal(err)
	}
	return a.archived(l)
}

// spell is all of an event but where it was read from.
func spell(e audit.Event) string {
	s := func(p any) string { return fmt.Sprintf("%v", p) }
	text := func(p *string) string {
		if p == nil {
			return "-"
		}
		return *p
	}
	return strings.Join([]string{s(e.EventID), e.RecordedAt.UTC().Format(time.RFC3339Nano), s(e.OccurredAt),
		text(e.Actor), s(e.ActorID), e.ActorKind, e.Action, e.Outcome, text(e.RecordTable), s(e.RecordID),
		s(e.PatientID), text(e.Purpose),
		s(e.SessionID), s(e.MembershipID), s(e.DisclosureID), text(e.Detail), e.Source, s(*e.Seq), text(e.Hash)}, " ")
}

// old reads everything of the old month, page by page, in both directions.
func (a *attic) old(l *audit.Lease, size int, older bool) (rows []string, from map[string]int) {
	a.t.Helper()
	from = map[string]int{}
	var pos *audit.Position
	for {
		read := l.Newer
		if older {
			read = l.Older
		}
		events, err := read(a.t.Context(), pos, size)
		if err != nil {
			a.t.Fatal(err)
		}
		for _, e := range events {
			pos = &audit.Position{At: e.RecordedAt, ID: e.EventID}
			if e.RecordedAt.UTC().Format("2006-01") == old {
				rows = append(rows, spell(e))
				from[e.From]++
			}
			if (e.From == audit.FromArchive) != (e.Part != nil) {
				a.t.Fatalf("event %d is from %s, part %v", e.EventID, e.From, e.Part)
			}
		}
		if len(events) < size {
			return rows, from
		}
	}
}

// TestListReadsOnInTheArchive: what a lease shows of a month is the same before it was pruned and after, for every
// field of the filter, in both directions, whatever the size of a page.
func TestListReadsOnInTheArchive(t *testing.T) {
	a := newAttic(t)
	known := uuid.New() // a record whose patient the event does not name
	patient := uuid.New()
	super(t, a.e, "insert into tenancy.record (record_table, record_id, tenant_id, subject_id) "+
		"values ('public.notes', $1, $2, $3)", known, a.cedar, patient)
	super(t, a.e, `insert into audit.event (tenant_id, user_id, actor_kind, session_id, action, outcome, record_table,
		record_id, purpose, recorded_at, occurred_at, detail)
		select $1, (select id from tenancy.users where slug = 'carla'), 'human', '5a000000-0000-4000-8000-000000000001',
			'modify', 'denied', 'public.notes', $2, 'payment', '2026-05-03 00:02:30Z', '2026-05-01Z',
			'{}'`, a.cedar, known)
	a.settle()
	dana := a.e.Reviewer("dana")
	event := wardtest.One[int64](a.e, "select event_id from audit.event where record_id = $1", known)
	at := func(s string) *time.Time {
		v, err := time.Parse(time.RFC3339Nano, s)
		if err != nil {
			t.Fatal(err)
		}
		return &v
	}
	subject := wardtest.One[uuid.UUID](a.e, "select subject_id from audit.event where recorded_at > '2026-05-03Z' "+
		"and tenant_id = $1 and subject_id is not null order by recorded_at limit 1", a.cedar)
	session := uuid.MustParse("5a000000-0000-4000-8000-000000000001")
	filters := map[string]audit.Filter{
		"none": {}, "actor": {Actor: []string{"carla"}}, "action": {Action: []string{"modify", "create"}},
		"outcome": {Outcome: "denied"}, "table": {RecordTable: "public.notes"}, "record": {RecordID: &known},
		"subject of the record": {SubjectID: &patient}, "subject of the event": {SubjectID: &subject},
		"session": {SessionID: &session}, "purpose": {Purpose: "payment"}, "from": {From: at("2026-05-03T00:02:30Z")},
		"to": {To: at("2026-05-03T00:02:30Z")}, "ids": {EventIDs: []int64{event}},
		"all": {Actor: []string{"carla"}, Action: []string{"modify"}, Outcome: "denied", RecordTable: "public.notes",
			RecordID: &known, SubjectID: &patient, SessionID: &session,
			Purpose: "payment", From: at("2026-05-03T00:02:30Z"), To: at("2026-05-03T00:02:30.000001Z"),
			EventIDs: []int64{event, 1}},
	}
	want := map[string][]string{}
	for name, f := range filters {
		rows, from := a.old(a.lease(dana, f), 100, true)
		if len(rows) == 0 || len(rows) == 16 && name != "none" || from[audit.FromArchive] > 0 {
			t.Fatalf("%s: %d rows, from %v", name, len(rows), from)
		}
		want[name] = rows
	}
	if done := a.prune(a.reconciler, false, true); len(done.Refused) > 0 {
		t.Fatal(done.Refused)
	}
	for name, f := range filters {
		for _, size := range []int{1, 3, 100} {
			for _, older := range []bool{true, false} {
				got, from := a.old(a.lease(dana, f), size, older)
				if !older {
					slices.Reverse(got)
				}
				if !slices.Equal(got, want[name]) || from[audit.FromDatabase] > 0 {
					t.Errorf("%s, pages of %d, older %t, from %v:\n has   %q\n wants %q", name, size, older, from,
						got, want[name])
				}
			}
		}
	}
	// narrowing the lease narrows what is read of the archive, and is on record
	l, err := a.lease(dana, audit.Filter{}).Search(t.Context(), filters["purpose"])
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := a.old(l, 100, true); !slices.Equal(got, want["purpose"]) {
		t.Errorf("narrowed: %q", got)
	}
}

// TestArchivedRowsNeedALease: without one, with one of another reviewer's reach, with a lease that is over, or beyond a
// changed or cut archive, nothing is shown.
func TestArchivedRowsNeedALease(t *testing.T) {
	a := newAttic(t)
	if done := a.prune(a.reconciler, false, true); len(done.Refused) > 0 {
		t.Fatal(done.Refused)
	}
	dana := a.e.Reviewer("dana")
	all := audit.Filter{To: ptr(time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC))}
	l := a.lease(dana, all)
	looks := wardtest.One[int](a.e, "select count(*) from audit.event where action = 'open'")
	if events, err := l.Older(t.Context(), nil, 100); err != nil || len(events) != 15 {
		t.Fatalf("%d events, %v", len(events), err)
	}
	if n := wardtest.One[int](a.e, "select count(*) from audit.event where action = 'open'"); n != looks || looks != 1 {
		t.Errorf("%d opened, then %d", looks, n)
	}
	t.Run("no lease", func(t *testing.T) {
		err := dana.Tx(t.Context(), uuid.Nil, func(tx tenancy.Tx) error {
			_, err := queries.New(tx).ArchiveLease(t.Context())
			return err
		})
		if err == nil {
			t.Error("says whose rows to read")
		}
		err = dana.Tx(t.Context(), uuid.Nil, func(tx tenancy.Tx) error {
			_, err := queries.New(tx).ArchiveNames(t.Context(),
				queries.ArchiveNamesParams{Users: []uuid.UUID{uuid.New()}})
			return err
		})
		if err == nil {
			t.Error("names users")
		}
	})
	t.Run("another clinic's records under this lease", func(t *testing.T) {
		record := uuid.New()
		super(t, a.e, "insert into tenancy.record (record_table, record_id, tenant_id, subject_id) "+
			"values ('public.notes', $1, $2, gen_random_uuid())", record, a.harbor)
		ask := wardtest.One[uuid.UUID](a.e,
			"select disclosure_id from audit.event where action = 'open' order by event_id desc limit 1")
		err := dana.Tx(t.Context(), ask, func(tx tenancy.Tx) error {
			raw, err := queries.New(tx).ArchiveNames(t.Context(),
				queries.ArchiveNamesParams{Users: []uuid.UUID{}, Records: []uuid.UUID{record}})
			if strings.Contains(string(raw), record.String()) {
				t.Errorf("names the patient: %s", raw)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	})
	t.Run("no archive is named", func(t *testing.T) {
		bare, err := audit.Open(t.Context(), dana, "cedar", "an old matter", "", audit.Filter{})
		if err != nil {
			t.Fatal(err)
		}
		if events, err := bare.Older(t.Context(), nil, 5000); !errors.Is(err, audit.ErrNoArchive) || len(events) == 0 {
			t.Errorf("%d events, %v", len(events), err)
		}
		if events, err := bare.Newer(t.Context(), nil, 5000); !errors.Is(err, audit.ErrNoArchive) || len(events) == 0 {
			t.Errorf("%d events, %v", len(events), err)
		}
	})
	t.Run("a file that was changed is not parsed", func(t *testing.T) {
		path := a.parts()[1].Path
		var whole []byte
		a.change(a.dir, path, func(b []byte) []byte { whole = slices.Clone(b); b[len(b)/2] ^= 1; return b })
		if events, err := a.lease(dana, all).Older(t.Context(), nil, 100); !errors.Is(err, archive.ErrDamaged) ||
			events != nil {
			t.Errorf("%d events, %v", len(events), err)
		}
		a.change(a.dir, path, func([]byte) []byte { return whole })
	})
	t.Run("an archive that was rolled back", func(t *testing.T) {
		cut := "v1/region=" + wardtest.Region + "/checkpoints/"
		list, err := a.store.List(t.Context(), cut)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range list[1:] {
			a.remove(a.dir, o.Path)
		}
		if events, err := a.lease(dana, all).Older(t.Context(), nil, 100); !errors.Is(err, archive.ErrDamaged) ||
			events != nil {
			t.Errorf("%d events, %v", len(events), err)
		}
	})
	t.Run("a lease that is over", func(t *testing.T) {
		super(t, a.e, "delete from audit.ask")
		if events, err := l.Older(t.Context(), nil, 100); err == nil || events != nil {
			t.Errorf("%d events, %v", len(events), err)
		}
	})
}

func ptr[T any](v T) *T { return &v }
