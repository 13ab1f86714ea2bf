package archive

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"strings"

	"golang.org/x/sync/errgroup"
)

// partCheck recomputes a part's rows. Row groups are checked side by side: every row stores its hash, so that only the
// link of a group's first row has to wait for the group before it.
type partCheck struct {
	month    string
	from, to int64
	// prev returns where a tenant's chain stood before this part, and false for a tenant that has no rows here.
	prev  func(tenant string) (Position, bool)
	heads headIndex
	// slots bounds how many groups are read at once, over all parts.
	slots    chan struct{}
	progress func(rows int64)
}

// partFacts is what a part's rows say about it, to be compared with its manifest.
type partFacts struct {
	rows                     int64
	tree                     tree  // its leaves are blocks of rows
	joined                   *Hash // the root, where another process has read the rows
	spans                    []TenantSpan
	minSealed, maxSealed     int64
	minRecorded, maxRecorded int64
}

func (p *partFacts) addTimes(sealedMin, sealedMax, recordedMin, recordedMax int64) {
	if p.rows == 0 {
		p.minSealed, p.maxSealed, p.minRecorded, p.maxRecorded = sealedMin, sealedMax, recordedMin, recordedMax
		return
	}
	p.minSealed, p.maxSealed = min(p.minSealed, sealedMin), max(p.maxSealed, sealedMax)
	p.minRecorded, p.maxRecorded = min(p.minRecorded, recordedMin), max(p.maxRecorded, recordedMax)
}

// group is the outcome of one row group.
type group struct {
	facts partFacts
	first scannedRow // its link is still to be checked
	found findings
}

// newPartCheck prepares the check of a part of month.
func newPartCheck(month string, prev func(string) (Position, bool), workers int) (*partCheck, error) {
	from, to, err := monthRange(month)
	if err != nil {
		return nil, err
	}
	return &partCheck{month: month, from: from, to: to, prev: prev, slots: make(chan struct{}, max(1, workers))}, nil
}

