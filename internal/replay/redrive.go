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
// (ErrState). A dry run changes nothing. Redriving again is harmless.
func (d *Driver) Redrive(ctx context.Context, id string, keys []string, dry bool) ([]Redriven, error) {
	results := []Redriven{}
	again := map[string]bool{}
	for c, err := range d.o.Ledger.Scan(ctx, ledger.ScanParams{Replay: id, States: []ledger.State{ledger.Failed}}) {
		if err != nil {
			return results, fmt.Errorf("looking for FAILED objects: %w", err)
		}
		if len(keys) > 0 && !slices.Contains(keys, c.Key) {
			continue
		}
		result, err := d.redrive(ctx, c, dry)
		if err != nil {
			return results, err
		}
		again[c.Key] = result.Again
		results = append(results, result)
	}
	if len(keys) > 0 && len(results) == 0 {
		return results, fmt.Errorf("%w: none of the objects named is a FAILED one of %s", ErrUnknown, id)
	}
	if dry {
		return results, nil
	}
	if err := d.unaccept(ctx, id, results); err != nil {
		return results, err
	}
	return results, d.dropDeadLetters(ctx, id, again)
}

// unaccept takes the word back under which redriven objects were left out: should one fail again, nobody has accepted
// that.
func (d *Driver) unaccept(ctx context.Context, id string, results []Redriven) error {
	var n int64
	for _, r := range results {
		if r.Again {
			n++
		}
	}
	_, err := d.update(ctx, id, func(r *ledger.Replay) error {
		if n == 0 || r.Accepted == nil {
			return errUnchanged
		}
		accepted := *r.Accepted
		if accepted.Objects -= n; accepted.Objects > 0 {
			r.Accepted = &accepted
		} else {
			r.Accepted = nil
		}
		return nil
	})
	return err
}

// redrive takes one object. The cursor was read before the replay is, and is written under the epoch that it had then:
// a fold raises the epochs of what it leaves out when it begins, so that this cannot reopen an object behind its back.
func (d *Driver) redrive(ctx context.Context, c ledger.Cursor, dry bool) (Redriven, error) {
	result := Redriven{Key: c.Key, Error: c.Error, Now: string(ledger.Failed)}
	r, err := d.o.Ledger.Replay(ctx, c.Replay)
	switch {
	case err != nil:
		return result, fmt.Errorf("reading replay %s: %w", c.Replay, err)
	case r.State == ledger.Folding || r.Resumes == ledger.Folding:
		return result, fmt.Errorf("%w: %s is FOLDING without its failed objects; cancel it, or replay them afterwards", ErrState, r.ID)
	case r.State.Ended():
		return result, fmt.Errorf("%w: %s is %s", ErrState, r.ID, r.State)
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
	if dry {
		return result, nil
	}
	err = d.o.Ledger.Reopen(ctx, ledger.Reopen{ID: c.CursorID, Epoch: c.Epoch, ETag: object.ETag, Size: object.Size, Now: time.Now()})
	if errors.Is(err, ledger.ErrFenced) {
		result.Again, result.Now = false, "somebody else has redriven it"
		return result, nil
	}
	if err != nil {
		return result, fmt.Errorf("redriving %s: %w", c.Key, err)
	}
	c.Line = 0
	return result, d.send(ctx, []queue.Task{task(c)})
}

// dropDeadLetters deletes the dead letters of what was redriven.
func (d *Driver) dropDeadLetters(ctx context.Context, id string, keys map[string]bool) error {
	_, _, err := queue.Move(ctx, d.o.DeadLetters, d.o.Queue, deadLetterWalk, 0, func(m queue.Message) (queue.Fate, error) {
		t, err := queue.DecodeTask(m.Body)
		if err == nil && t.Replay == id && !t.Fold && keys[t.Key] {
			return queue.Drop, nil
		}
		return queue.Keep, nil
	})
	if err != nil {
		return fmt.Errorf("deleting the dead letters of what was redriven: %w", err)
	}
	return nil
}
