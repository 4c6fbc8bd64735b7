package model

import (
	"testing"
	"time"
)

const (
	// What the code does.
	code = tagsAgain | overClears | doneClears | deadClears | foldFences | resendFold | givenUp

	limit = 1_500_000 // states; the largest space has a third of that
)

// The spaces, each a base for others.
var (
	one      = space{objects: 1, lines: 2, parts: 1, watchers: 1, attempts: 3, rules: code}
	two      = one.with(func(m *space) { m.objects = 2 })
	tagged   = one.with(func(m *space) { m.tags = true })
	left     = one.with(func(m *space) { m.kinds[0], m.accepts = corrupt, 1 })
	redriven = left.with(func(m *space) { m.hands = 1 })
	both     = redriven.with(func(m *space) { m.objects = 2 })
	weak     = one.with(func(m *space) { m.weak, m.attempts, m.accepts = true, 1, 1 })
)

func (m space) with(change func(*space)) space {
	change(&m)
	return m
}

// under adds faults.
func (m space) under(n uint8, may fault) space {
	m.faults, m.may = n, may
	return m
}

// search runs a space and says how large it was.
func (m *space) search(t *testing.T) result {
	t.Helper()
	started := time.Now()
	r := m.run(limit)
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

// TestInterleavings goes through every interleaving of spaces in which everything must hold.
func TestInterleavings(t *testing.T) {
	for _, c := range []struct {
		name string
		m    space
		long bool
	}{
		{name: "one object under fire", m: one.with(func(m *space) { m.attempts = 4 }).under(3, all), long: true},
		{name: "one object of three lines", m: one.with(func(m *space) { m.lines = 3 }).under(1, all)},
		{name: "two objects", m: two.under(1, all)},
		{name: "two objects under fire", m: two.under(2, crash|lose|expire|slow|unheard), long: true},
		{name: "two parts", m: one.with(func(m *space) { m.parts = 2 }).under(1, all)},
		{name: "two watchers", m: one.with(func(m *space) { m.watchers = 2 }).under(1, crash|expire|slow|abort|hasty|lose), long: true},
		{name: "one object corrupt, accepted", m: left},
		{name: "two objects, one corrupt, accepted", m: two.with(func(m *space) { m.kinds[1], m.accepts = corrupt, 1 })},
		{name: "an object that kills", m: left.with(func(m *space) { m.kinds[0] = deadly })},

		{name: "redriven, nothing accepted", m: both.with(func(m *space) { m.accepts = 0 }).under(1, all)},
		{name: "redriven", m: redriven},
		{name: "redriven, by a write that asks", m: redriven.with(func(m *space) { m.rules ^= foldFences | reopenAsks })},
		{name: "redriven under fire", m: redriven.under(1, all), long: true},
		{name: "redriven twice", m: redriven.with(func(m *space) { m.accepts, m.hands = 2, 2 }), long: true},
		{name: "redriven, two parts", m: redriven.with(func(m *space) { m.parts = 2 })},
		{name: "redriven, two watchers", m: redriven.with(func(m *space) { m.watchers = 2 }), long: true},
		{name: "two objects, one redriven", m: both.under(1, crash|expire), long: true},
		{name: "an object that kills, redriven", m: redriven.with(func(m *space) { m.kinds[0] = deadly })},
		{name: "more faults than attempts", m: weak.under(2, crash|expire|repeat|wear|abort), long: true},
		{name: "redriven from slow workers", m: redriven.with(func(m *space) { m.accepts = 0 }).under(2, slow|expire), long: true},
		{name: "tags, more faults than attempts", m: weak.with(func(m *space) { m.tags = true }).under(2, crash|wear|abort)},
		{name: "tags", m: tagged.under(1, all)},
		{name: "tags of an object left out", m: left.with(func(m *space) { m.tags = true }).under(1, all&^lose), long: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			spareTime(t, c.long)
			if r := c.m.search(t); r.Broken != "" {
				t.Error(r)
			}
		})
	}
}

