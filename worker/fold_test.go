package worker

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/queue"
)

// folding opens a fold of so many parts, as the watcher does, and sends its messages.
func (b *bed) folding(number int64, of int) {
	b.t.Helper()
	parts := make([]ledger.FoldPart, of)
	for i := range parts {
		parts[i] = ledger.FoldPart{Protocol: protocol, Index: i, Of: of}
	}
	b.become(func(r *ledger.Replay) {
		r.State, r.Fold = ledger.Folding, ledger.Fold{Number: number, Parts: parts, Listed: true}
	})
	for i := range parts {
		id := b.part(number, i)
		if err := b.ledger.Insert(b.ctx, []ledger.Cursor{{CursorID: id, Protocol: protocol, State: ledger.Pending}}); err != nil {
			b.t.Fatal(err)
		}
		b.wake(number, i)
	}
}

func (b *bed) part(number int64, i int) ledger.CursorID {
	return ledger.CursorID{Replay: b.replay.ID, Fold: true, Key: ledger.FoldKey(number, i)}
}

func (b *bed) wake(number int64, i int) {
	b.t.Helper()
	t := b.task(ledger.FoldKey(number, i))
	t.Fold = true
	b.send(t.Encode())
}

// base reads the rows that a fold put, and checks that none was put twice.
func (b *bed) base(number int64) table {
	b.t.Helper()
	sum := b.program.NewPartial()
	n := 0
	for _, statistic := range b.program.Statistics() {
		for r, err := range b.ledger.Rows(b.ctx, ledger.RowsParams{Protocol: protocol, Generation: 1, Statistic: statistic, Base: number}) {
			if err != nil {
				b.t.Fatal(err)
			}
			n++
			if err := sum.MergeRow(statistic, r.FullDims(), r.State); err != nil {
				b.t.Fatal(err)
			}
		}
	}
	if sum.Len() != n {
		b.t.Errorf("%d rows in the table, %d different ones: parts overlap", n, sum.Len())
	}
	return tableOf(sum)
}

// objects puts some objects and reads them to their end; it returns all their lines.
func (b *bed) objects(n int, change ...func(*Options)) []string {
	b.t.Helper()
	var all []string
	for i := range n {
		lines := makeLines(2500+100*i, 2500)
		all = append(all, lines...)
		b.add(fmt.Sprintf("dns/%d.gz", i), gzipped(b.t, lines, 600))
	}
	b.drain(b.worker(change...))
	return all
}

func TestFold(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		of     int
		sealed int // memory of a chunk
		memory int // of a pass
		passes bool
	}{
		{"one part", 1, 1, 64 << 20, false},
		{"seven parts", 7, 1, 64 << 20, false},
		{"many passes", 1, 1, 50 << 10, true},
		{"parts of many passes", 2, 1, 50 << 10, true},
		// What a partial takes to be decoded counts as well: no number of passes makes that less.
		{"partials larger than the memory", 1, 64 << 20, 1, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := newBed(t)
			lines := b.objects(4, func(o *Options) { o.Memory = c.sealed })
			b.folding(1, c.of)
			reads := 0
			w := b.worker(func(o *Options) {
				o.Memory = c.memory
				o.Ledger = &scanCounter{o.Ledger, &reads}
			})
			if n := b.drain(w); n != c.of {
				t.Errorf("%d messages for %d parts", n, c.of)
			}
			want := recount(lines)
			if diff := cmp.Diff(want.rows, b.base(1)); diff != "" {
				t.Errorf("rows (-want +got):\n%s", diff)
			}
			rows := int64(0)
			for i := range c.of {
				p := b.cursorOf(b.part(1, i))
				if p.State != ledger.Finished || p.Receipt.Objects != 4 || p.Receipt.Lines != want.accounts.Counted || !p.Receipt.Holds() {
					t.Errorf("part %d: %s with %+v, want 4 objects, %d lines", i, p.State, p.Receipt, want.accounts.Counted)
				}
				rows += p.Receipt.Rows
			}
			if rows != int64(len(want.rows)) {
				t.Errorf("the receipts have %d rows, the table %d", rows, len(want.rows))
			}
			if c.passes != (reads > 2*c.of) {
				t.Errorf("the partials were read %d times by %d parts", reads, c.of)
			}
			b.wantIdle()
		})
	}
}

type scanCounter struct {
	ledger.Ledger
	n *int
}

func (c *scanCounter) Scan(ctx context.Context, p ledger.ScanParams) iter.Seq2[ledger.Cursor, error] {
	*c.n++
	return c.Ledger.Scan(ctx, p)
}

