package tenancy

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/ward-health/ward/queries"
)

// Person is one user with everything that disabling them would end and leave behind, as far as the reviewer reaches.
type Person struct {
	User
	LiveSessions int      `json:"live_sessions"`
	Services     []string `json:"services"` // service accounts that they answer for
	Grants       []string `json:"grants"`   // in force: "auditor of every clinic"
	OnCall       []string `json:"on_call"`  // clinics; "*": any
}

// RoleChange is what giving a member another role did: the old membership ended and a new one began, in one
// transaction.
type RoleChange struct {
	Termination
	NewMembership uuid.UUID `json:"new_membership"`
	Role          string    `json:"role"`
}

// Disabled is what disabling a user ended.
type Disabled struct {
	UserID           uuid.UUID `json:"user_id"`
	MembershipsEnded int       `json:"memberships_ended"`
	GrantsEnded      int       `json:"grants_ended"`
	SessionsEnded    int       `json:"sessions_ended"`
	EventID          int64     `json:"event_id"`
}

// Role is what its members may do in a clinic.
type Role struct {
	Name        string       `json:"name"`
	Note        string       `json:"note"`
	Permissions []Permission `json:"permissions"`
	Members     int          `json:"members"` // live memberships within reach
}

// Permission is a protected table and what a role may do with its records.
type Permission struct {
	RecordTable string   `json:"record_table"`
	Actions     []string `json:"actions"`
}

// OnCall is one line of the roster: who may take an on-call grant by themself, and what they hold of it now.
type OnCall struct {
	ID      uuid.UUID  `json:"id"`
	User    string     `json:"user"`
	Name    string     `json:"name"`
	Tenant  *string    `json:"tenant"` // nil: any clinic
	AddedBy string     `json:"added_by"`
	AddedAt time.Time  `json:"added_at"`
	Reason  string     `json:"reason"`
	Took    *string    `json:"took"` // the clinic of the grant in force
	Until   *time.Time `json:"until"`
}

// Taken is an on-call grant that its holder took.
type Taken struct {
	Grant     uuid.UUID `json:"grant"`
	Tenant    string    `json:"tenant"`
	ExpiresAt time.Time `json:"expires_at"`
	EventID   int64     `json:"event_id"`
}

// Person shows one user (slug or id) and what disabling them would do.
func (s *Session) Person(ctx context.Context, user string) (Person, error) {
	rows, err := list[Person](ctx, s, "user", user, (*queries.Queries).ShowUser)
	if err != nil {
		return Person{}, err
	}
	if len(rows) != 1 {
		return Person{}, fmt.Errorf("user %s: not found", user)
	}
	return rows[0], nil
}

// ChangeRole gives a member another role: the membership (id or its first characters) ends with its sessions, and
// another one begins.
func (s *Session) ChangeRole(ctx context.Context, membership, role, reason string) (RoleChange, error) {
	what := "change role of " + membership
	return CallJSON[RoleChange](ctx, s, what, func(q *queries.Queries) (json.RawMessage, error) {
		return q.ChangeRole(ctx, queries.ChangeRoleParams{Membership: membership, Role: role, Reason: reason})
	})
}

// DisableUser ends a person everywhere: memberships, grants, standing on call, a service account's secrets, and every
// session.
func (s *Session) DisableUser(ctx context.Context, user, reason string) (Disabled, error) {
	return CallJSON[Disabled](ctx, s, "disable user "+user, func(q *queries.Queries) (json.RawMessage, error) {
		return q.DisableUser(ctx, queries.DisableUserParams{Who: user, Reason: reason})
	})
}

// EnableUser lets a disabled user sign in again. What was ended stays ended.
func (s *Session) EnableUser(ctx context.Context, user, reason string) error {
	return s.do(ctx, "enable user "+user, func(q *queries.Queries) error {
		_, err := q.EnableUser(ctx, queries.EnableUserParams{Who: user, Reason: reason})
		return err
	})
}

// Roles lists the roles of clinics' members, or the one named.
func (s *Session) Roles(ctx context.Context, role string) ([]Role, error) {
	return list[Role](ctx, s, "roles", role, (*queries.Queries).ListRoles)
}

// AddRole adds a role that may do nothing yet.
func (s *Session) AddRole(ctx context.Context, name, note string) error {
	return s.do(ctx, "add role "+name, func(q *queries.Queries) error {
		return q.AddRole(ctx, queries.AddRoleParams{Name: name, Note: note})
	})
}

// AllowRole lets a role do things with a table's records in every clinic, or takes that away; from the next ask on.
func (s *Session) AllowRole(ctx context.Context, role, table string, actions []string, allowed bool) error {
	return s.do(ctx, "change role "+role, func(q *queries.Queries) error {
		return q.AllowRole(ctx,
			queries.AllowRoleParams{Role: role, RecordTable: table, Actions: actions, Allowed: allowed})
	})
}

// OnCallRoster lists who may take an on-call grant.
func (s *Session) OnCallRoster(ctx context.Context) ([]OnCall, error) {
	return list[OnCall](ctx, s, "oncall", "", (*queries.Queries).ListOnCall)
}

// AddOnCall puts a person on the roster of a clinic, or of every clinic when tenant is empty.
func (s *Session) AddOnCall(ctx context.Context, user, tenant, reason string) (uuid.UUID, error) {
	return Call(ctx, s, "put "+user+" on call", func(q *queries.Queries) (uuid.UUID, error) {
		return q.AddOnCall(ctx, queries.AddOnCallParams{Who: user, Tenant: optional(tenant), Reason: reason})
	})
}

// RemoveOnCall takes a person off the roster and ends what they took under it; how many grants that were.
func (s *Session) RemoveOnCall(ctx context.Context, user, tenant, reason string) (int, error) {
	n, err := Call(ctx, s, "take "+user+" off call", func(q *queries.Queries) (int32, error) {
		return q.RemoveOnCall(ctx, queries.RemoveOnCallParams{Who: user, Tenant: optional(tenant), Reason: reason})
	})
	return int(n), err
}

// TakeOnCall gives the session's own person, who stands on the roster, an on-call engineer's grant at one clinic for at
// most four hours. It becomes an item of the queue (rule S03).
func (s *Session) TakeOnCall(ctx context.Context, tenant, reason, ticket string, hours float64) (Taken, error) {
	return CallJSON[Taken](ctx, s, "take on-call grant at "+tenant, func(q *queries.Queries) (json.RawMessage, error) {
		return q.TakeOnCall(ctx, queries.TakeOnCallParams{Tenant: tenant, Reason: reason, Ticket: ticket, Hours: hours})
	})
}

// EndOnCall ends the on-call grants that the session's own person holds; how many.
func (s *Session) EndOnCall(ctx context.Context, reason string) (int, error) {
	n, err := Call(ctx, s, "end on-call grant", func(q *queries.Queries) (int32, error) {
		return q.EndOnCall(ctx, reason)
	})
	return int(n), err
}
