package archive

import (
	"cmp"
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
)

// DefaultRetention is how long objects are kept that name no retention of their own: six years and ninety days.
const DefaultRetention = (6*366 + 90) * 24 * time.Hour

// headsHeader is the first line of a note of chain heads.
const headsHeader = "ward-heads/v1"

// ChainHead is the last sealed row of a tenant's chain.
type ChainHead struct {
	TenantID string
	Seq      int64
	Hash     Hash
}

// publishedHeads is one note of chain heads.
type publishedHeads struct {
	origin string
	micros int64
	heads  []ChainHead
}

// PublishHeads stores tenants' chain heads as one signed note, apart from parts. Heads that have not moved since the
// last note may be left out. Nothing is stored for no heads.
func PublishHeads(ctx context.Context, store Store, origin string, signer *Signer, heads []ChainHead,
	now, retain time.Time) error {
	region, err := OriginRegion(origin)
	if err != nil || len(heads) == 0 {
		return err
	}
	p := publishedHeads{origin: origin, micros: now.UnixMicro(), heads: slices.Clone(heads)}
	slices.SortFunc(p.heads, func(a, b ChainHead) int { return cmp.Compare(a.TenantID, b.TenantID) })
	text := p.text()
	if _, err := parseHeadsText(text); err != nil {
		return fmt.Errorf("publishing heads of %s: %w", origin, err)
	}
	data, err := note.Sign(&note.Note{Text: text}, signer)
	if err != nil {
		return fmt.Errorf("signing heads of %s: %w", origin, err)
	}
	return putObject(ctx, store, headsPath(region, p.micros), data, retain)
}

func (p *publishedHeads) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n%s\n%d\n", headsHeader, p.origin, p.micros)
	for _, h := range p.heads {
		fmt.Fprintf(&b, "%s %d %x\n", h.TenantID, h.Seq, h.Hash)
	}
	return b.String()
}

func parseHeads(data []byte, keys []Key) (publishedHeads, error) {
	text, _, err := openNote(data, keys)
	if err != nil {
		return publishedHeads{}, fmt.Errorf("opening heads: %w", err)
	}
	return parseHeadsText(text)
}

// parseHeadsText accepts exactly what text writes: tenants in ascending order, each once.
func parseHeadsText(text string) (publishedHeads, error) {
	lines := strings.Split(text, "\n")
	if len(lines) < 5 || lines[0] != headsHeader || lines[len(lines)-1] != "" {
		return publishedHeads{}, fmt.Errorf("%w: not a note of chain heads", errMalformed)
	}
	if _, err := OriginRegion(lines[1]); err != nil {
		return publishedHeads{}, fmt.Errorf("%w: %w", errMalformed, err)
	}
	p := publishedHeads{origin: lines[1]}
	micros, err := strconv.ParseInt(lines[2], 10, 64)
	if err != nil || micros < 1 {
		return publishedHeads{}, fmt.Errorf("%w: time %q", errMalformed, lines[2])
	}
	p.micros = micros
	for _, line := range lines[3 : len(lines)-1] {
		h, err := parseChainHead(line)
		if err != nil {
			return publishedHeads{}, err
		}
		if n := len(p.heads); n > 0 && p.heads[n-1].TenantID >= h.TenantID {
			return publishedHeads{}, fmt.Errorf("%w: tenant %q out of order", errMalformed, h.TenantID)
		}
		p.heads = append(p.heads, h)
	}
	if p.text() != text {
		return publishedHeads{}, fmt.Errorf("%w: not in canonical form", errMalformed)
	}
	return p, nil
}

func parseChainHead(line string) (ChainHead, error) {
	f := strings.Split(line, " ")
	if len(f) != 3 || f[0] == "" {
		return ChainHead{}, fmt.Errorf("%w: line %q", errMalformed, line)
	}
	seq, err := strconv.ParseInt(f[1], 10, 64)
	hash, herr := hex.DecodeString(f[2])
	if err != nil || herr != nil || seq < 1 || len(hash) != len(Hash{}) {
		return ChainHead{}, fmt.Errorf("%w: line %q", errMalformed, line)
	}
	return ChainHead{TenantID: f[0], Seq: seq, Hash: Hash(hash)}, nil
}
