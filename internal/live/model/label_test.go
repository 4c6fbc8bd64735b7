package model

import (
	"fmt"
	"strings"
)

// label names a step.
type label struct {
	what             string
	entry, batch, of uint8 // places + 1, and a generation; 0: of none
}

// String tells it as in "entry a counts in generation 2".
func (l label) String() string {
	var words []string
	if l.entry != 0 {
		words = append(words, "entry", string(rune('a'+l.entry-1)))
	}
	if l.entry == 0 && l.batch != 0 && l.of == 0 {
		words = append(words, fmt.Sprint("batch ", l.batch))
	}
	words = append(words, l.what)
	if l.batch != 0 && (l.entry != 0 || l.of != 0) {
		words = append(words, fmt.Sprint("batch ", l.batch))
	}
	if l.of != 0 {
		words = append(words, fmt.Sprint("generation ", l.of))
	}
	return strings.Join(words, " ")
}
