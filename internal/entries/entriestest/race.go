package entriestest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/seed-56345083/reprise/internal/entries"
	"github.com/seed-56345083/reprise/internal/ledger"
)

var raceTests = []test{
	{"many counters", testRaceCount},
	{"many counters and a compaction", testRaceMerge},
	{"one of many counts", testRaceOne},
	{"one of many joins", testRaceJoin},
	{"join against count", testRaceJoinCount},
	{"one of many puts", testRacePut},
	{"join against claim", testRaceClaim},
	{"an epoch is raised", testRaceEpoch},
	{"a second handle", testSecondHandle},
}

const racers = 8

// race calls f from several goroutines at once and tells how many calls had no error. Others must be one of want; any other
// ends ctx, and so does patience.
func race(t *testing.T, f func(ctx context.Context, n int) error, want ...error) (won int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	var wins atomic.Int64
	var wg sync.WaitGroup
	gate := make(chan struct{})
	for n := range racers {
		wg.Go(func() {
			<-gate
			switch err := f(ctx, n); {
			case err == nil:
				wins.Add(1)
			case !isOne(err, want):
				t.Errorf("racer %d: got error %v, want none or one of %v", n, err, want)
				cancel()
			}
		})
	}
	close(gate)
	wg.Wait()
	return int(wins.Load())
}

func isOne(err error, list []error) bool {
	return slices.ContainsFunc(list, func(e error) bool { return errors.Is(err, e) })
}

// A weighed entry adds its weight to the row of its key and to that of all.
const weighedKeys = 5

func weight(i int) int64 { return int64(1 + i*i%97) }

func weighedKey(i int) string { return fmt.Sprint("key ", i%weighedKeys) }

// weighed are entries by which the sum of what was put can be told.
func weighed(n int) (list []entries.Entry, sums map[string]int64) {
	sums = map[string]int64{}
	for i := range n {
		e := entry(fmt.Sprint(i))
		list = append(list, e)
		sums[weighedKey(i)] += weight(i)
		sums["all"] += weight(i)
	}
	return list, sums
}

// sumRow is a row whose state is a number.
func sumRow(r entries.LiveRow, add int64) entries.LiveRow {
	n, _ := strconv.ParseInt(string(r.State), 10, 64) // none yet: 0
	r.State = []byte(strconv.FormatInt(n+add, 10))
	r.Dims, r.Measures = []byte("[]"), []byte("{}")
	return r
}

// sums adds up the rows of a generation over its live parts.
func (f *fixture) sums(t reporter, generation int64) map[string]int64 {
	t.Helper()
	sums := map[string]int64{}
	for _, r := range f.placed(t, generation) {
		n, err := strconv.ParseInt(string(r.State), 10, 64)
		must(t, err)
		sums[r.Key] += n
	}
	return sums
}

// countWeighed counts weighed entries in a generation as the live side does: a part at random, its rows read and merged, and
// again from the beginning where somebody was faster.
func countWeighed(ctx context.Context, e entries.Entries, generation int64, slots int, ids []string) error {
	for {
		list, err := e.Read(ctx, ids)
		if err != nil {
			return err
		}
		c := entries.Count{Part: part(generation, rand.N(slots))}
		add := map[string]int64{}
		for _, n := range list {
			if n.Batch != "" || slices.Contains(n.Gens, generation) {
				continue
			}
			i, err := strconv.Atoi(n.ID)
			if err != nil {
				return err
			}
			c.Entries = append(c.Entries, entries.Counted{ID: n.ID})
			add[weighedKey(i)] += weight(i)
			add["all"] += weight(i)
		}
		if len(c.Entries) == 0 {
			return nil
		}
		var keys []entries.RowKey
		for k := range add {
			keys = append(keys, key(k))
		}
		rows, err := e.LiveRows(ctx, c.Part, keys)
		if err != nil {
			return err
		}
		for _, r := range rows {
			c.Rows = append(c.Rows, sumRow(r, add[r.Key]))
		}
		err = e.Count(ctx, c)
		if err == nil || !isOne(err, []error{entries.ErrStale, entries.ErrConflict, ledger.ErrThrottled}) {
			return err
		}
	}
}

