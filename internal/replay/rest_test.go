package replay_test

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/replay"
)

// TestRest: a replay whose cursors take long to count is not counted at every look, but at once when somebody has changed
// it, and when the queue has become empty.
func TestRest(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.put("logs/dns/a", "x")
	r := s.running("dns")
	var counted atomic.Int64
	d := s.driver("watcher", countTap(&counted))
	replay.Rest(d, 1e8)
	want := func(when string, n int64) {
		t.Helper()
		look(t, d)
		if got := counted.Load(); got != n {
			t.Fatalf("%s: counted %d times, want %d", when, got, n)
		}
	}
	want("first look", 1)
	want("the message waits", 1)
	for _, change := range []func(context.Context, string) (ledger.Replay, error){d.Pause, d.Resume} {
		if _, err := change(context.Background(), r.ID); err != nil {
			t.Fatal(err)
		}
	}
	want("paused and resumed", 2)
	want("nothing since", 2)

	s.workers()
	s.still()
	want("the last message is done", 3)
	if now := s.replay(r.ID); now.State != ledger.Folding {
		t.Fatalf("%s", now.State)
	}
	want("it got on, so it goes on", 4)
	s.still()
	look(t, d)
	if now := s.replay(r.ID); now.State != ledger.Finished {
		t.Errorf("%s", now.State)
	}
}

// TestRestHeld: what only somebody's hand can bring on is not counted for as long as nobody does.
func TestRestHeld(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.corrupt("logs/dns/a")
	r := s.running("dns")
	s.workers()
	s.done(r.ID)
	var counted atomic.Int64
	d := s.driver("watcher", countTap(&counted))
	replay.Rest(d, 1e8)
	look(t, d)
	look(t, d) // work may have ended while the first one counted
	before := counted.Load()
	for range 3 {
		look(t, d)
	}
	if n := counted.Load() - before; before != 2 || n != 0 {
		t.Errorf("counted %d times, and then %d times more", before, n)
	}
	if _, err := s.driver("operator", nil).Finish(context.Background(), r.ID, true, "somebody"); err != nil {
		t.Fatal(err)
	}
	s.watch(d, r.ID, ledger.Finished)
}

// TestRestAsked: asking again and again what holds a replay does not count its cursors again and again, and tells of a
// failure as soon as the queue is empty.
func TestRestAsked(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.put("logs/dns/a", "x")
	r := s.running("dns")
	var counted atomic.Int64
	d := s.driver("waiting", countTap(&counted))
	replay.Rest(d, 1e8)
	want := func(when string, times int, n int64, hand bool) {
		t.Helper()
		for range times {
			h, err := d.Held(context.Background())
			if err != nil || len(h) != 1 || h[0].Held != hand || h[0].Why == "" {
				t.Fatalf("%s: %+v, %v", when, h, err)
			}
		}
		if got := counted.Load(); got != n {
			t.Fatalf("%s: counted %d times, want %d", when, got, n)
		}
	}
	want("the message waits", 3, 1, false)
	tasks(t, s.work)
	want("the message is gone", 1, 2, false)
	s.fail(r.ID, "logs/dns/a")
	want("it has failed", 3, 3, true)
}

// countTap counts how often cursors are counted.
func countTap(n *atomic.Int64) *tap {
	return &tap{hook: func(c call) error {
		if c.name == "Summarize" && !c.after {
			n.Add(1)
		}
		return nil
	}}
}
