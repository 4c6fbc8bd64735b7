package replay

import (
	"bytes"
	"context"
	"encoding/json"
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
// a protocol has no generation before, or is being replayed; ErrUnknown where it never was.
func (d *Driver) Rollback(ctx context.Context, protocols []string) ([]ledger.Protocol, error) {
	changed, err := d.change(ctx, protocols, func(p *ledger.Protocol) error {
		switch {
		case p.Replay != "":
			return fmt.Errorf("%w: %s is being replayed by %s; wait for it, or cancel it", ErrState, p.Name, p.Replay)
		case p.Previous == 0:
			return fmt.Errorf("%w: %s has no generation before the one that serves", ErrState, p.Name)
		}
		p.Serving, p.Previous, p.Since = p.Previous, p.Serving, time.Now().UTC()
		return nil
	})
	for _, p := range changed {
		d.o.Log.Info("rolled back", zap.String("protocol", p.Name), zap.Int64("serving", p.Serving))
	}
	return changed, err
}

// Purge gives the generation before the one that serves up: it cannot be rolled back to any more, and the watcher
// deletes its rows at a bounded rate. ErrState where there is none, or where it is the last one that is whole.
func (d *Driver) Purge(ctx context.Context, protocols []string) ([]ledger.Protocol, error) {
	return d.change(ctx, protocols, func(p *ledger.Protocol) error {
		switch {
		case p.Previous == 0:
			return fmt.Errorf("%w: %s has no generation before the one that serves", ErrState, p.Name)
		case fallsBack(*p):
			return fmt.Errorf("%w: %s serves a generation that %s still builds; should that be cancelled, the one before must serve again", ErrState, p.Name, p.Replay)
		}
		*p = retire(*p)
		return nil
	})
}

// fallsBack reports whether the previous generation is the one that a cancel gives back to readers.
func fallsBack(p ledger.Protocol) bool { return p.Building != 0 && p.Building == p.Serving }

// retire lets nobody read the previous generation any more.
func retire(p ledger.Protocol) ledger.Protocol {
	p = drop(p, p.Previous)
	p.Previous, p.Since = 0, time.Time{}
	return p
}

// change changes the records of protocols in one write, again when somebody else was faster. After an error the records
// tell whether the write was made all the same: a rollback that is made twice is none.
func (d *Driver) change(ctx context.Context, names []string, change func(*ledger.Protocol) error) ([]ledger.Protocol, error) {
	names = slices.Compact(slices.Sorted(slices.Values(names)))
	for {
		before, err := d.protocols(ctx, names)
		if err != nil {
			return nil, err
		}
		w := ledger.Writes{Protocols: slices.Clone(before)}
		for i := range w.Protocols {
			p := &w.Protocols[i]
			if p.Version == 0 {
				return nil, fmt.Errorf("%w: protocol %s has never been replayed or counted live (reprise list names those that have)", ErrUnknown, p.Name)
			}
			if err := change(p); err != nil {
				return nil, err
			}
		}
		wrote := d.o.Ledger.Write(ctx, w)
		for i := range w.Protocols {
			w.Protocols[i].Version++
		}
		if wrote == nil {
			return w.Protocols, nil
		}
		now, err := d.protocols(ctx, names)
		switch {
		case err == nil && slices.EqualFunc(now, w.Protocols, sameRecord):
			return now, nil
		case !errors.Is(wrote, ledger.ErrConflict):
			return nil, fmt.Errorf("writing the protocols: %w", wrote)
		}
		if err := pause(ctx, rand.N(50*time.Millisecond)); err != nil {
			return nil, err
		}
	}
}

func (d *Driver) protocols(ctx context.Context, names []string) ([]ledger.Protocol, error) {
	records := make([]ledger.Protocol, len(names))
	for i, name := range names {
		var err error
		if records[i], err = d.o.Ledger.Protocol(ctx, name); err != nil {
			return nil, fmt.Errorf("reading protocol %s: %w", name, err)
		}
	}
	return records, nil
}

// sameRecord compares all of two records, as they are stored.
func sameRecord(a, b ledger.Protocol) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}
