package cli

import (
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/ward-health/ward/internal/notify"
	"github.com/ward-health/ward/review"
	"github.com/ward-health/ward/tenancy"
)

func (a *app) notifyCmd() *cobra.Command {
	return noun("notify", "Who is told of what the review finds", a.notifyListCmd(), a.notifyTestCmd(),
		a.notifyRetryCmd())
}

func (a *app) notifyListCmd() *cobra.Command {
	var limit int
	c := &cobra.Command{
		Use: "list", Short: "The newest alerts, whom they went to, and what became of them", Args: cobra.NoArgs,
		Annotations: audited("browse"),
		Long:        "An alert that went to nobody was entered while no worker had a target that wants it.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if limit < 1 || limit > 500 {
				return usagef("--limit is 1 to 500")
			}
			return a.with(cmd.Context(), func(s *tenancy.Session) error {
				rows, err := review.Alerts(cmd.Context(), s, limit)
				if err != nil {
					return err
				}
				return emit(a, rows, []string{"ALERT", "AT", "KIND", "SEV", "TENANT", "ABOUT", "TARGET", "STATE",
					"TRIES", "ERROR"}, func(n review.AlertRow) []string {
					about := or(n.What, or(n.RuleID, ""))
					if n.AnomalyID != nil {
						about += " " + shortID(n.AnomalyID)
					}
					state := n.State
					if state == "failed" || state == "nobody" {
						state = map[string]string{"failed": "FAILED", "nobody": "NOBODY"}[state]
					}
					return []string{shortID(n.ID), when(n.CreatedAt), n.Kind, n.Severity, n.Tenant, about,
						or(n.Target, "-"), state, fmt.Sprint(n.Attempts), or(n.Error, "")}
				})
			})
		},
	}
	c.Flags().IntVar(&limit, "limit", 100, "how many alerts, 1 to 500")
	a.jsonFlag(c)
	return c
}

func (a *app) notifyRetryCmd() *cobra.Command {
	return &cobra.Command{
		Use: "retry ALERT", Short: "Send an alert again where its delivery failed", Args: cobra.ExactArgs(1),
		Annotations: audited("ship"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd.Context(), func(s *tenancy.Session) error {
				n, err := review.RetryAlert(cmd.Context(), s, args[0])
				if err != nil {
					return err
				}
				a.say("%d deliveries wait for the worker", n)
				return nil
			})
		},
	}
}

// told is what became of a test message.
type told struct {
	Target string `json:"target"`
	Kind   string `json:"kind"` // webhook, mail
	OK     bool   `json:"ok"`
	Error  string `json:"error,omitempty"`
}

func (a *app) notifyTestCmd() *cobra.Command {
	c := &cobra.Command{
		Use: "test [TARGET...]", Short: "Send a test message to each target, and say what became of it",
		Annotations: audited("ship"),
		Long: `Sends from this machine, with its ward.yaml and secrets: where the worker runs is the place to try it.
Exit 3 means that a target was not reached. That a message was taken says nothing about who reads it: look there too.`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := a.settings()
			if err != nil {
				return err
			}
			targets, err := s.targets(a)
			if err != nil {
				return err
			}
			if targets, err = chosen(targets, args); err != nil {
				return err
			}
			return a.with(cmd.Context(), func(session *tenancy.Session) error {
				return a.notifyTest(cmd, session, s.Installation, targets)
			})
		},
	}
	a.jsonFlag(c)
	return c
}

// chosen are the targets of these names; no name: all.
func chosen(targets []notify.Target, names []string) ([]notify.Target, error) {
	if len(targets) == 0 {
		return nil, usagef("nobody is told of anything: set notify in ward.yaml (docs/ADOPTING.md)")
	}
	if len(names) == 0 {
		return targets, nil
	}
	var list []notify.Target
	for _, name := range names {
		n := len(list)
		for _, t := range targets {
			if t.Describe().Name == name {
				list = append(list, t)
			}
		}
		if len(list) == n {
			return nil, usagef("no target %q in ward.yaml", name)
		}
	}
	return list, nil
}

func (a *app) notifyTest(cmd *cobra.Command, s *tenancy.Session, installation string, targets []notify.Target) error {
	ctx := cmd.Context()
	names := make([]string, len(targets))
	for i, t := range targets {
		names[i] = t.Describe().Name
	}
	if _, err := review.TestAlert(ctx, s, names); err != nil {
		return err
	}
	now := a.Now().UTC().Truncate(time.Second)
	rows := make([]told, len(targets))
	var all sync.WaitGroup
	for i, t := range targets {
		all.Go(func() {
			about := t.Describe()
			rows[i] = told{Target: about.Name, Kind: about.Kind}
			id := uuid.New()
			m, err := notify.Render(&review.Alert{ID: id, AlertID: id, Kind: "test", Target: about.Name,
				Installation: installation, Severity: "low", CreatedAt: now})
			if err == nil {
				err = t.Send(ctx, m)
			}
			if rows[i].OK = err == nil; err != nil {
				rows[i].Error = err.Error()
			}
		})
	}
	all.Wait()
	failed := 0
	for _, r := range rows {
		if !r.OK {
			failed++
		}
	}
	err := emit(a, rows, []string{"TARGET", "KIND", "RESULT"}, func(r told) []string {
		if r.OK {
			return []string{r.Target, r.Kind, "taken"}
		}
		return []string{r.Target, r.Kind, "NOT TAKEN: " + r.Error}
	})
	if err == nil && failed > 0 {
		return codeError{exitProblem, fmt.Sprintf("%d of %d targets were not reached", failed, len(rows))}
	}
	return err
}
