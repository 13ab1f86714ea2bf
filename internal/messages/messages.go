// Package messages lists what ward says to people: what the database refuses with, and the errors of the Go code. The
// list is docs/MESSAGES.md, so that all messages can be read as a whole and by the linter of prose. TestMessagesPage in
// cmd/cli adds the help of the commands and writes the page.
package messages

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/ward-health/ward/internal/sqlfmt"
)

// Message is one text that a person may read.
type Message struct {
	Where string // a function of the database, or a package
	Text  string // … stands for a value
	Hint  string // what to do about it; empty where the message says it, or nothing does
}

// SQL lists what the functions, triggers and blocks below root/queries raise.
func SQL(root string) ([]Message, error) {
	var found []Message
	err := eachFile(filepath.Join(root, "queries"), ".sql", func(path, text string) error {
		if filepath.Base(filepath.Dir(path)) == "rules" {
			return nil
		}
		said, err := raised(text)
		if err != nil {
			return fmt.Errorf("read %s: %w", path, err)
		}
		found = append(found, said...)
		return nil
	})
	return tidy(found), err
}

var (
	placeholder = regexp.MustCompile(`%`)
	letters     = regexp.MustCompile(`[A-Za-z]`)
	words       = regexp.MustCompile(`^(?:[a-z]+(?:_[a-z]+)+: )?[a-z][A-Za-z'’-]*(?:[ ,:;]+[A-Za-z'’()-]+)+$`)
)

// raised lists what one text of SQL raises, with the function that stands around it.
func raised(text string) ([]Message, error) {
	tokens, err := sqlfmt.Tokens(text)
	if err != nil {
		return nil, err
	}
	var found []Message
	where := "the installation"
	for i := 0; i < len(tokens); i++ {
		switch rest := tokens[i:]; {
		case begins(rest, "create"):
			if name := madeFunction(rest); name != "" {
				where = name
			}
		case begins(rest, "raise", "exception"), begins(rest, "raise", "warning"), begins(rest, "raise", "notice"):
			found = append(found, message(where, statement(rest))...)
			i += len(statement(rest))
		case begins(rest, "why", ":="), begins(rest, "reason", ":="), begins(rest, "refused", ":="):
			// a function that must not roll its own record back returns why it refused
			found = append(found, reasons(where, statement(rest))...)
			i += len(statement(rest))
		case begins(rest, "then") && len(rest) > 1:
			found = append(found, reasons(where, rest[1:2])...)
		}
	}
	return found, nil
}

// begins says whether tokens begin with these words.
func begins(tokens []sqlfmt.Token, words ...string) bool {
	for i, word := range words {
		if i >= len(tokens) || !tokens[i].Is(word) {
			return false
		}
	}
	return true
}

// madeFunction is the name of the function that a statement creates, or "".
func madeFunction(tokens []sqlfmt.Token) string {
	tokens = tokens[1:]
	if begins(tokens, "or", "replace") {
		tokens = tokens[2:]
	}
	if len(tokens) < 4 || !tokens[0].Is("function") && !tokens[0].Is("procedure") || !tokens[2].Is(".") {
		return ""
	}
	return tokens[1].Text + "." + tokens[3].Text
}

// statement is what stands before the next semicolon.
func statement(tokens []sqlfmt.Token) []sqlfmt.Token {
	if end := slices.IndexFunc(tokens, func(t sqlfmt.Token) bool { return t.Is(";") }); end >= 0 {
		return tokens[:end]
	}
	return tokens
}

// reasons are the texts of an assignment that are sentences.
func reasons(where string, tokens []sqlfmt.Token) []Message {
	var found []Message
	for _, t := range tokens {
		if t.Kind == sqlfmt.Text && words.MatchString(t.Text) {
			found = append(found, Message{Where: where, Text: values(t.Text)})
		}
	}
	return found
}

