package worker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/seed-56345083/reprise/queue"
)

// deletingQueue notes the deletions, after before.
type deletingQueue struct {
	queue.Queue
	before func(ctx context.Context, receipts []string) error
	mu     sync.Mutex
	calls  []int // receipts of each
}

func (q *deletingQueue) Delete(ctx context.Context, receipts []string) error {
	q.mu.Lock()
	q.calls = append(q.calls, len(receipts))
	q.mu.Unlock()
	if q.before != nil {
		if err := q.before(ctx, receipts); err != nil {
			return err
		}
	}
	return q.Queue.Delete(ctx, receipts)
}

func (q *deletingQueue) wantCalls(t *testing.T, want ...int) {
	t.Helper()
	q.mu.Lock()
	defer q.mu.Unlock()
	if !slices.Equal(q.calls, want) {
		t.Errorf("deletions of %v messages, want %v", q.calls, want)
	}
}

// endings is a pool in which one object stays in work while others end.
type endings struct {
	*bed
	w     *Worker
	queue *deletingQueue
	held  *gate
	lines []string
	keys  []string
}

func newEndings(t *testing.T, others int, change ...func(*Options)) *endings {
	t.Helper()
	e := &endings{bed: newBed(t), queue: &deletingQueue{}, held: newGate(0), lines: makeLines(10, 2)}
	for i := range others + 1 {
		e.keys = append(e.keys, fmt.Sprintf("dns/%d", i))
		e.add(e.keys[i], text(e.lines))
	}
	e.w = e.worker(append(change, func(o *Options) {
		o.Visibility = time.Hour // nothing is late
		o.Reserve = time.Minute
		e.queue.Queue, o.Queue = o.Queue, e.queue
		first := make(chan struct{}, 1)
		first <- struct{}{}
		wrapped := *o
		e.held.use(&wrapped)
		held := wrapped.Archive.(*faultyArchive)
		let := held.body
		held.body = func(ctx context.Context, r io.Reader) io.Reader {
			select {
			case <-first:
				return let(ctx, r)
			default:
				return r
			}
		}
		o.Archive = held
	})...)
	return e
}

// inFlight waits until so many messages are left, and all of them are held.
func (e *endings) inFlight(n int64) {
	e.t.Helper()
	eventually(e.t, fmt.Sprintf("%d messages in flight", n), func() bool {
		counts, err := e.bed.queue.Counts(e.ctx)
		return err == nil && counts == queue.Counts{InFlight: n}
	})
}

func (e *endings) wantAllFinished(claims int) {
	e.t.Helper()
	for _, key := range e.keys {
		e.wantFinished(key, e.lines)
		if c := e.cursor(key); c.Epoch != int64(claims) {
			e.t.Errorf("%s was claimed %d times, want %d", key, c.Epoch, claims)
		}
	}
}

// TestTenAreDeletedTogether: the messages of ten objects that end while another one is in work take one deletion, and the last
// does not wait for others.
func TestTenAreDeletedTogether(t *testing.T) {
	t.Parallel()
	e := newEndings(t, queue.MaxBatch)
	stop := e.start(e.w)
	e.inFlight(1)
	e.queue.wantCalls(t, queue.MaxBatch)
	close(e.held.pass)
	e.inFlight(0)
	stop()
	e.queue.wantCalls(t, queue.MaxBatch, 1)
	e.wantAllFinished(1)
}

// TestDeletionOfOneFails: only that one comes back, finds its object finished, and is deleted then.
func TestDeletionOfOneFails(t *testing.T) {
	t.Parallel()
	e := newEndings(t, queue.MaxBatch)
	e.queue.before = func(ctx context.Context, receipts []string) error {
		if len(receipts) < queue.MaxBatch {
			return nil
		}
		others := slices.Delete(slices.Clone(receipts), 3, 4)
		return errors.Join(e.bed.queue.Delete(ctx, others), &queue.BatchError{Errs: map[int]error{3: errFault}})
	}
	stop := e.start(e.w)
	e.inFlight(2)
	close(e.held.pass)
	e.inFlight(1)
	e.pass(2 * e.w.o.Visibility)
	stop()
	e.drain(e.worker())
	e.wantIdle()
	e.wantAllFinished(1)
}

// TestStopDeletes: a worker that stops deletes at once what waits for others, while a slot is still in use.
func TestStopDeletes(t *testing.T) {
	t.Parallel()
	e := newEndings(t, queue.MaxBatch-1)
	stop := e.start(e.w)
	eventually(t, "nine that wait", func() bool {
		e.w.deletions.mu.Lock()
		defer e.w.deletions.mu.Unlock()
		return len(e.w.deletions.waiting) == queue.MaxBatch-1
	})
	if n := e.w.beats.count(); n != queue.MaxBatch {
		t.Errorf("%d messages are kept invisible, want %d", n, queue.MaxBatch)
	}
	go func() {
		eventually(t, "the deletion of nine", func() bool {
			counts, err := e.bed.queue.Counts(e.ctx)
			return err == nil && counts == queue.Counts{InFlight: 1}
		})
		close(e.held.pass)
	}()
	stop()
	e.queue.wantCalls(t, queue.MaxBatch-1, 1)
	e.wantIdle()
	e.wantAllFinished(1)
}

// TestDrainWithDeletions: a queue that does not answer holds a stop up no longer than the drain, and what was not deleted
// comes back to what is finished.
func TestDrainWithDeletions(t *testing.T) {
	t.Parallel()
	e := newEndings(t, queue.MaxBatch, func(o *Options) { o.Drain = 300 * time.Millisecond })
	hangs := make(chan struct{})
	once := sync.OnceFunc(func() { close(hangs) })
	e.queue.before = func(ctx context.Context, _ []string) error {
		once()
		<-ctx.Done()
		return ctx.Err()
	}
	stop := e.start(e.w)
	<-hangs
	close(e.held.pass)
	began := time.Now()
	stop()
	if took := time.Since(began); took > 20*time.Second { // the last writes have a minute
		t.Errorf("stopping took %v with a drain of 300ms", took)
	}
	e.pass(2 * e.w.o.Visibility)
	e.drain(e.worker(func(o *Options) { o.Name = "host-2" }))
	e.wantIdle()
	for _, key := range e.keys {
		e.wantFinished(key, e.lines)
	}
}

// TestNeverElevenAreDeletedTogether: SQS refuses more than ten in one call, however many slots end at once.
func TestNeverElevenAreDeletedTogether(t *testing.T) {
	t.Parallel()
	const slots, each = 50, 20
	b := newBed(t)
	var q *deletingQueue
	w := b.worker(func(o *Options) {
		q = &deletingQueue{Queue: o.Queue, before: func(context.Context, []string) error { return queue.ErrStaleReceipt }}
		o.Queue = q
	})
	var group sync.WaitGroup
	for slot := range slots {
		group.Go(func() {
			for n := range each {
				j := &job{w: w, message: queue.Message{Receipt: fmt.Sprint(slot, "-", n)}}
				j.deleteSoon()
			}
		})
	}
	group.Wait()
	q.wantCalls(t, slices.Repeat([]int{queue.MaxBatch}, slots*each/queue.MaxBatch)...)
}
