package entriestest

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/seed-56345083/reprise/internal/entries"
)

var (
	intakeTests = []test{
		{"put and read", testPut},
		{"put again", testPutAgain},
		{"odd ids", testOddIDs},
		{"odd lines", testOddLines},
		{"many", testPutMany},
		{"more than one answer holds", testReadLarge},
		{"bad entries", testPutBad},
		{"limits", testIntakeLimits},
	}
	unfinishedTests = []test{
		{"of one protocol, oldest first", testUnfinished},
		{"what it tells", testUnfinishedTells},
		{"many, with writes and a stop", testUnfinishedMany},
		{"a context that ends", testUnfinishedCancelled},
		{"backlog", testBacklog},
	}
)

func testPut(t *testing.T, f *fixture) {
	ctx := t.Context()
	a, b := entry("a"), entry("b")
	b.Protocol, b.TS = "ssl", after(-time.Nanosecond).In(time.FixedZone("", 3600))
	full := entry("c") // nothing but ID, Protocol, TS and Line is taken
	full.Processed, full.Archived, full.Gens, full.Batch, full.Error = true, true, []int64{1}, "B", "wrong"
	there, err := f.Put(ctx, []entries.Entry{a, b, full})
	must(t, err)
	equal(t, "there", there, 0)
	got := f.read(t, "c", "a", "none", "b")
	equal(t, "entries", got, byID([]entries.Entry{a, b, entry("c")}))
	if !got["b"].TS.Equal(b.TS) {
		t.Errorf("time %s, want %s", got["b"].TS, b.TS)
	}
	list, err := f.Read(ctx, nil)
	must(t, err)
	equal(t, "entries of no ids", len(list), 0)
	there, err = f.Put(ctx, nil)
	must(t, err)
	equal(t, "there", there, 0)
}

// testPutAgain leaves those alone that are there, whatever has become of them.
func testPutAgain(t *testing.T, f *fixture) {
	f.put(t, fresh("a", "b")...)
	f.countIn(t, []string{"a"}, 7)
	was := f.read(t, "a", "b")
	other := entry("a")
	other.Line, other.Protocol, other.TS = []byte("another line"), "ssl", after(time.Hour)
	there, err := f.Put(t.Context(), []entries.Entry{other, entry("c"), entry("b")})
	must(t, err)
	equal(t, "there", there, 2)
	was["c"] = entry("c")
	equal(t, "entries", f.read(t, "a", "b", "c"), was)
}

// oddIDs are ids that some store might take for something else.
func oddIDs() []string {
	return []string{
		" ", "#", "a#b", "a/b", "a\\b", "'", `"`, "%", "_", "*", "a\x01\t", "é", "e\u0301", "日本", "\U0001F600", "\u2028", "\ufeff",
		"A", "a", "0", "00", "-1", "null", "checkpoint", "proto", "Batch", "b", "{}", "a b", ";--", "NaN",
		strings.Repeat("x", entries.MaxID), strings.Repeat("x", entries.MaxID-1) + "y", strings.Repeat("é", entries.MaxID/2),
	}
}

// testOddIDs takes entries with odd ids, and rows with odd keys, all the way.
func testOddIDs(t *testing.T, f *fixture) {
	ctx := t.Context()
	f.meta(t, "dns", 7, 7)
	ids := oddIDs()
	f.put(t, fresh(ids...)...)
	equal(t, "entries", f.read(t, ids...), byID(fresh(ids...)))
	var rows []entries.LiveRow
	var keys []entries.RowKey
	for _, id := range ids {
		r := row(id, "1", "")
		if len(r.Key) > 900 {
			r.Key = r.Key[:800] // as the rows of statistics are
		}
		if len(keys) > 0 && keys[len(keys)-1] == r.RowKey() {
			continue
		}
		rows, keys = append(rows, r), append(keys, r.RowKey())
	}
	f.count(t, entries.Count{Part: part(7, 3), Entries: counted(ids...), Rows: rows})
	found, err := f.LiveRows(ctx, part(7, 3), keys)
	must(t, err)
	for i := range found {
		rows[i].Version = found[i].Version
		if found[i].Version == "" {
			t.Errorf("row %q has no version", found[i].Key)
		}
	}
	equal(t, "rows", found, rows)
	b := f.join(t, f.open(t, "B1", 7), []int64{7}, ids...)
	equal(t, "members", all(t, f.Members(ctx, b)), members(ids...))
	b, err = f.ClaimBatch(ctx, b.ID)
	must(t, err)
	must(t, f.Archived(ctx, b.ID, ids, after(time.Hour)))
	for id, e := range f.read(t, ids...) {
		if !e.Archived || e.Batch != "B1" {
			t.Errorf("entry %q: %+v", id, e)
		}
	}
}

