package tenancy

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/ward-health/ward/queries"
)

// Tenant is a clinic, or the installation itself.
type Tenant struct {
	ID            uuid.UUID `json:"id"`
	Slug          string    `json:"slug"`
	Name          string    `json:"name"`
	Region        string    `json:"region"`
	Kind          string    `json:"kind"` // clinic or installation
	CreatedAt     time.Time `json:"created_at"`
	RetainYears   int       `json:"retain_years"` // archived history is kept for so long, and ninety days
	Members       int       `json:"members"`
	OpenAnomalies int       `json:"open_anomalies"`
}

// User is one human or service account for life.
type User struct {
	ID          uuid.UUID        `json:"id"`
	Slug        string           `json:"slug"`
	Name        string           `json:"name"`
	Kind        string           `json:"kind"`
	Owner       *string          `json:"owner"`
	CreatedAt   time.Time        `json:"created_at"`
	DisabledAt  *time.Time       `json:"disabled_at"`
	Memberships []UserMembership `json:"memberships"`
}

// UserMembership is a user's place in one tenant, in short.
type UserMembership struct {
	Tenant       string     `json:"tenant"`
	TenantName   string     `json:"tenant_name,omitempty"`
	Role         string     `json:"role"`
	TerminatedAt *time.Time `json:"terminated_at,omitempty"`
}

// Membership is user x tenant x role.
type Membership struct {
	ID           uuid.UUID  `json:"id"`
	Tenant       string     `json:"tenant"`
	TenantName   string     `json:"tenant_name"`
	Region       string     `json:"region"`
	UserID       uuid.UUID  `json:"user_id"`
	User         string     `json:"user"`
	Name         string     `json:"name"`
	Kind         string     `json:"kind"`
	Role         string     `json:"role"`
	StartedAt    time.Time  `json:"started_at"`
	PatientID    *uuid.UUID `json:"patient_id"` // of a portal identity: the one whose records it reaches
	EndedOn      *string    `json:"ended_on"`   // HR's date, YYYY-MM-DD
	TerminatedAt *time.Time `json:"terminated_at"`
	TerminatedBy *string    `json:"terminated_by"`
	Reason       *string    `json:"reason"`
	LiveSessions int        `json:"live_sessions"`
}

// Consequences is a membership with what terminating it would do and leave behind.
type Consequences struct {
	Membership
	UpcomingAppointments int              `json:"upcoming_appointments"`
	OpenAnomalies        int              `json:"open_anomalies"`
	OtherMemberships     []UserMembership `json:"other_memberships"`
	Services             []string         `json:"services"` // service accounts that the person answers for
	Grants               []string         `json:"grants"`   // reviewer's grants in force: "auditor of every clinic"
	OnCall               []string         `json:"on_call"`  // clinics whose on-call grant they may take; "*": any
}

// Termination is what terminating a membership did.
type Termination struct {
	Membership    uuid.UUID `json:"membership"`
	UserID        uuid.UUID `json:"user_id"`
	SessionsEnded int       `json:"sessions_ended"`
	EventID       int64     `json:"event_id"`
}

// list reads one of the directory's lists: what is one of those that tenancy.browse knows; of narrows it ("":
// everything within reach).
func list[T any](ctx context.Context, s *Session, what, of string, read ReadList) ([]T, error) {
	return List[T](ctx, s, what, func(q *queries.Queries, ask uuid.UUID) error {
		return q.Browse(ctx, queries.BrowseParams{Ask: ask, What: what, Arg: optional(of)})
	}, read)
}

// Tenants lists the tenants within the session's reach.
func (s *Session) Tenants(ctx context.Context) ([]Tenant, error) {
	return list[Tenant](ctx, s, "tenants", "", (*queries.Queries).ListTenants)
}

// Users lists the users within reach.
func (s *Session) Users(ctx context.Context) ([]User, error) {
	return list[User](ctx, s, "users", "", (*queries.Queries).ListUsers)
}

// Members lists the memberships of a tenant (slug or id), or of every tenant within reach when it is empty: live ones
// first.
func (s *Session) Members(ctx context.Context, tenant string) ([]Membership, error) {
	return list[Membership](ctx, s, "members", tenant, (*queries.Queries).ListMembers)
}

// Grants lists reviewers' grants.
func (s *Session) Grants(ctx context.Context) ([]Grant, error) {
	return list[Grant](ctx, s, "grants", "", (*queries.Queries).ListGrants)
}

// Consequences shows what terminating a membership (id or its first characters) would do.
func (s *Session) Consequences(ctx context.Context, membership string) (Consequences, error) {
	rows, err := list[Consequences](ctx, s, "member", membership, (*queries.Queries).ShowMember)
	if err != nil {
		return Consequences{}, err
	}
	if len(rows) != 1 {
		return Consequences{}, fmt.Errorf("membership %s: not found", membership)
	}
	return rows[0], nil
}

