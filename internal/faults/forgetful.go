package faults

import (
	"context"
	"errors"
	"sync"

	"github.com/seed-56345083/reprise/queue"
)

// ForgetfulQueue is what [Forgetful] makes.
type ForgetfulQueue struct {
	queue.Queue
	mu      sync.Mutex
	message map[string]string // a receipt's message ID
	newest  map[string]string // a message's newest receipt; none when it was deleted
	deletes int               // by old receipts
	changes int               // likewise
}

// Forgetful makes a queue treat old receipts as SQS does: whichever receive of a message a receipt is from, it deletes or
// re-times the message, also one that somebody else holds by now. ErrStaleReceipt comes only for a deleted message, and for a
// receipt that was never given out. A change to a message that is visible, or has become a dead letter, does nothing and
// is a success.
//
// All processes of a test share one, since it knows the receipts that were given out through it. It keeps every one of them.
func Forgetful(q queue.Queue) *ForgetfulQueue {
	return &ForgetfulQueue{Queue: q, message: map[string]string{}, newest: map[string]string{}}
}

// Receive remembers the receipts.
func (q *ForgetfulQueue) Receive(ctx context.Context, p queue.ReceiveParams) ([]queue.Message, error) {
	messages, err := q.Queue.Receive(ctx, p)
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, m := range messages {
		q.message[m.Receipt], q.newest[m.ID] = m.ID, m.Receipt
	}
	return messages, err
}

// Delete removes the messages by whatever receipt they have now.
func (q *ForgetfulQueue) Delete(ctx context.Context, receipts []string) error {
	now := make([]string, len(receipts))
	for i, r := range receipts {
		now[i] = q.current(r, &q.deletes)
	}
	err := q.Queue.Delete(ctx, now)
	errs := map[int]error{}
	q.mu.Lock()
	defer q.mu.Unlock()
	for i, r := range receipts {
		id, known := q.message[r]
		switch e := queue.EntryError(err, i); {
		case e == nil:
			delete(q.newest, id)
		case known && errors.Is(e, queue.ErrStaleReceipt): // it was received just now; a delete that is lost is nothing new
		default:
			errs[i] = e
		}
	}
	return batchError(err, errs)
}

// ChangeVisibility changes what the messages have, by whatever receipt.
func (q *ForgetfulQueue) ChangeVisibility(ctx context.Context, changes []queue.Change) error {
	now := make([]queue.Change, len(changes))
	for i, c := range changes {
		now[i] = queue.Change{Receipt: q.current(c.Receipt, &q.changes), Visibility: c.Visibility}
	}
	err := q.Queue.ChangeVisibility(ctx, now)
	errs := map[int]error{}
	q.mu.Lock()
	defer q.mu.Unlock()
	for i, c := range changes {
		e := queue.EntryError(err, i)
		if _, exists := q.newest[q.message[c.Receipt]]; exists && errors.Is(e, queue.ErrStaleReceipt) {
			e = nil
		}
		if e != nil {
			errs[i] = e
		}
	}
	return batchError(err, errs)
}

// current is the newest receipt of a receipt's message; old counts where that is another one.
func (q *ForgetfulQueue) current(receipt string, old *int) string {
	q.mu.Lock()
	defer q.mu.Unlock()
	newest, ok := q.newest[q.message[receipt]]
	if !ok {
		return receipt
	}
	if newest != receipt {
		*old++
	}
	return newest
}

// batchError says which entries of a batch failed in the end; an error of the whole call stays what it is.
func batchError(err error, errs map[int]error) error {
	if batch := (*queue.BatchError)(nil); err != nil && !errors.As(err, &batch) {
		return err
	}
	if len(errs) == 0 {
		return nil
	}
	return &queue.BatchError{Errs: errs}
}

// Old tells how many deletes and changes came with an older receipt than the message's newest.
func (q *ForgetfulQueue) Old() (deletes, changes int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.deletes, q.changes
}
