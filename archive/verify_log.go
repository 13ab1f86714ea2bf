package archive

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
)

// regionRun verifies one region.
type regionRun struct {
	v        *Verification
	objects  *regionObjects
	expected Head // Size 0: none
	keys     *ring

	head       Head // Size 0: there is no valid checkpoint
	roots      map[int64]Hash
	entries    []entry
	proven     int64 // how many entries are authentic
	fresh      bool
	unread     int64 // the greatest checkpoint that could not be read, and may be the head
	begun      bool  // nothing is signed yet, and no more than the first part is there
	heads      headIndex
	recoveries []*Recovery
	found      findings
	jobs       []*partJob
	notes      []string
	workers    map[string]int  // with Elsewhere: who checked how many parts
	stores     map[string]bool // and where they read them
}

// learnKeys follows the notes by which one key of the log took over from another.
func (r *regionRun) learnKeys(ctx context.Context) error {
	r.keys = newRing(r.v.opts.Keys)
	return r.keys.follow(ctx, r.v.store, r.objects, func(o object, err error) {
		status := noteStatus(err)
		if !errors.Is(err, errUntrustedKey) && !errors.Is(err, errUnsigned) && !errors.Is(err, errWrongLog) &&
			!errors.Is(err, errKeyRange) && !errors.Is(err, errMalformed) {
			status = Unreadable
		}
		r.add(Finding{Status: status, Part: o.path, Message: err.Error()})
	})
}

func (r *regionRun) add(f Finding) {
	r.found.about.Region, r.found.limit = r.objects.region, 100*maxFindings
	r.found.add(f)
}

func (r *regionRun) checkLog(ctx context.Context) error {
	if err := r.checkCheckpoints(ctx); err != nil {
		return err
	}
	if err := r.checkManifests(ctx); err != nil {
		return err
	}
	r.checkRoots()
	r.checkExpected()
	r.checkContinuity()
	r.checkHidden()
	if err := r.checkHeads(ctx); err != nil {
		return err
	}
	if err := r.checkExtras(ctx); err != nil {
		return err
	}
	r.plan()
	return nil
}

// checkCheckpoints checks every checkpoint. The valid one of the greatest size is the head.
func (r *regionRun) checkCheckpoints(ctx context.Context) error {
	r.roots = map[int64]Hash{}
	return readAll(ctx, r.v.store, r.objects.checkpoints, func(o object, data []byte, err error) {
		if err != nil {
			r.unread = o.number
			r.add(Finding{Status: Unreadable, Part: o.path, Message: err.Error()})
			return
		}
		h, err := r.keys.checkpoint(data)
		if err == nil {
			err = r.checkOrigin(h.Origin)
		}
		if err == nil && h.Size != o.number {
			err = fmt.Errorf("%w: a checkpoint of size %d", errWrongLog, h.Size)
		}
		if err != nil {
			r.add(Finding{Status: noteStatus(err), Part: o.path, Message: err.Error()})
			return
		}
		r.roots[h.Size], r.head = h.root, h
	})
}

var errWrongLog = errors.New("of another log or place")

// checkOrigin refuses what was signed for another log.
func (r *regionRun) checkOrigin(origin string) error {
	region, err := OriginRegion(origin)
	if err != nil {
		return err
	}
	want := r.v.opts.Origin
	if want == "" {
		want = r.head.Origin
	}
	if want == "" {
		want = r.expected.Origin
	}
	if region != r.objects.region || want != "" && origin != want {
		return fmt.Errorf("%w: signed for %s", errWrongLog, origin)
	}
	return nil
}

// noteStatus is the status word for a signed note that was refused.
func noteStatus(err error) string {
	switch {
	case errors.Is(err, errUntrustedKey):
		return UntrustedKey
	case errors.Is(err, errUnsigned):
		return Unsigned
	case errors.Is(err, errWrongLog):
		return WrongLog
	case errors.Is(err, errKeyRange):
		return KeyOutOfRange
	}
	return Unsupported
}

// checkManifests reads the manifests and holds them against the signed roots.
func (r *regionRun) checkManifests(ctx context.Context) error {
	if r.head.Size == 0 {
		r.checkHeadless()
		return nil
	}
	var err error
	if r.entries, err = loadEntries(ctx, r.v.store, r.objects, r.head.Size); err != nil {
		return err
	}
	r.proven = resolve(r.entries, r.roots)
	for i := range r.entries {
		r.checkEntry(&r.entries[i])
	}
	return nil
}

