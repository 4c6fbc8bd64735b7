package worker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/seed-56345083/reprise/internal/archive"
	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/stats"
	"github.com/seed-56345083/reprise/queue"
)

// TestOutage feeds objects that fail and succeed, and asks after each failure whether it is held against the object.
func TestOutage(t *testing.T) {
	t.Parallel()
	const success = "+"
	for name, c := range map[string]struct {
		events string // keys that fail, "+" for a success, "1h" and the like for time that passes
		want   string // of each failure: s(pared) or c(ounts)
		lasts  bool
	}{
		"one object alone":       {events: "a a a a a", want: "ccccc"},
		"two objects":            {events: "a b a b a b", want: "cccccc"},
		"three objects":          {events: "a b c a b c d", want: "ccsssss", lasts: true},
		"successes between":      {events: "a b + c d + a b", want: "cccccc"},
		"healed":                 {events: "a b c d + a b c", want: "ccssccs", lasts: true},
		"healed for good":        {events: "a b c +", want: "ccs"},
		"one among healthy ones": {events: "a + a + + a + a", want: "cccc"},
		"hours between":          {events: "a 61m b 61m c 61m d", want: "cccc"},
		"forgotten":              {events: "a b c 61m d", want: "ccsc"},
		"minutes between":        {events: "a 59m b 59m c 59m d", want: "ccss", lasts: true},
		"a day":                  {events: "a b c" + strings.Repeat(" 30m c", 47) + " 29m c 1m c c", want: "cc" + strings.Repeat("s", 49) + "cc", lasts: true},
		"healed after a day":     {events: "a b c" + strings.Repeat(" 30m c", 48) + " + a b c", want: "cc" + strings.Repeat("s", 48) + "cccs", lasts: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				o := outage{log: zap.NewNop()}
				var got strings.Builder
				for _, event := range strings.Fields(c.events) {
					before := o.lasting()
					if d, err := time.ParseDuration(event); err == nil {
						<-time.After(d)
					} else if event == success {
						o.succeeded()
						if before != nil {
							<-before // closed
						}
					} else if o.failed(event, errFault) {
						got.WriteByte('s')
					} else {
						got.WriteByte('c')
					}
				}
				if got.String() != c.want || (o.lasting() != nil) != c.lasts {
					t.Errorf("%s, lasting %t; want %s, %t", got.String(), o.lasting() != nil, c.want, c.lasts)
				}
			})
		})
	}
}

// TestOutageIsSaid once when it begins, then once a minute, and once when it is over.
func TestOutageIsSaid(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		core, logs := observer.New(zap.InfoLevel)
		o := outage{log: zap.New(core)}
		for range 2 {
			o.succeeded()
			for i := range 10 * 60 { // ten minutes
				o.failed(fmt.Sprint(i), errFault)
				<-time.After(time.Second)
			}
		}
		o.succeeded()
		o.succeeded()
		said := map[string]int{}
		for _, e := range logs.All() {
			said[e.Level.String()]++
		}
		if said["warn"] != 20 || said["info"] != 2 {
			t.Errorf("said %v, want 20 warnings and 2 that it is over", said)
		}
	})
}

// TestMaybeOutage: what is wrong with an object, with the program or with nothing is no outage.
func TestMaybeOutage(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err  error
		want bool
	}{
		{nil, false},
		{io.ErrUnexpectedEOF, true},
		{context.DeadlineExceeded, true},
		{fmt.Errorf("reading: %w", errFault), true}, // drivers give no name to a denial or a server error
		{archive.ErrThrottled, true},
		{ledger.ErrThrottled, true},
		{fmt.Errorf("%w: a bug", errPanic), false},
		{archive.ErrNotFound, false},
		{archive.ErrChanged, false},
		{archive.ErrCorrupt, false},
		{archive.ErrCold, false},
		{ledger.ErrFenced, false},
		{ledger.ErrOwned, false},
		{queue.ErrStaleReceipt, false},
		{stats.ErrVersion, false},
		{errNoProgress, false},
		{errBadLines, false},
		{errPaused, false},
		{errHandOn, false},
		{errStopped, false},
	} {
		if got := maybeOutage(c.err); got != c.want {
			t.Errorf("%v: %t, want %t", c.err, got, c.want)
		}
	}
}

var errDenied = errors.New("s3:GetObject is denied")

