package crashpoints_test

import (
	"context"
	"time"

	"github.com/seed-56345083/reprise/internal/archive"
	"github.com/seed-56345083/reprise/internal/faults"
	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/replay"
	"github.com/seed-56345083/reprise/queue"
	"github.com/seed-56345083/reprise/worker"
)

// process is one process of the product: an operator and watcher, and a pool of one slot.
type process struct {
	s      *site
	name   string
	plan   *faults.Plan // nil: nothing fails
	driver *replay.Driver
	work   queue.Queue
	dead   queue.Queue
	ledger ledger.Ledger
	files  archive.Archive
}

// Times are short, because what waits polls, but they keep their order: a look and a lease are over before work is thought
// to be stuck, a chunk before its message comes back.
const (
	lookEvery  = time.Second
	stuckAfter = 2 * time.Second
	leaseFor   = 2 * time.Second
	visibility = 6 * time.Second
	chunkTime  = 4 * time.Second
	reserve    = time.Second
	drain      = 5 * time.Second
)

// process makes one; a plan decides about all its calls.
func (s *site) process(name string, plan *faults.Plan, change ...func(*replay.Options)) *process {
	s.t.Helper()
	p := &process{s: s, name: name, plan: plan, work: s.work, dead: s.dead, ledger: s.ledger, files: s.archive()}
	if plan != nil {
		p.work, p.dead = faults.Queue(p.work, plan), faults.Queue(p.dead, plan)
		p.ledger, p.files = faults.Ledger(p.ledger, plan), faults.Archive(p.files, plan)
	}
	o := replay.Options{
		Queue: p.work, DeadLetters: p.dead, Ledger: p.ledger, Archive: p.files, Owner: name,
		Interval: lookEvery, StuckAfter: stuckAfter, Lease: leaseFor, RowsPerPart: 5, PageSize: 2,
	}
	for _, c := range change {
		c(&o)
	}
	var err error
	p.driver, err = replay.New(o)
	s.check(err)
	return p
}

// died reports whether the process has met its end.
func (p *process) died() bool { return p.plan != nil && p.plan.Dead() }

// look has the watcher look, every second, until something has happened, and gives up after a while: what a fault has made
// impossible for this process is for the next one.
func (p *process) look(happened func() bool) {
	for range 20 {
		if p.died() || happened() {
			return
		}
		_ = p.driver.Look(context.Background())
		if p.died() || happened() {
			return
		}
		pass(lookEvery)
	}
}

// start runs the pool until stop is called; stop returns when every goroutine of it has ended.
func (p *process) start(change ...func(*worker.Options)) (stop func()) {
	p.s.t.Helper()
	o := worker.Options{
		Queue: p.work, DeadLetters: p.dead, Ledger: p.ledger, Archive: p.files, Name: p.name, Slots: 1,
		Visibility: visibility, ChunkTime: chunkTime, Reserve: reserve, Drain: drain, Memory: 1,
		Writes: 10 * time.Minute, // what was held up for long is written late, and not given up
	}
	for _, c := range change {
		c(&o)
	}
	w, err := worker.New(o)
	p.s.check(err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			p.s.t.Error(err)
		}
	}
}

// pool works until the queue is empty, and gives up after a while, as look does.
func (p *process) pool() {
	stop := p.start()
	defer stop()
	for range 600 {
		pass(97 * time.Millisecond)
		if p.died() || p.s.idle() {
			return
		}
	}
}

// recover is what everybody else does after one process was cut off: a pool and a watcher, until it has happened and the
// queue is empty.
func (s *site) recover(what string, happened func() bool) {
	s.t.Helper()
	p := s.process("recovery", nil, func(o *replay.Options) {
		if !s.lost {
			o.StuckAfter = time.Hour // no message may be lost where nobody has lost one
		}
	})
	stop := p.start()
	ctx, cancel := context.WithCancel(context.Background())
	watched := make(chan error, 1)
	go func() { watched <- p.driver.Watch(ctx) }()
	defer func() {
		cancel()
		stop()
		s.check(<-watched)
	}()
	s.until(what, func() bool { return happened() && s.idle() })
}
