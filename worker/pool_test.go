package worker

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/axiomhq/hyperloglog"
	"github.com/google/go-cmp/cmp"

	"github.com/seed-56345083/reprise/internal/archive"
	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/queue"
)

// open is how many objects are neither FINISHED nor FAILED.
func (b *bed) opened() int64 {
	b.t.Helper()
	s, err := b.ledger.Summarize(b.ctx, b.replay.ID)
	if err != nil {
		b.t.Fatal(err)
	}
	return s.Open()
}

// TestPools lets three pools work at once, with several messages for each object, chunks as short as can be, and
// partials that are sealed: the rows are those of a recount.
func TestPools(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	var all []string
	var keys []string
	for i := range 12 {
		lines := makeLines((i%4)*3*lookEvery+i, 500)
		all = append(all, lines...)
		key := fmt.Sprintf("dns/%d", i)
		keys = append(keys, key)
		b.add(key, text(lines))
		b.send(b.task(key).Encode())
	}
	for i := range 3 {
		b.start(b.worker(func(o *Options) {
			o.Name, o.Visibility, o.Wait = fmt.Sprint("host-", i), 2*time.Second, 100*time.Millisecond
			o.Reserve = 2 * time.Second // what a claim that was lost to a slow machine keeps others waiting
			o.ChunkTime = o.Reserve + 1
			o.Memory = 1 << (20 * i) // the first seals all the time
		}))
	}
	eventually(t, "the end of the replay", func() bool { return b.opened() == 0 })
	if diff := cmp.Diff(recount(all).rows, b.rows(keys...)); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	b.wantCounts(b.dead, queue.Counts{})
}

// TestSlots: a pool never asks for more messages than it has free slots, and a slot that is free is used while the
// others are busy. Beside those in work it holds less than ten that wait to be deleted, and ten in a call.
func TestSlots(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	for i := range 20 {
		b.add(fmt.Sprintf("dns/%d", i), text(makeLines(10, 2)))
	}
	pass := make(chan struct{})
	var busy, most atomic.Int64
	var w *Worker
	w = b.worker(func(o *Options) {
		o.Slots, o.Wait = 3, 50*time.Millisecond
		o.Archive = &faultyArchive{Archive: o.Archive, body: func(_ context.Context, r io.Reader) io.Reader {
			once := sync.OnceFunc(func() {
				most.Store(max(most.Load(), busy.Add(1)))
				<-pass
				busy.Add(-1)
			})
			return &pieces{r: r, size: 1 << 10, before: func(int64) error {
				once()
				return nil
			}}
		}}
		q := o.Queue
		o.Queue = &faultyQueue{Queue: q, receive: func(ctx context.Context, p queue.ReceiveParams) ([]queue.Message, error) {
			if busy := int(w.busy.Load()); p.Max < 1 || busy+p.Max > 3 {
				t.Errorf("asked for %d messages while %d are in work", p.Max, busy)
			}
			m, err := q.Receive(ctx, p)
			if counts, e := q.Counts(b.ctx); e != nil || counts.InFlight > 3+2*(queue.MaxBatch-1) {
				t.Errorf("%d messages in flight, %v", counts.InFlight, e)
			}
			return m, err
		}}
	})
	b.start(w)
	eventually(t, "three at once", func() bool { return busy.Load() == 3 })
	for range 5 { // one at a time: the slot that gets free is used again
		pass <- struct{}{}
		eventually(t, "three at once", func() bool { return busy.Load() == 3 })
	}
	close(pass)
	eventually(t, "the end of the replay", func() bool { return b.opened() == 0 })
	if n := most.Load(); n != 3 {
		t.Errorf("%d objects at once, want 3", n)
	}
}

// TestErrorsStayApart: what goes wrong with one object is not the others' business.
func TestErrorsStayApart(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	lines := makeLines(2000, 50)
	b.add("dns/corrupt.gz", []byte("\x1f\x8b..."))
	b.add("dns/panics", text(lines))
	b.add("dns/unreachable", text(lines))
	b.send([]byte("garbage"))
	for i := range 6 {
		b.add(fmt.Sprintf("dns/%d", i), text(lines))
	}
	b.start(b.worker(func(o *Options) {
		o.Visibility, o.Reserve, o.ChunkTime, o.Wait = time.Second, 2*time.Second, 3*time.Second, 50*time.Millisecond
		o.Archive = &faultyArchive{Archive: o.Archive, opens: func(p archive.OpenParams) error {
			switch p.Key {
			case "dns/panics":
				panic("a bug")
			case "dns/unreachable":
				return errFault
			}
			return nil
		}}
	}))
	eventually(t, "the end of the replay", func() bool { return b.opened() == 0 })
	for i := range 6 {
		b.wantFinished(fmt.Sprintf("dns/%d", i), lines)
	}
	for key, reason := range map[string]string{"dns/corrupt.gz": "corrupt", "dns/panics": "a bug", "dns/unreachable": errFault.Error()} {
		if c := b.cursor(key); c.State != ledger.Failed || !strings.Contains(c.Error, reason) {
			t.Errorf("%s is %s because of %q", key, c.State, c.Error)
		}
	}
	b.wantCounts(b.queue, queue.Counts{})
	b.wantCounts(b.dead, queue.Counts{Visible: 4})
}

