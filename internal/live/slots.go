package live

import (
	"math/rand/v2"
	"sync"
)

// slots picks the live part that a transaction writes to: any that no other transaction of this process is writing to, so
// that only other processes can get in the way.
type slots struct {
	n    int
	mu   sync.Mutex
	busy map[slot]int // transactions of this process
}

type slot struct {
	key
	number int
}

// take picks a slot at random, another one than that to be avoided (-1: none) where there is one. The caller calls done.
func (s *slots) take(k key, avoid int) (number int, done func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy == nil {
		s.busy = map[slot]int{}
	}
	var idle []int
	for i := range s.n {
		if i != avoid && s.busy[slot{k, i}] == 0 {
			idle = append(idle, i)
		}
	}
	if len(idle) > 0 {
		number = idle[rand.IntN(len(idle))]
	} else {
		number = rand.IntN(s.n)
	}
	taken := slot{k, number}
	s.busy[taken]++
	return number, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.busy[taken]--; s.busy[taken] == 0 {
			delete(s.busy, taken)
		}
	}
}
