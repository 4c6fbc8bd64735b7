package worker

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/seed-56345083/reprise/internal/archive"
	"github.com/seed-56345083/reprise/internal/archive/dirarchive"
	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/ledger/sqliteledger"
	"github.com/seed-56345083/reprise/internal/sqlitedb"
	"github.com/seed-56345083/reprise/internal/stats"
	"github.com/seed-56345083/reprise/queue"
	"github.com/seed-56345083/reprise/queue/sqlitequeue"
)

// bed is a replay that runs, on real drivers in a directory of the test's own. Only the queue's clock can be moved, so
// that a test does not wait for a back-off.
type bed struct {
	t       testing.TB
	ctx     context.Context
	ledger  *sqliteledger.Ledger
	queue   *sqlitequeue.Queue
	dead    *sqlitequeue.Queue
	archive *dirarchive.Archive
	root    string       // of the archive
	ahead   atomic.Int64 // nanoseconds that the queue's clock is ahead
	replay  ledger.Replay
	program *stats.Program
}

const protocol = "dns"

// newBed opens the drivers and the replay; change may narrow the replay's record before it is written.
func newBed(t testing.TB, change ...func(*ledger.Replay)) *bed {
	t.Helper()
	b := &bed{t: t, ctx: context.Background()}
	dir := t.TempDir()
	var err error
	if b.ledger, err = sqliteledger.Open(b.ctx, filepath.Join(dir, "ledger.db")); err != nil {
		t.Fatal(err)
	}
	b.closed(b.ledger.Close)
	db, err := sqlitedb.Open(b.ctx, filepath.Join(dir, "queue.db"), sqlitequeue.Migrations())
	if err != nil {
		t.Fatal(err)
	}
	b.closed(db.Close)
	b.queue = b.openQueue(db, sqlitequeue.Options{Name: "work", DeadLetter: "dead"})
	b.dead = b.openQueue(db, sqlitequeue.Options{Name: "dead"})
	b.root = t.TempDir()
	if b.archive, err = dirarchive.New(b.ctx, dirarchive.Options{Root: b.root, Tags: filepath.Join(dir, "tags.db")}); err != nil {
		t.Fatal(err)
	}
	b.closed(b.archive.Close)
	b.open(definition(), change...)
	return b
}

func (b *bed) closed(closer func() error) {
	b.t.Cleanup(func() {
		if err := closer(); err != nil {
			b.t.Error(err)
		}
	})
}

func (b *bed) openQueue(db *sqlitedb.DB, o sqlitequeue.Options) *sqlitequeue.Queue {
	b.t.Helper()
	o.Now = func() time.Time { return time.Now().Add(time.Duration(b.ahead.Load())) }
	q, err := sqlitequeue.New(db, o)
	if err != nil {
		b.t.Fatal(err)
	}
	b.closed(q.Close)
	return q
}

// open writes the records of a running replay.
func (b *bed) open(d stats.Definition, change ...func(*ledger.Replay)) {
	b.t.Helper()
	var err error
	if b.program, err = stats.Compile(d); err != nil {
		b.t.Fatal(err)
	}
	r := ledger.Replay{
		ID: "01TEST", State: ledger.Running, Cutoff: cutoff, Layout: "{protocol}/{rest}", Tags: archive.TagsAll,
		Protocols: []ledger.ReplayProtocol{{Name: protocol, Generation: 1, Rule: ledger.RuleCutoff, Rejects: 1}},
		Created:   time.Now().UTC(),
	}
	for _, f := range change {
		f(&r)
	}
	b.write(ledger.Writes{
		Replays:     []ledger.Replay{r},
		Generations: []ledger.Generation{{Protocol: protocol, Number: 1, Definition: d.Encode(), Replay: r.ID}},
	})
	b.replay = b.read()
}

func (b *bed) write(w ledger.Writes) {
	b.t.Helper()
	if err := b.ledger.Write(b.ctx, w); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bed) read() ledger.Replay {
	b.t.Helper()
	r, err := b.ledger.Replay(b.ctx, "01TEST")
	if err != nil {
		b.t.Fatal(err)
	}
	return r
}

