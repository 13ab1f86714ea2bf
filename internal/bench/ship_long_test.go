//go:build long

package bench

import "testing"

// The benchmark runs, in its smaller size, and measures what it says.
func TestShipBench(t *testing.T) {
	figures, err := Ship(t.Context(), Options{Quick: true, Progress: func(m string) { t.Log(m) }})
	if err != nil {
		t.Fatal(err)
	}
	if len(figures) != 3 {
		t.Fatalf("%d figures", len(figures))
	}
	for _, f := range figures {
		t.Logf("%+v", f)
		if f.Ward <= 0 || f.Other <= 0 {
			t.Errorf("%+v", f)
		}
	}
}
