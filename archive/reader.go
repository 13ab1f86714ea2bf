package archive

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
)

// Reader reads the rows of one region's archive. It trusts the store no further than a verifier does: a signature
// covers the manifests, and no file is parsed that is not the one that was signed. It is not safe for concurrent use.
type Reader struct {
	store Store
	head  Head
	parts []*Manifest // those that have a file, in the order of the log
	kept  []*PartFile // the copies used last, the newest at the end
	stats ReadStats
}

// ReadStats counts what was read.
type ReadStats struct {
	Parts     int   // files that were copied
	Bytes     int64 // their bytes
	RowGroups int   // row groups that were decoded
	Skipped   int   // row groups of those files that were not
}

// keptParts is how many copies of files a Reader keeps for the next page.
const keptParts = 2

// OpenReader reads the newest checkpoint of a region, which one of keys must have signed, and the manifests that it
// covers. The error is ErrDamaged where those are not all there, and [fs.ErrNotExist] where nothing is signed yet.
func OpenReader(ctx context.Context, store Store, region string, keys ...Key) (*Reader, error) {
	r := &Reader{store: store}
	if err := r.load(ctx, region, keys); err != nil {
		return nil, fmt.Errorf("opening the archive of region %s in %s: %w", region, store, err)
	}
	return r, nil
}

func (r *Reader) load(ctx context.Context, region string, keys []Key) error {
	if err := validateRegion(region); err != nil {
		return err
	}
	regions, _, err := listRegions(ctx, r.store, regionPrefix(region))
	if err != nil {
		return err
	}
	if len(regions) == 0 || len(regions[0].checkpoints) == 0 {
		return fmt.Errorf("no checkpoint: %w", fs.ErrNotExist)
	}
	p := prover{store: r.store}
	err = p.load(ctx, regions[0], keys)
	for i := range p.entries {
		for _, c := range p.entries[i].candidates {
			if c.err != nil { // what could not be read may be there: that is no damage
				return c.err
			}
		}
	}
	if err != nil {
		return err
	}
	r.head = p.head
	for i := range p.entries {
		e := &p.entries[i]
		if e.manifest == nil || e.err != nil {
			return fmt.Errorf("%w: manifest %d: %w", ErrDamaged, e.number, firstError(e.err, fs.ErrNotExist))
		}
		if e.manifest.Path != "" {
			r.parts = append(r.parts, e.manifest)
		}
	}
	return nil
}

// Head is the checkpoint that everything is read under.
func (r *Reader) Head() Head { return r.head }

// Parts are the manifests of all parts that have rows, in the order of the log.
func (r *Reader) Parts() []*Manifest { return r.parts }

// Stats says what was read so far.
func (r *Reader) Stats() ReadStats { return r.stats }

// Close frees the copies.
func (r *Reader) Close() {
	for _, p := range r.kept {
		p.close()
	}
	r.kept = nil
}

// PartFile is a private copy of a part's file, which is the file that was signed. It lives until its Reader is closed
// or has opened two others.
type PartFile struct {
	Manifest *Manifest
	copy     *spooled
	file     *partFile
}

func (p *PartFile) close() { p.copy.Close() }

// Open copies a part's file and compares its SHA-256 with the signed one before anything in it is parsed: the error is
// ErrDamaged for another file or none.
func (r *Reader) Open(ctx context.Context, m *Manifest) (*PartFile, error) {
	for i, p := range r.kept {
		if p.Manifest.Part == m.Part {
			r.kept = append(slices.Delete(r.kept, i, i+1), p)
			return p, nil
		}
	}
	sp, err := spool(ctx, r.store, m.Path, m.Bytes, func(n int64) { r.stats.Bytes += n })
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, errTooLarge) {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	} else if err != nil {
		return nil, err
	}
	r.stats.Parts++
	if HexHash(sp.sum) != m.SHA256 {
		sp.Close()
		return nil, fmt.Errorf("%w: %s is not the file that was signed", ErrDamaged, m.Path)
	}
	file, err := openPart(sp, sp.size)
	if err != nil {
		sp.Close()
		return nil, fmt.Errorf("reading %s: %w", m.Path, err)
	}
	p := &PartFile{Manifest: m, copy: sp, file: file}
	if len(r.kept) == keptParts {
		r.kept[0].close()
		r.kept = slices.Delete(r.kept, 0, 1)
	}
	r.kept = append(r.kept, p)
	return p, nil
}

// Verify recomputes every row of the file and holds them against the manifest. No findings: everything holds.
func (p *PartFile) Verify(ctx context.Context, workers int) ([]Finding, error) {
	m := p.Manifest
	check, err := newPartCheck(m.Month, manifestPositions(m), workers)
	if err != nil {
		return nil, err
	}
	facts, found, err := check.run(ctx, p.copy, p.copy.size)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", m.Path, err)
	}
	all := findings{about: Finding{Region: m.Region, Month: m.Month, Part: m.Path}}
	all.take(found)
	facts.compare(m, &all)
	return all.done(), nil
}

// Rows calls f with every row of the file and the hash of the row before it in its tenant's chain. Both are valid only
// until f returns.
func (p *PartFile) Rows(ctx context.Context, f func(prev *Hash, r *Row) error) error {
	var tenant string
	var prev Hash
	for _, g := range p.file.groups() {
		err := scanGroup(ctx, g, func(r *Row) error {
			if r.TenantID != tenant {
				s, _ := p.Manifest.span(r.TenantID)
				tenant, prev = s.TenantID, Hash(s.PrevHash)
			}
			err := f(&prev, r)
			prev = r.Hash
			return err
		})
		if err != nil {
			return fmt.Errorf("reading %s: %w", p.Manifest.Path, err)
		}
	}
	return nil
}
