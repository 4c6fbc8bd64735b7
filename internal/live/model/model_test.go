// Package model checks the cutover: that an entry counts exactly once in every generation, live or by the replay, while
// generations are opened, cancelled, promoted and dropped, and whoever is at work crashes, sleeps or is answered late.
//
// The code is not run here. Each step of the model is one call of a contract (entries, ledger, archive), and its comment
// names it. The tests in run_test.go leave the rules out, one at a time: they show that the model would notice, and
// that the rule is needed.
//
// Nobody in the model has a memory. A counter (live consumer, sweeper, archiver) is only "an entry is counted in a
// generation that its protocol counts": it may happen at any time, in any order and any number of times. An archiver is
// only "an entry joins a batch", "a batch is claimed", "its object is written". That stands for any number of
// processes with views as old as can be, crashes between any two calls, repeated and late calls, and lost replies:
//
//   - What a process remembers only matters where a write is not conditional on it. The writes of entries.Counting and
//     entries.Batches are, so a call made on an old reading is refused, or is the call that a new reading would have led to.
//   - A crash leaves what is stored, and the next process may do anything. A process that sleeps does its next call later.
//   - After a lost reply a process reads again, or makes its call again: both are steps that can be taken here anyway.
//   - What is left of the views of Meta is in the steps: a count takes any generation, whether the view has newer ones or
//     not; a join asks for the generations of an old view where a rule that forbids it is left out.
//
// TestActors tries that argument: there, two consumers and two archivers with views, plans and unclear outcomes of their own
// do nothing that the memoryless cannot.
//
// The replay is what its own model leaves of it (internal/replay/model): the objects that are listed count in the base of
// the new generation, each line once. Left out are protocols that others archive, where lines count by their timestamp,
// and rows' versions, which the suite of the contract tests.
package model

import "github.com/seed-56345083/reprise/internal/statespace"

const (
	maxEntries = 3
	maxBatches = 3
)

// Where an entry is.
const (
	unborn uint8 = iota
	there
	gone // deleted some time after it was archived
)

// entry is a line in the incoming table, and what generations have of it.
type entry struct {
	at       uint8
	shown    bool  // the index shows it, and eventually consistent reads do
	archived bool  // Entry.Archived
	swept    bool  // the sweep before the promotion has passed it
	batch    uint8 // Entry.Batch: the batch's place + 1; 0: none
	marks    uint8 // Entry.Gens, a bit each
	rows     uint8 // how often it is in the live rows of each generation, two bits each
	base     uint8 // how often it is in the base of each
}

// batch is an entries.Batch with its object.
type batch struct {
	state   entries
	epoch   uint8
	noticed bool  // an index of batches would show it
	passed  bool  // by the listing
	members uint8 // of the pages: bits, which entries
	written bool  // its object is in the archive
	lines   uint8 // of the object: bits, which entries
}

type entries uint8

// The states of a batch.
const (
	none entries = iota
	open
	claimed
	done
	removed // some time after it was done
)

// Where the replay is.
const (
	free     uint8 = iota
	draining       // STARTING, until no batch of an earlier epoch is unwritten
	listing
	sweeping // everything listed is counted and folded; the sweep before the promotion
	swept
)

// state is everything that is stored anywhere. It is comparable.
type state struct {
	entries  [maxEntries]entry
	batches  [maxBatches]batch
	epoch    uint8 // of Meta's protocol record, as are these
	gens     uint8 // bits
	serving  uint8
	previous uint8
	building uint8
	replay   uint8
	last     [5]uint8 // by epoch: the generations when it ended; kept where a rule that is left out makes old views matter
	again    bool     // the next start takes the epoch of the last

	starts, cancels, rollbacks, retires uint8 // that may still come
}

// rule is a bit for each rule that can be left out.
type rule uint32

const (
	joinEpoch     rule = 1 << iota // a join holds the batch's epoch against Meta's
	joinCounted                    // a join asks whether the entry is counted in all generations
	joinView                       // the generations that it asks for were read under the batch's epoch
	joinOpen                       // a join asks whether the batch is OPEN
	joinPages                      // a join asks how many pages the batch has
	waitOlder                      // the listing waits until older batches are written
	freshEpoch                     // each start has an epoch of its own, also after a cancel
	readUnwritten                  // Unwritten is read consistently
	readMembers                    // the members of a batch are read consistently when its object is written
	sweepFirst                     // the promotion comes after a sweep
	countAtomic                    // an entry's mark and its rows are one transaction
	countFree                      // a count asks whether the entry is in no batch
	countThere                     // a count asks whether the entry exists
	countLacks                     // a count asks whether the entry lacks the generation
	listOlder                      // objects of the new epoch and later are not listed
	openEpoch                      // a batch is opened under its epoch
	openOnce                       // a batch is not opened again after an unclear answer
	writeFirst                     // entries are archived when their object is written
	servingLast                    // an entry is counted in the serving generation after all others
	allRules      rule = 1<<iota - 1
)

