package tenancy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/ward-health/ward/queries"
)

// ReviewAudience is the audience of a reviewer's session, which names no tenant.
const ReviewAudience = "review"

// Tokens are what signing in yields. Both are secrets.
type Tokens struct {
	Access    string    `json:"access_token"`
	Refresh   string    `json:"refresh_token"`
	Expires   time.Time `json:"expires_at"` // of Access
	SessionID uuid.UUID `json:"session_id"`
}

// TokenStore keeps tokens where several processes of one person find them. A refresh token works once, so they must not
// refresh side by side.
type TokenStore interface {
	// Update calls fn with the tokens that are stored, keeps what it returns, and returns that; no two Updates of one
	// store overlap.
	Update(ctx context.Context, fn func(stored Tokens) (Tokens, error)) (Tokens, error)
}

// Session is somebody signed in on a DB. It is safe for concurrent use; each call is transactions of its own.
type Session struct {
	db    *DB
	now   func() time.Time
	store TokenStore

	mu     sync.Mutex
	tokens Tokens
}

// NewSession uses tokens on db. store, where it is not nil, is shared with other processes and consulted before a
// refresh. now is the clock that decides when one is due.
func NewSession(db *DB, tokens Tokens, now func() time.Time, store TokenStore) *Session {
	return &Session{db: db, tokens: tokens, now: now, store: store}
}

// DB is the pool under the session.
func (s *Session) DB() *DB { return s.db }

// Tokens are the session's current ones.
func (s *Session) Tokens() Tokens {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tokens
}

// access returns an access token with at least a minute left, refreshing when it has less, or when it is the one that
// was refused.
func (s *Session) access(ctx context.Context, refused string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fresh(s.tokens, refused) {
		return s.tokens.Access, nil
	}
	renew := func(stored Tokens) (Tokens, error) {
		if s.fresh(stored, refused) { // another process was here first
			return stored, nil
		}
		return s.db.Refresh(ctx, stored.Refresh)
	}
	var tokens Tokens
	var err error
	if s.store != nil {
		tokens, err = s.store.Update(ctx, renew)
	} else {
		tokens, err = renew(s.tokens)
	}
	if err != nil {
		return "", err
	}
	s.tokens = tokens
	return tokens.Access, nil
}

// fresh says that an access token need not be refreshed, or cannot be.
func (s *Session) fresh(t Tokens, refused string) bool {
	return t.Refresh == "" || t.Access != refused && s.now().Before(t.Expires.Add(-time.Minute))
}

// Tx runs fn in one transaction under the session's identity and commits. disclosure names what an earlier transaction
// asked for (uuid.Nil: nothing). What fn reads may be used once Tx has returned nil, not before. A refused identity is
// a *RefusedError, its event committed; where a fresh token may help, the session refreshes and tries once more.
//
// It is for a transaction whose statements depend on each other's answers, at a round trip for each. An application's
// are Read, Find and Write.
func (s *Session) Tx(ctx context.Context, disclosure uuid.UUID, fn func(Tx) error) error {
	return s.withToken(ctx,
		func(token string) (string, error) { return s.identified(ctx, s.db.transact, token, disclosure, fn) })
}

// withToken runs fn with the session's access token, and once more with a fresh one where that may help. fn says why a
// token was refused, "" when it was not.
func (s *Session) withToken(ctx context.Context, fn func(token string) (why string, err error)) error {
	token, err := s.access(ctx, "")
	if err != nil {
		return err
	}
	why, err := fn(token)
	if err == nil && why != "" && refusedFor(why).Code.outdated() && s.Tokens().Refresh != "" {
		if token, err = s.access(ctx, token); err != nil {
			return err
		}
		why, err = fn(token)
	}
	if why != "" {
		return errors.Join(refusedFor(why), err)
	}
	return err
}

