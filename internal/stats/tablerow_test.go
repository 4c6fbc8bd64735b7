package stats_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/seed-56345083/reprise/internal/stats"
)

// oddTexts are dimension values that a key, or JSON, has to escape, or that are longer than a sort key.
func oddTexts() []any {
	texts := []any{nil, "", "\x00", "a", "a\x00", "a\x00\x00b", "a\xff", "\xff\x00\xfe", "a\"b\\c", "line\nfeed\t\x7f\x1f", "é\u2028😀", "\xc3", "\xed\xa0\x80"}
	for i := range 30 {
		texts = append(texts, strings.Repeat("x", 880+i), strings.Repeat("é", 440+i), fmt.Sprint("same beginning ", i), strings.Repeat("\x00", i))
	}
	return texts
}

// oddRows has rows with such dimensions, and a time at each place.
func oddRows(t *testing.T) *stats.Partial {
	t.Helper()
	p := compile(t, definition("odd",
		statistic("first", "", []string{"hour", "a", "b"}, "lines", "count", "sum \"of\" é", "sum(n)", "at", "min(ts)"),
		statistic("middle", "", []string{"a", "minute", "b"}, "lines", "count", "max", "max(n)", "h", "histogram(n, 1, 20)"),
		statistic("last", "", []string{"a", "b", "day"}, "lines", "count", "values", "distinct(n)"),
		statistic("none", "", []string{"b", "a"}, "lines", "count"),
		statistic("one", "", nil, "lines", "count")))
	tally := newTally(t, p, stats.Rule{All: true})
	texts := oddTexts()
	for i, a := range texts {
		for j := range 9 {
			l := line("a", a, "b", texts[(i*7+j)%len(texts)], "n", i*j)
			l = strings.Replace(l, "2018-03-24T17:15:20", fmt.Sprintf("%d-03-%02dT17:%02d:20", 1969+j%3, 1+j, i%60), 1)
			if o, err := tally.Line(1, []byte(l)); o != stats.Counted {
				t.Fatal(l, o, err)
			}
		}
	}
	return tally.Partial()
}

// TestTableRows compares each row for a table with the same row as everybody else sees it.
func TestTableRows(t *testing.T) {
	t.Parallel()
	part := oddRows(t)
	want, got := map[string]string{}, map[string]string{}
	for r := range part.Rows() {
		dims := r.DimsJSON()
		if r.Key() == string(dims) {
			dims = nil
		}
		want[fmt.Sprintf("%s %s %s", r.Statistic, r.Day(), r.Key())] = fmt.Sprintf("%s|%s|%x", dims, r.MeasuresJSON(), r.State())
	}
	var places [][3]string
	cut := 0
	for r := range part.TableRows() {
		name := fmt.Sprintf("%s %s %s", r.Statistic, r.Day, r.Key)
		if _, twice := got[name]; twice {
			t.Errorf("%s comes twice", name)
		}
		got[name] = fmt.Sprintf("%s|%s|%x", r.Dims, r.Measures, r.State)
		if r.Dims != nil {
			cut++
		}
		places = append(places, [3]string{r.Statistic, r.Day, string(r.Key)})
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if cut < 100 {
		t.Errorf("only %d rows have a key that is cut", cut)
	}
	for i := 1; i < len(places); i++ {
		if a, b := places[i-1], places[i]; a[0] == b[0] && a[1] > b[1] {
			t.Fatalf("%q before %q: the days do not ascend", a, b)
		}
	}
	for range part.TableRows() { // and the rows are still there after somebody stops
		break
	}
	if n := len(rowsOf(part)); n != len(want) {
		t.Errorf("%d rows, there were %d", n, len(want))
	}
}

// TestTableRowsAllocate holds that a row allocates nothing: a fold has millions.
func TestTableRowsAllocate(t *testing.T) { //nolint:paralleltest // counts allocations
	const n = 1000
	p := compile(t, definition("conn", statistic("s", "", []string{"uid", "minute"}, "lines", "count", "bytes", "sum(@bytes)", "max", "max(duration)", "last", "max(ts)")))
	tally := newTally(t, p, stats.Rule{All: true})
	for i, l := range connLines(n, 1, connJSON) {
		if o, err := tally.Line(int64(i), l); o != stats.Counted {
			t.Fatal(o, err)
		}
	}
	allocs := testing.AllocsPerRun(5, func() {
		for range tally.Partial().TableRows() {
		}
	})
	if got := tally.Partial().Len(); got != n || allocs > n/2 { // 120 minutes, each a text
		t.Errorf("%v allocations for %d rows", allocs, got)
	}
}

// TestOrder compares the order of rows with that of their dimensions as byte strings, null before "".
func TestOrder(t *testing.T) {
	t.Parallel()
	var before []stats.Dim
	last := ""
	n := 0
	for r := range oddRows(t).Rows() {
		dims := slices.Clone(r.Dims)
		if r.Statistic == last && slices.CompareFunc(before, dims, compareDims) >= 0 {
			t.Fatalf("%s: %v before %v", r.Statistic, before, dims)
		}
		before, last = dims, r.Statistic
		n++
	}
	if n < 1000 {
		t.Errorf("only %d rows", n)
	}
}

func compareDims(a, b stats.Dim) int {
	switch {
	case a.Null && b.Null:
		return 0
	case a.Null:
		return -1
	case b.Null:
		return 1
	}
	return bytes.Compare([]byte(a.Text), []byte(b.Text))
}
