package replay_test

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/replay"
	"github.com/seed-56345083/reprise/queue"
)

// TestLostMessages loses all messages of the objects, then all of the fold: both come back, and not before the queue
// has been empty for a while.
func TestLostMessages(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.put("logs/dns/1", "a", "b")
	s.put("logs/dns/2", "a", "b")
	s.put("logs/dns/3", "a", "b")
	r := s.running("dns")
	s.finishObject(r.ID, "logs/dns/1") // and loses the others' messages
	const patience = 300 * time.Millisecond
	d := s.driver("watcher", nil, func(o *replay.Options) { o.StuckAfter = patience })
	lost := func(want ...string) {
		t.Helper()
		began := time.Now()
		until(t, "the messages", func() bool { look(t, d); return !s.idle() })
		if took := time.Since(began); took < patience {
			t.Errorf("sent again after %v, the queue must have been empty for %v", took, patience)
		}
		if got := keys(tasks(t, s.work)); !slices.Equal(got, want) {
			t.Errorf("sent %v again, want %v", got, want)
		}
	}
	lost("logs/dns/2", "logs/dns/3")
	s.finishObject(r.ID, "logs/dns/2")
	s.finishObject(r.ID, "logs/dns/3")
	look(t, d)
	tasks(t, s.work)
	lost(ledger.FoldKey(1, 0))
	s.finishPart(r.ID, 1, ledger.Receipt{Objects: 3, Lines: 6})
	look(t, d)
	s.wantFinished(r.ID)
}

// TestBacklogIsNotStuck: a message that waits its turn, is in somebody's hands or delayed, means that nothing is lost.
func TestBacklogIsNotStuck(t *testing.T) {
	t.Parallel()
	for name, hold := range map[string]func(*system){
		"visible": func(s *system) { s.wake("01J00000000000000000000000", "x", false) },
		"in flight": func(s *system) {
			s.wake("01J00000000000000000000000", "x", false)
			if m, err := s.work.Receive(context.Background(), queue.ReceiveParams{Max: 1, Visibility: time.Hour}); err != nil || len(m) != 1 {
				s.t.Fatalf("received %v, %v", m, err)
			}
		},
		"delayed": func(s *system) {
			if err := s.work.Send(context.Background(), []queue.Outgoing{{Body: []byte("x"), Delay: time.Minute}}); err != nil {
				s.t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSystem(t)
			s.put("logs/dns/1", "a")
			s.running("dns")
			tasks(t, s.work)
			hold(s)
			d := s.driver("watcher", nil)
			for range 20 {
				look(t, d)
			}
			if c, err := s.work.Counts(context.Background()); err != nil || c.Visible+c.InFlight+c.Delayed != 1 {
				t.Errorf("counts %+v, %v, want the backlog alone", c, err)
			}
		})
	}
}

// TestStuckOneByOne: a replay that another process has in hand does not keep the others' lost work from coming back.
func TestStuckOneByOne(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	ctx := context.Background()
	s.put("logs/dns/1", "a")
	s.put("logs/ssl/1", "a")
	for _, newest := range []string{"dns", "ssl"} {
		s.running(newest)
	}
	tasks(t, s.work)
	held := s.protocol("ssl").Replay // the newest comes first
	now := time.Now()
	if _, err := s.ledger.AcquireLease(ctx, ledger.Lease{Name: "replay#" + held, Owner: "somebody", Until: now.Add(time.Hour)}, now); err != nil {
		t.Fatal(err)
	}
	d := s.driver("watcher", nil)
	until(t, "the message", func() bool {
		look(t, d)
		return !s.idle()
	})
	if got := keys(tasks(t, s.work)); !slices.Equal(got, []string{"logs/dns/1"}) {
		t.Errorf("sent %v again, want that of the replay that is free", got)
	}
}

// TestStuckSendFails: what could not be sent is tried again at the next look, not after another wait.
func TestStuckSendFails(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.put("logs/dns/1", "a")
	s.running("dns")
	tasks(t, s.work)
	var failed atomic.Bool
	d := s.driver("watcher", &tap{hook: func(c call) error {
		if c.name == "Send" && !c.after && failed.CompareAndSwap(false, true) {
			return errCut
		}
		return nil
	}})
	until(t, "the failure", func() bool { return errors.Is(d.Look(context.Background()), errCut) })
	look(t, d)
	if got := keys(tasks(t, s.work)); !slices.Equal(got, []string{"logs/dns/1"}) {
		t.Errorf("sent %v", got)
	}
}
