//go:build long

package demo

import (
	"fmt"
	"testing"
)

// More histories that nobody tuned the rules on.
func TestReviewFindsWhatWasSimulatedElsewhere(t *testing.T) {
	for _, seed := range []uint64{102, 103, 104} {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { score(t, seed) })
	}
}
