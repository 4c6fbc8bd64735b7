package replay_test

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-56345083/reprise/internal/archive"
	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/replay"
	"github.com/seed-56345083/reprise/queue"
	"github.com/seed-56345083/reprise/queue/sqlitequeue"
	"github.com/seed-56345083/reprise/worker"
)

// quick is a queue that a walk need not poll: this one misses nothing.
type quick struct{ queue.Queue }

func (q quick) Receive(ctx context.Context, p queue.ReceiveParams) ([]queue.Message, error) {
	p.Wait = 0
	return q.Queue.Receive(ctx, p)
}

// steerLedger taps the calls that only steering makes.
type steerLedger struct {
	ledger.Ledger
	t *tap
}

func (l steerLedger) Reopen(ctx context.Context, r ledger.Reopen) error {
	return l.t.do("Reopen", func() error { return l.Ledger.Reopen(ctx, r) })
}

func (l steerLedger) DeleteSegments(ctx context.Context, id string, limit int) (int, error) {
	return get(l.t, "DeleteSegments", func() (int, error) { return l.Ledger.DeleteSegments(ctx, id, limit) })
}

type steerArchive struct {
	archive.Archive
	t *tap
}

func (a steerArchive) Stat(ctx context.Context, key string) (archive.Object, error) {
	return get(a.t, "Stat", func() (archive.Object, error) { return a.Archive.Stat(ctx, key) })
}

// operator makes a driver whose every call is tapped. tap may be nil.
func (s *system) operator(tap *tap, change ...func(*replay.Options)) *replay.Driver {
	s.t.Helper()
	return s.driver("operator", tap, append(change, func(o *replay.Options) {
		o.DeadLetters = quick{o.DeadLetters}
		if tap != nil {
			o.Ledger, o.Archive = steerLedger{o.Ledger, tap}, steerArchive{o.Archive, tap}
		}
	})...)
}

// pool runs workers until they are stopped, at the latest at the test's end.
func (s *system) pool(change func(*worker.Options)) (stop func()) {
	s.t.Helper()
	o := worker.Options{
		Queue: s.work, DeadLetters: s.dead, Ledger: s.ledger, Archive: s.files, Name: "pool",
		Visibility: 20 * time.Second, ChunkTime: 1500 * time.Millisecond, Reserve: time.Second, Drain: 10 * time.Second,
		Wait: 20 * time.Millisecond, Report: 20 * time.Millisecond,
	}
	change(&o)
	w, err := worker.New(o)
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	var once atomic.Bool
	stop = func() {
		if once.Swap(true) {
			return
		}
		cancel()
		if err := <-done; err != nil {
			s.t.Error(err)
		}
	}
	s.t.Cleanup(stop)
	return stop
}

// replayed takes a replay of the protocols to its end, with workers of its own.
func (s *system) replayed(protocols ...string) ledger.Replay {
	s.t.Helper()
	stop := s.pool(func(*worker.Options) {})
	defer stop()
	r := s.running(protocols...)
	s.done(r.ID)
	s.watch(s.operator(nil), r.ID, ledger.Finished)
	s.wantFinished(r.ID)
	return s.replay(r.ID)
}

func (s *system) pause(d *replay.Driver, id string, from ledger.State) {
	s.t.Helper()
	ctx := context.Background()
	r, err := d.Pause(ctx, id)
	if err != nil || r.State != ledger.Paused || r.Resumes != from {
		s.t.Fatalf("Pause = %s of %s, %v, want PAUSED of %s", r.State, r.Resumes, err, from)
	}
	again, err := d.Pause(ctx, id)
	if err != nil || again.Version != r.Version || s.replay(id).Version != r.Version {
		s.t.Errorf("pausing twice: version %d, %v, want %d", again.Version, err, r.Version)
	}
	look(s.t, d)
	if now := s.replay(id); now.Version != r.Version {
		s.t.Errorf("a look at a PAUSED replay has made %+v of it", now)
	}
	if h, err := d.Held(ctx); err != nil || len(h) != 1 || !h[0].Held || h[0].Why != "somebody to resume it" {
		s.t.Errorf("held %+v, %v", h, err)
	}
}

