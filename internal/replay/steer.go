package replay

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/seed-56345083/reprise/internal/ledger"
)

// ErrState says that a replay, or a protocol, is not in a state in which that can be done.
var ErrState = errors.New("not possible in this state")

// Pause lets workers end the chunks that they have and take no more; the attempts do not count. Pausing twice changes
// nothing.
func (d *Driver) Pause(ctx context.Context, id string) (ledger.Replay, error) {
	return d.update(ctx, id, func(r *ledger.Replay) error {
		switch {
		case r.State == ledger.Paused:
			return errUnchanged
		case r.State.Ended() || r.Promoted:
			return fmt.Errorf("%w: %s is %s and cannot be paused", ErrState, r.ID, r.State)
		}
		from := r.State
		setState(r, ledger.Paused)
		r.Resumes = from
		return nil
	})
}

// Resume lets a PAUSED replay go on where it was. Resuming one that runs changes nothing.
func (d *Driver) Resume(ctx context.Context, id string) (ledger.Replay, error) {
	return d.update(ctx, id, func(r *ledger.Replay) error {
		switch {
		case r.State.Ended():
			return fmt.Errorf("%w: %s is %s and cannot be resumed", ErrState, r.ID, r.State)
		case r.State != ledger.Paused:
			return errUnchanged
		}
		setState(r, r.Resumes)
		r.Resumes = ""
		return nil
	})
}

// Cancel gives a replay up: its generations are dropped, its tags taken off, its protocols free. What serves goes on
// serving. A crash on the way is made good by the watcher, or by cancelling again. One that readers read already is
// past cancelling: ErrState, roll it back.
func (d *Driver) Cancel(ctx context.Context, id string) (ledger.Replay, error) {
	r, err := d.transact(ctx, id, func(r *ledger.Replay, protocols []ledger.Protocol) error {
		switch {
		case r.State == ledger.Cancelled:
			return errUnchanged
		case r.State == ledger.Finished || r.Promoted:
			return fmt.Errorf("%w: readers read %s already; reprise rollback brings the generation before it back", ErrState, r.ID)
		}
		setState(r, ledger.Cancelled)
		r.Resumes = ""
		for i, part := range r.Protocols {
			protocols[i] = drop(protocols[i], part.Generation)
		}
		return nil
	})
	if err != nil {
		return r, err
	}
	d.o.Log.Info("replay cancelled", zap.String("replay", r.ID))
	closed, err := d.close(ctx, r)
	if errors.Is(err, ledger.ErrHeld) { // the watcher is at it, and goes on
		return r, nil
	}
	return closed, err
}

// drop takes a generation that was being built out of a protocol; its rows may be deleted.
func drop(p ledger.Protocol, generation int64) ledger.Protocol {
	if p.Building == generation {
		p.Building = 0
	}
	if p.Serving == generation { // it served at once: what served before does again
		p.Serving, p.Previous, p.Since = p.Previous, 0, time.Time{}
	}
	p.Gens = slices.DeleteFunc(slices.Clone(p.Gens), func(g int64) bool { return g == generation })
	if !slices.Contains(p.Purging, generation) {
		p.Purging = append(slices.Clone(p.Purging), generation)
	}
	return p
}

// transact changes a replay and the records of all its protocols (in the order of r.Protocols) in one write, again when
// somebody else was faster. change must not keep what it gets.
func (d *Driver) transact(ctx context.Context, id string, change func(*ledger.Replay, []ledger.Protocol) error) (ledger.Replay, error) {
	for {
		r, err := d.o.Ledger.Replay(ctx, id)
		if err != nil {
			return r, fmt.Errorf("reading replay %s: %w", id, err)
		}
		protocols := make([]ledger.Protocol, len(r.Protocols))
		for i, part := range r.Protocols {
			if protocols[i], err = d.o.Ledger.Protocol(ctx, part.Name); err != nil {
				return r, fmt.Errorf("reading protocol %s: %w", part.Name, err)
			}
		}
		switch err := change(&r, protocols); {
		case errors.Is(err, errUnchanged):
			return r, nil
		case err != nil:
			return r, err
		}
		switch err := d.o.Ledger.Write(ctx, ledger.Writes{Replays: []ledger.Replay{r}, Protocols: protocols}); {
		case err == nil:
			r.Version++
			return r, nil
		case !errors.Is(err, ledger.ErrConflict):
			return r, fmt.Errorf("writing replay %s and its protocols: %w", id, err)
		}
		if err := pause(ctx, rand.N(50*time.Millisecond)); err != nil {
			return r, err
		}
	}
}

// close ends a cancelled replay: its tags off, its segments gone, then its protocols free.
func (d *Driver) close(ctx context.Context, r ledger.Replay) (ledger.Replay, error) {
	if r.Cleaned {
		return r, nil
	}
	if err := d.lease(ctx, r.ID); err != nil {
		return r, err
	}
	defer d.release(ctx, r.ID)
	if over, err := d.over(ctx, r.ID); over || err != nil { // somebody else has closed it since r was read
		return r, err
	}
	if err := d.clearTags(ctx, r); err != nil {
		return r, err
	}
	for {
		n, err := d.o.Ledger.DeleteSegments(ctx, r.ID, purgeStep)
		if err != nil {
			return r, fmt.Errorf("removing the segments of %s: %w", r.ID, err)
		}
		if n == 0 {
			break
		}
	}
	sum, err := d.count(ctx, r)
	if err != nil {
		return r, err
	}
	return d.transact(ctx, r.ID, func(r *ledger.Replay, protocols []ledger.Protocol) error {
		if r.Cleaned {
			return errUnchanged
		}
		r.Cleaned = true
		keepCount(r, sum)
		for i := range protocols {
			if protocols[i].Replay == r.ID {
				protocols[i].Replay = ""
			}
		}
		return nil
	})
}

// purgeStep is how much one call of a removal takes, so that none holds the table for long.
const purgeStep = 1000
