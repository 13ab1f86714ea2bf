package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ward-health/ward/audit"
	"github.com/ward-health/ward/internal/worker"
	"github.com/ward-health/ward/queries/migrate"
	"github.com/ward-health/ward/tenancy"
)

// migrateFlags are the flags of ward migrate.
type migrateFlags struct {
	dryRun, yes         bool
	remove, dropHistory bool
	reason              string
}

func (a *app) migrateCmd() *cobra.Command {
	var f migrateFlags
	c := &cobra.Command{
		Use: "migrate", Short: "Bring a database to the newest schema", Args: cobra.NoArgs,
		Annotations: exempt("there is no audit log before it; a removal is an event of its own"),
		Long: `The first time as a login with CREATEROLE that owns the database (it creates ward's roles); afterwards as
ward_migrate.

It first looks at every name, role, schema and right that it needs. If anything is in the way, it names all of it,
each with the statement that removes it, and changes nothing. The installation takes some rights from PUBLIC, which
would let any login get around ward: it lists them, with the logins that lose them, and asks. --yes answers where
there is no terminal.

--remove takes ward out of the database again and gives those rights back. It refuses while a table is protected
(ward unprotect), a program of ward's is connected, the archive lacks a sealed row, or anything of yours needs an
object of ward's. Schema audit stays, append-only, unless --drop-history is given.

Exit status: 0 done, or nothing is in the way; 1 refused; 2 wrong call, or nobody to ask; 3 --dry-run found
something in the way.`,
		Example: `  ward migrate --dry-run --database postgres://postgres@/clinic
  ward migrate --database postgres://postgres@/clinic
  ward migrate --remove --reason "the trial is over" --database postgres://postgres@/clinic`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			url, err := f.check(a)
			if err != nil {
				return err
			}
			if err := reachable(cmd.Context(), url); err != nil {
				return err
			}
			if f.remove {
				return a.removeWard(cmd.Context(), url, f)
			}
			return a.migrate(cmd.Context(), url, f)
		},
	}
	c.Flags().BoolVar(&f.dryRun, "dry-run", false,
		"change nothing: list what would change, what PUBLIC would lose, and what is in the way")
	c.Flags().BoolVar(&f.yes, "yes", false, "take the listed rights from PUBLIC without asking")
	c.Flags().BoolVar(&f.remove, "remove", false, "take ward out of the database")
	c.Flags().StringVar(&f.reason, "reason", "", "why ward is removed (needed with --remove; recorded)")
	c.Flags().BoolVar(&f.dropHistory, "drop-history", false, "with --remove: drop schema audit too")
	a.jsonFlag(c)
	return c
}

// check finds wrong calls and returns the database.
func (f *migrateFlags) check(a *app) (url string, err error) {
	switch {
	case !f.remove && (f.reason != "" || f.dropHistory):
		return "", usagef("--reason and --drop-history belong to --remove")
	case f.remove && (f.dryRun || f.yes):
		return "", usagef("--dry-run and --yes do not belong to --remove")
	case a.asJSON && !f.dryRun:
		return "", usagef("--json belongs to --dry-run")
	case f.remove && len(strings.TrimSpace(f.reason)) < 4:
		return "", usagef("--remove needs a --reason of at least four characters: it is recorded")
	}
	return a.privileged()
}

// migration is what ward migrate --dry-run --json prints.
type migration struct {
	From      string           `json:"from"` // "": ward is not installed
	To        string           `json:"to"`
	Tables    []string         `json:"tables"`
	Make      []migrate.Change `json:"make"`
	Drop      []migrate.Change `json:"drop"`
	Protected []string         `json:"protected"`
	Lost      []migrate.Lost   `json:"lost"`
	River     []string         `json:"river"`
	Takes     []migrate.Take   `json:"takes"`
	Obstacles []inTheWay       `json:"obstacles"`
}

// inTheWay is a migrate.Obstacle.
type inTheWay struct {
	What string   `json:"what"`
	Mend []string `json:"mend"`
}

func (a *app) migrate(ctx context.Context, url string, f migrateFlags) error {
	plan, rivers, err := worker.Look(ctx, url, migrate.Options{})
	if err != nil {
		return err
	}
	if f.dryRun {
		return a.printMigration(plan, rivers)
	}
	if len(plan.Obstacles) > 0 {
		return &migrate.ObstaclesError{Obstacles: plan.Obstacles}
	}
	if err := a.confirmTakes(plan.Takes, f.yes); err != nil {
		return err
	}
	applied, failed := worker.Migrate(ctx, url, migrate.Options{Said: func(text string) { a.say("%s", text) }})
	for _, m := range applied {
		a.say("applied %s", clean(m))
	}
	if failed != nil && !errors.Is(failed, migrate.ErrUnfinished) {
		return failed
	}
	// reviewers see the rules, and S02 what has never run, before a worker has
	settings, err := a.settings()
	if err != nil {
		return err
	}
	rules, err := settings.rules()
	if err != nil {
		return err
	}
	if err := errors.Join(failed, worker.Register(ctx, url, rules)); err != nil {
		return err
	}
	for _, l := range plan.Lost {
		a.say("%s", clean(l.String()))
	}
	a.say("the schema is up to date; on a new database, ward init comes next")
	return nil
}

