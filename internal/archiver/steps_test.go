package archiver_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/seed-56345083/reprise/internal/archiver"
)

var errInjected = errors.New("injected")

// everyStep runs f once for each call that an undisturbed Once makes, before it, and after it where it writes: after a
// read is before the next call.
func everyStep(t *testing.T, f func(t *testing.T, n int, after bool)) {
	t.Helper()
	s := newSite(t)
	s.fill(protocol, entriesOfSteps)
	free := &tap{}
	s.must(s.archiver(free, stepSize).Once(t.Context(), true))
	s.wantArchived()
	if n := len(s.objects()); n != 2 {
		t.Fatalf("%d objects, want 2: the steps of several are wanted", n)
	}
	t.Logf("%d calls: %q", len(free.calls), free.calls)
	for n, name := range free.calls {
		f(t, n, false)
		if !slices.Contains([]string{"Protocol", "Unwritten", "Unfinished", "Read", "Members"}, name) {
			f(t, n, true)
		}
	}
}

// Two pages of joins, and two batches.
const entriesOfSteps = 110

func stepSize(o *archiver.Options) { o.MaxBytes = 1200 }

// at makes a tap that does something at one call.
func at(n int, after bool, do func() error) *tap {
	hook := func(called int, _ string) error {
		if called != n {
			return nil
		}
		return do()
	}
	if after {
		return &tap{after: hook}
	}
	return &tap{before: hook}
}

// A process dies at any call: before it is made, or when it was made and its reply was lost. Another one goes on.
func TestKilledAtEveryStep(t *testing.T) {
	t.Parallel()
	everyStep(t, func(t *testing.T, n int, after bool) {
		s := newSite(t)
		s.fill(protocol, entriesOfSteps)
		dead := false
		dies := at(n, after, func() error { dead = true; return errInjected })
		outer := dies.before
		dies.before = func(called int, name string) error {
			if dead {
				return errInjected
			}
			if outer != nil {
				return outer(called, name)
			}
			return nil
		}
		_ = s.archiver(dies, stepSize).Once(t.Context(), true) // an error, but for the last steps
		if !dead {
			t.Errorf("step %d was not reached", n)
		}
		s.freeLease()
		resumes := &tap{}
		s.must(s.archiver(resumes, stepSize).Once(t.Context(), true))
		s.wantArchived()
		s.wantSameBytes(dies, resumes)
		if t.Failed() {
			t.Fatalf("died at %d (after: %t) of %q", n, after, dies.calls)
		}
	})
}

// A call fails, or its reply is lost, and the same process goes on.
func TestFailureAtEveryStep(t *testing.T) {
	t.Parallel()
	everyStep(t, func(t *testing.T, n int, after bool) {
		s := newSite(t)
		s.fill(protocol, entriesOfSteps)
		fails := at(n, after, func() error { return errInjected })
		s.must(s.archiver(fails, stepSize).Once(t.Context(), true))
		s.wantArchived()
		s.wantSameBytes(fails)
		if t.Failed() {
			t.Fatalf("failed at %d (after: %t) of %q", n, after, fails.calls)
		}
	})
}

// Another process does everything while this one stands still at any call; then it goes on.
func TestTwoAtOnceAtEveryStep(t *testing.T) {
	t.Parallel()
	everyStep(t, func(t *testing.T, n int, after bool) {
		s := newSite(t)
		s.fill(protocol, entriesOfSteps)
		other := &tap{}
		slow := at(n, after, func() error {
			s.freeLease() // of which it learns nothing, having just renewed it
			return s.archiver(other, stepSize).Once(t.Context(), true)
		})
		s.must(s.archiver(slow, stepSize).Once(t.Context(), true))
		s.wantArchived()
		s.wantSameBytes(slow, other)
		if t.Failed() {
			t.Fatalf("stood still at %d (after: %t) of %q", n, after, slow.calls)
		}
	})
}

// A replay starts at any call: entries of a batch of the old epoch and of the new one never mix, and whoever is archived
// under the new epoch is counted in its generation.
func TestEpochRaisedAtEveryStep(t *testing.T) {
	t.Parallel()
	everyStep(t, func(t *testing.T, n int, after bool) {
		s := newSite(t)
		s.fill(protocol, entriesOfSteps)
		raised := at(n, after, func() error { s.start(protocol); return nil })
		a := s.archiver(raised, stepSize)
		s.must(a.Once(t.Context(), true))
		s.must(a.Drain(t.Context(), protocol, 2))
		s.wantArchived()
		s.wantSameBytes(raised)
		if t.Failed() {
			t.Fatalf("raised at %d (after: %t) of %q", n, after, raised.calls)
		}
	})
}
