package faults_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-56345083/reprise/internal/archive"
	"github.com/seed-56345083/reprise/internal/archive/archivetest"
	"github.com/seed-56345083/reprise/internal/archive/dirarchive"
	"github.com/seed-56345083/reprise/internal/entries"
	"github.com/seed-56345083/reprise/internal/entries/entriestest"
	"github.com/seed-56345083/reprise/internal/entries/sqliteentries"
	"github.com/seed-56345083/reprise/internal/faults"
	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/ledger/ledgertest"
	"github.com/seed-56345083/reprise/internal/ledger/sqliteledger"
	"github.com/seed-56345083/reprise/queue"
	"github.com/seed-56345083/reprise/queue/queuetest"
	"github.com/seed-56345083/reprise/queue/sqlitequeue"
)

// none is a plan at rate 0.
func none() *faults.Plan { return faults.Random(1, faults.Rates{}) }

// clock is moved by hand.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func openQueue(tb testing.TB, path, name, dead string, now func() time.Time) *sqlitequeue.Queue {
	tb.Helper()
	q, err := sqlitequeue.Open(context.Background(), sqlitequeue.Options{
		Path: path, Name: name, DeadLetter: dead, MaxReceives: queuetest.MaxReceives, Now: now,
	})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = q.Close() })
	return q
}

func TestQueueWithoutFaults(t *testing.T) {
	t.Parallel()
	queuetest.Run(t, queuetest.Harness{
		Driver:           "faults (none) over sqlitequeue",
		DeleteTellsStale: true, ChangeTellsStale: true, LimitsHold: true,
		Open: func(tb testing.TB) queuetest.Queues {
			c := &clock{now: time.Unix(1_700_000_000, 0)}
			path := filepath.Join(tb.TempDir(), "queue.db")
			return queuetest.Queues{
				Work: faults.Queue(openQueue(tb, path, "work", "dead", c.Now), none()),
				Dead: faults.Queue(openQueue(tb, path, "dead", "", c.Now), none()), Advance: c.Advance,
			}
		},
	})
}

func openLedger(tb testing.TB) ledger.Ledger {
	tb.Helper()
	l, err := sqliteledger.Open(context.Background(), filepath.Join(tb.TempDir(), "ledger.db"))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = l.Close() })
	return l
}

func TestLedgerWithoutFaults(t *testing.T) {
	t.Parallel()
	ledgertest.Run(t, ledgertest.Harness{Driver: "faults (none) over sqliteledger", Open: func(tb testing.TB) ledger.Ledger { return faults.Ledger(openLedger(tb), none()) }})
}

func openEntries(tb testing.TB) (ledger.Ledger, entries.Entries) {
	tb.Helper()
	l, err := sqliteledger.Open(context.Background(), filepath.Join(tb.TempDir(), "ledger.db"))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = l.Close() })
	e, err := sqliteentries.Open(context.Background(), l)
	if err != nil {
		tb.Fatal(err)
	}
	return l, e
}

func TestEntriesWithoutFaults(t *testing.T) {
	t.Parallel()
	entriestest.Run(t, entriestest.Harness{Driver: "faults (none) over sqliteentries", Open: func(tb testing.TB) (ledger.Ledger, entries.Entries) {
		l, e := openEntries(tb)
		return l, faults.Entries(e, none())
	}})
}

