// Package sqlitequeue is the work queue of the local backend: messages in a table of a SQLite file, with the
// behaviour of an SQS standard queue.
//
// Queues of several names, so a queue and its dead-letter queue, live in one table of one file, and any number of
// processes of one machine work on it. A process that is killed gives back what it held when the visibility timeouts run
// out; nothing has to be cleaned up. What differs from SQS:
//   - counts are exact, and Delete tells a stale receipt;
//   - of the visible messages the one that became visible first is received first, though no caller may rely on it;
//   - messages are kept until they are deleted, without a retention period;
//   - durations count to the nanosecond.
//
// An empty queue costs its pollers a read of one index entry, at most four times a second each: the write lock is taken
// only when there is a message to receive. A Send wakes the pollers of its own [Queue] at once, those of other processes
// see it at their next look.
//
//	q, err := sqlitequeue.Open(ctx, sqlitequeue.Options{Path: "queue.db", Name: "work", DeadLetter: "dead"})
//	…
//	defer q.Close()
//	messages, err := q.Receive(ctx, queue.ReceiveParams{Max: 10, Wait: 20 * time.Second, Visibility: time.Minute})
//
// All processes that share a file must have clocks that agree, as those of one machine do. A lock that cannot be had for
// 30 seconds is queue.ErrThrottled.
package sqlitequeue
