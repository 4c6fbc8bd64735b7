package statespace_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/seed-56345083/reprise/internal/statespace"
)

// jugs is the puzzle of a jug of three litres and one of five.
type jugs struct {
	never    [2]int // a state that must not be reached
	drain    bool   // a hole that nobody closes: a state that nothing leads out of
	emptying bool   // emptying is fair
}

func (j jugs) Start() [2]int      { return [2]int{} }
func (j jugs) Form(*[2]int)       {}
func (j jugs) End(s *[2]int) bool { return *s == [2]int{} }

func (j jugs) Broken(_, after *[2]int) string {
	if j.never != [2]int{} && *after == j.never {
		return "reached"
	}
	return ""
}

func (j jugs) Next(s *[2]int, emit func(string, bool, [2]int)) {
	size := [2]int{3, 5}
	if s[0] < 0 {
		return
	}
	if j.drain && *s == [2]int{3, 5} {
		emit("both break", true, [2]int{-1, -1})
	}
	for i := range s {
		o := 1 - i
		full, empty, over := *s, *s, *s
		full[i], empty[i] = size[i], 0
		n := min(s[i], size[o]-s[o])
		over[i], over[o] = s[i]-n, s[o]+n
		emit(fmt.Sprintf("fill %d", size[i]), false, full)
		emit(fmt.Sprintf("empty %d", size[i]), j.emptying, empty)
		emit(fmt.Sprintf("pour %d over", size[i]), false, over)
	}
}

func TestSearchFindsTheShortestWay(t *testing.T) {
	t.Parallel()
	r := statespace.Search[[2]int, string](jugs{never: [2]int{0, 4}, emptying: true}, 100)
	if r.Broken != "reached" || len(r.Trace) != 7 {
		t.Errorf("found %v, want four litres after 7 steps", r)
	}
	if text := r.String(); !strings.HasPrefix(text, "reached, after 7 steps\n  1  fill ") {
		t.Errorf("it tells %q", text)
	}
}

func TestSearchGoesThroughAllStates(t *testing.T) {
	t.Parallel()
	r := statespace.Search[[2]int, string](jugs{emptying: true}, 100)
	if r.Broken != "" || r.States != 16 { // one of both is always full or empty
		t.Errorf("found %v in %d states, want nothing in 16", r, r.States)
	}
}

func TestSearchFindsWhatNothingLeadsOutOf(t *testing.T) {
	t.Parallel()
	if r := statespace.Search[[2]int, string](jugs{drain: true, emptying: true}, 100); r.Broken != statespace.Stuck || len(r.Trace) != 3 {
		t.Errorf("found %v, want the broken jugs after 3 steps", r)
	}
	if r := statespace.Search[[2]int, string](jugs{}, 100); r.Broken != statespace.Stuck || len(r.Trace) != 1 {
		t.Errorf("found %v, want a jug that nobody must empty", r)
	}
}

func TestSearchEndsAtItsLimit(t *testing.T) {
	t.Parallel()
	if r := statespace.Search[[2]int, string](jugs{emptying: true}, 10); r.Broken != "the space has more than 10 states" {
		t.Errorf("found %v", r)
	}
}