// TestReceiveErrors: a queue that fails for a while is asked again.
func TestReceiveErrors(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	lines := makeLines(100, 5)
	b.add("dns/a", text(lines))
	var n atomic.Int64
	b.start(b.worker(func(o *Options) {
		q := o.Queue
		o.Queue = &faultyQueue{Queue: q, receive: func(ctx context.Context, p queue.ReceiveParams) ([]queue.Message, error) {
			if n.Add(1) <= 3 {
				return nil, errFault
			}
			return q.Receive(ctx, p)
		}}
	}))
	eventually(t, "the end of the replay", func() bool { return b.opened() == 0 })
	b.wantFinished("dns/a", lines)
}

// TestIdle: a pool whose polls found nothing, or less than it had asked for, still has all its slots.
func TestIdle(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	var idle, most atomic.Int64
	b.start(b.worker(func(o *Options) {
		o.Slots, o.Wait = 3, time.Millisecond
		q := o.Queue
		o.Queue = &faultyQueue{Queue: q, receive: func(ctx context.Context, p queue.ReceiveParams) ([]queue.Message, error) {
			m, err := q.Receive(ctx, p)
			if len(m) == 0 {
				idle.Add(1)
				most.Store(int64(p.Max))
			}
			return m, err
		}}
	}))
	for i := range 4 {
		n := idle.Load()
		eventually(t, "polls that find nothing", func() bool { return idle.Load() > n+2 && most.Load() == 3 })
		b.add(fmt.Sprintf("dns/%d", i), text(makeLines(10, 2)))
		eventually(t, "the object's end", func() bool { return b.opened() == 0 })
	}
}

// TestNoGoroutineIsLeft runs alone, before the parallel tests go on, so that every goroutine of this package is its own.
func TestNoGoroutineIsLeft(t *testing.T) {
	b := newBed(t)
	lines := makeLines(2000, 50)
	for i := range 6 {
		b.add(fmt.Sprintf("dns/%d", i), text(lines))
	}
	stop := b.start(b.worker(shortest, func(o *Options) { o.Slots = 3 }))
	eventually(t, "the end of the replay", func() bool { return b.opened() == 0 })
	stop()
	// At once, not in the end: Run has waited for them.
	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	for _, s := range strings.Split(string(stacks), "\n\n") {
		for _, owner := range []string{"(*Worker)", "(*heartbeat)", "(*progress)"} {
			if strings.Contains(s, "reprise/worker."+owner) {
				t.Errorf("still there:\n%s", s)
			}
		}
	}
}

// TestProgress: the last totals are in the ledger when Run has ended, with an estimate of the rows.
func TestProgress(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	lines := makeLines(4*lookEvery, 400)
	size := int64(0)
	for i := range 3 {
		b.add(fmt.Sprintf("dns/%d", i), text(lines))
		size += int64(len(text(lines)))
	}
	stop := b.start(b.worker(shortest, func(o *Options) { o.Report = time.Hour }))
	eventually(t, "the end of the replay", func() bool { return b.opened() == 0 })
	stop()
	reports, err := b.ledger.Progress(b.ctx, b.replay.ID)
	if err != nil || len(reports) != 1 {
		t.Fatal(reports, err)
	}
	p := reports[0]
	if p.Worker != "host-1" || p.Lines != int64(3*len(lines)) || p.Bytes != size || p.Objects != 3 || p.Chunks != 15 {
		t.Errorf("%s: %d lines, %d bytes, %d objects, %d chunks; want %d, %d", p.Worker, p.Lines, p.Bytes, p.Objects, p.Chunks, 3*len(lines), size)
	}
	sketch := hyperloglog.New()
	if err := sketch.UnmarshalBinary(p.Keys[protocol]); err != nil {
		t.Fatal(err)
	}
	if got, want := float64(sketch.Estimate()), float64(len(recount(lines).rows)); got < 0.95*want || got > 1.05*want {
		t.Errorf("an estimate of %v rows, want %v", got, want)
	}
}

// TestOptions refuses what would never work.
func TestOptions(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	good := b.worker().o
	for name, change := range map[string]func(*Options){
		"no queue":                   func(o *Options) { o.Queue = nil },
		"no dead letters":            func(o *Options) { o.DeadLetters = nil },
		"no name":                    func(o *Options) { o.Name = "" },
		"negative slots":             func(o *Options) { o.Slots = -1 },
		"negative attempts":          func(o *Options) { o.MaxAttempts = -1 },
		"negative memory":            func(o *Options) { o.Memory = -1 },
		"no time for a heartbeat":    func(o *Options) { o.Visibility = 2 },
		"visibility above the limit": func(o *Options) { o.Visibility = queue.MaxVisibility + 1 },
		"long poll above the limit":  func(o *Options) { o.Wait = queue.MaxWait + 1 },
		"reserve as long as a chunk": func(o *Options) { o.Reserve = o.ChunkTime },
		"negative reserve":           func(o *Options) { o.Reserve = -1 },
		"negative drain":             func(o *Options) { o.Drain = -1 },
		"negative report":            func(o *Options) { o.Report = -1 },
	} {
		o := good
		change(&o)
		if _, err := New(o); err == nil || !strings.HasPrefix(err.Error(), "worker: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
	least := Options{Queue: good.Queue, DeadLetters: good.DeadLetters, Ledger: good.Ledger, Archive: good.Archive, Name: "a"}
	if _, err := New(least); err != nil {
		t.Error(err)
	}
}
