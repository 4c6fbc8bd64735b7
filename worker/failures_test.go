package worker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-56345083/reprise/internal/archive"
	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/queue"
)

// TestPoisonObjects: what is wrong with an object for good ends in the dead-letter queue with its reason.
func TestPoisonObjects(t *testing.T) {
	t.Parallel()
	lines := makeLines(2000, 50)
	packed := gzipped(t, lines, 500)
	for _, c := range []struct {
		name, reason string
		content      []byte
		spoil        func(b *bed, key string)
	}{
		{name: "cut off", reason: "corrupt at line", content: packed[:len(packed)-5]},
		{name: "damaged", reason: "corrupt at line", content: slices.Concat(packed[:len(packed)/2], []byte("xxxx"), packed[len(packed)/2+4:])},
		{name: "empty", reason: "empty", content: []byte{}},
		{name: "deleted", reason: "not found", content: packed, spoil: (*bed).remove},
		{name: "overwritten", reason: "has changed", content: packed, spoil: func(b *bed, key string) { b.put(key, packed) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := newBed(t)
			b.add("dns/a.gz", c.content)
			if c.spoil != nil {
				c.spoil(b, "dns/a.gz")
			}
			b.drain(b.worker())
			got := b.cursor("dns/a.gz")
			if got.State != ledger.Failed || !strings.Contains(got.Error, c.reason) || got.Owner != "" || got.Epoch != 2 || got.Line != 0 {
				t.Errorf("%s because of %q, owner %q, epoch %d, line %d", got.State, got.Error, got.Owner, got.Epoch, got.Line)
			}
			b.wantCounts(b.queue, queue.Counts{})
			if dead := b.deadLetter(); dead.Error != got.Error || dead.Key != "dns/a.gz" {
				t.Errorf("dead letter %+v, the cursor says %q", dead, got.Error)
			}
		})
	}
}

// TestAttempts has a reader that always fails at the same place: what comes before is kept, and the attempts end it.
func TestAttempts(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	lines := makeLines(4000, 50)
	content := text(lines)
	b.add("dns/a", content)
	w := b.worker(failingAt(int64(len(content) / 2)))
	attempts, line := 0, int64(0)
	for b.cursor("dns/a").State != ledger.Failed {
		if !b.step(w) {
			t.Fatal("the message is gone")
		}
		if c := b.cursor("dns/a"); c.Line > line { // the next read begins elsewhere and may get a little further
			attempts, line = 0, c.Line
		} else if attempts++; attempts > w.o.MaxAttempts {
			t.Fatal("the attempts never end")
		}
		if _, ok := b.receive(b.queue, time.Minute); ok {
			t.Fatal("the message came back at once")
		}
		b.pass(time.Minute)
	}
	c := b.cursor("dns/a")
	if attempts != w.o.MaxAttempts || c.Line < 1900 || !strings.Contains(c.Error, errFault.Error()) {
		t.Errorf("%d attempts, line %d, error %q", attempts, c.Line, c.Error)
	}
	b.wantCounts(b.queue, queue.Counts{})
	if dead := b.deadLetter(); dead.Error != c.Error || dead.Line != c.Line {
		t.Errorf("dead letter %+v", dead)
	}
}

// failingAt lets every read fail from byte n of the object on.
func failingAt(n int64) func(*Options) {
	return func(o *Options) {
		offset := int64(0)
		o.Archive = &faultyArchive{
			Archive: o.Archive,
			opens: func(p archive.OpenParams) error {
				offset = p.Offset
				return nil
			},
			body: func(_ context.Context, r io.Reader) io.Reader {
				from := offset
				return &pieces{r: r, size: 1 << 10, before: func(read int64) error {
					if from+read >= n {
						return errFault
					}
					return nil
				}}
			},
		}
	}
}

// TestDeadWorkers finds a cursor that workers have taken and never given back.
func TestDeadWorkers(t *testing.T) {
	t.Parallel()
	lines := makeLines(2000, 50)
	claim := func(b *bed, until time.Time) {
		b.t.Helper()
		now := time.Now()
		_, err := b.ledger.Claim(b.ctx, ledger.Claim{ID: b.id("dns/a"), Owner: "dead", Now: now, Until: until})
		if err != nil {
			b.t.Fatal(err)
		}
	}
	for dead := range 4 {
		t.Run(fmt.Sprint(dead), func(t *testing.T) {
			t.Parallel()
			b := newBed(t)
			b.add("dns/a", text(lines))
			for range dead {
				claim(b, time.Now())
			}
			b.drain(b.worker()) // with three attempts
			if dead < 3 {
				b.wantFinished("dns/a", lines)
				b.wantIdle()
				return
			}
			c := b.cursor("dns/a")
			if c.State != ledger.Failed || !strings.Contains(c.Error, "no progress in 3 attempts: its workers died") || c.Read != 0 {
				t.Errorf("%s because of %q, %d lines read", c.State, c.Error, c.Read)
			}
			b.deadLetter()
		})
	}
	t.Run("one may live", func(t *testing.T) {
		t.Parallel()
		b := newBed(t)
		b.add("dns/a", text(lines))
		claim(b, time.Now().Add(10*time.Minute))
		w := b.worker()
		for range 5 { // waiting counts as no attempt
			if n := b.drain(w); n != 1 {
				t.Fatalf("%d messages", n)
			}
			if c := b.cursor("dns/a"); c.Owner != "dead" || c.NoProgress != 1 || c.Epoch != 1 {
				t.Fatalf("owner %q, attempts %d, epoch %d", c.Owner, c.NoProgress, c.Epoch)
			}
			b.pass(9 * time.Minute)
			if n := b.drain(w); n != 0 {
				t.Fatal("the message came before the owner's time was over")
			}
			b.pass(2 * time.Minute)
		}
	})
}

