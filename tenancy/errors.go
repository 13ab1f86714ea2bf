package tenancy

import (
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// UnreachableError says that the database did not answer.
type UnreachableError struct {
	Where string // host, port, database and role; no password
	Err   error
}

func (e *UnreachableError) Error() string {
	return fmt.Sprintf("database unreachable (%s): %v", e.Where, rootCause(e.Err))
}

// Unwrap gives the cause.
func (e *UnreachableError) Unwrap() error { return e.Err }

// rootCause drops the layers that repeat host and user. Of several attempts, one for each address, the last one speaks.
func rootCause(err error) error {
	for {
		var next error
		if several, ok := err.(interface{ Unwrap() []error }); ok {
			if all := several.Unwrap(); len(all) > 0 {
				next = all[len(all)-1]
			}
		} else {
			next = errors.Unwrap(err)
		}
		if next == nil {
			return err
		}
		err = next
	}
}

// RefusedError says that the database did not accept an identity. The refusal is an event.
type RefusedError struct {
	Code Refusal // for a program
	Why  string  // a sentence, for a person
}

// refusedFor reads what tenancy.begin and signing in answer, "code: sentence".
func refusedFor(answer string) *RefusedError {
	code, why, _ := strings.Cut(answer, ": ")
	return &RefusedError{Code: Refusal(code), Why: why}
}

func (e *RefusedError) Error() string { return "identity refused: " + e.Why }

// DeniedError says that the database refused a statement, in words for a person.
type DeniedError struct {
	Code     Code   // what kind of refusal it is, for a program
	SQLSTATE string // as PostgreSQL or ward's function raised it
	Message  string
	Hint     string // what to do next; often ""
	Err      error
}

func (e *DeniedError) Error() string {
	if e.Hint != "" {
		return e.Message + " (" + e.Hint + ")"
	}
	return e.Message
}

// Unwrap gives the driver's error.
func (e *DeniedError) Unwrap() error { return e.Err }

// Is compares the kinds, so that errors.Is(err, ErrConflict) works.
func (e *DeniedError) Is(target error) bool {
	kind, ok := target.(*kindError)
	return ok && kind.code == e.Code
}

// codeCheck is PostgreSQL's check_violation.
const codeCheck = "23514"

// checks says what a violated check of the directory asks for.
var checks = map[string]string{
	"tenant_slug_check": "a clinic's short name is 1 to 40 lower-case letters, digits and hyphens, " +
		"and begins with a letter or digit",
	"tenant_name_check": "a clinic needs a name",
	"users_slug_check": "a user's short name is 1 to 40 lower-case letters, digits, dots, " +
		"hyphens and underscores, and begins with a letter or digit",
	"users_name_check":       "a user needs a name",
	"users_kind_check":       "a user is human or service",
	"users_check":            "a service account needs an owner; a user is human or service",
	"issuer_issuer_check":    "an issuer is an https:// URL without query or fragment (http only on this machine)",
	"issuer_client_id_check": "an issuer needs a client id",
	"identity_subject_check": "a subject is 1 to 255 characters",
	"application_aud_check": "an application's audience is 1 to 40 lower-case letters, digits, " +
		"hyphens and underscores, and begins with a letter",
	"region_name_check": "a region's name is 1 to 40 lower-case letters, digits and hyphens, " +
		"and begins with a letter or digit",
	"role_name_check": "a role's name is lower-case letters and underscores, and begins with a letter",
}

// explain turns an error that one of ward's functions raised into words for a person. Errors of the server itself keep
// their message, which with log_error_verbosity and PostgreSQL's own rules holds no row contents under row security;
// the DETAIL, which might, is dropped.
func explain(err error) error {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return err
	}
	message := pg.Message
	if said, ok := checks[pg.ConstraintName]; ok && pg.Code == codeCheck {
		message = said
	}
	switch pg.Code {
	case "22P02", "22P03", "22001", "22003", "22007", "22008": // the server's own words repeat the value
		message = "a value does not fit its type"
	}
	return &DeniedError{Code: codeOf(pg.Code), SQLSTATE: pg.Code, Message: message, Hint: pg.Hint,
		Err: &pgconn.PgError{Severity: pg.Severity, Code: pg.Code, Message: message}}
}
