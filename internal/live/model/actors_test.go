package model

import (
	"math/bits"
	"testing"
	"time"

	"github.com/seed-56345083/reprise/internal/statespace"
)

// What an actor must not do.
const beyond = "an actor does what the memoryless cannot"

// within says that a step leaves what is stored as it is, or is one that the memoryless can take. By that, any number of
// such actors do nothing but what the other tests have searched: whatever the others have done meanwhile is in the steps of
// the memoryless that go on around this one.
func (m *space) within(before, after *state) bool {
	found := *before == *after
	m.Next(before, func(_ label, _ bool, to state) { found = found || to == *after })
	return found
}

// counter is a live consumer, or a sweeper, with a view of Meta and one entry: live.Counter.
type counter struct {
	busy  bool
	entry uint8
	todo  uint8 // generations of the view that the entry is still to be counted in
}

type counting struct {
	state
	c counter
}

type counterSpace struct{ *space }

func (m counterSpace) Start() counting      { return counting{state: m.space.Start()} }
func (m counterSpace) Form(*counting)       {}
func (m counterSpace) End(s *counting) bool { return m.space.End(&s.state) }

func (m counterSpace) Broken(before, after *counting) string {
	if !m.within(&before.state, &after.state) {
		return beyond
	}
	return m.space.Broken(&before.state, &after.state)
}

func (m counterSpace) Next(s *counting, emit func(label, bool, counting)) {
	m.space.Next(&s.state, func(l label, fair bool, to state) { emit(l, fair, counting{to, s.c}) })
	step := func(what string, of uint8, stored state, c counter) {
		if c.todo == 0 {
			c = counter{}
		}
		emit(label{what: what, entry: max(s.c.entry, c.entry) + 1, of: of}, false, counting{stored, c})
	}
	if !s.c.busy {
		for i := range m.entries {
			if s.entries[i].at != unborn { // the stream's record comes late, or the index showed it
				step("is taken up by the counter, which reads Meta", 0, s.state, counter{busy: true, entry: uint8(i), todo: s.gens})
			}
		}
		return
	}
	step("is left by the counter, which dies", 0, s.state, counter{})
	i := s.c.entry
	for g := uint8(1); g <= s.epoch; g++ {
		if s.c.todo&bit(g) == 0 {
			continue
		}
		n, c := s.state, s.c
		if s.gens&bit(g) == 0 { // nobody reads what is counted there
			c.todo &^= bit(g)
			step("is counted by the counter in a generation that was dropped,", g, n, c)
			continue
		}
		if !m.count(&n, int(i), g) { // ErrStale: it reads the entry
			if e := &s.entries[i]; e.at != there || e.batch != 0 {
				c.todo = 0
			} else {
				c.todo &^= e.marks
			}
			step("is found by the counter not to be counted in", g, n, c)
			continue
		}
		step("is counted by the counter, which is not answered, in", g, n, c)
		c.todo &^= bit(g)
		step("is counted by the counter in", g, n, c)
	}
}

// place is where an archiver is: before the call that its name says.
type place uint8

const (
	atMeta place = iota
	atUnwritten
	atOpen
	atRead
	atCount
	atJoin
	atClaim
	atMembers
	atCreate
	atArchived
	atDone
)

// archiver is one archiver.Archiver with what it knows.
type archiver struct {
	at    place
	epoch uint8 // of its view of Meta, as are gens
	gens  uint8
	batch uint8
	pages uint8 // that it thinks the batch has
	entry uint8 // that it is about to count or to join
	lines uint8 // of the object: bits
	left  uint8 // members that are to be archived: bits
}

type archiving struct {
	state
	a archiver
}

type archiverSpace struct {
	*space
	anyView bool // it takes a batch up under a view of another epoch
	guesses bool // it reads entries from a copy that lags: what it takes them for may be wrong
}

