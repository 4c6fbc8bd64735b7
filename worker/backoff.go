package worker

import (
	"context"
	"math/rand/v2"
	"time"
)

// backoff is the delay before attempt n+1 (n counts from 1): between half and all of base doubled n-1 times, up to
// limit. The jitter keeps workers that failed together from coming back together.
func backoff(n int, base, limit time.Duration) time.Duration {
	d := limit
	if n < 30 && base<<(n-1) < limit {
		d = base << (n - 1)
	}
	return jitter(d)
}

func jitter(d time.Duration) time.Duration {
	return d/2 + time.Duration(rand.Int64N(int64(d/2)+1))
}

// pause waits for d or until ctx ends.
func pause(ctx context.Context, d time.Duration) { pauseUnless(ctx, nil, d) }

// pauseUnless waits for d, or until ctx ends or over is closed.
func pauseUnless(ctx context.Context, over <-chan struct{}, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-over:
	case <-t.C:
	}
}
