package replay_test

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"testing"

	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/replay"
)

// TestListingCut cuts a listing off at each of its calls, in four ways, and lets another process continue it. The
// points are those that the listing reaches: the loop ends at the first that it does not.
func TestListingCut(t *testing.T) {
	t.Parallel()
	for name, c := range cuts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSystem(t)
			for c.at = 0; ; c.at++ {
				if !listingCut(t, s, c) {
					break
				}
			}
			t.Logf("%d points", c.at)
			if c.at < 30 {
				t.Errorf("only %d points: the listing was not cut at all its calls", c.at)
			}
		})
	}
}

// listingCut lists an archive of its own that changes while nobody is at it. It reports whether the point was reached.
func listingCut(t *testing.T, s *system, c cut) bool {
	ctx := context.Background()
	prefix := fmt.Sprintf("cut-%d/", c.at)
	key := func(name string) string { return prefix + name }
	wanted := []string{key("dns/a"), key("dns/c"), key("dns/e"), key("dns/g"), key("dns/i")}
	for _, k := range wanted {
		s.put(k, "x")
	}
	s.put(key("http/1"), "x")
	s.put(key("nothing"), "x")
	p := params("dns")
	p.Prefix = prefix
	r, err := s.driver("starter", nil).Start(ctx, p)
	if err != nil {
		t.Fatal(err)
	}
	tap, reached := c.tap()
	d := s.driver("first", tap, noLease)
	replay.PageSize(d, 2)
	cutErr := d.Continue(ctx, r.ID, nil)
	if !reached() {
		if cutErr != nil {
			t.Errorf("an uncut listing: %v", cutErr)
		}
	}
	before := s.replay(r.ID)
	if before.State == ledger.Starting {
		s.put(key("dns/j"), "added")
		if before.Listing.After < key("dns/j") { // what comes before the continuation is not seen any more
			wanted = append(wanted, key("dns/j"))
		}
		s.remove(key("dns/g"))
		if _, err := s.ledger.Cursor(ctx, ledger.CursorID{Replay: r.ID, Key: key("dns/g")}); err != nil {
			wanted = slices.DeleteFunc(wanted, func(k string) bool { return k == key("dns/g") })
		}
	}
	second := s.driver("second", nil)
	replay.PageSize(second, 3)
	if err := second.Continue(ctx, r.ID, nil); err != nil {
		t.Errorf("point %d: continuing: %v", c.at, err)
	}

	r = s.replay(r.ID)
	if r.State != ledger.Running || !r.Listing.Done || r.Listing.Objects != int64(len(wanted)) || r.Listing.Others != 1 || r.Listing.Unmatched != 1 {
		t.Errorf("point %d: %s, listing %+v, want %d objects", c.at, r.State, r.Listing, len(wanted))
	}
	var cursors []string
	for cursor, err := range s.ledger.Scan(ctx, ledger.ScanParams{Replay: r.ID}) {
		if err != nil {
			t.Fatal(err)
		}
		cursors = append(cursors, cursor.Key)
	}
	if slices.Sort(cursors); !slices.Equal(cursors, wanted) {
		t.Errorf("point %d: cursors for %v, want %v", c.at, cursors, wanted)
	}
	sent := slices.Compact(keys(tasks(t, s.work)))
	for _, k := range wanted {
		if !slices.Contains(sent, k) && k != key("dns/g") { // an object that is gone is looked for when the queue is empty
			t.Errorf("point %d: %s has no message", c.at, k)
		}
	}
	free := s.protocol("dns")
	free.Replay = ""
	if err := s.ledger.Write(ctx, ledger.Writes{Protocols: []ledger.Protocol{free}}); err != nil {
		t.Fatal(err)
	}
	return reached()
}

// TestListingMemory lists 10,000 objects and holds no more than a few pages of them.
func TestListingMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("10,000 objects take a few seconds")
	}
	t.Parallel()
	s := newSystem(t)
	ctx := context.Background()
	const objects = 10_000
	for i := range objects {
		s.put(fmt.Sprintf("logs/dns/%03d/%05d", i/100, i), "x")
	}
	p := params("dns")
	p.Tags = "off" // a tag is a transaction of its own here
	d := s.driver("one", nil)
	r, err := d.Start(ctx, p)
	if err != nil {
		t.Fatal(err)
	}
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before, most := heap(), uint64(0)
	err = d.Continue(ctx, r.ID, func(r ledger.Replay) {
		if r.Listing.Objects%2500 == 0 {
			most = max(most, heap())
		}
	})
	if err != nil || s.replay(r.ID).Listing.Objects != objects || s.summary(r.ID).Total().Objects != objects {
		t.Errorf("%v, listed %d", err, s.replay(r.ID).Listing.Objects)
	}
	if counts, err := s.work.Counts(ctx); err != nil || counts.Visible != objects {
		t.Errorf("%+v messages, %v", counts, err)
	}
	// Other tests run beside this one; a listing that kept its objects would hold 20 MiB by the end.
	if grown := int64(most) - int64(before); grown > 64<<20 {
		t.Errorf("the heap grew by %d MiB", grown>>20)
	}
}
