package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// sourceTree is where this program was built, or the module that it is started in. DuckDB is a module of its own with
// cgo in it, which a binary cannot carry along.
func sourceTree(ctx context.Context) (string, error) {
	var candidates []string
	if _, file, _, ok := runtime.Caller(0); ok {
		candidates = append(candidates, filepath.Join(filepath.Dir(file), "..", ".."))
	}
	if dir, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output(); err == nil {
		candidates = append(candidates, strings.TrimSpace(string(dir)))
	}
	for _, dir := range candidates {
		if _, err := os.Stat(filepath.Join(dir, "testdata", "duckdb", "go.mod")); err == nil && filepath.IsAbs(dir) {
			return dir, nil
		}
	}
	return "", errors.New("ward's source tree, from which DuckDB's side is built, is not where this program was " +
		"built; start it in the source tree")
}

// secondEngine builds testdata/duckdb into dir and returns the documented SQL and the program.
func secondEngine(ctx context.Context, dir string) (sql, program string, err error) {
	tree, err := sourceTree(ctx)
	if err != nil {
		return "", "", err
	}
	program = filepath.Join(dir, "duckdb")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", program, ".")
	cmd.Dir = filepath.Join(tree, "testdata", "duckdb")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", "", fmt.Errorf("building testdata/duckdb, which needs a C compiler: %w\n%s", err, out)
	}
	return filepath.Join(tree, "docs", "check_archive.sql"), program, nil
}

const againstDuckDBTarget = 10

func againstDuckDB(ctx context.Context, o Options, a *grown, dir string) ([]Figure, error) {
	threads := runtime.GOMAXPROCS(0)
	sql, program, err := secondEngine(ctx, dir)
	if err != nil { // the other figures need no second engine; this one is missed
		o.say("not measured against DuckDB: %v", err)
		return []Figure{{Figure: "verify, same files", Unit: "rows/s", Against: "DuckDB by docs/check_archive.sql",
			Target: againstDuckDBTarget, Note: "not measured: " + err.Error()}}, nil
	}
	f, err := comparison{figure: "verify, same files", unit: "rows/s", against: "DuckDB by docs/check_archive.sql",
		target: againstDuckDBTarget,
		note:   fmt.Sprintf("%d threads each; ward checks signatures, files and manifests too", threads),
		ward:   a.verifyRate,
		other: func(ctx context.Context) (float64, error) {
			start := time.Now()
			cmd := exec.CommandContext(ctx, program, "-threads", strconv.Itoa(threads), a.dir, sql)
			out, err := cmd.Output()
			if err != nil {
				return 0, err
			}
			var c struct{ Rows, Modified, Missing int64 }
			if err := json.Unmarshal(out, &c); err != nil {
				return 0, err
			}
			if c.Rows != a.rows || c.Modified+c.Missing != 0 {
				return 0, fmt.Errorf("%s", out)
			}
			return float64(c.Rows) / time.Since(start).Seconds(), nil
		}}.run(ctx, o)
	return []Figure{f}, err
}

// againstSize verifies the small and the large archive in a process each.
func againstSize(ctx context.Context, o Options, program string, small, large *grown) ([]Figure, error) {
	var peaks [2][]float64
	run := func(i int, a *grown) side {
		return func(ctx context.Context) (float64, error) {
			rate, peak, err := verifyProcess(ctx, program, a)
			peaks[i] = append(peaks[i], peak)
			return rate, err
		}
	}
	f, err := comparison{figure: fmt.Sprintf("verify %d rows", large.rows), unit: "rows/s",
		against: fmt.Sprintf("verify %d rows", small.rows), target: 0.95,
		note: "ward archive verify, a process each", ward: run(0, large), other: run(1, small)}.run(ctx, o)
	if err != nil {
		return nil, err
	}
	ours, theirs := median(peaks[0]), median(peaks[1])
	return []Figure{f,
		{Figure: "peak memory, " + f.Figure, Unit: "MiB", Ward: ours, Against: f.Against, Other: theirs,
			Ratio: theirs / ours, Target: 1 / 1.2, Met: theirs/ours >= 1/1.2, Rounds: f.Rounds,
			Note: "of a process that only verifies; at most 1.2 times as much"},
		{Figure: "peak memory, " + f.Figure, Unit: "MiB", Ward: ours, Against: "limit", Other: 512, Ratio: 512 / ours,
			Target: 1, Met: ours < 512, Rounds: f.Rounds},
	}, nil
}

// verifyProcess verifies in a process of its own and gives rows per second and the most memory that it had, in MiB.
// That is read while it runs: what the kernel says of a process that has ended may be its parent's.
func verifyProcess(ctx context.Context, program string, a *grown) (rate, peak float64, err error) {
	report := filepath.Join(filepath.Dir(a.dir), "report.json")
	defer os.Remove(report)
	cmd := exec.CommandContext(ctx, program, "archive", "verify", "--offline", "--no-state", "--store", a.dir, "--key",
		a.key.Text, "--report", report)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	start := time.Now()
	if err := cmd.Start(); err != nil {
		return 0, 0, fmt.Errorf("starting %s: %w", program, err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case err := <-ended:
			if err != nil {
				return 0, 0, fmt.Errorf("%s archive verify: %w\n%s", program, err, out.Bytes())
			}
			return float64(a.rows) / time.Since(start).Seconds(), peak, nil
		case <-tick.C:
			peak = max(peak, peakMiB(cmd.Process.Pid))
		}
	}
}

// peakMiB is the most memory that a process has had; 0 for one that has ended.
func peakMiB(pid int) float64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	field, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	kib, err := strconv.ParseFloat(field, 64)
	if err != nil {
		return 0
	}
	return kib / 1024
}