// become changes the replay's record.
func (b *bed) become(change func(*ledger.Replay)) {
	b.t.Helper()
	change(&b.replay)
	b.write(ledger.Writes{Replays: []ledger.Replay{b.replay}})
	b.replay = b.read()
}

// worker makes a pool with short times; change may set others.
func (b *bed) worker(change ...func(*Options)) *Worker {
	b.t.Helper()
	o := Options{
		Queue: b.queue, DeadLetters: b.dead, Ledger: b.ledger, Archive: b.archive, Name: "host-1", Slots: 2,
		Visibility: time.Minute, Reserve: 20 * time.Second, Drain: 20 * time.Second, MaxAttempts: 3,
	}
	for _, f := range change {
		f(&o)
	}
	w, err := New(o)
	if err != nil {
		b.t.Fatal(err)
	}
	return w
}

// shortest makes every chunk as short as can be.
func shortest(o *Options) { o.ChunkTime = o.Reserve + 1 }

// remove deletes an object.
func (b *bed) remove(key string) {
	b.t.Helper()
	if err := os.Remove(filepath.Join(b.root, filepath.FromSlash(key))); err != nil {
		b.t.Fatal(err)
	}
}

// put writes an object.
func (b *bed) put(key string, content []byte) archive.Object {
	b.t.Helper()
	o, err := b.archive.Put(b.ctx, dirarchive.PutParams{Key: key, Body: bytes.NewReader(content), NoSync: true})
	if err != nil {
		b.t.Fatal(err)
	}
	return o
}

// add writes an object, its cursor and its message.
func (b *bed) add(key string, content []byte) {
	b.t.Helper()
	o := b.put(key, content)
	err := b.ledger.Insert(b.ctx, []ledger.Cursor{{
		CursorID: b.id(key), Protocol: protocol, State: ledger.Pending, ETag: o.ETag, Size: o.Size, StateChange: time.Now().UTC(),
	}})
	if err != nil {
		b.t.Fatal(err)
	}
	b.send(b.task(key).Encode())
}

func (b *bed) id(key string) ledger.CursorID { return ledger.CursorID{Replay: b.replay.ID, Key: key} }

func (b *bed) task(key string) queue.Task {
	return queue.Task{Replay: b.replay.ID, Protocol: protocol, Key: key}
}

func (b *bed) send(body []byte) {
	b.t.Helper()
	if err := b.queue.Send(b.ctx, []queue.Outgoing{{Body: body}}); err != nil {
		b.t.Fatal(err)
	}
}

// step lets a worker handle one message that is visible now; false when there is none.
func (b *bed) step(w *Worker) bool {
	b.t.Helper()
	m, ok := b.receive(w.o.Queue, w.o.Visibility)
	if ok {
		b.handle(b.ctx, w, m)
	}
	return ok
}

// handle does what a pool does with one message that is its last.
func (b *bed) handle(ctx context.Context, w *Worker, m queue.Message) {
	w.handle(ctx, m)
	w.deleteDone()
}

func (b *bed) receive(q queue.Queue, visibility time.Duration) (queue.Message, bool) {
	b.t.Helper()
	messages, err := q.Receive(b.ctx, queue.ReceiveParams{Max: 1, Visibility: visibility})
	if err != nil {
		b.t.Fatal(err)
	}
	if len(messages) == 0 {
		return queue.Message{}, false
	}
	return messages[0], true
}

// drain steps until no message is visible and tells how often.
func (b *bed) drain(w *Worker) int {
	b.t.Helper()
	for n := 0; ; n++ {
		if n > 1000 {
			b.t.Fatal("the messages never end")
		}
		if !b.step(w) {
			return n
		}
	}
}

// pass moves the queue's clock.
func (b *bed) pass(d time.Duration) { b.ahead.Add(int64(d)) }

