package replay_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/seed-56345083/reprise/internal/archive"
	"github.com/seed-56345083/reprise/internal/entries"
	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/replay"
)

// TestCompareLive: what reads and compares generations does so with the live parts of both.
func TestCompareLive(t *testing.T) {
	t.Parallel()
	l := newLively(t)
	ctx := context.Background()
	d := l.opened("dns")
	replay.CountedKeys(d, 2)
	ids := l.arrive("dns", "a", "b")
	l.live("dns", ids...)
	l.write(l.batch("dns", ids...).ID)
	p := params("dns")
	p.Gates = []string{"rows -1%", "rows +1%"}
	r := l.start(d, p)
	l.live("dns", l.arrive("dns", "c", "d")...) // without the live parts the gate would hold it, and so it would with one of them
	l.finish(d, r.ID)
	same := func(others ...int64) {
		t.Helper()
		for _, g := range others {
			diffs, err := d.Diff(ctx, "dns", nil, g)
			if err != nil || len(diffs) != 1 || !diffs[0].Same() || diffs[0].RowsA != int64(len(l.all["dns"])) {
				t.Errorf("difference to %d: %+v, %v", g, diffs, err)
			}
		}
	}
	same(0, 1)
	l.live("dns", l.arrive("dns", "e", "a")...)
	same(0, 1)
	l.count("dns", []int64{1}, l.arrive("dns", "f")...)
	if diffs, err := d.Diff(ctx, "dns", nil, 0); err != nil || diffs[0].OnlyB != 1 || diffs[0].OnlyA != 0 {
		t.Errorf("%+v, %v", diffs, err)
	}
	l.put("logs/dns/more", "g", "h")
	more := l.start(d, p)
	stop := l.pool(none)
	until(t, "the gate", func() bool {
		look(t, d)
		l.folded(more.ID)
		return strings.HasPrefix(l.replay(more.ID).Waits, "the gate ")
	})
	stop()
	l.wantWaits(more.ID, ledger.Folding, "would have 8 rows, and has 6 now")
}

// TestStatusLive tells what waits, in figures and in words.
func TestStatusLive(t *testing.T) {
	t.Parallel()
	l := newLively(t)
	ctx := context.Background()
	d := l.opened("dns", "ssl")
	ids := l.arrive("dns", "a", "b", "c")
	l.live("dns", ids[:2]...)
	b := l.batch("dns", ids[0])
	l.put("logs/ssl/1", "a")
	l.put("logs/dns/1", "a")
	r := l.open(d, params("dns", "ssl"))
	s, err := d.Status(ctx, r.ID)
	if err != nil || s.Live == nil || s.Live.LagSeconds != nil || !strings.Contains(s.Live.Lag(), "no consumer") {
		t.Fatalf("%+v, %v", s.Live, err)
	}
	now := time.Now()
	for _, c := range []entries.Checkpoint{
		{Shard: "1", Position: "9", At: now.Add(-time.Minute)},
		{Shard: "2", Position: "9", At: now, Behind: now.Add(-time.Hour)},
		{Shard: "3", Position: "9", At: now.Add(-time.Minute), Behind: now.Add(-time.Minute)},
		{Shard: "4", Position: "9", At: now.Add(-time.Minute), Behind: now.Add(-2 * time.Hour), Closed: true},
		// Nobody came back to this one before the stream had forgotten it.
		{Shard: "5", Position: "9", At: now.Add(-50 * time.Hour), Behind: now.Add(-51 * time.Hour)},
	} {
		if err := l.entries.SaveCheckpoint(ctx, c); err != nil {
			t.Fatal(err)
		}
	}
	if s, err = d.Status(ctx, r.ID); err != nil {
		t.Fatal(err)
	}
	if lag := s.Live.LagSeconds; lag == nil || *lag < 3600 || *lag > 7000 || !s.Live.Read.Equal(now) || !strings.Contains(s.Live.Lag(), "1h0m") {
		t.Errorf("%+v: %s", s.Live, s.Live.Lag())
	}
	got := s.Live.Protocols
	if len(got) != 2 || got[0].Protocol != "dns" || got[0].Unprocessed != 1 || got[0].Unarchived != 3 || got[0].OlderBatches != 1 ||
		got[1].Unarchived != 0 || got[1].OlderBatches != 0 {
		t.Errorf("%+v", got)
	}
	if text := got[0].String(); text != "1 entries to be counted, 3 to be archived, the oldest put "+got[0].Oldest.UTC().Format(time.RFC3339)+
		", 1 batches begun before the start" || got[0].Oldest.IsZero() {
		t.Error(text)
	}
	l.write(b.ID)
	if s, err = d.Status(ctx, r.ID); err != nil || s.Live.Protocols[0].OlderBatches != 0 || s.Live.Protocols[0].Unarchived != 2 {
		t.Errorf("%+v, %v", s.Live, err)
	}
	if s, err := l.driver("bare", nil).Status(ctx, r.ID); err != nil || s.Live != nil {
		t.Errorf("without a live side: %+v, %v", s.Live, err)
	}
}

