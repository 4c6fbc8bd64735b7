package model

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
