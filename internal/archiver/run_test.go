package archiver_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/seed-56345083/reprise/internal/archiver"
	"github.com/seed-56345083/reprise/internal/entries"
	"github.com/seed-56345083/reprise/internal/ledger"
)

// Run archives what comes, over failures, until it is stopped, and gives its lease back.
func TestRun(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fill(protocol, 150)
	var done, calls atomic.Int64
	next, gap := int64(1), int64(1)
	ctx, cancel := context.WithCancel(t.Context())
	way := &tap{
		before: func(int, string) error {
			if calls.Add(1) != next {
				return nil
			}
			gap++ // at a period of its own, it could hit the same call of every pass
			next += gap
			return errInjected
		},
		after: func(_ int, name string) error {
			if name == "DoneBatch" && done.Add(1) == 3 {
				cancel()
			}
			return nil
		},
	}
	core, logs := observer.New(zap.ErrorLevel)
	a := s.archiver(way, small(1000), func(o *archiver.Options) { o.MaxAge, o.Log = time.Nanosecond, zap.New(core) })
	s.must(a.Run(ctx))
	if logs.FilterMessage("archiving").Len() == 0 {
		t.Error("failures were not logged")
	}
	if way.calls[len(way.calls)-1] != "ReleaseLease" {
		t.Errorf("the last call is %s, not the release of the lease", way.calls[len(way.calls)-1])
	}
	s.freeLease() // that call, too, may have been one to fail
	s.must(s.archiver(nil).Once(t.Context(), true))
	s.wantArchived()
}

// While another process has the lease, Run leaves the protocol alone and Once waits; when it gets the lease, Once
// does everything.
func TestLease(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fill(protocol, 10)
	now := time.Now()
	_, err := s.ledger.AcquireLease(t.Context(), ledger.Lease{Name: "archive#" + protocol, Owner: "other", Until: now.Add(time.Hour)}, now)
	s.must(err)
	var asked atomic.Int64
	ctx, cancel := context.WithCancel(t.Context())
	run := &tap{after: func(_ int, name string) error {
		if name == "AcquireLease" && asked.Add(1) == 3 {
			cancel()
		}
		return nil
	}}
	s.must(s.archiver(run).Run(ctx))
	for _, name := range run.calls {
		if name != "AcquireLease" && name != "Expire" {
			t.Errorf("%s was called without the lease", name)
		}
	}
	asked.Store(0)
	once := &tap{after: func(_ int, name string) error {
		if name == "AcquireLease" && asked.Add(1) == 3 {
			return s.ledger.ReleaseLease(t.Context(), "archive#"+protocol, "other")
		}
		return nil
	}}
	s.must(s.archiver(once).Once(t.Context(), true))
	s.wantArchived()
	if asked.Load() < 4 {
		t.Errorf("the lease was asked for %d times", asked.Load())
	}
	// Its end is that of its context.
	_, err = s.ledger.AcquireLease(t.Context(), ledger.Lease{Name: "archive#" + protocol, Owner: "other", Until: now.Add(time.Hour)}, now)
	s.must(err)
	if err := s.archiver(&tap{}).Once(ctx, true); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want context.Canceled", err)
	}
}

// A lease that somebody else has taken in the middle ends a pass, and the other one takes over.
func TestLeaseLost(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fill(protocol, 500)
	now := time.Now()
	way := &tap{before: func(n int, name string) error {
		if name == "Join" && n < 20 {
			s.freeLease()
			_, err := s.ledger.AcquireLease(t.Context(), ledger.Lease{Name: "archive#" + protocol, Owner: "other", Until: now.Add(time.Hour)}, now)
			return err
		}
		return nil
	}}
	ctx, cancel := context.WithCancel(t.Context())
	core, logs := observer.New(zap.DebugLevel)
	log := zap.New(core, zap.Hooks())
	stop := &tap{}
	stop.before = func(n int, name string) error {
		err := way.before(n, name)
		if logs.FilterMessage("another process archives").Len() > 0 {
			cancel()
		}
		return err
	}
	// A lease of a nanosecond is renewed, or found to be lost, before each page.
	a := s.archiver(stop, func(o *archiver.Options) { o.Lease, o.Log = time.Nanosecond, log })
	s.must(a.Run(ctx))
	if logs.FilterMessage("another process archives").Len() == 0 {
		t.Error("the pass went on without its lease")
	}
	s.freeLease()
	s.must(s.archiver(nil).Once(t.Context(), true))
	s.wantArchived()
}

// Producers, three archivers without leases that mean anything, and replays that start, all at once.
func TestCrowd(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	var wg sync.WaitGroup
	var producing atomic.Bool
	producing.Store(true)
	taps := []*tap{{}, {}, {}}
	for i, way := range taps {
		a := s.archiver(way, small(3000), func(o *archiver.Options) { o.Lease = time.Nanosecond })
		wg.Go(func() {
			for n := 0; producing.Load(); n++ {
				if err := a.Once(t.Context(), (n+i)%2 == 0); err != nil {
					t.Logf("archiver %d: %v", i, err) // the others came first too often
				}
			}
		})
	}
	for n := range 30 {
		var list []entries.Entry
		for i := range 40 {
			list = append(list, entries.Entry{
				ID: fmt.Sprintf("%d-%d", n, i), Protocol: protocol, TS: began.Add(time.Duration(rand.N(1000)) * time.Second), Line: fmt.Appendf(nil, "%d of %d", i, n),
			})
		}
		s.put(list...)
		if n%8 == 7 {
			s.start(protocol)
		}
	}
	producing.Store(false)
	wg.Wait()
	s.freeLease()
	s.must(s.archiver(nil).Once(t.Context(), true))
	s.wantArchived()
	s.wantSameBytes(taps...)
}
