package queuetest

import (
	"context"
	"errors"
	"time"

	"github.com/seed-56345083/reprise/queue"
)

// longPoll begins a Receive in the background.
func (f *fixture) longPoll(ctx context.Context, wait, visibility time.Duration) <-chan result {
	done := make(chan result, 1)
	begin := time.Now()
	go func() {
		messages, err := f.Work.Receive(ctx, queue.ReceiveParams{Max: 1, Wait: wait, Visibility: visibility})
		done <- result{messages: messages, err: err, took: time.Since(begin)}
	}()
	return done
}

type result struct {
	messages []queue.Message
	err      error
	took     time.Duration
}

func testLongPollEndsEarly(f *fixture) {
	done := f.longPoll(context.Background(), queue.MaxWait, visibility)
	f.send("one")
	if r := <-done; r.err != nil || len(r.messages) != 1 || r.took > queue.MaxWait/2 {
		f.Errorf("a long poll of %s returned %d messages, %v after %s, want 1 as soon as it is there",
			queue.MaxWait, len(r.messages), r.err, r.took)
	}
}

func testLongPollSeesDelayEnd(f *fixture) {
	f.must(f.Work.Send(context.Background(), []queue.Outgoing{{Body: []byte("x"), Delay: f.unit}}))
	done := f.longPoll(context.Background(), queue.MaxWait, visibility)
	f.pass(f.unit)
	if r := <-done; r.err != nil || len(r.messages) != 1 || r.took > queue.MaxWait/2 {
		f.Errorf("returned %d messages, %v after %s, want 1 after %s", len(r.messages), r.err, r.took, f.unit)
	}
}

func testLongPollEmpty(f *fixture) {
	const wait = time.Second
	r := <-f.longPoll(context.Background(), wait, visibility)
	if r.err != nil || len(r.messages) != 0 {
		f.Errorf("returned %d messages, %v, want none", len(r.messages), r.err)
	}
	if r.took < wait*9/10 || r.took > wait+patience/2 {
		f.Errorf("took %s, want %s", r.took, wait)
	}
}

func testLongPollCancelled(f *fixture) {
	held := visibility
	if f.h.PollsOutliveContext {
		held = f.unit
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := f.longPoll(ctx, queue.MaxWait, held)
	f.none(f.Dead) // lets the poll begin
	begin := time.Now()
	cancel()
	r := <-done
	if !errors.Is(r.err, context.Canceled) || len(r.messages) != 0 {
		f.Errorf("returned %d messages, %v, want context.Canceled", len(r.messages), r.err)
	}
	if took := time.Since(begin); took > queue.MaxWait/2 {
		f.Errorf("returned %s after the context ended", took)
	}
	f.send("one")
	f.one(f.Work, visibility) // the poll that ended takes no message with it, or not for longer than it held it
}

func testContextEnded(f *fixture) {
	f.send("one")
	m := f.one(f.Work, visibility)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, receiveErr := f.Work.Receive(ctx, queue.ReceiveParams{Max: 1, Visibility: visibility})
	_, countErr := f.Work.Counts(ctx)
	for name, err := range map[string]error{
		"Send":             f.Work.Send(ctx, []queue.Outgoing{{Body: []byte("x")}}),
		"Receive":          receiveErr,
		"Delete":           f.Work.Delete(ctx, []string{m.Receipt}),
		"ChangeVisibility": f.Work.ChangeVisibility(ctx, []queue.Change{{Receipt: m.Receipt}}),
		"Counts":           countErr,
	} {
		if !errors.Is(err, context.Canceled) {
			f.Errorf("%s: %v, want context.Canceled", name, err)
		}
	}
	f.counts(f.Work, queue.Counts{InFlight: 1})
}
