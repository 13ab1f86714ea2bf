package bench

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// work does something n times and says how long that took; what it did before and after does not count.
type work func(ctx context.Context) (n int64, took time.Duration, err error)

// byProcessor runs the comparison of two works, and gives beside the figure by the clock the one by the processor's
// time, in the same rounds: a machine that has other work to do changes that one less. used is the processor's time so
// far, in seconds, of everything that works.
func (c comparison) byProcessor(ctx context.Context, o Options, ward, other work,
	used func() (float64, error)) ([]Figure, error) {
	var rates [2][]float64
	timed := func(i int, w work) side {
		return func(ctx context.Context) (float64, error) {
			before, err := used()
			if err != nil {
				return 0, err
			}
			n, took, err := w(ctx)
			if err != nil {
				return 0, err
			}
			after, err := used()
			rates[i] = append(rates[i], float64(n)/max(after-before, 0.01)) // the kernel counts in ticks of 10 ms
			return float64(n) / took.Seconds(), err
		}
	}
	c.ward, c.other = timed(0, ward), timed(1, other)
	wall, err := c.run(ctx, o)
	if err != nil {
		return nil, err
	}
	ours, theirs := rates[0][1:], rates[1][1:] // without the round that warmed up
	ratios := make([]float64, len(ours))
	for i := range ratios {
		ratios[i] = ours[i] / theirs[i]
	}
	ratio := median(ratios)
	return []Figure{wall, {Figure: c.figure + ", by the processor's time", Unit: c.unit, Ward: median(ours),
		Against: c.against, Other: median(theirs), Ratio: ratio, Met: true, Rounds: len(ratios),
		Spread: (slices.Max(ratios) - slices.Min(ratios)) / ratio, Note: "what a busy machine changes less"}}, nil
}

// cpuSeconds is what this process has used.
func cpuSeconds() (float64, error) {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0, fmt.Errorf("ask for the processor's time: %w", err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds(), nil
}

// withServer gives what this process and a server's processes have used, those that ended among them.
func withServer(ctx context.Context, pool *pgxpool.Pool) (func() (float64, error), error) {
	var backend int
	if err := pool.QueryRow(ctx, "select pg_backend_pid()").Scan(&backend); err != nil {
		return nil, fmt.Errorf("find the server's processes: %w", err)
	}
	main, err := statOf(backend)
	if err != nil {
		return nil, err
	}
	return func() (float64, error) {
		used, err := cpuSeconds()
		if err != nil {
			return 0, err
		}
		list, err := filepath.Glob("/proc/[0-9]*/stat")
		if err != nil {
			return 0, fmt.Errorf("list processes: %w", err)
		}
		for _, path := range list {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			s, err := statOf(pid)
			if err != nil {
				continue // it has ended
			}
			switch main.parent {
			case pid:
				used += s.own + s.ended
			case s.parent:
				used += s.own
			}
		}
		return used, nil
	}, nil
}

// processStat is a line of /proc/PID/stat (proc_pid_stat(5)), times in seconds.
type processStat struct {
	parent     int
	own, ended float64 // ended: of children that were waited for
}

func statOf(pid int) (processStat, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return processStat{}, fmt.Errorf("ask for a process's time: %w", err)
	}
	_, rest, _ := strings.Cut(string(data), ") ") // behind the name, field 2
	f := strings.Fields(rest)
	if len(f) < 15 {
		return processStat{}, fmt.Errorf("/proc/%d/stat has %d fields", pid, len(f))
	}
	number := func(field int) float64 {
		v, _ := strconv.ParseFloat(f[field-3], 64)
		return v
	}
	const ticks = 100 // USER_HZ, the same on every Linux
	return processStat{int(number(4)), (number(14) + number(15)) / ticks, (number(16) + number(17)) / ticks}, nil
}
