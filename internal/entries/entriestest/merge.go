package entriestest

import (
	"fmt"
	"testing"

	"github.com/seed-56345083/reprise/internal/entries"
	"github.com/seed-56345083/reprise/internal/ledger"
)

func testMerge(t *testing.T, f *fixture) {
	ctx := t.Context()
	f.put(t, fresh("a", "b", "c", "d")...)
	for i, id := range []string{"a", "b", "c"} {
		f.count(t, entries.Count{Part: part(7, i), Entries: counted(id), Rows: []entries.LiveRow{row("x", "1", ""), row("y", "1", "")}})
	}
	version := func(slot int) string { return f.liveRow(t, part(7, slot), key("x")).Version }
	placed := func(slot int) entries.Placed {
		return entries.Placed{Part: entries.LivePart(slot), Key: key("x"), Version: version(slot)}
	}
	was := version(0)
	must(t, f.MergeLive(ctx, entries.Merge{Into: part(7, 0), Row: row("x", "3", was), Remove: []entries.Placed{placed(1), placed(2)}}))
	x := f.liveRow(t, part(7, 0), key("x"))
	equal(t, "row", x, row("x", "3", x.Version))
	if x.Version == was {
		t.Error("the version is the old one")
	}
	equal(t, "rows", len(f.placed(t, 7)), 4)
	equal(t, "version of a row that is gone", version(1), "")

	// Into a part that has no such row, and of nothing else.
	must(t, f.MergeLive(ctx, entries.Merge{Into: part(7, 5), Row: row("x", "3", ""), Remove: []entries.Placed{placed(0)}}))
	must(t, f.MergeLive(ctx, entries.Merge{Into: part(7, 5), Row: row("x", "4", version(5))}))
	equal(t, "state", string(f.liveRow(t, part(7, 5), key("x")).State), "\x00\xff4")
	equal(t, "rows", len(f.placed(t, 7)), 4)
}

func testMergeConflict(t *testing.T, f *fixture) {
	ctx := t.Context()
	f.put(t, fresh("a", "b", "c", "d", "e")...)
	for i, id := range []string{"a", "b", "c"} {
		f.count(t, entries.Count{Part: part(7, i), Entries: counted(id), Rows: []entries.LiveRow{row("x", "1", "")}})
	}
	read := func(slot int) entries.Placed {
		return entries.Placed{Part: entries.LivePart(slot), Key: key("x"), Version: f.liveRow(t, part(7, slot), key("x")).Version}
	}
	zero, one, two := read(0), read(1), read(2)
	gone := entries.Placed{Part: entries.LivePart(3), Key: key("x"), Version: one.Version}
	f.count(t, entries.Count{Part: part(7, 1), Entries: counted("d"), Rows: []entries.LiveRow{row("x", "2", one.Version)}})
	for what, m := range map[string]entries.Merge{
		"a removed row has changed": {Into: part(7, 0), Row: row("x", "9", zero.Version), Remove: []entries.Placed{two, one}},
		"a removed row is gone":     {Into: part(7, 0), Row: row("x", "9", zero.Version), Remove: []entries.Placed{gone, two}},
		"the row has changed":       {Into: part(7, 1), Row: row("x", "9", one.Version), Remove: []entries.Placed{zero, two}},
		"the row is there by now":   {Into: part(7, 1), Row: row("x", "9", ""), Remove: []entries.Placed{zero}},
		"the row is gone":           {Into: part(7, 4), Row: row("x", "9", one.Version), Remove: []entries.Placed{zero}},
	} {
		t.Log(what)
		f.unchanged(t, 7, []string{"a"}, func() error { return f.MergeLive(ctx, m) }, entries.ErrConflict)
	}
	// A counter that has read the row before it was moved is told.
	must(t, f.MergeLive(ctx, entries.Merge{Into: part(7, 0), Row: row("x", "9", zero.Version), Remove: []entries.Placed{two}}))
	for slot, version := range map[int]string{0: zero.Version, 2: two.Version} {
		f.unchanged(t, 7, []string{"e"}, func() error {
			return f.Count(ctx, entries.Count{Part: part(7, slot), Entries: counted("e"), Rows: []entries.LiveRow{row("x", "2", version)}})
		}, entries.ErrConflict)
	}
}

func testMergeMost(t *testing.T, f *fixture) {
	f.put(t, fresh(numbered("k", entries.MaxItems-1)...)...)
	m := entries.Merge{Into: part(7, 0), Row: row("x", "all", "")}
	for i := range entries.MaxItems - 1 {
		f.count(t, entries.Count{Part: part(7, 1+i), Entries: counted(fmt.Sprintf("k%06d", i)), Rows: []entries.LiveRow{row("x", "1", "")}})
		m.Remove = append(m.Remove, entries.Placed{
			Part: entries.LivePart(1 + i), Key: key("x"), Version: f.liveRow(t, part(7, 1+i), key("x")).Version,
		})
	}
	must(t, f.MergeLive(t.Context(), m))
	equal(t, "rows", len(f.placed(t, 7)), 1)
}

func testMergeBad(t *testing.T, f *fixture) {
	f.put(t, entry("a"))
	f.count(t, entries.Count{Part: part(7, 1), Entries: counted("a"), Rows: []entries.LiveRow{row("x", "1", "")}})
	one := entries.Placed{Part: entries.LivePart(1), Key: key("x"), Version: f.liveRow(t, part(7, 1), key("x")).Version}
	base, unread := one, one
	base.Part, unread.Version = ledger.BasePart(1, 0), ""
	many := make([]entries.Placed, entries.MaxItems)
	for i := range many {
		many[i] = entries.Placed{Part: entries.LivePart(i + 1), Key: key("x"), Version: "v"}
	}
	into := part(7, 0)
	into.Name = ledger.BasePart(1, 0)
	for what, m := range map[string]entries.Merge{
		"into a base":           {Into: into, Row: row("x", "1", ""), Remove: []entries.Placed{one}},
		"a base":                {Into: part(7, 0), Row: row("x", "1", ""), Remove: []entries.Placed{base}},
		"a row without version": {Into: part(7, 0), Row: row("x", "1", ""), Remove: []entries.Placed{unread}},
		"a row twice":           {Into: part(7, 0), Row: row("x", "1", ""), Remove: []entries.Placed{one, one}},
		"the row itself":        {Into: part(7, 1), Row: row("x", "1", one.Version), Remove: []entries.Placed{one}},
		"too many":              {Into: part(7, 0), Row: row("x", "1", ""), Remove: many},
	} {
		refused(t, what, f.MergeLive(t.Context(), m))
	}
	equal(t, "rows", len(f.placed(t, 7)), 1)
}
