package bench

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// meter reads how much CPU time something has used so far.
type meter func() (time.Duration, error)

// thisProcess is the meter of this process.
func thisProcess() (time.Duration, error) {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0, fmt.Errorf("ask for this process's CPU time: %w", err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), nil
}

// ofProcess is the CPU time of a process with one thread, as each of PostgreSQL's has, to the nanosecond. Linux tells
// it.
func ofProcess(pid int) (time.Duration, error) {
	text, err := os.ReadFile(schedstat(strconv.Itoa(pid)))
	if err != nil {
		return 0, fmt.Errorf("read CPU time of process %d: %w", pid, err)
	}
	first, _, _ := strings.Cut(string(text), " ")
	ns, err := strconv.ParseInt(first, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("read CPU time of process %d: %w", pid, err)
	}
	return time.Duration(ns), nil
}

func schedstat(pid string) string { return "/proc/" + pid + "/schedstat" }

// parentage is a process's parent, and the CPU time of its children that have ended, in ticks of 10 ms
// (proc_pid_stat(5)).
func parentage(pid int) (parent int, ended time.Duration, err error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, 0, fmt.Errorf("ask for the parent of process %d: %w", pid, err)
	}
	_, rest, _ := strings.Cut(string(data), ") ") // behind the name, field 2
	f := strings.Fields(rest)
	if len(f) < 15 {
		return 0, 0, fmt.Errorf("/proc/%d/stat has %d fields", pid, len(f))
	}
	var numbers [3]int
	for i, field := range []int{4, 16, 17} {
		if numbers[i], err = strconv.Atoi(f[field-3]); err != nil {
			return 0, 0, fmt.Errorf("/proc/%d/stat: field %d: %w", pid, field, err)
		}
	}
	const tick = time.Second / 100 // USER_HZ, the same on every Linux
	return numbers[0], time.Duration(numbers[1]+numbers[2]) * tick, nil
}

// withServer is the meter of this process and all of a server's, those that ended among them.
func withServer(ctx context.Context, pool *pgxpool.Pool) (meter, error) {
	var backend int
	if err := pool.QueryRow(ctx, "select pg_backend_pid()").Scan(&backend); err != nil {
		return nil, fmt.Errorf("find the server's processes: %w", err)
	}
	server, _, err := parentage(backend)
	if err != nil {
		return nil, err
	}
	if _, err := ofProcess(backend); err != nil {
		return nil, err
	}
	return func() (time.Duration, error) {
		used, err := thisProcess()
		if err != nil {
			return 0, err
		}
		list, err := filepath.Glob("/proc/[0-9]*/stat")
		if err != nil {
			return 0, fmt.Errorf("list processes: %w", err)
		}
		for _, path := range list {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			parent, ended, err := parentage(pid)
			if err != nil || (parent != server && pid != server) {
				continue // of somebody else, or it has ended meanwhile
			}
			if pid == server {
				used += ended
			}
			own, err := ofProcess(pid)
			if err == nil { // otherwise it has ended meanwhile
				used += own
			}
		}
		return used, nil
	}, nil
}

// ofBackends is the meter of the processes that serve ward_app in the world's database, and how many they are.
func (w *world) ofBackends(ctx context.Context) (meter, int, error) {
	rows, err := w.super.Query(ctx,
		"select pid from pg_stat_activity where datname = current_database() and usename = 'ward_app'")
	if err != nil {
		return nil, 0, fmt.Errorf("list backends: %w", err)
	}
	pids, err := pgx.CollectRows(rows, pgx.RowTo[int])
	if err != nil {
		return nil, 0, fmt.Errorf("list backends: %w", err)
	}
	return func() (sum time.Duration, err error) {
		for _, pid := range pids {
			used, err := ofProcess(pid)
			if err != nil {
				return 0, err
			}
			sum += used
		}
		return sum, nil
	}, len(pids), nil
}

// cpu is how many µs of a server's CPU time one operation costs: of every backend that ward_app has in the world's
// database, with one operation at a time, the smallest of batches of 50. It says nothing of disk and network, and
// hardly depends on what else the machine does.
func (w *world) cpu(o Options, do act) side {
	const batch = 50
	return func(ctx context.Context) (float64, error) {
		best := math.Inf(1)
		n := 0
		for start := time.Now(); math.IsInf(best, 1) || time.Since(start) < o.round(); {
			used, backends, err := w.ofBackends(ctx)
			if err != nil {
				return 0, err
			}
			before, err := used()
			if err != nil {
				return 0, err
			}
			for range batch {
				if err := do(ctx, 0, n); err != nil {
					return 0, err
				}
				n++
			}
			after, err := used()
			if err != nil {
				return 0, err
			}
			if backends > 0 && n > batch { // connections are there and know their statements
				best = min(best, float64((after-before).Nanoseconds())/1000/batch)
			}
		}
		return best, nil
	}
}

// ofCPU is a comparison of what two operations cost the server, where the system tells that: Linux does.
func (w *world) ofCPU(o Options, figure, against string, ward, other act) []comparison {
	if _, err := os.Stat(schedstat("self")); err != nil {
		return nil
	}
	return []comparison{{figure: figure + ", CPU of the server", unit: "µs", against: against, less: true,
		ward: w.cpu(o, ward), other: w.cpu(o, other),
		note: "for information: of the server's processes, without disk and network"}}
}

// work does something n times and says how long that took; what it did before and after does not count.
type work func(ctx context.Context) (n int64, took time.Duration, err error)

// byProcessor runs the comparison of two works, and gives beside the figure by the clock the one by the processor's
// time, in the same rounds: a machine that has other work to do changes that one less. used is the meter of
// everything that works.
func (c comparison) byProcessor(ctx context.Context, o Options, ward, other work,
	used meter) ([]Figure, error) {
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
			// the time of children that have ended comes in ticks of 10 ms
			rates[i] = append(rates[i], float64(n)/max((after-before).Seconds(), 0.01))
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
