package model

// place is where a process is: before the call that its name says.
type place uint8

const (
	idle place = iota

	// worker.Worker
	atClaim
	atFresh
	atReopen
	atWork
	atCommit
	atAsk
	atAskFenced
	atAgain
	atTag
	atLook
	atUntag
	atSend
	atDelete
	atRetry
	atWait
	atPoison
	atPoisonDelete
	atFail
	atScan
	atPut
	atCommitPart

	// replay.Driver
	atScanObjects
	atLapse
	atNewFold
	atInsert
	atSendParts
	atListed
	atScanParts
	atAbandon
	atAudit
	atReceipts
	atPromote
	atClear
	atFinish
	atResend

	// replay.Driver.readDeadLetters and Finish
	atJudge
	atSendBack
	atDrop
	atSettle
	atTagFailed
	atAccept
)

// isObject tells objects from parts of a fold.
func isObject(task uint8) bool { return task < objects }

// worker emits what worker i can do next.
func (m *space) worker(s *state, i int, emit emitter) {
	w, id := &s.workers[i], process(i)
	step := func(what string, change func(n *state, w *worker)) {
		n := *s
		change(&n, &n.workers[i])
		emit(label{who: id, what: what, on: w.task, fair: true}, n)
	}
	c := &s.cursors[w.task]
	if w.at == idle {
		m.receive(s, i, emit)
		return
	}
	// heartbeat.lose: the receipt was refused. Whether it is noticed in time is chance.
	if !w.receipt && (w.at >= atClaim && w.at <= atAgain || w.at >= atScan && w.at <= atCommitPart) {
		step("sees that its receipt is stale", (*state).release)
	}
	switch w.at {
	case atClaim:
		m.claim(s, i, step)

	case atFresh: // job.redrive: the replay is read afresh
		switch {
		case s.replay == folding && !m.has(redriveFolding):
			step("may not redrive, the replay folds", (*state).release)
		case m.has(reopenAsks) && s.replay == finished:
			step("may not redrive, the replay is over", func(_ *state, w *worker) { w.at = atDelete })
		default:
			step("may redrive", func(_ *state, w *worker) { w.at = atReopen })
		}

	case atReopen: // job.redrive: ledger.Claims.Reopen
		switch {
		case !w.mine || c.state != failed:
			step("is refused the redrive: fenced", (*state).release)
		case m.has(reopenAsks) && s.replay != running && !m.has(redriveFolding):
			step("is refused the redrive: not RUNNING", (*state).release)
		default:
			step("reopens", func(n *state, w *worker) {
				n.cursors[w.task] = cursor{state: pending, etag: n.content[w.task]}
				m.raise(n, w.task)
				w.at = atClaim
			})
		}

	case atWork:
		m.work(s, i, step)

	case atCommit: // chunk.save, in one of the ways that a chunk can end
		if to := w.line + 1; to == m.lines {
			m.commit(s, i, to, finished, emit)
		} else {
			m.commit(s, i, to, processing, emit) // the partial is sealed
			m.commit(s, i, to, pending, emit)    // the budget is used up
		}

	case atAgain: // Worker.commit, once more
		m.commit(s, i, w.to, w.want, emit)

	case atAsk, atAskFenced: // Worker.commit: the cursor tells what came of it
		switch {
		case w.mine && c.line == w.to && c.state == w.want:
			step("finds its commit done", func(_ *state, w *worker) { m.committed(w, w.to, w.want) })
		case !w.mine || w.at == atAskFenced:
			step("finds itself fenced off", (*state).release)
		default:
			step("finds its commit not done", func(_ *state, w *worker) { w.at = atAgain })
		}

	case atTag: // job.mirror
		step("tags", func(n *state, w *worker) {
			n.tagged[w.task] = true
			if w.at = w.then; m.has(tagsAgain) {
				w.at = atLook
			}
			n.rest(w)
		})
	case atLook: // the proposed end of job.mirror
		if s.replay == finished || s.promoted {
			step("finds that the tags are off already", func(_ *state, w *worker) { w.at = atUntag })
		} else {
			step("finds that the tags are still wanted", func(n *state, w *worker) { w.at = w.then; n.rest(w) })
		}
	case atUntag:
		step("takes the tags off", func(n *state, w *worker) {
			n.tagged[w.task] = false
			w.at = w.then
			n.rest(w)
		})

	case atSend: // job.settle: HandOn
		step("sends the message on", func(n *state, w *worker) {
			if n.send(w.task); m.has(deleteFirst) {
				w.at = idle
				n.rest(w)
				return
			}
			w.at = atDelete
		})
	case atDelete: // job.deleteMessage; a stale receipt deletes nothing
		step("deletes the message", func(n *state, w *worker) {
			if m.has(deleteFirst) && w.then == atSend {
				w.at, w.receipt = atSend, false
				return
			}
			*w = worker{}
		})

	case atRetry, atWait: // job.settleCursor to PENDING, then job.giveBack
		step("gives cursor and message back", func(n *state, w *worker) {
			c := &n.cursors[w.task]
			if w.mine && (c.state == pending || c.state == processing) {
				if w.at == atWait && c.state == processing && c.attempts > 0 {
					c.attempts--
				}
				c.state, c.owned = pending, false
			}
			n.release(w)
		})

	case atPoison: // job.poison: the dead-letter queue first
		step("sends the dead letter", func(n *state, w *worker) {
			n.bury(w.task)
			if w.at = atPoisonDelete; m.has(failedFirst) {
				*w = worker{}
			}
		})
	case atPoisonDelete:
		step("deletes the poisonous message", func(_ *state, w *worker) {
			if w.receipt, w.at = false, atFail; m.has(failedFirst) {
				w.at = atPoison
			}
		})
	case atFail: // job.settleCursor to FAILED
		step("writes FAILED", func(n *state, w *worker) {
			done := m.settleFailed(n, w.task, w.mine)
			switch {
			case m.has(failedFirst):
				w.at = atPoisonDelete
			case done && m.tags && isObject(w.task):
				w.at, w.then = atTag, idle
			default:
				*w = worker{}
			}
		})

	default:
		m.fold(s, i, step)
	}
}