func (s *system) resume(d *replay.Driver, id string, to ledger.State) {
	s.t.Helper()
	for range 2 {
		if r, err := d.Resume(context.Background(), id); err != nil || r.State != to || r.Resumes != "" {
			s.t.Fatalf("Resume = %s of %q, %v, want %s", r.State, r.Resumes, err, to)
		}
	}
}

// TestPause pauses one replay in each state that it goes through.
func TestPause(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	ctx := context.Background()
	for i := range 7 {
		s.put(fmt.Sprint("logs/dns/", i), "a")
	}
	d := s.operator(nil)
	replay.PageSize(d, 2)
	r, err := d.Start(ctx, params("dns"))
	if err != nil {
		t.Fatal(err)
	}
	lister := s.driver("lister", nil)
	replay.PageSize(lister, 2)
	pages := 0
	if err := lister.Continue(ctx, r.ID, func(ledger.Replay) {
		if pages++; pages == 1 {
			s.pause(d, r.ID, ledger.Starting)
		}
	}); err != nil || pages != 2 { // the page under way when it was paused is not counted
		t.Errorf("listed %d pages, %v", pages, err)
	}
	if now := s.replay(r.ID); now.Listing.Done || now.Listing.Objects != 2 {
		t.Errorf("a PAUSED listing goes on: %+v", now.Listing)
	}
	s.resume(d, r.ID, ledger.Starting)
	look(t, d)
	if now := s.replay(r.ID); now.State != ledger.Running || now.Listing.Objects != 7 {
		t.Fatalf("%s, listing %+v", now.State, now.Listing)
	}
	s.pause(d, r.ID, ledger.Running)
	s.resume(d, r.ID, ledger.Running)
	stop := s.pool(func(*worker.Options) {})
	s.done(r.ID)
	s.pause(d, r.ID, ledger.Running)
	if now := s.replay(r.ID); now.Fold.Number != 0 {
		t.Errorf("folded while PAUSED: %+v", now.Fold)
	}
	stop()
	s.resume(d, r.ID, ledger.Running)
	look(t, d)
	s.pause(d, r.ID, ledger.Folding)
	s.resume(d, r.ID, ledger.Folding)
	s.workers()
	s.watch(d, r.ID, ledger.Finished)
	s.wantFinished(r.ID)
	s.wantRows("dns", 0, map[string]int{"a": 7})
	for name, do := range map[string]func(context.Context, string) (ledger.Replay, error){"Pause": d.Pause, "Resume": d.Resume} {
		if _, err := do(ctx, r.ID); err == nil {
			t.Errorf("%s of a replay that is over is possible", name)
		} else {
			wantError(t, err, replay.ErrState, r.ID, "FINISHED")
		}
		_, err := do(ctx, "01J00000000000000000000000")
		wantError(t, err, ledger.ErrNotFound)
	}
}

// counting counts what workers receive, and what they are done with.
type counting struct {
	queue.Queue
	received, settled atomic.Int64
}

func (q *counting) Receive(ctx context.Context, p queue.ReceiveParams) ([]queue.Message, error) {
	m, err := q.Queue.Receive(ctx, p)
	q.received.Add(int64(len(m)))
	return m, err
}

func (q *counting) Delete(ctx context.Context, receipts []string) error {
	defer q.settled.Add(int64(len(receipts)))
	return q.Queue.Delete(ctx, receipts)
}

func (q *counting) ChangeVisibility(ctx context.Context, c []queue.Change) error {
	defer q.settled.Add(int64(len(c)))
	return q.Queue.ChangeVisibility(ctx, c)
}