// TestMutations leaves rules out. Where another rule still holds what one is for, want is empty, and a case with both
// follows.
func TestMutations(t *testing.T) {
	late := weak.under(3, slow|wear|expire)
	stall := both.with(func(m *space) { m.spare = true }).under(2, slow|expire)
	whole := map[space]bool{} // spaces that were searched with all rules
	for _, c := range []struct {
		name string
		m    space
		rule rule
		want string
		long bool
	}{
		{"a commit does not ask for the epoch", redriven.with(func(m *space) { m.accepts = 0 }).under(2, slow|expire), commitAnyEpoch, otherContent, false},
		{"a commit does not ask for the line", one.with(func(m *space) { m.lines = 3 }).under(1, unheard), commitAnyLine, takenBack, false},
		{"a claim does not ask for the owner", one.under(1, repeat), claimOwned, healthyFails, false},
		{"FAILED keeps the epoch", late, failedKeepsEpoch, "", true},
		{"a commit does not ask for PROCESSING", late, commitAnyState, "", true},
		{"FAILED keeps the epoch, and a commit does not ask for PROCESSING", late, failedKeepsEpoch | commitAnyState, openReceipts, false},
		{"a fold does not stop at open cursors", stall, foldOpen, wrongFold, true},
		{"receipts are not compared", both, promoteUnchecked, "", false},
		{"receipts are not compared, and a fold does not stop at open cursors", both, promoteUnchecked | foldOpen, openReceipts, false},
		{"a fold that did not stop is not replaced", both, neverTryAgain | foldOpen, stuckForEver, false},
		{"a fold is promoted before its parts are in", one, promoteEarly, openReceipts, false},
		{"a fold's number is used again", both.with(func(m *space) { m.rules &^= foldFences; m.only = wrongFold }), reuseNumber, wrongFold, false},
		{"a redrive does not ask whether the replay folds", redriven, redriveFolding, openForRead, false},
		{"FAILED comes before the dead letter", left.under(1, crash), failedFirst, verdictLost, false},
		{"lost work is not sent again", one.under(1, lose), neverBringBack, stuckForEver, false},
		{"a message is deleted before it is sent on", one.under(1, crash), neverBringBack | deleteFirst, stuckForEver, false},
		{"a message is deleted before it is sent on, but lost work is sent again", one.under(1, crash), deleteFirst, "", false},
		{"a fold does not fence a redrive that sleeps over it", redriven, foldFences, openForRead, false},
		{"nor a message that a crash left over", left.under(1, crash), foldFences, openForRead, false},
		{"nor does a part's first worker put its rows first", stall.with(func(m *space) { m.only = wrongFold }), foldFences, wrongFold, true},
		{"a redrive that waits hides a part's lost message", redriven.under(1, lose), resendFold, stuckForEver, false},
		{"a repeated message that waits hides a part's lost one", left.under(2, repeat|lose), resendFold, stuckForEver, false},
		{"parts of a fold given up hide an object's lost message", redriven.under(1, lose), givenUp, stuckForEver, false},
		{"a message of what is FINISHED leaves the tags", tagged.under(1, crash), doneClears, tagLeft, false},
		{"a dead letter leaves the tags", left.with(func(m *space) { m.tags = true }).under(1, crash), deadClears, tagLeft, false},
		{"a tag is not looked after", tagged, tagsAgain, tagLeft, false},
		{"a message of a replay that is over leaves the tags", tagged.under(1, crash), overClears, tagLeft, false},
		{"FINISHED comes before the tags are off", tagged.under(1, abort), finishBeforeClear, tagLeft, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			spareTime(t, c.long)
			m := c.m
			m.rules ^= c.rule
			r := m.search(t)
			if r.Broken != c.want {
				t.Errorf("found %v, want %q", r, c.want)
			} else if c.want != "" {
				t.Log(r)
			}
			if whole[c.m] {
				return
			}
			whole[c.m] = true
			if r := c.m.search(t); r.Broken != "" {
				t.Errorf("with the rule: %v", r)
			}
		})
	}
}
