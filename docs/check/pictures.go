package check

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

const module = "github.com/ward-health/ward"

// Product lists the directories of the packages that the program is built from. Every other package is for tests,
// scripts, examples or the documentation.
func Product(ctx context.Context, root string) ([]string, error) {
	packages, err := goList(ctx, root, "-deps", "-f", "{{.ImportPath}}", "./cmd/ward")
	if err != nil {
		return nil, err
	}
	var dirs []string
	for _, words := range packages {
		if dir, ours := strings.CutPrefix(words[0], module+"/"); ours {
			dirs = append(dirs, dir)
		}
	}
	return dirs, nil
}

// goList runs go list and splits each line into words.
func goList(ctx context.Context, root string, args ...string) ([][]string, error) {
	cmd := exec.CommandContext(ctx, "go", append([]string{"list"}, args...)...)
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	var lines [][]string
	for line := range strings.Lines(string(out)) {
		lines = append(lines, strings.Fields(line))
	}
	return lines, nil
}

// Packages draws which of ward's packages imports which, as Mermaid. An arrow that follows from others is left out.
func Packages(ctx context.Context, root string) (string, error) {
	product, err := Product(ctx, root)
	if err != nil {
		return "", err
	}
	packages, err := goList(ctx, root, "-f", `{{.ImportPath}} {{join .Imports " "}}`, "./...")
	if err != nil {
		return "", err
	}
	graph := map[string][]string{}
	for _, words := range packages {
		from := strings.TrimPrefix(words[0], module+"/")
		if !slices.Contains(product, from) {
			continue
		}
		graph[from] = nil
		for _, imported := range words[1:] {
			if to := strings.TrimPrefix(imported, module+"/"); slices.Contains(product, to) {
				graph[from] = append(graph[from], to)
			}
		}
	}
	return mermaid("flowchart TD", reduced(graph)), nil
}

// reduced leaves out each arrow that a longer way makes superfluous.
func reduced(graph map[string][]string) map[string][]string {
	out := map[string][]string{}
	for from, direct := range graph {
		out[from] = slices.DeleteFunc(slices.Clone(direct), func(to string) bool {
			return slices.ContainsFunc(direct, func(via string) bool {
				return via != to && reaches(graph, via, to, map[string]bool{from: true})
			})
		})
	}
	return out
}

func reaches(graph map[string][]string, from, to string, seen map[string]bool) bool {
	if from == to {
		return true
	}
	if seen[from] {
		return false
	}
	seen[from] = true
	return slices.ContainsFunc(graph[from], func(next string) bool { return reaches(graph, next, to, seen) })
}

func mermaid(kind string, graph map[string][]string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "```mermaid\n%s\n", kind)
	id := func(name string) string { return strings.NewReplacer("/", "_", ".", "_", " ", "_").Replace(name) }
	for _, from := range slices.Sorted(maps.Keys(graph)) {
		fmt.Fprintf(&b, "  %s[%q]\n", id(from), from)
	}
	for _, from := range slices.Sorted(maps.Keys(graph)) {
		for _, to := range slices.Compact(slices.Sorted(slices.Values(graph[from]))) {
			fmt.Fprintf(&b, "  %s --> %s\n", id(from), id(to))
		}
	}
	b.WriteString("```\n")
	return b.String()
}

var (
	schemaMade   = regexp.MustCompile(`(?im)^\s*create schema (?:if not exists )?([a-z_]+)`)
	functionMade = regexp.MustCompile(`(?im)^\s*create (?:or replace )?(?:function|procedure) ([a-z_]+)\.([a-z_0-9]+)`)
	tableMade    = regexp.MustCompile(`(?im)^\s*create (?:unlogged )?table (?:if not exists )?([a-z_]+\.[a-z_0-9]+)`)
	sqlComment   = regexp.MustCompile(`(?m)--.*$`)
	dollarQuote  = regexp.MustCompile(`\$[a-z_]*\$`)
)

// schemas is what the picture of the schemas and the check of the stations know of the SQL.
type schemas struct {
	names     map[string]bool
	functions map[string]bool     // "schema.name"
	tables    map[string]bool     // "schema.name"
	bodies    map[string][]string // by schema
}

