package model_test

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-56345083/reprise/internal/faults"
)

// actor is a process of the product that stops before each of its calls to a contract, until the scheduler lets it make it.
type actor struct {
	plan *faults.Plan
	mu   sync.Mutex
	held []call // oldest first
	over bool
}

type call struct {
	name string
	goOn chan faults.Fault
}

// newActor begins what an actor does. It must run inside a bubble of virtual time.
func newActor(act func(*faults.Plan)) *actor {
	a := &actor{}
	a.plan = faults.Ask(a.hold)
	go func() {
		act(a.plan)
		a.mu.Lock()
		defer a.mu.Unlock()
		a.over = true
	}()
	return a
}

func (a *actor) hold(name string) faults.Fault {
	c := call{name: name, goOn: make(chan faults.Fault)}
	a.mu.Lock()
	a.held = append(a.held, c)
	a.mu.Unlock()
	return <-c.goOn
}

// next is the call that the actor stands before, if it does.
func (a *actor) next() (c call, held, over bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.held) == 0 {
		return call{}, false, a.over
	}
	c = a.held[0]
	a.held = a.held[1:]
	return c, true, a.over
}

// schedule says who acts when: legs first, then each to its end, in the order of the cast.
type schedule struct {
	legs  []leg
	fault faults.Fault // that one call meets; None: all goes well
	at    int          // which one
}

// leg lets an actor make so many writes (toEnd: all), until it stands before the next one. In between, a stop would
// change nothing: what was read before a write is as old as it can be.
type leg struct {
	actor  int
	writes int
}

const toEnd = endless

func (s schedule) String() string {
	return fmt.Sprintf("legs %v, call %d: %v", s.legs, s.at, s.fault)
}

// isWrite tells calls that others see something of. Leases save work only.
func isWrite(call string) bool {
	switch call {
	case "ledger.Write", "ledger.Insert", "ledger.Purge", "archive.Create", "entries.Put", "entries.Count", "entries.OpenBatch",
		"entries.Join", "entries.ClaimBatch", "entries.Archived", "entries.DoneBatch":
		return true
	}
	return false
}

// made is a call that was made.
type made struct {
	actor int
	name  string
}

// patience bounds the virtual time that an actor may stand still, and the calls that it makes in a row while it waits for
// another. Then it is the others' turn.
const (
	patience = 2 * time.Minute
	tick     = 20 * time.Millisecond
	inARow   = 300
	endless  = 5000
)

// run lets the actors act as the schedule says, until all are over, and returns what they did. It looks after each call.
func (s schedule) run(t *testing.T, actors []*actor, look func()) (calls []made) {
	t.Helper()
	legs := s.legs
	for now := (leg{len(actors) - 1, 0}); len(calls) < endless; { // nobody, so far
		if len(legs) > 0 {
			now, legs = legs[0], legs[1:]
		} else {
			next, left := others(actors, now.actor)
			if !left {
				return calls
			}
			now = leg{next, toEnd}
		}
		calls = s.walk(now, actors[now.actor], calls, look)
	}
	t.Errorf("%v: no end after %d calls", s, endless)
	return calls
}

// walk lets one actor go, until its leg is over, it is, or it only waits for somebody else.
func (s schedule) walk(l leg, a *actor, calls []made, look func()) []made {
	for range inARow {
		synctest.Wait()
		c, held := await(a)
		if !held {
			break
		}
		if isWrite(c.name) {
			if l.writes == 0 {
				a.putBack(c)
				break
			}
			l.writes--
		}
		f := faults.None
		if s.fault != faults.None && len(calls) == s.at {
			f = s.fault
		}
		calls = append(calls, made{l.actor, c.name})
		c.goOn <- f
		synctest.Wait()
		look()
	}
	return calls
}

// await waits until an actor stands before a call, or is over, or has stood still for long.
func await(a *actor) (call, bool) {
	for began := time.Now(); ; {
		c, held, over := a.next()
		if held || over || time.Since(began) > patience {
			return c, held
		}
		<-time.After(tick)
		synctest.Wait()
	}
}

func (a *actor) putBack(c call) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.held = append([]call{c}, a.held...)
}

// others is the next actor that is not over. It may be the same one.
func others(actors []*actor, now int) (next int, left bool) {
	for i := range actors {
		next = (now + 1 + i) % len(actors)
		a := actors[next]
		a.mu.Lock()
		over := a.over && len(a.held) == 0
		a.mu.Unlock()
		if !over {
			return next, true
		}
	}
	return now, false
}
