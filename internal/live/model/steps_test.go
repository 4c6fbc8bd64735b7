package model

import "math/bits"

// count is entries.Counting.Count of one entry in one generation, and says whether it was done.
func (m *space) count(n *state, i int, g uint8) bool {
	e := &n.entries[i]
	switch {
	case e.at == unborn, e.at == gone && m.has(countThere), e.batch != 0 && m.has(countFree),
		e.marks&bit(g) != 0 && m.has(countLacks):
		return false // ErrStale
	case e.at == gone:
		*e = entry{at: there, shown: true, rows: e.rows, base: e.base} // an update makes the item
	}
	e.marks |= bit(g)
	more(&e.rows, g)
	return true
}

// mayCount says that somebody may be about to count an entry in a generation: somebody with any view of Meta or, where
// views are not old, with one that knows the generation that is about to be promoted, and so is counted before the serving one.
func (m *space) mayCount(s *state, i int, g uint8) bool {
	if s.gens&bit(g) == 0 {
		return false
	}
	if m.old || !m.has(servingLast) || s.replay < sweeping || g != s.serving {
		return true
	}
	others := s.gens &^ bit(g)
	return s.entries[i].marks&others == others
}

// counters emits what live consumers, sweepers and archivers may do to count entry i: live.Counter. A record of the
// stream may come at any time, also when the entry is gone.
func (m *space) counters(s *state, i int, emit emitter) {
	for g := uint8(1); g <= s.epoch; g++ {
		if !m.mayCount(s, i, g) {
			continue
		}
		n := *s
		if !m.count(&n, i, g) {
			continue
		}
		emit(label{what: "counts in", entry: uint8(i + 1), of: g}, true, n)
		if !m.has(countAtomic) {
			rows, mark := *s, *s
			more(&rows.entries[i].rows, g)
			mark.entries[i].marks |= bit(g)
			emit(label{what: "has its rows written, by one who dies then, in", entry: uint8(i + 1), of: g}, false, rows)
			emit(label{what: "is marked, by one who dies then, in", entry: uint8(i + 1), of: g}, false, mark)
		}
	}
}

// archivers emits what archivers may do with batch b.
func (m *space) archivers(s *state, b int, emit emitter) {
	step := func(what string, change func(n *state, b *batch)) {
		n := *s
		change(&n, &n.batches[b])
		emit(label{what: what, batch: uint8(b + 1)}, true, n)
	}
	at := &s.batches[b]
	switch at.state {
	case none: // Batches.OpenBatch
		if s.epoch == 0 {
			return // nobody knows the protocol
		}
		oldest := s.epoch
		if !m.has(openEpoch) {
			oldest = 1
		}
		for epoch := oldest; epoch <= s.epoch; epoch++ {
			step("is opened", func(_ *state, b *batch) { *b = batch{state: open, epoch: epoch, noticed: m.has(readUnwritten)} })
		}
	case open:
		m.join(s, b, emit)
		step("is claimed", func(_ *state, b *batch) { b.state = claimed }) // Batches.ClaimBatch
	case claimed:
		if !m.has(joinOpen) {
			m.join(s, b, emit)
		}
		m.write(s, b, emit)
	case done: // Intake.Expire, or the store's own
		if !m.has(openOnce) {
			step("is removed", func(_ *state, b *batch) { b.state, b.members = removed, 0 })
		}
	case removed: // somebody who was not answered opens it once more
		if s.epoch == at.epoch {
			step("is opened once more", func(_ *state, b *batch) { b.state, b.noticed = open, true })
		}
	}
	if !at.noticed && at.state != none {
		step("is noticed by the index", func(_ *state, b *batch) { b.noticed = true })
	}
}

// join is Batches.Join of one entry; a page of several is several joins with nothing in between.
func (m *space) join(s *state, b int, emit emitter) {
	at := &s.batches[b]
	if at.epoch != s.epoch && m.has(joinEpoch) { // ErrEpoch
		return
	}
	for i := range m.entries {
		e := &s.entries[i]
		if e.at != there || e.batch != 0 || m.has(joinCounted) && !m.countedInAll(s, at.epoch, e.marks) { // ErrStale
			continue
		}
		n := *s
		n.entries[i].batch = uint8(b + 1)
		n.batches[b].members |= 1 << i
		l := label{what: "joins", entry: uint8(i + 1), batch: uint8(b + 1)}
		if e.marks&s.gens != s.gens {
			l.what = "joins, not counted in all generations,"
		}
		emit(l, true, n)
		for j := range m.entries { // ErrClosed; without it, the other's page is replaced
			if !m.has(joinPages) && at.members&(1<<j) != 0 {
				over := n
				over.batches[b].members &^= 1 << j
				l.what = "joins, in place of another page,"
				emit(l, true, over)
			}
		}
	}
}

