package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ward-health/ward/controls"
)

// protectOptions are the flags of ward protect. Where a flag says COLUMN it may say TABLE=COLUMN, for one table of
// several.
type protectOptions struct {
	subject, open, permit []string
	plan, goose           bool
	write                 string
	tenant, tenantMap     string
	tenantColumn          []string
}

func (a *app) protectCmd() *cobra.Command {
	var o protectOptions
	c := &cobra.Command{
		Use: "protect TABLE...", Short: "Put tables under row security, disclosure and write audit",
		Args:        cobra.MinimumNArgs(1),
		Annotations: exempt("a change of the schema by the privileged login, like a migration"),
		Long: `As the tables' owner or a superuser. Names everything that stands in the way, and then changes nothing.

For tables that hold rows already: --plan says of each obstacle why it is one and which statements remove it, and
--write makes them one migration, which also protects the tables. Tables that refer to the named ones come along.
Which clinic a row belongs to is yours to say; nothing is guessed.

Exit status: 0 protected, planned without an obstacle, or written; 1 refused; 2 wrong call; 3 --plan found obstacles,
or --write found one that no statement removes.`,
		Example: `  ward protect public.visits --subject patient_id --permit clinician=view,create,modify
  ward protect public.patients --plan --tenant-column org_id --tenant-map 'public.orgs(id=ward_tenant)'
  ward protect public.patients --write 0042_protect.sql --tenant cedar ` +
			`--subject public.patients=id --subject patient_id`,
		RunE: func(cmd *cobra.Command, args []string) error {
			url, err := a.privileged()
			if err != nil {
				return err
			}
			wish, err := o.wish(args)
			if err != nil {
				return err
			}
			if o.plan || o.write != "" {
				return a.planProtect(cmd.Context(), url, &o, wish)
			}
			if o.tenant != "" || o.tenantMap != "" || o.tenantColumn != nil || o.goose {
				return usagef("--tenant, --tenant-column, --tenant-map and --goose belong to --plan and --write")
			}
			return a.protect(cmd.Context(), url, wish)
		},
	}
	f := c.Flags()
	f.StringArrayVar(&o.subject, "subject", nil,
		"the column that names the patient, id for the patients themselves; or TABLE=COLUMN (repeatable)")
	f.StringSliceVar(&o.open, "open", nil, "columns that are not PHI; or TABLE=COLUMN")
	f.StringArrayVar(&o.permit, "permit", nil, "role=action,action: who may do what (repeatable)")
	f.BoolVar(&o.plan, "plan", false, "change nothing: say what stands in the way, why, and what removes it")
	f.StringVar(&o.write, "write", "",
		"change nothing: write the migration that does all of it to this file (- for standard output)")
	f.BoolVar(&o.goose, "goose", false, "write it for goose, which opens the transaction itself")
	f.StringVar(&o.tenant, "tenant", "", "every row belongs to this clinic (slug or id)")
	f.StringArrayVar(&o.tenantColumn, "tenant-column", nil, "the column that says which clinic a row belongs to, "+
		"or that refers to a row that does; or TABLE=COLUMN (repeatable)")
	f.StringVar(&o.tenantMap, "tenant-map", "",
		"TABLE(COLUMN=CLINIC): a table of yours that translates what the tenant column holds into a clinic's id")
	a.jsonFlag(c)
	return c
}

var tenantMapForm = regexp.MustCompile(`^(.+)\(([^=()]+)=([^=()]+)\)$`)

