package replay_test

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/replay"
)

// retention is that of the queue in these tests: they run in virtual time.
const retention = 4 * 24 * time.Hour

// aged lets time pass and looks, and wants the messages of these objects, in any order, sent again.
func (s *system) aged(d *replay.Driver, passes time.Duration, want ...string) {
	s.t.Helper()
	<-time.After(passes)
	look(s.t, d)
	if got := keys(tasks(s.t, s.work)); !slices.Equal(got, append(want, "x")) {
		s.t.Errorf("after %v more the queue has %v, want x and %v", passes, got, want)
	}
	s.wake("01J00000000000000000000000", "x", false) // so that the queue is never idle
}

// TestOlderThanRetention: a cursor that nobody has touched for longer than the queue keeps messages gets its message
// again, whatever else the queue holds; once in each retention, and only when its replay is at work.
func TestOlderThanRetention(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSystem(t)
		for _, key := range []string{"logs/dns/1", "logs/dns/2", "logs/dns/3", "logs/ssl/1"} {
			s.put(key, "a")
		}
		r, other := s.running("dns"), s.running("ssl")
		d := s.driver("watcher", nil, func(o *replay.Options) { o.Retention = retention })
		if _, err := d.Pause(context.Background(), other.ID); err != nil {
			t.Fatal(err)
		}
		s.finishObject(r.ID, "logs/dns/1") // and loses all messages
		s.wake("01J00000000000000000000000", "x", false)
		s.aged(d, retention-time.Hour)
		s.claim(ledger.CursorID{Replay: r.ID, Key: "logs/dns/2"}, 0, time.Now().Add(time.Minute)) // by somebody who dies
		s.aged(d, 2*time.Hour)                                                                    // too soon after the last look through all
		s.aged(d, retention/4, "logs/dns/3")
		s.aged(d, retention/4)
		s.aged(d, retention/4)
		s.aged(d, retention/4, "logs/dns/2", "logs/dns/3") // that of 3 has run out again
		if _, err := d.Resume(context.Background(), other.ID); err != nil {
			t.Fatal(err)
		}
		s.aged(d, time.Minute, "logs/ssl/1") // it is looked at for the first time
		s.aged(d, time.Minute)
		s.aged(d, retention/4)
		// A watcher that begins knows nothing of what was sent.
		d = s.driver("another", nil, func(o *replay.Options) { o.Retention = retention })
		s.aged(d, time.Minute, "logs/dns/2", "logs/dns/3", "logs/ssl/1")
		s.aged(d, time.Minute)
		// A queue that keeps its messages for ever loses none.
		d = s.driver("forever", nil)
		s.aged(d, 10*retention)
	})
}

// TestOlderThanRetentionFails: where a replay's work could not be sent, or somebody else has the replay, the next look
// tries again, and no other replay's work is sent twice for that.
func TestOlderThanRetentionFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSystem(t)
		ctx := context.Background()
		s.put("logs/dns/1", "a")
		s.put("logs/ssl/1", "a")
		s.put("logs/web/1", "a")
		for _, name := range []string{"dns", "ssl", "web"} {
			s.running(name)
			<-time.After(time.Millisecond) // ids of one millisecond have no order while other tests make ids too
		}
		tasks(t, s.work)
		s.wake("01J00000000000000000000000", "x", false)
		<-time.After(retention)
		now := time.Now()
		held := ledger.Lease{Name: "replay#" + s.protocol("ssl").Replay, Owner: "somebody", Until: now.Add(time.Minute)}
		if _, err := s.ledger.AcquireLease(ctx, held, now); err != nil {
			t.Fatal(err)
		}
		var failed atomic.Bool
		d := s.driver("watcher", &tap{hook: func(c call) error {
			if c.name == "Send" && !c.after && failed.CompareAndSwap(false, true) {
				return errCut
			}
			return nil
		}}, func(o *replay.Options) { o.Retention = retention })
		if err := d.Look(ctx); !errors.Is(err, errCut) {
			t.Fatalf("the first look: %v", err)
		}
		first := "logs/web/1" // the newest comes first
		if got := keys(tasks(t, s.work)); !slices.Equal(got, []string{"logs/dns/1", "x"}) {
			t.Errorf("the first look sent %v", got)
		}
		s.wake("01J00000000000000000000000", "x", false)
		s.aged(d, time.Second, first)
		s.aged(d, time.Minute, "logs/ssl/1")
		s.aged(d, time.Minute)
	})
}