// Terminate ends a membership. typed is the beginning of the person's user id, as a check; endedOn is HR's date (nil:
// unknown). Live sessions are revoked, and the next transaction under any of them is refused.
func (s *Session) Terminate(ctx context.Context, membership, typed, reason string,
	endedOn *time.Time) (Termination, error) {
	what := "terminate membership " + membership
	return CallJSON[Termination](ctx, s, what, func(q *queries.Queries) (json.RawMessage, error) {
		return q.Terminate(ctx,
			queries.TerminateParams{Membership: membership, Typed: typed, Reason: reason, EndedOn: endedOn})
	})
}

// AddTenant adds a clinic in this region.
func (s *Session) AddTenant(ctx context.Context, slug, name string) (uuid.UUID, error) {
	return Call(ctx, s, "add tenant "+slug, func(q *queries.Queries) (uuid.UUID, error) {
		return q.AddTenant(ctx, queries.AddTenantParams{Slug: slug, Name: name})
	})
}

// SetRetention makes a clinic's archived history be kept for more years. It never shrinks.
func (s *Session) SetRetention(ctx context.Context, tenant string, years int, reason string) error {
	return s.do(ctx, "set retention of "+tenant, func(q *queries.Queries) error {
		return q.SetRetention(ctx, queries.SetRetentionParams{Tenant: tenant, Years: int32(years), Reason: reason})
	})
}

// NewUser is what AddUser needs. Owner is a user's slug, for service accounts; Password may be empty for who never
// signs in by password.
type NewUser struct {
	Slug, Name, Kind, Owner, Password string
}

// AddUser adds a human or a service account.
func (s *Session) AddUser(ctx context.Context, u NewUser) (uuid.UUID, error) {
	return Call(ctx, s, "add user "+u.Slug, func(q *queries.Queries) (uuid.UUID, error) {
		return q.AddUser(ctx, queries.AddUserParams{Slug: u.Slug, Name: u.Name, Kind: u.Kind, Owner: optional(u.Owner),
			Password: optional(u.Password)})
	})
}

// AddMember gives a user a role in a tenant.
func (s *Session) AddMember(ctx context.Context, tenant, user, role string) (uuid.UUID, error) {
	return Call(ctx, s, "add member "+user, func(q *queries.Queries) (uuid.UUID, error) {
		return q.AddMember(ctx, queries.AddMemberParams{Tenant: tenant, Who: user, Role: role})
	})
}

// AddPatient gives a user a portal identity at a tenant: it reaches the records of one patient, their own or their
// child's.
func (s *Session) AddPatient(ctx context.Context, tenant, user string, patient uuid.UUID) (uuid.UUID, error) {
	return Call(ctx, s, "add portal identity "+user, func(q *queries.Queries) (uuid.UUID, error) {
		return q.AddMember(ctx, queries.AddMemberParams{Tenant: tenant, Who: user, Role: "patient", Patient: &patient})
	})
}

// NewGrant is what AddGrant needs. Tenant empty: every tenant; Hours 0: no end.
type NewGrant struct {
	User, Role, Tenant, Reason, Ticket string
	Hours                              float64
}

// AddGrant lets a user review.
func (s *Session) AddGrant(ctx context.Context, g NewGrant) (uuid.UUID, error) {
	return Call(ctx, s, "add grant for "+g.User, func(q *queries.Queries) (uuid.UUID, error) {
		arg := queries.AddGrantParams{Who: g.User, Role: g.Role, Tenant: optional(g.Tenant), Reason: g.Reason,
			Ticket: optional(g.Ticket)}
		if g.Hours != 0 {
			arg.Hours = &g.Hours
		}
		return q.AddGrant(ctx, arg)
	})
}

// EndGrant ends a grant (id or its first characters).
func (s *Session) EndGrant(ctx context.Context, grant, reason string) (uuid.UUID, error) {
	return Call(ctx, s, "end grant "+grant, func(q *queries.Queries) (uuid.UUID, error) {
		return q.EndGrant(ctx, queries.EndGrantParams{GrantID: grant, Reason: reason})
	})
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// Installation is what Init needs: the region that the database serves, and its first administrator.
type Installation struct {
	Region, Slug, Name, Password string
}

// Init makes a freshly migrated, empty database an installation. db is a connection as ward_migrate or a superuser;
// refused once anybody exists.
func (db *DB) Init(ctx context.Context, in Installation) (uuid.UUID, error) {
	return within(ctx, db.transact, "initialise", func(q *queries.Queries) (uuid.UUID, error) {
		return q.InitInstallation(ctx,
			queries.InitInstallationParams{Region: in.Region, Slug: in.Slug, Name: in.Name, Password: in.Password})
	})
}

// Region is the region that the database serves. It needs no session.
func (db *DB) Region(ctx context.Context) (string, error) {
	return within(ctx, db.transact, "ask for the region",
		func(q *queries.Queries) (string, error) { return q.RegionHere(ctx) })
}
