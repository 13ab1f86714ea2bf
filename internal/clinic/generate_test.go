package clinic

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

var testNow = time.Date(2026, 11, 20, 15, 4, 5, 0, time.UTC)

// small is a configuration that loads in a second or two.
func small(seed uint64) Config {
	return Config{Seed: seed, Clinics: 3, Staff: 40, Patients: 600, Days: 40, Events: 20_000, Now: testNow,
		Password: "correct horse battery"}
}

func TestOneSeedOneHistory(t *testing.T) {
	a, b, c := Generate(small(1)), Generate(small(1)), Generate(small(2))
	if a.Digest() != b.Digest() {
		t.Error("the same seed gave two histories")
	}
	if a.Digest() == c.Digest() {
		t.Error("two seeds gave the same history")
	}
	if a.LiveDigest(30) != b.LiveDigest(30) || a.LiveDigest(30) == c.LiveDigest(30) {
		t.Error("the live part does not depend on the seed alone")
	}
	// A week later has the same weekdays, and in summer the same offsets from UTC.
	summer, later := small(1), small(1)
	summer.Now = time.Date(2026, 7, 17, 15, 4, 5, 0, time.UTC)
	later.Now = summer.Now.AddDate(0, 0, 7)
	if Generate(summer).Digest() != Generate(later).Digest() {
		t.Error("the offsets from the start depend on more than the weekdays")
	}
}

// The bytes too: everything that Load writes of records and events, its times and ids included.
func TestOneSeedOneSetOfBytes(t *testing.T) {
	digest := func(cfg Config) string {
		h := Generate(cfg)
		sum := sha256.New()
		to := json.NewEncoder(sum)
		ids := h.ordinals()
		for i := range h.rows {
			if err := to.Encode(h.values(i)); err != nil {
				t.Fatal(err)
			}
		}
		for i := range h.events {
			if err := to.Encode(h.eventValues(i, ids)); err != nil {
				t.Fatal(err)
			}
		}
		for _, list := range []any{h.Labels(), h.Users, h.Links()} {
			if err := to.Encode(list); err != nil {
				t.Fatal(err)
			}
		}
		return hex.EncodeToString(sum.Sum(nil))
	}
	if first, again := digest(small(1)), digest(small(1)); first != again {
		t.Error("the same seed gave two sets of bytes")
	}
	if digest(small(1)) == digest(small(2)) {
		t.Error("two seeds gave the same bytes")
	}
}

func TestDefaultSize(t *testing.T) {
	h := Generate(Config{Seed: 1, Now: testNow})
	c := h.Counts()
	if c.Tenants < 3 || c.Patients < 5000 || c.Events < 200_000 || c.Events > 240_000 {
		t.Errorf("counts %+v", c)
	}
	humans := map[int]bool{}
	sizes := map[int]int{}
	for _, m := range h.members {
		if m.role != service {
			humans[m.user] = true
			sizes[m.tenant]++
		}
	}
	if len(humans) < 40 || sizes[0] <= sizes[len(h.Tenants)-1] {
		t.Errorf("%d people with a membership, by clinic %v: want 40 or more, and clinics of unequal size",
			len(humans), sizes)
	}
	first, last := h.Span()
	if days := last.Sub(first).Hours() / 24; days < 89 || last.After(testNow) {
		t.Errorf("events reach over %.1f days, the last at %s", days, last)
	}
	slugs := map[string]bool{}
	for _, u := range h.Users {
		if slugs[u.Slug] {
			t.Errorf("slug %s is used twice", u.Slug)
		}
		slugs[u.Slug] = true
	}
	for _, r := range reviewers {
		if !slugs[r.slug] {
			t.Errorf("reviewer %s is missing", r.slug)
		}
	}
}

