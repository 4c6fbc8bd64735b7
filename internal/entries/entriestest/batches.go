package entriestest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/seed-56345083/reprise/internal/entries"
)

var (
	batchTests = []test{
		{"open", testOpenBatch},
		{"open under another epoch", testOpenEpoch},
		{"claim", testClaimBatch},
		{"done", testDoneBatch},
		{"registry of many", testRegistry},
		{"bad calls", testBatchBad},
	}
	joinTests = []test{
		{"pages in their order", testJoin},
		{"entries that may not", testJoinStale},
		{"batches that take none", testJoinClosed},
		{"another epoch", testJoinEpoch},
		{"no generation is lacked", testJoinGens},
		{"as much as goes in", testJoinMost},
		{"bad calls", testJoinBad},
	}
	archivedTests = []test{
		{"members alone, again and again", testArchived},
		{"expire", testExpire},
	}
)

func testOpenBatch(t *testing.T, f *fixture) {
	ctx := t.Context()
	f.meta(t, "dns", 7, 7)
	f.meta(t, "ssl", 3, 3)
	equal(t, "batches", len(f.unwritten(t, "dns")), 0)
	b := batch("01B", 7)
	b.Opened = start.In(time.FixedZone("", 3600))
	must(t, f.OpenBatch(ctx, b))
	equal(t, "batches", f.unwritten(t, "dns"), []entries.Batch{batch("01B", 7)})

	// It is OPEN and empty, whatever the caller says, and may have no key.
	full := batch("01A", 7)
	full.State, full.Key, full.Pages, full.Entries, full.Bytes = entries.Done, "", 3, 4, 5
	must(t, f.OpenBatch(ctx, full))
	bare := batch("01A", 7)
	bare.Key = ""
	ssl := batch("01C", 3)
	ssl.Protocol = "ssl"
	must(t, f.OpenBatch(ctx, ssl))
	equal(t, "batches", f.unwritten(t, "dns"), []entries.Batch{bare, batch("01B", 7)})
	equal(t, "batches of ssl", f.unwritten(t, "ssl"), []entries.Batch{ssl})
	equal(t, "batches of none", len(f.unwritten(t, "none")), 0)

	// Again: nothing changes, whatever has become of it.
	f.put(t, entry("a"))
	f.countIn(t, []string{"a"}, 7)
	joined := f.join(t, b, []int64{7}, "a")
	again := batch("01B", 7)
	again.Key = "another"
	must(t, f.OpenBatch(ctx, again))
	equal(t, "batches", f.unwritten(t, "dns"), []entries.Batch{bare, joined})
	claimed, err := f.ClaimBatch(ctx, "01B")
	must(t, err)
	must(t, f.OpenBatch(ctx, again))
	equal(t, "batches", f.unwritten(t, "dns"), []entries.Batch{bare, claimed})
	must(t, f.DoneBatch(ctx, claimed, after(time.Hour)))
	must(t, f.OpenBatch(ctx, again))
	equal(t, "batches", f.unwritten(t, "dns"), []entries.Batch{bare})
}

func testOpenEpoch(t *testing.T, f *fixture) {
	ctx := t.Context()
	wantErr(t, f.OpenBatch(ctx, batch("01A", 0)), entries.ErrEpoch) // nobody has begun the protocol
	f.meta(t, "dns", 7, 7)
	f.meta(t, "ssl", 8, 8)
	for _, epoch := range []int64{0, 6, 8} {
		wantErr(t, f.OpenBatch(ctx, batch("01A", epoch)), entries.ErrEpoch)
	}
	equal(t, "batches", len(f.unwritten(t, "dns")), 0)
	f.open(t, "01A", 7)
	f.meta(t, "dns", 8, 7, 8)
	wantErr(t, f.OpenBatch(ctx, batch("01B", 7)), entries.ErrEpoch)
	f.open(t, "01B", 8)
	equal(t, "batches", f.unwritten(t, "dns"), []entries.Batch{batch("01A", 7), batch("01B", 8)})
}

func testClaimBatch(t *testing.T, f *fixture) {
	ctx := t.Context()
	_, err := f.ClaimBatch(ctx, "01A")
	wantErr(t, err, entries.ErrNotFound)
	f.meta(t, "dns", 7, 7)
	f.put(t, fresh("a", "b")...)
	f.countIn(t, []string{"a", "b"}, 7)
	want := f.join(t, f.open(t, "01A", 7), []int64{7}, "a", "b")
	f.meta(t, "dns", 8, 7, 8) // whatever the epoch
	want.State = entries.Claimed
	for range 3 {
		got, err := f.ClaimBatch(ctx, "01A")
		must(t, err)
		equal(t, "batch", got, want)
		equal(t, "batches", f.unwritten(t, "dns"), []entries.Batch{want})
	}
	must(t, f.DoneBatch(ctx, want, after(time.Hour)))
	want.State = entries.Done
	got, err := f.ClaimBatch(ctx, "01A")
	must(t, err)
	equal(t, "batch that is done", got, want)
	equal(t, "batches", len(f.unwritten(t, "dns")), 0)
}

func testDoneBatch(t *testing.T, f *fixture) {
	ctx := t.Context()
	f.meta(t, "dns", 7, 7)
	b := f.open(t, "01A", 7)
	other := f.open(t, "01B", 7)
	refused(t, "a batch that is OPEN", f.DoneBatch(ctx, b, after(time.Hour)))
	equal(t, "batches", f.unwritten(t, "dns"), []entries.Batch{b, other})
	b, err := f.ClaimBatch(ctx, b.ID)
	must(t, err)
	for range 3 {
		must(t, f.DoneBatch(ctx, b, after(time.Hour)))
		equal(t, "batches", f.unwritten(t, "dns"), []entries.Batch{other})
	}
	must(t, f.DoneBatch(ctx, batch("gone", 7), after(time.Hour)))
	equal(t, "batches", f.unwritten(t, "dns"), []entries.Batch{other})
}

// testRegistry opens and ends batches of two protocols and always finds those that are unwritten, in order.
func testRegistry(t *testing.T, f *fixture) {
	ctx := t.Context()
	want := map[string][]entries.Batch{}
	for _, p := range []string{"dns", "ssl"} {
		f.meta(t, p, 7, 7)
		for i := range 40 {
			b := batch(fmt.Sprintf("%02d%s", i*17%40, p), 7)
			b.Protocol = p
			must(t, f.OpenBatch(ctx, b))
			want[p] = append(want[p], b)
		}
	}
	check := func() {
		t.Helper()
		for p := range want {
			slices.SortFunc(want[p], func(a, b entries.Batch) int { return compare(a.ID, b.ID) })
			equal(t, "batches of "+p, f.unwritten(t, p), want[p])
		}
	}
	check()
	for p, list := range want {
		kept := list[:0:0]
		for i, b := range list {
			var err error
			if i%3 > 0 {
				b, err = f.ClaimBatch(ctx, b.ID)
				must(t, err)
			}
			if i%3 > 1 {
				must(t, f.DoneBatch(ctx, b, after(time.Hour)))
				continue
			}
			kept = append(kept, b)
		}
		want[p] = kept
	}
	check()
}

func compare(a, b string) int {
	if a < b {
		return -1
	}
	return 1
}

func testBatchBad(t *testing.T, f *fixture) {
	f.meta(t, "dns", 7, 7)
	refused(t, "no id", f.OpenBatch(t.Context(), batch("", 7)))
	nameless := batch("01A", 7)
	nameless.Protocol = ""
	refused(t, "no protocol", f.OpenBatch(t.Context(), nameless))
	equal(t, "batches", len(f.unwritten(t, "dns")), 0)
}
