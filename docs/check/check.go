// Package check holds the documentation against itself and against the code: links between pages, contents lists, the
// width of lines, and the pictures of ARCHITECTURE.md.
//
//	go test ./docs/check            says what is wrong
//	go test ./docs/check -update    writes contents lists and pictures anew
package check

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// maxWidth is how wide a line of prose may be. Tables, code and links are as wide as they are.
	maxWidth = 120
	// maxWithoutContents is how many lines a page may have before it needs a list of its contents.
	maxWithoutContents = 200
	contentsHeading    = "## Contents"
)

// Page is one Markdown file.
type Page struct {
	Path string // relative to the repository, with slashes
	Text string
}

// Pages reads every page of the repository.
func Pages(root string) ([]Page, error) {
	var pages []Page
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("walk documentation: %w", err)
		}
		name := d.Name()
		if d.IsDir() {
			hidden := strings.HasPrefix(name, ".") && path != root && name != ".github"
			if hidden || name == "testdata" || name == "node_modules" {
				return filepath.SkipDir
			}
			return nil
		}
		if filepath.Ext(name) != ".md" {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return fmt.Errorf("read page: %w", err)
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return fmt.Errorf("name page: %w", err)
		}
		pages = append(pages, Page{Path: filepath.ToSlash(rel), Text: string(text)})
		return nil
	})
	return pages, err
}

// prose returns the page's lines with those of code blocks empty, so that line numbers stay.
func (p Page) prose() []string {
	lines := strings.Split(p.Text, "\n")
	fence := ""
	for i, line := range lines {
		trimmed := strings.TrimSpace(line)
		switch {
		case fence != "":
			if strings.HasPrefix(trimmed, fence) {
				fence = ""
			}
			lines[i] = ""
		case strings.HasPrefix(trimmed, "```"), strings.HasPrefix(trimmed, "~~~"):
			fence, lines[i] = trimmed[:3], ""
		case strings.HasPrefix(line, "    ") && (i == 0 || lines[i-1] == ""):
			lines[i] = ""
		}
	}
	return lines
}

// Heading is a heading of a page.
type Heading struct {
	Level  int
	Text   string
	Anchor string
}

var heading = regexp.MustCompile(`^(#{1,6}) +(.+?) *#*$`)

// Headings lists a page's headings, with the anchors that GitHub gives them.
func (p Page) Headings() []Heading {
	var found []Heading
	seen := map[string]int{}
	for _, line := range p.prose() {
		m := heading.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		anchor := slug(m[2])
		n := seen[anchor]
		seen[anchor]++
		if n > 0 {
			anchor = fmt.Sprintf("%s-%d", anchor, n)
		}
		found = append(found, Heading{Level: len(m[1]), Text: m[2], Anchor: anchor})
	}
	return found
}

var linked = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)

// slug is a heading's anchor: letters, digits, hyphens and underscores of its text, in lower case.
func slug(text string) string {
	text = linked.ReplaceAllString(text, "$1")
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
			return unicode.ToLower(r)
		}
		return -1
	}, text)
}

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)[^)]*\)`)
	code    = regexp.MustCompile("`[^`]*`")
	named   = regexp.MustCompile(`<a (?:id|name)="([^"]+)"`)
	foreign = regexp.MustCompile(`^[a-z][a-z0-9+.-]*:`)
)

// BrokenLinks lists the links that lead to no file or to no heading, as "page:line: why".
func BrokenLinks(root string, pages []Page) []string {
	anchors := map[string][]string{}
	for _, p := range pages {
		for _, h := range p.Headings() {
			anchors[p.Path] = append(anchors[p.Path], h.Anchor)
		}
		for _, m := range named.FindAllStringSubmatch(p.Text, -1) {
			anchors[p.Path] = append(anchors[p.Path], m[1])
		}
	}
	var broken []string
	for _, p := range pages {
		for i, line := range p.prose() {
			for _, m := range link.FindAllStringSubmatch(code.ReplaceAllString(line, ""), -1) {
				if why := follow(root, p.Path, m[1], anchors); why != "" {
					broken = append(broken, fmt.Sprintf("%s:%d: %s: %s", p.Path, i+1, m[1], why))
				}
			}
		}
	}
	return broken
}

// follow says why a link of a page leads nowhere; empty where it leads somewhere or out of the repository.
func follow(root, page, target string, anchors map[string][]string) string {
	if foreign.MatchString(target) {
		return ""
	}
	file, anchor, _ := strings.Cut(target, "#")
	to := page
	if file != "" {
		to = filepath.ToSlash(filepath.Join(filepath.Dir(page), file))
		if _, err := os.Stat(filepath.Join(root, to)); err != nil {
			return "no such file"
		}
	}
	if anchor != "" && strings.HasSuffix(to, ".md") && !slices.Contains(anchors[to], anchor) {
		return "no such heading"
	}
	return ""
}

// TooWide lists the lines of prose that are wider than maxWidth, as "page:line".
func TooWide(p Page) []string {
	var wide []string
	for i, line := range p.prose() {
		table := strings.HasPrefix(strings.TrimSpace(line), "|")
		whole := !strings.Contains(strings.TrimSpace(line), " ") || heading.MatchString(line)
		if !table && !whole && utf8.RuneCountInString(line) > maxWidth {
			wide = append(wide, fmt.Sprintf("%s:%d", p.Path, i+1))
		}
	}
	return wide
}

// WithContents returns the page with the list of its contents as it should be: of every section, before the first one.
// A page that is short and has no list stays as it is.
func WithContents(p Page) string {
	lines := strings.Split(p.Text, "\n")
	first, end := -1, -1
	for i, line := range p.prose() {
		if !strings.HasPrefix(line, "## ") {
			continue
		}
		if first < 0 {
			first = i
		}
		end = i
		if line != contentsHeading {
			break
		}
	}
	has := first >= 0 && lines[first] == contentsHeading
	if first < 0 || !has && len(lines) <= maxWithoutContents {
		return p.Text
	}
	list := []string{contentsHeading, ""}
	for _, h := range p.Headings() {
		if h.Level == 2 && h.Text != "Contents" {
			list = append(list, fmt.Sprintf("- [%s](#%s)", linked.ReplaceAllString(h.Text, "$1"), h.Anchor))
		}
	}
	list = append(list, "")
	return strings.Join(slices.Concat(lines[:first], list, lines[end:]), "\n")
}
