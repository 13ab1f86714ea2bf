package cli

import (
	"context"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/ward-health/ward/internal/bench"
)

func (a *app) benchCmd() *cobra.Command {
	return noun("bench", "Measure ward against what it is compared with",
		a.benchOf("tenancy", "Audited reads and writes, against what a careful team writes today", bench.Tenancy),
		a.benchOf("archive", "Seal, ship, verify against COPY, SHA-256 and DuckDB", bench.Archive),
		a.benchOf("review", "The rules' cost, and the review's other figures", bench.Review))
}

func (a *app) benchOf(name, short string,
	run func(context.Context, bench.Options) ([]bench.Figure, error)) *cobra.Command {
	var o bench.Options
	c := &cobra.Command{
		Use: name, Short: short, Args: cobra.NoArgs,
		Annotations: exempt("runs on a private server of its own with invented data"),
		Long: short + `.

Starts a private PostgreSQL server, runs both sides alternately, prints the medians, and removes the server. A
line without a target is for information.

EXIT STATUS
  0  every target is met
  1  could not run
  3  a target is missed`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Progress = func(message string) { a.say("%s", message) }
			figures, err := run(cmd.Context(), o)
			if err != nil {
				return err
			}
			err = emit(a, figures, []string{"figure", "ward", "other", "unit", "ratio", "target", "spread", "against"},
				func(f bench.Figure) []string {
					target := ""
					if f.Target > 0 {
						target = strconv.FormatFloat(f.Target, 'f', 2, 64) +
							map[bool]string{true: " met", false: " MISSED"}[f.Met]
					}
					return []string{f.Figure, fmt.Sprintf("%.2f", f.Ward), fmt.Sprintf("%.2f", f.Other), f.Unit,
						fmt.Sprintf("%.2f", f.Ratio), target, fmt.Sprintf("%.0f %%", 100*f.Spread), f.Against}
				})
			if err != nil {
				return err
			}
			missed := 0
			for _, f := range figures {
				if !f.Met {
					missed++
				}
			}
			if missed > 0 {
				return codeError{exitProblem, fmt.Sprintf("%d of %d figures miss their target", missed, len(figures))}
			}
			return nil
		},
	}
	c.Flags().BoolVar(&o.Quick, "quick", false, "a smaller size of the same shape, for checking")
	a.jsonFlag(c)
	return c
}
