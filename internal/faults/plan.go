package faults

import (
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"sync"
)

var (
	// ErrInjected is a failure like those of a network: what happened is not known to the caller.
	ErrInjected = errors.New("injected fault")
	// ErrDead is what every call of a process answers after it has died.
	ErrDead = errors.New("process is dead")
)

// Fault is what happens to one call.
type Fault uint8

// The faults of a call.
const (
	None          Fault = iota
	Before              // the call is not made; an error is returned
	Reply               // the call is made, its reply lost: an error is returned
	DieBefore           // the process dies before the call: it is not made, and no later one
	DieAfter            // the process dies after the call: it is made, and no later one
	Sleep               // the process stands still before the call, and at every other one, until Wake
	faultsOfCalls       // how many there are
)

// The faults of a message; None as above.
const (
	Lose    Fault = iota + faultsOfCalls // it is never sent
	Repeat                               // it is sent twice
	Delay                                // it is sent later than it should be
	Reorder                              // a batch that was received is handed out in another order
)

var names = map[Fault]string{
	None: "none", Before: "before", Reply: "reply lost", DieBefore: "dies before", DieAfter: "dies after", Sleep: "sleeps",
	Lose: "lose", Repeat: "repeat", Delay: "delay", Reorder: "reorder",
}

// String gives the fault's name.
func (f Fault) String() string { return names[f] }

// Plan decides which fault each call and each message meets. It may be used by several goroutines; the order of their
// calls is then the order of its decisions.
type Plan struct {
	mu    sync.Mutex
	call  func(n int, name string) Fault
	item  func() Fault
	made  int      // calls so far
	calls []string // their names, where log asks for them
	log   bool
	steps bool          // each step of a sequence and each read of a body is a call of its own
	hit   bool          // a call has met a fault
	woken chan struct{} // nil: not asleep
	dead  bool
	ask   func(name string) Fault
}

// Rates are probabilities from 0 to 1, of calls and of messages.
type Rates struct {
	Before, Reply                float64 // of a call
	Lose, Repeat, Delay, Reorder float64 // of a message, or of a batch received
}

// Random draws faults from a seed. The same seed gives the same faults to the same sequence of calls.
func Random(seed uint64, r Rates) *Plan {
	dice := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // repeatable on purpose
	draw := func(kinds []Fault, rates []float64) Fault {
		x := dice.Float64()
		for i, rate := range rates {
			if x -= rate; x < 0 {
				return kinds[i]
			}
		}
		return None
	}
	return &Plan{
		call: func(int, string) Fault { return draw([]Fault{Before, Reply}, []float64{r.Before, r.Reply}) },
		item: func() Fault {
			return draw([]Fault{Lose, Repeat, Delay, Reorder}, []float64{r.Lose, r.Repeat, r.Delay, r.Reorder})
		},
	}
}

// Cut lets call number n (from 0) meet the fault f, and no other.
func Cut(n int, f Fault) *Plan {
	return &Plan{steps: true, call: func(at int, _ string) Fault {
		if at == n {
			return f
		}
		return None
	}}
}

// At lets call number n (from 0) of those of one name meet the fault f, and no other: a point that is the same one in
// every run, also where calls of several names are made at once.
func At(name string, n int, f Fault) *Plan {
	seen := -1
	return &Plan{log: true, steps: true, call: func(_ int, called string) Fault {
		if called == name {
			if seen++; seen == n {
				return f
			}
		}
		return None
	}}
}

// Count lets nothing fail and remembers the calls, for Calls. As under Cut and At, each step of a sequence (its items, and
// its end) and each read of a body is a call of its own.
func Count() *Plan { return &Plan{log: true, steps: true} }

// Ask lets a function decide about each call before it is made. It may hold the call up, and is called by any number of
// goroutines at once; after it has let the process die it is not asked any more.
func Ask(ask func(name string) Fault) *Plan { return &Plan{ask: ask} }

// Calls are the names of the calls that were made under Count or At, in their order: each is a point at which a process can
// die.
func (p *Plan) Calls() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.calls...)
}

// Reached reports how many calls there were.
func (p *Plan) Reached() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.made
}

// Dead reports whether the process has died at its point.
func (p *Plan) Dead() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dead
}

// Hit reports whether any call has met a fault: whether the point of Cut or At was reached.
func (p *Plan) Hit() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.hit
}

// Wake lets a process that sleeps go on with the calls that it stands at. Without one that sleeps it does nothing.
func (p *Plan) Wake() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.woken != nil {
		close(p.woken)
		p.woken = nil
	}
}

// next decides about a call, and holds it up where the process sleeps.
func (p *Plan) next(name string) Fault {
	if p.ask != nil {
		return p.asked(name)
	}
	f, woken := p.decide(name)
	if woken != nil {
		<-woken
	}
	return f
}

// asked is the decision of a function, which may take its time.
func (p *Plan) asked(name string) Fault {
	if p.Dead() {
		return DieBefore
	}
	f := p.ask(name)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.made++
	p.hit = p.hit || f != None
	p.dead = p.dead || f == DieBefore || f == DieAfter
	return f
}

func (p *Plan) decide(name string) (f Fault, woken <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.dead:
		return DieBefore, nil
	case p.woken != nil:
		return None, p.woken
	}
	n := p.made
	p.made++
	if p.log {
		p.calls = append(p.calls, name)
	}
	if p.call == nil {
		return None, nil
	}
	f = p.call(n, name)
	p.hit = p.hit || f != None
	p.dead = f == DieBefore || f == DieAfter
	if f == Sleep {
		p.woken = make(chan struct{})
		return None, p.woken
	}
	return f, nil
}

// nextItem decides about a message.
func (p *Plan) nextItem() Fault {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.item == nil {
		return None
	}
	return p.item()
}

// run makes a call as the plan decides. injected says that the error is the plan's, so that the caller must see nothing of
// what the call itself gave.
func (p *Plan) run(name string, call func() error) (injected bool, err error) {
	switch p.next(name) {
	case Before:
		return true, fmt.Errorf("%s: %w before the call", name, ErrInjected)
	case Reply:
		_ = call() // its reply is lost, whatever it was
		return true, fmt.Errorf("%s: %w, reply lost", name, ErrInjected)
	case DieBefore:
		return true, fmt.Errorf("%s: %w", name, ErrDead)
	case DieAfter:
		_ = call()
		return true, fmt.Errorf("%s: %w", name, ErrDead)
	default:
		return false, call()
	}
}

// each is a sequence whose beginning is a call, and where the plan asks for steps each item, and its end, is one as well:
// drivers read them in pages.
func each[T any](p *Plan, name string, seq iter.Seq2[T, error]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		if err := p.do(name, func() error { return nil }); err != nil {
			yield(none, err)
			return
		}
		for v, err := range seq {
			if e := p.step(name); e != nil {
				yield(none, e)
				return
			}
			if !yield(v, err) {
				return
			}
		}
		if err := p.step(name); err != nil {
			yield(none, err)
		}
	}
}

// step is a step of what the named call has begun.
func (p *Plan) step(name string) error {
	if !p.steps {
		return nil
	}
	return p.do(name+" step", func() error { return nil })
}

// do is run for calls without a result.
func (p *Plan) do(name string, call func() error) error {
	_, err := p.run(name, call)
	return err
}

// get is run for calls with a result, which is lost with the reply.
func get[T any](p *Plan, name string, call func() (T, error)) (T, error) {
	var result, none T
	injected, err := p.run(name, func() (err error) {
		result, err = call()
		return err
	})
	if injected {
		return none, err
	}
	return result, err
}
