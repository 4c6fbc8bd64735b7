package sqsqueue

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/seed-56345083/reprise/internal/awsapi"
)

// The permissions that a queue takes; those for messages hold for their batches too.
const (
	ActionURL        = "sqs:GetQueueUrl"
	ActionAttributes = "sqs:GetQueueAttributes"
	ActionSend       = "sqs:SendMessage"
	ActionReceive    = "sqs:ReceiveMessage"
	ActionDelete     = "sqs:DeleteMessage"
	ActionVisibility = "sqs:ChangeMessageVisibility"
)

// Finding is one permission that was tried.
type Finding struct {
	Action string
	Err    error // nil: it is there; awsapi.Denied tells a refusal from what is no answer to the question
}

// nobodysReceipt is no receipt of any message.
const nobodysReceipt = "AQEBreprise-check"

// Check tries every permission that using the queue takes, and neither sends nor receives a message: a batch of none, a
// receive of more than there can be, and a receipt that nobody has. What the service then says of the request tells that
// it was allowed. (SQS does not promise to look at permissions first, so a right that is missing might be taken for one
// that is there; never the other way round.) A queue that is there has been found by its name, which is the first finding.
func (q *Queue) Check(ctx context.Context) []Finding {
	findings := []Finding{{Action: ActionURL}}
	try := func(action string, call func(context.Context) error, allowed ...string) {
		_, err := awsapi.Call(ctx, func(ctx context.Context) (struct{}, error) { return struct{}{}, call(ctx) })
		if err != nil && !slices.Contains(allowed, codeOf(err)) {
			findings = append(findings, Finding{action, q.explain("trying "+action, err)})
			return
		}
		findings = append(findings, Finding{Action: action})
	}
	try(ActionAttributes, func(ctx context.Context) error {
		_, err := q.read(ctx, types.QueueAttributeNameQueueArn)
		return err
	})
	try(ActionSend, func(ctx context.Context) error {
		_, err := q.client.SendMessageBatch(ctx, &sqs.SendMessageBatchInput{QueueUrl: &q.url, Entries: []types.SendMessageBatchRequestEntry{}})
		return err
	}, "EmptyBatchRequest")
	try(ActionReceive, func(ctx context.Context) error {
		_, err := q.client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &q.url, MaxNumberOfMessages: 11})
		return err
	}, "InvalidParameterValue", "InvalidParameterValueException", "ReadCountOutOfRange")
	try(ActionDelete, func(ctx context.Context) error {
		_, err := q.client.DeleteMessageBatch(ctx, &sqs.DeleteMessageBatchInput{
			QueueUrl: &q.url, Entries: []types.DeleteMessageBatchRequestEntry{{Id: id(0), ReceiptHandle: aws.String(nobodysReceipt)}},
		})
		return err
	}, "ReceiptHandleIsInvalid")
	try(ActionVisibility, func(ctx context.Context) error {
		_, err := q.client.ChangeMessageVisibilityBatch(ctx, &sqs.ChangeMessageVisibilityBatchInput{
			QueueUrl: &q.url, Entries: []types.ChangeMessageVisibilityBatchRequestEntry{{Id: id(0), ReceiptHandle: aws.String(nobodysReceipt)}},
		})
		return err
	}, "ReceiptHandleIsInvalid", "MessageNotInflight")
	return findings
}
