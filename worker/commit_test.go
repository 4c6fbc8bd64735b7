package worker

import (
	"context"
	"errors"
	"io"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/queue"
)

// TestCommitOutcomes fails commits in every way that a store can: whatever the worker is told, each line counts once.
func TestCommitOutcomes(t *testing.T) {
	t.Parallel()
	lines := makeLines(8*lookEvery+10, 300)
	applied := func(ctx context.Context, l ledger.Ledger, c ledger.Commit) error {
		return errors.Join(l.Commit(ctx, c), errFault)
	}
	lost := func(context.Context, ledger.Ledger, ledger.Commit) error { return errFault }
	for name, fault := range map[string]func(context.Context, ledger.Ledger, ledger.Commit) error{
		"reply lost":   applied,
		"request lost": lost,
		"throttled":    func(context.Context, ledger.Ledger, ledger.Commit) error { return ledger.ErrThrottled },
		"reply lost, retried": func(ctx context.Context, l ledger.Ledger, c ledger.Commit) error {
			return errors.Join(l.Commit(ctx, c), l.Commit(ctx, c))
		},
	} {
		for kind, change := range map[string]func(*Options){
			"hand on": shortest,
			"seal":    func(o *Options) { o.Memory = 1 },
		} {
			for _, every := range []int64{1, 2} { // each first attempt, each second commit
				t.Run(name+" "+kind, func(t *testing.T) {
					t.Parallel()
					b := newBed(t)
					b.add("dns/a", text(lines))
					var n atomic.Int64
					b.drain(b.worker(change, func(o *Options) {
						l, last := o.Ledger, int64(-1)
						o.Ledger = &faultyLedger{Ledger: l, commit: func(ctx context.Context, c ledger.Commit) error {
							if c.To == last { // tried again
								return l.Commit(ctx, c)
							}
							last = c.To
							if n.Add(1)%every != 0 {
								return l.Commit(ctx, c)
							}
							return fault(ctx, l, c)
						}}
					}))
					b.wantFinished("dns/a", lines)
					b.wantIdle()
					if n.Load() < 9 {
						t.Errorf("%d commits", n.Load())
					}
				})
			}
		}
	}
}

// TestCommitNeverAnswers gives up after the reserve; what was not committed leaves no trace and is read again.
func TestCommitNeverAnswers(t *testing.T) {
	t.Parallel()
	for _, happens := range []bool{false, true} {
		b := newBed(t)
		lines := makeLines(3*lookEvery, 50)
		b.add("dns/a", text(lines))
		b.step(b.worker(func(o *Options) {
			o.Reserve, o.Writes = 2*time.Second, 2*time.Second
			l := o.Ledger
			o.Ledger = &faultyLedger{
				Ledger: l,
				commit: func(ctx context.Context, c ledger.Commit) error {
					if happens {
						// The service acts also where the caller has given up meanwhile.
						return errors.Join(errFault, ignore(false, func() error { return l.Commit(context.WithoutCancel(ctx), c) }))
					}
					return errFault
				},
				cursor: func() error { return errFault }, // so the outcome stays open
			}
		}))
		c := b.cursor("dns/a")
		if want := map[bool]ledger.State{false: ledger.Pending, true: ledger.Finished}[happens]; c.State != want {
			t.Errorf("%s, want %s", c.State, want)
		}
		if !happens && (c.Line != 0 || c.NoProgress != 1 || c.Partial != nil) {
			t.Errorf("line %d, attempts %d, a partial of %d bytes", c.Line, c.NoProgress, len(c.Partial))
		}
		b.wantCounts(b.queue, queue.Counts{InFlight: 1})
		b.pass(time.Minute)
		b.drain(b.worker())
		b.wantFinished("dns/a", lines)
		b.wantIdle()
	}
}

