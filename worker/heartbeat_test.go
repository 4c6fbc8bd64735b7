package worker

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-56345083/reprise/queue"
)

// These tests run in virtual time, where no driver can: this queue keeps nothing but deadlines.
type deadlines struct {
	queue.Queue // nil: any other call is a mistake
	mu          sync.Mutex
	until       map[string]time.Time
	calls       []int // entries of each call
	err         error // of the next call
}

func (q *deadlines) ChangeVisibility(_ context.Context, changes []queue.Change) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.calls = append(q.calls, len(changes))
	if err := q.err; err != nil {
		q.err = nil
		return err
	}
	batch := &queue.BatchError{Errs: map[int]error{}}
	for i, c := range changes {
		if time.Now().After(q.until[c.Receipt]) {
			batch.Errs[i] = fmt.Errorf("receipt %s: %w", c.Receipt, queue.ErrStaleReceipt)
			continue
		}
		q.until[c.Receipt] = time.Now().Add(c.Visibility)
	}
	if len(batch.Errs) > 0 {
		return batch
	}
	return nil
}

func beating(t *testing.T, q *deadlines) *heartbeat {
	t.Helper()
	h := &heartbeat{}
	h.init(Options{Queue: q, Visibility: 30 * time.Second}.withDefaults())
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		h.run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return h
}

// TestHeartbeat extends for as long as a message is held, and no longer.
func TestHeartbeat(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := &deadlines{until: map[string]time.Time{}}
		h := beating(t, q)
		<-time.After(7 * time.Second) // a message comes between two beats
		ctx, lose := context.WithCancelCause(t.Context())
		q.until["a"] = time.Now().Add(30 * time.Second)
		h.hold("a", lose)
		<-time.After(10 * time.Minute)
		synctest.Wait()
		if left := time.Until(q.until["a"]); ctx.Err() != nil || left < 20*time.Second {
			t.Errorf("after ten minutes %v are left, %v", left, context.Cause(ctx))
		}
		if n := len(q.calls); n != 60 {
			t.Errorf("%d extensions in ten minutes, want one every 10 s", n)
		}
		h.drop("a")
		<-time.After(time.Minute)
		synctest.Wait()
		if len(q.calls) != 60 || h.count() != 0 {
			t.Errorf("%d extensions after the work was done", len(q.calls)-60)
		}
	})
}

// TestHeartbeatSurvivesErrors: one lost extension does no harm, because there are three to a timeout.
func TestHeartbeatSurvivesErrors(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := &deadlines{until: map[string]time.Time{}}
		h := beating(t, q)
		ctx, lose := context.WithCancelCause(t.Context())
		q.until["a"] = time.Now().Add(30 * time.Second)
		h.hold("a", lose)
		for _, err := range []error{errFault, queue.ErrThrottled, &queue.BatchError{Errs: map[int]error{0: errFault}}} {
			q.mu.Lock()
			q.err = err
			q.mu.Unlock()
			<-time.After(20 * time.Second)
		}
		synctest.Wait()
		if ctx.Err() != nil || h.count() != 1 {
			t.Errorf("%v, %d held", context.Cause(ctx), h.count())
		}
	})
}

// TestHeartbeatLoses ends the work whose receipt is refused, and no other, in batches of the size that a call takes.
func TestHeartbeatLoses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := &deadlines{until: map[string]time.Time{}}
		h := beating(t, q)
		works := map[string]context.Context{}
		for i := range 25 {
			receipt := fmt.Sprint(i)
			ctx, lose := context.WithCancelCause(t.Context())
			works[receipt] = ctx
			q.until[receipt] = time.Now().Add(30 * time.Second)
			if i%5 == 0 {
				q.until[receipt] = time.Now().Add(time.Second) // received by another
			}
			h.hold(receipt, lose)
		}
		<-time.After(11 * time.Second)
		synctest.Wait()
		for receipt, ctx := range works {
			lost := errors.Is(context.Cause(ctx), queue.ErrStaleReceipt)
			if want := (receipt[len(receipt)-1]-'0')%5 == 0; lost != want {
				t.Errorf("receipt %s: %v", receipt, context.Cause(ctx))
			}
		}
		if fmt.Sprint(q.calls) != "[10 10 5]" || h.count() != 20 {
			t.Errorf("calls of %v entries, %d held", q.calls, h.count())
		}
	})
}

// TestBackoff grows, stays within its limit and is never twice the same.
func TestBackoff(t *testing.T) {
	t.Parallel()
	for n, most := range map[int]time.Duration{1: 1, 2: 2, 3: 4, 7: 64, 9: 200, 29: 200, 30: 200, 1000: 200} {
		most *= time.Second
		seen := map[time.Duration]bool{}
		for range 200 {
			d := backoff(n, time.Second, 200*time.Second)
			if d < most/2 || d > most {
				t.Fatalf("attempt %d waits %v, want %v to %v", n, d, most/2, most)
			}
			seen[d] = true
		}
		if len(seen) < 100 {
			t.Errorf("attempt %d: %d different delays of 200", n, len(seen))
		}
	}
}

// TestPause ends with its time or with its context.
func TestPause(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		pause(t.Context(), time.Hour)
		if took := time.Since(began); took != time.Hour {
			t.Errorf("paused for %v", took)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		pause(ctx, time.Hour)
		if took := time.Since(began); took != time.Hour+time.Second {
			t.Errorf("paused for %v", took-time.Hour)
		}
	})
}
