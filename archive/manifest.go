package archive

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// ManifestVersion is the format of a manifest. A recovery has [RecoveryVersion]; other versions are not read.
const ManifestVersion = "ward-manifest/v1"

var errUnsupported = errors.New("unsupported version")

// HexHash is a hash that is hexadecimal in JSON.
type HexHash Hash

// MarshalText returns 64 lower-case hexadecimal digits.
func (h HexHash) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, h[:]), nil }

// UnmarshalText parses what MarshalText returns.
func (h *HexHash) UnmarshalText(text []byte) error {
	b, err := hex.DecodeString(string(text))
	if err != nil || len(b) != len(h) {
		return fmt.Errorf("%w: hash %q", errMalformed, text)
	}
	*h = HexHash(b)
	return nil
}

// String returns the hash in hexadecimal.
func (h HexHash) String() string { return hex.EncodeToString(h[:]) }

// TenantSpan is the unbroken piece of one tenant's chain that a part holds, or, in [Log.Tail], the end of all of it.
type TenantSpan struct {
	TenantID string `json:"tenant_id"`
	Rows     int64  `json:"rows"`
	FirstSeq int64  `json:"first_seq"`
	LastSeq  int64  `json:"last_seq"`
	// PrevHash is the hash of the row before FirstSeq; for seq 1 it is Genesis.
	PrevHash HexHash `json:"prev_hash"`
	LastHash HexHash `json:"last_hash"`
}

// Manifest describes one part. Its JSON, to the byte, is a leaf of its region's log, so the log's signature covers it.
type Manifest struct {
	Version string `json:"version"`
	Region  string `json:"region"`
	Month   string `json:"month"`
	// Part is the part's number and its place in the log, from 1.
	Part int64 `json:"part"`
	// Previous is the leaf hash of the manifest before this one; of part 1 it is all zeros.
	Previous HexHash `json:"previous"`
	// Path is where the Parquet file stands; it is empty where there is none.
	Path   string  `json:"path"`
	Bytes  int64   `json:"bytes"`
	SHA256 HexHash `json:"sha256"`
	Rows   int64   `json:"rows"`
	// MerkleRoot is the root of the tree over the rows' hashes in the order of the file.
	MerkleRoot HexHash `json:"merkle_root"`
	// The least and greatest sealed_at and recorded_at, in microseconds since 1970 UTC.
	MinSealedAt   int64        `json:"min_sealed_at"`
	MaxSealedAt   int64        `json:"max_sealed_at"`
	MinRecordedAt int64        `json:"min_recorded_at"`
	MaxRecordedAt int64        `json:"max_recorded_at"`
	RetainUntil   time.Time    `json:"retain_until"`
	CreatedAt     time.Time    `json:"created_at"`
	Tenants       []TenantSpan `json:"tenants"`
	// Empty says that no row was sealed in Month; there is no Parquet file.
	Empty bool `json:"empty"`
	// Void says that the object at VoidPath has this number and is no part of the archive: it was left by an
	// interrupted run, or put there by somebody else, and a write-once store cannot delete it.
	Void     bool   `json:"void"`
	VoidPath string `json:"void_path"`
	// Recovery, which only [RecoveryVersion] has, says what the database had lost; there is no Parquet file.
	Recovery *Recovery `json:"recovery,omitempty"`
}

// ManifestPath is where the manifest itself stands.
func (m *Manifest) ManifestPath() string { return manifestPath(m.Region, m.Month, m.Part) }

// Name is the path of the part's file, or of its manifest where it has no file.
func (m *Manifest) Name() string {
	if m.Path == "" {
		return m.ManifestPath()
	}
	return m.Path
}

// Marshal returns the bytes that are stored and hashed.
func (m *Manifest) Marshal() ([]byte, error) {
	data, err := json.MarshalIndent(m, "", " ")
	if err != nil {
		return nil, fmt.Errorf("marshalling manifest %d: %w", m.Part, err)
	}
	return append(data, '\n'), nil
}

