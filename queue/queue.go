// Package queue is the contract of the work queue: at-least-once messages with a visibility timeout, receive counts,
// a redrive policy and a dead-letter queue, as Amazon SQS standard queues have them.
//
// A message is only a wake-up (the ledger is the truth): it may be lost, repeated or late, and nothing is counted
// wrongly for it. Nor do messages keep an order. Drivers live in packages of their own (sqlitequeue, sqsqueue) and pass
// the suite in queuetest.
package queue

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Limits that every driver holds, because SQS has them.
const (
	MaxBatch      = 10               // messages, receipts or changes in one call
	MaxBody       = 256 << 10        // bytes of one body
	MaxTrace      = 128              // bytes of a message's Trace
	MaxWait       = 20 * time.Second // of a long poll
	MaxDelay      = 15 * time.Minute // before a message that was sent becomes visible
	MaxVisibility = 12 * time.Hour   // counted from the receive
)

var (
	// ErrStaleReceipt says that the receipt handle no longer holds its message: the visibility timeout ran out, and
	// somebody else has received it or soon will, or it was deleted. Whoever gets it stops the work and touches nothing.
	// Nobody may rely on getting it: SQS tells it of a deleted message only, and lets an old receipt delete or re-time the
	// message that somebody else holds. What keeps two holders apart is the ledger.
	ErrStaleReceipt = errors.New("stale receipt handle")
	// ErrThrottled says that the service refuses for a while; nothing was done.
	ErrThrottled = errors.New("throttled")
)

// Outgoing is a message to send.
type Outgoing struct {
	Body  []byte        // 1 byte to MaxBody of UTF-8, without control characters but tab and line ends
	Delay time.Duration // 0 to MaxDelay; the message is invisible that long
	Trace string        // the span that sends it, as a W3C traceparent; "": nobody traces. Up to MaxTrace printable characters
}

// Message is one receive of a message.
type Message struct {
	ID       string    // the same in each receive
	Body     []byte    // the receiver's own copy
	Receipt  string    // handle of this receive; a later receive makes it stale
	Receives int       // how often it was received, this time included (>= 1)
	Sent     time.Time // when it was sent, by the queue's clock
	Trace    string    // as it was sent
}

// ReceiveParams narrow a Receive.
type ReceiveParams struct {
	Max        int           // 1 to MaxBatch
	Wait       time.Duration // how long to wait for the first message, 0 to MaxWait
	Visibility time.Duration // how long the messages are invisible to others, above 0 to MaxVisibility
}

// Change sets how long a message in flight stays invisible, from now. Visibility 0 gives it back at once.
type Change struct {
	Receipt    string
	Visibility time.Duration // 0 to MaxVisibility
}

// Counts of a queue are approximate in SQS, exact in SQLite.
type Counts struct {
	Visible  int64 `json:"visible"`
	InFlight int64 `json:"in_flight"`
	Delayed  int64 `json:"delayed"`
}

// Idle reports whether the queue holds nothing at all.
func (c Counts) Idle() bool { return c.Visible == 0 && c.InFlight == 0 && c.Delayed == 0 }

// Queue is one queue. All methods may be called by any number of goroutines and processes at once; each call has a
// deadline of its own inside the driver, and returns an error that wraps ctx.Err() when ctx ends first. Batches take 1
// to MaxBatch entries; where single entries failed, the error is a [BatchError]. A call that breaks a limit is
// [ErrInvalid] as a whole and does nothing.
type Queue interface {
	// Send puts messages into the queue. After an error of unknown outcome they may be there or not, so sending
	// again may repeat them.
	Send(ctx context.Context, messages []Outgoing) error
	// Receive returns up to Max visible messages as soon as there is one, none (and no error) when Wait passed without
	// one. Fewer than Max says nothing about what is left. A message whose receive count would exceed the redrive policy
	// goes to the dead-letter queue instead.
	Receive(ctx context.Context, p ReceiveParams) ([]Message, error)
	// Delete removes messages by their receipts. A receipt whose message is gone already is no error; one that
	// another receive made stale is ErrStaleReceipt where the driver can tell (SQS cannot: it answers with success).
	Delete(ctx context.Context, receipts []string) error
	// ChangeVisibility extends, shortens or gives back. ErrStaleReceipt where the message was deleted and, where the
	// driver can tell, where it was received again or is visible again, be it because its time ran out or because it was
	// given back. (SQS cannot: it may make the change, to the new holder's message, or not, and answers with success.)
	ChangeVisibility(ctx context.Context, changes []Change) error
	// Counts tells the depth of the queue.
	Counts(ctx context.Context) (Counts, error)
}

// BatchError says which entries of a batch failed. Those that it does not name were done.
type BatchError struct {
	Errs map[int]error // by index in the batch; never empty
}

// Error names the first failed entry and the number of them.
func (e *BatchError) Error() string {
	first := slices.Min(slices.Collect(maps.Keys(e.Errs)))
	return fmt.Sprintf("%d entries of the batch failed, the first (%d): %v", len(e.Errs), first, e.Errs[first])
}

// Unwrap lets errors.Is and errors.As see every entry's error.
func (e *BatchError) Unwrap() []error {
	errs := make([]error, 0, len(e.Errs))
	for _, i := range slices.Sorted(maps.Keys(e.Errs)) {
		errs = append(errs, e.Errs[i])
	}
	return errs
}

// EntryError returns what a batch call's error means for the entry at index i: nil when it was done.
func EntryError(err error, i int) error {
	if batch := (*BatchError)(nil); errors.As(err, &batch) {
		return batch.Errs[i]
	}
	return err
}
