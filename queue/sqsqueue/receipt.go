package sqsqueue

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/seed-56345083/reprise/queue"
)

// Delete implements [queue.Queue]. SQS tells success for most stale receipts.
func (q *Queue) Delete(ctx context.Context, receipts []string) error {
	if err := queue.CheckDelete(receipts); err != nil {
		return err
	}
	b := q.batch("deleting", refusal)
	b.receipts(ctx, receipts, func(ctx context.Context, entries []int) (verdicts, error) {
		in := &sqs.DeleteMessageBatchInput{QueueUrl: &q.url}
		for _, i := range entries {
			in.Entries = append(in.Entries, types.DeleteMessageBatchRequestEntry{Id: id(i), ReceiptHandle: &receipts[i]})
		}
		out, err := q.client.DeleteMessageBatch(ctx, in)
		if err != nil {
			return verdicts{}, err
		}
		v := verdicts{failed: out.Failed}
		for _, e := range out.Successful {
			v.done = append(v.done, aws.ToString(e.Id))
		}
		return v, nil
	})
	return b.result(len(receipts))
}

// ChangeVisibility implements [queue.Queue]. A change that would hold the message for more than queue.MaxVisibility
// since it was received is queue.ErrInvalid. A receipt is stale also where this call's own give-back made it so, in an
// attempt whose answer got lost.
func (q *Queue) ChangeVisibility(ctx context.Context, changes []queue.Change) error {
	if err := queue.CheckChanges(changes); err != nil {
		return err
	}
	receipts := make([]string, len(changes))
	for i, c := range changes {
		receipts[i] = c.Receipt
	}
	b := q.batch("changing visibility", refusal)
	b.receipts(ctx, receipts, func(ctx context.Context, entries []int) (verdicts, error) {
		in := &sqs.ChangeMessageVisibilityBatchInput{QueueUrl: &q.url}
		for _, i := range entries {
			in.Entries = append(in.Entries, types.ChangeMessageVisibilityBatchRequestEntry{
				Id: id(i), ReceiptHandle: &receipts[i], VisibilityTimeout: seconds(changes[i].Visibility),
			})
		}
		out, err := q.client.ChangeMessageVisibilityBatch(ctx, in)
		if err != nil {
			return verdicts{}, err
		}
		v := verdicts{failed: out.Failed}
		for _, e := range out.Successful {
			v.done = append(v.done, aws.ToString(e.Id))
		}
		return v, nil
	})
	return b.result(len(receipts))
}

// receipts runs call for all entries that have a receipt: the service calls an empty one a missing parameter.
func (b *batch) receipts(ctx context.Context, receipts []string, call func(ctx context.Context, entries []int) (verdicts, error)) {
	var entries []int
	for i, r := range receipts {
		if r == "" {
			b.refused[i] = b.q.explain(b.doing, fmt.Errorf("%w: it is empty", queue.ErrStaleReceipt))
			continue
		}
		entries = append(entries, i)
	}
	if len(entries) > 0 {
		_ = b.run(ctx, entries, call) // its error is in b, by entry
	}
}

// refusal says what it means that the service refuses a receipt. Under one code it tells a receipt that holds no more,
// one that it cannot read, and a timeout that would pass the 12 hours; only the text tells them apart.
func refusal(code, message string) error {
	switch shortCode(code) {
	case "MessageNotInflight", "ReceiptHandleIsInvalid":
	case "InvalidParameterValue":
		switch text := strings.ToLower(message); {
		case strings.Contains(text, "total visibilitytimeout"):
			return fmt.Errorf("%w: %s", queue.ErrInvalid, message)
		case strings.Contains(text, "receipthandle"), strings.Contains(text, "receipt handle"), strings.Contains(text, "does not exist"):
		default:
			return nil
		}
	default:
		return nil
	}
	return fmt.Errorf("%w: %s: %s", queue.ErrStaleReceipt, code, message)
}
