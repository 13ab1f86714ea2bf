package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ward-health/ward/review"
	"github.com/ward-health/ward/tenancy"
)

// dispositionNames are the schema's; a test holds them to it.
var dispositionNames = []string{"false_positive_rule", "explained_treatment", "explained_payment",
	"explained_operations", "authorised_service", "test_data", "duplicate", "policy_violation_no_breach",
	"impermissible_low_probability", "breach", "undetermined"}

func (a *app) dispositionsCmd() *cobra.Command {
	c := &cobra.Command{
		Use: "dispositions", Short: "What an anomaly can be closed as, and what each demands", Args: cobra.NoArgs,
		Annotations: audited("browse"),
		Long: "Fields with an alternative: those of one alternative are needed. Every closing of tier A needs " +
			"a second person.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd.Context(), func(s *tenancy.Session) error {
				rows, err := review.Dispositions(cmd.Context(), s)
				if err != nil {
					return err
				}
				if a.asJSON {
					return emit(a, rows, nil, nil)
				}
				var b strings.Builder
				for _, d := range rows {
					second := ""
					if d.SecondPerson {
						second = " (second person)"
					}
					fmt.Fprintf(&b, "%s%s: %s\n", d.Name, second, d.Note)
					for _, f := range d.Fields {
						fmt.Fprintf(&b, "  %-14s %s\n", f.Name, fieldWords(&f))
					}
				}
				return one(a, rows, strings.TrimRight(b.String(), "\n"))
			})
		},
	}
	a.jsonFlag(c)
	return c
}

func fieldWords(f *review.DispositionField) string {
	text := f.Note
	if len(f.Choices) > 0 {
		text += ": " + strings.Join(f.Choices, ", ")
	}
	switch {
	case f.Known():
		text += " (known, if it is recorded)"
	case !f.Needed:
		text += " (optional)"
	case f.Alternative != nil:
		text += " (alternative: " + *f.Alternative + ")"
	}
	return text
}

