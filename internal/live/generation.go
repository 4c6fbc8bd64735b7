package live

import (
	"context"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/stats"
)

// generation is one generation as entries are counted in it.
type generation struct {
	protocol string
	number   int64
	cutoff   time.Time // lines at or before it are the replay's; zero: none is
	program  *stats.Program
}

// key names the generation where several are kept.
type key struct {
	protocol string
	number   int64
}

func (g *generation) key() key { return key{g.protocol, g.number} }

// part is one of the generation's live parts.
func (g *generation) part(name string) ledger.Part {
	return ledger.Part{Protocol: g.protocol, Generation: g.number, Name: name}
}

// programs compiles each generation's own definition once. The configuration of this process does not come into it.
type programs struct {
	mu    sync.Mutex
	known map[compiled]*stats.Program
}

type compiled struct {
	key
	hash string
}

// maxPrograms is far more than are ever counted at once.
const maxPrograms = 1000

// get reads a generation; stats.ErrVersion where this process cannot compile its definition.
func (p *programs) get(ctx context.Context, l ledger.Meta, protocol string, number int64) (*generation, error) {
	record, err := l.Generation(ctx, protocol, number)
	if err != nil {
		return nil, fmt.Errorf("reading generation %d of %s: %w", number, protocol, err)
	}
	g := &generation{protocol: protocol, number: number, cutoff: record.Cutoff}
	name := compiled{g.key(), record.Hash}
	p.mu.Lock()
	g.program = p.known[name]
	p.mu.Unlock()
	if g.program != nil {
		return g, nil
	}
	definition, err := stats.DecodeDefinition(record.Definition)
	if err == nil {
		g.program, err = stats.Compile(definition)
	}
	if err != nil {
		// Whatever is wrong with it, another version of this program made it: that one can compile it.
		return nil, fmt.Errorf("%w: compiling generation %d of %s: %w", stats.ErrVersion, number, protocol, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.known == nil || len(p.known) >= maxPrograms {
		p.known = map[compiled]*stats.Program{}
	}
	p.known[name] = g.program
	return g, nil
}

// nanos is a time as lines have it; times that no line can have become the next that one can.
func nanos(t time.Time) int64 {
	switch {
	case t.Before(time.Unix(0, math.MinInt64)):
		return math.MinInt64
	case t.After(time.Unix(0, math.MaxInt64)):
		return math.MaxInt64
	default:
		return t.UnixNano()
	}
}
