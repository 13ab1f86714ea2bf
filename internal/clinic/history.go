package clinic

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"time"

	"github.com/google/uuid"
)

// History is what happened in the clinics, in memory.
type History struct {
	Config  Config
	Start   time.Time // midnight UTC
	Tenants []Tenant
	Users   []User

	members []member
	charts  []chart
	rows    []row
	events  []event // in order of time; an event's ordinal is its place, from 1
	labels  []Label
	asks    []uuid.UUID // disclosure ids
	logins  []uuid.UUID // session ids
	covers  []cover
	end     micro // Config.Now
	firstID int64 // event_id of ordinal 1, once loaded

	secrets map[uuid.UUID]string // of service accounts, once loaded

	generated int // rows, without those of live sessions

	campaigns map[[2]int]bool // member, day: a list that the whole role works through
}

// Tenant is one clinic.
type Tenant struct {
	ID         uuid.UUID
	Slug, Name string
	Zone       *time.Location
}

// User is one person or service account.
type User struct {
	ID         uuid.UUID
	Slug, Name string
	Kind       string // human or service
	Reviewer   bool   // has no membership; kept as it is when the directory knows the slug already
}

// member is a user's place in a clinic.
type member struct {
	id           uuid.UUID
	user, tenant int
	role         string
	started      micro
	last         micro     // nothing ordinary at or after it
	ended        time.Time // HR's date; zero: none
	terminated   micro     // never: not
	shift        shift
	leaver       leaving
}

// table is one of the reference clinical tables.
type table uint8

const (
	patients table = iota
	appointments
	encounters
	notes
	messages
	claims
	careTeam
	noTable
)

var tableNames = [...]string{"public.patients", "public.appointments", "public.encounters", "public.notes",
	"public.messages", "public.claims", "public.care_team"}

// row is one clinical record; its ordinal is its place in History.rows. Which fields count depends on the table.
type row struct {
	id          uuid.UUID
	table       table
	tenant      int
	chart       int   // whose
	provider    int   // user: provider_id, author_id of a note, handled_by of a claim, member_id of a care team
	author      int   // user: booked_by, recorded_by, added_by; -1: null
	encounter   int   // row, of a note or claim; -1: null
	at          micro // scheduled_at, started_at, sent_at, submitted_at, from_at
	until       micro // ended_at, cancelled_at, to_at; never: null
	created     micro
	fromPatient bool // a message's sender
	nobody      bool // an id that stands for no record: a typing error
}

// chart is a patient with what is needed to simulate their care.
type chart struct {
	row                  int
	tenant               int
	clinician, nurse     int // members
	weight               float64
	first, last          string
	born                 time.Time
	person               int  // the user who is this patient; -1: nobody
	fresh                bool // registers at the first booking
	encounters, notes    []int
	bookings, claimsRows []int
}

type event struct {
	at      micro
	in      micro // when the log got it: later than at for what another system's log brings
	other   bool  // from another system's log
	member  int
	action  string
	table   table
	row     int // -1: none
	purpose string
	subject bool // the patient is named in the event itself, as writes and searches do
	denied  bool
	cause   int // seq of the event that a denial is about
	ask     int // index of asks; -1: none
	session int // -1: none that the log knows
	seq     int // order of generation
	label   int // -1: ordinary
	records int // of the event that sums an export up
}

// Link says that a user is a patient of the clinic. It is nobody's to guess: an installation that knows such links lets
// rules use them.
type Link struct{ Tenant, User, Patient uuid.UUID }

// Links lists the staff who are patients where they work.
func (h *History) Links() []Link {
	var out []Link
	for i := range h.charts {
		if c := &h.charts[i]; c.person >= 0 {
			out = append(out, Link{h.Tenants[c.tenant].ID, h.Users[c.person].ID, h.rows[c.row].id})
		}
	}
	return out
}

// Counts says how large a history is.
type Counts struct {
	Tenants, Users, Memberships, Patients, Events, Incidents, Twins int
	Records                                                         map[string]int // by table
}

// Counts counts what Load will write.
func (h *History) Counts() Counts {
	c := Counts{Tenants: len(h.Tenants), Users: len(h.Users), Memberships: len(h.members), Events: len(h.events),
		Records: map[string]int{}}
	for i := range h.rows {
		if h.loadable(&h.rows[i]) {
			c.Records[tableNames[h.rows[i].table]]++
		}
	}
	c.Patients = c.Records[tableNames[patients]]
	for i := range h.labels {
		if h.labels[i].Kind == Incident {
			c.Incidents++
		} else {
			c.Twins++
		}
	}
	return c
}

// ActorDays counts the days, in UTC, on which a person did something with a record, over all people.
func (h *History) ActorDays() int {
	days := map[[2]int]bool{}
	for i := range h.events {
		if e := &h.events[i]; e.row >= 0 && h.members[e.member].role != service {
			days[[2]int{h.members[e.member].user, int(e.at / day)}] = true
		}
	}
	return len(days)
}

// loadable: known to the system by the end of the history.
func (h *History) loadable(r *row) bool { return !r.nobody && r.created <= h.end }

// first is a user's first membership.
func (h *History) first(user int) int {
	return slices.IndexFunc(h.members, func(m member) bool { return m.user == user })
}

func (h *History) time(t micro) time.Time {
	return h.Start.Add(time.Duration(t) * time.Microsecond)
}

func (h *History) micro(t time.Time) micro { return micro(t.Sub(h.Start) / time.Microsecond) }

// Digest is a SHA-256 over the sequence of (actor's slug, action, record ordinal, offset from the start, how much later
// the log got it).
func (h *History) Digest() string {
	sum := sha256.New()
	for i := range h.events {
		e := &h.events[i]
		digestOne(sum, h.Users[h.members[e.member].user].Slug, e.action, e.row, e.at, e.in-e.at)
	}
	return hex.EncodeToString(sum.Sum(nil))
}

func digestOne(to interface{ Write([]byte) (int, error) }, slug, action string, row int, at, late micro) {
	buf := make([]byte, 0, 64)
	buf = append(append(buf, byte(len(slug))), slug...)
	buf = append(append(buf, byte(len(action))), action...)
	buf = binary.BigEndian.AppendUint64(buf, uint64(row))
	buf = binary.BigEndian.AppendUint64(buf, uint64(at))
	buf = binary.BigEndian.AppendUint64(buf, uint64(late))
	_, _ = to.Write(buf) // a hash does not fail
}
