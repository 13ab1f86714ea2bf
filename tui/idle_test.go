package tui

import (
	"io"
	"testing"
	"testing/synctest"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"
)

// While nothing happens not one byte goes to the terminal, whatever is open: a cursor that blinks would write twice a
// second. The minutes pass in the bubble's own time, with all timers of the program.
func TestIdleWritesNothing(t *testing.T) {
	for name, keys := range map[string]string{
		"list": "", "form": "w", "text": "nsome words", "filter": "/sev:high", "command": ":esc", "help": "?",
		"details": "\r", "choice": "x",
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { idle(t, keys) })
		})
	}
}

func idle(t *testing.T, pressed string) {
	m := goldenQueue(120, 40)
	m.after = afterTimer
	d := goldenDetails()
	m.queue.details = &d
	in, keys := io.Pipe()
	out := &buffer{}
	done := make(chan error, 1)
	p := tea.NewProgram(m, tea.WithContext(t.Context()), tea.WithInput(in), tea.WithOutput(out),
		tea.WithWindowSize(120, 40), tea.WithColorProfile(colorprofile.ANSI), tea.WithoutSignalHandler())
	go func() {
		_, err := p.Run()
		done <- err
	}()
	time.Sleep(time.Second)
	drawn := len(out.String())
	if drawn == 0 {
		t.Fatal("nothing is drawn")
	}
	for _, k := range pressed { // one by one, as hands do
		if _, err := keys.Write([]byte(string(k))); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
	}
	before := len(out.String())
	if pressed != "" && before == drawn {
		t.Error("the keys change nothing")
	}
	time.Sleep(10 * time.Minute)
	if after := out.String(); len(after) != before {
		t.Errorf("%d bytes in ten idle minutes: %q", len(after)-before, after[before:])
	}
	p.Quit()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if err := keys.Close(); err != nil { // or its reader waits for ever
		t.Error(err)
	}
	time.Sleep(2 * redraw) // the last timer runs out
}
