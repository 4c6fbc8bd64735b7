package stats

import "github.com/seed-56345083/reprise/internal/logline"

// input is one line as the measures see it: the wanted fields by slot, and their numbers, each read once.
type input struct {
	values []logline.Value
	nums   []num
	ts     logline.Time
}

// next forgets the numbers of the line before.
func (in *input) next() {
	for i := range in.nums {
		in.nums[i].kind = numUnread
	}
}

// number is the number in a slot, read at most once a line.
func (in *input) number(slot int) *num {
	n := &in.nums[slot]
	if n.kind == numUnread {
		*n = numberIn(in.values[slot])
	}
	return n
}