// Every call of the incoming table meets its fault, and under its own name.
func TestEntriesFail(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	_, inner := openEntries(t)
	count := faults.Count()
	calls := func(e entries.Entries) map[string]error {
		errs := map[string]error{}
		note := func(name string, err error) { errs["entries."+name] = err }
		_, err := e.Put(ctx, []entries.Entry{{ID: "a", Protocol: "dns", TS: time.Unix(5, 0)}})
		note("Put", err)
		_, err = e.Read(ctx, []string{"a"})
		note("Read", err)
		_, err = e.Backlog(ctx, "dns", 1)
		note("Backlog", err)
		_, err = e.Expire(ctx, time.Unix(5, 0), 1)
		note("Expire", err)
		_, err = e.LiveRows(ctx, ledger.Part{Name: "live.0"}, nil)
		note("LiveRows", err)
		note("Count", e.Count(ctx, entries.Count{}))
		note("MergeLive", e.MergeLive(ctx, entries.Merge{}))
		note("OpenBatch", e.OpenBatch(ctx, entries.Batch{}))
		_, err = e.Join(ctx, entries.Join{})
		note("Join", err)
		_, err = e.ClaimBatch(ctx, "B")
		note("ClaimBatch", err)
		_, err = e.Unwritten(ctx, "dns")
		note("Unwritten", err)
		note("Archived", e.Archived(ctx, "B", nil, time.Time{}))
		note("DoneBatch", e.DoneBatch(ctx, entries.Batch{}, time.Time{}))
		_, err = e.Shards(ctx)
		note("Shards", err)
		_, err = e.Feed(ctx, "s", "", 1)
		note("Feed", err)
		_, err = e.Checkpoints(ctx)
		note("Checkpoints", err)
		note("SaveCheckpoint", e.SaveCheckpoint(ctx, entries.Checkpoint{Shard: "s"}))
		for _, err := range e.Unfinished(ctx, "dns") {
			note("Unfinished", err)
		}
		for _, err := range e.LiveParts(ctx, "dns", 1, "s") {
			note("LiveParts", err)
		}
		for _, err := range e.Members(ctx, entries.Batch{ID: "B", Pages: 1}) {
			note("Members", err)
		}
		return errs
	}
	calls(faults.Entries(inner, count))
	names := slices.DeleteFunc(count.Calls(), func(name string) bool { return strings.HasSuffix(name, " step") })
	if len(names) != 20 {
		t.Fatalf("%d calls: %v", len(names), names)
	}
	for _, name := range names {
		for n, err := range calls(faults.Entries(inner, faults.At(name, 0, faults.Before))) {
			if errors.Is(err, faults.ErrInjected) != (n == name) {
				t.Errorf("fault at %s: %s says %v", name, n, err)
			}
		}
	}
}

// store writes past the decorator and reads through it.
type store struct {
	archive.Archive
	root  string
	files *dirarchive.Archive
}

func (s store) Put(tb testing.TB, key string, data []byte) {
	tb.Helper()
	if _, err := s.files.Put(tb.Context(), dirarchive.PutParams{Key: key, Body: bytes.NewReader(data), NoSync: true}); err != nil {
		tb.Fatal(err)
	}
}

func (s store) Delete(tb testing.TB, key string) {
	tb.Helper()
	if err := os.Remove(filepath.Join(s.root, key)); err != nil {
		tb.Fatal(err)
	}
}

func TestArchiveWithoutFaults(t *testing.T) {
	t.Parallel()
	archivetest.Run(t, archivetest.Harness{Driver: "faults (none) over dirarchive", AtomicTags: true, Many: 200, New: func(tb testing.TB) archivetest.Store {
		root := tb.TempDir()
		files, err := dirarchive.New(context.Background(), dirarchive.Options{Root: root, Tags: filepath.Join(tb.TempDir(), "tags.db")})
		if err != nil {
			tb.Fatal(err)
		}
		tb.Cleanup(func() { _ = files.Close() })
		return store{Archive: faults.Archive(files, none()), root: root, files: files}
	}})
}

