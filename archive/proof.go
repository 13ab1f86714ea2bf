package archive

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/mod/sumdb/tlog"
)

// ProofVersion is the format of proof that this package writes, and the only one it reads.
const ProofVersion = "ward-proof/v1"

// Proof shows that one row is in the archive, to somebody who has a public key and nothing else. What it says of other
// rows are hashes, which their nonces keep from confirming a guess, and, in the manifest, which tenants have how many
// rows in the part.
type Proof struct {
	Version string   `json:"version"`
	Row     ProofRow `json:"row"`
	// PrevHash is the hash of the row before in the tenant's chain.
	PrevHash HexHash `json:"prev_hash"`
	// Index is the row's place in its part, from 0. Beside are the hashes of the other rows of its block, in their
	// order, and Path is the Merkle audit path (RFC 6962 2.1.1) from the block to the manifest's root, leaf first.
	Index  int64     `json:"index"`
	Beside []HexHash `json:"beside"`
	Path   []HexHash `json:"path"`
	// Manifest is the part's manifest, to the byte, and LogPath the audit path from it to the checkpoint's root.
	Manifest string    `json:"manifest"`
	LogPath  []HexHash `json:"log_path"`
	// Checkpoint is the signed head of the log of manifests.
	Checkpoint string `json:"checkpoint"`
	// Keys are the signed notes by which one key of the log followed another; none for a log that has had one key.
	Keys []string `json:"keys"`
}

// ProofRow is a [Row] in JSON, times in microseconds since 1970 UTC.
type ProofRow struct {
	TenantID     string  `json:"tenant_id"`
	Seq          int64   `json:"seq"`
	SealedAt     int64   `json:"sealed_at"`
	EventID      int64   `json:"event_id"`
	RecordedAt   int64   `json:"recorded_at"`
	OccurredAt   *int64  `json:"occurred_at"`
	UserID       *string `json:"user_id"`
	ActorKind    string  `json:"actor_kind"`
	SessionID    *string `json:"session_id"`
	MembershipID *string `json:"membership_id"`
	DisclosureID *string `json:"disclosure_id"`
	Action       string  `json:"action"`
	Outcome      string  `json:"outcome"`
	RecordTable  *string `json:"record_table"`
	RecordID     *string `json:"record_id"`
	SubjectID    *string `json:"subject_id"`
	Purpose      *string `json:"purpose"`
	Detail       *string `json:"detail"`
	Source       string  `json:"source"`
	Nonce        Nonce   `json:"nonce"`
	Hash         HexHash `json:"hash"`
}

func proofRow(r *Row) ProofRow {
	return ProofRow{r.TenantID, r.Seq, r.SealedAt, r.EventID, r.RecordedAt, r.OccurredAt, r.UserID, r.ActorKind,
		r.SessionID, r.MembershipID, r.DisclosureID,
		r.Action, r.Outcome, r.RecordTable, r.RecordID, r.SubjectID, r.Purpose, r.Detail, r.Source, r.Nonce,
		HexHash(r.Hash)}
}

func (p *ProofRow) row() Row {
	return Row{p.TenantID, p.Seq, p.SealedAt, p.EventID, p.RecordedAt, p.OccurredAt, p.UserID, p.ActorKind, p.SessionID,
		p.MembershipID, p.DisclosureID,
		p.Action, p.Outcome, p.RecordTable, p.RecordID, p.SubjectID, p.Purpose, p.Detail, p.Source,
		p.Nonce, Hash(p.Hash)}
}

// MarshalText returns 32 lower-case hexadecimal digits.
func (n Nonce) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, n[:]), nil }

// UnmarshalText parses what MarshalText returns.
func (n *Nonce) UnmarshalText(text []byte) error {
	b, err := hex.DecodeString(string(text))
	if err != nil || len(b) != len(n) {
		return fmt.Errorf("%w: nonce %q", errMalformed, text)
	}
	*n = Nonce(b)
	return nil
}

// Marshal returns the proof as a file.
func (p *Proof) Marshal() ([]byte, error) {
	data, err := json.MarshalIndent(p, "", " ")
	if err != nil {
		return nil, fmt.Errorf("marshalling proof: %w", err)
	}
	return append(data, '\n'), nil
}

// maxPath is more than the longest audit path that a part or a log can have, and more keys than a log will have had.
const maxPath = 64

// ParseProof reads a proof. It accepts only what [Proof.Marshal] writes, to the byte.
func ParseProof(data []byte) (Proof, error) {
	var v struct {
		Version string `json:"version"`
	}
	if err := json.Unmarshal(data, &v); err != nil {
		return Proof{}, fmt.Errorf("parsing proof: %w: %w", errMalformed, err)
	}
	if v.Version != ProofVersion {
		return Proof{}, fmt.Errorf("parsing proof: %w: %q", errUnsupported, v.Version)
	}
	var p Proof
	if err := json.Unmarshal(data, &p); err != nil {
		return Proof{}, fmt.Errorf("parsing proof: %w: %w", errMalformed, err)
	}
	again, err := p.Marshal()
	if err != nil || !bytes.Equal(again, data) {
		return Proof{}, fmt.Errorf("parsing proof: %w: not in canonical form", errMalformed)
	}
	if n := max(len(p.Beside), len(p.Path), len(p.LogPath), len(p.Keys)); n > maxPath {
		return Proof{}, fmt.Errorf("parsing proof: %w: a list of %d", errMalformed, n)
	}
	return p, nil
}

// ProofReport is the outcome of checking a proof.
type ProofReport struct {
	Verdict  Verdict   `json:"verdict"`
	Row      ProofRow  `json:"row"`
	Head     Head      `json:"head"`
	Part     string    `json:"part"`
	Findings []Finding `json:"findings"`
}