func (m archiverSpace) Start() archiving      { return archiving{state: m.space.Start()} }
func (m archiverSpace) Form(*archiving)       {}
func (m archiverSpace) End(s *archiving) bool { return m.space.End(&s.state) }

func (m archiverSpace) Broken(before, after *archiving) string {
	if !m.within(&before.state, &after.state) {
		return beyond
	}
	return m.space.Broken(&before.state, &after.state)
}

func (m archiverSpace) Next(s *archiving, emit func(label, bool, archiving)) {
	m.space.Next(&s.state, func(l label, fair bool, to state) { emit(l, fair, archiving{to, s.a}) })
	step := func(what string, stored state, a archiver) {
		if a.at == atMeta {
			a = archiver{}
		}
		emit(label{what: "the archiver " + what, of: s.a.epoch}, false, archiving{stored, a})
	}
	if s.a.at != atMeta {
		step("dies, with a view of", s.state, archiver{})
	}
	a, n := s.a, s.state
	at := &n.batches[a.batch]
	switch a.at {
	case atMeta:
		step("reads Meta, and forgets its view of", n, archiver{at: atUnwritten, epoch: s.epoch, gens: s.gens})
	case atUnwritten:
		m.unwritten(s, step)
	case atOpen: // Batches.OpenBatch
		switch {
		case at.state != none || a.epoch != s.epoch: // somebody has taken the place; ErrEpoch
			step("may not open a batch, with a view of", n, archiver{})
		default:
			*at = batch{state: open, epoch: a.epoch, noticed: true}
			step("opens a batch and is not answered, with a view of", n, archiver{})
			a.at, a.pages = atRead, 0
			step("opens a batch, with a view of", n, a)
		}
	case atRead: // Intake.Read
		for i, e := range s.entries[:m.entries] {
			free, counted := e.at == there && e.batch == 0, e.marks&a.gens == a.gens
			a.entry = uint8(i)
			if a.at = atCount; m.guesses || free && !counted {
				step("finds an entry to be counted, with a view of", n, a)
			}
			if a.at = atJoin; m.guesses || free && counted {
				step("finds an entry for the batch, with a view of", n, a)
			}
		}
		a.at = atClaim
		step("has enough in its batch, with a view of", n, a)
	case atCount: // Options.Count
		a.at = atRead
		for g := uint8(1); g <= s.epoch; g++ {
			if a.gens&s.gens&bit(g) != 0 {
				n := s.state
				if m.count(&n, int(a.entry), g) {
					step("counts an entry, with a view of", n, a)
				}
			}
		}
		step("is refused a count, with a view of", n, a)
	case atJoin:
		m.joinPage(s, step)
	case atClaim: // Batches.ClaimBatch
		if at.state == open {
			at.state = claimed
		}
		a.at = atMembers
		step("claims, with a view of", n, a)
	default:
		m.writeBatch(s, step)
	}
}

// unwritten is Batches.Unwritten and what the archiver makes of it.
func (m archiverSpace) unwritten(s *archiving, step func(string, state, archiver)) {
	for b, at := range s.batches[:m.batches] {
		a := s.a
		a.batch, a.pages = uint8(b), uint8(bits.OnesCount8(at.members))
		switch at.state {
		case claimed:
			a.at = atMembers
			step("takes a CLAIMED batch up, with a view of", s.state, a)
		case open:
			if at.epoch == a.epoch || m.anyView {
				a.at = atRead
				step("takes an OPEN batch up, with a view of", s.state, a)
			}
			a.at = atClaim
			step("takes an OPEN batch for over, with a view of", s.state, a)
		case none:
			a.at = atOpen
			step("wants a new batch, with a view of", s.state, a)
		}
	}
}

