package sqsqueue_test

import (
	"errors"
	"testing"
	"time"

	"github.com/seed-56345083/reprise/internal/realservers"
	"github.com/seed-56345083/reprise/queue"
	"github.com/seed-56345083/reprise/queue/sqsqueue"
)

// TestCheck: everything is allowed here, and trying it sends and receives nothing.
func TestCheck(t *testing.T) {
	t.Parallel()
	client := clientOf(t, realservers.SQS(t))
	work, _ := pair(t, client, 10)
	check(t, work.Send(t.Context(), []queue.Outgoing{{Body: []byte("real")}}))
	findings := work.Check(t.Context())
	for _, f := range findings {
		if f.Err != nil {
			t.Errorf("%s: %v", f.Action, f.Err)
		}
	}
	if len(findings) != 6 {
		t.Errorf("%d findings: %v", len(findings), findings)
	}
	messages, err := work.Receive(t.Context(), queue.ReceiveParams{Max: 10, Visibility: time.Minute})
	check(t, err)
	if len(messages) != 1 || string(messages[0].Body) != "real" || messages[0].Receives != 1 {
		t.Errorf("afterwards the queue has %+v, want its one message, never received", messages)
	}
}

// TestEnsureMixedUp has the names of the two queues the wrong way round: they stay as they are.
func TestEnsureMixedUp(t *testing.T) {
	t.Parallel()
	client, spec := clientOf(t, realservers.SQS(t)), names(t)
	t.Cleanup(func() { remove(t, client, spec) })
	_, err := sqsqueue.Ensure(t.Context(), client, spec)
	check(t, err)
	before, err := open(t, client, spec.Dead).Attributes(t.Context())
	check(t, err)
	steps, err := sqsqueue.Ensure(t.Context(), client, sqsqueue.Spec{Work: spec.Dead, Dead: spec.Work})
	if !errors.Is(err, sqsqueue.ErrRefused) || actions(steps)[sqsqueue.Changed] != 0 {
		t.Errorf("Ensure: %v, %+v", err, steps)
	}
	after, err := open(t, client, spec.Dead).Attributes(t.Context())
	check(t, err)
	if after.DeadLetterARN != "" || after.Retention != before.Retention {
		t.Errorf("the dead-letter queue was %+v, and is %+v", before, after)
	}
}
