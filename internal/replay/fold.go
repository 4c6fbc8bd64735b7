package replay

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/axiomhq/hyperloglog"
	"go.uber.org/zap"

	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/queue"
)

const (
	maxParts     = 256              // of a fold, over all protocols
	rowsPerPart  = 200_000          // Options.RowsPerPart where nobody says otherwise
	foldPatience = 30 * time.Second // before a fold that failed is replaced by a new one
)

// tryFold begins the fold when every object is done: FINISHED, or FAILED and left out by somebody's word.
func (d *Driver) tryFold(ctx context.Context, r ledger.Replay) error {
	s, err := d.o.Ledger.Summarize(ctx, r.ID)
	if err != nil {
		return fmt.Errorf("counting the objects: %w", err)
	}
	d.tell.count(r, s)
	if s.Open() > 0 && r.Accepted != nil && s.Objects[ledger.Failed].Objects < r.Accepted.Objects {
		if r, err = d.update(ctx, r.ID, lapse(s)); err != nil {
			return err
		}
	}
	if why, _ := obstacle(r, s); why != "" {
		if err := d.foldInterim(ctx, r, s); err != nil {
			return err
		}
		return d.wait(ctx, r.ID, ledger.Running, why)
	}
	if s.Total().Objects > r.Listing.Objects {
		if r, err = d.adopt(ctx, r, s); err != nil {
			return err
		}
	}
	parts, err := d.parts(ctx, r, s)
	if err != nil {
		return err
	}
	r, err = d.newFold(ctx, r, ledger.Running, parts)
	if err != nil || r.State != ledger.Folding {
		return err
	}
	return d.enqueueFold(ctx, r)
}

// lapse takes the word back for the objects that were redriven after it was given: should one of them fail again, that
// is another failure, which nobody has accepted.
func lapse(s ledger.Summary) func(*ledger.Replay) error {
	return func(r *ledger.Replay) error {
		failed := s.Objects[ledger.Failed].Objects
		switch {
		case r.State != ledger.Running || r.Accepted == nil || r.Accepted.Objects <= failed:
			return errUnchanged
		case failed == 0:
			r.Accepted = nil
		default:
			accepted := *r.Accepted
			accepted.Objects = failed
			r.Accepted = &accepted
		}
		return nil
	}
}

// adopt takes objects over that were written down after the end of the listing, by a process that had lost its lease in
// the middle of a page. They stood in the archive when that process listed it, so they are part of the replay.
func (d *Driver) adopt(ctx context.Context, r ledger.Replay, s ledger.Summary) (ledger.Replay, error) {
	d.o.Log.Warn("objects were listed twice at a time", zap.String("replay", r.ID),
		zap.Int64("listed", r.Listing.Objects), zap.Int64("written_down", s.Total().Objects))
	return d.update(ctx, r.ID, func(now *ledger.Replay) error {
		if now.State != ledger.Running || now.Listing.Objects >= s.Total().Objects {
			return errUnchanged
		}
		now.Listing.Objects, now.Listing.Bytes = s.Total().Objects, s.Total().Size
		return nil
	})
}

// newFold opens the next fold. Its number has never been used, so rows that an earlier one put, or still puts, are
// under another name.
func (d *Driver) newFold(ctx context.Context, before ledger.Replay, from ledger.State, parts []ledger.FoldPart) (ledger.Replay, error) {
	return d.update(ctx, before.ID, func(r *ledger.Replay) error {
		if r.State != from || r.Fold.Number != before.Fold.Number || r.Promoted {
			return errUnchanged
		}
		setState(r, ledger.Folding)
		r.Fold = ledger.Fold{Number: before.Fold.Number + 1, Parts: parts, Started: r.Changed}
		d.o.Log.Info("folding", zap.String("replay", r.ID), zap.Int64("fold", r.Fold.Number), zap.Int("parts", len(parts)))
		return nil
	})
}

