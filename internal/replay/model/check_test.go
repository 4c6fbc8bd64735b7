package model

import (
	"fmt"
	"hash/maphash"
	"slices"
	"strings"
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
type result struct {
	states, steps, depth int
	broken               string // the invariant; "": none
	trace                []label
}

// search goes through all states, nearest first, and ends at the first step that breaks what must hold. If none does,
// it looks for states from which no fair way leads to an end.
type search struct {
	m      *space
	index  map[uint64]int32
	states []state
	from   []int32
	seed   maphash.Seed
}

// run searches a space of at most limit states.
func (m *space) run(limit int) result {
	x := &search{m: m, index: map[uint64]int32{}, seed: maphash.MakeSeed()}
	x.add(m.start(), -1)
	var r result
	fair := make([]int32, 0, 1<<16) // where fair steps lead to, state after state
	ends := make([]int32, 0, 1<<16) // of each state's share of fair
	last, width := 1, 0             // of the depth
	for i := 0; i < len(x.states); i++ {
		if i == last {
			last, width = len(x.states), width+1
		}
		s := x.states[i]
		m.next(&s, func(l label, n state) {
			if r.broken != "" {
				return
			}
			r.steps++
			if why := m.broken(&s, &n); why != "" {
				r.broken = why
				way, at := x.trace(int32(i))
				m.next(&at, func(l label, n state) { // the same step, under its own name
					if len(r.trace) == 0 && m.broken(&at, &n) == why {
						way = append(way, l)
						r.trace = way
					}
				})
				return
			}
			n.ordered()
			if to := x.add(n, int32(i)); l.fair && to != int32(i) {
				fair = append(fair, to)
			}
		})
		ends = append(ends, int32(len(fair)))
		if r.broken == "" && len(x.states) > limit {
			r.broken = fmt.Sprintf("the space has more than %d states", limit)
		}
		if r.broken != "" {
			r.states, r.depth = len(x.states), width+1
			return r
		}
	}
	r.states, r.depth = len(x.states), width
	if stuck := x.stuck(fair, ends); stuck >= 0 && m.minds(stuckForEver) {
		r.broken = stuckForEver
		r.trace, _ = x.trace(stuck)
	}
	return r
}

// add gives a state its number. States with the same hash stand one after the other.
func (x *search) add(s state, from int32) int32 {
	hash := maphash.Comparable(x.seed, s)
	for ; ; hash++ {
		i, ok := x.index[hash]
		if !ok {
			i = int32(len(x.states))
			x.index[hash] = i
			x.states = append(x.states, s)
			x.from = append(x.from, from)
			return i
		}
		if x.states[i] == s {
			return i
		}
	}
}

// stuck returns the first state without a fair way to an end, or -1.
func (x *search) stuck(fair, ends []int32) int32 {
	good := make([]bool, len(x.states))
	for i := range x.states {
		good[i] = x.m.end(&x.states[i])
	}
	for changed := true; changed; {
		changed = false
		for i := len(good) - 1; i >= 0; i-- {
			first := int32(0)
			if i > 0 {
				first = ends[i-1]
			}
			if !good[i] && slices.ContainsFunc(fair[first:ends[i]], func(to int32) bool { return good[to] }) {
				good[i], changed = true, true
			}
		}
	}
	return int32(slices.Index(good, false))
}

// trace goes the way to a state again, with each worker under its own name.
func (x *search) trace(to int32) ([]label, state) {
	var way []int32
	for i := to; i > 0; i = x.from[i] {
		way = append(way, i)
	}
	slices.Reverse(way)
	s := x.states[0]
	labels := make([]label, 0, len(way)+1)
	for _, i := range way {
		var step *label
		var after state
		x.m.next(&s, func(l label, n state) {
			form := n
			if form.ordered(); step == nil && form == x.states[i] {
				step, after = &l, n
			}
		})
		labels, s = append(labels, *step), after
	}
	return labels, s
}

func (r result) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, after %d steps", r.broken, len(r.trace))
	for i, l := range r.trace {
		fmt.Fprintf(&b, "\n%3d  %s", i+1, l)
	}
	return b.String()
}

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
	stuckForEver = "no fair way leads to an end"
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
