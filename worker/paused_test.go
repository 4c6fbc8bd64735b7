package worker

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/queue"
)

// TestLongPause: a pause costs next to nothing however long it is and however much waits, and work goes on soon after
// its end, be it that the replay is resumed or that another one begins.
func TestLongPause(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t)
		b.become(func(r *ledger.Replay) { r.State, r.Resumes = ledger.Paused, ledger.Running })
		lines := makeLines(300, 10)
		for i := range 20 {
			b.add(fmt.Sprintf("dns/%d", i), text(lines))
		}
		var calls atomic.Int64
		b.start(b.worker(func(o *Options) {
			q := o.Queue
			o.Queue = &faultyQueue{
				Queue: q,
				receive: func(ctx context.Context, p queue.ReceiveParams) ([]queue.Message, error) {
					calls.Add(1)
					return q.Receive(ctx, p)
				},
				change: func([]queue.Change) error {
					calls.Add(1)
					return nil
				},
			}
		}))
		<-time.After(12 * time.Hour)
		synctest.Wait()
		if n := calls.Load(); n > 20 {
			t.Errorf("%d calls of the queue while everything was paused", n)
		}
		for i := range 20 {
			if c := b.cursor(fmt.Sprintf("dns/%d", i)); c.State != ledger.Pending || c.Epoch != 0 {
				t.Fatalf("%s is %s, epoch %d", c.Key, c.State, c.Epoch)
			}
		}

		other := b.replay
		other.ID, other.State, other.Version = "01OTHER", ledger.Starting, 0
		b.write(ledger.Writes{Replays: []ledger.Replay{other}})
		before := calls.Load()
		<-time.After(2 * pausedLook)
		synctest.Wait()
		if calls.Load() == before {
			t.Error("nothing is received while another replay is at work")
		}

		b.become(func(r *ledger.Replay) { r.State, r.Resumes = ledger.Running, "" })
		<-time.After(2 * pausedLook)
		synctest.Wait()
		for i := range 20 {
			b.wantFinished(fmt.Sprintf("dns/%d", i), lines)
		}
		b.wantIdle()
	})
}

// TestPausedReplays looks at which replays there are: only where one is paused and none is at work nothing is received.
func TestPausedReplays(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		states []ledger.State
		want   bool
	}{
		"none":                  {},
		"paused":                {[]ledger.State{ledger.Paused}, true},
		"two paused":            {[]ledger.State{ledger.Paused, ledger.Paused}, true},
		"paused, one over":      {[]ledger.State{ledger.Finished, ledger.Paused, ledger.Cancelled}, true},
		"all over":              {[]ledger.State{ledger.Finished, ledger.Cancelled}, false},
		"paused, one begins":    {[]ledger.State{ledger.Paused, ledger.Starting}, false},
		"paused, one runs":      {[]ledger.State{ledger.Running, ledger.Paused}, false},
		"paused, one is folded": {[]ledger.State{ledger.Paused, ledger.Folding}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var replays []ledger.Replay
			for _, s := range c.states {
				replays = append(replays, ledger.Replay{State: s})
			}
			if got := paused(replays); got != c.want {
				t.Errorf("%t, want %t", got, c.want)
			}
		})
	}
}
