package live

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/seed-56345083/reprise/internal/entries"
	"github.com/seed-56345083/reprise/internal/ledger"
)

// How often a transaction is tried. Each kind of error is counted for itself.
const (
	triesOfGroup = 4  // errors that say nothing, before a group is halved
	triesOfHalf  = 2  // the same of what was halved
	maxConflicts = 40 // all slots may be in use by other processes: about 3 s
	maxThrottles = 10 // about half a minute
	maxStale     = 20 // other counters are counting the same entries
)

// settle counts a group, whatever gets in the way, and says of which members it did not succeed. Every error leads back to the
// condition of the transaction: what is counted already is not counted again.
func (k *call) settle(ctx context.Context, g group, tries int) {
	var conflicts, throttles, stale, unclear int
	avoid := -1
	for len(g.members) > 0 {
		slot, err := k.transact(ctx, g, avoid)
		var wait time.Duration
		switch {
		case err == nil:
			return
		case ctx.Err() != nil:
			k.fail(g, ctx.Err())
			return
		case errors.Is(err, errLarge):
			k.halve(ctx, g, err)
			return
		case errors.Is(err, entries.ErrConflict) && conflicts < maxConflicts:
			conflicts++
			avoid, wait = slot, backoff(conflicts, 2*time.Millisecond, 100*time.Millisecond)
		case errors.Is(err, ledger.ErrThrottled) && throttles < maxThrottles:
			throttles++
			wait = backoff(throttles, 100*time.Millisecond, 5*time.Second)
		default:
			left, reading := k.left(ctx, g)
			if errors.Is(err, entries.ErrStale) && reading == nil && len(left.members) < len(g.members) && stale < maxStale {
				stale++
				g = left
				continue
			}
			if reading == nil {
				g = left
			}
			if unclear++; k.unclear.Add(1) > maxUnclear {
				k.fail(g, err)
				return
			}
			if unclear >= tries {
				k.halve(ctx, g, err)
				return
			}
			avoid, wait = slot, backoff(unclear, 20*time.Millisecond, 2*time.Second)
		}
		pause(ctx, wait)
	}
}

// halve counts the halves of a group for themselves, so that an entry which cannot be counted does not keep the others from
// it. An entry alone has failed.
func (k *call) halve(ctx context.Context, g group, err error) {
	n := len(g.members)
	if n <= 1 {
		k.fail(g, err)
		return
	}
	for _, half := range [][]member{g.members[:n/2], g.members[n/2:]} {
		k.settle(ctx, group{g.generation, half}, triesOfHalf)
	}
}

func (k *call) fail(g group, err error) {
	err = fmt.Errorf("generation %d: %w", g.number, err)
	for _, m := range g.members {
		k.why.add(m.ID, err)
	}
}

// transact reads the rows of a slot, adds the group's to them, and counts: one transaction.
func (k *call) transact(ctx context.Context, g group, avoid int) (slot int, err error) {
	slot, done := k.c.slots.take(g.key(), avoid)
	defer done()
	part := g.part(entries.LivePart(slot))
	var there []entries.LiveRow
	for keys := range slices.Chunk(g.keys(), entries.MaxRead) {
		some, err := k.c.o.Entries.LiveRows(ctx, part, keys)
		if err != nil {
			return slot, err
		}
		there = append(there, some...)
	}
	rows, err := g.onto(there)
	if err != nil {
		return slot, fmt.Errorf("part %s: %w", part.Name, err)
	}
	count := entries.Count{Part: part, Rows: rows}
	for _, m := range g.members {
		count.Entries = append(count.Entries, m.Counted)
	}
	return slot, k.c.o.Entries.Count(ctx, count)
}

// left reads the entries of a group and keeps the members that still need to be counted.
func (k *call) left(ctx context.Context, g group) (group, error) {
	ids := make([]string, len(g.members))
	for i, m := range g.members {
		ids[i] = m.ID
	}
	read, err := k.c.read(ctx, ids)
	if err != nil {
		return g, err
	}
	needs := map[string]bool{}
	for _, e := range lacking(read, g.number) {
		needs[e.ID] = true
	}
	left := group{generation: g.generation}
	for _, m := range g.members {
		if needs[m.ID] {
			left.members = append(left.members, m)
		}
	}
	return left, nil
}

// read reads entries by their ids; those that are gone are left out.
func (c *Counter) read(ctx context.Context, ids []string) ([]entries.Entry, error) {
	var list []entries.Entry
	for some := range slices.Chunk(ids, entries.MaxRead) {
		read, err := c.o.Entries.Read(ctx, some)
		if err != nil {
			return nil, fmt.Errorf("reading entries: %w", err)
		}
		list = append(list, read...)
	}
	return list, nil
}

// backoff is the delay before attempt n+1 (n counts from 1): between half and all of base doubled n-1 times, up to limit.
func backoff(n int, base, limit time.Duration) time.Duration {
	d := limit
	if n < 30 && base<<(n-1) < limit {
		d = base << (n - 1)
	}
	return d/2 + rand.N(d/2+1)
}

// pause waits for d or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// often lets something be said once a minute each.
type often struct {
	mu   sync.Mutex
	last map[string]time.Time
}

// may reports whether it is time to say something again.
func (o *often) may(what string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := time.Now()
	if last, said := o.last[what]; said && now.Sub(last) < time.Minute {
		return false
	}
	if o.last == nil || len(o.last) >= 1000 { // whatever names protocols have in what producers put
		o.last = map[string]time.Time{}
	}
	o.last[what] = now
	return true
}
