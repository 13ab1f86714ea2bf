package archive

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"
)

// VerifyOptions says what to verify and against what.
type VerifyOptions struct {
	// Keys are the public keys that are trusted. They must reach the verifier by another way than the archive.
	Keys []Key
	// Origin, where it is not empty, is the only log that is accepted: ward/<installation>/<region>.
	Origin string
	// Region, Tenant and Months narrow what is checked row by row. The log itself is always checked whole, and a part
	// that holds the tenant is too.
	Region string
	Tenant string
	Months []string
	// ExpectHeads are checkpoints seen before, at most one a region. The log must extend them.
	ExpectHeads [][]byte
	// Workers is how many row groups are checked at once; 0 is the number of processors.
	Workers int
	// Strict makes freshness that is not proven a verdict of its own.
	Strict bool
	// Diagnose, where it is not nil, is given every file that is not the one that was signed, to name the rows. Such a
	// file may have been made to harm its reader: package diagnose parses it in a process that may die. It is called
	// from several goroutines.
	Diagnose func(context.Context, *Diagnosis) ([]Finding, error)
	// Elsewhere, where it is not nil, has the rows of a part recomputed by another process, whose word is taken for
	// them; see [CheckPart]. Everything about the log and between the parts is still checked here. It is called from
	// several goroutines. An error makes the part UNREADABLE.
	Elsewhere func(context.Context, PartTask) (*PartOutcome, error)
	// OnPart, where it is not nil, is told of every part in scope that was looked at, in the order in which they end,
	// one call at a time. It says nothing of what was found: that is the report's.
	OnPart func(PartDone)
	// SkipLocks leaves out what the store holds its objects to. A copy of an archive in a bucket of one's own has other
	// locks, or none.
	SkipLocks bool
	// Now decides whether a retention has ended; zero is the present.
	Now time.Time
}

// Verification is one run over an archive. [Verification.Run] may be called once, [Verification.Status] at any time.
type Verification struct {
	store  Store
	opts   VerifyOptions
	slots  chan struct{}
	locks  *lockRecorder // nil: the store has no locks
	copies spoolMemory

	mu      sync.Mutex
	status  Status
	started time.Time

	telling sync.Mutex // one call of OnPart at a time
}

// NewVerification prepares a run.
func NewVerification(store Store, opts VerifyOptions) *Verification {
	if opts.Workers < 1 {
		opts.Workers = runtime.GOMAXPROCS(0)
	}
	if opts.Now.IsZero() {
		opts.Now = time.Now()
	}
	v := &Verification{opts: opts, slots: make(chan struct{}, opts.Workers), copies: spoolMemory{left: copiesInMemory}}
	v.store, v.locks = watchLocks(store)
	return v
}

// Status returns how far the run is.
func (v *Verification) Status() Status {
	v.mu.Lock()
	defer v.mu.Unlock()
	s := v.status
	if v.started.IsZero() {
		return s
	}
	if s.Phase != "done" {
		s.Elapsed = time.Since(v.started)
	}
	if sec := s.Elapsed.Seconds(); sec > 0 {
		s.RowsPerSecond = float64(s.Rows) / sec
	}
	if s.Phase == "parts" && s.Rows > 0 {
		s.Remaining = time.Duration(float64(s.Elapsed) * float64(s.RowsAll-s.Rows) / float64(s.Rows))
	}
	return s
}

// Busy says how many of the parts that were handed out somebody is at.
func (v *Verification) Busy(parts int64) { v.update(func(s *Status) { s.PartsBusy = parts }) }

func (v *Verification) update(f func(*Status)) {
	v.mu.Lock()
	defer v.mu.Unlock()
	f(&v.status)
}