// countedInAll says that an entry with these marks is counted in all generations of the view that an archiver may have:
// of Meta as it is, or as it was when the batch's epoch ended, or any earlier one. The last view of an epoch asks for the fewest.
func (m *space) countedInAll(s *state, epoch, marks uint8) bool {
	oldest := epoch
	if !m.has(joinView) {
		oldest = 1
	}
	for ; oldest <= epoch; oldest++ {
		view := s.last[oldest]
		if oldest == s.epoch {
			view = s.gens
		}
		if (view != 0 || oldest == s.epoch) && marks&view == view {
			return true
		}
	}
	return false
}

// write is the writing of a CLAIMED batch: archive.Archive.Create, Batches.Archived, Batches.DoneBatch. Each call is made
// after the one before, by whomever: what was done is there to be seen.
func (m *space) write(s *state, b int, emit emitter) {
	at := &s.batches[b]
	l := label{batch: uint8(b + 1)}
	if !at.written { // ErrExists otherwise: written before
		n := *s
		n.batches[b].written = true
		for i, e := range s.entries[:m.entries] {
			if at.members&(1<<i) != 0 && e.at == there && (e.shown || m.has(readMembers)) {
				n.batches[b].lines |= 1 << i
			}
		}
		l.what = "gets its object"
		emit(l, true, n)
		if m.has(writeFirst) {
			return
		}
	}
	all := true
	for i, e := range s.entries[:m.entries] {
		if at.members&(1<<i) != 0 && e.at == there && !e.archived {
			all = false
			n := *s
			n.entries[i].archived = true
			emit(label{what: "is archived", entry: uint8(i + 1), batch: l.batch}, true, n)
		}
	}
	if all && at.written {
		n := *s
		n.batches[b].state = done
		l.what = "is done"
		emit(l, true, n)
	}
}

// driver emits what replay.Driver does by itself.
func (m *space) driver(s *state, emit emitter) {
	step := func(what string, change func(n *state)) {
		n := *s
		change(&n)
		emit(label{what: what, of: s.building}, true, n)
	}
	switch s.replay {
	case draining:
		if !m.has(waitOlder) || !m.olderUnwritten(s) {
			step("the listing begins of", func(n *state) {
				n.replay = listing
				for b := range n.batches {
					n.batches[b].passed = false
				}
			})
		}
	case listing: // in any order: keys say nothing about when objects were written
		all := true
		for b := range m.batches {
			if at := &s.batches[b]; !at.passed {
				all = false
				m.list(s, b, emit)
			}
		}
		if all {
			step("the sweep begins before", func(n *state) {
				n.replay = sweeping
				for i := range n.entries {
					n.entries[i].swept = false
				}
			})
		}
	case sweeping:
		m.sweep(s, emit)
	case swept:
		step("readers move to", func(n *state) {
			if !m.immediate {
				m.serve(n, n.building)
			}
			n.building, n.replay = 0, free
		})
	}
}

// olderUnwritten is Batches.Unwritten, for batches of an epoch before the replay's.
func (m *space) olderUnwritten(s *state) bool {
	for _, b := range s.batches[:m.batches] {
		if (b.state == open || b.state == claimed) && b.epoch < s.building && b.noticed {
			return true
		}
	}
	return false
}

// list takes one key of the archive. The workers count the object once, whatever happens to them.
func (m *space) list(s *state, b int, emit emitter) {
	n := *s
	at := &n.batches[b]
	at.passed = true
	what := "the listing passes"
	if at.written && (at.epoch < s.building || !m.has(listOlder)) {
		what = "the listing takes the object of"
		for i := range n.entries[:m.entries] {
			if at.lines&(1<<i) != 0 {
				more(&n.entries[i].base, s.building)
			}
		}
	}
	emit(label{what: what, batch: uint8(b + 1), of: s.building}, true, n)
}

// sweep is live.Counter.Sweep: what the index shows is counted in all generations.
func (m *space) sweep(s *state, emit emitter) {
	left := false
	for i, e := range s.entries[:m.entries] {
		if e.at != there || !e.shown || e.swept || !m.has(sweepFirst) {
			continue
		}
		left = true
		if e.batch == 0 && e.marks&s.gens != s.gens {
			continue // counters do it
		}
		n := *s
		n.entries[i].swept = true
		emit(label{what: "is passed by the sweep before", entry: uint8(i + 1), of: s.building}, true, n)
	}
	if !left {
		n := *s
		n.replay = swept
		emit(label{what: "the sweep has ended before", of: s.building}, true, n)
	}
}

// serve is the function of that name in replay.
func (m *space) serve(n *state, g uint8) {
	if n.previous != 0 {
		m.drop(n, n.previous)
	}
	n.previous, n.serving = n.serving, g
}

