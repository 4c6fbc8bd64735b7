package live

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"
)

// sweep finds what the feed does not bring: what it has trimmed, what was passed over, what a producer put before there was a
// generation. It goes on until ctx ends.
func (c *Consumer) sweep(ctx context.Context) {
	whole := map[string]whole{}
	for ctx.Err() == nil {
		c.o.Sweeping.Beat()
		if err := c.sweepEach(ctx, whole); err != nil && ctx.Err() == nil {
			c.o.Log.Warn("sweeping", zap.Error(err))
		}
		t := time.NewTimer(c.o.Sweep)
		select {
		case <-ctx.Done():
		case <-c.trimmed:
			clear(whole)
		case <-t.C:
		}
		t.Stop()
	}
}

// whole is the last sweep of all entries of a protocol.
type whole struct {
	at   time.Time
	gens string // that it counted in
}

// sweepEach sweeps each protocol that no other process has swept just now.
func (c *Consumer) sweepEach(ctx context.Context, last map[string]whole) error {
	protocols, err := c.protocols(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, p := range protocols {
		if len(p.Gens) == 0 { // said where entries of it come
			continue
		}
		now, of := whole{time.Now(), fmt.Sprint(p.Gens)}, unprocessed
		if before := last[p.Name]; now.gens != before.gens || now.at.Sub(before.at) >= c.o.SweepAll {
			of = everything
		}
		// An error gives the lease back: another process may be able to count what this one cannot.
		_, err := c.under(ctx, "sweep#"+p.Name, c.o.Sweep, func(ctx context.Context) error {
			swept, err := c.counter.sweep(ctx, p.Name, of, c.o.Sweeping)
			c.metrics.Swept(swept.Counted)
			if swept.Counted > 0 {
				c.o.Log.Info("swept", zap.String("protocol", p.Name), zap.Int64("looked_at", swept.Seen), zap.Int64("counted", swept.Counted))
			}
			if swept.Whole && of == everything {
				last[p.Name] = now
			}
			return err
		})
		if err != nil && !errors.Is(err, errLost) && ctx.Err() == nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
