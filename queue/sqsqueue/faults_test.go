package sqsqueue_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-56345083/reprise/internal/awsapi"
	"github.com/seed-56345083/reprise/internal/realservers"
	"github.com/seed-56345083/reprise/queue"
	"github.com/seed-56345083/reprise/queue/sqsqueue"
)

// TestAtLeastOnceUnderFaults sends, receives, extends and deletes over a network that breaks in every way. What Send took
// comes at least once; what was deleted is gone; what was neither comes back.
func TestAtLeastOnceUnderFaults(t *testing.T) {
	t.Parallel()
	const senders, each = 4, 5 // batches of ten
	base := realservers.SQS(t)
	work, _ := pair(t, clientOf(t, base), 1000)
	var faults atomic.Int64
	q := throughProxy(t, base, work, realservers.Faults{
		Reset: 0.06, LoseReply: 0.08, Cut: 0.06, Status500: 0.1, Throttle: 0.06, Hang: 0.01,
		Hit: func(string, *http.Request) { faults.Add(1) },
	})
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	defer cancel()

	var due ledger // bodies that were sent and not yet received
	var sending, receiving sync.WaitGroup
	for s := range senders {
		sending.Go(func() {
			for n := range each {
				due.send(ctx, t, q, fmt.Sprintf("%d/%d", s, n))
			}
		})
	}
	sent := make(chan struct{})
	for range senders {
		receiving.Go(func() {
			for ctx.Err() == nil && (!isClosed(sent) || !due.empty()) {
				due.receive(ctx, t, q)
			}
		})
	}
	sending.Wait()
	close(sent)
	receiving.Wait()
	if left := due.left(); len(left) > 0 {
		t.Errorf("%d messages that were sent did not come, %q for one", len(left), left[0])
	}
	if faults.Load() == 0 {
		t.Error("no request met a fault")
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// throughProxy opens a queue that is there over a proxy that breaks calls.
func throughProxy(t *testing.T, base string, q *sqsqueue.Queue, f realservers.Faults) *sqsqueue.Queue {
	t.Helper()
	a, err := q.Attributes(context.Background())
	check(t, err)
	passes := make(chan struct{})
	only := f.Only
	f.Only = func(r *http.Request) bool { return isClosed(passes) && (only == nil || only(r)) }
	client := clientOf(t, realservers.Faulty(t, base, f))
	broken := open(t, client, a.URL[strings.LastIndexByte(a.URL, '/')+1:])
	close(passes)
	return broken
}

// ledger is what must still come.
type ledger struct {
	mu sync.Mutex
	m  map[string]bool
}

func (l *ledger) set(body string, due bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.m == nil {
		l.m = map[string]bool{}
	}
	if due {
		l.m[body] = true
	} else {
		delete(l.m, body)
	}
}

func (l *ledger) left() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var left []string
	for body := range l.m {
		left = append(left, body)
	}
	return left
}

func (l *ledger) empty() bool { return len(l.left()) == 0 }

// send sends a batch until each of its messages was taken. They are in the ledger before, for others may be faster.
func (l *ledger) send(ctx context.Context, t *testing.T, q queue.Queue, name string) {
	var batch []queue.Outgoing
	for i := range queue.MaxBatch {
		body := fmt.Sprintf("%s/%d", name, i)
		l.set(body, true)
		batch = append(batch, queue.Outgoing{Body: []byte(body)})
	}
	for len(batch) > 0 {
		err := q.Send(ctx, batch)
		if ctx.Err() != nil {
			t.Errorf("sending %s took too long: %v", name, err)
			return
		}
		var again []queue.Outgoing
		for i, m := range batch {
			if queue.EntryError(err, i) != nil {
				again = append(again, m)
			}
		}
		batch = again
	}
}

// held is how long a receive holds its messages. That some come twice, on a slow machine, is no fault.
const held = 4 * time.Second

// receive takes a few messages, extends them, and settles them when they are deleted.
func (l *ledger) receive(ctx context.Context, t *testing.T, q queue.Queue) {
	messages, err := q.Receive(ctx, queue.ReceiveParams{Max: queue.MaxBatch, Wait: time.Second, Visibility: held})
	if err != nil || len(messages) == 0 {
		return // what is in flight comes back
	}
	changes, receipts := make([]queue.Change, len(messages)), make([]string, len(messages))
	for i, m := range messages {
		receipts[i] = m.Receipt
		changes[i] = queue.Change{Receipt: m.Receipt, Visibility: held}
		if m.Receives < 1 {
			t.Errorf("%s: received %d times", m.Body, m.Receives)
		}
	}
	changeErr := q.ChangeVisibility(ctx, changes)
	deleteErr := q.Delete(ctx, receipts)
	for i, m := range messages {
		if e := queue.EntryError(changeErr, i); errors.Is(e, queue.ErrInvalid) {
			t.Errorf("%s: %v", m.Body, e)
		}
		if queue.EntryError(deleteErr, i) == nil {
			l.set(string(m.Body), false)
		}
	}
}

// TestNoCallWithoutDeadline has a server that never answers, or only one thing. The callers' context has no end; if one of
// the calls has none either, the test does not end.
func TestNoCallWithoutDeadline(t *testing.T) {
	t.Parallel()
	base := realservers.SQS(t)
	work, _ := pair(t, clientOf(t, base), 10)
	var group sync.WaitGroup // all at once: each takes the 20 seconds that a call has
	for name, faults := range map[string]realservers.Faults{"Hang": {Hang: 1}, "Throttle": {Throttle: 1}, "Reset": {Reset: 1}} {
		q := throughProxy(t, base, work, faults)
		for call, f := range calls(q) {
			group.Go(func() {
				err := f(context.Background())
				if err == nil || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
					t.Errorf("%s: %s: %v, want an error that is not the end of a context", name, call, err)
				}
				if throttled := errors.Is(err, queue.ErrThrottled); throttled != (name == "Throttle") && !awsapi.Unclear(err) {
					t.Errorf("%s: %s: %v: ErrThrottled %t", name, call, err, throttled)
				}
			})
		}
	}
	group.Wait()
}

