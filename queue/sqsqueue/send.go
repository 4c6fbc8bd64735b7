package sqsqueue

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/seed-56345083/reprise/queue"
)

// maxBatchBytes of bodies go into one call. SQS takes four times as much since 2025; other implementations, and queues
// whose maximum was set by hand, do not.
const maxBatchBytes = 256 << 10

// traceAttribute is the message attribute of a message's Trace, by the name that W3C gives its content.
const (
	traceAttribute = "traceparent"
	stringType     = "String"
)

// Send implements [queue.Queue]. Bodies that are too large for one call together go in several; when one of them fails for
// lack of an answer, those after it are not tried.
func (q *Queue) Send(ctx context.Context, messages []queue.Outgoing) error {
	if err := queue.CheckSend(messages); err != nil {
		return err
	}
	b := q.batch("sending", func(code, message string) error {
		if shortCode(code) == "InvalidMessageContents" {
			return fmt.Errorf("%w: %s", queue.ErrInvalid, message)
		}
		return nil
	})
	groups := split(messages)
	for n, group := range groups {
		err := b.run(ctx, group, func(ctx context.Context, entries []int) (verdicts, error) {
			return q.sendBatch(ctx, messages, entries)
		})
		if err == nil {
			continue
		}
		for _, rest := range groups[n+1:] {
			b.leave(rest, err)
		}
		break
	}
	return b.result(len(messages))
}

// split groups the indexes of messages, in order, so that the bodies of a group are no more than maxBatchBytes.
func split(messages []queue.Outgoing) [][]int {
	var groups [][]int
	size := 0
	for i, m := range messages {
		of := len(m.Body)
		if m.Trace != "" {
			of += len(traceAttribute) + len(stringType) + len(m.Trace) // they count as the body does
		}
		if i == 0 || size+of > maxBatchBytes {
			groups, size = append(groups, nil), 0
		}
		last := len(groups) - 1
		groups[last], size = append(groups[last], i), size+of
	}
	return groups
}

func (q *Queue) sendBatch(ctx context.Context, messages []queue.Outgoing, entries []int) (verdicts, error) {
	in := &sqs.SendMessageBatchInput{QueueUrl: &q.url}
	for _, i := range entries {
		entry := types.SendMessageBatchRequestEntry{
			Id: id(i), MessageBody: aws.String(string(messages[i].Body)), DelaySeconds: seconds(messages[i].Delay),
		}
		if trace := messages[i].Trace; trace != "" {
			entry.MessageAttributes = map[string]types.MessageAttributeValue{
				traceAttribute: {DataType: aws.String(stringType), StringValue: aws.String(trace)},
			}
		}
		in.Entries = append(in.Entries, entry)
	}
	out, err := q.client.SendMessageBatch(ctx, in)
	if err != nil {
		return verdicts{}, err
	}
	v := verdicts{failed: out.Failed}
	for _, e := range out.Successful {
		v.done = append(v.done, aws.ToString(e.Id))
	}
	return v, nil
}