// countAll counts all entries in both generations, a few at a time, from a place of its own on.
func countAll(ctx context.Context, e entries.Entries, n int, ids []string) error {
	from := n * len(ids) / racers
	for page := range slices.Chunk(append(slices.Clone(ids[from:]), ids[:from]...), 1+n) {
		for _, g := range []int64{7, 8} {
			if err := countWeighed(ctx, e, g, 2, page); err != nil {
				return err
			}
		}
	}
	return nil
}

// testRaceCount lets many counters count the same entries in the same rows. The sums are those of what was put.
func testRaceCount(t *testing.T, f *fixture) {
	list, want := weighed(120)
	f.put(t, list...)
	race(t, func(ctx context.Context, n int) error { return countAll(ctx, f, n, ids(list)) })
	for _, g := range []int64{7, 8} {
		equal(t, fmt.Sprint("sums of generation ", g), f.sums(t, g), want)
	}
	for id, e := range f.read(t, ids(list)...) {
		equal(t, "generations of "+id, e.Gens, []int64{7, 8})
	}
}

// testRaceMerge moves rows from part to part meanwhile: nothing gets lost on the way, nothing is doubled.
func testRaceMerge(t *testing.T, f *fixture) {
	list, want := weighed(100)
	f.put(t, list...)
	var running atomic.Int64
	running.Store(racers - 2)
	race(t, func(ctx context.Context, n int) error {
		if n < racers-2 {
			defer running.Add(-1)
			return countAll(ctx, f, n, ids(list))
		}
		for running.Load() > 0 {
			if err := compact(ctx, f, part(7, n%2)); err != nil {
				return err
			}
		}
		return nil
	})
	for _, g := range []int64{7, 8} {
		equal(t, fmt.Sprint("sums of generation ", g), f.sums(t, g), want)
	}
}

// compact moves each row of the other live parts into one part, one by one.
func compact(ctx context.Context, e entries.Entries, into ledger.Part) error {
	for r, err := range e.LiveParts(ctx, into.Protocol, into.Generation, "queries") {
		if err != nil {
			return err
		}
		if r.Part == into.Name {
			continue
		}
		there, err := e.LiveRows(ctx, into, []entries.RowKey{r.RowKey()})
		if err != nil {
			return err
		}
		n, err := strconv.ParseInt(string(r.State), 10, 64)
		if err != nil {
			return err
		}
		err = e.MergeLive(ctx, entries.Merge{
			Into: into, Row: sumRow(there[0], n), Remove: []entries.Placed{{Part: r.Part, Key: r.RowKey(), Version: r.Version}},
		})
		if err != nil && !isOne(err, []error{entries.ErrConflict, ledger.ErrThrottled}) {
			return err
		}
	}
	return nil
}

// testRaceOne counts one entry many times at once, each in rows of its own: one is counted.
func testRaceOne(t *testing.T, f *fixture) {
	for round := range 10 {
		id := fmt.Sprint(round)
		f.put(t, entry(id))
		won := race(t, func(ctx context.Context, n int) error {
			return f.Count(ctx, entries.Count{Part: part(7, n), Entries: counted(id), Rows: []entries.LiveRow{row(id, "1", "")}})
		}, entries.ErrStale, entries.ErrConflict)
		if won > 1 || (won == 0 && f.one(t, id).Processed) {
			t.Errorf("%d have counted entry %s", won, id)
		}
		n := 0
		for _, r := range f.placed(t, 7) {
			if r.Key == id {
				n++
			}
		}
		equal(t, "rows", n, won)
	}
}

