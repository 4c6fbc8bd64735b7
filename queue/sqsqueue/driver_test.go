package sqsqueue_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/seed-56345083/reprise/internal/realservers"
	"github.com/seed-56345083/reprise/queue"
	"github.com/seed-56345083/reprise/queue/sqsqueue"
)

// What the suite cannot ask of every driver.

func TestOpenMissing(t *testing.T) {
	t.Parallel()
	name := realservers.Unique(t, "missing")
	_, err := sqsqueue.Open(context.Background(), sqsqueue.Options{Client: clientOf(t, realservers.SQS(t)), Name: name})
	if !errors.Is(err, sqsqueue.ErrNotFound) {
		t.Fatalf("Open: %v, want ErrNotFound", err)
	}
	for _, part := range []string{name, realservers.Region, "reprise init --aws"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("the error does not name %s: %v", part, err)
		}
	}
}

func TestOpenRefusesNames(t *testing.T) {
	t.Parallel()
	client := clientOf(t, "http://127.0.0.1:1") // nobody is asked
	for _, name := range []string{
		"", "work.fifo", "https://sqs.eu-west-1.amazonaws.com/123456789012/work", "arn:aws:sqs:eu-west-1:123456789012:work",
		"a b", strings.Repeat("x", 81),
	} {
		if _, err := sqsqueue.Open(context.Background(), sqsqueue.Options{Client: client, Name: name}); err == nil || errors.Is(err, sqsqueue.ErrNotFound) {
			t.Errorf("Open(%q): %v", name, err)
		}
	}
}

// TestDeletedQueue: somebody deletes the queue under a running worker.
func TestDeletedQueue(t *testing.T) {
	t.Parallel()
	ctx, client := context.Background(), clientOf(t, realservers.SQS(t))
	spec := names(t)
	_, err := sqsqueue.Ensure(ctx, client, spec)
	check(t, err)
	q := open(t, client, spec.Work)
	remove(t, client, spec)
	_, receiveErr := q.Receive(ctx, queue.ReceiveParams{Max: 1, Visibility: time.Minute})
	_, countErr := q.Counts(ctx)
	for call, err := range map[string]error{
		"Send":             q.Send(ctx, []queue.Outgoing{{Body: []byte("x")}}),
		"Receive":          receiveErr,
		"Delete":           q.Delete(ctx, []string{"x"}),
		"ChangeVisibility": q.ChangeVisibility(ctx, []queue.Change{{Receipt: "x"}}),
		"Counts":           countErr,
	} {
		if !errors.Is(err, sqsqueue.ErrNotFound) || errors.Is(err, queue.ErrStaleReceipt) || !strings.Contains(err.Error(), spec.Work) {
			t.Errorf("%s: %v, want ErrNotFound with the queue's name", call, err)
		}
	}
}

// TestLargeBatch sends more than any server takes in one call.
func TestLargeBatch(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	work, _ := pair(t, clientOf(t, realservers.SQS(t)), 10)
	sizes := []int{queue.MaxBody, 1, 100 << 10, 100 << 10, 56 << 10, 200 << 10, 57 << 10, 1, queue.MaxBody, queue.MaxBody}
	messages := make([]queue.Outgoing, len(sizes))
	want := map[string]bool{}
	for i, size := range sizes {
		messages[i].Body = bytes.Repeat([]byte{byte('a' + i)}, size)
		want[string(messages[i].Body)] = true
	}
	check(t, work.Send(ctx, messages))
	for len(want) > 0 {
		got, err := work.Receive(ctx, queue.ReceiveParams{Max: 3, Wait: queue.MaxWait, Visibility: time.Hour})
		check(t, err)
		if len(got) == 0 {
			t.Fatalf("%d messages did not come", len(want))
		}
		for _, m := range got {
			if !want[string(m.Body)] {
				t.Errorf("received %d times %q, which was not sent, or again", len(m.Body), m.Body[:1])
			}
			delete(want, string(m.Body))
		}
	}
}

