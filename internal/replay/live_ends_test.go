package replay_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/replay"
)

// TestCancelLive gives a replay up while batches of its epoch are written, and starts again: no number comes twice, and
// what the first one left to the live side is the second one's to count.
func TestCancelLive(t *testing.T) {
	t.Parallel()
	for _, immediate := range []bool{false, true} {
		l := newLively(t)
		ctx := context.Background()
		d := l.opened("dns")
		before := l.arrive("dns", "before", "x")
		l.live("dns", before...)
		l.write(l.batch("dns", before...).ID)
		p := params("dns")
		p.Immediate = immediate
		first := l.start(d, p)
		during, frozen := l.arrive("dns", "during", "x"), l.arrive("dns", "frozen", "x")
		l.live("dns", slices.Concat(during, frozen)...)
		l.write(l.batch("dns", during...).ID)
		open := l.batch("dns", frozen...)
		some := l.arrive("dns", "in the given up one")
		l.live("dns", some...)
		if r, err := d.Cancel(ctx, first.ID); err != nil || !r.Cleaned {
			t.Fatalf("Cancel = %+v, %v", r, err)
		}
		if p := l.protocol("dns"); !slices.Equal(p.Gens, []int64{1}) || p.Epoch != 2 || p.Serving != 1 || p.Building != 0 {
			t.Errorf("protocol %+v", p)
		}
		l.count("dns", []int64{1, 2}, l.arrive("dns", "by one who has not heard of it")...)
		l.wantAll("dns", 0, 1)
		until(t, "the purge", func() bool { look(t, d); return len(l.protocol("dns").Purging) == 0 })

		second := l.open(d, p)
		if g := second.Protocols[0].Generation; g != 3 {
			t.Errorf("generation %d, want 3", g)
		}
		look(t, d)
		l.wantWaits(second.ID, ledger.Starting, "1 of dns")
		l.write(open.ID)
		look(t, d)
		if now := l.replay(second.ID); now.Listing.Objects != 3 || now.Listing.Live != 0 {
			t.Errorf("listing %+v", now.Listing)
		}
		l.finish(d, second.ID)
		l.wantAll("dns", 0, 1, 3)
		if p := l.protocol("dns"); !slices.Equal(p.Gens, []int64{1, 3}) || p.Previous != 1 {
			t.Errorf("protocol %+v", p)
		}
	}
}

// TestRollbackLive rolls back a day after the finish, and forth another day later: whatever has come in between counts in both.
// After the time to keep it the old one goes, and is not counted any more.
func TestRollbackLive(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLively(t)
		ctx := context.Background()
		d := l.opened("dns")
		round := func() {
			ids := l.arrive("dns", "x", "y")
			l.live("dns", ids...)
			l.write(l.batch("dns", ids...).ID)
			l.live("dns", l.arrive("dns", "x", "z")...)
		}
		round()
		r := l.start(d, params("dns"))
		round()
		_, err := d.Rollback(ctx, []string{"dns"})
		wantError(t, err, replay.ErrState, r.ID)
		l.finish(d, r.ID)
		for i, serving := range []int64{1, 2} {
			round()
			<-time.After(24 * time.Hour)
			look(t, d)
			round()
			if p, err := d.Rollback(ctx, []string{"dns"}); err != nil || p[0].Serving != serving {
				t.Fatalf("rolled back %d times: %+v, %v", i+1, p, err)
			}
			round()
			l.wantAll("dns", 0, 1, 2)
		}
		<-time.After(8 * 24 * time.Hour)
		look(t, d)
		round()
		until(t, "the purge", func() bool { look(t, d); return len(l.protocol("dns").Purging) == 0 })
		if p := l.protocol("dns"); !slices.Equal(p.Gens, []int64{2}) || p.Previous != 0 {
			t.Errorf("protocol %+v", p)
		}
		l.wantNoRows(1)
		l.wantAll("dns", 0, 2)
	})
}

// TestImmediateLive: readers see the new generation fill from the live side and from the folds, and everything in the end.
func TestImmediateLive(t *testing.T) {
	t.Parallel()
	l := newLively(t)
	d := l.opened("dns")
	before := l.arrive("dns", "before", "x")
	l.live("dns", before...)
	l.write(l.batch("dns", before...).ID)
	p := params("dns")
	p.Immediate, p.FoldEvery = true, 1
	r := l.start(d, p)
	l.wantRows("dns", 0, nil)
	l.live("dns", l.arrive("dns", "during", "x")...)
	l.wantRows("dns", 0, map[string]int{"during": 1, "x": 1})
	l.wantAll("dns", 1)
	l.count("dns", []int64{1}, l.arrive("dns", "in the old one only")...)
	l.finish(d, r.ID)
	l.wantAll("dns", 0, 1, 2)
}

