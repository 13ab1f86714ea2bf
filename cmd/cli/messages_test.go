package cli

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	docs "github.com/ward-health/ward/docs/check"
	"github.com/ward-health/ward/internal/messages"
)

var updateMessages = flag.Bool("update", false, "write docs/MESSAGES.md anew")

const messagesPage = "../../docs/MESSAGES.md"

const messagesIntro = `# Messages

This page lists every text that ward says to a person, so that somebody can read them as a whole. A program writes the
page; the linter of prose reads it like any other. [TROUBLESHOOTING.md](TROUBLESHOOTING.md) explains the messages that
people ask about.

- The sign … stands for a value.
- A message of the database is listed under the function that raises it, and a Go error under its package.
- To write the page anew, run ` + "`go test ./cmd/cli -run TestMessagesPage -update`" + `.
`

// docs/MESSAGES.md has every message of the code as it is: refusals of the database, errors of Go, help of commands.
func TestMessagesPage(t *testing.T) {
	refusals, err := messages.SQL("../..")
	if err != nil {
		t.Fatal(err)
	}
	product, err := docs.Product(t.Context(), "../..")
	if err != nil {
		t.Fatal(err)
	}
	errs, err := messages.Go("../..", product)
	if err != nil {
		t.Fatal(err)
	}
	help := commandHelp((&app{Env: System()}).root())
	if len(refusals) < 200 || len(errs) < 200 || len(help) < 200 {
		t.Fatalf("only %d refusals, %d errors and %d texts of help", len(refusals), len(errs), len(help))
	}
	page := docs.WithContents(docs.Page{Text: messagesIntro +
		"\n## What the database says\n" + messages.List(refusals) +
		"\n## What the programs say\n" + messages.List(errs) +
		"\n## Help\n" + messages.List(help)})
	if *updateMessages {
		if err := os.WriteFile(messagesPage, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	stands, err := os.ReadFile(messagesPage)
	if err != nil {
		t.Fatal(err)
	}
	if string(stands) != page {
		t.Errorf("%s is not what the code says%s; run go test ./cmd/cli -run TestMessagesPage -update", messagesPage,
			firstDifference(string(stands), page))
	}
}

// commandHelp lists what a command and those below it say of themselves and of their flags.
func commandHelp(cmd *cobra.Command) []messages.Message {
	var found []messages.Message
	add := func(text string) {
		if text != "" {
			found = append(found, messages.Message{Where: cmd.CommandPath(), Text: text})
		}
	}
	add(cmd.Short)
	for paragraph := range strings.SplitSeq(cmd.Long, "\n\n") {
		if !strings.HasPrefix(paragraph, " ") { // lines of code begin with a space
			add(strings.Join(strings.Fields(paragraph), " "))
		}
	}
	cmd.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) { add("--" + f.Name + ": " + f.Usage) })
	for _, sub := range cmd.Commands() {
		found = append(found, commandHelp(sub)...)
	}
	return found
}

// firstDifference says at which line two texts part.
func firstDifference(a, b string) string {
	as, bs := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range min(len(as), len(bs)) {
		if as[i] != bs[i] {
			return fmt.Sprintf(" from line %d on (%q, now %q)", i+1, as[i], bs[i])
		}
	}
	return fmt.Sprintf(": it has %d lines, now %d", len(as), len(bs))
}
