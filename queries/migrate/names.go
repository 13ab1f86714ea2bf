package migrate

import (
	"regexp"
	"slices"
	"strings"
)

// names are what a plan makes, SCHEMA.NAME. Tables, indexes, sequences, views and types share their names; functions
// have others.
type names struct {
	relations, functions map[string]bool
	first                bool // an installation, which makes what is named below too
}

// laterNames are what ward makes with names that no file has: months of the audit log, and River's objects.
var laterNames = map[string]*regexp.Regexp{
	"audit": regexp.MustCompile(`^event_[0-9]{4}_[0-9]{2}$`),
	"river": regexp.MustCompile(`^river_`),
}

var (
	namedObject = regexp.MustCompile(
		`(?i)\bcreate\s+(?:unlogged\s+)?(?:table|sequence|type|domain|view)\s+` +
			`(?:if\s+not\s+exists\s+)?([a-z_]+)\.([a-z_0-9]+)`)
	namedIndex = regexp.MustCompile(
		`(?i)\bcreate\s+(?:unique\s+)?index\s+(?:if\s+not\s+exists\s+)?([a-z_0-9]+)\s+on\s+(?:only\s+)?([a-z_]+)\.`)
)

// newNames reads from the files what the plan makes that the database does not have yet.
func (p *Plan) newNames() names {
	n := names{relations: map[string]bool{}, functions: map[string]bool{}, first: p.From == ""}
	for _, t := range p.release.Tables {
		if slices.Contains(p.Tables, t.Name) {
			n.add(t.text)
		}
	}
	for _, c := range p.Make {
		switch {
		case c.Why != New:
		case c.Kind == KindFunction:
			n.functions[c.Name] = true
		case c.Kind == KindView:
			n.relations[c.Name] = true
		}
	}
	return n
}

func (n names) add(text string) {
	text = comment.ReplaceAllString(text, "")
	for _, m := range namedObject.FindAllStringSubmatch(text, -1) {
		n.relations[strings.ToLower(m[1]+"."+m[2])] = true
	}
	for _, m := range namedIndex.FindAllStringSubmatch(text, -1) {
		n.relations[strings.ToLower(m[2]+"."+m[1])] = true
	}
}

func (n names) has(c clash) bool {
	if pattern := laterNames[c.Schema]; n.first && pattern != nil && pattern.MatchString(c.Name) {
		return true
	}
	switch c.Kind {
	case "function", "procedure", "aggregate":
		return n.functions[c.Schema+"."+c.Name]
	}
	return n.relations[c.Schema+"."+c.Name]
}

// relations are the tables, views, sequences, indexes and types that the release makes by name.
func (r *release) relations() map[string]bool {
	n := names{relations: map[string]bool{}}
	for _, t := range r.Tables {
		n.add(t.text)
	}
	for _, o := range r.Objects {
		if o.Kind == KindView {
			n.relations[o.Name] = true
		}
	}
	return n.relations
}
