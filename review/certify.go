package review

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/ward-health/ward/queries"
	"github.com/ward-health/ward/tenancy"
)

// Certification is a reviewer's signature under a period's evidence, and, where there is one, another's approval. Each
// is an event, whose place in the archive anybody who has the public key can check (ward archive prove, check-proof).
type Certification struct {
	ID            uuid.UUID  `json:"id"`
	BundleID      uuid.UUID  `json:"bundle_id"`
	PeriodFrom    time.Time  `json:"period_from"`
	PeriodTo      time.Time  `json:"period_to"`
	AsOf          time.Time  `json:"as_of"`
	Tenants       string     `json:"tenants"`  // slugs
	Manifest      string     `json:"manifest"` // SHA-256 of the bundle's manifest
	Reviewer      string     `json:"reviewer"`
	ReviewerName  string     `json:"reviewer_name"`
	Statement     string     `json:"statement"`
	CertifiedAt   time.Time  `json:"certified_at"`
	CertifiedAs   int64      `json:"certified_as"` // event
	Approver      *string    `json:"approver"`
	ApproverName  *string    `json:"approver_name"`
	ApproveReason *string    `json:"approve_reason"`
	ApprovedAt    *time.Time `json:"approved_at"`
	ApprovedAs    *int64     `json:"approved_as"` // event
}

// Signed is a certification or approval that was recorded.
type Signed struct {
	ID       uuid.UUID `json:"id"`
	EventID  int64     `json:"event_id"`
	Manifest string    `json:"manifest,omitempty"`
}

// Certify signs a statement over the bundle in dir, as the session's person, who reviews every clinic in it. The
// bundle's files are held against its manifest first; one that was not made here, or was changed since, is not
// certified.
func Certify(ctx context.Context, s *tenancy.Session, dir, statement string) (Signed, error) {
	r, err := VerifyEvidence(dir)
	if err != nil {
		return Signed{}, err
	}
	if !r.Valid {
		return Signed{}, fmt.Errorf("%s is not what was made: %s %s, %s", dir, r.Findings[0].File, r.Findings[0].State,
			r.Findings[0].Detail)
	}
	sum, err := hex.DecodeString(r.ManifestSHA256)
	if err != nil {
		return Signed{}, fmt.Errorf("decode hash: %w", err)
	}
	signed, err := tenancy.CallJSON[Signed](ctx, s, "certify "+dir, func(q *queries.Queries) (json.RawMessage, error) {
		return q.Certify(ctx, queries.CertifyParams{Manifest: sum, Statement: statement})
	})
	signed.Manifest = r.ManifestSHA256
	return signed, err
}

// ApproveCertification approves somebody else's certification (id or its first eight characters). The error is
// tenancy.ErrSeparation for one's own.
func ApproveCertification(ctx context.Context, s *tenancy.Session, certification, reason string) (Signed, error) {
	what := "approve certification " + certification
	return tenancy.CallJSON[Signed](ctx, s, what, func(q *queries.Queries) (json.RawMessage, error) {
		return q.ApproveCertification(ctx,
			queries.ApproveCertificationParams{Certification: certification, Reason: reason})
	})
}

// Certifications lists those whose clinics are within reach, the newest first; recorded.
func Certifications(ctx context.Context, s *tenancy.Session) ([]Certification, error) {
	return tenancy.List[Certification](ctx, s, "certifications",
		func(q *queries.Queries, id uuid.UUID) error { return q.BrowseCertifications(ctx, id) },
		(*queries.Queries).Certifications)
}
