package replay_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/seed-56345083/reprise/internal/archive/dirarchive"
	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/ledger/sqliteledger"
	"github.com/seed-56345083/reprise/internal/logline"
	"github.com/seed-56345083/reprise/internal/replay"
	"github.com/seed-56345083/reprise/internal/stats"
	"github.com/seed-56345083/reprise/queue"
	"github.com/seed-56345083/reprise/queue/sqlitequeue"
	"github.com/seed-56345083/reprise/worker"
)

// system is a whole local backend in a directory of its own.
type system struct {
	dir    string
	t      *testing.T
	ledger *sqliteledger.Ledger
	work   *sqlitequeue.Queue
	dead   *sqlitequeue.Queue
	files  *dirarchive.Archive
}

func newSystem(t *testing.T) *system {
	t.Helper()
	dir := t.TempDir()
	ctx := context.Background()
	s := &system{t: t, dir: dir}
	var err error
	closing := func(f func() error) {
		t.Cleanup(func() {
			if err := f(); err != nil {
				t.Error(err)
			}
		})
	}
	check := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	s.ledger, err = sqliteledger.Open(ctx, filepath.Join(dir, "ledger.db"))
	check(err)
	closing(s.ledger.Close)
	path := filepath.Join(dir, "queue.db")
	s.work, err = sqlitequeue.Open(ctx, sqlitequeue.Options{Path: path, Name: "work", DeadLetter: "dead"})
	check(err)
	closing(s.work.Close)
	s.dead, err = sqlitequeue.Open(ctx, sqlitequeue.Options{Path: path, Name: "dead"})
	check(err)
	closing(s.dead.Close)
	check(os.Mkdir(filepath.Join(dir, "archive"), 0o700))
	s.files, err = dirarchive.New(ctx, dirarchive.Options{Root: filepath.Join(dir, "archive"), Tags: filepath.Join(dir, "tags.db")})
	check(err)
	closing(s.files.Close)
	return s
}

// driver makes a process's driver. tap may be nil.
func (s *system) driver(owner string, tap *tap, change ...func(*replay.Options)) *replay.Driver {
	s.t.Helper()
	o := replay.Options{
		Queue: s.work, DeadLetters: s.dead, Ledger: s.ledger, Archive: s.files,
		Owner: owner, Interval: time.Millisecond, StuckAfter: time.Millisecond, Lease: 50 * time.Millisecond,
	}
	if tap != nil {
		o.Queue, o.DeadLetters = tapQueue{s.work, tap}, tapQueue{s.dead, tap}
		o.Ledger, o.Archive = tapLedger{s.ledger, tap}, tapArchive{s.files, tap}
	}
	for _, c := range change {
		c(&o)
	}
	d, err := replay.New(o)
	if err != nil {
		s.t.Fatal(err)
	}
	return d
}

// workers runs a pool until the test ends.
func (s *system) workers(change ...func(*worker.Options)) {
	s.t.Helper()
	o := worker.Options{
		Queue: s.work, DeadLetters: s.dead, Ledger: s.ledger, Archive: s.files, Name: "worker",
		Visibility: 20 * time.Second, ChunkTime: 1500 * time.Millisecond, Reserve: time.Second, Drain: 10 * time.Second, Wait: 5 * time.Second,
		Report: 20 * time.Millisecond,
	}
	for _, c := range change {
		c(&o)
	}
	w, err := worker.New(o)
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	s.t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			s.t.Error(err)
		}
	})
}

// put writes an object of lines, each counted under its text; "!" makes a line that is none.
func (s *system) put(key string, texts ...string) {
	s.t.Helper()
	var b bytes.Buffer
	for _, text := range texts {
		if text == "!" {
			b.WriteString("not json\n")
			continue
		}
		fmt.Fprintf(&b, `{"ts":"2026-01-02T03:04:05Z","q":%q}`+"\n", text)
	}
	s.putBytes(key, b.Bytes())
}

func (s *system) putBytes(key string, b []byte) {
	s.t.Helper()
	if _, err := s.files.Put(context.Background(), dirarchive.PutParams{Key: key, Body: bytes.NewReader(b), NoSync: true}); err != nil {
		s.t.Fatal(err)
	}
}

// corrupt is an object that claims to be gzip and is not.
func (s *system) corrupt(key string) { s.putBytes(key, []byte("\x1f\x8b\x08\x00broken")) }

func params(protocols ...string) replay.StartParams {
	p := replay.StartParams{Prefix: "logs/", Layout: "{protocol}/{rest}", Tags: "all"}
	for _, name := range protocols {
		p.Protocols = append(p.Protocols, replay.ProtocolParams{Definition: definition(name), Rejects: 1})
	}
	return p
}

