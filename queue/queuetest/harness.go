// Package queuetest is the conformance suite of the queue contract. Every driver runs it unchanged:
//
//	queuetest.Run(t, queuetest.Harness{Open: …})
//
// Tests run in parallel, each on queues of its own. Where the driver has an injectable clock they move it, so that
// no test waits; where it has not (a real server) they wait for the event itself with long polls.
package queuetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/seed-56345083/reprise/queue"
)

// MaxReceives is the redrive policy of the queues that Harness.Open makes.
const MaxReceives = 3

// Harness is what the suite needs to know about a driver.
type Harness struct {
	// Driver names what is tested, and on what: "sqsqueue on fauxqs".
	Driver string
	// Open makes an empty queue with an empty dead-letter queue behind it and the redrive policy MaxReceives, and
	// removes both at the end of the test.
	Open func(t testing.TB) Queues
	// Unit is the delay and visibility timeout that the suite counts in; 0 means a second, which is the least that SQS tells
	// apart. On a real clock a call or two must come back within two of them, however slow the machine is.
	Unit time.Duration
	// DeleteTellsStale says that Delete answers ErrStaleReceipt where the driver knows better than to delete. SQS
	// answers with success.
	DeleteTellsStale bool
	// ChangeTellsStale says that ChangeVisibility answers ErrStaleReceipt to a receipt whose message was received again,
	// is visible again or has become a dead letter. SQS may make the change, or not, and answers with success.
	ChangeTellsStale bool
	// LimitsHold says that the driver counts MaxVisibility from the receive; it is tried with Advance only.
	LimitsHold bool
	// PollsOutliveContext says that the server may hand messages to a poll whose context has ended, because it has not
	// noticed yet that the client is gone: SQS does, and they come back after their visibility timeout.
	PollsOutliveContext bool
}

// Queues is one queue for one test.
type Queues struct {
	Work, Dead queue.Queue
	// Advance moves the clock of both queues on by d; nil where they follow the real one.
	Advance func(d time.Duration)
}

// patience is how long the suite waits for something that must happen, on a machine that is busy with other things.
const patience = 2 * time.Minute

// fixture is one test's queues with helpers that fail the test.
type fixture struct {
	testing.TB
	Queues
	h    Harness
	unit time.Duration
}

func open(t testing.TB, h Harness) *fixture {
	t.Helper()
	if h.Unit == 0 {
		h.Unit = time.Second
	}
	return &fixture{TB: t, Queues: h.Open(t), h: h, unit: h.Unit}
}

// pass lets d pass on the queue's clock, where the test can do that. On a real clock the long poll that follows waits.
func (f *fixture) pass(d time.Duration) {
	if f.Advance != nil {
		f.Advance(d)
	}
}

// visibility is a timeout that no test outlives.
const visibility = 10 * time.Minute

func (f *fixture) send(bodies ...string) {
	f.Helper()
	for batch := range slices.Chunk(bodies, queue.MaxBatch) {
		out := make([]queue.Outgoing, len(batch))
		for i, b := range batch {
			out[i].Body = []byte(b)
		}
		if err := f.Work.Send(context.Background(), out); err != nil {
			f.Fatalf("Send: %v", err)
		}
	}
}

// receive is one Receive that waits for at most wait.
func (f *fixture) receive(q queue.Queue, most int, wait, visibility time.Duration) []queue.Message {
	f.Helper()
	messages, err := q.Receive(context.Background(), queue.ReceiveParams{Max: most, Wait: wait, Visibility: visibility})
	if err != nil {
		f.Fatalf("Receive: %v", err)
	}
	if len(messages) > most {
		f.Fatalf("Receive returned %d messages, at most %d were asked for", len(messages), most)
	}
	return messages
}

// take receives exactly n messages, sorted by body, and waits for them.
func (f *fixture) take(q queue.Queue, n int, visibility time.Duration) []queue.Message {
	f.Helper()
	var messages []queue.Message
	for end := time.Now().Add(patience); len(messages) < n; {
		got := f.receive(q, min(n-len(messages), queue.MaxBatch), time.Second, visibility)
		messages = append(messages, got...)
		if time.Now().After(end) {
			f.Fatalf("received %d messages in %s, want %d", len(messages), patience, n)
		}
	}
	slices.SortFunc(messages, func(a, b queue.Message) int { return slices.Compare(a.Body, b.Body) })
	return messages
}

// one receives one message.
func (f *fixture) one(q queue.Queue, visibility time.Duration) queue.Message {
	f.Helper()
	return f.take(q, 1, visibility)[0]
}

// none checks that nothing is visible.
func (f *fixture) none(q queue.Queue) {
	f.Helper()
	if got := f.receive(q, queue.MaxBatch, 0, visibility); len(got) > 0 {
		f.Fatalf("received %q, want nothing", got[0].Body)
	}
}

func (f *fixture) change(q queue.Queue, receipt string, visibility time.Duration) error {
	return q.ChangeVisibility(context.Background(), []queue.Change{{Receipt: receipt, Visibility: visibility}})
}

func (f *fixture) remove(q queue.Queue, receipts ...string) error {
	return q.Delete(context.Background(), receipts)
}

// stale checks the answer to a receipt that holds no more: a driver that does not tell may only say that all is well.
func (f *fixture) stale(doing string, err error, tells bool) {
	f.Helper()
	if (tells || err != nil) && !errors.Is(err, queue.ErrStaleReceipt) {
		f.Errorf("%s with a receipt that holds no more: %v, want ErrStaleReceipt", doing, err)
	}
}

// must fails the test for an error.
func (f *fixture) must(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

// counts waits until the counts are want: those of SQS are late.
func (f *fixture) counts(q queue.Queue, want queue.Counts) {
	f.Helper()
	var got queue.Counts
	for end := time.Now().Add(patience); ; {
		var err error
		if got, err = q.Counts(context.Background()); err != nil {
			f.Fatalf("Counts: %v", err)
		}
		if got == want {
			return
		}
		if time.Now().After(end) {
			f.Fatalf("Counts = %+v after %s, want %+v", got, patience, want)
		}
		<-time.After(20 * time.Millisecond)
	}
}

func bodies(messages []queue.Message) []string {
	out := make([]string, len(messages))
	for i, m := range messages {
		out[i] = string(m.Body)
	}
	return out
}

// numbered returns n different bodies in order.
func numbered(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf(`{"n":"%06d"}`, i)
	}
	return out
}
