package review

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"regexp"
	"sort"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/ward-health/ward/queries"
)

// FrontMatter is the head of a rule file: what the rule is, whom it cites, and how it is run.
type FrontMatter struct {
	// the file's name without .sql; never changes
	ID          string     `yaml:"id" json:"id"`
	UUID        string     `yaml:"uuid,omitempty" json:"uuid,omitempty"` // survives a renaming
	Version     int        `yaml:"version" json:"version"`
	Title       string     `yaml:"title" json:"title"`
	Status      string     `yaml:"status" json:"status"` // experimental, test, stable, deprecated
	Related     []Relation `yaml:"related,omitempty" json:"related,omitempty"`
	Owner       string     `yaml:"owner" json:"owner"`
	Author      string     `yaml:"author,omitempty" json:"author,omitempty"`
	Created     string     `yaml:"created,omitempty" json:"created,omitempty"`   // YYYY-MM-DD
	Modified    string     `yaml:"modified,omitempty" json:"modified,omitempty"` // YYYY-MM-DD
	Description string     `yaml:"description" json:"description"`
	Tier        string     `yaml:"tier" json:"tier"`
	Kind        string     `yaml:"kind" json:"kind"`
	Severity    string     `yaml:"severity" json:"severity"`
	Citations   []string   `yaml:"citations" json:"citations"`                       // sections of 45 CFR
	References  []string   `yaml:"references,omitempty" json:"references,omitempty"` // https addresses
	// kinds of relationships, and rows of review.input
	Requires []string `yaml:"requires,omitempty" json:"requires,omitempty"`
	Every    Duration `yaml:"every" json:"every"`
	// how far from the others' a run may begin; default: a tenth of Every, a minute at most
	Jitter Duration `yaml:"jitter,omitempty" json:"jitter,omitzero"`
	// of one run; default: two minutes
	Timeout Duration `yaml:"timeout,omitempty" json:"timeout,omitzero"`
	// how old an event must be, because what explains it is written later
	Settle Duration `yaml:"settle" json:"settle"`
	// how far back the nightly second look goes, by the time of the event; 0: none
	Reconcile Duration `yaml:"reconcile,omitempty" json:"reconcile,omitzero"`
	// what makes two matches the same anomaly
	Entity         []string       `yaml:"entity,omitempty" json:"entity,omitempty"`
	Dedup          *Dedup         `yaml:"dedup,omitempty" json:"dedup,omitempty"`
	Params         map[string]any `yaml:"params,omitempty" json:"params,omitempty"`
	FalsePositives []string       `yaml:"false_positives,omitempty" json:"false_positives,omitempty"`
	// of a filter: what it leaves to be explained by others, or by nobody
	Limits       []string `yaml:"limits,omitempty" json:"limits,omitempty"`
	Triage       string   `yaml:"triage,omitempty" json:"triage,omitempty"`
	MaxNewPerRun int      `yaml:"max_new_per_run,omitempty" json:"max_new_per_run,omitempty"` // of a flag or a watch
}

// Relation names a rule that this one is like, or replaces.
type Relation struct {
	ID   string `yaml:"id" json:"id"`
	Type string `yaml:"type" json:"type"` // similar, derived, obsolete, merged, renamed
}

// Dedup says what becomes of a match about the same tenant, person and patient as an earlier one. While the anomaly is
// open, or within Window of the first one of its series, it is evidence; closing moves no window.
type Dedup struct {
	Window Duration `yaml:"window" json:"window"` // from when the anomaly was made; 0: as long as it is open
	// new_linked (default), or absorb: within the window, evidence joins the closed anomaly
	OnClosed string `yaml:"on_closed" json:"on_closed"`
}

// The kinds of rules: a flag looks into the events of one batch after another, a filter explains them away before, a
// watch looks into the review itself, each time as a whole.
const (
	kindFlag   = "flag"
	kindFilter = "filter"
	kindWatch  = "watch"
)

// longestRun is the longest that a rule may allow itself. A job that runs longer was lost with its worker.
const longestRun = 10 * time.Minute

// longestReconcile is the longest that a nightly second look may go back.
const longestReconcile = 31 * 24 * time.Hour

// Duration is a time.Duration written as Go writes it ("24h").
type Duration time.Duration

// UnmarshalYAML reads a duration.
func (d *Duration) UnmarshalYAML(n *yaml.Node) error {
	v, err := time.ParseDuration(n.Value)
	if err != nil {
		return fmt.Errorf("line %d: %w", n.Line, err)
	}
	*d = Duration(v)
	return nil
}

// MarshalText writes it.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (d *Duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	if err != nil {
		return fmt.Errorf("duration: %w", err)
	}
	*d = Duration(v)
	return nil
}

// Rule is a review query with its front matter. SQL has $1..$n for :from, :to (batches, exclusive and inclusive), :now
// and the parameters, in the order of Binds.
type Rule struct {
	FrontMatter
	SQL   string
	Binds []string
	Hash  string // SHA-256 of the file, hex
	Own   bool   // of the installation, not shipped: runs as ward_rule
}

