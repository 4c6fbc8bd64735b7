package entriestest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/seed-56345083/reprise/internal/entries"
)

func testJoin(t *testing.T, f *fixture) {
	ctx := t.Context()
	f.meta(t, "dns", 7, 3, 7)
	list := fresh(numbered("k", 30)...)
	for i := range list {
		list[i].TS = after(time.Duration(i*7%30) * time.Nanosecond)
	}
	f.put(t, list...)
	f.countIn(t, ids(list), 3, 7)
	b := f.open(t, "01A", 7)
	var want []entries.Member
	for n := 0; n < 30; n += 10 {
		var page []entries.Member
		for i := n + 9; i >= n; i-- { // in no order but that of the caller
			page = append(page, entries.Member{ID: list[i].ID, TS: list[i].TS})
		}
		joined, err := f.Join(ctx, entries.Join{Batch: b, Gens: []int64{3, 7}, Members: page, Bytes: int64(100 + n)})
		must(t, err)
		b.Pages, b.Entries, b.Bytes = b.Pages+1, b.Entries+10, b.Bytes+int64(100+n)
		equal(t, "batch", joined, b)
		equal(t, "batches", f.unwritten(t, "dns"), []entries.Batch{b})
		want = append(want, page...)
		equal(t, "members", all(t, f.Members(ctx, b)), want)
	}
	for id, e := range f.read(t, ids(list)...) {
		if e.Batch != "01A" || !e.Processed || e.Archived || !slices.Equal(e.Gens, []int64{3, 7}) {
			t.Errorf("entry %s: %+v", id, e)
		}
	}
	for _, stop := range []int{1, 10, 11} {
		n := 0
		for _, err := range f.Members(ctx, b) {
			must(t, err)
			if n++; n == stop {
				break
			}
		}
		equal(t, "members", n, stop)
	}
	// Those of a batch as it was read earlier; and of one that has lost its pages, an error and not fewer.
	b.Pages = 1
	equal(t, "members of the first page", len(all(t, f.Members(ctx, b))), 10)
	b.Pages = 4
	var last error
	for _, err := range f.Members(ctx, b) {
		last = err
	}
	wantErr(t, last, entries.ErrNotFound)
}

// notJoined calls f and checks that it wrote nothing.
func (f *fixture) notJoined(t reporter, known []string, call func() error, want error) {
	t.Helper()
	was, batches := f.read(t, known...), f.unwritten(t, "dns")
	var pages [][]entries.Member
	for _, b := range batches {
		pages = append(pages, all(t, f.Members(t.Context(), b)))
	}
	wantErr(t, call(), want)
	equal(t, "entries after "+want.Error(), f.read(t, known...), was)
	equal(t, "batches after "+want.Error(), f.unwritten(t, "dns"), batches)
	for i, b := range batches {
		equal(t, "members after "+want.Error(), all(t, f.Members(t.Context(), b)), pages[i])
	}
}

func (f *fixture) tryJoin(t reporter, b entries.Batch, gens []int64, ids ...string) error {
	_, err := f.Join(t.Context(), entries.Join{Batch: b, Gens: gens, Members: members(ids...), Bytes: 10})
	return err
}

func testJoinStale(t *testing.T, f *fixture) {
	f.meta(t, "dns", 7, 3, 7)
	known := []string{"good", "new", "half", "here", "there", "good too"}
	f.put(t, fresh(known...)...)
	f.countIn(t, []string{"good", "half", "here", "there", "good too"}, 3)
	f.countIn(t, []string{"good", "here", "there", "good too"}, 7)
	gens := []int64{3, 7}
	b := f.join(t, f.open(t, "01A", 7), gens, "here")
	f.join(t, f.open(t, "01B", 7), gens, "there")
	for _, id := range []string{"new", "half", "here", "there", "gone"} {
		for _, list := range [][]string{{id}, {"good", id, "good too"}} {
			f.notJoined(t, known, func() error { return f.tryJoin(t, b, gens, list...) }, entries.ErrStale)
		}
	}
	// Who asks for no generation does not get those that nobody has looked at.
	f.notJoined(t, known, func() error { return f.tryJoin(t, b, nil, "new") }, entries.ErrStale)
	b = f.join(t, b, gens, "good", "good too")
	equal(t, "entries", b.Entries, int64(3))
}

