// Command gotest runs `go test` with its arguments, prints what that would print, and at the end names the programs
// that skipped tests need and this machine lacks. `go test` itself says nothing of a skipped test unless -v is given.
//
//	go run ./internal/needs/gotest ./...
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"os/signal"
	"regexp"
	"slices"
	"strings"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdout))
}

func run(args []string, out io.Writer) int {
	signal.Ignore(os.Interrupt)                                              // go test gets it too, and ends
	cmd := exec.Command("go", append([]string{"test", "-json"}, args...)...) //nolint:noctx // it ends with its terminal
	cmd.Stderr = os.Stderr
	events, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		_, _ = fmt.Fprintln(out, err)
		return 1
	}
	r := report{out: out, said: map[string][]string{}, lacking: map[string][]string{}}
	for lines := bufio.NewReader(events); ; {
		line, err := lines.ReadString('\n')
		r.line(line)
		if err != nil {
			break
		}
	}
	err = cmd.Wait()
	r.summary()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return exit.ExitCode()
	} else if err != nil {
		return 1
	}
	return 0
}

// event is a line of go test -json.
type event struct {
	Action, Package, Test, Output string
}

// report turns events into what go test prints.
type report struct {
	out     io.Writer
	said    map[string][]string // by package and test
	lacking map[string][]string // tests by the reason of their skip
}

// say prints; what cannot be printed is lost, and the exit status tells the rest.
func (r *report) say(format string, args ...any) { _, _ = fmt.Fprintf(r.out, format, args...) }

func (r *report) line(text string) {
	var e event
	if json.Unmarshal([]byte(text), &e) != nil {
		r.say("%s", text) // such as a panic of go test's own
		return
	}
	key := e.Package + " " + e.Test
	switch e.Action {
	case "build-output":
		r.say("%s", e.Output)
	case "output":
		r.said[key] = append(r.said[key], e.Output)
	case "pass", "fail", "skip":
		r.ended(e, r.said[key])
		delete(r.said, key)
	}
}

// verdict is a line of a package that go test shows of a passed one too.
var verdict = regexp.MustCompile(`^(ok  |\?   |--- FAIL|FAIL)\t?`)

func (r *report) ended(e event, said []string) {
	for _, s := range said {
		if e.Action == "fail" && !strings.HasPrefix(s, "=== ") || e.Test == "" && verdict.MatchString(s) {
			r.say("%s", s)
		}
	}
	if e.Action == "skip" && e.Test != "" {
		why := reason(said)
		r.lacking[why] = append(r.lacking[why], e.Package[strings.LastIndex(e.Package, "/")+1:]+"."+e.Test)
	}
}

// place is where a test said something.
var place = regexp.MustCompile(`^ +[^ ]+\.go:[0-9]+: `)

// reason is the line in which a test says why it is skipped.
func reason(said []string) string {
	for _, s := range slices.Backward(said) {
		if place.MatchString(s) {
			return strings.TrimSpace(place.ReplaceAllString(s, ""))
		}
	}
	return "skipped without a reason"
}

func (r *report) summary() {
	if len(r.lacking) == 0 {
		return
	}
	n := 0
	for _, tests := range r.lacking {
		n += len(tests)
	}
	r.say("\nskipped (%d), run again with -count=1 once this is installed:\n", n)
	for _, why := range slices.Sorted(maps.Keys(r.lacking)) {
		r.say("  %s\n    %s\n", why, strings.Join(r.lacking[why], ", "))
	}
}
