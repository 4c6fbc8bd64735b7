package model

import (
	"testing"
	"time"

	"github.com/seed-56345083/reprise/internal/statespace"
)

const limit = 3_000_000 // states

// The spaces, each a base for others. In all of them views of Meta may be as old as can be.
var (
	once      = space{entries: 2, batches: 2, starts: 1, old: true, rules: allRules}
	again     = once.with(func(m *space) { m.starts, m.cancels = 2, 1 })
	twoStarts = once.with(func(m *space) { m.starts = 2 })
	// Here a promotion is looked at from the readers' side. Views are no older than the replay, and the index is not behind.
	smooth = once.with(func(m *space) { m.starts, m.smooth, m.old = 2, true, false })
)

func (m space) with(change func(*space)) space {
	change(&m)
	return m
}

// without leaves rules out, and looks for one thing; "": for all.
func (m space) without(r rule, only string) space {
	m.rules &^= r
	m.only = only
	return m
}

// search runs a space and says how large it was.
func (m space) search(t *testing.T) statespace.Result[label] {
	t.Helper()
	started := time.Now()
	r := statespace.Search[state, label](&m, limit)
	t.Logf("%d states, %d steps, %d deep, %v", r.States, r.Steps, r.Depth, time.Since(started).Round(time.Millisecond))
	return r
}

// spareTime leaves a large space out where time is short: the race detector makes a search six times as slow, and there
// is nothing for it to find here.
func spareTime(t *testing.T, long bool) {
	t.Helper()
	if long && (testing.Short() || raced) {
		t.Skip("a large space")
	}
}

// TestEverythingHolds goes through all that can happen in spaces in which everything must hold.
func TestEverythingHolds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		m    space
		long bool
	}{
		{"one replay", once, false},
		{"one replay, the index behind", once.with(func(m *space) { m.lag, m.keep = true, true }), false},
		{"cancelled and started again", again, false},
		{"cancelled twice", again.with(func(m *space) { m.entries, m.starts, m.cancels = 1, 3, 2 }), false},
		{"readers on the new generation at once", again.with(func(m *space) { m.immediate, m.rollbacks = true, 1 }), true},
		{"two replays, rolled back between", twoStarts.with(func(m *space) { m.rollbacks, m.keep = 1, true }), true},
		{"two replays, the one before given up", twoStarts.with(func(m *space) { m.retires, m.rollbacks = 1, 1 }), true},
		{"three replays", once.with(func(m *space) { m.starts, m.entries = 3, 1 }), false},
		{"three batches", again.with(func(m *space) { m.batches = 3 }), true},
		{"three batches, deleted", twoStarts.with(func(m *space) { m.batches, m.keep = 3, true }), true},
		{"three entries", once.with(func(m *space) { m.entries = 3 }), true},
		{"two replays, everything", twoStarts.with(func(m *space) {
			m.cancels, m.rollbacks, m.retires, m.keep, m.lag = 1, 1, 1, true, true
		}), true},
		{"three entries, cancelled and started again", again.with(func(m *space) { m.entries = 3 }), true},
		{"nothing served before", again.with(func(m *space) { m.fresh = true }), false},
		{"nothing served before, readers on the new generation at once", again.with(func(m *space) { m.fresh, m.immediate = true, true }), true},
		{"readers of a promotion", smooth, true},
		{"readers of a promotion, deleted", smooth.with(func(m *space) { m.starts, m.keep = 1, true }), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			spareTime(t, c.long)
			if r := c.m.search(t); r.Broken != "" {
				t.Error(r)
			}
		})
	}
}

// TestRulesAreNeeded leaves rules out, one at a time.
func TestRulesAreNeeded(t *testing.T) {
	t.Parallel()
	deleted := once.with(func(m *space) { m.keep = true })
	single := once.with(func(m *space) { m.entries = 1 })
	for _, c := range []struct {
		name string
		m    space
		rule rule
		want string
	}{
		{"a join does not hold the epoch", once, joinEpoch, twice},
		{"a join does not ask for all generations", once, joinCounted, wrongAtLast},
		{"a join asks for the generations of another epoch's view", once, joinView, wrongAtLast},
		{"a join does not ask whether the batch is OPEN", once, joinOpen, lineLost},
		{"a join does not ask for the number of pages", once, joinPages, lineLost},
		{"the listing does not wait for older batches", once, waitOlder, wrongAtLast},
		{"the listing takes objects of the new epoch", once, listOlder, twice},
		{"a start after a cancel has the same epoch", again, freshEpoch, wrongAtLast},
		{"Unwritten is an index that lags", once, readUnwritten, wrongAtLast},
		{"members are read from a copy that lags", once.with(func(m *space) { m.lag = true }), readMembers, lineLost},
		{"mark and rows apart, the rows first", single, countAtomic, twice},
		{"mark and rows apart, the mark first", single, countAtomic, wrongAtLast},
		{"a count does not ask for the batch", once, countFree, twice},
		{"a count does not ask whether the entry exists", deleted, countThere, twice},
		{"a count does not ask whether the entry lacks the generation", once, countLacks, twice},
		{"a batch is opened again after an unclear answer", once, openOnce, lineLost},
		{"entries are archived before their object is written", deleted, writeFirst, wrongAtLast},
		{"no sweep before the promotion", smooth, sweepFirst, seenLess},
		{"the serving generation is not the last to be counted", smooth, servingLast, seenLess},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			finds(t, c.m.without(c.rule, c.want), c.want)
		})
	}
}

// finds wants a search to end with what is broken, and shows the way to it.
func finds(t *testing.T, m space, want string) {
	t.Helper()
	if r := m.search(t); r.Broken != want {
		t.Errorf("found %v, want %q", r, want)
	} else {
		t.Log(r)
	}
}

// TestOpeningUnderAnyEpoch shows that a rule is not needed for counting right, as long as joins hold the epoch: a batch that
// is opened under an epoch that is over stays empty. It is kept because the next start would wait for it.
func TestOpeningUnderAnyEpoch(t *testing.T) {
	t.Parallel()
	for _, m := range []space{once, twoStarts.with(func(m *space) { m.entries, m.cancels = 1, 1 })} {
		if r := m.without(openEpoch, "").search(t); r.Broken != "" {
			t.Error(r)
		}
	}
}

// TestWhatRestsOnTime shows that one thing is not promised whatever happens: that readers never see less after a promotion. Each
// entry is counted exactly once in the end, but one that was counted by somebody who slept through the whole replay, or that the index
// did not show during the sweep, is missing until the next sweep.
func TestWhatRestsOnTime(t *testing.T) {
	t.Parallel()
	finds(t, smooth.with(func(m *space) { m.old = true }), seenLess)
	finds(t, smooth.with(func(m *space) { m.lag = true }), seenLess)
}