// parts cuts the fold by the number of rows that the workers have seen. That is an estimate (a worker may have died
// before its report); a worker whose part turns out too large makes several passes over it.
func (d *Driver) parts(ctx context.Context, r ledger.Replay, s ledger.Summary) ([]ledger.FoldPart, error) {
	reports, err := d.o.Ledger.Progress(ctx, r.ID)
	if err != nil {
		return nil, fmt.Errorf("reading the workers' progress: %w", err)
	}
	var parts []ledger.FoldPart
	for _, p := range r.Protocols {
		rows := min(rowsReported(reports, p.Name), s.Protocol[p.Name].Rows)
		of := int(min(1+rows/d.o.RowsPerPart, int64(maxParts/len(r.Protocols)), maxParts))
		for i := range max(of, 1) {
			parts = append(parts, ledger.FoldPart{Protocol: p.Name, Index: i, Of: max(of, 1)})
		}
	}
	return parts, nil
}

// rowsReported estimates how many rows of a protocol all reports together have seen.
func rowsReported(reports []ledger.Progress, protocol string) int64 {
	sum := hyperloglog.New()
	for _, report := range reports {
		sketch := hyperloglog.New()
		if b := report.Keys[protocol]; len(b) > 0 && sketch.UnmarshalBinary(b) == nil {
			_ = sum.Merge(sketch) // both of the same precision
		}
	}
	return int64(sum.Estimate())
}

// enqueueFold makes the cursors and messages of a fold; a crash in between repeats it.
func (d *Driver) enqueueFold(ctx context.Context, r ledger.Replay) error {
	cursors := make([]ledger.Cursor, len(r.Fold.Parts))
	tasks := make([]queue.Task, len(cursors))
	for i, part := range r.Fold.Parts {
		cursors[i] = ledger.Cursor{
			CursorID: ledger.CursorID{Replay: r.ID, Fold: true, Key: ledger.FoldKey(r.Fold.Number, i)},
			Protocol: part.Protocol, State: ledger.Pending, StateChange: time.Now().UTC(),
		}
		tasks[i] = task(cursors[i])
	}
	if !r.Fold.Interim {
		if err := d.fence(ctx, r); err != nil {
			return err
		}
	}
	if err := d.o.Ledger.Insert(ctx, cursors); err != nil {
		return fmt.Errorf("writing down the parts of fold %d: %w", r.Fold.Number, err)
	}
	if err := d.send(ctx, tasks); err != nil {
		return err
	}
	_, err := d.update(ctx, r.ID, func(now *ledger.Replay) error {
		if now.Fold.Number != r.Fold.Number || now.Fold.Listed {
			return errUnchanged
		}
		now.Fold.Listed = true
		return nil
	})
	return err
}

// fence raises the epochs of the objects that a fold leaves out, before any of its parts can look at them: a redrive that
// has read such a cursor before is fenced, and one that reads it from now on sees FOLDING. So every part, and every
// repetition of one, adds the same objects up.
func (d *Driver) fence(ctx context.Context, r ledger.Replay) error {
	for c, err := range d.o.Ledger.Scan(ctx, ledger.ScanParams{Replay: r.ID, States: []ledger.State{ledger.Failed}}) {
		if err != nil {
			return fmt.Errorf("scanning the objects that are left out: %w", err)
		}
		err := d.o.Ledger.Settle(ctx, ledger.Settle{ID: c.CursorID, Epoch: c.Epoch, State: ledger.Failed, Now: c.StateChange})
		if err != nil && !errors.Is(err, ledger.ErrFenced) { // fenced: redriven, and the next look sees it open
			return fmt.Errorf("leaving out %s: %w", c.Key, err)
		}
	}
	return nil
}

