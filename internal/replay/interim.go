package replay

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/seed-56345083/reprise/internal/ledger"
)

// An interim fold's part that is done twice, by workers between whom an object was finished, may show the older of the
// two for a while; the next fold has its own rows, and the last one is exact.

// foldInterim folds what is finished so far, every FoldEvery while the replay is RUNNING, so that the totals of its
// generation move. Such a fold is like the last one but for three things: it takes the cursors that are finished and
// passes over the others; it promotes nothing; and one whose parts have not seen the same is given up, the next one
// follows soon.
func (d *Driver) foldInterim(ctx context.Context, r ledger.Replay, s ledger.Summary) error {
	finished := s.Objects[ledger.Finished].Objects
	switch {
	case r.FoldEvery == 0:
		return nil
	case r.Fold.Number > 0 && r.Fold.Interim && !r.Fold.Done:
		return d.showInterim(ctx, r, s)
	case time.Since(r.Fold.Started) < r.FoldEvery || finished == r.Fold.Objects:
		return nil
	}
	parts, err := d.parts(ctx, r, s)
	if err != nil {
		return err
	}
	opened, err := d.update(ctx, r.ID, func(now *ledger.Replay) error {
		if now.State != ledger.Running || now.Fold.Number != r.Fold.Number {
			return errUnchanged
		}
		now.Fold = ledger.Fold{Number: r.Fold.Number + 1, Parts: parts, Started: time.Now().UTC(), Interim: true, Objects: finished}
		return nil
	})
	if err != nil || opened.Fold.Number != r.Fold.Number+1 || !opened.Fold.Interim {
		return err
	}
	return d.enqueueFold(ctx, opened)
}

// showInterim lets readers read an interim fold when all its parts are in and have seen the same.
func (d *Driver) showInterim(ctx context.Context, r ledger.Replay, s ledger.Summary) error {
	parts := s.Parts[r.Fold.Number]
	switch {
	case !r.Fold.Listed:
		return d.enqueueFold(ctx, r)
	case parts[ledger.Failed] > 0:
		return d.endInterim(ctx, r, nil)
	case parts[ledger.Finished] < int64(len(r.Fold.Parts)):
		return d.resendFold(ctx, r)
	}
	seen := map[string]ledger.Receipt{}
	for c, err := range d.o.Ledger.Scan(ctx, ledger.ScanParams{Replay: r.ID, Fold: r.Fold.Number}) {
		if err != nil {
			return fmt.Errorf("scanning the parts of fold %d: %w", r.Fold.Number, err)
		}
		receipt := ledger.Receipt{Objects: c.Receipt.Objects, Lines: c.Receipt.Lines}
		if before, ok := seen[c.Protocol]; ok && before != receipt || !c.Receipt.Holds() {
			// An object was finished between two parts; or a partial is not what was counted, as the last fold will say.
			return d.endInterim(ctx, r, nil)
		}
		seen[c.Protocol] = receipt
	}
	return d.endInterim(ctx, r, seen)
}

// endInterim writes the base of the generations whose receipts are given, and that the fold is done, in one write.
func (d *Driver) endInterim(ctx context.Context, r ledger.Replay, seen map[string]ledger.Receipt) error {
	now, err := d.o.Ledger.Replay(ctx, r.ID)
	if err != nil {
		return fmt.Errorf("reading replay %s: %w", r.ID, err)
	}
	if now.State != ledger.Running || now.Fold.Number != r.Fold.Number || now.Fold.Done {
		return nil
	}
	now.Fold.Done = true
	w := ledger.Writes{Replays: []ledger.Replay{now}}
	for _, part := range r.Protocols {
		if _, ok := seen[part.Name]; !ok {
			continue
		}
		g, err := d.o.Ledger.Generation(ctx, part.Name, part.Generation)
		if err != nil {
			return fmt.Errorf("reading generation %d of %s: %w", part.Generation, part.Name, err)
		}
		g.Base = r.Fold.Number
		w.Generations = append(w.Generations, g)
	}
	switch err := d.o.Ledger.Write(ctx, w); {
	case errors.Is(err, ledger.ErrConflict):
		return nil // the next look decides again
	case err != nil:
		return fmt.Errorf("showing fold %d: %w", r.Fold.Number, err)
	}
	d.o.Log.Debug("folded so far", zap.String("replay", r.ID), zap.Int64("fold", r.Fold.Number), zap.Int("shown", len(w.Generations)))
	if len(w.Generations) == 0 {
		return nil
	}
	return d.dropOldFolds(ctx, now)
}
