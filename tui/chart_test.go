package tui

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/ward-health/ward/internal/wardtest"
)

// The key v copies the address of the patient's chart in the customer's own application, of what is open and recorded
// as opened; details show every record's.
func TestChart(t *testing.T) {
	e := wardtest.New(t)
	patient := uuid.New()
	id := addAnomaly(e, "cedar", "casey", "B", "high", "looked at a chart")
	exec(t, e, "update review.anomaly set subject_id = $1 where id = $2", patient, id)
	m := dbModel(t, e, "dana", 120, 60)
	chart, _ := m.lookup(keyPress("v"))
	if why := chart.begin(m).why; !strings.Contains(why, "record_url") {
		t.Errorf("without a template: %q", why)
	}
	m.cfg.RecordURL = "https://ehr.example.org/{tenant}/{table}/{id}"
	if why := chart.begin(m).why; why == "" {
		t.Error("a chart of nothing")
	}
	settle(t, m, m.goTo(ScreenQueue))
	details, _ := m.lookup(keyPress("enter"))
	settle(t, m, details.run(m, nil))
	want := fmt.Sprintf("https://ehr.example.org/cedar/patients/%s", patient)
	cmd := chart.run(m, nil)
	if cmd == nil {
		t.Fatal("nothing is copied")
	}
	if got := fmt.Sprint(cmd()); got != want {
		t.Errorf("copied %q, want %q", got, want)
	}
	shown := strings.Join(m.queue.lines(m, *m.queue.details, 118, false), "\n")
	records := wardtest.One[[]string](e,
		"select array_agg(distinct 'https://ehr.example.org/cedar/' || replace(record_table, 'public.', "+
			"'') || '/' || record_id) from review.evidence where anomaly_id = $1 and record_id is not null", id)
	for _, address := range append(records, want) {
		if !strings.Contains(shown, address) {
			t.Errorf("no %s in the details", address)
		}
	}
	if len(records) == 0 {
		t.Error("no record among the evidence")
	}
	if n := wardtest.One[int](e, "select count(*) from audit.event where action = 'open' "+
		"and detail::jsonb -> 'ids' ? $1", fmt.Sprint(id)); n != 1 {
		t.Errorf("the opening is %d events", n)
	}
}
