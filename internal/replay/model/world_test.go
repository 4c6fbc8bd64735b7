package model

// deadLetters is Driver.readDeadLetters: what it takes is invisible until it is done.
func (m *space) deadLetters(s *state, emit emitter) {
	j := &s.judge
	step := func(what string, change func(n *state, j *judge)) {
		n := *s
		change(&n, &n.judge)
		l := label{who: letters, what: what, on: max(j.task, n.judge.task), fair: true}
		if n.judge.at == idle {
			n.judge = judge{}
		}
		emit(l, n)
	}
	keep := func(n *state, j *judge) { n.bury(j.task); j.at = idle }
	if j.at != idle && m.may&abort != 0 && s.faults > 0 {
		n := *s
		n.faults--
		if j.at != atTagFailed {
			n.bury(j.task)
		}
		n.judge = judge{}
		emit(label{who: letters, what: "is cut off", on: j.task}, n)
	}
	switch j.at {
	case idle: // queue.Move receives, Driver.judge reads replay and cursor; what it would keep is not worth a step
		if m.watchers == 1 && s.watchers[0].at != idle { // Driver.Look does one after the other
			return
		}
		for task := range uint8(tasks) {
			if s.dead[task] == 0 {
				continue
			}
			c := &s.cursors[task]
			over := s.replay == finished || s.promoted
			if m.clearsLetter(s, task) { // the proposed end of Driver.judge
				step("takes the tags off", func(n *state, _ *judge) { n.tagged[task] = false })
				continue
			}
			var next judge
			switch {
			case c.state == finished, !isObject(task) && over:
				next = judge{at: atDrop, task: task}
			case s.replay == finished, c.state == failed, c.state == processing && c.owned:
				continue
			case c.attempts < m.attempts:
				next = judge{at: atSendBack, task: task}
			default:
				next = judge{at: atSettle, task: task, mine: true}
			}
			step(verdicts[next.at], func(n *state, j *judge) { n.dead[task]--; *j = next })
		}
	case atDrop:
		step("drops it", func(_ *state, j *judge) { j.at = idle })
	case atSendBack: // queue.Move: sent, then deleted
		step("sends it back", func(n *state, j *judge) { n.send(j.task); j.at = atDrop })
	case atSettle:
		step("writes FAILED", func(n *state, j *judge) {
			task := j.task
			if keep(n, j); m.settleFailed(n, task, j.mine) && m.tags && isObject(task) {
				j.at = atTagFailed
			}
		})
	case atTagFailed:
		step("tags", func(n *state, j *judge) {
			n.tagged[j.task] = true
			if j.at = idle; m.has(tagsAgain) {
				j.at = atLook
			}
		})
	case atLook:
		step("looks after the tags", func(n *state, j *judge) {
			if n.replay == finished || n.promoted {
				n.tagged[j.task] = false
			}
			j.at = idle
		})
	}
}

// clearsLetter says that a dead letter leads to tags that are to go.
func (m *space) clearsLetter(s *state, task uint8) bool {
	return m.has(deadClears) && isObject(task) && s.dead[task] > 0 && s.tagged[task] && (s.promoted || s.replay == finished)
}

// clears says that there is one.
func (m *space) clears(s *state) bool { return m.clearsLetter(s, 0) || m.clearsLetter(s, 1) }

var verdicts = map[place]string{
	atDrop: "judges a dead letter: done", atSendBack: "judges a dead letter: to be tried again", atSettle: "judges a dead letter: to be FAILED",
}

// operator emits what somebody may do by hand.
func (m *space) operator(s *state, emit emitter) {
	o := &s.operator
	step := func(what string, on uint8, change func(n *state, o *operator)) {
		n := *s
		change(&n, &n.operator)
		emit(label{who: hand, what: what, on: on}, n)
	}
	_, failures := s.open()
	switch {
	case o.at == atScanObjects: // Driver.accept: Summarize
		step("counts an object", tasks, func(n *state, o *operator) {
			switch n.cursors[o.index].state {
			case finished:
			case failed:
				o.failed++
			default:
				o.open++
			}
			if o.index++; int(o.index) == m.objects {
				o.at, o.index = atAccept, 0
			}
		})
	case o.at == atAccept: // Driver.accept: update
		step("accepts what is FAILED", tasks, func(n *state, o *operator) {
			if n.replay == running && o.open == 0 && o.failed > n.accepted {
				n.accepted = o.failed
				n.wrote()
			}
			*o = operator{}
		})
	case s.accepts > 0 && s.replay == running && failures > 0:
		step("runs finish --accept-failed", tasks, func(n *state, o *operator) { n.accepts--; o.at = atScanObjects })
	}
	if s.hands == 0 {
		return
	}
	for task := range uint8(m.objects) {
		if s.dead[task] == 0 || s.cursors[task].state != failed {
			continue
		}
		move := func(n *state, _ *operator) {
			n.hands--
			n.dead[task]--
			n.send(task)
		}
		step("moves the dead letter back", task, move)
		if s.content[task] == 0 && m.kinds[task] != healthy {
			step("replaces the object and moves the dead letter back", task, func(n *state, o *operator) {
				n.content[task] = 1
				move(n, o)
			})
		}
	}
}

// world emits what nobody does: time passes, and things go wrong.
func (m *space) world(s *state, emit emitter) {
	fault := func(what fault, text string, on uint8, change func(n *state)) {
		if s.faults == 0 || m.may&what == 0 || m.spare && isObject(on) {
			return
		}
		n := *s
		n.faults--
		change(&n)
		emit(label{who: chance, what: text, on: on}, n)
	}
	for i, w := range s.workers {
		if w.at == idle {
			continue
		}
		fault(crash, "kills "+process(i).String()+" at", w.task, func(n *state) { n.release(&n.workers[i]) })
		if w.receipt {
			fault(slow, "takes the message from "+process(i).String()+" of", w.task, func(n *state) {
				n.workers[i].receipt = false
				n.send(w.task)
			})
		}
	}
	for task := range uint8(tasks) {
		if s.cursors[task].owned {
			end := func(n *state) { n.cursors[task].owned = false }
			if m.atWork(s, task) {
				fault(expire, "ends the claim of", task, end)
			} else { // its owner is gone, or has nothing more to write
				n := *s
				end(&n)
				emit(label{who: chance, what: "lets the claim end of", on: task, fair: true}, n)
			}
		}
		if s.visible[task] == 0 {
			continue
		}
		fault(repeat, "repeats the message of", task, func(n *state) { n.send(task) })
		fault(lose, "loses the message of", task, func(n *state) { n.visible[task]-- })
		fault(wear, "dead-letters the message of", task, func(n *state) { n.visible[task]--; n.bury(task) })
	}
	if s.late.on {
		n := *s
		late := n.late
		n.late = write{}
		m.apply(&n, late)
		emit(label{who: chance, what: "delivers the late commit of", on: late.task}, n)
	}
}

// atWork says that somebody has the claim of a cursor in hand.
func (m *space) atWork(s *state, task uint8) bool {
	for _, w := range s.workers {
		if w.at != idle && w.task == task && w.mine {
			return true
		}
	}
	return false
}