// confirmTakes asks before rights are taken from PUBLIC. What a platform refuses is not asked for.
func (a *app) confirmTakes(takes []migrate.Take, yes bool) error {
	var real []migrate.Take
	for _, t := range takes {
		if !t.Refused {
			real = append(real, t)
		}
	}
	if len(real) == 0 || yes {
		return nil
	}
	lines := strings.Join(migrate.TakeLines(real), "\n  ")
	if !a.Terminal() {
		return usagef("this takes rights from PUBLIC, and there is no terminal to ask on; look at them, "+
			"then give --yes:\n  %s", lines)
	}
	a.say("This takes rights from PUBLIC, which would let any login get around ward:\n  %s", lines)
	a.say("A login that needs one can be granted it by name; ward migrate --remove gives all of them back.")
	a.tell("Type yes to go on, nothing to leave it: ")
	line, err := bufio.NewReader(a.In).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read confirmation: %w", err)
	}
	if strings.TrimSpace(line) != "yes" {
		return codeError{exitFailed, "left as it is"}
	}
	return nil
}

func (a *app) printMigration(p *migrate.Plan, rivers []string) error {
	m := migration{From: p.From, To: p.To, Tables: filled(p.Tables), Make: filled(p.Make), Drop: filled(p.Drop),
		Protected: filled(p.Protected), Lost: filled(p.Lost), River: filled(rivers),
		Takes: filled(p.Takes), Obstacles: []inTheWay{}}
	for _, o := range p.Obstacles {
		m.Obstacles = append(m.Obstacles, inTheWay{o.What, filled(o.Mend)})
	}
	var err error
	if a.asJSON {
		err = json.NewEncoder(a.Out).Encode(m)
	} else {
		_, err = io.WriteString(a.Out, m.text(p))
	}
	if err != nil {
		return fmt.Errorf("write result: %w", err)
	}
	if len(m.Obstacles) > 0 {
		return codeError{code: exitProblem}
	}
	return nil
}

func filled[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

func (m *migration) text(p *migrate.Plan) string {
	var b strings.Builder
	from := m.From
	if from == "" {
		from = "none"
	}
	fmt.Fprintf(&b, "release %s -> %s\n", from, m.To)
	changes := append(p.Changes(), m.River...)
	for _, l := range changes {
		fmt.Fprintln(&b, l)
	}
	if len(changes)+len(m.Takes) == 0 {
		b.WriteString("nothing to change\n")
	}
	for _, l := range m.Lost {
		fmt.Fprintln(&b, clean(l.String()))
	}
	if len(m.Takes) > 0 {
		b.WriteString("taken from PUBLIC:\n")
	}
	for _, l := range migrate.TakeLines(m.Takes) {
		fmt.Fprintf(&b, "  %s\n", clean(l))
	}
	if len(m.Obstacles) == 0 {
		b.WriteString("nothing is in the way\n")
		return b.String()
	}
	b.WriteString("in the way:\n")
	for _, o := range m.Obstacles {
		fmt.Fprintf(&b, "  %s\n", clean(o.What))
		for _, s := range o.Mend {
			fmt.Fprintf(&b, "    %s;\n", clean(s))
		}
	}
	return b.String()
}

// removeWard takes ward out of a database.
func (a *app) removeWard(ctx context.Context, url string, f migrateFlags) error {
	s, err := a.settings()
	if err != nil {
		return err
	}
	o := migrate.Removal{Reason: f.reason, DropHistory: f.dropHistory, Said: func(text string) { a.say("%s", text) }}
	switch {
	case s.Store != "":
		if err := a.askStore(url, &s, &o); err != nil {
			return err
		}
	case !f.dropHistory:
		return usagef("no archive store is configured, so nobody can say whether the history was shipped: " +
			"set store and " +
			"verify_key in ward.yaml, or give --drop-history to remove the only copy of it")
	}
	done, err := migrate.Remove(ctx, url, o)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(a.Out, removedText(done)); err != nil {
		return fmt.Errorf("write result: %w", err)
	}
	return nil
}

// askStore has the removal compare what was sealed with the archive. Where the signing key is at hand and the history
// is to go, the event of the removal is sealed and shipped first.
func (a *app) askStore(url string, s *Settings, o *migrate.Removal) error {
	store, err := s.store()
	if err != nil {
		return err
	}
	key, err := s.verifyKey()
	if err != nil {
		return err
	}
	o.Shipped = func(ctx context.Context, region string, heads []migrate.Head) error {
		return audit.AllShipped(ctx, store, region, heads, key)
	}
	if s.SigningKey == "" || !o.DropHistory {
		return nil
	}
	o.Recorded = func(ctx context.Context) error {
		db, err := tenancy.Open(ctx, url)
		if err != nil {
			return err
		}
		defer db.Close()
		if err := audit.SealAll(ctx, db.Pool()); err != nil {
			return err
		}
		ship, err := shipper(ctx, s, db, a)
		if err != nil {
			return err
		}
		_, err = ship.Ship(ctx)
		return err
	}
	return nil
}

func removedText(r *migrate.Removed) string {
	var b strings.Builder
	b.WriteString("ward is removed")
	if r.Event != nil {
		fmt.Fprintf(&b, "; recorded as event %d", *r.Event)
	}
	for _, g := range r.GivenBack {
		fmt.Fprintf(&b, "\n  given back to PUBLIC: %s", g)
	}
	if r.HistoryKept {
		b.WriteString("\n  kept: schema audit, append-only; ward_owner owns it")
	}
	for _, k := range r.Kept {
		fmt.Fprintf(&b, "\n  kept: %s", clean(k))
	}
	for _, k := range r.RolesKept {
		fmt.Fprintf(&b, "\n  kept: role %s", clean(k))
	}
	if len(r.RolesDropped) > 0 {
		fmt.Fprintf(&b, "\n  dropped: the roles %s", strings.Join(r.RolesDropped, ", "))
	}
	return b.String()
}
