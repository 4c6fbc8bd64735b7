package live

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/seed-56345083/reprise/internal/entries"
	"github.com/seed-56345083/reprise/internal/ledger"
)

// mending is a store that refuses some entries for a while.
type mending struct {
	entries.Entries
	mu  sync.Mutex
	ids []string
}

func (m *mending) refuse(ids ...string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ids = ids
}

func (m *mending) Count(ctx context.Context, c entries.Count) error {
	m.mu.Lock()
	ids := m.ids
	m.mu.Unlock()
	return (&refusing{Entries: m.Entries, ids: ids}).Count(ctx, c)
}

func TestAnEntryThatTheStoreRefusesDoesNotStopItsShard(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.add(ledger.Generation{Number: 1}, first())
	lines := makeLines(200, 20)
	list := s.put(lines)
	l, e, written := watched(s.l, s.e)
	store := &mending{Entries: e}
	store.refuse(list[70].ID)
	stop := s.start(s.consumer("a", l, store, func(o *ConsumerOptions) { o.Sweep = 10 * time.Millisecond }))
	others := slices.Concat(list[:70], list[71:])
	until(t, written, "the others are counted", func() bool { return s.counted(others, 1) && s.position() == 200 })
	if s.counted(list, 1) {
		t.Fatal("the entry that is refused is counted")
	}
	store.refuse()
	until(t, written, "it is swept", func() bool { return s.counted(list, 1) })
	stop()
	s.wants(1, countFirst(lines))
}

func TestAStoreThatRefusesAllIsWaitedFor(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.add(ledger.Generation{Number: 1}, first())
	lines := makeLines(20, 20)
	list := s.put(lines)
	store := &mending{Entries: s.e}
	var ids []string
	for _, e := range list {
		ids = append(ids, e.ID)
	}
	store.refuse(ids...)
	core, logs := observer.New(zapcore.WarnLevel)
	warned := make(chan struct{}, 1)
	log := zap.New(core, zap.Hooks(func(e zapcore.Entry) error {
		if strings.Contains(e.Message, "counting entries") {
			signal(warned)
		}
		return nil
	}))
	l, e, written := watched(s.l, store)
	stop := s.start(s.consumer("a", l, e, func(o *ConsumerOptions) { o.Log = log }))
	<-warned
	if got := s.position(); got != 0 {
		t.Errorf("the checkpoint is at %d, and nothing is counted", got)
	}
	store.refuse()
	until(t, written, "all is counted", func() bool { return s.counted(list, 1) })
	stop()
	s.wants(1, countFirst(lines))
	if n := logs.FilterMessageSnippet("sweeps will try again").Len(); n != 0 {
		t.Errorf("entries were given up %d times", n)
	}
}
