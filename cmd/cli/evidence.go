package cli

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ward-health/ward/archive"
	"github.com/ward-health/ward/review"
	"github.com/ward-health/ward/tenancy"
)

type evidenceFlags struct {
	from, to, asOf, out string
	tenants             []string
}

func (f *evidenceFlags) period() (review.Period, error) {
	p := review.Period{Tenants: f.tenants}
	if f.from == "" || f.out == "" {
		return p, usagef("--from and --out are needed: where the period begins, and the directory to write")
	}
	for _, t := range []struct {
		flag, text string
		to         *time.Time
	}{{"from", f.from, &p.From}, {"to", f.to, &p.To}, {"as-of", f.asOf, &p.AsOf}} {
		at, err := parseTime(t.flag, t.text)
		if err != nil {
			return p, err
		}
		if at != nil {
			*t.to = *at
		}
	}
	if !p.To.IsZero() && !p.From.Before(p.To) {
		return p, usagef("--to is not after --from: nothing can lie between")
	}
	return p, nil
}

func (a *app) evidenceCmd() *cobra.Command {
	var f evidenceFlags
	c := &cobra.Command{
		Use: "evidence", Short: "What an auditor asks for about a period, as CSV files", Args: cobra.NoArgs,
		Annotations: audited("export"),
		Long: `Writes a new directory with one CSV file for each thing that OCR's audit protocol asks for
(docs/EVIDENCE.md): every row names the events or runs that it rests on. Nothing of the kind is a file with a header
alone, and the manifest says so. The manifest has the hash of each file, the heads of the clinics' chains and the
event of its making, and can be checked by anybody (ward evidence verify).

--as-of tells the period as it was known then: the same period and time give the same files to the byte. Without it
the newest sealed event decides; without --to the period ends there too. Exit 5: a month of the period is in the
archive alone, and what rests on its events is missing.`,
		Example: `  ward evidence --from 2026-07-01 --to 2026-10-01 --out q3
  ward evidence --from 2026-07-01 --to 2026-10-01 --as-of 2026-10-05 --tenant cedar --out cedar-q3 --json
  ward evidence certify q3 --statement "I reviewed the third quarter's findings and their outcomes."`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := f.period()
			if err != nil {
				return err
			}
			return a.with(cmd.Context(), func(s *tenancy.Session) error {
				b, err := review.MakeEvidence(cmd.Context(), s, p, f.out, func(name string, n, all int) {
					if a.Terminal() {
						a.tell("\r\x1b[K%d of %d: %s", n, all, name)
					}
				})
				if a.Terminal() {
					a.tell("\r\x1b[K")
				}
				if err != nil {
					return err
				}
				return a.evidence(b)
			})
		},
	}
	c.Flags().StringVar(&f.from, "from", "", "first moment of the period (RFC 3339 or YYYY-MM-DD, UTC; needed)")
	c.Flags().StringVar(&f.to, "to", "", "the period ends before this time (default: the newest seal)")
	c.Flags().StringVar(&f.asOf, "as-of", "", "as it was known at this time (default: the newest seal)")
	c.Flags().StringSliceVar(&f.tenants, "tenant", nil, "clinics (default: all within your reach)")
	c.Flags().StringVar(&f.out, "out", "", "directory to write, which must not exist (needed)")
	a.jsonFlag(c)
	c.AddCommand(a.evidenceVerifyCmd(), a.evidenceCertifyCmd(), a.evidenceApproveCmd(), a.evidenceListCmd())
	return c
}

func (a *app) evidence(b *review.Bundle) error {
	rows, empty := 0, 0
	for i := range b.Files {
		if rows += b.Files[i].Rows; b.Files[i].Rows == 0 {
			empty++
		}
	}
	text := fmt.Sprintf("%s: %d files, %d rows, %d of them empty\nperiod    %s to %s, as known at %s\nmanifest  %s\n"+
		"recorded  as events %d and %d",
		b.Dir, len(b.Files)+1, rows, empty, when(b.From), when(b.To), when(b.AsOf), b.ManifestSHA256,
		b.EventID, b.RecordedAs)
	if err := one(a, b, text); err != nil {
		return err
	}
	if len(b.ArchiveOnly) > 0 {
		a.say("not whole: events of %s are in the archive only, and what rests on them is missing",
			strings.Join(b.ArchiveOnly, ", "))
		return codeError{code: exitNotProven}
	}
	return nil
}

func (a *app) evidenceVerifyCmd() *cobra.Command {
	var manifest, key string
	var proofs []string
	c := &cobra.Command{
		Use: "verify DIR", Short: "Check a bundle's files against its manifest", Args: cobra.ExactArgs(1),
		Annotations: exempt("reads files that somebody was given; no database or store is asked"),
		Long: `Holds every file of the directory against the manifest: its SHA-256, rows and columns, and that none is
missing or added. Exit 3: something is not what was made.

The manifest's hash says whether it is the one that was recorded and certified. Give the hash that you were told with
--manifest. With --proof, give files of ward archive prove, for the events of making, certification and approval. The
public key alone then proves that each event is in the archive and names this manifest.`,
		RunE: func(_ *cobra.Command, args []string) error {
			r, err := review.VerifyEvidence(args[0])
			if err != nil {
				return usageError{err}
			}
			if manifest != "" && !strings.EqualFold(manifest, r.ManifestSHA256) {
				r.Findings = append(r.Findings, review.EvidenceFinding{File: review.ManifestName,
					State: review.FileModified, Detail: "its hash is not the one that was given"})
				r.Valid = false
			}
			for _, p := range proofs {
				if err := a.checkEvidenceProof(r, p, key); err != nil {
					return err
				}
			}
			return a.evidenceReport(r, len(proofs))
		},
	}
	c.Flags().StringVar(&manifest, "manifest", "", "SHA-256 that the manifest must have")
	c.Flags().StringSliceVar(&proofs, "proof", nil, "proofs of the events that name the manifest")
	c.Flags().StringVar(&key, "key", "", "public key for --proof, or a file that holds it (default: the setting)")
	a.jsonFlag(c)
	return c
}