func testJoinClosed(t *testing.T, f *fixture) {
	ctx := t.Context()
	f.meta(t, "dns", 7, 7)
	known := []string{"a", "b", "c"}
	f.put(t, fresh(known...)...)
	f.countIn(t, known, 7)
	gens := []int64{7}
	empty := f.open(t, "01A", 7)
	one := f.join(t, empty, gens, "a")
	ahead := one
	ahead.Pages = 2
	for _, b := range []entries.Batch{empty, ahead} { // another writer was faster; nobody has written that page
		f.notJoined(t, known, func() error { return f.tryJoin(t, b, gens, "b") }, entries.ErrClosed)
	}
	f.notJoined(t, known, func() error { return f.tryJoin(t, batch("none", 7), gens, "b") }, entries.ErrClosed)
	claimed, err := f.ClaimBatch(ctx, "01A")
	must(t, err)
	for _, b := range []entries.Batch{one, claimed} {
		f.notJoined(t, known, func() error { return f.tryJoin(t, b, gens, "b") }, entries.ErrClosed)
	}
	must(t, f.DoneBatch(ctx, claimed, after(time.Hour)))
	f.notJoined(t, known, func() error { return f.tryJoin(t, one, gens, "b") }, entries.ErrClosed)
	equal(t, "members", all(t, f.Members(ctx, one)), members("a"))
}

func testJoinEpoch(t *testing.T, f *fixture) {
	f.meta(t, "dns", 7, 7)
	known := []string{"a", "b"}
	f.put(t, fresh(known...)...)
	f.countIn(t, known, 7, 8)
	old := f.join(t, f.open(t, "01A", 7), []int64{7}, "a")
	f.meta(t, "dns", 8, 7, 8)
	for _, gens := range [][]int64{{7}, {7, 8}} {
		f.notJoined(t, known, func() error { return f.tryJoin(t, old, gens, "b") }, entries.ErrEpoch)
	}
	f.join(t, f.open(t, "01B", 8), []int64{7, 8}, "b")
	f.meta(t, "dns", 9, 7, 8, 9)
	f.meta(t, "ssl", 8, 7, 8) // of another protocol
	f.notJoined(t, known, func() error { return f.tryJoin(t, old, []int64{7}, "b") }, entries.ErrEpoch)
}

// testJoinGens: an entry may be counted in more generations than are asked for, never in fewer.
func testJoinGens(t *testing.T, f *fixture) {
	f.meta(t, "dns", 30, 3)
	sets := [][]int64{{3}, {3, 30}, {30}, {3, 5, 30}, {33}}
	b := f.open(t, "01A", 30)
	for i, has := range sets {
		for j, wanted := range append(sets, nil) {
			id := fmt.Sprint(i, " ", j)
			f.put(t, entry(id))
			f.countIn(t, []string{id}, has...)
			lacks := slices.ContainsFunc(wanted, func(g int64) bool { return !slices.Contains(has, g) })
			joined, err := f.Join(t.Context(), entries.Join{Batch: b, Gens: wanted, Members: members(id)})
			if lacks {
				wantErr(t, err, entries.ErrStale)
				continue
			}
			if err != nil {
				t.Fatalf("an entry counted in %v, wanted in %v: %v", has, wanted, err)
			}
			b = joined
		}
	}
}

func testJoinMost(t *testing.T, f *fixture) {
	f.meta(t, "dns", 7, 7)
	var list []entries.Entry
	for i := range 2 * entries.MaxJoin {
		e := entry(fmt.Sprintf("%0*d", entries.MaxID, i)) // with ids as long as they may be
		list = append(list, e)
	}
	f.put(t, list...)
	f.countIn(t, ids(list), 7)
	b := f.open(t, "01A", 7)
	b = f.join(t, b, []int64{7}, ids(list[:entries.MaxJoin])...)
	b = f.join(t, b, []int64{7}, ids(list[entries.MaxJoin:])...)
	equal(t, "entries", b.Entries, int64(2*entries.MaxJoin))
	equal(t, "members", all(t, f.Members(t.Context(), b)), members(ids(list)...))
}

