package tenancy

import (
	"context"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
	"golang.org/x/oauth2"
)

// Provider is a declared identity provider: what a client needs to know before anybody is signed in.
type Provider struct {
	Issuer   string // its URL, exactly as its tokens name it
	ClientID string // ward's, a client without a secret
}

// ProviderKey is an RSA key of a provider, as tenancy.replace_keys takes it.
type ProviderKey struct {
	KID string `json:"kid"`
	N   string `json:"n"` // base64url of the big-endian modulus
	E   int    `json:"e"`
}

// Discovery is what a provider says about itself (OpenID Connect Discovery 1.0).
type Discovery struct {
	Endpoints map[string]string // jwks_uri, token_endpoint, device_authorization_endpoint
	Keys      []ProviderKey     // those that sign with RS256
}

// DeviceCode is what a person needs to confirm a sign-in in a browser (RFC 8628 3.2).
type DeviceCode struct {
	UserCode    string
	URL         string
	CompleteURL string // with the code in it; may be empty
	Expires     time.Time
}

// ErrSignInDenied says that the person, or the provider, refused the sign-in.
var ErrSignInDenied = errors.New("the sign-in was denied at the provider")

// ErrCodeExpired says that nobody confirmed a device code in time.
var ErrCodeExpired = errors.New("the code ran out before anybody confirmed it: ward login again")

// maxAnswer bounds what a provider may answer, maxWait how long it may take.
const (
	maxAnswer = 1 << 20
	maxWait   = 15 * time.Second
)

// guarded sends requests by HTTPS only, or to this machine: whoever can change a provider's keys on their way can be
// anybody. It sees redirects too.
type guarded struct{ ctx context.Context }

// RoundTrip bounds the answer as well.
func (g guarded) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := secureURL(req.URL); err != nil {
		return nil, err
	}
	if req.Context() == context.Background() { // x/oauth2 asks for device codes without the caller's
		req = req.WithContext(g.ctx) //nolint:contextcheck // the caller's, in place of none
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return nil, err //nolint:wrapcheck // http.Client wraps it with method and URL
	}
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.LimitReader(resp.Body, maxAnswer), resp.Body}
	return resp, nil
}

func secureURL(u *url.URL) error {
	host := u.Hostname()
	ip := net.ParseIP(host)
	if u.Host != "" &&
		(u.Scheme == "https" || u.Scheme == "http" && (host == "localhost" || ip != nil && ip.IsLoopback())) {
		return nil
	}
	return fmt.Errorf("%s://%s is refused: a provider is asked over https", u.Scheme, u.Host)
}

func guardedClient(ctx context.Context) *http.Client {
	return &http.Client{Transport: guarded{ctx}, Timeout: maxWait}
}

// discovered is the provider's own description, checked to be of this issuer.
func discovered(ctx context.Context, issuer string) (*oidc.Provider, context.Context, error) {
	ctx = oidc.ClientContext(ctx, guardedClient(ctx))
	p, err := oidc.NewProvider(ctx, issuer)
	if err != nil {
		if ctx.Err() != nil {
			return nil, nil, ctx.Err()
		}
		return nil, nil, fmt.Errorf("ask identity provider %s: %w", issuer, err)
	}
	return p, ctx, nil
}

// Discover asks a provider for its endpoints and keys.
func Discover(ctx context.Context, issuer string) (Discovery, error) {
	d := Discovery{Endpoints: map[string]string{}}
	p, ctx, err := discovered(ctx, issuer)
	if err != nil {
		return d, err
	}
	var said map[string]any
	if err := p.Claims(&said); err != nil {
		return d, fmt.Errorf("read what %s says about itself: %w", issuer, err)
	}
	for _, name := range []string{"jwks_uri", "token_endpoint", "device_authorization_endpoint"} {
		if s, ok := said[name].(string); ok {
			d.Endpoints[name] = s
		}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.Endpoints["jwks_uri"], nil)
	if err != nil {
		return d, fmt.Errorf("keys of %s: %w", issuer, err)
	}
	resp, err := guardedClient(ctx).Do(req)
	if err != nil {
		return d, fmt.Errorf("keys of %s: %w", issuer, err)
	}
	defer resp.Body.Close()
	var set jose.JSONWebKeySet
	if resp.StatusCode != http.StatusOK {
		return d, fmt.Errorf("keys of %s: %s answers %s", issuer, d.Endpoints["jwks_uri"], resp.Status)
	}
	if err := json.NewDecoder(resp.Body).Decode(&set); err != nil {
		return d, fmt.Errorf("keys of %s: %w", issuer, err)
	}
	d.Keys = signingKeys(set)
	if len(d.Keys) == 0 {
		return d, fmt.Errorf("%s publishes no RSA key that signs with RS256, which ward needs", issuer)
	}
	return d, nil
}

