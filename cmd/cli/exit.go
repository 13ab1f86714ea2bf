package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/ward-health/ward/internal/postgres"
	"github.com/ward-health/ward/tenancy"
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

// exit prints what went wrong, on one line, and returns the exit code.
func (a *app) exit(err error) int {
	if err == nil {
		return exitOK
	}
	code := codeOf(err)
	if message := oneLine(err.Error()); message != "" {
		if a.asJSON {
			_ = json.NewEncoder(a.Err).Encode(map[string]any{"type": "error", "message": message, "exit": code})
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
		missing     *postgres.NotFoundError
	)
	switch {
	case errors.As(err, &usage), isCobraUsage(err):
		return exitUsage
	case errors.As(err, &coded):
		return coded.code
	case errors.As(err, &unreachable):
		return exitUnreachable
	case errors.As(err, &missing):
		return exitFailed
	}
	return exitFailed
}

// isCobraUsage knows the one usage error of cobra that has no hook.
func isCobraUsage(err error) bool { return strings.HasPrefix(err.Error(), "unknown command ") }

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
