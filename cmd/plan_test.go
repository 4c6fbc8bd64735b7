package cmd

import (
	"testing"

	"github.com/seed-56345083/reprise/internal/replay"
)

// TestDuration: nothing takes no time, and a range whose ends look the same is one figure.
func TestDuration(t *testing.T) {
	t.Parallel()
	for want, r := range map[string]replay.Range{
		"< 1s": {Low: 0.002, High: 0.9}, "< 1s to 2.5s": {Low: 0.04, High: 2.51}, "12s to 1m30s": {Low: 12.2, High: 90}, "2h3m": {Low: 7380, High: 7385},
	} {
		if got := between(r, duration); got != want {
			t.Errorf("%v is %q, want %q", r, got, want)
		}
	}
}
