package tenancy

// Code names the kind of a refusal. It is stable: programs act on it, also through "code" with --json. The texts beside
// it are for people and may change.
type Code string

// The kinds of refusals.
const (
	CodeConflict           Code = "conflict"             // somebody changed it since: look again, then decide
	CodeSeparation         Code = "separation_of_duties" // another person has to do this
	CodeConflictOfInterest Code = "conflict_of_interest" // it is about the person who asks, or a patient they are
	CodeNotYours           Code = "not_yours"            // somebody else has the anomaly
	CodeNoLease            Code = "no_lease"             // never taken, or over: claim or open it again
	CodeMustEnroll         Code = "second_factor_required"
	CodeNotSignedIn        Code = "not_signed_in" // no identity, or one that was refused
	CodeNotPermitted       Code = "not_permitted"
	CodeWrongState         Code = "wrong_state" // what it is about does not allow this now
	CodeNotFound           Code = "not_found"   // or out of reach: the two look alike
	CodeAlreadyExists      Code = "already_exists"
	CodeInUse              Code = "in_use"
	CodeInvalidValue       Code = "invalid_value"
	CodeLimit              Code = "limit"
	CodeWrongTransaction   Code = "wrong_transaction" // its isolation level, or what the session holds
	CodeTryAgain           Code = "try_again"         // the same call may succeed now
	CodeTimeout            Code = "timeout"
	CodeDatabase           Code = "database" // an error of PostgreSQL's own: see SQLSTATE
)

// Refusal says why an identity was refused. It is stable: programs act on it, also through "reason" with --json.
// tenancy.begin, tenancy.ask and signing in answer "code: sentence".
type Refusal string

// Why tenancy.begin and tenancy.ask refuse a token. Signing in and refreshing use some of them too.
const (
	RefusedSignature    Refusal = "bad_signature"   // of no key that is valid here
	RefusedExpired      Refusal = "token_expired"   // refresh it
	RefusedNotIssued    Refusal = "not_issued"      // by a sign-in or refresh that has committed
	RefusedMismatch     Refusal = "token_mismatch"  // with its session
	RefusedRevoked      Refusal = "session_revoked" // signed out, or ended by somebody
	RefusedSessionEnd   Refusal = "session_expired" // sign in again
	RefusedDisabled     Refusal = "user_disabled"
	RefusedMembership   Refusal = "membership_ended"  // terminated
	RefusedNoGrant      Refusal = "no_grant"          // a reviewer's
	RefusedApplication  Refusal = "wrong_application" // another one's token, or audience
	RefusedRegion       Refusal = "wrong_region"      // the clinic lives in another one
	RefusedClock        Refusal = "clock_back"        // the clock of the server has gone back
	RefusedTransaction  Refusal = "transaction_unfit" // not READ COMMITTED, or it has an identity
	RefusedConnection   Refusal = "session_unfit"     // it holds what an earlier user of it may have left
	RefusedStatement    Refusal = "statement_unfit"   // begin was not a select of its own
	RefusedSecretInText Refusal = "secret_in_query"   // a token, password or secret was no bind parameter
)

// Why signing in and refreshing are refused.
const (
	RefusedNotAccepted    Refusal = "not_accepted" // one answer for whoever is not signed in
	RefusedTicket         Refusal = "unknown_ticket"
	RefusedRefresh        Refusal = "refresh_refused" // sign in again
	RefusedIdentityToken  Refusal = "not_an_identity_token"
	RefusedIssuer         Refusal = "unknown_issuer"
	RefusedKey            Refusal = "unknown_key" // the issuer's keys were not fetched lately
	RefusedClient         Refusal = "wrong_client"
	RefusedProviderFactor Refusal = "provider_factor_missing"
	RefusedProviderClock  Refusal = "clock_wrong" // the provider's, or the server's
	RefusedTokenUsed      Refusal = "token_used"  // an identity token works once
	RefusedNotLinked      Refusal = "not_linked"  // nobody here is who the identity token names
)

// outdated says that a fresh token may be accepted: this one is of a signing key that was retired before its time, or
// of a session that has refreshed often since.
func (r Refusal) outdated() bool { return r == RefusedSignature || r == RefusedNotIssued }

// codes maps SQLSTATEs to kinds. WARD1 to WARD6 are ward's own; the others are PostgreSQL's, which ward's functions
// raise in the sense that PostgreSQL gives them. A test holds every errcode in queries/functions to this table.
var codes = map[string]Code{
	"WARD1": CodeConflict,
	"WARD2": CodeSeparation,
	"WARD3": CodeNotYours,
	"WARD4": CodeMustEnroll,
	"WARD5": CodeNoLease,
	"WARD6": CodeConflictOfInterest,

	"02000": CodeNotFound,
	"22001": CodeInvalidValue, // string_data_right_truncation
	"22003": CodeInvalidValue, // numeric_value_out_of_range
	"22004": CodeInvalidValue, // null_value_not_allowed
	"22007": CodeInvalidValue, // invalid_datetime_format
	"22008": CodeInvalidValue, // datetime_field_overflow
	"22023": CodeInvalidValue, // invalid_parameter_value
	"22P02": CodeInvalidValue, // invalid_text_representation
	"22P03": CodeInvalidValue, // invalid_binary_representation
	"23502": CodeInvalidValue, // not_null_violation
	"23503": CodeInUse,        // foreign_key_violation
	"23505": CodeAlreadyExists,
	"23514": CodeInvalidValue, // check_violation
	"25000": CodeWrongTransaction,
	"25001": CodeWrongTransaction,
	"25006": CodeWrongTransaction, // read_only_sql_transaction
	"28000": CodeNotSignedIn,
	"40001": CodeTryAgain, // serialization_failure
	"40P01": CodeTryAgain, // deadlock_detected
	"42501": CodeNotPermitted,
	"42703": CodeNotFound, // undefined_column
	"42704": CodeNotFound, // undefined_object
	"54000": CodeLimit,
	"55000": CodeWrongState,
	"55P03": CodeTryAgain, // lock_not_available
	"57014": CodeTimeout,  // query_canceled
}

func codeOf(sqlstate string) Code {
	if code, ok := codes[sqlstate]; ok {
		return code
	}
	return CodeDatabase
}

// kindError is a kind of refusal that callers tell apart with errors.Is.
type kindError struct {
	code Code
	text string
}

func (e *kindError) Error() string { return e.text }

// Kinds of refusals that a caller acts on, for errors.Is.
var (
	// ErrConflict says that the anomaly is no longer at the version that the caller expected.
	ErrConflict error = &kindError{CodeConflict, "changed since the expected version"}
	// ErrSeparation says that separation of duties forbids this to this person.
	ErrSeparation error = &kindError{CodeSeparation, "separation of duties"}
	// ErrConflictOfInterest says that the matter is about this person, or about a patient who they are.
	ErrConflictOfInterest error = &kindError{CodeConflictOfInterest, "conflict of interest"}
	// ErrNotYours says that somebody else has the anomaly.
	ErrNotYours error = &kindError{CodeNotYours, "somebody else has it"}
	// ErrNoLease says that this needs a lease that was never taken or is over: on an anomaly, or on a clinic's events.
	ErrNoLease error = &kindError{CodeNoLease, "no lease"}
	// ErrWrongState says that the state of what it is about does not allow this now.
	ErrWrongState error = &kindError{CodeWrongState, "not in this state"}
	// ErrMustEnroll says that reviewers here need a second factor and this session has shown none.
	ErrMustEnroll error = &kindError{CodeMustEnroll, "a second factor is required here and this session has shown none"}
)