// checkEvidenceProof finds out whether an event that is in the archive names the manifest.
func (a *app) checkEvidenceProof(r *review.EvidenceReport, file, keyText string) error {
	s, err := a.settings()
	if err != nil {
		return err
	}
	key, err := s.verifyKeyOr(keyText)
	if err != nil {
		return err
	}
	data, err := a.proofFile(file)
	if err != nil {
		return err
	}
	proof, err := archive.CheckProof(data, key)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	bad := func(why string) {
		r.Findings = append(r.Findings, review.EvidenceFinding{File: file, State: review.FileModified, Detail: why})
		r.Valid = false
	}
	var detail struct {
		Manifest string `json:"manifest"`
	}
	switch {
	case proof.Verdict != archive.Valid:
		bad("it proves nothing")
	case proof.Row.Source != "ward" || proof.Row.Detail == nil ||
		json.Unmarshal([]byte(*proof.Row.Detail), &detail) != nil || detail.Manifest != r.ManifestSHA256:
		bad("its event does not name this manifest")
	}
	return nil
}

func (a *app) evidenceReport(r *review.EvidenceReport, proofs int) error {
	var b strings.Builder
	for _, f := range r.Findings {
		fmt.Fprintf(&b, "%s %s: %s\n", f.State, clean(f.File), f.Detail)
	}
	m := &r.Manifest
	if r.Valid {
		fmt.Fprintf(&b, "valid: %d files, %d rows, as the manifest says\nperiod    %s to %s, as known at %s\n"+
			"made      by %s, event %d\nmanifest  %s\n", r.Files, r.Rows, when(m.From), when(m.To), when(m.AsOf),
			clean(m.MadeBy.Slug), m.EventID, r.ManifestSHA256)
		if proofs > 0 {
			fmt.Fprintf(&b, "proven    %d events of the archive name this manifest", proofs)
		} else {
			b.WriteString("not proven that this manifest was recorded: --proof or --manifest")
		}
	} else {
		b.WriteString("INVALID")
	}
	if err := one(a, r, b.String()); err != nil {
		return err
	}
	if !r.Valid {
		return codeError{code: exitProblem}
	}
	return nil
}

func (a *app) evidenceCertifyCmd() *cobra.Command {
	var statement string
	c := &cobra.Command{
		Use: "certify DIR", Short: "Sign a statement over a bundle; somebody else approves it",
		Args: cobra.ExactArgs(1), Annotations: audited("close"),
		Long: `Records, under your name, a statement over the hash of the bundle's manifest. The files are held
against the manifest first, and only a bundle that was made here, of clinics that you review, can be certified. The
event names the hash and the statement; its proof (ward archive prove EVENT) can be checked by anybody who has the
public key.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(strings.TrimSpace(statement)) < 20 {
				return usagef("--statement is needed, at least twenty characters: what you reviewed, and that you did")
			}
			return a.with(cmd.Context(), func(s *tenancy.Session) error {
				done, err := review.Certify(cmd.Context(), s, args[0], statement)
				if err != nil {
					return err
				}
				return one(a, done, fmt.Sprintf("certified as %s over manifest %s; recorded as event %d; "+
					"another approves it: ward evidence approve %s", shortID(done.ID), done.Manifest, done.EventID,
					shortID(done.ID)))
			})
		},
	}
	c.Flags().StringVar(&statement, "statement", "", "what you certify (needed)")
	a.jsonFlag(c)
	return c
}

func (a *app) evidenceApproveCmd() *cobra.Command {
	var reason string
	c := &cobra.Command{
		Use: "approve CERTIFICATION", Short: "Approve somebody else's certification", Args: cobra.ExactArgs(1),
		Annotations: audited("approve"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := needReason(reason); err != nil {
				return err
			}
			return a.with(cmd.Context(), func(s *tenancy.Session) error {
				done, err := review.ApproveCertification(cmd.Context(), s, args[0], reason)
				if err != nil {
					return err
				}
				return one(a, done, fmt.Sprintf("certification %s is approved; recorded as event %d", shortID(done.ID),
					done.EventID))
			})
		},
	}
	c.Flags().StringVar(&reason, "reason", "", "what you checked (needed)")
	a.jsonFlag(c)
	return c
}

func (a *app) evidenceListCmd() *cobra.Command {
	c := &cobra.Command{
		Use: "list", Short: "Certified periods, and whether somebody else approved them", Args: cobra.NoArgs,
		Annotations: audited("browse"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd.Context(), func(s *tenancy.Session) error {
				rows, err := review.Certifications(cmd.Context(), s)
				if err != nil {
					return err
				}
				return emit(a, rows, []string{"CERTIFICATION", "FROM", "TO", "TENANTS", "REVIEWER", "CERTIFIED",
					"APPROVED BY", "MANIFEST"}, func(c review.Certification) []string {
					return []string{shortID(c.ID), when(c.PeriodFrom), when(c.PeriodTo), c.Tenants, c.Reviewer,
						when(c.CertifiedAt), or(c.Approver, "nobody yet"), c.Manifest[:12]}
				})
			})
		},
	}
	a.jsonFlag(c)
	return c
}
