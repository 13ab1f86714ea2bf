//go:build long

package bench

import (
	"path/filepath"
	"testing"

	sim "github.com/ward-health/ward/internal/clinic"
)

// A small history from the simulator to the score: a clean one has no tier A, one with incidents has some found, and
// the key is gone afterwards.
func TestExamine(t *testing.T) {
	o := Options{Quick: true}
	s, err := start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer s.remove()
	cfg := o.pastConfig(TuningSeeds[0], false)
	cfg.Clinics, cfg.Staff, cfg.Patients, cfg.Days, cfg.Events = 3, 40, 600, 40, 8000
	got, err := s.examine(t.Context(), o, cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, scenario := range []string{sim.CrossTenant, sim.Terminated, sim.ServiceOffList} {
		if one := got.scenarios[scenario]; one.incidents == 0 || one.found < one.incidents || one.reviewed == 0 {
			t.Errorf("%s: %+v", scenario, one)
		}
	}
	cfg.Clean = true
	if got, err = s.examine(t.Context(), o, cfg); err != nil || len(got.tierA) > 0 || got.actorDays == 0 {
		t.Errorf("a clean history: %+v, %v", got, err)
	}
	if left, err := filepath.Glob(filepath.Join(s.dir, "answers*")); err != nil || len(left) > 0 {
		t.Errorf("answer keys left behind: %v, %v", left, err)
	}
}
