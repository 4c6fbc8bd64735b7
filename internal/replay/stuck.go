package replay

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/seed-56345083/reprise/internal/archive"
	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/queue"
)

// bringBack sends open work again whose message was lost. That is only known when the queue has been empty for a while,
// in flight and delayed included: a backlog that waits its turn is not stuck.
func (d *Driver) bringBack(ctx context.Context, active []ledger.Replay) error {
	counts, err := d.o.Queue.Counts(ctx)
	if err != nil {
		return fmt.Errorf("counting the queue: %w", err)
	}
	if !counts.Idle() || len(active) == 0 {
		d.idleSince = time.Time{}
		return nil
	}
	now := time.Now()
	if d.idleSince.IsZero() {
		d.idleSince = now
	}
	if now.Sub(d.idleSince) < d.o.StuckAfter {
		return nil
	}
	// One replay that another process has, or that cannot be sent, does not keep the others waiting. After an error the
	// next look tries again; what was sent by then keeps the queue from being empty.
	var errs []error
	for _, r := range active {
		if r.State != ledger.Running && r.State != ledger.Folding {
			continue
		}
		if err := d.lease(ctx, r.ID); err != nil {
			errs = append(errs, err)
			continue
		}
		if err := d.resend(ctx, r); err != nil {
			errs = append(errs, fmt.Errorf("replay %s: %w", r.ID, err))
		}
		d.release(ctx, r.ID)
	}
	if len(errs) == 0 {
		d.idleSince = time.Time{}
	}
	return errors.Join(errs...)
}

// resend enqueues every open cursor of a replay once more.
func (d *Driver) resend(ctx context.Context, r ledger.Replay) error {
	open := []ledger.State{ledger.Pending, ledger.Processing}
	var tasks []queue.Task
	sent := 0
	flush := func() error {
		err := d.send(ctx, tasks)
		sent += len(tasks)
		tasks = tasks[:0]
		return err
	}
	for _, fold := range []int64{0, r.Fold.Number} {
		if fold > 0 && r.State != ledger.Folding {
			continue
		}
		for c, err := range d.o.Ledger.Scan(ctx, ledger.ScanParams{Replay: r.ID, Fold: fold, States: open}) {
			if err != nil {
				return fmt.Errorf("looking for open work: %w", err)
			}
			if tasks = append(tasks, task(c)); len(tasks) == queue.MaxBatch {
				if err := flush(); err != nil {
					return err
				}
			}
		}
		if fold == 0 && r.Fold.Number == 0 {
			break
		}
	}
	if err := flush(); err != nil {
		return err
	}
	if sent > 0 {
		d.o.Log.Warn("the queue was empty while work was open: sent again", zap.String("replay", r.ID), zap.Int("messages", sent))
	}
	return nil
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
	moved, dropped, err := queue.Move(ctx, d.o.DeadLetters, d.o.Queue, deadLetterWalk, 0, func(m queue.Message) (queue.Fate, error) {
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
