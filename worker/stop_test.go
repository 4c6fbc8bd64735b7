package worker

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/queue"
)

// gate stops a body before its byte `at` and says so; what comes next is the test's.
type gate struct {
	at      int64
	reached chan struct{}
	pass    chan struct{}
}

func newGate(at int64) *gate { return &gate{at, make(chan struct{}), make(chan struct{})} }

// archiveOf lets bodies through the gate; a body whose read ends with its context, as a network's does, fails then.
func (g *gate) use(o *Options) {
	o.Archive = &faultyArchive{Archive: o.Archive, body: func(ctx context.Context, r io.Reader) io.Reader {
		waited := false
		return &pieces{r: r, size: 1 << 10, before: func(n int64) error {
			if n < g.at || waited {
				return nil
			}
			waited = true
			close(g.reached)
			select {
			case <-g.pass:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}}
	}}
}

// TestStop ends a worker in the middle of an object: it commits what it has, the message is visible at once, the stop
// is not counted, and another worker goes on where it stood.
func TestStop(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	lines := makeLines(20_000, 100)
	content := text(lines)
	b.add("dns/a", content)
	g := newGate(int64(len(content) / 2))
	w := b.worker(g.use)
	stop := b.start(w)
	<-g.reached
	go func() {
		eventually(t, "the stop", w.stopping.Load)
		close(g.pass)
	}()
	stop()
	c := b.cursor("dns/a")
	if c.State != ledger.Pending || c.Line < 1000 || c.Line >= int64(len(lines)) || c.NoProgress != 0 || c.Owner != "" || c.Epoch != 1 {
		t.Errorf("%s at line %d, attempts %d, owner %q", c.State, c.Line, c.NoProgress, c.Owner)
	}
	b.wantCounts(b.queue, queue.Counts{Visible: 1})
	b.drain(b.worker(func(o *Options) { o.Name = "host-2" }))
	b.wantFinished("dns/a", lines)
	b.wantIdle()
}

// TestStopBeforeProgress ends a worker that hangs in its first read: the drain cuts it off, and the attempt does not count.
func TestStopBeforeProgress(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	lines := makeLines(1000, 10)
	b.add("dns/a", text(lines))
	for range 5 { // more often than there are attempts
		g := newGate(0)
		w := b.worker(g.use, func(o *Options) { o.Drain = 2 * time.Second })
		stop := b.start(w)
		<-g.reached
		stop()
		if c := b.cursor("dns/a"); c.State != ledger.Pending || c.Line != 0 || c.NoProgress != 0 || c.Owner != "" || c.Error != "" {
			t.Errorf("%s at line %d, attempts %d, owner %q, error %q", c.State, c.Line, c.NoProgress, c.Owner, c.Error)
		}
		b.wantCounts(b.queue, queue.Counts{Visible: 1})
	}
	b.drain(b.worker())
	b.wantFinished("dns/a", lines)
	b.wantIdle()
}

// TestDrainCutsOff ends a worker that hangs in the middle: what it has read is kept, and the rest is another's.
func TestDrainCutsOff(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	lines := makeLines(5000, 100)
	content := text(lines)
	b.add("dns/a", content)
	g := newGate(int64(len(content) / 2))
	stop := b.start(b.worker(g.use, func(o *Options) { o.Drain = time.Second }))
	<-g.reached
	stop()
	c := b.cursor("dns/a")
	if c.State != ledger.Pending || c.Line == 0 || c.NoProgress != 0 {
		t.Errorf("%s at line %d, attempts %d", c.State, c.Line, c.NoProgress)
	}
	b.wantCounts(b.queue, queue.Counts{Visible: 1})
	b.drain(b.worker())
	b.wantFinished("dns/a", lines)
	b.wantIdle()
}

// TestDrainIsBounded has a ledger that never answers: Run ends all the same, and the visibility timeout brings the
// message back.
func TestDrainIsBounded(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	lines := makeLines(1000, 10)
	b.add("dns/a", text(lines))
	reached := make(chan struct{})
	stop := b.start(b.worker(func(o *Options) {
		o.Drain = 300 * time.Millisecond
		hang := func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		}
		o.Ledger = &faultyLedger{
			Ledger: o.Ledger,
			commit: func(ctx context.Context, _ ledger.Commit) error {
				close(reached)
				return hang(ctx)
			},
			settle: func(ctx context.Context, _ ledger.Settle) error { return hang(ctx) },
		}
	}))
	<-reached
	began := time.Now()
	stop()
	if took := time.Since(began); took > 10*time.Second { // the reserve is 20 s
		t.Errorf("stopping took %v with a drain of 300ms", took)
	}
	if c := b.cursor("dns/a"); c.State != ledger.Processing || c.Line != 0 {
		t.Errorf("%s at line %d: the ledger never answered", c.State, c.Line)
	}
	b.wantCounts(b.queue, queue.Counts{InFlight: 1})
	b.wantCounts(b.dead, queue.Counts{})
}

// TestRunOnce: a pool that has stopped would hand everything back at once.
func TestRunOnce(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	w := b.worker()
	ctx, cancel := context.WithCancel(b.ctx)
	cancel()
	if err := w.Run(ctx); err != nil {
		t.Error(err)
	}
	if err := w.Run(ctx); err == nil || !strings.Contains(err.Error(), "once") {
		t.Errorf("the second Run: %v", err)
	}
}