// release is the end of a job whose message comes back: given back, or by its visibility timeout.
func (s *state) release(w *worker) {
	if w.receipt {
		s.send(w.task)
	}
	*w = worker{}
}

// rest forgets the job where it is over.
func (s *state) rest(w *worker) {
	if w.at == idle {
		s.release(w)
	}
}

// settleFailed is ledger.Claims.Settle to FAILED.
func (m *space) settleFailed(n *state, task uint8, mine bool) bool {
	c := &n.cursors[task]
	if !mine || c.state != pending && c.state != processing {
		return false
	}
	c.state, c.owned = failed, false
	if !m.has(failedKeepsEpoch) {
		m.raise(n, task)
	}
	return true
}

// receive is Queue.Receive and, in job.work, the reading of the replay.
func (m *space) receive(s *state, i int, emit emitter) {
	for task := range uint8(tasks) {
		if s.visible[task] == 0 {
			continue
		}
		n := *s
		n.visible[task]--
		w := worker{at: atClaim, task: task, receipt: true, accepted: s.accepted > 0}
		if s.replay == finished { // errOver
			if w.at = atDelete; m.has(doneClears) && m.tags && isObject(task) {
				w.at, w.then = atUntag, atDelete
			}
		}
		if m.has(givenUp) && !isObject(task) && s.replay != folding {
			w.at = atDelete
		}
		n.workers[i] = w
		emit(label{who: process(i), what: "receives the message", on: task, fair: true}, n)
	}
}