func (a *app) assessCmd() *cobra.Command {
	var x review.Assessment
	var expectedVersion int
	c := &cobra.Command{
		Use: "assess ANOMALY", Short: "Assess the four factors of 45 CFR 164.402(2)", Args: cobra.ExactArgs(1),
		Annotations: audited("note"),
		Long: `Records the four factors, each in words, and what they come to. ward queue show has what the log itself
says to the first three. The newest assessment counts; closing as breach or impermissible_low_probability rests on it.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := oneOf("outcome", []string{x.Outcome}, []string{"low_probability", "breach"}); err != nil {
				return err
			}
			return a.change(cmd.Context(), args[0], expectedVersion, "", func(ctx context.Context, s *tenancy.Session,
				anomaly string, expectedVersion int, _ string) (review.Changed, error) {
				return review.Assess(ctx, s, anomaly, expectedVersion, x)
			})
		},
	}
	c.Flags().StringVar(&x.Nature, "nature", "",
		"(i) nature and extent of the PHI, its identifiers, the likelihood of re-identification")
	c.Flags().StringVar(&x.Recipient, "recipient", "", "(ii) who used it or to whom it was disclosed")
	c.Flags().StringVar(&x.Acquired, "acquired", "", "(iii) whether it was actually acquired or viewed")
	c.Flags().StringVar(&x.Mitigated, "mitigated", "", "(iv) how far the risk has been mitigated")
	c.Flags().StringVar(&x.Outcome, "outcome", "", "low_probability or breach (needed)")
	c.Flags().IntVar(&expectedVersion, "version", 0, "the version that you saw (default: the present one)")
	offer(c, "outcome", "low_probability", "breach")
	a.jsonFlag(c)
	return c
}

func (a *app) discoveredCmd() *cobra.Command {
	var on string
	c := a.changeCmd("discovered ANOMALY", "Propose another date of discovery; somebody else confirms it",
		"note", "reason",
		func(ctx context.Context, s *tenancy.Session, anomaly string, expectedVersion int,
			reason string) (review.Changed, error) {
			if on == "" {
				return review.Changed{}, usagef("--on is needed: a day like 2026-01-31")
			}
			return review.Discovered(ctx, s, anomaly, expectedVersion, review.Date(on), reason)
		})
	c.Long = "A breach is discovered on the first day on which it was known, " +
		"or would have been with reasonable diligence (45 CFR 164.404(a)(2)): the day it was\n" +
		"found, unless one says otherwise with a reason and another agrees (ward queue confirm)."
	c.Flags().StringVar(&on, "on", "", "the day (needed)")
	return c
}

func (a *app) confirmCmd() *cobra.Command {
	var reject bool
	c := a.changeCmd("confirm ANOMALY", "Confirm the date of discovery that another proposed", "approve", "reason",
		func(ctx context.Context, s *tenancy.Session, anomaly string, expectedVersion int,
			reason string) (review.Changed, error) {
			return review.ConfirmDiscovery(ctx, s, anomaly, expectedVersion, !reject, reason)
		})
	c.Flags().BoolVar(&reject, "reject", false, "refuse it instead")
	return c
}

func (a *app) holdCmd() *cobra.Command {
	var until string
	var written bool
	c := a.changeCmd("hold ANOMALY", "Delay the notices because a law-enforcement official asks for it", "note",
		"official", func(ctx context.Context, s *tenancy.Session, anomaly string, expectedVersion int,
			official string) (review.Changed, error) {
			if until == "" {
				return review.Changed{}, usagef("--until is needed: a day like 2026-01-31")
			}
			return review.LawHold(ctx, s, anomaly, expectedVersion, review.Date(until), written, official)
		})
	c.Long = "45 CFR 164.412: a written statement holds until the day it names, an official's word for 30 days at " +
		"most. The federal dates move, those of a contract\nor a State's law do not."
	c.Flags().Lookup("official").Usage = "who asks (needed)"
	c.Flags().StringVar(&until, "until", "", "the last day of the hold (needed)")
	c.Flags().BoolVar(&written, "written", false, "the statement is in writing")
	return c
}

func (a *app) linkAnomaliesCmd() *cobra.Command {
	var other string
	c := a.changeCmd("link ANOMALY", "Link it with another one as related", "note", "reason",
		func(ctx context.Context, s *tenancy.Session, anomaly string, _ int, reason string) (review.Changed, error) {
			if other == "" {
				return review.Changed{}, usagef("--to is needed: another anomaly")
			}
			return review.LinkAnomalies(ctx, s, anomaly, other, reason)
		})
	c.Flags().StringVar(&other, "to", "", "the other anomaly (needed)")
	return c
}

func (a *app) attachCmd() *cobra.Command {
	var name string
	c := &cobra.Command{
		Use: "attach ANOMALY FILE", Short: "Attach a file, at most 5 MiB, twenty to an anomaly",
		Args: cobra.ExactArgs(2), Annotations: audited("note"),
		Long: `Keeps a file with the anomaly, by its SHA-256. FILE - reads standard input. It is never changed nor
removed, and nothing looks into it: whether PHI is in it is for you to know. Whoever reads it (ward queue file) is on
record.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			content, err := a.readUpTo(args[1], review.MaxFile)
			if err != nil {
				return err
			}
			if name == "" {
				name = filepath.Base(args[1])
			}
			if name == "-" {
				return usagef("--name is needed for what comes from standard input")
			}
			return a.change(cmd.Context(), args[0], 1, "",
				func(ctx context.Context, s *tenancy.Session, anomaly string, _ int, _ string) (review.Changed, error) {
					return review.Attach(ctx, s, anomaly, name, content)
				})
		},
	}
	c.Flags().StringVar(&name, "name", "", "what to call it (default: the file's own name)")
	a.jsonFlag(c)
	return c
}

// readUpTo reads a file, or standard input, that has at most so many bytes.
func (a *app) readUpTo(path string, most int64) (_ []byte, err error) {
	in := a.In
	if path != "-" {
		file, err := os.Open(path)
		if err != nil {
			return nil, fmt.Errorf("read the file: %w", err)
		}
		defer func() { err = errors.Join(err, file.Close()) }()
		in = file
	}
	content, err := io.ReadAll(io.LimitReader(in, most+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	if int64(len(content)) > most {
		return nil, fmt.Errorf("%s is larger than %d bytes: nothing was attached", path, most)
	}
	return content, nil
}

func (a *app) fileCmd() *cobra.Command {
	var output string
	c := &cobra.Command{
		Use: "file ANOMALY SHA256", Short: "Read an attached file, which is recorded", Args: cobra.ExactArgs(2),
		Annotations: audited("open"),
		Long: "SHA256 is the beginning of the file's hash (ward queue show). " +
			"What is written has been held against it.",
		RunE: func(cmd *cobra.Command, args []string) error {
			if output == "" {
				return usagef("--output is needed: a file that does not exist, or - for standard output")
			}
			return a.with(cmd.Context(), func(s *tenancy.Session) error {
				file, err := review.OpenAttachment(cmd.Context(), s, args[0], args[1])
				if err != nil {
					return err
				}
				if output == "-" {
					_, err = a.Out.Write(file.Content)
				} else {
					err = writeNew(output, file.Content, forOneself)
				}
				if err != nil {
					return fmt.Errorf("write the file: %w", err)
				}
				a.say("%s, %d bytes, SHA-256 %s", clean(file.Name), len(file.Content), file.SHA256)
				return nil
			})
		},
	}
	c.Flags().StringVarP(&output, "output", "o", "", "file, which must not exist; - is standard output (needed)")
	return c
}