// Run verifies, in this order: the keys, every checkpoint's signature, the manifests against the signed roots, the log
// against the expected heads, each file's SHA-256 before it is parsed, and every row. It goes on after a finding. An
// error says that there is no report: the store could not be listed, an option is wrong, or ctx ended.
func (v *Verification) Run(ctx context.Context) (*Report, error) {
	v.mu.Lock()
	v.started = time.Now()
	v.status.Phase = "listing"
	v.mu.Unlock()
	if err := v.checkOptions(); err != nil {
		return nil, err
	}
	prefix := layout + "/"
	if v.opts.Region != "" {
		prefix = regionPrefix(v.opts.Region)
	}
	regions, stray, err := listRegions(ctx, v.store, prefix)
	if err != nil {
		return nil, err
	}
	runs, err := v.regionRuns(ctx, regions)
	if err != nil {
		return nil, fmt.Errorf("verifying %s: %w", v.store, err)
	}
	b := reportBuilder{v: v, report: &Report{Verdict: Valid, FreshnessProven: true}, tenants: map[string]bool{}}
	for _, o := range stray {
		b.add(Finding{Status: PartExtra, Part: o.path, Message: "belongs to no region"})
	}
	v.update(func(s *Status) { s.Phase = "log" })
	for _, run := range runs {
		if err := run.checkLog(ctx); err != nil {
			return nil, fmt.Errorf("verifying %s: %w", v.store, err)
		}
	}
	v.update(func(s *Status) { s.Phase = "parts" })
	for _, run := range runs {
		if err := firstError(run.checkParts(ctx), run.checkLocks(ctx)); err != nil {
			return nil, fmt.Errorf("verifying %s: %w", v.store, err)
		}
		b.addRegion(run)
	}
	return b.finish(), nil
}

func (v *Verification) checkOptions() error {
	if len(v.opts.Keys) == 0 {
		return errors.New("no public key to verify with")
	}
	for _, m := range v.opts.Months {
		if err := validateMonth(m); err != nil {
			return err
		}
	}
	if v.opts.Region != "" {
		return validateRegion(v.opts.Region)
	}
	return nil
}

// regionRuns prepares the regions that there are and those that the caller expects.
func (v *Verification) regionRuns(ctx context.Context, regions []*regionObjects) ([]*regionRun, error) {
	rings := map[string]*ring{}
	var runs []*regionRun
	for _, r := range regions {
		run := &regionRun{v: v, objects: r}
		if err := run.learnKeys(ctx); err != nil {
			return nil, err
		}
		rings[r.region] = run.keys
		runs = append(runs, run)
	}
	expected, err := v.expectedHeads(rings)
	if err != nil {
		return nil, err
	}
	for name := range expected { // a region that must be there and is not
		if rings[name] == nil {
			runs = append(runs, &regionRun{v: v, objects: newRegionObjects(name), keys: newRing(v.opts.Keys)})
		}
	}
	for _, run := range runs {
		run.expected = expected[run.objects.region]
	}
	slices.SortFunc(runs, func(a, b *regionRun) int { return cmp.Compare(a.objects.region, b.objects.region) })
	return runs, nil
}

// expectedHeads checks the heads that the caller expects. One that is no checkpoint is the caller's mistake. One that
// no key signed to which the trusted keys lead is kept without a key: whoever controls the store can take away the note
// about keys that once led there, and must not thereby get an error in the place of a verdict.
func (v *Verification) expectedHeads(rings map[string]*ring) (map[string]Head, error) {
	keys := newRing(v.opts.Keys)
	for _, r := range rings {
		for _, k := range r.keys {
			if keys.find(k.Key) == nil {
				keys.keys = append(keys.keys, k)
			}
		}
	}
	heads := map[string]Head{}
	for _, data := range v.opts.ExpectHeads {
		h, err := ParseCheckpoint(data, keys.all()...)
		if errors.Is(err, errUntrustedKey) {
			h, err = PeekCheckpoint(data)
		}
		if err != nil {
			return nil, fmt.Errorf("expected head: %w", err)
		}
		if v.opts.Region != "" && v.opts.Region != h.Region {
			continue
		}
		if _, ok := heads[h.Region]; ok {
			return nil, fmt.Errorf("two expected heads for region %s", h.Region)
		}
		heads[h.Region] = h
	}
	return heads, nil
}
