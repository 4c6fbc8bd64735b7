package replay

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/seed-56345083/reprise/internal/archive"
	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/telemetry"
	"github.com/seed-56345083/reprise/queue"
)

// bringBack sends open work again whose message was lost. Of all open work that is only known when the queue has been
// empty for a while, in flight and delayed included: a backlog that waits its turn is not stuck.
func (d *Driver) bringBack(ctx context.Context, active []ledger.Replay) error {
	counts, err := d.o.Queue.Counts(ctx)
	if err != nil {
		return fmt.Errorf("counting the queue: %w", err)
	}
	d.tell.queue(telemetry.QueueWork, counts)
	var working []ledger.Replay
	looked := make(map[string]time.Time, len(active)) // without those that are over
	for _, r := range active {
		looked[r.ID] = d.looked[r.ID]
		if r.State == ledger.Running || r.State == ledger.Folding {
			working = append(working, r)
		}
	}
	d.looked = looked
	if !counts.Idle() || len(working) == 0 {
		d.idleSince = time.Time{}
		return d.bringOldBack(ctx, working)
	}
	now := time.Now()
	if d.idleSince.IsZero() {
		d.idleSince = now
	}
	if now.Sub(d.idleSince) < d.o.StuckAfter {
		return nil
	}
	// After an error the next look tries again; what was sent by then keeps the queue from being empty.
	err = d.sendAgain(ctx, working, "the queue was empty while work was open", func(ledger.Replay, ledger.Cursor) bool { return true })
	if err != nil {
		return err
	}
	d.idleSince = time.Time{}
	return nil
}

// retentionLooks is how often in the queue's retention old cursors are looked for: each look reads all open cursors.
const retentionLooks = 4

// bringOldBack sends work again that nobody has touched for longer than the queue keeps a message, whatever else the
// queue holds: the message that it waited for cannot be there any more. A cursor that stays as it is comes again after
// each further retention, because the message of the last time has run out as well.
func (d *Driver) bringOldBack(ctx context.Context, working []ledger.Replay) error {
	if d.o.Retention <= 0 {
		return nil
	}
	now := time.Now()
	due := slices.DeleteFunc(slices.Clone(working), func(r ledger.Replay) bool {
		return now.Sub(d.looked[r.ID]) < d.o.Retention/retentionLooks
	})
	return d.sendAgain(ctx, due, "work was left for longer than the queue keeps a message", func(r ledger.Replay, c ledger.Cursor) bool {
		retentions := func(t time.Time) int64 { return int64(max(t.Sub(c.StateChange), 0) / d.o.Retention) }
		return retentions(now) > retentions(d.looked[r.ID])
	})
}

// sendAgain enqueues the open cursors of replays once more whose messages are lost. One replay that another process has,
// or that cannot be sent, does not keep the others waiting; the error is ErrHeld where there was no other.
func (d *Driver) sendAgain(ctx context.Context, replays []ledger.Replay, why string, lost func(ledger.Replay, ledger.Cursor) bool) error {
	var held error
	var errs []error
	for _, r := range replays {
		now := time.Now()
		sent, err := d.resend(ctx, r, lost)
		if sent > 0 {
			d.o.Log.Warn(why+": sent again", zap.String("replay", r.ID), zap.Int("messages", sent))
		}
		switch {
		case errors.Is(err, ledger.ErrHeld):
			held = err
		case err != nil:
			errs = append(errs, fmt.Errorf("replay %s: %w", r.ID, err))
		default:
			d.looked[r.ID] = now
		}
	}
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	return held
}

// resend is sendAgain for one replay, under its lease; it tells how many it has sent.
func (d *Driver) resend(ctx context.Context, r ledger.Replay, lost func(ledger.Replay, ledger.Cursor) bool) (sent int, err error) {
	if err := d.lease(ctx, r.ID); err != nil {
		return 0, err
	}
	defer d.release(ctx, r.ID)
	var tasks []queue.Task
	flush := func() error {
		err := d.send(ctx, tasks)
		if err == nil {
			sent += len(tasks)
		}
		tasks = tasks[:0]
		return err
	}
	folds := []int64{0}
	if r.State == ledger.Folding && r.Fold.Number > 0 {
		folds = append(folds, r.Fold.Number)
	}
	for _, fold := range folds {
		open := ledger.ScanParams{Replay: r.ID, Fold: fold, States: []ledger.State{ledger.Pending, ledger.Processing}}
		for c, err := range d.o.Ledger.Scan(ctx, open) {
			if err != nil {
				return sent, fmt.Errorf("looking for open work: %w", err)
			}
			if !lost(r, c) {
				continue
			}
			if tasks = append(tasks, task(c)); len(tasks) == queue.MaxBatch {
				if err := flush(); err != nil {
					return sent, err
				}
			}
		}
	}
	return sent, flush()
}

// deadLetterWalk is how long the dead letters that a walk has seen stay invisible: longer than the walk.
const deadLetterWalk = 2 * time.Minute

