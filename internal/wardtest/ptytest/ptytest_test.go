package ptytest_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/ward-health/ward/internal/wardtest/ptytest"
)

// A program in it sees a terminal of the right size, gets what is typed, and its end is told.
func TestTerminal(t *testing.T) {
	x := ptytest.Start(t, exec.Command("/bin/sh", "-c", `test -t 0 && test -t 1 && stty size && read -r line && `+
		`printf '\033[2J\033[3;5Hgot <%s> ✓ 漢字|\033[31m red\033[0m\n' "$line"; exit 7`), 60, 8)
	x.Sees(`(?m)^8 60$`)
	x.Types("two words")
	x.Keys("Enter")
	if s := x.Sees(`exit status 7`); strings.Split(s, "\n")[2] != "    got <two words> ✓ 漢字| red" {
		t.Fatalf("the screen is:\n%s", s)
	}
}

// A program that asks where the cursor is gets an answer, as bubbletea's questions do.
func TestTerminalAnswers(t *testing.T) {
	x := ptytest.Start(t, exec.Command("/bin/sh", "-c", `stty raw -echo; printf '\033[4;9H\033[6n'; `+
		`dd bs=1 count=6 2>/dev/null | od -An -c; stty sane`), 60, 8)
	x.Sees(`033 +\[ +4 +; +9 +R`)
}