// options are what a RAISE statement may set.
var options = map[string]bool{"hint": true, "message": true, "detail": true, "errcode": true, "column": true,
	"constraint": true, "table": true, "schema": true, "datatype": true}

// message reads a raise statement: its format, or where the format is only a placeholder the texts that fill it; and
// its hint, which may be put together of several strings.
func message(where string, tokens []sqlfmt.Token) []Message {
	var texts, hints []string
	option, depth := "", 0
	for i, t := range tokens {
		switch {
		case t.Is("("):
			depth++
		case t.Is(")"):
			depth--
		case t.Is(",") && depth == 0:
			option = ""
		case t.Kind == sqlfmt.Word && options[strings.ToLower(t.Text)] && begins(tokens[i+1:], "="):
			option = strings.ToLower(t.Text)
		case t.Kind == sqlfmt.Text && option == "hint" && letters.MatchString(t.Text):
			hints = append(hints, t.Text)
		case t.Kind == sqlfmt.Text && (option == "" || option == "message"):
			texts = append(texts, t.Text)
		}
	}
	if len(texts) == 0 {
		return nil
	}
	if placeholder.ReplaceAllString(strings.TrimSpace(texts[0]), "") != "" {
		texts = texts[:1]
	}
	var found []Message
	for _, text := range texts {
		if strings.Contains(text, " ") {
			found = append(found, Message{where, values(text), values(strings.Join(hints, " … "))})
		}
	}
	return found
}

var verbs = regexp.MustCompile(`%(?:[-+# 0]*(?:\[\d+\])?(?:\d+|\*)?(?:\.\d+)?[a-zA-Z]|%)?`)

// values puts … for what a format fills in.
func values(format string) string {
	return strings.Join(strings.Fields(verbs.ReplaceAllStringFunc(format, func(v string) string {
		if v == "%%" {
			return "%"
		}
		if strings.HasPrefix(v, "% ") { // plpgsql's placeholder, and the space that follows it
			return "… " + v[2:]
		}
		return "…" + afterPlain(v)
	})), " ")
}

// afterPlain gives back the letter behind plpgsql's placeholder where it is no verb of Go's.
func afterPlain(v string) string {
	if len(v) == 2 && !strings.ContainsAny(v[1:], "vTtbcdoOqxXUeEfFgGspw") {
		return v[1:]
	}
	return ""
}

// Go lists the errors and the narration of packages, which are directories below root.
func Go(root string, packages []string) ([]Message, error) {
	var found []Message
	err := eachFile(root, ".go", func(path, text string) error {
		dir, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return fmt.Errorf("name package: %w", err)
		}
		dir = filepath.ToSlash(dir)
		if strings.HasSuffix(path, "_test.go") || !slices.Contains(packages, dir) {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, text, parser.SkipObjectResolution)
		if err != nil {
			return fmt.Errorf("read Go: %w", err)
		}
		add := func(text string, ok bool) {
			if ok && strings.Contains(text, " ") {
				found = append(found, Message{Where: dir, Text: values(text)})
			}
		}
		ast.Inspect(file, func(n ast.Node) bool {
			add(said(n))
			if f, ok := n.(*ast.FuncDecl); ok && f.Recv != nil && f.Name.Name == "Error" && f.Body != nil {
				for _, result := range results(f.Body) {
					add(constant(result))
				}
			}
			return true
		})
		return nil
	})
	return tidy(found), err
}

// saying are the functions that are given a string which a person reads, and which argument it is.
var saying = map[string]int{
	"Errorf": 0, "New": 0, "usagef": 0, "say": 0, "tell": 0, "ask": 1, "said": 0, "Said": 0,
}

// results are what a function returns.
func results(body *ast.BlockStmt) []ast.Expr {
	var all []ast.Expr
	ast.Inspect(body, func(n ast.Node) bool {
		if r, ok := n.(*ast.ReturnStmt); ok {
			all = append(all, r.Results...)
		}
		return true
	})
	return all
}

