package worker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/queue"
)

// settle carries a verdict out: first the cursor, then the message, so that a crash between the two leaves a message
// that leads to the right cursor. Poison is the other way round: a message that came back to a FAILED cursor would
// be taken for a redrive.
func (j *job) settle(ctx context.Context, v Verdict, reason error) error {
	// From here on the message gets its last word; an extension that came later would undo it. One that is done may wait for it.
	if v != Poison && v != Done {
		j.w.beats.drop(j.message.Receipt)
	}
	switch v {
	case Done:
		j.deleteSoon()
		return nil
	case HandOn:
		if err := j.send(ctx, j.w.o.Queue, "", 0); err != nil {
			return err // the old message comes back and does as well
		}
		return j.deleteMessage(ctx) // at once: while it is there, the object has two
	case Retry:
		return errors.Join(
			j.settleCursor(ctx, ledger.Settle{State: ledger.Pending, Error: reason.Error()}),
			j.giveBack(ctx, backoff(max(j.cursor.NoProgress, j.message.Receives), j.w.o.retryBase(), j.w.o.Visibility)),
		)
	case Wait:
		return errors.Join(
			j.settleCursor(ctx, ledger.Settle{State: ledger.Pending, TakeBack: true}),
			j.giveBack(ctx, j.waitTime(reason)),
		)
	case Released:
		return errors.Join(
			j.settleCursor(ctx, ledger.Settle{State: ledger.Pending, TakeBack: true}),
			j.giveBack(ctx, 0),
		)
	case Poison:
		return j.poison(ctx, reason)
	default: // Lost
		return nil
	}
}

// poison: the dead-letter queue first, then delete, then FAILED. A crash in between leaves a dead letter whose cursor
// is open; the watcher sends it back.
func (j *job) poison(ctx context.Context, reason error) error {
	if err := j.send(ctx, j.w.o.DeadLetters, reason.Error(), 0); err != nil {
		return err
	}
	j.w.beats.drop(j.message.Receipt)
	if err := j.deleteMessage(ctx); err != nil {
		return err
	}
	if err := j.settleCursor(ctx, ledger.Settle{State: ledger.Failed, Error: reason.Error()}); err != nil {
		return err
	}
	if j.claimed && !j.task.Fold && j.cursor.State == ledger.Failed {
		j.mirror(ctx, ledger.Failed)
	}
	return nil
}

// settleCursor gives the claim up, where there is one. That somebody else has the cursor by now is no error: then it
// is theirs to settle.
func (j *job) settleCursor(ctx context.Context, s ledger.Settle) error {
	if !j.claimed || j.cursor.State != ledger.Processing {
		return nil
	}
	s.ID, s.Epoch, s.Now = j.id(), j.cursor.Epoch, time.Now()
	for attempt := 1; ; attempt++ {
		err := j.w.o.Ledger.Settle(ctx, s)
		switch {
		case err == nil:
			j.cursor.State = s.State
			return nil
		case errors.Is(err, ledger.ErrFenced):
			return nil
		}
		if pause(ctx, backoff(attempt, 50*time.Millisecond, time.Second)); ctx.Err() != nil {
			return fmt.Errorf("giving %s up: %w", s.ID.Key, err)
		}
	}
}

func (j *job) deleteMessage(ctx context.Context) error {
	err := j.w.o.Queue.Delete(ctx, []string{j.message.Receipt})
	if err != nil && !errors.Is(err, queue.ErrStaleReceipt) {
		return fmt.Errorf("deleting the message of %s: %w", j.task.Key, err)
	}
	return nil
}

// send puts the message into a queue again, with the line that the cursor has now. A body that nobody understands is
// sent as it is.
func (j *job) send(ctx context.Context, to queue.Queue, reason string, delay time.Duration) error {
	body := j.message.Body
	if j.task.Key != "" {
		t := j.task
		t.Error = reason
		if j.claimed {
			t.Line = j.cursor.Line
		}
		body = t.Encode()
	}
	trace := j.w.o.Tracer.Trace(ctx)
	if trace == "" { // nobody traces here, but somebody did, and may do so again
		trace = j.message.Trace
	}
	if err := to.Send(ctx, []queue.Outgoing{{Body: body, Delay: delay, Trace: trace}}); err != nil {
		return fmt.Errorf("sending the message of %s: %w", j.task.Key, err)
	}
	return nil
}

// giveBack makes the message visible again after d; a message near the redrive policy's limit is replaced by a copy.
func (j *job) giveBack(ctx context.Context, d time.Duration) error {
	if j.message.Receives >= CopyAtReceives {
		if err := j.send(ctx, j.w.o.Queue, "", min(d, queue.MaxDelay)); err != nil {
			return err
		}
		return j.deleteMessage(ctx)
	}
	err := j.w.o.Queue.ChangeVisibility(ctx, []queue.Change{{Receipt: j.message.Receipt, Visibility: d}})
	if err != nil && !errors.Is(err, queue.ErrStaleReceipt) {
		return fmt.Errorf("giving the message of %s back: %w", j.task.Key, err)
	}
	return nil
}

// waitTime is how long a message waits for what it cannot have now: the owner's time where there is one.
func (j *job) waitTime(reason error) time.Duration {
	if errors.Is(reason, errFoldHere) {
		return 0 // it has waited here, and is for anybody now
	}
	if errors.Is(reason, errOutage) {
		return backoff(max(j.message.Receives, 1), j.w.o.retryBase(), j.w.o.Visibility)
	}
	if errors.Is(reason, ledger.ErrOwned) {
		left := time.Until(j.cursor.OwnedUntil)
		return min(max(left, 0), queue.MaxDelay) + jitter(j.w.o.retryBase())
	}
	return jitter(min(max(j.w.o.Visibility/5, 200*time.Millisecond), 30*time.Second))
}