// TestBudgetHalves: a worker that was killed for its time or memory gets further with less.
func TestBudgetHalves(t *testing.T) {
	t.Parallel()
	w := &Worker{o: Options{ChunkTime: 5 * time.Minute, Reserve: time.Minute}}
	for attempts, want := range map[int]time.Duration{0: 4 * time.Minute, 1: 4 * time.Minute, 2: 2 * time.Minute, 3: time.Minute, 100: 223} {
		j := &job{w: w, cursor: ledger.Cursor{NoProgress: attempts}}
		if got := j.budget(); got != want {
			t.Errorf("the budget of attempt %d is %v, want %v", attempts, got, want)
		}
	}
}

// TestPanic: a panic is the object's failure, not the pool's.
func TestPanic(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	lines := makeLines(1000, 10)
	b.add("dns/a", text(lines))
	b.add("dns/b", text(lines))
	w := b.worker(func(o *Options) {
		o.Archive = &faultyArchive{Archive: o.Archive, opens: func(p archive.OpenParams) error {
			if p.Key == "dns/a" {
				panic("a bug")
			}
			return nil
		}}
	})
	for range 4 {
		b.drain(w)
		b.pass(time.Minute)
	}
	b.wantFinished("dns/b", lines)
	if c := b.cursor("dns/a"); c.State != ledger.Failed || !strings.Contains(c.Error, "panic: a bug") {
		t.Errorf("%s because of %q", c.State, c.Error)
	}
}

// TestRetryReason: an attempt that failed says why, in the cursor, and the object is another's meanwhile.
func TestRetryReason(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	lines := makeLines(100, 10)
	b.add("dns/a", text(lines))
	b.step(b.worker(func(o *Options) {
		o.Archive = &faultyArchive{Archive: o.Archive, opens: func(archive.OpenParams) error { return errFault }}
	}))
	if c := b.cursor("dns/a"); c.State != ledger.Pending || c.NoProgress != 1 || c.Error != errFault.Error() || c.Owner != "" {
		t.Errorf("%s, attempts %d, error %q, owner %q", c.State, c.NoProgress, c.Error, c.Owner)
	}
	b.pass(time.Minute)
	b.drain(b.worker())
	b.wantFinished("dns/a", lines)
}

// TestThrottled: a store that refuses for a while costs no attempt, however long.
func TestThrottled(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	lines := makeLines(100, 10)
	b.add("dns/a", text(lines))
	for range 12 { // also more often than a message may be received
		b.step(b.worker(func(o *Options) {
			o.Archive = &faultyArchive{Archive: o.Archive, opens: func(archive.OpenParams) error {
				return fmt.Errorf("slow down: %w", archive.ErrThrottled)
			}}
		}))
		if c := b.cursor("dns/a"); c.State != ledger.Pending || c.NoProgress != 0 {
			t.Fatalf("%s, attempts %d", c.State, c.NoProgress)
		}
		b.pass(time.Minute)
	}
	b.drain(b.worker())
	b.wantFinished("dns/a", lines)
	b.wantIdle()
}

// TestPoisonOrder cuts the last writes of a poison object at each call: the dead letter comes first, the verdict last,
// so nothing is lost and nothing looks like a redrive.
func TestPoisonOrder(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		cut      string
		dead     int64
		inFlight int64
		state    ledger.State
	}{
		{"dead letter", 0, 1, ledger.Processing},
		{"delete", 1, 1, ledger.Processing},
		{"failed", 1, 0, ledger.Processing},
		{"", 1, 0, ledger.Failed},
	} {
		t.Run(c.cut, func(t *testing.T) {
			t.Parallel()
			b := newBed(t)
			b.add("dns/a.gz", bytes.Repeat([]byte{1}, 100))
			w := b.worker(func(o *Options) {
				o.Reserve, o.Writes = 2*time.Second, 2*time.Second
				fail := func(what string) error {
					if what == c.cut {
						return errFault
					}
					return nil
				}
				o.DeadLetters = &faultyQueue{Queue: o.DeadLetters, send: func(context.Context, []queue.Outgoing) error { return fail("dead letter") }}
				o.Queue = &faultyQueue{Queue: o.Queue, delete: func() error { return fail("delete") }}
				l := o.Ledger
				o.Ledger = &faultyLedger{Ledger: l, settle: func(ctx context.Context, s ledger.Settle) error {
					return errors.Join(fail("failed"), ignore(c.cut == "failed", func() error { return l.Settle(ctx, s) }))
				}}
			})
			b.step(w)
			if got := b.cursor("dns/a.gz").State; got != c.state {
				t.Errorf("the cursor is %s, want %s", got, c.state)
			}
			b.wantCounts(b.dead, queue.Counts{Visible: c.dead})
			b.wantCounts(b.queue, queue.Counts{InFlight: c.inFlight})
		})
	}
}

// ignore leaves a call out.
func ignore(out bool, call func() error) error {
	if out {
		return nil
	}
	return call()
}