// readSchemas reads the files of tables, functions, views and triggers, wherever below queries they are.
func readSchemas(root string) (*schemas, error) {
	s := &schemas{names: map[string]bool{}, functions: map[string]bool{}, tables: map[string]bool{},
		bodies: map[string][]string{}}
	err := filepath.WalkDir(filepath.Join(root, "queries"), func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("walk queries: %w", err)
		}
		// rules are statements of their own, and what lies directly in queries is sqlc's
		if d.IsDir() || filepath.Ext(path) != ".sql" || filepath.Base(filepath.Dir(path)) == "rules" ||
			filepath.Base(filepath.Dir(path)) == "queries" {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return fmt.Errorf("read SQL: %w", err)
		}
		s.read(sqlComment.ReplaceAllString(string(text), ""))
		return nil
	})
	if err == nil && len(s.functions) < 100 {
		err = fmt.Errorf("only %d functions found below queries", len(s.functions))
	}
	return s, err
}

func (s *schemas) read(text string) {
	for _, m := range schemaMade.FindAllStringSubmatch(text, -1) {
		s.names[m[1]] = true
	}
	for _, m := range tableMade.FindAllStringSubmatch(text, -1) {
		s.tables[m[1]] = true
	}
	for _, at := range functionMade.FindAllStringSubmatchIndex(text, -1) {
		schema := text[at[2]:at[3]]
		s.functions[schema+"."+text[at[4]:at[5]]] = true
		rest := text[at[1]:]
		if open := dollarQuote.FindStringIndex(rest); open != nil {
			body, _, _ := strings.Cut(rest[open[1]:], rest[open[0]:open[1]])
			s.bodies[schema] = append(s.bodies[schema], body)
		}
	}
}

// Schemas draws whose functions name whose objects, as Mermaid.
func Schemas(root string) (string, error) {
	s, err := readSchemas(root)
	if err != nil {
		return "", err
	}
	graph := map[string][]string{}
	for from := range s.names {
		graph[from] = nil
		for to := range s.names {
			names := regexp.MustCompile(`\b` + to + `\.[a-z_]`)
			if to != from && slices.ContainsFunc(s.bodies[from], names.MatchString) {
				graph[from] = append(graph[from], to)
			}
		}
	}
	return mermaid("flowchart TD", graph), nil
}

// station is one step of a value's way, and what in the code does it.
type station struct {
	by   string // who acts
	does string
	code []string // functions and tables of the database, or "file.go: func"
}

// way is the way of one PHI value from a sign-in to a reviewer.
var way = []station{
	{"application", "signs the user in", []string{"tenancy.sign_in", "tenancy.signed_in"}},
	{"application", "asks, which writes one event per record",
		[]string{"tenancy.ask", "audit.disclose", "audit.event"}},
	{"PostgreSQL", "flushes the commit", []string{"tenancy.durable", "tenancy.disclosure"}},
	{"application", "begins under the disclosure and looks", []string{"tenancy.begin", "tenancy.disclosed"}},
	{"worker", "gives each event its place in the chain", []string{"audit/seal.go: Seal", "audit.chain"}},
	{"worker", "ships sealed rows as Parquet parts", []string{"audit/ship.go: Ship"}},
	{"worker", "runs the rules over sealed batches", []string{"review/run.go: Run", "review.run", "review.anomaly"}},
	{"reviewer", "looks, which is recorded first, and decides", []string{"tenancy.look", "review.close"}},
	{"auditor", "verifies the parts offline", []string{"archive/verify.go: Run"}},
}

// Way draws the way of one value, as Mermaid. A station whose code is gone is an error.
func Way(root string) (string, error) {
	s, err := readSchemas(root)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString("```mermaid\nflowchart TD\n")
	for i, at := range way {
		for _, name := range at.code {
			if err := s.has(root, name); err != nil {
				return "", err
			}
		}
		fmt.Fprintf(&b, "  s%d[\"%s %s<br/><i>%s</i>\"]\n", i+1, at.by, at.does, strings.Join(at.code, "<br/>"))
	}
	for i := 1; i < len(way); i++ {
		fmt.Fprintf(&b, "  s%d --> s%d\n", i, i+1)
	}
	b.WriteString("```\n")
	return b.String(), nil
}

// has says whether the code has what a station names.
func (s *schemas) has(root, name string) error {
	file, function, goCode := strings.Cut(name, ": ")
	if !goCode {
		if !s.functions[name] && !s.tables[name] {
			return fmt.Errorf("the way of one value names %s, which no SQL makes", name)
		}
		return nil
	}
	text, err := os.ReadFile(filepath.Join(root, file))
	if err != nil {
		return fmt.Errorf("the way of one value: %w", err)
	}
	if !regexp.MustCompile(`(?m)^func (\([^)]*\) )?` + function + `\(`).Match(text) {
		return fmt.Errorf("the way of one value names %s, which %s does not have", function, file)
	}
	return nil
}
