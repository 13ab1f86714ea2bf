// Package ptytest runs a program in a terminal of the test's own: a pseudo-terminal of the kernel's, so that the
// program sees a real one, and behind it an emulator in Go (charmbracelet/x/vt) that keeps the screen and answers the
// questions that programs ask a terminal. It needs no other program.
package ptytest

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/charmbracelet/x/vt"
	"github.com/creack/pty"
)

// patience bounds every wait for the screen.
const patience = 40 * time.Second

// Terminal is a terminal with one program in it. When the program ends, the terminal shows "exit status N".
type Terminal struct {
	t   testing.TB
	pty *os.File

	mu      sync.Mutex
	changed chan struct{} // closed, and replaced, whenever something was written to the screen
	screen  *vt.Emulator
}

// Start runs a command in a terminal of so many columns and rows until it ends by itself or the test does.
func Start(t testing.TB, cmd *exec.Cmd, columns, rows int) *Terminal {
	t.Helper()
	x := &Terminal{t: t, changed: make(chan struct{}), screen: vt.NewEmulator(columns, rows)}
	var err error
	if x.pty, err = pty.StartWithSize(cmd, &pty.Winsize{Cols: uint16(columns), Rows: uint16(rows)}); err != nil {
		t.Fatalf("start %s in a terminal: %v", cmd.Path, err)
	}
	shown, answered := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(shown)
		x.show(cmd)
	}()
	go func() { // what the emulator answers, such as where the cursor is
		defer close(answered)
		_, _ = io.Copy(x.pty, x.screen) // fails once the program is gone; what it asked then needs no answer
		_, _ = io.Copy(io.Discard, x.screen)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // most often it has ended
		<-shown
		if answers, ok := x.screen.InputPipe().(io.Closer); ok {
			_ = answers.Close()
			<-answered
		}
		_ = x.pty.Close()
	})
	return x
}

// show puts on the screen what the program writes, and how it ended.
func (x *Terminal) show(cmd *exec.Cmd) {
	buf := make([]byte, 32<<10)
	for {
		n, err := x.pty.Read(buf)
		x.write(buf[:n])
		if err == nil {
			continue
		}
		// Linux says EIO, others end of file, when nobody holds the other end any more.
		if !errors.Is(err, syscall.EIO) && !errors.Is(err, io.EOF) {
			x.write([]byte(err.Error()))
		}
		break
	}
	_ = cmd.Wait() // its status is told below
	x.write([]byte(fmt.Sprintf("exit status %d\r\n", cmd.ProcessState.ExitCode())))
}

func (x *Terminal) write(b []byte) {
	x.mu.Lock()
	defer x.mu.Unlock()
	_, _ = x.screen.Write(b) // fails only after Close, which nobody calls
	close(x.changed)
	x.changed = make(chan struct{})
}

// Screen is what the terminal shows now, a line of text for each row.
func (x *Terminal) Screen() string {
	s, _ := x.look()
	return s
}

// look also returns what is closed when the screen changes.
func (x *Terminal) look() (string, <-chan struct{}) {
	x.mu.Lock()
	defer x.mu.Unlock()
	rows := strings.Split(x.screen.String(), "\n")
	for i, row := range rows {
		rows[i] = strings.TrimRight(row, " \r")
	}
	return strings.Join(rows, "\n") + "\n", x.changed
}

// Sees waits until the screen matches a regular expression, and returns it.
func (x *Terminal) Sees(pattern string) string {
	x.t.Helper()
	re := regexp.MustCompile(pattern)
	limit := time.After(patience)
	for {
		s, changed := x.look()
		if re.MatchString(s) {
			return s
		}
		select {
		case <-changed:
		case <-limit:
			x.t.Fatalf("the screen never showed %q:\n%s", pattern, s)
		}
	}
}

// keys that have a name; any other key is its character.
var keys = map[string]string{"Enter": "\r", "Escape": "\x1b", "Tab": "\t", "C-c": "\x03"}

// Keys presses keys: characters, Enter, Escape, Tab and C-c.
func (x *Terminal) Keys(names ...string) {
	x.t.Helper()
	for _, name := range names {
		if s, ok := keys[name]; ok {
			name = s
		}
		x.Types(name)
	}
}

// Types types a text.
func (x *Terminal) Types(text string) {
	x.t.Helper()
	if _, err := io.WriteString(x.pty, text); err != nil {
		x.t.Fatalf("type %q: %v", text, err)
	}
}