// TestLongPollIsOneRequest: the deadline of an attempt leaves a long poll its time.
func TestLongPollIsOneRequest(t *testing.T) {
	t.Parallel()
	base := realservers.SQS(t)
	work, _ := pair(t, clientOf(t, base), 10)
	var requests atomic.Int64
	q := throughProxy(t, base, work, realservers.Faults{Only: func(*http.Request) bool { requests.Add(1); return false }})
	messages, err := q.Receive(context.Background(), queue.ReceiveParams{
		Max: 1, Wait: awsapi.AttemptTimeout + 2*time.Second, Visibility: time.Minute,
	})
	if err != nil || len(messages) != 0 || requests.Load() != 1 {
		t.Errorf("received %d messages, %v, with %d requests, want 1", len(messages), err, requests.Load())
	}
}

// TestContextEndsCalls: the end of the caller's context ends a call that gets no answer, and the error says so.
func TestContextEndsCalls(t *testing.T) {
	t.Parallel()
	base := realservers.SQS(t)
	work, _ := pair(t, clientOf(t, base), 10)
	hangs := make(chan struct{}, 100)
	q := throughProxy(t, base, work, realservers.Faults{Hang: 1, Hit: func(string, *http.Request) { hangs <- struct{}{} }})
	for call, f := range calls(q) {
		ctx, cancel := context.WithCancel(context.Background())
		go func() { <-hangs; cancel() }()
		if err := f(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v, want context.Canceled", call, err)
		}
		cancel()
	}
}

func calls(q queue.Queue) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"Send": func(ctx context.Context) error { return q.Send(ctx, []queue.Outgoing{{Body: []byte("x")}}) },
		"Receive": func(ctx context.Context) error {
			_, err := q.Receive(ctx, queue.ReceiveParams{Max: 1, Visibility: time.Minute})
			return err
		},
		"Delete": func(ctx context.Context) error { return q.Delete(ctx, []string{"x"}) },
		"ChangeVisibility": func(ctx context.Context) error {
			return q.ChangeVisibility(ctx, []queue.Change{{Receipt: "x", Visibility: time.Minute}})
		},
		"Counts": func(ctx context.Context) error {
			_, err := q.Counts(ctx)
			return err
		},
	}
}
