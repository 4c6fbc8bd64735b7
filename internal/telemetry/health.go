package telemetry

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Health is whether a process works: each of its loops has a Pulse that beats, and each thing that it cannot work without has
// answered once. Its methods may be called by any number of goroutines, and on nil.
type Health struct {
	mu       sync.Mutex
	pulses   map[string]*Pulse
	needs    map[string]string // what has not answered yet, and why
	draining bool
}

// NewHealth makes one of a process that has no loop yet and needs nothing.
func NewHealth() *Health {
	return &Health{pulses: map[string]*Pulse{}, needs: map[string]string{}}
}

// Pulse is one loop's. Its methods may be called by any number of goroutines, and on nil.
type Pulse struct {
	h       *Health
	name    string
	silence time.Duration
	until   atomic.Int64 // nanoseconds since 1970: so long the loop counts as alive
	begun   atomic.Bool
}

// Pulse adds a loop, which counts as dead when it has not beaten for so long. Names are unique at a time.
func (h *Health) Pulse(name string, silence time.Duration) *Pulse {
	if h == nil {
		return nil
	}
	p := &Pulse{h: h, name: name, silence: silence}
	p.allow(silence)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.pulses[name] = p
	return p
}

// Beat says that the loop goes on.
func (p *Pulse) Beat() {
	if p != nil {
		p.allow(p.silence)
		p.begun.Store(true)
	}
}

// Allow says that the loop goes on, and does something now that takes so long.
func (p *Pulse) Allow(d time.Duration) {
	if p != nil {
		p.allow(d + p.silence)
		p.begun.Store(true)
	}
}

func (p *Pulse) allow(d time.Duration) {
	until := time.Now().Add(d).UnixNano()
	for {
		before := p.until.Load()
		if until <= before || p.until.CompareAndSwap(before, until) {
			return
		}
	}
}

// End takes the loop out: it has come to its end.
func (p *Pulse) End() {
	if p == nil {
		return
	}
	p.h.mu.Lock()
	defer p.h.mu.Unlock()
	if p.h.pulses[p.name] == p {
		delete(p.h.pulses, p.name)
	}
}

// Need says that the process is not ready before something has answered; why tells what it has said until then.
func (h *Health) Need(name, why string) {
	if h == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.needs[name] = why
}

// Answered says that it has.
func (h *Health) Answered(name string) {
	if h == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.needs, name)
}

// Drain says that the process stops: it is not ready any more, and its loops may end.
func (h *Health) Drain() {
	if h == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.draining = true
}

// Report is what a process says of itself.
type Report struct {
	OK     bool             `json:"ok"`
	Status string           `json:"status"` // in a word or two
	Checks map[string]Check `json:"checks"` // by the name of the loop or the need
}

// Check is one part of a Report.
type Check struct {
	OK  bool   `json:"ok"`
	Why string `json:"why,omitempty"` // what is wrong
}

// Live tells whether the loops are alive. While the process stops they may have ended, and nothing is wrong with that.
func (h *Health) Live() Report {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.draining {
		return Report{OK: true, Status: "stopping", Checks: map[string]Check{}}
	}
	return h.alive()
}

func (h *Health) alive() Report {
	r := Report{OK: true, Status: "alive", Checks: map[string]Check{}}
	now := time.Now().UnixNano()
	for name, p := range h.pulses {
		c := Check{OK: true}
		if late := now - p.until.Load(); late > 0 {
			c = Check{Why: fmt.Sprintf("has not got on for %v", (time.Duration(late) + p.silence).Round(time.Second))}
			r.OK, r.Status = false, "a loop stands still"
		}
		r.Checks[name] = c
	}
	return r
}

// Ready tells whether the process does its work: it does not stop, all its loops have begun and are alive, and everything that it
// needs has answered once.
func (h *Health) Ready() Report {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.draining {
		return Report{Status: "stopping", Checks: map[string]Check{}}
	}
	r := h.alive()
	if r.OK {
		r.Status = "ready"
	}
	for name, p := range h.pulses {
		if !p.begun.Load() {
			r.not(name, "has not begun yet")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(h.needs)) {
		r.not(name, h.needs[name])
	}
	return r
}

func (r *Report) not(name, why string) {
	if r.OK {
		r.OK, r.Status = false, "beginning"
	}
	r.Checks[name] = Check{Why: why}
}
