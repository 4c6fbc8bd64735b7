package stats_test

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/seed-56345083/reprise/internal/stats"
)

// TestSize compares Size with the heap. It is not parallel, so that nothing else is on the heap's account.
func TestSize(t *testing.T) { //nolint:paralleltest // measures the heap
	for name, d := range map[string]stats.Definition{
		"flat":     definition("p", statistic("s", "", []string{"minute", "a"}, "lines", "count", "sum", "sum(n)", "rtt", "sum(f)", "max", "max(n)", "first", "min(ts)", "h", "histogram(f, 1, 2, 3)")),
		"distinct": definition("p", statistic("s", "", []string{"a"}, "values", "distinct(f)")),
		"sketches": definition("p", statistic("s", "", []string{"b"}, "values", "distinct(f)", "others", "distinct(a)")),
	} {
		tally := newTally(t, compile(t, d), stats.Rule{All: true})
		before := heap()
		for i := range 40_000 {
			l := fmt.Sprintf(`{"ts":"2018-03-24T17:15:20.865716Z","a":"10.0.%d.%d","b":%d,"n":%d,"f":%v}`, i/256, i%256, i%100, i, float64(i)/7)
			if o, err := tally.Line(1, []byte(l)); o != stats.Counted {
				t.Fatal(o, err)
			}
		}
		grown := heap() - before
		size := tally.Partial().Size()
		t.Logf("%s: %d rows, size %d, heap %d", name, tally.Partial().Len(), size, grown)
		if float64(size) < 0.8*float64(grown) || float64(size) > 1.25*float64(grown) {
			t.Errorf("%s: size %d for %d bytes of heap", name, size, grown)
		}
		tally.Partial().Reset()
		if size := tally.Partial().Size(); size > stats.KeptBytes {
			t.Errorf("%s: %d bytes after a Reset", name, size)
		}
	}
	tally := newTally(t, compile(t, definition("p", statistic("s", "", []string{"a"}, "values", "distinct(f)"))), stats.Rule{All: true})
	_, _ = tally.Line(1, []byte(line("a", "x", "f", 1)))
	if size := tally.Partial().Size(); size > 1000 {
		t.Errorf("one row with a distinct count of one value takes %d bytes", size)
	}
}

func heap() int {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc) //nolint:gosec // far below
}
