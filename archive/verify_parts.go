package archive

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
)

// partJob is a part whose file is to be checked.
type partJob struct {
	manifest *Manifest
	bySum    map[HexHash]string
	result   PartResult
	facts    *partFacts
}

// plan makes a job of every part in scope.
func (r *regionRun) plan() {
	bySum := map[HexHash]string{}
	var rows, bytes, skipped int64
	for i := range r.entries {
		e := &r.entries[i]
		if !e.authentic || e.manifest == nil || e.err != nil {
			continue
		}
		m := e.manifest
		if m.Void {
			r.notes = append(r.notes, fmt.Sprintf("%s is declared void: it is no part of the archive", m.VoidPath))
			continue
		}
		if m.Path != "" {
			bySum[m.SHA256] = m.Path
		}
		if !r.inScope(m) {
			skipped++
			continue
		}
		rows, bytes = rows+m.Rows, bytes+m.Bytes
		r.jobs = append(r.jobs, &partJob{manifest: m, bySum: bySum, result: PartResult{Path: m.Name(), Region: m.Region,
			Month: m.Month, Part: m.Part, Rows: m.Rows, Bytes: m.Bytes, Verdict: Valid}})
	}
	if n := int64(len(r.roots)); n < r.head.Size {
		r.notes = append(r.notes, fmt.Sprintf("%d of the %d checkpoints below the head are not there or not valid",
			r.head.Size-n, r.head.Size))
	}
	if skipped > 0 {
		r.notes = append(r.notes,
			fmt.Sprintf("the rows of %d parts outside the chosen months or tenant were not read", skipped))
	}
	r.v.update(func(s *Status) {
		s.PartsAll, s.RowsAll, s.BytesAll = s.PartsAll+int64(len(r.jobs)), s.RowsAll+rows, s.BytesAll+bytes
		s.Findings += int64(len(r.found.list))
	})
}

// checkParts checks the files, several at a time.
func (r *regionRun) checkParts(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(r.v.opts.atOnce())
	for _, job := range r.jobs {
		g.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			r.v.update(func(s *Status) { s.Current = job.result.Path })
			found := findings{about: Finding{Region: job.manifest.Region, Month: job.manifest.Month,
				Part: job.result.Path}}
			if job.manifest.Path != "" {
				r.checkPart(ctx, job, &found)
			}
			if err := ctx.Err(); err != nil {
				return err
			}
			job.result.Findings = found.done()
			job.result.Verdict = verdictOf(job.result.Findings)
			r.v.partDone(job)
			return nil
		})
	}
	return g.Wait()
}

// partDone counts a part and tells of it.
func (v *Verification) partDone(job *partJob) {
	v.telling.Lock()
	defer v.telling.Unlock()
	v.update(func(s *Status) { s.PartsDone++; s.Findings += int64(len(job.result.Findings)) })
	if v.opts.OnPart == nil {
		return
	}
	s, p := v.Status(), job.result
	v.opts.OnPart(PartDone{Path: p.Path, Region: p.Region, Month: p.Month, Part: p.Part, Rows: p.Rows, Bytes: p.Bytes,
		PartsDone: s.PartsDone, PartsAll: s.PartsAll})
}

// checkPart checks one file, here or elsewhere, and holds its rows against the manifest.
func (r *regionRun) checkPart(ctx context.Context, job *partJob, found *findings) {
	read := r.readPart
	if r.v.opts.Elsewhere != nil {
		read = r.elsewhere
	}
	if facts := read(ctx, job, found); facts != nil {
		facts.compare(job.manifest, found)
		job.facts = facts
	}
}

// readPart reads one file: its SHA-256 first, and only the file that was signed is parsed. No facts: a finding says
// why.
func (r *regionRun) readPart(ctx context.Context, job *partJob, found *findings) *partFacts {
	m := job.manifest
	limit := m.Bytes
	if r.v.opts.Diagnose != nil {
		limit = diagnosable(m)
	}
	sp, err := r.v.copies.spool(ctx, r.v.store, m.Path, limit,
		func(n int64) { r.v.update(func(s *Status) { s.Bytes += n }) })
	switch {
	case errors.Is(err, fs.ErrNotExist) && r.v.opts.Now.After(m.RetainUntil) && !m.RetainUntil.IsZero():
		found.addf(Expired, "the file is gone; its retention ended on %s", m.RetainUntil.Format(time.DateOnly))
		return nil
	case errors.Is(err, fs.ErrNotExist):
		found.addf(PartMissing, "the file is missing")
		return nil
	case errors.Is(err, errTooLarge):
		found.addf(FileModified, "the file is longer than the %d bytes that were signed", m.Bytes)
		return nil
	case err != nil:
		found.addf(Unreadable, "%v", err)
		return nil
	}
	defer sp.Close()
	if sum := HexHash(sp.sum); sum != m.SHA256 {
		f := Finding{Status: FileModified, Expected: m.SHA256.String(), Found: sum.String(),
			Message: "not the file that was signed"}
		if other, ok := job.bySum[sum]; ok {
			f.Message += ": it is the file of " + other
		} else if sp.size != m.Bytes {
			f.Message += fmt.Sprintf(": it has %d bytes of %d", sp.size, m.Bytes)
		}
		found.add(f)
		if r.v.opts.Diagnose != nil {
			r.diagnose(ctx, m, sp, found)
		}
		return nil
	}
	check, err := newPartCheck(m.Month, manifestPositions(m), 1)
	if err != nil {
		found.addf(Unsupported, "%v", err)
		return nil
	}
	check.heads, check.slots = r.heads, r.v.slots
	check.progress = func(n int64) { r.v.update(func(s *Status) { s.Rows += n }) }
	facts, rows, err := check.run(ctx, sp, sp.size)
	if err != nil {
		found.addf(Unreadable, "%v", err)
		return nil
	}
	found.take(rows)
	return facts
}