func testOddLines(t *testing.T, f *fixture) {
	var every []byte
	for b := range 256 {
		if b != '\n' {
			every = append(every, byte(b))
		}
	}
	var list []entries.Entry
	for i, line := range [][]byte{
		nil, {}, []byte(" "), {0}, {0xff}, {0xc3, 0x28}, []byte("ends in\r"), []byte("\ufeffmark"), every, []byte("é\u2028"), []byte(`{"a":"\u0000"}`),
		[]byte(strings.Repeat("x", entries.MaxLine)), []byte(strings.Repeat("\xff", entries.MaxLine)),
	} {
		e := entry(fmt.Sprint(i))
		e.Line = line
		list = append(list, e)
	}
	f.put(t, list...)
	equal(t, "entries", f.read(t, ids(list)...), byID(list))
	f.countIn(t, ids(list), 7) // does not touch them
	for id, e := range f.read(t, ids(list)...) {
		equal(t, "line of "+id, e.Line, byID(list)[id].Line)
	}
}

func ids(list []entries.Entry) []string {
	ids := make([]string, len(list))
	for i := range list {
		ids[i] = list[i].ID
	}
	return ids
}

func testPutMany(t *testing.T, f *fixture) {
	list := fresh(numbered("k", entries.MaxPut)...)
	f.put(t, list[300:700]...)
	there, err := f.Put(t.Context(), list)
	must(t, err)
	equal(t, "there", there, 400)
	equal(t, "entries", f.read(t, ids(list)...), byID(list))
}

// testReadLarge reads entries that are too large together for one answer of DynamoDB (16 MiB).
func testReadLarge(t *testing.T, f *fixture) {
	list := fresh(numbered("k", 45)...)
	for i := range list {
		list[i].Line = []byte(strings.Repeat(fmt.Sprint(i%10), entries.MaxLine))
	}
	f.put(t, list...)
	equal(t, "entries", f.read(t, ids(list)...), byID(list))
}

func testPutBad(t *testing.T, f *fixture) {
	for what, e := range map[string]entries.Entry{
		"no id":                {Protocol: "dns", TS: start},
		"a long id":            {ID: strings.Repeat("x", entries.MaxID+1), Protocol: "dns", TS: start},
		"an id that is binary": {ID: "\xff", Protocol: "dns", TS: start},
		"an id of ours":        {ID: "batch#B1", Protocol: "dns", TS: start},
		"an id of ours, too":   {ID: "batches#dns", Protocol: "dns", TS: start},
		"no protocol":          {ID: "x", TS: start},
		"no time":              {ID: "x", Protocol: "dns"},
		"a time too late":      {ID: "x", Protocol: "dns", TS: time.Date(2300, 1, 1, 0, 0, 0, 0, time.UTC)},
		"a long line":          {ID: "x", Protocol: "dns", TS: start, Line: make([]byte, entries.MaxLine+1)},
		"two lines":            {ID: "x", Protocol: "dns", TS: start, Line: []byte("a\nb")},
	} {
		list := append(fresh(numbered("k", 150)...), e)
		_, err := f.Put(t.Context(), list)
		if err == nil {
			t.Errorf("%s: no error", what)
			continue
		}
		wantErr(t, err, entries.ErrBad)
		equal(t, what+": entries written", len(f.read(t, ids(list[:150])...)), 0)
	}
}

func testIntakeLimits(t *testing.T, f *fixture) {
	ctx := t.Context()
	list := fresh(numbered("k", entries.MaxPut+1)...)
	_, err := f.Put(ctx, list)
	refused(t, "put", err)
	equal(t, "entries written", len(f.read(t, ids(list)...)), 0)
	_, err = f.Read(ctx, numbered("k", entries.MaxRead+1))
	refused(t, "read", err)
	for _, limit := range []int{0, -1} {
		_, err = f.Backlog(ctx, "dns", int64(limit))
		refused(t, "backlog", err)
		_, err = f.Expire(ctx, start, limit)
		refused(t, "expire", err)
	}
}

// unfinished waits until the index shows the entries that are wanted, and no others.
func (f *fixture) unfinished(t reporter, protocol string, want map[string]entries.Unfinished) {
	t.Helper()
	eventually(t, "the index of "+protocol, func() bool {
		seen := map[string]entries.Unfinished{}
		for _, u := range all(t, f.Unfinished(t.Context(), protocol)) {
			seen[u.ID] = u
		}
		if len(seen) != len(want) {
			return false
		}
		for id, u := range want {
			got, ok := seen[id]
			if !ok || !got.TS.Equal(u.TS) || got.Processed != u.Processed || got.Batch != u.Batch {
				return false
			}
		}
		return true
	})
}

func waiting(list []entries.Entry) map[string]entries.Unfinished {
	m := map[string]entries.Unfinished{}
	for _, e := range list {
		m[e.ID] = entries.Unfinished{ID: e.ID, TS: e.TS, Processed: e.Processed, Batch: e.Batch}
	}
	return m
}

