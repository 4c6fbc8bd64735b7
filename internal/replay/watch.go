package replay

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/seed-56345083/reprise/internal/ledger"
)

// Watch looks after all replays until ctx ends: it takes each a step on, brings lost work back, and reads the
// dead-letter queue. Any number of processes may watch; leases let one at a time do each thing. It looks at every interval, and
// when Wake says that there may be something to do.
func (d *Driver) Watch(ctx context.Context) error {
	said := time.Now()
	var told trouble
	for {
		err := d.Look(ctx)
		if ctx.Err() == nil {
			d.tell.metrics.Look(err)
			if told.news(err) {
				d.o.Log.Warn("watching", zap.Error(err))
			}
		}
		if d.afterLook != nil {
			d.afterLook()
		}
		if time.Since(said) >= time.Minute {
			said = time.Now()
			d.say(ctx)
		}
		interval := d.o.Interval
		if d.more {
			interval = 0
		}
		if d.untilLook(ctx, interval) != nil {
			return nil
		}
	}
}

// untilLook waits for the time of the next look. Where this process's workers have run out of messages it is now, unless there
// are some that wait or are in work elsewhere: their end is a fold's beginning, or its end.
func (d *Driver) untilLook(ctx context.Context, interval time.Duration) error {
	timer := time.NewTimer(interval)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
			return nil
		case <-d.wake:
			if counts, err := d.o.Queue.Counts(ctx); err == nil && counts.Idle() {
				return nil
			}
		}
	}
}

// Wake tells Watch that the workers of this process have run out of messages. It does not block, and any goroutine may call
// it at any time.
func (d *Driver) Wake() {
	select {
	case d.wake <- struct{}{}:
	default: // one is on its way
	}
}

// trouble is what a log was told last, and when.
type trouble struct {
	text string
	at   time.Time
}

// news reports whether an error is to be told: where it is another one than before, or has lasted for a minute since. What
// needs somebody's hand would otherwise be a line of the log at every look. No error ends the trouble.
func (t *trouble) news(err error) bool {
	if err == nil {
		*t = trouble{}
		return false
	}
	if text := err.Error(); text != t.text || time.Since(t.at) >= time.Minute {
		*t = trouble{text, time.Now()}
		return true
	}
	return false
}

// Hasten makes Watch look again after at most that time, and call looked after each look. It is for a process that waits for
// its replays to be over; call it before Watch. Looks that take longer than the time between them are followed by rests, as otherwise long ones are.
func (d *Driver) Hasten(interval time.Duration, looked func()) {
	d.afterLook = looked
	d.o.Interval = min(d.o.Interval, interval)
	d.longStep = min(d.longStep, interval)
}

// Look is one look of the watcher at everything. An error of one replay does not keep it from the others.
func (d *Driver) Look(ctx context.Context) error {
	d.tell.alive.Beat()
	replays, err := d.o.Ledger.Replays(ctx)
	if err != nil {
		return fmt.Errorf("reading the replays: %w", err)
	}
	var errs []error
	var active []ledger.Replay
	d.more = false
	for _, r := range replays {
		if r.State == ledger.Cancelled && !r.Cleaned { // whoever cancelled it did not come to the end
			if _, err := d.close(ctx, r); err != nil && !errors.Is(err, ledger.ErrHeld) {
				errs = append(errs, fmt.Errorf("replay %s: %w", r.ID, err))
			}
		}
		if r.State.Ended() {
			delete(d.rests, r.ID)
			continue
		}
		active = append(active, r)
		more, err := d.stepOrRest(ctx, r)
		d.more = d.more || more
		if err != nil && !errors.Is(err, ledger.ErrHeld) {
			errs = append(errs, fmt.Errorf("replay %s: %w", r.ID, err))
		}
	}
	for _, job := range []struct {
		name string
		run  func(context.Context, []ledger.Replay) error
	}{{"dead letters", d.readDeadLetters}, {"lost work", d.bringBack}, {"purge", d.purge}} {
		if err := job.run(ctx, active); err != nil && !errors.Is(err, ledger.ErrHeld) {
			errs = append(errs, fmt.Errorf("%s: %w", job.name, err))
		}
	}
	d.tellActive(ctx, active)
	return errors.Join(errs...)
}

