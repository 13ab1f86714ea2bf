package cli

import (
	"github.com/spf13/cobra"

	"github.com/ward-health/ward/review"
)

// offer completes a flag's value from a closed list. What only the database knows (clinics, people, anomalies) is not
// completed: reading it would be a look, and an event at each press of the key.
func offer(c *cobra.Command, flag string, values ...string) {
	_ = c.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
}

// offerRules completes the rules that ward ships.
func offerRules(c *cobra.Command, flag string) {
	_ = c.RegisterFlagCompletionFunc(flag, func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		rules, err := review.ShippedRules()
		if err != nil {
			return nil, cobra.ShellCompDirectiveError | cobra.ShellCompDirectiveNoFileComp
		}
		return ruleIDs(rules), cobra.ShellCompDirectiveNoFileComp
	})
}

func ruleIDs(rules []review.Rule) []string {
	ids := make([]string, len(rules))
	for i := range rules {
		ids[i] = rules[i].ID
	}
	return ids
}
