package replay_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-56345083/reprise/internal/entries"
	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/replay"
	"github.com/seed-56345083/reprise/internal/stats"
)

// TestDrain: an archiver has died over a batch. The watcher has it written, unless another archiver is at it; where that
// goes wrong the replay says why, and after a while that somebody must look.
func TestDrain(t *testing.T) {
	t.Parallel()
	l := newLively(t)
	ctx := context.Background()
	d := l.opened("dns")
	ids := l.arrive("dns", "a", "b")
	l.live("dns", ids...)
	b := l.batch("dns", ids...)
	var reply error
	var drained []string
	drains := func(o *replay.Options) {
		o.Live.Drain = func(_ context.Context, protocol string, epoch int64) error {
			drained = append(drained, fmt.Sprint(protocol, " ", epoch))
			if reply != nil {
				return reply
			}
			return l.written(b.ID)
		}
	}
	r := l.open(d, params("dns"))
	watcher := l.beside("watcher", nil, drains)
	replay.FoldPatience(watcher, 0)

	reply = ledger.ErrHeld
	look(t, watcher)
	l.wantWaits(r.ID, ledger.Starting, "1 of dns")
	if held, why := l.heldNow(watcher, r.ID); held || !strings.Contains(why, "1 of dns") {
		t.Errorf("held %v: %s", held, why)
	}
	reply = errCut
	if err := watcher.Look(ctx); !errors.Is(err, errCut) {
		t.Errorf("look: %v", err)
	}
	l.wantWaits(r.ID, ledger.Starting, "dns", errCut.Error())
	if held, why := l.heldNow(watcher, r.ID); !held || !strings.Contains(why, errCut.Error()) {
		t.Errorf("held %v: %s", held, why)
	}
	reply = nil
	look(t, watcher)
	if now := l.replay(r.ID); now.State != ledger.Running || now.Listing.Objects != 1 || now.Waits != "" {
		t.Errorf("%s, waits %q, listing %+v", now.State, now.Waits, now.Listing)
	}
	if !slices.Equal(drained, []string{"dns 2", "dns 2", "dns 2"}) {
		t.Errorf("drained %v", drained)
	}
	l.finish(watcher, r.ID)
	l.wantAll("dns", 1, 2)
}

// TestContinueDrains: the start itself waits for what was begun before it, for as long as it may.
func TestContinueDrains(t *testing.T) {
	t.Parallel()
	l := newLively(t)
	d := l.opened("dns")
	replay.DrainPoll(d, time.Millisecond)
	ids := l.arrive("dns", "a")
	l.live("dns", ids...)
	b := l.batch("dns", ids...)
	l.put("logs/dns/early", "b")
	l.add("dns", "b")
	r := l.open(d, params("dns"))
	ctx, stop := context.WithCancel(context.Background())
	looks := 0
	err := d.Continue(ctx, r.ID, func(r ledger.Replay) {
		if looks++; looks == 3 {
			stop()
		}
		if r.State != ledger.Starting || !strings.Contains(r.Waits, "1 of dns") {
			t.Errorf("%s waits for %q", r.State, r.Waits)
		}
	})
	if !errors.Is(err, context.Canceled) || looks != 3 {
		t.Errorf("stopped after %d looks: %v", looks, err)
	}
	looks = 0
	err = d.Continue(context.Background(), r.ID, func(ledger.Replay) {
		if looks++; looks == 2 {
			l.write(b.ID)
		}
	})
	if now := l.replay(r.ID); err != nil || now.State != ledger.Running || now.Listing.Objects != 2 {
		t.Errorf("%v, %s, listing %+v", err, now.State, now.Listing)
	}
}

// misfiled shows an entry in the index of every protocol.
type misfiled struct {
	entries.Entries
	id string
}

func (m misfiled) Unfinished(ctx context.Context, protocol string) iter.Seq2[entries.Unfinished, error] {
	return func(yield func(entries.Unfinished, error) bool) {
		if yield(entries.Unfinished{ID: m.id}, nil) {
			m.Entries.Unfinished(ctx, protocol)(yield)
		}
	}
}