// checkHeadless speaks about a region that no valid checkpoint covers.
func (r *regionRun) checkHeadless() {
	parts := len(r.objects.parquet) + len(r.objects.manifests)
	r.begun = len(r.objects.checkpoints) == 0
	for _, m := range []map[int64][]object{r.objects.parquet, r.objects.manifests} {
		for n := range m {
			r.begun = r.begun && n == 1
		}
	}
	if r.begun && (parts > 0 || r.expected.Size == 0) {
		r.add(Finding{Status: Unfinished, Part: regionPrefix(r.objects.region), Message: "nothing has been signed yet"})
		return
	}
	if parts > 0 && r.unread == 0 {
		r.add(Finding{Status: Unsigned, Part: regionPrefix(r.objects.region),
			Message: "no valid checkpoint covers the parts of this region"})
	}
}

// checkEntry reports what is wrong with the manifest of one entry.
func (r *regionRun) checkEntry(e *entry) {
	f := Finding{Part: r.entryPath(e), Month: r.entryMonth(e)}
	switch {
	case e.manifest != nil && e.err == nil:
		for _, c := range e.candidates {
			if c.object.path != e.manifest.ManifestPath() {
				r.add(Finding{Status: PartExtra, Part: c.object.path,
					Message: "the log lists part " + fmt.Sprint(e.number) + " elsewhere"})
			}
		}
		return
	case !e.authentic && e.number > r.proven+1:
		f.Status, f.Message = NotChecked,
			"what the log says about this part cannot be told, because an earlier manifest is not the signed one"
	case len(e.candidates) == 0:
		f.Status, f.Message = PartMissing, "the part's manifest is missing"
	case e.candidates[0].err != nil:
		f.Status, f.Message = Unreadable, e.candidates[0].err.Error()
	case e.authentic && errors.Is(e.err, errUnsupported):
		f.Status, f.Message = Unsupported, e.err.Error()
	case e.authentic && e.err != nil:
		f.Status, f.Message = WrongPeriod, "signed, but malformed: "+e.err.Error()
	default:
		f.Status, f.Message = ManifestModified, "not the manifest that was signed"
		f.Found = HexHash(e.candidates[0].leaf).String()
		if e.authentic {
			f.Expected = HexHash(e.leaf).String()
		}
		for i := range r.entries {
			if o := &r.entries[i]; o.authentic && o.number != e.number && o.leaf == e.candidates[0].leaf {
				f.Message += fmt.Sprintf(": it is the manifest of part %d", o.number)
			}
		}
	}
	r.add(f)
}

// entryPath names an entry's part as well as can be told.
func (r *regionRun) entryPath(e *entry) string {
	switch {
	case e.manifest != nil && e.err == nil:
		return e.manifest.Name()
	case len(r.objects.parquet[e.number]) > 0:
		return r.objects.parquet[e.number][0].path
	case len(e.candidates) > 0:
		return e.candidates[0].object.path
	}
	return parquetPath(r.objects.region, r.entryMonth(e), e.number)
}

// entryMonth returns an entry's month, or ? where the store does not show it.
func (r *regionRun) entryMonth(e *entry) string {
	if list := r.objects.parquet[e.number]; len(list) > 0 {
		return list[0].month
	}
	if len(e.candidates) > 0 {
		return e.candidates[0].object.month
	}
	before, after := r.objects.manifests[e.number-1], r.objects.manifests[e.number+1]
	switch {
	case len(before) == 1 && (len(after) == 0 || after[0].month == before[0].month):
		return before[0].month
	case len(before) == 0 && len(after) == 1:
		return after[0].month
	}
	return "?"
}

// checkRoots holds every checkpoint against the tree of the manifests that the newest one covers.
func (r *regionRun) checkRoots() {
	if r.proven < r.head.Size {
		return
	}
	var t tree
	for i := range r.entries {
		t.addLeaf(r.entries[i].leaf)
		if root, ok := r.roots[t.size]; ok && root != t.root() {
			r.add(Finding{Status: Forked, Part: checkpointPath(r.objects.region, t.size),
				Expected: HexHash(root).String(),
				Found:    HexHash(t.root()).String(),
				Message:  "this checkpoint was signed over other manifests than the newest one covers"})
		}
	}
}