func testUnfinished(t *testing.T, f *fixture) {
	list := fresh(numbered("k", 90)...)
	for i := range list { // backwards, so that the order is neither that of the ids nor that of the puts
		list[i].TS = after(-time.Duration(i*37%90) * time.Millisecond)
	}
	other := entry("other")
	other.Protocol = "dn"
	another := entry("another")
	another.Protocol = "dns2"
	f.put(t, append([]entries.Entry{other, another}, list...)...)
	f.unfinished(t, "dns", waiting(list))
	f.unfinished(t, "dn", waiting([]entries.Entry{other}))
	f.unfinished(t, "none", nil)
	last := map[int]time.Time{}
	for _, u := range all(t, f.Unfinished(t.Context(), "dns")) {
		s := entries.ShardOf(u.ID)
		if u.TS.Before(last[s]) {
			t.Errorf("%s of %s comes after one of %s", u.ID, u.TS, last[s])
		}
		last[s] = u.TS
	}
}

// testUnfinishedTells follows entries through their lives.
func testUnfinishedTells(t *testing.T, f *fixture) {
	ctx := t.Context()
	f.meta(t, "dns", 7, 7)
	list := fresh("a", "b", "c", "d")
	f.put(t, list...)
	f.unfinished(t, "dns", waiting(list))
	f.countIn(t, []string{"a", "b", "c"}, 7)
	list[0].Processed, list[1].Processed, list[2].Processed = true, true, true
	f.unfinished(t, "dns", waiting(list))
	b := f.join(t, f.open(t, "B1", 7), []int64{7}, "a", "b")
	list[0].Batch, list[1].Batch = "B1", "B1"
	f.unfinished(t, "dns", waiting(list))
	_, err := f.ClaimBatch(ctx, b.ID)
	must(t, err)
	must(t, f.Archived(ctx, "B1", []string{"a"}, after(time.Hour)))
	f.unfinished(t, "dns", waiting(list[1:]))
	must(t, f.Archived(ctx, "B1", []string{"a", "b"}, after(time.Hour)))
	f.unfinished(t, "dns", waiting(list[2:]))
}

// testUnfinishedMany writes in the loop's body, and stops early.
func testUnfinishedMany(t *testing.T, f *fixture) {
	ctx := t.Context()
	list := fresh(numbered("k", f.many())...)
	for i := range list {
		list[i].TS = after(time.Duration(i/7) * time.Millisecond) // some at the same moment
	}
	f.put(t, list...)
	f.unfinished(t, "dns", waiting(list))
	for _, stop := range []int{1, f.many() / 2, f.many()} {
		n := 0
		for _, err := range f.Unfinished(ctx, "dns") {
			must(t, err)
			if n++; n == stop {
				break
			}
		}
		equal(t, "entries", n, stop)
	}
	seen := map[string]int{}
	for u, err := range f.Unfinished(ctx, "dns") {
		must(t, err)
		seen[u.ID]++
		if len(seen)%20 == 0 {
			f.countIn(t, []string{u.ID}, 7)
		}
	}
	for _, e := range list { // those that were there all the time
		if seen[e.ID] == 0 {
			t.Errorf("%s did not come", e.ID)
		}
	}
}

func testUnfinishedCancelled(t *testing.T, f *fixture) {
	f.put(t, fresh("a", "b")...)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	n := 0
	for _, err := range f.Unfinished(ctx, "dns") {
		if n++; err == nil {
			t.Error("no error from a context that has ended")
		}
	}
	equal(t, "errors", n, 1)
}

func testBacklog(t *testing.T, f *fixture) {
	ctx := t.Context()
	f.meta(t, "dns", 7, 7)
	const limit = 10_000
	backlog := func(want entries.Backlog) {
		t.Helper()
		eventually(t, fmt.Sprintf("backlog %+v", want), func() bool {
			got, err := f.Backlog(ctx, "dns", limit)
			must(t, err)
			return got.Unarchived == want.Unarchived && got.Unprocessed == want.Unprocessed && got.Oldest.Equal(want.Oldest) && !got.AtLeast
		})
	}
	backlog(entries.Backlog{})
	list := fresh(numbered("k", 60)...)
	for i := range list {
		list[i].TS = after(time.Duration(i) * time.Second)
	}
	other := entry("other")
	other.Protocol, other.TS = "ssl", after(-time.Hour)
	f.put(t, append(list, other)...)
	backlog(entries.Backlog{Unprocessed: 60, Unarchived: 60, Oldest: start})
	f.countIn(t, ids(list[:20]), 7)
	backlog(entries.Backlog{Unprocessed: 40, Unarchived: 60, Oldest: start})
	b := f.join(t, f.open(t, "B1", 7), []int64{7}, ids(list[:5])...)
	_, err := f.ClaimBatch(ctx, b.ID)
	must(t, err)
	must(t, f.Archived(ctx, b.ID, ids(list[:5]), after(time.Hour)))
	backlog(entries.Backlog{Unprocessed: 40, Unarchived: 55, Oldest: after(5 * time.Second)})

	got, err := f.Backlog(ctx, "dns", 5)
	must(t, err)
	if !got.AtLeast || got.Unarchived < 5 || got.Unarchived > 55 {
		t.Errorf("with a limit of 5: %+v", got)
	}
}
