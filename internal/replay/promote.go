package replay

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/seed-56345083/reprise/internal/archive"
	"github.com/seed-56345083/reprise/internal/ledger"
)

// promote lets readers move to the new generations: one transaction over all protocols, the replay, and the
// generations' base. It is for the fold that was audited and no other: a second watcher may have opened the next one,
// whose rows are not there yet. sum is what the replay came to: its cursors do not change any more.
func (d *Driver) promote(ctx context.Context, audited ledger.Replay, sum ledger.Summary) (ledger.Replay, error) {
	id := audited.ID
	for {
		r, err := d.o.Ledger.Replay(ctx, id)
		if err != nil {
			return r, fmt.Errorf("reading replay %s: %w", id, err)
		}
		if r.State != ledger.Folding || r.Promoted || r.Fold.Number != audited.Fold.Number {
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
			if !g.Side { // a side generation is read by its number
				p = serve(p, part.Generation)
				p.Complete, p.Building = part.Generation, 0
			}
			w.Protocols = append(w.Protocols, p)
		}
		r.Promoted = true
		keepCount(&r, sum)
		w.Replays = []ledger.Replay{r}
		switch err := d.o.Ledger.Write(ctx, w); {
		case err == nil:
			r.Version++
			said := "readers move to the new generation"
			if r.Side {
				said = "the side generation is complete; readers stay where they are"
			}
			d.o.Log.Info(said, zap.String("replay", r.ID))
			return r, nil
		case !errors.Is(err, ledger.ErrConflict):
			return r, fmt.Errorf("promoting the generations of %s: %w", id, err)
		}
	}
}

// serve makes a generation the one that readers read, if it is not already. The one before it stays, for a rollback; the
// one before that can never be read again.
func serve(p ledger.Protocol, generation int64) ledger.Protocol {
	if p.Serving == generation {
		return p
	}
	if p.Previous != 0 {
		p.Purging = append(p.Purging, p.Previous)
		p.Gens = slices.DeleteFunc(p.Gens, func(g int64) bool { return g == p.Previous })
	}
	p.Previous, p.Since = p.Serving, time.Now().UTC()
	p.Serving = generation
	return p
}

// cleanUp takes the tags off and only then frees the protocols, because the next replay of one sets them anew.
func (d *Driver) cleanUp(ctx context.Context, r ledger.Replay) error {
	if over, err := d.over(ctx, r.ID); over || err != nil {
		return err
	}
	if err := d.clearTags(ctx, r); err != nil {
		return err
	}
	if err := d.dropOldFolds(ctx, r); err != nil {
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
		// Each look of a watcher reads the records of all replays, and the parts are most of one.
		r.Fold.Parts = slices.DeleteFunc(r.Fold.Parts, func(p ledger.FoldPart) bool { return p.Index > 0 })
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
			d.deadLetters = -1 // the letters of what was left out are looked at once more
			d.o.Log.Info("replay finished", zap.String("replay", r.ID))
			return nil
		case !errors.Is(err, ledger.ErrConflict):
			return fmt.Errorf("finishing %s: %w", r.ID, err)
		}
	}
}

// dropOldFolds removes the rows that folds before the last one put: nobody reads them.
func (d *Driver) dropOldFolds(ctx context.Context, r ledger.Replay) error {
	for _, part := range r.Protocols {
		for n := 1; r.Fold.Number > 1 && n > 0; {
			var err error
			p := ledger.PurgeParams{Protocol: part.Name, Generation: part.Generation, BelowBase: r.Fold.Number}
			if n, err = d.o.Ledger.Purge(ctx, p, purgeStep); err != nil {
				return fmt.Errorf("removing the rows of earlier folds of %s: %w", part.Name, err)
			}
		}
	}
	return nil
}

// over reads whether a replay has freed its protocols meanwhile: then its tags are no longer ours, the next replay may
// have set its own. One that was cancelled frees them last.
func (d *Driver) over(ctx context.Context, id string) (bool, error) {
	r, err := d.o.Ledger.Replay(ctx, id)
	if err != nil {
		return false, fmt.Errorf("reading replay %s: %w", id, err)
	}
	return r.State == ledger.Finished || r.Cleaned, nil
}

// clearTags takes the mirror's tags off every object of the replay. Objects that cannot be reached keep the replay from
// finishing, which it says, but not the others from being cleaned; one that is gone does not.
func (d *Driver) clearTags(ctx context.Context, r ledger.Replay) error {
	m := archive.Mirror{Archive: d.o.Archive, Mode: r.Tags}
	if m.Mode == archive.TagsOff {
		return nil
	}
	// The replay is marked as over. A worker that writes a tag with an older copy of it in hand has done so by then,
	// or finds its copy too old and reads again.
	if err := pause(ctx, d.o.TagPause); err != nil {
		return err
	}
	var mu sync.Mutex
	var first error
	failed := 0
	var group errgroup.Group
	group.SetLimit(mostTags)
	takeOff := func(key string) error {
		if err := d.tagging.do(ctx, func() error { return m.Clear(ctx, key) }); err != nil && !errors.Is(err, archive.ErrNotFound) {
			mu.Lock()
			defer mu.Unlock()
			if failed++; first == nil {
				first = fmt.Errorf("taking the tags off %s: %w", key, err)
			}
		}
		return nil
	}
	scan := func() error {
		renewed := time.Now()
		for c, err := range d.o.Ledger.Scan(ctx, ledger.ScanParams{Replay: r.ID}) {
			if err != nil {
				return fmt.Errorf("scanning the objects: %w", err)
			}
			group.Go(func() error { return takeOff(c.Key) })
			if time.Since(renewed) < d.o.Lease/3 {
				continue
			}
			renewed = time.Now()
			if err := d.lease(ctx, r.ID); err != nil {
				return err
			}
			if over, err := d.over(ctx, r.ID); over || err != nil {
				return err
			}
		}
		return nil
	}
	err := scan()
	_ = group.Wait() // takeOff keeps its errors
	switch {
	case err != nil:
		return err
	case ctx.Err() != nil:
		return ctx.Err()
	case first == nil:
		return nil
	}
	err = d.wait(ctx, r.ID, r.State, fmt.Sprintf("the tags of %d objects to be taken off: %v", failed, first))
	return errors.Join(first, err)
}
