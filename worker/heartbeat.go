package worker

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/seed-56345083/reprise/internal/telemetry"
	"github.com/seed-56345083/reprise/queue"
)

// heartbeat extends the visibility of every message held, every third of the timeout, until its work is done. It is
// one goroutine for all slots, so that ten messages cost one call.
type heartbeat struct {
	o    Options
	mu   sync.Mutex
	held map[string]context.CancelCauseFunc // by receipt
}

func (h *heartbeat) init(o Options) {
	h.o = o
	h.held = map[string]context.CancelCauseFunc{}
}

// hold begins to extend a message; lose is called with queue.ErrStaleReceipt when the receipt no longer holds.
func (h *heartbeat) hold(receipt string, lose context.CancelCauseFunc) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.held[receipt] = lose
}

// drop ends it. An extension that is on its way may still arrive, so drop comes before the last word on a message.
func (h *heartbeat) drop(receipt string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.held, receipt)
}

func (h *heartbeat) count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.held)
}

func (h *heartbeat) run(ctx context.Context) {
	tick := time.NewTicker(h.o.Visibility / 3)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			h.beat(ctx)
		}
	}
}

func (h *heartbeat) beat(ctx context.Context) {
	h.mu.Lock()
	changes := make([]queue.Change, 0, len(h.held))
	for receipt := range h.held {
		changes = append(changes, queue.Change{Receipt: receipt, Visibility: h.o.Visibility})
	}
	h.mu.Unlock()
	for len(changes) > 0 {
		batch := changes[:min(len(changes), queue.MaxBatch)]
		changes = changes[len(batch):]
		// An extension that takes longer than the time to the next one is no use.
		c, cancel := context.WithTimeout(ctx, h.o.Visibility/3)
		err := h.o.Queue.ChangeVisibility(c, batch)
		cancel()
		if err == nil {
			h.o.Metrics.Extended(telemetry.ExtensionOK, len(batch))
			continue
		}
		for i, change := range batch {
			switch e := queue.EntryError(err, i); {
			case e == nil:
				h.o.Metrics.Extended(telemetry.ExtensionOK, 1)
			case errors.Is(e, queue.ErrStaleReceipt):
				h.o.Metrics.Extended(telemetry.ExtensionStale, 1)
				h.lose(change.Receipt, e)
			case ctx.Err() == nil:
				h.o.Metrics.Extended(telemetry.ExtensionFailed, 1)
				h.o.Log.Warn("extending the visibility", zap.Error(e))
			}
		}
	}
}

func (h *heartbeat) lose(receipt string, err error) {
	h.mu.Lock()
	lose := h.held[receipt]
	delete(h.held, receipt)
	h.mu.Unlock()
	if lose != nil { // dropped meanwhile: its work is done
		lose(err)
	}
}
