package cli

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"github.com/ward-health/ward/internal/clinic/tables"
	"github.com/ward-health/ward/internal/postgres"
	"github.com/ward-health/ward/internal/worker"
	"github.com/ward-health/ward/queries/migrate"
	"github.com/ward-health/ward/review"
	"github.com/ward-health/ward/review/ruletest"
	"github.com/ward-health/ward/tenancy"
)

func (a *app) ruleTestCmd() *cobra.Command {
	return &cobra.Command{
		Use: "test [RULE...]", Short: "Hold rules against their own cases", Args: cobra.ArbitraryArgs,
		Annotations: exempt("runs on a private server of its own with invented data"),
		Long: `Runs the cases of ID.test.yaml, a second run over the same events, and the rule with each
term of its conditions taken out, of which a case must fail. RULE is an id or the beginning
of ids; without one the rules of rules_dir are tested, or ward's own where there are none.

Starts a private PostgreSQL server, makes a database of invented clinics for each rule, and
removes everything at the end. The installation's database is not connected to. An own rule
runs as ward_rule, as it does in the installation.

EXIT STATUS
  0  every rule passes
  1  could not run: a rule does not load, or no server can be started
  3  a rule fails`,
		Example:           "  ward rule test\n  WARD_RULES_DIR=drafts ward rule test X01 --json",
		ValidArgsFunction: a.completeRules,
		RunE: func(cmd *cobra.Command, args []string) error {
			settings, err := a.settings()
			if err != nil {
				return err
			}
			rules, err := settings.rules()
			if err != nil {
				return err
			}
			subjects, err := settings.subjects(rules, args)
			if err != nil {
				return err
			}
			return a.testRules(cmd.Context(), subjects, rules)
		},
	}
}

// completeRules offers the shipped rules and those of rules_dir, which are files.
func (a *app) completeRules(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	settings, err := a.settings()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError | cobra.ShellCompDirectiveNoFileComp
	}
	rules, err := settings.rules()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError | cobra.ShellCompDirectiveNoFileComp
	}
	return ruleIDs(rules), cobra.ShellCompDirectiveNoFileComp
}

// subjects reads the files of the rules that are asked for.
func (s *Settings) subjects(rules []review.Rule, args []string) ([]ruletest.Subject, error) {
	own := false
	for i := range rules {
		own = own || rules[i].Own
	}
	asked := map[string]bool{}
	var subjects []ruletest.Subject
	for i := range rules {
		r := &rules[i]
		wanted := len(args) == 0 && r.Own == own
		for _, arg := range args {
			if strings.HasPrefix(r.ID, arg) {
				wanted, asked[arg] = true, true
			}
		}
		if !wanted {
			continue
		}
		dir := review.ShippedFiles()
		if r.Own {
			dir = os.DirFS(s.RulesDir)
		}
		subject, err := ruletest.Load(dir, r)
		if err != nil {
			return nil, err
		}
		subjects = append(subjects, subject)
	}
	for _, arg := range args {
		if !asked[arg] {
			return nil,
				fmt.Errorf("no rule %q: ward rule list shows them, and rules_dir names the directory of your own", arg)
		}
	}
	return subjects, nil
}

// testRules tests one after the other, each in a database of its own.
func (a *app) testRules(ctx context.Context, subjects []ruletest.Subject, rules []review.Rule) error {
	a.say("starting a private server")
	cluster, remove, err := postgres.Temporary(ctx, "rules", postgres.Config{})
	if err != nil {
		return err
	}
	defer remove()
	const empty = "ward_empty"
	if err := scratchInstallation(ctx, cluster, empty); err != nil {
		return err
	}
	failed := 0
	for i := range subjects {
		a.say("%d of %d: %s", i+1, len(subjects), subjects[i].Rule.ID)
		report, err := testRule(ctx, cluster, empty, fmt.Sprintf("rule_%d", i), &subjects[i], rules)
		if err != nil {
			return err
		}
		if !report.Passed {
			failed++
		}
		if err := one(a, report, reportText(&report)); err != nil {
			return err
		}
	}
	if failed > 0 {
		return codeError{exitProblem, fmt.Sprintf("%d of %d rules fail their tests", failed, len(subjects))}
	}
	return nil
}

