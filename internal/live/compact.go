package live

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"math/rand/v2"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/seed-56345083/reprise/internal/entries"
	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/stats"
)

// undated is the day of rows without a time.
const undated = "-"

// Compact is what a compaction may do.
type Compact struct {
	Before  string // days before it, as rows name them (2018-03-24)
	Undated bool   // rows without a day too, which counting still adds to
	Limit   int    // rows that are written, at most; default 10,000
}

// maxSighted bounds the rows that a compaction remembers of one statistic, about 50 bytes each. Of more it takes a random share,
// another one each time.
const maxSighted = 100_000

// Compact merges the rows of one key that are in several slots into one, in all generations that the protocol counts live. It
// returns how many rows are fewer; more says that it came to the limit. A row that is being counted to at the same time is left
// for the next time. A generation that this process cannot compile is left out.
func (c *Counter) Compact(ctx context.Context, protocol string, o Compact) (fewer int, more bool, err error) {
	if o.Limit == 0 {
		o.Limit = 10_000
	}
	p, err := c.o.Ledger.Protocol(ctx, protocol)
	if err != nil {
		return 0, false, fmt.Errorf("compacting %s: reading the protocol: %w", protocol, err)
	}
	for _, number := range p.Gens {
		g, err := c.generation(ctx, protocol, number)
		if errors.Is(err, stats.ErrVersion) {
			continue
		}
		if err != nil {
			return fewer, false, fmt.Errorf("compacting %s: %w", protocol, err)
		}
		for _, statistic := range g.program.Statistics() {
			if o.Limit <= 0 {
				return fewer, true, nil
			}
			written, removed, err := c.compact(ctx, g, statistic, o)
			fewer += removed
			o.Limit -= written
			if err != nil {
				return fewer, false, fmt.Errorf("compacting %s of %s, generation %d: %w", statistic, protocol, number, err)
			}
		}
	}
	return fewer, o.Limit <= 0, nil
}

// compact merges rows of one statistic.
func (c *Counter) compact(ctx context.Context, g *generation, statistic string, o Compact) (written, removed int, err error) {
	several, err := c.several(ctx, g, statistic, o)
	if err != nil {
		return 0, 0, err
	}
	for key, parts := range several {
		n, err := c.merge(ctx, g, key, parts)
		switch {
		case errors.Is(err, entries.ErrConflict):
			continue
		case err != nil:
			return written, removed, err
		}
		written++
		removed += n
	}
	return written, removed, nil
}

// several finds keys of rows that are in more than one part, up to the limit, and in which.
func (c *Counter) several(ctx context.Context, g *generation, statistic string, o Compact) (map[entries.RowKey][]string, error) {
	first := newSightings(maxSighted)
	several := map[entries.RowKey][]string{}
	for r, err := range c.o.Entries.LiveParts(ctx, g.protocol, g.number, statistic) {
		if err != nil {
			return nil, err
		}
		if r.Day == undated && !o.Undated || r.Day != undated && r.Day >= o.Before {
			continue
		}
		key := r.RowKey()
		before, again := first.see(key, r.Part)
		switch parts := several[key]; {
		case !again || slices.Contains(parts, r.Part):
		case parts != nil:
			if len(parts) < entries.MaxItems {
				several[key] = append(parts, r.Part)
			}
		case before != r.Part && len(several) < o.Limit:
			several[key] = []string{before, r.Part}
		}
	}
	return several, nil
}

// sightings remember in which part a key was seen first, by its hash: two keys of one hash cost a look, and no harm.
type sightings struct {
	most  int
	part  map[uint64]string
	seed  maphash.Seed
	share uint64 // only hashes that are 0 under this mask are kept
}

func newSightings(most int) *sightings {
	return &sightings{most: most, part: map[uint64]string{}, seed: maphash.MakeSeed()}
}

