package worker

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/seed-56345083/reprise/queue"
)

// deletions are messages that are done, and wait to be deleted with others in one call. Until then the heartbeat holds them
// like any other; their slots are free. The slot that has done the tenth makes the call, so that a queue that hangs
// holds the slots up and the list stays short.
type deletions struct {
	mu      sync.Mutex
	waiting []deletion // fewer than queue.MaxBatch while mu is free
}

type deletion struct {
	receipt, replay, key string
}

// deleteSoon has the message deleted: by this call where it is the tenth or the worker stops, otherwise by a later one, or by
// runDry when nothing is in work. Should the worker die before, the message comes back to a cursor that says what is done.
func (j *job) deleteSoon() {
	j.done = true
	d := &j.w.deletions
	d.mu.Lock()
	d.waiting = append(d.waiting, deletion{j.message.Receipt, j.task.Replay, j.task.Key})
	var batch []deletion
	if len(d.waiting) == queue.MaxBatch || j.w.stopping.Load() { // Run empties the list after this is set
		batch, d.waiting = d.waiting, nil
	}
	d.mu.Unlock()
	j.w.deleteBatch(batch)
}

// deleteDone deletes what waits.
func (w *Worker) deleteDone() {
	d := &w.deletions
	d.mu.Lock()
	batch := d.waiting
	d.waiting = nil
	d.mu.Unlock()
	w.deleteBatch(batch)
}

// deleteBatch makes one call. An error of one entry is that message's own: it comes back.
func (w *Worker) deleteBatch(batch []deletion) {
	if len(batch) == 0 {
		return
	}
	receipts := make([]string, len(batch))
	for i, m := range batch {
		receipts[i] = m.receipt
		w.beats.drop(m.receipt) // an extension that came after the last word would undo it
	}
	ctx, cancel := w.lastWrites(context.Background())
	defer cancel()
	err := w.o.Queue.Delete(ctx, receipts)
	if err == nil {
		return
	}
	for i, m := range batch {
		if e := queue.EntryError(err, i); e != nil && !errors.Is(e, queue.ErrStaleReceipt) {
			w.o.Log.Warn("settling a message", zap.String("replay", m.replay), zap.String("object", m.key),
				zap.Error(fmt.Errorf("deleting the message of %s: %w", m.key, e)))
		}
	}
}

// dryAfter is how long no message is in work before the pool has run dry: from a queue that has any, another one would
// have come by then, or comes soon after and does no harm.
const dryAfter = time.Millisecond

// runDry, until ctx ends, deletes what waits and calls Options.Dry when no message has been in work for a while, once after
// each message. What waits beside a long object is deleted when it would be extended.
func (w *Worker) runDry(ctx context.Context) {
	late := time.NewTicker(w.o.Visibility / 3)
	defer late.Stop()
	w.ended() // nothing has come yet
	defer w.dry.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-late.C:
			w.deleteDone()
		case <-w.dry.C:
			if w.busy.Load() > 0 { // the end of that one begins it anew
				continue
			}
			w.deleteDone()
			if w.o.Dry != nil {
				w.o.Dry()
			}
		}
	}
}

// ended says that a message is no longer in work.
func (w *Worker) ended() { w.dry.Reset(dryAfter) }