// scratchInstallation is an installation without anybody in it but its administrator, in a database that others are
// copied from.
func scratchInstallation(ctx context.Context, cluster *postgres.Cluster, name string) error {
	if err := onServer(ctx, cluster, "create database "+pgx.Identifier{name}.Sanitize()); err != nil {
		return err
	}
	dsn := cluster.DSN(postgres.SuperuserRole, name)
	if _, err := worker.Migrate(ctx, dsn, migrate.Options{}); err != nil {
		return err
	}
	// the tables that cases speak of, and whose rows no rule may read
	if err := tables.Install(ctx, dsn); err != nil {
		return err
	}
	db, err := tenancy.Open(ctx, dsn)
	if err != nil {
		return err
	}
	defer db.Close()
	_, err = db.Init(ctx, tenancy.Installation{Region: "test", Slug: "root", Name: "Root", Password: uuid.NewString()})
	return err
}

func testRule(ctx context.Context, cluster *postgres.Cluster, empty, name string, subject *ruletest.Subject,
	rules []review.Rule) (ruletest.Report, error) {
	quoted := pgx.Identifier{name}.Sanitize()
	// what the first migration takes from PUBLIC on the database itself does not come along with a copy
	for _, sql := range []string{"create database " + quoted + " template " + pgx.Identifier{empty}.Sanitize(),
		"revoke temporary, create on database " + quoted + " from public"} {
		if err := onServer(ctx, cluster, sql); err != nil {
			return ruletest.Report{}, err
		}
	}
	super, err := pgxpool.New(ctx, cluster.DSN(postgres.SuperuserRole, name))
	if err != nil {
		return ruletest.Report{}, fmt.Errorf("connect as superuser: %w", err)
	}
	work, err := tenancy.Open(ctx, cluster.DSN("ward_worker", name))
	if err != nil {
		super.Close()
		return ruletest.Report{}, err
	}
	report, err := ruletest.Test(ctx, ruletest.Database{Super: super, Worker: work.Pool()}, subject, rules)
	work.Close()
	super.Close()
	if err != nil {
		return report, err
	}
	return report, onServer(ctx, cluster, "drop database "+quoted+" with (force)")
}

// onServer runs a statement about databases.
func onServer(ctx context.Context, cluster *postgres.Cluster, sql string) error {
	conn, err := pgx.Connect(ctx, cluster.Superuser())
	if err != nil {
		return fmt.Errorf("connect as superuser: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	if _, err := conn.Exec(ctx, sql); err != nil {
		return fmt.Errorf("make or drop a database for a test: %w", err)
	}
	return nil
}

// reportText is a rule's line, with one more for each thing that is wrong.
func reportText(r *ruletest.Report) string {
	var wrong []string
	for _, c := range r.Cases {
		if !c.Passed {
			wrong = append(wrong, fmt.Sprintf("  case %q: %s", c.Name, c.Problem))
		}
	}
	for _, t := range r.Terms {
		if !t.Passed {
			wrong = append(wrong, fmt.Sprintf("  term %q: %s", t.Term, t.Problem))
		}
	}
	for _, p := range r.Problems {
		wrong = append(wrong, "  "+p)
	}
	if len(wrong) == 0 {
		return fmt.Sprintf("%s  passes: %d cases, %d terms", r.RuleID, len(r.Cases), len(r.Terms))
	}
	for i := range wrong {
		wrong[i] = clean(wrong[i])
	}
	return fmt.Sprintf("%s  FAILS\n%s", r.RuleID, strings.Join(wrong, "\n"))
}
