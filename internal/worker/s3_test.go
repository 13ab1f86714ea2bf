package worker_test

import (
	"context"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ward-health/ward/archive"
	"github.com/ward-health/ward/archive/s3"
	"github.com/ward-health/ward/archive/s3/s3test"
	"github.com/ward-health/ward/audit"
	"github.com/ward-health/ward/internal/wardtest"
)

// From the database to S3 and back: a worker is killed in the middle of shipping, another finishes, an auditor who has
// only the bucket and the public key finds everything valid; a longer retention and a legal hold reach what is shipped
// already.
func TestShipToS3(t *testing.T) {
	y := newYard(t)
	server := s3test.Start(t)
	ctx := t.Context()
	if err := server.MakeBucket(ctx, "archive"); err != nil {
		t.Fatal(err)
	}
	open := func() *s3.Store {
		t.Helper()
		s, err := s3.Open("s3://archive/acme", server.Options())
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	verify := func() *archive.Report {
		t.Helper()
		r, err := archive.NewVerification(open(),
			archive.VerifyOptions{Keys: []archive.Key{y.signer.Key()}, Workers: 4}).Run(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	pool := y.pool("shipper")
	if err := audit.SealAll(ctx, pool); err != nil {
		t.Fatal(err)
	}
	// killed after every object that it stores, until there is nothing more to store
	killed := 0
	for {
		dying, kill := context.WithCancel(ctx)
		y.store = &killing{Store: open(), kill: kill}
		_, err := y.shipper(pool).Ship(dying)
		kill()
		if err == nil {
			break
		}
		if !errors.Is(err, context.Canceled) || killed > 20 {
			t.Fatalf("after %d kills: %v", killed, err)
		}
		killed++
	}
	if killed < 3 {
		t.Fatalf("killed %d times only", killed)
	}
	y.store = open()
	sealed := func() int64 { return wardtest.One[int64](y.e, "select count(*) from audit.chain") }
	if r := verify(); r.Verdict != archive.Valid || r.Rows == 0 || r.Rows != sealed() {
		t.Fatalf("after %d kills: %s, %d rows of %d: %+v", killed, r.Verdict, r.Rows, sealed(), r.Findings)
	}

	stop := y.start("one", rules(t))
	dana, root := y.e.Reviewer("dana"), y.e.Reviewer("root")
	if out := y.done(dana, "ship", nil); out.State != "completed" {
		t.Fatalf("shipping asked for: %+v", out)
	}
	if err := root.SetRetention(ctx, "cedar", 12, "state law"); err != nil {
		t.Fatal(err)
	}
	locks := func() map[string]archive.Lock {
		t.Helper()
		store, all := open(), map[string]archive.Lock{}
		list, err := store.List(ctx, "v1/")
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range list {
			if all[o.Path], err = store.Lock(ctx, o.Path); err != nil {
				t.Fatal(err)
			}
		}
		return all
	}
	twelve := time.Now().AddDate(12, 0, 0)
	// only the first part has rows of cedar. What the worker itself has shipped since it began and what was asked for
	// are one part or two; their manifests are ones that the signature over cedar's needs
	others := func(path string) bool {
		return strings.HasSuffix(path, ".parquet") && !strings.HasSuffix(path, "part-000001.parquet")
	}
	y.until("the retention has reached the store", func() bool {
		for path, l := range locks() {
			if strings.HasSuffix(path, "part-000001.parquet") {
				return !l.Until.Before(twelve)
			}
		}
		return false
	})
	if _, err := audit.PlaceHold(ctx, dana, "cedar", "", "subpoena 26-114"); err != nil {
		t.Fatal(err)
	}
	// the notes of chain heads too, of which there is a new one ten times a second
	y.until("retention and hold have reached the store", func() bool {
		all := locks()
		for path, l := range all {
			if want := !others(path); l.Mode != archive.LockCompliance || l.Until.Before(twelve) == want ||
				l.Hold != want {
				return false
			}
		}
		return len(all) >= 6 && slices.ContainsFunc(slices.Collect(maps.Keys(all)),
			func(p string) bool { return strings.Contains(p, "/heads/") })
	})
	// what is shipped from now on is held from the beginning, where it is of cedar: opening its events is an event
	// there
	if _, err := audit.Open(ctx, dana, "cedar", "looking for the subpoena", "", audit.Filter{}); err != nil {
		t.Fatal(err)
	}
	y.sql("the opening is sealed", "select count(*) = 0 from audit.event e where not exists (select "+
		"from audit.chain c where c.event_id = e.event_id)")
	if out := y.done(dana, "ship", nil); out.State != "completed" {
		t.Fatalf("shipping asked for: %+v", out)
	}
	held := 0
	for path, l := range locks() {
		if strings.HasSuffix(path, ".parquet") && l.Hold {
			held++
		}
	}
	if held < 2 {
		t.Errorf("%d parts are held, want the first and a new one", held)
	}
	if err := root.SetRetention(ctx, "cedar", 7, "cheaper"); err == nil {
		t.Error("a retention was made shorter")
	}
	holds, err := audit.Holds(ctx, dana)
	if err != nil || len(holds) != 1 {
		t.Fatalf("holds %+v, %v", holds, err)
	}
	if _, err := audit.LiftHold(ctx, dana, holds[0].ID.String()[:8], "settled"); err != nil {
		t.Fatal(err)
	}
	y.until("the hold is lifted and the retention stays", func() bool {
		for path, l := range locks() {
			if l.Hold || l.Until.Before(twelve) && !others(path) {
				return false
			}
		}
		return true
	})
	stop()
	if r := verify(); r.Verdict != archive.Valid || len(r.Findings) != 0 {
		t.Errorf("in the end: %s %+v", r.Verdict, r.Findings)
	}
	want := []string{"archive hold", "archive hold lifted", "tenant retention"}
	got := wardtest.One[[]string](y.e, "select array_agg(detail::json->>'what' order by detail::json->>'what') "+
		"from audit.event where action = 'configure' and detail::json->>'what' = any ($1)", want)
	if !slices.Equal(got, want) {
		t.Errorf("events %v, want %v", got, want)
	}
}

// A note of chain heads that is published under a legal hold has it as soon as it is there, and one from before gets it
// also where the hold was placed while no worker led.
func TestHoldsAreNotLate(t *testing.T) {
	y := newYard(t)
	server := s3test.Start(t)
	ctx := t.Context()
	if err := server.MakeBucket(ctx, "archive"); err != nil {
		t.Fatal(err)
	}
	store, err := s3.Open("s3://archive/acme", server.Options())
	if err != nil {
		t.Fatal(err)
	}
	y.store = store
	pool := y.pool("shipper")
	if err := audit.SealAll(ctx, pool); err != nil {
		t.Fatal(err)
	}
	shipper := y.shipper(pool)
	if _, err := shipper.Ship(ctx); err != nil {
		t.Fatal(err)
	}
	// notes says of each note, oldest first, whether it is held
	notes := func() (held []bool) {
		t.Helper()
		list, err := store.List(ctx, "v1/")
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range list {
			if strings.Contains(o.Path, "/heads/") {
				l, err := store.Lock(ctx, o.Path)
				if err != nil {
					t.Fatal(err)
				}
				held = append(held, l.Hold)
			}
		}
		return held
	}
	publish := func(want ...bool) {
		t.Helper()
		if err := shipper.PublishHeads(ctx); err != nil {
			t.Fatal(err)
		}
		if got := notes(); !slices.Equal(got, want) {
			t.Errorf("held %v, want %v", got, want)
		}
	}
	dana := y.e.Reviewer("dana")
	publish(false)
	id, err := audit.PlaceHold(ctx, dana, "cedar", "", "subpoena 26-114")
	if err != nil {
		t.Fatal(err)
	}
	publish(false, true)
	y.start("one", nil)
	y.until("the hold has reached every note", func() bool { return !slices.Contains(notes(), false) })
	if _, err := audit.LiftHold(ctx, dana, id.String(), "settled"); err != nil {
		t.Fatal(err)
	}
	y.until("the hold is lifted from every note", func() bool { return !slices.Contains(notes(), true) })
}

// killing ends its shipper as soon as an object is stored.
type killing struct {
	archive.Store
	kill func()
}

func (k *killing) Put(ctx context.Context, path string, data io.Reader, size int64, retain time.Time) error {
	err := k.Store.Put(ctx, path, data, size, retain)
	if err != nil {
		return err
	}
	k.kill()
	return context.Canceled
}
