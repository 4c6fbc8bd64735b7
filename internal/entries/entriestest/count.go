package entriestest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/seed-56345083/reprise/internal/entries"
	"github.com/seed-56345083/reprise/internal/ledger"
)

var countTests = []test{
	{"entries and rows", testCount},
	{"each generation once", testCountGens},
	{"errors of lines", testCountErrors},
	{"stale entries", testCountStale},
	{"rows that have changed", testCountConflict},
	{"a row removed and made anew", testCountABA},
	{"as much as goes in", testCountMost},
	{"bad calls", testCountBad},
}

func testCount(t *testing.T, f *fixture) {
	f.put(t, fresh("a", "b", "c")...)
	f.count(t, entries.Count{Part: part(7, 0), Entries: counted("a", "b"), Rows: []entries.LiveRow{row("x", "1", ""), row("y", "1", "")}})
	a := entry("a")
	a.Processed, a.Gens = true, []int64{7}
	b := entry("b")
	b.Processed, b.Gens = true, []int64{7}
	equal(t, "entries", f.read(t, "a", "b", "c"), byID([]entries.Entry{a, b, entry("c")}))

	x := f.liveRow(t, part(7, 0), key("x"))
	equal(t, "row", x, row("x", "1", x.Version))
	next := row("x", "2", x.Version)
	next.Dims, next.Measures = []byte("[2]"), []byte("{}")
	f.count(t, entries.Count{Part: part(7, 0), Entries: counted("c"), Rows: []entries.LiveRow{next, row("z", "1", "")}})
	got := f.liveRow(t, part(7, 0), key("x"))
	if got.Version == x.Version || got.Version == "" {
		t.Errorf("version %q after %q", got.Version, x.Version)
	}
	next.Version = got.Version
	equal(t, "row", got, next)
	equal(t, "rows", len(f.placed(t, 7)), 3)
	equal(t, "rows of another generation", len(f.placed(t, 8)), 0)
}

func testCountGens(t *testing.T, f *fixture) {
	f.put(t, entry("a"))
	want := entry("a")
	want.Processed = true
	for _, g := range []int64{7, 12, 3, 1 << 40} {
		want.Gens = append(want.Gens, g)
		slices.Sort(want.Gens)
		for n := range 2 {
			err := f.Count(t.Context(), entries.Count{Part: part(g, n), Entries: counted("a"), Rows: []entries.LiveRow{row("x", "1", "")}})
			if n == 0 {
				must(t, err)
			} else {
				wantErr(t, err, entries.ErrStale)
			}
			equal(t, "entry", f.one(t, "a"), want)
			equal(t, "rows", len(f.placed(t, g)), 1)
		}
	}
}

func testCountErrors(t *testing.T, f *fixture) {
	f.put(t, fresh("a", "b")...)
	said := func(want string) {
		t.Helper()
		a := f.one(t, "a")
		equal(t, "error", a.Error, want)
		equal(t, "processed", a.Processed, true)
		equal(t, "error of another", f.one(t, "b").Error, "")
	}
	f.count(t, entries.Count{Part: part(7, 0), Entries: []entries.Counted{{ID: "a", Error: "not JSON: \x01 \u2028"}, {ID: "b"}}})
	said("not JSON: \x01 \u2028")
	f.count(t, entries.Count{Part: part(8, 0), Entries: counted("a", "b")})
	said("not JSON: \x01 \u2028") // kept
	f.count(t, entries.Count{Part: part(9, 0), Entries: []entries.Counted{{ID: "b"}, {ID: "a", Error: "no timestamp"}}})
	said("no timestamp")
}

// unchanged calls f and checks that it wrote nothing.
func (f *fixture) unchanged(t reporter, generation int64, known []string, call func() error, want error) {
	t.Helper()
	was, rows := f.read(t, known...), f.placed(t, generation)
	wantErr(t, call(), want)
	equal(t, "entries after "+want.Error(), f.read(t, known...), was)
	equal(t, "rows after "+want.Error(), f.placed(t, generation), rows)
}

func testCountStale(t *testing.T, f *fixture) {
	f.meta(t, "dns", 7, 7)
	known := []string{"new", "counted", "joined", "other"}
	f.put(t, fresh(known...)...)
	f.countIn(t, []string{"counted", "joined"}, 7)
	f.join(t, f.open(t, "B1", 7), []int64{7}, "joined")
	for _, c := range []struct {
		id  string
		gen int64
	}{{"gone", 7}, {"counted", 7}, {"joined", 7}, {"joined", 8}} {
		for _, list := range [][]string{{c.id}, {"new", c.id, "other"}} {
			f.unchanged(t, c.gen, known, func() error {
				return f.Count(t.Context(), entries.Count{Part: part(c.gen, 0), Entries: counted(list...), Rows: []entries.LiveRow{row("x", "1", "")}})
			}, entries.ErrStale)
		}
	}
	f.count(t, entries.Count{Part: part(7, 0), Entries: counted("new", "other"), Rows: []entries.LiveRow{row("x", "1", "")}})
	// Both at once: the caller is told one of them.
	err := f.Count(t.Context(), entries.Count{Part: part(7, 0), Entries: counted("new"), Rows: []entries.LiveRow{row("x", "1", "")}})
	if !errors.Is(err, entries.ErrStale) && !errors.Is(err, entries.ErrConflict) {
		t.Errorf("a stale entry and a row that has changed: %v", err)
	}
}

