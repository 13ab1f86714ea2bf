package tenancy

import (
	"context"
	"encoding/json"
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

// tokenAnswer is what sign_in and refresh return: tokens, or why not.
type tokenAnswer struct {
	Tokens
	Reason string `json:"reason"`
}

// SignIn signs a user in with a password: to a tenant as an application's user, or, with audience ReviewAudience and no tenant, as a reviewer.
// A refusal is a *RefusedError, the same for an unknown user, a wrong password and a missing membership; it is an event.
func (db *DB) SignIn(ctx context.Context, user, password, tenant, audience string) (Tokens, error) {
	return db.SignInWithCode(ctx, user, password, "", tenant, audience)
}

// Refresh trades a refresh token for new tokens. The old one is used up.
func (db *DB) Refresh(ctx context.Context, refresh string) (Tokens, error) {
	var answer tokenAnswer
	err := db.transact(ctx, func(tx Tx) error {
		raw, err := queries.New(tx).Refresh(ctx, refresh)
		if err != nil {
			return fmt.Errorf("refresh: %w", explain(err))
		}
		return json.Unmarshal(raw, &answer)
	})
	if err != nil {
		return Tokens{}, err
	}
	if answer.Access == "" {
		return Tokens{}, &RefusedError{Why: answer.Reason}
	}
	return answer.Tokens, nil
}

// TokenStore keeps tokens where several processes of one person find them. A refresh token works once, so they must not refresh side by side.
type TokenStore interface {
	// Update calls fn with the tokens that are stored, keeps what it returns, and returns that; no two Updates of one store overlap.
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

// NewSession uses tokens on db. store, where it is not nil, is shared with other processes and consulted before a refresh. now is the clock that decides when
// one is due.
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

// access returns an access token with at least a minute left, refreshing when it has less.
func (s *Session) access(ctx context.Context) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fresh(s.tokens) {
		return s.tokens.Access, nil
	}
	renew := func(stored Tokens) (Tokens, error) {
		if s.fresh(stored) { // another process was here first
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
func (s *Session) fresh(t Tokens) bool {
	return t.Refresh == "" || s.now().Before(t.Expires.Add(-time.Minute))
}

// Tx runs fn in one transaction under the session's identity and commits. disclosure names what an earlier transaction asked for (uuid.Nil: nothing).
// What fn reads may be used once Tx has returned nil, not before. A refused identity is a *RefusedError, its event committed.
func (s *Session) Tx(ctx context.Context, disclosure uuid.UUID, fn func(Tx) error) error {
	token, err := s.access(ctx)
	if err != nil {
		return err
	}
	var refused string
	err = s.db.transact(ctx, func(tx Tx) error {
		arg := queries.BeginParams{Token: token}
		if disclosure != uuid.Nil {
			arg.Disclosure = &disclosure
		}
		refused, err = queries.New(tx).Begin(ctx, arg)
		if err != nil {
			return fmt.Errorf("begin identity: %w", explain(err))
		}
		if refused != "" {
			return nil // commits the refusal
		}
		return fn(tx)
	})
	if err != nil {
		return err
	}
	if refused != "" {
		return &RefusedError{Why: refused}
	}
	return nil
}

// Look records a look in one transaction and performs it in the next, which is what makes it write-ahead: ask writes the event and commits, read shows
// only what that ask permits. Both get the same fresh id.
func (s *Session) Look(ctx context.Context, ask func(Tx, uuid.UUID) error, read func(Tx) error) error {
	id := uuid.New()
	if err := s.Tx(ctx, id, func(tx Tx) error { return ask(tx, id) }); err != nil {
		return err
	}
	return s.Tx(ctx, id, read)
}

// SignOut ends the session in the database.
func (s *Session) SignOut(ctx context.Context) error {
	return s.Tx(ctx, uuid.Nil, func(tx Tx) error {
		if err := queries.New(tx).SignOut(ctx); err != nil {
			return fmt.Errorf("sign out: %w", explain(err))
		}
		return nil
	})
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
	var p Principal
	err := s.Tx(ctx, uuid.Nil, func(tx Tx) error {
		raw, err := queries.New(tx).Whoami(ctx)
		if err != nil {
			return fmt.Errorf("whoami: %w", explain(err))
		}
		return json.Unmarshal(raw, &p)
	})
	return p, err
}
