package live

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/seed-56345083/reprise/internal/entries"
	"github.com/seed-56345083/reprise/internal/faults"
	"github.com/seed-56345083/reprise/internal/ledger"
)

// consumer makes a consumer that is in no need of patience; change makes it another one.
func (s *site) consumer(owner string, l ledger.Ledger, e entries.Entries, change func(*ConsumerOptions)) *Consumer {
	s.t.Helper()
	o := ConsumerOptions{
		Counter: s.counterOf(l, e), Owner: owner, Batch: 60, Poll: time.Millisecond, Discover: 5 * time.Millisecond,
		Save: 5 * time.Millisecond, Sweep: time.Hour, Compact: 24 * time.Hour,
	}
	if change != nil {
		change(&o)
	}
	c, err := NewConsumer(o)
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

func once(o *ConsumerOptions) { o.Once = true }

// start runs a consumer; the function returned stops it and waits for its end.
func (s *site) start(c *Consumer) (stop func()) {
	ctx, cancel := context.WithCancel(s.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	var stopping sync.Once
	stop = func() {
		stopping.Do(func() {
			cancel()
			if err := <-ended; err != nil {
				s.t.Errorf("a consumer that was stopped says %v", err)
			}
		})
	}
	s.t.Cleanup(stop)
	return stop
}

// counted reports whether all entries are counted in these generations.
func (s *site) counted(list []entries.Entry, gens ...int64) bool {
	s.t.Helper()
	return !slices.ContainsFunc(s.read(list), func(e entries.Entry) bool { return !slices.Equal(e.Gens, gens) })
}

// hold takes a lease as another process.
func (s *site) hold(name string) ledger.Lease {
	s.t.Helper()
	lease := ledger.Lease{Name: name, Owner: "other", Until: time.Now().Add(time.Hour)}
	if _, err := s.l.AcquireLease(s.t.Context(), lease, time.Now()); err != nil {
		s.t.Fatal(err)
	}
	return lease
}

// free fails the test unless nobody holds the lease.
func (s *site) free(name string) {
	s.t.Helper()
	ctx := context.WithoutCancel(s.t.Context())
	if _, err := s.l.AcquireLease(ctx, ledger.Lease{Name: name, Owner: "test", Until: time.Now()}, time.Now()); err != nil {
		s.t.Errorf("lease %s: %v", name, err)
	}
}

func (s *site) checkpoints() []entries.Checkpoint {
	s.t.Helper()
	checkpoints, err := s.e.Checkpoints(context.WithoutCancel(s.t.Context()))
	if err != nil {
		s.t.Fatal(err)
	}
	return checkpoints
}

// position is how far the only shard was read.
func (s *site) position() int64 {
	s.t.Helper()
	for _, c := range s.checkpoints() {
		if c.Shard == "entries" {
			return number(c.Position)
		}
	}
	return 0
}

func TestSeveralConsumersCountAMessyFeedOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.add(ledger.Generation{Number: 1}, first())
	lines := makeLines(900, 30)
	list := s.put(lines[:500])
	dice := newDice(t)
	written := make(chan struct{}, 1)
	var stops []func()
	for i := range 3 {
		l, e := s.open()
		feed := &messy{Entries: &split{Entries: &eventEntries{e, written}, t: t, first: 300, then: 650}, dice: newDice(t)}
		c := s.consumer(fmt.Sprint(i), &eventLedger{l, written}, feed, func(o *ConsumerOptions) {
			o.Batch = 20 + dice.IntN(50)
			o.Shards = 2
			o.Sweep = 20 * time.Millisecond
		})
		stops = append(stops, s.start(c))
	}
	until(t, written, "the first entries are counted", func() bool { return s.counted(list, 1) })
	s.add(ledger.Generation{Number: 2}, second())
	list = append(list, s.put(lines[500:])...)
	until(t, written, "all entries are counted in both generations", func() bool { return s.counted(list, 1, 2) })
	until(t, written, "all shards are read", func() bool {
		at := map[string]entries.Checkpoint{}
		for _, c := range s.checkpoints() {
			at[c.Shard] = c
		}
		return at["root"].Closed && at["left"].Closed && number(at["right"].Position) == 900 && number(at["last"].Position) == 900
	})
	for _, stop := range stops {
		stop()
	}
	s.wants(1, countFirst(lines))
	s.wants(2, countSecond(lines))
	for _, shard := range family {
		s.free(leaseOf(shard.ID))
	}
}

// TestConsumersThatDieAllTheTime lets three processes fail, be stopped and begin again while generations come, rows are
// compacted and the feed repeats itself.
func TestConsumersThatDieAllTheTime(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.add(ledger.Generation{Number: 1}, first())
	lines := makeLines(600, 15)
	list := s.put(lines[:300])
	var processes sync.WaitGroup
	for i := range 3 {
		l, e := s.open()
		dice := newDice(t)
		processes.Go(func() {
			for life := range 8 {
				plan := faults.Random(dice.Uint64(), faults.Rates{Before: 0.05, Reply: 0.05})
				events, written, _ := watched(l, &messy{Entries: e, dice: newDice(t)})
				c := s.consumer(fmt.Sprint(i), faults.Ledger(events, plan), faults.Entries(written, plan), func(o *ConsumerOptions) {
					o.Batch, o.Lease, o.Sweep, o.Compact = 30, 20*time.Millisecond, 15*time.Millisecond, 50*time.Millisecond
				})
				ctx, stop := context.WithCancel(t.Context())
				ended := make(chan error, 1)
				go func() { ended <- c.Run(ctx) }()
				for range 5 + dice.IntN(20) {
					<-events.written
				}
				stop()
				if err := <-ended; err != nil {
					t.Errorf("life %d of process %d: %v", life, i, err)
				}
			}
		})
	}
	s.add(ledger.Generation{Number: 2}, second())
	list = append(list, s.put(lines[300:])...)
	processes.Wait()
	if err := s.consumer("last", s.l, s.e, once).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.wants(1, countFirst(lines))
	s.wants(2, countSecond(lines))
	s.marked(list, 1, 2)
}

func TestOnceEndsWhenNothingIsLeft(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.add(ledger.Generation{Number: 1}, first())
	lines := makeLines(400, 20)
	list := s.put(lines[:250])
	run := func(name string) {
		t.Helper()
		feed := &split{Entries: s.e, t: t, first: 100, then: 200}
		if err := s.consumer(name, s.l, feed, once).Run(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	run("a")
	s.marked(list, 1)
	s.wants(1, countFirst(lines[:250]))
	list = append(list, s.put(lines[250:])...)
	run("b")
	s.marked(list, 1)
	s.wants(1, countFirst(lines))
	run("c")
	s.wants(1, countFirst(lines))
	behind, err := Lag(t.Context(), &split{Entries: s.e, t: t})
	if err != nil {
		t.Fatal(err)
	}
	if behind.Shards != 2 || behind.Unread != 0 || behind.Lag != 0 || behind.Seen.IsZero() {
		t.Errorf("behind is %+v, want two open shards, read to the present", behind)
	}
}

func TestOnceWaitsForAShardThatAnotherProcessReads(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.add(ledger.Generation{Number: 1}, first())
	lines := makeLines(100, 20)
	list := s.put(lines)
	lease := s.hold(leaseOf("entries"))
	l, e, written := watched(s.l, s.e)
	ended := make(chan error, 1)
	c := s.consumer("a", l, e, once)
	go func() { ended <- c.Run(t.Context()) }()
	for range 3 { // tries: it waits
		<-written
	}
	if len(ended) > 0 || s.counted(list[:1], 1) {
		t.Error("it does not wait for the shard")
	}
	if err := s.l.ReleaseLease(t.Context(), lease.Name, lease.Owner); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	s.wants(1, countFirst(lines))
}

func TestWhatTheFeedHasForgottenIsSwept(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.add(ledger.Generation{Number: 1}, first())
	lines := makeLines(300, 20)
	list := s.put(lines[:100])
	l, e, written := watched(s.l, s.e)
	feed := &trimmed{Entries: e}
	stop := s.start(s.consumer("b", l, feed, nil))
	until(t, written, "the first entries are counted", func() bool { return s.counted(list, 1) && s.position() == 100 })
	feed.forget(func() { list = append(list, s.put(lines[100:])...) }, 200)
	until(t, written, "all entries are counted", func() bool { return s.counted(list, 1) && s.position() == 300 })
	stop()
	s.wants(1, countFirst(lines))
}

func TestADeadConsumersShardIsTakenOver(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.add(ledger.Generation{Number: 1}, first())
	lines := makeLines(200, 20)
	list := s.put(lines)
	dead := ledger.Lease{Name: leaseOf("entries"), Owner: "dead", Until: time.Now().Add(100 * time.Millisecond)}
	if _, err := s.l.AcquireLease(t.Context(), dead, time.Now()); err != nil {
		t.Fatal(err)
	}
	l, e, written := watched(s.l, s.e)
	stop := s.start(s.consumer("b", l, e, nil))
	until(t, written, "all entries are counted", func() bool { return s.counted(list, 1) && s.position() == 200 })
	stop()
	s.wants(1, countFirst(lines))
}

func TestAConsumerThatLosesItsLeaseStopsReading(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.add(ledger.Generation{Number: 1}, first())
	s.put(makeLines(100, 20))
	l, e, written := watched(s.l, s.e)
	c := s.consumer("a", l, e, func(o *ConsumerOptions) { o.Lease = 30 * time.Millisecond })
	stop := s.start(c)
	until(t, written, "the shard is read", func() bool { return s.position() == 100 })
	later := time.Now().Add(time.Minute) // whoever takes the lease a minute from now finds it free
	stolen := ledger.Lease{Name: leaseOf("entries"), Owner: "b", Until: later.Add(time.Hour)}
	if _, err := s.l.AcquireLease(t.Context(), stolen, later); err != nil {
		t.Fatal(err)
	}
	until(t, written, "the reader stops", func() bool { _, reading := c.reading.Load("entries"); return !reading })
	stop()
	if _, err := s.l.AcquireLease(t.Context(), ledger.Lease{Name: stolen.Name, Owner: "c", Until: later}, time.Now()); !errors.Is(err, ledger.ErrHeld) {
		t.Errorf("the consumer gave a lease back that was another's: %v", err)
	}
}

func TestAStoppedConsumerSavesItsCheckpoint(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.add(ledger.Generation{Number: 1}, first())
	lines := makeLines(100, 20)
	s.put(lines[:60])
	s.hold("sweep#" + protocol) // or a late sweep counts before the feed is read
	l, e, written := watched(s.l, s.e)
	stop := s.start(s.consumer("a", l, e, func(o *ConsumerOptions) { o.Save = time.Hour }))
	until(t, written, "the first checkpoint is saved", func() bool { return s.position() == 60 })
	list := s.put(lines[60:])
	until(t, written, "the others are counted", func() bool { return s.counted(list, 1) })
	stop()
	if got := s.position(); got != 100 {
		t.Errorf("the checkpoint is at %d, want 100", got)
	}
	s.free(leaseOf("entries"))
	s.wants(1, countFirst(lines))
}

func TestEntriesWithoutAGenerationStayAndAreSaidOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.add(ledger.Generation{Number: 1}, first())
	lines := makeLines(100, 20)
	list := s.put(lines)
	foreign, early := s.putOf("foreign", lines), s.putOf("early", lines)
	core, logs := observer.New(zapcore.WarnLevel)
	l, e, written := watched(s.l, s.e)
	stop := s.start(s.consumer("a", l, e, func(o *ConsumerOptions) {
		o.Protocols = []string{protocol, "early"}
		o.Log = zap.New(core)
		o.Sweep = 20 * time.Millisecond
	}))
	until(t, written, "the feed is read", func() bool { return s.position() == 300 })
	if !s.counted(list, 1) || !s.counted(foreign) || !s.counted(early) {
		t.Error("not just the entries of the protocol that has a generation are counted")
	}
	for _, said := range []string{"not configured", "until there is a generation"} {
		if n := logs.FilterMessageSnippet(said).Len(); n < 1 || n > 10 { // of 100 entries; a slow machine takes minutes
			t.Errorf("%q was said %d times, want once a minute", said, n)
		}
	}
	s.add(ledger.Generation{Protocol: "early", Number: 1}, first())
	until(t, written, "they are swept", func() bool { return s.counted(early, 1) })
	stop()
	if !s.counted(foreign) {
		t.Error("entries of a protocol that is not configured are counted")
	}
	got, _ := s.rowsOf("early", 1)
	compare(t, "early", got, countFirst(lines))
}

func TestANewGenerationIsSweptThoughAllIsProcessed(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.add(ledger.Generation{Number: 1}, first())
	lines := makeLines(150, 20)
	list := s.put(lines)
	l, e, written := watched(s.l, s.e)
	stop := s.start(s.consumer("a", l, e, func(o *ConsumerOptions) { o.Sweep = 10 * time.Millisecond }))
	until(t, written, "all is counted", func() bool { return s.counted(list, 1) && s.position() == 150 })
	s.add(ledger.Generation{Number: 2}, second())
	until(t, written, "all is counted in the new generation", func() bool { return s.counted(list, 1, 2) })
	stop()
	s.wants(2, countSecond(lines))
}

// dirty is a feed with records that are no entries.
type dirty struct{ entries.Entries }

func (d dirty) Feed(ctx context.Context, shard, position string, limit int) (entries.Records, error) {
	r, err := d.Entries.Feed(ctx, shard, position, limit)
	if len(r.Entries) > 0 {
		r.Bad = append(r.Bad, "record 17: it has no id")
	}
	return r, err
}

func TestRecordsThatAreNoEntriesArePassedOver(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.add(ledger.Generation{Number: 1}, first())
	lines := makeLines(100, 20)
	s.put(lines)
	core, logs := observer.New(zapcore.WarnLevel)
	c := s.consumer("a", s.l, dirty{s.e}, func(o *ConsumerOptions) { o.Once, o.Log = true, zap.New(core) })
	if err := c.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.wants(1, countFirst(lines))
	if n := logs.FilterMessageSnippet("no entry").Len(); n != 2 {
		t.Errorf("%d records were said to be none, want one of each read", n)
	}
	if n := c.done.bad.Load(); n != 2 {
		t.Errorf("%d records were counted as none, want 2", n)
	}
}

func TestAConsumerRunsOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.add(ledger.Generation{Number: 1}, first())
	c := s.consumer("a", s.l, s.e, once)
	if err := c.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := c.Run(t.Context()); !errors.Is(err, errStarted) {
		t.Errorf("the second run gave %v, want %v", err, errStarted)
	}
}

func TestOptionsThatMakeNoSense(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for _, o := range []Options{{}, {Ledger: s.l, Entries: s.e, Slots: -1}, {Ledger: s.l, Entries: s.e, Slots: MaxSlots + 1}, {Ledger: s.l, Entries: s.e, Parallel: -1}} {
		if _, err := New(o); err == nil {
			t.Errorf("a counter is made of %+v", o)
		}
	}
	c := s.counter()
	for _, o := range []ConsumerOptions{{}, {Counter: c}, {Owner: "a"}, {Counter: c, Owner: "a", Poll: -1}, {Counter: c, Owner: "a", Batch: -1}} {
		if _, err := NewConsumer(o); err == nil {
			t.Errorf("a consumer is made of %+v", o)
		}
	}
}
