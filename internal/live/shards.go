package live

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/seed-56345083/reprise/internal/entries"
)

// follow reads shards until ctx ends: every shard that is not read to its end, whose parent is, and whose lease is free.
func (c *Consumer) follow(ctx context.Context) {
	var readers sync.WaitGroup
	defer readers.Wait()
	free := make(chan struct{}, c.o.Shards)
	for range c.o.Shards {
		free <- struct{}{}
	}
	failures := 0
	for ctx.Err() == nil {
		c.o.Following.Beat()
		wait := c.o.Discover
		if err := c.discover(ctx, &readers, free); err != nil && ctx.Err() == nil {
			failures++
			wait = min(wait, backoff(failures, 200*time.Millisecond, 10*time.Second))
			c.o.Log.Warn("looking for shards of the feed", zap.Error(err))
		} else {
			failures = 0
		}
		c.wait(ctx, wait)
	}
}

// wait waits for a time, or until a shard was read to its end.
func (c *Consumer) wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-c.changed:
	case <-t.C:
	}
}

// discover gives each shard that may be read here a goroutine, as many as are free.
func (c *Consumer) discover(ctx context.Context, readers *sync.WaitGroup, free chan struct{}) error {
	open, err := c.readable(ctx, nil)
	if err != nil {
		return err
	}
	// In any order: where the first of them are read by other processes, the last must have their turn as well.
	rand.Shuffle(len(open), func(i, j int) { open[i], open[j] = open[j], open[i] })
	for _, shard := range open {
		select {
		case <-free:
		default:
			return nil // the others wait, here or in another process
		}
		readers.Go(func() {
			defer func() { free <- struct{}{} }()
			if err := c.read(ctx, shard, false); err != nil && ctx.Err() == nil {
				c.o.Log.Warn("reading a shard of the feed", zap.String("shard", shard), zap.Error(err))
			}
		})
	}
	return nil
}

// readable are the shards that nobody here reads, that were not read to their end or, in present, to the present, and whose
// parents were or are gone.
func (c *Consumer) readable(ctx context.Context, present map[string]bool) ([]string, error) {
	shards, err := c.counter.o.Entries.Shards(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the shards of the feed: %w", err)
	}
	c.shards.Store(time.Now().UnixNano())
	checkpoints, err := c.counter.o.Entries.Checkpoints(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the checkpoints of the feed: %w", err)
	}
	over := map[string]bool{}
	for _, at := range checkpoints {
		over[at.Shard] = at.Closed
	}
	unread := map[string]bool{}
	for _, s := range shards {
		unread[s.ID] = !over[s.ID] && !present[s.ID]
	}
	var open []string
	for _, s := range shards {
		if _, here := c.reading.Load(s.ID); unread[s.ID] && !unread[s.Parent] && !here {
			open = append(open, s.ID)
		}
	}
	return open, nil
}

// leaseOf is the lease under which a shard is read.
func leaseOf(shard string) string { return "live#" + shard }

// read reads a shard from its checkpoint on if its lease is free: until it ends, ctx ends, the lease is lost or, with once, it was
// read to the present. errHeld: another process reads it.
func (c *Consumer) read(ctx context.Context, shard string, once bool) error {
	if _, here := c.reading.LoadOrStore(shard, nil); here {
		return nil
	}
	defer c.reading.Delete(shard)
	defer c.done.lag.Delete(shard)
	held, err := c.under(ctx, leaseOf(shard), 0, func(ctx context.Context) error {
		at, err := c.checkpoint(ctx, shard)
		if err != nil || at.Closed {
			return err
		}
		r := &reader{c: c, at: at, once: once, began: time.Now()}
		c.done.lag.Store(shard, position{at: r.began})
		return r.run(ctx)
	})
	if errors.Is(err, errLost) {
		c.o.Log.Info("another process reads this shard now", zap.String("shard", shard))
		return nil
	}
	if err == nil && !held && once {
		return errHeld
	}
	return err
}

var errHeld = errors.New("another process reads the shard")

// checkpoint reads how far a shard was read. It is asked for under the shard's lease: whoever had that before has saved his.
func (c *Consumer) checkpoint(ctx context.Context, shard string) (entries.Checkpoint, error) {
	all, err := c.counter.o.Entries.Checkpoints(ctx)
	if err != nil {
		return entries.Checkpoint{}, fmt.Errorf("reading the checkpoints of the feed: %w", err)
	}
	for _, at := range all {
		if at.Shard == shard {
			return at, nil
		}
	}
	return entries.Checkpoint{Shard: shard}, nil
}