// drop takes a generation out of what is counted live. Its number never comes back, so what is still counted in it is left out
// here; where it does come back, its rows are purged.
func (m *space) drop(n *state, g uint8) {
	n.gens &^= bit(g)
	for i := range n.entries {
		e := &n.entries[i]
		dropCounts(&e.rows, g)
		dropCounts(&e.base, g)
		if m.has(freshEpoch) {
			e.marks &^= bit(g)
		}
	}
}

// operator emits what somebody may do by hand.
func (m *space) operator(s *state, emit emitter) {
	step := func(what string, of uint8, change func(n *state)) {
		n := *s
		change(&n)
		emit(label{what: what, of: of}, false, n)
	}
	switch {
	case s.replay != free:
		if s.cancels > 0 {
			step("cancel drops", s.building, func(n *state) {
				n.cancels--
				if n.serving == n.building {
					n.serving, n.previous = n.previous, 0
				}
				m.drop(n, n.building)
				n.building, n.replay, n.again = 0, free, !m.has(freshEpoch)
			})
		}
		return
	case s.starts > 0:
		step("start opens", s.epoch+1, m.start)
	}
	if s.previous != 0 && s.rollbacks > 0 {
		step("rollback, readers move to", s.previous, func(n *state) {
			n.rollbacks--
			n.serving, n.previous = n.previous, n.serving
		})
	}
	if s.previous != 0 && s.retires > 0 {
		step("purge drops", s.previous, func(n *state) {
			n.retires--
			m.drop(n, n.previous)
			n.previous = 0
		})
	}
}

// start is the transaction of replay.Driver.Start.
func (m *space) start(n *state) {
	n.starts--
	if !m.has(joinEpoch) || !m.has(joinView) {
		n.last[n.epoch] = n.gens
	}
	if !n.again {
		n.epoch++
	}
	n.again = false
	n.gens |= bit(n.epoch)
	n.building, n.replay = n.epoch, draining
	if m.immediate {
		m.serve(n, n.building)
	}
}

// world emits what happens to entry i.
func (m *space) world(s *state, i int, emit emitter) {
	step := func(what string, fair bool, change func(n *state, e *entry)) {
		n := *s
		change(&n, &n.entries[i])
		emit(label{what: what, entry: uint8(i + 1)}, fair, n)
	}
	e := &s.entries[i]
	switch {
	case e.at == unborn:
		if i == 0 || s.entries[i-1].at != unborn {
			step("is put", false, func(_ *state, e *entry) { e.at, e.shown = there, !m.lag })
		}
	case !e.shown:
		step("is shown by the index", true, func(_ *state, e *entry) { e.shown = true })
	case e.at == there && e.archived && m.keep:
		step("is deleted", false, func(_ *state, e *entry) { *e = entry{at: gone, shown: true, rows: e.rows, base: e.base} })
	}
}

// Form sorts batches and entries: which is which makes no difference.
func (m *space) Form(s *state) {
	m.sortBatches(s)
	m.sortEntries(s)
}

func (b *batch) key() uint64 {
	return uint64(b.state)<<32 | uint64(b.epoch)<<24 | flag(b.noticed)<<23 | flag(b.passed)<<22 | flag(b.written)<<21 |
		uint64(bits.OnesCount8(b.members))<<8 | uint64(bits.OnesCount8(b.lines))
}

func (e *entry) key() uint64 {
	return uint64(e.batch)<<40 | uint64(e.marks)<<32 | uint64(e.rows)<<24 | uint64(e.base)<<16 | flag(e.shown)<<10 | flag(e.archived)<<9 |
		flag(e.swept)<<8
}

func flag(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

func (m *space) sortBatches(s *state) {
	for i := 1; i < m.batches; i++ {
		for j := i; j > 0 && s.batches[j-1].key() < s.batches[j].key(); j-- {
			s.batches[j-1], s.batches[j] = s.batches[j], s.batches[j-1]
			for k := range s.entries {
				switch e := &s.entries[k]; int(e.batch) {
				case j:
					e.batch++
				case j + 1:
					e.batch--
				}
			}
		}
	}
}

// sortEntries leaves the entries that are not put yet at the end.
func (m *space) sortEntries(s *state) {
	for i := 1; i < m.entries; i++ {
		for j := i; j > 0 && s.entries[j].at != unborn && s.entries[j-1].key() < s.entries[j].key(); j-- {
			s.entries[j-1], s.entries[j] = s.entries[j], s.entries[j-1]
			for k := range s.batches {
				b := &s.batches[k]
				b.members, b.lines = swapped(b.members, j), swapped(b.lines, j)
			}
		}
	}
}

// swapped exchanges the bits j-1 and j.
func swapped(set uint8, j int) uint8 {
	low, high := set>>(j-1)&1, set>>j&1
	return set&^(3<<(j-1)) | high<<(j-1) | low<<j
}
