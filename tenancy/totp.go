package tenancy

import (
	"context"
	"encoding/json"

	"github.com/google/uuid"

	"github.com/ward-health/ward/queries"
)

// Enrollment is the secret of a second factor that waits for its first code. It is shown once.
type Enrollment struct {
	Secret string `json:"secret"` // base32, 160 bits
	URI    string `json:"uri"`    // otpauth://totp/..., what an authenticator reads as a QR code
}

// EnrollTOTP begins an enrolment of who is signed in (RFC 6238: SHA-1, 30 s, six digits). It counts for nothing until
// ConfirmTOTP. recovery is one of the user's recovery codes, to replace an enrolment that is active; empty otherwise.
func (s *Session) EnrollTOTP(ctx context.Context, recovery string) (Enrollment, error) {
	return CallJSON[Enrollment](ctx, s, "enrol a second factor",
		func(q *queries.Queries) (json.RawMessage, error) { return q.EnrollTOTP(ctx, optional(recovery)) })
}

// ConfirmTOTP activates what this session enrolled, with its first code, and gives ten recovery codes. They are kept as
// hashes only.
func (s *Session) ConfirmTOTP(ctx context.Context, code string) ([]string, error) {
	return Call(ctx, s, "confirm the second factor",
		func(q *queries.Queries) ([]string, error) { return q.ConfirmTOTP(ctx, code) })
}

// RemoveTOTP ends somebody else's second factor, as an administrator.
func (s *Session) RemoveTOTP(ctx context.Context, user, reason string) error {
	_, err := Call(ctx, s, "remove the second factor of "+user, func(q *queries.Queries) (uuid.UUID, error) {
		return q.RemoveTOTP(ctx, queries.RemoveTOTPParams{Who: user, Reason: reason})
	})
	return err
}

// RequireSecondFactor sets whether reviewers need one: "optional" or "required".
func (s *Session) RequireSecondFactor(ctx context.Context, mode string) error {
	return s.do(ctx, "set the second factor to "+mode,
		func(q *queries.Queries) error { return q.RequireSecondFactor(ctx, mode) })
}
