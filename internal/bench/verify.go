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
	"time"

	"github.com/ward-health/ward/archive"
)

// Verify measures the verification of an archive in a directory: against SHA-256 alone over the same canonical bytes,
// against DuckDB re-computing the chain by docs/check_archive.sql, and against itself over an archive ten times as
// large. For DuckDB it needs a C compiler and ward's source tree; without them that one figure is missed. The full size
// takes 6 GB of disk.
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
	return append(out, Figure{Figure: "size of an archived row", Unit: "B", Ward: perRow, Against: "limit", Other: 80,
		Ratio: 80 / perRow, Target: 1, Met: perRow <= 80, Rounds: 1,
		Note: "ids as uuid text, a random nonce and a hash in each row"}), nil
}

// verifyRate is how many rows a second a verification in this process has checked.
func (a *grown) verifyRate(ctx context.Context) (float64, error) {
	n, took, err := a.verify(ctx)
	return float64(n) / took.Seconds(), err
}

// verify verifies the archive in this process.
func (a *grown) verify(ctx context.Context) (int64, time.Duration, error) {
	store, err := archive.OpenDir(a.dir)
	if err != nil {
		return 0, 0, err
	}
	start := time.Now()
	r, err := archive.NewVerification(store, archive.VerifyOptions{Keys: []archive.Key{a.key}}).Run(ctx)
	if err != nil {
		return 0, 0, err
	}
	if r.Verdict != archive.Valid || r.Rows != a.rows {
		return 0, 0, fmt.Errorf("verdict %s, %d rows of %d", r.Verdict, r.Rows, a.rows)
	}
	return r.Rows, time.Since(start), nil
}

// hashed is the canonical bytes of rows, one after the other.
type hashed struct {
	data []byte
	ends []int
	want []archive.Hash
}

// hash hashes every row on all cores, n rows or a little more in all.
func (h *hashed) hash(n int64) (int64, time.Duration, error) {
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
		return 0, 0, fmt.Errorf("%d rows have another hash", slices.Max(wrong))
	}
	return done, time.Since(start), nil
}

func againstSHA256(ctx context.Context, o Options, a *grown) ([]Figure, error) {
	h, err := a.canonical(ctx)
	if err != nil {
		return nil, err
	}
	note := fmt.Sprintf("%d rows of %d canonical bytes, %d cores; the other side repeats those of one part", a.rows,
		len(h.data)/len(h.ends), runtime.GOMAXPROCS(0))
	c := comparison{figure: "verify, all cores", unit: "rows/s",
		against: "SHA-256 alone over the same bytes from memory", target: 0.60, note: note}
	return c.byProcessor(ctx, o, a.verify,
		func(context.Context) (int64, time.Duration, error) { return h.hash(a.rows) }, thisProcess)
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
