package live

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/seed-56345083/reprise/internal/entries"
	"github.com/seed-56345083/reprise/internal/ledger"
)

// The feeds of these tests are made of the real one, whose positions are the numbers of the entries, from 1.

// split shows the only shard as a parent that was split at an entry, and one of its children as split again.
//
//	root (up to first) -> left (even shards of the ID, up to then) -> last
//	                   -> right
type split struct {
	entries.Entries
	t           *testing.T
	first, then int64
}

var family = []entries.Shard{{ID: "root"}, {ID: "left", Parent: "root"}, {ID: "right", Parent: "root"}, {ID: "last", Parent: "left"}}

func (s *split) Shards(context.Context) ([]entries.Shard, error) { return family, nil }

func (s *split) Feed(ctx context.Context, shard, position string, limit int) (entries.Records, error) {
	i := slices.IndexFunc(family, func(f entries.Shard) bool { return f.ID == shard })
	if i < 0 {
		return entries.Records{}, fmt.Errorf("there is no shard %q", shard)
	}
	if err := s.parentIsRead(ctx, family[i]); err != nil {
		return entries.Records{}, err
	}
	from, to := map[string]int64{"left": s.first, "right": s.first, "last": s.then}[shard], map[string]int64{"root": s.first, "left": s.then}[shard]
	at := max(number(position), from)
	if to > 0 {
		limit = min(limit, int(to-at))
	}
	r := entries.Records{Next: strconv.FormatInt(at, 10)}
	if limit > 0 {
		var err error
		if r, err = s.Entries.Feed(ctx, "entries", strconv.FormatInt(at, 10), limit); err != nil {
			return r, err
		}
	}
	if shard != "root" {
		r.Entries = slices.DeleteFunc(r.Entries, func(e entries.Entry) bool { return (entries.ShardOf(e.ID)%2 == 0) == (shard == "right") })
	}
	if to > 0 && number(r.Next) == to {
		r.Closed, r.More = true, false
	}
	return r, nil
}

// parentIsRead fails the test if a shard is read before its parent was.
func (s *split) parentIsRead(ctx context.Context, shard entries.Shard) error {
	checkpoints, err := s.Checkpoints(ctx)
	if err != nil {
		return err
	}
	for _, c := range checkpoints {
		if c.Shard == shard.Parent && c.Closed {
			return nil
		}
	}
	if shard.Parent != "" {
		s.t.Errorf("shard %s is read before its parent", shard.ID)
	}
	return nil
}

func number(position string) int64 {
	n, _ := strconv.ParseInt(position, 10, 64)
	return n
}

// messy is a feed that repeats records and has them in any order, within and across reads.
type messy struct {
	entries.Entries
	mu     sync.Mutex
	dice   *rand.Rand
	before []entries.Entry
}

func (m *messy) Feed(ctx context.Context, shard, position string, limit int) (entries.Records, error) {
	r, err := m.Entries.Feed(ctx, shard, position, limit)
	if err != nil {
		return r, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	fresh := slices.Clone(r.Entries)
	for range min(len(m.before), 20) {
		r.Entries = append(r.Entries, m.before[m.dice.IntN(len(m.before))])
	}
	if len(fresh) > 0 {
		m.before = fresh
	}
	m.dice.Shuffle(len(r.Entries), func(i, j int) { r.Entries[i], r.Entries[j] = r.Entries[j], r.Entries[i] })
	return r, nil
}

// trimmed is a feed that forgets what was put up to an entry.
type trimmed struct {
	entries.Entries
	mu   sync.Mutex
	upTo int64
}

// forget puts something that the feed has never shown.
func (f *trimmed) forget(put func(), upTo int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	put()
	f.upTo = upTo
}

func (f *trimmed) Feed(ctx context.Context, shard, position string, limit int) (entries.Records, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case position == "":
		position = strconv.FormatInt(f.upTo, 10)
	case number(position) < f.upTo:
		return entries.Records{}, fmt.Errorf("reading the feed: %w", entries.ErrTrimmed)
	}
	return f.Entries.Feed(ctx, shard, position, limit)
}

// watched lets a test wait for what it looks for: the channel has a token whenever something was written.
func watched(l ledger.Ledger, e entries.Entries) (*eventLedger, *eventEntries, chan struct{}) {
	written := make(chan struct{}, 1)
	return &eventLedger{l, written}, &eventEntries{e, written}, written
}

type eventLedger struct {
	ledger.Ledger
	written chan struct{}
}

func (l *eventLedger) AcquireLease(ctx context.Context, lease ledger.Lease, now time.Time) (ledger.Lease, error) {
	defer signal(l.written)
	return l.Ledger.AcquireLease(ctx, lease, now)
}

type eventEntries struct {
	entries.Entries
	written chan struct{}
}

func (e *eventEntries) Count(ctx context.Context, c entries.Count) error {
	defer signal(e.written)
	return e.Entries.Count(ctx, c)
}

func (e *eventEntries) MergeLive(ctx context.Context, m entries.Merge) error {
	defer signal(e.written)
	return e.Entries.MergeLive(ctx, m)
}

func (e *eventEntries) SaveCheckpoint(ctx context.Context, c entries.Checkpoint) error {
	defer signal(e.written)
	return e.Entries.SaveCheckpoint(ctx, c)
}

// until waits until something holds, which is looked at after each write.
func until(t *testing.T, written <-chan struct{}, what string, holds func() bool) {
	t.Helper()
	for !holds() {
		select {
		case <-written:
		case <-t.Context().Done():
			t.Fatalf("never came: %s", what)
		}
	}
}

// gone is a feed of which the shard that is read is no more: its table was made anew, or it is a day old.
type gone struct {
	entries.Entries
	reads  int
	enough func()
}

func (g *gone) Feed(context.Context, string, string, int) (entries.Records, error) {
	if g.reads++; g.reads == 3 {
		g.enough()
	}
	return entries.Records{}, fmt.Errorf("reading the feed: %w", entries.ErrTrimmed)
}

func TestAShardThatIsGoneIsLetGo(t *testing.T) {
	t.Parallel()
	for _, once := range []bool{false, true} {
		s := newSite(t)
		ctx, cancel := context.WithCancel(t.Context())
		feed := &gone{Entries: s.e, enough: cancel}
		if err := s.consumer("a", s.l, feed, nil).read(ctx, "entries", once); err != nil || ctx.Err() != nil {
			t.Errorf("once %v: it was read %d times, %v: whoever reads it reads no other", once, feed.reads, err)
		}
		cancel()
		s.free(leaseOf("entries"))
	}
}
