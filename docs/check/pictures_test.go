package check

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const architecture = root + "/docs/ARCHITECTURE.md"

// The pictures of docs/ARCHITECTURE.md are drawn from the code, and are those of the code as it is.
func TestPictures(t *testing.T) {
	page, err := os.ReadFile(architecture)
	if err != nil {
		t.Fatal(err)
	}
	packages, err := Packages(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	schemas, err := Schemas(root)
	if err != nil {
		t.Fatal(err)
	}
	value, err := Way(root)
	if err != nil {
		t.Fatal(err)
	}
	text := string(page)
	for name, picture := range map[string]string{"packages": packages, "schemas": schemas, "value": value} {
		from, to := "<!-- picture "+name+": drawn by TestPictures -->\n", "<!-- end of picture "+name+" -->\n"
		before, rest, opened := strings.Cut(text, from)
		stands, after, closed := strings.Cut(rest, to)
		if !opened || !closed {
			t.Fatalf("%s has no %q and %q", architecture, from, to)
		}
		if stands != picture && !*update {
			t.Errorf("%s: the picture of the %s is out of date; run go test ./docs/check -update. Drawn now:\n%s",
				architecture, name, picture)
		}
		text = before + from + picture + to + after
	}
	if *update {
		if err := os.WriteFile(filepath.Clean(architecture), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestReduced(t *testing.T) {
	got := reduced(map[string][]string{"a": {"b", "c", "d"}, "b": {"c"}, "c": nil, "d": nil})
	if !slices.Equal(got["a"], []string{"b", "d"}) || !slices.Equal(got["b"], []string{"c"}) {
		t.Errorf("got %v", got)
	}
}

func TestSchemasAreRead(t *testing.T) {
	s := &schemas{names: map[string]bool{}, functions: map[string]bool{}, tables: map[string]bool{},
		bodies: map[string][]string{}}
	s.read("create schema a;\ncreate or replace function a.f(x int) returns void as $$ select b.g() $$;\n" +
		"create unlogged table a.t (x int);")
	if !s.names["a"] || !s.functions["a.f"] || !s.tables["a.t"] || len(s.bodies["a"]) != 1 ||
		s.bodies["a"][0] != " select b.g() " {
		t.Errorf("read %+v", s)
	}
	for _, name := range []string{"a.g", "pictures.go: Gone", "gone.go: Way"} {
		if s.has(".", name) == nil {
			t.Errorf("%s is found", name)
		}
	}
	for _, name := range []string{"a.f", "a.t", "pictures.go: Way", "pictures.go: has"} {
		if err := s.has(".", name); err != nil {
			t.Error(err)
		}
	}
}
