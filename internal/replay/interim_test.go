package replay_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/replay"
)

// start opens and lists a replay.
func (s *system) start(d *replay.Driver, p replay.StartParams) ledger.Replay {
	s.t.Helper()
	r, err := d.Start(context.Background(), p)
	if err == nil {
		err = d.Continue(context.Background(), r.ID, nil)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return s.replay(r.ID)
}

// TestTotalsMove: with folds on the way readers see what is finished so far, and in the end everything, once.
func TestTotalsMove(t *testing.T) {
	t.Parallel()
	for _, immediate := range []bool{true, false} {
		s := newSystem(t)
		s.put("logs/dns/1", "a", "b")
		s.workers()
		d := s.driver("watcher", nil)
		first := s.start(d, params("dns"))
		s.watch(d, first.ID, ledger.Finished)
		old := map[string]int{"a": 1, "b": 1}

		s.corrupt("logs/dns/2")
		s.put("logs/dns/3", "a", "a", "c")
		p := params("dns")
		p.Immediate, p.FoldEvery = immediate, 1
		r := s.start(d, p)
		if p := s.protocol("dns"); immediate && (p.Serving != 2 || p.Previous != 1 || p.Complete != 1) || !immediate && p.Serving != 1 {
			t.Errorf("immediate %v: protocol %+v", immediate, p)
		}
		if immediate {
			s.wantRows("dns", 0, nil) // cleared
		} else {
			s.wantRows("dns", 0, old)
		}
		s.done(r.ID)
		sofar := map[string]int{"a": 3, "b": 1, "c": 1}
		until(t, "an interim fold", func() bool {
			look(t, d)
			s.folded(r.ID)
			now := s.replay(r.ID)
			return now.Fold.Interim && now.Fold.Done
		})
		if now := s.replay(r.ID); now.State != ledger.Running || now.Promoted {
			t.Fatalf("%s, promoted %v", now.State, now.Promoted)
		}
		s.wantRows("dns", 2, sofar)
		if immediate {
			s.wantRows("dns", 0, sofar)
		} else {
			s.wantRows("dns", 0, old)
		}
		number := s.replay(r.ID).Fold.Number
		look(t, d)
		if now := s.replay(r.ID); now.Fold.Number != number {
			t.Errorf("folded again, though nothing was finished since: fold %d", now.Fold.Number)
		}
		s.put("logs/dns/2", "z")
		if _, err := d.Redrive(context.Background(), r.ID, nil, false); err != nil {
			t.Fatal(err)
		}
		s.watch(d, r.ID, ledger.Finished)
		s.wantFinished(r.ID)
		s.wantRows("dns", 0, map[string]int{"a": 3, "b": 1, "c": 1, "z": 1})
		if p := s.protocol("dns"); p.Serving != 2 || p.Complete != 2 || p.Building != 0 || p.Previous != 1 || !slices.Equal(p.Gens, []int64{1, 2}) {
			t.Errorf("protocol %+v", p)
		}
	}
}

// TestInterimDisagrees: parts that have not seen the same, or not what was counted, are never shown; the next fold is.
func TestInterimDisagrees(t *testing.T) {
	t.Parallel()
	for name, other := range map[string]ledger.Receipt{
		"another object finished": {Objects: 2, Lines: 4, Held: 4},
		"a partial is lost":       {Objects: 1, Lines: 2, Unlike: "logs/dns/1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			interimDisagrees(t, other)
		})
	}
}

func interimDisagrees(t *testing.T, other ledger.Receipt) {
	t.Helper()
	s := newSystem(t)
	s.put("logs/dns/1", "a", "b")
	s.put("logs/dns/2", "c", "d")
	d := s.driver("watcher", nil, func(o *replay.Options) { o.RowsPerPart = 1 })
	p := params("dns")
	p.FoldEvery = 1
	r := s.start(d, p)
	s.finishObject(r.ID, "logs/dns/1")
	look(t, d)
	now := s.replay(r.ID)
	if !now.Fold.Interim || now.Fold.Number != 1 || now.State != ledger.Running {
		t.Fatalf("%s, fold %+v", now.State, now.Fold)
	}
	now.Fold.Parts = []ledger.FoldPart{{Protocol: "dns", Of: 2}, {Protocol: "dns", Index: 1, Of: 2}}
	ctx := context.Background()
	err := errors.Join(s.ledger.Write(ctx, ledger.Writes{Replays: []ledger.Replay{now}}), s.ledger.Insert(ctx, []ledger.Cursor{{
		CursorID: ledger.CursorID{Replay: r.ID, Fold: true, Key: ledger.FoldKey(1, 1)}, Protocol: "dns", State: ledger.Pending, StateChange: time.Now(),
	}}))
	if err != nil {
		t.Fatal(err)
	}
	s.finishPart(r.ID, 1, ledger.Receipt{Objects: 1, Lines: 2})
	s.finishAs(ledger.CursorID{Replay: r.ID, Fold: true, Key: ledger.FoldKey(1, 1)}, ledger.Commit{Receipt: other})
	look(t, d)
	if g, err := s.ledger.Generation(ctx, "dns", 1); err != nil || g.Base != 0 {
		t.Errorf("base %d, %v", g.Base, err)
	}
	if now := s.replay(r.ID); !now.Fold.Done || now.Fold.Number != 1 {
		t.Errorf("fold %+v", now.Fold)
	}
}

// TestImmediateCancelled brings back what served before.
func TestImmediateCancelled(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.put("logs/dns/1", "a", "b")
	s.workers()
	d := s.driver("watcher", nil)
	s.watch(d, s.start(d, params("dns")).ID, ledger.Finished)
	p := params("dns")
	p.Immediate, p.FoldEvery = true, time.Hour
	r := s.start(d, p)
	if _, err := d.Cancel(context.Background(), r.ID); err != nil {
		t.Fatal(err)
	}
	if p := s.protocol("dns"); p.Serving != 1 || p.Complete != 1 || p.Building != 0 || p.Previous != 0 || !slices.Equal(p.Gens, []int64{1}) {
		t.Errorf("protocol %+v", p)
	}
	s.wantRows("dns", 0, map[string]int{"a": 1, "b": 1})
}
