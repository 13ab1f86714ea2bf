package cli

import (
	"bytes"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"
	"github.com/spf13/cobra"
)

// Help fits 80 columns where it can: prose and flags are broken, while a line of code (an example, the form of the
// call) stays whole.
func TestHelpFits(t *testing.T) {
	seen := 0
	var walk func(*cobra.Command)
	walk = func(cmd *cobra.Command) {
		var out bytes.Buffer
		cmd.SetOut(&out)
		if err := cmd.Help(); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(out.String()) {
			if ansi.StringWidth(strings.TrimSpace(line)) > helpWidth &&
				!strings.HasPrefix(strings.TrimSpace(line), "ward ") &&
				!strings.Contains(cmd.CommandPath(), "completion") {
				t.Errorf("%s --help is wider than %d columns: %s", cmd.CommandPath(), helpWidth, line)
			}
		}
		seen++
		for _, sub := range cmd.Commands() {
			walk(sub)
		}
	}
	walk((&app{Env: System()}).root())
	if seen < 70 {
		t.Errorf("%d commands seen", seen)
	}
}

func TestReflow(t *testing.T) {
	long := strings.Repeat("word ", 20)
	got := reflow(long + "\nends.\n\n  kept  as it is\nNext.")
	want := strings.TrimSpace(strings.Repeat("word ", 16)) + "\n" + strings.Repeat("word ", 4) +
		" ends.\n\n  kept  as it is\nNext."
	if got != want {
		t.Errorf("reflowed to\n%s\nnot\n%s", got, want)
	}
}

// Where a command takes no file, the shell offers none.
func TestCompletionOffersNoFiles(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"__complete", "member", "show", ""}, ":4"},
		{[]string{"__complete", "archive", "check-proof", ""}, ":0"},
		{[]string{"__complete", "queue", "sh"}, "show"},
	} {
		var out bytes.Buffer
		root := (&app{Env: System()}).root()
		root.SetOut(&out)
		root.SetErr(&bytes.Buffer{})
		root.SetArgs(c.args)
		if err := root.ExecuteContext(t.Context()); err != nil || !strings.Contains(out.String(), c.want) {
			t.Errorf("%v: %v\n%s", c.args, err, out.String())
		}
	}
}
