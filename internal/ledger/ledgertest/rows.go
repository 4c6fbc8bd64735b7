package ledgertest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/seed-56345083/reprise/internal/ledger"
)

var (
	rowTests = []test{
		{"base and live parts", testRowsParts},
		{"replaced by a repetition", testRowsReplaced},
		{"many, and long keys", testRowsMany},
		{"early stop", testRowsStop},
		{"changes meanwhile", testRowsMutation},
	}
	purgeTests = []test{
		{"everything", testPurgeAll},
		{"lower bases", testPurgeBelowBase},
		{"limits", testPurgeLimit},
	}
)

func part(name string) ledger.Part { return ledger.Part{Protocol: "dns", Generation: 7, Name: name} }

func row(statistic, key, value string) ledger.Row {
	return ledger.Row{
		Statistic: statistic, Day: "2018-03-24", Key: key, Dims: []byte(`["` + key + `"]`), Measures: []byte(value), State: []byte("\x00" + value),
	}
}

// rowSet counts rows by everything in them.
func rowSet(rows []ledger.Row) map[string]int {
	m := map[string]int{}
	for _, r := range rows {
		m[fmt.Sprintf("%s|%s|%s|%s|%s|%s", r.Statistic, r.Day, r.Key, r.Dims, r.Measures, r.State)]++
	}
	return m
}

func (f *fixture) put(t reporter, p ledger.Part, rows ...ledger.Row) {
	t.Helper()
	must(t, f.PutRows(t.Context(), p, rows))
}

func (f *fixture) rows(t reporter, statistic string, base int64) []ledger.Row {
	t.Helper()
	return all(t, f.Rows(t.Context(), ledger.RowsParams{Protocol: "dns", Generation: 7, Statistic: statistic, Base: base}))
}

func testRowsParts(t *testing.T, f *fixture) {
	put := func(p ledger.Part, value string) ledger.Row {
		r := row("queries", "k", value)
		f.put(t, p, r, row("failures", "k", value+" failures"))
		return r
	}
	b10, b11 := put(part(ledger.BasePart(1, 0)), "base 1.0"), put(part(ledger.BasePart(1, 1)), "base 1.1")
	b100 := put(part(ledger.BasePart(10, 0)), "base 10.0") // its name begins like that of fold 1
	b2 := put(part(ledger.BasePart(2, 0)), "base 2.0")
	l0, l11 := put(part("live.0"), "live 0"), put(part("live.11"), "live 11")
	put(ledger.Part{Protocol: "dns", Generation: 8, Name: "live.0"}, "another generation")
	put(ledger.Part{Protocol: "ssl", Generation: 7, Name: "live.0"}, "another protocol")
	f.put(t, part("live.0"))

	for _, c := range []struct {
		base int64
		want []ledger.Row
	}{
		{0, []ledger.Row{l0, l11}}, {1, []ledger.Row{b10, b11, l0, l11}}, {2, []ledger.Row{b2, l0, l11}}, {3, []ledger.Row{l0, l11}},
		{10, []ledger.Row{b100, l0, l11}},
	} {
		equal(t, fmt.Sprintf("base %d", c.base), rowSet(f.rows(t, "queries", c.base)), rowSet(c.want))
	}
	equal(t, "none", len(f.rows(t, "quer", 1)), 0)
}

func testRowsReplaced(t *testing.T, f *fixture) {
	p := part(ledger.BasePart(1, 0))
	other := row("queries", "b", "stays")
	dayless := row("queries", "a", "of no day")
	dayless.Day = "-"
	f.put(t, p, row("queries", "a", "old"), other, dayless)
	for range 2 {
		f.put(t, p, row("queries", "a", "new"))
		equal(t, "rows", rowSet(f.rows(t, "queries", 1)), rowSet([]ledger.Row{row("queries", "a", "new"), other, dayless}))
	}
	empty := ledger.Row{Statistic: "queries", Day: "-", Key: "[]"}
	f.put(t, p, empty)
	equal(t, "rows", rowSet(f.rows(t, "queries", 1)), rowSet([]ledger.Row{row("queries", "a", "new"), other, dayless, empty}))
}

func testRowsMany(t *testing.T, f *fixture) {
	var rows []ledger.Row
	for i := range 2600 {
		r := row("queries", fmt.Sprintf(`["%04d\u0000",null,"é"]%s`, i, strings.Repeat("x", 800)), fmt.Sprint(i))
		r.Day = fmt.Sprintf("2018-03-%02d", 1+i%30)
		r.State = []byte(strings.Repeat("\x00s", i%50))
		rows = append(rows, r)
	}
	f.put(t, part(ledger.BasePart(1, 0)), rows[:2000]...)
	f.put(t, part(ledger.BasePart(1, 1)), rows[2000:2500]...)
	f.put(t, part("live.3"), rows[2500:]...)
	equal(t, "rows", rowSet(f.rows(t, "queries", 1)), rowSet(rows))
}

