package faults_test

import (
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/seed-56345083/reprise/internal/faults"
	"github.com/seed-56345083/reprise/queue"
	"github.com/seed-56345083/reprise/queue/queuetest"
)

// TestForgetfulQueue: the suite, as a driver runs it that cannot tell.
func TestForgetfulQueue(t *testing.T) {
	t.Parallel()
	queuetest.Run(t, queuetest.Harness{
		Driver: "faults (forgetful) over sqlitequeue", LimitsHold: true,
		Open: func(tb testing.TB) queuetest.Queues {
			c := &clock{now: time.Unix(1_700_000_000, 0)}
			path := filepath.Join(tb.TempDir(), "queue.db")
			return queuetest.Queues{
				Work: faults.Forgetful(openQueue(tb, path, "work", "dead", c.Now)),
				Dead: faults.Forgetful(openQueue(tb, path, "dead", "", c.Now)), Advance: c.Advance,
			}
		},
	})
}

// TestForgetful: an old receipt gives back, holds and deletes the message that somebody else has.
func TestForgetful(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	c := &clock{now: time.Unix(1_700_000_000, 0)}
	q := faults.Forgetful(openQueue(t, filepath.Join(t.TempDir(), "queue.db"), "work", "", c.Now))
	receive := func() []queue.Message {
		messages, err := q.Receive(ctx, queue.ReceiveParams{Max: 1, Visibility: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		return messages
	}
	change := func(receipt string, d time.Duration) error {
		return q.ChangeVisibility(ctx, []queue.Change{{Receipt: receipt, Visibility: d}})
	}
	if err := q.Send(ctx, []queue.Outgoing{{Body: []byte("x")}}); err != nil {
		t.Fatal(err)
	}
	old := receive()[0].Receipt
	c.Advance(time.Minute)
	if err := change(old, time.Hour); err != nil { // it is visible
		t.Error(err)
	}
	if len(receive()) != 1 {
		t.Fatal("the message is hidden")
	}
	if err := change(old, 0); err != nil {
		t.Error(err)
	}
	if len(receive()) != 1 {
		t.Fatal("the message is not given back")
	}
	if err := change(old, time.Hour); err != nil {
		t.Error(err)
	}
	c.Advance(time.Minute)
	if len(receive()) != 0 {
		t.Fatal("the message is not held")
	}
	if err := q.Delete(ctx, []string{old}); err != nil {
		t.Error(err)
	}
	if n, err := q.Counts(ctx); err != nil || !n.Idle() {
		t.Errorf("the queue holds %+v, %v", n, err)
	}
	if err := change(old, 0); !errors.Is(err, queue.ErrStaleReceipt) {
		t.Errorf("changing a deleted message: %v, want ErrStaleReceipt", err)
	}
	if deletes, changes := q.Old(); deletes != 1 || changes != 2 {
		t.Errorf("%d deletes and %d changes by old receipts, want 1 and 2", deletes, changes)
	}
}
