package sqlitequeue

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/seed-56345083/reprise/queue"
)

// A long poll looks again after firstPause, then after twice as long each time up to lastPause. Half of each pause is
// random, so that processes that began together do not look together.
const (
	firstPause = 10 * time.Millisecond
	lastPause  = 250 * time.Millisecond
)

// poll calls look until it returns messages or an error, wait is over (no messages, no error) or ctx ends. look also
// returns how long it is until a message becomes visible, as far as it knows.
func poll(ctx context.Context, wait time.Duration, b *bell, look func() ([]queue.Message, time.Duration, error)) ([]queue.Message, error) {
	end := time.Now().Add(wait)
	pause := firstPause
	for {
		rung := b.listen() // before the look, so that no message falls between the two
		messages, until, err := look()
		if err != nil || len(messages) > 0 {
			return messages, err
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		left := time.Until(end)
		if left <= 0 {
			return nil, nil
		}
		// until is 0 when others took the message that was there: then look again at the usual pace.
		next := pause/2 + rand.N(pause/2)
		if until > 0 {
			next = min(next, max(until, time.Millisecond)) // a clock may stand still
		}
		timer := time.NewTimer(min(next, left))
		select {
		case <-timer.C:
			pause = min(2*pause, lastPause)
		case <-rung:
			pause = firstPause
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// bell wakes those who listen, all at once.
type bell struct {
	mu   sync.Mutex
	rung chan struct{} // closed by the next ring
}

func newBell() *bell { return &bell{rung: make(chan struct{})} }

func (b *bell) listen() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.rung
}

func (b *bell) ring() {
	b.mu.Lock()
	defer b.mu.Unlock()
	close(b.rung)
	b.rung = make(chan struct{})
}