// see returns where a key was seen before.
func (s *sightings) see(key entries.RowKey, part string) (before string, again bool) {
	hash := maphash.Comparable(s.seed, key)
	if hash&s.share != 0 {
		return "", false
	}
	if before, again = s.part[hash]; again {
		return before, true
	}
	for len(s.part) >= s.most {
		s.share = s.share<<1 | 1
		for h := range s.part {
			if h&s.share != 0 {
				delete(s.part, h)
			}
		}
	}
	if hash&s.share == 0 {
		s.part[hash] = part
	}
	return "", false
}

// merge moves the rows of a key into the first of their parts and returns how many are gone.
func (c *Counter) merge(ctx context.Context, g *generation, key entries.RowKey, parts []string) (int, error) {
	sum := g.program.NewPartial()
	m := entries.Merge{Into: g.part(parts[0])}
	for i, part := range parts {
		rows, err := c.o.Entries.LiveRows(ctx, g.part(part), []entries.RowKey{key})
		if err != nil {
			return 0, err
		}
		r := rows[0]
		if i == 0 {
			m.Row.Version = r.Version
		}
		if r.Version == "" {
			continue
		}
		if err := sum.MergeRow(r.Statistic, r.FullDims(), r.State); err != nil {
			return 0, fmt.Errorf("part %s: %w", part, err)
		}
		if i > 0 {
			m.Remove = append(m.Remove, entries.Placed{Part: part, Key: key, Version: r.Version})
		}
	}
	if len(m.Remove) == 0 {
		return 0, nil
	}
	for r := range sum.Rows() {
		m.Row.Row = ledger.Row{
			Statistic: r.Statistic, Day: r.Day(), Key: r.Key(), Dims: r.DimsJSON(), Measures: r.MeasuresJSON(), State: r.State(),
		}
	}
	if sum.Len() != 1 || m.Row.RowKey() != key {
		return 0, fmt.Errorf("the rows of %s are not of one key", key.Key)
	}
	if err := c.o.Entries.MergeLive(ctx, m); err != nil {
		return 0, err
	}
	return len(m.Remove), nil
}

// compact compacts now and then, all processes together once in the time between, until ctx ends.
func (c *Consumer) compact(ctx context.Context) {
	next := map[string]time.Time{}
	for pause(ctx, c.o.Compact/20); ctx.Err() == nil; {
		more, err := c.compactEach(ctx, next)
		if err != nil && ctx.Err() == nil {
			c.o.Log.Warn("compacting", zap.Error(err))
		}
		if more {
			pause(ctx, min(c.o.Sweep, c.o.Compact/20))
		} else {
			pause(ctx, c.o.Compact/20)
		}
	}
}

// undatedTurn is how seldom rows without a day are compacted: they are being counted to all the time.
const undatedTurn = 7

// compactEach compacts each protocol whose time has come.
func (c *Consumer) compactEach(ctx context.Context, next map[string]time.Time) (more bool, err error) {
	protocols, err := c.protocols(ctx)
	if err != nil {
		return false, err
	}
	var errs []error
	for _, p := range protocols {
		began := time.Now()
		if began.Before(next[p.Name]) {
			continue
		}
		// The hour is for lines that come late: each would make the row of a slot anew.
		o := Compact{Before: began.UTC().Add(-time.Hour).Format(time.DateOnly), Undated: rand.IntN(undatedTurn) == 0}
		held, err := c.under(ctx, "compact#"+p.Name, c.o.Compact, func(ctx context.Context) error {
			fewer, more, err := c.counter.Compact(ctx, p.Name, o)
			if fewer > 0 {
				c.o.Log.Info("compacted", zap.String("protocol", p.Name), zap.Int("rows_fewer", fewer), zap.Duration("took", time.Since(began)))
			}
			if err == nil && more {
				return errMore
			}
			return err
		})
		switch {
		case errors.Is(err, errMore):
			more = true
		case err == nil && held:
			next[p.Name] = began.Add(c.o.Compact)
		case err != nil && !errors.Is(err, errLost) && ctx.Err() == nil:
			errs = append(errs, err)
		}
	}
	return more, errors.Join(errs...)
}

// errMore says that a compaction came to its limit, so that its lease is given back.
var errMore = errors.New("there is more to compact")
