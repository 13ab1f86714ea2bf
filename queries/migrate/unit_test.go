package migrate

import (
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/ward-health/ward/queries"
)

// tree is a copy of the schema's files.
func tree(t *testing.T) fstest.MapFS {
	t.Helper()
	files := fstest.MapFS{}
	err := fs.WalkDir(queries.Schema(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := fs.ReadFile(queries.Schema(), name)
		files[name] = &fstest.MapFile{Data: text}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func read(t *testing.T, files fs.FS) *release {
	t.Helper()
	r, err := readRelease(files, "1.0.0")
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// A view names its columns: `*` would be those that a table had when the view was made, so that an upgraded database
// had other views than a new one. Neither does anything rest on a row type that a table or view gives.
func TestViewsNameTheirColumns(t *testing.T) {
	star := regexp.MustCompile(`(?:\bselect\s+|,\s*|\.)\*`)
	for _, o := range read(t, queries.Schema()).Objects {
		if o.Kind == KindView && star.MatchString(comment.ReplaceAllString(o.SQL, "")) {
			t.Errorf("view %s: a column list with *", o.Name)
		}
	}
}

// What tenancy.protect leaves at a table depends on every function that it calls, and on the arguments of those that
// its policies, triggers and view call. A change of anything else leaves the tables alone.
func TestGenerator(t *testing.T) {
	was := read(t, queries.Schema()).Generator
	for name, c := range map[string]struct {
		was, now string
		differs  bool
	}{
		"protect":           {"create policy", "create  policy", true},
		"relate":            {"create trigger", "create  trigger", true},
		"make_view":         {"security_barrier", " security_barrier", true},
		"enter_schema":      {"grant usage", "grant  usage", true},
		"kept_out":          {"select", " select", true},
		"register":          {"insert", " insert", true},
		"register_relation": {"insert", " insert", true},
		"disclosed":         {"record_table text,", "record_table text, more text default null,", true},
		"on_write":          {"begin", " begin", false},
		"on_relation":       {"begin", " begin", false},
		"whoami":            {"tenancy.whoami()", "tenancy.whoami(more text)", false},
	} {
		files := tree(t)
		file := "functions/tenancy/" + name + ".sql"
		text := strings.Replace(string(files[file].Data), c.was, c.now, 1)
		if text == string(files[file].Data) {
			t.Fatalf("%s does not hold %q", file, c.was)
		}
		files[file] = &fstest.MapFile{Data: []byte(text)}
		if differs := read(t, files).Generator != was; differs != c.differs {
			t.Errorf("%s: another generator: %v", name, differs)
		}
	}
}

// A function and a view may have the same name: both are made.
func TestInOrderMakesAll(t *testing.T) {
	files := tree(t)
	files["functions/review/access.sql"] = &fstest.MapFile{Data: []byte(
		"create function review.access(seq bigint) returns int language sql as $$ select 1 $$;\n" +
			"grant execute on function review.access to ward_worker;\n")}
	r := read(t, files)
	sorted, err := inOrder(r.Objects)
	if err != nil {
		t.Fatal(err)
	}
	made := map[key]bool{}
	for _, o := range sorted {
		made[o.key()] = true
	}
	for _, o := range r.Objects {
		if !made[o.key()] {
			t.Errorf("%s %s is not made", o.Kind, o.Name)
		}
	}
	if len(sorted) != len(r.Objects) || len(slices.Collect(maps.Keys(made))) != len(sorted) {
		t.Errorf("%d of %d objects, %d different ones", len(sorted), len(r.Objects), len(made))
	}
}

// A number is one file's, and files are applied in the order of their numbers.
func TestNumbers(t *testing.T) {
	files := tree(t)
	files["tables/00004_twice.sql"] = &fstest.MapFile{Data: []byte("select 1;\n")}
	if _, err := readRelease(files, "1.0.0"); err == nil || !strings.Contains(err.Error(), "the same number") {
		t.Errorf("two files of one number: %v", err)
	}
	r := read(t, queries.Schema())
	p := Plan{release: r, state: &state{tables: map[int]tableFile{}}}
	for _, f := range r.Tables {
		p.state.tables[f.Version] = f
	}
	delete(p.state.tables, r.Tables[1].Version)
	if err := p.compareTables(); err == nil || !strings.Contains(err.Error(), "give that file the next number") {
		t.Errorf("a file before one that was applied: %v", err)
	}
}

// A version is compared as one, not as text.
func TestLater(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{{"0.10.0", "0.9.0", true}, {"0.9.0", "0.10.0", false}, {"0.1.0", "0.1.0", false}, {"", "0.1.0", false},
		{"1.0.0", "1.0.0-rc.1", true}} {
		if got := later(c.a, c.b); got != c.want {
			t.Errorf("%s later than %s: %v", c.a, c.b, got)
		}
	}
}