// checkExpected holds the log against the head that the caller knows.
func (r *regionRun) checkExpected() {
	want := r.expected
	if want.Size == 0 {
		return
	}
	f := Finding{Part: checkpointPath(r.objects.region, want.Size),
		Expected: fmt.Sprintf("size %d, root %s", want.Size, want.Root),
		Found:    fmt.Sprintf("size %d, root %s", r.head.Size, r.head.Root)}
	if want.KeyFingerprint == "" {
		r.add(Finding{Status: UntrustedKey, Part: f.Part, Message: "the expected head is signed by " + want.KeyName +
			", to which no note about keys leads from a key that is trusted"})
	}
	switch {
	case r.head.Size != 0 && r.head.Origin != want.Origin:
		f.Status, f.Message = WrongLog, "the expected head is of another log"
	case want.Size > r.head.Size && want.Size <= r.unread:
		f.Status, f.Message = NotChecked, "a checkpoint that may reach the expected head could not be read"
	case want.Size > r.head.Size:
		f.Status, f.Message = RolledBack,
			fmt.Sprintf("the log ended at %d manifests before and ends at %d now", want.Size, r.head.Size)
	case want.Size <= r.proven:
		root := r.rootAt(want.Size)
		if root == want.root {
			r.fresh = true
			return
		}
		f.Status, f.Found = Forked, fmt.Sprintf("size %d, root %s", want.Size, HexHash(root))
		f.Message = "the log does not contain the head that is known: it was rewritten"
	default:
		f.Status, f.Message = NotChecked, "whether the log extends the expected head cannot be told"
		if root, ok := r.roots[want.Size]; ok && root != want.root {
			f.Status, f.Message = Forked, "another head of this size was signed"
		}
	}
	r.add(f)
}

func (r *regionRun) rootAt(size int64) Hash {
	var t tree
	for i := range r.entries[:size] {
		t.addLeaf(r.entries[i].leaf)
	}
	return t.root()
}

// checkContinuity follows every tenant's chain from part to part, by the manifests alone.
func (r *regionRun) checkContinuity() {
	at := map[string]Position{}
	whole := true             // no manifest is missing so far
	seen := map[string]bool{} // tenants that had rows since the last missing manifest
	month := ""
	for i := range r.entries {
		e := &r.entries[i]
		if e.manifest == nil || e.err != nil || !e.authentic {
			whole = false
			clear(seen)
			continue
		}
		m := e.manifest
		if m.Month < month {
			r.add(Finding{Status: WrongPeriod, Month: m.Month, Part: m.Name(),
				Message: "comes after a part of " + month})
		}
		month = max(month, m.Month)
		if m.Recovery != nil {
			r.recoveries = append(r.recoveries, m.Recovery)
			r.checkRecovery(m, at, whole)
		}
		for _, s := range m.Tenants {
			pos, ok := at[s.TenantID]
			if !ok {
				pos = Position{0, Genesis(s.TenantID)}
			}
			if whole || ok && seen[s.TenantID] {
				r.checkSpan(m, s, pos)
			}
			at[s.TenantID] = Position{s.LastSeq, Hash(s.LastHash)}
			seen[s.TenantID] = true
		}
	}
}

// checkSpan checks that a tenant's rows in a part follow pos.
func (r *regionRun) checkSpan(m *Manifest, s TenantSpan, pos Position) {
	f := Finding{Month: m.Month, Part: m.Name(), Tenant: s.TenantID, Seq: s.FirstSeq, Expected: fmt.Sprint(pos.Seq + 1),
		Found: fmt.Sprint(s.FirstSeq)}
	switch {
	case s.FirstSeq > pos.Seq+1:
		f.Status, f.Seq = RowMissing, pos.Seq+1
		f.Message = fmt.Sprintf("rows %d to %d are in no part", pos.Seq+1, s.FirstSeq-1)
	case s.FirstSeq <= pos.Seq:
		f.Status, f.Message = RowExtra, fmt.Sprintf("rows %d to %d are in an earlier part too", s.FirstSeq, pos.Seq)
	case Hash(s.PrevHash) != pos.Hash:
		f.Status, f.Expected, f.Found = RowModified, HexHash(pos.Hash).String(), s.PrevHash.String()
		f.Message = "the chain does not continue the one in the parts before"
	default:
		return
	}
	r.add(f)
}