// run reads all rows of a file. The error says that the file could not be read as a part.
func (c *partCheck) run(ctx context.Context, r io.ReaderAt, size int64) (*partFacts, *findings, error) {
	file, err := openPart(r, size)
	if err != nil {
		return nil, nil, err
	}
	rowGroups := file.groups()
	groups := make([]group, len(rowGroups))
	g, gctx := errgroup.WithContext(ctx)
	for i, rg := range rowGroups {
		select {
		case c.slots <- struct{}{}:
		case <-gctx.Done():
			return nil, nil, firstError(g.Wait(), ctx.Err())
		}
		g.Go(func() error {
			defer func() { <-c.slots }()
			return c.readGroup(gctx, rg, &groups[i])
		})
	}
	if err := g.Wait(); err != nil {
		return nil, nil, err
	}
	facts, found := c.merge(groups)
	return facts, found, nil
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// groupReader is the state within one row group.
type groupReader struct {
	check  *partCheck
	out    *group
	tenant string
	pos    Position
	known  bool // pos is what the next row must follow
	claims []headClaim
	tree   rowTree
}

func (c *partCheck) readGroup(ctx context.Context, rg partGroup, out *group) error {
	r := groupReader{check: c, out: out}
	if err := scanCanonical(ctx, rg, r.row); err != nil {
		return err
	}
	r.endSpan()
	r.tree.flush()
	out.facts.tree = r.tree.blocks
	if c.progress != nil {
		c.progress(out.facts.rows)
	}
	return nil
}

func (g *groupReader) row(r *scannedRow) {
	f := &g.out.facts
	if f.rows == 0 || r.tenant != g.tenant {
		g.begin(r)
	}
	if g.known {
		g.check.link(&g.pos, r, &g.out.found)
	}
	if r.sealedAt < g.check.from || r.sealedAt >= g.check.to {
		g.check.wrongPeriod(r, &g.out.found)
	}
	for len(g.claims) > 0 && g.claims[0].seq <= r.seq {
		g.claims[0].compare(r, &g.out.found)
		g.claims = g.claims[1:]
	}
	g.pos.Seq, g.pos.Hash, g.known = r.seq, *r.hash, true
	f.addTimes(r.sealedAt, r.sealedAt, r.recordedAt, r.recordedAt)
	g.tree.add(r.hash)
	f.rows++
}

// begin starts on a tenant's rows. What the first row of a group must follow is decided by merge.
func (g *groupReader) begin(r *scannedRow) {
	g.endSpan()
	before := g.tenant
	g.tenant = strings.Clone(r.tenant)
	g.claims = g.check.heads.from(g.tenant, r.seq)
	if g.out.facts.rows == 0 {
		g.out.first, g.known = r.clone(), false
	} else {
		g.pos, g.known = g.check.start(before, g.tenant, r.seq, &g.out.found)
	}
	g.out.facts.spans = append(g.out.facts.spans,
		TenantSpan{TenantID: g.tenant, Rows: -g.out.facts.rows, FirstSeq: r.seq, PrevHash: HexHash(g.pos.Hash)})
}

// endSpan closes the span of the tenant whose rows end here. Its Rows is, until then, minus the rows before it.
func (g *groupReader) endSpan() {
	if n := len(g.out.facts.spans); n > 0 {
		s := &g.out.facts.spans[n-1]
		s.Rows, s.LastSeq, s.LastHash = s.Rows+g.out.facts.rows, g.pos.Seq, HexHash(g.pos.Hash)
	}
}

// start returns what a tenant's first row in the part must follow.
func (c *partCheck) start(before, tenant string, seq int64, found *findings) (Position, bool) {
	if before > tenant {
		found.add(Finding{Status: RowReordered, Tenant: tenant, Seq: seq,
			Message: "stands after rows of tenant " + before})
	}
	pos, ok := c.prev(tenant)
	if !ok {
		found.add(Finding{Status: WrongTenant, Tenant: tenant, Seq: seq,
			Message: "the manifest lists no rows of this tenant"})
	}
	return pos, ok
}

// link checks that r is the row after pos: by its seq, and by its hash over its content and the hash of the row before.
func (c *partCheck) link(pos *Position, r *scannedRow, found *findings) {
	var want Hash
	if r.seq == pos.Seq+1 {
		if want = sha256.Sum256(r.chain(&pos.Hash)); want == *r.hash {
			return
		}
	}
	f := Finding{Tenant: strings.Clone(r.tenant), Seq: r.seq, Expected: fmt.Sprint(pos.Seq + 1),
		Found: fmt.Sprint(r.seq)}
	switch {
	case r.seq == pos.Seq+1:
		f.Status, f.Expected, f.Found = RowModified, fmt.Sprintf("%x", *r.hash), fmt.Sprintf("%x", want)
		f.Message = "the row's content, or the hash of the row before it, is not what its hash was made from"
	case r.seq > pos.Seq+1:
		f.Status, f.Seq = RowMissing, pos.Seq+1
		f.Message = fmt.Sprintf("%d rows are missing before row %d", r.seq-pos.Seq-1, r.seq)
	case r.seq == pos.Seq:
		f.Status, f.Message = RowExtra, "the row's place is taken by the row before it"
	default:
		f.Status, f.Message = RowReordered, fmt.Sprintf("stands after row %d", pos.Seq)
	}
	found.add(f)
}

func (c *partCheck) wrongPeriod(r *scannedRow, found *findings) {
	found.add(Finding{Status: WrongPeriod, Tenant: strings.Clone(r.tenant), Seq: r.seq, Expected: c.month,
		Found: MonthOf(r.sealedAt), Message: "was not sealed in the part's month"})
}

// merge checks the links between row groups and adds the groups up.
func (c *partCheck) merge(groups []group) (*partFacts, *findings) {
	var facts partFacts
	var found findings
	var pos Position
	tenant := ""
	for i := range groups {
		g := &groups[i]
		spans := g.facts.spans
		known := true
		if i == 0 || g.first.tenant != tenant {
			pos, known = c.start(tenant, g.first.tenant, g.first.seq, &found)
		} else {
			last := &facts.spans[len(facts.spans)-1]
			last.Rows, last.LastSeq, last.LastHash = last.Rows+spans[0].Rows, spans[0].LastSeq, spans[0].LastHash
			spans = spans[1:]
		}
		if known {
			c.link(&pos, &g.first, &found)
		}
		found.take(&g.found)
		if len(spans) == len(g.facts.spans) {
			spans[0].PrevHash = HexHash(pos.Hash)
		}
		facts.spans = append(facts.spans, spans...)
		facts.addTimes(g.facts.minSealed, g.facts.maxSealed, g.facts.minRecorded, g.facts.maxRecorded)
		facts.rows += g.facts.rows
		for _, s := range g.facts.tree.edges {
			facts.tree.add(s)
		}
		last := facts.spans[len(facts.spans)-1]
		tenant, pos = last.TenantID, Position{last.LastSeq, Hash(last.LastHash)}
	}
	return &facts, &found
}

func (p *partFacts) root() Hash {
	if p.joined != nil {
		return *p.joined
	}
	return p.tree.root()
}

// compare holds what a part's rows say against its manifest.
func (p *partFacts) compare(m *Manifest, found *findings) {
	have := make(map[string]TenantSpan, len(p.spans))
	for _, s := range p.spans {
		if old, ok := have[s.TenantID]; ok {
			s.Rows, s.FirstSeq = s.Rows+old.Rows, old.FirstSeq
		}
		have[s.TenantID] = s
	}
	for _, want := range m.Tenants {
		got := have[want.TenantID]
		switch {
		case got.Rows != want.Rows:
			found.add(Finding{Status: RowCountMismatch, Tenant: want.TenantID, Expected: fmt.Sprint(want.Rows),
				Found: fmt.Sprint(got.Rows), Message: "another number of rows than the manifest says"})
		case got.FirstSeq != want.FirstSeq || got.LastSeq != want.LastSeq || got.LastHash != want.LastHash:
			found.add(Finding{Status: RowModified, Tenant: want.TenantID, Seq: want.LastSeq,
				Expected: want.LastHash.String(),
				Found:    got.LastHash.String(),
				Message:  "the tenant's last row is not the one that the manifest names"})
		}
	}
	if p.rows != m.Rows {
		found.add(Finding{Status: RowCountMismatch, Expected: fmt.Sprint(m.Rows), Found: fmt.Sprint(p.rows),
			Message: "another number of rows than the manifest says"})
	}
	if root := HexHash(p.root()); root != m.MerkleRoot {
		found.add(Finding{Status: RootMismatch, Expected: m.MerkleRoot.String(), Found: root.String(),
			Message: "another Merkle root over the rows than the manifest says"})
	}
	if p.minSealed != m.MinSealedAt || p.maxSealed != m.MaxSealedAt || p.minRecorded != m.MinRecordedAt ||
		p.maxRecorded != m.MaxRecordedAt {
		found.addf(WrongPeriod, "the rows' least and greatest times are not those that the manifest says")
	}
}

// manifestPositions gives, for the tenants that m lists, where their chains stood before.
func manifestPositions(m *Manifest) func(string) (Position, bool) {
	return func(tenant string) (Position, bool) {
		s, ok := m.span(tenant)
		return Position{s.FirstSeq - 1, Hash(s.PrevHash)}, ok
	}
}
