package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/ward-health/ward/archive"
	"github.com/ward-health/ward/audit"
	"github.com/ward-health/ward/review"
	"github.com/ward-health/ward/tenancy"
)

func (a *app) archiveCmd() *cobra.Command {
	return noun("archive", "The archived log", a.archiveListCmd(), a.archiveVerifyCmd(), a.archiveProveCmd(),
		a.archiveCheckProofCmd(), a.archiveShipCmd(), a.archiveRecoverCmd(), a.archiveDoctorCmd(),
		a.archiveHoldCmd(), a.archiveReleaseCmd(), a.archiveHoldsCmd(), a.archivePruneCmd(), a.archiveKeygenCmd(),
		a.archiveParseCmd())
}

func (a *app) archiveListCmd() *cobra.Command {
	c := &cobra.Command{
		Use: "list", Short: "What the archive says it holds, by month; verify proves it", Args: cobra.NoArgs,
		Annotations: audited("browse"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			session, s, done, err := a.session(cmd.Context())
			if err != nil {
				return err
			}
			defer done()
			store, err := s.store()
			if err != nil {
				return err
			}
			key, err := s.verifyKey()
			if err != nil {
				return err
			}
			if err := audit.BrowseArchive(cmd.Context(), session, ""); err != nil {
				return explained(err)
			}
			months, heads, err := archive.Summarize(cmd.Context(), store, key)
			if err != nil {
				return fmt.Errorf("read archive %s: %w", store, err)
			}
			err = emit(a, months, []string{"REGION", "MONTH", "PARTS", "ROWS", "BYTES", "TENANTS", "KEEP UNTIL"},
				func(m archive.MonthSummary) []string {
					return []string{m.Region, m.Month, fmt.Sprint(m.Parts), fmt.Sprint(m.Rows), fmt.Sprint(m.Bytes),
						fmt.Sprint(m.Tenants), m.RetainUntil.UTC().Format("2006-01-02")}
				})
			for _, h := range heads {
				a.say("log %s has %d entries, signed by %s", h.Origin, h.Size, key.Fingerprint())
			}
			return err
		},
	}
	a.jsonFlag(c)
	return c
}

func (a *app) archiveShipCmd() *cobra.Command {
	c := &cobra.Command{
		Use: "ship", Short: "Ask the worker to ship what is sealed, now", Args: cobra.NoArgs,
		Annotations: audited("ship"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd.Context(), func(s *tenancy.Session) error {
				event, err := review.Request(cmd.Context(), s, "ship", nil)
				if err != nil {
					return err
				}
				return one(a, map[string]int64{"event_id": event}, fmt.Sprintf("asked for; recorded as event %d; "+
					"ward archive list shows the part when the worker has shipped it", event))
			})
		},
	}
	a.jsonFlag(c)
	return c
}

func (a *app) archiveKeygenCmd() *cobra.Command {
	return &cobra.Command{
		Use: "keygen NAME FILE", Short: "Make a signing key: private into FILE, public on standard output",
		Args:        cobra.ExactArgs(2),
		Annotations: exempt("touches no data of the installation; the key is not in use until the worker is given it"),
		RunE: func(_ *cobra.Command, args []string) error {
			signer, public, err := archive.GenerateKey(args[0])
			if err != nil {
				return err
			}
			if err := archive.WriteSigner(args[1], signer); err != nil {
				return err
			}
			a.say("private key in %s; fingerprint %s, which auditors get by another way than the archive", args[1],
				archive.Fingerprint(public))
			_, err = fmt.Fprintln(a.Out, public)
			return err
		},
	}
}

type verifyFlags struct {
	offline, strict, noState, noLocks bool
	diagnose, progress                bool
	store, key, expect, state, report string
	markdown                          string
	region, tenant                    string
	months                            []string
	live, workers                     bool
	timeout                           time.Duration
}

// check refuses flags that exclude each other.
func (f *verifyFlags) check() error {
	switch {
	case f.offline && f.live:
		return usagef("--live needs the database that --offline does without")
	case f.offline && f.workers:
		return usagef("--workers needs the database that --offline does without")
	case f.workers && f.live:
		return usagef("--workers and --live are two verifications: run one after the other")
	case f.workers && f.diagnose:
		return usagef("--diagnose reads a file in this process's care: verify with --workers first, " +
			"and the months that it names without")
	}
	return nil
}

