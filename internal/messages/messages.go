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
		if filepath.Base(filepath.Dir(path)) != "rules" {
			found = append(found, raised(text)...)
		}
		return nil
	})
	return tidy(found), err
}

var (
	madeFunction = regexp.MustCompile(
		`(?i)^create\s+(?:or\s+replace\s+)?(?:function|procedure)\s+([a-z_0-9]+\.[a-z_0-9]+)`)
	raise  = regexp.MustCompile(`(?i)^raise\s+(?:exception|warning|notice)\b`)
	option = regexp.MustCompile(
		`(?i)\b(hint|message|detail|errcode|column|constraint|table|schema|datatype)\s*=\s*$`)
	placeholder = regexp.MustCompile(`%`)
	// a function that must not roll its own record back returns why it refused
	refusal = regexp.MustCompile(`^(?:why|reason|refused)\s*:=`)
	branch  = regexp.MustCompile(`^then\s+('(?:[^']|'')*')`)
	words   = regexp.MustCompile(`^[a-z][A-Za-z'’-]*(?:[ ,:;]+[A-Za-z'’()-]+)+$`)
)

// raised lists what one text of SQL raises, with the function that stands around it.
func raised(text string) []Message {
	var found []Message
	where := "the installation"
	for i := 0; i < len(text); {
		switch {
		case strings.HasPrefix(text[i:], "--"):
			i += length(text[i:], "\n")
		case text[i] == '\'':
			i += literal(text[i:])
		case dollar(text[i:]) > 0:
			i += dollar(text[i:])
		case startsWord(text, i):
			if m := madeFunction.FindStringSubmatch(text[i:]); m != nil {
				where = m[1]
			}
			if n, said := statement(where, text[i:]); n > 0 {
				found = append(found, said...)
				i += n
				continue
			}
			i++
		default:
			i++
		}
	}
	return found
}

// statement is how long a statement is that says something to a person, and what it says: a raise, or an assignment of
// the reason that a function returns instead of raising. 0: it is another one.
func statement(where, text string) (int, []Message) {
	switch n := endOfStatement(text); {
	case raise.MatchString(text):
		return n, message(where, text[:n])
	case refusal.MatchString(text):
		return n, reasons(where, text[:n])
	}
	if m := branch.FindStringSubmatch(text); len(m) == 2 && words.MatchString(unquoted(m[1])) {
		return len(m[0]), []Message{{Where: where, Text: unquoted(m[1])}}
	}
	return 0, nil
}

// reasons are the texts of an assignment.
func reasons(where, statement string) []Message {
	var found []Message
	for i := 0; i < len(statement); {
		if n := dollar(statement[i:]); n > 0 {
			i += n
			continue
		}
		if statement[i] != '\'' {
			i++
			continue
		}
		n := literal(statement[i:])
		if text := unquoted(statement[i : i+n]); words.MatchString(text) {
			found = append(found, Message{Where: where, Text: values(text)})
		}
		i += n
	}
	return found
}

// unquoted is the text of an SQL string.
func unquoted(quoted string) string {
	return strings.NewReplacer("''", "'", `\n`, " ").Replace(quoted[1 : len(quoted)-1])
}

func startsWord(text string, i int) bool {
	letter := func(b byte) bool { return b == '_' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' }
	return letter(text[i]) && (i == 0 || !letter(text[i-1]))
}

// length is how far it is to behind the first end in a text.
func length(text, end string) int {
	if i := strings.Index(text, end); i >= 0 {
		return i + len(end)
	}
	return len(text)
}

// literal is how long the string at the beginning of a text is, quotes counted.
func literal(text string) int {
	for i := 1; i < len(text); i++ {
		if text[i] != '\'' {
			continue
		}
		if i+1 < len(text) && text[i+1] == '\'' {
			i++
			continue
		}
		return i + 1
	}
	return len(text)
}

// endOfStatement is where the statement's semicolon stands.
func endOfStatement(text string) int {
	for i := 0; i < len(text); {
		switch {
		case text[i] == ';':
			return i
		case text[i] == '\'':
			i += literal(text[i:])
		case dollar(text[i:]) > 0:
			i += dollar(text[i:])
		case strings.HasPrefix(text[i:], "--"):
			i += length(text[i:], "\n")
		default:
			i++
		}
	}
	return len(text)
}

var tag = regexp.MustCompile(`^\$[a-z]+\$`)

// dollar is how long the dollar-quoted string of one line is at the beginning of a text, such as a pattern: what looks
// like a comment or a quote in it is none. 0: there is none. Bodies of functions have many lines.
func dollar(text string) int {
	open := tag.FindString(text)
	if open == "" {
		return 0
	}
	line, _, _ := strings.Cut(text[len(open):], "\n")
	if end := strings.Index(line, open); end >= 0 {
		return end + 2*len(open)
	}
	return 0
}

// message reads a raise statement: its format, or where the format is only a placeholder the texts that fill it; and
// its hint, which may be put together of several strings.
func message(where, statement string) []Message {
	var texts, hints []string
	name := ""
	for i := 0; i < len(statement); {
		if statement[i] == ',' && name != "" && depth(statement[:i]) == 0 {
			name = ""
		}
		if statement[i] != '\'' {
			i++
			continue
		}
		if m := option.FindStringSubmatch(statement[:i]); m != nil {
			name = strings.ToLower(m[1])
		}
		n := literal(statement[i:])
		text := unquoted(statement[i : i+n])
		switch name {
		case "hint":
			hints = append(hints, text)
		case "", "message":
			texts = append(texts, text)
		}
		i += n
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

// depth is how many parentheses are open at the end of a text, those in strings left out.
func depth(text string) int {
	n := 0
	for i := 0; i < len(text); {
		switch text[i] {
		case '\'':
			i += literal(text[i:])
			continue
		case '(':
			n++
		case ')':
			n--
		}
		i++
	}
	return n
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

// tests are the packages that only tests and scripts use.
var tests = regexp.MustCompile(`(^|/)(testdata|docs|examples|wardtest|pgtest|s3test|notifytest|messages)(/|$)`)

// Go lists the errors and the narration of the packages below root.
func Go(root string) ([]Message, error) {
	var found []Message
	err := eachFile(root, ".go", func(path, text string) error {
		dir, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return fmt.Errorf("name package: %w", err)
		}
		dir = filepath.ToSlash(dir)
		if strings.HasSuffix(path, "_test.go") || tests.MatchString(dir) {
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

// saying are the functions whose first string a person reads.
var saying = map[string]bool{
	"Errorf": true, "New": true, "usagef": true, "say": true, "tell": true, "said": true, "Said": true,
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
		if saying[called(n)] && len(n.Args) > 0 {
			return constant(n.Args[0])
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
