package queuetest

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/seed-56345083/reprise/queue"
)

// wear receives the one visible message as often as the redrive policy allows, giving it back each time.
func (f *fixture) wear() (last queue.Message) {
	f.Helper()
	for i := range MaxReceives {
		last = f.one(f.Work, visibility)
		if last.Receives != i+1 {
			f.Fatalf("Receives = %d, want %d", last.Receives, i+1)
		}
		f.must(f.change(f.Work, last.Receipt, 0))
	}
	return last
}

// bury sends messages and lets them end in the dead-letter queue.
func (f *fixture) bury(bodies ...string) {
	f.Helper()
	for _, body := range bodies {
		f.send(body)
		f.wear()
		f.none(f.Work)
	}
	f.counts(f.Dead, queue.Counts{Visible: int64(len(bodies))})
}

func testRedrive(f *fixture) {
	f.send("one")
	last := f.wear()
	f.none(f.Work)
	dead := f.one(f.Dead, visibility)
	if string(dead.Body) != "one" || dead.Receipt == last.Receipt || dead.Receives < 1 {
		f.Errorf("the dead-letter queue has %+v, want the same body with a new receipt", dead)
	}
	f.counts(f.Work, queue.Counts{})
	f.stale("ChangeVisibility", f.change(f.Work, last.Receipt, visibility), f.h.ChangeTellsStale)
	f.must(f.remove(f.Dead, dead.Receipt))
	f.counts(f.Dead, queue.Counts{})
}

func testRedriveOnlyTheDead(f *fixture) {
	f.send("dead")
	f.wear()
	fresh := numbered(queue.MaxBatch)
	f.send(fresh...)
	if got := bodies(f.take(f.Work, len(fresh), visibility)); !slices.Equal(got, fresh) {
		f.Errorf("received %q, want the messages that were not received too often", got)
	}
	f.none(f.Work)
	if m := f.one(f.Dead, visibility); string(m.Body) != "dead" {
		f.Errorf("the dead-letter queue has %q", m.Body)
	}
	f.none(f.Dead)
}

func testCounts(f *fixture) {
	f.send(numbered(5)...)
	f.must(f.Work.Send(context.Background(), []queue.Outgoing{{Body: []byte("later"), Delay: queue.MaxDelay}}))
	f.counts(f.Work, queue.Counts{Visible: 5, Delayed: 1})
	held := f.take(f.Work, 3, visibility)
	f.counts(f.Work, queue.Counts{Visible: 2, InFlight: 3, Delayed: 1})
	f.must(f.change(f.Work, held[0].Receipt, 0))
	f.must(f.remove(f.Work, held[1].Receipt))
	f.counts(f.Work, queue.Counts{Visible: 3, InFlight: 1, Delayed: 1})
	f.counts(f.Dead, queue.Counts{})
}

func testMoveBack(f *fixture) {
	want := numbered(3)
	f.bury(want...)
	moved, dropped, err := queue.Move(context.Background(), f.Dead, f.Work, visibility, 0,
		func(queue.Message) (queue.Fate, error) { return queue.Send, nil })
	if moved != len(want) || dropped != 0 || err != nil {
		f.Fatalf("Move = %d, %d, %v, want %d moved", moved, dropped, err, len(want))
	}
	f.counts(f.Dead, queue.Counts{})
	messages := f.take(f.Work, len(want), visibility)
	if got := bodies(messages); !slices.Equal(got, want) {
		f.Errorf("received %q, want %q", got, want)
	}
	if messages[0].Receives != 1 {
		f.Errorf("Receives = %d, want 1: a message that was moved begins anew", messages[0].Receives)
	}
}

func testMoveDecides(f *fixture) {
	f.send(numbered(12)...)
	moved, dropped, err := queue.Move(context.Background(), f.Work, f.Dead, visibility, 0, func(m queue.Message) (queue.Fate, error) {
		var n int
		_, err := fmt.Sscanf(string(m.Body), `{"n":"%d"}`, &n)
		return queue.Fate(n % 3), err
	})
	if moved != 4 || dropped != 4 || err != nil {
		f.Fatalf("Move = %d, %d, %v, want 4 moved, 4 dropped", moved, dropped, err)
	}
	f.counts(f.Work, queue.Counts{Visible: 4})
	f.counts(f.Dead, queue.Counts{Visible: 4})
	for _, m := range f.take(f.Work, 4, visibility) {
		if m.Receives != 2 {
			f.Errorf("Receives = %d, want 2: each message is looked at once", m.Receives)
		}
	}
}

func testMoveLimit(f *fixture) {
	f.send(numbered(15)...)
	moved, _, err := queue.Move(context.Background(), f.Work, f.Dead, visibility, 12,
		func(queue.Message) (queue.Fate, error) { return queue.Send, nil })
	if moved != 12 || err != nil {
		f.Fatalf("Move = %d, %v, want 12 moved", moved, err)
	}
	f.counts(f.Work, queue.Counts{Visible: 3})
}

func testMoveErrorGivesBack(f *fixture) {
	f.send(numbered(8)...)
	ctx, cancel := context.WithCancel(context.Background())
	own := errors.New("cannot decide")
	seen := 0
	_, _, err := queue.Move(ctx, f.Work, f.Dead, visibility, 0, func(queue.Message) (queue.Fate, error) {
		if seen++; seen == 4 {
			cancel() // and yet all are given back
			return queue.Send, own
		}
		return queue.Keep, nil
	})
	if !errors.Is(err, own) {
		f.Fatalf("Move: %v, want the error of the decision", err)
	}
	f.counts(f.Work, queue.Counts{Visible: 8})
	f.counts(f.Dead, queue.Counts{})
}
