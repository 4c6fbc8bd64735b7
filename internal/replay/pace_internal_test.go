package replay

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/seed-56345083/reprise/internal/archive"
)

// store answers a write after 50 ms, and refuses it where more than most are under way.
type store struct {
	mu            sync.Mutex
	most          int
	busy, busiest int
	done, refused int
}

func (s *store) write() error {
	s.mu.Lock()
	s.busy++
	s.busiest = max(s.busiest, s.busy)
	over := s.busy > s.most
	s.mu.Unlock()
	<-time.After(50 * time.Millisecond)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.busy--
	if over {
		s.refused++
		return fmt.Errorf("tagging: %w", archive.ErrThrottled)
	}
	s.done++
	return nil
}

// burst makes n writes, as a page or a clean-up does.
func burst(p *pace, n int, write func() error) {
	var group errgroup.Group
	group.SetLimit(mostTags)
	for range n {
		group.Go(func() error { _ = p.do(context.Background(), write); return nil })
	}
	_ = group.Wait()
}

// TestPace: more and more writes at once where none is refused, about as many as go through where some are, and few where
// all are.
func TestPace(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		most             int // that the store takes at once
		busiest, refused func(n int) bool
	}{
		{1000, func(n int) bool { return n == mostTags }, func(n int) bool { return n == 0 }},
		{20, func(n int) bool { return n >= 20 && n <= firstTags }, func(n int) bool { return n > 0 && n < 1000 }},
		{0, func(n int) bool { return n == firstTags }, func(n int) bool { return n == 10_000 }},
	} {
		t.Run(fmt.Sprint(c.most), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p, s := newPace(), &store{most: c.most}
				burst(p, 10_000, s.write)
				if !c.busiest(s.busiest) || !c.refused(s.refused) || s.done+s.refused != 10_000 {
					t.Errorf("at most %d at once, %d done, %d refused", s.busiest, s.done, s.refused)
				}
				if p.busy != 0 || p.limit < leastTags || p.limit > mostTags {
					t.Errorf("%d under way, the limit is %.1f", p.busy, p.limit)
				}
				if c.most == 0 && p.limit != leastTags {
					t.Errorf("all are refused, and the limit is %.1f", p.limit)
				}
			})
		})
	}
}

// TestPaceCutsOnce: writes that were under way together are refused together, which is one cut; then nobody begins for a
// while, longer after the next refusal.
func TestPaceCutsOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, s := newPace(), &store{}
		var waits []time.Duration
		for range 3 {
			burst(p, leastTags, s.write)
			waits = append(waits, time.Until(p.until))
		}
		if p.cuts != 3 || p.limit != leastTags {
			t.Errorf("%d cuts, limit %.1f", p.cuts, p.limit)
		}
		for i, w := range waits {
			if most := tagRest << i; w < most/2 || w > most {
				t.Errorf("rest %d is %v, want between %v and %[2]v", i, w, most/2)
			}
		}
		s.most = 1000
		burst(p, 1, s.write)
		if p.rest != 0 || p.limit <= leastTags {
			t.Errorf("after a success: rest %v, limit %.1f", p.rest, p.limit)
		}
	})
}

// TestPaceStops: whoever waits for a turn goes when its context ends, and takes nothing with it.
func TestPaceStops(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		p, held := newPace(), make(chan struct{})
		var group sync.WaitGroup
		for range firstTags {
			group.Go(func() { _ = p.do(context.Background(), func() error { <-held; return errors.ErrUnsupported }) })
		}
		synctest.Wait()
		group.Go(func() {
			if err := p.do(ctx, func() error { t.Error("written without a turn"); return nil }); !errors.Is(err, context.Canceled) {
				t.Errorf("do = %v", err)
			}
		})
		synctest.Wait()
		cancel()
		synctest.Wait()
		close(held)
		group.Wait()
		if p.busy != 0 || p.limit != firstTags {
			t.Errorf("%d under way, limit %.1f", p.busy, p.limit)
		}
		if err := p.do(ctx, func() error { t.Error("written after the end"); return nil }); !errors.Is(err, context.Canceled) {
			t.Errorf("do = %v", err)
		}
	})
}
