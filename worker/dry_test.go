package worker

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-56345083/reprise/queue"
)

// forgetful is a queue of nothing, which notes what is deleted.
type forgetful struct {
	queue.Queue
	mu    sync.Mutex
	calls []string
}

func (f *forgetful) Delete(_ context.Context, receipts []string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, fmt.Sprint(receipts))
	return nil
}

// TestDry: the pool says that it has run out of messages when none has been in work for a while, and not before; then, or after
// a third of the visibility timeout, or with the tenth, or when it stops, it deletes what is done.
func TestDry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var said atomic.Int64
		q := &forgetful{}
		w := &Worker{o: Options{Queue: q, Visibility: time.Minute, Writes: time.Minute, Dry: func() { said.Add(1) }}, dry: time.NewTimer(dryAfter), over: t.Context()}
		w.beats.init(w.o)
		ctx, stop := context.WithCancel(t.Context())
		var dry sync.WaitGroup
		dry.Go(func() { w.runDry(ctx) })
		want := func(when string, after time.Duration, n int, calls ...string) {
			t.Helper()
			<-time.After(after)
			synctest.Wait()
			q.mu.Lock()
			defer q.mu.Unlock()
			if said := int(said.Load()); said != n || !slices.Equal(q.calls, calls) {
				t.Errorf("%s: said %d times, want %d; deleted %v, want %v", when, said, n, q.calls, calls)
			}
			q.calls = nil
		}
		finish := func(receipt string) {
			w.beats.hold(receipt, nil)
			(&job{w: w, message: queue.Message{Receipt: receipt}}).deleteSoon()
			w.busy.Add(-1)
			w.ended()
		}
		want("nothing has come yet", 10*dryAfter, 1)
		w.busy.Add(2)
		finish("a")
		want("one of two is done", 10*dryAfter, 1)
		finish("b")
		for range 3 {
			w.ended()
			want("another may come", dryAfter/2, 1)
		}
		want("both are done", dryAfter, 2, "[a b]")
		w.busy.Add(12)
		for i := range 11 {
			if finish(fmt.Sprint(i)); i == 8 && w.beats.count() != 9 {
				t.Errorf("%d messages are kept invisible, want 9", w.beats.count())
			}
		}
		want("one is in work", 0, 2, "[0 1 2 3 4 5 6 7 8 9]")
		want("it takes long", time.Minute/3, 2, "[10]")
		w.busy.Add(1)
		w.stopping.Store(true)
		finish("c")
		want("the pool stops", 0, 2, "[c]")
		w.busy.Add(-1)
		if n := w.beats.count(); n != 0 {
			t.Errorf("%d messages are kept invisible, want none", n)
		}
		stop()
		dry.Wait()
		w.ended()
		want("the pool has stopped", 10*dryAfter, 2)
	})
}
