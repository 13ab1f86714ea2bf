// Package queries holds every line of SQL that ward runs: the migrations, the statements that sqlc turns into Go, and
// the review rules.
package queries

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"

	_ "github.com/jackc/pgx/v5/stdlib" // goose speaks database/sql
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed migrations/*.sql
var migrations embed.FS

//go:embed rules/*.sql rules/*.yaml
var rules embed.FS

// Rules are the shipped review rules: ID.sql, and ID.test.yaml beside it.
func Rules() fs.FS {
	sub, err := fs.Sub(rules, "rules")
	if err != nil {
		panic(err) // the directory is embedded above
	}
	return sub
}

// Migrations are ward's own migrations in goose's format.
func Migrations() fs.FS {
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		panic(err) // the directory is embedded above
	}
	return sub
}

// SchemaHash tells one state of the migrations from another: the hexadecimal SHA-256 of all of them. Until the first
// release they are changed in place.
func SchemaHash() string {
	sum := sha256.New()
	names, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		panic(err) // the pattern is above
	}
	for _, name := range names {
		data, err := migrations.ReadFile(name)
		if err != nil {
			panic(err) // it is embedded
		}
		sum.Write(fmt.Appendf(nil, "%s %d\n%s", name, len(data), data))
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// Migrate brings the database at url to the newest schema and returns the names of the migrations it applied. The login
// needs CREATEROLE and ownership of the database for the first one (it creates the roles), ward_migrate's rights for
// later ones. Concurrent calls wait for each other.
func Migrate(ctx context.Context, url string) ([]string, error) {
	db, err := sql.Open("pgx", url)
	if err != nil {
		return nil, fmt.Errorf("open database for migration: %w", err)
	}
	defer db.Close()
	locker, err := lock.NewPostgresSessionLocker()
	if err != nil {
		return nil, fmt.Errorf("make migration lock: %w", err)
	}
	provider, err := goose.NewProvider(goose.DialectPostgres, db, Migrations(), goose.WithSessionLocker(locker),
		goose.WithTableName("public.ward_migration"))
	if err != nil {
		return nil, fmt.Errorf("read migrations: %w", err)
	}
	results, err := provider.Up(ctx)
	if err != nil {
		return nil, fmt.Errorf("migrate: %w", err)
	}
	applied := make([]string, 0, len(results))
	for _, r := range results {
		applied = append(applied, r.Source.Path)
	}
	return applied, nil
}
