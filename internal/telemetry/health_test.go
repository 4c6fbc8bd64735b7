package telemetry_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-56345083/reprise/internal/telemetry"
)

func TestHealth(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := telemetry.NewHealth()
		wait := func(d time.Duration) { time.Sleep(d) } //nolint:forbidigo // time is the bubble's
		expectHealth := func(live, ready string) {
			t.Helper()
			if got := fmt.Sprint(h.Live()); got != live {
				t.Errorf("alive: %s, want %s", got, live)
			}
			if got := fmt.Sprint(h.Ready()); got != ready {
				t.Errorf("ready: %s, want %s", got, ready)
			}
		}
		worker := h.Pulse("worker", time.Minute)
		h.Need("queue", "has not answered yet")
		expectHealth("{true alive map[worker:{true }]}", "{false beginning map[queue:{false has not answered yet} worker:{false has not begun yet}]}")
		worker.Beat()
		expectHealth("{true alive map[worker:{true }]}", "{false beginning map[queue:{false has not answered yet} worker:{true }]}")
		h.Answered("queue")
		expectHealth("{true alive map[worker:{true }]}", "{true ready map[worker:{true }]}")

		wait(61 * time.Second)
		const dead = "{false a loop stands still map[worker:{false has not got on for 1m1s}]}"
		expectHealth(dead, dead)
		worker.Beat()
		expectHealth("{true alive map[worker:{true }]}", "{true ready map[worker:{true }]}")
		worker.Allow(time.Hour)
		worker.Beat() // of another slot: the hour still holds
		wait(61 * time.Minute)
		expectHealth("{true alive map[worker:{true }]}", "{true ready map[worker:{true }]}")
		wait(time.Second)
		if h.Live().OK {
			t.Error("alive after the time that was allowed")
		}

		again := h.Pulse("worker", time.Minute) // one takes the other's place, and is not taken out with it
		again.Beat()
		worker.End()
		expectHealth("{true alive map[worker:{true }]}", "{true ready map[worker:{true }]}")
		again.End()
		expectHealth("{true alive map[]}", "{true ready map[]}")
		h.Pulse("other", time.Minute)
		h.Drain()
		wait(time.Hour)
		expectHealth("{true stopping map[]}", "{false stopping map[]}")
	})
}
