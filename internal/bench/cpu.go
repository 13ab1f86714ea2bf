package bench

import (
	"context"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// cpu is how many µs of a server's CPU time one operation costs: of every backend that ward_app has in the world's
// database, with one operation at a time, the smallest of batches of 50. It says nothing of disk and network, and
// hardly depends on what else the machine does.
func (w *world) cpu(o Options, do act) side {
	const batch = 50
	return func(ctx context.Context) (float64, error) {
		best := math.Inf(1)
		n := 0
		for start := time.Now(); math.IsInf(best, 1) || time.Since(start) < o.round(); {
			pids, err := w.backends(ctx)
			if err != nil {
				return 0, err
			}
			before, err := spent(pids)
			if err != nil {
				return 0, err
			}
			for range batch {
				if err := do(ctx, 0, n); err != nil {
					return 0, err
				}
				n++
			}
			after, err := spent(pids)
			if err != nil {
				return 0, err
			}
			if len(pids) > 0 && n > batch { // connections are there and know their statements
				best = min(best, float64(after-before)/1000/batch)
			}
		}
		return best, nil
	}
}

// backends are the processes that serve ward_app in this database.
func (w *world) backends(ctx context.Context) ([]int, error) {
	rows, err := w.super.Query(ctx,
		"select pid from pg_stat_activity where datname = current_database() and usename = 'ward_app'")
	if err != nil {
		return nil, fmt.Errorf("list backends: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowTo[int])
}

// spent is the CPU time that these processes have had, in ns.
func spent(pids []int) (int64, error) {
	var sum int64
	for _, pid := range pids {
		text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/schedstat")
		if err != nil {
			return 0, fmt.Errorf("read CPU time of process %d: %w", pid, err)
		}
		first, _, _ := strings.Cut(string(text), " ")
		ns, err := strconv.ParseInt(first, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("read CPU time of process %d: %w", pid, err)
		}
		sum += ns
	}
	return sum, nil
}

// ofCPU is a comparison of what two operations cost the server, where the system tells that: Linux does.
func (w *world) ofCPU(o Options, figure, against string, ward, other act) []comparison {
	if _, err := os.Stat("/proc/self/schedstat"); err != nil {
		return nil
	}
	return []comparison{{figure: figure + ", CPU of the server", unit: "µs", against: against, less: true,
		ward: w.cpu(o, ward), other: w.cpu(o, other),
		note: "for information: of the server's processes, without disk and network"}}
}
