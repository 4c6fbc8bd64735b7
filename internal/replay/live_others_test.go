package replay_test

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-56345083/reprise/internal/entries"
	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/replay"
)

// copies writes an object of the lines of entries, as another archiver does.
func (l *lively) copies(key string, ids ...string) {
	l.t.Helper()
	found, err := l.entries.Read(context.Background(), ids)
	if err != nil || len(found) != len(ids) {
		l.t.Fatalf("%d entries, %v", len(found), err)
	}
	var b bytes.Buffer
	for _, e := range found {
		b.Write(append(entries.OneLine(e.Line), '\n'))
	}
	l.putBytes(key, b.Bytes())
}

// others are the parameters of a replay whose archive others write.
func others(protocols ...string) replay.StartParams {
	p := params(protocols...)
	for i := range p.Protocols {
		p.Protocols[i].Others = true
	}
	return p
}

// TestOthers replays an archive that others write beside the live side: the line's own time says who counts it, and what
// the others put there late is found by a second listing.
func TestOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLively(t)
		l.settle, l.late = 30*time.Second, 15*time.Minute
		ctx := context.Background()
		d := l.opened("dns", "ssl")
		before := l.arrive("dns", "before", "x")
		l.live("dns", before...)
		l.copies("logs/dns/1", before...)
		marked := l.arrive("dns", "marked", "x") // in a batch without an object, while its lines are not in the archive yet
		l.live("dns", marked...)
		b := l.beginAs("dns", false)
		ours := l.arrive("ssl", "ours")
		l.live("ssl", ours...)
		l.write(l.batch("ssl", ours...).ID)
		b, err := l.join(b, []int64{1}, marked...)
		if err != nil {
			t.Fatal(err)
		}
		p := others("dns")
		p.Protocols = append(p.Protocols, params("ssl").Protocols...)
		p.FoldEvery = 1
		r := l.open(d, p)
		g, err := l.ledger.Generation(ctx, "dns", 2)
		cutoff := r.Created.Add(l.settle)
		if err != nil || !g.Cutoff.Equal(cutoff) || !r.Cutoff.Equal(cutoff) || !r.Listing.Again.Equal(cutoff.Add(l.late)) {
			t.Errorf("generation %+v, replay %+v, %v", g, r, err)
		}
		if r.Protocols[0].Rule != ledger.RuleCutoff || !r.Protocols[0].Others || r.Protocols[1].Rule != ledger.RuleAll || r.Protocols[1].Others {
			t.Errorf("rules %+v", r.Protocols)
		}
		if g, err := l.ledger.Generation(ctx, "ssl", 2); err != nil || !g.Cutoff.IsZero() {
			t.Errorf("generation %+v, %v", g, err)
		}
		look(t, d)
		l.wantWaits(r.ID, ledger.Starting, "1 of dns")
		l.write(b.ID)
		look(t, d)
		if now := l.replay(r.ID); now.State != ledger.Running || now.Listing.Done || now.Listing.Objects != 2 {
			t.Fatalf("%s, listing %+v", now.State, now.Listing)
		}
		var around []string
		for text, at := range map[string]time.Time{
			"right after the start": time.Now(), "at the cutoff": cutoff, "after the cutoff": cutoff.Add(1), "x": cutoff.Add(time.Hour),
		} {
			around = append(around, l.arriveAt("dns", at, text)...)
		}
		l.live("dns", around...)
		l.live("ssl", l.arriveAt("ssl", cutoff.Add(-time.Hour), "late, and counted all the same")...)
		stop := l.pool(none)
		l.done(r.ID)
		<-time.After(time.Second)
		until(t, "an interim fold", func() bool { look(t, d); l.folded(r.ID); return l.replay(r.ID).Fold.Done })
		l.wantAll("ssl", 0, 1, 2)
		<-time.After(time.Until(r.Listing.Again) - time.Second)
		l.copies("logs/dns/0", marked...) // before what was listed
		l.copies("logs/dns/2", around...)
		l.putAt("logs/dns/3", cutoff.Add(-time.Minute), "by others alone", "x")
		l.putAt("logs/ssl/0", cutoff.Add(-time.Minute)) // ours are not listed again
		look(t, d)
		l.wantWaits(r.ID, ledger.Running, "listed again after "+r.Listing.Again.Format(time.RFC3339))
		if held, why := l.heldNow(d, r.ID); held {
			t.Errorf("held: %s", why)
		}
		<-time.After(time.Second)
		look(t, d)
		if now := l.replay(r.ID); !now.Listing.Done || now.Listing.Objects != 5 || now.Listing.Passes != 2 || now.Listing.Changed != 0 {
			t.Errorf("%s, listing %+v", now.State, now.Listing)
		}
		l.watch(d, r.ID, ledger.Finished)
		stop()
		l.wantFinished(r.ID)
		l.wantAll("ssl", 0, 1, 2)
		want := l.seen("dns")
		l.wantRows("dns", 2, want)
		want["x"]-- // others have put it there, and nobody into the stream
		delete(want, "by others alone")
		l.wantRows("dns", 1, want)

		// What comes later than that is the next replay's, or the live side's: its own time says which.
		late := slices.Concat(l.arriveAt("dns", cutoff, "too late"), l.arriveAt("dns", cutoff.Add(1), "in time"))
		l.live("dns", late...)
		l.copies("logs/dns/4", late...)
		want = l.seen("dns")
		delete(want, "too late")
		l.wantRows("dns", 0, want)
		l.settle, l.late = 0, 0
		<-time.After(2 * time.Hour)
		d = l.beside("again", nil)
		again := l.start(d, others("dns"))
		l.finish(d, again.ID)
		l.wantAll("dns", 0)
	})
}