// TestSweepHolds: readers stay where they are while entries cannot be counted to the last.
func TestSweepHolds(t *testing.T) {
	t.Parallel()
	l := newLively(t)
	d := l.opened("dns")
	ids := l.arrive("dns", "a", "b")
	l.live("dns", ids...)
	l.write(l.batch("dns", ids...).ID)
	var broken atomic.Bool
	broken.Store(true)
	astray := l.arrive("ssl", "astray")
	watcher := l.beside("watcher", nil, func(o *replay.Options) {
		o.Live.Entries = misfiled{o.Live.Entries, astray[0]}
		o.Live.Sweep = func(ctx context.Context, protocol string) error {
			if broken.Load() {
				return errCut
			}
			return l.sweep(ctx, protocol)
		}
	})
	replay.FoldPatience(watcher, 0)
	r := l.start(d, params("dns"))
	l.count("dns", []int64{1}, l.arrive("dns", "late")...)
	l.workers()
	until(t, "the sweep", func() bool {
		_ = watcher.Look(context.Background())
		l.folded(r.ID)
		return strings.Contains(l.replay(r.ID).Waits, errCut.Error())
	})
	l.wantWaits(r.ID, ledger.Folding, "the live entries to be counted to the last: 1 of dns are not, in generation 2")
	if held, why := l.heldNow(watcher, r.ID); !held || !strings.Contains(why, errCut.Error()) {
		t.Errorf("held %v: %s", held, why)
	}
	if p := l.protocol("dns"); p.Serving != 1 || p.Complete != 1 {
		t.Errorf("promoted all the same: %+v", p)
	}
	broken.Store(false)
	l.watch(watcher, r.ID, ledger.Finished)
	l.wantFinished(r.ID)
	l.wantAll("dns", 0, 1, 2)
}

// TestSweepOfAnother: that the generation before cannot be counted any more keeps nobody from moving to the next one.
func TestSweepOfAnother(t *testing.T) {
	t.Parallel()
	l := newLively(t)
	d := l.opened("dns")
	ids := l.arrive("dns", "a", "b")
	l.live("dns", ids...)
	l.write(l.batch("dns", ids...).ID)
	watcher := l.beside("watcher", nil, func(o *replay.Options) {
		o.Live.Sweep = func(ctx context.Context, _ string) error {
			for u, err := range l.entries.Unfinished(ctx, "dns") {
				if err == nil && u.Batch == "" {
					err = l.countOne("dns", 2, u.ID)
				}
				if err != nil && !errors.Is(err, entries.ErrStale) {
					return err
				}
			}
			return stats.ErrVersion
		}
	})
	r := l.start(d, params("dns"))
	before := l.seen("dns")
	for i := range entries.MaxRead + 10 {
		l.arrive("dns", fmt.Sprint("only in the new one ", i%7))
	}
	l.finish(watcher, r.ID)
	l.wantAll("dns", 0, 2)
	l.wantRows("dns", 1, before)
}

// TestNoLiveSide: a process that is configured without the live side neither lists nor promotes what was started beside
// one, and says so.
func TestNoLiveSide(t *testing.T) {
	t.Parallel()
	l := newLively(t)
	ctx := context.Background()
	d := l.opened("dns")
	ids := l.arrive("dns", "a")
	l.live("dns", ids...)
	b := l.batch("dns", ids...)
	r := l.open(d, params("dns"))
	bare := l.driver("bare", nil)
	replay.FoldPatience(bare, 0)
	wantError(t, bare.Look(ctx), replay.ErrLive, r.ID)
	l.wantWaits(r.ID, ledger.Starting, "no live side")
	if held, why := l.heldNow(bare, r.ID); !held || !strings.Contains(why, "no live side") {
		t.Errorf("held %v: %s", held, why)
	}
	l.write(b.ID)
	look(t, d)
	l.workers()
	until(t, "the promotion", func() bool {
		err := bare.Look(ctx)
		l.folded(r.ID)
		return errors.Is(err, replay.ErrLive)
	})
	l.wantWaits(r.ID, ledger.Folding, "no live side")
	if s, err := bare.Status(ctx, r.ID); err != nil || s.Live != nil {
		t.Errorf("status %+v, %v", s.Live, err)
	}
	l.watch(d, r.ID, ledger.Finished)
	l.wantAll("dns", 0, 1, 2)
	for name, change := range map[string]func(*replay.LiveSide){
		"no entries": func(s *replay.LiveSide) { s.Entries = nil },
		"no sweep":   func(s *replay.LiveSide) { s.Sweep = nil },
		"settle":     func(s *replay.LiveSide) { s.Settle = -1 },
		"late":       func(s *replay.LiveSide) { s.Late = -1 },
	} {
		side := l.side()
		change(side)
		o := replay.Options{Queue: l.work, DeadLetters: l.dead, Ledger: l.ledger, Archive: l.files, Owner: "x", Live: side}
		if _, err := replay.New(o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