// movable gives the queues a clock that runs ahead by what is returned.
func (s *system) movable() *atomic.Int64 {
	s.t.Helper()
	moved := new(atomic.Int64)
	clock := func() time.Time { return time.Now().Add(time.Duration(moved.Load())) }
	for name, q := range map[string]**sqlitequeue.Queue{"work": &s.work, "dead": &s.dead} {
		o := sqlitequeue.Options{Path: filepath.Join(s.dir, "queue.db"), Name: name, Now: clock}
		if name == "work" {
			o.DeadLetter = "dead"
		}
		opened, err := sqlitequeue.Open(context.Background(), o)
		if err != nil {
			s.t.Fatal(err)
		}
		s.t.Cleanup(func() { _ = opened.Close() })
		*q = opened
	}
	return moved
}

// TestPausedForLong leaves a replay PAUSED for more than an hour by the queue's clock: its messages come again and
// again, to one process after the other and more often than the redrive policy allows, and nothing is dead-lettered and no attempt counted.
func TestPausedForLong(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	ctx := context.Background()
	moved := s.movable()
	const objects, steps = 3, 35
	for i := range objects {
		s.put(fmt.Sprint("logs/dns/", i), "a", "b")
	}
	r := s.running("dns")
	d := s.operator(nil)
	s.pause(d, r.ID, ledger.Running)
	q := &counting{Queue: s.work}
	for step := range int64(steps) {
		stop := s.pool(func(o *worker.Options) { o.Queue = q }) // it receives nothing more once it has met the pause
		until(t, "the messages to come and go", func() bool {
			n := q.received.Load()
			return n >= objects*(step+1) && q.settled.Load() >= n
		})
		stop()
		moved.Add(int64(2 * time.Minute))
	}
	look(t, d)
	if c, err := s.dead.Counts(ctx); err != nil || !c.Idle() {
		t.Errorf("dead letters %+v, %v", c, err)
	}
	if sum := s.summary(r.ID); sum.Objects[ledger.Pending].Objects != objects || sum.Total().Lines != 0 {
		t.Errorf("%+v", sum.Objects)
	}
	for i := range objects {
		if c := s.cursor(r.ID, fmt.Sprint("logs/dns/", i)); c.NoProgress != 0 || c.Error != "" || c.Owner != "" {
			t.Errorf("cursor %+v", c)
		}
	}
	s.resume(d, r.ID, ledger.Running)
	s.pool(func(*worker.Options) {})
	until(t, "the objects", func() bool { moved.Add(int64(time.Second)); return s.summary(r.ID).Open() == 0 })
	until(t, "the end", func() bool {
		moved.Add(int64(time.Second))
		look(t, d)
		return s.replay(r.ID).State == ledger.Finished
	})
	s.wantRows("dns", 0, map[string]int{"a": objects, "b": objects})
	if c, err := s.dead.Counts(ctx); err != nil || !c.Idle() {
		t.Errorf("dead letters %+v, %v", c, err)
	}
	t.Logf("%d receives of %d messages", q.received.Load(), objects)
}

// wantCancelled checks everything that a cancelled replay leaves behind once the watcher has looked.
func (s *system) wantCancelled(id string, before map[string]ledger.Protocol) {
	s.t.Helper()
	r := s.replay(id)
	if r.State != ledger.Cancelled || !r.Cleaned || r.Promoted || r.Resumes != "" {
		s.t.Errorf("replay %s, cleaned %t, promoted %t, resumes %q", r.State, r.Cleaned, r.Promoted, r.Resumes)
	}
	s.wantNoTags()
	for _, part := range r.Protocols {
		p, was := s.protocol(part.Name), before[part.Name]
		if p.Replay != "" || p.Building != 0 || p.Serving != was.Serving || p.Previous != was.Previous || p.Complete != was.Complete ||
			!slices.Equal(p.Gens, was.Gens) || len(p.Purging) > 0 || p.Epoch != part.Generation {
			s.t.Errorf("protocol %+v, was %+v", p, was)
		}
		s.wantNoRows(part.Generation)
	}
	if n, err := s.ledger.DeleteSegments(context.Background(), id, 1); err != nil || n != 0 {
		s.t.Errorf("a segment is left: %v", err)
	}
}
