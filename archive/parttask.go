package archive

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// PartTask is a part whose rows another process is to recompute ([VerifyOptions.Elsewhere]). Whoever makes it has
// checked the log: the manifest is authentic, and the claims are signed. It holds no row.
type PartTask struct {
	// Manifest is the part's manifest, to the byte.
	Manifest string `json:"manifest"`
	// Claims are what chain heads that were published say about the part's rows.
	Claims []PartClaim `json:"claims,omitempty"`
	// Now decides whether a retention has ended.
	Now time.Time `json:"now"`
}

// PartClaim is a published chain head about a row of a part.
type PartClaim struct {
	Tenant string  `json:"tenant"`
	Seq    int64   `json:"seq"`
	Hash   HexHash `json:"hash"`
	// Heads is the time in microseconds by which the note is named.
	Heads int64 `json:"heads"`
}

// PartOutcome is what the other process found.
type PartOutcome struct {
	Findings []Finding `json:"findings"`
	// Rows is nil where there were none that could be read; then a finding says why.
	Rows *PartRows `json:"rows"`
	// Lock is what the store holds the file to; nil: it has no locks, or did not say.
	Lock *Lock `json:"lock"`
	// Store is where the file was read from.
	Store string `json:"store"`
	// Worker says who read it. It is for the report.
	Worker string `json:"worker"`
}

// PartRows is what the rows that were read say about a part, to be held against its manifest.
type PartRows struct {
	Rows          int64        `json:"rows"`
	MerkleRoot    HexHash      `json:"merkle_root"`
	MinSealedAt   int64        `json:"min_sealed_at"`
	MaxSealedAt   int64        `json:"max_sealed_at"`
	MinRecordedAt int64        `json:"min_recorded_at"`
	MaxRecordedAt int64        `json:"max_recorded_at"`
	Tenants       []TenantSpan `json:"tenants"`
}

// CheckPart carries a task out. An error says that there is no outcome.
func CheckPart(ctx context.Context, store Store, task *PartTask) (*PartOutcome, error) {
	m, err := ParseManifest([]byte(task.Manifest))
	if err != nil {
		return nil, fmt.Errorf("checking a part: %w", err)
	}
	if m.Path == "" {
		return nil, fmt.Errorf("checking part %d: it has no file", m.Part)
	}
	r := &regionRun{v: NewVerification(store, VerifyOptions{Now: task.Now}), objects: newRegionObjects(m.Region),
		heads: headIndex{}}
	for _, c := range task.Claims {
		r.heads[c.Tenant] = append(r.heads[c.Tenant], headClaim{c.Seq, Hash(c.Hash), headsPath(m.Region, c.Heads)})
	}
	r.heads.sort()
	found := findings{about: Finding{Region: m.Region, Month: m.Month, Part: m.Name()}}
	facts := r.readPart(ctx, &partJob{manifest: &m}, &found)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	out := &PartOutcome{Findings: found.done(), Store: store.String()}
	if facts != nil {
		out.Rows = &PartRows{facts.rows, HexHash(facts.root()), facts.minSealed, facts.maxSealed, facts.minRecorded,
			facts.maxRecorded, facts.spans}
	}
	if r.v.locks != nil {
		if lock, known, err := r.v.locks.lock(ctx, m.Path); known && err == nil {
			out.Lock = &lock
		}
	}
	return out, nil
}

// task makes the task of a part.
func (r *regionRun) task(m *Manifest) (PartTask, error) {
	data, err := m.Marshal()
	if err != nil {
		return PartTask{}, err
	}
	t := PartTask{Manifest: string(data), Now: r.v.opts.Now}
	for _, s := range m.Tenants {
		for _, c := range r.heads.from(s.TenantID, s.FirstSeq) {
			if c.seq > s.LastSeq {
				break
			}
			t.Claims = append(t.Claims, PartClaim{s.TenantID, c.seq, HexHash(c.hash), parsePath(c.path, 0).number})
		}
	}
	return t, nil
}