func definition(protocol string) stats.Definition {
	return stats.Definition{
		Protocol: protocol, Format: logline.Format{Name: "json"}, Timestamp: "ts",
		Stats: []stats.Statistic{{Name: "queries", By: []string{"q"}, Measures: []stats.Measure{{Name: "n", Func: "count"}}}},
	}
}

// running starts a replay and lists it.
func (s *system) running(protocols ...string) ledger.Replay {
	s.t.Helper()
	d := s.driver("starter", nil)
	r, err := d.Start(context.Background(), params(protocols...))
	if err == nil {
		err = d.Continue(context.Background(), r.ID, nil)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return s.replay(r.ID)
}

func (s *system) replay(id string) ledger.Replay {
	s.t.Helper()
	r, err := s.ledger.Replay(context.Background(), id)
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}

func (s *system) protocol(name string) ledger.Protocol {
	s.t.Helper()
	p, err := s.ledger.Protocol(context.Background(), name)
	if err != nil {
		s.t.Fatal(err)
	}
	return p
}

func (s *system) cursor(replay, key string) ledger.Cursor {
	s.t.Helper()
	c, err := s.ledger.Cursor(context.Background(), ledger.CursorID{Replay: replay, Key: key})
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

func (s *system) summary(id string) ledger.Summary {
	s.t.Helper()
	sum, err := s.ledger.Summarize(context.Background(), id)
	if err != nil {
		s.t.Fatal(err)
	}
	return sum
}

// until polls for an event.
func until(t *testing.T, what string, happened func() bool) {
	t.Helper()
	deadline := time.NewTimer(4 * time.Minute)
	defer deadline.Stop()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !happened() {
		select {
		case <-deadline.C:
			t.Fatalf("waited too long for %s", what)
		case <-tick.C:
		}
	}
}

func (s *system) idle() bool {
	c, err := s.work.Counts(context.Background())
	return err == nil && c.Idle()
}

// still waits until the workers have done every message.
func (s *system) still() { s.t.Helper(); until(s.t, "an empty queue", s.idle) }

// done waits until no object of a replay is open and the workers have said their last word about it.
func (s *system) done(id string) {
	s.t.Helper()
	until(s.t, "the objects of "+id, func() bool { sum := s.summary(id); return sum.Open() == 0 && s.idle() })
}

// look is a look that must succeed.
func look(t *testing.T, d *replay.Driver) {
	t.Helper()
	if err := d.Look(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// watch looks, and lets the workers finish what a look has sent, until the replay is in the state.
func (s *system) watch(d *replay.Driver, id string, state ledger.State) {
	s.t.Helper()
	until(s.t, string(state)+" of "+id, func() bool {
		look(s.t, d)
		s.folded(id)
		return s.replay(id).State == state
	})
}

// folded waits until the workers have done all that they can: the fold's parts are in, or no message is left. A second
// message for a part waits for the first one's owner, and may still be there.
func (s *system) folded(id string) {
	s.t.Helper()
	until(s.t, "the fold's parts", func() bool {
		r := s.replay(id)
		parts := s.summary(id).Parts[r.Fold.Number]
		return s.idle() || r.Fold.Number > 0 && parts[ledger.Finished]+parts[ledger.Failed] >= int64(len(r.Fold.Parts))
	})
}

// tasks takes every visible message out of a queue, in no order.
func tasks(t *testing.T, q queue.Queue) []queue.Task {
	t.Helper()
	var all []queue.Task
	for {
		messages, err := q.Receive(context.Background(), queue.ReceiveParams{Max: queue.MaxBatch, Visibility: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		if len(messages) == 0 {
			return all
		}
		for _, m := range messages {
			task, err := queue.DecodeTask(m.Body)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, task)
			if err := q.Delete(context.Background(), []string{m.Receipt}); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func keys(tasks []queue.Task) []string {
	var keys []string
	for _, t := range tasks {
		keys = append(keys, t.Key)
	}
	slices.Sort(keys)
	return keys
}

// remove takes an object out of the archive and returns what it was.
func (s *system) remove(key string) []byte {
	s.t.Helper()
	name := filepath.Join(s.dir, "archive", filepath.FromSlash(key))
	b, err := os.ReadFile(name)
	if err == nil {
		err = os.Remove(name)
	}
	if err != nil {
		s.t.Error(err)
	}
	return b
}

// noLease takes the leases' help away: whoever comes next has it.
func noLease(o *replay.Options) { o.Lease = time.Nanosecond }

// jitterTap holds every call up for a moment of random length, so that processes overtake one another.
func jitterTap() *tap {
	return &tap{hook: func(call) error {
		<-time.After(time.Duration(rand.Int64N(int64(time.Millisecond))))
		return nil
	}}
}