// space is one bounded space to search.
type space struct {
	entries, batches           int
	starts, cancels, rollbacks uint8
	retires                    uint8
	immediate                  bool // readers read the new generation from the start
	fresh                      bool // no generation is there before the first start
	keep                       bool // archived entries are deleted some time
	lag                        bool // the index shows entries some time after they were put
	old                        bool // views of Meta may be older than a whole replay
	smooth                     bool // looks for readers that see less after a promotion
	rules                      rule
	only                       string // what to look for; "": for everything
}

func (m *space) has(r rule) bool { return m.rules&r != 0 }

// Start is what replay.Driver.OpenLive leaves: epoch 1, and generation 1 that is counted live and serves. Where a start came
// first, there is nothing yet.
func (m *space) Start() state {
	s := state{starts: m.starts, cancels: m.cancels, rollbacks: m.rollbacks, retires: m.retires}
	if !m.fresh {
		s.epoch, s.gens, s.serving = 1, bit(1), 1
	}
	return s
}

func bit(generation uint8) uint8 { return 1 << generation }

// times is how often an entry counts, of rows or base.
func times(counts, generation uint8) uint8 { return counts >> (2 * (generation - 1)) & 3 }

// more counts an entry once more, up to three times.
func more(counts *uint8, generation uint8) {
	if times(*counts, generation) < 3 {
		*counts += 1 << (2 * (generation - 1))
	}
}

// dropCounts forgets what a generation has of an entry.
func dropCounts(counts *uint8, generation uint8) { *counts &^= 3 << (2 * (generation - 1)) }

// emitter takes a step, whether it is fair, and what it leads to.
type emitter = func(l label, fair bool, to state)

// Next emits all that can happen in a state.
func (m *space) Next(s *state, emit func(label, bool, state)) {
	for i := range m.entries {
		m.counters(s, i, emit)
		m.world(s, i, emit)
	}
	for b := range m.batches {
		m.archivers(s, b, emit)
	}
	m.driver(s, emit)
	m.operator(s, emit)
}

// What must hold.
const (
	twice       = "an entry counts twice in a generation"
	marksLie    = "the rows of an entry are not what its marks say"
	lineLost    = "an object lacks a line of its batch"
	notCounted  = "readers read a generation that is not counted live"
	seenLess    = "readers see less after the promotion"
	wrongAtLast = statespace.Stuck // every entry exactly once in every generation
)

// Broken says what a step breaks of that which must hold, "" for nothing.
func (m *space) Broken(s, n *state) string {
	if n.serving != 0 && n.gens&bit(n.serving) == 0 && m.minds(notCounted) {
		return notCounted
	}
	for i := range n.entries[:m.entries] {
		e := &n.entries[i]
		if e.batch != 0 {
			if b := &n.batches[e.batch-1]; b.written && b.lines&(1<<i) == 0 && m.minds(lineLost) {
				return lineLost
			}
		}
		for g := uint8(1); g <= n.epoch; g++ {
			switch {
			case n.gens&bit(g) == 0:
			case times(e.rows, g)+times(e.base, g) > 1 && m.minds(twice):
				return twice
			case e.at == there && times(e.rows, g) != e.marks>>g&1 && m.minds(marksLie):
				return marksLie
			}
		}
		if m.smooth && s.replay == swept && n.serving != s.serving && m.minds(seenLess) {
			before := times(e.rows, s.serving) + times(e.base, s.serving)
			if before > times(e.rows, n.serving)+times(e.base, n.serving) {
				return seenLess
			}
		}
	}
	return ""
}

// minds says that a search looks for this.
func (m *space) minds(what string) bool { return m.only == "" || m.only == what }

// End says that no replay is under way and every entry counts exactly once in every generation.
func (m *space) End(s *state) bool {
	if m.only != "" && m.only != wrongAtLast {
		return true
	}
	if s.replay != free {
		return false
	}
	for i := range s.entries[:m.entries] {
		e := &s.entries[i]
		for g := uint8(1); g <= s.epoch && e.at != unborn; g++ {
			if s.gens&bit(g) != 0 && times(e.rows, g)+times(e.base, g) != 1 {
				return false
			}
		}
	}
	return true
}
