package cli

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/ward-health/ward/archive"
	"github.com/ward-health/ward/audit"
	"github.com/ward-health/ward/internal/wardtest"
	"github.com/ward-health/ward/internal/worker"
)

// fullStore takes nothing more, so that a worker does not ship into what is being verified.
type fullStore struct{ archive.Store }

func (fullStore) Put(context.Context, string, io.Reader, int64, time.Time) error {
	return errors.New("the store is full")
}

// TestVerifyWorkers: the rows are recomputed by a worker, and the command says and prints what it does without.
func TestVerifyWorkers(t *testing.T) {
	s := newScene(t)
	s.signIn("ana")
	if got := s.ward(t.Context(), "ana", "", "archive", "verify", "--workers", "--no-state", "--timeout",
		"300ms"); got.code != exitFailed || !strings.Contains(got.errors, "is ward worker running") {
		t.Errorf("without a worker: %s", got)
	}
	store, err := archive.OpenDir(s.store)
	s.must(err)
	signer, err := archive.LoadSigner(s.signingKey())
	s.must(err)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		pool := s.Open("ward_worker").Pool()
		shipper := &audit.Shipper{Pool: pool, Store: fullStore{store}, Signer: signer,
			Origin: archive.Origin("test", wardtest.Region), Now: time.Now}
		ended <- worker.Run(ctx, worker.Config{Pool: pool, Shipper: shipper})
	}()
	var by, here archive.Report
	s.must(json.Unmarshal([]byte(s.ok("ana", "archive", "verify", "--workers", "--no-state", "--json")), &by))
	s.must(json.Unmarshal([]byte(s.ok("ana", "archive", "verify", "--no-state", "--json")), &here))
	stop()
	s.must(<-ended)
	if by.Verdict != archive.Valid || by.Rows != here.Rows || by.Rows == 0 || len(by.Parts) != len(here.Parts) ||
		!strings.Contains(strings.Join(by.Covered, " "), "whose word is taken") {
		t.Errorf("by workers %+v\nhere %+v", by, here)
	}
	for _, with := range []string{"--offline", "--live", "--diagnose"} {
		if got := s.ward(t.Context(), "ana", "", "archive", "verify", "--workers", with); got.code != exitUsage {
			t.Errorf("with %s: %s", with, got)
		}
	}
}
