// Command oidcprovider is an OpenID Connect provider for tests: zitadel/oidc with its example storage, on a free port
// of the loopback interface, for as long as its standard input is open. The first line of its standard output is the
// issuer.
//
// Besides the protocol it has a page for the user's browser and two knobs:
//
//	POST /device   user_code, username, password, action=allow|deny: what a person does on the verification page
//	POST /rotate   a new signing key; the old one is published no longer
//	POST /amr      amr=...: the authentication methods of who signs in from now on, comma-separated
package main

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
	"golang.org/x/text/language"
)

func main() {
	lifetime := flag.Duration("lifetime", 5*time.Minute, "of a device code")
	clients := flag.String("clients", "ward,another", "public clients, comma-separated")
	address := flag.String("listen", "127.0.0.1:0", "address")
	flag.Parse()
	if err := run(*address, *lifetime, strings.Split(*clients, ",")); err != nil {
		slog.Error("provider", slog.Any("error", err))
		os.Exit(1)
	}
}

func run(address string, lifetime time.Duration, clients []string) error {
	slog.SetDefault(slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})))
	var listen net.ListenConfig
	listener, err := listen.Listen(context.Background(), "tcp", address)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	issuer := "http://" + listener.Addr().String()
	s, err := newStore(issuer, clients)
	if err != nil {
		return err
	}
	config := &op.Config{
		SupportedUILocales: []language.Tag{language.English},
		DeviceAuthorization: op.DeviceAuthorizationConfig{Lifetime: lifetime, PollInterval: time.Second,
			UserFormPath: "/device", UserCode: op.UserCodeBase20},
	}
	if _, err := rand.Read(config.CryptoKey[:]); err != nil {
		return fmt.Errorf("random key: %w", err)
	}
	provider, err := op.NewProvider(config, s, op.StaticIssuer(issuer), op.WithAllowInsecure())
	if err != nil {
		return fmt.Errorf("make provider: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("/", provider)
	mux.HandleFunc("POST /device", s.decide)
	mux.HandleFunc("POST /rotate", func(w http.ResponseWriter, _ *http.Request) { answer(w, s.rotate()) })
	mux.HandleFunc("POST /amr", s.setAMR)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		_ = server.Close()
	}()
	fmt.Println(issuer)
	if err := server.Serve(listener); err != http.ErrServerClosed {
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}

func answer(w http.ResponseWriter, err error) {
	if err == nil {
		return
	}
	http.Error(w, err.Error(), http.StatusBadRequest)
}

// store is the example's storage with a signing key that can change.
type store struct {
	*storage.Storage
	users storage.UserStore

	mu  sync.Mutex
	key key
	amr []string
}

func newStore(issuer string, names []string) (*store, error) {
	clients := map[string]*storage.Client{}
	for _, name := range names {
		clients[name] = storage.DeviceClient(name, "")
	}
	users := storage.NewUserStore(issuer)
	s := &store{Storage: storage.NewStorageWithClients(users, clients), users: users, amr: []string{"pwd"}}
	err := s.rotate()
	return s, err
}

func (s *store) rotate() error {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return fmt.Errorf("generate key: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.key = key{id: fmt.Sprintf("key-%d", time.Now().UnixNano()), private: private}
	return nil
}

func (s *store) setAMR(_ http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.amr = strings.Split(r.FormValue("amr"), ",")
}

func (s *store) current() key {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.key
}

// decide is the person at the browser.
func (s *store) decide(w http.ResponseWriter, r *http.Request) {
	code, name := r.FormValue("user_code"), r.FormValue("username")
	if err := s.CheckUsernamePasswordSimple(name, r.FormValue("password")); err != nil {
		answer(w, err)
		return
	}
	state, err := s.GetDeviceAuthorizationByUserCode(r.Context(), code)
	if err != nil {
		answer(w, err)
		return
	}
	if r.FormValue("action") == "deny" {
		answer(w, s.DenyDeviceAuthorization(r.Context(), code))
		return
	}
	s.mu.Lock()
	state.AMR, state.AuthTime = s.amr, time.Now()
	s.mu.Unlock()
	answer(w, s.CompleteDeviceAuthorization(r.Context(), code, s.users.GetUserByUsername(name).ID))
}

// SigningKey is the newest key.
func (s *store) SigningKey(context.Context) (op.SigningKey, error) { return s.current(), nil }

// KeySet holds the newest key alone.
func (s *store) KeySet(context.Context) ([]op.Key, error) { return []op.Key{public{s.current()}}, nil }

// GetClientByClientID makes every client one without a secret (RFC 6749 2.1), as a program on a person's machine is.
func (s *store) GetClientByClientID(ctx context.Context, id string) (op.Client, error) {
	c, err := s.Storage.GetClientByClientID(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("client %s: %w", id, err)
	}
	return publicClient{c}, nil
}

type publicClient struct{ op.Client }

func (publicClient) AuthMethod() oidc.AuthMethod { return oidc.AuthMethodNone }

type key struct {
	id      string
	private *rsa.PrivateKey
}

func (k key) ID() string                                  { return k.id }
func (k key) Key() any                                    { return k.private }
func (k key) SignatureAlgorithm() jose.SignatureAlgorithm { return jose.RS256 }

type public struct{ key }

func (p public) Key() any                           { return &p.private.PublicKey }
func (p public) Algorithm() jose.SignatureAlgorithm { return jose.RS256 }
func (p public) Use() string                        { return "sig" }