// TestServiceDown lets every object fail for an hour: none is FAILED by it, few are asked for meanwhile, and all are
// finished when it is over. One that fails alone, then, comes to its end.
func TestServiceDown(t *testing.T) {
	t.Parallel()
	for name, refusal := range map[string]error{"denied": errDenied, "throttled": archive.ErrThrottled} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := newBed(t)
				lines := makeLines(300, 10)
				const objects = 12
				for i := range objects {
					b.add(fmt.Sprintf("dns/%d", i), text(lines))
				}
				var down atomic.Bool
				var opens atomic.Int64
				down.Store(true)
				w := b.worker(func(o *Options) {
					o.Slots, o.Visibility = 4, 2*time.Minute
					o.Archive = &faultyArchive{Archive: o.Archive, opens: func(p archive.OpenParams) error {
						opens.Add(1)
						switch {
						case p.Key == "dns/foreign":
							return errDenied
						case down.Load():
							return refusal
						}
						return nil
					}}
				})
				stop := b.start(w)
				<-time.After(time.Hour)
				synctest.Wait()
				for i := range objects {
					if c := b.cursor(fmt.Sprintf("dns/%d", i)); c.State != ledger.Pending || c.NoProgress > 1 {
						t.Errorf("dns/%d is %s after %d attempts, %q", i, c.State, c.NoProgress, c.Error)
					}
				}
				// Each half a minute to a minute, and the slots that were at it when it began.
				if n := opens.Load(); n < 40 || n > 150 {
					t.Errorf("%d objects were tried in an hour", n)
				}
				down.Store(false)
				<-time.After(3 * time.Minute) // all messages come back within the visibility timeout
				synctest.Wait()
				for i := range objects {
					b.wantFinished(fmt.Sprintf("dns/%d", i), lines)
				}
				if w.outage.lasting() != nil {
					t.Error("the outage is not over")
				}
				b.wantIdle()

				opens.Store(0)
				b.add("dns/foreign", text(lines))
				<-time.After(5 * time.Minute)
				synctest.Wait()
				c := b.cursor("dns/foreign")
				if n := opens.Load(); c.State != ledger.Failed || n != int64(w.o.MaxAttempts) || !strings.Contains(c.Error, errDenied.Error()) {
					t.Errorf("the foreign object is %s after %d attempts, %q", c.State, n, c.Error)
				}
				b.wantCounts(b.dead, queue.Counts{Visible: 1})
				stop()
			})
		})
	}
}

// TestOutageEndsWithTheFirstLook: that an object can be read is known long before its chunk is committed.
func TestOutageEndsWithTheFirstLook(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	lines := makeLines(10*lookEvery, 50)
	content := text(lines)
	b.add("dns/a", content)
	var w *Worker
	var halfway atomic.Bool
	w = b.worker(func(o *Options) {
		o.Archive = &faultyArchive{Archive: o.Archive, body: func(_ context.Context, r io.Reader) io.Reader {
			return &pieces{r: r, size: 1 << 10, before: func(n int64) error {
				if n > int64(len(content))/2 && !halfway.Swap(true) && w.outage.lasting() != nil {
					t.Error("halfway through the object the outage is not over")
				}
				return nil
			}}
		}}
	})
	for _, key := range []string{"dns/x", "dns/y", "dns/z"} {
		w.outage.failed(key, errFault)
	}
	b.drain(w)
	if !halfway.Load() {
		t.Error("the object was not read")
	}
	b.wantFinished("dns/a", lines)
}

// TestOnlyForeignObjectsAreLeft: objects that nobody may read look like an outage where no other is left; they come to
// their end all the same.
func TestOnlyForeignObjectsAreLeft(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t)
		for i := range 4 {
			b.add(fmt.Sprintf("dns/%d", i), text(makeLines(10, 2)))
		}
		stop := b.start(b.worker(func(o *Options) {
			o.Wait = time.Second
			o.Archive = &faultyArchive{Archive: o.Archive, opens: func(archive.OpenParams) error { return errDenied }}
		}))
		<-time.After(outageSpares - time.Minute)
		synctest.Wait()
		if n := b.opened(); n != 4 {
			t.Errorf("%d objects are open within the day, want 4", n)
		}
		<-time.After(time.Hour)
		synctest.Wait()
		if n := b.opened(); n != 0 {
			t.Errorf("%d objects are open after it", n)
		}
		stop()
	})
}
