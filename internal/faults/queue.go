package faults

import (
	"context"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/seed-56345083/reprise/queue"
)

// delayed is how much later than it should a message comes that is held back.
const delayed = 300 * time.Millisecond

type faultyQueue struct {
	queue.Queue
	plan *Plan
}

// Queue wraps a queue.
func Queue(q queue.Queue, p *Plan) queue.Queue { return &faultyQueue{q, p} }

// Send loses, repeats and delays messages one by one.
func (q *faultyQueue) Send(ctx context.Context, messages []queue.Outgoing) error {
	return q.plan.do("queue.Send", func() error {
		out := make([]queue.Outgoing, 0, 2*len(messages))
		for _, m := range messages {
			switch q.plan.nextItem() {
			case Lose:
				continue
			case Repeat:
				out = append(out, m)
			case Delay:
				m.Delay = min(m.Delay+delayed, queue.MaxDelay)
			}
			out = append(out, m)
		}
		if len(messages) == 0 { // the real one says what is wrong with that
			return q.Queue.Send(ctx, messages)
		}
		for batch := range slices.Chunk(out, max(len(messages), queue.MaxBatch)) {
			if err := q.Queue.Send(ctx, batch); err != nil {
				return err
			}
		}
		return nil
	})
}

// Receive hands a batch out in another order; a lost reply leaves its messages invisible until their timeout.
func (q *faultyQueue) Receive(ctx context.Context, p queue.ReceiveParams) ([]queue.Message, error) {
	messages, err := get(q.plan, "queue.Receive", func() ([]queue.Message, error) { return q.Queue.Receive(ctx, p) })
	if len(messages) > 1 && q.plan.nextItem() == Reorder {
		rand.Shuffle(len(messages), func(i, j int) { messages[i], messages[j] = messages[j], messages[i] })
	}
	return messages, err
}

func (q *faultyQueue) Delete(ctx context.Context, receipts []string) error {
	return q.plan.do("queue.Delete", func() error { return q.Queue.Delete(ctx, receipts) })
}

func (q *faultyQueue) ChangeVisibility(ctx context.Context, changes []queue.Change) error {
	return q.plan.do("queue.ChangeVisibility", func() error { return q.Queue.ChangeVisibility(ctx, changes) })
}

func (q *faultyQueue) Counts(ctx context.Context) (queue.Counts, error) {
	return get(q.plan, "queue.Counts", func() (queue.Counts, error) { return q.Queue.Counts(ctx) })
}
