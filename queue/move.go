package queue

import (
	"context"
	"fmt"
	"time"
)

// Mover decides about one message of the queue that Move reads: move it to the other queue, drop it (delete it
// without a copy), or keep it where it is.
type Mover func(Message) (Fate, error)

// Fate is what Move does with one message.
type Fate uint8

// The fates of a message.
const (
	Keep Fate = iota
	Send
	Drop
)

// Move reads the messages that are visible in from, once each, and moves, drops or keeps them as decide says: the
// redrive of a dead-letter queue. A message is sent before it is deleted, so that a crash repeats it and never loses
// it. Kept messages become visible again when Move ends. visibility must outlast the walk through the queue; at most
// limit messages are looked at (0: all).
func Move(ctx context.Context, from, to Queue, visibility time.Duration, limit int, decide Mover) (moved, dropped int, err error) {
	var kept []Change
	defer func() {
		for len(kept) > 0 {
			n := min(len(kept), MaxBatch)
			if e := from.ChangeVisibility(ctx, kept[:n]); e != nil && err == nil {
				err = fmt.Errorf("giving kept messages back: %w", e)
			}
			kept = kept[n:]
		}
	}()
	seen := map[string]bool{}
	for limit == 0 || len(seen) < limit {
		messages, err := from.Receive(ctx, ReceiveParams{Max: MaxBatch, Visibility: visibility})
		if err != nil || len(messages) == 0 {
			return moved, dropped, err
		}
		for _, m := range messages {
			if seen[m.ID] { // it came round again: the walk is over for it
				kept = append(kept, Change{Receipt: m.Receipt})
				continue
			}
			seen[m.ID] = true
			fate, err := decide(m)
			if err != nil {
				kept = append(kept, Change{Receipt: m.Receipt})
				return moved, dropped, err
			}
			switch fate {
			case Send:
				if err := to.Send(ctx, []Outgoing{{Body: m.Body}}); err != nil {
					return moved, dropped, fmt.Errorf("sending message %s on: %w", m.ID, err)
				}
				moved++
			case Drop:
				dropped++
			default:
				kept = append(kept, Change{Receipt: m.Receipt})
				continue
			}
			if err := from.Delete(ctx, []string{m.Receipt}); err != nil {
				return moved, dropped, fmt.Errorf("deleting message %s: %w", m.ID, err)
			}
		}
	}
	return moved, dropped, nil
}
