package replay

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/seed-56345083/reprise/internal/archive"
	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/queue"
)

// Redriven is one FAILED object and what a redrive did with it.
type Redriven struct {
	Key   string `json:"key"`
	Error string `json:"error"`          // why it was FAILED
	Now   string `json:"now"`            // PENDING, or why it stays FAILED
	Again bool   `json:"again"`          // it begins again (or would, in a dry run)
	Size  int64  `json:"size,omitempty"` // of the object as it is now
	ETag  string `json:"etag,omitempty"` // of the object as it is now
}

// Redrive makes FAILED objects of a replay begin again, with the content that they have now: those named, or all. Each
// gets a new message, and its dead letter is deleted. It is refused while the replay is FOLDING and when it is over
// (ErrState), and where a name is none of the replay's objects (ErrUnknown). A dry run changes nothing. Redriving again is
// harmless: what one that was cut off has left behind, the watcher brings on its way.
func (d *Driver) Redrive(ctx context.Context, id string, keys []string, dry bool) ([]Redriven, error) {
	results := []Redriven{}
	cursors, err := d.redrivable(ctx, id, keys)
	if err != nil {
		return results, err
	}
	// The cursors were read before the replay is, and are written under the epochs that they had then: a fold raises the
	// epochs of what it leaves out when it begins, so that nothing can be reopened behind its back.
	r, err := d.o.Ledger.Replay(ctx, id)
	if err == nil {
		err = canRedrive(&r)
	}
	if err != nil {
		return results, fmt.Errorf("redriving: %w", err)
	}
	var n int64
	for _, c := range cursors {
		result, err := d.lookAt(ctx, c)
		if err != nil {
			return results, err
		}
		if result.Again {
			n++
		}
		results = append(results, result)
	}
	if dry || n == 0 {
		return results, nil
	}
	if err := d.unaccept(ctx, id, n); err != nil {
		return results, err
	}
	again := map[string]bool{}
	var errs []error
	for i, c := range cursors {
		if !results[i].Again {
			continue
		}
		if err := d.redrive(ctx, c, &results[i]); err != nil {
			errs = append(errs, err)
			break // what was redriven by now is seen through
		}
		again[c.Key] = results[i].Again
	}
	return results, errors.Join(append(errs, d.dropDeadLetters(ctx, id, again))...)
}

// redrivable reads the FAILED objects, or the ones named, whatever state they are in.
func (d *Driver) redrivable(ctx context.Context, id string, keys []string) ([]ledger.Cursor, error) {
	var cursors []ledger.Cursor
	for _, key := range slices.Compact(slices.Sorted(slices.Values(keys))) {
		c, err := d.o.Ledger.Cursor(ctx, ledger.CursorID{Replay: id, Key: key})
		switch {
		case errors.Is(err, ledger.ErrNotFound):
			return nil, fmt.Errorf("%w: %s is no object of %s", ErrUnknown, key, id)
		case err != nil:
			return nil, fmt.Errorf("reading the cursor of %s: %w", key, err)
		}
		cursors = append(cursors, c)
	}
	if len(keys) > 0 {
		return cursors, nil
	}
	for c, err := range d.o.Ledger.Scan(ctx, ledger.ScanParams{Replay: id, States: []ledger.State{ledger.Failed}}) {
		if err != nil {
			return nil, fmt.Errorf("looking for FAILED objects: %w", err)
		}
		cursors = append(cursors, c)
	}
	return cursors, nil
}

// canRedrive says why a replay's objects cannot begin again now.
func canRedrive(r *ledger.Replay) error {
	switch {
	case r.State.Ended():
		return fmt.Errorf("%w: %s is %s", ErrState, r.ID, r.State)
	case r.State == ledger.Folding || r.Resumes == ledger.Folding:
		return fmt.Errorf("%w: %s is FOLDING without its failed objects; cancel it, or replay them afterwards", ErrState, r.ID)
	default:
		return nil
	}
}

