package sqlfmt

import (
	"bytes"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/diff"
	"github.com/rogpeppe/go-internal/txtar"
)

// Each file of testdata is one rule: in.sql becomes out.sql.
func TestCases(t *testing.T) {
	names, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(names) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			a, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if len(a.Files) != 2 {
				t.Fatalf("%d files, not in.sql and out.sql", len(a.Files))
			}
			in, want := a.Files[0].Data, a.Files[1].Data
			for _, src := range [][]byte{in, want} {
				got, err := Format(src)
				if err != nil {
					t.Fatal(err)
				}
				if os.Getenv("WARD_UPDATE") != "" {
					a.Files[1].Data = got
					if err := os.WriteFile(name, txtar.Format(a), 0o644); err != nil {
						t.Fatal(err)
					}
					return
				}
				if !bytes.Equal(got, want) {
					t.Errorf("%s", diff.Diff("want", want, "got", got))
				}
			}
		})
	}
}

// sqlFiles are all .sql files of the repository.
func sqlFiles(t testing.TB) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == ".git" || d.Name() == "node_modules"):
			return fs.SkipDir
		case !d.IsDir() && strings.HasSuffix(name, ".sql"):
			out[name], err = os.ReadFile(name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(out) < 50 {
		t.Fatalf("only %d SQL files found", len(out))
	}
	return out
}

// Everything that ward has can be formatted, and is narrow then, but for strings and what is never touched.
func TestRepository(t *testing.T) {
	for name, src := range sqlFiles(t) {
		got, err := Format(src)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		lines := strings.Split(string(got), "\n")
		within := withinTokens(t, string(got), 1)
		for _, n := range LongLines(got) {
			if l := lines[n-1]; !within[n] && !mostlyString(l) {
				t.Errorf("%s: could be broken: %s", name, l)
			}
		}
	}
}

// withinTokens are the lines that strings and comments of several lines take; first is the number of the first line.
func withinTokens(t *testing.T, src string, first int) map[int]bool {
	t.Helper()
	tokens, err := lex(src)
	if err != nil {
		t.Fatal(err)
	}
	out := map[int]bool{}
	at := 0
	mark := func(text string, code bool) {
		from := at + strings.Index(src[at:], text)
		line := first + strings.Count(src[:from], "\n")
		at = from + len(text)
		if code {
			tag := dollarTag(text)
			maps.Copy(out, withinTokens(t, text[len(tag):len(text)-len(tag)], line))
			return
		}
		for n := range strings.Count(text, "\n") + 1 {
			out[line+n] = out[line+n] || strings.Contains(text, "\n")
		}
	}
	for i, tok := range tokens {
		for _, r := range tok.lead {
			mark(r.text, false)
		}
		mark(tok.text, tok.kind == dollar && bodyLanguage(tokens, statementStart(tokens, i), i) != "")
	}
	return out
}

// mostlyString says whether the line has hardly more on it than one string.
func mostlyString(l string) bool {
	tokens, err := lex(l)
	isMost := func(t *token) bool { return t.kind == str && len(l)-len(t.text) < 40 }
	return err == nil && slices.ContainsFunc(tokens, isMost)
}

func FuzzFormat(f *testing.F) {
	for _, src := range sqlFiles(f) {
		f.Add(src)
	}
	names, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range names {
		a, err := txtar.ParseFile(name)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range a.Files {
			f.Add(file.Data)
		}
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		got, err := Format(src)
		if errors.Is(err, errWrong) {
			t.Fatal(err)
		}
		if err != nil {
			return
		}
		if again, err := once(string(got)); err != nil || again != string(got) {
			t.Errorf("formatted again: %v\n%s", err, diff.Diff("once", got, "twice", []byte(again)))
		}
	})
}

// What the check of each run lets through, and what it finds.
func TestSame(t *testing.T) {
	body := func(s string) string { return "create function f() returns int language plpgsql as $$ " + s + " $$;" }
	for _, c := range []struct {
		name, a, b string
		same       bool
	}{
		{"blanks", "select  1 ;", "select 1;", true},
		{"case of a keyword", "SELECT 1", "select 1", true},
		{"case of a name", "select A", "select a", false},
		{"a string", "select 'a  b'", "select 'a b'", false},
		{"a quoted name", `select "a  b"`, `select "a b"`, false},
		{"a token less", "select 1, 2", "select 1 2", false},
		{"two operators in one", "select 1 - -1", "select 1 --1", false},
		{"a comment filled anew", "-- a b\n-- c\nselect 1", "-- a\n-- b c\nselect 1", true},
		{"a comment lost", "select 1 -- a", "select 1", false},
		{"a block comment", "/* a  b */ select 1", "/* a b */ select 1", false},
		{"a body", body("begin return  1; end"), body("begin return 1; end"), true},
		{"a body with another token", body("begin return 1; end"), body("begin return 2; end"), false},
		{"a dollar string that is no body", "select $$a  b$$", "select $$a b$$", false},
		{"a string of two lines", "select 'a'\n'b'", "select 'a' 'b'", false},
	} {
		if err := same(c.a, c.b); (err == nil) != c.same {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestRefused(t *testing.T) {
	for _, src := range []string{
		"select 'a", "select \"a", "select $$a", "/* a", "select (1", "select 1)", "select case when a then b",
		"select \x00",
		"create function f() returns int language plpgsql as $$ begin return 1; $$;",
		"create function f() returns int language plpgsql as $$ begin if a then return 1; end $$;",
		"create function f() returns int language plpgsql as $$ begin for x in a; end loop; end $$;",
	} {
		if out, err := Format([]byte(src)); err == nil || errors.Is(err, errWrong) {
			t.Errorf("%q became %q, %v", src, out, err)
		}
	}
}

func TestLex(t *testing.T) {
	for src, want := range map[string]string{
		"a->>'b'":                 "a ->> 'b'",
		"a->-1":                   "a -> - 1",
		"1..3":                    "1 .. 3",
		"x::int[]":                "x :: int [ ]",
		"E'a\\'b' 'c''d'":         "E'a\\'b' 'c''d'",
		"$1 $a$ $b$ $a$ :x":       "$1 $a$ $b$ $a$ :x",
		"a<=-1":                   "a <= - 1",
		"a@-1":                    "a @- 1",
		"1.5e-3 .5":               "1.5e-3 .5",
		"/* a /* b */ c */ d":     "d",
		"U&\"a\" u&'b' Überall_1": "U&\"a\" u&'b' Überall_1",
	} {
		tokens, err := lex(src)
		if err != nil {
			t.Errorf("%s: %v", src, err)
			continue
		}
		var got []string
		for _, tok := range tokens[:len(tokens)-1] {
			got = append(got, tok.text)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %q, want %q", src, got, want)
		}
	}
}
