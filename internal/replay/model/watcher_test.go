package model

import "math/bits"

// watcher emits what watcher i can do next. It holds no lease: leases decide waste only.
func (m *space) watcher(s *state, i int, emit emitter) {
	t, id := &s.watchers[i], process(2+i)
	step := func(what string, change func(n *state, t *watcher)) {
		n := *s
		change(&n, &n.watchers[i])
		emit(label{who: id, what: what, on: tasks, fair: true}, n)
	}
	if t.at != idle && m.may&abort != 0 && s.faults > 0 {
		n := *s
		n.faults--
		n.watchers[i] = watcher{}
		emit(label{who: id, what: "is cut off", on: tasks}, n)
	}
	end := func(_ *state, t *watcher) { *t = watcher{} }
	switch t.at {
	case idle:
		if m.watchers > 1 || s.judge.at == idle { // Driver.Look does one after the other
			m.look(s, i, step, emit)
		}

	case atScanObjects: // Ledger.Summarize, one cursor at a time: it is no snapshot
		step("counts an object", func(n *state, t *watcher) {
			switch t.add(&n.cursors[t.index]); {
			case int(t.index) < m.objects:
			case t.finishing:
				t.at = atScanParts
			case t.open != 0 && t.accepted > t.failed:
				t.at = atLapse
			case t.obstacle():
				*t = watcher{}
			default:
				t.at = atNewFold
			}
		})

	case atLapse: // Driver.update(lapse)
		step("takes the acceptance back", func(n *state, t *watcher) {
			if n.replay == running && n.accepted > t.failed {
				n.accepted = t.failed
				n.wrote()
			}
			*t = watcher{}
		})

	case atNewFold: // Driver.newFold
		step("opens the next fold", func(n *state, t *watcher) {
			from := running
			if t.finishing {
				from = folding
			}
			if n.replay == from && t.same && !n.promoted {
				m.newFold(n)
				n.wrote()
				t.same, t.fresh = true, true
			}
			if n.replay != folding {
				*t = watcher{}
				return
			}
			*t = watcher{same: true} // whosever fold it is
			m.enqueue(t)
		})
	case atFence: // the proposed beginning of Driver.enqueueFold: Settle from FAILED to FAILED
		step("fences off who would redrive", func(n *state, t *watcher) {
			if n.cursors[t.index].state == failed {
				m.raise(n, t.index)
			}
			if t.index++; int(t.index) == m.objects {
				t.at, t.index = atInsert, 0
			}
		})
	case atInsert: // Driver.enqueueFold: Cursors.Insert
		step("writes the parts down", func(n *state, t *watcher) {
			for p := range m.parts {
				if c := &n.cursors[objects+p]; t.same && c.state == none {
					c.state = pending
				}
			}
			t.at = atSendParts
		})
	case atSendParts: // Driver.enqueueFold: send
		step("sends the parts' messages", func(n *state, t *watcher) {
			for p := range m.parts {
				if t.same {
					n.send(uint8(objects + p))
				}
			}
			t.at = atListed
		})
	case atListed: // Driver.enqueueFold: Listed
		step("notes that the parts are out", func(n *state, t *watcher) {
			if t.same && !n.listed {
				n.listed = true
				n.wrote()
			}
			*t = watcher{}
		})

	case atScanParts: // the rest of Summarize, and what Driver.tryFinish makes of it
		step("counts the parts", func(n *state, t *watcher) {
			for _, c := range n.parts(m, t) {
				switch c.state {
				case finished:
					t.seen++
				case failed:
					t.lost++
				}
			}
			switch {
			case t.obstacle():
				t.at = atAbandon
			case t.lost > 0: // after foldPatience
				t.at = atNewFold
			case int(t.seen) < m.parts && m.has(promoteEarly):
				t.at = atPromote
			case int(t.seen) < m.parts:
				*t = watcher{}
			case m.has(promoteUnchecked):
				t.at = atPromote
			default:
				t.again(atAudit)
			}
		})
	case atAbandon:
		step("gives the fold up, an object is open", func(n *state, t *watcher) {
			if n.replay == folding && !n.promoted && t.fresh {
				n.replay = running
				n.wrote()
			}
			*t = watcher{}
		})

	case atAudit: // Driver.audit: a scan of its own
		step("audits an object", func(n *state, t *watcher) {
			if t.add(&n.cursors[t.index]); int(t.index) == m.objects {
				t.at = atReceipts
			}
		})
	case atReceipts:
		step("audits the receipts", func(n *state, t *watcher) {
			stale := false
			t.seen = 0
			for _, c := range n.parts(m, t) {
				if c.state == finished {
					t.seen++
					stale = stale || c.gotObjects != t.done || c.gotLines != t.counted
				}
			}
			switch {
			case stale && !m.has(neverTryAgain):
				t.at = atNewFold
			case stale || t.open != 0 || t.failed > t.accepted || int(t.seen) < m.parts:
				*t = watcher{} // openAccounts
			default:
				t.at = atPromote
			}
		})
	case atPromote: // Driver.promote: the fold that was audited, and no other
		step("promotes the fold", func(n *state, t *watcher) {
			if n.replay == folding && !n.promoted && t.same {
				n.promoted = true
				n.wrote()
			}
			if !n.promoted || n.replay == finished { // also Driver.over
				*t = watcher{}
				return
			}
			m.clean(t)
		})

	case atClear: // Driver.clearTags
		step("takes an object's tags off", func(n *state, t *watcher) {
			n.tagged[t.index] = false
			if t.index++; int(t.index) == m.objects {
				if t.at, t.index = atFinish, 0; m.has(finishBeforeClear) {
					*t = watcher{}
				}
			}
		})
	case atFinish: // the end of Driver.cleanUp
		step("writes that the replay is FINISHED", func(n *state, t *watcher) {
			if n.replay != finished {
				n.replay = finished
				n.wrote()
			}
			if *t = (watcher{}); m.has(finishBeforeClear) {
				t.at = atClear
			}
		})

	case atResend: // Driver.resend: the messages of what the scan found open
		step("sends lost work again", func(n *state, t *watcher) {
			for task := range uint8(tasks) {
				if t.open&(1<<task) != 0 && (isObject(task) || t.same) {
					n.send(task)
				}
			}
			end(n, t)
		})
	}
}