// TestRefusedEntries has a queue that takes only small messages: the rest of the batch goes through, and the large ones
// are named.
func TestRefusedEntries(t *testing.T) {
	t.Parallel()
	ctx, client := context.Background(), clientOf(t, realservers.SQS(t))
	work, _ := pair(t, client, 10)
	a, err := work.Attributes(ctx)
	check(t, err)
	_, err = client.SetQueueAttributes(ctx, &sqs.SetQueueAttributesInput{QueueUrl: &a.URL, Attributes: map[string]string{"MaximumMessageSize": "1024"}})
	check(t, err)
	small, large := []byte("x"), bytes.Repeat([]byte("x"), 2000)
	err = work.Send(ctx, []queue.Outgoing{{Body: small}, {Body: large}, {Body: small}, {Body: large}})
	batch := (*queue.BatchError)(nil)
	if !errors.As(err, &batch) || len(batch.Errs) != 2 || batch.Errs[1] == nil || batch.Errs[3] == nil {
		t.Fatalf("Send: %v, want a BatchError for 1 and 3", err)
	}
	if !strings.Contains(batch.Errs[1].Error(), "InvalidParameterValue") {
		t.Errorf("entry 1: %v, want what the service said", batch.Errs[1])
	}
	if counts, err := work.Counts(ctx); err != nil || counts.Visible != 2 {
		t.Errorf("Counts = %+v, %v, want 2 visible", counts, err)
	}
}

// TestWholeSeconds: what is shorter than a second must not become none.
func TestWholeSeconds(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	work, _ := pair(t, clientOf(t, realservers.SQS(t)), 10)
	check(t, work.Send(ctx, []queue.Outgoing{{Body: []byte("x"), Delay: queue.MaxDelay - time.Millisecond}}))
	if counts, err := work.Counts(ctx); err != nil || counts != (queue.Counts{Delayed: 1}) {
		t.Errorf("Counts = %+v, %v, want 1 delayed", counts, err)
	}
	check(t, work.Send(ctx, []queue.Outgoing{{Body: []byte("y")}}))
	messages, err := work.Receive(ctx, queue.ReceiveParams{Max: 1, Wait: time.Millisecond, Visibility: time.Millisecond})
	if err != nil || len(messages) != 1 {
		t.Fatalf("Receive = %d messages, %v", len(messages), err)
	}
	check(t, work.ChangeVisibility(ctx, []queue.Change{{Receipt: messages[0].Receipt, Visibility: queue.MaxVisibility - time.Millisecond}}))
}

// TestTaskComesBack: the bodies of dead letters, as the pool writes them, are the same after a redrive.
func TestTaskComesBack(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	work, dead := pair(t, clientOf(t, realservers.SQS(t)), 1)
	task := queue.Task{Version: queue.TaskVersion, Replay: "r", Protocol: "dns", Key: "logs/<ü>&\x01\ufffe.gz", Line: 7, Error: "tab\tand\nline"}
	check(t, work.Send(ctx, []queue.Outgoing{{Body: task.Encode()}}))
	for range 2 { // the second one finds that it was received once, which is as often as it may be
		messages, err := work.Receive(ctx, queue.ReceiveParams{Max: 1, Visibility: time.Hour})
		check(t, err)
		for _, m := range messages {
			check(t, work.ChangeVisibility(ctx, []queue.Change{{Receipt: m.Receipt}}))
		}
	}
	moved, _, err := queue.Move(ctx, dead, work, time.Minute, 0, func(queue.Message) (queue.Fate, error) { return queue.Send, nil })
	if moved != 1 || err != nil {
		t.Fatalf("Move = %d, %v, want 1", moved, err)
	}
	messages, err := work.Receive(ctx, queue.ReceiveParams{Max: 1, Wait: queue.MaxWait, Visibility: time.Hour})
	if err != nil || len(messages) != 1 {
		t.Fatalf("Receive = %d messages, %v", len(messages), err)
	}
	if got, err := queue.DecodeTask(messages[0].Body); err != nil || got != task {
		t.Errorf("got %+v, %v, want %+v", got, err, task)
	}
}

// TestForeignTrace: a message that somebody else has sent with what is no trace can be sent on, and so can those with it.
func TestForeignTrace(t *testing.T) {
	t.Parallel()
	ctx, client := context.Background(), clientOf(t, realservers.SQS(t))
	work, dead := pair(t, client, 10)
	a, err := dead.Attributes(ctx)
	check(t, err)
	for _, trace := range []string{"two words", strings.Repeat("x", queue.MaxTrace+1), "00-1-2-01"} {
		_, err := client.SendMessage(ctx, &sqs.SendMessageInput{
			QueueUrl: &a.URL, MessageBody: aws.String(trace),
			MessageAttributes: map[string]types.MessageAttributeValue{"traceparent": {DataType: aws.String("String"), StringValue: &trace}},
		})
		check(t, err)
	}
	moved, _, err := queue.Move(ctx, dead, work, time.Minute, 0, func(queue.Message) (queue.Fate, error) { return queue.Send, nil })
	if moved != 3 || err != nil {
		t.Errorf("%d of 3 were moved, %v", moved, err)
	}
}
