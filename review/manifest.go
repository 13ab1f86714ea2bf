package review

import (
	"bytes"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sort"
	"time"

	"github.com/google/uuid"
)

// ManifestName is the manifest's file in a bundle's directory.
const ManifestName = "manifest.json"

const manifestFormat = "ward-evidence/1"

// Manifest says what a bundle is and holds the hash of each of its files. Its own hash is what a certification names.
type Manifest struct {
	Format string `json:"format"`
	Scope
	Files []ManifestFile `json:"files"`
}

// Scope is what a bundle is about, as the database has recorded it.
type Scope struct {
	Bundle  uuid.UUID `json:"bundle"`
	Region  string    `json:"region"`
	From    time.Time `json:"from"` // inclusive
	To      time.Time `json:"to"`   // exclusive
	AsOf    time.Time `json:"as_of"`
	MadeAt  time.Time `json:"made_at"`
	MadeBy  MadeBy    `json:"made_by"`
	EventID int64     `json:"event_id"` // of its making
	Queries string    `json:"queries"`  // SHA-256 over the functions that make the lists
	// months of the period whose events the database no longer has: what rests on them is missing
	ArchiveOnly []string    `json:"archive_only"`
	Restricted  bool        `json:"restricted"` // who made it may not see sanctions
	Tenants     []ChainHead `json:"tenants"`
}

// MadeBy is who made a bundle.
type MadeBy struct {
	UserID uuid.UUID `json:"user_id"`
	Slug   string    `json:"slug"`
	Name   string    `json:"name"`
}

// ChainHead is where a clinic's chain stood at a bundle's time.
type ChainHead struct {
	ID           uuid.UUID  `json:"id"`
	Slug         string     `json:"slug"`
	Name         string     `json:"name"`
	Kind         string     `json:"kind"`
	HeadSeq      int64      `json:"head_seq"` // 0: nothing was sealed yet
	HeadHash     *string    `json:"head_hash"`
	HeadSealedAt *time.Time `json:"head_sealed_at"`
}

// ManifestFile is one list of a bundle.
type ManifestFile struct {
	Name     string   `json:"name"`
	Citation string   `json:"citation"` // section of 45 CFR
	Asks     string   `json:"asks"`
	SHA256   string   `json:"sha256"`
	Bytes    int64    `json:"bytes"`
	Rows     int      `json:"rows"` // without the header
	Columns  []string `json:"columns"`
	Note     string   `json:"note,omitempty"` // why it is empty, or not whole
}

func (m *Manifest) marshal() ([]byte, error) {
	raw, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode manifest: %w", err)
	}
	return append(raw, '\n'), nil
}

// The states of a bundle's file.
const (
	FileModified = "MODIFIED" // it is not what the manifest says
	FileMissing  = "MISSING"
	FileExtra    = "EXTRA" // the manifest does not name it
)

// EvidenceFinding is what is wrong with a bundle's file.
type EvidenceFinding struct {
	File   string `json:"file"`
	State  string `json:"state"`
	Detail string `json:"detail"`
}

// EvidenceReport is what a bundle's files are, held against its manifest.
type EvidenceReport struct {
	Valid          bool              `json:"valid"`
	ManifestSHA256 string            `json:"manifest_sha256"`
	Files          int               `json:"files"`
	Rows           int               `json:"rows"`
	Findings       []EvidenceFinding `json:"findings"`
	Manifest       Manifest          `json:"manifest"`
}

// largest bounds a manifest.
const largestManifest = 16 << 20