func (a *app) archiveVerifyCmd() *cobra.Command {
	var f verifyFlags
	c := &cobra.Command{
		Use: "verify", Short: "Prove the archive, from the store and the public key alone", Args: cobra.NoArgs,
		Annotations: audited("verify"),
		Long: `Verifies signatures, the log of manifests, every file's hash before the file is parsed, and every row's
place in its tenant's chain. Verdicts: valid, INVALID (exit 3, naming the part), not proven (exit 5).

With --offline no database is needed or asked: for an auditor with a copy of the archive and a public key that came
another way. Nothing is then recorded in any audit log; the report that the command writes says so. Without it, the
verification is an event first.

The heads that were seen are kept (--state), and the next run proves that the log only grew. On a first run the
content can be valid while nothing says how far the log should reach: "freshness not proven", an exit status of its
own only with --strict.

A file that is not the one that was signed is not parsed: it may have been made to harm its reader. --diagnose parses
it in a process of its own, which may need 512 MiB and a minute, to name the rows that differ; where that process dies
the report says of what.

With --workers, the installation's workers share the work, a job for each part. This process still checks the keys, the
signatures, the log, the published heads and what the parts say of each other. For a part's rows the report takes the
workers' word, and says whose.`,
		Example: `  ward archive verify --offline --store /mnt/copy --key ward-us-west+5c3e...
  ward archive verify --month 2026-10`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.check(); err != nil {
				return err
			}
			if f.offline {
				return a.verifyOffline(cmd.Context(), &f)
			}
			return a.verifyOnline(cmd.Context(), &f)
		},
	}
	c.Flags().BoolVar(&f.offline, "offline", false, "no database, no event: the store and the key alone")
	c.Flags().StringVar(&f.store, "store", "", "directory of the archive, or s3://BUCKET/PREFIX (default: the setting)")
	c.Flags().BoolVar(&f.noLocks, "no-locks", false,
		"leave out what the store holds its objects to: for a copy in a bucket of your own")
	c.Flags().BoolVar(&f.diagnose, "diagnose", false, "name the rows of files that are not the ones that were signed")
	c.Flags().BoolVar(&f.progress, "progress", false,
		"one JSON line on standard error for each part that was looked at")
	c.Flags().StringVar(&f.key, "key", "", "public key, or a file that holds it (default: the setting)")
	c.Flags().StringVar(&f.expect, "expect-head", "", "file with a checkpoint seen before, which the log must extend")
	c.Flags().StringVar(&f.state, "state", "", "file that remembers the heads seen (default: in your state directory)")
	c.Flags().BoolVar(&f.noState, "no-state", false, "remember nothing and compare with nothing remembered")
	c.Flags().BoolVar(&f.strict, "strict", false, "freshness that is not proven is exit 5")
	c.Flags().StringVar(&f.report, "report", "",
		"with --offline: where the report goes (default: ward-verify-TIME.json here)")
	c.Flags().StringVar(&f.markdown, "markdown", "", "write a report of one page for people to this new file")
	c.Flags().BoolVar(&f.live, "live", false,
		"have the worker hold every event in the database against the archive, too")
	c.Flags().BoolVar(&f.workers, "workers", false, "have the installation's workers recompute the rows, a part each")
	c.Flags().DurationVar(&f.timeout, "timeout", time.Hour,
		"with --live: how long to wait for the worker; with --workers: how long none may be at a part")
	c.Flags().StringVar(&f.region, "region", "", "one region's rows")
	c.Flags().StringVar(&f.tenant, "tenant", "", "one tenant's rows, by id")
	c.Flags().StringSliceVar(&f.months, "month", nil, "months, YYYY-MM")
	a.jsonFlag(c)
	return c
}

