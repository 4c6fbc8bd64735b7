package entriestest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/seed-56345083/reprise/internal/entries"
	"github.com/seed-56345083/reprise/internal/ledger"
)

// testRaceEpoch is the exactly-once of the live side in small: counters and archivers work while an epoch is raised again
// and again. In the end each entry is in one batch, and is counted live in exactly those generations whose epoch is not
// above its batch's: the others' replays count it from the archive.
func testRaceEpoch(t *testing.T, f *fixture) {
	const first, raises, slots = 7, 3, 2
	f.meta(t, "dns", first, first)
	list, _ := weighed(100)
	var left atomic.Int64 // archivers that work
	left.Store(2)
	joined := make(chan struct{}, len(list))
	race(t, func(ctx context.Context, n int) error {
		switch n {
		case 0: // new entries come
			for page := range slices.Chunk(list, 10) {
				if _, err := f.Put(ctx, page); err != nil {
					return err
				}
			}
			return nil
		case 1: // replays are started, each when some more entries have joined
			for raise := range raises {
				for range 3 {
					select {
					case <-joined:
					case <-ctx.Done():
						return ctx.Err()
					}
				}
				if err := raiseEpoch(ctx, f.ledger, int64(first+1+raise)); err != nil {
					return err
				}
			}
			return nil
		case 2, 3: // archivers
			defer left.Add(-1)
			return archiveAll(ctx, f, fmt.Sprint(n), ids(list), joined)
		default: // counters
			for left.Load() > 0 {
				if err := countOpen(ctx, f, slots, ids(list)); err != nil {
					return err
				}
			}
			return nil
		}
	})

	epochs := map[string]int64{}
	for _, b := range f.unwritten(t, "dns") {
		epochs[b.ID] = b.Epoch
	}
	want := map[int64]map[string]int64{}
	perEpoch := map[int64]int{}
	for id, e := range f.read(t, ids(list)...) {
		i, err := strconv.Atoi(id)
		must(t, err)
		var gens []int64
		for g := int64(first); g <= epochs[e.Batch]; g++ {
			gens = append(gens, g)
			if want[g] == nil {
				want[g] = map[string]int64{}
			}
			want[g][weighedKey(i)] += weight(i)
			want[g]["all"] += weight(i)
		}
		perEpoch[epochs[e.Batch]]++
		equal(t, fmt.Sprintf("generations of %s, in batch %s of epoch %d", id, e.Batch, epochs[e.Batch]), e.Gens, gens)
	}
	equal(t, "entries without a batch", perEpoch[0], 0)
	for g := int64(first); g <= first+raises; g++ {
		equal(t, fmt.Sprint("sums of generation ", g), f.sums(t, g), want[g])
	}
	t.Logf("entries by the epoch of their batch: %v", perEpoch)
}

// raiseEpoch opens a generation, as a start does.
func raiseEpoch(ctx context.Context, l ledger.Ledger, epoch int64) error {
	for {
		p, err := l.Protocol(ctx, "dns")
		if err != nil {
			return err
		}
		p.Epoch, p.Gens = epoch, append(p.Gens, epoch)
		err = l.Write(ctx, ledger.Writes{Protocols: []ledger.Protocol{p}})
		if err == nil || !isOne(err, []error{ledger.ErrConflict, ledger.ErrThrottled}) {
			return err
		}
	}
}

// countOpen counts what is in no batch in the generations of Meta, a page at random.
func countOpen(ctx context.Context, f *fixture, slots int, ids []string) error {
	p, err := f.ledger.Protocol(ctx, "dns")
	if err != nil {
		return err
	}
	from := rand.N(len(ids))
	for _, g := range p.Gens {
		if err := countWeighed(ctx, f, g, slots, ids[from:min(from+10, len(ids))]); err != nil {
			return err
		}
	}
	return nil
}

// archiveAll joins entries that are counted in all generations, until all are in a batch: a new one for each epoch. It says
// so for each page.
func archiveAll(ctx context.Context, f *fixture, name string, ids []string, joined chan<- struct{}) error {
	for n := 0; ; n++ {
		p, err := f.ledger.Protocol(ctx, "dns")
		if err != nil {
			return err
		}
		b := batch(fmt.Sprintf("0%s-%04d", name, n), p.Epoch)
		switch err := f.OpenBatch(ctx, b); {
		case isOne(err, []error{entries.ErrEpoch, entries.ErrConflict, ledger.ErrThrottled}):
			continue
		case err != nil:
			return err
		}
		all, err := joinCounted(ctx, f, b, p.Gens, ids, joined)
		if all || (err != nil && !errors.Is(err, entries.ErrEpoch)) {
			return err
		}
	}
}

// joinCounted joins what is counted in these generations, until everything is in a batch (true), or an error.
func joinCounted(ctx context.Context, f *fixture, b entries.Batch, gens []int64, ids []string, joined chan<- struct{}) (bool, error) {
	for {
		ready, waiting := []string{}, len(ids)
		for page := range slices.Chunk(ids, entries.MaxRead) {
			list, err := f.Read(ctx, page)
			if err != nil {
				return false, err
			}
			for _, e := range list {
				switch {
				case e.Batch != "":
					waiting--
				case !slices.ContainsFunc(gens, func(g int64) bool { return !slices.Contains(e.Gens, g) }):
					ready = append(ready, e.ID)
				}
			}
		}
		if waiting == 0 {
			return true, nil
		}
		if len(ready) == 0 { // for the counters; or the epoch has moved on, and more is asked for
			p, err := f.ledger.Protocol(ctx, "dns")
			if err != nil || p.Epoch != b.Epoch {
				return false, err
			}
			continue
		}
		rand.Shuffle(len(ready), func(i, j int) { ready[i], ready[j] = ready[j], ready[i] })
		after, err := f.Join(ctx, entries.Join{Batch: b, Gens: gens, Members: members(ready[:min(len(ready), 5)]...), Bytes: 1})
		switch {
		case err == nil:
			b = after
			joined <- struct{}{}
		case !isOne(err, []error{entries.ErrStale, entries.ErrConflict, ledger.ErrThrottled}):
			return false, err
		}
	}
}
