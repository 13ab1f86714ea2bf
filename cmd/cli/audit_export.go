package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"

	"github.com/spf13/cobra"

	"github.com/ward-health/ward/audit"
	"github.com/ward-health/ward/review"
	"github.com/ward-health/ward/tenancy"
)

// exportForms are the formats that ward audit export writes.
var exportForms = []string{audit.FormJSONL, audit.FormCSV, audit.FormFHIR, audit.FormOCSF}

type exportFlags struct {
	auditFlags
	output   string
	form     audit.Form
	findings bool
}

// systemName is what another system is called here.
var systemName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,39}$`)

func (f *exportFlags) check() error {
	if err := oneOf("format", some(f.form.Format), exportForms); err != nil {
		return err
	}
	ocsf := f.form.Format == audit.FormOCSF
	switch {
	case !ocsf && (f.form.System != "" || f.form.RawPatientIDs || f.findings):
		return usagef("--system, --raw-patient-ids and --findings go with --format ocsf")
	case ocsf && !systemName.MatchString(f.form.System):
		return usagef("--system is needed with ocsf, a short name of who receives it, such as siem: " +
			"patients get other names for each")
	}
	return nil
}

func (a *app) auditExportCmd() *cobra.Command {
	var f exportFlags
	c := &cobra.Command{
		Use: "export TENANT", Short: "Every row that the filter leaves, as JSON lines, CSV, FHIR or OCSF",
		Args: cobra.ExactArgs(1), Annotations: audited("export"),
		Long: `Writes one clinic's rows, newest first: jsonl and csv as they are, fhir as FHIR R4 AuditEvents, ocsf as
OCSF 1.8.0 API Activity, one object a line (docs/EVENT_FORMATS.md). The export is recorded first, with its form.

What goes to a SIEM leaves those who may know patients: with ocsf patients go by names that only that --system has for
them, and details stay out. --raw-patient-ids keeps the ids; that is on record beside the reason. --findings adds the
clinic's anomalies as Detection Findings and Incident Findings.`,
		Example: `  ward audit export cedar --reason "quarterly review" ` +
			`--from 2026-07-01 --to 2026-10-01 --format fhir -o cedar.ndjson
  ward audit export cedar --reason "nightly feed" --since 24h --format ocsf --system siem --findings`,
		RunE: func(cmd *cobra.Command, args []string) error {
			filter, err := f.filter(a.Now())
			if err != nil {
				return err
			}
			if err := f.check(); err != nil {
				return err
			}
			return a.withArchive(cmd.Context(), func(s *tenancy.Session, opener audit.ArchiveOpener) error {
				lease, err := audit.Open(cmd.Context(), s, args[0], f.reason, f.ticket, filter)
				if err != nil {
					return err
				}
				defer lease.WithArchive(opener).Close()
				if lease, err = lease.Export(cmd.Context(), filter, f.form); err != nil {
					return err
				}
				return a.toFile(f.output,
					func(w io.Writer) error { return a.export(cmd.Context(), s, lease, args[0], f.findings, w) })
			})
		},
	}
	f.add(c)
	c.Flags().StringVarP(&f.output, "output", "o", "-", "file, which must not exist; - is standard output")
	c.Flags().StringVar(&f.form.Format, "format", audit.FormJSONL, "jsonl, csv, fhir or ocsf")
	c.Flags().StringVar(&f.form.System, "system", "",
		"who receives it (ocsf): names of patients are this system's alone")
	c.Flags().BoolVar(&f.form.RawPatientIDs, "raw-patient-ids", false,
		"patients under their own ids (ocsf); say why in --reason")
	c.Flags().BoolVar(&f.findings, "findings", false, "the clinic's anomalies too (ocsf)")
	return c
}

func (a *app) export(ctx context.Context, s *tenancy.Session, lease *audit.Lease, tenant string, findings bool,
	w io.Writer) error {
	n, err := lease.Write(ctx, w)
	if err != nil {
		return err
	}
	a.say("%d rows exported", n)
	if !findings {
		return nil
	}
	if n, err = review.WriteFindings(ctx, s, lease, tenant, w); err != nil {
		return err
	}
	a.say("%d findings exported", n)
	return nil
}

// toFile gives write a new file, or standard output for "-". A file appears under its name only when it is whole.
func (a *app) toFile(output string, write func(io.Writer) error) (err error) {
	if output == "-" {
		return write(a.Out)
	}
	if _, err := os.Lstat(output); err == nil {
		return fmt.Errorf("%s exists: nothing was written", output)
	}
	part := output + ".part"
	file, err := os.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("write export: %w", err)
	}
	defer func() {
		if err = errors.Join(err, file.Close()); err == nil {
			err = os.Rename(part, output)
		} else {
			_ = os.Remove(part)
		}
	}()
	return write(file)
}