// plainName is a file that a manifest may name.
var plainName = regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z_-]{0,60}\.csv$`)

// VerifyEvidence holds the files of a bundle's directory against its manifest. It asks nobody else. That the manifest
// is the one that was recorded, its hash says: a certification, or the event of its making in the archive, names it.
func VerifyEvidence(dir string) (*EvidenceReport, error) {
	file, err := os.Open(filepath.Join(dir, ManifestName))
	if err != nil {
		return nil, fmt.Errorf("read manifest: %w", err)
	}
	defer file.Close()
	raw, err := io.ReadAll(io.LimitReader(file, largestManifest+1))
	if err != nil {
		return nil, fmt.Errorf("read manifest: %w", err)
	}
	if len(raw) > largestManifest {
		return nil, errors.New("read manifest: it is larger than any that ward writes")
	}
	sum := sha256.Sum256(raw)
	r := &EvidenceReport{ManifestSHA256: hex.EncodeToString(sum[:]), Findings: []EvidenceFinding{}}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&r.Manifest); err != nil {
		return nil, fmt.Errorf("read manifest: %w", err)
	}
	if r.Manifest.Format != manifestFormat {
		return nil, fmt.Errorf("read manifest: its format is not %s", manifestFormat)
	}
	if again, err := r.Manifest.marshal(); err != nil || !bytes.Equal(again, raw) {
		r.find(ManifestName, FileModified, "it is not written as ward writes it")
	}
	named := map[string]bool{ManifestName: true}
	for i := range r.Manifest.Files {
		f := &r.Manifest.Files[i]
		if !plainName.MatchString(f.Name) || named[f.Name] {
			r.find(ManifestName, FileModified, "it names a file that no bundle has, or one twice")
			continue
		}
		named[f.Name] = true
		r.check(dir, f)
	}
	for i := range EvidenceFiles {
		if name := EvidenceFiles[i].Name + ".csv"; !named[name] {
			r.find(name, FileMissing, "the manifest does not name it")
		}
	}
	if err := r.extra(dir, named); err != nil {
		return nil, err
	}
	r.Valid = len(r.Findings) == 0
	return r, nil
}

func (r *EvidenceReport) find(file, state, detail string) {
	r.Findings = append(r.Findings, EvidenceFinding{file, state, detail})
}

func (r *EvidenceReport) check(dir string, f *ManifestFile) {
	name := filepath.Join(dir, f.Name)
	if info, err := os.Lstat(name); err != nil || !info.Mode().IsRegular() {
		r.find(f.Name, FileMissing, "there is no such file")
		return
	}
	file, err := os.Open(name)
	if err != nil {
		r.find(f.Name, FileMissing, "it cannot be read")
		return
	}
	defer file.Close()
	hash, size := sha256.New(), new(counter)
	in := io.TeeReader(file, io.MultiWriter(hash, size))
	rows, head, err := countRows(in)
	if _, rest := io.Copy(io.Discard, in); rest != nil {
		err = errors.Join(err, rest)
	}
	switch {
	case hex.EncodeToString(hash.Sum(nil)) != f.SHA256 || int64(*size) != f.Bytes:
		r.find(f.Name, FileModified, "its SHA-256 is not that of the manifest")
	case err != nil:
		r.find(f.Name, FileModified, "it is no CSV")
	case rows != f.Rows || !slices.Equal(head, f.Columns):
		r.find(f.Name, FileModified, "its rows or columns are not those of the manifest")
	}
	r.Files++
	r.Rows += rows
}

func countRows(in io.Reader) (rows int, head []string, err error) {
	c := csv.NewReader(in)
	c.ReuseRecord = true
	first, err := c.Read()
	if err != nil {
		return 0, nil, fmt.Errorf("read header: %w", err)
	}
	head = slices.Clone(first)
	for ; ; rows++ {
		if _, err := c.Read(); errors.Is(err, io.EOF) {
			return rows, head, nil
		} else if err != nil {
			return rows, head, fmt.Errorf("read row: %w", err)
		}
	}
}

// extra finds files that the manifest does not name.
func (r *EvidenceReport) extra(dir string, named map[string]bool) error {
	list, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("list bundle: %w", err)
	}
	sort.Slice(list, func(i, j int) bool { return list[i].Name() < list[j].Name() })
	for _, f := range list {
		if !named[f.Name()] {
			r.find(f.Name(), FileExtra, "the manifest does not name it")
		}
	}
	return nil
}