func (b *bed) cursor(key string) ledger.Cursor {
	b.t.Helper()
	return b.cursorOf(b.id(key))
}

func (b *bed) cursorOf(id ledger.CursorID) ledger.Cursor {
	b.t.Helper()
	c, err := b.ledger.Cursor(b.ctx, id)
	if err != nil {
		b.t.Fatal(err)
	}
	return c
}

func (b *bed) wantCounts(q queue.Queue, want queue.Counts) {
	b.t.Helper()
	got, err := q.Counts(b.ctx)
	if err != nil {
		b.t.Fatal(err)
	}
	if got != want {
		b.t.Errorf("the queue has %+v, want %+v", got, want)
	}
}

// deadLetter takes the only message out of the dead-letter queue.
func (b *bed) deadLetter() queue.Task {
	b.t.Helper()
	m, ok := b.receive(b.dead, time.Hour)
	if !ok {
		b.t.Fatal("the dead-letter queue is empty")
	}
	b.wantCounts(b.dead, queue.Counts{InFlight: 1})
	t, err := queue.DecodeTask(m.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return t
}

// rows are what the partials of the objects add up to. Each object's must hold the lines that its cursor has counted.
func (b *bed) rows(keys ...string) table {
	b.t.Helper()
	sum := b.program.NewPartial()
	for _, key := range keys {
		c, before := b.cursor(key), sum.Lines()
		for _, s := range c.Segments {
			blob, err := b.ledger.Segment(b.ctx, c.CursorID, s)
			if err != nil {
				b.t.Fatal(err)
			}
			if err := sum.MergeBlob(blob, nil); err != nil {
				b.t.Fatal(err)
			}
		}
		if len(c.Partial) > 0 {
			if err := sum.MergeBlob(c.Partial, nil); err != nil {
				b.t.Fatal(err)
			}
		}
		if held := sum.Lines() - before; held != c.Counted {
			b.t.Errorf("the partials of %s hold %d lines, counted are %d", key, held, c.Counted)
		}
	}
	return tableOf(sum)
}

// wantFinished checks an object to its end: state, accounts, rows, and that no message and no attempt is left.
func (b *bed) wantFinished(key string, lines []string) {
	b.t.Helper()
	want := recount(lines)
	c := b.cursor(key)
	if c.State != ledger.Finished || c.Line != int64(len(lines)) || c.NoProgress != 0 || c.Owner != "" {
		b.t.Errorf("cursor of %s: %s at line %d, attempts %d, owner %q; want FINISHED at %d", key, c.State, c.Line, c.NoProgress, c.Owner, len(lines))
	}
	accounts := c.Accounts
	if accounts.Consumed != c.Size {
		b.t.Errorf("%d bytes consumed of %d", accounts.Consumed, c.Size)
	}
	accounts.Consumed, accounts.Bytes = 0, 0
	if diff := cmp.Diff(want.accounts, accounts); diff != "" {
		b.t.Errorf("accounts of %s (-want +got):\n%s", key, diff)
	}
	if diff := cmp.Diff(want.rows, b.rows(key)); diff != "" {
		b.t.Errorf("rows of %s (-want +got):\n%s", key, diff)
	}
}

// wantIdle checks that no message is left.
func (b *bed) wantIdle() {
	b.t.Helper()
	b.wantCounts(b.queue, queue.Counts{})
	b.wantCounts(b.dead, queue.Counts{})
}

// eventually waits for a condition.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(4 * time.Minute)
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("never came: " + what)
		}
	}
}

// start runs a pool; stop ends it and waits for it.
func (b *bed) start(w *Worker) (stop func()) {
	ctx, cancel := context.WithCancel(b.ctx)
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	ended := false
	stop = func() {
		b.t.Helper()
		cancel()
		if ended {
			return
		}
		ended = true
		if err := <-done; err != nil {
			b.t.Error(fmt.Errorf("running: %w", err))
		}
	}
	b.t.Cleanup(stop)
	return stop
}
