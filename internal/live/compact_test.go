package live

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/seed-56345083/reprise/internal/entries"
	"github.com/seed-56345083/reprise/internal/faults"
	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/stats"
)

// spread is a site whose entries were counted a few at a time, so that keys are in many slots. The lines are of two days.
func spread(t *testing.T, lines []string) (s *site, list []entries.Entry) {
	t.Helper()
	s = newSite(t)
	s.add(ledger.Generation{Number: 1}, first())
	s.add(ledger.Generation{Number: 2}, second())
	list = s.put(lines)
	c := s.counter()
	for i := 0; i < len(list); i += 20 {
		if err := c.Count(t.Context(), protocol, list[i:min(i+20, len(list))]); err != nil {
			t.Fatal(err)
		}
	}
	return s, list
}

// stored counts the rows of a generation by day and, of a key, the most there are.
func (s *site) stored(number int64, statistic string) (days map[string]int, most int) {
	s.t.Helper()
	days = map[string]int{}
	keys := map[entries.RowKey]int{}
	for r, err := range s.e.LiveParts(context.WithoutCancel(s.t.Context()), protocol, number, statistic) {
		if err != nil {
			s.t.Fatal(err)
		}
		days[r.Day]++
		keys[r.RowKey()]++
		most = max(most, keys[r.RowKey()])
	}
	return days, most
}

func TestCompactionLeavesOneRowOfAKey(t *testing.T) {
	t.Parallel()
	lines := makeLines(400, 5)
	s, _ := spread(t, lines)
	before, most := s.stored(2, "large")
	if most < 2 {
		t.Fatal("no key is in several slots")
	}
	undatedBefore, _ := s.stored(1, "hosts")
	c := s.counter()
	fewer, more, err := c.Compact(t.Context(), protocol, Compact{Before: "2018-03-25"})
	if err != nil || more || fewer == 0 {
		t.Fatalf("compacting gave %d, %v, %v", fewer, more, err)
	}
	after, _ := s.stored(2, "large")
	if after["2018-03-24"] != 5 || after["2018-03-25"] != before["2018-03-25"] {
		t.Errorf("rows by day are %v, were %v; want 5 of the day that is over, and the other's", after, before)
	}
	if now, _ := s.stored(1, "hosts"); now["-"] != undatedBefore["-"] {
		t.Errorf("rows without a day are %v, were %v", now, undatedBefore)
	}
	s.wants(1, countFirst(lines))
	s.wants(2, countSecond(lines))

	if _, _, err := c.Compact(t.Context(), protocol, Compact{Before: "2018-03-26", Undated: true}); err != nil {
		t.Fatal(err)
	}
	for number, names := range map[int64][]string{1: {"queries", "hosts"}, 2: {"large"}} {
		for _, name := range names {
			if _, most := s.stored(number, name); most != 1 {
				t.Errorf("%s of generation %d has %d rows of one key", name, number, most)
			}
		}
	}
	s.wants(1, countFirst(lines))
	s.wants(2, countSecond(lines))
	if fewer, more, err := c.Compact(t.Context(), protocol, Compact{Before: "2018-03-26", Undated: true}); fewer != 0 || more || err != nil {
		t.Errorf("compacting again gave %d, %v, %v", fewer, more, err)
	}
}

func TestCompactionGoesOnFromItsLimit(t *testing.T) {
	t.Parallel()
	lines := makeLines(300, 5)
	s, _ := spread(t, lines)
	c, looks := s.counter(), 0
	for more := true; more; looks++ {
		var err error
		if _, more, err = c.Compact(t.Context(), protocol, Compact{Before: "2018-03-26", Undated: true, Limit: 4}); err != nil {
			t.Fatal(err)
		}
	}
	if looks < 3 {
		t.Errorf("it came to the end in %d looks", looks)
	}
	if _, most := s.stored(1, "hosts"); most != 1 {
		t.Errorf("hosts has %d rows of one key", most)
	}
	s.wants(1, countFirst(lines))
	s.wants(2, countSecond(lines))
}

