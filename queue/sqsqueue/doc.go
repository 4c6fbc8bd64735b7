// Package sqsqueue is the work queue of the AWS backend: an Amazon SQS standard queue behind [queue.Queue].
//
// What SQS does otherwise than the embedded queue:
//   - counts are approximate, and may be late by a minute;
//   - a stale receipt still works while its message exists: Delete deletes the message, and ChangeVisibility changes for how
//     long it is hidden, though somebody else has received it since; so ErrStaleReceipt mostly means that the message is
//     gone, and a worker that was overtaken learns of it from the ledger;
//   - a deleted message may come once more all the same;
//   - durations are whole seconds, rounded up: delays, visibility timeouts, and how long a poll waits;
//   - a poll that does not wait asks only some of SQS's servers, and may miss messages that are there;
//   - messages are deleted when the queue's retention is over, which runs on in the dead-letter queue from when they were
//     first sent (not if they are sent there anew, as this program does it).
//
// Every call has a deadline (awsapi), and is tried again while that can help. An answer that got lost costs: after a
// Send, a message may be there twice; after a Receive, messages are in flight that nobody knows of, and come back when
// their visibility timeout is over, received once more often; after a ChangeVisibility to 0, the receipt is told stale. The
// same goes for a Receive whose context ends in mid-poll: it returns at once, and SQS may hand messages to nobody.
//
// Single entries of a batch that the service refused by its own fault are tried again, within the deadline of the call.
//
// [Ensure] makes a queue and its dead-letter queue as Reprise wants them, [Queue.Attributes] reads how a queue is set.
//
//	q, err := sqsqueue.Open(ctx, sqsqueue.Options{Client: sqs.NewFromConfig(config), Name: "reprise-work"})
//	…
//	messages, err := q.Receive(ctx, queue.ReceiveParams{Max: 10, Wait: 20 * time.Second, Visibility: 5 * time.Minute})
package sqsqueue
