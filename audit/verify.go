package audit

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/ward-health/ward/archive"
	"github.com/ward-health/ward/queries"
	"github.com/ward-health/ward/tenancy"
)

// verdictTime is how long recording a verdict may take after the verification itself was cancelled.
const verdictTime = 30 * time.Second

// Verify verifies the archive for a reviewer: the intent is an event that commits before the store is read, the verdict
// another, and the report is returned only when both are durable. onStart gets the run, to follow its Status (nil:
// nobody follows). A run that was cancelled or could not read the store is recorded as not proven, and its error
// returned.
func Verify(ctx context.Context, s *tenancy.Session, store archive.Store, opts archive.VerifyOptions,
	onStart func(*archive.Verification)) (*archive.Report, error) {
	return verify(ctx, s, store, opts,
		func(uuid.UUID) (*archive.Report, error) { return runVerification(ctx, store, opts, onStart) })
}

// VerifyLive is Verify, with the database held against the archive by the worker, which has timeout to answer; the
// verdict is about both.
func VerifyLive(ctx context.Context, s *tenancy.Session, store archive.Store, opts archive.VerifyOptions,
	timeout time.Duration, onStart func(*archive.Verification)) (*archive.Report, error) {
	return verify(ctx, s, store, opts, func(uuid.UUID) (*archive.Report, error) {
		event, err := RequestLive(ctx, s)
		if err != nil {
			return nil, err
		}
		report, err := runVerification(ctx, store, opts, onStart)
		if err != nil {
			return nil, err
		}
		answer, err := Await(ctx, s, event, timeout)
		if err != nil {
			return nil, err
		}
		var live archive.LiveReport
		if err := answer.Into(&live); err != nil {
			return nil, err
		}
		report.Include(&live)
		return report, nil
	})
}

func runVerification(ctx context.Context, store archive.Store, opts archive.VerifyOptions,
	onStart func(*archive.Verification)) (*archive.Report, error) {
	run := archive.NewVerification(store, opts)
	if onStart != nil {
		onStart(run)
	}
	return run.Run(ctx)
}

// verify records the intent, runs, and records the verdict.
func verify(ctx context.Context, s *tenancy.Session, store archive.Store, opts archive.VerifyOptions,
	run func(verification uuid.UUID) (*archive.Report, error)) (*archive.Report, error) {
	id := uuid.New()
	begin, err := beginning(id, store, opts)
	if err != nil {
		return nil, err
	}
	err = s.Tx(ctx, uuid.Nil, func(tx tenancy.Tx) error {
		return queries.New(tx).VerifyBegin(ctx, begin)
	})
	if err != nil {
		return nil, fmt.Errorf("begin verification of %s: %w", store, err)
	}
	report, failed := run(id)
	end := queries.VerifyEndParams{Verification: id, Verdict: string(archive.NotProven)}
	worse := map[string]archive.Verdict{"": archive.NotProven}
	if failed == nil {
		end.Verdict, end.HeadSize, end.Breaks, worse = string(report.Verdict), report.Head.Size,
			breaks(report), Worse(report)
	}
	if end.Worse, err = json.Marshal(worse); err != nil {
		return nil, fmt.Errorf("encode verdict on %s: %w", store, err)
	}
	// A cancelled run is on record too.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), verdictTime)
	defer cancel()
	err = s.Tx(ctx, uuid.Nil, func(tx tenancy.Tx) error { return queries.New(tx).VerifyEnd(ctx, end) })
	if failed != nil {
		return nil, failed
	}
	if err != nil {
		return nil, fmt.Errorf("record verdict on %s: %w", store, err)
	}
	return report, nil
}

// beginning is what is recorded before the store is read.
func beginning(id uuid.UUID, store archive.Store, opts archive.VerifyOptions) (queries.VerifyBeginParams, error) {
	p := queries.VerifyBeginParams{Verification: id, Store: store.String(), Months: opts.Months}
	if opts.Region != "" {
		p.Region = &opts.Region
	}
	if opts.Tenant != "" {
		tenant, err := uuid.Parse(opts.Tenant)
		if err != nil {
			return p, fmt.Errorf("begin verification of %s: tenant %q: %w", store, opts.Tenant, err)
		}
		p.Tenant = &tenant
	}
	return p, nil
}

// Worse says what was not valid in a report: the worst verdict of each month that has a finding, by REGION/YYYY-MM, and
// under "" that of what is about no month and so about all of them. A report that is valid has none.
func Worse(report *archive.Report) map[string]archive.Verdict {
	out := map[string]archive.Verdict{}
	for _, f := range report.Findings {
		key := ""
		if f.Month != "" {
			key = f.Region + "/" + f.Month
		}
		if f.Verdict() == archive.Invalid || out[key] == "" {
			out[key] = f.Verdict()
		}
	}
	if len(out) == 0 && report.Verdict != archive.Valid {
		out[""] = report.Verdict
	}
	return out
}

// breaks counts the findings that make a report INVALID.
func breaks(report *archive.Report) int32 {
	var n int32
	for _, f := range report.Findings {
		if f.Verdict() == archive.Invalid {
			n++
		}
	}
	return n
}
