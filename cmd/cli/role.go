package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ward-health/ward/tenancy"
)

// roleActions are what a role may do with a table's records.
var roleActions = []string{"view", "create", "modify", "delete", "export"}

func (a *app) roleCmd() *cobra.Command {
	list := &cobra.Command{
		Use: "list", Short: "Roles of clinics' members", Args: cobra.NoArgs, Annotations: audited("browse"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd.Context(), func(s *tenancy.Session) error {
				rows, err := s.Roles(cmd.Context(), "")
				if err != nil {
					return err
				}
				return emit(a, rows, []string{"ROLE", "MEMBERS", "TABLES", "NOTE"}, func(r tenancy.Role) []string {
					return []string{r.Name, fmt.Sprint(r.Members), fmt.Sprint(len(r.Permissions)), r.Note}
				})
			})
		},
	}
	show := &cobra.Command{
		Use: "show ROLE", Short: "What a role may do, table by table", Args: cobra.ExactArgs(1),
		Annotations: audited("browse"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd.Context(), func(s *tenancy.Session) error {
				rows, err := s.Roles(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				if len(rows) == 0 {
					return fmt.Errorf("no role %q: ward role list shows them", args[0])
				}
				text := fmt.Sprintf("%s  %s; live members: %d", rows[0].Name, rows[0].Note, rows[0].Members)
				for _, p := range rows[0].Permissions {
					text += fmt.Sprintf("\n  %-14s  %s", plain(p.RecordTable), strings.Join(p.Actions, ", "))
				}
				return one(a, rows[0], text)
			})
		},
	}
	a.jsonFlag(list, show)
	add := &cobra.Command{
		Use: "add ROLE NOTE", Short: "Add a role that may do nothing yet", Args: cobra.ExactArgs(2),
		Annotations: audited("configure"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd.Context(), func(s *tenancy.Session) error {
				if err := s.AddRole(cmd.Context(), args[0], args[1]); err != nil {
					return err
				}
				a.say("role %s added: ward role permit %s TABLE ACTION...", args[0], args[0])
				return nil
			})
		},
	}
	return noun("role", "What members of clinics may do", list, show, add,
		a.allowCmd("permit", "Let a role do things with a table's records, in every clinic", true),
		a.allowCmd("forbid", "Take things away from a role, in every clinic", false))
}

func (a *app) allowCmd(verb, short string, allowed bool) *cobra.Command {
	return &cobra.Command{
		Use: verb + " ROLE TABLE ACTION...", Short: short, Args: cobra.MinimumNArgs(3),
		Annotations: audited("configure"),
		Long: "ACTION is view, create, modify, delete or export. The change holds from the next ask or write " +
			"on, also in sessions that are live.",
		Example: "  ward role " + verb + " front_desk claims view",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := oneOf("action", args[2:], roleActions); err != nil {
				return usagef("ACTION is one of %s", strings.Join(roleActions, ", "))
			}
			return a.with(cmd.Context(), func(s *tenancy.Session) error {
				if err := s.AllowRole(cmd.Context(), args[0], args[1], args[2:], allowed); err != nil {
					return err
				}
				a.say("role %s changed; ward role show %s says what it may do now", args[0], args[0])
				return nil
			})
		},
	}
}
