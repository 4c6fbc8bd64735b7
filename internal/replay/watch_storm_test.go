package replay_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/replay"
)

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
