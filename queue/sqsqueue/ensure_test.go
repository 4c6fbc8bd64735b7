package sqsqueue_test

import (
	"context"
	"errors"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/seed-56345083/reprise/internal/realservers"
	"github.com/seed-56345083/reprise/queue"
	"github.com/seed-56345083/reprise/queue/sqsqueue"
)

const day = 24 * time.Hour

// ensure makes the queues and removes them at the end.
func ensure(t *testing.T, client *sqs.Client, spec sqsqueue.Spec) []sqsqueue.Step {
	t.Helper()
	steps, err := sqsqueue.Ensure(context.Background(), client, spec)
	check(t, err)
	t.Cleanup(func() { remove(t, client, spec) })
	return steps
}

// actions counts what Ensure did.
func actions(steps []sqsqueue.Step) map[sqsqueue.Action]int {
	n := map[sqsqueue.Action]int{}
	for _, s := range steps {
		n[s.Action]++
	}
	return n
}

func create(t *testing.T, client *sqs.Client, name string, attributes map[string]string) sqsqueue.Attributes {
	t.Helper()
	_, err := client.CreateQueue(context.Background(), &sqs.CreateQueueInput{QueueName: &name, Attributes: attributes})
	check(t, err)
	a, err := open(t, client, name).Attributes(context.Background())
	check(t, err)
	return a
}

// TestEnsureMakes runs on two servers: fauxqs knows nothing of encryption and redrive-allow policies; moto knows both, and
// tells of the first.
func TestEnsureMakes(t *testing.T) {
	t.Parallel()
	for name, server := range map[string]func(testing.TB) string{"fauxqs": realservers.SQS, "moto": realservers.Moto} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, client, spec := context.Background(), clientOf(t, server(t)), names(t)
			steps := ensure(t, client, spec)
			if n := actions(steps); n[sqsqueue.Made] != 2 || n[sqsqueue.Changed]+n[sqsqueue.Refused]+n[sqsqueue.Kept] > 0 {
				t.Errorf("steps = %+v", steps)
			}
			work, err := open(t, client, spec.Work).Attributes(ctx)
			check(t, err)
			dead, err := open(t, client, spec.Dead).Attributes(ctx)
			check(t, err)
			if work.Visibility != 5*time.Minute || work.Retention != 10*day || work.Wait != queue.MaxWait || work.Delay != 0 ||
				work.DeadLetterARN != dead.ARN || work.MaxReceives != 10 || !strings.HasSuffix(work.ARN, ":"+spec.Work) {
				t.Errorf("work queue: %+v", work)
			}
			if dead.Retention != 14*day || dead.DeadLetterARN != "" || !dead.RedriveAllow.Allows(work.ARN) {
				t.Errorf("dead-letter queue: %+v", dead)
			}
			unsupported := actions(steps)[sqsqueue.Unsupported]
			if name == "fauxqs" && unsupported != 3 {
				t.Errorf("%d settings are unsupported, want 3: %+v", unsupported, steps)
			}
			if name == "moto" && (unsupported != 0 || !work.Encrypted() || !dead.Encrypted()) {
				t.Errorf("work queue: %+v, dead-letter queue: %+v, %+v", work, dead, steps)
			}

			again, err := sqsqueue.Ensure(ctx, client, spec)
			check(t, err)
			if n := actions(again); n[sqsqueue.Made]+n[sqsqueue.Changed]+n[sqsqueue.Refused] > 0 || n[sqsqueue.Found] == 0 {
				t.Errorf("the second time: %+v", again)
			}
		})
	}
}

func TestEnsureTogether(t *testing.T) {
	t.Parallel()
	client, spec := clientOf(t, realservers.SQS(t)), names(t)
	t.Cleanup(func() { remove(t, client, spec) })
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			if _, err := sqsqueue.Ensure(context.Background(), client, spec); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
}

