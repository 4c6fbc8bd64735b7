package queue_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/seed-56345083/reprise/queue"
)

func TestBatchError(t *testing.T) {
	t.Parallel()
	other := errors.New("other")
	err := fmt.Errorf("deleting: %w", &queue.BatchError{Errs: map[int]error{7: other, 2: queue.ErrStaleReceipt}})
	if want := "deleting: 2 entries of the batch failed, the first (2): stale receipt handle"; err.Error() != want {
		t.Errorf("Error() = %q, want %q", err, want)
	}
	if !errors.Is(err, other) || !errors.Is(err, queue.ErrStaleReceipt) {
		t.Error("errors.Is does not see the entries")
	}
	for i, want := range map[int]error{0: nil, 2: queue.ErrStaleReceipt, 7: other} {
		if got := queue.EntryError(err, i); !errors.Is(got, want) {
			t.Errorf("EntryError(%d) = %v, want %v", i, got, want)
		}
	}
	if queue.EntryError(nil, 3) != nil || !errors.Is(queue.EntryError(other, 3), other) {
		t.Error("an error that is no BatchError is every entry's")
	}
}

func TestCountsIdle(t *testing.T) {
	t.Parallel()
	for c, want := range map[queue.Counts]bool{{}: true, {Visible: 1}: false, {InFlight: 1}: false, {Delayed: 1}: false} {
		if c.Idle() != want {
			t.Errorf("%+v.Idle() = %t", c, c.Idle())
		}
	}
}