// tryFinish ends a replay whose fold is in: audit, promote, take the tags off, FINISHED.
func (d *Driver) tryFinish(ctx context.Context, r ledger.Replay) error {
	if r.Promoted {
		return d.cleanUp(ctx, r)
	}
	s, err := d.o.Ledger.Summarize(ctx, r.ID)
	if err != nil {
		return fmt.Errorf("counting the fold's parts: %w", err)
	}
	d.tell.count(r, s)
	parts := s.Parts[r.Fold.Number]
	switch {
	case !whole(r, s): // an object was redriven, or written down, in the moment in which the fold began
		_, err := d.update(ctx, r.ID, func(now *ledger.Replay) error {
			if now.State != ledger.Folding || now.Promoted || now.Version != r.Version {
				return errUnchanged
			}
			setState(now, ledger.Running)
			return nil
		})
		return err
	case !r.Fold.Listed:
		return d.enqueueFold(ctx, r)
	case parts[ledger.Failed] > 0:
		return d.partsFailed(ctx, r, s, parts[ledger.Failed])
	case parts[ledger.Finished] < int64(len(r.Fold.Parts)):
		if err := d.resendFold(ctx, r); err != nil {
			return err
		}
		return d.wait(ctx, r.ID, ledger.Folding, fmt.Sprintf("%d of %s of fold %d", int64(len(r.Fold.Parts))-parts[ledger.Finished], count(int64(len(r.Fold.Parts)), "part"), r.Fold.Number))
	}
	audit, err := d.audit(ctx, r, nil)
	if err != nil {
		return err
	}
	if !audit.Closes() {
		if audit.foldIsStale() {
			return d.foldAgain(ctx, r, s, "its receipts do not add up")
		}
		return d.wait(ctx, r.ID, ledger.Folding, openAccounts(r.ID))
	}
	if err := d.sweep(ctx, r); err != nil {
		if ctx.Err() != nil {
			return err
		}
		return errors.Join(err, d.wait(ctx, r.ID, ledger.Folding, entriesToCount+err.Error()))
	}
	why, err := d.checkGates(ctx, r)
	if err != nil {
		return err
	}
	if why != "" {
		return d.wait(ctx, r.ID, ledger.Folding, why)
	}
	if r, err = d.promote(ctx, r, s); err != nil || !r.Promoted {
		return err
	}
	return d.cleanUp(ctx, r)
}

// whole reports whether a fold can be of all objects, as far as the ledger knows now.
func whole(r ledger.Replay, s ledger.Summary) bool {
	why, _ := obstacle(r, s)
	return why == "" && s.Total().Objects == r.Listing.Objects
}

// resendFold sends the open parts of a fold again when it has taken a while, whatever else the queue holds: they are few,
// and a message that waits for the fold's end keeps the queue from being empty.
func (d *Driver) resendFold(ctx context.Context, r ledger.Replay) error {
	name := fmt.Sprintf("%s %d", r.ID, r.Fold.Number)
	if d.fold.name != name {
		d.fold.name, d.fold.sent = name, time.Now()
	}
	if time.Since(d.fold.sent) < d.o.StuckAfter {
		return nil
	}
	d.fold.sent = time.Now()
	open := ledger.ScanParams{Replay: r.ID, Fold: r.Fold.Number, States: []ledger.State{ledger.Pending, ledger.Processing}}
	var tasks []queue.Task
	for c, err := range d.o.Ledger.Scan(ctx, open) {
		if err != nil {
			return fmt.Errorf("scanning the parts of fold %d: %w", r.Fold.Number, err)
		}
		if c.State == ledger.Pending || c.OwnedUntil.Before(time.Now()) {
			tasks = append(tasks, task(c))
		}
	}
	return d.send(ctx, tasks)
}

// partsFailed says why, and folds again after a while that grows with each fold.
func (d *Driver) partsFailed(ctx context.Context, r ledger.Replay, s ledger.Summary, n int64) error {
	if time.Since(r.Fold.Started) >= d.foldPatience*time.Duration(min(r.Fold.Number, 10)) {
		return d.foldAgain(ctx, r, s, "its parts failed")
	}
	why := "no reason is known"
	failed := ledger.ScanParams{Replay: r.ID, Fold: r.Fold.Number, States: []ledger.State{ledger.Failed}}
	for c, err := range d.o.Ledger.Scan(ctx, failed) {
		if err != nil {
			return fmt.Errorf("scanning the parts of fold %d: %w", r.Fold.Number, err)
		}
		why = c.Error
		break
	}
	return d.wait(ctx, r.ID, ledger.Folding, fmt.Sprintf("%s of fold %d %s: %s", count(n, "part"), r.Fold.Number, foldFollows, why))
}

func (d *Driver) foldAgain(ctx context.Context, r ledger.Replay, s ledger.Summary, why string) error {
	d.o.Log.Warn("folding again", zap.String("replay", r.ID), zap.Int64("fold", r.Fold.Number), zap.String("why", why))
	parts, err := d.parts(ctx, r, s)
	if err != nil {
		return err
	}
	if r, err = d.newFold(ctx, r, ledger.Folding, parts); err != nil || r.State != ledger.Folding || r.Promoted {
		return err
	}
	return d.enqueueFold(ctx, r)
}
