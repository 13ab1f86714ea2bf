// Package queries holds every line of SQL that ward runs: the schema (tables, functions, views, triggers), the
// statements that sqlc turns into Go, and the review rules. Package migrate, beside it, brings a database to the
// schema.
package queries

import (
	"embed"
	"io/fs"
)

// Version is the release that this schema belongs to. Released files of tables/ never change.
const Version = "0.1.0"

//go:embed tables/*.sql tables/SUMS functions views triggers
var schema embed.FS

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

// Schema are the files of the schema:
//
//	tables/NNNNN_name.sql          goose's format: tables, types, roles, indexes, constraints, rows
//	tables/SUMS                    the SHA-256 of each of those that a release has frozen, as sha256sum prints it
//	functions/SCHEMA/NAME.sql      one function with its grants
//	views/SCHEMA/NAME.sql          one view with its grants
//	triggers/SCHEMA/TABLE.sql      all triggers of one of ward's tables
func Schema() fs.FS { return schema }
