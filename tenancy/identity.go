package tenancy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/ward-health/ward/queries"
)

// OIDCSignIn is what SignInOIDC needs. Tenant and Role mean what they do in Credentials, as does an empty Audience.
// Code is a second factor's, where one is enrolled and the provider does not vouch for its own.
type OIDCSignIn struct {
	IDToken, Tenant, Role, Audience, Code string
}

// SignInOIDC signs in whom a provider's identity token names. The database verifies the token, which works once. A
// refusal is a *RefusedError. After a *ChoiceError the same token will do, with one of the choices and, where one was
// given, a new code; after ErrSecondFactor it will do with a code, unless it came with a wrong one.
func (db *DB) SignInOIDC(ctx context.Context, in OIDCSignIn) (Tokens, error) {
	if in.Audience == "" {
		in.Audience = AppAudience
	}
	return db.answer(ctx, "sign in", func(q *queries.Queries) (json.RawMessage, error) {
		return q.SignInOIDC(ctx, queries.SignInOIDCParams{IDToken: in.IDToken, Tenant: optional(in.Tenant),
			Role: optional(in.Role), Audience: in.Audience, Code: optional(in.Code)})
	})
}

// Providers are the declared identity providers. It needs no session.
func (db *DB) Providers(ctx context.Context) ([]Provider, error) {
	rows, err := within(ctx, db.transact, "list identity providers",
		func(q *queries.Queries) ([]queries.IssuersRow, error) { return q.Issuers(ctx) })
	var out []Provider
	for _, r := range rows {
		out = append(out, Provider{Issuer: r.Issuer, ClientID: r.ClientID})
	}
	return out, err
}

// ReplaceKeys puts an issuer's keys in place of those that are there and says how many came or went. db is a connection
// as ward_identity.
func (db *DB) ReplaceKeys(ctx context.Context, issuer string, keys []ProviderKey) (int, error) {
	raw, err := json.Marshal(keys)
	if err != nil {
		return 0, fmt.Errorf("encode keys: %w", err)
	}
	n, err := within(ctx, db.transact, "replace keys of "+issuer, func(q *queries.Queries) (int32, error) {
		return q.ReplaceKeys(ctx, queries.ReplaceKeysParams{Issuer: issuer, Keys: raw})
	})
	return int(n), err
}

// Issuer is a declared identity provider with who is linked to it.
type Issuer struct {
	ID          uuid.UUID    `json:"id"`
	Issuer      string       `json:"issuer"`
	ClientID    string       `json:"client_id"`
	RequiredACR []string     `json:"required_acr"`
	RequiredAMR []string     `json:"required_amr"`
	KIDs        []string     `json:"kids"` // its live keys
	DeclaredBy  string       `json:"declared_by"`
	DeclaredAt  time.Time    `json:"declared_at"`
	FetchedAt   time.Time    `json:"fetched_at"` // when its keys were last looked at
	EndedAt     *time.Time   `json:"ended_at"`
	Identities  []LinkedUser `json:"identities"`
}

// LinkedUser is whose a provider's subject is.
type LinkedUser struct {
	Subject  string     `json:"subject"`
	User     string     `json:"user"`
	LinkedBy string     `json:"linked_by"`
	LinkedAt time.Time  `json:"linked_at"`
	EndedAt  *time.Time `json:"ended_at"`
}

// NewIssuer is what AddIssuer needs. Every sign-in must then carry one of RequiredACR and all of RequiredAMR, where
// there are any, and needs no code of ward's.
type NewIssuer struct {
	Provider
	RequiredACR, RequiredAMR []string
}

// AddIssuer declares an identity provider with what it says about itself.
func (s *Session) AddIssuer(ctx context.Context, in NewIssuer, d Discovery) (uuid.UUID, error) {
	endpoints, err := json.Marshal(d.Endpoints)
	keys, err2 := json.Marshal(d.Keys)
	if err = errors.Join(err, err2); err != nil {
		return uuid.Nil, fmt.Errorf("encode provider: %w", err)
	}
	return Call(ctx, s, "declare "+in.Issuer, func(q *queries.Queries) (uuid.UUID, error) {
		return q.AddIssuer(ctx,
			queries.AddIssuerParams{Issuer: in.Issuer, ClientID: in.ClientID, Endpoints: endpoints, Keys: keys,
				RequiredAcr: nonNil(in.RequiredACR), RequiredAmr: nonNil(in.RequiredAMR)})
	})
}

func nonNil(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

// EndIssuer declares a provider no longer. Nobody signs in by it from then on; sessions that it opened go on.
func (s *Session) EndIssuer(ctx context.Context, issuer, reason string) error {
	_, err := Call(ctx, s, "remove "+issuer, func(q *queries.Queries) (uuid.UUID, error) {
		return q.EndIssuer(ctx, queries.EndIssuerParams{Issuer: issuer, Reason: reason})
	})
	return err
}

// Issuers lists the providers that were ever declared, and whom they name, by write-ahead look.
func (s *Session) Issuers(ctx context.Context) ([]Issuer, error) {
	return List[Issuer](ctx, s, "issuers", func(q *queries.Queries, ask uuid.UUID) error {
		return q.BrowseIssuers(ctx, ask)
	}, (*queries.Queries).ListIssuers)
}

// LinkIdentity makes a provider's subject a user's, for ever.
func (s *Session) LinkIdentity(ctx context.Context, user, issuer, subject string) (uuid.UUID, error) {
	return Call(ctx, s, "link "+user, func(q *queries.Queries) (uuid.UUID, error) {
		return q.LinkIdentity(ctx, queries.LinkIdentityParams{Who: user, Issuer: issuer, Subject: subject})
	})
}

// UnlinkIdentity ends a link. The subject stays this user's and can be linked to them again, to nobody else.
func (s *Session) UnlinkIdentity(ctx context.Context, user, issuer, subject, reason string) error {
	_, err := Call(ctx, s, "unlink "+user, func(q *queries.Queries) (uuid.UUID, error) {
		return q.UnlinkIdentity(ctx,
			queries.UnlinkIdentityParams{Who: user, Issuer: issuer, Subject: subject, Reason: reason})
	})
	return err
}
