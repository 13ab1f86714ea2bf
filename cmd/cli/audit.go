package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/ward-health/ward/archive"
	"github.com/ward-health/ward/audit"
	"github.com/ward-health/ward/tenancy"
)

func (a *app) auditCmd() *cobra.Command {
	return noun("audit", "A clinic's audit rows", a.auditListCmd(), a.auditUserCmd(), a.auditShowCmd(),
		a.auditExportCmd(), a.auditImportCmd())
}

// auditFlags are the filter and the reason that opening asks for.
type auditFlags struct {
	reason, ticket             string
	actors, actions            []string
	outcome, table, purpose    string
	record, patient, sessionID string
	since                      time.Duration
	from, to                   string
	limit                      int
}

func (f *auditFlags) add(c *cobra.Command) {
	c.Flags().StringVar(&f.reason, "reason", "", "why you look (needed; recorded)")
	c.Flags().StringVar(&f.ticket, "ticket", "", "ticket")
	c.Flags().StringSliceVar(&f.actors, "actor", nil, "users")
	c.Flags().StringSliceVar(&f.actions, "action", nil, "actions, e.g. view,export")
	c.Flags().StringVar(&f.outcome, "outcome", "", "ok or denied")
	c.Flags().StringVar(&f.table, "table", "", "table, e.g. patients")
	c.Flags().StringVar(&f.purpose, "purpose", "", "purpose, e.g. treatment")
	c.Flags().StringVar(&f.record, "record", "", "record id")
	c.Flags().StringVar(&f.patient, "patient", "", "patient id")
	c.Flags().StringVar(&f.sessionID, "session", "", "session id")
	c.Flags().DurationVar(&f.since, "since", 0, "no older than this, e.g. 2h")
	c.Flags().StringVar(&f.from, "from", "", "from this time on (RFC 3339 or YYYY-MM-DD, UTC)")
	c.Flags().StringVar(&f.to, "to", "", "before this time")
}

func (f *auditFlags) filter(now time.Time) (audit.Filter, error) {
	out := audit.Filter{Actor: f.actors, Action: f.actions, Outcome: f.outcome, Purpose: f.purpose}
	if err := needReason(f.reason); err != nil {
		return out, err
	}
	for _, w := range []struct {
		flag   string
		values []string
		known  []string
	}{{"action", f.actions, auditActions}, {"outcome", some(f.outcome), []string{"ok", "denied"}},
		{"purpose", some(f.purpose), auditPurposes}} {
		if err := oneOf(w.flag, w.values, w.known); err != nil {
			return out, err
		}
	}
	if out.RecordTable = f.table; f.table != "" && !strings.Contains(f.table, ".") {
		out.RecordTable = "public." + f.table
	}
	for _, id := range []struct {
		flag, text string
		to         **uuid.UUID
	}{{"record", f.record, &out.RecordID}, {"patient", f.patient, &out.SubjectID},
		{"session", f.sessionID, &out.SessionID}} {
		if id.text == "" {
			continue
		}
		v, err := uuid.Parse(id.text)
		if err != nil {
			return out, usagef("--%s takes a whole id", id.flag)
		}
		*id.to = &v
	}
	var err error
	if out.From, err = parseTime("from", f.from); err != nil {
		return out, err
	}
	if out.To, err = parseTime("to", f.to); err != nil {
		return out, err
	}
	switch {
	case f.since < 0:
		return out, usagef("--since is how long ago, e.g. 2h")
	case f.since > 0 && out.From != nil:
		return out, usagef("--since and --from both say where to begin: give one")
	case f.since > 0:
		t := now.Add(-f.since)
		out.From = &t
	}
	if out.From != nil && out.To != nil && !out.From.Before(*out.To) {
		return out, usagef("--to is not after the beginning: nothing can lie between")
	}
	return out, nil
}

// The closed lists of the schema; a test holds them to it.
var (
	auditActions = []string{"view", "create", "modify", "delete", "export", "sign_in", "sign_out", "refresh", "refuse",
		"search", "open", "browse", "terminate", "grant", "revoke", "claim", "assign", "note", "close", "approve",
		"reopen", "escalate", "suppress", "rule_run", "verify", "prove", "seal_recover", "ship", "prune", "tokenize",
		"resolve", "import",
		"backfill", "configure"}
	auditPurposes = []string{"treatment", "payment", "operations", "break_glass", "patient_request", "research",
		"audit", "system"}
)

// needReason refuses a look without a reason before anybody is bothered; the database refuses it too.
func needReason(reason string) error {
	if len(strings.TrimSpace(reason)) < 4 {
		return usagef("--reason is needed, at least four characters: it is recorded, and has to hold years later")
	}
	return nil
}

// some is a list of one word, or of none.
func some(word string) []string {
	if word == "" {
		return nil
	}
	return []string{word}
}

