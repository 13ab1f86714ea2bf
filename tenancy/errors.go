package tenancy

import (
	"errors"
	"fmt"

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

// rootCause drops the layers that repeat host and user.
func rootCause(err error) error {
	for {
		next := errors.Unwrap(err)
		if next == nil {
			return err
		}
		err = next
	}
}

// RefusedError says that the database did not accept an identity: why, in its words. The refusal is an event.
type RefusedError struct {
	Why string
}

func (e *RefusedError) Error() string { return "identity refused: " + e.Why }

// DeniedError says that the database refused a statement, in words for a person. Code is the SQLSTATE.
type DeniedError struct {
	Code    string
	Message string
	Hint    string
	Err     error
}

func (e *DeniedError) Error() string {
	if e.Hint != "" {
		return e.Message + " (" + e.Hint + ")"
	}
	return e.Message
}

// Unwrap gives the driver's error.
func (e *DeniedError) Unwrap() error { return e.Err }

// SQLSTATEs that ward's functions raise for callers to act on.
const (
	codeConflict   = "WARD1" // somebody changed it since
	codeSeparation = "WARD2" // separation of duties
	codeNotYours   = "WARD3" // not in a state, or not by you, to be edited
)

// ErrConflict says that the anomaly changed since the version that the caller saw. Look again, then decide.
var ErrConflict = errors.New("changed since you saw it")

// ErrSeparation says that separation of duties forbids this to this person.
var ErrSeparation = errors.New("separation of duties")

// ErrNotYours says that the anomaly is in no state to be edited by this person now.
var ErrNotYours = errors.New("not yours to edit now")

// Is lets errors.Is tell the three kinds apart.
func (e *DeniedError) Is(target error) bool {
	switch target {
	case ErrConflict:
		return e.Code == codeConflict
	case ErrSeparation:
		return e.Code == codeSeparation
	case ErrNotYours:
		return e.Code == codeNotYours
	}
	return false
}

// explain turns an error that one of ward's functions raised into words for a person. Errors of the server itself keep their message, which with
// log_error_verbosity and PostgreSQL's own rules holds no row contents under row security; the DETAIL, which might, is dropped.
func explain(err error) error {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return err
	}
	return &DeniedError{Code: pg.Code, Message: pg.Message, Hint: pg.Hint, Err: &pgconn.PgError{Severity: pg.Severity, Code: pg.Code, Message: pg.Message}}
}

// Explain is explain for the packages that run statements in a Tx of theirs.
func Explain(err error) error { return explain(err) }
