package worker

import (
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/seed-56345083/reprise/internal/ledger"
)

const (
	// pausedLook is the longest time between two looks whether a paused replay goes on: so late a resume takes effect.
	pausedLook = time.Minute
	// pausedRest is the time from a look that found work to the next one.
	pausedRest = 10 * time.Second
)

// holdPaused does not let fetch go on while a replay is paused and none is at work: to receive the messages of a paused
// replay again and again is of no use to anybody, and costs as many requests as to work on them. Where another replay is at
// work its messages lie between them, so that they must be received.
func (w *Worker) holdPaused(ctx context.Context) {
	started := time.Now()
	if !w.met.Load() || started.Sub(w.looked) < pausedRest {
		return
	}
	w.met.Store(false)
	n := 0
	for ; ctx.Err() == nil && w.allPaused(ctx); n++ {
		if n == 0 {
			w.o.Log.Info("replays are paused and none is at work: nothing is received until one goes on")
		}
		pause(ctx, backoff(n+1, time.Second, pausedLook))
	}
	if w.looked = time.Now(); n > 0 {
		w.o.Log.Info("receiving again", zap.Duration("after", w.looked.Sub(started)))
	}
}

// allPaused asks the ledger; what cannot be read is no reason to wait.
func (w *Worker) allPaused(ctx context.Context) bool {
	w.o.Alive.Beat()
	replays, err := w.o.Ledger.Replays(ctx)
	return err == nil && paused(replays)
}

// paused reports whether a replay is paused and none is at work.
func paused(replays []ledger.Replay) bool {
	found := false
	for _, r := range replays {
		switch {
		case r.State == ledger.Paused:
			found = true
		case !r.State.Ended():
			return false
		}
	}
	return found
}
