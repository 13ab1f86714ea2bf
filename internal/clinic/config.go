package clinic

import (
	"hash/fnv"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"
)

// Config is what a history is a function of. Zero values take the defaults of [Config.WithDefaults].
type Config struct {
	Seed     uint64
	Clinics  int       // at least 3
	Staff    int       // people with a membership, at least 40 in all; leavers and joiners come on top
	Patients int       // of all clinics
	Days     int       // how far back the events reach, at least 30
	Events   int       // how many events at least; the result is a little above
	Now      time.Time // where the history ends
	Password string    // of every demo user; at least 12 characters
	Clean    bool      // no misbehaviour and no twins
	// Stray is how many looks of clinicians and nurses, for each of theirs, nothing on record explains although they
	// are in order: a colleague asked in the corridor, a name was mistaken for another. 0: none, every ordinary access
	// is explained.
	Stray float64
	// Progress is told how far a stage of Load or Live is; may be nil.
	Progress func(stage string, done, total int64)
}

// WithDefaults fills what is zero or too small: 4 clinics, 48 staff, 5,200 patients, 90 days, 208,000 events, ending
// now.
func (c Config) WithDefaults() Config {
	atLeast := func(v *int, zero, low int) {
		if *v == 0 {
			*v = zero
		}
		*v = max(*v, low)
	}
	atLeast(&c.Clinics, 4, 3)
	atLeast(&c.Staff, 48, 40)
	atLeast(&c.Patients, 5200, 300)
	atLeast(&c.Days, 90, 30)
	atLeast(&c.Events, 208_000, 5000)
	c.Staff = max(c.Staff, 8*c.Clinics)
	if c.Now.IsZero() {
		c.Now = time.Now()
	}
	c.Now = c.Now.UTC().Truncate(time.Microsecond)
	return c
}

func (c Config) tell(stage string, done, total int64) {
	if c.Progress != nil {
		c.Progress(stage, done, total)
	}
}

// micro is a time: microseconds since the history's start.
type micro int64

const (
	second micro = 1_000_000
	minute       = 60 * second
	hour         = 60 * minute
	day          = 24 * hour
	never  micro = 1 << 60
)

// dice are one stage's random numbers. Each stage has its own, so that a change in one leaves the others as they were.
type dice struct{ *rand.Rand }

func newDice(seed uint64, stage string) dice {
	h := fnv.New64a()
	h.Write([]byte(stage))
	return dice{rand.New(rand.NewPCG(seed, h.Sum64()))} //nolint:gosec // a simulator wants the same numbers again
}

func (d dice) chance(p float64) bool { return d.Float64() < p }

// span is a random time from lo up to hi.
func (d dice) span(lo, hi micro) micro { return lo + micro(d.Int64N(int64(hi-lo)+1)) }

// count is a random number from lo to hi, both included.
func (d dice) count(lo, hi int) int { return lo + d.IntN(hi-lo+1) }

// about rounds v up or down at random, so that the mean is v.
func (d dice) about(v float64) int {
	n := int(v)
	if d.chance(v - float64(n)) {
		n++
	}
	return n
}

func (d dice) uuid() uuid.UUID {
	var id uuid.UUID
	for i, word := range [2]uint64{d.Uint64(), d.Uint64()} {
		for j := range 8 {
			id[8*i+j] = byte(word >> (8 * j))
		}
	}
	id[6] = id[6]&0x0f | 0x40
	id[8] = id[8]&0x3f | 0x80
	return id
}

func one[T any](d dice, list []T) T { return list[d.IntN(len(list))] }