// testRaceJoin lets many archivers put the same entries into batches of their own: each entry is in one.
func testRaceJoin(t *testing.T, f *fixture) {
	ctx := t.Context()
	f.meta(t, "dns", 7, 7)
	list := fresh(numbered("k", 60)...)
	f.put(t, list...)
	f.countIn(t, ids(list), 7)
	race(t, func(ctx context.Context, n int) error {
		b := batch(fmt.Sprint("0", n), 7)
		if err := f.OpenBatch(ctx, b); err != nil {
			return err
		}
		return joinFree(ctx, f, &b, []int64{7}, ids(list), func([]entries.Entry) {})
	})
	in := map[string]string{}
	for _, b := range f.unwritten(t, "dns") {
		got := all(t, f.Members(ctx, b))
		equal(t, "entries of "+b.ID, int64(len(got)), b.Entries)
		for _, m := range got {
			if in[m.ID] != "" {
				t.Errorf("entry %s is in %s and in %s", m.ID, in[m.ID], b.ID)
			}
			in[m.ID] = b.ID
		}
	}
	for id, e := range f.read(t, ids(list)...) {
		if e.Batch == "" || e.Batch != in[id] {
			t.Errorf("entry %s names batch %q and is in %q", id, e.Batch, in[id])
		}
	}
}

// joinFree joins entries that are in no batch, some at a time, until there are none; b follows. It reads and tells those
// that have joined.
func joinFree(ctx context.Context, e entries.Entries, b *entries.Batch, gens []int64, ids []string, joined func([]entries.Entry)) error {
	for {
		list, err := e.Read(ctx, ids)
		if err != nil {
			return err
		}
		var free []string
		for _, n := range list {
			if n.Batch == "" {
				free = append(free, n.ID)
			}
		}
		if len(free) == 0 {
			return nil
		}
		rand.Shuffle(len(free), func(i, j int) { free[i], free[j] = free[j], free[i] })
		free = free[:min(len(free), 4)]
		after, err := e.Join(ctx, entries.Join{Batch: *b, Gens: gens, Members: members(free...), Bytes: 1})
		if isOne(err, []error{entries.ErrStale, entries.ErrConflict, ledger.ErrThrottled}) {
			continue
		}
		if err != nil {
			return err
		}
		*b = after
		if list, err = e.Read(ctx, free); err != nil {
			return err
		}
		joined(list)
	}
}

// testRaceJoinCount lets an entry join and be counted in a second generation at the same moment: once it is in the batch it is
// not counted any more.
func testRaceJoinCount(t *testing.T, f *fixture) {
	f.meta(t, "dns", 7, 7)
	b := f.open(t, "01A", 7)
	before := 0
	for round := range 25 {
		id := fmt.Sprint(round)
		f.put(t, entry(id))
		f.countIn(t, []string{id}, 7)
		var joined []entries.Entry // as they were when they had joined
		race(t, func(ctx context.Context, n int) error {
			switch n {
			case 0:
				return joinFree(ctx, f, &b, []int64{7}, []string{id}, func(list []entries.Entry) { joined = list })
			case 1:
				for range round % 5 { // later, or sooner
					if _, err := f.Read(ctx, []string{id}); err != nil {
						return err
					}
				}
				return f.Count(ctx, entries.Count{Part: part(8, 0), Entries: counted(id), Rows: []entries.LiveRow{row(id, "1", "")}})
			default:
				return nil
			}
		}, entries.ErrStale, entries.ErrConflict, ledger.ErrThrottled)
		equal(t, "entry", f.read(t, id), byID(joined))
		gens, version := []int64{7}, f.liveRow(t, part(8, 0), key(id)).Version
		if version != "" {
			gens = []int64{7, 8}
			before++
		}
		equal(t, "generations", joined[0].Gens, gens)
	}
	t.Logf("%d of 25 were counted before they joined", before)
}

