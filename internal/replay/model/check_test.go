package model

import (
	"fmt"

	"github.com/seed-56345083/reprise/internal/statespace"
)

// process says who does a step.
type process uint8

const (
	letters process = 4 + iota
	hand
	chance
)

func (p process) String() string {
	return [...]string{"worker 1", "worker 2", "watcher 1", "watcher 2", "dead letters", "operator", "chance"}[p]
}

// label names a step.
type label struct {
	who  process
	what string
	on   uint8 // the task; tasks: none
	fair bool  // it happens in the end, if nothing else does: no fault, and nobody's hand
}

func (l label) String() string {
	on := [...]string{" [object a]", " [object b]", " [part 0]", " [part 1]", ""}[l.on]
	return fmt.Sprintf("%-12s %s%s", l.who, l.what, on)
}

// emitter takes a step and what it leads to.
type emitter func(label, state)

// next emits all that can happen in a state.
func (m *space) next(s *state, emit emitter) {
	for i := range s.workers {
		m.worker(s, i, emit)
	}
	for i := range m.watchers {
		m.watcher(s, i, emit)
	}
	m.deadLetters(s, emit)
	m.operator(s, emit)
	m.world(s, emit)
}

// result is what a search has found.
type result = statespace.Result[label]

// run searches a space of at most limit states.
func (m *space) run(limit int) result { return statespace.Search[state, label](searched{m}, limit) }

// searched is a space as the search sees it.
type searched struct{ *space }

func (m searched) Start() state { return m.start() }

func (m searched) Next(s *state, emit func(label, bool, state)) {
	m.next(s, func(l label, n state) { emit(l, l.fair, n) })
}

// Form gives states that differ by the names of the workers one form.
func (m searched) Form(s *state) { s.ordered() }

func (m searched) Broken(before, after *state) string { return m.broken(before, after) }

func (m searched) End(s *state) bool { return m.end(s) || !m.minds(stuckForEver) }

// What must hold. The search names the first that does not.
const (
	goneBack     = "a FINISHED cursor has gone back"
	takenBack    = "lines that were committed are taken back"
	notItsLines  = "a partial is not of the lines up to its position"
	otherContent = "a partial is of another content than its cursor"
	healthyFails = "a healthy object is FAILED"
	verdictLost  = "a FAILED object is in no dead-letter queue"
	openReceipts = "a fold is promoted whose receipts do not close"
	wrongFold    = "a fold is promoted whose rows are not those of the FINISHED objects"
	wrongRows    = "readers read rows that are not those of the FINISHED objects"
	openForRead  = "an object is open that readers take for counted"
	notAccepted  = "an object is left out that nobody has accepted"
	tagLeft      = "a tag is left when all is over"
	stuckForEver = statespace.Stuck
)

// broken says what a step breaks of that which must hold, "" for nothing.
func (m *space) broken(s, n *state) string {
	for o := range m.objects {
		before, c := &s.cursors[o], &n.cursors[o]
		switch {
		case before.state == finished && c.state != finished && m.minds(goneBack):
			return goneBack
		case c.line < before.line && before.state != failed && m.minds(takenBack):
			return takenBack
		case c.sum != upTo(c.line) && m.minds(notItsLines):
			return notItsLines
		case c.line > 0 && c.of != c.etag && m.minds(otherContent):
			return otherContent
		case c.state == failed && m.kinds[o] == healthy && !m.weak && m.minds(healthyFails):
			return healthyFails
		case c.state == failed && m.may&lose == 0 && n.replay != finished && n.unseen(uint8(o)) && m.minds(verdictLost):
			return verdictLost
		}
	}
	if !n.promoted {
		return ""
	}
	right := true
	for p := range m.parts {
		right = right && m.right(n, p)
	}
	open, failures := n.open()
	switch {
	case !s.promoted && !m.receiptsClose(n) && m.minds(openReceipts):
		return openReceipts
	case !s.promoted && m.receiptsClose(n) && !right && m.minds(wrongFold):
		return wrongFold
	case open && m.minds(openForRead):
		return openForRead
	case failures > n.accepted && m.minds(notAccepted):
		return notAccepted
	case !right && m.minds(wrongRows):
		return wrongRows
	case m.tags && n.replay == finished && n.tagged != [objects]bool{} && m.quiet(n) && m.minds(tagLeft):
		return tagLeft
	}
	return ""
}

// minds says that a search looks for this.
func (m *space) minds(what string) bool { return m.only == "" || m.only == what }

// unseen says that no message leads to an object any more.
func (s *state) unseen(task uint8) bool {
	for _, w := range s.workers {
		if w.at != idle && w.task == task {
			return false
		}
	}
	return s.dead[task]+s.visible[task] == 0 && (s.judge.at == idle || s.judge.task != task)
}

// end says that nothing is left to be done, or nothing but by hand.
func (m *space) end(s *state) bool {
	return s.replay == finished && s.idle() || s.held()
}