func testJoinBad(t *testing.T, f *fixture) {
	f.meta(t, "dns", 7, 7)
	known := numbered("k", entries.MaxJoin+1)
	f.put(t, fresh(known...)...)
	f.countIn(t, known, 7)
	b := f.open(t, "01A", 7)
	refused(t, "nobody", f.tryJoin(t, b, []int64{7}))
	refused(t, "too many", f.tryJoin(t, b, []int64{7}, known...))
	refused(t, "one twice", f.tryJoin(t, b, []int64{7}, "k000000", "k000000"))
	refused(t, "no batch", f.tryJoin(t, entries.Batch{}, []int64{7}, "k000000"))
	equal(t, "batches", f.unwritten(t, "dns"), []entries.Batch{b})
}

// claimedBatch is a batch of these entries, CLAIMED under epoch 7.
func (f *fixture) claimedBatch(t reporter, id string, ids ...string) entries.Batch {
	t.Helper()
	f.put(t, fresh(ids...)...)
	f.countIn(t, ids, 7)
	f.join(t, f.open(t, id, 7), []int64{7}, ids...)
	b, err := f.ClaimBatch(t.Context(), id)
	must(t, err)
	return b
}

func testArchived(t *testing.T, f *fixture) {
	ctx := t.Context()
	f.meta(t, "dns", 7, 7)
	f.claimedBatch(t, "01A", "a", "b", "c")
	f.claimedBatch(t, "01B", "d")
	f.put(t, entry("e"))
	want := f.read(t, "a", "b", "c", "d", "e")
	for range 2 {
		must(t, f.Archived(ctx, "01A", []string{"a", "gone", "b", "d", "e"}, after(time.Hour))) // d and e are of others
		for _, id := range []string{"a", "b"} {
			e := want[id]
			e.Archived = true
			want[id] = e
		}
		equal(t, "entries", f.read(t, "a", "b", "c", "d", "e", "gone"), want)
	}
	must(t, f.Archived(ctx, "01A", nil, after(time.Hour)))
	refused(t, "no batch", f.Archived(ctx, "", []string{"e"}, after(time.Hour)))
	refused(t, "too many", f.Archived(ctx, "01A", numbered("k", entries.MaxRead+1), after(time.Hour)))
	equal(t, "entries", f.read(t, "a", "b", "c", "d", "e"), want)
	// Whoever is archived counts nowhere any more.
	wantErr(t, f.Count(ctx, entries.Count{Part: part(8, 0), Entries: counted("a")}), entries.ErrStale)
}

// testExpire removes what is over, and nothing else, a few at a time.
func testExpire(t *testing.T, f *fixture) {
	ctx := t.Context()
	f.meta(t, "dns", 7, 7)
	over, later := numbered("over", 20), numbered("later", 5)
	done := f.claimedBatch(t, "01A", over...)
	must(t, f.Archived(ctx, "01A", over, after(time.Hour)))
	must(t, f.DoneBatch(ctx, done, after(time.Hour)))
	stays := f.claimedBatch(t, "01B", later...)
	must(t, f.Archived(ctx, "01B", later, after(3*time.Hour)))
	f.put(t, fresh("new", "counted")...)
	f.countIn(t, []string{"counted"}, 7)

	expire := func(now time.Time, limit int) int {
		total := 0
		for {
			n, err := f.Expire(ctx, now, limit)
			must(t, err)
			if n < 0 || n > limit {
				t.Fatalf("%d were removed, at most %d were to go", n, limit)
			}
			if n == 0 {
				return total
			}
			total += n
		}
	}
	equal(t, "removed before their time", expire(after(time.Hour-time.Second), 100), 0)
	equal(t, "entries", len(f.read(t, over...)), 20)
	n := expire(after(2*time.Hour), 7)
	equal(t, "entries that stay", len(f.read(t, append(later, "new", "counted")...)), 7)
	equal(t, "members", all(t, f.Members(ctx, stays)), members(later...))
	equal(t, "batches", f.unwritten(t, "dns"), []entries.Batch{stays})
	if f.h.ExpiresItself {
		equal(t, "removed", n, 0)
		return
	}
	if n < 20 {
		t.Errorf("%d were removed, and 20 entries were over", n)
	}
	equal(t, "entries", len(f.read(t, over...)), 0)
	_, err := f.ClaimBatch(ctx, "01A")
	wantErr(t, err, entries.ErrNotFound)
	there, err := f.Put(ctx, fresh(over[0])) // a new entry, to the store
	must(t, err)
	equal(t, "there", there, 0)
}
