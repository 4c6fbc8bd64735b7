package replay

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/seed-56345083/reprise/internal/archive"
)

// How many tag writes are under way at once. S3 takes thousands of writes a second below one prefix, but it splits a busy
// prefix only after minutes, and refuses meanwhile.
const (
	firstTags = 32
	leastTags = 8
	mostTags  = 128
	// What is added to the writes at once by as many successes as there are of them: while none was refused, and after that.
	fastGrowth = 8
	slowGrowth = 1
)

// tagRest is how long nobody begins a write after the first refusal; it doubles with each that follows, to maxTagRest.
const (
	tagRest    = 200 * time.Millisecond
	maxTagRest = 10 * time.Second
)

// pace lets as many tag writes be under way at once as the archive takes: more while none is refused, half of them after
// a refusal, and then none for a moment of random length. Any number of goroutines may use one.
type pace struct {
	mu      sync.Mutex
	limit   float64
	busy    int
	cuts    int           // refusals that counted, ever
	rest    time.Duration // the last one; 0: there was a success since
	until   time.Time     // nobody begins before
	changed chan struct{} // closed when a write has ended
}

func newPace() *pace { return &pace{limit: firstTags, changed: make(chan struct{})} }

// do makes one write when it is its turn, and returns its error; that of ctx where its turn did not come.
func (p *pace) do(ctx context.Context, write func() error) error {
	cuts, err := p.begin(ctx)
	if err != nil {
		return err
	}
	err = write()
	p.end(cuts, errors.Is(err, archive.ErrThrottled), err == nil)
	return err
}

// begin waits for a turn, and says how many cuts there had been when it came.
func (p *pace) begin(ctx context.Context) (cuts int, err error) {
	for ctx.Err() == nil {
		p.mu.Lock()
		rest := time.Until(p.until)
		if rest <= 0 && p.busy < int(p.limit) {
			defer p.mu.Unlock()
			p.busy++
			return p.cuts, nil
		}
		changed := p.changed
		p.mu.Unlock()
		if rest > 0 {
			_ = pause(ctx, rest) // ctx is asked above
			continue
		}
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
	return 0, ctx.Err()
}

// end takes what became of a write. A refusal of one that began before the last cut says nothing about the pace since.
func (p *pace) end(cuts int, refused, done bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.busy--
	switch {
	case refused && cuts == p.cuts:
		p.cuts++
		p.limit = max(leastTags, p.limit/2)
		p.rest = min(max(tagRest, 2*p.rest), maxTagRest)
		p.until = time.Now().Add(p.rest/2 + rand.N(p.rest/2))
	case done:
		growth := float64(fastGrowth)
		if p.cuts > 0 {
			growth = slowGrowth
		}
		p.limit = min(mostTags, p.limit+growth/p.limit)
		p.rest = 0
	}
	close(p.changed)
	p.changed = make(chan struct{})
}
