package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/ward-health/ward/archive"
	"github.com/ward-health/ward/audit"
)

type proveFlags struct {
	offline                 bool
	store, key, tenant, out string
}

func (a *app) archiveProveCmd() *cobra.Command {
	var f proveFlags
	c := &cobra.Command{
		Use: "prove EVENT", Short: "A file that proves one event to somebody who has only the public key",
		Args: cobra.ExactArgs(1), Annotations: audited("prove"),
		Long: `Makes a proof that an event is in the archive: the row, the path from it to the signed head of the log,
and that head. Of other rows it has hashes from which they cannot be guessed; it names the clinics of the part and how
many rows each has there.

The file goes to standard output, or to --out. ward archive check-proof checks it with the public key alone. The look
at the event is an event first; with --offline no database is asked and nothing is recorded.`,
		Example: `  ward archive prove 20417 --out event-20417.proof
  ward archive prove 20417 --offline --store /mnt/copy --key log.pub --tenant 0c9f4c1e-...`,
		RunE: func(cmd *cobra.Command, args []string) error {
			event, err := strconv.ParseInt(args[0], 10, 64)
			if err != nil || event < 1 {
				return usagef("an event is a number, as in the EVENT column of ward audit list, not %q", args[0])
			}
			return a.prove(cmd.Context(), event, &f)
		},
	}
	c.Flags().BoolVar(&f.offline, "offline", false, "no database, no event: the store and the key alone")
	c.Flags().StringVar(&f.store, "store", "", "where the archive is (default: the setting)")
	c.Flags().StringVar(&f.key, "key", "", "public key, or a file that holds it (default: the setting)")
	c.Flags().StringVar(&f.tenant, "tenant", "",
		"the event's clinic, for a month that only the archive has; with --offline its id")
	c.Flags().StringVar(&f.out, "out", "", "write the proof to this new file")
	return c
}

func (a *app) prove(ctx context.Context, event int64, f *proveFlags) error {
	proof, err := a.makeProof(ctx, event, f)
	switch {
	case errors.Is(err, archive.ErrNoRow):
		return fmt.Errorf("event %d is in no part of the archive: if it is recent, "+
			"it is not shipped yet (ward archive ship); if it is of another clinic, give that one with --tenant", event)
	case errors.Is(err, archive.ErrDamaged):
		return fmt.Errorf("%w: ward archive verify names every break", err)
	case err != nil:
		return explained(err)
	}
	data, err := proof.Marshal()
	if err != nil {
		return err
	}
	if f.out == "" {
		if _, err := a.Out.Write(data); err != nil {
			return fmt.Errorf("write proof: %w", err)
		}
		return nil
	}
	if err := writeNew(f.out, data, forAnybody); err != nil {
		return fmt.Errorf("write proof: %w", err)
	}
	a.say("proof of event %d in %s", event, f.out)
	return nil
}

func (a *app) makeProof(ctx context.Context, event int64, f *proveFlags) (*archive.Proof, error) {
	if !f.offline {
		session, s, done, err := a.session(ctx)
		if err != nil {
			return nil, err
		}
		defer done()
		store, key, err := a.storeAndKey(&s, f.store, f.key)
		if err != nil {
			return nil, err
		}
		return audit.Prove(ctx, session, store, event, f.tenant, a.searched(), key)
	}
	s, err := a.settings()
	if err != nil {
		return nil, err
	}
	store, key, err := a.storeAndKey(&s, f.store, f.key)
	if err != nil {
		return nil, err
	}
	if f.tenant != "" {
		id, err := uuid.Parse(f.tenant)
		if err != nil {
			return nil, usagef("--tenant with --offline is a clinic's whole id, which the archive knows it by, not %q",
				f.tenant)
		}
		f.tenant = id.String()
	}
	return archive.Prove(ctx, store, archive.RowQuery{Tenant: f.tenant, EventID: event}, a.searched(), key)
}

// storeAndKey are those of the flags, or else of the settings.
func (a *app) storeAndKey(s *Settings, store, key string) (archive.Store, archive.Key, error) {
	if store != "" {
		s.Store = store
	}
	k, err := s.verifyKeyOr(key)
	if err != nil {
		return nil, k, err
	}
	st, err := s.store()
	return st, k, err
}

