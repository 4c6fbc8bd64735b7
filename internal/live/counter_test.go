package live

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-56345083/reprise/internal/entries"
	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/logline"
	"github.com/seed-56345083/reprise/internal/stats"
)

func TestManyCountersCountEachEntryOnceInEachGeneration(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.add(ledger.Generation{Number: 1}, first())
	s.add(ledger.Generation{Number: 2}, second())
	lines := makeLines(900, 40)
	list := s.put(lines)
	dice := newDice(t)
	var running sync.WaitGroup
	for process := range 2 {
		l, e := s.open()
		c := s.counterOf(l, e)
		for range 2 {
			all := shuffled(dice, list)
			running.Go(func() {
				for some := range slices.Chunk(all, 150+50*process) {
					if err := c.Count(t.Context(), protocol, some); err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
	running.Wait()
	s.wants(1, countFirst(lines))
	s.wants(2, countSecond(lines))
	s.marked(list, 1, 2)
}

func TestAnEntryThatComesTwiceInAListIsLeftOut(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.add(ledger.Generation{Number: 1}, first())
	lines := makeLines(10, 2)
	list := s.put(lines)
	e := &refusing{Entries: s.e}
	if err := s.counterOf(s.l, e).Count(t.Context(), protocol, slices.Concat(list, list, list[5:])); err != nil {
		t.Fatal(err)
	}
	if e.n != 1 {
		t.Errorf("%d transactions were tried, want 1", e.n)
	}
	s.wants(1, countFirst(lines))
}

func TestLinesThatAreNoRecords(t *testing.T) {
	t.Parallel()
	const good = `{"ts":"2018-03-24T17:00:00Z","host":"a","bytes":1}`
	for name, test := range map[string]struct {
		line   string
		failed string // in the entry's error
		counts bool
	}{
		"good":               {line: good, counts: true},
		"carriage return":    {line: good + "\r", counts: true},
		"blank":              {line: ""},
		"spaces":             {line: "  \t"},
		"bad":                {line: `{"ts":`, failed: "json"},
		"no timestamp":       {line: `{"host":"a"}`, failed: "timestamp"},
		"byte order mark":    {line: "\xef\xbb\xbf" + good, failed: "json"},
		"longer than a line": {line: `{"ts":"2018-03-24T17:00:00Z","host":"` + strings.Repeat("a", 2000) + `"}`, failed: "too long"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			d := first()
			d.MaxLine = 2000
			s.add(ledger.Generation{Number: 1}, d)
			list := s.put([]string{test.line})
			if err := s.counter().Count(t.Context(), protocol, list); err != nil {
				t.Fatal(err)
			}
			want := table{}
			if test.counts {
				want = countFirst([]string{good})
			}
			s.wants(1, want)
			s.marked(list, 1)
			if e := s.read(list)[0]; !strings.Contains(e.Error, test.failed) || (e.Error == "") != (test.failed == "") {
				t.Errorf("the entry's error is %q, want one with %q", e.Error, test.failed)
			}
		})
	}
}

func TestAnEntryIsNoHeader(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.add(ledger.Generation{Number: 1}, stats.Definition{
		Format: logline.Format{Name: "tsv", Columns: []string{"host", "ts"}, Header: true}, Timestamp: "ts",
		Stats: []stats.Statistic{{Name: "hosts", By: []string{"host"}, Measures: []stats.Measure{{Name: "lines", Func: "count"}}}},
	})
	list := s.put([]string{"a\t2018-03-24T17:00:00Z", "host\tts", "\xef\xbb\xbfb\t2018-03-24T17:00:00Z"})
	for _, e := range list {
		if err := s.counter().Count(t.Context(), protocol, []entries.Entry{e}); err != nil {
			t.Fatal(err)
		}
	}
	s.wants(1, table{"hosts|=a": "1", "hosts|=\ufeffb": "1"})
	if e := s.read(list)[1]; e.Error == "" {
		t.Error("a header among the entries is no record, and its entry does not say so")
	}
}

func TestNewlinesInALineAreSpaces(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.add(ledger.Generation{Number: 1}, first())
	list := s.put([]string{`{"ts":"2018-03-24T17:00:00Z", "host":"a","bytes":5}`})
	list[0].Line = []byte("{\"ts\":\"2018-03-24T17:00:00Z\",\n\"host\":\"a\",\"bytes\":5}\n\n") // as another producer may have put it
	if err := s.counter().Count(t.Context(), protocol, list); err != nil {
		t.Fatal(err)
	}
	s.wants(1, countFirst([]string{`{"ts":"2018-03-24T17:00:00Z", "host":"a","bytes":5}`}))
}

func TestLinesUpToTheCutoffAreTheReplays(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.add(ledger.Generation{Number: 1}, first())
	lines := makeLines(300, 10)
	cutoff := began.Add(20 * time.Minute)
	s.add(ledger.Generation{Number: 2, Cutoff: cutoff}, first())
	exact := fmt.Sprintf(`{"ts":%q,"host":"h","bytes":3}`, cutoff.Format(time.RFC3339Nano))
	after := fmt.Sprintf(`{"ts":%q,"host":"h","bytes":4}`, cutoff.Add(1).Format(time.RFC3339Nano))
	lines = append(lines, exact, after)
	list := s.put(lines)
	if err := s.counter().Count(t.Context(), protocol, list); err != nil {
		t.Fatal(err)
	}
	var later []string
	for _, l := range lines {
		if r := records([]string{l}); len(r) == 1 && r[0].TS.After(cutoff) {
			later = append(later, l)
		}
	}
	if len(later) == 0 || len(later) == len(records(lines)) || later[len(later)-1] != after {
		t.Fatal("the cutoff does not part the lines")
	}
	s.wants(1, countFirst(lines))
	s.wants(2, countFirst(later))
	s.marked(list, 1, 2)
}

func TestGenerationsComeAndGo(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.add(ledger.Generation{Number: 1}, first())
	lines := makeLines(200, 10)
	list := s.put(lines)
	c := s.counter()
	count := func(some []entries.Entry) {
		t.Helper()
		if err := c.Count(t.Context(), protocol, some); err != nil {
			t.Fatal(err)
		}
	}
	count(list[:100])
	s.add(ledger.Generation{Number: 2}, second())
	count(list[100:150])
	s.marked(list[:100], 1)
	count(list[:50]) // as the feed repeats them: counted in 1 already
	s.marked(list[:50], 1, 2)
	s.drop(1)
	count(list[150:])
	s.marked(list[150:], 2)
	if err := c.Sweep(t.Context(), protocol); err != nil {
		t.Fatal(err)
	}
	s.marked(list[:150], 1, 2)
	s.marked(list[150:], 2)
	s.wants(1, countFirst(lines[:150]))
	s.wants(2, countSecond(lines))
}

func TestWhatIsInABatchIsNotCounted(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.add(ledger.Generation{Number: 1}, first())
	lines := makeLines(60, 5)
	list := s.put(lines)
	c := s.counter()
	if err := c.Count(t.Context(), protocol, list[:30]); err != nil {
		t.Fatal(err)
	}
	b := entries.Batch{ID: "01", Protocol: protocol, Epoch: 1, Opened: began}
	if err := s.e.OpenBatch(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	join := entries.Join{Batch: b, Gens: []int64{1}}
	for _, e := range list[:30] {
		join.Members = append(join.Members, entries.Member{ID: e.ID, TS: e.TS})
	}
	if _, err := s.e.Join(t.Context(), join); err != nil {
		t.Fatal(err)
	}
	s.add(ledger.Generation{Number: 2}, first())
	if err := c.Count(t.Context(), protocol, list); err != nil { // as they were put, which is what the feed has
		t.Fatal(err)
	}
	if err := c.Sweep(t.Context(), protocol); err != nil {
		t.Fatal(err)
	}
	s.wants(1, countFirst(lines))
	s.wants(2, countFirst(lines[30:]))
	s.marked(list[:30], 1)
	s.marked(list[30:], 1, 2)
}

func TestWhatThisProcessCannotCompileWaits(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	newer := second()
	newer.Aggregator = stats.Version + 1
	s.add(ledger.Generation{Number: 1}, first())
	s.add(ledger.Generation{Number: 2}, newer)
	lines := makeLines(250, 5)
	list := s.put(lines)
	c := s.counter()
	if err := c.Count(t.Context(), protocol, list[:120]); !errors.Is(err, stats.ErrVersion) {
		t.Errorf("counting gave %v, want %v", err, stats.ErrVersion)
	}
	s.marked(list[:120], 1)
	store := &refusing{Entries: s.e, ids: []string{list[130].ID}}
	for _, f := range s.counterOf(s.l, store).CountEach(t.Context(), list[120:150]) {
		if f.Waits() == (f.ID == list[130].ID) {
			t.Errorf("entry %s: it waits is %v, for %v", f.ID, f.Waits(), f.Err)
		}
	}
	if err := c.Sweep(t.Context(), protocol); !errors.Is(err, stats.ErrVersion) {
		t.Errorf("the sweep gave %v, want %v", err, stats.ErrVersion)
	}
	s.marked(list, 1)
	s.wants(1, countFirst(lines))
}

func TestWithoutAGenerationEntriesWait(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	list := s.put(makeLines(3, 1))
	c := s.counter()
	err := c.Count(t.Context(), protocol, list)
	if !errors.Is(err, ErrNoGeneration) {
		t.Errorf("counting gave %v, want %v", err, ErrNoGeneration)
	}
	if err := c.Sweep(t.Context(), protocol); !errors.Is(err, ErrNoGeneration) {
		t.Errorf("the sweep gave %v, want %v", err, ErrNoGeneration)
	}
	for _, e := range s.read(list) {
		if e.Processed {
			t.Errorf("entry %s is processed", e.ID)
		}
	}
}

func TestWideProtocols(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	d := stats.Definition{Format: logline.Format{Name: "json"}, Timestamp: "ts"}
	for i := range stats.MaxStatistics {
		d.Stats = append(d.Stats, stats.Statistic{
			Name: fmt.Sprintf("s%02d", i), By: []string{"host"}, Measures: []stats.Measure{{Name: "lines", Func: "count"}},
		})
	}
	s.add(ledger.Generation{Number: 1}, d)
	lines := makeLines(30, 2)
	list := s.put(lines)
	if err := s.counter().Count(t.Context(), protocol, list); err != nil {
		t.Fatal(err)
	}
	hosts := map[string]int{}
	for _, r := range records(lines) {
		hosts[r.Host]++
	}
	want := table{}
	for i := range stats.MaxStatistics {
		for h, n := range hosts {
			want[fmt.Sprintf("s%02d|=%s", i, h)] = fmt.Sprint(n)
		}
	}
	s.wants(1, want)
}

func TestRowsThatNoTransactionHoldsAreRejected(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	d := first()
	for i := range 8 {
		d.Stats = append(d.Stats, stats.Statistic{
			Name: fmt.Sprintf("s%d", i), By: []string{"host"}, Measures: []stats.Measure{{Name: "lines", Func: "count"}},
		})
	}
	s.add(ledger.Generation{Number: 1}, d)
	line := func(host int) string {
		return `{"ts":"2018-03-24T17:00:00Z","host":"` + strings.Repeat("x", host) + `"}`
	}
	list := s.put([]string{line(maxDims + 100), line(maxDims - 1000), line(1000)})
	if err := s.counter().Count(t.Context(), protocol, list); err != nil {
		t.Fatal(err)
	}
	read := s.read(list)
	if !strings.Contains(read[0].Error, "bytes of dimensions") || !strings.Contains(read[1].Error, "its rows have") || read[2].Error != "" {
		t.Errorf("errors are %q, %q and %q", read[0].Error, read[1].Error, read[2].Error)
	}
	s.marked(list, 1)
	if got, _ := s.rows(1); len(got) != 2+8 {
		t.Errorf("there are %d rows, want those of the short line", len(got))
	}
}

func TestGroupsAreFullAndWithinLimits(t *testing.T) {
	t.Parallel()
	dice := newDice(t)
	for range 40 {
		var members []member
		items := 0
		for i := range dice.IntN(300) {
			m := member{Counted: entries.Counted{ID: fmt.Sprint(i)}}
			hosts := 1 + dice.IntN(200)
			for r := range dice.IntN(60) {
				m.rows = append(m.rows, ledger.Row{Statistic: fmt.Sprint(r), Key: fmt.Sprint(dice.IntN(hosts))})
			}
			if dice.IntN(50) == 0 {
				m.size = maxRows / 2
			}
			if dice.IntN(50) == 0 {
				m.text = entries.MaxText / 2
			}
			items += 1 + len(m.rows)
			members = append(members, m)
		}
		groups := pack(&generation{}, members)
		if limit := 1 + 3*items/entries.MaxItems + len(members)/10; len(groups) > limit {
			t.Errorf("%d groups of %d items, want at most %d", len(groups), items, limit)
		}
		seen := map[string]bool{}
		for _, g := range groups {
			size, text := 0, 0
			for _, m := range g.members {
				if seen[m.ID] {
					t.Fatalf("member %s is in two groups", m.ID)
				}
				seen[m.ID] = true
				size, text = size+m.size, text+m.text
			}
			if n := len(g.members) + len(g.keys()); len(g.members) == 0 || n > entries.MaxItems || size > maxRows || text > entries.MaxText {
				t.Fatalf("a group of %d members has %d items and %d bytes", len(g.members), n, size)
			}
		}
		if len(seen) != len(members) {
			t.Fatalf("%d of %d members are in groups", len(seen), len(members))
		}
	}
}
