package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/zalando/go-keyring"

	"github.com/ward-health/ward/internal/postgres/filelock"
	"github.com/ward-health/ward/tenancy"
)

// tokenStore keeps the tokens of each database: in the operating system's keyring, or in a file that only its owner
// reads.
type tokenStore struct {
	file tokenFile
	ring *keyringTokens // nil: the file alone
	auto bool           // the file where the keyring fails
}

// tokens is where sessions are kept. Commands that need none run without a home directory too. token_store decides:
// keyring; file; or auto, which is the default and means the keyring where there is one and nobody named a file.
func (a *app) tokens(s *Settings) (tokenStore, error) {
	if s.TokenFile == "" {
		return tokenStore{}, usagef("no place for a session: set HOME, or WARD_TOKEN_FILE")
	}
	store := tokenStore{file: tokenFile{s.TokenFile}}
	switch s.TokenStore {
	case "file":
	case "keyring":
		if !a.hasKeyring() {
			return store, usagef(
				"token_store is keyring, and this session has none (no D-Bus session bus): use token_store: file")
		}
		store.ring = &keyringTokens{wait: keyringPatience}
	case "auto", "":
		if a.hasKeyring() && !s.fileNamed {
			store.ring, store.auto = &keyringTokens{wait: keyringProbe}, true
		}
	default:
		return store, usagef("token_store is keyring, file or auto, not %q", s.TokenStore)
	}
	return store, nil
}

// hasKeyring says whether asking for one starts nothing: without a session bus the D-Bus library would start a bus of
// its own, which stays behind.
func (a *app) hasKeyring() bool {
	if runtime.GOOS != "linux" {
		return true
	}
	if a.Getenv("DBUS_SESSION_BUS_ADDRESS") != "" {
		return true
	}
	dir := a.Getenv("XDG_RUNTIME_DIR")
	if dir == "" {
		return false
	}
	_, err := os.Stat(filepath.Join(dir, "bus"))
	return err == nil
}

// get finds a database's tokens. With auto they may be in both places, when the keyring answered one time and not
// another: the newer ones count, because the older refresh token is used up and using it again would end the session.
func (s tokenStore) get(database string) (tokens tenancy.Tokens, ok bool, err error) {
	if s.ring != nil {
		tokens, ok, err = s.ring.get(database)
		if err != nil && !s.auto {
			return tokens, false, err
		}
		if !s.auto {
			return tokens, ok, nil
		}
	}
	all, err := s.file.load()
	if err != nil {
		return tenancy.Tokens{}, false, err
	}
	if filed, found := all[database]; found && (!ok || filed.Expires.After(tokens.Expires)) {
		return filed, true, nil
	}
	return tokens, ok, nil
}

// put stores tokens for a database; nil removes them, from wherever they are.
func (s tokenStore) put(database string, tokens *tenancy.Tokens) error {
	if s.ring != nil {
		err := s.ring.put(database, tokens)
		if !s.auto {
			return err
		}
		if err == nil && tokens != nil { // what the file had is older now
			if all, err := s.file.load(); err == nil && len(all) == 0 {
				return nil
			}
			tokens = nil
		}
	}
	return s.file.put(database, tokens)
}

// usable fails where a session could not be kept, before there is one.
func (s tokenStore) usable(database string) error {
	_, _, err := s.get(database)
	return err
}

// lock keeps other processes of this person from changing tokens at the same time, wherever they are kept.
func (s tokenStore) lock(ctx context.Context) (*filelock.Lock, error) {
	if err := os.MkdirAll(filepath.Dir(s.file.path), 0o700); err != nil {
		return nil, fmt.Errorf("make directory of token file: %w", err)
	}
	lock, err := filelock.Acquire(ctx, s.file.path+".lock")
	if err != nil {
		return nil, fmt.Errorf("wait for the token store: %w", err)
	}
	return lock, nil
}

// change is put under the lock.
func (s tokenStore) change(ctx context.Context, database string, tokens *tenancy.Tokens) error {
	lock, err := s.lock(ctx)
	if err != nil {
		return err
	}
	defer lock.Release()
	return s.put(database, tokens)
}

// keyringTokens are tokens in the keyring, one item for each database.
type keyringTokens struct {
	wait time.Duration
}

const (
	keyringService = "ward"
	// A bus that does not answer must not hang a command. Who asked for the keyring may have to type its password
	// first.
	keyringProbe    = 2 * time.Second
	keyringPatience = time.Minute
)

// errKeyringSilent is a keyring that did not answer in time.
var errKeyringSilent = errors.New("it does not answer (is it locked?): unlock it, or use token_store: file")

// within bounds a call of the keyring library, which takes no context. A call that never returns ends with the process.
func (k keyringTokens) within(call func() error) error {
	done := make(chan error, 1)
	go func() { done <- call() }()
	timeout := time.NewTimer(k.wait)
	defer timeout.Stop()
	select {
	case err := <-done:
		return err
	case <-timeout.C:
		return errKeyringSilent
	}
}

func (k keyringTokens) get(database string) (tokens tenancy.Tokens, ok bool, err error) {
	found := make(chan string, 1) // not a variable: a call that was given up may still write
	err = k.within(func() error {
		text, err := keyring.Get(keyringService, database)
		found <- text
		return err
	})
	if errors.Is(err, keyring.ErrNotFound) {
		return tokens, false, nil
	}
	if err != nil {
		return tokens, false, fmt.Errorf("read tokens from the keyring: %w", err)
	}
	if err := json.Unmarshal([]byte(<-found), &tokens); err != nil {
		return tokens, false, errors.New("the keyring's item for ward is damaged: remove it and ward login again")
	}
	return tokens, true, nil
}

func (k keyringTokens) put(database string, tokens *tenancy.Tokens) error {
	if tokens == nil {
		err := k.within(func() error { return keyring.Delete(keyringService, database) })
		if err != nil && !errors.Is(err, keyring.ErrNotFound) {
			return fmt.Errorf("remove tokens from the keyring: %w", err)
		}
		return nil
	}
	b, err := json.Marshal(tokens)
	if err != nil {
		return fmt.Errorf("encode tokens: %w", err)
	}
	if err := k.within(func() error { return keyring.Set(keyringService, database, string(b)) }); err != nil {
		return fmt.Errorf("keep tokens in the keyring: %w", err)
	}
	return nil
}