// lookAt finds out whether an object can begin again, and with what content.
func (d *Driver) lookAt(ctx context.Context, c ledger.Cursor) (Redriven, error) {
	result := Redriven{Key: c.Key, Error: c.Error, Now: string(c.State)}
	if c.State != ledger.Failed {
		return result, nil
	}
	object, err := d.o.Archive.Stat(ctx, c.Key)
	switch {
	case errors.Is(err, archive.ErrNotFound):
		result.Now = "the object is not there"
		return result, nil
	case err != nil:
		return result, fmt.Errorf("redriving %s: %w", c.Key, err)
	}
	result.Again, result.Now, result.Size, result.ETag = true, string(ledger.Pending), object.Size, object.ETag
	return result, nil
}

// unaccept takes the word back under which n objects were left out, before they begin again: should one of them fail
// again, nobody has accepted that. It names a number rather than taking one off, so that doing it twice, or after the
// watcher has seen one of them open, takes back no more than that.
func (d *Driver) unaccept(ctx context.Context, id string, n int64) error {
	s, err := d.o.Ledger.Summarize(ctx, id)
	if err != nil {
		return fmt.Errorf("counting the FAILED objects: %w", err)
	}
	left := max(s.Objects[ledger.Failed].Objects-n, 0)
	_, err = d.update(ctx, id, func(r *ledger.Replay) error {
		if err := canRedrive(r); err != nil {
			return err
		}
		switch {
		case r.Accepted == nil || r.Accepted.Objects <= left:
			return errUnchanged
		case left == 0:
			r.Accepted = nil
		default:
			accepted := *r.Accepted
			accepted.Objects = left
			r.Accepted = &accepted
		}
		return nil
	})
	return err
}

// redrive makes one object begin again.
func (d *Driver) redrive(ctx context.Context, c ledger.Cursor, result *Redriven) error {
	err := d.o.Ledger.Reopen(ctx, ledger.Reopen{ID: c.CursorID, Epoch: c.Epoch, ETag: result.ETag, Size: result.Size, Now: time.Now()})
	if errors.Is(err, ledger.ErrFenced) {
		result.Again, result.Now = false, "somebody else has redriven it"
		return nil
	}
	if err != nil {
		return fmt.Errorf("redriving %s: %w", c.Key, err)
	}
	c.Line = 0
	return d.send(ctx, []queue.Task{task(c)})
}

// dropDeadLetters deletes the dead letters of what was redriven, except where it has failed again by now. The watcher may
// be reading them, and has them in hand until it ends.
func (d *Driver) dropDeadLetters(ctx context.Context, id string, keys map[string]bool) error {
	for {
		err := d.lease(ctx, "dead-letters")
		if err == nil {
			break
		}
		if !errors.Is(err, ledger.ErrHeld) {
			return err
		}
		if err := pause(ctx, min(d.o.Lease, 100*time.Millisecond)); err != nil {
			return err
		}
	}
	defer d.release(ctx, "dead-letters")
	keep := d.keepLease(ctx, "dead-letters")
	_, _, err := queue.Move(ctx, d.o.DeadLetters, d.o.Queue, deadLetterWalk, 0, func(m queue.Message) (queue.Fate, error) {
		if err := keep(); err != nil && !errors.Is(err, ledger.ErrHeld) { // whoever has it now may have some in hand: the watcher sees to them
			return queue.Keep, err
		}
		t, err := queue.DecodeTask(m.Body)
		if err != nil || t.Replay != id || t.Fold || !keys[t.Key] {
			return queue.Keep, nil //nolint:nilerr // nothing of what was redriven
		}
		c, err := d.o.Ledger.Cursor(ctx, ledger.CursorID{Replay: id, Key: t.Key})
		if err != nil {
			return queue.Keep, fmt.Errorf("reading the cursor of %s: %w", t.Key, err)
		}
		if c.State == ledger.Failed {
			return queue.Keep, nil
		}
		return queue.Drop, nil
	})
	if err != nil {
		return fmt.Errorf("deleting the dead letters of what was redriven: %w", err)
	}
	return nil
}
