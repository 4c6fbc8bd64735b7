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

// Rollback lets readers of the protocols read the generation before the one that serves, all of them in one write. It
// is exact: both generations are counted live all the time. Rolling back twice brings the newer one back. ErrState where
// a protocol has no generation before, or is being replayed.
func (d *Driver) Rollback(ctx context.Context, protocols []string) ([]ledger.Protocol, error) {
	return d.change(ctx, protocols, func(p *ledger.Protocol) error {
		switch {
		case p.Replay != "":
			return fmt.Errorf("%w: %s is being replayed by %s; wait for it, or cancel it", ErrState, p.Name, p.Replay)
		case p.Previous == 0:
			return fmt.Errorf("%w: %s has no generation before the one that serves", ErrState, p.Name)
		}
		p.Serving, p.Previous, p.Since = p.Previous, p.Serving, time.Now().UTC()
		d.o.Log.Info("rolled back", zap.String("protocol", p.Name), zap.Int64("serving", p.Serving))
		return nil
	})
}

// Purge gives the generation before the one that serves up: it cannot be rolled back to any more, and the watcher
// deletes its rows at a bounded rate. ErrState where there is none.
func (d *Driver) Purge(ctx context.Context, protocols []string) ([]ledger.Protocol, error) {
	return d.change(ctx, protocols, func(p *ledger.Protocol) error {
		if p.Previous == 0 {
			return fmt.Errorf("%w: %s has no generation before the one that serves", ErrState, p.Name)
		}
		*p = retire(*p)
		return nil
	})
}

// retire lets nobody read the previous generation any more.
func retire(p ledger.Protocol) ledger.Protocol {
	p = drop(p, p.Previous)
	p.Previous, p.Since = 0, time.Time{}
	return p
}

// change changes the records of protocols in one write, again when somebody else was faster.
func (d *Driver) change(ctx context.Context, names []string, change func(*ledger.Protocol) error) ([]ledger.Protocol, error) {
	names = slices.Compact(slices.Sorted(slices.Values(names)))
	for {
		w := ledger.Writes{}
		for _, name := range names {
			p, err := d.o.Ledger.Protocol(ctx, name)
			if err != nil {
				return nil, fmt.Errorf("reading protocol %s: %w", name, err)
			}
			if err := change(&p); err != nil {
				return nil, err
			}
			w.Protocols = append(w.Protocols, p)
		}
		switch err := d.o.Ledger.Write(ctx, w); {
		case err == nil:
			return w.Protocols, nil
		case !errors.Is(err, ledger.ErrConflict):
			return nil, fmt.Errorf("writing the protocols: %w", err)
		}
		if err := pause(ctx, rand.N(50*time.Millisecond)); err != nil {
			return nil, err
		}
	}
}