// reportBuilder adds the regions up.
type reportBuilder struct {
	v        *Verification
	report   *Report
	tenants  map[string]bool
	from, to int64
}

func (b *reportBuilder) add(f Finding) {
	b.report.Findings = append(b.report.Findings, f)
	b.report.Verdict = worse(b.report.Verdict, f.Verdict())
}

func (b *reportBuilder) addRegion(r *regionRun) {
	rep := b.report
	for _, f := range r.found.done() {
		b.add(f)
	}
	var rows int64
	parts := r.results()
	for _, p := range parts {
		rep.Parts = append(rep.Parts, p)
		rep.Verdict = worse(rep.Verdict, p.Verdict)
	}
	for _, j := range r.jobs {
		rep.Findings = append(rep.Findings, j.result.Findings...)
		if j.result.Verdict != Valid || j.facts == nil {
			continue
		}
		rows, rep.Bytes = rows+j.facts.rows, rep.Bytes+j.manifest.Bytes
		for _, s := range j.facts.spans {
			b.tenants[s.TenantID] = true
		}
		if b.from == 0 || j.facts.minSealed < b.from {
			b.from = j.facts.minSealed
		}
		b.to = max(b.to, j.facts.maxSealed)
	}
	rep.Rows += rows
	rep.FreshnessProven = rep.FreshnessProven && r.fresh
	if r.head.Size > 0 {
		rep.Heads = append(rep.Heads, r.head)
		rep.Covered = append(rep.Covered,
			fmt.Sprintf("region %s: a log of %d manifests signed by %s (%s); %d rows in %d parts recomputed",
				r.objects.region, r.head.Size, r.head.KeyName, r.head.KeyFingerprint, rows, len(r.jobs)))
	}
	if by := r.byWhom(); by != "" {
		rep.Covered = append(rep.Covered, fmt.Sprintf("region %s: %s", r.objects.region, by))
	}
	if !r.fresh && r.expected.Size == 0 {
		rep.NotCovered = append(rep.NotCovered,
			fmt.Sprintf("region %s: freshness not proven: without a head known from before, "+
				"nothing says how far the log should reach", r.objects.region))
	}
	if n := r.claimsAhead(); n > 0 {
		rep.NotCovered = append(rep.NotCovered, fmt.Sprintf("region %s: %d published chain heads are ahead of the "+
			"archive: the rows that they name are not shipped yet, or never came", r.objects.region, n))
	}
	for _, n := range r.notes {
		rep.NotCovered = append(rep.NotCovered, fmt.Sprintf("region %s: %s", r.objects.region, n))
	}
}

// results returns the parts in scope, and with them every other object that a finding names.
func (r *regionRun) results() []PartResult {
	var list []PartResult
	at := map[string]int{}
	for _, j := range r.jobs {
		at[j.result.Path] = len(list)
		list = append(list, j.result)
	}
	for _, f := range r.found.done() {
		o := parsePath(f.Part, 0)
		if o.kind != objectParquet && o.kind != objectManifest && f.Status != PartMissing {
			continue
		}
		i, ok := at[f.Part]
		if !ok {
			i = len(list)
			at[f.Part] = i
			list = append(list, PartResult{Path: f.Part, Region: r.objects.region, Month: f.Month, Part: o.number,
				Verdict: Valid})
		}
		list[i].Findings = append(slices.Clip(list[i].Findings), f)
		list[i].Verdict = worse(list[i].Verdict, f.Verdict())
	}
	slices.SortStableFunc(list,
		func(a, b PartResult) int { return cmp.Or(cmp.Compare(a.Part, b.Part), cmp.Compare(a.Path, b.Path)) })
	return list
}

// claimsAhead counts the chain heads about rows after each tenant's last archived one.
func (r *regionRun) claimsAhead() int {
	last := map[string]int64{}
	for i := range r.entries {
		if m := r.entries[i].manifest; m != nil && r.entries[i].authentic {
			for _, s := range m.Tenants {
				last[s.TenantID] = s.LastSeq
			}
		}
	}
	n := 0
	for tenant := range r.heads {
		n += len(r.heads.from(tenant, last[tenant]+1))
	}
	return n
}

func (b *reportBuilder) finish() *Report {
	rep := b.report
	if rep.FreshnessProven = rep.FreshnessProven && len(rep.Heads) > 0; !rep.FreshnessProven && b.v.opts.Strict {
		rep.Verdict = worse(rep.Verdict, NotProven)
	}
	if len(rep.Heads) == 0 {
		rep.Verdict = worse(rep.Verdict, NotProven)
		rep.NotCovered = append(rep.NotCovered, "no signed log was found")
	} else {
		rep.Head = rep.Heads[0]
	}
	rep.Tenants = len(b.tenants)
	if rep.Rows > 0 {
		rep.SealedFrom, rep.SealedTo = time.UnixMicro(b.from).UTC(), time.UnixMicro(b.to).UTC()
	}
	b.v.update(func(s *Status) {
		s.Phase, s.Current = "done", ""
		s.Elapsed = time.Since(b.v.started)
		rep.Duration = s.Elapsed
	})
	return rep
}
