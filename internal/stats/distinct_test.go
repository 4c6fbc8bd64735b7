package stats_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/seed-56345083/reprise/internal/stats"
)

// TestDistinct estimates sets of many sizes, in one pass and merged from overlapping chunks in random order.
func TestDistinct(t *testing.T) {
	t.Parallel()
	p := compile(t, definition("p", statistic("s", "", nil, "values", "distinct(v)")))
	r := rand.New(rand.NewPCG(3, 4)) //nolint:gosec // a generator of test data
	for _, n := range []int{1, 2, 127, 128, 129, 500, 3_000, 15_000} {
		whole := newTally(t, p, stats.Rule{All: true})
		chunks := []*stats.Tally{newTally(t, p, stats.Rule{All: true}), newTally(t, p, stats.Rule{All: true}), newTally(t, p, stats.Rule{All: true})}
		for _, v := range r.Perm(n) {
			l := []byte(line("v", fmt.Sprint("value-", v)))
			_, _ = whole.Line(1, l)
			for range 2 {
				_, _ = chunks[r.IntN(len(chunks))].Line(1, l)
			}
		}
		merged := p.NewPartial()
		for _, i := range r.Perm(len(chunks)) {
			if err := merged.MergeBlob(chunks[i].Partial().AppendBlob(nil), nil); err != nil {
				t.Fatal(err)
			}
		}
		want := whole.Partial().AppendBlob(nil)
		if merged.Encoded() != whole.Partial().Encoded() {
			t.Errorf("%d values: chunks give another state", n)
		}
		for row := range merged.Rows() {
			got, err := strconv.Atoi(row.Values()[0])
			if err != nil {
				t.Fatal(err)
			}
			if off := math.Abs(float64(got-n)) / float64(n); n <= 128 && got != n || off > 0.025 {
				t.Errorf("%d values estimated as %d", n, got)
			}
			t.Logf("%d values: %d, %d bytes of state, %d of blob", n, got, len(row.State()), len(want))
		}
	}
}
