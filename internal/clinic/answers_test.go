package clinic

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/ward-health/ward/internal/wardtest"
)

// answersAreSealed: the answer key is a file of its owner alone, and the role that rules run as finds nothing of it:
// not through the server's file functions, which it may not call, and not in any table that it can read.
func answersAreSealed(t *testing.T, e *wardtest.Env, h *History) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "answers.jsonl")
	if err := os.WriteFile(file, nil, 0o644); err != nil { //nolint:gosec // somebody left one that all can read
		t.Fatal(err)
	}
	if err := h.WriteLabels(file); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 || info.Size() == 0 {
		t.Fatalf("the answer key is %v, %v", info, err)
	}
	work := e.Conn("ward_worker")
	for _, sql := range []string{
		"select pg_read_file($1)", "select pg_read_binary_file($1)::text", "select pg_stat_file($1)::text",
		"select pg_ls_dir($1)", "select lo_import($1)::text",
	} {
		var got string
		if err := work.QueryRow(t.Context(), sql, file).Scan(&got); !refused(err) {
			t.Errorf("%s as ward_worker: %v", sql, err)
		}
	}
	for _, sql := range []string{"copy audit.classified from '" + file + "'",
		"copy audit.classified from program 'cat " + file + "'"} {
		if _, err := work.Exec(t.Context(), sql); !refused(err) {
			t.Errorf("%s as ward_worker: %v", sql, err)
		}
	}
	nothingTold(t, work, h)
}

// refused for want of rights: 42501.
func refused(err error) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && e.Code == "42501"
}

// nothingTold searches every column of every table and view that the role can read for the words of the answer key.
func nothingTold(t *testing.T, work *pgx.Conn, h *History) {
	t.Helper()
	rows, err := work.Query(t.Context(),
		`select c.oid::regclass::text from pg_class c join pg_namespace n on n.oid = c.relnamespace
		where c.relkind in ('r', 'p', 'v', 'm') and n.nspname not in ('pg_catalog', 'information_schema')
			and n.nspname !~ '^pg_toast' and has_table_privilege(c.oid, 'select') order by 1`)
	if err != nil {
		t.Fatal(err)
	}
	readable, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	words := append(Scenarios(), Incident, `"`+Twin+`"`)
	for _, l := range h.Labels() {
		words = append(words, l.Note)
	}
	slices.Sort(words)
	words = slices.Compact(words)
	for i := range words {
		words[i] = regexp.QuoteMeta(words[i])
	}
	pattern := strings.Join(words, "|")
	searched := 0
	for _, table := range readable {
		var n, found int
		err := work.QueryRow(t.Context(), "select count(*), count(*) filter (where x::text ~ $1) from "+table+" x",
			pattern).Scan(&n, &found)
		if err != nil {
			t.Errorf("search %s as ward_worker: %v", table, err)
			continue
		}
		if found > 0 {
			t.Errorf("%d of %d rows of %s have words of the answer key", found, n, table)
		}
		searched += n
	}
	if len(readable) < 10 || searched < len(h.events) {
		t.Errorf("only %d rows of %d tables were searched", searched, len(readable))
	}
}
