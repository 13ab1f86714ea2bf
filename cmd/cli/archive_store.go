package cli

import (
	"slices"

	"github.com/spf13/cobra"

	"github.com/ward-health/ward/archive"
	"github.com/ward-health/ward/audit"
	"github.com/ward-health/ward/tenancy"
)

func (a *app) archiveDoctorCmd() *cobra.Command {
	var offline, strict bool
	var store string
	c := &cobra.Command{
		Use: "doctor", Short: "Try whether the store really refuses to delete and overwrite", Args: cobra.NoArgs,
		Annotations: audited("verify"),
		Long: `Writes a small object beside the archive (under doctor/, locked for a day), reads it back, and tries
everything that must fail. Run it with the worker's credentials: it also says what they may do and need not. Exit 3
when the store is not safe; with --strict, also when it promises less than it could.

A directory is not write-once: who owns it can delete. That is said, and is exit 3 with --strict only.

With --offline no database is needed or asked, and nothing is recorded in any audit log. Without it, the attempt is an
event first.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			checks, err := a.examine(cmd, store, offline)
			if err != nil {
				return err
			}
			if err := emit(a, checks, []string{"CHECK", "STATE", "DETAIL"},
				func(c archive.StoreCheck) []string { return []string{c.Check, c.State, c.Detail} }); err != nil {
				return err
			}
			bad := func(state string) bool {
				return slices.ContainsFunc(checks, func(c archive.StoreCheck) bool { return c.State == state })
			}
			switch {
			case bad(archive.CheckFail):
				a.say("the store is not safe: do not archive to it")
				return codeError{code: exitProblem}
			case bad(archive.CheckWarn) && strict:
				return codeError{code: exitProblem}
			}
			return nil
		},
	}
	c.Flags().BoolVar(&offline, "offline", false, "no database, no event")
	c.Flags().BoolVar(&strict, "strict", false, "exit 3 for warnings too")
	c.Flags().StringVar(&store, "store", "", "directory of the archive, or s3://BUCKET/PREFIX (default: the setting)")
	a.jsonFlag(c)
	return c
}

// examine tries out the store, with the event first unless nobody is asked.
func (a *app) examine(cmd *cobra.Command, named string, offline bool) ([]archive.StoreCheck, error) {
	open := func(s Settings) (archive.Store, error) {
		if named != "" {
			s.Store = named
		}
		return s.store()
	}
	if offline {
		s, err := a.settings()
		if err != nil {
			return nil, err
		}
		store, err := open(s)
		if err != nil {
			return nil, err
		}
		return archive.Examine(cmd.Context(), store)
	}
	session, s, done, err := a.session(cmd.Context())
	if err != nil {
		return nil, err
	}
	defer done()
	store, err := open(s)
	if err != nil {
		return nil, err
	}
	checks, err := audit.Examine(cmd.Context(), session, store)
	return checks, explained(err)
}

func (a *app) archiveHoldCmd() *cobra.Command {
	var tenant, month, reason string
	c := &cobra.Command{
		Use: "hold", Short: "Place a legal hold on archived history", Args: cobra.NoArgs,
		Annotations: audited("configure"),
		Long: `Keeps a clinic's parts, a month's, or a clinic's of one month, whatever their retention, until the hold
is lifted. The worker carries it to the store within a minute; a store that is a directory holds nothing.`,
		Example: `  ward archive hold --tenant cedar --reason "subpoena 26-114"
  ward archive hold --month 2026-10 --reason "subpoena 26-114"`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if tenant == "" && month == "" {
				return usagef("a legal hold is on a clinic (--tenant), a month (--month), or both")
			}
			return a.with(cmd.Context(), func(s *tenancy.Session) error {
				id, err := audit.PlaceHold(cmd.Context(), s, tenant, month, reason)
				return a.added("legal hold", id, err)
			})
		},
	}
	c.Flags().StringVar(&tenant, "tenant", "", "clinic")
	c.Flags().StringVar(&month, "month", "", "month of sealing, YYYY-MM")
	c.Flags().StringVar(&reason, "reason", "", "why (needed)")
	_ = c.MarkFlagRequired("reason")
	return c
}

func (a *app) archiveReleaseCmd() *cobra.Command {
	var reason string
	c := &cobra.Command{
		Use: "release HOLD", Short: "Lift a legal hold; the retention stays", Args: cobra.ExactArgs(1),
		Annotations: audited("configure"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd.Context(), func(s *tenancy.Session) error {
				id, err := audit.LiftHold(cmd.Context(), s, args[0], reason)
				if err != nil {
					return err
				}
				a.say("legal hold %s lifted", id)
				return nil
			})
		},
	}
	c.Flags().StringVar(&reason, "reason", "", "why (needed)")
	_ = c.MarkFlagRequired("reason")
	return c
}

func (a *app) archiveHoldsCmd() *cobra.Command {
	c := &cobra.Command{
		Use: "holds", Short: "Legal holds within your reach, those in force first", Args: cobra.NoArgs,
		Annotations: audited("browse"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd.Context(), func(s *tenancy.Session) error {
				list, err := audit.Holds(cmd.Context(), s)
				if err != nil {
					return err
				}
				return emit(a, list, []string{"HOLD", "TENANT", "MONTH", "PLACED", "BY", "LIFTED", "REASON"},
					func(h audit.Hold) []string {
						return []string{shortID(h.ID), or(h.Tenant, "all"), or(h.Month, "all"), when(h.PlacedAt),
							h.PlacedBy, whenOr(h.LiftedAt, "in force"), h.Reason}
					})
			})
		},
	}
	a.jsonFlag(c)
	return c
}
