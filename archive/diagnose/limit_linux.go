package diagnose

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"syscall"
)

// limitSystem has the kernel refuse address space beyond what the process has now and may need. A Go program reserves
// hundreds of megabytes that it never touches, so the limit counts from there.
func limitSystem(l Limits) error {
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return fmt.Errorf("limit memory: %w", err)
	}
	pages, err := strconv.ParseUint(string(bytes.Fields(b)[0]), 10, 64)
	if err != nil {
		return fmt.Errorf("limit memory: %w", err)
	}
	most := pages*uint64(os.Getpagesize()) + uint64(l.Memory)
	if err := syscall.Setrlimit(syscall.RLIMIT_AS, &syscall.Rlimit{Cur: most, Max: most}); err != nil {
		return fmt.Errorf("limit memory: %w", err)
	}
	return nil
}
