package worker

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/seed-56345083/reprise/queue"
)

// CopyAtReceives is the receive count at which a message that goes back is replaced by a copy: SQS counts receives and
// not failures, and at 10 (the redrive policy's maxReceiveCount) it would dead-letter a healthy object that had to wait.
const CopyAtReceives = 8

// Worker is a pool of slots over one queue. Run it once.
type Worker struct {
	o         Options
	programs  programs
	replays   replays
	progress  progress
	beats     heartbeat
	outage    outage
	deletions deletions
	met       atomic.Bool // a message of a paused replay, since holdPaused looked last
	looked    time.Time   // when it did; fetch's own
	dry       *time.Timer // see runDry
	started   atomic.Bool
	stopping  atomic.Bool        // chunks end at their next look
	over      context.Context    // ends with the drain: what is not written then is not written
	end       context.CancelFunc // of over
	free      chan struct{}      // one token a free slot, but for those that a receive may fill
	busy      atomic.Int64       // messages in work
	folds     chan struct{}      // has a token while a fold is in work, see aloneFolding
}

var errStarted = errors.New("worker: a pool runs once")

// New makes a pool; nothing runs yet.
func New(o Options) (*Worker, error) {
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, err
	}
	w := &Worker{o: o, free: make(chan struct{}, o.Slots), folds: make(chan struct{}, 1), dry: time.NewTimer(dryAfter)}
	w.over, w.end = context.WithCancel(context.Background())
	for range o.Slots {
		w.free <- struct{}{}
	}
	w.programs.ledger = o.Ledger
	w.replays.ledger, w.replays.age = o.Ledger, replayAge
	w.outage.log = o.Log
	w.progress.init(o)
	w.beats.init(o)
	return w, nil
}

// Run works until ctx ends (the soft stop), then lets every chunk commit what it has and hands the messages back. A
// chunk that hangs in a read is cut off when four fifths of Drain have passed; the rest is for its last writes. What is
// not written after Drain is given up: its message comes back by the visibility timeout. Run returns nil after a stop,
// when every goroutine that it started has ended. A second Run is an error.
func (w *Worker) Run(ctx context.Context) error {
	if w.started.Swap(true) {
		return errStarted
	}
	defer w.end()
	// Two contexts: ctx stops fetching, work is what the slots use and outlives it by Drain at most.
	work, giveUp := context.WithCancelCause(context.WithoutCancel(ctx))
	defer giveUp(nil)

	var background sync.WaitGroup
	background.Go(func() { w.beats.run(work) })
	background.Go(func() { w.progress.run(work) })

	untilDrained, drained := context.WithCancel(work)
	defer drained()
	var dry sync.WaitGroup
	dry.Go(func() { w.runDry(untilDrained) })
	var slots sync.WaitGroup
	w.fetch(ctx, work, &slots)

	w.stopping.Store(true)
	started := time.Now()
	held := w.beats.count()
	cutOff := time.AfterFunc(w.o.Drain/5*4, func() { giveUp(errStopped) })
	expire := time.AfterFunc(w.o.Drain, w.end)
	w.deleteDone()
	slots.Wait()
	drained()
	dry.Wait()
	cutOff.Stop()
	last, cancel := w.lastWrites(ctx)
	w.progress.flush(last)
	cancel()
	expire.Stop()
	giveUp(errStopped)
	background.Wait()
	w.o.Log.Info("stopped", zap.Int("held", held), zap.Duration("drain", time.Since(started)))
	return nil
}

// lastWrites is the context of what is written when the work itself has ended, perhaps because ctx has: it has a time of
// its own, and within the drain.
func (w *Worker) lastWrites(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), w.o.Writes)
	stop := context.AfterFunc(w.over, cancel)
	return ctx, func() {
		stop()
		cancel()
	}
}

// fetch receives messages and gives each a slot of its own, until ctx ends. It never asks for more than there are
// free slots: a message held is a message that no other worker can have. In an outage it asks for one now and then,
// to see whether it is over.
func (w *Worker) fetch(ctx, work context.Context, slots *sync.WaitGroup) {
	failures, probes := 0, 0
	w.o.Metrics.Slots(w.o.Slots)
	for {
		w.o.Alive.Beat()
		w.holdPaused(ctx)
		limit := queue.MaxBatch
		if over := w.outage.lasting(); over == nil {
			probes = 0
		} else {
			probes++
			pauseUnless(ctx, over, backoff(probes, w.o.retryBase(), min(w.o.Visibility, outageProbe)))
			limit = 1
		}
		n := w.takeSlots(ctx, limit)
		if n == 0 {
			return
		}
		w.o.Alive.Beat()
		messages, err := w.o.Queue.Receive(ctx, queue.ReceiveParams{Max: n, Wait: w.o.Wait, Visibility: w.o.Visibility})
		for range n - len(messages) {
			w.free <- struct{}{}
		}
		for _, m := range messages {
			slots.Go(func() {
				defer func() { w.free <- struct{}{} }()
				w.handle(work, m)
			})
		}
		if err == nil || ctx.Err() != nil {
			failures = 0
			continue
		}
		failures++
		w.o.Log.Warn("receiving", zap.Error(err), zap.Int("attempt", failures))
		pause(ctx, backoff(failures, 100*time.Millisecond, 10*time.Second))
	}
}

// spare reports whether a slot and a processor have nothing to do.
func (w *Worker) spare() bool {
	return w.busy.Load() < int64(min(w.o.Slots, runtime.GOMAXPROCS(0)))
}

// takeSlots waits for a free slot and takes all that are free then, up to limit; 0 when ctx ends first.
func (w *Worker) takeSlots(ctx context.Context, limit int) int {
	if ctx.Err() != nil {
		return 0
	}
	select {
	case <-ctx.Done():
		return 0
	case <-w.free:
	}
	n := 1
	for n < limit {
		select {
		case <-w.free:
			n++
		default:
			return n
		}
	}
	return n
}