// CheckProof checks a proof against public keys that are trusted. A file that is no proof, or of a version that this
// package does not know, is an error; everything else is in the report, where a valid verdict says that the log whose
// checkpoint is in the proof contains the row, and nothing about rows that the proof leaves out.
func CheckProof(data []byte, keys ...Key) (*ProofReport, error) {
	p, err := ParseProof(data)
	if err != nil {
		return nil, err
	}
	c := proofCheck{proof: &p, report: &ProofReport{Verdict: Valid, Row: p.Row, Findings: []Finding{}}}
	c.run(keys)
	return c.report, nil
}

type proofCheck struct {
	proof    *Proof
	report   *ProofReport
	manifest Manifest
}

func (c *proofCheck) add(status, format string, args ...any) {
	f := Finding{Status: status, Region: c.report.Head.Region, Part: c.report.Part, Tenant: c.proof.Row.TenantID,
		Seq: c.proof.Row.Seq, Message: fmt.Sprintf(format, args...)}
	c.report.Findings = append(c.report.Findings, f)
	c.report.Verdict = worse(c.report.Verdict, f.Verdict())
}

func (c *proofCheck) run(keys []Key) {
	head, err := c.ring(keys).checkpoint([]byte(c.proof.Checkpoint))
	if err != nil {
		c.add(noteStatus(err), "the checkpoint: %v", err)
		return // what follows would rest on nothing
	}
	c.report.Head = head
	if c.manifest, err = ParseManifest([]byte(c.proof.Manifest)); err != nil {
		status := ManifestModified
		if errors.Is(err, errUnsupported) {
			status = Unsupported
		}
		c.add(status, "%v", err)
		return
	}
	m := &c.manifest
	c.report.Part = m.Name()
	if m.Region != head.Region {
		c.add(WrongLog, "the manifest is of region %s, the checkpoint of %s", m.Region, head.Region)
	}
	if err := checkPath(c.proof.LogPath, head.Size, head.root, m.Part-1,
		manifestLeaf([]byte(c.proof.Manifest))); err != nil {
		c.add(ManifestModified, "not the manifest number %d of the signed log", m.Part)
	}
	c.checkRow()
}

// ring is the keys that the notes lead to from those that are trusted. A note that leads nowhere counts for nothing.
func (c *proofCheck) ring(keys []Key) *ring {
	r := newRing(keys)
	for range c.proof.Keys { // in whatever order they come
		for _, data := range c.proof.Keys {
			if s, err := openSuccession([]byte(data)); err == nil && (r.find(s.old) == nil || r.find(s.next) == nil) {
				_, _ = r.take(&s)
			}
		}
	}
	return r
}

// checkRow holds the row against the manifest.
func (c *proofCheck) checkRow() {
	m, row := &c.manifest, c.proof.Row.row()
	if hash := RowHash(Hash(c.proof.PrevHash), &row); hash != row.Hash {
		c.add(RowModified, "the row's content, or the hash of the row before it, is not what its hash was made from")
	}
	if err := c.checkBlock(&row.Hash); err != nil {
		c.add(RootMismatch, "the row is not at place %d of the part", c.proof.Index)
	}
	if month := MonthOf(row.SealedAt); month != m.Month {
		c.add(WrongPeriod, "sealed in %s, in a part of %s", month, m.Month)
	}
	index, ok := m.index(row.TenantID, row.Seq)
	switch {
	case !ok:
		c.add(WrongTenant, "the part has no such row of this tenant")
	case index != c.proof.Index:
		c.add(RowReordered, "stands at place %d of the part, not at %d", c.proof.Index, index)
	}
	if s, ok := m.span(row.TenantID); ok && row.Seq == s.FirstSeq && s.PrevHash != c.proof.PrevHash {
		c.add(RowModified, "follows another row than the manifest says")
	}
}

// checkBlock checks that the row's hash is at its place in a block of the part.
func (c *proofCheck) checkBlock(row *Hash) error {
	m, p := &c.manifest, c.proof
	if p.Index < 0 || p.Index >= m.Rows {
		return errMalformed
	}
	block, at := p.Index/blockRows, int(p.Index%blockRows)
	if int64(len(p.Beside)) != min(blockRows, m.Rows-block*blockRows)-1 {
		return errMalformed
	}
	rows := make([]Hash, 0, blockRows)
	for _, h := range slices.Insert(slices.Clone(p.Beside), at, HexHash(*row)) {
		rows = append(rows, Hash(h))
	}
	return checkPath(p.Path, blocksOf(m.Rows), Hash(m.MerkleRoot), block, leafHash(rows))
}

// blocksOf is how many blocks a part's rows make.
func blocksOf(rows int64) int64 { return (rows + blockRows - 1) / blockRows }

// index returns a row's place in the part, from 0.
func (m *Manifest) index(tenant string, seq int64) (int64, bool) {
	var before int64
	for _, s := range m.Tenants {
		if s.TenantID == tenant {
			return before + seq - s.FirstSeq, seq >= s.FirstSeq && seq <= s.LastSeq
		}
		before += s.Rows
	}
	return 0, false
}

// checkPath checks an audit path from a leaf's hash to a root.
func checkPath(path []HexHash, size int64, root Hash, index int64, leaf Hash) error {
	if size < 1 || index < 0 || index >= size { // tlog panics
		return errMalformed
	}
	proof := make(tlog.RecordProof, len(path))
	for i, h := range path {
		proof[i] = tlog.Hash(h)
	}
	if err := tlog.CheckRecord(proof, size, tlog.Hash(root), index, tlog.Hash(leaf)); err != nil {
		return fmt.Errorf("audit path: %w", err)
	}
	return nil
}
