package tenancy

import (
	"context"
	"encoding/json"
	"time"

	"github.com/google/uuid"

	"github.com/ward-health/ward/queries"
)

// LiveSession is a session that is in force.
type LiveSession struct {
	ID           uuid.UUID  `json:"id"`
	UserID       uuid.UUID  `json:"user_id"`
	User         string     `json:"user"`
	Name         string     `json:"name"`
	Kind         string     `json:"kind"`   // human or service
	Tenant       *string    `json:"tenant"` // slug; nil: a reviewer's
	Role         *string    `json:"role"`   // nil: a reviewer's
	Audience     string     `json:"aud"`
	Method       string     `json:"method"` // password, oidc or secret
	SecondFactor bool       `json:"second_factor"`
	CreatedAt    time.Time  `json:"created_at"`
	ExpiresAt    time.Time  `json:"expires_at"`
	RefreshedAt  *time.Time `json:"refreshed_at"` // nil: not since it was opened
}

// Revoked is what revoking sessions did.
type Revoked struct {
	SessionsEnded int         `json:"sessions_ended"`
	Sessions      []uuid.UUID `json:"sessions"`
}

// SigningKey is a key that signs access tokens, without its secret.
type SigningKey struct {
	ID        string     `json:"kid"`
	State     string     `json:"state"` // signs, verifies or retired
	CreatedAt time.Time  `json:"created_at"`
	RetireAt  *time.Time `json:"retire_at"`  // until then it verifies what it has signed
	RetiredAt *time.Time `json:"retired_at"` // its secret is gone
}

// Rotated is the key that signs now. AtOnce: the tokens of the others ended with that.
type Rotated struct {
	ID     string `json:"kid"`
	AtOnce bool   `json:"at_once"`
}

// Application is one of those that share the database: its audience, and the login that may use it.
type Application struct {
	Audience  string    `json:"aud"`
	LoginRole string    `json:"login_role"`
	Note      string    `json:"note"`
	CreatedAt time.Time `json:"created_at"`
}

// Sessions lists the live sessions of a user (slug or id), or of everybody ("") within reach: newest first, at
// most 500.
func (s *Session) Sessions(ctx context.Context, user string) ([]LiveSession, error) {
	return list[LiveSession](ctx, s, "sessions", user, (*queries.Queries).ListSessions)
}

// SignOutEverywhere ends every session of this person, in every clinic and application, and says how many.
func (s *Session) SignOutEverywhere(ctx context.Context) (int, error) {
	n, err := Call(ctx, s, "sign out everywhere",
		func(q *queries.Queries) (int32, error) { return q.SignOutEverywhere(ctx) })
	return int(n), err
}

// RevokeSession ends a live session within reach, by its id or first characters.
func (s *Session) RevokeSession(ctx context.Context, session, reason string) (Revoked, error) {
	return s.revoke(ctx, "revoke session "+session, queries.RevokeSessionsParams{Session: &session, Reason: reason})
}

// RevokeSessions ends all live sessions of a user (slug or id) within reach.
func (s *Session) RevokeSessions(ctx context.Context, user, reason string) (Revoked, error) {
	return s.revoke(ctx, "revoke sessions of "+user, queries.RevokeSessionsParams{OfUser: &user, Reason: reason})
}

func (s *Session) revoke(ctx context.Context, what string, arg queries.RevokeSessionsParams) (Revoked, error) {
	return CallJSON[Revoked](ctx, s, what,
		func(q *queries.Queries) (json.RawMessage, error) { return q.RevokeSessions(ctx, arg) })
}

// SigningKeys lists the keys that sign access tokens, newest first.
func (s *Session) SigningKeys(ctx context.Context) ([]SigningKey, error) {
	return list[SigningKey](ctx, s, "keys", "", (*queries.Queries).ListKeys)
}

// RotateKey makes a new signing key. The old ones verify until the tokens that they signed have run out; atOnce they
// verify nothing any more, so that every access token ends and sessions refresh.
func (s *Session) RotateKey(ctx context.Context, atOnce bool) (Rotated, error) {
	return CallJSON[Rotated](ctx, s, "rotate signing key",
		func(q *queries.Queries) (json.RawMessage, error) { return q.RotateSigningKey(ctx, atOnce) })
}

// Applications lists the applications that share the database.
func (s *Session) Applications(ctx context.Context) ([]Application, error) {
	return list[Application](ctx, s, "applications", "", (*queries.Queries).ListApplications)
}

// AddApplication adds one. loginRole is a database login that has ward_app's rights and no more.
func (s *Session) AddApplication(ctx context.Context, audience, loginRole, note string) error {
	return s.do(ctx, "add application "+audience, func(q *queries.Queries) error {
		_, err := q.AddApplication(ctx, queries.AddApplicationParams{Aud: audience, LoginRole: loginRole, Note: note})
		return err
	})
}
