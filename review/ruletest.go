package review

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"
)

// RuleTests is a rule's test file, ID.test.yaml.
type RuleTests struct {
	Tests []RuleTest `yaml:"tests"`
	// Spared are the terms of the rule's conditions that no case can need, with the reason. A term is written on one
	// line with single spaces; the second of two that read the same ends in " (2)".
	Spared map[string]string `yaml:"spared,omitempty"`
}

// RuleTest is one case of a rule's test file, ID.test.yaml: what a world of two clinics looks like, and the anomalies
// that the rule must make of it. Each case has clinics and people of its own: casey (clinician at cedar and harbor),
// carla (clinician at cedar), hugo (clinician at harbor), frank (front_desk), bill (billing) and rita (records) at
// cedar, the service account svc-etl at cedar, dana, who reviews, and pia, the patient "own" of cedar.
type RuleTest struct {
	Name        string           `yaml:"name"`
	Memberships []TestMembership `yaml:"memberships,omitempty"`
	Permissions []TestPermission `yaml:"permissions,omitempty"`
	Relations   []TestRelation   `yaml:"relations,omitempty"`
	Coverages   []TestCoverage   `yaml:"coverages,omitempty"`
	Events      []TestEvent      `yaml:"events,omitempty"`
	Rules       []TestedRule     `yaml:"rules,omitempty"`    // of a rule that watches the review
	Unsealed    []string         `yaml:"unsealed,omitempty"` // times of events that wait for their place in the chain
	Links       []TestLink       `yaml:"links,omitempty"`
	Traits      []TestTrait      `yaml:"traits,omitempty"`
	Anomalies   []TestQueued     `yaml:"anomalies,omitempty"`
	Chain       []TestChain      `yaml:"chain,omitempty"`
	Expect      []TestAnomaly    `yaml:"expect"`
}

// TestMembership ends one of the memberships. Times, here and below, are before now ("-50m"), or a clock time of a UTC
// day before today ("day-2 12:00:00").
type TestMembership struct {
	User       string `yaml:"user"`
	Tenant     string `yaml:"tenant"`
	EndedOn    string `yaml:"ended_on,omitempty"` // "day-2"
	Terminated string `yaml:"terminated,omitempty"`
	Late       bool   `yaml:"late,omitempty"`      // comes after the first run
	Unsettled  bool   `yaml:"unsettled,omitempty"` // comes after the newest event that the second run examines
}

// TestPermission is a line of a service account's list.
type TestPermission struct {
	User     string `yaml:"user"`
	Tenant   string `yaml:"tenant,omitempty"` // empty: every tenant
	Action   string `yaml:"action"`
	Table    string `yaml:"table"`
	FromHour int    `yaml:"from_hour,omitempty"`
	ToHour   int    `yaml:"to_hour,omitempty"` // 0: 24
}

// TestRelation is a row of review.relationship.
type TestRelation struct {
	Kind    string `yaml:"kind"`
	User    string `yaml:"user"`
	Patient string `yaml:"patient"`
	Tenant  string `yaml:"tenant,omitempty"` // empty: cedar
	From    string `yaml:"from"`
	To      string `yaml:"to,omitempty"`
	Void    string `yaml:"void,omitempty"`
	Known   string `yaml:"known,omitempty"`  // empty: From
	Author  string `yaml:"author,omitempty"` // empty: somebody else
	Times   int    `yaml:"times,omitempty"`  // for patients patient-1 to patient-N
}

// TestCoverage is a row of review.coverage: User stands in for Covered.
type TestCoverage struct {
	User    string `yaml:"user"`
	Covered string `yaml:"covered"`
	Tenant  string `yaml:"tenant,omitempty"` // empty: cedar
	From    string `yaml:"from"`
	To      string `yaml:"to"`
	Void    string `yaml:"void,omitempty"`
	Known   string `yaml:"known,omitempty"`  // empty: From
	Author  string `yaml:"author,omitempty"` // empty: somebody else
}

// TestEvent is one event, or several of the same shape.
type TestEvent struct {
	User       string `yaml:"user"`
	Tenant     string `yaml:"tenant,omitempty"` // empty: cedar
	Action     string `yaml:"action,omitempty"` // empty: view
	Table      string `yaml:"table,omitempty"`  // empty: public.patients
	Record     string `yaml:"record,omitempty"` // a label; the same one is the same record
	Patient    string `yaml:"patient,omitempty"`
	Home       string `yaml:"home,omitempty"` // whose record it is; empty: the tenant's, "none": nobody's
	Outcome    string `yaml:"outcome,omitempty"`
	Reason     string `yaml:"reason,omitempty"`
	Purpose    string `yaml:"purpose,omitempty"`    // empty: treatment
	Grant      string `yaml:"grant,omitempty"`      // whom a grant event lets review, with ticket T-1
	GrantRole  string `yaml:"grant_role,omitempty"` // as what; empty: on_call_engineer
	Membership string `yaml:"membership,omitempty"` // "none", or whose membership a termination ends
	At         string `yaml:"at"`
	Source     string `yaml:"source,omitempty"`   // empty: simulation
	Recorded   string `yaml:"recorded,omitempty"` // when it reached the log, if not at At: as an imported event does
	// a label: events of the same one are of one disclosure; ending in "-" each of the times has its own; empty: each
	// its own
	Ask     string `yaml:"ask,omitempty"`
	Session string `yaml:"session,omitempty"` // a label
	// JSON; $user.casey, $record.p, $anomaly.x and $tenant.cedar stand for ids, $slug.casey for a slug
	Detail    string `yaml:"detail,omitempty"`
	Every     string `yaml:"every,omitempty"`     // how far apart the times are; empty: a second
	Times     int    `yaml:"times,omitempty"`     // N: of N patients, record-1 to record-N
	Days      int    `yaml:"days,omitempty"`      // N: also at the same time of the N-1 days before
	Late      bool   `yaml:"late,omitempty"`      // is sealed after the first run
	Unsettled bool   `yaml:"unsettled,omitempty"` // is sealed too late to have settled at the second run
}

