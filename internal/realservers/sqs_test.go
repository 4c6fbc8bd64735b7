package realservers_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/seed-56345083/reprise/internal/realservers"
)

type testQueue struct {
	*sqs.Client
	url string
}

func newQueue(t *testing.T, attributes map[string]string) testQueue {
	t.Helper()
	base := realservers.SQS(t)
	client := sqs.NewFromConfig(realservers.Config(t), func(o *sqs.Options) { o.BaseEndpoint = &base })
	created, err := client.CreateQueue(t.Context(), &sqs.CreateQueueInput{
		QueueName: aws.String(realservers.Unique(t, t.Name())), Attributes: attributes,
	})
	if err != nil {
		t.Fatal(err)
	}
	return testQueue{client, *created.QueueUrl}
}

func (q testQueue) send(t *testing.T, body string) {
	t.Helper()
	if _, err := q.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &q.url, MessageBody: &body}); err != nil {
		t.Fatal(err)
	}
}

// receive waits for one message; empty answers are no reason to give up.
func (q testQueue) receive(t *testing.T) types.Message {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		if m := q.poll(t, 5); len(m) == 1 {
			return m[0]
		}
	}
	t.Fatal("no message came")
	return types.Message{}
}

func (q testQueue) poll(t *testing.T, wait int32) []types.Message {
	t.Helper()
	received, err := q.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{
		QueueUrl: &q.url, WaitTimeSeconds: wait,
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameAll},
	})
	if err != nil {
		t.Fatal(err)
	}
	return received.Messages
}

func (q testQueue) setVisibility(t *testing.T, m types.Message, seconds int32) error {
	t.Helper()
	_, err := q.ChangeMessageVisibility(t.Context(), &sqs.ChangeMessageVisibilityInput{
		QueueUrl: &q.url, ReceiptHandle: m.ReceiptHandle, VisibilityTimeout: seconds,
	})
	return err
}

// counts returns visible, in flight, delayed.
func (q testQueue) counts(t *testing.T) string {
	t.Helper()
	got, err := q.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{
		QueueUrl: &q.url, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameAll},
	})
	if err != nil {
		t.Fatal(err)
	}
	a := got.Attributes
	return fmt.Sprintf("%s %s %s", a["ApproximateNumberOfMessages"], a["ApproximateNumberOfMessagesNotVisible"], a["ApproximateNumberOfMessagesDelayed"])
}

func TestSQSReceipts(t *testing.T) {
	t.Parallel()
	q := newQueue(t, nil)
	q.send(t, "body")
	first := q.receive(t)
	if *first.Body != "body" || first.Attributes["ApproximateReceiveCount"] != "1" || first.Attributes["SentTimestamp"] == "" {
		t.Errorf("received %q with %v", *first.Body, first.Attributes)
	}
	if got := q.counts(t); got != "0 1 0" {
		t.Errorf("counts while in flight: %s", got)
	}
	if err := q.setVisibility(t, first, 0); err != nil {
		t.Fatal(err)
	}
	second := q.receive(t)
	if second.Attributes["ApproximateReceiveCount"] != "2" || *second.ReceiptHandle == *first.ReceiptHandle {
		t.Errorf("received again with %v and receipt %s", second.Attributes, *second.ReceiptHandle)
	}

	var stale *types.MessageNotInflight
	if err := q.setVisibility(t, first, 60); !errors.As(err, &stale) {
		t.Errorf("a stale receipt is answered with %v", err)
	}
	remove := func(m types.Message) {
		if _, err := q.DeleteMessage(t.Context(), &sqs.DeleteMessageInput{QueueUrl: &q.url, ReceiptHandle: m.ReceiptHandle}); err != nil {
			t.Error(err)
		}
	}
	remove(first)
	if got := q.counts(t); got != "0 1 0" {
		t.Errorf("counts after a delete with a stale receipt: %s", got)
	}
	remove(second)
	if got := q.counts(t); got != "0 0 0" {
		t.Errorf("counts after the delete: %s", got)
	}
}

// The launcher sees to this: fauxqs itself ends timeouts at the next receive.
func TestSQSTimeoutsEndByThemselves(t *testing.T) {
	t.Parallel()
	q := newQueue(t, map[string]string{"VisibilityTimeout": "1"})
	q.send(t, "body")
	m := q.receive(t)
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for deadline := time.Now().Add(patience); q.counts(t) != "1 0 0"; <-again.C {
		if time.Now().After(deadline) {
			t.Fatalf("still in flight: %s", q.counts(t))
		}
	}
	var stale *types.MessageNotInflight
	if err := q.setVisibility(t, m, 60); !errors.As(err, &stale) {
		t.Errorf("a receipt whose time is over is answered with %v", err)
	}
}

// The launcher sees to this too: fauxqs itself gives the message to the poll that nobody reads.
func TestSQSCancelledPollTakesNothing(t *testing.T) {
	t.Parallel()
	q := newQueue(t, nil)
	for range 3 {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		_, err := q.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &q.url, WaitTimeSeconds: 20})
		cancel()
		if err == nil {
			t.Fatal("the poll should be cut off")
		}
	}
	q.send(t, "body")
	if m := q.receive(t); m.Attributes["ApproximateReceiveCount"] != "1" {
		t.Errorf("somebody else received it: %v", m.Attributes)
	}
}

func TestSQSDeadLetters(t *testing.T) {
	t.Parallel()
	dead := newQueue(t, nil)
	attributes, err := dead.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{
		QueueUrl: &dead.url, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameQueueArn},
	})
	if err != nil {
		t.Fatal(err)
	}
	q := newQueue(t, map[string]string{
		"RedrivePolicy": fmt.Sprintf(`{"deadLetterTargetArn":%q,"maxReceiveCount":2}`, attributes.Attributes["QueueArn"]),
	})
	q.send(t, "poison")
	for range 2 {
		if err := q.setVisibility(t, q.receive(t), 0); err != nil {
			t.Fatal(err)
		}
	}
	if m := q.poll(t, 0); len(m) != 0 {
		t.Errorf("received a third time: %v", m)
	}
	if m := dead.receive(t); *m.Body != "poison" {
		t.Errorf("dead letter %q", *m.Body)
	}
}