// TestOthersChanged: an object that has grown after it was read is told, and an open one is FAILED by whoever reads it.
func TestOthersChanged(t *testing.T) {
	t.Parallel()
	l := newLively(t)
	l.late = time.Hour
	l.put("logs/dns/1", "a")
	l.put("logs/dns/2", "a")
	d := l.opened("dns")
	r := l.start(d, others("dns"))
	stop := l.pool(none)
	l.done(r.ID)
	stop()
	l.put("logs/dns/1", "a", "b")
	l.set(r.ID, func(r *ledger.Replay) { r.Listing.Again = time.Now().Add(-time.Minute) })
	tasks(t, l.work)
	replay.PageSize(d, 1)
	replay.ShortTurns(d)
	pages := 0
	until(t, "the second listing", func() bool { pages++; look(t, d); return l.replay(r.ID).Listing.Done })
	if now := l.replay(r.ID); now.Listing.Changed != 1 || now.Listing.Objects != 2 || pages < 2 {
		t.Errorf("%d looks, listing %+v", pages, now.Listing)
	}
	if s := l.status(r.ID); s.Objects.Changed != 1 {
		t.Errorf("status %+v", s.Objects)
	}
	if sent := tasks(t, l.work); slices.ContainsFunc(keys(sent), func(k string) bool { return strings.HasPrefix(k, "logs/") }) {
		t.Errorf("sent again: %v", keys(sent))
	}
	l.wantNoTagsBut(t, "FINISHED")
}

// wantNoTagsBut wants no other state shown on any object.
func (l *lively) wantNoTagsBut(t *testing.T, state string) {
	t.Helper()
	for o, err := range l.files.List(context.Background(), "", "") {
		if err != nil {
			t.Fatal(err)
		}
		if tags, err := l.files.Tags(context.Background(), o.Key); err != nil || tags["REPLAY"] != state && len(tags) > 0 {
			t.Errorf("%s bears %v, %v", o.Key, tags, err)
		}
	}
}

// set changes a replay's record.
func (s *system) set(id string, change func(*ledger.Replay)) {
	s.t.Helper()
	r := s.replay(id)
	change(&r)
	if err := s.ledger.Write(context.Background(), ledger.Writes{Replays: []ledger.Replay{r}}); err != nil {
		s.t.Fatal(err)
	}
}

// TestSecondListingCut cuts both listings off at each of their calls, in four ways, and lets another process go on. An
// object comes, one is finished, between the two.
func TestSecondListingCut(t *testing.T) {
	t.Parallel()
	for name, c := range cuts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLively(t)
			for c.at = 0; ; c.at++ {
				if !l.secondListingCut(t, c) {
					break
				}
			}
			t.Logf("%d points", c.at)
			if c.at < 30 {
				t.Errorf("only %d points: the listings were not cut at all their calls", c.at)
			}
		})
	}
}

