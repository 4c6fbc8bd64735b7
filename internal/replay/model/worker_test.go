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
	atFence
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
		case s.replay == finished: // errOver
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
			if w.at = atDelete; m.has(overClears) && m.tags && isObject(task) {
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