func TestCallsFailAsPlanned(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	protocol := ledger.Writes{Protocols: []ledger.Protocol{{Name: "dns", Epoch: 1}}}
	for _, c := range []struct {
		fault    faults.Fault
		happened bool
		err      error
		later    error
	}{
		{faults.Before, false, faults.ErrInjected, nil},
		{faults.Reply, true, faults.ErrInjected, nil},
		{faults.DieBefore, false, faults.ErrDead, faults.ErrDead},
		{faults.DieAfter, true, faults.ErrDead, faults.ErrDead},
	} {
		t.Run(c.fault.String(), func(t *testing.T) {
			t.Parallel()
			inner := openLedger(t)
			l := faults.Ledger(inner, faults.Cut(1, c.fault))
			if _, err := l.Protocol(ctx, "dns"); err != nil {
				t.Fatalf("the call before the point: %v", err)
			}
			if err := l.Write(ctx, protocol); !errors.Is(err, c.err) {
				t.Errorf("the call at the point: %v, want %v", err, c.err)
			}
			p, err := inner.Protocol(ctx, "dns")
			if err != nil || (p.Version > 0) != c.happened {
				t.Errorf("version %d (%v) behind it; happened should be %v", p.Version, err, c.happened)
			}
			if _, err := l.Protocol(ctx, "dns"); !errors.Is(err, c.later) {
				t.Errorf("the call after the point: %v, want %v", err, c.later)
			}
		})
	}
}

// A lost reply takes the result with it.
func TestLostReplyHidesTheResult(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	inner := openQueue(t, filepath.Join(t.TempDir(), "queue.db"), "work", "", nil)
	q := faults.Queue(inner, faults.Cut(1, faults.Reply))
	if err := q.Send(ctx, []queue.Outgoing{{Body: []byte("x")}}); err != nil {
		t.Fatal(err)
	}
	messages, err := q.Receive(ctx, queue.ReceiveParams{Max: 1, Visibility: time.Minute})
	if len(messages) != 0 || !errors.Is(err, faults.ErrInjected) {
		t.Errorf("Receive = %d messages, %v", len(messages), err)
	}
	if counts, err := inner.Counts(ctx); err != nil || counts.InFlight != 1 {
		t.Errorf("behind it: %+v, %v; one is in flight", counts, err)
	}
}

func TestMessages(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	for _, c := range []struct {
		name  string
		rates faults.Rates
		want  queue.Counts
	}{
		{"lose", faults.Rates{Lose: 1}, queue.Counts{}},
		{"repeat", faults.Rates{Repeat: 1}, queue.Counts{Visible: 20}},
		{"delay", faults.Rates{Delay: 1}, queue.Counts{Delayed: 10}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			now := &clock{now: time.Unix(1_700_000_000, 0)}
			inner := openQueue(t, filepath.Join(t.TempDir(), "queue.db"), "work", "", now.Now)
			out := make([]queue.Outgoing, queue.MaxBatch)
			for i := range out {
				out[i].Body = []byte{byte('0' + i)}
			}
			if err := faults.Queue(inner, faults.Random(7, c.rates)).Send(ctx, out); err != nil {
				t.Fatal(err)
			}
			if counts, err := inner.Counts(ctx); err != nil || counts != c.want {
				t.Errorf("%+v, %v; want %+v", counts, err, c.want)
			}
		})
	}
}

// The same seed must give the same faults, or a failure could not be looked at again.
func TestSeedRepeats(t *testing.T) {
	t.Parallel()
	draw := func() (failed []int) {
		l := faults.Ledger(openLedger(t), faults.Random(42, faults.Rates{Before: 0.2, Reply: 0.2}))
		for i := range 50 {
			if _, err := l.Protocols(context.Background()); err != nil {
				failed = append(failed, i)
			}
		}
		return failed
	}
	first, second := draw(), draw()
	if len(first) < 5 || len(first) > 40 || len(first) != len(second) {
		t.Fatalf("failed at %v and at %v", first, second)
	}
	for i := range first {
		if first[i] != second[i] {
			t.Fatalf("failed at %v and at %v", first, second)
		}
	}
}