// step takes one replay as far as it can go now; a listing for one turn, with more where it has not come to the end.
func (d *Driver) step(ctx context.Context, r ledger.Replay, turn time.Duration) (more bool, err error) {
	if r.State == ledger.Paused {
		return false, nil
	}
	if err := d.lease(ctx, r.ID); err != nil {
		return false, err
	}
	defer d.release(ctx, r.ID)
	switch r.State {
	case ledger.Starting:
		more, err := d.list(ctx, r.ID, turn, nil)
		if err != nil && !errors.Is(err, ledger.ErrHeld) && ctx.Err() == nil {
			err = errors.Join(err, d.wait(ctx, r.ID, ledger.Starting, "the archive to be listed: "+err.Error()))
		}
		return more, err
	case ledger.Running:
		return d.stepRunning(ctx, r, turn)
	case ledger.Folding:
		return false, d.tryFinish(ctx, r)
	default:
		return false, nil
	}
}

// stepRunning lists the archive for the second time where that is due, and folds.
func (d *Driver) stepRunning(ctx context.Context, r ledger.Replay, turn time.Duration) (more bool, err error) {
	if toList(r) {
		if more, err = d.list(ctx, r.ID, turn, nil); err != nil && !errors.Is(err, ledger.ErrHeld) && ctx.Err() == nil {
			err = errors.Join(err, d.wait(ctx, r.ID, ledger.Running, listedAgain+": "+err.Error()))
		}
		if err != nil || more {
			return more, err
		}
		if r, err = d.o.Ledger.Replay(ctx, r.ID); err != nil {
			return false, fmt.Errorf("reading replay: %w", err)
		}
		if r.State != ledger.Running {
			return false, nil
		}
		if err := d.lease(ctx, r.ID); err != nil { // the listing has let go of it
			return false, err
		}
	}
	return false, d.tryFold(ctx, r)
}

// wait keeps in the replay what its finish waits for, in words, where that has changed.
func (d *Driver) wait(ctx context.Context, id string, state ledger.State, why string) error {
	_, err := d.update(ctx, id, func(r *ledger.Replay) error {
		if r.State != state || r.Waits == why {
			return errUnchanged
		}
		r.Waits = why
		return nil
	})
	return err
}

// say writes a line of progress for each replay into the log, a short one where counting takes long.
func (d *Driver) say(ctx context.Context) {
	replays, err := d.o.Ledger.Replays(ctx)
	if err != nil {
		return
	}
	for _, r := range replays {
		if r.State.Ended() {
			continue
		}
		if _, resting := d.rests[r.ID]; resting {
			d.o.Log.Info("progress", zap.String("replay", r.ID), zap.String("state", string(r.State)), zap.String("waits", r.Waits))
			continue
		}
		if s, err := d.status(ctx, r); err == nil {
			d.o.Log.Info("progress", zap.String("replay", s.Replay), zap.String("state", string(s.State)),
				zap.Int64("objects", s.Objects.Finished), zap.Int64("of", s.Objects.Listed), zap.Int64("failed", s.Objects.Failed),
				zap.Int64("lines", s.Lines.Read), zap.Float64("lines_per_second", s.LinesPerSecond), zap.String("waits", s.Waits))
		}
	}
}

// purgePerLook bounds the rows that one look removes, so that a purge never holds the table's users up.
const purgePerLook = 20_000

// purge removes the rows of generations that nobody can read any more. Only what a Meta record names as purging is
// deleted (promise P8).
func (d *Driver) purge(ctx context.Context, _ []ledger.Replay) error {
	protocols, err := d.o.Ledger.Protocols(ctx)
	if err != nil {
		return fmt.Errorf("reading the protocols: %w", err)
	}
	left := purgePerLook
	for _, p := range protocols {
		if p.Previous != 0 && !fallsBack(p) && !p.Since.IsZero() && time.Since(p.Since) >= d.o.Keep {
			p = retire(p)
			if err := d.o.Ledger.Write(ctx, ledger.Writes{Protocols: []ledger.Protocol{p}}); err != nil {
				continue // rolled back at this moment, or the next look tries again
			}
			p.Version++
		}
		if len(p.Purging) == 0 || left <= 0 {
			continue
		}
		n, err := d.o.Ledger.Purge(ctx, ledger.PurgeParams{Protocol: p.Name, Generation: p.Purging[0]}, left)
		if err != nil {
			return fmt.Errorf("removing generation %d of %s: %w", p.Purging[0], p.Name, err)
		}
		if left -= n; n > 0 {
			continue // the next look goes on
		}
		p.Purging = p.Purging[1:]
		if err := d.o.Ledger.Write(ctx, ledger.Writes{Protocols: []ledger.Protocol{p}}); err != nil && !errors.Is(err, ledger.ErrConflict) {
			return fmt.Errorf("noting that a generation of %s is gone: %w", p.Name, err)
		}
	}
	return nil
}