// TestFencedCommit: another worker has taken the cursor over while this one was away; it touches nothing any more.
func TestFencedCommit(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	lines := makeLines(3*lookEvery, 50)
	b.add("dns/a", text(lines))
	var theirs ledger.Cursor
	touched, tries := false, 0
	w := b.worker(func(o *Options) {
		l := o.Ledger
		o.Ledger = &faultyLedger{
			Ledger: l,
			commit: func(ctx context.Context, c ledger.Commit) error {
				tries++
				if theirs.Epoch == 0 {
					var err error
					later := time.Now().Add(time.Hour) // by whose clock our time is over
					theirs, err = l.Claim(ctx, ledger.Claim{ID: c.ID, Owner: "host-2", Now: later, Until: later.Add(time.Hour)})
					if err != nil {
						return err
					}
				}
				return l.Commit(ctx, c)
			},
			settle: func(ctx context.Context, s ledger.Settle) error {
				touched = true
				return l.Settle(ctx, s)
			},
		}
	})
	b.step(w)
	c := b.cursor("dns/a")
	if c.Owner != "host-2" || c.Epoch != theirs.Epoch || c.Line != 0 || c.Partial != nil || touched || tries != 1 {
		t.Errorf("owner %q, epoch %d, line %d, settled %v, %d tries", c.Owner, c.Epoch, c.Line, touched, tries)
	}
	b.wantCounts(b.queue, queue.Counts{InFlight: 1}) // neither deleted nor given back
	b.wantCounts(b.dead, queue.Counts{})
}

// TestStaleReceipt loses the message in the middle of an object: nothing is committed after that.
func TestStaleReceipt(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	lines := makeLines(5000, 50)
	b.add("dns/a", text(lines))
	m, _ := b.receive(b.queue, time.Minute)
	var w *Worker
	commits := 0
	w = b.worker(func(o *Options) {
		o.Archive = &faultyArchive{Archive: o.Archive, body: func(_ context.Context, r io.Reader) io.Reader {
			return &pieces{r: r, size: 1 << 10, before: func(n int64) error {
				if n == 100<<10 {
					b.pass(2 * time.Minute) // the visibility timeout is over, and another has received it
					if _, ok := b.receive(b.queue, time.Hour); !ok {
						t.Error("the message is not visible")
					}
					w.beats.beat(b.ctx)
				}
				return nil
			}}
		}}
		l := o.Ledger
		o.Ledger = &faultyLedger{Ledger: l, commit: func(ctx context.Context, c ledger.Commit) error {
			commits++
			return l.Commit(ctx, c)
		}}
	})
	b.handle(b.ctx, w, m)
	c := b.cursor("dns/a")
	if commits != 0 || c.Line != 0 || c.State != ledger.Processing || c.Error != "" {
		t.Errorf("%d commits, %s at line %d, error %q", commits, c.State, c.Line, c.Error)
	}
	b.wantCounts(b.queue, queue.Counts{InFlight: 1})
	if w.beats.count() != 0 {
		t.Error("the heartbeat still holds the message")
	}
}

// TestClaimReplyLost: the claim happened and the worker does not know. The message waits until its time is over.
func TestClaimReplyLost(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	lines := makeLines(300, 50)
	b.add("dns/a", text(lines))
	b.step(b.worker(func(o *Options) {
		l := o.Ledger
		o.Ledger = &faultyLedger{Ledger: l, claim: func(ctx context.Context, c ledger.Claim) (ledger.Cursor, error) {
			c.Until = c.Now // as if its time were over by the next receive
			_, err := l.Claim(ctx, c)
			return ledger.Cursor{}, errors.Join(err, errFault)
		}}
	}))
	b.wantCounts(b.dead, queue.Counts{})
	b.pass(time.Minute)
	b.drain(b.worker())
	b.wantFinished("dns/a", lines)
	b.wantIdle()
}

// TestHandOnCut cuts the hand-on between its writes: with no message sent the old one comes back, with both there one
// of them waits or finds it done.
func TestHandOnCut(t *testing.T) {
	t.Parallel()
	for _, cut := range []string{"send", "delete", "delete in the end"} {
		t.Run(cut, func(t *testing.T) {
			t.Parallel()
			b := newBed(t)
			lines := makeLines(3*lookEvery, 50)
			b.add("dns/a", text(lines))
			once := func(what string) func() error {
				n := 0
				return func() error {
					if n++; n == 1 && what == cut || n == 4 && what+" in the end" == cut {
						return errFault
					}
					return nil
				}
			}
			send, remove := once("send"), once("delete")
			w := b.worker(shortest, func(o *Options) {
				o.Queue = &faultyQueue{Queue: o.Queue, send: func(context.Context, []queue.Outgoing) error { return send() }, delete: remove}
			})
			for range 6 {
				b.drain(w)
				b.pass(2 * time.Minute)
			}
			b.wantFinished("dns/a", lines)
			b.wantIdle()
		})
	}
}