// ParseManifest reads a manifest. It accepts only what [Manifest.Marshal] writes, to the byte.
func ParseManifest(data []byte) (Manifest, error) {
	var v struct {
		Version string `json:"version"`
	}
	if err := json.Unmarshal(data, &v); err != nil {
		return Manifest{}, fmt.Errorf("parsing manifest: %w: %w", errMalformed, err)
	}
	if v.Version != ManifestVersion && v.Version != RecoveryVersion {
		return Manifest{}, fmt.Errorf("parsing manifest: %w: %q", errUnsupported, v.Version)
	}
	var m Manifest
	if err := json.Unmarshal(data, &m); err != nil {
		return Manifest{}, fmt.Errorf("parsing manifest: %w: %w", errMalformed, err)
	}
	again, err := m.Marshal()
	if err != nil || !bytes.Equal(again, data) {
		return Manifest{}, fmt.Errorf("parsing manifest: %w: not in canonical form", errMalformed)
	}
	if err := m.validate(); err != nil {
		return Manifest{}, fmt.Errorf("parsing manifest: %w: %w", errMalformed, err)
	}
	return m, nil
}

// validate checks what must hold within a manifest, whatever the part contains.
func (m *Manifest) validate() error {
	if err := errors.Join(validateRegion(m.Region), validateMonth(m.Month)); err != nil {
		return err
	}
	if (m.Version == RecoveryVersion) != (m.Recovery != nil) {
		return fmt.Errorf("version %s", m.Version)
	}
	if m.Part < 1 || m.Part > maxPart {
		return fmt.Errorf("part number %d", m.Part)
	}
	if m.Empty || m.Void || m.Recovery != nil {
		return m.validateFileless()
	}
	if m.VoidPath != "" || m.Path != parquetPath(m.Region, m.Month, m.Part) {
		return fmt.Errorf("path %q", m.Path)
	}
	if m.Rows < 1 || m.Bytes < 12 || len(m.Tenants) == 0 {
		return fmt.Errorf("%d rows, %d bytes, %d tenants", m.Rows, m.Bytes, len(m.Tenants))
	}
	var rows int64
	for i, t := range m.Tenants {
		if t.Rows < 1 || t.FirstSeq < 1 || t.LastSeq < t.FirstSeq || t.LastSeq-t.FirstSeq != t.Rows-1 {
			return fmt.Errorf("tenant %s: %d rows from %d to %d", t.TenantID, t.Rows, t.FirstSeq, t.LastSeq)
		}
		if i > 0 && m.Tenants[i-1].TenantID >= t.TenantID {
			return fmt.Errorf("tenant %s out of order", t.TenantID)
		}
		if rows += t.Rows; rows < 0 {
			return errors.New("too many rows")
		}
	}
	if rows != m.Rows {
		return fmt.Errorf("%d rows, but its tenants have %d", m.Rows, rows)
	}
	return nil
}

func (m *Manifest) validateFileless() error {
	switch {
	case m.Empty && m.Void, m.Recovery != nil && (m.Empty || m.Void):
		return errors.New("more than one of empty, void and a recovery")
	case m.Path != "" || m.Rows != 0 || m.Bytes != 0 || len(m.Tenants) != 0:
		return errors.New("has no file, but describes one")
	case m.Void && parsePath(m.VoidPath, 0).kind != objectParquet:
		return fmt.Errorf("void path %q", m.VoidPath)
	case !m.Void && m.VoidPath != "":
		return errors.New("not void, but names a void object")
	case m.Recovery != nil:
		return m.Recovery.validate()
	}
	return nil
}

// span returns the tenant's span.
func (m *Manifest) span(tenant string) (TenantSpan, bool) {
	lo, hi := 0, len(m.Tenants)
	for lo < hi {
		if mid := (lo + hi) / 2; m.Tenants[mid].TenantID < tenant {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo < len(m.Tenants) && m.Tenants[lo].TenantID == tenant {
		return m.Tenants[lo], true
	}
	return TenantSpan{}, false
}

var emptyRoot = HexHash(sha256.Sum256(nil))
