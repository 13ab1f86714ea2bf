package demo

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/ward-health/ward/internal/postgres/pgtest"
)

// ruleOf is the rule that is meant for a scenario.
var ruleOf = map[string]string{
	"cross_tenant": "A02-cross-tenant-denied", "terminated": "A03-terminated-user", "service_off_list": "A05-service-off-list",
	"snooper": "B01-no-treatment-relationship", "bulk_reader": "C01-high-volume",
}

type label struct {
	Scenario string    `json:"scenario"`
	Tenant   string    `json:"tenant"`
	Actor    string    `json:"actor"`
	Kind     string    `json:"kind"`
	FirstAt  time.Time `json:"first_at"`
	LastAt   time.Time `json:"last_at"`
}

func readLabels(t *testing.T, file string) []label {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var out []label
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		var l label
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			t.Fatal(err)
		}
		out = append(out, l)
	}
	if err := lines.Err(); err != nil || len(out) == 0 {
		t.Fatalf("%d labels, %v", len(out), err)
	}
	return out
}

// score builds a whole demo with a seed and holds the queue against the answer key.
func score(t *testing.T, seed uint64) {
	db := pgtest.New(t, pgtest.Template{})
	m := &maker{dir: t.TempDir(), dsn: db.DSN, opts: Options{Seed: seed, Now: time.Now, Progress: func(string, int64, int64) {}}}
	defer m.close()
	if err := m.build(t.Context()); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), labelsFile)
	if err := m.history.WriteLabels(file); err != nil {
		t.Fatal(err)
	}
	found := map[string]int{} // by rule, tenant and actor
	byTier := map[string]int{}
	rows, err := m.super.Pool().Query(t.Context(), `select a.rule_id, t.slug, u.slug, a.tier from review.anomaly a join tenancy.tenant t on t.id = a.tenant_id join tenancy.users u on u.id = a.actor_id`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var rule, tenant, actor, tier string
		if err := rows.Scan(&rule, &tenant, &actor, &tier); err != nil {
			t.Fatal(err)
		}
		found[rule+" "+tenant+" "+actor]++
		byTier[tier]++
	}
	labels := readLabels(t, file)
	incidents := map[string]bool{}
	perScenario := map[string]int{}
	for _, l := range labels {
		name := fmt.Sprintf("%s %s %s", ruleOf[l.Scenario], l.Tenant, l.Actor)
		if ruleOf[l.Scenario] == "" {
			t.Fatalf("label of unknown scenario %q", l.Scenario)
		}
		if l.Kind == "incident" {
			incidents[name] = true
			perScenario[l.Scenario]++
			if found[name] == 0 {
				t.Errorf("seed %d: %s has no anomaly", seed, name)
			}
		}
	}
	for scenario := range ruleOf {
		if perScenario[scenario] == 0 {
			t.Errorf("seed %d: no incident of %s to find", seed, scenario)
		}
	}
	for name, n := range found {
		if name[0] == 'A' && !incidents[name] {
			t.Errorf("seed %d: %s is %d anomalies of tier A without an incident", seed, name, n)
		}
	}
	snoopAndBulk := perScenario["snooper"] + perScenario["bulk_reader"]
	t.Logf("seed %d: %d labels, %d incidents (%d of B and C); anomalies: A %d, B %d, C %d", seed, len(labels), len(incidents), snoopAndBulk, byTier["A"], byTier["B"], byTier["C"])
	if bc := byTier["B"] + byTier["C"]; bc > 2*snoopAndBulk {
		t.Errorf("seed %d: %d anomalies of B and C for %d incidents: more than twice as many", seed, bc, snoopAndBulk)
	}
	if t.Failed() {
		for name, n := range found {
			if !incidents[name] {
				t.Logf("without incident: %s x%d", name, n)
			}
		}
	}
}

// Every labelled incident has its anomaly, no twin has one of tier A, and B and C together stay under twice the number of incidents that are theirs. Seeds 101 to
// 104 were not used while the rules were written; the others are behind the tag long.
func TestReviewFindsWhatWasSimulated(t *testing.T) { score(t, 101) }