// checkHeads reads all published chain heads; the rows are held against them part by part.
func (r *regionRun) checkHeads(ctx context.Context) error {
	r.heads = headIndex{}
	err := readAll(ctx, r.v.store, r.objects.heads, func(o object, data []byte, err error) {
		if err != nil {
			status := Unreadable
			if errors.Is(err, fs.ErrNotExist) {
				status = PartMissing
			}
			r.add(Finding{Status: status, Part: o.path, Message: err.Error()})
			return
		}
		p, err := parseHeads(data, r.keys.all())
		if err == nil {
			err = r.checkOrigin(p.origin)
		}
		if err == nil && p.micros != o.number {
			err = fmt.Errorf("%w: heads of %d", errWrongLog, p.micros)
		}
		if err != nil {
			r.add(Finding{Status: noteStatus(err), Part: o.path, Message: err.Error()})
			return
		}
		p.heads = slices.DeleteFunc(p.heads, func(h ChainHead) bool { return explained(r.recoveries, h, p.micros) })
		var found findings
		r.heads.add(o.path, &p, r.v.opts.Tenant, &found)
		for _, f := range found.done() {
			r.add(f)
		}
	})
	r.heads.sort()
	return err
}

// checkExtras reports the objects that the log does not list.
func (r *regionRun) checkExtras(ctx context.Context) error {
	for _, o := range r.objects.unknown {
		r.add(Finding{Status: PartExtra, Part: o.path, Message: "not an object of an archive"})
	}
	later := r.head.Size
	for n := range r.objects.parquet {
		if n > r.head.Size {
			// A part that was finished while we were listing is not an extra one.
			now, _, err := listRegions(ctx, r.v.store, regionPrefix(r.objects.region)+"checkpoints/")
			if err != nil {
				return err
			}
			for _, o := range now {
				for _, c := range o.checkpoints {
					later = max(later, c.number)
				}
			}
			break
		}
	}
	for _, n := range slices.Sorted(maps.Keys(r.objects.parquet)) {
		for i, o := range r.objects.parquet[n] {
			r.checkExtra(n, i, o, later)
		}
	}
	for _, n := range slices.Sorted(maps.Keys(r.objects.manifests)) {
		for i, o := range r.objects.manifests[n] {
			if n > r.head.Size {
				r.checkExtra(n, i, o, later)
			}
		}
	}
	return nil
}

func (r *regionRun) checkExtra(n int64, i int, o object, later int64) {
	f := Finding{Part: o.path, Month: o.month}
	switch {
	case n > r.head.Size && n <= r.unread:
		f.Status, f.Message = NotChecked, "a checkpoint that may list it could not be read"
	case r.head.Size == 0 && !r.begun:
		f.Status, f.Message = Unsigned, "no valid checkpoint covers it"
	case n > r.head.Size && n <= later && len(r.roots) == len(r.objects.checkpoints):
		r.notes = append(r.notes, o.path+" was added while this verification ran")
		return
	case n == r.head.Size+1 && i == 0:
		f.Status, f.Message = Unfinished, "newer than the head and not signed: a shipping run that has not finished, "+
			"or an object that is none of ward's"
	case n > r.head.Size:
		f.Status, f.Message = PartExtra, "the log does not list it"
	default:
		e := &r.entries[n-1]
		if e.manifest == nil || e.err != nil || !e.authentic {
			if i > 0 {
				f.Status, f.Message = PartExtra, "a second object of this number"
				break
			}
			return
		}
		if o.path == e.manifest.Path || o.path == e.manifest.VoidPath {
			return
		}
		f.Status, f.Message = PartExtra, "the log does not list it"
	}
	r.add(f)
}

// inScope reports whether the options ask for a part's rows.
func (r *regionRun) inScope(m *Manifest) bool {
	o := &r.v.opts
	if o.Tenant != "" {
		if _, ok := m.span(o.Tenant); !ok {
			return false
		}
	}
	return len(o.Months) == 0 || slices.Contains(o.Months, m.Month)
}
