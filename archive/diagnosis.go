package archive

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// Diagnosis is a file that stands where a part should and is not the one that was signed, with what is known of the
// part: its signed manifest and the chain heads published about its rows. Nothing vouches for the file: it may have
// been made to harm its reader.
type Diagnosis struct {
	// File and Size are a private copy of the file.
	File io.ReaderAt
	Size int64

	manifest *Manifest
	heads    headIndex
}

// diagnosisText is the form of a Diagnosis for another process, without the file.
type diagnosisText struct {
	Manifest []byte                 `json:"manifest"`
	Heads    map[string][]claimText `json:"heads"`
}

type claimText struct {
	Seq  int64  `json:"seq"`
	Hash []byte `json:"hash"`
	Path string `json:"path"`
}

// diagnosable is the greatest file that is read in order to be diagnosed: more than any rewriting of the signed one
// makes.
func diagnosable(m *Manifest) int64 { return 2*m.Bytes + 64<<20 }

// Marshal returns all of d but the file, for [ParseDiagnosis] in another process.
func (d *Diagnosis) Marshal() ([]byte, error) {
	m, err := d.manifest.Marshal()
	if err != nil {
		return nil, fmt.Errorf("encoding manifest: %w", err)
	}
	text := diagnosisText{Manifest: m, Heads: map[string][]claimText{}}
	for _, s := range d.manifest.Tenants {
		for _, c := range d.heads.from(s.TenantID, s.FirstSeq) {
			if c.seq <= s.LastSeq {
				text.Heads[s.TenantID] = append(text.Heads[s.TenantID], claimText{c.seq, c.hash[:], c.path})
			}
		}
	}
	return json.Marshal(text)
}

// ParseDiagnosis takes what Marshal returned, with the file that it is about.
func ParseDiagnosis(data []byte, file io.ReaderAt, size int64) (*Diagnosis, error) {
	var text diagnosisText
	if err := json.Unmarshal(data, &text); err != nil {
		return nil, fmt.Errorf("parsing diagnosis: %w", err)
	}
	m, err := ParseManifest(text.Manifest)
	if err != nil {
		return nil, fmt.Errorf("parsing diagnosis: %w", err)
	}
	d := &Diagnosis{File: file, Size: size, manifest: &m, heads: headIndex{}}
	for tenant, list := range text.Heads {
		for _, c := range list {
			if len(c.Hash) != len(Hash{}) {
				return nil, fmt.Errorf("parsing diagnosis: a hash of %d bytes", len(c.Hash))
			}
			d.heads[tenant] = append(d.heads[tenant], headClaim{c.Seq, Hash(c.Hash), c.Path})
		}
	}
	return d, nil
}

// Run parses the file in this process and names the rows that are not those that were sealed. Where the file can be
// read only up to a row, the findings end with one that is Unreadable and says from where on. An error says that
// nothing of the file could be read as a part.
func (d *Diagnosis) Run(ctx context.Context) ([]Finding, error) {
	check, err := newPartCheck(d.manifest.Month, manifestPositions(d.manifest), 1)
	if err != nil {
		return nil, err
	}
	check.heads = d.heads
	file, err := openPart(d.File, d.Size)
	if err != nil {
		return nil, err
	}
	var groups []group
	var rows int64
	var broken error
	for _, rg := range file.groups() {
		var g group
		broken = check.readGroup(ctx, rg, &g)
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if rows += g.facts.rows; g.facts.rows > 0 {
			groups = append(groups, g)
		}
		if broken != nil {
			break
		}
	}
	if len(groups) == 0 {
		return nil, broken
	}
	facts, found := check.merge(groups)
	if broken != nil {
		f := Finding{Status: Unreadable, Message: fmt.Sprintf(
			"the first %d of %d rows were compared; the rest cannot be read: %v", rows, d.manifest.Rows, broken)}
		f.Tenant, f.Seq = d.manifest.rowAt(rows)
		return append(found.done(), f), nil
	}
	facts.compare(d.manifest, found)
	return found.done(), nil
}

// rowAt is the tenant and seq of the n-th row of a part, counted from 0; nothing where there is none.
func (m *Manifest) rowAt(n int64) (tenant string, seq int64) {
	for _, s := range m.Tenants {
		if n < s.Rows {
			return s.TenantID, s.FirstSeq + n
		}
		n -= s.Rows
	}
	return "", 0
}

// DiagnoseHere is a [VerifyOptions.Diagnose] that parses in this process, for files of one's own making.
func DiagnoseHere(ctx context.Context, d *Diagnosis) ([]Finding, error) { return d.Run(ctx) }

// rowStatuses are what a diagnosis may find.
var rowStatuses = map[string]bool{RowModified: true, RowMissing: true, RowExtra: true, RowReordered: true,
	RowCountMismatch: true, RootMismatch: true, WrongTenant: true,
	WrongPeriod: true, HeadMismatch: true, Unreadable: true}

// maxDiagnosed bounds each text in a diagnosed finding, which may come out of the file.
const maxDiagnosed = 512

// diagnose adds what a diagnosis says about a file that is not the signed one. Whatever it says, the file stays
// FILE_MODIFIED.
func (r *regionRun) diagnose(ctx context.Context, m *Manifest, sp *spooled, found *findings) {
	list, err := r.v.opts.Diagnose(ctx, &Diagnosis{File: sp.ReaderAt, Size: sp.size, manifest: m, heads: r.heads})
	if err != nil {
		found.addf(Unreadable, "could not be diagnosed: %s", shorten(err.Error()))
		return
	}
	for _, f := range list {
		if !rowStatuses[f.Status] {
			f.Status = Unreadable
		}
		found.add(Finding{Status: f.Status, Tenant: shorten(f.Tenant), Seq: f.Seq, Expected: shorten(f.Expected),
			Found: shorten(f.Found), Message: shorten(f.Message)})
	}
	if len(list) == 0 {
		found.addf(FileModified,
			"diagnosed: every row is the one that was sealed; what differs is elsewhere in the file")
	}
}

func shorten(s string) string {
	if len(s) > maxDiagnosed {
		return strings.ToValidUTF8(s[:maxDiagnosed], "") + "…"
	}
	return s
}