// claim is ledger.Claims.Claim, in job.claim.
func (m *space) claim(s *state, i int, step func(string, func(*state, *worker))) {
	w := &s.workers[i]
	switch c := &s.cursors[w.task]; {
	case c.state == none || c.state == finished: // errGone, ErrFinished
		step("finds nothing left to do", func(_ *state, w *worker) {
			if w.at = atDelete; m.has(doneClears) && m.tags && isObject(w.task) {
				w.at, w.then = atLook, atDelete
			}
		})
	case c.state == failed && isObject(w.task): // ErrFailed
		step("finds it FAILED, and takes the message for a redrive", func(_ *state, w *worker) { w.at, w.mine = atFresh, true })
	case c.state == failed: // errOldFold
		step("finds a part that failed", func(_ *state, w *worker) { w.at = atDelete })
	case c.state == processing && c.owned && !m.has(claimOwned): // ErrOwned
		step("has to wait, it is owned", (*state).release)
	default:
		step("claims", func(n *state, w *worker) {
			m.raise(n, w.task)
			c := &n.cursors[w.task]
			c.state, c.owned, c.attempts = processing, true, min(c.attempts+1, m.attempts+1)
			w.mine, w.line, w.sum, w.etag, w.attempts = true, c.line, uint16(c.sum), c.etag, c.attempts
			switch {
			case c.attempts > m.attempts: // errNoProgress
				w.at = atPoison
				if m.has(failedFirst) {
					w.at = atFail
				}
			case !isObject(w.task):
				w.at, w.line, w.sum = atScan, 0, 0
			case m.tags:
				w.at, w.then = atTag, atWork
			default:
				w.at = atWork
			}
		})
	}
}

// work is chunk.read, for one line.
func (m *space) work(s *state, i int, step func(string, func(*state, *worker))) {
	w := &s.workers[i]
	poison := func(_ *state, w *worker) {
		if w.at = atPoison; m.has(failedFirst) {
			w.at = atFail
		}
	}
	switch kind := m.kinds[w.task]; {
	case w.etag != s.content[w.task]: // archive.ErrChanged
		step("finds the object changed", poison)
		return
	case w.etag == 0 && kind == corrupt && w.line == m.lines-1: // archive.ErrCorrupt
		step("finds the object corrupt", poison)
		return
	case w.etag == 0 && kind == deadly:
		step("dies of the object", (*state).release)
		return
	}
	step("reads a line", func(_ *state, w *worker) { w.at = atCommit })
	if s.faults == 0 {
		return
	}
	if m.may&stop != 0 {
		step("is stopped", func(n *state, w *worker) { n.faults--; w.at = atWait })
	}
	if m.may&stumble != 0 {
		step("meets a read that breaks off", func(n *state, w *worker) {
			if n.faults--; w.attempts < m.attempts {
				w.at = atRetry
			} else {
				poison(n, w)
			}
		})
	}
}

var commits = [...]string{pending: "commits and hands on", processing: "commits and goes on", finished: "commits the last line"}

// commit is ledger.Claims.Commit, in chunk.save by Worker.commit.
func (m *space) commit(s *state, i int, to, want uint8, emit emitter) {
	w := &s.workers[i]
	out := func(what string, n state) {
		emit(label{who: process(i), what: what, on: w.task, fair: true}, n)
	}
	n := *s
	mine := &n.workers[i]
	if !m.apply(&n, write{on: true, mine: w.mine, task: w.task, from: w.line, to: to, want: want, sum: uint8(w.sum), etag: w.etag}) {
		mine.at, mine.to, mine.want = atAskFenced, to, want
		if !w.mine {
			n.release(mine) // what the cursor would tell is known
		}
		out("is refused its commit", n)
		return
	}
	unknown := n
	m.committed(mine, to, want)
	out(commits[want], n)
	if s.faults == 0 || m.may&unheard == 0 {
		return
	}
	// What it asks, it asks with the commit in hand.
	lost := func(what string, n state) {
		n.faults--
		w := &n.workers[i]
		w.at, w.to, w.want = atAsk, to, want
		emit(label{who: process(i), what: what, on: w.task}, n)
	}
	lost(commits[want]+", and the answer is lost", unknown)
	lost(commits[want]+", and the call is lost", *s)
	if late := *s; !late.late.on {
		late.late = write{on: true, mine: w.mine, task: w.task, from: w.line, to: to, want: want, sum: uint8(w.sum), etag: w.etag}
		lost(commits[want]+", and the call is still on its way", late)
	}
}

