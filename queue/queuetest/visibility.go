package queuetest

import (
	"context"
	"errors"
	"time"

	"github.com/seed-56345083/reprise/queue"
)

// redelivered receives the message anew after its timeout, and returns both receives.
func (f *fixture) redelivered() (first, second queue.Message) {
	f.Helper()
	f.send("one")
	first = f.one(f.Work, f.unit)
	f.pass(f.unit)
	return first, f.one(f.Work, visibility)
}

func testRedelivery(f *fixture) {
	f.send("one")
	first := f.one(f.Work, 2*f.unit)
	f.none(f.Work)
	f.pass(2 * f.unit)
	second := f.one(f.Work, visibility)
	if second.ID != first.ID || string(second.Body) != "one" || second.Receives != 2 || second.Receipt == first.Receipt ||
		!second.Sent.Equal(first.Sent) {
		f.Errorf("received %+v, then %+v, want the same message received twice with another receipt", first, second)
	}
	f.must(f.remove(f.Work, second.Receipt))
	f.counts(f.Work, queue.Counts{})
}

func testExtend(f *fixture) {
	f.send("one", "two")
	messages := f.take(f.Work, 2, 3*f.unit)
	f.must(f.change(f.Work, messages[0].Receipt, visibility))
	f.pass(3 * f.unit)
	if m := f.one(f.Work, visibility); string(m.Body) != "two" { // so the time of both is over
		f.Errorf("received %q, want the message that was not extended", m.Body)
	}
	f.none(f.Work)
	f.must(f.change(f.Work, messages[0].Receipt, f.unit)) // from now: shorter than before
	f.pass(f.unit)
	if m := f.one(f.Work, visibility); string(m.Body) != "one" || m.Receives != 2 {
		f.Errorf("received %+v, want one for the second time", m)
	}
}

func testGiveBack(f *fixture) {
	f.send("one")
	first := f.one(f.Work, visibility)
	f.must(f.change(f.Work, first.Receipt, 0))
	if m := f.one(f.Work, visibility); m.Receives != 2 || m.ID != first.ID {
		f.Errorf("received %+v, want it for the second time", m)
	}
}

func testStaleAfterRedelivery(f *fixture) {
	first, second := f.redelivered()
	f.stale("ChangeVisibility", f.change(f.Work, first.Receipt, 0), f.h.ChangeTellsStale)
	if f.h.ChangeTellsStale { // and it has changed nothing
		f.none(f.Work)
		f.must(f.change(f.Work, second.Receipt, visibility))
	}
	f.stale("Delete", f.remove(f.Work, first.Receipt), f.h.DeleteTellsStale)
	if f.h.ChangeTellsStale && f.h.DeleteTellsStale {
		f.none(f.Work)
		f.counts(f.Work, queue.Counts{InFlight: 1})
		f.must(f.change(f.Work, second.Receipt, visibility))
	}
	f.must(f.remove(f.Work, second.Receipt))
	f.counts(f.Work, queue.Counts{})
}

func testStaleAfterDelete(f *fixture) {
	f.send("one")
	m := f.one(f.Work, visibility)
	f.must(f.remove(f.Work, m.Receipt))
	if err := f.change(f.Work, m.Receipt, visibility); !errors.Is(err, queue.ErrStaleReceipt) {
		f.Errorf("ChangeVisibility of a deleted message: %v, want ErrStaleReceipt", err)
	}
}

func testStaleAfterGiveBack(f *fixture) {
	f.send("one")
	m := f.one(f.Work, visibility)
	f.must(f.change(f.Work, m.Receipt, 0))
	f.stale("ChangeVisibility", f.change(f.Work, m.Receipt, visibility), f.h.ChangeTellsStale)
	if f.h.ChangeTellsStale { // and it is not hidden again
		f.one(f.Work, visibility)
	}
}

func testUnknownReceipt(f *fixture) {
	for _, receipt := range []string{"nonsense", "", "1.zz.3"} {
		if err := f.change(f.Work, receipt, 0); !errors.Is(err, queue.ErrStaleReceipt) {
			f.Errorf("ChangeVisibility(%q): %v, want ErrStaleReceipt", receipt, err)
		}
		if err := f.remove(f.Work, receipt); f.h.DeleteTellsStale && !errors.Is(err, queue.ErrStaleReceipt) {
			f.Errorf("Delete(%q): %v, want ErrStaleReceipt", receipt, err)
		}
	}
}

func testBatchErrorNamesEntries(f *fixture) {
	f.send(numbered(3)...)
	m := f.take(f.Work, 3, visibility)
	f.must(f.remove(f.Work, m[1].Receipt))
	err := f.Work.ChangeVisibility(context.Background(), []queue.Change{
		{Receipt: m[0].Receipt}, {Receipt: m[1].Receipt}, {Receipt: m[2].Receipt, Visibility: visibility},
	})
	batch := (*queue.BatchError)(nil)
	if !errors.As(err, &batch) || len(batch.Errs) != 1 || !errors.Is(batch.Errs[1], queue.ErrStaleReceipt) {
		f.Fatalf("ChangeVisibility: %v, want a BatchError with ErrStaleReceipt for entry 1 alone", err)
	}
	for i, stale := range []bool{false, true, false} {
		if got := errors.Is(queue.EntryError(err, i), queue.ErrStaleReceipt); got != stale {
			f.Errorf("entry %d is stale: %t, want %t", i, got, stale)
		}
	}
	if again := f.one(f.Work, visibility); again.ID != m[0].ID { // the others were done
		f.Errorf("received %q, want the message that the batch gave back", again.Body)
	}
	f.none(f.Work)
}

func testMaxVisibility(f *fixture) {
	if f.Advance == nil || !f.h.LimitsHold {
		f.Skip("needs hours, or a driver whose clock can be moved")
	}
	f.send("one")
	m := f.one(f.Work, queue.MaxVisibility)
	f.pass(queue.MaxVisibility - time.Hour)
	if err := f.change(f.Work, m.Receipt, 2*time.Hour); !errors.Is(err, queue.ErrInvalid) || errors.Is(err, queue.ErrStaleReceipt) {
		f.Errorf("holding a message for %s: %v, want ErrInvalid", queue.MaxVisibility+time.Hour, err)
	}
	f.must(f.change(f.Work, m.Receipt, time.Hour))
	f.pass(time.Hour)
	if m := f.one(f.Work, visibility); m.Receives != 2 {
		f.Errorf("Receives = %d, want 2", m.Receives)
	}
}
