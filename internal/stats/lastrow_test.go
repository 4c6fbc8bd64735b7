package stats_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/seed-56345083/reprise/internal/stats"
)

// TestRowsAfterOthers counts lines that share dimensions with the lines before them in every way, and compares with the
// same lines counted one by one.
func TestRowsAfterOthers(t *testing.T) {
	t.Parallel()
	p := compile(t, definition("dns",
		statistic("both", "", []string{"a", "hour", "b"}, "lines", "count"),
		statistic("minutes", "", []string{"minute", "b", "a"}, "lines", "count", "bytes", "sum(@bytes)"),
		statistic("sizes", "", []string{"@bytes", "day"}, "lines", "count"),
		statistic("all", "", nil, "lines", "count")))
	values := []string{`""`, `"a"`, `"ab"`, `"b"`, `"a\u0000"`, `"a\u0000b"`, `"\u0000"`, `null`, `1`, `"1"`, `"é"`}
	times := []string{"2018-03-24T17:59:59.9Z", "2018-03-24T18:00:00Z", "2018-03-24T17:00:00Z", "2018-03-24T17:59:00Z", "2018-03-25T00:00:00Z",
		"1969-12-31T23:59:59.999Z", "1970-01-01T00:00:00Z", "1677-09-21T00:12:43.145224192Z", "1677-09-21T01:00:00Z", "2262-04-11T23:47:16.854775807Z"}
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // test data
		tally, want := newTally(t, p, stats.Rule{All: true}), p.NewPartial()
		a, b, ts := values[0], values[0], times[0]
		for i := range 500 {
			// Mostly one of the dimensions changes, or none.
			switch r.IntN(6) {
			case 0:
				a = values[r.IntN(len(values))]
			case 1:
				b = values[r.IntN(len(values))]
			case 2:
				ts = times[r.IntN(len(times))]
			case 3:
				a, b = b, a
			}
			l := fmt.Sprintf(`{"ts":%q,"a":%s,"b":%s}`, ts, a, b)
			if r.IntN(20) == 0 {
				l = fmt.Sprintf(`{"ts":%q,"b":%s}`, ts, b)
			}
			if o, err := tally.Line(1, []byte(l)); o != stats.Counted {
				t.Fatalf("%s: %s, %v", l, o, err)
			}
			alone := tallyOf(t, p, l)
			if err := want.MergeBlob(alone.AppendBlob(nil), nil); err != nil {
				t.Fatal(err)
			}
			switch {
			case i%100 == 50: // rows come in by a merge, too
				if err := tally.Partial().MergeBlob(alone.AppendBlob(nil), nil); err != nil {
					t.Fatal(err)
				}
				if err := want.MergeBlob(alone.AppendBlob(nil), nil); err != nil {
					t.Fatal(err)
				}
			case i == 333:
				tally.Partial().Reset()
				want.Reset()
			}
		}
		if got, want := rowsOf(tally.Partial()), rowsOf(want); !slices.Equal(got, want) {
			t.Fatalf("seed %d: %d rows, want %d, or rows that differ", seed, len(got), len(want))
		}
	}
}

// @bytes is a text where one is asked for, and a number everywhere.
func TestBytesAsText(t *testing.T) {
	t.Parallel()
	for _, s := range []stats.Statistic{
		statistic("by", "", []string{"@bytes"}, "lines", "count"),
		statistic("where", `@bytes startsWith "4"`, nil, "lines", "count(@bytes)", "bytes", "sum(@bytes)"),
		statistic("distinct", "", nil, "lengths", "distinct(@bytes)"),
	} {
		rows := rowsOf(tallyOf(t, compile(t, definition("dns", s)), line("a", 1), line("a", 123456), line("a", 2)))
		want, err := json.Marshal(map[string]string{
			"by": `[by ["42"] ["2"] by ["47"] ["1"]]`, "where": `[where [] ["3" "131"]]`, "distinct": `[distinct [] ["2"]]`,
		}[s.Name])
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprintf("%q", fmt.Sprint(rows)); len(line("a", 1)) != 42 || got != string(want) {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
