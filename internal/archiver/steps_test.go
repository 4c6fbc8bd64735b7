package archiver_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/seed-56345083/reprise/internal/archiver"
)

var errInjected = errors.New("injected")

// everyStep runs f before each call that an undisturbed Once makes; each time on a protocol of its own.
func everyStep(t *testing.T, f func(s *site, n int, name string)) {
	t.Helper()
	s := newSite(t)
	s.fill(s.protocol, entriesOfSteps)
	free := &tap{}
	s.must(s.archiver(free, stepSize).Once(t.Context(), true))
	s.wantArchived()
	if n := len(s.objects()); n != 2 {
		t.Fatalf("%d objects, want 2: the steps of several are wanted", n)
	}
	for n, name := range free.calls {
		s.next()
		s.fill(s.protocol, entriesOfSteps)
		f(s, n, name)
		if s.wantArchived(); t.Failed() {
			t.Fatalf("at step %d of %q", n, free.calls)
		}
	}
}

// Two pages of joins, and two batches.
const entriesOfSteps = 110

func stepSize(o *archiver.Options) { o.MaxBytes = 1200 }

// before makes a tap that does something before one call, and after one that does it after.
func before(n int, do func() error) *tap { return &tap{before: when(n, do)} }
func after(n int, do func() error) *tap  { return &tap{after: when(n, do)} }

func when(n int, do func() error) func(int, string) error {
	return func(called int, _ string) error {
		if called != n {
			return nil
		}
		return do()
	}
}

// A process dies before any call, and so after any; another one goes on.
func TestKilledAtEveryStep(t *testing.T) {
	t.Parallel()
	everyStep(t, func(s *site, n int, name string) {
		dead := false
		dies := &tap{before: func(called int, _ string) error {
			if dead = dead || called == n; dead {
				return errInjected
			}
			return nil
		}}
		_ = s.archiver(dies, stepSize).Once(t.Context(), true) // an error, but for the last steps
		if !dead {
			t.Errorf("%s was not reached", name)
		}
		s.wantMarkedOnlyArchived()
		s.freeLease()
		resumes := &tap{}
		s.must(s.archiver(resumes, stepSize).Once(t.Context(), true))
		s.wantSameBytes(dies, resumes)
	})
}

// wantMarkedOnlyArchived checks, in the middle, that an entry that is marked as archived is in its object, and one
// whose batch is DONE is marked.
func (s *site) wantMarkedOnlyArchived() {
	s.t.Helper()
	open := map[string]bool{}
	left, err := s.entries.Unwritten(s.t.Context(), s.protocol)
	s.must(err)
	for _, b := range left {
		open[b.ID] = true
	}
	objects := s.objects()
	for _, e := range s.all() {
		there := false
		for key, lines := range objects {
			there = there || e.Batch != "" && strings.Contains(key, e.Batch) && slices.Contains(lines, s.want[e.ID].line)
		}
		if e.Archived && !there {
			s.t.Errorf("entry %s is marked as archived, and its line is not there", e.ID)
		}
		if e.Batch != "" && !open[e.Batch] && !e.Archived {
			s.t.Errorf("entry %s is not marked, and its batch %s is done", e.ID, e.Batch)
		}
	}
}

// A call is not made, or its reply is lost, and the same process goes on.
func TestFailureAtEveryStep(t *testing.T) {
	t.Parallel()
	everyStep(t, func(s *site, n int, name string) {
		fails := before(n, func() error { return errInjected })
		s.must(s.archiver(fails, stepSize).Once(t.Context(), true))
		if !slices.Contains([]string{"Count", "OpenBatch", "Join", "ClaimBatch", "Create", "Archived", "DoneBatch"}, name) {
			return
		}
		s.wantArchived()
		s.next()
		s.fill(s.protocol, entriesOfSteps)
		fails = after(n, func() error { return errInjected })
		s.must(s.archiver(fails, stepSize).Once(t.Context(), true))
		s.wantSameBytes(fails)
	})
}

// Another process does everything while this one stands still at any call; then it goes on.
func TestTwoAtOnceAtEveryStep(t *testing.T) {
	t.Parallel()
	everyStep(t, func(s *site, n int, _ string) {
		other := &tap{}
		slow := before(n, func() error {
			s.freeLease() // of which it learns nothing, having just renewed it
			return s.archiver(other, stepSize).Once(t.Context(), true)
		})
		s.must(s.archiver(slow, stepSize).Once(t.Context(), true))
		s.wantSameBytes(slow, other)
	})
}

// A replay starts at any call: entries of a batch of the old epoch and of the new one never mix, and whoever is archived
// under the new epoch is counted in its generation.
func TestEpochRaisedAtEveryStep(t *testing.T) {
	t.Parallel()
	everyStep(t, func(s *site, n int, _ string) {
		raised := before(n, func() error { s.start(s.protocol); return nil })
		a := s.archiver(raised, stepSize)
		s.must(a.Once(t.Context(), true))
		s.must(a.Drain(t.Context(), s.protocol, 2))
		s.wantSameBytes(raised)
	})
}