// testRacePut puts the same ids many times at once, with other lines each: one line of each id stands, and its writer alone
// was told that it was new.
func testRacePut(t *testing.T, f *fixture) {
	names := numbered("k", 12)
	there := make([]int, racers)
	race(t, func(ctx context.Context, n int) (err error) {
		list := fresh(names...)
		for i := range list {
			list[i].Line = []byte(fmt.Sprint(n))
		}
		there[n], err = f.Put(ctx, list)
		return err
	})
	stand := make([]int, racers)
	for _, e := range f.read(t, names...) {
		n, err := strconv.Atoi(string(e.Line))
		must(t, err)
		stand[n]++
	}
	for n := range racers {
		equal(t, fmt.Sprintf("entries of racer %d that were there before", n), there[n], len(names)-stand[n])
	}
}

// testRaceClaim freezes a batch while others join: nobody joins afterwards.
func testRaceClaim(t *testing.T, f *fixture) {
	ctx := t.Context()
	f.meta(t, "dns", 7, 7)
	for round := range 8 {
		list := fresh(numbered(fmt.Sprint(round, " "), 2*racers)...)
		f.put(t, list...)
		f.countIn(t, ids(list), 7)
		b := f.open(t, fmt.Sprint("01", round), 7)
		var frozen entries.Batch
		race(t, func(ctx context.Context, n int) error {
			if n == racers/2 {
				c, err := f.ClaimBatch(ctx, b.ID)
				if err == nil {
					frozen = c
				}
				return err
			}
			_, err := f.Join(ctx, entries.Join{Batch: b, Gens: []int64{7}, Members: members(list[2*n].ID, list[2*n+1].ID), Bytes: 2})
			return err
		}, entries.ErrClosed, entries.ErrConflict, ledger.ErrThrottled)
		if frozen.ID == "" { // somebody was in the way
			continue
		}
		equal(t, "batch", f.unwritten(t, "dns"), append(f.unwritten(t, "dns")[:round:round], frozen))
		in := 0
		for _, e := range f.read(t, ids(list)...) {
			if e.Batch != "" {
				in++
			}
		}
		equal(t, "entries", int64(in), frozen.Entries)
		equal(t, "members", len(all(t, f.Members(ctx, frozen))), in)
	}
}

// testSecondHandle writes on one handle and reads on the other, at once and both ways, and lets both race.
func testSecondHandle(t *testing.T, f *fixture) {
	if f.h.Again == nil {
		t.Skip("the harness opens no second handle")
	}
	ctx := t.Context()
	f.meta(t, "dns", 7, 7)
	second := &fixture{Entries: f.h.Again(t, f.Entries), ledger: f.ledger, h: f.h}
	handles := []*fixture{f, second}
	for n := range 10 {
		writer, reader := handles[n%2], handles[(n+1)%2]
		id, bid := fmt.Sprint("k", n), fmt.Sprint("0", n)
		writer.put(t, entry(id))
		equal(t, "entry", reader.one(t, id), entry(id))
		reader.count(t, entries.Count{Part: part(7, 0), Entries: counted(id), Rows: []entries.LiveRow{row(id, "1", "")}})
		r := writer.liveRow(t, part(7, 0), key(id))
		equal(t, "row", r, row(id, "1", r.Version))
		wantErr(t, writer.Count(ctx, entries.Count{Part: part(7, 0), Entries: counted(id)}), entries.ErrStale)
		b := reader.join(t, writer.open(t, bid, 7), []int64{7}, id)
		equal(t, "batches", writer.unwritten(t, "dns"), []entries.Batch{b})
		b, err := writer.ClaimBatch(ctx, bid)
		must(t, err)
		must(t, reader.DoneBatch(ctx, b, start))
	}
	list, want := weighed(60)
	f.put(t, list...)
	race(t, func(ctx context.Context, n int) error { return countAll(ctx, handles[n%2], n, ids(list)) })
	equal(t, "sums", f.sums(t, 8), want)
}
