package migrate

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
)

// Kinds of objects that have a file of their own.
const (
	KindFunction = "function"
	KindView     = "view"
	KindTriggers = "triggers" // all of a table's
)

// An Object is a file of functions/, views/ or triggers/.
type Object struct {
	Kind  string
	Name  string // SCHEMA.NAME of the function, the view, or the table whose triggers these are
	Owner string // the role that makes it
	SQL   string
	Sum   string // SHA-256 of SQL, hexadecimal
}

func (o Object) schema() string { return strings.SplitN(o.Name, ".", 2)[0] }

// A key tells an object from all others: a function and a view may have the same name.
type key struct{ kind, name string }

func (o Object) key() key { return key{o.Kind, o.Name} }

// ownerLine begins a file that names another owner than ward_owner.
const ownerLine = "-- Owner: "

func newObject(kind, name string, text []byte) Object {
	sum := sha256.Sum256(text)
	o := Object{Kind: kind, Name: name, Owner: "ward_owner", SQL: string(text), Sum: hex.EncodeToString(sum[:])}
	if rest, ok := strings.CutPrefix(o.SQL, ownerLine); ok {
		o.Owner, _, _ = strings.Cut(rest, "\n")
	}
	return o
}

// readObjects reads all objects of a schema's files.
func readObjects(files fs.FS) ([]Object, error) {
	var all []Object
	for _, d := range []struct{ dir, kind string }{
		{"views", KindView}, {"functions", KindFunction}, {"triggers", KindTriggers},
	} {
		names, err := fs.Glob(files, d.dir+"/*/*.sql")
		if err != nil {
			return nil, fmt.Errorf("list %s: %w", d.dir, err)
		}
		for _, file := range names {
			text, err := fs.ReadFile(files, file)
			if err != nil {
				return nil, fmt.Errorf("read the schema: %w", err)
			}
			schema := path.Base(path.Dir(file))
			all = append(all, newObject(d.kind, schema+"."+strings.TrimSuffix(path.Base(file), ".sql"), text))
		}
	}
	return all, nil
}

var (
	comment   = regexp.MustCompile(`--[^\n]*`)
	qualified = regexp.MustCompile(`\b[a-z]+\.[A-Za-z_][A-Za-z0-9_]*`)
)

// head is a function's file up to the body.
func head(o Object) string {
	text, _, _ := strings.Cut(comment.ReplaceAllString(o.SQL, ""), "$$")
	return text
}

// needs are the names of other objects that must exist before o can be made.
func needs(o Object) []string {
	text := comment.ReplaceAllString(o.SQL, "")
	if o.Kind == KindFunction {
		text = head(o)
	}
	names := qualified.FindAllString(text, -1)
	for i, n := range names {
		names[i] = strings.ToLower(n)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// inOrder sorts objects into an order in which they can be made: each after those that its head (a function's
// arguments, a view's text) needs. Bodies of functions are looked up when they run. Triggers come last: they need
// functions, nothing needs them.
func inOrder(all []Object) ([]Object, error) {
	byName := make(map[string][]Object, len(all))
	for _, o := range all {
		if o.Kind != KindTriggers {
			byName[o.Name] = append(byName[o.Name], o)
		}
	}
	const begun, done = 1, 2
	state := make(map[key]int, len(all))
	sorted := make([]Object, 0, len(all))
	var visit func(o Object) error
	visit = func(o Object) error {
		switch state[o.key()] {
		case done:
			return nil
		case begun:
			return fmt.Errorf("%s %s needs itself to be made", o.Kind, o.Name)
		}
		state[o.key()] = begun
		for _, n := range needs(o) {
			if n == o.Name {
				continue
			}
			for _, other := range byName[n] {
				if err := visit(other); err != nil {
					return fmt.Errorf("%s: %w", o.Name, err)
				}
			}
		}
		state[o.key()] = done
		sorted = append(sorted, o)
		return nil
	}
	var triggers []Object
	for _, o := range all {
		if o.Kind == KindTriggers {
			triggers = append(triggers, o)
			continue
		}
		if err := visit(o); err != nil {
			return nil, err
		}
	}
	return append(sorted, triggers...), nil
}
