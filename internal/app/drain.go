package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/replay"
)

// errDrain ends the wait for what was on its way to the archive when a replay was started.
var errDrain = errors.New("live.drain is over")

// ArchiveFirst moves what is counted to the archive before a start, so that there is less to be counted live while the replay
// runs. It takes live.drain at most, and reports whether it came to its end; the replay is right without it.
func (a *App) ArchiveFirst(ctx context.Context) (all bool, err error) {
	within, stop := context.WithTimeout(ctx, a.config.Live.Drain)
	defer stop()
	err = a.Archive(within, true, true)
	if within.Err() != nil && ctx.Err() == nil {
		return false, nil
	}
	return err == nil, err
}

// Continue lists and enqueues what a replay has not listed yet. Beside a live side it first waits, up to live.drain, until
// what was on its way to the archive before the start is there; replay.ErrHeld then says what holds it back, and whoever watches
// goes on. progress is told of each page, and of each look while it waits. ledger.ErrHeld: a watcher is at it.
func (a *App) Continue(ctx context.Context, id string, progress func(ledger.Replay)) error {
	if !a.config.Live.On {
		return a.driver.Continue(ctx, id, progress)
	}
	waiting, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	patience := time.AfterFunc(a.config.Live.Drain, func() { giveUp(errDrain) })
	defer patience.Stop()
	err := a.driver.Continue(waiting, id, func(r ledger.Replay) {
		if !drains(r) {
			patience.Stop()
		}
		progress(r)
	})
	if err == nil || ctx.Err() != nil || !errors.Is(context.Cause(waiting), errDrain) {
		return err
	}
	r, err := a.ledger.Replay(ctx, id)
	switch {
	case err != nil:
		return fmt.Errorf("reading replay %s: %w", id, err)
	case drains(r):
		return fmt.Errorf("%w: replay %s has waited %v (live.drain) for %s", replay.ErrHeld, id, a.config.Live.Drain,
			cmp.Or(r.Waits, "batches to be archived that were begun before the start"))
	default: // it came to the end of the wait at this very moment
		return a.driver.Continue(ctx, id, progress)
	}
}

// drains reports whether a replay may still wait for what is on its way to the archive: nothing is listed yet.
func drains(r ledger.Replay) bool { return r.State == ledger.Starting && r.Listing.After == "" }