// identified is one transaction under a token; why the token was refused, "" when it was not.
func (s *Session) identified(ctx context.Context, run transactor, token string, disclosure uuid.UUID,
	fn func(Tx) error) (why string, err error) {
	err = run(ctx, func(tx Tx) error {
		arg := queries.BeginParams{Token: token}
		if disclosure != uuid.Nil {
			arg.Disclosure = &disclosure
		}
		if why, err = queries.New(tx).Begin(ctx, arg); err != nil {
			return fmt.Errorf("begin identity: %w", err)
		}
		if why != "" {
			return nil // commits the refusal
		}
		return fn(tx)
	})
	return why, err
}

// Look records a look in one transaction and performs it in the next, which is what makes it write-ahead: ask writes
// the event and commits, read shows only what that ask permits. Both get the same fresh id. It is for a reviewer's
// looks; an application's are Read and Find.
func (s *Session) Look(ctx context.Context, ask func(Tx, uuid.UUID) error, read func(Tx) error) error {
	id := uuid.New()
	return s.withToken(ctx, func(token string) (why string, err error) {
		// Both on one connection: it is wiped once, and what the database has compiled for the first serves the second.
		err = s.db.hold(ctx, func(run transactor) (err error) {
			why, err = s.identified(ctx, run, token, id, func(tx Tx) error { return ask(tx, id) })
			if err == nil && why == "" {
				why, err = s.identified(ctx, run, token, id, read)
			}
			return err
		})
		return why, err
	})
}

// LookAt is Look in one round trip, for what is looked at often. ask and look are one statement each; what look reads
// is taken when both transactions have committed. Where the ask fails, the look never runs.
func (s *Session) LookAt(ctx context.Context, ask func(id uuid.UUID) Statement, look Statement) error {
	id := uuid.New()
	asked := ask(id)
	asked.asks = true
	return s.pipelined(ctx, id, nil, []Statement{asked, look})
}

// SignOut ends the session in the database.
func (s *Session) SignOut(ctx context.Context) error {
	return s.do(ctx, "sign out", func(q *queries.Queries) error { return q.SignOut(ctx) })
}

// Grant is one reach of a reviewer.
type Grant struct {
	ID        uuid.UUID  `json:"id"`
	User      string     `json:"user,omitempty"`
	Name      string     `json:"name,omitempty"`
	Role      string     `json:"role"`
	Tenant    *string    `json:"tenant"` // slug; nil: every tenant
	GrantedBy *string    `json:"granted_by,omitempty"`
	Reason    string     `json:"reason"`
	Ticket    *string    `json:"ticket,omitempty"`
	StartsAt  *time.Time `json:"starts_at,omitempty"`
	ExpiresAt *time.Time `json:"expires_at"`
	EndedAt   *time.Time `json:"ended_at,omitempty"`
}

// Principal is who is signed in and what the database lets them do.
type Principal struct {
	UserID         uuid.UUID `json:"user_id"`
	Slug           string    `json:"slug"`
	Name           string    `json:"name"`
	SessionID      uuid.UUID `json:"session_id"`
	SessionExpires time.Time `json:"session_expires_at"`
	Region         string    `json:"region"`
	Grants         []Grant   `json:"grants"`
	OnCall         []string  `json:"on_call"`     // clinics whose on-call grant they may take by themself; "*": any
	Actions        []string  `json:"actions"`     // the union over the grants in force
	MustEnroll     bool      `json:"must_enroll"` // may do nothing before a second factor is enrolled
}

// May says whether any grant in force allows the action somewhere; the database decides where.
func (p Principal) May(action string) bool {
	for _, a := range p.Actions {
		if a == action {
			return true
		}
	}
	return false
}

// Whoami asks the database who the session is; the question is an event.
func (s *Session) Whoami(ctx context.Context) (Principal, error) {
	return CallJSON[Principal](ctx, s, "whoami",
		func(q *queries.Queries) (json.RawMessage, error) { return q.Whoami(ctx) })
}
