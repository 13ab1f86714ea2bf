package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/ward-health/ward/queries/migrate"
	"github.com/ward-health/ward/tenancy"
)

// tokenFile keeps tokens by database, in a file that only its owner reads.
type tokenFile struct{ path string }

func (f tokenFile) load() (map[string]tenancy.Tokens, error) {
	info, err := os.Stat(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return map[string]tenancy.Tokens{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look at token file: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("token file %s can be read by others (mode %o): chmod 600 it, "+
			"then ward logout and ward login, since it may have been read", f.path, info.Mode().Perm())
	}
	b, err := readSmall(f.path)
	if err != nil {
		return nil, fmt.Errorf("read token file: %w", err)
	}
	tokens := map[string]tenancy.Tokens{}
	if err := json.Unmarshal(b, &tokens); err != nil {
		return nil, fmt.Errorf("token file %s is damaged: remove it and ward login again", f.path)
	}
	return tokens, nil
}

// put stores tokens for a database; nil removes them. The file is replaced as a whole, so that a kill leaves the old
// one or the new one.
func (f tokenFile) put(database string, tokens *tenancy.Tokens) error {
	all, err := f.load()
	if err != nil {
		return err
	}
	if tokens == nil {
		delete(all, database)
	} else {
		all[database] = *tokens
	}
	b, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return fmt.Errorf("encode tokens: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(f.path), 0o700); err != nil {
		return fmt.Errorf("make directory of token file: %w", err)
	}
	tmp, err := os.CreateTemp(filepath.Dir(f.path), ".tokens-*") // 0600 from the start
	if err != nil {
		return fmt.Errorf("write token file: %w", err)
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(b)
	if err = errors.Join(err, tmp.Close()); err == nil {
		err = os.Rename(tmp.Name(), f.path)
	}
	if err != nil {
		return fmt.Errorf("write token file: %w", err)
	}
	return nil
}

// sharedTokens are the tokens of one database in the store, which a terminal and commands beside it use at the same
// time.
type sharedTokens struct {
	store    tokenStore
	database string
}

// Update runs fn under the store's lock.
func (s sharedTokens) Update(ctx context.Context,
	fn func(tenancy.Tokens) (tenancy.Tokens, error)) (tenancy.Tokens, error) {
	lock, err := s.store.lock(ctx)
	if err != nil {
		return tenancy.Tokens{}, err
	}
	defer lock.Release()
	stored, ok, err := s.store.get(s.database)
	if err != nil {
		return tenancy.Tokens{}, err
	}
	if !ok {
		return tenancy.Tokens{}, errNotSignedIn
	}
	tokens, err := fn(stored)
	if err != nil || tokens == stored {
		return tokens, err
	}
	err = s.store.put(s.database, &tokens)
	return tokens, err
}

// databaseName identifies a database without its password or role.
func databaseName(dsn string) (string, error) {
	c, err := pgx.ParseConfig(dsn)
	if err != nil {
		return "", usagef("database URL: %w", err)
	}
	return strings.Join([]string{c.Host, fmt.Sprint(c.Port), c.Database}, "|"), nil
}

// asReviewer makes sure that a url without a user connects as ward_reviewer.
func asReviewer(dsn string) string {
	u, err := url.Parse(dsn)
	if err != nil || (u.Scheme != "postgres" && u.Scheme != "postgresql") || u.User != nil ||
		u.Query().Get("user") != "" {
		return dsn
	}
	u.User = url.User("ward_reviewer")
	return u.String()
}

// database opens the reviewer's pool.
func (a *app) database(ctx context.Context, s *Settings) (*tenancy.DB, error) {
	if s.Database == "" {
		return nil, errNoDatabase
	}
	return known(ctx, asReviewer(s.Database))
}

// known opens a database whose schema is this program's.
func known(ctx context.Context, url string) (*tenancy.DB, error) {
	db, err := tenancy.Open(ctx, url)
	if err != nil {
		return nil, err
	}
	if err := migrate.Check(ctx, db.Pool()); err != nil {
		db.Close()
		return nil, err
	}
	return db, nil
}

// errNoDatabase and errNotSignedIn say what to do.
var errNoDatabase = usagef("no database: use --database, WARD_DATABASE_URL or ward.yaml; ward demo starts one")
var errNotSignedIn = errors.New(
	"nobody is signed in to this database: ward login USER, or ward login alone where an identity provider is declared")

// session opens the session that is kept for the database. close is to be called when done.
func (a *app) session(ctx context.Context) (*tenancy.Session, Settings, func(), error) {
	s, err := a.settings()
	if err != nil {
		return nil, s, nil, err
	}
	if s.Database == "" {
		return nil, s, nil, errNoDatabase
	}
	name, err := databaseName(s.Database)
	if err != nil {
		return nil, s, nil, err
	}
	store, err := a.tokens(&s)
	if err != nil {
		return nil, s, nil, err
	}
	mine, ok, err := store.get(name)
	if err != nil {
		return nil, s, nil, err
	}
	if !ok {
		return nil, s, nil, errNotSignedIn
	}
	db, err := a.database(ctx, &s)
	if err != nil {
		return nil, s, nil, err
	}
	session := tenancy.NewSession(db, mine, a.Now, sharedTokens{store, name})
	return session, s, db.Close, nil
}

// with runs fn in the signed-in session and explains a refusal.
func (a *app) with(ctx context.Context, fn func(*tenancy.Session) error) error {
	session, _, done, err := a.session(ctx)
	if err != nil {
		return err
	}
	defer done()
	return explained(fn(session))
}

// explained adds what to do to a refused identity.
func explained(err error) error {
	var refused *tenancy.RefusedError
	if errors.As(err, &refused) {
		return fmt.Errorf("%w: ward login USER", err)
	}
	return err
}