func TestCompactingWhileCounting(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.add(ledger.Generation{Number: 1}, first())
	s.add(ledger.Generation{Number: 2}, second())
	lines := makeLines(600, 8)
	list := s.put(lines)
	ctx, stop := context.WithCancel(t.Context())
	var compacting sync.WaitGroup
	for range 2 {
		l, e := s.open()
		c := s.counterOf(l, e)
		compacting.Go(func() {
			for ctx.Err() == nil {
				if _, _, err := c.Compact(ctx, protocol, Compact{Before: "2018-03-26", Undated: true}); err != nil && ctx.Err() == nil {
					t.Error(err)
				}
			}
		})
	}
	c := s.counter()
	for i := 0; i < len(list); i += 30 {
		if err := c.Count(t.Context(), protocol, list[i:i+30]); err != nil {
			t.Error(err)
		}
	}
	stop()
	compacting.Wait()
	s.wants(1, countFirst(lines))
	s.wants(2, countSecond(lines))
}

func TestADeathAtAnyCallOfACompaction(t *testing.T) {
	t.Parallel()
	lines := makeLines(120, 3)
	all := Compact{Before: "2018-03-26", Undated: true}
	s, _ := spread(t, lines)
	count := faults.Count()
	if _, _, err := s.faulty(count).Compact(t.Context(), protocol, all); err != nil {
		t.Fatal(err)
	}
	calls, times := count.Calls(), map[string]int{}
	for n, name := range calls {
		if times[name]++; times[name] > 3 { // they are alike
			continue
		}
		for _, f := range []faults.Fault{faults.DieAfter, faults.Reply} {
			t.Run(fmt.Sprintf("%d %s %s", n, name, f), func(t *testing.T) {
				t.Parallel()
				s, _ := spread(t, lines)
				plan := faults.Cut(n, f)
				if _, _, err := s.faulty(plan).Compact(t.Context(), protocol, all); err == nil && plan.Hit() {
					t.Error("a call has failed, and the compaction says nothing")
				}
				s.wants(1, countFirst(lines))
				s.wants(2, countSecond(lines))
				if _, _, err := s.counter().Compact(t.Context(), protocol, all); err != nil {
					t.Fatal(err)
				}
				s.wants(1, countFirst(lines))
				s.wants(2, countSecond(lines))
				if _, most := s.stored(1, "queries"); most != 1 {
					t.Errorf("queries has %d rows of one key", most)
				}
			})
		}
	}
}

func TestCompactionLeavesOutWhatThisProcessCannotCompile(t *testing.T) {
	t.Parallel()
	lines := makeLines(100, 3)
	s, _ := spread(t, lines)
	newer := second()
	newer.Aggregator = stats.Version + 1
	s.add(ledger.Generation{Number: 3}, newer)
	if fewer, _, err := s.counter().Compact(t.Context(), protocol, Compact{Before: "2018-03-26"}); err != nil || fewer == 0 {
		t.Errorf("compacting gave %d, %v", fewer, err)
	}
	s.wants(2, countSecond(lines))
}

func TestAConsumerCompacts(t *testing.T) {
	t.Parallel()
	lines := makeLines(200, 3)
	s, _ := spread(t, lines)
	l, e, written := watched(s.l, s.e)
	c := s.consumer("a", l, e, func(o *ConsumerOptions) { o.Compact = 20 * time.Millisecond })
	stop := s.start(c)
	until(t, written, "one row of a key is left", func() bool {
		_, queries := s.stored(1, "queries")
		_, hosts := s.stored(1, "hosts")
		_, large := s.stored(2, "large")
		return queries == 1 && hosts == 1 && large == 1
	})
	stop()
	s.wants(1, countFirst(lines))
	s.wants(2, countSecond(lines))
}

func TestWhatACompactionRemembersIsBounded(t *testing.T) {
	t.Parallel()
	const most, keys = 1000, 3001
	s := newSightings(most)
	again := 0
	for _, part := range []string{"live.0", "live.1"} {
		for i := range keys {
			if before, seen := s.see(entries.RowKey{Key: fmt.Sprint(i)}, part); seen && before == "live.0" {
				again++
			}
			if len(s.part) > most {
				t.Fatalf("it remembers %d keys", len(s.part))
			}
		}
	}
	if again < most/4 {
		t.Errorf("%d of %d keys were seen again, want a share", again, keys)
	}
}

// failing is a store whose merges fail.
type failing struct{ entries.Entries }

var errNoMerge = errors.New("no merge")

func (failing) MergeLive(context.Context, entries.Merge) error { return errNoMerge }

func TestACompactionThatFailsSaysSo(t *testing.T) {
	t.Parallel()
	s, _ := spread(t, makeLines(100, 3))
	if _, _, err := s.counterOf(s.l, failing{s.e}).Compact(t.Context(), protocol, Compact{Before: "2018-03-26"}); !errors.Is(err, errNoMerge) {
		t.Errorf("compacting gave %v, want %v", err, errNoMerge)
	}
}