// said is the text of an error or of a line of narration that a node makes.
func said(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.CallExpr:
		if at, ok := saying[called(n)]; ok && len(n.Args) > at {
			return constant(n.Args[at])
		}
	case *ast.CompositeLit:
		if t, ok := n.Type.(*ast.Ident); ok && strings.HasSuffix(t.Name, "Error") && len(n.Elts) > 0 {
			last := n.Elts[len(n.Elts)-1]
			if kv, ok := last.(*ast.KeyValueExpr); ok {
				last = kv.Value
			}
			return constant(last)
		}
	}
	return "", false
}

// called is the name of the function that a call calls: fmt.Errorf, errors.New, and functions and methods of our own.
func called(c *ast.CallExpr) string {
	switch f := c.Fun.(type) {
	case *ast.Ident:
		return f.Name
	case *ast.SelectorExpr:
		x, ok := f.X.(*ast.Ident)
		if ok && f.Sel.Name == "New" && x.Name != "errors" {
			return ""
		}
		return f.Sel.Name
	}
	return ""
}

// constant is a string that is written out, or put together of strings of which one is; the others are values.
func constant(e ast.Expr) (string, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		if e.Kind == token.STRING {
			text, err := strconv.Unquote(e.Value)
			return text, err == nil
		}
	case *ast.CallExpr:
		if called(e) == "Sprintf" {
			return constant(e.Args[0])
		}
	case *ast.BinaryExpr:
		left, okLeft := constant(e.X)
		right, okRight := constant(e.Y)
		if e.Op == token.ADD && (okLeft || okRight) {
			return cmp.Or(left, "%v") + cmp.Or(right, "%v"), true
		}
	}
	return "", false
}

// eachFile hands out every file below a directory whose name ends so; hidden directories are left out.
func eachFile(dir, ext string, fn func(path, text string) error) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("walk sources: %w", err)
		}
		if d.IsDir() {
			if path != dir && strings.HasPrefix(d.Name(), ".") {
				return filepath.SkipDir
			}
			return nil
		}
		if filepath.Ext(path) != ext {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return fmt.Errorf("read source: %w", err)
		}
		return fn(path, string(text))
	})
}

// tidy sorts messages and leaves repeats out.
func tidy(found []Message) []Message {
	slices.SortFunc(found, func(a, b Message) int {
		return cmp.Or(cmp.Compare(a.Where, b.Where), cmp.Compare(a.Text, b.Text), cmp.Compare(a.Hint, b.Hint))
	})
	return slices.Compact(found)
}

var special = regexp.MustCompile("[\\\\`*<>\\[\\]#|~]")

// List writes messages as Markdown: a heading for each place, an item for each message, its hint below it.
func List(found []Message) string {
	var b strings.Builder
	escape := func(s string) string { return special.ReplaceAllString(s, `\$0`) }
	where := ""
	for _, m := range found {
		if m.Where != where {
			where = m.Where
			fmt.Fprintf(&b, "\n### %s\n\n", escape(where))
		}
		item(&b, "- ", escape(m.Text))
		if m.Hint != "" {
			item(&b, "  - Hint: ", escape(m.Hint))
		}
	}
	return b.String()
}

// lineWidth is how wide a line of the list may be.
const lineWidth = 120

// mark is a word that would begin a list or a heading at the beginning of a line.
var mark = regexp.MustCompile(`^([-+*#=]+|\d+[.)])$`)

// item writes one item of a list, broken at lineWidth and indented as its mark is.
func item(b *strings.Builder, begin, text string) {
	indent := strings.Repeat(" ", strings.Index(begin, "-")+2)
	line := begin
	for i, word := range strings.Fields(text) {
		switch {
		case i == 0:
			line += word
		case utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) <= lineWidth || mark.MatchString(word):
			line += " " + word
		default:
			b.WriteString(line + "\n")
			line = indent + word
		}
	}
	b.WriteString(line + "\n")
}
