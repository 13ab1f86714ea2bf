package diagnose

import (
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// watchTime is how often the process looks at the memory that it holds, where the system does not limit it.
const watchTime = 5 * time.Millisecond

// limit bounds this process from now on. The system refuses one allocation that is too large before it is made, where
// it can (Linux); the watch ends a process that grows bit by bit, anywhere.
func limit(l Limits, exit func(int)) error {
	debug.SetMemoryLimit(l.Memory * 3 / 4) // collect garbage rather than grow
	if err := limitSystem(l); err != nil {
		return err
	}
	time.AfterFunc(l.Time, func() { exit(exitTime) })
	go watch(l.Memory, exit)
	return nil
}

// watch ends the process when the Go runtime holds more memory than it may.
func watch(most int64, exit func(int)) {
	s := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	for range time.Tick(watchTime) {
		metrics.Read(s)
		if s[0].Value.Uint64()-s[1].Value.Uint64() > uint64(most) {
			exit(exitMemory)
		}
	}
}
