package tui

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/ward-health/ward/audit"
	"github.com/ward-health/ward/review"
)

// term is one "key:value" of a filter, or a bare word.
type term struct{ key, value string }

// terms splits a filter into its terms. Quotes hold words together.
func terms(s string) ([]term, error) {
	var out []term
	var word strings.Builder
	quoted, any := false, false
	flush := func() {
		if any {
			key, value, ok := strings.Cut(word.String(), ":")
			if !ok {
				key, value = "", word.String()
			}
			out = append(out, term{strings.ToLower(key), value})
		}
		word.Reset()
		any = false
	}
	for _, r := range s {
		switch {
		case r == '"':
			quoted, any = !quoted, true
		case r == ' ' && !quoted:
			flush()
		default:
			word.WriteRune(r)
			any = true
		}
	}
	if quoted {
		return nil, errors.New("a quotation mark is missing")
	}
	flush()
	for _, t := range out {
		if t.value == "" && t.key != "" {
			return nil, fmt.Errorf("%s: has no value", t.key)
		}
	}
	return out, nil
}

var queueStates = review.States

const queueTerms = "state: rule: tenant: actor: sev: due: sort: mine"

// parseQueueFilter reads "state:closed rule:A0 tenant:cedar actor:x sev:critical mine".
func parseQueueFilter(s string) (review.QueueFilter, error) {
	var f review.QueueFilter
	list, err := terms(s)
	for _, t := range list {
		if err != nil {
			break
		}
		switch t.key {
		case "state":
			f.State, err = states(t.value)
		case "rule":
			f.Rule = t.value
		case "tenant":
			f.Tenant = t.value
		case "actor":
			f.Actor = t.value
		case "sev", "severity":
			f.Severity, err = severities(t.value)
		case "due":
			var days int
			if days, err = strconv.Atoi(strings.TrimSuffix(t.value, "d")); err != nil {
				err = fmt.Errorf("due:%s is no number of days", t.value)
			}
			f.Due = &days
		case "sort":
			if f.Sort = t.value; !slices.Contains(review.Sorts(), f.Sort) {
				err = fmt.Errorf("sort:%s is none of %s", t.value, strings.Join(review.Sorts(), ", "))
			}
		case "":
			if t.value != "mine" {
				err = fmt.Errorf("%q is no filter: %s", t.value, queueTerms)
			}
			f.Mine = true
		default:
			err = fmt.Errorf("%s: is not known: %s", t.key, queueTerms)
		}
	}
	if err != nil {
		return review.QueueFilter{}, err
	}
	return f, nil
}

func states(s string) ([]string, error) {
	if s == "all" {
		return queueStates, nil
	}
	var out []string
	for _, x := range strings.Split(s, ",") {
		if !slices.Contains(queueStates, x) {
			return nil, fmt.Errorf("state:%s is none of %s, all", x, strings.Join(queueStates, ", "))
		}
		out = append(out, x)
	}
	return out, nil
}

func severities(s string) ([]string, error) {
	var out []string
	for _, x := range strings.Split(s, ",") {
		switch x {
		case "crit", "critical":
			out = append(out, "critical")
		case "high", "low":
			out = append(out, x)
		case "med", "medium":
			out = append(out, "medium")
		default:
			return nil, fmt.Errorf("sev:%s is none of critical, high, medium, low", x)
		}
	}
	return out, nil
}

// eventActions is the closed list of the schema.
const eventActions = " view create modify delete export sign_in sign_out refresh refuse search open browse terminate " +
	"grant revoke claim assign note close approve" +
	" reopen escalate suppress rule_run verify prove seal_recover ship prune tokenize resolve import " +
	"backfill configure "

const auditTerms = "actor: action: outcome: table: record: patient: session: purpose: since: from: to: event:"