// wish reads the flags.
func (o *protectOptions) wish(tables []string) (controls.Wish, error) {
	w := controls.Wish{Tables: tables, Tenant: o.tenant, Subject: map[string]string{},
		TenantColumn: map[string]string{}, Open: map[string][]string{}}
	for _, s := range o.subject {
		table, column := ofTable(s)
		w.Subject[table] = column
	}
	for _, s := range o.tenantColumn {
		table, column := ofTable(s)
		w.TenantColumn[table] = column
	}
	for _, s := range o.open {
		table, column := ofTable(s)
		w.Open[table] = append(w.Open[table], column)
	}
	for _, p := range o.permit {
		role, actions, ok := strings.Cut(p, "=")
		if !ok {
			return w, usagef("--permit is role=action,action, not %q", p)
		}
		w.Permit = append(w.Permit, controls.Permission{Role: role, Actions: strings.Split(actions, ",")})
	}
	if o.tenantMap != "" {
		m := tenantMapForm.FindStringSubmatch(o.tenantMap)
		if m == nil {
			return w, usagef("--tenant-map is TABLE(COLUMN=CLINIC), not %q", o.tenantMap)
		}
		w.TenantMap = &controls.TenantMap{Table: strings.TrimSpace(m[1]), From: strings.TrimSpace(m[2]),
			To: strings.TrimSpace(m[3])}
	}
	return w, nil
}

// ofTable splits TABLE=COLUMN; a COLUMN alone is every table's.
func ofTable(s string) (table, column string) {
	if t, c, ok := strings.Cut(s, "="); ok {
		return t, c
	}
	return "", s
}

// planProtect prints a plan, writes its migration, or both.
func (a *app) planProtect(ctx context.Context, url string, o *protectOptions, wish controls.Wish) error {
	db, err := known(ctx, url)
	if err != nil {
		return err
	}
	defer db.Close()
	plan, err := controls.PlanProtect(ctx, db.Pool(), wish)
	if err != nil {
		return err
	}
	if o.plan {
		if err := a.printPlan(plan); err != nil {
			return err
		}
	}
	unsolved := plan.Unsolved()
	if o.write == "" {
		if len(plan.Obstacles) > 0 {
			return codeError{code: exitProblem}
		}
		return nil
	}
	if len(unsolved) > 0 {
		if !o.plan {
			for _, u := range unsolved {
				a.say("%s: %s", u.Table, u.Why)
			}
		}
		return codeError{exitProblem, "no migration was written: what stands above is for a person to settle first"}
	}
	if o.write == "-" {
		_, err = fmt.Fprint(a.Out, plan.SQL(o.goose))
	} else {
		err = os.WriteFile(o.write, []byte(plan.SQL(o.goose)), 0o600)
	}
	if err != nil {
		return fmt.Errorf("write the migration: %w", err)
	}
	for _, n := range plan.Notes {
		a.say("%s: %s", n.Table, n.Text)
	}
	a.say("the migration protects %s; read it, try it on a copy, then run it with psql -f",
		strings.Join(plan.Tables, ", "))
	return nil
}

func (a *app) printPlan(plan *controls.Plan) error {
	if a.asJSON {
		if err := json.NewEncoder(a.Out).Encode(plan); err != nil {
			return fmt.Errorf("write result: %w", err)
		}
		return nil
	}
	var b strings.Builder
	for _, o := range plan.Obstacles {
		fmt.Fprintf(&b, "%s: %s\n", o.Table, clean(o.Why))
		for _, s := range o.Remedy {
			fmt.Fprintf(&b, "    %s;\n", clean(s))
		}
		if len(o.Remedy) == 0 {
			b.WriteString("    (yours to settle: no statement can)\n")
		}
	}
	for _, n := range plan.Notes {
		fmt.Fprintf(&b, "note: %s: %s\n", n.Table, clean(n.Text))
	}
	if len(plan.Obstacles) == 0 {
		fmt.Fprintf(&b, "nothing stands in the way of protecting %s\n", strings.Join(plan.Tables, ", "))
	}
	if _, err := fmt.Fprint(a.Out, b.String()); err != nil {
		return fmt.Errorf("write result: %w", err)
	}
	return nil
}

// protect protects the named tables in one transaction: all of them or none.
func (a *app) protect(ctx context.Context, url string, wish controls.Wish) error {
	db, err := known(ctx, url)
	if err != nil {
		return err
	}
	defer db.Close()
	if err := controls.Protect(ctx, db.Pool(), wish); err != nil {
		return err
	}
	for _, table := range wish.Tables {
		a.say("%s is protected: read it as phi.%s after a disclosure", table, strings.TrimPrefix(table, "public."))
	}
	return nil
}
