package worker

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/stats"
)

// programs compiles each generation's own definition once. The configuration of this process does not come into it:
// two versions of it may be in flight, and a generation must be counted by one.
type programs struct {
	ledger ledger.Ledger
	mu     sync.Mutex
	known  map[generation]*stats.Program
}

type generation struct {
	protocol string
	number   int64
}

// get returns the program of a generation; stats.ErrVersion where this process cannot compile it.
func (p *programs) get(ctx context.Context, protocol string, number int64) (*stats.Program, error) {
	g := generation{protocol, number}
	p.mu.Lock()
	program := p.known[g]
	p.mu.Unlock()
	if program != nil {
		return program, nil
	}
	record, err := p.ledger.Generation(ctx, protocol, number)
	if err != nil {
		return nil, fmt.Errorf("reading generation %d of %s: %w", number, protocol, err)
	}
	definition, err := stats.DecodeDefinition(record.Definition)
	if err == nil {
		program, err = stats.Compile(definition)
	}
	if err != nil {
		// Whatever is wrong with it, another version of this program made it: that one can compile it.
		return nil, fmt.Errorf("%w: compiling generation %d of %s: %w", stats.ErrVersion, number, protocol, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.known == nil || len(p.known) >= 1000 { // far more than are ever in work at once
		p.known = map[generation]*stats.Program{}
	}
	p.known[g] = program
	return program, nil
}

// replays remembers replay records for a moment. What it serves may be a little old: that costs a wasted claim, never
// a wrong count, because every write is conditional on the cursor itself.
type replays struct {
	ledger ledger.Ledger
	age    time.Duration // how old a record may be that is served
	mu     sync.Mutex
	known  map[string]seenReplay
}

type seenReplay struct {
	record ledger.Replay
	at     time.Time
}

const replayAge = time.Second

func (r *replays) get(ctx context.Context, id string, fresh bool) (ledger.Replay, error) {
	if fresh {
		return r.within(ctx, id, 0)
	}
	return r.within(ctx, id, r.age)
}

// within is the record as it was less than age ago, reckoned from before it was read.
func (r *replays) within(ctx context.Context, id string, age time.Duration) (ledger.Replay, error) {
	r.mu.Lock()
	seen, ok := r.known[id]
	r.mu.Unlock()
	if ok && time.Since(seen.at) < age {
		return seen.record, nil
	}
	at := time.Now()
	record, err := r.ledger.Replay(ctx, id)
	if err != nil {
		return ledger.Replay{}, fmt.Errorf("reading replay %s: %w", id, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.known == nil || len(r.known) >= 1000 {
		r.known = map[string]seenReplay{}
	}
	r.known[id] = seenReplay{record, at}
	return record, nil
}
