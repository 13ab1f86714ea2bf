package cli

import (
	"encoding/csv"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ward-health/ward/audit"
	"github.com/ward-health/ward/tenancy"
)

func (a *app) auditImportCmd() *cobra.Command {
	var m audit.Import
	var actors string
	c := &cobra.Command{
		Use: "import FILE", Short: "Import the history of another system, as FHIR AuditEvents or CSV",
		Args: cobra.ExactArgs(1), Annotations: audited("import"),
		Long: `Imports events of another system's log into a clinic (docs/EVENT_FORMATS.md). They say source import,
name the system, keep the time at which they happened there, and are sealed, archived and examined like all others. An
administrator imports; reviewers cannot.

The file is read whole first. Where a line is bad, or names somebody who is no user of the clinic, nothing is
imported, and the lines or names are listed (exit 3). --map names a CSV file with the columns actor,user;
--keep-unknown imports such events as nobody's, with the other system's name for the person. An import that was
interrupted goes on where it was when it is run again; what was imported before adds nothing.`,
		Example: `  ward audit import old-ehr.ndjson --format fhir --tenant cedar --system old-ehr ` +
			`--reason "moving to ward" --dry-run
  ward audit import badge.csv --format csv --tenant cedar --system badge --map people.csv ` +
			`--reason "door log of the first quarter"`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := needReason(m.Reason); err != nil {
				return err
			}
			if err := oneOf("format", []string{m.Format}, []string{audit.FormFHIR, audit.FormCSV}); err != nil {
				return err
			}
			if m.Tenant == "" {
				return usagef("--tenant is needed: the clinic whose history it is")
			}
			if !systemName.MatchString(m.System) {
				return usagef("--system is needed, a short name of the system that it comes from, such as old-ehr")
			}
			var err error
			if m.Actors, err = actorMap(actors); err != nil {
				return err
			}
			m.Path, m.Now = args[0], a.Now()
			if a.Terminal() {
				m.Progress = func(done, all int) { a.tell("\r\x1b[K%d of %d events", done, all) }
			}
			return a.with(cmd.Context(), func(s *tenancy.Session) error {
				r, err := m.Run(cmd.Context(), s)
				if err != nil {
					return err
				}
				return a.imported(r, m.KeepUnknown)
			})
		},
	}
	c.Flags().StringVar(&m.Format, "format", "", "fhir or csv (needed)")
	c.Flags().StringVar(&m.Tenant, "tenant", "", "the clinic (needed)")
	c.Flags().StringVar(&m.System, "system", "", "short name of the system that it comes from (needed)")
	c.Flags().StringVar(&m.Reason, "reason", "", "why (needed; recorded)")
	c.Flags().StringVar(&actors, "map", "",
		"CSV file with the columns actor,user: who the other system's people are here")
	c.Flags().BoolVar(&m.KeepUnknown, "keep-unknown", false,
		"import events of people who are no users here as nobody's")
	c.Flags().BoolVar(&m.DryRun, "dry-run", false, "read and check everything, import nothing")
	a.jsonFlag(c)
	return c
}

func (a *app) imported(r *audit.Imported, keepUnknown bool) error {
	var b strings.Builder
	for _, bad := range r.Bad {
		fmt.Fprintf(&b, "line %d: %s\n", bad.Line, bad.Why)
	}
	if n := r.BadLines - len(r.Bad); n > 0 {
		fmt.Fprintf(&b, "%d more lines are bad\n", n)
	}
	for _, name := range r.UnknownActors {
		fmt.Fprintf(&b, "no user of %s: %s\n", r.Tenant, clean(name))
	}
	if n := r.Unknown - len(r.UnknownActors); n > 0 {
		fmt.Fprintf(&b, "%d more people are no users of %s\n", n, r.Tenant)
	}
	refused := r.Refused(keepUnknown)
	switch {
	case refused:
		b.WriteString("nothing was imported")
	case r.DryRun:
		fmt.Fprintf(&b, "%d events could be imported; recorded as event %d", r.Events, r.EventID)
	default:
		fmt.Fprintf(&b, "%d events imported, %d had been before; recorded as event %d", r.Added,
			r.AlreadyImported, r.EventID)
	}
	if err := one(a, r, b.String()); err != nil {
		return err
	}
	if refused {
		return codeError{code: exitProblem}
	}
	return nil
}

// actorMap reads whom another system's names stand for.
func actorMap(name string) (map[string]string, error) {
	if name == "" {
		return nil, nil
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, usagef("read --map: %w", err)
	}
	defer file.Close()
	rows, err := csv.NewReader(io.LimitReader(file, 64<<20)).ReadAll()
	if err != nil {
		return nil, usagef("--map %s: %w", name, err)
	}
	if len(rows) == 0 || len(rows[0]) != 2 || rows[0][0] != "actor" || rows[0][1] != "user" {
		return nil, usagef("--map %s: its first line is not actor,user", name)
	}
	users := map[string]string{}
	for _, r := range rows[1:] {
		users[r[0]] = r[1]
	}
	return users, nil
}
