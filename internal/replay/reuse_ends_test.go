package replay_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/seed-56345083/reprise/internal/archive"
	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/replay"
	"github.com/seed-56345083/reprise/internal/stats"
)

// TestReuseTags: the tags of what is taken over say FINISHED, where they are asked for.
func TestReuseTags(t *testing.T) {
	t.Parallel()
	for mode, want := range map[string]map[string]string{
		archive.TagsAll:   {"logs/dns/1": "FINISHED", "logs/dns/2": "PENDING"},
		archive.TagsFinal: {"logs/dns/1": "FINISHED", "logs/dns/2": ""},
		archive.TagsOff:   {"logs/dns/1": "", "logs/dns/2": ""},
	} {
		s := newSystem(t)
		s.put("logs/dns/1", "a")
		s.put("logs/dns/2", "a")
		first, _ := s.replayedWith(params("dns"))
		s.put("logs/dns/2", "b")
		p := reusing(first.ID, "dns")
		p.Tags = mode
		d := s.operator(nil)
		r := s.start(d, p)
		for key, state := range want {
			if tags, err := s.files.Tags(context.Background(), key); err != nil || tags[archive.TagReplay] != state {
				t.Errorf("tags %s: %s has %v, %v, want %q", mode, key, tags, err, state)
			}
		}
		stop := s.pool(none)
		s.watch(d, r.ID, ledger.Finished)
		stop()
		s.wantFinished(r.ID)
	}
}

// TestReuseImmediate: totals that move begin with what was taken over.
func TestReuseImmediate(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.put("logs/dns/1", "a")
	s.put("logs/dns/2", "b")
	first, _ := s.replayedWith(params("dns"))
	s.put("logs/dns/2", "c")
	p := reusing(first.ID, "dns")
	p.Immediate, p.FoldEvery = true, 1
	d := s.operator(nil)
	r := s.start(d, p)
	open := tasks(t, s.work)
	stop := s.pool(none)
	defer stop()
	until(t, "the interim fold", func() bool { look(t, d); s.still(); return s.replay(r.ID).Fold.Done })
	s.wantRows("dns", 0, map[string]int{"a": 1})
	for _, task := range open {
		s.wake(r.ID, task.Key, false)
	}
	s.watch(d, r.ID, ledger.Finished)
	s.wantRows("dns", 0, map[string]int{"a": 1, "c": 1})
}

// TestReuseOtherVersion: a process that cannot read the definition takes nothing over, and does not have everything read
// for it: the one that started the replay can.
func TestReuseOtherVersion(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	ctx := context.Background()
	s.put("logs/dns/1", "a")
	first, _ := s.replayedWith(params("dns"))
	d := s.operator(nil)
	r, err := d.Start(ctx, reusing(first.ID, "dns"))
	if err != nil {
		t.Fatal(err)
	}
	later := definition("dns")
	later.Aggregator = stats.Version + 1
	for _, n := range []int64{1, 2} {
		g, err := s.ledger.Generation(ctx, "dns", n)
		if err != nil {
			t.Fatal(err)
		}
		g.Definition, g.Hash = later.Encode(), later.Hash()
		if err := s.ledger.Write(ctx, ledger.Writes{Generations: []ledger.Generation{g}}); err != nil {
			t.Fatal(err)
		}
	}
	wantError(t, d.Continue(ctx, r.ID, nil), stats.ErrVersion, "dns")
	if sum := s.summary(r.ID); sum.Total().Objects > 0 {
		t.Errorf("%+v was written down", sum)
	}
}

// TestReuseLive takes over beside a live side: objects of our archiver, those that were counted live, and what a cutoff has
// split.
func TestReuseLive(t *testing.T) {
	t.Parallel()
	l := newLively(t)
	d := l.opened("dns")
	write := func(texts ...string) (key string) {
		ids := l.arrive("dns", texts...)
		l.live("dns", ids...)
		b := l.batch("dns", ids...)
		l.write(b.ID)
		return b.Key
	}
	finish := func(p replay.StartParams) (r ledger.Replay, read []string) {
		t.Helper()
		r = l.open(d, p)
		if err := d.Continue(context.Background(), r.ID, nil); err != nil {
			t.Fatal(err)
		}
		read = keys(tasks(t, l.work))
		for _, key := range read {
			l.wake(r.ID, key, false)
		}
		stop := l.pool(none)
		defer stop()
		l.watch(d, r.ID, ledger.Finished)
		return l.replay(r.ID), read
	}
	write("a", "b")
	first, _ := finish(params("dns"))
	later := write("c") // of the epoch that the first replay has raised: counted live
	second, read := finish(reusing(first.ID, "dns"))
	wantKeys(t, "an object of a later epoch", read, later)
	l.wantAll("dns", 0)
	if second.Protocols[0].Rule != ledger.RuleAll || second.Listing.Reused != 1 {
		t.Errorf("%+v", second)
	}
	last := write("d")
	side := reusing(second.ID, "dns") // its rule is by time: what counted whatever its time may lie after the cutoff
	side.Cutoff = time.Now().Add(-time.Microsecond)
	split, read := finish(side)
	if !split.Side || len(read) != 3 {
		t.Errorf("%+v: %q were read", split, read)
	}
	_, read = finish(reusing(split.ID, "dns")) // no line of it lies after that cutoff
	wantKeys(t, "a side generation", read)
	side.Cutoff = time.Now().Add(-time.Hour)
	side.Reuse = ""
	split, _ = finish(side)
	_, read = finish(reusing(split.ID, "dns")) // all lines do
	if len(read) != 3 || !slices.Contains(read, last) {
		t.Errorf("%q were read", read)
	}
	l.wantAll("dns", 0)
}

// TestReuseSecondListing takes over what the second listing of an archive of others finds, and reads what is new.
func TestReuseSecondListing(t *testing.T) {
	t.Parallel()
	l := newLively(t)
	l.late = time.Hour
	l.put("logs/dns/1", "a")
	l.put("logs/dns/2", "b")
	d := l.opened("dns")
	due := func(id string) {
		l.set(id, func(r *ledger.Replay) { r.Listing.Again = time.Now().UTC() })
	}
	first := l.start(d, others("dns"))
	due(first.ID)
	l.finish(d, first.ID)
	kept := l.away("logs/dns/2")
	p := others("dns")
	p.Reuse = first.ID
	r := l.start(d, p)
	if r.Listing.Reused != 1 || r.Listing.Done {
		t.Errorf("after the first listing: %+v", r.Listing)
	}
	l.restore("logs/dns/2", kept)
	l.put("logs/dns/3", "c")
	due(r.ID)
	look(t, d)
	read := keys(tasks(t, l.work))
	wantKeys(t, "listed again", read, "logs/dns/3")
	if c := l.cursor(r.ID, "logs/dns/2"); !c.Reused() || l.replay(r.ID).Listing.Reused != 2 {
		t.Errorf("%+v, listing %+v", c, l.replay(r.ID).Listing)
	}
	l.wake(r.ID, "logs/dns/3", false)
	l.finish(d, r.ID)
	l.wantRows("dns", 0, map[string]int{"a": 1, "b": 1, "c": 1})
}