// A point is a call's name and its number among those; under At each item of a sequence, and its end, is a call.
func TestAtNamesAPoint(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	inner := openLedger(t)
	cursors := make([]ledger.Cursor, 2)
	for i := range cursors {
		cursors[i] = ledger.Cursor{
			CursorID: ledger.CursorID{Replay: "r", Key: fmt.Sprint(i)}, Protocol: "dns", State: ledger.Pending, StateChange: time.Unix(1, 0).UTC(),
		}
	}
	if err := inner.Insert(ctx, cursors); err != nil {
		t.Fatal(err)
	}
	scan := func(p *faults.Plan) (n int, err error) {
		l := faults.Ledger(inner, p)
		if _, err := l.Protocols(ctx); err != nil {
			t.Errorf("another call: %v", err)
		}
		for _, err := range l.Scan(ctx, ledger.ScanParams{Replay: "r"}) {
			if err != nil {
				return n, err
			}
			n++
		}
		return n, nil
	}
	count := faults.Count()
	if n, err := scan(count); n != 2 || err != nil {
		t.Fatalf("%d cursors, %v", n, err)
	}
	want := []string{"ledger.Protocols", "ledger.Scan", "ledger.Scan step", "ledger.Scan step", "ledger.Scan step"}
	if got := count.Calls(); !slices.Equal(got, want) {
		t.Fatalf("calls %v, want %v", got, want)
	}
	for at := range 3 {
		p := faults.At("ledger.Scan step", at, faults.Before)
		if n, err := scan(p); n != at || !errors.Is(err, faults.ErrInjected) || !p.Hit() {
			t.Errorf("at step %d: %d cursors, %v, hit %t", at, n, err, p.Hit())
		}
	}
	p := faults.At("ledger.Scan step", 3, faults.Before)
	if _, err := scan(p); err != nil || p.Hit() {
		t.Errorf("a point that is not reached: %v, hit %t", err, p.Hit())
	}
}

// A process that sleeps makes no call until it is woken, and then the one at which it stood.
func TestSleep(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		inner := openLedger(t)
		p := faults.At("ledger.Write", 0, faults.Sleep)
		l := faults.Ledger(inner, p)
		written, read := make(chan error, 1), make(chan error, 1)
		go func() { written <- l.Write(ctx, ledger.Writes{Protocols: []ledger.Protocol{{Name: "dns", Epoch: 1}}}) }()
		for !p.Hit() {
			<-time.After(time.Second)
		}
		go func() {
			_, err := l.Protocols(ctx)
			read <- err
		}()
		<-time.After(time.Hour)
		if r, err := inner.Protocol(ctx, "dns"); err != nil || r.Version != 0 || len(written)+len(read) > 0 {
			t.Errorf("while it sleeps: %+v, %v, %d calls have ended", r, err, len(written)+len(read))
		}
		p.Wake()
		if err := errors.Join(<-written, <-read); err != nil {
			t.Error(err)
		}
		if r, err := inner.Protocol(ctx, "dns"); err != nil || r.Version != 1 {
			t.Errorf("when it is awake: %+v, %v", r, err)
		}
		p.Wake() // nobody sleeps
	})
}

// TestAsk lets a function decide, which holds one call up while others are made.
func TestAsk(t *testing.T) {
	t.Parallel()
	store, err := sqliteledger.Open(context.Background(), filepath.Join(t.TempDir(), "ledger.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	held, goOn := make(chan struct{}), make(chan faults.Fault)
	plan := faults.Ask(func(name string) faults.Fault {
		if name != "ledger.Protocol" {
			return faults.None
		}
		close(held)
		return <-goOn
	})
	l := faults.Ledger(store, plan)
	ctx := context.Background()
	answer := make(chan error, 1)
	go func() {
		_, err := l.Protocol(ctx, "dns")
		answer <- err
	}()
	<-held
	if _, err := l.Protocols(ctx); err != nil || plan.Dead() {
		t.Errorf("another call: %v, dead %t", err, plan.Dead())
	}
	goOn <- faults.DieAfter
	if err := <-answer; !errors.Is(err, faults.ErrDead) {
		t.Errorf("the call that was held up: %v", err)
	}
	if _, err := l.Protocol(ctx, "dns"); !errors.Is(err, faults.ErrDead) || !plan.Dead() || !plan.Hit() || plan.Reached() != 2 {
		t.Errorf("after death: %v, dead %t, hit %t, %d calls", err, plan.Dead(), plan.Hit(), plan.Reached())
	}
}