// options turns flags into what the archive wants.
func (a *app) verifyOptions(s *Settings, f *verifyFlags) (archive.Store, archive.VerifyOptions,
	*archive.HeadMemory, error) {
	var opts archive.VerifyOptions
	if f.store != "" {
		s.Store = f.store
	}
	if f.key != "" {
		s.VerifyKey = f.key
	}
	for _, m := range f.months {
		if _, err := time.Parse("2006-01", m); err != nil {
			return nil, opts, nil, usagef("--month is YYYY-MM, not %q", m)
		}
	}
	if f.tenant != "" {
		id, err := uuid.Parse(f.tenant)
		if err != nil {
			return nil, opts, nil, usagef("--tenant is a clinic's whole id, which the archive knows it by (ward "+
				"tenant list --json), not %q", f.tenant)
		}
		f.tenant = id.String()
	}
	store, err := s.store()
	if err != nil {
		return nil, opts, nil, err
	}
	key, err := s.verifyKey()
	if err != nil {
		return nil, opts, nil, err
	}
	opts = archive.VerifyOptions{Keys: []archive.Key{key}, Region: f.region, Tenant: f.tenant, Months: f.months,
		Strict: f.strict, SkipLocks: f.noLocks, Now: a.Now()}
	if f.diagnose {
		if opts.Diagnose, err = diagnoser(); err != nil {
			return nil, opts, nil, err
		}
	}
	if f.progress {
		opts.OnPart = a.partLine
	}
	state, err := a.headMemory(f.state, f.noState, key)
	if err != nil {
		return nil, opts, nil, err
	}
	if opts.ExpectHeads, err = state.Load(); err != nil {
		return nil, opts, nil, err
	}
	if f.expect != "" {
		if opts.ExpectHeads, err = expect(f.expect, opts.ExpectHeads); err != nil {
			return nil, opts, nil, err
		}
	}
	return store, opts, state, nil
}

// expect adds a checkpoint that the auditor brought to those that are remembered. Of one log the longer one counts: a
// shorter one would allow the log to be cut back to it. Another of the log's keys than the given one may have signed
// either: that is for the verification to find out.
func expect(file string, remembered [][]byte) ([][]byte, error) {
	brought, err := expectedHead(file)
	if err != nil {
		return nil, err
	}
	out := [][]byte{brought.data}
	for _, data := range remembered {
		h, err := archive.PeekCheckpoint(data)
		switch {
		case err != nil:
			return nil, fmt.Errorf("remembered head: %w", err)
		case h.Origin != brought.head.Origin:
			out = append(out, data)
		case h.Size > brought.head.Size:
			out[0] = data
		}
	}
	return out, nil
}

type seenHead struct {
	data []byte
	head archive.Head
}

// expectedHead reads a checkpoint that the auditor brought.
func expectedHead(file string) (seenHead, error) {
	b, err := readSmall(file)
	if err != nil {
		return seenHead{}, usagef("read expected head: %w", err)
	}
	head, err := archive.PeekCheckpoint(b)
	if err != nil {
		return seenHead{},
			usagef("%s is no checkpoint: one is a signed note, as in v1/region=.../checkpoints/ of a store", file)
	}
	return seenHead{b, head}, nil
}

func (a *app) verifyOnline(ctx context.Context, f *verifyFlags) error {
	session, s, done, err := a.session(ctx)
	if err != nil {
		return err
	}
	defer done()
	store, opts, state, err := a.verifyOptions(&s, f)
	if err != nil {
		return err
	}
	page, err := a.page(f)
	if err != nil {
		return err
	}
	defer page.abandon()
	var who tenancy.Principal
	if page != nil {
		if who, err = session.Whoami(ctx); err != nil {
			return explained(err)
		}
	}
	stop := func() {}
	onStart := func(v *archive.Verification) { stop = a.progress(v, f.progress) }
	var report *archive.Report
	switch {
	case f.workers:
		report, err = audit.VerifyByWorkers(ctx, session, store, opts, f.timeout, onStart)
	case f.live:
		report, err = audit.VerifyLive(ctx, session, store, opts, f.timeout, onStart)
	default:
		report, err = audit.Verify(ctx, session, store, opts, onStart)
	}
	stop()
	if err != nil {
		return explained(err)
	}
	if err := page.write(report, fmt.Sprintf("%s (%s), user %s, as the database knows them", who.Name, who.Slug,
		who.UserID), store, opts, a.Now()); err != nil {
		return err
	}
	return a.verdict(report, state, f)
}

func (a *app) verifyOffline(ctx context.Context, f *verifyFlags) error {
	s, err := a.settings()
	if err != nil {
		return err
	}
	store, opts, state, err := a.verifyOptions(&s, f)
	if err != nil {
		return err
	}
	path := f.report
	if path == "" {
		path = "ward-verify-" + a.Now().UTC().Format("20060102T150405.000Z") + ".json"
	}
	// made first: an hour of verification is not to end without a place for its report
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return fmt.Errorf("write report (--report says where): %w", err)
	}
	markdown, err := a.page(f)
	if err != nil {
		return errors.Join(err, file.Close(), os.Remove(path))
	}
	defer markdown.abandon()
	v := archive.NewVerification(store, opts)
	stop := a.progress(v, f.progress)
	report, err := v.Run(ctx)
	stop()
	if err == nil {
		err = a.writeReport(file, report, store)
	}
	if err == nil {
		err = markdown.write(report, a.someone(), store, opts, a.Now())
	}
	if err = errors.Join(err, file.Close()); err != nil {
		_ = os.Remove(path)
		return fmt.Errorf("verify %s: %w", store, err)
	}
	a.say("report in %s", path)
	return a.verdict(report, state, f)
}

