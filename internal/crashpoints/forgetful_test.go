package crashpoints_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-56345083/reprise/internal/faults"
	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/replay"
	"github.com/seed-56345083/reprise/queue"
	"github.com/seed-56345083/reprise/worker"
)

// Amazon SQS does what an old receipt asks for, to the message that somebody else holds by now. These runs show that this
// is waste only: what two workers do at once is kept apart by the ledger.

// dice is a seed's luck, for all goroutines of a run.
type dice struct {
	mu   sync.Mutex
	rand *rand.Rand
}

func newDice(seed uint64) *dice {
	return &dice{rand: rand.New(rand.NewPCG(seed, 0))} //nolint:gosec // a test's
}

// sometimes is a time up to most once in n, and 0 otherwise.
func (d *dice) sometimes(n int, most time.Duration) time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.rand.IntN(n) > 0 {
		return 0
	}
	return time.Duration(d.rand.Int64N(int64(most)))
}

// late is a queue on whose way deletes and changes stand still, mostly for longer than a message is hidden: then the message
// is somebody else's when they arrive. Those that the caller gives up meanwhile never do.
type late struct {
	queue.Queue
	dice *dice
	mute bool // not even of a deleted message it is told that the receipt is stale
}

func (l *late) Delete(ctx context.Context, receipts []string) error {
	if err := wait(ctx, l.dice.sometimes(2, 4*hidden)); err != nil {
		return err
	}
	return l.answer(l.Queue.Delete(ctx, receipts))
}

func (l *late) ChangeVisibility(ctx context.Context, changes []queue.Change) error {
	if err := wait(ctx, l.dice.sometimes(2, 4*hidden)); err != nil {
		return err
	}
	return l.answer(l.Queue.ChangeVisibility(ctx, changes))
}

func (l *late) answer(err error) error {
	if l.mute && errors.Is(err, queue.ErrStaleReceipt) {
		return nil
	}
	return err
}

// lateLedger holds the first commits of each object up, some for longer than their claim keeps others away, and the very
// first one of one object until all is over.
type lateLedger struct {
	ledger.Ledger
	dice *dice
	over chan struct{}
	mu   sync.Mutex
	seen map[ledger.CursorID]int
}

const heldUp = "logs/dns/0.gz" // it takes several chunks

func (l *lateLedger) Commit(ctx context.Context, c ledger.Commit) error {
	l.mu.Lock()
	l.seen[c.ID]++
	n := l.seen[c.ID]
	l.mu.Unlock()
	switch {
	case c.ID.Key == heldUp && n == 1:
		select {
		case <-l.over:
		case <-ctx.Done():
			return fmt.Errorf("waiting for the end: %w", ctx.Err())
		}
	case n <= 2: // more of them would be attempts without progress
		if err := wait(ctx, l.dice.sometimes(2, 2*(2*chunkTime+reserve))); err != nil {
			return err
		}
	}
	return l.Ledger.Commit(ctx, c)
}

func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return fmt.Errorf("waiting: %w", ctx.Err())
	case <-t.C:
		return nil
	}
}

// hidden is a visibility timeout that is shorter than a chunk.
const hidden = 2 * time.Second

// TestOldReceipts: three pools whose messages come back while they work on them, and whose late deletes and changes hit
// whoever has the message then. A tenth of what they send on is lost, and a fifth is sent twice.
func TestOldReceipts(t *testing.T) {
	t.Parallel()
	var deletes, changes atomic.Int64 // by old receipts, in all runs
	t.Cleanup(func() {
		t.Logf("%d deletes and %d changes by old receipts", deletes.Load(), changes.Load())
		if !t.Failed() && (deletes.Load() == 0 || changes.Load() == 0) {
			t.Error("so this has tried nothing")
		}
	})
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			dir, root := t.TempDir(), filepath.Join(t.TempDir(), "archive")
			if err := os.Mkdir(root, 0o700); err != nil {
				t.Fatal(err)
			}
			synctest.Test(t, func(t *testing.T) {
				d, c := oldReceipts(open(t, dir, root, scenario{pace: 1200}), seed)
				deletes.Add(int64(d))
				changes.Add(int64(c))
			})
		})
	}
}

// oldReceipts is one run; it returns how many deletes and changes came by old receipts.
func oldReceipts(s *site, seed uint64) (deletes, changes int) {
	s.large()
	for i := range 4 {
		s.add("dns", fmt.Sprintf("logs/dns/%d", i+1), makeLines(i, 50, 4))
		s.add("ssl", fmt.Sprintf("logs/ssl/%d", i+1), makeLines(10+i, 30, 3))
	}
	s.rows = map[string]table{}
	for name, objects := range s.objects {
		s.rows[name] = recount(objects...)
	}
	s.running()

	luck, work, dead := newDice(seed), faults.Forgetful(s.work), faults.Forgetful(s.dead)
	plan := faults.Random(seed, faults.Rates{Lose: 0.1, Repeat: 0.2})
	books := &lateLedger{Ledger: s.ledger, dice: luck, over: make(chan struct{}), seen: map[ledger.CursorID]int{}}
	var stops []func()
	for i := range 3 {
		p := s.process(fmt.Sprintf("pool-%d", i), nil)
		stops = append(stops, p.start(func(o *worker.Options) {
			o.Queue = faults.Queue(&late{Queue: work, dice: luck, mute: seed%2 == 0}, plan)
			o.DeadLetters, o.Ledger, o.Visibility, o.ChunkTime, o.Slots = dead, books, hidden, 2*chunkTime, 2
		}))
	}
	watcher := s.process("watcher", nil, func(o *replay.Options) { o.Queue, o.DeadLetters = work, dead })
	ctx, cancel := context.WithCancel(context.Background())
	watched := make(chan error, 1)
	go func() { watched <- watcher.driver.Watch(ctx) }()
	defer func() {
		cancel()
		for _, stop := range stops {
			stop()
		}
		s.check(<-watched)
	}()
	s.until("the end", func() bool {
		return s.finished() && s.purged() && s.idle() && s.counts(s.dead).Idle()
	})
	close(books.over)
	pass(visibility)
	s.wantFinished()
	s.wantQuiet(0)
	objects := int64(len(s.objects["dns"]) + len(s.objects["ssl"]))
	if c := s.summary(); c.Objects[ledger.Finished].Objects != objects || c.Total().Objects != objects {
		s.t.Errorf("cursors %+v, want %d FINISHED", c.Objects, objects)
	}
	return work.Old()
}