// look is Driver.Look: the replay is read, and what its state asks for begins.
func (m *space) look(s *state, i int, step func(string, func(*state, *watcher)), emit emitter) {
	if i > 0 && s.watchers[0] == (watcher{}) { // they are alike, and the first may do all that the second can
		return
	}
	read := watcher{fresh: true, same: true, accepted: s.accepted}
	switch {
	case s.replay == running: // tryFold
		if s.held() && s.accepted == 0 {
			break // it would look in vain
		}
		step("sees the replay RUNNING", func(_ *state, t *watcher) { *t = read; t.at = atScanObjects })
	case s.replay == folding && s.promoted: // cleanUp
		step("sees the replay promoted", func(_ *state, t *watcher) { *t = read; m.clean(t) })
	case s.replay == folding && !s.listed: // enqueueFold
		step("sees a fold that is not listed", func(_ *state, t *watcher) { *t = read; m.enqueue(t) })
	case s.replay == folding: // tryFinish
		step("sees the replay FOLDING", func(_ *state, t *watcher) { *t = read; t.at, t.finishing = atScanObjects, true })
	}
	if m.has(resendFold) && s.replay == folding && !s.promoted {
		for p := uint8(objects); p < tasks; p++ {
			if c := &s.cursors[p]; (c.state == pending || c.state == processing) && s.unseen(p) {
				n := *s
				n.watchers[i] = watcher{at: atResend, same: true, open: 1 << p}
				emit(label{who: process(2 + i), what: "sees an open part for long", on: p, fair: true}, n)
			}
		}
	}
	if s.replay != finished && s.idle() && !m.has(neverBringBack) { // bringBack, resend
		var open uint8
		for task, c := range s.cursors {
			if (c.state == pending || c.state == processing) && (task < objects || s.replay == folding) {
				open |= 1 << task
			}
		}
		busy := s.workers != [2]worker{} // for longer than StuckAfter
		if open == 0 || busy && (s.faults == 0 || m.may&hasty == 0) {
			return
		}
		n := *s
		if n.watchers[i] = (watcher{at: atResend, same: true, open: open}); busy {
			n.faults--
		}
		emit(label{who: process(2 + i), what: "sees open work and an empty queue", on: tasks, fair: !busy}, n)
	}
}

// enqueue begins Driver.enqueueFold.
func (m *space) enqueue(t *watcher) {
	if t.at = atInsert; m.has(foldFences) {
		t.at = atFence
	}
}

// clean begins Driver.cleanUp.
func (m *space) clean(t *watcher) {
	*t = watcher{at: atClear}
	if !m.tags || m.has(finishBeforeClear) {
		t.at = atFinish
	}
}

// add counts one cursor of a scan.
func (t *watcher) add(c *cursor) {
	switch c.state {
	case finished:
		t.done++
		t.counted += counted(c.sum)
	case failed:
		t.failed++
	default:
		t.open |= 1 << t.index
	}
	t.index++
}

func (t *watcher) again(at place) {
	t.at, t.index, t.done, t.failed, t.counted, t.open, t.seen, t.lost = at, 0, 0, 0, 0, 0, 0, 0
}

// obstacle is the function of that name, and held.
func (t *watcher) obstacle() bool { return t.open != 0 || t.failed > t.accepted }

// parts are those of the fold that the watcher has read of. Those of an earlier one are not kept.
func (s *state) parts(m *space, t *watcher) []cursor {
	if !t.same {
		return nil
	}
	return s.cursors[objects : objects+m.parts]
}

// newFold gives the replay a fold with a number that was never used. What belongs to the last one is no more.
func (m *space) newFold(n *state) {
	n.replay, n.listed = folding, false
	for i := range n.watchers {
		n.watchers[i].same = false
	}
	for p := uint8(objects); p < tasks; p++ {
		n.cursors[p], n.visible[p], n.dead[p] = cursor{}, 0, 0
		m.raise(n, p)
		if n.judge.task == p {
			n.judge = judge{}
		}
	}
	if m.has(reuseNumber) {
		return
	}
	n.rows = [2]part{}
	for i := range n.workers {
		if !isObject(n.workers[i].task) {
			n.workers[i] = worker{}
		}
	}
}

// right says that the rows of a part are those of the objects that are FINISHED, each line once.
func (m *space) right(s *state, p int) bool {
	var want uint16
	for o, c := range s.cursors[:m.objects] {
		if c.state == finished {
			want |= uint16(m.share(uint8(objects+p), upTo(m.lines))) << (8 * o)
		}
	}
	return s.rows[p] == part{want, want}
}

// receiptsClose says that the parts' receipts are what the cursors say now.
func (m *space) receiptsClose(s *state) bool {
	var done, sum uint8
	for _, c := range s.cursors[:m.objects] {
		if c.state == finished {
			done++
			sum += uint8(bits.OnesCount8(c.sum))
		}
	}
	for _, c := range s.cursors[objects : objects+m.parts] {
		if c.state != finished || c.gotObjects != done || c.gotLines != sum {
			return false
		}
	}
	return true
}
