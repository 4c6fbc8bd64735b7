package queue

import (
	"context"
	"errors"
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

const (
	moveWait     = time.Second      // a poll without waiting may miss messages that are there: SQS asks only some of its servers
	giveBackTime = 10 * time.Second // to give kept messages back, also after ctx ended
)

// Move reads the messages that are visible in from, once each, and moves, drops or keeps them as decide says: the
// redrive of a dead-letter queue. A message is sent before it is deleted, so that a crash repeats it and never loses
// it. Kept messages, and after an error those that were not moved yet, become visible again when Move ends, also when
// ctx ended. visibility must outlast the walk through the queue; at most limit messages are looked at (0: all). The
// walk ends when no message came for a second, or only such that were seen before.
func Move(ctx context.Context, from, to Queue, visibility time.Duration, limit int, decide Mover) (moved, dropped int, err error) {
	kept := map[string]held{} // by message id
	defer func() {
		if e := giveBack(ctx, from, kept); e != nil && err == nil {
			err = fmt.Errorf("giving kept messages back: %w", e)
		}
	}()
	seen := map[string]bool{}
	for limit == 0 || len(seen) < limit {
		most := MaxBatch
		if limit > 0 {
			most = min(most, limit-len(seen))
		}
		messages, err := from.Receive(ctx, ReceiveParams{Max: most, Wait: moveWait, Visibility: visibility})
		if err != nil || len(messages) == 0 {
			return moved, dropped, err
		}
		until := time.Now().Add(visibility)
		fresh := messages[:0:0]
		for _, m := range messages {
			kept[m.ID] = held{m.Receipt, until} // until it is decided otherwise
			if !seen[m.ID] {
				seen[m.ID] = true
				fresh = append(fresh, m)
			}
		}
		if len(fresh) == 0 {
			return moved, dropped, nil
		}
		m, d, err := moveBatch(ctx, from, to, fresh, kept, decide)
		moved, dropped = moved+m, dropped+d
		if err != nil {
			return moved, dropped, err
		}
	}
	return moved, dropped, nil
}

// moveBatch decides about messages and moves or drops them; those it is done with leave kept. After an error it still
// finishes what was decided before.
func moveBatch(ctx context.Context, from, to Queue, messages []Message, kept map[string]held, decide Mover) (moved, dropped int, err error) {
	var send, remove []Message
	for _, m := range messages {
		var fate Fate
		if fate, err = decide(m); err != nil {
			break
		}
		switch fate {
		case Send:
			send = append(send, m)
		case Drop:
			remove = append(remove, m)
		}
	}
	drops := len(remove) // they come first in remove
	if len(send) > 0 {
		out := make([]Outgoing, len(send))
		for i, m := range send {
			out[i].Body, out[i].Trace = m.Body, m.Trace
		}
		sendErr := to.Send(ctx, out)
		for i, m := range send {
			if e := EntryError(sendErr, i); e != nil {
				err = errors.Join(err, fmt.Errorf("sending message %s on: %w", m.ID, e))
				continue
			}
			moved++
			remove = append(remove, m)
		}
	}
	if len(remove) == 0 {
		return moved, dropped, err
	}
	receipts := make([]string, len(remove))
	for i, m := range remove {
		receipts[i] = m.Receipt
	}
	deleteErr := from.Delete(ctx, receipts)
	for i, m := range remove {
		if e := EntryError(deleteErr, i); e != nil {
			err = errors.Join(err, fmt.Errorf("deleting message %s: %w", m.ID, e))
			continue
		}
		if i < drops {
			dropped++
		}
		delete(kept, m.ID)
	}
	return moved, dropped, err
}

// held is a message that a walk has in hand.
type held struct {
	receipt string // the newest
	until   time.Time
}

// giveBack makes messages visible again; those whose time is over are. A receipt that is stale already is as good.
func giveBack(ctx context.Context, q Queue, kept map[string]held) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), giveBackTime)
	defer cancel()
	changes := make([]Change, 0, len(kept))
	now := time.Now()
	for _, m := range kept {
		if now.Before(m.until) {
			changes = append(changes, Change{Receipt: m.receipt})
		}
	}
	var errs []error
	for len(changes) > 0 {
		n := min(len(changes), MaxBatch)
		err := q.ChangeVisibility(ctx, changes[:n])
		for i := range n {
			if e := EntryError(err, i); e != nil && !errors.Is(e, ErrStaleReceipt) {
				errs = append(errs, e)
				break
			}
		}
		changes = changes[n:]
	}
	return errors.Join(errs...)
}