func testRowsStop(t *testing.T, f *fixture) {
	for _, name := range []string{ledger.BasePart(1, 0), "live.0"} {
		var rows []ledger.Row
		for _, key := range numbered("k", 700) {
			rows = append(rows, row("queries", key, name))
		}
		f.put(t, part(name), rows...)
	}
	for _, stop := range []int{1, 500, 700, 701, 1399} {
		n := 0
		for _, err := range f.Rows(t.Context(), ledger.RowsParams{Protocol: "dns", Generation: 7, Statistic: "queries", Base: 1}) {
			must(t, err)
			if n++; n == stop {
				break
			}
		}
		equal(t, "rows", n, stop)
		f.put(t, part("live.0"), row("queries", "k000000", "again"))
	}
}

// testRowsMutation compacts and adds while it reads: what was there all the time comes once.
func testRowsMutation(t *testing.T, f *fixture) {
	var rows []ledger.Row
	for _, key := range numbered("k", 1500) {
		rows = append(rows, row("queries", key, "live"))
	}
	f.put(t, part("live.0"), rows...)
	got := map[string]int{}
	for r, err := range f.Rows(t.Context(), ledger.RowsParams{Protocol: "dns", Generation: 7, Statistic: "queries"}) {
		must(t, err)
		got[r.Key]++
		if len(got)%50 == 0 {
			f.put(t, part("live.0"), row("queries", r.Key, "merged"), row("queries", "a"+r.Key, "new"))
		}
	}
	for _, r := range rows {
		equal(t, r.Key, got[r.Key], 1)
	}
}

// purge removes all that it may, at most limit at once, and tells how many rows went and in how many calls that removed
// something.
func (f *fixture) purge(t reporter, p ledger.PurgeParams, limit int) (rows, calls int) {
	t.Helper()
	for {
		n, err := f.Purge(t.Context(), p, limit)
		must(t, err)
		if n == 0 {
			return rows, calls
		}
		if n < 0 || n > limit {
			t.Fatalf("purged %d rows, at most %d were to go", n, limit)
		}
		rows += n
		calls++
	}
}

// fill puts 4 rows in each of 3 statistics for two bases and two live parts, and in other generations.
func (f *fixture) fill(t reporter) {
	t.Helper()
	for _, name := range []string{ledger.BasePart(1, 0), ledger.BasePart(1, 1), ledger.BasePart(10, 0), "live.0", "live.1"} {
		var rows []ledger.Row
		for _, statistic := range []string{"a", "b", "c"} {
			for _, key := range numbered("k", 4) {
				rows = append(rows, row(statistic, key, name))
			}
		}
		f.put(t, part(name), rows...)
	}
	f.put(t, ledger.Part{Protocol: "dns", Generation: 70, Name: "live.0"}, row("a", "k", "another generation"))
	f.put(t, ledger.Part{Protocol: "ssl", Generation: 7, Name: "live.0"}, row("a", "k", "another protocol"))
}

func (f *fixture) checkOthers(t reporter) {
	t.Helper()
	for _, p := range []ledger.RowsParams{{Protocol: "dns", Generation: 70, Statistic: "a"}, {Protocol: "ssl", Generation: 7, Statistic: "a"}} {
		equal(t, "rows of others", len(all(t, f.Rows(t.Context(), p))), 1)
	}
}

func testPurgeAll(t *testing.T, f *fixture) {
	f.fill(t)
	n, _ := f.purge(t, ledger.PurgeParams{Protocol: "dns", Generation: 7}, 1000)
	equal(t, "purged", n, 60)
	for _, base := range []int64{1, 10} {
		equal(t, "rows", len(f.rows(t, "a", base)), 0)
	}
	f.checkOthers(t)
	n, _ = f.purge(t, ledger.PurgeParams{Protocol: "none", Generation: 7}, 1000)
	equal(t, "purged of what is not there", n, 0)
}

func testPurgeBelowBase(t *testing.T, f *fixture) {
	f.fill(t)
	below := func(n int64) ledger.PurgeParams {
		return ledger.PurgeParams{Protocol: "dns", Generation: 7, BelowBase: n}
	}
	n, _ := f.purge(t, below(1), 1000)
	equal(t, "purged below fold 1", n, 0)
	n, _ = f.purge(t, below(10), 1000)
	equal(t, "purged of fold 1", n, 24)
	for _, statistic := range []string{"a", "b", "c"} {
		equal(t, "base 10 and live", len(f.rows(t, statistic, 10)), 12)
		equal(t, "live", len(f.rows(t, statistic, 1)), 8)
	}
	n, _ = f.purge(t, below(11), 1000)
	equal(t, "purged of fold 10", n, 12)
	equal(t, "live", len(f.rows(t, "b", 10)), 8)
	f.checkOthers(t)
}

func testPurgeLimit(t *testing.T, f *fixture) {
	f.fill(t)
	n, calls := f.purge(t, ledger.PurgeParams{Protocol: "dns", Generation: 7, BelowBase: 11}, 5)
	equal(t, "purged", n, 36)
	if calls < 8 {
		t.Errorf("36 rows went in %d calls of 5", calls)
	}
	n, _ = f.purge(t, ledger.PurgeParams{Protocol: "dns", Generation: 7}, 7)
	equal(t, "purged", n, 24)
	_, err := f.Purge(t.Context(), ledger.PurgeParams{Protocol: "dns", Generation: 7}, 0)
	refused(t, err)
	f.checkOthers(t)
}