func parseTime(flag, text string) (*time.Time, error) {
	if text == "" {
		return nil, nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02"} {
		if t, err := time.Parse(layout, text); err == nil {
			return &t, nil
		}
	}
	return nil, usagef("--%s takes RFC 3339 or YYYY-MM-DD", flag)
}

func eventColumns(e audit.Event) []string {
	record, patient, seal := "-", "-", "UNSEALED"
	if e.RecordTable != nil {
		record = plain(*e.RecordTable)
		if e.RecordID != nil {
			record += "/" + shortID(e.RecordID)
		}
	}
	if e.PatientID != nil {
		patient = shortID(e.PatientID)
	}
	if e.Seq != nil {
		seal = "#" + strconv.FormatInt(*e.Seq, 10)
	}
	session := "-"
	if e.SessionID != nil {
		session = e.SessionID.String()[:4]
	}
	if e.From == audit.FromArchive {
		seal += " archive"
	}
	return []string{strconv.FormatInt(e.EventID, 10), when(e.RecordedAt), or(e.Actor, "unknown"), e.Action, record,
		patient, e.Outcome, or(e.Purpose, "-"), session, seal}
}

var eventHead = []string{"EVENT", "RECORDED", "ACTOR", "ACTION", "RECORD", "PATIENT", "OUTCOME", "PURPOSE",
	"SESSION", "SEAL"}

func (a *app) auditListCmd() *cobra.Command {
	var f auditFlags
	c := &cobra.Command{
		Use: "list TENANT", Short: "The newest rows of a clinic, or those that a filter leaves",
		Args: cobra.ExactArgs(1), Annotations: audited("open"),
		Example: `  ward audit list cedar --reason "triage of 4f21" --actor m.reyes --since 48h
  ward audit list cedar --reason "portal down, OPS-812" --ticket OPS-812 --outcome denied --json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			filter, err := f.filter(a.Now())
			if err != nil {
				return err
			}
			if f.limit < 1 || f.limit > 5000 {
				return usagef("--limit is 1 to 5000; ward audit export takes everything")
			}
			return a.withArchive(cmd.Context(), func(s *tenancy.Session, opener audit.ArchiveOpener) error {
				lease, err := audit.Open(cmd.Context(), s, args[0], f.reason, f.ticket, filter)
				if err != nil {
					return err
				}
				defer lease.WithArchive(opener).Close()
				events, err := lease.Older(cmd.Context(), nil, f.limit)
				missing := errors.Is(err, audit.ErrNoArchive)
				if err != nil && !missing {
					return err
				}
				if err := emit(a, events, eventHead, eventColumns); err != nil {
					return err
				}
				if missing {
					a.say("%v", err)
				}
				if len(events) == 0 {
					a.say("no event of %s passes this filter", args[0])
				}
				if len(events) == f.limit {
					a.say("newest %d shown, there may be more: --limit, or ward audit export", len(events))
				}
				return nil
			})
		},
	}
	f.add(c)
	c.Flags().IntVar(&f.limit, "limit", 100, "how many, 1 to 5000")
	a.jsonFlag(c)
	return c
}

// withArchive is with, and how to open the archive where rows are wanted that only it has.
func (a *app) withArchive(ctx context.Context, fn func(*tenancy.Session, audit.ArchiveOpener) error) error {
	session, s, done, err := a.session(ctx)
	if err != nil {
		return err
	}
	defer done()
	return explained(fn(session, func() (archive.Store, []archive.Key, error) {
		store, err := s.store()
		if err != nil {
			return nil, nil, err
		}
		key, err := s.verifyKey()
		return store, []archive.Key{key}, err
	}))
}

func (a *app) auditShowCmd() *cobra.Command {
	var reason, ticket string
	c := &cobra.Command{
		Use: "show TENANT EVENT", Short: "One audit row with all its fields", Args: cobra.ExactArgs(2),
		Annotations: audited("open"),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := strconv.ParseInt(args[1], 10, 64)
			if err != nil {
				return usagef("EVENT is a number: the first column of ward audit list")
			}
			if err := needReason(reason); err != nil {
				return err
			}
			return a.withArchive(cmd.Context(), func(s *tenancy.Session, opener audit.ArchiveOpener) error {
				lease, err := audit.Open(cmd.Context(), s, args[0], reason, ticket, audit.Filter{EventIDs: []int64{id}})
				if err != nil {
					return err
				}
				defer lease.WithArchive(opener).Close()
				events, err := lease.Older(cmd.Context(), nil, 1)
				if err != nil {
					return err
				}
				if len(events) == 0 {
					return fmt.Errorf("no event %d at %s", id, args[0])
				}
				text, err := json.MarshalIndent(events[0], "", "  ")
				if err != nil {
					return fmt.Errorf("encode event: %w", err)
				}
				return one(a, events[0], string(text))
			})
		},
	}
	c.Flags().StringVar(&reason, "reason", "", "why you look (needed; recorded)")
	c.Flags().StringVar(&ticket, "ticket", "", "ticket")
	a.jsonFlag(c)
	return c
}