// joinPage is Batches.Join.
func (m archiverSpace) joinPage(s *archiving, step func(string, state, archiver)) {
	a, n := s.a, s.state
	at, e := &n.batches[a.batch], &n.entries[a.entry]
	switch {
	case at.epoch != s.epoch: // ErrEpoch
		a.at = atClaim
		step("is refused a join for the epoch, with a view of", n, a)
	case at.state != open || bits.OnesCount8(at.members) != int(a.pages): // ErrClosed
		step("is refused a join by the batch, with a view of", n, archiver{})
	case e.at != there || e.batch != 0 || e.marks&a.gens != a.gens: // ErrStale
		a.at = atRead
		step("is refused a join by the entry, with a view of", n, a)
	default:
		e.batch = a.batch + 1
		at.members |= 1 << a.entry
		a.at = atRead
		step("joins an entry and is not answered, with a view of", n, a)
		a.pages++
		step("joins an entry, with a view of", n, a)
	}
}

// writeBatch is the rest of a batch's way.
func (m archiverSpace) writeBatch(s *archiving, step func(string, state, archiver)) {
	a, n := s.a, s.state
	at := &n.batches[a.batch]
	switch a.at {
	case atMembers: // Batches.Members, Intake.Read
		a.lines, a.left = 0, at.members
		for i, e := range s.entries[:m.entries] {
			if at.members&(1<<i) != 0 && e.at == there {
				a.lines |= 1 << i
			}
		}
		if a.at = atCreate; at.state == done {
			a = archiver{}
		}
		step("reads the members, with a view of", n, a)
	case atCreate: // archive.Archive.Create
		if !at.written { // ErrExists otherwise
			at.written, at.lines = true, a.lines
		}
		a.at = atArchived
		step("puts the object, with a view of", n, a)
	case atArchived: // Batches.Archived
		if a.left == 0 {
			a.at = atDone
			step("has archived all members, with a view of", n, a)
			return
		}
		i := bits.TrailingZeros8(a.left)
		if e := &n.entries[i]; e.at == there {
			e.archived = true
		}
		step("archives a member and is not answered, with a view of", n, a)
		a.left &^= 1 << i
		step("archives a member, with a view of", n, a)
	case atDone: // Batches.DoneBatch
		if at.state == claimed {
			at.state = done
		}
		step("ends the batch, with a view of", n, archiver{})
	}
}

// TestActors tries whether actors with memories of their own do more than the memoryless.
func TestActors(t *testing.T) {
	t.Parallel()
	single := once.with(func(m *space) { m.entries, m.keep = 1, true })
	double := once.with(func(m *space) { m.batches, m.keep = 1, true })
	cancelled := single.with(func(m *space) { m.batches, m.starts, m.cancels, m.retires = 1, 2, 1, 1 })
	for _, c := range []struct {
		name string
		m    archiverSpace
		want string
		long bool
	}{
		{"one entry, two batches", archiverSpace{space: &single}, "", true},
		{"one entry, cancelled", archiverSpace{space: &cancelled}, "", false},
		{"two entries, one batch", archiverSpace{space: &double}, "", false},
		{"two entries, one batch, guesses", archiverSpace{space: &double, guesses: true}, "", true},
		{"a view of another epoch", archiverSpace{space: &cancelled, anyView: true}, beyond, false},
	} {
		t.Run("archiver: "+c.name, func(t *testing.T) {
			t.Parallel()
			spareTime(t, c.long)
			acts(t, c.m, c.want)
		})
	}
	t.Run("counter: one entry", func(t *testing.T) {
		t.Parallel()
		acts(t, counterSpace{&cancelled}, "")
	})
	t.Run("counter: two entries", func(t *testing.T) {
		t.Parallel()
		acts(t, counterSpace{&double}, "")
	})
}

// acts searches what an actor does.
func acts[S comparable](t *testing.T, m statespace.Model[S, label], want string) {
	t.Helper()
	started := time.Now()
	r := statespace.Search(m, limit)
	t.Logf("%d states, %d steps, %d deep, %v", r.States, r.Steps, r.Depth, time.Since(started).Round(time.Millisecond))
	switch {
	case r.Broken != want:
		t.Errorf("found %v, want %q", r, want)
	case want != "":
		t.Log(r)
	}
}