// TestForeign: an archive that outlived its ledger. Its epochs mean nothing to the new one, which says so before it leaves
// anything out, and a start above them counts everything.
func TestForeign(t *testing.T) {
	t.Parallel()
	yesterday := ulid.Timestamp(time.Now().Add(-24 * time.Hour))
	for _, epoch := range []int64{2, 7} {
		l := newLively(t)
		ctx := context.Background()
		for _, e := range []int64{1, epoch} {
			id := ulid.MustNew(yesterday, ulid.DefaultEntropy()).String()
			l.put("logs/dns/"+archive.ObjectName(e, id), "a", fmt.Sprint(e))
			l.add("dns", "a")
			l.add("dns", fmt.Sprint(e))
		}
		d := l.opened("dns")
		live := l.arrive("dns", "a", "live")
		l.live("dns", live...)
		replay.FoldPatience(d, 0)
		first := l.open(d, params("dns"))
		wantError(t, d.Look(ctx), replay.ErrForeign, fmt.Sprintf("/e%d-", epoch), "--epoch")
		l.wantWaits(first.ID, ledger.Starting, "another ledger")
		if held, why := l.heldNow(d, first.ID); !held || !strings.Contains(why, "--epoch") {
			t.Errorf("held %v: %s", held, why)
		}
		if _, err := d.Cancel(ctx, first.ID); err != nil {
			t.Fatal(err)
		}
		p := params("dns")
		p.Epoch = 8
		r := l.start(d, p)
		if g := r.Protocols[0].Generation; g != 8 || r.Listing.Objects != 2 {
			t.Errorf("generation %d, listing %+v", g, r.Listing)
		}
		l.finish(d, r.ID)
		p.Epoch = -1
		if _, err := d.Start(ctx, p); err == nil {
			t.Error("started with epoch -1")
		}
		p.Epoch = 3 // long past: the next one
		ids := l.arrive("dns", "b")
		l.live("dns", append(ids, live...)...)
		l.write(l.batch("dns", append(ids, live...)...).ID)
		again := l.start(d, p)
		l.finish(d, again.ID)
		if g := again.Protocols[0].Generation; g != 9 {
			t.Errorf("generation %d", g)
		}
		l.wantAll("dns", 0, 8, 9)
	}
}

// TestGenerationTaken: a Meta table that was restored in part does not make a start try for ever.
func TestGenerationTaken(t *testing.T) {
	t.Parallel()
	l := newLively(t)
	ctx := context.Background()
	d := l.opened("dns")
	l.put("logs/dns/1", "a")
	if err := l.ledger.Write(ctx, ledger.Writes{Generations: []ledger.Generation{{Protocol: "dns", Number: 2}}}); err != nil {
		t.Fatal(err)
	}
	p := params("dns")
	if _, err := d.Start(ctx, p); err == nil || !strings.Contains(err.Error(), "--epoch") {
		t.Errorf("start: %v", err)
	}
	p.Epoch = 3
	if r, err := d.Start(ctx, p); err != nil || r.Protocols[0].Generation != 3 {
		t.Errorf("%+v, %v", r, err)
	}
}