func testCountConflict(t *testing.T, f *fixture) {
	known := []string{"a", "b", "c"}
	f.put(t, fresh(known...)...)
	first := entries.Count{Part: part(7, 0), Entries: counted("a"), Rows: []entries.LiveRow{row("x", "1", ""), row("y", "1", "")}}
	f.count(t, first)
	x := f.liveRow(t, part(7, 0), key("x"))
	f.count(t, entries.Count{Part: part(7, 0), Entries: counted("b"), Rows: []entries.LiveRow{row("x", "2", x.Version)}})
	y := f.liveRow(t, part(7, 0), key("y"))
	for what, r := range map[string]entries.LiveRow{
		"there by now":         row("x", "9", ""),
		"changed":              row("x", "9", x.Version),
		"of a version unknown": row("x", "9", "no version"),
		"not there":            row("z", "9", x.Version),
		"another row's":        row("x", "9", y.Version),
	} {
		t.Log(what)
		for _, rows := range [][]entries.LiveRow{{r}, {row("new", "9", ""), r, row("y", "9", y.Version)}} {
			f.unchanged(t, 7, known, func() error {
				return f.Count(t.Context(), entries.Count{Part: part(7, 0), Entries: counted("c"), Rows: rows})
			}, entries.ErrConflict)
		}
	}
	// The same key elsewhere is another row.
	f.count(t, entries.Count{Part: part(7, 1), Entries: counted("c"), Rows: []entries.LiveRow{row("x", "1", "")}})
	equal(t, "rows", len(f.placed(t, 7)), 3)
}

// testCountABA removes a row, by compaction and by a purge, and makes it anew: who has read the old one must not write.
func testCountABA(t *testing.T, f *fixture) {
	ctx := t.Context()
	f.put(t, fresh(numbered("k", 20)...)...)
	next := 0
	write := func(p ledger.Part, r entries.LiveRow) error {
		next++
		return f.Count(ctx, entries.Count{Part: p, Entries: counted(fmt.Sprintf("k%06d", next-1)), Rows: []entries.LiveRow{r}})
	}
	for _, remove := range []func(entries.LiveRow){
		func(r entries.LiveRow) {
			into := f.liveRow(t, part(7, 1), key("x"))
			must(t, f.MergeLive(ctx, entries.Merge{
				Into: part(7, 1), Row: row("x", "merged", into.Version),
				Remove: []entries.Placed{{Part: entries.LivePart(0), Key: key("x"), Version: r.Version}},
			}))
		},
		func(entries.LiveRow) {
			n, err := f.ledger.Purge(ctx, ledger.PurgeParams{Protocol: "dns", Generation: 7}, 100)
			must(t, err)
			if n == 0 {
				t.Error("nothing was purged")
			}
		},
	} {
		must(t, write(part(7, 0), row("x", "1", "")))
		old := f.liveRow(t, part(7, 0), key("x"))
		remove(old)
		gone := f.liveRow(t, part(7, 0), key("x"))
		equal(t, "row that is gone", gone, entries.LiveRow{Row: ledger.Row{Statistic: "queries", Day: "2018-03-24", Key: "x"}})
		wantErr(t, write(part(7, 0), row("x", "late", old.Version)), entries.ErrConflict)
		must(t, write(part(7, 0), row("x", "1", "")))
		anew := f.liveRow(t, part(7, 0), key("x"))
		if anew.Version == old.Version {
			t.Errorf("the version %s came back", old.Version)
		}
		wantErr(t, write(part(7, 0), row("x", "late", old.Version)), entries.ErrConflict)
		equal(t, "row", f.liveRow(t, part(7, 0), key("x")), anew)
		_, err := f.ledger.Purge(ctx, ledger.PurgeParams{Protocol: "dns", Generation: 7}, 100)
		must(t, err)
	}
}