// TestPurgeImmediate: while a generation serves that is still built, the one before stays, by hand and by time: a cancel
// gives it back.
func TestPurgeImmediate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLively(t)
		ctx := context.Background()
		d := l.opened("dns")
		ids := l.arrive("dns", "a")
		l.live("dns", ids...)
		l.write(l.batch("dns", ids...).ID)
		p := params("dns")
		p.Immediate = true
		r := l.start(d, p)
		_, err := d.Purge(ctx, []string{"dns"})
		wantError(t, err, replay.ErrState, r.ID)
		<-time.After(30 * 24 * time.Hour)
		look(t, d)
		l.live("dns", l.arrive("dns", "b")...)
		if p := l.protocol("dns"); p.Previous != 1 || !slices.Equal(p.Gens, []int64{1, 2}) {
			t.Errorf("protocol %+v", p)
		}
		if _, err := d.Cancel(ctx, r.ID); err != nil {
			t.Fatal(err)
		}
		l.wantAll("dns", 0, 1)
	})
}

// TestSideLive: a part of the archive, or of the time, fills a side generation beside the live side, which goes on
// without it.
func TestSideLive(t *testing.T) {
	t.Parallel()
	l := newLively(t)
	ctx := context.Background()
	d := l.opened("dns")
	noon := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	morning := l.arriveAt("dns", noon.Add(-time.Hour), "morning", "x")
	l.live("dns", morning...)
	l.write(l.batch("dns", morning...).ID)
	want := l.seen("dns")
	want["x"]++
	evening := slices.Concat(l.arriveAt("dns", noon, "x"), l.arriveAt("dns", noon.Add(time.Nanosecond), "evening", "x"))
	l.live("dns", evening...)
	open := l.batch("dns", evening...)
	past := params("dns")
	past.Cutoff = noon
	for _, refused := range []func(*replay.StartParams){
		func(p *replay.StartParams) { p.Gates = []string{"rows -1%"} },
		func(p *replay.StartParams) { p.Immediate = true },
		func(p *replay.StartParams) { p.Cutoff = time.Now().Add(time.Hour) },
	} {
		p := past
		refused(&p)
		if _, err := d.Start(ctx, p); err == nil {
			t.Errorf("started with %+v", p)
		}
		if _, err := d.DryRun(ctx, p); err == nil {
			t.Errorf("a dry run with %+v", p)
		}
	}
	if dry, err := d.DryRun(ctx, past); err != nil || !dry.Side || dry.Protocols[0].Rule != ledger.RuleCutoff || dry.Protocols[0].Objects != 1 {
		t.Errorf("dry run %+v, %v", dry, err)
	}
	r := l.open(d, past)
	if r.Protocols[0].Rule != ledger.RuleCutoff || !r.Side || !r.Cutoff.Equal(noon) {
		t.Errorf("replay %+v", r)
	}
	look(t, d)
	l.wantWaits(r.ID, ledger.Starting, "1 of dns")
	late := l.arriveAt("dns", noon.Add(-time.Hour), "after the start")
	l.live("dns", late...)
	l.write(l.batch("dns", late...).ID)
	l.write(open.ID)
	swept := len(l.swept)
	l.ended(d, r.ID)
	if len(l.swept) != swept {
		t.Error("swept for a side generation")
	}
	p := l.protocol("dns")
	if !slices.Equal(p.Gens, []int64{1}) || p.Serving != 1 || p.Complete != 1 || p.Previous != 0 || p.Building != 0 || p.Epoch != 2 || !p.Cutoff.IsZero() {
		t.Errorf("protocol %+v", p)
	}
	l.wantRows("dns", 2, want)
	l.wantAll("dns", 0, 1)

	narrow := params("dns")
	narrow.Narrow.Prefix = "logs/dns/e1-" + open.ID[:20]
	r = l.start(d, narrow)
	if r.Protocols[0].Rule != ledger.RuleAll || !r.Side || r.Protocols[0].Generation != 3 {
		t.Errorf("replay %+v", r)
	}
	l.ended(d, r.ID)
	if now := l.replay(r.ID); now.Listing.Objects < 1 {
		t.Errorf("listing %+v", now.Listing)
	}
	again := l.start(d, params("dns"))
	if now := l.replay(again.ID); now.Listing.Objects != 3 || now.Listing.Live != 0 {
		t.Errorf("listing %+v", now.Listing)
	}
	l.finish(d, again.ID)
	l.wantAll("dns", 0, 1, 4)
}

// ended takes a replay of side generations to its end.
func (l *lively) ended(d *replay.Driver, id string) {
	l.t.Helper()
	stop := l.pool(none)
	defer stop()
	l.watch(d, id, ledger.Finished)
	c, err := d.Certify(context.Background(), id, nil)
	if err != nil || !c.Closes() {
		l.t.Errorf("certificate %+v, %v", c, err)
	}
}
