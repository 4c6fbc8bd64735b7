package replay

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/axiomhq/hyperloglog"
	"go.uber.org/zap"

	"github.com/seed-56345083/reprise/internal/archive"
	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/queue"
)

const (
	maxParts     = 256              // of a fold, over all protocols
	foldPatience = 30 * time.Second // before a fold that failed is replaced by a new one
)

// tryFold begins the fold when every object is done: FINISHED, or FAILED and left out by somebody's word.
func (d *Driver) tryFold(ctx context.Context, r ledger.Replay) error {
	s, err := d.o.Ledger.Summarize(ctx, r.ID)
	if err != nil {
		return fmt.Errorf("counting the objects: %w", err)
	}
	failed := s.Objects[ledger.Failed].Objects
	switch {
	case s.Open() > 0:
		return d.wait(ctx, r.ID, ledger.Running, fmt.Sprintf("%d objects to be read", s.Open()))
	case s.Total().Objects != r.Listing.Objects:
		return d.wait(ctx, r.ID, ledger.Running, fmt.Sprintf("%d objects were listed, the ledger has %d", r.Listing.Objects, s.Total().Objects))
	case held(r, failed):
		return d.wait(ctx, r.ID, ledger.Running, failedObjects(failed))
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
		sum := hyperloglog.New()
		for _, report := range reports {
			sketch := hyperloglog.New()
			if b := report.Keys[p.Name]; len(b) > 0 && sketch.UnmarshalBinary(b) == nil {
				_ = sum.Merge(sketch) // both of the same precision
			}
		}
		rows := min(int64(sum.Estimate()), s.Protocol[p.Name].Rows)
		of := int(min(1+rows/d.o.RowsPerPart, int64(maxParts/len(r.Protocols)), maxParts))
		for i := range max(of, 1) {
			parts = append(parts, ledger.FoldPart{Protocol: p.Name, Index: i, Of: max(of, 1)})
		}
	}
	return parts, nil
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

// tryFinish ends a replay whose fold is in: audit, promote, take the tags off, FINISHED.
func (d *Driver) tryFinish(ctx context.Context, r ledger.Replay) error {
	if r.Promoted {
		return d.cleanUp(ctx, r)
	}
	if !r.Fold.Listed {
		return d.enqueueFold(ctx, r)
	}
	s, err := d.o.Ledger.Summarize(ctx, r.ID)
	if err != nil {
		return fmt.Errorf("counting the fold's parts: %w", err)
	}
	parts := s.Parts[r.Fold.Number]
	switch {
	case s.Open() > 0: // redriven in the moment in which the fold began
		_, err := d.update(ctx, r.ID, func(now *ledger.Replay) error {
			if now.State != ledger.Folding || now.Promoted || now.Version != r.Version {
				return errUnchanged
			}
			setState(now, ledger.Running)
			return nil
		})
		return err
	case parts[ledger.Failed] > 0:
		if time.Since(r.Fold.Started) < foldPatience {
			return d.wait(ctx, r.ID, ledger.Folding, fmt.Sprintf("%d parts of fold %d failed; a new fold follows", parts[ledger.Failed], r.Fold.Number))
		}
		return d.foldAgain(ctx, r, s, "its parts failed")
	case parts[ledger.Finished] < int64(len(r.Fold.Parts)):
		return d.wait(ctx, r.ID, ledger.Folding, fmt.Sprintf("%d of %d parts of fold %d", int64(len(r.Fold.Parts))-parts[ledger.Finished], len(r.Fold.Parts), r.Fold.Number))
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
	if r, err = d.promote(ctx, r.ID); err != nil || !r.Promoted {
		return err
	}
	return d.cleanUp(ctx, r)
}

func (d *Driver) foldAgain(ctx context.Context, r ledger.Replay, s ledger.Summary, why string) error {
	d.o.Log.Warn("folding again", zap.String("replay", r.ID), zap.Int64("fold", r.Fold.Number), zap.String("why", why))
	parts, err := d.parts(ctx, r, s)
	if err != nil {
		return err
	}
	if r, err = d.newFold(ctx, r, ledger.Folding, parts); err != nil {
		return err
	}
	return d.enqueueFold(ctx, r)
}

// promote lets readers move to the new generations: one transaction over all protocols, the replay, and the
// generations' base.
func (d *Driver) promote(ctx context.Context, id string) (ledger.Replay, error) {
	for {
		r, err := d.o.Ledger.Replay(ctx, id)
		if err != nil {
			return r, fmt.Errorf("reading replay %s: %w", id, err)
		}
		if r.State != ledger.Folding || r.Promoted {
			return r, nil
		}
		var w ledger.Writes
		for _, part := range r.Protocols {
			p, err := d.o.Ledger.Protocol(ctx, part.Name)
			if err != nil {
				return r, fmt.Errorf("reading protocol %s: %w", part.Name, err)
			}
			g, err := d.o.Ledger.Generation(ctx, part.Name, part.Generation)
			if err != nil {
				return r, fmt.Errorf("reading generation %d of %s: %w", part.Generation, part.Name, err)
			}
			g.Base = r.Fold.Number
			w.Generations = append(w.Generations, g)
			w.Protocols = append(w.Protocols, serve(p, part.Generation))
		}
		r.Promoted = true
		w.Replays = []ledger.Replay{r}
		switch err := d.o.Ledger.Write(ctx, w); {
		case err == nil:
			r.Version++
			d.o.Log.Info("readers move to the new generation", zap.String("replay", r.ID))
			return r, nil
		case !errors.Is(err, ledger.ErrConflict):
			return r, fmt.Errorf("promoting the generations of %s: %w", id, err)
		}
	}
}

// serve makes a generation the one that readers read. The one before it stays, for a rollback; the one before that
// can never be read again.
func serve(p ledger.Protocol, generation int64) ledger.Protocol {
	if p.Previous != 0 {
		p.Purging = append(p.Purging, p.Previous)
		p.Gens = slices.DeleteFunc(p.Gens, func(g int64) bool { return g == p.Previous })
	}
	p.Previous = p.Serving
	p.Serving, p.Complete, p.Building = generation, generation, 0
	return p
}

// cleanUp takes the tags off and only then frees the protocols, because the next replay of one sets them anew.
func (d *Driver) cleanUp(ctx context.Context, r ledger.Replay) error {
	if err := d.clearTags(ctx, r); err != nil {
		return err
	}
	for {
		r, err := d.o.Ledger.Replay(ctx, r.ID)
		if err != nil {
			return fmt.Errorf("reading replay %s: %w", r.ID, err)
		}
		if r.State.Ended() {
			return nil
		}
		setState(&r, ledger.Finished)
		w := ledger.Writes{Replays: []ledger.Replay{r}}
		for _, part := range r.Protocols {
			p, err := d.o.Ledger.Protocol(ctx, part.Name)
			if err != nil {
				return fmt.Errorf("reading protocol %s: %w", part.Name, err)
			}
			if p.Replay == r.ID {
				p.Replay = ""
				w.Protocols = append(w.Protocols, p)
			}
		}
		switch err := d.o.Ledger.Write(ctx, w); {
		case err == nil:
			d.o.Log.Info("replay finished", zap.String("replay", r.ID))
			return nil
		case !errors.Is(err, ledger.ErrConflict):
			return fmt.Errorf("finishing %s: %w", r.ID, err)
		}
	}
}

// clearTags takes the mirror's tags off every object of the replay. An object that cannot be reached keeps the replay
// from finishing; one that is gone does not.
func (d *Driver) clearTags(ctx context.Context, r ledger.Replay) error {
	m := archive.Mirror{Archive: d.o.Archive, Mode: r.Tags}
	if m.Mode == archive.TagsOff {
		return nil
	}
	n := 0
	for c, err := range d.o.Ledger.Scan(ctx, ledger.ScanParams{Replay: r.ID}) {
		if err != nil {
			return fmt.Errorf("scanning the objects: %w", err)
		}
		if err := m.Clear(ctx, c.Key); err != nil && !errors.Is(err, archive.ErrNotFound) {
			return fmt.Errorf("taking the tags off %s: %w", c.Key, err)
		}
		if n++; n%pageSize == 0 {
			if err := d.lease(ctx, r.ID); err != nil {
				return err
			}
		}
	}
	return nil
}