func testCountMost(t *testing.T, f *fixture) {
	list := fresh(numbered("k", entries.MaxItems)...)
	f.put(t, list...)
	var rows []entries.LiveRow
	var keys []entries.RowKey
	size := entries.MaxBytes / 60
	for i := range 60 {
		r := row(fmt.Sprint("r", i), "", "")
		r.State = []byte(strings.Repeat(string(rune('a'+i%26)), size))
		rows, keys = append(rows, r), append(keys, r.RowKey())
	}
	f.count(t, entries.Count{Part: part(7, 0), Entries: counted(ids(list)[:40]...), Rows: rows})
	f.count(t, entries.Count{Part: part(8, 0), Entries: counted(ids(list)...)})
	found, err := f.LiveRows(t.Context(), part(7, 0), keys)
	must(t, err)
	for i := range found {
		rows[i].Version = found[i].Version
	}
	equal(t, "rows", found, rows)
	for i, e := range list {
		want := []int64{8}
		if i < 40 {
			want = []int64{7, 8}
		}
		equal(t, "generations of "+e.ID, f.one(t, e.ID).Gens, want)
	}
	rows[0].State = append(rows[0].State, make([]byte, 60)...)
	refused(t, "too large", f.Count(t.Context(), entries.Count{Part: part(7, 0), Entries: counted(ids(list)[40:80]...), Rows: rows}))
}

func testCountBad(t *testing.T, f *fixture) {
	known := numbered("k", entries.MaxItems+1)
	f.put(t, fresh(known...)...)
	rows := []entries.LiveRow{row("x", "1", "")}
	base := part(7, 0)
	base.Name = ledger.BasePart(1, 0)
	for what, c := range map[string]entries.Count{
		"nothing":        {Part: part(7, 0)},
		"no entry":       {Part: part(7, 0), Rows: rows},
		"too many":       {Part: part(7, 0), Entries: counted(known...)},
		"too many, both": {Part: part(7, 0), Entries: counted(known[:entries.MaxItems]...), Rows: rows},
		"an entry twice": {Part: part(7, 0), Entries: counted("k000000", "k000000")},
		"a row twice":    {Part: part(7, 0), Entries: counted("k000000"), Rows: append(rows, rows...)},
		"a base":         {Part: base, Entries: counted("k000000"), Rows: rows},
	} {
		refused(t, what, f.Count(t.Context(), c))
	}
	equal(t, "entries", f.read(t, known...), byID(fresh(known...)))
	equal(t, "rows", len(f.placed(t, 7)), 0)
}

var (
	rowTests = []test{
		{"by their keys", testLiveRows},
		{"of the ledger", testLedgerRows},
		{"all parts", testLiveParts},
		{"purge", testPurge},
	}
	mergeTests = []test{
		{"moves rows together", testMerge},
		{"rows that have changed", testMergeConflict},
		{"as much as goes in", testMergeMost},
		{"bad calls", testMergeBad},
	}
)

func testLiveRows(t *testing.T, f *fixture) {
	ctx := t.Context()
	f.put(t, fresh("a", "b")...)
	x := row("x", "1", "")
	otherDay, otherStatistic := row("x", "other day", ""), row("x", "other statistic", "")
	otherDay.Day, otherStatistic.Statistic = "-", "failures"
	bare := entries.LiveRow{Row: ledger.Row{Statistic: "queries", Day: "-", Key: "[]"}}
	f.count(t, entries.Count{Part: part(7, 0), Entries: counted("a"), Rows: []entries.LiveRow{x, otherDay, otherStatistic, bare}})
	f.count(t, entries.Count{Part: part(7, 10), Entries: counted("b"), Rows: []entries.LiveRow{row("x", "other part", "")}})

	want := []entries.LiveRow{otherStatistic, {Row: ledger.Row{Statistic: "queries", Day: "2018-03-24", Key: "none"}}, x, bare, otherDay}
	var keys []entries.RowKey
	for i := range want {
		keys = append(keys, want[i].RowKey())
	}
	got, err := f.LiveRows(ctx, part(7, 0), keys)
	must(t, err)
	for i := range got {
		if (got[i].Version == "") != (want[i].Key == "none") {
			t.Errorf("row %+v has version %q", keys[i], got[i].Version)
		}
		want[i].Version = got[i].Version
	}
	equal(t, "rows", got, want)
	got, err = f.LiveRows(ctx, part(7, 1), keys)
	must(t, err)
	for i := range got {
		equal(t, "row of an empty part", got[i], entries.LiveRow{Row: ledger.Row{Statistic: keys[i].Statistic, Day: keys[i].Day, Key: keys[i].Key}})
	}
	got, err = f.LiveRows(ctx, part(7, 0), nil)
	must(t, err)
	equal(t, "rows of no keys", len(got), 0)
	_, err = f.LiveRows(ctx, part(7, 0), make([]entries.RowKey, entries.MaxRead+1))
	refused(t, "too many keys", err)
}

