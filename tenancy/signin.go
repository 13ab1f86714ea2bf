package tenancy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/ward-health/ward/queries"
)

// AppAudience is the audience of an application's session, unless the installation has added others.
const AppAudience = "app"

// Credentials are what somebody signs in with.
type Credentials struct {
	User     string // short name
	Password string
	Code     string // of the second factor, where one is demanded: six digits of the authenticator, or a recovery code
	Tenant   string // clinic's short name; may be empty for who works at one clinic only, and is for a reviewer
	Role     string // picks among several roles at the clinic; empty: the newest
	Audience string // ReviewAudience, or the application's; empty: AppAudience
	// where the person is, their network address say, as far as the application knows: failures are counted by it
	Source string
}

// Choice is a place where a person may sign in.
type Choice struct {
	Tenant string `json:"tenant"` // short name
	Name   string `json:"name"`
	Role   string `json:"role"`
}

// ChoiceError says that the person is proven and works at several clinics: sign in again with one of Choices.
type ChoiceError struct {
	Choices []Choice
}

func (e *ChoiceError) Error() string {
	list := make([]string, len(e.Choices))
	for i, c := range e.Choices {
		list[i] = c.Role + " at " + c.Tenant
	}
	return "this user works at several clinics, name one: " + strings.Join(list, ", ")
}

// ErrSecondFactor says that the password or identity token is right and a second factor is needed or was wrong: sign in
// again with its code.
var ErrSecondFactor = errors.New("second factor")

// signed is what signing in and refreshing answer: tokens, or why not. Needs says what would help somebody whose
// password was right.
type signed struct {
	Tokens
	Reason  string   `json:"reason"`
	Needs   string   `json:"needs"`
	Choices []Choice `json:"choices"`
}

// tokens are the tokens of an answer, or the error that says why there are none.
func (a *signed) tokens() (Tokens, error) {
	switch {
	case a.Access != "":
		return a.Tokens, nil
	case a.Needs == "tenant":
		return Tokens{}, &ChoiceError{Choices: a.Choices}
	case a.Needs == "second_factor":
		return Tokens{}, fmt.Errorf("%w: %s", ErrSecondFactor, refusedFor(a.Reason).Why)
	}
	return Tokens{}, refusedFor(a.Reason)
}

// SignIn signs a user in with a password: to a tenant as an application's user, or, with ReviewAudience and no tenant,
// as a reviewer. It tries in one transaction and fetches the answer in the next, so that no answer is given to a try
// that is not on record.
//
// A refusal is a *RefusedError, the same for an unknown user, a wrong password, a missing membership, and anything at
// all within the delay that follows failures. A *ChoiceError and ErrSecondFactor are for who has proven the password. A
// code works once: one that met a *ChoiceError is used up.
func (db *DB) SignIn(ctx context.Context, c Credentials) (Tokens, error) {
	if c.Audience == "" {
		c.Audience = AppAudience
	}
	ticket, err := within(ctx, db.transact, "sign in", func(q *queries.Queries) (string, error) {
		return q.SignIn(ctx, queries.SignInParams{Who: c.User, Password: c.Password, Audience: c.Audience,
			Tenant: optional(c.Tenant), Code: optional(c.Code), Role: optional(c.Role), Source: optional(c.Source)})
	})
	if err != nil {
		return Tokens{}, err
	}
	return db.answer(ctx, "sign in",
		func(q *queries.Queries) (json.RawMessage, error) { return q.SignedIn(ctx, ticket) })
}

// Refresh trades a refresh token for new tokens. The old one is used up; it may come again for seconds, and gives the
// same successor then.
func (db *DB) Refresh(ctx context.Context, refresh string) (Tokens, error) {
	return db.answer(ctx, "refresh",
		func(q *queries.Queries) (json.RawMessage, error) { return q.Refresh(ctx, refresh) })
}

func (db *DB) answer(ctx context.Context, what string,
	fn func(*queries.Queries) (json.RawMessage, error)) (Tokens, error) {
	answer, err := within(ctx, db.transact, what, decoded[signed](fn))
	if err != nil {
		return Tokens{}, err
	}
	return answer.tokens()
}