func (l *lively) secondListingCut(t *testing.T, c cut) bool {
	ctx := context.Background()
	prefix := fmt.Sprintf("cut-%d/", c.at)
	key := func(name string) string { return prefix + name }
	for _, name := range []string{"dns/b", "dns/d", "dns/f"} {
		l.put(key(name), "x")
	}
	p := others("dns")
	p.Prefix = prefix
	r := l.open(l.beside("starter", nil), p)
	between := false
	meanwhile := func() {
		if now := l.replay(r.ID); between || now.Listing.Passes == 0 {
			return
		}
		between = true
		tasks(t, l.work) // all of the first listing are taken
		l.finishObject(r.ID, key("dns/b"))
		l.put(key("dns/a"), "x")
		l.put(key("dns/c"), "x")
		l.put(key("dns/g"), "x")
	}
	tapped, reached := c.tap()
	hook := tapped.hook
	tapped.hook = func(now call) error { meanwhile(); return hook(now) }
	d := l.beside("first", tapped, noLease)
	replay.PageSize(d, 4)
	if err := d.Continue(ctx, r.ID, nil); err != nil && !reached() {
		t.Errorf("uncut: %v", err)
	}
	meanwhile()
	second := l.beside("second", &tap{hook: func(call) error { meanwhile(); return nil }}, noLease)
	replay.PageSize(second, 4)
	if err := second.Continue(ctx, r.ID, nil); err != nil {
		t.Errorf("point %d: %v", c.at, err)
	}
	look(t, second)
	now := l.replay(r.ID)
	if now.State != ledger.Running || !now.Listing.Done || now.Listing.Objects != 6 || now.Listing.Passes != 2 || now.Listing.Changed != 0 {
		t.Errorf("point %d: %s, listing %+v", c.at, now.State, now.Listing)
	}
	if sum := l.summary(r.ID); sum.Total().Objects != 6 || sum.Total().Size != now.Listing.Bytes {
		t.Errorf("point %d: %+v, listing %+v", c.at, sum.Total(), now.Listing)
	}
	sent := keys(tasks(t, l.work))
	for _, name := range []string{"dns/a", "dns/c", "dns/g"} {
		if !slices.Contains(sent, key(name)) {
			t.Errorf("point %d: %s has no message", c.at, name)
		}
	}
	if slices.Contains(sent, key("dns/b")) {
		t.Errorf("point %d: an object that is finished was sent again", c.at)
	}
	if r, err := second.Cancel(ctx, r.ID); err != nil || !r.Cleaned {
		t.Errorf("point %d: cancelling: %v", c.at, err)
	}
	return reached()
}

// TestRestUntilListedAgain: a replay that takes long to count rests, but not beyond the time of its second listing.
func TestRestUntilListedAgain(t *testing.T) {
	t.Parallel()
	l := newLively(t)
	l.late = time.Hour
	l.put("logs/dns/1", "a")
	d := l.opened("dns")
	r := l.start(d, others("dns"))
	replay.Rest(d, 1e8)
	l.set(r.ID, func(r *ledger.Replay) { r.Listing.Again = time.Now().Add(100 * time.Millisecond) })
	look(t, d)
	until(t, "the second listing", func() bool { look(t, d); return l.replay(r.ID).Listing.Done })
}

// TestSecondListingFails: a second listing that does not get on says why, and after a while that somebody must look.
func TestSecondListingFails(t *testing.T) {
	t.Parallel()
	l := newLively(t)
	l.late = time.Hour
	l.put("logs/dns/1", "a")
	d := l.opened("dns")
	r := l.start(d, others("dns"))
	stop := l.pool(none)
	l.done(r.ID)
	stop()
	broken := l.beside("broken", &tap{hook: func(c call) error {
		if c.name == "List" {
			return errCut
		}
		return nil
	}})
	for _, held := range []bool{false, true} {
		l.set(r.ID, func(r *ledger.Replay) {
			if r.Listing.Again = time.Now(); held {
				r.Listing.Again = time.Now().Add(-time.Minute)
			}
		})
		wantError(t, broken.Look(context.Background()), errCut)
		l.wantWaits(r.ID, ledger.Running, "to be listed again: ", errCut.Error())
		if now, why := l.heldNow(d, r.ID); now != held {
			t.Errorf("held %v: %s", now, why)
		}
	}
	look(t, d)
	if now := l.replay(r.ID); !now.Listing.Done || now.State != ledger.Folding {
		t.Errorf("%s, waits %q, listing %+v", now.State, now.Waits, now.Listing)
	}
}
