package audit

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"regexp"
	"slices"
	"time"
	"unicode"
	"unicode/utf8"
)

// Foreign is one event of another system's log, as it is imported. Ids that are no uuids become keyed hashes in the
// database.
type Foreign struct {
	Source      string    `json:"source"` // its id there: what has been imported is known by it
	At          time.Time `json:"at"`
	User        *string   `json:"user,omitempty"`  // user_id, once Actor is known to be one
	Actor       string    `json:"actor,omitempty"` // as the other system calls them
	Action      string    `json:"action"`
	Outcome     string    `json:"outcome"`
	RecordTable string    `json:"table,omitempty"`
	RecordID    string    `json:"record,omitempty"`
	PatientID   string    `json:"patient,omitempty"`
	Purpose     string    `json:"purpose,omitempty"`
	// whose record it was, where that is another clinic's: slug, id, or the other system's word
	OwnerTenant string `json:"owner,omitempty"`
	Client      string `json:"client,omitempty"`
	Server      string `json:"server,omitempty"`
}

// importable are the actions of another system that can be imported. What ward's own reviewers and worker do is not for
// others to claim.
var importable = []string{"view", "create", "modify", "delete", "export", "search", "sign_in", "sign_out"}

// tablePattern is what names a table, schema first.
var tablePattern = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,62}\.[a-z_][a-z0-9_]{0,62}$`)

// oldest and ahead bound when an event can have happened.
var oldest = time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC)

const (
	ahead       = 5 * time.Minute
	longestText = 200 // characters of a text
	maxEvent    = 1 << 20
)

// check says what is wrong with the event, never what it says.
func (f *Foreign) check(now time.Time) error {
	switch {
	case f.At.IsZero():
		return errors.New("it has no time")
	case f.At.Before(oldest) || f.At.After(now.Add(ahead)):
		return errors.New("its time is before 1990 or in the future")
	case !slices.Contains(importable, f.Action):
		return errors.New("its action is none that can be imported: view, create, modify, delete, export, search, " +
			"sign_in, sign_out")
	case f.Outcome != "ok" && f.Outcome != "denied":
		return errors.New("its outcome is neither ok nor denied")
	case f.RecordTable != "" && !tablePattern.MatchString(f.RecordTable):
		return errors.New("its table is no name of the form schema.table")
	case f.RecordID != "" && f.RecordTable == "":
		return errors.New("it has a record id and no table")
	case f.Purpose != "" && actReasons[f.Purpose] == "":
		return errors.New("its purpose is not of the closed list")
	}
	for _, text := range []string{f.Source, f.Actor, f.RecordID, f.PatientID, f.OwnerTenant, f.Client, f.Server} {
		if utf8.RuneCountInString(text) > longestText || !utf8.ValidString(text) {
			return errors.New("one of its texts is longer than 200 characters, or no UTF-8")
		}
		for _, r := range text {
			if unicode.IsControl(r) || r == utf8.RuneError {
				return errors.New("one of its texts has control characters")
			}
		}
	}
	return nil
}

// identify gives an event without an id the hash of what it says: two that say exactly the same are one.
func (f *Foreign) identify() {
	if f.Source != "" {
		return
	}
	b, err := json.Marshal(f)
	if err != nil {
		return // strings and a time always marshal
	}
	sum := sha256.Sum256(b)
	f.Source = "sha256:" + hex.EncodeToString(sum[:])
}