// testLedgerRows finds live rows among those of the ledger, and base rows not among the live ones.
func testLedgerRows(t *testing.T, f *fixture) {
	ctx := t.Context()
	f.put(t, fresh("a", "b")...)
	base := row("x", "base", "").Row
	must(t, f.ledger.PutRows(ctx, ledger.Part{Protocol: "dns", Generation: 7, Name: ledger.BasePart(1, 0)}, []ledger.Row{base}))
	f.count(t, entries.Count{Part: part(7, 0), Entries: counted("a"), Rows: []entries.LiveRow{row("x", "live 0", "")}})
	f.count(t, entries.Count{Part: part(7, 15), Entries: counted("b"), Rows: []entries.LiveRow{row("x", "live 15", "")}})
	for _, c := range []struct {
		base int64
		want map[string]int
	}{{0, map[string]int{"\x00\xfflive 0": 1, "\x00\xfflive 15": 1}}, {1, map[string]int{"\x00\xffbase": 1, "\x00\xfflive 0": 1, "\x00\xfflive 15": 1}}} {
		got := map[string]int{}
		for _, r := range all(t, f.ledger.Rows(ctx, ledger.RowsParams{Protocol: "dns", Generation: 7, Statistic: "queries", Base: c.base})) {
			equal(t, "dimensions", string(r.Dims), `["x"]`)
			got[string(r.State)]++
		}
		equal(t, "states of rows", got, c.want)
	}
	parts := map[string]int{}
	for at := range f.placed(t, 7) {
		parts[strings.Fields(at)[0]]++
	}
	equal(t, "live parts", parts, map[string]int{"live.0": 1, "live.15": 1})
}

func testLiveParts(t *testing.T, f *fixture) {
	ctx := t.Context()
	n := f.many()
	f.put(t, fresh(numbered("k", n/entries.MaxItems+3)...)...)
	want := map[string]string{}
	for i := 0; i*99 < n; i++ {
		var rows []entries.LiveRow
		for j := range min(99, n-i*99) {
			r := row(fmt.Sprint("r", i*99+j), "v", "")
			r.Day = fmt.Sprintf("2018-03-%02d", 1+j%28)
			rows = append(rows, r)
			want[entries.LivePart(i%5)+" "+r.Day+" "+r.Key] = string(r.State)
		}
		f.count(t, entries.Count{Part: part(7, i%5), Entries: counted(fmt.Sprintf("k%06d", i)), Rows: rows})
	}
	got := map[string]string{}
	for at, r := range f.placed(t, 7) {
		got[at] = string(r.State)
	}
	equal(t, "rows", got, want)
	for _, stop := range []int{1, n / 2, n} {
		seen := 0
		for r, err := range f.LiveParts(ctx, "dns", 7, "queries") {
			must(t, err)
			equal(t, "row", f.liveRow(t, ledger.Part{Protocol: "dns", Generation: 7, Name: r.Part}, r.RowKey()), r.LiveRow)
			if seen++; seen == stop || seen == 50 {
				break
			}
		}
		equal(t, "rows", seen, min(stop, 50))
	}
	for _, other := range []struct {
		protocol, statistic string
		gen                 int64
	}{{"dns", "querie", 7}, {"dns", "queries", 8}, {"ssl", "queries", 7}} {
		equal(t, "rows of others", len(all(t, f.LiveParts(ctx, other.protocol, other.gen, other.statistic))), 0)
	}
}

func testPurge(t *testing.T, f *fixture) {
	ctx := t.Context()
	f.put(t, fresh("a", "b")...)
	must(t, f.ledger.PutRows(ctx, ledger.Part{Protocol: "dns", Generation: 7, Name: ledger.BasePart(1, 0)}, []ledger.Row{row("x", "base", "").Row}))
	f.count(t, entries.Count{Part: part(7, 0), Entries: counted("a"), Rows: []entries.LiveRow{row("x", "1", ""), row("y", "1", "")}})
	f.count(t, entries.Count{Part: part(8, 0), Entries: counted("a"), Rows: []entries.LiveRow{row("x", "1", "")}})
	purge := func(p ledger.PurgeParams) int {
		total := 0
		for {
			n, err := f.ledger.Purge(ctx, p, 100)
			must(t, err)
			if n == 0 {
				return total
			}
			total += n
		}
	}
	equal(t, "purged below fold 2", purge(ledger.PurgeParams{Protocol: "dns", Generation: 7, BelowBase: 2}), 1)
	equal(t, "live rows", len(f.placed(t, 7)), 2)
	equal(t, "purged of generation 7", purge(ledger.PurgeParams{Protocol: "dns", Generation: 7}), 2)
	equal(t, "live rows", len(f.placed(t, 7)), 0)
	equal(t, "live rows of generation 8", len(f.placed(t, 8)), 1)
	equal(t, "generations of a", f.one(t, "a").Gens, []int64{7, 8})
}
