package audit_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ward-health/ward/archive"
	"github.com/ward-health/ward/audit"
	"github.com/ward-health/ward/internal/wardtest"
	"github.com/ward-health/ward/internal/worker"
)

// processArg makes this binary a sealer or a shipper, which a test can kill.
const processArg = "ward-audit-process"

// TestMain lets this binary be a process that seals or ships until it is killed.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == processArg {
		if err := beProcess(context.Background(), os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func beProcess(ctx context.Context, what string) error {
	pool, err := pgxpool.New(ctx, os.Getenv("TEST_DSN"))
	if err != nil {
		return err
	}
	defer pool.Close()
	if what == "seal" {
		for {
			if err := sealOn(ctx, pool); !errors.Is(err, audit.ErrNotLeader) && !errors.Is(err, audit.ErrFenced) {
				return err
			}
		}
	}
	signer, err := archive.NewSigner(os.Getenv("TEST_KEY"))
	if err != nil {
		return err
	}
	store, err := archive.OpenDir(os.Getenv("TEST_STORE"))
	if err != nil {
		return err
	}
	now := time.Now
	if at, err := strconv.ParseInt(os.Getenv("TEST_NOW"), 10, 64); err == nil {
		now = func() time.Time { return time.UnixMicro(at) }
	}
	s := &audit.Shipper{Pool: pool, Store: store, Signer: signer,
		Origin: archive.Origin("test", wardtest.Region), Now: now}
	for {
		if err := worker.Ship(ctx, pool, s, func(string, int64) {}); err != nil || what == "ship once" {
			return err
		}
	}
}

func sealOn(ctx context.Context, pool *pgxpool.Pool) error {
	s, err := audit.Lead(ctx, pool)
	if err != nil {
		return err
	}
	defer s.Close(ctx)
	for {
		if _, err := s.Seal(ctx); err != nil {
			return err
		}
	}
}

// follow takes the lead once a killed sealer's connection is gone.
func (l *ledger) follow() *audit.Sealer {
	l.t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); <-tick.C {
		s, err := audit.Lead(l.t.Context(), l.pool)
		if err == nil {
			l.t.Cleanup(func() { s.Close(context.WithoutCancel(l.t.Context())) })
			return s
		}
		if !errors.Is(err, audit.ErrNotLeader) {
			l.t.Fatal(err)
		}
	}
	l.t.Fatal("a killed sealer's lead does not end")
	return nil
}
