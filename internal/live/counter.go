package live

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"go.uber.org/zap"

	"github.com/seed-56345083/reprise/internal/entries"
	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/stats"
)

// Options are what counting needs. Zero numbers take the defaults.
type Options struct {
	Ledger  ledger.Ledger
	Entries entries.Entries

	Slots    int         // live parts of a generation that writers spread over (default 16, at most MaxSlots)
	Parallel int         // transactions of one call at once (default 4)
	Log      *zap.Logger // default: none
}

// MaxSlots is the most live parts: a compaction moves all rows of one key in one transaction.
const MaxSlots = entries.MaxItems

// Counter counts entries. It may be used by any number of goroutines.
type Counter struct {
	o        Options
	programs programs
	slots    slots
	often    often
}

// New makes a counter.
func New(o Options) (*Counter, error) {
	if o.Ledger == nil || o.Entries == nil {
		return nil, errors.New("live: a ledger and the entries are needed")
	}
	if o.Slots == 0 {
		o.Slots = 16
	}
	if o.Parallel == 0 {
		o.Parallel = 4
	}
	if o.Slots < 1 || o.Slots > MaxSlots || o.Parallel < 1 {
		return nil, fmt.Errorf("live: %d slots and %d transactions at once; use 1 to %d slots and at least 1 transaction", o.Slots, o.Parallel, MaxSlots)
	}
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	return &Counter{o: o, slots: slots{n: o.Slots}}, nil
}

// Count counts entries of one protocol in every generation that it counts live. Entries that are counted already, are in a batch
// or are gone need nothing. The error is a *CountError that names those that are not counted; all others are.
// The memory it takes is a small multiple of the lines given.
func (c *Counter) Count(ctx context.Context, protocol string, list []entries.Entry) error {
	failures := c.count(ctx, protocol, list)
	if len(failures) == 0 {
		return nil
	}
	return &CountError{Protocol: protocol, Of: len(list), Failures: failures}
}

// CountEach counts entries of any protocols and returns those that are not counted in every generation, each once, in the
// order of the list. One entry that the store refuses does not keep the others from being counted.
func (c *Counter) CountEach(ctx context.Context, list []entries.Entry) []Failure {
	byProtocol := map[string][]entries.Entry{}
	for _, e := range list {
		byProtocol[e.Protocol] = append(byProtocol[e.Protocol], e)
	}
	var why reasons
	for protocol, some := range byProtocol {
		for _, f := range c.count(ctx, protocol, some) {
			why.add(f.ID, f.Err)
		}
	}
	return why.of(list)
}

func (c *Counter) count(ctx context.Context, protocol string, list []entries.Entry) []Failure {
	var why reasons
	unique := unique(protocol, list, &why)
	if len(unique) == 0 {
		return why.of(list)
	}
	record, err := c.o.Ledger.Protocol(ctx, protocol)
	switch {
	case err != nil:
		why.all(unique, fmt.Errorf("reading protocol %s: %w", protocol, err))
	case len(record.Gens) == 0:
		why.all(unique, fmt.Errorf("%w: %s", ErrNoGeneration, protocol))
	default:
		call := &call{c: c, why: &why}
		for _, gens := range turns(record) {
			call.run(ctx, c.groups(ctx, protocol, gens, unique, &why))
		}
	}
	return why.of(list)
}

// unique leaves out what comes twice, because an entry is one item of a transaction and counts once, and refuses what is of
// another protocol.
func unique(protocol string, list []entries.Entry, why *reasons) []entries.Entry {
	seen := make(map[string]bool, len(list))
	once := make([]entries.Entry, 0, len(list))
	for _, e := range list {
		switch {
		case seen[e.ID]:
		case e.Protocol != protocol:
			why.add(e.ID, fmt.Errorf("it is of protocol %s, and was to be counted as one of %s", e.Protocol, protocol))
		default:
			once = append(once, e)
		}
		seen[e.ID] = true
	}
	return once
}

// turns are the generations of a protocol, those of each turn counted when those before it are: the one that serves comes
// last. Whatever readers see is then in the generation that they may be about to read, by a promotion or a rollback.
func turns(p ledger.Protocol) [2][]int64 {
	var of [2][]int64
	for _, g := range p.Gens {
		turn := 0
		if g == p.Serving {
			turn = 1
		}
		of[turn] = append(of[turn], g)
	}
	return of
}

// groups makes the transactions that count a list in some generations of a protocol.
func (c *Counter) groups(ctx context.Context, protocol string, gens []int64, list []entries.Entry, why *reasons) []group {
	var groups []group
	for _, number := range gens {
		need := lacking(list, number)
		if len(need) == 0 {
			continue
		}
		g, err := c.generation(ctx, protocol, number)
		if err != nil {
			why.all(need, err)
			continue
		}
		members, err := g.members(need)
		if err != nil {
			why.all(need, err)
			continue
		}
		groups = append(groups, pack(g, members)...)
	}
	return groups
}

// generation reads a generation and compiles its definition; where this process cannot, it says so once a minute.
func (c *Counter) generation(ctx context.Context, protocol string, number int64) (*generation, error) {
	g, err := c.programs.get(ctx, c.o.Ledger, protocol, number)
	if errors.Is(err, stats.ErrVersion) && c.often.may(fmt.Sprintf("%s %d", protocol, number)) {
		c.o.Log.Warn("a generation is not counted by this process: its entries wait for one that can",
			zap.String("protocol", protocol), zap.Int64("generation", number), zap.Error(err))
	}
	return g, err
}

// lacking are the entries that a generation does not have yet and that may still be counted.
func lacking(list []entries.Entry, generation int64) []entries.Entry {
	var need []entries.Entry
	for _, e := range list {
		if e.Batch == "" && !e.Archived && !slices.Contains(e.Gens, generation) {
			need = append(need, e)
		}
	}
	return need
}

// call is one counting of a list: what its transactions share.
type call struct {
	c       *Counter
	why     *reasons
	unclear atomic.Int64 // errors that said nothing about what happened
}

// maxUnclear bounds the errors of a call that say nothing: enough to single out a few entries that the store refuses, and few
// enough to give up soon when it is the store.
const maxUnclear = 40

// run counts the groups, Parallel of them at once.
func (k *call) run(ctx context.Context, groups []group) {
	var running sync.WaitGroup
	free := make(chan struct{}, k.c.o.Parallel)
	for _, g := range groups {
		free <- struct{}{}
		running.Go(func() {
			k.settle(ctx, g, triesOfGroup)
			<-free
		})
	}
	running.Wait()
}
