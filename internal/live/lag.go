package live

import (
	"context"
	"fmt"
	"time"

	"github.com/seed-56345083/reprise/internal/entries"
)

// Behind is how far the live side is behind the feed, as its checkpoints tell, which are up to half a minute old.
type Behind struct {
	Lag    time.Duration `json:"lag_ns"`        // the age of the last record read of the slowest shard where more wait; 0: nothing waits
	Seen   time.Time     `json:"seen,omitzero"` // when the shard that was looked at longest ago was; zero: none ever was
	Shards int           `json:"shards"`        // that are not read to their end
	Unread int           `json:"unread"`        // of these, never looked at
}

// Lag reads how far the live side is behind. Where nobody reads the feed, Seen stands still.
func Lag(ctx context.Context, f entries.Feed) (Behind, error) {
	shards, err := f.Shards(ctx)
	if err != nil {
		return Behind{}, fmt.Errorf("reading the shards of the feed: %w", err)
	}
	checkpoints, err := f.Checkpoints(ctx)
	if err != nil {
		return Behind{}, fmt.Errorf("reading the checkpoints of the feed: %w", err)
	}
	at := map[string]entries.Checkpoint{}
	for _, c := range checkpoints {
		at[c.Shard] = c
	}
	var b Behind
	for _, s := range shards {
		c, read := at[s.ID]
		if c.Closed {
			continue
		}
		b.Shards++
		if !read {
			b.Unread++
			continue
		}
		if b.Seen.IsZero() || c.At.Before(b.Seen) {
			b.Seen = c.At
		}
		if !c.Behind.IsZero() {
			b.Lag = max(b.Lag, time.Since(c.Behind))
		}
	}
	return b, nil
}
