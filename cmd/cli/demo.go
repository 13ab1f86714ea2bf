package cli

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/ward-health/ward/archive"
	"github.com/ward-health/ward/internal/demo"
	"github.com/ward-health/ward/review"
)

func (a *app) demoCmd() *cobra.Command {
	var as string
	var noTUI bool
	var seed uint64
	var fetch fetching
	c := &cobra.Command{
		Use: "demo", Short: "A whole installation on this machine, with simulated clinics in it", Args: cobra.NoArgs,
		Annotations: exempt(
			"makes or starts an installation; signing in and what the terminal shows are recorded there"),
		Long: `Finds PostgreSQL's programs, starts a private server, and simulates clinics with some misbehaviour among
90 days of ordinary work. Then it seals and ships their history, runs the review rules, leaves ward worker running, and
opens the terminal as a compliance officer. The second time it opens what is there.

Data live under WARD_DATA, else XDG_DATA_HOME/ward, else (as root) /var/lib/ward. ward demo stop ends server and
worker; ward demo reset removes everything.`,
		Example: "  ward demo\n  ward demo --as eli        the second compliance officer\n  ward demo " +
			"--no-tui        start it and say how to reach it",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := fetch.check(); err != nil {
				return err
			}
			d, err := a.openDemo(seed)
			if err != nil {
				return err
			}
			ctx := cmd.Context()
			err = a.withPostgres(ctx, fetch, func() error { return a.startDemo(ctx, d, as) })
			if err != nil {
				return err
			}
			if noTUI || !a.Terminal() {
				return a.tellDemo(cmd.Context(), d, as)
			}
			return a.runTUI(cmd.Context())
		},
	}
	c.Flags().StringVar(&as, "as", "dana",
		"who to be: dana, eli (compliance officers), ana (auditor), omar (on call), rosa (administrator)")
	c.Flags().BoolVar(&noTUI, "no-tui", false, "leave it running and say how to use it")
	c.Flags().Uint64Var(&seed, "seed", 1, "of the simulation, when the demo is made")
	fetch.flags(c)
	simple := func(use, short, done string, fn func(*demo.Demo, context.Context) error) *cobra.Command {
		return &cobra.Command{Use: use, Short: short, Args: cobra.NoArgs,
			Annotations: exempt("starts, stops or removes an installation"),
			RunE: func(cmd *cobra.Command, _ []string) error {
				d, err := a.openDemo(seed)
				if err != nil {
					return err
				}
				if err := fn(d, cmd.Context()); err != nil {
					return err
				}
				a.say("%s (%s)", done, d.Dir)
				return nil
			}}
	}
	c.AddCommand(simple("stop", "Stop the demo's server and worker", "stopped; ward demo starts it again",
		(*demo.Demo).Stop),
		simple("reset", "Stop the demo and remove everything that it made", "removed", (*demo.Demo).Reset))
	return c
}

func (a *app) openDemo(seed uint64) (*demo.Demo, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	return demo.Open(demo.Options{Seed: seed, Program: program, Now: a.Now, Progress: a.stages()})
}

// stages shows what a demo is doing: one line a stage, with a bar on a terminal while it lasts.
func (a *app) stages() func(string, int64, int64) {
	var mu sync.Mutex // stages overlap
	last, said := "", map[string]bool{}
	var shown time.Time
	terminal := a.Terminal()
	return func(stage string, done, total int64) {
		mu.Lock()
		defer mu.Unlock()
		now := time.Now()
		if stage != last {
			if last != "" && terminal {
				a.say("")
			}
			last = stage
			shown = time.Time{}
			if !terminal && !said[stage] {
				a.say("%s", stage)
			}
			said[stage] = true
		}
		if !terminal || (now.Sub(shown) < 100*time.Millisecond && done != total) {
			return
		}
		shown = now
		bar := ""
		if total > 0 {
			n := int(20 * done / total)
			bar = fmt.Sprintf("  %s%s %3d %%", strings.Repeat("█", n), strings.Repeat("░", 20-n), 100*done/total)
		}
		a.tell("\r\x1b[K%s%s", stage, bar)
	}
}

// startDemo brings it up, signs in and points this invocation at it.
func (a *app) startDemo(ctx context.Context, d *demo.Demo, as string) error {
	begun := time.Now()
	made, err := d.Start(ctx)
	if err != nil {
		return err
	}
	if a.Terminal() {
		a.say("")
	}
	tokens, err := d.SignIn(ctx, as)
	if err != nil {
		return err
	}
	name, err := databaseName(d.Database("ward_reviewer"))
	if err != nil {
		return err
	}
	if err := (tokenStore{file: tokenFile{d.Tokens()}}).change(ctx, name, &tokens); err != nil {
		return err
	}
	a.flags.config = d.Settings()
	if made {
		a.say("demo ready in %.1f s", time.Since(begun).Seconds())
	}
	return nil
}

// tellDemo says how to use a demo without a terminal.
func (a *app) tellDemo(ctx context.Context, d *demo.Demo, as string) error {
	session, _, done, err := a.session(ctx)
	if err != nil {
		return err
	}
	defer done()
	rows, err := review.Queue(ctx, session, review.QueueFilter{Limit: 500})
	if err != nil {
		return explained(err)
	}
	if _, err := fmt.Fprint(a.Out, demoText(d, as, rows)); err != nil {
		return fmt.Errorf("write result: %w", err)
	}
	return nil
}

func demoText(d *demo.Demo, as string, rows []review.Anomaly) string {
	count := map[string]int{}
	for _, r := range rows {
		count[r.Severity]++
	}
	key, err := archive.ParseKey(d.VerifyKey())
	fingerprint := ""
	if err == nil {
		fingerprint = key.Fingerprint()
	}
	var b strings.Builder
	fmt.Fprintf(&b,
		"signed in as   %s (dana and eli are compliance officers, ana audits, omar is on call, rosa administers)\n", as)
	fmt.Fprintf(&b, "password       %s, everybody's in this demo\n", d.Password())
	fmt.Fprintf(&b, "queue          %d open: %d critical, %d high, %d medium, %d low\n", len(rows), count["critical"],
		count["high"], count["medium"], count["low"])
	fmt.Fprintf(&b, "database       %s\n", d.Database("ward_reviewer"))
	fmt.Fprintf(&b, "store          %s\n", d.Archive())
	fmt.Fprintf(&b, "public key     %s\n               %s\n", d.VerifyKey(), fingerprint)
	found := "which ward finds by itself"
	if os.Getenv("WARD_DATA") != "" { // as postgres.DefaultDataDir reads it
		found = "which ward finds where WARD_DATA=" + d.Dir + " is set"
	}
	fmt.Fprintf(&b, "settings       %s, %s\n\n", d.Settings(), found)
	b.WriteString("try            ward queue list\n               ward queue show ID\n               ward archive " +
		"verify --offline --store " + d.Archive() + " --key " + d.VerifyKey() +
		"\n               ward demo --as eli\n               ward demo stop\n")
	return b.String()
}
