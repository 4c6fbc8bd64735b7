package live

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/seed-56345083/reprise/internal/ledger"
)

// onceSweeps bounds the sweeps of a run that is to end: several, because the index lags; not many, because what comes meanwhile is another's.
const onceSweeps = 10

// once reads every shard to the present and sweeps until nothing is left of what was there.
func (c *Consumer) once(ctx context.Context) error {
	if err := c.readToPresent(ctx); err != nil {
		return err
	}
	for range onceSweeps {
		protocols, err := c.protocols(ctx)
		if err != nil {
			return err
		}
		var errs []error
		counted := int64(0)
		for _, p := range protocols {
			swept, err := c.counter.sweep(ctx, p.Name, everything, nil)
			counted += swept.Counted
			errs = append(errs, err)
		}
		if err := errors.Join(errs...); err != nil || counted == 0 {
			return err
		}
	}
	return nil
}

// readToPresent returns when every shard was read to its end or to the present, here or, after we began, elsewhere.
func (c *Consumer) readToPresent(ctx context.Context) error {
	present := map[string]bool{}
	began := time.Now()
	for {
		if err := c.readElsewhere(ctx, began, present); err != nil {
			return err
		}
		open, err := c.readable(ctx, present)
		if err != nil || len(open) == 0 {
			return err
		}
		some := open[:min(len(open), c.o.Shards)]
		errs := make([]error, len(some))
		var readers sync.WaitGroup
		for i, shard := range some {
			readers.Go(func() { errs[i] = c.read(ctx, shard, true) })
		}
		readers.Wait()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		held := 0
		for i, err := range errs {
			switch {
			case errors.Is(err, errHeld):
				held++
			case err != nil:
				return err
			default:
				present[some[i]] = true
			}
		}
		if held == len(some) {
			pause(ctx, c.o.Poll)
		}
	}
}

// readElsewhere adds the shards that another process has read to the present since a time.
func (c *Consumer) readElsewhere(ctx context.Context, since time.Time, present map[string]bool) error {
	checkpoints, err := c.counter.o.Entries.Checkpoints(ctx)
	if err != nil {
		return fmt.Errorf("reading the checkpoints of the feed: %w", err)
	}
	for _, at := range checkpoints {
		if at.At.After(since) && (at.Behind.IsZero() || at.Behind.After(since)) {
			present[at.Shard] = true
		}
	}
	return nil
}

// protocols are those that are counted here, as Meta has them.
func (c *Consumer) protocols(ctx context.Context) ([]ledger.Protocol, error) {
	var protocols []ledger.Protocol
	for _, name := range c.o.Protocols {
		p, err := c.counter.o.Ledger.Protocol(ctx, name)
		if err != nil {
			return nil, fmt.Errorf("reading protocol %s: %w", name, err)
		}
		protocols = append(protocols, p)
	}
	if len(c.o.Protocols) > 0 {
		return protocols, nil
	}
	all, err := c.counter.o.Ledger.Protocols(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the protocols: %w", err)
	}
	for _, p := range all {
		if len(p.Gens) > 0 {
			protocols = append(protocols, p)
		}
	}
	return protocols, nil
}
