package archive

import (
	"cmp"
	"fmt"
	"slices"
	"sort"
	"strings"
)

// headClaim is a published statement that a tenant's row seq has a hash.
type headClaim struct {
	seq  int64
	hash Hash
	path string
}

// compare holds a row against the claim about it.
func (h headClaim) compare(r *scannedRow, found *findings) {
	if h.seq == r.seq && h.hash != *r.hash {
		found.add(Finding{Status: HeadMismatch, Tenant: strings.Clone(r.tenant), Seq: r.seq,
			Expected: fmt.Sprintf("%x", h.hash),
			Found:    fmt.Sprintf("%x", *r.hash),
			Message:  "the row is not the one that the chain head published in " + h.path + " names"})
	}
}

// headIndex holds the claims of every tenant in the order of seq.
type headIndex map[string][]headClaim

// from returns a tenant's claims about row seq and later ones.
func (x headIndex) from(tenant string, seq int64) []headClaim {
	c := x[tenant]
	return c[sort.Search(len(c), func(i int) bool { return c[i].seq >= seq }):]
}

// add takes a note's claims in. Notes must come in the order of their times: a chain only grows.
func (x headIndex) add(path string, p *publishedHeads, only string, found *findings) {
	for _, h := range p.heads {
		if only != "" && h.TenantID != only {
			continue
		}
		list := x[h.TenantID]
		if n := len(list); n > 0 {
			last := list[n-1]
			switch {
			case h.Seq < last.seq:
				found.add(Finding{Status: HeadMismatch, Part: path, Tenant: h.TenantID, Seq: h.Seq,
					Expected: fmt.Sprint(last.seq),
					Found:    fmt.Sprint(h.Seq), Message: "the chain was longer in " + last.path})
			case h.Seq == last.seq && h.Hash != last.hash:
				found.add(Finding{Status: HeadMismatch, Part: path, Tenant: h.TenantID, Seq: h.Seq,
					Expected: fmt.Sprintf("%x", last.hash),
					Found:    fmt.Sprintf("%x", h.Hash), Message: "the same row has another hash in " + last.path})
			case h.Seq == last.seq:
				continue
			}
		}
		x[h.TenantID] = append(list, headClaim{h.Seq, h.Hash, path})
	}
}

func (x headIndex) sort() {
	for _, list := range x {
		slices.SortFunc(list, func(a, b headClaim) int { return cmp.Compare(a.seq, b.seq) })
	}
}
