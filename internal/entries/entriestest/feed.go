package entriestest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-56345083/reprise/internal/entries"
)

var feedTests = []test{
	{"new entries, as they were put", testFeed},
	{"from any position", testFeedPositions},
	{"while entries are put", testFeedFollows},
	{"large entries", testFeedLarge},
	{"bad calls", testFeedBad},
	{"checkpoints", testCheckpoints},
}

// record is an entry of the feed and where it was.
type record struct {
	entries.Entry
	shard, after string // read from this position
}

// follow reads the feed, parents first, until every id that is wanted has come.
func (f *fixture) follow(t reporter, limit int, wanted ...string) []record {
	t.Helper()
	missing := map[string]bool{}
	for _, id := range wanted {
		missing[id] = true
	}
	var seen []record
	at, closed := map[string]string{}, map[string]bool{}
	eventually(t, "the feed", func() bool {
		shards, err := f.Shards(t.Context())
		must(t, err)
		known := map[string]bool{}
		for _, s := range shards {
			if s.ID == "" || known[s.ID] {
				t.Fatalf("shards %+v", shards)
			}
			known[s.ID] = true
			if closed[s.ID] || (known[s.Parent] && !closed[s.Parent]) {
				continue
			}
			list, position, end := f.shard(t, s.ID, at[s.ID], limit)
			at[s.ID], closed[s.ID] = position, end
			seen = append(seen, list...)
			for _, r := range list {
				delete(missing, r.ID)
			}
		}
		return len(missing) == 0
	})
	return seen
}

// shard reads a shard as far as there is something.
func (f *fixture) shard(t reporter, id, position string, limit int) (list []record, next string, closed bool) {
	t.Helper()
	for {
		r, err := f.Feed(t.Context(), id, position, limit)
		must(t, err)
		equal(t, "records that are no entry", len(r.Bad), 0)
		if len(r.Entries) > limit {
			t.Fatalf("%d records, at most %d were wanted", len(r.Entries), limit)
		}
		if len(r.Entries) > 0 && (r.Next == position || r.Next == "") {
			t.Fatalf("%d records, and the position stays %q", len(r.Entries), position)
		}
		if (len(r.Entries) > 0) && r.Newest.IsZero() {
			t.Fatalf("%d records, and no time when they were written", len(r.Entries))
		}
		for _, e := range r.Entries {
			list = append(list, record{Entry: e, shard: id, after: position})
		}
		position = r.Next
		if r.Closed || !r.More {
			return list, position, r.Closed
		}
	}
}

// feedOf are the entries of a feed, each once; one that comes twice must be the same.
func feedOf(t reporter, seen []record) map[string]entries.Entry {
	t.Helper()
	m := map[string]entries.Entry{}
	for _, r := range seen {
		if first, twice := m[r.ID]; twice {
			equal(t, "entry that came twice", r.Entry, first)
		}
		m[r.ID] = r.Entry
	}
	return m
}

func testFeed(t *testing.T, f *fixture) {
	f.meta(t, "dns", 7, 7)
	equal(t, "records of an empty table", len(f.follow(t, 10)), 0)
	list := fresh(numbered("k", 25)...)
	list[3].Protocol, list[3].Line = "ssl", []byte("\xff\x00")
	list[4].Line = nil
	list[5].ID = strings.Repeat("é", entries.MaxID/2)
	list[6].TS = after(-time.Hour)
	f.put(t, list[:20]...)
	f.countIn(t, ids(list[:10]), 7) // what becomes of them is no news
	f.join(t, f.open(t, "01A", 7), []int64{7}, ids(list[:5])...)
	there, err := f.Put(t.Context(), list)
	must(t, err)
	equal(t, "there", there, 20)
	must(t, f.SaveCheckpoint(t.Context(), entries.Checkpoint{Shard: "s", Position: "p", At: start}))
	for _, limit := range []int{1, 7, 1000} {
		equal(t, "entries", feedOf(t, f.follow(t, limit, ids(list)...)), byID(list))
	}
}