// searched shows on a terminal how many parts have been searched.
func (a *app) searched() func(done, all int) {
	if !a.Terminal() {
		return nil
	}
	return func(done, all int) {
		if all > 1 {
			a.tell("\r\x1b[Ksearched %d of %d parts", done, all)
		}
		if done == all && all > 1 {
			a.tell("\r\x1b[K")
		}
	}
}

// The permissions of a file that writeNew makes.
const (
	forAnybody = 0o644 // a proof, which is made to be handed on
	forOneself = 0o600 // what an anomaly has attached
)

// writeNew creates a file; it replaces none.
func writeNew(name string, data []byte, permissions os.FileMode) error {
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, permissions)
	if err != nil {
		return err //nolint:wrapcheck // the caller says what for
	}
	_, err = file.Write(data)
	if err = errors.Join(err, file.Close()); err != nil {
		_ = os.Remove(name)
	}
	return err
}

func (a *app) archiveCheckProofCmd() *cobra.Command {
	var keyText string
	c := &cobra.Command{
		Use: "check-proof FILE", Short: "Check a proof with the public key alone", Args: cobra.ExactArgs(1),
		Annotations: exempt("reads a file that somebody was given; no database or store is asked"),
		Long: `Checks a file that ward archive prove made: - reads it from standard input. Exit 0: the log whose
signed head is in the file contains the row. Exit 3: it does not, or the head was signed by another key. Whether the
archive holds further rows, a proof of one cannot say.`,
		RunE: func(_ *cobra.Command, args []string) error {
			s, err := a.settings()
			if err != nil {
				return err
			}
			key, err := s.verifyKeyOr(keyText)
			if err != nil {
				return err
			}
			data, err := a.proofFile(args[0])
			if err != nil {
				return err
			}
			report, err := archive.CheckProof(data, key)
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			if err := one(a, report, proofText(report, key)); err != nil {
				return err
			}
			switch report.Verdict {
			case archive.Valid:
				return nil
			case archive.NotProven:
				return codeError{code: exitNotProven}
			}
			return codeError{code: exitProblem}
		},
	}
	c.Flags().StringVar(&keyText, "key", "", "public key, or a file that holds it (default: the setting)")
	a.jsonFlag(c)
	return c
}

func (a *app) proofFile(name string) ([]byte, error) {
	if name != "-" {
		data, err := readSmall(name)
		if err != nil {
			return nil, usagef("read proof: %w", err)
		}
		return data, nil
	}
	data, err := io.ReadAll(io.LimitReader(a.In, maxSmall))
	if err != nil {
		return nil, fmt.Errorf("read proof: %w", err)
	}
	return data, nil
}

// proofText says what was proven, in words.
func proofText(r *archive.ProofReport, key archive.Key) string {
	var b strings.Builder
	for _, f := range r.Findings {
		fmt.Fprintf(&b, "%s\n", clean(f.String()))
	}
	row := &r.Row
	text := func(s *string) string {
		if s == nil {
			return "-"
		}
		return clean(*s)
	}
	if r.Verdict != archive.Valid {
		fmt.Fprintf(&b, "%s: this file proves nothing about event %d", r.Verdict, row.EventID)
		return b.String()
	}
	at := func(micros int64) string {
		return time.UnixMicro(micros).UTC().Format("2006-01-02 15:04:05.000000 UTC")
	}
	fmt.Fprintf(&b, "valid: row %d of tenant %s is in the log %s\n", row.Seq, clean(row.TenantID), r.Head.Origin)
	fmt.Fprintf(&b, "event      %d, recorded %s, sealed %s\n", row.EventID, at(row.RecordedAt), at(row.SealedAt))
	fmt.Fprintf(&b, "action     %s, %s, by user %s (%s)\n", clean(row.Action), clean(row.Outcome), text(row.UserID),
		clean(row.ActorKind))
	fmt.Fprintf(&b, "record     %s %s, patient %s, purpose %s\n", text(row.RecordTable), text(row.RecordID),
		text(row.SubjectID), text(row.Purpose))
	fmt.Fprintf(&b, "in         %s\n", r.Part)
	fmt.Fprintf(&b, "signed     a log of %d entries, key %s\n", r.Head.Size, key.Fingerprint())
	b.WriteString("not proven whether there are other rows, or whether this log is the newest")
	return b.String()
}