// TestedRule is a rule of the installation that a watching rule looks at, with its ledger.
type TestedRule struct {
	ID      string      `yaml:"id"`
	Every   Duration    `yaml:"every"`
	Known   string      `yaml:"known,omitempty"`   // since when; empty: long ago
	Missing string      `yaml:"missing,omitempty"` // what it requires and the installation lacks
	Runs    []TestedRun `yaml:"runs,omitempty"`
}

// TestedRun is a run of such a rule.
type TestedRun struct {
	At       string `yaml:"at"`
	Status   string `yaml:"status,omitempty"`   // empty: ok
	Unsealed bool   `yaml:"unsealed,omitempty"` // its event has no place in the chain yet
}

// TestAnomaly is an anomaly that must come out; nothing else may. Of a watching rule it says what is late, and since
// when. Of a filter it says how many of a person's accesses are explained, with a reason in summary.
type TestAnomaly struct {
	Tenant   string `yaml:"tenant,omitempty"`
	Actor    string `yaml:"actor,omitempty"`   // empty: nobody's
	Patient  string `yaml:"patient,omitempty"` // a label, of an anomaly about one patient
	What     string `yaml:"what,omitempty"`
	Since    string `yaml:"since,omitempty"`
	Evidence int    `yaml:"evidence"`
	Summary  string `yaml:"summary,omitempty"` // what the summary contains
}

// The beginnings of the names by which ParseTests knows a case. What follows falsePositive is an entry of the rule's
// false_positives, and what follows limit one of a filter's limits, up to its first colon.
const (
	falsePositive   = "false positive: "
	limit           = "limit: "
	tenantIsolation = "tenant isolation: "
	boundary        = "boundary: "
	lateEvent       = "late event: "
)

// ParseTests reads a rule's test file. It refuses one without a case that finds something, two false positives of the
// rule that find nothing (of a filter: two limits, of which nothing is explained), a case of tenant isolation, one of a
// boundary to the second, and one of a late event. That a second run over the same events changes nothing, and that a
// suppressed match is still recorded, is tried with every rule's own cases.
func ParseTests(r *Rule, text []byte) (RuleTests, error) {
	var file RuleTests
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(&file); err != nil && !errors.Is(err, io.EOF) {
		return RuleTests{}, fmt.Errorf("tests of rule %s: %w", r.ID, err)
	}
	var positive, negative, isolated, edges, late int
	names := map[string]bool{}
	for _, c := range file.Tests {
		if c.Name == "" || len(c.Events)+len(c.Rules)+len(c.Unsealed) == 0 || names[c.Name] {
			return RuleTests{},
				fmt.Errorf("tests of rule %s: case %q has no name of its own or no events", r.ID, c.Name)
		}
		names[c.Name] = true
		if len(c.Expect) > 0 {
			positive++
		}
		if about, ok := strings.CutPrefix(c.Name, r.negative()); ok {
			if len(c.Expect) > 0 || !r.knows(about) {
				return RuleTests{}, fmt.Errorf("tests of rule %s: case %q is not one that the rule's head names, "+
					"or expects something", r.ID, c.Name)
			}
			negative++
		}
		isolated += one(strings.HasPrefix(c.Name, tenantIsolation))
		edges += one(strings.HasPrefix(c.Name, boundary))
		late += one(strings.HasPrefix(c.Name, lateEvent) && c.hasLate())
	}
	if r.Watches() { // it belongs to no clinic, and looks at what is there
		isolated, late = 1, 1
	}
	if positive < 1 || negative < 2 || isolated < 1 || edges < 1 || late < 1 {
		return RuleTests{}, fmt.Errorf("tests of rule %s: a case that finds something, two called %q, one %q, "+
			"one %q and one %q are needed: there are %d, %d, %d, %d and %d",
			r.ID, r.negative()+"...", tenantIsolation+"...", boundary+"...", lateEvent+"...", positive, negative,
			isolated, edges, late)
	}
	return file, nil
}

func one(is bool) int {
	if is {
		return 1
	}
	return 0
}

// negative begins the name of a case that finds nothing.
func (r *Rule) negative() string {
	if r.Explains() {
		return limit
	}
	return falsePositive
}

// knows says whether one of the rule's false positives, or limits, begins so.
func (r *Rule) knows(about string) bool {
	for _, f := range append(r.FalsePositives, r.Limits...) {
		if name, _, _ := strings.Cut(f, ":"); name == about {
			return true
		}
	}
	return false
}

func (c *RuleTest) hasLate() bool {
	for _, e := range c.Events {
		if e.Late {
			return true
		}
	}
	return false
}