// signingKeys are those that may sign identity tokens with RS256 and are strong enough; the database looks at them
// again.
func signingKeys(set jose.JSONWebKeySet) []ProviderKey {
	var keys []ProviderKey
	for _, k := range set.Keys {
		public, ok := k.Key.(*rsa.PublicKey)
		if !ok || k.KeyID == "" || (k.Use != "" && k.Use != "sig") ||
			(k.Algorithm != "" && k.Algorithm != string(jose.RS256)) {
			continue
		}
		if bits := public.N.BitLen(); bits < 2048 || bits > 4096 || public.E < 65537 {
			continue
		}
		keys = append(keys, ProviderKeyOf(k.KeyID, public.N, public.E))
	}
	return keys
}

// ProviderKeyOf writes an RSA key as the database takes it.
func ProviderKeyOf(kid string, n *big.Int, e int) ProviderKey {
	return ProviderKey{KID: kid, N: base64.RawURLEncoding.EncodeToString(n.Bytes()), E: e}
}

// DeviceFlow signs somebody in at a provider (RFC 8628): show tells the person what to confirm, then the provider is
// asked as often as it allows. The identity token that comes back was checked here, for a good message; what counts is
// the database's own check. Errors: ErrSignInDenied, ErrCodeExpired.
func DeviceFlow(ctx context.Context, p Provider, show func(DeviceCode)) (idToken string, err error) {
	provider, pctx, err := discovered(ctx, p.Issuer)
	if err != nil {
		return "", err
	}
	config := oauth2.Config{ClientID: p.ClientID, Endpoint: provider.Endpoint(), Scopes: []string{oidc.ScopeOpenID}}
	if config.Endpoint.DeviceAuthURL == "" {
		return "", fmt.Errorf("%s offers no device flow (RFC 8628), which ward login needs", p.Issuer)
	}
	code, err := config.DeviceAuth(pctx)
	if err != nil {
		return "", flowError(ctx, p, err)
	}
	show(DeviceCode{UserCode: code.UserCode, URL: code.VerificationURI, CompleteURL: code.VerificationURIComplete,
		Expires: code.Expiry})
	token, err := config.DeviceAccessToken(pctx, code)
	if err != nil {
		return "", flowError(ctx, p, err)
	}
	raw, ok := token.Extra("id_token").(string)
	if !ok {
		return "", fmt.Errorf("%s gave no identity token", p.Issuer)
	}
	if _, err := provider.Verifier(&oidc.Config{ClientID: p.ClientID,
		SupportedSigningAlgs: []string{oidc.RS256}}).Verify(pctx, raw); err != nil {
		return "", fmt.Errorf("identity token of %s: %w", p.Issuer, err)
	}
	return raw, nil
}

// flowError says what a provider's answer means.
func flowError(ctx context.Context, p Provider, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var answer *oauth2.RetrieveError
	errors.As(err, &answer)
	switch {
	case errors.Is(err, context.DeadlineExceeded), answer != nil && answer.ErrorCode == "expired_token":
		return ErrCodeExpired
	case answer != nil && answer.ErrorCode == "access_denied":
		return ErrSignInDenied
	case answer != nil && answer.ErrorCode != "":
		return fmt.Errorf("sign in at %s as client %s: %s", p.Issuer, p.ClientID, answer.ErrorCode)
	case answer != nil:
		return fmt.Errorf("sign in at %s as client %s: it answers %s", p.Issuer, p.ClientID, answer.Response.Status)
	}
	return fmt.Errorf("sign in at %s: %w", p.Issuer, err)
}
