package cli

import (
	"strings"

	"github.com/charmbracelet/x/ansi"
	"github.com/spf13/cobra"
)

// helpWidth is how wide help is: a terminal of 80 columns shows it without breaking words.
const helpWidth = 80

// readable fits a command's help, and that of all below it, into helpWidth, and keeps the shell from completing names
// of files where a command takes none.
func readable(cmd *cobra.Command) {
	cmd.Long = reflow(cmd.Long)
	cmd.SetUsageTemplate(strings.ReplaceAll(cmd.UsageTemplate(), "FlagUsages |", "FlagUsagesWrapped 80 |"))
	if cmd.ValidArgsFunction == nil && !strings.Contains(cmd.Use, "FILE") {
		cmd.ValidArgsFunction = cobra.NoFileCompletions
	}
	for _, sub := range cmd.Commands() {
		readable(sub)
	}
}

// reflow joins the lines of each paragraph and breaks them at helpWidth. An empty line ends a paragraph, and a line
// that begins with a space stands for itself.
func reflow(text string) string {
	var out, paragraph []string
	end := func() {
		if len(paragraph) > 0 {
			out = append(out, ansi.Wordwrap(strings.Join(paragraph, " "), helpWidth, ""))
		}
		paragraph = nil
	}
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if line == "" || strings.HasPrefix(line, " ") {
			end()
			out = append(out, line)
			continue
		}
		paragraph = append(paragraph, line)
	}
	end()
	return strings.Join(out, "\n")
}