// elsewhere has a part's rows recomputed by another process, and joins what it found to what is known here. That says
// nothing by itself: it is held against the manifest, whose places in the chains were held against those of the parts
// before.
func (r *regionRun) elsewhere(ctx context.Context, job *partJob, found *findings) *partFacts {
	m := job.manifest
	task, err := r.task(m)
	var out *PartOutcome
	if err == nil {
		r.v.update(func(s *Status) { s.PartsOut++ })
		out, err = r.v.opts.Elsewhere(ctx, task)
		r.v.update(func(s *Status) { s.PartsOut-- })
	}
	if err == nil && out.Rows == nil && len(out.Findings) == 0 {
		err = errors.New("the other process says neither what the rows are nor why it could not read them")
	}
	if err != nil {
		found.addf(Unreadable, "%v", err)
		return nil
	}
	r.remember(m.Path, out)
	for _, f := range out.Findings {
		if other, ok := job.bySum[hexHash(f.Found)]; ok && f.Status == FileModified {
			f.Message = "not the file that was signed: it is the file of " + other
		}
		found.add(f)
	}
	rows := out.Rows
	if rows == nil {
		return nil
	}
	r.v.update(func(s *Status) { s.Rows, s.Bytes = s.Rows+rows.Rows, s.Bytes+m.Bytes })
	root := Hash(rows.MerkleRoot)
	facts := &partFacts{rows: rows.Rows, joined: &root, spans: rows.Tenants, minSealed: rows.MinSealedAt,
		maxSealed: rows.MaxSealedAt, minRecorded: rows.MinRecordedAt,
		maxRecorded: rows.MaxRecordedAt}
	facts.compareStarts(m, found)
	return facts
}

// compareStarts holds the places at which the tenants' rows begin against the manifest. Rows that are read here begin
// there by themselves.
func (p *partFacts) compareStarts(m *Manifest, found *findings) {
	for _, got := range p.spans {
		want, ok := m.span(got.TenantID)
		switch {
		case !ok:
			found.add(Finding{Status: WrongTenant, Tenant: got.TenantID, Seq: got.FirstSeq,
				Message: "the manifest lists no rows of this tenant"})
		case got.FirstSeq == want.FirstSeq && got.PrevHash != want.PrevHash:
			found.add(Finding{Status: RowModified, Tenant: got.TenantID, Seq: got.FirstSeq,
				Expected: want.PrevHash.String(), Found: got.PrevHash.String(),
				Message: "the chain does not continue the one in the parts before"})
		}
	}
}

// remember keeps what another process says for the report and for the check of the locks.
func (r *regionRun) remember(path string, out *PartOutcome) {
	v := r.v
	v.mu.Lock()
	if r.workers == nil {
		r.workers, r.stores = map[string]int{}, map[string]bool{}
	}
	r.workers[out.Worker]++
	r.stores[out.Store] = true
	v.mu.Unlock()
	if v.locks == nil {
		return
	}
	v.locks.mu.Lock()
	defer v.locks.mu.Unlock()
	if out.Lock != nil {
		v.locks.seen[path] = *out.Lock
	} else {
		v.locks.mute[path] = true
	}
}

// byWhom says in a sentence whose word the report takes for the rows; empty: nobody's.
func (r *regionRun) byWhom() string {
	if len(r.workers) == 0 {
		return ""
	}
	var names, stores []string
	for name, n := range r.workers {
		names = append(names, fmt.Sprintf("%s (%d parts)", name, n))
	}
	for name := range r.stores {
		stores = append(stores, name)
	}
	slices.Sort(names)
	slices.Sort(stores)
	return fmt.Sprintf("the files were read, from %s, and their rows recomputed by %d workers of the installation, "+
		"whose word is taken for that: %s; signatures, the log, and what the parts say "+
		"of each other were checked here", strings.Join(stores, ", "), len(names), strings.Join(names, ", "))
}

// hexHash parses a hash in hexadecimal; the zero hash is anything else.
func hexHash(s string) (h HexHash) {
	_ = h.UnmarshalText([]byte(s))
	return h
}

// atOnce is how many parts are in work: those that are checked elsewhere wait there.
func (o *VerifyOptions) atOnce() int {
	if o.Elsewhere != nil {
		return 256
	}
	return o.Workers
}
