// Package diagnose parses files that may have been made to harm their reader, in a process that may die of it.
//
// The process is the program itself, started again with arguments that lead it to [Child]. It gets an empty
// environment, the file as its descriptor 3, and on its standard input what is known of the part; it limits its own
// memory and time before it looks at the file, and answers with one JSON object. Whatever it does instead (ends by a
// crash, asks for more memory than it may, goes on for ever, talks without end) ends that process and is said in a
// finding.
package diagnose

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/ward-health/ward/archive"
)

// Limits bound one diagnosis.
type Limits struct {
	// Memory is how many bytes the process may need beyond what a Go program needs to be there.
	Memory int64 `json:"memory"`
	// Time is how long it may take.
	Time time.Duration `json:"time"`
}

// DefaultLimits are enough for every part that ward writes: a row group of 131,072 rows is read at a time.
func DefaultLimits() Limits { return Limits{Memory: 512 << 20, Time: time.Minute} }

// What the process may say, in bytes: its findings are at most 1,001 of bounded texts.
const (
	maxAnswer = 8 << 20
	maxCry    = 16 << 10
	// maxQuestion bounds a manifest and the heads about it.
	maxQuestion = 256 << 20
)

// The exit codes of the process that ended itself.
const (
	exitMemory = 10
	exitTime   = 11
)

// question is what the process reads, answer what it writes.
type question struct {
	Limits    Limits          `json:"limits"`
	Diagnosis json.RawMessage `json:"diagnosis"`
}

type answer struct {
	Findings []archive.Finding `json:"findings"`
	Error    string            `json:"error,omitempty"`
}

// InChild returns a [archive.VerifyOptions.Diagnose] that runs program with args for every file, one at a time.
func InChild(limits Limits, program string,
	args ...string) func(context.Context, *archive.Diagnosis) ([]archive.Finding, error) {
	turn := make(chan struct{}, 1)
	return func(ctx context.Context, d *archive.Diagnosis) ([]archive.Finding, error) {
		select {
		case turn <- struct{}{}:
			defer func() { <-turn }()
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		file, done, err := onDisk(d)
		if err != nil {
			return nil, err
		}
		defer done()
		text, err := d.Marshal()
		if err != nil {
			return nil, err
		}
		ask, err := json.Marshal(question{limits, text})
		if err != nil {
			return nil, fmt.Errorf("encode diagnosis: %w", err)
		}
		return run(ctx, limits, file, ask, program, args)
	}
}

// run starts the process and takes what it says, or says how it ended.
func run(ctx context.Context, limits Limits, file *os.File, ask []byte, program string,
	args []string) ([]archive.Finding, error) {
	// It ends by itself when its time is over; this is for one that cannot.
	timed, cancel := context.WithTimeout(ctx, limits.Time+2*time.Second)
	defer cancel()
	cmd := exec.CommandContext(timed, program, args...)
	cmd.Args[0] = "ward"
	cmd.Env = []string{"GOTRACEBACK=none", "GOMAXPROCS=2"} // and no secret of ours
	cmd.ExtraFiles = []*os.File{file}
	cmd.WaitDelay = 2 * time.Second
	out, cry := &bounded{most: maxAnswer}, &bounded{most: maxCry, drop: true}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(ask), out, cry
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(timed.Err(), context.DeadlineExceeded), errors.As(err, &exit) && exit.ExitCode() == exitTime:
		return nil, fmt.Errorf("the process that parsed it did not end within %s", limits.Time)
	case errors.As(err, &exit) && exit.ExitCode() == exitMemory, noMemory(cry.kept.String()):
		return nil, fmt.Errorf("the process that parsed it needed more than %d MiB of memory", limits.Memory>>20)
	case out.over:
		return nil, fmt.Errorf("the process that parsed it said more than %d bytes", maxAnswer)
	case err != nil:
		return nil, fmt.Errorf("the process that parsed it ended with %w: %s", err, firstLine(cry.kept.String()))
	}
	var a answer
	if err := json.Unmarshal(out.kept.Bytes(), &a); err != nil {
		return nil, fmt.Errorf("the process that parsed it gave no answer: %w", err)
	}
	if a.Error != "" {
		return nil, errors.New(a.Error)
	}
	return a.Findings, nil
}

// noMemory reports whether a Go program that the kernel refused memory said so. The last two of these are the words of
// one that was built with -race.
func noMemory(cry string) bool {
	return slices.ContainsFunc([]string{"out of memory", "cannot allocate memory", "too many address space collisions",
		"failed to allocate"}, func(said string) bool { return strings.Contains(cry, said) })
}

// onDisk gives the copy of the file a descriptor that another process can have.
func onDisk(d *archive.Diagnosis) (*os.File, func(), error) {
	if f, ok := d.File.(*os.File); ok {
		return f, func() {}, nil
	}
	f, err := os.CreateTemp("", "ward-diagnose-*")
	if err != nil {
		return nil, nil, fmt.Errorf("copy file: %w", err)
	}
	os.Remove(f.Name())
	if _, err := io.Copy(f, io.NewSectionReader(d.File, 0, d.Size)); err != nil {
		f.Close()
		return nil, nil, fmt.Errorf("copy file: %w", err)
	}
	return f, func() { f.Close() }, nil
}

// Child is the process's side: it reads the question, limits itself, parses the file and writes the answer. exit ends
// the process at once, from any goroutine.
func Child(ctx context.Context, in io.Reader, file *os.File, out io.Writer, exit func(code int)) error {
	data, err := io.ReadAll(io.LimitReader(in, maxQuestion))
	if err != nil {
		return fmt.Errorf("read question: %w", err)
	}
	var q question
	if err := json.Unmarshal(data, &q); err != nil || q.Limits.Memory < 1 || q.Limits.Time < 1 {
		return errors.New("this command is for ward itself: ward archive verify --diagnose starts it")
	}
	info, err := file.Stat()
	if err != nil {
		return fmt.Errorf("open file: %w", err)
	}
	d, err := archive.ParseDiagnosis(q.Diagnosis, file, info.Size())
	if err != nil {
		return err
	}
	if err := limit(q.Limits, exit); err != nil {
		return err
	}
	var a answer
	if a.Findings, err = d.Run(ctx); err != nil {
		a.Error = err.Error()
	}
	if a.Findings == nil {
		a.Findings = []archive.Finding{}
	}
	for i := range a.Findings { // a text that came out of the file may be as long as the file
		f := &a.Findings[i]
		for _, s := range []*string{&f.Tenant, &f.Expected, &f.Found, &f.Message} {
			*s = cut(*s)
		}
	}
	a.Error = cut(a.Error)
	if err := json.NewEncoder(out).Encode(a); err != nil {
		return fmt.Errorf("write answer: %w", err)
	}
	return nil
}

// cut keeps the first 600 bytes, which is more than a report shows.
func cut(s string) string { return s[:min(len(s), 600)] }

func firstLine(s string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	return line
}

var errTooMuch = errors.New("too much output")

// bounded keeps the first bytes written. What is more is dropped, or an error that ends the writer. It embeds nothing:
// a ReadFrom would take all there is.
type bounded struct {
	kept bytes.Buffer
	most int
	drop bool
	over bool // there was more
}

// Write keeps what there is room for.
func (b *bounded) Write(p []byte) (int, error) {
	room := b.most - b.kept.Len()
	if len(p) <= room {
		return b.kept.Write(p)
	}
	if b.over = true; !b.drop {
		return 0, errTooMuch
	}
	b.kept.Write(p[:room])
	return len(p), nil
}
