package tenancy

import (
	"context"
	"encoding/json"
	"fmt"

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
	var e Enrollment
	err := s.Tx(ctx, uuid.Nil, func(tx Tx) error {
		raw, err := queries.New(tx).EnrollTOTP(ctx, optional(recovery))
		if err != nil {
			return fmt.Errorf("enrol a second factor: %w", explain(err))
		}
		return json.Unmarshal(raw, &e)
	})
	return e, err
}

// ConfirmTOTP activates what this session enrolled, with its first code, and gives ten recovery codes. They are kept as
// hashes only.
func (s *Session) ConfirmTOTP(ctx context.Context, code string) ([]string, error) {
	var codes []string
	err := s.Tx(ctx, uuid.Nil, func(tx Tx) error {
		var err error
		if codes, err = queries.New(tx).ConfirmTOTP(ctx, code); err != nil {
			return fmt.Errorf("confirm the second factor: %w", explain(err))
		}
		return nil
	})
	return codes, err
}

// RemoveTOTP ends somebody else's second factor, as an administrator.
func (s *Session) RemoveTOTP(ctx context.Context, user, reason string) error {
	_, err := s.add(ctx, "remove the second factor of "+user, func(q *queries.Queries) (uuid.UUID, error) {
		return q.RemoveTOTP(ctx, queries.RemoveTOTPParams{Who: user, Reason: reason})
	})
	return err
}

// RequireSecondFactor sets whether reviewers need one: "optional" or "required".
func (s *Session) RequireSecondFactor(ctx context.Context, mode string) error {
	return s.Tx(ctx, uuid.Nil, func(tx Tx) error {
		if err := queries.New(tx).RequireSecondFactor(ctx, mode); err != nil {
			return fmt.Errorf("set the second factor to %s: %w", mode, explain(err))
		}
		return nil
	})
}
