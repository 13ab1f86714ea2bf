package bench

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/ward-health/ward/archive"
)

// Verify measures the verification of an archive in a directory: against SHA-256 alone over the same canonical bytes, against DuckDB re-computing the chain by
// docs/check_archive.sql, and against itself over an archive ten times as large. For DuckDB it needs a C compiler and ward's source tree; without them that one figure is missed. The full
// size takes 6 GB of disk.
func Verify(ctx context.Context, o Options) ([]Figure, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding ward: %w", err)
	}
	return verify(ctx, o, program)
}

// verify runs the program ward for what has to be measured in a process that only verifies.
func verify(ctx context.Context, o Options, program string) ([]Figure, error) {
	dir, err := os.MkdirTemp("", "ward-bench-*")
	if err != nil {
		return nil, fmt.Errorf("making a directory: %w", err)
	}
	defer os.RemoveAll(dir)
	small, large, err := growArchives(ctx, o, dir)
	if err != nil {
		return nil, err
	}
	var out []Figure
	for _, f := range []func() ([]Figure, error){
		func() ([]Figure, error) { return againstSHA256(ctx, o, small) },
		func() ([]Figure, error) { return againstDuckDB(ctx, o, small, dir) },
		func() ([]Figure, error) { return againstSize(ctx, o, program, small, large) },
	} {
		o.say("measuring, %d of about 8 figures are there", len(out))
		list, err := f()
		if err != nil {
			return nil, err
		}
		out = append(out, list...)
	}
	perRow := float64(large.bytes) / float64(large.rows)
	return append(out, Figure{Figure: "size of an archived row", Unit: "B", Ward: perRow, Against: "limit", Other: 80, Ratio: 80 / perRow, Target: 1, Met: perRow <= 80, Rounds: 1,
		Note: "ids as uuid text, a random nonce and a hash in each row"}), nil
}

// verifyRate is how many rows a second a verification in this process has checked.
func (a *grown) verifyRate(ctx context.Context) (float64, error) {
	store, err := archive.OpenDir(a.dir)
	if err != nil {
		return 0, err
	}
	start := time.Now()
	r, err := archive.NewVerification(store, archive.VerifyOptions{Keys: []archive.Key{a.key}}).Run(ctx)
	if err != nil {
		return 0, err
	}
	if r.Verdict != archive.Valid || r.Rows != a.rows {
		return 0, fmt.Errorf("verdict %s, %d rows of %d", r.Verdict, r.Rows, a.rows)
	}
	return float64(r.Rows) / time.Since(start).Seconds(), nil
}

// hashed is the canonical bytes of rows, one after the other.
type hashed struct {
	data []byte
	ends []int
	want []archive.Hash
}

// rate hashes every row on all cores, n rows or a little more in all.
func (h *hashed) rate(n int64) (float64, error) {
	start := time.Now()
	cores := runtime.GOMAXPROCS(0)
	wrong, done := make([]int, cores), int64(0)
	for ; done < n; done += int64(len(h.ends)) {
		var wg sync.WaitGroup
		for c := range cores {
			wg.Go(func() {
				from, to := c*len(h.ends)/cores, (c+1)*len(h.ends)/cores
				at := 0
				if from > 0 {
					at = h.ends[from-1]
				}
				for i := from; i < to; i++ {
					if sha256.Sum256(h.data[at:h.ends[i]]) != h.want[i] {
						wrong[c]++
					}
					at = h.ends[i]
				}
			})
		}
		wg.Wait()
	}
	if slices.Max(wrong) > 0 {
		return 0, fmt.Errorf("%d rows have another hash", slices.Max(wrong))
	}
	return float64(done) / time.Since(start).Seconds(), nil
}

func againstSHA256(ctx context.Context, o Options, a *grown) ([]Figure, error) {
	h, err := a.canonical(ctx)
	if err != nil {
		return nil, err
	}
	note := fmt.Sprintf("%d rows of %d canonical bytes, %d cores; the other side repeats those of one part", a.rows, len(h.data)/len(h.ends), runtime.GOMAXPROCS(0))
	ours := func() (float64, error) { return a.verifyRate(ctx) }
	theirs := func() (float64, error) { return h.rate(a.rows) }
	wall, err := comparison{figure: "verify, all cores", unit: "rows/s", against: "SHA-256 alone over the same bytes from memory", target: 0.60, note: note,
		ward: func(context.Context) (float64, error) { return ours() }, other: func(context.Context) (float64, error) { return theirs() }}.run(ctx, o)
	if err != nil {
		return nil, err
	}
	busy := func(f func() (float64, error), rows int64) side {
		return func(context.Context) (float64, error) {
			before := cpuSeconds()
			_, err := f()
			return float64(rows) / (cpuSeconds() - before), err
		}
	}
	rounded := (a.rows + int64(len(h.ends)) - 1) / int64(len(h.ends)) * int64(len(h.ends))
	cpu, err := comparison{figure: "verify, by the processor's time", unit: "rows/s", against: wall.Against, note: "what a busy machine changes less",
		ward: busy(ours, a.rows), other: busy(theirs, rounded)}.run(ctx, o)
	return []Figure{wall, cpu}, err
}

// cpuSeconds is what this process has used.
func cpuSeconds() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err) // the arguments are constant
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
}

// canonical reads the first part's rows and gives the bytes that are hashed.
func (a *grown) canonical(ctx context.Context) (*hashed, error) {
	store, err := archive.OpenDir(a.dir)
	if err != nil {
		return nil, err
	}
	h := &hashed{}
	tenant, prev := "", archive.Hash{}
	err = archive.ReadPart(ctx, store, filepath.ToSlash(a.first), "", func(rows []archive.Row) error {
		for i := range rows {
			r := &rows[i]
			if r.TenantID != tenant {
				tenant, prev = r.TenantID, archive.Genesis(r.TenantID)
			}
			h.data = archive.AppendCanonical(h.data, prev, r)
			h.ends, h.want, prev = append(h.ends, len(h.data)), append(h.want, r.Hash), r.Hash
		}
		return nil
	})
	if err == nil && len(h.ends) == 0 {
		err = fmt.Errorf("%s has no rows", a.first)
	}
	return h, err
}

// Archive is the way into the archive and its verification.
func Archive(ctx context.Context, o Options) ([]Figure, error) {
	shipped, err := Ship(ctx, o)
	if err != nil {
		return shipped, err
	}
	verified, err := Verify(ctx, o)
	return append(shipped, verified...), err
}
