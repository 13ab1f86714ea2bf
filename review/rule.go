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
)

// FrontMatter is the head of a rule file: what the rule is, whom it cites, and how it is run.
type FrontMatter struct {
	ID             string         `yaml:"id" json:"id"` // the file's name without .sql; never changes
	Version        int            `yaml:"version" json:"version"`
	Title          string         `yaml:"title" json:"title"`
	Status         string         `yaml:"status" json:"status"`
	Owner          string         `yaml:"owner" json:"owner"`
	Description    string         `yaml:"description" json:"description"`
	Tier           string         `yaml:"tier" json:"tier"`
	Kind           string         `yaml:"kind" json:"kind"`
	Severity       string         `yaml:"severity" json:"severity"`
	Citations      []string       `yaml:"citations" json:"citations"` // sections of 45 CFR
	Requires       []string       `yaml:"requires,omitempty" json:"requires,omitempty"`
	Every          Duration       `yaml:"every" json:"every"`
	Jitter         Duration       `yaml:"jitter,omitempty" json:"jitter,omitzero"`   // how far from the others' a run may begin; default: a tenth of Every, a minute at most
	Timeout        Duration       `yaml:"timeout,omitempty" json:"timeout,omitzero"` // of one run; default: two minutes
	Settle         Duration       `yaml:"settle" json:"settle"`                      // how old an event must be, because what explains it is written later
	Entity         []string       `yaml:"entity" json:"entity"`                      // what makes two matches the same anomaly
	Params         map[string]any `yaml:"params,omitempty" json:"params,omitempty"`
	FalsePositives []string       `yaml:"false_positives" json:"false_positives"`
	Triage         string         `yaml:"triage" json:"triage"`
	MaxNewPerRun   int            `yaml:"max_new_per_run" json:"max_new_per_run"`
}

// The kinds of rules: a flag looks into the events of one batch after another, a watch into the review itself, each time as a whole.
const (
	kindFlag  = "flag"
	kindWatch = "watch"
)

// longestRun is the longest that a rule may allow itself. A job that runs longer was lost with its worker.
const longestRun = 10 * time.Minute

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

// Rule is a review query with its front matter. SQL has $1..$n for :from, :to (batches, exclusive and inclusive), :now and the parameters, in the order of Binds.
type Rule struct {
	FrontMatter
	SQL   string
	Binds []string
	Hash  string // SHA-256 of the file, hex
}

// frontMatter is the block that a rule file starts with.
var frontMatter = regexp.MustCompile(`(?s)\A/\*---\n(.*?)\n---\*/\n(.*)\z`)

// bind is a named parameter; a cast (::) is none, and nothing that is quoted is.
var bind = regexp.MustCompile(quotes + `|(^|[^:]):([a-z][a-z0-9_]*)`)

// forbidden is what a rule may not say: it reads, and it gives the same answer twice.
var forbidden = regexp.MustCompile(`(?i)\b(insert|update|delete|merge|truncate|drop|alter|create|grant|copy|now\s*\(|clock_timestamp|transaction_timestamp|statement_timestamp|` +
	`current_timestamp|current_date|current_time|localtime|localtimestamp|timeofday|random\s*\(|gen_random_uuid)|;`)

// present are literals that stand for the time of the run.
var present = regexp.MustCompile(`(?i)'\s*(now|today|tomorrow|yesterday)\s*'`)

// disguise is quoting other than '...', in which a forbidden word could hide from the check.
var disguise = regexp.MustCompile(`(?i)\b(e|u&)'|\$\w*\$|"`)

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

// quotes are string literals and comments, which may say anything.
const quotes = `'(?:[^']|'')*'|--[^\n]*|(?s:/\*.*?\*/)`

var quoted = regexp.MustCompile(quotes)

func (r *Rule) check(name string) error {
	var errs []error
	bad := func(when bool, format string, args ...any) {
		if when {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	bad(r.ID != name, "its id is %q, not the file's name", r.ID)
	bad(r.Version < 1, "version is missing")
	bad(r.Title == "", "title is missing")
	bad(!oneOf(r.Tier, "A", "B", "C", "S"), "tier is A, B, C or S")
	bad(!oneOf(r.Severity, "critical", "high", "medium", "low"), "severity is critical, high, medium or low")
	bad(!oneOf(r.Kind, kindFlag, kindWatch), "kind is flag, or watch for a rule about the review itself")
	bad(blank(r.Citations), "it cites nothing")
	bad(blank(r.FalsePositives), "it names no false positives")
	bad(r.Every <= 0, "every is missing")
	bad(r.Settle < 0, "settle is negative: nothing is examined before it is sealed")
	bad(r.Jitter < 0 || r.Jitter > r.Every, "jitter is from nothing to its period")
	bad(r.Timeout < 0 || time.Duration(r.Timeout) > longestRun, "timeout is at most %s", longestRun)
	bad(r.MaxNewPerRun <= 0, "max_new_per_run is missing")
	bad(len(r.Entity) == 0 || r.Entity[0] != "tenant_id", "entity starts with tenant_id")
	known, needed := []string{"tenant_id", "actor_id", "patient_id"}, []string{"from", "to"}
	if r.Kind == kindWatch {
		known, needed = []string{"tenant_id", "what"}, []string{"now"}
	}
	for _, e := range r.Entity {
		bad(!oneOf(e, known...), "entity has %q: %s are known", e, strings.Join(known, ", "))
	}
	for _, b := range needed {
		bad(!oneOf(b, r.Binds...), "its SQL does not use :%s", b)
	}
	for _, b := range r.Binds {
		_, known := r.Params[b]
		bad(!known && !oneOf(b, "from", "to", "now"), "its SQL uses :%s, which is no parameter", b)
	}
	code := quoted.ReplaceAllString(r.SQL, "''")
	for _, f := range []string{forbidden.FindString(code), present.FindString(r.SQL)} {
		bad(f != "", "its SQL has %q: a rule is one statement that reads, and :now is the time", f)
	}
	if f := disguise.FindString(code); f != "" {
		bad(true, "its SQL quotes with %q: only '...' is understood here", f)
	}
	return errors.Join(errs...)
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

// LoadRules reads every rule of a directory. A rule without tests of the kinds that ParseTests asks for beside it (ID.test.yaml) does not load.
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
	return rules, nil
}
