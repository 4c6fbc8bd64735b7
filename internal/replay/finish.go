package replay

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/seed-56345083/reprise/internal/ledger"
)

// ErrHeld says what a replay's finish still waits for.
var ErrHeld = errors.New("replay is held back")

// Finish takes a replay as far towards its end as it can go now, and returns it as it is then: over, or waiting for the
// workers. ErrHeld where only somebody's hand helps. With accept, the objects that are FAILED now are left out by the
// word of by, which is recorded: the certificate names them for ever.
func (d *Driver) Finish(ctx context.Context, id string, accept bool, by string) (ledger.Replay, error) {
	if accept {
		if err := d.accept(ctx, id, by); err != nil {
			return ledger.Replay{}, err
		}
	}
	for {
		before, err := d.o.Ledger.Replay(ctx, id)
		if err != nil {
			return before, fmt.Errorf("reading replay %s: %w", id, err)
		}
		if before.State.Ended() {
			return before, nil
		}
		if _, err := d.step(ctx, before, endless); err != nil && !errors.Is(err, ledger.ErrHeld) {
			return before, err
		}
		r, err := d.o.Ledger.Replay(ctx, id)
		if err != nil {
			return before, fmt.Errorf("reading replay %s: %w", id, err)
		}
		switch {
		case r.State.Ended():
			return r, nil
		case r.State == before.State: // no further without the workers
			return r, d.heldBack(ctx, r)
		}
	}
}

// heldBack is ErrHeld, and why, where a replay waits for somebody's hand.
func (d *Driver) heldBack(ctx context.Context, r ledger.Replay) error {
	states, err := d.Held(ctx)
	if err != nil {
		return err
	}
	for _, h := range states {
		if h.Replay == r.ID && h.Held {
			return fmt.Errorf("%w: %s is %s and waits for: %s", ErrHeld, r.ID, r.State, h.Why)
		}
	}
	return nil
}

// accept records that the FAILED objects may be left out. Open objects are not FAILED yet, so they are waited for.
func (d *Driver) accept(ctx context.Context, id, by string) error {
	s, err := d.o.Ledger.Summarize(ctx, id)
	if err != nil {
		return fmt.Errorf("counting the objects of %s: %w", id, err)
	}
	_, err = d.update(ctx, id, func(r *ledger.Replay) error {
		switch failed := s.Objects[ledger.Failed].Objects; {
		case r.State.Ended() || !held(*r, failed): // nothing to accept, or accepted before
			return errUnchanged
		case r.State == ledger.Folding:
			return fmt.Errorf("%w: %s is FOLDING already", ErrHeld, r.ID)
		case s.Open() > 0 || !r.Listing.Done:
			return fmt.Errorf("%w: %d objects of %s are still to be read; accept what has failed when they are done", ErrHeld, s.Open(), r.ID)
		default:
			r.Accepted = &ledger.Acceptance{At: time.Now().UTC(), By: by, Objects: failed}
			return nil
		}
	})
	return err
}
