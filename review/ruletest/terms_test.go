package ruletest

import (
	"slices"
	"strings"
	"testing"
)

// What counts as a term of a rule's conditions, and what does not.
func TestTerms(t *testing.T) {
	for sql, want := range map[string][]string{
		"select 1 from a where x = 1 and y is distinct from 2": {"x = 1",
			"y is distinct from 2"},
		"select 1 from a join b on b.id = a.id and b.t = a.t where c in (1, 2)": {"b.id = a.id",
			"b.t = a.t", "c in (1, 2)"},
		"select 1 from a where x between 1 and 2 and not exists (select from b where b.y = a.y)": {"b.y = a.y",
			"not exists (select from b where b.y = a.y)", "x between 1 and 2"},
		"select 1 from a where x = 1 or y = 2": nil,
		"select 1 from a where (x = 1 and y = 2 or z = 3) and w": {"(x = 1 and y = 2 or z = 3)",
			"w", "x = 1"},
		"select 1 from a where x = ' and ) --' -- and y = 1\n and /* z = 1 and */ w = 2": {"w = 2", "x = ' and ) --'"},
		"select case when x then 1 else 2 end from a group by b having count(*) > 1":     nil,
	} {
		var got []string
		for _, at := range terms(sql) {
			got = append(got, strings.Join(strings.Fields(sql[at[0]:at[1]]), " "))
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%s:\n has   %q\n wants %q", sql, got, want)
		}
	}
	terms("select ) ) from ( where") // what the database would refuse is no panic
}

// TestStatements: the statements of world.sql are found by their names, which are all different.
func TestStatements(t *testing.T) {
	names := strings.Count(worldSQL, "-- name: ")
	if names < 30 {
		t.Fatalf("%d statements", names)
	}
	seen := map[string]bool{}
	for _, s := range strings.Split(worldSQL, "-- name: ")[1:] {
		name, _, _ := strings.Cut(s, "\n")
		if seen[name] || strings.Contains(statement(name), "no_such_statement") {
			t.Errorf("%q stands twice, or is not found", name)
		}
		seen[name] = true
	}
	if !strings.Contains(statement("nothing"), "no_such_statement") {
		t.Error("a statement that is not there is found")
	}
}
