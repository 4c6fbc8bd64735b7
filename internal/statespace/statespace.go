// Package statespace searches all states of a small model for one that breaks what must hold, and for one that nothing
// leads out of. It is for tests: a model is a few hundred lines that say what each process may do next.
//
//	r := statespace.Search[state, label](m, 1_000_000)
//	if r.Broken != "" {
//		t.Error(r) // with the shortest way to it
//	}
//
// The states are held in memory, some 100 bytes each; a search makes about a million steps a second.
package statespace

import (
	"fmt"
	"hash/maphash"
	"slices"
	"strings"
)

// Model is what is searched. S holds all that is remembered anywhere; L says what a step was.
type Model[S comparable, L any] interface {
	// Start is the state that all begins with.
	Start() S
	// Next emits every step that can be taken in s, and where it leads. A fair step happens in the end if nothing else does: it
	// is no fault, and nobody's hand. The order must be the same each time.
	Next(s *S, emit func(step L, fair bool, to S))
	// Form gives states that differ by names alone one form, for which the same holds.
	Form(s *S)
	// Broken says what a step breaks of that which must hold; "": nothing.
	Broken(before, after *S) string
	// End says that nothing is left to be done in s.
	End(s *S) bool
}

// Stuck is what Result.Broken says of a state from which no fair steps lead to an end.
const Stuck = "no fair way leads to an end"

// Result is what a search has found.
type Result[L any] struct {
	States, Steps, Depth int
	Broken               string // "": everything holds
	Trace                []L    // the shortest way to it
}

// String tells what was broken and how.
func (r Result[L]) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, after %d steps", r.Broken, len(r.Trace))
	for i, l := range r.Trace {
		fmt.Fprintf(&b, "\n%3d  %v", i+1, l)
	}
	return b.String()
}

type search[S comparable, L any] struct {
	m      Model[S, L]
	index  map[uint64]int32
	states []S
	from   []int32
	seed   maphash.Seed
	fair   []int32 // where fair steps lead to, state after state
	ends   []int32 // of each state's share of fair
	result Result[L]
}

// Search goes through all states, nearest first, and ends at the first step that breaks something. If none does, it looks
// for states from which no fair way leads to an end. A space of more than limit states is broken too.
func Search[S comparable, L any](m Model[S, L], limit int) Result[L] {
	x := &search[S, L]{m: m, index: map[uint64]int32{}, seed: maphash.MakeSeed()}
	x.add(m.Start(), -1)
	last := 1 // of the depth
	for i := 0; i < len(x.states); i++ {
		if i == last {
			last = len(x.states)
			x.result.Depth++
		}
		x.visit(int32(i))
		if x.result.Broken == "" && len(x.states) > limit {
			x.result.Broken = fmt.Sprintf("the space has more than %d states", limit)
		}
		if x.result.Broken != "" {
			break
		}
	}
	x.result.States = len(x.states)
	if x.result.Broken == "" {
		if i := x.stuck(); i >= 0 {
			x.result.Broken = Stuck
			x.result.Trace, _ = x.trace(i)
		}
	}
	return x.result
}

// visit takes all steps out of a state.
func (x *search[S, L]) visit(i int32) {
	s := x.states[i]
	x.m.Next(&s, func(_ L, fair bool, n S) {
		if x.result.Broken != "" {
			return
		}
		x.result.Steps++
		if why := x.m.Broken(&s, &n); why != "" {
			x.result.Broken = why
			x.result.Trace = x.traceOver(i, why)
			return
		}
		x.m.Form(&n)
		if to := x.add(n, i); fair && to != i {
			x.fair = append(x.fair, to)
		}
	})
	x.ends = append(x.ends, int32(len(x.fair)))
}

// add gives a state its number. States with the same hash stand one after the other.
func (x *search[S, L]) add(s S, from int32) int32 {
	for hash := maphash.Comparable(x.seed, s); ; hash++ {
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
func (x *search[S, L]) stuck() int32 {
	good := make([]bool, len(x.states))
	for i := range x.states {
		good[i] = x.m.End(&x.states[i])
	}
	for changed := true; changed; {
		changed = false
		for i := len(good) - 1; i >= 0; i-- {
			first := int32(0)
			if i > 0 {
				first = x.ends[i-1]
			}
			if !good[i] && slices.ContainsFunc(x.fair[first:x.ends[i]], func(to int32) bool { return good[to] }) {
				good[i], changed = true, true
			}
		}
	}
	return int32(slices.Index(good, false))
}

// trace goes the way to a state again, in the names that its beginning had.
func (x *search[S, L]) trace(to int32) ([]L, S) {
	var way []int32
	for i := to; i > 0; i = x.from[i] {
		way = append(way, i)
	}
	slices.Reverse(way)
	s := x.states[0]
	steps := make([]L, 0, len(way)+1)
	for _, i := range way {
		found := false
		var step L
		var after S
		x.m.Next(&s, func(l L, _ bool, n S) {
			form := n
			if x.m.Form(&form); !found && form == x.states[i] {
				found, step, after = true, l, n
			}
		})
		steps, s = append(steps, step), after
	}
	return steps, s
}

// traceOver is the way to a state, and the step out of it that breaks something.
func (x *search[S, L]) traceOver(i int32, why string) []L {
	steps, s := x.trace(i)
	found := false
	x.m.Next(&s, func(l L, _ bool, n S) {
		if !found && x.m.Broken(&s, &n) == why {
			found = true
			steps = append(steps, l)
		}
	})
	return steps
}