// TestEnsureKeeps has queues that somebody made by hand: what was left at its default is put right, the rest stays.
func TestEnsureKeeps(t *testing.T) {
	t.Parallel()
	ctx, client, spec := context.Background(), clientOf(t, realservers.SQS(t)), names(t)
	t.Cleanup(func() { remove(t, client, spec) })
	create(t, client, spec.Work, map[string]string{"VisibilityTimeout": "77", "DelaySeconds": "5"})
	create(t, client, spec.Dead, map[string]string{"MessageRetentionPeriod": "86400"})
	steps, err := sqsqueue.Ensure(ctx, client, spec)
	check(t, err)
	work, err := open(t, client, spec.Work).Attributes(ctx)
	check(t, err)
	dead, err := open(t, client, spec.Dead).Attributes(ctx)
	check(t, err)
	if work.Visibility != 77*time.Second || work.Delay != 5*time.Second || dead.Retention != day {
		t.Errorf("what somebody set was changed: %+v, %+v", work, dead)
	}
	if work.Retention != 10*day || work.DeadLetterARN != dead.ARN || work.MaxReceives != 10 {
		t.Errorf("what nobody set was not put right: %+v", work)
	}
	got := map[string]sqsqueue.Action{}
	for _, s := range steps {
		if s.Setting != "SqsManagedSseEnabled" && s.Action != sqsqueue.Found {
			got[strings.TrimPrefix(s.Queue, spec.Work)+" "+s.Setting] = s.Action
		}
		if s.Action == sqsqueue.Kept && (s.Have == s.Want || s.Why == "") {
			t.Errorf("kept without a reason: %+v", s)
		}
	}
	want := map[string]sqsqueue.Action{
		" VisibilityTimeout":          sqsqueue.Kept,
		" DelaySeconds":               sqsqueue.Kept,
		" MessageRetentionPeriod":     sqsqueue.Changed,
		" RedrivePolicy":              sqsqueue.Changed,
		"-dlq MessageRetentionPeriod": sqsqueue.Kept,
		"-dlq RedriveAllowPolicy":     sqsqueue.Kept,
	}
	if !maps.Equal(got, want) {
		t.Errorf("steps %v, want %v", got, want)
	}
}

// TestEnsureRefuses has dead letters that go where nobody looks for them.
func TestEnsureRefuses(t *testing.T) {
	t.Parallel()
	client := clientOf(t, realservers.SQS(t))
	redriveTo := func(a sqsqueue.Attributes) map[string]string {
		return map[string]string{"RedrivePolicy": `{"deadLetterTargetArn":"` + a.ARN + `","maxReceiveCount":"4"}`}
	}
	for name, prepare := range map[string]func(t *testing.T, s sqsqueue.Spec, other sqsqueue.Attributes){
		"another dead-letter queue": func(t *testing.T, s sqsqueue.Spec, other sqsqueue.Attributes) {
			create(t, client, s.Work, redriveTo(other))
		},
		"dead letters that go on": func(t *testing.T, s sqsqueue.Spec, other sqsqueue.Attributes) {
			create(t, client, s.Dead, redriveTo(other))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			spec := names(t)
			other := create(t, client, spec.Work+"-other", nil)
			prepare(t, spec, other)
			steps, err := sqsqueue.Ensure(context.Background(), client, spec)
			t.Cleanup(func() {
				remove(t, client, spec)
				_, err := client.DeleteQueue(context.Background(), &sqs.DeleteQueueInput{QueueUrl: aws.String(other.URL)})
				check(t, err)
			})
			if !errors.Is(err, sqsqueue.ErrRefused) || !strings.Contains(err.Error(), spec.Work) || actions(steps)[sqsqueue.Refused] != 1 {
				t.Errorf("Ensure: %v, %+v", err, steps)
			}
		})
	}
}

func TestEnsureChecks(t *testing.T) {
	t.Parallel()
	client := clientOf(t, "http://127.0.0.1:1") // nobody is asked
	for name, spec := range map[string]sqsqueue.Spec{
		"no name":             {Work: "work"},
		"one queue":           {Work: "work", Dead: "work"},
		"FIFO":                {Work: "work.fifo", Dead: "dead.fifo"},
		"visibility":          {Work: "work", Dead: "dead", Visibility: 13 * time.Hour},
		"receives":            {Work: "work", Dead: "dead", MaxReceives: 1001},
		"short dead letters":  {Work: "work", Dead: "dead", Retention: 10 * day, DeadRetention: 9 * day},
		"too long a lifetime": {Work: "work", Dead: "dead", DeadRetention: 15 * day},
	} {
		if steps, err := sqsqueue.Ensure(context.Background(), client, spec); err == nil || len(steps) > 0 {
			t.Errorf("%s: %v, %+v", name, err, steps)
		}
	}
}
