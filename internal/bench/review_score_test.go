package bench

import (
	"fmt"
	"testing"
)

func TestReviewScoreX(t *testing.T) {
	f, err := reviewScore(t.Context(), Options{Quick: true, Progress: func(m string) { fmt.Println(m) }}, TuningSeeds)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range f {
		fmt.Printf("%-70s %.3f %v  %s\n", x.Figure, x.Ward, x.Met, x.Note)
	}
}
