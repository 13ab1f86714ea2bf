package worker

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/google/uuid"
	"github.com/riverqueue/river"

	"github.com/ward-health/ward/audit"
)

// partsQueue holds the parts that verifications hand out. Two at a time: one is read while the rows of the other are
// hashed.
const (
	partsQueue   = "parts"
	partsAtATime = 2
)

// partArgs is one part of a verification.
type partArgs struct {
	Verification uuid.UUID `json:"verification"`
	Path         string    `json:"path"`
}

// Kind names the job.
func (partArgs) Kind() string { return "verify_part" }

type partWorker struct {
	river.WorkerDefaults[partArgs]
	config *Config
	name   string
}

// workerName is by what a report calls this process.
func workerName() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown host"
	}
	return fmt.Sprintf("%s, process %d", host, os.Getpid())
}

// Work checks the part. Who verifies notices when a worker dies over it, and hands it out again.
func (w *partWorker) Work(ctx context.Context, job *river.Job[partArgs]) error {
	return audit.CheckPart(ctx, w.config.Pool, w.config.Shipper.Store, job.Args.Verification, job.Args.Path, w.name)
}

// Timeout is longer than any part takes; a limit lets River clear away what a killed worker left.
func (w *partWorker) Timeout(*river.Job[partArgs]) time.Duration { return 24 * time.Hour }