// apply is what the ledger does with a commit. Everything is set, nothing added up.
func (m *space) apply(n *state, c write) bool {
	at := &n.cursors[c.task]
	if !c.mine && !m.has(commitAnyEpoch) || at.line != c.from && !m.has(commitAnyLine) || at.state != processing && !m.has(commitAnyState) {
		return false
	}
	for l := c.from; l < c.to; l++ {
		c.sum += lineOnce(l)
	}
	if at.line, at.sum, at.of, at.state, at.owned = c.to, c.sum, c.etag, c.want, c.want == processing; c.to > c.from {
		at.attempts = 0
	}
	return true
}

// committed is the rest of chunk.save, and the verdict's beginning.
func (m *space) committed(w *worker, to, want uint8) {
	for l := w.line; l < to; l++ {
		w.sum += uint16(lineOnce(l))
	}
	w.line, w.to, w.want, w.attempts = to, 0, 0, 0
	switch want {
	case processing:
		w.at = atWork
		return
	case pending:
		if w.at = atSend; m.has(deleteFirst) {
			w.at = atDelete
			w.then = atSend
			return
		}
	case finished:
		w.at = atDelete
	}
	if m.tags {
		w.at, w.then = atTag, w.at
	}
}

// fold is job.fold: merge, put, commit.
func (m *space) fold(s *state, i int, step func(string, func(*state, *worker))) {
	w := &s.workers[i]
	switch w.at {
	case atScan: // fold.merge: one object of the scan
		switch c := &s.cursors[w.line]; {
		case c.state == failed && w.accepted:
			step("leaves a FAILED object out", func(_ *state, w *worker) { m.scanned(w) })
		case c.state != finished && !m.has(foldOpen): // errOpenCursor
			step("meets an open object", func(_ *state, w *worker) { w.at = atWait })
		default:
			step("merges an object", func(_ *state, w *worker) {
				w.sum |= uint16(m.share(w.task, c.sum)) << (8 * w.line)
				w.objects++
				w.counted += counted(c.sum)
				m.scanned(w)
			})
		}
	case atPut: // fold.put: ledger.Rows.PutRows; rows that are not there put nothing
		step("puts its rows", func(n *state, w *worker) {
			rows := &n.rows[w.task-objects]
			for o := range objects {
				if own := w.sum & (0xff << (8 * o)); own != 0 {
					rows.own = rows.own&^(0xff<<(8*o)) | own
				}
			}
			if w.sum != 0 {
				rows.sum = w.sum
			}
			w.at = atCommitPart
		})
	case atCommitPart:
		if c := &s.cursors[w.task]; !w.mine || c.state != processing {
			step("is refused its part's commit", (*state).release)
			return
		}
		step("commits its part, with the receipt", func(n *state, w *worker) {
			c := &n.cursors[w.task]
			*c = cursor{state: finished, gotObjects: w.objects, gotLines: w.counted}
			w.at = atDelete
		})
	}
}

func (m *space) scanned(w *worker) {
	if w.line++; int(w.line) == m.objects {
		w.at, w.line = atPut, 0
	}
}

// share is what falls to a part of an object's partial: all of it, or the first line and the others.
func (m *space) share(task, sum uint8) uint8 {
	switch {
	case m.parts == 1:
		return sum
	case task == objects:
		return sum & 3
	default:
		return sum &^ 3
	}
}