// writeReport leaves the local trace of an offline verification.
func (a *app) writeReport(w io.Writer, report *archive.Report, store archive.Store) error {
	b, err := json.MarshalIndent(map[string]any{
		"note": "Verified offline: no database was asked and no audit log has an event of it. " +
			"This file is the only record.",
		"store": store.String(), "at": a.Now().UTC(), "report": report,
	}, "", "  ")
	if err != nil {
		return fmt.Errorf("encode report: %w", err)
	}
	if _, err := w.Write(append(b, '\n')); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

// progress shows how far a verification is, on a terminal that gets no lines of its own, until the returned function is
// called, which says how far one came that was interrupted.
func (a *app) progress(v *archive.Verification, lines bool) func() {
	came := func() {
		if s := v.Status(); s.Phase == "parts" {
			a.say("ended after %d of %d parts, %d of %d rows: nothing is proven by a part of a verification",
				s.PartsDone, s.PartsAll, s.Rows, s.RowsAll)
		}
	}
	if !a.Terminal() || lines {
		return came
	}
	quit, gone := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(gone)
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-quit:
				a.tell("\r\x1b[K")
				return
			case <-tick.C:
				s := v.Status()
				out := ""
				if s.PartsOut > 0 {
					out = fmt.Sprintf("  workers are at %d of %d that they were given", s.PartsBusy, s.PartsOut)
				}
				a.tell("\r\x1b[K%s  %d of %d parts%s  %.1f M rows  %.1f M rows/s  %s left", s.Phase, s.PartsDone,
					s.PartsAll, out, float64(s.Rows)/1e6, s.RowsPerSecond/1e6, s.Remaining.Round(time.Second))
			}
		}
	}()
	return func() { close(quit); <-gone; came() }
}

// verdict prints the outcome and remembers the heads of a valid archive.
func (a *app) verdict(r *archive.Report, state *archive.HeadMemory, f *verifyFlags) error {
	var b strings.Builder
	for _, x := range r.Findings {
		fmt.Fprintf(&b, "%s\n", clean(x.String()))
		if x.Expected != "" || x.Found != "" {
			fmt.Fprintf(&b, "  expected %s\n  found    %s\n", clean(x.Expected), clean(x.Found))
		}
	}
	nothing := r.Verdict == archive.Valid && r.Rows == 0 && (f.tenant != "" || len(f.months) > 0)
	verdict := r.Verdict
	if nothing {
		verdict = archive.NotProven
	}
	fmt.Fprintf(&b, "%s: %s of %s in %s", verdict, review.Counted(int(r.Rows), "row", "rows"),
		review.Counted(r.Tenants, "tenant", "tenants"), review.Counted(len(r.Parts), "part", "parts"))
	if l := r.Live; l != nil {
		fmt.Fprintf(&b, "\nthe database: %s; %d events are as archived, %d rows are pruned, %d wait to be shipped, "+
			"%d to be sealed", l.Verdict, l.Rows, l.Pruned, l.Waiting, l.Unsealed)
	}
	for _, h := range r.Heads {
		fmt.Fprintf(&b, "\nlog %s, %d entries, key %s", h.Origin, h.Size, h.KeyFingerprint)
	}
	for _, c := range r.Covered {
		if f.workers { // whose word is taken
			fmt.Fprintf(&b, "\ncovered: %s", c)
		}
	}
	for _, n := range r.NotCovered {
		fmt.Fprintf(&b, "\nnot covered: %s", n)
	}
	if r.Verdict == archive.Valid && !r.FreshnessProven {
		b.WriteString("\nfreshness not proven: compare the number of entries with one that reached you another way, " +
			"or give --expect-head")
	}
	if nothing {
		b.WriteString("\nnothing proven: the archive holds no row of the tenant and months that were chosen")
	}
	if err := one(a, r, b.String()); err != nil {
		return err
	}
	switch {
	case r.Verdict == archive.Invalid:
		return codeError{code: exitProblem}
	case r.Verdict == archive.NotProven, nothing, f.strict && !r.FreshnessProven:
		return codeError{code: exitNotProven}
	}
	return state.Save(r.Heads)
}