// testFeedPositions reads on from every position that a read has given: the rest of the shard follows.
func testFeedPositions(t *testing.T, f *fixture) {
	list := fresh(numbered("k", 12)...)
	for _, e := range list {
		f.put(t, e)
	}
	seen := f.follow(t, 1, ids(list)...)
	shards := map[string][]record{}
	for _, r := range seen {
		shards[r.shard] = append(shards[r.shard], r)
	}
	for id, records := range shards {
		for i, from := range records {
			rest, _, _ := f.shard(t, id, from.after, 5)
			var got, want []string
			for _, r := range rest {
				got = append(got, r.ID)
			}
			for _, r := range records[i:] {
				want = append(want, r.ID)
			}
			equal(t, fmt.Sprintf("after %q", from.after), got, want)
		}
		// At the end a position stays, and goes on where it was.
		last := records[len(records)-1]
		r, err := f.Feed(t.Context(), id, last.after, 1)
		must(t, err)
		end := r.Next
		r, err = f.Feed(t.Context(), id, end, 10)
		must(t, err)
		equal(t, "records after the last", len(r.Entries), 0)
		if r.Next != end || !r.Newest.IsZero() {
			t.Errorf("after the last: %+v", r)
		}
	}
}

// testFeedFollows puts entries in three goroutines while the feed is read: none is passed over.
func testFeedFollows(t *testing.T, f *fixture) {
	const writers, each = 3, 60
	errs := make(chan error, writers)
	var want []string
	for w := range writers {
		list := fresh(numbered(fmt.Sprint("w", w, " "), each)...)
		want = append(want, ids(list)...)
		go func() {
			for page := range slices.Chunk(list, 4) {
				if _, err := f.Put(t.Context(), page); err != nil {
					errs <- err
					return
				}
			}
			errs <- nil
		}()
	}
	defer func() {
		for range writers {
			if err := <-errs; err != nil {
				t.Error(err)
			}
		}
	}()
	equal(t, "entries", feedOf(t, f.follow(t, 10, want...)), byID(fresh(want...)))
}

func testFeedLarge(t *testing.T, f *fixture) {
	list := fresh(numbered("k", 8)...)
	for i := range list {
		list[i].Line = []byte(strings.Repeat(fmt.Sprint(i), entries.MaxLine))
	}
	f.put(t, list...)
	equal(t, "entries", feedOf(t, f.follow(t, 1000, ids(list)...)), byID(list))
}

func testFeedBad(t *testing.T, f *fixture) {
	ctx := t.Context()
	f.put(t, entry("a"))
	shard := f.follow(t, 1, "a")[0].shard
	for _, limit := range []int{0, -1} {
		_, err := f.Feed(ctx, shard, "", limit)
		refused(t, "limit", err)
	}
	if _, err := f.Feed(ctx, shard, "no position", 1); err == nil {
		t.Error("no error for a position that is none")
	}
	if _, err := f.Feed(ctx, "no shard", "", 1); err == nil {
		t.Error("no error for a shard that is none")
	}
}

func testCheckpoints(t *testing.T, f *fixture) {
	ctx := t.Context()
	check := func(want ...entries.Checkpoint) {
		t.Helper()
		got, err := f.Checkpoints(ctx)
		must(t, err)
		slices.SortFunc(got, func(a, b entries.Checkpoint) int { return compare(a.Shard, b.Shard) })
		equal(t, "checkpoints", got, want)
	}
	check()
	now := time.Now().UTC() // a store may remove old ones by its own clock
	a := entries.Checkpoint{Shard: "shardId-1/é", Position: "49590338271490256608559692538361571095921575989136588898", At: now}
	b := entries.Checkpoint{Shard: "shardId-2", Position: "", At: now, Closed: true, Behind: now.Add(-time.Minute)}
	must(t, f.SaveCheckpoint(ctx, b))
	must(t, f.SaveCheckpoint(ctx, a))
	check(a, b)
	a.Position, a.Closed, a.Behind = "5", true, now
	must(t, f.SaveCheckpoint(ctx, a))
	must(t, f.SaveCheckpoint(ctx, a))
	check(a, b)
	a.Position, a.Closed, a.Behind = "4", false, time.Time{} // the last one wins, wherever it is
	must(t, f.SaveCheckpoint(ctx, a))
	check(a, b)
}
