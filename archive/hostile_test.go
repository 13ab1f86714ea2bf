package archive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// hostile is an archive as a server shows it that may say anything.
type hostile map[string][]byte

func (h hostile) Open(_ context.Context, p string) (Blob, error) {
	data, ok := h[p]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: p, Err: fs.ErrNotExist}
	}
	return hostileBlob{bytes.NewReader(data)}, nil
}

func (h hostile) List(_ context.Context, prefix string) ([]Object, error) {
	var list []Object
	for _, p := range slices.Sorted(maps.Keys(h)) {
		if strings.HasPrefix(p, prefix) {
			list = append(list, Object{Path: p, Size: int64(len(h[p]))})
		}
	}
	return list, nil
}

func (h hostile) Put(context.Context, string, io.Reader, int64, time.Time) error {
	return errors.ErrUnsupported
}

func (h hostile) String() string { return "hostile" }

type hostileBlob struct{ *bytes.Reader }

func (hostileBlob) Close() error { return nil }

// with is h with other objects in the place of some; nil removes one.
func (h hostile) with(objects hostile) hostile {
	c := maps.Clone(h)
	for p, data := range objects {
		if c[p] = data; data == nil {
			delete(c, p)
		}
	}
	return c
}

// kinds returns the objects of a kind, in the order of their paths.
func (h hostile) kinds(k objectKind) []string {
	var list []string
	for _, p := range slices.Sorted(maps.Keys(h)) {
		if parsePath(p, 0).kind == k {
			list = append(list, p)
		}
	}
	return list
}

// loadGolden reads the golden archive, which has a key note, a void part and an empty month.
func loadGolden(t testing.TB) hostile {
	t.Helper()
	h := hostile{}
	err := filepath.WalkDir(golden, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(golden, p)
		if err == nil {
			h[filepath.ToSlash(name)], err = os.ReadFile(p)
		}
		return err
	})
	if err != nil || len(h) != 26 {
		t.Fatalf("golden archive: %d objects, %v", len(h), err)
	}
	return h
}

// attack is one thing that somebody who controls the store, and no key, may show an auditor.
type attack struct {
	kind    string
	store   hostile
	name    string // a finding must name it; empty: any
	known   []byte // the checkpoint that the auditor remembers; nil: none
	options func(*VerifyOptions)
}

// outcome says which statuses a kind of attack comes out as: one of them at least, others only if they are listed.
type outcome struct {
	verdict Verdict
	one     string
	may     string
	least   int // how many attacks of the kind there must be
}

// TestHostile shows an auditor every kind of change that somebody without the key can make to the golden archive. Each
// must come out as its kind says, none may panic, and the process that verifies them all stays below 256 MiB: it runs
// as a child, whose own peak is what counts.
func TestHostile(t *testing.T) {
	const child, limit = "WARD_TEST_HOSTILE", 256 << 10
	if os.Getenv(child) != "" {
		runHostile(t)
		if peak := peakKiB(t); peak >= limit && !raceDetector {
			t.Errorf("peak memory %d KiB, want less than %d", peak, limit)
		} else {
			t.Logf("peak memory %d KiB", peak)
		}
		return
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestHostile$", "-test.v", "-test.timeout=1h")
	cmd.Env = append(os.Environ(), child+"=1")
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil || !bytes.Contains(out, []byte("peak memory")) {
		t.Fatalf("the child: %v", err)
	}
}

// peakKiB is the most memory that this process ever had.
func peakKiB(t *testing.T) int {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	var kib int
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	if _, err := fmt.Sscan(rest, &kib); err != nil {
		t.Fatal(err)
	}
	return kib
}

func runHostile(t *testing.T) {
	g := newAttacker(t)
	type seen struct {
		attacks  int
		statuses map[string]int
	}
	var mu sync.Mutex
	all := map[string]*seen{}
	run := func(a attack) {
		o := VerifyOptions{Keys: []Key{g.first.Key()}, Now: testNow, Workers: 1}
		if a.known != nil {
			o.ExpectHeads = [][]byte{a.known}
		}
		if a.options != nil {
			a.options(&o)
		}
		r, err := NewVerification(a.store, o).Run(context.Background())
		mu.Lock()
		defer mu.Unlock()
		if err != nil {
			t.Errorf("%s %s: %v", a.kind, a.name, err)
			return
		}
		s := all[a.kind]
		if s == nil {
			s = &seen{statuses: map[string]int{}}
			all[a.kind] = s
		}
		s.attacks++
		for _, f := range r.Findings {
			s.statuses[f.Status]++
		}
		if err := judge(&a, r); err != nil {
			t.Errorf("%s: %s: %v\n%s", a.kind, a.name, err, describe(r))
		}
	}
	attacks := make(chan attack)
	var workers sync.WaitGroup
	for range 2 {
		workers.Go(func() {
			for a := range attacks {
				run(a)
			}
		})
	}
	for a := range g.attacks() {
		if attacks <- a; t.Failed() {
			break
		}
	}
	close(attacks)
	workers.Wait()
	hostileProofs(t, g)
	total := 0
	for _, kind := range slices.Sorted(maps.Keys(outcomes)) {
		s := all[kind]
		if s == nil {
			s = &seen{}
		}
		total += s.attacks
		t.Logf("%-40s %6d attacks %v", kind, s.attacks, s.statuses)
		if s.attacks < outcomes[kind].least {
			t.Errorf("%s: only %d attacks, want %d", kind, s.attacks, outcomes[kind].least)
		}
		for status := range strings.FieldsSeq(outcomes[kind].one + " " + outcomes[kind].may) {
			if s.statuses[status] == 0 && everyByte {
				t.Errorf("%s: never came out as %s", kind, status)
			}
		}
	}
	t.Logf("%d attacks", total)
}

// judge holds a report against what an attack of its kind must come out as.
func judge(a *attack, r *Report) error {
	want, ok := outcomes[a.kind]
	if !ok {
		return errors.New("no such kind")
	}
	if r.Verdict != want.verdict {
		return fmt.Errorf("verdict %s, want %s", r.Verdict, want.verdict)
	}
	one, may := strings.Fields(want.one), strings.Fields(want.may)
	hit, named := len(one) == 0, len(one) == 0 || a.name == ""
	for _, f := range r.Findings {
		hit = hit || slices.Contains(one, f.Status)
		named = named || f.Part == a.name || strings.Contains(f.Message, a.name)
		if !slices.Contains(one, f.Status) && !slices.Contains(may, f.Status) {
			return fmt.Errorf("status %s", f.Status)
		}
	}
	if !hit || !named {
		return fmt.Errorf("want one of %s, and a finding that names %q", want.one, a.name)
	}
	return nil
}

// concat is several sequences after each other.
func concat[T any](list ...iter.Seq[T]) iter.Seq[T] {
	return func(yield func(T) bool) {
		for _, s := range list {
			for v := range s {
				if !yield(v) {
					return
				}
			}
		}
	}
}
