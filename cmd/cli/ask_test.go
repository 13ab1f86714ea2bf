package cli

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/ward-health/ward/queries/migrate"
	"github.com/ward-health/ward/tenancy"
)

// TestConfirmations: every question reads one line and leaves the next to whoever asks next, takes an answer that is
// cut off for none, and ends with the command.
func TestConfirmations(t *testing.T) {
	var person tenancy.Person
	person.Slug = "yes"
	takes := []migrate.Take{{Kind: "temporary tables", What: "TEMPORARY on the database"}}
	for name, confirm := range map[string]func(context.Context, *app) error{
		"rights": func(ctx context.Context, a *app) error { return a.confirmTakes(ctx, takes, false) },
		"disable": func(ctx context.Context, a *app) error {
			return a.confirmDisable(ctx, &person, false)
		},
	} {
		asking := func(in io.Reader) *app {
			return &app{Env: &Env{In: in, Err: io.Discard, Terminal: func() bool { return true }}}
		}
		in := strings.NewReader("yes\nthe next line\n")
		err := confirm(t.Context(), asking(in))
		if rest, _ := io.ReadAll(in); err != nil || string(rest) != "the next line\n" {
			t.Errorf("%s: %v, and %q is left", name, err, rest)
		}
		if err := confirm(t.Context(), asking(strings.NewReader("yes"))); err == nil {
			t.Errorf("%s: half an answer is one", name)
		}
		ctx, cancel := context.WithCancel(t.Context())
		silent, w := io.Pipe()
		ended := make(chan error, 1)
		go func() { ended <- confirm(ctx, asking(silent)) }()
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("%s, interrupted: %v", name, err)
		}
		_ = w.Close()
	}
}
