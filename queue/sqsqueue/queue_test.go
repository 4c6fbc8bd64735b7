package sqsqueue_test

import (
	"context"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/seed-56345083/reprise/internal/awsapi"
	"github.com/seed-56345083/reprise/internal/realservers"
	"github.com/seed-56345083/reprise/queue/queuetest"
	"github.com/seed-56345083/reprise/queue/sqsqueue"
)

func TestMain(m *testing.M) { realservers.Main(m) }

// clientOf returns a client of the server at base, with the deadlines that the product has.
func clientOf(t testing.TB, base string) *sqs.Client {
	t.Helper()
	return sqs.NewFromConfig(awsapi.Prepare(realservers.Config(t)), func(o *sqs.Options) { o.BaseEndpoint = &base })
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// names returns the names of a queue and its dead-letter queue that nobody else has.
func names(t testing.TB) sqsqueue.Spec {
	t.Helper()
	name := realservers.Unique(t, "queue")
	return sqsqueue.Spec{Work: name, Dead: name + "-dlq"}
}

// open opens a queue that is there.
func open(t testing.TB, client *sqs.Client, name string) *sqsqueue.Queue {
	t.Helper()
	q, err := sqsqueue.Open(context.Background(), sqsqueue.Options{Client: client, Name: name})
	check(t, err)
	return q
}

// pair makes a queue with a dead-letter queue, and removes both at the end of the test.
func pair(t testing.TB, client *sqs.Client, maxReceives int) (work, dead *sqsqueue.Queue) {
	t.Helper()
	spec := names(t)
	spec.MaxReceives = maxReceives
	_, err := sqsqueue.Ensure(context.Background(), client, spec)
	check(t, err)
	t.Cleanup(func() { remove(t, client, spec) })
	return open(t, client, spec.Work), open(t, client, spec.Dead)
}

func remove(t testing.TB, client *sqs.Client, spec sqsqueue.Spec) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for _, name := range []string{spec.Work, spec.Dead} {
		out, err := client.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: aws.String(name)})
		if err == nil {
			_, err = client.DeleteQueue(ctx, &sqs.DeleteQueueInput{QueueUrl: out.QueueUrl})
		}
		if err != nil {
			t.Errorf("removing %s: %v", name, err)
		}
	}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	client := clientOf(t, realservers.SQS(t))
	queuetest.Run(t, queuetest.Harness{Driver: "sqsqueue on fauxqs", PollsOutliveContext: true, Unit: 4 * time.Second, Open: func(t testing.TB) queuetest.Queues {
		work, dead := pair(t, client, queuetest.MaxReceives)
		return queuetest.Queues{Work: work, Dead: dead}
	}})
}
