package archive

import (
	"crypto/sha256"
	"encoding/binary"
	"strings"
)

// Domain strings: the first bytes of everything that is hashed here, so that the bytes of one kind can never be read as
// another kind.
const (
	rowDomain     = "ward-audit-row/v1\x00"
	genesisDomain = "ward-audit-genesis/v1\x00"
)

// Hash is a SHA-256.
type Hash = [sha256.Size]byte

// Nonce is 16 random bytes.
type Nonce [16]byte

// Row is one sealed event and one row of a part. The order of the fields is the order of the columns and, after
// TenantID and Seq, the order in which they are hashed. A nil pointer is SQL NULL, which is not the same as the empty
// string.
type Row struct {
	// TenantID is the tenant's uuid in the text form that is stored.
	TenantID string `parquet:"tenant_id,dict"`
	// Seq is the row's place in its tenant's chain: gapless, from 1.
	Seq int64 `parquet:"seq,delta"`
	// SealedAt is when the row got its place, in microseconds since 1970 UTC. Its month decides the month of the part.
	SealedAt int64 `parquet:"sealed_at,delta,timestamp(microsecond)"`
	// EventID is the event's id in the database.
	EventID int64 `parquet:"event_id,delta"`
	// RecordedAt is the database's clock when the event was written, in microseconds since 1970 UTC.
	RecordedAt int64 `parquet:"recorded_at,delta,timestamp(microsecond)"`
	// OccurredAt is what an imported log claims, in microseconds since 1970 UTC.
	OccurredAt *int64 `parquet:"occurred_at,optional,timestamp(microsecond)"`
	// UserID is who did it.
	UserID *string `parquet:"user_id,optional,dict"`
	// ActorKind is what kind of user that was.
	ActorKind string `parquet:"actor_kind,dict"`
	// SessionID is the session it was done in.
	SessionID *string `parquet:"session_id,optional,dict"`
	// MembershipID is the membership it was done under.
	MembershipID *string `parquet:"membership_id,optional,dict"`
	// DisclosureID is the disclosure that permitted it.
	DisclosureID *string `parquet:"disclosure_id,optional,dict"`
	// Action is one of the closed list of actions.
	Action string `parquet:"action,dict"`
	// Outcome is ok or denied.
	Outcome string `parquet:"outcome,dict"`
	// RecordTable is the table of the record it was done to.
	RecordTable *string `parquet:"record_table,optional,dict"`
	// RecordID is that record's id.
	RecordID *string `parquet:"record_id,optional,dict"`
	// SubjectID is the patient that the record is about.
	SubjectID *string `parquet:"subject_id,optional,dict"`
	// Purpose is why.
	Purpose *string `parquet:"purpose,optional,dict"`
	// Detail is the stored JSON text, to the byte.
	Detail *string `parquet:"detail,optional"`
	// Source is the program that wrote the event.
	Source string `parquet:"source,dict"`
	// Nonce was drawn when the row was sealed. It keeps the hashes that a [Proof] shows of other rows from confirming a
	// guess of what those rows say.
	Nonce Nonce `parquet:"nonce"`
	// Hash is RowHash of this row and of the hash of the row before it in its tenant's chain.
	Hash Hash `parquet:"hash"`
}

// AppendCanonical appends canonical row v1 to dst, the bytes whose SHA-256 is the row's hash:
//
//	"ward-audit-row/v1" 0x00
//	previous hash                32 bytes
//	tenant_id                    u32be length, bytes
//	seq                          i64be
//	18 fields, sealed_at to nonce, in the order of [Row], each either
//	  0x00                       NULL
//	  0x01 u32be length, bytes   a value; text as stored, integers and times as i64be of length 8
//
// Row.Hash is not part of it.
func AppendCanonical(dst []byte, prev Hash, r *Row) []byte {
	dst = append(dst, rowDomain...)
	dst = append(dst, prev[:]...)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(r.TenantID)))
	dst = append(dst, r.TenantID...)
	dst = binary.BigEndian.AppendUint64(dst, uint64(r.Seq))
	dst = appendInt(dst, r.SealedAt)
	dst = appendInt(dst, r.EventID)
	dst = appendInt(dst, r.RecordedAt)
	if r.OccurredAt == nil {
		dst = append(dst, 0)
	} else {
		dst = appendInt(dst, *r.OccurredAt)
	}
	dst = appendOptional(dst, r.UserID)
	dst = appendText(dst, r.ActorKind)
	dst = appendOptional(dst, r.SessionID)
	dst = appendOptional(dst, r.MembershipID)
	dst = appendOptional(dst, r.DisclosureID)
	dst = appendText(dst, r.Action)
	dst = appendText(dst, r.Outcome)
	dst = appendOptional(dst, r.RecordTable)
	dst = appendOptional(dst, r.RecordID)
	dst = appendOptional(dst, r.SubjectID)
	dst = appendOptional(dst, r.Purpose)
	dst = appendOptional(dst, r.Detail)
	dst = appendText(dst, r.Source)
	dst = append(dst, 1, 0, 0, 0, byte(len(r.Nonce)))
	return append(dst, r.Nonce[:]...)
}

func appendInt(dst []byte, v int64) []byte {
	dst = append(dst, 1, 0, 0, 0, 8)
	return binary.BigEndian.AppendUint64(dst, uint64(v))
}

func appendText(dst []byte, s string) []byte {
	n := uint32(len(s))
	dst = append(dst, 1, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
	return append(dst, s...)
}

func appendOptional(dst []byte, s *string) []byte {
	if s == nil {
		return append(dst, 0)
	}
	return appendText(dst, *s)
}

// RowHash returns SHA-256 of the canonical row. It ignores r.Hash.
func RowHash(prev Hash, r *Row) Hash {
	var buf [1024]byte
	return sha256.Sum256(AppendCanonical(buf[:0], prev, r))
}

// Genesis returns what stands in the place of the previous hash for a tenant's row 1:
// SHA-256("ward-audit-genesis/v1" 0x00 || tenant id).
func Genesis(tenantID string) Hash {
	return sha256.Sum256([]byte(genesisDomain + tenantID))
}

// Clone returns a copy of r that shares no memory with the page that r was read from.
func (r *Row) Clone() Row {
	c := *r
	for _, s := range []*string{&c.TenantID, &c.ActorKind, &c.Action, &c.Outcome, &c.Source} {
		*s = strings.Clone(*s)
	}
	for _, p := range []**string{&c.UserID, &c.SessionID, &c.MembershipID, &c.DisclosureID, &c.RecordTable,
		&c.RecordID, &c.SubjectID, &c.Purpose, &c.Detail} {
		if *p != nil {
			s := strings.Clone(**p)
			*p = &s
		}
	}
	if r.OccurredAt != nil {
		v := *r.OccurredAt
		c.OccurredAt = &v
	}
	return c
}
