package check

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write contents lists and pictures anew")

const root = "../.."

func pages(t *testing.T) []Page {
	t.Helper()
	found, err := Pages(root)
	if err != nil {
		t.Fatal(err)
	}
	if len(found) < 20 {
		t.Fatalf("only %d pages found", len(found))
	}
	return found
}

// A page of more than 200 lines begins with a list of its sections, and the list is complete.
func TestContents(t *testing.T) {
	for _, p := range pages(t) {
		want := WithContents(p)
		if want == p.Text {
			continue
		}
		if *update {
			if err := os.WriteFile(filepath.Join(root, p.Path), []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		t.Errorf("%s: its list of contents is missing or out of date; run go test ./docs/check -update", p.Path)
	}
}

// Every link between pages leads to a file that exists, and to a heading that exists.
func TestLinks(t *testing.T) {
	for _, broken := range BrokenLinks(root, pages(t)) {
		t.Error(broken)
	}
}

// A line of prose fits an editor beside another one.
func TestWidth(t *testing.T) {
	for _, p := range pages(t) {
		for _, wide := range TooWide(p) {
			t.Errorf("%s is wider than %d columns", wide, maxWidth)
		}
	}
}

func TestBrokenLinksAreFound(t *testing.T) {
	dir := t.TempDir()
	text := strings.Join([]string{
		"# One", "", "## Two, `three`_four", "", "## Two, `three`_four", "",
		"[good](#two-three_four) [good](#two-three_four-1) [good](https://example.org/none#none) [good](page.md#one)",
		"[bad](#two) [bad](none.md) [bad](page.md#none)", "`[code](none.md)`", "", "```", "[code](none.md)", "```", "",
	}, "\n")
	if err := os.WriteFile(filepath.Join(dir, "page.md"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	found, err := Pages(dir)
	if err != nil {
		t.Fatal(err)
	}
	want := "page.md:8: #two: no such heading\npage.md:8: none.md: no such file\n" +
		"page.md:8: page.md#none: no such heading"
	if got := strings.Join(BrokenLinks(dir, found), "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestContentsAreWritten(t *testing.T) {
	short := Page{Text: "# One\n\n## Two\n\nText.\n"}
	if got := WithContents(short); got != short.Text {
		t.Errorf("a short page changed:\n%s", got)
	}
	long := Page{Text: "# One\n\nWhat it is.\n\n## Two\n\nText.\n" +
		strings.Repeat("\n", maxWithoutContents) + "## Three\n"}
	want := "# One\n\nWhat it is.\n\n## Contents\n\n- [Two](#two)\n- [Three](#three)\n\n## Two\n"
	got := WithContents(long)
	if !strings.HasPrefix(got, want) {
		t.Errorf("got\n%s", got[:120])
	}
	stale := Page{Text: strings.Replace(got, "- [Three](#three)\n", "- [Gone](#gone)\n", 1)}
	if again := WithContents(stale); again != got {
		t.Errorf("a list out of date became\n%s", again[:120])
	}
}

func TestWideLinesAreFound(t *testing.T) {
	wide := strings.Repeat("word ", 25)
	p := Page{Path: "p.md", Text: wide + "\n| " + wide + "|\n```\n" + wide + "\n```\nshort\n"}
	if got := strings.Join(TooWide(p), " "); got != "p.md:1" {
		t.Errorf("got %q", got)
	}
}
