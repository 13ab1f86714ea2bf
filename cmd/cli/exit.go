package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/ward-health/ward/archive"
	"github.com/ward-health/ward/tenancy"
	"github.com/ward-health/ward/tui"
)

// Exit codes.
const (
	exitOK          = 0
	exitFailed      = 1 // could not run
	exitUsage       = 2
	exitProblem     = 3 // ran and found a problem
	exitUnreachable = 4
	exitNotProven   = 5
	exitInterrupted = 130
)

// usageError is a wrong call.
type usageError struct{ error }

// Unwrap gives the cause.
func (e usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// codeError is an outcome that is not a failure to run. An empty message prints nothing more: the result said it.
type codeError struct {
	code    int
	message string
}

func (e codeError) Error() string { return e.message }

var errInterrupted = codeError{exitInterrupted, "interrupted"}

// errorLine is a failure with --json, on standard error.
type errorLine struct {
	Type    string          `json:"type"`
	Code    tenancy.Code    `json:"code"`
	Reason  tenancy.Refusal `json:"reason,omitempty"` // of not_signed_in: why the identity was refused
	Message string          `json:"message"`
	Hint    string          `json:"hint,omitempty"`
	Exit    int             `json:"exit"`
}

// exit prints what went wrong, on one line, and returns the exit code.
func (a *app) exit(err error) int {
	if err == nil {
		return exitOK
	}
	code := codeOf(err)
	message := oneLine(err.Error())
	if code == exitUnreachable {
		message += ": check that its server runs, and the url (--database, WARD_DATABASE_URL or ward.yaml)"
	}
	if message != "" {
		if a.asJSON {
			_ = json.NewEncoder(a.Err).Encode(errorLine{Type: "error", Code: kindOf(err, code), Reason: reasonOf(err),
				Message: message, Hint: hintOf(err), Exit: code})
		} else {
			a.say("ward: %s", message)
		}
	}
	return code
}

func codeOf(err error) int {
	var (
		usage       usageError
		coded       codeError
		unreachable *tenancy.UnreachableError
		url         *pgconn.ParseConfigError
		verdict     *tui.VerdictError
	)
	switch {
	case errors.As(err, &usage), errors.As(err, &url), isCobraUsage(err):
		return exitUsage
	case errors.As(err, &coded):
		return coded.code
	case errors.As(err, &unreachable):
		return exitUnreachable
	case errors.As(err, &verdict) && verdict.Verdict == archive.Invalid:
		return exitProblem
	case errors.As(err, &verdict):
		return exitNotProven
	}
	return exitFailed
}

// kindOf names the kind of a failure for a program: the database's refusals by their own code, all else by the exit
// code.
func kindOf(err error, exit int) tenancy.Code {
	var (
		denied  *tenancy.DeniedError
		refused *tenancy.RefusedError
	)
	switch {
	case errors.As(err, &refused):
		return tenancy.CodeNotSignedIn
	case errors.As(err, &denied):
		return denied.Code
	}
	return map[int]tenancy.Code{exitFailed: "failed", exitUsage: "usage", exitProblem: "problem",
		exitUnreachable: "unreachable", exitNotProven: "not_proven", exitInterrupted: "interrupted"}[exit]
}

// reasonOf is why the database refused the identity, "" where it did not.
func reasonOf(err error) tenancy.Refusal {
	var refused *tenancy.RefusedError
	if errors.As(err, &refused) {
		return refused.Code
	}
	return ""
}

// hintOf is the next step, where the database said one.
func hintOf(err error) string {
	var denied *tenancy.DeniedError
	if errors.As(err, &denied) {
		return denied.Hint
	}
	return ""
}

// isCobraUsage knows the usage errors of cobra that have no hook.
func isCobraUsage(err error) bool {
	return strings.HasPrefix(err.Error(), "unknown command ") || strings.HasPrefix(err.Error(), "required flag(s) ")
}

// oneLine keeps a message on one line, except the lists that ward itself indents.
func oneLine(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	for i, l := range lines {
		if i > 0 && !strings.HasPrefix(l, "  ") {
			lines[i] = "  " + strings.TrimSpace(l)
		}
	}
	return strings.Join(lines, "\n")
}
