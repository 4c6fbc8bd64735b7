package live

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/seed-56345083/reprise/internal/entries"
	"github.com/seed-56345083/reprise/internal/ledger"
)

// refusing is a store that fails transactions that count one of some entries.
type refusing struct {
	entries.Entries
	ids []string
	mu  sync.Mutex
	n   int
}

var errRefused = errors.New("refused")

func (r *refusing) Count(ctx context.Context, c entries.Count) error {
	r.mu.Lock()
	r.n++
	r.mu.Unlock()
	for _, e := range c.Entries {
		if slices.Contains(r.ids, e.ID) {
			return fmt.Errorf("counting: %w", errRefused)
		}
	}
	return r.Entries.Count(ctx, c)
}

func TestAnEntryThatTheStoreRefusesKeepsNoOtherBack(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.add(ledger.Generation{Number: 1}, first())
	lines := makeLines(120, 5)
	list := s.put(lines)
	c := s.counterOf(s.l, &refusing{Entries: s.e, ids: []string{list[31].ID, list[90].ID}})
	failures := c.CountEach(t.Context(), list)
	if len(failures) != 2 || failures[0].ID != list[31].ID || failures[1].ID != list[90].ID || !errors.Is(failures[1].Err, errRefused) {
		t.Fatalf("failures are %v, want entries 31 and 90", failures)
	}
	lines = append(slices.Concat(lines[:31], lines[32:90]), lines[91:]...)
	s.wants(1, countFirst(lines))
}

func TestAStoreThatRefusesEverythingIsGivenUpSoon(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.add(ledger.Generation{Number: 1}, first())
	list := s.put(makeLines(600, 300))
	e := &refusing{Entries: s.e}
	for _, entry := range list {
		e.ids = append(e.ids, entry.ID)
	}
	c := s.counterOf(s.l, e)
	err := c.Count(t.Context(), protocol, list)
	var failed *CountError
	if !errors.As(err, &failed) || len(failed.Failures) != len(list) || !errors.Is(err, errRefused) {
		t.Fatalf("counting gave %v", err)
	}
	if limit := maxUnclear + 100; e.n > limit {
		t.Errorf("%d transactions were tried, want at most %d", e.n, limit)
	}
}

// busy is a store in which every transaction meets some errors first.
type busy struct {
	entries.Entries
	errs []error
	mu   sync.Mutex
	met  map[string]int // by the first entry
}

func (b *busy) Count(ctx context.Context, c entries.Count) error {
	b.mu.Lock()
	if b.met == nil {
		b.met = map[string]int{}
	}
	n := b.met[c.Entries[0].ID]
	b.met[c.Entries[0].ID]++
	b.mu.Unlock()
	if n < len(b.errs) {
		return fmt.Errorf("counting: %w", b.errs[n])
	}
	return b.Entries.Count(ctx, c)
}

func TestCountingGoesOnAfterThrottlingAndConflicts(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.add(ledger.Generation{Number: 1}, first())
	lines := makeLines(200, 5)
	list := s.put(lines)
	errs := []error{entries.ErrConflict, entries.ErrConflict, entries.ErrConflict, entries.ErrConflict, entries.ErrConflict,
		entries.ErrConflict, ledger.ErrThrottled, entries.ErrStale, entries.ErrConflict}
	if err := s.counterOf(s.l, &busy{Entries: s.e, errs: errs}).Count(t.Context(), protocol, list); err != nil {
		t.Fatal(err)
	}
	s.wants(1, countFirst(lines))
}

func TestACounterThatIsStoppedLeavesTheRestToTheNext(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.add(ledger.Generation{Number: 1}, first())
	lines := makeLines(400, 200)
	list := s.put(lines)
	ctx, stop := context.WithCancel(t.Context())
	e := &stopping{Entries: s.e, after: 3, stop: stop}
	failures := s.counterOf(s.l, e).CountEach(ctx, list)
	if len(failures) == 0 || !errors.Is(failures[0].Err, context.Canceled) {
		t.Fatalf("a counter that was stopped left %d entries", len(failures))
	}
	if err := s.counter().Count(t.Context(), protocol, list); err != nil {
		t.Fatal(err)
	}
	s.wants(1, countFirst(lines))
}

// stopping is a store that stops its caller after some transactions.
type stopping struct {
	entries.Entries
	mu    sync.Mutex
	after int
	stop  func()
}

func (s *stopping) Count(ctx context.Context, c entries.Count) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.after--; s.after == 0 {
		s.stop()
	}
	return s.Entries.Count(ctx, c)
}
