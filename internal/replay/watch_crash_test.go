package replay_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"testing"

	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/replay"
)

// TestWatchCut cuts the watcher off at each of its calls from the last object read to FINISHED, in four ways, and lets
// it, or after a crash another one, go on. Each point is a replay of its own of the same protocols, so that the
// generations' chain and the purge are in it too. The loop ends at the first point that is not reached.
func TestWatchCut(t *testing.T) {
	t.Parallel()
	for name, c := range cuts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSystem(t)
			want := map[string]map[string]int{"dns": {"a": 3, "b": 1}, "ssl": {"x": 1}}
			s.put("logs/dns/1", "a", "b", "!", "a")
			s.put("logs/dns/2", "a")
			s.put("logs/ssl/1", "x")
			s.workers()
			for range 2 { // from here on there is a generation to purge
				r := s.running("dns", "ssl")
				s.done(r.ID)
				s.watch(s.driver("first", nil), r.ID, ledger.Finished)
			}
			for reached := true; reached; c.at++ {
				reached = watchCut(t, s, c, want)
			}
			t.Logf("%d points", c.at-1)
			if c.at < 50 {
				t.Errorf("only %d points: the watcher was not cut at all its calls", c.at-1)
			}
		})
	}
}

// watchCut runs one replay whose watcher is cut off. It reports whether the point was reached.
func watchCut(t *testing.T, s *system, c cut, want map[string]map[string]int) bool {
	ctx := context.Background()
	r := s.running("dns", "ssl")
	s.done(r.ID)
	tap, reached := c.tap()
	d := s.driver(fmt.Sprint("watcher ", c.at), tap)
	finished := func() bool { return s.replay(r.ID).State == ledger.Finished }
	purged := func() bool { return len(s.protocol("dns").Purging)+len(s.protocol("ssl").Purging) == 0 }
	for !finished() || !purged() {
		if err := d.Look(ctx); err != nil && !errors.Is(err, errCut) {
			t.Fatalf("point %d: %v", c.at, err)
		}
		if reached() && c.dead {
			break
		}
		s.folded(r.ID)
	}
	second := s.driver(fmt.Sprint("second ", c.at), nil)
	if !finished() {
		s.watch(second, r.ID, ledger.Finished)
	}
	until(t, "the purge", func() bool { look(t, second); return purged() })
	s.wantFinished(r.ID)
	now := s.replay(r.ID)
	for _, part := range now.Protocols {
		s.wantRows(part.Name, 0, want[part.Name])
		s.wantRows(part.Name, part.Generation-1, want[part.Name])
		p := s.protocol(part.Name)
		if p.Previous != part.Generation-1 || len(p.Gens) != 2 {
			t.Errorf("point %d: protocol %+v", c.at, p)
		}
	}
	if now.Fold.Number != 1 {
		t.Errorf("point %d: fold %d, want no second one", c.at, now.Fold.Number)
	}
	if n := s.summary(r.ID).Parts; !maps.Equal(n[1], map[ledger.State]int64{ledger.Finished: 2}) {
		t.Errorf("point %d: parts %v", c.at, n)
	}
	if t.Failed() {
		t.Fatalf("at point %d", c.at)
	}
	return reached()
}

// TestWatchStorm has three watchers without the leases' help, held up at random calls, and an operator who finishes all
// the time, drive one replay after another to the end.
func TestWatchStorm(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.put("logs/dns/1", "a", "b", "a")
	s.put("logs/dns/2", "a")
	s.put("logs/dns/3", "c")
	s.corrupt("logs/dns/bad")
	s.workers()
	for range 2 {
		r, err := s.driver("starter", nil).Start(context.Background(), params("dns"))
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(context.Background())
		ended := make(chan error)
		for i := range 3 {
			d := s.driver(fmt.Sprint("watcher ", i), jitterTap(), noLease)
			go func() { ended <- d.Watch(ctx) }()
		}
		operator := s.driver("operator", jitterTap(), noLease)
		until(t, "the end of "+r.ID, func() bool {
			now, err := operator.Finish(ctx, r.ID, true, "operator")
			if err != nil && !errors.Is(err, replay.ErrHeld) {
				t.Errorf("Finish: %v", err)
			}
			return now.State == ledger.Finished
		})
		stop()
		for range 3 {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
		s.wantRows("dns", 0, map[string]int{"a": 3, "b": 1, "c": 1})
		c, err := s.driver("auditor", nil).Certify(context.Background(), r.ID, nil)
		if err != nil || !c.Closes() || c.Objects.LeftOut != 1 {
			t.Errorf("certificate %+v, %v", c, err)
		}
		s.still()
		s.wantNoTags()
		if now := s.replay(r.ID); now.Accepted == nil || now.Accepted.Objects != 1 || now.Accepted.By != "operator" {
			t.Errorf("accepted %+v", now.Accepted)
		}
	}
}
