package review_test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ward-health/ward/internal/wardtest"
	"github.com/ward-health/ward/review"
	"github.com/ward-health/ward/review/ruletest"
)

// first is the phase of what is there from the beginning.
const first = ruletest.First

// world is a database of a test's own with the clinics of its cases.
type world struct {
	*ruletest.World
	t      *testing.T
	e      *wardtest.Env
	worker *pgxpool.Pool
	scenes []*scene
}

// scene is one case.
type scene struct {
	*ruletest.Scene
	world *world
}

func newWorld(t *testing.T, tests []review.RuleTest) *world {
	t.Helper()
	e, db := scratch(t)
	made, err := ruletest.NewWorld(t.Context(), db, tests)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { made.Close(t.Context()) })
	w := &world{World: made, t: t, e: e, worker: db.Worker}
	for _, s := range made.Scenes {
		w.scenes = append(w.scenes, &scene{s, w})
	}
	return w
}

// scratch is a database for a rule's tests.
func scratch(t *testing.T) (*wardtest.Env, ruletest.Database) {
	t.Helper()
	e := wardtest.New(t)
	return e, ruletest.Database{Super: e.Super, Worker: e.Open("ward_worker").Pool()}
}

func (w *world) do(sql string, args ...any) {
	w.t.Helper()
	if _, err := w.e.Super.Exec(w.t.Context(), sql, args...); err != nil {
		w.t.Fatalf("%s: %v", sql, err)
	}
}

func (w *world) seal(at time.Time) {
	w.t.Helper()
	if err := w.Seal(w.t.Context(), at); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) arrange(p ruletest.Phase) {
	w.t.Helper()
	if err := w.Arrange(w.t.Context(), p); err != nil {
		w.t.Fatal(err)
	}
}