func TestEventsAreInOrderAndConsistent(t *testing.T) {
	h := Generate(small(3))
	for i := range h.events {
		e := &h.events[i]
		m := &h.members[e.member]
		if i > 0 && e.in < h.events[i-1].in || e.in < e.at || e.in > h.end || e.other != (e.in > e.at) {
			t.Fatalf("event %d lies before the one before it", i+1)
		}
		if e.at < 0 || e.at > h.end || e.at < m.started || e.at >= m.terminated {
			t.Fatalf("event %d (%s) lies outside the history or the membership", i+1, e.action)
		}
		if e.row < 0 {
			continue
		}
		r := &h.rows[e.row]
		foreign := r.nobody || r.tenant != m.tenant
		if foreign && !r.nobody &&
			(e.label < 0 || h.labels[e.label].Scenario != CrossTenant && h.labels[e.label].Scenario != ForeignLog) {
			t.Fatalf("event %d names a record that is not the clinic's, unlabelled", i+1)
		}
		if !foreign && r.created > e.at {
			t.Fatalf("event %d (%s of %s) lies before its record", i+1, e.action, tableNames[r.table])
		}
	}
	for i := range h.rows {
		r := &h.rows[i]
		if h.loadable(r) && (h.rows[h.charts[r.chart].row].created > r.created ||
			r.encounter >= 0 && h.rows[r.encounter].created > r.created) {
			t.Fatalf("record %d of %s is older than what it refers to", i, tableNames[r.table])
		}
	}
}

func TestLabelsAreComplete(t *testing.T) {
	for _, cfg := range []Config{{Seed: 1, Now: testNow}, {Seed: 2, Now: testNow}, small(4), small(5)} {
		h := Generate(cfg)
		kinds := map[string]int{}
		actors := map[string]map[string]bool{}
		for _, l := range h.Labels() {
			key := l.Scenario + " " + l.Kind
			kinds[key]++
			if actors[key] == nil {
				actors[key] = map[string]bool{}
			}
			actors[key][l.Actor] = true
			if len(l.Events) == 0 || l.FirstAt.IsZero() || l.LastAt.Before(l.FirstAt) || l.Note == "" {
				t.Errorf("incomplete label %s of %s: %+v", key, l.Actor, l)
				continue
			}
			if l.LastAt.After(h.Config.Now.AddDate(0, 0, -4)) {
				t.Errorf("%s of %s is at %s, less than four days before the end", key, l.Actor, l.LastAt)
			}
			for _, ordinal := range l.Events {
				e := &h.events[ordinal-1]
				who := h.Users[h.members[e.member].user].Slug
				if at := h.time(e.at); who != l.Actor && (l.Scenario != Crowd || !slices.Contains(l.Others, who)) ||
					at.Before(l.FirstAt) || at.After(l.LastAt) {
					t.Errorf("%s of %s names event %d, which is somebody else's or of another time", key,
						l.Actor, ordinal)
				}
			}
		}
		for _, s := range Scenarios() {
			least := 1
			if slices.Contains([]string{CrossTenant, Terminated, ServiceOffList, Snooper, BulkReader}, s) {
				least = 2
			}
			if cfg.Days > 0 && (s == Dormant || s == Coworker || s == OwnChart || s == ForeignLog) {
				least = 0 // a small history has too few days, or people
			}
			if kinds[s+" "+Incident] < least || kinds[s+" "+Twin] < least {
				t.Errorf("seed %d: %s has %d incidents and %d twins", cfg.Seed, s, kinds[s+" "+Incident],
					kinds[s+" "+Twin])
			}
			if least > 1 && s != ServiceOffList && len(actors[s+" "+Incident]) < 2 {
				t.Errorf("seed %d: %s has one actor only", cfg.Seed, s)
			}
		}
	}
}

func TestWriteLabels(t *testing.T) {
	h := Generate(small(6))
	file := filepath.Join(t.TempDir(), "answers.jsonl")
	if err := h.WriteLabels(file); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	n := 0
	for lines := bufio.NewScanner(f); lines.Scan(); n++ {
		var l Label
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil || !slices.Contains(Scenarios(), l.Scenario) {
			t.Fatalf("line %d: %v", n+1, err)
		}
	}
	if n != len(h.Labels()) || n == 0 {
		t.Errorf("%d lines for %d labels", n, len(h.Labels()))
	}
}
