package queuetest

import (
	"context"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/seed-56345083/reprise/queue"
)

// tally counts bodies from many goroutines.
type tally struct {
	mu sync.Mutex
	n  map[string]int
}

func (t *tally) add(messages []queue.Message) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, m := range messages {
		t.n[string(m.Body)]++
	}
}

// check reports every body that was not received exactly once.
func (t *tally) check(f *fixture, want []string) {
	f.Helper()
	if got := slices.Sorted(maps.Keys(t.n)); !slices.Equal(got, want) {
		f.Errorf("received %d different messages, want %d", len(got), len(want))
	}
	for body, n := range t.n {
		if n != 1 {
			f.Errorf("%s was received %d times while it was held", body, n)
		}
	}
}

func testEachMessageOnceWhenHeld(f *fixture) {
	want := numbered(200)
	f.send(want...)
	seen := tally{n: map[string]int{}}
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			for {
				p := queue.ReceiveParams{Max: 1 + i, Wait: time.Second, Visibility: visibility}
				messages, err := f.Work.Receive(context.Background(), p)
				if err != nil {
					f.Errorf("Receive: %v", err)
				}
				if len(messages) == 0 {
					return
				}
				seen.add(messages)
			}
		})
	}
	group.Wait()
	seen.check(f, want)
	f.counts(f.Work, queue.Counts{InFlight: int64(len(want))})
}

// testSendersAndReceivers has everything happen at once: sends, receives with extensions, deletes.
func testSendersAndReceivers(f *fixture) {
	const senders, each = 4, 50
	all := numbered(senders * each)
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	seen := tally{n: map[string]int{}}
	var left sync.WaitGroup
	left.Add(len(all))
	var group sync.WaitGroup
	for i := range senders {
		group.Go(func() {
			for _, body := range all[i*each : (i+1)*each] {
				if err := f.Work.Send(ctx, []queue.Outgoing{{Body: []byte(body)}}); err != nil {
					f.Errorf("Send: %v", err)
					cancel()
				}
			}
		})
		group.Go(func() {
			for {
				messages, err := f.Work.Receive(ctx, queue.ReceiveParams{Max: 10, Wait: 5 * time.Second, Visibility: visibility})
				if err != nil {
					return // the context ended, because all was received or nothing came for too long
				}
				seen.add(messages)
				for _, m := range messages {
					if err := f.change(f.Work, m.Receipt, visibility); err != nil {
						f.Errorf("ChangeVisibility: %v", err)
					}
					if err := f.remove(f.Work, m.Receipt); err != nil {
						f.Errorf("Delete: %v", err)
					}
					left.Done()
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { left.Wait(); close(done) }()
	select {
	case <-done:
	case <-ctx.Done():
		f.Errorf("%d of %d messages came", len(seen.n), len(all))
		for range len(all) - len(seen.n) {
			left.Done()
		}
	}
	cancel()
	group.Wait()
	seen.check(f, all)
	f.counts(f.Work, queue.Counts{})
}

// Bench measures receive and delete in batches of ten, by one goroutine and by four.
func Bench(b *testing.B, h Harness) {
	for _, workers := range []int{1, 4} {
		name := "OneWorker"
		if workers > 1 {
			name = "FourWorkers"
		}
		b.Run(name, func(b *testing.B) {
			f := open(b, h)
			f.send(numbered(b.N)...)
			b.ResetTimer()
			var group sync.WaitGroup
			for range workers {
				group.Go(func() {
					for {
						messages, err := f.Work.Receive(context.Background(), queue.ReceiveParams{Max: queue.MaxBatch, Visibility: visibility})
						if err != nil {
							b.Error(err)
						}
						if len(messages) == 0 {
							return
						}
						receipts := make([]string, len(messages))
						for i, m := range messages {
							receipts[i] = m.Receipt
						}
						if err := f.remove(f.Work, receipts...); err != nil {
							b.Error(err)
						}
					}
				})
			}
			group.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
		})
	}
}