// parseAuditFilter reads "actor:me action:view,export outcome:denied table:patients patient:UUID since:2h". me is who
// asks.
func parseAuditFilter(s string, now time.Time, me string) (audit.Filter, error) {
	var f audit.Filter
	list, err := terms(s)
	for _, t := range list {
		if err != nil {
			break
		}
		err = auditTerm(&f, t, now, me)
	}
	if err == nil && f.From != nil && f.To != nil && !f.From.Before(*f.To) {
		err = errors.New("the time of from: is not before that of to: (nothing can match)")
	}
	if err != nil {
		return audit.Filter{}, err
	}
	return f, nil
}

func auditTerm(f *audit.Filter, t term, now time.Time, me string) (err error) {
	switch t.key {
	case "actor":
		for _, a := range strings.Split(t.value, ",") {
			if a == "me" {
				a = me
			}
			f.Actor = append(f.Actor, a)
		}
	case "action":
		f.Action, err = eventActionList(t.value)
	case "outcome":
		if f.Outcome = t.value; t.value != "ok" && t.value != "denied" {
			err = fmt.Errorf("outcome:%s is neither ok nor denied", t.value)
		}
	case "table":
		if f.RecordTable = t.value; !strings.Contains(t.value, ".") {
			f.RecordTable = "public." + t.value
		}
	case "record":
		f.RecordID, err = wholeID(t)
	case "patient":
		f.SubjectID, err = wholeID(t)
	case "session":
		f.SessionID, err = wholeID(t)
	case "purpose":
		f.Purpose = t.value
	case "event":
		f.EventIDs, err = numbers(t.value)
	case "since":
		var d time.Duration
		if d, err = span(t.value); err == nil {
			at := now.Add(-d)
			f.From = &at
		}
	case "from":
		f.From, err = when(t, now.Location())
	case "to":
		f.To, err = when(t, now.Location())
	case "":
		err = fmt.Errorf("%q is no filter: %s", t.value, auditTerms)
	default:
		err = fmt.Errorf("%s: is not known: %s", t.key, auditTerms)
	}
	return err
}

func eventActionList(s string) ([]string, error) {
	list := strings.Split(s, ",")
	for _, a := range list {
		if a == "" || strings.Contains(a, " ") || !strings.Contains(eventActions, " "+a+" ") {
			return nil, fmt.Errorf("action:%s is none of%s", a, eventActions)
		}
	}
	return list, nil
}

func wholeID(t term) (*uuid.UUID, error) {
	id, err := uuid.Parse(t.value)
	if err != nil {
		return nil, fmt.Errorf("%s: needs a whole id (y copies one)", t.key)
	}
	return &id, nil
}

func numbers(s string) ([]int64, error) {
	var out []int64
	for _, x := range strings.Split(s, ",") {
		n, err := strconv.ParseInt(x, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("event:%s is not a number", x)
		}
		out = append(out, n)
	}
	return out, nil
}

// span reads 90m, 2h, 3d or 1w.
func span(s string) (time.Duration, error) {
	unit := time.Duration(0)
	switch {
	case strings.HasSuffix(s, "d"):
		unit = 24 * time.Hour
	case strings.HasSuffix(s, "w"):
		unit = 7 * 24 * time.Hour
	}
	if unit > 0 {
		if n, err := strconv.Atoi(s[:len(s)-1]); err == nil && n > 0 && n <= 5000 {
			return time.Duration(n) * unit, nil
		}
	} else if d, err := time.ParseDuration(s); err == nil && d > 0 {
		return d, nil
	}
	return 0, fmt.Errorf("%q is no length of time: 90m, 2h, 3d, 1w", s)
}

// when reads a day, a day with a time, or RFC 3339.
func when(t term, zone *time.Location) (*time.Time, error) {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04",
		"2006-01-02"} {
		if at, err := time.ParseInLocation(layout, t.value, zone); err == nil {
			return &at, nil
		}
	}
	return nil, fmt.Errorf("%s:%s is no time: 2026-11-19, 2026-11-19T14:05 or RFC 3339", t.key, t.value)
}
