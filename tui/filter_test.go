package tui

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/ward-health/ward/audit"
	"github.com/ward-health/ward/review"
)

func TestQueueFilter(t *testing.T) {
	got, err := parseQueueFilter(`state:closed,new rule:A0 tenant:cedar actor:m.reyes sev:crit,med mine`)
	want := review.QueueFilter{State: []string{"closed", "new"}, Rule: "A0", Tenant: "cedar", Actor: "m.reyes",
		Severity: []string{"critical", "medium"}, Mine: true}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
	for in, says := range map[string]string{
		"cedar": `"cedar" is no filter`, "colour:red": "colour: is not known", "state:open": "state:open is none of",
		"sev:bad": "sev:bad is none of",
		"rule:":   "rule: has no value", `tenant:"x`: "quotation mark",
	} {
		if f, err := parseQueueFilter(in); err == nil || !strings.Contains(err.Error(), says) ||
			!reflect.DeepEqual(f, review.QueueFilter{}) {
			t.Errorf("%s: %+v, %v", in, f, err)
		}
	}
}

func TestAuditFilter(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	got, err := parseAuditFilter("actor:me,eli action:view,export outcome:denied table:patients since:2h "+
		"patient:31d0a7c2-0000-4000-8000-000000000001 event:5,6", now, "dana")
	if err != nil {
		t.Fatal(err)
	}
	from := now.Add(-2 * time.Hour)
	if !reflect.DeepEqual(got.Actor, []string{"dana", "eli"}) ||
		!reflect.DeepEqual(got.Action, []string{"view", "export"}) || got.Outcome != "denied" ||
		got.RecordTable != "public.patients" || !got.From.Equal(from) || got.SubjectID == nil ||
		len(got.EventIDs) != 2 {
		t.Errorf("got %+v", got)
	}
	for in, says := range map[string]string{
		"action:look": "action:look is none of", "patient:31d0": "needs a whole id",
		"since:yesterday": "no length of time", "from:19.11.": "is no time",
		"from:2026-11-20 to:2026-11-19": "not before", "outcome:maybe": "neither ok nor denied",
		"event:x": "not a number", "who:me": "is not known", "me": "is no filter",
	} {
		if f, err := parseAuditFilter(in, now, "dana"); err == nil || !strings.Contains(err.Error(), says) ||
			!reflect.DeepEqual(f, audit.Filter{}) {
			t.Errorf("%s: %+v, %v", in, f, err)
		}
	}
}

func FuzzFilters(f *testing.F) {
	for _, s := range []string{"state:closed mine", `actor:"a b" since:2h`, "from:2026-11-19 to:2026-11-20", `"`, ":::",
		"since:99999999w", "rule:"} {
		f.Add(s)
	}
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, s string) {
		if _, err := parseQueueFilter(s); err != nil && err.Error() == "" {
			t.Error("an error without words")
		}
		a, err := parseAuditFilter(s, now, "dana")
		if err != nil {
			return
		}
		if a.From != nil && a.To != nil && !a.From.Before(*a.To) {
			t.Errorf("%q: from is not before to", s)
		}
		for _, x := range a.Action {
			if !strings.Contains(eventActions, " "+x+" ") {
				t.Errorf("%q: action %q", s, x)
			}
		}
	})
}
