package tui

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"

	"github.com/ward-health/ward/internal/wardtest"
	"github.com/ward-health/ward/tenancy"
)

// buffer is an output that a test reads while it is written.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// until waits for a condition of the program's.
func until(t *testing.T, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for !ok() {
		select {
		case <-ctx.Done():
			t.Fatal("it never came")
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func TestRunEndsAsItShould(t *testing.T) {
	e := wardtest.New(t)
	s := e.Reviewer("dana")
	in, keys := io.Pipe()
	out := &buffer{}
	done := make(chan error, 1)
	log := filepath.Join(t.TempDir(), "log")
	go func() { done <- Run(t.Context(), Config{Session: s, LogFile: log}, in, out) }()
	until(t, func() bool { return out.String() != "" })
	if _, err := keys.Write([]byte("q")); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Errorf("q ends with %v", err)
	}
	if info, err := os.Stat(log); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("log file: %v, %v", info, err)
	}

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Run(ctx, Config{Session: s}, in, out); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled run ends with %v", err)
	}
	exec(t, e, "update tenancy.session set revoked_at = now(), revoke_reason = 'test' where aud = 'review'")
	var refused *tenancy.RefusedError
	if err := Run(t.Context(), Config{Session: s}, in, out); !errors.As(err, &refused) {
		t.Errorf("without a session it ends with %v", err)
	}
}

// Any value of NO_COLOR takes all colour away, and nothing else.
func TestNoColor(t *testing.T) {
	colour := regexp.MustCompile(`\x1b\[[0-9;]*(3[0-7]|9[0-7]|38;|4[0-7]|48;)[0-9;]*m`)
	for value, want := range map[string]bool{"": true, "1": false, "yes": false} {
		out := &buffer{}
		in, keys := io.Pipe()
		m := goldenQueue(120, 40)
		m.queue.loaded = true
		options := append(programOptions(t.Context(), in, out, value), tea.WithWindowSize(120, 40))
		if value == "" {
			options = append(options, tea.WithColorProfile(colorprofile.ANSI))
		}
		done := make(chan error, 1)
		go func() { _, err := tea.NewProgram(m, options...).Run(); done <- err }()
		until(t, func() bool { return strings.Contains(out.String(), "reyes") })
		if _, err := keys.Write([]byte("q")); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if got := colour.MatchString(out.String()); got != want {
			t.Errorf("NO_COLOR=%q: colour is %v, want %v", value, got, want)
		}
	}
}