// frontMatter is the block that a rule file starts with.
var frontMatter = regexp.MustCompile(`(?s)\A/\*---\n(.*?)\n---\*/\n(.*)\z`)

// quotes are string literals and comments, which may say anything.
const quotes = `'(?:[^']|'')*'|--[^\n]*|(?s:/\*.*?\*/)`

// bind is a named parameter; a cast (::) is none, and nothing that is quoted is.
var bind = regexp.MustCompile(quotes + `|(^|[^:]):([a-z][a-z0-9_]*)`)

// ParseRule reads a rule file. Everything that is wrong with it is reported at once.
func ParseRule(name string, text []byte) (Rule, error) {
	m := frontMatter.FindSubmatch(text)
	if m == nil {
		return Rule{}, fmt.Errorf("rule %s: does not start with /*--- front matter ---*/", name)
	}
	var r Rule
	decoder := yaml.NewDecoder(bytes.NewReader(m[1]))
	decoder.KnownFields(true)
	if err := decoder.Decode(&r.FrontMatter); err != nil {
		return Rule{}, fmt.Errorf("rule %s: front matter: %w", name, err)
	}
	// what stood after a second document would be read by nobody
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return Rule{}, fmt.Errorf("rule %s: front matter is more than one YAML document", name)
	}
	sum := sha256.Sum256(text)
	r.Hash = hex.EncodeToString(sum[:])
	r.SQL = r.bindAll(string(m[2]))
	if err := r.check(name); err != nil {
		return Rule{}, fmt.Errorf("rule %s: %w", name, err)
	}
	return r, nil
}

// Mutant is the rule with another query, which nobody has checked: for trying out whether the rule's tests notice the
// difference. It is false where the query no longer says which events it is over, which no rule does.
func (r *Rule) Mutant(sql string) (Rule, bool) {
	m := *r
	m.Binds = nil
	m.SQL = m.bindAll(sql)
	if r.Watches() {
		return m, oneOf("now", m.Binds...)
	}
	if !oneOf("from", m.Binds...) || !oneOf("to", m.Binds...) {
		return m, false
	}
	return m, !r.Own || m.inline() == nil
}

// bindAll numbers the named parameters.
func (r *Rule) bindAll(sql string) string {
	numbers := map[string]int{}
	return bind.ReplaceAllStringFunc(sql, func(s string) string {
		sub := bind.FindStringSubmatch(s)
		if sub[2] == "" {
			return s
		}
		n, ok := numbers[sub[2]]
		if !ok {
			r.Binds = append(r.Binds, sub[2])
			n = len(r.Binds)
			numbers[sub[2]] = n
		}
		return fmt.Sprintf("%s$%d", sub[1], n)
	})
}

// blank says that a list has nothing in it, or an empty line.
func blank(list []string) bool {
	for _, s := range list {
		if strings.TrimSpace(s) == "" {
			return true
		}
	}
	return len(list) == 0
}

func oneOf(s string, list ...string) bool {
	for _, x := range list {
		if s == x {
			return true
		}
	}
	return false
}

// ShippedFiles are the files of the rules that ward ships: ID.sql, and ID.test.yaml beside it.
func ShippedFiles() fs.FS { return queries.Rules() }

// ShippedRules are the rules that ward ships, as LoadRules reads them.
func ShippedRules() ([]Rule, error) { return LoadRules(ShippedFiles()) }

// LoadRules reads every rule of a directory, in the order in which they run over the same events: filters first. A rule
// without tests of the kinds that ParseTests asks for beside it (ID.test.yaml) does not load.
func LoadRules(dir fs.FS) ([]Rule, error) {
	names, err := fs.Glob(dir, "*.sql")
	if err != nil {
		return nil, fmt.Errorf("list rules: %w", err)
	}
	sort.Strings(names)
	var rules []Rule
	for _, file := range names {
		name := strings.TrimSuffix(path.Base(file), ".sql")
		text, err := fs.ReadFile(dir, file)
		if err != nil {
			return nil, fmt.Errorf("read rule %s: %w", name, err)
		}
		r, err := ParseRule(name, text)
		if err != nil {
			return nil, err
		}
		tests, err := fs.ReadFile(dir, name+".test.yaml")
		if err != nil {
			return nil, fmt.Errorf("rule %s has no tests: write %s.test.yaml beside it", name, name)
		}
		if _, err := ParseTests(&r, tests); err != nil {
			return nil, err
		}
		rules = append(rules, r)
	}
	if len(rules) == 0 {
		return nil, errors.New("no rules found")
	}
	inOrder(rules)
	return rules, distinct(rules)
}

// inOrder puts rules into the order in which they run over the same events.
func inOrder(rules []Rule) {
	sort.SliceStable(rules, func(i, j int) bool { return rules[i].Stage() < rules[j].Stage() })
}

// distinct refuses two rules of one uuid: one of them is a copy that was meant to be another rule.
func distinct(rules []Rule) error {
	seen := map[string]string{}
	for _, r := range rules {
		if other, ok := seen[r.UUID]; ok && r.UUID != "" {
			return fmt.Errorf("rules %s and %s have one uuid: a new rule has a new one", other, r.ID)
		}
		seen[r.UUID] = r.ID
	}
	return nil
}
