// Command duckdb runs a file of SQL in DuckDB and prints the rows of its last statement as JSON, one object a line. It
// is what checks an archive in a second engine: ward's tests and benchmark build and execute it, so that ward itself
// stays free of cgo.
//
//	duckdb [-threads N] STORE FILE.sql
//
// In the SQL, STORE stands for the store's directory.
package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"

	_ "github.com/duckdb/duckdb-go/v2"
)

func main() {
	threads := flag.Int("threads", 0, "number of threads; 0: DuckDB's own choice")
	flag.Parse()
	if flag.NArg() != 2 {
		fmt.Fprintln(os.Stderr, "usage: duckdb [-threads N] STORE FILE.sql")
		os.Exit(2)
	}
	if err := run(context.Background(), *threads, flag.Arg(0), flag.Arg(1)); err != nil {
		fmt.Fprintln(os.Stderr, "duckdb:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, threads int, store, file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("read sql: %w", err)
	}
	db, err := sql.Open("duckdb", "")
	if err != nil {
		return fmt.Errorf("open duckdb: %w", err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1) // settings and macros are the connection's
	if threads > 0 {
		if _, err := db.ExecContext(ctx, fmt.Sprintf("set threads = %d", threads)); err != nil {
			return fmt.Errorf("set threads: %w", err)
		}
	}
	statements := strings.Split(
		strings.TrimSpace(strings.ReplaceAll(string(text), "STORE", strings.ReplaceAll(store, "'", "''"))), ";\n")
	for _, s := range statements[:len(statements)-1] {
		if _, err := db.ExecContext(ctx, s); err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
	}
	return query(ctx, db, strings.TrimSuffix(statements[len(statements)-1], ";"))
}

func query(ctx context.Context, db *sql.DB, text string) error {
	rows, err := db.QueryContext(ctx, text)
	if err != nil {
		return fmt.Errorf("query: %w", err)
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		return fmt.Errorf("query: %w", err)
	}
	out := json.NewEncoder(os.Stdout)
	for rows.Next() {
		values, targets := make([]any, len(names)), make([]any, len(names))
		for i := range values {
			targets[i] = &values[i]
		}
		if err := rows.Scan(targets...); err != nil {
			return fmt.Errorf("read row: %w", err)
		}
		row := map[string]any{}
		for i, n := range names {
			row[n] = values[i]
		}
		if err := out.Encode(row); err != nil {
			return fmt.Errorf("write row: %w", err)
		}
	}
	return rows.Err()
}
