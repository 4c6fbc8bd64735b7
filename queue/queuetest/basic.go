package queuetest

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/seed-56345083/reprise/queue"
)

func testSendReceiveDelete(f *fixture) {
	before := time.Now()
	f.send("one")
	m := f.one(f.Work, visibility)
	if string(m.Body) != "one" || m.Receives != 1 || m.ID == "" || m.Receipt == "" {
		f.Errorf("message = %+v, want the body one, received once, with id and receipt", m)
	}
	if f.Advance == nil && (m.Sent.Before(before.Add(-time.Minute)) || m.Sent.After(time.Now().Add(time.Minute))) {
		f.Errorf("Sent = %s, it is %s", m.Sent, time.Now())
	}
	f.none(f.Work)
	f.must(f.remove(f.Work, m.Receipt))
	f.must(f.remove(f.Work, m.Receipt)) // gone already
	f.counts(f.Work, queue.Counts{})
}

func testBodies(f *fixture) {
	want := []string{`{"key":"logs/<ü>&\u0001 .gz"}`, "line\nline\ttab", "日本語", strings.Repeat("x", queue.MaxBody)}
	for _, body := range want {
		f.send(body)
		m := f.one(f.Work, visibility)
		if string(m.Body) != body {
			f.Errorf("body of %d bytes came back as %d bytes", len(body), len(m.Body))
		}
		f.must(f.remove(f.Work, m.Receipt))
	}
}

// testTrace: what a message is sent with comes with each receive of it.
func testTrace(f *fixture) {
	const trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	f.must(f.Work.Send(context.Background(), []queue.Outgoing{{Body: []byte("traced"), Trace: trace}, {Body: []byte("plain")}}))
	for range 2 {
		for _, m := range f.take(f.Work, 2, visibility) {
			want := ""
			if string(m.Body) == "traced" {
				want = trace
			}
			if m.Trace != want {
				f.Errorf("the trace of %q is %q, want %q", m.Body, m.Trace, want)
			}
			f.must(f.Work.ChangeVisibility(context.Background(), []queue.Change{{Receipt: m.Receipt}}))
		}
	}
	err := f.Work.Send(context.Background(), []queue.Outgoing{{Body: []byte("x"), Trace: "two lines\n"}})
	if !errors.Is(err, queue.ErrInvalid) {
		f.Errorf("a trace that is none: %v", err)
	}
}

func testBatchOfTen(f *fixture) {
	want := numbered(queue.MaxBatch)
	f.send(want...)
	messages := f.take(f.Work, len(want), visibility)
	if got := bodies(messages); !slices.Equal(got, want) {
		f.Errorf("received %q, want %q", got, want)
	}
	ids, receipts, changes := map[string]bool{}, make([]string, len(messages)), make([]queue.Change, len(messages))
	for i, m := range messages {
		ids[m.ID], receipts[i], changes[i] = true, m.Receipt, queue.Change{Receipt: m.Receipt, Visibility: visibility}
	}
	if len(ids) != len(want) {
		f.Errorf("%d ids for %d messages", len(ids), len(want))
	}
	f.must(f.Work.ChangeVisibility(context.Background(), changes))
	f.must(f.remove(f.Work, receipts...))
	f.counts(f.Work, queue.Counts{})
}

func testLimits(f *fixture) {
	ctx := context.Background()
	send := func(n int, body []byte, delay time.Duration) error {
		return f.Work.Send(ctx, slices.Repeat([]queue.Outgoing{{Body: body, Delay: delay}}, n))
	}
	receive := func(p queue.ReceiveParams) error {
		_, err := f.Work.Receive(ctx, p)
		return err
	}
	x := []byte("x")
	for name, err := range map[string]error{
		"no messages":           send(0, x, 0),
		"11 messages":           send(queue.MaxBatch+1, x, 0),
		"an empty body":         send(1, nil, 0),
		"too large a body":      send(1, bytes.Repeat(x, queue.MaxBody+1), 0),
		"a control character":   send(1, []byte("{\x00}"), 0),
		"a noncharacter":        send(1, []byte("{\uFFFE}"), 0),
		"no UTF-8":              send(1, []byte("{\xff}"), 0),
		"a negative delay":      send(1, x, -time.Second),
		"too long a delay":      send(1, x, queue.MaxDelay+time.Second),
		"receive 0":             receive(queue.ReceiveParams{Max: 0, Visibility: visibility}),
		"receive 11":            receive(queue.ReceiveParams{Max: queue.MaxBatch + 1, Visibility: visibility}),
		"no visibility":         receive(queue.ReceiveParams{Max: 1}),
		"too long a visibility": receive(queue.ReceiveParams{Max: 1, Visibility: queue.MaxVisibility + time.Second}),
		"a negative wait":       receive(queue.ReceiveParams{Max: 1, Visibility: visibility, Wait: -time.Second}),
		"too long a wait":       receive(queue.ReceiveParams{Max: 1, Visibility: visibility, Wait: queue.MaxWait + time.Second}),
		"delete 0":              f.remove(f.Work),
		"delete 11":             f.remove(f.Work, slices.Repeat([]string{"x"}, queue.MaxBatch+1)...),
		"change 0":              f.Work.ChangeVisibility(ctx, nil),
		"change 11":             f.Work.ChangeVisibility(ctx, make([]queue.Change, queue.MaxBatch+1)),
		"change below 0":        f.change(f.Work, "x", -time.Second),
		"change too long":       f.change(f.Work, "x", queue.MaxVisibility+time.Second),
	} {
		if !errors.Is(err, queue.ErrInvalid) {
			f.Errorf("%s: %v, want ErrInvalid", name, err)
		}
	}
	f.none(f.Work)
}

func testDelay(f *fixture) {
	delay := 2 * f.unit
	f.must(f.Work.Send(context.Background(), []queue.Outgoing{{Body: []byte("later"), Delay: delay}}))
	sent := time.Now()
	f.none(f.Work)
	f.counts(f.Work, queue.Counts{Delayed: 1})
	f.pass(delay)
	if m := f.one(f.Work, visibility); m.Receives != 1 {
		f.Errorf("Receives = %d, want 1", m.Receives)
	}
	// A server counts from when it accepted the message, somewhat before sent.
	if d := time.Since(sent); f.Advance == nil && d < delay/2 {
		f.Errorf("a message with delay %s came after %s", delay, d)
	}
}