// TestFoldAgain does a part twice, and once more under another number: the rows are the same.
func TestFoldAgain(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	lines := b.objects(3)
	b.folding(1, 2)
	// The first to do part 0 dies after its rows were put.
	died := false
	w := b.worker(func(o *Options) {
		l := o.Ledger
		o.Ledger = &faultyLedger{Ledger: l, commit: func(ctx context.Context, c ledger.Commit) error {
			if !died {
				died = true
				return errors.Join(ledger.ErrFenced, l.Settle(ctx, ledger.Settle{ID: c.ID, Epoch: c.Epoch, State: ledger.Pending, Now: time.Now()}))
			}
			return l.Commit(ctx, c)
		}}
	})
	for range 3 {
		b.drain(w)
		b.pass(2 * time.Minute)
	}
	want := recount(lines).rows
	if diff := cmp.Diff(want, b.base(1)); diff != "" || !died {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	b.wake(1, 0) // of a part that is done
	b.drain(w)
	b.wantIdle()
	b.folding(2, 5)
	b.drain(b.worker())
	if diff := cmp.Diff(want, b.base(2)); diff != "" {
		t.Errorf("rows of the second fold (-want +got):\n%s", diff)
	}
}

// TestFoldStopsAtOpenObjects: a base without all objects is never finished.
func TestFoldStopsAtOpenObjects(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	lines := b.objects(2)
	late := makeLines(400, 20)
	b.add("dns/late", text(late))
	m, _ := b.receive(b.queue, time.Hour)
	b.folding(1, 1)
	w := b.worker()
	for range 5 { // longer than there are attempts
		b.drain(w)
		if p := b.cursorOf(b.part(1, 0)); p.State != ledger.Pending || p.NoProgress != 0 {
			t.Fatalf("the part is %s, attempts %d", p.State, p.NoProgress)
		}
		b.pass(time.Minute)
	}
	b.handle(b.ctx, w, m)
	b.drain(w)
	if diff := cmp.Diff(recount(append(lines, late...)).rows, b.base(1)); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

// TestFoldLeavesOutAccepted: a FAILED object stops the fold, until somebody has said that it may be left out.
func TestFoldLeavesOutAccepted(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	lines := b.objects(2)
	failed(b, "dns/bad.gz", makeLines(1000, 700))
	b.folding(1, 1)
	b.drain(b.worker())
	if p := b.cursorOf(b.part(1, 0)); p.State != ledger.Pending {
		t.Fatalf("the part is %s", p.State)
	}
	b.become(func(r *ledger.Replay) { r.Accepted = &ledger.Acceptance{By: "somebody", Objects: 1} })
	b.pass(time.Minute)
	b.drain(b.worker())
	want := recount(lines)
	if diff := cmp.Diff(want.rows, b.base(1)); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	if r := b.cursorOf(b.part(1, 0)).Receipt; r.Objects != 2 || r.Lines != want.accounts.Counted {
		t.Errorf("receipt %+v", r)
	}
}

// TestOldFold: the message of a fold that was replaced is deleted, and it puts nothing.
func TestOldFold(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	b.objects(1)
	b.folding(1, 3)
	b.become(func(r *ledger.Replay) { r.Fold.Number, r.Fold.Parts = 2, r.Fold.Parts[:1] })
	if n := b.drain(b.worker()); n != 3 {
		t.Errorf("%d messages", n)
	}
	b.wantIdle()
	if rows := b.base(1); len(rows) != 0 {
		t.Errorf("%d rows of an old fold", len(rows))
	}
}

// TestFoldSeenLate: a worker that remembers the replay of a moment ago reads it afresh for a newer fold.
func TestFoldSeenLate(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	lines := b.objects(1)
	w := b.worker()
	if _, err := w.replays.get(b.ctx, b.replay.ID, false); err != nil {
		t.Fatal(err)
	}
	b.folding(1, 1)
	b.drain(w)
	if diff := cmp.Diff(recount(lines).rows, b.base(1)); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

// TestFoldAttempts: a part that cannot be done is FAILED, its message goes to the dead-letter queue, and a message for
// it is no redrive.
func TestFoldAttempts(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	b.objects(1)
	b.folding(1, 1)
	w := b.worker(func(o *Options) {
		o.Ledger = &faultyLedger{Ledger: o.Ledger, putRows: func(context.Context, []ledger.Row) error { return errFault }}
	})
	for range w.o.MaxAttempts {
		b.step(w)
		b.pass(time.Minute)
	}
	if p := b.cursorOf(b.part(1, 0)); p.State != ledger.Failed {
		t.Errorf("the part is %s, attempts %d", p.State, p.NoProgress)
	}
	b.deadLetter()
	b.wake(1, 0)
	b.drain(w)
	b.wantCounts(b.queue, queue.Counts{})
	if p := b.cursorOf(b.part(1, 0)); p.State != ledger.Failed {
		t.Errorf("the part is %s after a message", p.State)
	}
}

// TestFoldStops: a worker that stops gives a part back, and the attempt is not counted.
func TestFoldStops(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	b.objects(3)
	b.folding(1, 1)
	var w *Worker
	w = b.worker(func(o *Options) {
		l := o.Ledger
		o.Ledger = &faultyLedger{Ledger: l, claim: func(ctx context.Context, c ledger.Claim) (ledger.Cursor, error) {
			w.stopping.Store(true)
			return l.Claim(ctx, c)
		}}
	})
	for _, epoch := range []int64{1, 1} { // the second time it is not even claimed
		b.step(w)
		if p := b.cursorOf(b.part(1, 0)); p.State != ledger.Pending || p.NoProgress != 0 || p.Owner != "" || p.Epoch != epoch {
			t.Errorf("the part is %s, attempts %d, owner %q, epoch %d", p.State, p.NoProgress, p.Owner, p.Epoch)
		}
		b.wantCounts(b.queue, queue.Counts{Visible: 1})
	}
	if len(w.folds) != 0 {
		t.Error("no other part could be folded")
	}
}

// TestFoldAlone: while a part is in work, this process touches no other one: it waits for its turn, and what has waited for
// long is given back for others to have.
func TestFoldAlone(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	lines := b.objects(2)
	b.folding(1, 2)
	w := b.worker()
	w.folds <- struct{}{} // a fold is in work
	b.step(w)
	for i := range 2 {
		if p := b.cursorOf(b.part(1, i)); p.State != ledger.Pending || p.Epoch != 0 {
			t.Errorf("part %d is %s, epoch %d", i, p.State, p.Epoch)
		}
	}
	b.wantCounts(b.queue, queue.Counts{Visible: 2})
	other := b.worker(func(o *Options) { o.Name = "host-2" })
	b.step(other)

	m, _ := b.receive(b.queue, time.Hour)
	m.Receives = 1000 // so that it waits for as long as the test may take
	handled := make(chan struct{})
	go func() {
		defer close(handled)
		b.handle(b.ctx, w, m)
	}()
	eventually(t, "the heartbeat of a part that waits", func() bool { return w.beats.count() == 1 })
	<-w.folds // that fold is done
	<-handled
	b.wantIdle()
	if diff := cmp.Diff(recount(lines).rows, b.base(1)); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

// TestFoldWaitEnds: a part that waits for another one is given up with the work.
func TestFoldWaitEnds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		cause error
		want  queue.Counts
	}{{errStopped, queue.Counts{Visible: 1}}, {queue.ErrStaleReceipt, queue.Counts{InFlight: 1}}} {
		b := newBed(t)
		b.objects(1)
		b.folding(1, 1)
		w := b.worker()
		w.folds <- struct{}{}
		m, _ := b.receive(b.queue, time.Hour)
		m.Receives = 7
		ctx, end := context.WithCancelCause(b.ctx)
		handled := make(chan struct{})
		go func() {
			defer close(handled)
			b.handle(ctx, w, m)
		}()
		eventually(t, "the heartbeat of a part that waits", func() bool { return w.beats.count() == 1 })
		end(c.cause)
		<-handled
		b.wantCounts(b.queue, c.want)
		if p := b.cursorOf(b.part(1, 0)); p.State != ledger.Pending || p.Epoch != 0 {
			t.Errorf("%v: the part is %s, epoch %d", c.cause, p.State, p.Epoch)
		}
	}
}

// TestFoldRenews: a fold that outlasts its claim keeps it, and ends where another has taken it.
func TestFoldRenews(t *testing.T) {
	t.Parallel()
	for _, taken := range []bool{false, true} {
		b := newBed(t)
		lines := b.objects(5)
		b.folding(1, 1)
		renewals := 0
		w := b.worker(func(o *Options) {
			l := o.Ledger
			o.ChunkTime, o.Reserve = 2, 1 // so that each look finds a third of the claim gone
			o.Ledger = &faultyLedger{Ledger: l, commit: func(ctx context.Context, c ledger.Commit) error {
				if c.State == ledger.Processing {
					renewals++
				}
				if taken && renewals == 2 {
					later := time.Now().Add(time.Hour)
					if _, err := l.Claim(context.WithoutCancel(ctx), ledger.Claim{ID: c.ID, Owner: "host-2", Now: later, Until: later.Add(time.Hour)}); err != nil {
						t.Error(err)
					}
				}
				return l.Commit(context.WithoutCancel(ctx), c)
			}}
		})
		b.step(w)
		p := b.cursorOf(b.part(1, 0))
		if taken {
			if p.Owner != "host-2" || renewals != 2 || len(b.base(1)) != 0 {
				t.Errorf("owner %q after %d renewals, %d rows", p.Owner, renewals, len(b.base(1)))
			}
			continue
		}
		if diff := cmp.Diff(recount(lines).rows, b.base(1)); diff != "" || renewals < 5 {
			t.Errorf("%d renewals; rows (-want +got):\n%s", renewals, diff)
		}
	}
}