// readDeadLetters looks at the dead-letter queue when its count has changed: a message whose cursor is finished is
// dropped, one whose cursor may still be tried goes back, the rest mark their cursors FAILED and stay.
func (d *Driver) readDeadLetters(ctx context.Context, _ []ledger.Replay) error {
	counts, err := d.o.DeadLetters.Counts(ctx)
	if err != nil {
		return fmt.Errorf("counting: %w", err)
	}
	d.tell.queue(telemetry.QueueDead, counts)
	n := counts.Visible + counts.InFlight + counts.Delayed
	if n == d.deadLetters {
		return nil
	}
	if n == 0 {
		d.deadLetters = 0
		return nil
	}
	if err := d.lease(ctx, "dead-letters"); err != nil {
		return err
	}
	defer d.release(ctx, "dead-letters")
	again := false
	keep := d.keepLease(ctx, "dead-letters")
	moved, dropped, err := queue.Move(ctx, d.o.DeadLetters, d.o.Queue, deadLetterWalk, 0, func(m queue.Message) (queue.Fate, error) {
		if err := keep(); err != nil {
			return queue.Keep, err
		}
		fate, unsure, err := d.judge(ctx, m)
		again = again || unsure
		return fate, err
	})
	if moved+dropped > 0 {
		d.o.Log.Info("read the dead-letter queue", zap.Int("sent_back", moved), zap.Int("dropped", dropped))
	}
	if err != nil {
		return err
	}
	d.deadLetters = n - int64(moved+dropped)
	if again || counts.InFlight+counts.Delayed > 0 {
		// What somebody else had in hand was not looked at, and comes back without the count changing.
		d.deadLetters = -1
	}
	return nil
}

// untagDead takes the tags off the object of a dead letter whose replay is at its end: the worker that failed it may have
// died between writing FAILED and looking whether it was too late. Another replay of the protocol keeps its own.
func (d *Driver) untagDead(ctx context.Context, r ledger.Replay, t queue.Task) {
	protocol, err := d.o.Ledger.Protocol(ctx, t.Protocol)
	if err == nil && (protocol.Replay == "" || protocol.Replay == r.ID) {
		err = archive.Mirror{Archive: d.o.Archive, Mode: r.Tags}.Clear(ctx, t.Key)
	}
	if err != nil && !errors.Is(err, archive.ErrNotFound) {
		d.o.Log.Info("taking late tags off", zap.String("object", t.Key), zap.Error(err))
	}
}

// judge decides about one dead letter. unsure says that a later look may decide otherwise.
func (d *Driver) judge(ctx context.Context, m queue.Message) (fate queue.Fate, unsure bool, err error) {
	t, err := queue.DecodeTask(m.Body)
	if err != nil {
		return queue.Keep, false, nil //nolint:nilerr // nobody can act on it but a person
	}
	r, err := d.o.Ledger.Replay(ctx, t.Replay)
	switch {
	case errors.Is(err, ledger.ErrNotFound):
		return queue.Keep, false, nil
	case err != nil:
		return queue.Keep, true, fmt.Errorf("reading replay %s: %w", t.Replay, err)
	}
	if !t.Fold && (r.Promoted || r.State.Ended()) {
		d.untagDead(ctx, r, t)
	}
	if r.State == ledger.Cancelled {
		return queue.Drop, false, nil
	}
	if _, ok := r.Protocol(t.Protocol); !ok {
		return queue.Keep, false, nil // a worker would only refuse it again
	}
	if t.Fold {
		if n, _, err := ledger.ParseFoldKey(t.Key); err != nil || n != r.Fold.Number || r.State.Ended() || r.Promoted {
			return queue.Drop, false, nil //nolint:nilerr // a part of no fold, or of one that is over, is nobody's work
		}
	}
	id := ledger.CursorID{Replay: t.Replay, Fold: t.Fold, Key: t.Key}
	c, err := d.o.Ledger.Cursor(ctx, id)
	switch {
	case errors.Is(err, ledger.ErrNotFound):
		return queue.Drop, false, nil
	case err != nil:
		return queue.Keep, true, fmt.Errorf("reading the cursor of %s: %w", t.Key, err)
	case c.State == ledger.Finished:
		return queue.Drop, false, nil
	case r.State.Ended():
		return queue.Keep, false, nil // what was left out stays, to be looked at
	case c.State == ledger.Failed:
		return queue.Keep, t.Fold, nil // a part's message goes when the next fold begins, without the count changing
	case c.State == ledger.Processing && c.OwnedUntil.After(time.Now()):
		return queue.Keep, true, nil // somebody is at it, perhaps about to fail it
	case c.NoProgress < d.o.MaxAttempts:
		return queue.Send, false, nil
	}
	reason := t.Error // of the worker that had no time to write it into the cursor
	if reason == "" {
		reason = fmt.Sprintf("no progress in %d attempts; dead-lettered by the queue", c.NoProgress)
	}
	now := time.Now()
	err = d.o.Ledger.Settle(ctx, ledger.Settle{ID: id, Epoch: c.Epoch, State: ledger.Failed, Now: now, Error: reason})
	if errors.Is(err, ledger.ErrFenced) {
		return queue.Keep, true, nil
	}
	if err == nil && !t.Fold {
		m := archive.Mirror{Archive: d.o.Archive, Mode: r.Tags}
		if err := m.Set(ctx, t.Key, string(ledger.Failed), c.Line, now, true); err != nil {
			d.o.Log.Info("mirroring the state into tags", zap.String("object", t.Key), zap.Error(err))
		}
	}
	return queue.Keep, t.Fold, err
}
