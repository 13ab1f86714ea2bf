//go:build soak

package worker_test

import "time"

// killingFor is how long workers are killed.
const killingFor = 5 * time.Minute
